"""The life of an orders socket: closed in any way at any time, and nothing is left of it."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import pytest
from support import PATIENT, SECOND, own_tasks, until

from fourcasters_async import (
    AsyncSession,
    DeadManState,
    FourcastersError,
    InvalidRequestError,
    NewOrder,
    NotSentError,
    OrdersSocket,
    OutcomeStatus,
    OutcomeUnknownError,
    RateLimitedError,
    SessionClosedError,
)
from fourcasters_async.testing import FakeExchange, faults

GAME = "f" * 24


@pytest.fixture
async def session(fake_exchange: FakeExchange) -> AsyncIterator[AsyncSession]:
    async with AsyncSession(
        fake_exchange.token,
        base_url=fake_exchange.url,
        orders_url=fake_exchange.orders_url,
        retry=PATIENT,
        max_connections=5,
    ) as session:
        yield session


async def close_the_socket(orders: OrdersSocket, _: AsyncSession) -> None:
    await orders._socket.close()


async def close_the_session(_: OrdersSocket, session: AsyncSession) -> None:
    await session.close()


ENDS = [close_the_socket, close_the_session]
every_end = pytest.mark.parametrize("end", ENDS, ids=lambda end: end.__name__)
End = Callable[[OrdersSocket, AsyncSession], Awaitable[None]]


@every_end
async def test_what_is_in_flight_when_it_is_closed_is_unknown(
    fake_exchange: FakeExchange, session: AsyncSession, end: End
) -> None:
    async with session.orders_socket() as orders:
        fake_exchange.inject(faults.Stall(), times=None)
        one = asyncio.create_task(orders.cancel_all_orders())
        many = asyncio.create_task(orders.cancel_all_orders_for_games(["a", "b"]))
        await until(lambda: fake_exchange.received() == 4)
        connection = orders._socket._connections._current
        assert connection is not None
        await end(orders, session)
        with pytest.raises(OutcomeUnknownError):
            await one
        assert len((await many).unknown) == 2
        assert not connection._pending
        assert not orders.connected
    await until(lambda: fake_exchange.sockets == 0)


async def test_a_closing_that_is_cancelled_at_any_turn_closes_all_the_same(
    fake_exchange: FakeExchange,
) -> None:
    turns, finished = 0, False
    while not finished:
        session = AsyncSession(
            fake_exchange.token,
            base_url=fake_exchange.url,
            orders_url=fake_exchange.orders_url,
            retry=PATIENT,
        )
        await session.account.get_me()
        async with session.orders_socket():
            closing = asyncio.create_task(session.close())
            for _ in range(turns):
                await asyncio.sleep(0)
            finished = closing.done()
            closing.cancel()
            await asyncio.wait([closing])
            if turns:
                await until(lambda: fake_exchange.sockets == 0)
                with pytest.raises(SessionClosedError):
                    await session.account.get_me()
        await session.close()
        turns += 1


@every_end
async def test_what_waits_for_a_connection_when_it_is_closed_is_not_sent(
    fake_exchange: FakeExchange, session: AsyncSession, end: End
) -> None:
    async with session.orders_socket() as orders:
        fake_exchange.inject(faults.Stall(), endpoint="ws", times=None)
        await fake_exchange.drop_sockets()
        await until(lambda: not orders.connected)
        waits = asyncio.create_task(orders.cancel_all_orders())
        await until(lambda: fake_exchange.received("ws") == 2)
        await end(orders, session)
        with pytest.raises(SessionClosedError):
            await waits
    assert fake_exchange.received("cancelAll") == 0


@every_end
async def test_a_verb_after_the_end_says_so_and_sends_nothing(
    fake_exchange: FakeExchange, session: AsyncSession, end: End
) -> None:
    async with session.orders_socket() as orders:
        await end(orders, session)
        received = fake_exchange.received()
        calls: list[Awaitable[object]] = [
            orders.cancel(GAME),
            orders.cancel_multiple([GAME]),
            orders.cancel_all_orders_for_game(GAME),
            orders.cancel_all_orders_for_games([GAME]),
            orders.cancel_all_orders_for_games([GAME], hedge=0.1 * SECOND),
            orders.cancel_all_orders(),
            orders.place([NewOrder("g", "moneyline", "a", odds=-110, bet=1.0)]),
            orders.heartbeat(5),
        ]
        for call in calls:
            with pytest.raises(SessionClosedError):
                await call
        with pytest.raises(SessionClosedError):
            async with orders.dead_man_switch(5):
                pass
    assert fake_exchange.received() == received


async def test_a_closed_session_opens_no_socket(
    fake_exchange: FakeExchange, session: AsyncSession
) -> None:
    await session.close()
    with pytest.raises(SessionClosedError):
        async with session.orders_socket():
            pass
    assert not fake_exchange.requests


async def test_closing_the_session_ends_an_entering_that_dials(
    fake_exchange: FakeExchange, session: AsyncSession
) -> None:
    fake_exchange.inject(faults.Stall(), endpoint="ws", times=None)

    async def enter() -> None:
        async with session.orders_socket():
            pass

    entering = asyncio.create_task(enter())
    await until(lambda: fake_exchange.received("ws") == 1)
    await session.close()
    with pytest.raises(SessionClosedError):
        await entering


async def test_an_exception_in_the_block_goes_up_and_the_socket_is_closed(
    fake_exchange: FakeExchange, session: AsyncSession
) -> None:
    with pytest.raises(ZeroDivisionError):
        async with session.orders_socket():
            raise ZeroDivisionError
    await until(lambda: fake_exchange.sockets == 0)
    assert not session._transports._more


async def test_the_session_serves_on_after_its_socket_is_closed_and_opens_another(
    fake_exchange: FakeExchange, session: AsyncSession
) -> None:
    for _ in range(3):
        async with session.orders_socket() as orders:
            assert await orders.cancel_all_orders() == []
    assert await session.account.get_unmatched() == []
    assert fake_exchange.received("ws") == 3


@asynccontextmanager
async def nothing_left(exchange: FakeExchange, session: AsyncSession) -> AsyncIterator[None]:
    before = asyncio.all_tasks()
    yield
    assert own_tasks(before) == set()
    assert not session._transports._more
    await until(lambda: exchange.sockets == 0)


@pytest.mark.parametrize(
    "fault",
    [None, faults.Slow(0.05 * SECOND), faults.Close(), faults.TooManyRequests("0")],
    ids=repr,
)
async def test_nothing_is_left_of_an_entering_that_is_cancelled_at_any_turn(
    fake_exchange: FakeExchange, session: AsyncSession, fault: faults.Fault | None
) -> None:
    async def enter() -> None:
        async with session.orders_socket() as orders:
            await orders.cancel_all_orders()

    turns, finished = 0, False
    while not finished and turns < 150:
        fake_exchange.clear_faults()
        if fault is not None:
            fake_exchange.inject(fault, endpoint="ws")
        async with nothing_left(fake_exchange, session):
            task = asyncio.create_task(enter())
            for _ in range(turns):
                await asyncio.sleep(0)
            finished = task.done()
            task.cancel()
            await asyncio.wait([task])
        turns += 1 if turns < 60 else 10


CALLS: dict[str, Callable[[OrdersSocket, list[str]], Awaitable[object]]] = {
    "one game": lambda orders, games: orders.cancel_all_orders_for_game(games[0]),
    "many games": lambda orders, games: orders.cancel_all_orders_for_games(games),
    "hedged": lambda orders, games: orders.cancel_all_orders_for_games(games, hedge=0.001 * SECOND),
    "verified": lambda orders, games: orders.cancel_all_orders_for_games(games, verify=True),
    "a heartbeat": lambda orders, _: orders.heartbeat(3600),
}
WAITS: dict[str, faults.Fault | None] = {
    "all goes well": None,
    "the connection is reset": faults.Reset(),
    "the connection is closed": faults.CloseCode(1011),
    "an answer is slow": faults.Slow(0.02 * SECOND),
}


@pytest.mark.parametrize("fault", WAITS.values(), ids=WAITS)
@pytest.mark.parametrize("call", CALLS.values(), ids=CALLS)
async def test_nothing_is_left_of_a_verb_that_is_cancelled_at_any_turn(
    fake_exchange: FakeExchange,
    session: AsyncSession,
    call: Callable[[OrdersSocket, list[str]], Awaitable[object]],
    fault: faults.Fault | None,
) -> None:
    games = [fake_exchange.add_game(orders=1).game_id for _ in range(4)]
    turns, finished = 0, False
    async with session.orders_socket() as orders:
        await orders.cancel_all_orders()
        while not finished and turns < 120:
            fake_exchange.clear_faults()
            for message in ("cancelAllByGame", "heartbeat"):
                if fault is not None:
                    fake_exchange.inject(fault, endpoint=message)
            await until(lambda: orders.connected)
            connection = orders._socket._connections._current
            assert connection is not None
            task = asyncio.ensure_future(call(orders, games))
            for _ in range(turns):
                await asyncio.sleep(0)
            finished = task.done()
            task.cancel()
            await asyncio.wait([task])
            assert not connection._pending
            turns += 1 if turns < 40 else 10
        fake_exchange.clear_faults()
        report = await orders.cancel_all_orders_for_games(games, verify=True)
        assert report.verified_clear


async def test_a_dead_man_switch_beats_over_the_socket_and_over_the_next_one(
    fake_exchange: FakeExchange, session: AsyncSession
) -> None:
    async with session.orders_socket() as orders, orders.dead_man_switch(1) as switch:
        assert switch.state is DeadManState.ARMED
        await until(lambda: fake_exchange.received("heartbeat") >= 2)
        await fake_exchange.drop_sockets()
        beats = fake_exchange.received("heartbeat")
        await until(lambda: fake_exchange.received("heartbeat") > beats + 1)
        assert switch.state is DeadManState.ARMED
    assert fake_exchange.received("ordersHeartbeat") == 0


async def test_a_dead_man_switch_that_is_not_acknowledged_is_not_armed(
    fake_exchange: FakeExchange, session: AsyncSession
) -> None:
    fake_exchange.inject(faults.Unavailable(), endpoint="heartbeat", times=None)
    async with session.orders_socket() as orders:
        with pytest.raises(OutcomeUnknownError):
            async with orders.dead_man_switch(1):
                pytest.fail("it was entered")


async def test_to_stop_beating_is_to_be_flat(
    fake_exchange: FakeExchange, session: AsyncSession
) -> None:
    fake_exchange.add_game(orders=3)
    async with session.orders_socket() as orders:
        await orders.heartbeat(30)
        fake_exchange.move_clock(29)
        assert len(fake_exchange.open_orders()) == 3
        fake_exchange.move_clock(2)
    assert not fake_exchange.open_orders()


async def test_a_cancel_takes_what_its_filters_choose(
    fake_exchange: FakeExchange, session: AsyncSession
) -> None:
    game = fake_exchange.add_game()
    place = fake_exchange.book.place
    under = place(fake_exchange.account, game.game_id, type="total", side="under")
    over = place(fake_exchange.account, game.game_id, type="total", side="over")
    draw = place(fake_exchange.account, game.game_id, type="moneyline1x2", market="draw")
    home = place(fake_exchange.account, game.game_id, type="moneyline1x2")
    async with session.orders_socket() as orders:
        cancel = orders.cancel_all_orders_for_game
        taken = [
            await cancel(game.game_id, "total", side="under"),
            await cancel(game.game_id, "moneyline1x2", market="draw"),
            await cancel(game.game_id, "moneyline1x2"),
            await cancel(game.game_id),
        ]
    assert [[result.order_id for result in results] for results in taken] == [
        [under.order_id],
        [draw.order_id],
        [home.order_id],
        [over.order_id],
    ]


async def test_warming_up_opens_so_many_connections(
    fake_exchange: FakeExchange, session: AsyncSession
) -> None:
    assert await session.warm_up(5) == 5
    server = fake_exchange._runner.server
    assert server is not None
    assert len(server.connections) == 5
    assert fake_exchange.received("getMe") == 5


async def test_warming_up_counts_what_was_answered(
    fake_exchange: FakeExchange, session: AsyncSession
) -> None:
    fake_exchange.inject(faults.Unauthorized(), after=1, times=2)
    assert await session.warm_up(5) == 3


async def test_warming_up_past_the_pool_is_refused(
    fake_exchange: FakeExchange, session: AsyncSession
) -> None:
    with pytest.raises(InvalidRequestError, match=r"^connections"):
        await session.warm_up(6)
    assert not fake_exchange.requests


@pytest.mark.parametrize(
    ("fault", "kind"),
    [(faults.TooManyRequests("60"), RateLimitedError), (faults.Reset(), FourcastersError)],
    ids=repr,
)
async def test_warming_up_raises_if_nothing_was_answered(
    fake_exchange: FakeExchange,
    session: AsyncSession,
    fault: faults.Fault,
    kind: type[FourcastersError],
) -> None:
    fake_exchange.inject(fault, times=None)
    with pytest.raises(kind):
        await session.warm_up(3)


async def test_warming_up_what_cannot_be_reached_is_not_sent(
    fake_exchange: FakeExchange, session: AsyncSession
) -> None:
    async with fake_exchange.refusing():
        with pytest.raises(NotSentError):
            await session.warm_up(2)


async def test_a_socket_that_was_never_lost_was_opened_once(
    fake_exchange: FakeExchange, session: AsyncSession
) -> None:
    games = [fake_exchange.add_game(orders=1).game_id for _ in range(20)]
    async with session.orders_socket() as orders:
        report = await orders.cancel_all_orders_for_games(games, verify=True)
    assert {outcome.status for outcome in report.outcomes} == {OutcomeStatus.CONFIRMED}
    assert report.verified_clear
    assert fake_exchange.received("ws") == 1
