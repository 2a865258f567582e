"""How the parts of a session are put together: its ways to the exchange, and their end."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager

import aiohttp
from attrs import evolve
from yarl import URL

from fourcasters_async._core.auth import Auth
from fourcasters_async._core.pacing import RetryPolicy
from fourcasters_async._core.rate_limit import RateLimit
from fourcasters_async._http.client import Http
from fourcasters_async._http.pool import Pool
from fourcasters_async._websocket.client import Socket
from fourcasters_async._websocket.handshake import Handshaker
from fourcasters_async.dead_man import Beat, beats_in
from fourcasters_async.orders.heartbeat import heartbeat_policy, heartbeat_request

# Seconds in which a connection may say nothing at all to what it was asked.
_SILENCE = 1.0


class Transports:
    """The ways to the exchange that one account has, and what they have in common."""

    def __init__(
        self,
        address: URL,
        orders_address: URL,
        auth: Auth,
        client: aiohttp.ClientSession | None,
        *,
        timeout: float,
        max_connections: int,
        retry: RetryPolicy,
        rate_limit: RateLimit,
    ) -> None:
        self.address = address
        self._orders_address = orders_address
        self._auth = auth
        self._client = client
        self._timeout = timeout
        self._retry = retry
        self._rate_limit = rate_limit
        self.http = Http(
            self._pool(max_connections), auth, timeout=timeout, retry=retry, rate_limit=rate_limit
        )
        self._more: set[Http | Socket] = set()

    async def close(self) -> None:
        """Close all of them."""
        # From the last to the first, also if whoever closes is cancelled meanwhile.
        async with AsyncExitStack() as stack:
            for part in (self._auth, self.http, *self._more):
                stack.push_async_callback(part.close)

    @asynccontextmanager
    async def beats(self, after: int) -> AsyncIterator[Beat]:
        """Give what sends a heartbeat of `after` seconds, on a connection of its own."""
        self.http.ensure_usable()
        request = heartbeat_request(after)
        async with AsyncExitStack() as stack:
            share = self._rate_limit.share(beats_in(self._rate_limit.window, after))
            http = Http(
                self._pool(1),
                self._auth,
                timeout=after,
                retry=heartbeat_policy(self._retry, after),
                rate_limit=stack.enter_context(share),
            )
            self._end_with(stack, http)

            async def beat(within: float) -> None:
                await http.call(request, deadline=asyncio.get_running_loop().time() + within)

            yield beat

    @asynccontextmanager
    async def socket(self) -> AsyncIterator[Socket]:
        """Give the Orders WebSocket, connected."""
        self.http.ensure_usable()
        handshaker = Handshaker(
            self._orders_address,
            self._client,
            connect_timeout=self._retry.connect_timeout,
            silence=min(_SILENCE, 0.75 * self._retry.attempt_timeout),
        )
        handshakes = Http(
            handshaker,
            self._auth,
            timeout=self._timeout,
            # Those who wait for a connection count the attempts.
            retry=evolve(self._retry, max_attempts=1),
            rate_limit=self._rate_limit,
        )
        socket = Socket(
            handshakes, handshaker, self._auth, timeout=self._timeout, retry=self._retry
        )
        async with AsyncExitStack() as stack:
            self._end_with(stack, socket)
            await socket.open()
            yield socket

    def _end_with(self, stack: AsyncExitStack, way: Http | Socket) -> None:
        # It is forgotten only once it is closed.
        self._more.add(way)
        stack.callback(self._more.discard, way)
        stack.push_async_callback(way.close)

    def _pool(self, max_connections: int) -> Pool:
        return Pool(
            self.address,
            self._client,
            max_connections=max_connections,
            connect_timeout=self._retry.connect_timeout,
        )
