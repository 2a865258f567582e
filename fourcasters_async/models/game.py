"""A game as it appears inside orders and bets."""

from datetime import datetime
from typing import ClassVar

from attrs import field, frozen

from fourcasters_async.models.record import Record
from fourcasters_async.models.wire import wire


@frozen(repr=False)
class Participant(Record):
    """One side of a game. `home_away` is `"home"` or `"away"`; only ended games have a `score`."""

    participant_id: str | None = field(default=None, metadata=wire("id"))
    long_name: str | None = None
    short_name: str | None = None
    home_away: str | None = None
    main_pitcher: str | None = None
    rotation_number: str | None = None
    futures_side: str | None = None
    score: float | None = None


@frozen(repr=False)
class Game(Record):
    """A game, without its book.

    `start` is timezone-aware. `participants` lists the away side first, then the home side. If
    the game is a period of another, `parent_game_id` is that game and `period_name` the period.
    `cheap_data_uid` identifies the game in other systems too.
    """

    game_id: str | None = field(default=None, metadata=wire("id", strict=True))
    league: str | None = None
    sport: str | None = None
    start: datetime | None = None
    ended: bool | None = None
    event_name: str | None = None
    is_futures: bool | None = None
    is_specials: bool | None = None
    tournament_name: str | None = None
    period_name: str | None = None
    parent_game_id: str | None = field(default=None, metadata=wire(strict=True))
    live: bool | None = None
    featured: bool | None = None
    cheap_data_uid: str | None = field(default=None, metadata=wire("cheapDataUID"))
    participants: list[Participant] = field(factory=list, metadata=wire(strict=False))

    @property
    def away(self) -> Participant | None:
        """The away side, `None` if the exchange did not name it."""
        return self._side("away", 0)

    @property
    def home(self) -> Participant | None:
        """The home side, `None` if the exchange did not name it."""
        return self._side("home", 1)

    def _side(self, name: str, index: int) -> Participant | None:
        named = [each for each in self.participants if each.home_away == name]
        if named:
            return named[0]
        # Without a name the order tells them apart: away first, then home.
        at = self.participants[index : index + 1]
        return at[0] if at and at[0].home_away is None else None


@frozen(repr=False)
class ParticipantSummary(Record):
    """A team, a player or a side of a future that the exchange knows, with its league."""

    participant_id: str | None = None
    long_name: str | None = None
    short_name: str | None = None
    league: str | None = None
    sport: str | None = None


@frozen(kw_only=True, repr=False)
class FoundGame(Record):
    """A game that a search found, and the `participant` if the text names one side alone."""

    _derived: ClassVar[tuple[str, ...]] = ("game_id", "side")

    game: Game
    participant: Participant | None = None

    @property
    def game_id(self) -> str | None:
        """The id of the game, as `NewOrder` takes it."""
        return self.game.game_id

    @property
    def side(self) -> str | None:
        """The id of the side that was named, as a moneyline or a spread takes it for `side`."""
        return None if self.participant is None else self.participant.participant_id

    def __str__(self) -> str:
        """Name the game with its period, league and start, and the side that was named."""
        game = self.game
        period = f" {game.period_name or '?'}" if game.parent_game_id else ""
        teams = " @ ".join(team.long_name or "?" for team in game.participants)
        start = "" if game.start is None else f" {game.start:%Y-%m-%d %H:%M}"
        named = "" if self.participant is None else f" [{self.participant.long_name}]"
        return f"{teams or game.event_name}{period} ({game.league}{start}){named}"
