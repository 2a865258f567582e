"""The account's own orders, from events, answers and reads in whatever order. No I/O, no clock.

An order is placed once, and from then on what is left of it only gets less, until it is closed for
good: a new size is a new order. So the least that anybody says is right, whoever says it first, and
it does no harm to hear it twice. Only a read can say against that, and is then believed.
"""

from collections import OrderedDict
from collections.abc import Iterable, Sequence
from typing import TypeVar

from attrs import evolve, fields, frozen

from fourcasters_async.feeds.open_order import OrderEvent, from_event
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
# How many closed orders are remembered, so that a late answer or read does not open them again, and
# how many games on which the feed has shown a cancel.
_REMEMBERED = 20_000
_FIELDS = tuple(field.name for field in fields(OpenOrder))
_GAME_FIELDS = tuple(field.name for field in fields(Game))

R = TypeVar("R", OpenOrder, Game)


@frozen
class _Closed:
    at: float
    by_feed: bool


@frozen
class _Owed:
    """What an answer or a read said of an order on a game, and the feed has not said yet."""

    since: float
    game: str
    closing: bool
    answered: bool = True


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
        # Oldest first.
        self._owed: dict[str, _Owed] = {}
        # When the last of the cancels was answered that the feed itself has told of.
        self._cancelled_on: dict[str, float] = {}
        self._cancelled_last = float("-inf")
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
        keys = [*self._by_game.get(game_id.casefold(), ()), *self._by_game.get("", ())]
        return [*(self._open[key] for key in keys), *self._nameless]

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
        order, key = from_event(event), event.order.order_id.casefold()
        nothing_left = order.remaining is not None and order.remaining < _CENT
        closing = isinstance(event, OrderCancelled) or nothing_left
        if (owed := self._owed.get(key)) is not None and (closing or not owed.closing):
            del self._owed[key]
            if owed.closing and owed.answered:
                self._show_cancel(_game(order) or owed.game, owed.since)
        if closing:
            return self._close(key, now, ChangeSource.FEED)
        if isinstance(event, OrderPlaced) and key in self._closed and self._closed[key].by_feed:
            # The feed is in order: what it says after the closing, it says of a later time.
            del self._closed[key]
        change = self._hold(order, now, ChangeSource.FEED)
        if key in self._open:
            self._told[key] = now
        return change

    def rests(self, order: OpenOrder, now: float) -> OrderChange | None:
        """Take the answer to a place or an edit: the order rests. The feed is to tell of it too."""
        key = (order.order_id or "").casefold()
        if key not in self._closed and key not in self._told:
            self._owed.setdefault(key, _Owed(now, _game(order), closing=False))
        return self._hold(order, now, ChangeSource.ANSWER)

    def gone(
        self, order_id: str, game_id: str | None, now: float, *, just_now: bool
    ) -> OrderChange | None:
        """Take the answer to a cancel: the order does not rest.

        If it was cancelled `just_now`, the feed is to tell of it too.
        """
        key = order_id.casefold()
        held, known = self._open.get(key), self._closed.get(key)
        game = _game(held) if held is not None else (game_id or "").casefold()
        if just_now and known is not None and known.by_feed:
            self._show_cancel(game, now)
        elif just_now:
            self._owe_closing(key, now, game, answered=True)
        return self._close(key, now, ChangeSource.ANSWER)

    def failed(self, order_id: str | None, now: float, *, may_rest: bool) -> bool:
        """Take a cancel that failed; return whether the order may rest and is not known."""
        key = (order_id or "").casefold()
        held, owed = self._open.get(key), self._owed.get(key)
        if held is not None and not may_rest and (owed is None or not owed.closing):
            # The feed is to tell of it too.
            self._owe_closing(key, now, _game(held), answered=False)
        return may_rest and held is None and key not in self._closed

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
                    self._owed.setdefault(key, _Owed(now, _game(order), closing=False))
        heard, lag = self._heard.items(), self._read_lag
        for key in [k for k, at in heard if k not in named and at + lag <= began]:
            if (change := self._close(key, now, ChangeSource.READ)) is not None:
                changes.append(evolve(change, disagreement=complete))
                if complete:
                    self._owe_closing(key, now, _game(change.order), answered=False)
        since = now if gapless_since is None else gapless_since
        self.conclusive = all(
            key in named or self._told.get(key, since) > since for key in self._open
        )
        return changes

    def forgive(self, *, before: float) -> list[str]:
        """Have the feed owe nothing of before a time; return the ids of what it owed."""
        late = [key for key, owed in self._owed.items() if owed.since < before]
        for key in late:
            del self._owed[key]
        return late

    def owed_since(self) -> float | None:
        """Return since when the feed owes word of an order, `None` if it owes none."""
        # Looked at with every message: it must not take longer the more is owed.
        return next((owed.since for owed in self._owed.values()), None)

    def cancels_shown(
        self, games: frozenset[str] | None, *, since: float, periods: bool = False
    ) -> bool:
        """Whether the feed itself has shown what cancels on games did, begun at a time.

        It has if it told of an order, on each of the games, that was answered to be cancelled since
        then, and owes no word about any. So it has come as far as these cancels. What else closes
        an order is no proof: the feed may lag, and tell of what was before them. `None` stands for
        all games together. With `periods`, an order that the feed has not told of may be on a
        period of a game.
        """
        if games is None:
            return self._cancelled_last >= since and not self._owed
        owed = {each.game for each in self._owed.values()}
        if "" in owed or (periods and owed) or not games.isdisjoint(owed):
            return False
        return all(self._cancelled_on.get(game, float("-inf")) >= since for game in games)

    def owes(self, games: frozenset[str] | None) -> bool:
        """Whether the feed has still to tell of an order on games, or of any with `None`."""
        owed = {each.game for each in self._owed.values()}
        return bool(owed) if games is None else not games.isdisjoint(owed)

    def _show_cancel(self, game: str, answered: float) -> None:
        """Take note that both an answer and the feed have told of a cancel."""
        self._cancelled_last = max(self._cancelled_last, answered)
        self._cancelled_on[game] = max(self._cancelled_on.pop(game, answered), answered)
        if len(self._cancelled_on) > _REMEMBERED:
            del self._cancelled_on[next(iter(self._cancelled_on))]

    def _owe_closing(self, key: str, now: float, game: str, *, answered: bool) -> None:
        self._owed.pop(key, None)
        self._owed[key] = _Owed(now, game, closing=True, answered=answered)

    def _overrule(self, key: str, order: OpenOrder, now: float) -> OrderChange:
        """Hold an order as a read shows it, against what was held."""
        before = self._open.get(key)
        self._closed.pop(key, None)
        self._put(key, order, now)
        return OrderChange(order=order, before=before, source=ChangeSource.READ, disagreement=True)

    def _hold(self, order: OpenOrder, now: float, source: ChangeSource) -> OrderChange | None:
        """Hold an order, or what is less left of it; return what that changes."""
        key = (order.order_id or "").casefold()
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
        by_feed = source is ChangeSource.FEED
        before, earlier = self._open.pop(key, None), self._closed.pop(key, None)
        by_feed_before = earlier is not None and earlier.by_feed
        self._closed[key] = _Closed(
            now if earlier is None else earlier.at, by_feed or by_feed_before
        )
        if len(self._closed) > _REMEMBERED:
            self._closed.popitem(last=False)
        self._told.pop(key, None)
        self._heard.pop(key, None)
        if before is None:
            return None
        self._leave_game(key, before)
        return OrderChange(order=evolve(before, remaining=0.0), before=before, source=source)

    def _leave_game(self, key: str, order: OpenOrder) -> None:
        on_game = self._by_game[_game(order)]
        del on_game[key]
        if not on_game:
            del self._by_game[_game(order)]


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


def _game(order: OpenOrder | None) -> str:
    return ((order.game_id if order is not None else None) or "").casefold()
