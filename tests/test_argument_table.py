"""Every argument of every public callable: a mistake is refused by its name before a request."""

import inspect
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from datetime import date
from functools import partial
from typing import Any

import pytest
from attrs import fields

from fourcasters_async import (
    AsyncSession,
    InvalidRequestError,
    NewOrder,
    OpenOrder,
    RateLimit,
    RetryPolicy,
)
from fourcasters_async.testing import FakeExchange

GAME, ORDER = "688c0516fbc14da0c202d426", "65b036dfb31407c2b6bc1cfe"
NAN, INF = float("nan"), float("inf")


class Hostile:
    """A value of which every use raises."""

    def _fail(self, *_: object) -> Any:
        raise RuntimeError("the value of the caller fails")

    __bool__ = __eq__ = __len__ = __str__ = __repr__ = __float__ = __int__ = __index__ = _fail
    __lt__ = __le__ = __gt__ = __ge__ = __iter__ = __hash__ = __abs__ = _fail


class NotEvenIterable:
    __repr__ = Hostile._fail
    __bool__ = Hostile._fail


async def coroutine(_: object) -> None: ...


TEXTS = [5, True, "", "a\nb", "\ud800", "\u202e", b"text", ["text"], {}]
IDS = [*TEXTS, " x", "a/b", "x" * 129]
SECONDS = ["1", 0, -1, NAN, INF, True, [1], 10**400]
FLAGS: list[Any] = [0, 1, None, "no", [], {}]
CALLBACKS = [5, "print", coroutine, {}]
LISTS = [5, "text", b"text", [None], [5], ["a\nb"], [[]], True]
DATES = [5, "yesterday", True, "2026-01-01", [], 1.5]
NUMBERS = ["1", 0, -1, NAN, INF, True, [1], 10**400, 1j]

BAD: dict[str, list[Any]] = {
    "order_id": [None, *IDS],
    "order_ids": [None, *LISTS, ["xyz"]],
    "game_id": [None, *IDS],
    "games": LISTS,
    "type": [5, True, "", "spreads", b"spread", ["spread"]],
    "deadline": SECONDS,
    "verify": FLAGS,
    "periods": FLAGS,
    "on_outcome": CALLBACKS,
    "hedge": SECONDS,
    "wait": FLAGS,
    "orders": [None, *LISTS, [GAME], [{}]],
    "league": [None, *IDS],
    "leagues": LISTS,
    "sports": LISTS,
    "sport": IDS,
    "side": IDS,
    "market": IDS,
    "user_references": [None, *LISTS],
    "user_reference": TEXTS,
    "order_odds": [0, 99, -99, 100.0, "100", True, NAN, 10**400],
    "order_volume": NUMBERS,
    "intended_order_volume": NUMBERS,
    "order_type": [5, True, "", "x"],
    "expiry_change": [-1, 1.5, "1", True],
    "timeout": [None, 0, -1, "30", True, NAN],
    "on_change": CALLBACKS,
    "wanted": [None, *CALLBACKS],
    "connections": [None, 0, -1, 1.0, "1", True, 10**6],
    "username": [None, *TEXTS],
    "password": [5, "", b"text", "\ud800"],
    "block_if_no_other_side_orders": FLAGS,
    "active": FLAGS,
    "from_date": DATES,
    "to_date": DATES,
    "start": DATES,
    "end": DATES,
    "since": DATES,
    "cursor": TEXTS,
    "audit": [None, *SECONDS],
    "keep": [None, 0, -1, 1.5, "1", True],
    "bet_id": IDS,
    "tx_id": IDS,
    "wager_request_id": [None, *IDS],
    "text": [None, *TEXTS],
    "version": [None, 0, 3, "2", True, 2.0],
    "signals": [5, "SIGTERM", [15], ["SIGTERM"], [None]],
}
GOOD: dict[str, Any] = {
    "order_id": ORDER,
    "order_ids": [ORDER],
    "game_id": GAME,
    "games": [GAME],
    "orders": [
        NewOrder(
            game_id=GAME, type="moneyline", side=GAME, odds=100, bet=1.0, user_reference="mine"
        )
    ],
    "league": "NBA",
    "user_references": ["mine"],
    "user_reference": "mine",
    "order_odds": 100,
    "order_volume": 1.0,
    "timeout": 30,
    "wanted": lambda order: isinstance(order, OpenOrder),
    "connections": 1,
    "username": "me",
    "wager_request_id": ORDER,
    "text": "lakers",
    "start": date(2026, 1, 1),
    "end": date(2026, 1, 2),
    "password": "secret",
}
# What a verb wants beside what it declares as required.
MORE: dict[str, dict[str, Any]] = {
    "edit_order": {"order_odds": 100},
    "get_orderbook": {"league": "NBA"},
    "get_bet_by_id": {"bet_id": ORDER},
    "get_graded_since": {"cursor": "a"},
    "graded_since": {"cursor": "a"},
}
# Of these a verb wants exactly one.
ALTERNATIVES = {
    "get_orderbook": ("league", "game_id"),
    "get_bet_by_id": ("bet_id", "tx_id"),
    "get_graded_since": ("since", "cursor"),
    "graded_since": ("since", "cursor"),
}
# What an iterable of the caller raises while it is read is the caller's own error.
ITERABLES = (
    "games",
    "leagues",
    "sports",
    "orders",
    "order_ids",
    "user_references",
    "signals",
    "middlewares",
)
REQUIRED = inspect.Parameter.empty


def public(owner: object) -> dict[str, Callable[..., Any]]:
    return {
        name: getattr(owner, name)
        for name in dir(type(owner))
        if not name.startswith("_") and callable(getattr(type(owner), name)) and name != "from_env"
    }


async def called(verb: Callable[..., Any], arguments: dict[str, Any]) -> None:
    result = verb(**arguments)
    if isinstance(result, Awaitable):
        await result
    elif hasattr(result, "__aiter__"):
        async for _ in result:
            break
    elif hasattr(result, "__aenter__"):
        async with result:
            pass


@pytest.mark.parametrize("owner", ["session", "account", "markets", "orders"])
async def test_a_bad_argument_of_a_verb_is_refused_by_its_name_and_nothing_is_sent(
    fake_exchange: FakeExchange, owner: str
) -> None:
    session = AsyncSession(
        fake_exchange.token, base_url=fake_exchange.url, orders_url=fake_exchange.orders_url
    )
    async with AsyncExitStack() as stack:
        await stack.enter_async_context(session)
        owners: dict[str, object] = {
            "session": session,
            "account": session.account,
            "markets": session.markets,
        }
        if owner == "orders":
            owners["orders"] = await stack.enter_async_context(session.orders_socket())
        before = len(fake_exchange.requests)
        taken = [
            f"{name}({parameter}={_shown(value)}): {said}"
            for name, verb in public(owners[owner]).items()
            for parameter, declared in inspect.signature(verb).parameters.items()
            for value in bad_values(name, parameter)
            if not (value is None and declared.default is None)
            if not (said := await said_of(verb, name, parameter, value)).startswith(parameter)
        ]
        assert not taken, "\n".join(taken)
        assert len(fake_exchange.requests) == before


def bad_values(verb: str, parameter: str) -> list[Any]:
    if (verb, parameter) == ("reconcile", "orders"):
        # What has a game and a reference is as good as an order.
        return [None, 5, GAME, [GAME], [5], NotEvenIterable()]
    hostile = [] if parameter in ITERABLES else [Hostile()]
    return [*BAD[parameter], *hostile, NotEvenIterable()]


async def said_of(verb: Callable[..., Any], name: str, parameter: str, value: object) -> str:
    """Call a verb with one bad argument among good ones, and return what it said of it."""
    parameters = inspect.signature(verb).parameters
    good = {each: GOOD[each] for each, p in parameters.items() if p.default is REQUIRED}
    more = {} if parameter in ALTERNATIVES.get(name, ()) else MORE.get(name, {})
    try:
        await called(verb, {**good, **more, parameter: value})
    except InvalidRequestError as refused:
        return str(refused)
    except Exception as error:  # noqa: BLE001  # it is shown
        return f"({type(error).__name__})"
    return "(taken)"


def refusal(call: Callable[[], object]) -> str:
    """Return the text of the refusal that a call ends in."""
    with pytest.raises(ValueError) as caught:  # noqa: PT011  # the callers compare its text
        call()
    return str(caught.value)


def _shown(value: object) -> str:
    return "-" if isinstance(value, Hostile | NotEvenIterable) else repr(value)


URLS = [
    "https://xn--a",
    "https://api.4casters.io\n.evil.com",
    "https://api.4casters.io\t.evil.com",
    " https://api.4casters.io",
    "https://api.4casters.io ",
    "https://api 4casters.io",
    "https://api.4casters.io\u200b",
    "https://api.4casters.io%0a.evil.com",
    "https://api.4casters.io,evil.com",
    "https://",
    5,
    b"https://api.4casters.io",
]
SETTINGS: dict[str, list[Any]] = {
    "base_url": URLS,
    "orders_url": [*URLS, "https://api.4casters.io"],
    "streaming_url": [*URLS, "https://api.4casters.io"],
    "proxy": [*URLS, "socks5://127.0.0.1:1"],
    "client_session": [5, "session", {}],
    "middlewares": [5, "text", [5], [None]],
    "timeout": [None, *SECONDS],
    "max_connections": [None, 0, -1, 1.5, "1", True],
    "retry": [5, 0, False, "no", {}, RetryPolicy],
    "rate_limit": [5, 0, False, (10, 1.0), {}, RateLimit],
    "on_token": [5, "print", {}],
    "on_event": [5, "print", {}],
    "late_effect": [None, *SECONDS],
    "read_lag": [None, *SECONDS],
    "token": [5, "", "a b", "a\nb", b"token"],
}


@pytest.mark.parametrize("name", SETTINGS)
def test_a_bad_setting_of_a_session_is_refused_by_its_name(name: str) -> None:
    hostile = [] if name in ITERABLES else [Hostile()]
    for value in [*SETTINGS[name], *hostile, NotEvenIterable()]:
        settings = {"token": "token", name: value}
        assert refusal(partial(AsyncSession, **settings)).startswith(f"{name}: ")


def test_the_table_of_settings_has_them_all() -> None:
    settings = set(inspect.signature(AsyncSession).parameters)
    assert settings == {*SETTINGS, "username", "password"}


def test_middlewares_that_come_from_an_iterator_are_all_taken() -> None:
    async def middleware(request: Any, handler: Any) -> Any:
        return await handler(request)

    session = AsyncSession("token", middlewares=iter([middleware]))  # type: ignore[arg-type]  # on purpose
    assert session._transports.http._pool._clients.middlewares == (middleware,)


ORDER_FIELDS: dict[str, list[Any]] = {
    "game_id": [None, *IDS],
    "type": [None, 5, "", "spreads"],
    "side": [None, *IDS],
    "odds": [None, 0, 99, 100.0, "100", True, NAN, 10**400],
    "bet": [None, *NUMBERS],
    "number": ["1", NAN, INF, True, [1], 10**400],
    "market": IDS,
    "order_type": [5, "", "x"],
    "expiration_minutes": [0, -1, 1.5, "1", True],
    "user_reference": TEXTS,
}


@pytest.mark.parametrize("name", [each.name for each in fields(NewOrder)])
async def test_a_bad_field_of_a_new_order_is_refused_by_its_name(
    fake_exchange: FakeExchange, session: AsyncSession, name: str
) -> None:
    good: dict[str, Any] = {
        "game_id": GAME,
        "type": "moneyline",
        "side": GAME,
        "odds": 100,
        "bet": 1.0,
    }
    for value in [*ORDER_FIELDS[name], Hostile(), NotEvenIterable()]:
        order = NewOrder(**{**good, name: value})
        with pytest.raises(InvalidRequestError) as caught:
            await session.place([order])
        assert str(caught.value).startswith(f"orders[0].{name}: ")
    assert not fake_exchange.requests


POLICIES: list[tuple[Callable[..., object], list[str], list[Any]]] = [
    (RetryPolicy, [each.name for each in fields(RetryPolicy)], [0, -1, "1", True, NAN, INF]),
    (RateLimit, ["requests", "window", "reserve"], [-1, "1", True, NAN, INF]),
    (
        FakeExchange,
        ["latency", "read_lag", "keep_alive", "port", "tls"],
        [-1, "1", NAN, []],
    ),
    (FakeExchange, ["rate_limit"], [5, (1,), (-1, 1.0), (1, -1), ("1", 1.0)]),
]


@pytest.mark.parametrize(
    ("kind", "name", "values"),
    [(kind, name, values) for kind, names, values in POLICIES for name in names],
    ids=str,
)
def test_a_bad_field_of_a_policy_is_refused_by_its_name(
    kind: Callable[..., object], name: str, values: list[Any]
) -> None:
    for value in [*values, Hostile()]:
        assert refusal(partial(kind, **{name: value})).startswith(name)
