"""Texts from outside, prepared for messages and logs."""

_LIMIT = 300


def one_line(text: str) -> str:
    """Return a text as one line, cut after 300 characters."""
    line = " ".join(text.split())
    return line if len(line) <= _LIMIT else f"{line[:_LIMIT]}…"


def folded(reference: str | None) -> str:
    """Return a reference as it is compared."""
    return (reference or "").strip().casefold()
