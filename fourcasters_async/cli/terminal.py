"""The one place where text goes to the terminal or a pipe, and is made harmless before it does.

Reasons, references, descriptions and error texts are somebody else's words. A line break in one
could forge a row, and an escape sequence or a change of direction could alter what is seen.
"""

import io
import re
import sys
from collections.abc import Iterable, Sequence
from typing import Literal

import click
from rich.cells import cell_len
from rich.console import Console, Group, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from fourcasters_async.cli.layout import widths_in


def harmless(text: str) -> str:
    """Return a text with the escape of each character that is not printable, as in Python.

    That is a control character (also of C1), a line separator, a format character such as those
    for bidirectional text, or a lone surrogate. Other blanks than a space become one.
    """
    if text.isprintable():
        return text
    return "".join(map(_harmless, text))


def say(text: str, *, err: bool = False) -> None:
    """Print one line, on standard error with `err`."""
    click.echo(harmless(text), err=err)


def say_json(document: str) -> None:
    """Print a JSON document as it is, but with escapes for what `harmless` would replace.

    Such characters can only be inside of strings. So are those that the output cannot encode.
    """
    click.echo(re.sub(r"[^\n -~]", _in_json, document))


def write_anything() -> None:
    """Let standard output write what its encoding does not have as an escape, and not fail."""
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")


def headline(console: Console, text: str) -> None:
    """Print one line in bold, which is not broken."""
    console.print(Text(harmless(text), style="bold"), soft_wrap=True)


def usage_error(error: Exception | str) -> click.UsageError:
    """Return what click prints, with the text of an error."""
    return click.UsageError(harmless(str(error)))


def show_rows(
    console: Console, heads: Sequence[str], rows: Iterable[Sequence[str]], *, numbers: range
) -> None:
    """Print a table on a terminal, otherwise lines with tabs.

    `numbers` are aligned right, and have no thousands separators in lines with tabs. Nothing is
    ever cut on a terminal: long texts are folded, and an id stays whole. A row that is too wide for
    that is printed in several lines.
    """
    if console.is_terminal:
        console.print(drawn_rows(console.width, heads, rows, numbers=numbers))
        return
    for row in rows:
        say_row(row, numbers=numbers)


def say_row(row: Sequence[str], *, numbers: range) -> None:
    """Print one line with tabs, `numbers` without thousands separators."""
    cells = (cell.replace(",", "") if index in numbers else cell for index, cell in enumerate(row))
    click.echo("\t".join(map(harmless, cells)))


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


def _harmless(character: str) -> str:
    if character.isprintable():
        return character
    return " " if character in "\u00a0\u3000" else ascii(character)[1:-1]


def _in_json(found: "re.Match[str]") -> str:
    character = found.group()
    if character.isprintable() and _is_encodable(character):
        return character
    units = character.encode("utf-16-be", "surrogatepass").hex()
    return "".join(f"\\u{units[start : start + 4]}" for start in range(0, len(units), 4))


def _is_encodable(character: str) -> bool:
    try:
        character.encode(getattr(sys.stdout, "encoding", None) or "utf-8")
    except UnicodeEncodeError:
        return False
    return True
