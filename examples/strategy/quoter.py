"""A market maker to start from: it quotes the moneylines of some games, and ends flat.

    python quoter.py GAME_ID …

On each side it rests a few cents better than what could be taken. It moves when the others do,
halts a game whose prices are stale or of which it does not know its own orders, and cancels
everything when it ends. The exit status is 0 if it is known that nothing rests, and 3 if it is not.
"""

import argparse
import asyncio
import logging
import math
import sys
from collections.abc import Iterable
from contextlib import suppress

from attrs import field, frozen

from fourcasters_async import (
    AsyncSession,
    FourcastersError,
    Lagged,
    LiveBook,
    LiveOrders,
    NewOrder,
    OpenOrder,
    OrderType,
    PriceFeed,
)

log = logging.getLogger("quoter")

# Seconds. Nothing tells when the own orders stop being current, so it is looked at so often.
LOOK_AGAIN = 1.0


@frozen(kw_only=True)
class Terms:
    """What to quote. Amounts are in account currency, times in seconds."""

    bet: float = 50.0
    """The risk of each quote."""
    edge: int = 5
    """How many cents better than what could be taken."""
    limit: float = 200.0
    """A side is quoted until so much of it was filled: after that, a person decides."""
    stale_after: float = 5.0
    """The silence of the price feed after which its prices are not believed."""
    halt_deadline: float = 5.0
    """How long a halt may take. One that proves nothing is tried again."""


class FillsMissedError(Exception):
    """Some fills were not counted."""


@frozen
class Quoter:
    """Quotes games over one session, until it is cancelled."""

    session: AsyncSession
    terms: Terms = field(factory=Terms)
    filled: dict[str, float] = field(factory=dict)
    """What was filled by side, in this run. A side is the id of a participant."""

    async def run(self, games: Iterable[str]) -> None:
        """Quote the games. Raises if a feed ends for good, such as for a token that is dead."""
        games = list(dict.fromkeys(games))
        moved = {game: asyncio.Event() for game in games}

        def note_stale(book: LiveBook) -> None:
            moved[book.game_id].set()

        async with (
            self.session.live_orders() as live,
            self.session.price_feed(games) as feed,
            asyncio.TaskGroup() as tasks,
        ):
            await live.wait_until_current()
            tasks.create_task(self.watch_prices(feed, moved))
            tasks.create_task(self.watch_orders(live, moved))
            tasks.create_task(self.watch_fills(live))
            for game in games:
                book = feed.order_book(
                    game, stale_after=self.terms.stale_after, on_stale=note_stale
                )
                tasks.create_task(self.keep(book, live, moved[game]))

    async def watch_prices(self, feed: PriceFeed, moved: dict[str, asyncio.Event]) -> None:
        """Wake each game when its book changes."""
        async for event in feed:
            # A gap names no game: any may have moved.
            wake(moved, getattr(event, "game_id", None))

    async def watch_orders(self, live: LiveOrders, moved: dict[str, asyncio.Event]) -> None:
        """Wake each game when an own order changes."""
        async for change in live:
            wake(moved, None if isinstance(change, Lagged) else change.order.game_id)

    async def watch_fills(self, live: LiveOrders) -> None:
        """Count what is filled."""
        async for event in live.fills():
            if isinstance(event, Lagged):
                raise FillsMissedError("nobody knows what the limits leave")
            # The quotes only rest: who takes one fills an order of ours.
            if event.order is not None and event.order.side is not None:
                side = event.order.side
                self.filled[side] = self.filled.get(side, 0.0) + (event.order.filled or 0.0)

    async def keep(self, book: LiveBook, live: LiveOrders, moved: asyncio.Event) -> None:
        """Keep the quotes of one game right."""
        game, proved_clear = book.game_id, False
        while True:
            moved.clear()
            trusted = book.current and live.current
            try:
                if trusted and (proved_clear or game not in self.session.halted):
                    proved_clear = False
                    self.session.resume([game])
                    await self.requote(book, live.on_game(game))
                elif not proved_clear:
                    # At the start too: nothing of an earlier run stays at prices that nobody keeps.
                    proved_clear = await self.halt(game)
            except FourcastersError as error:
                # A place that ended unknown may rest: nothing more is placed until a halt has
                # proved that nothing does.
                log.warning("%s: %s", game, error)
                proved_clear = await self.halt(game)
            with suppress(TimeoutError):
                async with asyncio.timeout(LOOK_AGAIN):
                    await moved.wait()

    async def halt(self, game: str) -> bool:
        """Take everything off a game, and place nothing there; return whether it is known clear."""
        report = await self.session.halt([game], deadline=self.terms.halt_deadline)
        log.info("%s halted: %s", game, report)
        return report.verified_clear

    async def requote(self, book: LiveBook, resting: list[OpenOrder]) -> None:
        """Cancel what is not as it should be, and place what is missing."""
        missing = self.wanted(book)
        wrong: list[str] = []
        for order in resting:
            side = order.participant_id or ""
            if order.odds is not None and missing.get(side) == order.odds:
                del missing[side]
            elif order.order_id is not None:
                wrong.append(order.order_id)
        if wrong:
            await self.session.cancel_multiple(wrong)
        orders = [
            # `POST` never takes: if the market came closer meanwhile, the order is refused.
            NewOrder(
                book.game_id,
                "moneyline",
                side,
                odds=odds,
                bet=self.terms.bet,
                order_type=OrderType.POST,
            )
            for side, odds in missing.items()
        ]
        for new, result in zip(orders, await self.session.place(orders), strict=True):
            log.info("%s: %s at %+d %s", book.game_id, new.side, new.odds, result.error or "")

    def wanted(self, book: LiveBook) -> dict[str, int]:
        """Return the odds to quote by side. A side that nobody else prices is not quoted."""
        record = book.order_book
        if record is None or record.away is None or record.home is None:
            return {}
        away, home = record.away.participant_id, record.home.participant_id
        quotes: dict[str, int] = {}
        for side, other in ((away, home), (home, away)):
            if side is None or other is None or self.filled.get(side, 0.0) >= self.terms.limit:
                continue
            # Whoever rests on the other side at -110 lets you have this one at +110.
            theirs = [each for each in book.orders("moneyline", other) if not each.own]
            if theirs and theirs[0].odds is not None:
                quotes[side] = add_cents(-theirs[0].odds, self.terms.edge)
        return quotes


def add_cents(odds: float, cents: int) -> int:
    """Add cents to American odds: between -100 and +100 there are none. +100 is for even money."""
    line = math.ceil(odds - 100 if odds > 0 else odds + 100) + cents
    return line + 100 if line >= 0 else line - 100


def wake(moved: dict[str, asyncio.Event], game_id: str | None) -> None:
    """Wake the game that something is about, or all of them if it names none."""
    for game, event in moved.items():
        if game_id in (None, game):
            event.set()


async def main(games: list[str], terms: Terms, deadline: float) -> int:
    """Quote until a signal comes, end flat, and return the exit status."""
    failed = False
    async with (
        AsyncSession.from_env() as session,
        # For a process that is killed, or a machine that is lost.
        session.dead_man_switch(30),
    ):
        log.info("at %s", session.base_url)
        end = session.flat_on_exit(deadline=deadline)
        try:
            async with end:
                await Quoter(session, terms).run(games)
        except Exception:
            # Whatever it is: with the status of Python itself, 1, nobody would know what rests.
            log.exception("the quoting has failed")
            failed = True
    log.info("%s", end.report)
    return end.exit_status or int(failed)


def parse(words: list[str] | None = None) -> argparse.Namespace:
    """Return what the command line says."""
    options = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    options.add_argument("games", nargs="+", metavar="GAME_ID")
    options.add_argument("--bet", type=float, default=50.0, help="the risk of each quote")
    options.add_argument("--deadline", type=float, default=10.0, help="seconds to end flat in")
    return options.parse_args(words)


if __name__ == "__main__":
    given = parse()
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(name)s %(message)s")
    sys.exit(asyncio.run(main(given.games, Terms(bet=given.bet), given.deadline)))
