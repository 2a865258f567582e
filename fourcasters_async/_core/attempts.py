"""The attempts of one request: what they came to so far, and when the next is due. No I/O."""

from typing import Any, Generic, TypeVar

from fourcasters_async._core.outcome import AttemptResult, AttemptStatus, RequestOutcome, conclude
from fourcasters_async._core.pacing import RetryPolicy
from fourcasters_async._core.request import Request
from fourcasters_async.errors import FourcastersError

T = TypeVar("T")


class Attempts(Generic[T]):
    """The attempts of one request, as whoever makes them takes note of them."""

    __slots__ = ("_last", "_made", "_policy", "_request", "_stale", "_unknowns")

    def __init__(self, request: Request[T], policy: RetryPolicy) -> None:
        self._request = request
        self._policy = policy
        self._made = self._unknowns = 0
        self._stale = False
        self._last: AttemptResult[T] | None = None

    def note(self, verdict: AttemptResult[T]) -> float | None:
        """Take note of one; return the seconds to wait before the next, `None` for no next."""
        self._last = verdict
        self._made += 1
        if verdict.attempt is AttemptStatus.ANSWERED:
            return None
        self._unknowns += verdict.attempt is AttemptStatus.UNKNOWN
        pause = self._policy.pause(
            self._request.effect, verdict, attempts=self._made, stale_before=self._stale
        )
        self._stale = self._stale or verdict.stale
        return pause

    def settled(self, stopped: AttemptResult[T] | None = None) -> RequestOutcome[T]:
        """Say what they mean. `stopped` is why there was no other, or none at all."""
        # What an attempt met says more than that there was no time for another.
        last = self._last or stopped
        if last is None:
            raise RuntimeError("nothing was attempted, and nothing says why")
        return conclude(self._request, last, attempts=self._made, unknowns=self._unknowns)


def not_sent(error: FourcastersError) -> AttemptResult[Any]:
    """Return the verdict on an attempt that was not made."""
    return AttemptResult(AttemptStatus.NOT_SENT, error=error)
