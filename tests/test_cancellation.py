"""A caller that gives up, at every turn of the loop in turn: nothing is left behind."""

import asyncio
from collections.abc import Awaitable, Callable

import pytest
from support import SECOND

from fourcasters_async import AsyncSession, RateLimit, RetryPolicy
from fourcasters_async._http.pool import Pool
from fourcasters_async.testing import FakeExchange, faults

Call = Callable[[AsyncSession, list[str]], Awaitable[object]]

CALLS: dict[str, Call] = {
    "one game": lambda session, games: session.cancel_all_orders_for_game(games[0]),
    "many games": lambda session, games: session.cancel_all_orders_for_games(games),
    "many games, verified": lambda session, games: session.cancel_all_orders_for_games(
        games, verify=True
    ),
    "a read": lambda session, _: session.account.get_unmatched(),
}
WAITS: dict[str, faults.Fault | None] = {
    "all goes well": None,
    "a connection closes": faults.Close(),
    "the server asks to wait": faults.TooManyRequests("0"),
    "a body stalls": faults.StallBody(),
}


@pytest.mark.parametrize("fault", WAITS.values(), ids=WAITS)
@pytest.mark.parametrize("call", CALLS.values(), ids=CALLS)
async def test_nothing_is_left_of_a_call_that_is_cancelled_at_any_turn(
    fake_exchange: FakeExchange, call: Call, fault: faults.Fault | None
) -> None:
    games = [fake_exchange.add_game(orders=1).game_id for _ in range(4)]
    limit = RateLimit(requests=3, window=0.001, reserve=1)
    policy = RetryPolicy(backoff_base=0.001, backoff_cap=0.001, attempt_timeout=0.5 * SECOND)
    turns = 0
    finished = False
    async with AsyncSession(
        fake_exchange.token,
        base_url=fake_exchange.url,
        max_connections=2,
        retry=policy,
        rate_limit=limit,
    ) as session:
        while not finished and turns < 250:
            if fault is not None:
                fake_exchange.inject(fault)
            before = asyncio.all_tasks()
            task = asyncio.ensure_future(call(session, games))
            for _ in range(turns):
                await asyncio.sleep(0)
            finished = task.done()
            task.cancel()
            await asyncio.wait([task])
            assert client_tasks(before) == set()
            assert places_held(limit) == 0
            assert not session._http._resting
            assert connections_in_use(session) == 0
            turns += 1 if turns < 80 else 10
        fake_exchange._injected.clear()
        report = await session.cancel_all_orders_for_games(games, verify=True)
        assert report.verified_clear


SERVER = ("RequestHandler", "_serve", "_accept_connection2")


def client_tasks(before: set["asyncio.Task[object]"]) -> set["asyncio.Task[object]"]:
    """Return the tasks that are new, but for those of the exchange."""
    new = asyncio.all_tasks() - before
    return {task for task in new if not any(name in repr(task.get_coro()) for name in SERVER)}


def places_held(limit: RateLimit) -> int:
    admission = limit._sliding_window
    return sum(admission._held.values()) - len(admission._ended) + admission.anyone_waiting


def connections_in_use(session: AsyncSession) -> int:
    carrier = session._http._pool
    assert isinstance(carrier, Pool)
    client = carrier._client
    return 0 if client is None or client.connector is None else len(client.connector._acquired)
