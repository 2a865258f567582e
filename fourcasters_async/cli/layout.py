"""How wide the columns of a table are on a narrow terminal. No I/O."""

import re
from collections.abc import Container, Iterable, Sequence

from rich.cells import cell_len

_ID = re.compile("[0-9a-f]{24}", re.IGNORECASE)
# A word up to here stays whole, and one with an id in it up to there.
_LONGEST_WORD, _LONGEST_ID = 12, 40


def widths_in(
    room: int, heads: Sequence[str], rows: Sequence[Sequence[str]], numbers: Container[int]
) -> list[int] | None:
    """Return the widths of columns that share so much room, `None` if there is too little of it.

    Ids, numbers and short words stay whole. What is longer is folded, and nothing is cut.
    """
    columns = [[row[index] for row in rows] for index in range(len(heads))]
    in_heads = [_least([head]) for head in heads]
    wanted = [
        max(least, *map(cell_len, cells)) for least, cells in zip(in_heads, columns, strict=True)
    ]
    widths = [
        wanted[index] if index in numbers else max(in_heads[index], _least(cells))
        for index, cells in enumerate(columns)
    ]
    spare = room - sum(widths)
    if spare < 0:
        return None
    missing = [want - has for want, has in zip(wanted, widths, strict=True)]
    # Each gets an equal share of what is left: one that needs less leaves more to the others.
    by_need = sorted(range(len(widths)), key=missing.__getitem__)
    for position, index in enumerate(by_need):
        share = min(missing[index], spare // (len(widths) - position))
        widths[index] += share
        spare -= share
    return widths


def _least(cells: Iterable[str]) -> int:
    """Return the least width of a column of texts."""
    return max((width for cell in cells for width in _unbroken_in(cell)), default=1)


def _unbroken_in(cell: str) -> Iterable[int]:
    # Blanks at the start stay with the first word.
    indent = len(cell) - len(cell.lstrip())
    for index, word in enumerate(cell.split()):
        yield _unbroken(word) + (0 if index else indent)


def _unbroken(word: str) -> int:
    length = cell_len(word)
    if length <= _LONGEST_WORD or (length <= _LONGEST_ID and _ID.search(word)):
        return length
    return _LONGEST_WORD
