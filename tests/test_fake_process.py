"""The sandbox in a process of its own."""

from typing import Any

import aiohttp
import pytest

from fourcasters_async.testing.process import Sandbox, sandbox

pytestmark = pytest.mark.real_time


async def open_orders(exchange: Sandbox) -> list[Any]:
    headers = {"Authorization": exchange.token}
    async with (
        aiohttp.ClientSession(exchange.url, headers=headers) as client,
        client.get("/user/getUnmatched") as response,
    ):
        answer: dict[str, Any] = await response.json()
    orders: list[Any] = answer["data"]["unmatched"]
    return orders


@pytest.mark.real_time
async def test_a_sandbox_in_a_process_has_the_games_and_orders_that_it_was_asked_for() -> None:
    async with sandbox(games=2, orders=3, latency=0) as exchange:
        games = [order["game"]["id"] for order in await open_orders(exchange)]
    assert games == [game for game in exchange.games for _ in range(3)]


@pytest.mark.real_time
async def test_a_sandbox_in_a_process_ends_with_the_block() -> None:
    async with sandbox(games=1, orders=0, latency=0) as exchange:
        pass
    with pytest.raises(aiohttp.ClientConnectorError):
        await open_orders(exchange)
