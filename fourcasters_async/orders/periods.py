"""Which games are periods of which, as far as open orders have named them. No I/O, no clock."""

from collections.abc import Iterable, Iterator

from fourcasters_async.models import OpenOrder


class Periods:
    """The periods of games. Ids are in lower case."""

    def __init__(self) -> None:
        self._of: dict[str, set[str]] = {}

    def learn(self, open_orders: Iterable[OpenOrder]) -> Iterator[tuple[str, str]]:
        """Remember the periods that open orders are on; yield each new one after its game."""
        for order in open_orders:
            game = ((order.game.parent_game_id if order.game else None) or "").casefold()
            period, known = (order.game_id or "").casefold(), self._of.get(game)
            if game and period and (known is None or period not in known):
                self._of.setdefault(game, set()).add(period)
                yield game, period

    def and_their_games(self, games: Iterable[str]) -> frozenset[str]:
        """Return games and those of their periods that are known."""
        return frozenset(each for game in games for each in (game, *self._of.get(game, ())))
