"""What every record can do: become plain JSON values, and show itself in one short line."""

import asyncio
import copy
import inspect
import json
import math
import pickle
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal
from enum import Enum
from typing import Any, get_args

import attrs
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support import CANARY, REFERENCE, SECOND, quote

import fourcasters_async
from fourcasters_async import (
    AsyncSession,
    AuthenticationError,
    CancelReport,
    CancelResult,
    CancelResults,
    FlatReport,
    Game,
    GameMarket,
    GameOutcome,
    GamePrices,
    Halted,
    MarketType,
    NewOrder,
    OpenOrder,
    OrderBook,
    OutcomeStatus,
    Participant,
    Record,
    SessionEvent,
    SingleOrderBook,
    UndecidedOrder,
    User,
    models,
)
from fourcasters_async._json.converter import REST
from fourcasters_async.models.report import results_so_far
from fourcasters_async.models.unread import RESULTS, UnreadResults
from fourcasters_async.models.user import AuthenticatedUser
from fourcasters_async.orders.fanout import outcome_of
from fourcasters_async.testing import FakeExchange, faults

NORMAL = 320
NOW = datetime(2027, 1, 1, 12, tzinfo=UTC)
RECORDS: list[Any] = [
    record
    for name in models.__all__
    if inspect.isclass(record := getattr(models, name)) and attrs.has(record)
]


def records_in(value: object) -> Iterator[Record]:
    """Yield a record and those inside it."""
    if isinstance(value, Record):
        yield value
        kind: Any = type(value)
        for field in attrs.fields(kind):
            yield from records_in(getattr(value, field.name))
    elif isinstance(value, list | tuple):
        for each in value:
            yield from records_in(each)


def is_plain(value: object) -> bool:
    if isinstance(value, dict):
        return all(type(key) is str and is_plain(each) for key, each in value.items())
    if type(value) is list:
        return all(map(is_plain, value))
    return value is None or type(value) in (str, int, bool, float)


async def what_the_sandbox_says(session: AsyncSession, exchange: FakeExchange) -> list[object]:
    """Return records of nearly every class, as the client has read them."""
    exchange.fill_day()
    account, markets = session.account, session.markets
    games = [game.game_id for game in await markets.get_games() if game.game_id][:3]
    async with (
        session.live_orders() as live,
        session.user_feed() as user,
        AsyncSession.price_feed(session) as prices,
    ):
        events, changes = aiter(prices), aiter(live)
        placed = await session.place([quote(games[0], REFERENCE)])
        changed = await asyncio.wait_for(anext(changes), 10 * SECOND)
        cancelled = await session.cancel_all_orders_for_game(games[0])
        told = [await asyncio.wait_for(anext(user), 10 * SECOND) for _ in range(2)]
        priced = await asyncio.wait_for(anext(events), 10 * SECOND)
    league = (await markets.get_leagues())[0]
    graded = await account.get_graded()
    return [
        placed,
        changed,
        cancelled,
        cancelled.to_dict(),
        told,
        priced,
        await account.get_me(),
        await account.get_unmatched(),
        await account.get_matched_bets(),
        await account.get_orders_for_game(games[1]),
        graded,
        await account.get_graded_since(NOW - timedelta(days=3650)),
        await account.exposure(games),
        await markets.get_games(),
        await markets.get_participants(),
        await markets.get_orderbook(game_id=games[1]),
        await markets.get_single_orderbook(games[1]),
        await markets.get_odds_for_average_price(league),
        await markets.get_matched_volume(date(2026, 12, 1), date(2026, 12, 31)),
        await markets.find("a"),
        await session.reconcile([quote(games[0], REFERENCE)]),
        await session.halt(games),
        session.halted,
        await session.flatten(),
    ]


async def test_every_record_of_the_sandbox_is_plain_json_and_has_a_short_repr(
    session: AsyncSession, fake_exchange: FakeExchange
) -> None:
    kinds = set()
    for record in records_in(await what_the_sandbox_says(session, fake_exchange)):
        kinds.add(type(record))
        document = record.to_dict()
        assert is_plain(document)
        assert json.loads(json.dumps(document, allow_nan=False)) == document
        assert len(repr(record)) <= NORMAL, repr(record)
        assert "\n" not in repr(record)
    assert len(kinds) > 25


@pytest.mark.parametrize(
    "record", [*RECORDS, *get_args(SessionEvent)], ids=lambda record: str(record.__name__)
)
def test_every_public_record_is_one_of_these(record: type[Record]) -> None:
    assert issubclass(record, Record)
    assert not hasattr(record, "__dict__") or "__slots__" in vars(record)
    assert "attrs generated" not in (record.__repr__.__code__.co_filename)


VALUES: dict[object, st.SearchStrategy[object]] = {
    str: st.text(max_size=400),
    int: st.integers(),
    float: st.floats() | st.integers(),
    bool: st.booleans(),
    datetime: st.datetimes(timezones=st.just(UTC)),
    date: st.dates(),
    object: st.none() | st.text(),
}


def values_of(kind: Any) -> st.SearchStrategy[object]:
    """Return values of the annotation of a field."""
    origin, items = getattr(kind, "__origin__", None), get_args(kind)
    if kind in VALUES:
        return VALUES[kind]
    if items and origin is None:
        return st.one_of(*map(values_of, items))
    return values_of_class(kind) if origin is None else values_of_many(origin, items[0])


def values_of_class(kind: Any) -> st.SearchStrategy[object]:
    if issubclass(kind, Enum):
        return st.sampled_from(list(kind))
    if issubclass(kind, BaseException):
        return st.just(AuthenticationError("no", status=401, endpoint="GET /user/getMe"))
    return st.deferred(lambda: made(kind)) if attrs.has(kind) else st.none()


def values_of_many(origin: type, item: Any) -> st.SearchStrategy[object]:
    if origin is dict:
        return st.dictionaries(st.text(max_size=5), st.floats() | st.text(max_size=5), max_size=3)
    # A game's children are not drawn: they could have children.
    most = 0 if isinstance(item, str) else 1
    return st.lists(st.none() if most == 0 else values_of(item), max_size=most).map(origin)


def made(record: type) -> st.SearchStrategy[object]:
    fields = {each.alias: values_of(each.type) for each in attrs.fields(record) if each.init}
    return st.builds(record, **fields)


@pytest.mark.parametrize("record", RECORDS, ids=lambda record: str(record.__name__))
@settings(max_examples=15, deadline=None)
@given(data=st.data())
def test_whatever_is_in_a_record_it_is_plain_json_and_its_repr_is_bounded(
    record: type[Record], data: st.DataObject
) -> None:
    value: Any = data.draw(made(record))
    document = value.to_dict()
    assert is_plain(document)
    json.dumps(document, allow_nan=False)
    assert len(repr(value)) <= 2 * NORMAL
    assert repr(value).isprintable()


def order(**given: Any) -> OpenOrder:
    return OpenOrder(order_id="65b0", game=Game(game_id="688c"), **given)


def test_times_have_their_zone_enums_are_their_value_and_records_inside_are_dicts() -> None:
    cet = timezone(timedelta(hours=1))
    document = order(type=MarketType.TOTAL, created_at=NOW.astimezone(cet)).to_dict()
    assert document["created_at"] == "2027-01-01T13:00:00+01:00"
    assert document["type"] == "total"
    assert type(document["type"]) is str
    assert isinstance(document["game"], dict)
    assert document["game"]["participants"] == []


def test_all_fields_are_there_also_what_is_none() -> None:
    names = [each.name for each in attrs.fields(OpenOrder)]
    assert list(order().to_dict()) == [*names, "game_id"]


def test_an_error_is_its_type_and_its_message() -> None:
    error = AuthenticationError("no", status=401, endpoint="GET /user/getMe")
    assert FlatReport(error=error).to_dict()["error"] == {
        "type": "AuthenticationError",
        "message": "GET /user/getMe: 401 no",
    }


def test_a_number_that_json_does_not_have_is_none() -> None:
    exact: Any = Decimal("12.5")
    made_up = [NewOrder("g", "total", "over", odds=-110, bet=b) for b in (math.nan, exact)]
    assert [each.to_dict()["bet"] for each in made_up] == [None, 12.5]


def test_a_set_is_a_sorted_list() -> None:
    halted = Halted(games=frozenset({"b", "a"}))
    assert halted.to_dict() == {"everything": False, "games": ["a", "b"], "resumed": []}


def test_a_report_says_whether_all_is_well() -> None:
    clear = GameOutcome("g", None, OutcomeStatus.CONFIRMED, resting=[])
    document = CancelReport((clear,)).to_dict()
    assert (document["ok"], document["verified_clear"]) == (True, True)
    assert clear.to_dict()["unsettled"] is None
    assert FlatReport(resting=[]).to_dict()["clear"] is True


def test_an_outcome_says_why_it_is_not_known_to_be_clear() -> None:
    resting = GameOutcome("g", None, OutcomeStatus.CONFIRMED, resting=[order()])
    assert resting.to_dict()["unsettled"] == {
        "type": "OrdersNotCancelledError",
        "message": "g: 1 order still open when last seen",
    }


@pytest.mark.parametrize(
    ("resting", "clear"), [([], True), (None, False), ([order()], False)], ids=["[]", "None", "one"]
)
def test_an_outcome_is_verified_clear_only_by_proof(
    resting: list[OpenOrder] | None, *, clear: bool
) -> None:
    outcome = GameOutcome("g", None, OutcomeStatus.CONFIRMED, resting=resting)
    assert outcome.verified_clear is clear


def test_a_token_is_in_no_dict_and_in_no_repr() -> None:
    user = AuthenticatedUser(username="me", auth=CANARY)
    assert "auth" not in user.to_dict()
    assert CANARY not in repr(user) + json.dumps(user.to_dict())


def test_rows_of_one_class_have_the_same_columns() -> None:
    rows = [each.to_dict() for each in (CancelResult(success=True), CancelResult(False, "no"))]
    assert list(rows[0]) == list(rows[1])


def test_the_results_of_a_verb_say_whether_they_are_complete() -> None:
    results = CancelResults([CancelResult(success=True)], complete=False, attempts=2)
    document = results.to_dict()
    assert (document["complete"], document["attempts"]) == (False, 2)
    assert document["results"] == [CancelResult(success=True).to_dict()]
    assert repr(results) == (
        "<CancelResults: 1 cancelled, 0 not cancelled, complete=False, attempts=2>"
    )


# The repr.


def test_a_repr_leaves_out_what_is_none_and_counts_what_is_in_lists() -> None:
    game = Game(game_id="688c", league="NBA", participants=[Participant(), Participant()])
    assert repr(game) == "Game(game_id='688c', league='NBA', participants=<2 items>)"
    assert repr(order(odds=-110)) == (
        "OpenOrder(order_id='65b0', odds=-110, game=Game(game_id='688c'))"
    )


def test_the_repr_of_a_full_order_keeps_its_id_its_odds_and_its_game() -> None:
    ids = {
        name: "65b0aa0000000000000000000000" + name
        for name in (
            "tx_id",
            "participant_id",
            "other_participant_id",
            "wager_request_id",
            "market",
        )
    }
    shown = repr(order(**ids, odds=-110, remaining=30.0, user_reference="mm/1", created_at=NOW))
    assert len(shown) <= NORMAL
    assert shown.endswith(", …)")
    for kept in ("order_id='65b0'", "odds=-110", "remaining=30.0", "game=Game(game_id='688c')"):
        assert kept in shown


def test_an_outcome_is_one_short_line() -> None:
    results = [CancelResult(success=True), CancelResult(success=False)]
    outcome = GameOutcome(
        "688c", MarketType.SPREAD, OutcomeStatus.PARTIAL, results, complete=False, elapsed=0.0214
    )
    assert repr(outcome) == (
        "<GameOutcome '688c (spread)': partial, 1 cancelled, 1 not cancelled, incomplete, 21 ms>"
    )
    clear = GameOutcome("688c", None, OutcomeStatus.CONFIRMED, resting=[])
    assert repr(clear) == "<GameOutcome '688c': confirmed, 0 cancelled, verified clear, 0 ms>"


def test_a_report_is_one_short_line_whatever_its_size() -> None:
    many = [CancelResult(success=True, description="x" * 100)] * 10
    outcomes = [
        GameOutcome(f"{number:024}", None, status, many, resting=[order()])
        for status in OutcomeStatus
        for number in range(1000)
    ]
    undecided = tuple(UndecidedOrder("g", "r", NOW) for _ in range(1000))
    report = CancelReport(tuple(outcomes), 0.2, undecided)
    assert len(repr(report)) <= NORMAL
    assert repr(report) == f"<CancelReport {report}>"
    flat = FlatReport(many * 1000, [order()] * 1000)
    assert repr(flat) == f"<FlatReport {flat}>"


def test_every_count_of_a_report_has_thousands_separators() -> None:
    results = [CancelResult(success=False)] * 2000
    partial = GameOutcome("g", None, OutcomeStatus.PARTIAL, results, resting=[order()] * 1500)
    refused = [GameOutcome("g", None, OutcomeStatus.REFUSED, resting=[])] * 1000
    lost = [GameOutcome("g", None, OutcomeStatus.CONFIRMED, complete=False)] * 1200
    assert str(CancelReport((partial, *refused, *lost))) == (
        "2,201 games: 1,200 confirmed (1,200 incomplete), 1 partial, 1,000 refused; "
        "0 orders cancelled; 2,000 not cancelled; 1,500 still open when last seen; 0 ms"
    )
    assert "; 1,000 verified clear; " in str(CancelReport((*refused, *lost)))
    done = [CancelResult(success=True)] * 1000
    assert str(FlatReport(done, [order()] * 1000)) == (
        "1,000 orders cancelled; 1,000 orders still open when last seen; 0 ms"
    )
    undecided = (UndecidedOrder("g", "r", NOW),) * 1000
    assert "; 1,000 own orders undecided; " in str(FlatReport(undecided=undecided))


def test_one_order_of_a_flat_report_is_not_called_orders() -> None:
    report = FlatReport([CancelResult(success=True)], [order()])
    assert str(report) == "1 order cancelled; 1 order still open when last seen; 0 ms"


def test_an_exception_group_of_thousands_has_a_short_repr() -> None:
    outcomes = [GameOutcome(f"{n}", None, OutcomeStatus.UNKNOWN) for n in range(5000)]
    with pytest.raises(fourcasters_async.UnsettledCancelsError) as caught:
        CancelReport(tuple(outcomes)).raise_for_unsettled()
    assert len(repr(caught.value)) <= NORMAL
    assert "<5,000 errors>" in repr(caught.value)


def test_a_large_book_has_a_short_repr() -> None:
    entries = [models.BookEntry(order_id=f"{n}") for n in range(10_000)]
    book = OrderBook(game_id="688c", over=entries)
    assert len(repr(book)) <= NORMAL
    assert repr(SingleOrderBook(game=book, child_games=[book] * 1000)) == (
        "SingleOrderBook(game=OrderBook(game_id='688c'), order_summary=[], "
        "child_games=<1,000 items>, prop_games=[])"
    )


def test_a_text_of_the_exchange_is_cut_and_cannot_write_a_line_of_its_own() -> None:
    shown = repr(CancelResult(success=False, reason="\n\x1b[2J" + "x" * 10_000))
    assert len(shown) <= NORMAL
    assert shown.isprintable()


@pytest.mark.parametrize("kind", [GamePrices, User, GameMarket])
def test_a_record_of_which_nothing_is_known_has_its_name(kind: type) -> None:
    empty = kind() if kind is not GameMarket else GameMarket("g")
    assert repr(empty).startswith(f"{kind.__name__}(")


def unread() -> GameOutcome:
    from fourcasters_async._core.outcome import AttemptStatus, RequestOutcome  # noqa: PLC0415

    rows = [{"success": True, "sessionID": f"{n:024}", "gameID": "g"} for n in range(3)]
    results: Any = REST.structure(rows, RESULTS)
    assert isinstance(results, UnreadResults)
    settled: Any = RequestOutcome(AttemptStatus.ANSWERED, 1, value=results)
    return outcome_of(GameMarket("g"), settled, elapsed=0.1)


def is_unread(outcome: GameOutcome) -> bool:
    results = results_so_far(outcome)
    return isinstance(results, UnreadResults) and results._rows is not None


def test_a_repr_makes_no_record_of_results_that_nobody_asked_for() -> None:
    outcome = unread()
    report = CancelReport((outcome,))
    assert "3 cancelled" in repr(outcome)
    assert "3 orders cancelled" in repr(report)
    assert is_unread(outcome)


def test_a_dict_has_the_results_that_nobody_asked_for_before() -> None:
    document = unread().to_dict()
    assert [each["order_id"] for each in document["results"]] == [  # type: ignore[attr-defined]  # a list of dicts
        f"{n:024}" for n in range(3)
    ]


@pytest.mark.parametrize(
    "duplicate",
    [copy.copy, copy.deepcopy, lambda each: pickle.loads(pickle.dumps(each))],  # noqa: S301  # its own
    ids=["copy", "deepcopy", "pickle"],
)
async def test_a_report_that_is_copied_or_pickled_says_the_same(
    session: AsyncSession, fake_exchange: FakeExchange, duplicate: Any
) -> None:
    games = [fake_exchange.add_game(orders=2).game_id for _ in range(2)]
    fake_exchange.inject(faults.Respond(b'{"error": "no"}', 403), game_id=games[1], times=None)
    report = await session.cancel_all_orders_for_games(games)
    copied = duplicate(report)
    assert copied.to_dict() == report.to_dict()
    assert repr(copied) == repr(report)


async def test_a_repr_in_the_middle_of_a_burst_changes_nothing(
    session: AsyncSession, fake_exchange: FakeExchange
) -> None:
    games = [fake_exchange.add_game(orders=1).game_id for _ in range(30)]
    shown: list[str] = []
    async with session.orders_socket() as orders:
        report = await orders.cancel_all_orders_for_games(
            games, on_outcome=lambda outcome: shown.append(f"{outcome!r} {orders!r} {session!r}")
        )
    assert len(shown) == len(games)
    assert all(is_unread(outcome) for outcome in report.outcomes)
    assert fake_exchange.token not in "".join(shown)
