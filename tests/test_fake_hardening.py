"""The sandbox takes what no client should send: it answers with an error, and goes on."""

import asyncio
import json
import logging
from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from fourcasters_async.testing import FakeExchange
from fourcasters_async.testing.orders_channel import MESSAGES
from fourcasters_async.testing.rest import ENDPOINTS

DEEP = 100_000
NO_JSON = {
    "deep lists": b"[" * DEEP + b"]" * DEEP,
    "deep objects": b'{"a":' * DEEP + b"1" + b"}" * DEEP,
    "a deep field": b'{"gameID":' + b"[" * 900 + b"]" * 900 + b"}",
    "an open end": b"[" * DEEP,
    "NaN": b'{"timeout": NaN}',
    "infinity": b'{"timeout": -Infinity}',
    "a lone surrogate": b'{"gameID": "\\ud800"}',
    "a lone surrogate in a key": b'{"\\udfff": 1}',
    "not UTF-8": b'{"gameID": "\xff\xfe"}',
    "half a character": b'{"gameID": "\xe2\x82"}',
    "a list": b"[]",
    "a number": b"1",
    "null": b"null",
    "text": b"hello",
    "two documents": b"{} {}",
}
ODD = {
    "a huge integer": b'{"timeout": ' + b"9" * 5000 + b"}",
    "a huge number": b'{"timeout": 1e400, "bet": -1e400}',
    "a long number": b'{"timeout": 0.' + b"1" * 5000 + b"}",
    "duplicate keys": b'{"gameID": "a", "gameID": {"b": []}, "gameID": 5}',
    "a huge text": b'{"gameID": "' + b"x" * 500_000 + b'"}',
}


@pytest.fixture
async def client(
    fake_exchange: FakeExchange, caplog: pytest.LogCaptureFixture
) -> AsyncIterator[aiohttp.ClientSession]:
    """A client that sends what it is told. No traceback may have been logged by the server."""
    headers = {"Authorization": fake_exchange.token, "Content-Type": "application/json"}
    async with aiohttp.ClientSession(fake_exchange.url, headers=headers) as session:
        yield session
    failures = [each for each in caplog.records if each.levelno >= logging.ERROR]
    assert not failures


@pytest.mark.parametrize("route", ENDPOINTS)
@pytest.mark.parametrize("body", NO_JSON.values(), ids=NO_JSON)
async def test_a_body_that_is_no_json_object_is_a_bad_request(
    fake_exchange: FakeExchange, client: aiohttp.ClientSession, route: str, body: bytes
) -> None:
    fake_exchange.add_game(orders=1)
    method, _, path = route.partition(" ")
    async with client.request(method, path, data=body) as response:
        assert response.status == 400
        assert "error" in json.loads(await response.read())
    assert fake_exchange.open_orders()


@pytest.mark.parametrize("route", ENDPOINTS)
@pytest.mark.parametrize("body", ODD.values(), ids=ODD)
async def test_an_odd_value_never_fails_the_sandbox(
    client: aiohttp.ClientSession, route: str, body: bytes
) -> None:
    method, _, path = route.partition(" ")
    async with client.request(method, path, data=body) as response:
        assert response.status < 500
        json.loads(await response.read())


@pytest.mark.parametrize("payload", [*NO_JSON.values(), *ODD.values()], ids=[*NO_JSON, *ODD])
@pytest.mark.parametrize("type_", [*MESSAGES, "unknown"])
async def test_an_odd_message_is_answered_with_an_error_or_ends_the_connection(
    fake_exchange: FakeExchange, client: aiohttp.ClientSession, type_: str, payload: bytes
) -> None:
    game = fake_exchange.add_game(orders=1)
    async with client.ws_connect("/orders/ws") as socket:
        frame = b'["' + type_.encode() + b'",' + payload + b"]"
        await socket.send_frame(frame, aiohttp.WSMsgType.TEXT)
        answer = await socket.receive()
        if answer.type is aiohttp.WSMsgType.TEXT:
            document = json.loads(answer.data)
            assert "error" in document or payload in ODD.values()
            # The connection goes on.
            await socket.send_str(json.dumps(["cancelAllByGame", {"gameId": game.game_id}]))
            assert "data" in json.loads((await socket.receive()).data)
        else:
            # Text that is not UTF-8 ends a WebSocket.
            assert answer.type is aiohttp.WSMsgType.CLOSE
            assert answer.data == aiohttp.WSCloseCode.INVALID_TEXT
    async with client.get("/user/getMe") as response:
        assert response.status == 200


@pytest.mark.parametrize("frame", [*NO_JSON.values()], ids=NO_JSON)
async def test_a_frame_that_is_no_message_fails_nothing(
    client: aiohttp.ClientSession, frame: bytes
) -> None:
    async with client.ws_connect("/orders/ws") as socket:
        await socket.send_frame(frame, aiohttp.WSMsgType.TEXT)
        answer = await socket.receive()
        assert answer.type is aiohttp.WSMsgType.CLOSE or "error" in json.loads(answer.data)


async def test_digits_without_end_are_no_expiry(
    fake_exchange: FakeExchange, client: aiohttp.ClientSession
) -> None:
    fake_exchange.add_game(orders=1)
    (order,) = fake_exchange.open_orders()
    for digits in ("9" * 5000, "\u0663", "-1", ""):
        body = {"sessionID": order.order_id, "orderVolume": None, "expiryChange": digits}
        async with client.post("/session/editOrder", json=body) as response:
            assert response.status == 400


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)
KEYS = [
    *("gameID", "gameId", "sessionID", "sessionIDs", "orderID", "orderId", "orderIDs", "league"),
    *("userReference", "userReferences", "orders", "type", "side", "market", "odds", "bet"),
    *("number", "orderType", "expirationMinutes", "expiryChange", "orderOdds", "orderVolume"),
    *("intendedOrderVolume", "timeout", "requestTimeout", "requestID", "username", "password"),
]


def fields(exchange: FakeExchange) -> st.SearchStrategy[dict[str, Any]]:
    """Fields with the names that the exchange reads, and some values that it knows."""
    order = exchange.open_orders()[0]
    game = exchange.book.games[order.game_id]
    known = st.sampled_from(
        [order.order_id, game.game_id, game.home_id, "spread", "total", "over", "limit", "draw"]
    )
    value = known | st.sampled_from([100, 1.5, 30]) | JSON
    order_fields = st.dictionaries(st.sampled_from(KEYS), value, max_size=10)
    return st.dictionaries(
        st.sampled_from(KEYS), value | st.lists(value | order_fields, max_size=3), max_size=12
    )


FUZZ = settings(
    max_examples=60, deadline=None, suppress_health_check=list(HealthCheck), database=None
)


@FUZZ
@given(data=st.data())
def test_no_request_makes_the_sandbox_fail(data: st.DataObject) -> None:
    async def ask() -> None:
        async with FakeExchange() as exchange:
            exchange.add_game(orders=3)
            headers = {"Authorization": exchange.token}
            async with aiohttp.ClientSession(exchange.url, headers=headers) as client:
                for _ in range(3):
                    route = data.draw(st.sampled_from(sorted(ENDPOINTS)))
                    content = json.dumps(data.draw(fields(exchange))).encode()
                    body = data.draw(st.just(content) | st.binary(max_size=40))
                    query = data.draw(st.dictionaries(st.sampled_from(KEYS), TEXT, max_size=3))
                    method, _, path = route.partition(" ")
                    async with client.request(method, path, data=body, params=query) as response:
                        assert response.status < 500, (route, body, query)
                        json.loads(await response.read())
                    if not exchange.open_orders():
                        exchange.add_game(orders=3)

    asyncio.run(ask())


TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=8)


@FUZZ
@given(data=st.data())
def test_no_message_makes_the_sandbox_fail(data: st.DataObject) -> None:
    async def ask() -> None:
        async with FakeExchange() as exchange:
            exchange.add_game(orders=3)
            headers = {"Authorization": exchange.token}
            async with (
                aiohttp.ClientSession(exchange.url, headers=headers) as client,
                client.ws_connect("/orders/ws") as socket,
            ):
                for _ in range(3):
                    type_ = data.draw(st.sampled_from(sorted(MESSAGES)) | TEXT)
                    message = json.dumps([type_, data.draw(fields(exchange))])
                    await socket.send_str(data.draw(st.just(message) | TEXT))
                    answer = json.loads((await socket.receive()).data)
                    assert ("data" in answer) != ("error" in answer), (message, answer)
                    exchange.add_game(orders=1)

    asyncio.run(ask())
