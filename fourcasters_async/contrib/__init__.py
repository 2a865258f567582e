"""Hooks for what others watch services with. Each needs an extra, and is imported by name."""
