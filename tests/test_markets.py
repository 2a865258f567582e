"""The reads of the markets, against the sandbox."""

from collections.abc import Awaitable, Callable
from datetime import UTC, date, datetime

import pytest

from fourcasters_async import (
    AsyncSession,
    BadRequestError,
    BookEntry,
    DecodeError,
    Game,
    InvalidRequestError,
    Markets,
    MatchedVolume,
    OrderBook,
    Participant,
)
from fourcasters_async.testing import BookGame, FakeExchange, faults


@pytest.fixture(autouse=True)
def _games(fake_exchange: FakeExchange) -> None:
    fake_exchange.book.add_game(sport="basketball", league="NBA")
    fake_exchange.book.add_game(sport="hockey", league="NHL")


async def test_the_leagues_are_those_with_open_markets(session: AsyncSession) -> None:
    assert await session.markets.get_leagues() == ["NBA", "NHL"]


async def test_the_leagues_can_be_those_of_one_sport(session: AsyncSession) -> None:
    assert await session.markets.get_leagues("hockey") == ["NHL"]


@pytest.mark.parametrize("sport", ["", "a/b", 7])
async def test_a_sport_that_can_only_be_a_mistake_is_refused(
    fake_exchange: FakeExchange, session: AsyncSession, sport: str
) -> None:
    with pytest.raises(InvalidRequestError, match=r"^sport: "):
        await session.markets.get_leagues(sport)
    assert not fake_exchange.requests


@pytest.mark.parametrize("body", [b'{"data": {}}', b'{"data": {"availableLeagues": [7]}}'])
async def test_leagues_that_are_none_are_malformed(
    fake_exchange: FakeExchange, session: AsyncSession, body: bytes
) -> None:
    fake_exchange.inject(faults.Respond(body), times=None)
    with pytest.raises(DecodeError, match="availableLeagues"):
        await session.markets.get_leagues()


async def test_games_are_those_of_a_league_in_any_case(session: AsyncSession) -> None:
    (game,) = await session.markets.get_games("nhl")
    assert (game.league, game.sport) == ("NHL", "hockey")


async def test_games_are_upcoming_ones_unless_a_league_is_named(session: AsyncSession) -> None:
    assert [game.league for game in await session.markets.get_games()] == ["NBA", "NHL"]


async def test_a_game_names_its_sides(session: AsyncSession, fake_exchange: FakeExchange) -> None:
    (game,) = await session.markets.get_games("NBA")
    book_game = fake_exchange.book.games[game.game_id or ""]
    assert game.home is not None
    assert game.away is not None
    assert (game.away.participant_id, game.home.participant_id) == (
        book_game.away_id,
        book_game.home_id,
    )


@pytest.mark.parametrize(
    ("participants", "home"),
    [
        ([Participant("a", home_away="home"), Participant("b", home_away="away")], "a"),
        ([Participant("a"), Participant("b")], "b"),
        ([Participant("a", home_away="away"), Participant("b")], "b"),
        ([Participant("a", home_away="away")], None),
        ([], None),
    ],
)
def test_the_home_side_is_the_one_that_says_so_and_else_the_second(
    participants: list[Participant], home: str | None
) -> None:
    found = Game(participants=participants).home
    assert (found and found.participant_id) == home


async def test_a_league_without_games_has_none(session: AsyncSession) -> None:
    assert await session.markets.get_games("MLB") == []


async def test_participants_are_each_listed_once(session: AsyncSession) -> None:
    participants = await session.markets.get_participants()
    assert [each.long_name for each in participants] == ["Celtics", "Lakers"] * 2
    assert len({each.participant_id for each in participants}) == 4


async def test_active_participants_are_those_of_games_that_are_still_to_start(
    session: AsyncSession, fake_exchange: FakeExchange
) -> None:
    first, _ = fake_exchange.book.games.values()
    first.start = datetime(2020, 1, 1, tzinfo=UTC)
    participants = await session.markets.get_participants(active=True)
    assert {each.league for each in participants} == {"NHL"}


@pytest.fixture
def full(fake_exchange: FakeExchange) -> BookGame:
    """Give a game of soccer with orders on all of its markets."""
    book, mine = fake_exchange.book, fake_exchange.account
    game = book.add_game(sport="soccer", league="EPL")
    for side in (game.home_id, game.away_id):
        book.place(mine, game.game_id, side=side)
        book.place("another", game.game_id, side=side, odds=-105)
        book.place(mine, game.game_id, type="spread", side=side, number=-3.5)
        book.place(mine, game.game_id, type="spread", side=side, number=4)
        book.place(mine, game.game_id, type="moneyline1x2", market=side)
    for over_under in ("over", "under"):
        book.place(mine, game.game_id, type="total", side=over_under, number=2.5)
    book.place(mine, game.game_id, type="moneyline1x2", market="draw", side="no")
    return game


async def test_a_book_has_its_orders_side_by_side_the_best_for_a_taker_first(
    session: AsyncSession, full: BookGame
) -> None:
    (book,) = await session.markets.get_orderbook(game_id=full.game_id)
    assert [(entry.odds, entry.own) for entry in book.home_moneylines] == [
        (-110, True),
        (-105, False),
    ]
    assert {entry.participant_id for entry in book.away_spreads} == {full.away_id}
    assert [entry.over_under for entry in book.under] == ["under"]
    assert [(entry.market, entry.side) for entry in book.draw_1x2] == [("draw", "no")]
    assert len(book.entries) == 13


async def test_the_book_is_the_same_record_from_both_addresses(
    session: AsyncSession, full: BookGame
) -> None:
    def sides(book: OrderBook) -> list[list[BookEntry]]:
        each = [book.home_moneylines, book.away_moneylines, book.home_spreads, book.away_spreads]
        return [sorted(side, key=str) for side in [*each, book.over, book.under]]

    (new,) = await session.markets.get_orderbook("EPL")
    (old,) = await session.markets.get_orderbook("epl", version=1)
    assert sides(new) == sides(old)
    assert (old.main_home_spread, old.main_total) == (-3.5, 2.5)


async def test_an_entry_without_its_number_has_that_of_its_line(
    session: AsyncSession, fake_exchange: FakeExchange
) -> None:
    body = b'{"data": {"games": [{"id": "g", "homeSpreads": {"-3.5": [{"id": "o"}]}}]}}'
    fake_exchange.inject(faults.Respond(body))
    (book,) = await session.markets.get_orderbook("NBA", version=1)
    assert [(entry.order_id, entry.spread) for entry in book.home_spreads] == [("o", -3.5)]


async def test_the_book_of_a_game_comes_with_those_of_its_periods(
    session: AsyncSession, fake_exchange: FakeExchange, full: BookGame
) -> None:
    period = fake_exchange.book.add_game(parent=full)
    found = await session.markets.get_single_orderbook(full.game_id)
    assert found.game.game_id == full.game_id
    assert [child.game_id for child in found.child_games] == [period.game_id]


async def test_the_book_of_an_unknown_game_is_refused(session: AsyncSession) -> None:
    with pytest.raises(BadRequestError, match="gameID"):
        await session.markets.get_single_orderbook("f" * 24)


async def test_prices_are_those_of_a_taker(session: AsyncSession, full: BookGame) -> None:
    (game,) = await session.markets.get_odds_for_average_price("EPL")
    assert game.odds is not None
    assert game.odds.best_home_moneyline == 110
    assert game.odds.best_home_moneyline_price_limit == 105
    assert game.odds.average_home_moneyline == 107
    assert game.odds.best_over == 110


async def test_an_average_price_sweeps_no_more_than_it_must(
    session: AsyncSession, fake_exchange: FakeExchange
) -> None:
    game = fake_exchange.book.add_game(league="NFL")
    for odds, offered in ((100, 450.0), (150, 100.0), (300, 1000.0)):
        fake_exchange.book.place(
            "other", game.game_id, side=game.away_id, odds=odds, offered=offered
        )
    (priced,) = await session.markets.get_odds_for_average_price("NFL")
    assert priced.odds is not None
    # 450 wins 450, and 150 wins 100.
    assert priced.odds.average_home_moneyline == -109
    assert priced.odds.best_home_moneyline_price_limit == -150


async def test_prices_come_with_the_commission_and_with_what_can_be_bet(
    session: AsyncSession, fake_exchange: FakeExchange
) -> None:
    game = fake_exchange.book.add_game(league="NFL")
    for side, odds in ((game.away_id, -110), (game.home_id, -200), (game.home_id, 150)):
        fake_exchange.book.place("other", game.game_id, side=side, odds=odds, offered=100.0)
    (priced,) = await session.markets.get_odds_for_average_price("NFL")
    shown = priced.odds
    assert shown is not None
    assert (shown.best_home_moneyline, shown.best_home_moneyline_with_commission) == (110, 109)
    assert (shown.best_away_moneyline, shown.best_away_moneyline_with_commission) == (200, 199)
    assert (shown.home_moneyline_max_bet, shown.away_moneyline_max_bet) == (90, 200)
    assert (shown.max_moneyline_bet, shown.max_over_bet) == (200, 0)


async def test_a_game_without_orders_has_no_prices(session: AsyncSession) -> None:
    (game,) = await session.markets.get_odds_for_average_price("NBA")
    assert game.odds is not None
    assert game.odds.best_over is None


async def test_the_volume_is_what_both_sides_staked(
    session: AsyncSession, fake_exchange: FakeExchange, full: BookGame
) -> None:
    order = fake_exchange.book.place(fake_exchange.account, full.game_id, odds=150)
    fake_exchange.book.fill(order.order_id, 40.0)
    today = order.created_at.date()
    volume = await session.markets.get_matched_volume(today, today)
    assert volume == MatchedVolume(start_date=today, end_date=today, matched_volume=100.0)


async def test_a_book_keeps_its_volume_when_its_orders_are_filled(
    session: AsyncSession, fake_exchange: FakeExchange, full: BookGame
) -> None:
    order = fake_exchange.book.place(fake_exchange.account, full.game_id, odds=150)
    fake_exchange.book.fill(order.order_id, order.offered)
    (book,) = await session.markets.get_orderbook(game_id=full.game_id)
    (prices,) = await session.markets.get_odds_for_average_price(full.league)
    period = fake_exchange.book.add_game(parent=full)
    of_period = await session.markets.get_single_orderbook(period.game_id)
    assert (book.matched_volume, prices.matched_volume) == (250.0, 250.0)
    assert of_period.game.matched_volume == 0


async def test_the_main_lines_are_one_line_near_even_money(
    session: AsyncSession, fake_exchange: FakeExchange
) -> None:
    game = fake_exchange.book.add_game(league="NFL")
    spreads = ((3.5, game.home_id, -900), (-6.5, game.home_id, -105), (10.5, game.away_id, -300))
    for number, side, odds in spreads:
        fake_exchange.book.place(
            "other", game.game_id, type="spread", number=number, side=side, odds=odds
        )
    single = (await session.markets.get_single_orderbook(game.game_id)).game
    (priced,) = await session.markets.get_odds_for_average_price("NFL")
    assert (single.main_home_spread, single.main_away_spread) == (-6.5, 6.5)
    assert priced.odds is not None
    assert (priced.odds.best_away_spread, priced.odds.best_home_spread) == (105, None)


async def test_days_in_the_wrong_order_are_refused(session: AsyncSession) -> None:
    with pytest.raises(BadRequestError, match="endDate"):
        await session.markets.get_matched_volume(date(2026, 1, 2), date(2026, 1, 1))


MISTAKES: list[tuple[str, Callable[[Markets], Awaitable[object]]]] = [
    ("league", lambda m: m.get_games("")),
    ("sport", lambda m: m.get_games("NBA", "a/b")),
    ("league, game_id", lambda m: m.get_orderbook()),
    ("league, game_id", lambda m: m.get_orderbook("NBA", game_id="f" * 24)),
    ("version", lambda m: m.get_orderbook("NBA", version=3)),  # type: ignore[arg-type]  # the mistake
    ("version", lambda m: m.get_orderbook(game_id="f" * 24, version=1)),
    ("game_id", lambda m: m.get_single_orderbook("")),
    ("league", lambda m: m.get_odds_for_average_price("")),
    ("start", lambda m: m.get_matched_volume("2026-01-01", date(2026, 1, 1))),  # type: ignore[arg-type]  # the mistake
    ("end", lambda m: m.get_matched_volume(date(2026, 1, 1), datetime(2026, 1, 1, tzinfo=UTC))),
]


@pytest.mark.parametrize(("named", "read"), MISTAKES)
async def test_an_argument_that_can_only_be_a_mistake_is_refused_by_its_name(
    session: AsyncSession,
    fake_exchange: FakeExchange,
    named: str,
    read: Callable[[Markets], Awaitable[object]],
) -> None:
    with pytest.raises(InvalidRequestError, match=f"^{named}: "):
        await read(session.markets)
    assert not fake_exchange.requests
