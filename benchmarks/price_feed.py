"""Measure what the price feed costs: a firehose at a steady rate, and a burst.

    python benchmarks/price_feed.py --rate 5000 --seconds 10 --burst 100000

Another process pushes one `orderUpdate` after the other, each a side of ten orders of one of 300
games. At the steady rate the table shows the share of one core that the library takes, and the
greatest time from the moment a message was due until it was handed to the consumer. For the burst
it shows the memory of the process: before, at most, and after.
"""

import argparse
import asyncio
import gc
import json
import os
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import IO, cast

import orjson
from attrs import define, frozen
from server import accepted, frame_at, framed

from fourcasters_async import AsyncSession, Lagged, LiveBook, OrderUpdate, PriceFeed

GAMES = [f"{0x688C0516 << 64 | number:024x}" for number in range(300)]
ORDERS = 10
_HOME, _AWAY = "65b036dfb31407c2b6bc1cff", "65b036dfb31407c2b6bc1cfe"
_TEXT, _PING, _PONG = 1, 9, 10
_KEY = b"\r\nsec-websocket-key:"
# Bytes that wait to be written before the burst pauses.
_WRITTEN_AHEAD = 2**20
_MIB = 2**20
# Seconds between two pushes of the firehose, and between two looks at the memory.
_TICK = 0.001
_LOOK = 0.01


def messages() -> Callable[[int, str], bytes]:
    """Return what makes the frame of an update from its epoch and its game."""
    orders = [
        {
            "id": f"{0x65B036DF << 64 | number:024x}",
            "type": "spread",
            "sumUntaken": 100.5 + number,
            "odds": -110 + number,
            "bet": 100.5,
            "takenRatio": 0.25,
            "expiry": None,
            "createdAt": "2026-11-26T04:02:22.123Z",
            "gameStartExpiry": True,
            "gameID": "the game",
            "participantID": _HOME,
            "spread": -3.5,
        }
        for number in range(ORDERS)
    ]
    payload = {
        "epoch": 1234567890123456789,
        "gameID": "the game",
        "parentGameID": None,
        "sport": "basketball",
        "league": "NBA",
        "live": False,
        "type": "spread",
        "participantID": _HOME,
        "market": "main",
        "side": _HOME,
        "OU": None,
        "total": None,
        "spread": -3.5,
        "mainHomeSpread": "-3.5",
        "mainAwaySpread": "3.5",
        "mainTotal": "220.5",
        "sideOrders": orders,
    }
    around_epoch = orjson.dumps(["orderUpdate", payload]).split(b"1234567890123456789")

    def message(epoch: int, game_id: str) -> bytes:
        text = (b"%d" % epoch).join(around_epoch)
        return framed(_TEXT, text.replace(b'"the game"', b'"%b"' % game_id.encode()))

    return message


class Pusher(asyncio.Protocol):
    """Pushes what the first command names: `rate N` for a firehose, `burst N` for a burst."""

    def __init__(self) -> None:
        self._message = messages()
        self._received = b""
        self._upgraded = False
        self._pushing: asyncio.Task[None] | None = None
        self._may_write = asyncio.Event()
        self._may_write.set()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the transport to push on."""
        self._transport = cast(asyncio.WriteTransport, transport)
        self._transport.set_write_buffer_limits(_WRITTEN_AHEAD)

    def connection_lost(self, error: Exception | None) -> None:
        """Push no more."""
        del error
        if self._pushing is not None:
            self._pushing.cancel()

    def pause_writing(self) -> None:
        """Wait with the burst."""
        self._may_write.clear()

    def resume_writing(self) -> None:
        """Go on with the burst."""
        self._may_write.set()

    def data_received(self, data: bytes) -> None:
        """Answer a read or a handshake, and obey the first command."""
        self._received += data
        if not self._upgraded:
            head, end, rest = self._received.partition(b"\r\n\r\n")
            if not end:
                return
            self._received = rest
            self._answer(head)
        while self._upgraded and (found := frame_at(self._received, 0)) is not None:
            opcode, payload, at = found
            self._received = self._received[at:]
            if opcode == _PING:
                self._transport.write(framed(_PONG, payload))
            elif opcode == _TEXT and self._pushing is None:
                kind, number = orjson.loads(payload)["leagueIDs"][0].split()
                push = self._burst if kind == "burst" else self._firehose
                self._pushing = asyncio.create_task(push(int(number)))

    def _answer(self, head: bytes) -> None:
        at = head.lower().find(_KEY)
        if at >= 0:
            key = head[at + len(_KEY) :].split(b"\r\n")[0].strip()
            self._upgraded = True
            self._transport.write(
                b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n"
                b"Connection: Upgrade\r\nSec-WebSocket-Accept: %b\r\n\r\n" % accepted(key)
            )
            return
        game_id = head.split(b"gameID=")[1].split()[0].decode()
        teams = [{"id": _AWAY, "homeAway": "away"}, {"id": _HOME, "homeAway": "home"}]
        body = orjson.dumps({"data": {"games": [{"id": game_id, "participants": teams}]}})
        self._transport.write(
            b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%b" % (len(body), body)
        )

    async def _firehose(self, rate: int) -> None:
        began, sent = time.monotonic_ns(), 0
        while True:
            due = (time.monotonic_ns() - began) * rate // 10**9
            epochs = [began + number * 10**9 // rate for number in range(sent, due)]
            self._transport.writelines(
                [self._message(epoch, GAMES[epoch % len(GAMES)]) for epoch in epochs]
            )
            sent = due
            await asyncio.sleep(_TICK)

    async def _burst(self, number: int) -> None:
        for epoch in range(1, number + 1):
            self._transport.write(self._message(epoch, GAMES[epoch % len(GAMES)]))
            if epoch % 100 == 0:
                await self._may_write.wait()
                await asyncio.sleep(0)


async def serve() -> None:
    """Serve until the standard input ends."""
    server = await asyncio.get_running_loop().create_server(Pusher, "127.0.0.1")
    print(json.dumps(server.sockets[0].getsockname()[1]), flush=True)
    await asyncio.to_thread(sys.stdin.read)
    server.close()


@frozen
class Use:
    """How a feed is used: whether somebody iterates, and whether the books are kept."""

    name: str
    iterated: bool
    books: bool


USES = [
    Use("no books, no consumer", iterated=False, books=False),
    Use("300 books, no consumer", iterated=False, books=True),
    Use("no books, a consumer", iterated=True, books=False),
    Use("300 books, a consumer", iterated=True, books=True),
]


@define
class Consumer:
    """Takes every event, and keeps the greatest lag."""

    taken: int = 0
    dropped: int = 0
    lag: float = 0.0

    async def consume(self, feed: PriceFeed, most: int | None = None) -> None:
        """Take events, `most` of them where that is given."""
        async for event in feed:
            if isinstance(event, OrderUpdate):
                self.taken += 1
                self.lag = max(self.lag, (time.monotonic_ns() - int(event.epoch or 0)) / 1e9)
            elif isinstance(event, Lagged):
                self.dropped += event.dropped
            if most is not None and self.taken + self.dropped >= most:
                return


@asynccontextmanager
async def opened(port: int, command: str) -> AsyncIterator[PriceFeed]:
    """Give a feed that is pushed what the command names."""
    async with (
        AsyncSession(
            "a-token-of-a-benchmark",
            base_url=f"http://127.0.0.1:{port}",
            streaming_url=f"ws://127.0.0.1:{port}",
        ) as session,
        session.price_feed(leagues=[command]) as feed,
    ):
        yield feed


def kept(feed: PriceFeed) -> list[LiveBook]:
    """Return the books of all games, kept by the feed."""
    return [feed.order_book(game_id, stale_after=3600.0) for game_id in GAMES]


async def firehose(port: int, use: Use, rate: int, seconds: float) -> str:
    """Return a row of the table of the steady rate."""
    consumer = Consumer()
    async with opened(port, f"rate {rate}") as feed, asyncio.TaskGroup() as group:
        books = kept(feed) if use.books else []
        for book in books:
            await book.wait_until_current()
        consuming = group.create_task(consumer.consume(feed)) if use.iterated else None
        await asyncio.sleep(1.0)
        consumer.lag, consumer.taken = 0.0, 0
        cpu, wall = time.process_time(), time.monotonic()
        await asyncio.sleep(seconds)
        share = (time.process_time() - cpu) / (time.monotonic() - wall)
        if consuming is not None:
            consuming.cancel()
    seen = "- | - | -"
    if use.iterated:
        handed = consumer.taken / seconds
        seen = f"{handed:,.0f}/s | {share / handed * 1e6:.0f} us | {consumer.lag * 1e3:.0f} ms"
    return f"| {use.name} | {share:.0%} | {seen} |"


def memory() -> int:
    """Return the bytes of memory that the process has."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE")


@define
class Memory:
    """The memory of the process, looked at again and again."""

    most: int = 0

    async def look(self) -> None:
        """Look until cancelled."""
        while True:
            self.most = max(self.most, memory())
            await asyncio.sleep(_LOOK)


async def burst(port: int, number: int, *, stalled: bool) -> str:
    """Return a row of the table of the burst, for a consumer that takes all or that takes none."""
    gc.collect()
    before, looked, consumer = memory(), Memory(), Consumer()
    began = time.monotonic()
    async with opened(port, f"burst {number}") as feed:
        looking = asyncio.create_task(looked.look())
        events, books = aiter(feed), kept(feed)
        if stalled:
            await _until_still(books)
        await consumer.consume(events, number)
        took = time.monotonic() - began
        looking.cancel()
        with suppress(asyncio.CancelledError):
            await looking
    gc.collect()
    who = "takes none until the end" if stalled else "takes all"
    sizes = " | ".join(f"{each / _MIB:.0f}" for each in (before, looked.most, memory()))
    return f"| {who} | {sizes} | {consumer.taken:,} | {consumer.dropped:,} | {took:.1f} s |"


async def _until_still(books: list[LiveBook]) -> None:
    """Wait until nothing has changed in any book for a second."""
    youngest = 0.0
    while youngest < 1.0:
        await asyncio.sleep(1.0 - youngest)
        youngest = min(book.age or 0.0 for book in books)


async def measure(port: int, options: argparse.Namespace) -> None:
    """Print both tables."""
    print(f"{options.rate:,} messages/s of {ORDERS} orders for {options.seconds:g} s\n")
    print("| the feed has | share of a core | handed on | CPU a message | greatest lag |")
    print("| --- | --- | --- | --- | --- |")
    for use in USES:
        print(await firehose(port, use, options.rate, options.seconds), flush=True)
    print(f"\na burst of {options.burst:,} messages, 300 books\n")
    print("| the consumer | MiB before | at most | after | taken | dropped | in |")
    print("| --- | --- | --- | --- | --- | --- | --- |")
    for stalled in (False, True):
        print(await burst(port, options.burst, stalled=stalled), flush=True)


def main() -> None:
    """Read the options; serve, or measure."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rate", type=int, default=5000, help="messages a second")
    parser.add_argument("--seconds", type=float, default=10.0, help="how long each is measured")
    parser.add_argument("--burst", type=int, default=100_000, help="messages of the burst")
    parser.add_argument("--serve", action="store_true", help="be the other process")
    options = parser.parse_args()
    if options.serve:
        asyncio.run(serve())
        return
    command = [sys.executable, __file__, "--serve"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as pushing:  # noqa: S603  # it is this file
        # Leaving closes its standard input, and so ends it.
        asyncio.run(measure(json.loads(cast(IO[bytes], pushing.stdout).readline()), options))


if __name__ == "__main__":
    main()
