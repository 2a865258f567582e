"""What the checks of `fourcasters doctor` found, and what to do about it. No I/O."""

import ssl
from datetime import UTC, datetime, timedelta
from enum import StrEnum

from attrs import frozen

from fourcasters_async.cli.sessions import TOKEN, TokenSource, refused
from fourcasters_async.cli.wording import counted, number
from fourcasters_async.errors import (
    REFUSALS,
    ApiError,
    AuthenticationError,
    DecodeError,
    FourcastersError,
    InvalidRequestError,
    RateLimitedError,
    ServerError,
)
from fourcasters_async.models import Record

# Seconds from when on an answer or a connection is slow.
_SLOW = 0.5
# Seconds that the clock may be wrong before it matters, and before TLS and expiries fail.
_SKEW, _MUCH_SKEW = 2.0, 60.0
# The exchange replaces a token of this age at its next use.
_TOKEN_LIFE = timedelta(days=30)
# What OpenSSL calls a certificate that is not valid yet, and one that has expired.
_OTHER_TIMES = (9, 10)
_NO_LOGIN = "log in to nothing over this network: something else answers for the exchange"


class Grade(StrEnum):
    """What a check comes to."""

    OK = "OK"
    WARNING = "warning"
    FAILED = "failed"


@frozen(repr=False)
class Finding(Record):
    """What a check found, and what to do about it. `value` is the number in it, if it has one."""

    check: str
    grade: Grade
    found: str
    to_do: str = ""
    value: float | None = None


def failure(check: str, error: Exception) -> Finding:
    """Return the finding of a check that ended in an error."""
    # A socket that cannot be opened says in the cause what its handshake came to.
    while isinstance(error.__cause__, FourcastersError):
        error = error.__cause__
    if isinstance(error, InvalidRequestError):
        return Finding(check, Grade.WARNING, f"not checked: {error}", f"set {_variable(error)}")
    return Finding(check, Grade.FAILED, _text_of(error), _to_do_about(error))


def _variable(error: InvalidRequestError) -> str:
    """Return the variable of the setting that an error is about."""
    setting = str(error).partition(":")[0]
    return f"FOURCASTERS_{setting.upper()}" if setting.endswith("_url") else "what it names"


def speed(seconds: float) -> tuple[Grade, str]:
    """Return what it means that something took so long, and what to do about it."""
    if seconds <= _SLOW:
        return Grade.OK, ""
    return Grade.WARNING, "see whether this machine, its network or the exchange is overloaded"


def ms(seconds: float) -> str:
    """Write a time in milliseconds."""
    return f"{seconds * 1000:,.0f} ms"


def refused_token(source: TokenSource, error: AuthenticationError) -> Finding:
    """Say where a token or a login is from that the exchange refuses, and what to do."""
    if error.endpoint.endswith("/login"):
        return Finding("token", Grade.FAILED, "the exchange refuses the login", refused(error))
    text = f"the exchange refuses it; from {source.name}"
    return Finding("token", Grade.FAILED, text, source.mend)


def token_finding(source: TokenSource, now: float) -> Finding:
    """Say where an accepted token is from, and how old it is if it is kept here.

    `now` is in seconds since 1970.
    """
    file, text = source.file, f"accepted; from {source.name}"
    if source.token is None:
        return Finding("token", Grade.OK, text)
    kept = None if source.name == TOKEN else file.kept_at()
    if kept is None:
        return Finding("token", Grade.OK, f"{text}; its age is not known here")
    days = max(0.0, (datetime.fromtimestamp(now, UTC) - kept) / timedelta(days=1))
    text += (
        f"; kept {counted(int(days), 'day')} ago; the exchange replaces it at its first use from "
        f"{kept + _TOKEN_LIFE:%Y-%m-%d} on"
    )
    if file.is_open_to_others():
        to_do = f"run `chmod 600 {file.path}`: others on this machine can read it"
        return Finding("token", Grade.WARNING, text, to_do, days)
    return Finding("token", Grade.OK, text, value=days)


def clock_finding(skew: float | None) -> Finding:
    """Say how many seconds the clock is ahead of the exchange's; `None` if that is not known."""
    if skew is None:
        text = "not checked: no answer says what time it is"
        return Finding("clock", Grade.WARNING, text)
    if abs(skew) <= _SKEW:
        return Finding("clock", Grade.OK, f"within {_SKEW:g} s of the exchange's", value=skew)
    grade = Grade.FAILED if abs(skew) > _MUCH_SKEW else Grade.WARNING
    side = "ahead of" if skew > 0 else "behind"
    text = f"{abs(skew):.1f} s {side} the exchange's"
    return Finding("clock", grade, text, "set this machine's clock, and keep it set by NTP", skew)


def limit_finding(limit: int, sent: int, throttled: RateLimitedError | None) -> Finding:
    """Say how many requests a minute are left of a limit, or which 429 came."""
    if throttled is not None:
        text, to_do = _text_of(throttled), _to_do_about(throttled)
        return Finding("rate limit", Grade.FAILED, text, to_do, 0)
    text = (
        f"{number(limit - sent)} of {number(limit)} requests a minute are left, if nothing else "
        "sends from this IP address"
    )
    return Finding("rate limit", Grade.OK, text, value=limit - sent)


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
    if isinstance(error, ssl.SSLCertVerificationError) and error.verify_code in _OTHER_TIMES:
        return f"set this machine's clock if it is wrong; if it is right, {_NO_LOGIN}"
    # Of another connection than the first its text alone says it.
    if isinstance(error, ssl.SSLCertVerificationError) or "CertificateError" in str(error):
        return _NO_LOGIN
    return "see whether this machine and the exchange are online"
