"""What every record can do: become plain JSON values, and show itself in one short line."""

import math
from collections.abc import Callable, Iterable, Mapping, Sequence, Sized
from collections.abc import Set as AbstractSet
from datetime import date
from enum import Enum
from functools import cache
from typing import Any, ClassVar, Protocol, SupportsFloat, runtime_checkable

from attrs import fields

# Characters of a `repr`, about.
_LONGEST = 280
# Characters of one value in it.
_LONGEST_VALUE = 60
# Levels of records, objects and lists inside each other that are written. Records need about ten,
# but the exchange may nest what it does not document, and each level takes stack to write.
DEEPEST = 64


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
        which has no secrets. The results of a cancel are a dict with `results`, `complete` and
        `attempts`. Units are those of the fields: nothing is converted. A number that JSON does
        not have, such as NaN, is `None`, and so is what lies more than 64 levels deep. Some records
        add what is derived from their fields: a report whether it is `ok`, an order its `game_id`.
        Every record of a class has the same keys, so that
        `[record.to_dict() for record in records]` makes a table. The command line prints the same.
        """
        return self._document(DEEPEST)

    def _document(self, levels: int) -> dict[str, object]:
        """Return what `to_dict` does, with at most so many levels inside it."""
        kind: Any = type(self)
        names = (*_shown(kind), *self._derived)
        return {name: plain(getattr(self, name), levels) for name in names}

    def __repr__(self) -> str:
        return _in_short(type(self).__name__, _given(self))


@cache
def _shown(kind: Any) -> tuple[str, ...]:
    """Return the fields of a class that may be shown. A secret is not among them."""
    return tuple(each.name for each in fields(kind) if each.repr)


def plain(value: object, levels: int = DEEPEST) -> object:
    """Return a value as JSON has it, and `None` for what is below so many levels."""
    # The most frequent ones come first: a report may hold tens of thousands.
    if value is None or type(value) in (str, bool, int):
        return value
    kind: Any = type(value)
    return _writer_of(kind)(value, levels)


@cache
def _writer_of(kind: type) -> "_Write":
    return next(write for base, write in _PLAIN if issubclass(kind, base))


def _given(record: Record) -> list[tuple[str, object]]:
    """Return the fields of a record that are not `None`."""
    kind: Any = type(record)
    named = ((name, getattr(record, name)) for name in _shown(kind))
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


_Write = Callable[[Any, int], object]


@runtime_checkable
class _HasDict(Protocol):
    """What is no record, but turns itself into plain values, such as a list that says more."""

    def to_dict(self) -> dict[str, object]: ...


def _alone(write: Callable[[Any], object]) -> _Write:
    """Write what holds nothing."""
    return lambda value, _: write(value)


def _bounded(write: _Write) -> _Write:
    """Write what holds others, unless it lies too deep."""
    return lambda value, levels: write(value, levels - 1) if levels > 0 else None


def _record(record: Record, levels: int) -> dict[str, object]:
    # What is around it does not matter: it is written as by its `to_dict`.
    return record._document(min(levels, DEEPEST))  # noqa: SLF001  # the same module


def _error(error: BaseException) -> dict[str, object]:
    return {"type": type(error).__name__, "message": str(error)}


# How each kind of value is written, the first that fits.
_PLAIN: tuple[tuple[type, _Write], ...] = (
    (float, _alone(lambda number: float(number) if math.isfinite(number) else None)),
    (Record, _bounded(_record)),
    (_HasDict, _bounded(lambda each, _: each.to_dict())),
    (Enum, lambda member, levels: plain(member.value, levels)),
    (str, _alone(str.__str__)),
    (int, _alone(int)),
    # A time is a date too.
    (date, _alone(lambda day: day.isoformat())),
    (BaseException, _alone(_error)),
    # A `Decimal`, which it would take a millisecond to import.
    (SupportsFloat, _alone(lambda number: plain(float(number)))),
    (Mapping, _bounded(lambda each, left: {str(k): plain(v, left) for k, v in each.items()})),
    (AbstractSet, _bounded(lambda each, left: sorted((plain(v, left) for v in each), key=str))),
    (Iterable, _bounded(lambda each, left: [plain(value, left) for value in each])),
    (object, _alone(str)),
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
