"""The user feed against the sandbox: under every fault, each event comes once, or a gap is told."""

import asyncio
import sys
from collections import Counter
from collections.abc import AsyncIterator
from itertools import pairwise
from pathlib import Path
from random import Random
from typing import Any

import pytest
from support import QUICK, until

from fourcasters_async import (
    AsyncSession,
    AuthenticationError,
    Gap,
    OrderCancelled,
    OrderFilled,
    OrderPlaced,
    UserFeed,
)
from fourcasters_async.testing import FakeExchange, faults, feed_faults

PROGRAM = Path(__file__).with_name("fills_program.py")


@pytest.fixture
async def session(fake_exchange: FakeExchange) -> AsyncIterator[AsyncSession]:
    async with AsyncSession(
        fake_exchange.token,
        base_url=fake_exchange.url,
        streaming_url=fake_exchange.streaming_url,
        retry=QUICK,
    ) as session:
        yield session


class Trader:
    """Lets things happen to the orders of the account."""

    def __init__(self, exchange: FakeExchange) -> None:
        self.exchange = exchange
        self.game = exchange.add_game()

    def trade(self, times: int = 1) -> None:
        """Place an order, fill a part of it, and cancel the rest: three messages each time."""
        book = self.exchange.book
        for _ in range(times):
            order = book.place(self.exchange.account, self.game.game_id)
            book.fill(order.order_id, 10.0)
            book.cancel(order)

    @property
    def told(self) -> list[dict[str, Any]]:
        return self.exchange.feeds.user.kept(self.exchange.account)

    @property
    def ids(self) -> list[str]:
        return [each["messageID"] for each in self.told]


async def events_until(feed: UserFeed, message_ids: set[str]) -> list[Any]:
    """Return what a feed yields until all of these messages were told."""
    events: list[Any] = []
    left = set(message_ids)
    while left:
        events.append(await anext(feed))
        left.discard(getattr(events[-1], "message_id", ""))
    return events


def ids(events: list[Any]) -> list[str]:
    return [each.message_id for each in events if not isinstance(each, Gap)]


async def test_the_sandbox_is_understood(
    fake_exchange: FakeExchange, session: AsyncSession
) -> None:
    trader = Trader(fake_exchange)
    async with session.user_feed() as feed:
        trader.trade()
        events = await events_until(feed, set(trader.ids))
    placed, filled, cancelled = events
    assert isinstance(placed, OrderPlaced)
    assert isinstance(filled, OrderFilled)
    assert isinstance(cancelled, OrderCancelled)
    assert ids(events) == trader.ids
    assert filled.maker
    assert filled.order is not None
    assert placed.order.order_id == filled.order.order_id == cancelled.order.order_id
    assert (filled.order.filled, filled.order.remaining) == (10, 90)
    assert (cancelled.order.filled, cancelled.order.offered) == (10, 0)


HARMLESS = [
    None,
    feed_faults.Duplicate(),
    feed_faults.Duplicate(5),
    feed_faults.UnknownMembers(),
    feed_faults.UnknownType(),
    feed_faults.Truncate(),
    feed_faults.Cut(),
    feed_faults.Cut(1000),
    feed_faults.Cut(1011),
    pytest.param(feed_faults.HalfOpen(), marks=pytest.mark.virtual_time, id="HalfOpen()"),
    pytest.param(feed_faults.Mute(), marks=pytest.mark.virtual_time, id="Mute()"),
]


AT_RANDOM = [
    feed_faults.Duplicate(),
    feed_faults.UnknownMembers(),
    feed_faults.UnknownType(),
    feed_faults.Truncate(),
    feed_faults.Cut(),
    feed_faults.HalfOpen(),
    feed_faults.Mute(),
]


@pytest.mark.parametrize("after", [0, 1, 4])
@pytest.mark.parametrize("fault", HARMLESS, ids=repr)
async def test_a_fault_that_can_be_undone_costs_no_event_and_no_order(
    fake_exchange: FakeExchange,
    session: AsyncSession,
    fault: feed_faults.FeedFault | None,
    after: int,
) -> None:
    trader = Trader(fake_exchange)
    async with session.user_feed(audit=1.0) as feed:
        trader.trade()
        events = await events_until(feed, set(trader.ids))
        if fault is not None:
            fake_exchange.feeds.user.inject(fault, after=after)
        trader.trade(2)
        events += await events_until(feed, set(trader.ids[3:]))
    assert ids(events) == trader.ids
    assert not [each for each in events if isinstance(each, Gap)]
    fake_exchange.assert_all_faults_struck()


LATE = [
    feed_faults.Drop(),
    feed_faults.Held(1),
    feed_faults.Held(2),
    feed_faults.Garbage(),
    feed_faults.Instead(b'{"type": "hello"}'),
]


@pytest.mark.virtual_time
@pytest.mark.parametrize("after", [0, 1, 3])
@pytest.mark.parametrize("fault", LATE, ids=repr)
async def test_an_event_that_is_not_pushed_in_its_place_comes_late_once_and_after_a_gap(
    fake_exchange: FakeExchange, session: AsyncSession, fault: feed_faults.FeedFault, after: int
) -> None:
    trader = Trader(fake_exchange)
    async with session.user_feed(audit=1.0) as feed:
        trader.trade()
        events = await events_until(feed, set(trader.ids))
        fake_exchange.feeds.user.inject(fault, after=after)
        trader.trade(2)
        events += await events_until(feed, set(trader.ids[3:]))
    assert Counter(ids(events)) == Counter(trader.ids)
    (gap,) = [index for index, each in enumerate(events) if isinstance(each, Gap)]
    assert events[gap + 1].message_id == trader.ids[3 + after]
    fake_exchange.assert_all_faults_struck()


REPLAYS: list[faults.Fault] = [
    feed_faults.Overlap(),
    feed_faults.Overlap(early=50, late=50),
    feed_faults.UnknownStatus(),
    feed_faults.UnknownStatus(None),
    feed_faults.UnknownStatus("ok"),
    faults.Close(),
    faults.Reset(),
    faults.Stall(),
    faults.Truncate(),
    faults.Garbage(),
    faults.Unavailable(),
    faults.TooManyRequests("1"),
    faults.Slow(0.5),
    faults.Duplicate(),
]


@pytest.mark.parametrize("times", [1, 3])
@pytest.mark.parametrize("fault", REPLAYS, ids=repr)
async def test_a_replay_that_goes_wrong_costs_no_event_and_no_order(
    fake_exchange: FakeExchange, session: AsyncSession, fault: faults.Fault, times: int
) -> None:
    trader = Trader(fake_exchange)
    async with session.user_feed() as feed:
        trader.trade()
        events = await events_until(feed, set(trader.ids))
        fake_exchange.inject(fault, endpoint="messages", times=times)
        await fake_exchange.drop_sockets()
        trader.trade()
        await fake_exchange.wait_for("messages")
        trader.trade()
        events += await events_until(feed, set(trader.ids[3:]))
        await until(lambda: feed.live)
    assert ids(events) == trader.ids
    assert not [each for each in events if isinstance(each, Gap)]


@pytest.mark.parametrize("keep", [None, 0, 1, 2])
async def test_what_has_expired_is_a_gap_and_the_rest_comes(
    fake_exchange: FakeExchange, session: AsyncSession, keep: int | None
) -> None:
    trader = Trader(fake_exchange)
    async with session.user_feed() as feed:
        trader.trade()
        await events_until(feed, set(trader.ids))
        fake_exchange.inject(feed_faults.CacheExpired(keep), endpoint="messages")
        await fake_exchange.drop_sockets()
        trader.trade()
        before = trader.ids
        await fake_exchange.wait_for("messages")
        await until(lambda: feed.live)
        trader.trade()
        events = await events_until(feed, set(trader.ids[6:]))
    assert isinstance(events[0], Gap)
    left = before[3:] if keep is None else before[len(before) - keep :]
    assert ids(events) == left + trader.ids[6:]


@pytest.mark.virtual_time
@pytest.mark.parametrize("keep", [None, 1])
async def test_an_audit_that_cannot_show_all_that_happened_is_a_gap(
    fake_exchange: FakeExchange, session: AsyncSession, keep: int | None
) -> None:
    trader = Trader(fake_exchange)
    async with session.user_feed(audit=1.0) as feed:
        trader.trade()
        await events_until(feed, set(trader.ids))
        fake_exchange.inject(feed_faults.CacheExpired(keep), endpoint="messages")
        fake_exchange.feeds.user.inject(feed_faults.Drop())
        trader.trade()
        events = await events_until(feed, set(trader.ids[4:]))
        events.append(await anext(feed))
        fake_exchange.assert_all_faults_struck()
        if keep is None:
            events += await events_until(feed, {trader.ids[3]})
    assert [type(each) for each in events[:3]] == [OrderFilled, OrderCancelled, Gap]


async def test_a_cursor_that_has_expired_begins_with_a_gap(
    fake_exchange: FakeExchange, session: AsyncSession
) -> None:
    trader = Trader(fake_exchange)
    trader.trade(2)
    cursor = trader.ids[0]
    fake_exchange.feeds.user.log.forget(keep=2)
    async with session.user_feed(cursor=cursor) as feed:
        events = await events_until(feed, set(trader.ids))
    assert isinstance(events[0], Gap)
    assert ids(events) == trader.ids


@pytest.mark.virtual_time
async def test_a_half_open_line_is_found_out(
    fake_exchange: FakeExchange, session: AsyncSession
) -> None:
    trader = Trader(fake_exchange)
    async with session.user_feed() as feed:
        trader.trade()
        events = await events_until(feed, set(trader.ids))
        fake_exchange.feeds.user.half_open()
        trader.trade()
        events += await events_until(feed, set(trader.ids[3:]))
    assert ids(events) == trader.ids


async def test_a_feed_goes_on_with_another_token(fake_exchange: FakeExchange) -> None:
    fake_exchange.add_account("me", "secret")
    trader = Trader(fake_exchange)
    async with (
        AsyncSession(
            username="me",
            password="secret",
            base_url=fake_exchange.url,
            streaming_url=fake_exchange.streaming_url,
            retry=QUICK,
        ) as session,
        session.user_feed() as feed,
    ):
        fake_exchange.account = "me"
        trader.trade()
        events = await events_until(feed, set(trader.ids))
        for token, account in list(fake_exchange.book.tokens.items()):
            if account == "me":
                fake_exchange.revoke(token)
        await fake_exchange.drop_sockets()
        trader.trade()
        events += await events_until(feed, set(trader.ids[3:]))
    assert ids(events) == trader.ids


async def test_a_token_that_is_revoked_for_good_ends_the_feed(
    fake_exchange: FakeExchange, session: AsyncSession
) -> None:
    async with session.user_feed() as feed:
        fake_exchange.revoke(fake_exchange.token)
        await fake_exchange.drop_sockets()
        with pytest.raises(AuthenticationError):
            await anext(feed)


@pytest.mark.virtual_time
@pytest.mark.parametrize("seed", range(20))
async def test_fills_come_once_under_all_faults_at_random(
    fake_exchange: FakeExchange, session: AsyncSession, seed: int
) -> None:
    random, trader = Random(seed), Trader(fake_exchange)  # noqa: S311  # no secret is drawn
    replays = [*REPLAYS, feed_faults.CacheExpired()]
    got: list[Any] = []

    async def take(feed: UserFeed) -> None:
        async for event in feed:
            got.append(event)  # noqa: PERF401  # it never ends

    async with session.user_feed(audit=5.0) as feed:
        taking = asyncio.create_task(take(feed))
        trader.trade()
        await until(lambda: len(got) == 3)
        for _ in range(12):
            fault = random.choice([*AT_RANDOM, *LATE])
            fake_exchange.feeds.user.inject(fault, after=random.randrange(3))
            if random.random() < 0.3:
                fake_exchange.inject(random.choice(replays), endpoint="messages")
            if random.random() < 0.2:
                await fake_exchange.drop_sockets()
            trader.trade(random.randrange(4))
            await asyncio.sleep(random.random())
        fake_exchange.clear_faults()
        await asyncio.sleep(60)
        assert feed.live
        taking.cancel()
        await asyncio.wait([taking])
    assert Counter(ids(got)) == Counter(trader.ids)
    fills = [each.fill.tx_id for each in got if isinstance(each, OrderFilled)]
    book = [fill.fill_id for order in fake_exchange.book.orders.values() for fill in order.fills]
    assert Counter(fills) == Counter(book)
    # What is out of order is told of.
    newest = -1
    for before, event in pairwise(got):
        if not isinstance(event, Gap):
            place = trader.ids.index(event.message_id)
            assert place > newest or isinstance(before, Gap)
            newest = max(newest, place)


@pytest.mark.real_time
async def test_a_program_that_is_killed_at_any_moment_has_each_fill_once(
    fake_exchange: FakeExchange, tmp_path: Path
) -> None:
    random, trader = Random(1), Trader(fake_exchange)  # noqa: S311  # no secret is drawn

    async def start() -> asyncio.subprocess.Process:
        return await asyncio.create_subprocess_exec(
            sys.executable,
            str(PROGRAM),
            fake_exchange.streaming_url,
            fake_exchange.token,
            str(tmp_path),
        )

    async def kill(process: asyncio.subprocess.Process) -> None:
        process.kill()
        await process.wait()

    async def until_real(true: Any) -> None:
        async with asyncio.timeout(60):
            while not true():  # noqa: ASYNC110  # another process does it
                await asyncio.sleep(0.001)

    async def trade() -> None:
        while True:
            trader.trade()
            await asyncio.sleep(0.01)

    def recorded() -> int:
        return len(list(tmp_path.glob("fill-*")))

    process = await start()
    trading = None
    try:
        await until_real(lambda: len(fake_exchange.feeds.user) == 1)
        trader.trade()
        await until_real((tmp_path / "cursor").exists)
        trading = asyncio.create_task(trade())
        for _ in range(3):
            wanted = recorded() + random.randrange(1, 40)
            await until_real(lambda wanted=wanted: recorded() >= wanted)
            await kill(process)
            process = await start()
        trading.cancel()
        await asyncio.wait([trading])
        fills = {each["matched"]["txID"] for each in trader.told if each["matched"]}
        await until_real(lambda: all((tmp_path / f"fill-{each}").exists() for each in fills))
    finally:
        if trading is not None:
            trading.cancel()
        await kill(process)
    assert recorded() == len(fills)
    assert not (tmp_path / "twice").exists()
    assert not (tmp_path / "gap").exists()
