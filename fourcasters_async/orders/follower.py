"""What the order verbs tell those who follow the account's orders by a feed, and ask of them."""

from collections.abc import Iterable, Sequence
from typing import Protocol

from fourcasters_async.models import CancelResult, OpenOrder, UnmatchedOffer
from fourcasters_async.models.unread import UnreadResults
from fourcasters_async.orders.answers import already_cancelled, may_rest


class Follower(Protocol):
    """What follows the account's own orders by a feed."""

    def rests(self, order_id: str, game: str | None, offer: UnmatchedOffer | None) -> None:
        """Take note of an order that an answer puts into the book."""
        ...

    def gone(self, order_id: str, game: str | None, *, began: float | None) -> None:
        """Take note of an order that an answer says is cancelled.

        The cancel that took it `began` at that loop time; `None` if it was cancelled before.
        """
        ...

    def failed(self, order_id: str | None, *, may_rest: bool | None) -> None:
        """Take note of an order that an answer did not cancel; `None` for one that has no id.

        If it is not one that `may_rest`, the answer says that it does not; `None` if that is no
        proof.
        """
        ...

    def owed(self, games: frozenset[str] | None, *, periods: bool) -> int:
        """Return of how many orders on games the feed has still to tell."""
        ...

    async def shown(
        self, games: frozenset[str] | None, *, since: float, until: float, periods: bool
    ) -> list[OpenOrder] | None:
        """Return the open orders once the feed itself has shown what cancels on games did.

        They began at the loop time `since`, and were answered. With `periods`, orders on periods of
        the games are wanted too. Waits until the loop time `until`, and returns `None` if the feed
        does not show it.
        """
        ...

    def knows(self, orders: Sequence[OpenOrder]) -> bool:
        """Whether the feed or an answer has told of each of these orders."""
        ...

    def disputes(
        self, orders: Sequence[OpenOrder], games: frozenset[str] | None, *, periods: bool
    ) -> bool:
        """Whether the feed may know better than a read which orders rest on games.

        It does where the read shows others than the feed and the answers have told of, but none
        that is not known. A read may trail the book, and so may the feed.
        """
        ...


def tell_gone(
    follower: Follower | None, orders: Iterable[tuple[str, str | None, bool]], *, began: float
) -> None:
    """Tell a follower of the orders that answers have cancelled, as `cancelled_orders` has them."""
    if follower is not None:
        for order_id, game, just_now in orders:
            follower.gone(order_id, game, began=began if just_now else None)


def tell_failed(follower: Follower | None, answers: Iterable[Sequence[CancelResult]]) -> None:
    """Tell a follower of the orders that answers did not cancel."""
    for results in answers:
        # In those that are unread, every order is cancelled.
        if follower is None or isinstance(results, UnreadResults):
            continue
        for result in results:
            if not result.success and not already_cancelled(result):
                follower.failed(result.order_id, may_rest=may_rest(result))
