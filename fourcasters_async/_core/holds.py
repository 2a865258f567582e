"""Which kinds of request wait after a 429. No I/O."""

from fourcasters_async._core.request import RULES, Kind


class Holds(dict[Kind, float]):
    """The loop time until which each kind of request waits. It may have passed."""

    def hold(self, kind: Kind, until: float) -> None:
        """Hold back every kind that a 429 to `kind` affects, until the loop time `until`."""
        for held in RULES[kind].holds_back:
            self[held] = max(self.get(held, until), until)
