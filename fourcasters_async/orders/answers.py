"""What an answer is about: another game or order than its request, or which of several."""

from collections.abc import Callable, Sequence

from fourcasters_async._core.text import folded
from fourcasters_async.models import (
    CancelResult,
    EditResult,
    MarketType,
    MatchedFill,
    NewOrder,
    OpenOrder,
    OrderDetail,
    PlaceResult,
    UnmatchedOffer,
)
from fourcasters_async.models.unread import UnreadResults


def another_game(game_id: str, results: Sequence[CancelResult]) -> str | None:
    """Return the mismatch if the results name only other games than `game_id`, else `None`.

    They may be true: a period of a game is a game of its own.
    """
    games: list[str | None] = []
    if isinstance(results, UnreadResults):
        for _, game in results.ids:
            # Nearly always the first one.
            if game == game_id:
                return None
            games.append(game)
    else:
        games = [result.game_id for result in results]
    named = {game.casefold() for game in games if game}
    if named and game_id.casefold() not in named:
        return f"about game {min(named)} where {game_id} was asked for"
    return None


def results_by_id(
    order_ids: Sequence[str], results: Sequence[CancelResult | None]
) -> list[CancelResult | None]:
    """Return the result for each id, `None` where the answer has none.

    The ids are distinct. A result belongs to the id that it names, in any case and at any place.
    Without an id it belongs to the id at its place, if every result that has an id stands at its
    place.
    """
    named: dict[str, CancelResult] = {}
    for result in results:
        if result is not None and result.order_id:
            key = result.order_id.casefold()
            if key not in named or not already_cancelled(result):
                named[key] = result
    places = [None if r is None or not r.order_id else r.order_id.casefold() for r in results]
    asked = [order_id.casefold() for order_id in order_ids]
    in_place = len(places) == len(asked) and all(
        named_there in (None, there) for named_there, there in zip(places, asked, strict=True)
    )
    return [
        named.get(order_id) or (results[index] if in_place else None)
        for index, order_id in enumerate(asked)
    ]


def without_result(order_ids: Sequence[str], results: Sequence[CancelResult]) -> str | None:
    """Return the mismatch if the answer has no result for some of the ids, else `None`."""
    matched = results_by_id(order_ids, results)
    missing = [i for i, result in zip(order_ids, matched, strict=True) if result is None]
    if not missing:
        return None
    asked = {order_id.casefold() for order_id in order_ids}
    others = [r.order_id for r in results if r.order_id and r.order_id.casefold() not in asked]
    if others:
        return f"about order {others[0]} where {missing[0]} was asked for"
    return f"{len(results)} results for {len(order_ids)} ids, none for {missing[0]}"


# What the exchange says of an order that it knows, and does not cancel because it does not rest.
_NOT_OWN = ("not your order", "does not belong to user")
_NOT_RESTING = ("already filled", "already graded", "order is expired", *_NOT_OWN)
_NOT_FOUND = "order not found"


def may_rest(result: CancelResult) -> bool | None:
    """Whether an order that was not cancelled may rest; `None` if it is said not to, unproved.

    A service that does not know an order calls it not found too, as the Orders WebSocket's does
    with games. And 0 may only say that a row that failed has no number.
    """
    text = (result.reason or "").casefold()
    if any(each in text for each in _NOT_RESTING):
        return False
    return None if result.remaining == 0 or _NOT_FOUND in text else True


def is_no_own_order(result: CancelResult) -> bool:
    """Whether the exchange knows no order of the account's by the id that was to be cancelled."""
    text = (result.reason or "").casefold()
    return not result.success and any(each in text for each in (_NOT_FOUND, *_NOT_OWN))


def may_be_left(order: OpenOrder | CancelResult) -> bool:
    """Whether something of an order that an answer shows may rest."""
    if isinstance(order, CancelResult) and not order.success:
        return not already_cancelled(order) and may_rest(order) is not False
    return order.remaining != 0


def already_cancelled(result: CancelResult) -> bool:
    """Whether an order was not cancelled because it was cancelled before."""
    return not result.success and "already cancelled" in (result.reason or "").casefold()


def cancelled_orders(
    results: Sequence[CancelResult],
) -> Sequence[tuple[str, str | None, bool]]:
    """Return the orders that are cancelled: the id and the game, and whether they were just now.

    An order that was not cancelled may still rest, unless it was cancelled before.
    """
    if isinstance(results, UnreadResults):
        return [(order_id, game, True) for order_id, game in results.ids if order_id]
    return [
        (result.order_id, result.game_id, result.success)
        for result in results
        if result.order_id and (result.success or already_cancelled(result))
    ]


def other_orders(
    orders: Sequence[NewOrder],
    is_own: Callable[[str], bool],
    results: Sequence[PlaceResult],
    *,
    proven: bool,
) -> str | None:
    """Return the mismatch if the results are not those of `orders`, else `None`.

    A `proven` answer is the answer to this request: what it says of an order's terms only informs.
    `is_own` says whether another order has a reference, which then is not one that is cut short.
    """
    if len(results) != len(orders):
        return f"{len(results)} results for {len(orders)} orders"
    references = {folded(order.user_reference) for order in orders}
    for index, (order, result) in enumerate(zip(orders, results, strict=True)):
        if (mistake := contradiction(result)) is not None:
            return f"orders[{index}]: {mistake}"
        if result.success and not result.matched and result.unmatched is None:
            return f"orders[{index}]: accepted, and neither matched nor resting"
        for part in _parts_of(result):
            asked, named = folded(order.user_reference), folded(part.user_reference)
            if named and named != asked and (named in references or not proven):
                if named in references or is_own(named) or not _is_cut_short(part, order):
                    return f"about {part.user_reference!r} where orders[{index}] was asked for"
            # A type that this library does not know may be another name for the same type.
            elif not proven and (not named or not asked) and _is_of_another_type(part, order):
                return f"a {part.type} where orders[{index}] is a {order.type}"
    return None


def contradiction(result: PlaceResult) -> str | None:
    """Return how a result contradicts itself, `None` if it does not."""
    if result.order_id is not None and not result.order_id.strip():
        return "an order without an id"
    if not result.matched and result.unmatched is None:
        return None
    if result.error is not None or result.error_type is not None:
        return f"both placed and refused: {result.error or result.error_type}"
    if isinstance(result, EditResult) and result.cancelled.get("success") is False:
        return "replaced, and the old order was not cancelled"
    return None


def other_edit(
    order_id: str, user_reference: str, is_own: Callable[[str], bool], result: EditResult
) -> str | None:
    """Return the mismatch if the answer to the edit of an order cannot be true, else `None`.

    The new order has the `user_reference`, which may be cut short in the answer. `is_own` is that
    of `other_orders`.
    """
    if (mistake := contradiction(result)) is not None:
        return mistake
    for key in ("sessionID", "orderID"):
        named = result.cancelled.get(key)
        if isinstance(named, str) and named.casefold() != order_id.casefold():
            return f"about order {named} where {order_id} was asked for"
    for part in _parts_of(result):
        asked, named = folded(user_reference), folded(part.user_reference)
        if named and named != asked and (is_own(named) or not asked.startswith(named)):
            return f"about {part.user_reference!r} where {user_reference!r} was asked for"
    return None


def another_order(order_id: str, order: OrderDetail) -> str | None:
    """Return the mismatch if the state is that of another order, else `None`."""
    if order.order_id and order.order_id.casefold() != order_id.casefold():
        return f"about order {order.order_id} where {order_id} was asked for"
    return None


def _parts_of(result: PlaceResult) -> list[MatchedFill | UnmatchedOffer]:
    """Return what a result says of the order: its fills, and the part that rests."""
    parts: list[MatchedFill | UnmatchedOffer] = [*result.matched]
    return parts if result.unmatched is None else [*parts, result.unmatched]


def _is_of_another_type(part: MatchedFill | UnmatchedOffer, order: NewOrder) -> bool:
    return isinstance(part.type, MarketType) and part.type != order.type


def _is_cut_short(part: MatchedFill | UnmatchedOffer, order: NewOrder) -> bool:
    """Whether a reference is the beginning of the one that was sent, and no term contradicts."""
    asked, named = folded(order.user_reference), folded(part.user_reference)
    same = part.side in (None, order.side) and part.number in (None, order.number)
    if isinstance(part, UnmatchedOffer):
        same = same and part.odds in (None, order.odds)
    return asked.startswith(named) and same and not _is_of_another_type(part, order)
