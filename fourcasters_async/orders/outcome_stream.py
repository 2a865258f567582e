"""The outcomes of a fan-out as they come, for whoever streams them on."""

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Callable, Coroutine
from typing import Self

from fourcasters_async._core.log import log
from fourcasters_async._core.tasks import Jobs
from fourcasters_async.errors import InvalidRequestError
from fourcasters_async.models import CancelReport, GameOutcome
from fourcasters_async.orders.fanout import OnOutcome


class OutcomeStream(AsyncIterator[GameOutcome]):
    """The outcomes of a cancel on many games: `async for outcome in session.cancelling(games)`.

    The cancels began with the call that returned this, and belong to the session, not to whoever
    iterates: they go on to their end also if the loop is left early, if its task is cancelled, or
    if nobody iterates at all. Each game's outcome comes once, as soon as it is known and before any
    verification. A later loop goes on with the outcomes that no loop has had. The iteration ends
    when the report is there. One task iterates at a time; another gets an `InvalidRequestError`.

    `aclose` stops the cancels on purpose, and so does whoever cancels every task of the event loop:
    what is known by then still comes, and there is no report. When the session is closed, what is
    in flight ends unknown as for every fan-out, and there is a report.

    If the stream is dropped and nobody has heard of the end, neither from the loop nor from
    `report`, and the cancels were stopped or something is not settled, that is logged as an error.
    """

    def __init__(
        self, jobs: Jobs, begin: Callable[[OnOutcome], Coroutine[object, object, CancelReport]]
    ) -> None:
        # Of the stream itself the cancels know nothing: it is gone once its user drops it.
        self._told = told = _Told()
        self._iterating = False
        self._heard = False
        self._job = jobs.begin(begin(told.take))
        self._job.add_done_callback(lambda _: told.news.set())

    @property
    def report(self) -> CancelReport | None:
        """The whole report, verification included, once the iteration has ended.

        `None` before that, and if the cancels were stopped.
        """
        job = self._job
        if not job.done() or job.cancelled() or job.exception() is not None:
            return None
        self._heard = True
        return job.result()

    def __del__(self) -> None:
        """Log how the cancels end, if nobody has heard of that."""
        job: asyncio.Task[CancelReport] | None = getattr(self, "_job", None)
        if job is None or self._heard:
            return
        if job.done():
            _log_end(job)
        else:
            job.add_done_callback(_log_end)

    def __aiter__(self) -> Self:
        """Return the stream itself: a later loop goes on where the last one ended."""
        return self

    async def __anext__(self) -> GameOutcome:
        """Return the next outcome. Raises `InvalidRequestError` if another task waits for it."""
        if self._iterating:
            raise InvalidRequestError(
                "another task iterates over these outcomes: one can, at a time"
            )
        self._iterating = True
        try:
            return await self._next()
        finally:
            self._iterating = False

    async def aclose(self) -> None:
        """Stop the cancels. What is in flight is ended, which does not undo it at the exchange.

        Does nothing once they have ended.
        """
        self._heard = True
        self._job.cancel()
        await asyncio.wait([self._job])

    async def _next(self) -> GameOutcome:
        # A consumer that never waits would hold up the answers of the other games.
        await asyncio.sleep(0)
        told = self._told
        while not told.known:
            if self._job.done():
                self._heard = True
                if not self._job.cancelled():
                    # If it has failed, whoever iterates is told.
                    self._job.result()
                raise StopAsyncIteration
            told.news.clear()
            await told.news.wait()
        return told.known.popleft()


class _Told:
    """What is known and was not taken yet, and whether there is news."""

    def __init__(self) -> None:
        self.known: deque[GameOutcome] = deque()
        self.news = asyncio.Event()

    def take(self, outcome: GameOutcome) -> None:
        """Keep an outcome until somebody takes it."""
        self.known.append(outcome)
        self.news.set()


def _log_end(job: "asyncio.Task[CancelReport]") -> None:
    """Log how cancels have ended of which nobody has heard, unless all is settled."""
    if job.cancelled():
        log.error("nobody waited for cancels on many games, and they were stopped")
        return
    end = job.exception() or job.result()
    if not isinstance(end, CancelReport) or not end.ok:
        log.error("nobody waited for cancels on many games: %s", end)
