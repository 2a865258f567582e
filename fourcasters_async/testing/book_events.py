"""What the book tells of: each change of an order or of a game, as a value."""

from collections.abc import Callable
from enum import StrEnum

from attrs import define, field, frozen

from fourcasters_async.testing.records import BookFill, BookGame, BookOrder
from fourcasters_async.testing.short import ShortRepr


class BookEventKind(StrEnum):
    """What happened."""

    OPENED = "opened"
    """A game was added."""
    STARTED = "started"
    """A game has begun. What rested on it was cancelled before."""
    ENDED = "ended"
    """A game has ended. What rested on it was cancelled before."""
    PLACED = "placed"
    """An order rests in the book. An order that is matched as it comes does not."""
    FILLED = "filled"
    """A part of an order was matched, as `fill` says: as its maker or as its taker."""
    CANCELLED = "cancelled"
    """What was left of an order was cancelled, for whatever reason."""


@frozen(repr=False)
class BookEvent(ShortRepr):
    """A change in the book, told right after it, while `order` and `game` are as it left them.

    `at` is seconds of the exchange's clock: when it happened, which may be before it is told. An
    event of a game has no `order`, and only `FILLED` has a `fill`.
    """

    kind: BookEventKind
    at: float
    game: BookGame
    order: BookOrder | None = None
    fill: BookFill | None = None


@define
class BookEvents:
    """Who is told of what happens in a book: `listeners`, each right after every change."""

    listeners: list[Callable[[BookEvent], object]] = field(factory=list)

    def tell(
        self,
        kind: BookEventKind,
        at: float,
        game: BookGame,
        order: BookOrder | None = None,
        fill: BookFill | None = None,
    ) -> None:
        """Tell every listener what happened."""
        if self.listeners:
            event = BookEvent(kind, at, game, order, fill)
            for listener in self.listeners:
                listener(event)
