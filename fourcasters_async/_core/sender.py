"""The one send loop: REST requests, messages and handshakes are sent until they are decided.

It reads from the outside in, and each layer can be read alone:

- `send` repeats attempts until one decides the request or its time is up;
- `_authorised` has a token before an attempt, and another one after a 401;
- `_limited` keeps to the limit that its kind of request has of its own, if it has one;
- `_admitted` waits until the exchange and the rate limit let an attempt go;
- `_attempt` is one attempt, over a transport. It is the only part that a transport has to write.
"""

import asyncio
import logging
from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable
from functools import partial
from typing import TypeVar, cast

from fourcasters_async._core.auth import Auth
from fourcasters_async._core.holds import Holds
from fourcasters_async._core.outcome import (
    AttemptResult,
    AttemptStatus,
    RequestOutcome,
    not_attempted,
)
from fourcasters_async._core.rate_limit import RateLimit, time_now
from fourcasters_async._core.request import RULES, Request
from fourcasters_async._core.retry import Attempts, RetryPolicy
from fourcasters_async._core.secret import Secret
from fourcasters_async._core.tasks import Closable, HomeLoop
from fourcasters_async._core.validation import check_seconds
from fourcasters_async._core.waits import Waits
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

# Seconds in which no attempt is worth while any more.
_TOO_LATE = 0.005


class Sender(Waits, ABC):
    """Sends requests until they are decided.

    `timeout` is the seconds that one request may take. Without a `rate_limit` nothing is counted.
    """

    _CLOSED = "the session is closed; make a new AsyncSession"
    # Turns of the loop in which what came in on idle connections is read before any is used.
    _CATCH_UP_TURNS = 0

    def __init__(
        self,
        auth: Auth,
        home: HomeLoop,
        *,
        timeout: float,
        retry: RetryPolicy,
        rate_limit: RateLimit | None,
        lent: Closable | None = None,
    ) -> None:
        super().__init__()
        self.timeout = timeout
        self._lent = lent
        self._auth = auth
        self._home = home
        self._retry = retry
        self._rate_limit = rate_limit
        # They are per account, which a sender has one of.
        self._own_limits = {
            kind: RateLimit(*rules.limit, reserve=0)
            for kind, rules in RULES.items()
            if rules.limit is not None and rate_limit is not None
        }
        self._holds = Holds()

    def is_closed(self) -> bool:
        """Whether nothing can be sent any more: it was closed, or the caller's client was."""
        return self._closed or (self._lent is not None and self._lent.closed)

    async def close(self) -> None:
        """Send nothing any more, and close what belongs to this sender."""
        self.end()

    def ensure_usable(self, *, authorised: bool = True) -> None:
        """Raise unless requests, or without `authorised` logins, can be sent in this event loop."""
        self._home.enter()
        if self.is_closed():
            raise SessionClosedError(self._CLOSED)
        if authorised and self._auth.token is None and not self._auth.usable:
            raise InvalidRequestError(
                "token: none was given; pass AsyncSession(token=…) or a username and a password, "
                "or log in"
            )

    def asked(self, error: FourcastersError) -> float:
        """Return the seconds for which an error asks to wait, as far as that is obeyed."""
        return self._retry.asked(error)

    async def catch_up(self) -> None:
        """Take note of what happened to connections while they were idle."""
        for _ in range(self._CATCH_UP_TURNS):
            await asyncio.sleep(0)

    def until(self, deadline: float | None) -> float:
        """Return the loop time that is `deadline` seconds from now, by default `timeout`."""
        self._home.enter()
        seconds = self.timeout if deadline is None else check_seconds(deadline, "deadline")
        return asyncio.get_running_loop().time() + seconds

    async def call(self, request: Request[T], *, deadline: float | None = None) -> T:
        """Send `request` and return its answer, or raise what came instead.

        `deadline` is in seconds, by default `timeout`.
        """
        return await self.call_until(request, self.until(deadline))

    async def call_until(self, request: Request[T], until: float) -> T:
        """Send `request` and return its answer by the loop time `until`, or raise what came."""
        return (await self.outcome_until(request, until))[0]

    async def outcome_until(self, request: Request[T], until: float) -> tuple[T, RequestOutcome[T]]:
        """Return the answer as `call_until` does, and beside it what all attempts prove."""
        self.ensure_usable(authorised=RULES[request.kind].authorised)
        await self.catch_up()
        outcome = await self.send(request, deadline=until)
        if outcome.error is not None:
            raise outcome.error
        return cast(T, outcome.value), outcome

    async def send(
        self,
        request: Request[T],
        *,
        deadline: float | None = None,
        retry: RetryPolicy | None = None,
        begun: Callable[[Attempts[T]], Awaitable[AttemptResult[T] | None]] | None = None,
    ) -> RequestOutcome[T]:
        """Send `request` until an attempt decides it, and say what all attempts prove.

        `deadline` is a loop time. Without one there are `timeout` seconds from the moment at which
        the first attempt is admitted. `retry` replaces the own policy. `begun`: see `Attempts`.
        """
        loop = asyncio.get_running_loop()
        attempts = Attempts(request, retry or self._retry, deadline, begun=begun)
        while True:
            result = await self._authorised(attempts)
            if result.final:
                return attempts.outcome(result)
            pause = attempts.note(result)
            if result.status is AttemptStatus.ANSWERED:
                return attempts.outcome()
            left = self.timeout if attempts.deadline is None else attempts.deadline - loop.time()
            asked = attempts.policy.asked(result.error)
            if _is_refused(result, RateLimitedError):
                others = max(asked, attempts.policy.backoff(1)) if pause is None else pause
                self._holds.hold(request.kind, loop.time() + others)
            elif pause is not None:
                # A pause of the library's own leaves time for another attempt.
                pause = max(asked, min(pause, left / 2))
            if pause is None or pause >= left or left < _TOO_LATE:
                return attempts.outcome()
            _log.debug("%s: again in %.3f s after: %s", request.endpoint, pause, result.error)
            await self._rest(loop.time() + pause)

    async def _authorised(self, attempts: Attempts[T]) -> AttemptResult[T]:
        """Make an attempt with a token, and once more with another if that one was refused."""
        if self._lacks_token(attempts.request):
            missing = await self._auth.renew(None, attempts.deadline)
            if missing is not None:
                return not_attempted(missing)
        result = await self._limited(attempts)
        if attempts.token is None or not _is_refused(result, AuthenticationError):
            return result
        if not attempts.renewed:
            if attempts.request.come_back is not None:
                attempts.request.come_back(result.error)
            await self._settle(attempts, attempts.token)
        if not self._may_renew(attempts):
            return result
        unable = await self._renew(attempts)
        if unable is None:
            attempts.renewed = True
            attempts.note(result)
            return await self._limited(attempts)
        # A login that was refused is as final as the 401; one that failed is not.
        attempts.refused, attempts.renewed = result, isinstance(unable, ApiError)
        status = AttemptStatus.REFUSED if attempts.renewed else AttemptStatus.NOT_SENT
        return AttemptResult(status, error=unable)

    def _limited(self, attempts: Attempts[T]) -> Awaitable[AttemptResult[T]]:
        """Make an attempt within the limit that its kind has of its own, if it has one."""
        limit = self._own_limits.get(attempts.request.kind)
        return self._admitted(attempts) if limit is None else self._within(limit, attempts)

    async def _within(self, limit: RateLimit, attempts: Attempts[T]) -> AttemptResult[T]:
        if not await self._place(limit, attempts):
            if self.is_closed():
                closed = f"{attempts.request.endpoint}: {self._CLOSED}"
                return not_attempted(SessionClosedError(closed))
            own = f"its own limit of {limit.requests} requests in {limit.window:g} s"
            return not_attempted(
                _not_sent(attempts.request, f"{own} left no place before the deadline")
            )
        counted = True
        try:
            result = await self._admitted(attempts)
            counted = result.status is not AttemptStatus.NOT_SENT
            return result
        finally:
            _give_back(limit, attempts, counted=counted)

    async def _admitted(self, attempts: Attempts[T]) -> AttemptResult[T]:
        """Make an attempt once it may go, and give its place in the rate limit back."""
        if attempts.begun is not None:
            begun, attempts.begun = attempts.begun, None
            if (made := await begun(attempts)) is not None:
                return made
        stopped = await self._admit(attempts)
        if stopped is not None:
            return not_attempted(stopped)
        if self._lacks_token(attempts.request):
            self._leave(attempts, counted=False)
            logged_out = _not_sent(attempts.request, "the token was logged out meanwhile")
            return AttemptResult(AttemptStatus.NOT_SENT, error=logged_out)
        now = asyncio.get_running_loop().time()
        if attempts.deadline is None:
            attempts.deadline = now + self.timeout
        ends = now + attempts.time_for_next(attempts.deadline - now)
        counted = True
        try:
            result = await self._attempt(attempts, ends)
            counted = result.status is not AttemptStatus.NOT_SENT
        finally:
            self._leave(attempts, counted=counted)
        if result.status is AttemptStatus.NOT_SENT and attempts.request.come_back is not None:
            attempts.request.come_back(None)
        return result

    def _leave(self, attempts: Attempts[T], *, counted: bool) -> None:
        """Give the place of an attempt in the rate limit back."""
        if self._rate_limit is not None:
            _give_back(self._rate_limit, attempts, counted=counted)

    @abstractmethod
    async def _attempt(self, attempts: Attempts[T], ends: float) -> AttemptResult[T]:
        """Make one attempt by the loop time `ends`, and set `attempts.token` to what it used."""

    def _lacks_token(self, request: Request[T]) -> bool:
        """Whether `request` carries the token, and there is none, or none any more."""
        return self._auth.token is None and RULES[request.kind].authorised

    async def _settle(self, attempts: Attempts[T], used: Secret) -> None:
        """Wait for what is in flight with a token that was refused: it may bring another."""
        auth, until = self._auth, attempts.deadline
        if auth.token == used and used in auth.in_flight and until is not None:
            if auth.can_renew(used, log_in=RULES[attempts.request.kind].renews):
                # A login takes time as well.
                until -= (until - asyncio.get_running_loop().time()) / 2
            await self._rest(until, partial(auth.in_flight.notify, used))

    def _may_renew(self, attempts: Attempts[T]) -> bool:
        """Whether another token than the refused one can be had and was not tried yet."""
        log_in = RULES[attempts.request.kind].renews
        return not attempts.renewed and self._auth.can_renew(attempts.token, log_in=log_in)

    async def _renew(self, attempts: Attempts[T]) -> FourcastersError | None:
        """Get another token than the refused one. Return why there is none."""
        return await self._auth.renew(attempts.token, attempts.deadline)

    async def _admit(self, attempts: Attempts[T]) -> FourcastersError | None:
        """Wait until an attempt may go. Return why it may not go before its deadline, if so."""
        request, deadline = attempts.request, attempts.deadline
        clock = asyncio.get_running_loop().time
        while True:
            if self.is_closed():
                return SessionClosedError(f"{request.endpoint}: {self._CLOSED}")
            now, held_until = clock(), self._holds.get(request.kind, float("-inf"))
            if deadline is not None and now >= deadline:
                return _not_sent(request, "the deadline had passed")
            if deadline is not None and held_until >= deadline:
                wait = f"{held_until - now:.1f} s"
                return _not_sent(request, f"the exchange asked to wait {wait}, past the deadline")
            if held_until > now:
                await self._rest(held_until)
                continue
            rate_limit, urgent = self._rate_limit, RULES[request.kind].uses_reserve
            if rate_limit is None or rate_limit.admit(urgent=urgent, now=now):
                return None
            if await self._place(rate_limit, attempts):
                if not self.is_closed() and self._holds.get(request.kind, now) <= clock():
                    return None
                self._leave(attempts, counted=False)
            elif not self.is_closed():
                return _not_sent(request, "the rate limit left no place before the deadline")

    async def _place(self, rate_limit: RateLimit, attempts: Attempts[T]) -> bool:
        """Wait for a place in the rate limit; `False` if there was none before the deadline."""
        urgent = RULES[attempts.request.kind].uses_reserve
        with self._waiting() as place:
            return await rate_limit.wait(place, urgent=urgent, until=attempts.deadline)
        return False


def _give_back(limit: RateLimit, attempts: Attempts[T], *, counted: bool) -> None:
    urgent = RULES[attempts.request.kind].uses_reserve
    if limit.leave(urgent=urgent, now=time_now(), counted=counted):
        limit.serve()


def _is_refused(result: AttemptResult[T], kind: type[ApiError]) -> bool:
    return result.status is AttemptStatus.REFUSED and isinstance(result.error, kind)


def _not_sent(request: Request[T], reason: str) -> NotSentError:
    return NotSentError(f"{request.endpoint}: not sent: {reason}")
