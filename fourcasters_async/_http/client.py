"""Requests over HTTP: what the send loop needs for one attempt."""

import asyncio
import logging
from http import HTTPStatus
from typing import TypeVar

from fourcasters_async._core.auth import Auth
from fourcasters_async._core.outcome import AttemptResult
from fourcasters_async._core.rate_limit import RateLimit
from fourcasters_async._core.retry import Attempts, RetryPolicy
from fourcasters_async._core.sender import Sender
from fourcasters_async._core.tasks import HomeLoop
from fourcasters_async._http.pool import Pool
from fourcasters_async._http.response import Response, classify

T = TypeVar("T")

_log = logging.getLogger("fourcasters_async")


class HttpClient(Sender):
    """Sends requests to one address over HTTP, as one account."""

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
        super().__init__(auth, home, timeout=timeout, retry=retry, rate_limit=rate_limit)
        self._pool = pool

    def is_closed(self) -> bool:
        """Whether it was closed, or the caller's client was."""
        return self._closed or self._pool.closed

    async def close(self) -> None:
        """Close the pool for good, unless it is the caller's."""
        await super().close()
        await self._pool.close()

    async def catch_up(self) -> None:
        """Let the loop read what has come in on idle connections, before any is used.

        After the loop was blocked, a stray answer can wait in the kernel. The first turn finds
        it, behind what was ready already; the second has read it.
        """
        await asyncio.sleep(0)
        await asyncio.sleep(0)

    async def _attempt(self, attempts: Attempts[T]) -> AttemptResult[T]:
        request, auth = attempts.request, self._auth
        authorised, redact = request.rules.authorised, self._redact_for(request)
        attempts.token = used = auth.token if authorised else None
        observed = await self._pool.attempt(
            request,
            headers=auth.headers if authorised else auth.anonymous,
            ends=self._ends(attempts),
            redact=redact,
        )
        if authorised and isinstance(observed, Response):
            auth.learn(
                used,
                accepted=observed.status != HTTPStatus.UNAUTHORIZED,
                fresh=observed.headers.get("X-Auth-Token"),
            )
        return classify(request, observed, redact=redact)
