"""How the sandbox matches orders, and that no money is made or lost by it."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from trading import Order, orders, put, trade

from fourcasters_async import AsyncSession, EditStatus, NewOrder, PlaceErrorType, PlaceResult
from fourcasters_async.testing import Book, BookGame, BookOrder, FakeExchange
from fourcasters_async.testing.matching import meets
from fourcasters_async.testing.placing import Placed, RejectedError, live_delay

MAKER, TAKER = "maker", "taker"


@pytest.fixture
def book() -> Book:
    return Book()


@pytest.fixture
def game(book: Book) -> BookGame:
    return book.add_game()


def order(side: str, odds: int = -110, bet: float = 100.0, **others: object) -> dict[str, object]:
    return {"type": "moneyline", "side": side, "odds": odds, "bet": bet, **others}


def rests(book: Book, game: BookGame, side: str, odds: int, bet: float = 100.0) -> BookOrder:
    return book.place(MAKER, game.game_id, side=side, odds=odds, offered=bet)


def taken(placed: Placed) -> list[tuple[float, float, int]]:
    fills = [] if placed.took is None else placed.took.fills
    return [(fill.risk, fill.win, fill.odds) for fill in fills]


def test_an_order_takes_what_the_other_side_offers_at_its_price(book: Book, game: BookGame) -> None:
    maker = rests(book, game, game.home_id, -110, 110.0)
    placed = put(book, TAKER, game, order(game.away_id, 110, 100.0))
    assert taken(placed) == [(100.0, 110.0, 110)]
    assert placed.resting is None
    assert not maker.open


def test_the_rest_of_an_order_rests(book: Book, game: BookGame) -> None:
    rests(book, game, game.home_id, -110, 55.0)
    placed = put(book, TAKER, game, order(game.away_id, 110, 80.0, userReference="mine"))
    assert taken(placed) == [(50.0, 55.0, 110)]
    assert placed.resting is not None
    assert placed.took is not None
    assert placed.resting.remaining == 30.0
    assert placed.resting.wager_request_id == placed.took.wager_request_id
    assert placed.resting.user_reference == "mine"


def test_a_worse_price_is_not_taken(book: Book, game: BookGame) -> None:
    rests(book, game, game.home_id, -110)
    assert taken(put(book, TAKER, game, order(game.away_id, 111))) == []


def test_the_best_price_is_taken_first_and_then_the_oldest(book: Book, game: BookGame) -> None:
    odds = (-110, -120, -110)
    first, best, last = (rests(book, game, game.home_id, each, 60.0) for each in odds)
    put(book, TAKER, game, order(game.away_id, 110, 70.0))
    assert best.filled == 60.0
    assert first.filled == pytest.approx(22.0)
    assert last.filled == 0


def test_a_taker_has_the_price_of_the_order_that_it_meets(book: Book, game: BookGame) -> None:
    rests(book, game, game.home_id, -150, 150.0)
    assert taken(put(book, TAKER, game, order(game.away_id, 110))) == [(100.0, 150.0, 150)]


def test_less_than_half_a_cent_does_not_go_on_resting(book: Book, game: BookGame) -> None:
    maker = rests(book, game, game.home_id, 100, 50.004)
    put(book, TAKER, game, order(game.away_id, 100, 60.0))
    assert not maker.open
    assert len(maker.fills) == 1


def test_what_is_left_of_an_order_is_taken_in_whole_cents(book: Book, game: BookGame) -> None:
    maker = rests(book, game, game.home_id, 100, 50.3)
    for bet in (10.1, 100.0):
        put(book, TAKER, game, order(game.away_id, 100, bet))
    assert [fill.risk for fill in maker.fills] == [10.1, 40.2]


def test_an_order_is_counted_in_whole_cents(book: Book, game: BookGame) -> None:
    resting = put(book, TAKER, game, order(game.away_id, bet=10.006)).resting
    assert resting is not None
    assert resting.offered == 10.01


def test_an_order_does_not_meet_those_of_its_own_account(book: Book, game: BookGame) -> None:
    book.place(TAKER, game.game_id, side=game.home_id)
    assert taken(put(book, TAKER, game, order(game.away_id, 110))) == []


SPREAD, TOTAL = {"type": "spread"}, {"type": "total"}
DRAW = {"type": "moneyline1x2", "market": "draw"}
LINES: list[tuple[dict[str, Any], dict[str, Any], bool]] = [
    (SPREAD | {"number": -3.5}, SPREAD | {"number": 3.5}, True),
    (SPREAD | {"number": -3.5}, SPREAD | {"number": -3.5}, False),
    (TOTAL | {"number": 7, "side": "over"}, TOTAL | {"number": 7, "side": "under"}, True),
    (TOTAL | {"number": 7, "side": "over"}, TOTAL | {"number": 8, "side": "under"}, False),
    (DRAW | {"side": "yes"}, DRAW | {"side": "no"}, True),
    (DRAW | {"side": "yes"}, DRAW | {"side": "no", "market": "home"}, False),
    ({}, SPREAD | {"number": 0}, False),
]


@pytest.mark.parametrize(("resting", "comes", "meet"), LINES)
def test_orders_meet_on_the_two_sides_of_one_line(
    book: Book, game: BookGame, resting: dict[str, Any], comes: dict[str, Any], meet: bool
) -> None:
    if comes.get("market") == "home":
        comes = comes | {"market": game.home_id}
    put(book, MAKER, game, order(game.home_id) | resting)
    placed = put(book, TAKER, game, order(game.away_id, 110) | comes)
    assert bool(taken(placed)) is meet


@pytest.mark.parametrize(
    ("order_type", "there", "bet", "error"),
    [
        ("post", 110.0, 10.0, "post order cannot have matches"),
        ("fillAndKill", 0.0, 10.0, "fill and kill has no matches"),
        ("fillOrKill", 0.0, 10.0, "fill or kill has no matches"),
        ("fillOrKill", 110.0, 110.1, "fill or kill matched but not fully"),
    ],
)
def test_an_order_type_refuses_what_it_does_not_allow(
    book: Book, game: BookGame, order_type: str, there: float, bet: float, error: str
) -> None:
    if there:
        rests(book, game, game.home_id, -110, there)
    with pytest.raises(RejectedError, match=error) as refused:
        put(book, TAKER, game, order(game.away_id, 110, bet, orderType=order_type))
    assert refused.value.kind == "rejected_order_type_rules"
    assert not any(order.fills for order in book.orders.values())


@pytest.mark.parametrize(
    ("order_type", "bet", "risk"),
    [("fillAndKill", 250.0, 100.0), ("fillOrKill", 110.0, 100.0), ("limit", 40.0, 40.0)],
)
def test_an_order_type_takes_what_it_allows(
    book: Book, game: BookGame, order_type: str, bet: float, risk: float
) -> None:
    rests(book, game, game.home_id, -110, 110.0)
    placed = put(book, TAKER, game, order(game.away_id, 110, bet, orderType=order_type))
    assert sum(each[0] for each in taken(placed)) == risk
    assert placed.resting is None


@pytest.mark.parametrize(("odds", "allowed"), [(110, True), (109, True), (108, False)])
def test_a_post_arb_matches_within_one_per_cent(
    book: Book, game: BookGame, odds: int, allowed: bool
) -> None:
    rests(book, game, game.home_id, -110)
    fields = order(game.away_id, odds, orderType="postArb")
    if allowed:
        assert taken(put(book, TAKER, game, fields))
    else:
        with pytest.raises(RejectedError, match="1%"):
            put(book, TAKER, game, fields)


@pytest.mark.parametrize(("resting", "odds"), [(100, 100), (-100, -100), (-101, -100)])
def test_a_post_arb_matches_at_even_money_however_that_is_written(
    book: Book, game: BookGame, resting: int, odds: int
) -> None:
    rests(book, game, game.home_id, resting)
    assert taken(put(book, TAKER, game, order(game.away_id, odds, orderType="postArb")))


@pytest.mark.parametrize(("odds", "bet", "fee"), [(200, 50.0, 0.5), (-200, 100.0, 0.5)])
def test_only_the_taker_pays_commission_on_the_smaller_of_risk_and_win(
    book: Book, game: BookGame, odds: int, bet: float, fee: float
) -> None:
    maker = rests(book, game, game.home_id, -odds, 500.0)
    placed = put(book, TAKER, game, order(game.away_id, odds, bet))
    assert placed.took is not None
    assert placed.took.fills[0].fee == fee
    assert maker.fills[0].fee == 0


def test_a_game_that_starts_cancels_what_rests_on_it(book: Book, game: BookGame) -> None:
    order = rests(book, game, game.home_id, -110)
    book.pass_time(366 * 24 * 3600.0)
    assert game.live
    assert order.cancelled


def test_an_order_that_is_placed_on_a_live_game_rests(book: Book, game: BookGame) -> None:
    book.start(game.game_id)
    placed = put(book, TAKER, game, order(game.away_id))
    book.pass_time(366 * 24 * 3600.0)
    assert placed.resting is not None
    assert placed.resting.open


@pytest.mark.parametrize(
    ("fields", "score", "outcome"),
    [
        ({}, (1, 2), "winner"),
        ({}, (2, 1), "loser"),
        ({}, (1, 1), "push"),
        ({"type": "spread", "number": -1.0}, (1, 2), "push"),
        ({"type": "spread", "number": -0.75}, (1, 2), "half-win"),
        ({"type": "spread", "number": -1.25}, (1, 2), "half-loss"),
        ({"type": "total", "side": "over", "number": 2.5}, (1, 2), "winner"),
        ({"type": "total", "side": "under", "number": 3.25}, (1, 2), "half-win"),
        ({"type": "moneyline1x2", "side": "no", "market": "draw"}, (1, 1), "loser"),
        ({"type": "moneyline1x2", "side": "yes", "market": "draw"}, (1, 1), "winner"),
    ],
)
def test_a_score_grades_every_bet(
    book: Book, game: BookGame, fields: dict[str, Any], score: tuple[int, int], outcome: str
) -> None:
    placed = put(book, MAKER, game, order(game.home_id) | fields)
    assert placed.resting is not None
    book.fill(placed.resting.order_id, 10.0)
    book.settle(game.game_id, away=score[0], home=score[1])
    assert placed.resting.outcome == outcome


@given(st.lists(orders(), max_size=25))
def test_what_one_side_risks_the_other_can_win(many: list[Order]) -> None:
    book, _ = trade(many)
    fills = [fill for order in book.orders.values() for fill in order.fills]
    makers = sorted((fill.risk, fill.win) for fill in fills if not fill.taker)
    takers = sorted((fill.win, fill.risk) for fill in fills if fill.taker)
    assert makers == takers


@given(st.lists(orders(), max_size=25))
def test_nothing_rests_that_could_be_taken(many: list[Order]) -> None:
    book, game = trade([(who, {**fields, "orderType": "limit"}) for who, fields in many])
    for each in book.resting():
        assert not meets(each, book.resting(), game)


async def test_a_place_says_what_was_matched_and_what_rests(
    session: AsyncSession, fake_exchange: FakeExchange
) -> None:
    game = fake_exchange.book.add_game()
    fake_exchange.book.place("another", game.game_id, side=game.home_id, odds=-110, offered=55.0)
    new = NewOrder(game.game_id, "moneyline", game.away_id, odds=110, bet=80.0)
    (result,) = await session.place([new])
    (fill,) = result.matched
    assert (fill.amount, fill.risk, fill.win, fill.win_without_commission, fill.odds) == (
        50.0,
        50.5,
        54.5,
        55.0,
        110,
    )
    assert result.unmatched is not None
    assert result.unmatched.offered == 30.0
    assert [bet.origin for bet in await session.account.get_matched_bets()] == ["wager"]


async def test_an_order_that_is_filled_at_once_leaves_nothing(
    session: AsyncSession, fake_exchange: FakeExchange
) -> None:
    game = fake_exchange.book.add_game()
    fake_exchange.book.place("another", game.game_id, side=game.home_id, odds=-110)
    (result,) = await session.place(
        [NewOrder(game.game_id, "moneyline", game.away_id, odds=110, bet=10.0)]
    )
    assert result.success
    assert result.order_id is None
    assert len(result.matched) == 1


@pytest.mark.virtual_time
@pytest.mark.parametrize(("odds", "waits"), [(110, 5.0), (150, 0.0)])
async def test_a_taker_on_a_live_game_waits_and_a_maker_does_not(
    session: AsyncSession, fake_exchange: FakeExchange, odds: int, waits: float
) -> None:
    game = fake_exchange.book.add_game(league="NBA")
    fake_exchange.book.start(game.game_id)
    fake_exchange.book.place("another", game.game_id, side=game.home_id, odds=-110)
    before = fake_exchange.now()
    result: list[PlaceResult] = await session.place(
        [NewOrder(game.game_id, "moneyline", game.away_id, odds=odds, bet=10.0)], deadline=15.0
    )
    assert fake_exchange.now() - before == pytest.approx(waits, abs=0.5)
    assert all(each.success for each in result)


@pytest.mark.parametrize(
    ("league", "seconds"),
    [
        ("NFL", 3.0),
        ("UFCMMA", 3.0),
        ("NCAAF", 3.0),
        ("NCAAB", 5.0),
        ("NBA", 5.0),
        ("ATP", 8.0),
        ("WTA", 8.0),
        ("EPL", 10.0),
    ],
)
def test_a_taker_on_a_live_game_waits_as_long_as_its_league_says(
    book: Book, league: str, seconds: float
) -> None:
    game = book.add_game(league=league)
    taker = {"gameID": game.game_id, **order(game.away_id, 110)}
    book.start(game.game_id)
    assert live_delay(book, TAKER, {"orders": [taker]}) == 0
    rests(book, game, game.home_id, -110)
    assert live_delay(book, TAKER, {"orders": [taker]}) == seconds


@pytest.mark.virtual_time
@pytest.mark.parametrize(("odds", "waits"), [(110, 5.0), (140, 0.0)])
async def test_an_edit_that_takes_on_a_live_game_waits_too(
    session: AsyncSession, fake_exchange: FakeExchange, odds: int, waits: float
) -> None:
    game = fake_exchange.book.add_game(league="NBA")
    fake_exchange.book.start(game.game_id)
    fake_exchange.book.place("another", game.game_id, side=game.home_id, odds=-110)
    mine = fake_exchange.book.place(
        fake_exchange.account, game.game_id, side=game.away_id, odds=150
    )
    before = fake_exchange.now()
    result = await session.edit_order(
        mine.order_id, order_odds=odds, order_volume=10.0, deadline=15.0
    )
    assert fake_exchange.now() - before == pytest.approx(waits, abs=0.5)
    assert result.status is (EditStatus.MATCHED if waits else EditStatus.REPLACED)


async def test_a_post_that_would_match_is_refused_in_its_place(
    session: AsyncSession, fake_exchange: FakeExchange
) -> None:
    game = fake_exchange.book.add_game()
    fake_exchange.book.place("another", game.game_id, side=game.home_id, odds=-110)
    (result,) = await session.place(
        [NewOrder(game.game_id, "moneyline", game.away_id, odds=110, bet=1.0, order_type="post")]
    )
    assert result.error_type is PlaceErrorType.ORDER_TYPE_RULES
