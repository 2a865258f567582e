"""The commands that read: what they print, their JSON, and how they end."""

import json
import re
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from functools import partial
from typing import Any

import pytest
from shapes import mistakes
from support import QUICK, Ran, Run
from test_terminal import EVIL, has_danger

from fourcasters_async import AsyncSession
from fourcasters_async.cli import reads
from fourcasters_async.cli.wording import in_utc
from fourcasters_async.testing import BookGame, BookOrder, FakeExchange, faults

OPENED = "2026-01-01"  # when the sandbox's clock begins
BEFORE = "2025-12-31"
AT_80_COLUMNS = {"FORCE_COLOR": "1", "NO_COLOR": "1", "COLUMNS": "80"}
READS = [
    ["games"],
    ["games", "NBA"],
    ["book", "GAME"],
    ["positions"],
    ["bets"],
    ["graded", "--since", BEFORE],
    ["me"],
]


@pytest.fixture(autouse=True)
def _few_attempts(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let a read that fails fail at once."""
    monkeypatch.setattr(AsyncSession, "from_env", partial(AsyncSession.from_env, retry=QUICK))


@pytest.fixture
def elsewhere(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Let the machine be in a zone of its own."""
    if not hasattr(time, "tzset"):
        pytest.skip("the zone of this system cannot be set")
    with monkeypatch.context() as patch:
        patch.setenv("TZ", "EST5")
        time.tzset()
        yield
    time.tzset()


def cells(text: str) -> list[list[str]]:
    return [line.split("\t") for line in text.splitlines()]


def on_screen(ran: Ran) -> str:
    return re.sub(r"\x1b\[\d*m", "", ran.out)


def respond(exchange: FakeExchange, endpoint: str, document: object) -> None:
    body = json.dumps(document).encode()
    exchange.inject(faults.Respond(body), endpoint=endpoint, times=None)


def add_game(exchange: FakeExchange, **about: Any) -> BookGame:
    names = {"away": "Boston Celtics", "home": "Los Angeles Lakers"}
    return exchange.book.add_game(**(names | about))


def furnish(exchange: FakeExchange) -> tuple[BookGame, BookGame]:
    """Add a game with open orders, bets and a period, and one that is graded."""
    game, done = add_game(exchange), add_game(exchange)
    period = add_game(exchange, parent=game)
    for each in (game, period, done):
        for type_ in ("moneyline", "spread", "total"):
            fill(exchange, each, 40.0, type=type_)
    exchange.book.settle(done.game_id, away=100, home=110)
    return game, done


def fill(exchange: FakeExchange, game: BookGame, amount: float, **order: Any) -> BookOrder:
    placed = exchange.book.place(exchange.account, game.game_id, **order)
    exchange.book.fill(placed.order_id, amount)
    return placed


async def test_the_games_of_a_league_are_shown_by_their_start(
    fake_exchange: FakeExchange, run: Run
) -> None:
    later = add_game(fake_exchange, start=datetime(2026, 12, 1, 19, 30, tzinfo=UTC))
    sooner = add_game(fake_exchange, start=datetime(2026, 11, 30, 9, tzinfo=UTC))
    add_game(fake_exchange, league="NFL", sport="football")
    later.live = True
    teams = "Boston Celtics @ Los Angeles Lakers"
    assert cells((await run("games", "nba")).out) == [
        [sooner.game_id, "NBA", "2026-11-30 09:00", "", teams],
        [later.game_id, "NBA", "2026-12-01 19:30", "live", teams],
    ]


async def test_without_a_league_the_games_of_all_leagues_are_shown_once_each(
    fake_exchange: FakeExchange, run: Run
) -> None:
    games = [add_game(fake_exchange, league=league).game_id for league in ("NBA", "NFL", "LIVE")]
    respond(
        fake_exchange,
        "getLeagues",
        {"data": {"availableLeagues": ["NBA", "NFL", "LIVE", "nba"]}},
    )
    ran = await run("games")
    assert [row[0] for row in cells(ran.out)] == games


async def test_a_game_in_play_is_among_those_of_all_leagues(
    fake_exchange: FakeExchange, run: Run
) -> None:
    game = add_game(fake_exchange, start=datetime(2026, 1, 1, 1, tzinfo=UTC))
    fake_exchange.move_clock(7200)
    assert cells((await run("games")).out)[0][::3] == [game.game_id, "live"]


async def test_a_league_that_cannot_be_asked_for_costs_no_other_league(
    fake_exchange: FakeExchange, run: Run
) -> None:
    game = add_game(fake_exchange)
    respond(fake_exchange, "getLeagues", {"data": {"availableLeagues": ["ATP/WTA", "NBA"]}})
    ran = await run("games")
    assert (ran.status, [row[0] for row in cells(ran.out)]) == (0, [game.game_id])
    assert ran.err.splitlines()[-1].endswith("the league ATP/WTA")


async def test_a_league_whose_read_fails_fails_the_whole_list(
    fake_exchange: FakeExchange, run: Run
) -> None:
    for league in ("NBA", "NFL"):
        add_game(fake_exchange, league=league)
    fake_exchange.inject(faults.Respond(b'{"error": "no"}', 403), endpoint="getGames")
    ran = await run("games")
    assert (ran.status, ran.out) == (1, "")


async def test_a_search_shows_the_likeliest_game_first(
    fake_exchange: FakeExchange, run: Run
) -> None:
    add_game(fake_exchange, away="Heat", home="Bulls")
    begins = add_game(fake_exchange, home="Lakersfield")
    exact = add_game(fake_exchange, away="Celtics", home="Lakers", league="NFL")
    ran = await run("games", "--search", "lakers")
    assert [row[0] for row in cells(ran.out)] == [exact.game_id, begins.game_id]
    ran = await run("games", "NBA", "--search", "lakers", "--json")
    assert [game["game_id"] for game in json.loads(ran.out)["games"]] == [begins.game_id]


async def test_a_book_has_a_row_for_each_price_the_best_for_a_taker_first(
    fake_exchange: FakeExchange, run: Run
) -> None:
    game = add_game(fake_exchange)

    def place(account: str, odds: int, **order: Any) -> None:
        fake_exchange.book.place(account, game.game_id, odds=odds, **order)

    place("other", 110)
    place("other", -105)
    place(fake_exchange.account, -105, offered=2500.0)
    place("other", 100, side=game.away_id)
    place("other", -110, type="spread", number=-3.5)
    place("other", 102, type="spread", number=3.5, side=game.away_id)
    place("other", -108, type="total", side="under")
    assert cells((await run("book", game.game_id)).out) == [
        [game.game_id, "moneyline", "", "away", "+100", "100.00", "1", ""],
        [game.game_id, "moneyline", "", "home", "-105", "2600.00", "2", "2500.00"],
        [game.game_id, "moneyline", "", "home", "+110", "100.00", "1", ""],
        [game.game_id, "spread", "+3.5", "away", "+102", "100.00", "1", ""],
        [game.game_id, "spread", "-3.5", "home", "-110", "100.00", "1", ""],
        [game.game_id, "total", "220.5", "under", "-108", "100.00", "1", ""],
    ]


async def test_an_order_without_odds_is_shown_last(fake_exchange: FakeExchange, run: Run) -> None:
    entries = [{"sumUntaken": 10}, {"odds": 0, "sumUntaken": 20}, {"odds": 150}]
    document = {"data": {"game": {"id": "g", "sport": "golf", "homeMoneylines": entries}}}
    respond(fake_exchange, "getSingleOrderbook", document)
    rows = cells((await run("book", "g")).out)
    assert [row[4:6] for row in rows] == [["+150", "?"], ["+0", "20.00"], ["?", "10.00"]]


async def test_the_book_of_a_period_comes_after_that_of_its_game(
    fake_exchange: FakeExchange, run: Run
) -> None:
    game = fake_exchange.add_game(orders=1)
    period = fake_exchange.add_game(orders=1, parent=game)
    fake_exchange.add_game(parent=game)
    ran = await run("book", game.game_id)
    assert [row[0] for row in cells(ran.out)] == [game.game_id, period.game_id]
    shown = on_screen(await run("book", game.game_id, **AT_80_COLUMNS))
    first, second = [line for line in shown.splitlines() if line.startswith("65b0")]
    assert first.startswith(f"{game.game_id}: NBA Celtics @ Lakers, starts 2027-01-01 00:00 UTC")
    assert second.startswith(f"{period.game_id}: NBA Celtics @ Lakers 1H")


async def test_the_book_of_a_soccer_game_has_the_three_way_market(
    fake_exchange: FakeExchange, run: Run
) -> None:
    game = add_game(fake_exchange, league="EPL", sport="soccer")
    period = add_game(fake_exchange, parent=game)
    for market, side in ((game.home_id, "yes"), ("draw", "yes"), ("draw", "no")):
        for each in (game, period):
            fake_exchange.book.place(
                "other", each.game_id, type="moneyline1x2", odds=150, market=market, side=side
            )
    ran = await run("book", game.game_id)
    assert cells(ran.out) == [
        [each.game_id, "moneyline1x2", "", side, "+150", "100.00", "1", ""]
        for each in (game, period)
        for side in ("draw", "draw no", "home")
    ]
    assert len(json.loads((await run("book", game.game_id, "--json")).out)["game"]["draw_1x2"]) == 2


async def test_orders_for_and_against_an_outcome_stand_apart(
    fake_exchange: FakeExchange, run: Run
) -> None:
    game = add_game(fake_exchange, league="EPL", sport="soccer")
    for side, odds in (("yes", 110), ("no", 105), ("yes", 102)):
        fake_exchange.book.place(
            "other", game.game_id, type="moneyline1x2", odds=odds, market=game.away_id, side=side
        )
    ran = await run("book", game.game_id)
    assert [row[3:5] for row in cells(ran.out)] == [
        ["away", "+102"],
        ["away", "+110"],
        ["away no", "+105"],
    ]


async def test_the_three_way_market_of_another_game_is_not_shown(
    fake_exchange: FakeExchange, run: Run
) -> None:
    game = add_game(fake_exchange, league="EPL", sport="soccer")
    other = {"id": "other", "draw1x2": [{"market": "draw", "side": "yes"}]}
    respond(fake_exchange, "getOrderbook", {"data": {"games": [other]}})
    ran = await run("book", game.game_id)
    assert (ran.status, ran.out) == (0, "")


async def test_an_unknown_game_is_one_line_and_exit_1(
    fake_exchange: FakeExchange, run: Run
) -> None:
    ran = await run("book", "f" * 24)
    assert (ran.status, ran.out) == (1, "")
    told = ran.err.splitlines()[1:]
    assert told == [f"Error: the exchange has no book of '{'f' * 24}': 400 Invalid gameID"]


async def test_positions_are_sums_by_game_with_the_periods_below(
    fake_exchange: FakeExchange, run: Run
) -> None:
    game = add_game(fake_exchange)
    period = add_game(fake_exchange, parent=game)
    fill(fake_exchange, game, 2000.0, odds=200, offered=5000.0)
    fill(fake_exchange, period, 10.0, odds=-200)
    ran = await run("positions")
    assert cells(ran.out) == [
        [game.game_id, "BOS @ LOS", "-2000.00", "4000.00", "-5000.00", "0"],
        [period.game_id, "BOS @ LOS 1H", "-10.00", "5.00", "-100.00", "0"],
    ]
    shown = on_screen(await run("positions", **AT_80_COLUMNS)).splitlines()
    assert any(line.startswith(f"{game.game_id} ") for line in shown)
    assert any(line.startswith(f"  {period.game_id} ") for line in shown)


async def test_what_is_unclear_is_said_and_no_sum_of_its_game_is_shown(
    fake_exchange: FakeExchange, run: Run
) -> None:
    bet = {"id": "b", "type": "total", "total": 220.5, "risk": "10.00", "win": "9.00"}
    respond(fake_exchange, "getMatchedBets", {"data": {"matchedBets": [bet, {"game": {}}]}})
    ran = await run("positions")
    assert cells(ran.out) == [["?", "", "?", "?", "?", "2"]]
    assert ran.err.splitlines()[-1] == (
        "without a game: the sums are not known, because 2 of its orders and bets say too little"
    )
    (position,) = json.loads((await run("positions", "--json")).out)["positions"]
    assert (position["worst"], position["best"], position["worst_if_filled"]) == (None, None, None)


async def test_bets_are_shown_with_their_totals(fake_exchange: FakeExchange, run: Run) -> None:
    game = add_game(fake_exchange)
    fill(fake_exchange, game, 1000.0, odds=150, offered=1000.0)
    fill(fake_exchange, game, 50.0, type="spread", odds=-200)
    fill(fake_exchange, game, 50.0, type="total", odds=100)
    fill(fake_exchange, game, 50.0, type="moneyline1x2", market="draw", side="no", odds=100)
    teams = [game.game_id, "BOS @ LOS"]
    assert cells((await run("bets")).out) == [
        [*teams, "moneyline", "LOS", "+150", "1000.00", "1500.00"],
        [*teams, "spread", "LOS -3.5", "-200", "50.00", "25.00"],
        [*teams, "total", "over 220.5", "+100", "50.00", "50.00"],
        [*teams, "moneyline1x2", "draw no", "+100", "50.00", "50.00"],
        ["total", "", "", "", "", "1150.00", "1625.00"],
    ]


async def test_a_total_of_which_a_part_is_not_known_is_not_known(
    fake_exchange: FakeExchange, run: Run
) -> None:
    bets = [{"risk": "10.00", "win": "9.00"}, {"risk": "20.00"}]
    respond(fake_exchange, "getMatchedBets", {"data": {"matchedBets": bets}})
    assert cells((await run("bets")).out)[-1][-2:] == ["30.00", "?"]


async def test_graded_bets_are_shown_with_outcome_and_result(
    fake_exchange: FakeExchange, run: Run
) -> None:
    game = add_game(fake_exchange)
    fill(fake_exchange, game, 1000.0, odds=150, offered=1000.0)
    fill(fake_exchange, game, 50.0, type="total", odds=100)
    fake_exchange.book.settle(game.game_id, away=100, home=110)
    about = [game.game_id, f"{OPENED} 00:00"]
    assert cells((await run("graded", "--since", BEFORE)).out) == [
        [*about, "moneyline", "LOS", "+150", "winner", "1500.00"],
        [*about, "total", "over 220.5", "+100", "loser", "-50.00"],
        ["total", "", "", "", "", "", "1450.00"],
    ]


async def test_a_cursor_goes_on_where_the_last_answer_ended(
    fake_exchange: FakeExchange, run: Run
) -> None:
    game = add_game(fake_exchange)
    first, second = (fill(fake_exchange, game, 10.0) for _ in range(2))
    fake_exchange.book.grade(first.order_id)
    ran = await run("graded", "--since", BEFORE)
    cursor = ran.err.split()[-1]
    document = json.loads((await run("graded", "--since", BEFORE, "--json")).out)
    assert document["cursor"] == cursor
    fake_exchange.book.grade(second.order_id, "loser")
    document = json.loads((await run("graded", "--cursor", cursor, "--json")).out)
    assert [bet["outcome"] for bet in document["graded"]] == ["loser"]
    assert document["since"] is None


async def test_a_bet_that_was_graded_again_is_counted_once_with_its_last_outcome(
    fake_exchange: FakeExchange, run: Run
) -> None:
    def row(outcome: str, result: str) -> dict[str, str]:
        return {"txID": "t", "outcome": outcome, "result": result}

    rows = [row("winner", "9.00"), {"result": "1.00"}, {"result": "1.00"}, row("loser", "-10.00")]
    page = {"graded": rows, "cursor": "c", "hasMore": False}
    respond(fake_exchange, "getGradedSince", {"data": page})
    document = json.loads((await run("graded", "--json")).out)
    assert [bet["outcome"] for bet in document["graded"]] == [None, None, "loser"]
    assert document["result"] == -8.0


async def test_every_page_is_read(fake_exchange: FakeExchange, run: Run) -> None:
    game = add_game(fake_exchange)
    for _ in range(101):
        fill(fake_exchange, game, 1.0, odds=100)
    fake_exchange.book.settle(game.game_id, away=0, home=1)
    rows = cells((await run("graded", "--since", BEFORE)).out)
    assert (len(rows), rows[-1][-1]) == (102, "101.00")


@pytest.mark.parametrize(("now", "count"), [("2026-01-01T23:59", 2), ("2026-01-02T00:01", 0)])
async def test_without_a_time_it_is_the_last_24_hours(
    fake_exchange: FakeExchange,
    run: Run,
    monkeypatch: pytest.MonkeyPatch,
    now: str,
    count: int,
) -> None:
    class At(datetime):
        @classmethod
        def now(cls, tz: Any = None) -> Any:
            return datetime.fromisoformat(now).replace(tzinfo=tz)

    game = add_game(fake_exchange)
    fill(fake_exchange, game, 10.0)
    fake_exchange.book.settle(game.game_id, away=0, home=1)
    monkeypatch.setattr(reads, "datetime", At)
    assert len(cells((await run("graded")).out)) == count


@pytest.mark.parametrize(
    ("given", "since"),
    [
        ("2026-11-20", "2026-11-20T00:00:00+00:00"),
        ("2026-11-20T18:30", "2026-11-20T18:30:00+00:00"),
        ("2026-11-20T18:30:00Z", "2026-11-20T18:30:00+00:00"),
        ("2026-11-20T18:30-05:00", "2026-11-20T23:30:00+00:00"),
    ],
)
async def test_a_day_begins_at_midnight_utc_and_a_time_without_a_zone_is_in_utc(
    run: Run, elsewhere: None, given: str, since: str
) -> None:
    ran = await run("graded", "--since", given, "--json")
    assert json.loads(ran.out)["since"] == since


async def test_the_account_is_shown_with_what_is_known_of_it(
    fake_exchange: FakeExchange, run: Run
) -> None:
    shown = dict(cells((await run("me")).out))
    assert shown["username"] == "sandbox"
    assert shown["balance"] == "10000.00"
    assert shown["commission"] == "1 %"
    assert "default offer" not in shown


@pytest.mark.parametrize(
    "words", [*READS, ["orders"], ["cancel-games", "GAME", "NONE", "--verify"]], ids=" ".join
)
async def test_the_json_of_a_command_has_the_documented_shape(
    fake_exchange: FakeExchange, run: Run, words: list[str]
) -> None:
    game, _ = furnish(fake_exchange)
    named = {"GAME": game.game_id, "NONE": "f" * 24}
    ran = await run(*[named.get(word, word) for word in words], "--json")
    document = json.loads(ran.out)
    assert document["exchange"] == fake_exchange.url
    # Something is there to have a shape.
    assert document[
        {"book": "child_games", "cancel-games": "outcomes", "me": "user"}.get(words[0], words[0])
    ]
    assert not mistakes(document, words[0])


SPARSE = {
    "getLeagues": {"availableLeagues": ["NBA"]},
    "getGames": {"games": [{}]},
    "getSingleOrderbook": {"game": {"over": [{}], "homeSpreads": [{}], "draw1x2": [{}]}},
    "getOrderbook": {"games": [{}]},
    "getUnmatched": {"unmatched": [{}]},
    "getMatchedBets": {"matchedBets": [{}]},
    "getGradedSince": {"graded": [{}], "cursor": "c", "hasMore": False},
    "getMe": {"user": {}},
}


@pytest.mark.parametrize("words", [*READS, ["orders"]], ids=" ".join)
async def test_records_of_which_nothing_is_known_are_shown_and_have_the_documented_shape(
    fake_exchange: FakeExchange, run: Run, words: list[str]
) -> None:
    for endpoint, data in SPARSE.items():
        respond(fake_exchange, endpoint, {"data": data})
    assert (await run(*words)).status == 0
    assert (await run(*words, **AT_80_COLUMNS)).status == 0
    document = json.loads((await run(*words, "--json")).out)
    assert not mistakes(document, words[0])


@pytest.mark.parametrize("words", READS, ids=" ".join)
async def test_nothing_to_show_is_said_on_standard_error(
    fake_exchange: FakeExchange, run: Run, words: list[str]
) -> None:
    respond(fake_exchange, "getMe", {"data": {"user": {}}})
    game = fake_exchange.add_game()
    if words[0] == "games":
        game.ended = True
    words = [game.game_id if word == "GAME" else word for word in words]
    ran = await run(*words)
    assert (ran.status, ran.out) == (0, "")
    assert re.search("^no", ran.err.splitlines()[1])
    assert (await run(*words, "--json")).status == 0


@pytest.mark.parametrize("width", [40, 80])
@pytest.mark.parametrize("words", [*READS, ["orders"]], ids=" ".join)
async def test_at_40_and_at_80_columns_ids_are_whole_and_nothing_is_cut(
    fake_exchange: FakeExchange, run: Run, words: list[str], width: int
) -> None:
    game, done = furnish(fake_exchange)
    words = [game.game_id if word == "GAME" else word for word in words]
    ran = await run(*words, **AT_80_COLUMNS | {"COLUMNS": str(width)})
    shown = on_screen(ran)
    rows = [line for line in shown.splitlines() if not line.startswith("65b0")]
    assert max(map(len, rows)) <= width
    assert "…" not in shown
    wanted = {"graded": done.game_id, "me": "5f" * 12}.get(words[0], game.game_id)
    assert wanted in shown


@pytest.mark.parametrize("words", READS, ids=" ".join)
@pytest.mark.parametrize(
    ("fault", "status"),
    [
        (faults.Unauthorized(), 1),
        (faults.Respond(b'{"error": "no"}', 404), 1),
        (faults.Unavailable(), 3),
        (faults.Html(502), 3),
        (faults.Close(), 3),
        (faults.Garbage(), 3),
        (faults.Respond(b'{"data": null}'), 3),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, faults.Fault) else None,
)
async def test_a_read_that_fails_says_so_in_one_line_and_prints_nothing(
    fake_exchange: FakeExchange, run: Run, words: list[str], fault: faults.Fault, status: int
) -> None:
    fake_exchange.inject(fault, times=None)
    ran = await run(*words)
    assert (ran.status, ran.out) == (status, "")
    said = [line for line in ran.err.splitlines()[1:] if not line.startswith("the token is from")]
    assert len(said) == 1


@pytest.mark.parametrize("words", READS, ids=" ".join)
async def test_an_exchange_that_is_gone_is_exit_3(
    fake_exchange: FakeExchange, run: Run, words: list[str]
) -> None:
    async with fake_exchange.refusing():
        ran = await run(*words)
    assert (ran.status, ran.out) == (3, "")
    assert ran.err.splitlines()[-1].startswith("NotSentError: ")


@pytest.mark.parametrize(
    "words",
    [
        ["games", ""],
        ["games", "NBA", "NFL"],
        ["book"],
        ["book", "a/b"],
        ["graded", "--since", "yesterday"],
        ["graded", "--since", "0001-01-01T00:00+10:00"],
        ["graded", "--since", "2026-11-20", "--cursor", "c"],
        ["graded", "--cursor", ""],
        ["me", "too"],
    ],
    ids=" ".join,
)
async def test_wrong_usage_exits_with_2_and_sends_nothing(
    fake_exchange: FakeExchange, run: Run, words: list[str]
) -> None:
    ran = await run(*words)
    assert (ran.status, ran.out) == (2, "")
    assert "Usage:" in ran.err
    assert not fake_exchange.requests


@pytest.mark.parametrize("evil", EVIL, ids=ascii)
async def test_words_of_others_forge_no_row_and_reach_no_terminal(
    fake_exchange: FakeExchange, run: Run, evil: str
) -> None:
    team = {"id": "h", "longName": evil, "shortName": evil, "homeAway": "home"}
    game = {"id": evil, "league": evil, "participants": [team], "periodName": evil}
    game["parentGameID"] = evil
    bet = {"game": game, "type": evil, "participantID": "h", "outcome": evil, "txID": evil}
    entry = {"market": evil, "side": evil, "OU": evil, "id": evil, "createdBy": evil}
    hostile = {
        "getLeagues": {"availableLeagues": ["NBA", evil]},
        "getGames": {"games": [game]},
        "getSingleOrderbook": {"game": {**game, "over": [entry], "draw1x2": [entry]}},
        "getOrderbook": {"games": []},
        "getUnmatched": {"unmatched": []},
        "getMatchedBets": {"matchedBets": [bet]},
        "getGradedSince": {"graded": [bet], "cursor": evil, "hasMore": False},
        "getMe": {"user": {"username": evil}},
    }
    for endpoint, data in hostile.items():
        respond(fake_exchange, endpoint, {"data": data})
    lines = [("games", 1), ("book", 2), ("positions", 1), ("bets", 2), ("graded", 2), ("me", 1)]
    for command, count in lines:
        words = [command, "g"] if command == "book" else [command]
        ran = await run(*words)
        assert (ran.status, len(ran.out.splitlines())) == (0, count)
        assert not has_danger(re.sub(r"[\n\t]", "", ran.out + ran.err))
        shown = await run(*words, **AT_80_COLUMNS)
        assert not has_danger(on_screen(shown).replace("\n", ""))
        assert json.loads((await run(*words, "--json")).out)


async def test_an_output_that_lacks_a_letter_gets_its_escape(
    fake_exchange: FakeExchange, run: Run
) -> None:
    add_game(fake_exchange, home="São Paulo", away="日本🏀")
    ran = await run("games", charset="latin-1")
    assert cells(ran.out)[0][-1] == r"\u65e5\u672c\U0001f3c0 @ São Paulo"
    ran = await run("games", "--json", charset="latin-1")
    teams = json.loads(ran.out)["games"][0]["participants"]
    assert [team["long_name"] for team in teams] == ["日本🏀", "São Paulo"]
    assert (await run("cancel-games", "--help", charset="latin-1")).status == 0


def test_a_time_that_is_in_no_year_of_utc_is_shown_as_it_is() -> None:
    assert in_utc(datetime.fromisoformat("0001-01-01T00:00+10:00")) == "0001-01-01T00:00:00+10:00"
