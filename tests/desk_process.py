"""The desk of `examples/fastapi` as a process, for its tests."""

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import aiohttp
from attrs import frozen
from support import free_port

from fourcasters_async.testing import BookGame, FakeExchange

PROGRAM = Path(__file__).parents[1] / "examples" / "fastapi" / "desk.py"


@frozen
class Desk:
    """A desk that is running."""

    url: str
    process: asyncio.subprocess.Process

    async def end(self, number: signal.Signals = signal.SIGTERM) -> int:
        """Send it a signal, and return its exit status."""
        self.process.send_signal(number)
        return await self.process.wait()


@asynccontextmanager
async def running_desk(
    exchange: FakeExchange,
    *,
    port: int = 0,
    halt_deadline: float = 10.0,
    flat_deadline: float = 10.0,
    by_uvicorn: bool = False,
) -> AsyncIterator[Desk]:
    """Run the desk until the end of the block, or until somebody ends it before.

    With `by_uvicorn` it is uvicorn's command line that runs it.
    """
    port = port or free_port()
    settings = {
        "FOURCASTERS_TOKEN": exchange.token,
        "FOURCASTERS_BASE_URL": exchange.url,
        "FOURCASTERS_STREAMING_URL": exchange.streaming_url,
        "DESK_HALT_DEADLINE": str(halt_deadline),
        "DESK_FLAT_DEADLINE": str(flat_deadline),
        "PORT": str(port),
    }
    uvicorn = ["-m", "uvicorn", "desk:app", "--app-dir", PROGRAM.parent, "--port", str(port)]
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        *(uvicorn if by_uvicorn else [PROGRAM]),
        stderr=asyncio.subprocess.PIPE,
        env={**os.environ, **settings},
    )
    reading = asyncio.create_task(process.communicate())
    running = Desk(f"http://127.0.0.1:{port}", process)
    try:
        while not await _answers(running.url):
            if process.returncode is not None:
                raise AssertionError((await reading)[1].decode())
        yield running
    finally:
        if process.returncode is None:
            process.kill()
        _, err = await reading
        sys.stderr.write(err.decode())


async def _answers(url: str) -> bool:
    try:
        async with aiohttp.ClientSession() as user, user.get(f"{url}/health"):
            return True
    except aiohttp.ClientConnectionError:
        await asyncio.sleep(0.02)
        return False


def game_with_orders(exchange: FakeExchange, name: str, orders: int = 3) -> BookGame:
    """Add a game of two teams on which the account has so many orders."""
    game = exchange.book.add_game(away=f"{name} Visitors", home=f"{name} Hosts")
    for number in range(orders):
        exchange.book.place(exchange.account, game.game_id, odds=-110 - number)
    return game
