"""The aiohttp clients of a session: on its own connections, or on a connector that is lent.

This module has every use of a name of aiohttp's HTTP client that is not public. If a release
renames one, an error says so. Otherwise a request could silently bypass a proxy, or an answer to
no request could be accepted.
"""

from collections.abc import Callable, Sequence
from operator import attrgetter
from typing import Any

import aiohttp
from aiohttp.abc import AbstractStreamWriter
from aiohttp.client_proto import ResponseHandler
from aiohttp.http_writer import StreamWriter
from yarl import URL

from fourcasters_async.errors import InvalidRequestError

# Seconds. With aiohttp's 15 a pool goes cold between two bursts of a game.
_KEEP_ALIVE = 75.0

if not (hasattr(StreamWriter, "protocol") and hasattr(ResponseHandler, "should_close")):
    raise ImportError(
        "with this release of aiohttp, fourcasters_async cannot detect bytes on a connection that "
        "answer another request; install the newest aiohttp that fourcasters_async supports"
    )


holds_unread_bytes: Callable[[AbstractStreamWriter], bool] = attrgetter("protocol.should_close")
"""Whether the connection of a writer has received bytes that no request asked for."""


class AiohttpClients:
    """Makes aiohttp clients with the settings of a session.

    `lent` is the caller's client: its connector, headers, tracing, proxy and middlewares are used,
    its cookies are not. `proxy` and `middlewares` are settings of the session. Each replaces that
    of `lent`.
    """

    def __init__(
        self,
        lent: aiohttp.ClientSession | None = None,
        *,
        proxy: URL | None = None,
        middlewares: Sequence[aiohttp.ClientMiddlewareType] | None = None,
        connect_timeout: float,
    ) -> None:
        self.lent = lent
        """The caller's client, which then owns the connections."""
        self._proxy: Any = proxy
        self._proxy_auth: Any = None
        if lent is not None and proxy is None:
            self._proxy = _private_setting(lent, "_default_proxy", "proxy")
            self._proxy_auth = _private_setting(lent, "_default_proxy_auth", "proxy")
        if lent is not None and middlewares is None:
            middlewares = _private_setting(lent, "_middlewares", "middlewares")
        self.middlewares = tuple(middlewares or ())
        """The caller's middlewares. A request that names its own has to name these too."""
        # The whole attempt is limited elsewhere: a stalled body can outlast aiohttp's `total`.
        self.timeout = aiohttp.ClientTimeout(total=None, sock_connect=connect_timeout)

    def make(
        self,
        *,
        max_connections: int,
        keep_alive: bool = True,
        ws_response_class: type[aiohttp.ClientWebSocketResponse[Any]] | None = None,
        middlewares: Sequence[aiohttp.ClientMiddlewareType] = (),
    ) -> aiohttp.ClientSession:
        """Make a client with `max_connections` of its own, unless a connector is lent."""
        lent = self.lent
        return aiohttp.ClientSession(
            connector=_connector(max_connections, keep_alive=keep_alive)
            if lent is None
            else lent.connector,
            connector_owner=lent is None,
            headers=None if lent is None else lent.headers,
            skip_auto_headers=None if lent is None else lent.skip_auto_headers,
            trace_configs=None if lent is None else lent.trace_configs,
            trust_env=lent is not None and lent.trust_env,
            proxy=self._proxy,
            proxy_auth=self._proxy_auth,
            cookie_jar=aiohttp.DummyCookieJar(),
            timeout=self.timeout,
            middlewares=(*middlewares, *self.middlewares),
            ws_response_class=ws_response_class or aiohttp.ClientWebSocketResponse,
        )


def _connector(max_connections: int, *, keep_alive: bool) -> aiohttp.TCPConnector:
    # One connection more, so that a single verb does not wait for a fan-out to end.
    limit = max_connections + 1
    if keep_alive:
        return aiohttp.TCPConnector(limit=limit, keepalive_timeout=_KEEP_ALIVE)
    return aiohttp.TCPConnector(limit=limit, force_close=True)


def _private_setting(client: aiohttp.ClientSession, name: str, option: str) -> Any:
    """Read a setting that a client does not expose."""
    try:
        return getattr(client, name)
    except AttributeError:
        raise InvalidRequestError(
            f"client_session: this release of aiohttp does not expose its {option}; "
            f"pass {option}=… to AsyncSession as well"
        ) from None
