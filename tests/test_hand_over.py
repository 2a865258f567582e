"""Games of a burst that are handed over to REST: by a bounded number of tasks, and to the end."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest
from aiohttp import web
from attrs import frozen
from support import PATIENT, SECOND, own_tasks, until

from fourcasters_async import (
    AsyncSession,
    CancelReport,
    GameOutcome,
    NotSentError,
    OrdersSocket,
    OutcomeStatus,
    OutcomeUnknownError,
    RetryPolicy,
)
from fourcasters_async._websocket.connection import Connection
from fourcasters_async.testing import FakeExchange, faults

CONFIRMED, UNKNOWN, NOT_SENT = (
    OutcomeStatus.CONFIRMED,
    OutcomeStatus.UNKNOWN,
    OutcomeStatus.NOT_SENT,
)
WS, REST = "cancelAllByGame", "cancelAllOrdersForGame"
CONNECTIONS = 5
# What a worker makes is a task for each transport.
MOST_TASKS = 3 * CONNECTIONS
HOUR = 3600.0
# How many frames are made before the first are written.
FIRST_WRITE = 25


@asynccontextmanager
async def opened(
    exchange: FakeExchange,
    *,
    connections: int = CONNECTIONS,
    retry: RetryPolicy = PATIENT,
    timeout: float = 20.0,
) -> AsyncIterator[OrdersSocket]:
    async with (
        AsyncSession(
            exchange.token,
            base_url=exchange.url,
            orders_url=exchange.orders_url,
            max_connections=connections,
            retry=retry,
            timeout=timeout,
        ) as session,
        session.orders_socket() as orders,
    ):
        yield orders


def connection_of(orders: OrdersSocket) -> Connection:
    connection = orders._socket._connections.current
    assert connection is not None
    return connection


def games_of(exchange: FakeExchange, count: int) -> list[str]:
    return [exchange.add_game(orders=1).game_id for _ in range(count)]


def received(exchange: FakeExchange, endpoint: str) -> list[object]:
    return [each.game_id for each in exchange.requests if each.endpoint == endpoint]


def workers(before: "set[asyncio.Task[object]]") -> "list[asyncio.Task[object]]":
    return [task for task in own_tasks(before) if "work" in repr(task.get_coro()).casefold()]


class Tasks:
    """Counts the tasks of the library whenever an outcome is told, without that of the caller."""

    def __init__(self) -> None:
        self._before = asyncio.all_tasks()
        self.most = 0

    def __call__(self, _: GameOutcome) -> None:
        self.most = max(self.most, len(own_tasks(self._before)))


def lose_the_connection(orders: OrdersSocket) -> None:
    connection_of(orders).lose("tested")


@pytest.mark.parametrize("count", [30, 300])
@pytest.mark.parametrize("then", [None, lose_the_connection], ids=["silent", "lost"])
async def test_there_are_no_more_tasks_than_rest_can_serve_however_many_games_there_are(
    fake_exchange: FakeExchange, count: int, then: Callable[[OrdersSocket], None] | None
) -> None:
    games = games_of(fake_exchange, count)
    fake_exchange.inject(faults.Stall(), endpoint=WS, times=count)
    async with opened(fake_exchange) as orders:
        tasks = Tasks()
        cancel = asyncio.create_task(
            orders.cancel_all_orders_for_games(games, hedge=SECOND, on_outcome=tasks)
        )
        await until(lambda: fake_exchange.received(WS) == count)
        if then is not None:
            then(orders)
        report = await cancel
    assert {outcome.status for outcome in report.outcomes} == {CONFIRMED}
    assert not fake_exchange.open_orders()
    # The caller's, and two that make and keep another connection.
    assert tasks.most <= MOST_TASKS + 4


async def test_games_are_handed_over_in_the_order_in_which_they_were_given(
    fake_exchange: FakeExchange,
) -> None:
    games = games_of(fake_exchange, 60)
    fake_exchange.inject(faults.Stall(), endpoint=WS, times=None)
    async with opened(fake_exchange, connections=1) as orders:
        report = await orders.cancel_all_orders_for_games(games, hedge=SECOND)
    assert len(report.confirmed) == 60
    assert received(fake_exchange, REST) == games


@frozen
class Once(faults.Fault):
    """The right answer, once something is true."""

    true: Callable[[], bool]

    async def __call__(self, call: faults.Call) -> web.StreamResponse:
        await until(self.true)
        return faults.respond(call.commit())


async def test_what_the_socket_answers_before_rest_is_asked_is_not_asked_of_rest(
    fake_exchange: FakeExchange,
) -> None:
    first, *others = games = games_of(fake_exchange, 20)
    told: list[str] = []
    handed_over = Once(lambda: fake_exchange.received(REST) == 1)
    fake_exchange.inject(faults.Stall(), endpoint=WS, game_id=first)
    fake_exchange.inject(handed_over, endpoint=WS, times=len(others))
    fake_exchange.inject(Once(lambda: len(told) == len(others)), endpoint=REST)
    async with opened(fake_exchange, connections=1) as orders:
        report = await orders.cancel_all_orders_for_games(
            games, hedge=SECOND, on_outcome=lambda outcome: told.append(outcome.game_id)
        )
    assert {outcome.status for outcome in report.outcomes} == {CONFIRMED}
    assert sorted(told) == sorted(games)
    assert received(fake_exchange, REST) == [first]
    assert [(o.complete, o.attempts) for o in report.outcomes] == [(False, 2), *[(True, 1)] * 19]


@pytest.mark.virtual_time
async def test_an_answer_that_comes_right_as_its_game_is_handed_over_is_told_once(
    fake_exchange: FakeExchange,
) -> None:
    games = games_of(fake_exchange, 200)
    told: list[str] = []
    fake_exchange.inject(faults.Slow(SECOND), endpoint=WS, times=None)
    async with opened(fake_exchange, connections=100) as orders:
        await orders.cancel_all_orders_for_games(
            games, hedge=SECOND, on_outcome=lambda outcome: told.append(outcome.game_id)
        )
    assert sorted(told) == sorted(games)


async def test_what_is_lost_before_rest_is_asked_is_asked_of_rest(
    fake_exchange: FakeExchange,
) -> None:
    games = games_of(fake_exchange, 20)
    fake_exchange.inject(faults.Stall(), endpoint=WS, times=None)
    fake_exchange.inject(faults.Slow(0.1 * SECOND), endpoint=REST, times=None)
    async with opened(fake_exchange, connections=1) as orders:
        cancel = asyncio.create_task(orders.cancel_all_orders_for_games(games, hedge=SECOND))
        await until(lambda: fake_exchange.received(REST) == 2)
        lose_the_connection(orders)
        report = await cancel
    assert {(o.status, o.complete) for o in report.outcomes} == {(CONFIRMED, False)}
    assert received(fake_exchange, REST) == games


@pytest.mark.virtual_time
@pytest.mark.parametrize("deadline", [None, 20.0])
async def test_games_that_wait_for_rest_take_no_more_time_than_those_that_do_not(
    fake_exchange: FakeExchange, deadline: float | None
) -> None:
    games = games_of(fake_exchange, 30)
    fake_exchange.inject(faults.Stall(), endpoint=WS, times=None)
    fake_exchange.inject(faults.Stall(), endpoint=REST, times=None)
    async with opened(fake_exchange, connections=2) as orders:
        report = await orders.cancel_all_orders_for_games(games, hedge=1.0, deadline=deadline)
    assert {outcome.status for outcome in report.outcomes} == {UNKNOWN}
    assert {type(outcome.error) for outcome in report.outcomes} == {OutcomeUnknownError}
    assert report.elapsed <= 21.1


async def cancelled_report(
    exchange: FakeExchange, games: list[str], turns: int, **named: Any
) -> CancelReport:
    """Cancel every task of a fan-out but that of the caller, so many turns after they begin."""
    long = RetryPolicy(attempt_timeout=HOUR)
    async with opened(exchange, retry=long, timeout=2 * HOUR) as orders:
        connection = connection_of(orders)
        before = asyncio.all_tasks()
        cancel = asyncio.create_task(orders.cancel_all_orders_for_games(games, **named))
        await until(lambda: len(own_tasks(before)) > 1)
        for _ in range(turns):
            await asyncio.sleep(0)
        for task in own_tasks(before) - {cancel}:
            task.cancel()
        report = await cancel
        assert not connection._pending
        assert connection_of(orders) is connection
    return report


@pytest.mark.virtual_time
@pytest.mark.parametrize("turns", range(8))
async def test_when_somebody_cancels_the_tasks_of_a_hand_over_it_ends_at_once(
    fake_exchange: FakeExchange, turns: int
) -> None:
    games = games_of(fake_exchange, 60)
    fake_exchange.inject(faults.Stall(), endpoint=WS, times=None)
    fake_exchange.inject(faults.Stall(), endpoint=REST, times=None)
    told: list[str] = []
    report = await cancelled_report(
        fake_exchange,
        games,
        turns,
        hedge=1.0,
        on_outcome=lambda outcome: told.append(outcome.game_id),
    )
    assert {outcome.status for outcome in report.outcomes} == {UNKNOWN}
    assert {type(outcome.error) for outcome in report.outcomes} == {OutcomeUnknownError}
    assert sorted(told) == sorted(games)
    assert report.elapsed < 2.0


@pytest.mark.virtual_time
async def test_what_had_not_left_when_somebody_cancels_the_tasks_of_a_hand_over_is_not_sent(
    fake_exchange: FakeExchange,
) -> None:
    games = games_of(fake_exchange, 60)
    fake_exchange.inject(faults.Stall(), endpoint=REST, times=None)
    fake_exchange.inject(faults.Stall(), endpoint=WS, times=FIRST_WRITE)
    async with opened(fake_exchange, connections=1) as orders:
        connection = connection_of(orders)
        send, blocked, goes_on = connection._socket.send_frame, 0, asyncio.Event()

        async def stop(*arguments: Any) -> None:
            nonlocal blocked
            await send(*arguments)
            blocked += 1
            if blocked == FIRST_WRITE + 1:
                await goes_on.wait()

        vars(connection._socket)["send_frame"] = stop
        before = asyncio.all_tasks()
        cancel = asyncio.create_task(orders.cancel_all_orders_for_games(games, hedge=1.0))
        await until(lambda: fake_exchange.received(REST) == 1)
        for task in own_tasks(before) - {cancel}:
            task.cancel()
        report = await cancel
        goes_on.set()
        # What follows on the connection comes after all of it.
        await orders.cancel_all_orders()
    left = FIRST_WRITE + 1
    statuses = [outcome.status for outcome in report.outcomes]
    assert statuses == [UNKNOWN] * left + [NOT_SENT] * (60 - left)
    assert {type(outcome.error) for outcome in report.not_sent} == {NotSentError}
    assert {outcome.attempts for outcome in report.not_sent} <= {0, 1}
    assert received(fake_exchange, WS) == games[:left]


@pytest.mark.virtual_time
async def test_a_hand_over_whose_tasks_somebody_cancels_ends_no_game_that_was_not_handed_over(
    fake_exchange: FakeExchange,
) -> None:
    failing, slow, *others = games_of(fake_exchange, 5)
    fake_exchange.inject(faults.Unavailable(), endpoint=WS, game_id=failing)
    fake_exchange.inject(faults.Slow(SECOND), endpoint=WS, game_id=slow)
    retry = RetryPolicy(backoff_base=HOUR, backoff_cap=HOUR)
    async with opened(fake_exchange, retry=retry) as orders:
        before = asyncio.all_tasks()
        cancel = asyncio.create_task(orders.cancel_all_orders_for_games([failing, slow, *others]))
        await until(lambda: len(own_tasks(before)) == 2)
        for task in own_tasks(before) - {cancel}:
            task.cancel()
        report = await cancel
    assert [outcome.status for outcome in report.outcomes] == [UNKNOWN, *[CONFIRMED] * 4]


async def test_one_of_many_tasks_that_somebody_cancels_costs_one_game(
    fake_exchange: FakeExchange,
) -> None:
    games = games_of(fake_exchange, 20)
    fake_exchange.inject(faults.Stall(), endpoint=WS, times=None)
    fake_exchange.inject(faults.Slow(SECOND), endpoint=REST, times=None)
    async with opened(fake_exchange, connections=2) as orders:
        before = asyncio.all_tasks()
        cancel = asyncio.create_task(orders.cancel_all_orders_for_games(games, hedge=SECOND))
        await until(lambda: fake_exchange.received(REST) == 2)
        workers(before)[0].cancel()
        report = await cancel
    assert [o.status for o in report.outcomes].count(CONFIRMED) == 19
    assert len(report.unknown) == 1


@pytest.mark.parametrize("over_rest", [True, False])
async def test_of_a_fan_out_whose_tasks_somebody_cancels_what_was_not_begun_is_not_sent(
    fake_exchange: FakeExchange, *, over_rest: bool
) -> None:
    games = games_of(fake_exchange, 60)
    endpoint = REST if over_rest else WS
    fake_exchange.inject(faults.Stall(), endpoint=endpoint, times=None)
    async with opened(fake_exchange, connections=30, timeout=2 * HOUR) as orders:
        orders._max_in_flight = 30
        if over_rest:
            orders._was_connected = False
            lose_the_connection(orders)
            fake_exchange.inject(faults.Reset(), endpoint="ws", times=None)
        else:
            lose_the_connection(orders)
        before = asyncio.all_tasks()
        cancel = asyncio.create_task(
            orders.cancel_all_orders_for_games(games, hedge=SECOND if over_rest else None)
        )
        await until(lambda: fake_exchange.received(endpoint) == 30)
        for task in workers(before):
            task.cancel()
        report = await cancel
    assert [o.status for o in report.outcomes] == [UNKNOWN] * 30 + [NOT_SENT] * 30
    assert {str(o.error).partition(": ")[2] for o in report.not_sent} == {
        "not sent: its task was cancelled"
    }
    assert set(received(fake_exchange, endpoint)) == set(games[:30])
