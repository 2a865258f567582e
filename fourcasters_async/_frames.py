"""The Orders WebSocket on the wire: requests and answers as frames. No I/O."""

import re
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

import orjson
from attrs import define

from fourcasters_async._document import error_in, value_in
from fourcasters_async._request import Request
from fourcasters_async._verdict import Attempt, Verdict
from fourcasters_async.converter import SOCKET
from fourcasters_async.errors import REFUSALS, DecodeError, ServerError

T = TypeVar("T")

# The status that each documented text stands for, so that an error is the same over both
# transports. What begins with a text of the table is that error.
_STATUSES: Mapping[str, int] = {
    "invalid order id format": 400,
    "invalid heartbeat timeout": 400,
    "unauthorized: order does not belong to user": 403,
    "unauthorized": 401,
    "order not found": 404,
    "game not found": 404,
    "order already cancelled": 409,
    "order is expired": 409,
    "order already graded": 409,
    "too many requests": 429,
}
_BAD_REQUEST, _SERVER_ERROR = 400, 500
# The exchange itself failed, so what it was asked to do may be done.
_FAILED = re.compile(
    r"\bfail(ed|ure)\b|^panic|\btimed? ?-?out\b|\bdeadline exceeded|\bcontext cancel"
    r"|\bunavailable\b|\bunreachable\b|\b(internal|network|server|system|database|unknown)[ _]error"
    r"|\bunexpected\b|\bwent wrong|\bbad gateway|\b(could not|unable to)\b|\berror processing"
    r"|\bconnection (refused|reset|closed|lost)|\bbroken pipe|\bhang up\b|\bEOF\b|\bpartial",
    re.IGNORECASE,
)
# It says what is wrong with what it was asked, so it did not do it.
_FAULTED = re.compile(
    r"\b(invalid|missing|required|malformed|unsupported|unrecognized|unknown|not found|no such|not"
    r"|no|must|cannot|can't|may not|already|expired|insufficient|denied|forbidden|unauthori[sz]ed"
    r"|rejected|exceeds?|bad|too (many|long|large|small|high|low)|closed|suspended|locked)\b",
    re.IGNORECASE,
)


@define
class Answer:
    """What answers one request: the id that it was asked under, and the document."""

    request_id: str
    document: Mapping[str, object]


def encode(request: Request[Any], request_id: str) -> bytes:
    """Return a request as the frame in which it goes out."""
    return orjson.dumps([request.endpoint, {**(request.body or {}), "requestID": request_id}])


def read(frame: bytes | str) -> Answer | None:
    """Return what a frame answers, `None` for one that answers nobody."""
    try:
        document = orjson.loads(frame)
    except orjson.JSONDecodeError:
        return None
    if type(document) is not dict:
        return None
    request_id = document.get("requestID")
    if document.get("responses") is not None:
        return _unwrapped(document)
    return Answer(request_id, document) if type(request_id) is str else None


def _unwrapped(outer: dict[str, object]) -> Answer | None:
    """Return the one answer in the wrapped form, if its ids do not contradict each other."""
    responses = outer["responses"]
    if not isinstance(responses, list) or len(responses) != 1 or type(responses[0]) is not dict:
        return None
    inner = responses[0]
    ids = {each for each in (outer.get("requestID"), inner.get("requestID")) if type(each) is str}
    if len(ids) != 1:
        return None
    # An error around an answer contradicts it just as one beside it.
    document = {"error": outer["error"], "data": responses} if _has_error(outer) else inner
    return Answer(ids.pop(), document)


def _has_error(document: Mapping[str, object]) -> bool:
    # An empty text says nothing, and is how some write that there is no error.
    return document.get("error") not in (None, "")


def judge(
    request: Request[T],
    document: Mapping[str, object],
    *,
    redact: Callable[[str], str] = str,
) -> Verdict[T]:
    """Put an answered attempt in its class. `redact` takes secrets out of what is quoted."""
    if _has_error(document):
        return _failed(request, document, redact)
    try:
        return Verdict(Attempt.ANSWERED, value_in(request, document, SOCKET, redact))
    except DecodeError as error:
        # Its frames hold the answer.
        error.__context__ = None
        return Verdict(Attempt.UNKNOWN, error=error.with_traceback(None))


def _failed(
    request: Request[T], document: Mapping[str, object], redact: Callable[[str], str]
) -> Verdict[T]:
    message, code = error_in(document, redact)
    status = _status_of(message, code)
    refusal = REFUSALS.get(status)
    error = (refusal or ServerError)(
        message or "(the answer has no readable error)",
        status=status,
        endpoint=request.endpoint,
        code=code,
    )
    # An error and an answer at once contradict each other.
    if refusal is None or document.get("data") is not None:
        return Verdict(Attempt.UNKNOWN, error=error)
    return Verdict(Attempt.REFUSED, error=error)


def _status_of(message: str, code: int | None) -> int:
    """Return the HTTP status that an error over the WebSocket stands for.

    A refusal is only what says so: that nothing was done must not be guessed.
    """
    text = message.casefold()
    if code is not None and code >= _SERVER_ERROR:
        return code
    for known, status in _STATUSES.items():
        if text.startswith(known):
            return status
    if _FAILED.search(text):
        return _SERVER_ERROR
    if code is not None:
        return code if code in REFUSALS else _SERVER_ERROR
    return _BAD_REQUEST if _FAULTED.search(text) else _SERVER_ERROR
