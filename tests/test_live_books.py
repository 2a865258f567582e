"""The books that a price feed keeps: what they are made of, and when they are stale."""

import asyncio
import logging
from collections.abc import AsyncIterator

import pytest
from price_server import (
    GAME,
    HOME,
    OTHER,
    PriceServer,
    book,
    order,
    price_server,
    session_at,
    update,
)
from support import block, until

from fourcasters_async import Gap, LiveBook, PriceFeed, SessionClosedError


@pytest.fixture
async def server() -> AsyncIterator[PriceServer]:
    async with price_server() as server:
        server.books[GAME] = book(order("read"))
        yield server


@pytest.fixture
async def feed(server: PriceServer) -> AsyncIterator[PriceFeed]:
    async with session_at(server) as session, session.price_feed() as feed:
        await server.connected()
        yield feed


def home(live: LiveBook) -> list[str | None]:
    return [each.order_id for each in live.orders("moneyline", HOME)]


class Told:
    """What `on_stale` was told, in order."""

    def __init__(self) -> None:
        self.states: list[bool] = []

    def __call__(self, live: LiveBook) -> None:
        self.states.append(live.current)


async def test_a_book_is_read_first_and_then_kept_from_the_feed(
    server: PriceServer, feed: PriceFeed
) -> None:
    live = feed.order_book(GAME)
    assert not live.current
    assert live.age is None
    assert live.order_book is None
    await live.wait_until_current()
    assert home(live) == ["read"]
    await server.push("orderUpdate", update(1, order("b", -105), order("a", -110, createdBy="me")))
    await until(lambda: home(live) == ["a", "b"])
    assert [each.order_id for each in live.own] == ["a"]
    best = live.best("moneyline", HOME)
    assert best is not None
    assert best.odds == -110
    record = live.order_book
    assert record is not None
    assert [each.order_id for each in record.home_moneylines] == ["a", "b"]
    assert record.main_home_spread == -3.5


async def test_the_same_book_is_returned_for_a_game(server: PriceServer, feed: PriceFeed) -> None:
    live = feed.order_book(GAME)
    await live.wait_until_current()
    reads = len(server.reads)
    assert feed.order_book(GAME) is live
    assert live.current
    assert len(server.reads) == reads


@pytest.mark.virtual_time
async def test_a_book_is_not_current_while_a_read_may_trail_what_was_said_before(
    server: PriceServer, feed: PriceFeed
) -> None:
    loop = asyncio.get_running_loop()
    asked = loop.time()
    live = feed.order_book(GAME)
    await until(lambda: home(live) == ["read"])
    assert not live.current
    server.books[GAME] = book(order("said before"))
    await live.wait_until_current()
    assert loop.time() == asked + 1.0
    assert home(live) == ["said before"]
    assert server.reads == [GAME, GAME]


async def test_what_comes_while_a_book_is_read_is_newer_than_the_read(
    server: PriceServer, feed: PriceFeed
) -> None:
    server.may_read.clear()
    live = feed.order_book(GAME)
    await until(lambda: server.reads == [GAME])
    await server.push("orderUpdate", update(1, order("pushed")))
    await until(lambda: home(live) == ["pushed"])
    assert not live.current
    server.may_read.set()
    await live.wait_until_current()
    assert home(live) == ["pushed"]


async def test_a_game_update_makes_a_book_whole_before_it_was_read(
    server: PriceServer, feed: PriceFeed
) -> None:
    server.may_read.clear()
    live = feed.order_book(GAME)
    await server.push("gameUpdate", {"messageType": "marketOpen", **book(order("told"))})
    await live.wait_until_current()
    server.may_read.set()
    assert home(live) == ["told"]


async def test_an_older_epoch_changes_nothing(server: PriceServer, feed: PriceFeed) -> None:
    live = feed.order_book(GAME)
    await live.wait_until_current()
    for epoch in (5, 4, 5):
        await server.push("orderUpdate", update(epoch, order(f"at {epoch}")))
    await server.push("matchedVolumeUpdate", {"gameID": GAME, "matchedVolume": 77})
    await until(lambda: live.order_book is not None and live.order_book.matched_volume == 77.0)
    assert home(live) == ["at 5"]


@pytest.mark.virtual_time
async def test_a_feed_that_says_nothing_is_stale_though_its_connection_is_proved(
    server: PriceServer, feed: PriceFeed, caplog: pytest.LogCaptureFixture
) -> None:
    told = Told()
    live = feed.order_book(GAME, stale_after=30.0, on_stale=told)
    await live.wait_until_current()
    # It was connected a second before.
    await asyncio.sleep(28)
    assert live.current
    await asyncio.sleep(2)
    assert not live.current
    # Pings were answered meanwhile.
    assert feed.connected
    await asyncio.sleep(60)
    assert told.states == [True, False]
    (warning,) = [each for each in caplog.records if each.levelno >= logging.WARNING]
    assert "said nothing for 30.0 s" in warning.message


@pytest.mark.virtual_time
async def test_anything_that_the_feed_says_of_any_game_keeps_a_book_current(
    server: PriceServer, feed: PriceFeed
) -> None:
    told = Told()
    live = feed.order_book(GAME, stale_after=5.0, on_stale=told)
    await live.wait_until_current()
    for _ in range(10):
        await asyncio.sleep(3)
        await server.push("orderUpdate", update(1, game_id=OTHER))
    await asyncio.sleep(1)
    assert told.states == [True]
    # Its own age is told apart.
    assert live.age is not None
    assert live.age > 30


@pytest.mark.virtual_time
async def test_a_book_is_current_again_with_the_first_word_after_a_silence(
    server: PriceServer, feed: PriceFeed
) -> None:
    told = Told()
    live = feed.order_book(GAME, stale_after=5.0, on_stale=told)
    other = feed.order_book(OTHER, stale_after=60.0)
    server.books[OTHER] = book(game_id=OTHER)
    await live.wait_until_current()
    await asyncio.sleep(10)
    await server.push_text('["news", {}]')
    await live.wait_until_current()
    await asyncio.sleep(10)
    assert told.states == [True, False, True, False]
    assert other.current
    assert server.reads.count(GAME) == 2


@pytest.mark.virtual_time
async def test_what_came_while_the_loop_was_blocked_is_no_silence(
    server: PriceServer, feed: PriceFeed
) -> None:
    told = Told()
    live = feed.order_book(GAME, stale_after=5.0, on_stale=told)
    await live.wait_until_current()
    await server.push("orderUpdate", update(1, order("a")))
    block(20)
    # Nobody knows yet what came meanwhile.
    assert not live.current
    await until(lambda: home(live) == ["a"])
    await asyncio.sleep(1)
    assert live.current
    assert told.states == [True]


async def test_a_book_is_stale_at_once_without_a_connection_and_until_it_was_read_again(
    server: PriceServer, feed: PriceFeed
) -> None:
    told = Told()
    live = feed.order_book(GAME, on_stale=told)
    await live.wait_until_current()
    server.may_read.clear()
    await server.drop()
    await server.connected()
    await until(lambda: len(server.reads) == 3)
    assert feed.connected
    assert not live.current
    # What it was is still there.
    assert home(live) == ["read"]
    server.may_read.set()
    await live.wait_until_current()
    assert told.states == [True, False, True]


async def test_a_read_of_before_a_reconnection_does_not_count(
    server: PriceServer, feed: PriceFeed
) -> None:
    server.may_read.clear()
    live = feed.order_book(GAME)
    await until(lambda: len(server.reads) == 1)
    server.books[GAME] = book(order("later"))
    await server.drop()
    await until(lambda: len(server.reads) == 2)
    server.may_read.set()
    await live.wait_until_current()
    assert home(live) == ["later"]


async def test_an_order_that_left_while_the_feed_was_down_is_gone_after_the_read(
    server: PriceServer, feed: PriceFeed
) -> None:
    live = feed.order_book(GAME)
    await live.wait_until_current()
    await server.push("orderUpdate", update(9, order("a"), type="spread", spread=-3.5))
    await until(lambda: bool(live.orders("spread", HOME, number=-3.5)))
    server.books[GAME] = book()
    await server.drop()
    await until(lambda: not live.current)
    await live.wait_until_current()
    assert live.order_book is not None
    assert live.order_book.entries == []


@pytest.mark.parametrize(
    "text",
    [
        f'["orderUpdate", {{"gameID": "{GAME}", "sideOrders": [5]}}]',
        '["orderUpdate", {"gameID": 5}]',
        '["orderUpdate", {"gam',
        "SSH-2.0-nonsense",
    ],
)
async def test_a_message_that_cannot_be_read_makes_the_book_be_read_again(
    server: PriceServer, feed: PriceFeed, text: str
) -> None:
    told = Told()
    live = feed.order_book(GAME, on_stale=told, stale_after=1000)
    await live.wait_until_current()
    server.books[GAME] = book(order("again"))
    events = aiter(feed)
    await server.push_text(text)
    assert isinstance(await anext(events), Gap)
    assert not live.current
    await live.wait_until_current()
    assert home(live) == ["again"]
    assert told.states == [True, False, True]


@pytest.mark.virtual_time
async def test_messages_that_cannot_be_read_cause_few_reads(
    server: PriceServer, feed: PriceFeed
) -> None:
    live = feed.order_book(GAME, stale_after=1000)
    await live.wait_until_current()
    for _ in range(1000):
        await asyncio.sleep(0.01)
        await server.push_text(f'["orderUpdate", {{"gameID": "{GAME}"}}]')
    await live.wait_until_current()
    assert len(server.reads) < 15


@pytest.mark.virtual_time
async def test_a_book_that_cannot_be_read_is_read_again_with_pauses(
    server: PriceServer, feed: PriceFeed
) -> None:
    found = server.books.pop(GAME)
    live = feed.order_book(GAME, stale_after=1000)
    await asyncio.sleep(300)
    assert not live.current
    assert live.error is not None
    assert "no book of game" in str(live.error)
    assert 5 < len(server.reads) < 20
    server.books[GAME] = found
    await live.wait_until_current()
    assert live.error is None


async def test_what_a_callback_raises_is_logged_and_has_no_other_effect(
    server: PriceServer, feed: PriceFeed, caplog: pytest.LogCaptureFixture
) -> None:
    def fail(_: LiveBook) -> None:
        raise RuntimeError("the callback fails")

    live = feed.order_book(GAME, on_stale=fail)
    await live.wait_until_current()
    await server.push("orderUpdate", update(1, order("a")))
    await until(lambda: home(live) == ["a"])
    assert [each.message for each in caplog.records if each.levelno == logging.ERROR] == [
        f"on_stale failed for game {GAME}"
    ]


async def test_the_game_of_a_book_is_subscribed_to_before_it_is_read(server: PriceServer) -> None:
    async with session_at(server) as session, session.price_feed(games=[OTHER]) as feed:
        live = feed.order_book(GAME)
        await live.wait_until_current()
        assert [each["gameIDs"] for each in server.commands] == [[OTHER], [GAME]]
        await feed.subscribe(leagues=["NFL"], replace=True)
        await until(lambda: len(server.commands) == 3)
        assert server.commands[-1]["gameIDs"] == [GAME]


async def test_a_game_that_is_subscribed_to_already_is_not_named_again(server: PriceServer) -> None:
    async with session_at(server) as session, session.price_feed(games=[GAME]) as feed:
        await feed.order_book(GAME).wait_until_current()
        assert len(server.commands) == 1


async def test_a_book_whose_game_is_unsubscribed_is_never_current_again(
    server: PriceServer,
) -> None:
    async with session_at(server) as session, session.price_feed(games=[GAME]) as feed:
        told = Told()
        live = feed.order_book(GAME, on_stale=told)
        await live.wait_until_current()
        await feed.unsubscribe(games=[GAME])
        assert told.states == [True, False]
        with pytest.raises(SessionClosedError, match=GAME):
            await live.wait_until_current()
        again = feed.order_book(GAME)
        assert again is not live
        await again.wait_until_current()
        assert [each["type"] for each in server.commands] == [
            "subscribe",
            "unsubscribe",
            "subscribe",
        ]


async def test_books_are_stale_once_the_feed_is_left(server: PriceServer) -> None:
    told = Told()
    async with session_at(server) as session, session.price_feed() as feed:
        live = feed.order_book(GAME, on_stale=told)
        await live.wait_until_current()
    assert not live.current
    assert told.states == [True, False]
    assert home(live) == ["read"]


async def test_hundreds_of_books_are_read_a_few_at_a_time(
    server: PriceServer, feed: PriceFeed
) -> None:
    games = [f"{at:024x}" for at in range(200)]
    server.books = {game: book(game_id=game) for game in games}
    server.may_read.clear()
    books = [feed.order_book(game, stale_after=1000) for game in games]
    await until(lambda: server.reading == 16)
    server.may_read.set()
    for live in books:
        await live.wait_until_current()
    assert sorted(set(server.reads)) == games
    assert server.most_reading == 16
