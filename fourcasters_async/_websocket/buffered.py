"""An aiohttp WebSocket that writes many frames at once."""

import asyncio
from collections.abc import Callable
from contextlib import suppress
from typing import Any, Literal, cast

import aiohttp
from aiohttp.http_websocket import WebSocketWriter

from fourcasters_async._core.failures import no_response
from fourcasters_async._core.secret import Secret

# Bytes that are gathered before a write: one system call per frame would take most of the time of
# a burst.
_BUFFER_SIZE = 2**15
# Seconds that the peer has to answer a close frame.
_CLOSE_TIMEOUT = 1.0
# The bit that marks the opcode of a control frame.
_CONTROL = 0x08


if not hasattr(WebSocketWriter(cast(Any, None), cast(Any, None)), "transport"):
    raise ImportError(
        "with this release of aiohttp, fourcasters_async cannot write several frames at once; "
        "install the newest aiohttp that fourcasters_async supports"
    )


class BufferedWebSocket(aiohttp.ClientWebSocketResponse[Literal[True]]):
    """A WebSocket that gathers data frames until `flush`; aiohttp writes them one by one."""

    def __init__(self, reader: Any, writer: Any, *more: Any, **named: Any) -> None:
        super().__init__(reader, writer, *more, **named)
        self.buffer: Buffer = Buffer(writer.transport)
        """What gathers the frames."""
        writer.transport = self.buffer
        self.token: Secret = Secret()
        """The token of the handshake."""
        self.response: aiohttp.ClientResponse
        """The answer to the handshake."""

    @property
    def is_closing(self) -> bool:
        """Whether the connection is closed or closing, so that nothing can be written."""
        return self.closed or self.buffer.is_closing()

    def flush(self) -> None:
        """Write the gathered frames. Raises `ConnectionResetError` if nothing can be written."""
        self.buffer.flush()

    def discard(self) -> None:
        """Forget the gathered frames: they are never written."""
        self.buffer.discard()

    @property
    def reason(self) -> str:
        """Why nothing more can be read, once that is so."""
        error = self.exception()
        if error is None:
            return f"the connection was closed (code {self.close_code})"
        return no_response(error, left=True).reason

    async def end(self) -> None:
        """Close with a close frame, and abort if the peer does not answer it soon."""
        try:
            # Closing waits for a peer that does not read.
            with suppress(TimeoutError):
                async with asyncio.timeout(_CLOSE_TIMEOUT):
                    await self.close()
        finally:
            self.abort()

    def abort(self) -> None:
        """Close at once. Frames that the peer does not read would keep the connection open."""
        self.buffer.abort()
        # aiohttp leaves it open if the peer has closed the connection.
        self.response.close()


class Buffer:
    """The part of a transport that aiohttp's WebSocket writer uses."""

    def __init__(self, transport: asyncio.Transport) -> None:
        self._transport = transport
        self._gathered: list[bytes] = []
        self._size = 0
        self.writes: int = 0
        """How often gathered frames were given to the connection."""
        self.is_closing: Callable[[], bool] = transport.is_closing
        self.abort: Callable[[], None] = transport.abort

    def write(self, data: bytes) -> None:
        """Gather `data`, and write if it is urgent or the buffer is full."""
        self._gathered.append(data)
        self._size += len(data)
        # A ping, a pong or a close frame must not wait.
        if data[0] & _CONTROL or self._size >= _BUFFER_SIZE:
            self.flush()

    def flush(self) -> None:
        """Write the gathered data."""
        if self._gathered:
            if self.is_closing():
                # asyncio would drop it without a word.
                raise ConnectionResetError("the connection is closing")
            data = b"".join(self._gathered)
            self.discard()
            self.writes += 1
            self._transport.write(data)

    def discard(self) -> None:
        """Forget the gathered data."""
        self._gathered.clear()
        self._size = 0
