"""What the command line prints: tables on a terminal, otherwise lines with tabs."""

import json
import sys
from collections.abc import Iterable, Sequence
from contextlib import nullcontext
from typing import TYPE_CHECKING

import orjson

from fourcasters_async.cli.columns import Columns, Row
from fourcasters_async.cli.prose import unheard
from fourcasters_async.cli.terminal import console_of, say, say_row
from fourcasters_async.cli.wording import amount, number, teams
from fourcasters_async.models import CancelResult, GameOutcome, OpenOrder
from fourcasters_async.models.record import DEEPEST, plain

if TYPE_CHECKING:
    # Commands that cancel should not wait until these are imported.
    from rich.console import Console

ORDERS = Columns(
    ("game", "league", "teams", "orders", "offered", "filled", "remaining"),
    range(3, 7),
    spare=frozenset({"offered"}),
)
OUTCOMES = Columns(
    (
        "game",
        "status",
        "cancelled",
        "not cancelled",
        "open",
        "attempts",
        "ms",
        "error",
        "complete",
    ),
    range(2, 7),
    spare=frozenset({"attempts", "ms"}),
    status="status",
    note="error",
)
RESULTS = Columns(
    ("order", "cancelled", "remaining", "order text", "reason"),
    range(2, 3),
    status="cancelled",
    note="reason",
)


def show_rows(
    console: "Console | None",
    columns: Columns,
    rows: Sequence[Row],
    *,
    err: bool = False,
    heads: bool = False,
) -> None:
    """Print a table on a terminal, otherwise lines with tabs; `err` is for standard error.

    The lines are for programs and have no heads, unless `heads` asks for them.
    """
    with unheard() if err else nullcontext():
        if console is not None and console.is_terminal:
            from fourcasters_async.cli.drawing import drawn_rows  # noqa: PLC0415  # it imports rich

            console.print(drawn_rows(console.width, columns, rows))
            return
        for row in [columns.heads, *rows] if heads else rows:
            say_row(row, numbers=columns.numbers, err=err)


def show_outcomes(
    console: "Console | None", outcomes: Iterable[GameOutcome], *, heads: bool = False
) -> None:
    """Print one row per game: those first that are not known to be clear."""
    rows = [
        (
            str(outcome.market),
            outcome.status.value,
            number(sum(result.success for result in outcome.results)),
            number(sum(not result.success for result in outcome.results)),
            "?" if outcome.resting is None else number(len(outcome.resting)),
            number(outcome.attempts),
            f"{outcome.elapsed * 1000:.1f}",
            "" if outcome.unsettled is None else str(outcome.unsettled),
            "yes" if outcome.complete else "no",
        )
        for outcome in sorted(outcomes, key=settled)
    ]
    show_rows(console, OUTCOMES, rows, heads=heads)


def settled(outcome: GameOutcome) -> int:
    """Return how well a game is settled: not, by the answer alone, or by proof."""
    if outcome.resting == []:
        return 2
    return 1 if outcome.unsettled is None else 0


def verdict(text: str, *, good: bool) -> None:
    """Print on standard error what a command came to."""
    console = console_of(sys.stderr)
    if console is None:
        say(text, err=True)
        return
    from fourcasters_async.cli.drawing import drawn_line  # noqa: PLC0415  # as above

    with unheard():
        console.print(drawn_line(text, f"bold {'green' if good else 'red'}"))


def show_results(console: "Console | None", results: Iterable[CancelResult]) -> None:
    """Print one row per order that was to be cancelled: those first that were not."""
    rows = [
        (
            result.order_id or "?",
            "yes" if result.success else "no",
            amount(result.remaining),
            result.description or "",
            result.reason or "",
        )
        for result in sorted(results, key=lambda result: result.success)
    ]
    show_rows(console, RESULTS, rows)


def show_orders(
    console: "Console | None", orders: Sequence[OpenOrder], *, err: bool = False
) -> None:
    """Print one row per game with open orders, and the totals."""
    rows = [*order_rows(orders), ("total", "", "", *order_totals(orders))]
    show_rows(console, ORDERS, rows, err=err)


def order_rows(orders: Iterable[OpenOrder]) -> list[Row]:
    """Return a row for each game with open orders."""
    by_game: dict[str, list[OpenOrder]] = {}
    for order in orders:
        by_game.setdefault(order.game_id or "?", []).append(order)
    return [
        (game_id, _league(on_game[0]), teams(on_game[0].game), *order_totals(on_game))
        for game_id, on_game in by_game.items()
    ]


def order_totals(orders: Sequence[OpenOrder]) -> tuple[str, ...]:
    """Return how many orders there are, and what is offered, filled and remaining of them."""
    sums = (
        sum(getattr(order, name) or 0.0 for order in orders)
        for name in ("offered", "filled", "remaining")
    )
    return (number(len(orders)), *map(amount, sums))


def to_json(document: object) -> str:
    """Return records, or a dict with records, as JSON: what their `to_dict` says."""
    return _written(document, indent=2)


def to_json_line(document: object) -> str:
    """Return records, or a dict with records, as JSON in one line."""
    return _written(document, indent=None)


def _league(order: OpenOrder) -> str:
    return (order.game.league if order.game else None) or ""


def _written(document: object, indent: int | None) -> str:
    # The records have a bound of their own, and so have dicts that were made of them.
    value = plain(document, 2 * DEEPEST)
    try:
        return orjson.dumps(value, option=orjson.OPT_INDENT_2 if indent else None).decode()
    except orjson.JSONEncodeError:
        # It has no number beyond 64 bits, which the exchange may send as a whole number.
        return json.dumps(value, indent=indent)
