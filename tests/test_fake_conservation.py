"""No money appears or is lost in the sandbox, whatever its accounts do."""

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from trading import ACCOUNTS, Trading

from fourcasters_async.testing.records import BookFill
from fourcasters_async.testing.settling import fee_of, result_of

OPPOSITE = {"winner": "loser", "half-win": "half-loss", "half-loss": "half-win", "loser": "winner"}

seeds = st.integers(0, 2**32 - 1)
cents = st.integers(0, 50_000).map(lambda each: each / 100)


@example(risk=0.0, win=0.01, fee=0.01, outcome="half-win")
@given(cents, cents, cents, st.sampled_from([*OPPOSITE, "push"]))
def test_what_one_side_gets_the_other_pays_but_for_the_fee(
    risk: float, win: float, fee: float, outcome: str
) -> None:
    took = BookFill("a" * 24, 0.0, 100, risk, win, fee, taker=True)
    made = BookFill("b" * 24, 0.0, -100, win, risk)
    both = result_of(took, outcome) + result_of(made, OPPOSITE.get(outcome, outcome))
    assert both == pytest.approx(-fee_of(took, outcome), abs=1e-6)


@settings(max_examples=40, deadline=None)
@given(seeds)
def test_money_is_conserved_at_any_moment_and_nobody_risks_more_than_there_is(seed: int) -> None:
    trading = Trading(seed)
    for _ in trading.steps():
        trading.check_money()
        trading.check_risks()
    trading.check_matches()
    trading.check_fees()


@settings(max_examples=40, deadline=None)
@given(seeds)
def test_nobody_owes_anything_once_all_is_settled(seed: int) -> None:
    trading = Trading(seed)
    for _ in trading.steps():
        pass
    for _ in range(2):
        trading.settle()
    for name in ACCOUNTS:
        assert trading.book.account(name).balance >= 0
        assert trading.book.at_risk(name) == 0


@settings(max_examples=40, deadline=None)
@given(seeds)
def test_money_is_conserved_when_scores_are_corrected(seed: int) -> None:
    trading = Trading(seed)
    for _ in trading.steps():
        if trading.random.random() < 0.1:
            trading.correct()
        trading.check_money()
    trading.check_matches()
    trading.check_fees()


def test_random_trading_is_worth_its_name() -> None:
    trading = Trading(seed=1)
    for _ in trading.steps():
        pass
    trading.settle()
    orders = trading.book.orders.values()
    assert sum(len(order.fills) for order in orders) > 50
    assert {"winner", "loser"} <= {order.outcome for order in orders}
    assert trading.book.ledger.fees > 1
