"""An open order, the state of an order, and a matched bet."""

from datetime import datetime
from typing import ClassVar

from attrs import field, frozen

from fourcasters_async.models.game import Game
from fourcasters_async.models.market import MarketType
from fourcasters_async.models.record import Record
from fourcasters_async.models.wire import wire


@frozen(repr=False)
class OpenOrder(Record):
    """One open order of the account, as `GET /user/getUnmatched` returns it.

    `odds` are American, a `float` if the exchange sends a decimal; `bet`, `filled`, `offered` and
    `remaining` are in account currency; `created_at` and `expiry` are timezone-aware. `remaining`
    is what can still be matched. `taken_ratio` is the part that was matched, from 0 to 1; it has
    rounding noise and may be slightly negative.

    It backs `participant_id` (moneyline, spread), with the line `spread` as that side has it, its
    `side` (`"over"` or `"under"`) of the line `total`, or `"yes"` or `"no"` to the outcome
    `market`, a participant or `"draw"` (`moneyline1x2`).

    `origin` is `"offer"` or `"wager"`. A `type` that this library does not know stays a plain
    string. A field that is missing from the answer or cannot be read is `None`, `order_id` and
    `game` too. Such an order rests all the same, and without a `game` it may be on any. The orders
    of one answer that are on the same game share its record.
    """

    _derived: ClassVar[tuple[str, ...]] = ("game_id",)

    # Not strict: without its id the order rests all the same, and must not be lost to a proof.
    order_id: str | None = field(default=None, metadata=wire("id"))
    tx_id: str | None = None
    type: MarketType | str | None = None
    bet: float | None = None
    odds: int | float | None = None
    spread: float | None = None
    total: float | None = None
    participant_id: str | None = None
    other_participant_id: str | None = None
    market: str | None = None
    side: str | None = None
    filled: float | None = None
    offered: float | None = None
    remaining: float | None = None
    taken_ratio: float | None = None
    expiry: datetime | None = None
    created_at: datetime | None = None
    origin: str | None = None
    user_reference: str | None = field(default=None, metadata=wire(number_as_text=True))
    wager_request_id: str | None = None
    graded: bool | None = None
    closed: bool | None = None
    admin_refund: bool | None = None
    game: Game | None = None

    @property
    def game_id(self) -> str | None:
        """The id of the game that the order is on, `None` if the exchange did not send it."""
        return None if self.game is None else self.game.game_id


@frozen(repr=False)
class OrderDetail(Record):
    """The state of one order of the account, as `GET /session/lookupOrder` returns it.

    `matched_risk` and `unmatched_risk` are in account currency, `odds` are American. An order is
    out of the book once it is `cancelled` or its `unmatched_risk` is 0. `over_under`, for totals
    only, is the opposite of the order's side; `participant_id` is the participant it backs.
    `spread` and `total` are the lines.
    """

    order_id: str | None = field(default=None, metadata=wire("id"))
    cancelled: bool | None = None
    is_the_best_offer: bool | None = None
    odds: int | float | None = None
    type: MarketType | str | None = None
    over_under: str | None = field(default=None, metadata=wire("OU"))
    participant_id: str | None = field(default=None, metadata=wire("participant"))
    participant_long_name: str | None = None
    spread: float | None = None
    total: float | None = None
    matched_risk: float | None = None
    unmatched_risk: float | None = None
    game: Game | None = None


@frozen(repr=False)
class MatchedBet(Record):
    """A bet that was matched and is not graded yet: one fill of an order.

    `tx_id` identifies the fill. `bet` is the stake, `risk` the stake and the commission on a loss,
    `win` what is won less the commission on a win, all in account currency. `risk` and `win` are
    rounded each by itself: take both as they are. Makers (`origin` is `"offer"`, for takers
    `"wager"`) pay no commission. `odds` are American and, as `bet`, those of the account's own
    side; times are timezone-aware. It backs what an `OpenOrder` does, of a total `over_under`.
    `spread` and `total` are the lines.
    """

    bet_id: str | None = field(default=None, metadata=wire("id"))
    tx_id: str | None = None
    type: MarketType | str | None = None
    bet: float | None = None
    odds: int | float | None = None
    spread: float | None = None
    total: float | None = None
    over_under: str | None = field(default=None, metadata=wire("OU"))
    participant_id: str | None = None
    market: str | None = None
    side: str | None = None
    user_reference: str | None = field(default=None, metadata=wire(number_as_text=True))
    created_at: datetime | None = None
    matched_time: datetime | None = None
    graded: bool | None = None
    closed: bool | None = None
    origin: str | None = None
    admin_refund: bool | None = None
    cancelled: bool | None = None
    platform: str | None = None
    ticket_number: str | None = None
    risk: float | None = None
    win: float | None = None
    game: Game | None = None


@frozen(repr=False)
class OpenOrdersPage(Record):
    """Every open order of the account, with the fields that show an incomplete answer."""

    unmatched: list[OpenOrder]
    has_more: bool | None = field(default=None, metadata=wire(strict=True))
    total: float | None = field(default=None, metadata=wire(strict=True))
    next: str | None = field(default=None, metadata=wire(strict=True))
    next_cursor: str | None = field(default=None, metadata=wire(strict=True))
    matched: object = None
    graded: object = None

    @property
    def cut_short(self) -> bool:
        """Whether the answer says that there are more orders than it has."""
        more = self.total is not None and self.total > len(self.unmatched)
        return bool(more or self.has_more or self.next or self.next_cursor)

    @property
    def is_selection(self) -> bool:
        """Whether it has the form of the orders of one game or of one reference."""
        return self.matched is not None or self.graded is not None


@frozen(repr=False)
class GameOrders(Record):
    """The account's open orders on one game, and its matched bets that are not graded."""

    unmatched: list[OpenOrder]
    matched: list[MatchedBet]
