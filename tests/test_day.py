"""The day that a sandbox is filled with: its games, its orders, and how they move."""

import pytest
from attrs import asdict
from feed_client import PRICES, listening

from fourcasters_async import AsyncSession
from fourcasters_async.testing import Book, FakeExchange
from fourcasters_async.testing.day import BALANCE, Day, fill, move
from fourcasters_async.testing.matching import meets
from fourcasters_async.testing.quotes import Market, american

MINE = "sandbox"
SEEDS = range(5)
STEPS = 150


def state_of(book: Book) -> list[object]:
    return [
        [asdict(each) for each in book.games.values()],
        [asdict(each) for each in book.orders.values()],
        [asdict(each) for each in book.accounts.values()],
    ]


def moved(
    seed: int, *, steps: int = STEPS, games: int = 12, pause: float = 1.0
) -> tuple[Book, Day]:
    book = Book()
    day = fill(book, games=games, seed=seed)
    for _ in range(steps):
        book.pass_time(book.now + pause)
        move(book, day)
    return book, day


def test_one_seed_gives_one_day() -> None:
    assert state_of(moved(3, steps=0)[0]) == state_of(moved(3, steps=0)[0])


def test_another_seed_gives_another_day() -> None:
    assert state_of(moved(3, steps=0)[0]) != state_of(moved(4, steps=0)[0])


def test_one_seed_moves_in_one_way() -> None:
    assert state_of(moved(3)[0]) == state_of(moved(3)[0])


def test_the_quotes_of_others_move() -> None:
    def odds(book: Book) -> list[int]:
        return [order.odds for order in book.resting() if order.account != MINE]

    assert odds(moved(3, steps=0)[0]) != odds(moved(3, steps=5)[0])


@pytest.mark.parametrize("seed", SEEDS)
def test_moving_leaves_every_market_with_offers_of_others_on_both_sides(seed: int) -> None:
    book, day = moved(seed)
    for game_id, view in day.views.items():
        if book.games[game_id].ended:
            continue
        offers = [order for order in book.resting([game_id]) if order.account != MINE]
        for market in view.markets:
            for side in (0, 1):
                assert any(market.has(order, side) for order in offers)


@pytest.mark.parametrize("steps", [0, STEPS])
@pytest.mark.parametrize("seed", SEEDS)
def test_no_order_crosses_another(seed: int, steps: int) -> None:
    book, _ = moved(seed, steps=steps)
    for order in book.resting():
        others = book.resting([order.game_id])
        assert meets(order, others, book.games[order.game_id]) == []


@pytest.mark.parametrize("seed", SEEDS)
def test_no_money_is_made_or_lost(seed: int) -> None:
    book, day = moved(seed, steps=0)
    before = dict.fromkeys(book.accounts, 1_000_000.0) | {MINE: book.account(MINE).balance}
    for account in book.accounts.values():
        account.balance = before[account.name]
    graded = {order.order_id for order in book.orders.values() if order.outcome}
    for _ in range(STEPS):
        book.pass_time(book.now + 1)
        move(book, day)
    for game in book.games.values():
        if not game.ended:
            book.settle(game.game_id, away=3, home=2)
    fees = sum(
        fill.fee
        for order in book.orders.values()
        if order.outcome in ("winner", "loser") and order.order_id not in graded
        for fill in order.fills
    )
    assert any(fill.at > 0 for order in book.orders.values() for fill in order.fills)
    assert fees > 0
    paid_out = sum(account.balance for account in book.accounts.values())
    assert paid_out == pytest.approx(sum(before.values()) - fees, abs=0.005)


@pytest.mark.parametrize("seed", SEEDS)
def test_the_account_has_some_of_everything(seed: int) -> None:
    book = moved(seed, steps=0)[0]
    orders = list(book.orders_of(MINE))
    assert any(order.open and not order.filled for order in orders)
    assert any(order.open and order.filled for order in orders)
    assert {fill.taker for order in orders if order.matched for fill in order.fills} == {
        True,
        False,
    }
    assert {"winner", "loser"} <= {order.outcome for order in orders}
    assert len({book.games[order.game_id].league for order in orders if order.outcome}) == 6
    assert 0 < book.available(MINE) < BALANCE + 5_000


@pytest.mark.parametrize("seed", SEEDS)
def test_what_has_happened_happened_in_order(seed: int) -> None:
    book = moved(seed, steps=0)[0]
    placed = [order.placed_at for order in book.orders.values()]
    assert placed == sorted(placed)
    assert placed[-1] < book.now


def test_the_games_start_within_hours_but_for_one_that_is_live() -> None:
    book = moved(3, steps=0)[0]
    games = [game for game in book.games.values() if not game.ended and game.parent_id is None]
    assert len(games) == 12
    assert sum(game.live for game in games) == 1
    later = moved(3, steps=1, pause=13 * 3600)[0]
    assert all(game.live or game.ended for game in later.games.values())


def test_a_league_has_halves_draws_and_rotation_numbers_where_it_has_them() -> None:
    book = moved(3, steps=0)[0]
    periods = {game.league for game in book.games.values() if game.parent_id is not None}
    draws = {book.games[order.game_id].league for order in book.resting() if order.market == "draw"}
    assert (periods, draws) == ({"NBA", "NFL", "EPL"}, {"EPL"})
    main = [game for game in book.games.values() if game.parent_id is None]
    assert len({(game.league, game.rotation) for game in main}) == len(main)


def test_no_team_plays_two_games_of_a_small_day() -> None:
    book = moved(3, steps=0)[0]
    games = [game for game in book.games.values() if not game.ended and game.parent_id is None]
    teams = [team for game in games for team in (game.away_id, game.home_id)]
    assert len(teams) == len(set(teams))


def test_a_team_has_one_id_in_all_its_games() -> None:
    book = moved(3, steps=0, games=200)[0]
    sides = {
        pair for g in book.games.values() for pair in ((g.away, g.away_id), (g.home, g.home_id))
    }
    assert len(sides) == len({name for name, _ in sides}) == len({id_ for _, id_ in sides})


@pytest.mark.parametrize("chance", [0.0, 0.01, 0.5, 0.99, 1.0])
def test_a_quote_is_worse_than_the_fair_price_or_the_least_there_is(chance: float) -> None:
    market = Market("total", ("over", "under"), (5.5, 5.5), chance)
    over, under = (market.quote(side, 0.02, 100.0)["odds"] for side in (0, 1))
    assert over == american(max(chance - 0.02, 0.01))
    assert under == american(max(1 - chance - 0.02, 0.01))


def test_orders_of_the_account_rest_for_hours() -> None:
    book, day = moved(3, steps=0)
    before = len(book.open_orders(MINE))
    for _ in range(3600):
        move(book, day)
    assert before / 2 < len(book.open_orders(MINE)) <= before
    assert any(fill.at == book.now for o in book.orders_of(MINE) for fill in o.fills)


def test_a_live_game_ends_and_is_settled() -> None:
    book, day = moved(3, steps=0)
    live = [game for game in book.games.values() if game.live]
    for _ in range(50):
        move(book, day)
    assert any(order.open for game in live for order in book.resting([game.game_id]))
    book.pass_time(book.now + 3 * 3600)
    move(book, day)
    assert [game.ended for game in live] == [True]
    assert not book.resting([live[0].game_id])


def test_a_day_that_is_over_does_not_move() -> None:
    book, day = moved(3, steps=1, pause=24 * 3600)
    before = state_of(book)
    move(book, day)
    assert state_of(book) == before


def test_old_quotes_of_others_are_forgotten_and_own_orders_are_kept() -> None:
    book, day = moved(3, steps=0)
    mine = book.open_orders(MINE)[0]
    book.cancel(mine)
    for _ in range(300):
        move(book, day)
    closed = [o for o in book.orders.values() if not o.open and not o.fills and o.account != MINE]
    assert len(closed) < 60 * 4 * 6
    assert mine.order_id in book.orders
    assert mine in list(book.orders_of(MINE, [mine.game_id]))


def test_others_take_what_is_offered_at_a_good_price() -> None:
    book, day = moved(3, steps=0)
    game_id, view = next((i, v) for i, v in day.views.items() if not book.games[i].ended)
    market = view.markets[0]
    order = book.place(
        MINE,
        game_id,
        type=market.type,
        side=market.sides[0],
        number=market.numbers[0],
        odds=-300,
        offered=300,
    )
    for _ in range(200):
        move(book, day)
    assert not order.open
    assert order.filled == 300


def test_a_day_without_games_is_empty() -> None:
    book, _ = moved(3, games=0)
    assert not book.games
    assert not book.orders


def test_a_day_of_three_thousand_games_can_be_made_and_moves() -> None:
    book, day = moved(3, games=3000, steps=3)
    assert sum(not game.ended and game.parent_id is None for game in book.games.values()) == 3000
    assert len(day.views) == len(book.games)
    assert book.available(MINE) > 0


@pytest.mark.parametrize(
    ("chance", "odds"),
    [(0.5, -100), (0.4999, 100), (0.5238, -110), (0.4762, 110), (0.8, -400), (0.123, 715)],
)
def test_a_chance_is_quoted_as_american_odds(chance: float, odds: int) -> None:
    assert american(chance) == odds


def test_odds_are_those_of_their_chance() -> None:
    for chance in (0.05 + 0.001 * step for step in range(900)):
        odds = american(chance)
        implied = 100 / (odds + 100) if odds > 0 else -odds / (100 - odds)
        assert abs(odds) >= 100
        assert implied == pytest.approx(chance, abs=0.004)


async def test_every_read_of_an_exchange_with_a_day_shows_something(
    fake_exchange: FakeExchange, session: AsyncSession
) -> None:
    fake_exchange.fill_day()
    (hit, *_) = await session.markets.find("lakers")
    books = await session.markets.get_orderbook(game_id=hit.game_id)
    assert books[0].home_moneylines
    assert await session.markets.get_leagues() == ["NBA", "NFL", "MLB", "NHL", "EPL", "ATP"]
    assert await session.account.get_unmatched()
    assert await session.account.get_matched_bets()
    assert await session.account.exposure()
    since = fake_exchange.book.games[next(iter(fake_exchange.book.games))].start
    rows = [row async for row in session.account.graded_since(since=since)]
    assert len(rows) > 10
    me = await session.account.get_me()
    assert me.display_balance == pytest.approx(BALANCE, abs=2_000)


async def test_the_price_feed_tells_how_the_prices_move(fake_exchange: FakeExchange) -> None:
    day = fake_exchange.fill_day()
    async with listening(fake_exchange, PRICES) as feed:
        assert await feed.silent()
        move(fake_exchange.book, day)
        type_, payload = await feed.next()
    assert type_ == "orderUpdate"
    assert payload["gameID"] in day.views
    assert payload["sideOrders"]


async def test_a_wrong_number_of_games_is_refused(fake_exchange: FakeExchange) -> None:
    with pytest.raises(ValueError, match="games: must be a whole number"):
        fake_exchange.fill_day(games=-1)
