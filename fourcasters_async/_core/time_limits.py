"""The hard time limits of attempts, all kept with one timer."""

import asyncio
from math import inf

from fourcasters_async._core.tasks import times_told_to_stop

# Turns of the loop to read an answer that came while the loop was blocked.
_CATCH_UP_TURNS = 6


class TimeLimit:
    """The limit of one attempt, which cancels its task, as `asyncio.timeout_at` would."""

    __slots__ = ("_before", "ends", "is_due", "reached", "task")

    def __init__(self, ends: float) -> None:
        task = asyncio.current_task()
        if task is None:
            raise RuntimeError("an attempt needs a task")
        self.ends = ends
        self.is_due = False
        """Whether its loop time has come. Its task has some turns left then."""
        self.task = task
        self._before = times_told_to_stop(task)
        self.reached = False
        """Whether its task was cancelled because its time was up."""

    @property
    def cancelled(self) -> bool:
        """Whether somebody else has asked the task to stop since the limit began."""
        return self.task.cancelling() > self._before

    def reach(self) -> None:
        """Cancel the task: its time is up."""
        self.reached = True
        self.task.cancel()

    def leave(self) -> bool:
        """Take the own cancellation back; return whether a `CancelledError` is only its own."""
        return self.task.uncancel() <= self._before


class TimeLimits:
    """Limits the time of attempts in one event loop.

    Nearly all attempts end long before their limit, and most limits are later than those before:
    so there is one timer, for the first that can be reached.
    """

    def __init__(self) -> None:
        # In order of their beginning.
        self._limits: dict[TimeLimit, None] = {}
        self._timer: asyncio.TimerHandle | None = None
        self._first = inf

    def begin(self, ends: float) -> TimeLimit:
        """Limit what the running task does from now on, until the loop time `ends`."""
        limit = TimeLimit(ends)
        self._limits[limit] = None
        if ends < self._first:
            self._set_timer(ends)
        return limit

    def end(self, limit: TimeLimit) -> bool:
        """End a limit; return whether a `CancelledError` in its task is the limit's own."""
        del self._limits[limit]
        if not self._limits:
            self._set_timer(inf)
        return limit.reached and limit.leave()

    def _set_timer(self, first: float) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._first = first
        self._timer = (
            None if first == inf else asyncio.get_running_loop().call_at(first, self._take_due)
        )

    def _take_due(self) -> None:
        loop = asyncio.get_running_loop()
        # The loop calls a little early where its clock is coarse.
        now = max(loop.time(), self._first)
        waiting = [limit for limit in self._limits if not limit.is_due]
        due = [limit for limit in waiting if limit.ends <= now]
        for limit in due:
            limit.is_due = True
        self._set_timer(min((limit.ends for limit in waiting if not limit.is_due), default=inf))
        if due:
            loop.call_soon(self._reach, due, _CATCH_UP_TURNS - 1)

    def _reach(self, due: list[TimeLimit], turns: int) -> None:
        if turns:
            asyncio.get_running_loop().call_soon(self._reach, due, turns - 1)
            return
        for limit in due:
            if limit in self._limits:
                limit.reach()
