"""One cancel over many games: one outcome for each. Knows no endpoint and no transport."""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from functools import partial

from attrs import evolve

from fourcasters_async._core.callbacks import tell
from fourcasters_async._core.outcome import ANSWERED, AttemptStatus, RequestOutcome
from fourcasters_async._core.tasks import Cancellation
from fourcasters_async.errors import (
    FourcastersError,
    NotSentError,
    OrdersNotCancelledError,
    OutcomeUnknownError,
)
from fourcasters_async.models import (
    CancelResult,
    GameMarket,
    GameOutcome,
    OutcomeStatus,
)
from fourcasters_async.models.unread import UnreadResults
from fourcasters_async.orders.answers import already_cancelled

OnOutcome = Callable[[GameOutcome], object]
FanOut = Callable[
    [Sequence[GameMarket], float | None, OnOutcome | None], Awaitable[list[GameOutcome]]
]
"""Cancels on many games by a loop time, and says what came of each, in their order."""

_UNANSWERED = {
    AttemptStatus.NOT_SENT: OutcomeStatus.NOT_SENT,
    AttemptStatus.REFUSED: OutcomeStatus.REFUSED,
    AttemptStatus.UNKNOWN: OutcomeStatus.UNKNOWN,
}
# Before Python 3.12 aiohttp writes a body only in the next turn of the loop: begun all in one
# turn, the first request would leave only after the last was made.
_BEGUN_AT_ONCE = 25


async def fan_out(
    markets: Sequence[GameMarket],
    cancel: Callable[[GameMarket], Awaitable[RequestOutcome[Sequence[CancelResult]]]],
    *,
    max_in_flight: int,
    on_outcome: OnOutcome | None = None,
) -> list[GameOutcome]:
    """Apply `cancel` to every market; return the outcomes in their order.

    `max_in_flight` are under way at a time. A fixed set of workers takes the markets in turn: with
    a task for each of thousands, the garbage collector would take most of the time.
    """
    outcomes = Outcomes(markets, on_outcome)
    todo = iter(enumerate(markets))

    async def work() -> None:
        for index, market in todo:
            await outcomes.settle_with(index, partial(cancel, market))

    async with asyncio.TaskGroup() as group:
        Workers(group, work, most=max_in_flight).begin(len(markets))
    for index, market in todo:
        # Somebody has cancelled all workers.
        outcomes.settle(index, _not_begun(market))
    return outcomes.in_order()


class Workers:
    """Up to `most` tasks of a group, which `work` off games in turn until none is left.

    With a task for each of thousands, the garbage collector would take most of the time. If
    somebody cancels them, no others take their places, and `abandon` is called with the last: the
    games that they have not taken are not worked off. With it, `begin` can be called again.
    """

    def __init__(
        self,
        group: asyncio.TaskGroup,
        work: Callable[[], Coroutine[object, object, None]],
        *,
        most: int,
        abandon: Callable[[], None] | None = None,
    ) -> None:
        self._group = group
        self._work = work
        self._most = most
        self._abandon = abandon
        self._owner = Cancellation()
        self._running = 0
        # How many are to begin, and whether the last that was made will begin them.
        self._due = 0
        self._beginning = False

    def begin(self, games: int = 1) -> None:
        """Begin as many as there are more games, within the bound."""
        self._due = min(self._due + games, self._most - self._running)
        if self._due and not self._beginning:
            self._begin()

    def _begin(self) -> None:
        count = min(self._due, _BEGUN_AT_ONCE)
        self._due -= count
        self._running += count
        self._beginning = True
        for left in range(count, 0, -1):
            worker = self._group.create_task(self._work() if left > 1 else self._begin_more())
            if self._abandon is not None:
                worker.add_done_callback(partial(self._end, self._abandon))

    async def _begin_more(self) -> None:
        """Begin more of them, a turn of the loop after this one was made, and be one."""
        self._beginning = False
        if self._due:
            self._begin()
        await self._work()

    def _end(self, abandon: Callable[[], None], worker: "asyncio.Task[None]") -> None:
        self._running -= 1
        if worker.cancelled() and not self._owner.requested:
            self._due, self._beginning = 0, False
            if not self._running:
                abandon()


class Outcomes:
    """The outcomes of one fan-out. `on_outcome` is told each of them as it comes."""

    def __init__(self, markets: Sequence[GameMarket], on_outcome: OnOutcome | None) -> None:
        self._markets = markets
        self._on_outcome = on_outcome
        self._clock = asyncio.get_running_loop().time
        self._started = self._clock()
        self._known: dict[int, GameOutcome] = {}

    def settle(self, index: int, settled: RequestOutcome[Sequence[CancelResult]]) -> None:
        """Take what came of the attempts on a game, given by its index."""
        elapsed = self._clock() - self._started
        outcome = outcome_of(self._markets[index], settled, elapsed=elapsed)
        self._known[index] = outcome
        if self._on_outcome is not None:
            tell(self._on_outcome, outcome, "on_outcome failed for game %s", outcome.game_id)

    async def settle_with(
        self, index: int, cancel: Callable[[], Awaitable[RequestOutcome[Sequence[CancelResult]]]]
    ) -> None:
        """Cancel on a game. If that crashes, nothing is known of this game, and no other."""
        try:
            settled = await cancel()
        except asyncio.CancelledError as error:
            task = asyncio.current_task()
            if task is not None and task.cancelling():
                raise
            settled = crashed(self._markets[index], error)
        except Exception as error:  # noqa: BLE001  # no game's failure may touch another's
            settled = crashed(self._markets[index], error)
        self.settle(index, settled)

    def in_order(self) -> list[GameOutcome]:
        """Return the outcomes in the order of the games, once nothing more comes.

        Somebody may have cancelled the task of a game, of which nothing is known then.
        """
        for index, market in enumerate(self._markets):
            if index not in self._known:
                self.settle(index, crashed(market, asyncio.CancelledError()))
        return [self._known[index] for index in range(len(self._markets))]


def outcome_of(
    market: GameMarket, settled: RequestOutcome[Sequence[CancelResult]], *, elapsed: float
) -> GameOutcome:
    """Return the outcome of the attempts on one game."""
    error: FourcastersError | None
    results = [] if settled.value is None else settled.value
    if settled.status is ANSWERED:
        status, error = standing(market, results)
    else:
        status, error = _UNANSWERED[settled.status], settled.error
    return GameOutcome(
        market.game_id,
        market.type,
        status,
        results,  # type: ignore[arg-type]  # a list once somebody asks for it
        complete=settled.complete,
        attempts=settled.attempts,
        elapsed=elapsed,
        error=error,
    )


def with_results(outcome: GameOutcome, results: Sequence[CancelResult]) -> GameOutcome:
    """Unite `results` with those of `outcome`: the later result for an order id stands.

    But "already cancelled" does not undo the success that an earlier answer reported. Only what was
    answered can be confirmed or partial; the rest keeps its status.
    """
    united = unite([*outcome.results, *results])
    if outcome.status not in (OutcomeStatus.CONFIRMED, OutcomeStatus.PARTIAL):
        return evolve(outcome, results=united)
    status, error = standing(outcome.market, united)
    return evolve(outcome, results=united, status=status, error=error)


def unite(results: Sequence[CancelResult]) -> list[CancelResult]:
    """Return the last result for each order id; "already cancelled" does not undo a success."""
    united: dict[str | int, CancelResult] = {}
    for index, result in enumerate(results):
        key = result.order_id.casefold() if result.order_id else index
        earlier = united.get(key)
        if earlier is None or not (earlier.success and already_cancelled(result)):
            united[key] = result
    return list(united.values())


def standing(
    market: GameMarket, results: Sequence[CancelResult]
) -> tuple[OutcomeStatus, OrdersNotCancelledError | None]:
    """Return the status of a cancel that was answered with these results, and its error."""
    unread = isinstance(results, UnreadResults)
    failed = [] if unread else [result for result in results if not result.success]
    if not failed:
        return OutcomeStatus.CONFIRMED, None
    reason = next((result.reason for result in failed if result.reason), "no reason given")
    return OutcomeStatus.PARTIAL, OrdersNotCancelledError(
        f"{market}: {len(failed):,} of {len(results):,} orders not cancelled: {reason}"
    )


def crashed(market: GameMarket, error: BaseException) -> RequestOutcome[Sequence[CancelResult]]:
    """Say that nothing is known of a cancel that failed in a way that it must not."""
    unknown = OutcomeUnknownError(f"{market}: failed while cancelling: {type(error).__name__}")
    unknown.__cause__ = error
    return RequestOutcome(AttemptStatus.UNKNOWN, attempts=1, error=unknown, complete=False)


def _not_begun(market: GameMarket) -> RequestOutcome[Sequence[CancelResult]]:
    error = NotSentError(f"{market}: not sent: its task was cancelled")
    return RequestOutcome(AttemptStatus.NOT_SENT, attempts=0, error=error)
