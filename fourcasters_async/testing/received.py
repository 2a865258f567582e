"""What the exchange received."""

import asyncio
from collections import Counter, deque
from collections.abc import Mapping

from attrs import define

from fourcasters_async.testing.answers import Body, body_of
from fourcasters_async.testing.book import Book
from fourcasters_async.testing.calls import Fault

_REMEMBERED = 100_000
# The names of games and orders in requests, over both transports.
_GAME_KEYS = ("gameID", "gameId")
_ORDER_ID_KEYS = ("sessionID", "orderID", "orderId")
_ORDER_IDS_KEYS = ("sessionIDs", "orderIDs")


@define
class Received:
    """A request that was received, or a message on a WebSocket.

    A message has the method `WS`, its type as its path, its payload as its content, and the
    headers of the handshake. `account` is `None` if the token is not known. `games` are the games
    that it is about: those that it names, and those of the orders that it names. `fault` is what
    struck it, if anything did.
    """

    method: str
    path: str
    headers: Mapping[str, str]
    content: bytes
    account: str | None
    games: frozenset[str] = frozenset()
    fault: Fault | None = None

    @property
    def endpoint(self) -> str:
        """The last segment of the path."""
        return self.path.rpartition("/")[2]

    @property
    def game_id(self) -> object:
        """The `gameID` or `gameId` at the top of the body."""
        body = body_of(self.content)
        return body.get("gameID", body.get("gameId"))

    def fits(self, endpoint: str | None, game_id: str | None) -> bool:
        """Whether it went to an endpoint and is about a game. `None` fits all."""
        return endpoint in (None, self.endpoint) and (game_id is None or game_id in self.games)


class ReceivedLog:
    """All that was received. `requests` are the last hundred thousand of it, oldest first."""

    def __init__(self) -> None:
        self.requests: deque[Received] = deque(maxlen=_REMEMBERED)
        self._counts: Counter[tuple[str, str | None]] = Counter()
        self._news = asyncio.Event()

    def add(self, received: Received) -> None:
        """Note a request."""
        self.requests.append(received)
        self._counts.update((received.endpoint, game_id) for game_id in (None, *received.games))
        self._news.set()
        self._news = asyncio.Event()

    async def wait_for(self, endpoint: str, count: int, game_id: str | None) -> None:
        """Wait until so many requests were received since the exchange was made."""
        while self._counts[endpoint, game_id] < count:
            await self._news.wait()


def games_of(fields: Body, book: Book) -> frozenset[str]:
    """Return the games that a request with these fields is about."""
    placed, ids = fields.get("orders"), [fields.get(key) for key in _ORDER_ID_KEYS]
    for key in _ORDER_IDS_KEYS:
        several = fields.get(key)
        ids += several if isinstance(several, list) else ()
    named = [fields, *(placed if isinstance(placed, list) else ())]
    games = [each.get(key) for each in named if isinstance(each, dict) for key in _GAME_KEYS]
    orders = [book.orders.get(order_id) for order_id in ids if isinstance(order_id, str)]
    games += [order.game_id for order in orders if order is not None]
    return frozenset(game_id for game_id in games if isinstance(game_id, str))
