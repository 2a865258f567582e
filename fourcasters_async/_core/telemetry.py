"""What a session counts of its requests, and whom it tells of them."""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from typing import Any, Literal, Protocol, TypeVar

from fourcasters_async._core.outcome import AttemptResult, AttemptStatus
from fourcasters_async._core.request import Kind, Request
from fourcasters_async.errors import FourcastersError

T = TypeVar("T")

Transport = Literal["rest", "socket", "handshake"]
"""How a request goes out; `handshake` is that of a WebSocket."""


class Moments:
    """When one attempt got how far, as loop times: `None` where it did not.

    `left` says whether it was written; `None` if that is not known. `status` is that of HTTP.
    """

    __slots__ = ("admitted", "answered", "began", "clock", "left", "read", "status", "written")

    admitted: float | None
    written: float | None
    answered: float | None
    read: float | None
    left: bool | None
    status: int | None

    def __init__(self) -> None:
        self.clock: Callable[[], float] = asyncio.get_running_loop().time
        self.began: float = self.clock()
        self.admitted = self.written = self.answered = self.read = self.status = None
        self.left = False


class Observer(Protocol):
    """Who is told what happens in a session. Nothing that it does may raise."""

    def follow(self, verbs: object, transport: Transport) -> None:
        """Tell of each call of the order verbs that an object has, from now on."""

    def until_finished(
        self, name: str, transport: Transport, running: Awaitable[T]
    ) -> Coroutine[object, object, T]:
        """Await a call of a verb, and tell of its start and of its end."""
        ...

    def attempted(
        self,
        request: Request[Any],
        transport: Transport,
        number: int,
        moments: Moments,
        ended: AttemptResult[Any] | BaseException,
    ) -> None:
        """Tell of an attempt that has ended, or that was given up with an exception."""

    def retrying(
        self,
        request: Request[Any],
        transport: Transport,
        number: int,
        after: float,
        error: Exception | None,
    ) -> None:
        """Tell that another attempt follows the attempt with a number."""

    def held(
        self, request: Request[Any], transport: Transport, kinds: Sequence[Kind], seconds: float
    ) -> None:
        """Tell that a 429 to a request holds back kinds of requests."""

    def renewed(self, *, rotated: bool) -> None:
        """Tell of a new token: by `rotated` of the exchange's own accord."""

    def connected(self, endpoint: str) -> None:
        """Tell of a new connection to a WebSocket."""

    def disconnected(self, endpoint: str, reason: str) -> None:
        """Tell of a connection to a WebSocket that was lost."""

    def switch_changed(self, state: str, timeout: float, error: FourcastersError | None) -> None:
        """Tell of the new state of a dead-man switch."""


class Telemetry:
    """What one session has counted since it was made, and its `observer` if it has one."""

    __slots__ = ("attempts", "holds", "messages", "observer", "renewals", "retries")

    def __init__(self, observer: Observer | None = None) -> None:
        self.observer: Observer | None = observer
        self.attempts: dict[AttemptStatus, int] = dict.fromkeys(AttemptStatus, 0)
        """How many attempts ended how. One that the caller gave up is unknown."""
        self.messages: int = 0
        """How many of those that were answered were messages of a burst."""
        self.retries: int = 0
        self.holds: int = 0
        self.renewals: int = 0
