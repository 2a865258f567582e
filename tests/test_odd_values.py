"""Values that are not of their type: what only informs costs nothing beside it."""

import copy
import itertools
import logging
from collections.abc import Callable, Iterator
from typing import Any, Literal

import attrs
import orjson
import pytest
from aiohttp import web
from attrs import define
from support import quote

from fourcasters_async import AsyncSession, OpenOrder, OrderFate
from fourcasters_async._json.converter import Dialect
from fourcasters_async.models import (
    CancelResult,
    FeedOrder,
    GameOrders,
    GradedBet,
    MarketType,
    MatchedBet,
    MatchedFill,
    OrderDetail,
    UnmatchedOffer,
    User,
)
from fourcasters_async.models.order import OpenOrdersPage
from fourcasters_async.orders.verbs import Orders
from fourcasters_async.testing import FakeExchange, faults

GAME = "688c0516fbc14da0c202d426"
ORDER = "65b036dfb31407c2b6bc1cfe"
REST = Dialect("rest")

# One of each type, and what live services have been seen to write.
ODD: list[object] = [
    None,
    7,
    1.91,
    True,
    "",
    "1,234.50",
    "EVEN",
    "2026-10-05T19:10:00",
    [],
    ["x"],
    {},
    {"$oid": ORDER},
]


@define
class Changed(faults.Fault):
    """The right answer, changed."""

    change: Callable[[Any], object]

    async def __call__(self, call: faults.Call) -> web.StreamResponse:
        document = orjson.loads(call.commit().content())
        self.change(document["data"])
        return web.Response(body=orjson.dumps(document), content_type="application/json")


class NothingToCancel(faults.Fault):
    """The exchange says that nothing was there to cancel, and does nothing."""

    async def __call__(self, call: faults.Call) -> web.StreamResponse:
        return web.Response(body=call.addressed(b'{"data": []}'), content_type="application/json")


# Orders and bets in the shapes of live answers, not in those of the document.

LIVE_ORDERS: list[dict[str, Any]] = [
    {"id": ORDER, "type": "moneyline", "odds": -110.0, "game": {"id": GAME}},
    {"id": ORDER, "type": "moneyline", "odds": 1.91, "game": {"id": GAME}},
    {"id": ORDER, "type": "spread", "odds": "-104.5", "spread": "-3.5", "game": {"id": GAME}},
    {"id": ORDER, "type": "total", "odds": 100, "total": "", "game": {"id": GAME, "start": ""}},
    {"id": ORDER, "bet": "1,234.50", "remaining": "1,234.50", "game": {"id": GAME}},
    {"id": ORDER, "takenRatio": -1.1102230246251565e-16, "filled": 0.1 + 0.2, "game": {"id": GAME}},
    {"id": ORDER, "createdAt": "2026-10-05T19:10:00", "expiry": 0, "game": {"id": GAME}},
    {"id": ORDER, "userReference": 20261005, "platform": "api", "game": {"id": GAME}},
    {"id": ORDER, "type": 3, "side": None, "market": {}, "game": {"id": GAME, "live": "false"}},
    {
        "id": ORDER,
        "game": {
            "id": GAME,
            "league": None,
            "participants": [{"rotationNumber": 501, "score": ""}, None],
        },
    },
    {"id": ORDER, "game": {"id": GAME, "participants": {"home": "Lakers", "away": "Celtics"}}},
    {"id": ORDER, "graded": 0, "closed": "no", "adminRefund": None, "game": {"id": GAME}},
]
LIVE_BETS: list[dict[str, Any]] = [
    {"id": ORDER, "ticketNumber": 123456, "platform": "web", "cancelled": False},
    {"id": ORDER, "ticketNumber": "A-1", "platform": None, "cancelled": None},
    {"id": ORDER, "cancelled": "false", "risk": "105.00", "win": "100.00", "odds": -105.0},
    {"id": ORDER, "odds": -104.5, "risk": 104.5, "win": 100, "bet": "1,234.50"},
    {"id": ORDER, "OU": None, "total": "220.5", "matchedTime": "2026-10-05T19:10:00"},
    {"id": ORDER, "OU": 1, "matchedTime": 1790000000000, "createdAt": ""},
    {"id": ORDER, "userReference": 7, "origin": "wager"},
    {"id": ORDER, "userReference": "", "origin": ["wager"], "fee": "1.00"},
    {"id": ORDER, "game": {"id": GAME, "start": "soon", "eventName": 7}},
    {"id": ORDER, "game": None, "side": "over"},
    {"id": ORDER, "type": "parlay", "spread": "pk"},
    {"id": ORDER, "graded": "no", "closed": 0, "participantID": None},
]


@pytest.mark.parametrize("order", LIVE_ORDERS, ids=range(len(LIVE_ORDERS)))
def test_an_order_as_the_live_service_writes_it_is_decoded(order: dict[str, Any]) -> None:
    (decoded,) = REST.structure({"unmatched": [order]}, OpenOrdersPage).unmatched
    assert (decoded.order_id, decoded.game_id) == (ORDER, GAME)


@pytest.mark.parametrize("bet", LIVE_BETS, ids=range(len(LIVE_BETS)))
def test_a_bet_as_the_live_service_writes_it_is_decoded(bet: dict[str, Any]) -> None:
    (decoded,) = REST.structure({"unmatched": [], "matched": [bet]}, GameOrders).matched
    assert decoded.bet_id == ORDER


@pytest.mark.parametrize(
    ("written", "read"),
    [
        (-110, -110),
        (-110.0, -110),
        ("-110", -110),
        (1.91, 1.91),
        ("1.91", 1.91),
        (-104.5, -104.5),
        ("EVEN", None),
        ("", None),
        (True, None),
    ],
)
@pytest.mark.parametrize("record", [OpenOrder, MatchedBet, OrderDetail])
def test_odds_are_whole_unless_the_exchange_sends_a_decimal(
    record: type[Any], written: object, read: float | None
) -> None:
    odds = REST.structure({"odds": written}, record).odds
    assert odds == read
    assert type(odds) is type(read)


def test_a_reference_that_is_a_number_is_its_digits() -> None:
    order = REST.structure({"userReference": 20261005}, OpenOrder)
    assert order.user_reference == "20261005"
    assert REST.structure({"userReference": 1.5}, OpenOrder).user_reference is None
    assert REST.structure({"userReference": True}, OpenOrder).user_reference is None


REFERRING = [
    CancelResult,
    FeedOrder,
    GradedBet,
    MatchedBet,
    MatchedFill,
    OpenOrder,
    UnmatchedOffer,
]


@pytest.mark.parametrize("record", REFERRING)
@pytest.mark.parametrize("surface", ["rest", "socket"])
def test_an_empty_reference_is_none_wherever_it_is_read(
    record: type[Any], surface: Literal["rest", "socket"]
) -> None:
    # What some of them cannot be without.
    row = {"success": True, "orderID": ORDER, "userReference": ""}
    assert Dialect(surface).structure(row, record).user_reference is None
    # Not in the form that most answers have.
    assert Dialect(surface).structure({**row, "odds": "-110"}, record).user_reference is None


def test_any_other_text_that_is_a_number_is_missing() -> None:
    written = {"id": GAME, "participants": [{"rotationNumber": 501, "longName": "Lakers"}]}
    order = REST.structure({"game": written}, OpenOrder)
    assert order.game is not None
    (participant,) = order.game.participants
    assert (participant.rotation_number, participant.long_name) == (None, "Lakers")


def test_a_participant_that_is_none_keeps_the_places_of_the_others() -> None:
    written = {"id": GAME, "participants": [None, {"longName": "Lakers"}]}
    order = REST.structure({"game": written}, OpenOrder)
    assert order.game is not None
    assert [each.long_name for each in order.game.participants] == [None, "Lakers"]


# Every field of every record, one at a time.

RECORDS: list[type[Any]] = [OpenOrder, MatchedBet, OrderDetail, User]


def full(record: Any) -> dict[str, Any]:
    """Return a document with a value for every field of a record, as its type has it."""
    values = {"bool": True, "int": 5, "float": 5.5, "datetime": "2026-01-01T00:00:00Z"}
    written: dict[str, Any] = {}
    for each in attrs.fields(record):
        name = REST._wire_name(each)
        kind = str(each.type)
        if "Game" in kind:
            written[name] = {"id": GAME, "live": False, "participants": [{"id": ORDER}]}
        else:
            known = [value for key, value in values.items() if key in kind and "str" not in kind]
            written[name] = known[0] if known else "text"
    return written


FIELDS = [(record, name) for record in RECORDS for name in full(record)]


@pytest.mark.parametrize("odd", ODD, ids=repr)
@pytest.mark.parametrize(
    ("record", "name"), FIELDS, ids=[f"{record.__name__}-{name}" for record, name in FIELDS]
)
def test_an_odd_value_costs_itself_alone(record: type[Any], name: str, odd: object) -> None:
    right = full(record)
    changed = REST.structure({**right, name: odd}, record)
    missing = REST.structure({k: v for k, v in right.items() if k != name}, record)
    (field,) = [each for each in attrs.fields(record) if REST._wire_name(each) == name]
    whole = REST.structure(right, record)
    for each in attrs.fields(record):
        if each is not field:
            assert getattr(changed, each.name) == getattr(whole, each.name)
    if isinstance(odd, list) or odd == {"$oid": ORDER}:
        # No field but a game has a type that these could be of.
        assert getattr(changed, field.name) in (getattr(missing, field.name), attrs_game(odd))


def attrs_game(odd: object) -> object:
    """Return the game that an object is read as, where a game is expected."""
    order = REST.structure({"game": odd}, OpenOrder) if isinstance(odd, dict) else None
    return order and order.game


def test_an_odd_value_is_logged_once_without_itself(caplog: pytest.LogCaptureFixture) -> None:
    dialect = Dialect("rest")
    odd = {"id": ORDER, "odds": "secret", "game": {"participants": [{"rotationNumber": 501}] * 2}}
    with caplog.at_level(logging.DEBUG, "fourcasters_async"):
        for _ in range(3):
            dialect.structure({"unmatched": [odd, odd]}, OpenOrdersPage, "$.data", "GET /x: ")
    assert [(record.levelname, record.getMessage()) for record in caplog.records] == [
        ("DEBUG", f"GET /x: {path} is not of its type, and is taken as missing")
        for path in (
            "$.data.unmatched[].odds: a string",
            "$.data.unmatched[].game.participants[].rotationNumber: a number",
        )
    ]


def test_what_is_remembered_of_odd_values_is_bounded(caplog: pytest.LogCaptureFixture) -> None:
    dialect = Dialect("rest")
    with caplog.at_level(logging.DEBUG, "fourcasters_async"):
        for number in range(2000):
            dialect.structure({"odds": "EVEN"}, OpenOrder, f"$.{number}")
    assert len(caplog.records) == 1000


def test_nothing_is_logged_of_right_values(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.DEBUG, "fourcasters_async"):
        for record in RECORDS:
            Dialect("rest").structure(full(record), record)
    assert not caplog.records


# What a proof is made of.


def every_leaf(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Yield the path of everything inside a document."""
    inside = value.items() if isinstance(value, dict) else enumerate(value)
    for key, each in inside:
        yield (*path, key)
        if isinstance(each, dict | list):
            yield from every_leaf(each, (*path, key))


def put(document: Any, path: tuple[Any, ...], value: object) -> Any:
    changed = holder = copy.deepcopy(document)
    for key in path[:-1]:
        holder = holder[key]
    holder[path[-1]] = value
    return changed


async def test_an_odd_value_in_a_read_costs_no_proof(
    fake_exchange: FakeExchange, orders: Orders
) -> None:
    cancelled = [fake_exchange.add_game(orders=1).game_id for _ in range(50)]
    fake_exchange.add_game(orders=1)

    def change(data: Any) -> None:
        for order in data["unmatched"]:
            order["odds"] = "EVEN"
            order["game"]["participants"][0]["rotationNumber"] = 501

    fake_exchange.inject(Changed(change), endpoint="getUnmatched", times=None)
    report = await orders.cancel_all_orders_for_games(cancelled, verify=True)
    assert report.verified_clear
    assert fake_exchange.received("getUnmatched") == 1


@pytest.mark.virtual_time
async def test_no_single_value_of_a_row_makes_its_game_clear(
    fake_exchange: FakeExchange, session: AsyncSession
) -> None:
    game = fake_exchange.add_game(orders=1).game_id
    rows = (await open_rows(session, fake_exchange))[0]
    for path, odd in itertools.product(every_leaf(rows), ODD):
        if path == (0, "game", "id") and isinstance(odd, str) and odd:
            # It is the id of another game.
            continue
        changed = put(rows, path, odd)

        def change(data: Any, changed: Any = changed) -> None:
            data["unmatched"] = changed

        fake_exchange.clear_faults()
        fake_exchange.inject(Changed(change), endpoint="getUnmatched", times=None)
        fake_exchange.inject(NothingToCancel(), endpoint="cancelAllOrdersForGame", times=None)
        fake_exchange.inject(faults.Unavailable(), endpoint="cancelMultiple", times=None)
        report = await session.cancel_all_orders_for_games([game], verify=True, deadline=0.15)
        assert not report.verified_clear, (path, odd)


async def open_rows(session: AsyncSession, exchange: FakeExchange) -> list[Any]:
    """Return the rows of a read as they were written."""
    seen: list[Any] = []

    def note(data: Any) -> None:
        seen.append(data["unmatched"])

    exchange.inject(Changed(note), endpoint="getUnmatched")
    await session.account.get_unmatched()
    return seen


async def read_with(
    exchange: FakeExchange, orders: Orders, change: Callable[[dict[str, Any]], object]
) -> tuple[bool, bool]:
    """Return whether two games are proved: one whose only row is changed, and one without rows."""
    odd, other = exchange.add_game(orders=1).game_id, exchange.add_game().game_id

    def change_row(data: Any) -> None:
        data["unmatched"] = [change(row) for row in data["unmatched"]]

    exchange.inject(Changed(change_row), endpoint="getUnmatched", times=None)
    exchange.inject(faults.Unavailable(), endpoint="cancelMultiple", times=None)
    for endpoint in ("cancelAllOrdersForGame", "cancelAllByGame"):
        exchange.inject(NothingToCancel(), endpoint=endpoint, game_id=odd, times=None)
    report = await orders.cancel_all_orders_for_games([odd, other], verify=True, deadline=1.0)
    first, second = report.outcomes
    return first.resting == [], second.resting == []


@pytest.mark.virtual_time
@pytest.mark.parametrize("order_id", [None, 7, "", [], {"$oid": ORDER}])
async def test_a_row_without_an_id_rests_on_its_game_and_on_no_other(
    fake_exchange: FakeExchange, orders: Orders, order_id: object
) -> None:
    assert await read_with(fake_exchange, orders, lambda row: row | {"id": order_id}) == (
        False,
        True,
    )


@pytest.mark.virtual_time
@pytest.mark.parametrize(
    "game", [None, 7, "x", [], {}, {"id": None}, {"id": 7}, {"id": ""}, {"id": {"$oid": GAME}}]
)
async def test_a_row_whose_game_cannot_be_read_may_be_on_any(
    fake_exchange: FakeExchange, orders: Orders, game: object
) -> None:
    assert await read_with(fake_exchange, orders, lambda row: row | {"game": game}) == (
        False,
        False,
    )


@pytest.mark.virtual_time
@pytest.mark.parametrize("row", [None, "x", 7, []])
async def test_a_row_that_is_none_leaves_nothing_proved(
    fake_exchange: FakeExchange, orders: Orders, row: object
) -> None:
    assert await read_with(fake_exchange, orders, lambda _: row) == (False, False)


@pytest.mark.virtual_time
async def test_a_parent_that_cannot_be_read_may_be_any_game(
    fake_exchange: FakeExchange, orders: Orders
) -> None:
    game = fake_exchange.add_game()
    fake_exchange.add_game(parent=game, orders=1)

    def change(data: Any) -> None:
        for row in data["unmatched"]:
            row["game"]["parentGameID"] = {"$oid": game.game_id}

    fake_exchange.inject(Changed(change), endpoint="getUnmatched", times=None)
    report = await orders.cancel_all_orders_for_games([game.game_id], periods=True, deadline=1.0)
    assert not report.verified_clear


@pytest.mark.virtual_time
@pytest.mark.parametrize("field", ["hasMore", "total", "next", "nextCursor"])
@pytest.mark.parametrize("odd", ["yes", [7], {"page": 2}])
async def test_a_mark_of_a_list_cut_short_that_cannot_be_read_leaves_nothing_proved(
    fake_exchange: FakeExchange, orders: Orders, field: str, odd: object
) -> None:
    game = fake_exchange.add_game().game_id

    def change(data: Any) -> None:
        data[field] = odd

    fake_exchange.inject(Changed(change), endpoint="getUnmatched", times=None)
    report = await orders.cancel_all_orders_for_games([game], verify=True, deadline=1.0)
    assert not report.verified_clear


@pytest.mark.virtual_time
@pytest.mark.parametrize(
    "data",
    [
        b"{}",
        b'{"unmatched": null}',
        b'{"unmatched": {}, "matched": [], "graded": []}',
        b'{"unmatched": [], "matched": "", "graded": []}',
        b'{"unmatched": [], "matched": [], "graded": 0}',
        b'{"unmatched": [null], "matched": [], "graded": []}',
    ],
)
async def test_an_order_is_not_absent_because_a_list_could_not_be_read(
    fake_exchange: FakeExchange, session: AsyncSession, data: bytes
) -> None:
    order = quote(fake_exchange.add_game().game_id, "mine")
    said = faults.Respond(b'{"data": ' + data + b"}")
    fake_exchange.inject(said, endpoint="getBetByUserReference", times=None)
    session._gate._late_effect = 0.0
    (found,) = await session.reconcile([order], deadline=1.0)
    assert found.fate is OrderFate.UNDECIDED


async def test_the_optional_parts_of_a_login_do_not_cost_it(fake_exchange: FakeExchange) -> None:
    fake_exchange.add_account("trader", "right-password")

    def change(data: Any) -> None:
        user = data["user"]
        data["user"] = {key: [user[key]] for key in user} | {"auth": user["auth"]}

    fake_exchange.inject(Changed(change), endpoint="login")
    async with AsyncSession(
        username="trader", password="right-password", base_url=fake_exchange.url
    ) as session:
        assert (await session.account.get_me()).username == "trader"
    assert fake_exchange.received("login") == 1


async def test_odd_values_cost_no_place(
    fake_exchange: FakeExchange, orders: Orders, transport: Any
) -> None:
    game = fake_exchange.add_game().game_id

    def change(data: Any) -> None:
        (result,) = data if isinstance(data, list) else data["createdSessions"]
        keep = {"orderID": result["unmatched"]["orderID"]}
        result["unmatched"] = {key: [7] for key in result["unmatched"]} | keep

    fake_exchange.inject(Changed(change), endpoint=transport.place)
    (placed,) = await orders.place([quote(game)])
    (resting,) = fake_exchange.open_orders()
    assert (placed.success, placed.order_id) == (True, resting.order_id)
    assert placed.unmatched is not None
    assert placed.unmatched.offered is None


@pytest.mark.parametrize(
    ("odds", "reference", "amount"), [(1.91, 7, "1,234.50"), ("EVEN", ["x"], "")]
)
async def test_odd_values_cost_no_cancel(
    fake_exchange: FakeExchange,
    orders: Orders,
    transport: Any,
    odds: object,
    reference: object,
    amount: object,
) -> None:
    game = fake_exchange.add_game(orders=20).game_id

    def change(data: Any) -> None:
        data[0] |= {"odds": odds, "userReference": reference, "remaining": amount}

    fake_exchange.inject(Changed(change), endpoint=transport.game, times=None)
    (outcome,) = (await orders.cancel_all_orders_for_games([game])).outcomes
    assert (outcome.status, outcome.complete, outcome.attempts) == ("confirmed", True, 1)
    assert [result.success for result in outcome.results] == [True] * 20
    first = outcome.results[0]
    assert first.odds == (odds if isinstance(odds, float) else None)
    assert first.user_reference == ("7" if reference == 7 else None)
    assert first.remaining is None


def test_a_market_type_that_is_no_text_is_missing() -> None:
    assert REST.structure({"type": 7}, OpenOrder).type is None
    assert REST.structure({"type": "total"}, OpenOrder).type is MarketType.TOTAL
