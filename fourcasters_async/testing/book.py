"""The state of the sandbox exchange, and what can happen to it. No I/O and no clock of its own."""

import secrets
from collections.abc import Iterable, Iterator
from datetime import datetime
from heapq import heappop, heappush
from itertools import count

from attrs import define, evolve, field, frozen

from fourcasters_async.testing.records import (
    BookAccount,
    BookGame,
    BookOrder,
    moment,
    seconds_at,
)

_DAY = 24 * 3600.0


@frozen
class ReadLag:
    """How many seconds reads trail the book: `appear` for new orders, `vanish` for changes."""

    appear: float = 0.0
    vanish: float = 0.0


@frozen
class Settled:
    """A fill that is graded: which it is of its order, when it was graded, and where it comes."""

    order_id: str
    fill: int
    at: float
    position: int


@define
class Book:
    """Every account, game and order of the sandbox, and what can happen to them."""

    games: dict[str, BookGame] = field(factory=dict)
    orders: dict[str, BookOrder] = field(factory=dict)
    accounts: dict[str, BookAccount] = field(factory=dict)
    tokens: dict[str, str] = field(factory=dict, repr=False)
    """The account of each token."""
    issued: dict[str, float] = field(factory=dict, repr=False)
    """When a token was issued, in seconds of the exchange's clock. One without a time is young."""
    failed_logins: dict[str, int] = field(factory=dict, repr=False)
    """How many logins in a row have failed, for each username."""
    settled: dict[tuple[str, int], Settled] = field(factory=dict, repr=False)
    """The fills that are graded, in the order in which they were."""
    commission: dict[str, dict[str, float]] = field(factory=dict, repr=False)
    """What was paid to each account for each player whom it invited, in account currency."""
    now: float = 0.0
    """The time that has passed in the book, in seconds of the exchange's clock."""
    _numbers: Iterator[int] = field(factory=count, init=False, repr=False)
    _positions: Iterator[int] = field(factory=lambda: count(1), init=False, repr=False)
    _on_game: dict[str, list[BookOrder]] = field(factory=dict, init=False, repr=False)
    _expiring: list[tuple[float, str]] = field(factory=list, init=False, repr=False)

    def issue_token(self, account: str) -> str:
        """Return a new token for an account."""
        token = f"sandbox-{secrets.token_hex(16)}"
        self.tokens[token] = account
        self.issued[token] = self.now
        return token

    def account(self, name: str) -> BookAccount:
        """Return an account, a new one if there is none of that name."""
        return self.accounts.setdefault(name, BookAccount(name))

    def add_game(
        self,
        game_id: str | None = None,
        *,
        league: str = "NBA",
        sport: str = "basketball",
        away: str = "Celtics",
        home: str = "Lakers",
        parent: BookGame | None = None,
    ) -> BookGame:
        """Add a game that starts a day after the book opened, with a new id by default.

        With a `parent` it is a period of that game, and has its league, sport and participants.
        """
        new_id = game_id or self._new_id()
        if parent is None:
            start = moment(_DAY)
            teams = self._new_id(), self._new_id()
            game = BookGame(new_id, league, sport, *teams, away=away, home=home, start=start)
        else:
            game = evolve(parent, game_id=new_id, parent_id=parent.game_id, period_name="1H")
        self.games[new_id] = game
        self._on_game[new_id] = []
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
            placed_at=self.now,
            expiry=expiry,
        )
        self.orders[order.order_id] = order
        if expiry is not None:
            heappush(self._expiring, (seconds_at(expiry), order.order_id))
        self._on_game[game_id].append(order)
        return order

    def fill(self, order_id: str, amount: float) -> None:
        """Match `amount` of an order, or what is left of it."""
        order = self.orders[order_id]
        matched = min(amount, order.remaining)
        order.filled += matched
        order.fills.append((self.now, matched))

    def cancel(self, order: BookOrder, *, at: float | None = None) -> float:
        """Cancel an order that rests, now or `at` a time, and return the risk that it releases."""
        released = order.remaining
        order.cancelled = True
        order.cancelled_at = self.now if at is None else at
        return released

    def grade(self, order_id: str, outcome: str = "winner") -> None:
        """Grade what was filled of an order: `winner`, `loser`, `push` or `refund`."""
        order = self.orders[order_id]
        order.outcome = outcome
        for fill in range(len(order.fills)):
            # A new outcome comes after what was graded meanwhile.
            self.settled.pop((order_id, fill), None)
            position = next(self._positions)
            self.settled[order_id, fill] = Settled(order_id, fill, self.now, position)

    def game_of(self, settled: Settled) -> BookGame:
        """Return the game of a fill that is graded."""
        return self.games[self.orders[settled.order_id].game_id]

    def resting(
        self, game_ids: Iterable[str] | None = None, *, account: str | None = None
    ) -> list[BookOrder]:
        """Return what rests in the book, on some games or on all, of one account or of all."""
        return [order for order in self.orders_of(account, game_ids) if order.open]

    def open_orders(
        self,
        account: str,
        game_id: str | None = None,
        type: str | None = None,  # noqa: A002  # the name on the wire
    ) -> list[BookOrder]:
        """Return what rests of `account`, on one game or on all, of one market type or of all."""
        game_ids = None if game_id is None else [game_id]
        return [o for o in self.resting(game_ids, account=account) if type in (None, o.type)]

    def orders_of(
        self, account: str | None, game_ids: Iterable[str] | None = None
    ) -> Iterator[BookOrder]:
        """Yield the orders of an account or of all, on some games or on all, open or not."""
        if game_ids is None:
            orders: Iterable[BookOrder] = self.orders.values()
        else:
            orders = (order for each in game_ids for order in self._on_game.get(each, ()))
        return (order for order in orders if account in (None, order.account))

    def as_read(self, orders: Iterable[BookOrder], lag: ReadLag) -> list[BookOrder]:
        """Return orders as a read shows them that trails the book by `lag`."""
        placed_by, changed_by = self.now - lag.appear, self.now - lag.vanish
        return [order.at(changed_by) for order in orders if order.placed_at <= placed_by]

    def pass_time(self, now: float) -> None:
        """Let time pass: orders expire, and heartbeats that did not come cancel all orders."""
        lapses = sorted(
            (account.heartbeat_until, name)
            for name, account in self.accounts.items()
            if account.heartbeat_until is not None and account.heartbeat_until <= now
        )
        for lapsed_at, name in lapses:
            self._expire(lapsed_at)
            self.accounts[name].heartbeat_until = None
            for order in self.open_orders(name):
                self.cancel(order, at=lapsed_at)
        self._expire(now)
        self.now = max(self.now, now)

    def forget_closed(self) -> None:
        """Drop the orders that no longer rest, so that a long run does not fill the memory."""
        self.orders = {order_id: order for order_id, order in self.orders.items() if order.open}
        for game_id, orders in self._on_game.items():
            self._on_game[game_id] = [order for order in orders if order.open]

    def _expire(self, until: float) -> None:
        while self._expiring and self._expiring[0][0] <= until:
            expired_at, order_id = heappop(self._expiring)
            order = self.orders.get(order_id)
            if order is not None and order.open:
                self.cancel(order, at=expired_at)

    def _new_id(self) -> str:
        return f"{0x65B036DF << 64 | next(self._numbers):024x}"
