"""The example of aiohttp.web, as the program that it is."""

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from json import loads
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from support import free_port

from fourcasters_async.testing import FakeExchange, faults

if sys.platform == "win32":
    pytest.skip("Windows sends a process no signals", allow_module_level=True)

pytestmark = pytest.mark.real_time
PROGRAM = Path(__file__).parents[1] / "examples" / "aiohttp_web" / "kill_switch.py"


@asynccontextmanager
async def serving(exchange: FakeExchange) -> AsyncIterator[str]:
    """Run the program, give its address, and end it with a SIGTERM and status 0."""
    port = free_port()
    settings = {
        "FOURCASTERS_TOKEN": exchange.token,
        "FOURCASTERS_BASE_URL": exchange.url,
        "PORT": str(port),
        "PYTHONUNBUFFERED": "1",
    }
    process = await asyncio.create_subprocess_exec(
        sys.executable, PROGRAM, stdout=asyncio.subprocess.PIPE, env={**os.environ, **settings}
    )
    try:
        assert process.stdout is not None
        assert await process.stdout.readline() == f"at {exchange.url}\n".encode()
        assert b"Running" in await process.stdout.readline()
        yield f"http://127.0.0.1:{port}/halt"
        process.send_signal(signal.SIGTERM)
        assert await process.wait() == 0
    finally:
        if process.returncode is None:
            process.kill()
        await process.communicate()


async def post(url: str, games: list[str] | None = None, site: str = "") -> tuple[int, Any]:
    json = None if games is None else {"games": games}
    headers = {"Sec-Fetch-Site": site} if site else {}
    async with (
        aiohttp.ClientSession() as user,
        user.post(url, json=json, headers=headers) as response,
    ):
        text = await response.text()
        return response.status, loads(text) if response.ok else text


async def test_it_halts_the_games_that_are_named(fake_exchange: FakeExchange) -> None:
    game, other = (fake_exchange.add_game(orders=3) for _ in range(2))
    async with serving(fake_exchange) as halt:
        status, told = await post(halt, [game.game_id])
        assert (status, told["clear"], told["unsettled"]) == (200, True, {})
        assert not fake_exchange.open_orders(game.game_id)
        assert len(fake_exchange.open_orders(other.game_id)) == 3


async def test_it_halts_everything_without_a_body(fake_exchange: FakeExchange) -> None:
    fake_exchange.add_game(orders=3)
    async with serving(fake_exchange) as halt:
        assert (await post(halt))[1]["clear"] is True
        assert not fake_exchange.open_orders()


async def test_it_says_why_a_game_is_not_known_to_be_clear(fake_exchange: FakeExchange) -> None:
    game = fake_exchange.add_game(orders=3).game_id
    async with serving(fake_exchange) as halt:
        fake_exchange.inject(faults.Unavailable(), game_id=game, times=None)
        _, told = await post(halt, [game])
        assert told["clear"] is False
        assert list(told["unsettled"]) == [game]
        fake_exchange.clear_faults()


async def test_a_page_of_another_site_cannot_use_it(fake_exchange: FakeExchange) -> None:
    fake_exchange.add_game(orders=3)
    async with serving(fake_exchange) as halt:
        assert (await post(halt, site="cross-site"))[0] == 403
        assert len(fake_exchange.open_orders()) == 3


async def test_games_that_are_no_games_are_a_bad_request(fake_exchange: FakeExchange) -> None:
    async with serving(fake_exchange) as halt:
        assert (await post(halt, [""]))[0] == 400


async def test_one_signal_ends_it_flat(fake_exchange: FakeExchange) -> None:
    fake_exchange.add_game(orders=3)
    async with serving(fake_exchange):
        assert len(fake_exchange.open_orders()) == 3
    assert not fake_exchange.open_orders()
