"""Which kinds of request wait because the exchange said that there were too many. No I/O."""

from fourcasters_async._core.request import RULES, Kind


class Holds:
    """Until when each kind of request waits, in loop time."""

    def __init__(self) -> None:
        self._until: dict[Kind, float] = {}

    def until(self, kind: Kind) -> float:
        """Return the loop time until which requests of a kind wait; it may be past."""
        return self._until.get(kind, float("-inf"))

    def hold(self, kind: Kind, until: float) -> None:
        """Make those wait that a 429 to a request of this kind holds back."""
        for held in RULES[kind].holds_back:
            self._until[held] = max(self.until(held), until)
