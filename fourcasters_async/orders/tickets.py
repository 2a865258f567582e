"""One place or edit of the session's own, in the account that the gate keeps."""

import asyncio
from collections import OrderedDict
from collections.abc import Callable
from typing import Any, TypeVar

from attrs import define, frozen

from fourcasters_async.errors import FourcastersError, HaltedError

K = TypeVar("K")
V = TypeVar("V")

# How many own orders are remembered: with their game, so that the game of an edit is known, and as
# decided. The same number of games with own orders are, and of periods.
_REMEMBERED = 10_000


class Recent(OrderedDict[K, V]):
    """The entries that were added last."""

    def add(self, key: K, value: V) -> tuple[K, V] | None:
        """Add one as the newest. Forget the oldest if there are too many, and return it then."""
        self[key] = value
        self.move_to_end(key)
        return self.popitem(last=False) if len(self) > _REMEMBERED else None


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

    `left` is the loop time at which it was written, `None` before. `task` sends it. `withdrawn`
    says why it may not leave any more. `refused` is what an earlier attempt was answered.
    """

    orders: tuple[OwnOrder, ...]
    since: float
    _refusal: Callable[[tuple[OwnOrder, ...]], HaltedError | None]
    left: float | None = None
    task: "asyncio.Task[Any] | None" = None
    unknown: bool = False
    withdrawn: FourcastersError | None = None
    refused: Exception | None = None

    def leave(self) -> FourcastersError | None:
        """Ask the gate at the last moment, and record that the request leaves now.

        Returns the error if it may not leave.
        """
        if self.withdrawn is None and (refusal := self._refusal(self.orders)) is not None:
            self.withdraw(refusal)
        if self.withdrawn is None:
            self.left = asyncio.get_running_loop().time()
        return self.withdrawn

    def come_back(self, refusal: Exception | None) -> None:
        """Record that what left has no effect: it was refused, or did not get there."""
        self.left = None
        self.refused = refusal or self.refused
        # If it is not repeated, its task ends before that.
        asyncio.get_running_loop().call_soon(self.heed_the_gate)

    def heed_the_gate(self) -> None:
        """Withdraw it if it may not be placed any more."""
        if self.left is None and (refusal := self._refusal(self.orders)) is not None:
            self.withdraw(refusal)

    def withdraw(self, reason: FourcastersError) -> None:
        """End it at once, unless it has left. It cannot leave any more, whatever is resumed."""
        if self.left is not None or (self.task is not None and self.task.done()):
            return
        self.withdrawn = self.withdrawn or reason
        if self.task is not None:
            self.task.cancel()

    @property
    def unsent(self) -> str:
        """How to say that it has no effect and is not sent any more."""
        return "not sent" if self.refused is None else "refused, and not sent again"

    @property
    def in_flight(self) -> bool:
        """Whether its answer may still come."""
        return self.task is not None and not self.task.done()

    def is_on(self, games: frozenset[str] | None) -> bool:
        """Whether it may put an order on one of the games, or with `None` on any."""
        return games is None or any(o.game is None or o.game in games for o in self.orders)
