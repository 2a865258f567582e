"""Reads of the account's open orders, which those who ask at the same time share."""

import asyncio
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, TypeVar

from attrs import frozen

from fourcasters_async.errors import InvalidRequestError, NotSentError
from fourcasters_async.models import ChangeSource, OpenOrder, OrderChange, ProofSource
from fourcasters_async.orders.follower import Follower
from fourcasters_async.orders.gate import Gate

T = TypeVar("T")

# Seconds for which a read is waited for by the next one, so that many callers share one. One that
# takes longer, or never ends, holds nobody up.
_PATIENCE = 0.25
# Turns of the loop for a read that was answered while the loop was blocked.
_CATCH_UP_TURNS = 10
# Seconds that a feed has to show what became of orders before a read begins.
_HEAD_START = 0.01
# With word owed of more orders than this, the read begins at once.
MANY = 200
# Seconds that a feed has if the read fails, or shows what the feed may know better.
_ECHO = 0.1


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
        # When each began, as a loop time: the next one has not.
        self._running: dict[asyncio.Task[BookRead], float] = {}
        self._waiting: dict[asyncio.Task[BookRead], int] = {}
        self._until = float("-inf")

    def follow(self, follower: Follower | None) -> None:
        """Let a follower be told of answers and asked for proof; with `None` nothing is."""
        if follower is not None and self._gate.follower is not None:
            raise InvalidRequestError("this session has live orders already: use those")
        self._gate.follower = follower

    def note(self, change: OrderChange) -> None:
        """Take note of what a follower knows: own orders have come into the book, or left it."""
        if change.source is ChangeSource.ANSWER:
            # The gate has told of it itself.
            return
        if change.closed:
            self._gate.forget([change.order.order_id])
        elif change.opened and change.source is ChangeSource.FEED:
            self._gate.see([order := change.order])
            # A read need not show it yet, whoever placed it.
            now = asyncio.get_running_loop().time()
            self._gate.acknowledged.add(order.order_id, order.game_id, now)

    async def first(
        self,
        games: frozenset[str] | None,
        *,
        since: float,
        until: float,
        periods: bool,
        seen: Sequence[OpenOrder] = (),
        ahead: "asyncio.Task[BookRead] | None" = None,
    ) -> BookRead:
        """Return what shows first what cancels on games did: a feed, or a read by `until`.

        They are loop times. `games` are those in doubt, with their `periods` or without; the
        cancels began at `since`, and each was answered. An earlier read has `seen` orders, which
        may have come after that: a feed that does not know of each shows nothing. The feed has a
        short start, since a read takes a place in the rate limit. It has none where it owes word of
        many orders: reading all that takes as long as a read. A read that is there is taken, unless
        the feed may know better. Raises as `read` does, where the feed shows nothing either.
        """
        follower = self._gate.follower
        if follower is None:
            return await self.read(until, ahead)
        loop = asyncio.get_running_loop()
        echo = min(loop.time() + _ECHO, until)
        showing = loop.create_task(
            self._shown(follower, games, since=since, until=until, periods=periods, seen=seen)
        )
        try:
            if ahead is None and follower.owed(games, periods=periods) <= MANY:
                await asyncio.wait([showing], timeout=_HEAD_START)
                if (shown := _value_of(showing)) is not None:
                    return shown
            with self.joined(until, ahead) as reading:
                await _wait_for_any([reading, showing], until)
                if showing.done() and _value_of(showing) is None:
                    await _wait_for_any([reading], until)
                read = _value_of(reading)
                if read and not follower.disputes(read.orders, games, periods=periods):
                    return read
                if reading.done():
                    await _wait_for_any([showing], echo)
            return _value_of(showing) or _read_by(reading)
        finally:
            showing.cancel()
            await asyncio.wait([showing])

    async def _shown(
        self,
        follower: Follower,
        games: frozenset[str] | None,
        *,
        since: float,
        until: float,
        periods: bool,
        seen: Sequence[OpenOrder],
    ) -> BookRead | None:
        """Return what a feed shows, in place of a read; `None` if it shows too little."""
        orders = await follower.shown(games, since=since, until=until, periods=periods)
        if orders is None or not follower.knows(seen):
            return None
        now = asyncio.get_running_loop().time()
        return BookRead(orders, now, self._gate.mark(), ProofSource.FEED)

    async def read(self, until: float, ahead: "asyncio.Task[BookRead] | None" = None) -> BookRead:
        """Read by the loop time `until`, or raise the `FourcastersError` that came instead.

        With `ahead`, it is a read that was joined before.
        """
        with self.joined(until, ahead) as reading:
            await _wait_for_any([reading], until)
        return _read_by(reading)

    @contextmanager
    def joined(
        self, until: float, ahead: "asyncio.Task[BookRead] | None" = None
    ) -> Iterator["asyncio.Task[BookRead]"]:
        """Give the next read, or the one `ahead`. It is ended if nobody wants it before it begins.

        It is ended too if the last of those who want it is cancelled.
        """
        reading = ahead or self._next
        if reading is None:
            reading = self._next = self._start()
            self._until = until
        elif reading is self._next:
            self._until = max(self._until, until)
        if not reading.done():
            self._waiting[reading] = self._waiting.get(reading, 0) + 1
        try:
            yield reading
        except asyncio.CancelledError:
            if self._waiting.get(reading) == 1:
                self._drop(reading)
            raise
        finally:
            if reading in self._waiting:
                self._waiting[reading] -= 1
                if reading is self._next and not self._waiting[reading]:
                    self._drop(reading)

    def _start(self) -> "asyncio.Task[BookRead]":
        wanted = tuple(each for each in self._running if self._waiting.get(each))
        # What was asked for and is not wanted any more ends by itself, so that its connection is
        # kept. But there is never more than one such read.
        for unwanted in self._running.keys() - wanted:
            unwanted.cancel()
        loop = asyncio.get_running_loop()
        reading = loop.create_task(self._begin(wanted))
        self._running[reading] = loop.time()
        reading.add_done_callback(self._end)
        return reading

    def _drop(self, reading: "asyncio.Task[BookRead]") -> None:
        """End a read that nobody wants."""
        reading.cancel()
        if self._next is reading:
            self._next = None

    def _end(self, reading: "asyncio.Task[BookRead]") -> None:
        self._running.pop(reading, None)
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
        await self._wait_for_those_that_just_began(earlier)
        self._next = None
        began, mark = asyncio.get_running_loop().time(), self._gate.mark()
        if (this := asyncio.current_task()) in self._running:
            self._running[this] = began
        return BookRead(await self._read(self._until), began, mark)

    async def _wait_for_those_that_just_began(
        self, earlier: Sequence["asyncio.Task[BookRead]"]
    ) -> None:
        now = asyncio.get_running_loop().time()
        begun = {each: self._running[each] for each in earlier if each in self._running}
        just_begun = [each for each, began in begun.items() if began + _PATIENCE > now]
        if just_begun:
            last = max(begun[each] for each in just_begun)
            await asyncio.wait(just_begun, timeout=last + _PATIENCE - now)


async def _wait_for_any(tasks: "Sequence[asyncio.Task[Any]]", until: float) -> None:
    """Wait until one of the tasks has ended, or the loop time `until`."""
    left = until - asyncio.get_running_loop().time()
    await asyncio.wait(tasks, timeout=left, return_when=asyncio.FIRST_COMPLETED)
    for _ in range(_CATCH_UP_TURNS):
        if not any(task.done() for task in tasks):
            await asyncio.sleep(0)


def _value_of(task: "asyncio.Task[T]") -> T | None:
    """Return what a task has returned, `None` if it runs, has failed or was cancelled."""
    return task.result() if task.done() and not task.cancelled() and not task.exception() else None


def _read_by(reading: "asyncio.Task[BookRead]") -> BookRead:
    if reading.cancelled() or not reading.done():
        raise NotSentError("the open orders were not read before the deadline")
    return reading.result()
