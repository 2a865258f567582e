"""What the exchange received."""

import asyncio
from collections import Counter, deque
from collections.abc import Callable, Mapping
from typing import Literal

from attrs import define

from fourcasters_async.testing.answers import Body, body_of
from fourcasters_async.testing.book import Book
from fourcasters_async.testing.calls import Fault
from fourcasters_async.testing.endpoints import check_endpoint, check_game, name_of
from fourcasters_async.testing.short import ShortRepr, counted

Transport = Literal["http", "websocket"]

_REMEMBERED = 100_000
# So many of the requests are listed in the text of an error.
_LISTED = 20
# The names of games and orders in requests, over both transports.
_GAME_KEYS = ("gameID", "gameId")
_ORDER_ID_KEYS = ("sessionID", "orderID", "orderId")
_ORDER_IDS_KEYS = ("sessionIDs", "orderIDs")


@define(repr=False)
class Received(ShortRepr):
    """A request that was received, or a message on a WebSocket.

    A message has the method `WS`, its type as its path, its payload as its content, and the
    headers of the handshake. `account` is `None` if the token is not known. `games` are the games
    that it is about: those that it names, and those of the orders that it names. `fault` is what
    struck it, if anything did. `at` is when it came, in seconds of the exchange's clock.
    """

    method: str
    path: str
    headers: Mapping[str, str]
    content: bytes
    account: str | None
    games: frozenset[str] = frozenset()
    fault: Fault | None = None
    at: float = 0.0

    @property
    def endpoint(self) -> str:
        """The last segment of the path, or the type of a message."""
        return name_of(self.path)

    @property
    def transport(self) -> Transport:
        """`http`, or `websocket` for a message. A handshake comes over `http`."""
        return "websocket" if self.method == "WS" else "http"

    @property
    def body(self) -> dict[str, object]:
        """The JSON object in the content, and an empty one if there is none."""
        return body_of(self.content)

    @property
    def game_id(self) -> object:
        """The `gameID` or `gameId` at the top of the body."""
        body = self.body
        return body.get("gameID", body.get("gameId"))

    def fits(self, endpoint: str | None, game_id: str | None) -> bool:
        """Whether it went to an endpoint and is about a game. `None` fits all."""
        return endpoint in (None, self.endpoint) and (game_id is None or game_id in self.games)

    def __str__(self) -> str:
        """Say when it came, over which transport and where to, and what struck it."""
        struck = "" if self.fault is None else f", struck by {self.fault}"
        return f"{self.at:.3f} s: {self.endpoint} over {self.transport}{struck}"


class Requests(deque[Received]):
    """What was received, oldest first. `str()` lists the last of them, one in a line."""

    def to(
        self,
        endpoint: str | None = None,
        *,
        game_id: str | None = None,
        transport: Transport | None = None,
    ) -> list[Received]:
        """Return those to an endpoint, about a game and over a transport. `None` takes all.

        Raises `ValueError` for an endpoint that is not served.
        """
        check_endpoint(endpoint)
        check_game(game_id)
        return [
            each
            for each in self
            if each.fits(endpoint, game_id) and transport in (None, each.transport)
        ]

    def __repr__(self) -> str:
        return counted(type(self).__name__, self)

    def __str__(self) -> str:
        """List the last of them."""
        if not self:
            return "nothing was received"
        listed = [str(each) for each in list(self)[-_LISTED:]]
        left_out = [f"… {len(self) - _LISTED} before"] if len(self) > _LISTED else []
        return "\n  ".join(["received:", *left_out, *listed])


class ReceivedLog:
    """All that was received. `requests` are the last hundred thousand of it, oldest first.

    `now` is the clock that says when. Whoever waits for `news` is woken by each request and by
    `tell`.
    """

    def __init__(self, now: Callable[[], float]) -> None:
        self.requests: Requests = Requests(maxlen=_REMEMBERED)
        self._now = now
        self._counts: Counter[tuple[str, str | None]] = Counter()
        self._news = asyncio.Event()

    def add(self, received: Received) -> None:
        """Note a request, which came now."""
        received.at = self._now()
        self.requests.append(received)
        self._counts.update((received.endpoint, game_id) for game_id in (None, *received.games))
        self.tell()

    def tell(self) -> None:
        """Wake all who wait for news."""
        self._news.set()
        self._news = asyncio.Event()

    async def news(self, within: float | None = None) -> None:
        """Wait for news, or until so many seconds have passed."""
        if within is None:
            await self._news.wait()
            return
        look = asyncio.get_running_loop().call_later(within, self.tell)
        try:
            await self._news.wait()
        finally:
            look.cancel()

    def count(self, endpoint: str, game_id: str | None) -> int:
        """Count what was received since the exchange was made."""
        return self._counts[endpoint, game_id]


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
