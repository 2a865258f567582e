"""What is refused before anything is sent: arguments that can only be a mistake.

Nothing here guesses at the rules of the exchange: what might be valid is sent.
"""

import inspect
import math
import re
from collections.abc import Iterable
from ipaddress import ip_address

from yarl import URL

from fourcasters_async._secret import Secret
from fourcasters_async.errors import InvalidRequestError
from fourcasters_async.models import GameMarket, MarketType

_ID_LIMIT = 128
_OBJECT_ID = re.compile(r"[0-9a-fA-F]{24}")
_HIGHEST_PORT = 65535


def check_id(value: object, name: str) -> str:
    """Return an id as it is, or refuse what no id can be."""
    if not isinstance(value, str):
        raise InvalidRequestError(f"{name}: must be a string, not {type(value).__name__}")
    if not value.strip():
        raise InvalidRequestError(f"{name}: must not be empty")
    if len(value) > _ID_LIMIT:
        raise InvalidRequestError(f"{name}: must not be longer than {_ID_LIMIT} characters")
    if "/" in value or "\\" in value or not value.isprintable():
        raise InvalidRequestError(
            f"{name}: must not contain slashes, control characters or the like: {value!r}"
        )
    return value


def check_order_id(value: object, name: str) -> str:
    """Return an order id, which must look like one: one malformed id fails a whole request."""
    order_id = check_id(value, name)
    if not _OBJECT_ID.fullmatch(order_id):
        raise InvalidRequestError(f"{name}: must be 24 hexadecimal digits, not {order_id!r}")
    return order_id


def check_market_type(value: object, name: str = "type") -> MarketType | None:
    """Return the member for a market type or its value."""
    if value is None:
        return None
    for member in MarketType:
        if member == value:
            return member
    known = ", ".join(repr(member.value) for member in MarketType)
    raise InvalidRequestError(f"{name}: must be one of {known}, not {value!r}")


def check_list(values: object, name: str) -> list[object]:
    """Return the items of an iterable that is no string."""
    if isinstance(values, str | bytes | bytearray | GameMarket) or not isinstance(values, Iterable):
        raise InvalidRequestError(
            f"{name}: must be a list or the like, not {type(values).__name__}"
        )
    return list(values)


def check_markets(games: object, type: object) -> list[GameMarket]:  # noqa: A002  # the name on the wire
    """Return the distinct games of a fan-out, in their order. `type` is for plain ids."""
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


def check_seconds(value: float, name: str) -> float:
    """Return a span of time in seconds, which must be finite and positive."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise InvalidRequestError(f"{name}: must be seconds, not {type(value).__name__}")
    if not (math.isfinite(value) and value > 0):
        raise InvalidRequestError(f"{name}: must be finite and more than 0 seconds, not {value!r}")
    return float(value)


def check_callback(callback: object, name: str) -> None:
    """Refuse what is not a plain function."""
    if not callable(callback) or inspect.iscoroutinefunction(callback):
        raise InvalidRequestError(f"{name}: must be a plain function, called in the event loop")


def check_token(value: object) -> Secret:
    """Return the token, hidden, or refuse one that cannot stand in a header."""
    if not isinstance(value, str):
        raise InvalidRequestError(f"token: must be a string, not {type(value).__name__}")
    if not value.isascii() or not value.isprintable() or " " in value or not value:
        raise InvalidRequestError(
            "token: must be ASCII without spaces, line breaks or control characters, and not empty"
        )
    return Secret(value)


def check_url(value: object, name: str, scheme: str) -> URL:
    """Return an address, encrypted unless it is on this machine."""
    # The value is kept out of the messages: it may hold a password.
    try:
        url = URL(value if isinstance(value, str) else "")
        port = url.port
    except ValueError:
        url, port = URL(""), None
    if url.host is None or port is None or not 0 < port <= _HIGHEST_PORT:
        raise InvalidRequestError(f"{name}: must be an address such as {scheme}://api.4casters.io")
    if url.user is not None or url.password is not None or url.query_string or url.fragment:
        raise InvalidRequestError(
            f"{name}: must not hold a user, a password, a query or a fragment"
        )
    if url.scheme != scheme and not (
        url.scheme == scheme.removesuffix("s") and _is_local(url.host)
    ):
        raise InvalidRequestError(
            f"{name}: must be {scheme}://…; unencrypted only to this machine (127.0.0.1, localhost)"
        )
    return url


def _is_local(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
