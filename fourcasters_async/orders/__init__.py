"""The order verbs."""
