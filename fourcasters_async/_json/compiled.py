"""Hooks for the documented form of a record, compiled from its fields.

A value that has the type of its field already is taken as it is, in one expression for all fields:
a call for each of them would take longer than all the rest. cattrs' own hook gets every document
that has another form, and says what is wrong.
"""

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any, NoReturn, get_args

import attrs
from attrs import frozen

from fourcasters_async._json.hooks import Hook, is_list, is_odds, moment_with_offset
from fourcasters_async._json.lenient import OddPlaces

# How a value of a field is taken from a JSON value that needs no hook, by the type of that value.
_AS_IT_IS: dict[type, dict[str, str]] = {
    str: {"str": "{}"},
    bool: {"bool": "{}"},
    int: {"int": "{}"},
    float: {"float": "{}", "int": "float({})"},
    datetime: {"str": "moment_with_offset({})"},
}


@frozen
class ReadField:
    """A field of a record: its name on the wire, and the hook of what is not its type already."""

    field: "attrs.Attribute[Any]"
    wire_name: str
    hook: Hook

    @property
    def keyword(self) -> str:
        """The source that names its argument, empty for one that is given by its place."""
        return f"{self.field.alias}=" if self.field.kw_only else ""

    def expression(self, number: int) -> str:
        """Return the source of its value, where `v`, `h`, `t` and `d` and the number are names."""
        value = f"v{number}"
        taken = [
            f"{made.format(value)} if type({value}) is {kind} else "
            for kind, made in self._taken().items()
        ]
        absent = f"{self._default(number)} if {value} is None else "
        return "".join((absent, *taken, f"h{number}({value}, t{number})"))

    def _taken(self) -> dict[str, str]:
        if self.field.metadata.get("number_as_text"):
            return {"str": "{} or None"}
        if is_odds(self.field.type):
            return _AS_IT_IS[int]
        kinds: Any = set(get_args(self.field.type) or [self.field.type]) - {type(None)}
        return _AS_IT_IS.get(kinds.pop(), {}) if len(kinds) == 1 else {}

    def _default(self, number: int) -> str:
        if self.field.default is attrs.NOTHING:
            return f"missing({self.wire_name!r})"
        if self.field.default is None:
            return "None"
        return f"d{number}()" if isinstance(self.field.default, attrs.Factory) else f"d{number}"  # type: ignore[arg-type]  # attrs types it as a function


def compiled(
    record: type,
    read: Sequence[ReadField],
    *,
    otherwise: Hook,
    odd: OddPlaces,
    other_forms: Sequence[str] = (),
    normalise: Callable[[dict[str, Any]], dict[str, Any]] | None = None,
) -> Hook:
    """Return a hook for the documented form of a record; any other goes to the hook `otherwise`.

    Hooks note `odd` values; those that they noted before a document turned out to have another form
    are taken back. A document with one of the names in `other_forms` has another form, and
    `normalise` brings such forms of the record into one.
    """
    names: dict[str, Any] = {
        "record": record,
        "otherwise": otherwise,
        "odd": odd,
        "normalise": normalise,
        "missing": _missing,
        "moment_with_offset": moment_with_offset,
    }
    for number, each in enumerate(read):
        default: Any = each.field.default
        names |= {
            f"h{number}": each.hook,
            f"t{number}": each.field.type,
            f"d{number}": default.factory if isinstance(default, attrs.Factory) else default,  # type: ignore[arg-type]  # as above
        }
    exec(_source(read, other_forms, normalises=normalise is not None), names)  # noqa: S102  # made of our own records, as attrs makes `__init__`
    made: Hook = names["structure"]
    return made


def _source(read: Sequence[ReadField], other_forms: Sequence[str], *, normalises: bool) -> str:
    values = [f"        v{number} = get({each.wire_name!r})" for number, each in enumerate(read)]
    arguments = [
        f"            {each.keyword}{each.expression(number)}," for number, each in enumerate(read)
    ]
    if other_forms:
        other = " or ".join(f"{name!r} in value" for name in other_forms)
        values.insert(0, f"        if {other}: return otherwise(value, kind)")
    if has_only_lists(read):
        nothing = " is ".join(f"v{number}" for number in range(len(read)))
        values.append(f"        if {nothing} is None: missing('any list')")
    # What nobody knows stays in the copy: only the fields are taken from it.
    copied = "normalise({k: v for k, v in value.items() if v is not None})"
    return "\n".join(
        (
            "def structure(value, kind):",
            "    before = len(odd)",
            "    try:",
            f"        get = {copied if normalises else 'value'}.get",
            *values,
            "        return record(",
            *arguments,
            "        )",
            "    except Exception:",
            "        del odd[before:]",
            "    return otherwise(value, kind)",
        )
    )


def has_only_lists(read: Sequence[ReadField]) -> bool:
    """Whether a record has nothing but lists: without any it must not pass for empty lists."""
    return all(is_list(each.field.type) for each in read)


def _missing(name: str) -> NoReturn:
    raise KeyError(name)
