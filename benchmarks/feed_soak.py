"""Push a day of messages through both feeds, and look at memory and descriptors.

    python benchmarks/feed_soak.py
    python benchmarks/feed_soak.py --prices 100000 --users 17280

One session has live orders, a user feed that nobody reads, and a price feed that is read, with 300
books. Another process pushes as fast as it is read: on the price feed sides of ten orders, on both
connections to the user feed an order that is placed, half matched and cancelled, and then the next.
The default is what comes in 24 hours with two messages a second about own orders. It prints the
memory and the descriptors of the process as it goes on, and exits with 1 if an event of the feeds
is missing, if an order is left, or if there are more descriptors than in the beginning.
"""

import argparse
import asyncio
import gc
import json
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Sequence
from contextlib import AsyncExitStack
from pathlib import Path
from typing import IO, cast

import orjson
from price_feed import GAMES, ORDERS, Pusher, kept, memory, messages
from server import framed

from fourcasters_async import (
    AsyncSession,
    Lagged,
    LiveOrders,
    OrderUpdate,
    PriceFeed,
    UserFeed,
)

_TEXT = 1
_MIB = 2**20
# The messages about one order.
_LIFE = 3
_MARKS = (0.1, 0.25, 0.5, 0.75, 1.0)
_STEP = 500
_WHEN = "2026-11-26T04:02:22.123Z"


def user_message(number: int) -> bytes:
    """Return the frame of a message of the user feed. Three in a row are about one order."""
    order_id = f"{0x65B036DF << 64 | number // _LIFE:024x}"
    terms = {"wagerRequestID": order_id[::-1], "type": "moneyline", "side": "home", "odds": -110}
    left = {"offered": 100, "filled": 0, "remaining": 100}
    matched = None
    if number % _LIFE == 1:
        left = {"offered": 100, "filled": 50, "remaining": 50}
        matched = {"txID": f"{number:024x}", "orderID": order_id, "risk": 50, "win": 45.45, **terms}
    elif number % _LIFE == _LIFE - 1:
        left = {"offered": 0, "filled": 50, "remaining": 0}
    document = {
        "matched": matched,
        "unmatched": {"orderID": order_id, **left, **terms},
        "origin": "offer",
        "gameID": GAMES[number // _LIFE % len(GAMES)],
        "parentGameID": None,
        "eventName": "CELTICS-VS-LAKERS",
        "league": "NBA",
        "sport": "basketball",
        "live": False,
        "start": _WHEN,
        "awayRotationNumber": "501",
        "platform": "api",
        "createdAt": _WHEN,
        "messageID": f"1767225600000-{number + 1}",
    }
    return framed(_TEXT, orjson.dumps(document))


class FeedServer(Pusher):
    """Serves both feeds and what is read beside them, and pushes once it is told to."""

    users: "set[FeedServer]" = set()  # noqa: RUF012  # one server a process
    prices: "set[FeedServer]" = set()  # noqa: RUF012  # as above
    pushing: "asyncio.Task[None] | None" = None

    def connection_lost(self, error: Exception | None) -> None:
        """Push nothing more here."""
        super().connection_lost(error)
        FeedServer.users.discard(self)
        FeedServer.prices.discard(self)

    def _answer(self, head: bytes) -> None:
        path = head.split(b" ", 2)[1]
        if path.startswith(b"/push/"):
            prices, users = map(int, path.decode().split("/")[2:])
            FeedServer.pushing = asyncio.create_task(_push(prices, users))
            self._say({})
        elif path == b"/user/getUnmatched":
            self._say({"data": {"unmatched": []}})
        elif path.startswith(b"/v2/user/messages"):
            self._say({"status": "success", "messages": []})
        else:
            if path.startswith(b"/v2/user"):
                FeedServer.users.add(self)
            elif path.startswith(b"/price-stream"):
                FeedServer.prices.add(self)
            super()._answer(head)

    async def _burst(self, number: int) -> None:
        """Wait until told to push."""

    def _say(self, document: object) -> None:
        body = orjson.dumps(document)
        self._transport.write(
            b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%b" % (len(body), body)
        )

    async def write(self, frames: Sequence[bytes]) -> None:
        """Write frames, as fast as they are read."""
        self._transport.writelines(frames)
        await self._may_write.wait()


async def _push(prices: int, users: int) -> None:
    """Push messages on all connections, those of both feeds evenly."""
    price, sent = messages(), 0
    for start in range(0, prices, _STEP):
        upto = min(start + _STEP, prices)
        frames = [price(number + 1, GAMES[number % len(GAMES)]) for number in range(start, upto)]
        for feed in tuple(FeedServer.prices):
            await feed.write(frames)
        due = users * upto // prices
        frames, sent = [user_message(number) for number in range(sent, due)], due
        for feed in tuple(FeedServer.users):
            await feed.write(frames)
        await asyncio.sleep(0)


async def serve() -> None:
    """Serve until the standard input ends."""
    server = await asyncio.get_running_loop().create_server(FeedServer, "127.0.0.1")
    print(json.dumps(server.sockets[0].getsockname()[1]), flush=True)
    await asyncio.to_thread(sys.stdin.read)
    server.close()


def descriptors() -> int:
    """Return how many descriptors the process has."""
    return len(list(Path("/proc/self/fd").iterdir()))


async def read_prices(feed: PriceFeed, wanted: int, began: float) -> int:
    """Take all messages of the price feed, print what is used meanwhile, and return how many."""
    taken, marks = 0, [int(mark * wanted) for mark in _MARKS]
    async for event in feed:
        if isinstance(event, OrderUpdate):
            taken += 1
        elif isinstance(event, Lagged):
            taken += event.dropped
        while marks and taken >= marks[0]:
            share = marks.pop(0) / wanted
            gc.collect()
            took = time.monotonic() - began
            print(f"| {share:.0%} | {memory() / _MIB:.0f} | {descriptors()} | {took:.0f} s |")
            sys.stdout.flush()
        if taken >= wanted:
            return taken
    return taken


async def count_fills(live: LiveOrders, wanted: int) -> int:
    """Take all fills of the live orders, and return how many came."""
    taken = 0
    async for event in live.fills():
        taken += event.dropped if isinstance(event, Lagged) else 1
        if taken >= wanted:
            break
    return taken


async def count_left(feed: UserFeed, wanted: int) -> Counter[str]:
    """Take what is left of the user feed that nobody has read, and return how much of what."""
    told: Counter[str] = Counter()
    async for event in feed:
        told[type(event).__name__] += event.dropped if isinstance(event, Lagged) else 1
        if told.total() >= wanted:
            break
    return told


async def soak(port: int, options: argparse.Namespace) -> list[str]:
    """Push, look, and return what is wrong."""
    address = f"127.0.0.1:{port}"
    async with AsyncExitStack() as stack:
        session = await stack.enter_async_context(
            AsyncSession(
                "a-token-of-a-benchmark",
                base_url=f"http://{address}",
                streaming_url=f"ws://{address}",
            )
        )
        live = await stack.enter_async_context(session.live_orders())
        unread = await stack.enter_async_context(session.user_feed())
        prices = await stack.enter_async_context(session.price_feed(leagues=["burst 0"]))
        for book in (books := kept(prices)):
            await book.wait_until_current()
        await live.wait_until_current()
        fills = asyncio.create_task(count_fills(live, options.users // _LIFE))
        before = descriptors()
        print(f"| 0% | {memory() / _MIB:.0f} | {before} | 0 s |", flush=True)
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(b"GET /push/%d/%d HTTP/1.1\r\n\r\n" % (options.prices, options.users))
        await reader.readuntil(b"{}")
        writer.close()
        await writer.wait_closed()
        taken = await read_prices(prices, options.prices, time.monotonic())
        told = await count_left(unread, options.users)
        filled = await fills
        after = descriptors()
        print(f"\nthe user feed that nobody read: {dict(told)}; {len(books)} books")
        wrong = {
            "price messages": taken - options.prices,
            "fills": filled - options.users // _LIFE,
            "messages of the user feed": told.total() - options.users,
            "orders that are left": len(live),
            "more descriptors": max(after - before, 0),
        }
        if not live.current:
            wrong["the live orders are not current"] = 1
        return [f"{name}: {number}" for name, number in wrong.items() if number]


def main() -> None:
    """Read the options; serve, or measure."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--prices", type=int, default=1_000_000, help="messages of the price feed")
    parser.add_argument("--users", type=int, default=172_800, help="messages of the user feed")
    parser.add_argument("--serve", action="store_true", help="be the other process")
    options = parser.parse_args()
    if options.serve:
        asyncio.run(serve())
        return
    print(f"{options.prices:,} messages of {ORDERS} orders, {options.users:,} about own orders\n")
    print("| pushed | MiB | descriptors | after |\n| --- | --- | --- | --- |", flush=True)
    command = [sys.executable, str(Path(__file__).resolve()), "--serve"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as pushing:  # noqa: S603  # it is this file
        # Leaving closes its standard input, and so ends it.
        port = json.loads(cast(IO[bytes], pushing.stdout).readline())
        wrong = asyncio.run(soak(port, options))
    print("wrong: " + "; ".join(wrong) if wrong else "nothing is missing")
    sys.exit(1 if wrong else 0)


if __name__ == "__main__":
    main()
