"""The state of the sandbox exchange, and what can happen to it. No I/O and no clock of its own."""

import math
import secrets
from collections.abc import Container, Iterable, Iterator
from datetime import datetime
from heapq import heappop, heappush
from itertools import count

from attrs import define, evolve, field

from fourcasters_async.testing.book_events import BookEventKind, BookEvents
from fourcasters_async.testing.matching import Match, opposite_of
from fourcasters_async.testing.money import Ledger, fee_for
from fourcasters_async.testing.open_orders import OpenOrders
from fourcasters_async.testing.records import (
    BookAccount,
    BookFill,
    BookGame,
    BookOrder,
    Paused,
    moment,
    seconds_at,
)
from fourcasters_async.testing.settling import outcome_of
from fourcasters_async.testing.short import ShortRepr

# Seconds from the opening of the book to the start of its games, so that tests may move the clock.
_UNTIL_START = 365 * 24 * 3600.0


@define(repr=False)
class Book(ShortRepr):
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
    paused: dict[str, list[Paused]] = field(factory=dict, repr=False)
    """What each account has taken out of the book to put it back later."""
    ledger: Ledger = field(factory=Ledger, init=False, repr=False)
    """The bets that are graded and those that are not, and the fees."""
    min_bet: float = 1.0
    """The least that an order may risk, in account currency. The exchange documents none: this one
    is the sandbox's own."""
    commission: dict[str, dict[str, float]] = field(factory=dict, repr=False)
    """What was paid to each account for each player whom it invited, in account currency."""
    now: float = 0.0
    """The time that has passed in the book, in seconds of the exchange's clock."""
    events: BookEvents = field(factory=BookEvents, repr=False)
    """Tells of every change of an order or a game, right after it."""
    _numbers: Iterator[int] = field(factory=count, init=False, repr=False)
    _on_game: dict[str, list[BookOrder]] = field(factory=dict, init=False, repr=False)
    _open: OpenOrders = field(factory=OpenOrders, init=False, repr=False)
    _expiring: list[tuple[float, str]] = field(factory=list, init=False, repr=False)
    _starting: list[tuple[float, str]] = field(factory=list, init=False, repr=False)

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
        start: datetime | None = None,
    ) -> BookGame:
        """Add a game that starts a year after the book opened, with a new id by default.

        With a `parent` it is a period of that game, and has its league, sport and participants.
        """
        new_id = game_id or self.new_id()
        if parent is None:
            start = start or moment(_UNTIL_START)
            teams = self.new_id(), self.new_id()
            game = BookGame(new_id, league, sport, *teams, away=away, home=home, start=start)
        else:
            game = evolve(parent, game_id=new_id, parent_id=parent.game_id, period_name="1H")
        self.games[new_id] = game
        self._on_game[new_id] = []
        heappush(self._starting, (seconds_at(game.start), new_id))
        self.events.tell(BookEventKind.OPENED, self.now, game)
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
        """Put an order of `account` in the book, and match it with nothing.

        `side` is by default the home team, or over.
        """
        game = self.games[game_id]
        if number is None and type in ("spread", "total"):
            number = -3.5 if type == "spread" else 220.5
        if side is None:
            side = {"total": "over", "moneyline1x2": "yes"}.get(type, game.home_id)
        if market is None and type == "moneyline1x2":
            market = game.home_id
        order = BookOrder(
            self.new_id(),
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
        self.add(order)
        return order

    def add(self, order: BookOrder, *, rests: bool = True) -> None:
        """Put an order in the book as it is. One that is matched at once never `rests`."""
        self.orders[order.order_id] = order
        if order.expiry is not None:
            heappush(self._expiring, (seconds_at(order.expiry), order.order_id))
        self._on_game[order.game_id].append(order)
        self._open.add(order)
        if rests:
            self.events.tell(BookEventKind.PLACED, self.now, self.games[order.game_id], order)

    def fill(self, order_id: str, amount: float) -> None:
        """Match `amount` of an order, or what is left of it, with nobody."""
        order = self.orders[order_id]
        risk = min(amount, order.remaining)
        self._fill(order, BookFill(self.new_id(), self.now, order.odds, risk, risk * order.payout))

    def match(self, taker: BookOrder, match: Match) -> None:
        """Fill a taker's order and the one that it takes, each with the other."""
        maker, risk, win = match.maker, match.taker_risk, match.maker_risk
        fee = fee_for(self.account(taker.account), match)
        odds = maker.odds
        made = BookFill(self.new_id(), self.now, odds, win, risk, other=taker.order_id)
        took = BookFill(
            self.new_id(), self.now, -odds, risk, win, fee, taker=True, other=maker.order_id
        )
        self._fill(maker, made)
        self._fill(taker, took)

    def _fill(self, order: BookOrder, fill: BookFill) -> None:
        game = self.games[order.game_id]
        order.take(fill)
        if not fill.taker:
            game.matched += fill.risk + fill.win
        self.ledger.hold(order, game, fill)
        self.events.tell(BookEventKind.FILLED, fill.at, game, order, fill)

    def at_risk(self, account: str, game_id: str | None = None) -> float:
        """Return what an account can lose, on one game or on all, in account currency.

        That is the liability of its bets, fees included, and all that its open orders would risk.
        An order makes up for nothing as long as it is open.
        """
        resting = sum(order.remaining for order in self.open_orders(account, game_id))
        return round(resting - self.ledger.liability(account, game_id), 2)

    def available(self, account: str) -> float:
        """Return what an account can still risk: its balance less what is at risk."""
        balance = self.account(account).balance
        return balance if math.isinf(balance) else round(balance - self.at_risk(account), 2)

    def cancel(self, order: BookOrder, *, at: float | None = None) -> float:
        """Cancel an order that rests, now or `at` a time, and return the risk that it releases."""
        released = order.remaining
        order.cancelled = True
        order.cancelled_at = self.now if at is None else at
        game = self.games[order.game_id]
        self.events.tell(BookEventKind.CANCELLED, order.cancelled_at, game, order)
        return released

    def grade(self, order_id: str, outcome: str = "winner") -> None:
        """Grade what was filled of an order, or grade it again: the balance follows.

        What was not filled of it is cancelled. The outcome is `winner`, `loser`, `half-win`,
        `half-loss`, `push` or `refund`.
        """
        order = self.orders[order_id]
        if order.open:
            self.cancel(order)
        account = self.account(order.account)
        change = self.ledger.grade(order, outcome, self.now)
        account.balance = round(account.balance + change, 2)

    def start(self, game_id: str, *, at: float | None = None) -> None:
        """Let a game begin, now or `at` a time: it is live, and what rests on it is cancelled."""
        game = self.games[game_id]
        if game.live or game.ended:
            return
        game.live = True
        for order in self.resting([game_id]):
            self.cancel(order, at=at)
        self.events.tell(BookEventKind.STARTED, self.now if at is None else at, game)

    def settle(self, game_id: str, *, away: int, home: int) -> None:
        """End a game with a score: what rests on it is cancelled, and every bet is graded."""
        game = self.games[game_id]
        game.live, game.ended = False, True
        for order in self._on_game[game_id]:
            if order.open:
                self.cancel(order)
            if order.filled:
                self.grade(order.order_id, outcome_of(order, game, away, home))
        self.events.tell(BookEventKind.ENDED, self.now, game)

    def resting(
        self, game_ids: Iterable[str] | None = None, *, account: str | None = None
    ) -> list[BookOrder]:
        """Return what rests in the book, on some games or on all, of one account or of all."""
        if game_ids is None:
            return self._open.all() if account is None else self._open.of(account)
        orders = (order for each in game_ids for order in self._open.on(each))
        return [order for order in orders if account in (None, order.account)]

    def facing(self, order: BookOrder) -> list[BookOrder]:
        """Return what rests on the other side of the line that an order is on."""
        return self._open.on(order.game_id, opposite_of(order, self.games[order.game_id]))

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

    @property
    def due(self) -> float:
        """When something can next happen by itself, in seconds of the clock, or infinity."""
        beats = [account.heartbeat_until for account in self.accounts.values()]
        times = [until for until in beats if until is not None]
        times += [queue[0][0] for queue in (self._expiring, self._starting) if queue]
        return min(times, default=math.inf)

    def pass_time(self, now: float) -> None:
        """Let time pass: orders expire, games start, and missing heartbeats cancel all orders."""
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
        while self._starting and self._starting[0][0] <= now:
            started_at, game_id = heappop(self._starting)
            self.start(game_id, at=started_at)
        self.now = max(self.now, now)

    def forget_closed(self) -> None:
        """Drop the orders that no longer rest, and their bets: a long run fills no memory."""
        for order in self.orders.values():
            if not order.open:
                self.ledger.forget(order)
        self._open.forget_closed()
        self.orders = {order_id: order for order_id, order in self.orders.items() if order.open}
        for game_id, orders in self._on_game.items():
            self._on_game[game_id] = [order for order in orders if order.open]

    def forget_unfilled(self, accounts: Container[str]) -> None:
        """Drop the orders of some accounts that no longer rest, and of which nothing was filled."""

        def is_kept(order: BookOrder) -> bool:
            return order.open or bool(order.fills) or order.account not in accounts

        self._open.forget_closed()
        self.orders = {each: order for each, order in self.orders.items() if is_kept(order)}
        for game_id, orders in self._on_game.items():
            self._on_game[game_id] = list(filter(is_kept, orders))

    def _expire(self, until: float) -> None:
        while self._expiring and self._expiring[0][0] <= until:
            expired_at, order_id = heappop(self._expiring)
            order = self.orders.get(order_id)
            if order is not None and order.open:
                self.cancel(order, at=expired_at)

    def new_id(self) -> str:
        """Return an id that nothing in the book has."""
        return f"{0x65B036DF << 64 | next(self._numbers):024x}"
