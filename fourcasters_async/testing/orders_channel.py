"""The service behind the Orders WebSocket: a message and the book in, an answer out. No I/O."""

import json
from collections.abc import Callable
from typing import Self

from attrs import frozen

from fourcasters_async.testing import placing, wire
from fourcasters_async.testing.answers import Answer, Body, document_in, is_id
from fourcasters_async.testing.book import Book
from fourcasters_async.testing.records import BookOrder
from fourcasters_async.testing.short import ShortRepr


@frozen(repr=False)
class Message(ShortRepr):
    """A message of a client. `type` is empty if it could not be read."""

    type: str
    payload: Body

    @classmethod
    def read(cls, data: object) -> Self:
        """Read what a frame holds. Only text can be a message."""
        document = document_in(data) if isinstance(data, str) else None
        match document:
            case [str(type_), dict(payload)] if type_:
                return cls(type_, payload)
            case [_, {"requestID": request_id}, *_] | {"requestID": request_id}:
                return cls("", {"requestID": request_id})
        return cls("", {})

    def content(self) -> bytes:
        """Return the payload as JSON."""
        return json.dumps(self.payload).encode()

    def reply(self, key: str, value: object) -> Answer:
        """Return an answer to this message: `key` is `data` or `error`."""
        asked = {key: self.payload[key] for key in ("requestID",) if key in self.payload}
        return Answer(200, {**asked, key: value})


class OrdersChannel:
    """The messages of the Orders WebSocket over one book."""

    def __init__(self, book: Book) -> None:
        self._book = book

    def answer(self, message: Message, *, account: str) -> Answer:
        """Do what a message asks, and answer it."""
        handler = MESSAGES.get(message.type)
        if handler is None:
            return message.reply("error", "invalid message")
        try:
            return message.reply("data", handler(self._book, account, message.payload))
        except _FailedError as failed:
            return message.reply("error", str(failed))


class _FailedError(Exception):
    """The message as a whole is answered with an error."""


def _cancel_all(book: Book, account: str, fields: Body) -> object:  # noqa: ARG001  # as every handler
    return [_cancel(book, order) for order in book.resting(account=account)]


def _cancel_all_by_game(book: Book, account: str, fields: Body) -> object:
    game_id = fields.get("gameId")
    game = book.games.get(game_id) if isinstance(game_id, str) else None
    if game is None or not game.cached:
        raise _FailedError("game not found")
    chosen = {key: fields[key] for key in ("type", "side", "market") if key in fields}
    known = chosen.get("type", placing.TYPES[0]) in placing.TYPES
    if not known or not all(isinstance(value, str) for value in chosen.values()):
        raise _FailedError("Failed to process cancelAllByGame")
    return [
        _cancel(book, order)
        for order in book.resting([game.game_id], account=account)
        if all(getattr(order, key) == value for key, value in chosen.items())
    ]


def _cancel_by_id(book: Book, account: str, fields: Body) -> object:
    order_id = fields.get("orderId")
    reason = _why_not(book, account, order_id)
    if reason is not None:
        raise _FailedError(reason)
    return [_cancel(book, book.orders[str(order_id)])]


def _cancel_multiple(book: Book, account: str, fields: Body) -> object:
    order_ids = fields.get("orderIDs")
    if not isinstance(order_ids, list):
        raise _FailedError("Failed to process cancelMultiple")
    return [_cancel_one_of_many(book, account, order_id) for order_id in order_ids]


def _cancel_one_of_many(book: Book, account: str, order_id: object) -> wire.Document:
    reason = _why_not(book, account, order_id)
    order = book.orders.get(str(order_id))
    if reason is None and order is not None:
        return _cancel(book, order)
    if order is None or order.account != account:
        return {"success": False, "orderID": order_id, "description": reason}
    result = _result(book, order, remaining=order.remaining)
    return {**result, "success": False, "description": reason}


def _heartbeat(book: Book, account: str, fields: Body) -> object:
    timeout = placing.number_in(fields.get("requestTimeout"))
    if timeout is None or timeout <= 0:
        raise _FailedError("Invalid heartbeat timeout")
    book.account(account).heartbeat_until = book.now + timeout
    return wire.heartbeat(book.now, timeout)


def _place(book: Book, account: str, fields: Body) -> object:
    orders = fields.get("orders")
    if not isinstance(orders, list):
        raise _FailedError("Failed to process placeV3")
    return placing.place_each(book, account, orders, game="gameId", error="error_type")


# A handler returns the `data` of the answer.
MESSAGES: dict[str, Callable[[Book, str, Body], object]] = {
    "cancelAll": _cancel_all,
    "cancelAllByGame": _cancel_all_by_game,
    "cancelById": _cancel_by_id,
    "cancelMultiple": _cancel_multiple,
    "heartbeat": _heartbeat,
    "placeV3": _place,
}


def _why_not(book: Book, account: str, order_id: object) -> str | None:
    """Return why an order cannot be cancelled, or `None` if it can."""
    if not is_id(order_id):
        return "invalid order ID format"
    order = book.orders.get(str(order_id))
    if order is None:
        return "order not found"
    if order.account != account:
        return "unauthorized: order does not belong to user"
    if order.cancelled:
        return "order already cancelled"
    # No documented text is about an order that was filled; this one comes nearest.
    return None if order.open else "order is expired"


def _cancel(book: Book, order: BookOrder) -> wire.Document:
    released = book.cancel(order)
    return _result(book, order, remaining=released)


def _result(book: Book, order: BookOrder, *, remaining: float) -> wire.Document:
    return {
        "success": True,
        "orderID": order.order_id,
        "odds": order.odds,
        "filled": f"{order.filled:.6f}",
        "offered": f"{order.offered:.6f}",
        "remaining": f"{remaining:.6f}",
        "side": order.side,
        "number": order.number,
        "gameID": order.game_id,
        "userReference": order.user_reference or "",
        "description": wire.described(order, book.games[order.game_id]),
    }
