"""The target of a cancel: a game, or one market type of it."""

from enum import StrEnum

from attrs import frozen

from fourcasters_async.models.record import Record


class MarketType(StrEnum):
    """The types of market. `MONEYLINE_1X2` is the three-way market of soccer."""

    MONEYLINE = "moneyline"
    SPREAD = "spread"
    TOTAL = "total"
    MONEYLINE_1X2 = "moneyline1x2"


@frozen(repr=False)
class GameMarket(Record):
    """One game. With a `type` only that market type of it; `None` means every type."""

    game_id: str
    type: MarketType | str | None = None

    def __str__(self) -> str:
        """Name the game, and the market type where there is one."""
        return self.game_id if self.type is None else f"{self.game_id} ({self.type})"
