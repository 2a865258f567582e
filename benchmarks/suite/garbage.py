"""What the garbage collector takes from a burst, in a program that holds many objects of its own.

    python -m benchmarks.suite.garbage

Bursts over a warm Orders WebSocket to the mock exchange of the suite, in a process that holds a
million small objects, as a bot does with its books. By turns: with the collector as it is, after
`gc.freeze()`, with a higher threshold, with both, and with the collector off. And how long it takes
to collect everything once, which may fall into any burst, with the million frozen and not.
"""

import argparse
import asyncio
import gc
import os
import random
import time
from collections.abc import Callable, Mapping
from statistics import median

from attrs import frozen

from .child import game_ids
from .clients import Library
from .contestant import Exchange
from .machine import cores
from .mock import ORDERS_PATH, Mock

_AS_IT_IS = gc.get_threshold()
_HIGHER = (50_000, 20, 100)


def as_it_is() -> None:
    """Collect as Python does without being told anything."""
    gc.unfreeze()
    gc.enable()
    gc.set_threshold(*_AS_IT_IS)


def frozen_first() -> None:
    """Leave out what the program holds by now."""
    as_it_is()
    gc.freeze()


def higher() -> None:
    """Collect less often."""
    as_it_is()
    gc.set_threshold(*_HIGHER)


def both() -> None:
    """Do both."""
    frozen_first()
    gc.set_threshold(*_HIGHER)


WAYS: Mapping[str, Callable[[], None]] = {
    "as it is": as_it_is,
    "gc.freeze()": frozen_first,
    f"gc.set_threshold{_HIGHER}": higher,
    "both": both,
    "gc.disable()": gc.disable,
}


@frozen
class Taken:
    """What one burst took, in seconds, and the longest pause of the collector in it."""

    wall: float
    pause: float
    paused: float


class Pauses:
    """How long the collector has held up the program."""

    def __init__(self) -> None:
        self.all: list[float] = []
        self._began = 0.0
        gc.callbacks.append(self._take)

    def _take(self, phase: str, _info: object) -> None:
        if phase == "start":
            self._began = time.perf_counter()
        else:
            self.all.append(time.perf_counter() - self._began)


async def measure(exchange: Exchange, games: int, rounds: int) -> dict[str, list[Taken]]:
    """Measure each way once a round, in a random order."""
    pauses, ids = Pauses(), game_ids(games)
    taken: dict[str, list[Taken]] = {name: [] for name in WAYS}
    client = Library(exchange, socket=True)
    await client.open()
    for _ in range(3):
        await client.cancel(ids, None)
    for _ in range(rounds):
        for name in random.sample(list(WAYS), len(WAYS)):
            as_it_is()
            # What the round before left is nobody's fault.
            gc.collect()
            WAYS[name]()
            # It is collected while it lives, as in a bot that goes on.
            await client.cancel(ids, None)
            pauses.all.clear()
            began = time.perf_counter()
            await client.cancel(ids, None)
            wall = time.perf_counter() - began
            taken[name].append(Taken(wall, max(pauses.all, default=0.0), sum(pauses.all)))
    as_it_is()
    await client.close()
    return taken


def collected(way: Callable[[], None]) -> float:
    """Return the seconds that it takes to collect everything."""
    way()
    began = time.perf_counter()
    gc.collect()
    return time.perf_counter() - began


def main() -> None:
    """Read the options and measure."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--objects", type=int, default=1_000_000)
    parser.add_argument("--games", type=int, default=1000)
    parser.add_argument("--rounds", type=int, default=31)
    options = parser.parse_args()
    for_mock, for_clients = cores()
    with Mock(for_mock) as mock:
        mock.set(orders=10, delay=20)
        if for_clients is not None:
            os.sched_setaffinity(0, {for_clients})
        held = [[str(number)] for number in range(options.objects)]
        # Without TLS, which makes no objects that are collected.
        at = f"127.0.0.1:{mock.plain_port}"
        exchange = Exchange(f"http://{at}", f"ws://{at}{ORDERS_PATH}", "", "0" * 32)
        taken = asyncio.run(measure(exchange, options.games, options.rounds))
        whole = {way.__name__: min(collected(way) for _ in range(5)) for way in (as_it_is, both)}
        as_it_is()
    print(f"{options.games} games, {len(held):,} objects held, {options.rounds} rounds")
    usual = taken["as it is"]
    for name, each in taken.items():
        ratio = median(one.wall / its.wall for one, its in zip(each, usual, strict=True))
        print(
            f"{name:34} {median(one.wall for one in each) * 1e3:7.1f} ms, slowest "
            f"{max(one.wall for one in each) * 1e3:7.1f} ms, x {ratio:.2f}, collector "
            f"{median(one.paused for one in each) * 1e3:5.1f} ms, longest pause "
            f"{max(one.pause for one in each) * 1e3:6.1f} ms"
        )
    print(
        f"to collect everything: {whole['as_it_is'] * 1e3:.1f} ms, "
        f"after gc.freeze() {whole['both'] * 1e3:.1f} ms"
    )


if __name__ == "__main__":
    main()
