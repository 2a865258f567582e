"""The records of the exchange and the reports of the library, one noun per module."""

from typing import TYPE_CHECKING

from fourcasters_async._lazy import from_home, homes_of

if TYPE_CHECKING:
    from fourcasters_async.models.bet import (
        AffiliateCommission,
        AnyBet,
        BetOutcome,
        BetsByReference,
        GradedBet,
        GradedBets,
        GradedPage,
        GradedSummary,
    )
    from fourcasters_async.models.cancel import CancelResult, CancelResults, LeagueCancelAccepted
    from fourcasters_async.models.exposure import GameExposure, OutcomeExposure
    from fourcasters_async.models.game import FoundGame, Game, Participant, ParticipantSummary
    from fourcasters_async.models.market import GameMarket, MarketType
    from fourcasters_async.models.order import (
        GameOrders,
        MatchedBet,
        OpenOrder,
        OrderDetail,
    )
    from fourcasters_async.models.order_book import (
        AveragePrices,
        BookEntry,
        GamePrices,
        MatchedVolume,
        OrderBook,
        SingleOrderBook,
    )
    from fourcasters_async.models.order_change import ChangeSource, OrderChange
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
    from fourcasters_async.models.price_event import (
        GameUpdate,
        MatchedVolumeUpdate,
        OrderUpdate,
        PriceEvent,
    )
    from fourcasters_async.models.reconcile import OrderFate, ReconciledOrder
    from fourcasters_async.models.report import (
        CancelReport,
        FlatReport,
        GameOutcome,
        OutcomeStatus,
        ProofSource,
    )
    from fourcasters_async.models.stats import SessionStats
    from fourcasters_async.models.undecided import Halted, UndecidedOrder
    from fourcasters_async.models.user import User, UserType
    from fourcasters_async.models.user_event import (
        FeedEvent,
        FeedOrder,
        Gap,
        Lagged,
        OrderCancelled,
        OrderFilled,
        OrderPlaced,
        UserEvent,
    )

__all__ = [
    "AffiliateCommission",
    "AnyBet",
    "AveragePrices",
    "BetOutcome",
    "BetsByReference",
    "BookEntry",
    "CancelReport",
    "CancelResult",
    "CancelResults",
    "ChangeSource",
    "EditResult",
    "EditStatus",
    "FeedEvent",
    "FeedOrder",
    "FlatReport",
    "FoundGame",
    "Game",
    "GameExposure",
    "GameMarket",
    "GameOrders",
    "GameOutcome",
    "GamePrices",
    "GameUpdate",
    "Gap",
    "GradedBet",
    "GradedBets",
    "GradedPage",
    "GradedSummary",
    "Halted",
    "Lagged",
    "LeagueCancelAccepted",
    "MarketType",
    "MatchedBet",
    "MatchedFill",
    "MatchedVolume",
    "MatchedVolumeUpdate",
    "NewOrder",
    "OpenOrder",
    "OrderBook",
    "OrderCancelled",
    "OrderChange",
    "OrderDetail",
    "OrderFate",
    "OrderFilled",
    "OrderPlaced",
    "OrderType",
    "OrderUpdate",
    "OutcomeExposure",
    "OutcomeStatus",
    "Participant",
    "ParticipantSummary",
    "PlaceErrorType",
    "PlaceResult",
    "PriceEvent",
    "ProofSource",
    "ReconciledOrder",
    "SessionStats",
    "SingleOrderBook",
    "UndecidedOrder",
    "UnmatchedOffer",
    "User",
    "UserEvent",
    "UserType",
]

_HOMES = homes_of(
    {
        "bet": (
            "AffiliateCommission",
            "AnyBet",
            "BetOutcome",
            "BetsByReference",
            "GradedBet",
            "GradedBets",
            "GradedPage",
            "GradedSummary",
        ),
        "cancel": ("CancelResult", "CancelResults", "LeagueCancelAccepted"),
        "exposure": ("GameExposure", "OutcomeExposure"),
        "game": ("FoundGame", "Game", "Participant", "ParticipantSummary"),
        "market": ("GameMarket", "MarketType"),
        "order": ("GameOrders", "MatchedBet", "OpenOrder", "OrderDetail"),
        "order_book": (
            "AveragePrices",
            "BookEntry",
            "GamePrices",
            "MatchedVolume",
            "OrderBook",
            "SingleOrderBook",
        ),
        "order_change": ("ChangeSource", "OrderChange"),
        "place": (
            "EditResult",
            "EditStatus",
            "MatchedFill",
            "NewOrder",
            "OrderType",
            "PlaceErrorType",
            "PlaceResult",
            "UnmatchedOffer",
        ),
        "price_event": ("GameUpdate", "MatchedVolumeUpdate", "OrderUpdate", "PriceEvent"),
        "reconcile": ("OrderFate", "ReconciledOrder"),
        "report": ("CancelReport", "FlatReport", "GameOutcome", "OutcomeStatus", "ProofSource"),
        "stats": ("SessionStats",),
        "undecided": ("Halted", "UndecidedOrder"),
        "user": ("User", "UserType"),
        "user_event": (
            "FeedEvent",
            "FeedOrder",
            "Gap",
            "Lagged",
            "OrderCancelled",
            "OrderFilled",
            "OrderPlaced",
            "UserEvent",
        ),
    }
)

if not TYPE_CHECKING:  # a type checker would take any name for one that there is

    def __getattr__(name: str) -> object:
        return from_home(__name__, _HOMES, name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
