"""What is drawn on a terminal: tables and lines. It imports rich, which is slow to import."""

from collections.abc import Iterable, Sequence
from typing import Literal

from rich.cells import cell_len
from rich.console import Group, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from fourcasters_async.cli.layout import widths_in
from fourcasters_async.cli.terminal import harmless


def drawn_rows(
    width: int, heads: Sequence[str], rows: Iterable[Sequence[str]], *, numbers: range
) -> RenderableType:
    """Return what a table is on a terminal, as `show_rows` prints it."""
    shown = [[harmless(cell) for cell in row] for row in rows]
    table = _table(width, heads, shown, numbers)
    return Group(*_in_lines(heads, shown)) if table is None else table


def drawn_line(text: str, style: str = "") -> RenderableType:
    """Return a text on a terminal, which is folded where it is too long."""
    return Text(harmless(text), style=style, overflow="fold")


def _table(
    width: int, heads: Sequence[str], rows: Sequence[Sequence[str]], numbers: range
) -> Table | None:
    """Return a table that fits: with lines, if there is room for that, else without them."""
    widths = [max(map(cell_len, column)) for column in zip(heads, *rows, strict=True)]
    columns = len(heads)
    made = Table()
    # A line at the left, and for each column two blanks and a line.
    if sum(widths) + 3 * columns + 1 > width:
        gap = 2 if sum(widths) + 2 * columns <= width else 1
        fitting = widths_in(width - gap * columns, heads, rows, numbers)
        if fitting is None:
            return None
        widths = fitting
        made = Table(box=None, padding=(0, gap, 0, 0), pad_edge=False)
    for index, head in enumerate(heads):
        justify: Literal["right", "left"] = "right" if index in numbers else "left"
        made.add_column(head, justify=justify, overflow="fold", width=widths[index])
    for row in rows:
        made.add_row(*map(Text, row))
    return made


def _in_lines(heads: Sequence[str], rows: Iterable[Sequence[str]]) -> Iterable[RenderableType]:
    """Return for each row its first cell, and below it the others with their heads."""
    for first, *others in rows:
        yield Text(first, style="bold", overflow="fold")
        named = (f"{head} {cell}" for head, cell in zip(heads[1:], others, strict=True) if cell)
        yield Padding(Text("; ".join(named), overflow="fold"), (0, 0, 0, 2))
