"""Faults that only HTTP can have. `faults` has them all."""

import asyncio
import gzip

from aiohttp import web
from attrs import frozen

from fourcasters_async.testing.calls import Call, Fault, HttpCall, head


def _http(call: Call) -> HttpCall:
    if not isinstance(call, HttpCall):
        raise TypeError(f"this fault strikes HTTP only, not the message {call.endpoint}")
    return call


@frozen
class StallBody(Fault):
    """Only the head and half of the body are sent."""

    async def __call__(self, call: Call) -> web.StreamResponse:
        content = _http(call).commit().content()
        call.write(head(len(content)) + content[: len(content) // 2])
        return await call.until_gone()


@frozen
class DripBody(Fault):
    """The body never ends: it comes a byte at a time, `pause` seconds apart."""

    pause: float = 0.01

    async def __call__(self, call: Call) -> web.StreamResponse:
        _http(call).commit()
        call.write(head(2**30) + b'{"data": [')
        while not call.gone:
            call.write(b" ")
            await call.clock.sleep(self.pause)
        return web.Response()


@frozen
class WrongLength(Fault):
    """The body is longer than its `Content-Length` says."""

    async def __call__(self, call: Call) -> web.StreamResponse:
        content = _http(call).commit().content()
        call.write(head(len(content) - 1) + content)
        return await call.until_gone()


@frozen
class GzipBomb(Fault):
    """The body is compressed: it is small, and unpacks to `size` blanks before the answer."""

    size: int = 2**28

    async def __call__(self, call: Call) -> web.StreamResponse:
        content = b" " * self.size + _http(call).commit().content()
        packed = await asyncio.to_thread(gzip.compress, content, compresslevel=1)
        return web.Response(
            body=packed, headers={"Content-Type": "application/json", "Content-Encoding": "gzip"}
        )


@frozen
class Html(Fault):
    """A proxy in front of the exchange answers with a page. Nothing is done."""

    status: int = 200

    async def __call__(self, call: Call) -> web.StreamResponse:
        _http(call)
        page = "<html><body><h1>The service is down</h1></body></html>"
        return web.Response(status=self.status, text=page, content_type="text/html")


@frozen
class Redirect(Fault):
    """The client is redirected. Nothing is done."""

    location: str
    status: int = 307

    async def __call__(self, call: Call) -> web.StreamResponse:
        _http(call)
        return web.Response(status=self.status, headers={"Location": self.location})
