"""Texts from outside, prepared for messages and logs."""

_LIMIT = 300
# As many records as one call may name orders are never too many.
_RECORDS = 30_000
BYTES_PER_RECORD = 96
"""What a record of an order takes at least on average: most take some 200 bytes."""

TOO_DENSE = "far more records than an answer of this size has"


def one_line(text: str) -> str:
    """Return a text as one line, cut after 300 characters."""
    line = " ".join(text.split())
    return line if len(line) <= _LIMIT else f"{line[:_LIMIT]}…"


def is_too_dense(document: bytes, *, bytes_per_record: int = BYTES_PER_RECORD) -> bool:
    """Whether a JSON text has too many objects and lists for its size, before it is parsed.

    Parsing takes ten to a hundred times the memory of such a text, and blocks the loop for long.
    """
    allowed = _RECORDS + len(document) // bytes_per_record
    # Each takes a bracket and a separator.
    if len(document) < 2 * allowed:
        return False
    return document.count(b"{") + document.count(b"[") > allowed


def folded(reference: str | None) -> str:
    """Return a reference as it is compared."""
    return (reference or "").strip().casefold()
