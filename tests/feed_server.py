"""A user feed that does what a test says: a WebSocket, and replays over HTTP."""

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from contextlib import asynccontextmanager
from typing import Any, cast

from aiohttp import WSMsgType, web
from attrs import define, field
from support import until

Document = dict[str, Any]
Answer = Callable[[], Awaitable[web.StreamResponse]]

TOKEN = "token-of-the-feed"


def message_id(number: int) -> str:
    """Return the id of a message. Every third has the millisecond of the one before it."""
    milliseconds, rest = divmod(number, 3)
    return f"{1_758_000_000_000 + milliseconds}-{rest + 9}"


def _document(number: int, matched: Any, unmatched: Any) -> Document:
    return {
        "matched": matched,
        "unmatched": unmatched,
        "origin": "offer",
        "gameID": "game",
        "league": "NBA",
        "live": False,
        "createdAt": "2026-01-01T12:00:00.000Z",
        "messageID": message_id(number),
        "somethingNew": [number],
    }


def _order(**fields: Any) -> Document:
    return {"orderID": "order", "odds": -110, "type": "total", "side": "over", **fields}


def placed(number: int) -> Document:
    return _document(number, None, _order(offered=100, filled=0, remaining=100))


def cancelled(number: int) -> Document:
    return _document(number, None, _order(offered=0, filled=20, remaining=0))


def _fill(number: int) -> Document:
    return {"txID": f"tx{number}", "orderID": "order", "amount": 20.0, "risk": "20.00"}


def maker(number: int) -> Document:
    return _document(number, _fill(number), _order(offered=100, filled=20, remaining="80.00"))


def taker(number: int) -> Document:
    return _document(number, _fill(number), None)


def message(number: int) -> Document:
    """Return a message of one of the four kinds."""
    return (placed, maker, taker, cancelled)[number % 4](number)


@define
class FeedServer:
    """Pushes and replays what a test gives it. `kept` is what can be replayed."""

    url: str = ""
    kept: list[Document] = field(factory=list)
    asked: list[str] = field(factory=list)
    """The `afterID` of each replay."""
    answers: list[Answer] = field(factory=list)
    """What the next replays are answered with, in place of what is kept."""
    refusals: list[int] = field(factory=list)
    """The statuses that the next handshakes are refused with."""
    greeting: list[Document] = field(factory=list)
    """What is pushed on the next connection, before anything else."""
    expired: bool = False
    connections: int = 0
    tokens: list[str] = field(factory=list)
    sockets: list[web.WebSocketResponse] = field(factory=list)

    released: asyncio.Event = field(factory=asyncio.Event)
    """Ends the waiting of the replays that are `stuck`."""

    async def stuck(self) -> web.StreamResponse:
        """Answer a replay with nothing, and late."""
        await self.released.wait()
        return web.Response(status=503)

    async def connected(self, times: int = 1) -> None:
        await until(lambda: self.connections >= times and bool(self.sockets))

    async def push(self, *documents: object) -> None:
        """Push over the newest connection what need not be kept."""
        await self.connected()
        for each in documents:
            content = each if isinstance(each, bytes) else json.dumps(each).encode()
            await self.sockets[-1].send_bytes(content)

    async def tell(self, *documents: Document) -> None:
        """Keep messages, and push them."""
        self.kept += documents
        await self.push(*documents)

    async def drop(self) -> None:
        """Drop the connection without a word."""
        await self.connected()
        socket = self.sockets.pop()
        assert socket._req is not None
        # That of uvloop is no asyncio.Transport.
        cast(asyncio.Transport, socket._req.transport).abort()

    async def _feed(self, request: web.Request) -> web.StreamResponse:
        self.tokens.append(request.headers.get("Authorization", ""))
        if self.refusals:
            return refusal(self.refusals.pop(0))
        socket = web.WebSocketResponse()
        await socket.prepare(request)
        greeting, self.greeting = self.greeting, []
        for each in greeting:
            await socket.send_json(each)
        self.sockets.append(socket)
        self.connections += 1
        async for message in socket:
            assert message.type is not WSMsgType.TEXT
        return socket

    async def _replay(self, request: web.Request) -> web.StreamResponse:
        self.asked.append(request.query.get("afterID", ""))
        self.tokens.append(request.headers.get("Authorization", ""))
        if self.answers:
            return await self.answers.pop(0)()
        after = _key(self.asked[-1])
        newer = [each for each in self.kept if _key(each["messageID"]) > after]
        if self.expired:
            return web.json_response({"status": "cache_expired", "availableMessages": self.kept})
        return web.json_response({"status": "success", "messages": newer})


def refusal(status: int) -> web.Response:
    """Return a refusal in the exchange's own words."""
    return web.json_response({"error": {"message": "refused", "code": status}}, status=status)


def answering(document: object = None, status: int = 200) -> Answer:
    """Return what answers a replay with a document, or bytes that may be none."""

    async def answer() -> web.StreamResponse:
        body = document if isinstance(document, bytes) else json.dumps(document).encode()
        return web.Response(body=body, status=status, content_type="application/json")

    return answer


def replaying(*documents: Document) -> Answer:
    """Return what answers a replay with these messages."""
    return answering({"status": "success", "messages": list(documents)})


def _key(text: str) -> tuple[int, ...]:
    return tuple(int(each) for each in text.split("-"))


@asynccontextmanager
async def feed_server() -> AsyncIterator[FeedServer]:
    server = FeedServer()
    app = web.Application()
    app.router.add_get("/v2/user", server._feed)
    app.router.add_get("/v2/user/messages", server._replay)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    server.url = f"ws://127.0.0.1:{runner.addresses[0][1]}"
    try:
        yield server
    finally:
        server.released.set()
        await asyncio.gather(*[each.close() for each in server.sockets])
        await runner.cleanup()


async def take(feed: Any, count: int) -> list[Any]:
    """Return the next events of a feed."""
    return [await anext(feed) for _ in range(count)]


def ids(events: Iterable[Any]) -> list[str]:
    """Return the ids of events, and the names of those that have none."""
    return [getattr(each, "message_id", type(each).__name__) for each in events]
