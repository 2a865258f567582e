"""The gate: what is not placed any more, and which own orders are undecided."""

import asyncio
import gc
import logging
import weakref
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager, suppress

import pytest
from support import QUICK, Transport, own_tasks, quote, until

from fourcasters_async import (
    AsyncSession,
    AuthenticationError,
    FourcastersError,
    HaltedError,
    InvalidRequestError,
    NotSentError,
    OutcomeUnknownError,
    RateLimit,
    RateLimitedError,
    RetryPolicy,
    SessionClosedError,
)
from fourcasters_async.orders.gate import Gate
from fourcasters_async.orders.tickets import OwnOrder
from fourcasters_async.orders.verbs import Orders
from fourcasters_async.testing import FakeExchange, faults

# Pauses so long that a test never sees their end.
HOUR = 3600.0
LONG_PAUSES = RetryPolicy(backoff_base=HOUR, backoff_cap=HOUR)


def made_with(exchange: FakeExchange, **options: object) -> AsyncSession:
    return AsyncSession(
        exchange.token,
        base_url=exchange.url,
        orders_url=exchange.orders_url,
        **{"timeout": 10 * HOUR, **options},  # type: ignore[arg-type]  # each test passes its own
    )


# What is not placed.


async def test_the_gate_is_asked_at_the_last_moment() -> None:
    gate = Gate(late_effect=120.0, read_lag=1.0)
    ticket = gate.admit([OwnOrder("a")])
    gate.halt(["a"])
    assert isinstance(ticket.leave(), HaltedError)
    assert ticket.left is None


async def test_what_the_gate_lets_pass_has_left() -> None:
    gate = Gate(late_effect=120.0, read_lag=1.0)
    ticket = gate.admit([OwnOrder("a")])
    gate.halt(["b"])
    assert ticket.leave() is None
    assert ticket.left is not None


async def test_from_the_call_on_nothing_is_placed_there_before_the_halt_is_awaited(
    fake_exchange: FakeExchange, session: AsyncSession, orders: Orders, transport: Transport
) -> None:
    game = fake_exchange.add_game().game_id
    halting = session.halt([game])
    with pytest.raises(HaltedError, match=game):
        await orders.place([quote(game)])
    await halting
    assert not fake_exchange.received(transport.place)


async def test_a_game_that_is_not_halted_is_placed_on(
    fake_exchange: FakeExchange, session: AsyncSession, orders: Orders
) -> None:
    halted, other = (fake_exchange.add_game().game_id for _ in range(2))
    await session.halt([halted])
    assert (await orders.place([quote(other)]))[0].success


async def test_a_place_on_two_games_of_which_one_is_halted_is_not_sent(
    fake_exchange: FakeExchange, session: AsyncSession, orders: Orders, transport: Transport
) -> None:
    halted, other = (fake_exchange.add_game().game_id for _ in range(2))
    await session.halt([halted])
    with pytest.raises(HaltedError):
        await orders.place([quote(other), quote(halted)])
    assert not fake_exchange.received(transport.place)


async def test_a_game_is_halted_in_upper_and_in_lower_case(
    fake_exchange: FakeExchange, session: AsyncSession, orders: Orders
) -> None:
    game = fake_exchange.add_game().game_id
    halting = session.halt([game.upper()])
    with pytest.raises(HaltedError):
        await orders.place([quote(game)])
    await halting


@asynccontextmanager
async def queued(exchange: FakeExchange) -> AsyncIterator[tuple[AsyncSession, Orders]]:
    """Give a session whose rate limit has no place for what is not urgent."""
    async with made_with(exchange, rate_limit=RateLimit(4, HOUR, reserve=3)) as session:
        await session.account.get_me()
        yield session, session


@asynccontextmanager
async def crowded(
    exchange: FakeExchange, *, warm_ups: int = 0
) -> AsyncIterator[tuple[AsyncSession, Orders]]:
    """Give a session whose connections for places and reads are all in use."""
    exchange.inject(faults.Stall(), endpoint="getMe", times=None)
    async with made_with(exchange, max_connections=1, retry=RetryPolicy(attempt_timeout=HOUR)) as s:
        hanging: list[asyncio.Future[object]]
        hanging = [asyncio.ensure_future(s.warm_up(1)) for _ in range(warm_ups)]
        hanging = hanging or [asyncio.ensure_future(s.account.get_me())]
        await exchange.wait_for("getMe", len(hanging))
        yield s, s
        await s.close()
        await asyncio.wait(hanging)
        assert all(each.exception() for each in hanging)


def overcrowded(
    exchange: FakeExchange,
) -> AbstractAsyncContextManager[tuple[AsyncSession, Orders]]:
    """Give a session whose connections are all in use."""
    return crowded(exchange, warm_ups=2)


@asynccontextmanager
async def backing_off(exchange: FakeExchange) -> AsyncIterator[tuple[AsyncSession, Orders]]:
    """Give a session whose attempts fail to connect, with long pauses between them."""
    async with made_with(exchange, retry=LONG_PAUSES) as session, exchange.refusing():
        yield session, session


@asynccontextmanager
async def unconnected(exchange: FakeExchange) -> AsyncIterator[tuple[AsyncSession, Orders]]:
    """Give an orders socket that has no connection."""
    async with (
        made_with(exchange, retry=LONG_PAUSES) as session,
        session.orders_socket() as orders,
        exchange.refusing(),
    ):
        await until(lambda: not orders.connected)
        yield session, orders


@asynccontextmanager
async def logging_in(exchange: FakeExchange) -> AsyncIterator[tuple[AsyncSession, Orders]]:
    """Give a session whose token is refused, and whose login hangs."""
    exchange.add_account("mm", "secret")
    exchange.inject(faults.Unauthorized(), endpoint="place")
    exchange.inject(faults.Stall(), endpoint="login", times=None)
    async with made_with(
        exchange, username="mm", password="secret", retry=RetryPolicy(attempt_timeout=HOUR)
    ) as session:
        yield session, session


Waiting = Callable[[FakeExchange], AbstractAsyncContextManager[tuple[AsyncSession, Orders]]]
WAITING: list[Waiting] = [queued, crowded, overcrowded, backing_off, unconnected, logging_in]
wherever_it_waits = pytest.mark.parametrize(
    "waiting", WAITING, ids=[each.__name__ for each in WAITING]
)


async def turns(count: int = 50) -> None:
    """Let everything come to where it waits."""
    for _ in range(count):
        await asyncio.sleep(0)


@wherever_it_waits
@pytest.mark.virtual_time
async def test_a_place_that_waits_ends_at_once_as_halted_and_never_leaves(
    fake_exchange: FakeExchange, waiting: Waiting
) -> None:
    game = fake_exchange.add_game().game_id
    clock = asyncio.get_running_loop().time
    async with waiting(fake_exchange) as (session, orders):
        placing = asyncio.create_task(orders.place([quote(game)]))
        await turns()
        if waiting == logging_in:
            await fake_exchange.wait_for("login")
        assert not placing.done()
        halted_at = clock()
        session.halt([game]).close()
        with pytest.raises(HaltedError):
            await placing
        assert clock() - halted_at < 1
    assert not fake_exchange.open_orders()
    sent = fake_exchange.received("place") + fake_exchange.received("placeV3")
    assert sent == (waiting == logging_in)


async def test_a_place_that_was_ended_stays_ended_though_the_game_is_resumed_at_once(
    fake_exchange: FakeExchange,
) -> None:
    game = fake_exchange.add_game().game_id
    async with queued(fake_exchange) as (session, orders):
        placing = asyncio.create_task(orders.place([quote(game)]))
        await turns()
        session.halt([game]).close()
        session.resume([game])
        with pytest.raises(HaltedError):
            await placing
    assert not fake_exchange.received("place")


async def test_a_halt_between_the_call_and_the_first_turn_of_the_loop_is_heeded(
    fake_exchange: FakeExchange, session: AsyncSession, orders: Orders, transport: Transport
) -> None:
    game = fake_exchange.add_game().game_id
    for count in range(12):
        placing = asyncio.create_task(orders.place([quote(game)]))
        await turns(count)
        received = fake_exchange.received(transport.place)
        halting = session.halt([game])
        with suppress(HaltedError):
            await placing
            received = fake_exchange.received(transport.place)
        await turns()
        # What was said to be not sent has not come meanwhile.
        assert fake_exchange.received(transport.place) == received
        await halting
        session.resume()


async def test_what_was_refused_is_told_as_it_was_and_not_as_halted(
    fake_exchange: FakeExchange, session: AsyncSession
) -> None:
    game = fake_exchange.add_game().game_id
    fake_exchange.inject(faults.TooManyRequests(), endpoint="place")
    fake_exchange.latency = 0.01
    placing = asyncio.create_task(session.place([quote(game)]))
    await fake_exchange.wait_for("place")
    await session.halt([game])
    with pytest.raises(RateLimitedError):
        await placing


# Edits.


async def test_an_edit_of_an_own_order_on_a_halted_game_is_not_sent(
    fake_exchange: FakeExchange, session: AsyncSession, orders: Orders
) -> None:
    game = fake_exchange.add_game().game_id
    (placed,) = await orders.place([quote(game)])
    session.halt([game]).close()
    with pytest.raises(HaltedError, match=game):
        await session.edit_order(placed.order_id or "", order_odds=-120, order_volume=5.0)
    assert not fake_exchange.received("editOrder")


async def test_an_edit_of_an_own_order_on_another_game_is_sent(
    fake_exchange: FakeExchange, session: AsyncSession, orders: Orders
) -> None:
    game, halted = (fake_exchange.add_game().game_id for _ in range(2))
    (placed,) = await orders.place([quote(game)])
    session.halt([halted]).close()
    edited = await session.edit_order(placed.order_id or "", order_odds=-120, order_volume=5.0)
    assert edited.success


async def test_the_order_that_an_edit_made_is_known_by_its_game(
    fake_exchange: FakeExchange, session: AsyncSession
) -> None:
    game = fake_exchange.add_game().game_id
    (placed,) = await session.place([quote(game)])
    edited = await session.edit_order(placed.order_id or "", order_odds=-120, order_volume=5.0)
    session.halt([game]).close()
    with pytest.raises(HaltedError, match=game):
        await session.edit_order(edited.order_id or "", order_odds=-110, order_volume=5.0)


async def test_an_edit_of_an_order_whose_game_is_not_known_is_not_sent_while_any_is_halted(
    fake_exchange: FakeExchange, session: AsyncSession
) -> None:
    game, halted = (fake_exchange.add_game().game_id for _ in range(2))
    order = fake_exchange.book.place(fake_exchange.account, game)
    session.halt([halted]).close()
    with pytest.raises(HaltedError, match="game_id"):
        await session.edit_order(order.order_id, order_odds=-120, order_volume=5.0)


async def test_an_edit_that_says_its_game_is_sent_if_that_is_not_halted(
    fake_exchange: FakeExchange, session: AsyncSession
) -> None:
    game, halted = (fake_exchange.add_game().game_id for _ in range(2))
    order = fake_exchange.book.place(fake_exchange.account, game)
    session.halt([halted]).close()
    edited = await session.edit_order(
        order.order_id, order_odds=-120, order_volume=5.0, game_id=game
    )
    assert edited.success


async def test_an_edit_that_says_a_halted_game_is_not_sent(
    fake_exchange: FakeExchange, session: AsyncSession
) -> None:
    game = fake_exchange.add_game().game_id
    order = fake_exchange.book.place(fake_exchange.account, game)
    session.halt([game]).close()
    with pytest.raises(HaltedError):
        await session.edit_order(order.order_id, order_odds=-120, order_volume=5.0, game_id=game)


# The account of own orders. A report names what is undecided.


async def undecided(session: AsyncSession, game: str) -> list[str | None]:
    report = await session.cancel_all_orders_for_games([game])
    return [order.user_reference for order in report.undecided]


async def test_an_order_that_was_answered_is_decided(
    fake_exchange: FakeExchange, session: AsyncSession, orders: Orders
) -> None:
    game = fake_exchange.add_game().game_id
    await orders.place([quote(game)])
    assert not await undecided(session, game)


async def test_an_order_that_was_refused_is_decided(
    fake_exchange: FakeExchange, session: AsyncSession, orders: Orders, transport: Transport
) -> None:
    game = fake_exchange.add_game().game_id
    fake_exchange.inject(faults.TooManyRequests(), endpoint=transport.place)
    with pytest.raises(RateLimitedError):
        await orders.place([quote(game)])
    assert not await undecided(session, game)


async def test_an_order_that_was_not_sent_is_decided(
    fake_exchange: FakeExchange, session: AsyncSession, orders: Orders
) -> None:
    game = fake_exchange.add_game().game_id
    async with fake_exchange.refusing():
        await until(lambda: not getattr(orders, "connected", False))
        with pytest.raises(NotSentError):
            await orders.place([quote(game)], deadline=0.5)
    assert not await undecided(session, game)


async def test_an_order_in_flight_is_undecided(
    fake_exchange: FakeExchange, session: AsyncSession, orders: Orders, transport: Transport
) -> None:
    game, other = (fake_exchange.add_game().game_id for _ in range(2))
    fake_exchange.inject(faults.Slow(0.2), endpoint=transport.place)
    placing = asyncio.create_task(orders.place([quote(game, "mine")]))
    await fake_exchange.wait_for(transport.place)
    assert await undecided(session, game) == ["mine"]
    assert await undecided(session, other) == []
    await placing


async def test_an_order_whose_answer_was_lost_is_undecided(
    fake_exchange: FakeExchange, session: AsyncSession, orders: Orders, transport: Transport
) -> None:
    game = fake_exchange.add_game().game_id
    fake_exchange.inject(faults.Close(), endpoint=transport.place)
    with pytest.raises(OutcomeUnknownError):
        await orders.place([quote(game, "mine")])
    assert await undecided(session, game) == ["mine"]


@pytest.mark.virtual_time
async def test_an_order_whose_answer_was_lost_is_decided_once_it_cannot_take_effect_any_more(
    fake_exchange: FakeExchange, session: AsyncSession, orders: Orders, transport: Transport
) -> None:
    game = fake_exchange.add_game().game_id
    fake_exchange.inject(faults.Close(), endpoint=transport.place)
    with pytest.raises(OutcomeUnknownError):
        await orders.place([quote(game, "mine")])
    await asyncio.sleep(119)
    assert await undecided(session, game) == ["mine"]
    await asyncio.sleep(2)
    assert not await undecided(session, game)


async def test_an_order_that_a_cancel_names_is_decided(
    fake_exchange: FakeExchange, session: AsyncSession, orders: Orders, transport: Transport
) -> None:
    game = fake_exchange.add_game().game_id
    fake_exchange.inject(faults.Close(committed=True), endpoint=transport.place)
    with pytest.raises(OutcomeUnknownError):
        await orders.place([quote(game)])
    report = await session.cancel_all_orders_for_games([game])
    assert (len(report.results), report.undecided) == (1, ())


async def test_a_cancel_that_names_a_reference_of_the_caller_decides_nothing(
    fake_exchange: FakeExchange, session: AsyncSession, orders: Orders, transport: Transport
) -> None:
    game = fake_exchange.add_game().game_id
    fake_exchange.book.place(fake_exchange.account, game, user_reference="again")
    fake_exchange.inject(faults.Close(), endpoint=transport.place)
    with pytest.raises(OutcomeUnknownError):
        await orders.place([quote(game, "again")])
    assert await undecided(session, game) == ["again"]


async def test_an_edit_whose_answer_was_lost_is_undecided_under_the_order_that_it_replaces(
    fake_exchange: FakeExchange, session: AsyncSession
) -> None:
    game = fake_exchange.add_game().game_id
    (placed,) = await session.place([quote(game)])
    fake_exchange.inject(faults.Close(), endpoint="editOrder")
    with pytest.raises(OutcomeUnknownError):
        await session.edit_order(placed.order_id or "", order_odds=-120, order_volume=5.0)
    (order,) = (await session.cancel_all_orders_for_games([game])).undecided
    assert (order.game_id, order.order_id) == (game, placed.order_id)


async def test_a_replacement_that_a_cancel_names_is_decided(
    fake_exchange: FakeExchange, session: AsyncSession
) -> None:
    game = fake_exchange.add_game().game_id
    (placed,) = await session.place([quote(game)])
    fake_exchange.inject(faults.Close(committed=True), endpoint="editOrder")
    with pytest.raises(OutcomeUnknownError):
        await session.edit_order(placed.order_id or "", order_odds=-120, order_volume=5.0)
    assert (await session.cancel_all_orders_for_games([game])).undecided == ()


async def test_an_unknown_end_is_logged_with_its_game(
    fake_exchange: FakeExchange,
    orders: Orders,
    transport: Transport,
    caplog: pytest.LogCaptureFixture,
) -> None:
    game = fake_exchange.add_game().game_id
    fake_exchange.inject(faults.Close(), endpoint=transport.place)
    with pytest.raises(OutcomeUnknownError):
        await orders.place([quote(game)])
    (record,) = [each for each in caplog.records if each.levelno >= logging.WARNING]
    assert game in record.getMessage()


# A caller that gives up.


async def test_a_caller_cancelled_before_it_left_has_sent_nothing(
    fake_exchange: FakeExchange,
) -> None:
    game = fake_exchange.add_game().game_id
    async with queued(fake_exchange) as (session, orders):
        placing = asyncio.create_task(orders.place([quote(game)]))
        await turns()
        placing.cancel()
        with pytest.raises(asyncio.CancelledError) as caught:
            await placing
        assert "it was not sent" in caught.value.__notes__[0]
        assert not await undecided(session, game)
    assert not fake_exchange.received("place")


@pytest.mark.virtual_time
async def test_a_place_that_is_halted_after_its_token_was_refused_is_told_as_refused(
    fake_exchange: FakeExchange,
) -> None:
    game = fake_exchange.add_game().game_id
    async with logging_in(fake_exchange) as (session, orders):
        placing = asyncio.create_task(orders.place([quote(game)]))
        await fake_exchange.wait_for("login")
        session.halt([game]).close()
        with pytest.raises(HaltedError, match="refused, and not sent again: game"):
            await placing


@pytest.mark.virtual_time
async def test_a_caller_cancelled_after_its_token_was_refused_is_told_that_it_was_refused(
    fake_exchange: FakeExchange,
) -> None:
    game = fake_exchange.add_game().game_id
    async with logging_in(fake_exchange) as (session, orders):
        placing = asyncio.create_task(orders.place([quote(game)]))
        await fake_exchange.wait_for("login")
        placing.cancel()
        with pytest.raises(asyncio.CancelledError) as caught:
            await placing
        (note,) = caught.value.__notes__
        assert note.endswith("cancelled before it left again: it was refused, and not sent again")
        assert not await undecided(session, game)


@pytest.mark.virtual_time
async def test_a_place_whose_task_is_cancelled_after_its_token_was_refused_raises_the_refusal(
    fake_exchange: FakeExchange,
) -> None:
    game = fake_exchange.add_game().game_id
    async with logging_in(fake_exchange) as (session, orders):
        placing = asyncio.create_task(orders.place([quote(game)]))
        await fake_exchange.wait_for("login")
        (ticket,) = session._gate.tickets
        assert ticket.task is not None
        ticket.task.cancel()
        with pytest.raises(AuthenticationError):
            await placing


async def test_a_caller_cancelled_after_it_left_leaves_an_order_whose_answer_is_still_learnt(
    fake_exchange: FakeExchange, session: AsyncSession, orders: Orders, transport: Transport
) -> None:
    game = fake_exchange.add_game().game_id
    fake_exchange.inject(faults.Slow(0.2), endpoint=transport.place)
    placing = asyncio.create_task(orders.place([quote(game, "mine")]))
    await fake_exchange.wait_for(transport.place)
    placing.cancel()
    with pytest.raises(asyncio.CancelledError):
        await placing
    assert await undecided(session, game) == ["mine"]
    await asyncio.sleep(0.3)
    assert not await undecided(session, game)


@pytest.mark.parametrize("count", range(14))
async def test_a_caller_that_is_told_that_nothing_was_sent_is_told_the_truth(
    fake_exchange: FakeExchange, orders: Orders, transport: Transport, count: int
) -> None:
    game = fake_exchange.add_game().game_id
    placing = asyncio.create_task(orders.place([quote(game)]))
    await turns(count)
    placing.cancel()
    notes: list[str] = []
    try:
        await placing
    except asyncio.CancelledError as cancelled:
        notes = getattr(cancelled, "__notes__", [])
    await asyncio.sleep(0.1)
    if any("it was not sent" in note for note in notes):
        assert not fake_exchange.received(transport.place)


async def test_a_time_out_around_a_place_tells_which_orders_may_be_in_the_book(
    fake_exchange: FakeExchange, orders: Orders, transport: Transport
) -> None:
    game = fake_exchange.add_game().game_id
    fake_exchange.inject(faults.Slow(0.4), endpoint=transport.place)
    with pytest.raises(TimeoutError) as caught:
        async with asyncio.timeout(0.2):
            await orders.place([quote(game, "mine")])
    cause: BaseException | None = caught.value
    while cause is not None and not isinstance(cause, OutcomeUnknownError):
        cause = cause.__cause__
    assert cause is not None
    assert [(order.game_id, order.user_reference) for order in cause.orders] == [(game, "mine")]


# A session that is closed meanwhile.


async def test_a_place_in_flight_when_the_session_closes_is_unknown_and_names_its_orders(
    fake_exchange: FakeExchange, session: AsyncSession, orders: Orders, transport: Transport
) -> None:
    game = fake_exchange.add_game().game_id
    fake_exchange.inject(faults.Stall(), endpoint=transport.place)
    placing = asyncio.create_task(orders.place([quote(game, "mine")]))
    await fake_exchange.wait_for(transport.place)
    await session.close()
    with pytest.raises(OutcomeUnknownError) as caught:
        await placing
    assert [order.user_reference for order in caught.value.orders] == ["mine"]


async def test_a_place_that_waits_when_the_session_closes_was_not_sent(
    fake_exchange: FakeExchange,
) -> None:
    game = fake_exchange.add_game().game_id
    async with queued(fake_exchange) as (session, orders):
        placing = asyncio.create_task(orders.place([quote(game)]))
        await turns()
        await session.close()
        with pytest.raises((SessionClosedError, NotSentError)):
            await placing


async def test_closing_leaves_nothing_running_of_callers_who_gave_up(
    fake_exchange: FakeExchange, transport: Transport
) -> None:
    before = asyncio.all_tasks()
    game = fake_exchange.add_game().game_id
    fake_exchange.inject(faults.Stall(), endpoint=transport.place)
    async with AsyncExitStack() as stack:
        session = await stack.enter_async_context(made_with(fake_exchange, retry=QUICK))
        orders = await stack.enter_async_context(transport.open(session))
        placing = asyncio.create_task(orders.place([quote(game)]))
        await fake_exchange.wait_for(transport.place)
        placing.cancel()
        with pytest.raises(asyncio.CancelledError):
            await placing
    assert not own_tasks(before)


async def test_closing_leaves_nothing_running_of_a_place_that_is_known_to_have_landed(
    fake_exchange: FakeExchange, session: AsyncSession, orders: Orders, transport: Transport
) -> None:
    game = fake_exchange.add_game().game_id
    fake_exchange.inject(faults.Stall(committed=True), endpoint=transport.place)
    placing = asyncio.create_task(orders.place([quote(game)]))
    await fake_exchange.wait_for(transport.place)
    report = await session.cancel_all_orders_for_games([game])
    assert (len(report.results), report.undecided) == (1, ())
    await session.close()
    with pytest.raises(OutcomeUnknownError):
        await placing


@pytest.mark.parametrize(
    "stop",
    [
        lambda session, games: session.halt(games),
        lambda session, _: session.halt(),
        lambda session, _: session.flatten(),
    ],
    ids=["halt", "halt all", "flatten"],
)
async def test_halting_ends_when_the_session_is_closed_meanwhile(
    fake_exchange: FakeExchange,
    session: AsyncSession,
    stop: Callable[[AsyncSession, list[str]], Awaitable[object]],
) -> None:
    game = fake_exchange.add_game(orders=1).game_id
    fake_exchange.inject(faults.Stall(), endpoint="getUnmatched", times=None)
    clock = asyncio.get_running_loop().time
    stopping = asyncio.ensure_future(stop(session, [game]))
    await fake_exchange.wait_for("getUnmatched")
    closed_at = clock()
    await session.close()
    await stopping
    assert clock() - closed_at < 1


# Arguments.


@pytest.mark.parametrize("games", ["abc", [1], [""], 5])
async def test_nonsense_is_refused_and_halts_nothing(session: AsyncSession, games: object) -> None:
    with pytest.raises(InvalidRequestError, match="games"):
        await session.halt(games)  # type: ignore[arg-type]  # on purpose
    assert not session.halted


async def test_no_deadline_is_refused_and_halts_nothing(session: AsyncSession) -> None:
    with pytest.raises(InvalidRequestError, match="deadline"):
        await session.halt(deadline=-1)
    assert not session.halted


async def test_a_closed_session_halts_nothing(session: AsyncSession) -> None:
    await session.close()
    with pytest.raises(FourcastersError):
        await session.halt()


async def test_a_place_in_doubt_does_not_keep_alive_what_its_caller_had(
    fake_exchange: FakeExchange,
    orders: Orders,
    transport: Transport,
    caplog: pytest.LogCaptureFixture,
) -> None:
    # The record of a warning would keep its error.
    caplog.set_level(logging.CRITICAL, logger="fourcasters_async")
    game = fake_exchange.add_game().game_id
    fake_exchange.inject(faults.Reset(committed=True), endpoint=transport.place)

    class Strategy:
        """Holds prices of a whole day."""

    async def trade() -> "weakref.ref[Strategy]":
        strategy = Strategy()
        with pytest.raises(OutcomeUnknownError):
            await orders.place([quote(game)])
        return weakref.ref(strategy)

    strategy = await trade()
    gc.collect()
    assert strategy() is None
    assert len(orders._gate.undecided()) == 1
