"""What a kill needs is there once a session is made: nothing is imported or compiled for it."""

import asyncio
import json
import os
import sys
from pathlib import Path

import pytest

from fourcasters_async.testing import FakeExchange, faults

PROGRAM = Path(__file__).with_name("kill_program.py")
ODD_ROWS = b'{"data": [{"success": false, "error": {"message": "no"}}, {"success": "no"}]}'
ONE_OF_EACH = [
    faults.Reset(),
    faults.Close(committed=True),
    faults.Unavailable(),
    faults.TooManyRequests("0"),
    faults.Garbage(),
    faults.Truncate(),
    faults.Html(),
    faults.Respond(b'{"error": "no"}', 403),
    faults.Respond(ODD_ROWS),
    faults.Redirect("http://127.0.0.1/"),
    faults.Stall(),
]
KILLS = ("cancelAllOrdersForGame", "cancelAllOrders", "cancelAllByGame", "getUnmatched")

pytestmark = pytest.mark.real_time


async def stops(
    exchange: FakeExchange, *, username: str = "", password: str = "", **environment: str
) -> None:
    """Let the program stop its trading, and hold that it had all that it needed."""
    games = [exchange.add_game(orders=3).game_id for _ in range(2)]
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, str(PROGRAM), exchange.url, exchange.orders_url, exchange.token),
        *(username, password, *games),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        env={**os.environ, **environment},
    )
    out, err = await process.communicate()
    assert process.returncode == 0, err.decode()
    document = json.loads(out)
    assert (document["imported"], document["compiled"]) == ([], [])


async def test_a_kill_that_succeeds_loads_nothing(fake_exchange: FakeExchange) -> None:
    await stops(fake_exchange)
    assert not fake_exchange.open_orders()


@pytest.mark.parametrize("environment", [{}, {"HOOK": "1"}], ids=["alone", "with a hook"])
async def test_a_kill_that_meets_every_fault_loads_nothing(
    fake_exchange: FakeExchange, environment: dict[str, str]
) -> None:
    for _ in range(3):
        for fault in ONE_OF_EACH:
            for endpoint in ("ws", None):
                fake_exchange.inject(fault, endpoint=endpoint)
    await stops(fake_exchange, **environment)


@pytest.mark.parametrize(
    "fault",
    [
        faults.Stall(),
        faults.Unauthorized(),
        faults.TooManyRequests(),
        faults.Respond(ODD_ROWS),
        faults.Respond(b'{"error": "no"}', 403),
    ],
    ids=["hangs", "401", "429", "odd rows", "403"],
)
async def test_a_kill_that_fails_throughout_loads_nothing(
    fake_exchange: FakeExchange, fault: faults.Fault
) -> None:
    for endpoint in (
        "cancelAllOrdersForGame",
        "cancelAllOrders",
        "getUnmatched",
        "cancelAllByGame",
    ):
        fake_exchange.inject(fault, endpoint=endpoint, times=None)
    await stops(fake_exchange)


async def test_a_kill_whose_token_is_dead_logs_in_and_loads_nothing(
    fake_exchange: FakeExchange,
) -> None:
    fake_exchange.add_account("bot", "a password")
    fake_exchange.token = "f" * 64
    await stops(fake_exchange, username="bot", password="a password")
    assert fake_exchange.received("login") == 1


async def test_a_kill_without_a_socket_loads_nothing(fake_exchange: FakeExchange) -> None:
    fake_exchange.inject(faults.Reset(), endpoint="ws", times=None)
    await stops(fake_exchange)
    assert not fake_exchange.open_orders()
