"""The JSON of the command line is what `to_dict` of the records says, and nothing else."""

import json
import sys
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from functools import partial
from typing import Any

import attrs
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from shapes import SHAPES, fields_of, mistakes
from support import QUICK, Run
from test_cli_data import NOBODY, furnish, named
from test_records import RECORDS, is_plain, made

from fourcasters_async import (
    AsyncSession,
    CancelReport,
    CancelResult,
    CancelResults,
    ChangeSource,
    FlatReport,
    Game,
    GameExposure,
    GameOutcome,
    GradedBet,
    OpenOrder,
    OrderBook,
    OrderChange,
    OutcomeStatus,
    OutcomeUnknownError,
    ProofSource,
    Record,
    SingleOrderBook,
    UndecidedOrder,
)
from fourcasters_async.cli.display import to_json, to_json_line
from fourcasters_async.cli.findings import Finding
from fourcasters_async.cli.watch_tables import tell_change
from fourcasters_async.events import VerbFinished
from fourcasters_async.exposure import exposure_of
from fourcasters_async.models import EditResult
from fourcasters_async.testing import FakeExchange, faults
from fourcasters_async.testing import strategies as drawn

NOW = datetime(2027, 1, 1, tzinfo=UTC)
GAME = "688c0516fbc14da0c202d426"
# Far more than Python's stack has room for.
TOO_DEEP = 100_000
# The deepest that the parser of the client takes.
DEEPEST_ANSWER = 1000


@pytest.fixture(autouse=True)
def _few_attempts(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let what fails fail at once."""
    monkeypatch.setattr(AsyncSession, "from_env", partial(AsyncSession.from_env, retry=QUICK))


def nested(levels: int) -> dict[str, object]:
    value: dict[str, object] = {"in": "most"}
    for _ in range(levels):
        value = {"within": value}
    return value


def depth_of(value: object) -> int:
    levels, inside = 0, [value]
    while inside := [
        each
        for holder in inside
        if isinstance(holder, dict | list)
        for each in (holder.values() if isinstance(holder, dict) else holder)
    ]:
        levels += 1
    return levels


# The law.


@settings(deadline=None)
@given(record=drawn.games() | drawn.open_orders() | drawn.new_orders())
def test_what_a_strategy_draws_survives_json_and_is_in_the_documents_as_it_is(
    record: Record,
) -> None:
    document = record.to_dict()
    assert json.loads(json.dumps(document)) == document
    assert json.loads(to_json({"exchange": "x", "records": [record]}))["records"] == [document]
    assert json.loads(to_json_line({"record": record})) == {"record": document}


@pytest.mark.parametrize("kind", RECORDS, ids=lambda kind: str(kind.__name__))
@settings(max_examples=15, deadline=None)
@given(data=st.data())
def test_whatever_is_in_a_record_its_document_is_its_dict(
    kind: type[Record], data: st.DataObject
) -> None:
    record: Any = data.draw(made(kind))
    assert json.loads(to_json({"record": record})) == {"record": record.to_dict()}


@pytest.mark.parametrize(
    "kind",
    [each for each in (*RECORDS, Finding) if each.__name__ in SHAPES],
    ids=lambda kind: str(kind.__name__),
)
def test_the_page_tells_each_record_as_its_dict_has_it(kind: Any) -> None:
    shown = [field.name for field in attrs.fields(kind) if field.repr]
    assert list(fields_of(kind.__name__)) == [*shown, *kind._derived]


# Commands.


async def _graded(session: AsyncSession) -> list[GradedBet]:
    return [bet async for bet in session.account.graded_since(datetime(2020, 1, 1, tzinfo=UTC))]


async def _book_of(session: AsyncSession, game_id: str) -> OrderBook:
    return (await session.markets.get_single_orderbook(game_id)).game


READS: dict[str, tuple[list[str], str, Callable[[AsyncSession, str], Awaitable[Any]]]] = {
    "games": (["games"], "games", lambda s, _: s.markets.get_games()),
    "orders": (["orders"], "orders", lambda s, _: s.account.get_unmatched()),
    "positions": (["positions"], "positions", lambda s, _: s.account.exposure()),
    "bets": (["bets"], "bets", lambda s, _: s.account.get_matched_bets()),
    "graded": (
        ["graded", "--since", "2020-01-01"],
        "graded",
        lambda s, _: _graded(s),
    ),
    "me": (["me"], "user", lambda s, _: s.account.get_me()),
    "book": (["book", "GAME"], "game", _book_of),
}


@pytest.mark.parametrize("name", READS)
async def test_a_command_that_reads_prints_the_dicts_of_what_the_session_reads(
    fake_exchange: FakeExchange, session: AsyncSession, run: Run, name: str
) -> None:
    words, key, read = READS[name]
    names = furnish(fake_exchange)
    ran = await run(*named(words, names), "--json")
    found = await read(session, names["GAME"])
    assert found
    plain = [each.to_dict() for each in found] if isinstance(found, list) else found.to_dict()
    shown = json.loads(ran.out)[key]
    if name == "games":
        shown, plain = (sorted(each, key=lambda game: game["game_id"]) for each in (shown, plain))
    assert shown == plain


def a_report() -> CancelReport:
    """Return a report that has something in every field."""
    rests = OpenOrder("65b0", game=Game(GAME))
    outcome = GameOutcome(
        GAME,
        None,
        OutcomeStatus.UNKNOWN,
        [CancelResult(success=True)],
        complete=False,
        attempts=2,
        error=OutcomeUnknownError("lost"),
        resting=[rests],
        seen_by=ProofSource.READ,
    )
    undecided = UndecidedOrder(GAME, "mm/1", NOW, "65b1")
    return CancelReport((outcome,), 0.5, (undecided,), True, [rests], ProofSource.FEED)


async def test_cancel_games_prints_the_dict_of_its_report_with_what_is_undecided_and_rests(
    fake_exchange: FakeExchange, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    report = a_report()

    async def cancel(*_: object, **__: object) -> CancelReport:
        return report

    monkeypatch.setattr(AsyncSession, "cancel_all_orders_for_games", cancel)
    monkeypatch.setenv("FOURCASTERS_ORDERS_URL", "")
    document = json.loads(
        (await run("cancel-games", GAME, "--json", FOURCASTERS_ORDERS_URL="")).out
    )
    about = {"exchange": fake_exchange.url, "sandbox": True, "interrupted": False}
    assert document == about | report.to_dict()
    assert not mistakes(document, "cancel-games")
    (undecided,) = document["undecided"]
    assert (undecided["game_id"], undecided["user_reference"]) == (GAME, "mm/1")
    assert (document["whole_account"], document["seen_by"]) == (True, "feed")
    assert [each["order_id"] for each in document["resting"]] == ["65b0"]


@pytest.mark.parametrize(
    "words", [["cancel", "ORDER"], ["cancel-all", "--yes"], ["cancel-league", "NBA"]], ids=" ".join
)
async def test_any_other_cancel_prints_a_report_and_its_results_with_all_that_they_say(
    fake_exchange: FakeExchange, run: Run, words: list[str]
) -> None:
    ran = await run(*named(words, furnish(fake_exchange)), "--verify", "--json")
    document = json.loads(ran.out)
    assert FlatReport().to_dict().keys() | CancelResults().to_dict().keys() <= document.keys()
    assert (document["resting"], document["clear"], document["seen_by"]) == ([], True, "read")
    assert document["undecided"] == []
    assert document["attempts"] == (None if words[0] == "cancel-league" else 1)


async def test_why_a_request_failed_is_an_error_as_in_a_dict(
    fake_exchange: FakeExchange, run: Run
) -> None:
    names = furnish(fake_exchange)
    refused = faults.Respond(b'{"error": "no"}', 403)
    fake_exchange.inject(refused, endpoint="cancelAllOrders", times=None)
    document = json.loads((await run("cancel-all", "--yes", "--verify", "--json")).out)
    assert document["error"] == {
        "type": "ForbiddenError",
        "message": "POST /session/cancelAllOrders: 403 no",
    }
    fake_exchange.clear_faults()
    ran = await run("cancel-games", names["GAME"], NOBODY, "--json")
    errors = [each["error"] for each in json.loads(ran.out)["outcomes"]]
    assert (errors[0], errors[1]["type"]) == (None, "BadRequestError")


async def test_why_the_read_after_a_request_failed_is_the_error_if_the_request_did_not(
    fake_exchange: FakeExchange, run: Run
) -> None:
    refused = faults.Respond(b'{"error": "no"}', 403)
    fake_exchange.inject(refused, endpoint="getUnmatched", times=None)
    document = json.loads((await run("cancel-all", "--yes", "--verify", "--json")).out)
    assert document["error"]["type"] == "ForbiddenError"
    assert (document["clear"], document["seen_by"]) == (False, None)


@pytest.mark.parametrize("words", [["cancel-league", "NBAA"], ["cancel", "OTHER"]], ids=" ".join)
async def test_a_read_proves_nothing_of_what_was_meant_by_a_name_that_nobody_knows(
    fake_exchange: FakeExchange, run: Run, words: list[str]
) -> None:
    order = furnish(fake_exchange)["ORDER"]
    other = {"OTHER": f"{int(order, 16) + 1:024x}"}
    ran = await run(*named(words, other), "--verify", "--json")
    document = json.loads(ran.out)
    assert (ran.status, document["resting"], document["clear"]) == (1, None, False)
    assert ran.err.splitlines()[-1].endswith("; not verified")


def test_watch_tells_of_a_change_with_its_dict() -> None:
    order = OpenOrder("65b0", remaining=0.0, game=Game(GAME))
    change = OrderChange(order=order, before=None, source=ChangeSource.FEED)
    told = json.loads(to_json_line(tell_change(change, NOW).document))
    about = {"event": "order", "at": "2027-01-01T00:00:00+00:00", "change": "closed"}
    assert told == about | change.to_dict()
    assert not mistakes(told, "watch:order")


async def test_sums_of_a_position_that_is_unclear_are_in_no_dict() -> None:
    unclear = GameExposure(game_id="", unclear=[OpenOrder("65b0")], children=[])
    document = GameExposure(game_id=GAME, children=[unclear]).to_dict()
    (child,) = json.loads(to_json(document))["children"]
    assert (document["worst"], child["worst"], child["best"]) == (0.0, None, None)
    assert (child["worst_if_filled"], child["game_id"]) == (None, None)


async def test_a_whole_number_of_more_than_64_bits_is_printed(
    fake_exchange: FakeExchange, run: Run
) -> None:
    answer = b'{"data": {"unmatched": [{"id": "65b0", "odds": 1e30}]}}'
    fake_exchange.inject(faults.Respond(answer), endpoint="getUnmatched", times=None)
    ran = await run("orders", "--json")
    assert (ran.status, json.loads(ran.out)["orders"][0]["odds"]) == (0, int(1e30))


# The results of a cancel.


def test_a_verb_that_has_finished_says_whether_its_results_are_complete() -> None:
    results = CancelResults([CancelResult(success=True)], complete=False, attempts=3)
    event = VerbFinished(
        verb="cancel_all_orders", transport="rest", call=1, began=NOW, elapsed=0.1, result=results
    )
    assert event.to_dict()["result"] == results.to_dict()
    assert results.to_dict() == {
        "results": [CancelResult(success=True).to_dict()],
        "complete": False,
        "attempts": 3,
    }
    assert json.loads(to_json({"result": results}))["result"] == results.to_dict()


# What is nested.

HOLDERS: dict[str, Callable[[dict[str, object]], Record]] = {
    "pinnacle_line": lambda value: GradedBet(pinnacle_line=value),
    "order_summary": lambda value: SingleOrderBook(game=OrderBook(), order_summary=[value]),
    "cancelled": lambda value: EditResult(cancelled=value),
}


@pytest.mark.parametrize("name", HOLDERS)
@pytest.mark.parametrize("levels", [70, DEEPEST_ANSWER, TOO_DEEP])
def test_what_the_exchange_nests_too_deep_is_none_below_a_bound(name: str, levels: int) -> None:
    record = HOLDERS[name](nested(levels))
    document = record.to_dict()
    assert is_plain(document)
    assert depth_of(document) == 65
    assert json.loads(to_json(document)) == document
    assert json.loads(to_json({"records": [record]})) == {"records": [document]}


@pytest.mark.parametrize("name", HOLDERS)
def test_what_is_nested_less_is_written_whole(name: str) -> None:
    value = nested(40)
    assert json.dumps(value) in json.dumps(HOLDERS[name](value).to_dict())


def test_no_other_field_of_a_record_takes_what_has_no_bound() -> None:
    kept = {
        field.name
        for kind in RECORDS
        for field in attrs.fields(kind)
        if any(word in str(field.type) for word in ("dict", "Any", "object"))
    }
    assert kept == HOLDERS.keys()


def test_periods_of_periods_end_in_a_bound_too() -> None:
    orders = [
        OpenOrder(f"{n}", game=Game(f"{n:024}", parent_game_id=f"{n - 1:024}")) for n in range(2000)
    ]
    (position,) = exposure_of(orders, [])
    document = position.to_dict()
    assert depth_of(document) <= 65
    assert json.loads(to_json({"positions": [position]}))["positions"][0]["game_id"] == f"{0:024}"


async def test_a_bet_that_is_nested_deep_is_printed(fake_exchange: FakeExchange, run: Run) -> None:
    line = json.dumps(nested(900))
    answer = (
        f'{{"data": {{"graded": [{{"pinnacleLine": {line}}}], "cursor": "c", "hasMore": false}}}}'
    )
    fake_exchange.inject(faults.Respond(answer.encode()), endpoint="getGradedSince", times=None)
    ran = await run("graded", "--json")
    (bet,) = json.loads(ran.out)["graded"]
    assert (ran.status, "within" in bet["pinnacle_line"]) == (0, True)
    assert not mistakes(json.loads(ran.out), "graded")


# How long it takes.


def calls_to_print(games: int) -> int:
    document = {"games": [Game(f"{n:024}", league="NBA", start=NOW) for n in range(games)]}
    calls = 0

    def count(_frame: object, event: str, _: object) -> None:
        nonlocal calls
        calls += event in ("call", "c_call")

    before = sys.getprofile()
    sys.setprofile(count)
    try:
        to_json(document)
    finally:
        sys.setprofile(before)
    return calls


def test_the_json_of_games_grows_as_their_number_does() -> None:
    calls_to_print(1)
    once, twice = calls_to_print(1000), calls_to_print(2000)
    assert twice < 2.05 * once
    assert once < 100 * 1000
