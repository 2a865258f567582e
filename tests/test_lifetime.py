"""The life of a session: made without a loop, closed once and for good, never leaking."""

import asyncio
import gc
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack

import aiohttp
import pytest
from aiohttp import web
from support import QUICK, SECOND, until

from fourcasters_async import (
    AsyncSession,
    FourcastersError,
    OutcomeStatus,
    OutcomeUnknownError,
    RateLimit,
    RetryPolicy,
    SessionClosedError,
)
from fourcasters_async.orders.heartbeat import heartbeat_request
from fourcasters_async.testing import FakeExchange, faults

GAME = "688c0516fbc14da0c202d426"


def test_making_a_session_needs_no_event_loop_and_leaves_nothing_open() -> None:
    session = AsyncSession("token")
    assert session.base_url == "https://api.4casters.io"
    del session
    gc.collect()


async def test_closing_twice_is_closing_once(session: AsyncSession) -> None:
    await session.close()
    await session.close()


async def test_a_closed_session_says_so_whatever_is_asked_of_it(
    fake_exchange: FakeExchange, session: AsyncSession
) -> None:
    await session.close()
    with pytest.raises(SessionClosedError):
        await session.cancel_all_orders_for_game(GAME)
    with pytest.raises(SessionClosedError):
        await session.cancel_all_orders_for_games([GAME])
    with pytest.raises(SessionClosedError):
        await session.cancel_multiple(["f" * 24])
    with pytest.raises(SessionClosedError):
        await session.account.get_unmatched()
    with pytest.raises(SessionClosedError):
        async with session:
            pass
    assert not fake_exchange.requests


async def test_leaving_the_block_closes_the_session(fake_exchange: FakeExchange) -> None:
    async with AsyncSession(fake_exchange.token, base_url=fake_exchange.url) as session:
        await session.account.get_unmatched()
    with pytest.raises(SessionClosedError):
        await session.account.get_unmatched()


async def test_a_session_can_be_used_without_a_block(fake_exchange: FakeExchange) -> None:
    session = AsyncSession(fake_exchange.token, base_url=fake_exchange.url)
    assert await session.account.get_unmatched() == []
    await session.close()


async def test_the_environment_makes_a_session(
    fake_exchange: FakeExchange, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FOURCASTERS_TOKEN", fake_exchange.token)
    monkeypatch.setenv("FOURCASTERS_BASE_URL", fake_exchange.url)
    async with AsyncSession.from_env(timeout=5) as session:
        assert await session.account.get_unmatched() == []


async def test_proxies_of_the_environment_are_not_used(
    fake_exchange: FakeExchange, session: AsyncSession, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    assert await session.account.get_unmatched() == []


async def test_closing_in_flight_leaves_nothing_running_and_loses_no_game(
    fake_exchange: FakeExchange,
) -> None:
    single, *games = [fake_exchange.add_game(orders=1).game_id for _ in range(6)]
    fake_exchange.inject(faults.Stall(), times=None)
    session = AsyncSession(
        fake_exchange.token, base_url=fake_exchange.url, max_connections=2, retry=QUICK
    )
    one = asyncio.create_task(session.cancel_all_orders_for_game(single))
    many = asyncio.create_task(session.cancel_all_orders_for_games(games))
    await until(lambda: fake_exchange.received() == 3)
    await session.close()
    with pytest.raises(OutcomeUnknownError):
        await one
    report = await many
    assert [outcome.game_id for outcome in report.outcomes] == games
    assert [o.game_id for o in report.unknown] == [r.game_id for r in fake_exchange.requests][1:]
    assert len(report.unknown) + len(report.not_sent) == len(games)


@pytest.mark.parametrize("waits_for", ["backoff", "hold", "rate limit"])
async def test_closing_ends_every_wait(fake_exchange: FakeExchange, waits_for: str) -> None:
    game = fake_exchange.add_game().game_id
    limit = RateLimit(requests=1 if waits_for == "rate limit" else 100, window=3600, reserve=0)
    session = AsyncSession(
        fake_exchange.token,
        base_url=fake_exchange.url,
        timeout=3600,
        retry=RetryPolicy(backoff_base=3600, backoff_cap=3600, retry_after_cap=3600),
        rate_limit=limit,
    )
    if waits_for == "backoff":
        fake_exchange.inject(faults.Html(502), times=None)
    elif waits_for == "hold":
        fake_exchange.inject(faults.TooManyRequests("3599"), times=None)
    else:
        await session.cancel_all_orders_for_game(game)
    seen = fake_exchange.received()
    call = asyncio.create_task(session.cancel_all_orders_for_game(game))
    await until(lambda: fake_exchange.received() > seen or waits_for == "rate limit")
    await until(lambda: bool(session._http._resting))
    await session.close()
    with pytest.raises(FourcastersError):
        await call


@pytest.fixture
async def client() -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession() as client:
        yield client


def borrowing(exchange: FakeExchange, client: aiohttp.ClientSession) -> AsyncSession:
    return AsyncSession(
        exchange.token,
        base_url=exchange.url,
        orders_url=exchange.orders_url,
        client_session=client,
        retry=QUICK,
    )


async def test_a_client_session_of_the_caller_is_used_and_left_open(
    fake_exchange: FakeExchange,
) -> None:
    async with aiohttp.ClientSession(headers={"X-Mine": "yes"}) as client:
        async with borrowing(fake_exchange, client) as session:
            await session.account.get_unmatched()
        assert not client.closed
    assert fake_exchange.requests[0].headers["X-Mine"] == "yes"


async def test_a_client_session_that_the_caller_closed_sends_nothing(
    fake_exchange: FakeExchange,
) -> None:
    client = aiohttp.ClientSession()
    await client.close()
    session = borrowing(fake_exchange, client)
    with pytest.raises(SessionClosedError):
        await session.cancel_all_orders_for_game(GAME)


async def test_settings_of_the_caller_do_not_change_what_is_raised(
    fake_exchange: FakeExchange,
) -> None:
    fake_exchange.inject(faults.Unavailable(), times=None)
    async with aiohttp.ClientSession(
        raise_for_status=True, base_url="https://elsewhere.example"
    ) as client:
        with pytest.raises(OutcomeUnknownError):
            await borrowing(fake_exchange, client).cancel_all_orders_for_game(GAME)


async def test_no_cookie_of_one_account_goes_with_the_request_of_another(
    fake_exchange: FakeExchange,
) -> None:
    def jar() -> aiohttp.CookieJar:
        jar = aiohttp.CookieJar(unsafe=True)
        jar.update_cookies({"auth": "somebody else's"})
        return jar

    async with aiohttp.ClientSession(cookie_jar=jar()) as client:
        await borrowing(fake_exchange, client).account.get_unmatched()
        assert "Cookie" not in fake_exchange.requests[0].headers
        assert len(client.cookie_jar) == 1


async def test_middlewares_of_the_caller_are_kept(fake_exchange: FakeExchange) -> None:
    async def sign(
        request: aiohttp.ClientRequest, handler: aiohttp.ClientHandlerType
    ) -> aiohttp.ClientResponse:
        request.headers["X-Signed"] = "yes"
        return await handler(request)

    async with aiohttp.ClientSession(middlewares=[sign]) as client:
        await borrowing(fake_exchange, client).account.get_unmatched()
    assert fake_exchange.requests[0].headers["X-Signed"] == "yes"


async def test_traces_of_the_caller_see_the_requests(fake_exchange: FakeExchange) -> None:
    seen: list[str] = []

    async def note(_: object, __: object, params: aiohttp.TraceRequestStartParams) -> None:
        seen.append(params.url.path)

    trace = aiohttp.TraceConfig()
    trace.on_request_start.append(note)
    async with aiohttp.ClientSession(trace_configs=[trace]) as client:
        await borrowing(fake_exchange, client).account.get_unmatched()
    assert seen == ["/user/getUnmatched"]


async def test_an_exchange_with_tls_is_reached_through_the_caller_s_connector() -> None:
    async with FakeExchange(tls=True) as exchange:
        game = exchange.add_game(orders=3).game_id
        connector = aiohttp.TCPConnector(ssl=exchange.ssl_context)
        async with aiohttp.ClientSession(connector=connector) as client:
            report = await borrowing(exchange, client).cancel_all_orders_for_games([game])
        assert report.ok
        assert not exchange.open_orders()


async def test_a_certificate_that_nobody_trusts_is_provably_not_sent() -> None:
    async with (
        FakeExchange(tls=True) as exchange,
        AsyncSession(exchange.token, base_url=exchange.url, retry=QUICK) as session,
    ):
        report = await session.cancel_all_orders_for_games([GAME])
        assert report.outcomes[0].status is OutcomeStatus.NOT_SENT
        assert not exchange.requests


async def test_the_session_works_inside_a_web_backend(fake_exchange: FakeExchange) -> None:
    session = AsyncSession(fake_exchange.token, base_url=fake_exchange.url)
    game = fake_exchange.add_game(orders=2).game_id

    async def kill(_: web.Request) -> web.Response:
        report = await session.cancel_all_orders_for_games([game], verify=True)
        return web.json_response({"clear": report.verified_clear})

    app = web.Application()
    app.router.add_post("/kill", kill)
    app.on_cleanup.append(lambda _: session.close())
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    host, port = runner.addresses[0][:2]
    async with (
        aiohttp.ClientSession() as user,
        user.post(f"http://{host}:{port}/kill") as response,
    ):
        assert await response.json() == {"clear": True}
    await runner.cleanup()


async def test_closing_at_any_turn_loses_no_connection_of_the_caller(
    fake_exchange: FakeExchange, client: aiohttp.ClientSession
) -> None:
    connector = client.connector
    assert connector is not None
    turns, finished = 0, False
    while not finished:
        # Each time the connection has to be made.
        connector._conns.clear()
        session = borrowing(fake_exchange, client)
        call = asyncio.create_task(session.account.get_unmatched())
        for _ in range(turns):
            await asyncio.sleep(0)
        finished = call.done()
        await session.close()
        await asyncio.wait([call])
        assert call.exception() is None or isinstance(call.exception(), FourcastersError)
        assert not connector._acquired
        turns += 1
    assert turns > 10


async def send(session: AsyncSession) -> object:
    return await session.cancel_all_orders()


async def fan_out(session: AsyncSession) -> object:
    return await session.cancel_all_orders_for_games([GAME])


async def dial(session: AsyncSession) -> None:
    async with session.orders_socket():
        pass


async def beat(session: AsyncSession) -> None:
    async with session.dead_man_switch(30):
        pass


@pytest.mark.parametrize("call", [send, fan_out, dial, beat, AsyncSession.flatten])
async def test_once_the_caller_has_closed_the_client_every_verb_says_that_it_is_closed(
    fake_exchange: FakeExchange, call: Callable[[AsyncSession], Awaitable[object]]
) -> None:
    client = aiohttp.ClientSession()
    async with borrowing(fake_exchange, client) as session:
        await session.account.get_me()
        await client.close()
        with pytest.raises(SessionClosedError):
            await call(session)
    assert fake_exchange.received() == 1


async def test_once_the_caller_has_closed_the_client_an_open_socket_says_that_it_is_closed(
    fake_exchange: FakeExchange,
) -> None:
    client = aiohttp.ClientSession()
    async with borrowing(fake_exchange, client) as session, session.orders_socket() as orders:
        await orders.cancel_all_orders()
        await client.close()
        for _ in range(2):
            with pytest.raises(SessionClosedError):
                await orders.cancel_all_orders()
            with pytest.raises(SessionClosedError):
                await orders.cancel_all_orders_for_games([GAME])
            await asyncio.sleep(SECOND)
    assert [r.endpoint for r in fake_exchange.requests] == ["ws", "cancelAll"]


async def test_connections_that_fell_silent_are_not_kept_once_they_are_closed(
    fake_exchange: FakeExchange,
) -> None:
    fake_exchange.inject(faults.Stall(), times=None)
    async with AsyncSession(
        fake_exchange.token,
        base_url=fake_exchange.url,
        retry=RetryPolicy(max_attempts=1, attempt_timeout=SECOND),
    ) as session:
        for _ in range(5):
            with pytest.raises(OutcomeUnknownError):
                await session.account.get_me()
        assert not session._http._pool._retired


async def test_what_a_switch_opens_while_the_session_closes_sends_nothing(
    fake_exchange: FakeExchange, session: AsyncSession
) -> None:
    async with AsyncExitStack() as stack:
        await session.close()
        http = session._transports._http_for_beats(stack, 30, 20)
        with pytest.raises(SessionClosedError):
            await http.call(heartbeat_request(30))
    assert not fake_exchange.requests
