"""The client and the sandbox against the exchange's own OpenAPI document."""

import json
import re
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
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

from fourcasters_async import (
    AsyncSession,
    BadRequestError,
    CancelResult,
    DecodeError,
    GameMarket,
    MarketType,
    OpenOrder,
)
from fourcasters_async._http import Http
from fourcasters_async._reply import decode
from fourcasters_async._request import Request
from fourcasters_async.account import UNMATCHED
from fourcasters_async.models import Game, Participant
from fourcasters_async.session import _cancel_all_orders_for_game
from fourcasters_async.testing import FakeExchange
from fourcasters_async.testing.exchange import Received

Spec = dict[str, Any]
Documents = st.SearchStrategy[Any]
Verb = Callable[[AsyncSession, FakeExchange], Awaitable[object]]
Ask = Callable[..., Awaitable[tuple[int, Any]]]

CANCEL, MULTIPLE, OPEN = (
    "/session/cancelAllOrdersForGame",
    "/session/cancelMultiple",
    UNMATCHED.path,
)
METHODS = {CANCEL: "post", MULTIPLE: "post", OPEN: "get"}
# The document does not list `moneyline1x2` for a game cancel. The client sends it all the same.
TYPES = [None, *(member for member in MarketType if member is not MarketType.MONEYLINE_1X2)]
NOWHERE = "ffffffffffffffffffffffff"
SEEN_ERROR = {
    "type": "object",
    "properties": {
        "error": {
            "type": "object",
            "required": ["message", "code"],
            "properties": {"message": {"type": "string"}, "code": {"type": "integer"}},
        }
    },
}
# `HttpError` requires nothing, so that an empty object is one.
ERROR = {
    "required": ["error"],
    "anyOf": [{"$ref": "#/components/schemas/HttpError"}, SEEN_ERROR],
}


def assert_valid(spec: Spec, schema: Spec, value: object) -> None:
    # The document calls itself 3.1 but writes `nullable`, which only 3.0 knows: read as 3.1, its
    # nulls would be invalid.
    whole = {**schema, "components": spec["components"]}
    OAS30Validator(whole, format_checker=oas30_format_checker).validate(value)


def schema_in(part: Spec) -> Spec:
    schema: Spec = part["content"]["application/json"]["schema"]
    return schema


def answer_schema(spec: Spec, path: str) -> Spec:
    return schema_in(spec["paths"][path][METHODS[path]]["responses"]["200"])


def properties(spec: Spec, name: str) -> set[str]:
    return set(spec["components"]["schemas"][name]["properties"])


# What the client sends.


def cancel(type_: MarketType | None) -> Verb:
    return lambda session, exchange: session.cancel_all_orders_for_game(
        exchange.add_game(orders=3).game_id, type_
    )


async def cancel_many(session: AsyncSession, exchange: FakeExchange) -> None:
    games = [exchange.add_game(orders=3).game_id for _ in TYPES]
    markets = [GameMarket(game, type_) for game, type_ in zip(games, TYPES, strict=True)]
    # An order that comes too late for the game cancel is cancelled by its id.
    await session.cancel_all_orders_for_games(
        [*games, *markets],
        type="total",
        verify=True,
        on_outcome=lambda outcome: exchange.book.place(exchange.account, outcome.game_id),
    )
    assert {received.path for received in exchange.requests} == {CANCEL, MULTIPLE, OPEN}


async def cancel_by_id(session: AsyncSession, exchange: FakeExchange) -> None:
    exchange.add_game(orders=3)
    await session.cancel_multiple(order.order_id for order in exchange.open_orders())


VERBS: dict[str, Verb] = {
    **{f"a game cancel of type {type_}": cancel(type_) for type_ in TYPES},
    "a fan-out with proof": cancel_many,
    "a cancel by id": cancel_by_id,
    "a read": lambda session, _: session.account.get_unmatched(),
}


@pytest.fixture(params=VERBS.values(), ids=VERBS)
async def sent(
    request: pytest.FixtureRequest, session: AsyncSession, fake_exchange: FakeExchange
) -> list[Received]:
    await request.param(session, fake_exchange)
    assert fake_exchange.requests
    return list(fake_exchange.requests)


def bodies(spec: Spec, sent: Iterable[Received]) -> list[tuple[Received, Spec]]:
    """Return the requests that are to have a body, each with what is documented of it."""
    operations = [(received, operation(spec, received)) for received in sent]
    return [(received, op["requestBody"]) for received, op in operations if "requestBody" in op]


def operation(spec: Spec, received: Received) -> Spec:
    found: Spec = spec["paths"][received.path][received.method.lower()]
    return found


def test_requests_go_to_documented_endpoints(spec: Spec, sent: list[Received]) -> None:
    assert all(received.method.lower() in spec["paths"].get(received.path, {}) for received in sent)


def test_bodies_have_the_documented_form(spec: Spec, sent: list[Received]) -> None:
    for received, documented in bodies(spec, sent):
        assert_valid(spec, schema_in(documented), json.loads(received.content))


def test_bodies_have_no_property_that_is_not_documented(spec: Spec, sent: list[Received]) -> None:
    for received, documented in bodies(spec, sent):
        assert set(json.loads(received.content)) <= set(schema_in(documented)["properties"])


def test_bodies_are_of_the_documented_media_type(spec: Spec, sent: list[Received]) -> None:
    for received, documented in bodies(spec, sent):
        assert received.headers["Content-Type"] in documented["content"]


def test_where_no_body_is_documented_none_is_sent(spec: Spec, sent: list[Received]) -> None:
    bare = [received for received in sent if "requestBody" not in operation(spec, received)]
    assert all(received.content == b"" for received in bare)


async def test_the_documented_example_of_a_game_cancel_is_what_is_sent(
    spec: Spec, fake_exchange: FakeExchange, session: AsyncSession
) -> None:
    example = spec["paths"][CANCEL]["post"]["requestBody"]["content"]["application/json"]["example"]
    with pytest.raises(BadRequestError):  # the sandbox has no such game
        await session.cancel_all_orders_for_game(example["gameID"], example["type"])
    assert json.loads(fake_exchange.requests[0].content) == example


async def test_the_documented_example_of_a_cancel_by_id_is_what_is_sent(
    spec: Spec, fake_exchange: FakeExchange, session: AsyncSession
) -> None:
    body = spec["paths"][MULTIPLE]["post"]["requestBody"]["content"]["application/json"]
    await session.cancel_multiple(body["example"]["sessionIDs"])
    assert json.loads(fake_exchange.requests[0].content) == body["example"]


# What the client makes of answers.

# The document requires none of these, and the client all: an answer that does not say what was
# cancelled must never pass for one that says that nothing was there.
INSISTED_ON = {"data", "unmatched", "success"}
# Beyond these, JSON does not promise that a whole number arrives as it was sent.
INTEGERS = st.integers(-(2**53) + 1, 2**53 - 1)
NUMBERS = INTEGERS | st.floats(allow_nan=False, allow_infinity=False)
FRACTIONS = st.just("") | st.from_regex(r"\.[0-9]{1,9}", fullmatch=True)
TIMES = st.builds(
    lambda moment, fraction: f"{moment.isoformat(timespec='seconds')}{fraction}Z",
    st.datetimes(),
    FRACTIONS,
)
PRIMITIVES = {
    "string": st.text(),
    "number": NUMBERS,
    "integer": INTEGERS,
    "boolean": st.booleans(),
}
ANYTHING = st.recursive(
    st.none() | st.booleans() | NUMBERS | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=4,
)
# No field of any record begins so.
UNKNOWN_FIELDS = st.dictionaries(st.text().map("new{}".format), ANYTHING, min_size=1, max_size=3)


def documents(spec: Spec, schema: Spec) -> Documents:
    if "$ref" in schema:
        return documents(spec, spec["components"]["schemas"][schema["$ref"].rpartition("/")[2]])
    if "allOf" in schema:
        parts = st.tuples(*(documents(spec, part) for part in schema["allOf"]))
        return parts.map(lambda parts: {k: v for part in parts for k, v in part.items()})
    if schema.get("nullable"):
        return st.none() | documents(spec, {**schema, "nullable": False})
    if "enum" in schema:
        return st.sampled_from(schema["enum"])
    if schema["type"] == "array":
        return st.lists(documents(spec, schema["items"]), max_size=4)
    if schema["type"] == "object":
        fields = {key: documents(spec, each) for key, each in schema["properties"].items()}
        always = fields.keys() & {*schema.get("required", ()), *INSISTED_ON}
        return st.fixed_dictionaries(
            {key: fields[key] for key in always},
            optional={key: fields[key] for key in fields.keys() - always},
        )
    return TIMES if schema.get("format") == "date-time" else PRIMITIVES[schema["type"]]


@pytest.fixture(scope="session")
def answers(spec: Spec) -> dict[str, Documents]:
    return {path: documents(spec, answer_schema(spec, path)) for path in METHODS}


def cancel_multiple(order_ids: list[str]) -> Request[Any]:
    # Only the verb itself can make this request: a stand-in for the transport takes it from there.
    session = AsyncSession("token")
    session._http = http = AsyncMock(spec=Http)
    http.call.side_effect = InterruptedError
    with suppress(InterruptedError):
        session._cancel_multiple(order_ids).send(None)
    request: Request[Any] = http.call.call_args.args[0]
    return request


def asking_for(path: str, document: Any) -> Request[Any]:
    """Return the request that a document can be the answer to."""
    if path == OPEN:
        return UNMATCHED
    results = document.get("data", ())
    if path == MULTIPLE:
        return cancel_multiple([result.get("sessionID") or NOWHERE for result in results])
    named = [result["gameID"] for result in results if result.get("gameID")]
    return _cancel_all_orders_for_game(GameMarket(named[-1] if named else NOWHERE))


def decoded(path: str, document: Any) -> Any:
    return decode(asking_for(path, document), orjson.dumps(document))


def python_name(record: type, wire_name: str) -> str:
    ids = {CancelResult: "sessionID", OpenOrder: "id", Game: "id", Participant: "id"}
    if wire_name == ids[record]:
        return {Game: "game_id", Participant: "participant_id"}.get(record, "order_id")
    return re.sub(r"(?<=[a-z])(?=[A-Z])", "_", wire_name).lower()


def assert_says(value: Any, written: Any) -> None:
    """Compare what was decoded with what was written, field by field."""
    if written is None:
        assert value in (None, [])
    elif isinstance(written, dict):
        fields = {python_name(type(value), name): field for name, field in written.items()}
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


def with_fields(value: Any, more: dict[str, Any]) -> Any:
    if isinstance(value, dict):
        return more | {key: with_fields(each, more) for key, each in value.items()}
    return [with_fields(each, more) for each in value] if isinstance(value, list) else value


def with_numbers_as_strings(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: with_numbers_as_strings(each) for key, each in value.items()}
    if isinstance(value, list):
        return [with_numbers_as_strings(each) for each in value]
    return str(value) if type(value) in (int, float) else value


in_each_endpoint = pytest.mark.parametrize("path", METHODS)
in_each_cancel = pytest.mark.parametrize("path", [CANCEL, MULTIPLE])
# How fast an example runs is no part of the contract.
over_documents = settings(deadline=None)


@in_each_endpoint
@over_documents
@given(data=st.data())
def test_what_the_tests_take_for_an_answer_is_one(
    spec: Spec, answers: dict[str, Documents], path: str, data: st.DataObject
) -> None:
    assert_valid(spec, answer_schema(spec, path), data.draw(answers[path]))


@in_each_endpoint
@over_documents
@given(data=st.data())
def test_a_documented_answer_is_decoded_to_what_it_says(
    answers: dict[str, Documents], path: str, data: st.DataObject
) -> None:
    document = data.draw(answers[path])
    written = document["data"]["unmatched"] if path == OPEN else document["data"]
    assert_says(decoded(path, document), written)


@in_each_endpoint
@over_documents
@given(data=st.data(), more=UNKNOWN_FIELDS)
def test_fields_that_are_not_documented_are_passed_over(
    answers: dict[str, Documents], path: str, data: st.DataObject, more: dict[str, Any]
) -> None:
    document = data.draw(answers[path])
    assert decoded(path, with_fields(document, more)) == decoded(path, document)


@in_each_endpoint
@over_documents
@given(data=st.data())
def test_a_number_may_as_well_be_a_string(
    answers: dict[str, Documents], path: str, data: st.DataObject
) -> None:
    document = data.draw(answers[path])
    assert decoded(path, with_numbers_as_strings(document)) == decoded(path, document)


@pytest.mark.parametrize(
    ("path", "document"), [*((path, {}) for path in METHODS), (OPEN, {"data": {}})]
)
def test_an_answer_without_its_data_is_no_answer(
    spec: Spec, path: str, document: dict[str, Any]
) -> None:
    assert_valid(spec, answer_schema(spec, path), document)
    with pytest.raises(DecodeError):
        decoded(path, document)


@in_each_cancel
@over_documents
@given(data=st.data())
def test_a_result_without_success_is_no_answer(
    answers: dict[str, Documents], path: str, data: st.DataObject
) -> None:
    document = data.draw(answers[path])
    assume(document["data"])
    del data.draw(st.sampled_from(document["data"]))["success"]
    with pytest.raises(DecodeError):
        decoded(path, document)


@over_documents
@given(data=st.data())
def test_results_of_other_games_alone_are_no_answer(
    answers: dict[str, Documents], data: st.DataObject
) -> None:
    document = data.draw(answers[CANCEL])
    assume(any(result.get("gameID") for result in document["data"]))
    with pytest.raises(DecodeError):
        decode(_cancel_all_orders_for_game(GameMarket(NOWHERE)), orjson.dumps(document))


# What the sandbox answers.


@pytest.fixture
async def ask(fake_exchange: FakeExchange) -> AsyncIterator[Ask]:
    async with aiohttp.ClientSession(fake_exchange.url) as client:

        async def ask(path: str, body: object, token: str | None = None) -> tuple[int, Any]:
            headers = {"Authorization": fake_exchange.token if token is None else token}
            request = client.request(METHODS[path], path, json=body, headers=headers)
            async with request as response:
                return response.status, await response.json()

        yield ask


@pytest.fixture
def game_id(fake_exchange: FakeExchange) -> str:
    """A game with an order of each market type, each filled in part."""
    game = fake_exchange.add_game()
    for type_ in MarketType:
        order = fake_exchange.book.place(
            fake_exchange.account, game.game_id, type=type_, user_reference="mine"
        )
        fake_exchange.book.fill(order.order_id, 40.0)
    return game.game_id


def assert_answers(spec: Spec, path: str, answer: tuple[int, Any]) -> None:
    status, document = answer
    assert status == 200
    assert_valid(spec, answer_schema(spec, path), document)


@pytest.mark.parametrize("type_", TYPES)
async def test_the_sandbox_answers_a_game_cancel_as_documented(
    spec: Spec, ask: Ask, game_id: str, type_: MarketType | None
) -> None:
    body = {"gameID": game_id} if type_ is None else {"gameID": game_id, "type": type_}
    assert_answers(spec, CANCEL, await ask(CANCEL, body))


async def test_the_sandbox_answers_as_documented_when_there_is_nothing_to_cancel(
    spec: Spec, ask: Ask, fake_exchange: FakeExchange
) -> None:
    body = {"gameID": fake_exchange.add_game().game_id}
    assert_answers(spec, CANCEL, await ask(CANCEL, body))


async def test_the_sandbox_answers_a_cancel_by_id_as_documented_whatever_the_orders_are(
    spec: Spec, ask: Ask, fake_exchange: FakeExchange, game_id: str
) -> None:
    open_, filled, gone, _ = (order.order_id for order in fake_exchange.open_orders(game_id))
    fake_exchange.book.fill(filled, 100.0)
    await ask(MULTIPLE, {"sessionIDs": [gone]})
    fake_exchange.add_account("another")
    others = fake_exchange.book.place("another", game_id).order_id
    ids = [open_, filled, gone, others, NOWHERE]
    assert_answers(spec, MULTIPLE, await ask(MULTIPLE, {"sessionIDs": ids}))


async def test_the_sandbox_answers_a_read_as_documented(spec: Spec, ask: Ask, game_id: str) -> None:
    assert_answers(spec, OPEN, await ask(OPEN, None))


async def test_the_sandbox_answers_a_read_as_documented_when_nothing_is_open(
    spec: Spec, ask: Ask
) -> None:
    assert_answers(spec, OPEN, await ask(OPEN, None))


async def test_a_cancelled_order_of_the_sandbox_has_every_documented_property(
    spec: Spec, ask: Ask, game_id: str
) -> None:
    _, answer = await ask(CANCEL, {"gameID": game_id})
    documented = properties(spec, "CancelResult") - {"reason"}  # which only a failure has
    assert all(result.keys() == documented for result in answer["data"])


@pytest.mark.parametrize("type_", MarketType)
async def test_an_open_order_of_the_sandbox_has_every_property_documented_for_its_type(
    spec: Spec, ask: Ask, game_id: str, type_: MarketType
) -> None:
    _, answer = await ask(OPEN, None)
    (order,) = [order for order in answer["data"]["unmatched"] if order["type"] == type_]
    documented = properties(spec, "UnmatchedOrder")
    if type_ not in (MarketType.MONEYLINE, MarketType.SPREAD):
        documented -= {"participantID", "otherParticipantID"}
    assert documented <= order.keys()


async def test_an_open_order_of_the_sandbox_has_every_documented_property_of_its_game(
    spec: Spec, ask: Ask, game_id: str
) -> None:
    _, answer = await ask(OPEN, None)
    documented = properties(spec, "GameSummary")
    assert all(documented <= order["game"].keys() for order in answer["data"]["unmatched"])


@pytest.mark.parametrize(
    ("path", "body"),
    [
        (CANCEL, {}),
        (CANCEL, {"gameID": 5}),
        (CANCEL, {"gameID": "nonsense"}),
        (CANCEL, {"gameID": NOWHERE}),
        (CANCEL, {"gameID": "the game", "type": "moneyline1x2"}),
        (CANCEL, {"gameID": "the game", "type": None}),
        (MULTIPLE, {}),
        (MULTIPLE, {"sessionIDs": NOWHERE}),
        (MULTIPLE, {"sessionIDs": [NOWHERE, "nonsense"]}),
    ],
)
async def test_the_sandbox_refuses_what_the_document_says_is_refused(
    spec: Spec, ask: Ask, game_id: str, path: str, body: dict[str, object]
) -> None:
    if body.get("gameID") == "the game":
        body = body | {"gameID": game_id}
    status, document = await ask(path, body)
    assert status == 400
    assert_valid(spec, ERROR, document)


@pytest.mark.parametrize("token", ["", "Bearer unknown"])
@in_each_endpoint
async def test_the_sandbox_refuses_a_token_that_it_does_not_know(
    spec: Spec, ask: Ask, path: str, token: str
) -> None:
    status, document = await ask(path, {}, token)
    assert status == 401
    assert_valid(spec, ERROR, document)
