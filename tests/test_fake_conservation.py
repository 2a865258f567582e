"""No money appears or is lost in the sandbox, whatever its accounts do."""

from collections import Counter

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule
from trading import ACCOUNTS, CENTS, ODDS, STARTED_WITH, Order, for_game, opened, orders, put

from fourcasters_async.testing import BookGame
from fourcasters_async.testing.answers import Asked
from fourcasters_async.testing.pausing import pause_orders, resume_orders
from fourcasters_async.testing.placing import RejectedError, replace
from fourcasters_async.testing.records import BookFill, ReadLag

# What part of its fee a bet pays.
CHARGED = {"winner": 1.0, "loser": 1.0, "half-win": 0.5, "half-loss": 0.5, "push": 0.0}

accounts = st.sampled_from(ACCOUNTS)
goals = st.integers(0, 4)
which = st.integers(0, 1)


class Trading(RuleBasedStateMachine):
    """Three accounts trade on a game and on its first half."""

    @initialize()
    def open(self) -> None:
        self.book = opened()
        game = self.book.add_game()
        self.games = [game, self.book.add_game(parent=game)]
        self.graded_again = False

    def asked(self, account: str) -> Asked:
        return Asked(account, "", {}, ReadLag())

    @rule(order=orders(), game=which)
    def place(self, order: Order, game: int) -> None:
        account, fields = order
        try:
            put(self.book, account, self.games[game], for_game(self.games[game], fields))
        except RejectedError:
            return

    @rule(account=accounts, game=which, odds=ODDS, volume=CENTS)
    def edit(self, account: str, game: int, odds: int, volume: float) -> None:
        for order in self.book.open_orders(account, self.games[game].game_id)[:1]:
            try:
                replace(self.book, order, {"orderOdds": odds, "orderVolume": volume})
            except RejectedError:
                continue
            self.book.cancel(order)

    @rule(account=accounts, game=which)
    def cancel(self, account: str, game: int) -> None:
        for order in self.book.open_orders(account, self.games[game].game_id)[:1]:
            self.book.cancel(order)

    @rule(account=accounts)
    def pause(self, account: str) -> None:
        pause_orders(self.book, self.asked(account))
        assert not self.book.resting(account=account)

    @rule(account=accounts)
    def resume(self, account: str) -> None:
        resume_orders(self.book, self.asked(account))

    @rule(game=which)
    def start(self, game: int) -> None:
        self.book.start(self.games[game].game_id)

    @rule(game=which, away=goals, home=goals)
    def settle(self, game: int, away: int, home: int) -> None:
        self._settle(self.games[game], away, home)

    def _settle(self, game: BookGame, away: int, home: int) -> None:
        # What was won may be risked elsewhere by the time that a score is corrected.
        self.graded_again = self.graded_again or game.ended
        self.book.settle(game.game_id, away=away, home=home)

    @invariant()
    def what_was_paid_in_is_with_the_accounts_or_was_taken_as_fees(self) -> None:
        balances = sum(self.book.account(name).balance for name in ACCOUNTS)
        paid_in = STARTED_WITH * len(ACCOUNTS)
        assert balances + self.book.ledger.fees == pytest.approx(paid_in, abs=1e-6)

    @invariant()
    def the_fees_are_those_of_what_is_graded(self) -> None:
        graded = [
            (fill, CHARGED[order.outcome])
            for order in self.book.orders.values()
            if order.outcome is not None
            for fill in order.fills
        ]
        fees = sum(fill.fee * part for fill, part in graded)
        # Half of a fee is rounded.
        assert self.book.ledger.fees == pytest.approx(fees, abs=0.005 * len(graded) + 1e-6)

    @invariant()
    def what_one_side_risks_the_other_can_win(self) -> None:
        fills = [
            (order.order_id, fill) for order in self.book.orders.values() for fill in order.fills
        ]

        def seen(fill: BookFill, own: str) -> tuple[object, ...]:
            """Return a match as its maker sees it."""
            if fill.taker:
                return fill.other, own, fill.win, fill.risk, -fill.odds
            return own, fill.other, fill.risk, fill.win, fill.odds

        makers = Counter(seen(fill, own) for own, fill in fills if not fill.taker)
        takers = Counter(seen(fill, own) for own, fill in fills if fill.taker)
        assert makers == takers
        assert not any(fill.fee for _, fill in fills if not fill.taker)

    @invariant()
    def what_was_filled_of_an_order_is_the_sum_of_its_fills(self) -> None:
        for order in self.book.orders.values():
            assert order.filled == pytest.approx(sum(fill.risk for fill in order.fills), abs=0.006)
            assert order.filled <= order.offered

    @precondition(lambda self: not self.graded_again)
    @invariant()
    def nobody_risks_more_than_there_is(self) -> None:
        for name in ACCOUNTS:
            assert self.book.available(name) >= 0

    @precondition(lambda self: not self.graded_again)
    @rule(scores=st.tuples(goals, goals, goals, goals))
    def nobody_owes_anything_once_all_is_settled(self, scores: tuple[int, int, int, int]) -> None:
        for game, away, home in zip(self.games, scores[::2], scores[1::2], strict=True):
            if not game.ended:
                self._settle(game, away, home)
        for name in ACCOUNTS:
            assert self.book.account(name).balance >= 0
            assert self.book.at_risk(name) == 0


TestTrading = Trading.TestCase
TestTrading.settings = settings(max_examples=60, stateful_step_count=40, deadline=None)
