"""What is compiled from the fields of a record reads as cattrs does, which is behind it."""

import inspect
from datetime import date, datetime
from typing import Any, get_args
from unittest.mock import Mock, call

import attrs
import pytest

from fourcasters_async import models
from fourcasters_async._json.converter import Dialect
from fourcasters_async._json.hooks import Hook, is_list, is_object, is_odds, is_open_enum
from fourcasters_async.errors import DecodeError
from fourcasters_async.models import FeedOrder, Game, OpenOrder, OrderPlaced

ODD: list[object] = [
    *(None, "", "a text", "2026-11-26", "2026-11-26t04:02:22.123z", "7", "nan", "1e999"),
    *(0, 7, -0.0, 2.5, 10**400, True, False, [], [None], {}, [{}], {"id": "X"}),
]
# Made by the library, with values that JSON does not have.
MADE_HERE = {models.GameExposure, models.Halted}
RECORDS: list[Any] = [
    record
    for name in models.__all__
    if inspect.isclass(record := getattr(models, name)) and attrs.has(record)
    if record not in MADE_HERE
]


class Uncompiled(Dialect):
    """A dialect in which cattrs reads every record."""

    def _compiled(self, *_: object, otherwise: Hook, **__: object) -> Hook:
        return otherwise


# What cattrs generates is used by all tests: it takes a while.
DIALECTS = [
    (Dialect("rest"), Uncompiled("rest")),
    (Dialect("socket"), Uncompiled("socket")),
]


def value_of(dialect: Dialect, kind: Any) -> object:
    """Return a JSON value of a type."""
    kinds = [each for each in get_args(kind) if each is not type(None)]
    if is_list(kind):
        return [value_of(dialect, kinds[0])]
    if is_object(kind) or kind is object:
        return {"a": 1}
    if is_open_enum(kind):
        return next(iter(next(each for each in kinds if each is not str)))
    if kinds and not is_odds(kind):
        return value_of(dialect, kinds[0])
    if attrs.has(kind):
        return document_of(dialect, kind)
    return {
        str: "a text",
        bool: True,
        int: 7,
        float: 2.5,
        date: "2026-11-26",
        datetime: "2026-11-26T04:02:22.123Z",
    }.get(kind, -110)


def document_of(dialect: Dialect, record: Any) -> dict[str, object]:
    fields = attrs.fields(record)
    return {dialect._wire_name(each): value_of(dialect, each.type) for each in fields}


def said(dialect: Dialect, document: object, kind: type) -> object:
    """Return the record, or what is wrong with its document, and the odd values in it."""
    noted = dialect._odd_values.note = Mock()  # type: ignore[method-assign]  # it is asked what it was told
    try:
        made: object = dialect.structure(document, kind)
    except DecodeError as error:
        made = str(error)
    return made, noted.mock_calls


@pytest.mark.parametrize(("compiled", "uncompiled"), DIALECTS, ids=["rest", "socket"])
@pytest.mark.parametrize("record", RECORDS, ids=lambda each: each.__name__)
def test_a_record_with_an_odd_value_is_read_as_by_cattrs(
    record: Any, compiled: Dialect, uncompiled: Dialect
) -> None:
    document = document_of(compiled, record)
    documents = [document, {}, {**document, "somethingNew": [1]}]
    errors: list[object] = [None, "", "no such order", {}]
    documents += [{**document, "error": error} for error in errors]
    for name in document:
        documents += [{**document, name: odd} for odd in ODD]
        documents.append({key: value for key, value in document.items() if key != name})
    for each in documents:
        assert said(compiled, each, record) == said(uncompiled, each, record)


@pytest.mark.parametrize("odd", ODD, ids=repr)
def test_what_is_no_object_is_no_record(odd: object) -> None:
    compiled, uncompiled = DIALECTS[0]
    assert said(compiled, odd, OpenOrder) == said(uncompiled, odd, OpenOrder)


@pytest.mark.parametrize("name", ["orderID", "offered", "filled", "remaining"])
def test_what_decides_about_an_order_is_strict_and_named_as_the_exchange_names_it(
    name: str,
) -> None:
    dialect = Dialect("socket")
    document = document_of(dialect, OrderPlaced)
    document["unmatched"] = {**document_of(dialect, FeedOrder), name: []}
    with pytest.raises(DecodeError, match=rf"\$\.unmatched\.{name}"):
        dialect.structure(document, OrderPlaced)


def test_the_orders_on_a_game_share_its_record() -> None:
    dialect = Dialect("rest")
    game, other = document_of(dialect, Game), {**document_of(dialect, Game), "id": "another"}
    documents = [{"id": "1", "game": game}, {"id": "2", "game": other}, {"id": "3", "game": game}]
    first, second, third = dialect.structure(documents, list[OpenOrder])
    assert first.game is third.game
    assert (first.game_id, second.game_id) == ("a text", "another")


def test_answers_share_no_record() -> None:
    dialect = Dialect("rest")
    document = {"id": "1", "game": document_of(dialect, Game)}
    first, second = (dialect.structure(document, OpenOrder) for _ in range(2))
    assert first.game == second.game
    assert first.game is not second.game


def test_games_that_python_alone_takes_for_equal_are_two() -> None:
    documents = [{"game": {"id": "1", "live": live}} for live in (True, 1)]
    orders = Dialect("rest").structure(documents, list[OpenOrder])
    assert [order.game and order.game.live for order in orders] == [True, None]


def test_an_odd_value_of_a_game_is_noted_where_each_of_its_orders_stands() -> None:
    dialect = Dialect("rest")
    odd = {"game": {"id": "1", "live": "yes"}}
    _, noted = said(dialect, [odd, {}, odd], list[OpenOrder])  # type: ignore[misc]  # as it returns
    assert noted == [call("$[].game.live", "a string")] * 2  # type: ignore[has-type]  # as above
