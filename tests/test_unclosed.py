"""A session that is dropped without having been closed says so, and no other does."""

import asyncio
import gc
import subprocess
import sys
import textwrap
import tracemalloc
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import aiohttp
import pytest
from support import QUICK

from fourcasters_async import (
    AsyncSession,
    InvalidRequestError,
    LiveOrders,
    NotSentError,
    PriceFeed,
    UserFeed,
)
from fourcasters_async.testing import FakeExchange

TEXT = (
    "AsyncSession was used and never closed: use `async with AsyncSession(…)`, or "
    "`await session.close()`"
)


MAKES: list[Callable[[AsyncSession], UserFeed | PriceFeed | LiveOrders]] = [
    AsyncSession.user_feed,
    AsyncSession.price_feed,
    AsyncSession.live_orders,
]


@contextmanager
def warned() -> Iterator[list[warnings.WarningMessage]]:
    """Give the warnings of the library that garbage brings. aiohttp has one of its own."""
    gc.collect()
    ours: list[warnings.WarningMessage] = []
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        yield ours
        gc.collect()
    ours += [each for each in caught if "was used and never closed" in str(each.message)]


def session_on(exchange: FakeExchange) -> AsyncSession:
    return AsyncSession(
        exchange.token,
        base_url=exchange.url,
        orders_url=exchange.orders_url,
        streaming_url=exchange.streaming_url,
        retry=QUICK,
    )


async def test_a_session_that_was_used_and_never_closed_says_what_to_do(
    fake_exchange: FakeExchange,
) -> None:
    with warned() as ours:
        session = session_on(fake_exchange)
        await session.account.get_me()
        # It is what aiohttp would complain of in its own words.
        await session._http.close()
        del session
    assert [str(each.message) for each in ours] == [TEXT]
    assert ours[0].category is ResourceWarning


@pytest.mark.skipif(
    sys.version_info < (3, 12), reason="tracemalloc does not find instances of plain classes"
)
async def test_tracemalloc_shows_where_it_was_made(fake_exchange: FakeExchange) -> None:
    tracemalloc.start(5)
    try:
        with warned() as ours:
            session = session_on(fake_exchange)
            await session.__aenter__()  # it is not left
            del session
        (told,) = ours
        trace = tracemalloc.get_object_traceback(told.source)
    finally:
        tracemalloc.stop()
    assert trace is not None
    assert any(frame.filename == __file__ for frame in trace)


async def test_one_that_was_closed_says_nothing(fake_exchange: FakeExchange) -> None:
    with warned() as ours:
        async with session_on(fake_exchange) as session:
            await session.account.get_me()
        del session
    assert ours == []


def test_one_that_was_never_used_says_nothing() -> None:
    with warned() as ours:
        AsyncSession("a" * 32)
    assert ours == []


def test_one_that_could_not_be_made_says_nothing() -> None:
    with warned() as ours, pytest.raises(InvalidRequestError):
        AsyncSession("a" * 32, timeout=-1.0)
    assert ours == []


async def test_over_a_client_of_the_callers_there_is_nothing_to_close(
    fake_exchange: FakeExchange,
) -> None:
    async with aiohttp.ClientSession() as client:
        with warned() as ours:
            session = AsyncSession(
                fake_exchange.token, base_url=fake_exchange.url, client_session=client
            )
            await session.account.get_me()
            del session
        assert ours == []


@pytest.mark.real_time
@pytest.mark.parametrize("closed", [True, False])
def test_when_the_interpreter_ends_only_what_was_left_open_is_told(*, closed: bool) -> None:
    program = textwrap.dedent(
        f"""
        import asyncio
        from fourcasters_async import AsyncSession
        from fourcasters_async.testing import FakeExchange

        async def main():
            global session
            async with FakeExchange() as exchange:
                session = AsyncSession(exchange.token, base_url=exchange.url)
                await session.account.get_me()
                if {closed}:
                    await session.close()

        asyncio.run(main())
        """
    )
    ended = subprocess.run(  # noqa: S603  # code of this test
        [sys.executable, "-W", "always::ResourceWarning", "-c", program],
        check=True,
        capture_output=True,
        text=True,
    )
    assert ("AsyncSession was used and never closed" in ended.stderr) is not closed
    if closed:
        assert ended.stderr == ""


def test_feeds_that_were_closed_say_nothing() -> None:
    async def follow() -> None:
        async with FakeExchange() as exchange, session_on(exchange) as session:
            for make in MAKES:
                async with make(session):
                    pass
            async with session.orders_socket():
                pass

    with warned() as ours:
        asyncio.run(follow())
    assert ours == []


@pytest.mark.real_time
@pytest.mark.parametrize("make", MAKES, ids=lambda make: str(make.__name__))
def test_a_feed_that_was_entered_and_never_left_says_what_to_do(
    make: Callable[[AsyncSession], UserFeed | PriceFeed | LiveOrders],
) -> None:
    async def follow() -> str:
        async with FakeExchange() as exchange, session_on(exchange) as session:
            feed = make(session)
            await feed.__aenter__()  # it is not left
            return type(feed).__name__

    with warned() as ours:
        name = asyncio.run(follow())
    assert [str(each.message) for each in ours] == [
        f"{name} was used and never closed: enter it with `async with`"
    ]


@pytest.mark.parametrize("make", MAKES, ids=lambda make: str(make.__name__))
async def test_a_feed_that_could_not_be_entered_says_nothing(
    make: Callable[[AsyncSession], UserFeed | PriceFeed | LiveOrders],
) -> None:
    with warned() as ours:
        async with FakeExchange() as exchange:
            session = session_on(exchange)
        async with session:
            with pytest.raises(NotSentError):
                await make(session).__aenter__()
    assert ours == []
