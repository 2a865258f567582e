"""What goes in and out of every command: ids, the answer to a question, the option for JSON."""

import math
import sys
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import click

from fourcasters_async.cli.exits import ABORTED, fail
from fourcasters_async.cli.terminal import harmless, say, usage_error

Decorator = Callable[[Callable[..., Any]], Callable[..., Any]]
"""What adds an option to a command."""

json_option: Decorator = click.option(
    "--json", "as_json", is_flag=True, help="Print one JSON document."
)


class Seconds(click.FloatRange):
    """A finite number of seconds, more than 0."""

    def __init__(self) -> None:
        super().__init__(0, min_open=True)

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> float:
        """Return it, or raise what click prints."""
        seconds: float = super().convert(value, param, ctx)
        return seconds if math.isfinite(seconds) else self.fail("must be finite", param, ctx)


def given_ids(words: Iterable[str], what: str) -> list[str]:
    """Return the distinct ids that a command was given, where `-` is those on standard input.

    None at all is wrong usage, and never means all.
    """
    ids = [each for word in words for each in (_ids_read() if word == "-" else [word])]
    if not ids:
        raise usage_error(f"no {what} id on standard input: nothing was sent")
    return list(dict.fromkeys(ids))


def say_ids(ids: Sequence[str | None], what: str) -> None:
    """Print ids, each once and one a line, and say how many records have none."""
    for each in dict.fromkeys(filter(None, ids)):
        say(each)
    if missing := sum(not each for each in ids):
        say(f"left out for want of an id: {missing:,} of {len(ids):,} {what}s", err=True)


def ask(question: Callable[[], str]) -> None:
    """Ask on standard error, and raise `click.Abort` unless the answer is yes.

    The question is made once it is known that somebody can answer it; if nobody can, that is said,
    and the command exits.
    """
    if not sys.stdin.isatty():
        fail("nobody can be asked, because standard input is no terminal: pass --yes", ABORTED)
    try:
        click.echo(f"{harmless(question())} [y/N] ", nl=False, err=True)
        answer = sys.stdin.readline()
    except (KeyboardInterrupt, OSError):
        # Or the terminal has gone.
        answer = ""
    if not answer.endswith("\n"):
        # The terminal's cursor is still behind the question.
        say("", err=True)
    if answer.strip().casefold() not in ("y", "yes"):
        raise click.Abort


def _ids_read() -> list[str]:
    try:
        # Some shells write a byte order mark. What is no UTF-8 is in no id.
        return sys.stdin.buffer.read().decode("utf-8-sig", "replace").split()
    except KeyboardInterrupt:
        raise click.Abort from None
