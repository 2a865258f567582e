"""Requests over the Orders WebSocket until they are decided, and the connection that is kept up."""

import asyncio
import copy
import logging
from contextlib import suppress
from functools import partial
from typing import Any, Final, TypeVar

from fourcasters_async._attempts import Attempts, withheld
from fourcasters_async._connection import Connection
from fourcasters_async._dialer import Dialer
from fourcasters_async._frames import encode, judge
from fourcasters_async._http import Http
from fourcasters_async._pacing import RetryPolicy
from fourcasters_async._request import Effect, Request
from fourcasters_async._sender import Sender
from fourcasters_async._verdict import Attempt, NoReply, Settled, Verdict, unanswered
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


class Socket(Sender):
    """Sends requests over one WebSocket at a time, which it makes anew when it is lost.

    `http` sends the handshake, with its login, its rate limit and its repetitions; `dialer` is
    what that makes connections with.
    """

    def __init__(self, http: Http, dialer: Dialer, *, timeout: float, retry: RetryPolicy) -> None:
        super().__init__(timeout)
        self._http = http
        self._dialer = dialer
        self._retry = retry
        self._connection: Connection | None = None
        self._next: asyncio.Future[FourcastersError | None] | None = None
        self._wanted = asyncio.Event()
        self._ended = asyncio.Event()
        self._keeping: asyncio.Task[None] | None = None

    @property
    def connected(self) -> bool:
        """Whether there is a connection now."""
        return self._connection is not None and not self._connection.lost.done()

    async def open(self) -> None:
        """Make the first connection, and keep one up from now on. Raises why there is none."""
        self._http.ensure_usable()
        self._keeping = asyncio.create_task(self._keep())
        until = asyncio.get_running_loop().time() + self.timeout
        unable = await self._connect(_HANDSHAKE, until)
        if unable is not None and unable.error is not None:
            raise unable.error

    async def close(self) -> None:
        """Close the connection, for good. What is in flight ends unknown."""
        self._ended.set()
        try:
            await self._end()
        finally:
            # Whoever gives up waits for no answer to the close, and leaves nothing behind either.
            await self._end()

    def ensure_usable(self, *, authorised: bool = True) -> None:  # noqa: ARG002  # all are
        """Raise if the socket is closed."""
        if self._ended.is_set():
            raise SessionClosedError("the orders socket is closed; open another")

    async def catch_up(self) -> None:
        """Do nothing: an answer names its request, whenever it comes."""

    async def send(self, request: Request[T], *, deadline: float | None = None) -> Settled[T]:
        """Send `request` until an attempt decides it, and say what came of it.

        `deadline` is a loop time; without one there are `timeout` seconds from now.
        """
        clock = asyncio.get_running_loop().time
        attempts = Attempts(request, self._retry)
        if deadline is None:
            deadline = clock() + self.timeout
        while True:
            now, connection = clock(), self._connection
            if connection is None or connection.lost.done() or now >= deadline:
                unable = await self._connect(request, deadline)
                if unable is not None:
                    return attempts.settled(unable)
                continue
            ends = min(deadline, now + self._retry.attempt_timeout)
            document = await connection.ask(partial(encode, request), ends)
            verdict = (
                unanswered(request, document)
                if isinstance(document, NoReply)
                else judge(request, document, redact=self._http.redact)
            )
            pause = attempts.note(verdict)
            if pause is None or clock() + pause >= deadline:
                return attempts.settled()
            _log.debug("%s: again in %.3f s after: %s", request.endpoint, pause, verdict.error)
            await self._rest(pause)

    async def _connect(self, request: Request[T], deadline: float) -> Verdict[Any] | None:
        """Wait for a connection. Return what becomes of `request` if there is none."""
        loop = asyncio.get_running_loop()
        endpoint = request.endpoint
        if loop.time() >= deadline:
            return withheld(NotSentError(f"{endpoint}: not sent: the deadline had passed"))
        while not self.connected:
            if self._ended.is_set():
                return withheld(SessionClosedError(f"{endpoint}: the orders socket is closed"))
            self._wanted.set()
            if self._next is None or self._next.done():
                self._next = loop.create_future()
            told = self._next
            await asyncio.wait([told], timeout=deadline - loop.time())
            if not told.done():
                reason = "the deadline passed before there was a connection"
                return withheld(NotSentError(f"{endpoint}: not sent: {reason}"))
            error = told.result()
            if error is not None:
                return _without_connection(request, error)
        return None

    async def _rest(self, seconds: float) -> None:
        """Wait for so many seconds, or until the socket is closed."""
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._ended.wait()

    async def _keep(self) -> None:
        """Keep a connection up, and tell those who wait for one what comes of it."""
        failures = 0
        while True:
            error = (await self._http.send(_HANDSHAKE)).error
            connection = self._dialer.take()
            if connection is None:
                failures += 1
                _log.debug("no orders socket: %s", error)
                self._wanted.clear()
                self._tell(error)
            else:
                reason = await self._use(connection)
                failures = 0 if connection.heard else failures + 1
                _log.debug("the orders socket was lost: %s", reason)
            if failures:
                await asyncio.sleep(self._retry.backoff(failures))
            if isinstance(error, AuthenticationError | ForbiddenError | SessionClosedError):
                # To ask again helps nobody before somebody wants it, with another token perhaps.
                await self._wanted.wait()

    async def _end(self) -> None:
        if self._keeping is not None:
            self._keeping.cancel()
            await asyncio.wait([self._keeping])
        self._tell(SessionClosedError("the orders socket was closed"))
        await self._http.close()

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


def _without_connection(request: Request[T], error: FourcastersError) -> Verdict[Any]:
    """Say what becomes of a request for which no connection could be made: it is not sent."""
    if isinstance(error, SessionClosedError):
        return withheld(copy.copy(error))
    if isinstance(error, AuthenticationError | RateLimitedError):
        # What the exchange says to everybody it would have said to this one.
        return Verdict(Attempt.REFUSED, error=copy.copy(error))
    not_sent = NotSentError(f"{request.endpoint}: not sent: no connection: {error}")
    not_sent.__cause__ = copy.copy(error)
    return withheld(not_sent)
