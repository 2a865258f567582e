"""Placing and editing orders: what is sent, what is said of it, and what is never done twice."""

import asyncio
import json
import logging
import math
import pickle
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, suppress
from decimal import Decimal
from typing import Any

import pytest
from aiohttp import web
from attrs import define, evolve, field, frozen
from support import QUICK, SECOND, until

from fourcasters_async import (
    AsyncSession,
    AuthenticationError,
    BadRequestError,
    DecodeError,
    EditStatus,
    InvalidRequestError,
    MarketType,
    NewOrder,
    NotSentError,
    OrderFate,
    OrdersSocket,
    OrderType,
    OutcomeUnknownError,
    PlaceErrorType,
    PlaceResult,
    RateLimitedError,
    RetryPolicy,
    UnmatchedOffer,
)
from fourcasters_async.orders.verbs import Orders
from fourcasters_async.testing import BookOrder, FakeExchange, faults
from fourcasters_async.testing.rest import Answer

NOWHERE = "f" * 24
# As QUICK, for a server that comes back.
PATIENT = evolve(QUICK, max_attempts=10_000)

LOST = [
    faults.Close(),
    faults.Close(committed=True),
    faults.Reset(),
    faults.Reset(committed=True),
    faults.Stall(),
    faults.Stall(committed=True),
    faults.Truncate(),
    faults.Garbage(),
    faults.Unavailable(),
    faults.Unavailable(committed=True),
    faults.Respond(b""),
    faults.Respond(b"{}"),
    faults.Respond(b'{"data": null}'),
    faults.Respond(b'{"data": "done"}'),
]
every_loss = pytest.mark.parametrize("fault", LOST, ids=repr)


@frozen
class Way:
    """A transport: its verbs, and what its endpoint for placing is called."""

    verbs: Orders
    endpoint: str

    def answer(self, *results: object) -> faults.Fault:
        """Return what answers a place with these results."""
        listed = [*results]
        data = {"createdSessions": listed} if self.endpoint == "place" else listed
        return faults.Respond(json.dumps({"data": data}).encode())


@asynccontextmanager
async def way_over(
    transport: str, exchange: FakeExchange, retry: RetryPolicy = QUICK
) -> AsyncIterator[Way]:
    async with AsyncSession(
        exchange.token,
        base_url=exchange.url,
        orders_url=exchange.orders_url,
        retry=retry,
        timeout=20 * SECOND,
    ) as session:
        if transport == "REST":
            yield Way(session, "place")
            return
        async with session.orders_socket() as orders:
            yield Way(orders, "placeV3")


both_transports = pytest.mark.parametrize("transport", ["REST", "WebSocket"])


@pytest.fixture(params=["REST", "WebSocket"])
async def way(request: pytest.FixtureRequest, fake_exchange: FakeExchange) -> AsyncIterator[Way]:
    async with way_over(request.param, fake_exchange) as way:
        yield way


@pytest.fixture
def new(fake_exchange: FakeExchange) -> NewOrder:
    game = fake_exchange.add_game()
    return NewOrder(game.game_id, MarketType.MONEYLINE, game.home_id, odds=-110, bet=25.5)


@pytest.fixture
def order(fake_exchange: FakeExchange) -> BookOrder:
    return fake_exchange.book.place(fake_exchange.account, fake_exchange.add_game().game_id)


def sent_in(exchange: FakeExchange) -> Any:
    """Return the body of the request that was received last."""
    body = json.loads(exchange.requests[-1].content)
    body.pop("requestID", None)
    for each in body.get("orders", ()):
        # An order without a reference is sent with one that the library makes.
        if str(each.get("userReference")).startswith("fca-"):
            del each["userReference"]
    return body


async def test_an_order_rests_in_the_book_as_it_was_asked_for(
    fake_exchange: FakeExchange, way: Way, new: NewOrder
) -> None:
    await way.verbs.place([evolve(new, user_reference="mine")])
    (resting,) = fake_exchange.open_orders(new.game_id)
    assert (resting.type, resting.side, resting.odds) == ("moneyline", new.side, -110)
    assert (resting.offered, resting.user_reference) == (25.5, "mine")


async def test_a_result_tells_what_rests(
    fake_exchange: FakeExchange, way: Way, new: NewOrder
) -> None:
    (result,) = await way.verbs.place([evolve(new, user_reference="mine")])
    (resting,) = fake_exchange.open_orders()
    assert result == PlaceResult(
        unmatched=UnmatchedOffer(
            resting.order_id,
            wager_request_id=resting.order_id[::-1],
            offered=25.5,
            odds=-110,
            type=MarketType.MONEYLINE,
            side=new.side,
            user_reference="mine",
        )
    )


async def test_results_come_in_the_order_of_the_orders(
    fake_exchange: FakeExchange, way: Way, new: NewOrder
) -> None:
    orders = [evolve(new, odds=101), evolve(new, side="nobody"), evolve(new, odds=103)]
    results = await way.verbs.place(orders)
    assert [result.success for result in results] == [True, False, True]
    placed = [fake_exchange.book.orders[r.order_id].odds for r in results if r.order_id]
    assert placed == [101, 103]


@pytest.mark.parametrize(
    ("wrong", "error_type"),
    [
        ({"side": "nobody"}, PlaceErrorType.VALIDATION),
        ({"bet": 1e6}, PlaceErrorType.LIABILITY),
        ({"order_type": OrderType.FILL_OR_KILL}, PlaceErrorType.ORDER_TYPE_RULES),
    ],
    ids=str,
)
async def test_an_order_that_is_not_taken_is_a_result_with_its_reason(
    fake_exchange: FakeExchange,
    way: Way,
    new: NewOrder,
    wrong: dict[str, Any],
    error_type: PlaceErrorType,
) -> None:
    fake_exchange.book.accounts[fake_exchange.account].max_liability = 1e5
    (result,) = await way.verbs.place([evolve(new, **wrong)])
    assert (result.success, result.error_type, result.order_id) == (False, error_type, None)
    assert result.error
    assert not fake_exchange.open_orders()


async def test_an_error_type_that_nobody_knows_stays_what_it_is(
    fake_exchange: FakeExchange, way: Way, new: NewOrder
) -> None:
    fake_exchange.inject(way.answer({"error": "no", "errorType": "rejected_mood"}))
    (result,) = await way.verbs.place([new])
    assert (result.success, result.error_type) == (False, "rejected_mood")


@pytest.mark.parametrize(
    "refused",
    [
        {"error": "no"},
        {"error": {"message": "no", "code": 400}},
        {"error": "no", "matched": [], "unmatched": {}},
        {"error": "no", "matched": None, "unmatched": None},
    ],
    ids=str,
)
async def test_the_words_of_a_refusal_are_kept_in_any_form(
    fake_exchange: FakeExchange, way: Way, new: NewOrder, refused: dict[str, object]
) -> None:
    fake_exchange.inject(way.answer(refused))
    (result,) = await way.verbs.place([new])
    assert (result.success, result.error) == (False, "no")


@pytest.mark.parametrize("key", ["error", "errorType", "error_type"])
async def test_an_empty_error_is_none(
    fake_exchange: FakeExchange, way: Way, new: NewOrder, key: str
) -> None:
    fake_exchange.inject(way.answer({"matched": [], "unmatched": {"orderID": NOWHERE}, key: ""}))
    (result,) = await way.verbs.place([new])
    assert (result.success, result.order_id) == (True, NOWHERE)


async def test_what_matched_whole_has_fills_and_nothing_that_rests(
    fake_exchange: FakeExchange, way: Way, new: NewOrder
) -> None:
    fill = {"amount": 25.5, "odds": -110, "type": "moneyline", "txID": NOWHERE}
    fake_exchange.inject(way.answer({"matched": [fill], "unmatched": {}}))
    (result,) = await way.verbs.place([new])
    assert (result.success, result.unmatched, result.order_id) == (True, None, None)
    assert [(fill.amount, fill.odds, fill.tx_id) for fill in result.matched] == [
        (25.5, -110, NOWHERE)
    ]


async def test_amounts_in_strings_are_numbers(
    fake_exchange: FakeExchange, way: Way, new: NewOrder
) -> None:
    fill = {"amount": "3.00", "odds": "-110", "risk": "3.03", "win": "2.73", "number": "-3.5"}
    offer = {"orderID": NOWHERE, "offered": "122.000000"}
    fake_exchange.inject(way.answer({"matched": [fill], "unmatched": offer}))
    (result,) = await way.verbs.place([new])
    (matched,) = result.matched
    assert (matched.amount, matched.odds, matched.risk, matched.win) == (3.0, -110, 3.03, 2.73)
    assert result.unmatched is not None
    assert (matched.number, result.unmatched.offered) == (-3.5, 122.0)


async def test_the_wrapped_form_of_an_answer_is_as_good(
    fake_exchange: FakeExchange, new: NewOrder
) -> None:
    fake_exchange.inject(faults.Wrapped(), endpoint="placeV3")
    async with way_over("WebSocket", fake_exchange) as way:
        results = await way.verbs.place([new, evolve(new, side="nobody")])
    (resting,) = fake_exchange.open_orders()
    assert [result.order_id for result in results] == [resting.order_id, None]


# What goes out, and what does not.


@pytest.mark.parametrize("empty", [[], (), iter(())], ids=["list", "tuple", "iterator"])
async def test_no_orders_is_no_request(fake_exchange: FakeExchange, way: Way, empty: Any) -> None:
    assert await way.verbs.place(empty) == []
    assert not fake_exchange.received(way.endpoint)


async def test_orders_may_come_from_a_generator(
    fake_exchange: FakeExchange, way: Way, new: NewOrder
) -> None:
    results = await way.verbs.place(evolve(new, odds=odds) for odds in (101, 102))
    assert [result.success for result in results] == [True, True]
    assert [order.odds for order in fake_exchange.open_orders()] == [101, 102]


async def test_a_generator_that_fails_has_sent_nothing(
    fake_exchange: FakeExchange, way: Way, new: NewOrder
) -> None:
    def orders() -> Iterator[NewOrder]:
        yield new
        raise LookupError("the strategy's own")

    with pytest.raises(LookupError):
        await way.verbs.place(orders())
    assert not fake_exchange.received(way.endpoint)


async def test_an_order_that_is_given_twice_is_placed_twice(
    fake_exchange: FakeExchange, way: Way, new: NewOrder
) -> None:
    first, second = await way.verbs.place([new, new])
    assert first.order_id != second.order_id
    assert len(fake_exchange.open_orders()) == 2


async def test_what_is_not_given_is_not_sent(
    fake_exchange: FakeExchange, way: Way, new: NewOrder
) -> None:
    await way.verbs.place([new])
    game = "gameID" if way.endpoint == "place" else "gameId"
    assert sent_in(fake_exchange) == {
        "orders": [
            {
                game: new.game_id,
                "type": "moneyline",
                "side": new.side,
                "odds": -110,
                "bet": 25.5,
            }
        ]
    }


# What might be valid: the exchange decides.
PERHAPS: list[tuple[dict[str, Any], dict[str, object]]] = [
    (
        {"type": MarketType.MONEYLINE_1X2, "side": "no", "market": "draw"},
        {"type": "moneyline1x2", "side": "no", "market": "draw"},
    ),
    ({"type": MarketType.MONEYLINE_1X2, "side": "draw"}, {"type": "moneyline1x2", "side": "draw"}),
    ({"side": "Los Angeles Lakers"}, {"side": "Los Angeles Lakers"}),
    ({"type": MarketType.SPREAD}, {"type": "spread"}),
    ({"type": MarketType.TOTAL, "number": 220}, {"type": "total", "number": 220}),
    ({"number": 0}, {"number": 0}),
    ({"number": -3.25}, {"number": -3.25}),
    ({"market": "draw"}, {"market": "draw"}),
    ({"game_id": "not-hexadecimal"}, {}),
    ({"odds": 100}, {"odds": 100}),
    ({"odds": -100}, {"odds": -100}),
    ({"odds": 1_000_000}, {"odds": 1_000_000}),
    ({"bet": 0.001}, {"bet": 0.001}),
    ({"bet": 10**12}, {"bet": 10**12}),
    ({"bet": 0.1 + 0.2}, {"bet": 0.1 + 0.2}),
    ({"order_type": OrderType.POST_ARB}, {"orderType": "postArb"}),
    ({"expiration_minutes": 10**9}, {"expirationMinutes": 10**9}),
    ({"user_reference": " µ 🏀 " * 100}, {"userReference": " µ 🏀 " * 100}),
]


@pytest.mark.parametrize(("given", "written"), PERHAPS, ids=str)
async def test_what_might_be_valid_is_sent_as_it_is(
    fake_exchange: FakeExchange,
    way: Way,
    new: NewOrder,
    given: dict[str, Any],
    written: dict[str, object],
) -> None:
    asked = evolve(new, **given)
    await way.verbs.place([asked])
    game = {"gameID" if way.endpoint == "place" else "gameId": asked.game_id}
    bare = {**game, "type": "moneyline", "side": new.side, "odds": -110, "bet": 25.5}
    assert sent_in(fake_exchange) == {"orders": [{**bare, **written}]}


async def test_a_member_and_its_value_are_the_same(
    fake_exchange: FakeExchange, way: Way, new: NewOrder
) -> None:
    for type_ in MarketType:
        for order_type in OrderType:
            given = evolve(new, type=type_, order_type=order_type)
            await way.verbs.place(
                [given, evolve(given, type=type_.value, order_type=order_type.value)]
            )
            by_member, by_value = sent_in(fake_exchange)["orders"]
            assert by_member == by_value
            assert (by_value["type"], by_value["orderType"]) == (type_.value, order_type.value)


NONSENSE: dict[str, list[Any]] = {
    "game_id": ["", " ", None, 5, b"f", "a/b", "a\\b", "a\nb", " f", "\ud800", "x" * 129],
    "type": ["", "MONEYLINE", "prop", None, 1, True, ["moneyline"]],
    "side": ["", " ", None, 5, b"over", "over ", "a\nb", "x" * 129],
    "odds": [0, 99, -99, 1.91, 110.0, "110", "-110", None, True, math.nan, math.inf, Decimal(110)],
    "bet": [0, 0.0, -25.5, math.nan, math.inf, -math.inf, "25.5", None, True, Decimal(25), 1e300],
    "number": [math.nan, math.inf, "-3.5", True, Decimal("-3.5"), [3.5], 10**400],
    "market": ["", " ", 5, b"draw", "a/b", "draw\n"],
    "order_type": ["", "LIMIT", "market", 1, True],
    "expiration_minutes": [0, -5, 1.5, 5.0, "5", True, math.nan],
    "user_reference": ["", 5, b"mine", "a\nb", "a\x00", "\ud800", "x" * 1025],
}


@pytest.mark.parametrize(
    ("name", "value"), [(name, value) for name in NONSENSE for value in NONSENSE[name]], ids=repr
)
async def test_nonsense_is_refused_by_its_place_and_nothing_is_sent(
    fake_exchange: FakeExchange, way: Way, new: NewOrder, name: str, value: Any
) -> None:
    with pytest.raises(InvalidRequestError, match=rf"^orders\[3\]\.{name}: must "):
        await way.verbs.place([new, new, new, evolve(new, **{name: value})])
    assert not fake_exchange.received(way.endpoint)


@pytest.mark.parametrize("name", ["odds", "bet", "number", "expiration_minutes"])
@pytest.mark.parametrize("digits", [20, 5000])
async def test_a_whole_number_that_no_json_number_holds_is_refused(
    fake_exchange: FakeExchange, way: Way, new: NewOrder, name: str, digits: int
) -> None:
    huge: dict[str, Any] = {name: 10**digits}
    with pytest.raises(InvalidRequestError, match=rf"^orders\[0\]\.{name}: must "):
        await way.verbs.place([evolve(new, **huge)])
    assert not fake_exchange.received(way.endpoint)


class Float(float):
    """A number such as numpy makes them."""


async def test_a_float_of_another_library_is_sent_as_the_number_that_it_is(
    fake_exchange: FakeExchange, way: Way, new: NewOrder
) -> None:
    await way.verbs.place([evolve(new, type="spread", bet=Float(25.5), number=Float(-3.5))])
    (sent,) = sent_in(fake_exchange)["orders"]
    assert (sent["bet"], sent["number"]) == (25.5, -3.5)


@pytest.mark.parametrize("value", [None, "order", {}, 5, ("f", "moneyline")], ids=repr)
async def test_what_is_no_order_is_refused_by_its_place(
    fake_exchange: FakeExchange, way: Way, new: NewOrder, value: Any
) -> None:
    with pytest.raises(InvalidRequestError, match=r"^orders\[1\]: must be a NewOrder"):
        await way.verbs.place([new, value])
    assert not fake_exchange.received(way.endpoint)


async def test_one_order_is_no_list_of_orders(
    fake_exchange: FakeExchange, way: Way, new: NewOrder
) -> None:
    for orders in (new, "orders", None, 5):
        with pytest.raises(InvalidRequestError, match=r"^orders: must be a list"):
            await way.verbs.place(orders)  # type: ignore[arg-type]  # on purpose
    assert not fake_exchange.received(way.endpoint)


# What is never done twice.


@every_loss
async def test_orders_that_may_have_been_placed_are_not_placed_again(
    fake_exchange: FakeExchange, way: Way, new: NewOrder, fault: faults.Fault
) -> None:
    fake_exchange.inject(fault, endpoint=way.endpoint, times=None)
    with pytest.raises(OutcomeUnknownError) as caught:
        await way.verbs.place([new])
    assert fake_exchange.received(way.endpoint) == caught.value.attempts == 1


@pytest.mark.parametrize(
    "text",
    [
        "Failed to process placeV3",
        "system_error",
        "System error",
        "context canceled",
        "unexpected EOF",
        "write: broken pipe",
        "read tcp 10.0.0.1:443: connection reset by peer",
        "connection closed",
        "panic: runtime error",
    ],
)
async def test_an_error_of_the_exchange_itself_leaves_the_outcome_unknown(
    fake_exchange: FakeExchange, new: NewOrder, text: str
) -> None:
    fake_exchange.inject(faults.Respond(json.dumps({"error": text}).encode()), endpoint="placeV3")
    async with way_over("WebSocket", fake_exchange) as way:
        with pytest.raises(OutcomeUnknownError):
            await way.verbs.place([new])
    assert fake_exchange.received("placeV3") == 1


async def test_after_an_unknown_outcome_the_book_tells_by_the_reference(
    fake_exchange: FakeExchange, session: AsyncSession, new: NewOrder
) -> None:
    fake_exchange.inject(faults.Close(committed=True), endpoint="place")
    with pytest.raises(OutcomeUnknownError):
        await session.place([evolve(new, user_reference="mine")])
    (resting,) = await session.account.get_unmatched()
    assert resting.user_reference == "mine"


@both_transports
async def test_orders_that_were_not_sent_are_placed_once_the_exchange_is_back(
    fake_exchange: FakeExchange,
    new: NewOrder,
    caplog: pytest.LogCaptureFixture,
    transport: str,
) -> None:
    caplog.set_level(logging.DEBUG, "fourcasters_async")
    async with way_over(transport, fake_exchange, PATIENT) as way:
        async with fake_exchange.refusing():
            if isinstance(way.verbs, OrdersSocket):
                orders = way.verbs
                await until(lambda: not orders.connected)
            placing = asyncio.create_task(way.verbs.place([new]))
            await until(lambda: "again in" in caplog.text)
        (result,) = await placing
    assert result.success
    assert fake_exchange.received(way.endpoint) == len(fake_exchange.open_orders()) == 1


async def test_orders_that_could_never_be_sent_are_not_sent(
    fake_exchange: FakeExchange, way: Way, new: NewOrder
) -> None:
    async with fake_exchange.refusing():
        if isinstance(way.verbs, OrdersSocket):
            orders = way.verbs
            await until(lambda: not orders.connected)
        with pytest.raises(NotSentError):
            await way.verbs.place([new])
    assert not fake_exchange.received(way.endpoint)


async def test_too_many_requests_is_raised_and_not_repeated(
    fake_exchange: FakeExchange, way: Way, new: NewOrder
) -> None:
    fake_exchange.inject(faults.TooManyRequests("0"), endpoint=way.endpoint)
    with pytest.raises(RateLimitedError):
        await way.verbs.place([new])
    assert fake_exchange.received(way.endpoint) == 1


async def test_too_many_places_hold_back_later_ones(
    fake_exchange: FakeExchange, session: AsyncSession, new: NewOrder
) -> None:
    fake_exchange.inject(faults.TooManyRequests("60"), endpoint="place")
    with pytest.raises(RateLimitedError):
        await session.place([new])
    with pytest.raises(NotSentError, match="asked to wait"):
        await session.place([new])
    with pytest.raises(NotSentError, match="asked to wait"):
        await session.edit_order(NOWHERE, order_odds=120, order_volume=40)
    assert fake_exchange.received() == 1


async def test_too_many_places_hold_back_no_cancel_and_no_read(
    fake_exchange: FakeExchange, session: AsyncSession, new: NewOrder, order: BookOrder
) -> None:
    fake_exchange.inject(faults.TooManyRequests("60"), endpoint="place")
    with pytest.raises(RateLimitedError):
        await session.place([new])
    await session.cancel(order.order_id)
    assert await session.account.get_unmatched() == []


async def test_an_expired_token_costs_one_login_and_the_orders_are_placed_once(
    fake_exchange: FakeExchange, new: NewOrder
) -> None:
    expired = fake_exchange.add_account("trader", "secret")
    fake_exchange.revoke(expired)
    async with AsyncSession(
        expired, username="trader", password="secret", base_url=fake_exchange.url, retry=QUICK
    ) as session:
        (result,) = await session.place([new])
    (resting,) = fake_exchange.book.open_orders("trader")
    assert result.order_id == resting.order_id
    assert [received.endpoint for received in fake_exchange.requests] == ["place", "login", "place"]


async def test_a_token_that_is_refused_without_credentials_is_raised_and_not_repeated(
    fake_exchange: FakeExchange, way: Way, new: NewOrder
) -> None:
    fake_exchange.inject(faults.Unauthorized(), endpoint=way.endpoint)
    with pytest.raises(AuthenticationError):
        await way.verbs.place([new])
    assert fake_exchange.received(way.endpoint) == 1


# Answers to something else.

PLACED = {"matched": [], "unmatched": {"orderID": NOWHERE, "type": "moneyline"}}
FILLED = {"matched": [{"type": "moneyline"}], "unmatched": {}}


# What cannot be the answer, and the ids of the orders that it names all the same.
CONTRADICTIONS: list[tuple[list[object], list[str]]] = [
    ([], []),
    ([PLACED], [NOWHERE]),
    ([PLACED] * 3, [NOWHERE] * 3),
    ([PLACED, {}], [NOWHERE]),
    ([PLACED, None], [NOWHERE]),
    ([PLACED, "placed"], [NOWHERE]),
    ([PLACED, {"matched": None, "unmatched": None}], [NOWHERE]),
    ([PLACED, {"success": True}], [NOWHERE]),
    ([FILLED, {**PLACED, "matched": {}}], [NOWHERE]),
    ([FILLED, {**PLACED, "matched": ["fill"]}], [NOWHERE]),
    ([PLACED, {**PLACED, "unmatched": []}], [NOWHERE]),
    ([PLACED, {**FILLED, "unmatched": []}], [NOWHERE]),
    ([PLACED, {"unmatched": {"offered": 25.5, "odds": -110}}], [NOWHERE]),
    ([PLACED, {"unmatched": {"orderID": None}}], [NOWHERE]),
    ([PLACED, {"unmatched": {"orderId": NOWHERE}}], [NOWHERE]),
    ([PLACED, {"orderID": 7, "offered": "25.50"}], [NOWHERE]),
    ([FILLED, {"error": False}], []),
    ([FILLED, {"error": ["no"]}], []),
    ([FILLED, {"error": {}}], []),
    ([FILLED, {"error": {"code": 500}}], []),
    ([FILLED, {"error": {"message": None}}], []),
    ([FILLED, {"error": {"message": ""}}], []),
    ([FILLED, {"error": ""}], []),
    ([FILLED, {"errorType": "", "error_type": ""}], []),
    ([FILLED, {**PLACED, "error": "no"}], [NOWHERE]),
    ([FILLED, {**PLACED, "error": {"code": 500}}], [NOWHERE]),
    ([FILLED, {**PLACED, "error": 7}], [NOWHERE]),
    ([FILLED, {**PLACED, "errorType": "system_error"}], [NOWHERE]),
    ([FILLED, {**PLACED, "errorType": ["system_error"]}], [NOWHERE]),
    ([FILLED, {**PLACED, "error_type": "system_error"}], [NOWHERE]),
    ([FILLED, {"orderID": NOWHERE, "error": "no"}], [NOWHERE]),
    ([FILLED, {**FILLED, "error": "no"}], []),
]


@pytest.mark.parametrize(("results", "named"), CONTRADICTIONS, ids=str)
async def test_an_answer_that_cannot_be_right_leaves_the_outcome_unknown_and_keeps_the_orders(
    fake_exchange: FakeExchange,
    way: Way,
    new: NewOrder,
    results: list[object],
    named: list[str],
) -> None:
    fake_exchange.inject(way.answer(*results))
    with pytest.raises(OutcomeUnknownError) as caught:
        await way.verbs.place([new, new])
    assert isinstance(caught.value.__cause__, DecodeError)
    assert fake_exchange.received(way.endpoint) == 1
    kept = caught.value.answer or []
    assert [result.order_id for result in kept if result and result.order_id] == named
    assert len(kept) == len(results)


async def test_what_an_answer_says_of_an_order_that_is_not_believed_is_a_record(
    fake_exchange: FakeExchange, way: Way, new: NewOrder
) -> None:
    fake_exchange.inject(way.answer(PLACED, {}))
    with pytest.raises(OutcomeUnknownError) as caught:
        await way.verbs.place([new, new])
    offer = UnmatchedOffer(NOWHERE, type=MarketType.MONEYLINE)
    assert caught.value.answer == [PlaceResult(unmatched=offer), None]
    copied = pickle.loads(pickle.dumps(caught.value))  # noqa: S301  # made in the same line
    assert copied.answer == caught.value.answer


async def test_no_usable_answer_leaves_nothing_to_keep(
    fake_exchange: FakeExchange, way: Way, new: NewOrder
) -> None:
    fake_exchange.inject(faults.Close(), endpoint=way.endpoint)
    with pytest.raises(OutcomeUnknownError) as caught:
        await way.verbs.place([new])
    assert caught.value.answer is None


async def test_a_secret_in_an_answer_is_not_kept_in_the_error(
    fake_exchange: FakeExchange, way: Way, new: NewOrder
) -> None:
    odd = {"error": f"token {fake_exchange.token} is no good"}
    fake_exchange.inject(way.answer(odd, {}))
    with pytest.raises(OutcomeUnknownError) as caught:
        await way.verbs.place([new, new])
    kept = caught.value.answer
    assert kept
    assert kept[0] is not None
    assert "is no good" in (kept[0].error or "")
    assert fake_exchange.token not in repr(vars(caught.value))


async def test_a_session_knows_the_game_of_an_order_that_only_an_odd_answer_named(
    fake_exchange: FakeExchange, way: Way, new: NewOrder
) -> None:
    fake_exchange.inject(way.answer(PLACED, {}))
    with pytest.raises(OutcomeUnknownError):
        await way.verbs.place([new, new])
    assert way.verbs._gate.game_of(NOWHERE) == new.game_id


# What an answer may say otherwise.

OTHER_TERMS: list[dict[str, object]] = [
    {"unmatched": {"orderID": NOWHERE, "type": "spread"}},
    {"matched": [{"type": "moneyline"}, {"type": "total"}], "unmatched": {}},
    {"unmatched": {"orderID": NOWHERE, "userReference": "yours"}},
    {"matched": [{"userReference": "mine"}, {"userReference": "yours"}], "unmatched": {}},
]


@pytest.mark.parametrize("result", OTHER_TERMS, ids=str)
async def test_over_http_an_answer_about_another_order_leaves_the_outcome_unknown(
    fake_exchange: FakeExchange, new: NewOrder, result: dict[str, object]
) -> None:
    async with way_over("REST", fake_exchange) as way:
        fake_exchange.inject(way.answer(result))
        with pytest.raises(OutcomeUnknownError, match=r"where orders\[0\]") as caught:
            await way.verbs.place([evolve(new, user_reference="mine")])
    assert len(caught.value.answer or ()) == 1


@pytest.mark.parametrize("result", OTHER_TERMS, ids=str)
async def test_over_the_websocket_the_request_id_proves_whose_answer_it_is(
    fake_exchange: FakeExchange, new: NewOrder, result: dict[str, object]
) -> None:
    async with way_over("WebSocket", fake_exchange) as way:
        fake_exchange.inject(way.answer(result))
        (placed,) = await way.verbs.place([evolve(new, user_reference="mine")])
    assert placed.success
    assert (placed.order_id is None) == (result.get("unmatched") == {})


async def test_results_in_each_others_places_leave_the_outcome_unknown(
    fake_exchange: FakeExchange, way: Way, new: NewOrder
) -> None:
    orders = [evolve(new, user_reference=reference) for reference in ("mine/1", "mine/2")]
    swapped = [
        {"unmatched": {"orderID": order_id * 24, "userReference": reference}}
        for order_id, reference in (("a", "mine/2"), ("b", "mine/1"))
    ]
    fake_exchange.inject(way.answer(*swapped))
    with pytest.raises(OutcomeUnknownError) as caught:
        await way.verbs.place(orders)
    assert [result and result.order_id for result in caught.value.answer or ()] == [
        "a" * 24,
        "b" * 24,
    ]


@pytest.mark.parametrize("reference", [None, "", "mine", "MINE"])
async def test_a_reference_may_be_left_out_of_an_answer_or_come_in_another_case(
    fake_exchange: FakeExchange, way: Way, new: NewOrder, reference: str | None
) -> None:
    offer = {"orderID": NOWHERE, "userReference": reference}
    fake_exchange.inject(way.answer({"matched": [], "unmatched": offer}))
    (result,) = await way.verbs.place([evolve(new, user_reference=" mine")])
    assert result.order_id == NOWHERE


@pytest.mark.parametrize("length", [1, 20, 59])
async def test_a_reference_that_is_cut_short_is_the_reference(
    fake_exchange: FakeExchange, way: Way, new: NewOrder, length: int
) -> None:
    reference = "quotes/" + "m" * 53
    offer = {"orderID": NOWHERE, "odds": new.odds, "userReference": reference[:length]}
    fake_exchange.inject(way.answer({"unmatched": offer}))
    (result,) = await way.verbs.place([evolve(new, user_reference=reference)])
    assert result.order_id == NOWHERE


@pytest.mark.parametrize(
    "term", [{"odds": 150}, {"side": "nobody"}, {"number": 3.5}, {"type": "spread"}], ids=str
)
async def test_over_http_a_shorter_reference_beside_other_terms_is_that_of_another_order(
    fake_exchange: FakeExchange, new: NewOrder, term: dict[str, object]
) -> None:
    offer = {"orderID": NOWHERE, "userReference": "mine/1", **term}
    async with way_over("REST", fake_exchange) as way:
        fake_exchange.inject(way.answer({"unmatched": offer}))
        with pytest.raises(OutcomeUnknownError, match="about 'mine/1' where"):
            await way.verbs.place([evolve(new, user_reference="mine/12")])


@pytest.mark.parametrize("more", [{}, {"matched": []}, {"matched": None}], ids=str)
async def test_an_offer_that_rests_alone_may_be_flat(
    fake_exchange: FakeExchange, way: Way, new: NewOrder, more: dict[str, object]
) -> None:
    flat = {
        "orderID": NOWHERE,
        "offered": "25.500000",
        "odds": -110,
        "side": new.side,
        "type": "moneyline",
        "number": None,
        "userReference": "mine",
        "wagerRequestID": "w" * 24,
    }
    fake_exchange.inject(way.answer({**flat, **more}))
    (result,) = await way.verbs.place([evolve(new, user_reference="mine")])
    assert result == PlaceResult(
        unmatched=UnmatchedOffer(
            NOWHERE,
            wager_request_id="w" * 24,
            offered=25.5,
            odds=-110,
            type=MarketType.MONEYLINE,
            side=new.side,
            user_reference="mine",
        )
    )


async def test_a_market_type_that_nobody_knows_may_be_another_word_for_the_one_in_question(
    fake_exchange: FakeExchange, way: Way, new: NewOrder
) -> None:
    offer = {"orderID": NOWHERE, "type": "moneyline3"}
    fake_exchange.inject(way.answer({"matched": [], "unmatched": offer}))
    (result,) = await way.verbs.place([new])
    assert result.order_id == NOWHERE


# Edits.


async def test_an_edit_gives_the_new_order_and_what_became_of_the_old(
    fake_exchange: FakeExchange, session: AsyncSession, order: BookOrder
) -> None:
    result = await session.edit_order(order.order_id, order_odds=120, order_volume=40)
    (replacement,) = fake_exchange.open_orders()
    assert (replacement.odds, replacement.offered) == (120, 40)
    assert (result.success, result.order_id) == (True, replacement.order_id)
    assert result.cancelled["sessionID"] == order.order_id


async def test_what_is_said_of_the_old_order_is_kept_as_it_is(
    fake_exchange: FakeExchange, session: AsyncSession, order: BookOrder
) -> None:
    cancelled = {"id": 1, "offered": "12.50", "more": [None, {"odds": "-110"}]}
    body = json.dumps({"data": {**PLACED, "cancelled": cancelled}}).encode()
    fake_exchange.inject(faults.Respond(body))
    assert (
        await session.edit_order(order.order_id, order_odds=120, order_volume=40)
    ).cancelled == cancelled


async def test_an_edit_that_matched_whole_leaves_nothing_that_rests(
    fake_exchange: FakeExchange, session: AsyncSession, order: BookOrder
) -> None:
    fake_exchange.inject(faults.Respond(json.dumps({"data": FILLED}).encode()))
    result = await session.edit_order(order.order_id, order_odds=120, order_volume=40)
    assert (result.success, result.order_id, len(result.matched)) == (True, None, 1)


REQUIRED: dict[str, Any] = {"order_odds": 120, "order_volume": 40}


@pytest.mark.parametrize(
    ("terms", "written"),
    [
        ({}, {}),
        ({"order_odds": -105}, {"orderOdds": -105}),
        ({"order_volume": 40.5}, {"orderVolume": 40.5}),
        ({"order_type": OrderType.POST}, {"orderType": "post"}),
        ({"order_type": "postArb"}, {"orderType": "postArb"}),
        ({"user_reference": "yours"}, {"userReference": "yours"}),
        ({"intended_order_volume": 100}, {"intendedOrderVolume": 100}),
        ({"block_if_no_other_side_orders": False}, {}),
        ({"expiry_change": 10}, {"expiryChange": "10"}),
        ({"expiry_change": 0}, {"expiryChange": "0"}),
    ],
    ids=str,
)
async def test_an_edit_sends_odds_and_volume_and_of_the_other_terms_what_is_given(
    fake_exchange: FakeExchange,
    session: AsyncSession,
    order: BookOrder,
    terms: dict[str, Any],
    written: dict[str, object],
) -> None:
    await session.edit_order(order.order_id, **{**REQUIRED, **terms})
    body = sent_in(fake_exchange)
    if "user_reference" not in terms:
        assert body.pop("userReference").startswith("fca-")
    bare = {"sessionID": order.order_id, "orderOdds": 120, "orderVolume": 40}
    assert body == {**bare, **written}


@pytest.mark.parametrize(
    ("guard", "path"),
    [
        ({}, "/session/editOrder"),
        ({"block_if_no_other_side_orders": False}, "/session/editOrder"),
        ({"intended_order_volume": 100}, "/session/v4/editOrder"),
        ({"block_if_no_other_side_orders": True}, "/session/v4/editOrder"),
    ],
    ids=str,
)
async def test_an_edit_with_a_guard_goes_to_the_endpoint_that_has_it(
    fake_exchange: FakeExchange,
    session: AsyncSession,
    order: BookOrder,
    guard: dict[str, Any],
    path: str,
) -> None:
    noted = Paths()
    fake_exchange.inject(noted)
    with suppress(BadRequestError):
        await session.edit_order(order.order_id, **REQUIRED, **guard)
    assert noted.paths == [path]


async def test_an_edit_whose_order_is_not_as_intended_says_that_nothing_is_in_its_place(
    fake_exchange: FakeExchange, session: AsyncSession, order: BookOrder
) -> None:
    fake_exchange.book.fill(order.order_id, 40.0)
    result = await session.edit_order(
        order.order_id, order_odds=120, order_volume=60, intended_order_volume=100
    )
    assert (result.status, result.success, result.order_id) == (EditStatus.CANCELLED, False, None)
    assert not fake_exchange.open_orders()


async def test_an_edit_that_wants_another_side_leaves_the_order_where_there_is_none(
    fake_exchange: FakeExchange, session: AsyncSession, order: BookOrder
) -> None:
    with pytest.raises(BadRequestError):
        await session.edit_order(
            order.order_id, order_odds=120, order_volume=60, block_if_no_other_side_orders=True
        )
    assert fake_exchange.open_orders() == [order]


DONE, NOT_DONE = {"success": True}, {"success": False, "reason": "Order already filled"}


@pytest.mark.parametrize(
    ("answer", "status"),
    [
        ({"cancelled": DONE, **PLACED}, EditStatus.REPLACED),
        ({"cancelled": {}, **PLACED}, EditStatus.REPLACED),
        ({**PLACED}, EditStatus.REPLACED),
        ({"cancelled": DONE, "orderID": NOWHERE, "offered": "40.00"}, EditStatus.REPLACED),
        ({"cancelled": DONE, **FILLED}, EditStatus.MATCHED),
        ({"cancelled": DONE, "matched": FILLED["matched"]}, EditStatus.MATCHED),
        ({"cancelled": DONE}, EditStatus.CANCELLED),
        ({"cancelled": DONE, "matched": None, "unmatched": None}, EditStatus.CANCELLED),
        ({"cancelled": DONE, "matched": []}, EditStatus.CANCELLED),
        ({"cancelled": DONE, "matched": [], "unmatched": {}}, EditStatus.CANCELLED),
        ({"cancelled": DONE, "error": "no", "errorType": "x"}, EditStatus.CANCELLED),
        ({"cancelled": NOT_DONE}, EditStatus.NOT_CANCELLED),
        ({"cancelled": NOT_DONE, "matched": [], "unmatched": {}}, EditStatus.NOT_CANCELLED),
        ({"cancelled": NOT_DONE, "error": "no"}, EditStatus.NOT_CANCELLED),
        ({"error": "no"}, EditStatus.FAILED),
        ({"cancelled": {"success": "false"}, "error": "no"}, EditStatus.FAILED),
        ({"matched": [], "unmatched": {}}, EditStatus.FAILED),
    ],
    ids=str,
)
async def test_an_edit_says_how_it_ended(
    fake_exchange: FakeExchange,
    session: AsyncSession,
    order: BookOrder,
    answer: dict[str, object],
    status: EditStatus,
) -> None:
    fake_exchange.inject(faults.Respond(json.dumps({"data": answer}).encode()))
    result = await session.edit_order(order.order_id, **REQUIRED)
    placed = status in (EditStatus.REPLACED, EditStatus.MATCHED)
    assert (result.status, result.success) == (status, placed)


@pytest.mark.parametrize(
    "answer",
    [
        {},
        {"cancelled": {}},
        {"cancelled": {"success": "true"}},
        {"cancelled": {"success": 1}, "unmatched": None},
        {"cancelled": NOT_DONE, **PLACED},
        {"cancelled": NOT_DONE, **FILLED},
        {"cancelled": DONE, "error": "no", **PLACED},
        {"cancelled": DONE, "error": {}, **PLACED},
        {"cancelled": {"success": True, "sessionID": "e" * 24}, **PLACED},
    ],
    ids=str,
)
async def test_an_edit_whose_answer_contradicts_itself_ends_unknown_and_keeps_what_rests(
    fake_exchange: FakeExchange,
    session: AsyncSession,
    order: BookOrder,
    answer: dict[str, object],
) -> None:
    fake_exchange.inject(faults.Respond(json.dumps({"data": answer}).encode()))
    with pytest.raises(OutcomeUnknownError) as caught:
        await session.edit_order(order.order_id, **REQUIRED)
    kept = [result.order_id for result in caught.value.answer or () if result is not None]
    assert kept == ([NOWHERE] if answer.get("unmatched") else kept)


async def test_a_replacement_has_the_reference_that_it_was_given_and_not_that_of_the_old_order(
    fake_exchange: FakeExchange, session: AsyncSession, new: NewOrder
) -> None:
    (placed,) = await session.place([evolve(new, user_reference="mine")])
    edited = await session.edit_order(placed.order_id or "", **REQUIRED)
    (replacement,) = fake_exchange.open_orders()
    assert (replacement.order_id, replacement.odds) == (edited.order_id, 120)
    assert (replacement.user_reference or "").startswith("fca-")


async def test_an_edit_that_ended_unknown_can_be_reconciled(
    fake_exchange: FakeExchange, session: AsyncSession, new: NewOrder
) -> None:
    (placed,) = await session.place([new])
    fake_exchange.inject(faults.Close(committed=True), endpoint="editOrder")
    with pytest.raises(OutcomeUnknownError) as caught:
        await session.edit_order(placed.order_id or "", **REQUIRED)
    (fate,) = await session.reconcile(caught.value.orders, deadline=5 * SECOND)
    (replacement,) = fake_exchange.open_orders()
    assert (fate.fate, [order.order_id for order in fate.unmatched]) == (
        OrderFate.RESTING,
        [replacement.order_id],
    )
    report = await session.cancel_all_orders_for_games([new.game_id], verify=True)
    assert (report.undecided, report.verified_clear) == ((), True)


async def test_an_old_order_that_rests_does_not_decide_an_edit_with_its_reference(
    fake_exchange: FakeExchange, session: AsyncSession, new: NewOrder
) -> None:
    (placed,) = await session.place([evolve(new, user_reference="mine")])
    fake_exchange.inject(faults.Close(), endpoint="editOrder")
    with pytest.raises(OutcomeUnknownError) as caught:
        await session.edit_order(placed.order_id or "", **REQUIRED, user_reference="mine")
    await session.reconcile(caught.value.orders, deadline=SECOND)
    (undecided,) = (await session.cancel_all_orders_for_games([new.game_id])).undecided
    assert (undecided.user_reference, undecided.order_id) == ("mine", placed.order_id)


async def test_an_edit_on_a_game_that_is_not_known_has_no_order_to_look_up(
    fake_exchange: FakeExchange, session: AsyncSession, order: BookOrder
) -> None:
    fake_exchange.inject(faults.Close(), endpoint="editOrder")
    with pytest.raises(OutcomeUnknownError) as caught:
        await session.edit_order(order.order_id, **REQUIRED)
    assert caught.value.orders == ()


@pytest.mark.parametrize(
    ("name", "value"),
    [
        *(("order_id", value) for value in NONSENSE["game_id"]),
        *(("order_odds", value) for value in NONSENSE["odds"]),
        *(("order_volume", value) for value in NONSENSE["bet"]),
        *(("intended_order_volume", value) for value in NONSENSE["bet"] if value is not None),
        *(("order_type", value) for value in NONSENSE["order_type"]),
        *(("user_reference", value) for value in NONSENSE["user_reference"]),
        *(("expiry_change", value) for value in NONSENSE["expiration_minutes"] if value != 0),
        *(("block_if_no_other_side_orders", value) for value in (None, 0, 1, "true")),
    ],
    ids=repr,
)
async def test_nonsense_in_an_edit_is_refused_by_its_name_and_nothing_is_sent(
    fake_exchange: FakeExchange, session: AsyncSession, name: str, value: Any
) -> None:
    terms = {"order_id": NOWHERE, **REQUIRED, name: value}
    with pytest.raises(InvalidRequestError, match=rf"^{name}: must "):
        await session.edit_order(**terms)
    assert not fake_exchange.requests


@pytest.mark.parametrize("name", ["order_odds", "order_volume", "expiry_change"])
@pytest.mark.parametrize("digits", [20, 5000])
async def test_a_whole_number_that_no_json_number_holds_is_refused_in_an_edit(
    fake_exchange: FakeExchange, session: AsyncSession, name: str, digits: int
) -> None:
    huge: dict[str, Any] = {name: 10**digits}
    with pytest.raises(InvalidRequestError, match=rf"^{name}: must "):
        await session.edit_order(NOWHERE, **{**REQUIRED, **huge})
    assert not fake_exchange.requests


@define
class Paths(faults.Fault):
    """No fault: the right answer, and a note of where it was asked."""

    paths: list[str] = field(factory=list)

    async def __call__(self, call: faults.Call) -> web.StreamResponse:
        self.paths.append(call.request.path)
        return faults.respond(call.commit())


@frozen
class CancelAndFail(faults.Fault):
    """The exchange cancels the order, and then does not replace it."""

    order: BookOrder

    async def __call__(self, call: faults.Call) -> web.StreamResponse:
        self.order.cancelled = True
        return call.refuse(Answer(400, {"error": "Invalid orderVolume"}), "")


async def test_a_refused_edit_is_raised_and_not_repeated_though_the_old_order_is_gone(
    fake_exchange: FakeExchange, session: AsyncSession, order: BookOrder
) -> None:
    fake_exchange.inject(CancelAndFail(order), endpoint="editOrder")
    with pytest.raises(BadRequestError, match="Invalid orderVolume"):
        await session.edit_order(order.order_id, order_odds=120, order_volume=40)
    assert fake_exchange.received() == 1
    assert (await session.lookup_order(order.order_id)).cancelled


async def test_an_edit_that_the_exchange_refuses_leaves_the_order_it_knows(
    fake_exchange: FakeExchange, session: AsyncSession, order: BookOrder
) -> None:
    with pytest.raises(BadRequestError):
        await session.edit_order(
            order.order_id, order_odds=120, order_volume=40, order_type=OrderType.FILL_OR_KILL
        )
    assert fake_exchange.open_orders() == [order]


@every_loss
async def test_an_edit_that_may_have_taken_effect_is_not_repeated(
    fake_exchange: FakeExchange, session: AsyncSession, order: BookOrder, fault: faults.Fault
) -> None:
    fake_exchange.inject(fault, endpoint="editOrder", times=None)
    with pytest.raises(OutcomeUnknownError) as caught:
        await session.edit_order(order.order_id, order_odds=120, order_volume=40)
    assert fake_exchange.received() == caught.value.attempts == 1


async def test_too_many_edits_are_raised_and_hold_back_no_cancel(
    fake_exchange: FakeExchange, session: AsyncSession, order: BookOrder
) -> None:
    fake_exchange.inject(faults.TooManyRequests("60"), endpoint="editOrder")
    with pytest.raises(RateLimitedError):
        await session.edit_order(order.order_id, order_odds=120, order_volume=40)
    assert (await session.cancel(order.order_id)).success
    assert fake_exchange.received("editOrder") == 1


async def test_an_edit_that_was_not_sent_is_made_once_the_exchange_is_back(
    fake_exchange: FakeExchange, order: BookOrder, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG, "fourcasters_async")
    async with AsyncSession(
        fake_exchange.token, base_url=fake_exchange.url, retry=PATIENT
    ) as session:
        async with fake_exchange.refusing():
            editing = asyncio.create_task(
                session.edit_order(order.order_id, order_odds=120, order_volume=40)
            )
            await until(lambda: "again in" in caplog.text)
        result = await editing
    (replacement,) = fake_exchange.open_orders()
    assert (fake_exchange.received(), result.order_id) == (1, replacement.order_id)


# The records.


@pytest.mark.parametrize(
    ("result", "success"),
    [
        (PlaceResult(), True),
        (PlaceResult(error="no"), False),
        (PlaceResult(error_type=PlaceErrorType.SYSTEM), False),
        (PlaceResult(error="no", error_type="rejected_mood"), False),
    ],
    ids=str,
)
def test_a_result_is_a_success_unless_it_has_an_error_of_any_kind(
    result: PlaceResult, success: bool
) -> None:
    assert result.success is success


def test_the_order_of_a_result_is_the_one_that_rests() -> None:
    assert PlaceResult().order_id is None
    assert PlaceResult(unmatched=UnmatchedOffer(NOWHERE)).order_id == NOWHERE
