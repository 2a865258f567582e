"""The rate limit that a session keeps, and that sessions behind one address can share."""

import asyncio

from fourcasters_async._pacing import Admission
from fourcasters_async.errors import InvalidRequestError


class RateLimit:
    """At most `requests` requests in any `window` seconds, `reserve` of them kept for cancels.

    The exchange counts requests by address, so sessions that leave from one address should share
    one object: `AsyncSession(…, rate_limit=shared)`. All of them must run in one event loop.
    """

    def __init__(self, requests: int = 3000, window: float = 60.0, reserve: int = 300) -> None:
        if requests < 1:
            raise InvalidRequestError(f"requests: must be at least 1, not {requests!r}")
        if not window > 0:
            raise InvalidRequestError(f"window: must be more than 0 seconds, not {window!r}")
        if not 0 <= reserve < requests:
            raise InvalidRequestError(
                f"reserve: must be at least 0 and less than requests, not {reserve!r}"
            )
        self._admission: Admission[asyncio.Future[None]] = Admission(requests, window, reserve)
        self._timer: asyncio.TimerHandle | None = None

    def admit(self, *, urgent: bool) -> bool:
        """Take a place at once, if there is one and nobody is waiting."""
        return self._admission.admit(urgent=urgent, now=_now())

    async def wait(self, *, urgent: bool, until: float | None) -> bool:
        """Wait for a place up to the loop time `until`; `False` if none came free by then."""
        place = asyncio.get_running_loop().create_future()
        self._admission.wait(place, urgent=urgent)
        self._serve()
        try:
            async with asyncio.timeout_at(until):
                await place
        except BaseException as error:
            if not self._admission.withdraw(place) and not place.cancelled():
                self.leave(urgent=urgent, counted=False)
            if isinstance(error, TimeoutError):
                return False
            raise
        return True

    def leave(self, *, urgent: bool, counted: bool) -> None:
        """Give a place back; `counted` is `False` if the request provably never left."""
        self._admission.leave(urgent=urgent, now=_now(), counted=counted)
        self._serve()

    def _serve(self) -> None:
        if not self._admission.anyone_waiting:
            return
        for place, urgent in self._admission.due(_now()):
            if place.done():
                self._admission.leave(urgent=urgent, now=_now(), counted=False)
            else:
                place.set_result(None)
        if self._timer is not None:
            self._timer.cancel()
        free = self._admission.next_free()
        loop = asyncio.get_running_loop()
        self._timer = None if free is None else loop.call_at(free, self._serve)


def _now() -> float:
    return asyncio.get_running_loop().time()
