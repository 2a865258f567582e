"""The worst that the bets of an account on a game can come to. No I/O.

A result depends on a score only by its margin and its total, and changes only near the lines of
the bets. So the scores around each line, and some far from all of them, stand for every score.
"""

from collections import Counter
from collections.abc import Iterable
from itertools import product
from math import ceil, floor

from attrs import define, field

from fourcasters_async.testing.records import BookFill, BookGame, BookOrder
from fourcasters_async.testing.settling import OUTCOMES, outcome_of, result_of

# How many whole numbers on each side of a line: one for each parity, past a quarter line's halves.
_AROUND = 2


@define
class _Line:
    """The bets on one side of a line: one of their orders, and their cents by outcome."""

    order: BookOrder
    results: Counter[str] = field(factory=Counter)
    bets: int = 0

    def result(self, game: BookGame, away: int, home: int) -> int:
        return self.results[outcome_of(self.order, game, away, home)]


@define
class Position:
    """The bets of an account on a game that are not graded."""

    game: BookGame
    _lines: dict[tuple[object, ...], _Line] = field(factory=dict, init=False)
    _worst: float | None = field(default=None, init=False)

    def add(self, order: BookOrder, fill: BookFill) -> None:
        """Count a bet."""
        self._count(order, fill, 1)

    def remove(self, order: BookOrder, fill: BookFill) -> None:
        """Count a bet no longer."""
        self._count(order, fill, -1)
        if not self._lines[order.line].bets:
            del self._lines[order.line]

    @property
    def empty(self) -> bool:
        """Whether there is no bet."""
        return not self._lines

    @property
    def worst(self) -> float:
        """The least that the bets come to at any score, after fees, in account currency.

        More than 0 if they win something at every score.
        """
        if self._worst is None:
            self._worst = _least(self.game, self._lines.values()) / 100
        return self._worst

    def _count(self, order: BookOrder, fill: BookFill, times: int) -> None:
        line = self._lines.setdefault(order.line, _Line(order))
        for outcome in OUTCOMES:
            line.results[outcome] += times * round(100 * result_of(fill, outcome))
        line.bets += times
        self._worst = None


def _least(game: BookGame, lines: Iterable[_Line]) -> int:
    lines = list(lines)
    on_totals = [line for line in lines if line.order.type == "total"]
    on_margins = [line for line in lines if line.order.type != "total"]
    margins = _around(0.0, *(_margin(line.order, game) for line in on_margins))
    totals = {each for each in _around(*(_number(line.order) for line in on_totals)) if each >= 0}
    furthest = max(*map(abs, margins), *totals)
    totals |= {furthest + 1, furthest + 2}
    by_margin = {
        margin: sum(line.result(game, max(0, -margin), max(0, margin)) for line in on_margins)
        for margin in margins
    }
    by_total = {total: sum(line.result(game, 0, total) for line in on_totals) for total in totals}
    return min(
        result + by_total[total]
        for (margin, result), total in product(by_margin.items(), totals)
        if abs(margin) <= total and (total - margin) % 2 == 0
    )


def _around(*lines: float) -> set[int]:
    return {
        number
        for line in lines
        for number in range(floor(line) - _AROUND, ceil(line) + _AROUND + 1)
    }


def _margin(order: BookOrder, game: BookGame) -> float:
    """Return the margin of the home side at which the bets of an order turn."""
    number = _number(order)
    return -number if order.side == game.home_id else number


def _number(order: BookOrder) -> float:
    return order.number or 0.0
