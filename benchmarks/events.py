"""Measure what a hook costs: the same fan-outs with `on_event` and without.

    python benchmarks/events.py
    python benchmarks/events.py --games 300 --rounds 100 --no-tls

Over REST and over the Orders WebSocket, each session without a hook, with one that does nothing,
and where it is installed with `PrometheusEvents`. They take turns, in a new random order for each
round, on one server in another process (`server.py`). The connections are open already. The clock
runs from the call until all typed records are there.

`time` and `CPU` are how much more it took than without a hook: the median of the ratios within each
round, so that what else the machine does in a round strikes all of them.
"""

import argparse
import asyncio
from collections.abc import Callable, Iterator, Sequence
from contextlib import AsyncExitStack
from importlib.util import find_spec
from statistics import median

from harness import (
    HEADINGS,
    Measurement,
    Server,
    Timing,
    Timings,
    cells,
    conditions,
    library_session,
    parser_for,
    show,
    started,
    take_turns,
    warm_measurement,
    with_library,
)

from fourcasters_async import SessionEvent

Hook = Callable[[SessionEvent], object] | None

_TRANSPORTS = ("rest", "socket")
_WITHOUT = "no hook"


def nothing(_: SessionEvent) -> None:
    """Do nothing."""


def hooks() -> dict[str, Hook]:
    """Return the hooks that are measured, by name."""
    found: dict[str, Hook] = {_WITHOUT: None, "a hook": nothing}
    if find_spec("prometheus_client") is not None:
        from prometheus_client import CollectorRegistry  # noqa: PLC0415  # it may not be there

        from fourcasters_async.contrib.prometheus import PrometheusEvents  # noqa: PLC0415  # as above

        found["prometheus"] = PrometheusEvents(CollectorRegistry())
    return found


async def measurement(
    stack: AsyncExitStack, server: Server, transport: str, hook: Hook, orders: int
) -> Measurement:
    """Return the measurement of one transport with one hook."""
    session = await stack.enter_async_context(library_session(server, hook))
    if transport == "rest":
        return warm_measurement(with_library(session), orders)
    socket = await stack.enter_async_context(session.orders_socket())
    return warm_measurement(with_library(socket), orders)


def comparison(timings: Timings, games: int, latency: float) -> Iterator[Sequence[str]]:
    """Give the rows of the table. `latency` is in seconds."""
    yield f"{games} games", *HEADINGS, "time", "CPU"
    for (name, _), taken in timings.items():
        transport = name.partition(", ")[0]
        without = timings[f"{transport}, {_WITHOUT}", games]
        wall, cpu = _more(taken, without)
        yield name, *cells(taken, latency), f"{wall:+.2%}", f"{cpu:+.2%}"


def _more(taken: Sequence[Timing], without: Sequence[Timing]) -> tuple[float, float]:
    pairs = list(zip(taken, without, strict=True))
    return (
        median(mine.wall / other.wall for mine, other in pairs) - 1,
        median(mine.cpu / other.cpu for mine, other in pairs) - 1,
    )


async def run(options: argparse.Namespace) -> None:
    """Measure, and print the table."""
    print(f"{options.games} games, {conditions(options)}", flush=True)
    async with started(options) as server, AsyncExitStack() as stack:
        measurements = {
            f"{transport}, {name}": await measurement(
                stack, server, transport, hook, options.orders
            )
            for transport in _TRANSPORTS
            for name, hook in hooks().items()
        }
        timings = await take_turns(measurements, [options.games], options.rounds)
        show(comparison(timings, options.games, options.latency / 1000))


def main() -> None:
    """Read the options and measure."""
    parser = parser_for(__doc__)
    parser.set_defaults(rounds=60)
    parser.add_argument("--games", type=int, default=100)
    asyncio.run(run(parser.parse_args()))


if __name__ == "__main__":
    main()
