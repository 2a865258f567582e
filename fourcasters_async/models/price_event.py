"""What the price feed says: how the books of games change."""

from typing import ClassVar

from attrs import define, field, frozen

from fourcasters_async.models.market import MarketType
from fourcasters_async.models.order_book import BookEntry, OrderBook
from fourcasters_async.models.record import Record
from fourcasters_async.models.user_event import Gap, Lagged
from fourcasters_async.models.wire import wire


# Not frozen: there are thousands in a second.
@define(kw_only=True, repr=False)
class OrderUpdate(Record):
    """One side of the book of a game, as a whole: `side_orders` replace what rested on it before.

    Of two updates of a side, the one with the higher `epoch` is the newer. A moneyline or a spread
    has the `participant_id` that the orders back, a total has `over_under`, and a `moneyline1x2`
    the outcome (`market`) and `"yes"` or `"no"` (`side`). `spread` and `total` are the lines of the
    side, `main_home_spread`, `main_away_spread` and `main_total` the main lines of the game. Own
    orders among `side_orders` are `own`.
    """

    game_id: str
    epoch: int | float | None = None
    parent_game_id: str | None = None
    sport: str | None = None
    league: str | None = None
    live: bool | None = None
    type: MarketType | str | None = None
    participant_id: str | None = None
    market: str | None = None
    side: str | None = None
    over_under: str | None = field(default=None, metadata=wire("OU"))
    total: float | None = None
    spread: float | None = None
    main_home_spread: float | None = None
    main_away_spread: float | None = None
    main_total: float | None = None
    side_orders: list[BookEntry]


@frozen(kw_only=True, repr=False)
class GameUpdate(Record):
    """A market opened or closed, with the whole book of its game.

    `message_type` is `"marketOpen"`, `"marketClosed"` or another text of the exchange.
    """

    _derived: ClassVar[tuple[str, ...]] = ("game_id",)

    message_type: str | None = None
    game: OrderBook

    @property
    def game_id(self) -> str | None:
        """The id of the game."""
        return self.game.game_id


@frozen(kw_only=True, repr=False)
class MatchedVolumeUpdate(Record):
    """What was matched on a game so far, by everybody: `matched_volume`, in account currency."""

    game_id: str
    parent_game_id: str | None = None
    matched_volume: float | None = None


PriceEvent = OrderUpdate | GameUpdate | MatchedVolumeUpdate | Gap | Lagged
"""What a price feed yields."""
