"""How often and how soon a request is repeated, and its attempts so far. No I/O."""

import random
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, Generic, TypeVar

from attrs import Attribute, define, evolve, field, frozen
from attrs.validators import optional

from fourcasters_async._core.outcome import (
    ANSWERED,
    NOT_SENT,
    REFUSED,
    UNKNOWN,
    AnswerTooLargeError,
    AttemptResult,
    RequestOutcome,
    without_answer,
)
from fourcasters_async._core.request import RULES, Request
from fourcasters_async._core.secret import Secret
from fourcasters_async._core.telemetry import Moments
from fourcasters_async._core.validation import check_count, check_seconds
from fourcasters_async.errors import ApiError, DecodeError, RateLimitedError

T = TypeVar("T")

# Of the time left: one attempt that is not answered leaves as much for those after it.
_SHARE = 0.5
# Seconds: less is too short for an answer.
_LEAST_SHARE = 0.25


def _is_seconds(_: object, attribute: "Attribute[float]", value: float) -> None:
    check_seconds(value, attribute.name)


def _is_count(_: object, attribute: "Attribute[int]", value: int) -> None:
    check_count(value, attribute.name)


@frozen(kw_only=True)
class RetryPolicy:
    """How often and how soon a request is repeated, always inside its deadline.

    Cancels and reads are repeated after an attempt that was not sent or that ended unknown, and
    after a 429. Other refusals are final. Placing and editing are not idempotent: they are
    repeated only if they provably were not sent. `RetryPolicy(max_attempts=1)` never repeats.
    """

    max_attempts: int | None = field(default=None, validator=optional(_is_count))
    """Attempts for each request, the first included; `None` for as many as the deadline allows."""
    attempt_timeout: float = field(default=10.0, validator=_is_seconds)
    """Seconds that one attempt may take at most, the body of its answer included.

    It gets half of the time left at most, so that there is time for another. Placing and editing
    are not cut: a taker's order on a live game is answered after up to 10 s.
    """
    connect_timeout: float = field(default=5.0, validator=_is_seconds)
    """Seconds that making one connection may take at most."""
    backoff_base: float = field(default=0.05, validator=_is_seconds)
    """Seconds: the first pause is drawn between 0 and this, and each later range is twice that."""
    backoff_cap: float = field(default=2.0, validator=_is_seconds)
    """Seconds that a drawn pause can take at most."""
    retry_after_cap: float = field(default=60.0, validator=_is_seconds)
    """Seconds of a `Retry-After` that are obeyed at most."""

    def pause(
        self,
        result: AttemptResult[Any],
        *,
        repeatable: bool,
        attempts: int,
        stale_before: bool = False,
        draw: Callable[[float, float], float] = random.uniform,
    ) -> float | None:
        """Return the seconds to wait before the next attempt, or `None` if there is to be none.

        `attempts` have been made, and `result` is that of the last. A request that is not
        `repeatable` may not take effect twice. `stale_before` says that one was already repeated
        at once because its connection had been closed.
        """
        if isinstance(result.error, AnswerTooLargeError):
            return None
        limited = isinstance(result.error, RateLimitedError)
        again = result.status is NOT_SENT or (repeatable and (result.status is UNKNOWN or limited))
        if not again or (self.max_attempts is not None and attempts >= self.max_attempts):
            return None
        if result.stale and not stale_before:
            return 0.0
        return max(self.backoff(attempts, draw), self.asked(result.error))

    def asked(self, error: Exception | None) -> float:
        """Return the seconds of a `Retry-After` that are obeyed, 0 if there was none."""
        seconds = error.retry_after if isinstance(error, ApiError) else None
        return min(seconds or 0.0, self.retry_after_cap)

    def backoff(
        self, failures: int, draw: Callable[[float, float], float] = random.uniform
    ) -> float:
        """Return the seconds to wait after so many failures, drawn anew each time."""
        return draw(0.0, self.longest_backoff(failures))

    def longest_backoff(self, failures: int) -> float:
        """Return the seconds that `backoff` draws at most."""
        # Past 2**32 the cap has long decided.
        return min(self.backoff_cap, self.backoff_base * 2.0 ** min(failures - 1, 32))


@define
class Attempts(Generic[T]):
    """The attempts of one request so far, and the loop time by which it has to be decided.

    `deadline` is `None` until the first attempt is admitted, if the caller gave none. `token` is
    the one that the last attempt used, `None` if it used none. `renewed` says that another token
    was asked for because of a 401, which is done once. `refused` is the last refusal.
    `timed_out` says that the last attempt was not answered in time, and `unusable` that its answer
    could not be the answer to this request. `begun` returns the result of a first attempt that was
    made before, or `None` if it was not made, as long as nobody has asked for it. `moments` are
    those of the last attempt, if anybody is told of them. `under_way` says that there is an attempt
    that may have left and that was not noted yet. `delayed` is called whenever another attempt has
    to follow, or one has to wait because of a 429: who knows another way takes it then.
    """

    request: Request[T]
    policy: RetryPolicy
    deadline: float | None = None
    token: Secret | None = None
    made: int = 0
    renewed: bool = False
    timed_out: bool = False
    unusable: bool = False
    begun: "Callable[[Attempts[T]], Awaitable[AttemptResult[T] | None]] | None" = None
    _unknowns: int = 0
    _stale: bool = False
    _rows: tuple[Any, ...] = ()
    _last: AttemptResult[T] | None = None
    refused: AttemptResult[T] | None = None
    moments: Moments | None = None
    under_way: bool = False
    delayed: Callable[[], object] | None = None

    def tell_of_delay(self) -> None:
        """Tell that it takes longer than one attempt."""
        if self.delayed is not None:
            self.delayed()

    @property
    def tried(self) -> int:
        """How many attempts were made, also if the last was given up before it was noted."""
        return self.made + (self.under_way or self.begun is not None)

    def stop_after_this(self) -> None:
        """Let no other attempt follow the one that is under way."""
        self.policy = evolve(self.policy, max_attempts=1)
        self.renewed = True

    def note(self, result: AttemptResult[T]) -> float | None:
        """Take note of one; return the seconds to wait before the next, `None` for no next."""
        self._last = result
        self.under_way = False
        self.made += 1
        if result.status is REFUSED:
            self.refused = result
        if result.status is ANSWERED:
            return None
        self._unknowns += result.status is UNKNOWN
        if result.rows is not None and not self._may_be_stray(result.rows):
            self._rows += (result.rows,)
        pause = self.policy.pause(
            result,
            repeatable=RULES[self.request.kind].repeatable,
            attempts=self.made,
            stale_before=self._stale,
        )
        self._stale = self._stale or result.stale
        self.timed_out = result.timed_out
        self.unusable = isinstance(result.error, DecodeError)
        return pause

    def time_for_next(self, left: float) -> float:
        """Return the seconds that the next attempt may take, of those left until the deadline."""
        if not RULES[self.request.kind].repeatable:
            return left
        share = max(left * _SHARE, min(left, _LEAST_SHARE))
        return min(share, self.policy.attempt_timeout)

    def outcome(self, stopped: AttemptResult[T] | None = None) -> RequestOutcome[T]:
        """Say what they prove. `stopped` says why there was no other, or none at all."""
        # What an attempt met says more than that there was no time for another.
        last = self._last or stopped
        if last is not None and last.status is NOT_SENT:
            # Something did reach the exchange before, which refused it.
            last = self.refused or last
        if last is None:
            raise RuntimeError("nothing was attempted, and nothing says why")
        if last.status is ANSWERED:
            complete = self._unknowns == 0
            value = self._united(last.value) if self._rows else last.value
            return RequestOutcome(last.status, self.made, value=value, complete=complete)
        return without_answer(
            self.request,
            last,
            attempts=self.made,
            unknowns=self._unknowns,
            read=self._united() if self._rows else None,
        )

    def _may_be_stray(self, rows: Sequence[Any]) -> bool:
        stray: Callable[[Any], str | None] | None = self.request.stray
        return stray is not None and stray([row for row in rows if row is not None]) is not None

    def _united(self, *answer: T | None) -> T | None:
        """Unite the rows that could be read of unknown answers with those of the answer."""
        if self.request.unite is None:
            return answer[0] if answer else None
        united: T = self.request.unite([*self._rows, *answer])
        return united
