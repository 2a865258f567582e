"""Random trading in the sandbox's book, by a few accounts that have some money."""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from random import Random

import pytest
from hypothesis import strategies as st

from fourcasters_async.testing import Book, BookGame
from fourcasters_async.testing.answers import Asked
from fourcasters_async.testing.matching import opposite_of
from fourcasters_async.testing.pausing import pause_orders, resume_orders
from fourcasters_async.testing.placing import Placed, RejectedError, place, replace
from fourcasters_async.testing.records import BookFill, ReadLag

ACCOUNTS = ["one", "two", "three"]
STARTED_WITH = 1000.0
STEPS = 120
# What part of its fee a bet pays.
CHARGED = {"winner": 1.0, "loser": 1.0, "half-win": 0.5, "half-loss": 0.5, "push": 0.0}
CENTS = st.integers(100, 20_000).map(lambda cents: cents / 100)
ODDS = st.integers(100, 140) | st.integers(-140, -100) | st.sampled_from([-1000, 1000, 333])

Order = tuple[str, dict[str, object]]


def put(book: Book, account: str, game: BookGame, fields: Mapping[str, object]) -> Placed:
    return place(book, account, game.game_id, fields)


@st.composite
def orders(draw: st.DrawFn) -> Order:
    """Draw an account and an order of any type. `away` and `home` stand for the teams."""
    type_ = draw(st.sampled_from(["moneyline", "spread", "total", "moneyline1x2"]))
    fields: dict[str, object] = {
        "type": type_,
        "side": draw(st.sampled_from(["away", "home"])),
        "odds": draw(ODDS),
        "bet": draw(CENTS),
        "orderType": draw(
            st.sampled_from(["limit", "limit", "post", "postArb", "fillAndKill", "fillOrKill"])
        ),
    }
    if type_ == "spread":
        fields["number"] = draw(st.sampled_from([-0.5, 0, 0.5, 0.25, -0.25, 1.75, -1.75]))
    if type_ == "total":
        fields |= {
            "number": draw(st.sampled_from([2, 2.25, 3.5])),
            "side": draw(st.sampled_from(["over", "under"])),
        }
    if type_ == "moneyline1x2":
        market = draw(st.sampled_from(["draw", "home"]))
        fields |= {"market": market, "side": draw(st.sampled_from(["yes", "no"]))}
    return draw(st.sampled_from(ACCOUNTS)), fields


def for_game(game: BookGame, fields: Mapping[str, object]) -> dict[str, object]:
    """Put the ids of a game's teams in the place of `away` and `home`."""
    teams = {"away": game.away_id, "home": game.home_id}
    named = {key: fields[key] for key in ("side", "market") if key in fields}
    return {**fields, **{key: teams.get(str(each), each) for key, each in named.items()}}


def opened() -> Book:
    """Return a book in which every account has some money."""
    book = Book()
    for name in ACCOUNTS:
        book.account(name).balance = STARTED_WITH
    return book


def trade(many: Iterable[Order]) -> tuple[Book, BookGame]:
    """Place orders on one game, but for those that are refused."""
    book = opened()
    game = book.add_game()
    for account, fields in many:
        try:
            put(book, account, game, for_game(game, fields))
        except RejectedError:
            continue
    return book, game


def order_on(side: str, bet: float = 100.0) -> dict[str, object]:
    """Return a moneyline at even odds."""
    return {"type": "moneyline", "side": side, "odds": 100, "bet": bet}


class Trading:
    """Three accounts that do what a seed says, on two games at a time."""

    def __init__(self, seed: int) -> None:
        self.random = Random(seed)  # noqa: S311  # nothing here is a secret
        self.book = opened()
        game = self.book.add_game()
        self.games = [game, self.book.add_game(parent=game)]
        self.ended: list[BookGame] = []

    def steps(self) -> Iterator[None]:
        """Do the next thing with each step."""
        for _ in range(STEPS):
            self._step()
            yield

    def _step(self) -> None:
        often = [self.place, self.take]
        rarely = [self.edit, self.cancel, self.pause, self.resume, self.start, self.settle]
        self.random.choice([*often * 8, *rarely])()

    def place(self) -> None:
        game = self.random.choice(self.games)
        fields: dict[str, object] = {
            "type": self.random.choice(["moneyline", "spread", "total", "moneyline1x2"]),
            "side": self.random.choice([game.home_id, game.away_id]),
            "odds": self.random.choice([-1000, -120, -110, 100, 110, 125, 333]),
            "bet": self.random.randint(100, 30_000) / 100,
            "number": self.random.choice([-1.75, -0.25, 0, 0.5, 1]),
            "orderType": self.random.choice(["limit", "limit", "post", "postArb", "fillAndKill"]),
        }
        if fields["type"] == "total":
            sides = self.random.choice(["over", "under"])
            fields |= {"side": sides, "number": self.random.choice([2, 2.25, 3.5])}
        if fields["type"] == "moneyline1x2":
            market = self.random.choice([game.home_id, "draw"])
            fields |= {"side": self.random.choice(["yes", "no"]), "market": market}
        with suppress(RejectedError):
            put(self.book, self.random.choice(ACCOUNTS), game, fields)

    def take(self) -> None:
        """Take what rests, all of it or a part, at its price."""
        resting = self.book.resting()
        if not resting:
            return
        maker = self.random.choice(resting)
        game = self.book.games[maker.game_id]
        line = zip(("type", "market", "side", "number"), opposite_of(maker, game), strict=True)
        bet = self.random.randint(100, 30_000) / 100
        fields = {**dict(line), "odds": -maker.odds, "bet": bet}
        with suppress(RejectedError):
            put(self.book, self.random.choice(ACCOUNTS), game, fields)

    def edit(self) -> None:
        volume = self.random.randint(100, 50_000) / 100
        for order in self.book.resting()[:1]:
            with suppress(RejectedError):
                replace(self.book, order, {"orderOdds": 105, "orderVolume": volume})
                self.book.cancel(order)

    def cancel(self) -> None:
        for order in self.book.resting()[:2]:
            self.book.cancel(order)

    def pause(self) -> None:
        pause_orders(self.book, self._asked())

    def resume(self) -> None:
        resume_orders(self.book, self._asked())

    def _asked(self) -> Asked:
        return Asked(self.random.choice(ACCOUNTS), "", {}, ReadLag())

    def start(self) -> None:
        self.book.start(self.random.choice(self.games).game_id)

    def settle(self) -> None:
        """End a game, and go on with another one."""
        self._settle(self.games[0])
        self.ended.append(self.games.pop(0))
        self.games.append(self.book.add_game())

    def correct(self) -> None:
        """Give a game that has ended another score."""
        if self.ended:
            self._settle(self.random.choice(self.ended))

    def _settle(self, game: BookGame) -> None:
        away, home = (self.random.randint(0, 4) for _ in range(2))
        self.book.settle(game.game_id, away=away, home=home)

    def check_money(self) -> None:
        """What was paid in is with the accounts, or the exchange took it as fees."""
        balances = sum(self.book.account(name).balance for name in ACCOUNTS)
        paid_in = STARTED_WITH * len(ACCOUNTS)
        assert balances + self.book.ledger.fees == pytest.approx(paid_in, abs=1e-6)

    def check_fees(self) -> None:
        """The fees are those of what is graded."""
        graded = [
            (fill, CHARGED[order.outcome])
            for order in self.book.orders.values()
            if order.outcome is not None
            for fill in order.fills
        ]
        fees = sum(fill.fee * part for fill, part in graded)
        halves = sum(part == 0.5 for _, part in graded)
        assert self.book.ledger.fees == pytest.approx(fees, abs=0.005 * halves + 1e-6)

    def check_matches(self) -> None:
        """What one side of a match risks the other can win, and only the taker pays a fee."""
        orders = self.book.orders.values()
        fills = [(order.order_id, fill) for order in orders for fill in order.fills]

        def seen(own: str, fill: BookFill) -> tuple[object, ...]:
            """Return a match as its maker sees it."""
            if fill.taker:
                return fill.other, own, fill.win, fill.risk, -fill.odds
            return own, fill.other, fill.risk, fill.win, fill.odds

        makers = Counter(seen(*each) for each in fills if not each[1].taker)
        assert makers == Counter(seen(*each) for each in fills if each[1].taker)
        assert not any(fill.fee for _, fill in fills if not fill.taker)
        for order in orders:
            amounts = [each for f in order.fills for each in (f.risk, f.win, f.fee)]
            assert amounts == [round(amount, 2) for amount in amounts]
            assert order.filled == pytest.approx(sum(f.risk for f in order.fills), abs=1e-6)

    def check_risks(self) -> None:
        """Nobody risks more than there is."""
        for name in ACCOUNTS:
            assert self.book.available(name) >= 0
