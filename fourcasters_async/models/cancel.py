"""What the exchange says of orders that it was asked to cancel."""

from collections.abc import Iterable

from attrs import define, field, frozen

from fourcasters_async.models.wire import wire


# Not frozen: these are made by the thousand while the market moves, and frozen records cost
# nearly half as much again to make.
@define
class CancelResult:
    """One order's answer to a cancel.

    Only `success` is always there. `reason` is the exchange's own words on failure. `odds` are
    American. `filled` (risk matched before the cancel), `offered` (0 after a cancel) and
    `remaining` (risk that was still open and is released now) are in account currency. `side`
    and `number` come over the Orders WebSocket alone.
    """

    success: bool
    reason: str | None = None
    order_id: str | None = field(default=None, metadata=wire(rest="sessionID"))
    description: str | None = None
    odds: int | None = None
    filled: float | None = None
    offered: float | None = None
    remaining: float | None = None
    game_id: str | None = None
    user_reference: str | None = None
    side: str | None = None
    number: float | None = None


class CancelResults(list[CancelResult]):
    """The results of a cancel, one an order, and whether they are complete.

    `complete` is `False` if an attempt before the answer ended unknown: orders that it cancelled
    may be missing from the list, or may be called "already cancelled". Then an empty list is not
    the exchange's word that there was nothing to cancel. `attempts` is how many times it was tried.
    """

    __slots__ = ("attempts", "complete")

    def __init__(
        self, results: Iterable[CancelResult] = (), *, complete: bool = True, attempts: int = 1
    ) -> None:
        super().__init__(results)
        self.complete = complete
        self.attempts = attempts


@frozen
class LeagueCancelAccepted:
    """The exchange has taken note of a cancel for a league. Nothing is known to be cancelled yet.

    `orders_received` is its word for that. The cancels run afterwards: read
    `session.account.get_unmatched()` until no order on the league is left.
    """

    orders_received: bool
