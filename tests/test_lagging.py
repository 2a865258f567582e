"""The queue between a feed and a slow consumer: bounded, and honest about what it forgot."""

import asyncio
from contextlib import suppress

import pytest
from support import block

from fourcasters_async import Lagged, SessionClosedError
from fourcasters_async.feeds.lagging import LaggingQueue


async def taken_from(queue: LaggingQueue[int]) -> list[int | Lagged]:
    queue.end(SessionClosedError("closed"))
    taken: list[int | Lagged] = []
    with suppress(SessionClosedError):
        while True:
            taken.append(await queue.get())
    return taken


@pytest.mark.parametrize(
    ("put", "taken"),
    [
        (0, []),
        (3, [0, 1, 2]),
        (4, [Lagged(dropped=1), 1, 2, 3]),
        (10, [Lagged(dropped=7), 7, 8, 9]),
    ],
)
async def test_the_newest_are_kept_and_what_was_before_them_is_counted(
    put: int, taken: list[int | Lagged]
) -> None:
    queue: LaggingQueue[int] = LaggingQueue(3)
    for item in range(put):
        queue.put(item)
    assert await taken_from(queue) == taken


async def test_what_is_forgotten_after_a_count_was_told_is_counted_anew() -> None:
    queue: LaggingQueue[int] = LaggingQueue(1)
    told = []
    for item in range(4):
        queue.put(item)
        if item % 2:
            told += [await queue.get(), await queue.get()]
    assert told == [Lagged(dropped=1), 1, Lagged(dropped=1), 3]


async def test_a_consumer_waits_for_what_comes() -> None:
    queue: LaggingQueue[int] = LaggingQueue(3)
    waiting = asyncio.create_task(queue.get())
    await asyncio.sleep(0)
    queue.put(5)
    assert await waiting == 5


async def test_a_consumer_that_never_waits_lets_the_loop_turn() -> None:
    queue: LaggingQueue[int] = LaggingQueue(1000)
    for item in range(1000):
        queue.put(item)
    await queue.get()
    left: list[int] = []
    asyncio.get_running_loop().call_soon(lambda: left.append(len(queue)))
    while len(queue):
        block(0.001)
        await queue.get()
    assert left[0] > 900


@pytest.mark.virtual_time
async def test_a_consumer_that_is_quick_takes_many_in_one_turn() -> None:
    queue: LaggingQueue[int] = LaggingQueue(1000)
    for item in range(1000):
        queue.put(item)
    await queue.get()
    left: list[int] = []
    asyncio.get_running_loop().call_soon(lambda: left.append(len(queue)))
    for _ in range(500):
        await queue.get()
    assert left == []


async def test_each_that_asks_after_the_end_is_told_the_error() -> None:
    queue: LaggingQueue[int] = LaggingQueue(1)
    waiting = asyncio.create_task(queue.get())
    await asyncio.sleep(0)
    queue.end(SessionClosedError("first"))
    queue.end(SessionClosedError("second"))
    for each in (waiting, queue.get()):
        with pytest.raises(SessionClosedError, match="first"):
            await each
