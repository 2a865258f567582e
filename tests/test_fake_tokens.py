"""How the sandbox signs in, and how it replaces tokens that are past their life."""

from collections.abc import AsyncIterator

import aiohttp
import pytest
from fake_client import ask

from fourcasters_async.testing import FakeExchange
from fourcasters_async.testing.rest import TOKEN_LIFE

ME = "GET /user/getMe"
INVALID = {"error": {"message": "InvalidCredentials", "code": 401}}


@pytest.fixture
async def strict() -> AsyncIterator[FakeExchange]:
    async with FakeExchange(strict_rotation=True) as exchange:
        yield exchange


@pytest.mark.parametrize("token", ["", "unknown"])
async def test_a_token_that_is_missing_or_unknown_is_refused_in_the_object_form(
    fake_exchange: FakeExchange, token: str
) -> None:
    response = await ask(fake_exchange, ME, token=token)
    assert (response.status, response.document) == (401, INVALID)


async def test_a_young_token_is_not_replaced(strict: FakeExchange) -> None:
    strict.move_clock(TOKEN_LIFE - 3600)
    assert "X-Auth-Token" not in (await ask(strict, ME)).headers


async def test_a_token_past_its_life_is_served_and_replaced(strict: FakeExchange) -> None:
    strict.move_clock(TOKEN_LIFE)
    response = await ask(strict, ME)
    assert response.data["user"]["username"] == strict.account
    assert (await ask(strict, ME, token=response.headers["X-Auth-Token"])).status == 200


async def test_a_token_that_was_replaced_stops_working_at_once(strict: FakeExchange) -> None:
    strict.move_clock(TOKEN_LIFE)
    await ask(strict, ME)
    response = await ask(strict, ME)
    assert (response.status, response.document) == (401, INVALID)
    assert "X-Auth-Token" not in response.headers


async def test_a_token_is_replaced_by_a_request_that_is_refused_too(strict: FakeExchange) -> None:
    strict.move_clock(TOKEN_LIFE)
    response = await ask(strict, "GET /user/getOrdersForGame", gameID="f" * 24)
    assert response.status == 404
    assert (await ask(strict, ME, token=response.headers["X-Auth-Token"])).status == 200


async def test_a_token_that_was_replaced_in_a_handshake_stops_working_at_once(
    strict: FakeExchange,
) -> None:
    strict.move_clock(TOKEN_LIFE)
    headers = {"Authorization": strict.token}
    async with (
        aiohttp.ClientSession(headers=headers) as client,
        client.ws_connect(strict.orders_url),
    ):
        assert (await ask(strict, ME)).status == 401


async def test_without_strict_rotation_the_old_token_is_served_on(
    fake_exchange: FakeExchange,
) -> None:
    fake_exchange.move_clock(TOKEN_LIFE)
    fresh = [(await ask(fake_exchange, ME)).headers["X-Auth-Token"] for _ in range(2)]
    assert len(set(fresh)) == 2


async def test_a_token_past_its_life_can_be_logged_out(strict: FakeExchange) -> None:
    strict.move_clock(TOKEN_LIFE)
    response = await ask(strict, "POST /user/logout")
    assert response.status == 200
    assert "X-Auth-Token" not in response.headers
