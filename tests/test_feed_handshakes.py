"""The connections and replays of the feeds: refusals, outages and new tokens, and what is told."""

import asyncio
import logging
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager, suppress
from typing import Any

import aiohttp
import pytest
from aiohttp import web
from aiohttp.abc import AbstractResolver, ResolveResult
from attrs import evolve, frozen
from support import CANARY, ECHOES, QUICK, SECOND, everything_shown_of, until

from fourcasters_async import (
    AsyncSession,
    AuthenticationError,
    ForbiddenError,
    FourcastersError,
    NotSentError,
    RateLimitedError,
    RetryPolicy,
)
from fourcasters_async.testing import FakeExchange, faults
from fourcasters_async.testing.rest import TOKEN_LIFE

NAME, PASSWORD = "trader", "correct horse"
# Each attempt fails by itself, and all are over before anything else can happen.
PASSING = evolve(QUICK, attempt_timeout=10 * SECOND)


@frozen
class Feed:
    """A feed, the endpoint of its handshake, and how it is seen to work."""

    endpoint: str
    open: Callable[[AsyncSession], AbstractAsyncContextManager[Any]]
    is_up: Callable[[Any], bool]


FEEDS = {
    "user_feed": Feed("user", lambda session: session.user_feed(), lambda feed: feed.live),
    "price_feed": Feed(
        "price-stream", lambda session: session.price_feed(), lambda feed: feed.connected
    ),
    "live_orders": Feed(
        "user", lambda session: session.live_orders(), lambda orders: orders.current
    ),
}
REPLAYED = [FEEDS["user_feed"], FEEDS["live_orders"]]


@pytest.fixture(params=list(FEEDS.values()), ids=list(FEEDS))
def feed(request: pytest.FixtureRequest) -> Feed:
    chosen: Feed = request.param
    return chosen


@pytest.fixture(params=REPLAYED, ids=["user_feed", "live_orders"])
def replayed(request: pytest.FixtureRequest) -> Feed:
    chosen: Feed = request.param
    return chosen


def session_at(exchange: FakeExchange, token: str | None = None, **options: Any) -> AsyncSession:
    options = {"retry": QUICK, "streaming_url": exchange.streaming_url, **options}
    return AsyncSession(
        token or (None if "username" in options else exchange.token),
        base_url=exchange.url,
        orders_url=exchange.orders_url,
        read_lag=0.05,
        **options,
    )


@asynccontextmanager
async def up(session: AsyncSession, feed: Feed) -> AsyncIterator[Any]:
    """Give a feed of a session once it works."""
    async with session, feed.open(session) as opened:
        await until(lambda: feed.is_up(opened))
        yield opened


async def error_of(session: AsyncSession, feed: Feed) -> FourcastersError:
    """Return why a feed cannot be opened."""
    with pytest.raises(FourcastersError) as caught:
        async with session, feed.open(session):
            pytest.fail("it was entered")
    return caught.value


async def hears(exchange: FakeExchange, stream: Any) -> None:
    """Place orders until a feed tells of one: not each tells what happened while it was down."""
    game = exchange.add_game()
    async with asyncio.timeout(600 * SECOND):
        while True:
            order = exchange.book.place(exchange.account, game.game_id)
            with suppress(TimeoutError):
                async with asyncio.timeout(SECOND):
                    while order.order_id not in str((await anext(stream)).to_dict()):
                        pass
                    return


async def is_connected_again(exchange: FakeExchange, endpoint: str) -> None:
    """Lose the connection, and wait for the next: what was on its way may still be heard."""
    before = exchange.received(endpoint)
    await exchange.drop_sockets()
    await exchange.wait_for(endpoint, before + 1)


async def end_of(stream: Any) -> None:
    """Take what a feed still tells, until it raises why there is nothing more."""
    async for _ in stream:
        pass


def revoke_all(exchange: FakeExchange, account: str) -> None:
    for token, owner in list(exchange.book.tokens.items()):
        if owner == account:
            exchange.revoke(token)


# What passes, and is no word of the exchange's about the account.
PASSING_FAULTS = [
    faults.Unavailable(),
    faults.Unavailable(object_form=False),
    faults.Html(200),
    faults.Html(401),
    faults.Html(403),
    faults.Html(429),
    faults.Html(502),
    faults.Respond(b'{"data": {}}', 200),
    faults.Respond(b'{"error": "no"}', 500),
    faults.TooManyRequests(),
    faults.Redirect("https://elsewhere.example/v2/user"),
    faults.Close(),
    faults.Reset(),
    faults.Garbage(),
    faults.Truncate(),
    faults.Stall(),
    faults.StallBody(),
]
FINAL = [
    (faults.Unauthorized(), AuthenticationError),
    (faults.Respond(b'{"error": "InvalidCredentials"}', 401), AuthenticationError),
    (faults.Respond(b'{"error": {"message": "banned", "code": 403}}', 403), ForbiddenError),
]


# Entering.


@pytest.mark.parametrize("fault", PASSING_FAULTS, ids=repr)
async def test_a_first_handshake_that_fails_once_is_repeated(
    fake_exchange: FakeExchange, feed: Feed, fault: faults.Fault
) -> None:
    fake_exchange.inject(fault, endpoint=feed.endpoint)
    async with up(session_at(fake_exchange, retry=PASSING), feed) as opened:
        assert fake_exchange.received(feed.endpoint) == 2
        await hears(fake_exchange, aiter(opened))


@pytest.mark.parametrize("fault", PASSING_FAULTS, ids=repr)
async def test_a_first_handshake_that_always_fails_is_told_when_it_is_entered(
    fake_exchange: FakeExchange, feed: Feed, fault: faults.Fault
) -> None:
    fake_exchange.inject(fault, endpoint=feed.endpoint, times=None)
    error = await error_of(session_at(fake_exchange), feed)
    assert isinstance(error, NotSentError | RateLimitedError)
    assert 1 <= fake_exchange.received(feed.endpoint) <= 3


async def test_an_address_that_refuses_is_told_when_it_is_entered(
    fake_exchange: FakeExchange, feed: Feed
) -> None:
    async with fake_exchange.refusing():
        assert type(await error_of(session_at(fake_exchange), feed)) is NotSentError


async def test_a_dead_token_without_credentials_is_told_when_it_is_entered(
    fake_exchange: FakeExchange, feed: Feed
) -> None:
    error = await error_of(session_at(fake_exchange, "dead"), feed)
    assert isinstance(error, AuthenticationError)
    assert fake_exchange.received() == 1


async def test_a_dead_token_with_credentials_costs_one_login(
    fake_exchange: FakeExchange, feed: Feed
) -> None:
    fake_exchange.add_account(NAME, PASSWORD)
    fake_exchange.account = NAME
    session = session_at(fake_exchange, "dead", username=NAME, password=PASSWORD)
    async with up(session, feed) as opened:
        assert fake_exchange.received("login") == 1
        assert fake_exchange.received(feed.endpoint) == 2
        await hears(fake_exchange, aiter(opened))


async def test_a_wrong_password_is_tried_once(fake_exchange: FakeExchange, feed: Feed) -> None:
    fake_exchange.add_account(NAME, PASSWORD)
    session = session_at(fake_exchange, username=NAME, password="wrong")
    assert isinstance(await error_of(session, feed), AuthenticationError)
    assert [each.endpoint for each in fake_exchange.requests] == ["login"]


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
async def test_a_redirect_is_never_followed(
    fake_exchange: FakeExchange, feed: Feed, status: int
) -> None:
    async with FakeExchange() as elsewhere:
        for location in (elsewhere.url, elsewhere.streaming_url):
            fake_exchange.clear_faults()
            redirect = faults.Redirect(f"{location}/v2/user", status)
            fake_exchange.inject(redirect, endpoint=feed.endpoint, times=None)
            assert type(await error_of(session_at(fake_exchange), feed)) is NotSentError
        assert not elsewhere.requests


# A connection that is lost, and made anew.


NOT_THERE = faults.Respond(b'{"error": "no"}', 404)


@pytest.mark.parametrize("fault", [*PASSING_FAULTS, NOT_THERE], ids=repr)
async def test_a_later_handshake_that_fails_is_repeated_until_the_feed_works_again(
    fake_exchange: FakeExchange, feed: Feed, fault: faults.Fault
) -> None:
    async with up(session_at(fake_exchange), feed) as opened:
        stream = aiter(opened)
        fake_exchange.inject(fault, endpoint=feed.endpoint, times=5)
        await fake_exchange.drop_sockets()
        await fake_exchange.wait_for(feed.endpoint, 7)
        await until(lambda: feed.is_up(opened))
        await hears(fake_exchange, stream)
    fake_exchange.assert_all_faults_struck()


@pytest.mark.virtual_time
async def test_an_address_that_refuses_and_comes_back_is_connected_to_again(
    fake_exchange: FakeExchange, feed: Feed, caplog: pytest.LogCaptureFixture
) -> None:
    async with up(session_at(fake_exchange, retry=RetryPolicy()), feed) as opened:
        stream = aiter(opened)
        async with fake_exchange.refusing():
            await until(lambda: not feed.is_up(opened))
            await asyncio.sleep(30)
            assert not feed.is_up(opened)
        assert [each.levelname for each in caplog.records if "is not live for" in each.message] == [
            "WARNING"
        ]
        await until(lambda: feed.is_up(opened))
        await hears(fake_exchange, stream)


class Names(AbstractResolver):
    """Knows where everything is, unless it fails."""

    def __init__(self) -> None:
        self.failing = False
        self.asked = 0

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        self.asked += 1
        if self.failing:
            raise OSError(None, "Name or service not known")
        found = ResolveResult(
            hostname=host,
            host="127.0.0.1",
            port=port,
            family=family,
            proto=0,
            flags=socket.AI_NUMERICHOST,
        )
        return [found]

    async def close(self) -> None:
        pass


@asynccontextmanager
async def named(exchange: FakeExchange, names: Names) -> AsyncIterator[AsyncSession]:
    """Give a session to which the address of the feeds is a name."""
    connector = aiohttp.TCPConnector(resolver=names, use_dns_cache=False)
    url = exchange.streaming_url.replace("127.0.0.1", "localhost")
    async with aiohttp.ClientSession(connector=connector) as client:
        yield session_at(exchange, streaming_url=url, client_session=client)


async def test_a_name_that_is_not_known_is_told_when_it_is_entered(
    fake_exchange: FakeExchange, feed: Feed
) -> None:
    names = Names()
    names.failing = True
    async with named(fake_exchange, names) as session:
        assert type(await error_of(session, feed)) is NotSentError
    assert names.asked == 3
    assert not fake_exchange.requests


async def test_a_name_that_is_not_known_for_a_while_is_asked_for_again(
    fake_exchange: FakeExchange, feed: Feed
) -> None:
    names = Names()
    async with named(fake_exchange, names) as session, up(session, feed) as opened:
        stream, names.failing, asked = aiter(opened), True, names.asked
        await fake_exchange.drop_sockets()
        await until(lambda: names.asked > asked + 3)
        assert not feed.is_up(opened)
        names.failing = False
        await until(lambda: feed.is_up(opened))
        await hears(fake_exchange, stream)


@pytest.mark.parametrize(("fault", "error"), FINAL, ids=repr)
async def test_a_later_refusal_of_the_account_ends_the_feed_and_is_told(
    fake_exchange: FakeExchange, feed: Feed, fault: faults.Fault, error: type[Exception]
) -> None:
    async with up(session_at(fake_exchange), feed) as opened:
        stream = aiter(opened)
        fake_exchange.inject(fault, endpoint=feed.endpoint, times=None)
        await fake_exchange.drop_sockets()
        with pytest.raises(error):
            await end_of(stream)
        assert not feed.is_up(opened)
        await asyncio.sleep(5 * SECOND)
        assert fake_exchange.received(feed.endpoint) == 2


async def test_after_the_end_of_a_token_one_login_serves_all_feeds(
    fake_exchange: FakeExchange,
) -> None:
    fake_exchange.add_account(NAME, PASSWORD)
    fake_exchange.account = NAME
    session = session_at(fake_exchange, username=NAME, password=PASSWORD)
    async with session:
        user, prices, orders = [each.open(session) for each in FEEDS.values()]
        async with user as first, prices as second, orders as third:
            opened = (first, second, third)
            streams = [aiter(each) for each in opened]
            await until(lambda: third.current)
            revoke_all(fake_exchange, NAME)
            await fake_exchange.drop_sockets()
            for stream in streams:
                await hears(fake_exchange, stream)
    assert fake_exchange.received("login") == 2


async def test_a_login_that_is_refused_later_ends_the_feed(
    fake_exchange: FakeExchange, feed: Feed
) -> None:
    fake_exchange.add_account(NAME, PASSWORD)
    fake_exchange.account = NAME
    async with up(session_at(fake_exchange, username=NAME, password=PASSWORD), feed) as opened:
        stream = aiter(opened)
        revoke_all(fake_exchange, NAME)
        fake_exchange.book.accounts[NAME].password = "another"
        await fake_exchange.drop_sockets()
        with pytest.raises(AuthenticationError):
            await end_of(stream)
    assert fake_exchange.received("login") == 2


# The pause that the exchange asks for.


ASKS_FOR_A_PAUSE = [faults.TooManyRequests("30"), faults.Unavailable(retry_after="30")]


@pytest.mark.virtual_time
@pytest.mark.parametrize("fault", ASKS_FOR_A_PAUSE, ids=repr)
async def test_the_pause_that_a_refused_handshake_names_is_kept(
    fake_exchange: FakeExchange, feed: Feed, fault: faults.Fault
) -> None:
    async with up(session_at(fake_exchange, retry=RetryPolicy()), feed) as opened:
        stream = aiter(opened)
        fake_exchange.inject(fault, endpoint=feed.endpoint)
        await fake_exchange.drop_sockets()
        await fake_exchange.wait_for(feed.endpoint, 2)
        await asyncio.sleep(29.5)
        assert fake_exchange.received(feed.endpoint) == 2
        await hears(fake_exchange, stream)
        assert fake_exchange.received(feed.endpoint) == 3


@pytest.mark.virtual_time
async def test_a_pause_is_kept_no_longer_than_the_session_allows(
    fake_exchange: FakeExchange, feed: Feed
) -> None:
    retry = RetryPolicy(retry_after_cap=5.0)
    async with up(session_at(fake_exchange, retry=retry), feed) as opened:
        fake_exchange.inject(faults.Unavailable(retry_after="3600"), endpoint=feed.endpoint)
        await fake_exchange.drop_sockets()
        await fake_exchange.wait_for(feed.endpoint, 2)
        await asyncio.sleep(8)
        assert feed.is_up(opened)


@pytest.mark.virtual_time
async def test_a_throttled_handshake_holds_back_nothing_but_handshakes(
    fake_exchange: FakeExchange, feed: Feed
) -> None:
    session = session_at(fake_exchange)
    game = fake_exchange.add_game(orders=1)
    async with up(session, feed):
        fake_exchange.inject(faults.TooManyRequests("30"), endpoint=feed.endpoint)
        await fake_exchange.drop_sockets()
        await fake_exchange.wait_for(feed.endpoint, 2)
        asked = asyncio.get_running_loop().time()
        await session.cancel_all_orders_for_game(game.game_id)
        await session.account.get_unmatched()
        assert asyncio.get_running_loop().time() - asked < 1


async def test_a_throttled_first_handshake_says_how_long_to_wait(
    fake_exchange: FakeExchange, feed: Feed
) -> None:
    fake_exchange.inject(faults.TooManyRequests("30"), endpoint=feed.endpoint, times=None)
    error = await error_of(session_at(fake_exchange), feed)
    assert isinstance(error, RateLimitedError)
    assert error.retry_after == 30
    assert fake_exchange.received(feed.endpoint) == 1


@pytest.mark.virtual_time
@pytest.mark.parametrize(
    "fault", [faults.Unavailable(), faults.Close(), faults.Html(502), faults.Html(401)], ids=repr
)
async def test_an_outage_costs_a_handshake_a_second_at_most(
    fake_exchange: FakeExchange, feed: Feed, fault: faults.Fault
) -> None:
    async with up(session_at(fake_exchange, retry=RetryPolicy()), feed) as opened:
        fake_exchange.inject(fault, endpoint=feed.endpoint, times=None)
        await fake_exchange.drop_sockets()
        await asyncio.sleep(120)
        # The pauses are drawn between 0 and 2 seconds.
        assert fake_exchange.received(feed.endpoint) < 200
        fake_exchange.clear_faults()
        await until(lambda: feed.is_up(opened))


# A token that is replaced.


async def test_an_aged_token_that_a_request_replaced_is_not_used_for_the_next_handshake(
    fake_exchange: FakeExchange, feed: Feed
) -> None:
    told: list[str] = []
    session = session_at(fake_exchange, on_token=told.append)
    async with up(session, feed) as opened:
        stream = aiter(opened)
        fake_exchange.move_clock(TOKEN_LIFE)
        await session.markets.get_leagues()
        # A connection outlives the token that it was made with.
        await hears(fake_exchange, stream)
        await fake_exchange.drop_sockets()
        await hears(fake_exchange, stream)
    used = [
        r.headers["Authorization"] for r in fake_exchange.requests if r.endpoint == feed.endpoint
    ]
    assert used == [fake_exchange.token, *told]
    assert len(told) == 1


async def test_a_handshake_refused_for_a_token_that_was_just_replaced_waits_for_the_new_one(
    fake_exchange: FakeExchange, feed: Feed
) -> None:
    session = session_at(fake_exchange, retry=evolve(QUICK, attempt_timeout=30 * SECOND))
    async with up(session, feed) as opened:
        stream = aiter(opened)
        fake_exchange.move_clock(TOKEN_LIFE)
        slow = faults.Slow(2 * SECOND, committed_first=True)
        fake_exchange.inject(slow, endpoint="getLeagues")
        before = len(fake_exchange.book.issued)
        asking = asyncio.create_task(session.markets.get_leagues())
        await until(lambda: len(fake_exchange.book.issued) > before)
        await fake_exchange.drop_sockets()
        await hears(fake_exchange, stream)
        await asking


class WithFreshToken(faults.Fault):
    """The answer brings a token in place of the one that was used."""

    async def __call__(self, call: faults.Call) -> web.StreamResponse:
        response = faults.respond(call.commit())
        response.headers["X-Auth-Token"] = "fresh-token"
        return response


async def test_a_fresh_token_that_a_handshake_brings_is_used_from_then_on(
    fake_exchange: FakeExchange, feed: Feed
) -> None:
    told: list[str] = []
    fake_exchange.book.tokens["fresh-token"] = fake_exchange.account
    fake_exchange.inject(WithFreshToken(), endpoint=feed.endpoint)
    async with up(session_at(fake_exchange, on_token=told.append), feed) as opened:
        stream = aiter(opened)
        await is_connected_again(fake_exchange, feed.endpoint)
        await hears(fake_exchange, stream)
    used = [
        r.headers["Authorization"] for r in fake_exchange.requests if r.endpoint == feed.endpoint
    ]
    assert (told, used) == (["fresh-token"], [fake_exchange.token, "fresh-token"])


async def test_a_fresh_token_that_a_replay_brings_is_used_from_then_on(
    fake_exchange: FakeExchange, replayed: Feed
) -> None:
    told: list[str] = []
    fake_exchange.book.tokens["fresh-token"] = fake_exchange.account
    async with up(session_at(fake_exchange, on_token=told.append), replayed) as opened:
        stream = aiter(opened)
        await hears(fake_exchange, stream)
        fake_exchange.inject(WithFreshToken(), endpoint="messages")
        for _ in range(2):
            await is_connected_again(fake_exchange, "user")
            await hears(fake_exchange, stream)
    used = [r.headers["Authorization"] for r in fake_exchange.requests if r.endpoint == "user"]
    assert (told, used) == (["fresh-token"], [*[fake_exchange.token] * 2, "fresh-token"])


# The replays, over HTTP.


@pytest.mark.parametrize("fault", PASSING_FAULTS, ids=repr)
async def test_a_replay_that_fails_is_repeated_until_the_feed_works_again(
    fake_exchange: FakeExchange, replayed: Feed, fault: faults.Fault
) -> None:
    async with up(session_at(fake_exchange), replayed) as opened:
        stream = aiter(opened)
        await hears(fake_exchange, stream)
        asked = fake_exchange.received("messages")
        fake_exchange.inject(fault, endpoint="messages", times=3)
        await fake_exchange.drop_sockets()
        await fake_exchange.wait_for("messages", asked + 4)
        await until(lambda: replayed.is_up(opened))
        await hears(fake_exchange, stream)


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"[]",
        b"{}",
        b'{"status": "success"}',
        b'{"status": "success", "messages": {}}',
        b'{"status": "success", "messages": null}',
        b'{"status": "elsewhere", "messages": []}',
        b'{"data": {"status": "success", "messages": []}}',
    ],
)
async def test_a_malformed_replay_is_asked_for_again(
    fake_exchange: FakeExchange, replayed: Feed, body: bytes
) -> None:
    async with up(session_at(fake_exchange), replayed) as opened:
        stream = aiter(opened)
        await hears(fake_exchange, stream)
        fake_exchange.inject(faults.Respond(body), endpoint="messages", times=2)
        await fake_exchange.drop_sockets()
        game = fake_exchange.add_game()
        missed = fake_exchange.book.place(fake_exchange.account, game.game_id)
        while missed.order_id not in str((await anext(stream)).to_dict()):
            pass
        await until(lambda: replayed.is_up(opened))
    fake_exchange.assert_all_faults_struck()


@pytest.mark.parametrize(("fault", "error"), FINAL, ids=repr)
async def test_a_replay_that_is_refused_for_the_account_ends_the_feed_and_is_told(
    fake_exchange: FakeExchange, replayed: Feed, fault: faults.Fault, error: type[Exception]
) -> None:
    async with up(session_at(fake_exchange), replayed) as opened:
        stream = aiter(opened)
        await hears(fake_exchange, stream)
        fake_exchange.inject(fault, endpoint="messages", times=None)
        await fake_exchange.drop_sockets()
        with pytest.raises(error):
            await end_of(stream)
        assert not replayed.is_up(opened)


async def test_a_replay_whose_token_died_costs_one_login(
    fake_exchange: FakeExchange, replayed: Feed
) -> None:
    fake_exchange.add_account(NAME, PASSWORD)
    fake_exchange.account = NAME
    session = session_at(fake_exchange, username=NAME, password=PASSWORD)
    async with up(session, replayed) as opened:
        stream = aiter(opened)
        await hears(fake_exchange, stream)
        fake_exchange.inject(faults.Unauthorized(), endpoint="messages")
        await fake_exchange.drop_sockets()
        await hears(fake_exchange, stream)
    assert fake_exchange.received("login") == 2


@pytest.mark.parametrize("status", [302, 307])
async def test_a_redirect_of_a_replay_is_never_followed(
    fake_exchange: FakeExchange, replayed: Feed, status: int
) -> None:
    async with FakeExchange() as elsewhere, up(session_at(fake_exchange), replayed) as opened:
        stream = aiter(opened)
        await hears(fake_exchange, stream)
        redirect = faults.Redirect(f"{elsewhere.url}/v2/user/messages", status)
        fake_exchange.inject(redirect, endpoint="messages", times=2)
        await fake_exchange.drop_sockets()
        await hears(fake_exchange, stream)
        assert not elsewhere.requests


@pytest.mark.virtual_time
@pytest.mark.parametrize("fault", ASKS_FOR_A_PAUSE, ids=repr)
async def test_the_pause_that_a_refused_replay_names_is_kept(
    fake_exchange: FakeExchange, replayed: Feed, fault: faults.Fault
) -> None:
    async with up(session_at(fake_exchange, retry=RetryPolicy()), replayed) as opened:
        stream = aiter(opened)
        await hears(fake_exchange, stream)
        asked = fake_exchange.received("messages")
        fake_exchange.inject(fault, endpoint="messages")
        await fake_exchange.drop_sockets()
        await fake_exchange.wait_for("messages", asked + 1)
        dialled = fake_exchange.received("user")
        await asyncio.sleep(29.5)
        assert fake_exchange.received("messages") == asked + 1
        assert fake_exchange.received("user") <= dialled + 1
        await hears(fake_exchange, stream)


# Secrets.


SECRETIVE = [
    *PASSING_FAULTS,
    faults.Unauthorized(),
    faults.TooManyRequests("30"),
    *[faults.Respond(body, status) for body in ECHOES for status in (200, 400, 401, 403, 503)],
]


def assert_no_token(shown: list[str]) -> None:
    assert CANARY[: len(CANARY) // 2] not in "\n".join(shown).replace(r"\u002d", "-")


@pytest.mark.parametrize("fault", SECRETIVE, ids=lambda fault: repr(fault)[:60])
async def test_the_token_is_in_nothing_that_a_failed_opening_shows(
    canary: FakeExchange, caplog: pytest.LogCaptureFixture, feed: Feed, fault: faults.Fault
) -> None:
    caplog.set_level(logging.DEBUG)
    canary.inject(fault, endpoint=feed.endpoint, times=None)
    session = session_at(canary)
    error = await error_of(session, feed)
    assert_no_token([*everything_shown_of(error), repr(session), caplog.text])


async def assert_a_failure_shows_no_token(
    exchange: FakeExchange, log: pytest.LogCaptureFixture, feed: Feed, endpoint: str, fault: Any
) -> None:
    """Let requests to an endpoint fail twice, and look at all that is shown meanwhile."""
    log.set_level(logging.DEBUG)
    async with up(session_at(exchange), feed) as opened:
        stream = aiter(opened)
        await hears(exchange, stream)
        asked = exchange.received(endpoint)
        exchange.inject(fault, endpoint=endpoint, times=2)
        await exchange.drop_sockets()
        await exchange.wait_for(endpoint, asked + 1)
        shown = [repr(opened), str(getattr(opened, "doubt", ""))]
        try:
            await hears(exchange, stream)
        except FourcastersError as error:
            shown += everything_shown_of(error)
    assert_no_token([*shown, log.text])


@pytest.mark.parametrize("fault", SECRETIVE, ids=lambda fault: repr(fault)[:60])
async def test_the_token_is_in_nothing_that_a_later_handshake_shows(
    canary: FakeExchange, caplog: pytest.LogCaptureFixture, feed: Feed, fault: faults.Fault
) -> None:
    await assert_a_failure_shows_no_token(canary, caplog, feed, feed.endpoint, fault)


@pytest.mark.parametrize("fault", SECRETIVE, ids=lambda fault: repr(fault)[:60])
async def test_the_token_is_in_nothing_that_a_failed_replay_shows(
    canary: FakeExchange, caplog: pytest.LogCaptureFixture, replayed: Feed, fault: faults.Fault
) -> None:
    await assert_a_failure_shows_no_token(canary, caplog, replayed, "messages", fault)
