"""One client in a process of its own, which does what it is told, line by line.

    python -m benchmarks.suite.child --client socket --loop asyncio < commands

A command is a line of JSON: `games`, `orders` (a game, to check), `cold` (make the client while the
clock runs) and `each` (take the time of each game, which costs a little). The answer is a line too.
"""

import argparse
import asyncio
import gc
import json
import os
import re
import resource
import sys
import time
from collections.abc import Callable
from pathlib import Path

from .clients import CLIENTS
from .contestant import Contestant, Exchange


def quantile(times: list[float], share: float) -> float:
    """Return the time within which this share of the games was answered."""
    return sorted(times)[min(len(times) - 1, int(len(times) * share))]


def game_ids(number: int) -> list[str]:
    """Return `number` game ids."""
    return [f"{0x65B036DF << 64 | game:024x}" for game in range(number)]


def peak() -> float:
    """Return the most memory that this process has had, in MiB."""
    # ru_maxrss would begin with what the parent had when it forked.
    status = Path("/proc/self/status")
    if status.exists():
        return int(re.findall(r"VmHWM:\s+(\d+)", status.read_text())[0]) / 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


async def measured(
    client: Contestant, games: list[str], orders: int, *, cold: bool, each: bool
) -> dict[str, object]:
    """Measure one burst, and check that each game has its orders."""
    times: list[float] = []
    done = times.append if each else None
    gc.collect()
    began, cpu, wall = time.perf_counter_ns(), time.process_time(), time.perf_counter()
    if cold:
        await client.open()
    answer = await client.cancel(games, done)
    ended, spent = time.perf_counter(), time.process_time() - cpu
    if client.orders(answer) != [orders] * len(games):
        raise RuntimeError("the orders are not those of the games")
    if cold:
        await client.close()
    taken = [at - wall for at in times]
    return {
        "began": began,
        "wall": ended - wall,
        "cpu": spent,
        "p50": quantile(taken, 0.5) if taken else None,
        "p99": quantile(taken, 0.99) if taken else None,
        "peak": peak(),
    }


async def serve(make: Callable[[Exchange], Contestant], exchange: Exchange) -> None:
    """Do what the standard input says, until it ends."""
    warm: Contestant | None = None
    print(json.dumps({"peak": peak()}), flush=True)
    loop = asyncio.get_running_loop()
    while line := await loop.run_in_executor(None, sys.stdin.readline):
        command = json.loads(line)
        cold = command["cold"]
        if not cold and warm is None:
            warm = make(exchange)
            await warm.open()
        client = make(exchange) if cold or warm is None else warm
        figures = await measured(
            client, game_ids(command["games"]), command["orders"], cold=cold, each=command["each"]
        )
        print(json.dumps(figures), flush=True)
    if warm is not None:
        await warm.close()


def loop_factory(name: str) -> Callable[[], asyncio.AbstractEventLoop]:
    """Return what makes the event loop: `asyncio`, `eager` or `uvloop`."""
    if name == "uvloop":
        import uvloop  # noqa: PLC0415  # an extra of the benchmarks

        factory: Callable[[], asyncio.AbstractEventLoop] = uvloop.new_event_loop
        return factory

    def make() -> asyncio.AbstractEventLoop:
        loop = asyncio.new_event_loop()
        if name == "eager" and sys.version_info >= (3, 12):
            loop.set_task_factory(asyncio.eager_task_factory)
        return loop

    return make


def main() -> None:
    """Read the options and serve."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--client", choices=CLIENTS, required=True)
    parser.add_argument("--loop", choices=("asyncio", "eager", "uvloop"), default="asyncio")
    parser.add_argument("--url", required=True)
    parser.add_argument("--orders-url", required=True)
    options = parser.parse_args()
    exchange = Exchange(options.url, options.orders_url, os.environ["SSL_CERT_FILE"], "0" * 32)
    with asyncio.Runner(loop_factory=loop_factory(options.loop)) as runner:
        runner.run(serve(CLIENTS[options.client], exchange))


if __name__ == "__main__":
    main()
