"""What an exception from aiohttp proves. No I/O."""

from collections.abc import Callable

import aiohttp

from fourcasters_async._core.outcome import AnswerTooLargeError, NoResponse
from fourcasters_async._core.text import one_line

# Errors while connecting: no byte of the request can have been sent.
_NEVER_CONNECTED = (
    aiohttp.ClientConnectorError,
    aiohttp.ClientConnectorCertificateError,
    aiohttp.ClientHttpProxyError,
    aiohttp.ConnectionTimeoutError,
    aiohttp.InvalidURL,
    aiohttp.ServerFingerprintMismatch,
)
# Errors of sending over a kept-alive connection that the server has closed.
_CONNECTION_GONE = (aiohttp.ServerDisconnectedError, ConnectionResetError, BrokenPipeError)


def no_response(
    error: BaseException,
    *,
    left: bool | None,
    reused: bool = False,
    redact: Callable[[str], str] = str,
) -> NoResponse:
    """Return what an exception proves.

    `left` says whether the request was written. If that is not known (`None`), the type of the
    exception decides whether it may have been. `reused` says that the connection was used before:
    only then can it have been dead already. `redact` removes secrets from a text.
    """
    not_sent = isinstance(error, _NEVER_CONNECTED) if left is None else not left
    return NoResponse(
        reason=_describe(error, redact),
        not_sent=not_sent,
        stale=reused and isinstance(error, _CONNECTION_GONE),
        timed_out=isinstance(error, TimeoutError),
        too_large=isinstance(error, AnswerTooLargeError),
    )


def _describe(error: BaseException, redact: Callable[[str], str]) -> str:
    """Describe an exception in one line."""
    text = error.message if isinstance(error, aiohttp.ClientResponseError) else str(error)
    if isinstance(error, aiohttp.ClientResponseError | aiohttp.ClientPayloadError):
        # After the first colon aiohttp quotes the server, and may cut a secret short.
        text = text.partition(":")[0]
    elif isinstance(error, TimeoutError) and not text:
        text = "the time was up"
    name = type(error).__name__
    return f"{name}: {one_line(redact(text))}" if text else name
