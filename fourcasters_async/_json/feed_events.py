"""The hooks for what the user feed says most, written by hand for speed.

A kill brings one message for each order, while its proof waits for the last of them. These hooks
take a third of the time of the generated ones.
"""

from collections.abc import Sequence
from typing import Any

from fourcasters_async._json.hooks import Hook, moment_with_offset, number_or_none
from fourcasters_async.models import FeedOrder, MarketType

_TYPES = {member.value: member for member in MarketType}


def feed_order_hook(generated: Hook, names: Sequence[str]) -> Hook:
    """Return a hook for the documented form; any other goes to the `generated` hook.

    `names` are the names on the wire, in the order of the fields.
    """
    (
        order_id_,
        wager_request_id_,
        offered_,
        filled_,
        remaining_,
        odds_,
        type_,
        side_,
        market_,
        number_,
        user_reference_,
        is_post_arb_,
        created_at_,
        expiry_,
    ) = names

    def structure(value: Any, kind: Any) -> Any:
        try:
            get = value.get
            order_id, request_id, odds = value[order_id_], get(wager_request_id_), get(odds_)
            offered, filled, remaining = get(offered_), get(filled_), get(remaining_)
            type_of, side, market, line = get(type_), get(side_), get(market_), get(number_)
            reference, post_arb = get(user_reference_), get(is_post_arb_)
            created_at, expiry = get(created_at_), get(expiry_)
            # Inline for each field: a call for each would take longer than all the rest.
            if (
                type(order_id) is str
                and (request_id is None or type(request_id) is str)
                and (odds is None or type(odds) is int)
                and (type_of is None or type(type_of) is str)
                and (side is None or type(side) is str)
                and (market is None or type(market) is str)
                and (reference is None or type(reference) is str)
                and (post_arb is None or type(post_arb) is bool)
            ):
                return FeedOrder(
                    order_id=order_id,
                    wager_request_id=request_id,
                    offered=number_or_none(offered),
                    filled=number_or_none(filled),
                    remaining=number_or_none(remaining),
                    odds=odds,
                    type=None if type_of is None else _TYPES.get(type_of, type_of),
                    side=side,
                    market=market,
                    number=number_or_none(line),
                    user_reference=reference or None,
                    is_post_arb=post_arb,
                    created_at=None if created_at is None else moment_with_offset(created_at),
                    expiry=None if expiry is None else moment_with_offset(expiry),
                )
        except Exception:  # noqa: BLE001, S110  # the generated hook says what is wrong
            pass
        return generated(value, kind)

    return structure


def order_event_hook(generated: Hook, order: Hook, names: Sequence[str]) -> Hook:
    """Return a hook for an event about one order, in the documented form.

    `order` is the hook of the order, and `names` are as above.
    """
    (
        message_id_,
        game_id_,
        parent_game_id_,
        event_name_,
        league_,
        sport_,
        live_,
        start_,
        platform_,
        origin_,
        created_at_,
        order_,
    ) = names

    def structure(value: Any, kind: Any) -> Any:
        try:
            get = value.get
            message_id, game_id, parent = value[message_id_], get(game_id_), get(parent_game_id_)
            name, league, sport = get(event_name_), get(league_), get(sport_)
            live, start, created_at = get(live_), get(start_), get(created_at_)
            platform, origin = get(platform_), get(origin_)
            if (
                type(message_id) is str
                and (game_id is None or type(game_id) is str)
                and (parent is None or type(parent) is str)
                and (name is None or type(name) is str)
                and (league is None or type(league) is str)
                and (sport is None or type(sport) is str)
                and (live is None or type(live) is bool)
                and (platform is None or type(platform) is str)
                and (origin is None or type(origin) is str)
                and type(value[order_]) is dict
            ):
                starts = None if start is None else moment_with_offset(start)
                created = None if created_at is None else moment_with_offset(created_at)
                return kind(
                    message_id=message_id,
                    game_id=game_id,
                    parent_game_id=parent,
                    event_name=name,
                    league=league,
                    sport=sport,
                    live=live,
                    start=starts,
                    platform=platform,
                    origin=origin,
                    created_at=created,
                    order=order(value[order_], FeedOrder),
                )
        except Exception:  # noqa: BLE001, S110  # the generated hook says what is wrong
            pass
        return generated(value, kind)

    return structure
