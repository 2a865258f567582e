"""A WebSocket of aiohttp's that writes many frames at once."""

import asyncio
from typing import Any, Literal, cast

import aiohttp
from aiohttp.http_websocket import WebSocketWriter

from fourcasters_async._core.secret import Secret

# Bytes that are gathered before they are written: a system call for each frame would take most of
# the time of a burst.
_GATHERED = 2**15
_CONTROL = 0x08


if not hasattr(WebSocketWriter(cast(Any, None), cast(Any, None)), "transport"):
    raise ImportError(
        "fourcasters_async cannot write several frames at once with this release of aiohttp; "
        "install the newest one that fourcasters_async supports"
    )


class BufferedWebSocket(aiohttp.ClientWebSocketResponse[Literal[True]]):
    """A WebSocket whose data frames are gathered until `flush`; aiohttp writes one by one."""

    def __init__(self, reader: Any, writer: Any, *more: Any, **named: Any) -> None:
        super().__init__(reader, writer, *more, **named)
        self._buffered = writer.transport = _BufferedTransport(writer.transport)
        self.token = Secret()
        """The token of the handshake."""
        self.response: aiohttp.ClientResponse
        """The answer to the handshake."""

    def flush(self) -> None:
        """Write what was gathered."""
        self._buffered.flush()

    def abort(self) -> None:
        """Drop what the other end does not read: it would keep the connection open for ever."""
        self._buffered.abort()
        # aiohttp leaves it open where the other end has hung up.
        self.response.close()


class _BufferedTransport:
    """What aiohttp's WebSocket writer wants of a transport."""

    def __init__(self, transport: asyncio.Transport) -> None:
        self._transport = transport
        self._gathered: list[bytes] = []
        self._size = 0
        self.is_closing = transport.is_closing
        self.abort = transport.abort

    def write(self, data: bytes) -> None:
        """Take what is to be written."""
        self._gathered.append(data)
        self._size += len(data)
        # A ping or a close is not to wait for company.
        if data[0] & _CONTROL or self._size >= _GATHERED:
            self.flush()

    def flush(self) -> None:
        """Write what was taken."""
        if self._gathered:
            data = b"".join(self._gathered)
            self._gathered.clear()
            self._size = 0
            self._transport.write(data)
