"""When a request may go: the sliding window and the backoff. The clock is passed in."""

import random
from collections import OrderedDict, deque
from collections.abc import Callable, Hashable
from typing import Any, Generic, TypeVar

from attrs import Attribute, field, frozen

from fourcasters_async._core.outcome import AttemptResult, AttemptStatus
from fourcasters_async._core.request import Effect
from fourcasters_async._core.validation import check_count, check_seconds
from fourcasters_async.errors import RateLimitedError

_Ticket = TypeVar("_Ticket", bound=Hashable)


def _is_seconds(_: object, attribute: "Attribute[float]", value: float) -> None:
    check_seconds(value, attribute.name)


def _is_count(_: object, attribute: "Attribute[int]", value: int) -> None:
    check_count(value, attribute.name)


@frozen(kw_only=True)
class RetryPolicy:
    """How often and how soon a request is repeated, always inside its deadline.

    Cancels and reads are repeated after an attempt that was not sent or that ended unknown, and
    after a 429. Other refusals are final, and what places orders is repeated only if it was not
    sent. `RetryPolicy(max_attempts=1)` never repeats.
    """

    max_attempts: int = field(default=8, validator=_is_count)
    """Attempts a request, the first included."""
    attempt_timeout: float = field(default=10.0, validator=_is_seconds)
    """Seconds that one attempt may take at the most, its answer's body included."""
    connect_timeout: float = field(default=5.0, validator=_is_seconds)
    """Seconds that making one connection may take at the most."""
    backoff_base: float = field(default=0.05, validator=_is_seconds)
    """Seconds: the first pause is drawn between 0 and this, each later one from twice as far."""
    backoff_cap: float = field(default=2.0, validator=_is_seconds)
    """Seconds that a drawn pause can take at the most."""
    retry_after_cap: float = field(default=60.0, validator=_is_seconds)
    """Seconds of a `Retry-After` that are obeyed at the most."""

    def pause(
        self,
        effect: Effect,
        verdict: AttemptResult[Any],
        *,
        attempts: int,
        stale_before: bool = False,
        draw: Callable[[float, float], float] = random.uniform,
    ) -> float | None:
        """Return the seconds to wait before the next attempt, or `None` where there is to be none.

        `attempts` have been made, of which `verdict` was the last; `stale_before` says that one
        was already repeated at once because its connection had been closed.
        """
        limited = verdict.error if isinstance(verdict.error, RateLimitedError) else None
        again = verdict.attempt is AttemptStatus.NOT_SENT or (
            effect is not Effect.PLACE
            and (verdict.attempt is AttemptStatus.UNKNOWN or limited is not None)
        )
        if not again or attempts >= self.max_attempts:
            return None
        if verdict.stale and not stale_before:
            return 0.0
        if limited is not None and limited.retry_after is not None:
            return min(limited.retry_after, self.retry_after_cap)
        return self.backoff(attempts, draw)

    def backoff(
        self, failures: int, draw: Callable[[float, float], float] = random.uniform
    ) -> float:
        """Return the seconds to wait after so many failures, drawn anew each time."""
        # Past 2**32 the cap has long decided.
        return draw(0.0, min(self.backoff_cap, self.backoff_base * 2.0 ** min(failures - 1, 32)))


class SlidingWindow(Generic[_Ticket]):
    """Who may send now: at most `limit` requests in any `window` seconds.

    A request counts from the moment it is admitted until `window` seconds after its answer: the
    exchange counts it somewhere in between, so its own window is never overrun, however long
    either way takes. The last `reserve` places are kept for urgent requests: the others never
    hold more than `limit - reserve`. Beyond the reserve all are served in the order they came.
    """

    def __init__(self, limit: int, window: float, reserve: int) -> None:
        self._limit = limit
        self._window = window
        self._reserve = reserve
        self._held = {True: 0, False: 0}
        self._ended: deque[tuple[float, bool]] = deque()
        self._waiting: dict[bool, OrderedDict[_Ticket, int]] = {
            True: OrderedDict(),
            False: OrderedDict(),
        }
        self._arrivals = 0

    def admit(self, *, urgent: bool, now: float) -> bool:
        """Take a place at once if there is one and nobody is waiting."""
        self._forget(now)
        if self.anyone_waiting or not self._fits(urgent=urgent):
            return False
        self._held[urgent] += 1
        return True

    def wait(self, ticket: _Ticket, *, urgent: bool) -> None:
        """Queue `ticket` up; `due` names it once it holds a place."""
        self._arrivals += 1
        self._waiting[urgent][ticket] = self._arrivals

    def withdraw(self, ticket: _Ticket) -> bool:
        """Take `ticket` out of the queue; `False` if it was not in it."""
        return any(queue.pop(ticket, None) is not None for queue in self._waiting.values())

    def in_window(self, now: float) -> int:
        """Return how many places are held or not yet free again."""
        self._forget(now)
        return sum(self._held.values())

    def set_aside(self, places: int) -> None:
        """Take `places` out of the limit, or with a negative number put them back."""
        self._limit -= places

    def leave(self, *, urgent: bool, now: float, counted: bool) -> None:
        """End a request at `now`; one that cannot have counted frees its place at once."""
        if counted:
            self._ended.append((now, urgent))
        else:
            self._held[urgent] -= 1

    @property
    def anyone_waiting(self) -> bool:
        """Whether the queue holds anyone."""
        return bool(self._waiting[True] or self._waiting[False])

    def due(self, now: float) -> list[tuple[_Ticket, bool]]:
        """Give the free places to those who wait; return their tickets and which are urgent."""
        self._forget(now)
        admitted: list[tuple[_Ticket, bool]] = []
        while (urgent := self._next()) is not None:
            ticket, _ = self._waiting[urgent].popitem(last=False)
            self._held[urgent] += 1
            admitted.append((ticket, urgent))
        return admitted

    def next_free(self) -> float | None:
        """Return when the next place becomes free for one who waits, if that is known yet."""
        if not (self._ended and self.anyone_waiting):
            return None
        return self._ended[0][0] + self._window

    def _forget(self, now: float) -> None:
        while self._ended and self._ended[0][0] + self._window <= now:
            self._held[self._ended.popleft()[1]] -= 1

    def _fits(self, *, urgent: bool) -> bool:
        if self._held[True] + self._held[False] >= self._limit:
            return False
        return urgent or self._held[False] < self._limit - self._reserve

    def _next(self) -> bool | None:
        """Return whether the next to be served is urgent, `None` if nobody can be."""
        servable = [
            kind for kind in (True, False) if self._waiting[kind] and self._fits(urgent=kind)
        ]
        if len(servable) == 2 and self._held[True] >= self._reserve:  # noqa: PLR2004  # both kinds
            return min(servable, key=lambda kind: next(iter(self._waiting[kind].values())))
        return servable[0] if servable else None
