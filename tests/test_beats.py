"""Several dead-man switches: those of one session share beats, those of several a rate limit."""

import asyncio
from contextlib import AsyncExitStack

import pytest
from support import QUICK

from fourcasters_async import AsyncSession, DeadManState, InvalidRequestError, RateLimit
from fourcasters_async.testing import FakeExchange, faults

ARMED, LAPSED = DeadManState.ARMED, DeadManState.LAPSED


@pytest.mark.virtual_time
async def test_thirty_switches_of_a_session_stay_armed_on_the_beats_of_one(
    fake_exchange: FakeExchange, session: AsyncSession
) -> None:
    seen: list[DeadManState] = []
    async with AsyncExitStack() as stack:
        for _ in range(30):
            await stack.enter_async_context(session.dead_man_switch(6, on_change=seen.append))
            await asyncio.sleep(0.1)
        await asyncio.sleep(60)
    assert seen == [ARMED] * 30
    # One switch alone sends one each 1.5 seconds.
    assert fake_exchange.received("ordersHeartbeat") <= 2 * 63 / 1.5 + 1


@pytest.mark.virtual_time
async def test_a_switch_that_takes_the_beat_of_another_counts_from_when_it_was_sent(
    session: AsyncSession,
) -> None:
    async with session.dead_man_switch(60) as first:
        await asyncio.sleep(5)
        async with session.dead_man_switch(60) as second:
            assert second._acknowledged == first._acknowledged


@pytest.mark.virtual_time
async def test_a_switch_whose_beats_are_all_lost_lapses_beside_another(
    fake_exchange: FakeExchange, session: AsyncSession
) -> None:
    async with session.dead_man_switch(6) as first, session.dead_man_switch(6) as second:
        fake_exchange.inject(faults.Stall(), endpoint="ordersHeartbeat", times=None)
        await asyncio.sleep(7)
        assert [first.state, second.state] == [LAPSED, LAPSED]


@pytest.mark.virtual_time
async def test_a_switch_beats_on_after_another_of_its_session_has_ended(
    session: AsyncSession,
) -> None:
    async with session.dead_man_switch(6) as first:
        async with session.dead_man_switch(6):
            pass
        await asyncio.sleep(20)
        assert first.state is ARMED


async def test_the_share_of_the_rate_limit_is_given_back_after_the_last_switch(
    fake_exchange: FakeExchange,
) -> None:
    limit = RateLimit()
    async with AsyncSession(
        fake_exchange.token, base_url=fake_exchange.url, rate_limit=limit
    ) as session:
        async with session.dead_man_switch(6), session.dead_man_switch(6):
            assert limit._limit == 3000 - 81
        assert limit._limit == 3000


async def test_a_switch_that_a_shared_rate_limit_has_no_room_for_says_how_many_it_has(
    fake_exchange: FakeExchange,
) -> None:
    limit = RateLimit()
    async with AsyncExitStack() as stack:
        sessions = [
            await stack.enter_async_context(
                AsyncSession(
                    fake_exchange.token, base_url=fake_exchange.url, rate_limit=limit, retry=QUICK
                )
            )
            for _ in range(19)
        ]
        for session in sessions[:18]:
            await stack.enter_async_context(session.dead_man_switch(6))
        with pytest.raises(InvalidRequestError, match="18 such switches fit") as caught:
            await stack.enter_async_context(sessions[18].dead_man_switch(6))
    assert "longer time-out" in str(caught.value)
