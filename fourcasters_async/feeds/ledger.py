"""The account's own orders, from events, answers and reads in whatever order. No I/O, no clock.

An order is placed once, and from then on what is left of it only gets less, until it is closed for
good: a new size is a new order. So the least that anybody says is right, whoever says it first, and
it does no harm to hear it twice. Only a read can say against that, and is then believed.
"""

from collections import OrderedDict
from collections.abc import Iterable, Sequence
from operator import attrgetter
from typing import TypeVar

from attrs import evolve, fields, frozen

from fourcasters_async.feeds.open_order import OrderEvent, from_event, left_of
from fourcasters_async.feeds.owed import Owed, OwedWords
from fourcasters_async.models import (
    ChangeSource,
    Game,
    OpenOrder,
    OrderCancelled,
    OrderChange,
    OrderPlaced,
)

# Less than a cent is noise of the arithmetic.
_CENT = 0.01
# How many closed orders are remembered, so that a late answer or read does not open them again.
_REMEMBERED = 20_000
_FIELDS = tuple(field.name for field in fields(OpenOrder))
_values_of, _REMAINING = attrgetter(*_FIELDS), _FIELDS.index("remaining")
_GAME_FIELDS = tuple(field.name for field in fields(Game))

R = TypeVar("R", OpenOrder, Game)


@frozen
class _Closed:
    at: float
    source: ChangeSource


class Ledger:
    """Own orders that rest, by id. Times are those of one clock, in seconds.

    Reads may trail the book by `read_lag` seconds.
    """

    def __init__(self, *, read_lag: float) -> None:
        self._read_lag = read_lag
        self._open: dict[str, OpenOrder] = {}
        self._by_game: dict[str, dict[str, None]] = {}
        self._closed: OrderedDict[str, _Closed] = OrderedDict()
        # When somebody last said that an order rests.
        self._heard: dict[str, float] = {}
        # When the feed last told of an open order.
        self._told: dict[str, float] = {}
        self.owed = OwedWords()
        """What the feed has still to tell, and which cancels it has shown."""
        self._nameless: list[OpenOrder] = []
        self.conclusive = True
        """Whether the last read decides about every order that the feed may have lost.

        It does not where it lacks an order that an answer or a read has shown a moment before.
        """

    def __len__(self) -> int:
        """Count the orders that rest."""
        return len(self._open) + len(self._nameless)

    def orders(self, game_id: str | None = None) -> list[OpenOrder]:
        """Return the orders that rest, on one game or on all.

        An order whose game is not known may be on any, and so may one without an id.
        """
        if game_id is None:
            return [*self._open.values(), *self._nameless]
        return self.on_games(frozenset({game_id.casefold()}))

    def on_games(self, games: frozenset[str] | None) -> list[OpenOrder]:
        """Return the orders that rest on any of the games, on all with `None`."""
        if games is None:
            return self.orders()
        unknown = self._by_game.get("", ())
        keys = [key for game in games for key in self._by_game.get(game, ())]
        return [*(self._open[key] for key in (*keys, *unknown)), *self._nameless]

    def disputes(self, orders: Iterable[OpenOrder], games: frozenset[str] | None) -> bool:
        """Whether a read shows other orders on games than those that are held, but all are known.

        Such a read may trail the book, and so may what is held.
        """
        shown = [o for o in orders if games is None or _game(o) in games or not _game(o)]
        held = {_key(order) for order in self.on_games(games)}
        return {_key(order) for order in shown} != held and self.knows(shown)

    def knows(self, orders: Iterable[OpenOrder]) -> bool:
        """Whether each of these orders is held, or the feed or an answer has closed it."""
        return all(key in self._open or self._has_left(key) for key in map(_key, orders))

    def get(self, order_id: str) -> OpenOrder | None:
        """Return an order that rests, `None` if it does not or is not known."""
        return self._open.get(order_id.casefold())

    @property
    def nameless(self) -> bool:
        """Whether the last read shows an order without an id, which cannot be followed."""
        return bool(self._nameless)

    def apply(self, event: OrderEvent, now: float) -> OrderChange | None:
        """Take an event of the feed; return what it changes, `None` if that was known."""
        if event.order is None:
            # What a taker takes never rests.
            return None
        key, left = event.order.order_id.casefold(), left_of(event)
        closing = isinstance(event, OrderCancelled) or (left is not None and left < _CENT)
        self.owed.told(key, (event.game_id or "").casefold(), closing=closing)
        if closing:
            return self._close(key, now, ChangeSource.FEED)
        closed = self._closed.get(key) if isinstance(event, OrderPlaced) else None
        if closed is not None and closed.source is ChangeSource.FEED:
            # The feed is in order: what it says after the closing, it says of a later time.
            del self._closed[key]
        change = self._hold(from_event(event), now, ChangeSource.FEED)
        if key in self._open:
            self._told[key] = now
        return change

    def rests(self, order: OpenOrder, now: float) -> OrderChange | None:
        """Take the answer to a place or an edit: the order rests. The feed is to tell of it too."""
        key = _key(order)
        if key not in self._closed and key not in self._told:
            self.owed.add_resting(key, _game(order), now)
        return self._hold(order, now, ChangeSource.ANSWER)

    def gone(
        self, order_id: str, game_id: str | None, now: float, *, began: float | None
    ) -> OrderChange | None:
        """Take the answer to a cancel: the order does not rest.

        The feed is to tell of the cancel too, which `began` then; `None` for one from before.
        """
        key = order_id.casefold()
        held, known = self._open.get(key), self._closed.get(key)
        game = _game(held) if held is not None else (game_id or "").casefold()
        if began is not None and known is not None and known.source is ChangeSource.FEED:
            # What the feed told before a cancel began is not that cancel.
            self.owed.show_cancel(game, min(began, known.at))
        elif began is not None:
            self.owed.add(key, Owed(now, game, closing=True, began=began))
        return self._close(key, now, ChangeSource.ANSWER)

    def failed(self, order_id: str | None, now: float, *, may_rest: bool | None) -> bool:
        """Take a cancel that failed; return whether the order may rest and is not known.

        With `None` the answer says that it does not, which is no proof: of an order that is not
        known it is not believed. Without an id it may be about a reference that no order has.
        """
        key = (order_id or "").casefold()
        held = self._open.get(key)
        if held is not None and not may_rest and not self.owed.owes_closing(key):
            # The feed is to tell of it too.
            self.owed.add(key, Owed(now, _game(held), closing=True))
        doubtful = bool(key) if may_rest is None else may_rest
        return doubtful and held is None and not self._has_left(key)

    def read(
        self,
        orders: Iterable[OpenOrder],
        *,
        began: float,
        now: float,
        complete: bool,
        gapless_since: float | None = None,
    ) -> list[OrderChange]:
        """Take a read of the open orders that began at a time.

        It is believed about all that it can know: what was said within `read_lag` before it began,
        or since, it need not show. With `complete` the feed has told of everything for longer than
        that, so that it owes what the read shows first. It has told of everything `gapless_since`.
        """
        named = {o.order_id.casefold(): o for o in orders if o.order_id}
        self._nameless = [order for order in orders if not order.order_id]
        changes: list[OrderChange] = []
        for key, order in named.items():
            closed, held = self._closed.get(key), self._open.get(key)
            if closed is not None or (held is not None and _is_more(order, held)):
                said = self._heard[key] if closed is None else closed.at
                if said + self._read_lag <= began:
                    changes.append(self._overrule(key, order, now))
            elif (change := self._hold(order, now, ChangeSource.READ)) is not None:
                changes.append(evolve(change, disagreement=complete))
                if complete:
                    self.owed.add_resting(key, _game(order), now)
        heard, lag = self._heard.items(), self._read_lag
        for key in [k for k, at in heard if k not in named and at + lag <= began]:
            if (change := self._close(key, now, ChangeSource.READ)) is not None:
                changes.append(evolve(change, disagreement=complete))
                if complete:
                    game = _game(change.order)
                    self.owed.add(key, Owed(now, game, closing=True))
        since = now if gapless_since is None else gapless_since
        self.conclusive = all(
            key in named or self._told.get(key, since) > since for key in self._open
        )
        return changes

    def _overrule(self, key: str, order: OpenOrder, now: float) -> OrderChange:
        """Hold an order as a read shows it, against what was held."""
        before = self._open.get(key)
        self._closed.pop(key, None)
        self._put(key, order, now)
        return OrderChange(order=order, before=before, source=ChangeSource.READ, disagreement=True)

    def _hold(self, order: OpenOrder, now: float, source: ChangeSource) -> OrderChange | None:
        """Hold an order, or what is less left of it; return what that changes."""
        key = _key(order)
        if key in self._closed:
            return None
        before = self._open.get(key)
        if before is None:
            self._put(key, order, now)
            return OrderChange(order=order, before=None, source=source)
        merged = _merged(before, order)
        self._put(key, merged, now)
        less = _left(merged) < _left(before) - _CENT / 2
        return OrderChange(order=merged, before=before, source=source) if less else None

    def _put(self, key: str, order: OpenOrder, now: float) -> None:
        before = self._open.get(key)
        if before is not None and _game(before) != _game(order):
            self._leave_game(key, before)
        self._open[key] = order
        self._by_game.setdefault(_game(order), {})[key] = None
        self._heard[key] = now

    def _close(self, key: str, now: float, source: ChangeSource) -> OrderChange | None:
        """Hold an order no more; return what that changes."""
        before, earlier = self._open.pop(key, None), self._closed.pop(key, None)
        if earlier is None:
            self._closed[key] = _Closed(now, source)
        elif source is ChangeSource.FEED or earlier.source is ChangeSource.READ:
            self._closed[key] = _Closed(earlier.at, source)
        else:
            self._closed[key] = earlier
        if len(self._closed) > _REMEMBERED:
            self._closed.popitem(last=False)
        self._told.pop(key, None)
        self._heard.pop(key, None)
        if before is None:
            return None
        self._leave_game(key, before)
        return OrderChange(order=_emptied(before), before=before, source=source)

    def _has_left(self, key: str) -> bool:
        """Whether the feed or an answer says that an order has left; a read may only lack it."""
        closed = self._closed.get(key)
        return closed is not None and closed.source is not ChangeSource.READ

    def _leave_game(self, key: str, order: OpenOrder) -> None:
        on_game = self._by_game[_game(order)]
        del on_game[key]
        if not on_game:
            del self._by_game[_game(order)]


def _emptied(order: OpenOrder) -> OpenOrder:
    """Return an order of which nothing is left."""
    # A kill closes thousands: `evolve` would take five times as long.
    values = [*_values_of(order)]
    values[_REMAINING] = 0.0
    return OpenOrder(*values)


def _merged(one: OpenOrder, other: OpenOrder) -> OpenOrder:
    """Return what two sources say of an order: what both know, and the least that is left."""
    lesser, more = (one, other) if _left(one) <= _left(other) else (other, one)
    merged = _completed(lesser, more, _FIELDS)
    if merged.game is None or more.game is None or merged.game is more.game:
        return merged
    # A read names the sides, an event does not, and an answer names nothing but the game.
    game = _completed(merged.game, more.game, _GAME_FIELDS)
    return merged if game is merged.game else evolve(merged, game=game)


def _completed(said: R, other: R, names: Sequence[str]) -> R:
    """Return a record with what only another one has."""
    missing = {
        name: value
        for name in names
        if not _says(getattr(said, name)) and _says(value := getattr(other, name))
    }
    return evolve(said, **missing) if missing else said


def _says(value: object) -> bool:
    return value is not None and value != []


def _left(order: OpenOrder) -> float:
    return float("inf") if order.remaining is None else order.remaining


def _is_more(order: OpenOrder, held: OpenOrder) -> bool:
    known = order.remaining is not None and held.remaining is not None
    return known and _left(order) > _left(held) + _CENT


def _key(order: OpenOrder) -> str:
    return (order.order_id or "").casefold()


def _game(order: OpenOrder | None) -> str:
    return ((order.game_id if order is not None else None) or "").casefold()
