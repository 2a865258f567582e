"""A token that is past its life: one request brings the next one, and all others wait for it."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest
from aiohttp import web
from attrs import frozen
from hypothesis import given, settings
from hypothesis import strategies as st
from support import (
    OVER_REST,
    OVER_THE_SOCKET,
    PATIENT,
    REFERENCE,
    SECOND,
    JumpingLoop,
    Transport,
    Verb,
    one_clock,
    own_tasks,
    quote,
    until,
)

from fourcasters_async import (
    AsyncSession,
    AuthenticationError,
    DeadManState,
    HaltedError,
    InvalidRequestError,
    OutcomeStatus,
    RateLimit,
)
from fourcasters_async._core.in_flight import InFlight
from fourcasters_async.testing import BookOrder, FakeExchange, faults
from fourcasters_async.testing.rest import TOKEN_LIFE

NAME, PASSWORD = "trader", "correct horse"


def made_with(exchange: FakeExchange, **options: Any) -> AsyncSession:
    options.setdefault("rate_limit", RateLimit(requests=10_000))
    return AsyncSession(
        exchange.token,
        base_url=exchange.url,
        orders_url=exchange.orders_url,
        retry=PATIENT,
        **options,
    )


@pytest.fixture
async def session(fake_exchange: FakeExchange) -> AsyncIterator[AsyncSession]:
    async with made_with(fake_exchange) as session:
        yield session


@pytest.fixture
def order(fake_exchange: FakeExchange) -> BookOrder:
    game = fake_exchange.add_game()
    return fake_exchange.book.place(
        fake_exchange.account, game.game_id, type="total", user_reference=REFERENCE
    )


@asynccontextmanager
async def rotating(
    exchange: FakeExchange, session: AsyncSession, seconds: float = 2 * SECOND
) -> AsyncIterator["asyncio.Task[object]"]:
    """Have a request in flight that has replaced the token, and whose answer takes a while."""
    exchange.move_clock(TOKEN_LIFE)
    exchange.inject(faults.Slow(seconds, committed_first=True), endpoint="getLeagues")
    before = len(exchange.book.issued)
    slow = asyncio.create_task(session.markets.get_leagues())
    await until(lambda: len(exchange.book.issued) > before)
    yield slow
    await asyncio.gather(slow, return_exceptions=True)


async def beats(session: AsyncSession, _: BookOrder) -> None:
    async with session.dead_man_switch(30) as switch:
        assert switch.state is DeadManState.ARMED


async def shakes_hands(session: AsyncSession, _: BookOrder) -> None:
    async with session.orders_socket():
        pass


ASKED = [
    *OVER_REST,
    Verb("place", lambda s, o: s.place([quote(o.game_id)])),
    Verb("editOrder", lambda s, o: s.edit_order(o.order_id, order_odds=120, order_volume=50.0)),
    Verb("lookupOrder", lambda s, o: s.lookup_order(o.order_id)),
    Verb("getMe", lambda s, _: s.account.get_me()),
    Verb("getUnmatched", lambda s, _: s.account.get_unmatched()),
    Verb("getOrdersForGame", lambda s, o: s.account.get_orders_for_game(o.game_id)),
    Verb("ordersHeartbeat", beats),
    Verb("ws", shakes_hands),
]
MESSAGES = [
    *OVER_THE_SOCKET,
    Verb("placeV3", lambda s, o: s.place([quote(o.game_id)])),
    Verb("heartbeat", lambda s, _: s.heartbeat(3600)),
]


@pytest.mark.parametrize("asked", ASKED, ids=str)
async def test_a_request_whose_token_was_just_replaced_waits_for_the_new_one_and_is_served(
    fake_exchange: FakeExchange, session: AsyncSession, order: BookOrder, asked: Verb
) -> None:
    async with rotating(fake_exchange, session):
        await asked(session, order)
    assert fake_exchange.received(asked.endpoint) == 2


@pytest.mark.parametrize("asked", MESSAGES, ids=str)
async def test_a_message_whose_token_was_just_replaced_waits_for_the_new_one_and_is_served(
    fake_exchange: FakeExchange, session: AsyncSession, order: BookOrder, asked: Verb
) -> None:
    async with session.orders_socket() as orders, rotating(fake_exchange, session):
        fake_exchange.inject(faults.Unauthorized(), endpoint=asked.endpoint)
        await asked.call(orders, order)
    assert (fake_exchange.received(asked.endpoint), fake_exchange.received("ws")) == (2, 2)


@frozen
class Rotation(faults.Fault):
    """The answer brings a new token after a while, and the old one is good until then."""

    exchange: FakeExchange
    seconds: float = 2 * SECOND

    async def __call__(self, call: faults.Call) -> web.StreamResponse:
        await call.clock.sleep(self.seconds)
        response = faults.respond(call.commit())
        self.exchange.revoke(self.exchange.token)
        response.headers["X-Auth-Token"] = self.exchange.book.issue_token(self.exchange.account)
        return response


async def test_a_read_that_proves_a_cancel_waits_for_the_new_token(
    fake_exchange: FakeExchange, session: AsyncSession, order: BookOrder
) -> None:
    fake_exchange.inject(Rotation(fake_exchange), endpoint="getLeagues")
    fake_exchange.inject(faults.Unauthorized(), endpoint="getUnmatched")
    slow = asyncio.create_task(session.markets.get_leagues())
    await fake_exchange.wait_for("getLeagues")
    report = await session.cancel_all_orders_for_games([order.game_id], verify=True)
    assert slow.done()
    await slow
    assert report.verified_clear


async def test_of_a_burst_with_an_old_token_every_game_is_confirmed(
    fake_exchange: FakeExchange, transport: Transport
) -> None:
    told: list[str] = []
    games = [fake_exchange.add_game(orders=1).game_id for _ in range(100)]
    fake_exchange.move_clock(TOKEN_LIFE)
    async with (
        made_with(fake_exchange, on_token=told.append) as session,
        transport.open(session) as orders,
    ):
        report = await orders.cancel_all_orders_for_games(games, verify=True)
        await session.account.get_me()
    assert len(report.confirmed) == 100
    assert report.verified_clear
    assert list(fake_exchange.book.tokens) == told
    assert fake_exchange.received("login") == 0


async def test_the_new_token_may_come_after_all_the_refusals(
    fake_exchange: FakeExchange, session: AsyncSession
) -> None:
    games = [fake_exchange.add_game(orders=1).game_id for _ in range(100)]
    fake_exchange.move_clock(TOKEN_LIFE)
    slow = faults.Slow(3 * SECOND, committed_first=True)
    fake_exchange.inject(slow, endpoint="cancelAllOrdersForGame")
    assert len((await session.cancel_all_orders_for_games(games)).confirmed) == 100


@pytest.mark.virtual_time
async def test_a_hedge_that_the_socket_overtakes_still_brings_the_new_token(
    fake_exchange: FakeExchange,
) -> None:
    told: list[str] = []
    games = [fake_exchange.add_game(orders=1).game_id for _ in range(30)]
    async with (
        made_with(fake_exchange, on_token=told.append) as session,
        session.orders_socket() as orders,
    ):
        fake_exchange.move_clock(TOKEN_LIFE)
        socket, rest = faults.Slow(0.3 * SECOND), faults.Slow(0.5 * SECOND, committed_first=True)
        fake_exchange.inject(socket, endpoint="cancelAllByGame", times=None)
        fake_exchange.inject(rest, endpoint="cancelAllOrdersForGame", times=None)
        report = await orders.cancel_all_orders_for_games(games, verify=True, hedge=0.1 * SECOND)
        assert report.verified_clear
        # What was given up is not repeated.
        assert fake_exchange.received("cancelAllOrdersForGame") == len(games)
    assert list(fake_exchange.book.tokens) == told


@pytest.mark.virtual_time
async def test_a_hedge_that_was_overtaken_and_hangs_is_ended(fake_exchange: FakeExchange) -> None:
    games = [fake_exchange.add_game(orders=1).game_id for _ in range(3)]
    fake_exchange.inject(faults.Slow(0.3 * SECOND), endpoint="cancelAllByGame", times=None)
    fake_exchange.inject(faults.Stall(), endpoint="cancelAllOrdersForGame", times=None)
    async with made_with(fake_exchange) as session, session.orders_socket() as orders:
        before = asyncio.all_tasks()
        report = await orders.cancel_all_orders_for_games(games, hedge=0.1 * SECOND)
        assert len(report.confirmed) == len(games)
        assert len(own_tasks(before)) == len(games)
        await asyncio.sleep(1.5 * SECOND)
        assert not own_tasks(before)
        assert fake_exchange.received("cancelAllOrdersForGame") == len(games)


@pytest.mark.virtual_time
async def test_once_the_new_token_has_come_nothing_else_in_flight_is_waited_for(
    fake_exchange: FakeExchange, session: AsyncSession
) -> None:
    fake_exchange.inject(faults.Stall(), endpoint="getUnmatched", times=None)
    stuck = asyncio.create_task(session.account.get_unmatched())
    await fake_exchange.wait_for("getUnmatched")
    async with rotating(fake_exchange, session, SECOND), asyncio.timeout(3 * SECOND):
        await session.account.get_me()
    stuck.cancel()
    await asyncio.wait([stuck])


def with_password(exchange: FakeExchange) -> AsyncSession:
    exchange.add_account(exchange.account, PASSWORD)
    return made_with(exchange, username=exchange.account, password=PASSWORD)


async def test_with_credentials_too_the_new_token_is_waited_for(
    fake_exchange: FakeExchange,
) -> None:
    async with with_password(fake_exchange) as session, rotating(fake_exchange, session):
        await session.account.get_me()
    assert fake_exchange.received("login") == 0


@pytest.mark.virtual_time
async def test_with_credentials_half_of_the_time_is_left_for_a_login(
    fake_exchange: FakeExchange,
) -> None:
    began = asyncio.get_running_loop().time()
    async with with_password(fake_exchange) as session, rotating(fake_exchange, session, 15):
        await session.cancel_all_orders(deadline=8)
        took = asyncio.get_running_loop().time() - began
    assert took == pytest.approx(4, abs=0.1)
    assert fake_exchange.received("login") == 1


@pytest.mark.virtual_time
async def test_a_refusal_is_final_when_no_token_came_by_the_deadline(
    fake_exchange: FakeExchange, session: AsyncSession, order: BookOrder
) -> None:
    began = asyncio.get_running_loop().time()
    async with rotating(fake_exchange, session, seconds=8):
        report = await session.cancel_all_orders_for_games([order.game_id], deadline=3)
        took = asyncio.get_running_loop().time() - began
    assert report.outcomes[0].status is OutcomeStatus.REFUSED
    assert took == pytest.approx(3, abs=0.1)


async def test_of_a_burst_with_a_dead_token_all_are_refused_once_and_nobody_waits_for_another(
    fake_exchange: FakeExchange, session: AsyncSession
) -> None:
    fake_exchange.revoke(fake_exchange.token)
    games = [fake_exchange.add_game().game_id for _ in range(100)]
    async with asyncio.timeout(10 * SECOND):
        report = await session.cancel_all_orders_for_games(games)
    assert len(report.refused) == fake_exchange.received() == 100


async def test_a_request_that_is_cancelled_brings_no_token_and_holds_up_nobody(
    fake_exchange: FakeExchange, session: AsyncSession
) -> None:
    async with asyncio.timeout(10 * SECOND), rotating(fake_exchange, session, 3600) as slow:
        waiting = asyncio.create_task(session.account.get_me())
        await until(lambda: bool(session._http._resting))
        slow.cancel()
        with pytest.raises(AuthenticationError):
            await waiting
    assert fake_exchange.received("getMe") == 1


async def test_one_that_waits_can_be_cancelled_and_the_others_are_served(
    fake_exchange: FakeExchange, session: AsyncSession
) -> None:
    async with rotating(fake_exchange, session):
        first, second = (asyncio.create_task(session.account.get_me()) for _ in range(2))
        await until(lambda: len(session._http._resting) == 2)
        first.cancel()
        with pytest.raises(asyncio.CancelledError):
            await first
        assert (await second).username == fake_exchange.account


async def test_closing_ends_the_wait_and_leaves_nothing_running(
    fake_exchange: FakeExchange,
) -> None:
    before = asyncio.all_tasks()
    session = made_with(fake_exchange)
    async with asyncio.timeout(10 * SECOND), rotating(fake_exchange, session, 3600):
        waiting = asyncio.create_task(session.account.get_me())
        await until(lambda: bool(session._http._resting))
        await session.close()
        with pytest.raises(AuthenticationError):
            await waiting
    assert not own_tasks(before)


async def test_an_order_that_waits_for_a_token_is_halted_at_once(
    fake_exchange: FakeExchange, session: AsyncSession, order: BookOrder
) -> None:
    async with rotating(fake_exchange, session) as slow:
        placing = asyncio.create_task(session.place([quote(order.game_id)]))
        await until(lambda: bool(session._http._resting))
        halting = asyncio.create_task(session.halt([order.game_id]))
        with pytest.raises(HaltedError):
            await placing
        assert not slow.done()
        await halting
    assert fake_exchange.received("place") == 1


@frozen
class SlowRefusal(faults.Fault):
    """401 after a while. Nothing is done."""

    seconds: float

    async def __call__(self, call: faults.Call) -> web.StreamResponse:
        await call.clock.sleep(self.seconds)
        return await faults.Unauthorized()(call)


async def test_orders_in_flight_beside_one_whose_token_is_refused_are_not_in_doubt(
    fake_exchange: FakeExchange,
) -> None:
    game = fake_exchange.add_game().game_id
    for number in range(20):
        fake_exchange.inject(SlowRefusal(0.1 * number * SECOND), endpoint="placeV3")
    async with with_password(fake_exchange) as session, session.orders_socket() as orders:
        placed = await asyncio.gather(*[orders.place([quote(game)]) for _ in range(20)])
    assert len(placed) == len(fake_exchange.open_orders()) == 20
    assert fake_exchange.received("ws") == 2


async def test_a_message_without_an_answer_keeps_no_connection_with_a_refused_token(
    fake_exchange: FakeExchange,
) -> None:
    fake_exchange.inject(faults.Stall(), endpoint="cancelById", times=None)
    fake_exchange.inject(faults.Unauthorized(), endpoint="cancelAll")
    async with with_password(fake_exchange) as session, session.orders_socket() as orders:
        stuck = asyncio.create_task(orders.cancel("a" * 24))
        await fake_exchange.wait_for("cancelById")
        assert await orders.cancel_all_orders(deadline=5 * SECOND) == []
        assert fake_exchange.received("ws") == 2
        stuck.cancel()
        await asyncio.wait([stuck])


async def test_a_logout_ends_the_token_that_another_answer_was_about_to_bring(
    fake_exchange: FakeExchange, session: AsyncSession
) -> None:
    async with rotating(fake_exchange, session):
        await session.logout()
    assert not fake_exchange.book.tokens
    with pytest.raises(InvalidRequestError, match=r"^token: none"):
        await session.account.get_me()


@pytest.mark.virtual_time
async def test_a_logout_with_credentials_waits_for_that_token_as_long_as_it_may(
    fake_exchange: FakeExchange,
) -> None:
    async with with_password(fake_exchange) as session, rotating(fake_exchange, session, 6):
        await session.logout(deadline=8)
    assert fake_exchange.received("logout") == 2
    assert fake_exchange.received("login") == 0


async def test_a_logout_does_not_end_the_token_of_a_login_meanwhile(
    fake_exchange: FakeExchange, session: AsyncSession
) -> None:
    fake_exchange.add_account(NAME, PASSWORD)
    async with rotating(fake_exchange, session):
        ending = asyncio.create_task(session.logout())
        await until(lambda: bool(session._http._resting))
        await session.login(NAME, PASSWORD)
        await ending
        assert (await session.account.get_me()).username == NAME
    assert fake_exchange.received("login") == 1


@frozen
class InTurn(faults.Fault):
    """Each request is done and answered in its own time."""

    before: float
    after: float

    async def __call__(self, call: faults.Call) -> web.StreamResponse:
        await call.clock.sleep(self.before)
        answer = call.commit()
        await call.clock.sleep(self.after)
        return faults.respond(answer)


Called = Callable[[AsyncSession, str], Awaitable[object]]
CALLS: list[Called] = [
    lambda s, _: s.account.get_me(),
    lambda s, _: s.account.get_unmatched(),
    lambda s, game: s.cancel_all_orders_for_game(game),
    lambda s, game: s.place([quote(game)]),
    lambda s, _: s.cancel_all_orders(),
]


@frozen
class Asked:
    """A call after a pause, and the seconds until it is done and from then to its answer."""

    call: Called
    pause: float
    before: float
    after: float

    async def __call__(self, session: AsyncSession, game: str) -> None:
        await asyncio.sleep(self.pause)
        await self.call(session, game)


TIMES = st.integers(0, 20).map(lambda tenths: tenths / 10)
BURSTS = st.lists(
    st.builds(Asked, st.sampled_from(CALLS), TIMES, TIMES, TIMES), min_size=1, max_size=12
)


async def tokens_told_in(burst: list[Asked]) -> list[str]:
    told: list[str] = []
    async with FakeExchange() as exchange:
        game = exchange.add_game().game_id
        exchange.move_clock(TOKEN_LIFE)
        for each in burst:
            exchange.inject(InTurn(each.before, each.after))
        async with made_with(exchange, on_token=told.append) as session:
            await asyncio.gather(*[each(session, game) for each in burst])
    return told


@settings(max_examples=50, deadline=None)
@given(BURSTS)
def test_in_whatever_order_answers_come_all_are_served_and_one_token_is_told(
    burst: list[Asked],
) -> None:
    loop = JumpingLoop()
    # A runner of its own: hypothesis calls this often, and it is no coroutine function.
    with one_clock(loop), asyncio.Runner(loop_factory=lambda: loop) as runner:
        told = runner.run(tokens_told_in(burst))
    assert len(told) == 1


async def test_only_what_was_in_flight_before_is_waited_for() -> None:
    in_flight: InFlight[str] = InFlight()
    waiter: asyncio.Future[None] = asyncio.get_running_loop().create_future()
    with in_flight.attempt("token"):
        in_flight.notify("token", waiter)
        later = in_flight.attempt("token")
        later.__enter__()
        assert not waiter.done()
    assert waiter.done()
    later.__exit__(None, None, None)
    assert "token" not in in_flight


async def test_nothing_in_flight_is_not_waited_for() -> None:
    in_flight: InFlight[str] = InFlight()
    waiter: asyncio.Future[None] = asyncio.get_running_loop().create_future()
    in_flight.notify("token", waiter)
    assert waiter.done()
