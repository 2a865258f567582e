"""What a client that the caller lends may be made with: it works, or the session refuses it."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from support import QUICK, VERBS, Verb, quote

from fourcasters_async import AsyncSession, InvalidRequestError, NotSentError, RetryPolicy
from fourcasters_async.testing import FakeExchange

ODD: dict[str, Callable[[], dict[str, Any]]] = {
    "auth": lambda: {"auth": aiohttp.BasicAuth("somebody", "else")},
    "trust_env": lambda: {"trust_env": True},
    "auto_decompress": lambda: {"auto_decompress": False},
    "raise_for_status": lambda: {"raise_for_status": True},
    "timeout": lambda: {"timeout": aiohttp.ClientTimeout(total=1e-9)},
    "version": lambda: {"version": aiohttp.HttpVersion10},
    "read_bufsize": lambda: {"read_bufsize": 1},
    "json_serialize": lambda: {"json_serialize": lambda _: "nonsense"},
    "base_url": lambda: {"base_url": "http://127.0.0.1:9/elsewhere/"},
    "no content type": lambda: {"skip_auto_headers": ["Content-Type", "User-Agent"]},
    "cookies": lambda: {"cookies": {"X-Auth-Token": "another"}},
    **{
        f"header {name}": lambda name=name, value=value: {"headers": {name: value}}  # type: ignore[misc]  # mypy does not infer the defaults
        for name, value in {
            "Authorization": "Basic nonsense",
            "Expect": "100-continue",
            "Content-Type": "text/plain",
            "Content-Length": "3",
            "Content-Encoding": "gzip",
            "Transfer-Encoding": "chunked",
            "Accept-Encoding": "br",
            "Range": "bytes=0-1",
            "If-None-Match": "*",
            "Connection": "close",
            "Host": "another.example",
            "Cookie": "a=b",
        }.items()
    },
}


@pytest.fixture
def netrc(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "netrc"
    file.write_text("default login anonymous password me@example.org\n")
    file.chmod(0o600)
    monkeypatch.setenv("NETRC", str(file))
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ws_proxy"):
        monkeypatch.delenv(name, raising=False)


@asynccontextmanager
async def session_on(
    exchange: FakeExchange, retry: RetryPolicy = QUICK, **options: Any
) -> AsyncIterator[AsyncSession]:
    async with (
        aiohttp.ClientSession(**options) as client,
        AsyncSession(
            exchange.token,
            base_url=exchange.url,
            orders_url=exchange.orders_url,
            client_session=client,
            retry=retry,
        ) as session,
    ):
        yield session


@pytest.mark.filterwarnings("ignore:(BasicAuth|The 'auth' parameter) is deprecated")
@pytest.mark.usefixtures("netrc")
@pytest.mark.parametrize("options", ODD.values(), ids=ODD)
@pytest.mark.parametrize("verb", [VERBS[0], VERBS[5], VERBS[-1]], ids=str)
async def test_what_a_client_is_made_with_does_not_come_between_a_cancel_and_the_exchange(
    fake_exchange: FakeExchange, options: Callable[[], dict[str, Any]], verb: Verb
) -> None:
    order = fake_exchange.book.place(fake_exchange.account, fake_exchange.add_game().game_id)
    async with session_on(fake_exchange, **options()) as session:
        await verb(session, order)
    assert fake_exchange.received(verb.endpoint) == 1
    assert not fake_exchange.open_orders(order.game_id)


@pytest.mark.filterwarnings("ignore:(BasicAuth|The 'auth' parameter) is deprecated")
@pytest.mark.usefixtures("netrc")
@pytest.mark.parametrize("options", ODD.values(), ids=ODD)
async def test_what_a_client_is_made_with_does_not_come_between_a_place_and_the_exchange(
    fake_exchange: FakeExchange, options: Callable[[], dict[str, Any]]
) -> None:
    game = fake_exchange.add_game().game_id
    async with session_on(fake_exchange, **options()) as session:
        await session.place([quote(game)])
        assert len(await session.account.get_unmatched()) == 1


@pytest.mark.parametrize("raised", [RuntimeError("odd"), ConnectionError("odd"), TimeoutError()])
async def test_what_a_tracing_hook_keeps_from_leaving_is_not_sent(
    fake_exchange: FakeExchange, raised: Exception
) -> None:
    async def fail(*_: object) -> None:
        raise raised

    hooks = aiohttp.TraceConfig()
    hooks.on_request_start.append(fail)
    game = fake_exchange.add_game().game_id
    async with session_on(fake_exchange, trace_configs=[hooks]) as session:
        with pytest.raises(NotSentError):
            await session.place([quote(game)])
    assert fake_exchange.received() == 0


async def test_a_tracing_hook_holds_no_request_back_before_its_body(
    fake_exchange: FakeExchange,
) -> None:
    async def expect(_: object, __: object, start: aiohttp.TraceRequestStartParams) -> None:
        start.headers["Expect"] = "100-continue"

    hooks = aiohttp.TraceConfig()
    hooks.on_request_start.append(expect)
    async with session_on(fake_exchange, trace_configs=[hooks]) as session:
        assert await session.cancel_all_orders() == []


class Silent:
    """A server that notes the requests to it, and hangs up without a word."""

    def __init__(self) -> None:
        self.heads: list[bytes] = []

    async def __call__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.heads.append(await reader.readline())
        writer.close()


async def test_the_proxy_of_the_environment_is_used_by_a_client_that_trusts_it(
    fake_exchange: FakeExchange, monkeypatch: pytest.MonkeyPatch
) -> None:
    proxy = Silent()
    server = await asyncio.start_server(proxy, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    monkeypatch.setenv("http_proxy", f"http://127.0.0.1:{port}")
    monkeypatch.setenv("no_proxy", "")
    async with server, session_on(fake_exchange, trust_env=True) as session:
        with pytest.raises(Exception, match="cancelAllOrders"):
            await session.cancel_all_orders()
    assert proxy.heads[0].startswith(b"POST http://127.0.0.1:")
    assert fake_exchange.received() == 0


async def test_a_proxy_of_the_environment_that_is_no_address_is_refused_with_the_session(
    fake_exchange: FakeExchange, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("http_proxy", "http://[me:secret")
    async with aiohttp.ClientSession(trust_env=True) as client:
        with pytest.raises(InvalidRequestError, match="names a proxy that is no address"):
            AsyncSession("token", base_url=fake_exchange.url, client_session=client)


async def test_a_client_that_trusts_the_environment_reaches_the_exchange_past_a_no_proxy(
    fake_exchange: FakeExchange, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    async with session_on(fake_exchange, trust_env=True) as session:
        assert await session.cancel_all_orders() == []
