"""Tables on a terminal: nothing is cut, and ids stay whole."""

import io
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len
from rich.console import Console

from fourcasters_async import (
    CancelResult,
    Game,
    GameOutcome,
    OpenOrder,
    OutcomeStatus,
    Participant,
    ServerError,
)
from fourcasters_async.cli.columns import Columns
from fourcasters_async.cli.display import show_orders, show_outcomes, show_results, show_rows
from fourcasters_async.cli.layout import widths_in

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
