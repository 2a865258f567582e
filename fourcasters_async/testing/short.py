"""A `repr` of one short line, for what a test that fails may print."""

from collections.abc import Sized
from typing import Any

from attrs import fields

# Characters of a value, and of all of them, about.
_VALUE, _ALL = 60, 400


class ShortRepr:
    """What has many or long values: its `repr` cuts texts, and counts what is in lists.

    It leaves out what is `None`. It is for attrs classes with `repr=False`.
    """

    __slots__ = ()

    def __repr__(self) -> str:
        kind: Any = type(self)
        given = ((each.name, getattr(self, each.name)) for each in fields(kind) if each.repr)
        parts = [f"{name}={_brief(value)}" for name, value in given if value is not None]
        text = ", ".join(parts)
        return f"{kind.__name__}({text if len(text) <= _ALL else f'{text[:_ALL]}…'})"


def counted(name: str, items: Sized) -> str:
    """Name a collection, and say how much is in it."""
    return f"<{name}: {len(items):,}>"


def _brief(value: object) -> str:
    if isinstance(value, str | bytes):
        short = value[:_VALUE]
        return repr(short) if len(short) == len(value) else f"{short!r}…"
    if isinstance(value, Sized):
        return f"<{len(value):,}>" if len(value) else repr(value)
    text = repr(value)
    return text if len(text) <= _VALUE else f"{text[:_VALUE]}…"
