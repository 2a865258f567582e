"""What keeps a WebSocket up, on connections of its own and on the caller's: nothing of it leaks."""

import asyncio
from collections.abc import AsyncIterator
from typing import NoReturn

import aiohttp
import pytest
from support import QUICK, own_tasks, until

from fourcasters_async import AsyncSession, NotSentError, RetryPolicy, SessionClosedError
from fourcasters_async._websocket.buffered import BufferedWebSocket
from fourcasters_async.testing import FakeExchange, faults


@pytest.fixture(params=[False, True], ids=["own connections", "the caller's connections"])
async def client(request: pytest.FixtureRequest) -> AsyncIterator[aiohttp.ClientSession | None]:
    if not request.param:
        yield None
        return
    async with aiohttp.ClientSession() as client:
        yield client


def session_at(
    exchange: FakeExchange, client: aiohttp.ClientSession | None, retry: RetryPolicy = QUICK
) -> AsyncSession:
    return AsyncSession(
        exchange.token,
        base_url=exchange.url,
        orders_url=exchange.orders_url,
        client_session=client,
        retry=retry,
    )


async def enter(session: AsyncSession) -> None:
    async with session.orders_socket() as orders:
        await orders.cancel_all_orders()


async def assert_nothing_left(
    exchange: FakeExchange,
    client: aiohttp.ClientSession | None,
    before: set["asyncio.Task[object]"],
) -> None:
    # What is cancelled while it closes ends a few turns later.
    await until(lambda: not own_tasks(before))
    if client is not None and (connector := client.connector) is not None:
        await until(lambda: not connector._acquired)
    await until(lambda: exchange.sockets == 0)


@pytest.mark.parametrize("fault", [None, faults.Slow(0.005)], ids=repr)
async def test_nothing_is_left_of_an_opening_that_is_cancelled_at_any_turn(
    fake_exchange: FakeExchange, client: aiohttp.ClientSession | None, fault: faults.Fault | None
) -> None:
    turns, finished = 0, False
    async with session_at(fake_exchange, client) as session:
        while not finished and turns < 150:
            fake_exchange.clear_faults()
            if fault is not None:
                fake_exchange.inject(fault, endpoint="ws")
            before = asyncio.all_tasks()
            opening = asyncio.create_task(enter(session))
            for _ in range(turns):
                await asyncio.sleep(0)
            finished = opening.done()
            opening.cancel()
            await asyncio.wait([opening])
            await assert_nothing_left(fake_exchange, client, before)
            turns += 1 if turns < 60 else 10
    assert turns > 10


@pytest.mark.parametrize("fault", [None, faults.Slow(0.005)], ids=repr)
async def test_nothing_is_left_of_an_opening_whose_session_is_closed_at_any_turn(
    fake_exchange: FakeExchange, client: aiohttp.ClientSession | None, fault: faults.Fault | None
) -> None:
    turns, finished = 0, False
    while not finished and turns < 150:
        fake_exchange.clear_faults()
        if fault is not None:
            fake_exchange.inject(fault, endpoint="ws")
        before = asyncio.all_tasks()
        session = session_at(fake_exchange, client)
        opening = asyncio.create_task(enter(session))
        for _ in range(turns):
            await asyncio.sleep(0)
        finished = opening.done()
        await session.close()
        await asyncio.gather(opening, return_exceptions=True)
        await assert_nothing_left(fake_exchange, client, before)
        turns += 1 if turns < 60 else 10
    assert turns > 10


async def test_a_handshake_that_is_answered_after_the_closing_leaves_no_connection(
    fake_exchange: FakeExchange, client: aiohttp.ClientSession | None
) -> None:
    fake_exchange.inject(faults.Slow(0.05), endpoint="ws")
    before = asyncio.all_tasks()
    session = session_at(fake_exchange, client)
    opening = asyncio.create_task(enter(session))
    await fake_exchange.wait_for("ws")
    await session.close()
    with pytest.raises(SessionClosedError):
        await opening
    await assert_nothing_left(fake_exchange, client, before)


async def test_a_socket_serves_on_after_somebody_cancelled_every_task(
    fake_exchange: FakeExchange, client: aiohttp.ClientSession | None
) -> None:
    before = asyncio.all_tasks()
    async with session_at(fake_exchange, client) as session, session.orders_socket() as orders:
        for state in ("connected", "being made anew"):
            if state == "being made anew":
                fake_exchange.inject(faults.Stall(), endpoint="ws")
                dialled = fake_exchange.received("ws")
                await fake_exchange.drop_sockets()
                await fake_exchange.wait_for("ws", dialled + 1)
            mine = own_tasks(before)
            assert mine
            for task in mine:
                task.cancel()
            assert await orders.cancel_all_orders() == []
    await until(lambda: fake_exchange.sockets == 0)


async def test_what_is_entered_while_the_session_closes_is_refused(
    fake_exchange: FakeExchange,
) -> None:
    session = session_at(fake_exchange, None)
    async with session.orders_socket():
        # It answers no close frame.
        fake_exchange.inject(faults.HalfOpen(), endpoint="heartbeat")
        async with session.orders_socket() as stuck:
            beat = asyncio.create_task(stuck.heartbeat(3600))
            await fake_exchange.wait_for("heartbeat")
            closing = asyncio.create_task(session.close())
            await until(beat.done)
            assert not closing.done()
            received = fake_exchange.received()
            for late in (session.cancel_all_orders, lambda: enter(session)):
                with pytest.raises(SessionClosedError):
                    await late()
            assert fake_exchange.received() == received
            await closing
            await asyncio.gather(beat, return_exceptions=True)


@pytest.mark.virtual_time
async def test_what_fails_unexpectedly_while_it_connects_is_tried_again_after_a_pause(
    fake_exchange: FakeExchange, caplog: pytest.LogCaptureFixture
) -> None:
    tried = 0

    def fail(socket: BufferedWebSocket) -> NoReturn:
        nonlocal tried
        tried += 1
        socket.abort()
        raise RuntimeError("this must not happen")

    session = session_at(fake_exchange, None, RetryPolicy(backoff_base=0.1))
    async with session, session.orders_socket() as orders:
        orders._socket._connections._carry = fail
        await fake_exchange.drop_sockets()
        await until(lambda: not orders.connected)
        with pytest.raises(NotSentError):
            await orders.cancel_all_orders(deadline=1)
    assert 1 < tried < 30
    assert "RuntimeError" in caplog.text


async def test_a_closing_that_is_cancelled_leaves_nothing_running(
    fake_exchange: FakeExchange,
    client: aiohttp.ClientSession | None,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    hanging = asyncio.Event()

    async def close(_: object) -> None:
        hanging.set()
        await asyncio.Event().wait()

    monkeypatch.setattr(BufferedWebSocket, "close", close)
    async with session_at(fake_exchange, client) as session:
        before = asyncio.all_tasks()
        closing = asyncio.create_task(enter(session))
        await hanging.wait()
        closing.cancel()
        await asyncio.wait([closing])
        assert not own_tasks(before)


OUTAGES = {
    "503": faults.Unavailable(),
    "hanging up": faults.Close(),
    "reset": faults.Reset(),
    "a page": faults.Html(502),
}


@pytest.mark.virtual_time
@pytest.mark.parametrize("outage", OUTAGES.values(), ids=OUTAGES)
async def test_a_socket_that_nobody_uses_is_tried_less_and_less_often(
    fake_exchange: FakeExchange, outage: faults.Fault
) -> None:
    async with session_at(fake_exchange, None, RetryPolicy()) as session, session.orders_socket():
        fake_exchange.inject(outage, endpoint="ws", times=None)
        await fake_exchange.drop_sockets()
        await asyncio.sleep(15)
        assert fake_exchange.received("ws") <= 8


@pytest.mark.virtual_time
async def test_a_connection_that_never_lasts_is_made_less_and_less_often_while_nobody_uses_it(
    fake_exchange: FakeExchange,
) -> None:
    async with session_at(fake_exchange, None, RetryPolicy()) as session, session.orders_socket():
        for _ in range(150):
            await fake_exchange.drop_sockets()
            await asyncio.sleep(0.1)
        assert fake_exchange.received("ws") <= 8


@pytest.mark.virtual_time
@pytest.mark.parametrize(
    "refusal", [faults.Unavailable(retry_after="30"), faults.TooManyRequests("30")], ids=repr
)
async def test_the_pause_that_a_refused_handshake_names_is_kept_while_nobody_uses_the_socket(
    fake_exchange: FakeExchange, refusal: faults.Fault
) -> None:
    async with session_at(fake_exchange, None, RetryPolicy()) as session, session.orders_socket():
        fake_exchange.inject(refusal, endpoint="ws", times=None)
        await fake_exchange.drop_sockets()
        await asyncio.sleep(29)
        assert fake_exchange.received("ws") == 2


@pytest.mark.virtual_time
async def test_a_request_that_wants_a_connection_ends_the_pause_of_an_idle_socket(
    fake_exchange: FakeExchange,
) -> None:
    clock = asyncio.get_running_loop().time
    async with (
        session_at(fake_exchange, None, RetryPolicy()) as session,
        session.orders_socket() as orders,
    ):
        fake_exchange.inject(faults.Unavailable(retry_after="60"), endpoint="ws", times=2)
        await fake_exchange.drop_sockets()
        await asyncio.sleep(20)
        asked = clock()
        assert await orders.cancel_all_orders() == []
        assert clock() - asked < 3


@pytest.mark.virtual_time
async def test_an_idle_socket_is_connected_again_after_an_outage_without_any_request(
    fake_exchange: FakeExchange,
) -> None:
    async with (
        session_at(fake_exchange, None, RetryPolicy()) as session,
        session.orders_socket() as orders,
    ):
        async with fake_exchange.refusing():
            await asyncio.sleep(15)
        await asyncio.sleep(40)
        assert orders.connected


@pytest.mark.virtual_time
async def test_a_lasting_connection_that_is_lost_is_replaced_at_once(
    fake_exchange: FakeExchange,
) -> None:
    async with (
        session_at(fake_exchange, None, RetryPolicy()) as session,
        session.orders_socket() as orders,
    ):
        clock = asyncio.get_running_loop().time
        await asyncio.sleep(10)
        lost = clock()
        await fake_exchange.drop_sockets()
        await until(lambda: fake_exchange.received("ws") == 2 and orders.connected)
        assert clock() == lost
