"""A FakeExchange in a process of its own, so that it takes no time from its client's event loop."""

import argparse
import asyncio
import json
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from attrs import frozen

from fourcasters_async.testing.exchange import FakeExchange

# The line that names the games is long if there are many.
_LONGEST_LINE = 2**24


@frozen
class Sandbox:
    """A sandbox exchange that is running: its addresses, a token for it, and its games' ids."""

    url: str
    orders_url: str
    token: str
    games: list[str]


@asynccontextmanager
async def sandbox(*, games: int, orders: int, latency: float) -> AsyncIterator[Sandbox]:
    """Run an exchange in another process for the length of the block.

    It has `games` games with `orders` open orders on each, and answers after `latency`
    milliseconds.
    """
    options = {"--games": games, "--orders": orders, "--latency": latency}
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "fourcasters_async.testing",
        *[str(word) for option in options.items() for word in option],
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        limit=_LONGEST_LINE,
    )
    try:
        ready = json.loads(await process.stdout.readline()) if process.stdout else {}
        yield Sandbox(ready["url"], ready["orders_url"], ready["token"], ready["games"])
    finally:
        # The process ends when its standard input does.
        await process.communicate(b"")


def main() -> None:
    """Serve an exchange until standard input ends.

    Prints one line of JSON first: `url`, `orders_url`, `token` and `games`. Standard input ends
    with the process that started this one, so the exchange never outlives it.
    """
    parser = argparse.ArgumentParser(
        prog="python -m fourcasters_async.testing", description="Serve a sandbox exchange."
    )
    parser.add_argument("--games", type=int, default=1, help="number of games")
    parser.add_argument("--orders", type=int, default=10, help="open orders on each game")
    parser.add_argument("--latency", type=float, default=0.0, help="milliseconds before an answer")
    options = parser.parse_args()
    asyncio.run(_serve(games=options.games, orders=options.orders, latency=options.latency))


async def _serve(*, games: int, orders: int, latency: float) -> None:
    async with FakeExchange(latency=latency / 1000) as exchange:
        ready = {
            "url": exchange.url,
            "orders_url": exchange.orders_url,
            "token": exchange.token,
            "games": [exchange.add_game(orders=orders).game_id for _ in range(games)],
        }
        sys.stdout.write(f"{json.dumps(ready)}\n")
        sys.stdout.flush()
        await asyncio.to_thread(sys.stdin.read)
