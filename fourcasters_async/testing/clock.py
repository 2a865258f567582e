"""The exchange's clock, and what is due at its times."""

import asyncio
import time
from collections.abc import Callable
from contextlib import suppress
from heapq import heappop, heappush
from itertools import count
from typing import TypeVar

from attrs import field, frozen

T = TypeVar("T")

# Seconds. A timer of the loop may fire a rounding error before its time.
_TOLERANCE = 1e-6


@frozen(order=True)
class _Due:
    when: float
    number: int
    run: Callable[[], None] = field(eq=False)
    cancel: Callable[[], object] = field(eq=False)


class Clock:
    """Seconds since the exchange was made.

    It follows the clock of the event loop that the exchange serves in, and `time.monotonic` as
    long as there is none. `move` moves it on, and does in order what becomes due.
    """

    def __init__(self) -> None:
        self._loop: asyncio.AbstractEventLoop | None = None
        self._due: list[_Due] = []
        self._numbers = count()
        self._timer: asyncio.TimerHandle | None = None
        self._due_now: _Due | None = None
        with suppress(RuntimeError):
            self._loop = asyncio.get_running_loop()
        self._offset = 0.0
        self._offset = -self._elapsed()

    def follow(self, loop: asyncio.AbstractEventLoop) -> None:
        """Follow the clock of `loop` from now on."""
        now = self._elapsed()
        self._loop = loop
        self._offset += now - self._elapsed()

    def now(self) -> float:
        """Return the time. What is done late because it was due sees the time that it was due."""
        return self._elapsed() if self._due_now is None else self._due_now.when

    def move(self, seconds: float) -> None:
        """Move the clock on."""
        self._offset += seconds
        self.catch_up()
        self._set_timer()

    def after(self, seconds: float, do: Callable[[], T]) -> "asyncio.Future[T]":
        """Have something done in so many seconds. The future gets what `do` returns.

        It is done even if the future is cancelled. Call this in the exchange's event loop.
        """
        future: asyncio.Future[T] = asyncio.get_running_loop().create_future()

        def run() -> None:
            result = do()
            if not future.done():
                future.set_result(result)

        due = _Due(self.now() + seconds, next(self._numbers), run, future.cancel)
        heappush(self._due, due)
        if self._due[0] is due:
            self._set_timer()
        return future

    async def sleep(self, seconds: float) -> None:
        """Wait for so many seconds of this clock."""
        if seconds > 0:
            await self.after(seconds, lambda: None)
        else:
            await asyncio.sleep(0)

    def catch_up(self) -> None:
        """Do all that is due, in order."""
        if self._due_now is not None or not self._is_due():
            return
        try:
            while self._is_due():
                self._due_now = heappop(self._due)
                self._due_now.run()
        finally:
            self._due_now = None
            self._set_timer()

    def end(self) -> None:
        """Drop what is not due yet, and cancel whoever waits for it."""
        for due in self._due:
            due.cancel()
        self._due.clear()
        self._set_timer()

    def _elapsed(self) -> float:
        return self._offset + (time.monotonic() if self._loop is None else self._loop.time())

    def _is_due(self) -> bool:
        return bool(self._due) and self._due[0].when <= self._elapsed() + _TOLERANCE

    def _set_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self._due and self._loop is not None:
            self._timer = self._loop.call_at(self._due[0].when - self._offset, self._ring)

    def _ring(self) -> None:
        self.catch_up()
        self._set_timer()
