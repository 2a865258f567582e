"""Reads of the account's open orders, which those who ask at the same time share."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence

from attrs import frozen

from fourcasters_async.errors import InvalidRequestError, NotSentError
from fourcasters_async.models import ChangeSource, OpenOrder, OrderChange, ProofSource
from fourcasters_async.orders.follower import Follower
from fourcasters_async.orders.gate import Gate

# Seconds for which a read waits for the one before it, so that many callers share one.
_PATIENCE = 0.25
# Turns of the loop for a read that was answered while the loop was blocked.
_CATCH_UP_TURNS = 10


@frozen
class BookRead:
    """The open orders of the account, as a read showed them that began at the loop time `began`.

    `mark` is the gate's mark at that time. `source` says where it was read: the live orders of a
    user feed stand for a read too.
    """

    orders: list[OpenOrder]
    began: float
    mark: int
    source: ProofSource = ProofSource.READ


class SharedReads:
    """Reads the account's open orders; callers who ask at the same time share one read.

    `read` reads by a loop time. A read under way began too early for who asks now, and they share
    the next one.
    """

    def __init__(self, read: Callable[[float], Awaitable[list[OpenOrder]]], gate: Gate) -> None:
        self._read = read
        self._gate = gate
        self._next: asyncio.Task[BookRead] | None = None
        self._running: set[asyncio.Task[BookRead]] = set()
        self._waiting: dict[asyncio.Task[BookRead], int] = {}
        self._until = float("-inf")

    def follow(self, follower: Follower | None) -> None:
        """Let a follower be told of answers and asked for proof; with `None` nothing is."""
        if follower is not None and self._gate.follower is not None:
            raise InvalidRequestError("this session has live orders already: use those")
        self._gate.follower = follower

    def note(self, change: OrderChange) -> None:
        """Take note of what a follower knows: own orders have come into the book, or left it."""
        if change.closed:
            self._gate.forget([change.order.order_id])
        elif change.opened and change.source is ChangeSource.FEED:
            self._gate.see([change.order])

    async def shown(
        self, games: frozenset[str] | None, *, since: float, until: float, periods: bool
    ) -> BookRead | None:
        """Return what a feed shows, in place of a read; `None` if it shows too little.

        `games` are those in doubt, with their `periods` or without, and `since` is the loop time at
        which their cancel began.
        """
        if self._gate.follower is None:
            return None
        orders = await self._gate.follower.shown(games, since=since, until=until, periods=periods)
        if orders is None:
            return None
        now = asyncio.get_running_loop().time()
        return BookRead(orders, now, self._gate.mark(), ProofSource.FEED)

    async def read(self, until: float) -> BookRead:
        """Read by the loop time `until`, or raise the `FourcastersError` that came instead."""
        loop = asyncio.get_running_loop()
        self._until = until if self._next is None else max(self._until, until)
        if self._next is None:
            self._next = loop.create_task(self._begin(tuple(self._running)))
            self._running.add(self._next)
            self._next.add_done_callback(self._end)
        reading = self._next
        self._waiting[reading] = self._waiting.get(reading, 0) + 1
        try:
            await asyncio.wait([reading], timeout=until - loop.time())
            for _ in range(_CATCH_UP_TURNS):
                if not reading.done():
                    await asyncio.sleep(0)
        except asyncio.CancelledError:
            if self._waiting.get(reading) == 1:
                # Nobody else wants it.
                reading.cancel()
            raise
        finally:
            if reading in self._waiting:
                self._waiting[reading] -= 1
        if reading.cancelled() or not reading.done():
            raise NotSentError("the open orders were not read before the deadline")
        return reading.result()

    def _end(self, reading: "asyncio.Task[BookRead]") -> None:
        self._running.discard(reading)
        self._waiting.pop(reading, None)
        if self._next is reading:
            # It was cancelled before it began.
            self._next = None
        if not reading.cancelled():
            # Those who asked may have given up before it failed.
            reading.exception()

    async def close(self) -> None:
        """End the reads under way."""
        for task in (running := tuple(self._running)):
            task.cancel()
        if running:
            await asyncio.wait(running)

    async def _begin(self, earlier: Sequence["asyncio.Task[BookRead]"]) -> BookRead:
        # Those who ask in this turn of the loop join, too.
        await asyncio.sleep(0)
        if earlier:
            await asyncio.wait(earlier, timeout=_PATIENCE)
        self._next = None
        began, mark = asyncio.get_running_loop().time(), self._gate.mark()
        return BookRead(await self._read(self._until), began, mark)
