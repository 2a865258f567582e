"""The commands that cancel by id, by league, or everything; and what any cancel would cancel."""

import sys
from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from typing import NoReturn

import click
from attrs import frozen

from fourcasters_async._core.validation import is_local
from fourcasters_async.cli.display import show_orders, show_results, to_json, verdict
from fourcasters_async.cli.exits import ALL_CONFIRMED, NOT_CANCELLED, NOT_KNOWN, run, tell_source
from fourcasters_async.cli.sessions import in_session, make_session, name_of
from fourcasters_async.cli.terminal import console_of, say, say_json, whoever_reads
from fourcasters_async.cli.waiting import waiting
from fourcasters_async.cli.wording import counted, number
from fourcasters_async.cli.words import Decorator, ask, given_ids, json_option
from fourcasters_async.errors import FourcastersError
from fourcasters_async.models import CancelResults, OpenOrder
from fourcasters_async.session import AsyncSession

# `None` if an order lacks the field that decides.
Wanted = Callable[[OpenOrder], bool | None]

# Seconds.
_VERIFY, _LOOK = 10.0, 5.0

dry_run_option: Decorator = click.option(
    "--dry-run", is_flag=True, help="Show the orders that would be cancelled; change nothing."
)
_verify = click.option("--verify", is_flag=True, help="Then read which orders are still open.")


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
        say(f"the open orders cannot be read: {type(found).__name__}: {found}", err=True)
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
    done, resting = run(_act(session, act, wanted, verify=how.verify))
    # A league has none: the exchange only acknowledges the request.
    results = done if isinstance(done, CancelResults) else None
    status = _status(results, resting, verify=how.verify)
    with whoever_reads():
        if how.as_json:
            document = {
                "results": results,
                "complete": None if results is None else results.complete,
                "resting": resting,
            }
            say_json(to_json(about(session) | document))
        elif results:
            show_results(console_of(sys.stdout), results)
    verdict(_summary(results, resting, verify=how.verify), good=status == ALL_CONFIRMED)
    if resting and not how.as_json:
        show_orders(console_of(sys.stderr), resting, err=True)
    sys.exit(status)


async def _act(
    session: AsyncSession,
    act: Callable[[AsyncSession], Awaitable[object]],
    wanted: Wanted,
    *,
    verify: bool,
) -> tuple[object, list[OpenOrder] | None]:
    async with session:
        with waiting():
            done = await act(session)
            return done, await _still_open(session, wanted) if verify else None


async def _still_open(session: AsyncSession, wanted: Wanted) -> list[OpenOrder] | None:
    """Read until no wanted order is open, for some seconds; return `None` if nothing is proved."""
    proof = await session.prove_clear(wanted, deadline=_VERIFY)
    if proof.error is not None:
        say(str(proof.error), err=True)
    return proof.resting


def _status(results: CancelResults | None, resting: list[OpenOrder] | None, *, verify: bool) -> int:
    failed = not all(result.success for result in results or ())
    if resting or failed:
        return NOT_CANCELLED
    if resting is None and (results is None or verify):
        return NOT_KNOWN
    return ALL_CONFIRMED


def _summary(
    results: CancelResults | None, resting: list[OpenOrder] | None, *, verify: bool
) -> str:
    parts = []
    if results is None:
        parts.append(
            "the request is accepted" + ("" if verify else "; nothing is known to be gone")
        )
    else:
        cancelled = sum(result.success for result in results)
        parts.append(f"{counted(cancelled, 'order')} cancelled")
        if failed := len(results) - cancelled:
            parts.append(f"{number(failed)} not cancelled")
        if not results.complete:
            parts.append("more may be")
    if resting:
        parts.append(f"{number(len(resting))} still open when last seen:")
    elif verify:
        parts.append("not verified" if resting is None else "verified: none of them is open")
    return "; ".join(parts)
