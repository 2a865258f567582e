"""Requests over the Orders WebSocket until they are decided, and the connection that is kept up."""

import asyncio
import copy
import logging
from contextlib import suppress
from functools import partial
from typing import Any, Final, TypeVar

from fourcasters_async._core.attempts import Attempts, not_sent
from fourcasters_async._core.auth import Auth
from fourcasters_async._core.outcome import (
    AttemptResult,
    AttemptStatus,
    NoResponse,
    RequestOutcome,
    unanswered,
)
from fourcasters_async._core.pacing import RetryPolicy
from fourcasters_async._core.request import Effect, Request
from fourcasters_async._core.secret import Secret
from fourcasters_async._core.sender import Sender
from fourcasters_async._http.client import Http
from fourcasters_async._websocket.connection import Connection
from fourcasters_async._websocket.frames import classify, encode
from fourcasters_async._websocket.handshake import Handshaker
from fourcasters_async.errors import (
    AuthenticationError,
    ForbiddenError,
    FourcastersError,
    NotSentError,
    RateLimitedError,
    SessionClosedError,
)

T = TypeVar("T")

_log = logging.getLogger("fourcasters_async")

_HANDSHAKE: Final = Request("GET /orders/ws", dict[str, object], Effect.READ, at=(), urgent=True)

# Seconds that a connection has to stand before the next one is made without a pause.
_STEADY = 5.0
# Seconds before a message that is refused for its token is worth another login.
_RENEWAL_PAUSE = 10.0


class Socket(Sender):
    """Sends requests over one WebSocket at a time, which it makes anew when it is lost.

    `http` sends the handshake, with its login and its rate limit; `dialer` is what that makes
    connections with. To find no connection is an attempt that was not sent.
    """

    def __init__(
        self, http: Http, handshaker: Handshaker, auth: Auth, *, timeout: float, retry: RetryPolicy
    ) -> None:
        super().__init__(timeout)
        self._http = http
        self._auth = auth
        self._handshaker = handshaker
        self._retry = retry
        self._connection: Connection | None = None
        self._next: asyncio.Future[FourcastersError | None] | None = None
        self._wanted = asyncio.Event()
        self._ended = asyncio.Event()
        self._keeping: asyncio.Task[None] | None = None
        self._held_until: dict[Effect, float] = {}
        self._renewed_at = float("-inf")
        self._renewing: Secret | None = None

    @property
    def connected(self) -> bool:
        """Whether there is a connection now."""
        return self._connection is not None and not self._connection.lost.done()

    async def open(self) -> None:
        """Make the first connection, and keep one up from now on. Raises why there is none."""
        self._http.ensure_usable()
        clock = asyncio.get_running_loop().time
        attempts = Attempts(_HANDSHAKE, self._retry)
        until = clock() + self.timeout
        while not isinstance(made := await self._connect(_HANDSHAKE, until), Connection):
            if isinstance(made, FourcastersError):
                settled = attempts.settled(not_sent(made))
                raise settled.error or made
            pause = attempts.note(made)
            if pause is None or clock() + pause >= until:
                settled = attempts.settled()
                raise settled.error or NotSentError("the orders socket was not opened")
            await self._rest(pause)

    async def close(self) -> None:
        """Close the connection, for good. What is in flight ends unknown."""
        first = not self._ended.is_set()
        self._ended.set()
        try:
            if self._keeping is not None:
                # Only once: a second time would cut short what the first has begun.
                if first:
                    self._keeping.cancel()
                await asyncio.wait([self._keeping])
        finally:
            self._tell(SessionClosedError("the orders socket was closed"))
            await self._http.close()

    def ensure_usable(self, *, authorised: bool = True) -> None:  # noqa: ARG002  # all are
        """Raise if the socket is closed."""
        if self._ended.is_set():
            raise SessionClosedError("the orders socket is closed; open another")

    async def catch_up(self) -> None:
        """Do nothing: an answer names its request, whenever it comes."""

    async def send(
        self, request: Request[T], *, deadline: float | None = None
    ) -> RequestOutcome[T]:
        """Send `request` until an attempt decides it, and say what came of it.

        `deadline` is a loop time; without one there are `timeout` seconds from now.
        """
        clock = asyncio.get_running_loop().time
        attempts = Attempts(request, self._retry)
        if deadline is None:
            deadline = clock() + self.timeout
        renewed = False
        while True:
            stopped = self._stopped(request, deadline)
            if stopped is not None:
                return attempts.settled(not_sent(stopped))
            held = self._held_until.get(request.effect, 0.0) - clock()
            if held > 0:
                await self._rest(held)
                continue
            connection = await self._connect(request, deadline)
            if isinstance(connection, FourcastersError):
                return attempts.settled(not_sent(connection))
            verdict: AttemptResult[T] = (
                await self._ask(connection, request, deadline)
                if isinstance(connection, Connection)
                else connection
            )
            pause = attempts.note(verdict)
            refused = verdict.attempt is AttemptStatus.REFUSED
            if refused and isinstance(verdict.error, RateLimitedError):
                self._hold(request.effect, self._retry.backoff(1) if pause is None else pause)
            expired = refused and isinstance(verdict.error, AuthenticationError)
            if expired and isinstance(connection, Connection) and not renewed:
                renewed = await self._renew(connection, deadline)
                pause = 0.0 if renewed else pause
            if pause is None or clock() + pause >= deadline:
                return attempts.settled()
            _log.debug("%s: again in %.3f s after: %s", request.endpoint, pause, verdict.error)
            await self._rest(pause)

    async def _renew(self, connection: Connection, deadline: float) -> bool:
        """Get another token than a refused one, and give up the connection made with that."""
        if not self._auth.can_renew(connection.token):
            return False
        if self._auth.token == connection.token != self._renewing:
            # A handshake that is served does not prove that messages are.
            now = asyncio.get_running_loop().time()
            if now < self._renewed_at + _RENEWAL_PAUSE:
                return False
            self._renewed_at, self._renewing = now, connection.token
        if await self._auth.renew(connection.token, deadline) is not None:
            return False
        connection.lose("its token was refused")
        return True

    def _stopped(self, request: Request[T], deadline: float) -> FourcastersError | None:
        """Return why no attempt is to be made any more, if so."""
        now, endpoint = asyncio.get_running_loop().time(), request.endpoint
        if self._ended.is_set():
            return SessionClosedError(f"{endpoint}: the orders socket is closed")
        if now >= deadline:
            return NotSentError(f"{endpoint}: not sent: the deadline had passed")
        if self._held_until.get(request.effect, 0.0) >= deadline:
            return NotSentError(f"{endpoint}: not sent: too many requests until the deadline")
        return None

    def _hold(self, effect: Effect, seconds: float) -> None:
        """Hold requests back. A 429 to what places orders is not to hold back a cancel."""
        until = asyncio.get_running_loop().time() + seconds
        for held in (effect, Effect.PLACE):
            self._held_until[held] = max(self._held_until.get(held, until), until)

    async def _ask(
        self, connection: Connection, request: Request[T], deadline: float
    ) -> AttemptResult[T]:
        ends = min(deadline, asyncio.get_running_loop().time() + self._retry.attempt_timeout)
        document = await connection.ask(partial(encode, request), ends)
        if isinstance(document, NoResponse):
            return unanswered(request, document)
        return classify(request, document, redact=self._auth.redact)

    async def _connect(
        self, request: Request[T], deadline: float
    ) -> Connection | AttemptResult[Any] | FourcastersError:
        """Wait for a connection.

        Returns what becomes of an attempt for which there was none, or why there is to be no
        other attempt.
        """
        loop = asyncio.get_running_loop()
        while self._connection is None or self._connection.lost.done():
            if self._ended.is_set():
                return SessionClosedError(f"{request.endpoint}: the orders socket is closed")
            self._wanted.set()
            if self._keeping is None or self._keeping.done():
                # Somebody may cancel every task there is, and then want to be flat.
                self._keeping = asyncio.create_task(self._keep())
            if self._next is None or self._next.done():
                self._next = loop.create_future()
            told, keeping = self._next, self._keeping
            await asyncio.wait(
                (told, keeping),
                timeout=deadline - loop.time(),
                return_when=asyncio.FIRST_COMPLETED,
            )
            if keeping.done() and not told.done() and loop.time() < deadline:
                continue
            if not told.done() or loop.time() >= deadline:
                reason = "the deadline passed before there was a connection"
                return NotSentError(f"{request.endpoint}: not sent: {reason}")
            error = told.result()
            if error is not None:
                return _without_connection(request, error)
        return self._connection

    async def _rest(self, seconds: float) -> None:
        """Wait for so many seconds, or until the socket is closed."""
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._ended.wait()

    async def _keep(self) -> None:
        """Keep a connection up, and tell those who wait for one what comes of it."""
        clock = asyncio.get_running_loop().time
        failures = 0
        while True:
            error = (await self._http.send(_HANDSHAKE)).error
            connection = self._handshaker.take()
            failures += 1
            if connection is None:
                _log.debug("no orders socket: %s", error)
                self._wanted.clear()
                self._tell(error)
                pauses = failures
            else:
                since = clock()
                reason = await self._use(connection)
                _log.debug("the orders socket was lost: %s", reason)
                if clock() - since >= _STEADY:
                    failures = 0
                # The next one is made at once, unless none of them lasts.
                pauses = failures - 1
            if pauses > 0:
                await asyncio.sleep(self._retry.backoff(pauses))
            if isinstance(error, AuthenticationError | ForbiddenError | SessionClosedError):
                # To ask again helps nobody before somebody wants it, with another token perhaps.
                await self._wanted.wait()

    async def _use(self, connection: Connection) -> str:
        """Let requests use a connection until it is lost, and return why it was."""
        self._connection = connection
        self._tell(None)
        try:
            return await asyncio.shield(connection.lost)
        finally:
            self._connection = None
            await connection.close()

    def _tell(self, error: FourcastersError | None) -> None:
        if self._next is not None and not self._next.done():
            self._next.set_result(error)


def _without_connection(
    request: Request[T], error: FourcastersError
) -> AttemptResult[Any] | FourcastersError:
    """Say what becomes of a request for which no connection could be made: it is not sent."""
    if isinstance(error, SessionClosedError):
        return copy.copy(error)
    if isinstance(error, AuthenticationError | RateLimitedError):
        # What the exchange says to everybody it would have said to this one.
        return AttemptResult(AttemptStatus.REFUSED, error=copy.copy(error))
    reason = NotSentError(f"{request.endpoint}: not sent: no connection: {error}")
    reason.__cause__ = copy.copy(error)
    return not_sent(reason)
