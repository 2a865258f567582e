"""The gate: it knows what is halted, and which own places and edits of the session are undecided.

It does not know the orders of other sessions and processes on the same account.
"""

import asyncio
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from attrs import evolve

from fourcasters_async._core.text import folded
from fourcasters_async.errors import HaltedError, OutcomeUnknownError, SessionClosedError
from fourcasters_async.models import (
    CancelResult,
    OpenOrder,
    UndecidedOrder,
    UnmatchedOffer,
)
from fourcasters_async.orders.acknowledged import Acknowledged
from fourcasters_async.orders.answers import cancelled_orders, may_be_left
from fourcasters_async.orders.changes import Changes
from fourcasters_async.orders.follower import Follower, tell_failed, tell_gone
from fourcasters_async.orders.halts import GateObserver, Halts
from fourcasters_async.orders.tickets import OwnOrder, Recent, Ticket


class Gate(Halts):
    """What may be placed, and what is undecided. Times are loop times, games in lower case.

    `late_effect` is the seconds after which a request that left can no longer take effect.
    `read_lag` is the seconds by which a read of the open orders may trail the book.
    """

    def __init__(
        self, *, late_effect: float, read_lag: float, observer: GateObserver | None = None
    ) -> None:
        super().__init__(observer)
        self._late_effect = late_effect
        # Reads may lack an order for `read_lag` after it came into the book.
        self._undecided_for = late_effect + read_lag
        self.read_lag = read_lag
        """The seconds by which a read of the open orders may trail the book."""
        self.tickets: dict[Ticket, None] = {}
        """The own places and edits that are undecided, in the order of the calls."""
        self._sending: set[asyncio.Task[Any]] = set()
        self._changes = Changes()
        self.acknowledged: Acknowledged = Acknowledged(read_lag)
        """The orders that came into the book a moment ago."""
        self._game_of: Recent[str, str] = Recent()
        self._decided: Recent[tuple[str | None, str | None], None] = Recent()
        self.follower: Follower | None = None
        """What is told of every answer about own orders, if anything is."""

    def _withdraw(self) -> None:
        """End the places and edits that wait to be sent and may not be sent any more."""
        for ticket in self.tickets:
            ticket.heed_the_gate()

    # What is undecided.

    def admit(self, orders: Iterable[OwnOrder]) -> Ticket:
        """Begin to keep account of one place or edit. Raises `HaltedError`."""
        wanted = tuple(orders)
        refusal = self.refusal(wanted)
        if refusal is not None:
            raise HaltedError(f"not sent: {refusal}")
        ticket = Ticket(wanted, _now(), self.refusal)
        self.tickets[ticket] = None
        self._note_change(ticket)
        return ticket

    def send(self, ticket: Ticket, sending: "asyncio.Task[Any]") -> None:
        """Remember the task that sends it. `close` ends that task."""
        ticket.task = sending
        self._sending.add(sending)
        sending.add_done_callback(self._sending.discard)

    def decide(self, ticket: Ticket, error: BaseException | None) -> None:
        """Record how a place or an edit ended."""
        self._note_change(ticket)
        if ticket.left is not None and isinstance(error, OutcomeUnknownError):
            ticket.unknown = True
            # The traceback of its error has the frames of the caller, and all that they hold.
            ticket.task = None
            if self._observer is not None and ticket in self.tickets:
                self._observer.undecided(self._as_undecided([ticket]))
            # Nobody may ever ask what is undecided.
            self._expire(_now())
        else:
            self._remove(ticket)

    def acknowledge(
        self, order_id: str, game: str | None, offer: UnmatchedOffer | None = None
    ) -> None:
        """Record that the exchange has just put an order into the book, as `offer` says."""
        if self.follower is not None:
            self.follower.rests(order_id, game, offer)
        self._acknowledge(order_id, game)

    def _acknowledge(self, order_id: str, game: str | None) -> None:
        self.acknowledged.add(order_id, game, _now())
        if game is not None:
            self._game_of.add(order_id.casefold(), game)

    def forget(self, order_ids: Iterable[str | None]) -> None:
        """Record that orders do not rest: an answer has said so."""
        self.acknowledged.forget(order_ids)

    def hear(self, answers: Iterable[Sequence[CancelResult]], *, began: float) -> None:
        """Record the results of cancels, which began then: the orders had come, or still rest."""
        if self.follower is None and not self.acknowledged and not self.tickets:
            return
        answers = tuple(answers)
        gone = [order for results in answers for order in cancelled_orders(results)]
        tell_gone(self.follower, gone, began=began)
        # A failure without an id may say that no order has the reference yet.
        self.see(r for results in answers for r in results if r.success or r.order_id)
        self.forget(order_id for order_id, *_ in gone)
        tell_failed(self.follower, answers)

    def game_of(self, order_id: str) -> str | None:
        """Return the game of an order that this session placed, if it is still remembered."""
        return self._game_of.get(order_id.casefold())

    def knows(self, user_reference: str) -> bool:
        """Whether an own order has a reference, which is given as it is compared."""
        own = (order.user_reference for ticket in self.tickets for order in ticket.orders)
        decided = (reference for reference, _ in self._decided)
        return any(folded(each) == user_reference for each in (*own, *decided))

    def undecided(self, games: frozenset[str] | None = None) -> tuple[UndecidedOrder, ...]:
        """Return the own orders that may rest on the games now or later."""
        self._expire(_now())
        return self._as_undecided(self.tickets, games)

    def unknown_at(self, now: float) -> int:
        """Return how many own orders ended unknown and can still come into the book.

        It changes nothing, so that any thread can ask.
        """
        expired = now - self._undecided_for
        return sum(
            len(ticket.orders)
            for ticket in tuple(self.tickets)
            if ticket.unknown and (ticket.left or ticket.since) > expired
        )

    async def answered(self, games: frozenset[str] | None, *, until: float) -> None:
        """Wait until own places and edits on the games are answered, or the loop time `until`."""
        while waiting := [t.task for t in self.tickets if t.is_on(games) and t.in_flight]:
            left = until - _now()
            tasks = [task for task in waiting if task is not None]
            if left <= 0 or (await asyncio.wait(tasks, timeout=left))[1]:
                return

    def mark(self) -> int:
        """Return a mark for `changed_since`."""
        return self._changes.count

    def changed_since(self, mark: int) -> frozenset[str | None]:
        """Return the games with own orders that are undecided, or were sent or decided since.

        `None` among them stands for a game that is not known.
        """
        self._expire(_now())
        changed = self._changes.since(mark)
        return frozenset(changed.union(o.game for ticket in self.tickets for o in ticket.orders))

    def not_shown(
        self, open_orders: Iterable[OpenOrder], *, read_at: float
    ) -> frozenset[str | None]:
        """Return the games of orders that have just come and that a read does not show.

        The read began at `read_at`. It may trail the book, so it proves nothing for these games.
        """
        return self.acknowledged.not_shown(open_orders, read_at=read_at)

    def see(self, orders: Iterable[OpenOrder | CancelResult]) -> None:
        """Decide the undecided orders that an answer shows: they have come into the book."""
        in_doubt = [ticket for ticket in self.tickets if ticket.left is not None]
        shown = {order.user_reference: order for order in orders} if in_doubt else {}
        for ticket in in_doubt:
            for order in ticket.orders:
                if order.unique and (found := shown.get(order.user_reference)) is not None:
                    # One of which nothing remains may have been filled as it came.
                    if found.order_id and may_be_left(found):
                        self.acknowledge(found.order_id, order.game)
                    self.reconciled(order.user_reference, order.game, resting=[found.order_id])

    def reconciled(
        self, user_reference: str | None, game: str | None, *, resting: Iterable[str | None]
    ) -> None:
        """Decide an order that was looked up. `resting` are the ids that are in the book."""
        shown = {order_id.casefold() for order_id in resting if order_id is not None}
        for order_id in shown:
            # A later read may trail the answer that showed it.
            self._acknowledge(order_id, game)
        # An order that has come into the book is decided, also if its place is never answered.
        for ticket in [t for t in self.tickets if t.left is not None]:
            this = [
                order
                for order in ticket.orders
                if order.user_reference == user_reference
                and order.game == game
                # The order that an edit replaces says nothing of the new one.
                and (order.order_id or "").casefold() not in shown
            ]
            if not this:
                continue
            self._note_change(ticket)
            self._remember(this)
            ticket.orders = tuple(order for order in ticket.orders if order not in this)
            if not ticket.orders:
                del self.tickets[ticket]
            self._tell_decided(ticket, this, expired=False)

    def can_still_land(
        self, user_reference: str | None, game: str | None, *, asked_at: float
    ) -> bool:
        """Whether an order that is not in the book may still come into it.

        `asked_at` is the loop time at which it was first looked up. If another session or process
        placed it, the place may have left right before that.
        """
        now, asked = _now(), (user_reference, game)
        self._expire(now)
        if any((o.user_reference, o.game) == asked for t in self.tickets for o in t.orders):
            return True
        return asked not in self._decided and now < asked_at + self._late_effect

    async def close(self) -> None:
        """End what is still being sent. Callers who still wait get an error."""
        closed = SessionClosedError("the session was closed")
        for ticket in self.tickets:
            ticket.withdraw(closed)
        for task in (tasks := tuple(self._sending)):
            task.cancel()
        if tasks:
            await asyncio.wait(tasks)

    def _expire(self, now: float) -> None:
        for ticket in [t for t in self.tickets if t.unknown]:
            if (ticket.left or ticket.since) + self._undecided_for <= now:
                self._remove(ticket)
                self._note_change(ticket)
                self._tell_decided(ticket, ticket.orders, expired=True)

    def _remove(self, ticket: Ticket) -> None:
        if ticket in self.tickets:
            del self.tickets[ticket]
            self._remember(ticket.orders)

    def _tell_decided(self, ticket: Ticket, orders: Sequence[OwnOrder], *, expired: bool) -> None:
        if self._observer is not None and ticket.unknown:
            decided = evolve(ticket, orders=tuple(orders))
            self._observer.decided(self._as_undecided([decided]), expired=expired)

    @staticmethod
    def _as_undecided(
        tickets: Iterable[Ticket], games: frozenset[str] | None = None
    ) -> tuple[UndecidedOrder, ...]:
        now, utc = _now(), datetime.now(UTC)
        return tuple(
            UndecidedOrder(
                order.game,
                order.user_reference,
                utc - timedelta(seconds=now - ticket.since),
                order.order_id,
            )
            for ticket in tickets
            if ticket.is_on(games)
            for order in ticket.orders
            if games is None or order.game is None or order.game in games
        )

    def _remember(self, decided: Iterable[OwnOrder]) -> None:
        for order in decided:
            self._decided.add((order.user_reference, order.game), None)

    def _note_change(self, ticket: Ticket) -> None:
        self._changes.note(order.game for order in ticket.orders)


def _now() -> float:
    return asyncio.get_running_loop().time()
