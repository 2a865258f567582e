"""What has shown which orders rest."""

from enum import StrEnum

from attrs import frozen

from fourcasters_async.errors import FourcastersError
from fourcasters_async.models.order import OpenOrder
from fourcasters_async.models.record import Record


class ProofSource(StrEnum):
    """What has shown which orders rest."""

    READ = "read"
    """A read of the account's open orders, after the cancel."""
    FEED = "feed"
    """The user feed: it has told of each order that left the book since the cancel began."""


@frozen(repr=False)
class Proof(Record):
    """What reads after a cancel showed: `resting` is what was seen last; an empty list is proof.

    `source` says what showed it, and `error` is the last thing that went wrong, if anything did.
    """

    resting: list[OpenOrder] | None = None
    error: FourcastersError | None = None
    source: ProofSource | None = None
