"""What the client sends and how it reads answers, against the exchange's OpenAPI document."""

import asyncio
import json
import re
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from typing import Any

import attrs
import orjson
import pytest
from aiohttp import web
from attrs import define, field, frozen
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st
from spec import (
    ANYTHING,
    ARGUMENTS,
    DECODED,
    DOCUMENTED,
    EDIT,
    ENDPOINTS,
    GAME,
    GAME_TYPES,
    HEARTBEAT,
    LEAGUE,
    LOGIN,
    LOGOUT,
    LOOKUP,
    ME,
    NOWHERE,
    OPEN,
    PLACE,
    PLACES,
    REFERENCE,
    Spec,
    answer_schema,
    assert_valid,
    documents,
    furnish,
    operation,
    request_of,
    resolved,
)

from fourcasters_async import ApiError, AsyncSession, DecodeError
from fourcasters_async._http.response import decode
from fourcasters_async.models import (
    CancelResult,
    EditResult,
    Game,
    GameMarket,
    MarketType,
    MatchedBet,
    NewOrder,
    OpenOrder,
    OrderDetail,
    OrderType,
    Participant,
    PlaceResult,
    User,
)
from fourcasters_async.models.order import OpenOrdersPage
from fourcasters_async.models.unread import UnreadResults
from fourcasters_async.models.user import AuthenticatedUser
from fourcasters_async.testing import FakeExchange, faults

Test = Callable[..., None]
Answers = dict[str, st.SearchStrategy[Any]]

# No field of any record begins so.
UNKNOWN_FIELDS = st.dictionaries(st.text().map("new{}".format), ANYTHING, min_size=1, max_size=3)
# How the web site shows things to a person, and what it asks of one: the records have none of it.
PASSED_OVER = {
    "accessCode",
    "code",
    "defaultRotationNumbers",
    "defaultSendOrderMessage",
    "displayRotationNumbers",
    "email",
    "isAlphaUser",
    "matchedVolume",
    "openInterest",
    "p2pCode",
    "passwordSecurityChecks",
    "showChatLastMessage",
    "sportsbookDefault",
    "sportsbookMinimumDisplay",
    "viewOddsWithCommission",
    "yesNoSummary",
}
# The keys of `data` of which the client gives the value alone.
INSIDE = {
    LOOKUP: "order",
    OPEN: "unmatched",
    ME: "user",
    LOGIN: "user",
    PLACE: "createdSessions",
}
RENAMED = {
    (AuthenticatedUser, "id"): "user_id",
    (CancelResult, "sessionID"): "order_id",
    (Game, "id"): "game_id",
    (MatchedBet, "id"): "bet_id",
    (MatchedBet, "OU"): "over_under",
    (OpenOrder, "id"): "order_id",
    (OrderDetail, "id"): "order_id",
    (OrderDetail, "OU"): "over_under",
    (OrderDetail, "participant"): "participant_id",
    (Participant, "id"): "participant_id",
    (User, "id"): "user_id",
}


@pytest.fixture(scope="session")
def answers(spec: Spec) -> Answers:
    return {
        path: documents(spec, answer_schema(spec, path), ENDPOINTS[path].insists)
        for path in DECODED
    }


def over_answers(*arguments: Any, names: str | tuple[str, str] = "path") -> Callable[[Test], Test]:
    # How long an example takes, and how many are drawn for it, is no part of the contract.
    checks = [HealthCheck.too_slow, HealthCheck.filter_too_much]
    unhurried = settings(deadline=None, suppress_health_check=checks)
    over_arguments = pytest.mark.parametrize(names, arguments)
    return lambda test: over_arguments(unhurried(given(data=st.data())(test)))


def decoded(path: str, document: Any, **arguments: object) -> Any:
    """Decode a document as the answer to a request that it can be the answer to."""
    data = document.get("data", {})
    results = data if isinstance(data, list) else [data]
    ids = [result.get("sessionID") or f"{index:023x}e" for index, result in enumerate(results)]
    # An id is sent once, and has one result.
    assume(len({*ids}) == len(ids))
    # What says that it is no acknowledgement is none.
    assume(path != LEAGUE or results[0].get("ordersReceived") is not False)
    games = [result["gameID"] for result in results if result.get("gameID")]
    named = {"sessionID": [*ids, NOWHERE][0], "sessionIDs": ids, "gameID": [NOWHERE, *games][-1]}
    if path == LOOKUP and data.get("order", {}).get("id"):
        data["order"]["id"] = NOWHERE
    if path == EDIT:
        named["userReference"] = REFERENCE
        for part in parts_of(data):
            if part.get("userReference"):
                part["userReference"] = REFERENCE
    if path == PLACE:
        (order,) = ARGUMENTS["orders"]
        each = data.get("createdSessions", [{}])
        order = order | {"userReference": REFERENCE}
        for part in [part for result in each for part in parts_of(result)]:
            # An answer for this order names its reference.
            if part.get("userReference"):
                part["userReference"] = REFERENCE
        named["orders"] = [order | {"type": type_of(result)} for result in each]
    request = asyncio.run(request_of(path, ARGUMENTS | named | arguments))
    assume(request is not None)  # no ids, no request: there is no such answer
    assert request is not None
    value = decode(request, orjson.dumps(document))
    return value.unmatched if isinstance(value, OpenOrdersPage) else value


def type_of(result: Any) -> str:
    """Return the type of the order that a result can be of."""
    return next((part["type"] for part in parts_of(result) if "type" in part), "total")


def parts_of(result: Any) -> list[Any]:
    """Return what was matched and what rests of one order."""
    return [*result.get("matched", ()), result.get("unmatched", {})]


def but_for_cancelled(value: Any) -> Any:
    """Leave out what is kept as it stands in the answer, and make the records that are not made."""
    if isinstance(value, UnreadResults):
        value = value.read()
    return attrs.evolve(value, cancelled={}) if isinstance(value, EditResult) else value


def at_step(holder: Any, step: str) -> list[Any]:
    """Return what is one step further into a document: an item, or a value that is there."""
    if step == "*":
        return [*holder]
    return [holder[step]] if step in holder else []


def python_name(record: type, wire_name: str) -> str:
    plain = re.sub(r"(?<=[a-z])(?=[A-Z])", "_", wire_name).lower()
    return RENAMED.get((record, wire_name), plain)


def assert_says(value: Any, written: Any) -> None:
    """Compare what was decoded with what was written, field by field."""
    if written is None:
        assert value in (None, [], {})
    elif isinstance(value, dict):
        assert value == written
    elif isinstance(written, dict):
        kept = written.keys() - PASSED_OVER
        if isinstance(value, PlaceResult):
            # Nothing rests; and the old name stands where there is not the new one.
            kept -= {"unmatched"} if written.get("unmatched") == {} else set()
            kept -= {"error_type"} if "errorType" in written else set()
        fields = {python_name(type(value), name): written[name] for name in kept}
        if "user_reference" in fields:
            # One that says nothing is none.
            fields["user_reference"] = fields["user_reference"] or None
        assert fields.keys() <= attrs.fields_dict(type(value)).keys()
        for name in attrs.fields_dict(type(value)):
            assert_says(getattr(value, name), fields.get(name))
    elif isinstance(written, list):
        for item, each in zip(value, written, strict=True):
            assert_says(item, each)
    elif isinstance(value, datetime):
        seconds, _, fraction = written.rstrip("Z").partition(".")
        moment = datetime.strptime(seconds, "%Y-%m-%dT%H:%M:%S").replace(tzinfo=UTC)
        assert value == moment + timedelta(microseconds=int(fraction[:6].ljust(6, "0")))
    else:
        assert value == (float(written) if isinstance(value, float) else written)


@frozen
class Sent:
    request: web.BaseRequest
    content: bytes


@define
class Noted(faults.Fault):
    """No fault: the right answer, and a note of the whole request, its query included."""

    sent: list[Sent] = field(factory=list)

    async def __call__(self, call: faults.Call) -> web.StreamResponse:
        self.sent.append(Sent(call.request, await call.request.read()))
        return faults.respond(call.commit())


@pytest.fixture
def sent(fake_exchange: FakeExchange) -> list[Sent]:
    noted = Noted()
    fake_exchange.inject(noted, times=None)
    return noted.sent


@pytest.fixture
async def all_sent(
    session: AsyncSession, fake_exchange: FakeExchange, sent: list[Sent]
) -> list[Sent]:
    ids = furnish(fake_exchange)
    known = {
        "sessionID": ids["resting order"],
        "orderID": ids["resting order"],
        "gameID": ids["the game"],
    }
    edited = {"sessionID": ids["spread order"]}
    for path, endpoint in ENDPOINTS.items():
        await endpoint.ask(session, ARGUMENTS | known | (edited if path == EDIT else {}))
    home = fake_exchange.book.games[ids["the game"]].home_id
    every_term = NewOrder(
        ids["the game"],
        MarketType.MONEYLINE_1X2,
        "yes",
        odds=-110,
        bet=25.5,
        number=0.5,
        market=home,
        order_type=OrderType.POST,
        expiration_minutes=5,
        user_reference="mine",
    )
    (placed,) = await session.place([every_term])
    await session.edit_order(
        placed.order_id or "",
        order_odds=120,
        order_volume=40.5,
        order_type=OrderType.POST_ARB,
        user_reference="yours",
        expiry_change=10,
    )
    games = [fake_exchange.add_game(orders=3).game_id for _ in GAME_TYPES]
    for game, type_ in zip(games, GAME_TYPES, strict=True):
        await session.cancel_all_orders_for_game(game, type_)
    # An order that comes after its game was cancelled is cancelled by its id.
    await session.cancel_all_orders_for_games(
        [*games, *map(GameMarket, games, GAME_TYPES)],
        type="total",
        verify=True,
        on_outcome=lambda late: fake_exchange.book.place(fake_exchange.account, late.game_id),
    )
    await session.flatten()
    return sent


def test_every_request_goes_to_a_documented_endpoint(spec: Spec, all_sent: list[Sent]) -> None:
    asked = {(each.request.path, each.request.method.lower()) for each in all_sent}
    documented = {(path, method) for path in spec["paths"] for method in spec["paths"][path]}
    assert asked - documented == {(LOGOUT, "post")}
    assert {path for path, _ in asked} == set(ENDPOINTS)


def test_every_body_is_as_documented_and_says_no_more(spec: Spec, all_sent: list[Sent]) -> None:
    for each in all_sent:
        if each.request.path == LOGOUT:
            continue
        body = operation(spec, each.request.path).get("requestBody")
        if body is None:
            assert each.content == b""
        else:
            schema = resolved(spec, body["content"][each.request.headers["Content-Type"]]["schema"])
            closed = {**schema, "additionalProperties": False}
            assert_valid(spec, closed, json.loads(each.content))


def test_every_query_is_as_documented_and_says_no_more(spec: Spec, all_sent: list[Sent]) -> None:
    for each in all_sent:
        documented = {} if each.request.path == LOGOUT else operation(spec, each.request.path)
        parameters = [resolved(spec, known) for known in documented.get("parameters", ())]
        schema = {
            "properties": {known["name"]: known["schema"] for known in parameters},
            "required": [known["name"] for known in parameters if known["required"]],
            "additionalProperties": False,
        }
        assert_valid(spec, schema, dict(each.request.query))
        assert len(each.request.query) == len(set(each.request.query))


def test_a_token_is_sent_where_the_document_wants_one(spec: Spec, all_sent: list[Sent]) -> None:
    for each in all_sent:
        documented = {} if each.request.path == LOGOUT else operation(spec, each.request.path)
        wanted = documented.get("security", spec["security"]) != []
        assert ("Authorization" in each.request.headers) is wanted


# To place there is no example.
@pytest.mark.parametrize(
    "path", [path for path in DOCUMENTED if ENDPOINTS[path].method == "POST" and path != PLACE]
)
async def test_the_documented_example_is_what_is_sent_for_its_arguments(
    spec: Spec, session: AsyncSession, sent: list[Sent], path: str
) -> None:
    # To cancel everything there is no example, and nothing to say.
    example = operation(spec, path)["requestBody"]["content"]["application/json"].get("example", {})
    with suppress(ApiError):  # the sandbox does not know what the examples name
        await ENDPOINTS[path].ask(session, example)
    body = json.loads(sent[0].content)
    if path == EDIT:
        # The new order gets a reference by which it can be found.
        assert body.pop("userReference").startswith("fca-")
    assert body == example


def test_what_the_client_decodes_is_what_has_a_documented_shape(spec: Spec) -> None:
    assert [path for path in DOCUMENTED if answer_schema(spec, path)] == DECODED


@over_answers(*DECODED)
def test_generated_answers_are_documented(
    spec: Spec, answers: Answers, path: str, data: st.DataObject
) -> None:
    assert_valid(spec, answer_schema(spec, path), data.draw(answers[path]))


@over_answers(*DECODED)
def test_an_answer_is_decoded_field_by_field(
    answers: Answers, path: str, data: st.DataObject
) -> None:
    document = data.draw(answers[path])
    written = document["data"]
    assert_says(decoded(path, document), written[INSIDE[path]] if path in INSIDE else written)


@over_answers(*DECODED)
def test_unknown_fields_are_passed_over(answers: Answers, path: str, data: st.DataObject) -> None:
    document, more = data.draw(answers[path]), data.draw(UNKNOWN_FIELDS)
    # An empty object is a word of its own.
    grown = json.loads(json.dumps(document), object_hook=lambda known: known and more | known)
    assert but_for_cancelled(decoded(path, grown)) == but_for_cancelled(decoded(path, document))


@over_answers(*DECODED)
def test_a_number_may_as_well_be_a_string(answers: Answers, path: str, data: st.DataObject) -> None:
    document = data.draw(answers[path])
    in_strings = json.loads(json.dumps(document), parse_int=str, parse_float=str)
    in_numbers = but_for_cancelled(decoded(path, document))
    assert but_for_cancelled(decoded(path, in_strings)) == in_numbers


@over_answers(*PLACES, names=("path", "place"))
def test_an_answer_without_what_it_is_about_is_no_answer(
    answers: Answers, path: str, place: str, data: st.DataObject
) -> None:
    document = data.draw(answers[path])
    *steps, last = place.split(".")
    holders = [document]
    for step in steps:
        holders = [each for holder in holders for each in at_step(holder, step)]
    # Without its id alone an offer would be a word of its own: nothing rests.
    holders = [each for each in holders if each.keys() - {"orderID"}]
    assume(holders)
    del data.draw(st.sampled_from(holders))[last]
    # What was matched is kept beside an offer that has no id.
    with pytest.raises(DecodeError, match=rf"{last}: missing|placed and refused: \(unreadable\)"):
        decoded(path, document)


@over_answers(GAME, REFERENCE)
def test_results_of_other_games_are_no_answer(
    answers: Answers, path: str, data: st.DataObject
) -> None:
    document = data.draw(answers[path])
    assume(any(result.get("gameID") for result in document["data"]))
    with pytest.raises(DecodeError, match="was asked for"):
        decoded(path, document, gameID=NOWHERE)


@pytest.mark.parametrize(
    ("path", "body"),
    [
        (HEARTBEAT, '{"data": {"type": "heartbeatAck", "serverTime": 1, "timeoutSec": 6}}'),
        (LOGOUT, "{}"),
        (LOGOUT, '{"data": {}}'),
    ],
)
async def test_nothing_is_asked_of_what_an_acknowledgement_says(
    session: AsyncSession, fake_exchange: FakeExchange, path: str, body: str
) -> None:
    # For each attempt: the sandbox's own answer to a second one would do.
    fake_exchange.inject(faults.Respond(body.encode()), times=None)
    await ENDPOINTS[path].ask(session, ARGUMENTS)
