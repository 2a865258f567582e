"""What is drawn on a terminal: tables and lines. It imports rich, which is slow to import."""

from collections.abc import Iterator, Sequence
from typing import Literal

from attrs import frozen
from rich.cells import cell_len
from rich.console import Group, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from fourcasters_async.cli.columns import Columns, Row
from fourcasters_async.cli.layout import widths_in
from fourcasters_async.cli.terminal import harmless

_STYLES = {
    "confirmed": "green",
    "yes": "green",
    "partial": "bold yellow",
    "refused": "bold red",
    "unknown": "bold red",
    "not sent": "bold red",
    "no": "bold red",
}


def drawn_rows(width: int, columns: Columns, rows: Sequence[Row]) -> RenderableType:
    """Return what a table is on a terminal of a width. Nothing of an id or a number is cut.

    It has lines if there is room for them, otherwise none. Where there is no room for every column,
    those go that are empty or `spare`; where that is not enough, long texts are folded; and where
    an id would have to be, each row is a few lines of its own. A note is a mark in its row, and is
    told below the table, once for all rows that have it.
    """
    shown = [[harmless(cell) for cell in row] for row in rows]
    notes = _marked(columns, shown)
    form = _form(width, columns, shown)
    if form is None:
        return Group(*_records(columns, shown), *notes)
    table = Table() if form.lines else Table(box=None, padding=(0, form.gap, 0, 0), pad_edge=False)
    for index, cells in form.widths.items():
        justify: Literal["right", "left"] = "right" if index in columns.numbers else "left"
        table.add_column(columns.heads[index], justify=justify, overflow="fold", width=cells)
    for row in shown:
        table.add_row(*(_cell(columns, index, row[index]) for index in form.widths))
    return Group(table, *notes)


def drawn_line(text: str, style: str = "") -> RenderableType:
    """Return a text on a terminal, which is folded where it is too long."""
    return Text(harmless(text), style=style, overflow="fold")


@frozen
class _Form:
    """The width of each column that is shown, and what is between them: lines, or blanks."""

    widths: dict[int, int]
    lines: bool = False
    gap: int = 1


def _form(width: int, columns: Columns, rows: Sequence[Row]) -> _Form | None:
    """Return the first form of a table that fits, `None` if there is none."""
    every = list(range(len(columns.heads)))
    fewer = _that_matter(columns, rows)
    whole = [max(map(cell_len, column)) for column in zip(columns.heads, *rows, strict=True)]
    for shown in (every, fewer):
        widths = {index: whole[index] for index in shown}
        wide, count = sum(widths.values()), len(shown)
        # A line at the left, and for each column two blanks and a line.
        if wide + 3 * count + 1 <= width:
            return _Form(widths, lines=True)
        for gap in (2, 1):
            if wide + gap * count <= width:
                return _Form(widths, gap=gap)
    folded = widths_in(
        width - len(fewer),
        [columns.heads[index] for index in fewer],
        [[row[index] for index in fewer] for row in rows],
        {place for place, index in enumerate(fewer) if index in columns.numbers},
    )
    return None if folded is None else _Form(dict(zip(fewer, folded, strict=True)))


def _that_matter(columns: Columns, rows: Sequence[Row]) -> list[int]:
    """Return the places of the columns that are neither empty nor spare. The first one is kept."""
    return [
        index
        for index, head in enumerate(columns.heads)
        if not index or (head not in columns.spare and any(row[index] for row in rows))
    ]


def _records(columns: Columns, rows: Sequence[Row]) -> Iterator[RenderableType]:
    """Return for each row its first cell and its status, and below them the others by their heads.

    What is empty or spare in a row is left out, and `yes` and `no` are said by the head.
    """
    for row in rows:
        first, others = Text(row[0], style="bold", overflow="fold"), []
        for index in _that_matter(columns, [row])[1:]:
            head, cell = columns.heads[index], _cell(columns, index, row[index])
            said = {"yes": head, "no": f"not {head}"}.get(cell.plain)
            if head == columns.status:
                first = first + Text(" ") + Text(said or cell.plain, style=cell.style)
            else:
                others.append(said or f"{head} {cell.plain}")
        yield first
        if others:
            yield Padding(Text("; ".join(others), overflow="fold"), (0, 0, 0, 2))


def _cell(columns: Columns, index: int, text: str) -> Text:
    if columns.heads[index] != columns.status:
        return Text(text)
    worded = text.replace("_", " ")
    return Text(worded, style=_STYLES.get(worded, ""))


def _marked(columns: Columns, rows: Sequence[list[str]]) -> list[RenderableType]:
    """Put a mark in place of each note, and return the lines that say what the marks mean."""
    if not columns.note:
        return []
    place = columns.heads.index(columns.note)
    marks: dict[str, str] = {}
    for row in rows:
        # Its row names what it is about.
        if note := row[place].removeprefix(f"{row[0]}: "):
            row[place] = marks.setdefault(note, f"[{len(marks) + 1}]")
    if not marks:
        return []
    told = Table.grid(padding=(0, 1, 0, 0))
    told.add_column(no_wrap=True)
    told.add_column(overflow="fold")
    for note, mark in marks.items():
        told.add_row(Text(mark), Text(note))
    return [told]
