"""What one attempt of a request came to, and what all of them together say. No I/O."""

from collections.abc import Callable, Mapping
from datetime import datetime
from email.utils import parsedate_to_datetime
from enum import Enum
from http import HTTPStatus
from typing import Generic, TypeVar

import aiohttp
import orjson
from attrs import field, frozen

from fourcasters_async._request import Effect, Request
from fourcasters_async.converter import REST
from fourcasters_async.errors import (
    ApiError,
    AuthenticationError,
    BadRequestError,
    ConflictError,
    DecodeError,
    ForbiddenError,
    FourcastersError,
    NotFoundError,
    NotSentError,
    OutcomeUnknownError,
    RateLimitedError,
    ServerError,
)

T = TypeVar("T")

_REFUSALS: Mapping[int, type[ApiError]] = {
    400: BadRequestError,
    401: AuthenticationError,
    403: ForbiddenError,
    404: NotFoundError,
    409: ConflictError,
    422: BadRequestError,
    429: RateLimitedError,
}

# Errors of making the connection: no byte of the request can have left before it stands.
_NEVER_CONNECTED = (
    aiohttp.ClientConnectorError,
    aiohttp.ClientConnectorCertificateError,
    aiohttp.ClientHttpProxyError,
    aiohttp.ConnectionTimeoutError,
    aiohttp.InvalidURL,
    aiohttp.ServerFingerprintMismatch,
)
# What comes of sending over a kept-alive connection that the server has closed.
_CONNECTION_GONE = (aiohttp.ServerDisconnectedError, ConnectionResetError, BrokenPipeError)
_MESSAGE_LIMIT = 300


class Attempt(Enum):
    """How one attempt can end."""

    NOT_SENT = "not sent"
    REFUSED = "refused"
    ANSWERED = "answered"
    UNKNOWN = "unknown"


@frozen
class Reply:
    """An answer that was read to its end."""

    status: int
    # Either can hold a token.
    headers: Mapping[str, str] = field(repr=False)
    body: bytes = field(repr=False)


@frozen
class NoReply:
    """No answer, and why. `withheld` says that the request provably did not leave.

    `reason` is text: the exceptions of aiohttp hold request headers, and go no further.
    `stale` says that the connection may have been dead before it was used.
    """

    reason: str
    withheld: bool
    stale: bool = False


@frozen
class Verdict(Generic[T]):
    """What one attempt came to. `error` is set unless it was `ANSWERED`."""

    attempt: Attempt
    value: T | None = None
    error: Exception | None = None
    stale: bool = False


@frozen
class Settled(Generic[T]):
    """What all attempts together say. `error` is set unless one was answered.

    `complete` is `False` if an attempt before the answer ended unknown.
    """

    attempt: Attempt
    attempts: int
    value: T | None = None
    error: FourcastersError | None = None
    complete: bool = True


def no_reply(
    error: BaseException, *, left: bool | None, redact: Callable[[str], str] = str
) -> NoReply:
    """Say what an exception proves.

    `left` says whether the body was written; where that is not known (`None`), the kind of the
    exception has to say whether it can have been. `redact` takes secrets out of a text.
    """
    never_left = isinstance(error, _NEVER_CONNECTED) if left is None else not left
    return NoReply(
        reason=_describe(error, redact),
        withheld=never_left,
        stale=isinstance(error, _CONNECTION_GONE),
    )


def judge(
    request: Request[T], observed: Reply | NoReply, *, redact: Callable[[str], str] = str
) -> Verdict[T]:
    """Put one attempt in its class. `redact` takes secrets out of what the exchange says."""
    endpoint = request.endpoint
    if isinstance(observed, NoReply):
        if observed.withheld:
            not_sent = NotSentError(f"{endpoint}: not sent: {observed.reason}")
            return Verdict(Attempt.NOT_SENT, error=not_sent, stale=observed.stale)
        lost = ConnectionError(observed.reason)
        return Verdict(Attempt.UNKNOWN, error=lost, stale=observed.stale)
    if observed.status == HTTPStatus.OK:
        try:
            return Verdict(Attempt.ANSWERED, decode(request, observed.body, redact))
        except (ApiError, DecodeError) as error:
            # Its frames, and the parser's own exception, hold the body.
            error.__context__ = None
            return Verdict(Attempt.UNKNOWN, error=error.with_traceback(None))
    refused = observed.status in _REFUSALS
    return Verdict(
        Attempt.REFUSED if refused else Attempt.UNKNOWN,
        error=_api_error(request, observed, redact),
    )


def decode(request: Request[T], body: bytes, redact: Callable[[str], str] = str) -> T:
    """Return what the body of a 200 says; raise `DecodeError`, or `ApiError` for an error in it."""
    endpoint = request.endpoint
    try:
        value = orjson.loads(body)
    except orjson.JSONDecodeError:
        kind = "an empty body" if not body.strip() else "no JSON"
        raise DecodeError(f"{endpoint}: {kind}") from None
    if isinstance(value, dict) and value.get("error") is not None:
        message, code = _error_text(value, redact)
        raise ApiError(message, status=HTTPStatus.OK.value, endpoint=endpoint, code=code)
    path = "$"
    for key in request.at:
        if not isinstance(value, dict):
            raise DecodeError(f"{endpoint}: {path}: not an object", path=path)
        path = f"{path}.{key}"
        if key not in value:
            raise DecodeError(f"{endpoint}: {path}: missing", path=path)
        value = value[key]
    try:
        answer = REST.structure(value, request.answer, path)
    except DecodeError as error:
        raise DecodeError(f"{endpoint}: {error}", path=error.path) from None
    if request.check is not None and (mismatch := request.check(answer)) is not None:
        raise DecodeError(f"{endpoint}: {path}: {mismatch}", path=path)
    return answer


def settle(request: Request[T], last: Verdict[T], *, attempts: int, unknowns: int) -> Settled[T]:
    """Say what `attempts` attempts mean, of which `unknowns` ended unknown and `last` was last."""
    if last.attempt is Attempt.ANSWERED:
        return Settled(last.attempt, attempts, value=last.value, complete=unknowns == 0)
    error = last.error
    # A read has no effect to doubt; for the rest, one attempt that may have taken effect
    # outweighs any later one that did not.
    if isinstance(error, FourcastersError) and (request.effect is Effect.READ or not unknowns):
        return Settled(last.attempt, attempts, error=error)
    doubt = "" if request.effect is Effect.READ else ", so it may have taken effect"
    times = "once" if attempts == 1 else f"{attempts} times"
    reason = str(error).removeprefix(f"{request.endpoint}: ")
    unknown = OutcomeUnknownError(
        f"{request.endpoint}: no usable answer{doubt} (tried {times}): {reason}", attempts=attempts
    )
    unknown.__cause__ = error
    return Settled(Attempt.UNKNOWN, attempts, error=unknown, complete=False)


def retry_after(headers: Mapping[str, str]) -> float | None:
    """Return the seconds that `Retry-After` asks to wait; `None` without it and for nonsense.

    A date is counted from the `Date` of the same answer: the two clocks agree.
    """
    value = headers.get("Retry-After", "").strip()
    if value.isascii() and value.isdigit():
        return float(value)
    until, now = _http_date(value), _http_date(headers.get("Date", ""))
    if until is None or now is None:
        return None
    return max(0.0, (until - now).total_seconds())


def _http_date(value: str) -> datetime | None:
    try:
        moment = parsedate_to_datetime(value)
    except (ValueError, TypeError, OverflowError):
        return None
    return moment if moment.tzinfo is not None else None


def _api_error(request: Request[T], reply: Reply, redact: Callable[[str], str]) -> ApiError:
    status = reply.status
    try:
        message, code = _error_text(orjson.loads(reply.body), redact)
    except orjson.JSONDecodeError:
        message, code = "", None
    message = message or _phrase(status)
    if status == HTTPStatus.TOO_MANY_REQUESTS:
        return RateLimitedError(
            message,
            status=status,
            endpoint=request.endpoint,
            code=code,
            retry_after=retry_after(reply.headers),
        )
    default = ServerError if status >= HTTPStatus.INTERNAL_SERVER_ERROR else ApiError
    return _REFUSALS.get(status, default)(
        message, status=status, endpoint=request.endpoint, code=code
    )


def _error_text(document: object, redact: Callable[[str], str]) -> tuple[str, int | None]:
    """Return the message and the code of either form of the exchange's errors."""
    error = document.get("error") if isinstance(document, dict) else None
    message, code = error, None
    if isinstance(error, dict):
        message, code = error.get("message"), error.get("code")
    return (
        _one_line(redact(message)) if isinstance(message, str) else "",
        code if type(code) is int else None,
    )


def _phrase(status: int) -> str:
    try:
        return f"{HTTPStatus(status).phrase} (the answer has no readable error)"
    except ValueError:
        return "(the answer has no readable error)"


def _describe(error: BaseException, redact: Callable[[str], str]) -> str:
    """Name an exception in one line."""
    text = error.message if isinstance(error, aiohttp.ClientResponseError) else str(error)
    if isinstance(error, aiohttp.ClientResponseError | aiohttp.ClientPayloadError):
        # Behind the first colon aiohttp quotes what the server sent, cut at any place.
        text = text.partition(":")[0]
    elif isinstance(error, TimeoutError) and not text:
        text = "the time was up"
    name = type(error).__name__
    return f"{name}: {_one_line(redact(text))}" if text else name


def _one_line(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= _MESSAGE_LIMIT else f"{line[:_MESSAGE_LIMIT]}…"
