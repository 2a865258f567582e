"""Which kinds of request wait because the exchange said that there were too many. No I/O."""

from fourcasters_async._core.request import RULES, Kind


class Holds(dict[Kind, float]):
    """Until when each kind of request waits, in loop time. A time may be past."""

    def hold(self, kind: Kind, until: float) -> None:
        """Make those wait that a 429 to a request of this kind holds back."""
        for held in RULES[kind].holds_back:
            self[held] = max(self.get(held, until), until)
