"""The frames of the Orders WebSocket: requests and answers. No I/O."""

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVar

import orjson
from attrs import define

from fourcasters_async._core.outcome import AttemptResult, AttemptStatus
from fourcasters_async._core.request import Request
from fourcasters_async._json.converter import SOCKET
from fourcasters_async._json.envelope import error_in, value_in
from fourcasters_async.errors import REFUSALS, DecodeError, ServerError

T = TypeVar("T")

_SERVER_ERROR = 500


def _rule(pattern: str, status: int) -> tuple[re.Pattern[str], int]:
    return re.compile(pattern, re.IGNORECASE), status


# The HTTP status that an error text stands for, so that an error is the same over both transports.
# The first pattern that is found decides. A refusal means that nothing was done, which must not be
# guessed: a text is a refusal only if it is documented, or says what is wrong with the request.
_STATUSES: Sequence[tuple[re.Pattern[str], int]] = (
    _rule(r"\bfailed to process\b", _SERVER_ERROR),
    _rule(r"^invalid order ID format|^invalid heartbeat timeout", 400),
    _rule(r"^unauthorized: order does not belong", 403),
    _rule(r"^(order|game) not found", 404),
    _rule(r"^order already (cancelled|graded)|^order is expired", 409),
    _rule(r"^too many requests", 429),
    _rule(r"^unauthori[sz]ed\W*$", 401),
    # Before the refusals below: the text after these words may quote any other error.
    _rule(r"\bfail(ed|ure) to\b|\binternal\b|\btimed? ?-?out\b|\bunavailable\b", _SERVER_ERROR),
    _rule(r"\bupstream\b|\bpanic\b|\bexception\b|\bnil pointer\b|\bundefined\b", _SERVER_ERROR),
    _rule(r"\b(runtime|rpc|system|server|network|database)[ _]error", _SERVER_ERROR),
    _rule(r"\bnot (confirmed|acknowledged)\b|\bpartially (done|processed|placed)\b", _SERVER_ERROR),
    _rule(r"\btoo many requests\b|\brate.?limit", 429),
    _rule(r"\bnot authenticated\b", 401),
    _rule(r"\b(expired|invalid) (token|jwt)\b|\b(token|jwt) (is |has )?(expired|invalid)\b", 401),
    _rule(r"^unauthori[sz]ed\b|\bforbidden\b|\baccess denied\b|\bnot your\b", 403),
    _rule(
        r"^(invalid|missing|unknown|unsupported|malformed) ([\w-]+ )?(games?|orders?|markets?"
        r"|types?|ids?|sides?|messages?|fields?|requests?|odds|numbers?|bets?|formats?|payload|json)\b",
        400,
    ),
    _rule(r"\bnot (found|allowed|permitted|open|enough|supported|active)\b", 400),
    _rule(r"\b(is|are) required\b|\bmust (be|not|have)\b|\bcannot be (cancel|edit|plac)", 400),
    _rule(r"\balready (filled|matched|settled|closed|started)\b", 400),
    _rule(
        r"\b(order|game|market|account) (is|has) (expired|started|ended|filled|graded|suspended"
        r"|closed|locked|banned)\b",
        400,
    ),
    _rule(
        r"\binsufficient\b|\bliability\b|\bvalidation\b|^duplicate\b|\bno such (order|game)", 400
    ),
)


@define
class Answer:
    """The answer to one request: the id of the request, and the document."""

    request_id: str
    document: Mapping[str, object]


def encode(request: Request[Any], request_id: str) -> bytes:
    """Return the frame of a request."""
    return orjson.dumps([request.endpoint, {**(request.body or {}), "requestID": request_id}])


def read(frame: bytes | str) -> Answer | None:
    """Return the answer in a frame, `None` if it answers no request."""
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
    """Return the single answer in the wrapped form, `None` if its ids contradict each other."""
    responses = outer["responses"]
    if not isinstance(responses, list) or len(responses) != 1 or type(responses[0]) is not dict:
        return None
    inner = responses[0]
    ids = {each for each in (outer.get("requestID"), inner.get("requestID")) if type(each) is str}
    if len(ids) != 1:
        return None
    # An error in the outer document contradicts the answer, like one beside it.
    document = {"error": outer["error"], "data": responses} if _has_error(outer) else inner
    return Answer(ids.pop(), document)


def _has_error(document: Mapping[str, object]) -> bool:
    # An empty text means that there is no error.
    return document.get("error") not in (None, "")


def classify(
    request: Request[T],
    document: Mapping[str, object],
    *,
    redact: Callable[[str], str] = str,
) -> AttemptResult[T]:
    """Return what an answer proves. `redact` removes secrets from the text that is quoted."""
    if _has_error(document):
        return _failed(request, document, redact)
    try:
        return AttemptResult(AttemptStatus.ANSWERED, value_in(request, document, SOCKET, redact))
    except DecodeError as error:
        # The traceback holds the answer.
        error.__context__ = None
        return AttemptResult(AttemptStatus.UNKNOWN, error=error.with_traceback(None))


def _failed(
    request: Request[T], document: Mapping[str, object], redact: Callable[[str], str]
) -> AttemptResult[T]:
    message, code = error_in(document, redact)
    status = _status_of(message, code)
    refusal = REFUSALS.get(status)
    error = (refusal or ServerError)(
        message or "(the answer has no readable error)",
        status=status,
        endpoint=request.endpoint,
        code=code,
    )
    # An error and data in one answer contradict each other.
    if refusal is None or document.get("data") is not None:
        return AttemptResult(AttemptStatus.UNKNOWN, error=error)
    return AttemptResult(AttemptStatus.REFUSED, error=error)


def _status_of(message: str, code: int | None) -> int:
    """Return the HTTP status that an error over the WebSocket stands for."""
    if code is not None and code >= _SERVER_ERROR:
        return code
    text = message.strip()
    for pattern, status in _STATUSES:
        if pattern.search(text):
            return status
    return code if code is not None and code in REFUSALS else _SERVER_ERROR
