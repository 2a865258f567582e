"""FakeExchange: the servers around the book."""

import asyncio
import ssl
from collections import deque
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from http import HTTPStatus
from typing import Self

from aiohttp import web

from fourcasters_async.testing import tls as certificates
from fourcasters_async.testing.answers import Answer, body_of
from fourcasters_async.testing.book import Book, BookAccount, BookGame, BookOrder, ReadLag
from fourcasters_async.testing.calls import Call, Fault, HttpCall, respond
from fourcasters_async.testing.clock import Clock
from fourcasters_async.testing.injected import Injected, InjectedFaults
from fourcasters_async.testing.limit import RequestLimit
from fourcasters_async.testing.orders_channel import Message, OrdersChannel
from fourcasters_async.testing.received import Received, ReceivedLog, games_of
from fourcasters_async.testing.rest import RestService
from fourcasters_async.testing.sockets import OrdersSockets

_TYPES = ("moneyline", "spread", "total")
_ORDERS_PATH = "/orders/ws"


class FakeExchange:
    """An exchange on loopback with a book of its own, as an async context manager.

    `latency` is the seconds before each answer. `tls` serves `https` with a certificate made for
    it (extra `tls`), which `ssl_context` trusts. `rate_limit` is how many requests in how many
    seconds are served; the others are answered with 429. A connection that is idle for
    `keep_alive` seconds is closed. `port` is a free one by default.

    All times are seconds of the exchange's clock, which follows that of the event loop and can be
    moved on with `move_clock`.

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
        self._clock = Clock()
        self._book = Book()
        self.account = "sandbox"
        self.token = self.add_account(self.account)
        """A token of the account that orders belong to by default."""
        self._log = ReceivedLog()
        self._injected = InjectedFaults()
        self._rest = RestService(self._book)
        self._channel = OrdersChannel(self._book)
        self._sockets = OrdersSockets(self._answer, self._do, self._clock)
        self._limit = None if rate_limit is None else RequestLimit(*rate_limit)
        self._port = port
        self._server_tls: ssl.SSLContext | None = None
        self._client_tls: ssl.SSLContext | None = None
        if tls:
            self._server_tls, self._client_tls = certificates.contexts()
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
    def ssl_context(self) -> ssl.SSLContext:
        """A context that trusts this exchange: `aiohttp.TCPConnector(ssl=exchange.ssl_context)`."""
        if self._client_tls is None:
            raise RuntimeError("this exchange does not serve TLS: FakeExchange(tls=True)")
        return self._client_tls

    @property
    def book(self) -> Book:
        """The book as it is now."""
        self._pass_time()
        return self._book

    @property
    def requests(self) -> deque[Received]:
        """What was received, oldest first: the last hundred thousand requests and messages."""
        return self._log.requests

    @property
    def refused_by_limit(self) -> int:
        """How many requests were answered with 429 because of `rate_limit`."""
        return 0 if self._limit is None else self._limit.refused

    @property
    def sockets(self) -> int:
        """How many WebSockets are open."""
        return len(self._sockets)

    async def __aenter__(self) -> Self:
        """Start to serve."""
        self._clock.follow(asyncio.get_running_loop())
        await self._runner.setup()
        await self._listen()
        return self

    async def __aexit__(self, *_: object) -> None:
        """Stop, close every connection, WebSockets with 1001, and drop what is not due yet."""
        await self._sites.aclose()
        self._clock.end()
        await self._sockets.end()
        self._drop_connections()
        await self._runner.cleanup()

    def now(self) -> float:
        """Return the exchange's clock: seconds since the exchange was made."""
        return self._clock.now()

    def move_clock(self, seconds: float) -> None:
        """Move the clock on. What becomes due by it happens before this returns.

        Orders expire, heartbeats run out and tokens age. An answer that becomes due is sent.
        """
        self._clock.move(seconds)
        self._pass_time()

    def add_account(self, name: str, password: str = "") -> str:
        """Add an account, and return a token for it. With a password it can log in."""
        self.book.accounts[name] = BookAccount(name, password)
        return self.book.issue_token(name)

    def revoke(self, token: str) -> None:
        """End a token: requests with it are answered with 401."""
        self.book.tokens.pop(token, None)

    def add_game(
        self, *, orders: int = 0, account: str | None = None, parent: BookGame | None = None
    ) -> BookGame:
        """Add a game with so many open orders on it, of the three market types in turn.

        With a `parent` it is a period of that game, with an id of its own.
        """
        game = self.book.add_game(parent=parent)
        for number in range(orders):
            type_ = _TYPES[number % len(_TYPES)]
            self.book.place(account or self.account, game.game_id, type=type_)
        return game

    def open_orders(self, game_id: str | None = None) -> list[BookOrder]:
        """Return what rests of the default account, on one game or on all."""
        return self.book.open_orders(self.account, game_id)

    def received(self, endpoint: str | None = None, *, game_id: str | None = None) -> int:
        """Count the `requests` to an endpoint, the last segment of its path, and about a game.

        The endpoint of a message on a WebSocket is its type.
        """
        return sum(received.fits(endpoint, game_id) for received in self.requests)

    def inject(
        self,
        fault: Fault,
        *,
        endpoint: str | None = None,
        game_id: str | None = None,
        after: int = 0,
        times: int | None = 1,
    ) -> None:
        """Let `fault` strike requests to an endpoint, the last segment of its path, about a game.

        The endpoint of a message on a WebSocket is its type, that of a handshake is `ws`. A
        request is about the games that it names, and about those of the orders that it names.
        The fault lets the first `after` such requests pass and strikes the next `times`, with
        `None` all. Of several faults that could strike a request, the one injected first does.
        """
        self._injected.add(Injected(fault, endpoint, game_id, after, times))

    def clear_faults(self) -> None:
        """Take back every fault that was injected."""
        self._injected.clear()

    async def drop_sockets(self, code: int | None = None) -> None:
        """Close every WebSocket with a close frame, or with `None` abort its connection."""
        self._sockets.drop(code)
        # The server learns of an aborted connection in the next turn of the loop.
        await asyncio.sleep(0)

    @asynccontextmanager
    async def refusing(self) -> AsyncIterator[None]:
        """Refuse new connections inside the block, and close those that are open."""
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
            self._pass_time()
            if request.path == _ORDERS_PATH:
                return self._rest.shake_hands(authorization)
            return self._rest.answer(
                f"{request.method} {request.path}",
                authorization=authorization,
                content=content,
                query=request.query,
                lag=ReadLag(),
            )

        refusal = None if self._limit is None else self._limit.refusal(self.now())
        response = await self._answer(
            received, HttpCall(request, commit, self._clock), refusal=refusal
        )
        if response.status == HTTPStatus.SWITCHING_PROTOCOLS:
            return await self._sockets.serve(request, response.headers, account or "")
        return response

    async def _answer(
        self, received: Received, call: Call, *, refusal: Answer | None = None
    ) -> web.StreamResponse:
        """Answer a request or a message after `latency`: with a refusal, a fault or by the book."""
        fields = {**call.request.query, **body_of(received.content)}
        received.games = games_of(fields, self._book)
        self._log.add(received)
        if self.latency:
            await self._clock.sleep(self.latency)
        if refusal is not None:
            return respond(refusal)
        received.fault = self._injected.choose(received)
        if received.fault is None:
            return respond(call.commit())
        try:
            return await received.fault(call)
        except ConnectionError:
            # The client has hung up.
            return web.Response()

    def _do(self, message: Message, account: str) -> Answer:
        self._pass_time()
        return self._channel.answer(message, account=account)

    def _pass_time(self) -> None:
        self._clock.catch_up()
        self._book.pass_time(self._clock.now())
