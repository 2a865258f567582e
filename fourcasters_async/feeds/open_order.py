"""An order as a read of the open orders would show it, from what else tells of it. No I/O."""

from typing import TypedDict, cast

from fourcasters_async.models import (
    FeedOrder,
    Game,
    MarketType,
    OpenOrder,
    OrderCancelled,
    OrderFilled,
    OrderPlaced,
    UnmatchedOffer,
)

OrderEvent = OrderPlaced | OrderCancelled | OrderFilled


def from_offer(order_id: str, game_id: str | None, offer: UnmatchedOffer | None) -> OpenOrder:
    """Return an order as a read would show it, from the answer that put it into the book."""
    game = None if game_id is None else Game(game_id=game_id)
    if offer is None:
        return OpenOrder(order_id=order_id, game=game)
    return OpenOrder(
        order_id=order_id,
        bet=offer.offered,
        odds=offer.odds,
        filled=0.0,
        offered=offer.offered,
        remaining=offer.offered,
        user_reference=offer.user_reference,
        wager_request_id=offer.wager_request_id,
        game=game,
        **_bet_on(offer),
    )


def _bet_on(said: FeedOrder | UnmatchedOffer) -> "_BetOn":
    """Return what an order is a bet on, in the terms of a read."""
    of_a_team = said.type in (MarketType.MONEYLINE, MarketType.SPREAD)
    return {
        "type": said.type,
        "market": said.market,
        "participant_id": said.side if of_a_team else None,
        "side": None if of_a_team else said.side,
        "spread": said.number if said.type == MarketType.SPREAD else None,
        "total": said.number if said.type == MarketType.TOTAL else None,
    }


class _BetOn(TypedDict):
    type: MarketType | str | None
    market: str | None
    participant_id: str | None
    side: str | None
    spread: float | None
    total: float | None


def left_of(event: OrderEvent) -> float | None:
    """Return what is left of the order of an event, `None` if that is not known."""
    order = cast(FeedOrder, event.order)
    if order.remaining is None and isinstance(event, OrderPlaced):
        return order.offered
    return order.remaining


def from_event(event: OrderEvent) -> OpenOrder:
    """Return an order as a read would show it, from an event about it."""
    order, remaining = cast(FeedOrder, event.order), left_of(event)
    filled = None
    if remaining is not None and order.offered is not None:
        filled = max(order.offered - remaining, 0.0)
    return OpenOrder(
        order_id=order.order_id,
        bet=order.offered,
        odds=order.odds,
        filled=filled,
        offered=order.offered,
        remaining=remaining,
        expiry=order.expiry,
        created_at=order.created_at,
        user_reference=order.user_reference,
        wager_request_id=order.wager_request_id,
        game=Game(
            game_id=event.game_id,
            league=event.league,
            sport=event.sport,
            start=event.start,
            event_name=event.event_name,
            parent_game_id=event.parent_game_id,
            live=event.live,
        ),
        **_bet_on(order),
    )
