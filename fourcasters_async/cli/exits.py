"""How a command ends: its exit status, also if it fails or is interrupted."""

import asyncio
import sys
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager
from typing import Any, NoReturn, TypeVar

import click

from fourcasters_async.cli.prose import unheard
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

ALL_CONFIRMED, NOT_CANCELLED, WRONG_USAGE, NOT_KNOWN, ABORTED = range(5)

STATUSES = {
    ALL_CONFIRMED: (
        (
            "everything is confirmed; with `--verify`, a read proved that none of the orders is "
            "open, whatever became of the requests"
        ),
        "the exchange answered; `watch`, `book --follow` and `sandbox` at Ctrl-C",
    ),
    NOT_CANCELLED: (
        "something was refused or not cancelled, and with `--verify` is not proved to be gone",
        "it refused, such as for a game that it does not know; or nobody reads the output any more",
    ),
    WRONG_USAGE: (
        "wrong usage, which is also that there is no id on standard input: nothing was sent",
        "wrong usage",
    ),
    NOT_KNOWN: (
        (
            "something is unknown or was not sent, or the command was interrupted; `--verify` "
            "proved nothing; `cancel-league` without `--verify`"
        ),
        "no usable answer came, or the command was interrupted",
    ),
    ABORTED: (
        (
            "nobody said yes: the answer was another, or Ctrl-C, or standard input is closed or no "
            "terminal; nothing was sent"
        ),
        "a question was not answered: Ctrl-C, or standard input is closed",
    ),
}
"""What each exit status says, of a command that cancels and of any other. 2 is click's own too."""

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
        tell_source(error)
        fail(text_of(error), status_of(error))
    except KeyboardInterrupt:
        doubt = ": orders in flight may or may not be cancelled"
        message = f"interrupted{doubt if cancels else ''}"
        if interrupted is None:
            fail(message, NOT_KNOWN)
        say(message, err=True)
        return interrupted()


def status_of(error: FourcastersError) -> int:
    """Return the exit status of an error: whether the exchange refused."""
    # A page of a proxy, and a 5xx to a read, are an `ApiError` too, and no refusal.
    return NOT_CANCELLED if isinstance(error, tuple(REFUSALS.values())) else NOT_KNOWN


def text_of(error: FourcastersError) -> str:
    """Return the name and the text of an error."""
    return f"{type(error).__name__}: {error}"


def tell_source(*errors: BaseException | None) -> None:
    """Say where the token is from, if it is what the exchange refused, and what to do."""
    for error in errors:
        if isinstance(error, AuthenticationError):
            say(refused(error), err=True)
            return


def fail(message: str, status: int) -> NoReturn:
    """Say why a command ends on standard error, and exit."""
    say(message, err=True)
    sys.exit(status)


@contextmanager
def ends_told() -> Iterator[None]:
    """Exit with a status if a question is not answered, or if the work is not at fault.

    That is wrong usage, Ctrl-C before or after the work, or an output that cannot be written.
    """
    try:
        yield
    except click.ClickException as error:
        with unheard():
            error.show()
        sys.exit(error.exit_code)
    except click.Abort:
        fail("aborted: nothing was sent", ABORTED)
    except KeyboardInterrupt:
        fail("interrupted", NOT_KNOWN)
    except BrokenPipeError:
        raise  # nobody reads any more; click knows how to end then
    except OSError as error:
        fail(f"OSError: {error}", NOT_KNOWN)


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
