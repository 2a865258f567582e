"""Send SIGTERM to bots at random moments, and count what they say of their book and what is true.

    python benchmarks/sigterm.py                       # 100 bots
    python benchmarks/sigterm.py --runs 1 --seed 4711  # repeat a run

Each run is a bot in a process of its own: it logs in, cancels over many games, and places orders,
over REST or over the Orders WebSocket. The exchange takes up to 50 ms to put an order into the
book, and up to 50 ms to answer. Cancels and reads take a tenth of that, so a bot that does not wait
for its own places sees a book without them. The moment of the signal follows from the seed, from
the start of the block to deep in the placing; what is in flight then also depends on the machine.
The bot exits with 0 if it knows that nothing rests. One second later that is held against the book.
Exits with 1 if a 0 was false, or if no bot was caught with a place in flight.
"""

import argparse
import asyncio
import os
import random
import signal
import sys
from collections import Counter
from collections.abc import Sequence
from contextlib import AsyncExitStack

from aiohttp import web
from attrs import Factory, define, field, frozen

from fourcasters_async import AsyncSession, FourcastersError, HaltedError, NewOrder
from fourcasters_async.orders.verbs import Orders
from fourcasters_async.testing import BookGame, FakeExchange, faults

_NAME, _PASSWORD = "bot", "a password of the sandbox"
_GAMES, _RESTING = 8, 3
# Seconds that a place may take to have its effect, and again to be answered; and anything else.
_SLOWEST_PLACE, _SLOWEST = 0.05, 0.005
_LONGEST_PAUSE = 0.05
_LATEST_SIGNAL = 0.5
_LONGEST_LIFE = 60.0
_AFTERWARDS = 1.0
_ENTERED = b"entered\n"
_HALF = 0.5


@define(eq=False)
class Jitter(faults.Fault):
    """What is asked is done a little later, whether or not the client waits, and answered then."""

    draw: random.Random
    longest: float
    in_flight: int = 0

    async def __call__(self, call: faults.Call) -> web.StreamResponse:
        """Do it, and answer."""
        self.in_flight += 1
        try:
            answer = await call.clock.after(self.draw.uniform(0, self.longest), call.commit)
            await asyncio.sleep(self.draw.uniform(0, self.longest))
        finally:
            self.in_flight -= 1
        return faults.respond(answer)


@frozen
class Outcome:
    """How a bot ended: its exit status, its open orders afterwards, and what went with it."""

    seed: int
    over_socket: bool
    status: int
    resting: int
    placing: int
    """Places in flight at the signal."""
    says: str

    @property
    def is_false(self) -> bool:
        """Whether the bot knew of nothing, and something rested."""
        return self.status == 0 and self.resting > 0


@define
class Tally:
    """What was counted."""

    statuses: Counter[int] = Factory(Counter)
    caught: int = 0
    not_flat: int = 0
    false: list[int] = field(factory=list)

    def add(self, outcome: Outcome) -> None:
        """Count one bot."""
        self.statuses[outcome.status] += 1
        self.caught += outcome.placing > 0
        self.not_flat += outcome.resting > 0
        if outcome.is_false:
            self.false.append(outcome.seed)


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


async def be_a_bot(games: Sequence[tuple[str, str]], seed: int, *, over_socket: bool) -> int:
    """Log in, cancel over many games and place, until a signal comes; return the exit status."""
    draw = random.Random(seed)
    # Those that nobody cancels at the signal place until the gate stops them.
    detached = draw.random() < _HALF
    quoting: list[asyncio.Task[None]] = []
    async with AsyncExitStack() as stack:
        session = await stack.enter_async_context(AsyncSession.from_env())
        orders: Orders = session
        if over_socket:
            orders = await stack.enter_async_context(session.orders_socket())
        end = await stack.enter_async_context(session.flat_on_exit())
        sys.stdout.write(_ENTERED.decode())
        sys.stdout.flush()
        await orders.cancel_all_orders_for_games([game for game, _ in games])
        # A bot does not outlive a benchmark that was killed.
        async with asyncio.timeout(_LONGEST_LIFE), asyncio.TaskGroup() as group:
            start = asyncio.create_task if detached else group.create_task
            quoting.extend(start(quote(orders, game, side, draw)) for game, side in games)
            await asyncio.Event().wait()
    await asyncio.gather(*quoting, return_exceptions=True)
    return end.exit_status


async def run(seed: int) -> Outcome:
    """Start a bot, send it SIGTERM at a moment that follows from the seed, and look at its book."""
    draw = random.Random(seed)
    over_socket = draw.random() < _HALF
    async with FakeExchange() as exchange:
        exchange.account = _NAME
        exchange.add_account(_NAME, _PASSWORD)
        games = [exchange.add_game(orders=_RESTING) for _ in range(_GAMES)]
        placing, other = Jitter(draw, _SLOWEST_PLACE), Jitter(draw, _SLOWEST)
        exchange.inject(placing, endpoint="placeV3" if over_socket else "place", times=None)
        for endpoint in ("login", "cancelAllOrdersForGame", "cancelAllByGame", "cancelAllOrders"):
            exchange.inject(other, endpoint=endpoint, times=None)
        exchange.inject(other, endpoint="getUnmatched", times=None)
        bot = await start(exchange, games, seed, over_socket=over_socket)
        try:
            entered = await bot.stdout.readline() if bot.stdout is not None else b""
            await asyncio.sleep(draw.uniform(0, _LATEST_SIGNAL))
            in_flight = placing.in_flight
            if entered == _ENTERED and bot.returncode is None:
                bot.send_signal(signal.SIGTERM)
            _, says = await bot.communicate()
        finally:
            if bot.returncode is None:
                bot.kill()
                await bot.wait()
        await asyncio.sleep(_AFTERWARDS)
        status = -signal.SIGKILL if bot.returncode is None else bot.returncode
        resting = len(exchange.open_orders())
    return Outcome(seed, over_socket, status, resting, in_flight, says.decode().strip())


async def start(
    exchange: FakeExchange, games: Sequence[BookGame], seed: int, *, over_socket: bool
) -> asyncio.subprocess.Process:
    """Start a bot in a process of its own."""
    words = [f"{game.game_id}/{game.home_id}" for game in games]
    return await asyncio.create_subprocess_exec(
        sys.executable,
        __file__,
        *("--bot", "socket" if over_socket else "rest", "--seed", str(seed), *words),
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


async def run_all(runs: int, seed: int, at_once: int) -> Tally:
    """Run bots with consecutive seeds, some of them side by side."""
    tally = Tally()
    seeds = iter(range(seed, seed + runs))

    async def work() -> None:
        for each in seeds:
            outcome = await run(each)
            tally.add(outcome)
            if outcome.is_false or outcome.status not in {0, 3}:
                print(outcome, flush=True)

    await asyncio.gather(*[work() for _ in range(at_once)])
    return tally


def main() -> None:
    """Read the options, run the bots, and print what was counted."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--runs", type=int, default=100)
    parser.add_argument("--seed", type=int, default=0, help="the first of consecutive seeds")
    parser.add_argument("--at-once", type=int, default=2, help="bots side by side")
    parser.add_argument("--bot", choices=["rest", "socket"], help=argparse.SUPPRESS)
    parser.add_argument("games", nargs="*", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.bot is not None:
        games = [(game, side) for game, _, side in (each.partition("/") for each in options.games)]
        over_socket = options.bot == "socket"
        sys.exit(asyncio.run(be_a_bot(games, options.seed, over_socket=over_socket)))
    tally = asyncio.run(run_all(options.runs, options.seed, options.at_once))
    statuses = ", ".join(f"{n} with {status}" for status, n in sorted(tally.statuses.items()))
    print(f"{tally.statuses.total()} bots, from seed {options.seed}: ended {statuses}")
    print(f"{tally.caught} had a place in flight at the signal; {tally.not_flat} left orders open")
    print(f"{len(tally.false)} ended with 0 and left orders open; seeds: {tally.false}")
    sys.exit(1 if tally.false or not tally.caught else 0)


if __name__ == "__main__":
    main()
