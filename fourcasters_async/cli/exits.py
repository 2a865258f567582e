"""How a command ends: its exit status, also if it fails or is interrupted."""

import asyncio
import sys
from collections.abc import Coroutine
from typing import Any, NoReturn, TypeVar

import click

from fourcasters_async.errors import ApiError, FourcastersError, InvalidRequestError
from fourcasters_async.models import CancelReport

T = TypeVar("T")

# 2 is click's own, for wrong usage.
ALL_CONFIRMED, NOT_CANCELLED, NOT_KNOWN = 0, 1, 3


def run(job: Coroutine[Any, Any, T]) -> T:
    """Run `job`; turn an error into an exit status."""
    try:
        return asyncio.run(job)
    except InvalidRequestError as error:
        raise click.UsageError(str(error)) from None
    except FourcastersError as error:
        refused = isinstance(error, ApiError)
        _fail(f"{type(error).__name__}: {error}", NOT_CANCELLED if refused else NOT_KNOWN)
    except KeyboardInterrupt:
        _fail("interrupted: orders in flight may or may not be cancelled", NOT_KNOWN)


def _fail(message: str, status: int) -> NoReturn:
    click.echo(message, err=True)
    sys.exit(status)


def exit_status(report: CancelReport) -> int:
    """Return the exit status of a fan-out."""
    if report.unknown or report.not_sent:
        return NOT_KNOWN
    return ALL_CONFIRMED if report.ok else NOT_CANCELLED
