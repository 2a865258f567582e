"""The handlers of the REST endpoints under `/user`: signing in and out, the account's orders."""

from fourcasters_async.testing import wire
from fourcasters_async.testing.answers import Answer, Asked, RefusedError, is_id, unauthorized
from fourcasters_async.testing.book import Book

_SHORTEST_HEARTBEAT = 5
_LOGIN_ATTEMPTS = 5


def login(book: Book, asked: Asked) -> Answer:
    """Answer a username and a password with a new token."""
    username, password = asked.fields.get("username"), asked.fields.get("password")
    if not (isinstance(username, str) and isinstance(password, str) and username and password):
        raise RefusedError(400, "Missing username or password")
    failed = book.failed_logins.get(username, 0)
    if failed >= _LOGIN_ATTEMPTS:
        raise RefusedError(429, "Too many login attempts. Please try again later.")
    account = book.accounts.get(username)
    if account is None or account.password != password:
        book.failed_logins[username] = failed + 1
        return unauthorized()
    if account.barred:
        raise RefusedError(403, "Account banned, locked, or closed")
    book.failed_logins.pop(username, None)
    token = book.issue_token(username)
    user = wire.user(account, book.ledger.liability(username))
    document = {"data": {"user": {**user, "auth": token}}}
    return Answer(200, document, {"Set-Cookie": f"auth={token}; Path=/; HttpOnly"})


def logout(book: Book, asked: Asked) -> object:
    """End the token that was used."""
    del book.tokens[asked.token]
    return {}


def get_me(book: Book, asked: Asked) -> object:
    """Show the account."""
    liability = book.ledger.liability(asked.account)
    return {"user": wire.user(book.account(asked.account), liability)}


def get_unmatched(book: Book, asked: Asked) -> object:
    """Show every open order of the account. Trails the book by `read_lag`."""
    # Only a read that lags shows orders that have closed.
    lags = asked.lag.vanish > 0
    orders = book.orders_of(asked.account) if lags else book.resting(account=asked.account)
    shown = asked.lag.shown(orders, book.now)
    return {
        "unmatched": [wire.unmatched(o, book.games[o.game_id]) for o in shown if o.open],
    }


def get_orders_for_game(book: Book, asked: Asked) -> object:
    """Show the open orders on a game, and what was matched. Trails the book by `read_lag`."""
    game = book.games.get(str(asked.fields.get("gameID", "")))
    if game is None:
        raise RefusedError(404, "Invalid Game ID")
    orders = asked.lag.shown(book.orders_of(asked.account, [game.game_id]), book.now)
    return {
        "unmatched": [wire.unmatched(order, game) for order in orders if order.open],
        "matched": [bet for o in orders if o.matched for bet in wire.matched(o, game)],
    }


def get_bet_by_user_reference(book: Book, asked: Asked) -> object:
    """Show what became of the orders on a game that have a user reference."""
    reference, game_id = asked.fields.get("userReference"), asked.fields.get("gameID")
    if not reference or not is_id(game_id):
        raise RefusedError(408, "Invalid User Reference or Game ID")
    orders = [
        (order, book.games[order.game_id])
        for order in book.orders_of(asked.account, [str(game_id)])
        if order.user_reference == reference
    ]
    return {
        "unmatched": [wire.unmatched(*each) for each in orders if each[0].open],
        "matched": [bet for each in orders if each[0].matched for bet in wire.matched(*each)],
        "graded": [bet for each in orders if each[0].outcome for bet in wire.graded(*each)],
    }


def orders_heartbeat(book: Book, asked: Asked) -> object:
    """Put off the cancelling of all orders by `timeout` seconds."""
    timeout = asked.fields.get("timeout")
    if type(timeout) is not int or timeout <= _SHORTEST_HEARTBEAT:
        raise RefusedError(400, "Invalid timeout")
    book.account(asked.account).heartbeat_until = book.now + timeout
    return wire.heartbeat(book.now, timeout)


def get_matched_bets(book: Book, asked: Asked) -> object:
    """Show every fill of the account that is not graded. Trails the book by `read_lag`."""
    orders = asked.lag.shown(book.orders_of(asked.account), book.now)
    return {
        "matchedBets": [
            bet for o in orders if o.matched for bet in wire.matched(o, book.games[o.game_id])
        ]
    }


def get_bet_by_id(book: Book, asked: Asked) -> object:
    """Show one open order or one fill, by its id."""
    wanted = asked.fields.get("id") or asked.fields.get("txID")
    if not is_id(wanted):
        raise RefusedError(400, "Invalid ID")
    for order in book.orders_of(asked.account):
        game = book.games[order.game_id]
        rows = wire.graded(order, game) if order.outcome else wire.matched(order, game)
        if order.open:
            rows = [*rows, wire.unmatched(order, game)]
        for row in rows:
            if wanted in (row["id"], row["txID"]):
                return Answer(200, {"bet": row})
    raise RefusedError(400, "Bet not found")


def get_bet_by_wager_request_id(book: Book, asked: Asked) -> object:
    """Show the fills of the order that a request placed. What rests is not shown here."""
    wanted = asked.fields.get("wagerRequestID")
    if not is_id(wanted):
        raise RefusedError(400, "Invalid wagerRequestID")
    orders = [
        (order, book.games[order.game_id])
        for order in book.orders_of(asked.account)
        if order.wager_request_id == wanted
    ]
    return {
        "unmatched": [],
        "matched": [bet for each in orders if each[0].matched for bet in wire.matched(*each)],
        "graded": [bet for each in orders if each[0].outcome for bet in wire.graded(*each)],
    }


def get_game_liability(book: Book, asked: Asked) -> object:
    """Show the worst that the account's bets on a game can come to, 0 or less."""
    game_id = str(asked.fields.get("gameID", ""))
    return {"liability": book.ledger.liability(asked.account, game_id)}


def get_affiliate_commission(book: Book, asked: Asked) -> object:
    """Show what was paid for each player whom the account invited."""
    paid = book.commission.get(asked.account, {})
    return Answer(200, {"commissionPaid": [{player: amount} for player, amount in paid.items()]})
