"""The orders that have just come into the book, by an answer or a feed. No I/O, no clock."""

from collections.abc import Iterable

from fourcasters_async.models import OpenOrder


class Acknowledged:
    """The orders that a read may not show yet, because reads trail by `read_lag` seconds.

    Times are loop times.
    """

    def __init__(self, read_lag: float) -> None:
        self._read_lag = read_lag
        # By id, the game of each order and when it was acknowledged, oldest first.
        self._orders: dict[str, tuple[str | None, float]] = {}

    def __bool__(self) -> bool:
        """Whether there are any."""
        return bool(self._orders)

    def add(self, order_id: str | None, game: str | None, now: float) -> None:
        """Add an order, and drop those that a read shows by now."""
        while self._orders:
            oldest = next(iter(self._orders))
            if self._orders[oldest][1] + self._read_lag > now:
                break
            del self._orders[oldest]
        key = (order_id or "").casefold()
        self._orders.pop(key, None)
        self._orders[key] = game.casefold() if game else None, now

    def forget(self, order_ids: Iterable[str | None]) -> None:
        """Drop orders of which an answer has said that they do not rest."""
        if self._orders:
            for order_id in order_ids:
                self._orders.pop((order_id or "").casefold(), None)

    def not_shown(
        self, open_orders: Iterable[OpenOrder], *, read_at: float
    ) -> frozenset[str | None]:
        """Return the games of those that a read, begun at `read_at`, neither shows nor had to.

        They are in lower case.
        """
        if not self._orders:
            return frozenset()
        shown = {(order.order_id or "").casefold() for order in open_orders}
        return frozenset(
            game
            for order_id, (game, since) in self._orders.items()
            if read_at < since + self._read_lag and order_id not in shown
        )
