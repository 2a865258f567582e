"""Texts of somebody else's, made fit to be shown."""

_LIMIT = 300


def one_line(text: str) -> str:
    """Return a text in one line of sane length."""
    line = " ".join(text.split())
    return line if len(line) <= _LIMIT else f"{line[:_LIMIT]}…"
