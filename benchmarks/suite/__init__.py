"""Clients side by side, against a mock exchange that is never what is measured."""
