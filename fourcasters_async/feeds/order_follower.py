"""What the order verbs tell live orders, and ask of them: the `Follower` of `orders/`."""

import asyncio
from collections.abc import Callable, Sequence

from fourcasters_async.feeds.ledger import Ledger
from fourcasters_async.feeds.news import News
from fourcasters_async.feeds.open_order import from_offer
from fourcasters_async.models import OpenOrder, OrderChange, UnmatchedOffer


class OrderFollower:
    """Takes the answers into the ledger, and gives proof from it while that is `current`.

    `tell` is told of what an answer changes, and `doubt` why the ledger may lack an order.
    """

    def __init__(
        self,
        ledger: Ledger,
        news: News,
        tell: Callable[[OrderChange | None], None],
        doubt: Callable[[str], None],
        current: Callable[[], bool],
    ) -> None:
        self._ledger = ledger
        self._news = news
        self._tell = tell
        self._doubt = doubt
        self._current = current

    def rests(self, order_id: str, game: str | None, offer: UnmatchedOffer | None) -> None:
        """Take note of an order that an answer puts into the book."""
        self._tell(self._ledger.rests(from_offer(order_id, game, offer), _now()))

    def gone(self, order_id: str, game: str | None, *, began: float | None) -> None:
        """Take note of an order that a cancel has taken that `began` then, or one before."""
        self._tell(self._ledger.gone(order_id, game, _now(), began=began))

    def failed(self, order_id: str | None, *, may_rest: bool | None) -> None:
        """Take note of an order that an answer did not cancel."""
        if self._ledger.failed(order_id, _now(), may_rest=may_rest):
            self._doubt("a cancel has failed of an order that is not known here")
        self._news.tell()

    def owed(self, games: frozenset[str] | None, *, periods: bool) -> int:
        """Return of how many orders on games the feed has still to tell."""
        return self._ledger.owed.count(None if periods else games)

    async def shown(
        self, games: frozenset[str] | None, *, since: float, until: float, periods: bool
    ) -> list[OpenOrder] | None:
        """Return the open orders once the feed itself has shown what cancels on games did."""

        def decides() -> bool:
            return not (self._current() and self.owed(games, periods=periods))

        if not decides() and not await self._news.wait(until, decides):
            return None
        owed = self._ledger.owed
        if self._current() and owed.cancels_shown(games, since=since, periods=periods):
            return self._ledger.orders()
        return None

    def knows(self, orders: Sequence[OpenOrder]) -> bool:
        """Whether the feed or an answer has told of each of these orders."""
        return self._ledger.knows(orders)

    def disputes(
        self, orders: Sequence[OpenOrder], games: frozenset[str] | None, *, periods: bool
    ) -> bool:
        """Whether the feed may know better than a read which orders rest on games."""
        return self._ledger.disputes(orders, None if periods else games)


def _now() -> float:
    return asyncio.get_running_loop().time()
