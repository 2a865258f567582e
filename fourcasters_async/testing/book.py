"""The state of the sandbox exchange: accounts, games and orders. No I/O and no clock of its own."""

import math
import secrets
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from heapq import heappop, heappush
from itertools import count

from attrs import define, field

_OPENED = datetime(2026, 1, 1, tzinfo=UTC)


def moment(now: float) -> datetime:
    """Return the time that the exchange's clock shows, which starts when the book opens."""
    return _OPENED + timedelta(seconds=now)


@define
class BookGame:
    """A game. `start` is aware."""

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


@define
class BookAccount:
    """An account. `barred` stands for banned, locked or closed."""

    name: str
    password: str = field(default="", repr=False)
    barred: bool = False
    max_liability: float = math.inf
    """The most that one order may risk."""
    heartbeat_until: float | None = None
    """When everything is cancelled unless a heartbeat comes, in seconds of the exchange's clock."""


@define
class BookOrder:
    """An order. Amounts are in account currency, `odds` American.

    `offered` is the risk that it was placed with, `filled` the part of it that was matched.
    `number` is the spread or the total. `market` is the outcome that a `moneyline1x2` is about.
    At `expiry` the order is cancelled. Times are aware.
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
    created_at: datetime = _OPENED
    expiry: datetime | None = None
    cancelled: bool = False

    @property
    def remaining(self) -> float:
        """The risk that can still be matched."""
        return 0.0 if self.cancelled else self.offered - self.filled

    @property
    def open(self) -> bool:
        """Whether the order rests in the book."""
        return self.remaining > 0


@define
class Book:
    """Every account, game and order of the sandbox, and what can happen to them."""

    games: dict[str, BookGame] = field(factory=dict)
    orders: dict[str, BookOrder] = field(factory=dict)
    accounts: dict[str, BookAccount] = field(factory=dict)
    tokens: dict[str, str] = field(factory=dict, repr=False)
    """The account of each token."""
    issued: dict[str, float] = field(factory=dict, repr=False)
    """When a token was issued, in seconds of the exchange's clock; 0 if that is not here."""
    _numbers: Iterator[int] = field(factory=count, init=False, repr=False)
    _on_game: dict[str, list[BookOrder]] = field(factory=dict, init=False, repr=False)
    _expiring: list[tuple[datetime, str]] = field(factory=list, init=False, repr=False)

    def issue_token(self, account: str, now: float) -> str:
        """Return a new token for an account."""
        token = f"sandbox-{secrets.token_hex(16)}"
        self.tokens[token] = account
        self.issued[token] = now
        return token

    def add_game(
        self,
        game_id: str | None = None,
        *,
        league: str = "NBA",
        sport: str = "basketball",
        away: str = "Celtics",
        home: str = "Lakers",
    ) -> BookGame:
        """Add a game that starts a day after the book opened, with a new id by default."""
        game = BookGame(
            game_id or self._new_id(),
            league,
            sport,
            away_id=self._new_id(),
            home_id=self._new_id(),
            away=away,
            home=home,
            start=_OPENED + timedelta(days=1),
        )
        self.games[game.game_id] = game
        self._on_game[game.game_id] = []
        return game

    def place(
        self,
        account: str,
        game_id: str,
        *,
        type: str = "moneyline",  # noqa: A002  # the name on the wire
        odds: int = -110,
        offered: float = 100.0,
        number: float | None = None,
        side: str | None = None,
        market: str | None = None,
        user_reference: str | None = None,
        created_at: datetime = _OPENED,
        expiry: datetime | None = None,
    ) -> BookOrder:
        """Put an order of `account` in the book. `side` is by default the home team, or over."""
        game = self.games[game_id]
        if number is None and type in ("spread", "total"):
            number = -3.5 if type == "spread" else 220.5
        if side is None:
            side = {"total": "over", "moneyline1x2": "yes"}.get(type, game.home_id)
        if market is None and type == "moneyline1x2":
            market = game.home_id
        order = BookOrder(
            self._new_id(),
            account,
            game_id,
            type,
            odds,
            offered,
            number=number,
            side=side,
            market=market,
            user_reference=user_reference,
            created_at=created_at,
            expiry=expiry,
        )
        self.orders[order.order_id] = order
        if expiry is not None:
            heappush(self._expiring, (expiry, order.order_id))
        self._on_game[game_id].append(order)
        return order

    def fill(self, order_id: str, amount: float) -> None:
        """Match `amount` of an order, or what is left of it."""
        order = self.orders[order_id]
        order.filled += min(amount, order.remaining)

    def open_orders(
        self,
        account: str,
        game_id: str | None = None,
        type: str | None = None,  # noqa: A002  # the name on the wire
    ) -> list[BookOrder]:
        """Return what rests of `account`, on one game or on all, of one market type or of all."""
        orders = self.orders.values() if game_id is None else self._on_game.get(game_id, ())
        return [
            order
            for order in orders
            if order.account == account and order.open and type in (None, order.type)
        ]

    def pass_time(self, now: float) -> None:
        """Cancel what has expired, and everything of accounts whose heartbeat has not come."""
        while self._expiring and self._expiring[0][0] <= moment(now):
            expired = self.orders.get(heappop(self._expiring)[1])
            if expired is not None:
                expired.cancelled = expired.cancelled or expired.open
        for account in self.accounts.values():
            if account.heartbeat_until is not None and account.heartbeat_until <= now:
                account.heartbeat_until = None
                for order in self.open_orders(account.name):
                    order.cancelled = True

    def forget_closed(self) -> None:
        """Drop the orders that no longer rest, for runs that last."""
        self.orders = {order_id: order for order_id, order in self.orders.items() if order.open}
        for game_id, orders in self._on_game.items():
            self._on_game[game_id] = [order for order in orders if order.open]

    def _new_id(self) -> str:
        return f"{0x65B036DF << 64 | next(self._numbers):024x}"
