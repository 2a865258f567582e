"""The one place where text goes to the terminal or a pipe, and is made harmless before it does.

Reasons, references, descriptions and error texts are somebody else's words. A line break in one
could forge a row, and an escape sequence or a change of direction could alter what is seen.
"""

import re
from collections.abc import Iterable, Sequence

import click
from rich.console import Console
from rich.markup import escape
from rich.table import Table
from rich.text import Text


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

    Such characters can only be inside of strings.
    """
    click.echo(re.sub(r"[^\n -~]", _in_json, document))


def headline(console: Console, text: str) -> None:
    """Print one line in bold, which is not broken."""
    console.print(Text(harmless(text), style="bold"), soft_wrap=True)


def usage_error(error: Exception | str) -> click.UsageError:
    """Return what click prints, with the text of an error."""
    return click.UsageError(harmless(str(error)))


def show_rows(
    console: Console, heads: Sequence[str], rows: Iterable[Sequence[str]], *, numbers: range
) -> None:
    """Print a table on a terminal, otherwise lines with tabs. `numbers` are aligned right."""
    if not console.is_terminal:
        for row in rows:
            click.echo("\t".join(map(harmless, row)))
        return
    table = Table()
    for index, head in enumerate(heads):
        table.add_column(head, justify="right" if index in numbers else "left")
    for row in rows:
        table.add_row(*(escape(harmless(cell)) for cell in row))
    console.print(table)


def _harmless(character: str) -> str:
    if character.isprintable():
        return character
    return " " if character in "\u00a0\u3000" else ascii(character)[1:-1]


def _in_json(found: "re.Match[str]") -> str:
    character = found.group()
    if character.isprintable():
        return character
    units = character.encode("utf-16-be", "surrogatepass").hex()
    return "".join(f"\\u{units[start : start + 4]}" for start in range(0, len(units), 4))
