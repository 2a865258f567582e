"""WebSockets of the server: what connections have in common, and those for orders."""

import asyncio
import json
import struct
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from typing import Generic, TypeVar

from aiohttp import WSCloseCode, WSMsgType, web
from attrs import define, field

from fourcasters_async.testing.answers import Answer, object_in
from fourcasters_async.testing.calls import Call
from fourcasters_async.testing.clock import Clock
from fourcasters_async.testing.orders_channel import Message
from fourcasters_async.testing.received import Received

S = TypeVar("S", bound="ServerSocket")

# RFC 6455: what the length in a frame's head is if two or eight bytes with the length follow.
_TWO_BYTES, _EIGHT_BYTES = 126, 127
# Seconds in which clients can answer a close frame.
_GRACE = 0.25


@define(eq=False)
class ServerSocket:
    """A connection to a WebSocket.

    On a `mute` connection the server sends nothing more and ignores messages. On a `deaf` one it
    reads nothing either.
    """

    request: web.Request
    account: str
    stream: web.WebSocketResponse
    mute: bool = False
    deaf: bool = False
    ended: asyncio.Event = field(factory=asyncio.Event)
    _handler: "asyncio.Task[object] | None" = field(factory=asyncio.current_task)

    @property
    def open(self) -> bool:
        """Whether the connection is open and the server has sent no close frame."""
        transport = self.request.transport
        connected = transport is not None and not transport.is_closing()
        return connected and (self.deaf or not self.mute)

    def write(self, data: bytes) -> None:
        """Write bytes on the connection without the server, unless it is mute or has ended."""
        if not self.mute and (transport := self.request.transport) is not None:
            transport.write(data)

    def close(self, code: int | None) -> None:
        """Send a close frame and nothing more, or with `None` abort the connection."""
        if code is None or self.deaf:
            if (transport := self.request.transport) is not None:
                transport.abort()
            return
        self.write(frame(struct.pack("!H", code), WSMsgType.CLOSE))
        self.mute = True

    def turn_deaf(self) -> None:
        """Read nothing and send nothing from here on."""
        self.mute = self.deaf = True
        if (transport := self.request.transport) is not None:
            transport.pause_reading()

    def mark_ended(self) -> None:
        """Wake whoever waits for the end of the connection, which has come."""
        self.ended.set()

    def give_up(self) -> None:
        """Drop what is not answered yet."""
        if self._handler is not None:
            self._handler.cancel()


@define(eq=False)
class OrdersSocket(ServerSocket):
    """A connection to the Orders WebSocket. It counts the answers that were sent."""

    _sent: int = 0
    _news: asyncio.Event = field(factory=asyncio.Event)

    async def send(self, content: bytes, kind: WSMsgType = WSMsgType.TEXT) -> None:
        """Send a frame, unless the connection is mute or has ended."""
        if self.mute:
            return
        with suppress(ConnectionError):
            await self.stream.send_frame(content, kind)
        if kind is WSMsgType.TEXT:
            self.count_sent()

    def count_sent(self) -> None:
        """Count an answer that was sent."""
        self._sent += 1
        self._news.set()
        self._news = asyncio.Event()

    async def until_sent(self, more: int) -> None:
        """Wait until so many more answers were sent, or the connection has ended."""
        wanted = self._sent + more
        while self._sent < wanted and not self.ended.is_set():
            await self._news.wait()

    def mark_ended(self) -> None:
        """Wake whoever waits for the end of the connection or for answers on it."""
        ServerSocket.mark_ended(self)
        self._news.set()


@define
class SocketCall(Call):
    """A message on a WebSocket that a fault decides about."""

    message: Message
    socket: OrdersSocket

    @property
    def endpoint(self) -> str:
        """The type of the message."""
        return self.message.type

    def framed(self, content: bytes) -> bytes:
        """Return a text frame."""
        return frame(content, WSMsgType.TEXT)

    def addressed(self, body: bytes) -> bytes:
        """Return a body with the `requestID` of the message, if it is a JSON object."""
        document = object_in(body)
        if document is None:
            return body
        request_id = self.message.payload.get("requestID")
        return json.dumps({**document, "requestID": request_id}).encode()

    def refuse(self, answer: Answer, text: str) -> web.Response:  # noqa: ARG002  # see Call
        """Return the text as the error of the message."""
        return web.Response(body=self.message.reply("error", text).content())

    async def until_gone(self) -> web.Response:
        """Wait until the connection has ended, and return a response that sends nothing."""
        await self.socket.ended.wait()
        return web.Response()

    def write(self, data: bytes) -> None:
        """Write bytes on the connection, past the server."""
        self.socket.write(data)


class ServerSockets(Generic[S]):
    """The connections to a WebSocket."""

    def __init__(self) -> None:
        self._open: set[S] = set()

    def __len__(self) -> int:
        """Count the open connections."""
        return sum(socket.open for socket in self._open)

    def drop(self, code: int | None) -> None:
        """Close every connection with a close frame, or with `None` abort it."""
        for socket in self._open:
            socket.close(code)

    async def end(self) -> None:
        """Close every connection, and drop what is not answered yet."""
        self.drop(WSCloseCode.GOING_AWAY)
        with suppress(TimeoutError):
            async with asyncio.timeout(_GRACE):
                for socket in tuple(self._open):
                    await socket.ended.wait()
        for socket in self._open:
            socket.give_up()


async def shake_hands(request: web.Request, headers: Mapping[str, str]) -> web.WebSocketResponse:
    """Accept a handshake. Of the `headers` of its answer, a fresh token goes with it."""
    stream = web.WebSocketResponse(autoping=False, compress=False)
    stream.headers.update({k: v for k, v in headers.items() if k == "X-Auth-Token"})
    await stream.prepare(request)
    return stream


class OrdersSockets(ServerSockets[OrdersSocket]):
    """The connections to the Orders WebSocket.

    `answer` gives the response to what was received, `do` does what a message asks for an account.
    """

    def __init__(
        self,
        answer: Callable[[Received, Call], Awaitable[web.StreamResponse]],
        do: Callable[[Message, str], Answer],
        clock: Clock,
    ) -> None:
        super().__init__()
        self._answer = answer
        self._do = do
        self._clock = clock

    async def serve(
        self, request: web.Request, headers: Mapping[str, str], account: str
    ) -> web.WebSocketResponse:
        """Shake hands, and answer each message in a task of its own until the connection ends."""
        stream = await shake_hands(request, headers)
        socket = OrdersSocket(request, account, stream)
        self._open.add(socket)
        try:
            async with asyncio.TaskGroup() as answers:
                await self._read(socket, answers)
                socket.mark_ended()
        finally:
            self._open.discard(socket)
        return stream

    async def _read(self, socket: OrdersSocket, answers: asyncio.TaskGroup) -> None:
        async for message in socket.stream:
            if socket.deaf:
                # It came before, and taking it may have resumed reading.
                socket.turn_deaf()
            elif message.type is WSMsgType.PING:
                await socket.send(message.data, WSMsgType.PONG)
            elif message.type in (WSMsgType.TEXT, WSMsgType.BINARY) and not socket.mute:
                answers.create_task(self._take(socket, Message.read(message.data)))

    async def _take(self, socket: OrdersSocket, message: Message) -> None:
        request, account = socket.request, socket.account
        received = Received("WS", message.type, request.headers, message.content(), account)
        call = SocketCall(request, lambda: self._do(message, account), self._clock, message, socket)
        response = await self._answer(received, call)
        if isinstance(response, web.Response) and isinstance(response.body, bytes):
            await socket.send(response.body)


def frame(content: bytes, kind: WSMsgType) -> bytes:
    """Return a frame as a server writes it."""
    length = len(content)
    first = 0x80 | kind
    if length < _TWO_BYTES:
        return struct.pack("!BB", first, length) + content
    if length < 2**16:
        return struct.pack("!BBH", first, _TWO_BYTES, length) + content
    return struct.pack("!BBQ", first, _EIGHT_BYTES, length) + content
