"""A pytest fixture: put `pytest_plugins = ["fourcasters_async.testing.fixtures"]` in a conftest.

It needs pytest-asyncio.
"""

from collections.abc import AsyncIterator

import pytest_asyncio

from fourcasters_async.testing.exchange import FakeExchange


@pytest_asyncio.fixture
async def fake_exchange() -> AsyncIterator[FakeExchange]:
    """Serve a `FakeExchange` for the length of a test."""
    async with FakeExchange() as exchange:
        yield exchange
