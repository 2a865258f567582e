"""An async client for the 4casters exchange, made for cancelling orders fast and for certain."""

from fourcasters_async._pacing import RetryPolicy
from fourcasters_async._version import __version__
from fourcasters_async.account import Account
from fourcasters_async.errors import (
    ApiError,
    AuthenticationError,
    BadRequestError,
    ConflictError,
    DecodeError,
    ForbiddenError,
    FourcastersError,
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
from fourcasters_async.models import (
    CancelReport,
    CancelResult,
    Game,
    GameMarket,
    GameOutcome,
    MarketType,
    OpenOrder,
    OutcomeStatus,
    Participant,
)
from fourcasters_async.rate_limit import RateLimit
from fourcasters_async.session import AsyncSession

__all__ = [
    "Account",
    "ApiError",
    "AsyncSession",
    "AuthenticationError",
    "BadRequestError",
    "CancelReport",
    "CancelResult",
    "ConflictError",
    "DecodeError",
    "ForbiddenError",
    "FourcastersError",
    "Game",
    "GameMarket",
    "GameOutcome",
    "InvalidRequestError",
    "MarketType",
    "NotFoundError",
    "NotSentError",
    "OpenOrder",
    "OrdersNotCancelledError",
    "OutcomeStatus",
    "OutcomeUnknownError",
    "Participant",
    "RateLimit",
    "RateLimitedError",
    "RetryPolicy",
    "ServerError",
    "SessionClosedError",
    "UnsettledCancelsError",
    "__version__",
]
