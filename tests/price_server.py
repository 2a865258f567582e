"""A price feed and the reads of books beside it, whose every word a test chooses."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from aiohttp import WSMsgType, web
from support import QUICK, until

from fourcasters_async import AsyncSession, RetryPolicy

GAME, OTHER = "688c0516fbc14da0c202d426", "688c0516fbc14da0c202d427"
AWAY, HOME = "65b036dfb31407c2b6bc1cfe", "65b036dfb31407c2b6bc1cff"
Json = dict[str, Any]


def order(order_id: str, odds: int = -110, **more: Any) -> Json:
    """Return an order as a side of an update has it."""
    return {
        "id": order_id,
        "type": "moneyline",
        "sumUntaken": 100.0,
        "odds": odds,
        "bet": 100.0,
        "takenRatio": 0,
        "expiry": None,
        "createdAt": "2026-11-26T04:02:22.123Z",
        "gameStartExpiry": True,
        **more,
    }


def update(epoch: int | None, *orders: Json, game_id: str = GAME, **more: Any) -> Json:
    """Return the payload of an `orderUpdate`, of the home side unless it says otherwise."""
    return {
        "epoch": epoch,
        "gameID": game_id,
        "parentGameID": None,
        "sport": "basketball",
        "league": "NBA",
        "live": False,
        "type": "moneyline",
        "participantID": HOME,
        "market": "main",
        "side": HOME,
        "OU": None,
        "total": None,
        "spread": None,
        "mainHomeSpread": "-3.5",
        "mainAwaySpread": "3.5",
        "mainTotal": "220.5",
        "sideOrders": list(orders),
        **more,
    }


def book(*home_moneylines: Json, game_id: str = GAME, **more: Any) -> Json:
    """Return a game with its book, as a read has it."""
    return {
        "id": game_id,
        "league": "NBA",
        "sport": "basketball",
        "participants": [{"id": AWAY, "homeAway": "away"}, {"id": HOME, "homeAway": "home"}],
        "homeMoneylines": [{"participantID": HOME, **each} for each in home_moneylines],
        "matchedVolume": 10.0,
        **more,
    }


class PriceServer:
    """Pushes what a test says, and remembers what it was told."""

    def __init__(self) -> None:
        self.sockets: list[web.WebSocketResponse] = []
        self.commands: list[Json] = []
        self.books: dict[str, Json] = {}
        self.reads: list[str] = []
        self.reading = self.most_reading = 0
        self.may_read = asyncio.Event()
        self.may_read.set()
        self.refusal: int | None = None
        self.retry_after = 0
        self.refused = 0
        self.greeting: list[Json] = []
        self.url = self.streaming_url = ""

    async def push(self, kind: str, payload: object) -> None:
        """Send a message over the newest connection."""
        await self.sockets[-1].send_str(json.dumps([kind, payload]))

    async def push_text(self, text: str) -> None:
        """Send a frame over the newest connection."""
        await self.sockets[-1].send_str(text)

    async def drop(self) -> None:
        """Close the newest connection."""
        await self.sockets.pop().close()

    async def connected(self, count: int = 1) -> None:
        """Wait until so many connections are open."""
        await until(lambda: len(self.sockets) >= count)

    async def commanded(self, count: int) -> None:
        """Wait until so many commands came."""
        await until(lambda: len(self.commands) >= count)

    async def _feed(self, request: web.Request) -> web.StreamResponse:
        if self.refusal is not None:
            self.refused += 1
            headers = {"Retry-After": str(self.retry_after)} if self.retry_after else None
            return web.json_response({"error": "refused"}, status=self.refusal, headers=headers)
        socket = web.WebSocketResponse()
        await socket.prepare(request)
        self.sockets.append(socket)
        for payload in self.greeting:
            await socket.send_str(json.dumps(["orderUpdate", payload]))
        async for message in socket:
            if message.type is WSMsgType.TEXT:
                self.commands.append(json.loads(message.data))
        return socket

    async def _read(self, request: web.Request) -> web.StreamResponse:
        game_id = request.query["gameID"]
        self.reads.append(game_id)
        # The book is that of the moment at which it is asked for.
        found = self.books.get(game_id)
        self.reading += 1
        self.most_reading = max(self.most_reading, self.reading)
        try:
            await self.may_read.wait()
        finally:
            self.reading -= 1
        games = [] if found is None else [found]
        return web.json_response({"data": {"games": games}})


@asynccontextmanager
async def price_server() -> AsyncIterator[PriceServer]:
    """Serve a price feed."""
    server = PriceServer()
    app = web.Application()
    app.router.add_get("/price-stream", server._feed)
    app.router.add_get("/exchange/v2/getOrderbook", server._read)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    try:
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        host, port = runner.addresses[0][:2]
        server.url, server.streaming_url = f"http://{host}:{port}", f"ws://{host}:{port}"
        yield server
    finally:
        await runner.cleanup()


def session_at(server: PriceServer, retry: RetryPolicy = QUICK) -> AsyncSession:
    """Return a session at the server."""
    return AsyncSession(
        "a token of twenty characters or more".replace(" ", "-"),
        base_url=server.url,
        streaming_url=server.streaming_url,
        retry=retry,
    )
