"""The codec of the Orders WebSocket: what a frame says, and what it does not."""

import json
from collections.abc import Mapping
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fourcasters_async import (
    ApiError,
    AuthenticationError,
    BadRequestError,
    CancelResult,
    ConflictError,
    DecodeError,
    ForbiddenError,
    FourcastersError,
    NotFoundError,
    RateLimitedError,
    ServerError,
)
from fourcasters_async._core.outcome import AttemptResult, AttemptStatus
from fourcasters_async._core.request import Kind, Request
from fourcasters_async._json.converter import REST, SOCKET
from fourcasters_async._websocket.frames import Answer, classify, encode, read
from fourcasters_async.orders.heartbeat import heartbeat_message

GAME = Request("cancelAllByGame", list[CancelResult], Kind.CANCEL, body={"gameId": "g"})
ONE = Request("cancelById", CancelResult, Kind.CANCEL, data_path=("data", 0), body={"orderId": "o"})
EVERYTHING = Request("cancelAll", list[CancelResult], Kind.CANCEL)

SAID_NO: list[tuple[object, type[ApiError], int]] = [
    ("invalid order ID format", BadRequestError, 400),
    ("Invalid heartbeat timeout", BadRequestError, 400),
    ("unauthorized: order does not belong to user", ForbiddenError, 403),
    ("unauthorized", AuthenticationError, 401),
    ("order not found", NotFoundError, 404),
    ("game not found", NotFoundError, 404),
    ("order already cancelled", ConflictError, 409),
    ("order is expired", ConflictError, 409),
    ("order already graded", ConflictError, 409),
    ("Too many requests. Please try again later.", RateLimitedError, 429),
    ("  Order NOT found.\n", NotFoundError, 404),
    ("order  already\tcancelled", ConflictError, 409),
    ("Too many requests", RateLimitedError, 429),
    ({"message": "InvalidCredentials", "code": 401}, AuthenticationError, 401),
    ({"message": "Order not found", "code": 404}, NotFoundError, 404),
    ({"message": "order not found"}, NotFoundError, 404),
    ({"message": "order not found", "code": "404"}, NotFoundError, 404),
]
FAILED: list[tuple[object, int]] = [
    ("1 of 2 orders placed, insufficient balance for the rest", 500),
    ("orders[1]: game is suspended", 500),
    ("3 of 5 orders cancelled; 2 not found", 500),
    ("order not found: 688c", 500),
    ("orders[1]: order not found", 500),
    ("order not found, order already cancelled", 500),
    ("order not found..", 500),
    ("unauthorized: token expired", 500),
    ("validation failed: odds must be an integer", 500),
    ("insufficient balance", 500),
    ("invalid message", 500),
    ("token expired", 500),
    ("Rate limit exceeded", 500),
    ("429 Too Many Requests", 500),
    ({"message": "No open order", "code": 404}, 500),
    ({"message": "insufficient balance", "code": 400}, 500),
    ({"message": "order not found", "code": 200}, 500),
    ({"code": 409}, 500),
    ("Failed to process cancelMultiple", 500),
    ("Failed to process cancelAll", 500),
    ("Failed to process cancelAllByGame", 500),
    ("failed to cancel", 500),
    ("Internal Server Error", 500),
    ("an internal error occurred", 500),
    ("Request timed out", 500),
    ("timeout", 500),
    ("context deadline exceeded", 500),
    ("context canceled", 500),
    ("Service Unavailable", 500),
    ("Network Error", 500),
    ("Bad Gateway", 500),
    ("something went wrong", 500),
    ("an unexpected error occurred", 500),
    ("unknown error", 500),
    ("database error", 500),
    ("could not process the request", 500),
    ("unable to process cancelAll", 500),
    ("Error processing cancelAll", 500),
    ("connection refused", 500),
    ("read: connection reset by peer", 500),
    ("unexpected EOF", 500),
    ("orders service unreachable", 500),
    ("socket hang up", 500),
    ("placeV3: failed to process", 500),
    ("Partially processed: 3 of 5 orders", 500),
    ("unknown", 500),
    ("Unknown exception", 500),
    ("order status unknown", 500),
    ("outcome unknown, check your orders", 500),
    ("order placed but not confirmed", 500),
    ("request was not acknowledged", 500),
    ("no response from matching engine", 500),
    ("Cannot read properties of undefined (reading 'orders')", 500),
    ("orders is not iterable", 500),
    ("runtime error: invalid memory address or nil pointer dereference", 500),
    ("rpc error: code = Unknown desc = stream terminated", 500),
    ("Topology is closed", 500),
    ("mongo: no documents in result", 500),
    ("dial tcp: connect: no route to host", 500),
    ("lookup orders-db: no such host", 500),
    ("too many connections", 500),
    ("invalid response from upstream", 500),
    ("order is being processed", 500),
    ("failed to save: token expired", 500),
    ("internal: too many requests to the matching engine", 500),
    ("dial unix /run/engine: permission denied", 500),
    ("whatever", 500),
    ({"message": "Failed to process cancelAll", "code": 400}, 500),
    ({"message": "Request Timeout", "code": 408}, 500),
    ({"message": "found", "code": 302}, 500),
    ({"message": "Network Error", "code": 503}, 503),
    ({"message": "order not found", "code": 500}, 500),
    ({"message": ""}, 500),
    ({"message": ["order not found"]}, 500),
    ({}, 500),
    ([], 500),
    (["order not found"], 500),
    (0, 500),
    (False, 500),
    (True, 500),
    (404, 500),
    (" ", 500),
]


@pytest.mark.parametrize(("error", "kind", "status"), SAID_NO, ids=repr)
def test_an_error_is_the_same_as_over_rest(
    error: object, kind: type[ApiError], status: int
) -> None:
    verdict = classify(GAME, {"error": error})
    assert verdict.status is AttemptStatus.REFUSED
    assert type(verdict.error) is kind
    assert (verdict.error.status, verdict.error.endpoint) == (status, "cancelAllByGame")


@pytest.mark.parametrize(("error", "status"), FAILED, ids=repr)
def test_an_error_of_the_exchange_itself_leaves_the_outcome_unknown(
    error: object, status: int
) -> None:
    verdict = classify(GAME, {"error": error})
    assert verdict.status is AttemptStatus.UNKNOWN
    assert isinstance(verdict.error, ServerError)
    assert verdict.error.status == status


@pytest.mark.parametrize("error", ["order not found", "Failed to process cancelAll", {}])
@pytest.mark.parametrize("data", [[], [{"success": True}], {}, "", 0])
def test_an_error_beside_data_is_a_contradiction_and_so_unknown(
    error: object, data: object
) -> None:
    assert classify(GAME, {"error": error, "data": data}).status is AttemptStatus.UNKNOWN


def test_null_data_beside_an_error_is_no_contradiction() -> None:
    verdict = classify(GAME, {"error": "game not found", "data": None})
    assert verdict.status is AttemptStatus.REFUSED


@pytest.mark.parametrize("error", [None, ""])
def test_an_error_that_says_nothing_is_none(error: object) -> None:
    verdict = classify(GAME, {"error": error, "data": []})
    assert verdict == AttemptResult(AttemptStatus.ANSWERED, [])


@pytest.mark.parametrize(
    ("document", "path"),
    [
        ({}, "$.data"),
        ({"error": ""}, "$.data"),
        ({"data": None}, "$.data"),
        ({"data": {}}, "$.data"),
        ({"data": "[]"}, "$.data"),
        ({"data": [None]}, "$.data[0]"),
        ({"data": [{}]}, "$.data[0].success"),
        ({"data": [{"success": "true"}]}, "$.data[0].success"),
        ({"data": [{"success": 1}]}, "$.data[0].success"),
        ({"data": [{"success": True}, {"success": None}]}, "$.data[1].success"),
        ({"data": [{"success": True, "gameID": ["g"]}]}, "$.data[0].gameID"),
        ({"data": [{"success": True, "orderID": 7}]}, "$.data[0].orderID"),
    ],
)
def test_an_answer_that_is_not_as_documented_is_unknown_and_says_where(
    document: Mapping[str, object], path: str
) -> None:
    verdict = classify(GAME, document)
    assert verdict.status is AttemptStatus.UNKNOWN
    assert isinstance(verdict.error, DecodeError)
    assert verdict.error.path == path


@pytest.mark.parametrize("data", [[], [{"success": True}] * 2, {"success": True}, None])
def test_a_cancel_by_id_has_exactly_one_result(data: object) -> None:
    assert classify(ONE, {"data": data}).status is AttemptStatus.UNKNOWN
    assert classify(ONE, {"data": [{"success": True}]}).value == CancelResult(True)


@pytest.mark.parametrize(
    "data",
    [
        {},
        {"type": "pong"},
        {"type": "heartbeatAck", "error": "the orders service is down"},
        {"type": "heartbeatAck", "success": False},
        [{"type": "heartbeatAck"}],
    ],
)
def test_what_does_not_acknowledge_a_heartbeat_does_not(data: object) -> None:
    assert classify(heartbeat_message(5), {"data": data}).status is AttemptStatus.UNKNOWN


def test_the_documented_acknowledgement_of_a_heartbeat_is_one() -> None:
    acknowledged = {"type": "heartbeatAck", "serverTime": 1700000000000, "timeoutSec": 5}
    assert classify(heartbeat_message(5), {"data": acknowledged}).status is AttemptStatus.ANSWERED


DEEP = b'{"requestID": "a", "data": ' + b"[" * 100_000 + b"]" * 100_000 + b"}"
NO_ANSWERS = [
    b"",
    b" ",
    b"SSH-2.0-nonsense",
    b"\x00\x01",
    b'{"requestID": "a\xff", "data": []}',
    b'\xef\xbb\xbf{"requestID": "a"}',
    b"null",
    b"true",
    b"7",
    b'"a"',
    b"[]",
    b'["cancelAll", {"requestID": "a"}]',
    b'[{"requestID": "a", "data": []}]',
    b"{}",
    b'{"data": []}',
    b'{"requestID": null, "data": []}',
    b'{"requestID": 7, "data": []}',
    b'{"requestID": ["a"], "data": []}',
    b'{"requestid": "a", "data": []}',
    b'{"requestID": "a", "data": NaN}',
    b'{"requestID": "a", "data": [1e400]}',
    b'{"requestID": "a", "data": []',
    b'{"requestID": "a", "data": []}{"requestID": "a", "data": []}',
    DEEP,
    b'{"requestID": "a", "responses": []}',
    b'{"requestID": "a", "responses": {}}',
    b'{"requestID": "a", "responses": [[]]}',
    b'{"requestID": "a", "responses": [{"data": []}, {"data": []}]}',
    b'{"requestID": "a", "responses": [{"requestID": "b", "data": []}]}',
    b'{"responses": [{"data": []}]}',
    b'{"requestID": 7, "responses": [{"requestID": 8, "data": []}]}',
]


@pytest.mark.parametrize("frame", NO_ANSWERS, ids=lambda frame: repr(frame[:60]))
def test_what_names_no_request_or_two_answers_nobody(frame: bytes) -> None:
    assert read(frame) is None


def test_a_text_that_no_encoding_has_answers_nobody() -> None:
    assert read('{"requestID": "\ud800", "data": []}') is None


ANSWERS = [
    b'{"requestID": "a", "data": []}',
    b'{"requestID": "a", "data": [], "error": null, "more": {}}',
    b'{"requestID": "a", "data": [], "responses": null}',
    b'{"requestID": "b", "requestID": "a", "data": []}',
    b'{"requestID": "a", "responses": [{"requestID": "a", "data": []}]}',
    b'{"requestID": "a", "responses": [{"data": []}]}',
    b'{"responses": [{"requestID": "a", "data": []}]}',
    b'{"requestID": "a", "error": "", "responses": [{"requestID": "a", "data": []}]}',
]


@pytest.mark.parametrize("frame", ANSWERS, ids=repr)
def test_every_documented_form_of_an_answer_is_read(frame: bytes) -> None:
    answer = read(frame)
    assert answer is not None
    assert answer.request_id == "a"
    assert classify(GAME, answer.document) == AttemptResult(AttemptStatus.ANSWERED, [])


@pytest.mark.parametrize(
    "frame",
    [
        b'{"requestID": "a", "error": "Failed to process", "responses": [{"data": []}]}',
        b'{"requestID": "a", "error": "game not found", "responses": [{"data": []}]}',
        b'{"requestID": "a", "responses": [{"error": "Failed to process", "data": []}]}',
    ],
)
def test_an_error_on_either_side_of_the_wrapping_is_not_lost(frame: bytes) -> None:
    answer = read(frame)
    assert answer is not None
    assert classify(GAME, answer.document).status is AttemptStatus.UNKNOWN


def test_a_number_past_all_sense_is_malformed_or_itself_and_no_crash() -> None:
    for number in ("9" * 400, "1e308", "-" + "9" * 30, "0." + "1" * 5000):
        answer = read(f'{{"requestID": "a", "data": [{{"success": true, "odds": {number}}}]}}')
        if answer is not None:
            verdict = classify(GAME, answer.document)
            assert verdict.status in (AttemptStatus.ANSWERED, AttemptStatus.UNKNOWN)


def test_an_error_is_shown_in_one_short_line_without_secrets() -> None:
    said = "Failed to process\n\n" + "x" * 10_000 + " token"
    verdict = classify(GAME, {"error": said}, redact=lambda text: text.replace("x", "y"))
    assert isinstance(verdict.error, ServerError)
    assert "x" not in verdict.error.message
    assert "\n" not in str(verdict.error)
    assert len(str(verdict.error)) < 400


def test_what_was_malformed_is_not_kept_by_the_error() -> None:
    error = classify(GAME, {"data": [{"success": "true"}]}).error
    assert error is not None
    assert (error.__context__, error.__traceback__) == (None, None)


JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**64 - 1)
    | st.text()
    # What JSON has no word for, no frame can hold.
    | st.floats(allow_nan=False, allow_infinity=False),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)
IDS = st.sampled_from(["a", "b", ""])
RESULTS = st.fixed_dictionaries(
    {},
    optional={
        "success": st.booleans() | JSON,
        "orderID": IDS | JSON,
        "gameID": st.just("g") | JSON,
        "odds": st.integers() | JSON,
        "filled": st.sampled_from(["1.000000", "1e999", "", 3]) | JSON,
        "description": st.text() | JSON,
        "userReference": st.just("") | JSON,
    },
)
ERRORS = st.sampled_from([case[0] for case in (*SAID_NO, *FAILED)]) | JSON
PIECES = st.fixed_dictionaries(
    {},
    optional={
        "requestID": IDS | JSON,
        "data": st.lists(RESULTS | JSON, max_size=3) | JSON,
        "error": ERRORS,
    },
)
DOCUMENTS = PIECES | st.builds(
    lambda outer, inner: {**outer, "responses": inner},
    PIECES,
    st.lists(PIECES | JSON, max_size=2) | JSON,
)
REQUESTS = st.sampled_from([GAME, ONE, EVERYTHING, heartbeat_message(5)])


def assert_sound(verdict: AttemptResult[Any]) -> None:
    if verdict.status is AttemptStatus.ANSWERED:
        assert verdict.error is None
    else:
        assert isinstance(verdict.error, FourcastersError)
        assert verdict.value is None


@given(st.binary() | st.text(alphabet=st.characters()))
def test_whatever_bytes_come_nothing_is_raised(frame: bytes | str) -> None:
    answer = read(frame)
    if answer is not None:
        assert_sound(classify(GAME, answer.document))


def ids_named(document: object) -> set[object]:
    if not isinstance(document, dict):
        return set()
    inner = document.get("responses")
    named = {document.get("requestID")} if isinstance(document.get("requestID"), str) else set()
    if isinstance(inner, list):
        named |= {
            each["requestID"]
            for each in inner
            if isinstance(each, dict) and isinstance(each.get("requestID"), str)
        }
    return named


@settings(max_examples=200, deadline=None)
@given(DOCUMENTS | JSON, REQUESTS)
def test_whatever_json_comes_it_answers_only_the_one_request_that_it_names(
    document: object, request: Request[Any]
) -> None:
    answer = read(json.dumps(document))
    if answer is not None:
        assert ids_named(document) == {answer.request_id}
        assert_sound(classify(request, answer.document))


def claims(document: object) -> list[object]:
    """Return what an answer could be taken from, wherever it stands."""
    if not isinstance(document, dict):
        return []
    inner = document.get("responses")
    return [document, *(inner if isinstance(inner, list) else [])]


@settings(max_examples=200, deadline=None)
@given(DOCUMENTS)
def test_what_has_an_error_anywhere_is_never_taken_for_an_answer(document: object) -> None:
    answer = read(json.dumps(document))
    errors = [each.get("error") for each in claims(document) if isinstance(each, dict)]
    if answer is not None and any(error not in (None, "") for error in errors):
        assert classify(GAME, answer.document).status is not AttemptStatus.ANSWERED


BODIES = st.none() | st.dictionaries(st.text(), JSON, max_size=3).filter(
    lambda body: "requestID" not in body
)


@given(BODIES, st.text(min_size=1), st.sampled_from(["cancelAll", "placeV3"]))
def test_a_server_reads_the_payload_and_the_id_that_were_sent(
    body: dict[str, object] | None, request_id: str, type_: str
) -> None:
    request = Request(type_, list[CancelResult], Kind.CANCEL, body=body)
    got_type, payload = json.loads(encode(request, request_id))
    assert got_type == type_
    assert payload.pop("requestID") == request_id
    assert payload == (body or {})


@given(st.text(min_size=1), st.sampled_from([False, True]))
def test_the_id_of_a_request_comes_back_with_its_answer(request_id: str, wrapped: bool) -> None:
    _, payload = json.loads(encode(EVERYTHING, request_id))
    document = {"requestID": payload["requestID"], "data": []}
    if wrapped:
        document = {"requestID": payload["requestID"], "responses": [document]}
    answer = read(json.dumps(document))
    assert answer == Answer(request_id, {"requestID": request_id, "data": []})


AMOUNTS = st.integers(0, 10**9).map(lambda millionths: millionths / 10**6)
ORDER_IDS = st.integers(0, 2**96 - 1).map("{:024x}".format)


@given(
    success=st.booleans(),
    order_id=ORDER_IDS,
    game_id=ORDER_IDS,
    odds=st.integers(-10_000, 10_000),
    amounts=st.tuples(AMOUNTS, AMOUNTS, AMOUNTS),
    words=st.text(min_size=1),
    reference=st.none() | st.text(),
)
def test_both_transports_say_the_same_of_an_order(
    success: bool,
    order_id: str,
    game_id: str,
    odds: int,
    amounts: tuple[float, float, float],
    words: str,
    reference: str | None,
) -> None:
    filled, offered, remaining = amounts
    over_rest = {
        "success": success,
        "sessionID": order_id,
        "odds": odds,
        "filled": filled,
        "offered": offered,
        "remaining": remaining,
        "gameID": game_id,
        "userReference": reference,
        ("description" if success else "reason"): words,
    }
    over_socket = {
        "success": success,
        "orderID": order_id,
        "odds": odds,
        "filled": f"{filled:.6f}",
        "offered": f"{offered:.6f}",
        "remaining": f"{remaining:.6f}",
        "gameID": game_id,
        "userReference": reference or "",
        "description": words,
        "side": None,
        "number": None,
    }
    said = SOCKET.structure(over_socket, CancelResult)
    assert said == REST.structure(over_rest, CancelResult)
    assert said.user_reference == (reference or None)
