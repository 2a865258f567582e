"""What can only be a mistake is refused before anything is sent, with the argument named."""

import re
from collections.abc import Iterator
from typing import Any

import pytest

from fourcasters_async import AsyncSession, GameMarket, InvalidRequestError, RateLimit, RetryPolicy
from fourcasters_async.testing import FakeExchange

GAME = "688c0516fbc14da0c202d426"
BAD_IDS: list[Any] = [
    "",
    " ",
    None,
    5,
    b"688c0516fbc14da0c202d426",
    "a/b",
    "a\\b",
    "../x",
    "a\nb",
    "a\x00",
    "\u200b",
    "\ud800",
    "x" * 129,
    ["x"],
]


@pytest.mark.parametrize("game_id", BAD_IDS)
async def test_a_bad_game_id_is_refused(
    fake_exchange: FakeExchange, session: AsyncSession, game_id: Any
) -> None:
    with pytest.raises(InvalidRequestError, match=r"^game_id: "):
        await session.cancel_all_orders_for_game(game_id)
    assert not fake_exchange.requests


@pytest.mark.parametrize("game_id", BAD_IDS)
async def test_a_bad_id_among_many_is_refused_by_its_place_and_nothing_is_sent(
    fake_exchange: FakeExchange, session: AsyncSession, game_id: Any
) -> None:
    for bad in (game_id, GameMarket(game_id)):
        with pytest.raises(InvalidRequestError, match=r"^games\[1\]"):
            await session.cancel_all_orders_for_games([GAME, bad, GAME])
    assert not fake_exchange.requests


@pytest.mark.parametrize("games", [GAME, GAME.encode(), None, 5, GameMarket(GAME)])
async def test_one_game_is_no_list_of_games(session: AsyncSession, games: Any) -> None:
    with pytest.raises(InvalidRequestError, match=r"^games: must be a list"):
        await session.cancel_all_orders_for_games(games)


@pytest.mark.parametrize("type_", ["", "SPREAD", "spreads", 1, True, b"spread", ["spread"]])
async def test_an_unknown_market_type_is_refused(session: AsyncSession, type_: Any) -> None:
    with pytest.raises(InvalidRequestError, match=r"^type: must be one of"):
        await session.cancel_all_orders_for_game(GAME, type_)
    with pytest.raises(InvalidRequestError, match=r"^type: must be one of"):
        await session.cancel_all_orders_for_games([GAME], type=type_)
    with pytest.raises(InvalidRequestError, match=r"^games\[0\].type: must be one of"):
        await session.cancel_all_orders_for_games([GameMarket(GAME, type_)])


@pytest.mark.parametrize("deadline", [0, -1, float("nan"), float("inf"), "2", True])
async def test_a_deadline_that_is_no_time_is_refused(session: AsyncSession, deadline: Any) -> None:
    with pytest.raises(InvalidRequestError, match=r"^deadline: "):
        await session.cancel_all_orders_for_games([GAME], deadline=deadline)


async def test_a_callback_that_would_never_be_awaited_is_refused(session: AsyncSession) -> None:
    async def coroutine(_: object) -> None: ...

    for callback in (coroutine, "print"):
        with pytest.raises(InvalidRequestError, match=r"^on_outcome: "):
            await session.cancel_all_orders_for_games([GAME], on_outcome=callback)  # type: ignore[arg-type]  # on purpose


async def test_an_iterator_that_fails_has_sent_nothing(
    fake_exchange: FakeExchange, session: AsyncSession
) -> None:
    def games() -> Iterator[str]:
        yield GAME
        raise LookupError("the strategy's own")

    with pytest.raises(LookupError):
        await session.cancel_all_orders_for_games(games())
    assert not fake_exchange.requests


@pytest.mark.parametrize("order_ids", ["65b036dfb31407c2b6bc1cfe", None, 5])
async def test_one_order_id_is_no_list_of_ids(session: AsyncSession, order_ids: Any) -> None:
    with pytest.raises(InvalidRequestError, match=r"^order_ids: must be a list"):
        await session.cancel_multiple(order_ids)


@pytest.mark.parametrize(
    "order_id", [*BAD_IDS, "65b036dfb31407c2b6bc1cf", "not-hexadecimal-at-all-!"]
)
async def test_a_malformed_order_id_is_refused_because_it_would_fail_the_others(
    fake_exchange: FakeExchange, session: AsyncSession, order_id: Any
) -> None:
    with pytest.raises(InvalidRequestError, match=r"^order_ids\[1\]: "):
        await session.cancel_multiple(["65b036dfb31407c2b6bc1cfe", order_id])
    assert not fake_exchange.requests


@pytest.mark.parametrize("token", ["", "a b", "a\r\nX-Evil: 1", "a\x00", "tökén", 5, b"token"])
def test_a_token_that_cannot_stand_in_a_header_is_refused_and_not_shown(token: Any) -> None:
    with pytest.raises(InvalidRequestError, match=r"^token: ") as caught:
        AsyncSession(token)
    assert not token or str(token) not in str(caught.value)


@pytest.mark.parametrize(
    "url",
    [
        "http://api.4casters.io",
        "http://127.0.0.1.evil.example",
        "http://localhost.evil.example",
        "ftp://api.4casters.io",
        "wss://api.4casters.io",
        "https://user:hunter2@api.4casters.io",
        "https://api.4casters.io?x=1",
        "https://api.4casters.io#x",
        "https://",
        "https://api.4casters.io:99999",
        "api.4casters.io",
        "",
        5,
        None,
    ],
)
def test_an_address_that_could_leak_a_token_is_refused(url: Any) -> None:
    with pytest.raises(InvalidRequestError, match=r"^base_url: ") as caught:
        AsyncSession("token", base_url=url)
    assert "hunter2" not in str(caught.value)


@pytest.mark.parametrize(
    "url",
    ["https://api.4casters.io", "http://127.0.0.1:8080", "http://localhost:1", "http://[::1]:1"],
)
def test_an_encrypted_address_and_this_machine_are_taken(url: str) -> None:
    assert AsyncSession("token", base_url=url).base_url == url


@pytest.mark.parametrize("name", ["timeout", "max_connections"])
@pytest.mark.parametrize("value", [0, -1, float("nan"), float("inf"), "5", None, True])
def test_a_bad_number_is_refused_by_its_name(name: str, value: Any) -> None:
    with pytest.raises(InvalidRequestError, match=f"^{name}: "):
        AsyncSession("token", **{name: value})


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("requests", {"requests": 0}),
        ("window", {"window": 0}),
        ("reserve", {"reserve": -1}),
        ("reserve", {"requests": 10, "reserve": 10}),
    ],
)
def test_a_rate_limit_that_lets_nothing_through_is_refused(
    name: str, options: dict[str, Any]
) -> None:
    with pytest.raises(InvalidRequestError, match=f"^{name}: "):
        RateLimit(**options)


@pytest.mark.parametrize(
    "name",
    ["max_attempts", "attempt_timeout", "connect_timeout", "backoff_base", "backoff_cap"],
)
def test_a_retry_policy_that_never_tries_is_refused(name: str) -> None:
    with pytest.raises(ValueError, match=re.escape(name)):
        RetryPolicy(**{name: 0})


async def test_a_session_without_a_token_says_so_before_it_sends(
    fake_exchange: FakeExchange,
) -> None:
    async with AsyncSession(base_url=fake_exchange.url) as session:
        with pytest.raises(InvalidRequestError, match=r"^token: none"):
            await session.cancel_all_orders_for_game(GAME)
        with pytest.raises(InvalidRequestError, match=r"^token: none"):
            await session.cancel_all_orders_for_games([GAME])
    assert not fake_exchange.requests


def test_the_environment_without_a_token_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("FOURCASTERS_TOKEN", raising=False)
    with pytest.raises(InvalidRequestError, match=r"^FOURCASTERS_TOKEN: "):
        AsyncSession.from_env()
