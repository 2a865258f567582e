"""What a session tells of itself: each thing once, in order, without a secret, at no risk."""

import asyncio
import gc
import inspect
import warnings
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any, TypeVar

import attrs
import pytest
from support import CANARY, ECHOES, QUICK, REST, SECOND, SOCKET, Transport, quote, until

from fourcasters_async import (
    AsyncSession,
    AttemptOutcome,
    ConnectionLost,
    ConnectionMade,
    DeadManChanged,
    DeadManState,
    FourcastersError,
    GameOutcome,
    GateChange,
    GateChanged,
    HaltedError,
    HoldBegun,
    InvalidRequestError,
    OrderFate,
    OrdersDecided,
    OrdersUndecided,
    OutcomeUnknownError,
    RateLimit,
    RequestFinished,
    RetryPlanned,
    SessionClosedError,
    SessionEvent,
    TokenRenewed,
    VerbFinished,
    VerbStarted,
    events,
)
from fourcasters_async._events import VERBS
from fourcasters_async.orders.socket import OrdersSocket
from fourcasters_async.orders.verbs import Orders
from fourcasters_async.testing import FakeExchange, faults

E = TypeVar("E")

ANSWERED, REFUSED = AttemptOutcome.ANSWERED, AttemptOutcome.REFUSED
UNKNOWN, NOT_SENT = AttemptOutcome.UNKNOWN, AttemptOutcome.NOT_SENT
# The verbs that only look, and so are not told of.
READS = {"lookup_order", "heartbeat", "login", "logout", "warm_up", "close"}


class Watched:
    """A session whose events are kept."""

    def __init__(self) -> None:
        self.events: list[SessionEvent] = []

    def of(self, kind: type[E]) -> list[E]:
        return [event for event in self.events if isinstance(event, kind)]

    @property
    def kinds(self) -> list[str]:
        return [type(event).__name__ for event in self.events]

    def attempts(self, endpoint: str) -> list[RequestFinished]:
        """Return the attempts on an endpoint, given by the end of its path or its message."""
        return [each for each in self.of(RequestFinished) if each.endpoint.endswith(endpoint)]


def session_on(exchange: FakeExchange, **options: Any) -> AsyncSession:
    return AsyncSession(
        exchange.token,
        base_url=exchange.url,
        orders_url=exchange.orders_url,
        streaming_url=exchange.streaming_url,
        **{"retry": QUICK, **options},
    )


@pytest.fixture
def watched() -> Watched:
    return Watched()


@pytest.fixture
async def session(fake_exchange: FakeExchange, watched: Watched) -> AsyncIterator[AsyncSession]:
    async with session_on(fake_exchange, on_event=watched.events.append) as session:
        yield session


def no_times(attempt: RequestFinished) -> tuple[object, ...]:
    return (attempt.outcome, attempt.attempt, attempt.status, attempt.game_id)


# Requests.


async def test_an_attempt_that_is_answered_is_told_once_with_its_game(
    fake_exchange: FakeExchange, orders: Orders, transport: Transport, watched: Watched
) -> None:
    game = fake_exchange.add_game(orders=2).game_id
    await orders.cancel_all_orders_for_game(game)
    (attempt,) = watched.attempts(transport.game)
    status = 200 if transport is REST else None
    assert no_times(attempt) == (ANSWERED, 1, status, game)
    assert (attempt.transport, attempt.error, attempt.cancelled) == (str(transport), None, False)


async def test_the_parts_of_an_attempt_sum_up_to_its_time(
    fake_exchange: FakeExchange, orders: Orders, transport: Transport, watched: Watched
) -> None:
    game = fake_exchange.add_game(orders=2).game_id
    fake_exchange.inject(faults.Slow(SECOND), game_id=game)
    await orders.cancel_all_orders_for_game(game)
    (attempt,) = watched.attempts(transport.game)
    parts = (
        *(attempt.waited, attempt.sending, attempt.first_byte, attempt.reading),
        attempt.decoding,
    )
    assert None not in parts
    assert sum(filter(None, parts)) == pytest.approx(attempt.elapsed)
    assert attempt.first_byte is not None
    assert attempt.first_byte >= 0.99 * SECOND


async def test_the_wait_for_the_rate_limit_is_told_apart(
    fake_exchange: FakeExchange, watched: Watched
) -> None:
    limit = RateLimit(requests=2, window=2 * SECOND, reserve=0)
    async with session_on(
        fake_exchange, on_event=watched.events.append, rate_limit=limit
    ) as session:
        for _ in range(3):
            await session.account.get_me()
    waited = [attempt.waited or 0.0 for attempt in watched.attempts("getMe")]
    assert max(waited[:2]) < SECOND < 1.9 * SECOND < waited[2]


async def test_of_an_attempt_without_an_end_it_is_told_how_far_it_got(
    fake_exchange: FakeExchange, session: AsyncSession, watched: Watched
) -> None:
    game = fake_exchange.add_game(orders=2).game_id
    fake_exchange.inject(faults.StallBody(), game_id=game)
    fake_exchange.inject(faults.Stall(), game_id=game)
    await session.cancel_all_orders_for_game(game)
    half, nothing, _ = watched.attempts("cancelAllOrdersForGame")
    assert (half.first_byte is None, half.reading, half.status) == (False, None, 200)
    assert (nothing.sending is None, nothing.first_byte, nothing.status) == (False, None, None)


async def test_each_attempt_is_told_and_each_retry_before_it(
    fake_exchange: FakeExchange, orders: Orders, transport: Transport, watched: Watched
) -> None:
    game = fake_exchange.add_game(orders=2).game_id
    fake_exchange.inject(faults.Reset(committed=True), game_id=game, times=2)
    await orders.cancel_all_orders_for_game(game)
    told = [e for e in watched.events if isinstance(e, RequestFinished | RetryPlanned)]
    told = [each for each in told if each.endpoint.endswith(transport.game)]
    assert [type(each) for each in told] == [
        *(RequestFinished, RetryPlanned) * 2,
        RequestFinished,
    ]
    assert [each.attempt for each in told] == [1, 1, 2, 2, 3]
    outcomes = [each.outcome for each in told if isinstance(each, RequestFinished)]
    assert outcomes == [UNKNOWN, UNKNOWN, ANSWERED]
    retries = [each for each in told if isinstance(each, RetryPlanned)]
    assert all(each.error is not None and each.game_id == game for each in retries)


@pytest.mark.parametrize(
    ("fault", "outcome", "status"),
    [
        (faults.Respond(b'{"error": "no"}', 403), REFUSED, 403),
        (faults.Unavailable(), UNKNOWN, 503),
        (faults.Garbage(), UNKNOWN, None),
        (faults.Truncate(), UNKNOWN, 200),
        (faults.Html(), UNKNOWN, 200),
        (faults.Reset(), UNKNOWN, None),
        (faults.Redirect("http://127.0.0.1/"), UNKNOWN, None),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, faults.Fault) else str(value),
)
async def test_the_end_of_an_attempt_is_told_as_it_was_judged(
    fake_exchange: FakeExchange,
    session: AsyncSession,
    watched: Watched,
    fault: faults.Fault,
    outcome: AttemptOutcome,
    status: int | None,
) -> None:
    game = fake_exchange.add_game(orders=2).game_id
    fake_exchange.inject(fault, game_id=game)
    await asyncio.gather(session.cancel_all_orders_for_game(game), return_exceptions=True)
    first = watched.attempts("cancelAllOrdersForGame")[0]
    assert first.outcome is outcome
    assert status is None or first.status == status
    assert isinstance(first.error, Exception)


async def test_what_could_not_connect_was_not_sent(
    fake_exchange: FakeExchange, watched: Watched
) -> None:
    options: Any = {"base_url": "http://127.0.0.1:9", "on_event": watched.events.append}
    async with AsyncSession("t", **options, retry=QUICK) as session:
        with pytest.raises(FourcastersError):
            await session.cancel_all_orders()
    assert [each.outcome for each in watched.of(RequestFinished)] == [NOT_SENT] * 3


async def test_an_attempt_that_the_caller_gives_up_is_told(
    fake_exchange: FakeExchange, orders: Orders, transport: Transport, watched: Watched
) -> None:
    game = fake_exchange.add_game(orders=2).game_id
    fake_exchange.inject(faults.Stall(), game_id=game, times=None)
    task = asyncio.create_task(orders.cancel_all_orders_for_game(game))
    await until(lambda: fake_exchange.received(transport.game) == 1)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    (attempt,) = watched.attempts(transport.game)
    assert (attempt.outcome, attempt.cancelled) == (UNKNOWN, True)
    (verb,) = watched.of(VerbFinished)
    assert isinstance(verb.error, asyncio.CancelledError)


async def test_one_that_is_given_up_while_it_waits_was_not_sent(
    fake_exchange: FakeExchange, watched: Watched
) -> None:
    limit = RateLimit(requests=1, window=1000.0, reserve=0)
    async with session_on(
        fake_exchange, on_event=watched.events.append, rate_limit=limit
    ) as session:
        await session.account.get_me()
        task = asyncio.create_task(session.account.get_me(deadline=100.0))
        await until(lambda: session.stats.waiting == 1)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
    _, attempt = watched.of(RequestFinished)
    assert (attempt.outcome, attempt.cancelled, attempt.waited) == (NOT_SENT, True, None)


async def test_an_attempt_that_the_end_of_the_session_ends_is_told(
    fake_exchange: FakeExchange, session: AsyncSession, watched: Watched, transport: Transport
) -> None:
    game = fake_exchange.add_game(orders=2).game_id
    fake_exchange.inject(faults.Stall(), game_id=game, times=None)
    async with AsyncExitStack() as stack:
        orders = await stack.enter_async_context(transport.open(session))
        task = asyncio.create_task(orders.cancel_all_orders_for_game(game))
        await until(lambda: fake_exchange.received(transport.game) == 1)
        await session.close()
        with pytest.raises(FourcastersError):
            await task
    first, *others = watched.attempts(transport.game)
    assert first.outcome is UNKNOWN
    assert {each.outcome for each in others} <= {NOT_SENT}


async def test_a_place_of_several_games_names_none(
    fake_exchange: FakeExchange, orders: Orders, transport: Transport, watched: Watched
) -> None:
    one, two = (fake_exchange.add_game().game_id for _ in range(2))
    await orders.place([quote(one), quote(one)])
    await orders.place([quote(one), quote(two)])
    assert [each.game_id for each in watched.attempts(transport.place)] == [one, None]


async def test_a_429_is_told_as_what_it_holds_back(
    fake_exchange: FakeExchange, session: AsyncSession, watched: Watched
) -> None:
    fake_exchange.inject(faults.TooManyRequests("2"), endpoint="getMe")
    await session.account.get_me()
    (held,) = watched.of(HoldBegun)
    assert held.endpoint == "GET /user/getMe"
    assert held.kinds == ("read", "graded", "graded_since", "warm_up")
    assert held.seconds == 2
    assert watched.kinds == ["RequestFinished", "HoldBegun", "RetryPlanned", "RequestFinished"]


# Tokens.


async def test_a_login_for_a_dead_token_is_told_before_the_request_goes_out_again(
    fake_exchange: FakeExchange, watched: Watched
) -> None:
    fake_exchange.add_account("bot", password="secret")
    async with AsyncSession(
        "0" * 64,
        username="bot",
        password="secret",
        base_url=fake_exchange.url,
        on_event=watched.events.append,
    ) as session:
        await session.account.get_me()
    assert [type(each) for each in watched.events] == [
        RequestFinished,
        RequestFinished,
        TokenRenewed,
        RetryPlanned,
        RequestFinished,
    ]
    assert [each.endpoint for each in watched.of(RequestFinished)] == [
        "GET /user/getMe",
        "POST /user/login",
        "GET /user/getMe",
    ]
    assert [each.attempt for each in watched.attempts("getMe")] == [1, 2]
    assert watched.of(TokenRenewed) == [TokenRenewed(rotated=False)]


async def test_a_token_that_the_exchange_replaces_is_told(
    fake_exchange: FakeExchange, session: AsyncSession, watched: Watched
) -> None:
    fake_exchange.move_clock(30 * 86_400 + 1)
    await session.account.get_me()
    assert watched.of(TokenRenewed) == [TokenRenewed(rotated=True)]


# Connections.


@pytest.mark.parametrize("wait", [True, False])
async def test_a_socket_that_is_lost_and_back_is_told(
    fake_exchange: FakeExchange, session: AsyncSession, watched: Watched, wait: bool
) -> None:
    async with session.orders_socket(wait=wait) as orders:
        await until(lambda: orders.connected)
        await fake_exchange.drop_sockets()
        await until(lambda: len(watched.of(ConnectionMade)) == 2)
    shown = [e for e in watched.events if isinstance(e, ConnectionMade | ConnectionLost)]
    assert [type(each) for each in shown] == [ConnectionMade, ConnectionLost, ConnectionMade]
    assert {each.endpoint for each in shown} == {"GET /orders/ws"}


async def test_the_end_of_a_block_is_no_lost_connection(
    session: AsyncSession, watched: Watched
) -> None:
    async with session.orders_socket(), session.user_feed(), session.price_feed():
        pass
    assert {each.endpoint for each in watched.of(ConnectionMade)} == {
        "GET /orders/ws",
        "GET /v2/user",
        "GET /price-stream",
    }
    assert watched.of(ConnectionLost) == []


# The dead-man switch.


async def test_each_state_of_a_switch_is_told(
    fake_exchange: FakeExchange, orders: Orders, watched: Watched
) -> None:
    seen: list[DeadManState] = []
    async with orders.dead_man_switch(8, on_change=seen.append):
        pass
    assert [each.state for each in watched.of(DeadManChanged)] == seen == [DeadManState.ARMED]


# The gate, and what is undecided.


async def test_each_change_of_the_gate_is_told_once(
    fake_exchange: FakeExchange, session: AsyncSession, watched: Watched
) -> None:
    game = fake_exchange.add_game().game_id
    await session.halt([game])
    await session.halt([game])
    session.resume([game])
    session.resume([game])
    await session.flatten()
    changes = watched.of(GateChanged)
    assert [each.change for each in changes] == [
        GateChange.HALTED,
        GateChange.RESUMED,
        GateChange.SHUT,
        GateChange.OPENED,
    ]
    assert [each.games for each in changes] == [{game}, {game}, None, None]
    assert [game in each.halted for each in changes] == [True, False, False, False]


async def test_a_halt_is_told_before_it_sends_anything(
    fake_exchange: FakeExchange, session: AsyncSession, watched: Watched
) -> None:
    halting = session.halt()
    assert watched.kinds == ["GateChanged"]
    await halting
    assert watched.kinds[:3] == ["GateChanged", "VerbStarted", "RequestFinished"]


async def test_a_place_that_ends_unknown_is_told_and_when_it_is_decided(
    fake_exchange: FakeExchange, orders: Orders, session: AsyncSession, watched: Watched
) -> None:
    game = fake_exchange.add_game().game_id
    fake_exchange.inject(faults.Reset(committed=True), game_id=game)
    with pytest.raises(OutcomeUnknownError) as unknown:
        await orders.place([quote(game, "mine")])
    (undecided,) = watched.of(OrdersUndecided)
    assert [(each.game_id, each.user_reference) for each in undecided.orders] == [(game, "mine")]
    assert session.stats.undecided_orders == 1
    (found,) = await session.reconcile(unknown.value.orders)
    assert found.fate is OrderFate.RESTING
    (decided,) = watched.of(OrdersDecided)
    assert [each.user_reference for each in decided.orders] == ["mine"]
    assert not decided.expired
    assert session.stats.undecided_orders == 0


@pytest.mark.virtual_time
async def test_one_that_only_time_decides_is_told_as_expired(
    fake_exchange: FakeExchange, orders: Orders, session: AsyncSession, watched: Watched
) -> None:
    game = fake_exchange.add_game().game_id
    fake_exchange.inject(faults.Reset(), game_id=game)
    with pytest.raises(OutcomeUnknownError):
        await orders.place([quote(game)])
    await asyncio.sleep(122)
    assert session.stats.undecided_orders == 0
    await session.cancel_all_orders_for_games([game], verify=True)
    (decided,) = watched.of(OrdersDecided)
    assert decided.expired


async def test_a_place_that_is_answered_is_never_undecided(
    fake_exchange: FakeExchange, orders: Orders, watched: Watched
) -> None:
    game = fake_exchange.add_game().game_id
    await orders.place([quote(game)])
    assert not {"OrdersUndecided", "OrdersDecided"} & set(watched.kinds)


# Verbs.


async def test_a_verb_is_told_with_what_it_returns(
    fake_exchange: FakeExchange, orders: Orders, transport: Transport, watched: Watched
) -> None:
    game = fake_exchange.add_game(orders=2).game_id
    report = await orders.cancel_all_orders_for_games([game], verify=True)
    (started,), (finished,) = watched.of(VerbStarted), watched.of(VerbFinished)
    assert (started.verb, started.transport) == ("cancel_all_orders_for_games", str(transport))
    assert finished.result is report
    assert finished.succeeded
    assert finished.call == started.call
    assert {each.call for each in watched.attempts("getUnmatched")} == {started.call}


async def test_a_verb_that_raises_is_told_with_its_error(orders: Orders, watched: Watched) -> None:
    with pytest.raises(InvalidRequestError) as refused:
        await orders.cancel_all_orders_for_game("")
    (finished,) = watched.of(VerbFinished)
    assert finished.error is refused.value
    assert not finished.succeeded


@pytest.mark.parametrize("streamed", [True, False])
async def test_a_verb_whose_task_is_cancelled_before_it_began_leaves_no_coroutine_behind(
    session: AsyncSession, *, streamed: bool
) -> None:
    with warnings.catch_warnings(record=True) as warned:
        warnings.simplefilter("always")
        if streamed:
            await session.halting(["a" * 24]).aclose()
        else:
            task = asyncio.create_task(session.halt(["a" * 24]))
            task.cancel()
            await asyncio.wait([task])
            del task
        gc.collect()
    assert [str(each.message) for each in warned if each.category is RuntimeWarning] == []


async def test_the_task_of_a_verb_shows_which_it_is(session: AsyncSession) -> None:
    task = asyncio.create_task(session.halt(["a" * 24], deadline=SECOND))
    assert "halt" in repr(task)
    await task


async def test_what_runs_at_the_same_time_is_told_apart(
    fake_exchange: FakeExchange, orders: Orders, transport: Transport, watched: Watched
) -> None:
    games = [fake_exchange.add_game(orders=1).game_id for _ in range(3)]
    await asyncio.gather(*[orders.cancel_all_orders_for_game(game) for game in games])
    attempts = watched.attempts(transport.game)
    assert len({each.call for each in attempts}) == len(attempts) == 3


async def test_what_is_read_belongs_to_no_verb(session: AsyncSession, watched: Watched) -> None:
    await session.cancel_all_orders()
    await session.account.get_me()
    (verb,) = watched.of(VerbStarted)
    assert [each.call for each in watched.of(RequestFinished)] == [verb.call, None]


async def test_a_burst_has_no_event_a_message(
    fake_exchange: FakeExchange, session: AsyncSession, watched: Watched
) -> None:
    games = [fake_exchange.add_game(orders=1).game_id for _ in range(50)]
    async with session.orders_socket() as orders:
        watched.events.clear()
        report = await orders.cancel_all_orders_for_games(games)
    assert report.ok
    assert watched.kinds == ["VerbStarted", "VerbFinished"]
    assert (session.stats.burst_messages, session.stats.answered) == (50, 51)


async def test_a_game_of_a_burst_that_is_not_answered_has_an_event_an_attempt(
    fake_exchange: FakeExchange, session: AsyncSession, watched: Watched
) -> None:
    games = [fake_exchange.add_game(orders=1).game_id for _ in range(50)]
    fake_exchange.inject(faults.Garbage(), game_id=games[7], endpoint="cancelAllByGame")
    async with session.orders_socket() as orders:
        report = await orders.cancel_all_orders_for_games(games, deadline=4 * SECOND)
        assert report.ok
    attempts = watched.attempts("cancelAllByGame")
    assert [each.outcome for each in attempts] == [UNKNOWN, ANSWERED]
    assert [each.attempt for each in attempts] == [1, 2]
    assert {each.game_id for each in attempts} == {games[7]}


async def test_a_game_that_a_hedge_decides_has_the_events_of_both_transports(
    fake_exchange: FakeExchange, session: AsyncSession, watched: Watched
) -> None:
    games = [fake_exchange.add_game(orders=1).game_id for _ in range(3)]
    fake_exchange.inject(faults.Stall(), game_id=games[1], endpoint="cancelAllByGame")
    async with session.orders_socket() as orders:
        report = await orders.cancel_all_orders_for_games(games, hedge=0.1 * SECOND)
    assert report.ok
    (given_up,), (answered,) = (
        watched.attempts("cancelAllByGame"),
        watched.attempts("cancelAllOrdersForGame"),
    )
    assert (given_up.outcome, given_up.cancelled) == (UNKNOWN, True)
    assert (answered.outcome, answered.call) == (ANSWERED, given_up.call)


def verbs_of(kind: type) -> Iterator[str]:
    for name, _ in inspect.getmembers(kind, inspect.iscoroutinefunction):
        if not name.startswith("_"):
            yield name


@pytest.mark.parametrize("kind", [AsyncSession, OrdersSocket])
def test_each_verb_is_told_of_or_named_here(kind: type) -> None:
    assert set(verbs_of(kind)) <= {*VERBS, *READS}, "add it to VERBS in _events.py"
    assert inspect.iscoroutinefunction(AsyncSession.place)


async def test_a_verb_stays_a_coroutine_function_with_its_own_signature(
    session: AsyncSession,
) -> None:
    assert inspect.iscoroutinefunction(session.place)
    assert inspect.signature(session.place) == inspect.signature(session_on_nothing().place)


def session_on_nothing() -> AsyncSession:
    return AsyncSession("t")


# The hook.


def raising(error: BaseException) -> Callable[[SessionEvent], object]:
    def hook(_: SessionEvent) -> None:
        raise error

    return hook


async def a_busy_minute(session: AsyncSession, exchange: FakeExchange) -> object:
    games = [exchange.add_game(orders=2).game_id for _ in range(3)]
    exchange.inject(faults.Unavailable(), game_id=games[0], endpoint="cancelAllByGame")
    exchange.inject(faults.TooManyRequests("0"), endpoint="cancelAllOrdersForGame")
    async with session.orders_socket() as orders, session.dead_man_switch(8):
        await orders.place([quote(games[0])])
        first = await orders.cancel_all_orders_for_games(games, verify=True)
        second = await session.halt(games)
        session.resume()
        await session.place([quote(games[1])])
        flat = await session.flatten()
    return (
        [(o.status, len(o.results), o.resting) for o in (*first.outcomes, *second.outcomes)],
        flat.clear,
        sorted(each.endpoint for each in exchange.requests),
    )


@pytest.mark.parametrize(
    "error", [RuntimeError(CANARY), asyncio.CancelledError(), BaseException()], ids=repr
)
async def test_a_hook_that_raises_changes_nothing(
    error: BaseException, caplog: pytest.LogCaptureFixture
) -> None:
    ends = []
    for hook in (None, raising(error)):
        async with FakeExchange() as exchange, session_on(exchange, on_event=hook) as session:
            ends.append(await a_busy_minute(session, exchange))
    assert ends[0] == ends[1]
    assert "on_event failed for VerbFinished" in caplog.text


@pytest.mark.parametrize("hook", [3, "print"])
def test_a_hook_that_cannot_be_called_is_refused(hook: Any) -> None:
    with pytest.raises(InvalidRequestError, match="on_event: must be a plain function"):
        AsyncSession("t", on_event=hook)


def test_a_coroutine_function_is_refused() -> None:
    async def hook(_: SessionEvent) -> None: ...

    with pytest.raises(InvalidRequestError, match="on_event: must be a plain function"):
        AsyncSession("t", on_event=hook)


async def test_a_hook_may_halt_at_what_it_is_told(
    fake_exchange: FakeExchange, watched: Watched
) -> None:
    game = fake_exchange.add_game().game_id
    halting: list[Awaitable[object]] = []

    def hook(event: SessionEvent) -> None:
        watched.events.append(event)
        if isinstance(event, OrdersUndecided):
            halting.append(own.halt([game]))

    async with session_on(fake_exchange, on_event=hook) as own:
        fake_exchange.inject(faults.Reset(committed=True), game_id=game)
        with pytest.raises(OutcomeUnknownError):
            await own.place([quote(game)])
        await until(lambda: bool(halting))
        with pytest.raises(HaltedError):
            await own.place([quote(game)])
        await asyncio.gather(*halting)
    assert not fake_exchange.open_orders()


async def test_from_env_takes_a_hook(
    fake_exchange: FakeExchange, watched: Watched, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FOURCASTERS_TOKEN", fake_exchange.token)
    monkeypatch.setenv("FOURCASTERS_BASE_URL", fake_exchange.url)
    async with AsyncSession.from_env(on_event=watched.events.append) as session:
        await session.account.get_me()
    assert watched.kinds == ["RequestFinished"]


@pytest.mark.parametrize("body", ECHOES)
@pytest.mark.parametrize("transport", [REST, SOCKET], ids=str)
async def test_no_event_shows_a_token_that_an_answer_quotes(
    canary: FakeExchange, watched: Watched, body: bytes, transport: Transport
) -> None:
    game = canary.add_game(orders=2).game_id
    async with session_on(canary, on_event=watched.events.append) as session:
        for status in (200, 400, 401, 403, 429, 503):
            canary.inject(faults.Respond(body, status), game_id=game)
        async with transport.open(session) as orders, asyncio.timeout(None):
            calls: list[Awaitable[object]] = [
                orders.cancel_all_orders_for_games([game], deadline=SECOND),
                orders.cancel_all_orders_for_game(game, deadline=SECOND),
                orders.place([quote(game)], deadline=SECOND),
                orders.cancel("f" * 24, deadline=SECOND),
            ]
            for call in calls:
                await asyncio.gather(call, return_exceptions=True)
    assert len(watched.events) > 10
    for event in watched.events:
        shown = repr(event) + str(event) + repr(attrs.asdict(event))
        assert CANARY not in shown
        assert CANARY[:12] not in shown


async def test_no_event_of_a_login_shows_the_password(
    fake_exchange: FakeExchange, watched: Watched
) -> None:
    fake_exchange.add_account("bot", password="secret-password")
    async with session_on(fake_exchange, on_event=watched.events.append) as session:
        fake_exchange.inject(faults.Respond(b'{"error": "secret-password"}', 401), endpoint="login")
        await asyncio.gather(session.login("bot", "secret-password"), return_exceptions=True)
        await session.login("bot", "secret-password")
    shown = repr(watched.events)
    assert "secret-password" not in shown
    assert session._auth.token is not None
    assert str.__str__(session._auth.token) not in shown


def test_no_event_can_be_given_other_fields_nor_but_the_hot_one_other_values() -> None:
    for kind in events.SessionEvent.__args__:
        assert attrs.has(kind)
        assert "__slots__" in vars(kind)
        if kind is RequestFinished:
            continue
        with pytest.raises(attrs.exceptions.FrozenInstanceError):
            setattr(object.__new__(kind), attrs.fields(kind)[0].name, None)


# Numbers.


async def test_the_numbers_are_those_of_the_events(
    fake_exchange: FakeExchange, watched: Watched
) -> None:
    async with session_on(fake_exchange, on_event=watched.events.append) as session:
        await a_busy_minute(session, fake_exchange)
        stats = session.stats
    attempts = watched.of(RequestFinished)
    for outcome in AttemptOutcome:
        told = sum(each.outcome is outcome for each in attempts)
        if outcome is ANSWERED:
            told += stats.burst_messages
        assert getattr(stats, outcome) == told
    assert stats.retries == len(watched.of(RetryPlanned)) > 0
    assert stats.holds == len(watched.of(HoldBegun)) > 0


async def test_a_burst_that_is_given_up_counts_each_message_once(
    fake_exchange: FakeExchange, session: AsyncSession, watched: Watched
) -> None:
    games = [fake_exchange.add_game(orders=1).game_id for _ in range(40)]
    for game in games[:10]:
        fake_exchange.inject(faults.Stall(), game_id=game)
    async with session.orders_socket() as orders:
        told: list[GameOutcome] = []
        cancel = orders.cancel_all_orders_for_games(games, on_outcome=told.append)
        task = asyncio.create_task(cancel)
        await until(lambda: len(told) == 30)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
    stats = session.stats
    assert (stats.burst_messages, stats.unknown, stats.in_flight) == (30, 10, 0)
    assert isinstance(watched.of(VerbFinished)[0].error, asyncio.CancelledError)


async def test_what_is_under_way_is_counted(
    fake_exchange: FakeExchange, orders: Orders, session: AsyncSession, transport: Transport
) -> None:
    games = [fake_exchange.add_game(orders=1).game_id for _ in range(3)]
    fake_exchange.inject(faults.Stall(), times=None)
    task = asyncio.create_task(orders.cancel_all_orders_for_games(games))
    await until(lambda: fake_exchange.received(transport.game) == 3)
    assert session.stats.in_flight == 3
    assert session.stats.connections == (3 if transport is REST else 1)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    await until(lambda: session.stats.in_flight == 0)


async def test_the_games_that_are_halted_are_counted(
    fake_exchange: FakeExchange, session: AsyncSession
) -> None:
    await session.halt([fake_exchange.add_game().game_id for _ in range(3)])
    assert (session.stats.halted_games, session.stats.halted_everything) == (3, False)
    await session.halt()
    assert session.stats.halted_everything


async def test_another_thread_may_ask_for_the_numbers(
    fake_exchange: FakeExchange, session: AsyncSession
) -> None:
    game = fake_exchange.add_game(orders=1).game_id
    fake_exchange.inject(faults.Reset(), game_id=game)
    with pytest.raises(OutcomeUnknownError):
        await session.place([quote(game)])
    asked = await asyncio.to_thread(lambda: session.stats)
    assert (asked.unknown, asked.connections) == (1, session.stats.connections)


async def test_a_closed_session_still_has_its_numbers(
    fake_exchange: FakeExchange, session: AsyncSession
) -> None:
    await session.account.get_me()
    await session.close()
    with pytest.raises(SessionClosedError):
        await session.account.get_me()
    assert (session.stats.answered, session.stats.connections) == (1, 0)


def test_numbers_need_no_event_loop() -> None:
    stats = session_on_nothing().stats
    assert (stats.answered, stats.remaining) == (0, 2700)


@asynccontextmanager
async def limited(exchange: FakeExchange, limit: RateLimit) -> AsyncIterator[AsyncSession]:
    async with session_on(exchange, rate_limit=limit) as session:
        yield session


async def test_what_remains_of_the_limit_leaves_the_reserve_to_cancels(
    fake_exchange: FakeExchange,
) -> None:
    limit = RateLimit(requests=5, window=100.0, reserve=2)
    async with limited(fake_exchange, limit) as session:
        remaining = [(limit.remaining, limit.remaining_for_cancels)]
        for _ in range(3):
            await session.account.get_me()
            remaining.append((limit.remaining, limit.remaining_for_cancels))
        await session.cancel_all_orders()
        remaining.append((limit.remaining, limit.remaining_for_cancels))
        assert session.rate_limit is limit
    assert remaining == [(3, 5), (2, 4), (1, 3), (0, 2), (0, 1)]


async def test_cancels_that_used_the_reserve_up_take_from_the_others(
    fake_exchange: FakeExchange,
) -> None:
    limit = RateLimit(requests=5, window=100.0, reserve=2)
    async with limited(fake_exchange, limit) as session:
        for _ in range(4):
            await session.cancel_all_orders()
    assert (limit.remaining, limit.remaining_for_cancels) == (1, 1)


@pytest.mark.virtual_time
async def test_what_was_sent_long_ago_counts_no_more(fake_exchange: FakeExchange) -> None:
    limit = RateLimit(requests=5, window=100.0, reserve=2)
    async with limited(fake_exchange, limit) as session:
        await session.account.get_me()
        await asyncio.sleep(101)
        assert limit.remaining == 3
