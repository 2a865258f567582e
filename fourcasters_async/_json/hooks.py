"""Structure hooks that coerce nothing except a number in a string. No I/O."""

import math
import re
from collections.abc import Callable, Mapping
from datetime import date, datetime
from enum import StrEnum
from types import UnionType
from typing import Any, Union, get_args, get_origin

import attrs

# cattrs calls a hook with any value, and with any form of the type to turn it into.
Hook = Callable[[Any, Any], Any]

_NUMBER = re.compile(r"[+-]?\d+(\.\d*)?([eE][+-]?\d+)?", re.ASCII)


def _text(value: Any, _: Any) -> str:
    if type(value) is not str:
        raise TypeError("not a string")
    return value


def _flag(value: Any, _: Any) -> bool:
    if type(value) is not bool:
        raise TypeError("not a boolean")
    return value


def number(value: Any, _: Any) -> float:
    """Return a finite JSON number, which may be in a string."""
    # isinstance would accept a bool as an int.
    if type(value) in (float, int) or (type(value) is str and _NUMBER.fullmatch(value)):
        made = float(value)
        if math.isfinite(made):
            return made
    raise TypeError("not a number")


def _integer(value: Any, _: Any) -> int:
    if type(value) is int:
        return value
    made = number(value, float)
    if not made.is_integer():
        raise TypeError("not a whole number")
    return int(made)


def is_odds(kind: Any) -> bool:
    """Whether a type is that of odds: a whole number, or a decimal where the exchange sends one."""
    return _is_union(kind) and set(get_args(kind)) - {type(None)} == {int, float}


def odds(value: Any, _: Any) -> float:
    """Return a number: an `int` if it is whole."""
    if type(value) is int:
        return value
    made = number(value, None)
    return int(made) if made.is_integer() else made


def text_or_digits(value: Any, _: Any) -> str | None:
    """Return a text, or the digits of a whole number, and `None` for an empty text."""
    return str(value) if type(value) is int else _text(value, None) or None


def number_or_none(value: Any) -> float | None:
    """Return what `number` does, and `None` for `None`: for the hooks that are written by hand."""
    return None if value is None else number(value, None)


def moment_with_offset(text: Any) -> datetime:
    """Return the time of a text in the documented form; any other raises, whatever it is."""
    moment = datetime.fromisoformat(text)
    if moment.tzinfo is None:
        raise TypeError("not a time with its offset")
    return moment


def _moment(value: Any, _: Any) -> datetime:
    try:
        moment = datetime.fromisoformat(_text(value, str).upper())
    except ValueError:
        raise TypeError("not a time") from None
    if moment.tzinfo is None:
        raise TypeError("not a time with its offset")
    return moment


def _day(value: Any, _: Any) -> date:
    try:
        return date.fromisoformat(_text(value, str))
    except ValueError:
        raise TypeError("not a day") from None


PRIMITIVES: Mapping[Any, Hook] = {
    str: _text,
    bool: _flag,
    int: _integer,
    float: number,
    date: _day,
    datetime: _moment,
}


_JSON_TYPES = {str: "a string", bool: "a boolean", dict: "an object", list: "a list"}


def is_list(kind: Any) -> bool:
    """Whether a type is a list of something."""
    return get_origin(kind) is list


def is_anything(kind: Any) -> bool:
    """Whether a type stands for any JSON value, kept as it is."""
    return kind is object


def anything(value: Any, _: Any) -> object:
    """Return a JSON value as it is."""
    return value


def is_object(kind: Any) -> bool:
    """Whether a type stands for a JSON object that is kept as it is."""
    return get_origin(kind) is dict


def object_(value: Any, _: Any) -> dict[str, object]:
    """Return a JSON object as it is."""
    if type(value) is not dict:
        raise TypeError("not an object")
    return value


def json_type(value: Any) -> str:
    """Name the JSON type of a value that is not null."""
    return _JSON_TYPES.get(type(value), "a number")


def _is_union(kind: Any) -> bool:
    return get_origin(kind) in (Union, UnionType)


def is_union_of_records(kind: Any) -> bool:
    """Whether a type is a union of records and nothing else."""
    return _is_union(kind) and all(map(attrs.has, get_args(kind)))


def _members_by_value(kind: Any) -> Mapping[str, StrEnum] | None:
    """Return the members by value for a union of one `StrEnum` and `str`, else `None`."""
    union = get_args(kind) if _is_union(kind) else ()
    enums = [k for k in union if isinstance(k, type) and issubclass(k, StrEnum)]
    if str not in union or len(enums) != 1:
        return None
    return {member.value: member for member in enums[0]}


def is_open_enum(kind: Any) -> bool:
    """Whether a type is a union of one `StrEnum` and `str`: unknown values stay strings."""
    return _members_by_value(kind) is not None


def open_enum_hook(kind: Any) -> Hook:
    """Return the hook of a type for which `is_open_enum` holds."""
    members = _members_by_value(kind) or {}

    def structure(value: Any, _: Any) -> str:
        text = _text(value, str)
        return members.get(text, text)

    return structure
