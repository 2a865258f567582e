"""How the sandbox signs in, and how it replaces tokens that are past their life."""

import re

import aiohttp
import pytest
from fake_client import ask, moneyline

from fourcasters_async.testing import FakeExchange
from fourcasters_async.testing.rest import TOKEN_LIFE

ME = "GET /user/getMe"
INVALID = {"error": {"message": "InvalidCredentials", "code": 401}}


@pytest.mark.parametrize("token", ["", "unknown"])
async def test_a_token_that_is_missing_or_unknown_is_refused_in_the_object_form(
    fake_exchange: FakeExchange, token: str
) -> None:
    response = await ask(fake_exchange, ME, token=token)
    assert (response.status, response.document) == (401, INVALID)


async def test_a_young_token_is_not_replaced(fake_exchange: FakeExchange) -> None:
    fake_exchange.move_clock(TOKEN_LIFE - 3600)
    assert "X-Auth-Token" not in (await ask(fake_exchange, ME)).headers


async def test_a_token_past_its_life_is_served_and_replaced(fake_exchange: FakeExchange) -> None:
    fake_exchange.move_clock(TOKEN_LIFE)
    response = await ask(fake_exchange, ME)
    assert response.data["user"]["username"] == fake_exchange.account
    assert (await ask(fake_exchange, ME, token=response.headers["X-Auth-Token"])).status == 200


async def test_a_token_that_was_replaced_stops_working_at_once(fake_exchange: FakeExchange) -> None:
    fake_exchange.move_clock(TOKEN_LIFE)
    await ask(fake_exchange, ME)
    response = await ask(fake_exchange, ME)
    assert (response.status, response.document) == (401, INVALID)
    assert "X-Auth-Token" not in response.headers


async def test_a_token_is_replaced_by_a_request_that_is_refused_too(
    fake_exchange: FakeExchange,
) -> None:
    fake_exchange.move_clock(TOKEN_LIFE)
    response = await ask(fake_exchange, "GET /user/getOrdersForGame", gameID="f" * 24)
    assert response.status == 404
    assert (await ask(fake_exchange, ME, token=response.headers["X-Auth-Token"])).status == 200


async def test_a_handshake_with_a_token_past_its_life_does_not_replace_it(
    fake_exchange: FakeExchange,
) -> None:
    fake_exchange.move_clock(TOKEN_LIFE)
    headers = {"Authorization": fake_exchange.token}
    async with (
        aiohttp.ClientSession(headers=headers) as client,
        client.ws_connect(fake_exchange.orders_url) as socket,
    ):
        assert "X-Auth-Token" not in socket._response.headers
        assert (await ask(fake_exchange, ME)).status == 200


async def test_a_wrong_password_is_refused_in_the_object_form(fake_exchange: FakeExchange) -> None:
    response = await ask(
        fake_exchange, "POST /user/login", username=fake_exchange.account, password="wrong"
    )
    assert (response.status, response.document) == (401, INVALID)


async def test_a_token_past_its_life_can_be_logged_out(fake_exchange: FakeExchange) -> None:
    fake_exchange.move_clock(TOKEN_LIFE)
    response = await ask(fake_exchange, "POST /user/logout")
    assert response.status == 200
    assert "X-Auth-Token" not in response.headers


async def asked_without_a_header(
    exchange: FakeExchange, path: str, headers: dict[str, str], **body: object
) -> aiohttp.ClientResponse:
    async with (
        aiohttp.ClientSession(exchange.url, headers=headers) as client,
        client.post(path, json=body) as response,
    ):
        await response.read()
        return response


async def test_a_token_in_the_body_stands_for_the_header(fake_exchange: FakeExchange) -> None:
    order = moneyline(fake_exchange, fake_exchange.add_game().game_id)
    response = await asked_without_a_header(
        fake_exchange, "/session/v3/place", {}, token=fake_exchange.token, orders=[order]
    )
    assert response.status == 200
    assert len(fake_exchange.open_orders()) == 1
    assert fake_exchange.requests[-1].account == fake_exchange.account


@pytest.mark.parametrize("token", ["unknown", None, 7, ["{}"]], ids=str)
async def test_a_token_in_the_body_that_is_none_is_refused(
    fake_exchange: FakeExchange, token: object
) -> None:
    response = await asked_without_a_header(fake_exchange, "/user/getme", {}, token=token)
    assert (response.status, await response.json()) == (401, INVALID)


async def test_a_header_wins_over_a_token_in_the_body(fake_exchange: FakeExchange) -> None:
    headers = {"Authorization": "unknown"}
    response = await asked_without_a_header(
        fake_exchange, "/user/getme", headers, token=fake_exchange.token
    )
    assert response.status == 401


async def test_a_token_in_the_body_past_its_life_is_replaced(fake_exchange: FakeExchange) -> None:
    fake_exchange.move_clock(TOKEN_LIFE)
    response = await asked_without_a_header(
        fake_exchange, "/user/getme", {}, token=fake_exchange.token
    )
    assert (await ask(fake_exchange, ME, token=response.headers["X-Auth-Token"])).status == 200


async def test_the_account_is_shown_at_an_older_address_too(fake_exchange: FakeExchange) -> None:
    older = await ask(fake_exchange, "POST /user/getme")
    assert older.document == (await ask(fake_exchange, ME)).document


async def test_the_time_of_the_exchange_has_nanoseconds(fake_exchange: FakeExchange) -> None:
    fake_exchange.move_clock(24 * 3600.0)
    beat = await ask(fake_exchange, "POST /user/ordersHeartbeat", timeout=30)
    assert re.fullmatch(r"2026-01-02T00:00:\d\d\.\d{9}Z", beat.data["serverTime"])
