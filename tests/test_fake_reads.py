"""What the sandbox shows over REST, with plain aiohttp."""

import pytest
from fake_client import ask

from fourcasters_async.testing import FakeExchange

LEAGUES = "GET /exchange/getLeagues"


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


async def test_the_leagues_need_a_token(fake_exchange: FakeExchange) -> None:
    assert (await ask(fake_exchange, LEAGUES, token="")).status == 401
