"""The feeds: what the exchange pushes."""
