"""`fourcasters watch`: one's own orders and fills, as they come."""

import asyncio
from collections.abc import Callable, Sequence
from contextlib import AsyncExitStack, ExitStack
from datetime import datetime
from typing import TypeVar

import click
from rich.console import Console, Group, RenderableType

from fourcasters_async.cli.display import ORDERS, order_rows, order_totals
from fourcasters_async.cli.drawing import drawn_line
from fourcasters_async.cli.following import TICK, run_until_told, together, warnings_told
from fourcasters_async.cli.screen import fitting, lines_of
from fourcasters_async.cli.sessions import make_session, name_of
from fourcasters_async.cli.shown import Shown, Told, make_shown, now
from fourcasters_async.cli.waiting import waiting
from fourcasters_async.cli.watch_tables import (
    CHANGES,
    NEWEST,
    doubt_since,
    newest_rows,
    tell_change,
    tell_fill,
    tell_lagged,
    tell_orders,
    tell_state,
)
from fourcasters_async.errors import FourcastersError
from fourcasters_async.feeds.live_orders import LiveOrders
from fourcasters_async.feeds.stream import Stream
from fourcasters_async.models import Lagged, OpenOrder
from fourcasters_async.session import AsyncSession

T = TypeVar("T")


@click.command()
@click.option("--fills", "fills_only", is_flag=True, help="Only the fills.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object a line.")
def watch(*, fills_only: bool, as_json: bool) -> None:
    """Show your open orders and fills as they change, until Ctrl-C.

    A terminal shows the open orders by game, and below them the newest changes. Otherwise each
    order that is open at the start is a line, and each change is one. A change and the fill that
    made it are both told. It is said whether what is shown is the account's book now, and if not,
    since when and why: after a gap of the feed, say, or while there is no connection. Then the
    command goes on by itself: it connects again, and reads the open orders again.

    Ctrl-C or SIGTERM ends it with the exit status 0. The status is 1 if the exchange refuses the
    token, at the start or later, and 3 if there is no connection at the start.
    """
    session = make_session()
    run_until_told(
        keep_watching(session, make_shown(CHANGES, as_json=as_json), fills_only=fills_only)
    )


async def keep_watching(session: AsyncSession, shown: Shown, *, fills_only: bool) -> None:
    """Show own orders until cancelled. Raises why it cannot go on."""
    async with AsyncExitStack() as stack:
        await stack.enter_async_context(session)
        with waiting():
            orders = await stack.enter_async_context(session.live_orders())
        with ExitStack() as until, warnings_told(shown.warn):
            fills, changes = orders.fills(), None if fills_only else aiter(orders)
            watcher = Watcher(orders, shown, session.base_url)

            def draw(console: Console, newest: Sequence[Told]) -> RenderableType:
                return drawn_watch(
                    console,
                    name_of(session),
                    newest,
                    orders=None if fills_only else orders.orders,
                    state=(orders.doubt, watcher.since),
                )

            shown.start(draw, until)
            watcher.look()
            jobs = [watcher.follow_state(), watcher.follow(fills, "fills", tell_fill)]
            if shown.ticks:
                jobs.append(_draw_often(shown))
            if changes is not None:
                watcher.tell_all()
                jobs.append(watcher.follow(changes, "changes", tell_change))
            try:
                await together(*jobs)
            except FourcastersError:
                watcher.look()
                raise


class Watcher:
    """Tells what happens to live orders, and whether they are the account's book."""

    def __init__(self, orders: LiveOrders, shown: Shown, exchange: str) -> None:
        self.since: datetime | None = None
        """Since when they are not current."""
        self._orders = orders
        self._shown = shown
        self._exchange = exchange
        # Nothing was told yet.
        self._doubt: str | None = ""

    async def follow(
        self, stream: Stream[T], name: str, told_of: Callable[[T, datetime], Told]
    ) -> None:
        """Tell of each item of a stream, and of how many this program was too slow for."""
        async for item in stream:
            self.look()
            if not isinstance(item, Lagged):
                self._shown.tell(told_of(item, now()))
                continue
            self._shown.tell(tell_lagged(item, name, now()))
            if name == "changes":
                self.tell_all()

    async def follow_state(self) -> None:
        """Tell whether they are current whenever that changes."""
        async for _ in self._orders.doubts():
            self.look()

    def look(self) -> None:
        """Tell whether they are current, if that has changed, or why they are not."""
        doubt = self._orders.doubt
        if doubt != self._doubt:
            since = self._orders.not_current_since or now()
            at = now()
            self._doubt, self.since = doubt, None if doubt is None else since
            self._shown.tell(tell_state(doubt, self.since, at))

    def tell_all(self) -> None:
        """Tell of all open orders."""
        self._shown.tell(tell_orders(self._orders.orders, self._exchange, now()))


async def _draw_often(shown: Shown) -> None:
    while True:
        shown.tick()
        await asyncio.sleep(TICK)


def drawn_watch(
    console: Console,
    exchange: str,
    newest: Sequence[Told],
    *,
    orders: Sequence[OpenOrder] | None,
    state: tuple[str | None, datetime | None],
) -> RenderableType:
    """Return what a terminal shows: not more lines than it has, and nothing of a row cut.

    `orders` are `None` if only fills are shown. `state` is why they are not current, and since
    when.
    """
    # The last line is the cursor's.
    height = console.height - 1
    current = state[0] is None
    word = (
        "current: this is the account's book" if current else f"NOT CURRENT {doubt_since(*state)}"
    )
    parts = [drawn_line(exchange, "bold"), drawn_line(word, "green" if current else "bold red")]
    rows = newest_rows(newest)
    if orders is not None:
        count, offered, filled, remaining = order_totals(orders)
        totals = f"{count} open: {offered} offered, {filled} filled, {remaining} remaining"
        parts.append(drawn_line(totals if orders else "no open orders"))
        left = height - lines_of(console, *parts)
        room = left - left // 3 if rows else left
        on_games = order_rows(orders)
        parts.append(fitting(console, ORDERS, on_games, height=room, more="games"))
    if rows:
        parts.append(drawn_line("newest changes" if orders is not None else "newest fills", "bold"))
        left = height - lines_of(console, *parts)
        parts.append(fitting(console, NEWEST, rows, height=left, more="before them"))
    return Group(*parts)
