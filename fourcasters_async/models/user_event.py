"""What the user feed says: what happened to the orders of the account."""

from datetime import datetime
from typing import ClassVar

from attrs import field, frozen

from fourcasters_async.models.market import MarketType
from fourcasters_async.models.place import MatchedFill
from fourcasters_async.models.record import Record
from fourcasters_async.models.wire import wire


@frozen(kw_only=True, repr=False)
class FeedOrder(Record):
    """An order that rests or rested, as a message of the user feed has it.

    `offered`, `filled` and `remaining` are risk in account currency. `offered` is what the order
    was placed with, 0 once it is cancelled. `filled` is what this fill took, and on a cancel all
    that was ever matched. `remaining` is what can still be matched, after the event: so `offered -
    remaining` is what is matched in all. `odds` are American, `number` is the line of a spread or a
    total.
    """

    order_id: str
    wager_request_id: str | None = None
    offered: float | None = field(default=None, metadata=wire(strict=True))
    filled: float | None = field(default=None, metadata=wire(strict=True))
    remaining: float | None = field(default=None, metadata=wire(strict=True))
    odds: int | float | None = None
    type: MarketType | str | None = None
    side: str | None = None
    market: str | None = None
    number: float | None = None
    user_reference: str | None = field(default=None, metadata=wire(number_as_text=True))
    is_post_arb: bool | None = None
    created_at: datetime | None = None
    expiry: datetime | None = None


@frozen(kw_only=True, repr=False)
class UserEvent(Record):
    """One message of the user feed. `message_id` is `"<milliseconds>-<number>"`, and grows.

    `game_id` is the game of the order, and `parent_game_id` the game that it is a period of.
    """

    message_id: str
    game_id: str | None = None
    parent_game_id: str | None = None
    event_name: str | None = None
    league: str | None = None
    sport: str | None = None
    live: bool | None = None
    start: datetime | None = None
    platform: str | None = None
    origin: str | None = None
    created_at: datetime | None = None


@frozen(kw_only=True, repr=False)
class OrderPlaced(UserEvent):
    """An order came into the book."""

    order: FeedOrder = field(metadata=wire("unmatched"))


@frozen(kw_only=True, repr=False)
class OrderCancelled(UserEvent):
    """An order left the book, by whomever it was cancelled. `order.filled` was matched before."""

    order: FeedOrder = field(metadata=wire("unmatched"))


@frozen(kw_only=True, repr=False)
class OrderFilled(UserEvent):
    """A part of an order was matched. `fill.tx_id` identifies the fill.

    As the maker, `order` is the own order that rested, and what is left of it. As the taker there
    is no `order`: what was taken is `fill`, and `fill.order_id` is somebody else's order.
    """

    _derived: ClassVar[tuple[str, ...]] = ("maker",)

    fill: MatchedFill = field(metadata=wire("matched"))
    order: FeedOrder | None = field(default=None, metadata=wire("unmatched", strict=True))

    @property
    def maker(self) -> bool:
        """Whether the order rested, and somebody else took it."""
        return self.order is not None


@frozen(kw_only=True, repr=False)
class Gap(Record):
    """Events may be missing here, or come too late.

    The exchange no longer has some of them, or a message could not be read, or the next event is
    older than one before it.

    Read the state of the account over REST. `reason` says what happened.
    """

    reason: str


@frozen(kw_only=True, repr=False)
class Lagged(Record):
    """The consumer was too slow: `dropped` events were forgotten before the next one."""

    dropped: int


FeedEvent = OrderPlaced | OrderCancelled | OrderFilled | Gap | Lagged
"""What a user feed yields."""
