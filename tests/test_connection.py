"""What is said of each game when the Orders WebSocket is lost, stuck or confused."""

import asyncio
import json
import random
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import pytest
from aiohttp import web
from attrs import evolve, field, frozen
from support import PATIENT, QUICK, SECOND, until

from fourcasters_async import (
    AsyncSession,
    CancelReport,
    GameOutcome,
    NewOrder,
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
GAMES = 60
ONCE = evolve(PATIENT, max_attempts=1)


@asynccontextmanager
async def opened(
    exchange: FakeExchange, *, retry: RetryPolicy = PATIENT, timeout: float = 20.0
) -> AsyncIterator[OrdersSocket]:
    async with (
        AsyncSession(
            exchange.token,
            base_url=exchange.url,
            orders_url=exchange.orders_url,
            retry=retry,
            timeout=timeout,
        ) as session,
        session.orders_socket() as orders,
    ):
        yield orders


def connection_of(orders: OrdersSocket) -> Connection:
    connection = orders._socket._connections._current
    assert connection is not None
    return connection


def transport_of(orders: OrdersSocket) -> asyncio.Transport:
    return connection_of(orders)._socket.buffer._transport


def assert_true_of_the_book(exchange: FakeExchange, report: CancelReport) -> None:
    """Hold every outcome against what the exchange received and did."""
    for outcome in report.outcomes:
        came = [r for r in exchange.requests if r.game_id == outcome.game_id]
        rests = exchange.open_orders(outcome.game_id)
        if outcome.status is CONFIRMED:
            assert not rests
            assert len(came) >= 1
            assert outcome.complete == (outcome.attempts == 1)
        if outcome.status is NOT_SENT:
            assert not came
        assert all(exchange.book.orders[r.order_id or ""].cancelled for r in outcome.results)
        if outcome.complete and outcome.status is CONFIRMED:
            orders = exchange.book.orders.values()
            on_game = {order.order_id for order in orders if order.game_id == outcome.game_id}
            assert {result.order_id for result in outcome.results} == on_game


@frozen
class Lost(faults.Fault):
    """The connection is lost for all, in place of an answer."""

    exchange: FakeExchange = field(eq=False)
    code: int | None
    committed: bool = False

    async def __call__(self, call: faults.Call) -> web.StreamResponse:
        if self.committed:
            call.commit()
        await self.exchange.drop_sockets(self.code)
        return web.Response()


LOSSES: dict[str, Callable[[FakeExchange, bool], faults.Fault]] = {
    "aborted": lambda exchange, committed: Lost(exchange, None, committed),
    "closed with 1001": lambda exchange, committed: Lost(exchange, 1001, committed),
    "closed with 1011": lambda exchange, committed: Lost(exchange, 1011, committed),
    "closed without a frame": lambda _, committed: faults.Close(committed),
    "reset": lambda _, committed: faults.Reset(committed),
}
KS = [*range(0, GAMES, 4), GAMES - 1]


@pytest.mark.parametrize("committed", [False, True])
@pytest.mark.parametrize("loss", LOSSES.values(), ids=LOSSES)
async def test_a_burst_outlasts_a_connection_that_is_lost_before_any_answer_of_it(
    loss: Callable[[FakeExchange, bool], faults.Fault], committed: bool
) -> None:
    for k in KS:
        async with FakeExchange() as exchange:
            games = [exchange.add_game(orders=2).game_id for _ in range(GAMES)]
            exchange.inject(loss(exchange, committed), endpoint="cancelAllByGame", after=k)
            told: list[GameOutcome] = []
            async with opened(exchange) as orders:
                first = connection_of(orders)
                report = await orders.cancel_all_orders_for_games(games, on_outcome=told.append)
                assert connection_of(orders) is not first
                assert not first._pending
                assert not connection_of(orders)._pending
            assert [outcome.game_id for outcome in report.outcomes] == games
            assert sorted(outcome.game_id for outcome in told) == sorted(games)
            assert {outcome.status for outcome in report.outcomes} == {CONFIRMED}
            assert any(not outcome.complete for outcome in report.outcomes)
            assert_true_of_the_book(exchange, report)
            assert not exchange.open_orders()
            assert exchange.sockets == 0


@pytest.mark.parametrize("committed", [False, True])
@pytest.mark.parametrize("loss", LOSSES.values(), ids=LOSSES)
async def test_without_repetition_what_left_and_was_not_answered_is_unknown_and_all_else_is_true(
    loss: Callable[[FakeExchange, bool], faults.Fault], committed: bool
) -> None:
    for k in KS:
        async with FakeExchange() as exchange:
            games = [exchange.add_game(orders=2).game_id for _ in range(GAMES)]
            exchange.inject(loss(exchange, committed), endpoint="cancelAllByGame", after=k)
            async with opened(exchange, retry=ONCE) as orders:
                connection = connection_of(orders)
                report = await orders.cancel_all_orders_for_games(games)
                assert not connection._pending
            struck = next(r for r in exchange.requests if r.fault is not None)
            by_game = {outcome.game_id: outcome for outcome in report.outcomes}
            assert by_game[str(struck.game_id)].status is UNKNOWN
            assert {o.status for o in report.outcomes} <= {CONFIRMED, UNKNOWN, NOT_SENT}
            assert_true_of_the_book(exchange, report)


@pytest.mark.parametrize("k", [0, 1, 30, 59])
@pytest.mark.parametrize("committed", [False, True])
async def test_a_burst_outlasts_a_connection_that_falls_silent(
    fake_exchange: FakeExchange, k: int, committed: bool
) -> None:
    games = [fake_exchange.add_game(orders=2).game_id for _ in range(GAMES)]
    fake_exchange.inject(faults.HalfOpen(committed), endpoint="cancelAllByGame", after=k)
    async with opened(fake_exchange, retry=evolve(QUICK, attempt_timeout=5 * SECOND)) as orders:
        first = connection_of(orders)
        report = await orders.cancel_all_orders_for_games(games)
        assert connection_of(orders) is not first
        assert not first._pending
    assert report.ok
    assert_true_of_the_book(fake_exchange, report)
    assert not fake_exchange.open_orders()


async def test_a_burst_that_no_connection_survives_ends_and_no_outcome_is_wrong(
    fake_exchange: FakeExchange,
) -> None:
    games = [fake_exchange.add_game(orders=2).game_id for _ in range(GAMES)]
    lost = Lost(fake_exchange, None)
    fake_exchange.inject(lost, endpoint="cancelAllByGame", after=10, times=None)
    async with opened(fake_exchange) as orders:
        report = await orders.cancel_all_orders_for_games(games)
    assert len(report.confirmed) == 10
    assert {o.status for o in report.outcomes} <= {CONFIRMED, UNKNOWN, NOT_SENT}
    assert_true_of_the_book(fake_exchange, report)


@frozen
class Deaf:
    """A server that shakes hands, reads so many messages, and then reads no more."""

    reads: int
    received: list[str] = field(factory=list)
    handshakes: list[str] = field(factory=list)
    wakes: asyncio.Event = field(factory=asyncio.Event)

    async def serve(self, request: web.Request) -> web.WebSocketResponse:
        self.handshakes.append(request.headers["Authorization"])
        stream = web.WebSocketResponse(autoping=False)
        await stream.prepare(request)
        while len(self.received) < self.reads:
            await self._take(stream)
        assert request.transport is not None
        request.transport.pause_reading()
        await self.wakes.wait()
        if not request.transport.is_closing():
            request.transport.resume_reading()
        while not stream.closed:
            await self._take(stream)
        return stream

    async def _take(self, stream: web.WebSocketResponse) -> None:
        message = await stream.receive()
        if message.type is web.WSMsgType.TEXT:
            self.received.append(json.loads(message.data)[1]["gameId"])


@asynccontextmanager
async def listening(deaf: Deaf) -> AsyncIterator[str]:
    app = web.Application()
    app.router.add_get("/orders/ws", deaf.serve)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    listener = socket.create_server(("127.0.0.1", 0))
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2**14)
    await web.SockSite(runner, listener).start()
    try:
        yield f"ws://127.0.0.1:{runner.addresses[0][1]}/orders/ws"
    finally:
        deaf.wakes.set()
        await runner.cleanup()


# Long enough that what a kernel and a server take in before they stop is far from all.
LONG = "9" * 100
MANY = 8_000


@pytest.fixture
async def stuck() -> AsyncIterator[tuple[Deaf, OrdersSocket]]:
    deaf = Deaf(reads=10)
    async with (
        listening(deaf) as url,
        AsyncSession("token", orders_url=url, retry=ONCE, timeout=20.0) as session,
        session.orders_socket() as orders,
    ):
        sending = transport_of(orders).get_extra_info("socket")
        sending.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 2**14)
        yield deaf, orders


@pytest.mark.virtual_time
async def test_what_is_stuck_behind_a_server_that_does_not_read_is_provably_not_sent(
    stuck: tuple[Deaf, OrdersSocket],
) -> None:
    deaf, orders = stuck
    games = [f"{index}-{LONG}" for index in range(MANY)]
    orders._max_in_flight = MANY
    connection = connection_of(orders)
    report = await orders.cancel_all_orders_for_games(games, deadline=2.0)
    assert {o.status for o in report.outcomes} == {UNKNOWN, NOT_SENT}
    assert not connection._pending
    assert {type(o.error) for o in report.not_sent} == {NotSentError}
    deaf.wakes.set()
    last = report.unknown[-1].game_id
    await until(lambda: last in deaf.received or connection.lost.done())
    not_sent = {outcome.game_id for outcome in report.not_sent}
    assert not not_sent & set(deaf.received)


async def test_what_is_stuck_is_not_heaped_up_in_buffers(
    stuck: tuple[Deaf, OrdersSocket],
) -> None:
    _, orders = stuck
    orders._max_in_flight = MANY
    connection, transport = connection_of(orders), transport_of(orders)
    games = [f"{index}-{LONG}" for index in range(MANY)]
    burst = asyncio.create_task(orders.cancel_all_orders_for_games(games))
    await until(lambda: len(connection._pending) == MANY and transport.get_write_buffer_size() > 0)
    assert transport.get_write_buffer_size() < 2**19
    await orders._socket.close()
    assert (await burst).not_sent


async def test_a_server_that_does_not_read_does_not_keep_the_socket_from_closing(
    stuck: tuple[Deaf, OrdersSocket],
) -> None:
    _, orders = stuck
    orders._max_in_flight = MANY
    games = [f"{index}-{LONG}" for index in range(MANY)]
    burst = asyncio.create_task(orders.cancel_all_orders_for_games(games))
    transport = transport_of(orders)
    await until(lambda: transport.get_write_buffer_size() > 0)
    await orders._socket.close()
    report = await burst
    assert {o.status for o in report.outcomes} == {UNKNOWN, NOT_SENT}
    # Nothing that is still to be written keeps it open.
    assert transport.get_write_buffer_size() == 0


async def test_a_thousand_games_take_one_connection_and_one_message_each(
    fake_exchange: FakeExchange,
) -> None:
    games = [fake_exchange.add_game(orders=2).game_id for _ in range(1000)]
    async with opened(fake_exchange) as orders:
        report = await orders.cancel_all_orders_for_games(games)
    assert report.ok
    assert len(report.results) == 2000
    assert [r.endpoint for r in fake_exchange.requests] == ["ws", *["cancelAllByGame"] * 1000]
    assert_true_of_the_book(fake_exchange, report)


async def test_ten_thousand_verbs_at_once_each_get_their_own_answer(
    fake_exchange: FakeExchange,
) -> None:
    games = [fake_exchange.add_game(orders=1).game_id for _ in range(10_000)]
    async with opened(fake_exchange) as orders:
        answers = await asyncio.gather(*map(orders.cancel_all_orders_for_game, games))
        assert not connection_of(orders)._pending
    assert [[result.game_id for result in results] for results in answers] == [[g] for g in games]
    assert all(results[0].success for results in answers)


@frozen
class Shuffled(faults.Fault):
    """The right answer at any time; at times twice, or under an id that nobody asked with too."""

    chance: random.Random

    async def __call__(self, call: faults.Call) -> web.StreamResponse:
        assert isinstance(call, faults.SocketCall)
        answer = call.commit()
        await asyncio.sleep(self.chance.random() / 50)
        if self.chance.random() < 0.3:
            call.write(call.framed(answer.content()))
        if self.chance.random() < 0.3:
            call.write(call.framed(b'{"requestID": "nobody", "data": []}'))
        return faults.respond(answer)


async def test_answers_in_any_order_and_number_never_meet_another_request(
    fake_exchange: FakeExchange,
) -> None:
    games = [fake_exchange.add_game(orders=3).game_id for _ in range(300)]
    chance = random.Random(4)  # noqa: S311  # what is drawn is no secret
    fake_exchange.inject(Shuffled(chance), endpoint="cancelAllByGame", times=None)
    async with opened(fake_exchange, retry=ONCE) as orders:
        report = await orders.cancel_all_orders_for_games(games)
    assert report.ok
    assert {(len(o.results), o.attempts) for o in report.outcomes} == {(3, 1)}
    assert_true_of_the_book(fake_exchange, report)


async def test_the_first_answer_can_come_last(fake_exchange: FakeExchange) -> None:
    games = [fake_exchange.add_game(orders=1).game_id for _ in range(50)]
    fake_exchange.inject(faults.Held(until=49), game_id=games[0])
    told: list[GameOutcome] = []
    async with opened(fake_exchange) as orders:
        report = await orders.cancel_all_orders_for_games(games, on_outcome=told.append)
    assert told[-1].game_id == games[0]
    assert_true_of_the_book(fake_exchange, report)


async def test_an_answer_that_is_late_is_nobody_s_and_not_that_of_the_repetition(
    fake_exchange: FakeExchange,
) -> None:
    game = fake_exchange.add_game(orders=1).game_id
    other = fake_exchange.add_game(orders=1).game_id
    fake_exchange.inject(faults.Slow(6 * SECOND), game_id=game)
    async with opened(fake_exchange, retry=evolve(QUICK, attempt_timeout=5 * SECOND)) as orders:
        report = await orders.cancel_all_orders_for_games([game])
        (outcome,) = report.outcomes
        assert (outcome.status, outcome.complete, len(outcome.results)) == (CONFIRMED, False, 1)
        connection = connection_of(orders)
        assert len(await orders.cancel_all_orders_for_game(other)) == 1
        assert connection_of(orders) is connection
        assert not connection._pending


@pytest.mark.parametrize("fault", [faults.UnknownID(), faults.Garbage(), faults.Respond(b"[]")])
async def test_an_answer_that_names_nobody_leaves_a_request_unknown_in_its_time(
    fake_exchange: FakeExchange, fault: faults.Fault
) -> None:
    game = fake_exchange.add_game(orders=1).game_id
    fake_exchange.inject(fault, endpoint="cancelAllByGame")
    async with opened(fake_exchange, retry=evolve(ONCE, attempt_timeout=3 * SECOND)) as orders:
        with pytest.raises(OutcomeUnknownError, match="the time was up"):
            await orders.cancel_all_orders_for_game(game)
        assert not connection_of(orders)._pending


async def test_a_wrapped_answer_is_that_answer(fake_exchange: FakeExchange) -> None:
    game = fake_exchange.add_game(orders=2).game_id
    fake_exchange.inject(faults.Wrapped(), endpoint="cancelAllByGame")
    async with opened(fake_exchange, retry=ONCE) as orders:
        assert len(await orders.cancel_all_orders_for_game(game)) == 2


ORDER = NewOrder("g", "moneyline", "a", odds=-110, bet=1.0)
VERBS: dict[str, Callable[[OrdersSocket, str], Awaitable[object]]] = {
    "cancelById": lambda orders, order_id: orders.cancel(order_id),
    "cancelMultiple": lambda orders, order_id: orders.cancel_multiple([order_id]),
    "cancelAllByGame": lambda orders, order_id: orders.cancel_all_orders_for_game(order_id),
    "cancelAll": lambda orders, _: orders.cancel_all_orders(),
    "placeV3": lambda orders, _: orders.place([ORDER]),
    "heartbeat": lambda orders, _: orders.heartbeat(5),
}
every_verb = pytest.mark.parametrize("message", VERBS)


@every_verb
async def test_every_verb_ends_in_its_time_limit_though_nothing_is_ever_answered(
    fake_exchange: FakeExchange, message: str
) -> None:
    async with opened(fake_exchange, timeout=3 * SECOND) as orders:
        fake_exchange.inject(faults.Stall(), times=None)
        with pytest.raises(OutcomeUnknownError) as caught:
            await VERBS[message](orders, "f" * 24)
        assert caught.value.attempts == 1 or message != "placeV3"
        connection = orders._socket._connections.current
        assert connection is None or not connection._pending


@every_verb
async def test_only_what_places_orders_is_not_repeated_when_an_answer_is_lost(
    fake_exchange: FakeExchange, message: str
) -> None:
    async with opened(fake_exchange) as orders:
        fake_exchange.inject(faults.Reset(), endpoint=message, times=None)
        with pytest.raises(OutcomeUnknownError) as caught:
            await VERBS[message](orders, "f" * 24)
    times = 1 if message == "placeV3" else PATIENT.max_attempts
    assert (caught.value.attempts, fake_exchange.received(message)) == (times, times)


async def test_what_waits_for_a_connection_goes_out_on_the_next_one(
    fake_exchange: FakeExchange,
) -> None:
    game = fake_exchange.add_game(orders=1).game_id
    async with opened(fake_exchange, retry=evolve(PATIENT, max_attempts=100)) as orders:
        async with fake_exchange.refusing():
            await until(lambda: not orders.connected)
            cancel = asyncio.create_task(orders.cancel_all_orders_for_game(game))
            await asyncio.sleep(0)
        assert len(await cancel) == 1
    assert fake_exchange.received("cancelAllByGame") == 1


async def test_without_a_connection_a_verb_is_not_sent_in_its_time_limit(
    fake_exchange: FakeExchange,
) -> None:
    async with opened(fake_exchange) as orders, fake_exchange.refusing():
        await until(lambda: not orders.connected)
        with pytest.raises(NotSentError):
            await orders.cancel_all_orders()
        report = await orders.cancel_all_orders_for_games(["f" * 24], deadline=0.01 * SECOND)
    assert [outcome.status for outcome in report.outcomes] == [NOT_SENT]
    assert fake_exchange.received("cancelAllByGame") == 0
