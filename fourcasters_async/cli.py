"""The command line: `fourcasters`."""

import asyncio
import sys
from collections.abc import Callable, Coroutine, Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, NoReturn, TypeVar

import attrs
import click
import orjson
from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn
from rich.table import Table

from fourcasters_async import demo as demo_job
from fourcasters_async._checks import is_local
from fourcasters_async._version import __version__
from fourcasters_async.errors import FourcastersError, InvalidRequestError
from fourcasters_async.models import CancelReport, GameOutcome, MarketType
from fourcasters_async.session import AsyncSession

T = TypeVar("T")

# 2 is click's own, for wrong usage.
_ALL_CONFIRMED, _NOT_CANCELLED, _NOT_KNOWN = 0, 1, 3
_ROWS_SHOWN = 12


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="fourcasters")
def main() -> None:
    """Cancel orders on the 4casters exchange, and know that they went."""


@main.command()
@click.option("--games", default=100, type=click.IntRange(1, 10_000), show_default=True)
@click.option("--orders", default=10, type=click.IntRange(0, 1_000), show_default=True)
@click.option(
    "--latency",
    default=20.0,
    type=click.FloatRange(0, 10_000),
    show_default=True,
    help="Milliseconds that an answer takes.",
)
def demo(games: int, orders: int, latency: float) -> None:
    """Cancel every order on many games of a sandbox exchange.

    The sandbox is started on this machine for the length of the command. Nothing here touches
    the real exchange, whatever the environment says.
    """
    console = Console(highlight=False)
    sys.exit(_run(_demo(console, games=games, orders=orders, latency=latency)))


async def _demo(console: Console, *, games: int, orders: int, latency: float) -> int:
    needed = demo_job.games_needed(games)
    async with demo_job.sandbox(games=needed, orders=orders, latency=latency) as sandbox:
        console.print(f"SANDBOX at {sandbox.url}: an exchange on this machine, not the real one")
        with _progress(console, games) as advance:
            result = await demo_job.run(sandbox, games, advance)
    _show_outcomes(console, result.report.outcomes[:_ROWS_SHOWN])
    if len(result.report.outcomes) > _ROWS_SHOWN:
        console.print(f"… and {len(result.report.outcomes) - _ROWS_SHOWN:,} more games")
    console.print(f"[bold]sandbox: {result.report}[/]")
    console.print(f"orders open on these games: {result.resting_before:,} before", end="")
    console.print(f", {result.resting_after:,} after, read from the account")
    total, one, serial = result.report.elapsed, result.one_answer, result.one_by_one
    how = "" if result.sample == games else f", measured on {result.sample}"
    console.print(f"time to the last answer:  {total * 1000:9.1f} ms")
    console.print(f"one answer of the server: {one * 1000:9.1f} ms, x {total / one:.1f}")
    console.print(f"one after another:        {serial * 1000:9.1f} ms, x {serial / total:.1f}{how}")
    return _exit_status(result.report)


@main.command("cancel-games")
@click.argument("game_ids", nargs=-1, required=True, metavar="GAME_ID…")
@click.option(
    "--type",
    "type_",
    type=click.Choice([member.value for member in MarketType]),
    help="Only this market type.",
)
@click.option("--deadline", type=float, help="Seconds after which the report is wanted.")
@click.option("--verify", is_flag=True, help="Read afterwards what is open, and cancel it by id.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
def cancel_games(
    game_ids: Sequence[str],
    type_: str | None,
    deadline: float | None,
    *,
    verify: bool,
    as_json: bool,
) -> None:
    """Cancel every order on games, for real.

    The token is read from FOURCASTERS_TOKEN. A GAME_ID of - stands for the ids on standard input,
    apart by white space.

    Exits with 0 if every game is confirmed, 1 if the exchange refused a game or did not cancel
    some order, 2 for wrong usage, 3 if the state of some game is not known or nothing reached the
    exchange.
    """
    ids = [word for game_id in game_ids for word in _expanded(game_id)]
    if not ids:
        raise click.UsageError("there was no game id on standard input")
    try:
        session = AsyncSession.from_env()
    except InvalidRequestError as error:
        raise click.UsageError(str(error)) from None
    exchange = _name(session)
    click.echo(f"on the {exchange}", err=True)
    report = _run(_cancel_games(session, ids, type_, deadline, verify=verify))
    if as_json:
        click.echo(_as_json(report, session))
    else:
        console = Console(highlight=False)
        _show_outcomes(console, report.outcomes)
        console.print(f"[bold]{exchange}: {report}[/]", soft_wrap=True)
    sys.exit(_exit_status(report))


async def _cancel_games(
    session: AsyncSession,
    game_ids: Sequence[str],
    type_: str | None,
    deadline: float | None,
    *,
    verify: bool,
) -> CancelReport:
    console = Console(stderr=True, highlight=False)
    async with session:
        with _progress(console, len(set(game_ids))) as advance:
            return await session.cancel_all_orders_for_games(
                game_ids, type=type_, deadline=deadline, verify=verify, on_outcome=advance
            )


def _run(job: Coroutine[Any, Any, T]) -> T:
    """Run `job`; turn what it cannot do into an exit status."""
    try:
        return asyncio.run(job)
    except InvalidRequestError as error:
        raise click.UsageError(str(error)) from None
    except FourcastersError as error:
        _fail(f"{type(error).__name__}: {error}")
    except KeyboardInterrupt:
        _fail("interrupted: what was in flight may have been cancelled or not")


def _fail(message: str) -> NoReturn:
    click.echo(message, err=True)
    sys.exit(_NOT_KNOWN)


def _expanded(game_id: str) -> Iterable[str]:
    return sys.stdin.read().split() if game_id == "-" else [game_id]


def _name(session: AsyncSession) -> str:
    """Name the exchange so that a sandbox cannot be taken for the real one."""
    kind = "sandbox on this machine" if is_local(session.base_url) else "REAL exchange"
    return f"{kind} at {session.base_url}"


def _exit_status(report: CancelReport) -> int:
    if report.unknown or report.not_sent:
        return _NOT_KNOWN
    return _ALL_CONFIRMED if report.ok else _NOT_CANCELLED


@contextmanager
def _progress(console: Console, games: int) -> Iterator[Callable[[GameOutcome], None]]:
    """Show how many games have answered, on a terminal."""
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
    with Progress(*columns, console=console, disable=not console.is_terminal) as progress:
        task = progress.add_task("games answered", total=games)
        yield lambda _: progress.advance(task)


def _show_outcomes(console: Console, outcomes: Iterable[GameOutcome]) -> None:
    """Print a table on a terminal, and else a line a game, its columns apart by tabs."""
    heads = ("game", "status", "cancelled", "not cancelled", "open", "attempts", "ms", "error")
    if not console.is_terminal:
        for outcome in outcomes:
            click.echo("\t".join(_row(outcome)))
        return
    table = Table()
    for number, head in enumerate(heads):
        table.add_column(head, justify="right" if 1 < number < len(heads) - 1 else "left")
    for outcome in outcomes:
        style = None if outcome.unsettled is None else "red"
        table.add_row(*map(escape, _row(outcome)), style=style)
    console.print(table)


def _row(outcome: GameOutcome) -> list[str]:
    cancelled = sum(result.success for result in outcome.results)
    return [
        str(outcome.market),
        outcome.status,
        str(cancelled),
        str(len(outcome.results) - cancelled),
        "?" if outcome.resting is None else str(len(outcome.resting)),
        str(outcome.attempts),
        f"{outcome.elapsed * 1000:.1f}",
        "" if outcome.unsettled is None else str(outcome.unsettled),
    ]


def _as_json(report: CancelReport, session: AsyncSession) -> str:
    document = {
        "exchange": session.base_url,
        "sandbox": is_local(session.base_url),
        "ok": report.ok,
        "verified_clear": report.verified_clear,
        "elapsed": report.elapsed,
        "outcomes": [
            {**attrs.asdict(outcome), "error": outcome.unsettled and str(outcome.unsettled)}
            for outcome in report.outcomes
        ],
    }
    return orjson.dumps(document, option=orjson.OPT_INDENT_2).decode()
