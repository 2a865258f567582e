"""Ending flat: everything is cancelled, and it is known whether anything rests."""

import asyncio
import logging
import signal
from collections.abc import Awaitable, Callable
from types import TracebackType
from typing import Self

from fourcasters_async.errors import (
    FourcastersError,
    InvalidRequestError,
)
from fourcasters_async.models import FlatReport

_log = logging.getLogger("fourcasters_async")

_SIGNALS = (signal.SIGTERM, signal.SIGINT)
_CLEAR, _NOT_KNOWN_CLEAR = 0, 3
_BEGINNINGS = 3


class FlatOnExit:
    """A block that ends flat, however it ends.

    Leaving it, an exception, SIGTERM or SIGINT: everything is cancelled and verified, once,
    however many signals arrive meanwhile, and then the block ends. A signal ends the block
    without an exception; ask `signal` which, and end the program with `exit_status`.
    """

    def __init__(self, flatten: Callable[[], Awaitable[FlatReport]]) -> None:
        self.report: FlatReport | None = None
        """What it came to, once the block has ended."""
        self.signal: signal.Signals | None = None
        """The signal that ended the block, if one did."""
        self._flatten = flatten
        self._task: asyncio.Task[object] | None = None
        self._entered = False
        self._interrupted = False

    @property
    def exit_status(self) -> int:
        """0 if it is known that nothing rests, 3 if it is not."""
        return _CLEAR if self.report is not None and self.report.clear else _NOT_KNOWN_CLEAR

    async def __aenter__(self) -> Self:
        """Watch SIGTERM and SIGINT, where the platform and the thread allow it."""
        if self._entered:
            raise InvalidRequestError("this block was entered before; make another")
        self._entered = True
        self._task = asyncio.current_task()
        for number in _SIGNALS:
            _watch(number, self)
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> bool:
        """Cancel everything, and only then end."""
        task, self._task = self._task, None
        try:
            cancelled = await self._end_flat()
        finally:
            for number in _SIGNALS:
                _unwatch(number, self)
            # The signal's own cancellation ends here, whatever else does.
            left = task.uncancel() if self._interrupted and task is not None else 1
        if cancelled:
            raise asyncio.CancelledError
        return self._interrupted and left == 0 and isinstance(error, asyncio.CancelledError)

    def interrupt(self, number: signal.Signals) -> None:
        """End the block because of a signal. Further signals change nothing."""
        self.signal = self.signal or number
        if self._task is not None and not self._interrupted:
            self._interrupted = True
            self._task.cancel()

    async def _end_flat(self) -> bool:
        """Flatten to the end; return whether somebody cancelled this task meanwhile."""
        cancelled = False
        for _ in range(_BEGINNINGS):
            flattening = asyncio.ensure_future(self._flatten())
            while not flattening.done():
                try:
                    await asyncio.wait([flattening])
                except asyncio.CancelledError:
                    # Whoever wants this task to end has to wait until the book is flat.
                    cancelled = True
            # A loop that ends cancels every task, the one that flattens too: it begins again.
            if not flattening.cancelled():
                self.report = _report_of(flattening)
                break
        return cancelled


def _report_of(flattening: "asyncio.Future[FlatReport]") -> FlatReport:
    error = flattening.exception()
    if isinstance(error, FourcastersError):
        return FlatReport(error=error)
    return flattening.result()


# The blocks that stand, by loop and signal, innermost last, and how to give the signal back.
_Watched = tuple[asyncio.AbstractEventLoop, signal.Signals]
_blocks: dict[_Watched, list[FlatOnExit]] = {}
_give_back: dict[_Watched, Callable[[], object]] = {}


def _watch(number: signal.Signals, block: FlatOnExit) -> None:
    """Let a signal interrupt `block`. One handler serves all blocks: a loop holds only one."""
    loop = asyncio.get_running_loop()
    blocks = _blocks.get((loop, number), [])
    if not blocks:
        # A handler that the application gave to the loop has no public name.
        earlier = getattr(loop, "_signal_handlers", {}).get(number)
        previous = signal.getsignal(number)
        try:
            loop.add_signal_handler(number, _interrupt_all, loop, number)
        except (NotImplementedError, RuntimeError, ValueError):
            _log.debug("%s is not watched: this is not the main thread", number.name)
            return

        def give_back() -> None:
            loop.remove_signal_handler(number)
            if earlier is not None:
                loop.add_signal_handler(number, earlier._callback, *earlier._args)  # noqa: SLF001  # as above
            elif previous is not None:
                signal.signal(number, previous)

        _give_back[loop, number] = give_back
        _blocks[loop, number] = blocks
    blocks.append(block)


def _unwatch(number: signal.Signals, block: FlatOnExit) -> None:
    watched = (asyncio.get_running_loop(), number)
    blocks = _blocks.get(watched, [])
    if block in blocks:
        blocks.remove(block)
        if not blocks:
            del _blocks[watched]
            _give_back.pop(watched)()


def _interrupt_all(loop: asyncio.AbstractEventLoop, number: signal.Signals) -> None:
    for block in list(_blocks.get((loop, number), ())):
        block.interrupt(number)
