"""Compare the fan-out with the same requests written by hand.

    python benchmarks/rest_fanout.py
    python benchmarks/rest_fanout.py --games 300 --orders 10 --latency 20 --no-tls

The contestants take turns, in an order drawn anew for each round, on one server in a process of
its own (`server.py`). The clock runs from the call until every record is there, typed. All of
them have a pool of 100 connections:

- `library`: `AsyncSession.cancel_all_orders_for_games` with all that it does;
- `by hand`: aiohttp, `asyncio.gather`, `response.json()` and a generated cattrs hook;
- `by hand, tuned`: no cookie jar, orjson both ways, no detailed validation.

The tables show medians over the rounds. `x ideal` counts in what the server alone would take.
`CPU` is the client's own time a request. The ratios are medians of the ratios within each round.
"""

import argparse
import asyncio
import gc
import json
import platform
import random
import secrets
import ssl
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from math import ceil
from pathlib import Path
from statistics import median
from typing import TypeVar

import aiohttp
import orjson
from attrs import frozen
from cattrs import Converter
from cattrs.gen import make_dict_structure_fn, override

from fourcasters_async import AsyncSession, CancelResult, RateLimit

_T = TypeVar("_T")

_PATH = "/session/cancelAllOrdersForGame"
_CONNECTIONS = 100
_WARM_UPS = 2
_GROWTH = (100, 300, 1000)
# Seconds in which a closed pool's connections go, at both ends, before the next one is timed.
_REST = 0.03
_HEADINGS = ("median ms", "fastest", "slowest", "x ideal", "CPU us/request")
_AUTHORIZATION = {"Authorization": f"Bearer {secrets.token_hex(16)}"}


@frozen
class Server:
    """Where the server is, and whom to trust there."""

    url: str
    tls: ssl.SSLContext | None

    def connector(self) -> aiohttp.TCPConnector:
        """Return a pool of connections to it, still empty."""
        return aiohttp.TCPConnector(limit=_CONNECTIONS, ssl=self.tls or True)


@frozen
class Timing:
    """What one round took: seconds on the clock, and CPU seconds a request."""

    wall: float
    cpu: float


_Cancel = Callable[[Sequence[str]], Awaitable[list[CancelResult]]]
_Contestant = Callable[[Server], AbstractAsyncContextManager[_Cancel]]


@asynccontextmanager
async def library(server: Server) -> AsyncIterator[_Cancel]:
    """Cancel with this library."""
    async with AsyncExitStack() as stack:
        client = None
        if server.tls is not None:
            client = await stack.enter_async_context(
                aiohttp.ClientSession(
                    connector=server.connector(), cookie_jar=aiohttp.DummyCookieJar()
                )
            )
        session = await stack.enter_async_context(
            AsyncSession(
                secrets.token_hex(16),
                base_url=server.url,
                client_session=client,
                # The rounds together send more in a minute than the exchange allows.
                rate_limit=RateLimit(requests=10**9, reserve=0),
            )
        )

        async def cancel(games: Sequence[str]) -> list[CancelResult]:
            report = await session.cancel_all_orders_for_games(games)
            report.raise_for_unsettled()
            return report.results

        yield cancel


@asynccontextmanager
async def by_hand(server: Server) -> AsyncIterator[_Cancel]:
    """Cancel as most would write it."""
    converter = _converter(detailed_validation=True)

    async def cancel_one(client: aiohttp.ClientSession, game_id: str) -> list[CancelResult]:
        async with client.post(
            f"{server.url}{_PATH}", json={"gameID": game_id}, headers=_AUTHORIZATION
        ) as response:
            response.raise_for_status()
            answer = await response.json()
        return converter.structure(answer["data"], list[CancelResult])

    async with aiohttp.ClientSession(connector=server.connector()) as client:
        yield lambda games: _gather(cancel_one(client, game_id) for game_id in games)


@asynccontextmanager
async def by_hand_tuned(server: Server) -> AsyncIterator[_Cancel]:
    """Cancel as one would write it who has measured."""
    converter = _converter(detailed_validation=False)
    headers = {**_AUTHORIZATION, "Content-Type": "application/json"}
    url = f"{server.url}{_PATH}"

    async def cancel_one(client: aiohttp.ClientSession, content: bytes) -> list[CancelResult]:
        async with client.post(url, data=content, headers=headers) as response:
            response.raise_for_status()
            answer = orjson.loads(await response.read())
        return converter.structure(answer["data"], list[CancelResult])

    async with aiohttp.ClientSession(
        connector=server.connector(), cookie_jar=aiohttp.DummyCookieJar()
    ) as client:
        yield lambda games: _gather(
            cancel_one(client, orjson.dumps({"gameID": game_id})) for game_id in games
        )


CONTESTANTS: Mapping[str, _Contestant] = {
    "library": library,
    "by hand": by_hand,
    "by hand, tuned": by_hand_tuned,
}


async def warm(
    server: Server, games: Sequence[str], orders: int, rounds: int
) -> dict[str, list[Timing]]:
    """Time the contestants on pools whose connections stand."""
    timings: dict[str, list[Timing]] = {name: [] for name in CONTESTANTS}
    async with AsyncExitStack() as stack:
        cancels = {
            name: await stack.enter_async_context(contestant(server))
            for name, contestant in CONTESTANTS.items()
        }
        for _ in range(_WARM_UPS + rounds):
            for name in _shuffled(CONTESTANTS):
                timings[name].append(await timed(cancels[name], games, orders))
    return {name: taken[_WARM_UPS:] for name, taken in timings.items()}


async def cold(
    server: Server, games: Sequence[str], orders: int, rounds: int
) -> dict[str, list[Timing]]:
    """Time the contestants with a new pool each time."""
    timings: dict[str, list[Timing]] = {name: [] for name in CONTESTANTS}
    for _ in range(_WARM_UPS + rounds):
        for name in _shuffled(CONTESTANTS):
            async with CONTESTANTS[name](server) as cancel:
                timings[name].append(await timed(cancel, games, orders))
            await asyncio.sleep(_REST)
    return {name: taken[_WARM_UPS:] for name, taken in timings.items()}


async def growth(server: Server, orders: int, rounds: int) -> dict[int, list[Timing]]:
    """Time the library at several numbers of games, on one pool whose connections stand."""
    timings: dict[int, list[Timing]] = {games: [] for games in _GROWTH}
    async with library(server) as cancel:
        for _ in range(_WARM_UPS + rounds):
            for games in _shuffled(_GROWTH):
                timings[games].append(await timed(cancel, game_ids(games), orders))
    return {games: taken[_WARM_UPS:] for games, taken in timings.items()}


async def timed(cancel: _Cancel, games: Sequence[str], orders: int) -> Timing:
    """Time one fan-out, and see that it brought every record."""
    gc.collect()
    cpu, wall = time.process_time(), time.perf_counter()
    results = await cancel(games)
    wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
    if [result.game_id for result in results] != [game for game in games for _ in range(orders)]:
        raise RuntimeError("the records are not those of the games")
    return Timing(wall, cpu / len(games))


def game_ids(number: int) -> list[str]:
    """Return the ids of so many games."""
    return [f"{0x65B036DF << 64 | game:024x}" for game in range(number)]


def comparison(
    title: str, timings: Mapping[str, Sequence[Timing]], ideal: float
) -> list[Sequence[str]]:
    """Return the rows of the table that compares the contestants. `ideal` is in seconds."""
    rows: list[Sequence[str]] = [(title, *_HEADINGS, "time / by hand", "CPU / by hand")]
    by_hand = timings["by hand"]
    for name, taken in timings.items():
        pairs = list(zip(taken, by_hand, strict=True))
        ratios = (
            f"{median(mine.wall / other.wall for mine, other in pairs):.2f}",
            f"{median(mine.cpu / other.cpu for mine, other in pairs):.2f}",
        )
        rows.append((name, *_cells(taken, ideal), *ratios))
    return rows


def grown(timings: Mapping[int, Sequence[Timing]], latency: float) -> list[Sequence[str]]:
    """Return the rows of the table of the library alone. `latency` is in seconds."""
    rows: list[Sequence[str]] = [("library, warm pool, by games", *_HEADINGS)]
    for games, taken in timings.items():
        rows.append((str(games), *_cells(taken, ideal_for(games, latency))))
    return rows


def ideal_for(games: int, latency: float) -> float:
    """Return the seconds that the server alone takes: one latency for each poolful of games."""
    return ceil(games / _CONNECTIONS) * latency


def _cells(taken: Sequence[Timing], ideal: float) -> Sequence[str]:
    walls = [timing.wall for timing in taken]
    return (
        f"{median(walls) * 1e3:.1f}",
        f"{min(walls) * 1e3:.1f}",
        f"{max(walls) * 1e3:.1f}",
        f"{median(walls) / ideal:.2f}" if ideal else "-",
        f"{median(timing.cpu for timing in taken) * 1e6:.0f}",
    )


def show(rows: Sequence[Sequence[str]]) -> None:
    """Print a table, the first column to the left and numbers to the right."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for first, *others in rows:
        cells = [cell.rjust(width) for cell, width in zip(others, widths[1:], strict=True)]
        print("  ".join((first.ljust(widths[0]), *cells)))
    print(flush=True)


@asynccontextmanager
async def started(options: argparse.Namespace) -> AsyncIterator[Server]:
    """Run the server in a process of its own, for as long as the block takes."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        str(Path(__file__).with_name("server.py")),
        f"--latency={options.latency}",
        f"--orders={options.orders}",
        *(["--tls"] if options.tls else []),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
    )
    if process.stdin is None or process.stdout is None:
        raise RuntimeError("the server has no pipes")
    try:
        told = json.loads(await process.stdout.readline())
        tls = ssl.create_default_context(cafile=told["ca"]) if options.tls else None
        yield Server(told["url"], tls)
    finally:
        process.stdin.close()
        await process.wait()


async def run(options: argparse.Namespace) -> None:
    """Measure, and print a table as soon as it is known."""
    latency = options.latency / 1000
    games = game_ids(options.games)
    ideal = ideal_for(options.games, latency)
    print(
        f"{options.games} games, {options.orders} orders each, {options.latency:g} ms latency, "
        f"{'TLS' if options.tls else 'no TLS'}; medians of {options.rounds} rounds; "
        f"Python {platform.python_version()}, aiohttp {aiohttp.__version__}\n",
        flush=True,
    )
    async with started(options) as server:
        timings = await warm(server, games, options.orders, options.rounds)
        show(comparison("warm pool", timings, ideal))
        timings = await cold(server, games, options.orders, options.rounds)
        show(comparison("cold pool", timings, ideal))
        show(grown(await growth(server, options.orders, options.rounds), latency))


def main() -> None:
    """Read the options and measure."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--games", type=int, default=100)
    parser.add_argument("--orders", type=int, default=10, help="orders in each answer")
    parser.add_argument("--latency", type=float, default=20.0, help="milliseconds an answer takes")
    parser.add_argument("--rounds", type=int, default=15, help="rounds that count")
    parser.add_argument("--tls", action=argparse.BooleanOptionalAction, default=True)
    asyncio.run(run(parser.parse_args()))


def _converter(*, detailed_validation: bool) -> Converter:
    converter = Converter(detailed_validation=detailed_validation)
    hook = make_dict_structure_fn(
        CancelResult,
        converter,
        order_id=override(rename="sessionID"),
        game_id=override(rename="gameID"),
        user_reference=override(rename="userReference"),
    )
    converter.register_structure_hook(CancelResult, hook)
    return converter


async def _gather(cancels: Iterable[Awaitable[list[CancelResult]]]) -> list[CancelResult]:
    return [result for results in await asyncio.gather(*cancels) for result in results]


def _shuffled(items: Iterable[_T]) -> list[_T]:
    """Return the items in an order drawn anew."""
    drawn = list(items)
    random.shuffle(drawn)
    return drawn


if __name__ == "__main__":
    main()
