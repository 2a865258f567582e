"""What the strategies draw is what their docstrings promise."""

import importlib
import json
import math
import re
import sys
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from fourcasters_async import (
    AsyncSession,
    FourcastersError,
    Game,
    MarketType,
    NewOrder,
    OpenOrder,
    PlaceErrorType,
)
from fourcasters_async._core.outcome import AttemptStatus
from fourcasters_async._core.request import Kind, Request
from fourcasters_async._http.response import Response
from fourcasters_async._http.response import classify as classify_response
from fourcasters_async._websocket.frames import classify
from fourcasters_async.models import CancelResult
from fourcasters_async.testing import FakeExchange, faults, strategies

ID = re.compile(r"[0-9a-f]{24}")
CANCEL: Request[Any] = Request("cancel", list[CancelResult], Kind.CANCEL)
ON_A_LIVE_EXCHANGE = settings(
    max_examples=20,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)


@given(strategies.ids(), strategies.odds(), strategies.odds(longest=150), strategies.amounts())
def test_ids_odds_and_amounts_are_such_as_the_exchange_takes(
    drawn: str, odds: int, near: int, amount: float
) -> None:
    assert ID.fullmatch(drawn)
    assert 100 <= abs(odds) <= 100_000
    assert 100 <= abs(near) <= 150
    assert 1.0 <= amount <= 10_000.0
    assert amount == round(amount, 2)


@given(st.integers(0, 10_000), st.integers(0, 10_000), st.data())
def test_the_bounds_of_an_amount_are_cents_that_can_be_drawn(
    least: int, more: int, data: st.DataObject
) -> None:
    low, high = least / 100, (least + more) / 100
    assert low <= data.draw(strategies.amounts(least=low, most=high)) <= high
    assert data.draw(strategies.amounts(least=low, most=low)) == low


@given(strategies.games())
def test_a_game_has_two_teams_away_first_and_an_aware_start(game: Game) -> None:
    assert game.away is game.participants[0]
    assert game.home is game.participants[1]
    named = [game.game_id, *(each.participant_id for each in game.participants)]
    assert len(set(named)) == 3
    assert game.start is not None
    assert game.start.utcoffset() is not None
    assert (game.parent_game_id is None) is (game.period_name == "Full Time")


@given(strategies.open_orders())
def test_an_open_order_adds_up_and_backs_something(order: OpenOrder) -> None:
    assert None not in (order.offered, order.filled, order.remaining, order.odds, order.game)
    assert order.remaining > 0  # type: ignore[operator]  # said before
    assert math.isclose(order.filled + order.remaining, order.offered)  # type: ignore[operator,arg-type]  # as above
    teams = {each.participant_id for each in order.game.participants}  # type: ignore[union-attr]  # as above
    backed = {
        MarketType.MONEYLINE: order.participant_id in teams,
        MarketType.SPREAD: order.participant_id in teams and order.spread is not None,
        MarketType.TOTAL: order.side in {"over", "under"} and order.total is not None,
        MarketType.MONEYLINE_1X2: order.side in {"yes", "no"} and order.market in teams | {"draw"},
    }
    assert backed[MarketType(str(order.type))]


@given(st.data(), strategies.games())
def test_an_open_order_is_on_the_game_that_is_given(data: st.DataObject, game: Game) -> None:
    assert data.draw(strategies.open_orders(game)).game is game


@ON_A_LIVE_EXCHANGE
@given(data=st.data())
async def test_an_order_to_place_is_refused_by_the_rules_of_its_type_alone(
    fake_exchange: FakeExchange, session: AsyncSession, data: st.DataObject
) -> None:
    game = fake_exchange.add_game()
    drawn = strategies.new_orders(game.game_id, away=game.away_id, home=game.home_id)
    orders: list[NewOrder] = data.draw(st.lists(drawn, min_size=1, max_size=5))
    for result in await session.place(orders):
        assert result.error_type in (None, PlaceErrorType.ORDER_TYPE_RULES), result


def read(transport: str, document: dict[str, object]) -> Any:
    if transport == "http":
        return classify_response(CANCEL, Response(200, {}, json.dumps(document).encode()))
    return classify(CANCEL, {"requestID": "1", **document})


TRANSPORTS: list[Any] = ["http", "websocket"]


@pytest.mark.parametrize("transport", TRANSPORTS)
@given(data=st.data())
def test_a_cancel_answer_is_read_row_by_row(data: st.DataObject, transport: Any) -> None:
    document = data.draw(strategies.cancel_answers(transport, game_id="5" * 24))
    rows: Any = document["data"]
    result = read(transport, document)
    assert result.status is AttemptStatus.ANSWERED
    assert [each.success for each in result.value] == [row["success"] for row in rows]
    key = "sessionID" if transport == "http" else "orderID"
    assert [each.order_id for each in result.value] == [row.get(key) for row in rows]
    assert {each.game_id for each in result.value} <= {None, "5" * 24}


@pytest.mark.parametrize("transport", TRANSPORTS)
def test_odd_cancel_answers_are_read_and_not_read_and_refused(transport: Any) -> None:
    seen = set()

    @settings(max_examples=100, deadline=None, derandomize=True)
    @given(strategies.cancel_answers(transport, odd=True))
    def look(document: dict[str, object]) -> None:
        seen.add(read(transport, document).status)

    look()
    assert {AttemptStatus.ANSWERED, AttemptStatus.UNKNOWN} <= seen


@ON_A_LIVE_EXCHANGE
@given(data=st.data())
async def test_no_odd_answer_makes_a_success_of_a_row_that_is_none(
    fake_exchange: FakeExchange, session: AsyncSession, data: st.DataObject
) -> None:
    game = fake_exchange.add_game(orders=1)
    document = data.draw(strategies.cancel_answers(game_id=game.game_id, odd=True))
    fake_exchange.clear_faults()
    answer = faults.Respond(json.dumps(document).encode(), committed=False)
    fake_exchange.inject(answer, game_id=game.game_id, times=None)
    try:
        results = await session.cancel_all_orders_for_game(game.game_id)
    except FourcastersError:
        return
    rows: Any = document["data"]
    assert [each.success for each in results] == [row.get("success") is True for row in rows]


@pytest.mark.parametrize("transport", [None, *TRANSPORTS])
def test_each_fault_is_drawn_for_the_transport_that_can_have_it(transport: Any) -> None:
    drawn: set[type] = set()

    @settings(max_examples=500, deadline=None, derandomize=True)
    @given(strategies.faults(transport, slowest=0.5))
    def look(fault: faults.Fault) -> None:
        drawn.add(type(fault))
        assert getattr(fault, "seconds", 0.0) <= 0.5

    look()
    # What is huge is left to those who want it.
    huge = {faults.Oversized, faults.GzipBomb}
    every = {
        value
        for value in vars(faults).values()
        if isinstance(value, type) and issubclass(value, faults.Fault) and value is not faults.Fault
    }
    of_http = {each for each in every if each.__module__.endswith("http_faults")}
    of_sockets = {each for each in every if each.__module__.endswith("socket_faults")}
    others = {None: of_http | of_sockets, "http": of_sockets, "websocket": of_http}
    assert drawn == every - huge - others[transport]


def test_without_hypothesis_the_error_says_what_to_install(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(sys.modules, "hypothesis", None)
    monkeypatch.delitem(sys.modules, strategies.__name__)
    with pytest.raises(ImportError, match="needs hypothesis: pip install hypothesis"):
        importlib.import_module(strategies.__name__)
