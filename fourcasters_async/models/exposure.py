"""What the account wins or loses by how a game ends."""

from typing import ClassVar

from attrs import field, frozen

from fourcasters_async.models.game import Game
from fourcasters_async.models.order import MatchedBet, OpenOrder
from fourcasters_async.models.record import Record


@frozen(kw_only=True, repr=False)
class OutcomeExposure(Record):
    """What is won or lost if a game ends in one way.

    The margin, from `margin_from` to `margin_to`, is the home side's score less the away side's.
    The total score, from `total_from` to `total_to`, is the sum of both. Each range includes its
    two ends, and an end that is `None` is open.

    `now` is what the matched bets come to, and `if_filled` adds every resting order as if it were
    filled, both in account currency, after commission, and less than 0 for a loss.
    """

    margin_from: int | None = None
    margin_to: int | None = None
    total_from: int | None = None
    total_to: int | None = None
    now: float
    if_filled: float

    def __str__(self) -> str:
        """Name the outcome, and what it comes to."""
        margin = _range("home by", self.margin_from, self.margin_to)
        total = _range("total", self.total_from, self.total_to)
        where = ", ".join(part for part in (margin, total) if part) or "any result"
        return f"{where}: {self.now:+.2f} ({self.if_filled:+.2f} if filled)"


@frozen(kw_only=True, repr=False)
class GameExposure(Record):
    """What is won or lost on a game, by its outcomes.

    `outcomes` are all that differ for the account. `unclear` are orders and bets that say too
    little to be counted, such as a total without its side; no sum here is right while there are
    some. `liability` is the exchange's own figure in account currency, 0 or less, `None` if it was
    not asked for.
    `children` are the game's periods and derivatives, which end in ways of their own.
    """

    _derived: ClassVar[tuple[str, ...]] = ("worst", "worst_if_filled", "best")

    game_id: str
    game: Game | None = None
    outcomes: list[OutcomeExposure] = field(factory=list)
    unclear: list[OpenOrder | MatchedBet] = field(factory=list)
    liability: float | None = None
    children: list["GameExposure"] = field(factory=list)

    def _document(self, levels: int) -> dict[str, object]:
        document = super()._document(levels) | {"game_id": self.game_id or None}
        # Whoever reads it elsewhere does not see which sums to distrust.
        return document | (dict.fromkeys(self._derived) if self.unclear else {})

    @property
    def worst(self) -> float:
        """The least that the matched bets can come to, without the children."""
        return min((outcome.now for outcome in self.outcomes), default=0.0)

    @property
    def worst_if_filled(self) -> float:
        """The least that can come of it if every resting order is filled, without the children."""
        return min((outcome.if_filled for outcome in self.outcomes), default=0.0)

    @property
    def best(self) -> float:
        """The most that the matched bets can come to, without the children."""
        return max((outcome.now for outcome in self.outcomes), default=0.0)


# attrs leaves it a text, which nobody could look up outside this module.
GameExposure.__init__.__annotations__["children"] = list[GameExposure]


def _range(name: str, low: int | None, high: int | None) -> str:
    if low is None and high is None:
        return ""
    if low == high:
        return f"{name} {low}"
    if high is None:
        return f"{name} {low} or more"
    return f"{name} {high} or less" if low is None else f"{name} {low} to {high}"
