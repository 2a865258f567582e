"""Every fault, for one game among many: what is said of it, and that the others are untouched."""

import asyncio
import logging
from collections.abc import Callable
from contextlib import AsyncExitStack
from itertools import product

import aiohttp
import pytest
from aiohttp import web
from attrs import field, frozen
from support import (
    CANARY,
    ECHOES,
    QUICK,
    REST,
    SECOND,
    SOCKET,
    Transport,
    everything_shown_of,
)

from fourcasters_async import (
    AsyncSession,
    CancelReport,
    FourcastersError,
    GameOutcome,
    InvalidRequestError,
    NotSentError,
    OutcomeStatus,
    OutcomeUnknownError,
    RetryPolicy,
)
from fourcasters_async.testing import FakeExchange, faults

CONFIRMED, UNKNOWN, REFUSED = (
    OutcomeStatus.CONFIRMED,
    OutcomeStatus.UNKNOWN,
    OutcomeStatus.REFUSED,
)
TRIES = QUICK.max_attempts or 0
ELSEWHERE = "https://elsewhere.example/session/cancelAllOrdersForGame"


@frozen
class Row:
    """A fault; whether one of it leaves `results` incomplete; the end if it strikes for ever.

    One that takes the whole connection along touches all that is on it.
    """

    fault: faults.Fault
    complete: bool = False
    for_ever: OutcomeStatus = UNKNOWN
    tries: int = TRIES
    alone: bool = True


ON_BOTH = [
    Row(faults.Stall()),
    Row(faults.Stall(committed=True)),
    Row(faults.Unavailable()),
    Row(faults.Unavailable(object_form=False)),
    Row(faults.Unavailable(committed=True)),
    Row(faults.Unavailable(committed=True, object_form=False)),
    Row(faults.TooManyRequests("0"), complete=True, for_ever=REFUSED),
    Row(faults.TooManyRequests(None), complete=True, for_ever=REFUSED),
    Row(faults.TooManyRequests("nonsense"), complete=True, for_ever=REFUSED),
    Row(faults.Respond(b'{"data": null}')),
    Row(faults.Respond(b'{"data": [{"success": "true"}]}')),
]
TAKES_THE_CONNECTION = [
    faults.Close(),
    faults.Close(committed=True),
    faults.Reset(),
    faults.Reset(committed=True),
    faults.Truncate(),
]
TOO_LARGE = faults.Oversized(size=2**20)
OVER_REST = [
    *ON_BOTH,
    *[Row(fault) for fault in TAKES_THE_CONNECTION],
    Row(faults.StallBody()),
    Row(faults.DripBody(pause=1.0)),
    Row(faults.Garbage()),
    Row(faults.WrongLength()),
    Row(faults.Html(status=200)),
    Row(faults.Html(status=502)),
    Row(faults.Redirect(ELSEWHERE)),
    Row(faults.Redirect(ELSEWHERE, status=301)),
    Row(faults.Redirect(ELSEWHERE, status=303)),
    Row(faults.Respond(b"")),
]
OVER_THE_SOCKET = [
    *ON_BOTH,
    *[Row(fault, alone=False) for fault in (*TAKES_THE_CONNECTION, TOO_LARGE)],
    Row(faults.CloseCode(), alone=False),
    Row(faults.CloseCode(1000, committed=True), alone=False),
    Row(faults.HalfOpen(), alone=False),
    Row(faults.HalfOpen(committed=True), alone=False),
    # It answers nobody, so the game waits until its time is up.
    Row(faults.Garbage()),
    Row(faults.UnknownID()),
    Row(faults.Respond(b"")),
]
MATRIX = [*product([REST], OVER_REST), *product([SOCKET], OVER_THE_SOCKET)]
every_row = pytest.mark.parametrize(
    ("transport", "row"), MATRIX, ids=[f"{transport}-{row.fault}" for transport, row in MATRIX]
)
HARMLESS = [
    *product(
        [REST, SOCKET],
        [faults.Slow(0.3 * SECOND), faults.Duplicate(), faults.Duplicate(pause=0.1 * SECOND)],
    ),
    *product([SOCKET], [faults.Wrapped(), faults.Held(3)]),
]


@pytest.fixture(autouse=True)
def smaller_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("fourcasters_async._http.pool.limit_of", lambda _: 2**19)
    monkeypatch.setattr("fourcasters_async._websocket.handshake._FRAME_LIMIT", 2**19)


async def cancel_with(
    exchange: FakeExchange,
    transport: Transport,
    fault: faults.Fault,
    times: int | None,
) -> tuple[CancelReport, GameOutcome]:
    games = [exchange.add_game(orders=2).game_id for _ in range(12)]
    struck = games[5]
    exchange.inject(fault, game_id=struck, times=times)
    async with (
        AsyncSession(
            exchange.token,
            base_url=exchange.url,
            orders_url=exchange.orders_url,
            retry=QUICK,
            max_connections=4,
        ) as session,
        transport.open(session) as orders,
    ):
        report = await orders.cancel_all_orders_for_games(games)
    (outcome,) = (outcome for outcome in report.outcomes if outcome.game_id == struck)
    return report, outcome


def others(report: CancelReport, struck: GameOutcome) -> set[tuple[OutcomeStatus, int, bool, int]]:
    return {
        (outcome.status, outcome.attempts, outcome.complete, len(outcome.results))
        for outcome in report.outcomes
        if outcome is not struck
    }


@every_row
async def test_a_fault_that_passes_is_outlasted(
    fake_exchange: FakeExchange, transport: Transport, row: Row
) -> None:
    report, outcome = await cancel_with(fake_exchange, transport, row.fault, 1)
    assert (outcome.status, outcome.complete, outcome.attempts) == (CONFIRMED, row.complete, 2)
    assert fake_exchange.received(game_id=outcome.game_id) == 2
    assert not fake_exchange.open_orders()
    if row.alone:
        assert others(report, outcome) == {(CONFIRMED, 1, True, 2)}
    else:
        assert {each.status for each in report.outcomes} == {CONFIRMED}


@every_row
async def test_a_fault_that_lasts_is_never_called_cancelled(
    fake_exchange: FakeExchange, transport: Transport, row: Row
) -> None:
    report, outcome = await cancel_with(fake_exchange, transport, row.fault, None)
    assert (outcome.status, outcome.attempts) == (row.for_ever, row.tries)
    assert not outcome.results
    assert fake_exchange.received(game_id=outcome.game_id) == row.tries
    if row.alone:
        assert others(report, outcome) == {(CONFIRMED, 1, True, 2)}
    for confirmed in report.confirmed:
        assert not fake_exchange.open_orders(confirmed.game_id)


@pytest.mark.parametrize(("transport", "fault"), HARMLESS, ids=str)
async def test_a_late_or_doubled_answer_is_an_answer_and_no_other_game_gets_it(
    fake_exchange: FakeExchange, transport: Transport, fault: faults.Fault
) -> None:
    report, outcome = await cancel_with(fake_exchange, transport, fault, times=None)
    assert {o.status for o in report.outcomes} == {CONFIRMED}
    assert (outcome.attempts, len(outcome.results)) == (1, 2)
    for each in report.outcomes:
        assert {result.game_id for result in each.results} == {each.game_id}


async def test_what_a_small_body_can_become_is_bounded(
    fake_exchange: FakeExchange, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.undo()
    fake_exchange.inject(faults.GzipBomb(size=2**27))
    async with AsyncSession(
        fake_exchange.token, base_url=fake_exchange.url, retry=RetryPolicy(max_attempts=1)
    ) as session:
        with pytest.raises(OutcomeUnknownError, match="larger than 4,194,304 bytes"):
            await session.cancel_all_orders_for_game(fake_exchange.add_game().game_id)


@pytest.mark.parametrize("fault", [TOO_LARGE, faults.GzipBomb(size=2**20)], ids=str)
async def test_an_answer_that_is_too_large_is_not_asked_for_again(
    fake_exchange: FakeExchange, fault: faults.Fault
) -> None:
    report, outcome = await cancel_with(fake_exchange, REST, fault, times=None)
    assert (outcome.status, outcome.attempts) == (UNKNOWN, 1)
    assert "not asked for again" in str(outcome.error)
    assert fake_exchange.received(game_id=outcome.game_id) == 1
    assert others(report, outcome) == {(CONFIRMED, 1, True, 2)}


async def test_a_401_is_final_and_is_not_repeated(fake_exchange: FakeExchange) -> None:
    report, outcome = await cancel_with(fake_exchange, REST, faults.Unauthorized(), times=None)
    assert (outcome.status, outcome.attempts) == (REFUSED, 1)
    assert fake_exchange.received(game_id=outcome.game_id) == 1
    assert others(report, outcome) == {(CONFIRMED, 1, True, 2)}


async def test_a_refused_connection_is_provably_not_sent(fake_exchange: FakeExchange) -> None:
    games = [fake_exchange.add_game(orders=1).game_id for _ in range(5)]
    async with AsyncSession(
        fake_exchange.token, base_url=fake_exchange.url, retry=QUICK
    ) as session:
        async with fake_exchange.refusing():
            report = await session.cancel_all_orders_for_games(games)
        assert [outcome.status for outcome in report.outcomes] == [OutcomeStatus.NOT_SENT] * 5
        assert {type(outcome.error) for outcome in report.outcomes} == {NotSentError}
        assert not fake_exchange.requests
        report = await session.cancel_all_orders_for_games(games)
    assert report.ok


async def test_a_server_that_dies_half_way_leaves_what_was_confirmed_confirmed(
    fake_exchange: FakeExchange,
) -> None:
    games = [fake_exchange.add_game(orders=1).game_id for _ in range(6)]
    statuses: dict[str, OutcomeStatus] = {}
    async with AsyncSession(
        fake_exchange.token, base_url=fake_exchange.url, retry=QUICK, max_connections=1
    ) as session:
        first = await session.cancel_all_orders_for_games(games[:3])
        async with fake_exchange.refusing():
            rest = await session.cancel_all_orders_for_games(games[3:])
    for outcome in (*first.outcomes, *rest.outcomes):
        statuses[outcome.game_id] = outcome.status
    still_open = {order.game_id for order in fake_exchange.open_orders()}
    assert {game for game, status in statuses.items() if status is CONFIRMED} == set(games[:3])
    assert still_open == set(games[3:])


async def test_a_connection_that_the_server_closed_while_idle_costs_no_backoff(
    fake_exchange: FakeExchange,
) -> None:
    game = fake_exchange.add_game().game_id
    never = RetryPolicy(backoff_base=3600.0, backoff_cap=3600.0)
    async with AsyncSession(
        fake_exchange.token, base_url=fake_exchange.url, retry=never, timeout=5.0
    ) as session:
        await session.cancel_all_orders_for_game(game)
        fake_exchange.inject(faults.Close())
        assert await session.cancel_all_orders_for_game(game) == []


@frozen
class Stray(faults.Fault):
    """The right answer, and once more when the test says so."""

    now: asyncio.Event = field(factory=asyncio.Event)
    came: asyncio.Event = field(factory=asyncio.Event)

    async def __call__(self, call: faults.Call) -> web.StreamResponse:
        content = call.commit().content()
        head = f"HTTP/1.1 200 OK\r\nContent-Length: {len(content)}\r\n\r\n".encode()
        call.write(head + content)
        await self.now.wait()
        call.write(head + content)
        self.came.set()
        return await call.until_gone()


@pytest.mark.parametrize("borrowed", [False, True])
@pytest.mark.parametrize("verb", ["cancel", "read", "fan-out"])
async def test_a_stray_answer_on_an_idle_connection_is_not_taken_for_the_next_one(
    fake_exchange: FakeExchange, verb: str, *, borrowed: bool
) -> None:
    game = fake_exchange.add_game().game_id
    stray = Stray()
    fake_exchange.inject(stray)
    async with AsyncExitStack() as stack:
        client = await stack.enter_async_context(aiohttp.ClientSession()) if borrowed else None
        session = await stack.enter_async_context(
            AsyncSession(
                fake_exchange.token, base_url=fake_exchange.url, client_session=client, retry=QUICK
            )
        )

        async def ask() -> int:
            if verb == "cancel":
                return len(await session.cancel_all_orders_for_game(game))
            if verb == "read":
                return len(await session.account.get_unmatched())
            return len((await session.cancel_all_orders_for_games([game])).results)

        assert await ask() == 0
        stray.now.set()
        await stray.came.wait()
        fake_exchange.book.place(fake_exchange.account, game)
        assert await ask() == 1


async def test_a_pool_full_of_soiled_connections_costs_no_attempt(
    fake_exchange: FakeExchange,
) -> None:
    games = [fake_exchange.add_game(orders=1).game_id for _ in range(20)]
    stray = Stray()
    fake_exchange.inject(stray, times=20)
    fake_exchange.latency = 0.2 * SECOND
    async with AsyncSession(
        fake_exchange.token, base_url=fake_exchange.url, retry=RetryPolicy(max_attempts=1)
    ) as session:
        assert (await session.cancel_all_orders_for_games(games)).ok
        stray.now.set()
        await stray.came.wait()
        assert await session.cancel_all_orders_for_game(games[0]) == []


SECRETIVE = [
    *[row.fault for row in OVER_REST],
    faults.Unauthorized(),
    *[faults.Respond(body, status) for body in ECHOES for status in (200, 400, 503)],
]


@pytest.mark.parametrize("fault", SECRETIVE, ids=lambda fault: repr(fault)[:60])
async def test_the_token_is_in_nothing_that_a_failure_shows(
    canary: FakeExchange, caplog: pytest.LogCaptureFixture, fault: faults.Fault
) -> None:
    caplog.set_level(logging.DEBUG)
    game = canary.add_game(orders=1).game_id
    canary.inject(fault, times=None)
    shown: list[str] = []
    async with AsyncSession(CANARY, base_url=canary.url, retry=QUICK) as session:
        with pytest.raises(FourcastersError) as single:
            await session.cancel_all_orders_for_game(game)
        with pytest.raises(FourcastersError) as read:
            await session.account.get_unmatched()
        report = await session.cancel_all_orders_for_games([game], verify=True, deadline=3 * SECOND)
        with pytest.raises(FourcastersError) as many:
            report.raise_for_unsettled()
        shown += [repr(session), repr(vars(session)), repr(vars(session._http)), repr(report)]
    for caught in (single, read, many):
        shown += everything_shown_of(caught.value)
    assert CANARY[:12] not in "\n".join([*shown, caplog.text])


async def test_the_token_is_in_nothing_that_a_cancelled_call_shows(canary: FakeExchange) -> None:
    canary.inject(faults.Stall())
    game = canary.add_game().game_id
    async with AsyncSession(CANARY, base_url=canary.url) as session:
        with pytest.raises(TimeoutError) as caught:
            async with asyncio.timeout(0.5 * SECOND):
                await session.cancel_all_orders_for_game(game)
    assert CANARY[:12] not in "\n".join(everything_shown_of(caught.value))


@pytest.mark.parametrize(
    "make",
    [
        lambda: AsyncSession(CANARY + "\n"),
        lambda: AsyncSession(CANARY, timeout=-1),
        lambda: AsyncSession(CANARY, base_url=f"https://user:{CANARY}@api.4casters.io"),
        lambda: AsyncSession(CANARY, base_url=f"https://api.4casters.io/?token={CANARY}"),
        lambda: AsyncSession(CANARY, orders_url=f"wss://{CANARY}:99999"),
        lambda: AsyncSession(CANARY, proxy=f"ftp://proxy/{CANARY}"),
        lambda: AsyncSession(CANARY.encode()),  # type: ignore[arg-type]  # the mistake
        lambda: AsyncSession(username="trader", password=CANARY.encode()),  # type: ignore[arg-type]  # the mistake
        lambda: AsyncSession.from_env(timeout=-1),
    ],
    ids=[
        "token",
        "timeout",
        "base_url",
        "query",
        "port",
        "proxy",
        "bytes",
        "password in bytes",
        "environment",
    ],
)
def test_the_token_is_in_nothing_that_a_refused_argument_shows(
    make: Callable[[], AsyncSession], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FOURCASTERS_TOKEN", CANARY)
    with pytest.raises(InvalidRequestError) as caught:
        make()
    assert CANARY[:12] not in "\n".join(everything_shown_of(caught.value))


async def test_an_unknown_outcome_says_how_often_it_was_tried_and_what_ended_it(
    fake_exchange: FakeExchange, session: AsyncSession
) -> None:
    fake_exchange.inject(faults.Close(), times=None)
    with pytest.raises(OutcomeUnknownError) as caught:
        await session.cancel_all_orders_for_game(fake_exchange.add_game().game_id)
    assert caught.value.attempts == TRIES
    assert str(caught.value.__cause__) == "ServerDisconnectedError: Server disconnected"


@pytest.mark.parametrize("borrowed", [False, True])
async def test_a_read_is_sent_no_more_often_than_it_is_tried(
    fake_exchange: FakeExchange, *, borrowed: bool
) -> None:
    fake_exchange.inject(faults.Close(), times=None)
    async with (
        aiohttp.ClientSession() as client,
        AsyncSession(
            fake_exchange.token,
            base_url=fake_exchange.url,
            client_session=client if borrowed else None,
            retry=RetryPolicy(max_attempts=1),
        ) as session,
    ):
        with pytest.raises(OutcomeUnknownError):
            await session.account.get_unmatched()
    assert fake_exchange.received() == 1


async def test_a_redirect_is_not_followed(fake_exchange: FakeExchange) -> None:
    async with FakeExchange() as elsewhere:
        game = fake_exchange.add_game().game_id
        fake_exchange.inject(faults.Redirect(f"{elsewhere.url}/session/cancelAllOrdersForGame"))
        async with AsyncSession(
            fake_exchange.token, base_url=fake_exchange.url, retry=QUICK
        ) as session:
            await session.cancel_all_orders_for_game(game)
        assert not elsewhere.requests
