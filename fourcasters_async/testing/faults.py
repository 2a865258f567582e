"""The ways in which an exchange fails, as values: `exchange.inject(faults.Close(), game_id=…)`.

Faults with `committed` do what was asked first if it is true, and nothing if it is false. All
others do it, and then answer in a way that nobody can rely on, unless they say otherwise. Most
strike requests over HTTP and messages on a WebSocket alike.
"""

import asyncio
import gzip

from aiohttp import web
from attrs import frozen

from fourcasters_async.testing import wire
from fourcasters_async.testing.calls import Call, Fault, HttpCall, head, respond
from fourcasters_async.testing.frame_faults import (
    CloseCode,
    HalfOpen,
    Held,
    UnknownID,
    Wrapped,
)
from fourcasters_async.testing.rest import Answer
from fourcasters_async.testing.sockets import SocketCall

__all__ = [
    "Call",
    "Close",
    "CloseCode",
    "DripBody",
    "Duplicate",
    "Fault",
    "Garbage",
    "GzipBomb",
    "HalfOpen",
    "Held",
    "Html",
    "HttpCall",
    "Oversized",
    "Redirect",
    "Reset",
    "Respond",
    "Slow",
    "SocketCall",
    "Stall",
    "StallBody",
    "TooManyRequests",
    "Truncate",
    "Unauthorized",
    "Unavailable",
    "UnknownID",
    "Wrapped",
    "WrongLength",
    "respond",
]


def _http(call: Call) -> HttpCall:
    if not isinstance(call, HttpCall):
        raise TypeError(f"this fault strikes HTTP only, not the message {call.endpoint}")
    return call


@frozen
class Close(Fault):
    """The connection closes before the answer."""

    committed: bool = False

    async def __call__(self, call: Call) -> web.StreamResponse:
        if self.committed:
            call.commit()
        call.hang_up()
        return web.Response()


@frozen
class Reset(Fault):
    """The connection is reset before the answer."""

    committed: bool = False

    async def __call__(self, call: Call) -> web.StreamResponse:
        if self.committed:
            call.commit()
        call.hang_up(reset=True)
        return web.Response()


@frozen
class Stall(Fault):
    """Nothing is ever answered; a WebSocket lives on."""

    committed: bool = False

    async def __call__(self, call: Call) -> web.StreamResponse:
        if self.committed:
            call.commit()
        return await call.until_gone()


@frozen
class StallBody(Fault):
    """The status and half of the body come, and nothing more. HTTP only."""

    async def __call__(self, call: Call) -> web.StreamResponse:
        content = _http(call).commit().content()
        call.write(head(len(content)) + content[: len(content) // 2])
        return await call.until_gone()


@frozen
class DripBody(Fault):
    """The body comes byte by byte, `pause` seconds apart, and never ends. HTTP only."""

    pause: float = 0.01

    async def __call__(self, call: Call) -> web.StreamResponse:
        _http(call).commit()
        call.write(head(2**30) + b'{"data": [')
        while not call.gone:
            call.write(b" ")
            await asyncio.sleep(self.pause)
        return web.Response()


@frozen
class Truncate(Fault):
    """The connection closes half-way through the body, or through the frame."""

    async def __call__(self, call: Call) -> web.StreamResponse:
        content = call.commit().content()
        call.write(call.framed(content)[: -(len(content) // 2)])
        call.hang_up()
        return web.Response()


@frozen
class Garbage(Fault):
    """What comes is not HTTP; on a WebSocket, a text that is no JSON."""

    async def __call__(self, call: Call) -> web.StreamResponse:
        call.commit()
        if isinstance(call, SocketCall):
            return web.Response(body=b"SSH-2.0-nonsense")
        call.write(b"\x00\xff SSH-2.0-nonsense\r\n\r\n")
        call.hang_up()
        return web.Response()


@frozen
class WrongLength(Fault):
    """The body is longer than its `Content-Length` says. HTTP only."""

    async def __call__(self, call: Call) -> web.StreamResponse:
        content = _http(call).commit().content()
        call.write(head(len(content) - 1) + content)
        return await call.until_gone()


@frozen
class Oversized(Fault):
    """The body is `size` bytes of blanks before the answer."""

    size: int = 2**27

    async def __call__(self, call: Call) -> web.StreamResponse:
        body = b" " * self.size + call.commit().content()
        return web.Response(body=body, content_type="application/json")


@frozen
class GzipBomb(Fault):
    """The body is small, and `size` bytes of blanks before the answer once unpacked. HTTP only."""

    size: int = 2**28

    async def __call__(self, call: Call) -> web.StreamResponse:
        content = b" " * self.size + _http(call).commit().content()
        packed = await asyncio.to_thread(gzip.compress, content, compresslevel=1)
        return web.Response(
            body=packed, headers={"Content-Type": "application/json", "Content-Encoding": "gzip"}
        )


@frozen
class Html(Fault):
    """A proxy in front of the exchange answers with a page. Nothing is done. HTTP only."""

    status: int = 200

    async def __call__(self, call: Call) -> web.StreamResponse:
        _http(call)
        page = "<html><body><h1>The service is down</h1></body></html>"
        return web.Response(status=self.status, text=page, content_type="text/html")


@frozen
class Unavailable(Fault):
    """503: the exchange gave up on the request, in either form of its errors.

    On a WebSocket the error is `Failed to process` and the type of the message.
    """

    committed: bool = False
    object_form: bool = True

    async def __call__(self, call: Call) -> web.StreamResponse:
        if self.committed:
            call.commit()
        document = wire.error("Network Error", code=503 if self.object_form else None)
        return call.refuse(Answer(503, document), f"Failed to process {call.endpoint}")


@frozen
class TooManyRequests(Fault):
    """429, with a `Retry-After` or without; on a WebSocket, its text. Nothing is done."""

    retry_after: str | None = "1"

    async def __call__(self, call: Call) -> web.StreamResponse:
        headers = {} if self.retry_after is None else {"Retry-After": self.retry_after}
        text = "Too many requests. Please try again later."
        return call.refuse(Answer(429, wire.error(text), headers), text)


@frozen
class Unauthorized(Fault):
    """401; on a WebSocket, the error `unauthorized`. Nothing is done."""

    async def __call__(self, call: Call) -> web.StreamResponse:
        return call.refuse(Answer(401, wire.error("Unauthorized")), "unauthorized")


@frozen
class Redirect(Fault):
    """The client is sent to another address. Nothing is done. HTTP only."""

    location: str
    status: int = 307

    async def __call__(self, call: Call) -> web.StreamResponse:
        _http(call)
        return web.Response(status=self.status, headers={"Location": self.location})


@frozen
class Slow(Fault):
    """The right answer, `seconds` late."""

    seconds: float

    async def __call__(self, call: Call) -> web.StreamResponse:
        await asyncio.sleep(self.seconds)
        return respond(call.commit())


@frozen
class Duplicate(Fault):
    """The right answer, twice on the connection; the second `pause` seconds later."""

    pause: float = 0.0

    async def __call__(self, call: Call) -> web.StreamResponse:
        whole = call.framed(call.commit().content())
        call.write(whole)
        if self.pause:
            await asyncio.sleep(self.pause)
        call.write(whole)
        return await call.until_gone()


@frozen
class Respond(Fault):
    """A given status and body, whatever they are. What was asked is done.

    On a WebSocket a body that is a JSON object gets the id of the message.
    """

    body: bytes
    status: int = 200

    async def __call__(self, call: Call) -> web.StreamResponse:
        call.commit()
        body = call.addressed(self.body)
        return web.Response(status=self.status, body=body, content_type="application/json")
