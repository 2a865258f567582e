"""The records of the exchange and of what a cancel came to, a noun a module."""

from fourcasters_async.models.cancel import CancelResult
from fourcasters_async.models.game import Game, Participant
from fourcasters_async.models.market import GameMarket, MarketType
from fourcasters_async.models.order import OpenOrder
from fourcasters_async.models.report import CancelReport, GameOutcome, OutcomeStatus

__all__ = [
    "CancelReport",
    "CancelResult",
    "Game",
    "GameMarket",
    "GameOutcome",
    "MarketType",
    "OpenOrder",
    "OutcomeStatus",
    "Participant",
]
