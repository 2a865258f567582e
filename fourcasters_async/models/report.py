"""What a cancel over many games came to."""

from enum import StrEnum

from attrs import field, frozen

from fourcasters_async.errors import (
    FourcastersError,
    OrdersNotCancelledError,
    UnsettledCancelsError,
)
from fourcasters_async.models.cancel import CancelResult
from fourcasters_async.models.market import GameMarket, MarketType
from fourcasters_async.models.order import OpenOrder


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


@frozen
class GameOutcome:
    """What is known of the cancel on one game, or on one market type of it.

    `results` has the exchange's last word on each order that it named, over all attempts.
    `complete` is `False` if an attempt, or a later cancel by id, ended unknown: orders that it
    cancelled may be missing from `results`. `attempts` is how many times it was tried. `elapsed`
    is the seconds from the call until this was known. `error` says why the status is not
    `CONFIRMED` and is `None` when it is. `resting` is the orders last seen open on the game after
    the cancel: an empty list is proof that none was, `None` that there is no proof.
    """

    game_id: str
    type: MarketType | str | None
    status: OutcomeStatus
    results: list[CancelResult] = field(factory=list)
    complete: bool = True
    attempts: int = 0
    elapsed: float = 0.0
    error: FourcastersError | None = None
    resting: list[OpenOrder] | None = None

    @property
    def market(self) -> GameMarket:
        """The game, and where there is one the market type, that the cancel was aimed at."""
        return GameMarket(self.game_id, self.type)

    @property
    def unsettled(self) -> FourcastersError | None:
        """Why this game is not known to be clear, `None` if it is."""
        if self.resting:
            error = OrdersNotCancelledError(
                f"{self.market}: {_count(len(self.resting), 'order')} still open when last seen"
            )
            error.__cause__ = self.error
            return error
        return self.error


@frozen
class CancelReport:
    """One `GameOutcome` for each distinct game of the input, in input order.

    `elapsed` is the seconds that the whole call took.
    """

    outcomes: tuple[GameOutcome, ...] = ()
    elapsed: float = 0.0

    @property
    def results(self) -> list[CancelResult]:
        """The results of all games, in the order of the games."""
        return [result for outcome in self.outcomes for result in outcome.results]

    @property
    def ok(self) -> bool:
        """Whether every outcome is `CONFIRMED` and no order was seen open afterwards."""
        return all(outcome.unsettled is None for outcome in self.outcomes)

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
        """Whether a read after the cancels proved every game clear; never so for no game."""
        return bool(self.outcomes) and all(outcome.resting == [] for outcome in self.outcomes)

    def raise_for_unsettled(self) -> None:
        """Raise `UnsettledCancelsError`, one exception a game, unless the report is `ok`."""
        errors = [outcome.unsettled for outcome in self.outcomes]
        unsettled = [error for error in errors if error is not None]
        if unsettled:
            raise UnsettledCancelsError(str(self), unsettled)

    def _with(self, status: OutcomeStatus) -> tuple[GameOutcome, ...]:
        return tuple(outcome for outcome in self.outcomes if outcome.status is status)

    def __str__(self) -> str:
        """Sum the report up in one line."""
        statuses = [
            f"{len(outcomes)} {status.value.replace('_', ' ')}"
            for status in OutcomeStatus
            if (outcomes := self._with(status))
        ]
        results = self.results
        cancelled = sum(result.success for result in results)
        parts = [
            f"{_count(len(self.outcomes), 'game')}: {', '.join(statuses) or 'nothing to do'}",
            f"{_count(cancelled, 'order')} cancelled",
        ]
        if failed := len(results) - cancelled:
            parts.append(f"{failed} not cancelled")
        looked = [outcome.resting for outcome in self.outcomes if outcome.resting is not None]
        if self.verified_clear:
            parts.append("verified clear")
        elif looked:
            parts.append(f"{sum(map(len, looked))} still open when last seen")
        parts.append(f"{self.elapsed * 1000:.0f} ms")
        return "; ".join(parts)


def _count(number: int, noun: str) -> str:
    return f"{number:,} {noun}" if number == 1 else f"{number:,} {noun}s"
