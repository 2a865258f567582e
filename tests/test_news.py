"""Who waits for news is woken once for all of it in a turn, and only for what matters."""

import asyncio

from support import SECOND

from fourcasters_async.feeds.news import News


async def test_news_are_looked_at_once_in_a_turn_of_the_loop() -> None:
    looks: list[None] = []
    news = News(lambda: looks.append(None))
    for _ in range(3):
        news.tell()
    assert not looks
    await asyncio.sleep(0)
    assert len(looks) == 1


async def test_who_waits_is_woken_by_news_that_matter() -> None:
    news, true = News(), False
    waiting = asyncio.create_task(
        news.wait(asyncio.get_running_loop().time() + SECOND, lambda: true)
    )
    await asyncio.sleep(0)
    news.tell()
    for _ in range(5):
        await asyncio.sleep(0)
    assert not waiting.done()
    true = True
    news.tell()
    assert await waiting


async def test_without_news_the_wait_ends() -> None:
    assert not await News().wait(asyncio.get_running_loop().time() + SECOND / 10)
