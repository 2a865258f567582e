"""The bot that `sigterm.py` sends SIGTERM: it logs in, cancels over many games, and places.

It writes "entered" once its block stands, and "status" with the block's exit status once that has
ended. `FOURCASTERS_*` says where the exchange is.
"""

import argparse
import asyncio
import random
import signal
import sys
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager

import uvicorn
import uvloop
from aiohttp import web
from attrs import Factory, define
from starlette.applications import Starlette

from fourcasters_async import AsyncSession, FourcastersError, HaltedError, NewOrder
from fourcasters_async.orders.verbs import Orders

_LONGEST_PAUSE = 0.05
_LATEST_END = 0.5
_HALF, _QUARTER = 0.5, 0.25
_LONGEST_LIFE = 60


async def quote(orders: Orders, game: str, side: str, draw: random.Random) -> None:
    """Place orders on a game and cancel them, again and again, until nothing may be placed."""
    while True:
        new = NewOrder(game, "moneyline", side, odds=-110, bet=10)
        try:
            await orders.place([new] * draw.randint(1, 3))
            if draw.random() < _HALF:
                await orders.cancel_all_orders_for_game(game)
        except HaltedError:
            return
        except FourcastersError as error:
            sys.stderr.write(f"{error}\n")
        await asyncio.sleep(draw.uniform(0, _LONGEST_PAUSE))


@define
class Bot:
    """A bot. What it does follows from `draw`."""

    games: Sequence[tuple[str, str]]
    draw: random.Random
    over_socket: bool
    status: int = 1
    quoting: list[asyncio.Task[None]] = Factory(list)

    @asynccontextmanager
    async def stand(self) -> AsyncIterator[Orders]:
        """Enter the block, and say how it ended."""
        async with AsyncExitStack() as stack:
            session = await stack.enter_async_context(AsyncSession.from_env())
            orders: Orders = session
            if self.over_socket:
                orders = await stack.enter_async_context(session.orders_socket())
            end = await stack.enter_async_context(session.flat_on_exit())
            say("entered")
            yield orders
        await asyncio.gather(*self.quoting, return_exceptions=True)
        self.status = end.exit_status
        say(f"status {self.status}")

    async def work(self, orders: Orders) -> None:
        """Cancel and place until a signal comes, or for some bots until their own end."""
        # Those that nobody cancels at the signal place until the gate stops them.
        detached = self.draw.random() < _HALF
        ends_itself = self.draw.random() < _QUARTER
        await orders.cancel_all_orders_for_games([game for game, _ in self.games])
        async with asyncio.TaskGroup() as group:
            start = asyncio.create_task if detached else group.create_task
            self.quoting = [start(quote(orders, *each, self.draw)) for each in self.games]
            if not ends_itself:
                await asyncio.Event().wait()
            await asyncio.sleep(self.draw.uniform(0, _LATEST_END))
            if not detached:
                for each in self.quoting:
                    each.cancel()

    async def run(self) -> int:
        """Be a program of its own; return the exit status."""
        async with self.stand() as orders:
            await self.work(orders)
        return self.status

    @asynccontextmanager
    async def lifespan(self, _: object) -> AsyncIterator[None]:
        """Be a part of a server, which ends the block."""
        async with self.stand() as orders:
            working = asyncio.create_task(self.work(orders))
            yield
            working.cancel()
            await asyncio.wait([working])


def under_uvicorn(bot: Bot) -> int:
    """Serve with uvicorn, which then gives itself the signal again."""
    app = Starlette(lifespan=bot.lifespan)
    uvicorn.run(app, host="127.0.0.1", port=0, log_level="warning", loop="asyncio")
    return bot.status


def under_aiohttp(bot: Bot) -> int:
    """Serve with aiohttp."""
    app = web.Application()
    app.cleanup_ctx.append(bot.lifespan)
    web.run_app(app, host="127.0.0.1", port=0, print=None)
    return bot.status


UNDER: dict[str, Callable[[Bot], int]] = {
    "asyncio": lambda bot: asyncio.run(bot.run()),
    "uvloop": lambda bot: uvloop.run(bot.run()),
    "uvicorn": under_uvicorn,
    "aiohttp": under_aiohttp,
}


def say(line: str) -> None:
    """Write a line to the benchmark, which may have ended."""
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def main() -> None:
    """Read the options, and be a bot."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--under", choices=UNDER, required=True)
    parser.add_argument("--seed", type=int, required=True)
    parser.add_argument("--socket", action="store_true")
    parser.add_argument("games", nargs="*", help="games and a participant of each: GAME/SIDE")
    options = parser.parse_args()
    # A bot does not outlive a benchmark that was killed.
    signal.alarm(_LONGEST_LIFE)
    games = [(game, side) for game, _, side in (each.partition("/") for each in options.games)]
    bot = Bot(games, random.Random(options.seed), over_socket=options.socket)
    sys.exit(UNDER[options.under](bot))


if __name__ == "__main__":
    main()
