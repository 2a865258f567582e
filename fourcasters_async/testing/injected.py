"""The faults that were injected, and which requests or messages each of them strikes."""

from typing import Generic, Protocol, TypeVar

from attrs import define, field

F = TypeVar("F")


class Strikable(Protocol):
    """What a fault can strike: a request, or a message."""

    def fits(self, endpoint: str | None, game_id: str | None) -> bool:
        """Whether it goes to an endpoint and is about a game. `None` fits all."""
        ...


@define
class Injected(Generic[F]):
    """A fault, and which requests it strikes. `struck` counts those that it has struck."""

    fault: F
    endpoint: str | None
    game_id: str | None
    after: int
    times: int | None
    struck: int = 0

    @property
    def done(self) -> bool:
        """Whether the fault has struck as often as it should, with `times=None` at least once."""
        return self.struck >= (1 if self.times is None else self.times)

    def __str__(self) -> str:
        """Say what the fault is, what it strikes and how often it did."""
        wanted = "at least 1" if self.times is None else self.times
        where = f"endpoint={self.endpoint!r}, game_id={self.game_id!r}"
        return f"{self.fault} on {where} struck {self.struck} of {wanted}"

    def takes(self, received: Strikable) -> bool:
        """Whether the fault strikes this request. Counts it if it is one that it could strike."""
        if self.struck == self.times or not received.fits(self.endpoint, self.game_id):
            return False
        if self.after > 0:
            self.after -= 1
            return False
        self.struck += 1
        return True


@define
class InjectedFaults(Generic[F]):
    """The faults that were injected, in their order."""

    _faults: list[Injected[F]] = field(factory=list)

    def add(self, injected: Injected[F]) -> None:
        """Add a fault behind the others."""
        self._faults.append(injected)

    def clear(self) -> None:
        """Drop every fault."""
        self._faults.clear()

    def missing(self) -> list[str]:
        """Return a text for each fault that has not struck as often as it should."""
        return [str(each) for each in self._faults if not each.done]

    def choose(self, received: Strikable) -> F | None:
        """Return the first fault that strikes a request, if any does."""
        return next((each.fault for each in self._faults if each.takes(received)), None)
