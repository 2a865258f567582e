"""The main job on a sandbox exchange in another process, with the time that each way takes."""

import asyncio
import statistics
from collections.abc import Callable
from typing import TYPE_CHECKING

from attrs import frozen

from fourcasters_async._core.rate_limit import RateLimit
from fourcasters_async.models import CancelReport, GameOutcome
from fourcasters_async.session import AsyncSession

if TYPE_CHECKING:
    # Commands that cancel should not wait until the sandbox's server is imported.
    from fourcasters_async.testing.process import Sandbox

_SAMPLE = 50
_CONNECTIONS = 100
_SINGLE_ANSWERS = 9


@frozen
class DemoResult:
    """What the demo did. Times are in seconds.

    `socket_report` is for as many other games, over the Orders WebSocket. `one_answer` is the
    median time of a single cancel. `one_by_one` is the time that all the cancels take one after
    another, estimated from `sample` games. `resting_before` and `resting_after` count the open
    orders on the games.
    """

    report: CancelReport
    socket_report: CancelReport
    one_answer: float
    one_by_one: float
    sample: int
    resting_before: int
    resting_after: int


async def run(
    sandbox: "Sandbox", games: int, on_outcome: Callable[[GameOutcome], object]
) -> DemoResult:
    """Cancel every order on the first `games` games at once, and compare the ways to do it.

    The sandbox needs `games_needed(games)` games.
    """
    clock = asyncio.get_running_loop().time
    targets, others = sandbox.games[:games], sandbox.games[games : 2 * games]
    spare, *sample = sandbox.games[2 * games :]
    # The sandbox has no limit, so the demo need not wait for one.
    limit = RateLimit(requests=1_000_000)
    async with AsyncSession(
        sandbox.token, base_url=sandbox.url, orders_url=sandbox.orders_url, rate_limit=limit
    ) as session:

        async def resting() -> int:
            open_orders = await session.account.get_unmatched()
            return sum(order.game_id in set(targets) for order in open_orders)

        async def timed(game_id: str) -> float:
            started = clock()
            await session.cancel_all_orders_for_game(game_id)
            return clock() - started

        before = await resting()
        singles = [await timed(spare) for _ in range(_SINGLE_ANSWERS)]
        one_by_one = sum([await timed(game_id) for game_id in sample])
        await session.warm_up(min(games, _CONNECTIONS))
        report = await session.cancel_all_orders_for_games(targets, on_outcome=on_outcome)
        async with session.orders_socket() as orders:
            socket_report = await orders.cancel_all_orders_for_games(others)
        return DemoResult(
            report,
            socket_report,
            one_answer=statistics.median(singles),
            one_by_one=one_by_one / len(sample) * games,
            sample=len(sample),
            resting_before=before,
            resting_after=await resting(),
        )


def games_needed(games: int) -> int:
    """Return how many games the sandbox needs for a demo with `games` games."""
    return 2 * games + 1 + min(games, _SAMPLE)
