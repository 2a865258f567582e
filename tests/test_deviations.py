"""One field at a time of documented answers is replaced: what that may cost, and what it may not.

An endpoint joins with its line in `spec.ENDPOINTS`.
"""

import asyncio
import copy
from collections.abc import Iterator
from typing import Any

import attrs
import orjson
import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st
from spec import (
    ARGUMENTS,
    DECODED,
    EDIT,
    ENDPOINTS,
    LEAGUE,
    Spec,
    answer_schema,
    documents,
    request_of,
)

from fourcasters_async._core.outcome import AttemptResult, AttemptStatus
from fourcasters_async._http.response import Response, classify
from fourcasters_async.models import PlaceResult
from fourcasters_async.models.order import OpenOrdersPage
from fourcasters_async.models.unread import UnreadResults
from fourcasters_async.orders.answers import contradiction

Path = tuple[str | int, ...]

ABSENT = object()
REPLACEMENTS: list[object] = [
    None,
    ABSENT,
    0,
    7,
    1.5,
    -1,
    True,
    False,
    "",
    "7",
    "1,234.50",
    "error",
    "2026-10-05T19:10:00",
    [],
    [7],
    [{}],
    {},
    {"message": "it failed", "code": 409},
]
# What decides about money, by its place: the type that it must have, and whether it must be there.
ROWS: dict[str, tuple[type, bool]] = {
    "success": (bool, True),
    "sessionID": (str, False),
    "gameID": (str, False),
}
DECIDING: dict[str, tuple[type, bool]] = {
    **{f"data.{name}": rule for name, rule in ROWS.items()},
    **{f"data.*.{name}": rule for name, rule in ROWS.items()},
    "data.ordersReceived": (bool, True),
    "data.user.auth": (str, True),
    "data.unmatched": (list, True),
    "data.matched": (list, True),
    "data.createdSessions.*.matched": (list, False),
    "data.createdSessions.*.unmatched": (dict, False),
    "data.createdSessions.*.errorType": (str, False),
}
IN_AN_EDIT: dict[str, tuple[type, bool]] = {
    "data.unmatched": (dict, False),
    "data.matched": (list, False),
}
# Other tests have these: an error in its two forms, what an edit cancelled, the id of an offer.
ELSEWHERE = {"error", "error_type", "cancelled", "orderID"}
# Without what leads to the records there is no answer.
ENVELOPE = {"data", "order", "user", "createdSessions"}
# A game is known by its id and its parent: without either, the order is on an unknown game.
IDS_OF_GAMES = {("game", "id"), ("game", "parentGameID")}
# An order is kept without its id, which is not known then: `test_odd_values` has its proofs.
UNHURRIED = settings(
    deadline=None,
    max_examples=60,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much],
)


def places(value: Any, path: Path = ()) -> Iterator[Path]:
    """Yield the path of everything in a document but the items of lists."""
    inside: Any = value.items() if isinstance(value, dict) else enumerate(value)
    for key, each in inside:
        if isinstance(key, str):
            yield (*path, key)
        if isinstance(each, dict | list):
            yield from places(each, (*path, key))


def replaced(document: Any, path: Path, value: object) -> Any:
    changed = holder = copy.deepcopy(document)
    for key in path[:-1]:
        holder = holder[key]
    if value is ABSENT:
        del holder[path[-1]]
    else:
        holder[path[-1]] = value
    return changed


def read(path: str, document: Any) -> AttemptResult[Any]:
    """Return what a document proves as the answer to a request, whoever it is about."""
    request = asyncio.run(request_of(path, ARGUMENTS))
    assert request is not None
    anyone = attrs.evolve(request, check=contradictory, stray=None)
    return classify(anyone, Response(200, {}, orjson.dumps(document)))


def contradictory(answer: Any) -> str | None:
    results = answer if isinstance(answer, list) else [answer]
    found = [contradiction(each) for each in results if isinstance(each, PlaceResult)]
    return next((each for each in found if each is not None), None)


def plain(value: Any) -> Any:
    """Return what was decoded as dicts and lists."""
    if isinstance(value, OpenOrdersPage):
        value = value.unmatched
    if isinstance(value, list | UnreadResults):
        return [plain(each) for each in value]
    return attrs.asdict(value) if attrs.has(type(value)) else value


def differences(first: Any, second: Any, path: Path = ()) -> Iterator[Path]:
    """Yield where two values differ."""
    if isinstance(first, dict) and isinstance(second, dict):
        for key in first.keys() | second.keys():
            yield from differences(first.get(key), second.get(key), (*path, key))
    elif isinstance(first, list) and isinstance(second, list) and len(first) == len(second):
        for index, (one, other) in enumerate(zip(first, second, strict=True)):
            yield from differences(one, other, (*path, index))
    elif first != second:
        yield path


def depth_in_answer(path: str, place: Path) -> int:
    """Return how many steps lead to a place inside what is decoded."""
    request = asyncio.run(request_of(path, ARGUMENTS))
    assert request is not None
    depth = len(place) - len(request.data_path)
    is_page = request.answer is OpenOrdersPage
    return depth - 1 if is_page else depth


def rule_of(path: str, place: Path) -> tuple[type, bool] | None:
    """Return what is wanted of a value that decides, `None` for one that only informs."""
    name = ".".join("*" if isinstance(step, int) else step for step in place)
    return IN_AN_EDIT.get(name) if path == EDIT else DECIDING.get(name)


def decides(path: str, place: Path) -> bool:
    in_envelope = len(place) <= 2 and place[-1] in ENVELOPE
    return in_envelope or place[-2:] in IDS_OF_GAMES or rule_of(path, place) is not None


@pytest.fixture(scope="session")
def answers(spec: Spec) -> dict[str, st.SearchStrategy[Any]]:
    return {
        path: documents(spec, answer_schema(spec, path), ENDPOINTS[path].insists)
        for path in DECODED
    }


def drawn(
    answers: dict[str, st.SearchStrategy[Any]], path: str, data: st.DataObject, *, deciding: bool
) -> tuple[Any, Path, object]:
    document = data.draw(answers[path])
    there = [
        place
        for place in places(document)
        if decides(path, place) is deciding and ELSEWHERE.isdisjoint(place)
    ]
    assume(there)
    return document, data.draw(st.sampled_from(there)), data.draw(st.sampled_from(REPLACEMENTS))


# The acknowledgement of a cancel for a league has nothing that only informs.
@pytest.mark.parametrize("path", [path for path in DECODED if path != LEAGUE])
@UNHURRIED
@given(data=st.data())
def test_a_value_that_informs_costs_no_claim_and_nothing_beside_it(
    answers: dict[str, st.SearchStrategy[Any]], path: str, data: st.DataObject
) -> None:
    document, place, value = drawn(answers, path, data, deciding=False)
    right, changed = read(path, document), read(path, replaced(document, place, value))
    assert right.status is AttemptStatus.ANSWERED
    assert changed.status is AttemptStatus.ANSWERED
    depth = depth_in_answer(path, place)
    where = {each[:depth] for each in differences(plain(right.value), plain(changed.value))}
    assert len(where) <= 1
    assert all(len(each) == depth for each in where)


@pytest.mark.parametrize("path", DECODED)
@UNHURRIED
@given(data=st.data())
def test_a_value_that_decides_is_never_taken_for_another(
    answers: dict[str, st.SearchStrategy[Any]], path: str, data: st.DataObject
) -> None:
    document, place, value = drawn(answers, path, data, deciding=True)
    missing = value is None or value is ABSENT
    changed = read(path, replaced(document, place, value))
    if place[-2:] in IDS_OF_GAMES:
        assert changed.status is AttemptStatus.ANSWERED
        if not missing and not isinstance(value, str):
            assert game_of(plain(changed.value), path, place) is None
        return
    kind, needed = rule_of(path, place) or (dict, True)
    if place == ("data",):
        wrong = missing
    elif place[-1] == "createdSessions":
        wrong = not isinstance(value, list)
    else:
        wrong = needed if missing else not isinstance(value, kind)
    if wrong:
        assert changed.status is AttemptStatus.UNKNOWN


def game_of(answer: Any, path: str, place: Path) -> Any:
    """Return the game at a place of a decoded answer."""
    depth = depth_in_answer(path, place)
    for key in place[len(place) - depth : -1]:
        answer = answer[key]
    return answer
