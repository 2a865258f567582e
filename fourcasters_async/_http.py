"""The only module that speaks HTTP: the pool, attempts, retries and pacing."""

import asyncio
import logging
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import TypeVar, cast

import aiohttp
from aiohttp.abc import AbstractStreamWriter
from yarl import URL

from fourcasters_async._pacing import RetryPolicy
from fourcasters_async._reply import (
    Attempt,
    NoReply,
    Reply,
    Settled,
    Verdict,
    judge,
    no_reply,
    settle,
)
from fourcasters_async._request import Request
from fourcasters_async._secret import Secret
from fourcasters_async._tasks import is_cancelled
from fourcasters_async._version import __version__
from fourcasters_async.errors import (
    FourcastersError,
    InvalidRequestError,
    NotSentError,
    RateLimitedError,
    SessionClosedError,
)
from fourcasters_async.rate_limit import RateLimit

T = TypeVar("T")

_log = logging.getLogger("fourcasters_async")

# The exchange's own client keeps connections about this long; aiohttp's 15 s lets a pool go
# cold between two bursts of a game.
_KEEP_ALIVE = 75.0
# A body past this is no answer of the exchange. It bounds what a compressed one can become.
_BODY_LIMIT = 64 * 2**20
_SOILED = "the connection holds bytes that nobody asked for"


class _Body(aiohttp.BytesPayload):
    """A request's body that knows whether it left, and does not leave on a soiled connection.

    aiohttp holds the headers back until the body is written, so as long as it is not, nothing
    has reached the exchange. Bytes that a server sent after its last answer would be taken for
    the answer to this request, so a connection that holds some is refused. Such bytes that come
    only after this request was written cannot be told from its answer.
    """

    def __init__(self, content: bytes) -> None:
        # Past the constructor in between, which warns of bodies over a megabyte.
        aiohttp.Payload.__init__(self, content, content_type="application/json")
        self._size = len(content)
        self.left: bool | None = None
        """Whether the body was written; `None` until aiohttp has made a request of it."""
        self.refused = False
        """Whether it was refused to a soiled connection."""

    @property
    def size(self) -> int:
        """The length in bytes. Asked for when aiohttp makes the request."""
        if self.left is None:
            self.left = False
        return len(self._value)

    async def write_with_length(
        self, writer: AbstractStreamWriter, content_length: int | None
    ) -> None:
        """Write the body, unless the connection is soiled."""
        if getattr(getattr(writer, "protocol", None), "should_close", False):
            self.refused = True
            raise ConnectionResetError(_SOILED)
        self.left = True
        await super().write_with_length(writer, content_length)


class Http:
    """Sends requests to one address, as one account, and says what came of them."""

    def __init__(
        self,
        base_url: URL,
        token: Secret | None,
        *,
        client_session: aiohttp.ClientSession | None,
        timeout: float,
        max_connections: int,
        retry: RetryPolicy,
        rate_limit: RateLimit,
    ) -> None:
        self.base_url = str(base_url).rstrip("/")
        self._token = token
        self._client = client_session
        self._owns_client = client_session is None
        self._middlewares = None if client_session is None else _middlewares_for(client_session)
        self._timeout = timeout
        self._max_connections = max_connections
        self._retry = retry
        self._rate_limit = rate_limit
        self._wire_timeout = aiohttp.ClientTimeout(total=None, sock_connect=retry.connect_timeout)
        self._headers = {"User-Agent": f"fourcasters_async/{__version__}"}
        if token is not None:
            self._headers["Authorization"] = Secret(f"Bearer {token}")
        # By whether a request is urgent.
        self._held_until = {True: float("-inf"), False: float("-inf")}
        self._idle: set[asyncio.Future[None]] = set()
        self._closed = False

    @property
    def closed(self) -> bool:
        """Whether `close` was called."""
        return self._closed

    async def close(self) -> None:
        """Close the pool, for good, unless it is the caller's."""
        self._closed = True
        for idle in self._idle:
            idle.cancel()
        if self._owns_client and self._client is not None:
            await self._client.close()

    def ensure_usable(self) -> None:
        """Raise unless the session is open and has a token."""
        if self._closed:
            raise SessionClosedError("the session is closed; make a new AsyncSession")
        if self._token is None:
            raise InvalidRequestError(
                "token: none was given; pass AsyncSession(token=…) or set FOURCASTERS_TOKEN"
            )

    async def catch_up(self) -> None:
        """Let the loop read what has come in on idle connections, before any is used.

        After the loop was blocked, a stray answer can wait in the kernel. The first turn finds
        it, behind what was ready already; the second has read it.
        """
        await asyncio.sleep(0)
        await asyncio.sleep(0)

    async def call(self, request: Request[T], *, deadline: float | None = None) -> T:
        """Send `request` and return its answer, or raise what came instead.

        `deadline` is a loop time; without one there are `timeout` seconds from now.
        """
        self.ensure_usable()
        await self.catch_up()
        if deadline is None:
            deadline = asyncio.get_running_loop().time() + self._timeout
        settled = await self.send(request, deadline=deadline)
        if settled.error is not None:
            raise settled.error
        return cast(T, settled.value)

    async def send(self, request: Request[T], *, deadline: float | None = None) -> Settled[T]:
        """Send `request` until an attempt decides it, and say what came of it.

        `deadline` is a loop time. Without one there are `timeout` seconds from the moment that
        the rate limit first lets the request go.
        """
        loop = asyncio.get_running_loop()
        content = request.content()
        attempts = unknowns = soiled = 0
        was_stale = False
        last: Verdict[T] | None = None
        while True:
            stopped = await self._admit(request, deadline)
            if stopped is not None:
                # What an earlier attempt met says more than that there was no time for another.
                last = last or Verdict(Attempt.NOT_SENT, error=stopped)
                break
            if deadline is None:
                deadline = loop.time() + self._timeout
            observed = await self._attempt(request, content, deadline)
            last = judge(request, observed, redact=self._redact)
            if last.attempt is Attempt.NOT_SENT and last.stale and soiled < self._max_connections:
                # A pool of soiled connections is emptied, which is no attempt of the request.
                soiled += 1
                continue
            attempts += 1
            unknowns += last.attempt is Attempt.UNKNOWN
            pause = self._retry.pause(last, attempts=attempts, stale_before=was_stale)
            if isinstance(last.error, RateLimitedError):
                self._hold(request, loop.time() + (pause or last.error.retry_after or 0.0))
            if pause is None or loop.time() + pause >= deadline:
                break
            was_stale = was_stale or last.stale
            _log.debug("%s: again in %.3f s after: %s", request.endpoint, pause, last.error)
            await self._rest(loop.time() + pause)
        return settle(request, last, attempts=attempts, unknowns=unknowns)

    async def _admit(self, request: Request[T], deadline: float | None) -> FourcastersError | None:
        """Wait until a request may go. Return why it may not, if it may not before `deadline`."""
        loop = asyncio.get_running_loop()
        urgent = request.urgent
        while True:
            if self._is_closed():
                return SessionClosedError(f"{request.endpoint}: the session is closed")
            now, held_until = loop.time(), self._held_until[urgent]
            if deadline is not None and now >= deadline:
                return _not_sent(request, "the deadline had passed")
            if deadline is not None and held_until >= deadline:
                wait = f"{held_until - now:.1f} s"
                return _not_sent(request, f"the exchange asked to wait {wait}, past the deadline")
            if held_until > now:
                await self._rest(held_until)
            elif await self._take_place(urgent=urgent, until=deadline):
                if not self._is_closed() and self._held_until[urgent] <= loop.time():
                    return None
                self._rate_limit.leave(urgent=urgent, counted=False)
            elif not self._is_closed():
                return _not_sent(request, "the rate limit left no place before the deadline")

    def _is_closed(self) -> bool:
        return self._closed or (self._client is not None and self._client.closed)

    async def _take_place(self, *, urgent: bool, until: float | None) -> bool:
        if self._rate_limit.admit(urgent=urgent):
            return True
        with self._idling() as place:
            return await self._rate_limit.wait(place, urgent=urgent, until=until)
        return False

    async def _rest(self, until: float) -> None:
        """Wait until the loop time `until`, or until the session is closed."""
        with suppress(TimeoutError), self._idling() as idle:
            async with asyncio.timeout_at(until):
                await idle

    @contextmanager
    def _idling(self) -> Iterator["asyncio.Future[None]"]:
        """Give a future to wait for, which `close` cancels; the wait then ends without an error."""
        idle = asyncio.get_running_loop().create_future()
        self._idle.add(idle)
        try:
            yield idle
        except asyncio.CancelledError:
            if not self._closed or is_cancelled():
                raise
        finally:
            self._idle.discard(idle)

    def _hold(self, request: Request[T], until: float) -> None:
        """Hold requests back until `until`.

        Reads have limits of their own at the exchange: a read's 429 must not hold back cancels.
        """
        until = min(until, asyncio.get_running_loop().time() + self._retry.retry_after_cap)
        for urgent in {False, request.urgent}:
            self._held_until[urgent] = max(self._held_until[urgent], until)

    async def _attempt(
        self, request: Request[T], content: bytes, deadline: float
    ) -> Reply | NoReply:
        """Send `request` once and read the answer, by the loop time `deadline` at the latest."""
        body = _Body(content)
        ends = asyncio.get_running_loop().time() + self._retry.attempt_timeout
        try:
            async with asyncio.timeout_at(min(deadline, ends)):
                return await self._exchange(request, body)
        except asyncio.CancelledError as error:
            if is_cancelled():
                # The frames of aiohttp hold the headers.
                error.__context__ = None
                raise error.with_traceback(None)  # noqa: B904  # it is the same exception
            # aiohttp cancels those who wait for its pool when it is closed.
            return no_reply(error, left=body.left, redact=self._redact)
        except Exception as error:  # noqa: BLE001  # no exception of another library goes further
            return no_reply(error, left=body.left, redact=self._redact)
        finally:
            self._rate_limit.leave(urgent=request.urgent, counted=body.left is not False)

    async def _exchange(self, request: Request[T], body: _Body) -> Reply:
        client = self._open_client()
        response = await client.request(
            request.method,
            f"{self.base_url}{request.path}",
            data=body,
            headers=self._headers,
            # Nothing to send has no type.
            skip_auto_headers=("Content-Type",) if request.body is None else None,
            allow_redirects=False,
            raise_for_status=False,
            timeout=self._wire_timeout,
            middlewares=self._middlewares,
        )
        try:
            if body.left is False:
                # An answer to no request, unless a middleware of the caller sent another body.
                if not (self._owns_client or body.refused):
                    body.left = None
                raise ConnectionResetError(_SOILED)  # noqa: TRY301  # the handler closes the connection
            content = await _read(response)
        except BaseException:
            response.close()
            raise
        response.release()
        return Reply(response.status, response.headers, content)

    def _open_client(self) -> aiohttp.ClientSession:
        """Return the pool. The session's own is made here, where there is a loop."""
        if self._client is None:
            self._client = aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(
                    limit=self._max_connections, keepalive_timeout=_KEEP_ALIVE
                ),
                cookie_jar=aiohttp.DummyCookieJar(),
            )
        return self._client

    def _redact(self, text: str) -> str:
        """Take the token out of a text in which the exchange may quote it."""
        return text.replace(self._token, "[token]") if self._token else text


def _not_sent(request: Request[T], reason: str) -> NotSentError:
    return NotSentError(f"{request.endpoint}: not sent: {reason}")


def _middlewares_for(
    client: aiohttp.ClientSession,
) -> tuple[aiohttp.ClientMiddlewareType, ...] | None:
    """Return what keeps a caller's jar from sending one account's cookie with another's request."""
    if isinstance(client.cookie_jar, aiohttp.DummyCookieJar):
        return None
    # Naming middlewares for one request displaces the client's own, which it does not show.
    return (*getattr(client, "_middlewares", ()), _without_cookies)


async def _without_cookies(
    request: aiohttp.ClientRequest, handler: aiohttp.ClientHandlerType
) -> aiohttp.ClientResponse:
    request.headers.pop("Cookie", None)
    return await handler(request)


async def _read(response: aiohttp.ClientResponse) -> bytes:
    """Read a body to its end, or raise before more than the limit of it is in memory."""
    chunks: list[bytes] = []
    size = 0
    while chunk := await response.content.readany():
        size += len(chunk)
        if size > _BODY_LIMIT:
            raise aiohttp.ClientPayloadError(f"the body is larger than {_BODY_LIMIT} bytes")
        chunks.append(chunk)
    return b"".join(chunks)
