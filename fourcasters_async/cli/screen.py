"""What fits on a terminal that is drawn again as things change. No I/O."""

from collections.abc import Sequence

from rich.console import Console, Group, RenderableType

from fourcasters_async.cli.columns import Columns, Row
from fourcasters_async.cli.drawing import drawn_line, drawn_rows


def lines_of(console: Console, *drawn: RenderableType) -> int:
    """Count the lines that things take."""
    return len(console.render_lines(Group(*drawn), pad=False)) if drawn else 0


def fitting(
    console: Console,
    columns: Columns,
    rows: Sequence[Row],
    *,
    height: int,
    more: str,
    ranks: Sequence[int] | None = None,
) -> RenderableType:
    """Return a table of the rows that fit into so many lines, and how many `more` there are.

    Those with the lowest of `ranks` are kept, in the order of `rows`; without `ranks` the first
    ones. Nothing of a row is ever cut.
    """
    places = list(range(len(rows)))
    if ranks is not None:
        places.sort(key=ranks.__getitem__)

    def drawn(count: int) -> RenderableType:
        kept = [rows[place] for place in sorted(places[:count])]
        parts = []
        if kept:
            parts.append(drawn_rows(console.width, columns, kept))
        if left := len(rows) - count:
            parts.append(drawn_line(f"… and {left:,} more {more}"))
        return Group(*parts)

    # A row takes a line at least.
    least, most = 0, min(len(rows), max(height, 0))
    while least < most:
        middle = (least + most + 1) // 2
        if lines_of(console, drawn(middle)) <= height:
            least = middle
        else:
            most = middle - 1
    return drawn(least)
