"""The kept books against the sandbox: whatever happens to the feed, they end as a read has them."""

import asyncio
import random
from collections.abc import Callable
from typing import Any

import pytest
from support import QUICK, until

from fourcasters_async import AsyncSession, BookEntry, LiveBook, OrderBook
from fourcasters_async.testing import BookGame, FakeExchange, feed_faults
from fourcasters_async.testing.placing import RejectedError
from fourcasters_async.testing.placing import place as place_in

OTHER_ACCOUNT = "maker"


def session_of(exchange: FakeExchange) -> AsyncSession:
    return AsyncSession(
        exchange.token,
        base_url=exchange.url,
        orders_url=exchange.orders_url,
        streaming_url=exchange.streaming_url,
        retry=QUICK,
    )


def shown(entry: BookEntry) -> tuple[object, ...]:
    return (
        entry.order_id,
        entry.type,
        entry.odds,
        entry.sum_untaken,
        entry.own,
        entry.participant_id if entry.type in ("moneyline", "spread") else None,
        entry.spread,
        entry.total,
        entry.over_under,
    )


def lists_of(book: OrderBook) -> dict[str, set[tuple[object, ...]]]:
    names = [name for name in dir(book) if isinstance(getattr(book, name), list)]
    return {
        name: {shown(each) for each in getattr(book, name)}
        for name in names
        if name not in ("participants", "entries")
    }


class Trading:
    """What happens on a few games, by chance."""

    def __init__(self, exchange: FakeExchange, chance: random.Random) -> None:
        self.exchange = exchange
        self.chance = chance
        self.games: list[BookGame] = [
            exchange.add_game(),
            exchange.book.add_game(league="MLS", sport="soccer"),
        ]
        self.orders: list[str] = []
        for account in (exchange.account, OTHER_ACCOUNT):
            exchange.book.account(account).balance = 1e9

    def act(self) -> None:
        """Place an order, which may match others, or cancel one."""
        chance, book = self.chance, self.exchange.book
        resting = book.resting([game.game_id for game in self.games])
        if resting and chance.random() < 0.4:
            book.cancel(chance.choice(resting))
            return
        game = chance.choice(self.games)
        kind = chance.choice(["moneyline", "spread", "total", "moneyline1x2"])
        fields: dict[str, object] = {
            "type": kind,
            "odds": chance.choice([-130, -110, 100, 120]),
            "bet": float(chance.randint(1, 500)),
            "orderType": "limit",
            "side": chance.choice([game.home_id, game.away_id]),
        }
        if kind == "spread":
            fields["number"] = chance.choice([-3.5, 3.5, 0.5, -0.5])
        elif kind == "total":
            fields |= {
                "number": chance.choice([2.5, 3.5]),
                "side": chance.choice(["over", "under"]),
            }
        elif kind == "moneyline1x2":
            fields |= {
                "market": chance.choice(["draw", game.home_id]),
                "side": chance.choice(["yes", "no"]),
            }
        account = chance.choice([self.exchange.account, OTHER_ACCOUNT])
        try:
            place_in(book, account, game.game_id, fields)
        except RejectedError:
            return


async def settled(exchange: FakeExchange, books: list[LiveBook], volume: float) -> None:
    """Wait until the books are current and everything that was said before has come."""
    for live in books:
        await live.wait_until_current()
        held = live.order_book
        # What was said over a connection that broke is not said again.
        while held is None or held.matched_volume != volume or not live.current:
            payload = {"gameID": live.game_id, "matchedVolume": volume}
            exchange.feeds.price.push("matchedVolumeUpdate", payload)
            await asyncio.sleep(0.1)
            held = live.order_book


FAULTS: list[Callable[[], Any]] = [
    feed_faults.Duplicate,
    feed_faults.Held,
    feed_faults.UnknownMembers,
    feed_faults.UnknownType,
    feed_faults.Garbage,
    feed_faults.Truncate,
    feed_faults.Cut,
    lambda: feed_faults.Cut(1001),
    lambda: feed_faults.Altered({"league": 5, "live": "yes"}),
    lambda: feed_faults.Altered({"sideOrders": "none"}),
]


@pytest.mark.virtual_time
@pytest.mark.parametrize("seed", range(30))
async def test_the_kept_books_are_those_of_a_read_after_any_faults(
    fake_exchange: FakeExchange, seed: int
) -> None:
    chance = random.Random(seed)  # noqa: S311  # nothing here is a secret
    trading = Trading(fake_exchange, chance)
    fake_exchange.feeds.price.updates.nested = bool(seed % 2)
    everything = chance.random() < 0.5
    async with (
        session_of(fake_exchange) as session,
        session.price_feed(leagues=None if everything else ["nba"]) as feed,
    ):
        for _ in range(10):
            trading.act()
        books = [feed.order_book(game.game_id, stale_after=3600) for game in trading.games]
        for number in range(6):
            for _ in range(chance.randint(0, 15)):
                if chance.random() < 0.3:
                    fake_exchange.feeds.price.inject(chance.choice(FAULTS)())
                trading.act()
                if chance.random() < 0.5:
                    fake_exchange.feeds.price.flush()
            fake_exchange.feeds.clear_faults()
            await settled(fake_exchange, books, 1000.0 + number)
            for live in books:
                (read,) = await session.markets.get_orderbook(game_id=live.game_id)
                assert live.order_book is not None
                assert lists_of(live.order_book) == lists_of(read)


@pytest.mark.virtual_time
async def test_a_market_that_closes_empties_its_book(fake_exchange: FakeExchange) -> None:
    game = fake_exchange.add_game()
    fake_exchange.book.place(OTHER_ACCOUNT, game.game_id)
    async with session_of(fake_exchange) as session, session.price_feed() as feed:
        live = feed.order_book(game.game_id)
        await live.wait_until_current()
        assert live.order_book is not None
        assert live.order_book.entries
        fake_exchange.book.start(game.game_id)
        await until(lambda: live.order_book is not None and not live.order_book.entries)


@pytest.mark.virtual_time
async def test_a_mute_feed_makes_its_books_stale(fake_exchange: FakeExchange) -> None:
    game = fake_exchange.add_game()
    told: list[bool] = []
    async with session_of(fake_exchange) as session, session.price_feed() as feed:
        live = feed.order_book(game.game_id, on_stale=lambda live: told.append(live.current))
        await live.wait_until_current()
        fake_exchange.feeds.price.inject(feed_faults.Mute())
        fake_exchange.book.place(OTHER_ACCOUNT, game.game_id)
        await until(lambda: told == [True, False])
        assert feed.connected
