"""The dead-man switch: the exchange cancels everything when heartbeats stop."""

import asyncio
import logging
import math
import time
from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager, AsyncExitStack
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Self

from attrs import frozen

from fourcasters_async._core.callbacks import tell
from fourcasters_async._core.log import log
from fourcasters_async._core.telemetry import Observer
from fourcasters_async._core.validation import check_callback, check_count
from fourcasters_async.errors import FourcastersError, InvalidRequestError, OutcomeUnknownError

# Beats per time-out: if two are missed, a third still has a quarter of the time to arrive.
_BEATS = 4
# Seconds between two looks at the clock, at most: it moves while the machine sleeps.
_CHECK_INTERVAL = 1.0
# Seconds: the exchange takes no shorter time-out. If it acknowledged one, beats would be a flood.
_SHORTEST = 1.0


@frozen
class EarlierBeat:
    """A beat that another switch of the account sent `age` seconds ago, and its `acknowledged`."""

    acknowledged: float | None
    age: float


Beat = Callable[[float], Awaitable[float | EarlierBeat | None]]
"""Sends a heartbeat within so many seconds, and raises if it was not acknowledged.

Returns the time-out that the exchange acknowledged, in seconds; `None` if it named none.
"""


class DeadManState(StrEnum):
    """What is known of the switch."""

    ARMED = "armed"
    """The exchange acknowledged a recent beat. It cancels everything if the beats stop."""
    LATE = "late"
    """A beat is overdue, but the time-out has not passed."""
    LAPSED = "lapsed"
    """The time-out passed after the last acknowledged beat: everything may be cancelled."""


_LEVELS = {
    DeadManState.ARMED: logging.DEBUG,
    DeadManState.LATE: logging.WARNING,
    DeadManState.LAPSED: logging.ERROR,
}


def beats_in(window: float, timeout: float) -> int:
    """Return how many requests the beats need in any `window` seconds, each tried twice."""
    return 2 * math.ceil(window / beat_interval(timeout, timeout)) + 1


def state_at(since: float, timeout: float) -> DeadManState:
    """Return what is known `since` seconds after the last acknowledged beat was sent."""
    if since >= timeout:
        return DeadManState.LAPSED
    return DeadManState.LATE if since >= 2 * timeout / _BEATS else DeadManState.ARMED


def time_in_force(asked: float, before: float, acknowledged: float | None) -> float:
    """Return the time-out to go by after an acknowledgement, in seconds: never more than `asked`.

    An acknowledgement that names none leaves what counted `before`. One that names 0, less, or no
    number says that the time is up already: nothing is armed until another one names more.
    """
    if acknowledged is None:
        return before
    return min(asked, acknowledged) if acknowledged > 0 else 0.0


def beat_interval(asked: float, timeout: float) -> float:
    """Return the seconds between beats for the `timeout` in force.

    With a time-out of 0 no number of beats arms anything, and they come as often as `asked`.
    """
    return max(timeout or asked, _SHORTEST) / _BEATS


def next_beat(now: float, last: float, interval: float) -> float:
    """Return when to send the next beat: `interval` after `last`, or now if that has passed."""
    return max(now, last + interval)


def on_schedule(now: float, due: float, interval: float) -> float:
    """Return when a beat sent `now` counts as sent: at `due`, or `now` if that was long ago."""
    return due if now - due < interval else now


def seconds_awake_or_asleep() -> float:
    """Return the seconds of a clock that is never adjusted.

    On Linux it runs while the machine sleeps. Elsewhere it may stop meanwhile. Then a switch can
    look armed for a moment after waking, until the next beat succeeds or fails.
    """
    clock = getattr(time, "CLOCK_BOOTTIME", None)
    return time.monotonic() if clock is None else time.clock_gettime(clock)


class DeadManSwitch:
    """Keeps the exchange's heartbeat going inside an `async with` block.

    Entering sends the first beat, and raises if the exchange does not acknowledge it. Inside, a
    beat is sent every quarter of `timeout` (seconds): over REST on a connection and a share of the
    rate limit of its own, from an `OrdersSocket` on its connection. **Leaving the block does not
    disarm the switch: the exchange cannot do that. It cancels every open order of the account when
    `timeout` has passed**, unless somebody sends another beat.

    If the exchange acknowledges a shorter time than was asked for, the shorter one counts: for
    the state and for the time between beats, until another acknowledgement names another. If it
    acknowledges 0 seconds or less, its time is up: the switch has lapsed, and entering raises
    `OutcomeUnknownError`. An answer whose time is no number is no acknowledgement.

    `on_change` is called in the event loop with each new state; what it raises is logged. If the
    time ran out between two acknowledged beats, `LAPSED` is told before `ARMED`, also if the loop
    was blocked meanwhile. `LATE` is logged as a warning, and `LAPSED` as an error.
    """

    def __init__(
        self,
        connect: Callable[[], AbstractAsyncContextManager[Beat]],
        *,
        timeout: int,
        least: int = 1,
        on_change: Callable[[DeadManState], object] | None = None,
        clock: Callable[[], float] = seconds_awake_or_asleep,
        observer: Observer | None = None,
    ) -> None:
        check_count(timeout, "timeout", least)
        if on_change is not None:
            check_callback(on_change, "on_change")
        self.timeout: float = timeout
        """Seconds without a beat after which the exchange cancels everything, as far as is known:
        what was asked for, or less if it acknowledged less."""
        self.last_error: FourcastersError | None = None
        """Why the last beat was not acknowledged; `None` if it was."""
        self._connect = connect
        self._beat: Beat | None = None
        self._resources = AsyncExitStack()
        self._on_change = on_change
        self._observer = observer
        self._clock = clock
        self._asked = timeout
        self._acknowledged: float | None = None
        self._reported = DeadManState.LAPSED
        self._beating: asyncio.Task[None] | None = None
        self._left = False

    @property
    def state(self) -> DeadManState:
        """What is known now, from the clock: right even while the event loop is blocked."""
        if self._acknowledged is None:
            return DeadManState.LAPSED
        return state_at(self._clock() - self._acknowledged, self.timeout)

    @property
    def acknowledged_at(self) -> datetime | None:
        """When the last acknowledged beat was sent, in UTC; `None` before the first."""
        if self._acknowledged is None:
            return None
        return datetime.now(UTC) - timedelta(seconds=self._clock() - self._acknowledged)

    async def __aenter__(self) -> Self:
        """Send the first beat, and raise if the exchange does not acknowledge it."""
        if self._beat is not None:
            raise InvalidRequestError("this switch was entered before; make another")
        async with AsyncExitStack() as resources:
            self._beat = await resources.enter_async_context(self._connect())
            await self._beat_once(self._beat)
            self._resources = resources.pop_all()
        self._report_change()
        self._begin_to_beat(self._beat, self._clock())
        return self

    async def __aexit__(self, *_: object) -> None:
        """Stop the beats. The exchange cancels everything when the time-out has passed."""
        self._left = True
        async with self._resources:
            if self._beating is not None:
                self._beating.cancel()
                await asyncio.wait([self._beating])

    @property
    def _interval(self) -> float:
        return beat_interval(self._asked, self.timeout)

    def _begin_to_beat(self, beat: Beat, last: float) -> None:
        def ended(task: "asyncio.Task[None]") -> None:
            if task.cancelled() and not self._left:
                # A program may cancel all of its tasks, and go on. Nobody would be told of a lapse.
                self._begin_to_beat(beat, self._acknowledged or last)

        self._beating = asyncio.create_task(self._keep_beating(beat, last))
        self._beating.add_done_callback(ended)

    async def _keep_beating(self, beat: Beat, last: float) -> None:
        while True:
            due = next_beat(self._clock(), last, self._interval)
            while (wait := due - self._clock()) > 0:
                await asyncio.sleep(min(wait, _CHECK_INTERVAL))
                self._report_change()
            last = on_schedule(self._clock(), due, self._interval)
            await self._try_to_beat(beat)

    async def _try_to_beat(self, beat: Beat) -> None:
        beating = asyncio.ensure_future(self._beat_once(beat))
        try:
            # The state can also change while a beat is in flight.
            while not beating.done():
                await asyncio.wait([beating], timeout=min(_CHECK_INTERVAL, self._interval / 4))
                self._report_change()
        except asyncio.CancelledError:
            beating.cancel()
            await asyncio.wait([beating])
            raise
        # An eager task may have ended before it was waited for.
        self._report_change()
        error = asyncio.CancelledError() if beating.cancelled() else beating.exception()
        self.last_error = None if error is None else _failure(error)
        if error is not None:
            log.debug("a beat was not acknowledged: %r", error)

    async def _beat_once(self, beat: Beat) -> None:
        sent = self._clock()
        acknowledged = await beat(self._interval)
        if isinstance(acknowledged, EarlierBeat):
            sent, acknowledged = self._clock() - acknowledged.age, acknowledged.acknowledged
        # This acknowledgement would hide that the time ran out before it.
        self._report_change()
        # The exchange counts from a later moment, so the switch never looks armed for too long.
        self._acknowledged = sent
        self.timeout = time_in_force(self._asked, self.timeout, acknowledged)
        if not self.timeout:
            raise OutcomeUnknownError(
                f"the exchange acknowledged a beat for {acknowledged} seconds: nothing is armed"
            )

    def _report_change(self) -> None:
        state = self.state
        if state is self._reported:
            return
        self._reported = state
        silence = 0.0 if self._acknowledged is None else self._clock() - self._acknowledged
        log.log(
            _LEVELS[state],
            "the dead-man switch is %s: the last acknowledged beat was sent %.1f s ago, and the "
            "exchange cancels everything after %g s; the error of the last beat: %s",
            state,
            silence,
            self.timeout,
            self.last_error,
        )
        if self._on_change is not None:
            tell(self._on_change, state, "on_change failed for state %s", state)
        if self._observer is not None:
            self._observer.switch_changed(state, self.timeout, self.last_error)


def _failure(error: BaseException) -> FourcastersError:
    """Return why a beat was not acknowledged; what is not the library's may quote a header."""
    if isinstance(error, FourcastersError):
        return error
    failed = OutcomeUnknownError(f"a beat failed: {type(error).__name__}")
    failed.__cause__ = error
    return failed
