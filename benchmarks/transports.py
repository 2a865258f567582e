"""Compare the two transports: the Orders WebSocket, REST, and a WebSocket written by hand.

    python benchmarks/transports.py
    python benchmarks/transports.py --orders 50 --latency 5 --no-tls

The clients take turns with 1, 10, 100, 300 and 1,000 games, in a new random order for each round,
on one server in another process (`server.py`). The clock runs from the call until all typed
records are there:

- `socket`: `OrdersSocket.cancel_all_orders_for_games`, with all of its features on;
- `rest`: `AsyncSession.cancel_all_orders_for_games`, with a pool of 100 connections;
- `socket by hand`: one aiohttp WebSocket, every request sent before the first answer is read,
  orjson both ways, a generated cattrs hook without detailed validation.

In the warm table the connections are open already. In the cold table the time includes making the
session and its connections. Two more clients are new, but do part of that before the clock starts:
`rest, warmed up` calls `AsyncSession.warm_up`, and `socket, open` makes its handshake.

The tables show medians over the rounds. `x ideal` is the time divided by the latency of the server.
`x one answer` is the time divided by that of a single cancel over a warm socket: the median of the
ratios within each round. `CPU` is the client's CPU time per request. The last line says which goals
are met.
"""

import argparse
import asyncio
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from statistics import median

import aiohttp
import orjson
from harness import (
    AUTHORIZATION,
    CONNECTIONS,
    HEADINGS,
    Cancel,
    Client,
    Measurement,
    Server,
    Timing,
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
    timed,
    warm_measurement,
    with_library,
)

from fourcasters_async import CancelResult, OrdersSocket

_SIZES = (1, 10, 100, 300, 1000)
_ANSWER = "one answer"
# How many times the time of one answer the last of so many games may take over the socket.
_GOALS = {100: 1.15, 1000: 1.75}
# Growth counts as linear if the CPU time per game grows at most so much from the second largest
# number of games to the largest.
_GROWTH = 1.25


@asynccontextmanager
async def open_socket(server: Server) -> AsyncIterator[OrdersSocket]:
    """Open the library's Orders WebSocket."""
    async with library_session(server) as session, session.orders_socket() as orders:
        yield orders


@asynccontextmanager
async def socket(server: Server) -> AsyncIterator[Cancel]:
    """Cancel over the library's Orders WebSocket."""
    async with open_socket(server) as orders:
        yield with_library(orders)


@asynccontextmanager
async def rest(server: Server) -> AsyncIterator[Cancel]:
    """Cancel with the library over REST."""
    async with library_session(server) as session:
        yield with_library(session)


@asynccontextmanager
async def rest_warmed_up(server: Server) -> AsyncIterator[Cancel]:
    """Cancel with the library over REST, on connections that were opened before."""
    async with library_session(server) as session:
        await session.warm_up(CONNECTIONS)
        yield with_library(session)


@asynccontextmanager
async def socket_by_hand(server: Server) -> AsyncIterator[Cancel]:
    """Cancel with tuned code, as somebody who measured would write it."""
    converter = generated_converter(order_id="orderID", detailed_validation=False)
    async with (
        aiohttp.ClientSession(
            connector=server.connector(), cookie_jar=aiohttp.DummyCookieJar()
        ) as client,
        client.ws_connect(
            server.orders_url, headers=AUTHORIZATION, max_msg_size=0, decode_text=False
        ) as connection,
    ):

        async def cancel(games: Sequence[str]) -> list[CancelResult]:
            for game_id in games:
                request = ["cancelAllByGame", {"gameId": game_id, "requestID": game_id}]
                await connection.send_frame(orjson.dumps(request), aiohttp.WSMsgType.TEXT)
            answers: dict[str, list[CancelResult]] = {}
            while len(answers) < len(games):
                answer = orjson.loads((await connection.receive()).data)
                results = converter.structure(answer["data"], list[CancelResult])
                answers[answer["requestID"]] = results
            return [result for game_id in games for result in answers[game_id]]

        yield cancel


def anew(client: Client) -> Client:
    """Return a client that makes everything while the clock runs."""

    @asynccontextmanager
    async def from_nothing(server: Server) -> AsyncIterator[Cancel]:
        async with AsyncExitStack() as stack:

            async def cancel(games: Sequence[str]) -> list[CancelResult]:
                made = await stack.enter_async_context(client(server))
                return await made(games)

            yield cancel

    return from_nothing


WARM: Mapping[str, Client] = {"socket": socket, "rest": rest, "socket by hand": socket_by_hand}
COLD: Mapping[str, Client] = {
    **{name: anew(client) for name, client in WARM.items()},
    "rest, warmed up": rest_warmed_up,
    "socket, open": socket,
}


async def warm(server: Server, orders: int, rounds: int) -> Timings:
    """Time the clients on open connections."""
    async with AsyncExitStack() as stack:
        verbs = await stack.enter_async_context(open_socket(server))
        measurements = {_ANSWER: _one_answer(verbs, orders)}
        for name, client in WARM.items():
            cancel = await stack.enter_async_context(client(server))
            measurements[name] = warm_measurement(cancel, orders)
        return await take_turns(measurements, _SIZES, rounds)


async def cold(server: Server, orders: int, rounds: int) -> Timings:
    """Time the clients from their start."""
    async with open_socket(server) as verbs:
        measurements = {_ANSWER: _one_answer(verbs, orders)}
        for name, client in COLD.items():
            measurements[name] = cold_measurement(client, server, orders)
        return await take_turns(measurements, _SIZES, rounds)


def _one_answer(verbs: OrdersSocket, orders: int) -> Measurement:
    """Return a measurement of a single cancel, however many games there are."""

    async def cancel(games: Sequence[str]) -> list[CancelResult]:
        return await verbs.cancel_all_orders_for_game(games[0])

    return lambda games: timed(cancel, games[:1], orders)


def comparison(title: str, timings: Timings, latency: float) -> Iterator[Sequence[str]]:
    """Give the rows of the table that compares the clients. `latency` is in seconds."""
    yield title, "games", *HEADINGS, "x one answer"
    single = [timing for games in _SIZES for timing in timings[_ANSWER, games]]
    yield _ANSWER, "1", *cells(single, latency), "1.00"
    for (name, games), taken in timings.items():
        if name != _ANSWER:
            times = f"{median(in_answers(timings, taken)):.2f}"
            yield name, str(games), *cells(taken, latency), times


def in_answers(timings: Timings, taken: Sequence[Timing]) -> list[float]:
    """Return the time of each round of `taken`, divided by that of one answer in the round."""
    rounds = zip(*(timings[_ANSWER, games] for games in _SIZES), strict=True)
    return [
        timing.wall / median(answer.wall for answer in answers)
        for timing, answers in zip(taken, rounds, strict=True)
    ]


def goals(timings: Timings) -> str:
    """Say which goals the warm socket meets."""
    lines = []
    for games, most in _GOALS.items():
        times = median(in_answers(timings, timings["socket", games]))
        lines.append(_goal(f"last of {games:,} within {most} x one answer", times, most))
    *_, less, most_games = _SIZES
    ratios = [
        more.cpu / fewer.cpu
        for fewer, more in zip(timings["socket", less], timings["socket", most_games], strict=True)
    ]
    lines.append(
        _goal(
            f"linear growth, CPU a game at {most_games:,} within {_GROWTH} x that at {less}",
            median(ratios),
            _GROWTH,
        )
    )
    return f"goals for the warm socket: {'; '.join(lines)}"


def _goal(goal: str, reached: float, most: float) -> str:
    return f"{goal}: {'yes' if reached <= most else 'NO'} ({reached:.2f})"


async def run(options: argparse.Namespace) -> None:
    """Measurement, and print each table as soon as it is ready."""
    latency = options.latency / 1000
    print(conditions(options), flush=True)
    async with started(options) as server:
        standing = await warm(server, options.orders, options.rounds)
        show(comparison("warm", standing, latency))
        show(comparison("cold", await cold(server, options.orders, options.rounds), latency))
    print(goals(standing))


def main() -> None:
    """Read the options and measure."""
    asyncio.run(run(parser_for(__doc__).parse_args()))


if __name__ == "__main__":
    main()
