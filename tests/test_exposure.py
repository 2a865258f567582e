"""What a game can come to, against every pair of scores."""

import math
from collections.abc import Sequence
from typing import Any

import pytest
from attrs import evolve
from hypothesis import given
from hypothesis import strategies as st

from fourcasters_async import (
    AsyncSession,
    Game,
    GameExposure,
    MatchedBet,
    OpenOrder,
    OutcomeExposure,
    Participant,
)
from fourcasters_async.exposure import exposure_of
from fourcasters_async.testing import FakeExchange, faults

AWAY, HOME = "a" * 24, "b" * 24
GAME = Game("c" * 24, participants=[Participant(AWAY), Participant(HOME)])
Held = OpenOrder | MatchedBet


def settled(held: Held, away: int, home: int) -> float:
    """Return what is won at a score, by the plain rules of the market."""
    if isinstance(held, MatchedBet):
        win, risk = held.win or 0.0, held.risk or 0.0
    else:
        risk = held.remaining or 0.0
        odds = held.odds or 100
        win = risk * (odds / 100 if odds > 0 else 100 / -odds)
    if held.type == "moneyline1x2":
        happened = {AWAY: away > home, HOME: home > away, "draw": home == away}[str(held.market)]
        return win if happened is (held.side == "yes") else -risk
    if held.type == "total":
        ahead, line = float(away + home), held.total or 0.0
        lead = ahead - line if held.side == "over" else line - ahead
    else:
        mine, theirs = (home, away) if held.participant_id == HOME else (away, home)
        lead = mine - theirs + (held.spread or 0.0)
    halves = [lead] if (2 * lead).is_integer() else [lead - 0.25, lead + 0.25]
    return sum((win if h > 0 else -risk if h < 0 else 0.0) for h in halves) / len(halves)


CENTS = st.integers(1, 100_000).map(lambda cents: cents / 100)
QUARTERS = st.integers(-16, 16).map(lambda quarters: quarters / 4)


@st.composite
def terms(draw: st.DrawFn) -> dict[str, Any]:
    type_ = draw(st.sampled_from(["moneyline", "spread", "total", "moneyline1x2"]))
    made: dict[str, Any] = {"type": type_, "game": GAME}
    if type_ == "total":
        return made | {
            "total": abs(draw(QUARTERS)),
            "side": draw(st.sampled_from(["over", "under"])),
        }
    if type_ == "moneyline1x2":
        market = draw(st.sampled_from([AWAY, HOME, "draw"]))
        return made | {"market": market, "side": draw(st.sampled_from(["yes", "no"]))}
    spread = draw(QUARTERS) if type_ == "spread" else None
    return made | {"spread": spread, "participant_id": draw(st.sampled_from([AWAY, HOME]))}


bets = terms().flatmap(lambda t: st.builds(MatchedBet, **_fixed(t), win=CENTS, risk=CENTS))
orders = terms().flatmap(
    lambda t: st.builds(
        OpenOrder,
        **_fixed(t),
        remaining=CENTS,
        odds=st.integers(100, 1000) | st.integers(-1000, -100),
    )
)


def _fixed(named: dict[str, Any]) -> dict[str, st.SearchStrategy[Any]]:
    return {name: st.just(value) for name, value in named.items()}


def outcome_at(exposure: GameExposure, away: int, home: int) -> OutcomeExposure:
    def within(low: int | None, high: int | None, value: int) -> bool:
        return (low is None or low <= value) and (high is None or value <= high)

    (found,) = [
        each
        for each in exposure.outcomes
        if within(each.margin_from, each.margin_to, home - away)
        and within(each.total_from, each.total_to, home + away)
    ]
    return found


def summed(held: Sequence[Held], away: int, home: int) -> float:
    return round(math.fsum(settled(each, away, home) for each in held), 2)


SCORES = [(away, home) for away in range(14) for home in range(14)]


@given(st.lists(bets, max_size=5), st.lists(orders, max_size=5))
def test_every_score_comes_to_what_its_outcome_says(
    held: list[MatchedBet], resting: list[OpenOrder]
) -> None:
    if not held and not resting:
        return
    (exposure,) = exposure_of(resting, held)
    assert not exposure.unclear
    for away, home in SCORES:
        outcome = outcome_at(exposure, away, home)
        assert outcome.now == pytest.approx(summed(held, away, home), abs=0.011)
        both = summed([*held, *resting], away, home)
        assert outcome.if_filled == pytest.approx(both, abs=0.011)


@given(st.lists(bets, min_size=1, max_size=4), st.lists(orders, max_size=3))
def test_the_worst_and_the_best_are_those_of_some_score(
    held: list[MatchedBet], resting: list[OpenOrder]
) -> None:
    (exposure,) = exposure_of(resting, held)
    every = [summed(held, *score) for score in SCORES]
    assert exposure.worst == pytest.approx(min(every), abs=0.011)
    assert exposure.best == pytest.approx(max(every), abs=0.011)
    filled = [summed([*held, *resting], *score) for score in SCORES]
    assert exposure.worst_if_filled == pytest.approx(min(filled), abs=0.011)


BET = MatchedBet(type="moneyline", participant_id=HOME, risk=10.0, win=9.0, game=GAME)


@pytest.mark.parametrize(
    "unclear",
    [
        evolve(BET, participant_id="e" * 24),
        evolve(BET, game=None),
        evolve(BET, risk=None),
        evolve(BET, type="spread"),
        evolve(BET, type="unheard of"),
        evolve(BET, type="total", total=5.0),
        evolve(BET, type="moneyline1x2", market="draw"),
        OpenOrder(type="total", total=5.0, odds=100, remaining=1.0, game=GAME),
        OpenOrder(type="moneyline", participant_id=HOME, remaining=1.0, game=GAME),
    ],
)
def test_what_says_too_little_is_named_and_not_counted(unclear: Held) -> None:
    given = ([unclear], []) if isinstance(unclear, OpenOrder) else ([], [unclear])
    (exposure,) = exposure_of(*given)
    assert exposure.unclear == [unclear]
    assert (exposure.worst, exposure.best) == (0, 0)


def test_the_side_of_a_matched_total_may_stand_in_its_own_field() -> None:
    bet = MatchedBet(type="total", total=5.5, over_under="under", risk=10.0, win=9.0, game=GAME)
    (exposure,) = exposure_of([], [bet])
    assert outcome_at(exposure, 6, 0).now == -10


def test_a_period_is_among_the_children_of_its_game() -> None:
    period = evolve(GAME, game_id="d" * 24, parent_game_id=GAME.game_id)
    (exposure,) = exposure_of([], [evolve(BET, game=period), BET])
    assert [child.game_id for child in exposure.children] == [period.game_id]


def test_a_period_whose_game_is_not_there_stands_for_itself() -> None:
    period = evolve(GAME, game_id="d" * 24, parent_game_id=GAME.game_id)
    (exposure,) = exposure_of([], [evolve(BET, game=period)])
    assert exposure.game_id == period.game_id


def test_an_outcome_reads_as_a_sentence() -> None:
    outcome = OutcomeExposure(margin_from=4, total_to=220, now=-10.0, if_filled=5.5)
    assert str(outcome) == "home by 4 or more, total 220 or less: -10.00 (+5.50 if filled)"


async def test_the_exposure_of_a_session_is_that_of_its_orders_and_bets(
    session: AsyncSession, fake_exchange: FakeExchange
) -> None:
    game = fake_exchange.book.add_game()
    order = fake_exchange.book.place(fake_exchange.account, game.game_id, odds=100)
    fake_exchange.book.fill(order.order_id, 40.0)
    fake_exchange.add_game(orders=1)
    (exposure,) = await session.account.exposure([game.game_id])
    assert (exposure.worst, exposure.worst_if_filled, exposure.best) == (-40, -100, 40)
    assert exposure.liability == -40


async def test_the_exposure_of_a_game_has_the_liability_of_its_periods_too(
    session: AsyncSession, fake_exchange: FakeExchange
) -> None:
    game = fake_exchange.book.add_game()
    period = fake_exchange.book.add_game(parent=game)
    order = fake_exchange.book.place(fake_exchange.account, period.game_id, odds=100)
    fake_exchange.book.fill(order.order_id, 40.0)
    (exposure,) = await session.account.exposure([game.game_id])
    (child,) = exposure.children
    assert (exposure.liability, child.game_id, child.liability) == (0, period.game_id, -40)
    assert (child.worst, child.worst_if_filled) == (-40, -100)


async def test_an_order_on_a_period_without_an_id_costs_no_exposure(
    session: AsyncSession, fake_exchange: FakeExchange
) -> None:
    game = fake_exchange.book.add_game()
    body = b'{"data": {"unmatched": [{"id": "a", "game": {"parentGameID": "%s"}}]}}'
    answer = faults.Respond(body % game.game_id.encode())
    fake_exchange.inject(answer, endpoint="getUnmatched")
    (exposure,) = await session.account.exposure([game.game_id])
    assert [len(child.unclear) for child in exposure.children] == [1]


async def test_without_games_the_exposure_is_that_of_all_of_them(
    session: AsyncSession, fake_exchange: FakeExchange
) -> None:
    games = {fake_exchange.add_game(orders=2).game_id for _ in range(3)}
    assert {each.game_id for each in await session.account.exposure()} == games
    assert not fake_exchange.received("getGameLiability")


async def test_a_game_on_which_nothing_is_held_has_an_exposure_of_nothing(
    session: AsyncSession, fake_exchange: FakeExchange
) -> None:
    game = fake_exchange.add_game().game_id
    assert await session.account.exposure([game]) == [GameExposure(game_id=game, liability=0)]


def in_tree(exposures: Sequence[GameExposure]) -> list[str]:
    return [name for each in exposures for name in (each.game_id or "", *in_tree(each.children))]


@given(st.lists(st.none() | st.integers(0, 4), min_size=5, max_size=5))
def test_each_game_is_there_once_whichever_names_which_as_its_parent(
    parents: list[int | None],
) -> None:
    names = [str(number) * 24 for number in range(5)]
    games = [
        Game(name, parent_game_id=None if parent is None else names[parent])
        for name, parent in zip(names, parents, strict=True)
    ]
    exposures = exposure_of([OpenOrder(game=game) for game in games], [])
    assert sorted(in_tree(exposures)) == names
