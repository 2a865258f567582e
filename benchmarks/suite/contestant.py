"""What each client that takes part has to be able to do."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from typing import Any

from attrs import frozen

Done = Callable[[float], object]
"""Is told the `time.perf_counter()` of each answer."""
CONNECTIONS = 100


@frozen
class Exchange:
    """Where the mock exchange is."""

    url: str
    orders_url: str
    ca: str
    token: str


class Contestant(ABC):
    """One way to cancel on many games."""

    def __init__(self, exchange: Exchange) -> None:
        self.exchange = exchange

    @abstractmethod
    async def open(self) -> None:
        """Make what is needed for a burst, connections perhaps included."""

    @abstractmethod
    async def close(self) -> None:
        """Close what was opened."""

    @abstractmethod
    async def cancel(self, games: Sequence[str], done: Done | None) -> object:
        """Cancel on these games, and return once every answer is there as this client has it."""

    @abstractmethod
    def orders(self, answer: Any) -> list[int]:
        """Return how many orders were cancelled on each game. The clock does not run here."""
