"""The Orders WebSocket as the sandbox serves it: connections, frames and what strikes them."""

import asyncio
import json
import struct
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress

from aiohttp import WSCloseCode, WSMsgType, web
from attrs import define, field

from fourcasters_async.testing.calls import Call
from fourcasters_async.testing.orders_channel import Message
from fourcasters_async.testing.received import Received
from fourcasters_async.testing.rest import Answer, object_in

_SHORT, _LONG = 126, 127
# Seconds for the clients to answer a close frame.
_GRACE = 0.25


@define(eq=False)
class OrdersSocket:
    """A connection to the Orders WebSocket.

    On one that is `mute` the server says nothing more, and takes no message. It reads nothing on
    one that is `deaf`.
    """

    request: web.Request
    account: str
    stream: web.WebSocketResponse
    mute: bool = False
    deaf: bool = False
    ended: asyncio.Event = field(factory=asyncio.Event)
    _handler: "asyncio.Task[object] | None" = field(factory=asyncio.current_task)
    _sent: int = 0
    _news: asyncio.Event = field(factory=asyncio.Event)

    @property
    def open(self) -> bool:
        """Whether the connection stands, and no close frame went out."""
        transport = self.request.transport
        stands = transport is not None and not transport.is_closing()
        return stands and (self.deaf or not self.mute)

    async def send(self, content: bytes, kind: WSMsgType = WSMsgType.TEXT) -> None:
        """Send a frame, unless nobody would have it."""
        if self.mute:
            return
        with suppress(ConnectionError):
            await self.stream.send_frame(content, kind)
        if kind is WSMsgType.TEXT:
            self.count_sent()

    def count_sent(self) -> None:
        """Count an answer that went out."""
        self._sent += 1
        self._news.set()
        self._news = asyncio.Event()

    async def until_sent(self, more: int) -> None:
        """Wait until so many more answers went out, or the connection has ended."""
        wanted = self._sent + more
        while self._sent < wanted and not self.ended.is_set():
            await self._news.wait()

    def write(self, data: bytes) -> None:
        """Write bytes on the connection, past the server, unless nobody would have them."""
        if not self.mute and isinstance(self.request.transport, asyncio.WriteTransport):
            self.request.transport.write(data)

    def close(self, code: int | None) -> None:
        """Send a close frame and say nothing more, or with `None` abort the connection."""
        if code is None or self.deaf:
            if isinstance(self.request.transport, asyncio.WriteTransport):
                self.request.transport.abort()
            return
        self.write(frame(struct.pack("!H", code), WSMsgType.CLOSE))
        self.mute = True

    def turn_deaf(self) -> None:
        """Read nothing and send nothing from here on."""
        self.mute = self.deaf = True
        if isinstance(self.request.transport, asyncio.ReadTransport):
            self.request.transport.pause_reading()

    def settle(self) -> None:
        """Let go of whoever waits for the connection, which has ended."""
        self.ended.set()
        self._news.set()

    def give_up(self) -> None:
        """Drop what is not answered yet."""
        if self._handler is not None:
            self._handler.cancel()


@define
class SocketCall(Call):
    """A message on a WebSocket that a fault has hold of."""

    message: Message
    socket: OrdersSocket

    @property
    def endpoint(self) -> str:
        """The type of the message."""
        return self.message.type

    def framed(self, content: bytes) -> bytes:
        """Return the frame of a text."""
        return frame(content, WSMsgType.TEXT)

    def addressed(self, body: bytes) -> bytes:
        """Return a body with the message's id, if it is a JSON object."""
        document = object_in(body)
        if document is None:
            return body
        request_id = self.message.payload.get("requestID")
        return json.dumps({**document, "requestID": request_id}).encode()

    def refuse(self, answer: Answer, text: str) -> web.Response:  # noqa: ARG002  # see Call
        """Return the text as the message's error."""
        return web.Response(body=self.message.reply("error", text).content())

    async def until_gone(self) -> web.Response:
        """Wait until the connection has ended, and return nothing to send."""
        await self.socket.ended.wait()
        return web.Response()

    def write(self, data: bytes) -> None:
        """Write bytes on the connection, past the server."""
        self.socket.write(data)


class OrdersSockets:
    """The connections to the Orders WebSocket.

    `answer` takes what was received and returns what goes out, `do` has a message done for an
    account.
    """

    def __init__(
        self,
        answer: Callable[[Received, Call], Awaitable[web.StreamResponse]],
        do: Callable[[Message, str], Answer],
    ) -> None:
        self._answer = answer
        self._do = do
        self._open: set[OrdersSocket] = set()

    def __len__(self) -> int:
        """Count the connections that are open."""
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

    async def serve(
        self, request: web.Request, headers: Mapping[str, str], account: str
    ) -> web.WebSocketResponse:
        """Shake hands, and answer each message on its own until the connection ends."""
        stream = web.WebSocketResponse(autoping=False, compress=False)
        stream.headers.update({k: v for k, v in headers.items() if k == "X-Auth-Token"})
        await stream.prepare(request)
        socket = OrdersSocket(request, account, stream)
        self._open.add(socket)
        try:
            async with asyncio.TaskGroup() as answers:
                await self._read(socket, answers)
                socket.settle()
        finally:
            self._open.discard(socket)
        return stream

    async def _read(self, socket: OrdersSocket, answers: asyncio.TaskGroup) -> None:
        async for message in socket.stream:
            if socket.deaf:
                # It had come before; to take it may have resumed the reading.
                socket.turn_deaf()
            elif message.type is WSMsgType.PING:
                await socket.send(message.data, WSMsgType.PONG)
            elif message.type in (WSMsgType.TEXT, WSMsgType.BINARY) and not socket.mute:
                answers.create_task(self._take(socket, Message.read(message.data)))

    async def _take(self, socket: OrdersSocket, message: Message) -> None:
        received = Received(
            "WS", message.type, socket.request.headers, message.content(), socket.account
        )
        call = SocketCall(
            socket.request, lambda: self._do(message, socket.account), message, socket
        )
        response = await self._answer(received, call)
        if isinstance(response, web.Response) and isinstance(response.body, bytes):
            await socket.send(response.body)


def frame(content: bytes, kind: WSMsgType) -> bytes:
    """Return a whole frame as a server writes it."""
    length = len(content)
    first = 0x80 | kind
    if length < _SHORT:
        return struct.pack("!BB", first, length) + content
    if length < 2**16:
        return struct.pack("!BBH", first, _SHORT, length) + content
    return struct.pack("!BBQ", first, _LONG, length) + content
