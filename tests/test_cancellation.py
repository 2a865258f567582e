"""Callers that give up, or that clean up after they were told to: nothing is lost or left."""

import asyncio
from collections.abc import Awaitable, Callable

import aiohttp
import pytest
import support
from attrs import evolve
from support import QUICK, SECOND, own_tasks, quote, until

from fourcasters_async import (
    AsyncSession,
    FourcastersError,
    NotSentError,
    OutcomeUnknownError,
    RateLimit,
    RateLimitedError,
    RetryPolicy,
    SessionClosedError,
    UnsettledCancelsError,
)
from fourcasters_async._core.tasks import Cancellation
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
            assert own_tasks(before) == set()
            assert places_held(limit) == 0
            assert not session._http._resting
            assert connections_in_use(session) == 0
            turns += 1 if turns < 80 else 10
        fake_exchange._injected.clear()
        report = await session.cancel_all_orders_for_games(games, verify=True)
        assert report.verified_clear


def places_held(limit: RateLimit) -> int:
    admission = limit
    return sum(admission._held.values()) - len(admission._ended) + admission.anyone_waiting


def connections_in_use(session: AsyncSession) -> int:
    carrier = session._http._pool
    assert isinstance(carrier, Pool)
    client = carrier._generation.client
    return 0 if client is None or client.connector is None else len(client.connector._acquired)


NEVER = RetryPolicy(backoff_base=3600.0, backoff_cap=3600.0, retry_after_cap=3600.0)
GAME = "f" * 24


async def cleaning_up(call: Callable[[], Awaitable[object]]) -> object:
    """Make a call in a task that was told to stop before."""
    try:
        await asyncio.Event().wait()
    except asyncio.CancelledError:
        task = asyncio.current_task()
        assert task is not None
        try:
            return await call()
        finally:
            assert task.cancelling() == 1
    raise AssertionError("it was not told to stop")


async def one_game(session: AsyncSession) -> object:
    return await session.cancel_all_orders_for_game(GAME)


async def many_games(session: AsyncSession) -> None:
    (await session.cancel_all_orders_for_games([GAME, "e" * 24])).raise_for_unsettled()


async def a_read(session: AsyncSession) -> object:
    return await session.account.get_me()


async def after_logout(session: AsyncSession) -> object:
    await session.logout()
    return await session.account.get_me()


async def by_message(session: AsyncSession) -> None:
    async with session.orders_socket() as orders:
        await orders.cancel_all_orders()


Waiting = Callable[[], bool]
Others = list["asyncio.Task[object]"]


async def pool_is_full(exchange: FakeExchange, session: AsyncSession) -> tuple[Waiting, Others]:
    exchange.inject(faults.Stall(), times=None)
    others: Others = [asyncio.create_task(session.cancel_all_orders()) for _ in range(2)]
    await exchange.wait_for("cancelAllOrders", 2)
    client = session._http._pool._generation.client
    assert client is not None
    assert client.connector is not None
    connector = client.connector
    return lambda: bool(connector._waiters), others


async def limit_is_used_up(_: FakeExchange, session: AsyncSession) -> tuple[Waiting, Others]:
    assert session._http._rate_limit is not None
    while session._http._rate_limit.admit(urgent=True, now=asyncio.get_running_loop().time()):
        pass
    return lambda: bool(session._http._resting), []


async def another_was_told_to_wait(
    exchange: FakeExchange, session: AsyncSession
) -> tuple[Waiting, Others]:
    exchange.inject(faults.TooManyRequests("3599"), endpoint="cancelAllOrders")
    other: asyncio.Task[object] = asyncio.create_task(session.cancel_all_orders())
    await until(lambda: len(session._http._resting) == 1)
    return lambda: len(session._http._resting) == 2, [other]


def struck(
    fault: faults.Fault, endpoint: str, *, rests: bool = False, times: int = 1
) -> Callable[[FakeExchange, AsyncSession], Awaitable[tuple[Waiting, Others]]]:
    async def strike(exchange: FakeExchange, session: AsyncSession) -> tuple[Waiting, Others]:
        exchange.inject(fault, endpoint=endpoint, times=None)
        resting = session._http._resting
        return lambda: exchange.received(endpoint) == times and bool(resting) >= rests, []

    return strike


CANCEL = "cancelAllOrdersForGame"
NOT_SENT = (SessionClosedError, NotSentError)
CLOSED: dict[str, tuple[object, object, tuple[type[Exception], ...]]] = {
    "a place in the pool": (pool_is_full, one_game, NOT_SENT),
    "the rate limit": (limit_is_used_up, one_game, NOT_SENT),
    "what another was told": (another_was_told_to_wait, one_game, NOT_SENT),
    "what it was told": (
        struck(faults.TooManyRequests("3599"), CANCEL, rests=True),
        one_game,
        (RateLimitedError,),
    ),
    "a backoff": (struck(faults.Html(502), CANCEL, rests=True), one_game, (OutcomeUnknownError,)),
    "an answer": (struck(faults.Stall(), CANCEL), one_game, (OutcomeUnknownError,)),
    "a body": (struck(faults.StallBody(), CANCEL), one_game, (OutcomeUnknownError,)),
    "a login": (struck(faults.Stall(), "login"), after_logout, NOT_SENT),
    "a handshake": (struck(faults.Stall(), "ws"), by_message, NOT_SENT),
    "a message": (struck(faults.Stall(), "cancelAll"), by_message, (OutcomeUnknownError,)),
    "many answers": (
        struck(faults.Stall(), CANCEL, times=1),
        many_games,
        (UnsettledCancelsError,),
    ),
}


@pytest.mark.parametrize(("waits", "call", "errors"), CLOSED.values(), ids=CLOSED)
async def test_a_clean_up_whose_session_is_closed_ends_in_an_error_of_the_library(
    fake_exchange: FakeExchange,
    waits: Callable[[FakeExchange, AsyncSession], Awaitable[tuple[Waiting, Others]]],
    call: Callable[[AsyncSession], Awaitable[object]],
    errors: tuple[type[Exception], ...],
) -> None:
    session = AsyncSession(
        fake_exchange.add_account("trader", "secret"),
        username="trader",
        password="secret",
        base_url=fake_exchange.url,
        orders_url=fake_exchange.orders_url,
        max_connections=1,
        timeout=3600,
        retry=evolve(NEVER, attempt_timeout=3600.0),
        rate_limit=RateLimit(requests=100, window=3600, reserve=0),
    )
    waiting, others = await waits(fake_exchange, session)
    task = asyncio.create_task(cleaning_up(lambda: call(session)))
    await asyncio.sleep(0)
    task.cancel()
    await until(waiting)
    await session.close()
    with pytest.raises(errors):
        await task
    assert not [
        error
        for error in await asyncio.gather(*others, return_exceptions=True)
        if not isinstance(error, FourcastersError)
    ]


async def fail(*_: object) -> None:
    raise ValueError("a hook of the caller's")


async def fail_instead(
    request: aiohttp.ClientRequest, handler: aiohttp.ClientHandlerType
) -> aiohttp.ClientResponse:
    try:
        return await handler(request)
    except BaseException:  # noqa: BLE001  # it is what hides a cancellation
        raise ValueError("a middleware of the caller's") from None


def hooked() -> aiohttp.ClientSession:
    trace = aiohttp.TraceConfig()
    trace.on_request_exception.append(fail)
    return aiohttp.ClientSession(trace_configs=[trace])


CLIENTS: dict[str, Callable[[], aiohttp.ClientSession]] = {
    "a trace hook": hooked,
    "a middleware": lambda: aiohttp.ClientSession(middlewares=[fail_instead]),
}


@pytest.mark.parametrize("call", [one_game, many_games, by_message, a_read])
@pytest.mark.parametrize("client", CLIENTS.values(), ids=CLIENTS)
async def test_what_fails_for_a_cancellation_does_not_swallow_it(
    fake_exchange: FakeExchange,
    client: Callable[[], aiohttp.ClientSession],
    call: Callable[[AsyncSession], Awaitable[object]],
) -> None:
    fake_exchange.inject(faults.Stall(), times=None)
    clock = asyncio.get_running_loop().time
    async with (
        client() as lent,
        AsyncSession(
            fake_exchange.token,
            base_url=fake_exchange.url,
            orders_url=fake_exchange.orders_url,
            client_session=lent,
            retry=QUICK,
        ) as session,
    ):
        began = clock()
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(support.SECOND):
                await call(session)
        assert clock() - began < 3 * support.SECOND
        received = fake_exchange.received()
        await asyncio.sleep(10 * support.SECOND)
        assert fake_exchange.received() == received


async def test_a_place_whose_task_somebody_cancels_before_it_left_was_not_sent(
    fake_exchange: FakeExchange,
) -> None:
    game = fake_exchange.add_game().game_id
    async with AsyncSession(
        fake_exchange.token,
        base_url=fake_exchange.url,
        rate_limit=RateLimit(requests=1, window=3600, reserve=0),
        timeout=3600,
    ) as session:
        await session.account.get_me()
        before = asyncio.all_tasks()
        placing = asyncio.create_task(session.place([quote(game)]))
        await until(lambda: bool(session._http._resting))
        for task in own_tasks(before) - {placing}:
            task.cancel()
        with pytest.raises(NotSentError):
            await placing
        assert not session._gate.undecided()
    assert fake_exchange.received("place") == 0


@pytest.mark.parametrize("opened", ["orders_socket", "user_feed", "price_feed", "live_orders"])
async def test_a_signal_right_before_a_connection_is_opened_is_not_lost(
    session: AsyncSession, opened: str
) -> None:
    async def interrupted() -> None:
        task = asyncio.current_task()
        assert task is not None
        # So asyncio takes Ctrl-C: in the middle of what the task does.
        task.cancel()
        async with getattr(session, opened)():
            pytest.fail("it was opened")

    ended = asyncio.create_task(interrupted())
    await asyncio.wait([ended])
    assert ended.cancelled()


async def test_a_cancel_that_a_task_is_not_told_of_yet_counts_as_one_that_comes() -> None:
    async def interrupted() -> bool:
        task = asyncio.current_task()
        assert task is not None
        task.cancel()
        cancellation = Cancellation()
        try:
            await asyncio.sleep(0)
        except asyncio.CancelledError:
            return cancellation.requested
        return False

    assert await asyncio.create_task(interrupted())


async def test_a_cancel_that_a_task_cleans_up_after_is_not_one_that_comes() -> None:
    async def interrupted() -> bool:
        task = asyncio.current_task()
        assert task is not None
        task.cancel()
        try:
            await asyncio.sleep(0)
        except asyncio.CancelledError:
            return Cancellation().requested
        return True

    assert not await asyncio.create_task(interrupted())
