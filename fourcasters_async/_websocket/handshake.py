"""How connections to the Orders WebSocket are made: the handshake."""

import asyncio
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Any

import aiohttp
from yarl import URL

from fourcasters_async._core.outcome import NoResponse
from fourcasters_async._core.request import Request
from fourcasters_async._core.secret import Secret
from fourcasters_async._core.tasks import is_cancelled
from fourcasters_async._http.middleware import GoneError, middlewares_of, once
from fourcasters_async._http.response import Response, no_response
from fourcasters_async._websocket.buffered import BufferedWebSocket
from fourcasters_async._websocket.connection import Connection

# A frame past this is no answer of the exchange.
_FRAME_LIMIT = 64 * 2**20
_BODY_LIMIT = 2**16
# Seconds of silence after which aiohttp pings; it waits half as long for the answer.
_PING_AFTER = 10.0
# Seconds that aiohttp waits for the connection to end after a close frame.
_CLOSING = 1.0
# Seconds for the body of a refusal.
_EXPLAINING = 1.0
_SWITCHING_PROTOCOLS, _OK = 101, 200


class Handshaker:
    """Makes connections to one address: what `Http` sends the handshake with.

    With a client session of the caller's its connector, headers, middlewares and proxy are used.
    """

    def __init__(
        self,
        address: URL,
        client: aiohttp.ClientSession | None,
        *,
        connect_timeout: float,
        silence: float,
    ) -> None:
        self._silence = silence
        self._address = address
        self._borrowed = client
        self._timeout = aiohttp.ClientTimeout(total=None, sock_connect=connect_timeout)
        self._client: aiohttp.ClientSession | None = None
        self._made: Connection | None = None
        self._closed = False

    @property
    def closed(self) -> bool:
        """Whether it was closed, or the caller's client session was."""
        return self._closed or (self._borrowed is not None and self._borrowed.closed)

    def take(self) -> Connection | None:
        """Return the connection that was made last, once."""
        made, self._made = self._made, None
        return made

    async def close(self) -> None:
        """Close what nobody has taken."""
        self._closed = True
        made = self.take()
        if made is not None:
            await made.close()
        if self._client is not None:
            await self._client.close()

    async def attempt(
        self,
        request: Request[Any],  # noqa: ARG002  # there is only the one
        *,
        headers: Mapping[str, str],
        ends: float,
        redact: Callable[[str], str],
    ) -> Response | NoResponse:
        """Make a connection by the loop time `ends`, and say what came of the handshake."""
        # Here a token stands without the word that it has over REST.
        token = Secret(headers.get("Authorization", "").removeprefix("Bearer "))
        try:
            async with asyncio.timeout_at(ends):
                socket = await self._open().ws_connect(
                    self._address,
                    headers={**headers, "Authorization": token},
                    timeout=aiohttp.ClientWSTimeout(ws_close=_CLOSING),  # pyright: ignore[reportCallIssue]  # it has that parameter
                    heartbeat=_PING_AFTER,
                    max_msg_size=_FRAME_LIMIT,
                    decode_text=False,
                )
        except _RefusedError as refused:
            if refused.reply.status == _OK:
                return NoResponse(
                    "a handshake was answered with 200 and no WebSocket", not_sent=False
                )
            return refused.reply
        except GoneError as gone:
            return no_response(gone.error, left=None, redact=redact)
        except asyncio.CancelledError as error:
            if is_cancelled():
                # The frames of aiohttp hold the headers.
                error.__context__ = None
                raise error.with_traceback(None)  # noqa: B904  # it is the same exception
            return no_response(error, left=None, redact=redact)
        except Exception as error:  # noqa: BLE001  # no exception of another library goes further
            return no_response(error, left=None, redact=redact)
        if not isinstance(socket, BufferedWebSocket):
            raise TypeError("aiohttp made another socket than it was told to")
        self._made = Connection(socket, token, silence=self._silence)
        return Response(_OK, socket.headers, b"{}")

    def _open(self) -> aiohttp.ClientSession:
        if self._client is None:
            borrowed = self._borrowed
            # Not all that a client was made with has a public name.
            self._client = aiohttp.ClientSession(
                connector=None if borrowed is None else borrowed.connector,
                connector_owner=borrowed is None,
                headers=None if borrowed is None else borrowed.headers,
                trace_configs=None if borrowed is None else borrowed.trace_configs,
                trust_env=borrowed is not None and borrowed.trust_env,
                proxy=getattr(borrowed, "_default_proxy", None),
                proxy_auth=getattr(borrowed, "_default_proxy_auth", None),
                middlewares=(_refuse, once, *middlewares_of(borrowed)),
                cookie_jar=aiohttp.DummyCookieJar(),
                timeout=self._timeout,
                ws_response_class=BufferedWebSocket,
            )
        return self._client


class _RefusedError(Exception):
    """The handshake was answered with something else than a WebSocket."""

    def __init__(self, reply: Response) -> None:
        super().__init__()
        self.reply = reply


async def _refuse(
    request: aiohttp.ClientRequest, handler: aiohttp.ClientHandlerType
) -> aiohttp.ClientResponse:
    """Read what refuses the handshake: aiohttp would drop it, and follow a redirect."""
    response = await handler(request)
    if response.status == _SWITCHING_PROTOCOLS:
        return response
    body = b""
    try:
        # The status has said it: the words are not worth a long wait.
        with suppress(TimeoutError, aiohttp.ClientError):
            async with asyncio.timeout(_EXPLAINING):
                while len(body) < _BODY_LIMIT and (chunk := await response.content.readany()):
                    body += chunk
    finally:
        response.close()
    raise _RefusedError(Response(response.status, response.headers, body))
