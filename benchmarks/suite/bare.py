"""The Orders WebSocket by a bare protocol: what a client in Python could reach at most.

It writes every frame and reads every answer in `data_received`. It has no time limits, no retries
and no checks, makes no reports, and trusts the exchange.
"""

import asyncio
import os
import ssl
import struct
import time
from base64 import b64encode
from collections.abc import Sequence
from typing import Any, cast

import msgspec
from yarl import URL

from .contestant import Contestant, Done, Exchange
from .rows import Answer, FullAnswer

# Frames that are written at once.
_CHUNK = 64
_IN_TWO, _IN_EIGHT = 126, 127
_HEAD, _HEAD_OF_TWO, _HEAD_OF_EIGHT = 2, 4, 10
_TEXT = 0x81


class BareProtocol(asyncio.Protocol):
    """One connection, for one burst at a time."""

    def __init__(self, decode: Any) -> None:
        self._decode = decode
        self._received = b""
        self._upgraded = asyncio.get_running_loop().create_future()
        self._waiting = 0
        self._answers: dict[str, Any] = {}
        self._done: Done | None = None
        self._complete: asyncio.Future[None] | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the transport to write on."""
        self.transport = cast(asyncio.Transport, transport)

    async def upgrade(self, exchange: Exchange) -> None:
        """Make the handshake."""
        url = URL(exchange.orders_url)
        key = b64encode(os.urandom(16)).decode()
        self.transport.write(
            f"GET {url.path} HTTP/1.1\r\nHost: {url.host}:{url.port}\r\nUpgrade: websocket\r\n"
            f"Connection: Upgrade\r\nSec-WebSocket-Key: {key}\r\nSec-WebSocket-Version: 13\r\n"
            f"Authorization: {exchange.token}\r\n\r\n".encode()
        )
        await self._upgraded

    async def burst(self, games: Sequence[str], done: Done | None) -> dict[str, Any]:
        """Cancel on these games; return the answer for each."""
        self._answers, self._done, self._waiting = {}, done, len(games)
        self._complete = asyncio.get_running_loop().create_future()
        for at in range(0, len(games), _CHUNK):
            self.transport.write(b"".join(map(_request, games[at : at + _CHUNK])))
        await self._complete
        return self._answers

    def data_received(self, data: bytes) -> None:
        """Read each complete frame."""
        received = self._received + data if self._received else data
        if not self._upgraded.done():
            head, separator, received = received.partition(b"\r\n\r\n")
            if not separator:
                self._received = head
                return
            self._upgraded.set_result(None)
        at, decode, answers = 0, self._decode, self._answers
        while (found := _frame_at(received, at)) is not None:
            start, at = found
            answer = decode(received[start:at])
            answers[answer.requestID] = answer.data
            if self._done is not None:
                self._done(time.perf_counter())
        self._received = received[at:]
        if len(answers) == self._waiting and self._complete and not self._complete.done():
            self._complete.set_result(None)


class Bare(Contestant):
    """The practical limit; with `records`, every field of every answer is read into a record."""

    def __init__(self, exchange: Exchange, *, records: bool) -> None:
        super().__init__(exchange)
        self._decode = msgspec.json.Decoder(FullAnswer if records else Answer).decode
        self._protocol: BareProtocol | None = None

    async def open(self) -> None:
        """Connect, and make the handshake."""
        url = URL(self.exchange.orders_url)
        _, self._protocol = await asyncio.get_running_loop().create_connection(
            lambda: BareProtocol(self._decode),
            url.host or "",
            url.port or 0,
            ssl=ssl.create_default_context(cafile=self.exchange.ca),
        )
        await self._protocol.upgrade(self.exchange)

    async def close(self) -> None:
        """Close the connection."""
        if self._protocol is not None:
            self._protocol.transport.close()

    async def cancel(self, games: Sequence[str], done: Done | None) -> object:
        """Cancel on these games."""
        if self._protocol is None:
            raise RuntimeError("there is no connection")
        return await self._protocol.burst(games, done)

    def orders(self, answer: Any) -> list[int]:
        """Count the orders of each game."""
        for game, rows in answer.items():
            if not all(row.success and row.gameID == game for row in rows):
                raise RuntimeError("an answer is not that of its game")
        return [len(rows) for rows in answer.values()]


def _frame_at(received: bytes, at: int) -> tuple[int, int] | None:
    """Return start and end of the payload of the frame at `at`, `None` if it is incomplete."""
    start = at + _HEAD
    if len(received) < start:
        return None
    size = received[at + 1]
    if size == _IN_TWO:
        start = at + _HEAD_OF_TWO
        size = int.from_bytes(received[at + _HEAD : start])
    elif size == _IN_EIGHT:
        start = at + _HEAD_OF_EIGHT
        size = int.from_bytes(received[at + _HEAD : start])
    end = start + size
    return (start, end) if len(received) >= end else None


def _request(game_id: str) -> bytes:
    payload = b'["cancelAllByGame",{"gameId":"%b","requestID":"%b"}]' % (2 * (game_id.encode(),))
    size, mask = len(payload), os.urandom(4)
    repeated = (mask * (size // 4 + 1))[:size]
    masked = (int.from_bytes(payload) ^ int.from_bytes(repeated)).to_bytes(size)
    if size < _IN_TWO:
        return struct.pack("!BB4s", _TEXT, 0x80 | size, mask) + masked
    return struct.pack("!BBH4s", _TEXT, 0x80 | _IN_TWO, size, mask) + masked
