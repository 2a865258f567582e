"""The envelope of an answer or an error, the same over both transports. No I/O."""

import re
from collections.abc import Callable, Mapping, Sequence
from http import HTTPStatus
from typing import Any, NoReturn, TypeVar

import attrs

from fourcasters_async._core.outcome import AttemptResult, AttemptStatus
from fourcasters_async._core.request import Request
from fourcasters_async._core.text import one_line
from fourcasters_async._json.converter import Dialect, UnreadRowsError
from fourcasters_async.errors import REFUSALS, DecodeError, FourcastersError
from fourcasters_async.models import CancelResult
from fourcasters_async.models.unread import RESULTS

T = TypeVar("T")

_NO_STATUS = 600
_CODE = re.compile(r"[0-9]{1,9}")
_DATA = ("data",)
# An answer over the Orders WebSocket with these keys cannot say that it failed.
_NOTHING_BESIDE = frozenset(("data", "requestID"))
_NOTHING: Sequence[object] = (None, "", [], {})


def value_in(
    request: Request[T],
    document: object,
    dialect: Dialect,
    redact: Callable[[str], str] = str,
) -> T:
    """Return the answer to `request` in a document, or raise `DecodeError`.

    `redact` removes secrets from the text that is quoted.
    """
    value, path = _value_at(request, document)
    if type(value) is dict and value is not document:
        _refuse_inner_denial(request, value, path, dialect)
    try:
        answer = dialect.structure(value, request.answer, path, f"{request.endpoint}: ")
    except UnreadRowsError as error:
        text = f"{request.endpoint}: {error}"
        rows = [_redacted(row, redact) for row in error.rows]
        raise UnreadRowsError(text, path=error.path, rows=rows) from None
    except DecodeError as error:
        raise DecodeError(f"{request.endpoint}: {error}", path=error.path) from None
    if request.check is not None and (mismatch := request.check(answer)) is not None:
        _misfit(request, answer, mismatch, path, redact)
    return answer


def asks_for_results(request: Request[Any]) -> bool:
    """Whether an answer that is nothing but results of cancels is all that a request asks for."""
    return request.answer is RESULTS and request.data_path == _DATA and request.check is None


def refuse_stray(request: Request[T], answer: T, redact: Callable[[str], str] = str) -> None:
    """Raise `DecodeError` if an answer may be a late copy of the answer to another request."""
    if request.stray is not None and (mismatch := request.stray(answer)) is not None:
        _misfit(request, answer, mismatch, "$", redact)


def unusable(error: FourcastersError) -> AttemptResult[Any]:
    """Return what an answer proves that could not be read, as `error` says: nothing."""
    rows = None
    if isinstance(error, UnreadRowsError):
        rows, error = error.rows, DecodeError(str(error), path=error.path)
    # The traceback and the parser's exception hold the body.
    error.__context__ = None
    return AttemptResult(AttemptStatus.UNKNOWN, rows=rows, error=error.with_traceback(None))


def has_error(document: Mapping[str, object]) -> bool:
    """Whether a document has an error. An empty text means that there is none."""
    return "error" in document and document["error"] not in (None, "")


def denial_in(document: Mapping[str, object], *, reads_status: bool = False) -> str | None:
    """Return the key by which a document says that it failed, whatever else it has.

    `None` if there is none. `has_error` tells of the documented errors. With `reads_status` the
    status is not looked at.
    """
    success = document.get("success")
    # It has to be a JSON boolean: 1 is none.
    if success is not None and success is not True:
        return "success"
    if document.get("errors") not in _NOTHING:
        return "errors"
    if not reads_status and not _is_good_status(document.get("status")):
        return "status"
    return "code" if _is_error_code(document.get("code")) else None


def error_in(document: object, redact: Callable[[str], str]) -> tuple[str, int | None]:
    """Return the message and the code of an error, in either form that the exchange uses.

    Without a message it is not the exchange's own error document.
    """
    error = document.get("error") if isinstance(document, dict) else None
    message, code = error, None
    if isinstance(error, dict):
        message, code = error.get("message"), error.get("code")
    # What takes the place of a text that may not be shown is no message.
    if not isinstance(message, str) or not message.strip():
        message = None
    return (
        "" if message is None else one_line(redact(message)),
        _code(code),
    )


def claims_success(document: Mapping[str, object]) -> bool:
    """Whether a document says that it succeeded, which contradicts an error beside it."""
    return document.get("data") is not None or document.get("success") is True


def _code(code: object) -> int | None:
    """Return a code, which may come as a text of a few digits."""
    if isinstance(code, str) and _CODE.fullmatch(code.strip()):
        return int(code)
    return code if type(code) is int else None


def contradicts_refusal(code: int | None) -> bool:
    """Whether the code in an error is an HTTP status that is no refusal, such as 503."""
    is_status = code is not None and HTTPStatus.CONTINUE <= code < _NO_STATUS
    return is_status and code not in REFUSALS


def _value_at(request: Request[Any], document: object) -> tuple[object, str]:
    """Return the value at the data path of a request, and its path, or raise `DecodeError`."""
    value, path = document, "$"
    if type(document) is dict and request.data_path == _DATA and document.keys() == _NOTHING_BESIDE:
        return document["data"], "$.data"
    _refuse_denial(request, value, path)
    for key in request.data_path:
        if isinstance(key, int):
            path = f"{path}[{key}]"
            if not isinstance(value, list) or len(value) != key + 1:
                raise DecodeError(f"{request.endpoint}: {path}: not the only item", path=path)
            value = value[key]
            continue
        if not isinstance(value, dict):
            raise DecodeError(f"{request.endpoint}: {path}: not an object", path=path)
        if value is not document:
            _refuse_denial(request, value, path)
        path = f"{path}.{key}"
        if key not in value:
            raise DecodeError(f"{request.endpoint}: {path}: missing", path=path)
        value = value[key]
    return value, path


def _refuse_denial(request: Request[T], value: object, path: str) -> None:
    """Raise if an envelope says that it failed."""
    if isinstance(value, dict):
        key = "error" if has_error(value) else denial_in(value, reads_status=request.reads_status)
        if key is not None:
            _contradict(request, f"{path}.{key}")


def _refuse_inner_denial(request: Request[T], value: object, path: str, dialect: Dialect) -> None:
    """Raise if the record itself says that it failed, in words that are not its own.

    A cancel result is one row, which decides for itself.
    """
    kind = request.answer
    if isinstance(value, dict) and attrs.has(kind) and kind is not CancelResult:
        said = {key: value[key] for key in ("error", "errors", "success") if key in value}
        for name in dialect.names_of(kind):
            said.pop(name, None)
        _refuse_denial(request, said, path)


def _misfit(
    request: Request[T], answer: T, mismatch: str, path: str, redact: Callable[[str], str]
) -> NoReturn:
    text = f"{request.endpoint}: {path}: {one_line(redact(mismatch))}"
    if request.unite is None:
        raise DecodeError(text, path=path)
    # What it says may be true all the same.
    answers = answer if isinstance(answer, Sequence) else [answer]
    rows = [_redacted(row, redact) for row in answers]
    raise UnreadRowsError(text, path=path, rows=rows)


def _redacted(value: Any, redact: Callable[[str], str]) -> Any:
    """Return a value without secrets: it is kept in an error."""
    if type(value) is str:
        return redact(value)
    if isinstance(value, list):
        return [_redacted(each, redact) for each in value]
    if isinstance(value, dict):
        return {key: _redacted(each, redact) for key, each in value.items()}
    if attrs.has(type(value)):
        fields = [field.name for field in attrs.fields(type(value))]
        return attrs.evolve(value, **{n: _redacted(getattr(value, n), redact) for n in fields})
    return value


def _contradict(request: Request[T], path: str) -> NoReturn:
    raise DecodeError(f"{request.endpoint}: {path}: contradicts an answer", path=path)


def _is_good_status(status: object) -> bool:
    if isinstance(status, str):
        return status.strip().casefold() in ("", "ok", "success")
    if isinstance(status, int | float) and not isinstance(status, bool):
        return HTTPStatus.OK <= status < HTTPStatus.MULTIPLE_CHOICES
    return status is None or status is True


def _is_error_code(code: object) -> bool:
    if isinstance(code, str) and code.strip().isdecimal():
        # Unlike an int, a float can be made of any number of digits.
        code = float(code)
    return isinstance(code, int | float) and code >= HTTPStatus.BAD_REQUEST
