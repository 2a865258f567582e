"""The aiohttp clients of a session: on connections of its own, or on a connector that is lent.

All that the library reads of aiohttp without a public name, for HTTP, stands here, and a release
that has another name is told in an error: a request never goes past a proxy, and an answer that
nobody asked for is never taken, without a word.
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

# aiohttp's 15 s lets a pool go cold between two bursts of a game.
_KEEP_ALIVE = 75.0

if not (hasattr(StreamWriter, "protocol") and hasattr(ResponseHandler, "should_close")):
    raise ImportError(
        "fourcasters_async cannot see with this release of aiohttp whether a connection holds an "
        "answer to another request; install the newest aiohttp that fourcasters_async supports"
    )


holds_unread_bytes: Callable[[AbstractStreamWriter], bool] = attrgetter("protocol.should_close")
"""Whether the connection behind a writer has received bytes that nobody asked for."""


class AiohttpClients:
    """Makes aiohttp clients with the settings of a session.

    `lent` is a client of the caller's: its connector, headers, tracing, proxy and middlewares are
    used, and its cookies are not. `proxy` and `middlewares` are the session's own settings; with
    one of them, that of `lent` is not looked at.
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
        """The caller's client, to whom the connections belong then."""
        self._proxy: Any = proxy
        self._proxy_auth: Any = None
        if lent is not None and proxy is None:
            self._proxy = _hidden(lent, "_default_proxy", "proxy")
            self._proxy_auth = _hidden(lent, "_default_proxy_auth", "proxy")
        if lent is not None and middlewares is None:
            middlewares = _hidden(lent, "_middlewares", "middlewares")
        self.middlewares = tuple(middlewares or ())
        """The middlewares of the caller's, which naming others for a request would displace."""
        # An attempt as a whole is timed from outside: aiohttp's `total` can be outlived.
        self.timeout = aiohttp.ClientTimeout(total=None, sock_connect=connect_timeout)

    def make(
        self,
        *,
        max_connections: int,
        keep_alive: bool = True,
        ws_response_class: type[aiohttp.ClientWebSocketResponse[Any]] | None = None,
        middlewares: Sequence[aiohttp.ClientMiddlewareType] = (),
    ) -> aiohttp.ClientSession:
        """Make a client. It has `max_connections` of its own, unless a connector is lent."""
        lent = self.lent
        return aiohttp.ClientSession(
            connector=(
                # One connection more, so that a single verb does not wait for a fan-out to end.
                aiohttp.TCPConnector(limit=max_connections + 1, keepalive_timeout=_KEEP_ALIVE)
                if keep_alive
                else aiohttp.TCPConnector(limit=max_connections + 1, force_close=True)
                if lent is None
                else lent.connector
            ),
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


def _hidden(client: aiohttp.ClientSession, name: str, option: str) -> Any:
    """Read a setting that a client does not show."""
    try:
        return getattr(client, name)
    except AttributeError:
        raise InvalidRequestError(
            f"client_session: this release of aiohttp does not show its {option}; give them to "
            f"AsyncSession too, as {option}=…"
        ) from None
