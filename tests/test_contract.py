"""The client and the sandbox against the exchange's own OpenAPI document."""

import json
import re
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from typing import Any
from unittest.mock import AsyncMock

import aiohttp
import attrs
import orjson
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from openapi_schema_validator import OAS30Validator, oas30_format_checker

from fourcasters_async import ApiError, AsyncSession, DecodeError
from fourcasters_async._http import Http
from fourcasters_async._reply import decode
from fourcasters_async._request import Request
from fourcasters_async.account import UNMATCHED
from fourcasters_async.models import CancelResult, Game, GameMarket, MarketType, OpenOrder
from fourcasters_async.orders import _cancel_all_orders_for_game
from fourcasters_async.testing import FakeExchange
from fourcasters_async.testing.exchange import Received

Spec = dict[str, Any]
Test = Callable[..., None]

CANCEL, MULTIPLE = "/session/cancelAllOrdersForGame", "/session/cancelMultiple"
OPEN = "/user/getUnmatched"
METHODS = {CANCEL: "post", MULTIPLE: "post", OPEN: "get"}
# The document does not list `moneyline1x2` for a game cancel. The client sends it all the same.
TYPES = [None, *(member for member in MarketType if member is not MarketType.MONEYLINE_1X2)]
NOWHERE = "f" * 24
SEEN_ERROR = {
    "required": ["message", "code"],
    "properties": {"message": {"type": "string"}, "code": {"type": "integer"}},
}
# `HttpError` requires nothing, so an empty object is one.
ERROR = {
    "required": ["error"],
    "anyOf": [{"$ref": "#/components/schemas/HttpError"}, {"properties": {"error": SEEN_ERROR}}],
}
# The document requires none of these and the client all: an answer that does not say what was
# cancelled must never pass for one that says that there was nothing to cancel.
INSISTED_ON = {"data", "unmatched", "success"}
# Beyond these, JSON does not promise that a whole number arrives as it was sent.
INTEGERS = st.integers(-(2**53) + 1, 2**53 - 1)
NUMBERS = INTEGERS | st.floats(allow_nan=False, allow_infinity=False)
PRIMITIVES = {"string": st.text(), "number": NUMBERS, "integer": INTEGERS, "boolean": st.booleans()}
FRACTIONS = st.just("") | st.from_regex(r"\.[0-9]{1,9}", fullmatch=True)
MOMENTS = st.builds("{}T{:%H:%M:%S}{}Z".format, st.dates(), st.times(), FRACTIONS)
ANYTHING = st.none() | NUMBERS | st.lists(st.booleans()) | st.dictionaries(st.text(), st.text())
# No field of any record begins so.
UNKNOWN_FIELDS = st.dictionaries(st.text().map("new{}".format), ANYTHING, min_size=1, max_size=3)


def assert_valid(spec: Spec, schema: Spec, value: object) -> None:
    # The document calls itself 3.1 but writes `nullable`, which only 3.0 knows: read as 3.1, it
    # would allow no null.
    whole = {**schema, "components": spec["components"]}
    OAS30Validator(whole, format_checker=oas30_format_checker).validate(value)


def answer_schema(spec: Spec, path: str) -> Spec:
    responses = spec["paths"][path][METHODS[path]]["responses"]
    schema: Spec = responses["200"]["content"]["application/json"]["schema"]
    return schema


def properties(spec: Spec, name: str) -> set[str]:
    return set(spec["components"]["schemas"][name]["properties"])


def documents(spec: Spec, schema: Spec) -> st.SearchStrategy[Any]:
    made: st.SearchStrategy[Any]
    if "$ref" in schema:
        made = documents(spec, spec["components"]["schemas"][schema["$ref"].rpartition("/")[2]])
    elif "allOf" in schema:
        parts = st.tuples(*(documents(spec, part) for part in schema["allOf"]))
        made = parts.map(lambda parts: {k: v for part in parts for k, v in part.items()})
    elif "enum" in schema:
        made = st.sampled_from(schema["enum"])
    elif schema["type"] == "array":
        made = st.lists(documents(spec, schema["items"]), max_size=4)
    elif schema["type"] == "object":
        fields = {key: documents(spec, each) for key, each in schema["properties"].items()}
        always = {key for key in fields if key in {*schema.get("required", ()), *INSISTED_ON}}
        made = st.fixed_dictionaries(
            {key: each for key, each in fields.items() if key in always},
            optional={key: each for key, each in fields.items() if key not in always},
        )
    else:
        made = MOMENTS if schema.get("format") == "date-time" else PRIMITIVES[schema["type"]]
    return st.none() | made if schema.get("nullable") else made


def an_answer(spec: Spec, path: str, data: st.DataObject) -> Any:
    return data.draw(documents(spec, answer_schema(spec, path)))


def over_answers(*paths: str) -> Callable[[Test], Test]:
    # How long an example takes is no part of the contract.
    over_examples, over_paths = settings(deadline=None), pytest.mark.parametrize("path", paths)
    return lambda test: over_paths(over_examples(given(data=st.data())(test)))


def cancel_multiple(order_ids: list[str]) -> Request[Any]:
    # Only the verb itself makes this request: a stand-in for the transport takes it from there.
    session = AsyncSession("token")
    session._http = http = AsyncMock(spec=Http)
    http.call.side_effect = InterruptedError
    with suppress(InterruptedError):
        session._cancel_multiple(order_ids).send(None)
    request: Request[Any] = http.call.call_args.args[0]
    return request


def decoded(path: str, document: Any) -> Any:
    """Decode a document as the answer to a request that it can be the answer to."""
    results = document.get("data", ())
    request: Request[Any] = UNMATCHED
    if path == MULTIPLE:
        request = cancel_multiple([result.get("sessionID") or NOWHERE for result in results])
    elif path == CANCEL:
        named = [result["gameID"] for result in results if result.get("gameID")]
        request = _cancel_all_orders_for_game(GameMarket(named[-1] if named else NOWHERE))
    return decode(request, orjson.dumps(document))


def python_name(record: type, wire_name: str) -> str:
    ids = {CancelResult: "order_id", OpenOrder: "order_id", Game: "game_id"}
    if wire_name == ("sessionID" if record is CancelResult else "id"):
        return ids.get(record, "participant_id")
    return re.sub(r"(?<=[a-z])(?=[A-Z])", "_", wire_name).lower()


def assert_says(value: Any, written: Any) -> None:
    """Compare what was decoded with what was written, field by field."""
    if written is None:
        assert value in (None, [])
    elif isinstance(written, dict):
        fields = {python_name(type(value), name): each for name, each in written.items()}
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


@pytest.fixture
async def sent(session: AsyncSession, fake_exchange: FakeExchange) -> list[Received]:
    games = [fake_exchange.add_game(orders=3).game_id for _ in TYPES]
    for game, type_ in zip(games, TYPES, strict=True):
        await session.cancel_all_orders_for_game(game, type_)
    # An order that comes after its game was cancelled is cancelled by its id.
    await session.cancel_all_orders_for_games(
        [*games, *map(GameMarket, games, TYPES)],
        type="total",
        verify=True,
        on_outcome=lambda late: fake_exchange.book.place(fake_exchange.account, late.game_id),
    )
    await session.cancel_multiple([NOWHERE, NOWHERE])
    await session.account.get_unmatched()
    return list(fake_exchange.requests)


def test_every_request_goes_to_a_documented_endpoint(spec: Spec, sent: list[Received]) -> None:
    assert {received.path for received in sent} == set(METHODS)
    assert all(received.method.lower() in spec["paths"][received.path] for received in sent)


def test_every_body_is_as_documented_and_says_no_more(spec: Spec, sent: list[Received]) -> None:
    for received in sent:
        body = spec["paths"][received.path][received.method.lower()].get("requestBody")
        if body is None:
            assert received.content == b""
        else:
            schema = body["content"][received.headers["Content-Type"]]["schema"]
            closed = {**schema, "additionalProperties": False}
            assert_valid(spec, closed, json.loads(received.content))


@pytest.mark.parametrize("path", [CANCEL, MULTIPLE])
async def test_the_documented_example_is_what_is_sent_for_its_arguments(
    spec: Spec, fake_exchange: FakeExchange, session: AsyncSession, path: str
) -> None:
    example = spec["paths"][path]["post"]["requestBody"]["content"]["application/json"]["example"]
    with suppress(ApiError):  # the sandbox does not know the game of the example
        if path == CANCEL:
            await session.cancel_all_orders_for_game(example["gameID"], example["type"])
        else:
            await session.cancel_multiple(example["sessionIDs"])
    assert json.loads(fake_exchange.requests[0].content) == example


@over_answers(*METHODS)
def test_generated_answers_are_documented(spec: Spec, path: str, data: st.DataObject) -> None:
    assert_valid(spec, answer_schema(spec, path), an_answer(spec, path, data))


@over_answers(*METHODS)
def test_an_answer_is_decoded_field_by_field(spec: Spec, path: str, data: st.DataObject) -> None:
    document = an_answer(spec, path, data)
    written = document["data"]["unmatched"] if path == OPEN else document["data"]
    assert_says(decoded(path, document), written)


@over_answers(*METHODS)
def test_unknown_fields_are_passed_over(spec: Spec, path: str, data: st.DataObject) -> None:
    document, more = an_answer(spec, path, data), data.draw(UNKNOWN_FIELDS)
    grown = json.loads(json.dumps(document), object_hook=lambda known: more | known)
    assert decoded(path, grown) == decoded(path, document)


@over_answers(*METHODS)
def test_a_number_may_as_well_be_a_string(spec: Spec, path: str, data: st.DataObject) -> None:
    document = an_answer(spec, path, data)
    in_strings = json.loads(json.dumps(document), parse_int=str, parse_float=str)
    assert decoded(path, in_strings) == decoded(path, document)


@pytest.mark.parametrize(
    ("path", "document"), [*((path, {}) for path in METHODS), (OPEN, {"data": {}})]
)
def test_an_answer_without_its_data_is_no_answer(path: str, document: dict[str, Any]) -> None:
    with pytest.raises(DecodeError):
        decoded(path, document)


@over_answers(CANCEL, MULTIPLE)
def test_a_result_without_success_is_no_answer(spec: Spec, path: str, data: st.DataObject) -> None:
    document = an_answer(spec, path, data)
    assume(document["data"])
    del data.draw(st.sampled_from(document["data"]))["success"]
    with pytest.raises(DecodeError):
        decoded(path, document)


@over_answers(CANCEL)
def test_results_of_other_games_are_no_answer(spec: Spec, path: str, data: st.DataObject) -> None:
    document = an_answer(spec, path, data)
    assume(any(result.get("gameID") for result in document["data"]))
    with pytest.raises(DecodeError):
        decode(_cancel_all_orders_for_game(GameMarket(NOWHERE)), orjson.dumps(document))


async def ask(
    exchange: FakeExchange, path: str, body: object, token: str | None = None
) -> tuple[int, Any]:
    url = exchange.url + path
    headers = {"Authorization": exchange.token if token is None else token}
    async with aiohttp.request(METHODS[path], url, json=body, headers=headers) as response:
        return response.status, await response.json()


@pytest.fixture
def game_id(fake_exchange: FakeExchange) -> str:
    book, account = fake_exchange.book, fake_exchange.account
    game_id = book.add_game().game_id
    for type_ in MarketType:
        order = book.place(account, game_id, type=type_, user_reference="mine")
        book.fill(order.order_id, 40.0)
    return game_id


async def test_the_sandbox_answers_as_documented(
    spec: Spec, fake_exchange: FakeExchange, game_id: str
) -> None:
    book, account = fake_exchange.book, fake_exchange.account
    resting, filled, others = (book.place(name, game_id) for name in (account, account, "another"))
    book.fill(filled.order_id, filled.offered)
    ids = [*(order.order_id for order in (resting, resting, filled, others)), NOWHERE]
    asked: list[tuple[str, object]] = [
        (OPEN, None),
        (MULTIPLE, {"sessionIDs": ids}),
        *((CANCEL, {"gameID": game_id, "type": type_}) for type_ in TYPES if type_),
        (CANCEL, {"gameID": game_id}),
        (CANCEL, {"gameID": game_id}),
        (OPEN, None),
    ]
    for path, body in asked:
        status, document = await ask(fake_exchange, path, body)
        assert status == 200
        assert_valid(spec, answer_schema(spec, path), document)


@pytest.mark.parametrize("type_", MarketType)
async def test_an_open_order_of_the_sandbox_has_every_property_documented_for_its_type(
    spec: Spec, fake_exchange: FakeExchange, game_id: str, type_: MarketType
) -> None:
    _, answer = await ask(fake_exchange, OPEN, None)
    (order,) = [order for order in answer["data"]["unmatched"] if order["type"] == type_]
    wanted = properties(spec, "UnmatchedOrder")
    if type_ not in (MarketType.MONEYLINE, MarketType.SPREAD):
        wanted -= {"participantID", "otherParticipantID"}
    assert wanted - order.keys() == set()
    assert properties(spec, "GameSummary") - order["game"].keys() == set()


@pytest.mark.parametrize(
    ("path", "body"),
    [
        (CANCEL, {}),
        (CANCEL, {"gameID": "nonsense"}),
        (CANCEL, {"gameID": NOWHERE}),
        (CANCEL, {"gameID": "the game", "type": "moneyline1x2"}),
        (MULTIPLE, {}),
        (MULTIPLE, {"sessionIDs": NOWHERE}),
        (MULTIPLE, {"sessionIDs": [NOWHERE, "nonsense"]}),
    ],
)
async def test_the_sandbox_refuses_what_the_exchange_refuses(
    spec: Spec, fake_exchange: FakeExchange, game_id: str, path: str, body: dict[str, object]
) -> None:
    known = {"gameID": game_id} if body.get("gameID") == "the game" else {}
    status, document = await ask(fake_exchange, path, body | known)
    assert status == 400
    assert_valid(spec, ERROR, document)


@pytest.mark.parametrize("token", ["", "Bearer unknown"])
@pytest.mark.parametrize("path", METHODS)
async def test_the_sandbox_refuses_a_token_that_it_does_not_know(
    spec: Spec, fake_exchange: FakeExchange, path: str, token: str
) -> None:
    status, document = await ask(fake_exchange, path, {}, token)
    assert status == 401
    assert_valid(spec, ERROR, document)
