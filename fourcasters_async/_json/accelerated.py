"""The answer to a cancel, read by msgspec where that is installed, in a third of the time. No I/O.

msgspec reads the answer of nearly every game: all orders are cancelled, and each value is of its
type. Any other answer is left to the strict path. So is all that the two parsers read differently:
a field that is not known, a whole number past 64 bits, deep nesting.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from importlib import import_module
from types import GenericAlias
from typing import Annotated, Any, final

import orjson
from attrs import NOTHING, Attribute, define, fields

from fourcasters_async._json.cancel_results import record_of
from fourcasters_async._json.hooks import is_odds
from fourcasters_async.models import CancelResult
from fourcasters_async.models.unread import UnreadResults

# msgspec would read larger whole numbers than orjson does.
_MOST = 2**63 - 1


@final
@define
class Cancelled:
    """An answer that says of every order that it was cancelled. `content` is all of it."""

    request_id: str
    content: bytes
    _rows: Sequence[Any]
    _read: Callable[[Any, str], list[CancelResult]]

    def results(self, source: str) -> UnreadResults:
        """Return its results. `source` is whose answer it is, for the log."""
        return UnreadResults(self._rows, self._read, _ids_of, f"{source}$.data")

    def document(self) -> Mapping[str, object]:
        """Return the answer as the strict path reads it."""
        document: Mapping[str, object] = orjson.loads(self.content)
        return document


def reader(
    names: Sequence[str], read: Callable[[Any, str], list[CancelResult]], *, has_id: bool
) -> Callable[[bytes], Cancelled | None] | None:
    """Return what reads such an answer, and `None` for any other; `None` without msgspec.

    `names` are those of the fields of a `CancelResult` on the wire, and `read` makes the records of
    rows. An answer that `has_id` says which request it belongs to.
    """
    try:
        # Its types are made here, which no type checker follows.
        msgspec: Any = import_module("msgspec")
    except ImportError:  # it comes with the extra `fast`
        return None
    whole: Any = Annotated[int, msgspec.Meta(ge=-_MOST, le=_MOST)]
    odds = whole | float | str | None
    row: Any = msgspec.defstruct(
        "Row",
        [_field(each, odds) for each in fields(CancelResult)],
        rename=dict(zip((each.name for each in fields(CancelResult)), names, strict=True)),
        forbid_unknown_fields=True,
        gc=False,
    )
    envelope = msgspec.defstruct(
        "Envelope",
        [*([("requestID", str)] if has_id else []), ("data", GenericAlias(list, row))],
        forbid_unknown_fields=True,
        gc=False,
    )
    values_of: Callable[[Any], tuple[Any, ...]] = msgspec.structs.astuple

    def read_rows(rows: Sequence[Any], source: str) -> list[CancelResult]:
        try:
            return [record_of(values_of(row)) for row in rows]
        except TypeError:  # some value is not of its type
            return read(msgspec.to_builtins(rows), source)

    decode: Callable[[bytes], Any] = msgspec.json.Decoder(envelope).decode

    def read_cancelled(content: bytes) -> Cancelled | None:
        try:
            answer = decode(content)
        except Exception:  # noqa: BLE001  # the strict path says what is wrong with it
            return None
        rows = answer.data
        for each in rows:
            if not each.success:
                return None
        return Cancelled(answer.requestID if has_id else "", content, rows, read_rows)

    return read_cancelled


def _field(field: "Attribute[Any]", odds: Any) -> Any:
    """Return the name, the type and the default of a field, as msgspec wants them."""
    kind: Any = field.type
    if is_odds(kind):
        kind = odds
    elif kind == float | None:
        # The Orders WebSocket writes amounts as strings.
        kind = float | str | None
    return (field.name, kind, *([] if field.default is NOTHING else [field.default]))


def _ids_of(rows: Sequence[Any]) -> Iterable[tuple[str | None, str | None]]:
    return ((row.order_id, row.game_id) for row in rows)
