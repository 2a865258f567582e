"""A socket that is entered before it is connected: its speed where it is there, REST where not."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from support import QUICK, SECOND

from fourcasters_async import (
    AsyncSession,
    AuthenticationError,
    CancelReport,
    NotSentError,
    OrdersSocket,
    OutcomeStatus,
    SessionClosedError,
)
from fourcasters_async.testing import FakeExchange, faults

REST, WS, HANDSHAKE = "cancelAllOrdersForGame", "cancelAllByGame", "ws"
HOUR = 3600.0


@asynccontextmanager
async def entered(
    exchange: FakeExchange, *, orders_url: str | None = None, timeout: float = 20 * SECOND
) -> AsyncIterator[OrdersSocket]:
    async with (
        AsyncSession(
            exchange.token,
            base_url=exchange.url,
            orders_url=orders_url or exchange.orders_url,
            retry=QUICK,
            timeout=timeout,
        ) as session,
        session.orders_socket(wait=False) as orders,
    ):
        yield orders


def games_of(exchange: FakeExchange, count: int = 20) -> list[str]:
    return [exchange.add_game(orders=2).game_id for _ in range(count)]


def confirmed(report: CancelReport) -> bool:
    """Whether all is confirmed, and no results may be missing."""
    return report.ok and all(outcome.complete for outcome in report.outcomes)


async def test_the_block_is_entered_before_there_is_a_connection(
    fake_exchange: FakeExchange,
) -> None:
    fake_exchange.inject(faults.Stall(), endpoint=HANDSHAKE, times=None)
    async with entered(fake_exchange) as orders:
        assert not orders.connected


@pytest.mark.parametrize("hedge", [None, HOUR])
async def test_a_fan_out_waits_for_the_connection_and_goes_over_it(
    fake_exchange: FakeExchange, hedge: float | None
) -> None:
    games = games_of(fake_exchange)
    async with entered(fake_exchange) as orders:
        report = await orders.cancel_all_orders_for_games(games, hedge=hedge, verify=True)
        assert orders.connected
    assert confirmed(report)
    assert report.verified_clear
    assert (fake_exchange.received(WS), fake_exchange.received(REST)) == (20, 0)
    assert fake_exchange.received(HANDSHAKE) == 1


async def test_a_single_verb_waits_for_the_connection(fake_exchange: FakeExchange) -> None:
    game = fake_exchange.add_game(orders=2).game_id
    async with entered(fake_exchange) as orders:
        assert len(await orders.cancel_all_orders_for_game(game)) == 2
    assert fake_exchange.received(REST) == 0


@pytest.mark.parametrize(
    "fault",
    [
        faults.Reset(),
        faults.Close(),
        faults.Unauthorized(),
        faults.TooManyRequests(),
        faults.Unavailable(),
        faults.Html(),
        faults.Respond(b'{"error": "no"}', 403),
        faults.Redirect("http://127.0.0.1/"),
    ],
    ids=repr,
)
async def test_a_connection_that_cannot_be_made_costs_no_wait_for_the_hedge(
    fake_exchange: FakeExchange, fault: faults.Fault
) -> None:
    games = games_of(fake_exchange)
    fake_exchange.inject(fault, endpoint=HANDSHAKE, times=None)
    async with entered(fake_exchange) as orders:
        report = await orders.cancel_all_orders_for_games(games, hedge=HOUR, verify=True)
    assert confirmed(report)
    assert report.verified_clear
    assert report.elapsed < 10 * SECOND
    assert fake_exchange.received(REST) == 20


async def test_an_address_where_nobody_listens_costs_no_wait_for_the_hedge(
    fake_exchange: FakeExchange, unused_tcp_port: int
) -> None:
    games = games_of(fake_exchange)
    nowhere = f"ws://127.0.0.1:{unused_tcp_port}/orders/ws"
    async with entered(fake_exchange, orders_url=nowhere) as orders:
        report = await orders.cancel_all_orders_for_games(games, hedge=HOUR)
    assert confirmed(report)
    assert report.elapsed < 10 * SECOND


async def test_a_handshake_that_hangs_is_waited_for_as_long_as_the_hedge_says(
    fake_exchange: FakeExchange,
) -> None:
    games = games_of(fake_exchange)
    fake_exchange.inject(faults.Stall(), endpoint=HANDSHAKE, times=None)
    async with entered(fake_exchange) as orders:
        report = await orders.cancel_all_orders_for_games(games, hedge=0.5 * SECOND)
    assert confirmed(report)
    assert report.elapsed >= 0.5 * SECOND
    assert fake_exchange.received(REST) == 20


async def test_a_handshake_that_hangs_leaves_half_of_the_deadline_to_rest(
    fake_exchange: FakeExchange,
) -> None:
    games = games_of(fake_exchange)
    fake_exchange.inject(faults.Stall(), endpoint=HANDSHAKE, times=None)
    async with entered(fake_exchange) as orders:
        report = await orders.cancel_all_orders_for_games(
            games, hedge=HOUR, deadline=4 * SECOND, verify=True
        )
    assert confirmed(report)
    assert report.verified_clear


@pytest.mark.virtual_time
@pytest.mark.parametrize("endpoint", [HANDSHAKE, WS])
async def test_the_report_is_there_at_the_deadline_if_both_ways_hang(
    fake_exchange: FakeExchange, endpoint: str
) -> None:
    games = games_of(fake_exchange)
    for each in (endpoint, REST, "getUnmatched"):
        fake_exchange.inject(faults.Stall(), endpoint=each, times=None)
    async with entered(fake_exchange) as orders:
        report = await orders.cancel_all_orders_for_games(
            games, hedge=0.5, deadline=2.0, verify=True
        )
    assert {outcome.status for outcome in report.outcomes} == {OutcomeStatus.UNKNOWN}
    assert 1.9 < report.elapsed < 2.1


async def test_a_connection_that_cannot_be_made_is_tried_once_for_all_games(
    fake_exchange: FakeExchange,
) -> None:
    games = games_of(fake_exchange)
    fake_exchange.inject(faults.Reset(), endpoint=HANDSHAKE, times=None)
    async with entered(fake_exchange) as orders:
        orders._max_in_flight = 1
        report = await orders.cancel_all_orders_for_games(games, hedge=HOUR)
    assert confirmed(report)
    assert fake_exchange.received(HANDSHAKE) <= 2


@pytest.mark.parametrize("committed", [False, True])
async def test_a_connection_that_is_lost_in_the_middle_leaves_no_game_behind(
    fake_exchange: FakeExchange, *, committed: bool
) -> None:
    games = games_of(fake_exchange)
    fake_exchange.inject(faults.Reset(committed=committed), endpoint=WS, after=5)
    fake_exchange.inject(faults.Stall(), endpoint=HANDSHAKE, after=1, times=None)
    async with entered(fake_exchange) as orders:
        report = await orders.cancel_all_orders_for_games(games, hedge=0.5 * SECOND, verify=True)
    assert report.ok
    assert report.verified_clear
    assert not fake_exchange.open_orders()


async def test_what_a_read_shows_is_cancelled_over_rest_if_the_socket_hangs(
    fake_exchange: FakeExchange,
) -> None:
    game = fake_exchange.add_game(orders=2)
    fake_exchange.inject(faults.HalfOpen(), endpoint=WS, times=None)
    fake_exchange.inject(faults.Stall(), endpoint=HANDSHAKE, after=1, times=None)

    def place(_: object) -> None:
        fake_exchange.book.place(fake_exchange.account, game.game_id, side=game.away_id, odds=110)

    async with entered(fake_exchange) as orders:
        report = await orders.cancel_all_orders_for_games(
            [game.game_id],
            hedge=0.1 * SECOND,
            deadline=10 * SECOND,
            verify=True,
            on_outcome=place,
        )
    assert report.verified_clear
    assert not fake_exchange.open_orders()


async def test_a_connection_that_comes_later_is_used_by_the_next_fan_out(
    fake_exchange: FakeExchange,
) -> None:
    first, second = games_of(fake_exchange, 2)
    fake_exchange.inject(faults.Reset(), endpoint=HANDSHAKE)
    async with entered(fake_exchange) as orders:
        await orders.cancel_all_orders_for_games([first], hedge=HOUR)
        await orders.cancel_all_orders_for_games([second], hedge=HOUR)
    assert (fake_exchange.received(REST), fake_exchange.received(WS)) == (1, 1)


async def test_without_a_hedge_nothing_goes_over_rest(fake_exchange: FakeExchange) -> None:
    (game,) = games_of(fake_exchange, 1)
    fake_exchange.inject(faults.Reset(), endpoint=HANDSHAKE, times=None)
    async with entered(fake_exchange) as orders:
        report = await orders.cancel_all_orders_for_games([game], deadline=2 * SECOND)
    (outcome,) = report.outcomes
    assert outcome.status is OutcomeStatus.NOT_SENT
    assert isinstance(outcome.error, NotSentError)
    assert fake_exchange.received(REST) == 0


async def test_a_token_that_is_dead_on_both_ways_is_refused(fake_exchange: FakeExchange) -> None:
    games = games_of(fake_exchange, 2)
    fake_exchange.revoke(fake_exchange.token)
    async with entered(fake_exchange) as orders:
        report = await orders.cancel_all_orders_for_games(games, hedge=HOUR)
    assert {outcome.status for outcome in report.outcomes} == {OutcomeStatus.REFUSED}
    assert all(isinstance(outcome.error, AuthenticationError) for outcome in report.outcomes)


async def test_closing_ends_a_handshake_that_hangs(fake_exchange: FakeExchange) -> None:
    (game,) = games_of(fake_exchange, 1)
    fake_exchange.inject(faults.Stall(), endpoint=HANDSHAKE, times=None)
    async with (
        AsyncSession(
            fake_exchange.token, base_url=fake_exchange.url, orders_url=fake_exchange.orders_url
        ) as session,
        session.orders_socket(wait=False) as orders,
    ):
        cancel = asyncio.create_task(orders.cancel_all_orders_for_games([game], hedge=HOUR))
        await fake_exchange.wait_for(HANDSHAKE)
        await session.close()
        (outcome,) = (await cancel).outcomes
    assert outcome.status is OutcomeStatus.NOT_SENT
    assert isinstance(outcome.error, SessionClosedError)
