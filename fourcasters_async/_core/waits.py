"""Waits that end with what they belong to."""

import asyncio
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

from fourcasters_async._core.tasks import Cancellation

_Waiter = asyncio.Future[None]


class Waits:
    """What can be ended while something waits in it."""

    def __init__(self) -> None:
        self._resting: set[_Waiter] = set()
        self._closed = False

    def end(self) -> None:
        """Send nothing any more, and let go of what waits."""
        self._closed = True
        for each in self._resting:
            each.cancel()

    async def _rest(self, until: float, arrange: Callable[[_Waiter], None] | None = None) -> None:
        """Wait until the loop time `until`, what `arrange` arranges, or the end."""
        if self._closed:
            return
        with suppress(TimeoutError), self._waiting() as rest:
            if arrange is not None:
                arrange(rest)
            async with asyncio.timeout_at(until):
                await rest

    @contextmanager
    def _waiting(self) -> Iterator[_Waiter]:
        """Give a future to wait for, which `close` cancels; the wait then ends without an error."""
        future = asyncio.get_running_loop().create_future()
        cancellation = Cancellation()
        self._resting.add(future)
        try:
            yield future
        except asyncio.CancelledError:
            if not self._closed or cancellation.requested:
                raise
        finally:
            self._resting.discard(future)
