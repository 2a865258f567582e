"""The cattrs converters: one for REST, one for the Orders WebSocket.

Unknown fields are ignored. A field that is missing or null takes its default. A number may arrive
as a string, and an unknown enum value stays a plain string. Nothing else is coerced: one value of
the wrong type makes the whole answer malformed.
"""

from typing import Any, Literal, TypeVar, get_args

import attrs
from cattrs import ClassValidationError, Converter
from cattrs.gen import make_dict_structure_fn, override

from fourcasters_async._json.cancel_results import cancel_result_hook
from fourcasters_async._json.forms import bet_kind, normalised
from fourcasters_async._json.hooks import (
    PRIMITIVES,
    Hook,
    is_list,
    is_object,
    is_open_enum,
    object_,
    open_enum_hook,
)
from fourcasters_async.errors import DecodeError
from fourcasters_async.models import AnyBet, CancelResult

T = TypeVar("T")


class Dialect:
    """How one transport writes the records: `rest`, or `socket` for the Orders WebSocket.

    The name of a field on the wire is its own name in camelCase, or stands beside the field.
    """

    def __init__(self, surface: Literal["rest", "socket"]) -> None:
        self._surface = surface
        self._converter = Converter()
        # cattrs would look up the hook again for each answer.
        self._hooks: dict[Any, Hook] = {}
        for kind, hook in PRIMITIVES.items():
            self._converter.register_structure_hook(kind, hook)
        self._converter.register_structure_hook_factory(is_open_enum, open_enum_hook)
        self._converter.register_structure_hook_factory(
            is_list, lambda kind: _list_hook(kind, self._converter)
        )
        self._converter.register_structure_hook_func(is_object, object_)
        self._converter.register_structure_hook_factory(attrs.has, self._record_hook)
        self._converter.register_structure_hook(AnyBet, self._bet)
        self._converter.register_structure_hook(
            CancelResult,
            cancel_result_hook(
                self._record_hook(CancelResult),
                [self._wire_name(field) for field in attrs.fields(CancelResult)],
                # On the Orders WebSocket the description of a failure is its reason.
                reason_in_description=surface == "socket",
            ),
        )

    def structure(self, document: object, kind: type[T], path: str = "$") -> T:
        """Turn the JSON value at `path` into a `kind`, or raise `DecodeError`."""
        hook = self._hooks.get(kind)
        if hook is None:
            hook = self._hooks[kind] = self._converter.get_structure_hook(kind)
        try:
            made: T = hook(document, kind)
        except Exception as error:  # noqa: BLE001  # a hook may raise anything on malformed JSON
            path, reason = self._first_mistake(error, path)
        else:
            return made
        raise DecodeError(f"{path}: {reason}", path=path)

    def _bet(self, value: Any, _: Any) -> Any:
        kind = bet_kind(object_(value, None))
        return self._converter.structure(value, kind)

    def _wire_name(self, field: "attrs.Attribute[Any]") -> str:
        return field.metadata.get(self._surface) or _camel_case(field.name)

    def _record_hook(self, record: Any) -> Hook:
        fields: tuple[attrs.Attribute[Any], ...] = attrs.fields(record)
        renames: dict[str, Any] = {
            field.name: override(rename=self._wire_name(field)) for field in fields
        }
        structure = make_dict_structure_fn(record, self._converter, **renames)
        normalise = normalised(record)

        def structure_record(value: Any, kind: Any) -> Any:
            # Without the check, cattrs would search a string for the names of the fields.
            present = {k: v for k, v in object_(value, None).items() if v is not None}
            return structure(present if normalise is None else normalise(present), kind)

        return structure_record

    def _first_mistake(self, error: BaseException, path: str) -> tuple[str, str]:
        while True:
            if isinstance(error, _ItemError) and error.__cause__ is not None:
                path = f"{path}[{error.index}]"
                error = error.__cause__
            elif isinstance(error, ClassValidationError):
                record = error.cl
                (error, failed), *_ = error.group_exceptions()[0]
                path = f"{path}.{self._wire_name(getattr(attrs.fields(record), failed.name))}"
            else:
                return path, "missing" if isinstance(error, KeyError) else str(error)


class _ItemError(Exception):
    """The item at `index` of a list is malformed, as its cause says."""

    def __init__(self, index: int) -> None:
        super().__init__(index)
        self.index = index


def _list_hook(kind: Any, converter: Converter) -> Hook:
    """Return the hook of a list. It reports only the first item that is malformed."""
    (item_kind,) = get_args(kind)
    structure = converter.get_structure_hook(item_kind)

    def structure_list(value: Any, _: Any) -> Any:
        # cattrs would iterate over an object or a string, and take an empty one for no items.
        if type(value) is not list:
            raise TypeError("not a list")
        try:
            return [structure(item, item_kind) for item in value]
        except Exception:  # noqa: BLE001  # a hook may raise anything on malformed JSON
            return find_mistake(value)

    def find_mistake(value: Any) -> Any:
        for index, item in enumerate(value):
            try:
                structure(item, item_kind)
            except Exception as error:
                raise _ItemError(index) from error
        raise TypeError("an item was malformed once and not again")

    return structure_list


def _camel_case(name: str) -> str:
    head, *tail = name.split("_")
    return head + "".join("ID" if part == "id" else part.capitalize() for part in tail)


REST = Dialect("rest")
SOCKET = Dialect("socket")
