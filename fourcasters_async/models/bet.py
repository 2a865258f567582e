"""Bets that are graded, and what they came to."""

from datetime import datetime
from enum import StrEnum

from attrs import field, frozen

from fourcasters_async.models.order import MatchedBet, OpenOrder
from fourcasters_async.models.record import Record


class BetOutcome(StrEnum):
    """How a bet ended. The exchange has several words for a refund."""

    WINNER = "winner"
    LOSER = "loser"
    HALF_WIN = "half-win"
    HALF_LOSS = "half-loss"
    PUSH = "push"
    REFUND = "refund"
    REFUNDED = "refunded"


@frozen(kw_only=True, repr=False)
class GradedBet(MatchedBet):
    """A fill that is graded: one row for each fill of an order.

    `tx_id` identifies the fill. It can come again with another `outcome`, after a refund or a
    correction of the score: the later one is valid. `bet`, `fee`, `risk` (with the fee), `win`
    (without it) and `result` (what was won or lost, signed) are in account currency. `origin` is
    `"wager"` for a taker and `"offer"` for a maker. Only a maker's bet has a `taken_ratio` (how
    much of the order is filled, from 0 to 1) and an `expiry`. `pinnacle_line` is the exchange's
    JSON object about the line of another book when the bet was matched: its fields are not
    documented.
    """

    outcome: BetOutcome | str | None = None
    settled_at: datetime | None = None
    fee: float | None = None
    result: float | None = None
    wager_request_id: str | None = None
    is_post_arb: bool | None = None
    taken_ratio: float | None = None
    expiry: datetime | None = None
    pinnacle_line: dict[str, object] | None = None


AnyBet = OpenOrder | MatchedBet | GradedBet
"""A bet in any of its states: an order that rests, a bet that is matched, one that is graded."""


@frozen(kw_only=True, repr=False)
class GradedSummary(Record):
    """The sums over graded bets.

    `pnl` is what was won or lost, and `volume` adds up the smaller of risk and win of each bet,
    both in account currency and rounded to whole numbers.
    """

    pnl: float | None = None
    volume: float | None = None


@frozen(kw_only=True, repr=False)
class GradedBets(Record):
    """The graded bets of a window, and their sums."""

    graded: list[GradedBet]
    summary: GradedSummary | None = None


@frozen(kw_only=True, repr=False)
class GradedPage(Record):
    """One page of graded bets in the order in which they were settled.

    `cursor` is where the next page begins; it is opaque and belongs to the account. Every bet that
    was settled until `settled_through` has been sent by now.
    """

    graded: list[GradedBet]
    cursor: str
    has_more: bool
    settled_through: datetime | None = None
    summary: GradedSummary | None = None


@frozen(repr=False)
class BetsByReference(Record):
    """Orders and bets that belong together, by a reference or by the order that they came from.

    `unmatched` orders rest, `matched` bets are not graded, `graded` bets are settled.
    """

    unmatched: list[OpenOrder] = field(factory=list)
    matched: list[MatchedBet] = field(factory=list)
    graded: list[GradedBet] = field(factory=list)


@frozen(kw_only=True, repr=False)
class AffiliateCommission(Record):
    """The `commission` that was paid for a player who was invited, in account currency."""

    username: str
    commission: float
