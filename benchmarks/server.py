"""Serve the other benchmarks from another process, with as little CPU time as Python allows.

    python benchmarks/server.py --latency 20 --orders 10 --tls

It prints one line of JSON and serves until its standard input ends. The line has `url`,
`orders_url`, and as `ca` the path of the authority's certificate, null without TLS. The server
knows `POST /session/cancelAllOrdersForGame`, and at `/orders/ws` the Orders WebSocket with the
message `cancelAllByGame`. `latency` milliseconds after one arrives, it answers that `orders` orders
on the game were cancelled. Messages that arrive together are answered together. Handshakes, pings
and closes are answered at once. `GET /user/getMe` is for `warm_up`.
"""

import argparse
import asyncio
import json
import re
import ssl
import sys
from base64 import b64encode
from collections.abc import Callable
from hashlib import sha1
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import cast

import orjson
from attrs import frozen

_CANCEL = b"POST /session/cancelAllOrdersForGame "
_ME = b"GET /user/getMe "
_ORDERS_PATH = "/orders/ws"
_HANDSHAKE = b"GET %b " % _ORDERS_PATH.encode()
_LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)", re.IGNORECASE)
_KEY = re.compile(rb"\r\nsec-websocket-key: *([\w+/=]+)", re.IGNORECASE)
_KEY_SUFFIX = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
_OK = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%b"
_NOT_FOUND = b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n"
_SWITCHING_PROTOCOLS = (
    b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    b"Sec-WebSocket-Accept: %b\r\n\r\n"
)
_GAME = "the game of the request"

_TEXT, _CLOSE, _PING, _PONG = 1, 8, 9, 10
_FINAL, _OPCODE, _SIZE = 0x80, 0x0F, 0x7F
# These values of a frame's second byte mean that its size is in the next two, or eight, bytes.
_IN_TWO, _IN_EIGHT = 126, 127
_MASK = 4


@frozen
class Answers:
    """Make the answer to a request from its head and body, and to a message from its text."""

    over_rest: Callable[[bytes, bytes], bytes]
    over_socket: Callable[[bytes], bytes]


class Connection(asyncio.Protocol):
    """One connection: HTTP with keep-alive, and a WebSocket after a handshake."""

    def __init__(self, answers: Answers, latency: float) -> None:
        self._answers = answers
        self._latency = latency
        self._received = b""
        self._upgraded = False
        self._loop = asyncio.get_running_loop()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the transport to answer on."""
        self._transport = cast(asyncio.WriteTransport, transport)

    def data_received(self, data: bytes) -> None:
        """Answer each complete request, `latency` seconds from now."""
        # The latency includes the time to make the answers.
        due = self._loop.time() + self._latency
        self._received += data
        if not self._upgraded:
            self._take_requests(due)
        if self._upgraded:
            self._take_frames(due)

    def _take_requests(self, due: float) -> None:
        while not self._upgraded and (request := self._cut()) is not None:
            head, content = request
            key = _KEY.search(head) if head.startswith(_HANDSHAKE) else None
            if key is None:
                answer = self._answers.over_rest(head, content)
                self._loop.call_at(due, self._transport.write, answer)
            else:
                self._upgraded = True
                self._transport.write(_SWITCHING_PROTOCOLS % accepted(key[1]))

    def _cut(self) -> tuple[bytes, bytes] | None:
        """Take the head and the body of the first request, `None` while it is incomplete."""
        head, end, rest = self._received.partition(b"\r\n\r\n")
        found = _LENGTH.search(head)
        length = int(found[1]) if found else 0
        if not end or len(rest) < length:
            return None
        self._received = rest[length:]
        return head, rest[:length]

    def _take_frames(self, due: float) -> None:
        answers: list[bytes] = []
        received, at = self._received, 0
        while (found := frame_at(received, at)) is not None:
            opcode, payload, at = found
            if opcode == _TEXT:
                answers.append(self._answers.over_socket(payload))
            elif opcode == _PING:
                self._transport.write(framed(_PONG, payload))
            elif opcode == _CLOSE:
                self._transport.write(framed(_CLOSE, payload))
                self._transport.close()
                break
        self._received = received[at:]
        if answers:
            self._loop.call_at(due, self._transport.write, b"".join(answers))


def accepted(key: bytes) -> bytes:
    """Return the `Sec-WebSocket-Accept` for the key of a handshake."""
    return b64encode(sha1(key + _KEY_SUFFIX, usedforsecurity=False).digest())


def frame_at(received: bytes, at: int) -> tuple[int, bytes, int] | None:
    """Return opcode, payload and end of the client's frame at `at`, `None` if it is incomplete."""
    start = at + 2 + _MASK
    if len(received) < start:
        return None
    size = received[at + 1] & _SIZE
    if size in (_IN_TWO, _IN_EIGHT):
        more = 2 if size == _IN_TWO else 8
        size = int.from_bytes(received[at + 2 : at + 2 + more])
        start += more
    end = start + size
    if len(received) < end:
        return None
    # Unmasked as one long number: byte by byte would take longer than all the rest.
    mask = (received[start - _MASK : start] * (size // _MASK + 1))[:size]
    unmasked = int.from_bytes(received[start:end]) ^ int.from_bytes(mask)
    return received[at] & _OPCODE, unmasked.to_bytes(size), end


def framed(opcode: int, payload: bytes) -> bytes:
    """Return a frame with `payload` for a client."""
    size = len(payload)
    if size < _IN_TWO:
        head = bytes((_FINAL | opcode, size))
    elif size < 1 << 16:
        head = bytes((_FINAL | opcode, _IN_TWO)) + size.to_bytes(2)
    else:
        head = bytes((_FINAL | opcode, _IN_EIGHT)) + size.to_bytes(8)
    return head + payload


def answer_with(orders: int) -> Answers:
    """Return the answers that `orders` orders were cancelled."""
    common = [
        {
            "success": True,
            "description": "Lakers -3.5 -110",
            "odds": -110,
            "filled": 10.5,
            "offered": 0,
            "remaining": 89.5,
            "gameID": _GAME,
            "userReference": f"ref-{number}",
        }
        for number in range(orders)
    ]
    ids = [f"{0x65B036DF << 64 | number:024x}" for number in range(orders)]
    rest = [{**result, "sessionID": i} for result, i in zip(common, ids, strict=True)]
    socket = [
        {**result, "orderID": i, "side": "home", "number": -3.5}
        for result, i in zip(common, ids, strict=True)
    ]
    around_rest_game = orjson.dumps({"data": rest}).split(orjson.dumps(_GAME))
    around_socket_game = orjson.dumps(socket).split(orjson.dumps(_GAME))

    user = orjson.dumps({"data": {"user": {"username": "benchmark"}}})
    me = _OK % (len(user), user)

    def over_rest(head: bytes, content: bytes) -> bytes:
        if head.startswith(_ME):
            return me
        if not head.startswith(_CANCEL):
            return _NOT_FOUND
        body = orjson.dumps(orjson.loads(content)["gameID"]).join(around_rest_game)
        return _OK % (len(body), body)

    def over_socket(message: bytes) -> bytes:
        kind, payload = orjson.loads(message)
        request_id = orjson.dumps(payload["requestID"])
        if kind != "cancelAllByGame":
            return framed(_TEXT, b'{"requestID":%b,"error":"unknown message"}' % request_id)
        data = orjson.dumps(payload["gameId"]).join(around_socket_game)
        return framed(_TEXT, b'{"requestID":%b,"data":%b}' % (request_id, data))

    return Answers(over_rest, over_socket)


def tls_context(ca: Path) -> ssl.SSLContext:
    """Make a certificate for this machine, and write its authority's certificate to `ca`."""
    import trustme  # noqa: PLC0415  # only TLS needs it

    authority = trustme.CA()
    authority.cert_pem.write_to_path(ca)
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    return context


async def serve(options: argparse.Namespace, ca: Path | None) -> None:
    """Serve until the standard input ends."""
    answers = answer_with(options.orders)
    server = await asyncio.get_running_loop().create_server(
        lambda: Connection(answers, options.latency / 1000),
        "127.0.0.1",
        ssl=None if ca is None else tls_context(ca),
        backlog=2048,
    )
    port = server.sockets[0].getsockname()[1]
    s = "" if ca is None else "s"
    ready = {
        "url": f"http{s}://127.0.0.1:{port}",
        "orders_url": f"ws{s}://127.0.0.1:{port}{_ORDERS_PATH}",
        "ca": ca and str(ca),
    }
    print(json.dumps(ready), flush=True)
    await asyncio.to_thread(sys.stdin.read)
    server.close()


def main() -> None:
    """Read the options and serve."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--latency", type=float, default=20.0, help="milliseconds an answer takes")
    parser.add_argument("--orders", type=int, default=10, help="orders in each answer")
    parser.add_argument("--tls", action="store_true", help="serve https and wss")
    options = parser.parse_args()
    with TemporaryDirectory() as directory:
        asyncio.run(serve(options, Path(directory) / "ca.pem" if options.tls else None))


if __name__ == "__main__":
    main()
