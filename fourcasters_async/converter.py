"""The cattrs converters, one for each wire dialect.

The rules: a field that is not known is passed over, one that is missing or null takes its
default, a number may arrive as a string, a member that no enum knows stays a plain string.
Nothing else is coerced: a value that is not of its type makes the whole answer malformed.
"""

import math
import re
from collections.abc import Callable, Mapping
from datetime import datetime
from enum import StrEnum
from types import UnionType
from typing import Any, TypeVar, Union, get_args, get_origin

import attrs
from cattrs import ClassValidationError, Converter
from cattrs.gen import make_dict_structure_fn, override

from fourcasters_async.errors import DecodeError
from fourcasters_async.models import (
    AuthenticatedUser,
    CancelResult,
    Game,
    MatchedBet,
    OpenOrder,
    OrderDetail,
    Participant,
    User,
)

T = TypeVar("T")

# cattrs hands a hook any value, and the type to make of it in any form that a type can have.
_Hook = Callable[[Any, Any], Any]

_NUMBER = re.compile(r"[+-]?\d+(\.\d*)?([eE][+-]?\d+)?", re.ASCII)


class Dialect:
    """How one surface of the exchange writes the records.

    `names` has, for each record, the names on the wire that camelCase alone does not give.
    """

    def __init__(self, names: Mapping[type, Mapping[str, str]]) -> None:
        self._names = names
        self._converter = Converter()
        for kind, hook in _PRIMITIVES.items():
            self._converter.register_structure_hook(kind, hook)
        self._converter.register_structure_hook_factory(_is_open_enum, _open_enum_hook)
        self._converter.register_structure_hook_factory(_is_list, self._list_hook)
        self._converter.register_structure_hook_factory(attrs.has, self._record_hook)
        self._converter.register_structure_hook(CancelResult, self._cancel_result_hook())

    def structure(self, document: object, kind: type[T], at: str = "$") -> T:
        """Make a `kind` of the JSON value that stands at `at`, or raise `DecodeError`."""
        try:
            return self._converter.structure(document, kind)
        except Exception as error:  # noqa: BLE001  # what any hook says of hostile JSON
            path, reason = self._first_mistake(error, at)
        raise DecodeError(f"{path}: {reason}", path=path)

    def _wire_name(self, record: type, field: str) -> str:
        return self._names.get(record, {}).get(field) or _camel_case(field)

    def _list_hook(self, kind: Any) -> _Hook:
        (item_kind,) = get_args(kind)
        structure = self._converter.get_structure_hook(item_kind)

        def structure_list(value: Any, _: Any) -> Any:
            # cattrs would iterate over an object or a string, and call an empty one no items;
            # and it would go on after the first mistake, for as long as a hostile list is.
            if type(value) is not list:
                raise TypeError("not a list")
            items: list[Any] = []
            try:
                for item in value:
                    items.append(structure(item, item_kind))  # noqa: PERF401  # its length tells the place
            except Exception as error:
                raise _ItemError(len(items)) from error
            return items

        return structure_list

    def _record_hook(self, record: Any) -> _Hook:
        fields: tuple[attrs.Attribute[Any], ...] = attrs.fields(record)
        renames: dict[str, Any] = {
            field.name: override(rename=self._wire_name(record, field.name)) for field in fields
        }
        structure = make_dict_structure_fn(record, self._converter, **renames)

        def structure_record(value: Any, kind: Any) -> Any:
            # cattrs would look for the names inside a string, and find none missing.
            if type(value) is not dict:
                raise TypeError("not an object")
            return structure({k: v for k, v in value.items() if v is not None}, kind)

        return structure_record

    def _cancel_result_hook(self) -> _Hook:
        """Return a hook written for speed; where it fails, the generated one tells the place."""
        explain = self._record_hook(CancelResult)
        (
            success,
            reason,
            order_id,
            description,
            odds,
            filled,
            offered,
            remaining,
            game_id,
            user_reference,
            side,
            number,
        ) = [self._wire_name(CancelResult, field.name) for field in attrs.fields(CancelResult)]

        def structure(value: Any, kind: Any) -> Any:
            try:
                get = value.get
                return CancelResult(
                    _flag(value[success], None),
                    v if type(v := get(reason)) is str or v is None else _text(v, None),
                    v if type(v := get(order_id)) is str or v is None else _text(v, None),
                    v if type(v := get(description)) is str or v is None else _text(v, None),
                    v if type(v := get(odds)) is int or v is None else _integer(v, None),
                    None if (v := get(filled)) is None else _number(v, None),
                    None if (v := get(offered)) is None else _number(v, None),
                    None if (v := get(remaining)) is None else _number(v, None),
                    v if type(v := get(game_id)) is str or v is None else _text(v, None),
                    v if type(v := get(user_reference)) is str or v is None else _text(v, None),
                    v if type(v := get(side)) is str or v is None else _text(v, None),
                    None if (v := get(number)) is None else _number(v, None),
                )
            except Exception:  # noqa: BLE001  # the generated hook raises it again, with its place
                return explain(value, kind)

        return structure

    def _first_mistake(self, error: BaseException, at: str) -> tuple[str, str]:
        while True:
            if isinstance(error, _ItemError) and error.__cause__ is not None:
                at = f"{at}[{error.index}]"
                error = error.__cause__
            elif isinstance(error, ClassValidationError):
                record = error.cl
                (error, field), *_ = error.group_exceptions()[0]
                at = f"{at}.{self._wire_name(record, field.name)}"
            else:
                return at, "missing" if isinstance(error, KeyError) else str(error)


class _ItemError(Exception):
    """The item at `index` of a list is malformed, as its cause says."""

    def __init__(self, index: int) -> None:
        super().__init__(index)
        self.index = index


def _camel_case(name: str) -> str:
    head, *tail = name.split("_")
    return head + "".join("ID" if part == "id" else part.capitalize() for part in tail)


def _text(value: Any, _: Any) -> str:
    if type(value) is not str:
        raise TypeError("not a string")
    return value


def _flag(value: Any, _: Any) -> bool:
    if type(value) is not bool:
        raise TypeError("not a boolean")
    return value


def _number(value: Any, _: Any) -> float:
    # A bool is an int to isinstance, and not a number here.
    if type(value) in (float, int) or (type(value) is str and _NUMBER.fullmatch(value)):
        number = float(value)
        if math.isfinite(number):
            return number
    raise TypeError("not a number")


def _integer(value: Any, _: Any) -> int:
    if type(value) is int:
        return value
    number = _number(value, float)
    if not number.is_integer():
        raise TypeError("not a whole number")
    return int(number)


def _moment(value: Any, _: Any) -> datetime:
    try:
        moment = datetime.fromisoformat(_text(value, str).upper())
    except ValueError:
        raise TypeError("not a time") from None
    if moment.tzinfo is None:
        raise TypeError("not a time with its offset")
    return moment


_PRIMITIVES: Mapping[Any, _Hook] = {
    str: _text,
    bool: _flag,
    int: _integer,
    float: _number,
    datetime: _moment,
}


def _is_list(kind: Any) -> bool:
    return get_origin(kind) is list


def _known_members(kind: Any) -> Mapping[str, StrEnum] | None:
    """Return the members by value of a union of one `StrEnum` with `str`."""
    union = get_args(kind) if get_origin(kind) in (Union, UnionType) else ()
    enums = [k for k in union if isinstance(k, type) and issubclass(k, StrEnum)]
    if str not in union or len(enums) != 1:
        return None
    return {member.value: member for member in enums[0]}


def _is_open_enum(kind: Any) -> bool:
    return _known_members(kind) is not None


def _open_enum_hook(kind: Any) -> _Hook:
    members = _known_members(kind) or {}

    def structure(value: Any, _: Any) -> str:
        text = _text(value, str)
        return members.get(text, text)

    return structure


REST = Dialect(
    {
        AuthenticatedUser: {"user_id": "id"},
        CancelResult: {"order_id": "sessionID"},
        Game: {"game_id": "id"},
        MatchedBet: {"bet_id": "id", "over_under": "OU"},
        OpenOrder: {"order_id": "id"},
        OrderDetail: {"order_id": "id", "over_under": "OU", "participant_id": "participant"},
        Participant: {"participant_id": "id"},
        User: {"user_id": "id"},
    }
)
