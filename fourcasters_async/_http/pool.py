"""One attempt of a request over aiohttp: the only module that writes HTTP to the network."""

import asyncio
from collections.abc import Callable, Coroutine, Mapping
from typing import Any, TypeVar

import aiohttp
import orjson
from aiohttp.abc import AbstractStreamWriter
from yarl import URL

from fourcasters_async._core.failures import no_response
from fourcasters_async._core.outcome import NoResponse
from fourcasters_async._core.request import Request
from fourcasters_async._http.aiohttp_clients import AiohttpClients, holds_unread_bytes
from fourcasters_async._http.middleware import ConnectionGoneError, send_once
from fourcasters_async._http.response import Response

T = TypeVar("T")

# Bytes, uncompressed. A larger body is no answer of the exchange.
_BODY_LIMIT = 64 * 2**20
_UNREAD_BYTES = "the connection holds bytes that nobody asked for"


class Pool:
    """The connections to one address."""

    def __init__(self, base_url: URL, clients: AiohttpClients, *, max_connections: int) -> None:
        self._base_url = str(base_url).rstrip("/")
        self._clients = clients
        self._max_connections = max_connections
        self.lent = clients.lent
        """The caller's client, to whom the connections belong then."""
        self._client: aiohttp.ClientSession | None = None
        self._in_flight = 0
        self._closed = False
        # Those of the client are all that a POST needs, which aiohttp does not repeat.
        self._middlewares: Mapping[str, Any] = {"GET": (send_once, *clients.middlewares)}

    async def close(self) -> None:
        """Close the connections, unless they are the caller's."""
        self._closed = True
        # aiohttp loses a connection of the caller's that is being made for a client that closes.
        if self._client is not None and not (self._in_flight and self.lent is not None):
            await self._client.close()

    async def attempt(
        self,
        request: Request[Any],
        *,
        headers: Mapping[str, str],
        ends: float,
        redact: Callable[[str], str],
    ) -> Response | NoResponse:
        """Send `request` once and read the answer, by the loop time `ends`.

        Discarding connections with unread bytes does not count as an attempt: another is taken.
        """
        observed: Response | NoResponse = NoResponse(_UNREAD_BYTES, not_sent=True)
        self._in_flight += 1
        try:
            for _ in range(self._max_connections + 1):
                body = _Body(b"" if request.body is None else orjson.dumps(request.body))
                exchange = self._exchange(request, body, headers)
                observed = await observe(exchange, ends=ends, body=body, redact=redact)
                if not (isinstance(observed, NoResponse) and observed.not_sent and observed.stale):
                    break
        finally:
            self._in_flight -= 1
            if self._closed and self.lent is not None:
                await self.close()
        return observed

    async def _exchange(
        self, request: Request[Any], body: "_Body", headers: Mapping[str, str]
    ) -> Response:
        client = self._client
        if client is None:
            # Made here, where there is an event loop. One connection more, so that a single verb
            # does not wait for the end of a fan-out.
            client = self._client = self._clients.make(max_connections=self._max_connections + 1)
        method, _, path = request.endpoint.partition(" ")
        response = await client.request(
            method,
            self._base_url + path,
            params=request.params,
            data=body,
            headers=headers,
            # An empty body has no type.
            skip_auto_headers=("Content-Type",) if request.body is None else None,
            allow_redirects=False,
            middlewares=self._middlewares.get(method),
        )
        try:
            if body.left is False:
                # An answer to no request, unless a middleware of the caller's sent another body.
                if self._clients.lent is not None and not body.refused:
                    body.left = None
                raise ConnectionResetError(_UNREAD_BYTES)  # noqa: TRY301  # the handler closes the connection
            content = await _read(response)
        except BaseException:
            response.close()
            raise
        response.release()
        return Response(response.status, response.headers, content)


async def observe(
    exchange: Coroutine[Any, Any, T],
    *,
    ends: float,
    redact: Callable[[str], str],
    body: "_Body | None" = None,
) -> T | NoResponse:
    """Await what speaks to the exchange, by the loop time `ends`, and say why it got no answer.

    No exception of aiohttp's goes further: its frames hold the headers. Without a `body` the kind
    of the exception has to say whether the request can have left.
    """
    task = asyncio.current_task()
    before = 0 if task is None else task.cancelling()
    failed: BaseException
    try:
        async with asyncio.timeout_at(ends):
            return await exchange
    except asyncio.CancelledError as error:
        # aiohttp cancels those who wait for its pool when it is closed.
        failed = error
    except ConnectionGoneError as gone:
        failed = gone.error
    except Exception as error:  # noqa: BLE001  # as above
        failed = error
    if task is not None and task.cancelling() > before:
        # A hook of the caller's may have raised something else meanwhile.
        raise asyncio.CancelledError
    return no_response(failed, left=None if body is None else body.left, redact=redact)


class _Body(aiohttp.Payload):
    """A request's body that knows whether it left, and stays off a connection with unread bytes.

    aiohttp holds the headers back until the body is written: before that, nothing has reached the
    exchange. Bytes that a server sent after its last answer would be taken for the answer to this
    request, so a connection that holds some is refused. Bytes that come after this request was
    written cannot be told from its answer.
    """

    def __init__(self, content: bytes) -> None:
        super().__init__(content, content_type="application/json")
        self._content = content
        self.left: bool | None = None
        """Whether the body was written; `None` until aiohttp has made a request of it."""
        self.refused = False
        """Whether it was kept off a connection with unread bytes."""

    @property
    def size(self) -> int:
        """The length in bytes. aiohttp asks for it when it makes the request."""
        if self.left is None:
            self.left = False
        return len(self._content)

    @property
    def autoclose(self) -> bool:
        """Whether there is nothing to close when a middleware takes another body."""
        return True

    def decode(self, encoding: str = "utf-8", errors: str = "strict") -> str:
        """Return the body as text."""
        return self._content.decode(encoding, errors)

    async def write(self, writer: AbstractStreamWriter) -> None:
        """Write the body, unless the connection has unread bytes."""
        await self.write_with_length(writer, None)

    async def write_with_length(
        self,
        writer: AbstractStreamWriter,
        content_length: int | None,  # noqa: ARG002  # it is the length of the body
    ) -> None:
        """Write the body, unless the connection has unread bytes."""
        if holds_unread_bytes(writer):
            self.refused = True
            raise ConnectionResetError(_UNREAD_BYTES)
        self.left = True
        await writer.write(self._content)


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
