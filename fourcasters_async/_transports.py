"""The composition root: a session's ways to the exchange, what they share, and their end."""

from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Protocol

from attrs import evolve
from yarl import URL

from fourcasters_async import models
from fourcasters_async._core.auth import Auth
from fourcasters_async._core.outcome import AttemptStatus
from fourcasters_async._core.rate_limit import RateLimit
from fourcasters_async._core.retry import RetryPolicy
from fourcasters_async._core.tasks import HomeLoop
from fourcasters_async._core.telemetry import Telemetry
from fourcasters_async._http.aiohttp_clients import AiohttpClients
from fourcasters_async._http.client import HttpClient
from fourcasters_async._http.pool import Pool
from fourcasters_async._json.converter import REST, SOCKET
from fourcasters_async._websocket import frames
from fourcasters_async._websocket.buffered import BufferedWebSocket
from fourcasters_async._websocket.client import WebSocketClient
from fourcasters_async._websocket.connection import Connection
from fourcasters_async._websocket.feed_connection import FeedConnection
from fourcasters_async._websocket.handshake import Handshake
from fourcasters_async._websocket.reconnecting import Reconnecting
from fourcasters_async.dead_man import Beat
from fourcasters_async.errors import InvalidRequestError
from fourcasters_async.models import CancelResult
from fourcasters_async.models.order import OpenOrdersPage
from fourcasters_async.models.unread import RESULTS
from fourcasters_async.orders.beats import Beats
from fourcasters_async.orders.gate import Gate
from fourcasters_async.orders.heartbeat import heartbeat_policy

# Seconds in which a connection may say nothing at all to what it was asked.
_SILENCE = 1.0
_CANCELLED = (CancelResult, list[CancelResult], RESULTS)


class _Closing(Protocol):
    """What sends: it is told to send nothing more, and then closed."""

    @property
    def in_flight(self) -> int: ...

    def end(self) -> None: ...

    async def close(self) -> None: ...


def prepare_to_cancel(*more: type) -> None:
    """Generate what reads the answers to cancels and proofs, and `more` answers over REST.

    A first kill should not wait for it.
    """
    REST.prepare(*_CANCELLED, OpenOrdersPage, *more)
    SOCKET.prepare(*_CANCELLED)


class Transports:
    """The ways to the exchange that one account has."""

    def __init__(
        self,
        address: URL,
        orders_address: URL | None,
        streaming_address: URL | None,
        auth: Auth,
        clients: AiohttpClients,
        *,
        timeout: float,
        max_connections: int,
        retry: RetryPolicy,
        rate_limit: RateLimit,
        telemetry: Telemetry,
    ) -> None:
        for each in (address, orders_address, streaming_address):
            if each is not None:
                # A proxy that is no address is told at once.
                clients.proxy_of_environment(each)
        self.address = address
        self._orders_address = orders_address
        self._streaming_address = streaming_address
        self._auth = auth
        self._clients = clients
        self._timeout = timeout
        self._retry = retry
        self.rate_limit = rate_limit
        self.telemetry = telemetry
        self.home = HomeLoop()
        self.http = self._http(max_connections, timeout=timeout, retry=retry, rate_limit=rate_limit)
        self._more: set[_Closing] = set()
        self._beats: dict[int, Beats] = {}
        self._closed = False

    @property
    def in_use(self) -> bool:
        """Whether there is something to close: a pool of its own that was used, or a socket."""
        if self._closed or self.home.loop is None:
            return False
        return self._clients.lent is None or bool(self._more)

    @property
    def in_flight(self) -> int:
        """How many requests have no answer yet."""
        return sum(each.in_flight for each in (self.http, *tuple(self._more)))

    @property
    def connections(self) -> int:
        """How many connections are open, those of WebSockets included."""
        sockets = (each for each in tuple(self._more) if getattr(each, "connected", False))
        return self._clients.open_connections + sum(1 for _ in sockets)

    async def close(self) -> None:
        """Close all of them. Raises `InvalidRequestError` in another event loop."""
        self.home.enter()
        self._closed = True
        senders = (self.http, *self._more)
        # First of all: to close takes a while, in which nothing is to leave or to be opened.
        for sender in senders:
            sender.end()
        # From the last to the first, also if the task that closes is cancelled meanwhile.
        async with AsyncExitStack() as stack:
            stack.push_async_callback(self._clients.close)
            parts: tuple[Auth | _Closing, ...] = (self._auth, *senders)
            for part in parts:
                stack.push_async_callback(part.close)

    @asynccontextmanager
    async def beats(self, timeout: int) -> AsyncIterator[Beat]:  # noqa: ASYNC109  # the exchange's own
        """Give what sends a heartbeat of `timeout` seconds, on a connection of its own.

        Those of one time-out share the connection, and a beat that one of them has just sent.
        """
        self.http.ensure_usable()
        line = self._beats.get(timeout)
        if line is None:
            line = Beats(timeout, self.rate_limit, self._http_for_beats)
            self._beats[timeout] = line
        line.users += 1
        try:
            yield line.beat
        finally:
            line.users -= 1
            if not line.users:
                del self._beats[timeout]
                await line.stack.aclose()

    def _http_for_beats(self, stack: AsyncExitStack, timeout: float, places: int) -> HttpClient:
        share = self.rate_limit.share(places)
        http = self._http(
            1,
            timeout=timeout,
            retry=heartbeat_policy(self._retry, timeout),
            rate_limit=stack.enter_context(share),
        )
        self._close_with(stack, http)
        return http

    @asynccontextmanager
    async def orders_socket(self, *, wait: bool) -> AsyncIterator[WebSocketClient]:
        """Give the Orders WebSocket, with `wait` connected."""
        self.http.ensure_usable()
        silence = min(_SILENCE, 0.75 * self._retry.attempt_timeout)
        connections = Reconnecting(
            self._handshake(_known(self._orders_address, "orders_url")),
            lambda socket: Connection(socket, self._read_frame, silence=silence),
            retry=self._retry,
        )
        client = WebSocketClient(
            connections,
            self._auth,
            self.home,
            timeout=self._timeout,
            retry=self._retry,
            telemetry=self.telemetry,
            lent=self._clients.lent,
        )
        async with AsyncExitStack() as stack:
            self._close_with(stack, client)
            if wait:
                await client.open()
            else:
                client.begin()
            yield client

    @asynccontextmanager
    async def feed(
        self, path: str, take: Callable[[FeedConnection, bytes], None]
    ) -> AsyncIterator[Reconnecting[FeedConnection]]:
        """Give the connections to a feed at a path, the first of them made.

        `take` is called with each frame and the connection that it came over.
        """
        self.http.ensure_usable()

        def carry(socket: BufferedWebSocket) -> FeedConnection:
            return FeedConnection(
                socket, lambda made, frame: take(made, self._auth.without_secrets(frame))
            )

        address = _known(self._streaming_address, "streaming_url").joinpath(path, encoded=True)
        connections = Reconnecting(self._handshake(address), carry, retry=self._retry)
        async with AsyncExitStack() as stack:
            self._close_with(stack, connections)
            await connections.open()
            yield connections

    @asynccontextmanager
    async def replays(self) -> AsyncIterator[HttpClient]:
        """Give what asks the address of the feeds over HTTP, each request once.

        After a failure the feed asks again, over its next connection.
        """
        address = _known(self._streaming_address, "streaming_url")
        scheme = {"ws": "http", "wss": "https"}[address.scheme]
        http = self._http(
            1,
            address=address.with_scheme(scheme),
            timeout=self._timeout,
            retry=evolve(self._retry, max_attempts=1),
            rate_limit=self.rate_limit,
        )
        async with AsyncExitStack() as stack:
            self._close_with(stack, http)
            yield http

    def _handshake(self, address: URL) -> Handshake:
        return Handshake(
            address,
            self._clients,
            self._auth,
            self.home,
            timeout=self._timeout,
            retry=self._retry,
            rate_limit=self.rate_limit,
            telemetry=self.telemetry,
        )

    def _read_frame(self, frame: bytes) -> frames.Answer | None:
        return frames.read(self._auth.without_secrets(frame))

    def _close_with(self, stack: AsyncExitStack, sender: _Closing) -> None:
        # It is forgotten only once it is closed.
        self._more.add(sender)
        if self._closed:
            sender.end()
        stack.callback(self._more.discard, sender)
        stack.push_async_callback(sender.close)

    def _http(
        self,
        max_connections: int,
        *,
        timeout: float,
        retry: RetryPolicy,
        rate_limit: RateLimit,
        address: URL | None = None,
    ) -> HttpClient:
        pool = Pool(address or self.address, self._clients, max_connections=max_connections)
        return HttpClient(
            pool,
            self._auth,
            self.home,
            timeout=timeout,
            retry=retry,
            rate_limit=rate_limit,
            telemetry=self.telemetry,
        )


def _known(address: URL | None, name: str) -> URL:
    if address is None:
        raise InvalidRequestError(
            f"{name}: not set, though base_url is; give that of the same exchange as well"
        )
    return address


def stats_of(transports: Transports, gate: Gate) -> "models.SessionStats":
    """Return what a session has done and what it is at, in numbers."""
    told, limit, halted = transports.telemetry, transports.rate_limit, gate.halted
    now = transports.home.time()
    return models.SessionStats(
        answered=told.attempts[AttemptStatus.ANSWERED],
        refused=told.attempts[AttemptStatus.REFUSED],
        unknown=told.attempts[AttemptStatus.UNKNOWN],
        not_sent=told.attempts[AttemptStatus.NOT_SENT],
        burst_messages=told.messages,
        retries=told.retries,
        holds=told.holds,
        token_renewals=told.renewals,
        in_flight=transports.in_flight,
        waiting=limit.waiting,
        connections=transports.connections,
        remaining=limit.remaining_at(now),
        undecided_orders=gate.unknown_at(now),
        halted_games=len(halted.games),
        halted_everything=halted.everything,
    )
