"""One attempt of a REST request over aiohttp."""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Mapping
from functools import partial
from typing import Any, TypeVar

import aiohttp
from attrs import define
from yarl import URL

from fourcasters_async._core.failures import no_response
from fourcasters_async._core.outcome import AnswerTooLargeError, NoResponse
from fourcasters_async._core.request import RULES, Request, limit_of
from fourcasters_async._core.telemetry import Moments
from fourcasters_async._core.time_limits import TimeLimits
from fourcasters_async._http.aiohttp_clients import AiohttpClients, before_hooks
from fourcasters_async._http.body import UNREAD_BYTES, Body
from fourcasters_async._http.middleware import ConnectionGoneError, send_once
from fourcasters_async._http.response import Response

T = TypeVar("T")

# Bytes of a body that are read in one turn of the loop. More would keep others from their time.
_BYTES_A_TURN = 2**19


@define(eq=False)
class _Generation:
    """Connections that are used as long as answers come; once retired, they close when idle."""

    others: asyncio.Semaphore
    """The connections that are not kept for cancels."""
    client: aiohttp.ClientSession | None = None
    in_flight: int = 0
    retired: bool = False

    @property
    def done(self) -> bool:
        return self.retired and not self.in_flight

    async def close_if_done(self) -> None:
        if self.done and self.client is not None:
            await self.client.close()


class Pool:
    """The connections to one address."""

    def __init__(self, base_url: URL, clients: AiohttpClients, *, max_connections: int) -> None:
        self._url, self._base_url = base_url, str(base_url).rstrip("/")
        # Of each endpoint, the method and the address.
        self._targets: dict[str, tuple[str, URL]] = {}
        self._clients = clients
        self._max_connections = max_connections
        self.lent = clients.lent
        """The caller's client, which then owns the connections."""
        self._generation, self._fresh = self._generate(), self._generate()
        self._retired: set[_Generation] = set()
        self._limits = TimeLimits()
        # When an answer was last received, in loop time.
        self._heard = float("-inf")

    def _generate(self) -> _Generation:
        # A place can be answered after ten seconds, and a read can hang: a cancel must not wait.
        return _Generation(asyncio.Semaphore(max(1, self._max_connections // 2)))

    @property
    def in_flight(self) -> int:
        """How many requests are under way."""
        generations = {self._generation, self._fresh, *tuple(self._retired)}
        return sum(each.in_flight for each in generations)

    async def close(self) -> None:
        """Close the connections, unless they are the caller's."""
        for generation in (self._generation, self._fresh, *self._retired):
            # aiohttp would lose a connection that is being made on the connector of the caller.
            generation.retired = True
            if self.lent is None and generation.client is not None:
                await generation.client.close()
            else:
                await generation.close_if_done()

    async def attempt(
        self,
        request: Request[Any],
        *,
        headers: Mapping[str, str],
        ends: float,
        redact: Callable[[str], str],
        fresh: bool = False,
        moments: Moments | None = None,
    ) -> Response | NoResponse:
        """Send `request` once and read the answer, by the loop time `ends`.

        A `fresh` one uses a connection made for it, unless the caller owns the connections.
        Discarding a connection that was used before and has unread bytes does not count as an
        attempt: the next is tried. A connection made for it that fails in any way counts.
        """
        heard = self._heard
        generation = self._fresh if fresh else self._generation
        if generation.client is None:
            # Made here because it needs an event loop.
            generation.client = self._clients.make(
                self._url, max_connections=self._max_connections, keep_alive=not fresh
            )
        generation.in_flight += 1
        client, tries = generation.client, self._max_connections + 1
        fills_pool = RULES[request.kind].fills_pool
        body: Body | None = None
        try:
            while True:
                tries -= 1
                # Only it knows its bytes: a traceback shows the locals here, and they hold a
                # password.
                body = Body(request, self._clients.used, moments, ends=ends)
                send = partial(self._round_trip, client, request, body, headers, moments)
                observed = await observe(
                    send() if fills_pool else _in_turn(generation, body, send),
                    self._limits,
                    ends=ends,
                    body=body,
                    redact=redact,
                )
                if not (body.discarded and tries and _is_not_sent(observed)):
                    break
        finally:
            generation.in_flight -= 1
            if moments is not None and body is not None:
                moments.left = body.left
            if generation.retired:
                await self._close_if_done(generation)
        if isinstance(observed, NoResponse) and observed.timed_out and self._heard == heard:
            await self._retire(generation)
        return observed

    async def _retire(self, generation: "_Generation") -> None:
        """Use no idle connection any more after an attempt timed out in silence."""
        if generation is self._generation and self.lent is None:
            self._generation = self._generate()
            self._retired.add(generation)
            generation.retired = True
            await self._close_if_done(generation)

    async def _close_if_done(self, generation: "_Generation") -> None:
        """Close the connections that are not used any more once the last attempt has ended."""
        if generation.done:
            try:
                await generation.close_if_done()
            finally:
                self._retired.discard(generation)

    def _target(self, endpoint: str) -> tuple[str, URL]:
        method, _, path = endpoint.partition(" ")
        self._targets[endpoint] = target = method, URL(self._base_url + path)
        return target

    def _middlewares(
        self, method: str, body: Body
    ) -> tuple[aiohttp.ClientMiddlewareType, ...] | None:
        """Return the middlewares of a request, the innermost last; `None` for none."""
        callers = self._clients.middlewares
        guarded = (*callers, body.guard) if callers else ()
        # aiohttp does not repeat a POST.
        return (send_once, *guarded) if method == "GET" else guarded or None

    async def _round_trip(
        self,
        client: aiohttp.ClientSession,
        request: Request[Any],
        body: Body,
        headers: Mapping[str, str],
        moments: Moments | None,
    ) -> Response:
        method, url = self._targets.get(request.endpoint) or self._target(request.endpoint)
        # Only a client of the caller's has hooks.
        hooks = None if self.lent is None else before_hooks.set(body.begin)
        try:
            response = await client.request(
                method,
                url,
                params=request.params,
                data=body,
                headers=headers,
                # Without a body there is no content type.
                skip_auto_headers=("Content-Type",) if request.body is None else None,
                allow_redirects=False,
                middlewares=self._middlewares(method, body),
            )
        finally:
            if hooks is not None:
                before_hooks.reset(hooks)
        if moments is not None:
            moments.answered, moments.status = moments.clock(), response.status
        try:
            if body.left is False:
                # It answers no request, unless a middleware of the caller answers for the exchange.
                if not body.guarded and self._clients.middlewares:
                    body.left = None
                if (connection := response.connection) is not None:
                    body.discarded = connection.protocol in self._clients.used
                raise ConnectionResetError(UNREAD_BYTES)  # noqa: TRY301  # the handler closes the connection
            content = await _read(response, limit_of(request))
        except BaseException:
            response.close()
            raise
        if not response.closed:
            # aiohttp has released it at the end of its body. To do so again takes 2 % of a request.
            response.release()
        self._heard = asyncio.get_running_loop().time()
        if moments is not None:
            moments.read = self._heard
        return Response(response.status, response.headers, content)


async def _in_turn(
    generation: _Generation, body: Body, send: Callable[[], Awaitable[Response]]
) -> Response:
    """Send once there is a connection that is not kept for cancels."""
    try:
        await generation.others.acquire()
    except asyncio.CancelledError:
        body.begin()
        raise
    try:
        if generation.retired:
            body.begin()
            raise ConnectionAbortedError("the connections that it waited for were given up")
        return await send()
    finally:
        generation.others.release()


def _is_not_sent(observed: Response | NoResponse) -> bool:
    return isinstance(observed, NoResponse) and observed.not_sent


async def observe(
    round_trip: Coroutine[Any, Any, T],
    limits: TimeLimits,
    *,
    ends: float,
    redact: Callable[[str], str],
    body: Body | None = None,
) -> T | NoResponse:
    """Await `round_trip` until the loop time `ends`; turn an exception into a `NoResponse`.

    No exception from aiohttp goes further: its frames hold the headers. Without a `body`, the type
    of the exception decides whether the request may have been sent.
    """
    limit = limits.begin(ends)
    failed: BaseException
    timed_out = False
    try:
        try:
            return await round_trip
        finally:
            timed_out = limits.end(limit)
    except asyncio.CancelledError as error:
        # Closing aiohttp's pool cancels the requests that wait for a connection.
        failed = TimeoutError() if timed_out else error
    except ConnectionGoneError as gone:
        failed = gone.error
    except Exception as error:  # noqa: BLE001  # no exception goes further
        failed = error
    if limit.cancelled:
        # A hook of the caller may have swallowed the cancellation.
        raise asyncio.CancelledError
    return no_response(
        failed,
        left=None if body is None else body.left,
        reused=body is not None and body.reused,
        redact=redact,
    )


async def _read(response: aiohttp.ClientResponse, limit: int) -> bytes:
    """Read a body to its end; raise as soon as it exceeds `limit` bytes, decompressed.

    A body that has come already is read without a wait, so the turns of the loop are made here.
    """
    chunks: list[bytes] = []
    content, size, in_this_turn = response.content, 0, 0
    while chunk := await content.readany():
        size += len(chunk)
        if size > limit:
            raise AnswerTooLargeError(
                f"the answer is larger than {limit:,} bytes: given up, and not asked for again"
            )
        chunks.append(chunk)
        if content.at_eof():
            break
        in_this_turn += len(chunk)
        if in_this_turn >= _BYTES_A_TURN:
            in_this_turn = 0
            await asyncio.sleep(0)
    return b"".join(chunks)
