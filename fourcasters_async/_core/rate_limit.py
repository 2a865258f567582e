"""The rate limit that a session keeps, and that sessions behind one address can share."""

import asyncio
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from fourcasters_async._core.sliding_window import SlidingWindow
from fourcasters_async._core.validation import check_count, check_seconds
from fourcasters_async.errors import InvalidRequestError


class RateLimit:
    """At most `requests` requests in any `window` seconds, `reserve` of them kept for cancels.

    The reserve is a tenth by default. A request counts until `window` seconds after its answer.

    The exchange counts requests by address, so sessions that leave from one address should share
    one object: `AsyncSession(…, rate_limit=shared)`. All of them must run in one event loop.
    """

    def __init__(
        self, requests: int = 3000, window: float = 60.0, reserve: int | None = None
    ) -> None:
        check_count(requests, "requests")
        reserve = requests // 10 if reserve is None else check_count(reserve, "reserve", least=0)
        if reserve >= requests:
            raise InvalidRequestError(f"reserve: must be less than requests, not {reserve}")
        self.requests = requests
        """How many requests may be sent in any window."""
        self.window = check_seconds(window, "window")
        """The seconds of a window."""
        self._reserve = reserve
        self._shared = 0
        self._sliding_window: SlidingWindow[asyncio.Future[None]] = SlidingWindow(
            requests, self.window, reserve
        )
        self._timer: asyncio.TimerHandle | None = None

    def admit(self, *, urgent: bool) -> bool:
        """Take a place at once, if there is one and nobody is waiting."""
        return self._sliding_window.admit(urgent=urgent, now=_now())

    @contextmanager
    def share(self, requests: int) -> Iterator["RateLimit"]:
        """Give a part of the limit that nothing else can use up, for as long as the block lasts.

        Entered when the limit is used up, it lets that many more requests through. Raises
        `InvalidRequestError` if the shares together would take more than half, or leave nothing
        for what is not urgent.
        """
        left = self.requests - self._shared - requests
        if 2 * left < self.requests or left <= self._reserve:
            raise InvalidRequestError(
                f"rate_limit: too small to spare {requests} of {self.requests} requests"
            )
        self._shared += requests
        self._sliding_window.set_aside(requests)
        share = RateLimit(requests, self.window, reserve=0)
        try:
            yield share
        finally:
            self._shared -= requests
            # What was sent of it counts at the exchange for as long as a window.
            self._sliding_window.take_back(requests, share._sliding_window.give_up(_now()))
            self._serve()

    async def wait(
        self, place: "asyncio.Future[None]", *, urgent: bool, until: float | None
    ) -> bool:
        """Wait for a place up to the loop time `until`; `False` if none came free by then.

        `place` is a new future, done once there is one; to cancel it is to give up.
        """
        self._sliding_window.wait(place, urgent=urgent)
        self._serve()
        try:
            async with asyncio.timeout_at(until):
                await place
        except BaseException as error:
            self._sliding_window.withdraw(place)
            # One that outlived its loop holds no place, whether it was in the queue or not.
            if place.done() and not place.cancelled():
                self.leave(urgent=urgent, counted=False)
            if isinstance(error, TimeoutError):
                return False
            raise
        return True

    def leave(self, *, urgent: bool, counted: bool) -> None:
        """Give a place back; `counted` is `False` if the request provably never left."""
        if self._sliding_window.leave(urgent=urgent, now=_now(), counted=counted):
            self._serve()

    def _serve(self) -> None:
        if not self._sliding_window.anyone_waiting:
            return
        while due := self._sliding_window.due(_now()):
            for place, urgent in due:
                if place.done() or place.get_loop().is_closed():
                    # Given up, and not yet gone from the queue: the next one gets it.
                    self._sliding_window.leave(urgent=urgent, now=_now(), counted=False)
                else:
                    place.set_result(None)
        if self._timer is not None:
            self._timer.cancel()
        free = self._sliding_window.next_free()
        self._timer = None if free is None else _at(free, self._serve)


def _now() -> float:
    # A request may end with its event loop, and its place has to become free all the same. The
    # clock of the standard loops is the monotonic one, so that it goes on from loop to loop.
    try:
        return asyncio.get_running_loop().time()
    except RuntimeError:
        return time.monotonic()


def _at(when: float, call: Callable[[], None]) -> asyncio.TimerHandle | None:
    try:
        return asyncio.get_running_loop().call_at(when, call)
    except RuntimeError:
        return None
