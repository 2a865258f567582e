"""A session in another event loop than its own, or in none: it says so, and nothing leaves."""

import asyncio
import copy
import gc
import pickle
import threading
from collections.abc import Callable, Coroutine

import pytest

from fourcasters_async import AsyncSession, InvalidRequestError, NewOrder
from fourcasters_async.testing import FakeExchange

GAME = "f" * 24
ORDER = NewOrder(GAME, "moneyline", "a", odds=-110, bet=1.0)
Call = Callable[[AsyncSession], Coroutine[object, object, object]]


async def open_a_socket(session: AsyncSession) -> None:
    async with session.orders_socket():
        pass


async def beat(session: AsyncSession) -> None:
    async with session.dead_man_switch(30):
        pass


async def end_flat(session: AsyncSession) -> None:
    async with session.flat_on_exit():
        pass


async def enter(session: AsyncSession) -> None:
    async with session:
        pass


CALLS: dict[str, Call] = {
    "edit": lambda session: session.edit_order("order", order_odds=-110, order_volume=5.0),
    "cancel": lambda session: session.cancel(GAME),
    "place": lambda session: session.place([ORDER]),
    "a read": lambda session: session.account.get_me(),
    "many games": lambda session: session.cancel_all_orders_for_games([GAME]),
    "login": lambda session: session.login("trader", "correct horse"),
    "logout": AsyncSession.logout,
    "flatten": AsyncSession.flatten,
    "warm_up": lambda session: session.warm_up(2),
    "orders_socket": open_a_socket,
    "dead_man_switch": beat,
    "flat_on_exit": end_flat,
    "async with": enter,
    "close": AsyncSession.close,
}
every_call = pytest.mark.parametrize("call", CALLS.values(), ids=CALLS)


def in_a_loop_of_its_own(call: Call, session: AsyncSession) -> object:
    return asyncio.run(call(session))


async def use(session: AsyncSession) -> None:
    await session.__aenter__()  # it is not left


async def refused_once_its_loop_has_ended(exchange: FakeExchange, call: Call) -> None:
    session = AsyncSession(exchange.token, base_url=exchange.url, orders_url=exchange.orders_url)
    # Once it is joined, it holds the session no more.
    thread = threading.Thread(target=in_a_loop_of_its_own, args=(use, session))
    thread.start()
    thread.join()
    with pytest.raises(InvalidRequestError, match="first used in has ended"):
        await call(session)
    del session
    gc.collect()


def without_a_loop(call: Call, session: AsyncSession) -> None:
    """Begin a call as another library than asyncio would."""
    coroutine = call(session)
    try:
        coroutine.send(None)
    finally:
        coroutine.close()


@every_call
async def test_in_the_loop_of_another_thread_it_is_refused_and_nothing_leaves(
    fake_exchange: FakeExchange, session: AsyncSession, call: Call
) -> None:
    await session.account.get_me()
    with pytest.raises(InvalidRequestError, match="first used in is another one"):
        await asyncio.to_thread(in_a_loop_of_its_own, call, session)
    assert fake_exchange.received() == 1
    assert (await session.account.get_me()).username == fake_exchange.account


@every_call
async def test_once_its_loop_has_ended_it_is_refused_and_nothing_leaves(
    fake_exchange: FakeExchange, call: Call
) -> None:
    # Nor can it be closed any more.
    with pytest.warns(ResourceWarning, match="AsyncSession was used and never closed"):
        await refused_once_its_loop_has_ended(fake_exchange, call)
    assert not fake_exchange.requests


@pytest.mark.parametrize("used", [False, True])
@every_call
async def test_without_a_loop_it_says_what_it_needs(
    fake_exchange: FakeExchange, call: Call, used: bool
) -> None:
    session = AsyncSession(fake_exchange.token, base_url=fake_exchange.url)
    if used:
        await session.account.get_me()
    with pytest.raises(InvalidRequestError, match=r"asyncio\.run\(…\), and under trio"):
        await asyncio.to_thread(without_a_loop, call, session)
    assert fake_exchange.received() == used
    await session.close()


async def test_a_socket_in_the_loop_of_another_thread_is_refused_and_nothing_leaves(
    fake_exchange: FakeExchange, session: AsyncSession
) -> None:
    async with session.orders_socket() as orders:
        with pytest.raises(InvalidRequestError, match="first used in is another one"):
            await asyncio.to_thread(lambda: asyncio.run(orders.cancel_all_orders_for_games([GAME])))
        with pytest.raises(InvalidRequestError, match="first used in is another one"):
            await asyncio.to_thread(lambda: asyncio.run(orders.cancel_all_orders()))
    assert [r.endpoint for r in fake_exchange.requests] == ["ws"]


def test_a_session_belongs_to_no_loop_until_it_is_used() -> None:
    session = AsyncSession("token")
    asyncio.run(session.close())


@pytest.mark.parametrize("duplicate", [copy.copy, copy.deepcopy, pickle.dumps])
def test_a_session_is_not_copied(duplicate: Callable[[AsyncSession], object]) -> None:
    with pytest.raises(TypeError, match="an AsyncSession is not copied or pickled"):
        duplicate(AsyncSession("token"))
