"""What the sandbox shows over REST, with plain aiohttp."""

from typing import Any

import pytest
from fake_client import ask, place

from fourcasters_async.testing import BookOrder, FakeExchange
from fourcasters_async.testing.placing import place as place_in
from fourcasters_async.testing.records import moment

LEAGUES = "GET /exchange/getLeagues"
UNMATCHED = "GET /user/getUnmatched"
ON_GAME = "GET /user/getOrdersForGame"
BY_REFERENCE = "GET /user/getBetByUserReference"
# Seconds, and far more than a test takes.
LAG = 3600.0


def furnish(exchange: FakeExchange, *games: tuple[str, str]) -> None:
    for sport, league in games:
        exchange.book.add_game(sport=sport, league=league)


async def test_the_leagues_are_those_of_games_that_have_not_ended(
    fake_exchange: FakeExchange,
) -> None:
    furnish(fake_exchange, ("basketball", "NBA"), ("hockey", "NHL"), ("basketball", "NBA"))
    fake_exchange.book.add_game(league="WNBA").ended = True
    assert (await ask(fake_exchange, LEAGUES)).data == {"availableLeagues": ["NBA", "NHL"]}


async def test_the_leagues_of_one_sport_are_those_of_its_games(fake_exchange: FakeExchange) -> None:
    furnish(fake_exchange, ("basketball", "NBA"), ("hockey", "NHL"))
    leagues = (await ask(fake_exchange, LEAGUES, sport="hockey")).data
    assert leagues == {"availableLeagues": ["NHL"]}


@pytest.mark.parametrize("sport", ["soccer", "golf"])
async def test_the_leagues_of_some_sports_end_with_one_that_stands_for_all(
    fake_exchange: FakeExchange, sport: str
) -> None:
    furnish(fake_exchange, (sport, "FIRST"))
    leagues = (await ask(fake_exchange, LEAGUES, sport=sport)).data
    assert leagues == {"availableLeagues": ["FIRST", "all"]}


@pytest.mark.parametrize(
    ("league", "shown"), [("ATP-LIVE", ["ATP-LIVE", "LIVE"]), ("NBA-LIVE", ["NBA-LIVE"])]
)
async def test_live_leagues_have_an_alias_but_for_those_of_a_sport(
    fake_exchange: FakeExchange, league: str, shown: list[str]
) -> None:
    furnish(fake_exchange, ("any", league))
    assert (await ask(fake_exchange, LEAGUES)).data == {"availableLeagues": shown}


@pytest.mark.parametrize(
    ("route", "count"),
    [
        ("GET /user/v2/getGraded", 60),
        ("GET /user/getGradedWagers", 60),
        ("GET /user/v2/getGradedSince", 10),
    ],
)
async def test_an_account_may_make_so_many_graded_reads_and_no_more(
    fake_exchange: FakeExchange, route: str, count: int
) -> None:
    since = {"since": "2026-01-01T00:00:00Z"} if route.endswith("Since") else {}
    statuses = [(await ask(fake_exchange, route, **since)).status for _ in range(count + 1)]
    assert statuses == [200] * count + [429]
    other = fake_exchange.add_account("other")
    assert (await ask(fake_exchange, route, token=other, **since)).status == 200


async def test_the_leagues_need_a_token(fake_exchange: FakeExchange) -> None:
    assert (await ask(fake_exchange, LEAGUES, token="")).status == 401


async def shown(exchange: FakeExchange) -> list[str]:
    return [order["id"] for order in (await ask(exchange, UNMATCHED)).data["unmatched"]]


@pytest.fixture
def order(fake_exchange: FakeExchange) -> BookOrder:
    """Return an order that is older than any lag."""
    order = fake_exchange.book.place(
        fake_exchange.account, fake_exchange.add_game().game_id, user_reference="mine"
    )
    fake_exchange.move_clock(LAG + 1)
    return order


async def test_a_read_that_lags_shows_a_new_order_late(fake_exchange: FakeExchange) -> None:
    fake_exchange.read_lag = LAG
    placed = await place(fake_exchange, fake_exchange.add_game().game_id)
    fake_exchange.move_clock(LAG / 2)
    assert await shown(fake_exchange) == []
    fake_exchange.move_clock(LAG / 2)
    assert await shown(fake_exchange) == [placed["unmatched"]["orderID"]]


async def test_a_read_that_lags_still_shows_an_order_that_was_cancelled(
    fake_exchange: FakeExchange, order: BookOrder
) -> None:
    fake_exchange.read_lag = LAG
    await ask(fake_exchange, "POST /session/cancelAllOrders")
    fake_exchange.move_clock(LAG / 2)
    assert await shown(fake_exchange) == [order.order_id]
    fake_exchange.move_clock(LAG / 2)
    assert await shown(fake_exchange) == []


async def test_a_read_that_lags_shows_an_order_that_is_gone_for_as_long_as_it_lived(
    fake_exchange: FakeExchange,
) -> None:
    fake_exchange.read_lag = LAG
    placed = await place(fake_exchange, fake_exchange.add_game().game_id)
    fake_exchange.move_clock(LAG / 2)
    await ask(fake_exchange, "POST /session/cancelAllOrders")
    fake_exchange.move_clock(LAG / 2)
    assert await shown(fake_exchange) == [placed["unmatched"]["orderID"]]
    fake_exchange.move_clock(LAG / 2)
    assert await shown(fake_exchange) == []


async def test_new_orders_alone_can_lag(fake_exchange: FakeExchange, order: BookOrder) -> None:
    fake_exchange.appear_lag = LAG
    await ask(fake_exchange, "POST /session/cancelAllOrders")
    await place(fake_exchange, order.game_id)
    assert await shown(fake_exchange) == []
    fake_exchange.move_clock(LAG)
    assert len(await shown(fake_exchange)) == 1


async def test_changes_alone_can_lag(fake_exchange: FakeExchange, order: BookOrder) -> None:
    fake_exchange.vanish_lag = LAG
    await ask(fake_exchange, "POST /session/cancelAllOrders")
    placed = await place(fake_exchange, order.game_id)
    assert await shown(fake_exchange) == [order.order_id, placed["unmatched"]["orderID"]]
    fake_exchange.move_clock(LAG)
    assert await shown(fake_exchange) == [placed["unmatched"]["orderID"]]


async def test_what_was_taken_at_once_never_rested_however_late_changes_are_shown(
    fake_exchange: FakeExchange, order: BookOrder
) -> None:
    fake_exchange.vanish_lag = LAG
    game = fake_exchange.book.games[order.game_id]
    fake_exchange.book.place("another", game.game_id)
    taker = {"type": "moneyline", "side": game.away_id, "odds": 110, "bet": 50.0}
    taken = place_in(fake_exchange.book, fake_exchange.account, order.game_id, taker)
    assert taken.took is not None
    assert taken.took.order_id not in await shown(fake_exchange)


async def test_the_lags_add_up(fake_exchange: FakeExchange) -> None:
    fake_exchange.read_lag = fake_exchange.appear_lag = LAG
    await place(fake_exchange, fake_exchange.add_game().game_id)
    fake_exchange.move_clock(1.5 * LAG)
    assert await shown(fake_exchange) == []
    fake_exchange.move_clock(0.5 * LAG)
    assert len(await shown(fake_exchange)) == 1


async def test_a_read_that_lags_shows_what_was_filled_late(
    fake_exchange: FakeExchange, order: BookOrder
) -> None:
    fake_exchange.read_lag = LAG
    fake_exchange.book.fill(order.order_id, 40.0)
    asked = {"gameID": order.game_id}
    before = (await ask(fake_exchange, ON_GAME, **asked)).data
    fake_exchange.move_clock(LAG)
    after = (await ask(fake_exchange, ON_GAME, **asked)).data
    assert (before["unmatched"][0]["remaining"], before["matched"]) == (100.0, [])
    assert (after["unmatched"][0]["remaining"], after["matched"][0]["risk"]) == (60.0, "40.00")


async def test_an_order_that_expired_between_reads_is_shown_until_the_lag_has_passed(
    fake_exchange: FakeExchange,
) -> None:
    fake_exchange.vanish_lag = LAG
    await place(fake_exchange, fake_exchange.add_game().game_id, expirationMinutes=60)
    fake_exchange.move_clock(3600 + LAG / 2)
    assert len(await shown(fake_exchange)) == 1
    fake_exchange.move_clock(LAG / 2)
    assert await shown(fake_exchange) == []


async def test_an_order_that_a_late_heartbeat_cancelled_is_shown_until_the_lag_has_passed(
    fake_exchange: FakeExchange, order: BookOrder
) -> None:
    fake_exchange.vanish_lag = LAG
    await ask(fake_exchange, "POST /user/ordersHeartbeat", timeout=3600)
    fake_exchange.move_clock(3600 + LAG / 2)
    assert await shown(fake_exchange) == [order.order_id]
    fake_exchange.move_clock(LAG / 2)
    assert await shown(fake_exchange) == []


async def test_of_an_expiry_and_a_late_heartbeat_the_earlier_cancels(
    fake_exchange: FakeExchange,
) -> None:
    game = fake_exchange.add_game().game_id
    for minutes in (30, 90):
        await place(fake_exchange, game, expirationMinutes=minutes)
    await ask(fake_exchange, "POST /user/ordersHeartbeat", timeout=3600)
    fake_exchange.move_clock(10 * LAG)
    gone_at = [order.cancelled_at for order in fake_exchange.book.orders.values()]
    assert gone_at[0] < 3600 <= gone_at[1] < 5400


async def test_a_lag_can_be_given_from_the_start() -> None:
    async with FakeExchange(read_lag=LAG) as exchange:
        exchange.add_game(orders=1)
        assert await shown(exchange) == []


async def test_other_reads_and_the_book_do_not_lag(
    fake_exchange: FakeExchange, order: BookOrder
) -> None:
    fake_exchange.read_lag = LAG
    await ask(fake_exchange, "POST /session/cancelAllOrders")
    detail = await ask(fake_exchange, "GET /session/lookupOrder", orderID=order.order_id)
    assert detail.data["order"]["cancelled"] is True
    assert fake_exchange.open_orders() == []


async def by_reference(exchange: FakeExchange, **fields: Any) -> dict[str, list[str]]:
    data = (await ask(exchange, BY_REFERENCE, **fields)).data
    return {kind: [bet["userReference"] for bet in bets] for kind, bets in data.items()}


async def test_a_reference_finds_what_rests_and_what_was_matched_of_its_orders(
    fake_exchange: FakeExchange, order: BookOrder
) -> None:
    fake_exchange.book.place(fake_exchange.account, order.game_id, user_reference="yours")
    fake_exchange.book.place("another", order.game_id, user_reference="mine")
    fake_exchange.book.fill(order.order_id, 40.0)
    found = await by_reference(fake_exchange, userReference="mine", gameID=order.game_id)
    assert found == {"unmatched": ["mine"], "matched": ["mine"], "graded": []}


async def test_a_reference_finds_nothing_of_an_order_that_was_cancelled_unfilled(
    fake_exchange: FakeExchange, order: BookOrder
) -> None:
    fake_exchange.book.cancel(order)
    found = await by_reference(fake_exchange, userReference="mine", gameID=order.game_id)
    assert found == {"unmatched": [], "matched": [], "graded": []}


async def test_a_reference_is_looked_up_on_one_game(
    fake_exchange: FakeExchange, order: BookOrder
) -> None:
    other = fake_exchange.add_game().game_id
    found = await by_reference(fake_exchange, userReference="mine", gameID=other)
    assert found == {"unmatched": [], "matched": [], "graded": []}


@pytest.mark.parametrize(
    ("outcome", "result"), [("winner", "90.91"), ("loser", "-100.00"), ("push", "0.00")]
)
async def test_a_reference_finds_what_was_graded_with_its_result(
    fake_exchange: FakeExchange, order: BookOrder, outcome: str, result: str
) -> None:
    fake_exchange.book.fill(order.order_id, 100.0)
    fake_exchange.book.grade(order.order_id, outcome)
    asked = {"userReference": "mine", "gameID": order.game_id}
    data = (await ask(fake_exchange, BY_REFERENCE, **asked)).data
    assert (data["unmatched"], data["matched"]) == ([], [])
    assert [(bet["outcome"], bet["result"]) for bet in data["graded"]] == [(outcome, result)]


@pytest.mark.parametrize(
    "fields",
    [{"userReference": "mine"}, {"gameID": "f" * 24}, {"userReference": "mine", "gameID": "f"}],
    ids=str,
)
async def test_a_reference_is_not_looked_up_without_a_game(
    fake_exchange: FakeExchange, fields: dict[str, str]
) -> None:
    response = await ask(fake_exchange, BY_REFERENCE, **fields)
    assert response.status == 408
    assert response.document == {"error": "Invalid User Reference or Game ID"}


async def test_a_period_is_a_game_of_its_own_that_names_its_parent(
    fake_exchange: FakeExchange,
) -> None:
    game = fake_exchange.add_game()
    period = fake_exchange.add_game(parent=game, orders=1)
    (order,) = (await ask(fake_exchange, UNMATCHED)).data["unmatched"]
    assert (order["game"]["id"], order["game"]["parentGameID"]) == (period.game_id, game.game_id)
    assert order["game"]["periodName"] == "1H"
    assert [team["id"] for team in order["game"]["participants"]] == [game.away_id, game.home_id]


async def test_a_game_that_is_no_period_names_no_parent(fake_exchange: FakeExchange) -> None:
    fake_exchange.add_game(orders=1)
    (order,) = (await ask(fake_exchange, UNMATCHED)).data["unmatched"]
    assert order["game"]["parentGameID"] is None


def test_what_rests_in_the_book_is_found_on_some_games_whoever_placed_it() -> None:
    exchange = FakeExchange()
    first, second, third = (exchange.add_game(orders=1) for _ in range(3))
    exchange.book.cancel(exchange.open_orders(second.game_id)[0])
    foreign = exchange.book.place("another", second.game_id)
    games = [first.game_id, second.game_id]
    assert exchange.book.resting(games) == [*exchange.open_orders(first.game_id), foreign]
    assert exchange.book.resting(games, account="another") == [foreign]
    assert len(exchange.book.resting()) == 3
    assert third.game_id not in {order.game_id for order in exchange.book.resting(games)}


@pytest.mark.parametrize(
    "path", ["/user/getGradedWagers", "/user/v2/getGraded", "/user/v2/getGradedSince"]
)
async def test_what_is_graded_can_be_asked_for_in_a_body(
    fake_exchange: FakeExchange, order: BookOrder, path: str
) -> None:
    fake_exchange.book.fill(order.order_id, 100.0)
    fake_exchange.book.settle(order.game_id, away=1, home=2)
    fake_exchange.book.games[order.game_id].start = moment(0.0)
    since = {"since": "2020-01-01T00:00:00Z"} if path.endswith("Since") else {}
    shown, asked = [await ask(fake_exchange, f"{m} {path}", **since) for m in ("GET", "POST")]
    assert asked.data == shown.data
    assert len(asked.data["graded"]) == 1


@pytest.mark.parametrize(("outcome", "fee"), [("winner", "1.00"), ("half-loss", "0.50")])
async def test_a_graded_bet_shows_the_fee_that_was_charged(
    fake_exchange: FakeExchange, outcome: str, fee: str
) -> None:
    book, game = fake_exchange.book, fake_exchange.add_game()
    book.place("another", game.game_id, side=game.home_id, odds=100, offered=100.0)
    placed = await place(fake_exchange, game.game_id, side=game.away_id, odds=100, bet=100.0)
    (fill,) = placed["matched"]
    (mine,) = book.orders_of(fake_exchange.account)
    book.grade(mine.order_id, outcome)
    since = {"since": "2020-01-01T00:00:00Z"}
    (row,) = (await ask(fake_exchange, "GET /user/v2/getGradedSince", **since)).data["graded"]
    assert (row["txID"], row["fee"]) == (fill["txID"], fee)


async def test_what_is_left_of_an_order_is_cancelled_when_it_is_graded(
    fake_exchange: FakeExchange, order: BookOrder
) -> None:
    fake_exchange.book.fill(order.order_id, 40.0)
    fake_exchange.book.grade(order.order_id)
    assert await shown(fake_exchange) == []
