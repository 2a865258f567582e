"""The attempts in flight, by what they were sent with, and who waits for their end."""

import asyncio
from collections import deque
from collections.abc import Hashable
from itertools import count
from math import inf
from typing import Generic, TypeVar

K = TypeVar("K", bound=Hashable)


class InFlight(Generic[K]):
    """The attempts in flight with each key, such as a token.

    Who waits, waits only for attempts that began before: with a steady flow of requests there is
    always one in flight.
    """

    def __init__(self) -> None:
        self._numbers = count()
        # Oldest first.
        self._attempts: dict[K, dict[int, None]] = {}
        self._waiting: dict[K, deque[tuple[int, asyncio.Future[None]]]] = {}

    def __contains__(self, key: K) -> bool:
        """Whether an attempt is in flight with `key`."""
        return key in self._attempts

    def attempt(self, key: K | None) -> "_Attempt[K]":
        """Count an attempt with `key` as in flight inside the block; with `None` none."""
        return _Attempt(self, key)

    def begin(self, key: K) -> int:
        """Note that an attempt with `key` begins; return its number."""
        number = next(self._numbers)
        self._attempts.setdefault(key, {})[number] = None
        return number

    def end(self, key: K, number: int) -> None:
        """Note that it has ended."""
        attempts = self._attempts[key]
        del attempts[number]
        if not attempts:
            del self._attempts[key]
        if key in self._waiting:
            self._wake(key, next(iter(attempts), inf))

    def wake(self, key: K) -> None:
        """End every wait for the attempts with `key`."""
        if key in self._waiting:
            self._wake(key, inf)

    def notify(self, key: K, waiter: "asyncio.Future[None]") -> None:
        """Set the result of `waiter` once what is in flight with `key` now has ended."""
        if key not in self._attempts:
            waiter.set_result(None)
            return
        self._waiting.setdefault(key, deque()).append((next(self._numbers), waiter))

    def _wake(self, key: K, oldest: float) -> None:
        waiting = self._waiting[key]
        while waiting and waiting[0][0] < oldest:
            _, waiter = waiting.popleft()
            if not waiter.done():
                waiter.set_result(None)
        if not waiting:
            del self._waiting[key]


class _Attempt(Generic[K]):
    """A block in which an attempt is in flight. A generator would take twice as long."""

    __slots__ = ("_in_flight", "_key", "_number")

    def __init__(self, in_flight: InFlight[K], key: K | None) -> None:
        self._in_flight = in_flight
        self._key = key

    def __enter__(self) -> None:
        if self._key is not None:
            self._number = self._in_flight.begin(self._key)

    def __exit__(self, *_: object) -> None:
        if self._key is not None:
            self._in_flight.end(self._key, self._number)
