"""What a feed proves and what it does not: never clear while an own order rests or may come."""

import asyncio

import pytest
from support import QUICK, SECOND, until
from test_live_orders import following, held, new, resting, session_of

from fourcasters_async import InvalidRequestError, NotSentError, ProofSource, SessionClosedError
from fourcasters_async.testing import BookGame, FakeExchange, faults, feed_faults

# A wait that costs nothing where the clock jumps.
LONG = 60 * SECOND


@pytest.fixture
def game(fake_exchange: FakeExchange) -> BookGame:
    return fake_exchange.add_game()


async def test_a_cancel_from_before_that_a_slow_feed_tells_late_is_no_proof(
    fake_exchange: FakeExchange, game: BookGame
) -> None:
    book, account = fake_exchange.book, fake_exchange.account
    first = book.place(account, game.game_id)
    fake_exchange.inject(faults.Unavailable(), endpoint="cancelAllOrdersForGame", times=None)
    fake_exchange.inject(faults.Unavailable(), endpoint="cancelMultiple", times=None)
    async with following(fake_exchange) as (session, _):
        # Another program replaces its order, and the feed lags.
        fake_exchange.feeds.user.inject(feed_faults.Late(0.1))
        book.cancel(first)
        fake_exchange.feeds.user.inject(feed_faults.Late(LONG))
        book.place(account, game.game_id)
        report = await session.halt([game.game_id], deadline=SECOND)
        assert len(fake_exchange.open_orders()) == 1
        assert not report.verified_clear


async def test_a_fill_proves_nothing_about_a_cancel(
    fake_exchange: FakeExchange, game: BookGame
) -> None:
    book, account = fake_exchange.book, fake_exchange.account
    first = book.place(account, game.game_id)
    fake_exchange.inject(faults.Unavailable(), endpoint="cancelAllOrders", times=None)
    async with following(fake_exchange) as (session, _):
        fake_exchange.feeds.user.inject(feed_faults.Late(0.1))
        book.fill(first.order_id, 100.0)
        fake_exchange.feeds.user.inject(feed_faults.Late(LONG))
        book.place(account, game.game_id)
        report = await session.flatten(deadline=SECOND)
        assert len(fake_exchange.open_orders()) == 1
        assert not report.clear


async def test_a_cancel_that_was_not_answered_is_not_proved_by_another_one_on_the_game(
    fake_exchange: FakeExchange, game: BookGame
) -> None:
    first = fake_exchange.book.place(fake_exchange.account, game.game_id)
    fake_exchange.inject(faults.Stall(), endpoint="cancelAllOrdersForGame", times=None)
    fake_exchange.inject(faults.Slow(SECOND / 4, committed_first=True), endpoint="cancel")
    async with following(fake_exchange) as (session, _):
        halting = asyncio.create_task(session.halt([game.game_id], deadline=SECOND))
        await session.cancel(first.order_id)
        report = await halting
        assert report.verified_clear
        assert report.outcomes[0].seen_by is ProofSource.READ


async def test_a_flatten_that_was_not_answered_is_not_proved_by_another_cancel(
    fake_exchange: FakeExchange, game: BookGame
) -> None:
    first = fake_exchange.book.place(fake_exchange.account, game.game_id)
    fake_exchange.inject(faults.Stall(), endpoint="cancelAllOrders", times=None)
    fake_exchange.inject(faults.Slow(SECOND / 4, committed_first=True), endpoint="cancel")
    async with following(fake_exchange) as (session, _):
        flattening = asyncio.create_task(session.flatten(deadline=SECOND))
        await session.cancel(first.order_id)
        report = await flattening
        assert (report.clear, report.seen_by) == (True, ProofSource.READ)


async def test_an_order_on_a_period_is_found_though_its_answer_came_before_the_feed_told_of_it(
    fake_exchange: FakeExchange, game: BookGame
) -> None:
    period = fake_exchange.add_game(parent=game)
    async with following(fake_exchange) as (session, orders):
        await session.place([new(game)])
        fake_exchange.feeds.user.inject(feed_faults.Late(0.2))
        await session.place([new(period, user_reference="period")])
        await asyncio.sleep(0.3)
        (order,) = orders.on_game(period.game_id)
        assert order.game is not None
        assert order.game.parent_game_id == game.game_id
        report = await session.halt([game.game_id], periods=True)
        assert (report.verified_clear, resting(fake_exchange)) == (True, set())


async def test_an_order_on_a_period_of_which_the_feed_has_not_told_yet_is_found_by_a_read(
    fake_exchange: FakeExchange, game: BookGame
) -> None:
    period = fake_exchange.add_game(parent=game)
    async with following(fake_exchange) as (session, _):
        await session.place([new(game)])
        fake_exchange.feeds.user.inject(feed_faults.Late(0.5))
        await session.place([new(period, user_reference="period")])
        report = await session.halt([game.game_id], periods=True)
        assert (report.verified_clear, resting(fake_exchange)) == (True, set())


async def test_it_is_not_clear_while_an_own_place_may_still_land(
    fake_exchange: FakeExchange, game: BookGame
) -> None:
    fake_exchange.inject(faults.Late(8 * SECOND), endpoint="place")
    async with following(fake_exchange) as (session, orders):
        placing = asyncio.create_task(session.place([new(game)], deadline=LONG))
        await asyncio.sleep(0)
        assert not await orders.wait_until_clear([game.game_id], deadline=SECOND)
        assert await orders.wait_until_clear([fake_exchange.add_game().game_id], deadline=SECOND)
        assert not await orders.wait_until_clear(deadline=SECOND)
        placing.cancel()
        await asyncio.wait([placing])


async def test_it_is_clear_once_an_own_place_is_decided(
    fake_exchange: FakeExchange, game: BookGame
) -> None:
    fake_exchange.inject(faults.Slow(0.3), endpoint="place")
    async with following(fake_exchange) as (session, orders):
        # It is refused after a while.
        placing = asyncio.create_task(session.place([new(game, order_type="fillAndKill")]))
        await asyncio.sleep(0)
        assert not await orders.wait_until_clear([game.game_id], deadline=0.1)
        assert await orders.wait_until_clear([game.game_id])
        await asyncio.wait([placing])


async def test_an_order_that_a_lagging_read_showed_after_it_had_gone_is_not_held_when_current(
    fake_exchange: FakeExchange, game: BookGame
) -> None:
    order = fake_exchange.book.place(fake_exchange.account, game.game_id)
    await asyncio.sleep(2 * SECOND)
    fake_exchange.book.cancel(order)
    fake_exchange.vanish_lag = SECOND / 2
    async with (
        session_of(fake_exchange, read_lag=SECOND) as session,
        session.live_orders(audit=LONG) as orders,
    ):
        assert held(orders) == {order.order_id}
        assert await orders.wait_until_current()
        assert held(orders) == resting(fake_exchange) == set()


async def test_a_closed_order_that_the_feed_says_is_placed_again_rests(
    fake_exchange: FakeExchange, game: BookGame
) -> None:
    async with following(fake_exchange) as (session, orders):
        (placed,) = await session.place([new(game)])
        await session.cancel(placed.order_id or "")
        assert await orders.wait_until_clear()
        again = {"orderID": placed.order_id, "offered": 50.0, "filled": 0.0, "remaining": 50.0}
        fake_exchange.feeds.user.inject(feed_faults.Altered({"unmatched": again}))
        fake_exchange.book.place(fake_exchange.account, game.game_id)
        await until(lambda: held(orders) == {placed.order_id})
        assert not await orders.wait_until_clear(deadline=0.1)


async def test_a_caller_that_is_cancelled_while_it_leaves_leaves_nothing_open(
    fake_exchange: FakeExchange,
) -> None:
    async with session_of(fake_exchange) as session:
        orders = session.live_orders()
        await orders.__aenter__()
        changes = aiter(orders)
        leaving = asyncio.create_task(orders.__aexit__(None, None, None))
        await asyncio.sleep(0)
        leaving.cancel()
        await asyncio.wait([leaving])
        with pytest.raises(SessionClosedError):
            await asyncio.wait_for(anext(changes), SECOND)
        await until(lambda: len(fake_exchange.feeds) == 0)


async def test_live_orders_that_are_told_of_no_more_answers_are_not_current(
    fake_exchange: FakeExchange,
) -> None:
    async with session_of(fake_exchange) as session:
        orders = session.live_orders()
        await orders.__aenter__()
        assert await orders.wait_until_current()
        leaving = asyncio.create_task(orders.__aexit__(None, None, None))
        await asyncio.sleep(0)
        assert not leaving.done()
        assert (session._gate.follower, orders.current) == (None, False)
        await leaving


async def test_live_orders_are_entered_once_also_if_that_failed(
    fake_exchange: FakeExchange,
) -> None:
    fake_exchange.inject(faults.Unavailable(), endpoint="user", times=QUICK.max_attempts)
    async with session_of(fake_exchange) as session:
        orders = session.live_orders()
        with pytest.raises(NotSentError):
            await orders.__aenter__()
        with pytest.raises(InvalidRequestError, match="entered before"):
            await orders.__aenter__()


async def test_live_orders_whose_upkeep_fails_are_not_current_and_say_why(
    fake_exchange: FakeExchange, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with following(fake_exchange, audit=SECOND) as (session, orders):
        changes = aiter(orders)

        async def fail() -> None:
            raise ArithmeticError

        monkeypatch.setattr(orders, "_read", fail)
        with pytest.raises(SessionClosedError, match="ArithmeticError"):
            await asyncio.wait_for(anext(changes), LONG)
        assert not orders.current
        report = await session.flatten()
        assert report.seen_by is ProofSource.READ


async def test_a_session_that_is_closed_meanwhile_leaves_nothing_current(
    fake_exchange: FakeExchange,
) -> None:
    session = session_of(fake_exchange)
    async with session.live_orders() as orders:
        assert await orders.wait_until_current()
        changes = aiter(orders)
        await session.close()
        assert not orders.current
        with pytest.raises(SessionClosedError):
            await asyncio.wait_for(anext(changes), LONG)


async def test_since_when_they_are_not_current_is_known_at_once(
    fake_exchange: FakeExchange,
) -> None:
    async with following(fake_exchange) as (_, orders):
        assert orders.not_current_since is None
        orders._core.reconnect("the line is bad")
        assert not orders.current
        assert orders.not_current_since is not None
