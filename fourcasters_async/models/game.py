"""A game as it appears inside orders and bets."""

from datetime import datetime

from attrs import field, frozen

from fourcasters_async.models.wire import wire


@frozen
class Participant:
    """One side of a game. `home_away` is `"home"` or `"away"`; only ended games have a `score`."""

    participant_id: str | None = field(default=None, metadata=wire("id"))
    long_name: str | None = None
    short_name: str | None = None
    home_away: str | None = None
    main_pitcher: str | None = None
    rotation_number: str | None = None
    futures_side: str | None = None
    score: float | None = None


@frozen
class Game:
    """The game that an order is on.

    `start` is timezone-aware. `participants` lists the away side first, then the home side. If
    the game is a period of another, `parent_game_id` is that game and `period_name` the period.
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
    participants: list[Participant] = field(factory=list, metadata=wire(strict=False))
