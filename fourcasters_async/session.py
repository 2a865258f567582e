"""AsyncSession: an account at the exchange, its settings, its lifetime and its sign-in."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from functools import cached_property
from signal import Signals
from typing import TYPE_CHECKING, NoReturn, Self, Unpack

import aiohttp

import fourcasters_async
from fourcasters_async import models
from fourcasters_async._core.auth import Auth, OnToken
from fourcasters_async._core.rate_limit import RateLimit
from fourcasters_async._core.request import Kind
from fourcasters_async._core.retry import RetryPolicy
from fourcasters_async._core.secret import hidden
from fourcasters_async._core.telemetry import Telemetry
from fourcasters_async._core.unclosed import warn_unclosed
from fourcasters_async._core.validation import (
    check_count,
    check_flag,
    check_kind,
    check_seconds,
    check_token,
    check_url,
)
from fourcasters_async._http.aiohttp_clients import AiohttpClients, check_middlewares
from fourcasters_async._settings import (
    BASE_URL,
    ORDERS_URL,
    STREAMING_URL,
    SessionOptions,
    beside,
    settings_from_env,
)
from fourcasters_async._sign_in import SignIn, check_credentials, login_answer
from fourcasters_async._transports import Transports, prepare_to_cancel, stats_of
from fourcasters_async.account import me_request
from fourcasters_async.dead_man import DeadManState, DeadManSwitch
from fourcasters_async.errors import InvalidRequestError
from fourcasters_async.feeds.session_feeds import FeedParts, SessionFeeds
from fourcasters_async.flatten import FlatOnExit
from fourcasters_async.orders.gate import Gate
from fourcasters_async.orders.halting import HaltingOrders
from fourcasters_async.orders.hedge import OverRest
from fourcasters_async.orders.socket import OrdersSocket

if TYPE_CHECKING:
    # A session without a hook should not wait until they are imported.
    from fourcasters_async._events import Events, OnEvent

_LEAST_HEARTBEAT = 6


class AsyncSession(HaltingOrders, SessionFeeds, SignIn):
    """An account at the exchange, and the pool of connections to it.

    `token` authorises every request. With `username` and `password` beside it or in its place,
    the session logs in when it first has to and when a token dies, once for all requests that
    wait. A login that the exchange refused is not repeated until `login` is called, after a
    challenge (428) for five minutes. `on_token` is called with every new token, also one that the
    exchange sends in place of an old one: a function, or a coroutine function. `on_event` is a
    plain function that is called with a `SessionEvent` for whatever happens, and must not block.
    What either raises is logged and has no other effect.

    `base_url` is the REST address, `orders_url` that of the Orders WebSocket, and `streaming_url`
    that of the feeds, without a path: `https` and `wss`, unless they are on this machine. By
    default they are those of the real exchange. With another `base_url` the other two have to be
    given as well before the socket or a feed is opened.
    `client_session` is an `aiohttp.ClientSession` of yours, used and never closed: its connector,
    headers, tracing, proxy and middlewares are taken, its cookies are not. `proxy` is the address
    of an HTTP proxy, and `middlewares` are aiohttp's client middlewares; each replaces that of
    `client_session`. A middleware that repeats a place or an edit gets an error: it must not take
    effect twice.

    `timeout` is the seconds that one verb may take, repetitions included. `max_connections` bounds
    the requests of a fan-out in flight; the pool has one connection more, for single verbs, and
    keeps half of it for cancels. `retry` says how requests are repeated, and `rate_limit` how many
    may be sent: give one object to all sessions that leave from one address.

    `late_effect` is the seconds after which a place that was not answered can no longer put an
    order into the book: the exchange's load balancer gives up on a request after 120. `read_lag`
    is the seconds by which a read of the open orders may trail the book.

    Making a session does no I/O and needs no event loop. It belongs to the event loop that it is
    first used in. Use it as `async with AsyncSession(…) as session`, or close it with `close()`;
    closed, it stays closed.

    Raises `InvalidRequestError`, naming the argument, for what can only be a mistake.
    """

    def __init__(
        self,
        token: str | None = None,
        *,
        username: str | None = None,
        password: str | None = None,
        base_url: str = BASE_URL,
        orders_url: str | None = None,
        streaming_url: str | None = None,
        client_session: aiohttp.ClientSession | None = None,
        proxy: str | None = None,
        middlewares: Sequence[aiohttp.ClientMiddlewareType] | None = None,
        timeout: float = 20.0,
        max_connections: int = 100,
        retry: RetryPolicy | None = None,
        rate_limit: RateLimit | None = None,
        on_token: OnToken | None = None,
        on_event: "Callable[[fourcasters_async.SessionEvent], object] | None" = None,
        late_effect: float = 120.0,
        read_lag: float = 1.0,
    ) -> None:
        # A mistake in any argument shows the locals of this frame.
        token, password, proxy = hidden(token), hidden(password), hidden(proxy)
        base_url, orders_url = hidden(base_url), hidden(orders_url)
        streaming_url = hidden(streaming_url)
        if not isinstance(client_session, aiohttp.ClientSession | None):
            raise InvalidRequestError("client_session: must be an aiohttp.ClientSession")
        if (username is None) != (password is None):
            raise InvalidRequestError("username, password: one is of no use without the other")
        if on_token is not None and not callable(on_token):
            raise InvalidRequestError("on_token: must be a function or a coroutine function")
        events = None if on_event is None else _events_for(on_event)
        telemetry = Telemetry(events)
        retry = RetryPolicy() if retry is None else check_kind(retry, RetryPolicy, "retry")
        self._auth = Auth(
            None if token is None else check_token(token),
            None if username is None else check_credentials(username, password),
            log_in=self._log_in,
            on_token=on_token,
            telemetry=telemetry,
        )
        address = check_url(base_url, "base_url", "https")
        orders_url = beside(address, orders_url, ORDERS_URL)
        streaming_url = beside(address, streaming_url, STREAMING_URL)
        self._transports = Transports(
            address,
            None if orders_url is None else check_url(orders_url, "orders_url", "wss"),
            None if streaming_url is None else check_url(streaming_url, "streaming_url", "wss"),
            self._auth,
            AiohttpClients(
                client_session,
                proxy=None if proxy is None else check_url(proxy, "proxy", "http", "https"),
                middlewares=None if middlewares is None else check_middlewares(middlewares),
                connect_timeout=retry.connect_timeout,
            ),
            timeout=check_seconds(timeout, "timeout"),
            max_connections=check_count(max_connections, "max_connections"),
            retry=retry,
            rate_limit=RateLimit()
            if rate_limit is None
            else check_kind(rate_limit, RateLimit, "rate_limit"),
            telemetry=telemetry,
        )
        self._http = self._transports.http
        gate = Gate(
            late_effect=check_seconds(late_effect, "late_effect"),
            read_lag=check_seconds(read_lag, "read_lag"),
            observer=events,
        )
        super().__init__(self._http, gate, max_in_flight=max_connections)
        self._feeds = FeedParts(
            self._transports,
            lambda *, game_id: self.markets.get_orderbook(game_id=game_id),
            self.account.get_unmatched,
            self._reads.follow,
            self._reads.note,
            gate.undecided,
            gate.read_lag,
        )
        # A token may die in the middle of a kill.
        prepare_to_cancel(*() if username is None else (login_answer(),))

    def __reduce_ex__(self, protocol: object) -> NoReturn:
        """Refuse to be copied or pickled: two sessions cannot share connections and a token."""
        raise TypeError("an AsyncSession is not copied or pickled; make another")

    @cached_property
    def markets(self) -> "fourcasters_async.Markets":
        """What can be bet on."""
        # A session that only cancels should not wait until these records are imported.
        from fourcasters_async.markets import Markets  # noqa: PLC0415  # as said

        return Markets(self._http)

    @property
    def base_url(self) -> str:
        """The REST address of the exchange."""
        return str(self._transports.address).rstrip("/")

    @property
    def rate_limit(self) -> RateLimit:
        """The rate limit of the session, which other sessions may share."""
        return self._transports.rate_limit

    @property
    def stats(self) -> "models.SessionStats":
        """What the session has done since it was made, in numbers. Any thread may ask."""
        return stats_of(self._transports, self._gate)

    @classmethod
    def from_env(cls, **options: Unpack[SessionOptions]) -> Self:
        """Make a session with settings from the environment.

        Reads `FOURCASTERS_TOKEN`, or `FOURCASTERS_USERNAME` and `FOURCASTERS_PASSWORD`, or all of
        them, and `FOURCASTERS_BASE_URL`, `FOURCASTERS_ORDERS_URL` and `FOURCASTERS_STREAMING_URL`
        where they are set. `options` are those of `AsyncSession`; a `token` among them is used in
        place of the environment's. Raises `InvalidRequestError` if there is nothing to log in with.
        """
        return cls(**settings_from_env(options))

    async def __aenter__(self) -> Self:
        """Return the session itself. Raises `SessionClosedError` for one that was closed."""
        self._http.ensure_usable(authorised=False)
        return self

    async def __aexit__(self, *_: object) -> None:
        """Close the session."""
        await self.close()

    def __del__(self) -> None:
        # A constructor that raised has made no transports.
        transports: Transports | None = getattr(self, "_transports", None)
        if transports is not None and transports.in_use:
            warn_unclosed(self, "use `async with AsyncSession(…)`, or `await session.close()`")

    async def close(self) -> None:
        """Close the pool, unless it is yours, and refuse every later request.

        What is in flight ends as `OutcomeUnknownError`; over a client session of yours it ends
        by itself, and is not repeated. An orders socket is closed, and a dead-man switch stops
        beating. Closing again does nothing. Raises `InvalidRequestError` in another event loop
        than the one that the session was used in.
        """
        async with AsyncExitStack() as stack:
            stack.push_async_callback(self._jobs.close)
            stack.push_async_callback(self._reads.close)
            stack.push_async_callback(self._gate.close)
            stack.push_async_callback(self._transports.close)

    async def warm_up(self, connections: int) -> int:
        """Open a number of `connections` for a burst: so many `GET /user/getMe` at once.

        Returns how many were answered. Each has a connection of its own, unless it has to be
        repeated, and it stays open for 75 seconds if the exchange does not close it sooner. They
        count in the rate limit. Raises `InvalidRequestError` for more than `max_connections`, and
        as every read if none was answered. The Orders WebSocket is warm once `orders_socket` is
        entered.
        """
        check_count(connections, "connections", most=self._max_in_flight)
        self._http.ensure_usable()
        request, until = me_request(Kind.WARM_UP), self._http.until(None)
        sent = [self._http.send(request, deadline=until) for _ in range(connections)]
        outcomes = await asyncio.gather(*sent)
        errors = [each.error for each in outcomes if each.error is not None]
        if len(errors) == connections:
            raise errors[0]
        return connections - len(errors)

    def dead_man_switch(
        self, timeout: int, *, on_change: Callable[[DeadManState], object] | None = None
    ) -> DeadManSwitch:
        """Have the exchange cancel everything unless this process goes on beating.

        `async with session.dead_man_switch(30) as switch` sends `POST /user/ordersHeartbeat` now
        and every quarter of `timeout` (whole seconds, at least 6), on a connection and a share of
        the rate limit of its own. **Leaving the block does not disarm it: every open order of the
        account is cancelled when the time runs out.** `switch.state` says what is known by the
        clock; `on_change` is called with each new state. With a `client_session` of yours the
        beats go through its pool. Raises `InvalidRequestError` for the arguments, and as
        `DeadManSwitch` once it is entered.
        """
        return DeadManSwitch(
            lambda: self._transports.beats(timeout),
            timeout=timeout,
            least=_LEAST_HEARTBEAT,
            on_change=on_change,
            observer=self._http.telemetry.observer,
        )

    @asynccontextmanager
    async def orders_socket(self, *, wait: bool = True) -> AsyncIterator[OrdersSocket]:
        """Open the Orders WebSocket: the same order verbs, at the speed of one connection.

        `async with session.orders_socket() as orders` connects and raises why it cannot:
        `AuthenticationError`, `RateLimitedError`, or `NotSentError` with the cause. Inside, the
        connection is kept up. Leaving closes it; what is in flight then ends unknown.

        With `wait=False` the block is entered at once, while the connection is being made, and a
        verb waits for it. A fan-out with a `hedge` does not depend on it: it goes over REST if the
        connection cannot be made, or is not there after so many seconds. So a program that starts
        in order to cancel has the socket's speed where there is a socket.
        """
        check_flag(wait, "wait")
        async with self._transports.orders_socket(wait=wait) as socket:
            shared = self._gate, self._reads, self._jobs
            rest = OverRest(self._send_cancel, self._cancel_resting, self._max_in_flight)
            yield OrdersSocket(socket, *shared, rest, connected=wait)

    def flat_on_exit(
        self, *, deadline: float = 10.0, signals: Iterable[Signals] | None = None
    ) -> FlatOnExit:
        """Return a block that ends with `flatten`, however it ends.

        From its end on, this session places nothing more. `async with session.flat_on_exit() as
        end: …` also takes `signals`: SIGTERM, SIGINT and SIGHUP by default, but for those that the
        process ignores, and with `()` none. At a signal `flatten` begins and the block's task is
        cancelled; where a web server or the application handles the signal itself, its handler is
        called too, and ends the block. Signals only arrive in the main thread. A `HaltedError` that
        a `TaskGroup` inside the block raises leaves it as an `ExceptionGroup`: let your tasks end
        at a `HaltedError`, so that the lines after the block are reached.

        `flatten` has `deadline` seconds. `end.report` says what is known afterwards, and
        `end.exit_status` is 0 only if it is known that nothing rests. Raises `InvalidRequestError`
        and `SessionClosedError`.
        """
        check_seconds(deadline, "deadline")
        self._http.ensure_usable()
        return FlatOnExit(
            lambda: self.flatten(deadline=deadline), shut=self._gate.shut, signals=signals
        )


def _events_for(hook: "OnEvent") -> "Events":
    from fourcasters_async._events import Events  # noqa: PLC0415  # as above

    return Events(hook)
