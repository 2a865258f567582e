"""A socket that is closing: what did not leave on it is not sent, and goes out on the next one."""

import asyncio
import os
import socket
from collections.abc import AsyncIterator, Callable
from typing import Any

import aiohttp
import pytest
from attrs import evolve
from support import QUICK, quote

from fourcasters_async import AsyncSession, NotSentError, OrdersSocket
from fourcasters_async._websocket.buffered import BufferedWebSocket
from fourcasters_async.testing import FakeExchange

CLOSE_FRAME = b"\x88\x02\x03\xe9"


@pytest.fixture
async def orders(session: AsyncSession) -> AsyncIterator[OrdersSocket]:
    async with session.orders_socket() as orders:
        yield orders


def server_side(exchange: FakeExchange) -> socket.socket:
    """Return the only connection of the exchange. What is done to it is done at once."""
    server = exchange._runner.server
    assert server is not None
    (connection,) = server.connections
    assert connection.transport is not None
    return socket.socket(fileno=os.dup(connection.transport.get_extra_info("socket").fileno()))


def close_frame(connection: socket.socket) -> None:
    connection.send(CLOSE_FRAME)


def end(connection: socket.socket) -> None:
    connection.shutdown(socket.SHUT_WR)


def close_frame_and_end(connection: socket.socket) -> None:
    connection.send(CLOSE_FRAME)
    connection.shutdown(socket.SHUT_WR)


CLOSINGS = [close_frame, end, close_frame_and_end]


async def place(orders: OrdersSocket, game: str) -> Any:
    return await orders.place([quote(game)])


async def cancel(orders: OrdersSocket, game: str) -> Any:
    return await orders.cancel_all_orders_for_game(game)


async def cancel_many(orders: OrdersSocket, game: str) -> Any:
    return (await orders.cancel_all_orders_for_games([game])).ok


@pytest.mark.parametrize("closing", CLOSINGS)
@pytest.mark.parametrize(
    ("call", "endpoint"),
    [(place, "placeV3"), (cancel, "cancelAllByGame"), (cancel_many, "cancelAllByGame")],
)
async def test_a_socket_that_the_exchange_closed_while_the_loop_was_blocked_is_not_used(
    fake_exchange: FakeExchange,
    orders: OrdersSocket,
    closing: Callable[[socket.socket], None],
    call: Callable[[OrdersSocket, str], Any],
    endpoint: str,
) -> None:
    game = fake_exchange.add_game().game_id
    with server_side(fake_exchange) as connection:
        # From here to the call the loop has no turn, as if it were blocked.
        closing(connection)
        await call(orders, game)
    assert fake_exchange.received(endpoint) == 1
    assert fake_exchange.received("ws") == 2


def abort(frames: BufferedWebSocket) -> None:
    frames.buffer._transport.abort()


def refuse(frames: BufferedWebSocket) -> None:
    raise aiohttp.ClientConnectionResetError("Cannot write to closing transport")


@pytest.mark.parametrize("fails", [abort, refuse])
@pytest.mark.parametrize("step", ["send_frame", "flush"])
@pytest.mark.parametrize("call", [place, cancel, cancel_many])
async def test_a_frame_that_a_closing_connection_does_not_take_is_not_sent(
    fake_exchange: FakeExchange,
    monkeypatch: pytest.MonkeyPatch,
    fails: Callable[[BufferedWebSocket], None],
    step: str,
    call: Callable[[OrdersSocket, str], Any],
) -> None:
    game = fake_exchange.add_game().game_id
    once = evolve(QUICK, max_attempts=1)
    do = getattr(BufferedWebSocket, step)

    def fail(frames: BufferedWebSocket, *arguments: Any) -> Any:
        if arguments or frames.buffer._gathered:
            fails(frames)
        return do(frames, *arguments)

    async with (
        AsyncSession(
            fake_exchange.token,
            base_url=fake_exchange.url,
            orders_url=fake_exchange.orders_url,
            retry=once,
        ) as session,
        session.orders_socket() as orders,
    ):
        monkeypatch.setattr(BufferedWebSocket, step, fail)
        if call is cancel_many:
            report = await orders.cancel_all_orders_for_games([game])
            assert [outcome.game_id for outcome in report.not_sent] == [game]
        else:
            with pytest.raises(NotSentError):
                await call(orders, game)
    assert fake_exchange.received("placeV3") == fake_exchange.received("cancelAllByGame") == 0


async def test_what_is_said_not_to_be_sent_does_not_leave_with_the_close_frame(
    fake_exchange: FakeExchange, orders: OrdersSocket, monkeypatch: pytest.MonkeyPatch
) -> None:
    game = fake_exchange.add_game().game_id
    connection = orders._socket._connections.current
    assert connection is not None
    gathered = asyncio.Event()
    real = connection._socket.send_frame

    async def stuck(*arguments: Any) -> None:
        await real(*arguments)
        gathered.set()
        await asyncio.Event().wait()

    monkeypatch.setattr(connection._socket, "send_frame", stuck)
    placing = asyncio.create_task(orders.place([quote(game)]))
    await gathered.wait()
    connection.lose("tested")
    await placing
    # It was repeated, because it was not sent.
    assert fake_exchange.received("placeV3") == 1
