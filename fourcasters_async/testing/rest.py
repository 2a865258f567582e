"""What the exchange answers over REST: a request and the book in, an answer out. No I/O."""

import json
import re
from collections.abc import Callable, Mapping

from attrs import field, frozen

from fourcasters_async.testing import wire
from fourcasters_async.testing.book import Book, BookOrder

_ID = re.compile(r"[0-9a-fA-F]{24}")
_GAME_CANCEL_TYPES = ("moneyline", "spread", "total")

Body = dict[str, object]


@frozen
class Answer:
    """A status, a JSON document and the headers beside it."""

    status: int
    document: object
    headers: Mapping[str, str] = field(factory=dict)

    def content(self) -> bytes:
        """Return the document as it goes out."""
        return json.dumps(self.document).encode()


class _RefusedError(Exception):
    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.answer = Answer(status, wire.error(message))


class RestService:
    """The endpoints of the exchange over one book."""

    def __init__(self, book: Book) -> None:
        self._book = book
        self._endpoints: dict[tuple[str, str], Callable[[str, Body], object]] = {
            ("POST", "/session/cancelAllOrdersForGame"): self._cancel_all_orders_for_game,
            ("POST", "/session/cancelMultiple"): self._cancel_multiple,
            ("GET", "/user/getUnmatched"): self._get_unmatched,
        }

    def account(self, authorization: str) -> str | None:
        """Return the account that an `Authorization` header stands for. `Bearer` is optional."""
        return self._book.tokens.get(authorization.removeprefix("Bearer "))

    def answer(self, method: str, path: str, authorization: str, content: bytes) -> Answer:
        """Do what a request asks, and answer it."""
        endpoint = self._endpoints.get((method, path))
        account = self.account(authorization)
        if endpoint is None:
            return Answer(404, wire.error("Not found"))
        if account is None:
            return Answer(401, wire.error("Unauthorized"))
        try:
            return Answer(200, {"data": endpoint(account, body_of(content))})
        except _RefusedError as refused:
            return refused.answer

    def _cancel_all_orders_for_game(self, account: str, body: Body) -> object:
        game_id = self._id(body.get("gameID"), "gameID")
        if game_id not in self._book.games:
            raise _RefusedError(400, "Invalid gameID")
        type_ = body.get("type")
        if "type" in body and type_ not in _GAME_CANCEL_TYPES:
            raise _RefusedError(400, "Invalid type")
        orders = self._book.open_orders(account, game_id, type_ if isinstance(type_, str) else None)
        return [self._cancel(order) for order in orders]

    def _cancel_multiple(self, account: str, body: Body) -> object:
        order_ids = body.get("sessionIDs")
        if not isinstance(order_ids, list):
            raise _RefusedError(400, "sessionIDs must be an array")
        return [
            self._cancel_one(account, self._id(order_id, "sessionIDs")) for order_id in order_ids
        ]

    def _get_unmatched(self, account: str, _: Body) -> object:
        return {
            "unmatched": [
                wire.unmatched(order, self._book.games[order.game_id])
                for order in self._book.open_orders(account)
            ]
        }

    def _cancel_one(self, account: str, order_id: str) -> wire.Document:
        order = self._book.orders.get(order_id)
        if order is None or order.account != account:
            return {"success": False, "reason": "Not your order"}
        if not order.open:
            reason = "Order already cancelled" if order.cancelled else "Order already filled"
            return wire.not_cancelled(order, reason)
        return self._cancel(order)

    def _cancel(self, order: BookOrder) -> wire.Document:
        released = order.remaining
        order.cancelled = True
        return wire.cancelled(order, released)

    def _id(self, value: object, name: str) -> str:
        if not isinstance(value, str) or not _ID.fullmatch(value):
            raise _RefusedError(400, f"Invalid {name}")
        return value


def body_of(content: bytes) -> Body:
    """Return the JSON object in a body, an empty one for anything else."""
    try:
        body = json.loads(content or b"{}")
    except ValueError:
        return {}
    return body if isinstance(body, dict) else {}
