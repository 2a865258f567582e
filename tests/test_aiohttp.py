"""What is taken of aiohttp: the caller's proxy and middlewares, and names that are not public."""

import asyncio
import runpy
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from typing import Self

import aiohttp
import pytest
from aiohttp import http_websocket
from aiohttp.client_proto import ResponseHandler
from aiohttp.http_writer import StreamWriter
from attrs import define, field
from support import QUICK, SECOND, everything_shown_of, quote, until
from yarl import URL

from fourcasters_async import (
    AsyncSession,
    FourcastersError,
    HaltedError,
    InvalidRequestError,
    NotSentError,
    OutcomeUnknownError,
)
from fourcasters_async._http import aiohttp_clients
from fourcasters_async._websocket import buffered
from fourcasters_async.testing import FakeExchange, faults


@define
class Proxy:
    """An HTTP proxy, which tunnels and forwards. It notes the first head of each connection."""

    heads: list[str] = field(factory=list)
    refuses: bool = False
    _server: asyncio.Server | None = None
    _open: set[asyncio.StreamWriter] = field(factory=set)

    @property
    def url(self) -> str:
        assert self._server is not None
        return f"http://127.0.0.1:{self._server.sockets[0].getsockname()[1]}"

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        return self

    async def __aexit__(self, *_: object) -> None:
        assert self._server is not None
        self._server.close()
        for writer in self._open:
            writer.transport.abort()
        await until(lambda: not self._open)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._open.add(writer)
        try:
            head = await reader.readuntil(b"\r\n\r\n")
            self.heads.append(head.decode())
            method, target, _ = self.heads[-1].split(maxsplit=2)
            tunnels = method == "CONNECT"
            if self.refuses:
                writer.write(b"HTTP/1.1 407 Who are you\r\nContent-Length: 0\r\n\r\n")
                return
            url = URL(f"http://{target}" if tunnels else target)
            back, forth = await asyncio.open_connection(url.host, url.port)
            if tunnels:
                writer.write(b"HTTP/1.1 200 OK\r\n\r\n")
            else:
                forth.write(head)
            await asyncio.gather(pass_on(reader, forth), pass_on(back, writer))
        finally:
            writer.close()
            self._open.discard(writer)


async def pass_on(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with suppress(ConnectionError):
        while data := await reader.read(2**16):
            writer.write(data)
    writer.close()


@pytest.fixture
async def proxy() -> AsyncIterator[Proxy]:
    async with Proxy() as proxy:
        yield proxy


@pytest.fixture
async def other() -> AsyncIterator[Proxy]:
    async with Proxy() as proxy:
        yield proxy


async def over_rest(session: AsyncSession) -> None:
    await session.account.get_unmatched()
    await session.cancel_all_orders()


async def over_the_socket(session: AsyncSession) -> None:
    async with session.orders_socket() as orders:
        await orders.cancel_all_orders()


async def by_a_switch(session: AsyncSession) -> None:
    async with session.dead_man_switch(30):
        pass


Call = Callable[[AsyncSession], Awaitable[None]]
every_way = pytest.mark.parametrize("call", [over_rest, over_the_socket, by_a_switch])


def session_at(
    exchange: FakeExchange,
    client: aiohttp.ClientSession | None = None,
    *,
    proxy: str | None = None,
    middlewares: list[aiohttp.ClientMiddlewareType] | None = None,
) -> AsyncSession:
    return AsyncSession(
        exchange.token,
        base_url=exchange.url,
        orders_url=exchange.orders_url,
        client_session=client,
        proxy=proxy,
        middlewares=middlewares,
        retry=QUICK,
    )


def assert_all_came_by(proxy: Proxy, exchange: FakeExchange) -> None:
    server = exchange._runner.server
    assert server is not None
    assert len(server.connections) <= len(proxy.heads) > 0
    assert exchange.requests


@every_way
async def test_a_proxy_of_the_session_is_used(
    fake_exchange: FakeExchange, proxy: Proxy, call: Call
) -> None:
    async with session_at(fake_exchange, proxy=proxy.url) as session:
        await call(session)
        assert_all_came_by(proxy, fake_exchange)


@every_way
async def test_a_proxy_of_the_client_is_used_as_it_was_given(
    fake_exchange: FakeExchange, proxy: Proxy, call: Call
) -> None:
    async with (
        aiohttp.ClientSession(proxy=URL(proxy.url).with_user("me").with_password("x")) as client,
        session_at(fake_exchange, client) as session,
    ):
        await call(session)
        assert_all_came_by(proxy, fake_exchange)
    assert all("Proxy-Authorization: Basic" in head for head in proxy.heads)


@pytest.mark.filterwarnings("ignore:BasicAuth is deprecated", "ignore:The 'proxy_auth' parameter")
@every_way
async def test_a_proxy_of_the_session_replaces_that_of_the_client(
    fake_exchange: FakeExchange, proxy: Proxy, other: Proxy, call: Call
) -> None:
    who = aiohttp.BasicAuth("me", "x")
    async with (
        aiohttp.ClientSession(proxy=other.url, proxy_auth=who) as client,
        session_at(fake_exchange, client, proxy=proxy.url) as session,
    ):
        await call(session)
        assert_all_came_by(proxy, fake_exchange)
    assert not other.heads
    assert not [head for head in proxy.heads if "Proxy-Authorization" in head]


@pytest.mark.parametrize("lent", [False, True])
@every_way
async def test_a_secure_exchange_is_reached_through_a_tunnel(
    proxy: Proxy, call: Call, lent: bool
) -> None:
    async with FakeExchange(tls=True) as exchange:
        connector = aiohttp.TCPConnector(ssl=exchange.ssl_context)
        async with (
            aiohttp.ClientSession(connector=connector, proxy=proxy.url if lent else None) as client,
            session_at(exchange, client, proxy=None if lent else proxy.url) as session,
        ):
            await call(session)
            assert_all_came_by(proxy, exchange)
    assert all(head.startswith("CONNECT ") for head in proxy.heads)


@pytest.mark.parametrize("tls", [False, True])
@every_way
async def test_nothing_goes_past_a_proxy_that_refuses(proxy: Proxy, call: Call, tls: bool) -> None:
    proxy.refuses = True
    async with FakeExchange(tls=tls) as exchange:
        async with session_at(exchange, proxy=proxy.url) as session:
            with pytest.raises(FourcastersError, match=r"407|Who are you"):
                await call(session)
        assert not exchange.requests


@pytest.mark.parametrize("lent", [False, True])
@every_way
async def test_nothing_goes_past_a_proxy_that_is_not_there(
    fake_exchange: FakeExchange, call: Call, lent: bool
) -> None:
    async with Proxy() as gone:
        url = gone.url
    async with (
        aiohttp.ClientSession(proxy=url if lent else None) as client,
        session_at(fake_exchange, client, proxy=None if lent else url) as session,
    ):
        with pytest.raises(NotSentError):
            await call(session)
    assert not fake_exchange.requests


async def test_the_password_of_a_proxy_shows_nowhere(
    fake_exchange: FakeExchange, proxy: Proxy
) -> None:
    proxy.refuses = True
    url = URL(proxy.url).with_user("me").with_password("canary-password")
    async with (
        aiohttp.ClientSession(proxy=url) as client,
        session_at(fake_exchange, client) as session,
    ):
        with pytest.raises(FourcastersError) as caught:
            await session.cancel_all_orders()
    assert "canary" not in "".join([*everything_shown_of(caught.value), repr(session)])


async def test_a_proxy_with_a_password_is_refused_by_name_and_shows_nowhere() -> None:
    with pytest.raises(InvalidRequestError, match=r"^proxy: ") as caught:
        AsyncSession("token", proxy="http://me:canary-password@127.0.0.1:9")
    assert "canary" not in "".join(everything_shown_of(caught.value))


def signing(name: str) -> aiohttp.ClientMiddlewareType:
    async def sign(
        request: aiohttp.ClientRequest, handler: aiohttp.ClientHandlerType
    ) -> aiohttp.ClientResponse:
        request.headers[name] = "yes"
        return await handler(request)

    return sign


@every_way
async def test_middlewares_of_the_session_see_every_request(
    fake_exchange: FakeExchange, call: Call
) -> None:
    async with session_at(fake_exchange, middlewares=[signing("X-Mine")]) as session:
        await call(session)
    over_http = [r for r in fake_exchange.requests if r.headers]
    assert over_http
    assert all("X-Mine" in received.headers for received in over_http)


@pytest.mark.parametrize("middlewares", [[], [signing("X-Mine")]])
@every_way
async def test_middlewares_of_the_session_replace_those_of_the_client(
    fake_exchange: FakeExchange, call: Call, middlewares: list[aiohttp.ClientMiddlewareType]
) -> None:
    async with (
        aiohttp.ClientSession(middlewares=[signing("X-Theirs")]) as client,
        session_at(fake_exchange, client, middlewares=middlewares) as session,
    ):
        await call(session)
    over_http = [r for r in fake_exchange.requests if r.headers]
    assert not [received for received in over_http if "X-Theirs" in received.headers]
    assert all(("X-Mine" in received.headers) == bool(middlewares) for received in over_http)


async def replace(
    request: aiohttp.ClientRequest, handler: aiohttp.ClientHandlerType
) -> aiohttp.ClientResponse:
    """Put another body in the place of the library's, as what signs or encrypts does."""
    assert isinstance(request.body, aiohttp.Payload)
    await request.update_body(await request.body.as_bytes())
    return await handler(request)


async def repeat(
    request: aiohttp.ClientRequest, handler: aiohttp.ClientHandlerType
) -> aiohttp.ClientResponse:
    with suppress(aiohttp.ClientError):
        return await handler(request)
    return await handler(request)


@pytest.fixture(params=[False, True], ids=["of the session", "of the client"])
def lent(request: pytest.FixtureRequest) -> bool:
    """Whose the middlewares are."""
    return bool(request.param)


@asynccontextmanager
async def with_middleware(
    exchange: FakeExchange, middleware: aiohttp.ClientMiddlewareType, *, lent: bool
) -> AsyncIterator[AsyncSession]:
    async with (
        aiohttp.ClientSession(middlewares=[middleware]) as client,
        session_at(exchange, client)
        if lent
        else session_at(exchange, middlewares=[middleware]) as session,
    ):
        yield session


async def test_a_place_whose_body_a_middleware_replaces_is_sent_once_and_answered(
    fake_exchange: FakeExchange, lent: bool
) -> None:
    game = fake_exchange.add_game().game_id
    async with with_middleware(fake_exchange, replace, lent=lent) as session:
        (placed,) = await session.place([quote(game)])
    assert placed.unmatched is not None
    assert fake_exchange.received("place") == 1


@pytest.mark.parametrize("middleware", [replace, repeat])
async def test_a_place_that_was_lost_is_not_sent_again_whatever_a_middleware_does(
    fake_exchange: FakeExchange, lent: bool, middleware: aiohttp.ClientMiddlewareType
) -> None:
    game = fake_exchange.add_game().game_id
    fake_exchange.inject(faults.Close(committed=True), endpoint="place")
    async with with_middleware(fake_exchange, middleware, lent=lent) as session:
        with pytest.raises(OutcomeUnknownError):
            await session.place([quote(game)])
    assert fake_exchange.received("place") == 1


async def test_a_middleware_may_repeat_a_cancel(fake_exchange: FakeExchange, lent: bool) -> None:
    game = fake_exchange.add_game(orders=1).game_id
    fake_exchange.inject(faults.Close(), endpoint="cancelAllOrdersForGame")
    async with with_middleware(fake_exchange, repeat, lent=lent) as session:
        (result,) = await session.cancel_all_orders_for_game(game)
    assert result.success


async def test_what_a_middleware_answers_in_place_of_the_exchange_is_unknown(
    fake_exchange: FakeExchange, lent: bool
) -> None:
    kept: list[aiohttp.ClientResponse] = []

    async def answer(
        request: aiohttp.ClientRequest, handler: aiohttp.ClientHandlerType
    ) -> aiohttp.ClientResponse:
        if not kept:
            kept.append(await handler(request))
        return kept[0]

    game = fake_exchange.add_game().game_id
    async with with_middleware(fake_exchange, answer, lent=lent) as session:
        await session.place([quote(game)])
        with pytest.raises(OutcomeUnknownError):
            await session.place([quote(game)])
    assert fake_exchange.received("place") == 1


async def test_a_halt_stops_a_place_that_a_middleware_holds(
    fake_exchange: FakeExchange, lent: bool
) -> None:
    game = fake_exchange.add_game().game_id
    held = asyncio.Event()

    async def hold(
        request: aiohttp.ClientRequest, handler: aiohttp.ClientHandlerType
    ) -> aiohttp.ClientResponse:
        if request.url.path.endswith("place"):
            held.set()
            await asyncio.sleep(SECOND)
        return await replace(request, handler)

    async with with_middleware(fake_exchange, hold, lent=lent) as session:
        placing = asyncio.create_task(session.place([quote(game)]))
        await held.wait()
        assert (await session.halt([game])).verified_clear
        with pytest.raises(HaltedError):
            await placing
        await asyncio.sleep(2 * SECOND)
    assert fake_exchange.received("place") == 0


# Names without a public twin, and what a release of aiohttp without them is told at.


@pytest.mark.parametrize(
    ("name", "option"),
    [
        ("_default_proxy", "proxy"),
        ("_default_proxy_auth", "proxy"),
        ("_middlewares", "middlewares"),
    ],
)
async def test_a_client_that_hides_a_setting_is_refused_unless_the_session_has_its_own(
    name: str, option: str
) -> None:
    async with aiohttp.ClientSession() as client:
        delattr(client, name)
        with pytest.raises(InvalidRequestError, match=f"pass {option}=… to AsyncSession"):
            AsyncSession("token", client_session=client)
        AsyncSession("token", client_session=client, proxy="http://127.0.0.1:9", middlewares=[])


@pytest.mark.parametrize(
    ("where", "name"), [(StreamWriter, "protocol"), (ResponseHandler, "should_close")]
)
def test_an_aiohttp_that_hides_unread_bytes_is_refused_at_import(
    monkeypatch: pytest.MonkeyPatch, where: type, name: str
) -> None:
    monkeypatch.delattr(where, name)
    with pytest.raises(ImportError, match="with this release of aiohttp"):
        runpy.run_path(aiohttp_clients.__file__)


def test_an_aiohttp_that_hides_the_transport_of_a_socket_is_refused_at_import(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    class Writer:
        def __init__(self, *_: object) -> None: ...

    monkeypatch.setattr(http_websocket, "WebSocketWriter", Writer)
    with pytest.raises(ImportError, match="with this release of aiohttp"):
        runpy.run_path(buffered.__file__)


def test_this_aiohttp_is_not_refused() -> None:
    for module in (aiohttp_clients, buffered):
        runpy.run_path(str(module.__file__))
