"""The games that are halted, and orders of the session that may or may not be in the book."""

from datetime import datetime

from attrs import frozen

from fourcasters_async.models.record import Record


@frozen(repr=False)
class UndecidedOrder(Record):
    """An order of the session that may be in the book, or may still come into it.

    It was sent, or is about to be, and is not decided yet. `since` is the time of the call, in UTC.
    `game_id` is `None` if an edit does not know its game; then the order may be on any game.
    `order_id` is the order that an edit replaces.
    """

    game_id: str | None
    user_reference: str | None
    since: datetime
    order_id: str | None = None


@frozen(repr=False)
class Halted(Record):
    """The games on which nothing is placed: `game_id in session.halted`.

    With `everything`, all games are halted except those in `resumed`; otherwise those in `games`.
    The object is true if any game is halted. Ids are in lower case.
    """

    everything: bool = False
    games: frozenset[str] = frozenset()
    resumed: frozenset[str] = frozenset()

    def __contains__(self, game_id: str) -> bool:
        """Whether nothing is placed on a game."""
        game = game_id.casefold()
        return game in self.games or (self.everything and game not in self.resumed)

    def __bool__(self) -> bool:
        """Whether any game is halted."""
        return self.everything or bool(self.games)
