"""The work that one answer, one frame or one argument can cause is bounded."""

import asyncio
from collections.abc import Iterator
from itertools import count

import pytest
from aiohttp import WSMsgType, web
from support import QUICK, SECOND

from fourcasters_async import (
    AsyncSession,
    DecodeError,
    InvalidRequestError,
    NewOrder,
    OutcomeUnknownError,
    RetryPolicy,
)
from fourcasters_async._core.request import RULES, Kind
from fourcasters_async._core.text import is_too_dense
from fourcasters_async._http.pool import _read
from fourcasters_async.testing import FakeExchange, faults
from fourcasters_async.testing.sockets import SocketCall

GAME = "688c0516fbc14da0c202d426"
ONCE = RetryPolicy(max_attempts=1)


@pytest.fixture
def impatient(fake_exchange: FakeExchange) -> AsyncSession:
    return AsyncSession(
        fake_exchange.token,
        base_url=fake_exchange.url,
        orders_url=fake_exchange.orders_url,
        retry=QUICK,
    )


@pytest.mark.parametrize("kind", Kind)
def test_what_is_not_a_list_of_orders_may_not_have_the_size_of_one(kind: Kind) -> None:
    limit = RULES[kind].answer_limit
    if kind in (Kind.READ, Kind.GRADED, Kind.VERIFY):
        assert limit >= 60_000 * 1500
    elif kind in (Kind.CANCEL, Kind.PLACE):
        assert 2**22 <= limit <= 2**24
    else:
        assert limit <= 2**20


async def test_the_open_orders_of_a_big_account_are_read(
    fake_exchange: FakeExchange, impatient: AsyncSession
) -> None:
    for _ in range(1000):
        fake_exchange.add_game(orders=10)
    async with impatient as session:
        assert len(await session.account.get_unmatched()) == 10_000


async def test_every_order_of_a_big_account_is_cancelled_in_one_answer(
    fake_exchange: FakeExchange, impatient: AsyncSession
) -> None:
    fake_exchange.add_game(orders=20_000)
    async with impatient as session:
        results = await session.cancel_all_orders()
    assert len(results) == 20_000
    assert all(result.success for result in results)


async def test_a_read_that_proves_a_cancel_is_not_repeated_if_its_answer_is_too_large(
    fake_exchange: FakeExchange, impatient: AsyncSession, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("fourcasters_async._http.pool.limit_of", lambda _: 2**14)
    fake_exchange.inject(faults.Oversized(size=2**15), endpoint="getUnmatched", times=None)
    async with impatient as session:
        report = await session.cancel_all_orders_for_games([GAME], verify=True)
    assert not report.verified_clear
    assert fake_exchange.received("getUnmatched") == 1


@pytest.mark.parametrize("item", [b"{}", b"[]", b'{"success":true}'])
async def test_an_answer_of_countless_small_records_is_not_parsed(
    fake_exchange: FakeExchange, item: bytes
) -> None:
    body = b'{"data":[' + b",".join([item] * (2**21 // len(item))) + b"]}"
    fake_exchange.inject(faults.Respond(body), times=None)
    async with AsyncSession(fake_exchange.token, base_url=fake_exchange.url, retry=ONCE) as session:
        with pytest.raises(OutcomeUnknownError, match="more records than an answer of this size"):
            await session.cancel_all_orders_for_game(GAME)


@pytest.mark.parametrize("item", [b"{}", b"[]"])
async def test_a_read_of_countless_empty_records_is_not_parsed(
    fake_exchange: FakeExchange, item: bytes
) -> None:
    body = b'{"data":[' + b",".join([item] * (2**20)) + b"]}"
    fake_exchange.inject(faults.Respond(body), times=None)
    async with AsyncSession(fake_exchange.token, base_url=fake_exchange.url, retry=ONCE) as session:
        with pytest.raises(DecodeError, match="more records"):
            await session.account.get_unmatched()


def test_the_levels_of_many_order_books_are_parsed() -> None:
    level = b'{"odds":-110,"bet":25}'
    rules = RULES[Kind.READ]
    document = b"[" + b",".join([level] * 500_000) + b"]"
    assert not is_too_dense(document, bytes_per_record=rules.bytes_per_record)


def test_as_many_records_as_one_call_can_name_are_parsed() -> None:
    row = b'{"success":false,"reason":"Not your order"}'
    assert not is_too_dense(b'{"data":[' + b",".join([row] * 29_990) + b"]}")


class Arrived:
    """A body of which every byte is there, so that reading it waits for nothing."""

    def __init__(self, chunks: int) -> None:
        self.content = self
        self.chunks = chunks

    async def readany(self) -> bytes:
        self.chunks -= 1
        return b" " * 2**16 if self.chunks >= 0 else b""

    def at_eof(self) -> bool:
        return self.chunks <= 0


async def test_a_body_that_has_come_already_leaves_the_loop_to_others() -> None:
    turns = 0

    async def turn() -> None:
        nonlocal turns
        while True:
            await asyncio.sleep(0)
            turns += 1

    turning = asyncio.create_task(turn())
    try:
        body = await _read(Arrived(64), 2**22)  # type: ignore[arg-type]  # it has what is used
    finally:
        turning.cancel()
    assert len(body) == 2**22
    assert turns >= 6


class Flood(faults.Fault):
    """The server sends frames that nobody asked for, and never answers."""

    def __init__(self, kind: WSMsgType, content: bytes) -> None:
        self.kind, self.content = kind, content

    async def __call__(self, call: faults.Call) -> web.StreamResponse:
        assert isinstance(call, SocketCall)
        for _ in range(20_000):
            await call.socket.send(self.content, self.kind)
        return await call.until_gone()


@pytest.mark.parametrize("content", [b"", b"{}", b"x" * 100])
@pytest.mark.parametrize("kind", [WSMsgType.TEXT, WSMsgType.PING, WSMsgType.PONG])
async def test_a_connection_that_is_flooded_is_given_up(
    fake_exchange: FakeExchange, impatient: AsyncSession, kind: WSMsgType, content: bytes
) -> None:
    game = fake_exchange.add_game(orders=1)
    fake_exchange.inject(Flood(kind, content), endpoint="cancelAllByGame")
    async with impatient as session, session.orders_socket() as orders:
        results = await orders.cancel_all_orders_for_game(game.game_id, deadline=5 * SECOND)
    # It was repeated on another connection: on a connection that is kept, it waits.
    assert results.attempts == 2
    assert fake_exchange.received("ws") == 2


async def test_pings_at_a_usual_rate_are_answered_and_lose_no_connection(
    fake_exchange: FakeExchange, impatient: AsyncSession
) -> None:
    game = fake_exchange.add_game(orders=1)
    async with impatient as session, session.orders_socket() as orders:
        fake_exchange.inject(Pinged(), endpoint="cancelAllByGame")
        await orders.cancel_all_orders_for_game(game.game_id)
    assert fake_exchange.received("ws") == 1


class Pinged(faults.Fault):
    """A hundred pings come before the answer."""

    async def __call__(self, call: faults.Call) -> web.StreamResponse:
        assert isinstance(call, SocketCall)
        for _ in range(100):
            await call.socket.send(b"", WSMsgType.PING)
        return web.Response(body=call.commit().content())


async def test_the_only_request_in_flight_does_not_ask_again_for_a_frame_that_is_too_large(
    fake_exchange: FakeExchange, impatient: AsyncSession, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("fourcasters_async._websocket.handshake._FRAME_LIMIT", 2**14)
    fake_exchange.inject(faults.Oversized(size=2**15), times=None, endpoint="cancelAllByGame")
    async with impatient as session, session.orders_socket() as orders:
        with pytest.raises(OutcomeUnknownError, match="not asked for again"):
            await orders.cancel_all_orders_for_game(GAME)
    assert fake_exchange.received("cancelAllByGame") == 1


def _ids() -> Iterator[str]:
    return (f"{number:024x}" for number in count())


async def test_a_call_names_no_more_than_can_be_answered_also_without_an_end(
    fake_exchange: FakeExchange, impatient: AsyncSession
) -> None:
    order = NewOrder(game_id=GAME, type="moneyline", side="home", odds=100, bet=1.0)
    async with impatient as session:
        for call in (
            session.cancel_multiple(_ids()),
            session.cancel_all_orders_for_games(_ids()),
            session.cancel_by_reference(GAME, _ids()),
            session.place(order for _ in count()),
        ):
            with pytest.raises(InvalidRequestError, match="more than 30,000 items"):
                await call
    assert not fake_exchange.requests
