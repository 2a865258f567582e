"""What the book holds: accounts, games and orders."""

import math
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta

from attrs import define, evolve, field, frozen

from fourcasters_async.testing.short import ShortRepr

NOTHING = 0.005
"""Less than this, half a cent, is a rounding error."""

_OPENED = datetime(2026, 1, 1, tzinfo=UTC)


def moment(now: float) -> datetime:
    """Return the date and time at so many seconds of the exchange's clock."""
    return _OPENED + timedelta(seconds=now)


def seconds_at(moment: datetime) -> float:
    """Return the seconds of the exchange's clock at a date and time."""
    return (moment - _OPENED).total_seconds()


def payout(odds: float) -> float:
    """Return what a risk of 1 wins at American odds."""
    return odds / 100 if odds > 0 else 100 / -odds


@define(repr=False)
class BookGame(ShortRepr):
    """A game. `start` is aware.

    A period or a derivative is a game of its own: it has a `parent_id` and a `period_name`. Over
    the Orders WebSocket the cancel of a game that is not `cached` is answered `game not found`.
    """

    game_id: str
    league: str
    sport: str
    away_id: str
    home_id: str
    away: str
    home: str
    start: datetime
    live: bool = False
    ended: bool = False
    parent_id: str | None = None
    period_name: str | None = None
    cached: bool = True
    rotation: int = 501
    """The rotation number of the away side; the home side has the next one."""
    matched: float = field(default=0.0, init=False)
    """What both sides have staked on what was matched, in account currency."""


@define(repr=False)
class BookAccount(ShortRepr):
    """An account. `barred` stands for banned, locked or closed."""

    name: str
    password: str = field(default="", repr=False)
    barred: bool = False
    max_liability: float = math.inf
    """The most that it may risk on one game, in account currency."""
    balance: float = math.inf
    """What it has, in account currency. Bets count once they are settled."""
    commission: float = 0.01
    """What it pays as a taker: this part of the smaller of risk and win."""
    heartbeat_until: float | None = None
    """When all orders are cancelled unless a heartbeat comes, in seconds of the clock."""


@frozen(repr=False)
class BookFill(ShortRepr):
    """A part of an order that was matched, at a time in seconds of the exchange's clock.

    `odds` are American, from the side of the order. `risk` and `win` are before the commission,
    `fee`, all in account currency. Only a taker pays one. `other` is the order on the other side,
    `None` if a test filled the order by itself.
    """

    fill_id: str
    at: float
    odds: int
    risk: float
    win: float
    fee: float = 0.0
    taker: bool = False
    other: str | None = None


@define(repr=False)
class BookOrder(ShortRepr):
    """An order. Amounts are in account currency, `odds` American.

    `offered` is the risk that it was placed with, `filled` the part of it that was matched.
    `number` is the spread or the total. `market` is the outcome that a `moneyline1x2` is about.
    The order is cancelled at `expiry`, which is aware. `placed_at` and `cancelled_at` are seconds
    of the exchange's clock. `outcome` is set once what was filled is graded.

    `Book.cancel` cancels an order and `Book.fill` fills it. To set `cancelled` works too, but then
    the order counts as cancelled from the start: reads that lag do not show it, and the feeds do
    not tell of it.
    """

    order_id: str
    account: str
    game_id: str
    type: str
    odds: int
    offered: float
    filled: float = 0.0
    number: float | None = None
    side: str | None = None
    market: str | None = None
    user_reference: str | None = None
    placed_at: float = 0.0
    expiry: datetime | None = None
    cancelled: bool = False
    cancelled_at: float = -math.inf
    outcome: str | None = None
    fills: list[BookFill] = field(factory=list, repr=False)
    wager_request_id: str = ""
    """What ties together all that came of one order that was placed."""
    post_arb: bool = False
    """Whether it was placed as a `postArb`."""

    def __attrs_post_init__(self) -> None:
        """Give an order that comes of no other an id of its own."""
        self.wager_request_id = self.wager_request_id or self.order_id[::-1]

    @property
    def payout(self) -> float:
        """What a risk of 1 wins, by the odds."""
        return payout(self.odds)

    @property
    def line(self) -> tuple[object, ...]:
        """What it bets on: all that tells one side of a line on a game from others."""
        return self.type, self.market, self.side, self.number

    @property
    def created_at(self) -> datetime:
        """When it was placed. Aware."""
        return moment(self.placed_at)

    @property
    def remaining(self) -> float:
        """The risk that can still be matched."""
        # Rounded, so that amounts in cents stay amounts in cents.
        return 0.0 if self.cancelled else round(self.offered - self.filled, 6)

    @property
    def open(self) -> bool:
        """Whether the order rests in the book."""
        return not self.cancelled and self.filled < self.offered

    @property
    def matched(self) -> bool:
        """Whether some of it was filled and is not graded."""
        return self.filled > 0 and self.outcome is None

    def at(self, time: float) -> "BookOrder":
        """Return the order as it was at a time, in seconds of the exchange's clock.

        What it took, it took as it came: that was never left of it.
        """
        fills = [fill for fill in self.fills if fill.at <= time or fill.taker]
        later = sum(fill.risk for fill in self.fills) - sum(fill.risk for fill in fills)
        cancelled = self.cancelled and self.cancelled_at <= time
        if len(fills) == len(self.fills) and cancelled == self.cancelled:
            return self
        filled = round(self.filled - later, 6)
        return evolve(self, filled=filled, fills=fills, cancelled=cancelled)

    def take(self, fill: BookFill) -> None:
        """Count a fill. What is left is nothing if it is less than half a cent."""
        filled = round(self.filled + fill.risk, 6)
        self.filled = self.offered if self.offered - filled < NOTHING else filled
        self.fills.append(fill)


@frozen
class ReadLag:
    """How many seconds reads trail the book: `appear` for new orders, `vanish` for changes."""

    appear: float = 0.0
    vanish: float = 0.0

    def shown(self, orders: Iterable[BookOrder], now: float) -> list[BookOrder]:
        """Return orders as a read shows them now."""
        placed_by, changed_by = now - self.appear, now - self.vanish
        return [order.at(changed_by) for order in orders if order.placed_at <= placed_by]


@frozen(repr=False)
class Paused(ShortRepr):
    """An order that was taken out of the book, as it rested, and whether its game was live then."""

    order: BookOrder
    live: bool
