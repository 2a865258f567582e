"""One attempt of a request over aiohttp: the only module that touches the network."""

import asyncio
from collections.abc import Callable, Mapping
from typing import TypeVar

import aiohttp
from aiohttp.abc import AbstractStreamWriter
from yarl import URL

from fourcasters_async._core.outcome import NoResponse
from fourcasters_async._core.request import Request
from fourcasters_async._core.tasks import is_cancelled
from fourcasters_async._http.middleware import GoneError, middlewares_of, once, without_cookies
from fourcasters_async._http.response import Response, no_response

T = TypeVar("T")

# aiohttp's 15 s lets a pool go cold between two bursts of a game.
_KEEP_ALIVE = 75.0
# A body past this is no answer of the exchange. It bounds what a compressed one can become.
_BODY_LIMIT = 64 * 2**20
_SOILED = "the connection holds bytes that nobody asked for"


class Pool:
    """The connections to one address: the session's own, or a caller's `aiohttp.ClientSession`."""

    def __init__(
        self,
        base_url: URL,
        client: aiohttp.ClientSession | None,
        *,
        max_connections: int,
        connect_timeout: float,
    ) -> None:
        self._base_url = str(base_url).rstrip("/")
        self._client = client
        self._owned = client is None
        self._max_connections = max_connections
        jar = None if client is None else client.cookie_jar
        cookies = jar is not None and not isinstance(jar, aiohttp.DummyCookieJar)
        self._middlewares: tuple[aiohttp.ClientMiddlewareType, ...] = (
            *((without_cookies,) if cookies else ()),
            *middlewares_of(client),
        )
        # The attempt as a whole is timed from outside: aiohttp's `total` can be outlived.
        self._timeout = aiohttp.ClientTimeout(total=None, sock_connect=connect_timeout)

    @property
    def closed(self) -> bool:
        """Whether the client was closed, by the session or by the caller."""
        return self._client is not None and self._client.closed

    async def close(self) -> None:
        """Close the connections, unless they are the caller's."""
        if self._owned and self._client is not None:
            await self._client.close()

    async def attempt(
        self,
        request: Request[T],
        *,
        headers: Mapping[str, str],
        ends: float,
        redact: Callable[[str], str],
    ) -> Response | NoResponse:
        """Send `request` once and read the answer, by the loop time `ends`.

        To empty a pool of soiled connections is no attempt: another one is taken.
        """
        tries = 0
        while True:
            observed = await self._try(request, headers, ends, redact)
            tries += 1
            soiled = isinstance(observed, NoResponse) and observed.not_sent and observed.stale
            if not soiled or tries > self._max_connections:
                return observed

    async def _try(
        self,
        request: Request[T],
        headers: Mapping[str, str],
        ends: float,
        redact: Callable[[str], str],
    ) -> Response | NoResponse:
        body = _Body(request.content())
        try:
            async with asyncio.timeout_at(ends):
                return await self._exchange(request, body, headers)
        except asyncio.CancelledError as error:
            if is_cancelled():
                # The frames of aiohttp hold the headers.
                error.__context__ = None
                raise error.with_traceback(None)  # noqa: B904  # it is the same exception
            # aiohttp cancels those who wait for its pool when it is closed.
            return no_response(error, left=body.left, redact=redact)
        except GoneError as gone:
            return no_response(gone.error, left=body.left, redact=redact)
        except Exception as error:  # noqa: BLE001  # no exception of another library goes further
            return no_response(error, left=body.left, redact=redact)

    async def _exchange(
        self, request: Request[T], body: "_Body", headers: Mapping[str, str]
    ) -> Response:
        response = await self._open().request(
            request.method,
            f"{self._base_url}{request.path}",
            params=request.params,
            data=body,
            headers=headers,
            # Nothing to send has no type.
            skip_auto_headers=("Content-Type",) if request.body is None else None,
            allow_redirects=False,
            raise_for_status=False,
            timeout=self._timeout,
            # aiohttp sends no POST again.
            middlewares=(*((once,) if request.method == "GET" else ()), *self._middlewares),
        )
        try:
            if body.left is False:
                # An answer to no request, unless a middleware of the caller sent another body.
                if not (self._owned or body.refused):
                    body.left = None
                raise ConnectionResetError(_SOILED)  # noqa: TRY301  # the handler closes the connection
            content = await _read(response)
        except BaseException:
            response.close()
            raise
        response.release()
        return Response(response.status, response.headers, content)

    def _open(self) -> aiohttp.ClientSession:
        """Return the client. The session's own is made here, where there is a loop."""
        if self._client is None:
            self._client = aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(
                    # One more, so that a single verb does not wait for the end of a fan-out.
                    limit=self._max_connections + 1,
                    keepalive_timeout=_KEEP_ALIVE,
                ),
                cookie_jar=aiohttp.DummyCookieJar(),
            )
        return self._client


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
