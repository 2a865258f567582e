"""One WebSocket that pushes: its frames, in the order in which they came."""

import asyncio
from collections.abc import Callable

import aiohttp

from fourcasters_async._core.failures import no_response
from fourcasters_async._websocket.buffered import BufferedWebSocket

# Seconds that frames are taken without a turn of the loop. A burst of them must not hold up the
# answers that others wait for.
_WITHOUT_A_TURN = 0.0003
_DATA = (aiohttp.WSMsgType.TEXT, aiohttp.WSMsgType.BINARY)


class FeedConnection:
    """One WebSocket whose data frames are given to `take`, one by one, beside the connection.

    `take` must not wait, so that the socket is always read. The connection is lost if it raises.
    Pings are answered, and aiohttp pings after a silence: a peer that is gone is noticed.
    """

    def __init__(
        self, socket: BufferedWebSocket, take: Callable[["FeedConnection", bytes], None]
    ) -> None:
        self._socket = socket
        self._take = take
        self.lost: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        """Why the connection is gone, once it is."""
        self._reading = asyncio.create_task(self._read())
        # Somebody may cancel every task there is, also before it began.
        self._reading.add_done_callback(lambda _: self.lose("the connection was given up"))

    async def send(self, frame: bytes) -> None:
        """Send a frame. Raises `ConnectionResetError` if the connection is gone."""
        if self.lost.done():
            raise ConnectionResetError(self.lost.result())
        await self._socket.send_frame(frame, aiohttp.WSMsgType.TEXT)
        self._socket.flush()

    def lose(self, reason: str) -> None:
        """Take no more frames, and let the connection be replaced."""
        if not self.lost.done():
            self.lost.set_result(reason)

    async def close(self) -> None:
        """Close the connection."""
        self.lose("the connection was closed")
        self._reading.cancel()
        try:
            await asyncio.wait([self._reading])
            await self._socket.end()
        finally:
            self._socket.abort()

    async def _read(self) -> None:
        clock = asyncio.get_running_loop().time
        since = clock()
        try:
            while True:
                if clock() - since > _WITHOUT_A_TURN:
                    await asyncio.sleep(0)
                    since = clock()
                message = await self._socket.receive()
                if self.lost.done():
                    return
                if message.type in _DATA:
                    self._take(self, message.data)
                elif message.type is aiohttp.WSMsgType.PING:
                    await self._socket.pong(message.data)
                elif message.type is not aiohttp.WSMsgType.PONG:
                    break
            self.lose(self._socket.reason)
        except Exception as error:  # noqa: BLE001  # whatever it is, nothing more can be read
            self.lose(no_response(error, left=True).reason)
