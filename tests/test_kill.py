"""What a report calls clear is clear, and stays so: at random, and in corners of it."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from aiohttp import web
from attrs import field, frozen
from kill_model import run_round
from support import until

from fourcasters_async import AsyncSession, NewOrder, OrderFate, OutcomeUnknownError, RetryPolicy
from fourcasters_async.testing import BookGame, FakeExchange, faults

_ROUNDS_A_TEST = 50
_LANDS_AFTER = 0.1


@pytest.mark.virtual_time
@pytest.mark.parametrize("first", range(0, 4 * _ROUNDS_A_TEST, _ROUNDS_A_TEST))
async def test_what_is_said_to_be_clear_is_clear_and_stays_clear(first: int) -> None:
    for seed in range(first, first + _ROUNDS_A_TEST):
        await run_round(seed)


@frozen
class Lagging(faults.Fault):
    """A read that does not show what has come into the book in the last second."""

    exchange: FakeExchange = field(eq=False)

    async def __call__(self, call: faults.Call) -> web.StreamResponse:
        self.exchange.appear_lag = 0.99
        return faults.respond(call.commit())


@asynccontextmanager
async def lost_place(
    lands_after: float, **options: float
) -> AsyncIterator[tuple[FakeExchange, AsyncSession, BookGame, OutcomeUnknownError]]:
    """Give a session whose place was given up before it put an order into the book."""
    async with (
        FakeExchange() as exchange,
        AsyncSession(
            exchange.token,
            base_url=exchange.url,
            read_lag=1.0,
            retry=RetryPolicy(attempt_timeout=1.0, backoff_base=0.01, backoff_cap=0.01),
            **options,  # type: ignore[arg-type]  # mypy takes them for every option
        ) as session,
    ):
        game = exchange.add_game()
        exchange.inject(faults.Late(lands_after, answered=False), endpoint="place")
        order = NewOrder(game.game_id, "moneyline", game.home_id, odds=-110, bet=10.0)
        with pytest.raises(OutcomeUnknownError) as caught:
            await session.place([order], deadline=lands_after / 2)
        yield exchange, session, game, caught.value


@pytest.mark.virtual_time
async def test_an_order_that_came_in_at_the_last_moment_is_undecided_until_reads_show_it() -> None:
    async with lost_place(3.0, late_effect=3.0) as (exchange, session, game, _):
        exchange.inject(faults.Unavailable(), endpoint="cancelAllOrdersForGame", times=None)
        exchange.appear_lag = 0.99
        await asyncio.sleep(1.51)
        report = await session.halt([game.game_id], deadline=0.5)
        assert exchange.open_orders()
        assert not report.verified_clear


@pytest.mark.virtual_time
async def test_a_read_that_lacks_what_another_read_has_shown_is_no_proof() -> None:
    async with lost_place(_LANDS_AFTER) as (exchange, session, game, _):
        await asyncio.sleep(_LANDS_AFTER)
        for endpoint in ("cancelAllOrdersForGame", "cancelMultiple"):
            exchange.inject(faults.Unavailable(), endpoint=endpoint, times=None)
        exchange.inject(Lagging(exchange), endpoint="getUnmatched", after=1, times=None)
        report = await session.halt([game.game_id], deadline=0.9)
        assert exchange.received("getUnmatched") > 1
        assert exchange.open_orders()
        assert not report.verified_clear


@pytest.mark.virtual_time
async def test_a_read_that_lacks_what_was_found_by_its_reference_is_no_proof() -> None:
    async with lost_place(_LANDS_AFTER) as (exchange, session, game, lost):
        await asyncio.sleep(_LANDS_AFTER)
        (found,) = await session.reconcile(lost.orders)
        assert found.fate is OrderFate.RESTING
        exchange.inject(faults.Unavailable(), endpoint="cancelAllOrdersForGame", times=None)
        exchange.appear_lag = 0.99
        report = await session.halt([game.game_id], deadline=0.5)
        assert exchange.received("getUnmatched")
        assert not report.verified_clear


async def test_an_edit_that_was_refused_is_not_said_to_be_unsent(
    fake_exchange: FakeExchange, session: AsyncSession
) -> None:
    # The exchange has been seen to cancel an order and to refuse its edit then.
    game = fake_exchange.add_game(orders=1)
    (order,) = fake_exchange.open_orders()
    fake_exchange.book.cancel(order)
    edit = session.edit_order(
        order.order_id, order_odds=120, order_volume=5.0, game_id=game.game_id
    )
    editing = asyncio.create_task(edit)
    await until(lambda: fake_exchange.received("editOrder") == 1)
    while session._gate.tickets:  # noqa: ASYNC110  # the caller is not to be woken before
        await asyncio.sleep(0)
    editing.cancel()
    with pytest.raises(asyncio.CancelledError) as caught:
        await editing
    assert not any("it was not sent" in note for note in caught.value.__notes__)
