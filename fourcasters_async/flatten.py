"""Ending flat: everything is cancelled, and it is known whether anything rests."""

import asyncio
import signal
from collections.abc import Awaitable, Callable, Iterable
from types import TracebackType
from typing import Self

from fourcasters_async import _signals
from fourcasters_async._core.log import log
from fourcasters_async.errors import (
    FourcastersError,
    InvalidRequestError,
)
from fourcasters_async.models import FlatReport

_CLEAR, _NOT_KNOWN_CLEAR = 0, 3
_BEGINNINGS = 3
_GAMES_SHOWN = 5


class FlatOnExit:
    """A block that ends flat, however it ends.

    Leaving it, an exception, SIGTERM, SIGINT or SIGHUP: nothing more is placed, everything is
    cancelled and verified, once, however many signals arrive meanwhile, and then the block ends. A
    signal ends the block without an exception; ask `signal` which, and end the program with
    `exit_status`.

    A signal does not wait for the strategy: what rests is cancelled at once, while the block's
    task is cancelled too. Each further signal cancels the task again, in case it went on. Only
    where a host handles the signal itself, as web servers do, the task is left alone: the host
    shuts down, and ends the block.

    If it is not known that the book is flat when the block ends, the logger `fourcasters_async`
    gets an error, and the exception that leaves the block a note.
    """

    def __init__(
        self,
        flatten: Callable[[], Awaitable[FlatReport]],
        *,
        shut: Callable[[], object] = lambda: None,
        signals: Iterable[signal.Signals] | None = None,
    ) -> None:
        self.report: FlatReport | None = None
        """What was cancelled and what rests, once the block has ended."""
        self.signal: signal.Signals | None = None
        """The first signal that arrived before the block had ended, if one did."""
        self._flatten = flatten
        self._shut = shut
        self._signals = _signals.check_signals(signals, "signals")
        self._give_back: Callable[[], None] | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._interruptions: _signals.Interruptions | None = None
        self._ending = False
        self._flattening: asyncio.Future[FlatReport] | None = None

    @property
    def exit_status(self) -> int:
        """0 if it is known that nothing rests, 3 if it is not."""
        return _CLEAR if self.report is not None and self.report.clear else _NOT_KNOWN_CLEAR

    async def __aenter__(self) -> Self:
        """Watch the signals, where the platform and the thread allow it."""
        if self._loop is not None:
            raise InvalidRequestError("this block was entered before; make another")
        self._loop = asyncio.get_running_loop()
        self._interruptions = _signals.Interruptions()
        self._give_back = _signals.watch(self._signals, self._hear)
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> bool:
        """Cancel everything, and only then end."""
        self._ending = True
        try:
            self._shut()
            cancelled = await self._end_flat()
        except Exception as failed:
            self._complain(failed)
            raise
        finally:
            if self._give_back is not None:
                self._give_back()
            # The signals' own cancellations end here, whatever else does.
            by_signals_alone = self._interruptions is not None and self._interruptions.take_back()
        suppressed = by_signals_alone and isinstance(error, asyncio.CancelledError)
        leaving = None if suppressed else error
        if cancelled and not by_signals_alone and not isinstance(error, asyncio.CancelledError):
            leaving = asyncio.CancelledError()
        if self.exit_status != _CLEAR:
            self._complain(leaving)
        if leaving is not None and leaving is not error:
            raise leaving
        return suppressed

    def _hear(self, number: signal.Signals, hosted: bool) -> bool:  # noqa: FBT001  # a `Tell`
        """Record a signal inside its handler; return whether the block still stands."""
        try:
            if self._loop is not None:
                self._loop.call_soon_threadsafe(self._interrupt, hosted)
        except RuntimeError:
            # The loop was closed before the block could end.
            return False
        self.signal = self.signal or number
        return True

    def _interrupt(self, hosted: bool) -> None:  # noqa: FBT001  # called by the loop
        """Begin to end the block because of a signal."""
        if self._ending:
            return
        self._shut()
        if not hosted and self._interruptions is not None:
            self._interruptions.interrupt()
        self._begin_to_flatten()

    def _begin_to_flatten(self) -> "asyncio.Future[FlatReport]":
        """Return the flattening that runs or that succeeded, or begin another."""
        last = self._flattening
        if last is None or (last.done() and not _found_clear(last)):
            last = self._flattening = asyncio.ensure_future(self._flatten())
        return last

    async def _end_flat(self) -> bool:
        """Flatten to the end; return whether this task was cancelled meanwhile."""
        cancelled = False
        for _ in range(_BEGINNINGS):
            flattening = self._begin_to_flatten()
            waiting = True
            while waiting:
                try:
                    # Also if it is done: a cancellation that is on its way has to arrive here.
                    await asyncio.wait([flattening])
                except asyncio.CancelledError:
                    # Whoever wants this task to end has to wait until the book is flat.
                    cancelled = True
                waiting = not flattening.done()
            # A loop that ends cancels every task, the one that flattens too: it begins again.
            if not flattening.cancelled():
                self.report = _report_of(flattening)
                break
        return cancelled

    def _complain(self, leaving: BaseException | None) -> None:
        """Say that the book is not known to be flat, in the log and to whom the exception tells."""
        state = "not known what rests" if self.report is None else str(self.report)
        resting = (self.report and self.report.resting) or []
        games = sorted({str(order.game_id) for order in resting})
        if games:
            more = ", …" if len(games) > _GAMES_SHOWN else ""
            state += f"; on {', '.join(games[:_GAMES_SHOWN])}{more}"
        log.error("the book is not known to be flat: %s", state)
        if leaving is not None:
            leaving.add_note(f"fourcasters_async: the book is not known to be flat: {state}")


def _found_clear(flattening: "asyncio.Future[FlatReport]") -> bool:
    return (
        not flattening.cancelled() and flattening.exception() is None and flattening.result().clear
    )


def _report_of(flattening: "asyncio.Future[FlatReport]") -> FlatReport:
    error = flattening.exception()
    if isinstance(error, FourcastersError):
        return FlatReport(error=error)
    return flattening.result()
