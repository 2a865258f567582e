"""What a fault has hold of: a request over HTTP, or a message on a WebSocket."""

import asyncio
import socket
import struct
from abc import ABC, abstractmethod
from collections.abc import Callable

from aiohttp import web
from attrs import define

from fourcasters_async.testing.rest import Answer

_GLANCE = 0.01


@define
class Call(ABC):
    """A request or a message that a fault has hold of."""

    request: web.Request
    """The request, or the handshake of the WebSocket."""
    commit: Callable[[], Answer]
    """Do what is asked, and return the answer that it should have."""

    @property
    @abstractmethod
    def endpoint(self) -> str:
        """The last segment of the path, or the type of the message."""

    @abstractmethod
    def framed(self, content: bytes) -> bytes:
        """Return an answer with all that is around it on the connection."""

    @abstractmethod
    def addressed(self, body: bytes) -> bytes:
        """Return a body as an answer to this call and to no other."""

    @abstractmethod
    def refuse(self, answer: Answer, text: str) -> web.Response:
        """Return an error: over HTTP the answer, over a WebSocket the text."""

    @abstractmethod
    async def until_gone(self) -> web.Response:
        """Wait until the client has left, and return what the server wants of a handler."""

    def write(self, data: bytes) -> None:
        """Write bytes on the connection, past the server."""
        if isinstance(self.request.transport, asyncio.WriteTransport):
            self.request.transport.write(data)

    def hang_up(self, *, reset: bool = False) -> None:
        """Close the connection, or reset it."""
        transport = self.request.transport
        if not isinstance(transport, asyncio.WriteTransport):
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
    """A request over HTTP that a fault has hold of."""

    @property
    def endpoint(self) -> str:
        """The last segment of the path."""
        return self.request.path.rpartition("/")[2]

    def framed(self, content: bytes) -> bytes:
        """Return the head and the body of a response."""
        return head(len(content)) + content

    def addressed(self, body: bytes) -> bytes:
        """Return the body: over HTTP the connection says whose it is."""
        return body

    def refuse(self, answer: Answer, text: str) -> web.Response:  # noqa: ARG002  # see Call
        """Return the answer."""
        return respond(answer)

    async def until_gone(self) -> web.Response:
        """Wait until the client has left, and return what the server wants of a handler."""
        while not self.gone:  # noqa: ASYNC110  # the server tells a handler nothing of it
            await asyncio.sleep(_GLANCE)
        return web.Response()


class Fault(ABC):
    """One way to fail. Make your own by overriding `__call__`."""

    @abstractmethod
    async def __call__(self, call: Call) -> web.StreamResponse:
        """Answer `call`, or fail to.

        What it returns goes out: over HTTP as it is, over a WebSocket the body, as a text frame,
        or nothing if there is none.
        """


def head(length: int) -> bytes:
    """Return the head of a response with a body of that length."""
    lines = ("HTTP/1.1 200 OK", "Content-Type: application/json", f"Content-Length: {length}")
    return "\r\n".join([*lines, "", ""]).encode()


def respond(answer: Answer) -> web.Response:
    """Return an answer as the server takes it."""
    return web.Response(
        status=answer.status,
        body=answer.content(),
        headers=answer.headers,
        content_type="application/json",
    )
