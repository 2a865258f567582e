"""Says on a terminal that a command waits, once it has for a moment, and takes that back.

It draws without rich, whose import would hold up a cancel.
"""

import asyncio
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TextIO

from fourcasters_async.cli.prose import unheard

_PATIENCE = 0.5
"""Seconds before a wait is told."""
_AGAIN = 0.5
"""Seconds from one drawing to the next."""
_COLUMNS = 80
# The columns of the `^C` that a terminal writes behind it.
_ECHO = 2


def for_the_exchange() -> str:
    """Say what nearly every command waits for."""
    return "waiting for the exchange"


@contextmanager
def waiting(text: Callable[[], str] = for_the_exchange) -> Iterator[None]:
    """Tell of the wait in this block on standard error, if it is a terminal and not a dumb one.

    `text` returns what to say, each time that it is drawn. Needs a running event loop.
    """
    if not _can_be_drawn_on(sys.stderr):
        yield
        return
    line = _Line(sys.stderr, text)
    try:
        yield
    finally:
        line.end()


def take_back() -> None:
    """Remove what is told of a wait, so that something else can be printed. It comes again."""
    for line in _lines:
        line.take_back()


class _Line:
    """The last line of a terminal, for as long as nothing else is printed."""

    def __init__(self, stream: TextIO, text: Callable[[], str]) -> None:
        self._stream = stream
        self._text = text
        self._loop = asyncio.get_running_loop()
        self._began = self._loop.time()
        self._shown = 0
        self._timer = self._loop.call_later(_PATIENCE, self._draw)
        _lines.append(self)

    def end(self) -> None:
        self._timer.cancel()
        _lines.remove(self)
        self.take_back()

    def take_back(self) -> None:
        if self._shown:
            # Without an escape sequence: not every terminal knows that for the end of a line.
            self._write(f"\r{' ' * (self._shown + _ECHO)}\r")
            self._shown = 0

    def _draw(self) -> None:
        text = f"{self._text()}, {self._loop.time() - self._began:.0f} s"
        # A line that wraps could not be taken back.
        text = text[: _width_of(self._stream) - _ECHO - 1]
        self._write(f"\r{text}{' ' * (self._shown - len(text))}")
        self._shown = max(self._shown, len(text))
        self._timer = self._loop.call_later(_AGAIN, self._draw)

    def _write(self, text: str) -> None:
        with unheard():
            self._stream.write(text)
            self._stream.flush()


_lines: list[_Line] = []


def _can_be_drawn_on(stream: TextIO | None) -> bool:
    return stream is not None and stream.isatty() and os.environ.get("TERM") != "dumb"


def _width_of(stream: TextIO) -> int:
    try:
        return os.get_terminal_size(stream.fileno()).columns or _COLUMNS
    except (OSError, ValueError):
        return _COLUMNS
