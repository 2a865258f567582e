"""What one attempt of a request came to, and what all of them together say. No I/O."""

from enum import Enum
from typing import Generic, TypeVar

from attrs import define, frozen

from fourcasters_async._core.request import Effect, Request
from fourcasters_async.errors import FourcastersError, NotSentError, OutcomeUnknownError

T = TypeVar("T")


class AttemptStatus(Enum):
    """How one attempt can end."""

    NOT_SENT = "not sent"
    REFUSED = "refused"
    ANSWERED = "answered"
    UNKNOWN = "unknown"


@frozen
class NoResponse:
    """No answer, and why. `withheld` says that the request provably did not leave.

    `reason` is text: the exceptions of aiohttp hold request headers, and go no further.
    `stale` says that the connection may have been dead before it was used.
    """

    reason: str
    not_sent: bool
    stale: bool = False


@define
class AttemptResult(Generic[T]):
    """What one attempt came to. `error` is set unless it was `ANSWERED`."""

    attempt: AttemptStatus
    value: T | None = None
    error: Exception | None = None
    stale: bool = False


@define
class RequestOutcome(Generic[T]):
    """What all attempts together say. `error` is set unless one was answered.

    `complete` is `False` if an attempt before the answer ended unknown.
    """

    attempt: AttemptStatus
    attempts: int
    value: T | None = None
    error: FourcastersError | None = None
    complete: bool = True


def unanswered(request: Request[T], observed: NoResponse) -> AttemptResult[T]:
    """Put an attempt that was not answered in its class."""
    if observed.not_sent:
        not_sent = NotSentError(f"{request.endpoint}: not sent: {observed.reason}")
        return AttemptResult(AttemptStatus.NOT_SENT, error=not_sent, stale=observed.stale)
    lost = ConnectionError(observed.reason)
    return AttemptResult(AttemptStatus.UNKNOWN, error=lost, stale=observed.stale)


def conclude(
    request: Request[T], last: AttemptResult[T], *, attempts: int, unknowns: int
) -> RequestOutcome[T]:
    """Say what `attempts` attempts mean, of which `unknowns` ended unknown and `last` was last."""
    if last.attempt is AttemptStatus.ANSWERED:
        return RequestOutcome(last.attempt, attempts, value=last.value, complete=unknowns == 0)
    error = last.error
    # A read has no effect to doubt; for the rest, one attempt that may have taken effect
    # outweighs any later one that did not.
    if isinstance(error, FourcastersError) and (request.effect is Effect.READ or not unknowns):
        return RequestOutcome(last.attempt, attempts, error=error)
    doubt = "" if request.effect is Effect.READ else ", so it may have taken effect"
    times = "once" if attempts == 1 else f"{attempts} times"
    reason = str(error).removeprefix(f"{request.endpoint}: ")
    unknown = OutcomeUnknownError(
        f"{request.endpoint}: no usable answer{doubt} (tried {times}): {reason}", attempts=attempts
    )
    unknown.__cause__ = error
    return RequestOutcome(AttemptStatus.UNKNOWN, attempts, error=unknown, complete=False)
