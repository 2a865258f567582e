"""What the feeds of a session take when nothing else is said."""

from collections.abc import Iterable

Given = Iterable[str] | None
"""Names of games, leagues or sports, where they are given."""
KEEP = 10_000
"""Events that are kept for a slow consumer, unless it says otherwise."""
AUDIT = 60.0
"""Seconds between two looks for messages that were not pushed."""
