"""The sandbox's Orders WebSocket, with plain aiohttp: what it says, and how it can fail."""

import asyncio
import json
import re
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import aiohttp
import pytest
from aiohttp import WSMsgType, web
from attrs import field, frozen
from support import until

from fourcasters_async.testing import BookOrder, FakeExchange, faults

Socket = aiohttp.ClientWebSocketResponse
Connect = Callable[..., Awaitable[Socket]]

NOWHERE = "f" * 24
REFUSED = {"error": {"message": "InvalidCredentials", "code": 401}}
# Seconds after which what has not come does not come.
NEVER = 0.0625


@pytest.fixture
async def client() -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession() as client:
        yield client


@pytest.fixture
async def connect(fake_exchange: FakeExchange, client: aiohttp.ClientSession) -> Connect:
    async def connect(authorization: str | None = None, **options: Any) -> Socket:
        socket: Socket = await client.ws_connect(
            fake_exchange.orders_url,
            headers={"Authorization": authorization or fake_exchange.token},
            timeout=aiohttp.ClientWSTimeout(ws_close=NEVER),
            **options,
        )
        return socket

    return connect


@pytest.fixture
async def socket(connect: Connect) -> AsyncIterator[Socket]:
    async with await connect() as socket:
        yield socket


async def ask(socket: Socket, type_: str, **payload: object) -> Any:
    await socket.send_json([type_, {"requestID": "1", **payload}])
    return await socket.receive_json()


def place(exchange: FakeExchange, **options: Any) -> BookOrder:
    (game_id,) = exchange.book.games or [exchange.add_game().game_id]
    return exchange.book.place(exchange.account, game_id, **options)


async def test_a_handshake_with_the_bare_token_opens_a_socket(
    fake_exchange: FakeExchange, socket: Socket
) -> None:
    assert fake_exchange.sockets == 1
    assert not socket.closed


async def test_a_socket_that_the_client_closed_is_no_longer_open(
    fake_exchange: FakeExchange, socket: Socket
) -> None:
    await socket.close()
    assert fake_exchange.sockets == 0


async def test_a_handshake_may_have_bearer_before_the_token(
    fake_exchange: FakeExchange, connect: Connect
) -> None:
    async with await connect(f"Bearer {fake_exchange.token}") as socket:
        place(fake_exchange)
        assert len((await ask(socket, "cancelAll"))["data"]) == 1


@pytest.mark.parametrize("authorization", ["Bearer unknown", "unknown", ""])
async def test_a_token_that_is_not_known_is_refused_over_http(
    fake_exchange: FakeExchange, client: aiohttp.ClientSession, authorization: str
) -> None:
    headers = {"Authorization": authorization.format(fake_exchange.token)}
    url = fake_exchange.orders_url.replace("ws", "http", 1)
    async with client.get(url, headers=headers) as response:
        assert (response.status, await response.json()) == (401, REFUSED)


async def test_a_handshake_is_a_request_like_any_other(
    fake_exchange: FakeExchange, socket: Socket
) -> None:
    (received,) = fake_exchange.requests
    assert (received.method, received.path, received.endpoint) == ("GET", "/orders/ws", "ws")
    assert received.account == fake_exchange.account


@pytest.mark.parametrize(
    ("fault", "status"),
    [
        (faults.Unauthorized(), 401),
        (faults.TooManyRequests(), 429),
        (faults.Unavailable(), 503),
        (faults.Html(502), 502),
        (faults.Redirect("https://elsewhere.example/"), 404),
    ],
    ids=repr,
)
async def test_a_handshake_can_be_refused_by_a_fault(
    fake_exchange: FakeExchange, connect: Connect, fault: faults.Fault, status: int
) -> None:
    async with FakeExchange() as elsewhere:
        if isinstance(fault, faults.Redirect):
            fault = faults.Redirect(f"{elsewhere.url}/nowhere")
        fake_exchange.inject(fault, endpoint="ws")
        with pytest.raises(aiohttp.WSServerHandshakeError) as caught:
            await connect()
    assert caught.value.status == status


@pytest.mark.parametrize("fault", [faults.Close(), faults.Reset(), faults.Garbage()], ids=repr)
async def test_a_handshake_can_be_cut_off_by_a_fault(
    fake_exchange: FakeExchange, connect: Connect, fault: faults.Fault
) -> None:
    fake_exchange.inject(fault, endpoint="ws", times=None)
    with pytest.raises(aiohttp.ClientError):
        await connect()


async def test_a_handshake_can_stall(fake_exchange: FakeExchange, connect: Connect) -> None:
    fake_exchange.inject(faults.Stall(), endpoint="ws")
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(connect(), NEVER)


async def test_a_slow_handshake_opens_a_socket(
    fake_exchange: FakeExchange, connect: Connect
) -> None:
    fake_exchange.inject(faults.Slow(0.01), endpoint="ws")
    async with await connect() as socket:
        assert (await ask(socket, "cancelAll"))["data"] == []


async def test_handshakes_count_in_the_rate_limit_and_messages_do_not(
    client: aiohttp.ClientSession,
) -> None:
    async with FakeExchange(rate_limit=(1, 60.0)) as exchange:
        headers = {"Authorization": exchange.token}
        async with client.ws_connect(exchange.orders_url, headers=headers) as socket:
            for _ in range(3):
                assert (await ask(socket, "cancelAll"))["data"] == []
            with pytest.raises(aiohttp.WSServerHandshakeError, match="429"):
                await client.ws_connect(exchange.orders_url, headers=headers)


async def test_an_exchange_with_tls_has_a_secure_socket(client: aiohttp.ClientSession) -> None:
    async with FakeExchange(tls=True) as exchange:
        assert exchange.orders_url.startswith("wss://127.0.0.1:")
        headers = {"Authorization": exchange.token}
        async with client.ws_connect(
            exchange.orders_url, headers=headers, ssl=exchange.ssl_context
        ) as socket:
            assert (await ask(socket, "cancelAll"))["data"] == []


async def test_cancel_by_id_cancels_the_order_and_describes_it(
    fake_exchange: FakeExchange, socket: Socket
) -> None:
    order = place(fake_exchange, type="spread", offered=122.0, user_reference="mine")
    fake_exchange.book.fill(order.order_id, 22.0)
    assert await ask(socket, "cancelById", orderId=order.order_id) == {
        "requestID": "1",
        "data": [
            {
                "success": True,
                "orderID": order.order_id,
                "odds": -110,
                "filled": "22.000000",
                "offered": "122.000000",
                "remaining": "100.000000",
                "side": order.side,
                "number": -3.5,
                "gameID": order.game_id,
                "userReference": "mine",
                "description": "Lakers -3.5 -110",
            }
        ],
    }
    assert order.cancelled


async def test_a_moneyline_has_no_number_and_no_reference_is_an_empty_one(
    fake_exchange: FakeExchange, socket: Socket
) -> None:
    place(fake_exchange)
    (result,) = (await ask(socket, "cancelAll"))["data"]
    assert (result["number"], result["userReference"]) == (None, "")


async def test_cancel_multiple_answers_in_the_order_of_the_ids_with_a_reason_for_each_failure(
    fake_exchange: FakeExchange, socket: Socket
) -> None:
    orders = [place(fake_exchange) for _ in range(3)]
    fake_exchange.book.fill(orders[1].order_id, 100.0)
    foreign = fake_exchange.book.place("other", orders[0].game_id)
    ids = [order.order_id for order in (*orders, foreign, orders[0])]
    answer = await ask(socket, "cancelMultiple", orderIDs=[*ids, NOWHERE, "short"])
    assert [result["orderID"] for result in answer["data"]] == [*ids, NOWHERE, "short"]
    assert [r["description"] for r in answer["data"] if not r["success"]] == [
        "order is expired",
        "unauthorized: order does not belong to user",
        "order already cancelled",
        "order not found",
        "invalid order ID format",
    ]
    assert orders[0].cancelled
    assert not foreign.cancelled


async def test_a_failed_cancel_tells_nothing_of_a_foreign_order(
    fake_exchange: FakeExchange, socket: Socket
) -> None:
    foreign = fake_exchange.book.place("other", fake_exchange.add_game().game_id)
    answer = await ask(socket, "cancelMultiple", orderIDs=[foreign.order_id])
    assert set(answer["data"][0]) == {"success", "orderID", "description"}


@pytest.mark.parametrize(
    ("chosen", "cancelled"),
    [
        ({}, {"ml", "spread", "over", "under", "draw"}),
        ({"type": "spread"}, {"spread"}),
        ({"type": "moneyline1x2"}, {"draw"}),
        ({"type": "total", "side": "under"}, {"under"}),
        ({"side": "yes", "market": "draw"}, {"draw"}),
        ({"market": NOWHERE}, set()),
    ],
    ids=lambda value: str(value) if isinstance(value, dict) else "",
)
async def test_cancel_all_by_game_takes_what_is_chosen(
    fake_exchange: FakeExchange, socket: Socket, chosen: dict[str, str], cancelled: set[str]
) -> None:
    place(fake_exchange, user_reference="ml")
    place(fake_exchange, user_reference="spread", type="spread")
    place(fake_exchange, user_reference="over", type="total")
    place(fake_exchange, user_reference="under", type="total", side="under")
    order = place(fake_exchange, user_reference="draw", type="moneyline1x2", market="draw")
    fake_exchange.book.place(fake_exchange.account, fake_exchange.book.add_game().game_id)
    answer = await ask(socket, "cancelAllByGame", gameId=order.game_id, **chosen)
    assert {result["userReference"] for result in answer["data"]} == cancelled
    assert len(fake_exchange.open_orders()) == 6 - len(cancelled)


async def test_cancel_all_takes_every_order_of_the_account_and_no_other(
    fake_exchange: FakeExchange, socket: Socket
) -> None:
    games = [fake_exchange.add_game(orders=2) for _ in range(2)]
    foreign = fake_exchange.book.place("other", games[0].game_id)
    assert len((await ask(socket, "cancelAll"))["data"]) == 4
    assert not fake_exchange.open_orders()
    assert foreign.open


async def test_place_answers_for_each_order_in_turn_and_calls_an_error_by_its_old_name(
    fake_exchange: FakeExchange, socket: Socket
) -> None:
    game = fake_exchange.add_game()
    good = {"gameId": game.game_id, "type": "total", "side": "over", "odds": 105, "bet": 7}
    answer = await ask(socket, "placeV3", orders=[{**good, "number": 8.5}, good])
    (order,) = fake_exchange.open_orders()
    placed, failed = answer["data"]
    assert placed["matched"] == []
    assert placed["unmatched"]["orderID"] == order.order_id
    assert failed == {"error": "invalid number", "error_type": "validation_error"}
    assert (order.odds, order.offered, order.number) == (105, 7, 8.5)


async def test_a_heartbeat_is_acknowledged_and_runs_out(
    fake_exchange: FakeExchange, socket: Socket
) -> None:
    place(fake_exchange)
    ack = (await ask(socket, "heartbeat", requestTimeout=2.5))["data"]
    assert (ack["type"], ack["timeoutSec"]) == ("heartbeatAck", 2.5)
    assert re.fullmatch(r"2026-01-01T00:00:\d\d\.\d{9}Z", ack["serverTime"])
    fake_exchange.move_clock(3.0)
    assert not fake_exchange.open_orders()


async def test_a_game_outside_the_cache_is_not_found_and_its_orders_rest(
    fake_exchange: FakeExchange, socket: Socket
) -> None:
    order = place(fake_exchange)
    fake_exchange.book.games[order.game_id].cached = False
    answer = await ask(socket, "cancelAllByGame", gameId=order.game_id)
    assert answer["error"] == "game not found"
    assert fake_exchange.open_orders() == [order]


ERRORS = [
    ("cancelById", {"orderId": "short"}, "invalid order ID format"),
    ("cancelById", {}, "invalid order ID format"),
    ("cancelById", {"orderId": NOWHERE}, "order not found"),
    ("cancelById", {"orderId": "foreign"}, "unauthorized: order does not belong to user"),
    ("cancelById", {"orderId": "cancelled"}, "order already cancelled"),
    ("cancelById", {"orderId": "filled"}, "order is expired"),
    ("cancelMultiple", {"orderIDs": NOWHERE}, "Failed to process cancelMultiple"),
    ("cancelMultiple", {"orderIds": []}, "Failed to process cancelMultiple"),
    ("cancelAllByGame", {"gameId": NOWHERE}, "game not found"),
    ("cancelAllByGame", {"gameID": "game"}, "game not found"),
    ("cancelAllByGame", {"gameId": "game", "type": "prop"}, "Failed to process cancelAllByGame"),
    ("cancelAllByGame", {"gameId": "game", "side": None}, "Failed to process cancelAllByGame"),
    ("placeV3", {"orders": {}}, "Failed to process placeV3"),
    ("heartbeat", {"requestTimeout": 0}, "Invalid heartbeat timeout"),
    ("heartbeat", {"requestTimeout": True}, "Invalid heartbeat timeout"),
    ("heartbeat", {"timeout": 30}, "Invalid heartbeat timeout"),
    ("cancelEverything", {}, "invalid message"),
]


@pytest.mark.parametrize(("type_", "payload", "text"), ERRORS)
async def test_an_error_has_its_documented_text_and_no_data(
    fake_exchange: FakeExchange, socket: Socket, type_: str, payload: dict[str, Any], text: str
) -> None:
    cancelled, filled = place(fake_exchange), place(fake_exchange)
    cancelled.cancelled = True
    fake_exchange.book.fill(filled.order_id, 100.0)
    foreign = fake_exchange.book.place("other", filled.game_id)
    stands_for: dict[object, str] = {
        "foreign": foreign.order_id,
        "cancelled": cancelled.order_id,
        "filled": filled.order_id,
        "game": filled.game_id,
    }
    for key, value in payload.items():
        if isinstance(value, str):
            payload = {**payload, key: stands_for.get(value, value)}
    assert await ask(socket, type_, **payload) == {"requestID": "1", "error": text}


@pytest.mark.parametrize(
    ("text", "request_id"),
    [
        ("nonsense", {}),
        ("[]", {}),
        ('["cancelAll"]', {}),
        ('["cancelAll", []]', {}),
        ('{"requestID": 7}', {"requestID": 7}),
        ('[1, {"requestID": 7}]', {"requestID": 7}),
        ('["cancelAll", {"requestID": 7}, {}]', {"requestID": 7}),
    ],
)
async def test_what_is_no_message_is_called_invalid(
    socket: Socket, text: str, request_id: dict[str, int]
) -> None:
    await socket.send_str(text)
    assert await socket.receive_json() == {**request_id, "error": "invalid message"}


async def test_a_message_in_a_binary_frame_is_invalid(
    fake_exchange: FakeExchange, socket: Socket
) -> None:
    place(fake_exchange)
    await socket.send_bytes(b'["cancelAll", {"requestID": 7}]')
    assert await socket.receive_json() == {"error": "invalid message"}
    assert fake_exchange.open_orders()


async def test_a_message_is_recorded_with_its_type_and_payload(
    fake_exchange: FakeExchange, socket: Socket
) -> None:
    game = fake_exchange.add_game()
    await ask(socket, "cancelAllByGame", gameId=game.game_id)
    received = fake_exchange.requests[-1]
    assert (received.method, received.path) == ("WS", "cancelAllByGame")
    assert json.loads(received.content) == {"requestID": "1", "gameId": game.game_id}
    assert received.headers["Authorization"] == fake_exchange.token
    assert fake_exchange.received("cancelAllByGame", game_id=game.game_id) == 1
    assert fake_exchange.received("cancelAllByGame", game_id=NOWHERE) == 0


async def test_a_revoked_token_leaves_an_open_socket_alone(
    fake_exchange: FakeExchange, socket: Socket
) -> None:
    fake_exchange.revoke(fake_exchange.token)
    assert (await ask(socket, "cancelAll"))["data"] == []


async def test_a_ping_is_answered(connect: Connect) -> None:
    async with await connect(autoping=False) as socket:
        await socket.ping(b"there?")
        message = await socket.receive()
    assert (message.type, message.data) == (WSMsgType.PONG, b"there?")


async def test_thousands_of_messages_are_in_flight_at_once_and_the_first_can_be_answered_last(
    fake_exchange: FakeExchange, socket: Socket
) -> None:
    fake_exchange.inject(faults.Held(until=1999), endpoint="cancelAll")
    for number in range(2000):
        await socket.send_json(["cancelAll", {"requestID": number}])
    answered = [(await socket.receive_json())["requestID"] for _ in range(2000)]
    assert answered == [*range(1, 2000), 0]


async def test_an_answer_takes_the_latency_however_many_are_asked(
    fake_exchange: FakeExchange, socket: Socket
) -> None:
    fake_exchange.latency = 0.125
    loop = asyncio.get_running_loop()
    began = loop.time()
    for number in range(200):
        await socket.send_json(["cancelAll", {"requestID": number}])
    for _ in range(200):
        await socket.receive_json()
    assert 0.125 <= loop.time() - began < 5.0


@pytest.mark.parametrize("code", [1001, 1012, 4000])
async def test_sockets_are_dropped_with_a_code(
    fake_exchange: FakeExchange, connect: Connect, code: int
) -> None:
    sockets = [await connect() for _ in range(3)]
    await fake_exchange.drop_sockets(code)
    assert fake_exchange.sockets == 0
    assert [(await socket.receive()).data for socket in sockets] == [code] * 3


async def test_sockets_are_dropped_without_a_word(
    fake_exchange: FakeExchange, socket: Socket
) -> None:
    await fake_exchange.drop_sockets()
    assert fake_exchange.sockets == 0
    assert (await socket.receive()).type in (WSMsgType.CLOSED, WSMsgType.ERROR)
    assert socket.close_code == 1006


async def test_refusing_drops_the_sockets_and_takes_no_new_ones(
    fake_exchange: FakeExchange, socket: Socket, connect: Connect
) -> None:
    async with fake_exchange.refusing():
        assert fake_exchange.sockets == 0
        assert (await socket.receive()).type is not WSMsgType.TEXT
        with pytest.raises(aiohttp.ClientConnectorError):
            await connect()
    async with await connect() as again:
        assert (await ask(again, "cancelAll"))["data"] == []


async def test_the_exchange_says_goodbye_with_1001(client: aiohttp.ClientSession) -> None:
    async with FakeExchange() as exchange:
        socket = await client.ws_connect(
            exchange.orders_url, headers={"Authorization": exchange.token}
        )
        reading = asyncio.ensure_future(socket.receive())
    assert (await reading).data == 1001
    assert socket.close_code == 1001


@pytest.mark.parametrize(
    "fault", [faults.Slow(60.0), faults.Stall(), faults.Held(until=9), faults.HalfOpen()], ids=repr
)
async def test_the_exchange_ends_at_once_whatever_is_in_flight(
    client: aiohttp.ClientSession, fault: faults.Fault
) -> None:
    async with asyncio.timeout(5.0), FakeExchange() as exchange:
        exchange.inject(fault, endpoint="cancelAll")
        socket = await client.ws_connect(
            exchange.orders_url, headers={"Authorization": exchange.token}
        )
        await socket.send_json(["cancelAll", {}])
        await until(lambda: exchange.received("cancelAll") == 1)
    assert (await socket.receive()).type is not WSMsgType.TEXT


@frozen
class Gate(faults.Fault):
    """The right answer, when the test says so."""

    now: asyncio.Event = field(factory=asyncio.Event)
    done: asyncio.Event = field(factory=asyncio.Event)

    async def __call__(self, call: faults.Call) -> web.StreamResponse:
        await self.now.wait()
        answer = call.commit()
        self.done.set()
        return faults.respond(answer)


async def test_what_had_arrived_is_done_even_if_the_client_leaves(
    fake_exchange: FakeExchange, socket: Socket
) -> None:
    place(fake_exchange)
    gate = Gate()
    fake_exchange.inject(gate, endpoint="cancelAll")
    await socket.send_json(["cancelAll", {}])
    await socket.close()
    await until(lambda: fake_exchange.sockets == 0)
    gate.now.set()
    await gate.done.wait()
    assert not fake_exchange.open_orders()


async def strike(exchange: FakeExchange, socket: Socket, fault: faults.Fault) -> None:
    """Let a fault strike the cancel of the one order in the book."""
    game_id = place(exchange).game_id
    exchange.inject(fault, endpoint="cancelAllByGame", game_id=game_id)
    await socket.send_json(["cancelAllByGame", {"requestID": "struck", "gameId": game_id}])


COMMITS = [
    faults.Close,
    faults.Reset,
    faults.Stall,
    faults.Unavailable,
    faults.CloseCode,
    faults.HalfOpen,
]


@pytest.mark.parametrize("committed", [False, True])
@pytest.mark.parametrize("fault", COMMITS)
async def test_what_was_asked_is_done_or_not_as_the_fault_says(
    fake_exchange: FakeExchange,
    socket: Socket,
    fault: Callable[..., faults.Fault],
    *,
    committed: bool,
) -> None:
    await strike(fake_exchange, socket, fault(committed=committed))
    await until(lambda: fake_exchange.requests[-1].fault is not None)
    assert bool(fake_exchange.open_orders()) is not committed


@pytest.mark.parametrize(
    "fault",
    [
        faults.Garbage(),
        faults.Oversized(size=1024),
        faults.Respond(b"{}"),
        faults.Truncate(),
        faults.Duplicate(),
        faults.Slow(0.0),
        faults.UnknownID(),
        faults.Wrapped(),
        faults.Held(until=1),
    ],
    ids=repr,
)
async def test_a_fault_of_the_answer_leaves_what_was_asked_done(
    fake_exchange: FakeExchange, socket: Socket, fault: faults.Fault
) -> None:
    await strike(fake_exchange, socket, fault)
    await until(lambda: fake_exchange.requests[-1].fault is not None)
    await until(lambda: not fake_exchange.open_orders())


@pytest.mark.parametrize(
    ("fault", "text"),
    [
        (faults.Unavailable(), "Failed to process cancelAllByGame"),
        (faults.TooManyRequests(), "Too many requests. Please try again later."),
        (faults.Unauthorized(), "unauthorized"),
    ],
    ids=repr,
)
async def test_a_refusal_is_an_error_of_the_message(
    fake_exchange: FakeExchange, socket: Socket, fault: faults.Fault, text: str
) -> None:
    await strike(fake_exchange, socket, fault)
    assert await socket.receive_json() == {"requestID": "struck", "error": text}


@pytest.mark.parametrize("fault", [faults.Close(), faults.Reset(), faults.Truncate()], ids=repr)
async def test_a_connection_ends_in_place_of_an_answer(
    fake_exchange: FakeExchange, socket: Socket, fault: faults.Fault
) -> None:
    await strike(fake_exchange, socket, fault)
    assert (await socket.receive()).type in (WSMsgType.CLOSED, WSMsgType.ERROR)
    assert socket.close_code == 1006


@pytest.mark.parametrize("code", [1000, 1011, 1013, 4001])
async def test_a_close_frame_comes_in_place_of_an_answer(
    fake_exchange: FakeExchange, socket: Socket, code: int
) -> None:
    await strike(fake_exchange, socket, faults.CloseCode(code))
    message = await socket.receive()
    assert (message.type, message.data) == (WSMsgType.CLOSE, code)


async def test_a_message_behind_a_close_frame_is_not_taken(
    fake_exchange: FakeExchange, socket: Socket
) -> None:
    await strike(fake_exchange, socket, faults.CloseCode())
    await until(lambda: fake_exchange.sockets == 0)
    await socket.send_json(["cancelAll", {}])
    await socket.receive()
    await until(lambda: not fake_exchange._sockets._open)
    assert fake_exchange.received("cancelAll") == 0


async def test_a_stalled_message_is_never_answered_and_the_others_are(
    fake_exchange: FakeExchange, socket: Socket
) -> None:
    await strike(fake_exchange, socket, faults.Stall())
    assert (await ask(socket, "heartbeat", requestTimeout=9))["requestID"] == "1"
    with pytest.raises(TimeoutError):
        await socket.receive(timeout=NEVER)


async def test_a_slow_answer_comes_late(fake_exchange: FakeExchange, socket: Socket) -> None:
    began = asyncio.get_running_loop().time()
    await strike(fake_exchange, socket, faults.Slow(NEVER))
    assert (await socket.receive_json())["requestID"] == "struck"
    assert asyncio.get_running_loop().time() - began >= NEVER


async def test_a_duplicate_is_the_same_answer_twice(
    fake_exchange: FakeExchange, socket: Socket
) -> None:
    await strike(fake_exchange, socket, faults.Duplicate())
    first, second = [await socket.receive_str() for _ in range(2)]
    assert first == second
    assert json.loads(first)["requestID"] == "struck"


async def test_garbage_is_a_text_that_is_no_json(
    fake_exchange: FakeExchange, socket: Socket
) -> None:
    await strike(fake_exchange, socket, faults.Garbage())
    with pytest.raises(json.JSONDecodeError):
        json.loads(await socket.receive_str())


@pytest.mark.parametrize("size", [100, 2**12, 2**17])
async def test_an_oversized_answer_is_the_right_one_behind_blanks(
    fake_exchange: FakeExchange, socket: Socket, size: int
) -> None:
    await strike(fake_exchange, socket, faults.Oversized(size=size))
    text = await socket.receive_str()
    assert len(text) > size
    assert len(json.loads(text)["data"]) == 1


@pytest.mark.parametrize(
    ("body", "text"),
    [
        (b'{"data": []}', '{"data": [], "requestID": "struck"}'),
        (b'{"requestID": "other"}', '{"requestID": "struck"}'),
        (b"{}", '{"requestID": "struck"}'),
        (b"[1]", "[1]"),
        (b"no json", "no json"),
        (b"", ""),
    ],
)
async def test_a_given_body_is_sent_under_the_id_if_it_can_have_one(
    fake_exchange: FakeExchange, socket: Socket, body: bytes, text: str
) -> None:
    await strike(fake_exchange, socket, faults.Respond(body))
    assert await socket.receive_str() == text


@pytest.mark.parametrize("size", [0, 125, 126, 2**16 - 1, 2**16])
async def test_a_doubled_answer_is_whole_whatever_its_size(
    fake_exchange: FakeExchange, socket: Socket, size: int
) -> None:
    fake_exchange.inject(faults.Duplicate(), endpoint="cancelAll")
    await socket.send_json(["cancelAll", {"requestID": "x" * size}])
    assert (await socket.receive_json())["requestID"] == "x" * size


async def test_an_answer_can_come_under_an_id_that_nobody_asked_with(
    fake_exchange: FakeExchange, socket: Socket
) -> None:
    await strike(fake_exchange, socket, faults.UnknownID())
    answer = await socket.receive_json()
    assert answer["requestID"] != "struck"
    assert len(answer["data"]) == 1


async def test_an_answer_can_come_in_the_other_documented_form(
    fake_exchange: FakeExchange, socket: Socket
) -> None:
    await strike(fake_exchange, socket, faults.Wrapped())
    answer = await socket.receive_json()
    (inner,) = answer.pop("responses")
    assert answer == {"requestID": "struck"}
    assert (inner["requestID"], len(inner["data"])) == ("struck", 1)


async def test_an_answer_is_held_until_others_went_out(
    fake_exchange: FakeExchange, socket: Socket
) -> None:
    await strike(fake_exchange, socket, faults.Held(until=2))
    for number in range(3):
        await socket.send_json(["heartbeat", {"requestID": number, "requestTimeout": 9}])
    answered = [(await socket.receive_json())["requestID"] for _ in range(4)]
    assert answered[:2] == [0, 1]
    assert "struck" in answered[2:]


async def test_a_half_open_connection_neither_pongs_nor_answers(
    fake_exchange: FakeExchange, connect: Connect
) -> None:
    async with await connect(autoping=False) as socket:
        await strike(fake_exchange, socket, faults.HalfOpen())
        await until(lambda: fake_exchange.requests[-1].fault is not None)
        await socket.ping()
        await socket.send_json(["cancelAll", {"requestID": "1"}])
        with pytest.raises(TimeoutError):
            await socket.receive(timeout=NEVER)
        assert fake_exchange.sockets == 1


async def test_nothing_is_read_on_a_half_open_connection(
    fake_exchange: FakeExchange, socket: Socket, connect: Connect
) -> None:
    await strike(fake_exchange, socket, faults.HalfOpen())
    await until(lambda: fake_exchange.requests[-1].fault is not None)
    await socket.send_json(["cancelAll", {"requestID": "1"}])
    async with await connect() as other:
        assert (await ask(other, "heartbeat", requestTimeout=9))["requestID"] == "1"
    assert fake_exchange.received("cancelAll") == 0


async def test_what_a_half_open_connection_had_read_is_done_and_not_answered(
    fake_exchange: FakeExchange, socket: Socket
) -> None:
    gate = Gate()
    place(fake_exchange)
    fake_exchange.inject(gate, endpoint="cancelAll")
    fake_exchange.inject(faults.HalfOpen(), endpoint="heartbeat")
    await socket.send_json(["cancelAll", {"requestID": "1"}])
    await socket.send_json(["heartbeat", {"requestID": "2"}])
    await until(lambda: fake_exchange.requests[-1].fault == faults.HalfOpen())
    gate.now.set()
    await gate.done.wait()
    assert not fake_exchange.open_orders()
    with pytest.raises(TimeoutError):
        await socket.receive(timeout=NEVER)


async def test_a_fault_strikes_one_connection_and_not_its_neighbour(
    fake_exchange: FakeExchange, socket: Socket, connect: Connect
) -> None:
    async with await connect() as neighbour:
        await strike(fake_exchange, socket, faults.Reset())
        assert (await ask(neighbour, "cancelAll"))["data"] != []


async def test_a_fault_passes_over_messages_and_strikes_as_often_as_it_says(
    fake_exchange: FakeExchange, socket: Socket
) -> None:
    fake_exchange.inject(faults.Unauthorized(), endpoint="cancelAll", after=1, times=2)
    answers = [await ask(socket, "cancelAll") for _ in range(4)]
    assert ["error" in answer for answer in answers] == [False, True, True, False]


@pytest.mark.parametrize(
    "fault",
    [
        faults.Html(),
        faults.Redirect("https://elsewhere.example/"),
        faults.StallBody(),
        faults.DripBody(pause=1.0),
        faults.WrongLength(),
        faults.GzipBomb(size=1),
    ],
    ids=repr,
)
async def test_a_fault_of_http_alone_says_so_and_does_nothing_to_a_message(
    fake_exchange: FakeExchange,
    socket: Socket,
    caplog: pytest.LogCaptureFixture,
    fault: faults.Fault,
) -> None:
    await strike(fake_exchange, socket, fault)
    assert (await socket.receive()).type is WSMsgType.CLOSED
    assert fake_exchange.open_orders()
    assert "strikes HTTP only, not the message cancelAllByGame" in caplog.text


@pytest.mark.parametrize(
    "fault",
    [
        faults.HalfOpen(),
        faults.CloseCode(),
        faults.UnknownID(),
        faults.Wrapped(),
        faults.Held(until=1),
    ],
    ids=repr,
)
async def test_a_fault_of_a_socket_alone_says_so_and_does_nothing_to_a_request(
    fake_exchange: FakeExchange,
    client: aiohttp.ClientSession,
    caplog: pytest.LogCaptureFixture,
    fault: faults.Fault,
) -> None:
    order = place(fake_exchange)
    fake_exchange.inject(fault)
    async with client.post(
        f"{fake_exchange.url}/session/cancelAllOrders",
        headers={"Authorization": fake_exchange.token},
    ) as response:
        assert response.status == 500
    assert order.open
    assert "strikes messages on a WebSocket only, not cancelAllOrders" in caplog.text
