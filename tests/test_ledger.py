"""The ledger of own orders: events, answers and reads, in whatever order they come."""

from collections.abc import Callable
from typing import Any

import pytest
from attrs import define, evolve, field, frozen
from hypothesis import given, settings
from hypothesis import strategies as st

from fourcasters_async import (
    ChangeSource,
    FeedOrder,
    Game,
    MatchedFill,
    OpenOrder,
    OrderCancelled,
    OrderFilled,
    OrderPlaced,
)
from fourcasters_async.feeds.ledger import Ledger

LAG = 1.0
GAME, ANOTHER = "A" * 24, "b" * 24


def order(order_id: str = "X1", *, left: float = 100.0, game: str | None = GAME) -> OpenOrder:
    return OpenOrder(
        order_id=order_id,
        offered=100.0,
        remaining=left,
        game=None if game is None else Game(game_id=game),
    )


def placed(order_id: str = "X1", *, game: str = GAME) -> OrderPlaced:
    told = FeedOrder(order_id=order_id, offered=100.0, filled=0.0, remaining=100.0)
    return OrderPlaced(message_id="1-0", game_id=game, order=told)


def filled(order_id: str = "X1", *, left: float, game: str = GAME) -> OrderFilled:
    told = FeedOrder(order_id=order_id, offered=100.0, filled=1.0, remaining=left)
    return OrderFilled(message_id="1-0", game_id=game, fill=MatchedFill(tx_id="t"), order=told)


def cancelled(order_id: str = "X1", *, game: str = GAME) -> OrderCancelled:
    told = FeedOrder(order_id=order_id, offered=0.0, filled=0.0, remaining=0.0)
    return OrderCancelled(message_id="1-0", game_id=game, order=told)


@pytest.fixture
def ledger() -> Ledger:
    return Ledger(read_lag=LAG)


def left(ledger: Ledger) -> dict[str | None, float | None]:
    return {each.order_id: each.remaining for each in ledger.orders()}


def test_an_order_that_is_placed_rests_on_its_game_whatever_the_case_of_its_id(
    ledger: Ledger,
) -> None:
    ledger.apply(placed(), 0.0)
    assert [each.order_id for each in ledger.orders(GAME.lower())] == ["X1"]
    assert ledger.orders(ANOTHER) == []
    assert ledger.get("x1") is not None


def test_an_order_on_a_game_that_is_not_known_may_be_on_any(ledger: Ledger) -> None:
    ledger.read([order(game=None)], began=0.0, now=0.0, complete=False)
    assert len(ledger.orders(ANOTHER)) == 1


@pytest.mark.parametrize("said_by", ["read", "answer"])
def test_a_read_without_an_order_that_rested_a_moment_before_decides_nothing(
    ledger: Ledger, said_by: str
) -> None:
    if said_by == "read":
        ledger.read([order()], began=0.0, now=0.2, complete=False, gapless_since=0.0)
        assert ledger.conclusive
    else:
        ledger.rests(order(), 0.2)
    ledger.read([], began=LAG, now=LAG + 0.1, complete=False, gapless_since=0.0)
    assert (left(ledger), ledger.conclusive) == ({"X1": 100.0}, False)
    ledger.read([], began=LAG + 0.3, now=LAG + 0.4, complete=False, gapless_since=0.0)
    assert (left(ledger), ledger.conclusive) == ({}, True)


@pytest.mark.parametrize(("told_at", "decided"), [(0.3, False), (0.5, False), (0.6, True)])
def test_an_order_that_the_feed_has_told_of_since_a_gap_leaves_nothing_undecided(
    ledger: Ledger, told_at: float, decided: bool
) -> None:
    ledger.apply(placed(), told_at)
    ledger.rests(order(), 0.7)
    ledger.read([], began=LAG + 0.5, now=LAG + 0.6, complete=False, gapless_since=0.5)
    assert (len(ledger), ledger.conclusive) == (1, decided)


def test_the_feed_owes_word_since_the_oldest_thing_that_it_has_not_told_of(ledger: Ledger) -> None:
    ledger.rests(order("X1"), 1.0)
    ledger.rests(order("X2"), 2.0)
    ledger.gone("X1", GAME, 3.0, began=3.0)
    assert ledger.owed.since() == 2.0
    ledger.apply(placed("X2"), 4.0)
    assert ledger.owed.since() == 3.0


def test_what_is_left_of_an_order_only_gets_less(ledger: Ledger) -> None:
    ledger.apply(filled(left=40.0), 0.0)
    ledger.apply(placed(), 1.0)
    assert left(ledger) == {"X1": 40.0}


def test_a_fill_that_leaves_nothing_closes_the_order(ledger: Ledger) -> None:
    ledger.apply(placed(), 0.0)
    change = ledger.apply(filled(left=0.004), 1.0)
    assert change is not None
    assert (change.closed, len(ledger)) == (True, 0)


@pytest.mark.parametrize(
    "late",
    [
        lambda ledger: ledger.apply(placed(), 1.0),
        lambda ledger: ledger.rests(order(), 1.0),
        lambda ledger: ledger.read([order()], began=0.5, now=1.0, complete=True),
    ],
    ids=["event", "answer", "read"],
)
def test_nothing_late_opens_an_order_that_was_closed(
    ledger: Ledger, late: Callable[[Ledger], Any]
) -> None:
    ledger.gone("X1", GAME, 0.0, began=0.0)
    assert not late(ledger)
    assert len(ledger) == 0


def test_a_taker_does_not_rest(ledger: Ledger) -> None:
    fill = OrderFilled(message_id="1-0", game_id=GAME, fill=MatchedFill(tx_id="t"))
    assert ledger.apply(fill, 0.0) is None


def test_a_read_need_not_show_what_was_said_a_moment_before_it_began(ledger: Ledger) -> None:
    ledger.apply(placed(), 0.5)
    assert ledger.read([], began=1.0, now=1.1, complete=True) == []
    assert len(ledger) == 1


def test_a_read_closes_what_it_had_time_to_show_and_does_not(ledger: Ledger) -> None:
    ledger.apply(placed(), 0.0)
    (change,) = ledger.read([], began=2.0, now=2.1, complete=True)
    assert (change.closed, change.source) == (True, ChangeSource.READ)
    assert ledger.owed.since() == 2.1


def test_a_read_opens_again_what_rests_though_it_was_said_to_be_closed(ledger: Ledger) -> None:
    ledger.apply(cancelled(), 0.0)
    (change,) = ledger.read([order()], began=2.0, now=2.1, complete=True)
    assert (change.opened, change.disagreement) == (True, True)
    assert len(ledger) == 1


def test_a_read_that_shows_more_is_believed_once_it_cannot_trail(ledger: Ledger) -> None:
    ledger.apply(filled(left=40.0), 0.0)
    assert ledger.read([order()], began=0.5, now=0.6, complete=True) == []
    (change,) = ledger.read([order()], began=2.0, now=2.1, complete=True)
    assert (change.order.remaining, change.disagreement) == (100.0, True)


def test_a_cent_is_no_disagreement(ledger: Ledger) -> None:
    ledger.apply(filled(left=40.0), 0.0)
    assert ledger.read([order(left=40.009)], began=2.0, now=2.1, complete=True) == []


def test_an_order_without_an_id_is_told_and_counts_on_any_game(ledger: Ledger) -> None:
    ledger.read([evolve(order(), order_id=None)], began=0.0, now=0.0, complete=True)
    assert ledger.nameless
    assert len(ledger.orders(ANOTHER)) == 1


def test_the_feed_owes_word_of_what_an_answer_says(ledger: Ledger) -> None:
    ledger.rests(order(), 1.0)
    assert ledger.owed.since() == 1.0
    ledger.apply(placed(), 2.0)
    assert ledger.owed.since() is None


def test_the_feed_owes_nothing_that_it_has_told_before_the_answer_came(ledger: Ledger) -> None:
    ledger.apply(placed(), 1.0)
    ledger.rests(order(), 2.0)
    ledger.apply(cancelled(), 3.0)
    ledger.gone("X1", GAME, 4.0, began=4.0)
    assert ledger.owed.since() is None


def test_that_an_order_was_placed_is_no_word_of_its_cancel(ledger: Ledger) -> None:
    ledger.rests(order(), 1.0)
    ledger.gone("X1", GAME, 2.0, began=2.0)
    ledger.apply(placed(), 3.0)
    assert ledger.owed.since() == 2.0


def test_nothing_is_owed_of_an_order_that_was_cancelled_long_ago(ledger: Ledger) -> None:
    ledger.gone("X1", GAME, 2.0, began=None)
    assert ledger.owed.since() is None


def test_what_the_feed_owed_before_a_time_can_be_forgiven(ledger: Ledger) -> None:
    ledger.rests(order("early"), 1.0)
    ledger.rests(order("late"), 2.0)
    assert ledger.owed.forgive(before=2.0) == ["early"]
    assert ledger.owed.since() == 2.0


GAMES = frozenset({GAME.casefold()})


def test_a_cancel_is_shown_once_the_feed_itself_has_told_of_it(ledger: Ledger) -> None:
    ledger.apply(placed(), 0.0)
    ledger.gone("X1", GAME, 1.0, began=1.0)
    assert not ledger.owed.cancels_shown(GAMES, since=0.5)
    ledger.apply(cancelled(), 2.0)
    assert ledger.owed.cancels_shown(GAMES, since=0.5)
    assert ledger.owed.cancels_shown(None, since=0.5)


def test_a_cancel_is_shown_also_if_the_feed_told_of_it_before_its_answer(ledger: Ledger) -> None:
    ledger.apply(cancelled(), 1.0)
    assert not ledger.owed.cancels_shown(GAMES, since=0.5)
    ledger.gone("x1", GAME, 2.0, began=2.0)
    assert ledger.owed.cancels_shown(GAMES, since=0.5)


@pytest.mark.parametrize("closing", [cancelled(), filled(left=0.0)], ids=["cancelled", "filled"])
def test_what_no_answer_has_told_of_shows_no_cancel(
    ledger: Ledger, closing: OrderCancelled | OrderFilled
) -> None:
    ledger.apply(closing, 1.0)
    ledger.gone("X1", GAME, 1.0, began=None)
    assert not ledger.owed.cancels_shown(GAMES, since=0.5)
    assert not ledger.owed.cancels_shown(None, since=0.5)


def test_a_cancel_that_the_feed_told_of_before_another_began_does_not_show_that_one(
    ledger: Ledger,
) -> None:
    ledger.apply(placed(), 0.0)
    ledger.apply(cancelled(), 1.0)
    # The answer to the cancel comes late, or again.
    ledger.gone("X1", GAME, 3.0, began=2.0)
    assert not ledger.owed.cancels_shown(GAMES, since=2.0)
    assert not ledger.owed.cancels_shown(None, since=2.0)


def test_a_failed_cancel_of_an_order_that_is_not_known_is_told_unless_nothing_rests(
    ledger: Ledger,
) -> None:
    ledger.apply(placed("held"), 0.0)
    ledger.apply(cancelled("closed"), 0.0)
    assert not ledger.failed("HELD", 1.0, may_rest=True)
    assert not ledger.failed("closed", 1.0, may_rest=True)
    assert not ledger.failed("closed", 1.0, may_rest=None)
    assert not ledger.failed("unknown", 1.0, may_rest=False)
    assert ledger.failed("unknown", 1.0, may_rest=None)
    assert not ledger.failed(None, 1.0, may_rest=None)
    assert ledger.failed("unknown", 1.0, may_rest=True)
    assert ledger.failed(None, 1.0, may_rest=True)
    assert ledger.owed.since() is None


def test_a_failed_cancel_of_an_order_that_only_a_read_has_lacked_is_told(ledger: Ledger) -> None:
    ledger.apply(placed(), 0.0)
    ledger.read([], began=2.0, now=2.1, complete=False)
    assert ledger.failed("X1", 3.0, may_rest=True)
    ledger.gone("X1", GAME, 4.0, began=4.0)
    ledger.read([], began=6.0, now=6.1, complete=False)
    assert not ledger.failed("X1", 7.0, may_rest=True)


@pytest.mark.parametrize("may_rest", [False, None])
def test_the_feed_owes_word_of_an_order_that_a_failed_cancel_says_does_not_rest(
    ledger: Ledger, *, may_rest: bool | None
) -> None:
    ledger.rests(order(), 0.0)
    ledger.failed("X1", 1.0, may_rest=may_rest)
    ledger.failed("X1", 2.0, may_rest=may_rest)
    ledger.apply(placed(), 3.0)
    assert ledger.owed.since() == 1.0
    assert not ledger.owed.cancels_shown(GAMES, since=0.0)
    ledger.apply(filled(left=0.0), 4.0)
    assert ledger.owed.since() is None
    assert not ledger.owed.cancels_shown(GAMES, since=0.0)


def test_a_cancel_of_which_a_read_told_first_is_no_answered_one(ledger: Ledger) -> None:
    ledger.apply(placed(), 0.0)
    ledger.read([], began=2.0, now=2.1, complete=True)
    ledger.apply(cancelled(), 3.0)
    assert not ledger.owed.cancels_shown(GAMES, since=0.5)


def test_a_cancel_that_began_earlier_shows_nothing(ledger: Ledger) -> None:
    ledger.gone("X1", GAME, 2.0, began=1.0)
    ledger.apply(cancelled(), 2.0)
    assert not ledger.owed.cancels_shown(GAMES, since=1.5)
    assert not ledger.owed.cancels_shown(None, since=1.5)


def test_a_cancel_on_another_game_shows_nothing(ledger: Ledger) -> None:
    ledger.gone("X1", ANOTHER, 1.0, began=1.0)
    ledger.apply(cancelled(game=ANOTHER), 1.0)
    assert not ledger.owed.cancels_shown(GAMES, since=0.5)


def test_no_cancel_is_shown_while_the_feed_owes_word_of_a_game_that_is_not_known(
    ledger: Ledger,
) -> None:
    ledger.gone("X1", GAME, 1.0, began=1.0)
    ledger.apply(cancelled("X1"), 1.0)
    ledger.gone("X2", None, 1.0, began=1.0)
    assert not ledger.owed.cancels_shown(GAMES, since=0.5)


def test_with_periods_no_cancel_is_shown_while_the_feed_owes_word_of_any_game(
    ledger: Ledger,
) -> None:
    ledger.gone("X1", GAME, 1.0, began=1.0)
    ledger.apply(cancelled("X1"), 1.0)
    ledger.rests(order("X2", game=ANOTHER), 1.0)
    assert ledger.owed.cancels_shown(GAMES, since=0.5)
    assert not ledger.owed.cancels_shown(GAMES, since=0.5, periods=True)


def test_what_a_later_source_knows_of_a_game_is_added(ledger: Ledger) -> None:
    ledger.rests(order(), 0.0)
    ledger.apply(evolve(placed(), parent_game_id=ANOTHER), 1.0)
    (held,) = ledger.orders()
    assert held.game is not None
    assert held.game.parent_game_id == ANOTHER


def test_an_order_that_the_feed_places_again_after_it_told_of_its_closing_rests(
    ledger: Ledger,
) -> None:
    ledger.apply(placed(), 0.0)
    ledger.gone("X1", GAME, 1.0, began=1.0)
    ledger.apply(cancelled(), 2.0)
    change = ledger.apply(placed(), 3.0)
    assert change is not None
    assert (change.opened, left(ledger)) == (True, {"X1": 100.0})


@define
class Truth:
    """One order at the exchange: what happened to it and when."""

    order_id: str
    history: list[tuple[float, float]] = field(factory=list)

    def left_at(self, time: float) -> float:
        """Return what was left of it, 0 if it did not rest."""
        return next((left for at, left in reversed(self.history) if at <= time), 0.0)

    @property
    def left(self) -> float:
        return self.history[-1][1]


TIMES = st.integers(0, 40).map(lambda tenths: tenths / 10)


@st.composite
def truths(draw: st.DrawFn) -> list[Truth]:
    made = []
    for number in range(draw(st.integers(1, 4))):
        at = draw(TIMES)
        truth = Truth(f"o{number}", [(at, 100.0)])
        for _ in range(draw(st.integers(0, 3))):
            at += draw(TIMES)
            truth.history.append((at, draw(st.sampled_from([0.0, 0.25, 0.5])) * truth.left))
            if not truth.left:
                break
        made.append(truth)
    return made


def event_of(truth: Truth, index: int) -> OrderPlaced | OrderFilled | OrderCancelled:
    if index == 0:
        return placed(truth.order_id)
    remaining = truth.history[index][1]
    return filled(truth.order_id, left=remaining) if remaining else cancelled(truth.order_id)


@frozen
class Step:
    """What is heard at a time."""

    at: float
    take: Callable[[Ledger, float], object]
    is_read: bool = False


def heard(event: OrderPlaced | OrderFilled | OrderCancelled, at: float) -> Step:
    return Step(at, lambda ledger, now: ledger.apply(event, now))


def told_to_rest(order_id: str, at: float) -> Step:
    return Step(at, lambda ledger, now: ledger.rests(order(order_id), now))


def told_to_be_gone(order_id: str, at: float) -> Step:
    return Step(at, lambda ledger, now: ledger.gone(order_id, GAME, now, began=now))


def shown(orders: list[OpenOrder], began: float, at: float) -> Step:
    return Step(
        at,
        lambda ledger, now: ledger.read(orders, began=began, now=now, complete=True),
        is_read=True,
    )


def steps_of(data: st.DataObject, made: list[Truth]) -> list[Step]:
    """Return what is heard and when: the feed in order, the rest as late as it likes."""
    steps: list[Step] = []
    for truth in made:
        at = 0.0
        for index, (happened, _) in enumerate(truth.history):
            at = max(at, happened + data.draw(TIMES))
            steps += [heard(event_of(truth, index), at)] * data.draw(st.integers(1, 2))
        if data.draw(st.booleans()):
            steps.append(told_to_rest(truth.order_id, truth.history[0][0] + data.draw(TIMES)))
        if not truth.left and data.draw(st.booleans()):
            steps.append(told_to_be_gone(truth.order_id, truth.history[-1][0] + data.draw(TIMES)))
    for _ in range(data.draw(st.integers(0, 3))):
        began = data.draw(TIMES)
        view = began - data.draw(st.sampled_from([0.0, LAG / 2, LAG]))
        orders = [order(t.order_id, left=t.left_at(view)) for t in made if t.left_at(view)]
        steps.append(shown(orders, began, began + data.draw(TIMES)))
    return sorted(steps, key=lambda step: step.at)


@settings(max_examples=300, deadline=None)
@given(data=st.data())
def test_whatever_comes_in_whatever_order_ends_in_the_book(data: st.DataObject) -> None:
    made = data.draw(truths())
    ledger = Ledger(read_lag=LAG)
    for step in steps_of(data, made):
        step.take(ledger, step.at)
    # A read that began before an event was heard of may have overruled it.
    orders = [order(truth.order_id, left=truth.left) for truth in made if truth.left]
    ledger.read(orders, began=1_000.0, now=1_000.0, complete=True)
    assert left(ledger) == pytest.approx({t.order_id: t.left for t in made if t.left}, abs=0.01)


@settings(max_examples=300, deadline=None)
@given(data=st.data())
def test_events_and_answers_alone_end_in_the_book(data: st.DataObject) -> None:
    made = data.draw(truths())
    ledger = Ledger(read_lag=LAG)
    for step in steps_of(data, made):
        if not step.is_read:
            step.take(ledger, step.at)
    assert left(ledger) == pytest.approx({t.order_id: t.left for t in made if t.left}, abs=0.01)
    assert ledger.owed.since() is None


def test_what_is_closed_keeps_all_but_what_is_left(ledger: Ledger) -> None:
    ledger.apply(placed(), 0.0)
    held = ledger.get("X1")
    change = ledger.apply(cancelled(), 1.0)
    assert held is not None
    assert change is not None
    assert (change.before, change.order) == (held, evolve(held, remaining=0.0))


def test_a_read_that_shows_what_is_held_is_not_disputed(ledger: Ledger) -> None:
    ledger.apply(placed(), 0.0)
    assert not ledger.disputes([order()], GAMES)


def test_a_read_that_shows_what_has_gone_is_disputed(ledger: Ledger) -> None:
    ledger.apply(placed(), 0.0)
    ledger.gone("X1", GAME, 1.0, began=1.0)
    assert ledger.disputes([order()], GAMES)
    assert ledger.disputes([order()], None)


def test_a_read_that_lacks_what_is_held_is_disputed(ledger: Ledger) -> None:
    ledger.apply(placed(), 0.0)
    assert ledger.disputes([], GAMES)


def test_a_read_that_shows_what_is_not_known_is_not_disputed(ledger: Ledger) -> None:
    ledger.apply(placed(), 0.0)
    ledger.gone("X1", GAME, 1.0, began=1.0)
    assert not ledger.disputes([order(), order("X2")], GAMES)
    assert not ledger.disputes([order(), evolve(order(), order_id=None)], GAMES)


def test_a_read_that_shows_what_an_earlier_read_has_lacked_is_not_disputed(
    ledger: Ledger,
) -> None:
    ledger.apply(placed(), 0.0)
    ledger.read([], began=2.0, now=2.1, complete=False)
    assert not ledger.disputes([order()], GAMES)


def test_what_a_read_shows_on_other_games_is_not_disputed(ledger: Ledger) -> None:
    ledger.apply(placed("X2"), 0.0)
    ledger.gone("X1", ANOTHER, 1.0, began=1.0)
    assert not ledger.disputes([order("X2"), order("X1", game=ANOTHER)], GAMES)
    assert ledger.disputes([order("X2"), order("X1", game=ANOTHER)], None)
