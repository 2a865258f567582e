"""The cattrs converters, one for each wire dialect.

The rules: a field that is not known is passed over, one that is missing or null takes its
default, a number may arrive as a string, a member that no enum knows stays a plain string.
Nothing else is coerced: a value that is not of its type makes the whole answer malformed.
"""

from collections.abc import Callable, Mapping
from typing import Any, TypeVar, get_args

import attrs
from cattrs import ClassValidationError, Converter
from cattrs.gen import make_dict_structure_fn, override

from fourcasters_async._json.hooks import (
    PRIMITIVES,
    Hook,
    is_list,
    is_object,
    is_open_enum,
    object_,
    open_enum_hook,
    optional_number,
)
from fourcasters_async.errors import DecodeError
from fourcasters_async.models import (
    AuthenticatedUser,
    CancelResult,
    EditResult,
    Game,
    MatchedBet,
    OpenOrder,
    OrderDetail,
    Participant,
    PlaceResult,
    User,
)

T = TypeVar("T")


class Dialect:
    """How one surface of the exchange writes the records.

    `names` has, for each record, the names on the wire that camelCase alone does not give.
    `reason_in_description` says that there an order that was not cancelled has the reason in its
    `description`.
    """

    def __init__(
        self, names: Mapping[type, Mapping[str, str]], *, reason_in_description: bool = False
    ) -> None:
        self._names = names
        self._reason_in_description = reason_in_description
        self._converter = Converter()
        # What cattrs finds anew for each answer.
        self._hooks: dict[Any, Hook] = {}
        for kind, hook in PRIMITIVES.items():
            self._converter.register_structure_hook(kind, hook)
        self._converter.register_structure_hook_factory(is_open_enum, open_enum_hook)
        self._converter.register_structure_hook_factory(is_list, self._list_hook)
        self._converter.register_structure_hook_func(is_object, object_)
        self._converter.register_structure_hook_factory(attrs.has, self._record_hook)
        self._converter.register_structure_hook(CancelResult, self._cancel_result_hook())

    def structure(self, document: object, kind: type[T], at: str = "$") -> T:
        """Make a `kind` of the JSON value that stands at `at`, or raise `DecodeError`."""
        try:
            made: T = self._hook(kind)(document, kind)
        except Exception as error:  # noqa: BLE001  # what any hook says of hostile JSON
            path, reason = self._first_mistake(error, at)
        else:
            return made
        raise DecodeError(f"{path}: {reason}", path=path)

    def _hook(self, kind: Any) -> Hook:
        hook = self._hooks.get(kind)
        if hook is None:
            hook = self._hooks[kind] = self._converter.get_structure_hook(kind)
        return hook

    def _wire_name(self, record: type, field: str) -> str:
        return self._names.get(record, {}).get(field) or _camel_case(field)

    def _list_hook(self, kind: Any) -> Hook:
        (item_kind,) = get_args(kind)
        structure = self._converter.get_structure_hook(item_kind)

        def structure_list(value: Any, _: Any) -> Any:
            # cattrs would iterate over an object or a string, and call an empty one no items;
            # and it would go on after the first mistake, for as long as a hostile list is.
            if type(value) is not list:
                raise TypeError("not a list")
            try:
                return [structure(item, item_kind) for item in value]
            except Exception:  # noqa: BLE001  # what any hook says of hostile JSON
                return find_mistake(value)

        def find_mistake(value: Any) -> Any:
            for index, item in enumerate(value):
                try:
                    structure(item, item_kind)
                except Exception as error:
                    raise _ItemError(index) from error
            raise TypeError("not the list that it was")

        return structure_list

    def _record_hook(self, record: Any) -> Hook:
        fields: tuple[attrs.Attribute[Any], ...] = attrs.fields(record)
        renames: dict[str, Any] = {
            field.name: override(rename=self._wire_name(record, field.name)) for field in fields
        }
        structure = make_dict_structure_fn(record, self._converter, **renames)
        tidy = _TIDIED.get(record)

        def structure_record(value: Any, kind: Any) -> Any:
            # cattrs would look for the names inside a string, and find none missing.
            known = {k: v for k, v in object_(value, None).items() if v is not None}
            return structure(known if tidy is None else tidy(known), kind)

        return structure_record

    def _cancel_result_hook(self) -> Hook:
        """Return a hook written for speed; where it finds fault, the generated one tells it.

        It takes what a JSON parser makes of an answer that is as documented, and leaves all else
        to the other.
        """
        explain = self._record_hook(CancelResult)
        reason_in_description = self._reason_in_description
        (
            success_,
            reason_,
            order_id_,
            description_,
            odds_,
            filled_,
            offered_,
            remaining_,
            game_id_,
            user_reference_,
            side_,
            number_,
        ) = [self._wire_name(CancelResult, field.name) for field in attrs.fields(CancelResult)]

        def structure(value: Any, kind: Any) -> Any:
            try:
                get = value.get
                success = value[success_]
                reason, description = get(reason_), get(description_)
                order_id, game_id = get(order_id_), get(game_id_)
                user_reference, side, odds = get(user_reference_), get(side_), get(odds_)
                filled, offered = get(filled_), get(offered_)
                remaining, number = get(remaining_), get(number_)
                # One at a time and in place: a call for each field would take longer than the rest.
                if (
                    (success is True or success is False)
                    and (type(reason) is str or reason is None)
                    and (type(order_id) is str or order_id is None)
                    and (type(description) is str or description is None)
                    and (type(odds) is int or odds is None)
                    and (type(game_id) is str or game_id is None)
                    and (type(user_reference) is str or user_reference is None)
                    and (type(side) is str or side is None)
                ):
                    result = CancelResult(
                        success,
                        reason,
                        order_id,
                        description,
                        odds,
                        filled if type(filled) is float else optional_number(filled),
                        offered if type(offered) is float else optional_number(offered),
                        remaining if type(remaining) is float else optional_number(remaining),
                        game_id,
                        user_reference or None,
                        side,
                        number if type(number) is float else optional_number(number),
                    )
                else:
                    result = explain(value, kind)
                    result.user_reference = result.user_reference or None
            except Exception:  # noqa: BLE001  # the generated hook raises it again, with its place
                return explain(value, kind)
            if reason_in_description and not success and reason is None:
                result.reason, result.description = description, None
            return result

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


# Any of them says that an order was not placed.
_REFUSED = {"error", "errorType"}


def _placed(document: dict[str, Any]) -> dict[str, Any]:
    """Give the answer for one order the one form that it has here."""
    # An empty text says nothing, and is how some write that there is no error.
    for key in ("error", "errorType", "error_type"):
        if document.get(key) == "":
            del document[key]
    if "error_type" in document:
        document.setdefault("errorType", document["error_type"])
    error = document.get("error")
    if isinstance(error, dict):
        # Without words it stays what it is, which is no text: an error is never passed over.
        document["error"] = error.get("message") or error
    if document.get("unmatched") == {}:
        # The exchange's word for nothing that rests.
        document.setdefault("matched", [])
        del document["unmatched"]
    if not document.keys() & {"matched", "unmatched", *_REFUSED}:
        raise TypeError("neither placed nor refused")
    if document.keys() & _REFUSED and (document.get("matched") or "unmatched" in document):
        raise TypeError("both placed and refused")
    return document


_TIDIED: Mapping[Any, Callable[[dict[str, Any]], dict[str, Any]]] = {
    EditResult: _placed,
    PlaceResult: _placed,
}

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
SOCKET = Dialect({}, reason_in_description=True)
