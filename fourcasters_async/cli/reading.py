"""What the commands that read have in common."""

import asyncio
import sys
from collections.abc import Awaitable, Callable, Iterable
from functools import partial
from typing import TypeVar

import click

from fourcasters_async.cli.columns import Columns, Row
from fourcasters_async.cli.display import show_rows, to_json
from fourcasters_async.cli.exits import run
from fourcasters_async.cli.sessions import in_session, make_session
from fourcasters_async.cli.terminal import console_of, say, say_json
from fourcasters_async.session import AsyncSession

T = TypeVar("T")


def check_one(**options: bool) -> None:
    """Refuse more than one of the options that each say what to print."""
    given = [f"--{name.replace('_', '-')}" for name, is_given in options.items() if is_given]
    if len(given) > 1:
        raise click.UsageError(f"{', '.join(given)}: give one of them")


def read(verb: Callable[[AsyncSession], Awaitable[T]]) -> tuple[str, T]:
    """Return the address of the exchange, and what a verb returns on the session of a command."""
    session = make_session()
    return session.base_url, run(in_session(session, partial(verb, session)), cancels=False)


async def together(reads: Iterable[Awaitable[T]]) -> list[T]:
    """Return what reads return that are made at once, or raise what the first of them raised."""
    answers: list[T] = []
    for answer in await asyncio.gather(*reads, return_exceptions=True):
        if isinstance(answer, BaseException):
            raise answer
        answers.append(answer)
    return answers


def print_json(exchange: str, **content: object) -> None:
    """Print the document of a command that reads."""
    say_json(to_json({"exchange": exchange} | content))


def show(columns: Columns, rows: list[Row], nothing: str) -> None:
    """Print a table, or say on standard error that there is `nothing` to show."""
    if not rows:
        say(nothing, err=True)
        return
    show_rows(console_of(sys.stdout), columns, rows)
