"""Tables on a terminal: nothing is cut, and ids stay whole."""

import io
import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len
from rich.console import Console

from fourcasters_async import (
    CancelReport,
    CancelResult,
    Game,
    GameOutcome,
    OpenOrder,
    OutcomeStatus,
    OutcomeUnknownError,
    Participant,
    ServerError,
)
from fourcasters_async.cli.columns import Columns
from fourcasters_async.cli.display import show_orders, show_outcomes, show_results, show_rows
from fourcasters_async.cli.layout import widths_in
from fourcasters_async.cli.wording import summary

IDS = [f"65b036df{number:016x}" for number in range(3)]
REFUSAL = ServerError("the service is not there, and nobody knows", status=500, endpoint="GET /x")
TEAMS = [Participant(long_name="Boston Celtics"), Participant(long_name="Los Angeles Lakers")]
SHOWN = {
    "orders": (
        show_orders,
        [
            OpenOrder(
                order_id=each,
                offered=1234567.0,
                filled=1234.5,
                remaining=1233332.5,
                game=Game(each, league="NCAAB", participants=TEAMS),
            )
            for each in IDS
        ],
    ),
    "results": (
        show_results,
        [
            CancelResult(
                success=False,
                order_id=each,
                remaining=1234567.0,
                description="Los Angeles Lakers -3.5 -110",
                reason="Not your order, and it was cancelled before",
            )
            for each in IDS
        ],
    ),
    "outcomes": (
        show_outcomes,
        [
            GameOutcome(each, "moneyline1x2", OutcomeStatus.NOT_SENT, error=REFUSAL, elapsed=99.9)
            for each in IDS
        ],
    ),
}


def on_terminal(width: int, show: object, *arguments: object, **options: object) -> str:
    console = Console(file=io.StringIO(), force_terminal=True, no_color=True, width=width)
    show(console, *arguments, **options)  # type: ignore[operator]  # any of the functions here
    written = console.file.getvalue()  # type: ignore[attr-defined]  # it is a StringIO
    return re.sub(r"\x1b\[\d*m", "", written)


@pytest.mark.parametrize("name", SHOWN)
def test_an_id_is_whole_on_a_terminal_of_any_sensible_width(name: str) -> None:
    show, records = SHOWN[name]
    for width in range(40, 180):
        written = on_terminal(width, show, records)
        assert all(each in written for each in IDS), width
        assert "…" not in written
        lines = written.splitlines()
        assert max(map(cell_len, lines)) <= width
        # A table with lines has its right one.
        assert {line[-1] for line in lines if line[0] in "┏┃┡│└"} <= set("┓┃┩│┘")


def test_a_number_is_not_broken_at_80_columns() -> None:
    written = on_terminal(80, show_orders, SHOWN["orders"][1])
    assert written.count("1,233,332.50") == 3
    assert "3,699,997.50" in written


@pytest.mark.parametrize("width", [10, 80])
def test_a_text_is_folded_and_loses_nothing(width: int) -> None:
    text = "x" * 200
    rows = [(IDS[0], text, "1")]
    written = on_terminal(width, show_rows, Columns(("id", "text", "n"), range(2, 3)), rows)
    assert written.count("x") - "text".count("x") == 200
    assert re.sub(r"\s", "", written).startswith("id") or IDS[0] in re.sub(r"\s", "", written)


def test_a_row_that_is_too_wide_is_shown_in_several_lines_with_its_heads() -> None:
    rows = [(IDS[0], IDS[1], IDS[2], "")]
    written = on_terminal(60, show_rows, Columns(("a", "b", "c", "d")), rows)
    assert written.split() == [IDS[0], "b", f"{IDS[1]};", "c", IDS[2]]


def test_an_id_that_is_indented_is_whole_too() -> None:
    rows = [(f"    {IDS[0]}", "x" * 50)]
    # What is left beside it is enough for 12 letters of the text.
    assert f"    {IDS[0]} x" in on_terminal(42, show_rows, Columns(("id", "text")), rows)


def test_wide_characters_count_as_two_columns() -> None:
    rows = [(IDS[0], "日本ハムファイターズ" * 4)]
    lines = on_terminal(60, show_rows, Columns(("id", "team")), rows).splitlines()
    assert max(map(cell_len, lines)) <= 60


def test_two_texts_that_are_too_long_get_the_same_room() -> None:
    rows = [("x" * 100, "y" * 100, "short")]
    assert widths_in(65, ("a", "b", "c"), rows, range(0)) == [30, 30, 5]


def outcome(number: int, status: OutcomeStatus, error: str = "", **about: Any) -> GameOutcome:
    failed = OutcomeUnknownError(error) if error else None
    return GameOutcome(f"65b036df{number:016x}", None, status, error=failed, **about)


CONFIRMED, PARTIAL, REFUSED, UNKNOWN, NOT_SENT = OutcomeStatus


@pytest.mark.parametrize("width", [40, 80, 120])
@pytest.mark.parametrize("status", OutcomeStatus)
def test_a_status_is_a_whole_word_on_a_terminal(status: OutcomeStatus, width: int) -> None:
    shown = on_terminal(width, show_outcomes, [outcome(0, status, "lost")])
    assert status.replace("_", " ") in shown
    assert "not_sent" not in shown


@pytest.mark.parametrize("width", [40, 80])
def test_a_status_has_a_colour(width: int) -> None:
    file = io.StringIO()
    console = Console(file=file, force_terminal=True, color_system="standard", width=width)
    show_outcomes(console, [outcome(0, CONFIRMED), outcome(1, UNKNOWN, "lost")])
    assert re.search(r"\x1b\[(1;)?32mconfirmed", file.getvalue())
    assert re.search(r"\x1b\[1;31munknown", file.getvalue())


def test_what_is_not_settled_is_first_and_what_is_proved_clear_last() -> None:
    order = OpenOrder(order_id="o")
    outcomes = [
        outcome(0, CONFIRMED, resting=[]),
        outcome(1, CONFIRMED),
        outcome(2, UNKNOWN, "lost", resting=[]),
        outcome(3, UNKNOWN, "lost"),
        outcome(4, CONFIRMED, resting=[order]),
        outcome(5, REFUSED, "no"),
    ]
    shown = on_terminal(120, show_outcomes, outcomes)
    assert re.findall(r"65b036df0{15}(\d)", shown) == ["3", "4", "5", "1", "0", "2"]


def test_orders_that_were_not_cancelled_are_first() -> None:
    done = [True, False, True]
    results = [
        CancelResult(success=each, order_id=id_) for each, id_ in zip(done, IDS, strict=True)
    ]
    shown = on_terminal(80, show_results, results)
    assert re.findall("65b036df[0-9a-f]+", shown) == [IDS[1], IDS[0], IDS[2]]


@pytest.mark.parametrize("width", [40, 80, 200])
def test_a_long_error_of_many_games_is_told_once_below_the_table(width: int) -> None:
    error = "nobody knows what became of it, " * 20
    outcomes = [outcome(number, UNKNOWN, error) for number in range(5)]
    shown = on_terminal(width, show_outcomes, outcomes)
    table, _, note = shown.partition("\n[1] ")
    assert re.sub(r"\s+", " ", note).strip() == error.strip()
    assert table.count("[1]") == 5
    assert max(map(cell_len, shown.splitlines())) <= width


def test_an_error_that_begins_with_its_game_is_told_without_it() -> None:
    outcomes = [outcome(n, UNKNOWN, f"65b036df{n:016x}: interrupted") for n in range(9)]
    shown = on_terminal(80, show_outcomes, outcomes)
    assert shown.splitlines()[-1].rstrip() == "[1] interrupted"


def test_errors_that_are_not_the_same_have_marks_of_their_own() -> None:
    outcomes = [outcome(n, UNKNOWN, text) for n, text in enumerate(["lost", "late", "lost"])]
    lines = on_terminal(80, show_outcomes, outcomes).splitlines()
    assert [line.rstrip() for line in lines[-2:]] == ["[1] lost", "[2] late"]
    assert [mark for line in lines[1:4] for mark in re.findall(r"\[\d\]", line)] == [
        "[1]",
        "[2]",
        "[1]",
    ]


def test_at_80_columns_a_game_of_a_fan_out_is_one_line() -> None:
    outcomes = [outcome(number, NOT_SENT, "x" * 200) for number in range(3)]
    lines = on_terminal(80, show_outcomes, outcomes).splitlines()
    assert [line[:24] for line in lines[1:4]] == IDS


@pytest.mark.parametrize("width", [40, 80])
def test_a_thousand_games_are_all_there(width: int) -> None:
    outcomes = [outcome(number, UNKNOWN, "lost") for number in range(1000)]
    shown = on_terminal(width, show_outcomes, outcomes)
    assert re.findall("65b036df[0-9a-f]+", shown) == [each.game_id for each in outcomes]
    assert shown.count("lost") == 1


MARKUP = "[red]x[/red]"


@pytest.mark.parametrize("width", [20, 40, 80, 200])
def test_an_id_that_looks_like_markup_is_shown_as_it_is(width: int) -> None:
    game = GameOutcome(MARKUP, None, UNKNOWN, error=OutcomeUnknownError(MARKUP))
    assert on_terminal(width, show_outcomes, [game]).count(MARKUP) == 2


WIDE = Columns(("id", "text", "extra", "none"), spare=frozenset({"extra"}))


@pytest.mark.parametrize(
    ("width", "heads"),
    [
        (80, ["id", "text", "extra", "none"]),
        (42, ["id", "text"]),
        (20, []),
    ],
)
def test_a_column_that_is_empty_or_spare_is_left_out_before_a_text_is_folded(
    width: int, heads: list[str]
) -> None:
    shown = on_terminal(width, show_rows, WIDE, [(IDS[0], "a text, 14 long", "12345", "")])
    assert re.findall(r"\w+", shown)[: len(heads)] == heads
    if heads:
        assert "a text, 14 long" in shown
    assert ("12345" in shown) is ("extra" in heads)


def test_a_row_in_several_lines_says_yes_and_no_by_the_head() -> None:
    columns = Columns(("id", "done", "whole"), status="done")
    rows = [(IDS[0], "no", "yes"), (IDS[1], "yes", "no")]
    lines = on_terminal(33, show_rows, columns, rows).splitlines()
    assert [line.rstrip() for line in lines] == [
        f"{IDS[0]} not done",
        "  whole",
        f"{IDS[1]} done",
        "  not whole",
    ]


@given(
    st.lists(st.sampled_from(OutcomeStatus), min_size=1, max_size=30),
    st.integers(1, 33),
    st.sampled_from([None, 0, 3]),
    st.booleans(),
    st.booleans(),
)
def test_a_summary_fits_a_line_of_80_columns(
    statuses: list[OutcomeStatus], times: int, open_: int | None, verify: bool, interrupted: bool
) -> None:
    resting = None if open_ is None else [OpenOrder()] * open_
    results = [CancelResult(success=True)] * 10
    outcomes = [outcome(0, each, "x", results=results, resting=resting) for each in statuses]
    report = CancelReport(tuple(outcomes * times), elapsed=59.9)
    told = summary(report, verify=verify, interrupted=interrupted)
    assert len(told) <= 80
    assert told.startswith("interrupted: ") is interrupted
    assert ("verified" in told) is (open_ == 0 or (verify and open_ is None))


def test_a_summary_of_few_statuses_names_them() -> None:
    report = CancelReport((outcome(0, CONFIRMED), outcome(1, REFUSED, "no")), elapsed=0.012)
    assert summary(report) == f"{report}"
    assert summary(report, verify=True, interrupted=True) == (
        "interrupted: 2 games: 1 confirmed, 1 refused; 0 orders cancelled; not verified"
    )


def test_a_summary_of_many_statuses_says_how_many_are_not_settled() -> None:
    outcomes = [outcome(n, status, "x") for n, status in enumerate([*OutcomeStatus] * 100)]
    outcomes += [outcome(999, CONFIRMED, complete=False)] * 20
    assert summary(CancelReport(tuple(outcomes)), verify=True) == (
        "520 games, 500 unsettled; 0 cancelled; not verified"
    )


@given(
    st.integers(1, 200),
    st.lists(st.tuples(*[st.text("ab ", max_size=40)] * 3, st.sampled_from(IDS)), min_size=1),
)
def test_columns_that_fit_share_the_room(room: int, rows: list[tuple[str, ...]]) -> None:
    widths = widths_in(room, ("one", "two", "three", "id"), rows, range(1, 2))
    if widths is None:
        # Three words of up to 12, a number, and an id.
        assert room < 12 + 40 + 12 + 24
        return
    assert sum(widths) <= room
    assert widths[3] >= 24
    assert widths[1] >= max(len(row[1]) for row in rows)
