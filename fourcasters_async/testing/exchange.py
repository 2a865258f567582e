"""FakeExchange: the server around the book."""

import asyncio
import ssl
import time
from collections import deque
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Self

from aiohttp import web
from attrs import define

from fourcasters_async.testing import wire
from fourcasters_async.testing.book import Book, BookAccount, BookGame, BookOrder
from fourcasters_async.testing.faults import Call, Fault, respond
from fourcasters_async.testing.rest import Answer, RestService, body_of

_TYPES = ("moneyline", "spread", "total")
_REMEMBERED = 100_000


@define
class Received:
    """A request that was received.

    `account` is `None` for a token that is not known, `fault` what struck the request, if any did.
    """

    method: str
    path: str
    headers: Mapping[str, str]
    content: bytes
    account: str | None
    fault: Fault | None = None

    @property
    def endpoint(self) -> str:
        """The last segment of the path."""
        return self.path.rpartition("/")[2]

    @property
    def game_id(self) -> object:
        """The `gameID` in the body."""
        return body_of(self.content).get("gameID")


@define
class _Injected:
    fault: Fault
    endpoint: str | None
    game_id: str | None
    after: int
    times: int | None

    def takes(self, received: Received) -> bool:
        """Whether the fault strikes this request; counts it if it could."""
        if self.endpoint not in (None, received.endpoint):
            return False
        if self.game_id not in (None, received.game_id) or self.times == 0:
            return False
        if self.after > 0:
            self.after -= 1
            return False
        if self.times is not None:
            self.times -= 1
        return True


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
        self._moved = 0.0
        self.token = self.add_account(self.account)
        """The token of the account that orders belong to by default."""
        self.requests: deque[Received] = deque(maxlen=_REMEMBERED)
        """What was received, oldest first; only the last hundred thousand requests."""
        self.refused_by_limit = 0
        """How many requests were answered with 429 because of `rate_limit`."""
        self._rest = RestService(self.book)
        self._injected: list[_Injected] = []
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
        """Close every connection and stop."""
        self._drop_connections()
        await self._runner.cleanup()

    def now(self) -> float:
        """Return the exchange's clock, in seconds."""
        return time.monotonic() + self._moved

    def move_clock(self, seconds: float) -> None:
        """Move the exchange's clock on: tokens age, and heartbeats run out."""
        self._moved += seconds
        self.book.cancel_without_heartbeat(self.now())

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
        self.book.cancel_without_heartbeat(self.now())
        return self.book.open_orders(self.account, game_id)

    def received(self, endpoint: str | None = None, *, game_id: str | None = None) -> int:
        """Count the requests received, to one endpoint (its last segment) and for one game."""
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

        It passes over the first `after` of them and strikes the next `times`, or with `None` all.
        Of several faults that fit a request, the one injected first strikes.
        """
        self._injected.append(_Injected(fault, endpoint, game_id, after, times))

    def clear_faults(self) -> None:
        """Take back every fault that was injected."""
        self._injected.clear()

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
        self.requests.append(received)
        limited = self._over_limit()
        if self.latency:
            await asyncio.sleep(self.latency)
        if limited is not None:
            return respond(limited)

        def commit() -> Answer:
            self.book.cancel_without_heartbeat(self.now())
            return self._rest.answer(
                request.method,
                request.path,
                authorization=authorization,
                content=content,
                query=request.query,
                now=self.now(),
            )

        received.fault = next((i.fault for i in self._injected if i.takes(received)), None)
        if received.fault is None:
            return respond(commit())
        try:
            return await received.fault(Call(request, commit))
        except ConnectionError:
            # The client has had enough of it.
            return web.Response()

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
