"""Keeps a WebSocket open, whatever it carries."""

import asyncio
from collections.abc import Callable
from contextlib import suppress
from typing import Generic, Protocol, TypeVar, cast

from attrs import evolve

from fourcasters_async._core.log import log
from fourcasters_async._core.retry import RetryPolicy
from fourcasters_async._websocket.buffered import BufferedWebSocket
from fourcasters_async._websocket.handshake import Handshake, without_connection
from fourcasters_async.errors import (
    AuthenticationError,
    ForbiddenError,
    FourcastersError,
    SessionClosedError,
)

# Seconds that a connection has to last so that the next one is made without a pause.
_STEADY = 5.0
# How many times longer the pauses are while no request waits for a connection.
_IDLE = 16


class Carried(Protocol):
    """A connection with what it carries, such as requests that wait for answers."""

    @property
    def lost(self) -> "asyncio.Future[str]":
        """Why the connection is gone, once it is."""
        ...

    async def close(self) -> None:
        """Close the connection."""


C = TypeVar("C", bound=Carried)


class Reconnecting(Generic[C]):
    """One connection at a time to one WebSocket, replaced when it is lost.

    `carry` makes what uses a new connection. The next connection is made at once, unless the last
    one was short-lived: a flapping connection must not use up the rate limit. Without a request
    that waits for a connection the pauses are longer, and a `Retry-After` is heard.
    """

    def __init__(
        self,
        handshake: Handshake,
        carry: Callable[[BufferedWebSocket], C],
        *,
        retry: RetryPolicy,
    ) -> None:
        self._handshake = handshake
        self._carry = carry
        self._retry = retry
        # Requests that wait are told of each failure, and count it as an attempt of their own.
        self._once = evolve(retry, max_attempts=1)
        self._current: C | None = None
        self._next: asyncio.Future[FourcastersError | None] | None = None
        self._wanted = asyncio.Event()
        self._keeping: asyncio.Task[None] | None = None
        self._crashes = 0
        self._observer = handshake.telemetry.observer
        self.closed: bool = False
        """Whether `close` was called."""

    @property
    def current(self) -> C | None:
        """The open connection, `None` while there is none."""
        current = self._current
        return None if current is None or current.lost.done() else current

    @property
    def in_flight(self) -> int:
        """How many requests wait for an answer: none of its own."""
        return 0

    @property
    def connected(self) -> bool:
        """Whether there is a connection now."""
        return self.current is not None

    def asked(self, error: FourcastersError) -> float:
        """Return the seconds for which a refusal asks to be left alone, as far as that is obeyed.

        Whoever wants a connection again at once, and not for a request, has to wait for so long.
        """
        return self._retry.asked(error)

    async def open(self) -> None:
        """Make the first connection, and keep one open from now on. Raises if there is none."""
        handshake, request = self._handshake, self._handshake.request
        handshake.ensure_usable()
        deadline = asyncio.get_running_loop().time() + handshake.timeout
        made = await handshake.send(request, deadline=deadline)
        if self.closed:
            if isinstance(made.value, BufferedWebSocket):
                # The connections of the caller's outlive the session.
                made.value.abort()
            raise SessionClosedError("the session was closed before there was a connection")
        if made.error is not None:
            raise without_connection(request.endpoint, made.error)
        self._current = self._carried_by(made.value)
        self._keeping = asyncio.create_task(self._keep())

    def begin(self) -> None:
        """Begin to make the first connection, and keep one open from now on."""
        self._handshake.ensure_usable()
        self._keeping = asyncio.create_task(self._keep())

    def end(self) -> None:
        """Make no more connections."""
        self._handshake.end()

    async def close(self) -> None:
        """Close the connection, for good."""
        first, self.closed = not self.closed, True
        try:
            if self._keeping is not None:
                # Cancelled only once: a second time would interrupt the closing.
                if first:
                    self._keeping.cancel()
                await self._kept(self._keeping)
        finally:
            self._notify(SessionClosedError("the connection was closed"))
            try:
                # A task that is cancelled before its first step closes nothing.
                if self._current is not None:
                    await self._current.close()
            finally:
                await self._handshake.close()

    async def wait(self, deadline: float) -> C | FourcastersError | None:
        """Return a connection, or why there is none, or `None` at the loop time `deadline`."""
        loop = asyncio.get_running_loop()
        while (current := self.current) is None:
            if self.closed:
                return SessionClosedError("the connection was closed")
            self._wanted.set()
            if self._next is None or self._next.done():
                self._next = loop.create_future()
            attempt = self._next
            if self._keeping is None or self._keeping.done():
                # A program may cancel all of its tasks, and then still cancel its orders.
                self._keeping = asyncio.create_task(self._keep_again(self._keeping))
            keeping = self._keeping
            await asyncio.wait(
                (attempt, keeping),
                timeout=deadline - loop.time(),
                return_when=asyncio.FIRST_COMPLETED,
            )
            if loop.time() >= deadline:
                return None
            if attempt.done() and (error := attempt.result()) is not None:
                return error
        return current

    @staticmethod
    async def _kept(keeping: "asyncio.Task[None]") -> None:
        """Wait for the end of the task that keeps a connection; if cancelled, hurry it up."""
        try:
            await asyncio.wait([keeping])
        except asyncio.CancelledError:
            # This interrupts the closing, and the connection is aborted.
            keeping.cancel()
            await asyncio.wait([keeping])
            raise

    async def _keep_again(self, ended: "asyncio.Task[None] | None") -> None:
        """Keep a connection open again, after a pause if that failed in a way that it must not."""
        if ended is not None and not ended.cancelled() and (failed := ended.exception()):
            self._crashes += 1
            log.error("keeping a connection open failed: %s", type(failed).__name__)
            await asyncio.sleep(self._retry.backoff(self._crashes))
        await self._keep()

    async def _keep(self) -> None:
        """Keep a connection open, and tell the requests that wait how each try ended."""
        clock = asyncio.get_running_loop().time
        carried = self._current
        failures = 0 if carried is None else 1
        while True:
            error: FourcastersError | None = None
            if carried is None:
                failures += 1
                made = await self._handshake.send(self._handshake.request, retry=self._once)
                error = made.error
                if error is None:
                    carried = self._carried_by(made.value)
            if carried is None:
                log.debug("no connection: %s", error)
                self._wanted.clear()
                self._notify(error)
                pauses = failures
            else:
                since = clock()
                reason = await self._use(carried)
                carried = None
                log.debug("the connection was lost: %s", reason)
                if self._observer is not None:
                    self._observer.disconnected(self._handshake.request.endpoint, reason)
                if clock() - since >= _STEADY:
                    failures = 0
                pauses = failures - 1
            if pauses > 0:
                await asyncio.sleep(self._retry.backoff(pauses))
                await self._idle(pauses, error)

    def _carried_by(self, socket: BufferedWebSocket | None) -> C:
        """Return what uses a new connection, and tell of it."""
        carried = self._carry(cast(BufferedWebSocket, socket))
        if self._observer is not None:
            self._observer.connected(self._handshake.request.endpoint)
        return carried

    async def _idle(self, failures: int, error: FourcastersError | None) -> None:
        """Wait until a request wants a connection, or it is time to try without one."""
        pause: float | None = None
        # Trying again helps only when a request wants it, perhaps with another token.
        if not isinstance(error, AuthenticationError | ForbiddenError | SessionClosedError):
            pause = max(_IDLE * self._retry.longest_backoff(failures), self._retry.asked(error))
        with suppress(TimeoutError):
            async with asyncio.timeout(pause):
                await self._wanted.wait()

    async def _use(self, carried: C) -> str:
        """Let a connection be used until it is lost; return why it was lost."""
        self._current = carried
        self._wanted.clear()
        self._notify(None)
        try:
            return await asyncio.shield(carried.lost)
        finally:
            self._current = None
            await carried.close()

    def _notify(self, error: FourcastersError | None) -> None:
        if self._next is not None and not self._next.done():
            self._next.set_result(error)
