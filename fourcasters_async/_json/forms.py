"""Records that the exchange writes in several forms, brought into one. No I/O."""

from collections.abc import Callable, Mapping
from typing import Any

from fourcasters_async.models import EditResult, PlaceResult

# Any of these keys means that an order was not placed.
_REFUSED = {"error", "errorType"}
# What stands in the place of an error that is no text, and of what was matched and cannot be read.
_UNREADABLE = "(unreadable)"


def _placed(document: dict[str, Any]) -> dict[str, Any]:
    """Bring the answer for one order into the one form that `PlaceResult` has."""
    document = _with_parts(document)
    if not document.keys() & {"matched", "unmatched", *_REFUSED}:
        raise TypeError("neither placed nor refused")
    return document


def _edited(document: dict[str, Any]) -> dict[str, Any]:
    """Bring the answer to an edit into the one form that `EditResult` has."""
    document = _with_parts(document)
    cancelled = document.get("cancelled")
    # It may stop after the cancel, and then only tell of the old order.
    told = isinstance(cancelled, dict) and type(cancelled.get("success")) is bool
    if not told and not document.keys() & {"matched", "unmatched", *_REFUSED}:
        raise TypeError("neither placed nor refused")
    return document


def _with_parts(document: dict[str, Any]) -> dict[str, Any]:
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
    if "orderID" in document and "unmatched" not in document:
        # The flat form: the offer that rests, alone.
        document["unmatched"] = dict(document)
    if document.get("unmatched") == {}:
        # The exchange writes an empty object if nothing rests.
        document.setdefault("matched", [])
        del document["unmatched"]
    return _with_what_was_placed(document)


def _with_what_was_placed(document: dict[str, Any]) -> dict[str, Any]:
    """Make a value that is malformed beside a placed order an error of the record.

    So the record keeps the order, and contradicts itself: the check of the answer does not believe
    it.
    """
    fills, offer = document.get("matched", []), document.get("unmatched")
    readable = [fill for fill in fills if isinstance(fill, dict)] if type(fills) is list else []
    rests = isinstance(offer, dict) and type(offer.get("orderID")) is str
    if not rests and not readable:
        return document
    if readable != fills or not (rests or offer is None):
        document |= {"matched": readable, "error": _UNREADABLE}
        if not rests:
            document.pop("unmatched", None)
    for key in _REFUSED & document.keys():
        if type(document[key]) is not str:
            document[key] = _UNREADABLE
    return document


_FORMS: Mapping[type, Callable[[dict[str, Any]], dict[str, Any]]] = {
    EditResult: _edited,
    PlaceResult: _placed,
}


def normalised(record: type) -> Callable[[dict[str, Any]], dict[str, Any]] | None:
    """Return what brings the forms of a record into one, `None` if it has only one."""
    return _FORMS.get(record)
