"""An order to place, and the result of placing it."""

from enum import StrEnum
from typing import ClassVar

from attrs import field, frozen

from fourcasters_async.models.market import MarketType
from fourcasters_async.models.record import Record
from fourcasters_async.models.wire import wire


class OrderType(StrEnum):
    """How an order executes. Without a type the exchange uses `LIMIT`."""

    LIMIT = "limit"
    """Matches what it can at its odds or better; the remainder rests in the book."""
    POST = "post"
    """Only rests: it is refused if it would match."""
    POST_ARB = "postArb"
    """Like `POST`, but it may match within 1 % of its odds."""
    FILL_AND_KILL = "fillAndKill"
    """Matches what it can at its odds or better, and never rests."""
    FILL_OR_KILL = "fillOrKill"
    """Matches completely at once, or not at all."""


class PlaceErrorType(StrEnum):
    """Why an order was not placed."""

    VALIDATION = "validation_error"
    """The order itself is wrong, or the state of its game does not allow it."""
    LIABILITY = "rejected_liability"
    """The account or its liability does not allow it."""
    ORDER_TYPE_RULES = "rejected_order_type_rules"
    """Its order type does not allow it: a `POST` would match, or a `FILL_OR_KILL` cannot."""
    SYSTEM = "system_error"
    """The exchange failed. Trying again may help."""


@frozen(repr=False)
class NewOrder(Record):
    """An order to place.

    `side` is the participant that it backs (moneyline, spread), `"over"` or `"under"` (total), or
    `"yes"` or `"no"` (`moneyline1x2`). Only `moneyline1x2` takes a `market`, the outcome: `"draw"`
    or a participant. `odds` are American, `bet` is the risk in account currency without
    commission, `number` is the total, or the spread as `side` has it. The exchange cancels the
    order after `expiration_minutes`; without them, when its game starts. It returns
    `user_reference` with every result of the order.
    """

    game_id: str
    type: MarketType | str
    side: str
    # Keyword-only: a `bet` and a `number` in each other's place could both be valid.
    odds: int = field(kw_only=True)
    bet: float = field(kw_only=True)
    number: float | None = field(default=None, kw_only=True)
    market: str | None = field(default=None, kw_only=True)
    order_type: OrderType | str | None = field(default=None, kw_only=True)
    expiration_minutes: int | None = field(default=None, kw_only=True)
    user_reference: str | None = field(default=None, kw_only=True)


@frozen(repr=False)
class MatchedFill(Record):
    """A part of an order that was matched at once.

    `amount` is the risk without commission and `risk` with it, `win` is the win after commission
    and `win_without_commission` before it, all in account currency. `risk` and `win` are rounded
    each by itself: take both as they are. `odds` are American, `number` is the line of a spread or
    a total. `tx_id` identifies the fill;
    `order_id` is the order on the other side, which is somebody else's.
    """

    amount: float | None = None
    odds: int | float | None = None
    number: float | None = None
    type: MarketType | str | None = None
    side: str | None = None
    market: str | None = None
    order_id: str | None = None
    tx_id: str | None = None
    wager_request_id: str | None = None
    user_reference: str | None = field(default=None, metadata=wire(number_as_text=True))
    risk: float | None = None
    win: float | None = None
    win_without_commission: float | None = None


@frozen(repr=False)
class UnmatchedOffer(Record):
    """The part of an order that rests. `offered` is its risk in account currency.

    `order_id`, which cancels it, is always present. `odds` are American, `number` is the line of a
    spread or a total.
    """

    order_id: str
    wager_request_id: str | None = None
    offered: float | None = None
    odds: int | float | None = None
    type: MarketType | str | None = None
    side: str | None = None
    market: str | None = None
    number: float | None = None
    user_reference: str | None = field(default=None, metadata=wire(number_as_text=True))


@frozen(repr=False)
class PlaceResult(Record):
    """The result of placing one order.

    If there is an `error` (a text of the exchange, which may change) or an `error_type`, nothing
    was placed. Otherwise `matched` has what was matched at once, and `unmatched` is the part that
    rests, `None` if nothing rests.

    An answer that says neither (`matched` and `unmatched` both missing or null, and no error), or
    both, is not believed: the place raises `OutcomeUnknownError`, whose `answer` has the record.
    """

    _derived: ClassVar[tuple[str, ...]] = ("success", "order_id")

    matched: list[MatchedFill] = field(factory=list)
    unmatched: UnmatchedOffer | None = field(default=None, metadata=wire(strict=True))
    error: str | None = field(default=None, metadata=wire(strict=True))
    error_type: PlaceErrorType | str | None = field(default=None, metadata=wire(strict=True))

    @property
    def success(self) -> bool:
        """Whether the exchange accepted the order."""
        return self.error is None and self.error_type is None

    @property
    def order_id(self) -> str | None:
        """The id of the order that rests, `None` if nothing rests."""
        return None if self.unmatched is None else self.unmatched.order_id


class EditStatus(StrEnum):
    """How an edit ended."""

    REPLACED = "replaced"
    """The old order was cancelled, and the new one rests, completely or in part."""
    MATCHED = "matched"
    """The old order was cancelled, and the new one was matched at once: nothing rests."""
    CANCELLED = "cancelled"
    """The old order was cancelled, and nothing was put in its place."""
    NOT_CANCELLED = "not_cancelled"
    """The old order could not be cancelled, and is as it was. Nothing was placed."""
    FAILED = "failed"
    """Nothing was placed. The answer does not say whether the old order rests."""


@frozen(repr=False)
class EditResult(PlaceResult):
    """The result of an edit, which cancels an order and places another.

    `status` says how it ended. `matched`, `unmatched`, `order_id`, `error` and `error_type` are
    about the new order. `cancelled` is the exchange's JSON object about the old one, unchanged: of
    its fields only `success` is documented.
    """

    _derived: ClassVar[tuple[str, ...]] = ("success", "order_id", "status")

    cancelled: dict[str, object] = field(factory=dict, metadata=wire(strict=True))

    @property
    def status(self) -> EditStatus:
        """How the edit ended."""
        if self.unmatched is not None:
            return EditStatus.REPLACED
        if self.matched:
            return EditStatus.MATCHED
        old = self.cancelled.get("success")
        if old is False:
            return EditStatus.NOT_CANCELLED
        return EditStatus.CANCELLED if old is True else EditStatus.FAILED

    @property
    def success(self) -> bool:
        """Whether the new order was placed."""
        return self.status in (EditStatus.REPLACED, EditStatus.MATCHED)
