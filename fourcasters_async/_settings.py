"""The settings of a session: where the exchange is, and what the environment says."""

import os
from collections.abc import Callable, Sequence
from typing import TypedDict

import aiohttp
from yarl import URL

import fourcasters_async
from fourcasters_async._core.auth import OnToken
from fourcasters_async._core.rate_limit import RateLimit
from fourcasters_async._core.retry import RetryPolicy
from fourcasters_async._core.secret import hidden
from fourcasters_async.errors import InvalidRequestError

BASE_URL = "https://api.4casters.io"
ORDERS_URL = "wss://orders-api.4casters.io/orders/ws"
STREAMING_URL = "wss://streaming-api.4casters.io"


def beside(base_url: URL, given: str | None, default: str) -> str | None:
    """Return the address of another service of the exchange at `base_url`, `None` if it is unknown.

    One of the real exchange beside a sandbox would say of real orders what the sandbox's became.
    """
    return default if given is None and base_url == URL(BASE_URL) else given


class SessionOptions(TypedDict, total=False):
    """The options that `AsyncSession` takes beside a user name and a password."""

    token: str | None
    base_url: str
    orders_url: str | None
    streaming_url: str | None
    client_session: aiohttp.ClientSession | None
    proxy: str | None
    middlewares: Sequence[aiohttp.ClientMiddlewareType] | None
    timeout: float
    max_connections: int
    retry: RetryPolicy | None
    rate_limit: RateLimit | None
    on_token: OnToken | None
    on_event: "Callable[[fourcasters_async.SessionEvent], object] | None"
    late_effect: float
    read_lag: float


class _AllOptions(SessionOptions, total=False):
    username: str | None
    password: str | None


def settings_from_env(options: SessionOptions) -> _AllOptions:
    """Return the arguments of `AsyncSession` that the environment adds to `options`.

    Raises `InvalidRequestError` if there is nothing to log in with.
    """
    token = hidden(options.get("token") or os.environ.get("FOURCASTERS_TOKEN")) or None
    password = hidden(os.environ.get("FOURCASTERS_PASSWORD")) or None
    username = os.environ.get("FOURCASTERS_USERNAME") or None
    if token is None and (username is None or password is None):
        raise InvalidRequestError(
            "FOURCASTERS_TOKEN: not set; set it to your token, or set FOURCASTERS_USERNAME "
            "and FOURCASTERS_PASSWORD"
        )
    addresses: SessionOptions = {
        "base_url": os.environ.get("FOURCASTERS_BASE_URL") or BASE_URL,
        "orders_url": os.environ.get("FOURCASTERS_ORDERS_URL") or None,
        "streaming_url": os.environ.get("FOURCASTERS_STREAMING_URL") or None,
    }
    return {
        **addresses,
        **options,
        "token": token,
        "username": username,
        "password": password,
    }
