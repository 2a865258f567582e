"""An async client for the 4casters exchange, made for cancelling orders fast and for certain."""

from fourcasters_async import models
from fourcasters_async._core.rate_limit import RateLimit
from fourcasters_async._core.retry import RetryPolicy
from fourcasters_async._version import __version__
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
    "AuthenticationError",
    "BadRequestError",
    "ConflictError",
    "CursorFile",
    "DeadManState",
    "DeadManSwitch",
    "DecodeError",
    "FlatOnExit",
    "ForbiddenError",
    "FourcastersError",
    "HaltedError",
    "InvalidRequestError",
    "LiveBook",
    "LiveOrders",
    "Markets",
    "NotFoundError",
    "NotSentError",
    "Orders",
    "OrdersNotCancelledError",
    "OrdersSocket",
    "OutcomeUnknownError",
    "PriceFeed",
    "RateLimit",
    "RateLimitedError",
    "RetryPolicy",
    "ServerError",
    "SessionClosedError",
    "UnsettledCancelsError",
    "UserFeed",
    "__version__",
]
__all__ += models.__all__
