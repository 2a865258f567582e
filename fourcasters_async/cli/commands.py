"""The command line: `fourcasters`."""

import sys
from collections.abc import Awaitable, Callable, Iterable, Sequence
from typing import NoReturn, TypeVar

import click

from fourcasters_async._core.validation import is_local
from fourcasters_async._version import __version__
from fourcasters_async.cli.display import (
    interrupted_line,
    report_document,
    show_orders,
    show_outcomes,
    show_results,
    to_json,
)
from fourcasters_async.cli.exits import (
    ALL_CONFIRMED,
    NOT_CANCELLED,
    NOT_KNOWN,
    exit_status,
    run,
    tell_source,
)
from fourcasters_async.cli.fanout import fan_out
from fourcasters_async.cli.lazy_group import LazyGroup
from fourcasters_async.cli.sessions import in_session, make_session, name_of
from fourcasters_async.cli.terminal import (
    console_of,
    headline,
    say,
    say_json,
    usage_error,
    write_anything,
)
from fourcasters_async.cli.waiting import waiting
from fourcasters_async.errors import InvalidRequestError
from fourcasters_async.models import CancelResult, MarketType, OpenOrder
from fourcasters_async.orders.arguments import check_markets
from fourcasters_async.session import AsyncSession

T = TypeVar("T")
# `None` if an order lacks the field that decides.
_Wanted = Callable[[OpenOrder], bool | None]

_VERIFY_SECONDS = 10.0

_dry_run = click.option(
    "--dry-run", is_flag=True, help="Show the orders that would be cancelled; change nothing."
)
_verify = click.option("--verify", is_flag=True, help="Then read which orders are still open.")


# The module of each command that is not below: it is imported once the command is asked for.
_ELSEWHERE = {
    "bets": "reads",
    "book": "reads",
    "demo": "demo",
    "doctor": "doctor",
    "games": "reads",
    "graded": "reads",
    "login": "login",
    "logout": "login",
    "me": "reads",
    "positions": "reads",
    "sandbox": "sandbox",
    "watch": "watch",
}


@click.group(
    cls=LazyGroup,
    elsewhere=_ELSEWHERE,
    context_settings={"help_option_names": ["-h", "--help"]},
)
@click.version_option(__version__, prog_name="fourcasters")
def main() -> None:
    """Cancel orders on the 4casters exchange, and know whether they are gone.

    The other commands show what is there: games, a game's book, orders, bets and positions.

    Run `fourcasters login` once for the account, or set FOURCASTERS_TOKEN, which wins, or set
    FOURCASTERS_USERNAME and FOURCASTERS_PASSWORD.

    Commands that cancel exit with 0 if everything is confirmed, 1 if the exchange refused or did
    not cancel something, 2 for wrong usage, 3 if something is unknown or was not sent, or if the
    command was interrupted. With --verify, cancel-games exits with 0 if every game is proved
    clear, whatever became of the requests.

    Commands that read exit with 0 if the exchange answered, 1 if it refused, such as for a game
    that it does not know, 2 for wrong usage, 3 if no usable answer came. `watch` and `book
    --follow` go on until Ctrl-C, and then exit with 0.
    """
    write_anything()


@main.command()
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
def orders(*, as_json: bool) -> None:
    """Show the open orders by game, with totals."""
    session = make_session()
    found = run(in_session(session, session.account.get_unmatched), cancels=False)
    if as_json:
        say_json(to_json({"exchange": session.base_url, "orders": found}))
    else:
        show_orders(console_of(sys.stdout), found)


@main.command("cancel-games")
@click.argument("game_ids", nargs=-1, required=True, metavar="GAME_ID…")
@click.option(
    "--type",
    "type_",
    type=click.Choice([member.value for member in MarketType]),
    help="Only this market type.",
)
@click.option("--deadline", type=float, help="Seconds after which to stop and report.")
@click.option(
    "--verify", is_flag=True, help="Then read which orders are open, and cancel them by id."
)
@_dry_run
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
def cancel_games(
    game_ids: Sequence[str],
    type_: str | None,
    deadline: float | None,
    *,
    verify: bool,
    dry_run: bool,
    as_json: bool,
) -> None:
    """Cancel every order on games.

    The GAME_ID - reads ids from standard input, separated by white space.

    With --verify the exit status is 0 if a read proved every game clear, even if a request failed
    or its outcome is unknown. Ctrl-C prints what is known so far; the exit status is 3.
    """
    ids = [word for game_id in game_ids for word in _expanded(game_id)]
    if not ids:
        raise click.UsageError("there was no game id on standard input")
    session = make_session()
    if dry_run:
        games = {game_id.casefold() for game_id in ids}
        _show_dry_run(
            session,
            lambda order: (order.game_id or "").casefold() in games and type_ in (None, order.type),
        )
        return
    try:
        markets = check_markets(ids, type_)
    except InvalidRequestError as error:
        raise usage_error(error) from None
    result = fan_out(session, markets, deadline, verify=verify)
    report, interrupted = result.report, result.interrupted
    tell_source(*(outcome.error for outcome in report.outcomes))
    if as_json:
        exchange = {"exchange": session.base_url, "sandbox": is_local(session.base_url)}
        say_json(to_json(exchange | {"interrupted": interrupted} | report_document(report)))
    else:
        console = console_of(sys.stdout)
        show_outcomes(console, report.outcomes)
        if interrupted:
            say(interrupted_line(report, verify=verify))
        headline(console, f"{name_of(session)}: {report}")
    sys.exit(NOT_KNOWN if interrupted else exit_status(report, verify=verify))


@main.command()
@click.argument("order_ids", nargs=-1, required=True, metavar="ORDER_ID…")
@_verify
@_dry_run
def cancel(order_ids: Sequence[str], *, verify: bool, dry_run: bool) -> None:
    """Cancel orders by id."""
    ids = {order_id.casefold() for order_id in order_ids}
    _cancel(
        lambda session: session.cancel_multiple(list(dict.fromkeys(order_ids))),
        lambda order: None if not order.order_id else order.order_id.casefold() in ids,
        verify=verify,
        dry_run=dry_run,
    )


@main.command("cancel-all")
@click.option("--yes", is_flag=True, help="Do not ask.")
@_verify
@_dry_run
def cancel_all(*, yes: bool, verify: bool, dry_run: bool) -> None:
    """Cancel every order of the account, on every game and league."""
    if not (yes or dry_run):
        if not sys.stdin.isatty():
            raise click.UsageError("this cancels everything: pass --yes")
        click.confirm("Cancel every open order of the account?", abort=True)
    _cancel(
        lambda session: session.cancel_all_orders(),
        lambda _: True,
        verify=verify,
        dry_run=dry_run,
    )


@main.command("cancel-league")
@click.argument("league")
@_verify
@_dry_run
def cancel_league(league: str, *, verify: bool, dry_run: bool) -> None:
    """Request the cancel of every order in a league, such as NBA.

    The exchange only acknowledges the request and cancels afterwards. Without --verify nothing is
    known to be cancelled, and the exit status is 3.
    """
    _cancel(
        lambda session: session.cancel_all_for_league(league),
        lambda order: (
            None
            if order.game is None or not order.game.league
            else order.game.league.casefold() == league.casefold()
        ),
        verify=verify,
        dry_run=dry_run,
    )


def _cancel(
    act: Callable[[AsyncSession], Awaitable[object]],
    wanted: _Wanted,
    *,
    verify: bool,
    dry_run: bool,
) -> NoReturn:
    """Cancel the orders that are `wanted` with `act`, and exit with what is known."""
    session = make_session()
    if dry_run:
        _show_dry_run(session, wanted)
        sys.exit(ALL_CONFIRMED)
    done, resting = run(_act(session, act, wanted, verify=verify))
    console = console_of(sys.stdout)
    failed = False
    if isinstance(done, list):
        results = [result for result in done if isinstance(result, CancelResult)]
        failed = not all(result.success for result in results)
        show_results(console, results)
        say(f"{name_of(session)}: {sum(r.success for r in results):,} orders cancelled")
    else:
        say(f"{name_of(session)}: the request is accepted; nothing is known to be gone")
    if resting is None:
        known = isinstance(done, list) and not verify
        sys.exit(NOT_CANCELLED if failed else ALL_CONFIRMED if known else NOT_KNOWN)
    say("verified: none of them is open" if not resting else "still open when last seen:")
    if resting:
        show_orders(console, resting)
    sys.exit(NOT_CANCELLED if resting or failed else ALL_CONFIRMED)


async def _act(
    session: AsyncSession,
    act: Callable[[AsyncSession], Awaitable[object]],
    wanted: _Wanted,
    *,
    verify: bool,
) -> tuple[object, list[OpenOrder] | None]:
    async with session:
        with waiting():
            done = await act(session)
            return done, await _still_open(session, wanted) if verify else None


async def _still_open(session: AsyncSession, wanted: _Wanted) -> list[OpenOrder] | None:
    """Read until no wanted order is open, for some seconds; return `None` if nothing is proved."""
    proof = await session.prove_clear(wanted, deadline=_VERIFY_SECONDS)
    if proof.error is not None:
        say(str(proof.error), err=True)
    return proof.resting


def _show_dry_run(session: AsyncSession, wanted: _Wanted) -> None:
    found = run(in_session(session, session.account.get_unmatched), cancels=False)
    say("dry run, nothing was changed; these orders would be cancelled:")
    show_orders(console_of(sys.stdout), [order for order in found if wanted(order)])


def _expanded(game_id: str) -> Iterable[str]:
    return sys.stdin.read().split() if game_id == "-" else [game_id]
