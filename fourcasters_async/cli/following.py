"""What the commands have in common that go on until they are told to end."""

import asyncio
import logging
import signal
import threading
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any

from fourcasters_async.cli.exits import ALL_CONFIRMED, run

TICK = 0.1
"""Seconds from one look at what has changed to the next, and from one drawing to the next."""


def run_until_told(job: Coroutine[Any, Any, None]) -> None:
    """Run a job until Ctrl-C or SIGTERM, which are its usual end, or turn its error into a status.

    Either ends it in good order, so that the connections are closed.
    """
    run(_until_told(job), lambda: ALL_CONFIRMED, cancels=False)


async def _until_told(job: Coroutine[Any, Any, None]) -> int:
    task, told = asyncio.current_task(), asyncio.Event()
    loop = asyncio.get_running_loop()
    earlier: dict[signal.Signals, Any] = {}

    def restore() -> None:
        for number, handler in earlier.items():
            signal.signal(number, handler)
        earlier.clear()

    def end(_number: int, _frame: FrameType | None) -> None:
        # A second one does what it always did: closing must not hold up whoever insists.
        restore()
        told.set()
        if task is not None:
            loop.call_soon_threadsafe(task.cancel)

    # Only the main thread gets signals.
    if threading.current_thread() is threading.main_thread():
        for number in (signal.SIGINT, signal.SIGTERM):
            handler = signal.getsignal(number)
            if handler not in (signal.SIG_IGN, None):
                earlier[number] = handler
                signal.signal(number, end)
    try:
        await job
    except asyncio.CancelledError:
        if not told.is_set():
            raise
    finally:
        restore()
    return ALL_CONFIRMED


async def together(*jobs: Coroutine[Any, Any, None]) -> None:
    """Run jobs that have no end of their own, until the first of them fails; raise its error."""
    tasks = [asyncio.ensure_future(job) for job in jobs]
    try:
        done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        for task in done:
            task.result()
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


@contextmanager
def warnings_told(tell: Callable[[str], object]) -> Iterator[None]:
    """Tell of what the library warns of, which otherwise goes to the terminal as it is."""
    handler, logger = _Telling(tell), logging.getLogger("fourcasters_async")
    logger.addHandler(handler)
    try:
        yield
    finally:
        logger.removeHandler(handler)


class _Telling(logging.Handler):
    def __init__(self, tell: Callable[[str], object]) -> None:
        super().__init__(logging.WARNING)
        self._tell = tell

    def emit(self, record: logging.LogRecord) -> None:
        self._tell(record.getMessage())
