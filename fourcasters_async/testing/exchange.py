"""FakeExchange: the server around the book."""

import asyncio
import ssl
import time
from collections import deque
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from http import HTTPStatus
from typing import Self

from aiohttp import web

from fourcasters_async.testing import wire
from fourcasters_async.testing.book import Book, BookAccount, BookGame, BookOrder
from fourcasters_async.testing.calls import Call, Fault, HttpCall, respond
from fourcasters_async.testing.orders_channel import Message, OrdersChannel
from fourcasters_async.testing.received import Injected, Received
from fourcasters_async.testing.rest import Answer, RestService
from fourcasters_async.testing.sockets import OrdersSockets

_TYPES = ("moneyline", "spread", "total")
_REMEMBERED = 100_000
_ORDERS_PATH = "/orders/ws"


class FakeExchange:
    """An exchange on loopback, with a book of its own, as an async context manager.

    `latency` is the seconds that each answer takes; `tls` serves `https` with a certificate made
    on the fly (extra `tls`), which `ssl_context` trusts; `rate_limit` is how many requests in how
    many seconds it serves before it answers 429; it closes a connection that is idle for
    `keep_alive` seconds; `port` is a free one by default.

    ```python
    async with FakeExchange(latency=0.02) as exchange:
        game = exchange.add_game(orders=10)
        async with AsyncSession(exchange.token, base_url=exchange.url) as session:
            await session.cancel_all_orders_for_game(game.game_id)
        assert not exchange.open_orders()
    ```
    """

    def __init__(
        self,
        *,
        latency: float = 0.0,
        tls: bool = False,
        rate_limit: tuple[int, float] | None = None,
        keep_alive: float = 75.0,
        port: int = 0,
    ) -> None:
        self.latency = latency
        self.book = Book()
        self.account = "sandbox"
        self._moved = -time.monotonic()
        self.token = self.add_account(self.account)
        """The token of the account that orders belong to by default."""
        self.requests: deque[Received] = deque(maxlen=_REMEMBERED)
        """What was received, oldest first; only the last hundred thousand of it."""
        self.refused_by_limit = 0
        """How many requests were answered with 429 because of `rate_limit`."""
        self._rest = RestService(self.book)
        self._channel = OrdersChannel(self.book)
        self._sockets = OrdersSockets(self._answer, self._do)
        self._injected: list[Injected] = []
        self._limit = rate_limit
        self._served: deque[float] = deque()
        self._port = port
        self._server_tls: ssl.SSLContext | None = None
        self._client_tls: ssl.SSLContext | None = None
        if tls:
            self._server_tls, self._client_tls = _tls_contexts()
        app = web.Application()
        app.router.add_route("*", "/{path:.*}", self._serve)
        self._runner = web.AppRunner(
            app, access_log=None, shutdown_timeout=1.0, keepalive_timeout=keep_alive
        )
        self._sites = AsyncExitStack()

    @property
    def url(self) -> str:
        """The address to give to `AsyncSession(base_url=…)`."""
        scheme = "http" if self._server_tls is None else "https"
        return f"{scheme}://127.0.0.1:{self._port}"

    @property
    def orders_url(self) -> str:
        """The address of the Orders WebSocket."""
        return f"{self.url.replace('http', 'ws', 1)}{_ORDERS_PATH}"

    @property
    def sockets(self) -> int:
        """How many WebSockets are open."""
        return len(self._sockets)

    @property
    def ssl_context(self) -> ssl.SSLContext:
        """A context that trusts this exchange: `aiohttp.TCPConnector(ssl=exchange.ssl_context)`."""
        if self._client_tls is None:
            raise RuntimeError("this exchange does not serve TLS: FakeExchange(tls=True)")
        return self._client_tls

    async def __aenter__(self) -> Self:
        """Start to serve."""
        await self._runner.setup()
        await self._listen()
        return self

    async def __aexit__(self, *_: object) -> None:
        """Close every connection, WebSockets with 1001, and stop."""
        await self._sockets.end()
        self._drop_connections()
        await self._runner.cleanup()

    def now(self) -> float:
        """Return the exchange's clock, in seconds since it was made."""
        return time.monotonic() + self._moved

    def move_clock(self, seconds: float) -> None:
        """Move the exchange's clock on: tokens age, orders expire, and heartbeats run out."""
        self._moved += seconds
        self._pass_time()

    def add_account(self, name: str, password: str = "") -> str:
        """Add an account, and return a token for it. With a password it can log in."""
        self.book.accounts[name] = BookAccount(name, password)
        return self.book.issue_token(name, self.now())

    def revoke(self, token: str) -> None:
        """End a token: requests with it are answered with 401."""
        self.book.tokens.pop(token, None)

    def add_game(self, *, orders: int = 0, account: str | None = None) -> BookGame:
        """Add a game with so many open orders on it, of the three market types in turn."""
        game = self.book.add_game()
        for number in range(orders):
            self.book.place(
                account or self.account, game.game_id, type=_TYPES[number % len(_TYPES)]
            )
        return game

    def open_orders(self, game_id: str | None = None) -> list[BookOrder]:
        """Return what rests of the default account, on one game or on all."""
        self._pass_time()
        return self.book.open_orders(self.account, game_id)

    def received(self, endpoint: str | None = None, *, game_id: str | None = None) -> int:
        """Count what was received, to one endpoint (its last segment) and for one game.

        The endpoint of a message on a WebSocket is its type.
        """
        return sum(
            endpoint in (None, received.endpoint) and game_id in (None, received.game_id)
            for received in self.requests
        )

    def inject(
        self,
        fault: Fault,
        *,
        endpoint: str | None = None,
        game_id: str | None = None,
        after: int = 0,
        times: int | None = 1,
    ) -> None:
        """Let `fault` strike the requests to an endpoint (its last segment) and for a game.

        The endpoint of a message on a WebSocket is its type, that of a handshake is `ws`.
        It passes over the first `after` of them and strikes the next `times`, or with `None` all.
        Of several faults that fit a request, the one injected first strikes.
        """
        self._injected.append(Injected(fault, endpoint, game_id, after, times))

    def clear_faults(self) -> None:
        """Take back every fault that was injected."""
        self._injected.clear()

    async def drop_sockets(self, code: int | None = None) -> None:
        """Close every WebSocket with a close frame, or with `None` abort its connection."""
        self._sockets.drop(code)
        # An aborted connection is lost one turn of the loop later.
        await asyncio.sleep(0)

    @asynccontextmanager
    async def refusing(self) -> AsyncIterator[None]:
        """Refuse every connection inside the block; those that stand are closed."""
        await self._sites.aclose()
        self._drop_connections()
        try:
            yield
        finally:
            await self._listen()

    async def _listen(self) -> None:
        site = web.TCPSite(
            self._runner,
            "127.0.0.1",
            self._port,
            ssl_context=self._server_tls,
            backlog=2048,
        )
        await site.start()
        self._sites.push_async_callback(site.stop)
        self._port = self._runner.addresses[0][1]

    def _drop_connections(self) -> None:
        if self._runner.server is not None:
            for connection in self._runner.server.connections:
                connection.force_close()

    async def _serve(self, request: web.Request) -> web.StreamResponse:
        content = await request.read()
        authorization = request.headers.get("Authorization", "")
        account = self._rest.account(authorization)
        received = Received(request.method, request.path, request.headers, content, account)

        def commit() -> Answer:
            now = self._pass_time()
            if request.path == _ORDERS_PATH:
                return self._rest.shake_hands(authorization, now)
            return self._rest.answer(
                request.method,
                request.path,
                authorization=authorization,
                content=content,
                query=request.query,
                now=now,
            )

        call = HttpCall(request, commit)
        response = await self._answer(received, call, refused=self._over_limit())
        if response.status == HTTPStatus.SWITCHING_PROTOCOLS:
            return await self._sockets.serve(request, response.headers, account or "")
        return response

    async def _answer(
        self, received: Received, call: Call, *, refused: Answer | None = None
    ) -> web.StreamResponse:
        """Answer a request or a message in `latency` seconds, by the book or with a fault."""
        self.requests.append(received)
        if self.latency:
            await asyncio.sleep(self.latency)
        if refused is not None:
            return respond(refused)
        received.fault = next((i.fault for i in self._injected if i.takes(received)), None)
        if received.fault is None:
            return respond(call.commit())
        try:
            return await received.fault(call)
        except ConnectionError:
            # The client has had enough of it.
            return web.Response()

    def _do(self, message: Message, account: str) -> Answer:
        return self._channel.answer(message, account=account, now=self._pass_time())

    def _pass_time(self) -> float:
        now = self.now()
        self.book.pass_time(now)
        return now

    def _over_limit(self) -> Answer | None:
        if self._limit is None:
            return None
        requests, window = self._limit
        now = asyncio.get_running_loop().time()
        while self._served and self._served[0] <= now - window:
            self._served.popleft()
        if len(self._served) < requests:
            self._served.append(now)
            return None
        self.refused_by_limit += 1
        wait = self._served[0] + window - now
        return Answer(
            429,
            wire.error("Too many requests. Please try again later."),
            {"Retry-After": str(int(wait) + 1)},
        )


def _tls_contexts() -> tuple[ssl.SSLContext, ssl.SSLContext]:
    # Only those who serve TLS need trustme.
    import trustme  # noqa: PLC0415  # as above

    authority = trustme.CA()
    server = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    authority.issue_cert("127.0.0.1", "localhost").configure_cert(server)
    client = ssl.create_default_context()
    authority.configure_trust(client)
    return server, client
