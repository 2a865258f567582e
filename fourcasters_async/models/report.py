"""What a cancel over many games came to."""

from collections.abc import Sequence
from enum import StrEnum
from typing import Any, ClassVar

from attrs import define, evolve, field, frozen

from fourcasters_async.errors import (
    FourcastersError,
    OrdersNotCancelledError,
    OutcomeUnknownError,
    UnsettledCancelsError,
)
from fourcasters_async.models.cancel import CancelResult
from fourcasters_async.models.market import GameMarket, MarketType
from fourcasters_async.models.order import OpenOrder
from fourcasters_async.models.proof import ProofSource
from fourcasters_async.models.record import Record
from fourcasters_async.models.undecided import UndecidedOrder
from fourcasters_async.models.unread import UnreadResults

# Characters of a game and a market type in a `repr`. Ids have 24.
_LONGEST_NAME = 80


class OutcomeStatus(StrEnum):
    """What is known of the cancel on one game."""

    CONFIRMED = "confirmed"
    """The exchange answered, and every order it names was cancelled."""
    PARTIAL = "partial"
    """The exchange answered, and some order it names was not cancelled."""
    REFUSED = "refused"
    """The exchange said no to the whole request: nothing was cancelled."""
    UNKNOWN = "unknown"
    """The request left, and no usable answer came: anything may have happened."""
    NOT_SENT = "not_sent"
    """Nothing reached the exchange: nothing was cancelled."""


# Not frozen, like `CancelResult`: a burst makes thousands, and the last is waited for.
@define(repr=False)
class GameOutcome(Record):
    """What is known of the cancel on one game, or on one market type of it.

    `results` has the exchange's last word on each order that it named, over all attempts.
    `complete` is `False` if an attempt, or a later cancel by id, ended unknown: orders that it
    cancelled may be missing from `results`. `attempts` is how many times it was tried. `elapsed`
    is the seconds from the call until this was known. `error` says why the status is not
    `CONFIRMED` and is `None` when it is. `resting` is the orders last seen open on the game after
    the cancel: an empty list is proof that none was, `None` that there is no proof. `seen_by` says
    what has shown `resting`.
    """

    _derived: ClassVar[tuple[str, ...]] = ("verified_clear", "unsettled")

    game_id: str
    type: MarketType | str | None
    status: OutcomeStatus
    results: list[CancelResult] = field(factory=list)
    complete: bool = True
    attempts: int = 0
    elapsed: float = 0.0
    error: FourcastersError | None = None
    resting: list[OpenOrder] | None = None
    seen_by: ProofSource | None = None

    @property
    def market(self) -> GameMarket:
        """The game, and where there is one the market type, that the cancel was aimed at."""
        return GameMarket(self.game_id, self.type)

    @property
    def verified_clear(self) -> bool:
        """Whether it was proved after the cancel that no order rested on the game."""
        return self.resting == []

    def __repr__(self) -> str:
        results = results_so_far(self)
        cancelled = _cancelled(results)
        parts = [str(self.status), f"{cancelled:,} cancelled"]
        if failed := len(results) - cancelled:
            parts.append(f"{failed:,} not cancelled")
        if not self.complete:
            parts.append("incomplete")
        if self.resting is not None:
            still = f"{len(self.resting):,} still open when last seen"
            parts.append(still if self.resting else "verified clear")
        if self.error is not None:
            parts.append(type(self.error).__name__)
        parts.append(f"{self.elapsed * 1000:.0f} ms")
        return f"<GameOutcome {str(self.market)[:_LONGEST_NAME]!r}: {', '.join(parts)}>"

    @property
    def unsettled(self) -> FourcastersError | None:
        """Why this game is not known to be clear, `None` if it is."""
        if self.resting:
            error = OrdersNotCancelledError(
                f"{self.market}: {_count(len(self.resting), 'order')} still open when last seen"
            )
            error.__cause__ = self.error
            return error
        if self.error is None and self.status != OutcomeStatus.CONFIRMED:
            return OutcomeUnknownError(f"{self.market}: {self.status}, and nothing says why")
        return self.error


# The records of an outcome are made when they are first asked for. A burst makes thousands, while
# most who cancel only ask whether it was done.
_results = GameOutcome.__dict__["results"]


def _read_results(outcome: GameOutcome) -> list[CancelResult]:
    """Return the exchange's last word on each order that it named."""
    results: Sequence[CancelResult] = _results.__get__(outcome)
    if isinstance(results, UnreadResults):
        results = results.read()
        _results.__set__(outcome, results)
    return results  # type: ignore[return-value]  # what is read is a list


GameOutcome.results = property(_read_results, _results.__set__)  # type: ignore[assignment,misc]  # attrs knows no such field


def results_so_far(outcome: GameOutcome) -> Sequence[CancelResult]:
    """Return the results of an outcome, and make no record of those that nobody asked for."""
    results: Sequence[CancelResult] = _results.__get__(outcome)
    return results


def evolved(outcome: GameOutcome, **changes: Any) -> GameOutcome:
    """Return an outcome with these fields changed, and make no record of its results."""
    return evolve(outcome, **{"results": results_so_far(outcome), **changes})


@frozen(repr=False)
class CancelReport(Record):
    """One `GameOutcome` for each distinct game of the input, in input order.

    `elapsed` is the seconds that the whole call took. `undecided` are own orders that may be on the
    games, or may still come there: while there are some, nothing is proved clear. After a halt of
    everything `whole_account` is true, and `resting` is what was last seen open on any game, as
    `seen_by` has shown it: an empty list is proof that nothing was.
    """

    _derived: ClassVar[tuple[str, ...]] = ("ok", "verified_clear")

    outcomes: tuple[GameOutcome, ...] = ()
    elapsed: float = 0.0
    undecided: tuple[UndecidedOrder, ...] = ()
    whole_account: bool = False
    resting: list[OpenOrder] | None = None
    seen_by: ProofSource | None = None

    @property
    def results(self) -> list[CancelResult]:
        """The results of all games, in the order of the games."""
        return [result for outcome in self.outcomes for result in outcome.results]

    @property
    def ok(self) -> bool:
        """Whether every outcome is `CONFIRMED` and no order was seen open afterwards.

        Without any game it is false: nothing was asked, so nothing is known. After a halt of
        everything it is whether the account was proved clear.
        """
        if self.whole_account:
            return self.verified_clear
        for outcome in self.outcomes:
            if outcome.status != OutcomeStatus.CONFIRMED or outcome.error is not None:
                return False
            if outcome.resting:
                return False
        return bool(self.outcomes)

    @property
    def confirmed(self) -> tuple[GameOutcome, ...]:
        """The games on which every order that the exchange named was cancelled."""
        return self._with(OutcomeStatus.CONFIRMED)

    @property
    def partial(self) -> tuple[GameOutcome, ...]:
        """The games on which some order was not cancelled."""
        return self._with(OutcomeStatus.PARTIAL)

    @property
    def refused(self) -> tuple[GameOutcome, ...]:
        """The games to which the exchange said no."""
        return self._with(OutcomeStatus.REFUSED)

    @property
    def unknown(self) -> tuple[GameOutcome, ...]:
        """The games for which no usable answer came."""
        return self._with(OutcomeStatus.UNKNOWN)

    @property
    def not_sent(self) -> tuple[GameOutcome, ...]:
        """The games for which nothing reached the exchange."""
        return self._with(OutcomeStatus.NOT_SENT)

    @property
    def verified_clear(self) -> bool:
        """Whether a read after the cancels proved every game clear; never so for no game.

        After a halt of everything it is whether the whole account was proved clear.
        """
        if self.whole_account:
            return self.resting == []
        return bool(self.outcomes) and all(outcome.verified_clear for outcome in self.outcomes)

    def raise_for_unsettled(self) -> None:
        """Raise `UnsettledCancelsError`, one exception a game, unless the report is `ok`."""
        errors = [outcome.unsettled for outcome in self.outcomes]
        unsettled = [error for error in errors if error is not None]
        if self.whole_account and not self.ok and not unsettled:
            unsettled = [OrdersNotCancelledError("the account: not proved that no order rests")]
        if unsettled:
            raise UnsettledCancelsError(str(self), unsettled)

    def _with(self, status: OutcomeStatus) -> tuple[GameOutcome, ...]:
        return tuple(outcome for outcome in self.outcomes if outcome.status is status)

    def __repr__(self) -> str:
        return f"<CancelReport {self}>"

    @property
    def _nothing(self) -> str:
        return "no order was named" if self.whole_account else "nothing asked"

    def __str__(self) -> str:
        """Sum the report up in one line."""
        statuses = [
            _status_count(status, outcomes)
            for status in OutcomeStatus
            if (outcomes := self._with(status))
        ]
        results = [results_so_far(outcome) for outcome in self.outcomes]
        cancelled = sum(map(_cancelled, results))
        parts = [
            f"{_count(len(self.outcomes), 'game')}: {', '.join(statuses) or self._nothing}",
            f"{_count(cancelled, 'order')} cancelled",
        ]
        if failed := sum(map(len, results)) - cancelled:
            parts.append(f"{failed:,} not cancelled")
        if self.undecided:
            parts.append(f"{_count(len(self.undecided), 'own order')} undecided")
        seen = self.resting or [o for outcome in self.outcomes for o in outcome.resting or ()]
        proved = sum(outcome.verified_clear for outcome in self.outcomes)
        if self.verified_clear:
            parts.append("verified clear")
        elif seen:
            parts.append(f"{len(seen):,} still open when last seen")
        elif proved:
            parts.append(f"{proved:,} verified clear")
        parts.append(f"{self.elapsed * 1000:.0f} ms")
        return "; ".join(parts)


@frozen(repr=False)
class FlatReport(Record):
    """What cancelling everything came to.

    `results` are those of the cancels, and `complete` is `False` if one of them ended unknown, so
    that orders may be missing. `resting` is the orders last seen open: an empty list is proof that
    none was, `None` means that nothing is proved. `undecided` are own orders that may still come
    into the book. `error` is the last thing that went wrong, if anything did. `elapsed` is in
    seconds. `seen_by` says what has shown `resting`.
    """

    _derived: ClassVar[tuple[str, ...]] = ("clear",)

    results: list[CancelResult] = field(factory=list)
    resting: list[OpenOrder] | None = None
    error: FourcastersError | None = None
    elapsed: float = 0.0
    complete: bool = True
    undecided: tuple[UndecidedOrder, ...] = ()
    seen_by: ProofSource | None = None

    @property
    def clear(self) -> bool:
        """Whether a read after the cancels proved that no order rests."""
        return self.resting == []

    def __repr__(self) -> str:
        return f"<FlatReport {self}>"

    def __str__(self) -> str:
        """Sum the report up in one line."""
        cancelled = sum(result.success for result in self.results)
        if self.clear:
            state = "nothing rests"
        elif self.undecided:
            state = f"{_count(len(self.undecided), 'own order')} undecided"
        elif self.resting is None:
            state = "not known what rests"
        else:
            state = f"{_count(len(self.resting), 'order')} still open when last seen"
        incomplete = "" if self.complete else " (incomplete)"
        done = f"{_count(cancelled, 'order')} cancelled{incomplete}"
        return f"{done}; {state}; {self.elapsed * 1000:.0f} ms"


def _status_count(status: OutcomeStatus, outcomes: Sequence[GameOutcome]) -> str:
    """Count outcomes of a status, and among those that were answered the incomplete ones."""
    answered = status in (OutcomeStatus.CONFIRMED, OutcomeStatus.PARTIAL)
    incomplete = sum(not outcome.complete for outcome in outcomes) if answered else 0
    text = f"{len(outcomes):,} {status.value.replace('_', ' ')}"
    return f"{text} ({incomplete:,} incomplete)" if incomplete else text


def _cancelled(results: Sequence[CancelResult]) -> int:
    """Return how many orders were cancelled, all if no record was made."""
    unread = isinstance(results, UnreadResults)
    return len(results) if unread else sum(result.success for result in results)


def _count(number: int, noun: str) -> str:
    return f"{number:,} {noun}" if number == 1 else f"{number:,} {noun}s"
