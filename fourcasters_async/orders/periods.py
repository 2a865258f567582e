"""Which games are periods of which, as far as open orders have named them. No I/O, no clock."""

from collections.abc import Iterable, Iterator

from fourcasters_async.models import OpenOrder
from fourcasters_async.orders.tickets import Recent


class Periods:
    """The periods of games. Ids are in lower case. Of thousands, the oldest are forgotten."""

    def __init__(self) -> None:
        self._of: dict[str, set[str]] = {}
        # Each game with one of its periods. The one that was named last is at the end.
        self._named: Recent[tuple[str, str], None] = Recent()

    def learn(self, open_orders: Iterable[OpenOrder]) -> Iterator[tuple[str, str]]:
        """Remember the periods that open orders are on; yield each new one after its game."""
        for order in open_orders:
            game = ((order.game.parent_game_id if order.game else None) or "").casefold()
            period = (order.game_id or "").casefold()
            if game and period:
                new = (game, period) not in self._named
                forgotten = self._named.add((game, period), None)
                if forgotten is not None:
                    self._forget(*forgotten[0])
                if new:
                    self._of.setdefault(game, set()).add(period)
                    yield game, period

    def and_their_games(self, games: Iterable[str]) -> frozenset[str]:
        """Return games and those of their periods that are known."""
        return frozenset(each for game in games for each in (game, *self._of.get(game, ())))

    def _forget(self, game: str, period: str) -> None:
        self._of[game].discard(period)
        if not self._of[game]:
            del self._of[game]
