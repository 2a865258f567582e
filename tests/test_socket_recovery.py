"""An orders socket that something befell: it serves on, or says what is not done."""

import asyncio
import time
from collections.abc import AsyncIterator, Iterator
from unittest.mock import Mock

import aiohttp
import pytest
from aiohttp import web
from support import PATIENT, QUICK, SECOND, until

from fourcasters_async import (
    AsyncSession,
    AuthenticationError,
    DeadManState,
    NewOrder,
    NotSentError,
    OrdersSocket,
    OutcomeStatus,
    OutcomeUnknownError,
    RateLimitedError,
    RetryPolicy,
)
from fourcasters_async.testing import FakeExchange, faults
from fourcasters_async.testing.process import sandbox

SLOW_TO_REPEAT = RetryPolicy(backoff_base=3600.0, backoff_cap=3600.0)


def session_at(
    exchange: FakeExchange,
    *,
    password: str | None = None,
    retry: RetryPolicy = PATIENT,
    timeout: float = 60.0,
    client: aiohttp.ClientSession | None = None,
) -> AsyncSession:
    return AsyncSession(
        exchange.token,
        username=None if password is None else "owner",
        password=password,
        base_url=exchange.url,
        orders_url=exchange.orders_url,
        retry=retry,
        timeout=timeout,
        client_session=client,
    )


@pytest.fixture
async def orders(fake_exchange: FakeExchange) -> AsyncIterator[OrdersSocket]:
    async with session_at(fake_exchange) as session, session.orders_socket() as orders:
        yield orders


async def test_a_token_that_dies_under_a_socket_is_renewed_and_the_cancel_repeated(
    fake_exchange: FakeExchange,
) -> None:
    fake_exchange.add_account("owner", "right")
    async with (
        session_at(fake_exchange, password="right") as session,
        session.orders_socket() as orders,
    ):
        fake_exchange.revoke(fake_exchange.token)
        fake_exchange.inject(faults.Unauthorized(), endpoint="cancelAll")
        assert await orders.cancel_all_orders() == []
    assert (fake_exchange.received("login"), fake_exchange.received("cancelAll")) == (1, 2)


async def test_a_token_that_dies_without_another_to_be_had_is_a_refusal(
    fake_exchange: FakeExchange, orders: OrdersSocket
) -> None:
    fake_exchange.inject(faults.Unauthorized(), endpoint="cancelAll")
    with pytest.raises(AuthenticationError):
        await orders.cancel_all_orders()
    assert fake_exchange.received("cancelAll") == 1


async def test_a_token_that_dies_under_a_burst_is_renewed_once_for_all_of_it(
    fake_exchange: FakeExchange,
) -> None:
    games = [fake_exchange.add_game(orders=1).game_id for _ in range(20)]
    fake_exchange.add_account("owner", "right")
    fake_exchange.inject(faults.Unauthorized(), endpoint="cancelAllByGame", times=len(games))
    async with (
        session_at(fake_exchange, password="right") as session,
        session.orders_socket() as orders,
    ):
        report = await orders.cancel_all_orders_for_games(games)
    assert {outcome.status for outcome in report.outcomes} == {OutcomeStatus.CONFIRMED}
    assert (fake_exchange.received("login"), fake_exchange.received("ws")) == (1, 2)


async def test_a_token_that_is_refused_again_and_again_costs_one_login(
    fake_exchange: FakeExchange,
) -> None:
    fake_exchange.add_account("owner", "right")
    fake_exchange.inject(faults.Unauthorized(), endpoint="cancelAll", times=None)
    async with (
        session_at(fake_exchange, password="right") as session,
        session.orders_socket() as orders,
    ):
        for _ in range(4):
            with pytest.raises(AuthenticationError):
                await orders.cancel_all_orders()
    assert fake_exchange.received("login") == 1


async def test_orders_whose_refusal_contradicts_itself_are_not_placed_again(
    fake_exchange: FakeExchange,
) -> None:
    fake_exchange.add_account("owner", "right")
    both = faults.Respond(b'{"error": "unauthorized", "data": [{"matched": []}]}')
    fake_exchange.inject(both, endpoint="placeV3", times=None)
    async with (
        session_at(fake_exchange, password="right") as session,
        session.orders_socket() as orders,
    ):
        with pytest.raises(OutcomeUnknownError):
            await orders.place([NewOrder("f" * 24, "total", "over", odds=110, bet=1.0)])
    assert fake_exchange.received("placeV3") == 1


async def test_a_caller_in_a_hurry_costs_nobody_the_connection(
    fake_exchange: FakeExchange, orders: OrdersSocket
) -> None:
    game = fake_exchange.add_game().game_id
    fake_exchange.inject(faults.Slow(SECOND), endpoint="cancelAllByGame", times=None)
    for _ in range(5):
        await orders.cancel_all_orders_for_games([game], deadline=0.2 * SECOND)
    assert await orders.cancel_all_orders() == []
    assert fake_exchange.received("ws") == 1


async def test_a_429_holds_back_what_comes_after_it(fake_exchange: FakeExchange) -> None:
    fake_exchange.inject(faults.TooManyRequests(), endpoint="cancelAll")
    async with (
        session_at(fake_exchange, retry=SLOW_TO_REPEAT, timeout=1e8) as session,
        session.orders_socket() as orders,
    ):
        limited = asyncio.create_task(orders.cancel_all_orders())
        await until(lambda: bool(orders._socket._holds))
        report = await orders.cancel_all_orders_for_games(["f" * 24], deadline=0.1 * SECOND)
        limited.cancel()
        await asyncio.wait([limited])
    assert isinstance(report.outcomes[0].error, NotSentError)
    assert not fake_exchange.received("cancelAllByGame")


async def test_a_429_to_an_order_that_is_placed_holds_back_no_cancel(
    fake_exchange: FakeExchange, orders: OrdersSocket
) -> None:
    fake_exchange.inject(faults.TooManyRequests(), endpoint="placeV3")
    with pytest.raises(RateLimitedError):
        await orders.place([NewOrder("f" * 24, "total", "over", odds=110, bet=1.0, number=7.5)])
    assert await orders.cancel_all_orders() == []


def tasks_of(orders: OrdersSocket) -> Iterator["asyncio.Task[None]"]:
    connection, keeping = orders._socket._connections._current, orders._socket._connections._keeping
    if connection is not None:
        yield from connection._tasks
    if keeping is not None:
        yield keeping


@pytest.mark.parametrize("which", [0, 1, 2, slice(None)], ids=str)
async def test_a_task_of_it_that_somebody_cancels_costs_no_later_cancel(
    fake_exchange: FakeExchange, orders: OrdersSocket, which: int | slice
) -> None:
    tasks = list(tasks_of(orders))
    for task in tasks[which] if isinstance(which, slice) else [tasks[which]]:
        task.cancel()
        await asyncio.wait([task])
    assert await orders.cancel_all_orders() == []


@pytest.mark.parametrize("turns", range(5))
async def test_a_cancel_just_after_every_task_was_cancelled_goes_out(
    orders: OrdersSocket, turns: int
) -> None:
    for task in tasks_of(orders):
        task.cancel()
    for _ in range(turns):
        await asyncio.sleep(0)
    assert await orders.cancel_all_orders() == []


@pytest.mark.real_time
async def test_an_answer_that_came_while_the_loop_was_blocked_is_taken_past_its_time() -> None:
    limit = RetryPolicy(max_attempts=1, attempt_timeout=10 * SECOND)
    async with (
        sandbox(games=1, orders=3, latency=20) as exchange,
        AsyncSession(
            exchange.token, base_url=exchange.url, orders_url=exchange.orders_url, retry=limit
        ) as session,
        session.orders_socket() as orders,
    ):
        cancel = asyncio.create_task(orders.cancel_all_orders())
        connection = orders._socket._connections.current
        assert connection is not None
        await until(lambda: any(a.left for a in connection._pending.values()))
        time.sleep(1.2)  # noqa: ASYNC251  # to block the loop is the point
        assert len(await cancel) == 3


async def test_a_message_is_sent_while_answers_past_their_time_are_still_read(
    fake_exchange: FakeExchange,
) -> None:
    async with session_at(fake_exchange) as session, session.orders_socket() as orders:
        connection = orders._socket._connections.current
        assert connection is not None
        # On uvloop a timer that is due at once is no timer, and has no time.
        connection._end_overdue()
        assert await orders.cancel_all_orders() == []


async def test_a_connection_that_answers_no_ping_is_made_anew(
    fake_exchange: FakeExchange, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("fourcasters_async._websocket.handshake._PING_AFTER", 0.1)
    fake_exchange.inject(faults.HalfOpen(), endpoint="cancelAll")
    async with session_at(fake_exchange) as session, session.orders_socket() as orders:
        # Its own time limit is a hundred times as long.
        assert await orders.cancel_all_orders() == []
    assert fake_exchange.received("ws") == 2


async def test_a_connection_on_which_nothing_is_heard_is_not_asked_again(
    fake_exchange: FakeExchange,
) -> None:
    fake_exchange.inject(faults.HalfOpen(), endpoint="cancelAll")
    async with session_at(fake_exchange, retry=QUICK) as session, session.orders_socket() as orders:
        assert await orders.cancel_all_orders() == []
    assert fake_exchange.received("ws") == 2


async def test_a_request_that_stalls_leaves_the_connection_to_those_that_do_not(
    fake_exchange: FakeExchange,
) -> None:
    fake_exchange.inject(faults.Stall(), endpoint="cancelAll")
    fake_exchange.inject(faults.Slow(SECOND), endpoint="heartbeat", times=None)
    async with session_at(fake_exchange, retry=QUICK) as session, session.orders_socket() as orders:
        stalled = asyncio.create_task(orders.cancel_all_orders())
        while not stalled.done():
            await orders.heartbeat(60)
        assert await stalled == []
    assert fake_exchange.received("ws") == 1


async def test_a_switch_on_a_connection_that_is_half_open_beats_on_another(
    fake_exchange: FakeExchange, orders: OrdersSocket
) -> None:
    async with orders.dead_man_switch(1) as switch:
        fake_exchange.inject(faults.HalfOpen(), endpoint="heartbeat")
        await until(lambda: fake_exchange.received("ws") == 2)
        beats = fake_exchange.received("heartbeat")
        await until(lambda: fake_exchange.received("heartbeat") > beats)
        await until(lambda: switch.state is DeadManState.ARMED)


async def test_a_cancel_outlasts_an_outage_that_ends_in_its_time(
    fake_exchange: FakeExchange,
) -> None:
    retry = RetryPolicy(max_attempts=1000, backoff_base=0.001, backoff_cap=0.001)
    async with session_at(fake_exchange, retry=retry) as session, session.orders_socket() as orders:
        async with fake_exchange.refusing():
            await until(lambda: not orders.connected)
            cancel = asyncio.create_task(orders.cancel_all_orders())
            for _ in range(200):
                await asyncio.sleep(0)
        assert await cancel == []


@pytest.mark.parametrize("turns", range(6))
async def test_two_closes_at_once_leave_no_connection(
    fake_exchange: FakeExchange, turns: int
) -> None:
    async with aiohttp.ClientSession() as client:
        session = session_at(fake_exchange, client=client)
        async with session.orders_socket():
            closing = asyncio.create_task(session.close())
            for _ in range(turns):
                await asyncio.sleep(0)
        await closing
        await until(lambda: fake_exchange.sockets == 0)


async def test_what_a_callers_client_was_made_with_is_the_sockets_too(
    fake_exchange: FakeExchange,
) -> None:
    async with (
        aiohttp.ClientSession(headers={"X-Desk": "7"}) as client,
        session_at(fake_exchange, client=client) as session,
        session.orders_socket(),
    ):
        (handshake,) = fake_exchange.requests
    assert handshake.headers["X-Desk"] == "7"


async def test_a_refusal_whose_words_do_not_end_is_a_refusal(fake_exchange: FakeExchange) -> None:
    fake_exchange.inject(Murmur(), endpoint="ws", times=None)
    session = session_at(fake_exchange, retry=RetryPolicy(max_attempts=1), timeout=60.0)
    async with session:
        with pytest.raises(AuthenticationError, match="the account is"):
            async with session.orders_socket():
                pass


class Murmur(faults.Fault):
    """A 401 that says why, and goes on saying nothing."""

    async def __call__(self, call: faults.Call) -> web.StreamResponse:
        call.write(b"HTTP/1.1 401 Unauthorized\r\nContent-Length: 9999\r\n\r\n")
        call.write(b'{"error": "the account is locked"}')
        return await call.until_gone()


async def test_the_callers_proxy_is_the_sockets_too(fake_exchange: FakeExchange) -> None:
    proxy = "http://127.0.0.1:9"
    async with (
        aiohttp.ClientSession(proxy=proxy) as client,
        session_at(fake_exchange, client=client, retry=RetryPolicy(max_attempts=1)) as session,
    ):
        with pytest.raises(NotSentError, match=r"127\.0\.0\.1:9"):
            async with session.orders_socket():
                pass
    assert not fake_exchange.requests


async def test_a_burst_is_written_in_a_few_pieces_and_not_frame_by_frame(
    fake_exchange: FakeExchange, orders: OrdersSocket, monkeypatch: pytest.MonkeyPatch
) -> None:
    games = [fake_exchange.add_game().game_id for _ in range(100)]
    connection = orders._socket._connections._current
    assert connection is not None
    written: list[bytes] = []
    transport = Mock(wraps=connection._socket.buffer._transport, write=written.append)
    monkeypatch.setattr(connection._socket.buffer, "_transport", transport)
    cancel = asyncio.create_task(orders.cancel_all_orders_for_games(games, deadline=60.0))
    await until(lambda: sum(map(len, written)) > 100 * len(games[0]))
    cancel.cancel()
    await asyncio.wait([cancel])
    assert len(written) < 10
