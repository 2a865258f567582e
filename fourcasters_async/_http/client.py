"""Requests over HTTP: one attempt, for the send loop."""

import logging
from http import HTTPStatus
from typing import TypeVar

from attrs import evolve

from fourcasters_async._core.auth import Auth
from fourcasters_async._core.outcome import AttemptResult, AttemptStatus
from fourcasters_async._core.rate_limit import RateLimit
from fourcasters_async._core.request import RULES, Kind
from fourcasters_async._core.retry import Attempts, RetryPolicy
from fourcasters_async._core.sender import Sender
from fourcasters_async._core.tasks import HomeLoop
from fourcasters_async._http.pool import Pool
from fourcasters_async._http.response import Response, classify
from fourcasters_async.errors import AuthenticationError

T = TypeVar("T")

_log = logging.getLogger("fourcasters_async")


class HttpClient(Sender):
    """Sends requests to one address over HTTP, as one account."""

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
    ) -> None:
        super().__init__(
            auth, home, timeout=timeout, retry=retry, rate_limit=rate_limit, lent=pool.lent
        )
        self._pool = pool

    async def close(self) -> None:
        """Close the pool for good, unless it is the caller's."""
        await super().close()
        await self._pool.close()

    async def _attempt(self, attempts: Attempts[T], ends: float) -> AttemptResult[T]:
        request, auth = attempts.request, self._auth
        authorised = RULES[request.kind].authorised
        attempts.token = used = auth.token if authorised else None
        # A connection on which nothing came is not trusted with another attempt, and nor is one on
        # which another request's answer may have come.
        fresh = attempts.timed_out or attempts.unusable
        observed = await self._pool.attempt(
            request,
            headers=auth.headers if authorised else auth.anonymous,
            ends=ends,
            redact=auth.redact,
            fresh=fresh,
        )
        if authorised and isinstance(observed, Response):
            body = auth.without_secrets(observed.body)
            if body is not observed.body:
                observed = evolve(observed, body=body)
            # Whoever logs out wants no other token.
            new = observed.headers.get("X-Auth-Token") if RULES[request.kind].renews else None
            if new is not None or auth.unproven is not None:
                accepted = observed.status != HTTPStatus.UNAUTHORIZED
                auth.learn(used, accepted=accepted, fresh=new)
        redact = auth.redact if RULES[request.kind].quotable else _not_shown
        # The caller's client may have used any of its connections.
        own_connection = fresh and self._pool.lent is None
        result = classify(request, observed, redact=redact, own_connection=own_connection)
        if request.kind is Kind.LOGOUT and (
            result.status is AttemptStatus.ANSWERED or isinstance(result.error, AuthenticationError)
        ):
            auth.forget(used)
        return result


def _not_shown(_: str) -> str:
    return "(what is said of a login is not shown)"
