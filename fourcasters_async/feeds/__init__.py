"""The feeds: the account's own orders and the prices, pushed by the exchange."""
