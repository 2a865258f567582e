"""A fan-out over the Orders WebSocket as one burst: what becomes of each game, and at what cost."""

import asyncio
import gc
import weakref
from collections import Counter
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from contextvars import ContextVar
from typing import Any

import orjson
import pytest
from attrs import evolve
from support import PATIENT, SECOND, block, own_tasks, until

from fourcasters_async import (
    AsyncSession,
    GameOutcome,
    NotSentError,
    OrdersSocket,
    OutcomeStatus,
    OutcomeUnknownError,
    RetryPolicy,
)
from fourcasters_async._core.outcome import AttemptResult
from fourcasters_async._core.request import Kind, Request
from fourcasters_async._json.accelerated import Cancelled
from fourcasters_async._websocket import burst as burst_module
from fourcasters_async._websocket.connection import Connection
from fourcasters_async._websocket.frames import classify, encode
from fourcasters_async.testing import FakeExchange, faults

CONFIRMED, UNKNOWN, NOT_SENT = (
    OutcomeStatus.CONFIRMED,
    OutcomeStatus.UNKNOWN,
    OutcomeStatus.NOT_SENT,
)
WS, REST = "cancelAllByGame", "cancelAllOrdersForGame"
GAMES = 60
# How many frames are made before the first are written.
FIRST_WRITE = 25
ONCE = evolve(PATIENT, max_attempts=1)


@asynccontextmanager
async def opened(
    exchange: FakeExchange, *, retry: RetryPolicy = PATIENT, password: str | None = None
) -> AsyncIterator[OrdersSocket]:
    async with (
        AsyncSession(
            exchange.token,
            username=None if password is None else "owner",
            password=password,
            base_url=exchange.url,
            orders_url=exchange.orders_url,
            retry=retry,
        ) as session,
        session.orders_socket() as orders,
    ):
        yield orders


def connection_of(orders: OrdersSocket) -> Connection:
    connection = orders._socket._connections.current
    assert connection is not None
    return connection


def games_of(exchange: FakeExchange, count: int = GAMES, *, orders: int = 1) -> list[str]:
    return [exchange.add_game(orders=orders).game_id for _ in range(count)]


def received(exchange: FakeExchange, endpoint: str = WS) -> list[object]:
    return [each.game_id for each in exchange.requests if each.endpoint == endpoint]


class Gathering:
    """Stops the writer once it has gathered so many frames, until it is let go."""

    def __init__(self, connection: Connection, after: int) -> None:
        self.reached, self.goes_on = asyncio.Event(), asyncio.Event()
        self._left = after
        self._send = connection._socket.send_frame
        vars(connection._socket)["send_frame"] = self._stop

    async def _stop(self, *arguments: Any) -> None:
        await self._send(*arguments)
        self._left -= 1
        if self._left == 0:
            self.reached.set()
            await self.goes_on.wait()


async def test_games_that_their_first_attempt_decides_take_no_task_and_no_timer_each(
    fake_exchange: FakeExchange, monkeypatch: pytest.MonkeyPatch
) -> None:
    games = games_of(fake_exchange, 200)
    loop = asyncio.get_running_loop()
    timers: list[float] = []
    real = loop.call_at

    def count(when: float, *arguments: Any, **named: Any) -> asyncio.TimerHandle:
        timers.append(when)
        return real(when, *arguments, **named)

    tasks: list[int] = []
    async with opened(fake_exchange) as orders:
        before = asyncio.all_tasks()
        fake_exchange.inject(faults.Held(until=199), game_id=games[0])
        monkeypatch.setattr(loop, "call_at", count)
        report = await orders.cancel_all_orders_for_games(
            games, hedge=3600.0, on_outcome=lambda _: tasks.append(len(own_tasks(before)))
        )
    assert report.ok
    assert max(tasks) == 0
    assert len(timers) < 20


async def test_the_first_requests_are_on_their_way_while_others_are_made(
    fake_exchange: FakeExchange,
) -> None:
    games = games_of(fake_exchange, 1000)
    async with opened(fake_exchange) as orders:
        gathering = Gathering(connection_of(orders), after=FIRST_WRITE + 1)
        cancel = asyncio.create_task(orders.cancel_all_orders_for_games(games))
        await gathering.reached.wait()
        await until(lambda: fake_exchange.received(WS) == FIRST_WRITE)
        gathering.goes_on.set()
        assert (await cancel).ok


async def test_of_a_connection_lost_half_way_only_what_was_written_is_in_doubt(
    fake_exchange: FakeExchange,
) -> None:
    games = games_of(fake_exchange)
    fake_exchange.inject(faults.Stall(), endpoint=WS, times=None)
    async with opened(fake_exchange, retry=ONCE) as orders:
        connection = connection_of(orders)
        gathering = Gathering(connection, after=FIRST_WRITE + 5)
        cancel = asyncio.create_task(orders.cancel_all_orders_for_games(games))
        await gathering.reached.wait()
        await until(lambda: fake_exchange.received(WS) == FIRST_WRITE)
        connection.lose("tested")
        gathering.goes_on.set()
        report = await cancel
        assert not connection._pending
    statuses = [outcome.status for outcome in report.outcomes]
    assert statuses == [UNKNOWN] * FIRST_WRITE + [NOT_SENT] * (GAMES - FIRST_WRITE)
    assert received(fake_exchange) == games[:FIRST_WRITE]
    assert {type(o.error) for o in report.unknown} == {OutcomeUnknownError}
    assert {type(o.error) for o in report.not_sent} == {NotSentError}


async def test_what_a_lost_connection_left_undecided_goes_on_over_the_next_one(
    fake_exchange: FakeExchange,
) -> None:
    games = games_of(fake_exchange)
    fake_exchange.inject(faults.Stall(committed=True), endpoint=WS, times=FIRST_WRITE)
    async with opened(fake_exchange) as orders:
        connection = connection_of(orders)
        gathering = Gathering(connection, after=FIRST_WRITE + 5)
        cancel = asyncio.create_task(orders.cancel_all_orders_for_games(games))
        await gathering.reached.wait()
        await until(lambda: fake_exchange.received(WS) == FIRST_WRITE)
        connection.lose("tested")
        gathering.goes_on.set()
        report = await cancel
    assert {outcome.status for outcome in report.outcomes} == {CONFIRMED}
    complete = [outcome.complete for outcome in report.outcomes]
    assert complete == [False] * FIRST_WRITE + [True] * (GAMES - FIRST_WRITE)
    assert not fake_exchange.open_orders()


async def test_an_answer_to_a_request_that_has_not_left_is_not_taken_for_its_answer(
    fake_exchange: FakeExchange,
) -> None:
    games = games_of(fake_exchange)
    async with opened(fake_exchange) as orders:
        connection = connection_of(orders)
        gathering = Gathering(connection, after=FIRST_WRITE + 5)
        cancel = asyncio.create_task(orders.cancel_all_orders_for_games(games))
        await gathering.reached.wait()
        ids = [f"{connection._prefix}-{number}" for number in range(FIRST_WRITE + 1, GAMES + 1)]
        for request_id in ids:
            connection._take(orjson.dumps({"requestID": request_id, "data": []}))
        gathering.goes_on.set()
        report = await cancel
    assert [result.game_id for result in report.results] == games


async def test_a_time_limit_in_the_middle_costs_only_the_games_that_it_ends(
    fake_exchange: FakeExchange,
) -> None:
    games = games_of(fake_exchange)
    silent = games[20:40]
    for game in silent:
        fake_exchange.inject(faults.Stall(committed=True), game_id=game)
    async with opened(fake_exchange, retry=evolve(PATIENT, attempt_timeout=3 * SECOND)) as orders:
        connection = connection_of(orders)
        report = await orders.cancel_all_orders_for_games(games)
        assert not connection._pending
    assert {outcome.status for outcome in report.outcomes} == {CONFIRMED}
    assert [o.game_id for o in report.outcomes if not o.complete] == silent
    assert Counter(received(fake_exchange)) == Counter(games) + Counter(silent)
    assert {o.attempts for o in report.outcomes if o.complete} == {1}
    assert {o.attempts for o in report.outcomes if not o.complete} == {2}


@pytest.mark.parametrize("fault", [faults.Duplicate(), faults.Duplicate(0.5 * SECOND)], ids=repr)
async def test_an_answer_that_comes_twice_settles_its_game_once(
    fake_exchange: FakeExchange, fault: faults.Fault
) -> None:
    games = games_of(fake_exchange)
    fake_exchange.inject(fault, endpoint=WS, times=None)
    fake_exchange.inject(faults.Slow(SECOND), game_id=games[-1])
    told: list[str] = []
    async with opened(fake_exchange) as orders:
        connection = connection_of(orders)
        report = await orders.cancel_all_orders_for_games(
            games, on_outcome=lambda outcome: told.append(outcome.game_id)
        )
        assert connection_of(orders) is connection
    assert report.ok
    assert Counter(told) == Counter(games)
    assert {outcome.attempts for outcome in report.outcomes} == {1}


async def test_an_answer_that_is_late_is_not_that_of_the_repetition(
    fake_exchange: FakeExchange,
) -> None:
    games = games_of(fake_exchange)
    fake_exchange.inject(faults.Slow(4 * SECOND), endpoint=WS, times=GAMES)
    fake_exchange.inject(faults.Slow(2 * SECOND), endpoint=WS, after=GAMES, times=None)
    told: list[str] = []
    async with opened(fake_exchange, retry=evolve(PATIENT, attempt_timeout=3 * SECOND)) as orders:
        report = await orders.cancel_all_orders_for_games(
            games, on_outcome=lambda outcome: told.append(outcome.game_id)
        )
    assert Counter(told) == Counter(games)
    assert {(o.status, o.complete) for o in report.outcomes} == {(CONFIRMED, False)}


async def test_a_caller_cancelled_while_frames_are_gathered_sends_no_more_of_them(
    fake_exchange: FakeExchange,
) -> None:
    games = games_of(fake_exchange)
    told: list[GameOutcome] = []
    async with opened(fake_exchange) as orders:
        connection = connection_of(orders)
        gathering = Gathering(connection, after=FIRST_WRITE + 5)
        cancel = asyncio.create_task(
            orders.cancel_all_orders_for_games(games, on_outcome=told.append)
        )
        await gathering.reached.wait()
        await until(lambda: len(told) == FIRST_WRITE)
        cancel.cancel()
        await asyncio.wait([cancel])
        assert cancel.cancelled()
        assert not connection._pending
        gathering.goes_on.set()
        # What follows on the connection comes after all of it.
        await orders.cancel_all_orders_for_game(games[-1])
        assert connection_of(orders) is connection
    assert received(fake_exchange) == [*games[: FIRST_WRITE + 5], games[-1]]
    assert [outcome.game_id for outcome in told] == games[:FIRST_WRITE]


async def test_what_is_not_made_when_the_deadline_passes_is_not_sent(
    fake_exchange: FakeExchange, monkeypatch: pytest.MonkeyPatch
) -> None:
    games = games_of(fake_exchange)

    def slow(request: Request[Any], request_id: str, body: Mapping[str, object]) -> bytes:
        if body == {"gameId": games[30]}:
            block(3 * SECOND)
        return encode(request, request_id, body)

    monkeypatch.setattr(burst_module, "encode", slow)
    async with opened(fake_exchange) as orders:
        connection = connection_of(orders)
        report = await orders.cancel_all_orders_for_games(games, deadline=2 * SECOND)
        assert not connection._pending
    assert [outcome.game_id for outcome in report.not_sent] == games[31:]
    assert {type(outcome.error) for outcome in report.not_sent} == {NotSentError}
    assert not set(games[31:]) & set(received(fake_exchange))


async def test_a_callback_that_fails_costs_neither_a_game_nor_the_connection(
    fake_exchange: FakeExchange,
) -> None:
    games = games_of(fake_exchange)

    def fail(_: GameOutcome) -> None:
        raise ZeroDivisionError

    async with opened(fake_exchange) as orders:
        connection = connection_of(orders)
        report = await orders.cancel_all_orders_for_games(games, on_outcome=fail)
        assert connection_of(orders) is connection
    assert {outcome.attempts for outcome in report.confirmed} == {1}
    assert len(report.confirmed) == GAMES


WHOSE: ContextVar[str] = ContextVar("WHOSE", default="somebody else's")


async def test_the_callback_has_the_context_of_the_caller(fake_exchange: FakeExchange) -> None:
    games = games_of(fake_exchange)
    fake_exchange.inject(faults.Unavailable(), game_id=games[0])
    seen: list[str] = []
    async with opened(fake_exchange) as orders:
        WHOSE.set("the caller's")
        report = await orders.cancel_all_orders_for_games(
            games, on_outcome=lambda _: seen.append(WHOSE.get())
        )
    assert report.ok
    assert seen == ["the caller's"] * GAMES


async def test_an_answer_that_makes_the_library_fail_touches_no_other_game(
    fake_exchange: FakeExchange, monkeypatch: pytest.MonkeyPatch
) -> None:
    games = games_of(fake_exchange)

    def fail(request: Request[Any], document: Any, **named: Any) -> AttemptResult[Any]:
        said: Any = document.document() if isinstance(document, Cancelled) else document
        if said["data"][0]["gameID"] == games[7]:
            raise ZeroDivisionError
        return classify(request, document, **named)

    monkeypatch.setattr(burst_module, "classify", fail)
    async with opened(fake_exchange) as orders:
        connection = connection_of(orders)
        report = await orders.cancel_all_orders_for_games(games)
        assert connection_of(orders) is connection
    assert [outcome.game_id for outcome in report.unknown] == [games[7]]
    assert len(report.confirmed) == GAMES - 1


async def test_a_request_that_cannot_be_made_touches_no_other_game(
    fake_exchange: FakeExchange, monkeypatch: pytest.MonkeyPatch
) -> None:
    games = games_of(fake_exchange)

    def fail(request: Request[Any], request_id: str, body: Mapping[str, object]) -> bytes:
        if body == {"gameId": games[7]}:
            raise ZeroDivisionError
        return encode(request, request_id, body)

    monkeypatch.setattr(burst_module, "encode", fail)
    async with opened(fake_exchange, retry=ONCE) as orders:
        connection = connection_of(orders)
        report = await orders.cancel_all_orders_for_games(games)
        assert connection_of(orders) is connection
    assert [outcome.game_id for outcome in report.not_sent] == [games[7]]
    assert len(report.confirmed) == GAMES - 1


async def test_five_thousand_games_take_one_message_each_and_have_one_outcome_each(
    fake_exchange: FakeExchange,
) -> None:
    games = games_of(fake_exchange, 5000)
    told: list[str] = []
    async with opened(fake_exchange) as orders:
        report = await orders.cancel_all_orders_for_games(
            games, on_outcome=lambda outcome: told.append(outcome.game_id)
        )
        assert not connection_of(orders)._pending
    assert report.ok
    assert [outcome.game_id for outcome in report.outcomes] == games
    assert Counter(told) == Counter(games)
    assert received(fake_exchange) == games
    assert fake_exchange.received("ws") == 1


async def test_five_thousand_games_outlast_a_connection_that_is_lost(
    fake_exchange: FakeExchange,
) -> None:
    games = games_of(fake_exchange, 5000)
    fake_exchange.inject(faults.Reset(committed=True), endpoint=WS, after=2500)
    async with opened(fake_exchange) as orders:
        report = await orders.cancel_all_orders_for_games(games)
    assert {outcome.status for outcome in report.outcomes} == {CONFIRMED}
    assert not fake_exchange.open_orders()


async def test_two_bursts_and_a_verb_at_once_each_get_their_own_answers(
    fake_exchange: FakeExchange,
) -> None:
    games = games_of(fake_exchange)
    async with opened(fake_exchange) as orders:
        first, second, results = await asyncio.gather(
            orders.cancel_all_orders_for_games(games[:29]),
            orders.cancel_all_orders_for_games(games[29:-1]),
            orders.cancel_all_orders_for_game(games[-1]),
        )
    named = [result.game_id for result in (*first.results, *second.results, *results)]
    assert named == games


async def test_the_hedge_takes_only_the_games_that_are_not_answered_by_then(
    fake_exchange: FakeExchange,
) -> None:
    games = games_of(fake_exchange)
    slow = games[20:40]
    for game in slow:
        fake_exchange.inject(faults.Stall(), endpoint=WS, game_id=game)
    async with opened(fake_exchange) as orders:
        connection = connection_of(orders)
        report = await orders.cancel_all_orders_for_games(games, hedge=SECOND)
        assert not connection._pending
        assert connection_of(orders) is connection
    assert {outcome.status for outcome in report.outcomes} == {CONFIRMED}
    assert sorted(map(str, received(fake_exchange, REST))) == sorted(slow)
    assert [outcome.game_id for outcome in report.outcomes if not outcome.complete] == slow
    assert {outcome.attempts for outcome in report.outcomes if not outcome.complete} == {2}


async def test_a_hedge_that_is_due_while_requests_are_made_takes_every_game(
    fake_exchange: FakeExchange,
) -> None:
    games = games_of(fake_exchange)
    fake_exchange.inject(faults.Stall(), endpoint=WS, times=None)
    async with opened(fake_exchange) as orders:
        report = await orders.cancel_all_orders_for_games(games, hedge=1e-9)
    assert {outcome.status for outcome in report.outcomes} == {CONFIRMED}
    assert sorted(map(str, received(fake_exchange, REST))) == sorted(games)


async def test_nothing_is_left_of_a_burst_that_is_cancelled_at_any_turn(
    fake_exchange: FakeExchange,
) -> None:
    games = games_of(fake_exchange)
    turns, finished = 0, False
    async with opened(fake_exchange) as orders:
        connection = connection_of(orders)
        while not finished and turns < 40:
            before = asyncio.all_tasks()
            cancel = asyncio.create_task(orders.cancel_all_orders_for_games(games, hedge=1e-9))
            for _ in range(turns):
                await asyncio.sleep(0)
            finished = cancel.done()
            cancel.cancel()
            await asyncio.wait([cancel])
            assert not connection._pending
            # A request over REST that the socket has overtaken has a moment for its answer.
            await until(lambda: not own_tasks(before))  # noqa: B023  # it is called here
            turns += 1
        assert connection_of(orders) is connection
        assert (await orders.cancel_all_orders_for_games(games)).ok


async def test_a_burst_that_is_cancelled_lets_go_of_a_connection_whose_token_was_refused(
    fake_exchange: FakeExchange,
) -> None:
    refused, silent = games_of(fake_exchange, 2)
    fake_exchange.add_account("owner", "right")
    fake_exchange.inject(faults.Unauthorized(), game_id=refused)
    fake_exchange.inject(faults.Stall(), game_id=silent)
    async with opened(fake_exchange, password="right") as orders:
        connection = connection_of(orders)
        cancel = asyncio.create_task(orders.cancel_all_orders_for_games([refused, silent]))
        await until(lambda: orders._socket._retired is connection)
        cancel.cancel()
        await asyncio.wait([cancel])
        assert connection.lost.done()


async def test_a_game_whose_task_somebody_cancels_is_unknown_and_costs_no_other_outcome(
    fake_exchange: FakeExchange,
) -> None:
    games = games_of(fake_exchange, 3)
    fake_exchange.inject(faults.Unavailable(), game_id=games[1])
    slow = RetryPolicy(backoff_base=3600.0, backoff_cap=3600.0)
    async with opened(fake_exchange, retry=slow) as orders:
        before = asyncio.all_tasks()
        cancel = asyncio.create_task(orders.cancel_all_orders_for_games(games))
        await until(lambda: len(own_tasks(before)) == 2)
        (task,) = own_tasks(before) - {cancel}
        task.cancel()
        report = await cancel
    assert [outcome.status for outcome in report.outcomes] == [CONFIRMED, UNKNOWN, CONFIRMED]


async def test_an_answer_over_the_socket_after_the_hedge_ends_the_game_all_the_same(
    fake_exchange: FakeExchange,
) -> None:
    games = games_of(fake_exchange, 5)
    fake_exchange.inject(faults.Slow(2 * SECOND), endpoint=WS, times=None)
    fake_exchange.inject(faults.Stall(), endpoint=REST, times=None)
    async with opened(fake_exchange) as orders:
        report = await orders.cancel_all_orders_for_games(games, hedge=SECOND)
    assert {outcome.status for outcome in report.outcomes} == {CONFIRMED}
    assert fake_exchange.received(WS) == fake_exchange.received(REST) == len(games)


async def test_after_a_429_a_burst_waits_as_a_single_cancel_does(
    fake_exchange: FakeExchange,
) -> None:
    limited, *games = games_of(fake_exchange, 5)
    fake_exchange.inject(faults.TooManyRequests(), game_id=limited)
    policy = evolve(PATIENT, backoff_base=2 * SECOND, backoff_cap=2 * SECOND)
    async with opened(fake_exchange, retry=policy) as orders:
        loop = asyncio.get_running_loop()
        single = asyncio.create_task(orders.cancel_all_orders_for_game(limited))
        await until(lambda: Kind.CANCEL in orders._socket._holds)
        held_until = orders._socket._holds[Kind.CANCEL]
        report = await orders.cancel_all_orders_for_games(games)
        assert loop.time() >= held_until
        await single
    assert report.ok


async def test_a_429_in_the_middle_of_a_burst_holds_back_what_has_not_left(
    fake_exchange: FakeExchange,
) -> None:
    games = games_of(fake_exchange)
    fake_exchange.inject(faults.TooManyRequests(), game_id=games[0])
    policy = RetryPolicy(max_attempts=2, backoff_base=2 * SECOND, backoff_cap=2 * SECOND)
    async with opened(fake_exchange, retry=policy) as orders:
        loop = asyncio.get_running_loop()
        gathering = Gathering(connection_of(orders), after=FIRST_WRITE + 5)
        cancel = asyncio.create_task(orders.cancel_all_orders_for_games(games))
        await gathering.reached.wait()
        await until(lambda: Kind.CANCEL in orders._socket._holds)
        held_until = orders._socket._holds[Kind.CANCEL]
        gathering.goes_on.set()
        await until(lambda: fake_exchange.received(WS) > FIRST_WRITE + 5)
        assert loop.time() >= held_until
        report = await cancel
    assert {outcome.attempts for outcome in report.outcomes[1:]} == {1}


async def test_nothing_more_of_a_burst_leaves_over_a_connection_whose_token_was_refused(
    fake_exchange: FakeExchange,
) -> None:
    games = games_of(fake_exchange)
    fake_exchange.add_account("owner", "right")
    fake_exchange.inject(faults.Unauthorized(), game_id=games[0])
    async with opened(fake_exchange, password="right") as orders:
        connection = connection_of(orders)
        gathering = Gathering(connection, after=FIRST_WRITE + 5)
        cancel = asyncio.create_task(orders.cancel_all_orders_for_games(games))
        await gathering.reached.wait()
        await until(lambda: orders._socket._retired is connection)
        gathering.goes_on.set()
        assert (await cancel).ok
    sent = [each.headers["Authorization"] for each in fake_exchange.requests if each.endpoint == WS]
    assert sent.count(fake_exchange.token) == FIRST_WRITE + 5


async def test_the_records_of_a_burst_are_free_as_soon_as_nobody_has_them(
    fake_exchange: FakeExchange,
) -> None:
    games = games_of(fake_exchange)
    gc.collect()
    gc.disable()
    try:
        async with opened(fake_exchange) as orders:
            report = await orders.cancel_all_orders_for_games(games)
            kept = [weakref.ref(result) for result in report.results]
            del report
            assert [ref for ref in kept if ref() is not None] == []
    finally:
        gc.enable()
