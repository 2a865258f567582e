"""The main job on a sandbox exchange in another process, with the time that each way takes."""

import asyncio
import itertools
import statistics
import sys
import time
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING

import click
from attrs import frozen

from fourcasters_async._core.rate_limit import RateLimit
from fourcasters_async._core.retry import RetryPolicy
from fourcasters_async.cli.display import settled, show_outcomes
from fourcasters_async.cli.exits import ALL_CONFIRMED, NOT_CANCELLED, exit_status
from fourcasters_async.cli.exits import run as run_until_done
from fourcasters_async.cli.phases import Begin, phases_on
from fourcasters_async.cli.terminal import console_of, harmless, headline, say
from fourcasters_async.models import CancelReport
from fourcasters_async.session import AsyncSession
from fourcasters_async.testing import process

if TYPE_CHECKING:
    # Without a terminal it is not needed.
    from rich.console import Console

_SAMPLE = 50
_CONNECTIONS = 100
_SINGLE_ANSWERS = 9
_ROWS_SHOWN = 12
# On the games of one way, so that the sandbox takes at most some hundred MB.
_MOST_ORDERS = 200_000
# Seconds for which single cancels are measured at most, as far as the latency says.
_MEASURED = 2.0
# Seconds for an answer of a sandbox that has much to do at once, and for a game of a fan-out.
_PATIENCE, _A_GAME = 60.0, 0.1


@click.command()
@click.option("--games", default=100, type=click.IntRange(1, 10_000), show_default=True)
@click.option("--orders", default=10, type=click.IntRange(0, 1_000), show_default=True)
@click.option(
    "--latency",
    default=20.0,
    type=click.FloatRange(0, 10_000),
    show_default=True,
    help="Milliseconds that an answer takes.",
)
def demo(games: int, orders: int, latency: float) -> None:
    """Cancel every order on many games of a sandbox exchange.

    The sandbox runs on this machine, for as long as the command does. The command never contacts
    the real exchange, whatever the environment says.
    """
    if games * orders > _MOST_ORDERS:
        raise click.UsageError(
            f"--games, --orders: the sandbox has room for {_MOST_ORDERS:,} orders on all games"
        )
    sys.exit(run_until_done(_demo(games, orders, latency), cancels=False))


async def _demo(games: int, orders: int, latency: float) -> int:
    console = console_of(sys.stdout)
    wanted = Wanted(games, orders, latency / 1000)
    try:
        with phases_on(sys.stderr) as begin:
            result = await run(wanted, begin)
    except process.SandboxError as error:
        raise click.ClickException(harmless(str(error))) from None
    show(console, result)
    return max(
        exit_status(result.report),
        exit_status(result.socket.report),
        NOT_CANCELLED if result.resting else ALL_CONFIRMED,
    )


@frozen
class Wanted:
    """How large a demo is. `latency` is the seconds before each answer."""

    games: int
    orders: int
    latency: float

    @property
    def sample(self) -> int:
        """On how many games it is measured what a cancel takes."""
        most = int(_MEASURED / self.latency) if self.latency else _SAMPLE
        return max(1, min(self.games, _SAMPLE, most))

    @property
    def singles(self) -> int:
        """How often one game is cancelled, to see what an answer takes."""
        return min(_SINGLE_ANSWERS, self.sample)

    @property
    def games_needed(self) -> int:
        """How many games the sandbox needs: as many again for the socket, and for the samples."""
        return 2 * self.games + 1 + self.sample


@frozen
class Took:
    """What a fan-out took: its report, and the seconds that this process computed meanwhile."""

    report: CancelReport
    computed: float


@frozen
class DemoResult:
    """What the demo did. Times are in seconds.

    `socket` is for as many other games, over the Orders WebSocket. `one_answer` is the median time
    of a single cancel. `one_by_one` is the time that all the cancels take one after another,
    estimated from a sample. `resting` counts the orders on the games that are open at the end.
    """

    wanted: Wanted
    rest: Took
    socket: Took
    one_answer: float
    one_by_one: float
    resting: int

    @property
    def report(self) -> CancelReport:
        """The report of the fan-out over REST."""
        return self.rest.report


async def run(wanted: Wanted, begin: Begin) -> DemoResult:
    """Cancel every order on many games of a sandbox at once, and compare the ways to do it."""
    needed = wanted.games_needed
    begin("starting a sandbox exchange in another process", None)
    placed: list[Callable[[int], None]] = []

    def on_placed(games: int) -> None:
        if not placed:
            placed.append(begin("placing orders on its games", needed))
        placed[0](games)

    async with process.sandbox(
        games=needed, orders=wanted.orders, latency=wanted.latency * 1000, on_placed=on_placed
    ) as sandbox:
        return await _measure(sandbox, wanted, begin)


async def _measure(sandbox: process.Sandbox, wanted: Wanted, begin: Begin) -> DemoResult:
    games = wanted.games
    targets, others = sandbox.games[:games], sandbox.games[games : 2 * games]
    spare, *sample = sandbox.games[2 * games :]
    patience = _PATIENCE + 2 * wanted.latency
    async with AsyncSession(
        sandbox.token,
        base_url=sandbox.url,
        orders_url=sandbox.orders_url,
        # The sandbox has no limit, so the demo need not wait for one.
        rate_limit=RateLimit(requests=1_000_000),
        retry=RetryPolicy(attempt_timeout=patience),
        timeout=2 * patience + games * (_A_GAME + wanted.latency / _CONNECTIONS),
    ) as session:
        at = begin("cancelling one game after another", wanted.singles + wanted.sample)
        took: list[float] = []
        for count, game_id in enumerate([*[spare] * wanted.singles, *sample]):
            at(count)
            took.append(await _time_of(session, game_id))
        begin("opening connections", None)
        await session.warm_up(min(games, _CONNECTIONS))
        at = begin("cancelling all games at once over REST", games)
        rest = await _fan_out(session.cancel_all_orders_for_games, targets, at)
        begin("opening the Orders WebSocket", None)
        async with session.orders_socket() as orders:
            at = begin("cancelling as many others over the Orders WebSocket", games)
            socket = await _fan_out(orders.cancel_all_orders_for_games, others, at)
        begin("verifying that nothing is open on these games", None)
        named = {*targets, *others}
        open_orders = await session.account.get_unmatched()
        return DemoResult(
            wanted,
            rest,
            socket,
            one_answer=statistics.median(took[: wanted.singles]),
            one_by_one=statistics.mean(took[wanted.singles :]) * games,
            resting=sum(order.game_id in named for order in open_orders),
        )


async def _time_of(session: AsyncSession, game_id: str) -> float:
    clock = asyncio.get_running_loop().time
    began = clock()
    await session.cancel_all_orders_for_game(game_id)
    return clock() - began


async def _fan_out(
    cancel: Callable[..., Awaitable[CancelReport]], games: list[str], at: Callable[[int], None]
) -> Took:
    answered = itertools.count(1)
    began = time.process_time()
    report = await cancel(games, on_outcome=lambda _: at(next(answered)))
    return Took(report, time.process_time() - began)


def show(console: "Console | None", result: DemoResult) -> None:
    """Print what the demo did, how long each way took, and what limits it."""
    outcomes, more = result.report.outcomes, len(result.report.outcomes) - _ROWS_SHOWN
    # It is for people, also where it is no table.
    show_outcomes(console, sorted(outcomes, key=settled)[:_ROWS_SHOWN], heads=True)
    if more > 0:
        say(f"and {more:,} more games")
    headline(console, f"sandbox: {result.report}")
    for line in lines_of(result):
        say(line)


def lines_of(result: DemoResult) -> list[str]:
    """Return what the times of a demo are, and what of them is the sandbox's."""
    wanted, total, socket = result.wanted, result.report.elapsed, result.socket.report
    games = len(result.report.outcomes)
    placed = 2 * games * wanted.orders
    how = "" if wanted.sample == games else f", measured on {wanted.sample}"
    times = [
        ("time to the last answer", total, ""),
        ("over the Orders WebSocket", socket.elapsed, f"{len(socket.confirmed):,} other games"),
        ("one answer of the sandbox", result.one_answer, f"x {total / result.one_answer:.1f}"),
        ("one after another", result.one_by_one, f"x {result.one_by_one / total:.1f}{how}"),
    ]
    connections = min(games, _CONNECTIONS)
    return [
        f"orders on all of these games: {placed:,} placed, {result.resting:,} open at the end",
        *(f"{f'{name}:':27}{_ms(took):>13}  {note}".rstrip() for name, took, note in times),
        "The sandbox's limit: it is a Python server on this machine, which computes one",
        f"  answer at a time, and sends none before {wanted.latency * 1000:g} ms.",
        f"The library's part: it computed for {_ms(result.rest.computed)} over REST, with",
        f"  {connections:,} connections, and {_ms(result.socket.computed)} over the WebSocket.",
    ]


def _ms(seconds: float) -> str:
    return f"{seconds * 1000:,.1f} ms"
