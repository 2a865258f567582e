"""Answer `rest_fanout.py`, in a process of its own and for as little CPU time as Python allows.

    python benchmarks/server.py --latency 20 --orders 10 --tls

Prints one line of JSON (`url`, and with TLS the authority's certificate as `ca`, else null) and
serves until its standard input ends. It knows one request, `POST /session/cancelAllOrdersForGame`:
`latency` milliseconds later it answers that `orders` orders on the game were cancelled.
"""

import argparse
import asyncio
import json
import re
import ssl
import sys
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import cast

import orjson

_CANCEL = b"POST /session/cancelAllOrdersForGame "
_LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)", re.IGNORECASE)
_OK = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%b"
_NOT_FOUND = b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n"
_GAME = "the game of the request"

_Answer = Callable[[bytes, bytes], bytes]


class Connection(asyncio.Protocol):
    """One kept-alive connection."""

    def __init__(self, answer: _Answer, latency: float) -> None:
        self._answer = answer
        self._latency = latency
        self._received = b""
        self._loop = asyncio.get_running_loop()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the transport to answer on."""
        self._transport = cast(asyncio.WriteTransport, transport)

    def data_received(self, data: bytes) -> None:
        """Answer what is whole by now, `latency` seconds from now."""
        self._received += data
        while (request := self._cut()) is not None:
            self._loop.call_later(self._latency, self._transport.write, self._answer(*request))

    def _cut(self) -> tuple[bytes, bytes] | None:
        """Cut off the head and the body of the first request, `None` while it is not whole."""
        head, end, rest = self._received.partition(b"\r\n\r\n")
        found = _LENGTH.search(head)
        length = int(found[1]) if found else 0
        if not end or len(rest) < length:
            return None
        self._received = rest[length:]
        return head, rest[:length]


def answer_with(orders: int) -> _Answer:
    """Return what makes the answer to a request of its head and its body."""
    results = [
        {
            "success": True,
            "sessionID": f"{0x65B036DF << 64 | number:024x}",
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
    around_game = orjson.dumps({"data": results}).split(orjson.dumps(_GAME))

    def answer(head: bytes, content: bytes) -> bytes:
        if not head.startswith(_CANCEL):
            return _NOT_FOUND
        body = orjson.dumps(orjson.loads(content)["gameID"]).join(around_game)
        return _OK % (len(body), body)

    return answer


def tls_context(ca: Path) -> ssl.SSLContext:
    """Make a certificate for this machine, and write that of its authority to `ca`."""
    # Only those who serve TLS need trustme.
    import trustme  # noqa: PLC0415  # as above

    authority = trustme.CA()
    authority.cert_pem.write_to_path(ca)
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    return context


async def serve(options: argparse.Namespace, ca: Path | None) -> None:
    """Serve until the standard input ends."""
    answer = answer_with(options.orders)
    server = await asyncio.get_running_loop().create_server(
        lambda: Connection(answer, options.latency / 1000),
        "127.0.0.1",
        ssl=None if ca is None else tls_context(ca),
        backlog=2048,
    )
    port = server.sockets[0].getsockname()[1]
    url = f"{'http' if ca is None else 'https'}://127.0.0.1:{port}"
    print(json.dumps({"url": url, "ca": ca and str(ca)}), flush=True)
    await asyncio.to_thread(sys.stdin.read)
    server.close()


def main() -> None:
    """Read the options and serve."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--latency", type=float, default=20.0, help="milliseconds an answer takes")
    parser.add_argument("--orders", type=int, default=10, help="orders in each answer")
    parser.add_argument("--tls", action="store_true", help="serve https")
    options = parser.parse_args()
    with TemporaryDirectory() as directory:
        asyncio.run(serve(options, Path(directory) / "ca.pem" if options.tls else None))


if __name__ == "__main__":
    main()
