"""The envelope of an answer or an error, the same over both transports. No I/O."""

from collections.abc import Callable
from typing import TypeVar

from fourcasters_async._core.request import Request
from fourcasters_async._core.text import one_line
from fourcasters_async._json.converter import Dialect
from fourcasters_async.errors import DecodeError

T = TypeVar("T")


def value_in(
    request: Request[T],
    document: object,
    dialect: Dialect,
    redact: Callable[[str], str] = str,
) -> T:
    """Return the answer to `request` in a document, or raise `DecodeError`.

    `redact` removes secrets from the text that is quoted.
    """
    value, path = document, "$"
    for key in request.data_path:
        if isinstance(key, int):
            path = f"{path}[{key}]"
            if not isinstance(value, list) or len(value) != key + 1:
                raise DecodeError(f"{request.endpoint}: {path}: not the only item", path=path)
            value = value[key]
            continue
        if not isinstance(value, dict):
            raise DecodeError(f"{request.endpoint}: {path}: not an object", path=path)
        path = f"{path}.{key}"
        if key not in value:
            raise DecodeError(f"{request.endpoint}: {path}: missing", path=path)
        value = value[key]
    try:
        answer = dialect.structure(value, request.answer, path)
    except DecodeError as error:
        raise DecodeError(f"{request.endpoint}: {error}", path=error.path) from None
    if request.check is not None and (mismatch := request.check(answer)) is not None:
        mismatch = one_line(redact(mismatch))
        raise DecodeError(f"{request.endpoint}: {path}: {mismatch}", path=path)
    return answer


def error_in(document: object, redact: Callable[[str], str]) -> tuple[str, int | None]:
    """Return the message and the code of an error, in either form that the exchange uses."""
    error = document.get("error") if isinstance(document, dict) else None
    message, code = error, None
    if isinstance(error, dict):
        message, code = error.get("message"), error.get("code")
    return (
        one_line(redact(message)) if isinstance(message, str) else "",
        code if type(code) is int else None,
    )
