"""What became of a place whose answer was lost."""

import asyncio
from collections.abc import Callable

import pytest
from attrs import evolve
from support import Transport, quote

from fourcasters_async import (
    AsyncSession,
    AuthenticationError,
    InvalidRequestError,
    NewOrder,
    OrderFate,
    OutcomeUnknownError,
    SessionClosedError,
)
from fourcasters_async.orders.verbs import Orders
from fourcasters_async.testing import BookOrder, FakeExchange, faults


async def lose(orders: Orders, order: NewOrder) -> OutcomeUnknownError:
    """Place an order, and return the error that says that the answer was lost."""
    with pytest.raises(OutcomeUnknownError) as caught:
        await orders.place([order], deadline=1)
    return caught.value


@pytest.fixture
def game(fake_exchange: FakeExchange) -> str:
    return fake_exchange.add_game().game_id


def landed(exchange: FakeExchange, game: str) -> BookOrder:
    (order,) = exchange.open_orders(game)
    return order


async def test_an_order_that_landed_is_resting(
    fake_exchange: FakeExchange,
    session: AsyncSession,
    orders: Orders,
    transport: Transport,
    game: str,
) -> None:
    fake_exchange.inject(faults.Close(committed=True), endpoint=transport.place)
    error = await lose(orders, quote(game, "mine"))
    (order,) = await session.reconcile(error.orders)
    assert (order.game_id, order.user_reference, order.fate) == (game, "mine", OrderFate.RESTING)
    assert [each.order_id for each in order.unmatched] == [landed(fake_exchange, game).order_id]


async def test_an_order_without_a_reference_got_one_by_which_it_is_found(
    fake_exchange: FakeExchange,
    session: AsyncSession,
    orders: Orders,
    transport: Transport,
    game: str,
) -> None:
    fake_exchange.inject(faults.Close(committed=True), endpoint=transport.place)
    error = await lose(orders, quote(game))
    (order,) = await session.reconcile(error.orders)
    assert order.fate is OrderFate.RESTING
    assert order.user_reference == landed(fake_exchange, game).user_reference


async def test_two_orders_without_references_get_two(
    fake_exchange: FakeExchange, orders: Orders, game: str
) -> None:
    await orders.place([quote(game), quote(game)])
    assert len({order.user_reference for order in fake_exchange.open_orders()}) == 2


async def test_a_reference_of_the_caller_is_sent_as_it_is(
    fake_exchange: FakeExchange, orders: Orders, game: str
) -> None:
    await orders.place([quote(game, "mine")])
    assert landed(fake_exchange, game).user_reference == "mine"


async def test_an_order_that_was_filled_is_filled(
    fake_exchange: FakeExchange,
    session: AsyncSession,
    orders: Orders,
    transport: Transport,
    game: str,
) -> None:
    fake_exchange.inject(faults.Close(committed=True), endpoint=transport.place)
    error = await lose(orders, quote(game))
    fake_exchange.book.fill(landed(fake_exchange, game).order_id, 50.0)
    (order,) = await session.reconcile(error.orders)
    assert order.fate is OrderFate.FILLED
    assert order.matched


async def test_an_order_that_was_filled_in_part_is_resting_and_shows_what_was_matched(
    fake_exchange: FakeExchange,
    session: AsyncSession,
    orders: Orders,
    transport: Transport,
    game: str,
) -> None:
    fake_exchange.inject(faults.Close(committed=True), endpoint=transport.place)
    error = await lose(orders, quote(game))
    fake_exchange.book.fill(landed(fake_exchange, game).order_id, 20.0)
    (order,) = await session.reconcile(error.orders)
    assert (order.fate, bool(order.matched)) == (OrderFate.RESTING, True)


async def test_an_order_that_is_settled_is_graded(
    fake_exchange: FakeExchange, session: AsyncSession, game: str
) -> None:
    body = b'{"data": {"unmatched": [], "matched": [], "graded": [{"id": "x"}]}}'
    fake_exchange.inject(faults.Respond(body), endpoint="getBetByUserReference")
    (order,) = await session.reconcile([quote(game, "mine")])
    assert order.fate is OrderFate.GRADED


async def test_an_order_that_is_not_found_and_may_still_land_is_undecided(
    fake_exchange: FakeExchange,
    session: AsyncSession,
    orders: Orders,
    transport: Transport,
    game: str,
) -> None:
    fake_exchange.inject(faults.Close(), endpoint=transport.place)
    error = await lose(orders, quote(game))
    (order,) = await session.reconcile(error.orders, deadline=0.5)
    assert order.fate is OrderFate.UNDECIDED


@pytest.mark.virtual_time
async def test_an_order_that_lands_late_is_found_when_it_lands(
    fake_exchange: FakeExchange,
    session: AsyncSession,
    orders: Orders,
    transport: Transport,
    game: str,
) -> None:
    fake_exchange.inject(faults.Late(18.0, answered=False), endpoint=transport.place)
    error = await lose(orders, quote(game))
    (order,) = await session.reconcile(error.orders, deadline=60)
    assert order.fate is OrderFate.RESTING
    assert fake_exchange.now() < 25


@pytest.mark.virtual_time
async def test_an_order_that_cannot_land_any_more_is_absent(
    fake_exchange: FakeExchange,
    session: AsyncSession,
    orders: Orders,
    transport: Transport,
    game: str,
) -> None:
    fake_exchange.inject(faults.Close(), endpoint=transport.place)
    error = await lose(orders, quote(game))
    (order,) = await session.reconcile(error.orders, deadline=130)
    assert order.fate is OrderFate.ABSENT
    assert 120 <= fake_exchange.now() < 125


@pytest.mark.virtual_time
async def test_an_order_that_could_not_land_any_more_when_it_was_asked_about_is_absent_at_once(
    fake_exchange: FakeExchange,
    session: AsyncSession,
    orders: Orders,
    transport: Transport,
    game: str,
) -> None:
    fake_exchange.inject(faults.Close(), endpoint=transport.place)
    error = await lose(orders, quote(game))
    await asyncio.sleep(121)
    (order,) = await session.reconcile(error.orders, deadline=1)
    assert order.fate is OrderFate.ABSENT


async def test_an_absent_order_is_placed_again_with_the_same_reference(
    fake_exchange: FakeExchange, transport: Transport, game: str
) -> None:
    fake_exchange.inject(faults.Close(), endpoint=transport.place)
    async with (
        AsyncSession(
            fake_exchange.token,
            base_url=fake_exchange.url,
            orders_url=fake_exchange.orders_url,
            late_effect=0.1,
        ) as session,
        transport.open(session) as orders,
    ):
        error = await lose(orders, quote(game))
        (absent,) = await session.reconcile(error.orders)
        assert absent.fate is OrderFate.ABSENT
        (again,) = [order for order in error.orders if isinstance(order, NewOrder)]
        await orders.place([again])
        (resting,) = await session.reconcile([again])
    assert resting.fate is OrderFate.RESTING


@pytest.mark.virtual_time
async def test_an_order_of_another_process_is_not_absent_before_it_can_not_land_any_more(
    fake_exchange: FakeExchange, session: AsyncSession, game: str
) -> None:
    (soon,) = await session.reconcile([quote(game, "theirs")], deadline=10)
    assert soon.fate is OrderFate.UNDECIDED
    (later,) = await session.reconcile([quote(game, "theirs")], deadline=130)
    assert later.fate is OrderFate.ABSENT


async def test_an_order_that_was_decided_is_absent_at_once_where_nothing_is_found(
    fake_exchange: FakeExchange, session: AsyncSession, orders: Orders, game: str
) -> None:
    (placed,) = await orders.place([quote(game, "mine")])
    await orders.cancel(placed.order_id or "")
    (order,) = await session.reconcile([quote(game, "mine")], deadline=0.5)
    assert order.fate is OrderFate.ABSENT


async def test_an_order_that_was_reconciled_is_not_undecided_any_more(
    fake_exchange: FakeExchange,
    session: AsyncSession,
    orders: Orders,
    transport: Transport,
    game: str,
) -> None:
    fake_exchange.inject(faults.Close(committed=True), endpoint=transport.place)
    error = await lose(orders, quote(game, "mine"))
    await session.reconcile(error.orders)
    assert (await session.halt([game])).verified_clear


async def test_of_two_orders_of_one_place_each_is_decided_by_itself(
    fake_exchange: FakeExchange,
    session: AsyncSession,
    orders: Orders,
    transport: Transport,
    game: str,
) -> None:
    other = fake_exchange.add_game().game_id
    fake_exchange.inject(faults.Close(committed=True), endpoint=transport.place)
    with pytest.raises(OutcomeUnknownError) as caught:
        await orders.place([quote(game, "one"), quote(other, "two")])
    await session.reconcile(caught.value.orders[:1])
    report = await session.cancel_all_orders_for_games([game, other])
    assert [order.user_reference for order in report.undecided] == ["two"]


async def test_what_a_report_calls_undecided_can_be_reconciled(
    fake_exchange: FakeExchange,
    session: AsyncSession,
    orders: Orders,
    transport: Transport,
    game: str,
) -> None:
    fake_exchange.inject(faults.Close(committed=True), endpoint=transport.place)
    await lose(orders, quote(game, "mine"))
    report = await session.cancel_all_orders_for_games([fake_exchange.add_game().game_id])
    assert not report.undecided
    report = await session.cancel_all_orders_for_games([game])
    (order,) = await session.reconcile(report.undecided)
    assert order.user_reference == "mine"


async def test_each_game_and_reference_is_looked_up_once_in_the_order_given(
    fake_exchange: FakeExchange, session: AsyncSession, orders: Orders, game: str
) -> None:
    one, two = quote(game, "one"), quote(game, "two")
    await orders.place([one, two])
    found = await session.reconcile([two, one, two])
    assert [order.user_reference for order in found] == ["two", "one"]
    assert fake_exchange.received("getBetByUserReference") == 2


async def test_no_orders_is_no_request(fake_exchange: FakeExchange, session: AsyncSession) -> None:
    assert await session.reconcile([]) == []
    assert not fake_exchange.requests


async def test_a_look_that_fails_is_repeated(
    fake_exchange: FakeExchange, session: AsyncSession, orders: Orders, game: str
) -> None:
    await orders.place([quote(game, "mine")])
    fake_exchange.inject(faults.Unavailable(), endpoint="getBetByUserReference", times=5)
    (order,) = await session.reconcile([quote(game, "mine")])
    assert order.fate is OrderFate.RESTING


async def test_an_exchange_that_is_not_reached_leaves_it_undecided(
    fake_exchange: FakeExchange, session: AsyncSession, orders: Orders, game: str
) -> None:
    await orders.place([quote(game, "mine")])
    async with fake_exchange.refusing():
        (order,) = await session.reconcile([quote(game, "mine")], deadline=0.5)
    assert order.fate is OrderFate.UNDECIDED


async def test_a_token_that_is_refused_is_raised_as_it_is(
    fake_exchange: FakeExchange, session: AsyncSession, game: str
) -> None:
    fake_exchange.revoke(fake_exchange.token)
    with pytest.raises(AuthenticationError):
        await session.reconcile([quote(game, "one"), quote(game, "two")])


async def test_a_session_that_is_closed_meanwhile_ends_it(
    fake_exchange: FakeExchange, session: AsyncSession, game: str
) -> None:
    fake_exchange.inject(faults.Stall(), endpoint="getBetByUserReference", times=None)
    clock = asyncio.get_running_loop().time
    looking = asyncio.create_task(session.reconcile([quote(game, "mine")]))
    await fake_exchange.wait_for("getBetByUserReference")
    closed_at = clock()
    await session.close()
    with pytest.raises(SessionClosedError):
        await looking
    assert clock() - closed_at < 1


WRONG: dict[str, Callable[[str], object]] = {
    "no reference": lambda game: [quote(game)],
    "no game": lambda game: [evolve(quote(game, "mine"), game_id="")],
    "no order": lambda _: ["mine"],
    "no list": lambda game: quote(game, "mine"),
}


@pytest.mark.parametrize("wrong", WRONG.values(), ids=WRONG)
async def test_what_cannot_be_looked_up_is_refused_by_its_name(
    fake_exchange: FakeExchange, session: AsyncSession, game: str, wrong: Callable[[str], object]
) -> None:
    with pytest.raises(InvalidRequestError, match="orders"):
        await session.reconcile(wrong(game))  # type: ignore[arg-type]  # on purpose
    assert not fake_exchange.requests
