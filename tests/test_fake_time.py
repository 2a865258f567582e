"""The clock of the sandbox: what takes effect when, and that it follows the event loop."""

import asyncio
from collections.abc import Callable

import aiohttp
import pytest
from fake_client import ask, place
from support import JumpingLoop

from fourcasters_async.testing import FakeExchange, faults
from fourcasters_async.testing.clock import Clock

# Seconds, and far more than a test takes.
HOUR = 3600.0


@pytest.mark.virtual_time
async def test_orders_expire_when_the_clock_of_the_loop_says_so(
    fake_exchange: FakeExchange,
) -> None:
    await place(fake_exchange, fake_exchange.add_game().game_id, expirationMinutes=59)
    await asyncio.sleep(HOUR)
    assert fake_exchange.open_orders() == []


@pytest.mark.virtual_time
async def test_latency_passes_by_the_clock_of_the_loop() -> None:
    started = asyncio.get_running_loop().time()
    async with FakeExchange(latency=HOUR) as exchange:
        assert (await ask(exchange, "GET /user/getMe")).status == 200
    assert asyncio.get_running_loop().time() - started >= HOUR


def test_the_clock_goes_on_from_where_it_was_when_the_exchange_begins_to_serve() -> None:
    exchange = FakeExchange()
    exchange.move_clock(HOUR)

    async def serve() -> None:
        async with exchange:
            assert HOUR <= exchange.now() < 2 * HOUR
            await asyncio.sleep(HOUR)
            assert 2 * HOUR <= exchange.now() < 3 * HOUR

    with asyncio.Runner(loop_factory=JumpingLoop) as runner:
        runner.run(serve())


def test_an_exchange_outside_a_loop_has_a_clock_that_can_be_moved() -> None:
    exchange = FakeExchange()
    exchange.move_clock(HOUR)
    assert HOUR <= exchange.now() < 2 * HOUR


async def test_the_rate_limit_follows_the_clock() -> None:
    async with FakeExchange(rate_limit=(1, HOUR)) as exchange:
        statuses = [(await ask(exchange, "GET /user/getMe")).status for _ in range(2)]
        exchange.move_clock(HOUR)
        statuses.append((await ask(exchange, "GET /user/getMe")).status)
        assert statuses == [200, 429, 200]
        assert exchange.refused_by_limit == 1


class ExactLoop(asyncio.SelectorEventLoop):
    """An event loop whose clock stands exactly at the time of the timer that it calls."""

    at = 0.0

    def time(self) -> float:
        return self.at

    def call_at(  # type: ignore[override]  # no other kind of call is made
        self, when: float, callback: Callable[[], object]
    ) -> asyncio.TimerHandle:
        self.at = when
        callback()
        return asyncio.TimerHandle(when, callback, (), self)


async def test_what_is_due_is_done_in_spite_of_rounding_errors() -> None:
    loop = ExactLoop()
    clock = Clock()
    clock.follow(loop)
    done = []
    for _ in range(1000):
        clock.move(0.1)
        done.append(clock.after(0.7, lambda: None).done())
    loop.close()
    assert all(done)


@pytest.fixture
def game(fake_exchange: FakeExchange) -> str:
    return fake_exchange.add_game().game_id


async def test_a_slow_request_is_committed_when_it_is_answered(
    fake_exchange: FakeExchange, game: str
) -> None:
    fake_exchange.inject(faults.Slow(60.0))
    placing = asyncio.create_task(place(fake_exchange, game))
    await fake_exchange.wait_for("place")
    assert fake_exchange.open_orders() == []
    fake_exchange.move_clock(60.0)
    assert len(fake_exchange.open_orders()) == 1
    assert "unmatched" in await placing


async def test_a_slow_answer_can_come_to_a_request_that_was_committed_at_once(
    fake_exchange: FakeExchange, game: str
) -> None:
    fake_exchange.inject(faults.Slow(60.0, committed_first=True))
    placing = asyncio.create_task(place(fake_exchange, game))
    await fake_exchange.wait_for("place")
    (order,) = fake_exchange.open_orders()
    fake_exchange.move_clock(60.0)
    assert (await placing)["unmatched"]["orderID"] == order.order_id


async def test_a_late_request_is_committed_at_its_time(
    fake_exchange: FakeExchange, game: str
) -> None:
    fake_exchange.inject(faults.Late(60.0))
    sent_at = fake_exchange.now()
    placing = asyncio.create_task(place(fake_exchange, game))
    await fake_exchange.wait_for("place")
    received_by = fake_exchange.now()
    fake_exchange.move_clock(HOUR)
    (order,) = fake_exchange.open_orders()
    assert sent_at + 60.0 <= order.placed_at <= received_by + 60.0
    assert (await placing)["unmatched"]["orderID"] == order.order_id


async def test_a_late_request_is_committed_though_its_client_has_gone(
    fake_exchange: FakeExchange, game: str
) -> None:
    fake_exchange.inject(faults.Late(60.0))
    placing = asyncio.create_task(place(fake_exchange, game))
    await fake_exchange.wait_for("place")
    placing.cancel()
    await asyncio.wait([placing])
    async with fake_exchange.refusing():
        assert fake_exchange.open_orders() == []
        fake_exchange.move_clock(60.0)
        assert len(fake_exchange.open_orders()) == 1


async def test_a_late_message_is_committed_though_its_connection_was_lost(
    fake_exchange: FakeExchange, game: str
) -> None:
    fake_exchange.add_game(orders=1)
    fake_exchange.inject(faults.Late(60.0), endpoint="cancelAll")
    headers = {"Authorization": fake_exchange.token}
    async with (
        aiohttp.ClientSession(headers=headers) as client,
        client.ws_connect(fake_exchange.orders_url) as socket,
    ):
        await socket.send_json(["cancelAll", {}])
        await fake_exchange.wait_for("cancelAll")
        await fake_exchange.drop_sockets()
    assert len(fake_exchange.open_orders()) == 1
    fake_exchange.move_clock(60.0)
    assert fake_exchange.open_orders() == []


async def test_a_late_request_can_stay_without_an_answer(
    fake_exchange: FakeExchange, game: str
) -> None:
    fake_exchange.inject(faults.Late(60.0, answered=False), endpoint="place")
    fake_exchange.inject(faults.Slow(120.0), endpoint="getMe")
    asked = [
        asyncio.create_task(place(fake_exchange, game)),
        asyncio.create_task(ask(fake_exchange, "GET /user/getMe")),
    ]
    await fake_exchange.wait_for("place")
    await fake_exchange.wait_for("getMe")
    fake_exchange.move_clock(180.0)
    await asked[1]
    assert len(fake_exchange.open_orders()) == 1
    assert not asked[0].done()
    asked[0].cancel()
    await asyncio.wait(asked)


async def test_what_is_due_happens_in_the_order_of_its_times(
    fake_exchange: FakeExchange, game: str
) -> None:
    fake_exchange.inject(faults.Late(120.0, answered=False), endpoint="cancelAllOrders")
    fake_exchange.inject(faults.Late(60.0, answered=False), endpoint="place")
    cancelling = asyncio.create_task(ask(fake_exchange, "POST /session/cancelAllOrders"))
    placing = asyncio.create_task(place(fake_exchange, game))
    await fake_exchange.wait_for("cancelAllOrders")
    await fake_exchange.wait_for("place")
    fake_exchange.move_clock(HOUR)
    (order,) = fake_exchange.book.orders.values()
    assert order.cancelled
    assert order.placed_at < order.cancelled_at
    for task in (cancelling, placing):
        task.cancel()
    await asyncio.wait([cancelling, placing])


async def test_an_order_expires_before_a_late_request_that_comes_after_it(
    fake_exchange: FakeExchange, game: str
) -> None:
    placed = await place(fake_exchange, game, expirationMinutes=1)
    fake_exchange.inject(faults.Late(120.0), endpoint="cancel")
    order_id = placed["unmatched"]["orderID"]
    cancelling = asyncio.create_task(ask(fake_exchange, "POST /session/cancel", sessionID=order_id))
    await fake_exchange.wait_for("cancel")
    fake_exchange.move_clock(HOUR)
    assert (await cancelling).status == 404


@pytest.mark.parametrize(
    "fault", [faults.Late(HOUR), faults.Late(HOUR, answered=False), faults.Slow(HOUR)], ids=repr
)
async def test_what_is_not_due_when_the_exchange_is_left_never_happens(
    fault: faults.Fault,
) -> None:
    async with FakeExchange() as exchange:
        game = exchange.add_game().game_id
        exchange.inject(fault)
        placing = asyncio.create_task(place(exchange, game))
        await exchange.wait_for("place")
    with pytest.raises(aiohttp.ClientError):
        await placing
    exchange.move_clock(2 * HOUR)
    assert exchange.open_orders() == []


async def test_an_answer_that_is_not_due_does_not_keep_the_exchange_from_ending() -> None:
    loop = asyncio.get_running_loop()
    async with FakeExchange(latency=HOUR) as exchange:
        asking = asyncio.create_task(ask(exchange, "GET /user/getMe"))
        await exchange.wait_for("getMe")
        left_at = loop.time()
    assert loop.time() - left_at < 5.0
    with pytest.raises(aiohttp.ClientError):
        await asking
