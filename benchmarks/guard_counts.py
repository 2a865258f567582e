"""Count what the library does for a burst of 100 games over each transport, and for one decode.

    PYTHONHASHSEED=0 python benchmarks/guard_counts.py
    PYTHONHASHSEED=0 valgrind --tool=callgrind … python benchmarks/guard_counts.py --toggles LIBRARY

It prints JSON: for each of `socket`, `rest` and `decode`, figures per game; for `records`, those of
`socket` when every record is looked at as well. `guard.py` runs it, and compares. With `--toggles`
each is only run, while callgrind is told by that library to count.
"""

import argparse
import ctypes
import gc
import json
import sys
import tracemalloc
from collections import Counter
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from functools import partial
from pathlib import Path
from typing import Any, cast

# Run as a script or by valgrind: the folder of the package is not on the path.
sys.path.insert(0, str(Path(__file__).parents[1]))

from in_memory import InMemoryLoop, NoMeter
from server import answer_with

from fourcasters_async import AsyncSession, GameMarket, OrdersSocket, RateLimit
from fourcasters_async._websocket.frames import classify, read

GAMES, ORDERS = 100, 10
_DECODES = 100
# The first bursts open the connections and fill what is kept.
_WARM_UPS = 3

Burst = Callable[[], Awaitable[object]]


class Calls:
    """Counts the calls of functions in Python and in C."""

    def __init__(self) -> None:
        self.counts: Counter[str] = Counter()

    def _count(self, _frame: object, event: str, _arg: object) -> None:
        self.counts[event] += 1

    def pause(self) -> None:
        """Stop counting."""
        sys.setprofile(None)

    def resume(self) -> None:
        """Go on counting."""
        sys.setprofile(self._count)

    @property
    def total(self) -> int:
        """How many there were."""
        return self.counts["call"] + self.counts["c_call"]


class Instructions:
    """Tells callgrind when to count, and between which bursts."""

    def __init__(self, library: str) -> None:
        self._library = ctypes.CDLL(library)
        self.pause = self.resume = self._library.toggle

    def start(self) -> None:
        """Instrument the code from now on: without that it runs ten times as fast."""
        self._library.start()

    def end(self, name: str) -> None:
        """Write what was counted under a name."""
        self._library.dump(name.encode())


def measured(loop: InMemoryLoop, burst: Burst) -> dict[str, float]:
    """Return the figures of one burst, per game."""
    for _ in range(_WARM_UPS):
        loop.run_until_complete(burst())
    gc.collect()
    # When it collects depends on all that ran before.
    gc.disable()
    calls = Calls()
    loop.meter = calls
    task = loop.create_task(_as_task(burst))
    calls.resume()
    loop.run_until_complete(task)
    calls.pause()
    loop.meter = NoMeter()
    del task

    gc.collect()
    blocks, tracked = sys.getallocatedblocks(), len(gc.get_objects())
    kept = loop.run_until_complete(burst())
    blocks, tracked = sys.getallocatedblocks() - blocks, len(gc.get_objects()) - tracked
    del kept

    gc.collect()
    tracemalloc.start()
    held, _ = tracemalloc.get_traced_memory()
    kept = loop.run_until_complete(burst())
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    del kept
    gc.enable()
    return {
        "calls": calls.total / GAMES,
        "blocks": blocks / GAMES,
        "tracked": tracked / GAMES,
        "peak_bytes": (peak - held) / GAMES,
    }


async def _burst(verbs: AsyncSession | OrdersSocket, games: list[str], *, records: bool) -> object:
    report = await verbs.cancel_all_orders_for_games(games)
    if not report.ok:
        report.raise_for_unsettled()
    if records:
        for outcome in report.outcomes:
            for result in outcome.results:
                _ = result.success
    return report


async def _as_task(burst: Burst) -> object:
    return await burst()


async def _opened(stack: AsyncExitStack, *, socket: bool) -> AsyncSession | OrdersSocket:
    session = AsyncSession(
        "0" * 32,
        base_url="http://127.0.0.1:9",
        orders_url="ws://127.0.0.1:9/orders/ws",
        rate_limit=RateLimit(requests=10**9, reserve=0),
    )
    await stack.enter_async_context(session)
    return await stack.enter_async_context(session.orders_socket()) if socket else session


def each(loop: InMemoryLoop, take: Callable[[str, Burst], None]) -> None:
    """Give each burst to `take`, with its name."""
    games = [f"{0x65B036DF << 64 | game:024x}" for game in range(GAMES)]
    for name in ("socket", "records", "rest"):
        stack = AsyncExitStack()
        verbs = loop.run_until_complete(_opened(stack, socket=name != "rest"))
        take(name, partial(_burst, verbs, games, records=name == "records"))
        loop.run_until_complete(stack.aclose())

    frame = socket_answer(ORDERS)
    request = cancel_request(games[0])

    async def decode() -> object:
        # As many decodes as there are games in a burst, so that all figures are per answer.
        return [decoded(frame, request) for _ in range(_DECODES)]

    take("decode", decode)


def cancel_request(game_id: str) -> Any:
    """Return the request of a cancel over the Orders WebSocket."""
    verbs = cast(Any, OrdersSocket)
    return verbs._cancel_game(None, GameMarket(game_id))  # noqa: SLF001  # no verb reads one answer


def decoded(frame: bytes, request: Any) -> object:
    """Read an answer as the library does."""
    answer = read(frame)
    if answer is None:
        raise RuntimeError("the answer cannot be read")
    result = classify(request, answer.document)
    if result.error is not None:
        raise result.error
    return result.value


def socket_answer(orders: int) -> bytes:
    """Return the text of an answer over the Orders WebSocket."""
    game_id = f"{0x65B036DF << 64:024x}"
    message = b'["cancelAllByGame",{"gameId":"%b","requestID":"1-1"}]' % game_id.encode()
    framed = answer_with(orders).over_socket(message)
    # A frame of the exchange has no mask; `frame_at` wants one.
    head = 2 + {126: 2, 127: 8}.get(framed[1], 0)
    return framed[head:]


def main() -> None:
    """Read the options, and count."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--toggles", help="the library that tells callgrind when to count")
    options = parser.parse_args()
    loop = InMemoryLoop(ORDERS)
    figures: dict[str, dict[str, float]] = {}

    def count(name: str, burst: Burst) -> None:
        figures[name] = measured(loop, burst)

    if options.toggles is None:
        each(loop, count)
    else:
        toggles = Instructions(options.toggles)
        toggles.start()

        def run(name: str, burst: Burst) -> None:
            for _ in range(_WARM_UPS):
                loop.run_until_complete(burst())
            gc.collect()
            loop.meter = toggles
            toggles.resume()
            loop.run_until_complete(burst())
            toggles.pause()
            loop.meter = NoMeter()
            toggles.end(name)

        each(loop, run)
    loop.close()
    print(json.dumps(figures))


if __name__ == "__main__":
    main()
