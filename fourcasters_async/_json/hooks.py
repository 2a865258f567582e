"""Hooks that coerce nothing but a number in a string. No I/O."""

import math
import re
from collections.abc import Callable, Mapping
from datetime import datetime
from enum import StrEnum
from types import UnionType
from typing import Any, Union, get_args, get_origin

# cattrs hands a hook any value, and the type to make of it in any form that a type can have.
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
    """Return a finite JSON number, also one in a string."""
    # A bool is an int to isinstance, and not a number here.
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


def _moment(value: Any, _: Any) -> datetime:
    try:
        moment = datetime.fromisoformat(_text(value, str).upper())
    except ValueError:
        raise TypeError("not a time") from None
    if moment.tzinfo is None:
        raise TypeError("not a time with its offset")
    return moment


PRIMITIVES: Mapping[Any, Hook] = {
    str: _text,
    bool: _flag,
    int: _integer,
    float: number,
    datetime: _moment,
}


def is_list(kind: Any) -> bool:
    """Whether a type is a list of something."""
    return get_origin(kind) is list


def is_object(kind: Any) -> bool:
    """Whether a type is that of a JSON object as it is."""
    return get_origin(kind) is dict


def object_(value: Any, _: Any) -> dict[str, object]:
    """Return a JSON object as it is."""
    if type(value) is not dict:
        raise TypeError("not an object")
    return value


def _known_members(kind: Any) -> Mapping[str, StrEnum] | None:
    """Return the members by value of a union of one `StrEnum` with `str`."""
    union = get_args(kind) if get_origin(kind) in (Union, UnionType) else ()
    enums = [k for k in union if isinstance(k, type) and issubclass(k, StrEnum)]
    if str not in union or len(enums) != 1:
        return None
    return {member.value: member for member in enums[0]}


def is_open_enum(kind: Any) -> bool:
    """Whether a type is an enum whose unknown members stay strings."""
    return _known_members(kind) is not None


def open_enum_hook(kind: Any) -> Hook:
    """Return the hook of such an enum."""
    members = _known_members(kind) or {}

    def structure(value: Any, _: Any) -> str:
        text = _text(value, str)
        return members.get(text, text)

    return structure
