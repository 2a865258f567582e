"""Read until clear: the one loop that proves that nothing rests any more."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence

from attrs import evolve, frozen

from fourcasters_async.errors import (
    AuthenticationError,
    ForbiddenError,
    FourcastersError,
    OutcomeUnknownError,
)
from fourcasters_async.models import CancelResult, GameOutcome, MarketType, OpenOrder, OutcomeStatus
from fourcasters_async.orders.fanout import with_results

_log = logging.getLogger("fourcasters_async")

_FIRST_PAUSE, _LONGEST_PAUSE = 0.05, 1.0

Read = Callable[[], Awaitable[list[OpenOrder]]]
"""Reads every open order of the account, or raises a `FourcastersError`."""


@frozen
class Proof:
    """What the reads showed. `resting` is what was seen last; `None` means that nothing was proved.

    `error` is the last thing that went wrong, if anything did.
    """

    resting: list[OpenOrder] | None = None
    error: FourcastersError | None = None


async def read_until_clear(
    read: Read,
    cancel: Callable[[list[OpenOrder]], Awaitable[object]],
    *,
    resting_of: Callable[[list[OpenOrder]], list[OpenOrder] | None] = lambda orders: orders,
    until: float,
) -> Proof:
    """Read what is open, cancel what rests, and read again, until a read shows nothing.

    `resting_of` picks what is not to rest out of all open orders; it returns `None` where the
    orders do not tell. A read that fails proves nothing. Ends at the loop time `until`, or when
    the account may not read or cancel.
    """
    clock = asyncio.get_running_loop().time
    resting: list[OpenOrder] | None = None
    error: FourcastersError | None = None
    pause = 0.0
    while True:
        forbidden = False
        try:
            resting = resting_of(await read())
        except FourcastersError as failed:
            _log.debug("could not read the open orders: %s", failed)
            error, forbidden = failed, _is_forbidden(failed)
        if resting == [] or forbidden or clock() + pause >= until:
            return Proof(resting, error)
        await asyncio.sleep(pause)
        pause = min(_LONGEST_PAUSE, max(_FIRST_PAUSE, 2 * pause))
        try:
            await cancel(resting or [])
        except FourcastersError as failed:
            # The next read shows what this came to.
            _log.debug("could not cancel what rests: %s", failed)
            error = failed


class GamesInDoubt:
    """The games of a fan-out while reads and cancels by id go on: the state of `prove_clear`."""

    def __init__(
        self,
        outcomes: Sequence[GameOutcome],
        cancel_by_id: Callable[[list[str]], Awaitable[list[CancelResult]]],
    ) -> None:
        self.outcomes = list(outcomes)
        self._cancel_by_id = cancel_by_id

    def resting_of(self, open_orders: list[OpenOrder]) -> list[OpenOrder] | None:
        """Take note of what rests on each game, and return all of it; `None` if that is unclear."""
        self.outcomes = with_resting(self.outcomes, open_orders)
        resting = [order for outcome in self.outcomes for order in outcome.resting or ()]
        return resting or (None if any(o.resting is None for o in self.outcomes) else [])

    async def cancel(self, resting: list[OpenOrder]) -> None:
        """Cancel by id what rests, and unite the results with those of the games."""
        ids = list(dict.fromkeys(order.order_id for order in resting if order.order_id))
        if not ids:
            return
        try:
            by_id = {result.order_id: result for result in await self._cancel_by_id(ids)}
        except OutcomeUnknownError:
            self.outcomes = [
                evolve(o, complete=o.complete and not o.resting) for o in self.outcomes
            ]
            raise
        self.outcomes = [
            with_results(o, [by_id[r.order_id] for r in o.resting or () if r.order_id in by_id])
            for o in self.outcomes
        ]


async def prove_clear(
    outcomes: Sequence[GameOutcome],
    read: Read,
    cancel_by_id: Callable[[list[str]], Awaitable[list[CancelResult]]],
    *,
    until: float,
) -> list[GameOutcome]:
    """Prove the games of a fan-out clear by the loop time `until`; return what is known then."""
    games = GamesInDoubt(outcomes, cancel_by_id)
    await read_until_clear(read, games.cancel, resting_of=games.resting_of, until=until)
    return games.outcomes


def with_resting(
    outcomes: Sequence[GameOutcome], open_orders: Sequence[OpenOrder]
) -> list[GameOutcome]:
    """Say which of the account's open orders rest on the game of each outcome.

    An order that does not say which game it is on may be on any: then no game is proved clear.
    Nor is a game that the exchange refused: it may be no game at all.
    """
    by_game: dict[str, list[OpenOrder]] = {}
    for order in open_orders:
        by_game.setdefault((order.game_id or "").casefold(), []).append(order)
    unplaced = "" in by_game

    def look_at(outcome: GameOutcome) -> GameOutcome:
        on_game = by_game.get(outcome.game_id.casefold(), ())
        resting = [order for order in on_game if _may_be_of_type(order, outcome.type)]
        proof = resting or not (unplaced or outcome.status is OutcomeStatus.REFUSED)
        return evolve(outcome, resting=resting if proof else None)

    return [look_at(outcome) for outcome in outcomes]


def _may_be_of_type(order: OpenOrder, market_type: str | None) -> bool:
    # A type that this library does not know may be another word for the one in question.
    known = isinstance(order.type, MarketType)
    return market_type is None or not known or order.type == market_type


def _is_forbidden(error: FourcastersError) -> bool:
    return isinstance(error, AuthenticationError | ForbiddenError)
