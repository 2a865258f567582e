"""What the desk shows: games, open orders, exposure, and what is known of each halt."""

import asyncio
import json
import logging
from collections.abc import AsyncIterator, Container, Coroutine, Iterator
from contextlib import suppress
from typing import Self

from attrs import define, evolve, field

from fourcasters_async import (
    AsyncSession,
    CancelReport,
    FourcastersError,
    Game,
    GameExposure,
    GameOutcome,
    LiveOrders,
    MarketType,
    MatchedBet,
    OpenOrder,
    exposure_of,
)

log = logging.getLogger("desk")

JSON = dict[str, object]
# Seconds between two looks at whether the own orders are current, which nothing tells of.
LOOK = 0.5
# Seconds between two states at least, however much happens.
PAUSE = 0.1
# Seconds between two reads of the matched bets and of the names of games.
READ = 30.0
ORDERS_SHOWN = 50


@define(eq=False)
class Board:
    """The state of the desk. All browsers see the same, and a halt belongs to none of them."""

    session: AsyncSession
    live: LiveOrders
    bets: list[MatchedBet] = field(factory=list)
    games: dict[str, Game] = field(factory=dict)
    halts: dict[str, JSON] = field(factory=dict)
    """What is known of the last halt of each game."""
    _tasks: set["asyncio.Task[None]"] = field(factory=set)
    _news: asyncio.Event = field(factory=asyncio.Event)
    _read_now: asyncio.Event = field(factory=asyncio.Event)

    async def __aenter__(self) -> Self:
        """Begin to follow orders and bets."""
        for job in (self._watch(), self._count_fills(), self._look(), self._read()):
            self._begin(job)
        return self

    async def __aexit__(self, *_: object) -> None:
        """Stop following."""
        for task in self._tasks:
            task.cancel()
        await asyncio.wait(self._tasks)

    # What is shown.

    async def states(self) -> AsyncIterator[JSON]:
        """Yield the state, and again whenever it has changed."""
        shown = ""
        while True:
            news = self._news
            state = self.state()
            text = json.dumps(state)
            if text != shown:
                shown = text
                yield state
                await asyncio.sleep(PAUSE)
            await news.wait()

    def state(self) -> JSON:
        """Return all that a page shows."""
        orders = [self._named(order) for order in self.live.orders]
        exposures = {each.game_id: each for each in with_children(exposure_of(orders, self.bets))}
        by_game: dict[str, list[OpenOrder]] = {game_id: [] for game_id in exposures}
        by_game |= {game_id: [] for game_id in self.halts}
        for order in orders:
            by_game.setdefault(order.game_id or "", []).append(order)
        games: list[JSON] = []
        for game_id, on_game in by_game.items():
            game = self.games.get(game_id) or (on_game[0].game if on_game else None)
            exposure = exposures.get(game_id)
            games.append(
                {
                    "id": game_id,
                    "name": name_of(game) or game_id or "game unknown",
                    "league": (game and game.league) or "",
                    "start": game.start.isoformat() if game and game.start else None,
                    "halted": game_id in self.session.halted,
                    "halt": self.halts.get(game_id),
                    "open": len(on_game),
                    "orders": [text_of(order, game) for order in on_game[:ORDERS_SHOWN]],
                    "worst": exposure and exposure.worst,
                    "best": exposure and exposure.best,
                    "worst_if_filled": exposure and exposure.worst_if_filled,
                    "unclear": len(exposure.unclear) if exposure else 0,
                }
            )
        games.sort(key=lambda each: (str(each["start"] or "~"), str(each["id"])))
        return {"feed": self.feed(), "halted": self.halted(), "games": games}

    def feed(self) -> JSON:
        """Return whether the own orders are known, since when not, and why not."""
        since = self.live.not_current_since
        return {
            "current": self.live.current,
            # Whole seconds: the time is computed anew at each look.
            "since": since and since.isoformat(timespec="seconds"),
            "doubt": self.live.doubt,
        }

    def halted(self) -> JSON:
        """Return what is halted."""
        halted = self.session.halted
        return {
            "everything": halted.everything,
            "games": sorted(halted.games),
            "resumed": sorted(halted.resumed),
        }

    # What is done.

    def halt(self, games: list[str] | None, *, deadline: float) -> AsyncIterator[tuple[str, JSON]]:
        """Halt games, or everything, and return what comes of it as it comes.

        Nothing more is placed from this call on. Each game is halted by itself, so that it is told
        of once it is known; a halt of everything is sent beside them, and is the proof.
        """
        told: asyncio.Queue[tuple[str, JSON] | None] = asyncio.Queue()
        # A coroutine that is not awaited yet: the gate is closed already.
        whole = None if games is not None else self.session.halt(deadline=deadline)
        wanted = games
        if wanted is None:
            wanted = [order.game_id for order in self.live.orders if order.game_id]
        each = {
            game_id: self.session.halt([game_id], deadline=deadline)
            for game_id in dict.fromkeys(map(str.casefold, wanted))
        }
        for game_id in each:
            self._note(game_id, "halting", "")

        cancelled: set[str | None] = set()

        async def run_one(game_id: str) -> CancelReport:
            report = await each[game_id]
            cancelled.update(result.order_id for result in report.results if result.success)
            told.put_nowait(("outcome", self._settle(game_id, report)))
            return report

        async def run() -> None:
            try:
                async with asyncio.TaskGroup() as tasks:
                    ones = [tasks.create_task(run_one(game_id)) for game_id in each]
                    everything = None if whole is None else tasks.create_task(whole)
                reports = [one.result() for one in ones]
                if everything is not None:
                    reports = [everything.result()]
                    cancelled.update(r.order_id for r in reports[0].results if r.success)
                    for note in self._settle_others(reports[0], each):
                        told.put_nowait(("outcome", note))
                clear = all(report.verified_clear for report in reports)
                told.put_nowait(("done", {"clear": clear, "cancelled": len(cancelled)}))
            finally:
                for game_id in each:
                    if self.halts.get(game_id, {}).get("state") == "halting":
                        self._note(game_id, "unknown", "the halt ended before that was known")
                told.put_nowait(None)

        self._begin(run())
        return drain(told)

    def resume(self, games: list[str] | None) -> None:
        """Let orders be placed again."""
        self.session.resume(games)
        for game_id in list(self.halts) if games is None else map(str.casefold, games):
            self.halts.pop(game_id, None)
        self._tell()

    def _settle(self, game_id: str, report: CancelReport) -> JSON:
        """Note what a halt of one game came to. Only proof is green."""
        (outcome,) = report.outcomes
        if report.undecided:
            reason = f"{len(report.undecided)} own orders may still come into the book"
            return self._note(game_id, "unknown", reason)
        if outcome.verified_clear:
            return self._note(game_id, "clear", "")
        return self._note(game_id, "unknown", reason_of(outcome))

    def _settle_others(self, report: CancelReport, named: Container[str]) -> Iterator[JSON]:
        """Note what a halt of everything has shown beside the halts of the games."""
        for outcome in report.outcomes:
            # Games of which the live orders did not know.
            if outcome.game_id not in named and not outcome.verified_clear:
                reason = reason_of(outcome)
                yield self._note(outcome.game_id, "unknown", reason)
        if report.verified_clear:
            doubted = [each for each, note in self.halts.items() if note["state"] == "unknown"]
            for game_id in doubted:
                yield self._note(game_id, "clear", "")

    def _note(self, game_id: str, state: str, reason: str) -> JSON:
        note: JSON = {"game": game_id, "state": state, "reason": reason}
        self.halts[game_id] = note
        self._tell()
        return note

    # What is followed.

    def _begin(self, job: Coroutine[object, object, None]) -> None:
        task = asyncio.create_task(job)
        self._tasks.add(task)
        task.add_done_callback(self._end)

    def _end(self, task: "asyncio.Task[None]") -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            log.error("the desk is not kept any more", exc_info=error)

    def _tell(self) -> None:
        self._news.set()
        self._news = asyncio.Event()

    async def _watch(self) -> None:
        async for _ in self.live:
            self._tell()

    async def _count_fills(self) -> None:
        async for _ in self.live.fills():
            self._read_now.set()

    async def _look(self) -> None:
        while True:
            await asyncio.sleep(LOOK)
            self._tell()

    async def _read(self) -> None:
        """Read the matched bets now, after each fill, and every now and then; and the names."""
        while True:
            self._read_now.clear()
            try:
                self.bets = await self.session.account.get_matched_bets()
                for league in ("upcoming", "LIVE"):
                    for game in await self.session.markets.get_games(league):
                        self.games[(game.game_id or "").casefold()] = game
            except FourcastersError as error:
                log.warning("could not read bets and games: %s", error)
            self._tell()
            with suppress(TimeoutError):
                async with asyncio.timeout(READ):
                    await self._read_now.wait()

    def _named(self, order: OpenOrder) -> OpenOrder:
        """Return an order with its participants, which an order that was just placed lacks."""
        game = self.games.get((order.game_id or "").casefold())
        if game is None or order.game is None or order.game.participants:
            return order
        return evolve(order, game=game)


async def drain(queue: "asyncio.Queue[tuple[str, JSON] | None]") -> AsyncIterator[tuple[str, JSON]]:
    """Yield what is put into a queue until `None` is."""
    while (item := await queue.get()) is not None:
        yield item


def with_children(exposures: list[GameExposure]) -> Iterator[GameExposure]:
    """Yield exposures, and those of periods, which are games of their own."""
    for exposure in exposures:
        yield exposure
        yield from with_children(exposure.children)


def reason_of(outcome: GameOutcome) -> str:
    """Return why a game is not known to be clear."""
    if outcome.resting:
        return f"{len(outcome.resting)} orders still open when last seen"
    return str(outcome.error or "no read has proved it")


def name_of(game: Game | None) -> str:
    """Return what people call a game."""
    if game is None:
        return ""
    teams = [team.long_name or "?" for team in game.participants]
    name = " @ ".join(teams) or game.event_name or ""
    return f"{name} {game.period_name}" if game.period_name and game.parent_game_id else name


def text_of(order: OpenOrder, game: Game | None) -> str:
    """Return an order as a line of text."""
    names = {team.participant_id: team.long_name for team in (game.participants if game else ())}
    side = names.get(order.participant_id) or order.side or "?"
    if order.type == MarketType.MONEYLINE_1X2:
        side = f"{names.get(order.market) or order.market} {order.side}"
    elif order.spread is not None:
        side += f" {order.spread:+g}"
    elif order.total is not None:
        side += f" {order.total:g}"
    odds = "?" if order.odds is None else f"{order.odds:+g}"
    left = "?" if order.remaining is None else f"{order.remaining:,.2f}"
    return f"{side} at {odds}, {left} left"
