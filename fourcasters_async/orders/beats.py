"""The beats of one account over REST, for any number of switches with the same time-out."""

import asyncio
from collections.abc import Callable
from contextlib import AsyncExitStack

from fourcasters_async._core.log import log
from fourcasters_async._core.rate_limit import RateLimit
from fourcasters_async._core.sender import Sender
from fourcasters_async.dead_man import (
    EarlierBeat,
    beat_interval,
    beats_in,
    seconds_awake_or_asleep,
)
from fourcasters_async.errors import InvalidRequestError, NotSentError
from fourcasters_async.orders.heartbeat import acknowledged_seconds, heartbeat_request


class Beats:
    """Sends beats on one connection and one share of the rate limit.

    `open_sender` opens what sends them, given the seconds and the places that it needs.
    """

    def __init__(
        self,
        timeout: int,
        rate_limit: RateLimit,
        open_sender: Callable[[AsyncExitStack, float, int], Sender],
    ) -> None:
        self.users = 0
        """How many switches use them."""
        self.stack: AsyncExitStack = AsyncExitStack()
        """Closes what sends them."""
        self._request = heartbeat_request(timeout)
        self._window = rate_limit.window
        self._open = open_sender
        self._places = beats_in(self._window, timeout)
        self._sender = open_sender(self.stack, timeout, self._places)
        self._interval = beat_interval(timeout, timeout)
        self._lock = asyncio.Lock()
        self._sent = float("-inf")
        self._seconds: float | None = None

    async def beat(self, within: float) -> float | EarlierBeat | None:
        """Send a beat, unless one of another switch was sent less than half an interval ago."""
        clock = asyncio.get_running_loop().time
        until = clock() + within
        try:
            async with asyncio.timeout_at(until):
                await self._lock.acquire()
        except TimeoutError:
            reason = "that of another switch took all the time"
            raise NotSentError(f"{self._request.endpoint}: not sent: {reason}") from None
        try:
            age = seconds_awake_or_asleep() - self._sent
            if self.users > 1 and age < self._interval / 2:
                return EarlierBeat(self._seconds, age)
            sent = seconds_awake_or_asleep()
            answer = await self._sender.call_until(self._request, until)
            seconds = acknowledged_seconds(answer)
            self._sent, self._seconds = sent, seconds
        finally:
            self._lock.release()
        if seconds is not None and seconds > 0:
            self._interval = beat_interval(seconds, seconds)
            self._make_room(seconds)
        return seconds

    def _make_room(self, seconds: float) -> None:
        """Take a larger share if the exchange acknowledged a shorter time-out."""
        needed = beats_in(self._window, seconds)
        if needed <= self._places:
            return
        # Twice as many at least, so that a time that shrinks often takes few shares.
        self._places = max(needed, 2 * self._places)
        try:
            self._sender = self._open(self.stack, seconds, self._places)
        except InvalidRequestError as error:
            log.warning("the rate limit may hold heartbeats back: %s", error)
