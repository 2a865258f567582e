"""The book of one game, kept from its messages and from reads. No loop, no clock."""

import math
from collections.abc import Iterable
from typing import Any, NamedTuple

from attrs import define, evolve

from fourcasters_async.models import BookEntry, MarketType, OrderBook, OrderUpdate

_LINED = (MarketType.SPREAD, MarketType.TOTAL)
# Sides that are remembered at least, most of them empty. All lines of a long game are fewer.
_REMEMBERED = 2000


class Side(NamedTuple):
    """One side of one line: `of` is a participant, over or under, or yes or no."""

    type: str
    of: str | None
    number: float | None = None
    market: str | None = None


def side_of(record: BookEntry | OrderUpdate) -> Side:
    """Return the side that an order rests on, or that an update is about."""
    kind, side = record.type, record.side
    if kind == MarketType.TOTAL:
        return Side(kind, _folded(record.over_under or side), record.total)
    if kind == MarketType.MONEYLINE_1X2:
        return Side(kind, _folded(side), None, record.market)
    number = record.spread if kind == MarketType.SPREAD else None
    return Side(kind or "", record.participant_id or side, number)


@define
class _Resting:
    orders: list[BookEntry]
    # Heard of since the last restart. No read is newer than that.
    heard: bool = False
    epoch: float | None = None
    # Whether the feed said of the whole game what it holds, after the update of that epoch.
    told_again: bool = False


class KeptBook:
    """The orders of one game, side by side.

    What the feed says of a side stands against any read: the feed is in order and complete from a
    restart on, while a read may have been made before what was heard meanwhile. A read fills in the
    sides that were not heard of. Times are those of whoever calls.
    """

    def __init__(self, game_id: str) -> None:
        self.game_id = game_id
        self.complete: bool = False
        """Whether all sides are known since the last restart."""
        self.generation: int = 0
        """How often it was restarted."""
        self.updated: float | None = None
        """When the feed or a read last said something of its prices."""
        self._sides: dict[Side, _Resting] = {}
        self._game: OrderBook | None = None
        self._written: OrderBook | None = None
        # Whether the feed has said all of it since the last restart.
        self._told_all = False
        self._most = _REMEMBERED

    @property
    def full(self) -> bool:
        """Whether more sides were named than are remembered: twice those with orders, or more."""
        return len(self._sides) > self._most

    def restart(self, *, epochs: bool) -> None:
        """Take nothing as complete any more: messages were missed.

        The epochs are forgotten too if `epochs`: on another connection they may be counted anew.
        Of sides without orders nothing is left to remember then.
        """
        self.complete = self._told_all = False
        self.generation += 1
        if epochs:
            self._sides = {side: held for side, held in self._sides.items() if held.orders}
            self._most = max(_REMEMBERED, 2 * len(self._sides))
        for resting in self._sides.values():
            resting.heard = False
            if epochs:
                resting.epoch = None

    def update(self, update: OrderUpdate, now: float) -> bool:
        """Replace a side. Returns whether it did: an update older than what is held is ignored."""
        side = side_of(update)
        lines = _lines_of(side, update.side_orders)
        if side.type in _LINED and (side.number is None or len(lines) > 1):
            # It is about all lines: what it does not name is empty.
            if side.number is None and not lines[side]:
                del lines[side]
            for held in self._sides:
                if held[:2] == side[:2]:
                    lines.setdefault(held, [])
        taken = False
        for line, orders in lines.items():
            taken |= self._take(line, orders, update.epoch)
        if taken:
            self.updated = now
            self._remember(update)
        return taken

    def replace(self, book: OrderBook, now: float) -> None:
        """Replace all of it by what the feed said of the game as a whole."""
        sides = _sides_of(book)
        for side, held in self._sides.items():
            held.orders = sides.pop(side, [])
            held.heard = held.told_again = True
        for side, orders in sides.items():
            self._sides[side] = _Resting(orders, heard=True)
        self.complete = self._told_all = True
        self._keep(book, now)

    def read(self, book: OrderBook, generation: int, now: float, *, trails: bool = False) -> bool:
        """Fill in a read that was begun in a generation. Returns whether it still counts.

        One that `trails` may lack what was said before the generation: it makes nothing complete.
        """
        if generation != self.generation:
            return False
        if not self._told_all:
            sides = _sides_of(book)
            for side, held in list(self._sides.items()):
                orders = sides.pop(side, [])
                if not held.heard:
                    held.orders = orders
            for side, orders in sides.items():
                self._sides[side] = _Resting(orders)
            self.complete = self.complete or not trails
        self._keep(book, now)
        return True

    def volume(self, matched_volume: float | None) -> None:
        """Note what was matched on the game."""
        if self._game is not None and matched_volume is not None:
            self._game = evolve(self._game, matched_volume=matched_volume)
            self._written = None

    def side(self, side: Side) -> list[BookEntry]:
        """Return the orders of a side, the best for a taker first."""
        resting = self._sides.get(side)
        return [] if resting is None else sorted(resting.orders, key=_payout)

    @property
    def record(self) -> OrderBook | None:
        """The book as a read returns it, `None` before the first read."""
        if self._written is None and self._game is not None:
            self._written = self._write(self._game)
        return self._written

    def _take(self, side: Side, orders: list[BookEntry], epoch: float | None) -> bool:
        held = self._sides.get(side)
        if held is None:
            self._sides[side] = _Resting(orders, heard=True, epoch=epoch)
            return True
        if epoch is not None:
            if held.epoch is not None and (
                epoch < held.epoch or (epoch == held.epoch and held.told_again)
            ):
                return False
            held.epoch = epoch
        held.orders, held.heard, held.told_again = orders, True, False
        return True

    def _remember(self, update: OrderUpdate) -> None:
        self._written = None
        game = self._game
        if game is None:
            return
        lines = {
            "main_home_spread": update.main_home_spread,
            "main_away_spread": update.main_away_spread,
            "main_total": update.main_total,
            "live": update.live,
        }
        changed: dict[str, Any] = {
            name: value
            for name, value in lines.items()
            if value is not None and value != getattr(game, name)
        }
        if changed:
            self._game = evolve(game, **changed)

    def _keep(self, book: OrderBook, now: float) -> None:
        # The lists of the record are written anew when somebody asks for them.
        no_orders: dict[str, Any] = {name: [] for name in _LISTS}
        self._game = evolve(book, **no_orders)
        self._written = None
        self.updated = now

    def _write(self, game: OrderBook) -> OrderBook:
        lists: dict[str, list[BookEntry]] = {name: [] for name in _LISTS}
        for side, resting in self._sides.items():
            name = _list_of(side, game)
            if name is not None:
                lists[name] += resting.orders
        best_first: dict[str, Any] = {
            name: sorted(orders, key=_payout) for name, orders in lists.items()
        }
        return evolve(game, **best_first)


# The lists of a book: the type of their orders, and whom these back.
_LISTS: dict[str, tuple[MarketType, str]] = {
    "home_moneylines": (MarketType.MONEYLINE, "home"),
    "away_moneylines": (MarketType.MONEYLINE, "away"),
    "home_spreads": (MarketType.SPREAD, "home"),
    "away_spreads": (MarketType.SPREAD, "away"),
    "over": (MarketType.TOTAL, "over"),
    "under": (MarketType.TOTAL, "under"),
    "home_moneylines_1x2": (MarketType.MONEYLINE_1X2, "home"),
    "away_moneylines_1x2": (MarketType.MONEYLINE_1X2, "away"),
    "draw_1x2": (MarketType.MONEYLINE_1X2, "draw"),
}
_NAMES: dict[tuple[str, str], str] = {backed: name for name, backed in _LISTS.items()}


def _list_of(side: Side, game: OrderBook) -> str | None:
    if side.type == MarketType.TOTAL:
        return _NAMES.get((side.type, side.of or ""))
    soccer = side.type == MarketType.MONEYLINE_1X2
    backed = side.market if soccer else side.of
    teams = {_team(game, name): name for name in ("home", "away")}
    return _NAMES.get((side.type, "draw" if backed is None else teams.get(backed, "draw")))


def _team(game: OrderBook, name: str) -> str | None:
    """Return the id of the home or the away side."""
    team = game.home if name == "home" else game.away if name == "away" else None
    return None if team is None else team.participant_id


def _lines_of(side: Side, orders: list[BookEntry]) -> dict[Side, list[BookEntry]]:
    """Return the orders of an update by line: one line, unless they name others."""
    lines: dict[Side, list[BookEntry]] = {side: []}
    for order in orders:
        number = order.spread if side.type == MarketType.SPREAD else order.total
        line = side
        if side.type in _LINED and number is not None and number != side.number:
            line = side._replace(number=number)
        lines.setdefault(line, []).append(order)
    return lines


def _sides_of(book: OrderBook) -> dict[Side, list[BookEntry]]:
    sides: dict[Side, list[BookEntry]] = {}
    for name, (kind, of) in _LISTS.items():
        for order in getattr(book, name):
            side = side_of(order)
            backed = side.market if kind == MarketType.MONEYLINE_1X2 else side.of
            if side.type != kind or backed is None:
                side = side_of(_placed(order, kind, of, book))
            sides.setdefault(side, []).append(order)
    return sides


def _placed(order: BookEntry, kind: MarketType, of: str, book: OrderBook) -> BookEntry:
    """Return an order with what only the name of its list says."""
    participant_id = _team(book, of)
    if kind == MarketType.TOTAL:
        return evolve(order, type=kind, over_under=of)
    if kind == MarketType.MONEYLINE_1X2:
        return evolve(order, type=kind, market=order.market or participant_id or of)
    return evolve(order, type=kind, participant_id=order.participant_id or participant_id)


def best_of(orders: Iterable[BookEntry]) -> BookEntry | None:
    """Return the order that a taker gets first, `None` if there is none that can be taken."""
    left = [each for each in orders if each.odds and each.sum_untaken != 0]
    return min(left, key=_payout, default=None)


def _payout(order: BookEntry) -> float:
    """Return what whoever placed an order wins for 1 at risk: the less, the better for a taker."""
    odds = order.odds
    if not odds:
        return math.inf
    return odds / 100 if odds > 0 else -100 / odds


def _folded(text: str | None) -> str | None:
    return None if text is None else text.casefold()
