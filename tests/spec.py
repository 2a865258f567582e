"""What the contract tests share: the endpoints in use, and how to ask one and to judge it."""

from collections.abc import Awaitable, Callable
from typing import Any, TypeVar
from unittest.mock import patch

import aiohttp
from attrs import frozen
from hypothesis import strategies as st
from openapi_schema_validator import OAS30Validator, oas30_format_checker

from fourcasters_async import AsyncSession
from fourcasters_async._core.outcome import RequestOutcome
from fourcasters_async._core.request import Request
from fourcasters_async._http.client import HttpClient
from fourcasters_async.models import MarketType, NewOrder
from fourcasters_async.testing import FakeExchange, strategies

T = TypeVar("T")
Spec = dict[str, Any]

CANCEL, MULTIPLE = "/session/cancel", "/session/cancelMultiple"
GAME, REFERENCE = "/session/cancelAllOrdersForGame", "/session/cancelByReference"
LEAGUE, EVERYTHING = "/session/cancelAllForLeague", "/session/cancelAllOrders"
LOOKUP, ON_GAME, OPEN = "/session/lookupOrder", "/user/getOrdersForGame", "/user/getUnmatched"
ME, LOGIN, LOGOUT = "/user/getMe", "/user/login", "/user/logout"
HEARTBEAT = "/user/ordersHeartbeat"
PLACE, EDIT = "/session/v3/place", "/session/editOrder"

NOWHERE = "f" * 24


@frozen
class Endpoint:
    """An endpoint in use.

    `ask` has the verb send the arguments, which are named as the document names them. `insists`
    is what the client wants in an answer, by its place; the document requires none of it.
    """

    method: str
    ask: Callable[[AsyncSession, Spec], Awaitable[object]]
    insists: tuple[str, ...] = ()


async def _beat(session: AsyncSession, arguments: Spec) -> None:
    async with session.dead_man_switch(arguments["timeout"]):
        pass


async def _place(session: AsyncSession, arguments: Spec) -> None:
    await session.place(
        NewOrder(
            order["gameID"],
            order["type"],
            order["side"],
            odds=order["odds"],
            bet=order["bet"],
            number=order.get("number"),
            market=order.get("market"),
            order_type=order.get("orderType"),
            expiration_minutes=order.get("expirationMinutes"),
            user_reference=order.get("userReference"),
        )
        for order in arguments["orders"]
    )


async def _edit(session: AsyncSession, arguments: Spec) -> None:
    minutes = arguments.get("expiryChange")
    await session.edit_order(
        arguments["sessionID"],
        order_odds=arguments["orderOdds"],
        order_volume=arguments["orderVolume"],
        order_type=arguments.get("orderType"),
        user_reference=arguments.get("userReference"),
        expiry_change=None if minutes is None else int(minutes),
    )


# An answer that does not say what was cancelled must never pass for one that says that there was
# nothing to cancel.
_RESULTS = ("data", "data.*.success")

ENDPOINTS = {
    PLACE: Endpoint(
        "POST",
        _place,
        ("data", "data.createdSessions", "data.createdSessions.*.unmatched.orderID"),
    ),
    EDIT: Endpoint("POST", _edit, ("data", "data.unmatched.orderID")),
    CANCEL: Endpoint("POST", lambda s, a: s.cancel(a["sessionID"]), ("data", "data.success")),
    MULTIPLE: Endpoint("POST", lambda s, a: s.cancel_multiple(a["sessionIDs"]), _RESULTS),
    GAME: Endpoint(
        "POST", lambda s, a: s.cancel_all_orders_for_game(a["gameID"], a.get("type")), _RESULTS
    ),
    REFERENCE: Endpoint(
        "POST", lambda s, a: s.cancel_by_reference(a["gameID"], a["userReferences"]), _RESULTS
    ),
    LEAGUE: Endpoint(
        "POST", lambda s, a: s.cancel_all_for_league(a["league"]), ("data", "data.ordersReceived")
    ),
    EVERYTHING: Endpoint("POST", lambda s, _: s.cancel_all_orders(), _RESULTS),
    LOOKUP: Endpoint("GET", lambda s, a: s.lookup_order(a["orderID"]), ("data", "data.order")),
    ON_GAME: Endpoint(
        "GET",
        lambda s, a: s.account.get_orders_for_game(a["gameID"]),
        ("data", "data.unmatched", "data.matched"),
    ),
    OPEN: Endpoint("GET", lambda s, _: s.account.get_unmatched(), ("data", "data.unmatched")),
    ME: Endpoint("GET", lambda s, _: s.account.get_me(), ("data", "data.user")),
    LOGIN: Endpoint(
        "POST",
        lambda s, a: s.login(a["username"], a["password"]),
        ("data", "data.user", "data.user.auth"),
    ),
    LOGOUT: Endpoint("POST", lambda s, _: s.logout()),
    HEARTBEAT: Endpoint("POST", _beat),
}
DOCUMENTED = [path for path in ENDPOINTS if path != LOGOUT]
DECODED = [path for path in DOCUMENTED if ENDPOINTS[path].insists]
PLACES = [(path, place) for path in DECODED for place in ENDPOINTS[path].insists]
# The document does not list `moneyline1x2` for a game cancel. The client sends it all the same.
GAME_TYPES = [None, *(member for member in MarketType if member is not MarketType.MONEYLINE_1X2)]
ARGUMENTS: Spec = {
    "sessionID": NOWHERE,
    "sessionIDs": [NOWHERE],
    "gameID": NOWHERE,
    "userReferences": ["mine"],
    "league": "NBA",
    "orderID": NOWHERE,
    "username": "owner",
    "password": "right",
    "timeout": 6,
    "orders": [
        {"gameID": NOWHERE, "type": "moneyline", "side": NOWHERE, "odds": -110, "bet": 25.5}
    ],
    "orderOdds": 120,
    "orderVolume": 40,
}
"""Arguments of which no verb says that they can only be a mistake."""

# Beyond these, JSON does not promise that a whole number arrives as it was sent.
INTEGERS = st.integers(-(2**53) + 1, 2**53 - 1)
NUMBERS = INTEGERS | st.floats(allow_nan=False, allow_infinity=False)
PRIMITIVES = {"string": st.text(), "number": NUMBERS, "integer": INTEGERS, "boolean": st.booleans()}
FRACTIONS = st.just("") | st.from_regex(r"\.[0-9]{1,9}", fullmatch=True)
MOMENTS = st.builds("{}T{:%H:%M:%S}{}Z".format, st.dates(), st.times(), FRACTIONS)
FORMATS = {"date-time": MOMENTS, "email": st.text().map("{}@example.com".format)}
IDS = strategies.ids().filter(lambda drawn: drawn != NOWHERE)
AMOUNTS = st.integers(-(10**12), 10**12).map(lambda cents: f"{cents / 100:.2f}")
TOKENS = st.from_regex(r"[!-~]{1,40}", fullmatch=True)
# What becomes of an order has its type.
SAME_TYPE = st.shared(st.sampled_from(MarketType).map(str), key="type")
# What the schemas leave to words, by the key or the place: these strings are ids, amounts, what
# goes into a header, and what says that an order was not placed.
IN_WORDS: dict[str, st.SearchStrategy[Any]] = {
    "sessionID": IDS,
    "gameID": IDS,
    "orderID": IDS,
    "auth": TOKENS,
    "matchedRisk": AMOUNTS,
    "unmatchedRisk": AMOUNTS,
    "risk": AMOUNTS,
    "win": AMOUNTS,
    "error": st.text(min_size=1),
    "error_type": st.text(min_size=1),
    "data.createdSessions.*.matched.*.type": SAME_TYPE,
    "data.createdSessions.*.unmatched.type": SAME_TYPE,
}
# One of them says what came of an order, and is not empty. The document requires none.
PLACED_OR_NOT = {"matched", "unmatched", "error", "errorType", "error_type"}
ANYTHING = st.none() | NUMBERS | st.lists(st.booleans()) | st.dictionaries(st.text(), st.text())


def assert_valid(spec: Spec, schema: Spec, value: object) -> None:
    # The document calls itself 3.1 but writes `nullable`, which only 3.0 knows: read as 3.1, it
    # would allow no null. What came of an order is one of two objects, of which neither requires
    # anything: unless they are closed, every object is both, and so none is valid.
    schemas = spec["components"]["schemas"]
    either = [
        {**resolved(spec, part), "additionalProperties": False}
        for part in schemas["PlaceOrderResult"]["oneOf"]
    ]
    components = {"schemas": {**schemas, "PlaceOrderResult": {"oneOf": either}}}
    whole = {**schema, "components": components}
    OAS30Validator(whole, format_checker=oas30_format_checker).validate(value)


def resolved(spec: Spec, schema: Spec) -> Spec:
    """Follow a reference, if it is one."""
    if "$ref" not in schema:
        return schema
    found = spec
    for key in schema["$ref"].removeprefix("#/").split("/"):
        found = found[key]
    return found


def operation(spec: Spec, path: str) -> Spec:
    documented: Spec = spec["paths"][path][ENDPOINTS[path].method.lower()]
    return documented


def answer_schema(spec: Spec, path: str) -> Spec:
    """Return the schema of a 200. Where the document has none, everything is valid."""
    content = operation(spec, path)["responses"]["200"].get("content")
    schema: Spec = content["application/json"]["schema"] if content else {}
    return schema


def documents(
    spec: Spec, schema: Spec, insists: tuple[str, ...], at: str = ""
) -> st.SearchStrategy[Any]:
    """Return what makes documents that are valid, and have what the client insists on."""
    made: st.SearchStrategy[Any]
    schema = resolved(spec, schema)
    if "allOf" in schema:
        parts = st.tuples(*(documents(spec, part, insists, at) for part in schema["allOf"]))
        made = parts.map(lambda parts: {k: v for part in parts for k, v in part.items()})
    elif {"oneOf", "anyOf"} & schema.keys():
        kinds = [*schema.get("oneOf", ()), *schema.get("anyOf", ())]
        made = st.one_of(*(documents(spec, part, insists, at) for part in kinds))
    elif schema["type"] == "string" and {at, at.rpartition(".")[2]} & IN_WORDS.keys():
        made = IN_WORDS[at] if at in IN_WORDS else IN_WORDS[at.rpartition(".")[2]]
    elif "enum" in schema:
        made = st.sampled_from(schema["enum"])
    elif schema["type"] == "array":
        made = st.lists(documents(spec, schema["items"], insists, f"{at}.*"), max_size=3)
    elif "properties" in schema:
        places = {key: f"{at}.{key}".lstrip(".") for key in schema["properties"]}
        fields = {
            key: documents(spec, each, insists, places[key])
            for key, each in schema["properties"].items()
        }
        made = st.fixed_dictionaries(
            {key: each for key, each in fields.items() if places[key] in insists},
            optional={key: each for key, each in fields.items() if places[key] not in insists},
        )
        if PLACED_OR_NOT & fields.keys() and not {*places.values()} & {*insists}:
            made = made.filter(lambda made: any(made.get(key) for key in PLACED_OR_NOT))
        if "May be empty" in schema.get("description", ""):
            made = st.just({}) | made
    elif schema["type"] == "object":
        more = schema.get("additionalProperties")
        values = documents(spec, more, insists, f"{at}.*") if more else ANYTHING
        made = st.dictionaries(st.text(), values, max_size=2)
    else:
        made = FORMATS.get(schema.get("format", ""), PRIMITIVES[schema["type"]])
    return st.none() | made if schema.get("nullable") else made


class InterceptedError(Exception):
    def __init__(self, request: Request[Any]) -> None:
        super().__init__(request)
        self.request = request


class _Interceptor(HttpClient):
    async def outcome_until(
        self,
        request: Request[T],
        until: float,  # noqa: ARG002  # it is not sent
    ) -> tuple[T, RequestOutcome[T]]:
        raise InterceptedError(request)


def interceptor() -> type[HttpClient]:
    """Return what stands in for the client, and raises what it was to send."""
    return _Interceptor


async def request_of(path: str, arguments: Spec) -> Request[Any] | None:
    """Return what the verb would send. It waits for nothing."""
    with patch("fourcasters_async._transports.HttpClient", _Interceptor):
        try:
            await ENDPOINTS[path].ask(AsyncSession("token"), arguments)
        except InterceptedError as intercepted:
            return intercepted.request
    return None


async def ask(
    exchange: FakeExchange, path: str, arguments: Spec, token: str | None = None
) -> tuple[int, Any]:
    """Ask the exchange past the client, which would not send every argument."""
    method = ENDPOINTS[path].method
    async with aiohttp.request(
        method,
        exchange.url + path,
        params=arguments if method == "GET" else None,
        json=None if method == "GET" else arguments,
        headers={"Authorization": exchange.token if token is None else token},
    ) as response:
        return response.status, await response.json()


def furnish(exchange: FakeExchange) -> dict[str, str]:
    """Fill the book. Returns ids by what the tables of the tests call them."""
    book, mine = exchange.book, exchange.account
    game = book.add_game()
    game_id = game.game_id
    ids = {"the game": game_id, "the home side": game.home_id}
    for type_ in MarketType:
        order = book.place(mine, game_id, type=type_, user_reference="mine")
        book.fill(order.order_id, 40.0)
        ids[f"{type_} order"] = order.order_id
    names = ("resting order", "filled order", "cancelled order")
    resting, filled, cancelled = (book.place(mine, game_id) for _ in names)
    book.fill(filled.order_id, filled.offered)
    cancelled.cancelled = True
    ids |= {n: o.order_id for n, o in zip(names, (resting, filled, cancelled), strict=True)}
    exchange.add_account("owner", "right")
    exchange.add_account("barred", "right")
    book.accounts["barred"].barred = True
    return ids | {"order of another": book.place("another", game_id).order_id}


def with_ids(arguments: Spec, ids: dict[str, str]) -> Spec:
    """Put ids in the place of what the tables of the tests call them."""

    def known(value: Any) -> Any:
        if isinstance(value, dict):
            return with_ids(value, ids)
        return [*map(known, value)] if isinstance(value, list) else ids.get(value, value)

    return {key: known(value) for key, value in arguments.items()}
