"""Placing and replacing orders, over either transport: fields in, an order in the book."""

import math
import re
from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta

from fourcasters_async.testing import wire
from fourcasters_async.testing.book import Book
from fourcasters_async.testing.records import BookGame, BookOrder, moment

TYPES = ("moneyline", "spread", "total", "moneyline1x2")
_ORDER_TYPES = ("limit", "post", "postArb", "fillAndKill", "fillOrKill")
_DIGITS = re.compile(r"[0-9]{1,9}")
_TAKERS = ("fillAndKill", "fillOrKill")
_LOWEST_ODDS = 100
_MOST_MINUTES = 365 * 24 * 60


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
    results: list[wire.Document] = []
    for order in orders:
        try:
            if not isinstance(order, dict):
                raise RejectedError("order must be an object")  # noqa: TRY301  # one bad order of many
            results.append(wire.placed(place(book, account, order.get(game), order)))
        except RejectedError as rejected:
            results.append({"error": str(rejected), error: rejected.kind})
    return results


def place(
    book: Book,
    account: str,
    game_id: object,
    fields: Mapping[str, object],
    *,
    expiry: datetime | None = None,
) -> BookOrder:
    """Put an order in the book. `expiry` is for an order that names no expiry itself."""
    game = book.games.get(game_id) if isinstance(game_id, str) else None
    if game is None or game.ended:
        raise RejectedError("game not found")
    type_, side, market = _bet_on(game, fields)
    odds, bet, number = _terms(type_, fields)
    reference, order_type = fields.get("userReference", ""), fields.get("orderType", "limit")
    if not isinstance(reference, str):
        raise RejectedError("invalid userReference")
    if order_type not in _ORDER_TYPES:
        raise RejectedError("invalid orderType")
    if "expirationMinutes" in fields:
        expiry = moment(book.now) + _minutes(fields["expirationMinutes"])
    if bet > book.account(account).max_liability:
        raise RejectedError("bet exceeds the maximum liability", "rejected_liability")
    if order_type in _TAKERS:
        raise RejectedError("nothing to match with", "rejected_order_type_rules")
    return book.place(
        account,
        game.game_id,
        type=type_,
        odds=odds,
        offered=bet,
        number=number,
        side=side,
        market=market,
        user_reference=reference or None,
        expiry=expiry,
    )


def replace(book: Book, order: BookOrder, changes: Mapping[str, object]) -> BookOrder:
    """Put an order in the book that is like `order` but for the `changes` of an edit."""
    if "orderVolume" not in changes:
        raise RejectedError("invalid orderVolume")
    odds, bet = changes.get("orderOdds"), changes["orderVolume"]
    fields: dict[str, object] = {
        "type": order.type,
        "side": order.side,
        "market": order.market,
        "number": order.number,
        "odds": order.odds if odds is None else odds,
        "bet": order.offered if bet is None else bet,
        "userReference": changes.get("userReference", order.user_reference or ""),
        "orderType": changes.get("orderType", "limit"),
    }
    intended_volume(changes)
    if "expiryChange" in changes:
        minutes = changes["expiryChange"]
        if not isinstance(minutes, str) or not _DIGITS.fullmatch(minutes):
            raise RejectedError("invalid expiryChange")
        fields["expirationMinutes"] = int(minutes)
    return place(book, order.account, order.game_id, fields, expiry=order.expiry)


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
    return odds, bet, number


def _minutes(value: object) -> timedelta:
    if type(value) is not int or not 0 < value <= _MOST_MINUTES:
        raise RejectedError("invalid expirationMinutes")
    return timedelta(minutes=value)


def number_in(value: object) -> float | None:
    """Return a value that is a finite JSON number, and `None` for anything else."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        return None
    return value
