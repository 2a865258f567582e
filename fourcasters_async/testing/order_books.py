"""The book of a game, as the exchange's two addresses write it, and the prices that it comes to."""

from collections.abc import Iterable
from math import log
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
# For each price of a game: the keys of the largest bet, at that price and on its market.
_LARGEST = {
    "HomeMoneyline": ("homeMoneylineMaxBet", "maxMoneyLineBet"),
    "AwayMoneyline": ("awayMoneylineMaxBet", "maxMoneyLineBet"),
    "HomeSpread": ("maxHomeSpreadBet", "maxSpreadBet"),
    "AwaySpread": ("maxAwaySpreadBet", "maxSpreadBet"),
    "Over": ("maxOverBet", "maxTotalBet"),
    "Under": ("maxUnderBet", "maxTotalBet"),
}
# The names of the lines of those that have several.
_LINES = {
    "homeSpreads": "mainHomeSpread",
    "awaySpreads": "mainAwaySpread",
    "over": "mainTotal",
    "under": "mainTotal",
}


def flat(game: BookGame, orders: Iterable[BookOrder], account: str) -> wire.Document:
    """Write the book as version 2 does: a list for each side."""
    sides = _by_side(game, orders)
    return {
        **wire.game_document(game),
        **{name: [entry(order, account) for order in side] for name, side in sides.items()},
        "openInterest": round(sum(order.remaining for side in sides.values() for order in side), 2),
        "matchedVolume": round(game.matched, 2),
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


def prices(game: BookGame, orders: Iterable[BookOrder], commission: float) -> wire.Document:
    """Write the best and the average prices of a game for a taker who pays a `commission`."""
    sides = _by_side(game, orders)
    best, lines = _best_lines(sides), _main_lines(sides)
    odds: wire.Document = dict(lines)
    largest: dict[str, int] = {}
    for name, met in _MET.items():
        side = sides[met]
        if met in _BY_NUMBER:
            side = [order for order in side if order.number == best[_LINES[met]]]
        odds |= _price(name, side, commission)
        # Whoever takes an order risks what it wins.
        bet = int(sum(order.remaining * order.payout for order in side))
        for key in _LARGEST[name]:
            largest[key] = max(bet, largest.get(key, 0))
    odds |= largest
    volume = round(game.matched, 2)
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
    """Return the lines of which an order is nearest to even money, by their names on the wire."""
    return _best_lines(_by_side(game, orders))


def _best_lines(sides: dict[str, list[BookOrder]]) -> dict[str, float | None]:
    total = _nearest_to_even([*sides["over"], *sides["under"]])
    spread = _nearest_to_even([*sides["homeSpreads"], *sides["awaySpreads"]])
    home = None
    if spread is not None and spread.number is not None:
        home = spread.number if spread in sides["homeSpreads"] else 0.0 - spread.number
    return {
        "mainHomeSpread": home,
        "mainAwaySpread": None if home is None else 0.0 - home,
        "mainTotal": None if total is None else total.number,
    }


def _nearest_to_even(orders: list[BookOrder]) -> BookOrder | None:
    return min(orders, key=lambda order: abs(log(order.payout)), default=None)


def _main_lines(sides: dict[str, list[BookOrder]]) -> wire.Document:
    """Write the main lines."""
    best: dict[str, float | None] = _best_lines(sides)
    written: wire.Document = {
        name: None if line is None else f"{line:g}" for name, line in best.items()
    }
    return written


def _price(name: str, side: list[BookOrder], commission: float) -> wire.Document:
    """Write the prices for whoever takes the orders of a side, the best first."""
    if not side:
        return {
            f"average{name}": None,
            f"best{name}": None,
            f"best{name}WithCommission": None,
            f"best{name}PriceLimit": None,
        }
    risk = win = 0.0
    limit = side[0]
    for order in side:
        if risk >= _SWEEP:
            break
        risk += order.remaining * order.payout
        win += order.remaining
        limit = order
    payout = 1 / side[0].payout
    return {
        f"average{name}": _american(win / risk),
        f"best{name}": -side[0].odds,
        f"best{name}WithCommission": _american(payout - commission * min(1.0, payout)),
        f"best{name}PriceLimit": -limit.odds,
    }


def _american(payout: float) -> int:
    return round(payout * 100 if payout >= 1 else -100 / payout)
