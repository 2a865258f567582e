"""What the tests share."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from typing import Any
from unittest.mock import Mock

import aiohttp
import aioresponses.core
import pytest
from aioresponses import aioresponses as Mocked  # noqa: N812  # it is a class
from attrs import frozen

from fourcasters_async import AsyncSession, RetryPolicy
from fourcasters_async.orders.verbs import Orders
from fourcasters_async.testing import FakeExchange

pytest_plugins = ["fourcasters_async.testing.fixtures"]

_SPEC = Path(__file__).parents[2] / "shared" / "exchange" / "rest-openapi.json"

QUICK = RetryPolicy(max_attempts=3, attempt_timeout=0.25, backoff_base=0.001, backoff_cap=0.002)
"""A policy for faults: nothing in a test is worth waiting for."""


async def until(true: Callable[[], bool]) -> None:
    """Let the loop run until something is true that nothing tells of."""
    while not true():  # noqa: ASYNC110  # as it says
        await asyncio.sleep(0)


class _Response(aiohttp.ClientResponse):
    """aioresponses 0.7.9 does not pass the writer that aiohttp 3.14 asks for."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        kwargs.setdefault("stream_writer", Mock(output_size=0))
        super().__init__(*args, **kwargs)


aioresponses.core.ClientResponse = _Response  # type: ignore[attr-defined]  # imported there by name


@pytest.fixture
def mocked() -> Iterator[Mocked]:
    with Mocked() as mock:
        yield mock


@pytest.fixture
async def session(fake_exchange: FakeExchange) -> AsyncIterator[AsyncSession]:
    async with AsyncSession(
        fake_exchange.token,
        base_url=fake_exchange.url,
        orders_url=fake_exchange.orders_url,
        retry=QUICK,
    ) as session:
        yield session


@frozen
class Transport:
    """A way to the exchange: where a game's cancels go, and what it calls an order's id."""

    game: str
    order_id: str
    open: Callable[[AsyncSession], AbstractAsyncContextManager[Orders]]

    def __str__(self) -> str:
        return "rest" if self is REST else "socket"


@asynccontextmanager
async def _over_rest(session: AsyncSession) -> AsyncIterator[Orders]:
    yield session


REST = Transport("cancelAllOrdersForGame", "sessionID", _over_rest)
SOCKET = Transport("cancelAllByGame", "orderID", lambda session: session.orders_socket())
both_transports = pytest.mark.parametrize("transport", [REST, SOCKET], ids=str)


@pytest.fixture(params=[REST, SOCKET], ids=str)
def transport(request: pytest.FixtureRequest) -> Transport:
    chosen: Transport = request.param
    return chosen


@pytest.fixture
async def orders(session: AsyncSession, transport: Transport) -> AsyncIterator[Orders]:
    """Give the order verbs, over each transport in turn."""
    async with transport.open(session) as orders:
        yield orders


@pytest.fixture(autouse=True)
async def _nothing_left_running() -> AsyncIterator[None]:
    before = asyncio.all_tasks()
    yield
    assert asyncio.all_tasks() - before <= {asyncio.current_task()}


@pytest.fixture(scope="session")
def spec() -> dict[str, Any]:
    if not _SPEC.exists():
        pytest.skip("the exchange's own documents are not beside this checkout")
    document: dict[str, Any] = json.loads(_SPEC.read_text())
    return document
