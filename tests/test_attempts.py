"""The classes of an attempt: this table is their specification."""

from unittest.mock import Mock

import aiohttp
import pytest
from aiohttp.client_reqrep import ConnectionKey

from fourcasters_async import (
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
    RetryPolicy,
    ServerError,
)
from fourcasters_async._core.failures import no_response
from fourcasters_async._core.outcome import AttemptResult, AttemptStatus, NoResponse, without_answer
from fourcasters_async._core.request import Kind, Request
from fourcasters_async._core.retry import Attempts
from fourcasters_async._http.response import Response, classify, retry_after
from fourcasters_async.models import CancelResult

CANCEL = Request("POST /cancel", list[CancelResult], Kind.CANCEL, body={})
READ = Request("GET /read", list[CancelResult], Kind.READ)

_KEY = ConnectionKey("h", 443, True, True, None, None, None)  # its own fields
_REFUSED = aiohttp.ClientConnectorError(_KEY, OSError(111, "refused"))

# What was observed, and the class that it proves.
NO_REPLIES: list[tuple[str, Exception, bool | None, AttemptStatus]] = [
    ("the connection was refused", _REFUSED, False, AttemptStatus.NOT_SENT),
    (
        "the name was not found",
        aiohttp.ClientConnectorDNSError(_KEY, OSError(-2, "no such name")),
        False,
        AttemptStatus.NOT_SENT,
    ),
    (
        "the certificate was bad",
        aiohttp.ClientConnectorCertificateError(_KEY, Exception("self-signed")),
        False,
        AttemptStatus.NOT_SENT,
    ),
    (
        "connecting took too long",
        aiohttp.ConnectionTimeoutError("connect"),
        False,
        AttemptStatus.NOT_SENT,
    ),
    (
        "the proxy refused",
        aiohttp.ClientHttpProxyError(Mock(), (), status=407, message="no"),
        False,
        AttemptStatus.NOT_SENT,
    ),
    ("the time was up before the body left", TimeoutError(), False, AttemptStatus.NOT_SENT),
    (
        "a soiled connection was not used",
        ConnectionResetError("soiled"),
        False,
        AttemptStatus.NOT_SENT,
    ),
    ("the time was up after the body left", TimeoutError(), True, AttemptStatus.UNKNOWN),
    ("the socket fell silent", aiohttp.SocketTimeoutError("read"), True, AttemptStatus.UNKNOWN),
    ("the server hung up", aiohttp.ServerDisconnectedError(), True, AttemptStatus.UNKNOWN),
    ("the connection was reset", aiohttp.ClientOSError(104, "reset"), True, AttemptStatus.UNKNOWN),
    ("the pipe broke", BrokenPipeError(32, "broken"), True, AttemptStatus.UNKNOWN),
    ("the body broke off", aiohttp.ClientPayloadError("truncated"), True, AttemptStatus.UNKNOWN),
    (
        "no status line could be read, which aiohttp calls a 400",
        aiohttp.ClientResponseError(Mock(), (), status=400, message="bad line"),
        True,
        AttemptStatus.UNKNOWN,
    ),
    ("something nobody has thought of", ZeroDivisionError(), True, AttemptStatus.UNKNOWN),
    (
        "the server hung up before the body left",
        aiohttp.ServerDisconnectedError(),
        False,
        AttemptStatus.NOT_SENT,
    ),
    (
        "nothing is known of the body, and no connection was made",
        _REFUSED,
        None,
        AttemptStatus.NOT_SENT,
    ),
    (
        "nothing is known of the body",
        aiohttp.ServerDisconnectedError(),
        None,
        AttemptStatus.UNKNOWN,
    ),
    (
        "nothing is known of the body, and the time was up",
        TimeoutError(),
        None,
        AttemptStatus.UNKNOWN,
    ),
    ("a middleware sent it, and could not send it again", _REFUSED, True, AttemptStatus.UNKNOWN),
]

REPLIES: list[tuple[int, bytes, AttemptStatus, type[Exception] | None]] = [
    (200, b'{"data": []}', AttemptStatus.ANSWERED, None),
    (200, b'{"data": [{"success": false}]}', AttemptStatus.ANSWERED, None),
    (200, b'{"data": [], "error": null}', AttemptStatus.ANSWERED, None),
    (200, b'{"data": [], "error": "no"}', AttemptStatus.UNKNOWN, ApiError),
    (200, b'{"error": "no"}', AttemptStatus.UNKNOWN, ApiError),
    (200, b'{"data": null}', AttemptStatus.UNKNOWN, DecodeError),
    (200, b"{}", AttemptStatus.UNKNOWN, DecodeError),
    (200, b"", AttemptStatus.UNKNOWN, DecodeError),
    (200, b"<html>", AttemptStatus.UNKNOWN, DecodeError),
    (200, b'{"data": [{"success": "true"}]}', AttemptStatus.UNKNOWN, DecodeError),
    (201, b'{"data": []}', AttemptStatus.UNKNOWN, ApiError),
    (204, b"", AttemptStatus.UNKNOWN, ApiError),
    (301, b"", AttemptStatus.UNKNOWN, ApiError),
    (307, b"", AttemptStatus.UNKNOWN, ApiError),
    (400, b'{"error": "no"}', AttemptStatus.REFUSED, BadRequestError),
    (401, b'{"error": "no"}', AttemptStatus.REFUSED, AuthenticationError),
    (403, b'{"error": {"message": "no", "code": 403}}', AttemptStatus.REFUSED, ForbiddenError),
    (404, b'{"error": "no", "data": null}', AttemptStatus.REFUSED, NotFoundError),
    (404, b'{"error": "no", "data": []}', AttemptStatus.UNKNOWN, ApiError),
    (408, b'{"error": "no"}', AttemptStatus.UNKNOWN, ApiError),
    (409, b'{"error": "no"}', AttemptStatus.REFUSED, ConflictError),
    (413, b"", AttemptStatus.UNKNOWN, ApiError),
    (422, b'{"error": "no"}', AttemptStatus.REFUSED, BadRequestError),
    (428, b'{"error": "CHALLENGE_REQUIRED"}', AttemptStatus.REFUSED, ForbiddenError),
    (429, b"", AttemptStatus.REFUSED, RateLimitedError),
    (500, b"", AttemptStatus.UNKNOWN, ServerError),
    (503, b'{"error": "Network Error"}', AttemptStatus.UNKNOWN, ServerError),
    (
        503,
        b'{"error": {"message": "Network Error", "code": 503}}',
        AttemptStatus.UNKNOWN,
        ServerError,
    ),
]


@pytest.mark.parametrize(
    ("error", "left", "attempt"),
    [row[1:] for row in NO_REPLIES],
    ids=[r[0] for r in NO_REPLIES],
)
def test_no_reply_is_judged_by_what_it_proves(
    error: Exception,
    left: bool | None,
    attempt: AttemptStatus,
) -> None:
    verdict = classify(CANCEL, no_response(error, left=left))
    assert verdict.status is attempt
    assert isinstance(verdict.error, NotSentError) == (attempt is AttemptStatus.NOT_SENT)


@pytest.mark.parametrize(("status", "body", "attempt", "error"), REPLIES)
def test_a_reply_is_judged_by_status_and_body(
    status: int, body: bytes, attempt: AttemptStatus, error: type[Exception] | None
) -> None:
    verdict = classify(CANCEL, Response(status, {}, body))
    assert verdict.status is attempt
    assert type(verdict.error) is (error or type(None))


def _refused() -> AttemptResult[list[CancelResult]]:
    return classify(CANCEL, Response(401, {}, b'{"error": "no"}'))


def _answered() -> AttemptResult[list[CancelResult]]:
    return classify(CANCEL, Response(200, {}, b'{"data": [{"success": true}]}'))


def _not_sent() -> AttemptResult[list[CancelResult]]:
    return classify(CANCEL, NoResponse("refused", not_sent=True))


def _lost() -> AttemptResult[list[CancelResult]]:
    return classify(CANCEL, NoResponse("lost", not_sent=False))


@pytest.mark.parametrize(
    ("last", "unknowns", "attempt", "complete", "error"),
    [
        (_answered(), 0, AttemptStatus.ANSWERED, True, None),
        (_answered(), 1, AttemptStatus.ANSWERED, False, None),
        (_refused(), 0, AttemptStatus.REFUSED, True, AuthenticationError),
        (_refused(), 1, AttemptStatus.UNKNOWN, False, OutcomeUnknownError),
        (_not_sent(), 0, AttemptStatus.NOT_SENT, True, NotSentError),
        (_not_sent(), 1, AttemptStatus.UNKNOWN, False, OutcomeUnknownError),
        (_lost(), 1, AttemptStatus.UNKNOWN, False, OutcomeUnknownError),
    ],
)
def test_an_attempt_that_may_have_taken_effect_outweighs_later_ones_that_did_not(
    last: AttemptResult[list[CancelResult]],
    unknowns: int,
    attempt: AttemptStatus,
    complete: bool,
    error: type[FourcastersError] | None,
) -> None:
    attempts = Attempts(CANCEL, POLICY)
    for _ in range(unknowns):
        attempts.note(_lost())
    attempts.note(last)
    settled = attempts.outcome()
    assert (settled.status, settled.complete) == (attempt, complete)
    assert type(settled.error) is (error or type(None))


@pytest.mark.parametrize(
    ("status", "error"), [(503, ServerError), (200, DecodeError), (302, ApiError)]
)
def test_a_read_that_ends_unknown_raises_what_came(
    status: int, error: type[FourcastersError]
) -> None:
    verdict = classify(READ, Response(status, {}, b""))
    assert type(without_answer(READ, verdict, attempts=2, unknowns=2).error) is error


def test_a_read_without_any_answer_does_not_speak_of_effects() -> None:
    verdict = classify(READ, NoResponse("lost", not_sent=False))
    error = without_answer(READ, verdict, attempts=2, unknowns=2).error
    assert isinstance(error, OutcomeUnknownError)
    assert str(error) == "GET /read: no usable answer (tried 2 times): lost"


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({}, None),
        ({"Retry-After": "0"}, 0.0),
        ({"Retry-After": " 120 "}, 120.0),
        ({"Retry-After": "-1"}, None),
        ({"Retry-After": "1.5"}, None),
        ({"Retry-After": "soon"}, None),
        ({"Retry-After": "²"}, None),
        ({"Retry-After": "Wed, 21 Oct 2026 07:28:00 GMT"}, None),
        (
            {
                "Retry-After": "Wed, 21 Oct 2026 07:28:00 GMT",
                "Date": "Wed, 21 Oct 2026 07:27:30 GMT",
            },
            30.0,
        ),
        (
            {
                "Retry-After": "Wed, 21 Oct 2026 07:28:00 GMT",
                "Date": "Wed, 21 Oct 2026 07:29:30 GMT",
            },
            0.0,
        ),
        ({"Retry-After": "Wed, 99 Oct 2026 07:28:00 GMT", "Date": "x"}, None),
        ({"Retry-After": "9" * 400}, float("inf")),
    ],
)
def test_retry_after_is_digits_or_a_date_and_nonsense_is_ignored(
    headers: dict[str, str], seconds: float | None
) -> None:
    assert retry_after(headers) == seconds


POLICY = RetryPolicy(max_attempts=3, backoff_base=1.0, backoff_cap=3.0, retry_after_cap=10.0)


def _longest(_: float, most: float) -> float:
    return most


def _limited(after: str | None, status: int = 429) -> AttemptResult[list[CancelResult]]:
    return classify(CANCEL, Response(status, {} if after is None else {"Retry-After": after}, b""))


@pytest.mark.parametrize(
    ("verdict", "attempts", "stale_before", "pause"),
    [
        (_answered(), 1, False, None),
        (_refused(), 1, False, None),
        (_not_sent(), 1, False, 1.0),
        (_lost(), 1, False, 1.0),
        (_lost(), 2, False, 2.0),
        (_lost(), 3, False, None),
        (_limited(None), 1, False, 1.0),
        (_limited("7"), 1, False, 7.0),
        (_limited("3600"), 1, False, 10.0),
        (_limited("7"), 3, False, None),
        (_limited("0"), 1, False, 1.0),
        (_limited("1"), 2, False, 2.0),
        (_limited("soon"), 2, False, 2.0),
        (_limited("7", 503), 1, False, 7.0),
        (_limited("0", 503), 2, False, 2.0),
        (_limited("7", 403), 1, False, 1.0),
        (classify(CANCEL, NoResponse("gone", not_sent=False, stale=True)), 1, False, 0.0),
        (classify(CANCEL, NoResponse("gone", not_sent=False, stale=True)), 1, True, 1.0),
    ],
)
def test_what_is_repeated_and_when(
    verdict: AttemptResult[list[CancelResult]],
    attempts: int,
    stale_before: bool,
    pause: float | None,
) -> None:
    assert (
        POLICY.pause(
            verdict, repeatable=True, attempts=attempts, stale_before=stale_before, draw=_longest
        )
        == pause
    )


@pytest.mark.parametrize(
    ("verdict", "pause"),
    [
        (_not_sent(), 1.0),
        (_lost(), None),
        (_limited("7"), None),
        (classify(CANCEL, NoResponse("gone", not_sent=False, stale=True)), None),
        (classify(CANCEL, NoResponse("gone", not_sent=True, stale=True)), 0.0),
    ],
)
def test_what_places_orders_is_repeated_only_if_it_was_not_sent(
    verdict: AttemptResult[list[CancelResult]], pause: float | None
) -> None:
    assert POLICY.pause(verdict, repeatable=False, attempts=1, draw=_longest) == pause


def test_a_pause_is_drawn_between_nothing_and_the_cap() -> None:
    drawn: list[tuple[float, float]] = []

    def draw(low: float, high: float) -> float:
        drawn.append((low, high))
        return high / 2

    policy = RetryPolicy(max_attempts=10**6, backoff_base=0.5, backoff_cap=3.0)
    pauses = [
        policy.pause(_lost(), repeatable=True, attempts=n, draw=draw)
        for n in (1, 2, 3, 4, 5, 10**5)
    ]
    assert drawn == [(0.0, high) for high in (0.5, 1.0, 2.0, 3.0, 3.0, 3.0)]
    assert pauses == [0.25, 0.5, 1.0, 1.5, 1.5, 1.5]


def test_a_time_out_says_what_it_is() -> None:
    reason = no_response(TimeoutError(), left=True).reason
    assert reason == "TimeoutError: the time was up"
