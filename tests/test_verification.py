"""verify=True: an answer proves what was asked, a read proves what is true."""

import asyncio
import json
from collections.abc import Callable

import pytest
from aiohttp import web
from attrs import field, frozen
from support import SECOND, Transport, quote

from fourcasters_async import (
    AsyncSession,
    GameMarket,
    HaltedError,
    MarketType,
    OrdersNotCancelledError,
    OutcomeStatus,
    OutcomeUnknownError,
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


# Places of the session's own.


async def test_an_own_place_in_flight_is_waited_for_inside_the_deadline(
    fake_exchange: FakeExchange, session: AsyncSession, orders: Orders, transport: Transport
) -> None:
    game = fake_exchange.add_game(orders=1).game_id
    fake_exchange.inject(faults.Slow(0.3 * SECOND), endpoint=transport.place)
    placing = asyncio.create_task(orders.place([quote(game)]))
    await fake_exchange.wait_for(transport.place)
    report = await session.cancel_all_orders_for_games([game], verify=True, deadline=2 * SECOND)
    assert placing.done()
    assert report.verified_clear
    assert not fake_exchange.open_orders()


async def test_an_own_place_that_is_not_answered_inside_the_deadline_is_named_and_nothing_is_clear(
    fake_exchange: FakeExchange, session: AsyncSession, orders: Orders, transport: Transport
) -> None:
    game = fake_exchange.add_game(orders=1).game_id
    fake_exchange.inject(faults.Slow(SECOND), endpoint=transport.place)
    placing = asyncio.create_task(orders.place([quote(game, "mine")]))
    await fake_exchange.wait_for(transport.place)
    report = await session.cancel_all_orders_for_games([game], verify=True, deadline=0.5 * SECOND)
    assert not report.verified_clear
    assert [order.user_reference for order in report.undecided] == ["mine"]
    await placing


async def test_an_own_place_on_another_game_is_not_waited_for(
    fake_exchange: FakeExchange, session: AsyncSession, orders: Orders, transport: Transport
) -> None:
    game, other = (fake_exchange.add_game(orders=1).game_id for _ in range(2))
    fake_exchange.inject(faults.Slow(0.3 * SECOND), endpoint=transport.place)
    placing = asyncio.create_task(orders.place([quote(other)]))
    await fake_exchange.wait_for(transport.place)
    report = await session.cancel_all_orders_for_games([game], verify=True)
    assert report.verified_clear
    assert not placing.done()
    await placing


async def test_of_two_games_the_one_without_an_undecided_place_is_proved_clear(
    fake_exchange: FakeExchange, session: AsyncSession, orders: Orders, transport: Transport
) -> None:
    game, other = (fake_exchange.add_game(orders=1).game_id for _ in range(2))
    fake_exchange.inject(faults.Close(), endpoint=transport.place)
    with pytest.raises(OutcomeUnknownError):
        await orders.place([quote(other, "mine")])
    report = await session.cancel_all_orders_for_games(
        [game, other], verify=True, deadline=0.5 * SECOND
    )
    assert [outcome.resting for outcome in report.outcomes] == [[], None]
    assert "1 verified clear" in str(report)


async def test_a_game_on_which_something_is_placed_after_its_proof_is_not_reported_clear(
    fake_exchange: FakeExchange, session: AsyncSession, orders: Orders, transport: Transport
) -> None:
    proved, other = (fake_exchange.add_game().game_id for _ in range(2))
    fake_exchange.inject(faults.Close(), endpoint=transport.place)
    with pytest.raises(OutcomeUnknownError):
        await orders.place([quote(other, "mine")])
    placing: list[asyncio.Task[object]] = []

    def place() -> None:
        placing.append(asyncio.ensure_future(orders.place([quote(proved)])))

    fake_exchange.inject(faults.Stall(), endpoint="getUnmatched", after=1, times=None)
    cancelling = asyncio.create_task(
        session.cancel_all_orders_for_games([proved, other], verify=True, deadline=SECOND)
    )
    # The second read stalls: the first has proved one of the games.
    await fake_exchange.wait_for("getUnmatched", 2)
    place()
    report = await cancelling
    assert report.outcomes[0].resting is None
    await asyncio.wait(placing)


# Games that hang, and the time that is kept for the proof.


async def test_one_game_that_hangs_costs_no_other_its_proof(
    fake_exchange: FakeExchange, orders: Orders, transport: Transport
) -> None:
    games = [fake_exchange.add_game(orders=1).game_id for _ in range(100)]
    fake_exchange.inject(faults.Stall(), endpoint=transport.game, game_id=games[0], times=None)
    report = await orders.cancel_all_orders_for_games(games, deadline=2 * SECOND, verify=True)
    assert report.outcomes[0].status is OutcomeStatus.UNKNOWN
    assert len(report.confirmed) == 99
    assert report.verified_clear
    assert report.elapsed <= 2 * SECOND


async def test_one_lost_request_of_a_hundred_is_tried_again_and_confirmed(
    fake_exchange: FakeExchange, orders: Orders, transport: Transport
) -> None:
    games = [fake_exchange.add_game(orders=1).game_id for _ in range(100)]
    fake_exchange.inject(faults.Stall(), endpoint=transport.game, game_id=games[0])
    report = await orders.cancel_all_orders_for_games(games, deadline=2 * SECOND, verify=True)
    assert report.ok
    assert report.verified_clear
    assert report.outcomes[0].attempts == 2


async def test_a_cancel_by_id_that_is_never_answered_leaves_time_for_the_proof(
    fake_exchange: FakeExchange, transport: Transport
) -> None:
    game = fake_exchange.add_game(orders=2).game_id
    fake_exchange.inject(Pretend(b'{"data": []}'), endpoint=transport.game)
    fake_exchange.inject(faults.Stall(committed=True), endpoint="cancelMultiple", times=None)
    async with (
        AsyncSession(
            fake_exchange.token, base_url=fake_exchange.url, orders_url=fake_exchange.orders_url
        ) as session,
        transport.open(session) as orders,
    ):
        report = await orders.cancel_all_orders_for_games([game], deadline=2 * SECOND, verify=True)
    assert report.verified_clear


async def test_a_read_that_hangs_leaves_time_for_another(
    fake_exchange: FakeExchange, orders: Orders
) -> None:
    game = fake_exchange.add_game(orders=2).game_id
    fake_exchange.inject(faults.Stall(), endpoint="getUnmatched")
    report = await orders.cancel_all_orders_for_games([game], deadline=2 * SECOND, verify=True)
    assert report.verified_clear


# Reads that trail the book.


async def test_a_read_that_lacks_an_order_acknowledged_a_moment_ago_is_not_believed(
    fake_exchange: FakeExchange, session: AsyncSession, orders: Orders, transport: Transport
) -> None:
    game = fake_exchange.add_game().game_id
    fake_exchange.appear_lag = 0.4
    fake_exchange.inject(Pretend(b'{"data": []}'), endpoint=transport.game)
    await orders.place([quote(game)])
    report = await orders.cancel_all_orders_for_games([game], verify=True)
    assert report.verified_clear
    assert not fake_exchange.open_orders()


async def test_a_failed_cancel_of_an_order_is_no_reason_to_believe_a_read_without_it(
    fake_exchange: FakeExchange, orders: Orders, transport: Transport
) -> None:
    game = fake_exchange.add_game().game_id
    fake_exchange.appear_lag = 0.4
    (placed,) = await orders.place([quote(game)])
    busy = {"success": False, transport.order_id: placed.order_id, "reason": "try again later"}
    body = json.dumps({"data": [busy]}).encode()
    fake_exchange.inject(Pretend(body), endpoint=transport.game)
    report = await orders.cancel_all_orders_for_games([game], verify=True)
    assert report.verified_clear
    assert not fake_exchange.open_orders()


async def test_an_order_that_an_answer_has_closed_needs_no_second_read(
    fake_exchange: FakeExchange, orders: Orders
) -> None:
    game = fake_exchange.add_game().game_id
    await orders.place([quote(game)])
    report = await orders.cancel_all_orders_for_games([game], verify=True)
    assert report.verified_clear
    assert fake_exchange.received("getUnmatched") == 1


async def test_an_order_that_was_filled_at_once_is_read_again_and_then_it_is_clear(
    fake_exchange: FakeExchange, orders: Orders
) -> None:
    game = fake_exchange.add_game().game_id
    (placed,) = await orders.place([quote(game)])
    fake_exchange.book.fill(placed.order_id or "", 50.0)
    report = await orders.cancel_all_orders_for_games([game], verify=True)
    assert report.verified_clear


async def test_a_read_that_still_shows_cancelled_orders_turns_no_success_into_a_failure(
    fake_exchange: FakeExchange, orders: Orders
) -> None:
    game = fake_exchange.add_game(orders=3).game_id
    fake_exchange.vanish_lag = 0.3
    await asyncio.sleep(0.4)
    report = await orders.cancel_all_orders_for_games([game], verify=True)
    assert report.ok
    assert report.verified_clear
    assert [(result.success, result.remaining) for result in report.results] == [(True, 100.0)] * 3


async def test_a_read_that_lags_whatever_it_shows_ends_clear(
    fake_exchange: FakeExchange, orders: Orders
) -> None:
    game = fake_exchange.add_game(orders=3).game_id
    fake_exchange.read_lag = 0.4
    await orders.place([quote(game)])
    report = await orders.cancel_all_orders_for_games([game], verify=True)
    assert report.ok
    assert report.verified_clear
    assert not fake_exchange.open_orders()


# Reads that are shared.


@pytest.mark.virtual_time
async def test_a_hundred_callers_who_verify_at_once_share_a_few_reads(
    fake_exchange: FakeExchange, orders: Orders
) -> None:
    fake_exchange.latency = 0.02
    games = [fake_exchange.add_game(orders=1).game_id for _ in range(100)]
    reports = await asyncio.gather(
        *[orders.cancel_all_orders_for_games([game], verify=True) for game in games]
    )
    assert all(report.verified_clear for report in reports)
    assert fake_exchange.received("getUnmatched") <= 3


async def test_who_asks_while_a_read_is_under_way_gets_one_that_began_later(
    fake_exchange: FakeExchange, orders: Orders
) -> None:
    first, second = (fake_exchange.add_game(orders=1).game_id for _ in range(2))
    fake_exchange.inject(faults.Slow(0.1), endpoint="getUnmatched")
    earlier = asyncio.create_task(orders.cancel_all_orders_for_games([first], verify=True))
    await fake_exchange.wait_for("getUnmatched")
    later = await orders.cancel_all_orders_for_games([second], verify=True)
    assert later.verified_clear
    assert (await earlier).verified_clear
    assert fake_exchange.received("getUnmatched") == 2


async def test_a_caller_who_gives_up_takes_no_read_from_the_others(
    fake_exchange: FakeExchange, orders: Orders
) -> None:
    games = [fake_exchange.add_game(orders=1).game_id for _ in range(2)]
    fake_exchange.inject(faults.Slow(0.2), endpoint="getUnmatched")
    one, other = (
        asyncio.create_task(orders.cancel_all_orders_for_games([game], verify=True))
        for game in games
    )
    await fake_exchange.wait_for("getUnmatched")
    one.cancel()
    assert (await other).verified_clear
    with pytest.raises(asyncio.CancelledError):
        await one


# Reads that are cut short.


@pytest.mark.parametrize(
    "sign",
    [
        {"hasMore": True},
        {"total": 1},
        {"next": "https://example.com/2"},
        {"next": 2},
        {"nextCursor": "abc"},
    ],
    ids=str,
)
async def test_a_read_that_is_cut_short_proves_nothing(
    fake_exchange: FakeExchange, orders: Orders, sign: dict[str, object]
) -> None:
    game = fake_exchange.add_game(orders=1).game_id
    body = json.dumps({"data": {"unmatched": [], **sign}}).encode()
    fake_exchange.inject(faults.Respond(body), endpoint="getUnmatched", times=None)
    report = await orders.cancel_all_orders_for_games([game], verify=True, deadline=SECOND)
    assert report.outcomes[0].resting is None


@pytest.mark.parametrize("sign", [{"hasMore": False}, {"total": 0}, {"next": None}], ids=str)
async def test_a_read_that_says_that_it_is_whole_is_proof(
    fake_exchange: FakeExchange, orders: Orders, sign: dict[str, object]
) -> None:
    game = fake_exchange.add_game(orders=1).game_id
    body = json.dumps({"data": {"unmatched": [], **sign}}).encode()
    fake_exchange.inject(faults.Respond(body), endpoint="getUnmatched", times=None)
    report = await orders.cancel_all_orders_for_games([game], verify=True)
    assert report.verified_clear


# More orders than fit in one request.


async def test_when_the_second_thousand_ids_fail_the_successes_of_the_first_are_kept(
    fake_exchange: FakeExchange, orders: Orders, transport: Transport
) -> None:
    game = fake_exchange.add_game(orders=1200).game_id
    fake_exchange.inject(Pretend(b'{"data": []}'), endpoint=transport.game)
    lost = faults.Unavailable(committed=True)
    fake_exchange.inject(lost, endpoint="cancelMultiple", after=1, times=None)
    report = await orders.cancel_all_orders_for_games([game], verify=True)
    (outcome,) = report.outcomes
    assert sum(result.success for result in outcome.results) == 1000
    assert not outcome.complete
    assert report.verified_clear


# Periods.


async def test_periods_of_a_game_are_cancelled_and_proved_with_it(
    fake_exchange: FakeExchange, orders: Orders
) -> None:
    game = fake_exchange.add_game(orders=1)
    period = fake_exchange.add_game(orders=2, parent=game)
    other = fake_exchange.add_game(orders=1)
    report = await orders.cancel_all_orders_for_games([game.game_id], periods=True)
    assert report.verified_clear
    assert len(report.results) == 3
    assert not fake_exchange.open_orders(period.game_id)
    assert len(fake_exchange.open_orders(other.game_id)) == 1


async def test_periods_are_left_alone_without_that(
    fake_exchange: FakeExchange, orders: Orders
) -> None:
    game = fake_exchange.add_game(orders=1)
    period = fake_exchange.add_game(orders=2, parent=game)
    report = await orders.cancel_all_orders_for_games([game.game_id], verify=True)
    assert report.verified_clear
    assert len(fake_exchange.open_orders(period.game_id)) == 2


async def test_a_halt_takes_the_periods_that_open_orders_name(
    fake_exchange: FakeExchange, session: AsyncSession, orders: Orders
) -> None:
    game = fake_exchange.add_game(orders=1)
    period = fake_exchange.add_game(orders=2, parent=game)
    report = await session.halt([game.game_id], periods=True)
    assert report.verified_clear
    assert not fake_exchange.open_orders()
    with pytest.raises(HaltedError):
        await orders.place([quote(period.game_id)])


async def test_a_place_in_flight_on_a_period_that_open_orders_name_is_waited_for(
    fake_exchange: FakeExchange, session: AsyncSession, orders: Orders, transport: Transport
) -> None:
    game = fake_exchange.add_game(orders=1)
    period = fake_exchange.add_game(orders=2, parent=game)
    fake_exchange.inject(faults.Slow(0.5 * SECOND), endpoint=transport.place)
    placing = asyncio.create_task(orders.place([quote(period.game_id)]))
    await fake_exchange.wait_for(transport.place)
    report = await session.halt([game.game_id], periods=True)
    assert report.verified_clear
    assert placing.done()
    assert not fake_exchange.open_orders()
    await placing


async def test_a_period_that_was_named_once_is_halted_from_the_call_on(
    fake_exchange: FakeExchange, session: AsyncSession, orders: Orders
) -> None:
    game = fake_exchange.add_game(orders=1)
    period = fake_exchange.add_game(orders=2, parent=game)
    await session.halt([game.game_id], periods=True)
    session.resume()
    halting = session.halt([game.game_id], periods=True)
    with pytest.raises(HaltedError):
        await orders.place([quote(period.game_id)])
    await halting


async def test_periods_that_were_halted_with_a_game_are_resumed_with_it(
    fake_exchange: FakeExchange, session: AsyncSession, orders: Orders
) -> None:
    game = fake_exchange.add_game(orders=1)
    period = fake_exchange.add_game(orders=2, parent=game)
    await session.halt([game.game_id], periods=True)
    session.resume([game.game_id])
    assert (await orders.place([quote(period.game_id)]))[0].success
