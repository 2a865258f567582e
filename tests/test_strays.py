"""Answers that name other games or orders than were asked for, and results in any order."""

import json
from collections.abc import Callable, Sequence
from typing import Any

import aiohttp
import pytest
from aiohttp import web
from attrs import define, evolve, field
from hypothesis import given
from hypothesis import strategies as st
from support import CANARY, QUICK, REFERENCE, REST, Transport, everything_shown_of, quote

from fourcasters_async import (
    AsyncSession,
    CancelResult,
    CancelResults,
    OrdersSocket,
    OutcomeStatus,
    OutcomeUnknownError,
)
from fourcasters_async.orders.answers import results_by_id
from fourcasters_async.orders.verbs import Orders
from fourcasters_async.testing import FakeExchange, faults, strategies

OTHER = "e" * 24


@define
class AboutAnotherGame(faults.Fault):
    """What is asked is done or not, and the results name another game."""

    committed: bool = True
    connections: list[object] = field(factory=list)

    async def __call__(self, call: faults.Call) -> web.StreamResponse:
        self.connections.append(call.request.transport)
        rows = json.loads(call.commit().content())["data"] if self.committed else []
        named = [row | {"gameID": OTHER} for row in rows]
        named = named or [{"success": True, "gameID": OTHER}]
        return web.Response(body=call.addressed(json.dumps({"data": named}).encode()))


@define
class Noted(faults.Fault):
    """No fault: the right answer, and a note of its connection."""

    connections: list[object] = field(factory=list)

    async def __call__(self, call: faults.Call) -> web.StreamResponse:
        self.connections.append(call.request.transport)
        return faults.respond(call.commit())


CancelOn = Callable[[AsyncSession, str], Any]
ON_A_GAME: list[tuple[str, CancelOn]] = [
    ("cancelAllOrdersForGame", lambda s, game: s.cancel_all_orders_for_game(game)),
    ("cancelByReference", lambda s, game: s.cancel_by_reference(game, [REFERENCE])),
]


@pytest.mark.parametrize(("endpoint", "cancel"), ON_A_GAME)
async def test_over_http_an_answer_about_another_game_is_asked_once_more_on_its_own_connection(
    fake_exchange: FakeExchange, session: AsyncSession, endpoint: str, cancel: CancelOn
) -> None:
    game = fake_exchange.add_game().game_id
    stray, right = AboutAnotherGame(committed=False), Noted()
    order = fake_exchange.book.place(fake_exchange.account, game, user_reference=REFERENCE)
    fake_exchange.inject(stray, endpoint=endpoint)
    fake_exchange.inject(right, endpoint=endpoint, after=1)
    results = await cancel(session, game)
    assert [result.order_id for result in results] == [order.order_id]
    assert (results.complete, results.attempts) == (False, 2)
    assert not set(stray.connections) & set(right.connections)


@pytest.mark.parametrize(("endpoint", "cancel"), ON_A_GAME)
async def test_over_http_what_is_said_on_a_connection_of_its_own_is_the_exchanges_word(
    fake_exchange: FakeExchange, session: AsyncSession, endpoint: str, cancel: CancelOn
) -> None:
    game = fake_exchange.add_game().game_id
    fake_exchange.inject(AboutAnotherGame(committed=False), endpoint=endpoint, times=None)
    results = await cancel(session, game)
    assert [result.game_id for result in results] == [OTHER]
    assert fake_exchange.received(endpoint) == 2


async def test_a_game_with_orders_on_its_periods_alone_is_confirmed(
    fake_exchange: FakeExchange, orders: Orders, transport: Transport
) -> None:
    game = fake_exchange.add_game().game_id
    fake_exchange.inject(AboutAnotherGame(), endpoint=transport.game, times=None)
    (outcome,) = (await orders.cancel_all_orders_for_games([game])).outcomes
    asked = 2 if transport is REST else 1
    assert (outcome.status, outcome.attempts) == (OutcomeStatus.CONFIRMED, asked)
    assert outcome.complete is (asked == 1)


async def test_over_the_websocket_the_request_id_proves_whose_answer_it_is(
    fake_exchange: FakeExchange, session: AsyncSession
) -> None:
    game = fake_exchange.add_game(orders=2).game_id
    fake_exchange.inject(AboutAnotherGame(), endpoint="cancelAllByGame")
    async with session.orders_socket() as orders:
        results = await orders.cancel_all_orders_for_game(game)
    assert [result.game_id for result in results] == [OTHER] * 2
    assert (results.complete, results.attempts) == (True, 1)


async def test_an_answer_that_names_the_game_among_others_is_not_asked_for_again(
    fake_exchange: FakeExchange, orders: Orders, transport: Transport
) -> None:
    game = fake_exchange.add_game().game_id
    rows = [{"success": True, "gameID": OTHER}, {"success": True, "gameID": game.upper()}]
    body = json.dumps({"data": rows}).encode()
    fake_exchange.inject(faults.Respond(body), endpoint=transport.game)
    assert len(await orders.cancel_all_orders_for_game(game)) == 2


async def test_a_connection_of_the_callers_client_proves_nothing(
    fake_exchange: FakeExchange,
) -> None:
    game = fake_exchange.add_game().game_id
    fake_exchange.inject(AboutAnotherGame(), times=None)
    async with (
        aiohttp.ClientSession() as client,
        AsyncSession(
            fake_exchange.token, base_url=fake_exchange.url, client_session=client, retry=QUICK
        ) as session,
    ):
        with pytest.raises(OutcomeUnknownError, match=f"about game {OTHER} where {game}"):
            await session.cancel_all_orders_for_game(game)


async def test_without_another_attempt_an_answer_about_another_game_is_unknown(
    fake_exchange: FakeExchange,
) -> None:
    game = fake_exchange.add_game().game_id
    fake_exchange.inject(AboutAnotherGame(), times=None)
    once = evolve(QUICK, max_attempts=1)
    async with AsyncSession(fake_exchange.token, base_url=fake_exchange.url, retry=once) as session:
        (outcome,) = (await session.cancel_all_orders_for_games([game])).outcomes
    assert outcome.status is OutcomeStatus.UNKNOWN


async def test_a_result_about_another_order_is_never_that_of_the_order(
    fake_exchange: FakeExchange, orders: Orders, transport: Transport
) -> None:
    fake_exchange.add_game(orders=1)
    (order,) = fake_exchange.open_orders()
    row = {"success": True, transport.order_id: OTHER}
    over_socket = isinstance(orders, OrdersSocket)
    stray = faults.Respond(json.dumps({"data": [row] if over_socket else row}).encode())
    endpoint = "cancelById" if over_socket else "cancel"
    fake_exchange.inject(stray, endpoint=endpoint, times=None)
    with pytest.raises(OutcomeUnknownError, match="about order"):
        await orders.cancel(order.order_id)


# Results by id.


@define
class Rows(faults.Fault):
    """The right answer, with its rows changed."""

    change: Callable[[list[dict[str, Any]]], list[dict[str, Any]]]

    async def __call__(self, call: faults.Call) -> web.StreamResponse:
        document = json.loads(call.commit().content())
        document["data"] = self.change(document["data"])
        return web.Response(body=json.dumps(document).encode())


def anonymous(row: dict[str, Any]) -> dict[str, Any]:
    return {"success": row["success"]}


def in_capitals(row: dict[str, Any]) -> dict[str, Any]:
    ids = {key: row[key].upper() for key in ("sessionID", "orderID") if key in row}
    return row | ids


MATCHING: list[Callable[[list[dict[str, Any]]], list[dict[str, Any]]]] = [
    lambda rows: rows,
    lambda rows: rows[::-1],
    lambda rows: [*map(in_capitals, rows)],
    lambda rows: [*map(anonymous, rows)],
    lambda rows: [rows[0], anonymous(rows[1]), rows[2]],
    lambda rows: [*rows, *rows],
    lambda rows: [*rows, {**rows[0], "sessionID": OTHER, "orderID": OTHER}],
]


@pytest.mark.parametrize("change", MATCHING)
async def test_each_id_has_its_result_whatever_the_order_of_the_answer(
    fake_exchange: FakeExchange,
    orders: Orders,
    change: Callable[[list[dict[str, Any]]], list[dict[str, Any]]],
) -> None:
    game = fake_exchange.add_game(orders=3).game_id
    ids = [order.order_id for order in fake_exchange.open_orders(game)]
    fake_exchange.book.fill(ids[1], 1000.0)
    fake_exchange.inject(Rows(change), endpoint="cancelMultiple")
    results = await orders.cancel_multiple(ids)
    assert [(r.order_id, r.success) for r in results] == [
        (ids[0], True),
        (ids[1], False),
        (ids[2], True),
    ]
    assert (results.complete, fake_exchange.received("cancelMultiple")) == (True, 1)


MISSING: list[tuple[Callable[[list[dict[str, Any]]], list[dict[str, Any]]], list[int]]] = [
    (lambda rows: rows[1:], [1, 2]),
    (lambda rows: [rows[2]], [2]),
    (lambda _: [], []),
    (lambda rows: [rows[2], anonymous(rows[1]), rows[0]], [0, 2]),
    (lambda rows: [anonymous(rows[0]), rows[1]], [1]),
    (lambda rows: [{**row, "sessionID": OTHER, "orderID": OTHER} for row in rows], []),
]


@pytest.mark.parametrize(("change", "known"), MISSING)
async def test_without_a_result_for_some_id_the_outcome_is_unknown_and_the_others_are_kept(
    fake_exchange: FakeExchange,
    orders: Orders,
    change: Callable[[list[dict[str, Any]]], list[dict[str, Any]]],
    known: list[int],
) -> None:
    game = fake_exchange.add_game(orders=3).game_id
    ids = [order.order_id for order in fake_exchange.open_orders(game)]
    fake_exchange.inject(Rows(change), endpoint="cancelMultiple", times=None)
    with pytest.raises(OutcomeUnknownError) as caught:
        await orders.cancel_multiple(ids)
    kept = [(result.order_id, result.success) for result in caught.value.results]
    assert kept == [(ids[index], True) for index in known]


async def test_an_id_that_is_given_twice_is_sent_once_and_has_a_result_each_time(
    fake_exchange: FakeExchange, orders: Orders
) -> None:
    game = fake_exchange.add_game(orders=2).game_id
    first, second = (order.order_id for order in fake_exchange.open_orders(game))
    given = [first, second, first.upper(), second, first]
    results = await orders.cancel_multiple(given)
    assert [(r.order_id, r.success) for r in results] == [(each, True) for each in given]
    assert len({id(result) for result in results}) == len(given)
    body = json.loads(fake_exchange.requests[-1].content)
    assert (body.get("sessionIDs") or body.get("orderIDs")) == [first, second]


async def test_a_reference_that_is_given_twice_is_sent_once(
    fake_exchange: FakeExchange, session: AsyncSession
) -> None:
    game = fake_exchange.add_game().game_id
    await session.cancel_by_reference(game, ["b", "a", "b", "B"])
    assert json.loads(fake_exchange.requests[-1].content)["userReferences"] == ["b", "a", "B"]


async def test_a_league_that_is_not_acknowledged_is_unknown(
    fake_exchange: FakeExchange, session: AsyncSession
) -> None:
    fake_exchange.inject(faults.Respond(b'{"data": {"ordersReceived": false}}'), times=None)
    with pytest.raises(OutcomeUnknownError, match="not acknowledged"):
        await session.cancel_all_for_league("NBA")


IDS = st.lists(strategies.ids(), unique=True, min_size=1, max_size=6)


def row_of(order_id: str | None, *, success: bool, reason: str | None = None) -> CancelResult:
    return CancelResult(success, reason, order_id)


@given(ids=IDS, data=st.data())
def test_named_results_belong_to_their_ids_in_any_order_and_case_and_however_often(
    ids: list[str], data: st.DataObject
) -> None:
    wins = data.draw(st.lists(st.booleans(), min_size=len(ids), max_size=len(ids)))
    answered = data.draw(st.lists(st.sampled_from(range(len(ids))), max_size=12))
    rows = [
        row_of(data.draw(st.sampled_from([ids[i], ids[i].upper()])), success=wins[i])
        for i in answered
    ]
    rows += [row_of("f" * 25, success=True)] * data.draw(st.integers(0, 2))
    matched = results_by_id(ids, data.draw(st.permutations(rows)))
    expected = [wins[i] if i in answered else None for i in range(len(ids))]
    assert [None if each is None else each.success for each in matched] == expected


@given(ids=IDS, data=st.data())
def test_results_without_ids_belong_to_the_ids_at_their_places_where_all_stand_at_theirs(
    ids: list[str], data: st.DataObject
) -> None:
    rows: Sequence[CancelResult | None] = [
        data.draw(
            st.sampled_from(
                [
                    row_of(i, success=True),
                    row_of(None, success=True),
                    row_of("", success=True),
                    None,
                ]
            )
        )
        for i in ids
    ]
    assert results_by_id(ids, rows) == list(rows)


@given(ids=IDS, data=st.data())
def test_a_result_without_an_id_is_never_that_of_an_order_where_places_mean_nothing(
    ids: list[str], data: st.DataObject
) -> None:
    # A row too many, or one that names the id of another place.
    named = data.draw(st.sampled_from(["f" * 25, *ids[1:]]))
    rows = [row_of(named, success=True), *[row_of(None, success=True) for _ in ids[1:]]]
    matched = results_by_id(ids, rows)
    assert [i for i, each in zip(ids, matched, strict=True) if each is not None] == [
        i for i in ids if i == named
    ]


@given(order_id=IDS.map(lambda ids: ids[0]))
def test_already_cancelled_does_not_undo_a_success_in_the_same_answer(order_id: str) -> None:
    rows = [
        row_of(order_id, success=True),
        row_of(order_id, success=False, reason="Order already cancelled"),
    ]
    (result,) = results_by_id([order_id], rows)
    assert result is rows[0]


def test_no_ids_have_no_results() -> None:
    assert results_by_id([], []) == CancelResults()


async def test_a_secret_in_the_place_of_a_game_is_not_shown(canary: FakeExchange) -> None:
    game = canary.add_game().game_id
    rows = [{"success": True, "gameID": CANARY}]
    canary.inject(faults.Respond(json.dumps({"data": rows}).encode()), times=None)
    once = evolve(QUICK, max_attempts=1)
    async with AsyncSession(CANARY, base_url=canary.url, retry=once) as session:
        with pytest.raises(OutcomeUnknownError, match="was asked for") as caught:
            await session.cancel_all_orders_for_game(game)
    assert not [text for text in everything_shown_of(caught.value) if CANARY in text]


async def test_a_secret_in_an_answer_to_a_place_is_not_shown(canary: FakeExchange) -> None:
    game = canary.add_game().game_id
    offer = {"unmatched": {"orderID": OTHER, "userReference": CANARY, "side": CANARY}}
    odd = {"data": {"createdSessions": [offer, {"error": CANARY}, {}]}}
    canary.inject(faults.Respond(json.dumps(odd).encode()))
    async with AsyncSession(CANARY, base_url=canary.url, retry=QUICK) as session:
        with pytest.raises(OutcomeUnknownError) as caught:
            await session.place([quote(game)] * 3)
    assert [each and each.order_id for each in caught.value.answer or ()] == [OTHER, None, None]
    assert not [text for text in everything_shown_of(caught.value) if CANARY in text]
