"""Send SIGTERM to bots at random moments, and count what they say of their book and what is true.

    python benchmarks/sigterm.py                                       # 100 bots on asyncio
    python benchmarks/sigterm.py --under uvicorn --runs 200
    python benchmarks/sigterm.py --under aiohttp --runs 1 --seed 4711  # repeat a run

Each run is a bot of `sigterm_bot.py` in a process of its own: a program on asyncio or uvloop, or a
part of a server under uvicorn or aiohttp.web. It cancels over many games and places orders, over
REST or over the Orders WebSocket. The exchange takes up to 50 ms to put an order into the book, and
up to 50 ms to answer. Cancels and reads take a tenth of that, so a bot that does not wait for its
own places sees a book without them. For every fifth bot some places are lost: the connection
closes, and the order comes into the book up to 15 seconds later, when the bot may have ended. The
moment of the signal follows from the seed, from the start of the block to deep in the placing or to
the end of a bot that ends by itself; what is in flight then also depends on the machine.

The bot says 0 if it knows that nothing rests. That is held against the book one second and ten
seconds after it has ended. Exits with 1 if a 0 was false, or if no bot was caught with a place in
flight.
"""

import argparse
import asyncio
import os
import random
import signal
import sys
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from aiohttp import web
from attrs import Factory, define, field, frozen

from fourcasters_async.testing import BookGame, FakeExchange, faults

_BOT = Path(__file__).with_name("sigterm_bot.py")
_UNDER = ["asyncio", "uvloop", "uvicorn", "aiohttp"]
_NAME, _PASSWORD = "bot", "a password of the sandbox"
_GAMES, _RESTING = 8, 3
# Seconds that a place may take to have its effect, and again to be answered; and anything else.
_SLOWEST_PLACE, _SLOWEST = 0.05, 0.005
# The part of the bots whose places get lost, the part of their places that does, and the seconds
# after which those have their effect.
_LOSING, _LOST, _LATE = 0.2, 0.1, (0.5, 15.0)
_LATEST_SIGNAL = 0.5
_HALF = 0.5
# Seconds after a bot's end at which its book is looked at.
_FIRST_LOOK, _SECOND_LOOK = 1.0, 10.0
_ENTERED = b"entered\n"


@define(eq=False)
class Jitter(faults.Fault):
    """What is asked is done a little later, whether or not the client waits, and answered then.

    The part `lost` has no answer, and is done much later.
    """

    draw: random.Random
    longest: float
    lost: float = 0.0
    in_flight: int = 0

    async def __call__(self, call: faults.Call) -> web.StreamResponse:
        """Do it, and answer."""
        if self.draw.random() < self.lost:
            call.clock.after(self.draw.uniform(*_LATE), call.commit)
            call.hang_up()
            return web.Response()
        self.in_flight += 1
        try:
            answer = await call.clock.after(self.draw.uniform(0, self.longest), call.commit)
            await asyncio.sleep(self.draw.uniform(0, self.longest))
        finally:
            self.in_flight -= 1
        return faults.respond(answer)


@frozen
class Outcome:
    """How a bot ended, what it said of its book, and what was true."""

    seed: int
    over_socket: bool
    exit_status: int
    said: int | None
    """The status of its block; `None` if it did not end."""
    resting: tuple[int, int]
    """Open orders at the first and at the second look."""
    placing: int
    """Places in flight at the signal."""
    errors: str

    @property
    def is_false(self) -> bool:
        """Whether the bot knew of nothing, and something rested."""
        return 0 in {self.exit_status, self.said} and any(self.resting)

    @property
    def is_odd(self) -> bool:
        """Whether its block did not end, or it ended in another way than its block."""
        # uvicorn gives itself the signal again, and a block that has ended watches for none.
        return self.said not in {0, 3} or self.exit_status not in {self.said, -signal.SIGTERM}


@define
class Tally:
    """What was counted."""

    said: Counter[str] = Factory(Counter)
    caught: int = 0
    not_flat: int = 0
    came_late: int = 0
    odd: int = 0
    false: list[int] = field(factory=list)

    def add(self, outcome: Outcome) -> None:
        """Count one bot."""
        self.said[str(outcome.said)] += 1
        self.caught += outcome.placing > 0
        first, second = outcome.resting
        self.not_flat += any(outcome.resting)
        self.came_late += second > first
        self.odd += outcome.is_odd
        if outcome.is_false:
            self.false.append(outcome.seed)
        if outcome.is_false or outcome.is_odd:
            print(outcome, flush=True)


async def run(seed: int, under: str, turn: asyncio.Semaphore) -> Outcome:
    """Start a bot, send it SIGTERM at a moment that follows from the seed, and look at its book."""
    draw = random.Random(seed)
    over_socket = draw.random() < _HALF
    lost = _LOST if draw.random() < _LOSING else 0.0
    await turn.acquire()
    async with FakeExchange() as exchange:
        exchange.account = _NAME
        exchange.add_account(_NAME, _PASSWORD)
        games = [exchange.add_game(orders=_RESTING) for _ in range(_GAMES)]
        placing, other = Jitter(draw, _SLOWEST_PLACE, lost), Jitter(draw, _SLOWEST)
        exchange.inject(placing, endpoint="placeV3" if over_socket else "place", times=None)
        for endpoint in ("login", "cancelAllOrdersForGame", "cancelAllByGame", "cancelAllOrders"):
            exchange.inject(other, endpoint=endpoint, times=None)
        exchange.inject(other, endpoint="getUnmatched", times=None)
        bot = await start(exchange, games, seed, under=under, over_socket=over_socket)
        try:
            entered = await bot.stdout.readline() if bot.stdout is not None else b""
            await asyncio.sleep(draw.uniform(0, _LATEST_SIGNAL))
            in_flight = placing.in_flight
            if entered == _ENTERED and bot.returncode is None:
                bot.send_signal(signal.SIGTERM)
            says, errors = await bot.communicate()
        finally:
            if bot.returncode is None:
                bot.kill()
                await bot.wait()
            # The next bot does not wait for the looks.
            turn.release()
        await asyncio.sleep(_FIRST_LOOK)
        first = len(exchange.open_orders())
        await asyncio.sleep(_SECOND_LOOK - _FIRST_LOOK)
        second = len(exchange.open_orders())
    exit_status = -signal.SIGKILL if bot.returncode is None else bot.returncode
    word, _, status = says.decode().strip().partition(" ")
    said = int(status) if word == "status" else None
    resting = first, second
    return Outcome(
        seed, over_socket, exit_status, said, resting, in_flight, errors.decode().strip()
    )


async def start(
    exchange: FakeExchange, games: Sequence[BookGame], seed: int, *, under: str, over_socket: bool
) -> asyncio.subprocess.Process:
    """Start a bot in a process of its own."""
    words = [f"{game.game_id}/{game.home_id}" for game in games]
    return await asyncio.create_subprocess_exec(
        sys.executable,
        str(_BOT),
        *("--under", under, "--seed", str(seed), *(["--socket"] if over_socket else []), *words),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        env={
            **os.environ,
            "FOURCASTERS_USERNAME": _NAME,
            "FOURCASTERS_PASSWORD": _PASSWORD,
            "FOURCASTERS_BASE_URL": exchange.url,
            "FOURCASTERS_ORDERS_URL": exchange.orders_url,
        },
    )


async def run_all(runs: int, seed: int, under: str, at_once: int) -> Tally:
    """Run bots with consecutive seeds, some of them side by side."""
    tally, turn = Tally(), asyncio.Semaphore(at_once)

    async def count(each: int) -> None:
        tally.add(await run(each, under, turn))

    async with asyncio.TaskGroup() as group:
        for each in range(seed, seed + runs):
            group.create_task(count(each))
    return tally


def main() -> None:
    """Read the options, run the bots, and print what was counted."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--under", choices=_UNDER, default="asyncio", help="what runs the bots")
    parser.add_argument("--runs", type=int, default=100)
    parser.add_argument("--seed", type=int, default=0, help="the first of consecutive seeds")
    parser.add_argument("--at-once", type=int, default=2, help="bots side by side")
    options = parser.parse_args()
    tally = asyncio.run(run_all(options.runs, options.seed, options.under, options.at_once))
    said = ", ".join(f"{n} said {status}" for status, n in sorted(tally.said.items()))
    print(f"{tally.said.total()} bots under {options.under}, from seed {options.seed}: {said}")
    print(f"{tally.caught} had a place in flight at the signal")
    print(f"{tally.not_flat} left orders open, {tally.came_late} of them only after the first look")
    print(f"{tally.odd} ended in another way than their block, or without its end")
    print(f"{len(tally.false)} said 0 and left orders open; seeds: {tally.false}")
    sys.exit(1 if tally.false or not tally.caught else 0)


if __name__ == "__main__":
    main()
