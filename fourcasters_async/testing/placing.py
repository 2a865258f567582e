"""Placing and replacing orders, over either transport: fields in, an order in the book."""

import math
import re
from collections.abc import Callable, Iterable, Mapping
from datetime import datetime, timedelta
from functools import partial

from attrs import evolve, frozen

from fourcasters_async.testing import wire
from fourcasters_async.testing.book import Book
from fourcasters_async.testing.matching import Match, NoMatchError, matches, meets
from fourcasters_async.testing.money import fee_for
from fourcasters_async.testing.records import BookGame, BookOrder, moment
from fourcasters_async.testing.short import ShortRepr

TYPES = ("moneyline", "spread", "total", "moneyline1x2")
_ORDER_TYPES = ("limit", "post", "postArb", "fillAndKill", "fillOrKill")
_DIGITS = re.compile(r"[0-9]{1,9}")
_TAKERS = ("fillAndKill", "fillOrKill")
_LOWEST_ODDS = 100
# How long an order rests on a live game if an edit does not say.
_LIVE_MINUTES = 5
_MOST_MINUTES = 365 * 24 * 60
# Seconds that a taker's order on a live game waits, by league; in others the longest time.
_LIVE_DELAYS = {
    "NFL": 3.0,
    "UFCMMA": 3.0,
    "NCAAF": 3.0,
    "NCAAB": 5.0,
    "NBA": 5.0,
    "ATP": 8.0,
    "WTA": 8.0,
}
_LONGEST_DELAY = 10.0


@frozen(repr=False)
class Placed(ShortRepr):
    """What came of an order: what was matched at once, and what rests, each `None` for nothing."""

    took: BookOrder | None
    resting: BookOrder | None


class RejectedError(Exception):
    """An order is not placed. `kind` is the exchange's `errorType`."""

    def __init__(self, message: str, kind: str = "validation_error") -> None:
        super().__init__(message)
        self.kind = kind


def place_each(
    book: Book, account: str, orders: Iterable[object], *, game: str, error: str
) -> list[wire.Document]:
    """Place orders, and write a result for each.

    `game` and `error` are the keys of a game's id and of the `errorType`, which differ between
    the transports.
    """

    def place_one(order: object) -> Placed:
        if not isinstance(order, dict):
            raise RejectedError("order must be an object")
        return place(book, account, order.get(game), order)

    return [written(partial(place_one, order), error=error) for order in orders]


def written(placing: Callable[[], Placed], *, error: str) -> wire.Document:
    """Place an order, and write what came of it or why it was rejected."""
    try:
        placed = placing()
    except RejectedError as rejected:
        return {"error": str(rejected), error: rejected.kind}
    return wire.placed(placed.took, placed.resting)


def place(
    book: Book,
    account: str,
    game_id: object,
    fields: Mapping[str, object],
    *,
    released: float = 0.0,
) -> Placed:
    """Match an order, and put the rest in the book.

    `released` is the risk of another order, which this one takes the place of.
    """
    game = book.games.get(game_id) if isinstance(game_id, str) else None
    if game is None or game.ended:
        raise RejectedError("game not found")
    type_, side, market = _bet_on(game, fields)
    odds, bet, number = _terms(type_, fields)
    reference, order_type = fields.get("userReference", ""), fields.get("orderType", "limit")
    if not isinstance(reference, str):
        raise RejectedError("invalid userReference")
    if not isinstance(order_type, str) or order_type not in _ORDER_TYPES:
        raise RejectedError("invalid orderType")
    expiry: datetime | None = None
    if "expirationMinutes" in fields:
        expiry = moment(book.now) + _minutes(fields["expirationMinutes"])
    if bet < book.min_bet:
        raise RejectedError("bet is below the minimum")
    wanted = BookOrder(
        book.new_id(),
        account,
        game.game_id,
        type_,
        odds,
        bet,
        number=number,
        side=side,
        market=market,
        user_reference=reference or None,
        placed_at=book.now,
        expiry=expiry,
        post_arb=order_type == "postArb",
    )
    return put(book, wanted, order_type, released=released)


def put(book: Book, wanted: BookOrder, order_type: str, *, released: float = 0.0) -> Placed:
    """Match an order that is valid, and put the rest in the book if its account has the money."""
    try:
        met = meets(wanted, book.facing(wanted), book.games[wanted.game_id])
        taken = matches(wanted, met, order_type)
    except NoMatchError as error:
        raise RejectedError(str(error), "rejected_order_type_rules") from None
    _check_money(book, wanted, taken, released)
    return _carry_out(book, wanted, taken, rests=order_type not in _TAKERS)


def _check_money(book: Book, wanted: BookOrder, taken: list[Match], released: float) -> None:
    """Refuse an order that could lose more than its account may.

    An order costs what it risks and the fees of what it takes, whatever the account holds already:
    a bet makes up for others only once it is matched. The cost, less what is `released`, must be
    available, and with what is at risk on the game it must be within the maximum liability.
    """
    account = book.account(wanted.account)
    cost = round(wanted.offered + sum(fee_for(account, match) for match in taken) - released, 2)
    most = account.max_liability
    if not math.isinf(most) and book.at_risk(account.name, wanted.game_id) + cost > most:
        raise RejectedError("bet exceeds the maximum liability", "rejected_liability")
    if cost > book.available(account.name):
        raise RejectedError("insufficient balance", "rejected_liability")


def live_delay(book: Book, account: str, fields: Mapping[str, object]) -> float:
    """Return the seconds that a place or an edit waits: an order that takes on a live game does."""
    orders = _objects(fields.get("orders"))
    edited = book.orders.get(str(fields.get("sessionID")))
    if edited is not None and edited.account == account:
        orders = [*orders, {"gameID": edited.game_id, **_inheriting(edited, fields)}]
    return max((_delay(book, account, order) for order in orders), default=0.0)


def _objects(values: object) -> list[Mapping[str, object]]:
    return [each for each in values if isinstance(each, dict)] if isinstance(values, list) else []


def _delay(book: Book, account: str, fields: Mapping[str, object]) -> float:
    game_id = fields.get("gameID", fields.get("gameId"))
    game = book.games.get(game_id) if isinstance(game_id, str) else None
    if game is None or not game.live:
        return 0.0
    try:
        type_, side, market = _bet_on(game, fields)
        odds, bet, number = _terms(type_, fields)
    except RejectedError:
        return 0.0
    wanted = BookOrder(
        "", account, game.game_id, type_, odds, bet, number=number, side=side, market=market
    )
    takes = meets(wanted, book.facing(wanted), game)
    return _LIVE_DELAYS.get(game.league, _LONGEST_DELAY) if takes else 0.0


def _carry_out(book: Book, wanted: BookOrder, taken: list[Match], *, rests: bool) -> Placed:
    """Take what an order takes, and let the rest of it rest."""
    risk = sum(match.taker_risk for match in taken)
    left = round(wanted.offered - risk, 2) if taken else wanted.offered
    took = None
    if taken:
        took = evolve(wanted, offered=risk, fills=[])
        book.add(took, rests=False)
        for match in taken:
            book.match(took, match)
    if not rests or left <= 0:
        return Placed(took, None)
    resting = wanted
    if took is not None:
        resting = evolve(
            wanted,
            order_id=book.new_id(),
            offered=left,
            fills=[],
            wager_request_id=took.wager_request_id,
        )
    book.add(resting)
    return Placed(took, resting)


def replace(book: Book, order: BookOrder, changes: Mapping[str, object]) -> Placed:
    """Put an order in the book that is like `order` but for the `changes` of an edit.

    It inherits the game, the market, the side and the line, and nothing else.
    """
    fields = {
        **_inheriting(order, changes),
        "userReference": changes.get("userReference", ""),
        "orderType": changes.get("orderType", "limit"),
    }
    intended_volume(changes)
    minutes = changes.get("expiryChange", "0")
    if not isinstance(minutes, str) or not _DIGITS.fullmatch(minutes):
        raise RejectedError("invalid expiryChange")
    if int(minutes) or book.games[order.game_id].live:
        fields["expirationMinutes"] = int(minutes) or _LIVE_MINUTES
    return place(book, order.account, order.game_id, fields, released=order.remaining)


def _inheriting(order: BookOrder, changes: Mapping[str, object]) -> dict[str, object]:
    return {
        "type": order.type,
        "side": order.side,
        "market": order.market,
        "number": order.number,
        "odds": changes.get("orderOdds"),
        "bet": changes.get("orderVolume"),
    }


def has_other_side(book: Book, order: BookOrder) -> bool:
    """Whether an order of anybody rests on the other side of an order."""
    return any(
        other.side != order.side and (other.type, other.market) == (order.type, order.market)
        for other in book.resting([order.game_id])
    )


def intended_volume(changes: Mapping[str, object]) -> float | None:
    """Return the `intendedOrderVolume` of an edit, and `None` if it has none."""
    if "intendedOrderVolume" not in changes:
        return None
    volume = number_in(changes["intendedOrderVolume"])
    if volume is None:
        raise RejectedError("invalid intendedOrderVolume")
    return volume


def _bet_on(game: BookGame, fields: Mapping[str, object]) -> tuple[str, str, str | None]:
    type_, side, market = fields.get("type"), fields.get("side"), fields.get("market")
    teams = (game.home_id, game.away_id)
    sides = {"total": ("over", "under"), "moneyline1x2": ("yes", "no")}
    if not isinstance(type_, str) or type_ not in TYPES:
        raise RejectedError("invalid type")
    if not isinstance(side, str) or side not in sides.get(type_, teams):
        raise RejectedError("invalid side")
    if type_ != "moneyline1x2":
        return type_, side, None
    if not isinstance(market, str) or market not in (*teams, "draw"):
        raise RejectedError("invalid market")
    return type_, side, market


def _terms(type_: str, fields: Mapping[str, object]) -> tuple[int, float, float | None]:
    odds, bet, number = fields.get("odds"), number_in(fields.get("bet")), None
    if type(odds) is not int or abs(odds) < _LOWEST_ODDS:
        raise RejectedError("invalid odds")
    if bet is None or bet <= 0:
        raise RejectedError("invalid bet")
    if type_ in ("spread", "total"):
        number = number_in(fields.get("number"))
        if number is None:
            raise RejectedError("invalid number")
    # The sandbox counts in whole cents.
    return odds, round(bet, 2), number


def _minutes(value: object) -> timedelta:
    if type(value) is not int or not 0 < value <= _MOST_MINUTES:
        raise RejectedError("invalid expirationMinutes")
    return timedelta(minutes=value)


def number_in(value: object) -> float | None:
    """Return a value that is a finite JSON number, and `None` for anything else."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        return None
    return value
