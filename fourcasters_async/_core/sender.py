"""The one send loop: REST requests, messages and handshakes are sent until they are decided.

It reads from the outside in, and each layer can be read alone:

- `send` repeats attempts until one decides the request or its time is up, each with a token;
- `_after_refused_token` has another token after a 401;
- `_limited` keeps to the limit that its kind of request has of its own, if it has one;
- `_admitted` waits until the exchange and the rate limit let an attempt go (`admission.py`);
- `_attempt` is one attempt, over a transport. It is the only part that a transport has to write.
"""

import asyncio
from abc import abstractmethod
from collections.abc import Awaitable, Callable
from functools import partial
from typing import ClassVar, TypeVar, cast

from fourcasters_async._core.admission import Admission, give_back, not_sent
from fourcasters_async._core.auth import Auth
from fourcasters_async._core.log import log
from fourcasters_async._core.outcome import (
    ANSWERED,
    NOT_SENT,
    REFUSED,
    UNKNOWN,
    AttemptResult,
    RequestOutcome,
    is_refused,
    not_attempted,
)
from fourcasters_async._core.rate_limit import RateLimit
from fourcasters_async._core.request import RULES, Request
from fourcasters_async._core.retry import Attempts, RetryPolicy
from fourcasters_async._core.secret import Secret
from fourcasters_async._core.tasks import Closable, HomeLoop
from fourcasters_async._core.telemetry import Moments, Telemetry, Transport
from fourcasters_async._core.validation import check_seconds
from fourcasters_async.errors import (
    ApiError,
    AuthenticationError,
    FourcastersError,
    InvalidRequestError,
    RateLimitedError,
    SessionClosedError,
)

T = TypeVar("T")


# Seconds in which no attempt is worth while any more.
_TOO_LATE = 0.005


class Sender(Admission):
    """Sends requests until they are decided.

    `timeout` is the seconds that one request may take. Without a `rate_limit` nothing is limited.
    """

    transport: ClassVar[Transport]
    """What it is called where it is told of."""
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
        telemetry: Telemetry,
        lent: Closable | None = None,
    ) -> None:
        super().__init__(rate_limit, lent)
        self.timeout = timeout
        self.telemetry = telemetry
        """What is counted, and whom it tells what happens."""
        self._observer, self._counted = telemetry.observer, telemetry.attempts
        self._auth = auth
        self._home = home
        self._retry = retry

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
        watch: Callable[[Attempts[T]], object] | None = None,
    ) -> RequestOutcome[T]:
        """Send `request` until an attempt decides it, and say what all attempts prove.

        `deadline` is a loop time. Without one there are `timeout` seconds from the moment at which
        the first attempt is admitted. `retry` replaces the own policy. `begun`: see `Attempts`.
        `watch` is given the attempts before the first, for whoever may give them up.
        """
        loop = asyncio.get_running_loop()
        attempts = Attempts(request, retry or self._retry, deadline, begun=begun)
        if watch is not None:
            watch(attempts)
        while True:
            if self._lacks_token(request) and (
                (missing := await self._auth.renew(None, attempts.deadline)) is not None
            ):
                return attempts.outcome(not_attempted(missing))
            # Here, and not in a layer of its own, for what another coroutine costs each attempt.
            try:
                result = await self._limited(attempts)
            except (Exception, asyncio.CancelledError) as error:
                self._tell(attempts, error)
                raise
            if self._observer is not None:
                self._tell(attempts, result)
            if attempts.token is not None and is_refused(result, AuthenticationError):
                final = await self._after_refused_token(attempts, result)
                if final is None:
                    continue
                result = final
            if result.final:
                return attempts.outcome(result)
            pause = attempts.note(result)
            if result.status is ANSWERED or (
                (pause := self._pause(attempts, result, pause)) is None
            ):
                return attempts.outcome()
            self._note_retry(attempts, pause, result)
            await self._rest(loop.time() + pause)

    def _pause(
        self, attempts: Attempts[T], result: AttemptResult[T], pause: float | None
    ) -> float | None:
        """Return the seconds to wait before the next attempt, `None` for no next.

        `pause` is what the policy says. Others are held back after a 429, repeated or not.
        """
        now = asyncio.get_running_loop().time()
        left = self.timeout if attempts.deadline is None else attempts.deadline - now
        asked = attempts.policy.asked(result.error)
        if is_refused(result, RateLimitedError):
            others = max(asked, attempts.policy.backoff(1)) if pause is None else pause
            self._hold(attempts.request, others)
        elif pause is not None:
            # A pause of the library's own leaves time for another attempt.
            pause = max(asked, min(pause, left / 2))
        return None if pause is None or pause >= left or left < _TOO_LATE else pause

    def _tell(self, attempts: Attempts[T], ended: AttemptResult[T] | BaseException) -> None:
        """Tell how an attempt ended, however that was."""
        if self._observer is not None and attempts.moments is not None:
            request, number, moments = attempts.request, attempts.made + 1, attempts.moments
            self._observer.attempted(request, self.transport, number, moments, ended)

    async def _after_refused_token(
        self, attempts: Attempts[T], refused: AttemptResult[T]
    ) -> AttemptResult[T] | None:
        """Get another token. Return `None` if it is worth an attempt at once, else the result."""
        if not attempts.renewed:
            if attempts.request.come_back is not None:
                attempts.request.come_back(refused.error)
            if attempts.token is not None:
                await self._settle(attempts, attempts.token)
        if not self._may_renew(attempts):
            return refused
        unable = await self._renew(attempts)
        if unable is None:
            attempts.renewed = True
            attempts.note(refused)
            self._note_retry(attempts, 0.0, refused)
            return None
        # A login that was refused is as final as the 401; one that failed is not.
        attempts.refused, attempts.renewed = refused, isinstance(unable, ApiError)
        status = REFUSED if attempts.renewed else NOT_SENT
        return AttemptResult(status, error=unable)

    def _limited(self, attempts: Attempts[T]) -> Awaitable[AttemptResult[T]]:
        """Make an attempt within the limit that its kind has of its own, if it has one."""
        if self._observer is not None:
            attempts.moments = Moments()
        limit = self._own_limits.get(attempts.request.kind)
        return self._admitted(attempts) if limit is None else self._within(limit, attempts)

    async def _within(self, limit: RateLimit, attempts: Attempts[T]) -> AttemptResult[T]:
        stopped = await self._place_of_its_own(limit, attempts)
        if stopped is not None:
            self._counted[NOT_SENT] += 1
            return not_attempted(stopped)
        counted = True
        try:
            result = await self._admitted(attempts)
            counted = result.status is not NOT_SENT
            return result
        finally:
            give_back(limit, attempts, counted=counted)

    async def _admitted(self, attempts: Attempts[T]) -> AttemptResult[T]:
        """Make an attempt once it may go, and give its place in the rate limit back."""
        status = NOT_SENT
        try:
            if attempts.begun is not None:
                begun, attempts.begun = attempts.begun, None
                status, attempts.under_way = UNKNOWN, True
                if (made := await begun(attempts)) is not None:
                    status = made.status
                    return made
                status, attempts.under_way = NOT_SENT, False
            stopped = await self._admit(attempts)
            if stopped is not None:
                return not_attempted(stopped)
            if self._lacks_token(attempts.request):
                self._leave(attempts, counted=False)
                logged_out = not_sent(attempts.request, "the token was logged out meanwhile")
                return AttemptResult(NOT_SENT, error=logged_out)
            now = asyncio.get_running_loop().time()
            if attempts.moments is not None:
                attempts.moments.admitted = now
            if attempts.deadline is None:
                attempts.deadline = now + self.timeout
            ends = now + attempts.time_for_next(attempts.deadline - now)
            status, attempts.under_way = UNKNOWN, True
            try:
                result = await self._attempt(attempts, ends)
                status = result.status
            finally:
                self._leave(attempts, counted=status is not NOT_SENT)
        finally:
            self._counted[status] += 1
        if status is NOT_SENT and attempts.request.come_back is not None:
            attempts.request.come_back(None)
        return result

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

    def _note_retry(self, attempts: Attempts[T], pause: float, after: AttemptResult[T]) -> None:
        """Record that another attempt follows in `pause` seconds."""
        request, error = attempts.request, after.error
        log.debug("%s: again in %.3f s after: %s", request.endpoint, pause, error)
        self.telemetry.retries += 1
        attempts.tell_of_delay()
        if self._observer is not None:
            self._observer.retrying(request, self.transport, attempts.made, pause, error)

    def _hold(self, request: Request[T], seconds: float) -> None:
        """Hold back what the 429 to a request can be about."""
        self._holds.hold(request.kind, asyncio.get_running_loop().time() + seconds)
        self.telemetry.holds += 1
        if self._observer is not None:
            kinds = RULES[request.kind].holds_back
            self._observer.held(request, self.transport, kinds, seconds)
