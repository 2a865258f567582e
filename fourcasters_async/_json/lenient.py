"""Hooks that do not let one odd value cost what stands beside it. No I/O."""

from collections.abc import Sequence
from typing import Any

import attrs
import orjson

from fourcasters_async._json.hooks import Hook, json_type

OddPlaces = list[tuple[str, str]]
"""Where the odd values of the answer at hand stand, and of which JSON type they are."""


class ItemError(Exception):
    """The item at `index` of a list is malformed, as its cause says.

    `rows` are the items if each counts for itself, `None` in place of those that are malformed.
    """

    def __init__(self, index: int, rows: Sequence[Any] | None = None) -> None:
        super().__init__(index)
        self.index = index
        self.rows = rows


def lenient(hook: Hook, default: Any, name: str, odd: OddPlaces) -> Hook:
    """Return a hook that takes a value which `hook` refuses as missing, and notes where it stood.

    `name` is that of the field, empty for an item of a list.
    """
    step = f".{name}" if name else ""

    # Every field of every record goes through it: it does nothing else.
    def structure(value: Any, kind: Any) -> Any:
        try:
            return hook(value, kind)
        except Exception:  # noqa: BLE001  # a hook may raise anything on malformed JSON
            odd.append((step, json_type(value)))
            return default.factory() if isinstance(default, attrs.Factory) else default  # type: ignore[arg-type]  # attrs types it as a function

    return structure


def named(hook: Hook, name: str, odd: OddPlaces) -> Hook:
    """Return a hook that notes for the odd values inside a value that they are in this field."""

    def structure(value: Any, kind: Any) -> Any:
        before = len(odd)
        try:
            made = hook(value, kind)
        except Exception:
            del odd[before:]
            raise
        _step_out(odd, before, f".{name}")
        return made

    return structure


def once(hook: Hook, made: dict[bytes, Any], odd: OddPlaces) -> Hook:
    """Return a hook that reads equal values once: all get the same record from `made`.

    One with odd values is read each time, because these are noted where they stand.
    """

    def structure(value: Any, kind: Any) -> Any:
        # Equal as JSON: to Python, 1 and true are equal too.
        key = orjson.dumps(value)
        record = made.get(key)
        if record is None:
            before = len(odd)
            record = hook(value, kind)
            if len(odd) == before:
                made[key] = record
        return record

    return structure


def list_hook(structure: Hook, item_kind: Any, odd: OddPlaces, *, keep_rows: bool) -> Hook:
    """Return the hook of a list of what `structure` makes.

    It reports only the first item that is malformed, and with `keep_rows` what the others say.
    """

    def structure_list(value: Any, _: Any) -> Any:
        # cattrs would iterate over an object or a string, and take an empty one for no items.
        if type(value) is not list:
            raise TypeError("not a list")
        before = len(odd)
        try:
            made = [structure(item, item_kind) for item in value]
        except Exception:  # noqa: BLE001  # a hook may raise anything on malformed JSON
            del odd[before:]
            return find_mistake(value)
        _step_out(odd, before, "[]")
        return made

    def find_mistake(value: Any) -> Any:
        rows: list[Any] = []
        first: tuple[int, Exception] | None = None
        for index, item in enumerate(value):
            try:
                rows.append(structure(item, item_kind))
            except Exception as error:  # noqa: BLE001  # as above
                first = first or (index, error)
                rows.append(None)
                if not keep_rows:
                    break
        if first is None:
            raise TypeError("an item was malformed once and not again")
        raise ItemError(first[0], rows if keep_rows else None) from first[1]

    return structure_list


def _step_out(odd: OddPlaces, before: int, step: str) -> None:
    """Put a step before the places of the odd values that were noted inside."""
    if len(odd) > before:
        odd[before:] = [(step + place, found) for place, found in odd[before:]]
