"""A rate limit that outlives event loops, however they end: it loses no place for good."""

import asyncio
import gc
from collections.abc import Iterator, Sequence
from contextlib import closing
from types import SimpleNamespace

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from support import JumpingLoop

from fourcasters_async import InvalidRequestError, RateLimit
from fourcasters_async._core.rate_limit import time_now

REQUESTS, WINDOW, RESERVE, SHARE = 10, 60.0, 2, 3
FATES = ("answered", "not sent", "never answered")
ENDS = (
    "its tasks are cancelled",
    "it is stopped and what it ran is collected",
    "it is closed and what it ran is collected",
)

Call = tuple[str, bool, bool]
"""What becomes of a request, whether it is urgent, and whether it is a dead-man switch's."""
CALLS = st.lists(st.tuples(st.sampled_from(FATES), st.booleans(), st.booleans()), max_size=15)
LIVES = st.lists(st.tuples(CALLS, st.sampled_from(ENDS)), min_size=1, max_size=3)


async def request(limit: RateLimit, fate: str, *, urgent: bool) -> None:
    """Do what a sender does with a limit."""
    loop = asyncio.get_running_loop()
    if not limit.admit(urgent=urgent, now=time_now()):
        await limit.wait(loop.create_future(), urgent=urgent, until=None)
    counted = True
    try:
        if fate == "never answered":
            await loop.create_future()
        counted = fate == "answered"
    finally:
        limit.leave(urgent=urgent, now=time_now(), counted=counted)


async def switch(limit: RateLimit, fate: str) -> None:
    """Do what a dead-man switch does with a limit that has enough to share."""
    with limit.share(SHARE) as share:
        await request(share, fate, urgent=True)
        await asyncio.get_running_loop().create_future()


async def begin(limit: RateLimit, calls: Sequence[Call]) -> Sequence["asyncio.Task[None]"]:
    tasks = [
        asyncio.create_task(
            switch(limit, fate) if by_switch else request(limit, fate, urgent=urgent)
        )
        for fate, urgent, by_switch in calls
    ]
    await asyncio.sleep(1.0)
    for task in tasks:
        # Too many switches for the limit.
        assert not task.done() or isinstance(task.exception(), InvalidRequestError | None)
    return tasks


def live(limit: RateLimit, calls: Sequence[Call], end: str, now: float) -> float:
    """Live through an event loop that begins at some time, and return when it ended."""
    loop = JumpingLoop()
    loop._clock.now = now
    # It would say that tasks were destroyed.
    loop.set_exception_handler(lambda *_: None)
    tasks = loop.run_until_complete(begin(limit, calls))
    if end == "its tasks are cancelled":
        for task in tasks:
            task.cancel()
        loop.run_until_complete(asyncio.sleep(0))
    del tasks
    if end == "it is closed and what it ran is collected":
        loop.close()
    gc.collect()
    loop.close()
    # A place that was given to a waiter of the stopped loop comes back with the waiter.
    gc.collect()
    return loop.time()


async def places_left(limit: RateLimit) -> int:
    now = asyncio.get_running_loop().time()
    place = asyncio.get_running_loop().create_future
    taken = 0
    while limit.admit(urgent=True, now=time_now()) or await limit.wait(
        place(), urgent=True, until=now
    ):
        taken += 1
    return taken


@pytest.fixture
def little_garbage() -> Iterator[None]:
    """Let the garbage collector look at nothing that was there before: it runs often here."""
    gc.collect()
    gc.freeze()
    yield
    gc.unfreeze()


@pytest.mark.usefixtures("little_garbage")
@settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(LIVES)
def test_after_a_window_every_place_is_free_again_however_event_loops_end(
    lives: Sequence[tuple[Sequence[Call], str]],
) -> None:
    limit = RateLimit(REQUESTS, WINDOW, RESERVE)
    now = 1000.0
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(
            "fourcasters_async._core.rate_limit.time", SimpleNamespace(monotonic=lambda: now)
        )
        for calls, end in lives:
            now = live(limit, calls, end, now)
        loop = JumpingLoop()
        loop._clock.now = now + WINDOW
        with closing(loop):
            assert loop.run_until_complete(places_left(limit)) == REQUESTS
