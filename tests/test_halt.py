"""Halting and flattening: nothing more is placed, and nothing rests when a report says so."""

import asyncio
import random
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, suppress
from datetime import UTC, datetime

import pytest
from support import SECOND, Transport, quote

from fourcasters_async import (
    AsyncSession,
    CancelReport,
    CancelResult,
    FlatReport,
    FourcastersError,
    Game,
    GameMarket,
    HaltedError,
    MarketType,
    NewOrder,
    OpenOrder,
    OutcomeUnknownError,
    UndecidedOrder,
    UnsettledCancelsError,
)
from fourcasters_async.orders.halt import by_game
from fourcasters_async.orders.verbs import Orders
from fourcasters_async.testing import FakeExchange, faults

Stop = Callable[[AsyncSession, list[str]], Awaitable[CancelReport | FlatReport]]

EVERY_STOP: dict[str, Stop] = {
    "halt": lambda session, games: session.halt(games),
    "halt all": lambda session, _: session.halt(),
    "flatten": lambda session, _: session.flatten(),
}
every_stop = pytest.mark.parametrize("stop", EVERY_STOP.values(), ids=EVERY_STOP)


def is_clear(report: CancelReport | FlatReport) -> bool:
    return report.verified_clear if isinstance(report, CancelReport) else report.clear


async def may_place(orders: Orders, game: str) -> bool:
    try:
        return (await orders.place([quote(game)]))[0].success
    except HaltedError:
        return False


# What rests, and what was in flight.


@every_stop
async def test_what_rests_is_cancelled_and_proved_gone(
    fake_exchange: FakeExchange, session: AsyncSession, stop: Stop
) -> None:
    games = [fake_exchange.add_game(orders=3).game_id for _ in range(5)]
    report = await stop(session, games)
    assert is_clear(report)
    assert sum(result.success for result in report.results) == 15
    assert not fake_exchange.open_orders()


async def test_a_halt_leaves_the_orders_on_other_games_alone(
    fake_exchange: FakeExchange, session: AsyncSession
) -> None:
    game, other = (fake_exchange.add_game(orders=3).game_id for _ in range(2))
    assert (await session.halt([game])).verified_clear
    assert len(fake_exchange.open_orders(other)) == 3


@every_stop
@pytest.mark.parametrize("committed_first", [False, True])
async def test_a_place_in_flight_is_waited_for_and_its_order_cancelled(
    fake_exchange: FakeExchange,
    session: AsyncSession,
    orders: Orders,
    transport: Transport,
    stop: Stop,
    *,
    committed_first: bool,
) -> None:
    game = fake_exchange.add_game(orders=1).game_id
    slow = faults.Slow(0.5 * SECOND, committed_first=committed_first)
    fake_exchange.inject(slow, endpoint=transport.place)
    placing = asyncio.create_task(orders.place([quote(game)]))
    await fake_exchange.wait_for(transport.place)
    report = await stop(session, [game])
    assert is_clear(report)
    assert not fake_exchange.open_orders()
    assert (await placing)[0].order_id in {result.order_id for result in report.results}


@every_stop
async def test_a_place_in_flight_whose_caller_was_cancelled_is_waited_for(
    fake_exchange: FakeExchange,
    session: AsyncSession,
    orders: Orders,
    transport: Transport,
    stop: Stop,
) -> None:
    game = fake_exchange.add_game().game_id
    fake_exchange.inject(faults.Slow(0.5 * SECOND), endpoint=transport.place)
    placing = asyncio.create_task(orders.place([quote(game)]))
    await fake_exchange.wait_for(transport.place)
    placing.cancel()
    report = await stop(session, [game])
    assert is_clear(report)
    assert fake_exchange.received(transport.place) == 1
    assert not fake_exchange.open_orders()
    with suppress(asyncio.CancelledError):
        await placing


@pytest.mark.virtual_time
async def test_no_reads_are_spent_while_a_place_is_in_flight_for_a_moment(
    fake_exchange: FakeExchange, session: AsyncSession, orders: Orders, transport: Transport
) -> None:
    game = fake_exchange.add_game().game_id
    fake_exchange.inject(faults.Slow(0.4), endpoint=transport.place)
    placing = asyncio.create_task(orders.place([quote(game)]))
    await fake_exchange.wait_for(transport.place)
    assert (await session.halt([game])).verified_clear
    # The first shows the order, the second that it is gone.
    assert fake_exchange.received("getUnmatched") == 2
    await placing


@every_stop
@pytest.mark.virtual_time
async def test_a_place_that_landed_and_is_never_answered_is_cancelled_and_then_it_is_clear(
    fake_exchange: FakeExchange,
    session: AsyncSession,
    orders: Orders,
    transport: Transport,
    stop: Stop,
) -> None:
    game = fake_exchange.add_game().game_id
    fake_exchange.inject(faults.Late(0.5, answered=False), endpoint=transport.place)
    placing = asyncio.create_task(orders.place([quote(game)]))
    await fake_exchange.wait_for(transport.place)
    report = await stop(session, [game])
    assert is_clear(report)
    assert report.elapsed < 2
    assert not placing.done()
    assert not fake_exchange.open_orders()
    with pytest.raises(OutcomeUnknownError):
        await placing


@every_stop
@pytest.mark.virtual_time
async def test_a_place_that_hangs_does_not_use_up_the_reads(
    fake_exchange: FakeExchange,
    session: AsyncSession,
    orders: Orders,
    transport: Transport,
    stop: Stop,
) -> None:
    game = fake_exchange.add_game().game_id
    fake_exchange.inject(faults.Stall(), endpoint=transport.place)
    placing = asyncio.create_task(orders.place([quote(game)]))
    await fake_exchange.wait_for(transport.place)
    assert not is_clear(await stop(session, [game]))
    assert fake_exchange.received("getUnmatched") < 10
    with pytest.raises(OutcomeUnknownError):
        await placing


@every_stop
async def test_an_edit_in_flight_is_waited_for_and_its_order_cancelled(
    fake_exchange: FakeExchange, session: AsyncSession, stop: Stop
) -> None:
    game = fake_exchange.add_game().game_id
    (placed,) = await session.place([quote(game)])
    fake_exchange.inject(faults.Slow(0.5 * SECOND, committed_first=True), endpoint="editOrder")
    editing = asyncio.create_task(
        session.edit_order(placed.order_id or "", order_odds=-120, order_volume=5.0)
    )
    await fake_exchange.wait_for("editOrder")
    assert is_clear(await stop(session, [game]))
    assert (await editing).success
    assert not fake_exchange.open_orders()


async def test_a_halt_does_not_wait_for_a_place_on_another_game(
    fake_exchange: FakeExchange, session: AsyncSession, orders: Orders, transport: Transport
) -> None:
    game, other = (fake_exchange.add_game().game_id for _ in range(2))
    fake_exchange.inject(faults.Slow(SECOND), endpoint=transport.place)
    placing = asyncio.create_task(orders.place([quote(other)]))
    await fake_exchange.wait_for(transport.place)
    assert (await session.halt([game])).verified_clear
    assert not placing.done()
    await placing


# What ended unknown.


@every_stop
@pytest.mark.virtual_time
async def test_a_place_that_ended_unknown_keeps_the_report_from_being_clear_and_is_named(
    fake_exchange: FakeExchange,
    session: AsyncSession,
    orders: Orders,
    transport: Transport,
    stop: Stop,
) -> None:
    game = fake_exchange.add_game().game_id
    fake_exchange.inject(faults.Close(), endpoint=transport.place)
    with pytest.raises(OutcomeUnknownError):
        await orders.place([quote(game, "mine")])
    report = await stop(session, [game])
    assert not is_clear(report)
    assert [(each.game_id, each.user_reference) for each in report.undecided] == [(game, "mine")]
    assert "1 own order" in str(report)


@every_stop
@pytest.mark.virtual_time
async def test_an_order_that_lands_while_it_is_waited_for_is_cancelled_and_then_it_is_clear(
    fake_exchange: FakeExchange,
    session: AsyncSession,
    orders: Orders,
    transport: Transport,
    stop: Stop,
) -> None:
    game = fake_exchange.add_game().game_id
    fake_exchange.inject(faults.Late(3.0, answered=False), endpoint=transport.place)
    with pytest.raises(OutcomeUnknownError):
        await orders.place([quote(game)], deadline=1)
    report = await stop(session, [game])
    assert is_clear(report)
    assert len(report.results) == 1
    assert not fake_exchange.open_orders()


@every_stop
@pytest.mark.virtual_time
async def test_once_nothing_can_take_effect_any_more_it_is_clear(
    fake_exchange: FakeExchange,
    session: AsyncSession,
    orders: Orders,
    transport: Transport,
    stop: Stop,
) -> None:
    game = fake_exchange.add_game().game_id
    fake_exchange.inject(faults.Close(), endpoint=transport.place)
    with pytest.raises(OutcomeUnknownError):
        await orders.place([quote(game, "mine")])
    await asyncio.sleep(121)
    assert is_clear(await stop(session, [game]))


@pytest.mark.virtual_time
async def test_an_edit_on_an_unknown_game_keeps_every_game_from_being_clear(
    fake_exchange: FakeExchange, session: AsyncSession
) -> None:
    game = fake_exchange.add_game().game_id
    order = fake_exchange.book.place(fake_exchange.account, fake_exchange.add_game().game_id)
    fake_exchange.inject(faults.Close(), endpoint="editOrder")
    with pytest.raises(OutcomeUnknownError):
        await session.edit_order(order.order_id, order_odds=-120, order_volume=5.0)
    report = await session.halt([game], deadline=2.0)
    assert not report.verified_clear
    assert [each.order_id for each in report.undecided] == [order.order_id]


# What is halted, and what is open again.


async def test_the_session_says_what_is_halted(
    fake_exchange: FakeExchange, session: AsyncSession
) -> None:
    game, other = (fake_exchange.add_game().game_id for _ in range(2))
    await session.halt([game])
    assert game in session.halted
    assert game.upper() in session.halted
    assert other not in session.halted


async def test_nothing_is_halted_at_first(session: AsyncSession) -> None:
    assert not session.halted


async def test_a_halt_of_no_games_halts_nothing(
    fake_exchange: FakeExchange, session: AsyncSession
) -> None:
    fake_exchange.add_game(orders=1)
    report = await session.halt([])
    assert not session.halted
    assert not report.ok
    assert len(fake_exchange.open_orders()) == 1


async def test_a_halt_of_one_market_halts_cancels_and_proves_the_whole_game(
    fake_exchange: FakeExchange, session: AsyncSession, orders: Orders
) -> None:
    game = fake_exchange.add_game(orders=6).game_id
    report = await session.halt([GameMarket(game, kind) for kind in (MarketType.SPREAD, "total")])
    assert [outcome.market for outcome in report.outcomes] == [GameMarket(game)]
    assert report.verified_clear
    assert not fake_exchange.open_orders()
    assert not await may_place(orders, game)


async def test_a_game_is_resumed_as_a_whole(
    fake_exchange: FakeExchange, session: AsyncSession, orders: Orders
) -> None:
    game = fake_exchange.add_game().game_id
    await session.halt([game])
    session.resume([GameMarket(game, MarketType.SPREAD)])
    assert await may_place(orders, game)


async def test_a_game_that_is_resumed_is_placed_on_again(
    fake_exchange: FakeExchange, session: AsyncSession, orders: Orders
) -> None:
    game = fake_exchange.add_game().game_id
    await session.halt([game])
    session.resume([game])
    assert await may_place(orders, game)


async def test_halting_twice_is_resumed_once(
    fake_exchange: FakeExchange, session: AsyncSession, orders: Orders
) -> None:
    game = fake_exchange.add_game().game_id
    first, second = await session.halt([game]), await session.halt([game])
    assert first.verified_clear
    assert second.verified_clear
    session.resume([game])
    assert await may_place(orders, game)


async def test_to_resume_what_is_not_halted_changes_nothing(
    fake_exchange: FakeExchange, session: AsyncSession
) -> None:
    game, other = (fake_exchange.add_game().game_id for _ in range(2))
    await session.halt([game])
    session.resume([other])
    assert game in session.halted


async def test_of_overlapping_halts_what_is_resumed_is_open_and_the_rest_stays_halted(
    fake_exchange: FakeExchange, session: AsyncSession, orders: Orders
) -> None:
    first, both, second = (fake_exchange.add_game().game_id for _ in range(3))
    await session.halt([first, both])
    await session.halt([both, second])
    session.resume([first, both])
    assert [await may_place(orders, game) for game in (first, both, second)] == [True, True, False]


async def test_one_game_of_all_can_be_resumed(
    fake_exchange: FakeExchange, session: AsyncSession, orders: Orders
) -> None:
    one, other = (fake_exchange.add_game().game_id for _ in range(2))
    await session.halt()
    session.resume([one])
    assert [await may_place(orders, game) for game in (one, other)] == [True, False]
    assert [game in session.halted for game in (one, other)] == [False, True]


async def test_a_game_that_was_resumed_of_all_can_be_halted_again(
    fake_exchange: FakeExchange, session: AsyncSession, orders: Orders
) -> None:
    one, other = (fake_exchange.add_game().game_id for _ in range(2))
    await session.halt()
    session.resume([one, other])
    await session.halt([one])
    assert [await may_place(orders, game) for game in (one, other)] == [False, True]


async def test_a_halt_of_all_takes_back_what_was_resumed(
    fake_exchange: FakeExchange, session: AsyncSession, orders: Orders
) -> None:
    game = fake_exchange.add_game().game_id
    await session.halt()
    session.resume([game])
    await session.halt()
    assert not await may_place(orders, game)


async def test_to_resume_all_opens_every_game(
    fake_exchange: FakeExchange, session: AsyncSession, orders: Orders
) -> None:
    one, other = (fake_exchange.add_game().game_id for _ in range(2))
    await session.halt([one])
    await session.halt()
    session.resume()
    assert not session.halted
    assert [await may_place(orders, game) for game in (one, other)] == [True, True]


async def test_two_tasks_that_halt_at_once_are_both_clear(
    fake_exchange: FakeExchange, session: AsyncSession, orders: Orders, transport: Transport
) -> None:
    games = [fake_exchange.add_game(orders=3).game_id for _ in range(10)]
    fake_exchange.inject(faults.Slow(0.3 * SECOND), endpoint=transport.place)
    placing = asyncio.create_task(orders.place([quote(games[5])]))
    await fake_exchange.wait_for(transport.place)
    reports = await asyncio.gather(session.halt(games[:7]), session.halt(games[3:]))
    assert all(report.verified_clear for report in reports)
    assert not fake_exchange.open_orders()
    await placing


async def test_a_halt_and_a_halt_of_all_at_once_are_both_clear(
    fake_exchange: FakeExchange, session: AsyncSession
) -> None:
    games = [fake_exchange.add_game(orders=3).game_id for _ in range(10)]
    reports = await asyncio.gather(session.halt(games[:7]), session.halt())
    assert all(report.verified_clear for report in reports)


@pytest.mark.parametrize("everything", [False, True])
async def test_a_halt_that_its_caller_cancels_leaves_the_gate_shut(
    fake_exchange: FakeExchange, session: AsyncSession, orders: Orders, *, everything: bool
) -> None:
    game = fake_exchange.add_game(orders=1).game_id
    fake_exchange.inject(faults.Stall(), endpoint="getUnmatched")
    halting = asyncio.create_task(session.halt(None if everything else [game]))
    await fake_exchange.wait_for("getUnmatched")
    halting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await halting
    assert not await may_place(orders, game)


async def test_a_halted_game_can_still_be_cancelled_on(
    fake_exchange: FakeExchange, session: AsyncSession, orders: Orders
) -> None:
    game = fake_exchange.add_game().game_id
    await session.halt([game])
    fake_exchange.book.place(fake_exchange.account, game)
    assert len(await orders.cancel_all_orders_for_game(game)) == 1


# Flatten.


async def test_nothing_is_placed_while_everything_is_flattened(
    fake_exchange: FakeExchange, session: AsyncSession, orders: Orders, transport: Transport
) -> None:
    game = fake_exchange.add_game().game_id
    fake_exchange.inject(faults.Slow(0.2 * SECOND), endpoint="getUnmatched")
    flattening = asyncio.create_task(session.flatten())
    await fake_exchange.wait_for("getUnmatched")
    with pytest.raises(HaltedError):
        await orders.place([quote(game)])
    assert (await flattening).clear
    assert not fake_exchange.received(transport.place)


async def test_after_flattening_orders_are_placed_again(
    fake_exchange: FakeExchange, session: AsyncSession, orders: Orders
) -> None:
    game = fake_exchange.add_game().game_id
    await session.flatten()
    assert await may_place(orders, game)


async def test_a_flatten_that_its_caller_cancels_opens_the_gate(
    fake_exchange: FakeExchange, session: AsyncSession, orders: Orders
) -> None:
    game = fake_exchange.add_game().game_id
    fake_exchange.inject(faults.Stall(), endpoint="getUnmatched")
    flattening = asyncio.create_task(session.flatten())
    await fake_exchange.wait_for("getUnmatched")
    flattening.cancel()
    with pytest.raises(asyncio.CancelledError):
        await flattening
    assert await may_place(orders, game)


async def test_the_gate_opens_when_the_last_of_two_flattens_has_ended(
    fake_exchange: FakeExchange, session: AsyncSession, orders: Orders
) -> None:
    game = fake_exchange.add_game().game_id
    fake_exchange.inject(faults.Slow(0.2 * SECOND), endpoint="cancelAllOrders", after=1)
    first, second = (asyncio.create_task(session.flatten()) for _ in range(2))
    await asyncio.wait([first, second], return_when=asyncio.FIRST_COMPLETED)
    assert not await may_place(orders, game)
    await asyncio.wait([first, second])
    assert await may_place(orders, game)


async def test_games_that_were_halted_stay_halted_after_a_flatten(
    fake_exchange: FakeExchange, session: AsyncSession, orders: Orders
) -> None:
    game, other = (fake_exchange.add_game().game_id for _ in range(2))
    await session.halt([game])
    await session.flatten()
    assert [await may_place(orders, each) for each in (game, other)] == [False, True]


# Reports.


@pytest.mark.virtual_time
async def test_a_halt_of_all_that_proves_nothing_is_not_ok_and_raises(
    fake_exchange: FakeExchange, session: AsyncSession
) -> None:
    fake_exchange.inject(faults.Stall(), times=None)
    report = await session.halt(deadline=2.0)
    assert not report.ok
    with pytest.raises(UnsettledCancelsError):
        report.raise_for_unsettled()


async def test_a_halt_of_all_has_an_outcome_for_each_game_that_was_named(
    fake_exchange: FakeExchange, session: AsyncSession
) -> None:
    games = {fake_exchange.add_game(orders=2).game_id for _ in range(3)}
    report = await session.halt()
    assert {outcome.game_id for outcome in report.confirmed} == games
    assert report.ok
    report.raise_for_unsettled()


@pytest.mark.parametrize("elsewhere", [[], [OpenOrder(order_id="1", game=Game(game_id="b"))], None])
def test_a_game_with_an_undecided_order_is_never_proved_clear(
    elsewhere: list[OpenOrder] | None,
) -> None:
    undecided = UndecidedOrder("a", "mine", datetime.now(UTC))
    flat = FlatReport([CancelResult(True, game_id="a")], elsewhere, undecided=(undecided,))
    assert [o.resting for o in by_game(flat).outcomes if o.game_id == "a"] == [None]


async def test_a_halt_of_all_where_nothing_rests_is_clear(session: AsyncSession) -> None:
    report = await session.halt()
    assert report.verified_clear
    assert str(report).startswith("0 games: no order was named; 0 orders cancelled; verified clear")


# The bot that goes on quoting.


class Bot:
    """Quotes on games over both transports, forever, and takes a halt as a bot would."""

    def __init__(self, exchange: FakeExchange, seed: int) -> None:
        self.random = random.Random(seed)  # noqa: S311  # a run that can be repeated
        self.exchange = exchange
        self.games = [exchange.add_game(orders=3).game_id for _ in range(3)]
        exchange.latency = self.random.choice([0.0, 0.02])
        for endpoint in ("place", "placeV3"):
            for _ in range(3):
                slow = faults.Slow(
                    self.random.randint(0, 80) / 100, committed_first=self.random.random() < 0.5
                )
                exchange.inject(slow, endpoint=endpoint, after=self.random.randrange(6))
        self.tasks: list[asyncio.Task[None]] = []

    async def run(self, session: AsyncSession, orders: Orders) -> None:
        self.tasks = [
            asyncio.create_task(self.quote(verbs, game))
            for game in self.games
            for verbs in (session, orders)
        ]
        await asyncio.sleep(self.random.randint(0, 30) / 100)

    async def quote(self, verbs: Orders, game: str) -> None:
        while True:
            with suppress(FourcastersError):
                await verbs.place(self.some(game))
            # Whole hundredths: the clock then has few moments to jump to.
            await asyncio.sleep(self.random.randint(1, 10) / 100)

    def some(self, game: str) -> list[NewOrder]:
        return [quote(game) for _ in range(self.random.randint(1, 3))]

    def open(self) -> int:
        return sum(len(self.exchange.open_orders(game)) for game in self.games)

    async def stop(self) -> None:
        for task in self.tasks:
            task.cancel()
        await asyncio.gather(*self.tasks, return_exceptions=True)


@pytest.fixture
async def started() -> AsyncIterator[Callable[[int], Awaitable[tuple[Bot, AsyncSession]]]]:
    async with AsyncExitStack() as stack:

        async def start(seed: int) -> tuple[Bot, AsyncSession]:
            exchange = await stack.enter_async_context(FakeExchange())
            session = await stack.enter_async_context(
                AsyncSession(exchange.token, base_url=exchange.url, orders_url=exchange.orders_url)
            )
            orders = await stack.enter_async_context(session.orders_socket())
            bot = Bot(exchange, seed)
            stack.push_async_callback(bot.stop)
            await bot.run(session, orders)
            return bot, session

        yield start


Started = Callable[[int], Awaitable[tuple[Bot, AsyncSession]]]
DEADLINE = 5.0


@pytest.mark.virtual_time
@pytest.mark.parametrize("seed", range(200))
async def test_a_bot_that_goes_on_quoting_has_nothing_open_after_a_halt(
    started: Started, seed: int
) -> None:
    bot, session = await started(seed)
    clock = asyncio.get_running_loop().time
    began = clock()
    report = await session.halt(None if seed % 3 == 0 else bot.games, deadline=DEADLINE)
    assert report.verified_clear
    assert clock() - began <= DEADLINE
    assert bot.open() == 0
    await bot.stop()
    await asyncio.sleep(2.0)
    assert bot.open() == 0


@pytest.mark.virtual_time
@pytest.mark.parametrize("seed", range(50))
async def test_without_a_halt_it_is_never_said_to_be_clear_while_an_own_place_is_undecided(
    started: Started, seed: int
) -> None:
    bot, session = await started(seed)
    report = await session.cancel_all_orders_for_games(bot.games, verify=True, deadline=1.0)
    for outcome in report.outcomes:
        if outcome.resting == []:
            undecided = {order.game_id for order in report.undecided}
            assert outcome.game_id not in undecided
            assert not bot.exchange.open_orders(outcome.game_id)
