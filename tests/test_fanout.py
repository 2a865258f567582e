"""One cancel over many games."""

import asyncio
import logging

import pytest
from support import QUICK, SECOND, Transport

from fourcasters_async import (
    AsyncSession,
    CancelReport,
    GameMarket,
    GameOutcome,
    MarketType,
    NotSentError,
    OrdersNotCancelledError,
    OutcomeStatus,
    OutcomeUnknownError,
    RateLimit,
    UnsettledCancelsError,
)
from fourcasters_async.orders.verbs import Orders
from fourcasters_async.testing import FakeExchange, faults


def games_of(exchange: FakeExchange, count: int, *, orders: int = 1) -> list[str]:
    return [exchange.add_game(orders=orders).game_id for _ in range(count)]


async def test_every_order_on_every_game_goes(fake_exchange: FakeExchange, orders: Orders) -> None:
    games = games_of(fake_exchange, 100, orders=10)
    report = await orders.cancel_all_orders_for_games(games)
    assert report.ok
    assert len(report.results) == 1000
    assert not fake_exchange.open_orders()


@pytest.mark.parametrize("count", [1, 1000, 5000])
async def test_any_number_of_games_is_sent_once_each_over_a_bounded_pool(
    fake_exchange: FakeExchange, count: int
) -> None:
    games = games_of(fake_exchange, count)
    connections = 0

    def watch(_: GameOutcome) -> None:
        nonlocal connections
        server = fake_exchange._runner.server
        connections = max(connections, len(server.connections) if server else 0)

    async with AsyncSession(
        fake_exchange.token,
        base_url=fake_exchange.url,
        max_connections=20,
        rate_limit=RateLimit(requests=10_000),
    ) as session:
        report = await session.cancel_all_orders_for_games(games, on_outcome=watch)
    assert report.ok
    assert [outcome.game_id for outcome in report.outcomes] == games
    assert fake_exchange.received() == count
    assert 1 <= connections <= 20


async def test_outcomes_are_in_input_order_and_duplicates_are_sent_once(
    fake_exchange: FakeExchange, orders: Orders, transport: Transport
) -> None:
    a, b = games_of(fake_exchange, 2, orders=3)
    fake_exchange.inject(faults.Slow(0.2 * SECOND), game_id=a)
    report = await orders.cancel_all_orders_for_games(
        [a, b, GameMarket(a), a, GameMarket(b, "spread"), GameMarket(b, MarketType.SPREAD)]
    )
    assert [outcome.market for outcome in report.outcomes] == [
        GameMarket(a),
        GameMarket(b),
        GameMarket(b, MarketType.SPREAD),
    ]
    assert fake_exchange.received(transport.game) == 3


async def test_the_type_is_for_plain_ids_alone(fake_exchange: FakeExchange, orders: Orders) -> None:
    a, b = games_of(fake_exchange, 2, orders=3)
    report = await orders.cancel_all_orders_for_games([a, GameMarket(b)], type="total")
    assert [len(outcome.results) for outcome in report.outcomes] == [1, 3]


async def test_no_games_is_an_empty_report_and_no_request(
    fake_exchange: FakeExchange, orders: Orders, transport: Transport
) -> None:
    games_of(fake_exchange, 1)
    report = await orders.cancel_all_orders_for_games([], verify=True)
    assert (report.outcomes, report.ok, report.verified_clear) == ((), False, False)
    assert str(report).startswith("0 games: nothing asked")
    assert not fake_exchange.received(transport.game)
    assert len(fake_exchange.open_orders()) == 1


async def test_a_failure_of_one_game_touches_no_other(
    fake_exchange: FakeExchange, orders: Orders
) -> None:
    games = games_of(fake_exchange, 50)
    fake_exchange.inject(faults.Unavailable(), game_id=games[7], times=None)
    unknown_to_the_exchange = "f" * 24
    report = await orders.cancel_all_orders_for_games([*games, unknown_to_the_exchange])
    assert [outcome.game_id for outcome in report.unknown] == [games[7]]
    assert [outcome.game_id for outcome in report.refused] == [unknown_to_the_exchange]
    assert len(report.confirmed) == 49


async def test_an_order_that_was_not_cancelled_makes_its_game_partial(
    fake_exchange: FakeExchange, orders: Orders
) -> None:
    (game,) = games_of(fake_exchange, 1)
    body = b'{"data": [{"success": true}, {"success": false, "reason": "Order already filled"}]}'
    fake_exchange.inject(faults.Respond(body))
    report = await orders.cancel_all_orders_for_games([game])
    (outcome,) = report.partial
    assert isinstance(outcome.error, OrdersNotCancelledError)
    assert str(outcome.error) == f"{game}: 1 of 2 orders not cancelled: Order already filled"


async def test_at_the_deadline_what_is_known_is_kept(fake_exchange: FakeExchange) -> None:
    done, stuck, waiting = games_of(fake_exchange, 3)
    fake_exchange.inject(faults.Stall(), game_id=stuck, times=None)
    async with AsyncSession(
        fake_exchange.token, base_url=fake_exchange.url, max_connections=1
    ) as session:
        report = await session.cancel_all_orders_for_games(
            [done, stuck, waiting], deadline=5 * SECOND
        )
    assert [outcome.status for outcome in report.outcomes] == [
        OutcomeStatus.CONFIRMED,
        OutcomeStatus.UNKNOWN,
        OutcomeStatus.NOT_SENT,
    ]
    assert [type(outcome.error) for outcome in report.outcomes] == [
        type(None),
        OutcomeUnknownError,
        NotSentError,
    ]
    assert fake_exchange.received(game_id=waiting) == 0


async def test_the_callback_is_told_of_each_outcome_as_it_comes(
    fake_exchange: FakeExchange, orders: Orders
) -> None:
    slow, quick = games_of(fake_exchange, 2)
    fake_exchange.inject(faults.Slow(0.5 * SECOND), game_id=slow)
    told: list[GameOutcome] = []
    report = await orders.cancel_all_orders_for_games([slow, quick], on_outcome=told.append)
    assert [outcome.game_id for outcome in told] == [quick, slow]
    assert set(map(id, told)) == set(map(id, report.outcomes))


class NoException(BaseException):
    """As pytest and others raise to end a test or a task."""


@pytest.mark.parametrize("error", [ZeroDivisionError, asyncio.CancelledError, NoException])
async def test_a_callback_that_fails_costs_no_cancel(
    fake_exchange: FakeExchange,
    orders: Orders,
    caplog: pytest.LogCaptureFixture,
    error: type[BaseException],
) -> None:
    games = games_of(fake_exchange, 30)

    def fail(_: GameOutcome) -> None:
        raise error

    report = await orders.cancel_all_orders_for_games(games, on_outcome=fail)
    assert report.ok
    assert {record.levelno for record in caplog.records} == {logging.ERROR}
    assert len(caplog.records) == 30


async def test_when_the_caller_is_cancelled_what_was_known_has_been_told(
    fake_exchange: FakeExchange,
) -> None:
    done, stuck, waiting = games_of(fake_exchange, 3)
    fake_exchange.inject(faults.Stall(), game_id=stuck)
    told: list[str] = []
    first = asyncio.Event()

    def tell(outcome: GameOutcome) -> None:
        told.append(outcome.game_id)
        first.set()

    async with AsyncSession(
        fake_exchange.token, base_url=fake_exchange.url, max_connections=1
    ) as session:
        call = asyncio.create_task(
            session.cancel_all_orders_for_games([done, stuck, waiting], on_outcome=tell)
        )
        await first.wait()
        call.cancel()
        with pytest.raises(asyncio.CancelledError):
            await call
    assert told == [done]
    assert fake_exchange.received(game_id=waiting) == 0


async def test_a_report_says_in_one_line_what_a_trader_wants_to_know(
    fake_exchange: FakeExchange, orders: Orders
) -> None:
    games = games_of(fake_exchange, 3, orders=2)
    fake_exchange.inject(faults.Unavailable(), game_id=games[0], times=None)
    report = await orders.cancel_all_orders_for_games(games)
    line = str(CancelReport(report.outcomes, elapsed=0.0312))
    assert line == "3 games: 2 confirmed, 1 unknown; 4 orders cancelled; 31 ms"


@pytest.mark.parametrize("status", sorted(set(OutcomeStatus) - {OutcomeStatus.CONFIRMED}))
def test_an_outcome_that_is_not_confirmed_is_not_ok_though_it_has_no_error(
    status: OutcomeStatus,
) -> None:
    report = CancelReport((GameOutcome("a", None, status),))
    assert not report.ok
    with pytest.raises(UnsettledCancelsError):
        report.raise_for_unsettled()


async def test_unsettled_games_are_raised_together_and_settled_ones_are_not(
    fake_exchange: FakeExchange, orders: Orders
) -> None:
    games = games_of(fake_exchange, 5)
    report = await orders.cancel_all_orders_for_games(games)
    report.raise_for_unsettled()
    fake_exchange.inject(faults.Unavailable(), game_id=games[1], times=None)
    report = await orders.cancel_all_orders_for_games([*games, "f" * 24])
    with pytest.raises(UnsettledCancelsError) as caught:
        report.raise_for_unsettled()
    assert list(caught.value.exceptions) == [
        report.outcomes[1].error,
        report.outcomes[5].error,
    ]


async def test_nothing_is_logged_above_debug_when_all_goes_well(
    fake_exchange: FakeExchange, orders: Orders, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    await orders.cancel_all_orders_for_games(games_of(fake_exchange, 10), verify=True)
    assert not [record for record in caplog.records if record.levelno > logging.DEBUG]


async def test_two_fan_outs_at_once_share_the_pool_and_both_finish(
    fake_exchange: FakeExchange,
) -> None:
    games = games_of(fake_exchange, 60)
    async with AsyncSession(
        fake_exchange.token, base_url=fake_exchange.url, max_connections=3, retry=QUICK
    ) as session:
        reports = await asyncio.gather(
            session.cancel_all_orders_for_games(games[:30]),
            session.cancel_all_orders_for_games(games[30:]),
        )
    assert all(report.ok for report in reports)
    assert not fake_exchange.open_orders()
