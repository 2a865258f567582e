"""Which requests a fault of the sandbox strikes, and what can be asked of what was received."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import pytest
from fake_client import ask, moneyline, place

from fourcasters_async.testing import FakeExchange, faults

NOWHERE = "f" * 24


@pytest.fixture
async def socket(fake_exchange: FakeExchange) -> AsyncIterator[aiohttp.ClientWebSocketResponse]:
    headers = {"Authorization": fake_exchange.token}
    async with (
        aiohttp.ClientSession(headers=headers) as client,
        client.ws_connect(fake_exchange.orders_url) as socket,
    ):
        yield socket


@pytest.fixture
def game(fake_exchange: FakeExchange) -> str:
    return fake_exchange.add_game(orders=1).game_id


@pytest.fixture
def other(fake_exchange: FakeExchange) -> str:
    return fake_exchange.add_game(orders=1).game_id


def requests(exchange: FakeExchange, game: str) -> list[tuple[str, dict[str, Any]]]:
    """Every way to name a game over REST, by itself or by an order on it."""
    (order,) = exchange.open_orders(game)
    order_id, in_query = order.order_id, {"gameID": game, "userReference": "mine"}
    return [
        ("POST /session/v3/place", {"orders": [moneyline(exchange, game)]}),
        ("POST /session/editOrder", {"sessionID": order_id, "orderOdds": 120, "orderVolume": 5}),
        ("POST /session/v4/editOrder", {"sessionID": order_id, "orderOdds": 120, "orderVolume": 5}),
        ("POST /session/cancel", {"sessionID": order_id}),
        ("POST /session/cancelMultiple", {"sessionIDs": [order_id]}),
        ("GET /session/lookupOrder", {"orderID": order_id}),
        ("POST /session/cancelAllOrdersForGame", {"gameID": game}),
        ("POST /session/cancelByReference", {"gameID": game, "userReferences": []}),
        ("GET /user/getOrdersForGame", {"gameID": game}),
        ("GET /user/getBetByUserReference", in_query),
    ]


@pytest.mark.parametrize("which", range(10))
async def test_a_fault_for_a_game_strikes_a_request_about_it_and_not_one_about_another(
    fake_exchange: FakeExchange, game: str, other: str, which: int
) -> None:
    fake_exchange.inject(faults.Unavailable(), game_id=game, times=None)
    answered = []
    for each in (other, game):
        route, fields = requests(fake_exchange, each)[which]
        answered.append((await ask(fake_exchange, route, **fields)).status)
    assert answered == [200, 503]


async def test_a_fault_for_a_game_strikes_a_place_of_several_orders_of_which_one_is_on_it(
    fake_exchange: FakeExchange, game: str, other: str
) -> None:
    fake_exchange.inject(faults.Unavailable(), game_id=game)
    orders = [moneyline(fake_exchange, each) for each in (other, game)]
    assert (await ask(fake_exchange, "POST /session/v3/place", orders=orders)).status == 503


@pytest.mark.parametrize("type_", ["placeV3", "cancelById", "cancelMultiple", "cancelAllByGame"])
async def test_a_fault_for_a_game_strikes_a_message_about_it_and_not_one_about_another(
    fake_exchange: FakeExchange,
    socket: aiohttp.ClientWebSocketResponse,
    game: str,
    other: str,
    type_: str,
) -> None:
    fake_exchange.inject(faults.Unauthorized(), game_id=game, times=None)
    answers = []
    for each in (other, game):
        (order,) = fake_exchange.open_orders(each)
        payloads = {
            "placeV3": {"orders": [{"gameId": each}]},
            "cancelById": {"orderId": order.order_id},
            "cancelMultiple": {"orderIDs": [NOWHERE, order.order_id]},
            "cancelAllByGame": {"gameId": each},
        }
        await socket.send_json([type_, payloads[type_]])
        answers.append((await socket.receive_json()).get("error"))
    assert answers == [None, "unauthorized"]


@pytest.mark.parametrize(
    "fields",
    [{"orders": 7}, {"orders": [7]}, {"sessionIDs": 7}, {"sessionID": []}, {"gameID": {}}],
    ids=str,
)
async def test_a_request_that_names_no_game_that_can_be_read_is_about_none(
    fake_exchange: FakeExchange, game: str, fields: dict[str, Any]
) -> None:
    await ask(fake_exchange, "POST /session/cancelAllOrders", **fields)
    assert fake_exchange.requests[-1].games == frozenset()


async def test_what_was_received_about_a_game_is_counted(
    fake_exchange: FakeExchange, game: str, other: str
) -> None:
    await place(fake_exchange, game)
    await place(fake_exchange, other)
    assert fake_exchange.received(game_id=game) == 1
    assert fake_exchange.received("place") == 2


async def test_a_fault_that_struck_as_often_as_it_should_is_no_error(
    fake_exchange: FakeExchange,
) -> None:
    fake_exchange.inject(faults.Unauthorized(), times=2)
    for _ in range(3):
        await ask(fake_exchange, "GET /user/getMe")
    fake_exchange.assert_all_faults_struck()


@pytest.mark.parametrize("times", [1, None])
async def test_a_fault_that_never_struck_is_named(
    fake_exchange: FakeExchange, times: int | None
) -> None:
    fake_exchange.inject(faults.Unauthorized(), endpoint="getMe", times=times)
    fake_exchange.inject(faults.Stall(committed=True), endpoint="place", times=times)
    await ask(fake_exchange, "GET /user/getMe")
    with pytest.raises(AssertionError) as caught:
        fake_exchange.assert_all_faults_struck()
    wanted = "at least 1" if times is None else "1"
    assert str(caught.value).startswith(
        f"Stall(committed=True) on endpoint='place', game_id=None struck 0 of {wanted};"
    )


async def test_a_fault_that_struck_too_seldom_is_named(fake_exchange: FakeExchange) -> None:
    fake_exchange.inject(faults.Unauthorized(), game_id=NOWHERE, times=2)
    await ask(fake_exchange, "POST /session/cancelAllOrdersForGame", gameID=NOWHERE)
    with pytest.raises(AssertionError, match=f"game_id='{NOWHERE}' struck 1 of 2"):
        fake_exchange.assert_all_faults_struck()


async def test_a_fault_that_is_always_there_must_strike_once(fake_exchange: FakeExchange) -> None:
    fake_exchange.inject(faults.Unauthorized(), times=None)
    await ask(fake_exchange, "GET /user/getMe")
    fake_exchange.assert_all_faults_struck()


async def test_a_fault_that_was_taken_back_need_not_strike(fake_exchange: FakeExchange) -> None:
    fake_exchange.inject(faults.Unauthorized())
    fake_exchange.clear_faults()
    fake_exchange.assert_all_faults_struck()


async def test_a_request_that_was_received_is_not_waited_for(fake_exchange: FakeExchange) -> None:
    await ask(fake_exchange, "GET /user/getMe")
    fake_exchange.requests.clear()
    # It ends without a turn of the loop, in which the time-out would strike.
    async with asyncio.timeout(0):
        await fake_exchange.wait_for("getMe")


async def test_waiting_ends_with_the_last_of_the_requests_that_are_waited_for(
    fake_exchange: FakeExchange,
) -> None:
    waiting = asyncio.create_task(fake_exchange.wait_for("getMe", 2))
    await ask(fake_exchange, "GET /user/getMe")
    await ask(fake_exchange, "GET /user/getUnmatched")
    assert not waiting.done()
    await ask(fake_exchange, "GET /user/getMe")
    await waiting


async def test_waiting_ends_when_a_request_is_received_and_not_when_it_is_answered(
    fake_exchange: FakeExchange,
) -> None:
    fake_exchange.inject(faults.Stall())
    asking = asyncio.create_task(ask(fake_exchange, "GET /user/getMe"))
    await fake_exchange.wait_for("getMe")
    assert not asking.done()
    asking.cancel()
    await asyncio.wait([asking])


async def test_a_request_about_another_game_does_not_end_waiting(
    fake_exchange: FakeExchange, game: str, other: str
) -> None:
    waiting = asyncio.create_task(fake_exchange.wait_for("place", game_id=game))
    await place(fake_exchange, other)
    assert not waiting.done()
    await place(fake_exchange, game)
    await waiting


async def test_a_message_can_be_waited_for(
    fake_exchange: FakeExchange, socket: aiohttp.ClientWebSocketResponse
) -> None:
    await socket.send_json(["cancelAll", {}])
    await fake_exchange.wait_for("cancelAll")
    assert fake_exchange.received("cancelAll") == 1
