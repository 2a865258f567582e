"""Which orders rest, found by their account, their game or their line. No I/O."""

from collections.abc import Hashable

from fourcasters_async.testing.records import BookOrder


class OpenOrders:
    """The orders that rest, each list with the oldest first.

    An order that has closed is dropped from a list when the list is read next, so that a long run
    of trading on one game stays as fast as it began.
    """

    def __init__(self) -> None:
        self._lists: dict[Hashable, dict[str, BookOrder]] = {}

    def add(self, order: BookOrder) -> None:
        """Put an order behind the others."""
        on_game = ("game", order.game_id)
        for key in (None, ("account", order.account), on_game, (*on_game, *order.line)):
            self._lists.setdefault(key, {})[order.order_id] = order

    def all(self) -> list[BookOrder]:
        """Return every order."""
        return self._read(None)

    def of(self, account: str) -> list[BookOrder]:
        """Return the orders of an account."""
        return self._read(("account", account))

    def on(self, game_id: str, line: tuple[object, ...] = ()) -> list[BookOrder]:
        """Return the orders on a game, or on one side of one of its lines."""
        return self._read(("game", game_id, *line))

    def forget_closed(self) -> None:
        """Drop every order that has closed."""
        for key in list(self._lists):
            if not self._read(key):
                del self._lists[key]

    def _read(self, key: Hashable) -> list[BookOrder]:
        orders = self._lists.get(key, {})
        resting = [order for order in orders.values() if order.open]
        if len(resting) < len(orders):
            self._lists[key] = {order.order_id: order for order in resting}
        return resting
