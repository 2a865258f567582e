"""The hooks of the user feed that are written by hand say what the generated ones say."""

from typing import Any

import pytest
from attrs import fields

from fourcasters_async._json.converter import Dialect
from fourcasters_async.errors import DecodeError
from fourcasters_async.models import FeedOrder, OrderCancelled, OrderPlaced

SOCKET = Dialect("socket")
ORDER: dict[str, object] = {
    "orderID": "X1",
    "wagerRequestID": "W1",
    "offered": 100,
    "filled": 0,
    "remaining": "99.5",
    "odds": -110,
    "type": "spread",
    "side": "home",
    "market": "draw",
    "number": -3.5,
    "userReference": "mine",
    "isPostArb": False,
    "createdAt": "2026-11-26T04:02:22.123Z",
    "expiry": "2026-11-27T04:02:22+02:00",
    "somethingNew": [1],
}
EVENT: dict[str, object] = {
    "messageID": "1767225600000-1",
    "gameID": "G1",
    "parentGameID": "P1",
    "eventName": "CELTICS-VS-LAKERS",
    "league": "NBA",
    "sport": "basketball",
    "live": True,
    "start": "2026-11-26T04:02:22.123Z",
    "platform": "api",
    "origin": "offer",
    "createdAt": "2026-11-26T04:02:22.123Z",
    "unmatched": ORDER,
    "matched": None,
}
ODD: list[object] = [None, "", "a text", "2026-11-26", "7", 0, 7, 2.5, 1e400, True, [], {}, [{}]]


def said(make: Any, document: dict[str, object], kind: type) -> object:
    """Return the record that a hook makes, or that it makes none."""
    try:
        return make(document, kind)
    except Exception:  # noqa: BLE001  # a generated hook may raise anything on malformed JSON
        return None


def test_the_documents_have_every_field() -> None:
    assert SOCKET.names_of(FeedOrder) <= ORDER.keys()
    assert SOCKET.names_of(OrderPlaced) <= EVENT.keys()
    assert all(
        getattr(SOCKET.structure(ORDER, FeedOrder), each.name)
        for each in fields(FeedOrder)
        if each.name not in ("filled", "is_post_arb")
    )


@pytest.mark.parametrize("odd", ODD, ids=repr)
@pytest.mark.parametrize("name", sorted(SOCKET.names_of(FeedOrder)))
def test_an_order_with_an_odd_value_is_read_as_by_the_generated_hook(
    name: str, odd: object
) -> None:
    generated = SOCKET._record_hook(FeedOrder)
    document = {**ORDER, name: odd}
    assert said(SOCKET.structure, document, FeedOrder) == said(generated, document, FeedOrder)


@pytest.mark.parametrize("kind", [OrderPlaced, OrderCancelled])
@pytest.mark.parametrize("odd", ODD, ids=repr)
@pytest.mark.parametrize("name", sorted(SOCKET.names_of(OrderPlaced)))
def test_an_event_with_an_odd_value_is_read_as_by_the_generated_hook(
    name: str, odd: object, kind: type
) -> None:
    generated = SOCKET._record_hook(kind)
    document = {**EVENT, name: odd}
    assert said(SOCKET.structure, document, kind) == said(generated, document, kind)


@pytest.mark.parametrize("name", ["orderID", "offered", "filled", "remaining"])
def test_what_decides_about_an_order_is_strict_and_named_as_the_exchange_names_it(
    name: str,
) -> None:
    document = {**EVENT, "unmatched": {**ORDER, name: []}}
    with pytest.raises(DecodeError, match=rf"\$\.unmatched\.{name}"):
        SOCKET.structure(document, OrderPlaced)


def test_a_type_that_is_not_known_stays_a_string() -> None:
    assert SOCKET.structure({**ORDER, "type": "parlay"}, FeedOrder).type == "parlay"
