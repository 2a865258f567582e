"""The reads of the markets, against the sandbox."""

import pytest

from fourcasters_async import AsyncSession, DecodeError, InvalidRequestError
from fourcasters_async.testing import FakeExchange, faults


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
