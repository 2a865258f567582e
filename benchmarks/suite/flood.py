"""Show that the mock is never what is measured: flood it from a client that does next to nothing.

The frames are made before the clock starts, are sent at once, and what comes back is only counted.
"""

import socket
import ssl
import sys
import time

from yarl import URL

from .mock import Mock

# As the bare protocol makes them, but with a mask of zeros.
_TEXT, _MASKED = 0x81, 0x80
_ROUNDS = 7


def flood(mock: Mock, *, games: int, orders: int) -> dict[str, object]:
    """Return how many answers a second it gives over one socket, and the share of its core."""
    mock.set(orders=orders, delay=0)
    connection = _connected(mock)
    frames = bytearray()
    for game in range(games):
        game_id = f"{0x65B036DF << 64 | game:024x}"
        payload = b'["cancelAllByGame",{"gameId":"%b","requestID":"%b"}]' % (
            2 * (game_id.encode(),)
        )
        frames += bytes((_TEXT, _MASKED | len(payload))) + bytes(4) + payload
    one = _answer_size(connection, bytes(frames[: len(frames) // games]))
    best = None
    for _ in range(_ROUNDS):
        mock.mark()
        began = time.perf_counter()
        connection.sendall(frames)
        left = one * games
        while left:
            left -= len(connection.recv(min(left, 1 << 20)))
        taken = time.perf_counter() - began
        counted = mock.report()
        if best is None or taken < best[0]:
            best = taken, counted
    connection.close()
    if best is None or best[1].answers != games:
        raise RuntimeError("the mock has not answered all")
    taken, counted = best
    return {
        "games": games,
        "orders": orders,
        "answers_a_second": round(games / taken),
        "mock_cpu_us_a_game": round(counted.cpu / games / 1e3, 2),
    }


def _connected(mock: Mock) -> ssl.SSLSocket:
    url = URL(mock.orders_url)
    context = ssl.create_default_context(cafile=str(mock.ca))
    plain = socket.create_connection(("127.0.0.1", mock.port))
    connection = context.wrap_socket(plain, server_hostname="127.0.0.1")
    connection.sendall(
        f"GET {url.path} HTTP/1.1\r\nHost: {url.host}\r\nUpgrade: websocket\r\n"
        "Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
        "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n".encode()
    )
    head = b""
    while b"\r\n\r\n" not in head:
        head += connection.recv(4096)
    return connection


def _answer_size(connection: ssl.SSLSocket, frame: bytes) -> int:
    """Return how many bytes the answer to a frame has."""
    connection.sendall(frame)
    received = connection.recv(1 << 20)
    short, head = received[1], {126: 4, 127: 10}.get(received[1], 2)
    size = head + (short if head == 2 else int.from_bytes(received[2:head]))  # noqa: PLR2004  # a short frame
    while len(received) < size:
        received += connection.recv(1 << 20)
    return size


if __name__ == "__main__":
    with Mock(None) as running:
        print(flood(running, games=5000, orders=10), file=sys.stderr)
