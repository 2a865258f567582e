"""Tokens: logging in when it has to be, once for all, and never in a loop."""

import asyncio
import logging
import pickle
from collections.abc import Callable

import aiohttp
import pytest
from aiohttp import web
from support import PATIENT, QUICK, SECOND, everything_shown_of, until

from fourcasters_async import (
    AsyncSession,
    AuthenticationError,
    BadRequestError,
    DecodeError,
    ForbiddenError,
    FourcastersError,
    InvalidRequestError,
    NotSentError,
    OutcomeStatus,
    RateLimit,
    RateLimitedError,
    RetryPolicy,
    User,
)
from fourcasters_async.testing import FakeExchange, faults
from fourcasters_async.testing.rest import TOKEN_LIFE

ATTEMPTS = QUICK.max_attempts or 0
NAME, PASSWORD = "trader", "correct horse"


@pytest.fixture(autouse=True)
def trader(fake_exchange: FakeExchange) -> None:
    fake_exchange.add_account(NAME, PASSWORD)


def with_password(
    exchange: FakeExchange,
    *,
    token: str | None = None,
    password: str = PASSWORD,
    on_token: Callable[[str], object] | None = None,
) -> AsyncSession:
    return AsyncSession(
        token,
        username=NAME,
        password=password,
        base_url=exchange.url,
        retry=PATIENT,
        on_token=on_token,
        rate_limit=RateLimit(requests=10_000),
    )


async def test_login_returns_the_account_and_its_token_is_used(
    fake_exchange: FakeExchange,
) -> None:
    async with AsyncSession(base_url=fake_exchange.url) as session:
        user = await session.login(NAME, PASSWORD)
        assert (user.username, (await session.account.get_me()).username) == (NAME, NAME)
    assert [r.account for r in fake_exchange.requests] == [None, NAME]


async def test_a_session_with_credentials_logs_in_when_it_first_has_to_and_once(
    fake_exchange: FakeExchange,
) -> None:
    games = [fake_exchange.add_game(orders=1, account=NAME).game_id for _ in range(30)]
    async with with_password(fake_exchange) as session:
        report, _ = await asyncio.gather(
            session.cancel_all_orders_for_games(games),
            asyncio.gather(*[session.account.get_unmatched() for _ in range(10)]),
        )
    assert report.ok
    assert fake_exchange.received("login") == 1


async def test_the_environment_can_hold_credentials(
    fake_exchange: FakeExchange, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("FOURCASTERS_TOKEN", raising=False)
    monkeypatch.setenv("FOURCASTERS_USERNAME", NAME)
    monkeypatch.setenv("FOURCASTERS_PASSWORD", PASSWORD)
    monkeypatch.setenv("FOURCASTERS_BASE_URL", fake_exchange.url)
    async with AsyncSession.from_env() as session:
        assert (await session.account.get_me()).username == NAME


@pytest.mark.parametrize(
    "options", [{"username": NAME}, {"password": PASSWORD}, {"username": "", "password": "x"}]
)
def test_half_of_the_credentials_is_refused(options: dict[str, str]) -> None:
    with pytest.raises(InvalidRequestError, match=r"^username") as caught:
        AsyncSession(**options)  # type: ignore[arg-type]  # a dict cannot match every keyword
    assert PASSWORD not in str(caught.value)


async def test_a_token_that_dies_half_way_costs_one_login_and_no_outcome(
    fake_exchange: FakeExchange,
) -> None:
    games = [fake_exchange.add_game(orders=1, account=NAME).game_id for _ in range(500)]
    old = fake_exchange.add_account(NAME, PASSWORD)
    told: list[tuple[str, int]] = []
    done = 0

    def kill(_: object) -> None:
        nonlocal done
        done += 1
        if done == 200:
            fake_exchange.revoke(old)

    def note(token: str) -> None:
        told.append((token, fake_exchange.received()))

    async with with_password(fake_exchange, token=old, on_token=note) as session:
        report = await session.cancel_all_orders_for_games(games, on_outcome=kill)
    assert report.ok
    assert len(report.results) == 500
    assert fake_exchange.received("login") == len(told) == 1
    ((new, received),) = told
    with_new = [
        f"Bearer {new}" == r.headers["Authorization"]
        for r in fake_exchange.requests
        if r.endpoint != "login"
    ]
    assert not any(with_new[: received - 1])
    # Only what is on its way when the login is answered can still have the old token.
    assert with_new[received - 1 :].count(False) <= 100


async def test_without_credentials_a_dead_token_is_a_refusal_and_nothing_is_repeated(
    fake_exchange: FakeExchange,
) -> None:
    games = [fake_exchange.add_game().game_id for _ in range(5)]
    async with AsyncSession("dead", base_url=fake_exchange.url, retry=QUICK) as session:
        report = await session.cancel_all_orders_for_games(games)
    assert len(report.refused) == fake_exchange.received() == 5


async def test_a_wrong_password_is_tried_once_however_many_wait(
    fake_exchange: FakeExchange,
) -> None:
    games = [fake_exchange.add_game().game_id for _ in range(50)]
    async with with_password(fake_exchange, password="wrong") as session:
        report = await session.cancel_all_orders_for_games(games)
        with pytest.raises(AuthenticationError):
            await session.account.get_unmatched()
    assert len(report.not_sent) == 50
    assert {type(outcome.error) for outcome in report.outcomes} == {AuthenticationError}
    assert fake_exchange.received() == fake_exchange.received("login") == 1


async def test_a_barred_account_says_so(fake_exchange: FakeExchange) -> None:
    fake_exchange.book.accounts[NAME].barred = True
    async with with_password(fake_exchange) as session:
        with pytest.raises(ForbiddenError):
            await session.account.get_unmatched()


async def test_the_right_password_mends_a_session_that_was_refused(
    fake_exchange: FakeExchange,
) -> None:
    async with with_password(fake_exchange, password="wrong") as session:
        with pytest.raises(AuthenticationError):
            await session.account.get_me()
        await session.login(NAME, PASSWORD)
        assert (await session.account.get_me()).username == NAME


async def test_a_throttled_login_is_that(fake_exchange: FakeExchange) -> None:
    fake_exchange.inject(faults.TooManyRequests(None), endpoint="login", times=None)
    async with AsyncSession(base_url=fake_exchange.url, retry=QUICK) as session:
        with pytest.raises(RateLimitedError):
            await session.login(NAME, PASSWORD)


async def test_a_token_that_is_refused_again_after_the_login_is_no_loop(
    fake_exchange: FakeExchange,
) -> None:
    game = fake_exchange.add_game().game_id
    fake_exchange.inject(faults.Unauthorized(), endpoint="cancelAllOrdersForGame", times=None)
    async with with_password(fake_exchange) as session:
        with pytest.raises(AuthenticationError):
            await session.cancel_all_orders_for_game(game)
    assert [r.endpoint for r in fake_exchange.requests] == [
        "login",
        "cancelAllOrdersForGame",
    ]


async def test_when_the_one_that_logs_in_gives_up_the_next_one_does_it(
    fake_exchange: FakeExchange,
) -> None:
    fake_exchange.inject(faults.Stall(), endpoint="login")
    async with with_password(fake_exchange) as session:
        first = asyncio.create_task(session.account.get_me())
        await until(lambda: fake_exchange.received("login") == 1)
        second = asyncio.create_task(session.account.get_me())
        await asyncio.sleep(0)
        first.cancel()
        assert (await second).username == NAME
        with pytest.raises(asyncio.CancelledError):
            await first


async def test_a_deadline_holds_while_another_request_logs_in(fake_exchange: FakeExchange) -> None:
    fake_exchange.inject(faults.Stall(), endpoint="login", times=None)
    game = fake_exchange.add_game().game_id
    async with with_password(fake_exchange) as session:
        report = await session.cancel_all_orders_for_games([game, "f" * 24], deadline=0.5 * SECOND)
    assert {outcome.status for outcome in report.outcomes} == {OutcomeStatus.NOT_SENT}


async def test_a_fresh_token_that_comes_with_an_answer_is_adopted_and_told(
    fake_exchange: FakeExchange,
) -> None:
    told: list[str] = []
    async with AsyncSession(
        fake_exchange.token, base_url=fake_exchange.url, on_token=told.append
    ) as session:
        fake_exchange.move_clock(TOKEN_LIFE)
        await session.account.get_unmatched()
        await session.account.get_unmatched()
        await session.account.get_unmatched()
    assert len(told) == 1
    used = [received.headers["Authorization"] for received in fake_exchange.requests]
    assert used == [f"Bearer {fake_exchange.token}", *[f"Bearer {told[0]}"] * 2]


async def test_of_many_fresh_tokens_at_once_one_is_adopted(fake_exchange: FakeExchange) -> None:
    told: list[str] = []
    games = [fake_exchange.add_game().game_id for _ in range(20)]
    async with AsyncSession(
        fake_exchange.token, base_url=fake_exchange.url, on_token=told.append
    ) as session:
        fake_exchange.move_clock(TOKEN_LIFE)
        assert (await session.cancel_all_orders_for_games(games)).ok
    assert len(told) == 1


async def test_a_coroutine_is_told_too_and_closing_waits_for_it(
    fake_exchange: FakeExchange,
) -> None:
    kept: list[str] = []

    async def keep(token: str) -> None:
        await asyncio.sleep(0)
        kept.append(token)

    async with with_password(fake_exchange, on_token=keep) as session:
        await session.account.get_me()
    assert len(kept) == 1


async def test_a_callback_that_fails_costs_nothing_and_its_token_is_not_logged(
    fake_exchange: FakeExchange, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    told: list[str] = []

    def fail(token: str) -> None:
        told.append(token)
        raise ValueError(token)

    async def fail_later(token: str) -> None:
        fail(token)

    for callback in (fail, fail_later):
        async with with_password(fake_exchange, on_token=callback) as session:
            assert (await session.account.get_me()).username == NAME
    assert len(told) == 2
    assert caplog.text.count("on_token failed: ValueError") == 2
    assert not [token for token in told if token in caplog.text]


async def test_a_callback_may_close_the_session(fake_exchange: FakeExchange) -> None:
    async def close(_: str) -> None:
        await session.close()

    session = with_password(fake_exchange, on_token=close)
    await session.login(NAME, PASSWORD)
    await session.close()


async def test_after_logout_the_token_is_dead_and_credentials_log_in_again(
    fake_exchange: FakeExchange,
) -> None:
    async with with_password(fake_exchange) as session:
        await session.account.get_me()
        token = fake_exchange.requests[-1].headers["Authorization"].removeprefix("Bearer ")
        await session.logout()
        assert token not in fake_exchange.book.tokens
        await session.account.get_me()
    assert fake_exchange.received("login") == 2


async def test_after_logout_without_credentials_nothing_can_be_sent(
    fake_exchange: FakeExchange, session: AsyncSession
) -> None:
    await session.logout()
    with pytest.raises(InvalidRequestError, match=r"^token: none"):
        await session.account.get_me()


async def test_a_login_that_cannot_be_made_is_not_sent(fake_exchange: FakeExchange) -> None:
    game = fake_exchange.add_game().game_id
    async with with_password(fake_exchange) as session, fake_exchange.refusing():
        report = await session.cancel_all_orders_for_games([game])
    assert report.outcomes[0].status is OutcomeStatus.NOT_SENT
    assert isinstance(report.outcomes[0].error, NotSentError)


async def test_accounts_on_one_client_session_never_mix(fake_exchange: FakeExchange) -> None:
    names = [f"account {n}" for n in range(4)]
    for name in names:
        fake_exchange.add_account(name, PASSWORD)
        fake_exchange.add_game(orders=2, account=name)
    async with aiohttp.ClientSession(cookie_jar=aiohttp.CookieJar(unsafe=True)) as client:
        sessions = [
            AsyncSession(
                username=name, password=PASSWORD, base_url=fake_exchange.url, client_session=client
            )
            for name in names
        ]
        for _ in range(3):
            users = await asyncio.gather(*[session.account.get_me() for session in sessions])
            assert [user.username for user in users] == names
    assert not [r for r in fake_exchange.requests if "Cookie" in r.headers]
    for received in fake_exchange.requests:
        if received.endpoint != "login":
            assert received.account in names


async def test_no_cookie_is_kept(fake_exchange: FakeExchange) -> None:
    async with with_password(fake_exchange) as session:
        await session.account.get_me()
        await session.account.get_me()
    assert not [r for r in fake_exchange.requests if "Cookie" in r.headers]


async def test_a_login_that_is_overtaken_by_another_account_is_forgotten(
    fake_exchange: FakeExchange,
) -> None:
    fake_exchange.add_account("bob", "secret")
    fake_exchange.inject(faults.Slow(0.5 * SECOND), endpoint="login")
    async with with_password(fake_exchange) as session:
        waiting = asyncio.create_task(session.account.get_me())
        await until(lambda: fake_exchange.received("login") == 1)
        await session.login("bob", "secret")
        await waiting
        assert (await session.account.get_me()).username == "bob"


async def test_a_refusal_of_credentials_that_were_replaced_fails_nobody_and_does_not_stick(
    fake_exchange: FakeExchange,
) -> None:
    fake_exchange.inject(faults.Slow(10 * SECOND), endpoint="login")
    async with with_password(fake_exchange, password="wrong") as session:
        waiting = asyncio.create_task(session.account.get_me())
        await until(lambda: fake_exchange.received("login") == 1)
        await session.login(NAME, PASSWORD)
        assert (await waiting).username == NAME
        fake_exchange.revoke(fake_exchange.requests[-1].headers.get("Authorization", "")[7:])
        assert (await session.account.get_me()).username == NAME


async def test_a_login_that_fails_is_shared_by_all_that_wait(fake_exchange: FakeExchange) -> None:
    fake_exchange.inject(faults.Unavailable(), endpoint="login", times=None)
    games = [fake_exchange.add_game().game_id for _ in range(50)]
    async with with_password(fake_exchange) as session:
        report = await session.cancel_all_orders_for_games(games)
    assert len(report.not_sent) == 50
    assert fake_exchange.received("login") == ATTEMPTS


async def test_a_dead_token_and_a_login_that_fails_is_not_sent_and_repeated(
    fake_exchange: FakeExchange,
) -> None:
    game = fake_exchange.add_game(orders=1, account=NAME).game_id
    fake_exchange.inject(faults.Unavailable(), endpoint="login", times=ATTEMPTS)
    async with with_password(fake_exchange, token="dead") as session:
        (result,) = await session.cancel_all_orders_for_game(game)
    assert result.success
    assert fake_exchange.received("login") == ATTEMPTS + 1


async def test_a_login_outlives_the_deadlines_of_those_who_wait_for_it(
    fake_exchange: FakeExchange,
) -> None:
    fake_exchange.inject(faults.Slow(0.6 * SECOND), endpoint="login")
    game = fake_exchange.add_game(orders=1, account=NAME).game_id
    async with with_password(fake_exchange) as session:
        too_soon = await session.cancel_all_orders_for_games([game], deadline=0.2 * SECOND)
        later = await session.cancel_all_orders_for_games([game], deadline=5.0)
    assert not too_soon.ok
    assert later.ok
    assert fake_exchange.received("login") == 1


async def test_closing_ends_a_login(fake_exchange: FakeExchange) -> None:
    fake_exchange.inject(faults.Stall(), endpoint="login", times=None)
    session = with_password(fake_exchange)
    waiting = asyncio.create_task(session.account.get_me())
    await until(lambda: fake_exchange.received("login") == 1)
    await session.close()
    with pytest.raises(FourcastersError):
        await waiting


async def test_a_429_of_the_login_holds_back_no_cancel_with_a_token(
    fake_exchange: FakeExchange,
) -> None:
    fake_exchange.inject(faults.TooManyRequests("3600"), endpoint="login", times=None)
    game = fake_exchange.add_game(orders=1).game_id
    async with AsyncSession(
        fake_exchange.token, base_url=fake_exchange.url, retry=QUICK, timeout=1
    ) as session:
        with pytest.raises(RateLimitedError):
            await session.login(NAME, PASSWORD)
        report = await session.cancel_all_orders_for_games([game], deadline=1)
    assert report.ok


async def test_a_token_that_is_refused_at_its_first_use_causes_no_storm_of_logins(
    fake_exchange: FakeExchange,
) -> None:
    fake_exchange.inject(faults.Unauthorized(), endpoint="cancelAllOrdersForGame", times=None)
    games = [fake_exchange.add_game().game_id for _ in range(300)]
    async with with_password(fake_exchange) as session:
        report = await session.cancel_all_orders_for_games(games)
    assert len(report.refused) == 300
    assert fake_exchange.received("login") == 1


async def test_a_password_that_the_exchange_quotes_is_not_shown(
    fake_exchange: FakeExchange,
) -> None:
    fake_exchange.inject(faults.Respond(b'{"error": "no user with hunter2"}', 401), times=None)
    async with AsyncSession(base_url=fake_exchange.url, retry=QUICK) as session:
        with pytest.raises(AuthenticationError) as caught:
            await session.login(NAME, "hunter2")
    assert "hunter2" not in f"{caught.value!r}{caught.value.message}"


async def test_a_token_that_no_header_can_hold_is_a_malformed_answer(
    fake_exchange: FakeExchange,
) -> None:
    body = b'{"data": {"user": {"auth": "a b"}}}'
    fake_exchange.inject(faults.Respond(body), endpoint="login", times=None)
    async with with_password(fake_exchange) as session:
        with pytest.raises(DecodeError):
            await session.login(NAME, PASSWORD)


async def test_a_login_leaves_no_token_in_the_jar_of_the_caller(
    fake_exchange: FakeExchange,
) -> None:
    async with aiohttp.ClientSession(cookie_jar=aiohttp.CookieJar(unsafe=True)) as client:
        session = AsyncSession(
            username=NAME, password=PASSWORD, base_url=fake_exchange.url, client_session=client
        )
        await session.account.get_me()
        assert len(client.cookie_jar) == 0


async def test_a_refusal_is_a_new_exception_each_time(fake_exchange: FakeExchange) -> None:
    raised: list[BaseException] = []
    async with with_password(fake_exchange, password="wrong") as session:
        for _ in range(3):
            with pytest.raises(AuthenticationError) as caught:
                await session.account.get_me()
            raised.append(caught.value)
    assert len(set(map(id, raised))) == 3


async def test_logging_out_amid_a_fan_out_sends_nothing_without_a_token(
    fake_exchange: FakeExchange, session: AsyncSession
) -> None:
    games = [fake_exchange.add_game().game_id for _ in range(300)]
    fake_exchange.inject(faults.Slow(SECOND), endpoint="cancelAllOrdersForGame", times=None)
    fan_out = asyncio.create_task(session.cancel_all_orders_for_games(games))
    await until(lambda: fake_exchange.received() > 0)
    await session.logout()
    report = await fan_out
    assert report.not_sent
    assert not [r for r in fake_exchange.requests if "Authorization" not in r.headers]


async def test_the_last_token_is_told_last(fake_exchange: FakeExchange) -> None:
    kept: list[str] = []
    first = asyncio.Event()

    async def keep(token: str) -> None:
        if not kept and not first.is_set():
            await first.wait()
        kept.append(token)

    async with with_password(fake_exchange, on_token=keep) as session:
        await session.login(NAME, PASSWORD)
        await session.login(NAME, PASSWORD)
        first.set()
    last = list(fake_exchange.book.tokens)[-1]
    assert (len(kept), kept[-1]) == (2, last)


def test_a_password_that_is_no_text_is_refused() -> None:
    with pytest.raises(InvalidRequestError, match=r"^password: "):
        AsyncSession(username=NAME, password="\udce9")


async def test_the_account_that_a_login_returns_holds_no_token(
    fake_exchange: FakeExchange,
) -> None:
    async with AsyncSession(base_url=fake_exchange.url) as session:
        user = await session.login(NAME, PASSWORD)
    token = list(fake_exchange.book.tokens)[-1]
    assert type(user) is User
    assert token.encode() not in pickle.dumps(user)


async def test_logging_out_a_dead_token_does_not_log_in_for_it(
    fake_exchange: FakeExchange,
) -> None:
    async with with_password(fake_exchange, token="dead") as session:
        await session.logout()
    assert [r.endpoint for r in fake_exchange.requests] == ["logout"]


async def test_after_a_refused_login_the_orders_socket_says_so_at_once(
    fake_exchange: FakeExchange,
) -> None:
    async with AsyncSession(
        username=NAME,
        password="wrong",
        base_url=fake_exchange.url,
        orders_url=fake_exchange.orders_url,
        retry=RetryPolicy(backoff_base=3600.0, backoff_cap=3600.0),
    ) as session:
        with pytest.raises(AuthenticationError):
            await session.account.get_me()
        for _ in range(2):
            with pytest.raises(AuthenticationError):
                async with asyncio.timeout(SECOND), session.orders_socket():
                    pass
    assert [r.endpoint for r in fake_exchange.requests] == ["login"]


@pytest.mark.parametrize("secret", ["e", "ti", "horse"])
async def test_what_is_too_short_to_be_a_secret_leaves_messages_as_they_are(
    fake_exchange: FakeExchange, secret: str
) -> None:
    said = "the time of the horse race is over"
    body = f'{{"error": "{said}"}}'.encode()
    fake_exchange.inject(faults.Respond(body, 400), times=None)
    async with AsyncSession(
        secret, username=NAME, password=secret, base_url=fake_exchange.url, retry=QUICK
    ) as session:
        with pytest.raises(BadRequestError) as read:
            await session.account.get_me()
        with pytest.raises(BadRequestError) as login:
            await session.login(NAME, secret)
    assert read.value.message == said
    assert said not in login.value.message


async def test_a_long_password_is_taken_out_of_what_any_request_is_told(
    fake_exchange: FakeExchange,
) -> None:
    body = f'{{"error": "neither {PASSWORD} nor long-token"}}'.encode()
    fake_exchange.inject(faults.Respond(body, 400), times=None)
    async with with_password(fake_exchange, token="long-token") as session:
        with pytest.raises(BadRequestError) as caught:
            await session.account.get_me()
    assert caught.value.message == "neither [password] nor [token]"


async def test_a_login_that_somebody_cancels_is_made_again(fake_exchange: FakeExchange) -> None:
    fake_exchange.inject(faults.Stall(), endpoint="login")
    async with with_password(fake_exchange) as session:
        waiting = asyncio.create_task(session.account.get_me())
        await until(lambda: fake_exchange.received("login") == 1)
        assert session._auth._login is not None
        session._auth._login.cancel()
        assert (await waiting).username == NAME
    assert fake_exchange.received("login") == 2


async def test_the_password_is_in_nothing_that_a_login_shows_which_is_cancelled(
    fake_exchange: FakeExchange,
) -> None:
    fake_exchange.inject(faults.Stall(), times=None)
    secret = "canary" + "-password"
    async with AsyncSession(base_url=fake_exchange.url, retry=QUICK) as session:
        with pytest.raises(TimeoutError) as caught:
            async with asyncio.timeout(SECOND):
                await session.login(NAME, secret)
    assert secret not in "".join(everything_shown_of(caught.value))


async def test_a_coroutine_that_closes_the_session_keeps_no_token_from_those_after_it(
    fake_exchange: FakeExchange,
) -> None:
    told: list[str] = []

    async def close(token: str) -> None:
        told.append(token)
        await until(lambda: fake_exchange.received("login") == 2)
        await session.close()

    session = AsyncSession(base_url=fake_exchange.url, on_token=close)
    await asyncio.gather(session.login(NAME, PASSWORD), session.login(NAME, PASSWORD))
    began = asyncio.get_running_loop().time()
    await session.close()
    assert asyncio.get_running_loop().time() - began < SECOND
    assert len(told) == 2


async def test_what_waits_while_the_session_logs_out_does_not_go_without_a_token(
    fake_exchange: FakeExchange,
) -> None:
    token = fake_exchange.add_account(NAME, PASSWORD)
    limit = RateLimit(requests=1, window=SECOND, reserve=0)
    async with AsyncSession(
        token, base_url=fake_exchange.url, retry=QUICK, rate_limit=limit
    ) as session:
        fake_exchange.inject(faults.Slow(SECOND), endpoint="logout")
        logging_out = asyncio.create_task(session.logout())
        await until(lambda: fake_exchange.received("logout") == 1)
        waiting = asyncio.create_task(session.cancel_all_orders())
        await until(lambda: bool(session._http._resting))
        await logging_out
        with pytest.raises(NotSentError):
            await waiting
    assert [r.endpoint for r in fake_exchange.requests] == ["logout"]


class WithFreshToken(faults.Fault):
    """The answer brings a token in place of the one that was used."""

    async def __call__(self, call: faults.Call) -> web.StreamResponse:
        response = faults.respond(call.commit())
        response.headers["X-Auth-Token"] = "fresh-token"
        return response


async def test_a_token_that_the_logout_itself_brings_is_not_taken(
    fake_exchange: FakeExchange,
) -> None:
    told: list[str] = []
    async with AsyncSession(
        fake_exchange.token, base_url=fake_exchange.url, retry=QUICK, on_token=told.append
    ) as session:
        fake_exchange.inject(WithFreshToken(), endpoint="logout")
        await session.logout()
        with pytest.raises(InvalidRequestError, match=r"^token: none"):
            await session.account.get_me()
    assert told == []


async def test_a_token_that_came_while_the_logout_waited_is_the_one_that_ends(
    fake_exchange: FakeExchange,
) -> None:
    limit = RateLimit(requests=1, window=SECOND, reserve=0)
    async with AsyncSession(
        fake_exchange.token, base_url=fake_exchange.url, retry=QUICK, rate_limit=limit
    ) as session:
        fake_exchange.move_clock(TOKEN_LIFE)
        reading = asyncio.create_task(session.account.get_me())
        await until(lambda: fake_exchange.received("getMe") == 1)
        await session.logout()
        await reading
        with pytest.raises(InvalidRequestError, match=r"^token: none"):
            await session.account.get_me()
