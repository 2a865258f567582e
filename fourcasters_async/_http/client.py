"""Requests over HTTP: one attempt, for the send loop."""

from http import HTTPStatus
from typing import ClassVar, TypeVar

from fourcasters_async._core.auth import Auth
from fourcasters_async._core.outcome import ANSWERED, REFUSED, AttemptResult, NoResponse
from fourcasters_async._core.rate_limit import RateLimit
from fourcasters_async._core.request import RULES, Kind, Request
from fourcasters_async._core.retry import Attempts, RetryPolicy
from fourcasters_async._core.sender import Sender
from fourcasters_async._core.tasks import HomeLoop
from fourcasters_async._core.telemetry import Telemetry, Transport
from fourcasters_async._http.pool import Pool
from fourcasters_async._http.response import Response, classify
from fourcasters_async.errors import AuthenticationError, ForbiddenError, RateLimitedError

T = TypeVar("T")

# As `ANSWERED` is read.
_LOGIN, _LOGOUT = Kind.LOGIN, Kind.LOGOUT
_CHALLENGE = b"CHALLENGE_REQUIRED"


class HttpClient(Sender):
    """Sends requests to one address over HTTP, as one account."""

    transport: ClassVar[Transport] = "rest"
    # After the loop was blocked, an answer to no request may still be in the socket's buffer. The
    # first turn finds it, after the callbacks that were ready; the second reads it.
    _CATCH_UP_TURNS = 2

    def __init__(
        self,
        pool: Pool,
        auth: Auth,
        home: HomeLoop,
        *,
        timeout: float,
        retry: RetryPolicy,
        rate_limit: RateLimit,
        telemetry: Telemetry,
    ) -> None:
        super().__init__(
            auth,
            home,
            timeout=timeout,
            retry=retry,
            rate_limit=rate_limit,
            telemetry=telemetry,
            lent=pool.lent,
        )
        self._pool = pool

    @property
    def in_flight(self) -> int:
        """How many requests are under way."""
        return self._pool.in_flight

    async def close(self) -> None:
        """Close the pool for good, unless it is the caller's."""
        await super().close()
        await self._pool.close()

    async def _attempt(self, attempts: Attempts[T], ends: float) -> AttemptResult[T]:
        request, auth, rules = attempts.request, self._auth, RULES[attempts.request.kind]
        used = attempts.token = auth.token if rules.authorised else None
        # A connection on which nothing came is not trusted with another attempt, and nor is one on
        # which another request's answer may have come.
        fresh = attempts.timed_out or attempts.unusable
        # Whoever logs out wants no other token.
        replaceable = used if rules.renews else None
        with auth.in_flight.attempt(replaceable):
            observed = await self._pool.attempt(
                request,
                headers=auth.headers if rules.authorised else auth.anonymous,
                ends=ends,
                redact=auth.redact,
                fresh=fresh,
                moments=attempts.moments,
            )
            if rules.authorised and isinstance(observed, Response):
                # Those who wait for the last attempt find the token that it brought.
                if replaceable is not None:
                    auth.learn(replaceable, observed.headers.get("X-Auth-Token"))
                # It may quote the new token.
                observed.body = auth.without_secrets(observed.body)
        redact = auth.redact if rules.quotable else _not_shown
        # The caller's client may have used any of its connections.
        own_connection = fresh and self._pool.lent is None
        result = classify(request, observed, redact=redact, own_connection=own_connection)
        if request.kind is _LOGIN:
            return _challenged(request, observed, result)
        if _is_accepted(result):
            auth.accept(used)
        if request.kind is _LOGOUT and result.status is ANSWERED:
            auth.forget(used)
        return result

    def _may_renew(self, attempts: Attempts[T]) -> bool:
        may = super()._may_renew(attempts)
        if not may and attempts.request.kind is _LOGOUT:
            # It was dead already.
            self._auth.forget(attempts.token)
        return may


def _is_accepted(result: AttemptResult[T]) -> bool:
    """Whether the exchange itself took the token. A page says nothing of it, nor does a 429."""
    if result.status is REFUSED:
        return not isinstance(result.error, AuthenticationError | RateLimitedError)
    return result.status is ANSWERED


def _challenged(
    request: Request[T], observed: Response | NoResponse, result: AttemptResult[T]
) -> AttemptResult[T]:
    """Return the refusal that a challenge is, in whatever form: no script can answer it."""
    if (
        result.status is REFUSED
        or not isinstance(observed, Response)
        or observed.status != HTTPStatus.PRECONDITION_REQUIRED
        or _CHALLENGE not in observed.body
    ):
        return result
    error = ForbiddenError(_CHALLENGE.decode(), status=observed.status, endpoint=request.endpoint)
    return AttemptResult(REFUSED, error=error)


def _not_shown(_: str) -> str:
    return "(what is said of a login is not shown)"
