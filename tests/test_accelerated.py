"""Answers that msgspec reads say what the strict path reads in them, or are left to it."""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import pytest
from attrs import evolve
from hypothesis import given
from hypothesis import strategies as st

from fourcasters_async import CancelResult
from fourcasters_async._core.outcome import AttemptStatus
from fourcasters_async._core.request import Kind, Request
from fourcasters_async._http.response import Response
from fourcasters_async._http.response import classify as classify_response
from fourcasters_async._json.accelerated import Cancelled
from fourcasters_async._json.converter import REST, SOCKET, Dialect
from fourcasters_async._websocket.frames import classify, read
from fourcasters_async.models.unread import RESULTS
from fourcasters_async.orders.answers import another_game

pytest.importorskip("msgspec")
for each in (REST, SOCKET):
    each.prepare()

Pairs = Sequence[tuple[str, str]]

ID = "3f2a9c11-1"
REQUEST: Request[Any] = Request("cancelAllByGame", RESULTS, Kind.CANCEL)

ORDER = (
    '{"success": true, "orderID": "65b036dfb31407c2b6bc1cfe", "description": "Zürich -110",'
    ' "odds": -110, "filled": "0.000000", "offered": 0.0, "remaining": 100, "gameID": "688c05",'
    ' "userReference": "mine/1", "side": "home", "number": -2.5}'
)
REST_ORDER = ORDER.replace("orderID", "sessionID")
# What the two parsers, or the two ways from JSON to a record, read differently if let. A lone
# surrogate stands for a byte that is no UTF-8.
WORDS = 'null true false nan NaN Infinity -Infinity tru [] {} [1] {"a":1} {"a":1,"a":2} [1,] [,]'
NUMBERS = (
    "0 -0 -0.0 1 -110.0 1.91 1e2 1E+2 0.30000000000000004 5e-324 1e308 1e309 -1e999 01 - +1 1. .5"
    " 1e 0x1 1_0 --1 9007199254740993 9223372036854775807 9223372036854775808 -9223372036854775808"
    " -9223372036854775809 18446744073709551615 18446744073709551616 1.7976931348623159e308"
)
TEXTS = [
    *("", "a", "-110", "1e2", r"\u0061", r"\/", r"\ud83d\ude00", r"\ud800", r"\x", r"\u12", "\n"),
    *("\x00", "\x7f", "é", "\udcff", "\udcc0\udc80", "\udced\udca0\udc80"),
    "\udcf4\udc90\udc80\udc80",
]
VALUES = [
    *WORDS.split(),
    *NUMBERS.split(),
    *("1" * 40, "1" * 400),
    *("[" * depth + "]" * depth for depth in (900, 1025, 5000)),
    *(f'"{text}"' for text in TEXTS),
    *("'a'", '"unterminated'),
]
KEYS = [
    *("success", "reason", "orderID", "sessionID", "description", "odds", "filled", "offered"),
    *("remaining", "gameID", "userReference", "side", "number", "error", "errorType"),
    *("error_type", "errors", "requestID", "data", "responses", "else", "", r"\u0065rror"),
    *(r"succes\u0073", "Success", "order_id", "\udcff", r"\ud800"),
]
AROUND = ["", " ", "\n\t\r ", "\x0b", "\x00", "\ufeff", "\xa0", "x", "{}", ",", "]", "}", "null"]


def content(text: str) -> bytes:
    return text.encode("utf-8", "surrogateescape")


def written(pairs: Pairs) -> str:
    fields = ", ".join(f'"{key}": {value}' for key, value in pairs)
    return f"{{{fields}}}"


def order(*more: tuple[str, str]) -> str:
    return written([("success", "true"), ("orderID", '"a"'), *more])


def frame_of(*orders: str, first: Pairs = (), last: Pairs = ()) -> str:
    rows = ", ".join(orders)
    return written([*first, ("requestID", f'"{ID}"'), ("data", f"[{rows}]"), *last])


_PAIRS = st.lists(st.tuples(st.sampled_from(KEYS), st.sampled_from(VALUES)), max_size=3)
_INFORMS = ["reason", "description", "odds", "filled", "userReference", "side", "number"]
_GOOD = st.sampled_from(["null", '"a"', '"é"', r'"\u00e9"', "1", "1.5", "-0", "1e2"])
_ROWS = st.one_of(
    st.sampled_from([ORDER, REST_ORDER]),
    st.lists(st.tuples(st.sampled_from(_INFORMS), _GOOD)).map(lambda pairs: order(*pairs)),
    _PAIRS.map(lambda pairs: order(*pairs)),
    _PAIRS.map(written),
    st.sampled_from(VALUES),
)
_DATA = st.lists(_ROWS, max_size=3).map(lambda rows: f"[{', '.join(rows)}]")


@st.composite
def documents(draw: st.DrawFn, *, has_id: bool) -> bytes:
    pairs = [("data", draw(_DATA | st.sampled_from(VALUES)))]
    if has_id:
        pairs.append(("requestID", f'"{ID}"'))
    if draw(st.booleans()):
        pairs += draw(_PAIRS)
    around = st.just("") | st.sampled_from(AROUND)
    return content(draw(around) + written(draw(st.permutations(pairs))) + draw(around))


def without_msgspec(patch: pytest.MonkeyPatch, dialect: Dialect) -> None:
    patch.setattr(dialect, "read_cancelled", None)


def said(result: Any) -> object:
    """Return all that an attempt proves, with its records."""
    records = list(result.value) if result.status is AttemptStatus.ANSWERED else None
    return repr((result.status, records, result.rows, str(result.error)))


def over_the_socket(frame: bytes) -> object:
    answer = read(frame)
    return answer and (answer.request_id, said(classify(REQUEST, answer.document)))


def over_rest(body: bytes) -> object:
    return said(classify_response(REQUEST, Response(200, {}, body)))


def both_ways(dialect: Dialect, look: Callable[[bytes], object], document: bytes) -> list[object]:
    with pytest.MonkeyPatch.context() as patch:
        told = [look(document)]
        without_msgspec(patch, dialect)
        return [*told, look(document)]


@given(frame=documents(has_id=True))
def test_a_frame_says_the_same_with_msgspec_and_without(frame: bytes) -> None:
    fast, strict = both_ways(SOCKET, over_the_socket, frame)
    assert fast == strict


@given(body=documents(has_id=False))
def test_a_response_says_the_same_with_msgspec_and_without(body: bytes) -> None:
    fast, strict = both_ways(REST, over_rest, body)
    assert fast == strict


@pytest.mark.parametrize("key", KEYS, ids=range(len(KEYS)))
def test_no_value_of_any_field_is_read_otherwise(key: str) -> None:
    for value in VALUES:
        field = (key, value)
        for frame in (frame_of(order(field)), frame_of(first=[field]), frame_of(last=[field])):
            fast, strict = both_ways(SOCKET, over_the_socket, content(frame))
            assert fast == strict


@pytest.mark.parametrize("before", AROUND, ids=range(len(AROUND)))
def test_nothing_around_an_answer_is_read_otherwise(before: str) -> None:
    for after in AROUND:
        frame = content(before + frame_of(order()) + after)
        fast, strict = both_ways(SOCKET, over_the_socket, frame)
        assert fast == strict


def test_the_documented_frame_is_read_by_msgspec() -> None:
    told = read(content(frame_of(ORDER)))
    assert told is not None
    assert isinstance(told.document, Cancelled)
    assert list(told.document.results("").ids) == [("65b036dfb31407c2b6bc1cfe", "688c05")]


def test_the_documented_response_is_read_by_msgspec() -> None:
    assert REST.read_cancelled is not None
    told = REST.read_cancelled(content(written([("data", f"[{REST_ORDER}]")])))
    assert told is not None
    assert list(told.results("").ids) == [("65b036dfb31407c2b6bc1cfe", "688c05")]


@pytest.mark.parametrize(
    ("answer", "data_path", "value"),
    [
        (CancelResult, ("data", 0), CancelResult(True, order_id="a")),
        (list[CancelResult], ("data",), [CancelResult(True, order_id="a")]),
    ],
)
def test_a_request_for_something_else_is_answered_by_the_strict_path(
    answer: type[Any], data_path: tuple[str | int, ...], value: object
) -> None:
    request: Request[Any] = Request("cancelById", answer, Kind.CANCEL, data_path)
    told = read(content(frame_of(order())))
    assert told is not None
    assert classify(request, told.document).value == value


def test_an_answer_about_another_game_may_be_a_stray_with_msgspec_too() -> None:
    request: Request[Any] = evolve(REQUEST, stray=partial(another_game, "another"))
    body = content(written([("data", f"[{REST_ORDER}]")]))
    result = classify_response(request, Response(200, {}, body))
    assert result.status is AttemptStatus.UNKNOWN


def test_without_msgspec_the_strict_path_reads_every_answer(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    without_msgspec(monkeypatch, SOCKET)
    told = read(content(frame_of(order())))
    assert told is not None
    assert isinstance(told.document, dict)
