"""The gate: what is halted, and which of the session's own places and edits are undecided.

Orders of other sessions and processes on the same account are out of its reach.
"""

import asyncio
from collections import OrderedDict
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

from attrs import define, frozen

from fourcasters_async.errors import (
    FourcastersError,
    HaltedError,
    OutcomeUnknownError,
    SessionClosedError,
)
from fourcasters_async.models import Halted, OpenOrder, UndecidedOrder

# Own orders whose game is remembered, so that an edit is known to be on it.
_REMEMBERED = 10_000


@frozen
class OwnOrder:
    """An order that a ticket is for. `unique` says that no other order has its reference."""

    game: str | None
    user_reference: str | None = None
    order_id: str | None = None
    unique: bool = False


@define(eq=False)
class Ticket:
    """One place or edit of the session's own, from the call until it is decided.

    `left` is the loop time at which it was written, `None` before. `task` sends it. `withdrawn` is
    why it may not leave any more, whatever the gate says later.
    """

    orders: tuple[OwnOrder, ...]
    since: float
    _refusal: Callable[[tuple[OwnOrder, ...]], HaltedError | None]
    left: float | None = None
    task: "asyncio.Task[Any] | None" = None
    unknown: bool = False
    withdrawn: FourcastersError | None = None

    def leave(self) -> FourcastersError | None:
        """Ask the gate at the last moment, and take note that the request leaves now.

        Returns why it may not.
        """
        # It is asked again only if the attempt before provably had no effect.
        self.left = None
        refusal = self.withdrawn or self._refusal(self.orders)
        if refusal is None:
            self.left = asyncio.get_running_loop().time()
        elif self.withdrawn is None:
            self.withdraw(refusal)
        return refusal

    def withdraw(self, reason: FourcastersError) -> None:
        """End it before it leaves."""
        # The task ends in a later turn of the loop, and could write the request before that.
        self.withdrawn = reason
        if self.task is not None:
            self.task.cancel()

    @property
    def in_flight(self) -> bool:
        """Whether its answer may still come."""
        return self.task is not None and not self.task.done()

    def is_on(self, games: frozenset[str] | None) -> bool:
        """Whether it may put an order on one of the games, or with `None` on any."""
        return games is None or any(o.game is None or o.game in games for o in self.orders)


class Gate:
    """What may be placed, and what is undecided. Times are loop times, games in lower case.

    `late_effect` is the seconds after which a request that left can no longer take effect.
    `read_lag` is the seconds by which a read of the open orders may trail the book.
    """

    def __init__(self, *, late_effect: float, read_lag: float) -> None:
        # What comes into the book at the last moment is not in every read until `read_lag` later.
        self._undecided_for = late_effect + read_lag
        self._read_lag = read_lag
        self.halted = Halted()
        """The games on which nothing is placed until they are resumed."""
        self._shut = 0
        self.tickets: dict[Ticket, None] = {}
        """The own places and edits that are undecided, in the order of the calls."""
        self._changes = 0
        self._changed: dict[str | None, int] = {}
        self.acknowledged: dict[str, tuple[str | None, float]] = {}
        """The game of each order that came into the book a moment ago, and when, by its id."""
        self._game_of: OrderedDict[str, str] = OrderedDict()

    # What may be placed.

    def halt(self, games: Iterable[str] | None) -> None:
        """Let nothing more be placed on the games, or with `None` on any."""
        if games is None:
            self.halted = Halted(everything=True)
        else:
            named, halted = frozenset(map(str.casefold, games)), self.halted
            self.halted = Halted(halted.everything, halted.games | named, halted.resumed - named)
        self._withdraw()

    def resume(self, games: Iterable[str] | None) -> None:
        """Let orders be placed again on the games, or with `None` on all."""
        if games is None:
            self.halted = Halted()
            return
        named, halted = frozenset(map(str.casefold, games)), self.halted
        resumed = halted.resumed | named if halted.everything else frozenset[str]()
        self.halted = Halted(halted.everything, halted.games - named, resumed)

    def shut(self) -> None:
        """Let nothing more be placed at all, for good."""
        self._shut += 1
        self._withdraw()

    @contextmanager
    def closed(self) -> Iterator[None]:
        """Let nothing more be placed at all inside the block."""
        self.shut()
        try:
            yield
        finally:
            self._shut -= 1

    def refusal(self, orders: tuple[OwnOrder, ...]) -> HaltedError | None:
        """Return why orders may not be placed now."""
        if self._shut:
            return HaltedError("not sent: everything is being cancelled, and nothing is placed")
        if not self.halted:
            return None
        for order in orders:
            if order.game is None:
                return HaltedError(
                    "not sent: some games are halted, and the game of this order is not known; "
                    "pass game_id=…"
                )
            if order.game in self.halted:
                return HaltedError(f"not sent: game {order.game} is halted; resume it first")
        return None

    def _withdraw(self) -> None:
        """End what waits to be sent and may not be sent any more."""
        for ticket in self.tickets:
            if ticket.left is None and not ticket.withdrawn:
                refusal = self.refusal(ticket.orders)
                if refusal is not None:
                    ticket.withdraw(refusal)

    # What is undecided.

    def admit(self, orders: Iterable[OwnOrder]) -> Ticket:
        """Open the account of one place or edit. Raises `HaltedError`."""
        wanted = tuple(orders)
        refusal = self.refusal(wanted)
        if refusal is not None:
            raise refusal
        ticket = Ticket(wanted, _now(), self.refusal)
        self.tickets[ticket] = None
        self._note_change(ticket)
        return ticket

    def decide(self, ticket: Ticket, error: BaseException | None) -> None:
        """Take note of how a place or an edit ended."""
        self._note_change(ticket)
        unknown = isinstance(error, OutcomeUnknownError)
        if ticket.left is not None and (unknown or isinstance(error, asyncio.CancelledError)):
            ticket.unknown = True
        else:
            self.tickets.pop(ticket, None)

    def acknowledge(self, order_id: str, game: str | None) -> None:
        """Take note of an order that the exchange has just put into the book."""
        now = _now()
        while self.acknowledged:
            oldest, (_, since) = next(iter(self.acknowledged.items()))
            if since + self._read_lag > now:
                break
            del self.acknowledged[oldest]
        self.acknowledged[order_id.casefold()] = game, now
        if game is not None:
            self._game_of[order_id.casefold()] = game
            if len(self._game_of) > _REMEMBERED:
                self._game_of.popitem(last=False)

    def forget(self, order_ids: Iterable[str | None]) -> None:
        """Take note of orders of which an answer has said that they do not rest."""
        if self.acknowledged:
            for order_id in order_ids:
                self.acknowledged.pop((order_id or "").casefold(), None)

    def game_of(self, order_id: str) -> str | None:
        """Return the game of an own order, where the session placed it not long ago."""
        return self._game_of.get(order_id.casefold())

    def undecided(self, games: frozenset[str] | None = None) -> tuple[UndecidedOrder, ...]:
        """Return the own orders that may be on the games, or may still come there."""
        now, utc = _now(), datetime.now(UTC)
        self._expire(now)
        return tuple(
            UndecidedOrder(
                order.game,
                order.user_reference,
                utc - timedelta(seconds=now - ticket.since),
                order.order_id,
            )
            for ticket in self.tickets
            if ticket.is_on(games)
            for order in ticket.orders
            if games is None or order.game is None or order.game in games
        )

    async def answered(self, games: frozenset[str] | None, *, until: float) -> None:
        """Wait until every own place and edit in flight on the games is answered, or `until`."""
        while waiting := [t.task for t in self.tickets if t.is_on(games) and t.in_flight]:
            left = until - _now()
            tasks = [task for task in waiting if task is not None]
            if left <= 0 or (await asyncio.wait(tasks, timeout=left))[1]:
                return

    def mark(self) -> int:
        """Return a mark for `quiet_since`."""
        return self._changes

    def quiet_since(self, games: frozenset[str] | None, mark: int) -> bool:
        """Whether nothing is undecided on the games, and nothing was asked or decided since."""
        self._expire(_now())
        if any(ticket.is_on(games) for ticket in self.tickets):
            return False
        if games is None:
            return self._changes <= mark
        named: tuple[str | None, ...] = (*games, None)
        return all(self._changed.get(game, 0) <= mark for game in named)

    def believes(
        self, open_orders: Iterable[OpenOrder], games: frozenset[str] | None, *, read_at: float
    ) -> bool:
        """Whether a read that began at `read_at` shows all that was acknowledged before it.

        A read may trail the book: one that lacks an order which the exchange has just put there
        proves nothing.
        """
        if not self.acknowledged:
            return True
        shown = {(order.order_id or "").casefold() for order in open_orders}
        return not any(
            read_at < since + self._read_lag and order_id not in shown
            for order_id, (game, since) in self.acknowledged.items()
            if games is None or game is None or game in games
        )

    def see(self, open_orders: Iterable[OpenOrder]) -> None:
        """Take note of undecided orders that a read shows: they have come into the book."""
        in_doubt = [ticket for ticket in self.tickets if ticket.unknown]
        if not in_doubt:
            return
        shown = {order.user_reference: order for order in open_orders}
        for ticket in in_doubt:
            for order in ticket.orders:
                if order.unique and order.user_reference in shown:
                    resting = [shown[order.user_reference]]
                    self.reconciled(order.user_reference, order.game, resting)

    def reconciled(
        self, user_reference: str | None, game: str | None, resting: Iterable[OpenOrder]
    ) -> None:
        """Take note that it is known what became of an order: it is in the book as `resting`."""
        for order in resting:
            # A later read may trail the one that showed it.
            if order.order_id is not None:
                self.acknowledge(order.order_id, game)
        for ticket in [t for t in self.tickets if t.unknown]:
            ticket.orders = tuple(
                order
                for order in ticket.orders
                if not (order.user_reference == user_reference and order.game == game)
            )
            if not ticket.orders:
                del self.tickets[ticket]
                self._note_change(ticket)

    def can_still_land(self, user_reference: str | None, game: str | None) -> bool:
        """Whether an order that is not in the book may still come into it."""
        self._expire(_now())
        return any(
            order.user_reference == user_reference and order.game == game
            for ticket in self.tickets
            for order in ticket.orders
        )

    async def close(self) -> None:
        """End what is still being sent for callers who have given up."""
        tickets = [ticket for ticket in self.tickets if ticket.in_flight]
        for ticket in tickets:
            if ticket.withdrawn is None:
                ticket.withdraw(SessionClosedError("not sent: the session was closed"))
        if tasks := [ticket.task for ticket in tickets if ticket.task is not None]:
            await asyncio.wait(tasks)

    def _expire(self, now: float) -> None:
        for ticket in [t for t in self.tickets if t.unknown]:
            if (ticket.left or ticket.since) + self._undecided_for <= now:
                del self.tickets[ticket]
                self._note_change(ticket)

    def _note_change(self, ticket: Ticket) -> None:
        self._changes += 1
        for order in ticket.orders:
            self._changed[order.game] = self._changes


def _now() -> float:
    return asyncio.get_running_loop().time()
