"""Which bursts are measured, and who takes part in them."""

import sys
from itertools import product
from typing import Literal

from attrs import frozen

State = Literal["warm", "cold", "idle"]

ONE_ANSWER, BY_HAND = "one answer", "by hand"
# Name: client, event loop.
LIBRARY = {
    "socket": ("socket", "asyncio"),
    "socket, records": ("socket, records", "asyncio"),
    "socket, eager": ("socket", "eager"),
    "socket, uvloop": ("socket", "uvloop"),
    "rest": ("rest", "asyncio"),
    "rest, eager": ("rest", "eager"),
    "rest, uvloop": ("rest", "uvloop"),
}
OTHERS = {
    BY_HAND: (BY_HAND, "asyncio"),
    "by hand, tuned": ("by hand, tuned", "asyncio"),
    "httpx": ("httpx", "asyncio"),
    "niquests": ("niquests", "asyncio"),
    "threads": ("threads", "asyncio"),
    "fetch": ("fetch", ""),
}
LIMITS = {
    "bare": ("bare", "asyncio"),
    "bare, records": ("bare, records", "asyncio"),
}
CONTESTANTS = {ONE_ANSWER: ("socket", "asyncio"), **LIBRARY, **OTHERS, **LIMITS}
# httpx takes ten seconds and more for 1,000 games. fetch opens a connection for each game, and with
# thousands the mock's handshakes would be what is measured.
_MOST_GAMES = {"httpx": 1000, "fetch": 1000}
# What is slow by itself says nothing more with other orders and delays.
_ONCE = {"httpx"}
# fetch cannot forget its connections.
_NEVER_COLD = {"fetch"}


@frozen
class Case:
    """A burst of so many games, with so many orders each; an answer takes `delay` milliseconds."""

    state: State
    games: int
    orders: int
    delay: float

    def __str__(self) -> str:
        """Return what tells it from other cases."""
        return f"{self.state}, {self.games} games, {self.orders} orders, {self.delay:g} ms"

    def takes(self, name: str) -> bool:
        """Return whether a contestant takes part."""
        if self.games > _MOST_GAMES.get(name, self.games):
            return False
        if name in _ONCE and self.games > 100 and (self.orders, self.delay) != (10, 20):  # noqa: PLR2004  # the usual case
            return False
        if name in _NEVER_COLD and self.state == "cold":
            return False
        return not (name.endswith("eager") and sys.version_info < (3, 12))


def quick() -> list[Case]:
    """Return the cases that show the most, in ten minutes."""
    return [
        *(Case("warm", games, 10, 20) for games in (1, 10, 100, 1000, 5000)),
        Case("cold", 100, 10, 20),
        Case("idle", 100, 10, 20),
    ]


def full() -> list[Case]:
    """Return all cases: one thing at a time differs from 10 orders and 20 ms."""
    cases = [
        *(Case("warm", games, 10, 20) for games in (1, 10, 100, 1000, 5000)),
        *(Case("warm", games, orders, 20) for games, orders in product((100, 1000), (1, 100))),
        *(Case("warm", games, 10, delay) for games, delay in product((100, 1000), (5, 80))),
        *(Case("cold", games, 10, 20) for games in (1, 100, 1000)),
        *(Case("idle", games, 10, 20) for games in (100, 1000)),
    ]
    return list(dict.fromkeys(cases))
