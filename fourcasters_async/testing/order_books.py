"""The book of a game, as the exchange's two addresses write it, and the prices that it comes to."""

from collections.abc import Iterable
from operator import attrgetter

from fourcasters_async.testing import wire
from fourcasters_async.testing.records import BookGame, BookOrder

_BY_NUMBER = ("homeSpreads", "awaySpreads", "over", "under")
_SIDES = ("homeMoneylines", "awayMoneylines", *_BY_NUMBER)
_SOCCER = ("homeMoneylines1x2", "awayMoneylines1x2", "draw1x2")
# In account currency: how much an average price sweeps at least.
_SWEEP = 500.0
# For each price of a game: the list with the orders that a taker of it meets.
_MET = {
    "HomeMoneyline": "awayMoneylines",
    "AwayMoneyline": "homeMoneylines",
    "HomeSpread": "awaySpreads",
    "AwaySpread": "homeSpreads",
    "Over": "under",
    "Under": "over",
}


def flat(game: BookGame, orders: Iterable[BookOrder], account: str) -> wire.Document:
    """Write the book as version 2 does: a list for each side."""
    sides = _by_side(game, orders)
    return {
        **wire.game_document(game),
        **{name: [entry(order, account) for order in side] for name, side in sides.items()},
        **_volumes(sides),
    }


def nested(game: BookGame, orders: Iterable[BookOrder], account: str) -> wire.Document:
    """Write the book as version 1 does: spreads and totals by their number, in objects."""
    sides = _by_side(game, orders)
    document = flat(game, orders, account)
    for name in _BY_NUMBER:
        by_number: dict[str, list[wire.Document]] = {}
        for order in sides[name]:
            by_number.setdefault(f"{order.number:g}", []).append(entry(order, account))
        document[name] = by_number
    for name in _SOCCER:
        document.pop(name, None)
    return document | _main_lines(sides)


def prices(game: BookGame, orders: Iterable[BookOrder]) -> wire.Document:
    """Write the best and the average prices of a game."""
    sides = _by_side(game, orders)
    lines = _main_lines(sides)
    odds: wire.Document = dict(lines)
    for name, met in _MET.items():
        side = sides[met]
        if met in _BY_NUMBER and side:
            side = [order for order in side if order.number == side[0].number]
        odds |= _price(name, side)
    volume = _volumes(sides)["matchedVolume"]
    return {**wire.game_document(game), **lines, "matchedVolume": volume, "odds": odds}


def _by_side(game: BookGame, orders: Iterable[BookOrder]) -> dict[str, list[BookOrder]]:
    sides: dict[str, list[BookOrder]] = {name: [] for name in _SIDES}
    if game.sport == "soccer":
        sides |= {name: [] for name in _SOCCER}
    for order in orders:
        name = _side_of(game, order)
        sides.setdefault(name, []).append(order)
    # The best price for a taker first: it is the one that pays the maker least.
    for side in sides.values():
        side.sort(key=attrgetter("payout"))
    return sides


def _side_of(game: BookGame, order: BookOrder) -> str:
    if order.type == "total":
        return str(order.side)
    if order.type == "moneyline1x2":
        teams = {game.home_id: "homeMoneylines1x2", game.away_id: "awayMoneylines1x2"}
        return teams.get(str(order.market), "draw1x2")
    team = "home" if order.side == game.home_id else "away"
    return f"{team}Spreads" if order.type == "spread" else f"{team}Moneylines"


def entry(order: BookOrder, account: str) -> wire.Document:
    """Write an order of the book as an account sees it: its own have `createdBy`."""
    document: wire.Document = {
        "id": order.order_id,
        "type": order.type,
        "sumUntaken": order.remaining,
        "odds": order.odds,
        "bet": order.offered,
        "gameID": order.game_id,
        "takenRatio": order.filled / order.offered,
        "expiry": None if order.expiry is None else wire.time(order.expiry),
        "createdAt": wire.time(order.created_at),
        "gameStartExpiry": order.expiry is None,
    }
    if order.account == account:
        document["createdBy"] = wire.USER_ID
    if order.post_arb:
        document["isPostArb"] = True
    if order.type == "total":
        return document | {"total": order.number, "OU": order.side}
    if order.type == "moneyline1x2":
        return document | {"market": order.market, "side": order.side}
    spread = {"spread": order.number} if order.type == "spread" else {}
    return document | {"participantID": order.side} | spread


def main_lines(game: BookGame, orders: Iterable[BookOrder]) -> dict[str, float | None]:
    """Return the lines with the best prices, by their names on the wire."""
    return _best_lines(_by_side(game, orders))


def _best_lines(sides: dict[str, list[BookOrder]]) -> dict[str, float | None]:
    named = {"mainHomeSpread": "homeSpreads", "mainAwaySpread": "awaySpreads", "mainTotal": "over"}
    return {name: sides[side][0].number if sides[side] else None for name, side in named.items()}


def _main_lines(sides: dict[str, list[BookOrder]]) -> wire.Document:
    """Write the lines with the best prices."""
    best = _best_lines(sides)
    return {name: None if line is None else f"{line:g}" for name, line in best.items()}


def _volumes(sides: dict[str, list[BookOrder]]) -> wire.Document:
    orders = [order for side in sides.values() for order in side]
    return {
        "openInterest": round(sum(order.remaining for order in orders), 2),
        "matchedVolume": round(sum(order.filled * (1 + order.payout) for order in orders), 2),
    }


def _price(name: str, side: list[BookOrder]) -> wire.Document:
    """Write the prices for whoever takes the orders of a side, the best first."""
    if not side:
        return {f"average{name}": None, f"best{name}": None, f"best{name}PriceLimit": None}
    risk = win = 0.0
    limit = side[0]
    for order in side:
        if risk >= _SWEEP:
            break
        risk += order.remaining * order.payout
        win += order.remaining
        limit = order
    return {
        f"average{name}": _american(win / risk),
        f"best{name}": -side[0].odds,
        f"best{name}PriceLimit": -limit.odds,
    }


def _american(payout: float) -> int:
    return round(payout * 100 if payout >= 1 else -100 / payout)
