"""Compare the proofs of a verified cancel on many games: by the user feed, by a read, by both.

    python benchmarks/feed_proof.py
    python benchmarks/feed_proof.py --games 300 --orders 1 --latency 50 --no-tls

Three sessions, each with an account of its own, cancel what rests on the games, over REST and over
the Orders WebSocket, with `verify=True`. One keeps no live orders: a read after the last answer
proves it. One keeps them, and its reads are not answered: the feed proves it. The third has both,
and whatever comes first proves it. They take turns, in a new random order for each round, on one
server in another process, which answers after `latency` and pushes the cancels to the feed right
after it has answered. The clock runs from the call until the report is there, and only rounds whose
every game is verified clear, by what was to prove it, count.

`round trips` is the time divided by that of a single cancel over the same transport: the median of
the ratios within each round. `by feed` is in how many rounds the feed came first.
"""

import argparse
import asyncio
import gc
import json
import random
import re
import secrets
import ssl
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from functools import partial
from itertools import count
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import cast

import aiohttp
import orjson
from attrs import Factory, define, frozen
from harness import CONNECTIONS, Server, conditions, game_ids, parser_for, show
from server import accepted, frame_at, framed, tls_context

from fourcasters_async import AsyncSession, LiveOrders, OrdersSocket, ProofSource, RateLimit

_LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)", re.IGNORECASE)
_KEY = re.compile(rb"\r\nsec-websocket-key: *([\w+/=]+)", re.IGNORECASE)
_TOKEN = re.compile(rb"\r\nauthorization: *(?:Bearer )?([^\r]+)", re.IGNORECASE)
_SWITCHING = (
    b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    b"Sec-WebSocket-Accept: %b\r\n\r\n"
)
_OK = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%b"
_TEXT, _PING, _PONG = 1, 9, 10
_WARM_UPS = 2
_HOME = "65b036dfb31407c2b6bc1cff"
_WHEN = "2026-11-26T04:02:22.123Z"


@define
class Account:
    """What rests of an account, by game, and the connections of its feed."""

    resting: dict[str, list[str]] = Factory(dict)
    feeds: "set[asyncio.WriteTransport]" = Factory(set)
    readable: bool = True


@define
class Exchange:
    """All accounts, by what proves them."""

    latency: float
    orders: int
    accounts: dict[bytes, Account] = Factory(dict)
    _numbers: Iterator[int] = Factory(count)
    _messages: Iterator[int] = Factory(lambda: count(1))

    def place(self, account: Account, games: Sequence[str]) -> None:
        """Let orders rest on games."""
        for game in games:
            ids = [f"{0x65B036DF << 64 | next(self._numbers):024x}" for _ in range(self.orders)]
            account.resting.setdefault(game, []).extend(ids)
            self._push(account, game, ids, cancelled=False)

    def cancel(self, account: Account, game: str, key: str) -> list[dict[str, object]]:
        """Cancel on a game, and return the results. `key` is the name of an order's id in them."""
        return [
            {
                key: order_id,
                "success": True,
                "description": "Lakers -110",
                "odds": -110,
                "filled": 0,
                "offered": 0,
                "remaining": 100,
                "gameID": game,
                "userReference": "",
            }
            for order_id in account.resting.pop(game, [])
        ]

    def tell(self, account: Account, game: str, ids: Sequence[str]) -> None:
        """Tell the feeds of an account what was cancelled."""
        self._push(account, game, ids, cancelled=True)

    def unmatched(self, account: Account) -> object:
        """Return what a read of the open orders shows."""
        rows = [
            {**_ORDER, "id": order_id, "filled": 0, "game": {"id": game}}
            for game, ids in account.resting.items()
            for order_id in ids
        ]
        return {"data": {"unmatched": rows}}

    def _push(self, account: Account, game: str, ids: Sequence[str], *, cancelled: bool) -> None:
        left = {"offered": 0, "remaining": 0} if cancelled else {"offered": 100, "remaining": 100}
        frames = b"".join(
            framed(
                _TEXT,
                orjson.dumps(
                    {
                        **_EVENT,
                        "gameID": game,
                        "messageID": f"1767225600000-{next(self._messages)}",
                        "unmatched": {**_ORDER, "orderID": order_id, "filled": 0, **left},
                    }
                ),
            )
            for order_id in ids
        )
        for feed in account.feeds:
            feed.write(frames)


_ORDER = {
    "wagerRequestID": "f03b56000000000000000000",
    "type": "moneyline",
    "side": _HOME,
    "participantID": _HOME,
    "odds": -110,
    "offered": 100,
    "remaining": 100,
}
_EVENT = {
    "matched": None,
    "origin": "offer",
    "parentGameID": None,
    "eventName": "CELTICS-VS-LAKERS",
    "league": "NBA",
    "sport": "basketball",
    "live": False,
    "start": _WHEN,
    "awayRotationNumber": "501",
    "platform": "api",
    "createdAt": _WHEN,
}


class Connection(asyncio.Protocol):
    """One connection to the exchange: HTTP, and a WebSocket after a handshake."""

    def __init__(self, exchange: Exchange) -> None:
        self._exchange = exchange
        self._received = b""
        self._account = Account()
        self._upgraded = False
        self._loop = asyncio.get_running_loop()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the transport to answer on."""
        self._transport = cast(asyncio.WriteTransport, transport)

    def connection_lost(self, error: Exception | None) -> None:
        """Push nothing more."""
        del error
        self._account.feeds.discard(self._transport)

    def data_received(self, data: bytes) -> None:
        """Take each complete request or message."""
        self._received += data
        while not self._upgraded and (request := self._cut()) is not None:
            self._serve(*request)
        while self._upgraded and (found := frame_at(self._received, 0)) is not None:
            opcode, payload, at = found
            self._received = self._received[at:]
            if opcode == _PING:
                self._transport.write(framed(_PONG, payload))
            elif opcode == _TEXT:
                self._later(self._message, *orjson.loads(payload))

    def _cut(self) -> tuple[bytes, bytes] | None:
        head, end, rest = self._received.partition(b"\r\n\r\n")
        found = _LENGTH.search(head)
        length = int(found[1]) if found else 0
        if not end or len(rest) < length:
            return None
        self._received = rest[length:]
        return head, rest[:length]

    def _later(self, do: Callable[..., None], *given: object) -> None:
        self._loop.call_later(self._exchange.latency, do, *given)

    def _serve(self, head: bytes, body: bytes) -> None:
        path = head.split(b" ", 2)[1].split(b"?")[0]
        token = _TOKEN.search(head)
        self._account = self._exchange.accounts.setdefault(token[1] if token else b"", Account())
        if (key := _KEY.search(head)) is not None:
            self._upgraded = True
            self._transport.write(_SWITCHING % accepted(key[1]))
            if path == b"/v2/user":
                self._account.feeds.add(self._transport)
        elif path == b"/mute":
            self._account.readable = False
            self._answer({})
        elif path == b"/place":
            self._exchange.place(self._account, orjson.loads(body))
            self._answer({})
        else:
            self._later(self._do, path, body)

    def _do(self, path: bytes, body: bytes) -> None:
        if path == b"/user/getUnmatched" and not self._account.readable:
            return
        if path == b"/user/getUnmatched":
            self._answer(self._exchange.unmatched(self._account))
        elif path == b"/v2/user/messages":
            self._answer({"status": "success", "messages": []})
        elif path == b"/user/getMe":
            self._answer({"data": {"user": {"username": "benchmark"}}})
        else:
            game = orjson.loads(body)["gameID"]
            results = self._exchange.cancel(self._account, game, "sessionID")
            self._answer({"data": results})
            self._exchange.tell(self._account, game, [str(each["sessionID"]) for each in results])

    def _message(self, _: object, payload: dict[str, str]) -> None:
        game = payload["gameId"]
        results = self._exchange.cancel(self._account, game, "orderID")
        answer = {"requestID": payload["requestID"], "data": results}
        self._transport.write(framed(_TEXT, orjson.dumps(answer)))
        self._exchange.tell(self._account, game, [str(each["orderID"]) for each in results])

    def _answer(self, document: object) -> None:
        content = orjson.dumps(document)
        self._transport.write(_OK % (len(content), content))


async def serve(options: argparse.Namespace, ca: Path | None) -> None:
    """Serve until the standard input ends."""
    exchange = Exchange(options.latency / 1000, options.orders)
    server = await asyncio.get_running_loop().create_server(
        lambda: Connection(exchange),
        "127.0.0.1",
        ssl=None if ca is None else tls_context(ca),
        backlog=2048,
    )
    print(
        json.dumps({"port": server.sockets[0].getsockname()[1], "ca": ca and str(ca)}), flush=True
    )
    await asyncio.to_thread(sys.stdin.read)
    server.close()


@asynccontextmanager
async def started(options: argparse.Namespace) -> AsyncIterator[Server]:
    """Run the server in another process, as long as the block runs."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        __file__,
        "--serve",
        f"--latency={options.latency}",
        f"--orders={options.orders}",
        "--tls" if options.tls else "--no-tls",
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
    )
    if process.stdin is None or process.stdout is None:
        raise RuntimeError("the server has no pipes")
    try:
        ready = json.loads(await process.stdout.readline())
        tls = ssl.create_default_context(cafile=ready["ca"]) if options.tls else None
        address = f"{'s' if options.tls else ''}://127.0.0.1:{ready['port']}"
        yield Server(f"http{address}", f"ws{address}/orders/ws", tls)
    finally:
        process.stdin.close()
        await process.wait()


@frozen
class Round:
    """The seconds of a verified cancel, those of a single one, and what proved the former."""

    took: float
    single: float
    source: ProofSource


@frozen
class Client:
    """A session, its way to place, its live orders if any, and what may prove its cancels."""

    session: AsyncSession
    socket: OrdersSocket
    place: Callable[[Sequence[str]], Awaitable[None]]
    live: LiveOrders | None
    sources: frozenset[ProofSource]

    async def cancel(
        self, games: Sequence[str], orders: int, *, over_socket: bool
    ) -> tuple[float, ProofSource]:
        """Cancel what rests on games, and return the seconds until it was proved, and by what."""
        if self.live is not None:
            changes = aiter(self.live)
            await self.place(games)
            while len(self.live) < len(games) * orders:
                await anext(changes)
        else:
            await self.place(games)
        gc.collect()
        verbs = self.socket if over_socket else self.session
        began = time.perf_counter()
        report = await verbs.cancel_all_orders_for_games(games, verify=True)
        took = time.perf_counter() - began
        seen = {outcome.seen_by for outcome in report.outcomes}
        source = report.outcomes[0].seen_by
        if not report.verified_clear or source not in self.sources or len(seen) > 1:
            outcome = next((o for o in report.outcomes if o.resting != []), report.outcomes[0])
            raise RuntimeError(f"not proved by one of {self.sources}, but by {seen}: {outcome}")
        if len(report.results) != len(games) * orders:
            raise RuntimeError(f"{len(report.results)} orders were cancelled")
        return took, source

    async def one(self, game: str, *, over_socket: bool) -> float:
        """Return the seconds of a single cancel, without a proof."""
        verbs = self.socket if over_socket else self.session
        began = time.perf_counter()
        await verbs.cancel_all_orders_for_game(game)
        return time.perf_counter() - began


@asynccontextmanager
async def opened(server: Server, *sources: ProofSource) -> AsyncIterator[Client]:
    """Give a client with open connections, an account of its own, and these ways to a proof."""
    token = secrets.token_hex(16)
    headers = {"Authorization": f"Bearer {token}"}
    async with AsyncExitStack() as stack:
        client = await stack.enter_async_context(
            aiohttp.ClientSession(connector=server.connector(), cookie_jar=aiohttp.DummyCookieJar())
        )
        session = await stack.enter_async_context(
            AsyncSession(
                token,
                base_url=server.url,
                orders_url=server.orders_url,
                streaming_url=server.url.replace("http", "ws", 1),
                client_session=client,
                # All rounds together send more in a minute than the exchange allows.
                rate_limit=RateLimit(requests=10**9, reserve=0),
            )
        )
        await session.warm_up(CONNECTIONS)
        socket = await stack.enter_async_context(session.orders_socket())
        orders = None
        if ProofSource.FEED in sources:
            orders = await stack.enter_async_context(session.live_orders())
            await orders.wait_until_current()

        async def post(path: str, games: Sequence[str] = ()) -> None:
            content = orjson.dumps(list(games))
            async with client.post(f"{server.url}{path}", data=content, headers=headers) as answer:
                answer.raise_for_status()

        if ProofSource.READ not in sources:
            await post("/mute")
        yield Client(session, socket, partial(post, "/place"), orders, frozenset(sources))


async def run(options: argparse.Namespace) -> None:
    """Measure, and print the table."""
    print(f"{options.games} games, {conditions(options)}", flush=True)
    games = game_ids(options.games)
    async with (
        started(options) as server,
        opened(server, ProofSource.READ) as reading,
        opened(server, ProofSource.FEED) as following,
        opened(server, ProofSource.READ, ProofSource.FEED) as racing,
    ):
        clients = {"read": reading, "feed": following, "both": racing}
        ways = {(transport, proof) for transport in ("REST", "socket") for proof in clients}
        order = sorted(ways)
        taken: dict[tuple[str, str], list[Round]] = {way: [] for way in order}
        for _ in range(_WARM_UPS + options.rounds):
            random.shuffle(order)
            for way in order:
                client, over_socket = clients[way[1]], way[0] == "socket"
                one = await client.one(games[0], over_socket=over_socket)
                took, source = await client.cancel(games, options.orders, over_socket=over_socket)
                taken[way].append(Round(took, one, source))
    show(table({way: each[_WARM_UPS:] for way, each in taken.items()}))


def table(taken: dict[tuple[str, str], list[Round]]) -> Iterator[Sequence[str]]:
    """Give the rows of the table."""
    titles = "median ms", "fastest", "slowest", "round trips", "/ read", "by feed"
    yield "verified clear", "proof", *titles
    for (transport, proof), each in taken.items():
        walls = [one.took for one in each]
        by_read = zip(each, taken[transport, "read"], strict=True)
        yield (
            transport,
            proof,
            f"{median(walls) * 1e3:.1f}",
            f"{min(walls) * 1e3:.1f}",
            f"{max(walls) * 1e3:.1f}",
            f"{median(one.took / one.single for one in each):.2f}",
            f"{median(mine.took / other.took for mine, other in by_read):.2f}",
            f"{sum(one.source is ProofSource.FEED for one in each)}/{len(each)}",
        )


def main() -> None:
    """Read the options; serve, or measure."""
    parser = parser_for(__doc__)
    parser.add_argument("--games", type=int, default=100)
    parser.add_argument("--serve", action="store_true", help="be the other process")
    options = parser.parse_args()
    if not options.serve:
        asyncio.run(run(options))
        return
    with TemporaryDirectory() as directory:
        asyncio.run(serve(options, Path(directory) / "ca.pem" if options.tls else None))


if __name__ == "__main__":
    main()
