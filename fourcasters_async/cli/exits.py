"""How a command ends: its exit status, also if it fails or is interrupted."""

import asyncio
import sys
from collections.abc import Callable, Coroutine
from typing import Any, NoReturn, TypeVar

from fourcasters_async.cli.sessions import refused
from fourcasters_async.cli.terminal import say, usage_error
from fourcasters_async.cli.threads import in_time
from fourcasters_async.errors import (
    REFUSALS,
    AuthenticationError,
    FourcastersError,
    InvalidRequestError,
)
from fourcasters_async.models import CancelReport, OutcomeStatus

T = TypeVar("T")

# 2 is click's own, for wrong usage.
ALL_CONFIRMED, NOT_CANCELLED, NOT_KNOWN = 0, 1, 3

_NOT_ANSWERED = (OutcomeStatus.UNKNOWN, OutcomeStatus.NOT_SENT)


def run(
    job: Coroutine[Any, Any, T],
    interrupted: Callable[[], T] | None = None,
    *,
    cancels: bool = True,
) -> T:
    """Run `job`; turn an error into an exit status.

    `interrupted` returns what is known if Ctrl-C ends the job. Without it the command exits then.
    `cancels` is whether the job can have cancelled orders by then.
    """
    try:
        return asyncio.run(in_time(job))
    except InvalidRequestError as error:
        raise usage_error(error) from None
    except FourcastersError as error:
        # A page of a proxy, and a 5xx to a read, are an `ApiError` too, and no refusal.
        is_refusal = isinstance(error, tuple(REFUSALS.values()))
        tell_source(error)
        _fail(f"{type(error).__name__}: {error}", NOT_CANCELLED if is_refusal else NOT_KNOWN)
    except KeyboardInterrupt:
        doubt = ": orders in flight may or may not be cancelled"
        message = f"interrupted{doubt if cancels else ''}"
        if interrupted is None:
            _fail(message, NOT_KNOWN)
        say(message, err=True)
        return interrupted()


def tell_source(*errors: BaseException | None) -> None:
    """Say where the token is from, if it is what the exchange refused, and what to do."""
    for error in errors:
        if isinstance(error, AuthenticationError):
            say(refused(error), err=True)
            return


def _fail(message: str, status: int) -> NoReturn:
    say(message, err=True)
    sys.exit(status)


def exit_status(report: CancelReport, *, verify: bool = False) -> int:
    """Return the exit status of a fan-out. A game that was proved clear is settled.

    With `verify`, a game that was not proved clear is not known to be.
    """
    left = [outcome for outcome in report.outcomes if outcome.resting != []]
    if any(outcome.status in _NOT_ANSWERED for outcome in left):
        return NOT_KNOWN
    if any(outcome.unsettled is not None for outcome in left):
        return NOT_CANCELLED
    return NOT_KNOWN if left and verify else ALL_CONFIRMED
