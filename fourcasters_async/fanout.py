"""One cancel over many games. Knows no endpoint and no transport."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence

from attrs import evolve

from fourcasters_async._reply import Attempt, Settled
from fourcasters_async.errors import FourcastersError, OrdersNotCancelledError, OutcomeUnknownError
from fourcasters_async.models import (
    CancelResult,
    GameMarket,
    GameOutcome,
    OpenOrder,
    OutcomeStatus,
)

_log = logging.getLogger("fourcasters_async")

_UNANSWERED = {
    Attempt.NOT_SENT: OutcomeStatus.NOT_SENT,
    Attempt.REFUSED: OutcomeStatus.REFUSED,
    Attempt.UNKNOWN: OutcomeStatus.UNKNOWN,
}
_FIRST_PAUSE, _LONGEST_PAUSE = 0.05, 1.0


async def fan_out(
    markets: Sequence[GameMarket],
    cancel: Callable[[GameMarket], Awaitable[Settled[list[CancelResult]]]],
    *,
    at_once: int,
    on_outcome: Callable[[GameOutcome], object] | None = None,
) -> list[GameOutcome]:
    """Apply `cancel` to every market, `at_once` at a time; return the outcomes in their order.

    A fixed set of workers takes the markets in turn: with a task for each of thousands, the
    garbage collector would take most of the time.
    """
    clock = asyncio.get_running_loop().time
    started = clock()
    outcomes: dict[int, GameOutcome] = {}
    todo = iter(enumerate(markets))

    async def work() -> None:
        for index, market in todo:
            try:
                settled = await cancel(market)
            except Exception as error:  # noqa: BLE001  # no game's failure may touch another's
                settled = _crashed(market, error)
            outcome = outcome_of(market, settled, elapsed=clock() - started)
            outcomes[index] = outcome
            if on_outcome is not None:
                _tell(on_outcome, outcome)

    async with asyncio.TaskGroup() as workers:
        for _ in range(min(at_once, len(markets))):
            workers.create_task(work())
    return [outcomes[index] for index in range(len(markets))]


async def prove_clear(
    outcomes: Sequence[GameOutcome],
    look: Callable[[], Awaitable[list[OpenOrder]]],
    cancel: Callable[[list[str]], Awaitable[list[CancelResult]]],
    *,
    until: float,
) -> list[GameOutcome]:
    """Look at what is open, cancel by id what rests on the games, and look again until none does.

    Ends at the loop time `until`, or when looking fails: a failed read proves nothing.
    """
    clock = asyncio.get_running_loop().time
    pause = 0.0
    while True:
        try:
            open_orders = await look()
        except FourcastersError as error:
            _log.debug("could not look at the open orders: %s", error)
            return list(outcomes)
        outcomes = [with_resting(outcome, open_orders) for outcome in outcomes]
        resting = [order for outcome in outcomes for order in outcome.resting or ()]
        if not resting or clock() + pause >= until:
            return list(outcomes)
        await asyncio.sleep(pause)
        pause = min(_LONGEST_PAUSE, max(_FIRST_PAUSE, 2 * pause))
        ids = list(dict.fromkeys(order.order_id for order in resting if order.order_id))
        try:
            by_id = {result.order_id: result for result in await cancel(ids)} if ids else {}
        except FourcastersError as error:
            # The next look shows what this came to.
            _log.debug("could not cancel %d resting orders by id: %s", len(ids), error)
            continue
        outcomes = [
            with_results(
                outcome,
                [by_id[o.order_id] for o in outcome.resting or () if o.order_id in by_id],
            )
            for outcome in outcomes
        ]


def outcome_of(
    market: GameMarket, settled: Settled[list[CancelResult]], *, elapsed: float
) -> GameOutcome:
    """Say what the attempts on one game came to."""
    outcome = GameOutcome(
        market.game_id,
        market.type,
        _UNANSWERED.get(settled.attempt, OutcomeStatus.CONFIRMED),
        complete=settled.complete,
        attempts=settled.attempts,
        elapsed=elapsed,
        error=settled.error,
    )
    return with_results(outcome, settled.value) if settled.value else outcome


def with_results(outcome: GameOutcome, results: Sequence[CancelResult]) -> GameOutcome:
    """Unite `results` with those of `outcome`, by order id. A cancelled order stays cancelled.

    Only what was answered can be confirmed or partial; the rest keeps its status.
    """
    united: dict[object, CancelResult] = {}
    for result in (*outcome.results, *results):
        # A result without an order id is about an order of its own.
        key = object() if result.order_id is None else result.order_id
        if key not in united or not united[key].success:
            united[key] = result
    outcome = evolve(outcome, results=list(united.values()))
    if outcome.status not in (OutcomeStatus.CONFIRMED, OutcomeStatus.PARTIAL):
        return outcome
    failed = [result for result in outcome.results if not result.success]
    if not failed:
        return evolve(outcome, status=OutcomeStatus.CONFIRMED, error=None)
    reason = next((result.reason for result in failed if result.reason), "no reason given")
    error = OrdersNotCancelledError(
        f"{outcome.market}: {len(failed)} of {len(outcome.results)} orders not cancelled: {reason}"
    )
    return evolve(outcome, status=OutcomeStatus.PARTIAL, error=error)


def with_resting(outcome: GameOutcome, open_orders: Sequence[OpenOrder]) -> GameOutcome:
    """Say which of the account's open orders rest on the game of `outcome`.

    An order that does not say which game it is on may be on this one: then there is no proof.
    """
    mine = [order for order in open_orders if _rests_on(order, outcome)]
    unplaced = any(order.game_id is None for order in open_orders)
    return evolve(outcome, resting=None if unplaced and not mine else mine)


def _rests_on(order: OpenOrder, outcome: GameOutcome) -> bool:
    same_type = outcome.type is None or order.type is None or order.type == outcome.type
    return order.game_id == outcome.game_id and same_type


def _crashed(market: GameMarket, error: Exception) -> Settled[list[CancelResult]]:
    unknown = OutcomeUnknownError(f"{market}: failed while cancelling: {type(error).__name__}")
    unknown.__cause__ = error
    return Settled(Attempt.UNKNOWN, attempts=1, error=unknown, complete=False)


def _tell(on_outcome: Callable[[GameOutcome], object], outcome: GameOutcome) -> None:
    try:
        on_outcome(outcome)
    except Exception:  # noqa: BLE001  # it is the caller's code
        # The games that are still to be cancelled matter more than the caller's callback.
        _log.exception("on_outcome failed for game %s", outcome.game_id)
