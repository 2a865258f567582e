"""Records of cancelled orders are made when somebody asks for them, and not before."""

import copy
import pickle
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support import quote

from fourcasters_async import AsyncSession, CancelReport, CancelResult, GameOutcome, OutcomeStatus
from fourcasters_async._json.converter import REST, SOCKET, Dialect, UnreadRowsError
from fourcasters_async.errors import DecodeError
from fourcasters_async.models.report import results_so_far
from fourcasters_async.models.unread import RESULTS, UnreadResults
from fourcasters_async.orders.verbs import Orders
from fourcasters_async.testing import FakeExchange

DIALECTS = {"rest": REST, "socket": SOCKET}
GAME = "688c0516fbc14da0c202d426"


@pytest.fixture
def made(monkeypatch: pytest.MonkeyPatch) -> list[CancelResult]:
    """Give the records that are made while it is used."""
    records: list[CancelResult] = []
    init = CancelResult.__init__

    def make(record: CancelResult, *values: Any, **named: Any) -> None:
        init(record, *values, **named)
        records.append(record)

    monkeypatch.setattr(CancelResult, "__init__", make)
    return records


async def cancelled(orders: Orders, exchange: FakeExchange, **options: Any) -> CancelReport:
    games = [exchange.add_game(orders=3).game_id for _ in range(4)]
    return await orders.cancel_all_orders_for_games(games, **options)


def outcome_of(rows: list[dict[str, object]], surface: str = "rest") -> GameOutcome:
    results: Any = DIALECTS[surface].structure(rows, RESULTS)
    return GameOutcome(GAME, None, OutcomeStatus.CONFIRMED, results)


def rows_of(*more: dict[str, object]) -> list[dict[str, object]]:
    order = {"success": True, "sessionID": "1", "orderID": "1", "gameID": GAME, "filled": 2}
    return [order, *({**order, **each} for each in more)]


# What makes none.


async def test_what_a_report_says_of_its_games_makes_no_record(
    orders: Orders, fake_exchange: FakeExchange, made: list[CancelResult]
) -> None:
    report = await cancelled(orders, fake_exchange)
    report.raise_for_unsettled()
    assert report.ok
    assert len(report.confirmed) == 4
    assert (report.partial, report.refused, report.unknown, report.not_sent) == ((), (), (), ())
    assert "12 orders cancelled" in str(report)
    assert made == []


async def test_a_proof_that_the_games_are_clear_makes_no_record(
    orders: Orders, fake_exchange: FakeExchange, made: list[CancelResult]
) -> None:
    report = await cancelled(orders, fake_exchange, verify=True)
    assert report.verified_clear
    assert made == []


async def test_an_order_that_was_just_placed_is_known_to_be_gone_and_makes_no_record(
    orders: Orders, fake_exchange: FakeExchange, made: list[CancelResult]
) -> None:
    game = fake_exchange.add_game().game_id
    await orders.place([quote(game)])
    assert orders._gate.acknowledged
    report = await orders.cancel_all_orders_for_games([game])
    assert report.ok
    assert not orders._gate.acknowledged
    assert made == []


async def test_live_orders_are_told_which_orders_are_gone_and_that_makes_no_record(
    orders: Orders,
    session: AsyncSession,
    fake_exchange: FakeExchange,
    made: list[CancelResult],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    told: list[str] = []
    game = fake_exchange.add_game(orders=3).game_id
    async with session.live_orders():
        follower = orders._gate.follower
        assert follower is not None
        monkeypatch.setattr(follower, "gone", lambda order_id, *_, **__: told.append(order_id))
        await orders.cancel_all_orders_for_games([game])
    assert len(set(told)) == 3
    assert made == []


# What makes them.


async def test_the_records_of_a_game_are_those_that_a_cancel_of_the_game_alone_returns(
    orders: Orders, fake_exchange: FakeExchange, made: list[CancelResult]
) -> None:
    report = await cancelled(orders, fake_exchange)
    assert [result.game_id for result in report.results] == [
        outcome.game_id for outcome in report.outcomes for _ in range(3)
    ]
    assert all(result.success and result.order_id for result in made)
    assert len(made) == 12


@pytest.mark.parametrize("surface", DIALECTS)
def test_an_answer_with_an_order_that_was_not_cancelled_has_its_records_at_once(
    surface: str, made: list[CancelResult]
) -> None:
    results: Any = DIALECTS[surface].structure(rows_of({"success": False}), RESULTS)
    assert made == results


def test_what_records_are_made_of_is_dropped_once_they_are_made() -> None:
    outcome = outcome_of(rows_of())
    unread = results_so_far(outcome)
    assert isinstance(unread, UnreadResults)
    results = outcome.results
    assert results_so_far(outcome) is results
    assert unread._rows is None


def test_the_records_are_the_same_each_time_and_may_be_changed() -> None:
    outcome = outcome_of(rows_of({}))
    outcome.results[0].reason = "changed"
    del outcome.results[1]
    assert [result.reason for result in outcome.results] == ["changed"]


def test_outcomes_that_share_results_share_their_records() -> None:
    outcome = outcome_of(rows_of())
    unread: Any = results_so_far(outcome)
    other = attrs.evolve(outcome, results=unread, attempts=2)
    assert other.results is outcome.results


def test_any_number_of_threads_get_the_same_records() -> None:
    threads = 8
    begin = threading.Barrier(threads)

    def read(outcome: GameOutcome) -> list[CancelResult]:
        begin.wait()
        return outcome.results

    with ThreadPoolExecutor(threads) as pool:
        for _ in range(50):
            outcome = outcome_of(rows_of({}, {}))
            first, *others = pool.map(read, [outcome] * threads)
            assert all(each is first for each in others)


@pytest.mark.parametrize(
    "use",
    [
        repr,
        attrs.asdict,
        attrs.astuple,
        attrs.evolve,
        copy.copy,
        copy.deepcopy,
        lambda outcome: pickle.loads(pickle.dumps(outcome)),  # noqa: S301  # made here
    ],
)
@pytest.mark.parametrize("surface", DIALECTS)
def test_an_outcome_is_used_as_if_its_records_had_always_been_there(
    surface: str, use: Callable[[GameOutcome], object]
) -> None:
    rows = rows_of({"odds": "-110"}, {"description": 7})
    always = GameOutcome(
        GAME,
        None,
        OutcomeStatus.CONFIRMED,
        DIALECTS[surface].structure(rows, list[CancelResult]),
    )
    assert use(outcome_of(rows, surface)) == use(always)


def test_outcomes_are_equal_if_their_records_are() -> None:
    assert outcome_of(rows_of({})) == outcome_of(rows_of({}))
    assert outcome_of(rows_of({})) != outcome_of(rows_of({"filled": 3}))


# What decides.

_TEXTS = st.none() | st.text(max_size=3)
_ODD = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=3)
_VALUES = _ODD | st.lists(_ODD, max_size=2) | st.dictionaries(st.text(max_size=2), _ODD, max_size=2)
_FIELDS = [
    *("reason", "description", "odds", "filled", "offered", "remaining", "userReference"),
    *("side", "number", "else"),
]
_ROWS = st.fixed_dictionaries(
    {"success": st.just(True) | _VALUES},
    optional={
        "sessionID": _TEXTS | _VALUES,
        "orderID": _TEXTS | _VALUES,
        "gameID": _TEXTS | _VALUES,
        "error": _VALUES,
        "errorType": _VALUES,
        "error_type": _VALUES,
        "errors": _VALUES,
        **dict.fromkeys(_FIELDS, _VALUES),
    },
)
_PLAIN = st.fixed_dictionaries(
    {"success": st.just(True)},
    optional={"orderID": _TEXTS, "gameID": _TEXTS, **dict.fromkeys(_FIELDS, _VALUES)},
)


def read_by(dialect: Dialect, document: object, kind: Any) -> object:
    try:
        return list(dialect.structure(document, kind))
    except UnreadRowsError as error:
        return str(error), error.path, error.rows
    except DecodeError as error:
        return str(error), error.path


@given(document=st.lists(_PLAIN | _ROWS, max_size=4) | _VALUES)
@pytest.mark.parametrize("dialect", DIALECTS.values(), ids=DIALECTS)
def test_an_answer_says_the_same_whether_its_records_are_made_at_once_or_later(
    dialect: Dialect, document: object
) -> None:
    assert repr(read_by(dialect, document, RESULTS)) == repr(
        read_by(dialect, document, list[CancelResult])
    )


@given(row=_PLAIN)
def test_a_row_of_which_what_decides_is_sound_waits_whatever_else_it_says(
    row: dict[str, object],
) -> None:
    results: Any = SOCKET.structure([row], RESULTS)
    assert isinstance(results, UnreadResults)
    assert list(results.ids) == [(row.get("orderID"), row.get("gameID"))]


def test_an_odd_value_is_logged_when_its_record_is_made(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("DEBUG", "fourcasters_async")
    results: Any = Dialect("socket").structure(rows_of({"odds": []}), RESULTS, "$.data", "cancel: ")
    assert caplog.messages == []
    assert results[1].odds is None
    assert caplog.messages == [
        "cancel: $.data[].odds: a list is not of its type, and is taken as missing"
    ]
