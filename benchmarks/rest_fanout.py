"""Compare the fan-out with the same requests written by hand.

    python benchmarks/rest_fanout.py
    python benchmarks/rest_fanout.py --games 300 --orders 10 --latency 20 --no-tls

The clients take turns, in a new random order for each round, on one server in another process
(`server.py`). The clock runs from the call until all typed records are there. Each client has a
pool of 100 connections:

- `library`: `AsyncSession.cancel_all_orders_for_games`, with all of its features on;
- `by hand`: aiohttp, `asyncio.gather`, `response.json()` and a generated cattrs hook;
- `by hand, tuned`: no cookie jar, orjson both ways, no detailed validation.

The tables show medians over the rounds. `x ideal` is the time divided by what the server alone
would take. `CPU` is the client's CPU time per request. The ratios are medians of the ratios within
each round.
"""

import argparse
import asyncio
from collections.abc import AsyncIterator, Awaitable, Iterable, Iterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from math import ceil
from statistics import median

import aiohttp
import orjson
from harness import (
    AUTHORIZATION,
    CONNECTIONS,
    HEADINGS,
    Cancel,
    Client,
    Server,
    Timings,
    cells,
    cold_measurement,
    conditions,
    generated_converter,
    library_session,
    parser_for,
    show,
    started,
    take_turns,
    warm_measurement,
    with_library,
)

from fourcasters_async import CancelResult

_PATH = "/session/cancelAllOrdersForGame"
_GROWTH = (100, 300, 1000)


@asynccontextmanager
async def library(server: Server) -> AsyncIterator[Cancel]:
    """Cancel with this library."""
    async with library_session(server) as session:
        yield with_library(session)


@asynccontextmanager
async def by_hand(server: Server) -> AsyncIterator[Cancel]:
    """Cancel as most people would write it."""
    converter = generated_converter(order_id="sessionID", detailed_validation=True)

    async def cancel_one(client: aiohttp.ClientSession, game_id: str) -> list[CancelResult]:
        async with client.post(
            f"{server.url}{_PATH}", json={"gameID": game_id}, headers=AUTHORIZATION
        ) as response:
            response.raise_for_status()
            answer = await response.json()
        return converter.structure(answer["data"], list[CancelResult])

    async with aiohttp.ClientSession(connector=server.connector()) as client:
        yield lambda games: _gather(cancel_one(client, game_id) for game_id in games)


@asynccontextmanager
async def by_hand_tuned(server: Server) -> AsyncIterator[Cancel]:
    """Cancel with tuned code, as somebody who measured would write it."""
    converter = generated_converter(order_id="sessionID", detailed_validation=False)
    headers = {**AUTHORIZATION, "Content-Type": "application/json"}
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


CLIENTS: Mapping[str, Client] = {
    "library": library,
    "by hand": by_hand,
    "by hand, tuned": by_hand_tuned,
}


async def warm(server: Server, games: int, orders: int, rounds: int) -> Timings:
    """Time the clients on pools with open connections."""
    async with AsyncExitStack() as stack:
        measurements = {
            name: warm_measurement(await stack.enter_async_context(client(server)), orders)
            for name, client in CLIENTS.items()
        }
        return await take_turns(measurements, [games], rounds)


async def cold(server: Server, games: int, orders: int, rounds: int) -> Timings:
    """Time the clients with a new pool each time."""
    measurements = {
        name: cold_measurement(client, server, orders) for name, client in CLIENTS.items()
    }
    return await take_turns(measurements, [games], rounds)


async def growth(server: Server, orders: int, rounds: int) -> Timings:
    """Time the library with several numbers of games, on one pool with open connections."""
    async with library(server) as cancel:
        return await take_turns({"library": warm_measurement(cancel, orders)}, _GROWTH, rounds)


def comparison(title: str, timings: Timings, ideal: float) -> Iterator[Sequence[str]]:
    """Give the rows of the table that compares the clients. `ideal` is in seconds."""
    yield title, *HEADINGS, "time / by hand", "CPU / by hand"
    for (name, games), taken in timings.items():
        pairs = list(zip(taken, timings["by hand", games], strict=True))
        ratios = (
            f"{median(mine.wall / other.wall for mine, other in pairs):.2f}",
            f"{median(mine.cpu / other.cpu for mine, other in pairs):.2f}",
        )
        yield name, *cells(taken, ideal), *ratios


def grown(timings: Timings, latency: float) -> Iterator[Sequence[str]]:
    """Give the rows of the table for the library alone. `latency` is in seconds."""
    yield "library, warm pool, by games", *HEADINGS
    for (_, games), taken in timings.items():
        yield str(games), *cells(taken, ideal_for(games, latency))


def ideal_for(games: int, latency: float) -> float:
    """Return the seconds that the server alone takes: one latency per pool of games."""
    return ceil(games / CONNECTIONS) * latency


async def run(options: argparse.Namespace) -> None:
    """Measurement, and print each table as soon as it is ready."""
    latency = options.latency / 1000
    ideal = ideal_for(options.games, latency)
    print(f"{options.games} games, {conditions(options)}", flush=True)
    async with started(options) as server:
        timings = await warm(server, options.games, options.orders, options.rounds)
        show(comparison("warm pool", timings, ideal))
        timings = await cold(server, options.games, options.orders, options.rounds)
        show(comparison("cold pool", timings, ideal))
        show(grown(await growth(server, options.orders, options.rounds), latency))


def main() -> None:
    """Read the options and measure."""
    parser = parser_for(__doc__)
    parser.add_argument("--games", type=int, default=100)
    asyncio.run(run(parser.parse_args()))


async def _gather(cancels: Iterable[Awaitable[list[CancelResult]]]) -> list[CancelResult]:
    return [result for results in await asyncio.gather(*cancels) for result in results]


if __name__ == "__main__":
    main()
