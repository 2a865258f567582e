"""The feeds of a session, and what they are made of."""

from collections.abc import Awaitable, Callable, Collection
from typing import TYPE_CHECKING

from attrs import frozen

import fourcasters_async
from fourcasters_async.feeds.arguments import AUDIT, KEEP, Given
from fourcasters_async.models import OpenOrder, OrderChange, UndecidedOrder

if TYPE_CHECKING:
    # A session that only cancels should not wait until the feeds are imported.
    from fourcasters_async.feeds.books import ReadBook
    from fourcasters_async.feeds.lines import Lines
    from fourcasters_async.feeds.order_follower import OrderFollower


@frozen
class FeedParts:
    """What feeds need of a session: ways to their address, reads, and who follows own orders."""

    lines: "Lines"
    read_book: "ReadBook"
    read_orders: Callable[[], Awaitable[list[OpenOrder]]]
    follow: "Callable[[OrderFollower | None], None]"
    note: Callable[[OrderChange], None]
    undecided: Callable[[frozenset[str] | None], Collection[UndecidedOrder]]
    read_lag: float


class SessionFeeds:
    """What the exchange pushes to an account; `AsyncSession` has all of it."""

    _feeds: FeedParts

    def price_feed(
        self, games: Given = None, leagues: Given = None, sports: Given = None, *, keep: int = KEEP
    ) -> "fourcasters_async.PriceFeed":
        """Return what changes in the books of games: `async with session.price_feed() as feed`.

        `async for event in feed` yields it: `GET /price-stream`, a WebSocket. Without arguments
        that is everything, and otherwise as `feed.subscribe(…, replace=True)` says: an empty list
        alone is nothing. `feed.order_book(game_id)` keeps a book. Up to `keep` events wait for a
        slow consumer, as on the user feed. Entering raises as `orders_socket` does.
        """
        from fourcasters_async.feeds.prices import PriceFeed  # noqa: PLC0415  # as above

        parts = self._feeds
        return PriceFeed(
            parts.lines.feed,
            parts.read_book,
            games,
            leagues,
            sports,
            keep=keep,
            read_lag=parts.read_lag,
        )

    def user_feed(
        self,
        cursor: "str | fourcasters_async.CursorFile | None" = None,
        *,
        keep: int = KEEP,
        audit: float = AUDIT,
    ) -> "fourcasters_async.UserFeed":
        """Return what happens to the account's orders: `async with session.user_feed() as feed`.

        `async for event in feed` yields placed and cancelled orders and fills, each once and in
        order, also across reconnections: `GET /v2/user`, a WebSocket, and `GET /v2/user/messages`
        for what was missed. A feed begins after `cursor`, the `cursor` of an earlier feed or a
        `CursorFile` that holds it; without one, it begins now. A `Gap` says that events may be
        missing. Up to `keep` events wait for a slow consumer; then the oldest are dropped, and a
        `Lagged` says how many. Every `audit` seconds the feed asks for what was not pushed though
        the line is open; that comes late, after a `Gap`. Entering raises as `orders_socket` does.
        """
        from fourcasters_async.feeds.user import UserFeed  # noqa: PLC0415  # as above

        return UserFeed(self._feeds.lines, cursor, keep=keep, audit=audit)

    def live_orders(self, *, audit: float = 60.0) -> "fourcasters_async.LiveOrders":
        """Return the account's own orders, at every moment: `async with session.live_orders()`.

        They come from the user feed (`GET /v2/user`), from the answers to this session's requests,
        and from `GET /user/getUnmatched`, which is read every `audit` seconds too: if that fails
        for as long again, they are not `current`. Entering raises as `orders_socket` and
        `account.get_unmatched` do. A session has one at a time.
        """
        from fourcasters_async.feeds.live_orders import LiveOrders  # noqa: PLC0415  # as above

        parts = self._feeds
        return LiveOrders(
            parts.lines,
            parts.read_orders,
            parts.follow,
            parts.note,
            parts.undecided,
            read_lag=parts.read_lag,
            audit=audit,
        )
