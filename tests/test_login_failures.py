"""Logins that fail: what is final, what is tried again, and when."""

import asyncio
from itertools import pairwise

import pytest
from support import QUICK, until

from fourcasters_async import (
    ApiError,
    AsyncSession,
    AuthenticationError,
    DeadManState,
    ForbiddenError,
    FourcastersError,
    NotSentError,
    RateLimit,
    RetryPolicy,
)
from fourcasters_async.testing import FakeExchange, faults

NAME, PASSWORD = "trader", "correct horse"
ONCE = RetryPolicy(max_attempts=1)
CHALLENGES = [
    b'{"error": "CHALLENGE_REQUIRED"}',
    b'{"error": {"message": "CHALLENGE_REQUIRED", "code": 428}}',
    b'{"message": "CHALLENGE_REQUIRED"}',
    b"CHALLENGE_REQUIRED",
]
FAILURES = [
    faults.Html(401),
    faults.Html(403),
    faults.Html(404),
    faults.Html(428),
    faults.Html(502),
    faults.Unavailable(),
    faults.Close(),
    faults.Stall(),
    faults.Respond(b"{}"),
    faults.TooManyRequests(None),
]


def session_of(
    exchange: FakeExchange, retry: RetryPolicy = QUICK, token: str | None = None
) -> AsyncSession:
    return AsyncSession(
        token,
        username=NAME,
        password=PASSWORD,
        base_url=exchange.url,
        orders_url=exchange.orders_url,
        retry=retry,
        rate_limit=RateLimit(requests=10_000),
    )


@pytest.fixture(autouse=True)
def token(fake_exchange: FakeExchange) -> str:
    return fake_exchange.add_account(NAME, PASSWORD)


@pytest.mark.virtual_time
@pytest.mark.parametrize("fault", FAILURES, ids=repr)
async def test_a_login_that_was_not_refused_by_the_exchange_is_tried_again(
    fake_exchange: FakeExchange, fault: faults.Fault
) -> None:
    fake_exchange.inject(fault, endpoint="login", times=2)
    async with session_of(fake_exchange, ONCE) as session:
        for _ in range(2):
            with pytest.raises(NotSentError):
                await session.account.get_me()
        assert (await session.account.get_me()).username == NAME


@pytest.mark.virtual_time
async def test_the_pause_before_the_next_login_grows(fake_exchange: FakeExchange) -> None:
    fake_exchange.inject(faults.Html(403), endpoint="login", times=None)
    clock = asyncio.get_running_loop().time
    failed_at: list[float] = []
    async with session_of(fake_exchange, ONCE) as session:
        for _ in range(7):
            with pytest.raises(NotSentError):
                await session.account.get_me()
            failed_at.append(clock())
    pauses = [later - earlier for earlier, later in pairwise(failed_at)]
    assert pauses == pytest.approx([0.5, 1, 2, 4, 8, 8], abs=0.05)
    assert fake_exchange.received("login") == 7


@pytest.mark.virtual_time
async def test_a_login_that_succeeds_ends_the_growing(fake_exchange: FakeExchange) -> None:
    fake_exchange.inject(faults.Html(403), endpoint="login", times=4)
    async with session_of(fake_exchange, ONCE) as session:
        for _ in range(4):
            with pytest.raises(NotSentError):
                await session.account.get_me()
        await session.account.get_me()
        await session.logout()
        fake_exchange.inject(faults.Html(403), endpoint="login")
        with pytest.raises(NotSentError):
            await session.account.get_me()
        failed_at = asyncio.get_running_loop().time()
        await session.account.get_me()
        took = asyncio.get_running_loop().time() - failed_at
    assert took == pytest.approx(0.5, abs=0.05)


@pytest.mark.virtual_time
async def test_who_has_no_time_for_the_pause_is_told_at_once_why_the_login_failed(
    fake_exchange: FakeExchange,
) -> None:
    fake_exchange.inject(faults.Html(403), endpoint="login", times=None)
    async with session_of(fake_exchange, ONCE) as session:
        for _ in range(3):
            with pytest.raises(NotSentError):
                await session.account.get_me()
        began = asyncio.get_running_loop().time()
        with pytest.raises(NotSentError, match=r"could not log in: .*403"):
            await session.cancel_all_orders(deadline=1)
        took = asyncio.get_running_loop().time() - began
    assert took < 0.1


@pytest.mark.virtual_time
async def test_a_token_that_comes_during_the_pause_ends_it(fake_exchange: FakeExchange) -> None:
    fake_exchange.inject(faults.Html(403), endpoint="login", times=5)
    async with session_of(fake_exchange, ONCE) as session:
        for _ in range(5):
            with pytest.raises(NotSentError):
                await session.account.get_me()
        waiting = asyncio.create_task(session.account.get_me())
        await asyncio.sleep(1)
        began = asyncio.get_running_loop().time()
        await session.login(NAME, PASSWORD)
        assert (await waiting).username == NAME
        took = asyncio.get_running_loop().time() - began
    assert took < 0.1
    assert fake_exchange.received("login") == 6


@pytest.mark.virtual_time
async def test_closing_ends_the_pause(fake_exchange: FakeExchange) -> None:
    fake_exchange.inject(faults.Html(403), endpoint="login", times=None)
    session = session_of(fake_exchange, ONCE)
    for _ in range(5):
        with pytest.raises(NotSentError):
            await session.account.get_me()
    waiting = asyncio.create_task(session.account.get_me())
    await asyncio.sleep(1)
    began = asyncio.get_running_loop().time()
    await session.close()
    with pytest.raises(FourcastersError):
        await waiting
    assert asyncio.get_running_loop().time() - began < 0.1


@pytest.mark.parametrize("status", [400, 401, 403, 404, 409, 422])
@pytest.mark.virtual_time
async def test_a_login_that_the_exchange_refused_is_final_until_login_is_called(
    fake_exchange: FakeExchange, status: int
) -> None:
    fake_exchange.inject(faults.Respond(b'{"error": "no"}', status), endpoint="login")
    async with session_of(fake_exchange) as session:
        for _ in range(3):
            with pytest.raises(ApiError) as caught:
                await session.account.get_me()
            assert caught.value.status == status
            await asyncio.sleep(3600)
        assert fake_exchange.received("login") == 1
        await session.login(NAME, PASSWORD)
        assert (await session.account.get_me()).username == NAME


@pytest.mark.parametrize("body", CHALLENGES)
@pytest.mark.virtual_time
async def test_a_challenge_is_final_for_some_minutes_whatever_its_form(
    fake_exchange: FakeExchange, body: bytes
) -> None:
    games = [fake_exchange.add_game().game_id for _ in range(50)]
    fake_exchange.inject(faults.Respond(body, 428), endpoint="login", times=None)
    async with session_of(fake_exchange) as session:
        await session.cancel_all_orders_for_games(games)
        for _ in range(3):
            with pytest.raises(ForbiddenError):
                await session.account.get_me()
        assert fake_exchange.received("login") == 1
        fake_exchange.clear_faults()
        await asyncio.sleep(299)
        with pytest.raises(ForbiddenError):
            await session.account.get_me()
        await asyncio.sleep(1)
        assert (await session.account.get_me()).username == NAME


async def test_a_call_of_login_is_made_also_after_a_challenge(fake_exchange: FakeExchange) -> None:
    fake_exchange.inject(faults.Respond(CHALLENGES[0], 428), endpoint="login")
    async with session_of(fake_exchange) as session:
        with pytest.raises(ForbiddenError):
            await session.account.get_me()
        await session.login(NAME, PASSWORD)
        assert (await session.account.get_me()).username == NAME


@pytest.mark.virtual_time
@pytest.mark.parametrize(
    "fault", [faults.Respond(CHALLENGES[0], 428), faults.Html(403), faults.Unavailable()], ids=repr
)
async def test_a_login_that_fails_lets_no_dead_man_switch_lapse(
    fake_exchange: FakeExchange, token: str, fault: faults.Fault
) -> None:
    """The token is good. Single 401s were not meant, and the logins that they cause fail."""
    states: list[DeadManState] = []
    fake_exchange.book.place(NAME, fake_exchange.add_game().game_id, type="total")
    fake_exchange.inject(fault, endpoint="login", times=None)
    fake_exchange.inject(faults.Unauthorized(), endpoint="getMe", times=None)
    fake_exchange.inject(faults.Unauthorized(), endpoint="ordersHeartbeat", after=2, times=1)
    fake_exchange.inject(faults.Unauthorized(), endpoint="ordersHeartbeat", after=4, times=1)
    async with (
        session_of(fake_exchange, token=token) as session,
        session.dead_man_switch(30, on_change=states.append),
    ):
        for _ in range(30):
            with pytest.raises(FourcastersError):
                await session.account.get_me()
            await asyncio.sleep(4)
    fake_exchange.assert_all_faults_struck()
    assert DeadManState.LAPSED not in states
    assert len(fake_exchange.book.open_orders(NAME)) == 1


async def test_a_page_does_not_prove_the_token_of_a_login(fake_exchange: FakeExchange) -> None:
    fake_exchange.inject(faults.Html(403), endpoint="getMe")
    fake_exchange.inject(faults.Unauthorized(), endpoint="getMe", times=None)
    async with session_of(fake_exchange) as session:
        with pytest.raises(AuthenticationError):
            await session.account.get_me()
    assert fake_exchange.received("login") == 1


async def test_a_token_that_comes_with_an_answer_ends_a_login_in_progress(
    fake_exchange: FakeExchange, token: str
) -> None:
    fake_exchange.inject(faults.Stall(), endpoint="login", times=None)
    async with session_of(fake_exchange, token=token) as session:
        fake_exchange.inject(faults.Unauthorized(), endpoint="getMe")
        waiting = asyncio.create_task(session.account.get_me())
        await until(lambda: fake_exchange.received("login") == 1)
        session._auth.learn(session._auth.token, fake_exchange.book.issue_token(NAME))
        assert (await waiting).username == NAME
