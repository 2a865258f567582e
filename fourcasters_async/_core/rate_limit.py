"""The rate limit of a session, which sessions behind one address can share."""

import asyncio
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from fourcasters_async._core.sliding_window import SlidingWindow
from fourcasters_async._core.validation import check_count, check_seconds
from fourcasters_async.errors import InvalidRequestError


class RateLimit(SlidingWindow["asyncio.Future[None]"]):
    """At most `requests` requests in any `window` seconds, `reserve` of them kept for cancels.

    The reserve is a tenth by default. A request counts until `window` seconds after its answer.

    The exchange counts requests by IP address, so sessions behind one address should share one
    object: `AsyncSession(…, rate_limit=shared)`. Their event loops may follow one another, but
    must not run at the same time.
    """

    def __init__(
        self, requests: int = 3000, window: float = 60.0, reserve: int | None = None
    ) -> None:
        check_count(requests, "requests")
        reserve = requests // 10 if reserve is None else check_count(reserve, "reserve", least=0)
        if reserve >= requests:
            raise InvalidRequestError(f"reserve: must be less than requests, not {reserve}")
        self.requests = requests
        """The number of requests that may be sent in any window."""
        self.window = check_seconds(window, "window")
        """The length of a window in seconds."""
        self._shared = 0
        self._timer: asyncio.TimerHandle | None = None
        super().__init__(requests, self.window, reserve)

    @property
    def remaining(self) -> int:
        """How many requests could be sent now without a wait, of those that may not be cancels.

        The reserve is apart: of this many, none is taken from it. It is 0 while requests wait.
        """
        return self.remaining_at(time_now())

    @property
    def remaining_for_cancels(self) -> int:
        """How many cancels could be sent now without a wait: the reserve, and what `remaining` has.

        `remaining` is not beside it but in it: what others send takes places from both.
        """
        return max(0, self._free(time_now())[0])

    def remaining_at(self, now: float) -> int:
        """Return what `remaining` is at a loop time. Any thread can ask."""
        free, ordinary = self._free(now)
        return 0 if self.anyone_waiting else max(0, min(free, ordinary - self._reserve))

    @property
    def waiting(self) -> int:
        """How many requests wait for a place."""
        return sum(map(len, self._waiting.values()))

    @contextmanager
    def share(self, requests: int) -> Iterator["RateLimit"]:
        """Set `requests` of the limit aside inside the block, as a limit of their own.

        If the limit is used up on entry, the share allows that many requests more. Raises
        `InvalidRequestError` if all shares together would exceed half of the limit, or leave no
        place for requests that are not urgent.
        """
        spare = min(self.requests // 2, self.requests - self._reserve - 1)
        if self._shared + requests > spare:
            raise InvalidRequestError(
                f"rate_limit: too small to spare {requests} of {self.requests} requests for a "
                f"dead-man switch: {spare // requests} such switches fit, and {self._shared} of "
                f"the {spare} requests for switches are taken. One switch covers a whole account, "
                "a longer time-out takes fewer requests, and a switch of an OrdersSocket takes none"
            )
        self._shared += requests
        self.set_aside(requests)
        share = RateLimit(requests, self.window, reserve=0)
        try:
            yield share
        finally:
            self._shared -= requests
            # The exchange counts the requests of the share until their window has passed.
            self.take_back(requests, share.give_up(time_now()))
            self.serve()

    async def wait(
        self, place: "asyncio.Future[None]", *, urgent: bool, until: float | None
    ) -> bool:
        """Wait for a place until the loop time `until`; return `False` if none became free.

        `place` is a new future that is done once the request has a place. Cancelling it gives up.
        """
        self.queue(place, urgent=urgent)
        self.serve()
        try:
            async with asyncio.timeout_at(until):
                await place
        except BaseException as error:
            self.withdraw(place)
            # One that outlived its loop holds no place, whether it was in the queue or not.
            if place.done() and not place.cancelled():
                self.leave(urgent=urgent, now=time_now(), counted=False)
                self.serve()
            if isinstance(error, TimeoutError):
                return False
            raise
        return True

    def serve(self) -> None:
        """Give free places to the requests that wait, now and whenever one becomes free."""
        if not self.anyone_waiting:
            return
        while due := self.due(time_now()):
            for place, urgent in due:
                if place.done() or place.get_loop().is_closed():
                    # It gave up, but is still in the queue: the next one gets the place.
                    self.leave(urgent=urgent, now=time_now(), counted=False)
                else:
                    place.set_result(None)
        if self._timer is not None:
            self._timer.cancel()
        free = self.next_free()
        self._timer = None if free is None else _at(free, self.serve)


def time_now() -> float:
    """Return the running event loop's time, or the monotonic clock's if no loop runs."""
    # A request may end after its event loop, and must still give its place back. The standard
    # loops use the monotonic clock, so times from different loops can be compared.
    try:
        return asyncio.get_running_loop().time()
    except RuntimeError:
        return time.monotonic()


def _at(when: float, call: Callable[[], None]) -> asyncio.TimerHandle | None:
    try:
        return asyncio.get_running_loop().call_at(when, call)
    except RuntimeError:
        return None
