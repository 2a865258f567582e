"""An async client for the 4casters exchange, made for cancelling orders fast and for certain."""

from typing import TYPE_CHECKING

from fourcasters_async import models
from fourcasters_async._lazy import from_home, homes_of
from fourcasters_async._version import __version__

if TYPE_CHECKING:
    from fourcasters_async._core.rate_limit import RateLimit
    from fourcasters_async._core.retry import RetryPolicy
    from fourcasters_async.account import Account
    from fourcasters_async.dead_man import DeadManState, DeadManSwitch
    from fourcasters_async.errors import (
        ApiError,
        AuthenticationError,
        BadRequestError,
        ConflictError,
        DecodeError,
        ForbiddenError,
        FourcastersError,
        HaltedError,
        InvalidRequestError,
        NotFoundError,
        NotSentError,
        OrdersNotCancelledError,
        OutcomeUnknownError,
        RateLimitedError,
        ServerError,
        SessionClosedError,
        UnsettledCancelsError,
    )
    from fourcasters_async.events import (
        AttemptOutcome,
        ConnectionLost,
        ConnectionMade,
        DeadManChanged,
        GateChange,
        GateChanged,
        HoldBegun,
        OrdersDecided,
        OrdersUndecided,
        RequestFinished,
        RetryPlanned,
        SessionEvent,
        TokenRenewed,
        VerbFinished,
        VerbStarted,
    )
    from fourcasters_async.feeds.cursor_file import CursorFile
    from fourcasters_async.feeds.live_book import LiveBook
    from fourcasters_async.feeds.live_orders import LiveOrders
    from fourcasters_async.feeds.prices import PriceFeed
    from fourcasters_async.feeds.user import UserFeed
    from fourcasters_async.flatten import FlatOnExit
    from fourcasters_async.markets import Markets
    from fourcasters_async.models import *  # noqa: F403  # it exports the records, each declared once
    from fourcasters_async.orders.socket import OrdersSocket
    from fourcasters_async.orders.verbs import Orders
    from fourcasters_async.session import AsyncSession

__all__ = [  # the records follow, from where they are declared
    "Account",
    "ApiError",
    "AsyncSession",
    "AttemptOutcome",
    "AuthenticationError",
    "BadRequestError",
    "ConflictError",
    "ConnectionLost",
    "ConnectionMade",
    "CursorFile",
    "DeadManChanged",
    "DeadManState",
    "DeadManSwitch",
    "DecodeError",
    "FlatOnExit",
    "ForbiddenError",
    "FourcastersError",
    "GateChange",
    "GateChanged",
    "HaltedError",
    "HoldBegun",
    "InvalidRequestError",
    "LiveBook",
    "LiveOrders",
    "Markets",
    "NotFoundError",
    "NotSentError",
    "Orders",
    "OrdersDecided",
    "OrdersNotCancelledError",
    "OrdersSocket",
    "OrdersUndecided",
    "OutcomeUnknownError",
    "PriceFeed",
    "RateLimit",
    "RateLimitedError",
    "RequestFinished",
    "RetryPlanned",
    "RetryPolicy",
    "ServerError",
    "SessionClosedError",
    "SessionEvent",
    "TokenRenewed",
    "UnsettledCancelsError",
    "UserFeed",
    "VerbFinished",
    "VerbStarted",
    "__version__",
]
__all__ += models.__all__

_HOMES = homes_of(
    {
        "_core.rate_limit": ("RateLimit",),
        "_core.retry": ("RetryPolicy",),
        "account": ("Account",),
        "dead_man": ("DeadManState", "DeadManSwitch"),
        "errors": (
            "ApiError",
            "AuthenticationError",
            "BadRequestError",
            "ConflictError",
            "DecodeError",
            "ForbiddenError",
            "FourcastersError",
            "HaltedError",
            "InvalidRequestError",
            "NotFoundError",
            "NotSentError",
            "OrdersNotCancelledError",
            "OutcomeUnknownError",
            "RateLimitedError",
            "ServerError",
            "SessionClosedError",
            "UnsettledCancelsError",
        ),
        "events": (
            "AttemptOutcome",
            "ConnectionLost",
            "ConnectionMade",
            "DeadManChanged",
            "GateChange",
            "GateChanged",
            "HoldBegun",
            "OrdersDecided",
            "OrdersUndecided",
            "RequestFinished",
            "RetryPlanned",
            "SessionEvent",
            "TokenRenewed",
            "VerbFinished",
            "VerbStarted",
        ),
        "exposure": (),
        "feeds.cursor_file": ("CursorFile",),
        "feeds.live_book": ("LiveBook",),
        "feeds.live_orders": ("LiveOrders",),
        "feeds.prices": ("PriceFeed",),
        "feeds.user": ("UserFeed",),
        "flatten": ("FlatOnExit",),
        "graded": (),
        "markets": ("Markets",),
        "orders.socket": ("OrdersSocket",),
        "orders.verbs": ("Orders",),
        "search": (),
        "session": ("AsyncSession",),
        "models": models.__all__,
    }
)

if not TYPE_CHECKING:  # a type checker would take any name for one that there is

    def __getattr__(name: str) -> object:
        return from_home(__name__, _HOMES, name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
