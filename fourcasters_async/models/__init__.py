"""The records of the exchange and the reports of the library, one noun per module."""

from fourcasters_async.models.cancel import CancelResult, LeagueCancelAccepted
from fourcasters_async.models.game import Game, Participant
from fourcasters_async.models.market import GameMarket, MarketType
from fourcasters_async.models.order import GameOrders, MatchedBet, OpenOrder, OrderDetail
from fourcasters_async.models.place import (
    EditResult,
    MatchedFill,
    NewOrder,
    OrderType,
    PlaceErrorType,
    PlaceResult,
    UnmatchedOffer,
)
from fourcasters_async.models.report import CancelReport, GameOutcome, OutcomeStatus
from fourcasters_async.models.user import User, UserType

__all__ = [
    "CancelReport",
    "CancelResult",
    "EditResult",
    "Game",
    "GameMarket",
    "GameOrders",
    "GameOutcome",
    "LeagueCancelAccepted",
    "MarketType",
    "MatchedBet",
    "MatchedFill",
    "NewOrder",
    "OpenOrder",
    "OrderDetail",
    "OrderType",
    "OutcomeStatus",
    "Participant",
    "PlaceErrorType",
    "PlaceResult",
    "UnmatchedOffer",
    "User",
    "UserType",
]
