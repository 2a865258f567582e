"""The aiohttp clients of a session: on its own connections, or on a connector that is lent.

This module has every use of a name of aiohttp's HTTP client that is not public. If a release
renames one, an error says so. Otherwise a request could silently bypass a proxy, or an answer to
no request could be accepted.
"""

from collections.abc import Callable, Sequence
from contextvars import ContextVar
from operator import attrgetter
from typing import Any, cast
from weakref import WeakSet

import aiohttp
from aiohttp import helpers
from aiohttp.abc import AbstractResolver, AbstractStreamWriter
from aiohttp.client_proto import ResponseHandler
from aiohttp.http_writer import StreamWriter
from yarl import URL

from fourcasters_async._core.validation import check_list
from fourcasters_async._http.resolver import make_resolver
from fourcasters_async.errors import InvalidRequestError

# Seconds. With aiohttp's 15 a pool goes cold between two bursts of a game.
_KEEP_ALIVE = 75.0

# Headers of the caller's client that would say something wrong of a request, or hold it back.
_OWN_HEADERS = (
    "accept-encoding",
    "authorization",
    "content-encoding",
    "content-length",
    "content-type",
    "expect",
    "if-match",
    "if-modified-since",
    "if-none-match",
    "if-range",
    "if-unmodified-since",
    "range",
    "transfer-encoding",
)

if not all(
    hasattr(where, name)
    for where, name in (
        (StreamWriter, "protocol"),
        (ResponseHandler, "should_close"),
        (ResponseHandler, "__weakref__"),
    )
):
    raise ImportError(
        "with this release of aiohttp, fourcasters_async cannot detect bytes on a connection that "
        "answer another request; install the newest aiohttp that fourcasters_async supports"
    )


holds_unread_bytes: Callable[[ResponseHandler], bool] = attrgetter("should_close")
"""Whether a connection has received bytes that no request asked for."""
connection_of: Callable[[AbstractStreamWriter], ResponseHandler] = attrgetter("protocol")
"""The connection of a writer."""

Connections = WeakSet[ResponseHandler]

before_hooks: ContextVar[Callable[[], None] | None] = ContextVar("before_hooks", default=None)
"""What to call before the tracing hooks of the caller, which may raise."""


class AiohttpClients:
    """Makes aiohttp clients with the settings of a session.

    `lent` is the caller's client: its connector, tracing, proxy and middlewares are used, and its
    headers but for those that a request must set itself. With `trust_env` the proxy of the
    environment is used, read once. Nothing else of it is used: no cookies, `auth` or time-outs.
    `proxy` and `middlewares` are settings of the session. Each replaces that of `lent`.
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
        self.middlewares: tuple[aiohttp.ClientMiddlewareType, ...] = tuple(middlewares or ())
        """The caller's middlewares. A request that names its own has to name these too."""
        # The whole attempt is limited elsewhere: a stalled body can outlast aiohttp's `total`.
        self.timeout: aiohttp.ClientTimeout = aiohttp.ClientTimeout(
            total=None, sock_connect=connect_timeout
        )
        self.used: Connections = Connections()
        """The connections over which a request was sent."""
        self._resolver = None if lent is not None else make_resolver()
        self._environment: dict[URL, tuple[URL, aiohttp.BasicAuth | None] | None] = {}

    @property
    def open_connections(self) -> int:
        """How many connections are open over which a request was sent."""
        # A list is made of the references at once, so that any thread can ask.
        used = (reference() for reference in list(vars(self.used)["data"]))
        return sum(1 for each in used if each is not None and each.is_connected())

    async def close(self) -> None:
        """Let go of what the clients share."""
        if self._resolver is not None:
            await self._resolver.close()

    def proxy_of_environment(self, address: URL) -> tuple[URL, aiohttp.BasicAuth | None] | None:
        """Return the proxy that the environment names for an address, if the client trusts it.

        Raises `InvalidRequestError` if that is no address. aiohttp's own `trust_env` would also
        read a netrc, whose password no request can have beside the token, and would start two
        threads for each request.
        """
        if self.lent is None or not self.lent.trust_env or self._proxy is not None:
            return None
        if address not in self._environment:
            self._environment[address] = _proxy_of_environment(address)
        return self._environment[address]

    def make(
        self,
        address: URL,
        *,
        max_connections: int,
        keep_alive: bool = True,
        ws_response_class: type[aiohttp.ClientWebSocketResponse[Any]] | None = None,
        middlewares: Sequence[aiohttp.ClientMiddlewareType] = (),
    ) -> aiohttp.ClientSession:
        """Make a client for an address, on `max_connections` of its own or a lent connector."""
        lent = self.lent
        proxy, proxy_auth = self.proxy_of_environment(address) or (self._proxy, self._proxy_auth)
        return aiohttp.ClientSession(
            connector=_connector(max_connections, self._resolver, keep_alive=keep_alive)
            if lent is None
            else lent.connector,
            connector_owner=lent is None,
            headers=None if lent is None else _without_own_headers(lent),
            skip_auto_headers=None if lent is None else _skipped(lent),
            trace_configs=None if lent is None else _tracing(lent),
            proxy=proxy,
            proxy_auth=proxy_auth,
            cookie_jar=aiohttp.DummyCookieJar(),
            timeout=self.timeout,
            middlewares=(*middlewares, *self.middlewares),
            ws_response_class=ws_response_class or aiohttp.ClientWebSocketResponse,
        )


def _tracing(lent: aiohttp.ClientSession) -> list[aiohttp.TraceConfig]:
    """Return the hooks of the caller, between hooks that keep watch over them."""
    if not lent.trace_configs:
        return []
    before, after = aiohttp.TraceConfig(), aiohttp.TraceConfig()
    before.on_request_start.append(_call_before_hooks)
    after.on_request_start.append(_drop_expect)
    return [before, *lent.trace_configs, after]


async def _call_before_hooks(*_: object) -> None:
    if (call := before_hooks.get()) is not None:
        call()


async def _drop_expect(
    _: aiohttp.ClientSession, __: object, start: aiohttp.TraceRequestStartParams
) -> None:
    """Let no hook hold a body back: the headers would leave before it."""
    start.headers.popall("Expect", None)


def _without_own_headers(lent: aiohttp.ClientSession) -> list[tuple[str, str]]:
    return [each for each in lent.headers.items() if each[0].lower() not in _OWN_HEADERS]


def _skipped(lent: aiohttp.ClientSession) -> list[str]:
    """Return the headers that aiohttp is not to add. The content type of a body is needed."""
    return [name for name in lent.skip_auto_headers if name.lower() != "content-type"]


def _proxy_of_environment(address: URL) -> tuple[URL, aiohttp.BasicAuth | None] | None:
    find = _private_setting(helpers, "get_env_proxy_for_url", "proxy")
    try:
        found: tuple[URL, aiohttp.BasicAuth | None] = find(address)
    except LookupError:
        return None
    except ValueError:
        # Raised below, because this one quotes the address, with its password.
        pass
    else:
        return found
    raise InvalidRequestError("client_session: the environment names a proxy that is no address")


def _connector(
    max_connections: int, resolver: AbstractResolver | None, *, keep_alive: bool
) -> aiohttp.TCPConnector:
    # One connection more, so that a single verb does not wait for a fan-out to end.
    limit = max_connections + 1
    if keep_alive:
        return aiohttp.TCPConnector(limit=limit, resolver=resolver, keepalive_timeout=_KEEP_ALIVE)
    return aiohttp.TCPConnector(limit=limit, resolver=resolver, force_close=True)


def _private_setting(client: object, name: str, option: str) -> Any:
    """Read a name of aiohttp's, or of a client's, that is not public."""
    try:
        return getattr(client, name)
    except AttributeError:
        raise InvalidRequestError(
            f"client_session: this release of aiohttp does not expose its {option}; "
            f"pass {option}=… to AsyncSession as well"
        ) from None


def check_middlewares(
    middlewares: Sequence[aiohttp.ClientMiddlewareType],
) -> list[aiohttp.ClientMiddlewareType]:
    """Return the middlewares that are given, or refuse what can be none."""
    checked = check_list(middlewares, "middlewares")
    if not all(map(callable, checked)):
        raise InvalidRequestError("middlewares: must be middlewares as aiohttp takes them")
    return cast(list[aiohttp.ClientMiddlewareType], checked)
