"""What the command line prints: tables on a terminal, otherwise lines with tabs."""

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

import attrs
import orjson

from fourcasters_async.cli.columns import Columns, Row
from fourcasters_async.cli.terminal import say_row
from fourcasters_async.cli.wording import amount, number, teams
from fourcasters_async.models import CancelReport, CancelResult, GameOutcome, OpenOrder

if TYPE_CHECKING:
    # Commands that cancel should not wait until these are imported.
    from rich.console import Console


ORDERS = Columns(
    ("game", "league", "teams", "orders", "offered", "filled", "remaining"), range(3, 7)
)


def show_rows(
    console: "Console | None",
    heads: Sequence[str],
    rows: Iterable[Sequence[str]],
    *,
    numbers: range,
) -> None:
    """Print a table on a terminal, otherwise lines with tabs.

    `numbers` are aligned right, and have no thousands separators in lines with tabs. Nothing is
    ever cut on a terminal: long texts are folded, and an id stays whole. A row that is too wide for
    that is printed in several lines.
    """
    if console is not None and console.is_terminal:
        from fourcasters_async.cli.drawing import drawn_rows  # noqa: PLC0415  # it imports rich

        console.print(drawn_rows(console.width, heads, rows, numbers=numbers))
        return
    for row in rows:
        say_row(row, numbers=numbers)


def show_outcomes(console: "Console | None", outcomes: Iterable[GameOutcome]) -> None:
    """Print one row per game."""
    heads = (
        "game",
        "status",
        "cancelled",
        "not cancelled",
        "open",
        "attempts",
        "ms",
        "error",
        "complete",
    )
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
        for outcome in outcomes
    ]
    show_rows(console, heads, rows, numbers=range(2, 7))


def interrupted_line(report: CancelReport, *, verify: bool) -> str:
    """Say how far a fan-out came that was interrupted."""
    total = f"{len(report.confirmed):,} of {len(report.outcomes):,} confirmed"
    others = (
        (len(report.partial), "partial"),
        (len(report.refused), "refused"),
        (len(report.not_sent), "not sent"),
        (len(report.unknown), "not known"),
    )
    parts = [total, *(f"{count:,} {name}" for count, name in others if count)]
    return f"interrupted: {', '.join([*parts, 'not verified'] if verify else parts)}"


def show_results(console: "Console | None", results: Iterable[CancelResult]) -> None:
    """Print one row per order that was to be cancelled."""
    heads = ("order", "cancelled", "remaining", "order text", "reason")
    rows = [
        (
            result.order_id or "?",
            "yes" if result.success else "no",
            amount(result.remaining),
            result.description or "",
            result.reason or "",
        )
        for result in results
    ]
    show_rows(console, heads, rows, numbers=range(2, 3))


def show_orders(console: "Console | None", orders: Sequence[OpenOrder]) -> None:
    """Print one row per game with open orders, and the totals."""
    rows = [*order_rows(orders), ("total", "", "", *order_totals(orders))]
    show_rows(console, ORDERS.heads, rows, numbers=ORDERS.numbers)


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
    """Return records, or a dict with records, as JSON."""
    return orjson.dumps(document, default=_plain, option=orjson.OPT_INDENT_2).decode()


def to_json_line(document: object) -> str:
    """Return records, or a dict with records, as JSON in one line."""
    return orjson.dumps(document, default=_plain).decode()


def report_document(report: CancelReport) -> dict[str, object]:
    """Return a report as a dict for JSON."""
    return {
        "ok": report.ok,
        "verified_clear": report.verified_clear,
        "elapsed": report.elapsed,
        "outcomes": [
            {**attrs.asdict(outcome), "error": outcome.unsettled and str(outcome.unsettled)}
            for outcome in report.outcomes
        ],
    }


def _league(order: OpenOrder) -> str:
    return (order.game.league if order.game else None) or ""


def _plain(value: Any) -> object:
    if attrs.has(type(value)):
        return attrs.asdict(value)
    raise TypeError(type(value).__name__)
