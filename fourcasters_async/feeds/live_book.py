"""The book of one game as a price feed keeps it, and what it is worth at this moment."""

import asyncio
import copy
from collections.abc import Callable
from typing import Protocol

from fourcasters_async._core.callbacks import tell
from fourcasters_async.errors import FourcastersError
from fourcasters_async.feeds.order_book import KeptBook, Side, best_of
from fourcasters_async.models import BookEntry, MarketType, OrderBook


class Pulse(Protocol):
    """What a feed knows of itself."""

    @property
    def connected(self) -> bool:
        """Whether it has a connection."""
        ...

    def is_silent(self, seconds: float) -> bool:
        """Whether it has said nothing at all for so long."""
        ...

    def time(self) -> float:
        """Return the time of the loop."""
        ...


OnStale = Callable[["LiveBook"], object]


class LiveBook:
    """The book of one game, kept up by a price feed: `feed.order_book(game_id)`.

    It is `current` once all sides are known, as long as the feed is connected and has said anything
    at all, of whatever game, in the last `stale_after` seconds. A ping that is answered proves the
    connection, not the feed. `age` is about the prices of this game alone: a market without changes
    grows old and stays current.
    """

    def __init__(self, game_id: str, pulse: Pulse, *, stale_after: float) -> None:
        self.game_id = game_id
        """The id of the game."""
        self.stale_after = stale_after
        """Seconds of silence on the whole feed after which the book is stale."""
        self.on_stale: OnStale | None = None
        """What is told of each change of `current`."""
        self.error: FourcastersError | None = None
        """Why the book could not be read last, `None` if it could."""
        self.kept = KeptBook(game_id)
        self.since = pulse.time()
        """Since when, as a loop time, everything that is said of the game is heard."""
        self._pulse = pulse
        self._told = False
        self._given_up: FourcastersError | None = None
        self._waiting: set[asyncio.Future[None]] = set()

    def __repr__(self) -> str:
        return f"<LiveBook {self.game_id}, {'current' if self.current else 'stale'}>"

    @property
    def current(self) -> bool:
        """Whether the book is what the exchange has now, as far as can be known."""
        return (
            self._given_up is None
            and self.kept.complete
            and self._pulse.connected
            and not self._pulse.is_silent(self.stale_after)
        )

    @property
    def age(self) -> float | None:
        """Seconds since the prices of this game were last told or read, `None` before that."""
        updated = self.kept.updated
        return None if updated is None else self._pulse.time() - updated

    @property
    def order_book(self) -> OrderBook | None:
        """The whole book, as `session.markets.get_orderbook` returns it; `None` before it was read.

        In each list the best order for a taker comes first. What is stale is still there.
        """
        return self.kept.record

    @property
    def own(self) -> list[BookEntry]:
        """The orders of the account in this book."""
        book = self.kept.record
        return [] if book is None else [each for each in book.entries if each.own]

    def orders(
        self,
        type: MarketType | str,  # noqa: A002  # the exchange's own word
        side: str,
        *,
        number: float | None = None,
        market: str | None = None,
    ) -> list[BookEntry]:
        """Return the orders that rest on a side, the best for a taker first.

        The side is named as in `NewOrder`: `side` is the id of a participant, `"over"`, `"under"`,
        or with a `market` `"yes"` or `"no"`; a spread or a total has a `number`.
        """
        folded = side if type in (MarketType.MONEYLINE, MarketType.SPREAD) else side.casefold()
        return self.kept.side(Side(type, folded, number, market))

    def best(
        self,
        type: MarketType | str,  # noqa: A002  # as above
        side: str,
        *,
        number: float | None = None,
        market: str | None = None,
    ) -> BookEntry | None:
        """Return the order of a side that a taker gets first, `None` if none rests.

        Its `odds` are those of whoever placed it: a taker gets the same odds with the other sign.
        """
        return best_of(self.orders(type, side, number=number, market=market))

    async def wait_until_current(self) -> None:
        """Wait until the book is current. Raises why it never will be, once that is known."""
        while not self.current:
            if self._given_up is not None:
                raise copy.copy(self._given_up)
            waiting: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            self._waiting.add(waiting)
            try:
                await waiting
            finally:
                self._waiting.discard(waiting)

    def give_up(self, error: FourcastersError) -> None:
        """Let it never be current again."""
        if self._given_up is None:
            self._given_up = error
            self.tell()
            self._wake()

    def tell(self) -> None:
        """Tell of a change of `current`, once."""
        current = self.current
        if current is self._told:
            return
        self._told = current
        if current:
            self._wake()
        if self.on_stale is not None:
            tell(self.on_stale, self, "on_stale failed for game %s", self.game_id)

    @property
    def told(self) -> bool:
        """Whether it was last told to be current."""
        return self._told

    def _wake(self) -> None:
        for waiting in self._waiting:
            if not waiting.done():
                waiting.set_result(None)
