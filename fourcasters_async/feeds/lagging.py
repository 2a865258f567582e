"""A queue between a feed and its consumer that forgets rather than grows."""

import asyncio
import copy
from collections import deque
from typing import Generic, TypeVar

from fourcasters_async.errors import FourcastersError
from fourcasters_async.models import Lagged

T = TypeVar("T")

# Seconds in which items are given out without a turn of the loop. A consumer that never waits would
# stop the reading of every connection until it has caught up.
_WITHOUT_A_TURN = 0.01


class LaggingQueue(Generic[T]):
    """Keeps the newest `keep` items. One `Lagged` stands in the place of those it forgot.

    `put` never waits. `end` lets what is kept be taken, and then raises its error.
    """

    def __init__(self, keep: int) -> None:
        self._keep = keep
        self._items: deque[T] = deque()
        self._dropped = 0
        self._error: FourcastersError | None = None
        self._some = asyncio.Event()
        # Since when, as a loop time, there was no turn for the sake of others.
        self._since = 0.0

    def __len__(self) -> int:
        return len(self._items)

    def put(self, item: T) -> None:
        """Add an item. If there are too many, the oldest is forgotten."""
        if len(self._items) >= self._keep:
            self._items.popleft()
            self._dropped += 1
        self._items.append(item)
        self._some.set()

    def end(self, error: FourcastersError) -> None:
        """Let nothing more come: once the queue is empty, `get` raises `error`."""
        if self._error is None:
            self._error = error
        self._some.set()

    async def get(self) -> T | Lagged:
        """Return the oldest item, or how many before it were forgotten. Waits for one.

        Raises the error of `end` once nothing is left.
        """
        clock = asyncio.get_running_loop().time
        if self._items and clock() - self._since > _WITHOUT_A_TURN:
            await asyncio.sleep(0)
            self._since = clock()
        while True:
            if self._dropped:
                dropped, self._dropped = self._dropped, 0
                return Lagged(dropped=dropped)
            if self._items:
                return self._items.popleft()
            if self._error is not None:
                raise copy.copy(self._error)
            self._some.clear()
            await self._some.wait()
            self._since = clock()
