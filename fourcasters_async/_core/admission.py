"""When an attempt may go: after what the exchange asked to wait, and within the rate limit."""

import asyncio
from abc import ABC
from typing import ClassVar, TypeVar

from fourcasters_async._core.holds import Holds
from fourcasters_async._core.rate_limit import RateLimit, time_now
from fourcasters_async._core.request import RULES, Request
from fourcasters_async._core.retry import Attempts
from fourcasters_async._core.tasks import Closable
from fourcasters_async._core.waits import Waits
from fourcasters_async.errors import FourcastersError, NotSentError, SessionClosedError

T = TypeVar("T")


class Admission(Waits, ABC):
    """Lets attempts go one by one, as long as it is not closed.

    Without a `rate_limit` nothing is counted. `lent` is a client of the caller's, who may close it.
    """

    _CLOSED: ClassVar = "the session is closed; make a new AsyncSession"

    def __init__(self, rate_limit: RateLimit | None, lent: Closable | None) -> None:
        super().__init__()
        self._lent = lent
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

    async def _admit(self, attempts: Attempts[T]) -> FourcastersError | None:
        """Wait until an attempt may go. Return why it may not go before its deadline, if so."""
        request, deadline = attempts.request, attempts.deadline
        clock = asyncio.get_running_loop().time
        while True:
            if self.is_closed():
                return self._closed_before(request)
            now, held_until = clock(), self._holds.get(request.kind, float("-inf"))
            if deadline is not None and now >= deadline:
                return not_sent(request, "the deadline had passed")
            if deadline is not None and held_until >= deadline:
                wait = f"{held_until - now:.1f} s"
                return not_sent(request, f"the exchange asked to wait {wait}, past the deadline")
            if held_until > now:
                attempts.tell_of_delay()
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
                return not_sent(request, "the rate limit left no place before the deadline")

    async def _place_of_its_own(
        self, limit: RateLimit, attempts: Attempts[T]
    ) -> FourcastersError | None:
        """Wait for a place in the limit of a kind. Return why there is none before the deadline."""
        if await self._place(limit, attempts):
            return None
        if self.is_closed():
            return self._closed_before(attempts.request)
        own = f"its own limit of {limit.requests} requests in {limit.window:g} s"
        return not_sent(attempts.request, f"{own} left no place before the deadline")

    async def _place(self, rate_limit: RateLimit, attempts: Attempts[T]) -> bool:
        """Wait for a place in a rate limit; `False` if there was none before the deadline."""
        urgent = RULES[attempts.request.kind].uses_reserve
        with self._waiting() as place:
            return await rate_limit.wait(place, urgent=urgent, until=attempts.deadline)
        return False

    def _leave(self, attempts: Attempts[T], *, counted: bool) -> None:
        """Give the place of an attempt in the rate limit back."""
        if self._rate_limit is not None:
            give_back(self._rate_limit, attempts, counted=counted)

    def _closed_before(self, request: Request[T]) -> SessionClosedError:
        return SessionClosedError(f"{request.endpoint}: {self._CLOSED}")


def give_back(limit: RateLimit, attempts: Attempts[T], *, counted: bool) -> None:
    """Give the place of an attempt in a limit back, at once unless it is `counted`."""
    urgent = RULES[attempts.request.kind].uses_reserve
    if limit.leave(urgent=urgent, now=time_now(), counted=counted):
        limit.serve()


def not_sent(request: Request[T], reason: str) -> NotSentError:
    """Return the error of a request that did not leave, for a reason."""
    return NotSentError(f"{request.endpoint}: not sent: {reason}")
