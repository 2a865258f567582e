"""The faults that were injected, and which requests each of them strikes."""

from attrs import define, field

from fourcasters_async.testing.calls import Fault
from fourcasters_async.testing.received import Received


@define
class Injected:
    """A fault, and which requests it strikes. `struck` counts those that it has struck."""

    fault: Fault
    endpoint: str | None
    game_id: str | None
    after: int
    times: int | None
    struck: int = 0

    def takes(self, received: Received) -> bool:
        """Whether the fault strikes this request. Counts it if it is one that it could strike."""
        if self.struck == self.times or not received.fits(self.endpoint, self.game_id):
            return False
        if self.after > 0:
            self.after -= 1
            return False
        self.struck += 1
        return True


@define
class InjectedFaults:
    """The faults that were injected, in their order."""

    _faults: list[Injected] = field(factory=list)

    def add(self, injected: Injected) -> None:
        """Add a fault behind the others."""
        self._faults.append(injected)

    def clear(self) -> None:
        """Drop every fault."""
        self._faults.clear()

    def choose(self, received: Received) -> Fault | None:
        """Return the first fault that strikes a request, if any does."""
        return next((each.fault for each in self._faults if each.takes(received)), None)
