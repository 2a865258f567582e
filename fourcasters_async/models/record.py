"""What every record can do: become plain JSON values, and show itself in one short line."""

import math
from collections.abc import Callable, Iterable, Mapping, Sequence, Sized
from collections.abc import Set as AbstractSet
from datetime import date
from enum import Enum
from typing import Any, ClassVar, SupportsFloat, cast

from attrs import fields

# Characters of a `repr`, about.
_LONGEST = 280
# Characters of one value in it.
_LONGEST_VALUE = 60


class Record:
    """What the records and the reports have in common: `to_dict`, and a short `repr`.

    The `repr` leaves out what is `None`, counts what is in lists, and names a record inside by its
    first field. Where all of it would be too long, the longest of the other values are left out.
    """

    __slots__ = ()

    # What `to_dict` has beside the fields.
    _derived: ClassVar[tuple[str, ...]] = ()

    def to_dict(self) -> dict[str, object]:
        """Return the record as plain JSON values, with all of its fields: for `json.dumps`.

        Times and days are ISO 8601 texts, times with their offset from UTC. An enum is its value,
        a record inside is a dict too, and an error is a dict with its `type` and its `message`,
        which has no secrets. Units are those of the fields: nothing is converted. A number that
        JSON does not have, such as NaN, is `None`. Some records add what is derived from their
        fields: a report whether it is `ok`, an order its `game_id`. Every record of a class has
        the same keys, so that `[record.to_dict() for record in records]` makes a table.
        """
        names = (*_shown(type(self)), *self._derived)
        return {name: plain(getattr(self, name)) for name in names}

    def __repr__(self) -> str:
        return _in_short(type(self).__name__, _given(self))


def _shown(kind: type) -> tuple[str, ...]:
    """Return the fields of a class that may be shown. A secret is not among them."""
    return tuple(each.name for each in fields(cast(Any, kind)) if each.repr)


def plain(value: object) -> object:
    """Return a value as JSON has it."""
    # The most frequent ones come first: a report may hold tens of thousands.
    if value is None or type(value) in (str, bool, int):
        return value
    return next(make(value) for kind, make in _PLAIN if isinstance(value, kind))


def _given(record: Record) -> list[tuple[str, object]]:
    """Return the fields of a record that are not `None`."""
    named = ((name, getattr(record, name)) for name in _shown(type(record)))
    return [(name, value) for name, value in named if value is not None]


def _in_short(name: str, given: Sequence[tuple[str, object]]) -> str:
    parts = [f"{field}={_brief(value)}" for field, value in given]
    length, left_out = sum(len(part) + 2 for part in parts), ""
    # The first field, which is nearly always an id, is what somebody looks for; and a record inside
    # says what an event is about.
    others = [part for part, (_, value) in zip(parts, given, strict=True) if _is_plain(value)][1:]
    for part in sorted(others, key=len, reverse=True):
        if length <= _LONGEST:
            break
        parts.remove(part)
        length -= len(part) + 2
        left_out = ", …"
    return f"{name}({', '.join(parts)}{left_out})"


def _is_plain(value: object) -> bool:
    return not isinstance(value, Record)


def _brief(value: object) -> str:
    """Return a value for one line: what it holds is counted, and nothing in it is made."""
    return next(make(value) for kind, make in _BRIEF if isinstance(value, kind))


def _cut(text: str) -> str:
    short = text[:_LONGEST_VALUE]
    return repr(short) if len(short) == len(text) else f"{short!r}…"


def _counted(items: Any) -> str:
    if not items:
        return repr(items)
    return "<1 item>" if len(items) == 1 else f"<{len(items):,} items>"


def _document(error: BaseException) -> dict[str, object]:
    return {"type": type(error).__name__, "message": str(error)}


# How each kind of value is written, the first that fits.
_PLAIN: tuple[tuple[type, Callable[[Any], object]], ...] = (
    (float, lambda number: float(number) if math.isfinite(number) else None),
    (Record, Record.to_dict),
    (Enum, lambda member: plain(member.value)),
    (str, str.__str__),
    (int, int),
    # A time is a date too.
    (date, lambda day: day.isoformat()),
    (BaseException, _document),
    # A `Decimal`, which it would take a millisecond to import.
    (SupportsFloat, lambda number: plain(float(number))),
    (Mapping, lambda each: {str(key): plain(value) for key, value in each.items()}),
    (AbstractSet, lambda each: sorted(map(plain, each), key=str)),
    (Iterable, lambda each: [plain(value) for value in each]),
    (object, str),
)
_BRIEF: tuple[tuple[type, Callable[[Any], str]], ...] = (
    (Record, lambda record: _in_short(type(record).__name__, _given(record)[:1])),
    (Enum, lambda member: _brief(member.value)),
    (str, _cut),
    (date, str),
    (BaseException, lambda error: type(error).__name__),
    (Sized, _counted),
    (object, lambda value: repr(value)[:_LONGEST_VALUE]),
)
