"""Faults that only a WebSocket can have. `faults` has them all."""

import json
import secrets

from aiohttp import web
from attrs import frozen

from fourcasters_async.testing.answers import body_of
from fourcasters_async.testing.calls import Call, Fault, respond
from fourcasters_async.testing.sockets import SocketCall


def _socket(call: Call) -> SocketCall:
    if not isinstance(call, SocketCall):
        raise TypeError(f"this fault strikes messages on a WebSocket only, not {call.endpoint}")
    return call


@frozen
class HalfOpen(Fault):
    """The connection stays open, but the server reads and sends nothing on it any more."""

    committed: bool = False

    async def __call__(self, call: Call) -> web.StreamResponse:
        socket = _socket(call).socket
        if self.committed:
            call.commit()
        socket.turn_deaf()
        return web.Response()


@frozen
class CloseCode(Fault):
    """A close frame is sent in place of the answer."""

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
    """The answer has a `requestID` that no request had."""

    async def __call__(self, call: Call) -> web.StreamResponse:
        document = body_of(_socket(call).commit().content())
        return web.Response(
            body=json.dumps({**document, "requestID": secrets.token_hex(16)}).encode()
        )


@frozen
class Wrapped(Fault):
    """The right answer in the other documented form, inside `responses`."""

    async def __call__(self, call: Call) -> web.StreamResponse:
        document = body_of(_socket(call).commit().content())
        wrapped = {"requestID": document.get("requestID"), "responses": [document]}
        return web.Response(body=json.dumps(wrapped).encode())


@frozen
class Held(Fault):
    """The right answer, sent after `until` other answers on the connection."""

    until: int

    async def __call__(self, call: Call) -> web.StreamResponse:
        socket = _socket(call).socket
        answer = call.commit()
        await socket.until_sent(self.until)
        return respond(answer)
