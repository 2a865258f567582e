"""What a cancel says of itself: whether its list is complete, and what the exchange did say."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from attrs import evolve, frozen
from support import QUICK, REFERENCE, REST, SECOND, SOCKET, Transport, until

from fourcasters_async import (
    AsyncSession,
    AuthenticationError,
    CancelResults,
    OutcomeStatus,
    RateLimitedError,
    RetryPolicy,
)
from fourcasters_async.models import CancelReport
from fourcasters_async.orders.verbs import Orders
from fourcasters_async.testing import BookOrder, FakeExchange, faults


@frozen
class Listing:
    """A verb that returns a list of results, and where it is sent over each transport."""

    endpoints: dict[str, str]
    call: Callable[[Any, BookOrder], Awaitable[CancelResults]]


LISTINGS = {
    "game": Listing(
        {"rest": "cancelAllOrdersForGame", "socket": "cancelAllByGame"},
        lambda verbs, order: verbs.cancel_all_orders_for_game(order.game_id),
    ),
    "everything": Listing(
        {"rest": "cancelAllOrders", "socket": "cancelAll"},
        lambda verbs, _: verbs.cancel_all_orders(),
    ),
    "ids": Listing(
        {"rest": "cancelMultiple", "socket": "cancelMultiple"},
        lambda verbs, order: verbs.cancel_multiple([order.order_id]),
    ),
    "reference": Listing(
        {"rest": "cancelByReference"},
        lambda verbs, order: verbs.cancel_by_reference(order.game_id, [REFERENCE]),
    ),
}
CASES = {
    f"{name}-{transport}": (listing, transport)
    for name, listing in LISTINGS.items()
    for transport in (REST, SOCKET)
    if str(transport) in listing.endpoints
}
every_listing = pytest.mark.parametrize(("listing", "transport"), CASES.values(), ids=CASES)


@pytest.fixture
def order(fake_exchange: FakeExchange) -> BookOrder:
    game = fake_exchange.add_game()
    return fake_exchange.book.place(fake_exchange.account, game.game_id, user_reference=REFERENCE)


@every_listing
async def test_a_list_that_was_answered_at_once_is_complete(
    orders: Orders, transport: Transport, order: BookOrder, listing: Listing
) -> None:
    results = await listing.call(orders, order)
    assert (results.complete, results.attempts) == (True, 1)
    assert [result.success for result in results] == [True]


@every_listing
@pytest.mark.parametrize("committed", [False, True])
async def test_after_a_lost_answer_a_list_says_that_it_is_not_complete(
    fake_exchange: FakeExchange,
    orders: Orders,
    transport: Transport,
    order: BookOrder,
    listing: Listing,
    *,
    committed: bool,
) -> None:
    fake_exchange.inject(
        faults.Close(committed=committed), endpoint=listing.endpoints[str(transport)]
    )
    results = await listing.call(orders, order)
    assert (results.complete, results.attempts) == (False, 2)
    assert any(result.success for result in results) != committed


@every_listing
async def test_after_an_attempt_that_was_refused_for_its_rate_a_list_is_complete(
    fake_exchange: FakeExchange,
    orders: Orders,
    transport: Transport,
    order: BookOrder,
    listing: Listing,
) -> None:
    refusal = faults.TooManyRequests(retry_after=None)
    fake_exchange.inject(refusal, endpoint=listing.endpoints[str(transport)])
    results = await listing.call(orders, order)
    assert (results.complete, results.attempts) == (True, 2)


@every_listing
async def test_after_an_attempt_that_was_not_sent_a_list_is_complete(
    fake_exchange: FakeExchange,
    transport: Transport,
    order: BookOrder,
    listing: Listing,
) -> None:
    async with (
        AsyncSession(
            fake_exchange.token,
            base_url=fake_exchange.url,
            orders_url=fake_exchange.orders_url,
            retry=evolve(QUICK, max_attempts=None),
        ) as session,
        transport.open(session) as orders,
    ):
        async with fake_exchange.refusing():
            await until(lambda: not getattr(orders, "connected", False))
            cancelling = asyncio.ensure_future(listing.call(orders, order))
            await asyncio.sleep(0.1 * SECOND)
        assert (await cancelling).complete


async def test_no_ids_make_a_complete_list_without_an_attempt(orders: Orders) -> None:
    results = await orders.cancel_multiple([])
    assert (results, results.complete, results.attempts) == ([], True, 0)


async def test_no_references_make_a_complete_list_without_an_attempt(
    session: AsyncSession,
) -> None:
    results = await session.cancel_by_reference("f" * 24, [])
    assert (results, results.complete, results.attempts) == ([], True, 0)


# Reports.


async def lost_once(exchange: FakeExchange, orders: Orders, transport: Transport) -> CancelReport:
    """Cancel on two games, one of which loses its first answer."""
    games = [exchange.add_game(orders=3).game_id for _ in range(2)]
    lost = faults.Unavailable(committed=True)
    exchange.inject(lost, endpoint=transport.game, game_id=games[0])
    return await orders.cancel_all_orders_for_games(games)


async def test_a_report_counts_the_games_whose_results_may_lack_orders(
    fake_exchange: FakeExchange, orders: Orders, transport: Transport
) -> None:
    report = await lost_once(fake_exchange, orders, transport)
    expected = "2 games: 2 confirmed (1 incomplete); 3 orders cancelled; "
    assert str(report).startswith(expected)


async def test_the_outcome_of_such_a_game_says_it_and_how_often_it_was_tried(
    fake_exchange: FakeExchange, orders: Orders, transport: Transport
) -> None:
    report = await lost_once(fake_exchange, orders, transport)
    assert [(outcome.complete, outcome.attempts) for outcome in report.outcomes] == [
        (False, 2),
        (True, 1),
    ]


async def test_a_report_of_complete_games_says_nothing_of_it(
    fake_exchange: FakeExchange, orders: Orders
) -> None:
    games = [fake_exchange.add_game(orders=3).game_id for _ in range(2)]
    assert "incomplete" not in str(await orders.cancel_all_orders_for_games(games))


async def test_a_flat_report_after_a_lost_answer_says_that_it_is_not_complete(
    fake_exchange: FakeExchange, session: AsyncSession
) -> None:
    fake_exchange.add_game(orders=3)
    fake_exchange.inject(faults.Close(committed=True), endpoint="cancelAllOrders")
    report = await session.flatten()
    assert (report.clear, report.complete) == (True, False)
    assert str(report).startswith("0 orders cancelled (incomplete); nothing rests; ")


async def test_a_success_stands_when_a_later_read_still_shows_the_order(
    fake_exchange: FakeExchange, session: AsyncSession
) -> None:
    fake_exchange.add_game(orders=3)
    fake_exchange.vanish_lag = 0.3
    await asyncio.sleep(0.4)
    report = await session.flatten()
    assert report.clear
    assert [(result.success, result.remaining) for result in report.results] == [(True, 100.0)] * 3


# What was refused is refused, and not "not sent".


async def test_a_429_that_holds_for_the_whole_deadline_is_refused(
    fake_exchange: FakeExchange, orders: Orders, transport: Transport
) -> None:
    game = fake_exchange.add_game(orders=1).game_id
    fake_exchange.inject(faults.TooManyRequests(), endpoint=transport.game, times=None)
    report = await orders.cancel_all_orders_for_games([game], deadline=0.4)
    (outcome,) = report.outcomes
    assert outcome.status is OutcomeStatus.REFUSED
    assert isinstance(outcome.error, RateLimitedError)


@pytest.mark.virtual_time
async def test_a_401_is_refused_though_no_login_can_be_sent_after_it(
    fake_exchange: FakeExchange, transport: Transport
) -> None:
    fake_exchange.add_account("mm", "secret")
    game = fake_exchange.add_game(orders=1).game_id
    fake_exchange.inject(faults.Unauthorized(), endpoint=transport.game, times=None)
    fake_exchange.inject(faults.TooManyRequests("60"), endpoint="login", times=None)
    async with (
        AsyncSession(
            fake_exchange.token,
            username="mm",
            password="secret",
            base_url=fake_exchange.url,
            orders_url=fake_exchange.orders_url,
        ) as session,
        transport.open(session) as orders,
    ):
        report = await orders.cancel_all_orders_for_games([game], deadline=0.5)
    assert report.outcomes[0].status is OutcomeStatus.REFUSED


async def test_a_refusal_followed_by_an_attempt_that_is_not_sent_is_refused(
    fake_exchange: FakeExchange,
) -> None:
    game = fake_exchange.add_game(orders=1).game_id
    fake_exchange.inject(faults.TooManyRequests("0"), endpoint="cancelAllOrdersForGame")
    async with AsyncSession(
        fake_exchange.token,
        base_url=fake_exchange.url,
        retry=RetryPolicy(backoff_base=0.2, backoff_cap=0.2),
    ) as session:
        cancelling = asyncio.create_task(
            session.cancel_all_orders_for_games([game], deadline=SECOND)
        )
        await fake_exchange.wait_for("cancelAllOrdersForGame")
        async with fake_exchange.refusing():
            report = await cancelling
    assert report.outcomes[0].status is OutcomeStatus.REFUSED


async def test_a_refused_token_is_raised_as_such_by_a_single_verb(
    fake_exchange: FakeExchange, session: AsyncSession
) -> None:
    game = fake_exchange.add_game(orders=1).game_id
    fake_exchange.revoke(fake_exchange.token)
    with pytest.raises(AuthenticationError):
        await session.cancel_all_orders_for_game(game)
