"""What goes out for each verb, and what its answers become."""

import json
from typing import Any

import pytest
from aioresponses import aioresponses as Mocked  # noqa: N812  # it is a class

from fourcasters_async import (
    ApiError,
    AsyncSession,
    AuthenticationError,
    BadRequestError,
    CancelResult,
    ConflictError,
    DecodeError,
    ForbiddenError,
    MarketType,
    NotFoundError,
    OutcomeUnknownError,
    RateLimitedError,
    RetryPolicy,
    ServerError,
)
from fourcasters_async.testing import FakeExchange

BASE = "https://api.4casters.io"
CANCEL = f"{BASE}/session/cancelAllOrdersForGame"
UNMATCHED = f"{BASE}/user/getUnmatched"
GAME = "688c0516fbc14da0c202d426"
ONCE = RetryPolicy(max_attempts=1)


def once() -> AsyncSession:
    return AsyncSession("token", retry=ONCE)


async def test_the_request_is_the_documented_one(
    fake_exchange: FakeExchange, session: AsyncSession
) -> None:
    game = fake_exchange.add_game()
    await session.cancel_all_orders_for_game(game.game_id, type=MarketType.SPREAD)
    (received,) = fake_exchange.requests
    assert (received.method, received.path) == ("POST", "/session/cancelAllOrdersForGame")
    assert received.headers["Authorization"] == f"Bearer {fake_exchange.token}"
    assert received.headers["Content-Type"] == "application/json"
    assert json.loads(received.content) == {"gameID": game.game_id, "type": "spread"}


async def test_a_type_that_is_not_given_is_left_out(
    fake_exchange: FakeExchange, session: AsyncSession
) -> None:
    game = fake_exchange.add_game()
    await session.cancel_all_orders_for_game(game.game_id)
    assert json.loads(fake_exchange.requests[0].content) == {"gameID": game.game_id}


async def test_a_market_type_may_be_given_by_its_value(
    fake_exchange: FakeExchange, session: AsyncSession
) -> None:
    game = fake_exchange.add_game(orders=3)
    (result,) = await session.cancel_all_orders_for_game(game.game_id, "total")
    assert result.success


async def test_a_read_has_no_body(fake_exchange: FakeExchange, session: AsyncSession) -> None:
    await session.account.get_unmatched()
    (received,) = fake_exchange.requests
    assert (received.method, received.path, received.content) == ("GET", "/user/getUnmatched", b"")
    assert "Content-Type" not in received.headers


async def test_every_documented_field_is_decoded(mocked: Mocked) -> None:
    mocked.post(
        CANCEL,
        payload={
            "data": [
                {
                    "success": True,
                    "sessionID": "65b036dfb31407c2b6bc1cfe",
                    "description": "Lakers -3.5 -110",
                    "odds": -110,
                    "filled": 10.5,
                    "offered": 0,
                    "remaining": "89.500000",
                    "gameID": GAME,
                    "userReference": "mine",
                    "somethingNew": {"x": 1},
                }
            ]
        },
    )
    async with once() as session:
        (result,) = await session.cancel_all_orders_for_game(GAME)
    assert result == CancelResult(
        success=True,
        order_id="65b036dfb31407c2b6bc1cfe",
        description="Lakers -3.5 -110",
        odds=-110,
        filled=10.5,
        offered=0.0,
        remaining=89.5,
        game_id=GAME,
        user_reference="mine",
    )


async def test_a_failed_order_is_data_and_not_an_exception(mocked: Mocked) -> None:
    mocked.post(CANCEL, payload={"data": [{"success": False, "reason": "Order already filled"}]})
    async with once() as session:
        results = await session.cancel_all_orders_for_game(GAME)
    assert results == [CancelResult(success=False, reason="Order already filled")]


MALFORMED: dict[str, bytes] = {
    "null data": b'{"data": null}',
    "missing data": b"{}",
    "empty body": b"",
    "white space": b" \n ",
    "html": b"<html>maintenance</html>",
    "json null": b"null",
    "a bare list": b"[]",
    "data is an object": b'{"data": {}}',
    "data is a string": b'{"data": ""}',
    "data is false": b'{"data": false}',
    "an item is null": b'{"data": [null]}',
    "an item is a list": b'{"data": [[]]}',
    "success is a string": b'{"data": [{"success": "false"}]}',
    "success is a true string": b'{"data": [{"success": "true"}]}',
    "success is a number": b'{"data": [{"success": 1}]}',
    "success is null": b'{"data": [{"success": null}]}',
    "success is missing": b'{"data": [{"sessionID": "x"}]}',
    "an order id that is a number": b'{"data": [{"success": true, "sessionID": 1}]}',
    "not a number": b'{"data": [{"success": true, "filled": NaN}]}',
    "an endless number": b'{"data": [{"success": true, "filled": 1e999}]}',
    "a game id that is a number": b'{"data": [{"success": true, "gameID": 7}]}',
    "an error beside data": b'{"data": [{"success": true}], "error": "it failed"}',
    "an error alone": b'{"error": {"message": "it failed", "code": 500}}',
    "half an answer": b'{"data": [{"success": tr',
    "two answers": b'{"data": []}{"data": []}',
    "deep nesting": b'{"data": ' + b"[" * 100_000 + b"]" * 100_000 + b"}",
    "bytes that are no text": b'{"data": [{"success": true, "description": "\xff"}]}',
    "the answer for another game": b'{"data": [{"success": true, "gameID": "another"}]}',
}


@pytest.mark.parametrize("body", MALFORMED.values(), ids=MALFORMED)
async def test_a_malformed_answer_is_unknown_and_never_a_success(
    mocked: Mocked, body: bytes
) -> None:
    mocked.post(CANCEL, body=body)
    async with once() as session:
        with pytest.raises(OutcomeUnknownError):
            await session.cancel_all_orders_for_game(GAME)


async def test_no_orders_to_cancel_is_an_empty_list(mocked: Mocked) -> None:
    mocked.post(CANCEL, payload={"data": []})
    async with once() as session:
        assert await session.cancel_all_orders_for_game(GAME) == []


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (400, BadRequestError),
        (401, AuthenticationError),
        (403, ForbiddenError),
        (404, NotFoundError),
        (409, ConflictError),
        (422, BadRequestError),
        (429, RateLimitedError),
    ],
)
async def test_a_refusal_is_raised_as_what_it_is(
    mocked: Mocked, status: int, kind: type[ApiError]
) -> None:
    mocked.post(CANCEL, status=status, payload={"error": "no"})
    async with once() as session:
        with pytest.raises(kind) as caught:
            await session.cancel_all_orders_for_game(GAME)
    error = caught.value
    assert (error.status, error.message, error.code) == (status, "no", None)
    assert error.endpoint == "POST /session/cancelAllOrdersForGame"


@pytest.mark.parametrize(
    ("body", "message", "code"),
    [
        (b'{"error": "no such game"}', "no such game", None),
        (b'{"error": {"message": "no such game", "code": 404}}', "no such game", 404),
    ],
)
async def test_either_form_of_an_error_is_read(
    mocked: Mocked, body: bytes, message: str, code: int | None
) -> None:
    mocked.post(CANCEL, status=404, body=body)
    async with once() as session:
        with pytest.raises(NotFoundError) as caught:
            await session.cancel_all_orders_for_game(GAME)
    assert (caught.value.message, caught.value.code) == (message, code)


async def test_a_refusal_says_how_long_to_wait(mocked: Mocked) -> None:
    mocked.post(CANCEL, status=429, headers={"Retry-After": "7"})
    async with once() as session:
        with pytest.raises(RateLimitedError) as caught:
            await session.cancel_all_orders_for_game(GAME)
    assert caught.value.retry_after == 7.0


@pytest.mark.parametrize("status", [201, 204, 206, 301, 307, 405, 408, 418, 500, 502, 503, 599])
async def test_any_other_status_leaves_a_cancel_unknown(mocked: Mocked, status: int) -> None:
    mocked.post(CANCEL, status=status, payload={"data": [{"success": True}]})
    async with once() as session:
        with pytest.raises(OutcomeUnknownError) as caught:
            await session.cancel_all_orders_for_game(GAME)
    assert isinstance(caught.value.__cause__, ApiError)
    assert caught.value.attempts == 1


async def test_a_server_error_in_answer_to_a_read_is_that(mocked: Mocked) -> None:
    mocked.get(UNMATCHED, status=503, payload={"error": {"message": "Network Error", "code": 503}})
    async with once() as session:
        with pytest.raises(ServerError) as caught:
            await session.account.get_unmatched()
    assert (caught.value.status, caught.value.code) == (503, 503)


async def test_a_read_says_where_its_answer_is_malformed(mocked: Mocked) -> None:
    orders: list[Any] = [{"id": "a"}, "b"]
    mocked.get(UNMATCHED, payload={"data": {"unmatched": orders}})
    async with once() as session:
        with pytest.raises(DecodeError) as caught:
            await session.account.get_unmatched()
    assert caught.value.path == "$.data.unmatched[1]"
    assert caught.value.path in str(caught.value)


async def test_open_orders_have_every_field_of_the_documented_record(
    fake_exchange: FakeExchange, session: AsyncSession
) -> None:
    game = fake_exchange.add_game()
    placed = fake_exchange.book.place(
        fake_exchange.account, game.game_id, type="spread", odds=105, user_reference="mine"
    )
    fake_exchange.book.fill(placed.order_id, 40.0)
    (order,) = await session.account.get_unmatched()
    assert (order.order_id, order.game_id, order.type) == (
        placed.order_id,
        game.game_id,
        MarketType.SPREAD,
    )
    assert (order.odds, order.spread, order.total) == (105, -3.5, None)
    assert (order.offered, order.filled, order.remaining) == (100.0, 40.0, 60.0)
    assert order.user_reference == "mine"
    assert order.created_at is not None
    assert order.created_at.tzinfo is not None
    assert order.game is not None
    assert [p.home_away for p in order.game.participants] == ["away", "home"]


async def test_a_market_type_that_nobody_knows_keeps_its_string(mocked: Mocked) -> None:
    mocked.get(UNMATCHED, payload={"data": {"unmatched": [{"type": "parlay"}, {"type": "total"}]}})
    async with once() as session:
        orders = await session.account.get_unmatched()
    assert [order.type for order in orders] == ["parlay", MarketType.TOTAL]
