"""The records of the exchange and the reports of the library, one noun per module."""

from fourcasters_async.models.cancel import CancelResult, CancelResults, LeagueCancelAccepted
from fourcasters_async.models.game import Game, Participant
from fourcasters_async.models.market import GameMarket, MarketType
from fourcasters_async.models.order import (
    BetsByReference,
    GameOrders,
    MatchedBet,
    OpenOrder,
    OrderDetail,
)
from fourcasters_async.models.place import (
    EditResult,
    EditStatus,
    MatchedFill,
    NewOrder,
    OrderType,
    PlaceErrorType,
    PlaceResult,
    UnmatchedOffer,
)
from fourcasters_async.models.reconcile import OrderFate, ReconciledOrder
from fourcasters_async.models.report import CancelReport, FlatReport, GameOutcome, OutcomeStatus
from fourcasters_async.models.undecided import Halted, UndecidedOrder
from fourcasters_async.models.user import User, UserType

__all__ = [
    "BetsByReference",
    "CancelReport",
    "CancelResult",
    "CancelResults",
    "EditResult",
    "EditStatus",
    "FlatReport",
    "Game",
    "GameMarket",
    "GameOrders",
    "GameOutcome",
    "Halted",
    "LeagueCancelAccepted",
    "MarketType",
    "MatchedBet",
    "MatchedFill",
    "NewOrder",
    "OpenOrder",
    "OrderDetail",
    "OrderFate",
    "OrderType",
    "OutcomeStatus",
    "Participant",
    "PlaceErrorType",
    "PlaceResult",
    "ReconciledOrder",
    "UndecidedOrder",
    "UnmatchedOffer",
    "User",
    "UserType",
]
