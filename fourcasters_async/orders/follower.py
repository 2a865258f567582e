"""What the order verbs tell those who follow the account's orders by a feed, and ask of them."""

from collections.abc import Iterable
from typing import Protocol

from fourcasters_async.models import CancelResult, OpenOrder, UnmatchedOffer
from fourcasters_async.orders.answers import already_cancelled, may_rest


class Follower(Protocol):
    """What follows the account's own orders by a feed."""

    def rests(self, order_id: str, game: str | None, offer: UnmatchedOffer | None) -> None:
        """Take note of an order that an answer puts into the book."""
        ...

    def gone(self, order_id: str, game: str | None, *, just_now: bool) -> None:
        """Take note of an order that an answer says is cancelled, `just_now` or before."""
        ...

    def failed(self, order_id: str | None, *, may_rest: bool) -> None:
        """Take note of an order that an answer did not cancel; `None` for one that has no id.

        If it is not one that `may_rest`, the answer says that it does not.
        """
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


def tell_gone(follower: Follower, results: Iterable[CancelResult]) -> None:
    """Tell a follower of the orders that an answer has cancelled, or that were cancelled before."""
    for result in results:
        if result.order_id and (result.success or already_cancelled(result)):
            follower.gone(result.order_id, result.game_id, just_now=result.success)


def tell_failed(follower: Follower, results: Iterable[CancelResult]) -> None:
    """Tell a follower of the orders that an answer did not cancel."""
    for result in results:
        if not result.success and not already_cancelled(result):
            follower.failed(result.order_id, may_rest=may_rest(result))
