"""One cancel over many games as one burst on a WebSocket: no task, future and timer for each."""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextvars import copy_context
from functools import partial
from typing import Protocol

from fourcasters_async._core.outcome import AttemptStatus, RequestOutcome
from fourcasters_async._core.request import Request
from fourcasters_async._websocket.burst import FirstAttempt
from fourcasters_async._websocket.client import WebSocketClient
from fourcasters_async.models import CancelResult, GameMarket, GameOutcome
from fourcasters_async.orders.fanout import OnOutcome, Outcomes, Workers, crashed

_First = FirstAttempt[Sequence[CancelResult]]


class GoOn(Protocol):
    """Cancels on a game whose first attempt has not decided it, and says what came of it.

    `hedge` is the seconds from now after which something else is to be tried too.
    """

    def __call__(
        self, market: GameMarket, first: _First, *, until: float | None, hedge: float | None
    ) -> Awaitable[RequestOutcome[Sequence[CancelResult]]]:
        """Return the outcome of all attempts on the game."""
        ...


class _Undecided:
    """The games that first attempts have not decided. Workers go on from those, in turn.

    Meanwhile an attempt that is still under way may decide its game. REST has from `hedge_at` to
    `until`, or for `timeout` seconds.
    """

    def __init__(
        self,
        outcomes: Outcomes,
        markets: Sequence[GameMarket],
        go_on: GoOn,
        *,
        until: float | None,
        timeout: float,
        hedge_at: float | None,
    ) -> None:
        self._outcomes = outcomes
        self._markets = markets
        self._go_on = go_on
        self._until = until
        self._timeout = timeout
        self._hedge_at = hedge_at
        self._clock = asyncio.get_running_loop().time
        self._todo: deque[tuple[int, _First, float | None]] = deque()

    def add(self, index: int, first: _First) -> None:
        """Add a game, given by its index."""
        until = self._until
        if until is None and self._hedge_at is not None:
            # To wait for a worker takes of the time that REST has.
            until = max(self._clock(), self._hedge_at) + self._timeout
        self._todo.append((index, first, until))

    async def work_off(self) -> None:
        """Take games in turn until none is left."""
        while self._todo:
            index, first, until = self._todo.popleft()
            if not first.take():
                continue
            hedge_at = self._hedge_at
            hedge = None if hedge_at is None else max(hedge_at - self._clock(), 0.0)
            cancel = partial(self._go_on, self._markets[index], first, until=until, hedge=hedge)
            try:
                await self._outcomes.settle_with(index, cancel)
            finally:
                # What was to wait for it may have been cancelled before it began.
                first.withdraw()

    def abandon(self) -> None:
        """Take what is known of the games that nobody goes on with."""
        while self._todo:
            index, first, _ = self._todo.popleft()
            if not first.take():
                continue
            try:
                settled = first.outcome()
            except Exception as error:  # noqa: BLE001  # no game's failure may touch another's
                settled = crashed(self._markets[index], error)
            self._outcomes.settle(index, settled)


async def burst(
    socket: WebSocketClient,
    markets: Sequence[GameMarket],
    request: Request[Sequence[CancelResult]],
    body_of: Callable[[GameMarket], Mapping[str, object]],
    go_on: GoOn,
    *,
    until: float | None,
    hedge: float | None,
    max_in_flight: int,
    on_outcome: OnOutcome | None,
) -> list[GameOutcome] | None:
    """Cancel on every market; return the outcomes in their order.

    Returns `None` without having sent anything if the requests cannot leave at once. Of the games
    that have not been decided `hedge` seconds from now, or not by their first attempts, workers go
    on with `max_in_flight` at a time.
    """
    loop = asyncio.get_running_loop()
    outcomes = Outcomes(markets, on_outcome)
    # The task that reads has the context of whoever opened the socket.
    context = copy_context()
    hedge_at = None if hedge is None else loop.time() + hedge

    def answered(index: int, results: Sequence[CancelResult]) -> None:
        settled = RequestOutcome(AttemptStatus.ANSWERED, 1, value=results)
        if on_outcome is None:
            outcomes.settle(index, settled)
        else:
            context.run(outcomes.settle, index, settled)

    def undecided(index: int, first: _First) -> None:
        games.add(index, first)
        context.run(workers.begin)

    sent = socket.burst(
        len(markets),
        request,
        lambda index: body_of(markets[index]),
        until,
        answered=answered,
        undecided=undecided,
    )
    if sent is None:
        return None
    games = _Undecided(
        outcomes, markets, go_on, until=until, timeout=socket.timeout, hedge_at=hedge_at
    )
    async with asyncio.TaskGroup() as group:
        workers = Workers(group, games.work_off, most=max_in_flight, abandon=games.abandon)
        timer = None if hedge_at is None else loop.call_at(hedge_at, sent.hand_over)
        try:
            await socket.send_burst(sent)
        finally:
            if timer is not None:
                timer.cancel()
    return outcomes.in_order()
