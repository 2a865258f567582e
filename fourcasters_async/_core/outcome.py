"""What one attempt of a request proves, and what all of them prove together. No I/O."""

from collections.abc import Sequence
from enum import Enum
from typing import TYPE_CHECKING, Any, Generic, TypeVar, final

from attrs import define, frozen

from fourcasters_async._core.request import RULES, Request
from fourcasters_async.errors import ApiError, FourcastersError, NotSentError, OutcomeUnknownError

T = TypeVar("T")


class AttemptStatus(Enum):
    """How one attempt can end."""

    NOT_SENT = "not sent"
    REFUSED = "refused"
    ANSWERED = "answered"
    UNKNOWN = "unknown"

    if TYPE_CHECKING:

        def __hash__(self) -> int: ...

    else:
        # As for `Kind`: each attempt is counted by it.
        __hash__ = object.__hash__


# For what every attempt passes: on Python 3.11 to read a member of an enumeration takes as long as
# ten other names, and all of them together took 1 % of a request.
NOT_SENT, REFUSED = AttemptStatus.NOT_SENT, AttemptStatus.REFUSED
ANSWERED, UNKNOWN = AttemptStatus.ANSWERED, AttemptStatus.UNKNOWN


@final
@frozen
class NoResponse:
    """No answer came, for this `reason`. `not_sent` says that the request provably did not leave.

    `reason` is text, because the exceptions of aiohttp hold request headers. `stale` says that the
    connection may have been dead before it was used, and `timed_out` that its time was up.
    `too_large` says that the answer exceeds its limit, which another attempt would meet again.
    """

    reason: str
    not_sent: bool
    stale: bool = False
    timed_out: bool = False
    too_large: bool = False


class AnswerTooLargeError(ConnectionError):
    """An answer exceeds the limit of its kind. Another attempt would get the same."""


@define
class AttemptResult(Generic[T]):
    """What one attempt proves. `error` is set unless it was `ANSWERED`.

    `final` says that no attempt was made and that none is to follow. `rows` are the rows of an
    unknown answer that could be read, with `None` in the place of the others.
    """

    status: AttemptStatus
    value: T | None = None
    error: Exception | None = None
    stale: bool = False
    timed_out: bool = False
    final: bool = False
    rows: Sequence[Any] | None = None


@define
class RequestOutcome(Generic[T]):
    """What all attempts together prove. `error` is set unless one was answered.

    `complete` is `False` if an attempt before the answer ended unknown. `value` is the answer, or
    without one the rows that could be read.
    """

    status: AttemptStatus
    attempts: int
    value: T | None = None
    error: FourcastersError | None = None
    complete: bool = True


def is_refused(result: AttemptResult[T], kind: type[ApiError]) -> bool:
    """Whether an attempt was refused with an error of a kind."""
    return result.status is REFUSED and isinstance(result.error, kind)


def is_too_large(error: BaseException) -> bool:
    """Whether a request failed because its answer exceeds the limit."""
    return isinstance(error.__cause__, AnswerTooLargeError)


def not_attempted(error: FourcastersError) -> AttemptResult[Any]:
    """Return the result of an attempt that was not made, after which none is to follow."""
    return AttemptResult(AttemptStatus.NOT_SENT, error=error, final=True)


def unanswered(request: Request[T], observed: NoResponse) -> AttemptResult[T]:
    """Say what an attempt proves to which no answer came."""
    if observed.not_sent:
        not_sent = NotSentError(f"{request.endpoint}: not sent: {observed.reason}")
        return AttemptResult(AttemptStatus.NOT_SENT, error=not_sent, stale=observed.stale)
    lost = (AnswerTooLargeError if observed.too_large else ConnectionError)(observed.reason)
    return AttemptResult(
        AttemptStatus.UNKNOWN, error=lost, stale=observed.stale, timed_out=observed.timed_out
    )


def without_answer(
    request: Request[T],
    last: AttemptResult[T],
    *,
    attempts: int,
    unknowns: int,
    read: T | None = None,
) -> RequestOutcome[T]:
    """Say what `attempts` attempts prove of which none was answered.

    `unknowns` of them ended unknown, and `last` was the last. `read` is what could be read of them.
    """
    error, has_effect = last.error, RULES[request.kind].has_effect
    # One attempt that may have taken effect outweighs any later one that did not.
    if isinstance(error, FourcastersError) and not (has_effect and unknowns):
        return RequestOutcome(last.status, attempts, error=error)
    doubt = ", so it may have taken effect" if has_effect else ""
    times = "once" if attempts == 1 else f"{attempts} times"
    reason = str(error).removeprefix(f"{request.endpoint}: ")
    unknown = OutcomeUnknownError(
        f"{request.endpoint}: no usable answer{doubt} (tried {times}): {reason}", attempts=attempts
    )
    unknown.__cause__ = error
    if isinstance(read, list):
        if RULES[request.kind].repeatable:
            unknown.results = tuple(read)
        else:
            unknown.answer = read
    return RequestOutcome(AttemptStatus.UNKNOWN, attempts, read, error=unknown, complete=False)
