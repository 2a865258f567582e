"""The cattrs converters: one for REST, one for the Orders WebSocket.

Unknown fields are ignored. A field that is missing or null takes its default. A number may arrive
as a string, and an unknown enum value stays a plain string. Nothing else is coerced. A value of
another type is taken as missing if it only informs; in a strict field (`models/wire.py`) it makes
its record malformed.
"""

from collections.abc import Callable, Sequence
from typing import Any, Literal, TypeVar, get_args

import attrs
from cattrs import ClassValidationError, Converter
from cattrs.gen import make_dict_structure_fn, override

from fourcasters_async._core.odd_values import OddValues
from fourcasters_async._json.accelerated import Cancelled, reader
from fourcasters_async._json.cancel_results import (
    ERRORS,
    CancelledRows,
    error_row_hook,
    reason_in_description,
)
from fourcasters_async._json.compiled import ReadField, compiled, has_only_lists
from fourcasters_async._json.forms import bet_kind, normalised
from fourcasters_async._json.hooks import (
    PRIMITIVES,
    Hook,
    anything,
    is_anything,
    is_list,
    is_object,
    is_odds,
    is_open_enum,
    is_union_of_records,
    object_,
    odds,
    open_enum_hook,
    text_or_digits,
)
from fourcasters_async._json.lenient import ItemError, OddPlaces, lenient, list_hook, named, once
from fourcasters_async.errors import DecodeError
from fourcasters_async.models import CancelResult, Game, PlaceResult
from fourcasters_async.models.unread import RESULTS

T = TypeVar("T")

# Each of these says what became of one order, whatever its neighbours say.
_ROWS = (CancelResult, PlaceResult)


class UnreadRowsError(DecodeError):
    """Some rows of a list could not be read. `rows` are the others, with `None` in their place."""

    rows: Sequence[Any]

    def __init__(self, message: str, *, path: str, rows: Sequence[Any]) -> None:
        super().__init__(message, path=path)
        self.rows = rows


class Dialect:
    """How one transport writes the records: `rest`, or `socket` for the Orders WebSocket.

    The name of a field on the wire is its own name in camelCase, or stands beside the field.
    """

    def __init__(self, surface: Literal["rest", "socket"]) -> None:
        self._surface = surface
        self._converter = Converter()
        # cattrs would look up the hook again for each answer.
        self._hooks: dict[Any, Hook] = {}
        self._odd_places: OddPlaces = []
        # The games of the answer at hand: each order of an account repeats the one that it is on.
        self._games: dict[bytes, Any] = {}
        self._odd_values = OddValues()
        for kind, hook in PRIMITIVES.items():
            self._converter.register_structure_hook(kind, hook)
        self._converter.register_structure_hook_factory(is_open_enum, open_enum_hook)
        self._converter.register_structure_hook_func(is_odds, odds)
        self._converter.register_structure_hook_factory(is_list, self._list_hook)
        self._converter.register_structure_hook_func(is_anything, anything)
        self._converter.register_structure_hook_func(is_object, object_)
        self._converter.register_structure_hook_factory(attrs.has, self._record_hook)
        self._converter.register_structure_hook_func(is_union_of_records, self._bet)
        self._converter.register_structure_hook_factory(
            lambda kind: kind is CancelResult, self._cancel_result_hook
        )
        self._converter.register_structure_hook_factory(
            lambda kind: kind is RESULTS, lambda _: self._list_hook(list[CancelResult])
        )
        self._cancelled = CancelledRows(self._names_in_order(CancelResult), self._read_rows)
        self.read_cancelled: Callable[[bytes], Cancelled | None] | None = None
        """What reads an answer at once that says of every order that it was cancelled."""

    def prepare(self, *kinds: Any) -> None:
        """Generate now what else would be generated with the first answer of one of the `kinds`."""
        for kind in kinds:
            self._hooks[kind] = self._converter.get_structure_hook(kind)
        if self.read_cancelled is None:
            names = self._names_in_order(CancelResult)
            has_id = self._surface == "socket"
            self.read_cancelled = reader(names, self._read_rows, has_id=has_id)

    def structure(self, document: object, kind: type[T], path: str = "$", source: str = "") -> T:
        """Turn the JSON value at `path` into a `kind`, or raise `DecodeError`.

        Where rows of a list of results cannot be read, it is an `UnreadRowsError`. `source`
        is whose answer it is, for the log. Of `RESULTS` that are all cancelled, the records are
        made when somebody asks for them.
        """
        if kind is RESULTS:
            unread: Any = self._cancelled.unread(document, f"{source}{path}")
            if unread is not None:
                return unread  # type: ignore[no-any-return]  # as its kind
        hook = self._hooks.get(kind)
        if hook is None:
            hook = self._hooks[kind] = self._converter.get_structure_hook(kind)
        rows: Sequence[Any] | None = None
        start = path
        try:
            made: T = hook(document, kind)
        except Exception as error:  # noqa: BLE001  # a hook may raise anything on malformed JSON
            rows = error.rows if isinstance(error, ItemError) else None
            path, reason = self._first_mistake(error, path)
        else:
            return made
        finally:
            self._games.clear()
            if self._odd_places:
                for place, json_type in self._odd_places:
                    self._odd_values.note(f"{source}{start}{place}", json_type)
                self._odd_places.clear()
        if rows is not None:
            raise UnreadRowsError(f"{path}: {reason}", path=path, rows=rows)
        raise DecodeError(f"{path}: {reason}", path=path)

    def _read_rows(self, rows: object, source: str) -> list[CancelResult]:
        return self.structure(rows, list[CancelResult], "", source)

    def _bet(self, value: Any, _: Any) -> Any:
        kind = bet_kind(object_(value, None))
        return self._converter.structure(value, kind)

    def names_of(self, record: type) -> frozenset[str]:
        """Return the names on the wire of the fields of a record."""
        return frozenset(self._names_in_order(record))

    def _names_in_order(self, record: type) -> list[str]:
        return [self._wire_name(field) for field in attrs.fields(record)]

    def _wire_name(self, field: "attrs.Attribute[Any]") -> str:
        name: str = field.metadata.get(self._surface) or _camel_case(field.name)
        return name

    def _cancel_result_hook(self, _: Any) -> Hook:
        read = self._fields_of(CancelResult)
        generated = self._generated_hook(CancelResult, read)
        rows = error_row_hook(generated, self._names_in_order(CancelResult))
        hook = self._compiled(CancelResult, read, otherwise=rows, other_forms=ERRORS)
        # On the Orders WebSocket the description of a failure is its reason.
        return reason_in_description(hook) if self._surface == "socket" else hook

    def _record_hook(self, record: Any) -> Hook:
        """Return the hook of a record: compiled, with cattrs' own behind it."""
        read = self._fields_of(record)
        return self._compiled(record, read, otherwise=self._generated_hook(record, read))

    def _compiled(
        self,
        record: Any,
        read: Sequence[ReadField],
        *,
        otherwise: Hook,
        other_forms: Sequence[str] = (),
    ) -> Hook:
        return compiled(
            record,
            read,
            otherwise=otherwise,
            odd=self._odd_places,
            other_forms=other_forms,
            normalise=normalised(record),
        )

    def _fields_of(self, record: Any) -> list[ReadField]:
        return [
            ReadField(field, self._wire_name(field), self._field_hook(field))
            for field in attrs.fields(record)
        ]

    def _generated_hook(self, record: Any, read: Sequence[ReadField]) -> Hook:
        renames: dict[str, Any] = {
            each.field.name: override(rename=each.wire_name, struct_hook=each.hook) for each in read
        }
        structure = make_dict_structure_fn(record, self._converter, **renames)
        normalise = normalised(record)
        lists = self.names_of(record) if has_only_lists(read) else frozenset()

        def structure_record(value: Any, kind: Any) -> Any:
            # Without the check, cattrs would search a string for the names of the fields.
            present = {k: v for k, v in object_(value, None).items() if v is not None}
            if lists and present.keys().isdisjoint(lists):
                raise TypeError("none of its lists")
            return structure(present if normalise is None else normalise(present), kind)

        return structure_record

    def _field_hook(self, field: "attrs.Attribute[Any]") -> Hook:
        """Return the hook of a field, which for a lenient one takes any value."""
        if field.metadata.get("number_as_text"):
            hook: Hook = text_or_digits
        elif is_list(field.type) and field.metadata.get("strict") is False:
            hook = self._list_hook(field.type, lenient_items=True)
        else:
            hook = self._converter.get_structure_hook(field.type)
        strict = field.metadata.get("strict")
        if strict is None:
            strict = field.default is attrs.NOTHING or is_list(field.type)
        name = self._wire_name(field)
        if Game in get_args(field.type):
            hook = once(hook, self._games, self._odd_places)
        if _holds_records(field.type):
            hook = named(hook, name, self._odd_places)
        return hook if strict else lenient(hook, field.default, name, self._odd_places)

    def _list_hook(self, kind: Any, *, lenient_items: bool = False) -> Hook:
        (item,) = get_args(kind)
        structure = self._converter.get_structure_hook(item)
        if lenient_items or (attrs.has(item) and issubclass(item, Game)):
            # One game that cannot be read must not cost the others.
            structure = lenient(structure, attrs.Factory(item), "", self._odd_places)
        return list_hook(structure, item, self._odd_places, keep_rows=item in _ROWS)

    def _first_mistake(self, error: BaseException, path: str) -> tuple[str, str]:
        while True:
            if isinstance(error, ItemError) and error.__cause__ is not None:
                path = f"{path}[{error.index}]"
                error = error.__cause__
            elif isinstance(error, ClassValidationError):
                record = error.cl
                (error, failed), *_ = error.group_exceptions()[0]
                path = f"{path}.{self._wire_name(getattr(attrs.fields(record), failed.name))}"
            else:
                return path, "missing" if isinstance(error, KeyError) else str(error)


def _holds_records(kind: Any) -> bool:
    return any(isinstance(each, type) and attrs.has(each) for each in (kind, *get_args(kind)))


def _camel_case(name: str) -> str:
    head, *tail = name.split("_")
    return head + "".join("ID" if part == "id" else part.capitalize() for part in tail)


REST = Dialect("rest")
SOCKET = Dialect("socket")
