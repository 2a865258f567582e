"""A connection of a feed: frames are taken one by one, and others get their turns."""

import asyncio
from typing import cast

import aiohttp
from support import block

from fourcasters_async._websocket.buffered import BufferedWebSocket
from fourcasters_async._websocket.feed_connection import FeedConnection


class Burst:
    """A WebSocket on which many frames have come."""

    reason = "no more"

    def __init__(self, frames: int) -> None:
        self.left = frames

    async def receive(self) -> aiohttp.WSMessage:
        self.left -= 1
        if self.left < 0:
            return aiohttp.WSMessage(aiohttp.WSMsgType.CLOSED, None, None)
        return aiohttp.WSMessage(aiohttp.WSMsgType.TEXT, b"{}", None)


async def test_a_burst_of_frames_leaves_turns_to_others() -> None:
    socket = Burst(frames=100)
    connection = FeedConnection(cast(BufferedWebSocket, socket), lambda *_: block(0.001))
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    assert socket.left > 0
    assert await connection.lost == "no more"
