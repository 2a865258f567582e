"""The frames of the Orders WebSocket: requests and answers. No I/O."""

from collections.abc import Callable, Mapping
from typing import Any, TypeVar

import orjson
from attrs import define

from fourcasters_async._core.outcome import AttemptResult, AttemptStatus
from fourcasters_async._core.request import Request
from fourcasters_async._core.text import is_too_dense
from fourcasters_async._json.accelerated import Cancelled
from fourcasters_async._json.converter import SOCKET
from fourcasters_async._json.envelope import (
    asks_for_results,
    claims_success,
    denial_in,
    error_in,
    has_error,
    unusable,
    value_in,
)
from fourcasters_async.errors import REFUSALS, ApiError, DecodeError, ServerError

T = TypeVar("T")

Document = Mapping[str, object] | Cancelled
"""What an answer says: all of it, or that every order was cancelled."""

_SERVER_ERROR = 500

# The error texts that are documented, in lower case, and the HTTP status that each stands for, so
# that an error is the same over both transports. A refusal means that nothing was done, which must
# not be guessed: a text that only contains one of these may tell of an order that was placed or
# cancelled before another failed.
_REFUSALS: Mapping[str, int] = {
    "invalid order id format": 400,
    "invalid heartbeat timeout": 400,
    "unauthorized": 401,
    "invalidcredentials": 401,
    "unauthorized: order does not belong to user": 403,
    "order not found": 404,
    # The game is not in the cache of this service. Orders may rest on it.
    "game not found": 404,
    "order already cancelled": 409,
    "order already graded": 409,
    "order is expired": 409,
    "too many requests": 429,
    "too many requests. please try again later": 429,
}


@define
class Answer:
    """The answer to one request: the id of the request, and the document."""

    request_id: str
    document: Document


def encode(
    request: Request[Any], request_id: str, body: Mapping[str, object] | None = None
) -> bytes:
    """Return the frame of a request, with another `body` if there is one."""
    fields = body or request.body or {}
    return orjson.dumps([request.endpoint, {**fields, "requestID": request_id}])


def read(frame: bytes | str) -> Answer | None:
    """Return the answer in a frame, `None` if it answers no request."""
    if isinstance(frame, bytes):
        if is_too_dense(frame):
            return None
        told = SOCKET.read_cancelled and SOCKET.read_cancelled(frame)
        if told is not None:
            return Answer(told.request_id, told)
    try:
        document = orjson.loads(frame)
    except orjson.JSONDecodeError:
        return None
    if type(document) is not dict:
        return None
    if "responses" in document and document["responses"] is not None:
        return _unwrapped(document)
    request_id = document.get("requestID")
    return Answer(request_id, document) if type(request_id) is str else None


def _unwrapped(outer: dict[str, object]) -> Answer | None:
    """Return the single answer in the wrapped form, `None` if its ids contradict each other."""
    responses = outer["responses"]
    if not isinstance(responses, list) or len(responses) != 1 or type(responses[0]) is not dict:
        return None
    inner = responses[0]
    ids = {each for each in (outer.get("requestID"), inner.get("requestID")) if type(each) is str}
    if len(ids) != 1:
        return None
    document = inner
    # What the outer document says contradicts the answer, like an error beside it.
    if has_error(outer):
        document = {"error": outer["error"], "data": responses}
    elif (denial := denial_in(outer)) is not None:
        document = {denial: outer[denial], "data": responses}
    elif outer.get("data") is not None:
        document = {"errors": "data beside the answer", "data": responses}
    return Answer(ids.pop(), document)


def classify(
    request: Request[T],
    document: Document,
    *,
    redact: Callable[[str], str] = str,
) -> AttemptResult[T]:
    """Return what an answer proves. `redact` removes secrets from the text that is quoted."""
    if type(document) is Cancelled:
        if asks_for_results(request):
            results: Any = document.results(f"{request.endpoint}: ")
            return AttemptResult(AttemptStatus.ANSWERED, results)
        document = document.document()
    if has_error(document):
        return _failed(request, document, redact)
    try:
        return AttemptResult(AttemptStatus.ANSWERED, value_in(request, document, SOCKET, redact))
    except DecodeError as error:
        return unusable(error)


def _failed(
    request: Request[T], document: Mapping[str, object], redact: Callable[[str], str]
) -> AttemptResult[T]:
    message, code = error_in(document, redact)
    status = _status_of(message, code)
    refusal = None if claims_success(document) else REFUSALS.get(status)
    other = ServerError if status >= _SERVER_ERROR else ApiError
    error = (refusal or other)(
        message or "(the answer has no readable error)",
        status=status,
        endpoint=request.endpoint,
        code=code,
    )
    ended = AttemptStatus.UNKNOWN if refusal is None else AttemptStatus.REFUSED
    return AttemptResult(ended, error=error)


def _status_of(message: str, code: int | None) -> int:
    """Return the HTTP status that an error over the WebSocket stands for."""
    status = _REFUSALS.get(" ".join(message.split()).casefold().removesuffix("."), _SERVER_ERROR)
    if code is None or code in REFUSALS:
        return status
    # A code that is no refusal contradicts the text.
    return max(code, _SERVER_ERROR)
