"""A client of the sandbox's feeds for its own tests: plain aiohttp, and nothing of the library."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any

import aiohttp
from attrs import frozen

from fourcasters_async.testing import FakeExchange

# Seconds after which what has not come does not come.
NEVER = 0.0625
USER, PRICES = "/v2/user", "/price-stream"


@frozen
class Listener:
    """A connection to a feed."""

    socket: aiohttp.ClientWebSocketResponse

    async def next(self) -> Any:
        """Return the next message."""
        return await self.socket.receive_json()

    async def several(self, count: int) -> list[Any]:
        return [await self.next() for _ in range(count)]

    async def silent(self) -> bool:
        """Whether nothing more comes."""
        try:
            await self.socket.receive(timeout=NEVER)
        except TimeoutError:
            return True
        return False

    async def ping(self) -> None:
        """Send a ping."""
        await self.socket.ping(b"are you there")

    async def pong(self) -> bytes:
        """Ping, and return what is answered."""
        await self.ping()
        message = await self.socket.receive()
        assert message.type is aiohttp.WSMsgType.PONG
        answer: bytes = message.data
        return answer

    async def ended(self) -> int | None:
        """Wait for the end of the connection, and return the code that it was closed with."""
        while not self.socket.closed:
            await self.socket.receive()
        return self.socket.close_code

    async def command(self, exchange: FakeExchange, type_: str, **lists: Any) -> None:
        """Send a command, and wait until the exchange has read it."""
        count = exchange.received(type_) + 1
        await self.socket.send_json({"type": type_, **lists})
        await exchange.wait_for(type_, count)


@asynccontextmanager
async def listening(
    exchange: FakeExchange,
    path: str,
    *,
    token: str | None = None,
    headers: Mapping[str, str] | None = None,
    autoping: bool = False,
) -> AsyncIterator[Listener]:
    """Listen to a feed inside the block."""
    given = {"Authorization": exchange.token if token is None else token}
    async with (
        aiohttp.ClientSession() as client,
        client.ws_connect(
            f"{exchange.streaming_url}{path}",
            headers=given if headers is None else headers,
            autoping=autoping,
            timeout=aiohttp.ClientWSTimeout(ws_close=NEVER),
        ) as socket,
    ):
        yield Listener(socket)


async def get(
    exchange: FakeExchange, path: str, *, headers: Mapping[str, str] | None = None, **query: Any
) -> tuple[int, Any]:
    """Ask an address of the feeds over HTTP, and return the status and the document."""
    given = {"Authorization": exchange.token} if headers is None else headers
    url = f"{exchange.url}{path}"
    async with (
        aiohttp.ClientSession() as client,
        client.get(url, headers=given, params=query) as response,
    ):
        return response.status, await response.json()


async def replay(exchange: FakeExchange, **query: Any) -> Any:
    """Return the document of a replay."""
    status, document = await get(exchange, f"{USER}/messages", **query)
    assert status == 200, document
    return document


async def turn() -> None:
    """Let what was noted in this turn of the loop be told."""
    await asyncio.sleep(0)
