"""Serve a FakeExchange in a process of its own: `python -m fourcasters_async.testing`.

Prints one line of JSON (`url`, `orders_url`, `token`, `games`) and serves until its standard input
ends, so that it never outlives who started it.
"""

import argparse
import asyncio
import json
import sys

from fourcasters_async.testing.exchange import FakeExchange


async def _serve(options: argparse.Namespace) -> None:
    async with FakeExchange(latency=options.latency / 1000) as exchange:
        games = [exchange.add_game(orders=options.orders).game_id for _ in range(options.games)]
        served = {
            "url": exchange.url,
            "orders_url": exchange.orders_url,
            "token": exchange.token,
            "games": games,
        }
        print(json.dumps(served), flush=True)
        await asyncio.to_thread(sys.stdin.read)


def main() -> None:
    """Read the options and serve."""
    parser = argparse.ArgumentParser(
        prog="python -m fourcasters_async.testing", description=__doc__
    )
    parser.add_argument("--games", type=int, default=1, help="games in the book")
    parser.add_argument("--orders", type=int, default=10, help="open orders on each game")
    parser.add_argument("--latency", type=float, default=0.0, help="milliseconds an answer takes")
    asyncio.run(_serve(parser.parse_args()))


if __name__ == "__main__":
    main()
