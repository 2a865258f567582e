"""Answers to other requests that fit all the same, and answers that contradict themselves."""

from collections.abc import Mapping
from typing import Any

import orjson
import pytest
from aiohttp import web
from attrs import frozen
from support import quote

from fourcasters_async import (
    ApiError,
    AsyncSession,
    OrderFate,
    OutcomeUnknownError,
    RateLimitedError,
)
from fourcasters_async.orders.verbs import Orders
from fourcasters_async.testing import FakeExchange, faults

NEW, OTHER = "b" * 24, "e" * 24


@frozen
class Instead(faults.Fault):
    """Nothing is done, and this is the answer."""

    document: Mapping[str, Any]
    status: int = 200

    async def __call__(self, call: faults.Call) -> web.StreamResponse:
        body = call.addressed(orjson.dumps(self.document))
        return web.Response(status=self.status, body=body, content_type="application/json")


@frozen
class DataAround(faults.Wrapped):
    """The right answer in the wrapped form, with other data around it."""

    async def __call__(self, call: faults.Call) -> web.StreamResponse:
        answer = await super().__call__(call)
        assert isinstance(answer, web.Response)
        assert isinstance(answer.body, bytes)
        around = {**orjson.loads(answer.body), "data": [{"success": False}]}
        return web.Response(body=orjson.dumps(around))


@pytest.fixture
def game(fake_exchange: FakeExchange) -> str:
    return fake_exchange.add_game().game_id


# Errors that contradict themselves.


@pytest.mark.parametrize("status", [400, 401, 403, 404, 409, 422, 428])
@pytest.mark.parametrize("code", [200, 302, 408, 500, 503])
async def test_a_refusal_with_the_code_of_a_failure_refuses_nothing(
    fake_exchange: FakeExchange, session: AsyncSession, game: str, status: int, code: int
) -> None:
    error = {"error": {"message": "Network Error", "code": code}}
    fake_exchange.inject(Instead(error, status), endpoint="place")
    with pytest.raises(OutcomeUnknownError) as caught:
        await session.place([quote(game)])
    assert type(caught.value.__cause__) is ApiError


@pytest.mark.parametrize("code", [0, 404, 1001, 10404, None])
async def test_a_refusal_with_any_other_code_is_one(
    fake_exchange: FakeExchange, session: AsyncSession, game: str, code: int | None
) -> None:
    error = {"error": {"message": "no", "code": code}}
    fake_exchange.inject(Instead(error, 400), endpoint="place")
    with pytest.raises(ApiError) as caught:
        await session.place([quote(game)])
    assert caught.value.code == code


async def test_a_429_beside_data_refuses_nothing(
    fake_exchange: FakeExchange, session: AsyncSession, game: str
) -> None:
    answer = {"error": "Too many requests", "data": {"createdSessions": []}}
    fake_exchange.inject(Instead(answer, 429), endpoint="place")
    with pytest.raises(OutcomeUnknownError) as caught:
        await session.place([quote(game)])
    assert not isinstance(caught.value.__cause__, RateLimitedError)


@pytest.mark.parametrize(
    "error",
    [
        {"error": {"message": "order not found", "code": "503"}},
        {"error": "order not found", "success": True},
        {"error": "order not found", "data": {}},
    ],
    ids=str,
)
async def test_an_error_beside_what_contradicts_it_refuses_nothing(
    fake_exchange: FakeExchange, orders: Orders, error: dict[str, object]
) -> None:
    fake_exchange.inject(
        Instead(error, 404 if isinstance(orders, AsyncSession) else 200), times=None
    )
    with pytest.raises(OutcomeUnknownError):
        await orders.cancel(OTHER)


async def test_data_around_a_wrapped_answer_contradicts_it(
    fake_exchange: FakeExchange, session: AsyncSession, game: str
) -> None:
    fake_exchange.inject(DataAround(), endpoint="cancelAllByGame", times=None)
    async with session.orders_socket() as orders:
        with pytest.raises(OutcomeUnknownError, match="contradicts"):
            await orders.cancel_all_orders_for_game(game)


@pytest.mark.parametrize("errors", ["it failed", ["it failed"], {"order": "it failed"}], ids=str)
async def test_a_row_with_errors_beside_its_success_is_not_believed(
    fake_exchange: FakeExchange, orders: Orders, errors: object
) -> None:
    rows = [{"success": True, "errors": errors}, {"success": True, "errors": []}]
    fake_exchange.inject(Instead({"data": rows}), times=None)
    with pytest.raises(OutcomeUnknownError, match="error beside a success") as caught:
        await orders.cancel_all_orders()
    assert [row.success for row in caught.value.results][:1] == [True]


async def test_a_code_of_thousands_of_digits_is_an_error_like_another(
    fake_exchange: FakeExchange, orders: Orders, game: str
) -> None:
    fake_exchange.inject(Instead({"data": [], "code": "9" * 5000}), times=None)
    with pytest.raises(OutcomeUnknownError, match="contradicts"):
        await orders.cancel_all_orders()


# Places.


@pytest.mark.parametrize(
    ("result", "mistake"),
    [
        ({"matched": [], "unmatched": {}}, "neither matched nor resting"),
        ({"unmatched": {"orderID": ""}}, "without an id"),
        ({"matched": [{}], "unmatched": {"orderID": " "}}, "without an id"),
    ],
    ids=str,
)
async def test_an_order_that_was_accepted_rests_under_an_id_or_is_matched(
    fake_exchange: FakeExchange,
    orders: Orders,
    game: str,
    result: dict[str, object],
    mistake: str,
) -> None:
    over_rest = isinstance(orders, AsyncSession)
    data = {"createdSessions": [result]} if over_rest else [result]
    fake_exchange.inject(Instead({"data": data}))
    with pytest.raises(OutcomeUnknownError, match=mistake):
        await orders.place([quote(game)])


async def test_over_http_the_reference_of_another_own_order_is_not_one_that_is_cut_short(
    fake_exchange: FakeExchange, session: AsyncSession, game: str
) -> None:
    await session.place([quote(game, "mine-1")])
    row = {"unmatched": {"orderID": NEW, "userReference": "MINE-1"}}
    fake_exchange.inject(Instead({"data": {"createdSessions": [row]}}), endpoint="place")
    with pytest.raises(OutcomeUnknownError, match="about 'MINE-1' where"):
        await session.place([quote(game, "mine-12")])


async def test_a_place_whose_answer_makes_the_library_fail_is_unknown_and_undecided(
    fake_exchange: FakeExchange,
    session: AsyncSession,
    game: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr("fourcasters_async._http.client.classify", fail)
    with pytest.raises(OutcomeUnknownError, match="failed after it left") as caught:
        await session.place([quote(game)])
    monkeypatch.undo()
    assert [order.game_id for order in caught.value.orders] == [game]
    assert isinstance(caught.value.__cause__, ZeroDivisionError)
    assert len(session._gate.undecided()) == 1


async def test_a_reference_that_was_not_found_decides_no_place(
    fake_exchange: FakeExchange, session: AsyncSession, game: str
) -> None:
    fake_exchange.inject(faults.Late(5.0, answered=False), endpoint="place")
    with pytest.raises(OutcomeUnknownError) as caught:
        await session.place([quote(game)], deadline=1.0)
    reference = str(caught.value.orders[0].user_reference)
    row = {"success": False, "reason": "order not found", "userReference": reference}
    fake_exchange.inject(Instead({"data": [row]}), endpoint="cancelByReference")
    await session.cancel_by_reference(game, [reference])
    report = await session.cancel_all_orders_for_games([game], verify=True, deadline=1.0)
    assert [order.user_reference for order in report.undecided] == [reference]
    assert not report.verified_clear


# Edits.


@pytest.mark.parametrize("part", ["matched", "unmatched"])
async def test_an_edit_that_names_another_reference_is_unknown_and_keeps_what_was_said(
    fake_exchange: FakeExchange, session: AsyncSession, game: str, part: str
) -> None:
    order = fake_exchange.book.place(fake_exchange.account, game)
    told = {"orderID": NEW, "userReference": "of-another"}
    answer = {"cancelled": {"success": True}, part: [told] if part == "matched" else told}
    fake_exchange.inject(Instead({"data": answer}), endpoint="editOrder")
    with pytest.raises(OutcomeUnknownError, match="about 'of-another' where 'mine'") as caught:
        await session.edit_order(
            order.order_id, order_odds=120, order_volume=50.0, user_reference="mine"
        )
    assert len(caught.value.answer or ()) == 1


@pytest.mark.parametrize("reference", [None, "", "MINE/1", "mine"])
async def test_an_edit_may_leave_its_reference_out_or_cut_it_short(
    fake_exchange: FakeExchange, session: AsyncSession, game: str, reference: str | None
) -> None:
    order = fake_exchange.book.place(fake_exchange.account, game)
    told = {"orderID": NEW, "userReference": reference}
    fake_exchange.inject(Instead({"data": {"unmatched": told}}), endpoint="editOrder")
    result = await session.edit_order(
        order.order_id, order_odds=120, order_volume=50.0, user_reference="mine/1"
    )
    assert result.order_id == NEW


# Reads that decide.


@pytest.mark.parametrize("other", ["matched", "graded"])
async def test_the_orders_of_one_game_are_no_proof_that_nothing_is_open(
    fake_exchange: FakeExchange, session: AsyncSession, other: str
) -> None:
    game = fake_exchange.add_game(orders=1).game_id
    fake_exchange.inject(Instead({"data": []}), endpoint="cancelAllOrdersForGame")
    selection: dict[str, object] = {"data": {"unmatched": [], other: []}}
    fake_exchange.inject(Instead(selection), endpoint="getUnmatched")
    report = await session.cancel_all_orders_for_games([game], verify=True)
    assert report.verified_clear
    assert fake_exchange.open_orders() == []


async def test_the_state_of_another_order_is_asked_for_again(
    fake_exchange: FakeExchange, session: AsyncSession, game: str
) -> None:
    order = fake_exchange.book.place(fake_exchange.account, game)
    other = {"data": {"order": {"id": OTHER, "cancelled": True}}}
    fake_exchange.inject(Instead(other), endpoint="lookupOrder")
    detail = await session.lookup_order(order.order_id)
    assert (detail.order_id, detail.cancelled) == (order.order_id, False)


@pytest.mark.parametrize("state", ["unmatched", "matched", "graded"])
async def test_bets_with_another_reference_decide_no_order(
    fake_exchange: FakeExchange, session: AsyncSession, game: str, state: str
) -> None:
    found: dict[str, object] = {"unmatched": [], "matched": [], "graded": []}
    found[state] = [{"id": OTHER, "userReference": "of-another"}]
    fake_exchange.inject(Instead({"data": found}), endpoint="getBetByUserReference")
    (order,) = await session.reconcile([quote(game, "mine")], deadline=1.0)
    assert order.fate is OrderFate.UNDECIDED
