"""The handlers of the REST endpoints under `/session`: cancelling, placing, editing, looking up."""

from fourcasters_async.testing import placing, wire
from fourcasters_async.testing.answers import Asked, RefusedError, is_id
from fourcasters_async.testing.book import Book
from fourcasters_async.testing.records import BookOrder

# In account currency: how far the open volume may be from what an edit intends.
_VOLUME_TOLERANCE = 1.0
_GAME_CANCEL_TYPES = ("moneyline", "spread", "total")


def cancel(book: Book, asked: Asked) -> object:
    """Cancel one order."""
    order = book.orders.get(_id(asked, "sessionID", called="Order ID"))
    if order is None or order.cancelled:
        raise RefusedError(404, "Order not found", object_form=True)
    if order.account != asked.account:
        raise RefusedError(403, "Not your order")
    if not order.open:
        raise RefusedError(409, "Order already filled")
    return _cancel(book, order)


def cancel_multiple(book: Book, asked: Asked) -> object:
    """Cancel orders by their ids, with a result for each id."""
    order_ids = _list(asked, "sessionIDs")
    if not all(is_id(order_id) for order_id in order_ids):
        raise RefusedError(400, "Invalid sessionIDs")
    return [_cancel_one_of_many(book, asked.account, str(order_id)) for order_id in order_ids]


def _cancel_one_of_many(book: Book, account: str, order_id: str) -> wire.Document:
    order = book.orders.get(order_id)
    if order is None or order.account != account:
        return {"success": False, "reason": "Not your order"}
    if not order.open:
        reason = "Order already cancelled" if order.cancelled else "Order already filled"
        return wire.not_cancelled(order, book.games[order.game_id], reason)
    return _cancel(book, order)


def cancel_all_orders_for_game(book: Book, asked: Asked) -> object:
    """Cancel what rests on a game, of one market type or of all."""
    game_id, type_ = _id(asked, "gameID"), asked.fields.get("type")
    if game_id not in book.games:
        raise RefusedError(400, "Invalid gameID")
    if "type" in asked.fields and type_ not in _GAME_CANCEL_TYPES:
        raise RefusedError(400, "Invalid type")
    orders = book.resting([game_id], account=asked.account)
    return [_cancel(book, order) for order in orders if type_ in (None, order.type)]


def cancel_by_reference(book: Book, asked: Asked) -> object:
    """Cancel the orders on a game that have one of some user references."""
    game_id, references = _id(asked, "gameID"), _list(asked, "userReferences")
    orders = book.resting([game_id], account=asked.account)
    return [_cancel(book, order) for order in orders if order.user_reference in references]


def cancel_all_for_league(book: Book, asked: Asked) -> object:
    """Cancel what rests on a league's games. The answer is only an acknowledgement."""
    league = str(asked.fields.get("league", "")).casefold()
    games = [game.game_id for game in book.games.values() if game.league.casefold() == league]
    if not games:
        raise RefusedError(400, "Invalid league")
    for order in book.resting(games, account=asked.account):
        book.cancel(order)
    return {"ordersReceived": True}


def cancel_all_orders(book: Book, asked: Asked) -> object:
    """Cancel everything of the account."""
    return [_cancel(book, order) for order in book.resting(account=asked.account)]


def place(book: Book, asked: Asked) -> object:
    """Place orders, with a result for each."""
    orders = _list(asked, "orders")
    placed = placing.place_each(book, asked.account, orders, game="gameID", error="errorType")
    return {"createdSessions": placed}


def edit_order(book: Book, asked: Asked) -> object:
    """Cancel an order and place another that differs from it."""
    order = _editable(book, asked)
    if "orderVolume" not in asked.fields:
        # The live service was seen to cancel the order all the same.
        book.cancel(order)
        raise RefusedError(400, "Invalid orderVolume")
    try:
        return _replace(book, order, asked)
    except placing.RejectedError as rejected:
        raise RefusedError(400, str(rejected)) from None


def edit_order_v4(book: Book, asked: Asked) -> object:
    """Edit an order unless its open volume is not what was intended: then only cancel it."""
    order = _editable(book, asked)
    try:
        intended = placing.intended_volume(asked.fields)
        if intended is not None and abs(order.remaining - intended) > _VOLUME_TOLERANCE:
            return {"cancelled": _cancel(book, order)}
        block = asked.fields.get("blockIfNoOtherSideOrders", False)
        if block is True and not placing.has_other_side(book, order):
            raise placing.RejectedError("no orders on the other side", "rejected_order_type_rules")  # noqa: TRY301  # as the others
        return _replace(book, order, asked)
    except placing.RejectedError as rejected:
        raise RefusedError(400, str(rejected), error_type=rejected.kind) from None


def lookup_order(book: Book, asked: Asked) -> object:
    """Show the state of an order, open or not."""
    order = book.orders.get(str(asked.fields.get("orderID", "")))
    if order is None:
        raise RefusedError(404, "Invalid Session ID")
    if order.account != asked.account:
        raise RefusedError(403, "Not your order")
    return {"order": wire.order_detail(order, book.games[order.game_id])}


def _editable(book: Book, asked: Asked) -> BookOrder:
    order = book.orders.get(_id(asked, "sessionID"))
    if order is None or order.account != asked.account or not order.open:
        raise RefusedError(400, "Invalid sessionID")
    return order


def _replace(book: Book, order: BookOrder, asked: Asked) -> wire.Document:
    replacement = placing.replace(book, order, asked.fields)
    return {"cancelled": _cancel(book, order), **wire.placed(replacement.took, replacement.resting)}


def _cancel(book: Book, order: BookOrder) -> wire.Document:
    released = book.cancel(order)
    return wire.cancelled(order, book.games[order.game_id], released)


def _id(asked: Asked, key: str, *, called: str | None = None) -> str:
    value = asked.fields.get(key)
    if not is_id(value):
        raise RefusedError(400, f"Invalid {called or key}")
    return str(value)


def _list(asked: Asked, key: str) -> list[object]:
    values = asked.fields.get(key)
    if not isinstance(values, list):
        raise RefusedError(400, f"{key} must be an array")
    return values
