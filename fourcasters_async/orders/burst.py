"""One cancel over many games as one burst on a WebSocket: no task, future and timer for each."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextvars import copy_context
from functools import partial
from typing import Protocol

from fourcasters_async._core.outcome import AttemptStatus, RequestOutcome
from fourcasters_async._core.request import Request
from fourcasters_async._websocket.burst import FirstAttempt
from fourcasters_async._websocket.client import WebSocketClient
from fourcasters_async.models import CancelResult, GameMarket, GameOutcome
from fourcasters_async.orders.fanout import OnOutcome, Outcomes

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


async def burst(
    socket: WebSocketClient,
    markets: Sequence[GameMarket],
    request: Request[Sequence[CancelResult]],
    body_of: Callable[[GameMarket], Mapping[str, object]],
    go_on: GoOn,
    *,
    until: float | None,
    hedge: float | None,
    on_outcome: OnOutcome | None,
) -> list[GameOutcome] | None:
    """Cancel on every market; return the outcomes in their order.

    Returns `None` without having sent anything if the requests cannot leave at once. A game that
    has not been decided `hedge` seconds from now, or not by its first attempt, gets a task, which
    goes on from that attempt.
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
        left = None if hedge_at is None else max(hedge_at - loop.time(), 0.0)
        cancel = partial(go_on, markets[index], first, until=until, hedge=left)
        tasks.create_task(outcomes.settle_with(index, cancel), context=context.copy())

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
    async with asyncio.TaskGroup() as tasks:
        timer = None if hedge_at is None else loop.call_at(hedge_at, sent.hand_over)
        try:
            await socket.send_burst(sent)
        finally:
            if timer is not None:
                timer.cancel()
    return outcomes.in_order()
