"""An order to place, and what came of it."""

from enum import StrEnum

from attrs import field, frozen

from fourcasters_async.models.market import MarketType


class OrderType(StrEnum):
    """How an order meets the book. Without one the exchange takes it for `LIMIT`."""

    LIMIT = "limit"
    """Takes what there is at its odds or better, and rests with what is left."""
    POST = "post"
    """Only ever rests: it is refused if it would match."""
    POST_ARB = "postArb"
    """As `POST`, but it may match within one percent of its odds."""
    FILL_AND_KILL = "fillAndKill"
    """Takes what there is at its odds or better, and never rests."""
    FILL_OR_KILL = "fillOrKill"
    """Matches whole at once, or not at all."""


class PlaceErrorType(StrEnum):
    """Why an order was not placed."""

    VALIDATION = "validation_error"
    """The order itself, or the state of its game."""
    LIABILITY = "rejected_liability"
    """The account, or what it stands to lose."""
    ORDER_TYPE_RULES = "rejected_order_type_rules"
    """The rules of its order type: a `POST` that would match, a `FILL_OR_KILL` that cannot."""
    SYSTEM = "system_error"
    """The exchange itself. To try again may help."""


@frozen
class NewOrder:
    """An order to place.

    `side` is the participant backed (moneyline, spread), `"over"` or `"under"` (total), or
    `"yes"` or `"no"` on the outcome that `market` names (`moneyline1x2` alone: `"draw"` or a
    participant). `odds` are American, `bet` is the risk in account currency, `number` the spread
    or the total. It is cancelled after `expiration_minutes`, and without them when its game
    starts. `user_reference` comes back on everything that becomes of it.
    """

    game_id: str
    type: MarketType | str
    side: str
    # By name alone: a bet and a number that change places are both valid.
    odds: int = field(kw_only=True)
    bet: float = field(kw_only=True)
    number: float | None = field(default=None, kw_only=True)
    market: str | None = field(default=None, kw_only=True)
    order_type: OrderType | str | None = field(default=None, kw_only=True)
    expiration_minutes: int | None = field(default=None, kw_only=True)
    user_reference: str | None = field(default=None, kw_only=True)


@frozen
class MatchedFill:
    """A part of an order that was matched at once.

    `amount` and `risk` are what is risked, `win` what is won after the commission and
    `win_without_commission` before it, in account currency; `odds` are American. `order_id` is
    the offer on the other side.
    """

    amount: float | None = None
    odds: int | None = None
    number: float | None = None
    type: MarketType | str | None = None
    side: str | None = None
    market: str | None = None
    order_id: str | None = None
    tx_id: str | None = None
    wager_request_id: str | None = None
    user_reference: str | None = None
    risk: float | None = None
    win: float | None = None
    win_without_commission: float | None = None


@frozen
class UnmatchedOffer:
    """The part of an order that rests. `offered` is its risk in account currency.

    `order_id` is what cancels it, and is always there. `odds` are American.
    """

    order_id: str
    wager_request_id: str | None = None
    offered: float | None = None
    odds: int | None = None
    type: MarketType | str | None = None
    side: str | None = None
    market: str | None = None
    number: float | None = None
    user_reference: str | None = None


@frozen
class PlaceResult:
    """What came of one order.

    With an `error` (the exchange's own words, which change) and an `error_type` nothing of it was
    placed. Otherwise `matched` is what was matched at once, and `unmatched` what rests, `None` if
    nothing does.
    """

    matched: list[MatchedFill] = field(factory=list)
    unmatched: UnmatchedOffer | None = None
    error: str | None = None
    error_type: PlaceErrorType | str | None = None

    @property
    def success(self) -> bool:
        """Whether the exchange took the order."""
        return self.error is None and self.error_type is None

    @property
    def order_id(self) -> str | None:
        """The id of the order that rests, `None` if none does."""
        return None if self.unmatched is None else self.unmatched.order_id


@frozen
class EditResult(PlaceResult):
    """What came of an edit, which cancels an order and places another.

    `cancelled` is what the exchange says of the order that was cancelled, as it stands in the
    answer: its fields are not documented.
    """

    cancelled: dict[str, object] = field(factory=dict)
