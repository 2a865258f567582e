"""What the accounts of the sandbox can lose, and what they may risk."""

from typing import Any

import pytest
from fake_client import ask, moneyline, place
from hypothesis import given, settings
from hypothesis import strategies as st
from trading import ACCOUNTS, Trading, put

from fourcasters_async import AsyncSession, MatchedBet, NewOrder, PlaceErrorType
from fourcasters_async._json.converter import Dialect
from fourcasters_async.exposure import exposure_of
from fourcasters_async.testing import Book, BookGame, BookOrder, FakeExchange, wire
from fourcasters_async.testing.placing import RejectedError, replace

MINE, OTHER = "mine", "other"
# The lines of the tests lie far inside of these.
SCORES = [(away, home) for away in range(9) for home in range(9)]


@pytest.fixture
def book() -> Book:
    return Book()


@pytest.fixture
def game(book: Book) -> BookGame:
    return book.add_game()


def held(book: Book, game: BookGame, side: str, bet: float, odds: int = 100, **line: Any) -> None:
    """Have a bet of mine in the book, matched with nobody and without a fee."""
    order = book.place(MINE, game.game_id, side=side, odds=odds, offered=bet, **line)
    book.fill(order.order_id, bet)


def worst(book: Book, game: BookGame) -> float:
    return book.ledger.liability(MINE, game.game_id)


def test_a_single_bet_can_lose_its_risk(book: Book, game: BookGame) -> None:
    held(book, game, game.home_id, 30.0)
    assert worst(book, game) == -30


def test_bets_on_both_sides_make_up_for_each_other(book: Book, game: BookGame) -> None:
    held(book, game, game.home_id, 30.0)
    held(book, game, game.away_id, 20.0)
    assert worst(book, game) == -10


def test_a_book_that_wins_something_at_every_score_has_no_liability(
    book: Book, game: BookGame
) -> None:
    held(book, game, game.home_id, 30.0, odds=150)
    held(book, game, game.away_id, 35.0, odds=150)
    # A draw is a push for both.
    assert worst(book, game) == 0
    held(book, game, "yes", 1.0, odds=1000, type="moneyline1x2", market="draw")
    assert book.at_risk(MINE) == 0


def test_a_middle_can_lose_on_one_side_only(book: Book, game: BookGame) -> None:
    held(book, game, "over", 30.0, type="total", number=4.5)
    held(book, game, "under", 20.0, type="total", number=7.5)
    assert worst(book, game) == -10


def test_markets_of_one_game_make_up_for_each_other(book: Book, game: BookGame) -> None:
    held(book, game, game.home_id, 30.0)
    held(book, game, game.away_id, 30.0, type="spread", number=2.5)
    # The home side by one or two wins both, so one of them is lost, or neither.
    assert worst(book, game) == 0


def test_half_of_a_bet_on_a_quarter_line_can_be_lost(book: Book, game: BookGame) -> None:
    held(book, game, game.home_id, 30.0, type="spread", number=-1.75)
    held(book, game, game.away_id, 30.0, type="spread", number=1.5)
    # By two: half a win, and all of the other lost.
    assert worst(book, game) == -15


def held_but_at(book: Book, game: BookGame, total: int, bet: float) -> None:
    """Have bets that lose twice `bet` at a total, and make up for each other at any other."""
    held(book, game, "under", bet, type="total", number=total - 0.5)
    held(book, game, "over", bet, type="total", number=total + 0.5)


def test_no_score_is_a_draw_with_an_odd_total(book: Book, game: BookGame) -> None:
    held_but_at(book, game, 1, 10.0)
    held(book, game, "no", 15.0, type="moneyline1x2", market="draw")
    assert worst(book, game) == -15


def test_no_score_has_a_margin_above_its_total(book: Book, game: BookGame) -> None:
    held(book, game, "over", 10.0, type="total", number=2.5)
    held(book, game, game.home_id, 10.0, type="spread", number=3.5)
    assert worst(book, game) == 0


def test_a_line_can_be_passed_by_more_than_one(book: Book, game: BookGame) -> None:
    held(book, game, game.away_id, 10.0, type="spread", number=3)
    # With a total of five the home side cannot win by four, but by five.
    held_but_at(book, game, 5, 10.0)
    assert worst(book, game) == -30


def test_lines_can_be_far_away_from_each_other(book: Book, game: BookGame) -> None:
    held(book, game, "over", 10.0, type="total", number=1000.5)
    held(book, game, game.home_id, 10.0, type="spread", number=-2000)
    held(book, game, game.away_id, 10.0, type="spread", number=-3000)
    assert worst(book, game) == -30


def test_periods_do_not_make_up_for_their_game(book: Book, game: BookGame) -> None:
    period = book.add_game(parent=game)
    held(book, game, game.home_id, 30.0)
    held(book, period, game.away_id, 20.0)
    assert (worst(book, game), worst(book, period)) == (-30, -20)
    assert book.at_risk(MINE) == 50


def test_a_thousand_bets_on_many_lines_come_to_one_figure(book: Book, game: BookGame) -> None:
    for each in range(500):
        held(book, game, "over", 1.0, type="total", number=each / 4)
        held(book, game, "under", 1.0, type="total", number=each / 4)
    assert worst(book, game) == 0
    held(book, game, "under", 1.0, type="total", number=50)
    assert worst(book, game) == -1


def test_what_is_graded_is_no_liability_any_more(book: Book, game: BookGame) -> None:
    held(book, game, game.home_id, 30.0)
    book.settle(game.game_id, away=2, home=1)
    assert worst(book, game) == 0
    book.settle(game.game_id, away=1, home=2)
    assert worst(book, game) == 0


def test_what_was_forgotten_is_no_liability_any_more(book: Book, game: BookGame) -> None:
    held(book, game, game.home_id, 30.0)
    book.forget_closed()
    assert book.at_risk(MINE) == 0
    assert not book.ledger.settled


@pytest.mark.parametrize(("fee", "figure"), [(0.01, -101.0), (0.0, -100.0)])
def test_the_fee_of_a_taker_counts(book: Book, game: BookGame, fee: float, figure: float) -> None:
    book.account(MINE).commission = fee
    book.place(OTHER, game.game_id, side=game.home_id, odds=100)
    put(book, MINE, game, order(game.away_id))
    assert worst(book, game) == figure


def order(side: str, odds: int = 100, bet: float = 100.0, **others: object) -> dict[str, object]:
    return {"type": "moneyline", "side": side, "odds": odds, "bet": bet, **others}


seeds = st.integers(0, 2**32 - 1)


def traded(seed: int) -> Trading:
    trading = Trading(seed)
    for _ in trading.steps():
        pass
    return trading


@settings(max_examples=30, deadline=None)
@given(seeds)
def test_a_liability_is_the_worst_that_any_score_does_to_the_balance(seed: int) -> None:
    trading = traded(seed)
    book, game = trading.book, trading.games[0]
    before = {name: book.account(name).balance for name in ACCOUNTS}
    liabilities = {name: book.ledger.liability(name, game.game_id) for name in ACCOUNTS}
    changes: dict[str, list[float]] = {name: [0.0] for name in ACCOUNTS}
    for away, home in SCORES:
        book.settle(game.game_id, away=away, home=home)
        for name in ACCOUNTS:
            changes[name].append(book.account(name).balance - before[name])
    for name in ACCOUNTS:
        assert liabilities[name] == pytest.approx(min(changes[name]), abs=1e-6)


def bets_of(book: Book, account: str) -> list[MatchedBet]:
    """Return the bets of an account as a client reads them."""
    games = book.games
    orders = [order for order in book.orders_of(account) if order.matched]
    rows = [row for each in orders for row in wire.matched(each, games[each.game_id])]
    return Dialect("rest").structure(rows, list[MatchedBet])


@settings(max_examples=30, deadline=None)
@given(seeds)
def test_a_liability_is_the_worst_of_the_exposure_that_a_client_works_out(seed: int) -> None:
    book = traded(seed).book
    for name in ACCOUNTS:
        bets = bets_of(book, name)
        exposures = exposure_of([], bets)
        families = [*exposures, *(child for each in exposures for child in each.children)]
        untouched = book.games.keys() - {each.game_id for each in families}
        assert not any(book.ledger.liability(name, each) for each in untouched)
        for each in families:
            assert not each.unclear
            # A result is rounded when half of a bet is lost or won, and so is half of its fee.
            on_game = [bet for bet in bets if bet.game and bet.game.game_id == each.game_id]
            halves = sum((2 * (bet.spread or bet.total or 0)) % 1 != 0 for bet in on_game)
            liability = book.ledger.liability(name, each.game_id)
            assert liability == pytest.approx(min(0, each.worst), abs=0.01 * halves + 1e-6)


@pytest.fixture
async def rival(fake_exchange: FakeExchange) -> str:
    """Return the token of an account that trades with the session's."""
    return fake_exchange.add_account(OTHER)


async def test_the_exchange_and_the_client_agree_on_a_hedged_game(
    session: AsyncSession, fake_exchange: FakeExchange, rival: str
) -> None:
    game = fake_exchange.book.add_game()
    for side, taken, bet in (
        (game.home_id, game.away_id, 100.0),
        (game.away_id, game.home_id, 40.0),
    ):
        resting = moneyline(fake_exchange, game.game_id, side=side, odds=100, bet=bet)
        await ask(fake_exchange, "POST /session/v3/place", token=rival, orders=[resting])
        await session.place([NewOrder(game.game_id, "moneyline", taken, odds=100, bet=bet)])
    (exposure,) = await session.account.exposure([game.game_id])
    # The fees are 1 and 0.4.
    assert (exposure.worst, exposure.liability) == (-61.4, -61.4)
    assert (await session.account.get_me()).liability == -61.4


def test_what_is_available_is_the_balance_less_bets_and_open_orders(
    book: Book, game: BookGame
) -> None:
    book.account(MINE).balance = 200.0
    held(book, game, game.home_id, 30.0)
    held(book, game, game.away_id, 20.0)
    book.place(MINE, game.game_id, offered=50.0)
    assert (book.at_risk(MINE), book.available(MINE)) == (60, 140)


@pytest.fixture(params=["live", "still to start"])
def begun(request: pytest.FixtureRequest, book: Book, game: BookGame) -> BookGame:
    if request.param == "live":
        book.start(game.game_id)
    return game


def test_an_account_can_place_what_it_has_and_not_a_cent_more(book: Book, begun: BookGame) -> None:
    book.account(MINE).balance = 100.0
    put(book, MINE, begun, order(begun.home_id, bet=69.9))
    with pytest.raises(RejectedError, match="insufficient balance") as refused:
        put(book, MINE, begun, order(begun.home_id, bet=30.11))
    assert refused.value.kind == "rejected_liability"
    put(book, MINE, begun, order(begun.home_id, bet=30.1))
    assert book.available(MINE) == 0


def test_the_fee_of_a_taker_must_be_there_too(book: Book, begun: BookGame) -> None:
    book.account(MINE).balance = 100.0
    book.place(OTHER, begun.game_id, side=begun.home_id, odds=100)
    with pytest.raises(RejectedError, match="insufficient balance"):
        put(book, MINE, begun, order(begun.away_id, bet=99.02))
    # It takes 99 and pays 0.99.
    put(book, MINE, begun, order(begun.away_id, bet=99.0))
    assert book.available(MINE) == 0.01


def test_a_bet_that_is_matched_frees_what_it_makes_up_for(book: Book, game: BookGame) -> None:
    book.account(MINE).balance = 100.0
    held(book, game, game.home_id, 60.0)
    hedge = order(game.away_id, bet=40.0)
    placed = put(book, MINE, game, hedge).resting
    assert placed is not None
    assert book.available(MINE) == 0
    book.fill(placed.order_id, 40.0)
    assert book.available(MINE) == 80


def test_what_is_settled_can_be_risked_again(book: Book, game: BookGame) -> None:
    book.account(MINE).balance = 100.0
    held(book, game, game.home_id, 100.0)
    book.settle(game.game_id, away=1, home=2)
    assert book.available(MINE) == 200


@pytest.mark.parametrize(("bet", "fits"), [(40.0, True), (40.01, False)])
def test_a_game_can_cost_no_more_than_the_maximum_liability(
    book: Book, game: BookGame, bet: float, fits: bool
) -> None:
    book.account(MINE).max_liability = 100.0
    held(book, game, game.home_id, 30.0)
    book.place(MINE, game.game_id, offered=30.0)
    # What is at risk on another game counts for nothing here.
    held(book, book.add_game(), game.home_id, 90.0)
    if fits:
        put(book, MINE, game, order(game.home_id, bet=bet))
    else:
        with pytest.raises(RejectedError, match="maximum liability") as refused:
            put(book, MINE, game, order(game.home_id, bet=bet))
        assert refused.value.kind == "rejected_liability"


def test_an_edit_can_use_what_its_order_releases(book: Book, game: BookGame) -> None:
    account = book.account(MINE)
    account.balance = account.max_liability = 100.0
    order = book.place(MINE, game.game_id, offered=100.0)
    with pytest.raises(RejectedError, match="liability"):
        replace(book, order, {"orderOdds": 120, "orderVolume": 100.01})
    account.max_liability = 1000.0
    with pytest.raises(RejectedError, match="insufficient balance"):
        replace(book, order, {"orderOdds": 120, "orderVolume": 100.01})
    assert replace(book, order, {"orderOdds": 120, "orderVolume": 100.0}).resting


@pytest.mark.parametrize("version", ["", "v4/"])
async def test_an_edit_beyond_the_balance_is_refused_and_changes_nothing(
    fake_exchange: FakeExchange, version: str
) -> None:
    resting = poor(fake_exchange)
    response = await ask(
        fake_exchange,
        f"POST /session/{version}editOrder",
        sessionID=resting.order_id,
        orderOdds=120,
        orderVolume=100.5,
    )
    assert response.status == 400
    assert response.document["error"] == "insufficient balance"
    assert response.document.get("errorType") == ("rejected_liability" if version else None)
    assert fake_exchange.open_orders() == [resting]


def poor(exchange: FakeExchange) -> BookOrder:
    """Leave 20 to the account of the exchange, and 80 of it at risk."""
    exchange.book.account(exchange.account).balance = 100.0
    return exchange.book.place(exchange.account, exchange.add_game().game_id, offered=80.0)


@pytest.mark.parametrize("over", ["REST", "WebSocket"])
async def test_an_order_beyond_the_balance_is_refused_over_both_transports(
    session: AsyncSession, fake_exchange: FakeExchange, over: str
) -> None:
    resting = poor(fake_exchange)
    game = fake_exchange.book.games[resting.game_id]
    orders = [
        NewOrder(game.game_id, "moneyline", game.home_id, odds=-110, bet=bet)
        for bet in (20.01, 12.0, 9.0, 8.0)
    ]
    if over == "REST":
        results = await session.place(orders)
    else:
        async with session.orders_socket() as socket:
            results = await socket.place(orders)
    # Each order of a list finds what the ones before it have left.
    assert [each.error_type for each in results] == [
        PlaceErrorType.LIABILITY,
        None,
        PlaceErrorType.LIABILITY,
        None,
    ]


async def test_an_order_below_the_minimum_is_not_valid(fake_exchange: FakeExchange) -> None:
    game = fake_exchange.add_game().game_id
    assert (await place(fake_exchange, game, bet=0.99))["errorType"] == "validation_error"
    assert "unmatched" in await place(fake_exchange, game, bet=1)


async def test_an_edit_to_less_than_the_minimum_is_not_valid(fake_exchange: FakeExchange) -> None:
    fake_exchange.book.min_bet = 5.0
    fake_exchange.add_game(orders=1)
    (resting,) = fake_exchange.open_orders()
    edit: dict[str, Any] = {
        "sessionID": resting.order_id,
        "orderOdds": 120,
        "orderVolume": 4.99,
    }
    response = await ask(fake_exchange, "POST /session/v4/editOrder", **edit)
    assert (response.status, response.document["errorType"]) == (400, "validation_error")
    assert fake_exchange.open_orders() == [resting]


def test_what_an_order_leaves_may_be_less_than_the_minimum(book: Book, game: BookGame) -> None:
    book.place(OTHER, game.game_id, side=game.home_id, odds=100, offered=9.5)
    resting = put(book, MINE, game, order(game.away_id, bet=10.0)).resting
    assert resting is not None
    assert resting.remaining == 0.5
