"""The handshake of a WebSocket: a request whose answer is the connection."""

import asyncio
import copy
from contextlib import suppress
from http import HTTPStatus
from typing import ClassVar, TypeVar, cast

import aiohttp
from yarl import URL

from fourcasters_async._core.auth import Auth
from fourcasters_async._core.outcome import AttemptResult, AttemptStatus, NoResponse, unanswered
from fourcasters_async._core.rate_limit import RateLimit
from fourcasters_async._core.request import MANY_ORDERS, Kind, Request
from fourcasters_async._core.retry import Attempts, RetryPolicy
from fourcasters_async._core.secret import Secret
from fourcasters_async._core.sender import Sender
from fourcasters_async._core.tasks import HomeLoop
from fourcasters_async._core.telemetry import Telemetry, Transport
from fourcasters_async._core.time_limits import TimeLimits
from fourcasters_async._http.aiohttp_clients import AiohttpClients
from fourcasters_async._http.middleware import send_once
from fourcasters_async._http.pool import observe
from fourcasters_async._http.response import Response, classify
from fourcasters_async._websocket.buffered import BufferedWebSocket
from fourcasters_async.errors import (
    AuthenticationError,
    FourcastersError,
    NotSentError,
    RateLimitedError,
    SessionClosedError,
)

T = TypeVar("T")

# Bytes. No answer over the WebSocket may be larger.
_FRAME_LIMIT = MANY_ORDERS
# Bytes of the body of a refusal.
_BODY_LIMIT = 2**16
# Seconds of silence before aiohttp pings. It waits half as long for the pong.
_PING_AFTER = 10.0
# Seconds that aiohttp waits for the connection to end after a close frame.
_CLOSE_TIMEOUT = 1.0
# Seconds to read the body of a refusal.
_REFUSAL_TIMEOUT = 1.0


class Handshake(Sender):
    """Makes connections to the WebSocket at one address, one at a time."""

    transport: ClassVar[Transport] = "handshake"

    def __init__(
        self,
        address: URL,
        clients: AiohttpClients,
        auth: Auth,
        home: HomeLoop,
        *,
        timeout: float,
        retry: RetryPolicy,
        rate_limit: RateLimit,
        telemetry: Telemetry,
    ) -> None:
        super().__init__(
            auth,
            home,
            timeout=timeout,
            retry=retry,
            rate_limit=rate_limit,
            telemetry=telemetry,
            lent=clients.lent,
        )
        self._address = address
        self._clients = clients
        self._client: aiohttp.ClientSession | None = None
        self._connecting = False
        self._limits = TimeLimits()
        # The answer to the handshake in progress, which aiohttp does not return.
        self._answers: list[aiohttp.ClientResponse] = []
        self.request: Request[BufferedWebSocket] = Request(
            f"GET {address.path}", BufferedWebSocket, Kind.HANDSHAKE
        )
        """The request of every handshake."""

    async def close(self) -> None:
        """Make no more connections. Their owners close those that were made."""
        await super().close()
        # See `Pool.close`.
        if self._client is not None and not (self._connecting and self._clients.lent is not None):
            await self._client.close()

    async def _attempt(self, attempts: Attempts[T], ends: float) -> AttemptResult[T]:
        token = attempts.token = self._auth.token
        if attempts.moments is not None:
            # aiohttp does not say when a handshake leaves.
            attempts.moments.left = None
        connecting = self._connect(Secret(token or ""))
        self._connecting = True
        try:
            observed = await observe(connecting, self._limits, ends=ends, redact=self._auth.redact)
        finally:
            self._connecting = False
            if self._closed and self._clients.lent is not None:
                await self.close()
        if isinstance(observed, NoResponse):
            return unanswered(attempts.request, observed)
        answer = observed.response if isinstance(observed, BufferedWebSocket) else observed
        if attempts.moments is not None:
            attempts.moments.status = answer.status
        self._auth.learn(token, answer.headers.get("X-Auth-Token"))
        if isinstance(observed, BufferedWebSocket):
            self._auth.accept(token)
            # Handshakes are the only requests here, and this is the type of their answer.
            return AttemptResult(AttemptStatus.ANSWERED, cast(T, observed))
        if observed.status == HTTPStatus.OK:
            missing = NoResponse("the answer was 200 and no WebSocket", not_sent=False)
            return unanswered(attempts.request, missing)
        return classify(attempts.request, observed, redact=self._auth.redact)

    async def _connect(self, token: Secret) -> BufferedWebSocket | Response:
        if self._client is None:
            self._client = self._clients.make(
                self._address,
                max_connections=1,
                ws_response_class=BufferedWebSocket,
                middlewares=(self._keep_answer, send_once),
            )
        try:
            socket = await self._client.ws_connect(
                self._address,
                # Unlike over REST, there is no `Bearer` before the token.
                headers={**self._auth.anonymous, "Authorization": token},
                timeout=aiohttp.ClientWSTimeout(ws_close=_CLOSE_TIMEOUT),  # pyright: ignore[reportCallIssue]  # it has that parameter
                heartbeat=_PING_AFTER,
                max_msg_size=_FRAME_LIMIT,
                decode_text=False,
                # The connection answers pings, and counts them.
                autoping=False,
            )
        except _RefusedError as refused:
            return refused.response
        made = cast(BufferedWebSocket, socket)
        made.token, made.response = token, self._answers.pop()
        return made

    async def _keep_answer(
        self, request: aiohttp.ClientRequest, handler: aiohttp.ClientHandlerType
    ) -> aiohttp.ClientResponse:
        """Read an answer that refuses the handshake. aiohttp drops it, or follows a redirect."""
        response = await handler(request)
        if response.status == HTTPStatus.SWITCHING_PROTOCOLS:
            self._answers[:] = [response]
            return response
        raise _RefusedError(await _read_refusal(response))


def without_connection(endpoint: str, error: FourcastersError) -> FourcastersError:
    """Return the error of a request that was not sent because no connection could be made."""
    if isinstance(error, SessionClosedError):
        return SessionClosedError(f"{endpoint}: {error}")
    if isinstance(error, AuthenticationError | RateLimitedError):
        # The exchange would have answered this request in the same way.
        return copy.copy(error)
    not_sent = NotSentError(f"{endpoint}: not sent: no connection: {error}")
    not_sent.__cause__ = copy.copy(error)
    return not_sent


class _RefusedError(Exception):
    """The answer to the handshake is not a WebSocket."""

    def __init__(self, response: Response) -> None:
        super().__init__()
        self.response = response


async def _read_refusal(response: aiohttp.ClientResponse) -> Response:
    body = b""
    try:
        # The status decides: its body is not worth a long wait.
        with suppress(TimeoutError, aiohttp.ClientError):
            async with asyncio.timeout(_REFUSAL_TIMEOUT):
                while len(body) < _BODY_LIMIT and (chunk := await response.content.readany()):
                    body += chunk
    finally:
        response.close()
    return Response(response.status, response.headers, body)
