"""The handshake of the Orders WebSocket: its token, its refusals, and how often it is tried."""

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import aiohttp
import pytest
from aiohttp import web
from attrs import evolve, frozen
from support import CANARY, ECHOES, PATIENT, QUICK, SECOND, everything_shown_of, until

from fourcasters_async import (
    ApiError,
    AsyncSession,
    AuthenticationError,
    ForbiddenError,
    FourcastersError,
    InvalidRequestError,
    NotSentError,
    OrdersSocket,
    OutcomeStatus,
    OutcomeUnknownError,
    RateLimit,
    RateLimitedError,
    RetryPolicy,
    ServerError,
    SessionClosedError,
)
from fourcasters_async.testing import FakeExchange, faults

NAME, PASSWORD = "trader", "correct horse"
GAME = "f" * 24


def session_at(
    exchange: FakeExchange,
    token: str | None = None,
    *,
    username: str | None = None,
    password: str | None = None,
    retry: RetryPolicy = PATIENT,
    timeout: float = 20.0,
    rate_limit: RateLimit | None = None,
    client: aiohttp.ClientSession | None = None,
) -> AsyncSession:
    return AsyncSession(
        token or (None if username else exchange.token),
        username=username,
        password=password,
        base_url=exchange.url,
        orders_url=exchange.orders_url,
        retry=retry,
        timeout=timeout,
        rate_limit=rate_limit,
        client_session=client,
    )


@asynccontextmanager
async def opened(session: AsyncSession) -> AsyncIterator[OrdersSocket]:
    async with session, session.orders_socket() as orders:
        yield orders


async def error_of(session: AsyncSession) -> BaseException:
    with pytest.raises(FourcastersError) as caught:
        async with opened(session):
            pytest.fail("it was entered")
    return caught.value


async def test_the_token_of_a_handshake_is_bare(fake_exchange: FakeExchange) -> None:
    async with session_at(fake_exchange) as session, session.orders_socket():
        handshake = fake_exchange.requests[0]
    assert (handshake.endpoint, handshake.headers["Authorization"]) == ("ws", fake_exchange.token)


async def test_the_token_stands_bare_on_the_handshake(fake_exchange: FakeExchange) -> None:
    async with opened(session_at(fake_exchange)):
        assert fake_exchange.sockets == 1
    assert fake_exchange.requests[0].headers["Authorization"] == fake_exchange.token
    await until(lambda: fake_exchange.sockets == 0)


async def test_a_dead_token_is_refused_once(fake_exchange: FakeExchange) -> None:
    error = await error_of(session_at(fake_exchange, "dead"))
    assert isinstance(error, AuthenticationError)
    assert fake_exchange.received() == fake_exchange.received("ws") == 1


async def test_a_dead_token_with_credentials_costs_one_login(fake_exchange: FakeExchange) -> None:
    fake_exchange.add_account(NAME, PASSWORD)
    session = session_at(fake_exchange, "dead", username=NAME, password=PASSWORD)
    async with opened(session) as orders:
        await orders.cancel_all_orders()
    received = [(r.endpoint, r.account) for r in fake_exchange.requests]
    assert received == [("ws", None), ("login", None), ("ws", NAME), ("cancelAll", NAME)]


async def test_a_wrong_password_is_tried_once(fake_exchange: FakeExchange) -> None:
    fake_exchange.add_account(NAME, PASSWORD)
    error = await error_of(session_at(fake_exchange, username=NAME, password="wrong"))
    assert isinstance(error, AuthenticationError)
    assert [r.endpoint for r in fake_exchange.requests] == ["login"]


async def test_reconnecting_after_a_token_has_died_logs_in_once_for_all_that_wait(
    fake_exchange: FakeExchange,
) -> None:
    fake_exchange.add_account(NAME, PASSWORD)
    games = [fake_exchange.add_game(orders=1, account=NAME).game_id for _ in range(30)]
    session = session_at(fake_exchange, username=NAME, password=PASSWORD)
    async with opened(session) as orders:
        for token, account in list(fake_exchange.book.tokens.items()):
            if account == NAME:
                fake_exchange.revoke(token)
        await fake_exchange.drop_sockets()
        report = await orders.cancel_all_orders_for_games(games)
    assert report.ok
    assert fake_exchange.received("login") == 2
    assert fake_exchange.received("ws") == 3


class WithFreshToken(faults.Fault):
    """The answer brings a token in place of the one that was used."""

    async def __call__(self, call: faults.Call) -> web.StreamResponse:
        response = faults.respond(call.commit())
        response.headers["X-Auth-Token"] = "fresh-token"
        return response


async def test_a_fresh_token_of_the_handshake_is_adopted_and_used_for_the_next_one(
    fake_exchange: FakeExchange,
) -> None:
    told: list[str] = []
    fake_exchange.book.tokens["fresh-token"] = fake_exchange.account
    fake_exchange.inject(WithFreshToken(), endpoint="ws")
    session = AsyncSession(
        fake_exchange.token,
        orders_url=fake_exchange.orders_url,
        base_url=fake_exchange.url,
        retry=PATIENT,
        on_token=told.append,
    )
    async with opened(session) as orders:
        await orders.cancel_all_orders()
        await fake_exchange.drop_sockets()
        await orders.cancel_all_orders()
        await session.account.get_unmatched()
    used = [r.headers["Authorization"] for r in fake_exchange.requests if r.endpoint == "ws"]
    assert told == ["fresh-token"]
    assert used == [fake_exchange.token, *told]
    assert fake_exchange.requests[-1].headers["Authorization"] == f"Bearer {told[0]}"


async def test_after_a_401_nothing_dials_again_before_somebody_wants_it(
    fake_exchange: FakeExchange,
) -> None:
    async with opened(session_at(fake_exchange)) as orders:
        fake_exchange.revoke(fake_exchange.token)
        await fake_exchange.drop_sockets()
        await until(lambda: not orders.connected)
        with pytest.raises(AuthenticationError):
            await orders.cancel_all_orders()
        dialled = fake_exchange.received("ws")
        # It has done with pauses, and waits for somebody.
        await until(lambda: bool(orders._socket._connections._wanted._waiters))
        assert fake_exchange.received("ws") == dialled
        report = await orders.cancel_all_orders_for_games([GAME])
        assert [outcome.status for outcome in report.outcomes] == [OutcomeStatus.REFUSED]
        assert fake_exchange.received("ws") == dialled + 1
    assert fake_exchange.received("cancelAll") == fake_exchange.received("cancelAllByGame") == 0


async def test_a_token_that_a_login_brings_mends_the_socket(fake_exchange: FakeExchange) -> None:
    fake_exchange.add_account(NAME, PASSWORD)
    session = session_at(fake_exchange)
    async with opened(session) as orders:
        fake_exchange.revoke(fake_exchange.token)
        await fake_exchange.drop_sockets()
        await until(lambda: not orders.connected)
        with pytest.raises(AuthenticationError):
            await orders.cancel_all_orders()
        await session.login(NAME, PASSWORD)
        assert await orders.cancel_all_orders() == []


async def test_a_throttled_handshake_says_how_long_to_wait(fake_exchange: FakeExchange) -> None:
    fake_exchange.inject(faults.TooManyRequests("30"), endpoint="ws", times=None)
    error = await error_of(session_at(fake_exchange))
    assert isinstance(error, RateLimitedError)
    assert error.retry_after == 30
    assert fake_exchange.received() == 1


async def test_a_throttled_handshake_is_repeated_when_the_exchange_says(
    fake_exchange: FakeExchange,
) -> None:
    fake_exchange.inject(faults.TooManyRequests("0"), endpoint="ws")
    async with opened(session_at(fake_exchange)):
        assert fake_exchange.received("ws") == 2


REFUSALS: list[tuple[faults.Fault, type[BaseException]]] = [
    (faults.Html(502), ServerError),
    (faults.Html(200), FourcastersError),
    (faults.Unavailable(), ServerError),
    (faults.Respond(b'{"error": "no"}', 403), ForbiddenError),
    (faults.Html(401), ApiError),
    (faults.Html(403), ApiError),
    (faults.Html(428), ApiError),
    (faults.Respond(b'{"data": {}}', 200), FourcastersError),
    (faults.Redirect("https://elsewhere.example/orders/ws"), FourcastersError),
    (faults.Close(), FourcastersError),
    (faults.Reset(), FourcastersError),
    (faults.Garbage(), FourcastersError),
    (faults.Truncate(), FourcastersError),
    (faults.Stall(), FourcastersError),
    (faults.StallBody(), FourcastersError),
    (faults.DripBody(pause=1.0), FourcastersError),
    (faults.GzipBomb(2**24), FourcastersError),
    (faults.Oversized(2**20), FourcastersError),
]


@pytest.mark.parametrize(("fault", "cause"), REFUSALS, ids=repr)
async def test_a_handshake_that_fails_is_provably_not_sent_and_says_why(
    fake_exchange: FakeExchange, fault: faults.Fault, cause: type[BaseException]
) -> None:
    fake_exchange.inject(fault, endpoint="ws", times=None)
    error = await error_of(session_at(fake_exchange, retry=QUICK))
    assert type(error) is NotSentError
    assert isinstance(error.__cause__, cause)


PASSING = [fault for fault, cause in REFUSALS if cause is not ForbiddenError]


@pytest.mark.parametrize("fault", PASSING, ids=repr)
async def test_a_handshake_that_fails_once_is_repeated(
    fake_exchange: FakeExchange, fault: faults.Fault
) -> None:
    fake_exchange.inject(fault, endpoint="ws")
    async with opened(session_at(fake_exchange, retry=evolve(QUICK, attempt_timeout=10 * SECOND))):
        assert fake_exchange.received("ws") == 2


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
async def test_a_redirect_of_the_handshake_is_not_followed(
    fake_exchange: FakeExchange, status: int
) -> None:
    async with FakeExchange() as elsewhere:
        for location in (elsewhere.url, elsewhere.orders_url):
            fake_exchange.clear_faults()
            redirect = faults.Redirect(f"{location}/x", status)
            fake_exchange.inject(redirect, endpoint="ws", times=None)
            await error_of(session_at(fake_exchange))
        assert not elsewhere.requests


async def test_a_refused_connection_is_not_sent(fake_exchange: FakeExchange) -> None:
    async with fake_exchange.refusing():
        assert type(await error_of(session_at(fake_exchange))) is NotSentError


async def test_entering_ends_in_the_time_limit(fake_exchange: FakeExchange) -> None:
    fake_exchange.inject(faults.Stall(), endpoint="ws", times=None)
    assert type(await error_of(session_at(fake_exchange, timeout=SECOND))) is NotSentError


async def test_without_a_token_nothing_is_dialled(fake_exchange: FakeExchange) -> None:
    session = AsyncSession(orders_url=fake_exchange.orders_url)
    assert isinstance(await error_of(session), InvalidRequestError)
    assert not fake_exchange.requests


async def test_the_rate_limit_counts_handshakes_and_no_messages(
    fake_exchange: FakeExchange,
) -> None:
    limit = RateLimit(requests=3, window=3600, reserve=1)
    async with opened(session_at(fake_exchange, rate_limit=limit)) as orders:
        for _ in range(10):
            await orders.cancel_all_orders()
        await fake_exchange.drop_sockets()
        await orders.cancel_all_orders()
        assert limit.give_up(asyncio.get_running_loop().time()).__len__() == 2


async def test_without_a_place_in_the_rate_limit_a_verb_is_not_sent(
    fake_exchange: FakeExchange,
) -> None:
    limit = RateLimit(requests=1, window=3600, reserve=0)
    async with opened(session_at(fake_exchange, rate_limit=limit, timeout=2 * SECOND)) as orders:
        await fake_exchange.drop_sockets()
        await until(lambda: not orders.connected)
        with pytest.raises(NotSentError):
            await orders.cancel_all_orders()
    assert fake_exchange.received() == 1


@frozen
class Slam(faults.Fault):
    """The handshake is accepted, and the connection is aborted at once."""

    async def __call__(self, call: faults.Call) -> web.StreamResponse:
        assert isinstance(call, faults.HttpCall)
        loop = asyncio.get_running_loop()
        loop.call_later(0.001, call.hang_up)
        return faults.respond(call.commit())


async def test_an_exchange_that_drops_every_connection_is_not_hammered(
    fake_exchange: FakeExchange,
) -> None:
    calm = RetryPolicy(backoff_base=0.2, backoff_cap=0.2)
    fake_exchange.inject(Slam(), endpoint="ws", times=None)
    drawn: list[int] = []

    async with opened(session_at(fake_exchange, retry=calm)):
        backoff = RetryPolicy.backoff

        def noted(policy: RetryPolicy, failures: int) -> float:
            drawn.append(failures)
            return backoff(policy, failures, lambda _, most: most / 50)

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(RetryPolicy, "backoff", noted)
            await until(lambda: len(drawn) >= 5)
    # A pause before each handshake but the first, and each time one failure more.
    assert drawn == list(range(drawn[0], drawn[0] + len(drawn)))
    assert fake_exchange.received("ws") <= len(drawn) + 2


async def test_a_connection_that_is_lost_is_made_anew_at_once(fake_exchange: FakeExchange) -> None:
    never = RetryPolicy(backoff_base=3600.0, backoff_cap=3600.0)
    async with opened(session_at(fake_exchange, retry=never, timeout=5.0)) as orders:
        await fake_exchange.drop_sockets()
        assert await orders.cancel_all_orders() == []


async def test_connections_that_do_not_last_are_made_anew_after_a_pause(
    fake_exchange: FakeExchange,
) -> None:
    never = RetryPolicy(backoff_base=3600.0, backoff_cap=3600.0)
    fake_exchange.inject(faults.CloseCode(1012), endpoint="cancelAll", times=None)
    async with opened(session_at(fake_exchange, retry=never, timeout=5 * SECOND)) as orders:
        with pytest.raises(OutcomeUnknownError):
            await orders.cancel_all_orders()
        with pytest.raises(NotSentError):
            await orders.cancel_all_orders()
    assert fake_exchange.received("ws") == 2


async def test_the_connector_of_the_caller_is_used_and_left_open(
    fake_exchange: FakeExchange,
) -> None:
    connector = aiohttp.TCPConnector()
    async with aiohttp.ClientSession(connector=connector) as client:
        async with opened(session_at(fake_exchange, client=client)) as orders:
            assert len(connector._acquired) == 1
            await orders.cancel_all_orders()
        assert not client.closed
        assert not connector.closed
        assert not connector._acquired


async def test_no_cookie_of_the_caller_goes_with_the_handshake(
    fake_exchange: FakeExchange,
) -> None:
    jar = aiohttp.CookieJar(unsafe=True)
    jar.update_cookies({"auth": "somebody else's"})
    async with (
        aiohttp.ClientSession(cookie_jar=jar) as client,
        opened(session_at(fake_exchange, client=client)),
    ):
        assert "Cookie" not in fake_exchange.requests[0].headers


async def test_the_middlewares_and_the_traces_of_the_caller_see_the_handshake(
    fake_exchange: FakeExchange,
) -> None:
    seen: list[str] = []

    async def sign(
        request: aiohttp.ClientRequest, handler: aiohttp.ClientHandlerType
    ) -> aiohttp.ClientResponse:
        request.headers["X-Signed"] = "yes"
        return await handler(request)

    async def note(_: object, __: object, params: aiohttp.TraceRequestStartParams) -> None:
        seen.append(params.url.path)

    trace = aiohttp.TraceConfig()
    trace.on_request_start.append(note)
    async with (
        aiohttp.ClientSession(middlewares=[sign], trace_configs=[trace]) as client,
        opened(session_at(fake_exchange, client=client)),
    ):
        assert fake_exchange.requests[0].headers["X-Signed"] == "yes"
    assert seen == ["/orders/ws"]


async def test_a_client_session_that_the_caller_closed_dials_nothing(
    fake_exchange: FakeExchange,
) -> None:
    client = aiohttp.ClientSession()
    await client.close()
    error = await error_of(session_at(fake_exchange, client=client))
    assert isinstance(error, SessionClosedError)
    assert not fake_exchange.requests


async def test_a_client_session_that_the_caller_closes_takes_the_socket_with_it(
    fake_exchange: FakeExchange,
) -> None:
    client = aiohttp.ClientSession()
    async with opened(session_at(fake_exchange, client=client)) as orders:
        await client.close()
        with pytest.raises(FourcastersError):
            await orders.cancel_all_orders()
    assert fake_exchange.received("ws") == 1


async def test_a_secure_exchange_is_reached_through_the_caller_s_connector() -> None:
    async with FakeExchange(tls=True) as exchange:
        game = exchange.add_game(orders=3).game_id
        connector = aiohttp.TCPConnector(ssl=exchange.ssl_context)
        async with (
            aiohttp.ClientSession(connector=connector) as client,
            opened(session_at(exchange, client=client)) as orders,
        ):
            assert len(await orders.cancel_all_orders_for_game(game)) == 3


async def test_a_certificate_that_nobody_trusts_is_provably_not_sent() -> None:
    async with FakeExchange(tls=True) as exchange:
        error = await error_of(session_at(exchange))
        assert type(error) is NotSentError
        assert not exchange.requests


SECRETIVE = [
    *[fault for fault, _ in REFUSALS],
    faults.Unauthorized(),
    faults.TooManyRequests("30"),
    *[faults.Respond(body, status) for body in ECHOES for status in (200, 400, 401, 403, 503)],
]


@pytest.mark.parametrize("fault", SECRETIVE, ids=lambda fault: repr(fault)[:60])
async def test_the_token_is_in_nothing_that_a_failed_handshake_shows(
    canary: FakeExchange, caplog: pytest.LogCaptureFixture, fault: faults.Fault
) -> None:
    caplog.set_level(logging.DEBUG)
    canary.inject(fault, endpoint="ws", times=None)
    session = session_at(canary, retry=QUICK)
    error = await error_of(session)
    shown = "\n".join([*everything_shown_of(error), repr(session), caplog.text])
    assert CANARY[: len(CANARY) // 2] not in shown.replace(r"\u002d", "-")


FRAMES = [
    faults.Close(),
    faults.Reset(),
    faults.Stall(),
    faults.HalfOpen(),
    faults.CloseCode(1008),
    faults.Garbage(),
    faults.Truncate(),
    faults.Oversized(2**20),
    faults.UnknownID(),
    faults.Unavailable(),
    faults.Unauthorized(),
    faults.TooManyRequests(),
    faults.Respond(b'{"data": null}'),
    faults.Respond(b'{"data": [{"success": "true"}]}'),
    faults.Respond(b'{"data": [{"success": 1, "gameID": "' + CANARY.encode() + b'"}]}'),
    *map(faults.Respond, ECHOES),
]


@pytest.mark.parametrize("fault", FRAMES, ids=lambda fault: repr(fault)[:60])
async def test_the_token_is_in_nothing_that_a_failed_message_shows(
    canary: FakeExchange,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
    fault: faults.Fault,
) -> None:
    monkeypatch.setattr("fourcasters_async._websocket.handshake._FRAME_LIMIT", 2**19)
    caplog.set_level(logging.DEBUG)
    async with opened(session_at(canary, retry=QUICK)) as orders:
        canary.inject(fault, endpoint="cancelAllByGame", times=None)
        with pytest.raises(FourcastersError) as single:
            await orders.cancel_all_orders_for_game(GAME)
        report = await orders.cancel_all_orders_for_games([GAME])
        error = report.outcomes[0].error
        assert error is not None
        shown = [*everything_shown_of(single.value), *everything_shown_of(error), repr(report)]
        shown += [repr(orders), repr(orders._socket._connections._current), caplog.text]
    assert CANARY[: len(CANARY) // 2] not in "\n".join(shown).replace(r"\u002d", "-")
