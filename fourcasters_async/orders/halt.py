"""Cancelling everything, and proving that nothing of the account rests."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence

from attrs import evolve

from fourcasters_async.errors import AuthenticationError, ForbiddenError, FourcastersError
from fourcasters_async.models import (
    CancelReport,
    CancelResult,
    CancelResults,
    FlatReport,
    GameMarket,
    GameOutcome,
    OpenOrder,
    OutcomeStatus,
)
from fourcasters_async.orders.fanout import standing, unite
from fourcasters_async.orders.gate import Gate
from fourcasters_async.orders.shared_reads import SharedReads
from fourcasters_async.orders.verify import AccountInDoubt, read_until_clear


async def cancel_until_clear(
    cancel_all: Callable[[], Awaitable[CancelResults]],
    reads: SharedReads,
    gate: Gate,
    *,
    until: float,
) -> FlatReport:
    """Cancel everything and read, again and again, until a read proves that nothing rests.

    Ends at the loop time `until`, or when the exchange does not let the account cancel.
    """
    clock = asyncio.get_running_loop().time
    started = clock()
    results: list[CancelResult] = []
    complete = True

    async def cancel(_: object = None) -> None:
        nonlocal results, complete
        try:
            answered = await cancel_all()
        except FourcastersError:
            complete = False
            raise
        results = unite([*results, *answered])
        complete = complete and answered.complete

    error: FourcastersError | None = None
    forbidden = False
    try:
        await cancel()
    except (AuthenticationError, ForbiddenError) as failed:
        # The account may not cancel. One read still tells what rests.
        error, forbidden = failed, True
    except FourcastersError as failed:
        error = failed
    doubt = AccountInDoubt(gate, cancel, answered=error is None)
    proof = await read_until_clear(doubt, reads, gate, since=started, until=until, once=forbidden)
    return FlatReport(
        results,
        proof.resting,
        proof.error or error,
        clock() - started,
        complete,
        gate.undecided(),
        proof.source,
    )


def by_game(flat: FlatReport) -> CancelReport:
    """Return the report on a halt of everything: one outcome for each game that is named in it."""
    results: dict[str, list[CancelResult]] = {}
    resting: dict[str, list[OpenOrder]] = {}
    for result in flat.results:
        results.setdefault(result.game_id or "", []).append(result)
    for order in flat.resting or ():
        resting.setdefault(order.game_id or "", []).append(order)
    undecided = {order.game_id for order in flat.undecided if order.game_id}
    games = dict.fromkeys([*results, *resting, *sorted(undecided)])
    outcomes = [
        _outcome_of(
            flat, game, results.get(game, ()), resting.get(game, []), undecided=game in undecided
        )
        for game in games
    ]
    return CancelReport(
        tuple(outcomes),
        elapsed=flat.elapsed,
        undecided=flat.undecided,
        whole_account=True,
        resting=flat.resting,
        seen_by=flat.seen_by,
    )


def _outcome_of(
    flat: FlatReport,
    game: str,
    results: Sequence[CancelResult],
    resting: list[OpenOrder],
    *,
    undecided: bool,
) -> GameOutcome:
    outcome = GameOutcome(
        game,
        None,
        OutcomeStatus.UNKNOWN,
        list(results),
        complete=flat.complete,
        attempts=1,
        elapsed=flat.elapsed,
        error=flat.error,
        # Proof is a read that shows no order of the account, and no order that may still come.
        resting=resting if resting or (flat.clear and not undecided) else None,
        seen_by=flat.seen_by if resting or (flat.clear and not undecided) else None,
    )
    if not results:
        return outcome
    status, error = standing(GameMarket(game), results)
    return evolve(outcome, status=status, error=error)
