"""What the exchange answers on the Orders WebSocket: a message and the book in, an answer out.

No I/O.
"""

import json
from collections.abc import Callable
from typing import Self

from attrs import frozen

from fourcasters_async.testing import placing, wire
from fourcasters_async.testing.book import Book, BookAccount, BookOrder
from fourcasters_async.testing.rest import ID, Answer, Body


@frozen
class Message:
    """A message of a client. `type` is empty if it is none that can be read."""

    type: str
    payload: Body

    @classmethod
    def read(cls, data: object) -> Self:
        """Read what came in a frame; only text can be a message."""
        try:
            document = json.loads(data) if isinstance(data, str) else None
        except ValueError:
            document = None
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
        """Return an answer to this message: `data` or `error`."""
        asked = {key: self.payload[key] for key in ("requestID",) if key in self.payload}
        return Answer(200, {**asked, key: value})


class _FailedError(Exception):
    """The whole message is answered with an error."""


@frozen
class _Asked:
    account: str
    fields: Body
    now: float


class OrdersChannel:
    """The messages of the Orders WebSocket over one book."""

    def __init__(self, book: Book) -> None:
        self._book = book
        self._messages: dict[str, Callable[[_Asked], object]] = {
            "cancelAll": self._cancel_all,
            "cancelAllByGame": self._cancel_all_by_game,
            "cancelById": self._cancel_by_id,
            "cancelMultiple": self._cancel_multiple,
            "heartbeat": self._heartbeat,
            "placeV3": self._place,
        }

    def answer(self, message: Message, *, account: str, now: float) -> Answer:
        """Do what a message asks, and answer it."""
        do = self._messages.get(message.type)
        if do is None:
            return message.reply("error", "invalid message")
        try:
            return message.reply("data", do(_Asked(account, message.payload, now)))
        except _FailedError as failed:
            return message.reply("error", str(failed))

    def _cancel_all(self, asked: _Asked) -> object:
        return [_cancel(order) for order in self._book.open_orders(asked.account)]

    def _cancel_all_by_game(self, asked: _Asked) -> object:
        game_id = asked.fields.get("gameId")
        if not isinstance(game_id, str) or game_id not in self._book.games:
            raise _FailedError("game not found")
        chosen = {
            key: asked.fields[key] for key in ("type", "side", "market") if key in asked.fields
        }
        known = chosen.get("type", placing.TYPES[0]) in placing.TYPES
        if not known or not all(isinstance(value, str) for value in chosen.values()):
            raise _FailedError("Failed to process cancelAllByGame")
        return [
            _cancel(order)
            for order in self._book.open_orders(asked.account, game_id)
            if all(getattr(order, key) == value for key, value in chosen.items())
        ]

    def _cancel_by_id(self, asked: _Asked) -> object:
        order_id = asked.fields.get("orderId")
        reason = self._refusal(order_id, asked.account)
        if reason is not None:
            raise _FailedError(reason)
        return [_cancel(self._book.orders[str(order_id)])]

    def _cancel_multiple(self, asked: _Asked) -> object:
        order_ids = asked.fields.get("orderIDs")
        if not isinstance(order_ids, list):
            raise _FailedError("Failed to process cancelMultiple")
        return [self._cancel_one_of_many(asked.account, order_id) for order_id in order_ids]

    def _cancel_one_of_many(self, account: str, order_id: object) -> wire.Document:
        reason = self._refusal(order_id, account)
        order = self._book.orders.get(str(order_id))
        if reason is None and order is not None:
            return _cancel(order)
        if order is None or order.account != account:
            return {"success": False, "orderID": order_id, "description": reason}
        return _result(order, remaining=order.remaining) | {
            "success": False,
            "description": reason,
        }

    def _heartbeat(self, asked: _Asked) -> object:
        timeout = placing.number_in(asked.fields.get("requestTimeout"))
        if timeout is None or timeout <= 0:
            raise _FailedError("Invalid heartbeat timeout")
        account = self._book.accounts.setdefault(asked.account, BookAccount(asked.account))
        account.heartbeat_until = asked.now + timeout
        return wire.heartbeat(asked.now, timeout)

    def _place(self, asked: _Asked) -> object:
        orders = asked.fields.get("orders")
        if not isinstance(orders, list):
            raise _FailedError("Failed to process placeV3")
        return placing.place_each(
            self._book, asked.account, orders, game="gameId", error="error_type", now=asked.now
        )

    def _refusal(self, order_id: object, account: str) -> str | None:
        """Return why an order cannot be cancelled, or `None` if it can."""
        if not isinstance(order_id, str) or not ID.fullmatch(order_id):
            return "invalid order ID format"
        order = self._book.orders.get(order_id)
        if order is None:
            return "order not found"
        if order.account != account:
            return "unauthorized: order does not belong to user"
        if order.cancelled:
            return "order already cancelled"
        # No documented text is about an order that was filled; this one comes nearest.
        return None if order.open else "order is expired"


def _cancel(order: BookOrder) -> wire.Document:
    released = order.remaining
    order.cancelled = True
    return _result(order, remaining=released)


def _result(order: BookOrder, *, remaining: float) -> wire.Document:
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
        "description": wire.described(order),
    }
