"""The ways in which a WebSocket fails, and HTTP cannot. They are named in `faults`."""

import json
import secrets

from aiohttp import web
from attrs import frozen

from fourcasters_async.testing.calls import Call, Fault, respond
from fourcasters_async.testing.rest import body_of
from fourcasters_async.testing.sockets import SocketCall


def _socket(call: Call) -> SocketCall:
    if not isinstance(call, SocketCall):
        raise TypeError(f"this fault strikes messages on a WebSocket only, not {call.endpoint}")
    return call


@frozen
class HalfOpen(Fault):
    """From here on the connection stays open, and the server reads and sends nothing on it."""

    committed: bool = False

    async def __call__(self, call: Call) -> web.StreamResponse:
        socket = _socket(call).socket
        if self.committed:
            call.commit()
        socket.turn_deaf()
        return web.Response()


@frozen
class CloseCode(Fault):
    """A close frame comes in place of the answer."""

    code: int = 1011
    committed: bool = False

    async def __call__(self, call: Call) -> web.StreamResponse:
        socket = _socket(call).socket
        if self.committed:
            call.commit()
        socket.close(self.code)
        return web.Response()


@frozen
class UnknownID(Fault):
    """The answer comes under an id that nobody asked with."""

    async def __call__(self, call: Call) -> web.StreamResponse:
        document = body_of(_socket(call).commit().content())
        return web.Response(
            body=json.dumps({**document, "requestID": secrets.token_hex(16)}).encode()
        )


@frozen
class Wrapped(Fault):
    """The right answer, in the other form that is documented: inside `responses`."""

    async def __call__(self, call: Call) -> web.StreamResponse:
        document = body_of(_socket(call).commit().content())
        wrapped = {"requestID": document.get("requestID"), "responses": [document]}
        return web.Response(body=json.dumps(wrapped).encode())


@frozen
class Held(Fault):
    """The right answer, after `until` later answers went out on the connection."""

    until: int

    async def __call__(self, call: Call) -> web.StreamResponse:
        socket = _socket(call).socket
        answer = call.commit()
        await socket.until_sent(self.until)
        return respond(answer)
