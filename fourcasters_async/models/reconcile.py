"""What happened to orders whose place ended unknown."""

from enum import StrEnum

from attrs import field, frozen

from fourcasters_async.models.bet import GradedBet
from fourcasters_async.models.order import MatchedBet, OpenOrder
from fourcasters_async.models.record import Record


class OrderFate(StrEnum):
    """What happened to an order."""

    RESTING = "resting"
    """It rests in the book, completely or in part."""
    FILLED = "filled"
    """It was matched, and nothing of it rests."""
    GRADED = "graded"
    """It was matched and is settled."""
    ABSENT = "absent"
    """It never reached the book, and can no longer do so. It may be placed again.

    After an edit the old order may rest, or may have been cancelled: `lookup_order` shows it.
    """
    UNDECIDED = "undecided"
    """It was not found, and may still come into the book; or the exchange was not reached."""


@frozen(repr=False)
class ReconciledOrder(Record):
    """What happened to one order, by its `user_reference`.

    `unmatched`, `matched` and `graded` are the exchange's orders and bets with the reference.
    """

    game_id: str
    user_reference: str
    fate: OrderFate
    unmatched: list[OpenOrder] = field(factory=list)
    matched: list[MatchedBet] = field(factory=list)
    graded: list[GradedBet] = field(factory=list)
