"""Names are looked up whatever the program does with the threads of its event loop."""

import asyncio
import threading
from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor

import aiohttp
import pytest
from yarl import URL

from fourcasters_async import AsyncSession
from fourcasters_async._http.resolver import Resolver, make_resolver
from fourcasters_async.testing import FakeExchange


@pytest.fixture
async def no_thread_is_free() -> AsyncIterator[None]:
    """Keep every thread of the event loop busy."""
    done = threading.Event()
    loop = asyncio.get_running_loop()
    loop.set_default_executor(ThreadPoolExecutor(1))
    busy = loop.run_in_executor(None, done.wait)
    yield
    done.set()
    await busy


def named(url: str) -> str:
    return str(URL(url).with_host("localhost"))


@pytest.mark.real_time
@pytest.mark.usefixtures("no_thread_is_free")
async def test_a_cancel_over_a_new_connection_needs_no_thread_of_the_event_loop(
    fake_exchange: FakeExchange,
) -> None:
    game = fake_exchange.add_game(orders=2).game_id
    async with AsyncSession(fake_exchange.token, base_url=named(fake_exchange.url)) as session:
        report = await session.cancel_all_orders_for_games([game])
    assert report.ok


@pytest.mark.real_time
@pytest.mark.usefixtures("no_thread_is_free")
async def test_nor_does_an_orders_socket(fake_exchange: FakeExchange) -> None:
    game = fake_exchange.add_game(orders=2).game_id
    async with (
        AsyncSession(
            fake_exchange.token,
            base_url=named(fake_exchange.url),
            orders_url=named(fake_exchange.orders_url),
        ) as session,
        session.orders_socket() as orders,
    ):
        report = await orders.cancel_all_orders_for_games([game])
    assert report.ok


@pytest.mark.real_time
async def test_it_finds_what_aiohttp_finds() -> None:
    expected = await aiohttp.ThreadedResolver().resolve("localhost", 80)
    resolver = Resolver()
    assert await resolver.resolve("localhost", 80) == expected
    await resolver.close()


@pytest.mark.real_time
async def test_its_threads_end_with_the_session(fake_exchange: FakeExchange) -> None:
    async with AsyncSession(fake_exchange.token, base_url=named(fake_exchange.url)) as session:
        await session.account.get_me()
        threads = [each for each in threading.enumerate() if "fourcasters_async" in each.name]
    for thread in threads:
        await asyncio.to_thread(thread.join)
    assert threads


def test_where_aiohttp_needs_no_threads_it_is_left_to_aiohttp(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(aiohttp, "DefaultResolver", aiohttp.AsyncResolver)
    assert make_resolver() is None
