"""Whom a 429 holds back: what it can be about, and nothing that money hangs on."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import suppress
from datetime import UTC, datetime

import pytest
import support
from attrs import evolve
from support import QUICK, until

from fourcasters_async import (
    AsyncSession,
    FourcastersError,
    NewOrder,
    NotSentError,
    OrdersSocket,
    RetryPolicy,
)
from fourcasters_async._core.request import RULES, Kind
from fourcasters_async.account import UNMATCHED
from fourcasters_async.testing import FakeExchange, faults

NAME, PASSWORD = "trader", "correct horse"
GAME = "f" * 24
LONG_AGO = datetime(2020, 1, 1, tzinfo=UTC)
ORDER = NewOrder(GAME, "moneyline", "a", odds=-110, bet=1.0)

# Written out once more: what a 429 to the first holds back.
READS = {Kind.READ, Kind.GRADED, Kind.GRADED_SINCE, Kind.WARM_UP}
HELD = {
    Kind.CANCEL: {Kind.CANCEL, Kind.VERIFY, *READS, Kind.PLACE},
    Kind.VERIFY: {Kind.VERIFY, *READS},
    Kind.READ: READS,
    Kind.GRADED: {Kind.GRADED},
    Kind.GRADED_SINCE: {Kind.GRADED_SINCE},
    Kind.PLACE: {Kind.PLACE},
    Kind.LOGIN: {Kind.LOGIN, Kind.LOGOUT},
    Kind.LOGOUT: {Kind.LOGIN, Kind.LOGOUT},
    Kind.HEARTBEAT: {Kind.HEARTBEAT},
    Kind.HANDSHAKE: {Kind.HANDSHAKE},
    Kind.WARM_UP: READS,
}


async def verify(session: AsyncSession) -> object:
    return await session._http.call(evolve(UNMATCHED, kind=Kind.VERIFY))


async def beat(session: AsyncSession) -> None:
    async with session.dead_man_switch(30):
        pass


async def dial(session: AsyncSession) -> None:
    async with session.orders_socket():
        pass


Call = Callable[[AsyncSession], Awaitable[object]]
OVER_REST: dict[Kind, tuple[str, Call]] = {
    Kind.CANCEL: ("cancelAllOrders", AsyncSession.cancel_all_orders),
    Kind.VERIFY: ("getUnmatched", verify),
    Kind.READ: ("getMe", lambda session: session.account.get_me()),
    Kind.GRADED: ("getGraded", lambda session: session.account.get_graded()),
    Kind.GRADED_SINCE: (
        "getGradedSince",
        lambda session: session.account.get_graded_since(LONG_AGO),
    ),
    Kind.PLACE: ("place", lambda session: session.place([ORDER])),
    Kind.LOGIN: ("login", lambda session: session.login(NAME, PASSWORD)),
    Kind.LOGOUT: ("logout", AsyncSession.logout),
    Kind.HEARTBEAT: ("ordersHeartbeat", beat),
    Kind.HANDSHAKE: ("ws", dial),
    Kind.WARM_UP: ("getMe", lambda session: session.warm_up(1)),
}
# Each has a sender of its own, which ends with its block: a second block waits for nothing.
ALONE = (Kind.HEARTBEAT, Kind.HANDSHAKE)


@pytest.fixture
async def trader(fake_exchange: FakeExchange) -> AsyncIterator[AsyncSession]:
    async with AsyncSession(
        fake_exchange.add_account(NAME, PASSWORD),
        base_url=fake_exchange.url,
        orders_url=fake_exchange.orders_url,
        retry=QUICK,
        timeout=support.SECOND,
    ) as session:
        yield session


def test_each_kind_has_its_line_in_the_table() -> None:
    assert HELD.keys() == OVER_REST.keys() == RULES.keys() == set(Kind)


PAIRS = [
    pytest.param(struck, other, id=f"{struck.name}-{other.name}")
    for struck in Kind
    for other in Kind
    if not struck is other in ALONE
]


@pytest.mark.virtual_time
@pytest.mark.parametrize(("struck", "other"), PAIRS)
async def test_a_429_holds_back_what_it_can_be_about_and_nothing_else(
    fake_exchange: FakeExchange, trader: AsyncSession, struck: Kind, other: Kind
) -> None:
    endpoint, call = OVER_REST[struck]
    fake_exchange.inject(faults.TooManyRequests("3600"), endpoint=endpoint, times=None)
    with pytest.raises(FourcastersError):
        await call(trader)
    assert fake_exchange.received(endpoint)
    fake_exchange.clear_faults()
    endpoint, call = OVER_REST[other]
    before = fake_exchange.received(endpoint)
    with suppress(NotSentError):
        await call(trader)
    held = fake_exchange.received(endpoint) == before
    assert held == (other in HELD[struck])


@pytest.mark.virtual_time
async def test_a_429_to_a_beat_holds_back_the_next_one_for_an_eighth_of_the_time_at_most(
    fake_exchange: FakeExchange, trader: AsyncSession
) -> None:
    clock = asyncio.get_running_loop().time
    async with trader.dead_man_switch(30):
        fake_exchange.inject(faults.TooManyRequests("3600"), endpoint="ordersHeartbeat")
        await fake_exchange.wait_for("ordersHeartbeat", 2)
        refused = clock()
        await fake_exchange.wait_for("ordersHeartbeat", 3)
        assert clock() - refused == pytest.approx(30 / 8, abs=0.1)


async def test_a_429_to_a_handshake_holds_back_the_next_one(
    fake_exchange: FakeExchange,
) -> None:
    pause = 2 * support.SECOND
    async with (
        AsyncSession(
            fake_exchange.token,
            base_url=fake_exchange.url,
            orders_url=fake_exchange.orders_url,
            retry=RetryPolicy(backoff_base=0.001, backoff_cap=0.001, retry_after_cap=pause),
        ) as session,
        session.orders_socket() as orders,
    ):
        fake_exchange.inject(faults.TooManyRequests("3600"), endpoint="ws")
        await fake_exchange.drop_sockets()
        await fake_exchange.wait_for("ws", 2)
        refused = asyncio.get_running_loop().time()
        await until(lambda: orders.connected)
        assert asyncio.get_running_loop().time() - refused >= 0.99 * pause


OVER_THE_SOCKET: dict[Kind, tuple[str, Callable[[OrdersSocket], Awaitable[object]]]] = {
    Kind.CANCEL: ("cancelAll", OrdersSocket.cancel_all_orders),
    Kind.PLACE: ("placeV3", lambda orders: orders.place([ORDER])),
    Kind.HEARTBEAT: ("heartbeat", lambda orders: orders.heartbeat(3600)),
}


@pytest.mark.parametrize("other", OVER_THE_SOCKET, ids=lambda kind: kind.name)
@pytest.mark.parametrize("struck", OVER_THE_SOCKET, ids=lambda kind: kind.name)
async def test_over_the_socket_too(fake_exchange: FakeExchange, struck: Kind, other: Kind) -> None:
    # Without Retry-After, and so for as long as a pause, which is longer than the time there is.
    never = RetryPolicy(backoff_base=1e8, backoff_cap=1e8, retry_after_cap=1e8)
    fake_exchange.inject(faults.TooManyRequests(), endpoint=OVER_THE_SOCKET[struck][0])
    async with (
        AsyncSession(
            fake_exchange.token,
            base_url=fake_exchange.url,
            orders_url=fake_exchange.orders_url,
            retry=never,
            timeout=10 * support.SECOND,
        ) as session,
        session.orders_socket() as orders,
    ):
        with pytest.raises(FourcastersError):
            await OVER_THE_SOCKET[struck][1](orders)
        endpoint, call = OVER_THE_SOCKET[other]
        before = fake_exchange.received(endpoint)
        with suppress(NotSentError):
            await call(orders)
        assert (fake_exchange.received(endpoint) == before) == (other in HELD[struck])
