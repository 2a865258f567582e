"""The results of cancels, which a row of a batch writes in several forms. No I/O."""

from collections.abc import Callable, Iterator, Sequence
from typing import Any

from fourcasters_async._json.hooks import Hook, number, object_
from fourcasters_async.models import CancelResult
from fourcasters_async.models.unread import UnreadResults

ERRORS = ("error", "errorType", "error_type", "errors")
"""What a row of a batch may have in place of `success`: REST and the Orders WebSocket differ."""

_NO_ERROR: dict[str, Sequence[object]] = {
    key: (None, "", [], {}) if key == "errors" else (None, "") for key in ERRORS
}


def error_row_hook(read: Hook, names: Sequence[str]) -> Hook:
    """Return the hook of a row that may have an error in place of `success`.

    `read` is the hook of a row without one. `names` are the names on the wire, in the order of the
    fields.
    """
    success, reason, *_ = names
    return lambda value, kind: read(_without_errors(value, success, reason), kind)


def reason_in_description(read: Hook) -> Hook:
    """Return a hook for which a failure that gives no reason has it in its description."""

    def structure(value: Any, kind: Any) -> Any:
        result = read(value, kind)
        if not result.success and result.reason is None:
            result.reason, result.description = result.description, None
        return result

    return structure


def record_of(values: tuple[Any, ...]) -> CancelResult:
    """Return the record of an order that was cancelled, from the values of its fields, in order.

    Odds that are no whole number raise a `TypeError`, and so does an amount that is no number. The
    others have to be of their types already.
    """
    (
        success,
        reason,
        order_id,
        description,
        odds,
        filled,
        offered,
        remaining,
        game_id,
        user_reference,
        side,
        line,
    ) = values
    if type(odds) is not int and odds is not None:
        raise TypeError("odds that are no whole number")
    return CancelResult(
        success,
        reason,
        order_id,
        description,
        odds,
        filled if type(filled) is float else _number(filled),
        offered if type(offered) is float else _number(offered),
        remaining if type(remaining) is float else _number(remaining),
        game_id,
        user_reference or None,
        side,
        line if type(line) is float else _number(line),
    )


class CancelledRows:
    """The rows of an answer that says in the documented form of every order that it is cancelled.

    `names` are those of `error_row_hook`. `read` makes the records of rows, and is told where
    they stood.
    """

    def __init__(
        self, names: Sequence[str], read: Callable[[Any, str], list[CancelResult]]
    ) -> None:
        self._success, _, self._order_id, *_ = names
        self._game_id = names[8]
        self._read = read

    def unread(self, rows: Any, source: str) -> UnreadResults | None:
        """Return the results of such rows, `None` for others.

        What decides is looked at here, as strictly as in a record; the rest only informs, and
        waits until somebody asks for it.
        """
        if type(rows) is not list:
            return None
        success, order_id_, game_id_ = self._success, self._order_id, self._game_id
        for row in rows:
            if type(row) is not dict or success not in row or row[success] is not True:
                return None
            # Inline: a call of `get` for each would take as long as all the rest.
            order_id = row[order_id_] if order_id_ in row else None  # noqa: SIM401  # as said
            game_id = row[game_id_] if game_id_ in row else None  # noqa: SIM401  # as said
            if (
                (type(order_id) is not str and order_id is not None)
                or (type(game_id) is not str and game_id is not None)
                or "error" in row
                or "errorType" in row
                or "error_type" in row
                or "errors" in row
            ):
                return None
        return UnreadResults(rows, self._read, self._ids_of, source)

    def _ids_of(self, rows: Sequence[dict[str, Any]]) -> Iterator[tuple[str | None, str | None]]:
        order_id, game_id = self._order_id, self._game_id
        return ((row.get(order_id), row.get(game_id)) for row in rows)


def _without_errors(value: Any, success: str, reason: str) -> dict[str, object]:
    """Turn the error of a row into a failure and its reason.

    An error beside a success contradicts it, and one without a word says nothing.
    """
    row = dict(object_(value, None))
    errors = [error for key in ERRORS if (error := row.pop(key, None)) not in _NO_ERROR[key]]
    if not errors:
        return row
    words = next((text for error in errors if (text := _words(error))), None)
    if row.get(success) is None:
        if words is None:
            raise TypeError("neither a success nor an error that can be read")
        row[success] = False
    elif row[success] is not False:
        raise TypeError("an error beside a success")
    if row.get(reason) in (None, "") and words is not None:
        row[reason] = words
    return row


def _words(error: object) -> str | None:
    """Return the text of an error in either form, `None` if it has none."""
    text = error.get("message") if isinstance(error, dict) else error
    return text if isinstance(text, str) and text.strip() else None


def _number(value: Any) -> float | None:
    if type(value) is int:
        return float(value)
    return None if value is None else number(value, None)
