"""An HTTP response and what it proves. No I/O."""

from collections.abc import Callable, Mapping
from datetime import datetime
from email.utils import parsedate_to_datetime
from http import HTTPStatus
from typing import Any, TypeVar, cast

import orjson
from attrs import define, field

from fourcasters_async._core.outcome import (
    ANSWERED,
    REFUSED,
    UNKNOWN,
    AttemptResult,
    NoResponse,
    unanswered,
)
from fourcasters_async._core.request import RULES, Request
from fourcasters_async._core.text import TOO_DENSE, is_too_dense
from fourcasters_async._json.converter import REST
from fourcasters_async._json.envelope import (
    asks_for_results,
    claims_success,
    contradicts_refusal,
    error_in,
    has_error,
    refuse_stray,
    unusable,
    value_in,
)
from fourcasters_async.errors import (
    REFUSALS,
    ApiError,
    DecodeError,
    RateLimitedError,
    ServerError,
)

T = TypeVar("T")

# As `ANSWERED` is read.
_OK = HTTPStatus.OK
# The statuses whose `Retry-After` is about the request itself.
_NAMING_A_PAUSE = (HTTPStatus.TOO_MANY_REQUESTS, HTTPStatus.SERVICE_UNAVAILABLE)


# Not frozen, like `Request`: a burst makes thousands.
@define
class Response:
    """A response that was read to its end."""

    status: int
    # Either can hold a token.
    headers: Mapping[str, str] = field(repr=False)
    body: bytes = field(repr=False)


def classify(
    request: Request[T],
    response: Response | NoResponse,
    *,
    redact: Callable[[str], str] = str,
    own_connection: bool = False,
) -> AttemptResult[T]:
    """Return what a response proves. `redact` removes secrets from the text that is quoted.

    On its `own_connection`, made for this request, there can be no answer to another one.
    """
    if isinstance(response, NoResponse):
        return unanswered(request, response)
    if response.status == _OK:
        try:
            value = decode(request, response.body, redact, own_connection=own_connection)
            return AttemptResult(ANSWERED, value)
        except (ApiError, DecodeError) as error:
            return unusable(error)
    said = _api_error(request, response, redact)
    refused = isinstance(said, tuple(REFUSALS.values()))
    return AttemptResult(REFUSED if refused else UNKNOWN, error=said)


def decode(
    request: Request[T],
    body: bytes,
    redact: Callable[[str], str] = str,
    *,
    own_connection: bool = False,
) -> T:
    """Return the value in the body of a 200; raise `DecodeError`, or `ApiError` for an error."""
    answer = _value(request, body, redact)
    if not own_connection:
        refuse_stray(request, answer, redact)
    return answer


def _value(request: Request[T], body: bytes, redact: Callable[[str], str]) -> T:
    endpoint = request.endpoint
    if is_too_dense(body, bytes_per_record=RULES[request.kind].bytes_per_record):
        raise DecodeError(f"{endpoint}: {TOO_DENSE}")
    if REST.read_cancelled is not None and asks_for_results(request):
        told = REST.read_cancelled(body)
        if told is not None:
            return cast(T, told.results(f"{endpoint}: "))
    try:
        value = (
            request.empty if request.empty is not None and not body.strip() else orjson.loads(body)
        )
    except orjson.JSONDecodeError:
        kind = "an empty body" if not body.strip() else "no JSON"
        raise DecodeError(f"{endpoint}: {kind}") from None
    if isinstance(value, dict) and has_error(value):
        message, code = error_in(value, redact)
        raise ApiError(message, status=HTTPStatus.OK.value, endpoint=endpoint, code=code)
    return value_in(request, value, REST, redact)


def retry_after(headers: Mapping[str, str]) -> float | None:
    """Return the seconds that `Retry-After` asks to wait, `None` if it is missing or malformed.

    A date is compared with the `Date` of the same response, which comes from the same clock.
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


def _api_error(request: Request[T], response: Response, redact: Callable[[str], str]) -> ApiError:
    """Return the error of a status. A refusal has to be in the exchange's own words.

    A proxy, a challenge or a firewall may answer with any status in the place of the exchange. A
    429 counts whoever says it.
    """
    status = response.status
    try:
        document: Any = {} if is_too_dense(response.body) else orjson.loads(response.body)
    except orjson.JSONDecodeError:
        document = {}
    message, code = error_in(document, redact)
    contradicts = isinstance(document, dict) and claims_success(document)
    kind = ServerError if status >= HTTPStatus.INTERNAL_SERVER_ERROR else ApiError
    if message and not contradicts and not contradicts_refusal(code):
        kind = REFUSALS.get(status, kind)
    if status == HTTPStatus.TOO_MANY_REQUESTS and not contradicts:
        kind = RateLimitedError
    return kind(
        message or _phrase(status),
        status=status,
        endpoint=request.endpoint,
        code=code,
        retry_after=retry_after(response.headers) if status in _NAMING_A_PAUSE else None,
    )


def _phrase(status: int) -> str:
    try:
        phrase = f"{HTTPStatus(status).phrase} "
    except ValueError:
        phrase = ""
    return f"{phrase}(not the exchange's own error: a proxy or a firewall may have answered)"
