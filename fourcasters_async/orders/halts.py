"""What may be placed: the games that are halted, and whether everything is."""

from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Protocol

from fourcasters_async.errors import HaltedError
from fourcasters_async.models import Halted, OpenOrder, UndecidedOrder
from fourcasters_async.orders.periods import Periods
from fourcasters_async.orders.tickets import OwnOrder


class GateObserver(Protocol):
    """Who is told what becomes of the gate. Nothing that it does may raise."""

    def gate_changed(self, change: str, games: frozenset[str] | None, halted: Halted) -> None:
        """Tell that games were `halted` or `resumed`, or that all was `shut` or `opened`."""

    def undecided(self, orders: tuple[UndecidedOrder, ...]) -> None:
        """Tell of own orders whose place or edit ended unknown."""

    def decided(self, orders: tuple[UndecidedOrder, ...], *, expired: bool) -> None:
        """Tell of those that are decided since: because an answer says so, or by time alone."""


class Halts(ABC):
    """What may be placed. Games are in lower case."""

    def __init__(self, observer: GateObserver | None) -> None:
        self.halted = Halted()
        """The games on which nothing is placed until they are resumed."""
        self._shut = 0
        self._periods = Periods()
        # The games that were halted with their periods.
        self._with_periods: set[str] = set()
        self._observer = observer

    def halt(self, games: Iterable[str] | None, *, periods: bool = False) -> None:
        """Let nothing more be placed on the games. `None` stands for all games.

        With `periods`, nothing is placed on their periods either, also if they get known later.
        """
        before, named = self.halted, None
        if games is None:
            self.halted = Halted(everything=True)
        else:
            named = frozenset(map(str.casefold, games))
            if periods:
                self._with_periods |= named
                named = self.with_periods(named)
            self.halted = Halted(before.everything, before.games | named, before.resumed - named)
        self._withdraw()
        if self.halted != before:
            self._tell("halted", named)

    def resume(self, games: Iterable[str] | None) -> None:
        """Let orders be placed again on the games. `None` stands for all games."""
        before, named = self.halted, None
        if games is None:
            self.halted = Halted()
            self._with_periods.clear()
        else:
            named = frozenset(map(str.casefold, games))
            named |= self.with_periods(named & self._with_periods)
            self._with_periods -= named
            resumed = before.resumed | named if before.everything else frozenset[str]()
            self.halted = Halted(before.everything, before.games - named, resumed)
        if self.halted != before:
            self._tell("resumed", named)

    def learn_periods(self, open_orders: Iterable[OpenOrder]) -> None:
        """Remember the periods that open orders are on. Halt those whose game is halted."""
        for game, period in self._periods.learn(open_orders):
            if game in self._with_periods:
                self.halt([period])

    def with_periods(self, games: Iterable[str]) -> frozenset[str]:
        """Return the games and those of their periods that are known."""
        return self._periods.and_their_games(games)

    def shut(self) -> None:
        """Let nothing be placed any more, on any game, for good."""
        self._shut += 1
        self._withdraw()
        if self._shut == 1:
            self._tell("shut", None)

    @contextmanager
    def closed(self) -> Iterator[None]:
        """Let nothing be placed inside the block, on any game."""
        self.shut()
        try:
            yield
        finally:
            self._shut -= 1
            if not self._shut:
                self._tell("opened", None)

    def refusal(self, orders: tuple[OwnOrder, ...]) -> HaltedError | None:
        """Return why orders may not be placed now."""
        if self._shut:
            return HaltedError("everything is being cancelled, and nothing is placed")
        if not self.halted:
            return None
        for order in orders:
            if order.game is None:
                return HaltedError(
                    "some games are halted, and the game of this order is not known; pass game_id=…"
                )
            if order.game in self.halted:
                return HaltedError(f"game {order.game} is halted; resume it first")
        return None

    @abstractmethod
    def _withdraw(self) -> None:
        """End the places and edits that wait to be sent and may not be sent any more."""

    def _tell(self, change: str, games: Iterable[str] | None) -> None:
        if self._observer is not None:
            named = None if games is None else frozenset(games)
            self._observer.gate_changed(change, named, self.halted)
