"""A sliding-window limit and the queue for it. The clock is passed in."""

from collections import OrderedDict, deque
from collections.abc import Hashable
from typing import Generic, TypeVar

_Ticket = TypeVar("_Ticket", bound=Hashable)


class SlidingWindow(Generic[_Ticket]):
    """Admits at most `limit` requests in any `window` seconds.

    A request counts from its admission until `window` seconds after its answer. The exchange
    counts it at some moment in between, so the exchange's window is never exceeded, however long
    the request or the answer travels. The last `reserve` places are for urgent requests: the
    others never hold more than `limit - reserve`. Beyond the reserve, requests are served in
    order of arrival.
    """

    def __init__(self, limit: int, window: float, reserve: int) -> None:
        self._limit = limit
        self._window = window
        self._reserve = reserve
        self._held = {True: 0, False: 0}
        self._ended: deque[tuple[float, bool]] = deque()
        self._waiting: dict[bool, OrderedDict[_Ticket, int]] = {
            True: OrderedDict(),
            False: OrderedDict(),
        }
        self._arrivals = 0

    def admit(self, *, urgent: bool, now: float) -> bool:
        """Take a place at once if one is free and nobody is waiting."""
        ended, waiting = self._ended, self._waiting
        if ended and ended[0][0] + self._window <= now:
            self._expire(now)
        if waiting[True] or waiting[False] or not self._fits(urgent=urgent):
            return False
        self._held[urgent] += 1
        return True

    def queue(self, ticket: _Ticket, *, urgent: bool) -> None:
        """Add `ticket` to the queue; `due` returns it once it has a place."""
        self._arrivals += 1
        self._waiting[urgent][ticket] = self._arrivals

    def withdraw(self, ticket: _Ticket) -> bool:
        """Remove `ticket` from the queue; return `False` if it was not there."""
        return any(queue.pop(ticket, None) is not None for queue in self._waiting.values())

    def set_aside(self, places: int) -> None:
        """Reduce the limit by `places`."""
        self._limit -= places

    def give_up(self, now: float) -> list[tuple[float, bool]]:
        """Return when each occupied place was left; places in use count as left now."""
        self._expire(now)
        left = list(self._ended)
        for urgent, held in self._held.items():
            in_use = held - sum(each is urgent for _, each in left)
            left += [(now, urgent)] * in_use
        return left

    def take_back(self, places: int, left: list[tuple[float, bool]]) -> None:
        """Increase the limit by `places`; those in `left` stay occupied until their window ends."""
        self._limit += places
        for _, urgent in left:
            self._held[urgent] += 1
        self._ended = deque(sorted([*self._ended, *left]))

    def leave(self, *, urgent: bool, now: float, counted: bool) -> bool:
        """End a request at `now`. Without `counted` its place is free at once.

        Returns whether anyone is waiting.
        """
        if counted:
            self._ended.append((now, urgent))
        else:
            self._held[urgent] -= 1
        waiting = self._waiting
        return bool(waiting[True] or waiting[False])

    @property
    def anyone_waiting(self) -> bool:
        """Whether the queue is not empty."""
        return bool(self._waiting[True] or self._waiting[False])

    def due(self, now: float) -> list[tuple[_Ticket, bool]]:
        """Assign free places to waiting tickets; return those, and whether each is urgent."""
        self._expire(now)
        admitted: list[tuple[_Ticket, bool]] = []
        while (urgent := self._next_is_urgent()) is not None:
            ticket, _ = self._waiting[urgent].popitem(last=False)
            self._held[urgent] += 1
            admitted.append((ticket, urgent))
        return admitted

    def next_free(self) -> float | None:
        """Return when the next place becomes free for a waiting ticket, if that is known yet."""
        if not (self._ended and self.anyone_waiting):
            return None
        return self._ended[0][0] + self._window

    def _free(self, now: float) -> tuple[int, int]:
        """Return how many places are free for all, and for requests that are not urgent.

        The second is before the reserve is taken off. It changes nothing, so that any thread can
        ask.
        """
        held = dict(self._held)
        for left, urgent in tuple(self._ended):
            if left + self._window > now:
                break
            held[urgent] -= 1
        return self._limit - held[True] - held[False], self._limit - held[False]

    def _expire(self, now: float) -> None:
        while self._ended and self._ended[0][0] + self._window <= now:
            self._held[self._ended.popleft()[1]] -= 1

    def _fits(self, *, urgent: bool) -> bool:
        if self._held[True] + self._held[False] >= self._limit:
            return False
        return urgent or self._held[False] < self._limit - self._reserve

    def _next_is_urgent(self) -> bool | None:
        """Return whether the next ticket to serve is urgent, `None` if none can be served."""
        servable = [
            kind for kind in (True, False) if self._waiting[kind] and self._fits(urgent=kind)
        ]
        if len(servable) == 2 and self._held[True] >= self._reserve:  # noqa: PLR2004  # both kinds
            return min(servable, key=lambda kind: next(iter(self._waiting[kind].values())))
        return servable[0] if servable else None
