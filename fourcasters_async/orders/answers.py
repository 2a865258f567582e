"""What an answer is about. A stray one names another game or order than its request."""

from fourcasters_async.models import (
    CancelResult,
    MarketType,
    MatchedFill,
    NewOrder,
    PlaceResult,
    UnmatchedOffer,
)


def another_game(game_id: str, results: list[CancelResult]) -> str | None:
    """Return the mismatch if the results name only other games than `game_id`, else `None`."""
    for result in results:
        if result.game_id == game_id:
            return None
    named = {result.game_id.casefold() for result in results if result.game_id}
    if named and game_id.casefold() not in named:
        return f"about game {min(named)} where {game_id} was asked for"
    return None


def another_order(order_ids: list[str], results: list[CancelResult]) -> str | None:
    """Return the mismatch if the results are not those of `order_ids`, else `None`."""
    if len(results) != len(order_ids):
        return f"{len(results)} results for {len(order_ids)} ids"
    for asked, result in zip(order_ids, results, strict=True):
        if result.order_id and result.order_id.casefold() != asked.casefold():
            return f"about order {result.order_id} where {asked} was asked for"
    return None


def other_orders(orders: list[NewOrder], results: list[PlaceResult]) -> str | None:
    """Return the mismatch if the results are not those of `orders`, else `None`."""
    if len(results) != len(orders):
        return f"{len(results)} results for {len(orders)} orders"
    for index, (order, result) in enumerate(zip(orders, results, strict=True)):
        parts: list[MatchedFill | UnmatchedOffer] = [*result.matched]
        if result.unmatched is not None:
            parts.append(result.unmatched)
        for part in parts:
            # A type that this library does not know may be another name for the same type.
            if isinstance(part.type, MarketType) and part.type != order.type:
                return f"a {part.type} where orders[{index}] is a {order.type}"
            asked, named = _folded(order.user_reference), _folded(part.user_reference)
            if asked and named and named != asked:
                return f"about {part.user_reference!r} where orders[{index}] was asked for"
    return None


def already_cancelled(result: CancelResult) -> bool:
    """Whether an order was not cancelled because it was cancelled before."""
    return not result.success and "already cancelled" in (result.reason or "").casefold()


def _folded(reference: str | None) -> str:
    return (reference or "").strip().casefold()
