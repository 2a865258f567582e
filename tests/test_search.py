"""Finding a game by what people type."""

from datetime import UTC, datetime

import pytest
from attrs import evolve

from fourcasters_async import AsyncSession, FoundGame, Game, InvalidRequestError, Participant
from fourcasters_async.search import find_games
from fourcasters_async.testing import FakeExchange


def game(game_id: str, away: Participant, home: Participant, league: str = "NBA") -> Game:
    start = datetime(2026, 1, 2, 19, 30, tzinfo=UTC)
    return Game(game_id, league=league, sport="ball", start=start, participants=[away, home])


def team(name: str, short: str, rotation: str | None = None) -> Participant:
    return Participant(name.casefold(), long_name=name, short_name=short, rotation_number=rotation)


LAKERS = team("Los Angeles Lakers", "LAL", "502")
CLIPPERS = team("Los Angeles Clippers", "LAC", "503")
CELTICS = team("Boston Celtics", "BOS", "501")
ATLETICO = team("Atlético Madrid", "ATM")
ONEILL = team("O'Neill", "ONE")
GAMES = [
    game("lakers", CELTICS, LAKERS),
    game("clippers", CLIPPERS, team("Denver Nuggets", "DEN")),
    game("madrid", ATLETICO, ONEILL, "La Liga"),
]


def found(text: str) -> list[tuple[str | None, str | None]]:
    hits = find_games(text, GAMES)
    return [(hit.game_id, hit.participant.short_name if hit.participant else None) for hit in hits]


@pytest.mark.parametrize(
    ("text", "hits"),
    [
        ("lakers", [("lakers", "LAL")]),
        ("LAKERS", [("lakers", "LAL")]),
        ("lake", [("lakers", "LAL")]),
        ("lal", [("lakers", "LAL")]),
        ("los angeles", [("lakers", "LAL"), ("clippers", "LAC")]),
        ("madrid one", [("madrid", None)]),
        ("502", [("lakers", "LAL")]),
        ("50", [("lakers", None), ("clippers", "LAC")]),
        ("celtics lakers", [("lakers", None)]),
        ("Boston @ LAL", [("lakers", None)]),
        ("bos vs. lal", [("lakers", None)]),
        ("atletico", [("madrid", "ATM")]),
        ("ATLÉTICO", [("madrid", "ATM")]),
        ("am", [("madrid", "ATM")]),
        ("oneill", [("madrid", "ONE")]),
        ("nba lakers", [("lakers", "LAL")]),
        ("nba", [("lakers", None), ("clippers", None)]),
        ("la liga", [("madrid", None)]),
        ("akers", []),
        ("lakers nuggets", []),
        ("", []),
        ("vs", []),
        ("!?", []),
    ],
)
def test_a_text_finds_what_people_mean_by_it(
    text: str, hits: list[tuple[str | None, str | None]]
) -> None:
    assert found(text) == hits


def test_a_text_that_fits_both_sides_names_none() -> None:
    (hit,) = find_games("los angeles", [game("both", CLIPPERS, LAKERS)])
    assert hit.participant is None


def test_a_whole_word_comes_before_the_beginning_of_one() -> None:
    games = [game("a", team("Parisians", "PSN"), LAKERS), game("b", team("Paris", "PSG"), LAKERS)]
    assert [hit.game_id for hit in find_games("paris", games)] == ["b", "a"]


def test_a_hit_reads_as_a_line() -> None:
    (hit,) = find_games("lakers", GAMES)
    line = "Boston Celtics @ Los Angeles Lakers (NBA 2026-01-02 19:30) [Los Angeles Lakers]"
    assert str(hit) == line


def test_a_game_comes_before_its_periods_and_each_says_which_it_is() -> None:
    whole = game("whole", CELTICS, LAKERS)
    half = evolve(whole, game_id="half", parent_game_id="whole", period_name="1H")
    hits = find_games("lakers", [half, whole])
    assert [hit.game_id for hit in hits] == ["whole", "half"]
    teams, when = "Boston Celtics @ Los Angeles Lakers", "NBA 2026-01-02 19:30"
    assert [str(hit) for hit in hits] == [
        f"{teams} ({when}) [Los Angeles Lakers]",
        f"{teams} 1H ({when}) [Los Angeles Lakers]",
    ]
    assert [hit.game_id for hit in find_games("lakers 1h", [half, whole])] == ["half"]


def test_a_game_without_details_is_searched_and_shown() -> None:
    assert find_games("x", [Game()]) == []
    assert str(FoundGame(game=Game(event_name="Masters"))) == "Masters (None)"


async def test_a_hit_has_the_ids_that_an_order_takes(
    session: AsyncSession, fake_exchange: FakeExchange
) -> None:
    game = fake_exchange.book.add_game(home="Lakers")
    (hit,) = await session.markets.find("lakers")
    assert (hit.game_id, hit.side) == (game.game_id, game.home_id)


async def test_a_game_in_play_is_found_in_the_league_of_all_that_are(
    session: AsyncSession, fake_exchange: FakeExchange
) -> None:
    game = fake_exchange.book.add_game(home="Lakers")
    later = fake_exchange.book.add_game(home="Lakers")
    fake_exchange.book.start(game.game_id)
    live = await session.markets.find("lakers", league="LIVE")
    upcoming = await session.markets.find("lakers")
    assert [hit.game_id for hit in live] == [game.game_id]
    assert [hit.game_id for hit in upcoming] == [later.game_id]


async def test_a_text_that_is_none_is_refused(
    session: AsyncSession, fake_exchange: FakeExchange
) -> None:
    with pytest.raises(InvalidRequestError, match=r"^text: "):
        await session.markets.find("")
    assert not fake_exchange.requests
