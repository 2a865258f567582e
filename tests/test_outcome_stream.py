"""The outcomes of a fan-out as they come: who owns the cancels, and what ends them."""

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator, Callable
from typing import Any

import aiohttp
import pytest
from support import QUICK, SECOND, Transport, block, own_tasks, quote, until

from fourcasters_async import (
    AsyncSession,
    CancelReport,
    GameOutcome,
    HaltedError,
    InvalidRequestError,
    OrdersSocket,
    OutcomeStatus,
    OutcomeStream,
    SessionClosedError,
    SessionEvent,
    VerbFinished,
    VerbStarted,
)
from fourcasters_async.orders.verbs import Orders
from fourcasters_async.testing import FakeExchange, faults

GAMES = 5


@pytest.fixture
def games(fake_exchange: FakeExchange) -> list[str]:
    return [fake_exchange.add_game(orders=2).game_id for _ in range(GAMES)]


async def next_of(stream: OutcomeStream) -> GameOutcome:
    return await anext(stream)


def never(transport: Transport, exchange: FakeExchange, game: str) -> None:
    exchange.inject(faults.Stall(), endpoint=transport.game, game_id=game, times=None)


async def test_each_game_comes_once_and_the_report_has_them_all(
    orders: Orders, games: list[str]
) -> None:
    stream = orders.cancelling(games, verify=True)
    outcomes = [outcome async for outcome in stream]
    assert sorted(each.game_id for each in outcomes) == sorted(games)
    assert stream.report is not None
    assert [each.game_id for each in stream.report.outcomes] == games
    assert stream.report.verified_clear


async def test_the_report_is_what_the_fan_out_returns(
    orders: Orders, games: list[str], fake_exchange: FakeExchange
) -> None:
    others = [fake_exchange.add_game(orders=2).game_id for _ in range(GAMES)]
    stream = orders.cancelling(games)
    async for _ in stream:
        pass
    whole = await orders.cancel_all_orders_for_games(others)
    streamed = stream.report
    assert streamed is not None
    told = [
        [(o.status, len(o.results), o.complete, o.attempts, o.resting) for o in each.outcomes]
        for each in (streamed, whole)
    ]
    assert told[0] == told[1]


async def test_an_outcome_comes_while_another_game_hangs(
    orders: Orders, transport: Transport, games: list[str], fake_exchange: FakeExchange
) -> None:
    slow, quick = games[:2]
    never(transport, fake_exchange, slow)
    stream = orders.cancelling([slow, quick], deadline=8 * SECOND)
    assert (await anext(stream)).game_id == quick
    assert stream.report is None
    fake_exchange.clear_faults()
    await stream.aclose()


async def test_without_games_there_is_an_empty_report(orders: Orders) -> None:
    stream = orders.cancelling([])
    assert [outcome async for outcome in stream] == []
    assert stream.report is not None
    assert stream.report.outcomes == ()


async def test_it_begins_with_the_call_and_needs_nobody_who_iterates(
    orders: Orders, games: list[str], fake_exchange: FakeExchange
) -> None:
    stream = orders.cancelling(games)
    await until(lambda: stream.report is not None)
    assert not fake_exchange.open_orders()


async def test_leaving_the_loop_early_stops_nothing(
    orders: Orders, games: list[str], fake_exchange: FakeExchange
) -> None:
    stream = orders.cancelling(games)
    async for _ in stream:
        break
    del stream
    await until(lambda: not fake_exchange.open_orders())


async def test_a_later_loop_goes_on_with_what_no_loop_has_had(
    orders: Orders, games: list[str]
) -> None:
    stream, seen = orders.cancelling(games), list[str]()
    async for outcome in stream:
        seen.append(outcome.game_id)
        if len(seen) == 2:
            break
    seen += [outcome.game_id async for outcome in stream]
    assert sorted(seen) == sorted(games)


async def test_cancelling_the_task_that_waits_stops_nothing_and_loses_no_outcome(
    orders: Orders, transport: Transport, games: list[str], fake_exchange: FakeExchange
) -> None:
    never(transport, fake_exchange, games[0])
    stream = orders.cancelling(games[:1], deadline=30 * SECOND)
    waiting = asyncio.create_task(next_of(stream))
    await until(lambda: bool(fake_exchange.received(transport.game)))
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    fake_exchange.clear_faults()
    assert [outcome.game_id async for outcome in stream] == games[:1]
    assert not fake_exchange.open_orders(games[0])


async def test_the_browser_that_goes_away_ends_a_generator_and_not_the_kill(
    orders: Orders, games: list[str], fake_exchange: FakeExchange
) -> None:
    stream = orders.cancelling(games)

    async def lines() -> AsyncIterator[str]:
        async for outcome in stream:
            yield outcome.game_id

    async with contextlib.aclosing(lines()) as generator:  # type: ignore[type-var]  # it is one
        await anext(generator)
    await until(lambda: not fake_exchange.open_orders())


async def test_aclose_stops_the_cancels(
    orders: Orders, transport: Transport, games: list[str], fake_exchange: FakeExchange
) -> None:
    slow, quick = games[:2]
    never(transport, fake_exchange, slow)
    before = asyncio.all_tasks()
    stream = orders.cancelling([slow, quick], deadline=60 * SECOND)
    await until(lambda: not fake_exchange.open_orders(quick))
    await stream.aclose()
    assert [outcome.game_id async for outcome in stream] in ([quick], [])
    assert stream.report is None
    assert fake_exchange.open_orders(slow)
    assert not any("_cancel_and_prove" in repr(task.get_coro()) for task in own_tasks(before))
    await stream.aclose()


async def test_aclose_wakes_whoever_waits(
    orders: Orders, transport: Transport, games: list[str], fake_exchange: FakeExchange
) -> None:
    never(transport, fake_exchange, games[0])
    stream = orders.cancelling(games[:1], deadline=60 * SECOND)
    waiting = asyncio.create_task(next_of(stream))
    await until(lambda: bool(fake_exchange.received(transport.game)))
    await stream.aclose()
    with pytest.raises(StopAsyncIteration):
        await waiting


async def test_aclose_of_what_has_ended_keeps_the_report(orders: Orders, games: list[str]) -> None:
    stream = orders.cancelling(games)
    async for _ in stream:
        pass
    await stream.aclose()
    assert stream.report is not None


async def test_one_task_iterates_at_a_time(
    orders: Orders, transport: Transport, games: list[str], fake_exchange: FakeExchange
) -> None:
    never(transport, fake_exchange, games[0])
    stream = orders.cancelling(games[:1], deadline=60 * SECOND)
    waiting = asyncio.create_task(next_of(stream))
    await until(lambda: bool(fake_exchange.received(transport.game)))
    with pytest.raises(InvalidRequestError, match="another task iterates"):
        await anext(stream)
    fake_exchange.clear_faults()
    assert (await waiting).game_id == games[0]


async def test_closing_the_session_ends_the_cancels_as_it_does_others(
    fake_exchange: FakeExchange, transport: Transport, games: list[str]
) -> None:
    before = asyncio.all_tasks()
    fake_exchange.inject(faults.Stall(), endpoint=transport.game, times=None)
    async with contextlib.AsyncExitStack() as stack:
        session = await stack.enter_async_context(session_on(fake_exchange))
        orders = await stack.enter_async_context(transport.open(session))
        stream = orders.cancelling(games, deadline=3600.0, verify=True)
        await until(lambda: fake_exchange.received(transport.game) == GAMES)
    assert stream.report is not None
    assert {each.status for each in stream.report.outcomes} == {OutcomeStatus.UNKNOWN}
    assert not own_tasks(before)
    assert len([outcome async for outcome in stream]) == GAMES


async def test_a_stream_that_was_left_early_ends_with_its_session(
    fake_exchange: FakeExchange, transport: Transport, games: list[str]
) -> None:
    before = asyncio.all_tasks()
    fake_exchange.inject(faults.Stall(), endpoint=transport.game, game_id=games[0], times=None)
    async with session_on(fake_exchange) as session, transport.open(session) as orders:
        async for _ in orders.cancelling(games, deadline=3600.0):
            break
    assert not own_tasks(before)


@pytest.mark.parametrize("some", [False, True], ids=["nobody", "somebody who left early"])
async def test_what_nobody_has_heard_of_and_is_not_settled_is_logged(
    fake_exchange: FakeExchange,
    transport: Transport,
    games: list[str],
    caplog: pytest.LogCaptureFixture,
    some: bool,  # as pytest passes it
) -> None:
    fake_exchange.inject(faults.Stall(), endpoint=transport.game, game_id=games[0], times=None)
    async with session_on(fake_exchange) as session, transport.open(session) as orders:
        stream = orders.cancelling(games, deadline=3600.0)
        await until(lambda: fake_exchange.received(transport.game) == GAMES)
        if some:
            await anext(stream)
        del stream
    (record,) = caplog.records
    assert record.levelno == logging.ERROR
    assert "nobody waited for cancels on many games: 5 games: " in record.getMessage()
    assert " unknown" in record.getMessage()


async def test_cancels_that_nobody_waited_for_and_somebody_stopped_are_logged(
    orders: Orders,
    transport: Transport,
    games: list[str],
    fake_exchange: FakeExchange,
    caplog: pytest.LogCaptureFixture,
) -> None:
    never(transport, fake_exchange, games[0])
    before = asyncio.all_tasks()
    stream = orders.cancelling(games[:1], deadline=60 * SECOND)
    await until(lambda: bool(fake_exchange.received(transport.game)))
    stopped = [t for t in own_tasks(before) if "_cancel_and_prove" in repr(t.get_coro())]
    assert [task.cancel() for task in stopped] == [True]
    await asyncio.wait(stopped)
    del stream, stopped
    assert [r.getMessage() for r in caplog.records if r.levelno == logging.ERROR] == [
        "nobody waited for cancels on many games, and they were stopped"
    ]


@pytest.mark.parametrize("hears", ["the loop", "the report", "aclose", "all is settled"])
async def test_a_stream_of_whose_end_somebody_has_heard_logs_nothing(
    fake_exchange: FakeExchange,
    transport: Transport,
    games: list[str],
    caplog: pytest.LogCaptureFixture,
    hears: str,
) -> None:
    if hears != "all is settled":
        fault = faults.Respond(b'{"error": "no"}', 400)
        fake_exchange.inject(fault, endpoint=transport.game, game_id=games[0], times=None)
    async with session_on(fake_exchange) as session, transport.open(session) as orders:
        stream = orders.cancelling(games)
        if hears == "the loop":
            async for _ in stream:
                pass
        elif hears == "aclose":
            await stream.aclose()
        else:
            await until(stream._job.done)
        if hears == "the report":
            assert stream.report is not None
        del stream
    assert not [record for record in caplog.records if record.levelno > logging.DEBUG]


async def test_closing_is_not_held_up_by_a_client_that_is_lent(
    fake_exchange: FakeExchange, games: list[str]
) -> None:
    fake_exchange.inject(faults.Stall(), endpoint="cancelAllOrdersForGame", times=None)
    clock = asyncio.get_running_loop().time
    async with aiohttp.ClientSession() as client:
        session = AsyncSession(
            fake_exchange.token, base_url=fake_exchange.url, client_session=client, retry=QUICK
        )
        session.cancelling(games, deadline=3600.0)
        await until(lambda: fake_exchange.received("cancelAllOrdersForGame") == GAMES)
        began = clock()
        await session.close()
        assert clock() - began <= QUICK.attempt_timeout + SECOND


async def test_the_session_of_a_stream_can_be_closed_inside_its_loop(
    fake_exchange: FakeExchange, games: list[str]
) -> None:
    session = session_on(fake_exchange)
    stream, seen = session.cancelling(games), 0
    async for _ in stream:
        seen += 1
        await session.close()
    assert seen == GAMES


async def test_leaving_the_block_of_the_socket_ends_what_is_in_flight(
    session: AsyncSession, fake_exchange: FakeExchange, games: list[str]
) -> None:
    fake_exchange.inject(faults.Stall(), endpoint="cancelAllByGame", times=None)
    async with session.orders_socket() as orders:
        stream = orders.cancelling(games, deadline=3600.0)
        await until(lambda: fake_exchange.received("cancelAllByGame") == GAMES)
    outcomes = [outcome async for outcome in stream]
    assert {each.status for each in outcomes} == {OutcomeStatus.UNKNOWN}


async def test_over_the_socket_a_hedge_goes_over_rest(
    session: AsyncSession, fake_exchange: FakeExchange, games: list[str]
) -> None:
    fake_exchange.inject(faults.Stall(), endpoint="cancelAllByGame", times=None)
    async with session.orders_socket() as orders:
        stream = orders.cancelling(games, hedge=SECOND)
        assert {each.status async for each in stream} == {OutcomeStatus.CONFIRMED}
    assert not fake_exchange.open_orders()


MISTAKES: list[dict[str, Any]] = [
    {"games": "one"},
    {"games": [""]},
    {"type": "corner"},
    {"deadline": -1.0},
    {"verify": "yes"},
    {"periods": 1},
]


@pytest.mark.parametrize("mistake", MISTAKES, ids=str)
async def test_a_mistake_is_raised_at_the_call_and_nothing_is_sent(
    orders: Orders, fake_exchange: FakeExchange, mistake: dict[str, Any]
) -> None:
    before, sent = asyncio.all_tasks(), len(fake_exchange.requests)
    with pytest.raises(InvalidRequestError, match=next(iter(mistake))):
        orders.cancelling(**{"games": ["a" * 24], **mistake})
    assert asyncio.all_tasks() == before
    assert len(fake_exchange.requests) == sent


async def test_a_hedge_that_is_no_time_is_raised_at_the_call(session: AsyncSession) -> None:
    async with session.orders_socket() as orders:
        with pytest.raises(InvalidRequestError, match="hedge"):
            orders.cancelling([], hedge=-1.0)


async def test_a_session_that_is_closed_before_the_first_step_sends_nothing(
    fake_exchange: FakeExchange, games: list[str]
) -> None:
    session = session_on(fake_exchange)
    stream = session.cancelling(games, verify=True)
    await session.close()
    assert {each.status async for each in stream} == {OutcomeStatus.NOT_SENT}
    assert not fake_exchange.received("cancelAllOrdersForGame")


def test_outside_an_event_loop_it_says_so() -> None:
    with pytest.raises(InvalidRequestError, match="no asyncio event loop is running"):
        AsyncSession("a" * 32).cancelling(["a" * 24])


async def test_a_closed_session_says_so_at_the_call(fake_exchange: FakeExchange) -> None:
    session = session_on(fake_exchange)
    await session.close()
    with pytest.raises(SessionClosedError):
        session.cancelling(["a" * 24])


async def test_a_consumer_that_never_waits_does_not_hold_up_the_others(
    orders: Orders, fake_exchange: FakeExchange
) -> None:
    many = [fake_exchange.add_game(orders=1).game_id for _ in range(60)]
    stream = orders.cancelling(many, deadline=20 * SECOND)
    async for _ in stream:
        block(0.01 * SECOND)
    assert stream.report is not None
    assert stream.report.ok


async def test_when_every_task_is_cancelled_the_iteration_ends_without_a_report(
    orders: Orders, transport: Transport, games: list[str], fake_exchange: FakeExchange
) -> None:
    never(transport, fake_exchange, games[0])
    before = asyncio.all_tasks()
    stream = orders.cancelling(games[:1], deadline=60 * SECOND)
    await until(lambda: bool(fake_exchange.received(transport.game)))
    for task in own_tasks(before):
        if "_cancel_and_prove" in repr(task.get_coro()):
            task.cancel()
    assert [outcome async for outcome in stream] == []
    assert stream.report is None


async def test_a_halt_streams_its_outcomes_with_the_gate_closed(
    session: AsyncSession, games: list[str], fake_exchange: FakeExchange
) -> None:
    stream = session.halting(games)
    with pytest.raises(HaltedError):
        await session.place([quote(games[0])])
    assert sorted([outcome.game_id async for outcome in stream]) == sorted(games)
    assert stream.report is not None
    assert stream.report.verified_clear
    assert not fake_exchange.open_orders()


async def test_a_halt_of_everything_streams_what_the_answers_name(
    session: AsyncSession, games: list[str]
) -> None:
    stream = session.halting()
    assert sorted([outcome.game_id async for outcome in stream]) == sorted(games)
    assert stream.report is not None
    assert stream.report.whole_account
    assert stream.report.verified_clear


@pytest.mark.parametrize("everything", [False, True])
async def test_a_halt_tells_of_each_outcome_once(
    session: AsyncSession, games: list[str], *, everything: bool
) -> None:
    told: list[GameOutcome] = []
    report = await session.halt(None if everything else games, on_outcome=told.append)
    assert sorted(each.game_id for each in told) == sorted(games)
    assert isinstance(report, CancelReport)


async def test_a_halt_with_a_callback_that_is_none_closes_no_gate(session: AsyncSession) -> None:
    not_a_callback: Any = "print"
    with pytest.raises(InvalidRequestError, match="on_outcome"):
        await session.halt(["a" * 24], on_outcome=not_a_callback)
    assert not session.halted


async def test_a_hook_is_told_of_a_stream_as_of_every_verb(
    fake_exchange: FakeExchange, transport: Transport, games: list[str]
) -> None:
    told: list[SessionEvent] = []
    session = session_on(fake_exchange, on_event=told.append)
    async with session, transport.open(session) as orders:
        stream = orders.cancelling(games)
        async for _ in stream:
            pass
        async for _ in session.halting(games):
            pass
    verbs = [each for each in told if isinstance(each, VerbStarted | VerbFinished)]
    assert [(type(each), each.verb) for each in verbs] == [
        (VerbStarted, "cancelling"),
        (VerbFinished, "cancelling"),
        (VerbStarted, "halt"),
        (VerbFinished, "halt"),
    ]
    assert {each.transport for each in verbs[:2]} == {str(transport)}
    assert isinstance(verbs[1], VerbFinished)
    assert verbs[1].result is stream.report


def session_on(exchange: FakeExchange, **options: Any) -> AsyncSession:
    return AsyncSession(
        exchange.token,
        base_url=exchange.url,
        orders_url=exchange.orders_url,
        streaming_url=exchange.streaming_url,
        retry=QUICK,
        **options,
    )


def test_both_transports_take_the_same_arguments() -> None:
    def arguments(call: Callable[..., object]) -> set[str]:
        code: Any = call
        return set(code.__annotations__) - {"return", "hedge", "on_outcome"}

    for owner in (AsyncSession, OrdersSocket):
        assert arguments(owner.cancelling) == arguments(owner.cancel_all_orders_for_games)
