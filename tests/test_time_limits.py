"""The time limits of many attempts, which one timer keeps."""

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from fourcasters_async._core.time_limits import TimeLimits

pytestmark = pytest.mark.virtual_time


async def times_reached(limits: TimeLimits, seconds: list[float]) -> list[float]:
    """Wait for ever under each of these limits; return after how many seconds each was reached."""
    clock = asyncio.get_running_loop().time
    started = clock()

    async def wait(ends: float) -> float:
        limit = limits.begin(ends)
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            assert limits.end(limit)
        return clock() - started

    return await asyncio.gather(*(wait(started + each) for each in seconds))


@pytest.fixture
def timers(monkeypatch: pytest.MonkeyPatch) -> Callable[[], list[asyncio.TimerHandle]]:
    """Return what returns the timers that were set so far."""
    made: list[asyncio.TimerHandle] = []
    call_at = asyncio.SelectorEventLoop.call_at

    def keep(*args: Any, **named: Any) -> asyncio.TimerHandle:
        handle = call_at(*args, **named)
        made.append(handle)
        return handle

    monkeypatch.setattr(asyncio.SelectorEventLoop, "call_at", keep)
    return lambda: made


async def test_each_limit_is_reached_at_its_own_time() -> None:
    seconds = [4.0, 1.0, 3.0, 1.0, 2.0]
    assert await times_reached(TimeLimits(), seconds) == pytest.approx(seconds)


async def test_a_limit_in_the_past_is_reached_at_once() -> None:
    assert await times_reached(TimeLimits(), [-1.0, 0.0]) == [0.0, 0.0]


async def test_a_limit_is_reached_though_the_one_that_set_the_timer_has_ended() -> None:
    limits = TimeLimits()
    first = limits.begin(asyncio.get_running_loop().time() + 1)
    waiting = asyncio.create_task(times_reached(limits, [2.0]))
    await asyncio.sleep(0.5)
    assert not limits.end(first)
    assert await waiting == pytest.approx([2.0])


async def test_limits_that_are_later_than_the_first_set_no_timer(
    timers: Callable[[], list[asyncio.TimerHandle]],
) -> None:
    limits, now = TimeLimits(), asyncio.get_running_loop().time()
    for each in [limits.begin(now + 10 + number) for number in range(100)]:
        limits.end(each)
    assert len(timers()) == 1


async def test_no_timer_is_left_when_all_limits_have_ended(
    timers: Callable[[], list[asyncio.TimerHandle]],
) -> None:
    limits, now = TimeLimits(), asyncio.get_running_loop().time()
    for each in [limits.begin(now + seconds) for seconds in (3, 1, 2)]:
        limits.end(each)
    assert all(timer.cancelled() for timer in timers())


async def test_what_ends_in_the_turns_after_its_time_is_not_cancelled() -> None:
    limits, loop = TimeLimits(), asyncio.get_running_loop()
    limit = limits.begin(loop.time())
    # One in which the timer calls, and six in which an answer may be read.
    for _ in range(7):
        await asyncio.sleep(0)
    assert limit.is_due
    assert not limits.end(limit)
    await asyncio.sleep(1)


async def test_a_cancel_of_the_caller_at_the_same_time_is_no_time_out() -> None:
    limits = TimeLimits()
    limit = limits.begin(asyncio.get_running_loop().time() + 5)
    limit.reach()
    limit.task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asyncio.Event().wait()
    assert not limits.end(limit)
    assert limit.cancelled
    limit.task.uncancel()


async def test_a_cancel_of_the_caller_alone_is_no_time_out() -> None:
    limits = TimeLimits()
    limit = limits.begin(asyncio.get_running_loop().time() + 5)
    limit.task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asyncio.Event().wait()
    assert not limits.end(limit)
    assert limit.cancelled
    limit.task.uncancel()


async def test_after_a_time_out_the_task_is_as_if_nobody_had_cancelled_it() -> None:
    limits = TimeLimits()
    limit = limits.begin(asyncio.get_running_loop().time() + 1)
    with pytest.raises(asyncio.CancelledError):
        await asyncio.Event().wait()
    assert limits.end(limit)
    assert not limit.cancelled
    assert limit.task.cancelling() == 0
    await asyncio.sleep(0)
