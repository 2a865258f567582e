"""Records that the exchange writes in several forms, brought into one. No I/O."""

from collections.abc import Callable, Mapping
from typing import Any

from fourcasters_async import models

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


# The lists of a book that version 1 writes as objects, with the number of the line as key.
_BY_NUMBER = {"homeSpreads": "spread", "awaySpreads": "spread", "over": "total", "under": "total"}
_BY_OUTCOME = ("homeMoneylines1x2", "awayMoneylines1x2", "draw1x2")


def _book(document: dict[str, Any]) -> dict[str, Any]:
    """Write the sides of a book as version 2 does: as lists."""
    for key in (*_BY_NUMBER, *_BY_OUTCOME):
        side = document.get(key)
        if not isinstance(side, dict):
            continue
        line = _BY_NUMBER.get(key)
        orders = [
            (number, order)
            for number, orders in side.items()
            for order in (orders if isinstance(orders, list) else [orders])
        ]
        if line is None:
            # How these are keyed is not documented: what is no order there is passed over.
            document[key] = [order for _, order in orders if isinstance(order, dict)]
        else:
            document[key] = [
                {line: number, **order} if isinstance(order, dict) else order
                for number, order in orders
            ]
    return document


def _game(document: dict[str, Any]) -> dict[str, Any]:
    """Keep the id of a game that the exchange could not load, which it writes as `_id`."""
    if "_id" in document:
        document.setdefault("id", document["_id"])
    return document


# What each order of a side has that only its update says, by the type of the market.
_LINES: Mapping[str, tuple[str, ...]] = {
    "moneyline": ("participantID",),
    "spread": ("participantID", "spread"),
    "total": ("OU", "total"),
    "moneyline1x2": ("market", "side"),
}


def with_side(document: dict[str, Any]) -> dict[str, Any]:
    """Write what an update says of a side into each of its orders, as the book has them."""
    kind, orders = document.get("type"), document.get("sideOrders")
    if type(orders) is list:
        line = _LINES.get(kind, ()) if type(kind) is str else ()
        for key in ("gameID", "type", *line):
            value = document.get(key)
            if value is not None:
                for order in orders:
                    if type(order) is dict and order.get(key) is None:
                        order[key] = value
    return document


def _game_update(document: dict[str, Any]) -> dict[str, Any]:
    """Keep apart what happened and the game, which may be one object."""
    game = document.get("game", document)
    if type(game) is dict:
        game = dict(game)
        game_id = document.get("gameID")
        if type(game_id) is str and game.get("id") is None and game.get("_id") is None:
            game["id"] = game_id
        if game.get("id") is None and game.get("_id") is None:
            raise TypeError("no game")
    return {"messageType": document.get("messageType"), "game": game}


def _commission(document: dict[str, Any]) -> dict[str, Any]:
    """Name the two parts of `{"player": amount}`."""
    if len(document) != 1:
        raise TypeError("not one player")
    (pair,) = document.items()
    return dict(zip(("username", "commission"), pair, strict=True))


def bet_kind(document: dict[str, Any]) -> "type[models.AnyBet]":
    """Return which record a bet is, by the fields that it has."""
    if document.get("graded") is True or "outcome" in document:
        return models.GradedBet
    return models.OpenOrder if "remaining" in document else models.MatchedBet


# By name: a record is imported once somebody asks for it.
FORMS: Mapping[str, Callable[[dict[str, Any]], dict[str, Any]]] = {
    "AffiliateCommission": _commission,
    "EditResult": _edited,
    "Game": _game,
    "GameUpdate": _game_update,
    "OrderBook": _book,
    "OrderUpdate": with_side,
    "PlaceResult": _placed,
}


def normalised(record: type) -> Callable[[dict[str, Any]], dict[str, Any]] | None:
    """Return what brings the forms of a record into one, `None` if it has only one."""
    return FORMS.get(record.__name__)
