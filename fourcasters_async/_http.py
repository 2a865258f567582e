"""The only module that speaks HTTP: the pool, attempts, retries and pacing."""

import asyncio
import logging
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
    describe,
    judge,
    no_reply,
    settle,
)
from fourcasters_async._request import Request
from fourcasters_async._secret import Secret
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
    has reached the exchange. Bytes that a server sent after its last answer would be taken as
    the answer to this request; a connection that holds such bytes is refused.
    """

    def __init__(self, content: bytes) -> None:
        super().__init__(content, content_type="application/json")
        self._taken = False
        self._written = False

    @property
    def size(self) -> int:
        """The length in bytes. Asked for when aiohttp makes the request."""
        self._taken = True
        return len(self._value)

    @property
    def withheld(self) -> bool:
        """Whether aiohttp has the body and provably did not write it."""
        return self._taken and not self._written

    async def write_with_length(
        self, writer: AbstractStreamWriter, content_length: int | None
    ) -> None:
        """Write the body, unless the connection is not clean."""
        if getattr(getattr(writer, "protocol", None), "should_close", False):
            raise ConnectionResetError(_SOILED)
        self._written = True
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
        self._base_url = base_url
        self._token = token
        self._client = client_session
        self._owns_client = client_session is None
        self._timeout = timeout
        self._max_connections = max_connections
        self._retry = retry
        self._rate_limit = rate_limit
        self._wire_timeout = aiohttp.ClientTimeout(total=None, sock_connect=retry.connect_timeout)
        self._headers = {"User-Agent": f"fourcasters_async/{__version__}"}
        if token is not None:
            self._headers["Authorization"] = Secret(f"Bearer {token}")
        self._held_until = float("-inf")
        self._closed = False

    @property
    def closed(self) -> bool:
        """Whether `close` was called."""
        return self._closed

    async def close(self) -> None:
        """Close the pool, for good, unless it is the caller's."""
        self._closed = True
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

    async def call(self, request: Request[T], *, deadline: float | None = None) -> T:
        """Send `request` and return its answer, or raise what came instead.

        `deadline` is a loop time; without one there are `timeout` seconds from now.
        """
        self.ensure_usable()
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
        clock = asyncio.get_running_loop().time
        content = request.content()
        attempts = unknowns = 0
        was_stale = False
        last: Verdict[T] | None = None
        while True:
            stopped = await self._admit(request, deadline)
            if stopped is not None:
                # What an earlier attempt met says more than that there was no time for another.
                last = last or Verdict(Attempt.NOT_SENT, error=stopped)
                break
            now = clock()
            if deadline is None:
                deadline = now + self._timeout
            ends = min(deadline, now + self._retry.attempt_timeout)
            last = judge(request, await self._attempt(request, content, ends))
            attempts += 1
            unknowns += last.attempt is Attempt.UNKNOWN
            pause = self._retry.pause(last, attempts=attempts, stale_before=was_stale)
            if isinstance(last.error, RateLimitedError):
                self._hold(clock(), pause or last.error.retry_after or 0.0)
            if pause is None or clock() + pause >= deadline:
                break
            was_stale = was_stale or last.stale
            _log.debug("%s: again in %.3f s after: %s", request.endpoint, pause, last.error)
            await asyncio.sleep(pause)
        return settle(request, last, attempts=attempts, unknowns=unknowns)

    async def _admit(self, request: Request[T], deadline: float | None) -> FourcastersError | None:
        """Wait until a request may go. Return why it may not, if it may not before `deadline`."""
        clock = asyncio.get_running_loop().time
        urgent = request.urgent
        while True:
            if self._closed or (self._client is not None and self._client.closed):
                return SessionClosedError(f"{request.endpoint}: the session is closed")
            now = clock()
            reason = None
            if deadline is not None and now >= deadline:
                reason = "the deadline had passed"
            elif deadline is not None and self._held_until >= deadline:
                wait = self._held_until - now
                reason = f"the exchange asked to wait {wait:.1f} s more, past the deadline"
            elif self._held_until > now:
                await asyncio.sleep(self._held_until - now)
                continue
            elif not (
                self._rate_limit.admit(urgent=urgent)
                or await self._rate_limit.wait(urgent=urgent, until=deadline)
            ):
                reason = "the rate limit left no place before the deadline"
            if reason is not None:
                return NotSentError(f"{request.endpoint}: not sent: {reason}")
            if self._held_until <= clock():
                return None
            self._rate_limit.leave(urgent=urgent, counted=False)

    def _hold(self, now: float, seconds: float) -> None:
        self._held_until = max(self._held_until, now + min(seconds, self._retry.retry_after_cap))

    async def _attempt(self, request: Request[T], content: bytes, ends: float) -> Reply | NoReply:
        """Send `request` once and read the answer, by the loop time `ends`."""
        body = _Body(content)
        try:
            async with asyncio.timeout_at(ends):
                return await self._exchange(request, body)
        except asyncio.CancelledError as error:
            # The frames of aiohttp hold the headers.
            raise error.with_traceback(None)  # noqa: B904  # it is the same exception
        except Exception as error:  # noqa: BLE001  # no exception of another library goes further
            return no_reply(error, self._describe(error), withheld=body.withheld)
        finally:
            self._rate_limit.leave(urgent=request.urgent, counted=not body.withheld)

    async def _exchange(self, request: Request[T], body: _Body) -> Reply:
        client = self._open_client()
        response = await client.request(
            request.method,
            f"{self._base_url}{request.path}",
            data=body,
            headers=self._headers,
            # Nothing to send has no type.
            skip_auto_headers=None if body.size else ("Content-Type",),
            allow_redirects=False,
            raise_for_status=False,
            timeout=self._wire_timeout,
        )
        try:
            if body.withheld:
                raise ConnectionResetError(_SOILED)  # noqa: TRY301  # the handler closes the connection
            content = await _read(response)
        except BaseException:
            response.close()
            raise
        response.release()
        return Reply(response.status, response.headers, self._redacted(content))

    def _open_client(self) -> aiohttp.ClientSession:
        """Return the pool. The session's own is made here, where there is a loop."""
        if self._client is None:
            self._client = aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(
                    limit=self._max_connections, keepalive_timeout=_KEEP_ALIVE
                ),
                cookie_jar=aiohttp.DummyCookieJar(),
            )
        elif len(self._client.cookie_jar):
            # A caller's jar would send one account's cookie with the request of another.
            self._client.cookie_jar.clear_domain(self._base_url.host or "")
        return self._client

    def _redacted(self, content: bytes) -> bytes:
        """Take the token out of an answer that quotes it: an answer's words go into messages."""
        secret = (self._token or "").encode()
        return content.replace(secret, b"[token]") if secret and secret in content else content

    def _describe(self, error: Exception) -> str:
        return self._redacted(describe(error).encode()).decode()


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
