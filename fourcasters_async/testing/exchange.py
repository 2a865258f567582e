"""FakeExchange: the servers around the book."""

import asyncio
import ssl
from contextlib import AbstractAsyncContextManager
from http import HTTPStatus
from typing import Self

from aiohttp import web

from fourcasters_async.testing.answers import Answer, body_of
from fourcasters_async.testing.book import Book
from fourcasters_async.testing.calls import Call, Fault, respond
from fourcasters_async.testing.clock import Clock
from fourcasters_async.testing.day import Day, fill
from fourcasters_async.testing.endpoints import (
    HANDSHAKES,
    ORDERS_PATH,
    check_endpoint,
    check_game,
)
from fourcasters_async.testing.feeds import Feeds
from fourcasters_async.testing.http_server import HttpServer
from fourcasters_async.testing.injected import Injected, InjectedFaults
from fourcasters_async.testing.limit import RequestLimits
from fourcasters_async.testing.observed import Observed
from fourcasters_async.testing.orders_channel import Message, OrdersChannel
from fourcasters_async.testing.placing import live_delay
from fourcasters_async.testing.received import Received, ReceivedLog, games_of
from fourcasters_async.testing.records import BookAccount, BookGame, BookOrder, ReadLag
from fourcasters_async.testing.rest import RestService
from fourcasters_async.testing.settings import (
    check_count,
    check_flag,
    check_limit,
    check_seconds,
)
from fourcasters_async.testing.sockets import OrdersSockets

_TYPES = ("moneyline", "spread", "total")
_PLACES = ("place", "placeV3", "editOrder")


class FakeExchange(Observed):
    """An exchange on loopback with a book of its own, as an async context manager.

    `latency` is the seconds before each answer. `tls` serves `https` with a certificate made for
    it (extra `tls`), which `ssl_context` trusts. `rate_limit` is how many requests in how many
    seconds are served; the others are answered with 429, as are more of the graded reads than an
    account may make. A connection that is idle for `keep_alive` seconds is closed. `port` is a
    free one by default. `seed` is that of what is drawn by lot, such as the games of `fill_day`. A
    token that is thirty days old is replaced by the next request over REST that uses it, and stops
    working at once.

    `getUnmatched` and `getOrdersForGame` show the book as it was `read_lag` seconds ago. To that
    `appear_lag` adds seconds for new orders, `vanish_lag` for cancels and fills. All three can be
    set at any time. Orders that a test puts in the book are new too: move the clock on.

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
        read_lag: float = 0.0,
        tls: bool = False,
        rate_limit: tuple[int, float] | None = None,
        keep_alive: float = 75.0,
        port: int = 0,
        seed: int = 0,
    ) -> None:
        check_flag(tls, "tls")
        check_count(port, "port", most=65535)
        check_count(seed, "seed")
        check_seconds(keep_alive, "keep_alive")
        check_seconds(latency, "latency")
        check_seconds(read_lag, "read_lag")
        if rate_limit is not None:
            check_limit(rate_limit, "rate_limit")
        self.latency = latency
        self.read_lag = read_lag
        self.appear_lag: float = 0.0
        """Seconds, beside `read_lag`, by which reads show new orders later."""
        self.vanish_lag: float = 0.0
        """Seconds, beside `read_lag`, by which reads show cancels and fills later."""
        self.seed = seed
        self._clock = Clock()
        self._book = Book()
        self.account: str = "sandbox"
        """The account that orders belong to by default."""
        self.token: str = self.add_account(self.account)
        """A token of the account that orders belong to by default."""
        self._log = ReceivedLog(self._clock.now)
        self._book.events.listeners.append(lambda _: self._log.tell())
        self._injected: InjectedFaults[Fault] = InjectedFaults()
        self._rest = RestService(self._book)
        self._channel = OrdersChannel(self._book)
        self._sockets = OrdersSockets(self._answer, self._do, self._clock)
        self.feeds: Feeds = Feeds(self._book, self._clock, self._log, self._pass_time)
        """The user feed and the price feed: their connections, and faults of their own."""
        self._limits = RequestLimits(rate_limit)
        self._server = HttpServer(self._serve, tls=tls, keep_alive=keep_alive, port=port)
        self._runner = self._server.runner

    @property
    def url(self) -> str:
        """The address to give to `AsyncSession(base_url=…)`."""
        return self._server.url

    @property
    def orders_url(self) -> str:
        """The address of the Orders WebSocket."""
        return f"{self.url.replace('http', 'ws', 1)}{ORDERS_PATH}"

    @property
    def streaming_url(self) -> str:
        """The address that the paths of both feeds begin with."""
        return self.url.replace("http", "ws", 1)

    @property
    def ssl_context(self) -> ssl.SSLContext:
        """A context that trusts this exchange: `aiohttp.TCPConnector(ssl=exchange.ssl_context)`."""
        return self._server.ssl_context

    @property
    def book(self) -> Book:
        """The book as it is now."""
        self._pass_time()
        return self._book

    @property
    def refused_by_limit(self) -> int:
        """How many requests were answered with 429 because of `rate_limit`."""
        return self._limits.refused

    @property
    def sockets(self) -> int:
        """How many connections to the Orders WebSocket are open; `len(feeds)` counts the others."""
        return len(self._sockets)

    async def __aenter__(self) -> Self:
        """Start to serve."""
        self._clock.follow(asyncio.get_running_loop())
        await self._server.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        """Stop, close every connection, WebSockets with 1001, and drop what is not due yet."""
        await self._server.stop_listening()
        self._clock.end()
        await self._sockets.end()
        await self.feeds.end()
        await self._server.stop()

    def now(self) -> float:
        """Return the exchange's clock: seconds since the exchange was made."""
        return self._clock.now()

    def move_clock(self, seconds: float) -> None:
        """Move the clock on.

        Before this returns orders have expired, heartbeats have run out and late requests have
        taken effect, each at its time. Answers that became due go out in the loop's next turns.
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
        check_count(orders, "orders")
        game = self.book.add_game(parent=parent)
        for number in range(orders):
            type_ = _TYPES[number % len(_TYPES)]
            self.book.place(account or self.account, game.game_id, type=type_)
        return game

    def fill_day(self, *, games: int = 12, seed: int | None = None) -> Day:
        """Add games, quotes of others and bets of the default account, as `testing.day` says.

        The same seed gives the same ones: by default that of the exchange.
        """
        seed = self.seed if seed is None else seed
        return fill(self.book, games=games, seed=seed, account=self.account)

    def open_orders(self, game_id: str | None = None) -> list[BookOrder]:
        """Return what rests of the default account, on one game or on all."""
        return self.book.open_orders(self.account, game_id)

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

        The endpoint of a message on a WebSocket is its type. That of a handshake is `ws`, `user`
        or `price-stream`, and that of a replay `messages`. A request is about the games that it
        names, and about those of the orders that it names. The fault lets the first `after` such
        requests pass and strikes the next `times`, with `None` all. Of several faults that could
        strike a request, the one injected first does. What the feeds push has faults of its own:
        `exchange.feeds.user.inject`. Raises `ValueError` for an endpoint that is not served, which
        no request would ever have; a game may be added later.
        """
        check_endpoint(endpoint)
        check_game(game_id)
        self._injected.add(Injected(fault, endpoint, game_id, after, times))

    def clear_faults(self) -> None:
        """Take back every fault that was injected, also into the feeds."""
        self._injected.clear()
        self.feeds.clear_faults()

    def assert_all_faults_struck(self) -> None:
        """Raise AssertionError if an injected fault has not struck `times` times.

        With `times=None` it must have struck once. Faults that were taken back do not count. The
        error names those that have not, and says what came.
        """
        missing = [*self._injected.missing(), *self.feeds.missing_faults()]
        if missing:
            raise AssertionError(f"{'; '.join(missing)}; {self.requests}")

    async def drop_sockets(self, code: int | None = None, *, endpoint: str | None = None) -> None:
        """Close every WebSocket with a close frame, or with `None` abort its connection.

        With an `endpoint` (`ws`, `user` or `price-stream`) only those of that one.
        """
        check_endpoint(endpoint, HANDSHAKES)
        if endpoint in (None, "ws"):
            self._sockets.drop(code)
        self.feeds.drop(code, endpoint=endpoint)
        # The server learns of an aborted connection in the next turn of the loop.
        await asyncio.sleep(0)

    def refusing(self) -> AbstractAsyncContextManager[None]:
        """Refuse new connections inside the block, and close those that are open."""
        return self._server.refusing()

    async def _serve(self, request: web.Request) -> web.StreamResponse:
        content = await request.read()
        authorization = self.feeds.authorization(request)
        account = self._rest.account(authorization, content)
        received = Received(request.method, request.path, request.headers, content, account)
        route = f"{request.method} {request.path}"

        def commit() -> Answer:
            self._pass_time()
            if request.path == ORDERS_PATH:
                return self._rest.shake_hands(authorization)
            if self.feeds.serves(request):
                return self.feeds.answer(request, self._rest.account(authorization))
            lag = ReadLag(
                appear=self.read_lag + self.appear_lag, vanish=self.read_lag + self.vanish_lag
            )
            answer = self._rest.answer(
                route, authorization=authorization, content=content, query=request.query, lag=lag
            )
            self.feeds.watch_clock()
            return answer

        refusal = self._limits.refusal(request.path, account, self.now())
        call = self.feeds.call(request, commit, account)
        response = await self._answer(received, call, refusal=refusal)
        if response.status != HTTPStatus.SWITCHING_PROTOCOLS:
            return response
        if request.path == ORDERS_PATH:
            return await self._sockets.serve(request, response.headers, account or "")
        return await self.feeds.serve(request, response.headers, account or "")

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
            if received.endpoint in _PLACES and received.account is not None:
                delay = live_delay(self.book, received.account, fields)
                if delay:
                    await self._clock.sleep(delay)
            return respond(call.commit())
        try:
            return await received.fault(call)
        except ConnectionError:
            # The client has hung up.
            return web.Response()

    def _do(self, message: Message, account: str) -> Answer:
        self._pass_time()
        answer = self._channel.answer(message, account=account)
        self.feeds.watch_clock()
        return answer

    def _pass_time(self) -> None:
        self._clock.catch_up()
        self._book.pass_time(self._clock.now())
