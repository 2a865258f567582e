"""`fourcasters book --follow`: the book of a game, kept from the price feed."""

import asyncio
from collections.abc import Sequence
from contextlib import AsyncExitStack, ExitStack
from datetime import datetime, timedelta

import click
from attrs import frozen
from rich.console import Console, Group, RenderableType

from fourcasters_async.cli.columns import Columns, Row
from fourcasters_async.cli.drawing import drawn_line
from fourcasters_async.cli.following import TICK, run_until_told, warnings_told
from fourcasters_async.cli.read_tables import (
    BOOK,
    PRICES,
    book_headline,
    book_rows,
)
from fourcasters_async.cli.screen import fitting, lines_of
from fourcasters_async.cli.sessions import make_session, name_of
from fourcasters_async.cli.shown import Shown, Told, clock, make_shown, now
from fourcasters_async.cli.terminal import harmless
from fourcasters_async.cli.waiting import waiting
from fourcasters_async.cli.watch_tables import doubt_since
from fourcasters_async.errors import (
    BadRequestError,
    DecodeError,
    FourcastersError,
    NotFoundError,
)
from fourcasters_async.feeds.live_book import LiveBook
from fourcasters_async.feeds.prices import PriceFeed
from fourcasters_async.models import OrderBook
from fourcasters_async.session import AsyncSession

STALE_AFTER = 30.0
"""Seconds that the feed may say nothing: it tells of one game alone, whose market may be calm."""

# What a price is named by: its game, market, line, side and odds.
_NAME = 5
LINES = Columns(("time (UTC)", "event", *BOOK.heads, "note"), range(6, 10))


def no_book(game_id: str, why: str) -> click.ClickException:
    """Return what ends a command for a game that the exchange does not know."""
    return click.ClickException(harmless(f"the exchange has no book of {game_id!r}: {why}"))


def follow_book(game_id: str, stale_after: float, *, as_json: bool) -> None:
    """Show the book of a game as it changes, until Ctrl-C."""
    session = make_session()
    shown = make_shown(LINES, as_json=as_json)
    run_until_told(keep_following(session, game_id, stale_after, shown))


@frozen
class Seen:
    """A book at a time: why it is stale, and since when, and when it was last told or read."""

    book: OrderBook | None = None
    doubt: str | None = None
    stale_since: datetime | None = None
    updated: datetime | None = None


def drawn_book(
    console: Console, exchange: str, seen: Seen, newest: Sequence[Told] = ()
) -> RenderableType:
    """Return what a terminal shows of a book: not more lines than it has, and nothing cut.

    Where there is no room for all prices, it shows the best of each side.
    """
    parts = [drawn_line(exchange, "bold")]
    if seen.book is not None:
        parts.append(drawn_line(book_headline(seen.book), "bold"))
    if seen.doubt is None:
        updated = "" if seen.updated is None else f", last changed at {clock(seen.updated)} UTC"
        parts.append(drawn_line(f"current{updated}", "green"))
    else:
        parts.append(drawn_line(f"STALE {doubt_since(seen.doubt, seen.stale_since)}", "bold red"))
    warnings = [told for told in newest if told.event == "warning"]
    if warnings and seen.doubt is not None:
        parts.append(drawn_line(f"{clock(warnings[0].at)} {warnings[0].rows[0][-1]}"))
    rows = [] if seen.book is None else [row[1:] for row in book_rows(seen.book)]
    if rows:
        # The last line is the cursor's.
        left = console.height - 1 - lines_of(console, *parts)
        ranks = ranks_on_sides(rows)
        parts.append(fitting(console, PRICES, rows, height=left, more="prices", ranks=ranks))
    elif seen.book is not None:
        parts.append(drawn_line("no orders"))
    return Group(*parts)


def changed_prices(before: Sequence[Row], after: Sequence[Row]) -> list[Row]:
    """Return the rows of `after` that are new or other than `before`, and those that are gone.

    What is gone has nothing left.
    """
    held, kept = set(map(tuple, before)), {tuple(row[:_NAME]) for row in after}
    gone = [row for row in before if tuple(row[:_NAME]) not in kept]
    return [
        *((*row[:_NAME], "0.00", "0", "") for row in gone),
        *(row for row in after if tuple(row) not in held),
    ]


def ranks_on_sides(rows: Sequence[Row]) -> list[int]:
    """Return for each price how many of its side are better."""
    seen: dict[tuple[str, ...], int] = {}
    ranks = []
    for row in rows:
        side = tuple(row[: _NAME - 2])
        ranks.append(seen.get(side, 0))
        seen[side] = ranks[-1] + 1
    return ranks


async def keep_following(
    session: AsyncSession, game_id: str, stale_after: float, shown: Shown
) -> None:
    """Show a book until cancelled. Raises why it cannot go on."""
    async with AsyncExitStack() as stack:
        await stack.enter_async_context(session)
        with waiting():
            feed = await stack.enter_async_context(session.price_feed(games=[game_id]))
        with ExitStack() as until, warnings_told(shown.warn):
            follower = Follower(feed, game_id, stale_after, shown, session.base_url)

            def draw(console: Console, newest: Sequence[Told]) -> RenderableType:
                return drawn_book(console, name_of(session), follower.seen, newest)

            shown.start(draw, until)
            while True:
                follower.look()
                shown.tick()
                await asyncio.sleep(TICK)


class Follower:
    """Tells of a book whenever it has changed, and of each time that it is stale."""

    def __init__(
        self, feed: PriceFeed, game_id: str, stale_after: float, shown: Shown, exchange: str
    ) -> None:
        self.seen: Seen = Seen(doubt="")
        """What was told last. No book is in doubt for nothing."""
        self._feed = feed
        self._shown = shown
        self._exchange = exchange
        self._was_current = False
        self._rows: list[Row] = []
        # What became of it since the last look.
        self._turns: list[tuple[str | None, datetime]] = []
        self._book = feed.order_book(game_id, stale_after=stale_after, on_stale=self._turn)

    def look(self) -> None:
        """Tell what is new. Raises why the feed has ended, or why there is no such book."""
        turns, self._turns = self._turns, []
        for doubt, at in [*turns, (self._doubt(), now())]:
            self._tell(doubt, at)
        book = self._feed.order_book(self._book.game_id)
        if not self._was_current and book.error is not None:
            _refuse(game_id=book.game_id, error=book.error)

    def _turn(self, _: LiveBook) -> None:
        self._turns.append((self._doubt(), now()))

    def _doubt(self) -> str | None:
        return self._book.doubt

    def _tell(self, doubt: str | None, at: datetime) -> None:
        age, held, before = self._book.age, self._book.order_book, self.seen
        if (held, doubt) == (before.book, before.doubt):
            return
        self._was_current = self._was_current or doubt is None
        self.seen = Seen(
            book=held,
            doubt=doubt,
            stale_since=None if doubt is None else before.stale_since or at,
            updated=None if age is None else now() - timedelta(seconds=age),
        )
        fields = {
            "exchange": self._exchange,
            "current": doubt is None,
            "stale_since": self.seen.stale_since,
            "doubt": doubt,
            "updated": self.seen.updated,
            "book": held,
        }
        self._shown.tell(Told(at, "book", fields, self._new_rows(before)))

    def _new_rows(self, before: Seen) -> list[Row]:
        seen = self.seen
        rows = [] if seen.book is None else book_rows(seen.book)
        told: list[Row] = [("price", *row, "") for row in changed_prices(self._rows, rows)]
        if seen.doubt != before.doubt:
            note = doubt_since(seen.doubt, seen.stale_since)
            word = "current" if seen.doubt is None else "stale"
            told.append((word, self._book.game_id, *("" for _ in BOOK.heads[1:]), note))
        self._rows = rows
        return told


def _refuse(game_id: str, error: FourcastersError) -> None:
    """Raise if the exchange says that it has no such book."""
    if isinstance(error, BadRequestError | NotFoundError):
        raise no_book(game_id, f"{error.status} {error.message}")
    if isinstance(error, DecodeError) and error.path == "$.data.games":
        raise no_book(game_id, "it is not among its games")
