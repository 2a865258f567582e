"""An exchange in the memory of its client: the same burst takes the same steps each time.

The loop's clock stands still while anything is done, and jumps while nothing is. A connection is
two transports that hand their bytes over in the next turn of the loop. The exchange is that of
`server.py`; what it does is not metered.
"""

import asyncio
import selectors
import socket
from collections.abc import Callable
from typing import Any, Protocol

from server import Answers, Connection, answer_with

LATENCY = 0.02
# Bytes that asyncio reads at most at once.
_READ = 256 * 1024


class Meter(Protocol):
    """What counts, and can be told to look away."""

    def pause(self) -> None:
        """Stop counting."""

    def resume(self) -> None:
        """Go on counting, if it counted before."""


class NoMeter:
    """Counts nothing."""

    def pause(self) -> None:
        """Do nothing."""

    def resume(self) -> None:
        """Do nothing."""


class _Clock(selectors.SelectSelector):
    now = 1000.0

    def select(self, timeout: float | None = None) -> Any:
        """Let time pass instead of waiting."""
        if timeout is None:
            raise RuntimeError("the loop would wait for ever")
        self.now += max(timeout, 0.0)
        return super().select(0)


class InMemoryLoop(asyncio.SelectorEventLoop):
    """A loop whose connections all lead to an exchange in memory."""

    def __init__(self, orders: int) -> None:
        self._clock = _Clock()
        super().__init__(self._clock)
        self.meter: Meter = NoMeter()
        self._answers: Answers = answer_with(orders)

    def time(self) -> float:
        """Return the time of the clock that jumps."""
        return self._clock.now

    async def sock_connect(self, sock: socket.socket, address: Any) -> None:
        """Connect to nothing: `create_connection` makes the connection."""

    async def create_connection(  # type: ignore[override]  # all that aiohttp uses of it
        self, protocol_factory: Callable[[], asyncio.Protocol], *_: Any, **named: Any
    ) -> tuple[asyncio.Transport, asyncio.Protocol]:
        """Connect to the exchange in memory."""
        named["sock"].close()
        client = protocol_factory()
        exchange = Connection(self._answers, LATENCY)
        ours = InMemoryTransport(self, client)
        theirs = InMemoryTransport(self, exchange)
        ours.send = theirs.receive_unmetered
        theirs.send = ours.receive
        exchange.connection_made(theirs)
        client.connection_made(ours)
        return ours, client


class InMemoryTransport(asyncio.Transport):
    """One end of a connection."""

    send: Callable[[bytes], object]
    """Gives bytes to the other end."""

    def __init__(self, loop: InMemoryLoop, protocol: asyncio.BaseProtocol) -> None:
        super().__init__()
        self._loop = loop
        self._protocol: Any = protocol
        self._closing = False

    def write(self, data: bytes | bytearray | memoryview) -> None:
        """Hand `data` over in the next turn."""
        if not self._closing:
            self._loop.call_soon(self.send, bytes(data))

    def receive(self, data: bytes) -> None:
        """Take what the other end wrote."""
        for at in range(0, len(data), _READ):
            if not self._closing:
                self._protocol.data_received(data[at : at + _READ])

    def receive_unmetered(self, data: bytes) -> None:
        """Take what the client wrote, while nothing is counted."""
        self._loop.meter.pause()
        self.receive(data)
        self._loop.meter.resume()

    def set_protocol(self, protocol: asyncio.BaseProtocol) -> None:
        """Give what comes to another protocol."""
        self._protocol = protocol

    def get_protocol(self) -> asyncio.BaseProtocol:
        """Return the protocol."""
        protocol: asyncio.BaseProtocol = self._protocol
        return protocol

    def is_closing(self) -> bool:
        """Return whether nothing more is written."""
        return self._closing

    def close(self) -> None:
        """Close this end. The other is forgotten with it."""
        if not self._closing:
            self._closing = True
            self._loop.call_soon(self._protocol.connection_lost, None)

    abort = close

    def pause_reading(self) -> None:
        """Do nothing: no answer is so large that it has to wait."""

    resume_reading = pause_reading

    def get_write_buffer_size(self) -> int:
        """Return 0: all was handed over."""
        return 0
