"""Requests as messages on one WebSocket: one attempt, for the send loop."""

import asyncio
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from typing import ClassVar, TypeVar

from fourcasters_async._core.auth import Auth
from fourcasters_async._core.in_flight import InFlight
from fourcasters_async._core.outcome import (
    AttemptResult,
    AttemptStatus,
    NoResponse,
    not_attempted,
    unanswered,
)
from fourcasters_async._core.request import Kind, Request
from fourcasters_async._core.retry import Attempts, RetryPolicy
from fourcasters_async._core.secret import Secret
from fourcasters_async._core.sender import Sender
from fourcasters_async._core.tasks import Closable, HomeLoop
from fourcasters_async._core.telemetry import Telemetry, Transport
from fourcasters_async._websocket.burst import Burst, FirstAttempt
from fourcasters_async._websocket.connection import Connection
from fourcasters_async._websocket.frames import classify, encode
from fourcasters_async._websocket.handshake import without_connection
from fourcasters_async._websocket.pending import HELD_BACK
from fourcasters_async._websocket.reconnecting import Reconnecting
from fourcasters_async.errors import (
    ApiError,
    FourcastersError,
    NotSentError,
    SessionClosedError,
)

T = TypeVar("T")

_REFUSED = "its token was refused"
# Seconds between two logins that are caused by refused messages.
_RENEWAL_PAUSE = 10.0


class WebSocketClient(Sender):
    """Sends messages over one connection at a time.

    Only the handshake signs in and counts in the rate limit. Without a connection, an attempt ends
    as not sent.
    """

    transport: ClassVar[Transport] = "socket"
    _CLOSED = "the orders socket is closed; open another"
    # The first turn finds what came while the loop was blocked, and the second reads it. In the
    # third the reader takes it: a close frame may be in it.
    _CATCH_UP_TURNS = 3

    def __init__(
        self,
        connections: Reconnecting[Connection],
        auth: Auth,
        home: HomeLoop,
        *,
        timeout: float,
        retry: RetryPolicy,
        telemetry: Telemetry,
        lent: Closable | None = None,
    ) -> None:
        super().__init__(
            auth,
            home,
            timeout=timeout,
            retry=retry,
            rate_limit=None,
            telemetry=telemetry,
            lent=lent,
        )
        self._connections = connections
        self._renewed_at = float("-inf")
        self._renewing: Secret | None = None
        self._in_flight: InFlight[Connection] = InFlight()
        self._retired: Connection | None = None

    @property
    def connected(self) -> bool:
        """Whether there is a connection now."""
        return self._connections.current is not None

    @property
    def in_flight(self) -> int:
        """How many requests wait for an answer."""
        current = self._connections.current
        return 0 if current is None else current.in_flight

    async def open(self) -> None:
        """Make the first connection, and keep one open from now on. Raises if there is none."""
        await self._connections.open()

    def begin(self) -> None:
        """Begin to make the first connection, and keep one open from now on."""
        self._connections.begin()

    async def reach(self, until: float) -> bool:
        """Wait for a connection until the loop time `until`; `False` at once if one cannot be made.

        It is tried again then, but the next one may take its time.
        """
        return isinstance(await self._connections.wait(until), Connection)

    async def close(self) -> None:
        """Close the connection, for good. What is in flight ends unknown."""
        await super().close()
        await self._connections.close()

    def ensure_usable(self, *, authorised: bool = False) -> None:  # noqa: ARG002  # only the handshake needs a token
        """Raise if the socket is closed, or belongs to another event loop."""
        super().ensure_usable(authorised=False)

    def _lacks_token(self, request: Request[T]) -> bool:  # noqa: ARG002  # see Sender
        """Return `False`: only the handshake carries the token."""
        return False

    def burst(
        self,
        count: int,
        request: Request[T],
        body_of: Callable[[int], Mapping[str, object]],
        deadline: float | None,
        *,
        answered: Callable[[int, T], None],
        undecided: Callable[[int, FirstAttempt[T]], None],
    ) -> Burst[T] | None:
        """Return a burst of requests for `send_burst`, or `None` if it has to wait for something.

        See `Burst` for the arguments. `deadline` is a loop time, by default `timeout` from now.
        """
        now, connection = asyncio.get_running_loop().time(), self._connections.current
        until = now + self.timeout if deadline is None else deadline
        if self.is_closed() or connection is None or not count:
            return None

        may_leave = self._leave_to(request.kind, connection)
        if now >= until or not may_leave(now):
            return None
        ends = now + Attempts(request, self._retry, until).time_for_next(until - now)
        return Burst(
            connection,
            count,
            request,
            body_of,
            deadline=until,
            ends=ends,
            redact=self._auth.redact,
            may_leave=may_leave,
            answered=answered,
            undecided=undecided,
        )

    async def send_burst(self, burst: Burst[T]) -> None:
        """Make the first attempts of a burst."""
        try:
            with self._sending_over(burst.connection):
                await burst.run()
        finally:
            # One that somebody goes on from is counted there.
            self._counted[AttemptStatus.ANSWERED] += burst.told
            self._counted[AttemptStatus.UNKNOWN] += burst.given_up
            self.telemetry.messages += burst.told

    def _leave_to(self, kind: Kind, connection: Connection) -> Callable[[float], bool]:
        """Return what says of a loop time whether requests may leave over a connection then."""
        holds = self._holds

        def may_leave(now: float) -> bool:
            # Each game asks, and to look up the kind takes three calls.
            if holds and holds.get(kind, now) > now:
                return False
            return connection is not self._retired

        return may_leave

    async def _attempt(self, attempts: Attempts[T], ends: float) -> AttemptResult[T]:
        while (result := await self._attempt_unless_held(attempts, ends)) is None:
            # While it waited for its turn to be written, something was heard for which it has to
            # wait like one that was not admitted yet.
            if (stopped := await self._admit(attempts)) is not None:
                return not_attempted(stopped)
            now = asyncio.get_running_loop().time()
            if attempts.moments is not None:
                attempts.moments.admitted = now
            ends = now + attempts.time_for_next((attempts.deadline or ends) - now)
        return result

    async def _attempt_unless_held(
        self, attempts: Attempts[T], ends: float
    ) -> AttemptResult[T] | None:
        """Make one attempt by the loop time `ends`; return `None` if it was held back."""
        request, deadline = attempts.request, attempts.deadline or ends
        attempts.token = None
        connection: Connection | FourcastersError | None = self._connections.current
        if connection is None or connection is self._retired:
            connection = await self._next_connection(deadline)
            now = asyncio.get_running_loop().time()
            ends = now + attempts.time_for_next(deadline - now)
        if connection is None:
            reason = "the deadline passed before there was a connection"
            return not_attempted(NotSentError(f"{request.endpoint}: not sent: {reason}"))
        if not isinstance(connection, Connection):
            error = without_connection(request.endpoint, connection)
            refused = isinstance(error, ApiError)
            return AttemptResult(
                AttemptStatus.REFUSED if refused else AttemptStatus.NOT_SENT,
                error=error,
                final=isinstance(error, SessionClosedError),
            )
        attempts.token = connection.token
        may_leave = self._leave_to(request.kind, connection)
        with self._sending_over(connection):
            document = await connection.ask(
                partial(encode, request), ends, may_leave, request.leave, attempts.moments
            )
        if document is HELD_BACK:
            return None
        if isinstance(document, NoResponse):
            return unanswered(request, document)
        return classify(request, document, redact=self._auth.redact)

    async def _next_connection(self, deadline: float) -> Connection | FourcastersError | None:
        """Return another connection than the one whose token was refused."""
        retired = self._retired
        if retired is not None and not retired.lost.done():
            left = deadline - asyncio.get_running_loop().time()
            await asyncio.wait([retired.lost], timeout=left)
            if not retired.lost.done():
                return None
        return await self._connections.wait(deadline)

    def _may_renew(self, attempts: Attempts[T]) -> bool:
        if not super()._may_renew(attempts):
            return False
        used = attempts.token
        if self._auth.token == used != self._renewing:
            # A handshake that is accepted does not prove that messages are.
            now = asyncio.get_running_loop().time()
            if now < self._renewed_at + _RENEWAL_PAUSE:
                return False
            self._renewed_at, self._renewing = now, used
        return True

    async def _renew(self, attempts: Attempts[T]) -> FourcastersError | None:
        """Get another token, and another connection than the one with the refused token."""
        unable = await super()._renew(attempts)
        connection = self._connections.current
        if unable is None and connection is not None and connection.token == attempts.token:
            self._retire(connection, attempts.deadline)
        return unable

    def _retire(self, connection: Connection, deadline: float | None) -> None:
        """Send nothing more over a connection, and drop it once what is in flight is answered.

        What is dropped unanswered is in doubt, and these messages were refused as well.
        """
        if connection not in self._in_flight or deadline is None:
            connection.lose(_REFUSED)
        elif connection is not self._retired:
            self._retired = connection
            loop = asyncio.get_running_loop()
            # There has to be time for the next connection.
            half = (deadline - loop.time()) / 2
            timer = loop.call_later(half, connection.lose, _REFUSED)

            def forget(_: object) -> None:
                timer.cancel()
                if self._retired is connection:
                    # Nothing is sent over it any more, and it holds all that it carried.
                    self._retired = None

            connection.lost.add_done_callback(forget)

    @contextmanager
    def _sending_over(self, connection: Connection) -> Iterator[None]:
        """Count what is sent over a connection, and lose a retired one with the last of it."""
        try:
            with self._in_flight.attempt(connection):
                yield
        finally:
            # Also after a cancellation: what comes next would wait for it.
            if connection is self._retired and connection not in self._in_flight:
                connection.lose(_REFUSED)
