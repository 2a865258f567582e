"""What an exception of aiohttp's proves. No I/O."""

from collections.abc import Callable

import aiohttp

from fourcasters_async._core.outcome import NoResponse
from fourcasters_async._core.text import one_line

# Errors of making the connection: no byte of the request can have left before it stands.
_NEVER_CONNECTED = (
    aiohttp.ClientConnectorError,
    aiohttp.ClientConnectorCertificateError,
    aiohttp.ClientHttpProxyError,
    aiohttp.ConnectionTimeoutError,
    aiohttp.InvalidURL,
    aiohttp.ServerFingerprintMismatch,
)
# What sending over a kept-alive connection meets that the server has closed.
_CONNECTION_GONE = (aiohttp.ServerDisconnectedError, ConnectionResetError, BrokenPipeError)


def no_response(
    error: BaseException, *, left: bool | None, redact: Callable[[str], str] = str
) -> NoResponse:
    """Say what an exception proves.

    `left` says whether the request was written. Where that is not known (`None`), the kind of the
    exception has to say whether it can have been. `redact` takes secrets out of a text.
    """
    never_left = isinstance(error, _NEVER_CONNECTED) if left is None else not left
    return NoResponse(
        reason=_describe(error, redact),
        not_sent=never_left,
        stale=isinstance(error, _CONNECTION_GONE),
        timed_out=isinstance(error, TimeoutError),
    )


def _describe(error: BaseException, redact: Callable[[str], str]) -> str:
    """Name an exception in one line."""
    text = error.message if isinstance(error, aiohttp.ClientResponseError) else str(error)
    if isinstance(error, aiohttp.ClientResponseError | aiohttp.ClientPayloadError):
        # Behind the first colon aiohttp quotes what the server sent, cut at any place.
        text = text.partition(":")[0]
    elif isinstance(error, TimeoutError) and not text:
        text = "the time was up"
    name = type(error).__name__
    return f"{name}: {one_line(redact(text))}" if text else name
