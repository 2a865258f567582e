"""One cancel over many games. Knows no endpoint and no transport."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence

from attrs import evolve

from fourcasters_async._core.outcome import AttemptStatus, RequestOutcome
from fourcasters_async._core.tasks import is_cancelled
from fourcasters_async.errors import FourcastersError, OrdersNotCancelledError, OutcomeUnknownError
from fourcasters_async.models import (
    CancelResult,
    GameMarket,
    GameOutcome,
    MarketType,
    OpenOrder,
    OutcomeStatus,
)

CancelGame = Callable[[GameMarket, float | None], Awaitable[RequestOutcome[list[CancelResult]]]]
"""Cancels on one game by a loop time, and says what came of it."""

_log = logging.getLogger("fourcasters_async")

_UNANSWERED = {
    AttemptStatus.NOT_SENT: OutcomeStatus.NOT_SENT,
    AttemptStatus.REFUSED: OutcomeStatus.REFUSED,
    AttemptStatus.UNKNOWN: OutcomeStatus.UNKNOWN,
}
_FIRST_PAUSE, _LONGEST_PAUSE = 0.05, 1.0
# Before Python 3.12 aiohttp writes a body only in the next turn of the loop: begun all in one
# turn, the first request would leave only after the last was made.
_BEGUN_AT_ONCE = 25


async def fan_out(
    markets: Sequence[GameMarket],
    cancel: Callable[[GameMarket], Awaitable[RequestOutcome[list[CancelResult]]]],
    *,
    max_in_flight: int,
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
            except asyncio.CancelledError as error:
                if is_cancelled():
                    raise
                settled = crashed(market, error)
            except Exception as error:  # noqa: BLE001  # no game's failure may touch another's
                settled = crashed(market, error)
            outcome = outcome_of(market, settled, elapsed=clock() - started)
            outcomes[index] = outcome
            if on_outcome is not None:
                _tell(on_outcome, outcome)

    async with asyncio.TaskGroup() as workers:
        for begun in range(1, min(max_in_flight, len(markets)) + 1):
            workers.create_task(work())
            if begun % _BEGUN_AT_ONCE == 0:
                await asyncio.sleep(0)
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
        outcomes = with_resting(outcomes, open_orders)
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
            if isinstance(error, OutcomeUnknownError):
                outcomes = [evolve(o, complete=o.complete and not o.resting) for o in outcomes]
            continue
        outcomes = [
            with_results(
                outcome,
                [by_id[o.order_id] for o in outcome.resting or () if o.order_id in by_id],
            )
            for outcome in outcomes
        ]


def outcome_of(
    market: GameMarket, settled: RequestOutcome[list[CancelResult]], *, elapsed: float
) -> GameOutcome:
    """Say what the attempts on one game came to."""
    status, error = _UNANSWERED.get(settled.attempt), settled.error
    results = settled.value or []
    if status is None:
        status, error = _standing(market, results)
    return GameOutcome(
        market.game_id,
        market.type,
        status,
        results,
        complete=settled.complete,
        attempts=settled.attempts,
        elapsed=elapsed,
        error=error,
    )


def with_results(outcome: GameOutcome, results: Sequence[CancelResult]) -> GameOutcome:
    """Unite `results` with those of `outcome`: what is said later of an order id stands.

    Only what was answered can be confirmed or partial; the rest keeps its status.
    """
    later = {result.order_id for result in results if result.order_id}
    kept = [result for result in outcome.results if result.order_id not in later]
    united = [*kept, *results]
    if outcome.status not in (OutcomeStatus.CONFIRMED, OutcomeStatus.PARTIAL):
        return evolve(outcome, results=united)
    status, error = _standing(outcome.market, united)
    return evolve(outcome, results=united, status=status, error=error)


def _standing(
    market: GameMarket, results: Sequence[CancelResult]
) -> tuple[OutcomeStatus, OrdersNotCancelledError | None]:
    """Say what the results of a cancel that was answered come to."""
    failed = [result for result in results if not result.success]
    if not failed:
        return OutcomeStatus.CONFIRMED, None
    reason = next((result.reason for result in failed if result.reason), "no reason given")
    return OutcomeStatus.PARTIAL, OrdersNotCancelledError(
        f"{market}: {len(failed)} of {len(results)} orders not cancelled: {reason}"
    )


def with_resting(
    outcomes: Sequence[GameOutcome], open_orders: Sequence[OpenOrder]
) -> list[GameOutcome]:
    """Say which of the account's open orders rest on the game of each outcome.

    An order that does not say which game it is on may be on any: then no game is proved clear.
    Nor is one to which the exchange said no: it may not be a game at all.
    """
    by_game: dict[str, list[OpenOrder]] = {}
    for order in open_orders:
        by_game.setdefault((order.game_id or "").casefold(), []).append(order)
    unplaced = "" in by_game

    def look_at(outcome: GameOutcome) -> GameOutcome:
        on_game = by_game.get(outcome.game_id.casefold(), ())
        resting = [order for order in on_game if _may_be_of_type(order, outcome.type)]
        proof = resting or not (unplaced or outcome.status is OutcomeStatus.REFUSED)
        return evolve(outcome, resting=resting if proof else None)

    return [look_at(outcome) for outcome in outcomes]


def _may_be_of_type(order: OpenOrder, market_type: str | None) -> bool:
    # A type that this library does not know may be another word for the one in question.
    known = isinstance(order.type, MarketType)
    return market_type is None or not known or order.type == market_type


def crashed(market: GameMarket, error: BaseException) -> RequestOutcome[list[CancelResult]]:
    """Say that nothing is known of a cancel that failed in a way that it must not."""
    unknown = OutcomeUnknownError(f"{market}: failed while cancelling: {type(error).__name__}")
    unknown.__cause__ = error
    return RequestOutcome(AttemptStatus.UNKNOWN, attempts=1, error=unknown, complete=False)


def _tell(on_outcome: Callable[[GameOutcome], object], outcome: GameOutcome) -> None:
    try:
        on_outcome(outcome)
    except (Exception, asyncio.CancelledError):  # noqa: BLE001  # it is the caller's code
        # The games that are still to be cancelled matter more than the caller's callback.
        _log.exception("on_outcome failed for game %s", outcome.game_id)
