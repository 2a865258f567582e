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
from fourcasters_async.testing.calls import Call, Fault, head, respond
from fourcasters_async.testing.rest import Answer


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
    """Nothing is ever answered."""

    committed: bool = False

    async def __call__(self, call: Call) -> web.StreamResponse:
        if self.committed:
            call.commit()
        return await call.until_gone()


@frozen
class StallBody(Fault):
    """The status and half of the body come, and nothing more."""

    async def __call__(self, call: Call) -> web.StreamResponse:
        content = call.commit().content()
        call.write(head(len(content)) + content[: len(content) // 2])
        return await call.until_gone()


@frozen
class DripBody(Fault):
    """The body comes byte by byte, `pause` seconds apart, and never ends."""

    pause: float = 0.01

    async def __call__(self, call: Call) -> web.StreamResponse:
        call.commit()
        call.write(head(2**30) + b'{"data": [')
        while not call.gone:
            call.write(b" ")
            await asyncio.sleep(self.pause)
        return web.Response()


@frozen
class Truncate(Fault):
    """The connection closes half-way through the body."""

    async def __call__(self, call: Call) -> web.StreamResponse:
        content = call.commit().content()
        call.write(head(len(content)) + content[: len(content) // 2])
        call.hang_up()
        return web.Response()


@frozen
class Garbage(Fault):
    """What comes is not HTTP."""

    async def __call__(self, call: Call) -> web.StreamResponse:
        call.commit()
        call.write(b"\x00\xff SSH-2.0-nonsense\r\n\r\n")
        call.hang_up()
        return web.Response()


@frozen
class WrongLength(Fault):
    """The body is longer than its `Content-Length` says."""

    async def __call__(self, call: Call) -> web.StreamResponse:
        content = call.commit().content()
        call.write(head(len(content) - 1) + content)
        return await call.until_gone()


@frozen
class Oversized(Fault):
    """The body is `size` bytes of blanks before the answer."""

    size: int = 2**27

    async def __call__(self, call: Call) -> web.StreamResponse:
        content = call.commit().content()
        response = web.StreamResponse(headers={"Content-Type": "application/json"})
        response.content_length = self.size + len(content)
        await response.prepare(call.request)
        for _ in range(self.size // 2**20):
            await response.write(b" " * 2**20)
        await response.write(content)
        return response


@frozen
class GzipBomb(Fault):
    """The body is small, and `size` bytes of blanks before the answer once it is unpacked."""

    size: int = 2**28

    async def __call__(self, call: Call) -> web.StreamResponse:
        content = b" " * self.size + call.commit().content()
        packed = await asyncio.to_thread(gzip.compress, content, compresslevel=1)
        return web.Response(
            body=packed, headers={"Content-Type": "application/json", "Content-Encoding": "gzip"}
        )


@frozen
class Html(Fault):
    """A proxy in front of the exchange answers with a page. The request never gets through."""

    status: int = 200

    async def __call__(self, call: Call) -> web.StreamResponse:  # noqa: ARG002  # it is not looked at
        page = "<html><body><h1>The service is down</h1></body></html>"
        return web.Response(status=self.status, text=page, content_type="text/html")


@frozen
class Unavailable(Fault):
    """503: the exchange gave up on the request, in either form of its errors."""

    committed: bool = False
    object_form: bool = True

    async def __call__(self, call: Call) -> web.StreamResponse:
        if self.committed:
            call.commit()
        document = wire.error("Network Error", code=503 if self.object_form else None)
        return respond(Answer(503, document))


@frozen
class TooManyRequests(Fault):
    """429, with a `Retry-After` or without. Nothing is done."""

    retry_after: str | None = "1"

    async def __call__(self, call: Call) -> web.StreamResponse:  # noqa: ARG002  # it is not looked at
        headers = {} if self.retry_after is None else {"Retry-After": self.retry_after}
        document = wire.error("Too many requests. Please try again later.")
        return respond(Answer(429, document, headers))


@frozen
class Unauthorized(Fault):
    """401. Nothing is done."""

    async def __call__(self, call: Call) -> web.StreamResponse:  # noqa: ARG002  # it is not looked at
        return respond(Answer(401, wire.error("Unauthorized")))


@frozen
class Redirect(Fault):
    """The client is sent to another address. Nothing is done."""

    location: str
    status: int = 307

    async def __call__(self, call: Call) -> web.StreamResponse:  # noqa: ARG002  # it is not looked at
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
        content = call.commit().content()
        whole = head(len(content)) + content
        call.write(whole)
        if self.pause:
            await asyncio.sleep(self.pause)
        call.write(whole)
        return await call.until_gone()


@frozen
class Respond(Fault):
    """A given status and body, whatever they are. What was asked is done."""

    body: bytes
    status: int = 200

    async def __call__(self, call: Call) -> web.StreamResponse:
        call.commit()
        return web.Response(status=self.status, body=self.body, content_type="application/json")
