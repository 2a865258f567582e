"""Checks of the arguments of order verbs, and orders as they are sent."""

import re
from secrets import token_hex

from attrs import evolve

from fourcasters_async._core.validation import (
    HUGE,
    check_amount,
    check_count,
    check_id,
    check_list,
    check_member,
    check_number,
    check_text,
    optional,
    shown,
)
from fourcasters_async.errors import InvalidRequestError
from fourcasters_async.models import GameMarket, MarketType, NewOrder, OrderType
from fourcasters_async.orders.tickets import OwnOrder

_OBJECT_ID = re.compile(r"[0-9a-fA-F]{24}")
# The smallest American odds, without their sign.
_MIN_ODDS = 100
# The prefix of references that the library makes.
_REFERENCE = "fca-"


def check_order_id(value: object, name: str) -> str:
    """Return an order id. Its form is checked: one malformed id fails a whole request."""
    order_id = check_id(value, name)
    if not is_order_id(order_id):
        raise InvalidRequestError(f"{name}: must be 24 hexadecimal digits, not {order_id!r}")
    return order_id


def is_order_id(value: str) -> bool:
    """Whether a string has the form of an order id."""
    return _OBJECT_ID.fullmatch(value) is not None


def check_market_type(value: object, name: str = "type") -> MarketType | None:
    """Return the market type for a member or its value."""
    return None if value is None else check_member(value, MarketType, name)


def check_order_type(value: object, name: str) -> OrderType:
    """Return the order type for a member or its value."""
    return check_member(value, OrderType, name)


def check_american_odds(value: object, name: str) -> int:
    """Return American odds, which are never between -100 and 100."""
    if type(value) is not int or not _MIN_ODDS <= abs(value) < HUGE:
        raise InvalidRequestError(
            f"{name}: must be American odds, a whole number of at least {_MIN_ODDS} or at most "
            f"-{_MIN_ODDS}, not {shown(value)}"
        )
    return value


def check_new_order(value: object, name: str) -> NewOrder:
    """Return an order to place, with every field checked."""
    if not isinstance(value, NewOrder):
        raise InvalidRequestError(f"{name}: must be a NewOrder, not {type(value).__name__}")
    return evolve(
        value,
        game_id=check_id(value.game_id, f"{name}.game_id"),
        type=check_member(value.type, MarketType, f"{name}.type"),
        side=check_id(value.side, f"{name}.side"),
        odds=check_american_odds(value.odds, f"{name}.odds"),
        bet=check_amount(value.bet, f"{name}.bet"),
        number=optional(check_number, value.number, f"{name}.number"),
        market=optional(check_id, value.market, f"{name}.market"),
        order_type=optional(check_order_type, value.order_type, f"{name}.order_type"),
        expiration_minutes=optional(
            check_count, value.expiration_minutes, f"{name}.expiration_minutes"
        ),
        user_reference=optional(check_text, value.user_reference, f"{name}.user_reference"),
    )


def check_markets(games: object, type: object) -> list[GameMarket]:  # noqa: A002  # the name on the wire
    """Return the distinct games of a fan-out in input order. `type` is for plain ids."""
    default = check_market_type(type)
    distinct: dict[GameMarket, None] = {}
    for index, game in enumerate(check_list(games, "games")):
        name = f"games[{index}]"
        if isinstance(game, GameMarket):
            game_id = check_id(game.game_id, f"{name}.game_id")
            market = GameMarket(game_id, check_market_type(game.type, f"{name}.type"))
        else:
            market = GameMarket(check_id(game, name), default)
        distinct[market] = None
    return list(distinct)


def check_whole_games(games: object) -> list[GameMarket]:
    """Return the distinct games in input order, each with every market type."""
    return list(dict.fromkeys(GameMarket(m.game_id) for m in check_markets(games, None)))


def message_body(market: GameMarket) -> dict[str, object]:
    """Return the body of a cancel on a game as the Orders WebSocket takes it."""
    if market.type is None:
        return {"gameId": market.game_id}
    return {"gameId": market.game_id, "type": market.type}


def order_document(order: NewOrder, game_key: str) -> dict[str, object]:
    """Return an order as it is sent. `game_key` is the key of its game id."""
    document = {
        game_key: order.game_id,
        "type": order.type,
        "side": order.side,
        "odds": order.odds,
        "bet": order.bet,
        "number": order.number,
        "market": order.market,
        "orderType": order.order_type,
        "expirationMinutes": order.expiration_minutes,
        "userReference": order.user_reference,
    }
    return {name: value for name, value in document.items() if value is not None}


def with_reference(order: NewOrder) -> NewOrder:
    """Return an order that can be found: with a reference of its own, if it has none."""
    return order if order.user_reference else evolve(order, user_reference=own_reference())


def own_reference() -> str:
    """Return a reference that no other order has."""
    return _REFERENCE + token_hex(12)


def own_order(order: NewOrder) -> OwnOrder:
    """Return an order as the gate keeps account of it."""
    reference = order.user_reference
    made_here = reference is not None and reference.startswith(_REFERENCE)
    return OwnOrder(order.game_id.casefold(), reference, unique=made_here)
