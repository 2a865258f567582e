"""What the comparisons share: the server, the library's client, the timing and the table."""

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
from itertools import product
from pathlib import Path
from statistics import median

import aiohttp
from attrs import frozen
from cattrs import Converter
from cattrs.gen import make_dict_structure_fn, override

from fourcasters_async import AsyncSession, CancelResult, OrdersSocket, RateLimit, SessionEvent

CONNECTIONS = 100
HEADINGS = ("median ms", "fastest", "slowest", "x ideal", "CPU us/request")
AUTHORIZATION = {"Authorization": f"Bearer {secrets.token_hex(16)}"}

_WARM_UPS = 2
# Seconds for both ends to close connections, before the next client is timed.
_PAUSE = 0.03


@frozen
class Server:
    """The addresses of the server, and the TLS context that trusts it."""

    url: str
    orders_url: str
    tls: ssl.SSLContext | None

    def connector(self) -> aiohttp.TCPConnector:
        """Return a pool for it, with no connection yet."""
        return aiohttp.TCPConnector(limit=CONNECTIONS, ssl=self.tls or True)


@frozen
class Timing:
    """What one round took: wall-clock seconds, and CPU seconds per request."""

    wall: float
    cpu: float


Cancel = Callable[[Sequence[str]], Awaitable[list[CancelResult]]]
Client = Callable[[Server], AbstractAsyncContextManager[Cancel]]
Measurement = Callable[[Sequence[str]], Awaitable[Timing]]
"""Lets one client cancel on these games, and returns what it took."""
Timings = dict[tuple[str, int], list[Timing]]
"""What each client took with each number of games, round by round."""


@asynccontextmanager
async def library_session(
    server: Server, on_event: Callable[[SessionEvent], object] | None = None
) -> AsyncIterator[AsyncSession]:
    """Give a session of the library, with all of its features on, and a hook if one is given."""
    async with AsyncExitStack() as stack:
        client = None
        if server.tls is not None:
            client = await stack.enter_async_context(
                aiohttp.ClientSession(
                    connector=server.connector(), cookie_jar=aiohttp.DummyCookieJar()
                )
            )
        yield await stack.enter_async_context(
            AsyncSession(
                secrets.token_hex(16),
                base_url=server.url,
                orders_url=server.orders_url,
                client_session=client,
                # All rounds together send more in a minute than the exchange allows.
                rate_limit=RateLimit(requests=10**9, reserve=0),
                on_event=on_event,
            )
        )


def with_library(verbs: AsyncSession | OrdersSocket) -> Cancel:
    """Return a cancel that uses the library's fan-out."""

    async def cancel(games: Sequence[str]) -> list[CancelResult]:
        report = await verbs.cancel_all_orders_for_games(games)
        report.raise_for_unsettled()
        return report.results

    return cancel


def generated_converter(*, order_id: str, detailed_validation: bool) -> Converter:
    """Return a converter as a user of cattrs would write it; `order_id` is the wire's name."""
    converter = Converter(detailed_validation=detailed_validation)
    # Odds are either, and JSON has made them what they are.
    converter.register_structure_hook(int | float | None, lambda odds, _: odds)
    hook = make_dict_structure_fn(
        CancelResult,
        converter,
        order_id=override(rename=order_id),
        game_id=override(rename="gameID"),
        user_reference=override(rename="userReference"),
    )
    converter.register_structure_hook(CancelResult, hook)
    return converter


async def take_turns(
    measurements: Mapping[str, Measurement], sizes: Sequence[int], rounds: int
) -> Timings:
    """Measure every client with every number of games, in a new random order for each round."""
    pairings = list(product(measurements, sizes))
    timings: Timings = {pairing: [] for pairing in pairings}
    for _ in range(_WARM_UPS + rounds):
        random.shuffle(pairings)
        for name, size in pairings:
            timings[name, size].append(await measurements[name](game_ids(size)))
    return {pairing: taken[_WARM_UPS:] for pairing, taken in timings.items()}


def warm_measurement(cancel: Cancel, orders: int) -> Measurement:
    """Return a measurement on connections that stay open."""
    return lambda games: timed(cancel, games, orders)


def cold_measurement(client: Client, server: Server, orders: int) -> Measurement:
    """Return a measurement for which the client is made anew each time."""

    async def measure(games: Sequence[str]) -> Timing:
        async with client(server) as cancel:
            timing = await timed(cancel, games, orders)
        await asyncio.sleep(_PAUSE)
        return timing

    return measure


async def timed(cancel: Cancel, games: Sequence[str], orders: int) -> Timing:
    """Time one fan-out, and check that it returned every record."""
    gc.collect()
    cpu, wall = time.process_time(), time.perf_counter()
    results = await cancel(games)
    wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
    if [result.game_id for result in results] != [game for game in games for _ in range(orders)]:
        raise RuntimeError("the records are not those of the games")
    return Timing(wall, cpu / len(games))


def game_ids(number: int) -> list[str]:
    """Return `number` game ids."""
    return [f"{0x65B036DF << 64 | game:024x}" for game in range(number)]


def cells(taken: Sequence[Timing], ideal: float) -> Sequence[str]:
    """Return the cells under `HEADINGS`. `ideal` is in seconds."""
    walls = [timing.wall for timing in taken]
    return (
        f"{median(walls) * 1e3:.1f}",
        f"{min(walls) * 1e3:.1f}",
        f"{max(walls) * 1e3:.1f}",
        f"{median(walls) / ideal:.2f}" if ideal else "-",
        f"{median(timing.cpu for timing in taken) * 1e6:.0f}",
    )


def show(rows: Iterable[Sequence[str]]) -> None:
    """Print a table with the first column aligned left and the others right."""
    rows = list(rows)
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for first, *others in rows:
        padded = [cell.rjust(width) for cell, width in zip(others, widths[1:], strict=True)]
        print("  ".join((first.ljust(widths[0]), *padded)))
    print(flush=True)


def parser_for(description: str | None) -> argparse.ArgumentParser:
    """Return a parser of the options that every comparison has."""
    parser = argparse.ArgumentParser(
        description=description, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--orders", type=int, default=10, help="orders in each answer")
    parser.add_argument("--latency", type=float, default=20.0, help="milliseconds an answer takes")
    parser.add_argument("--rounds", type=int, default=15, help="rounds that count")
    parser.add_argument("--tls", action=argparse.BooleanOptionalAction, default=True)
    return parser


def conditions(options: argparse.Namespace) -> str:
    """Describe the conditions of a comparison."""
    return (
        f"{options.orders} orders each, {options.latency:g} ms latency, "
        f"{'TLS' if options.tls else 'no TLS'}; medians of {options.rounds} rounds; "
        f"Python {platform.python_version()}, aiohttp {aiohttp.__version__}\n"
    )


@asynccontextmanager
async def started(options: argparse.Namespace) -> AsyncIterator[Server]:
    """Run the server in another process, as long as the block runs."""
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
        ready = json.loads(await process.stdout.readline())
        tls = ssl.create_default_context(cafile=ready["ca"]) if options.tls else None
        yield Server(ready["url"], ready["orders_url"], tls)
    finally:
        process.stdin.close()
        await process.wait()
