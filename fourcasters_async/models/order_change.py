"""What changed among the account's own orders, and who said so."""

from enum import StrEnum
from typing import ClassVar

from attrs import frozen

from fourcasters_async.models.order import OpenOrder
from fourcasters_async.models.record import Record


class ChangeSource(StrEnum):
    """Who said what changed."""

    FEED = "feed"
    """A message of the user feed."""
    ANSWER = "answer"
    """The answer to a place, an edit or a cancel of this session."""
    READ = "read"
    """A read of the account's open orders."""


@frozen(kw_only=True, repr=False)
class OrderChange(Record):
    """An own order came into the book, changed there, or left it.

    `before` is the order as it was held, `None` if it was not; `order` is how it is held now, with
    a `remaining` of 0 once it does not rest any more. A `disagreement` is what the feed has never
    told of: the order is held as a read shows it.
    """

    _derived: ClassVar[tuple[str, ...]] = ("opened", "closed")

    order: OpenOrder
    before: OpenOrder | None
    source: ChangeSource
    disagreement: bool = False

    @property
    def opened(self) -> bool:
        """Whether the order came into the book, or was not known before."""
        return self.before is None

    @property
    def closed(self) -> bool:
        """Whether the order does not rest any more."""
        return self.order.remaining == 0.0
