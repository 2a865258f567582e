"""The names by which a fault, a count or a wait means a request. A mistake is a ValueError.

A new path or message gets its name here by itself, and needs a line in docs/testing.md.
"""

import difflib
from collections.abc import Collection

from fourcasters_async.testing.orders_channel import MESSAGES
from fourcasters_async.testing.price_feed import COMMANDS
from fourcasters_async.testing.rest import ENDPOINTS

ORDERS_PATH = "/orders/ws"
USER_PATH = "/v2/user"
PRICE_PATH = "/price-stream"
REPLAY_PATH = "/v2/user/messages"


def name_of(path: str) -> str:
    """Return the last segment of a path, which is the name of its endpoint."""
    return path.rpartition("/")[2]


HANDSHAKES = frozenset(map(name_of, (ORDERS_PATH, USER_PATH, PRICE_PATH)))
OVER_HTTP = frozenset(map(name_of, (*ENDPOINTS, REPLAY_PATH))) | HANDSHAKES
OVER_WEBSOCKET = frozenset((*MESSAGES, *COMMANDS))
NAMES = OVER_HTTP | OVER_WEBSOCKET

_THE_LIST = "docs/testing.md has all names, under 'Names of requests'"
# How much alike two names are, from 0 to 1: one letter that is wrong or missing is much more.
_ALIKE = 0.6


def check_endpoint(endpoint: object, among: Collection[str] = NAMES) -> None:
    """Refuse what names no endpoint and no message. `None` stands for all of them."""
    if endpoint is None or (isinstance(endpoint, str) and endpoint in among):
        return
    nearest = _nearest(str(endpoint), among)
    meant = "" if nearest is None else f", did you mean {nearest!r}?"
    raise ValueError(f"endpoint: {endpoint!r} is not served{meant or ';'} {_THE_LIST}")


def check_game(game_id: object) -> None:
    """Refuse what can be no id of a game, such as the game itself. `None` stands for all games.

    A game that is not in the book may be added later.
    """
    if game_id is not None and not (isinstance(game_id, str) and game_id):
        raise ValueError("game_id: must be the id of a game, such as game.game_id")


def _nearest(endpoint: str, among: Collection[str]) -> str | None:
    """Return the name that is most like this one, also if it is a whole path or in snake_case."""
    by_key = {_key(name): name for name in sorted(among)}
    found = difflib.get_close_matches(_key(endpoint), by_key, n=1, cutoff=_ALIKE)
    return by_key[found[0]] if found else None


def _key(name: str) -> str:
    return name_of(name).replace("_", "").replace("-", "").casefold()
