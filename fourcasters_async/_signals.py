"""The process's signals: told to whoever watches, passed on to the host, given back as they were.

Handlers are set with `signal.signal`, not with `loop.add_signal_handler`, for two reasons: what the
application gave to its loop stays there, and a forked child can tell that a signal is its own.
"""

import asyncio
import os
import signal
import threading
from collections.abc import Callable, Iterable
from functools import partial
from types import FrameType

from fourcasters_async._core.log import log
from fourcasters_async._core.tasks import times_told_to_stop
from fourcasters_async._core.validation import check_list, shown
from fourcasters_async.errors import InvalidRequestError

# Windows has no SIGHUP and no SIGSTOP.
_DEFAULT = [
    getattr(signal, name) for name in ("SIGTERM", "SIGINT", "SIGHUP") if hasattr(signal, name)
]
_NEVER_CAUGHT = {getattr(signal, name, None) for name in ("SIGKILL", "SIGSTOP")}

Tell = Callable[[signal.Signals, bool], bool]
"""Takes a signal and whether a host handles it too; returns whether anybody still listens.

It is called inside the signal handler, between any two instructions of the main thread.
"""


class Interruptions:
    """The cancellations of the running task that signals cause, and that are taken back."""

    def __init__(self) -> None:
        self._task = asyncio.current_task()
        self._before = 0 if self._task is None else times_told_to_stop(self._task)
        self._count = 0

    def interrupt(self) -> None:
        """Cancel the task because of a signal."""
        if self._task is not None and self._task.cancel():
            self._count += 1

    def take_back(self) -> bool:
        """Withdraw what signals did to the task; return whether nobody else cancelled it."""
        if self._task is None or not self._count:
            return False
        for _ in range(self._count):
            self._task.uncancel()
        return self._task.cancelling() <= self._before


def check_signals(values: object, name: str) -> list[signal.Signals] | None:
    """Return the signals to watch, or `None` for those that end a process by default."""
    if values is None:
        return None
    signals: list[signal.Signals] = []
    for value in check_list(values, name):
        if not isinstance(value, signal.Signals):
            raise InvalidRequestError(f"{name}: must be members of Signals, not {shown(value)}")
        if value in _NEVER_CAUGHT:
            raise InvalidRequestError(f"{name}: {value.name} cannot be caught")
        signals.append(value)
    return signals


def watch(signals: Iterable[signal.Signals] | None, tell: Tell) -> Callable[[], None]:
    """Let `tell` know of each signal until the returned function is called.

    With `None` these are SIGTERM, SIGINT and SIGHUP, but for those that the process ignores: what
    was started with `nohup` goes on when its terminal is closed.
    """
    if threading.current_thread() is not threading.main_thread():
        log.debug("no signal is watched: they arrive in the main thread, and this is another")
        return lambda: None
    if signals is None:
        signals = [each for each in _DEFAULT if signal.getsignal(each) is not signal.SIG_IGN]
    handlers = [handler for each in signals if (handler := _handler_of(each, tell)) is not None]

    def give_back() -> None:
        for handler in handlers:
            handler.leave(tell)

    return give_back


class _Handler:
    """The handler of one signal, for all that watch it."""

    def __init__(self, number: signal.Signals, earlier: "_Earlier") -> None:
        self.earlier = earlier
        self.process = os.getpid()
        self.watching: list[Tell] = []
        self._number = number
        self._hosted = _is_of_a_host(earlier)

    def __call__(self, number: int, frame: FrameType | None) -> None:
        """Tell those that watch, and then the host's handler, which may raise."""
        watching = tuple(self.watching) if self.process == os.getpid() else ()
        heard = [tell(self._number, self._hosted) for tell in watching]
        if callable(self.earlier) and (self._hosted or not any(heard)):
            self.earlier(number, frame)
        elif self.earlier is signal.SIG_DFL and not any(heard) and self._is_set():
            # In a forked child, for one: it has to end as if nobody had ever watched.
            signal.signal(number, signal.SIG_DFL)
            signal.raise_signal(number)

    def leave(self, tell: Tell) -> None:
        """Tell one watcher no more. With the last one, the earlier handler is put back."""
        self.watching.remove(tell)
        # Somebody else may have set a handler of theirs meanwhile.
        if not self.watching and self._is_set():
            signal.signal(self._number, self.earlier)

    def _is_set(self) -> bool:
        current: object = signal.getsignal(self._number)
        return current is self


_Earlier = Callable[[int, FrameType | None], object] | int | signal.Handlers


def _handler_of(number: signal.Signals, tell: Tell) -> _Handler | None:
    """Set the handler that tells `tell` of a signal, if the process can."""
    earlier: _Earlier | None = signal.getsignal(number)
    # What a forked child inherits watches for its parent.
    while isinstance(earlier, _Handler) and earlier.process != os.getpid():
        earlier = earlier.earlier
    if earlier is None:
        log.debug("%s is not watched: its handler is not Python's", number.name)
        return None
    handler = earlier if isinstance(earlier, _Handler) else _Handler(number, earlier)
    handler.watching.append(tell)
    try:
        signal.signal(number, handler)
    except (ValueError, OSError) as error:
        handler.watching.remove(tell)
        log.debug("%s is not watched: %s", number.name, error)
        return None
    return handler


def _is_of_a_host(handler: object) -> bool:
    """Whether a handler is more than the interpreter's and asyncio's own way to end a program."""
    while isinstance(handler, partial):
        handler = handler.func
    return (
        callable(handler)
        and handler is not signal.default_int_handler
        and getattr(handler, "__module__", None) != "asyncio.runners"
    )
