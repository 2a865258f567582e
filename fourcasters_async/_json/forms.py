"""Records that the exchange writes in several forms, brought into one. No I/O."""

from collections.abc import Callable
from typing import Any

from fourcasters_async.models import EditResult, PlaceResult

# Any of these keys means that an order was not placed.
_REFUSED = {"error", "errorType"}


def _placed(document: dict[str, Any]) -> dict[str, Any]:
    """Bring the answer for one order into the one form that `PlaceResult` has."""
    # An empty text means that there is no error.
    for key in ("error", "errorType", "error_type"):
        if document.get(key) == "":
            del document[key]
    if "error_type" in document:
        document.setdefault("errorType", document["error_type"])
    error = document.get("error")
    if isinstance(error, dict):
        # Without a message it stays an object, which is malformed: no error is ever ignored.
        document["error"] = error.get("message") or error
    if document.get("unmatched") == {}:
        # The exchange writes an empty object if nothing rests.
        document.setdefault("matched", [])
        del document["unmatched"]
    if not document.keys() & {"matched", "unmatched", *_REFUSED}:
        raise TypeError("neither placed nor refused")
    if document.keys() & _REFUSED and (document.get("matched") or "unmatched" in document):
        raise TypeError("both placed and refused")
    return document


def normalised(record: type) -> Callable[[dict[str, Any]], dict[str, Any]] | None:
    """Return what brings the forms of a record into one, `None` if it has only one."""
    return _placed if record in (EditResult, PlaceResult) else None
