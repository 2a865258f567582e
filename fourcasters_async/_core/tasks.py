"""What asyncio has no word for: who was cancelled, whose loop this is, who owns a task."""

import asyncio
import time
from collections.abc import Coroutine
from typing import Any, Protocol, TypeVar

from fourcasters_async.errors import InvalidRequestError

T = TypeVar("T")


def times_told_to_stop(task: "asyncio.Task[object]") -> int:
    """Return how often a task was asked to stop, without what it has not been told of yet.

    A signal comes while the task runs: what it asks for, the next `await` tells.
    """
    # Nothing public says whether something is on its way.
    return task.cancelling() - bool(getattr(task, "_must_cancel", False))


class Cancellation:
    """Whether somebody has asked the running task to stop since this was made.

    A `CancelledError` also comes from awaiting a future that was cancelled for itself; and a task
    that cleans up after a cancellation has been asked to stop before.
    """

    __slots__ = ("_before", "_task")

    def __init__(self) -> None:
        self._task = asyncio.current_task()
        self._before = 0 if self._task is None else times_told_to_stop(self._task)

    @property
    def requested(self) -> bool:
        """Whether the task was asked to stop."""
        return self._task is not None and self._task.cancelling() > self._before


class Closable(Protocol):
    """What the caller may close, and with it all that is sent over it."""

    @property
    def closed(self) -> bool:
        """Whether it was closed."""
        ...


class HomeLoop:
    """The event loop that a session belongs to: the first one that it is used in.

    Connections, timers and futures belong to one loop. In another one they fail late, and some
    requests still leave.
    """

    def __init__(self) -> None:
        self.loop: asyncio.AbstractEventLoop | None = None

    def time(self) -> float:
        """Return its time. Any thread can ask, and also before and after it runs."""
        if self.loop is None or self.loop.is_closed():
            return time.monotonic()
        return self.loop.time()

    def enter(self) -> None:
        """Raise `InvalidRequestError` unless the running event loop is this one."""
        try:
            loop = asyncio.get_running_loop()
        except RuntimeError:
            raise InvalidRequestError(
                "session: no asyncio event loop is running; use it inside asyncio.run(…), "
                "and under trio inside trio_asyncio.aio_as_trio(…)"
            ) from None
        if self.loop is None:
            self.loop = loop
        elif self.loop is not loop:
            state = "has ended" if self.loop.is_closed() else "is another one"
            raise InvalidRequestError(
                f"session: the event loop that it was first used in {state}; connections belong "
                "to one loop, so make a new AsyncSession in each asyncio.run and each thread"
            )


class Jobs:
    """Work that goes on whether or not somebody waits for it, and ends with what it belongs to."""

    def __init__(self) -> None:
        self._tasks: set[asyncio.Task[Any]] = set()

    def begin(self, work: Coroutine[object, object, T]) -> "asyncio.Task[T]":
        """Begin some work."""
        task = asyncio.get_running_loop().create_task(work)
        self.adopt(task)
        return task

    def adopt(self, task: "asyncio.Task[Any]") -> None:
        """Own work that goes on already."""
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def close(self) -> None:
        """Wait until all of it has ended. What it needs was closed before, so it ends soon."""
        if tasks := tuple(self._tasks):
            try:
                await asyncio.wait(tasks)
            except asyncio.CancelledError:
                for task in tasks:
                    task.cancel()
                raise
