"""What the checks of `fourcasters doctor` found, and what to do about it. No I/O."""

import ssl
from enum import StrEnum

from attrs import frozen

from fourcasters_async.cli.sessions import refused
from fourcasters_async.errors import (
    REFUSALS,
    ApiError,
    AuthenticationError,
    DecodeError,
    InvalidRequestError,
    RateLimitedError,
    ServerError,
)


class Grade(StrEnum):
    """What a check comes to."""

    OK = "OK"
    WARNING = "warning"
    FAILED = "failed"


@frozen
class Finding:
    """What a check found, and what to do about it. `value` is the number in it, if it has one."""

    check: str
    grade: Grade
    found: str
    to_do: str = ""
    value: float | None = None


def failure(check: str, error: Exception) -> Finding:
    """Return the finding of a check that ended in an error."""
    if isinstance(error, InvalidRequestError):
        return Finding(check, Grade.WARNING, f"not checked: {error}", "set what it names")
    return Finding(check, Grade.FAILED, _text_of(error), _to_do_about(error))


def _text_of(error: Exception) -> str:
    if isinstance(error, ApiError):
        return f"answered {error.status} {error.message}"
    if isinstance(error, TimeoutError):
        return "no answer in time"
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"the certificate is not trusted: {error.verify_message}"
    if isinstance(error, OSError):
        return f"{type(error).__name__}: {error.strerror or error}"
    return str(error)


def _to_do_about(error: Exception) -> str:  # noqa: PLR0911  # one for each kind of error
    if isinstance(error, AuthenticationError):
        return refused(error)
    if isinstance(error, RateLimitedError):
        seconds = error.retry_after
        wait = "a minute" if seconds is None else f"{seconds:g} s"
        return f"send nothing from this IP address for {wait}, and stop what sends too much"
    if isinstance(error, ServerError):
        return "the exchange is down or overloaded; try again, and try to cancel all the same"
    if isinstance(error, tuple(REFUSALS.values())):
        return "ask the exchange what the account may do"
    if isinstance(error, ApiError):
        return "a proxy, a firewall or another server answered; see which network this machine uses"
    if isinstance(error, DecodeError):
        return "see whether the address is the exchange's, and upgrade fourcasters-async"
    if isinstance(error, ssl.SSLCertVerificationError):
        return "log in to nothing over this network: something else answers for the exchange"
    return "see whether this machine and the exchange are online"
