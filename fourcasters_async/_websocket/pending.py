"""Requests in flight on a WebSocket."""

import asyncio
import math
from abc import ABC, abstractmethod
from collections.abc import Callable

from attrs import define, field

from fourcasters_async._core.outcome import NoResponse
from fourcasters_async._websocket.frames import Document

HELD_BACK = NoResponse("it was held back", not_sent=True)
"""The end of a request that may not leave any more when its turn comes. It was not attempted."""


@define(eq=False)
class Pending(ABC):
    """A request in flight, which is to be answered by the loop time `ends`.

    `left` is the loop time when its frame was gathered to be written, and `writes` how often the
    socket had written before: its frame left with the next write, so not while the socket has
    written no more often.
    """

    request_id: str
    ends: float
    left: float | None = field(default=None, init=False)
    writes: float = field(default=math.inf, init=False)

    @property
    @abstractmethod
    def done(self) -> bool:
        """Whether nobody waits for its answer any more."""

    @abstractmethod
    def frame(self, now: float) -> bytes | NoResponse:
        """Return what is to be written at the loop time `now`, or why nothing may leave."""

    @abstractmethod
    def end(self, how: Document | NoResponse) -> None:
        """Take the answer, or why there is none. Does nothing if it is done."""


@define(eq=False)
class Asked(Pending):
    """A request that somebody waits for in a future.

    `may_leave` says of a loop time whether a request may be written, and `leave` returns why this
    one may not leave, or `None`.
    """

    _frame: bytes
    answer: "asyncio.Future[Document | NoResponse]"
    _may_leave: Callable[[float], bool]
    _leave: Callable[[], Exception | None] | None

    @property
    def done(self) -> bool:
        """Whether it is answered, or nobody waits any more."""
        return self.answer.done()

    def frame(self, now: float) -> bytes | NoResponse:
        """Ask both at the last moment before the write."""
        if not self._may_leave(now):
            return HELD_BACK
        if self._leave is not None and (refusal := self._leave()) is not None:
            return NoResponse(str(refusal), not_sent=True)
        return self._frame

    def end(self, how: Document | NoResponse) -> None:
        """Set the result of the future."""
        if not self.answer.done():
            self.answer.set_result(how)
