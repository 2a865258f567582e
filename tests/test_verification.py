"""verify=True: an answer proves what was asked, a read proves what is true."""

import json
from collections.abc import Callable

import pytest
from aiohttp import web
from attrs import field, frozen
from support import SECOND, Transport

from fourcasters_async import (
    GameMarket,
    MarketType,
    OrdersNotCancelledError,
    OutcomeStatus,
    UnsettledCancelsError,
)
from fourcasters_async.orders.verbs import Orders
from fourcasters_async.testing import FakeExchange, faults


@frozen
class Meanwhile(faults.Fault):
    """Something happens, and then the right answer comes."""

    happens: Callable[[], object] = field(eq=False)

    async def __call__(self, call: faults.Call) -> web.StreamResponse:
        self.happens()
        return faults.respond(call.commit())


async def test_an_empty_read_is_proof(fake_exchange: FakeExchange, orders: Orders) -> None:
    games = [fake_exchange.add_game(orders=3).game_id for _ in range(5)]
    report = await orders.cancel_all_orders_for_games(games, verify=True)
    assert report.verified_clear
    assert [outcome.resting for outcome in report.outcomes] == [[]] * 5
    assert fake_exchange.received("getUnmatched") == 1
    assert str(report).startswith("5 games: 5 confirmed; 15 orders cancelled; verified clear; ")


async def test_without_verify_nothing_is_claimed_of_what_rests(
    fake_exchange: FakeExchange, orders: Orders
) -> None:
    report = await orders.cancel_all_orders_for_games([fake_exchange.add_game().game_id])
    assert report.outcomes[0].resting is None
    assert not report.verified_clear
    assert fake_exchange.received("getUnmatched") == 0


async def test_an_order_placed_in_between_is_seen_and_cancelled_by_id(
    fake_exchange: FakeExchange, orders: Orders, transport: Transport
) -> None:
    game = fake_exchange.add_game(orders=1).game_id
    late: list[str] = []

    def place() -> None:
        late.append(fake_exchange.book.place(fake_exchange.account, game).order_id)

    fake_exchange.inject(Meanwhile(place), endpoint="getUnmatched")
    report = await orders.cancel_all_orders_for_games([game], verify=True)
    assert report.verified_clear
    assert late[0] in {result.order_id for result in report.results}
    assert [r.endpoint for r in fake_exchange.requests if r.endpoint != "ws"] == [
        transport.game,
        "getUnmatched",
        "cancelMultiple",
        "getUnmatched",
    ]


async def test_an_order_that_cannot_be_cancelled_is_reported_resting(
    fake_exchange: FakeExchange, orders: Orders, transport: Transport
) -> None:
    game = fake_exchange.add_game(orders=1).game_id
    nothing = faults.Respond(b'{"data": []}')
    fake_exchange.inject(Pretend(nothing.body), endpoint=transport.game)
    fake_exchange.inject(faults.Unavailable(), endpoint="cancelMultiple", times=None)
    report = await orders.cancel_all_orders_for_games([game], verify=True, deadline=3 * SECOND)
    (outcome,) = report.outcomes
    assert outcome.status is OutcomeStatus.CONFIRMED
    assert outcome.resting is not None
    assert [order.game_id for order in outcome.resting] == [game]
    assert not report.verified_clear
    assert not report.ok
    with pytest.raises(UnsettledCancelsError) as caught:
        report.raise_for_unsettled()
    assert isinstance(caught.value.exceptions[0], OrdersNotCancelledError)


@frozen
class Pretend(faults.Fault):
    """An answer that is well-formed and not true: nothing was done."""

    body: bytes

    async def __call__(self, call: faults.Call) -> web.StreamResponse:
        return web.Response(body=call.addressed(self.body), content_type="application/json")


async def test_a_game_whose_cancel_is_unknown_can_be_proved_clear_and_stays_unknown(
    fake_exchange: FakeExchange, orders: Orders, transport: Transport
) -> None:
    game = fake_exchange.add_game(orders=3).game_id
    fake_exchange.inject(faults.Close(), endpoint=transport.game, times=None)
    report = await orders.cancel_all_orders_for_games([game], verify=True)
    (outcome,) = report.outcomes
    assert (outcome.status, outcome.resting) == (OutcomeStatus.UNKNOWN, [])
    assert sum(result.success for result in outcome.results) == 3
    assert report.verified_clear
    assert not report.ok
    assert not fake_exchange.open_orders()


@pytest.mark.parametrize(
    "fault",
    [
        faults.Unavailable(),
        faults.Html(),
        faults.Close(),
        faults.Respond(b'{"data": null}'),
        faults.Respond(b'{"data": {"unmatched": null}}'),
        faults.Respond(b'{"data": {"unmatched": {}}}'),
        faults.Respond(b'{"data": {"unmatched": [""]}}'),
        faults.Respond(b'{"data": []}'),
        faults.Unauthorized(),
    ],
    ids=repr,
)
async def test_a_failed_read_proves_nothing(
    fake_exchange: FakeExchange, orders: Orders, fault: faults.Fault
) -> None:
    game = fake_exchange.add_game(orders=1).game_id
    fake_exchange.inject(fault, endpoint="getUnmatched", times=None)
    report = await orders.cancel_all_orders_for_games([game], verify=True, deadline=3 * SECOND)
    assert report.outcomes[0].resting is None
    assert not report.verified_clear
    assert report.ok


@pytest.mark.parametrize(
    "order",
    [
        b'{"id": "65b036df0000000000000001"}',
        b'{"id": "65b036df0000000000000001", "game": {}}',
        b'{"id": "65b036df0000000000000001", "game": {"id": ""}}',
    ],
)
async def test_an_order_that_does_not_say_its_game_leaves_no_game_proved_clear(
    fake_exchange: FakeExchange, orders: Orders, order: bytes
) -> None:
    game = fake_exchange.add_game().game_id
    body = b'{"data": {"unmatched": [' + order + b"]}}"
    fake_exchange.inject(faults.Respond(body), endpoint="getUnmatched", times=None)
    report = await orders.cancel_all_orders_for_games([game], verify=True, deadline=2 * SECOND)
    assert report.outcomes[0].resting is None
    assert not report.verified_clear


@pytest.mark.parametrize(
    ("type_", "may_rest"), [("spread", True), ("Spread", True), (None, True), ("total", False)]
)
async def test_an_order_rests_on_a_market_unless_it_says_that_it_is_on_another(
    fake_exchange: FakeExchange, orders: Orders, type_: str | None, *, may_rest: bool
) -> None:
    game = fake_exchange.add_game().game_id
    quoted = "null" if type_ is None else f'"{type_}"'
    order = f'{{"id": "x", "type": {quoted}, "game": {{"id": "{game.upper()}"}}}}'
    body = f'{{"data": {{"unmatched": [{order}]}}}}'.encode()
    fake_exchange.inject(faults.Respond(body), endpoint="getUnmatched", times=None)
    report = await orders.cancel_all_orders_for_games(
        [GameMarket(game, MarketType.SPREAD)], verify=True, deadline=2 * SECOND
    )
    assert bool(report.outcomes[0].resting) == may_rest
    assert report.verified_clear != may_rest


async def test_orders_on_other_games_and_markets_are_left_alone(
    fake_exchange: FakeExchange, orders: Orders
) -> None:
    game, other = (fake_exchange.add_game(orders=3) for _ in range(2))
    report = await orders.cancel_all_orders_for_games([game.game_id], type="spread", verify=True)
    assert report.verified_clear
    assert len(fake_exchange.open_orders(game.game_id)) == 2
    assert len(fake_exchange.open_orders(other.game_id)) == 3


async def test_a_game_that_the_exchange_refuses_is_proved_clear_by_a_read(orders: Orders) -> None:
    report = await orders.cancel_all_orders_for_games(["f" * 24], verify=True)
    assert report.outcomes[0].status is OutcomeStatus.REFUSED
    assert report.verified_clear
    assert not report.ok


async def test_what_is_said_last_of_an_order_stands(
    fake_exchange: FakeExchange, orders: Orders, transport: Transport
) -> None:
    game = fake_exchange.add_game(orders=1).game_id
    (order,) = fake_exchange.open_orders()
    claim = {"data": [{"success": True, transport.order_id: order.order_id}]}
    fake_exchange.inject(Pretend(json.dumps(claim).encode()), endpoint=transport.game)

    def match() -> None:
        fake_exchange.book.fill(order.order_id, 100.0)

    fake_exchange.inject(Meanwhile(match), endpoint="cancelMultiple")
    report = await orders.cancel_all_orders_for_games([game], verify=True)
    (outcome,) = report.outcomes
    assert outcome.status is OutcomeStatus.PARTIAL
    assert [r.success for r in outcome.results] == [False]
    assert report.verified_clear
    assert not report.ok


async def test_a_cancel_by_id_whose_answer_is_lost_leaves_the_results_incomplete(
    fake_exchange: FakeExchange, orders: Orders
) -> None:
    game = fake_exchange.add_game().game_id

    def place() -> None:
        fake_exchange.book.place(fake_exchange.account, game)

    fake_exchange.inject(Meanwhile(place), endpoint="getUnmatched")
    fake_exchange.inject(faults.Close(committed=True), endpoint="cancelMultiple", times=None)
    report = await orders.cancel_all_orders_for_games([game], verify=True)
    (outcome,) = report.outcomes
    assert (outcome.status, outcome.results, outcome.complete) == ("confirmed", [], False)
    assert report.verified_clear


async def test_results_are_tied_to_the_ids_that_were_asked_for(
    fake_exchange: FakeExchange, orders: Orders
) -> None:
    fake_exchange.add_game(orders=1)
    (order,) = fake_exchange.open_orders()
    ids = [order.order_id, "f" * 24]
    results = await orders.cancel_multiple(ids)
    assert [result.order_id for result in results] == ids
    assert [result.success for result in results] == [True, False]


async def test_an_answer_about_other_orders_is_not_taken(
    fake_exchange: FakeExchange, orders: Orders, transport: Transport
) -> None:
    fake_exchange.add_game(orders=1)
    (order,) = fake_exchange.open_orders()
    stray = {"data": [{"success": True, transport.order_id: "f" * 24}]}
    fake_exchange.inject(Pretend(json.dumps(stray).encode()), endpoint="cancelMultiple")
    (result,) = await orders.cancel_multiple([order.order_id])
    assert result.success
    assert fake_exchange.received("cancelMultiple") == 2


async def test_no_ids_is_no_request(fake_exchange: FakeExchange, orders: Orders) -> None:
    assert await orders.cancel_multiple([]) == []
    assert not fake_exchange.received("cancelMultiple")
