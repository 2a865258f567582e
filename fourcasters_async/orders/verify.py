"""Read until clear: the one loop that proves that nothing rests any more."""

import asyncio
import math
from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable, Sequence

from fourcasters_async._core.log import log
from fourcasters_async._core.outcome import is_too_large
from fourcasters_async.errors import (
    AuthenticationError,
    ForbiddenError,
    FourcastersError,
    OutcomeUnknownError,
    SessionClosedError,
)
from fourcasters_async.models import (
    CancelResults,
    GameOutcome,
    MarketType,
    OpenOrder,
    OutcomeStatus,
    Proof,
    ProofSource,
)
from fourcasters_async.models.report import evolved
from fourcasters_async.orders.answers import already_cancelled
from fourcasters_async.orders.fanout import with_results
from fourcasters_async.orders.gate import Gate
from fourcasters_async.orders.shared_reads import BookRead, SharedReads

_FIRST_PAUSE, _LONGEST_PAUSE = 0.05, 1.0
# Seconds that the first read waits for own places in flight; each later one waits twice as long.
_FIRST_WAIT = 0.5
# The part of the time left that is kept for a read.
_FOR_THE_READ = 0.5
# Seconds: with less than this left, a read gets all of it.
_LEAST = 0.25
_ANSWERED = (OutcomeStatus.CONFIRMED, OutcomeStatus.PARTIAL)
# After these no other read can be had.
_FINAL = (AuthenticationError, ForbiddenError, SessionClosedError)


CancelById = Callable[[list[str], float, Callable[[CancelResults], None]], Awaitable[None]]
"""Cancels orders by id by a loop time, and hands on results as soon as they are known."""


class Doubt(ABC):
    """What is to be proved clear: what rests of it, and how that is cancelled."""

    games: frozenset[str] | None = None
    """The games in lower case, `None` for all."""
    answered = False
    """Whether each cancel was answered. Of one that was not, no feed can tell what it did."""
    periods = False
    """Whether the periods of the games are in doubt too, also those that are not known."""

    @abstractmethod
    def take(self, read: BookRead) -> list[OpenOrder] | None:
        """Return what rests by a read. An empty list is proof; `None` shows nothing."""

    @abstractmethod
    async def cancel(self, resting: list[OpenOrder]) -> None:
        """Cancel what rests. Raises what the cancel raises."""


async def read_until_clear(
    doubt: Doubt,
    reads: SharedReads,
    gate: Gate,
    *,
    since: float,
    until: float,
    once: bool = False,
    ahead: "asyncio.Task[BookRead] | None" = None,
) -> Proof:
    """Read what is open, cancel what rests, and read again, until a read proves that nothing does.

    Own places in flight are waited for before each read, since a read that begins before they are
    answered proves nothing. But it can show what has landed, also if the answer never comes: the
    first wait is short, each later one twice as long, and all leave time for a read. A read that
    fails proves nothing. Where a feed follows the orders, what it shows of their cancel stands for
    a read if it comes first (`SharedReads.first`): the cancel began at the loop time `since`, and
    was answered. The first read may be under way: `ahead`. Ends at the loop time `until`, or when
    the account may not read or the session is closed, or with `once` after one read.
    """
    clock = asyncio.get_running_loop().time
    resting: list[OpenOrder] | None = None
    error: FourcastersError | None = None
    source: ProofSource | None = None
    pause = 0.0
    patience = math.inf if once else _FIRST_WAIT
    while True:
        wait = min(patience, (1 - _FOR_THE_READ) * (until - clock()))
        await gate.answered(doubt.games, until=clock() + wait)
        patience *= 2
        read_until, reading, ahead = time_to_read(until), ahead, None
        try:
            if doubt.answered:
                read = await reads.first(
                    doubt.games,
                    since=since,
                    until=read_until,
                    periods=doubt.periods,
                    seen=resting or (),
                    ahead=reading,
                )
            else:
                read = await reads.read(read_until, reading)
        except FourcastersError as failed:
            log.debug("could not read the open orders: %s", failed)
            error, final = failed, isinstance(failed, _FINAL) or is_too_large(failed)
        else:
            final = False
            gate.see(read.orders)
            resting, source = doubt.take(read), read.source
        if resting == [] or final or once or clock() + pause >= until:
            return Proof(resting, error, source)
        await asyncio.sleep(pause)
        pause = min(_LONGEST_PAUSE, max(_FIRST_PAUSE, 2 * pause))
        try:
            await doubt.cancel(resting or [])
        except FourcastersError as failed:
            # The next read shows what was cancelled.
            log.debug("could not cancel what rests: %s", failed)
            error = failed


def time_to_read(until: float) -> float:
    """Return the loop time that a read has, of the time `until` which there is more to do."""
    now = asyncio.get_running_loop().time()
    left = until - now
    return now + max(_FOR_THE_READ * left, min(left, _LEAST))


class AccountInDoubt(Doubt):
    """All open orders of the account, or those that are `wanted`.

    `wanted` returns `None` for an order that does not tell. `cancel_them` cancels them. `answered`
    says whether a cancel of everything was answered before.
    """

    def __init__(
        self,
        gate: Gate,
        cancel_them: Callable[[list[OpenOrder]], Awaitable[object]],
        wanted: Callable[[OpenOrder], bool | None] = lambda _: True,
        *,
        answered: bool = False,
    ) -> None:
        self.answered = answered
        self._gate = gate
        self._cancel = cancel_them
        self._wanted = wanted

    def take(self, read: BookRead) -> list[OpenOrder] | None:
        """Return what rests of the wanted orders."""
        wanted = [self._wanted(order) for order in read.orders]
        resting = [order for order, each in zip(read.orders, wanted, strict=True) if each]
        if resting:
            return resting
        return [] if None not in wanted and not not_proved(self._gate, read) else None

    async def cancel(self, resting: list[OpenOrder]) -> None:
        """Cancel them."""
        await self._cancel(resting)


class GamesInDoubt(Doubt):
    """The games of a fan-out. `outcomes` says what is known of each.

    With `periods`, orders on games whose `parent_game_id` is one of the games count as on it.
    """

    def __init__(
        self,
        gate: Gate,
        outcomes: Sequence[GameOutcome],
        cancel_by_id: CancelById,
        *,
        until: float,
        periods: bool = False,
    ) -> None:
        self._named = frozenset(outcome.game_id.casefold() for outcome in outcomes)
        self.games: frozenset[str] | None = self._named
        if periods:
            self.games = gate.with_periods(self._named)
        self.outcomes: list[GameOutcome] = list(outcomes)
        self.answered: bool = all(outcome.status in _ANSWERED for outcome in outcomes)
        self._gate = gate
        self._cancel_by_id = cancel_by_id
        self._until = until
        self._mark = 0
        self.periods = periods

    def take(self, read: BookRead) -> list[OpenOrder] | None:
        """Return what rests on the games, and keep it with the outcome of each."""
        self._mark = read.mark
        if self.periods:
            self._gate.learn_periods(read.orders)
            self.games = self._gate.with_periods(self._named)
        doubtful = not_proved(self._gate, read)
        by_game: dict[str, list[OpenOrder]] = {}
        for order in read.orders:
            by_game.setdefault((order.game_id or "").casefold(), []).append(order)
            parent = order.game.parent_game_id if self.periods and order.game else None
            if parent:
                by_game.setdefault(parent.casefold(), []).append(order)
        for index, outcome in enumerate(self.outcomes):
            game = outcome.game_id.casefold()
            resting = [o for o in by_game.get(game, ()) if _may_be_of_type(o, outcome.type)]
            # An order that does not say which game it is on may be on any.
            proof = "" not in by_game and doubtful.isdisjoint(self._all_of(outcome))
            self.outcomes[index] = evolved(
                outcome,
                resting=resting if resting or proof else None,
                seen_by=read.source if resting or proof else None,
            )
        resting = [order for outcome in self.outcomes for order in outcome.resting or ()]
        return resting or (None if any(o.resting is None for o in self.outcomes) else [])

    async def cancel(self, resting: list[OpenOrder]) -> None:
        """Cancel by id what rests, and unite the results with those of the games."""
        ids = list(dict.fromkeys(order.order_id for order in resting if order.order_id))
        if not ids:
            return
        now = asyncio.get_running_loop().time()
        # A cancel that hangs must leave time for a read.
        until = now + (self._until - now) * _FOR_THE_READ
        try:
            await self._cancel_by_id(ids, until, self._unite)
        except OutcomeUnknownError:
            self._miss_some()
            raise

    def settle(self) -> list[GameOutcome]:
        """Return the outcomes. Games on which something was placed since the proof have none."""
        changed = self._gate.changed_since(self._mark)
        if changed:
            for index, outcome in enumerate(self.outcomes):
                if outcome.resting == [] and not changed.isdisjoint(self._all_of(outcome)):
                    self.outcomes[index] = evolved(outcome, resting=None, seen_by=None)
        return self.outcomes

    def _all_of(self, outcome: GameOutcome) -> tuple[str | None, ...]:
        """Return the games that an outcome is about, and what stands for one not known."""
        game = outcome.game_id.casefold()
        return (*self._gate.with_periods([game]), None) if self.periods else (game, None)

    def _miss_some(self) -> None:
        """Record that a cancel by id ended unknown: results of what rested may be missing."""
        for index, outcome in enumerate(self.outcomes):
            if outcome.resting:
                self.outcomes[index] = evolved(outcome, complete=False)

    def _unite(self, results: CancelResults) -> None:
        if not results.complete:
            self._miss_some()
        by_id = {result.order_id: result for result in results if not already_cancelled(result)}
        for index, outcome in enumerate(self.outcomes):
            more = [by_id[o.order_id] for o in outcome.resting or () if o.order_id in by_id]
            if more:
                self.outcomes[index] = with_results(outcome, more)


def not_proved(gate: Gate, read: BookRead) -> frozenset[str | None]:
    """Return the games on which a read that shows nothing does not prove that nothing rests.

    Something of the session's own is undecided there, or was placed since the read began, or the
    read lacks an order that was acknowledged shortly before. `None` among them: it may be any game.
    """
    changed = gate.changed_since(read.mark)
    return changed | gate.not_shown(read.orders, read_at=read.began)


def _may_be_of_type(order: OpenOrder, market_type: str | None) -> bool:
    # A type that this library does not know may be another word for the one in question.
    known = isinstance(order.type, MarketType)
    return market_type is None or not known or order.type == market_type
