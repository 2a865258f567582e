"""What the exchange answers over REST: a request and the book in, an answer out. No I/O."""

import json
import re
from collections.abc import Callable, Mapping

from attrs import field, frozen

from fourcasters_async.testing import placing, wire
from fourcasters_async.testing.book import Book, BookAccount, BookOrder

ID = re.compile(r"[0-9a-fA-F]{24}")
_GAME_CANCEL_TYPES = ("moneyline", "spread", "total")
_SHORTEST_HEARTBEAT = 5
_LOGIN_ATTEMPTS = 5
TOKEN_LIFE = 30 * 24 * 3600.0

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
    def __init__(self, status: int, message: str, *, object_form: bool = False) -> None:
        super().__init__(message)
        code = status if object_form else None
        self.answer = Answer(status, wire.error(message, code=code))


@frozen
class Asked:
    """A request that has an account behind it; a body and a query are one."""

    account: str
    token: str
    fields: Body
    now: float


class RestService:
    """The endpoints of the exchange over one book. Times are seconds of the exchange's clock."""

    def __init__(self, book: Book) -> None:
        self._book = book
        self._failed_logins: dict[str, int] = {}
        self._endpoints: dict[tuple[str, str], Callable[[Asked], object]] = {
            ("POST", "/session/cancel"): self._cancel,
            ("POST", "/session/cancelAllForLeague"): self._cancel_all_for_league,
            ("POST", "/session/cancelAllOrders"): self._cancel_all_orders,
            ("POST", "/session/cancelAllOrdersForGame"): self._cancel_all_orders_for_game,
            ("POST", "/session/cancelByReference"): self._cancel_by_reference,
            ("POST", "/session/cancelMultiple"): self._cancel_multiple,
            ("POST", "/session/editOrder"): self._edit_order,
            ("GET", "/session/lookupOrder"): self._lookup_order,
            ("POST", "/session/v3/place"): self._place,
            ("GET", "/user/getMe"): self._get_me,
            ("GET", "/user/getOrdersForGame"): self._get_orders_for_game,
            ("GET", "/user/getUnmatched"): self._get_unmatched,
            ("POST", "/user/logout"): self._logout,
            ("POST", "/user/ordersHeartbeat"): self._orders_heartbeat,
        }

    def account(self, authorization: str) -> str | None:
        """Return the account that an `Authorization` header stands for. `Bearer` is optional."""
        return self._book.tokens.get(authorization.removeprefix("Bearer "))

    def answer(
        self,
        method: str,
        path: str,
        *,
        authorization: str,
        content: bytes,
        query: Mapping[str, str],
        now: float,
    ) -> Answer:
        """Do what a request asks, and answer it."""
        endpoint = self._endpoints.get((method, path))
        account = self.account(authorization)
        token = authorization.removeprefix("Bearer ")
        fields = {**query, **body_of(content)}
        try:
            if (method, path) == ("POST", "/user/login"):
                return self._login(fields, now)
            if endpoint is None:
                return Answer(404, wire.error("Not found"))
            if account is None:
                return Answer(401, wire.error("Unauthorized"))
            document = {"data": endpoint(Asked(account, token, fields, now))}
        except _RefusedError as refused:
            return refused.answer
        return Answer(200, document, self._renewal(account, token, now))

    def shake_hands(self, authorization: str, now: float) -> Answer:
        """Answer the handshake of a WebSocket, where the token comes bare."""
        account = self._book.tokens.get(authorization)
        if account is None:
            return Answer(401, wire.error("Unauthorized"))
        return Answer(101, None, self._renewal(account, authorization, now))

    def _login(self, fields: Body, now: float) -> Answer:
        username, password = fields.get("username"), fields.get("password")
        if not (isinstance(username, str) and isinstance(password, str) and username and password):
            raise _RefusedError(400, "Missing username or password")
        if self._failed_logins.get(username, 0) >= _LOGIN_ATTEMPTS:
            raise _RefusedError(429, "Too many login attempts. Please try again later.")
        account = self._book.accounts.get(username)
        if account is None or account.password != password:
            self._failed_logins[username] = self._failed_logins.get(username, 0) + 1
            raise _RefusedError(401, "Username or password is incorrect")
        if account.barred:
            raise _RefusedError(403, "Account banned, locked, or closed")
        self._failed_logins.pop(username, None)
        token = self._book.issue_token(username, now)
        document = {"data": {"user": {**wire.user(account), "auth": token}}}
        return Answer(200, document, {"Set-Cookie": f"auth={token}; Path=/; HttpOnly"})

    def _renewal(self, account: str, token: str, now: float) -> Mapping[str, str]:
        """Return the header with a fresh token, for a token that has had its time."""
        if token not in self._book.tokens or now - self._book.issued.get(token, now) < TOKEN_LIFE:
            return {}
        return {"X-Auth-Token": self._book.issue_token(account, now)}

    def _cancel(self, asked: Asked) -> object:
        order = self._book.orders.get(_id(asked.fields.get("sessionID"), "Order ID"))
        if order is None or order.cancelled:
            raise _RefusedError(404, "Order not found", object_form=True)
        if order.account != asked.account:
            raise _RefusedError(403, "Not your order")
        if not order.open:
            raise _RefusedError(409, "Order already filled")
        return _cancelled(order)

    def _cancel_multiple(self, asked: Asked) -> object:
        order_ids = asked.fields.get("sessionIDs")
        if not isinstance(order_ids, list):
            raise _RefusedError(400, "sessionIDs must be an array")
        ids = [_id(order_id, "sessionIDs") for order_id in order_ids]
        return [self._cancel_one_of_many(asked.account, order_id) for order_id in ids]

    def _cancel_one_of_many(self, account: str, order_id: str) -> wire.Document:
        order = self._book.orders.get(order_id)
        if order is None or order.account != account:
            return {"success": False, "reason": "Not your order"}
        if not order.open:
            reason = "Order already cancelled" if order.cancelled else "Order already filled"
            return wire.not_cancelled(order, reason)
        return _cancelled(order)

    def _cancel_all_orders_for_game(self, asked: Asked) -> object:
        game_id = _id(asked.fields.get("gameID"), "gameID")
        if game_id not in self._book.games:
            raise _RefusedError(400, "Invalid gameID")
        type_ = asked.fields.get("type")
        if "type" in asked.fields and type_ not in _GAME_CANCEL_TYPES:
            raise _RefusedError(400, "Invalid type")
        wanted = type_ if isinstance(type_, str) else None
        return [_cancelled(o) for o in self._book.open_orders(asked.account, game_id, wanted)]

    def _cancel_by_reference(self, asked: Asked) -> object:
        game_id = _id(asked.fields.get("gameID"), "gameID")
        references = asked.fields.get("userReferences")
        if not isinstance(references, list):
            raise _RefusedError(400, "userReferences must be an array")
        orders = self._book.open_orders(asked.account, game_id)
        return [_cancelled(order) for order in orders if order.user_reference in references]

    def _cancel_all_for_league(self, asked: Asked) -> object:
        league = str(asked.fields.get("league", "")).casefold()
        games = {g.game_id for g in self._book.games.values() if g.league.casefold() == league}
        if not games:
            raise _RefusedError(400, "Invalid league")
        for order in self._book.open_orders(asked.account):
            if order.game_id in games:
                _cancelled(order)
        return {"ordersReceived": True}

    def _cancel_all_orders(self, asked: Asked) -> object:
        return [_cancelled(order) for order in self._book.open_orders(asked.account)]

    def _place(self, asked: Asked) -> object:
        orders = asked.fields.get("orders")
        if not isinstance(orders, list):
            raise _RefusedError(400, "orders must be an array")
        placed = placing.place_each(
            self._book, asked.account, orders, game="gameID", error="errorType", now=asked.now
        )
        return {"createdSessions": placed}

    def _edit_order(self, asked: Asked) -> object:
        order = self._book.orders.get(_id(asked.fields.get("sessionID"), "sessionID"))
        if order is None or order.account != asked.account or not order.open:
            raise _RefusedError(400, "Invalid sessionID")
        if "orderVolume" not in asked.fields:
            # The live service was seen to do this.
            order.cancelled = True
            raise _RefusedError(400, "Invalid orderVolume")
        try:
            replacement = placing.replace(self._book, order, asked.fields, now=asked.now)
        except placing.RejectedError as rejected:
            raise _RefusedError(400, str(rejected)) from None
        return {"cancelled": _cancelled(order), **wire.placed(replacement)}

    def _lookup_order(self, asked: Asked) -> object:
        order = self._book.orders.get(str(asked.fields.get("orderID", "")))
        if order is None:
            raise _RefusedError(404, "Invalid Session ID")
        if order.account != asked.account:
            raise _RefusedError(403, "Not your order")
        return {"order": wire.order_detail(order, self._book.games[order.game_id])}

    def _get_me(self, asked: Asked) -> object:
        account = self._book.accounts.get(asked.account, BookAccount(asked.account))
        return {"user": wire.user(account)}

    def _get_orders_for_game(self, asked: Asked) -> object:
        game = self._book.games.get(str(asked.fields.get("gameID", "")))
        if game is None:
            raise _RefusedError(404, "Invalid Game ID")
        mine = [o for o in self._book.orders.values() if o.account == asked.account]
        on_game = [order for order in mine if order.game_id == game.game_id]
        return {
            "unmatched": [wire.unmatched(order, game) for order in on_game if order.open],
            "matched": [wire.matched(order, game) for order in on_game if order.filled],
        }

    def _get_unmatched(self, asked: Asked) -> object:
        return {
            "unmatched": [
                wire.unmatched(order, self._book.games[order.game_id])
                for order in self._book.open_orders(asked.account)
            ]
        }

    def _logout(self, asked: Asked) -> object:
        self._book.tokens.pop(asked.token)
        return {}

    def _orders_heartbeat(self, asked: Asked) -> object:
        timeout = asked.fields.get("timeout")
        if type(timeout) is not int or timeout <= _SHORTEST_HEARTBEAT:
            raise _RefusedError(400, "Invalid timeout")
        account = self._book.accounts.setdefault(asked.account, BookAccount(asked.account))
        account.heartbeat_until = asked.now + timeout
        return wire.heartbeat(asked.now, timeout)


def _cancelled(order: BookOrder) -> wire.Document:
    released = order.remaining
    order.cancelled = True
    return wire.cancelled(order, released)


def _id(value: object, name: str) -> str:
    if not isinstance(value, str) or not ID.fullmatch(value):
        raise _RefusedError(400, f"Invalid {name}")
    return value


def object_in(content: bytes) -> Body | None:
    """Return the JSON object that a body is, `None` for anything else."""
    try:
        body = json.loads(content)
    except ValueError:
        return None
    return body if isinstance(body, dict) else None


def body_of(content: bytes) -> Body:
    """Return the JSON object in a body, an empty one for anything else."""
    return object_in(content) or {}
