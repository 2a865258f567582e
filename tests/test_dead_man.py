"""The dead-man switch: what it says is true by the clock, and nothing starves it."""

import asyncio
import logging
import math
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

import pytest
from attrs import frozen
from hypothesis import example, given, settings
from hypothesis import strategies as st
from support import QUICK, block, until

from fourcasters_async import (
    AsyncSession,
    DeadManState,
    DeadManSwitch,
    FourcastersError,
    InvalidRequestError,
    NotSentError,
    OutcomeUnknownError,
    RateLimit,
    RetryPolicy,
    SessionClosedError,
)
from fourcasters_async.dead_man import (
    Beat,
    beat_interval,
    beats_in,
    next_beat,
    on_schedule,
    seconds_awake_or_asleep,
    state_at,
    time_in_force,
)
from fourcasters_async.testing import FakeExchange, faults

# Times that add up without rounding.
EXACT = st.integers(0, 10_000).map(lambda quarters: quarters / 4)
ARMED, LATE, LAPSED = DeadManState.ARMED, DeadManState.LATE, DeadManState.LAPSED


@pytest.mark.parametrize(
    ("since", "state"),
    [(0, ARMED), (2.5, ARMED), (4.9, ARMED), (5, LATE), (9.9, LATE), (10, LAPSED), (1e9, LAPSED)],
)
def test_the_state_follows_from_the_time_since_the_last_acknowledged_beat(
    since: float, state: DeadManState
) -> None:
    assert state_at(since, 10) is state


@given(st.integers(6, 10_000), st.floats(0, 1))
def test_two_beats_can_be_missed_and_a_third_still_comes_in_time(
    timeout: int, share: float
) -> None:
    interval = timeout / 4
    beats = [next_beat(0.0, missed * interval, interval) for missed in range(3)]
    assert beats[2] + share * interval <= timeout


@given(EXACT, EXACT, EXACT.filter(bool))
def test_after_a_gap_there_is_one_beat_and_no_burst(
    last: float, gap: float, interval: float
) -> None:
    due = next_beat(last, last, interval)
    now = due + gap
    sent = on_schedule(now, due, interval)
    following = next_beat(now, sent, interval)
    assert now <= following <= now + interval
    assert gap < interval or following == now + interval


@pytest.mark.parametrize(
    ("before", "acknowledged", "in_force"),
    [
        (8, 8, 8),
        (8, 1, 1),
        (8, 30, 8),
        (8, 0.5, 0.5),
        (1, 8, 8),
        (8, None, 8),
        (1, None, 1),
        (8, 0, 0),
        (8, -1, 0),
        (8, math.nan, 0),
        (0, None, 0),
        (0, 8, 8),
    ],
)
def test_the_shorter_of_the_times_that_were_asked_and_acknowledged_counts(
    before: float, acknowledged: float | None, in_force: float
) -> None:
    assert time_in_force(8, before, acknowledged) == in_force


@pytest.mark.parametrize(("timeout", "interval"), [(8, 2), (1, 0.25), (0.01, 0.25), (0, 2)])
def test_beats_come_every_quarter_of_the_time_that_counts_and_are_no_flood(
    timeout: float, interval: float
) -> None:
    assert beat_interval(8, timeout) == interval


class Rig:
    """A switch on a clock that the test moves, and an exchange that is told what to do."""

    def __init__(self) -> None:
        self.now = 1000.0
        self.beats: list[float] = []
        self.limits: set[float] = set()
        self.acknowledges: float | None = None
        self.blocks: dict[DeadManState, float] = {}
        self.fails: BaseException | None = None
        self.stalls: asyncio.Event | None = None
        self.closed = 0
        self.seen: list[DeadManState] = []
        self.switch = DeadManSwitch(
            self.connect,
            timeout=8,
            on_change=self.see,
            clock=lambda: self.now,
        )

    def see(self, state: DeadManState) -> None:
        self.seen.append(state)
        self.now += self.blocks.get(state, 0.0)

    async def beat(self, within: float) -> float | None:
        self.limits.add(within)
        self.beats.append(self.now)
        fails = self.fails
        if self.stalls is not None:
            await self.stalls.wait()
        if fails is not None:
            raise fails
        return self.acknowledges

    @asynccontextmanager
    async def connect(self) -> AsyncIterator[Beat]:
        try:
            yield self.beat
        finally:
            self.closed += 1

    async def pass_time(self, seconds: float, step: float = 0.5) -> None:
        """Move the clock on, and let the switch look at it at each step."""
        await self.turn()
        for _ in range(int(seconds / step)):
            self.now += step
            await self.turn()

    async def turn(self) -> None:
        for _ in range(10):
            await asyncio.sleep(0)


@pytest.fixture
def rig(monkeypatch: pytest.MonkeyPatch) -> Rig:
    rig = Rig()

    async def no_time(_: float) -> None:
        before = rig.now
        await until(lambda: rig.now != before)

    async def wait(tasks: list["asyncio.Future[object]"], timeout: float | None = None) -> None:
        before = rig.now
        await until(
            lambda: (
                all(task.done() for task in tasks) or (timeout is not None and rig.now != before)
            )
        )

    real = asyncio.sleep

    async def sleep(seconds: float) -> None:
        await (real(0) if seconds == 0 else no_time(seconds))

    monkeypatch.setattr("fourcasters_async.dead_man.asyncio.sleep", sleep)
    monkeypatch.setattr("fourcasters_async.dead_man.asyncio.wait", wait)
    return rig


async def test_it_beats_every_quarter_of_the_time(rig: Rig) -> None:
    async with rig.switch as switch:
        await rig.pass_time(8)
        assert switch.state is ARMED
    assert rig.beats == [1000.0, 1002.0, 1004.0, 1006.0, 1008.0]
    assert rig.limits == {2.0}
    assert rig.seen == [ARMED]


async def test_it_is_late_and_then_lapsed_while_the_exchange_fails(rig: Rig) -> None:
    async with rig.switch as switch:
        rig.fails = NotSentError("away")
        await rig.pass_time(9)
        assert switch.state is LAPSED
        assert switch.last_error is rig.fails
        rig.fails = None
        await rig.pass_time(3)
        assert switch.state is ARMED
        assert switch.last_error is None
    assert rig.seen == [ARMED, LATE, LAPSED, ARMED]


@pytest.mark.parametrize("foreign", [ValueError("token"), asyncio.CancelledError()], ids=repr)
async def test_a_beat_that_fails_with_a_foreign_exception_has_an_error(
    rig: Rig, foreign: BaseException
) -> None:
    async with rig.switch as switch:
        rig.fails = foreign
        await rig.pass_time(2)
        assert isinstance(switch.last_error, OutcomeUnknownError)
        assert str(switch.last_error) == f"a beat failed: {type(foreign).__name__}"


async def cancel_all_others() -> None:
    for task in asyncio.all_tasks() - {asyncio.current_task()}:
        task.cancel()
    await asyncio.sleep(0)


@pytest.mark.parametrize("seconds", [0.0, 3.0])
async def test_a_program_that_cancels_all_of_its_tasks_goes_on_beating(
    rig: Rig, seconds: float
) -> None:
    async with rig.switch as switch:
        if seconds:
            await rig.pass_time(seconds)
        await cancel_all_others()
        await rig.pass_time(8 - seconds)
        assert switch.state is ARMED
    assert rig.beats == [1000.0, 1002.0, 1004.0, 1006.0, 1008.0]


async def test_a_beat_that_somebody_cancels_in_flight_is_sent_again(rig: Rig) -> None:
    async with rig.switch as switch:
        rig.stalls = asyncio.Event()
        await rig.pass_time(3)
        rig.stalls = None
        await cancel_all_others()
        await rig.turn()
        assert switch.state is ARMED
        assert switch.acknowledged_at is not None
    assert rig.beats == [1000.0, 1002.0, 1003.0]


@pytest.mark.parametrize("turns", range(5))
async def test_nothing_beats_after_a_program_cancels_all_of_its_tasks_and_leaves(
    rig: Rig, turns: int
) -> None:
    async with rig.switch:
        await cancel_all_others()
        for _ in range(turns):
            await asyncio.sleep(0)
    await rig.pass_time(8)
    assert rig.beats == [1000.0]


async def test_it_is_late_and_then_lapsed_while_the_exchange_stalls(rig: Rig) -> None:
    async with rig.switch as switch:
        rig.stalls = asyncio.Event()
        await rig.pass_time(9)
        assert switch.state is LAPSED
        assert rig.seen == [ARMED, LATE, LAPSED]


async def test_an_answer_that_comes_after_the_time_arms_nothing(rig: Rig) -> None:
    async with rig.switch as switch:
        rig.stalls = asyncio.Event()
        await rig.pass_time(10.5)
        rig.fails = NotSentError("away")
        rig.stalls.set()
        await rig.turn()
        assert switch.state is LAPSED


async def test_a_process_that_was_stopped_knows_it_at_once_and_beats_once(rig: Rig) -> None:
    async with rig.switch as switch:
        await rig.turn()
        rig.now += 100
        # Nothing of the loop has run since.
        assert switch.state is LAPSED
        await rig.turn()
        assert switch.state is ARMED
        assert rig.beats == [1000.0, 1100.0]
        await rig.pass_time(2)
        assert rig.beats == [1000.0, 1100.0, 1102.0]
    assert rig.seen == [ARMED, LAPSED, ARMED]


async def test_a_lapse_during_a_callback_that_blocks_is_told(rig: Rig) -> None:
    async with rig.switch:
        rig.fails = NotSentError("away")
        rig.blocks[LATE] = 10.0
        await rig.pass_time(3.5)
        rig.fails = None
        await rig.pass_time(0.5)
    assert rig.seen == [ARMED, LATE, LAPSED, ARMED]


async def test_beats_that_come_too_late_to_the_wire_are_told_as_a_lapse(rig: Rig) -> None:
    async with rig.switch:
        await rig.pass_time(1.5)
        # The next beat is sent exactly when the time has run out since the one before it.
        rig.now += 6.5
        await rig.turn()
    assert rig.beats == [1000.0, 1008.0]
    assert rig.seen == [ARMED, LAPSED, ARMED]


async def test_a_shorter_time_that_was_acknowledged_counts_from_the_first_beat_on(
    rig: Rig,
) -> None:
    rig.acknowledges = 4.0
    async with rig.switch as switch:
        assert switch.timeout == 4.0
        await rig.pass_time(2)
        assert rig.beats == [1000.0, 1001.0, 1002.0]
        rig.fails = NotSentError("away")
        rig.now += 1.9
        assert switch.state is ARMED
        rig.now += 0.1
        assert switch.state is LATE
        rig.now += 2
        assert switch.state is LAPSED


async def test_the_time_that_counts_is_that_of_the_last_acknowledgement_that_names_one(
    rig: Rig,
) -> None:
    rig.acknowledges = 4.0
    async with rig.switch as switch:
        rig.acknowledges = None
        await rig.pass_time(1)
        assert switch.timeout == 4.0
        rig.acknowledges = 30.0
        await rig.pass_time(1)
        assert switch.timeout == 8.0
        await rig.pass_time(4)
    assert rig.beats == [1000.0, 1001.0, 1002.0, 1004.0, 1006.0]
    assert rig.seen == [ARMED]


@pytest.mark.parametrize("seconds", [0.0, -1.0, math.nan])
async def test_an_acknowledged_time_that_is_up_already_cannot_be_entered(
    rig: Rig, seconds: float
) -> None:
    rig.acknowledges = seconds
    with pytest.raises(OutcomeUnknownError, match="nothing is armed"):
        async with rig.switch:
            pass
    assert rig.closed == 1


async def test_an_acknowledged_time_that_is_up_already_is_a_lapse_at_once(rig: Rig) -> None:
    async with rig.switch as switch:
        rig.acknowledges = 0.0
        await rig.pass_time(2)
        assert switch.state is LAPSED
        assert isinstance(switch.last_error, OutcomeUnknownError)
        rig.acknowledges = 8.0
        await rig.pass_time(2)
        assert switch.state is ARMED
    assert rig.beats == [1000.0, 1002.0, 1004.0]
    assert rig.seen == [ARMED, LAPSED, ARMED]


async def test_an_operator_is_warned_once_when_it_is_late_and_once_when_it_lapsed(
    rig: Rig, caplog: pytest.LogCaptureFixture
) -> None:
    async with rig.switch:
        rig.fails = NotSentError("away")
        await rig.pass_time(12)
    (late, lapsed) = caplog.records
    assert {record.name for record in caplog.records} == {"fourcasters_async"}
    assert (late.levelno, lapsed.levelno) == (logging.WARNING, logging.ERROR)
    assert "is late: the last acknowledged beat was sent 4.0 s ago" in late.getMessage()
    assert "after 8 s; the error of the last beat: away" in lapsed.getMessage()


async def test_nothing_is_logged_of_a_switch_that_is_armed(
    rig: Rig, caplog: pytest.LogCaptureFixture
) -> None:
    async with rig.switch:
        await rig.pass_time(8)
    assert not caplog.records


async def test_the_time_of_the_last_acknowledged_beat_can_be_read(rig: Rig) -> None:
    assert rig.switch.acknowledged_at is None
    async with rig.switch as switch:
        first = switch.acknowledged_at
        assert first is not None
        assert first.tzinfo is not None


async def test_before_it_is_entered_nothing_is_armed(rig: Rig) -> None:
    assert rig.switch.state is LAPSED


async def test_a_first_beat_that_fails_raises_and_leaves_nothing(rig: Rig) -> None:
    rig.fails = NotSentError("away")
    with pytest.raises(NotSentError):
        async with rig.switch:
            pass
    assert rig.closed == 1


async def test_a_callback_that_fails_does_not_stop_the_beats(
    rig: Rig, caplog: pytest.LogCaptureFixture
) -> None:
    def fail(_: DeadManState) -> None:
        raise ZeroDivisionError

    rig.switch._on_change = fail
    async with rig.switch as switch:
        await rig.pass_time(4)
        assert switch.state is ARMED
    assert [record.levelno for record in caplog.records] == [logging.ERROR]


def test_the_clock_goes_on_while_the_machine_sleeps_and_nobody_sets_it() -> None:
    assert seconds_awake_or_asleep() <= seconds_awake_or_asleep()


@pytest.mark.parametrize("timeout", [5, 0, -1, 6.5, True, "30"])
async def test_a_time_that_the_exchange_would_refuse_is_refused(
    session: AsyncSession, timeout: int
) -> None:
    with pytest.raises(InvalidRequestError, match=r"^timeout: "):
        session.dead_man_switch(timeout)


async def test_a_rate_limit_without_a_share_to_spare_is_refused(
    fake_exchange: FakeExchange,
) -> None:
    async with AsyncSession(
        fake_exchange.token, base_url=fake_exchange.url, rate_limit=RateLimit(requests=5)
    ) as session:
        with pytest.raises(InvalidRequestError, match=r"^rate_limit: "):
            async with session.dead_man_switch(30):
                pass
    assert not fake_exchange.requests


async def test_leaving_the_block_does_not_disarm_it_and_the_exchange_cancels_everything(
    fake_exchange: FakeExchange, session: AsyncSession
) -> None:
    fake_exchange.add_game(orders=3)
    async with session.dead_man_switch(30) as switch:
        assert switch.state is ARMED
        fake_exchange.move_clock(29)
        assert len(fake_exchange.open_orders()) == 3
    fake_exchange.move_clock(2)
    assert not fake_exchange.open_orders()


@pytest.mark.parametrize(
    "fault",
    [
        faults.Unavailable(),
        faults.Html(),
        faults.Unauthorized(),
        faults.Respond(b"OK"),
        faults.Respond(b'{"data": {'),
        faults.Respond(b'{"data": {"error": "Failed to process heartbeat"}}'),
        faults.Respond(b'{"data": {"type": "error", "message": "Unauthorized"}}'),
        faults.Respond(b'{"type": "error", "data": {"timeoutSec": 30}}'),
        faults.Respond(b'{"type": "error"}'),
        faults.Respond(b'{"data": {"success": false}}'),
        faults.Respond(b'{"data": {"success": 0}}'),
        faults.Respond(b'{"data": {"success": "true"}}'),
        faults.Respond(b'{"success": false}'),
        faults.Respond(b'{"error": {"message": "no", "code": 400}}'),
        faults.Respond(b'{"data": {"error": {"message": "no", "code": 400}}}'),
        faults.Respond(b'{"error": "heartbeats are disabled"}'),
        faults.Respond(b'{"data": {"type": "heartbeatAck", "timeoutSec": 0}}'),
        faults.Respond(b'{"data": {"type": "heartbeatAck", "timeoutSec": -1}}'),
        faults.Respond(b'{"timeoutSec": 0, "data": {"type": "heartbeatAck", "timeoutSec": 6}}'),
    ],
    ids=repr,
)
async def test_what_is_no_acknowledgement_arms_nothing(
    fake_exchange: FakeExchange, session: AsyncSession, fault: faults.Fault
) -> None:
    fake_exchange.inject(fault, endpoint="ordersHeartbeat", times=None)
    with pytest.raises(FourcastersError):
        async with session.dead_man_switch(6):
            pass


async def test_no_flood_and_no_429_elsewhere_holds_up_a_beat(
    fake_exchange: FakeExchange,
) -> None:
    games = [fake_exchange.add_game().game_id for _ in range(50)]
    fake_exchange.inject(faults.Stall(), endpoint="cancelAllOrdersForGame", times=4)
    fake_exchange.inject(
        faults.TooManyRequests("3600"), endpoint="cancelAllOrdersForGame", times=None
    )
    limit = RateLimit(requests=20, window=3600, reserve=1)
    async with AsyncSession(
        fake_exchange.token,
        base_url=fake_exchange.url,
        max_connections=5,
        rate_limit=limit,
        retry=RetryPolicy(attempt_timeout=3600),
    ) as session:
        flood = asyncio.create_task(session.cancel_all_orders_for_games(games, deadline=3600))
        await until(lambda: fake_exchange.received("cancelAllOrdersForGame") >= 5)
        async with asyncio.timeout(5), session.dead_man_switch(3600) as switch:
            assert switch.state is ARMED
        flood.cancel()
        await asyncio.wait([flood])


async def test_closing_the_session_stops_the_beats_and_says_so(
    fake_exchange: FakeExchange,
) -> None:
    session = AsyncSession(fake_exchange.token, base_url=fake_exchange.url, retry=QUICK)
    async with session.dead_man_switch(30) as switch:
        await session.close()
        assert switch._beat is not None
        with pytest.raises(SessionClosedError):
            await switch._beat(1.0)


async def test_the_share_of_the_rate_limit_is_given_back(fake_exchange: FakeExchange) -> None:
    limit = RateLimit(requests=200, window=600, reserve=0)
    async with AsyncSession(
        fake_exchange.token, base_url=fake_exchange.url, rate_limit=limit
    ) as session:
        async with session.dead_man_switch(60):
            assert limit._limit == 200 - beats_in(600, 60)
        # The one beat that was sent still counts at the exchange.
        assert (
            sum(limit.admit(urgent=True, now=asyncio.get_running_loop().time()) for _ in range(250))
            == 199
        )


async def test_a_switch_is_entered_once(rig: Rig) -> None:
    async with rig.switch:
        with pytest.raises(InvalidRequestError):
            async with rig.switch:
                pass


async def test_a_429_does_not_stop_the_heart(fake_exchange: FakeExchange) -> None:
    async with (
        AsyncSession(fake_exchange.token, base_url=fake_exchange.url) as session,
        session.dead_man_switch(6) as switch,
    ):
        fake_exchange.inject(faults.TooManyRequests("30"), endpoint="ordersHeartbeat")
        assert switch._beat is not None
        await switch._beat(1.5)
    assert fake_exchange.received("ordersHeartbeat") == 3


@pytest.mark.parametrize(
    "body",
    [
        b'{"data": {"type": "heartbeatAck", "serverTime": 1, "timeoutSec": 30}}',
        b'{"type": "heartbeatAck"}',
        b'{"data": {"timeoutSec": 30}}',
        b'{"data": {"success": true}}',
        b'{"data": {"type": "heartbeatAck", "timeoutSec": "soon", "serverTime": []}}',
        b'{"data": {"type": "heartbeatAck", "timeoutSec": true}}',
        b'{"error": "", "data": {"error": null}}',
        b"",
        b" \n",
        b"null",
        b"{}",
        b"[]",
        b'"ok"',
        b'{"data": null}',
        b'{"data": {}}',
        b'{"data": []}',
        b'{"data": "ok"}',
    ],
)
async def test_any_200_without_an_error_acknowledges_a_beat(
    fake_exchange: FakeExchange, session: AsyncSession, body: bytes
) -> None:
    fake_exchange.inject(faults.Respond(body), endpoint="ordersHeartbeat")
    async with session.dead_man_switch(30) as switch:
        assert switch.state is ARMED
    assert fake_exchange.received("ordersHeartbeat") == 1


async def test_switches_that_were_never_entered_hold_no_share(
    fake_exchange: FakeExchange,
) -> None:
    limit = RateLimit(requests=100)
    async with AsyncSession(
        fake_exchange.token, base_url=fake_exchange.url, rate_limit=limit
    ) as session:
        for _ in range(20):
            session.dead_man_switch(30)
        assert limit._limit == 100


def acknowledging(seconds: object) -> faults.Respond:
    return faults.Respond(
        f'{{"data": {{"type": "heartbeatAck", "timeoutSec": {seconds}}}}}'.encode()
    )


@pytest.mark.virtual_time
async def test_a_shorter_time_that_the_exchange_acknowledges_over_rest_counts(
    fake_exchange: FakeExchange, session: AsyncSession
) -> None:
    fake_exchange.inject(acknowledging('"1"'), endpoint="ordersHeartbeat")
    async with session.dead_man_switch(8) as switch:
        fake_exchange.inject(faults.Stall(), endpoint="ordersHeartbeat", times=None)
        assert switch.timeout == 1.0
        block(1.0)
        assert switch.state is LAPSED


@pytest.mark.virtual_time
async def test_a_shorter_time_that_the_exchange_acknowledges_over_the_socket_counts(
    fake_exchange: FakeExchange, session: AsyncSession
) -> None:
    fake_exchange.inject(acknowledging(1), endpoint="heartbeat", times=2)
    async with session.orders_socket() as orders:
        assert await orders.heartbeat(8) == 1.0
        async with orders.dead_man_switch(8) as switch:
            fake_exchange.inject(faults.Stall(), endpoint="heartbeat", times=None)
            assert switch.timeout == 1.0
            block(1.0)
            assert switch.state is LAPSED


@pytest.mark.virtual_time
async def test_beats_that_become_more_frequent_have_room_in_the_rate_limit(
    fake_exchange: FakeExchange,
) -> None:
    fake_exchange.inject(acknowledging(8), endpoint="ordersHeartbeat", times=None)
    limit = RateLimit(requests=1000, reserve=1)
    async with AsyncSession(
        fake_exchange.token, base_url=fake_exchange.url, rate_limit=limit
    ) as session:
        seen: list[DeadManState] = []
        async with session.dead_man_switch(3600, on_change=seen.append):
            # The rest is used up.
            while limit.admit(urgent=True, now=asyncio.get_running_loop().time()):
                pass
            await until(lambda: fake_exchange.received("ordersHeartbeat") >= 12)
        assert seen == [ARMED]
        assert limit._limit == 1000


@pytest.mark.virtual_time
async def test_beats_that_have_no_room_in_the_rate_limit_are_warned_of(
    fake_exchange: FakeExchange, caplog: pytest.LogCaptureFixture
) -> None:
    fake_exchange.inject(acknowledging(8), endpoint="ordersHeartbeat", times=None)
    async with (
        AsyncSession(
            fake_exchange.token,
            base_url=fake_exchange.url,
            rate_limit=RateLimit(requests=20, reserve=1),
        ) as session,
        session.dead_man_switch(3600),
    ):
        await until(lambda: fake_exchange.received("ordersHeartbeat") >= 2)
    (warning,) = caplog.records
    assert warning.levelno == logging.WARNING
    assert "may hold heartbeats back" in warning.getMessage()


@frozen
class Scripted:
    """What becomes of one beat: seconds until its answer and of a blocked loop, and the answer."""

    takes: float = 0.02
    blocks: float = 0.0
    acknowledges: float | None = None
    fails: bool = False


class Told:
    """An exchange that follows a script, and all that is known of the switch, kept beside it."""

    def __init__(self, script: Sequence[Scripted], callback_blocks: Sequence[float]) -> None:
        self.script = iter(script)
        self.callback_blocks = iter(callback_blocks)
        self.sent = -math.inf
        self.in_force = 8.0
        self.before = LAPSED
        self.lapsed = False
        self.told: list[DeadManState] = []
        self.false: list[str] = []

    @property
    def now(self) -> float:
        return asyncio.get_running_loop().time()

    @property
    def state(self) -> DeadManState:
        return state_at(self.now - self.sent, self.in_force)

    async def beat(self, within: float) -> float | None:
        sent, scripted = self.now, next(self.script, Scripted())
        await asyncio.sleep(min(within, scripted.takes))
        block(scripted.blocks)
        if scripted.fails or scripted.takes > within:
            raise NotSentError("away")
        self.before = self.state
        self.lapsed = self.lapsed or sent - self.sent >= self.in_force
        self.sent = sent
        self.in_force = time_in_force(8, self.in_force, scripted.acknowledges)
        return scripted.acknowledges

    @asynccontextmanager
    async def connect(self) -> AsyncIterator[Beat]:
        yield self.beat

    def see(self, state: DeadManState) -> None:
        # What a callback raises is only logged, so that the test looks at it afterwards.
        if state not in (self.state, self.before):
            self.false.append(f"{state} was told, but it was {self.state}")
        if state is ARMED:
            if self.state is not ARMED:
                self.false.append(f"armed was told, but it was {self.state}")
            if self.lapsed and self.told and LAPSED not in self.told[-2:]:
                self.false.append("a lapse was not told")
            self.lapsed = False
        if self.told[-1:] == [state]:
            self.false.append(f"{state} was told twice")
        self.told.append(state)
        block(next(self.callback_blocks, 0.0))


SCRIPTS = st.lists(
    st.builds(
        Scripted,
        takes=st.sampled_from([0.02, 0.2, 1.5, 3.0]),
        blocks=st.sampled_from([0.0, 0.0, 0.0, 1.0, 5.0, 9.0]),
        acknowledges=st.sampled_from([None, 8.0, 3.0, 1.0, 30.0, 0.0, -1.0]),
        fails=st.booleans(),
    ),
    max_size=12,
)


@settings(max_examples=60, deadline=None, derandomize=True)
@given(SCRIPTS, st.lists(st.sampled_from([0.0, 2.0, 9.0]), max_size=8))
@example([Scripted(fails=True)], [0.0, 9.0])
@example([Scripted(takes=1.5, blocks=9.0)], [])
@pytest.mark.virtual_time
async def test_whatever_happens_what_is_told_is_a_path_of_what_the_clock_says(
    script: list[Scripted], callback_blocks: list[float]
) -> None:
    known = Told([Scripted(), *script], callback_blocks)
    async with DeadManSwitch(known.connect, timeout=8, on_change=known.see) as switch:
        ends = known.now + 30
        while known.now < ends:
            await asyncio.sleep(0.3)
            assert switch.state is known.state
    assert not known.false
