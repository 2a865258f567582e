"""Deadlines: the time that there is is used, and what was answered in it counts."""

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import AsyncExitStack, suppress

import pytest
from aiohttp import web
from attrs import field, frozen
from support import REFERENCE, Transport, block, quote

from fourcasters_async import (
    AsyncSession,
    FourcastersError,
    InvalidRequestError,
    NotSentError,
    OutcomeUnknownError,
    RequestFinished,
    SessionEvent,
)
from fourcasters_async.orders.verbs import Orders
from fourcasters_async.testing import BookOrder, FakeExchange, faults

pytestmark = pytest.mark.virtual_time


@pytest.fixture
async def session(fake_exchange: FakeExchange) -> AsyncIterator[AsyncSession]:
    """Give a session with the policy that everybody has who sets none."""
    async with AsyncSession(
        fake_exchange.token, base_url=fake_exchange.url, orders_url=fake_exchange.orders_url
    ) as session:
        yield session


def now() -> float:
    return asyncio.get_running_loop().time()


# Shares, and what ends a cancel.


async def test_an_attempt_that_is_not_answered_leaves_time_for_another(
    fake_exchange: FakeExchange, orders: Orders, transport: Transport
) -> None:
    game = fake_exchange.add_game(orders=1).game_id
    fake_exchange.inject(faults.Stall(), endpoint=transport.game)
    results = await orders.cancel_all_orders_for_game(game, deadline=2)
    assert (len(results), results.attempts) == (1, 2)


async def test_several_attempts_that_are_not_answered_leave_time_for_another(
    fake_exchange: FakeExchange, orders: Orders, transport: Transport
) -> None:
    game = fake_exchange.add_game(orders=1).game_id
    fake_exchange.inject(faults.Stall(), endpoint=transport.game, times=3)
    results = await orders.cancel_all_orders_for_game(game, deadline=4)
    assert (len(results), results.attempts) == (1, 4)


async def test_an_attempt_takes_ten_seconds_at_most_however_long_the_deadline(
    fake_exchange: FakeExchange, session: AsyncSession
) -> None:
    game = fake_exchange.add_game(orders=1).game_id
    fake_exchange.inject(faults.Stall(), endpoint="cancelAllOrdersForGame")
    began = now()
    await session.cancel_all_orders_for_game(game, deadline=3600)
    assert now() - began < 11


async def test_nothing_ends_a_cancel_before_its_deadline_and_nothing_keeps_it_after(
    fake_exchange: FakeExchange, orders: Orders, transport: Transport
) -> None:
    game = fake_exchange.add_game(orders=1).game_id
    fake_exchange.inject(faults.Stall(), endpoint=transport.game, times=None)
    began = now()
    with pytest.raises(OutcomeUnknownError):
        await orders.cancel_all_orders_for_game(game, deadline=6)
    assert 5.5 <= now() - began <= 6.01


async def test_an_outage_inside_the_deadline_is_outlasted(
    fake_exchange: FakeExchange, orders: Orders
) -> None:
    games = [fake_exchange.add_game(orders=1).game_id for _ in range(5)]
    async with fake_exchange.refusing():
        cancelling = asyncio.create_task(orders.cancel_all_orders_for_games(games, deadline=20))
        await asyncio.sleep(8)
    report = await cancelling
    assert report.ok
    assert report.elapsed < 13


async def test_a_gateway_that_fails_for_a_while_is_outlasted(
    fake_exchange: FakeExchange, orders: Orders, transport: Transport
) -> None:
    games = [fake_exchange.add_game(orders=1).game_id for _ in range(5)]
    fake_exchange.inject(faults.Unavailable(), endpoint=transport.game, times=None)
    cancelling = asyncio.create_task(orders.cancel_all_orders_for_games(games, deadline=20))
    await asyncio.sleep(8)
    fake_exchange.clear_faults()
    report = await cancelling
    assert report.ok
    assert report.elapsed < 13


async def test_a_limit_of_the_exchange_that_lets_all_through_in_time_refuses_none() -> None:
    async with AsyncExitStack() as stack:
        exchange = await stack.enter_async_context(FakeExchange(rate_limit=(10, 1.0)))
        games = [exchange.add_game(orders=1).game_id for _ in range(100)]
        session = await stack.enter_async_context(
            AsyncSession(exchange.token, base_url=exchange.url)
        )
        report = await session.cancel_all_orders_for_games(games, deadline=60)
    assert report.ok


# Connections that fell silent.


@frozen
class Mute(faults.Fault):
    """Nothing is ever answered on the connections that there were; new ones are served."""

    connections: set[object] = field(factory=set, eq=False)

    async def __call__(self, call: faults.Call) -> web.StreamResponse:
        if call.request.transport in self.connections:
            return await call.until_gone()
        return faults.respond(call.commit())


@frozen
class Noting(faults.Fault):
    """The right answer; the connection is noted."""

    mute: Mute

    async def __call__(self, call: faults.Call) -> web.StreamResponse:
        self.mute.connections.add(call.request.transport)
        await call.clock.sleep(0.1)
        return faults.respond(call.commit())


async def warm_and_mute(exchange: FakeExchange, session: AsyncSession, connections: int) -> None:
    """Open connections that are dead from now on, without anything telling the session."""
    mute = Mute()
    exchange.inject(Noting(mute), endpoint="getMe", times=connections)
    assert await session.warm_up(connections) == connections
    assert len(mute.connections) == connections
    exchange.inject(mute, times=None)


async def test_after_a_time_out_the_next_attempt_is_on_a_new_connection(
    fake_exchange: FakeExchange, session: AsyncSession
) -> None:
    game = fake_exchange.add_game(orders=1).game_id
    await warm_and_mute(fake_exchange, session, 20)
    results = await session.cancel_all_orders_for_game(game, deadline=2)
    assert (len(results), results.attempts) == (1, 2)


async def test_when_one_connection_fell_silent_the_other_idle_ones_are_not_used_any_more(
    fake_exchange: FakeExchange, session: AsyncSession
) -> None:
    one, other = (fake_exchange.add_game(orders=1).game_id for _ in range(2))
    await warm_and_mute(fake_exchange, session, 20)
    await session.cancel_all_orders_for_game(one, deadline=2)
    assert (await session.cancel_all_orders_for_game(other, deadline=2)).attempts == 1


@pytest.mark.parametrize("verify", [False, True])
async def test_a_burst_over_silent_connections_is_confirmed_in_its_deadline(
    fake_exchange: FakeExchange, session: AsyncSession, *, verify: bool
) -> None:
    games = [fake_exchange.add_game(orders=1).game_id for _ in range(50)]
    await warm_and_mute(fake_exchange, session, 50)
    report = await session.cancel_all_orders_for_games(games, deadline=2, verify=verify)
    assert report.ok
    assert report.verified_clear is verify
    assert {outcome.attempts for outcome in report.outcomes} == {2}


async def test_a_time_out_while_other_answers_come_costs_no_connection(
    fake_exchange: FakeExchange, session: AsyncSession
) -> None:
    games = [fake_exchange.add_game(orders=1).game_id for _ in range(3)]
    seen: set[object] = set()

    @frozen
    class Watch(faults.Fault):
        async def __call__(self, call: faults.Call) -> web.StreamResponse:
            seen.add(call.request.transport)
            return faults.respond(call.commit())

    await session.warm_up(1)
    fake_exchange.inject(faults.Stall(), endpoint="cancelAllOrdersForGame", game_id=games[0])
    hanging = asyncio.create_task(session.cancel_all_orders_for_game(games[0], deadline=4))
    await fake_exchange.wait_for("cancelAllOrdersForGame")
    fake_exchange.inject(Watch(), times=None)
    await session.cancel_all_orders_for_game(games[1])
    await asyncio.sleep(1)
    await session.cancel_all_orders_for_game(games[1])
    await hanging
    await session.cancel_all_orders_for_game(games[2])
    # One for what did not hang, and one that was made for the repetition.
    assert len(seen) == 2


# Answers that are there when the loop wakes up late.


@frozen
class ThenBlock(faults.Fault):
    """The right answer is on its way when the loop is blocked for so many seconds."""

    seconds: float

    async def __call__(self, call: faults.Call) -> web.StreamResponse:
        call.write(call.framed(call.commit().content()))
        block(self.seconds)
        return await call.until_gone()


async def test_an_answer_that_came_while_the_loop_was_blocked_counts(
    fake_exchange: FakeExchange, orders: Orders, transport: Transport
) -> None:
    game = fake_exchange.add_game(orders=3).game_id
    fake_exchange.inject(ThenBlock(5), endpoint=transport.game)
    results = await orders.cancel_all_orders_for_game(game, deadline=1)
    assert (len(results), results.attempts) == (3, 1)


async def test_outcomes_that_came_while_the_loop_was_blocked_are_kept(
    fake_exchange: FakeExchange, orders: Orders, transport: Transport
) -> None:
    game = fake_exchange.add_game(orders=3).game_id
    fake_exchange.inject(ThenBlock(5), endpoint=transport.game)
    report = await orders.cancel_all_orders_for_games([game], deadline=1)
    assert report.ok


async def test_a_place_that_was_answered_while_the_loop_was_blocked_is_known(
    fake_exchange: FakeExchange, orders: Orders, transport: Transport
) -> None:
    game = fake_exchange.add_game().game_id
    fake_exchange.inject(ThenBlock(5), endpoint=transport.place)
    (placed,) = await orders.place([quote(game)], deadline=1)
    assert placed.success


async def test_a_read_that_was_answered_while_the_loop_was_blocked_is_proof(
    fake_exchange: FakeExchange, orders: Orders
) -> None:
    game = fake_exchange.add_game(orders=3).game_id
    fake_exchange.inject(ThenBlock(5), endpoint="getUnmatched")
    report = await orders.cancel_all_orders_for_games([game], deadline=1, verify=True)
    assert report.verified_clear


# Nothing leaves after its time.


@pytest.mark.parametrize("turns", range(1, 13))
@pytest.mark.parametrize("warm", [True, False])
@pytest.mark.parametrize("placing", [True, False])
async def test_nothing_leaves_after_the_loop_was_blocked_past_its_deadline(
    fake_exchange: FakeExchange, transport: Transport, turns: int, *, placing: bool, warm: bool
) -> None:
    game = fake_exchange.add_game().game_id
    ended: list[RequestFinished] = []

    def keep(event: SessionEvent) -> None:
        if isinstance(event, RequestFinished) and event.endpoint.endswith(
            (transport.place, transport.game)
        ):
            ended.append(event)

    async with AsyncSession(
        fake_exchange.token,
        base_url=fake_exchange.url,
        orders_url=fake_exchange.orders_url,
        on_event=keep,
    ) as session:
        if warm:
            await session.warm_up(1)
        async with transport.open(session) as orders:
            calling: asyncio.Task[object] = asyncio.create_task(
                orders.place([quote(game)], deadline=1)
                if placing
                else orders.cancel_all_orders_for_game(game, deadline=1)
            )
            for _ in range(turns):
                await asyncio.sleep(0)
            block(5)
            with suppress(NotSentError, OutcomeUnknownError):
                await calling
    assert not [each for each in ended if (each.waited or 0) + (each.sending or 0) > 1]


# Large answers take several turns of the loop to read.


@pytest.mark.virtual_time
async def test_a_large_answer_that_came_while_the_loop_was_blocked_counts(
    fake_exchange: FakeExchange, session: AsyncSession
) -> None:
    game = fake_exchange.add_game(orders=800).game_id
    fake_exchange.inject(ThenBlock(5), endpoint="cancelAllOrdersForGame")
    results = await session.cancel_all_orders_for_game(game, deadline=1)
    assert (len(results), results.attempts) == (800, 1)


@pytest.mark.virtual_time
async def test_a_large_read_that_was_answered_while_the_loop_was_blocked_counts(
    fake_exchange: FakeExchange, session: AsyncSession
) -> None:
    fake_exchange.add_game(orders=400)
    fake_exchange.inject(ThenBlock(5), endpoint="getUnmatched")
    proof = await session.prove_clear(lambda _: True, deadline=1)
    assert proof.resting is not None
    assert len(proof.resting) == 400


# Placing is not cut.


async def test_a_place_that_is_answered_after_fifteen_seconds_is_answered(
    fake_exchange: FakeExchange, orders: Orders, transport: Transport
) -> None:
    game = fake_exchange.add_game().game_id
    fake_exchange.inject(faults.Slow(15), endpoint=transport.place)
    (placed,) = await orders.place([quote(game)])
    assert placed.success


async def test_an_edit_that_is_answered_after_fifteen_seconds_is_answered(
    fake_exchange: FakeExchange, session: AsyncSession
) -> None:
    order = fake_exchange.book.place(fake_exchange.account, fake_exchange.add_game().game_id)
    fake_exchange.inject(faults.Slow(15), endpoint="editOrder")
    edited = await session.edit_order(order.order_id, order_odds=-120, order_volume=5.0)
    assert edited.success


async def test_a_place_ends_at_its_deadline_and_names_its_orders(
    fake_exchange: FakeExchange, orders: Orders, transport: Transport
) -> None:
    game = fake_exchange.add_game().game_id
    fake_exchange.inject(faults.Stall(), endpoint=transport.place)
    began = now()
    with pytest.raises(OutcomeUnknownError) as caught:
        await orders.place([quote(game, "mine")], deadline=2)
    assert 1.9 <= now() - began <= 2.01
    assert [order.user_reference for order in caught.value.orders] == ["mine"]


async def test_a_place_that_cannot_connect_ends_at_its_deadline_and_was_not_sent(
    fake_exchange: FakeExchange, orders: Orders
) -> None:
    game = fake_exchange.add_game().game_id
    async with fake_exchange.refusing():
        while getattr(orders, "connected", False):  # noqa: ASYNC110  # nothing tells
            await asyncio.sleep(0)
        began = now()
        with pytest.raises(NotSentError):
            await orders.place([quote(game)], deadline=2)
        assert now() - began <= 2.01


# Every verb has a deadline.


Call = Callable[[AsyncSession, BookOrder, float], Coroutine[object, object, object]]

REST_VERBS: dict[str, Call] = {
    "cancel": lambda s, o, d: s.cancel(o.order_id, deadline=d),
    "cancel_multiple": lambda s, o, d: s.cancel_multiple([o.order_id], deadline=d),
    "cancel_all_orders_for_game": lambda s, o, d: s.cancel_all_orders_for_game(
        o.game_id, deadline=d
    ),
    "cancel_all_orders": lambda s, _, d: s.cancel_all_orders(deadline=d),
    "cancel_by_reference": lambda s, o, d: s.cancel_by_reference(
        o.game_id, [REFERENCE], deadline=d
    ),
    "cancel_all_for_league": lambda s, _, d: s.cancel_all_for_league("nba", deadline=d),
    "place": lambda s, o, d: s.place([quote(o.game_id)], deadline=d),
    "edit_order": lambda s, o, d: s.edit_order(
        o.order_id, order_odds=-120, order_volume=5.0, deadline=d
    ),
    "lookup_order": lambda s, o, d: s.lookup_order(o.order_id, deadline=d),
    "get_me": lambda s, _, d: s.account.get_me(deadline=d),
    "get_unmatched": lambda s, _, d: s.account.get_unmatched(deadline=d),
    "get_orders_for_game": lambda s, o, d: s.account.get_orders_for_game(o.game_id, deadline=d),
    "get_bet_by_user_reference": lambda s, o, d: s.account.get_bet_by_user_reference(
        o.game_id, REFERENCE, deadline=d
    ),
    "get_leagues": lambda s, _, d: s.markets.get_leagues(deadline=d),
    "login": lambda s, _, d: s.login("mm", "secret", deadline=d),
    "logout": lambda s, _, d: s.logout(deadline=d),
}
SOCKET_VERBS: dict[str, Callable[[Orders, BookOrder, float], Coroutine[object, object, object]]] = {
    "cancel": lambda s, o, d: s.cancel(o.order_id, deadline=d),
    "cancel_multiple": lambda s, o, d: s.cancel_multiple([o.order_id], deadline=d),
    "cancel_all_orders_for_game": lambda s, o, d: s.cancel_all_orders_for_game(
        o.game_id, deadline=d
    ),
    "cancel_all_orders": lambda s, _, d: s.cancel_all_orders(deadline=d),
    "place": lambda s, o, d: s.place([quote(o.game_id)], deadline=d),
}


@pytest.fixture
def order(fake_exchange: FakeExchange) -> BookOrder:
    fake_exchange.add_account("mm", "secret")
    return fake_exchange.book.place(fake_exchange.account, fake_exchange.add_game().game_id)


@pytest.mark.parametrize("verb", REST_VERBS.values(), ids=REST_VERBS)
async def test_a_verb_over_rest_ends_at_its_deadline(
    fake_exchange: FakeExchange, session: AsyncSession, order: BookOrder, verb: Call
) -> None:
    fake_exchange.inject(faults.Stall(), times=None)
    began = now()
    with pytest.raises(FourcastersError):
        await verb(session, order, 3)
    assert 2.5 <= now() - began <= 3.01


@pytest.mark.parametrize("verb", SOCKET_VERBS.values(), ids=SOCKET_VERBS)
async def test_a_verb_over_the_socket_ends_at_its_deadline(
    fake_exchange: FakeExchange,
    session: AsyncSession,
    order: BookOrder,
    verb: Callable[[Orders, BookOrder, float], Coroutine[object, object, object]],
) -> None:
    async with session.orders_socket() as orders:
        fake_exchange.inject(faults.Stall(), times=None)
        began = now()
        with pytest.raises(FourcastersError):
            await verb(orders, order, 3)
        assert 2.5 <= now() - began <= 3.01


async def test_a_heartbeat_ends_at_its_deadline(
    fake_exchange: FakeExchange, session: AsyncSession
) -> None:
    async with session.orders_socket() as orders:
        fake_exchange.inject(faults.Stall(), times=None)
        began = now()
        with pytest.raises(OutcomeUnknownError):
            await orders.heartbeat(30, deadline=3)
        assert 2.5 <= now() - began <= 3.01


@pytest.mark.parametrize("verb", REST_VERBS.values(), ids=REST_VERBS)
@pytest.mark.parametrize("deadline", [0, -1, float("nan"), "1"])
async def test_a_deadline_that_is_no_time_is_refused_and_nothing_is_sent(
    fake_exchange: FakeExchange,
    session: AsyncSession,
    order: BookOrder,
    verb: Call,
    deadline: float,
) -> None:
    with pytest.raises(InvalidRequestError, match="deadline"):
        await verb(session, order, deadline)
    assert not fake_exchange.requests
