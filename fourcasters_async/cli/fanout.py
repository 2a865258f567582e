"""The fan-out of `cancel-games`, and what is known of it if it is interrupted."""

import time
from collections.abc import Callable, Sequence
from typing import TypedDict

from attrs import frozen

from fourcasters_async.cli.exits import run
from fourcasters_async.cli.sessions import has_socket
from fourcasters_async.cli.waiting import waiting
from fourcasters_async.cli.wording import counted, number
from fourcasters_async.errors import OutcomeUnknownError
from fourcasters_async.models import CancelReport, GameMarket, GameOutcome, OutcomeStatus
from fourcasters_async.session import AsyncSession

# Seconds. A connection takes four round trips, and REST then takes three more.
_HEDGE = 0.5


class _Options(TypedDict):
    deadline: float | None
    verify: bool
    periods: bool
    on_outcome: Callable[[GameOutcome], object]


@frozen
class FanoutResult:
    """The report of a fan-out. If it was `interrupted`, the games without an answer are unknown."""

    report: CancelReport
    interrupted: bool = False


def fan_out(
    session: AsyncSession,
    markets: Sequence[GameMarket],
    deadline: float | None,
    *,
    verify: bool,
    periods: bool,
) -> FanoutResult:
    """Cancel every order on the games until all is known, the deadline ends, or Ctrl-C."""
    started = time.monotonic()
    told: dict[GameMarket, GameOutcome] = {}

    async def cancel() -> FanoutResult:
        async with session:
            with waiting(
                lambda: f"{number(len(told))} of {counted(len(markets), 'game')} answered"
            ):

                def on_outcome(outcome: GameOutcome) -> None:
                    told[outcome.market] = outcome

                options = _Options(
                    deadline=deadline, verify=verify, periods=periods, on_outcome=on_outcome
                )
                return FanoutResult(await _cancel(session, markets, options))

    def interrupted() -> FanoutResult:
        elapsed = time.monotonic() - started
        outcomes = [told.get(market) or _not_known(market, elapsed) for market in markets]
        return FanoutResult(CancelReport(tuple(outcomes), elapsed=elapsed), interrupted=True)

    return run(cancel(), interrupted)


async def _cancel(
    session: AsyncSession, markets: Sequence[GameMarket], options: _Options
) -> CancelReport:
    """Cancel over the Orders WebSocket, which is faster from a cold start, with REST as hedge."""
    if not has_socket():
        return await session.cancel_all_orders_for_games(markets, **options)
    async with session.orders_socket(wait=False) as orders:
        return await orders.cancel_all_orders_for_games(markets, hedge=_HEDGE, **options)


def _not_known(market: GameMarket, elapsed: float) -> GameOutcome:
    # Only the session knows which of these requests have left, and it is closed.
    error = OutcomeUnknownError(f"{market}: interrupted: it may or may not be cancelled")
    return GameOutcome(
        market.game_id,
        market.type,
        OutcomeStatus.UNKNOWN,
        complete=False,
        elapsed=elapsed,
        error=error,
    )
