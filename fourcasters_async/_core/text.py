"""Texts from outside, prepared for messages and logs."""

_LIMIT = 300
# An answer that names every order that one call may name has fewer records than this for its
# size: that of an order takes some 200 bytes.
_RECORDS, _BYTES_PER_RECORD = 30_000, 96

TOO_DENSE = "far more records than an answer of this size has"


def one_line(text: str) -> str:
    """Return a text as one line, cut after 300 characters."""
    line = " ".join(text.split())
    return line if len(line) <= _LIMIT else f"{line[:_LIMIT]}…"


def is_too_dense(document: bytes) -> bool:
    """Whether a JSON text has too many objects and lists for its size, before it is parsed.

    Parsing takes ten to a hundred times the memory of such a text, and blocks the loop for long.
    """
    allowed = _RECORDS + len(document) // _BYTES_PER_RECORD
    # Each takes a bracket and a separator.
    if len(document) < 2 * allowed:
        return False
    return document.count(b"{") + document.count(b"[") > allowed
