"""The ways in which an exchange can fail, as values: `exchange.inject(faults.Close())`.

What was asked is done, and only its answer is wrong, unless the fault says that nothing is done.
Faults with `committed` leave the choice: done if it is true, not done if it is false. All times
are seconds of the exchange's clock. A fault strikes a request over HTTP or a message on a
WebSocket, except those that only one of them can have.
"""

from aiohttp import web
from attrs import frozen

from fourcasters_async.testing import answers, wire
from fourcasters_async.testing.answers import Answer
from fourcasters_async.testing.calls import Call, Fault, HttpCall, respond
from fourcasters_async.testing.http_faults import (
    DripBody,
    GzipBomb,
    Html,
    Redirect,
    StallBody,
    WrongLength,
)
from fourcasters_async.testing.short import ShortRepr
from fourcasters_async.testing.socket_faults import (
    CloseCode,
    HalfOpen,
    Held,
    UnknownID,
    Wrapped,
)
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
    "Late",
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
    """The answer never comes. The connection stays open."""

    committed: bool = False

    async def __call__(self, call: Call) -> web.StreamResponse:
        if self.committed:
            call.commit()
        return await call.until_gone()


@frozen
class Truncate(Fault):
    """The connection closes after half of the body or of the frame."""

    async def __call__(self, call: Call) -> web.StreamResponse:
        content = call.commit().content()
        call.write(call.framed(content)[: -(len(content) // 2)])
        call.hang_up()
        return web.Response()


@frozen
class Garbage(Fault):
    """What is sent is not HTTP; on a WebSocket, not JSON."""

    async def __call__(self, call: Call) -> web.StreamResponse:
        call.commit()
        if isinstance(call, SocketCall):
            return web.Response(body=b"SSH-2.0-nonsense")
        call.write(b"\x00\xff SSH-2.0-nonsense\r\n\r\n")
        call.hang_up()
        return web.Response()


@frozen
class Oversized(Fault):
    """The answer has `size` blanks before it."""

    size: int = 2**27

    async def __call__(self, call: Call) -> web.StreamResponse:
        body = b" " * self.size + call.commit().content()
        return web.Response(body=body, content_type="application/json")


@frozen
class Unavailable(Fault):
    """503, in either form of an error: the exchange gave up on the request.

    On a WebSocket the error is `Failed to process` and the type of the message.
    """

    committed: bool = False
    object_form: bool = True
    retry_after: str | None = None

    async def __call__(self, call: Call) -> web.StreamResponse:
        if self.committed:
            call.commit()
        document = wire.error("Network Error", code=503 if self.object_form else None)
        headers = {} if self.retry_after is None else {"Retry-After": self.retry_after}
        return call.refuse(Answer(503, document, headers), f"Failed to process {call.endpoint}")


@frozen
class TooManyRequests(Fault):
    """429, with or without `Retry-After`; on a WebSocket, its text. Nothing is done."""

    retry_after: str | None = "1"

    async def __call__(self, call: Call) -> web.StreamResponse:
        headers = {} if self.retry_after is None else {"Retry-After": self.retry_after}
        text = "Too many requests. Please try again later."
        return call.refuse(Answer(429, wire.error(text), headers), text)


@frozen
class Unauthorized(Fault):
    """401; on a WebSocket, the error `unauthorized`. Nothing is done."""

    async def __call__(self, call: Call) -> web.StreamResponse:
        return call.refuse(answers.unauthorized(), "unauthorized")


@frozen
class Slow(Fault):
    """The right answer, `seconds` late. What was asked is done when the answer is sent.

    With `committed_first` it is done at once, and only the answer is late.
    """

    seconds: float
    committed_first: bool = False

    async def __call__(self, call: Call) -> web.StreamResponse:
        if not self.committed_first:
            return respond(await call.clock.after(self.seconds, call.commit))
        answer = call.commit()
        await call.clock.sleep(self.seconds)
        return respond(answer)


@frozen
class Late(Fault):
    """What was asked is done `seconds` later, even if the client has hung up by then.

    The answer is sent then, or with `answered=False` never.
    """

    seconds: float
    answered: bool = True

    async def __call__(self, call: Call) -> web.StreamResponse:
        answer = call.clock.after(self.seconds, call.commit)
        return respond(await answer) if self.answered else await call.until_gone()


@frozen
class Duplicate(Fault):
    """The right answer is sent twice, the second time `pause` seconds later."""

    pause: float = 0.0

    async def __call__(self, call: Call) -> web.StreamResponse:
        whole = call.framed(call.commit().content())
        call.write(whole)
        if self.pause:
            await call.clock.sleep(self.pause)
        call.write(whole)
        return await call.until_gone()


@frozen(repr=False)
class Respond(ShortRepr, Fault):
    """A status and a body of your choice.

    What was asked is done before the answer, whatever it says, and with `committed=False` it is
    not done. On a WebSocket a body that is a JSON object gets the id of the message.
    """

    body: bytes
    status: int = 200
    committed: bool = True

    async def __call__(self, call: Call) -> web.StreamResponse:
        if self.committed:
            call.commit()
        body = call.addressed(self.body)
        return web.Response(status=self.status, body=body, content_type="application/json")
