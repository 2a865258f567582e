"""What a fault is called with: a request over HTTP, or a message on a WebSocket."""

import asyncio
import socket
import struct
from abc import ABC, abstractmethod
from collections.abc import Callable

from aiohttp import web
from attrs import define

from fourcasters_async.testing.answers import Answer
from fourcasters_async.testing.clock import Clock

# Seconds between two looks at a connection.
_POLL = 0.01


@define
class Call(ABC):
    """A request or a message that a fault decides about."""

    request: web.Request
    """The request, or the handshake of the WebSocket."""
    commit: Callable[[], Answer]
    """Do what is asked, and return the right answer to it."""
    clock: Clock

    @property
    @abstractmethod
    def endpoint(self) -> str:
        """The last segment of the path, or the type of the message."""

    @abstractmethod
    def framed(self, content: bytes) -> bytes:
        """Return the bytes that carry an answer on the connection."""

    @abstractmethod
    def addressed(self, body: bytes) -> bytes:
        """Return a body as an answer to this call and to no other."""

    @abstractmethod
    def refuse(self, answer: Answer, text: str) -> web.Response:
        """Return an error: over HTTP the answer, over a WebSocket the text."""

    @abstractmethod
    async def until_gone(self) -> web.Response:
        """Wait until the connection has ended, and return a response that nobody receives."""

    def write(self, data: bytes) -> None:
        """Write bytes on the connection without the server."""
        # That of uvloop is no instance of asyncio's transports.
        if (transport := self.request.transport) is not None:
            transport.write(data)

    def hang_up(self, *, reset: bool = False) -> None:
        """Close the connection, or reset it."""
        transport = self.request.transport
        if transport is None:
            return
        if reset:
            linger = struct.pack("ii", 1, 0)
            transport.get_extra_info("socket").setsockopt(
                socket.SOL_SOCKET, socket.SO_LINGER, linger
            )
            transport.abort()
        else:
            transport.close()

    @property
    def gone(self) -> bool:
        """Whether the connection has ended."""
        return self.request.transport is None or self.request.transport.is_closing()


@define
class HttpCall(Call):
    """A request over HTTP that a fault decides about."""

    @property
    def endpoint(self) -> str:
        """The last segment of the path."""
        return self.request.path.rpartition("/")[2]

    def framed(self, content: bytes) -> bytes:
        """Return the head and the body of a response."""
        return head(len(content)) + content

    def addressed(self, body: bytes) -> bytes:
        """Return the body: over HTTP an answer belongs to the request before it."""
        return body

    def refuse(self, answer: Answer, text: str) -> web.Response:  # noqa: ARG002  # see Call
        """Return the answer."""
        return respond(answer)

    async def until_gone(self) -> web.Response:
        """Wait until the connection has ended, and return a response that nobody receives."""
        while not self.gone:  # noqa: ASYNC110  # the server does not tell a handler
            await asyncio.sleep(_POLL)
        return web.Response()


class Fault(ABC):
    """One way to fail. Make your own by overriding `__call__`."""

    @abstractmethod
    async def __call__(self, call: Call) -> web.StreamResponse:
        """Answer `call`, or fail to.

        What it returns is sent: over HTTP as it is, over a WebSocket its body as a text frame. A
        response without a body sends nothing over a WebSocket.
        """


def head(length: int) -> bytes:
    """Return the head of a response with a body of that length."""
    lines = ("HTTP/1.1 200 OK", "Content-Type: application/json", f"Content-Length: {length}")
    return "\r\n".join([*lines, "", ""]).encode()


def respond(answer: Answer) -> web.Response:
    """Return an answer as a response of the server."""
    return web.Response(
        status=answer.status,
        body=answer.content(),
        headers=answer.headers,
        content_type="application/json",
    )
