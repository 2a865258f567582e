"""The feeds: what the exchange pushes, the own orders and the prices, kept up by themselves."""
