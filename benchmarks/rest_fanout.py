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
from collections.abc import AsyncIterator, Awaitable, Iterable, Iterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from math import ceil
from statistics import median

import aiohttp
import orjson
from contest import (
    AUTHORIZATION,
    CONNECTIONS,
    HEADINGS,
    Cancel,
    Contestant,
    Server,
    Timings,
    cells,
    cold_bout,
    conditions,
    generated_converter,
    library_session,
    parser_for,
    play,
    show,
    started,
    warm_bout,
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
    """Cancel as most would write it."""
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
    """Cancel as one would write it who has measured."""
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


CONTESTANTS: Mapping[str, Contestant] = {
    "library": library,
    "by hand": by_hand,
    "by hand, tuned": by_hand_tuned,
}


async def warm(server: Server, games: int, orders: int, rounds: int) -> Timings:
    """Time the contestants on pools whose connections stand."""
    async with AsyncExitStack() as stack:
        bouts = {
            name: warm_bout(await stack.enter_async_context(contestant(server)), orders)
            for name, contestant in CONTESTANTS.items()
        }
        return await play(bouts, [games], rounds)


async def cold(server: Server, games: int, orders: int, rounds: int) -> Timings:
    """Time the contestants with a new pool each time."""
    bouts = {
        name: cold_bout(contestant, server, orders) for name, contestant in CONTESTANTS.items()
    }
    return await play(bouts, [games], rounds)


async def growth(server: Server, orders: int, rounds: int) -> Timings:
    """Time the library at several numbers of games, on one pool whose connections stand."""
    async with library(server) as cancel:
        return await play({"library": warm_bout(cancel, orders)}, _GROWTH, rounds)


def comparison(title: str, timings: Timings, ideal: float) -> Iterator[Sequence[str]]:
    """Give the rows of the table that compares the contestants. `ideal` is in seconds."""
    yield title, *HEADINGS, "time / by hand", "CPU / by hand"
    for (name, games), taken in timings.items():
        pairs = list(zip(taken, timings["by hand", games], strict=True))
        ratios = (
            f"{median(mine.wall / other.wall for mine, other in pairs):.2f}",
            f"{median(mine.cpu / other.cpu for mine, other in pairs):.2f}",
        )
        yield name, *cells(taken, ideal), *ratios


def grown(timings: Timings, latency: float) -> Iterator[Sequence[str]]:
    """Give the rows of the table of the library alone. `latency` is in seconds."""
    yield "library, warm pool, by games", *HEADINGS
    for (_, games), taken in timings.items():
        yield str(games), *cells(taken, ideal_for(games, latency))


def ideal_for(games: int, latency: float) -> float:
    """Return the seconds that the server alone takes: one latency for each poolful of games."""
    return ceil(games / CONNECTIONS) * latency


async def run(options: argparse.Namespace) -> None:
    """Measure, and print a table as soon as it is known."""
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
