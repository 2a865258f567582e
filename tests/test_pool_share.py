"""What hangs takes no more than its share of the pool: a cancel finds a connection at once."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable

import aiohttp
import pytest
from attrs import frozen
from support import PATIENT, quote

from fourcasters_async import AsyncSession, NotSentError, SessionClosedError
from fourcasters_async.testing import FakeExchange, faults

CONNECTIONS = 4
SHARE = CONNECTIONS // 2
ASKED = 3 * CONNECTIONS


@frozen
class Hanging:
    """A call whose answer does not come, and the endpoint that it asks."""

    endpoint: str
    call: Callable[[AsyncSession, str], Awaitable[object]]


HANGING = [
    Hanging("getOrderbook", lambda s, game: s.markets.get_orderbook(game)),
    Hanging("getGraded", lambda s, _: s.account.get_graded()),
    Hanging("place", lambda s, game: s.place([quote(game)])),
]
hangs = pytest.mark.parametrize("hanging", HANGING, ids=lambda each: each.endpoint)


@pytest.fixture(params=["own", "lent"])
async def session(
    request: pytest.FixtureRequest, fake_exchange: FakeExchange
) -> AsyncIterator[AsyncSession]:
    async with (
        aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=CONNECTIONS + 1)) as lent,
        AsyncSession(
            fake_exchange.token,
            base_url=fake_exchange.url,
            max_connections=CONNECTIONS,
            retry=PATIENT,
            client_session=lent if request.param == "lent" else None,
        ) as session,
    ):
        yield session


@hangs
async def test_what_hangs_keeps_no_cancel_waiting(
    fake_exchange: FakeExchange, session: AsyncSession, hanging: Hanging
) -> None:
    games = [fake_exchange.add_game(orders=2).game_id for _ in range(2 * CONNECTIONS)]
    elsewhere = fake_exchange.add_game().game_id
    fake_exchange.inject(faults.Stall(), endpoint=hanging.endpoint, times=None)
    asked = [asyncio.ensure_future(hanging.call(session, elsewhere)) for _ in range(ASKED)]
    await fake_exchange.wait_for(hanging.endpoint, SHARE)
    report = await session.cancel_all_orders_for_games(games)
    for call in asked:
        call.cancel()
    assert report.ok
    assert {outcome.attempts for outcome in report.outcomes} == {1}


@hangs
async def test_what_waits_for_its_share_goes_out_when_another_is_answered(
    fake_exchange: FakeExchange, session: AsyncSession, hanging: Hanging
) -> None:
    game = fake_exchange.add_game().game_id
    fake_exchange.inject(faults.Slow(1.0), endpoint=hanging.endpoint, times=SHARE)
    await asyncio.gather(*(hanging.call(session, game) for _ in range(ASKED)))
    assert fake_exchange.received(hanging.endpoint) == ASKED


@hangs
async def test_what_waits_for_its_share_when_the_session_is_closed_never_leaves(
    fake_exchange: FakeExchange, session: AsyncSession, hanging: Hanging
) -> None:
    game = fake_exchange.add_game().game_id
    fake_exchange.inject(faults.Slow(1.0), endpoint=hanging.endpoint, times=None)
    asked = [asyncio.ensure_future(hanging.call(session, game)) for _ in range(ASKED)]
    await fake_exchange.wait_for(hanging.endpoint, SHARE)
    await session.close()
    ends = await asyncio.gather(*asked, return_exceptions=True)
    assert all(isinstance(end, NotSentError | SessionClosedError) for end in ends[SHARE:])
    assert fake_exchange.received(hanging.endpoint) == SHARE
