"""The hedge: REST where the Orders WebSocket does not decide in time, and what both say."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support import PATIENT, SECOND, until

from fourcasters_async import (
    ApiError,
    AsyncSession,
    AuthenticationError,
    BadRequestError,
    CancelResult,
    FourcastersError,
    GameMarket,
    GameOutcome,
    InvalidRequestError,
    NotFoundError,
    NotSentError,
    OrdersSocket,
    OutcomeStatus,
    OutcomeUnknownError,
    RateLimitedError,
    RetryPolicy,
)
from fourcasters_async._core.outcome import AttemptStatus, RequestOutcome
from fourcasters_async._core.request import Kind
from fourcasters_async.orders.hedge import Cancelled, hedged, united
from fourcasters_async.testing import FakeExchange, faults

REST, WS = "cancelAllOrdersForGame", "cancelAllByGame"
HEDGE = 0.5 * SECOND


@asynccontextmanager
async def opened(
    exchange: FakeExchange, *, retry: RetryPolicy = PATIENT
) -> AsyncIterator[OrdersSocket]:
    async with (
        AsyncSession(
            exchange.token,
            base_url=exchange.url,
            orders_url=exchange.orders_url,
            retry=retry,
        ) as session,
        session.orders_socket() as orders,
    ):
        yield orders


async def test_a_socket_that_answers_in_time_has_no_second_request(
    fake_exchange: FakeExchange,
) -> None:
    games = [fake_exchange.add_game(orders=2).game_id for _ in range(20)]
    async with opened(fake_exchange) as orders:
        report = await orders.cancel_all_orders_for_games(games, hedge=10.0)
    assert report.ok
    assert all(outcome.complete for outcome in report.outcomes)
    assert fake_exchange.received(REST) == 0


@pytest.mark.parametrize(
    "fault",
    [
        faults.Stall(),
        faults.Stall(committed=True),
        faults.HalfOpen(),
        faults.HalfOpen(committed=True),
        faults.Slow(10.0),
        faults.UnknownID(),
        faults.Garbage(),
    ],
    ids=repr,
)
async def test_rest_settles_what_the_socket_does_not(
    fake_exchange: FakeExchange, fault: faults.Fault
) -> None:
    games = [fake_exchange.add_game(orders=2).game_id for _ in range(20)]
    fake_exchange.inject(fault, endpoint=WS, times=None)
    told: list[GameOutcome] = []
    async with opened(fake_exchange) as orders:
        connection = orders._socket._connections._current
        report = await orders.cancel_all_orders_for_games(
            games, hedge=HEDGE, on_outcome=told.append
        )
        assert connection is not None
        assert not connection._pending
    assert [outcome.game_id for outcome in report.outcomes] == games
    assert sorted(outcome.game_id for outcome in told) == sorted(games)
    assert {(o.status, o.complete) for o in report.outcomes} == {(OutcomeStatus.CONFIRMED, False)}
    assert not fake_exchange.open_orders()


@pytest.mark.parametrize(
    "fault", [faults.Unavailable(), faults.Reset(), faults.TooManyRequests()], ids=repr
)
async def test_a_socket_that_fails_outright_does_not_wait_for_the_hedge(
    fake_exchange: FakeExchange, fault: faults.Fault
) -> None:
    games = [fake_exchange.add_game(orders=2).game_id for _ in range(5)]
    fake_exchange.inject(fault, endpoint=WS, times=None)
    async with opened(fake_exchange) as orders:
        report = await orders.cancel_all_orders_for_games(games, hedge=3600.0)
    assert report.ok
    assert fake_exchange.received(REST) == 5


@pytest.mark.virtual_time
@pytest.mark.parametrize(
    "fault",
    [faults.Unavailable(), faults.Reset(), faults.Close(), faults.TooManyRequests("30")],
    ids=repr,
)
async def test_rest_is_asked_once_an_attempt_over_the_socket_has_failed(
    fake_exchange: FakeExchange, fault: faults.Fault
) -> None:
    games = [fake_exchange.add_game(orders=2).game_id for _ in range(30)]
    fake_exchange.inject(fault, endpoint=WS, times=None)
    clock = asyncio.get_running_loop().time
    async with opened(fake_exchange, retry=RetryPolicy()) as orders:
        began = clock()
        report = await orders.cancel_all_orders_for_games(games, hedge=HEDGE)
        assert clock() - began < HEDGE
    assert report.ok


@pytest.mark.virtual_time
async def test_a_socket_that_is_given_up_after_a_refusal_leaves_no_doubt(
    fake_exchange: FakeExchange,
) -> None:
    game = fake_exchange.add_game(orders=2).game_id
    fake_exchange.inject(faults.TooManyRequests(), endpoint=WS)
    async with opened(fake_exchange, retry=RetryPolicy()) as orders:
        report = await orders.cancel_all_orders_for_games([game], hedge=HEDGE)
    assert [(each.attempts, each.complete) for each in report.outcomes] == [(2, True)]
    assert (fake_exchange.received(WS), fake_exchange.received(REST)) == (1, 1)


@pytest.mark.virtual_time
async def test_rest_is_asked_at_once_while_a_429_holds_the_socket_back(
    fake_exchange: FakeExchange,
) -> None:
    game = fake_exchange.add_game(orders=2).game_id
    clock = asyncio.get_running_loop().time
    async with opened(fake_exchange) as orders:
        began = clock()
        orders._socket._holds.hold(Kind.CANCEL, began + 2 * HEDGE)
        report = await orders.cancel_all_orders_for_games([game], hedge=HEDGE)
        assert clock() - began < HEDGE
    assert [(each.attempts, each.complete) for each in report.outcomes] == [(1, True)]


async def test_without_a_connection_rest_settles_everything(fake_exchange: FakeExchange) -> None:
    games = [fake_exchange.add_game(orders=1).game_id for _ in range(5)]
    async with opened(fake_exchange) as orders:
        fake_exchange.inject(faults.Stall(), endpoint="ws", times=None)
        await fake_exchange.drop_sockets()
        await until(lambda: not orders.connected)
        report = await orders.cancel_all_orders_for_games(games, hedge=HEDGE)
    assert report.ok
    assert fake_exchange.received(WS) == 0


async def test_with_neither_every_game_ends_at_the_deadline(fake_exchange: FakeExchange) -> None:
    games = [fake_exchange.add_game(orders=1).game_id for _ in range(5)]
    fake_exchange.inject(faults.Stall(), endpoint=WS, times=None)
    fake_exchange.inject(faults.Stall(), endpoint=REST, times=None)
    async with opened(fake_exchange) as orders:
        report = await orders.cancel_all_orders_for_games(
            games, hedge=0.2 * SECOND, deadline=5 * SECOND
        )
    assert [outcome.game_id for outcome in report.outcomes] == games
    assert {o.status for o in report.outcomes} == {OutcomeStatus.UNKNOWN}
    assert {o.attempts >= 2 for o in report.outcomes} == {True}


async def test_when_nothing_can_be_reached_everything_is_not_sent(
    fake_exchange: FakeExchange,
) -> None:
    async with opened(fake_exchange) as orders, fake_exchange.refusing():
        await until(lambda: not orders.connected)
        report = await orders.cancel_all_orders_for_games(["f" * 24], hedge=0.1 * SECOND)
    assert [outcome.status for outcome in report.outcomes] == [OutcomeStatus.NOT_SENT]


@pytest.mark.parametrize("hedge", [None, 3600.0])
async def test_a_game_that_neither_knows_is_refused(
    fake_exchange: FakeExchange, hedge: float | None
) -> None:
    async with opened(fake_exchange) as orders:
        report = await orders.cancel_all_orders_for_games(["f" * 24], hedge=hedge)
    assert [outcome.status for outcome in report.outcomes] == [OutcomeStatus.REFUSED]
    assert fake_exchange.received(WS) == fake_exchange.received(REST) == 1


async def test_a_caller_that_gives_up_ends_both(fake_exchange: FakeExchange) -> None:
    game = fake_exchange.add_game(orders=1).game_id
    fake_exchange.inject(faults.Stall(), endpoint=WS, times=None)
    fake_exchange.inject(faults.Stall(), endpoint=REST, times=None)
    async with opened(fake_exchange) as orders:
        before = asyncio.all_tasks()
        cancel = asyncio.create_task(orders.cancel_all_orders_for_games([game], hedge=0.1 * SECOND))
        await until(lambda: fake_exchange.received(REST) == 1)
        cancel.cancel()
        with pytest.raises(asyncio.CancelledError):
            await cancel
        left = [t for t in asyncio.all_tasks() - before if "fourcasters_async._" in repr(t)]
        assert not left
        assert orders._socket._connections._current is not None
        assert not orders._socket._connections._current._pending


@pytest.mark.parametrize("hedge", [-1.0, 0.0, float("nan"), float("inf"), "1"])
async def test_a_hedge_that_is_no_time_is_refused(
    fake_exchange: FakeExchange, hedge: float
) -> None:
    async with opened(fake_exchange) as orders:
        with pytest.raises(InvalidRequestError, match=r"^hedge"):
            await orders.cancel_all_orders_for_games(["f" * 24], hedge=hedge)
    assert fake_exchange.received(WS) == fake_exchange.received(REST) == 0


def result(order_id: str, *, success: bool = True) -> CancelResult:
    return CancelResult(success, order_id=order_id)


def answered(*results: CancelResult, complete: bool = True, attempts: int = 1) -> Cancelled:
    return RequestOutcome(AttemptStatus.ANSWERED, attempts, value=list(results), complete=complete)


def ended(attempt: AttemptStatus, error: FourcastersError, attempts: int = 1) -> Cancelled:
    complete = attempt is not AttemptStatus.UNKNOWN
    return RequestOutcome(attempt, attempts, error=error, complete=complete)


NOT_SENT = ended(AttemptStatus.NOT_SENT, NotSentError("no"), attempts=0)
UNKNOWN = ended(AttemptStatus.UNKNOWN, OutcomeUnknownError("who knows"))
REFUSED = ended(AttemptStatus.REFUSED, BadRequestError("no", status=400, endpoint="x"))
LIMITED = ended(AttemptStatus.REFUSED, RateLimitedError("slow", status=429, endpoint="x"))
UNITED: list[tuple[list[Cancelled | int], AttemptStatus, bool]] = [
    ([answered()], AttemptStatus.ANSWERED, True),
    ([answered(), answered()], AttemptStatus.ANSWERED, True),
    ([answered(), answered(complete=False)], AttemptStatus.ANSWERED, False),
    ([answered(), 1], AttemptStatus.ANSWERED, False),
    ([1, answered()], AttemptStatus.ANSWERED, False),
    ([UNKNOWN, answered()], AttemptStatus.ANSWERED, False),
    ([NOT_SENT, answered()], AttemptStatus.ANSWERED, True),
    ([REFUSED, answered()], AttemptStatus.ANSWERED, True),
    ([LIMITED, answered()], AttemptStatus.ANSWERED, True),
    ([UNKNOWN, NOT_SENT], AttemptStatus.UNKNOWN, False),
    ([UNKNOWN, REFUSED], AttemptStatus.UNKNOWN, False),
    ([NOT_SENT, UNKNOWN], AttemptStatus.UNKNOWN, False),
    ([1, REFUSED], AttemptStatus.UNKNOWN, False),
    ([1, NOT_SENT], AttemptStatus.UNKNOWN, False),
    ([1, UNKNOWN], AttemptStatus.UNKNOWN, False),
    ([1, 1], AttemptStatus.UNKNOWN, False),
    ([1], AttemptStatus.UNKNOWN, False),
    ([0, answered()], AttemptStatus.ANSWERED, True),
    ([LIMITED, REFUSED], AttemptStatus.REFUSED, True),
    ([NOT_SENT, REFUSED], AttemptStatus.REFUSED, True),
    ([NOT_SENT, NOT_SENT], AttemptStatus.NOT_SENT, True),
]


@pytest.mark.parametrize(("parts", "attempt", "complete"), UNITED)
def test_two_ends_of_one_cancel_are_united(
    parts: list[Cancelled | int], attempt: AttemptStatus, complete: bool
) -> None:
    whole = united(parts)
    assert (whole.status, whole.complete) == (attempt, complete)
    assert (whole.error is None) == (attempt is AttemptStatus.ANSWERED)


ORDERS = st.lists(st.builds(result, st.sampled_from("abc"), success=st.booleans()), max_size=4)
PARTS = (
    st.integers(0, 3)
    | st.builds(
        lambda results, complete: answered(*results, complete=complete), ORDERS, st.booleans()
    )
    | st.sampled_from([NOT_SENT, UNKNOWN, REFUSED, LIMITED])
)


@given(st.lists(PARTS, min_size=1, max_size=2))
def test_what_is_united_claims_no_more_than_its_parts(parts: list[Cancelled | int]) -> None:
    whole = united(parts)
    finished = [part for part in parts if not isinstance(part, int)]
    given_up = sum(part for part in parts if isinstance(part, int))
    doubtful = given_up or any(part.status is AttemptStatus.UNKNOWN for part in finished)
    if doubtful:
        assert whole.status in (AttemptStatus.ANSWERED, AttemptStatus.UNKNOWN)
        assert not whole.complete
    said = [r for part in finished for r in part.value or []]
    results = whole.value or []
    assert {r.order_id for r in results} == {r.order_id for r in said}
    assert len({r.order_id for r in results}) == len(results)
    cancelled = {r.order_id for r in said if r.success}
    assert {r.order_id for r in results if r.success} == cancelled
    assert whole.attempts == given_up + sum(part.attempts for part in finished)


def test_results_that_name_no_order_are_all_kept() -> None:
    whole = united([answered(CancelResult(False)), answered(CancelResult(True))])
    assert [r.success for r in whole.value or []] == [False, True]


@pytest.mark.virtual_time
async def test_a_socket_that_is_given_up_before_anything_left_counts_as_no_attempt(
    fake_exchange: FakeExchange,
) -> None:
    game = fake_exchange.add_game(orders=1).game_id
    async with opened(fake_exchange) as orders:
        fake_exchange.inject(faults.Stall(), endpoint="ws", times=None)
        connection = orders._socket._connections.current
        assert connection is not None
        connection.lose("tested")
        report = await orders.cancel_all_orders_for_games([game], hedge=HEDGE)
    assert [(each.attempts, each.complete) for each in report.outcomes] == [(1, True)]
    assert not fake_exchange.received(WS)


@pytest.mark.virtual_time
async def test_each_attempt_of_a_socket_that_is_given_up_counts(
    fake_exchange: FakeExchange,
) -> None:
    game = fake_exchange.add_game(orders=1).game_id
    fake_exchange.inject(faults.Unavailable(), endpoint=WS, times=None)
    fake_exchange.inject(faults.Slow(2.0), endpoint=REST)
    async with opened(fake_exchange, retry=RetryPolicy()) as orders:
        report = await orders.cancel_all_orders_for_games([game], hedge=HEDGE)
    sent = fake_exchange.received(WS) + fake_exchange.received(REST)
    assert sent > 2
    # The last may have waited for its turn when it was given up.
    assert [(each.attempts, each.complete) for each in report.outcomes] == [(sent, False)]


MARKET = GameMarket("f" * 24)


def test_an_order_has_one_result_whatever_the_case_of_its_id() -> None:
    refused = CancelResult(success=False, reason="not open", order_id="AB" * 12)
    cancelled = CancelResult(success=True, order_id="ab" * 12)
    whole = united([answered(refused), answered(cancelled)])
    assert whole.value == [cancelled]


async def test_both_may_answer_in_one_turn_and_their_results_are_united() -> None:
    both = asyncio.Event()

    async def first(_: GameMarket, __: float | None, *_watch: object) -> Cancelled:
        await both.wait()
        return answered(result("a"))

    async def second(_: GameMarket, __: float | None, *_watch: object) -> Cancelled:
        both.set()
        return answered(result("b"), result("a", success=False))

    whole = await hedged(first, second, after=0.001)(MARKET, None)
    assert {r.order_id: r.success for r in whole.value or []}.get("b") is True


async def test_a_429_of_one_does_not_end_the_other() -> None:
    async def first(_: GameMarket, __: float | None, *_watch: object) -> Cancelled:
        return LIMITED

    async def second(_: GameMarket, __: float | None, *_watch: object) -> Cancelled:
        await asyncio.sleep(0)
        return answered(result("a"))

    whole = await hedged(first, second, after=3600.0)(MARKET, None)
    assert (whole.status, whole.complete) == (AttemptStatus.ANSWERED, True)


async def test_a_refusal_by_one_does_not_end_the_other_which_may_still_answer() -> None:
    refused = asyncio.Event()

    async def first(_: GameMarket, __: float | None, *_watch: object) -> Cancelled:
        await refused.wait()
        return answered(result("a"))

    async def second(_: GameMarket, __: float | None, *_watch: object) -> Cancelled:
        refused.set()
        return ended(AttemptStatus.REFUSED, NotFoundError("no", status=404, endpoint="x"))

    whole = await hedged(first, second, after=0.001)(MARKET, None)
    assert whole.status is AttemptStatus.ANSWERED


async def test_a_crash_of_one_does_not_touch_the_answer_of_the_other() -> None:
    async def first(_: GameMarket, __: float | None, *_watch: object) -> Cancelled:
        raise ZeroDivisionError

    async def second(_: GameMarket, __: float | None, *_watch: object) -> Cancelled:
        return answered(result("a"))

    whole = await hedged(first, second, after=3600.0)(MARKET, None)
    assert (whole.status, whole.complete) == (AttemptStatus.ANSWERED, False)


@pytest.mark.parametrize(
    "error",
    [
        AuthenticationError("no", status=401, endpoint="x"),
        RateLimitedError("no", status=429, endpoint="x"),
    ],
    ids=lambda error: type(error).__name__,
)
async def test_a_refusal_that_is_the_sockets_own_is_asked_of_rest_at_once(error: ApiError) -> None:
    async def first(_: GameMarket, __: float | None, *_watch: object) -> Cancelled:
        return ended(AttemptStatus.REFUSED, error)

    async def second(_: GameMarket, __: float | None, *_watch: object) -> Cancelled:
        return answered(result("a"))

    whole = await hedged(first, second, after=3600.0)(MARKET, None)
    assert (whole.status, whole.complete) == (AttemptStatus.ANSWERED, True)
