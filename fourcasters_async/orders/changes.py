"""The games on which own orders were sent or decided last. No I/O, no clock."""

from collections.abc import Iterable

from fourcasters_async.orders.tickets import Recent


class Changes:
    """When something changed on which game, as a count. Of thousands, the oldest is forgotten."""

    def __init__(self) -> None:
        self.count: int = 0
        """How many changes there were."""
        # By game, the last change. The newest is at the end.
        self._last: Recent[str | None, int] = Recent()
        # The newest change that is forgotten.
        self._forgotten = 0

    def note(self, games: Iterable[str | None]) -> None:
        """Record a change on games."""
        self.count += 1
        for game in games:
            if (forgotten := self._last.add(game, self.count)) is not None:
                self._forgotten = forgotten[1]

    def since(self, count: int) -> set[str | None]:
        """Return the games with a change after a count. `None` stands for those not known."""
        changed: set[str | None] = {None} if self._forgotten > count else set()
        for game, change in reversed(self._last.items()):
            if change <= count:
                break
            changed.add(game)
        return changed
