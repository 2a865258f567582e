"""The commands that cancel by id, by league, or everything; and what any cancel would cancel."""

import sys
import time
from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from typing import NoReturn

import click
from attrs import frozen

from fourcasters_async._core.validation import is_local
from fourcasters_async.cli.display import show_orders, show_results, to_json, verdict
from fourcasters_async.cli.exits import (
    ALL_CONFIRMED,
    run,
    tell_source,
    text_of,
)
from fourcasters_async.cli.known import Known, document_of, status_after, summary_of
from fourcasters_async.cli.sessions import in_session, make_session, name_of
from fourcasters_async.cli.terminal import console_of, say, say_json, whoever_reads
from fourcasters_async.cli.waiting import waiting
from fourcasters_async.cli.wording import counted
from fourcasters_async.cli.words import Decorator, ask, given_ids, json_option
from fourcasters_async.errors import (
    FourcastersError,
    InvalidRequestError,
    OutcomeUnknownError,
)
from fourcasters_async.models import CancelResult, CancelResults, OpenOrder
from fourcasters_async.session import AsyncSession

# `None` if an order lacks the field that decides.
Wanted = Callable[[OpenOrder], bool | None]

# Seconds.
_VERIFY, _LOOK = 10.0, 5.0

dry_run_option: Decorator = click.option(
    "--dry-run", is_flag=True, help="Show the orders that would be cancelled; change nothing."
)
_verify: Decorator = click.option(
    "--verify",
    is_flag=True,
    help="Then read which orders are still open, whatever became of the request.",
)


@frozen
class _How:
    """The options of a command."""

    verify: bool
    dry_run: bool
    as_json: bool


@click.command()
@click.argument("order_ids", nargs=-1, required=True, metavar="ORDER_ID…")
@_verify
@dry_run_option
@json_option
def cancel(order_ids: Sequence[str], *, verify: bool, dry_run: bool, as_json: bool) -> None:
    """Cancel orders by id.

    The ORDER_ID - reads ids from standard input, separated by white space.

    With --verify the exit status is 0 if a read proved that none of these orders is open, even if
    the request failed or its outcome is unknown.
    """
    ids = given_ids(order_ids, "order")
    among = {order_id.casefold() for order_id in ids}
    _cancel(
        lambda session: session.cancel_multiple(ids),
        lambda order: None if not order.order_id else order.order_id.casefold() in among,
        _How(verify, dry_run, as_json),
    )


@click.command("cancel-all")
@click.option("--yes", is_flag=True, help="Do not ask.")
@_verify
@dry_run_option
@json_option
def cancel_all(*, yes: bool, verify: bool, dry_run: bool, as_json: bool) -> None:
    """Cancel every order of the account, on every game and league.

    It asks first, and says how many orders are open, on how many games, and at which exchange.
    """
    asks = not (yes or dry_run)
    if asks:
        ask(_everything)
    _cancel(
        lambda session: session.cancel_all_orders(),
        lambda _: True,
        _How(verify, dry_run, as_json),
        told=asks,
    )


@click.command("cancel-league")
@click.argument("league")
@_verify
@dry_run_option
@json_option
def cancel_league(league: str, *, verify: bool, dry_run: bool, as_json: bool) -> None:
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
        _How(verify, dry_run, as_json),
    )


def show_dry_run(session: AsyncSession, wanted: Wanted, *, as_json: bool) -> None:
    """Show the open orders that a command would cancel, and change nothing."""
    found = run(in_session(session, session.account.get_unmatched), cancels=False)
    orders = [order for order in found if wanted(order)]
    say("dry run, nothing was changed; these orders would be cancelled:", err=True)
    if as_json:
        say_json(to_json(about(session) | {"dry_run": True, "orders": orders}))
    else:
        show_orders(console_of(sys.stdout), orders)


def about(session: AsyncSession) -> dict[str, object]:
    """Return with what the document of each command that cancels begins."""
    return {"exchange": session.base_url, "sandbox": is_local(session.base_url)}


def _everything() -> str:
    """Return the question whether everything is to be cancelled: how much that is, and where."""
    session = make_session()
    read = partial(session.account.get_unmatched, deadline=_LOOK)

    async def look() -> list[OpenOrder] | FourcastersError | None:
        try:
            return await in_session(session, read)
        except FourcastersError as error:
            return error

    found = run(look(), lambda: None, cancels=False)
    if found is None:
        raise click.Abort
    if isinstance(found, FourcastersError):
        tell_source(found)
        say(f"the open orders cannot be read: {text_of(found)}", err=True)
        which = "every open order of the account on"
    else:
        games = {order.game_id for order in found}
        which = f"{counted(len(found), 'order')} on {counted(len(games), 'game')} of"
    return f"Cancel {which} the {name_of(session)}?"


def _cancel(
    act: Callable[[AsyncSession], Awaitable[object]],
    wanted: Wanted,
    how: _How,
    *,
    told: bool = False,
) -> NoReturn:
    """Cancel the orders that are `wanted` with `act`, and exit with what is known.

    `told` is whether the exchange was named.
    """
    session = make_session(told=told)
    if how.dry_run:
        show_dry_run(session, wanted, as_json=how.as_json)
        sys.exit(ALL_CONFIRMED)
    known, began = Known(), time.monotonic()
    run(
        _act(session, act, wanted, known, verify=how.verify),
        # Without reads it ends at once: there is nothing to show.
        partial(_interrupt, known) if how.verify else None,
    )
    known.elapsed = time.monotonic() - began
    tell_source(known.error, known.read_error)
    status = status_after(known, verify=how.verify)
    with whoever_reads():
        if how.as_json:
            say_json(to_json(about(session) | document_of(known)))
        elif known.results:
            show_results(console_of(sys.stdout), known.results)
    for error in (known.error, known.read_error):
        if error is not None:
            say(text_of(error), err=True)
    verdict(summary_of(known, verify=how.verify), good=status == ALL_CONFIRMED)
    if known.resting and not how.as_json:
        show_orders(console_of(sys.stderr), known.resting, err=True)
    sys.exit(status)


async def _act(
    session: AsyncSession,
    act: Callable[[AsyncSession], Awaitable[object]],
    wanted: Wanted,
    known: Known,
    *,
    verify: bool,
) -> None:
    async with session:
        with waiting():
            try:
                done = await act(session)
            except InvalidRequestError:
                raise  # nothing was asked for
            except FourcastersError as error:
                if not verify:
                    raise
                known.error = error
                if isinstance(error, OutcomeUnknownError) and error.results:
                    known.results = CancelResults(_records(error), complete=False)
            else:
                known.accepted = True
                # A league has none: the exchange only acknowledges the request.
                if isinstance(done, CancelResults):
                    known.results = done
            if verify:
                # Whatever became of the request: only a read shows what rests.
                known.proof = await session.prove_clear(wanted, deadline=_VERIFY)


def _records(error: OutcomeUnknownError) -> list[CancelResult]:
    """Return the results that could be read of an answer that could not be read as a whole."""
    return [result for result in error.results if isinstance(result, CancelResult)]


def _interrupt(known: Known) -> None:
    known.interrupted = True
