"""Push a day of messages through both feeds, and find out whether memory stays flat.

    python benchmarks/feed_soak.py
    python benchmarks/feed_soak.py --trace
    python benchmarks/feed_soak.py --prices 100000

One session has live orders, a user feed that nobody reads, and a price feed that is read, with 300
books. Another process pushes as fast as it is read: on the price feed sides of ten orders, on both
connections to the user feed an order that is placed, half matched and cancelled, and then the next.
The default is what comes in 24 hours with two messages a second about own orders. After every 20th
of the day 30 games are over: their books are given up, and those of 30 new ones are kept.

At the marks nothing is under way. There it prints what this process has, and the other one has no
part in that: its memory, the objects that the garbage collector knows by their number, the blocks
of Python's allocator (they count texts and numbers too), and the descriptors. With `--trace` there
is the memory that Python code has asked for, too, and where more was asked for. The memory of the
process and the blocks then have the traces in them, and say nothing.

It exits with 1 if an event of the feeds is missing, if an order is left, or if any of these numbers
has grown by more than 2 % (descriptors: by more than 3, memory of the process: by more than 5 %)
from the first mark at which all that is remembered has reached its limit to the end. A day with
fewer messages about own orders than that takes is refused.
"""

import argparse
import asyncio
import gc
import json
import subprocess
import sys
import time
import tracemalloc
from collections import Counter
from collections.abc import Sequence
from contextlib import AsyncExitStack
from pathlib import Path
from typing import IO, cast

import orjson
from attrs import define, field, frozen
from price_feed import ORDERS, Pusher, memory, messages
from server import framed

from fourcasters_async import (
    AsyncSession,
    Lagged,
    LiveBook,
    OrderFilled,
    OrderUpdate,
    PriceFeed,
    UserFeed,
)
from fourcasters_async.feeds.stream import Stream

_TEXT = 1
_MIB = 2**20
# The messages about one order.
_LIFE = 3
# The parts of a day, and after how many of them is looked at what is used.
_PARTS = 20
_MARKS = (2, 5, 10, 15, 20)
# Games that are on at a time, and those of them that are over after a part of the day.
_ON, _OVER = 300, 30
_STEP = 500
# Messages of the user feed after which all that is remembered has reached its limit. The most has
# to come for 20,000 closed orders.
_WARM_UP = 20_000 * _LIFE
# How much more of anything there may be in the end than after the warm-up.
_GROWTH, _MEMORY_GROWTH = 0.02, 0.05
# The audit of live orders and the looks of two user feeds may each make a connection at any time.
_MORE_DESCRIPTORS = 3
# Seconds in which nothing more is under way.
_STILL = 0.5
# Lines of code that are shown with what they have asked for.
_LINES = 10
_WHEN = "2026-11-26T04:02:22.123Z"


def games_in(part: int) -> list[str]:
    """Return the ids of the games that are on in a part of the day."""
    return [f"{0x688C0516 << 64 | part * _OVER + number:024x}" for number in range(_ON)]


def users_before(part: int, users: int) -> int:
    """Return how many messages of the user feed come before a part of the day: whole orders."""
    return users * part // _PARTS // _LIFE * _LIFE


def user_message(number: int, games: Sequence[str]) -> bytes:
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
        "gameID": games[number // _LIFE % len(games)],
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
            part, prices, users = map(int, path.decode().split("/")[2:])
            FeedServer.pushing = asyncio.create_task(_push(part, prices, users))
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


async def _push(part: int, prices: int, users: int) -> None:
    """Push the messages of a part of the day on all connections, those of both feeds evenly."""
    price, games = messages(), games_in(part)
    first, last = prices * part // _PARTS, prices * (part + 1) // _PARTS
    sent, until = users_before(part, users), users_before(part + 1, users)
    first_sent = sent
    for start in range(first, last, _STEP):
        upto = min(start + _STEP, last)
        frames = [price(number + 1, games[number % _ON]) for number in range(start, upto)]
        for feed in tuple(FeedServer.prices):
            await feed.write(frames)
        due = first_sent + (until - first_sent) * (upto - first) // (last - first)
        frames, sent = [user_message(number, games) for number in range(sent, due)], due
        for feed in tuple(FeedServer.users):
            await feed.write(frames)
        await asyncio.sleep(0)


async def serve() -> None:
    """Serve until the standard input ends."""
    server = await asyncio.get_running_loop().create_server(FeedServer, "127.0.0.1")
    print(json.dumps(server.sockets[0].getsockname()[1]), flush=True)
    await asyncio.to_thread(sys.stdin.read)
    server.close()


@frozen
class Use:
    """What the process uses at a mark."""

    part: int
    memory: int
    traced: int
    objects: int
    blocks: int
    descriptors: int
    types: Counter[str] = field(repr=False)

    @classmethod
    def now(cls, part: int) -> "Use":
        """Look at the process."""
        gc.collect()
        types = Counter(type(each).__qualname__ for each in gc.get_objects())
        return cls(
            part,
            memory(),
            tracemalloc.get_traced_memory()[0],
            types.total(),
            sys.getallocatedblocks(),
            len(list(Path("/proc/self/fd").iterdir())),
            types,
        )

    def show(self, after: float) -> None:
        """Print a row of the table."""
        traced = f"{self.traced / _MIB:.1f}" if tracemalloc.is_tracing() else "-"
        print(
            f"| {self.part / _PARTS:.0%} | {self.memory / _MIB:.0f} | {traced} | {self.objects:,} "
            f"| {self.blocks:,} | {self.descriptors} | {after:.0f} s |",
            flush=True,
        )

    def growth_since(self, before: "Use") -> dict[str, str]:
        """Return what has grown by more than it may, and by how much."""
        grown = {}
        limits = {"objects": _GROWTH, "blocks": _GROWTH, "memory": _MEMORY_GROWTH}
        if tracemalloc.is_tracing():
            # The other two have the traces in them, too.
            limits = {"objects": _GROWTH, "traced": _GROWTH}
        for name, most in limits.items():
            was, now = getattr(before, name), getattr(self, name)
            print(f"{name}: {now / was - 1:+.2%}")
            if now > was * (1 + most):
                grown[f"more {name}"] = f"{was:,} to {now:,}"
        if self.descriptors > before.descriptors + _MORE_DESCRIPTORS:
            grown["more descriptors"] = f"{before.descriptors} to {self.descriptors}"
        more = {name: number - before.types[name] for name, number in self.types.items()}
        most_grown = sorted(more.items(), key=lambda each: -each[1])[:5]
        print("types: " + ", ".join(f"{name} {number:+}" for name, number in most_grown))
        return grown


def asked_by_line() -> Counter[str]:
    """Return the bytes that each line of code has asked for, if that is traced."""
    if not tracemalloc.is_tracing():
        return Counter()
    found = tracemalloc.take_snapshot().statistics("lineno")
    return Counter({str(each.traceback): each.size for each in found})


@define
class Prices:
    """The price feed, its books, and how many of its messages were taken."""

    feed: PriceFeed
    books: dict[str, LiveBook] = field(factory=dict)
    taken: int = 0

    async def keep(self, games: Sequence[str]) -> None:
        """Keep the books of these games, and of no others."""
        over = [game_id for game_id in self.books if game_id not in games]
        if over:
            await self.feed.unsubscribe(games=over)
        for game_id in over:
            del self.books[game_id]
        for game_id in games:
            self.books[game_id] = self.feed.order_book(game_id, stale_after=3600.0)
        for book in self.books.values():
            await book.wait_until_current()

    async def take(self, wanted: int) -> None:
        """Take messages until so many were taken."""
        while self.taken < wanted:
            event = await anext(self.feed)
            if isinstance(event, OrderUpdate):
                self.taken += 1
            elif isinstance(event, Lagged):
                self.taken += event.dropped


async def take_fills(fills: "Stream[OrderFilled]", wanted: int) -> int:
    """Take so many fills of the live orders."""
    taken = 0
    while taken < wanted:
        event = await anext(fills)
        taken += event.dropped if isinstance(event, Lagged) else 1
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
        feed = await stack.enter_async_context(session.price_feed(leagues=["burst 0"]))
        prices, fills = Prices(aiter(feed)), live.fills()
        await prices.keep(games_in(0))
        await live.wait_until_current()
        filled, began = 0, time.monotonic()
        use = Use.now(0)
        use.show(0.0)
        warm: Use | None = None
        asked: Counter[str] = Counter()
        for part in range(_PARTS):
            await prices.keep(games_in(part))
            await _tell_to_push(port, part, options)
            await prices.take(options.prices * (part + 1) // _PARTS)
            pushed = users_before(part + 1, options.users)
            filled += await take_fills(fills, pushed // _LIFE - filled)
            if part + 1 in _MARKS:
                await asyncio.sleep(_STILL)
                use = Use.now(part + 1)
                use.show(time.monotonic() - began)
                if warm is None and pushed >= _WARM_UP:
                    warm = use
                    asked = asked_by_line()
        total = users_before(_PARTS, options.users)
        print(f"\nafter the warm-up, to the end; {len(prices.books)} books")
        wrong: dict[str, object] = {} if warm is None else dict(use.growth_since(warm))
        for line, size in (asked_by_line() - asked).most_common(_LINES):
            print(f"{line}: {size / 2**10:+,.0f} KiB")
        told = await count_left(unread, total)
        print(f"\nthe user feed that nobody read: {dict(told)}")
        wrong |= {
            "price messages": prices.taken - options.prices,
            "fills": filled - total // _LIFE,
            "messages of the user feed": told.total() - total,
            "orders that are left": len(live),
            "the live orders are not current": live.doubt,
        }
        return [f"{name}: {number}" for name, number in wrong.items() if number]


async def _tell_to_push(port: int, part: int, options: argparse.Namespace) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(b"GET /push/%d/%d/%d HTTP/1.1\r\n\r\n" % (part, options.prices, options.users))
    await reader.readuntil(b"{}")
    writer.close()
    await writer.wait_closed()


def main() -> None:
    """Read the options; serve, or measure."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--prices", type=int, default=1_000_000, help="messages of the price feed")
    parser.add_argument("--users", type=int, default=172_800, help="messages of the user feed")
    parser.add_argument("--trace", action="store_true", help="trace the memory of Python code")
    parser.add_argument("--serve", action="store_true", help="be the other process")
    options = parser.parse_args()
    if options.serve:
        asyncio.run(serve())
        return
    if users_before(_MARKS[-2], options.users) < _WARM_UP or options.prices < _PARTS:
        parser.error("after so short a day nothing is known of memory")
    print(f"{options.prices:,} messages of {ORDERS} orders, {options.users:,} about own orders\n")
    print("| pushed | MiB | traced MiB | objects | blocks | descriptors | after |")
    print("| --- | --- | --- | --- | --- | --- | --- |", flush=True)
    command = [sys.executable, str(Path(__file__).resolve()), "--serve"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as pushing:  # noqa: S603  # it is this file
        # Leaving closes its standard input, and so ends it.
        port = json.loads(cast(IO[bytes], pushing.stdout).readline())
        if options.trace:
            tracemalloc.start()
        wrong = asyncio.run(soak(port, options))
    print("wrong: " + "; ".join(wrong) if wrong else "memory is flat, and nothing is missing")
    sys.exit(1 if wrong else 0)


if __name__ == "__main__":
    main()
