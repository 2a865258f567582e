"""What the feed has still to tell of own orders, and which cancels it has shown. No I/O, no clock.

What closes an order by itself is no proof of a cancel: the feed may lag, and tell of what was
before. So a cancel is shown once both an answer and the feed have told of it.
"""

from collections.abc import Iterable

from attrs import frozen

# How many games are remembered on which the feed has shown a cancel.
_REMEMBERED = 20_000


@frozen
class Owed:
    """What an answer or a read said of an order on a game, and the feed has not said yet.

    If it was the answer to a cancel, that `began` then.
    """

    since: float
    game: str
    closing: bool
    began: float | None = None


class OwedWords:
    """The words that the feed owes, by order. Games are in lower case, "" for one not known."""

    def __init__(self) -> None:
        # Oldest first.
        self._owed: dict[str, Owed] = {}
        # How many on each game.
        self._on: dict[str, int] = {}
        # When the last of the cancels began that an answer and the feed itself have told of.
        self._cancelled_on: dict[str, float] = {}
        self._cancelled_last = float("-inf")

    def add(self, key: str, owed: Owed) -> None:
        """Take note of what is owed of an order, in place of what was."""
        self._drop(key)
        self._owed[key] = owed
        self._on[owed.game] = self._on.get(owed.game, 0) + 1

    def add_resting(self, key: str, game: str, now: float) -> None:
        """Take note that the feed is to tell of an order that rests, unless it owes word of it."""
        if key not in self._owed:
            self.add(key, Owed(now, game, closing=False))

    def owes_closing(self, key: str) -> bool:
        """Whether the feed is to tell that an order has left the book."""
        return key in self._owed and self._owed[key].closing

    def told(self, key: str, game: str, *, closing: bool) -> None:
        """Take note of what the feed tells of an order on a game."""
        owed = self._owed.get(key)
        if owed is None or (owed.closing and not closing):
            return
        self._drop(key)
        if owed.began is not None:
            self.show_cancel(game or owed.game, owed.began)

    def show_cancel(self, game: str, began: float) -> None:
        """Take note that both an answer and the feed have told of a cancel that began then."""
        self._cancelled_last = max(self._cancelled_last, began)
        self._cancelled_on[game] = max(self._cancelled_on.pop(game, began), began)
        if len(self._cancelled_on) > _REMEMBERED:
            del self._cancelled_on[next(iter(self._cancelled_on))]

    def forgive(self, *, before: float) -> list[str]:
        """Have the feed owe nothing of before a time; return the ids of what it owed."""
        late = [key for key, owed in self._owed.items() if owed.since < before]
        for key in late:
            self._drop(key)
        return late

    def since(self) -> float | None:
        """Return since when the feed owes word of an order, `None` if it owes none."""
        # Looked at with every burst: it must not take longer the more is owed.
        return next((owed.since for owed in self._owed.values()), None)

    def count(self, games: Iterable[str] | None) -> int:
        """Count the orders on games that the feed has still to tell of; on any with `None`."""
        if games is None:
            return len(self._owed)
        return sum(self._on.get(game, 0) for game in games)

    def cancels_shown(
        self, games: frozenset[str] | None, *, since: float, periods: bool = False
    ) -> bool:
        """Whether the feed itself has shown what cancels on games did, begun at a time.

        It has if it told of an order, on each of the games, that a cancel has taken which began
        then or later, and owes no word about any. So it has come that far. `None` stands for
        all games together. With `periods`, an order that the feed has not told of may be on a
        period of a game.
        """
        if games is None:
            return self._cancelled_last >= since and not self._owed
        if "" in self._on or (periods and self._owed) or self.count(games):
            return False
        return all(self._cancelled_on.get(game, float("-inf")) >= since for game in games)

    def _drop(self, key: str) -> None:
        owed = self._owed.pop(key, None)
        if owed is None:
            return
        left = self._on[owed.game] - 1
        if left:
            self._on[owed.game] = left
        else:
            del self._on[owed.game]
