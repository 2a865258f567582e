"""The hook for `CancelResult`, written by hand for speed.

A burst makes one record for each order while the market moves. This hook takes 8 µs for ten
records; the generated hook takes 17. No other record is made often enough to need one.
"""

from collections.abc import Sequence
from typing import Any

from fourcasters_async._json.hooks import Hook, number
from fourcasters_async.models import CancelResult


def cancel_result_hook(
    generated: Hook, names: Sequence[str], *, reason_in_description: bool
) -> Hook:
    """Return a hook for the documented form; any other goes to the `generated` hook.

    `names` are the names on the wire, in the order of the fields. With `reason_in_description`,
    a failure that gives no reason has it in its description.
    """
    (
        success_,
        reason_,
        order_id_,
        description_,
        odds_,
        filled_,
        offered_,
        remaining_,
        game_id_,
        user_reference_,
        side_,
        number_,
    ) = names

    def structure(value: Any, kind: Any) -> Any:
        try:
            get = value.get
            success = value[success_]
            reason, description = get(reason_), get(description_)
            order_id, game_id = get(order_id_), get(game_id_)
            user_reference, side, odds = get(user_reference_), get(side_), get(odds_)
            filled, offered = get(filled_), get(offered_)
            remaining, line = get(remaining_), get(number_)
            # Inline for each field: a call for each would take longer than all the rest.
            if (
                (success is True or success is False)
                and (type(reason) is str or reason is None)
                and (type(order_id) is str or order_id is None)
                and (type(description) is str or description is None)
                and (type(odds) is int or odds is None)
                and (type(game_id) is str or game_id is None)
                and (type(user_reference) is str or user_reference is None)
                and (type(side) is str or side is None)
            ):
                result = CancelResult(
                    success,
                    reason,
                    order_id,
                    description,
                    odds,
                    filled if type(filled) is float else _number(filled),
                    offered if type(offered) is float else _number(offered),
                    remaining if type(remaining) is float else _number(remaining),
                    game_id,
                    user_reference or None,
                    side,
                    line if type(line) is float else _number(line),
                )
            else:
                result = generated(value, kind)
                result.user_reference = result.user_reference or None
        except Exception:  # noqa: BLE001  # the generated hook raises it again, with its path
            return generated(value, kind)
        if reason_in_description and not success and reason is None:
            result.reason, result.description = description, None
        return result

    return structure


def _number(value: Any) -> float | None:
    if type(value) is int:
        return float(value)
    return None if value is None else number(value, None)
