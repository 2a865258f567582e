"""A row of an answer decides for itself: what is claimed, and what is kept of the other rows."""

from collections.abc import Callable
from typing import Any

import orjson
import pytest
from aiohttp import web
from attrs import define
from support import QUICK, REST, Transport

from fourcasters_async import AsyncSession, GameOutcome, OutcomeStatus, OutcomeUnknownError
from fourcasters_async.orders.verbs import Orders
from fourcasters_async.testing import FakeExchange, faults

Row = dict[str, Any]
ORDERS = 4
TRIES = QUICK.max_attempts


@define
class OddRow(faults.Fault):
    """The first answer, in which one row is changed, to each request."""

    change: Callable[[Row], object]
    first: bytes | None = None

    async def __call__(self, call: faults.Call) -> web.StreamResponse:
        if self.first is None:
            document = orjson.loads(call.commit().content())
            document["data"][1] = self.change(document["data"][1])
            self.first = orjson.dumps(document)
        return web.Response(body=call.addressed(self.first), content_type="application/json")


def without(*keys: str, **others: object) -> Callable[[Row], Row]:
    return lambda row: {k: v for k, v in row.items() if k not in keys} | others


FAILED: list[tuple[Callable[[Row], object], str]] = [
    (without("success", error="it rests"), "it rests"),
    (without("success", error="it rests", errorType="system_error"), "it rests"),
    (without("success", error={"message": "it rests", "code": 409}), "it rests"),
    (without("success", errorType="system_error"), "system_error"),
    (without("success", error_type="system_error"), "system_error"),
    (without(success=None, error="it rests"), "it rests"),
    (without(success=False, error="it rests", description=None), "it rests"),
    (without(success=False, reason="it rests", error="another word"), "it rests"),
]
CANCELLED: list[Callable[[Row], object]] = [
    without(error=""),
    without(error=None),
    without(error="", errorType=""),
]
UNREADABLE: list[Callable[[Row], object]] = [
    without("success"),
    without(success=None),
    without(success="true"),
    without(success="false"),
    without(success=1),
    without(success=[]),
    without("success", error=""),
    without("success", error={}),
    without("success", error=7),
    without("success", error=False),
    without(success="false", error="it rests"),
    without(success=True, error="it rests"),
    without(success=True, error={}),
    without(success=True, errorType="system_error"),
    without(sessionID=7, orderID=7),
    without(sessionID=[], orderID=[]),
    without(gameID=7),
    lambda _: None,
    lambda _: "cancelled",
    lambda _: [],
    lambda _: {},
]


@pytest.fixture
def game(fake_exchange: FakeExchange) -> str:
    return fake_exchange.add_game(orders=ORDERS).game_id


async def outcome_on(
    orders: Orders, exchange: FakeExchange, transport: Transport, game: str, odd: faults.Fault
) -> GameOutcome:
    exchange.inject(odd, endpoint=transport.game, times=None)
    (outcome,) = (await orders.cancel_all_orders_for_games([game])).outcomes
    return outcome


@pytest.mark.parametrize(("change", "reason"), FAILED)
async def test_a_row_with_an_error_and_no_success_failed(
    fake_exchange: FakeExchange,
    orders: Orders,
    transport: Transport,
    game: str,
    change: Callable[[Row], object],
    reason: str,
) -> None:
    outcome = await outcome_on(orders, fake_exchange, transport, game, OddRow(change))
    assert outcome.status is OutcomeStatus.PARTIAL
    assert [result.success for result in outcome.results] == [True, False, True, True]
    assert outcome.results[1].reason == reason
    assert (outcome.complete, outcome.attempts) == (True, 1)


@pytest.mark.parametrize("change", CANCELLED)
async def test_an_error_that_says_nothing_is_none(
    fake_exchange: FakeExchange,
    orders: Orders,
    transport: Transport,
    game: str,
    change: Callable[[Row], object],
) -> None:
    outcome = await outcome_on(orders, fake_exchange, transport, game, OddRow(change))
    assert (outcome.status, outcome.attempts) == (OutcomeStatus.CONFIRMED, 1)


@pytest.mark.parametrize("change", UNREADABLE)
async def test_a_row_that_cannot_be_read_costs_only_itself_and_the_confirmation(
    fake_exchange: FakeExchange,
    orders: Orders,
    transport: Transport,
    game: str,
    change: Callable[[Row], object],
) -> None:
    outcome = await outcome_on(orders, fake_exchange, transport, game, OddRow(change))
    placed = [order.order_id for order in fake_exchange.book.orders.values()]
    assert (outcome.status, outcome.complete) == (OutcomeStatus.UNKNOWN, False)
    assert [(r.order_id, r.success) for r in outcome.results] == [
        (order_id, True) for order_id in (placed[0], *placed[2:])
    ]
    assert outcome.attempts == TRIES


async def test_an_answer_that_can_be_read_keeps_what_the_one_before_said(
    fake_exchange: FakeExchange, orders: Orders, transport: Transport, game: str
) -> None:
    fake_exchange.inject(OddRow(without("success")), endpoint=transport.game)
    (outcome,) = (await orders.cancel_all_orders_for_games([game])).outcomes
    # The second answer has no rows: nothing was left to cancel.
    assert (outcome.status, outcome.complete) == (OutcomeStatus.CONFIRMED, False)
    assert len(outcome.results) == ORDERS - 1


async def test_over_http_what_a_game_was_told_of_another_game_is_not_kept(
    fake_exchange: FakeExchange, session: AsyncSession, game: str
) -> None:
    def stray(row: Row) -> Row:
        return row | {"gameID": "f" * 24}

    class Stray(OddRow):
        async def __call__(self, call: faults.Call) -> web.StreamResponse:
            document = orjson.loads(call.commit().content())
            document["data"] = [*map(stray, document["data"]), {}]
            return web.Response(body=orjson.dumps(document), content_type="application/json")

    outcome = await outcome_on(session, fake_exchange, REST, game, Stray(stray))
    assert (outcome.status, outcome.results) == (OutcomeStatus.UNKNOWN, [])


async def test_one_verb_has_what_could_be_read_in_its_error(
    fake_exchange: FakeExchange, orders: Orders, transport: Transport, game: str
) -> None:
    fake_exchange.inject(OddRow(without("success")), endpoint=transport.game, times=None)
    with pytest.raises(OutcomeUnknownError) as caught:
        await orders.cancel_all_orders_for_game(game)
    assert [result.success for result in caught.value.results] == [True] * (ORDERS - 1)


async def test_rows_by_id_keep_the_ids_that_were_asked_for(
    fake_exchange: FakeExchange, orders: Orders, game: str
) -> None:
    ids = [order.order_id for order in fake_exchange.open_orders(game)]

    def anonymous(row: Row) -> Row:
        return {"description": row["description"]}

    fake_exchange.inject(OddRow(anonymous), endpoint="cancelMultiple", times=None)
    with pytest.raises(OutcomeUnknownError) as caught:
        await orders.cancel_multiple(ids)
    assert [result.order_id for result in caught.value.results] == [ids[0], *ids[2:]]


async def test_already_cancelled_does_not_undo_a_success_that_was_read_before(
    fake_exchange: FakeExchange, orders: Orders, game: str
) -> None:
    ids = [order.order_id for order in fake_exchange.open_orders(game)]
    fake_exchange.inject(OddRow(without("success")), endpoint="cancelMultiple")
    results = await orders.cancel_multiple(ids)
    assert not results.complete
    assert [result.order_id for result in results] == ids
    assert [result.success for result in results] == [True, False, True, True]


async def test_a_hedge_keeps_what_the_socket_could_read(
    fake_exchange: FakeExchange, session: AsyncSession, game: str
) -> None:
    fake_exchange.inject(OddRow(without("success")), endpoint="cancelAllByGame", times=None)
    async with session.orders_socket() as orders:
        report = await orders.cancel_all_orders_for_games([game], hedge=3600.0)
    (outcome,) = report.outcomes
    # REST is asked once the socket has failed, and has nothing left to cancel.
    assert (outcome.status, outcome.complete) == (OutcomeStatus.CONFIRMED, False)
    assert len(outcome.results) == ORDERS - 1


async def test_a_single_order_with_an_error_and_no_success_failed(
    fake_exchange: FakeExchange, session: AsyncSession, game: str
) -> None:
    order = fake_exchange.open_orders(game)[0].order_id
    said = faults.Respond(b'{"data": {"error": "it rests", "errorType": "system_error"}}')
    fake_exchange.inject(said, endpoint="cancel", times=None)
    result = await session.cancel(order)
    assert (result.success, result.reason, result.order_id) == (False, "it rests", order)
