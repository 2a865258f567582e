"""The rate limit: the laws of its arithmetic, and its waiters."""

import asyncio
from collections import deque

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support import QUICK, SECOND

from fourcasters_async import AsyncSession, NotSentError, RateLimit, RateLimitedError, RetryPolicy
from fourcasters_async._core.rate_limit import time_now
from fourcasters_async._core.sliding_window import SlidingWindow
from fourcasters_async.testing import FakeExchange, faults

WINDOW = 60.0

# What a bot does: seconds that pass, then a request that is urgent or not, its time under way,
# the share of that time after which the exchange counts it, and whether it left at all.
STEPS = st.lists(
    st.tuples(
        st.sampled_from([0.0, 0.0, 0.0, 1.0, 7.5, 30.0, WINDOW]),
        st.booleans(),
        st.sampled_from([0.0, 0.5, 10.0, 90.0]),
        st.floats(0, 1),
        st.booleans(),
    ),
    max_size=60,
)


class Simulation:
    """A clock, an exchange that counts, and requests that end when their time has come."""

    def __init__(self, limit: int, reserve: int) -> None:
        self.admission: SlidingWindow[int] = SlidingWindow(limit, WINDOW, reserve)
        self.now = 0.0
        self.counted: list[tuple[float, bool]] = []
        self.admitted: list[tuple[int, bool]] = []
        self.ends: list[tuple[float, bool, bool]] = []
        self.plans: dict[int, tuple[float, float, bool]] = {}

    def start(self, ticket: int, *, urgent: bool) -> None:
        duration, share, leaves = self.plans[ticket]
        self.admitted.append((ticket, urgent))
        self.ends.append((self.now + duration, urgent, leaves))
        if leaves:
            self.counted.append((self.now + share * duration, urgent))

    def advance(self, seconds: float) -> None:
        until = self.now + seconds
        while True:
            free = self.admission.next_free()
            events = [at for at, _, _ in self.ends] + ([] if free is None else [free])
            step = min([at for at in events if at <= until], default=None)
            if step is None:
                break
            self.now = max(self.now, step)
            for end in [e for e in self.ends if e[0] <= self.now]:
                self.ends.remove(end)
                self.admission.leave(urgent=end[1], now=self.now, counted=end[2])
            self.serve()
        self.now = until

    def serve(self) -> None:
        for ticket, urgent in self.admission.due(self.now):
            self.start(ticket, urgent=urgent)

    def ask(self, ticket: int, *, urgent: bool) -> None:
        if self.admission.admit(urgent=urgent, now=self.now):
            self.start(ticket, urgent=urgent)
        else:
            self.admission.queue(ticket, urgent=urgent)
            self.serve()


def most_in_a_window(times: list[float]) -> int:
    most, window = 0, deque[float]()
    for time in sorted(times):
        window.append(time)
        while window[0] <= time - WINDOW:
            window.popleft()
        most = max(most, len(window))
    return most


@given(STEPS, st.integers(1, 8), st.integers(0, 7))
def test_no_window_at_the_exchange_ever_holds_more_than_the_limit_and_nobody_starves(
    steps: list[tuple[float, bool, float, float, bool]], limit: int, reserve: int
) -> None:
    reserve = min(reserve, limit - 1)
    simulation = Simulation(limit, reserve)
    for ticket, (passes, urgent, duration, share, leaves) in enumerate(steps):
        simulation.plans[ticket] = (duration, share, leaves)
        simulation.advance(passes)
        simulation.ask(ticket, urgent=urgent)
    simulation.advance((len(steps) + 1) * 2.5 * WINDOW)
    assert most_in_a_window([at for at, _ in simulation.counted]) <= limit
    assert most_in_a_window([at for at, urgent in simulation.counted if not urgent]) <= (
        limit - reserve
    )
    assert sorted(ticket for ticket, _ in simulation.admitted) == list(range(len(steps)))


@given(STEPS, st.integers(1, 8), st.integers(0, 7))
def test_those_of_a_kind_are_served_in_the_order_they_came(
    steps: list[tuple[float, bool, float, float, bool]], limit: int, reserve: int
) -> None:
    simulation = Simulation(limit, min(reserve, limit - 1))
    for ticket, (passes, urgent, duration, share, leaves) in enumerate(steps):
        simulation.plans[ticket] = (duration, share, leaves)
        simulation.advance(passes)
        simulation.ask(ticket, urgent=urgent)
    for kind in (True, False):
        tickets = [ticket for ticket, urgent in simulation.admitted if urgent is kind]
        assert tickets == sorted(tickets)


def test_a_place_is_free_again_exactly_one_window_after_the_answer() -> None:
    admission: SlidingWindow[int] = SlidingWindow(1, WINDOW, 0)
    assert admission.admit(urgent=False, now=0.0)
    assert not admission.admit(urgent=False, now=1000.0)
    admission.leave(urgent=False, now=1000.0, counted=True)
    assert not admission.admit(urgent=False, now=1000.0 + WINDOW - 1e-6)
    assert admission.admit(urgent=False, now=1000.0 + WINDOW)


def test_a_cancel_does_not_wait_behind_reads_while_the_reserve_lasts() -> None:
    admission: SlidingWindow[str] = SlidingWindow(10, WINDOW, 3)
    assert [admission.admit(urgent=False, now=0.0) for _ in range(8)] == [True] * 7 + [False]
    for n in range(5):
        admission.queue(f"read {n}", urgent=False)
    for n in range(4):
        admission.queue(f"cancel {n}", urgent=True)
    assert [ticket for ticket, _ in admission.due(0.0)] == ["cancel 0", "cancel 1", "cancel 2"]


def test_past_the_reserve_a_cancel_waits_its_turn() -> None:
    admission: SlidingWindow[str] = SlidingWindow(2, WINDOW, 1)
    for urgent in (True, False):
        assert admission.admit(urgent=urgent, now=0.0)
    admission.queue("read", urgent=False)
    admission.queue("cancel", urgent=True)
    admission.leave(urgent=False, now=1.0, counted=True)
    assert [ticket for ticket, _ in admission.due(1.0 + WINDOW)] == ["read"]


def test_a_request_that_never_left_gives_its_place_back_at_once() -> None:
    admission: SlidingWindow[int] = SlidingWindow(1, WINDOW, 0)
    assert admission.admit(urgent=True, now=0.0)
    admission.leave(urgent=True, now=0.0, counted=False)
    assert admission.admit(urgent=True, now=0.0)


def place() -> asyncio.Future[None]:
    return asyncio.get_running_loop().create_future()


async def test_a_waiter_gets_the_place_that_comes_free() -> None:
    limit = RateLimit(requests=1, window=0.02, reserve=0)
    assert limit.admit(urgent=True, now=time_now())
    limit.leave(urgent=True, now=time_now(), counted=True)
    limit.serve()
    assert not limit.admit(urgent=True, now=time_now())
    assert await limit.wait(place(), urgent=True, until=None)


async def test_a_waiter_whose_time_is_up_takes_no_place() -> None:
    limit = RateLimit(requests=1, window=3600, reserve=0)
    assert limit.admit(urgent=True, now=time_now())
    assert not await limit.wait(place(), urgent=True, until=asyncio.get_running_loop().time())
    limit.leave(urgent=True, now=time_now(), counted=False)
    limit.serve()
    assert limit.admit(urgent=True, now=time_now())


async def test_a_place_that_is_granted_to_one_who_is_cancelled_goes_to_the_next() -> None:
    limit = RateLimit(requests=1, window=3600, reserve=0)
    assert limit.admit(urgent=True, now=time_now())
    first = asyncio.create_task(limit.wait(place(), urgent=True, until=None))
    second = asyncio.create_task(limit.wait(place(), urgent=True, until=None))
    await asyncio.sleep(0)
    limit.leave(urgent=True, now=time_now(), counted=False)
    limit.serve()
    first.cancel()
    assert await second
    with pytest.raises(asyncio.CancelledError):
        await first


async def test_a_cancelled_waiter_leaves_the_queue() -> None:
    limit = RateLimit(requests=1, window=3600, reserve=0)
    assert limit.admit(urgent=True, now=time_now())
    first = asyncio.create_task(limit.wait(place(), urgent=True, until=None))
    second = asyncio.create_task(limit.wait(place(), urgent=True, until=None))
    await asyncio.sleep(0)
    first.cancel()
    limit.leave(urgent=True, now=time_now(), counted=False)
    limit.serve()
    assert await second
    with pytest.raises(asyncio.CancelledError):
        await first


async def test_a_request_that_the_limit_holds_past_the_deadline_is_not_sent(
    fake_exchange: FakeExchange,
) -> None:
    game = fake_exchange.add_game()
    async with AsyncSession(
        fake_exchange.token,
        base_url=fake_exchange.url,
        timeout=0.5 * SECOND,
        rate_limit=RateLimit(requests=1, window=3600, reserve=0),
    ) as session:
        await session.cancel_all_orders_for_game(game.game_id)
        with pytest.raises(NotSentError, match="the rate limit left no place"):
            await session.cancel_all_orders_for_game(game.game_id)
    assert fake_exchange.received() == 1


async def test_sessions_can_share_one_limit(fake_exchange: FakeExchange) -> None:
    shared = RateLimit(requests=2, window=3600, reserve=0)
    game = fake_exchange.add_game()
    sent = 0
    for _ in range(3):
        async with AsyncSession(
            fake_exchange.token, base_url=fake_exchange.url, timeout=0.5 * SECOND, rate_limit=shared
        ) as session:
            report = await session.cancel_all_orders_for_games(
                [game.game_id], deadline=0.5 * SECOND
            )
            sent += len(report.confirmed)
    assert sent == fake_exchange.received() == 2


async def test_a_429_holds_back_the_whole_session_and_what_was_answered_stands(
    fake_exchange: FakeExchange,
) -> None:
    games = [fake_exchange.add_game(orders=1).game_id for _ in range(6)]
    fake_exchange.inject(faults.TooManyRequests("3600"), game_id=games[2])
    async with AsyncSession(
        fake_exchange.token, base_url=fake_exchange.url, max_connections=1, retry=QUICK
    ) as session:
        report = await session.cancel_all_orders_for_games(games, deadline=5 * SECOND)
    assert [outcome.game_id for outcome in report.confirmed] == games[:2]
    assert [outcome.game_id for outcome in report.refused] == [games[2]]
    assert [outcome.game_id for outcome in report.not_sent] == games[3:]
    assert isinstance(report.refused[0].error, RateLimitedError)
    assert fake_exchange.received() == 3


async def test_after_the_time_that_a_429_names_everything_goes_on(
    fake_exchange: FakeExchange,
) -> None:
    games = [fake_exchange.add_game(orders=1).game_id for _ in range(6)]
    fake_exchange.inject(faults.TooManyRequests("1"), game_id=games[2])
    policy = RetryPolicy(retry_after_cap=0.02)
    async with AsyncSession(
        fake_exchange.token, base_url=fake_exchange.url, max_connections=1, retry=policy
    ) as session:
        report = await session.cancel_all_orders_for_games(games)
    assert report.ok
    assert [outcome.attempts for outcome in report.outcomes] == [1, 1, 2, 1, 1, 1]


@pytest.mark.virtual_time
@pytest.mark.parametrize("named", ["0", "soon"])
async def test_a_429_that_names_no_pause_worth_the_name_does_not_switch_the_backoff_off(
    fake_exchange: FakeExchange, named: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(RetryPolicy, "backoff", lambda *_: 1.0)
    games = [fake_exchange.add_game().game_id for _ in range(10)]
    fake_exchange.inject(faults.TooManyRequests(named), times=None)
    async with AsyncSession(fake_exchange.token, base_url=fake_exchange.url) as session:
        await session.cancel_all_orders_for_games(games, deadline=4.5)
    assert fake_exchange.received("cancelAllOrdersForGame") <= 5 * len(games)


@pytest.mark.virtual_time
async def test_a_503_that_names_a_pause_is_asked_again_after_it(
    fake_exchange: FakeExchange,
) -> None:
    game = fake_exchange.add_game(orders=1).game_id
    fake_exchange.inject(faults.Unavailable(retry_after="7"), game_id=game)
    clock = asyncio.get_running_loop().time
    async with AsyncSession(fake_exchange.token, base_url=fake_exchange.url) as session:
        started = clock()
        assert len(await session.cancel_all_orders_for_game(game)) == 1
    assert clock() - started >= 7


async def test_a_503_that_names_a_pause_past_the_deadline_ends_the_request_and_holds_back_no_other(
    fake_exchange: FakeExchange,
) -> None:
    games = [fake_exchange.add_game(orders=1).game_id for _ in range(2)]
    fake_exchange.inject(faults.Unavailable(retry_after="50"), game_id=games[0], times=None)
    async with AsyncSession(fake_exchange.token, base_url=fake_exchange.url) as session:
        report = await session.cancel_all_orders_for_games(games, deadline=5 * SECOND)
    assert [outcome.attempts for outcome in report.outcomes] == [1, 1]
    assert [outcome.game_id for outcome in report.confirmed] == games[1:]
