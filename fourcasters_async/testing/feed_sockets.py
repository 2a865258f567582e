"""The connections to a feed, and the faults that strike what is sent on them.

What is sent is written at once and never waited for: a client that reads slowly delays nobody.
What it has not read yet is bounded, and beyond that its connection is dropped.
"""

from abc import ABC, abstractmethod
from collections import Counter, deque
from collections.abc import Callable, Mapping

from aiohttp import WSMsgType, web
from attrs import define, field

from fourcasters_async.testing.clock import Clock
from fourcasters_async.testing.endpoints import check_game
from fourcasters_async.testing.injected import Injected, InjectedFaults
from fourcasters_async.testing.price_feed import Subscription
from fourcasters_async.testing.sockets import ServerSocket, ServerSockets, frame, shake_hands

_BUFFER = 2**24


@define
class _Held:
    """A message that waits for so many others on its connection."""

    until: int
    content: bytes


@define(eq=False)
class FeedSocket(ServerSocket):
    """A connection to a feed.

    On a `quiet` one nothing is said, but pings are answered. A connection on which more than
    `buffer` bytes wait for the client is aborted.
    """

    buffer: int = _BUFFER
    quiet: bool = False
    subscription: Subscription = field(factory=Subscription)
    _held: deque[_Held] = field(factory=deque, init=False)

    def push(self, content: bytes) -> None:
        """Send a text, and then what was held until now."""
        self._write_frame(content)
        for held in tuple(self._held):
            held.until -= 1
            if held.until <= 0:
                self._held.remove(held)
                self._write_frame(held.content)

    def hold(self, content: bytes, until: int) -> None:
        """Send a text after so many others."""
        self._held.append(_Held(until, content))

    def pong(self, content: bytes) -> None:
        """Answer a ping."""
        self._write_frame(content, WSMsgType.PONG)

    def break_off(self, content: bytes) -> None:
        """Send half of a text, and close the connection."""
        whole = frame(content, WSMsgType.TEXT)
        self.write(whole[: len(whole) // 2])
        if (transport := self.request.transport) is not None:
            transport.close()

    def _write_frame(self, content: bytes, kind: WSMsgType = WSMsgType.TEXT) -> None:
        transport = self.request.transport
        if self.mute or transport is None or transport.is_closing():
            return
        if self.quiet and kind is WSMsgType.TEXT:
            return
        transport.write(frame(content, kind))
        if transport.get_write_buffer_size() > self.buffer:
            transport.abort()


@define
class Push:
    """A message that is to be sent on a connection. `type` is one of the feed's own."""

    type: str
    content: bytes
    socket: FeedSocket
    clock: Clock
    games: frozenset[str] = frozenset()

    def fits(self, endpoint: str | None, game_id: str | None) -> bool:
        """Whether it is of a type and about a game. `None` fits all."""
        return endpoint in (None, self.type) and (game_id is None or game_id in self.games)

    def send(self, content: bytes | None = None) -> None:
        """Send the message, or another JSON text in its place."""
        self.socket.push(self.content if content is None else content)


class FeedFault(ABC):
    """One way in which a message of a feed can go wrong. Make your own by `__call__`."""

    @abstractmethod
    def __call__(self, push: Push) -> None:
        """Send the message with `push.send()`, send another, or do something to its connection."""


class FeedSockets(ServerSockets[FeedSocket]):
    """The connections to one feed. `len()` counts those that are open.

    While `mute` is true nothing is said on any of them, but pings are answered. What is told
    meanwhile is not sent later. `buffer` is how many bytes may wait for the client of a new
    connection until it is dropped. `received` is called when anything is received.
    """

    def __init__(self, clock: Clock, received: Callable[[], None]) -> None:
        super().__init__()
        self._clock = clock
        self._received = received
        self.mute = False
        self.buffer = _BUFFER
        self._faults: InjectedFaults[FeedFault] = InjectedFaults()
        self._sent: Counter[str] = Counter()

    def inject(
        self,
        fault: FeedFault,
        *,
        type: str | None = None,  # noqa: A002  # the name on the wire
        game_id: str | None = None,
        after: int = 0,
        times: int | None = 1,
    ) -> None:
        """Let `fault` strike messages of a type and about a game, as they are sent.

        On the price feed the type is that of the message, on the user feed `placed`, `filled` or
        `cancelled`. The fault lets the first `after` such messages pass and strikes the next
        `times`, with `None` all. A message that is sent on two connections counts twice.
        """
        check_game(game_id)
        self._faults.add(Injected(fault, type, game_id, after, times))

    def clear_faults(self) -> None:
        """Take back every fault."""
        self._faults.clear()

    def assert_all_faults_struck(self) -> None:
        """Raise AssertionError if a fault has not struck as often as it should."""
        if missing := self.missing_faults():
            raise AssertionError("; ".join(missing))

    def missing_faults(self) -> list[str]:
        """Return a text for each fault that has not struck as often as it should.

        It says which messages were sent.
        """
        sent = ", ".join(f"{count} {type_ or 'others'}" for type_, count in self._sent.items())
        return [f"{each} (sent: {sent or 'nothing'})" for each in self._faults.missing()]

    def half_open(self) -> None:
        """Read and send nothing more on the connections that are open, and leave them open."""
        for socket in self._open:
            socket.turn_deaf()

    def send(
        self, type_: str, content: bytes, socket: FeedSocket, games: frozenset[str] = frozenset()
    ) -> None:
        """Send a message on a connection, or let a fault do what it does to it."""
        if self.mute or socket.quiet or not socket.open:
            return
        push = Push(type_, content, socket, self._clock, games)
        self._sent[type_] += 1
        fault = self._faults.choose(push)
        if fault is None:
            push.send()
        else:
            fault(push)

    async def serve(
        self, request: web.Request, headers: Mapping[str, str], account: str
    ) -> web.WebSocketResponse:
        """Shake hands, and obey what comes until the connection ends."""
        stream = await shake_hands(request, headers)
        socket = FeedSocket(request, account, stream, buffer=self.buffer)
        self._open.add(socket)
        self._received()
        try:
            await self._read(socket)
        finally:
            socket.mark_ended()
            self._open.discard(socket)
        return stream

    async def _read(self, socket: FeedSocket) -> None:
        async for message in socket.stream:
            self._received()
            if socket.deaf:
                # It came before, and taking it may have resumed reading.
                socket.turn_deaf()
            elif message.type is WSMsgType.PING:
                socket.pong(message.data)
            elif message.type is WSMsgType.TEXT and not socket.mute:
                self._obey(socket, message.data)

    def _obey(self, socket: FeedSocket, text: str) -> None:
        """Do what a client asks on its connection."""
