"""Ending flat: everything is cancelled, and it is known whether anything rests."""

import asyncio
import logging
import signal
from collections.abc import Awaitable, Callable
from types import TracebackType
from typing import Self

from attrs import field, frozen

from fourcasters_async.errors import AuthenticationError, ForbiddenError, FourcastersError
from fourcasters_async.models import CancelResult, OpenOrder

_log = logging.getLogger("fourcasters_async")

_SIGNALS = (signal.SIGTERM, signal.SIGINT)
_FIRST_PAUSE, _LONGEST_PAUSE = 0.05, 1.0
_CLEAR, _NOT_KNOWN_CLEAR = 0, 3


@frozen
class FlatReport:
    """What cancelling everything came to.

    `resting` is the orders last seen open: an empty list is proof that none was, `None` means
    that no read succeeded. `error` is the last thing that went wrong, if anything did. `elapsed`
    is in seconds.
    """

    results: list[CancelResult] = field(factory=list)
    resting: list[OpenOrder] | None = None
    error: FourcastersError | None = None
    elapsed: float = 0.0

    @property
    def clear(self) -> bool:
        """Whether a read after the cancels proved that no order rests."""
        return self.resting == []

    def __str__(self) -> str:
        """Sum the report up in one line."""
        cancelled = sum(result.success for result in self.results)
        if self.clear:
            state = "nothing rests"
        elif self.resting is None:
            state = "not known what rests"
        else:
            state = f"{len(self.resting)} orders still open when last seen"
        return f"{cancelled} orders cancelled; {state}; {self.elapsed * 1000:.0f} ms"


async def flatten(
    cancel_all: Callable[[], Awaitable[list[CancelResult]]],
    look: Callable[[], Awaitable[list[OpenOrder]]],
    *,
    until: float,
) -> FlatReport:
    """Cancel everything and look, again and again, until nothing is open.

    Ends at the loop time `until`, or when the account may not do it.
    """
    clock = asyncio.get_running_loop().time
    started = clock()
    results: dict[object, CancelResult] = {}
    resting: list[OpenOrder] | None = None
    error: FourcastersError | None = None
    pause = _FIRST_PAUSE
    while True:
        try:
            for result in await cancel_all():
                results[result.order_id or object()] = result
            resting = await look()
        except FourcastersError as failed:
            error = failed
        forbidden = isinstance(error, AuthenticationError | ForbiddenError)
        if resting == [] or forbidden or clock() + pause >= until:
            return FlatReport(list(results.values()), resting, error, clock() - started)
        await asyncio.sleep(pause)
        pause = min(_LONGEST_PAUSE, 2 * pause)


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
        self._previous: dict[signal.Signals, object] = {}
        self._task: asyncio.Task[object] | None = None
        self._interrupted = False

    @property
    def exit_status(self) -> int:
        """0 if it is known that nothing rests, 3 if it is not."""
        return _CLEAR if self.report is not None and self.report.clear else _NOT_KNOWN_CLEAR

    async def __aenter__(self) -> Self:
        """Take over SIGTERM and SIGINT, where the platform and the thread allow it."""
        self._task = asyncio.current_task()
        loop = asyncio.get_running_loop()
        for number in _SIGNALS:
            previous = signal.getsignal(number)
            try:
                loop.add_signal_handler(number, self._interrupt, number)
            except (NotImplementedError, RuntimeError, ValueError):
                _log.debug("%s is not watched: this is not the main thread", number.name)
            else:
                self._previous[number] = previous
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> bool:
        """Cancel everything, and only then end."""
        ending, self._task = self._task, None
        flattening = asyncio.ensure_future(self._flatten())
        cancelled = False
        while not flattening.done():
            try:
                await asyncio.wait([flattening])
            except asyncio.CancelledError:
                # Whoever wants this task to end has to wait until the book is flat.
                cancelled = True
        self._give_signals_back()
        self.report = flattening.result()
        if cancelled:
            raise asyncio.CancelledError
        if not self._interrupted or ending is None:
            return False
        return ending.uncancel() == 0 and isinstance(error, asyncio.CancelledError)

    def _interrupt(self, number: signal.Signals) -> None:
        self.signal = self.signal or number
        if self._task is not None and not self._interrupted:
            self._interrupted = True
            self._task.cancel()

    def _give_signals_back(self) -> None:
        loop = asyncio.get_running_loop()
        for number, previous in self._previous.items():
            loop.remove_signal_handler(number)
            signal.signal(number, previous)  # type: ignore[arg-type]  # what getsignal returned
