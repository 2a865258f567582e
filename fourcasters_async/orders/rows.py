"""The rows of answers of which some rows could not be read, united over attempts."""

from collections.abc import Sequence

from fourcasters_async.models import CancelResult
from fourcasters_async.orders.answers import already_cancelled, another_game
from fourcasters_async.orders.fanout import unite

Rows = Sequence[CancelResult | None]
"""The results in an answer, with `None` in the place of those that could not be read."""


def all_rows(answers: Sequence[Rows]) -> list[CancelResult]:
    """Return the last result for each order."""
    return unite([row for rows in answers for row in rows if row is not None])


def rows_of_game(game_id: str, answers: Sequence[Rows]) -> list[CancelResult]:
    """Return the last result for each order. Answers that name only other games do not count."""
    return all_rows(
        [rows for rows in answers if not another_game(game_id, [r for r in rows if r is not None])]
    )


def rows_by_id(order_ids: Sequence[str], answers: Sequence[Rows]) -> list[CancelResult]:
    """Return the last result for each id, in the order of the ids, as far as there are results.

    Answers that do not have one row for each id do not count.
    """
    fitting = [rows for rows in answers if _fit(order_ids, rows)]
    united: list[CancelResult] = []
    for order_id, *results in zip(order_ids, *fitting, strict=True):
        told = [result for result in results if result is not None]
        for result in told:
            result.order_id = order_id
        succeeded = [result for result in told if result.success]
        if told:
            keep = succeeded and already_cancelled(told[-1])
            united.append(succeeded[-1] if keep else told[-1])
    return united


def _fit(order_ids: Sequence[str], rows: Rows) -> bool:
    return len(rows) == len(order_ids) and all(
        row is None or not row.order_id or row.order_id.casefold() == order_id.casefold()
        for order_id, row in zip(order_ids, rows, strict=True)
    )
