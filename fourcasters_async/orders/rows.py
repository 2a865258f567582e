"""The rows of answers of which some rows could not be read, united over attempts."""

from collections.abc import Sequence
from typing import Any

from attrs import evolve

from fourcasters_async.models import CancelResult
from fourcasters_async.orders.answers import already_cancelled, results_by_id
from fourcasters_async.orders.fanout import unite

Rows = Sequence[CancelResult | None]
"""The results in an answer, with `None` in the place of those that could not be read."""


def all_rows(answers: Sequence[Rows]) -> list[CancelResult]:
    """Return the last result for each order."""
    return unite([row for rows in answers for row in rows if row is not None])


def rows_by_id(order_ids: Sequence[str], answers: Sequence[Rows]) -> list[CancelResult]:
    """Return the last result for each id, in the order of the ids, as far as there are results."""
    united: list[CancelResult] = []
    matched = [results_by_id(order_ids, rows) for rows in answers]
    for order_id, *results in zip(order_ids, *matched, strict=True):
        told = [result for result in results if result is not None]
        for result in told:
            result.order_id = order_id
        succeeded = [result for result in told if result.success]
        if told:
            keep = succeeded and already_cancelled(told[-1])
            united.append(succeeded[-1] if keep else told[-1])
    return united


def distinct_ids(order_ids: Sequence[str]) -> list[str]:
    """Return the distinct ids, in any case, in their order."""
    distinct: dict[str, str] = {}
    for order_id in order_ids:
        distinct.setdefault(order_id.casefold(), order_id)
    return list(distinct.values())


def result_for_each(
    order_ids: Sequence[str], results: Sequence[CancelResult]
) -> list[CancelResult]:
    """Return one result for each of the ids that were given, also for one that was given twice."""
    asked = distinct_ids(order_ids)
    by_id = {
        order_id.casefold(): result
        for order_id, result in zip(asked, results_by_id(asked, results), strict=True)
        if result is not None
    }
    repeated = len(asked) < len(order_ids)
    made: list[CancelResult] = []
    for order_id in order_ids:
        result = by_id[order_id.casefold()]
        made.append(evolve(result) if repeated else result)
        made[-1].order_id = order_id
    return made


def last_rows(answers: Sequence[Sequence[Any]]) -> list[Any]:
    """Return the rows of the last answer: what is not repeated has no other."""
    return list(answers[-1])
