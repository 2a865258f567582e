"""The one place where text goes to the terminal or a pipe, and is made harmless before it does.

Reasons, references, descriptions and error texts are somebody else's words. A line break in one
could forge a row, and an escape sequence or a change of direction could alter what is seen.
"""

import io
import os
import re
import select
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext
from typing import TYPE_CHECKING, Any, TextIO

import click

from fourcasters_async.cli.prose import unheard
from fourcasters_async.cli.waiting import take_back

if TYPE_CHECKING:
    # Commands that cancel should not wait until it is imported, if no table is drawn.
    from rich.console import Console

# Variables by which rich may take what is no terminal for one.
_FORCING = {"FORCE_COLOR", "TTY_COMPATIBLE"}
# What a terminal has that does not say how large it is.
_USUAL_COLUMNS, _USUAL_LINES = 80, 25


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
    take_back()
    with unheard() if err else nullcontext():
        click.echo(harmless(text), err=err)


def say_json(document: str) -> None:
    """Print a JSON document as it is, but with escapes for what `harmless` would replace.

    Such characters can only be inside of strings. So are those that the output cannot encode.
    """
    click.echo(re.sub(r"[^\n -~]", _in_json, document))


def write_anything() -> None:
    """Let standard output write everything, and not fail.

    What its encoding does not have is written as an escape. A pipe that does not block is waited
    for if it is full: whoever made it so may share it, so it is left as it is.
    """
    if not isinstance(sys.stdout, io.TextIOWrapper):
        return
    if not _blocks(sys.stdout):
        raw = _Patient(sys.stdout.fileno(), "w", closefd=False)
        sys.stdout = io.TextIOWrapper(io.BufferedWriter(raw), encoding=sys.stdout.encoding)
    sys.stdout.reconfigure(errors="backslashreplace")


def console_of(stream: TextIO | None) -> "Console | None":
    """Return what draws on a stream, `None` if it is no terminal, or closed."""
    if stream is None or not (stream.isatty() or _FORCING & os.environ.keys()):
        return None
    console = new_console(stream)
    return console if console.is_terminal else None


def new_console(stream: TextIO | None = None) -> "Console":
    """Return what draws on a stream, or on standard output.

    Some programs set COLUMNS and LINES to 0 where they do not know the size. Nothing at all would
    be drawn in so little room.
    """
    from rich.console import Console  # noqa: PLC0415  # as above

    console = Console(file=stream, highlight=False)
    # A size that is set here would not follow the terminal's any more.
    if not console.width:
        console.width = _USUAL_COLUMNS
    if not console.height:
        console.height = _USUAL_LINES
    return console


def headline(console: "Console | None", text: str) -> None:
    """Print one line, in bold on a terminal, which is not broken."""
    if console is None:
        say(text)
        return
    from rich.text import Text  # noqa: PLC0415  # as above

    console.print(Text(harmless(text), style="bold"), soft_wrap=True)


def usage_error(error: Exception | str) -> click.UsageError:
    """Return what click prints, with the text of an error."""
    return click.UsageError(harmless(str(error)))


@contextmanager
def whoever_reads() -> Iterator[None]:
    """Print in this block what a command came to, and let it go on if that cannot be written.

    Whoever reads may want the first line alone, or a disk may be full: the exit status is to say
    what became of the orders all the same.
    """
    try:
        yield
    except (BrokenPipeError, SystemExit):
        # The reader has gone; the other is how rich says it.
        pass
    except OSError as error:
        say(f"standard output cannot be written: {error.strerror}", err=True)


def say_row(row: Sequence[str], *, numbers: range, err: bool = False) -> None:
    """Print one line with tabs, `numbers` without thousands separators."""
    cells = (cell.replace(",", "") if index in numbers else cell for index, cell in enumerate(row))
    click.echo("\t".join(map(harmless, cells)), err=err)


class _Patient(io.FileIO):
    """A file that does not block, and is waited for all the same."""

    def write(self, data: Any, /) -> int:
        while (written := super().write(data)) is None:
            select.select([], [self], [])
        return written


def _blocks(stream: TextIO) -> bool:
    try:
        return os.name != "posix" or os.get_blocking(stream.fileno())
    except (OSError, ValueError):
        return True


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
