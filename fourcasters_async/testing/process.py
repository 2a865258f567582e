"""A FakeExchange in a process of its own, so that it takes no time from its client's event loop."""

import argparse
import asyncio
import json
import os
import signal
import sys
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from typing import Any

from attrs import frozen

from fourcasters_async.testing.exchange import FakeExchange

# The line that names the games is long if there are many.
_LONGEST_LINE = 2**24
# How often it is told how many games have their orders.
_TOLD = 100
# Seconds from one step of a sandbox that moves to the next.
_STEP = 1.0


@frozen
class Sandbox:
    """A sandbox exchange that is running: its addresses, a token for it, and its games' ids."""

    url: str
    orders_url: str
    token: str
    games: list[str]


class SandboxError(RuntimeError):
    """The sandbox has ended before it served."""


@asynccontextmanager
async def sandbox(
    *,
    games: int,
    orders: int,
    latency: float,
    on_placed: Callable[[int], object] | None = None,
) -> AsyncIterator[Sandbox]:
    """Run an exchange in another process for the length of the block.

    It has `games` games with `orders` open orders on each, and answers after `latency`
    milliseconds. `on_placed` is called, now and then, with how many games have their orders.
    Raises `SandboxError` if it cannot serve.
    """
    options = {"--games": games, "--orders": orders, "--latency": latency}
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "fourcasters_async.testing",
        *[str(word) for option in options.items() for word in option],
        *([] if on_placed is None else ["--progress"]),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        limit=_LONGEST_LINE,
        # It finds what this process finds, also from a zip file, and nothing in the folder in which
        # that runs: a `random.py` there would be taken for the module of Python.
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path), "PYTHONSAFEPATH": "1"},
        # Ctrl-C is for this process, which then ends that one.
        start_new_session=True,
    )
    try:
        ready = await _ready(process, on_placed)
        yield Sandbox(ready["url"], ready["orders_url"], ready["token"], ready["games"])
    finally:
        # While it places orders, it does not see that its standard input has ended.
        with suppress(ProcessLookupError):
            process.terminate()
        await process.communicate(b"")


async def _ready(
    process: asyncio.subprocess.Process, on_placed: Callable[[int], object] | None
) -> dict[str, Any]:
    """Return what the process prints once it serves."""
    while process.stdout is not None and (line := await process.stdout.readline()):
        told: dict[str, Any] = json.loads(line)
        if "placed" not in told:
            return told
        if on_placed is not None:
            on_placed(told["placed"])
    raise SandboxError("the sandbox has ended before it served")


async def serve(
    exchange: FakeExchange,
    announce: Callable[[], object],
    *,
    step: Callable[[], object] | None = None,
    until_input_ends: bool = False,
) -> None:
    """Serve an exchange until SIGINT or SIGTERM comes, or until standard input ends.

    `announce` is called once it serves, and then `step` every second. A signal that the process
    ignores stays ignored.
    """
    with _told_to_end() as told:
        if until_input_ends:
            _watch_input(told)
        async with exchange:
            announce()
            async with asyncio.TaskGroup() as tasks:
                steps = None if step is None else tasks.create_task(_repeat(step))
                await told.wait()
                if steps is not None:
                    steps.cancel()


def main() -> None:
    """Serve an exchange until standard input ends, or SIGINT or SIGTERM comes.

    Prints one line of JSON first: `url`, `orders_url`, `token` and `games`. With `--progress` there
    are lines before it: `placed`, the number of games that have their orders. Standard input ends
    with the process that started this one, so the exchange never outlives it.
    """
    parser = argparse.ArgumentParser(
        prog="python -m fourcasters_async.testing", description="Serve a sandbox exchange."
    )
    parser.add_argument("--games", type=int, default=1, help="number of games")
    parser.add_argument("--orders", type=int, default=10, help="open orders on each game")
    parser.add_argument("--latency", type=float, default=0.0, help="milliseconds before an answer")
    parser.add_argument("--progress", action="store_true", help="tell how many games have orders")
    options = parser.parse_args()
    # Ctrl-C before it serves.
    with suppress(KeyboardInterrupt):
        asyncio.run(_serve(**vars(options)))


async def _serve(*, games: int, orders: int, latency: float, progress: bool) -> None:
    exchange = FakeExchange(latency=latency / 1000)
    game_ids = []
    for placed in range(games):
        if progress and not placed % max(1, games // _TOLD):
            _print({"placed": placed})
        game_ids.append(exchange.add_game(orders=orders).game_id)

    def announce() -> None:
        ready = {
            "url": exchange.url,
            "orders_url": exchange.orders_url,
            "token": exchange.token,
            "games": game_ids,
        }
        _print(ready)

    await serve(exchange, announce, until_input_ends=True)


def _print(document: dict[str, Any]) -> None:
    sys.stdout.write(f"{json.dumps(document)}\n")
    sys.stdout.flush()


async def _repeat(step: Callable[[], object]) -> None:
    while True:
        await asyncio.sleep(_STEP)
        step()


@contextmanager
def _told_to_end() -> Iterator[asyncio.Event]:
    """Give an event that SIGINT and SIGTERM set, in place of what else they do."""
    loop, told = asyncio.get_running_loop(), asyncio.Event()
    earlier = {}
    # Only the main thread gets signals.
    if threading.current_thread() is threading.main_thread():
        for number in (signal.SIGINT, signal.SIGTERM):
            handler = signal.getsignal(number)
            if handler not in (signal.SIG_IGN, None):
                earlier[number] = handler
                signal.signal(number, lambda *_: loop.call_soon_threadsafe(told.set))
    try:
        yield told
    finally:
        for number, handler in earlier.items():
            signal.signal(number, handler)


def _watch_input(told: asyncio.Event) -> None:
    """Set an event once standard input has ended.

    Nothing can end a thread that waits for input. This one is a daemon, and `os.read` has no lock
    that the interpreter needs when it ends.
    """
    loop = asyncio.get_running_loop()

    def read() -> None:
        with suppress(OSError):
            while os.read(0, 2**16):
                pass
        # The loop may be closed by now.
        with suppress(RuntimeError):
            loop.call_soon_threadsafe(told.set)

    threading.Thread(target=read, daemon=True).start()
