"""Requests until they are decided: attempts, retries, auth and pacing."""

import asyncio
import logging
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from enum import Enum
from http import HTTPStatus
from typing import Protocol, TypeVar

from fourcasters_async._core.attempts import Attempts, not_sent
from fourcasters_async._core.auth import Auth
from fourcasters_async._core.outcome import AttemptResult, AttemptStatus, NoResponse, RequestOutcome
from fourcasters_async._core.pacing import RetryPolicy
from fourcasters_async._core.rate_limit import RateLimit
from fourcasters_async._core.request import Effect, Request
from fourcasters_async._core.secret import Secret
from fourcasters_async._core.sender import Sender
from fourcasters_async._core.tasks import is_cancelled
from fourcasters_async._core.validation import check_token, hidden
from fourcasters_async._http.response import Response, classify
from fourcasters_async.errors import (
    ApiError,
    AuthenticationError,
    FourcastersError,
    InvalidRequestError,
    NotSentError,
    RateLimitedError,
    SessionClosedError,
)

T = TypeVar("T")

_log = logging.getLogger("fourcasters_async")


class Carrier(Protocol):
    """What carries one attempt of a request."""

    @property
    def closed(self) -> bool:
        """Whether nothing can be carried any more."""
        ...

    async def close(self) -> None:
        """Close the connections."""

    async def attempt(
        self,
        request: Request[T],
        *,
        headers: Mapping[str, str],
        ends: float,
        redact: Callable[[str], str],
    ) -> Response | NoResponse:
        """Send `request` once and read the answer, by the loop time `ends`."""
        ...


class Http(Sender):
    """Sends requests to one address over HTTP, as one account."""

    def __init__(
        self,
        carrier: Carrier,
        auth: Auth,
        *,
        timeout: float,
        retry: RetryPolicy,
        rate_limit: RateLimit,
    ) -> None:
        super().__init__(timeout)
        self._carrier = carrier
        self._auth = auth
        self._retry = retry
        self._rate_limit = rate_limit
        self._held_until: dict[_Lane, float] = {}
        self._idle: set[asyncio.Future[None]] = set()
        self._closed = False

    @property
    def closed(self) -> bool:
        """Whether `close` was called."""
        return self._closed

    async def close(self) -> None:
        """Close the pool, for good, unless it is the caller's."""
        self._closed = True
        for idle in self._idle:
            idle.cancel()
        await self._carrier.close()

    def ensure_usable(self, *, authorised: bool = True) -> None:
        """Raise unless the session is open and has a token or a way to get one."""
        if self._closed:
            raise SessionClosedError("the session is closed; make a new AsyncSession")
        if authorised and not self._auth.usable:
            raise InvalidRequestError(
                "token: none was given; pass AsyncSession(token=…) or a username and a password, "
                "or log in"
            )

    async def catch_up(self) -> None:
        """Let the loop read what has come in on idle connections, before any is used.

        After the loop was blocked, a stray answer can wait in the kernel. The first turn finds
        it, behind what was ready already; the second has read it.
        """
        await asyncio.sleep(0)
        await asyncio.sleep(0)

    async def send(
        self, request: Request[T], *, deadline: float | None = None
    ) -> RequestOutcome[T]:
        """Send `request` until an attempt decides it, and say what came of it.

        `deadline` is a loop time. Without one there are `timeout` seconds from the moment that
        the rate limit first lets the request go.
        """
        loop = asyncio.get_running_loop()
        attempts = Attempts(request, self._retry)
        renewed = False
        while True:
            stopped = await self._authorise(request, deadline) or await self._admit(
                request, deadline
            )
            if stopped is not None:
                return attempts.settled(not_sent(stopped))
            if deadline is None:
                deadline = loop.time() + self.timeout
            used = self._auth.token
            verdict = await self._attempt(request, deadline)
            if self._is_expired(request, verdict, used) and not renewed:
                unable = await self._auth.renew(used, deadline)
                # A login that was refused is as final as the 401; one that failed is not.
                refused = isinstance(unable, ApiError)
                renewed = unable is None or refused
                if unable is None:
                    attempts.note(verdict)
                    continue
                verdict = AttemptResult(
                    AttemptStatus.REFUSED if refused else AttemptStatus.NOT_SENT, error=unable
                )
            pause = attempts.note(verdict)
            if isinstance(verdict.error, RateLimitedError):
                self._hold(request, loop.time() + (pause or verdict.error.retry_after or 0.0))
            if pause is None or loop.time() + pause >= deadline:
                return attempts.settled()
            _log.debug("%s: again in %.3f s after: %s", request.endpoint, pause, verdict.error)
            await self._rest(loop.time() + pause)

    async def _authorise(
        self, request: Request[T], deadline: float | None
    ) -> FourcastersError | None:
        """Log in if there is no token yet. Return why it cannot be done."""
        if self._auth.token is not None or not request.authorised:
            return None
        return await self._auth.renew(None, deadline)

    def _is_expired(self, request: Request[T], last: AttemptResult[T], used: Secret | None) -> bool:
        """Whether an attempt failed for its token, and another can be had."""
        refused = isinstance(last.error, AuthenticationError)
        wanted = request.authorised and request.renewable
        return refused and wanted and self._auth.can_renew(used)

    def _learn(self, reply: Response, used: Secret | None) -> None:
        """Take from an answer what it says of the token: that it serves, and a fresh one."""
        if reply.status != HTTPStatus.UNAUTHORIZED:
            self._auth.served(used)
        token = hidden(reply.headers.get("X-Auth-Token"))
        if token is None:
            return
        try:
            self._auth.adopt(check_token(token), used)
        except InvalidRequestError:
            _log.debug("the exchange sent an X-Auth-Token that no header can hold")

    async def _admit(self, request: Request[T], deadline: float | None) -> FourcastersError | None:
        """Wait until a request may go. Return why it may not, if it may not before `deadline`."""
        loop = asyncio.get_running_loop()
        urgent = request.urgent
        while True:
            if self._is_closed():
                return SessionClosedError(f"{request.endpoint}: the session is closed")
            now, held_until = loop.time(), self._held_until.get(_lane(request), float("-inf"))
            if deadline is not None and now >= deadline:
                return _not_sent(request, "the deadline had passed")
            if deadline is not None and held_until >= deadline:
                wait = f"{held_until - now:.1f} s"
                return _not_sent(request, f"the exchange asked to wait {wait}, past the deadline")
            if held_until > now:
                await self._rest(held_until)
            elif await self._take_place(urgent=urgent, until=deadline):
                if not self._is_closed() and self._held_until.get(_lane(request), 0) <= loop.time():
                    return None
                self._rate_limit.leave(urgent=urgent, counted=False)
            elif not self._is_closed():
                return _not_sent(request, "the rate limit left no place before the deadline")

    def _redact_for(self, request: Request[T]) -> Callable[[str], str]:
        """Return what takes out of a text the secrets that the exchange may quote in it."""
        if not request.secrets:
            return self._auth.redact

        def redact(text: str) -> str:
            for secret in request.secrets:
                text = text.replace(secret, "[secret]")
            return self._auth.redact(text)

        return redact

    def _is_closed(self) -> bool:
        return self._closed or self._carrier.closed

    async def _take_place(self, *, urgent: bool, until: float | None) -> bool:
        if self._rate_limit.admit(urgent=urgent):
            return True
        with self._idling() as place:
            return await self._rate_limit.wait(place, urgent=urgent, until=until)
        return False

    async def _rest(self, until: float) -> None:
        """Wait until the loop time `until`, or until the session is closed."""
        if self._closed:
            return
        with suppress(TimeoutError), self._idling() as idle:
            async with asyncio.timeout_at(until):
                await idle

    @contextmanager
    def _idling(self) -> Iterator["asyncio.Future[None]"]:
        """Give a future to wait for, which `close` cancels; the wait then ends without an error."""
        idle = asyncio.get_running_loop().create_future()
        self._idle.add(idle)
        try:
            yield idle
        except asyncio.CancelledError:
            if not self._closed or is_cancelled():
                raise
        finally:
            self._idle.discard(idle)

    def _hold(self, request: Request[T], until: float) -> None:
        """Hold requests back until `until`.

        Reads and logins have limits of their own at the exchange: their 429s must not hold back
        cancels.
        """
        until = min(until, asyncio.get_running_loop().time() + self._retry.retry_after_cap)
        for lane in _HELD_WITH[_lane(request)]:
            self._held_until[lane] = max(self._held_until.get(lane, until), until)

    async def _attempt(self, request: Request[T], deadline: float) -> AttemptResult[T]:
        """Send `request` once, give its place in the rate limit back, and judge what came."""
        ends = asyncio.get_running_loop().time() + self._retry.attempt_timeout
        used, redact = self._auth.token, self._redact_for(request)
        counted = True
        try:
            observed = await self._carrier.attempt(
                request,
                headers=self._auth.headers if request.authorised else self._auth.anonymous,
                ends=min(deadline, ends),
                redact=redact,
            )
            counted = not (isinstance(observed, NoResponse) and observed.not_sent)
        finally:
            self._rate_limit.leave(urgent=request.urgent, counted=counted)
        if isinstance(observed, Response) and request.authorised:
            self._learn(observed, used)
        return classify(request, observed, redact=redact)


class _Lane(Enum):
    """Requests that are held back together by a 429."""

    CANCEL = "cancel"
    LOOK = "look"
    """The reads that belong to a cancel."""
    READ = "read"
    PLACE = "place"
    LOGIN = "login"


# Whom a 429 holds back. What is in doubt is not held back: a cancel least of all.
_HELD_WITH: Mapping[_Lane, tuple[_Lane, ...]] = {
    _Lane.CANCEL: (_Lane.CANCEL, _Lane.LOOK, _Lane.READ, _Lane.PLACE),
    _Lane.LOOK: (_Lane.LOOK, _Lane.READ),
    _Lane.READ: (_Lane.READ,),
    _Lane.PLACE: (_Lane.PLACE,),
    _Lane.LOGIN: (_Lane.LOGIN,),
}


def _lane(request: Request[T]) -> _Lane:
    if not request.authorised:
        return _Lane.LOGIN
    if request.effect is not Effect.READ:
        return _Lane.CANCEL if request.effect is Effect.CANCEL else _Lane.PLACE
    return _Lane.LOOK if request.urgent else _Lane.READ


def _not_sent(request: Request[T], reason: str) -> NotSentError:
    return NotSentError(f"{request.endpoint}: not sent: {reason}")
