"""What waits behind a blocked writer of the Orders WebSocket heeds what is heard meanwhile."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest
from aiohttp import web
from attrs import field, frozen
from support import PATIENT, SECOND, quote, until

from fourcasters_async import AsyncSession, HaltedError, NotSentError, OrdersSocket
from fourcasters_async._core.request import Kind
from fourcasters_async._websocket.connection import Connection
from fourcasters_async.testing import FakeExchange, faults

GAME = "f" * 24
FIRST = "cancelAll"


@frozen
class When(faults.Fault):
    """Another fault, once that is wanted."""

    fault: faults.Fault
    wanted: asyncio.Event = field(factory=asyncio.Event)

    async def __call__(self, call: faults.Call) -> web.StreamResponse:
        await self.wanted.wait()
        return await self.fault(call)


class BlockedWriter:
    """Stops the writer of a connection after its next frame, until it is let go."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._goes_on = asyncio.Event()
        self._send = connection._socket.send_frame
        vars(connection._socket)["send_frame"] = self._stop

    async def _stop(self, *arguments: Any) -> None:
        await self._send(*arguments)
        await self._goes_on.wait()

    @property
    def waiting(self) -> int:
        return len(self._connection._unwritten)

    def let_go(self) -> None:
        self._goes_on.set()


@asynccontextmanager
async def opened(
    exchange: FakeExchange, password: str | None = None
) -> AsyncIterator[OrdersSocket]:
    async with (
        AsyncSession(
            exchange.token,
            username=None if password is None else "owner",
            password=password,
            base_url=exchange.url,
            orders_url=exchange.orders_url,
            retry=PATIENT,
        ) as session,
        session.orders_socket() as orders,
    ):
        yield orders


def connection_of(orders: OrdersSocket) -> Connection:
    connection = orders._socket._connections.current
    assert connection is not None
    return connection


Ask = Callable[[OrdersSocket, float | None], Awaitable[object]]

VERBS: dict[str, Ask] = {
    "cancelById": lambda orders, deadline: orders.cancel(GAME, deadline=deadline),
    "cancelMultiple": lambda orders, deadline: orders.cancel_multiple([GAME], deadline=deadline),
    "cancelAllByGame": lambda orders, deadline: orders.cancel_all_orders_for_game(
        GAME, side="over", deadline=deadline
    ),
    "placeV3": lambda orders, deadline: orders.place([quote(GAME)], deadline=deadline),
}
every_verb = pytest.mark.parametrize("verb", VERBS)


@asynccontextmanager
async def stuck(
    exchange: FakeExchange, orders: OrdersSocket, verb: str, deadline: float | None = None
) -> AsyncIterator[tuple[BlockedWriter, "asyncio.Task[object]"]]:
    """Give a blocked writer, and a verb that waits behind it."""
    writer = BlockedWriter(connection_of(orders))
    before = asyncio.ensure_future(orders.cancel_all_orders())
    await until(lambda: not writer.waiting and bool(connection_of(orders)._pending))
    waiting = asyncio.ensure_future(VERBS[verb](orders, deadline))
    await until(lambda: writer.waiting == 1)
    try:
        yield writer, waiting
    finally:
        writer.let_go()
        await asyncio.gather(before, waiting, return_exceptions=True)


@every_verb
async def test_what_waits_to_be_written_leaves_only_after_a_hold_that_began_meanwhile(
    fake_exchange: FakeExchange, verb: str
) -> None:
    clock = asyncio.get_running_loop().time
    async with opened(fake_exchange) as orders, stuck(fake_exchange, orders, verb) as (writer, _):
        held_until = clock() + SECOND
        orders._socket._holds.hold(Kind.CANCEL, held_until)
        writer.let_go()
        await until(lambda: fake_exchange.received(verb) == 1)
        assert clock() >= held_until


@every_verb
async def test_what_waits_to_be_written_is_not_sent_if_a_hold_outlasts_its_time(
    fake_exchange: FakeExchange, verb: str
) -> None:
    clock = asyncio.get_running_loop().time
    async with (
        opened(fake_exchange) as orders,
        stuck(fake_exchange, orders, verb, 10.0) as (writer, waiting),
    ):
        orders._socket._holds.hold(Kind.CANCEL, clock() + 3600.0)
        writer.let_go()
        with pytest.raises(NotSentError, match="the exchange asked to wait"):
            await waiting
        assert not orders._gate.undecided()
    assert fake_exchange.received(verb) == 0


@every_verb
async def test_what_waits_to_be_written_leaves_over_the_next_connection_if_the_token_is_refused(
    fake_exchange: FakeExchange, verb: str
) -> None:
    fake_exchange.add_account("owner", "right")
    refusal = When(faults.Unauthorized())
    fake_exchange.inject(refusal, endpoint=FIRST)
    async with opened(fake_exchange, "right") as orders:
        connection = connection_of(orders)
        refused = asyncio.ensure_future(orders.cancel_all_orders())
        await until(lambda: fake_exchange.received(FIRST) == 1)
        async with stuck(fake_exchange, orders, verb) as (writer, _):
            refusal.wanted.set()
            await until(lambda: orders._socket._retired is connection)
            writer.let_go()
            await until(lambda: fake_exchange.received(verb) == 1)
        await refused
    (sent,) = [each for each in fake_exchange.requests if each.endpoint == verb]
    assert sent.headers["Authorization"] != fake_exchange.token


async def test_a_place_that_is_held_back_can_still_be_halted(fake_exchange: FakeExchange) -> None:
    clock = asyncio.get_running_loop().time
    async with (
        opened(fake_exchange) as orders,
        stuck(fake_exchange, orders, "placeV3") as (writer, waiting),
    ):
        orders._socket._holds.hold(Kind.PLACE, clock() + SECOND)
        writer.let_go()
        await until(lambda: bool(orders._socket._resting))
        orders._gate.halt([GAME])
        with pytest.raises(HaltedError, match="not sent"):
            await waiting
    assert fake_exchange.received("placeV3") == 0


async def test_a_connection_whose_token_was_refused_is_forgotten_once_it_is_lost(
    fake_exchange: FakeExchange,
) -> None:
    fake_exchange.add_account("owner", "right")
    silent = fake_exchange.add_game().game_id
    fake_exchange.inject(faults.Stall(), game_id=silent)
    fake_exchange.inject(faults.Unauthorized(), endpoint=FIRST)
    async with opened(fake_exchange, "right") as orders:
        connection = connection_of(orders)
        waiting = asyncio.ensure_future(orders.cancel_all_orders_for_game(silent))
        await until(lambda: fake_exchange.received("cancelAllByGame") == 1)
        refused = asyncio.ensure_future(orders.cancel_all_orders())
        await until(lambda: orders._socket._retired is connection)
        waiting.cancel()
        await refused
        assert connection.lost.done()
        assert orders._socket._retired is None
