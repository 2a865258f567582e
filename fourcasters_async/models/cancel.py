"""What the exchange answers about orders that it was asked to cancel."""

from collections.abc import Iterable

from attrs import define, field, frozen

from fourcasters_async.models.record import Record, plain
from fourcasters_async.models.wire import wire


# Not frozen: a burst makes thousands while the market moves, and a frozen record takes over 40 %
# longer to make.
@define(repr=False)
class CancelResult(Record):
    """The answer to a cancel for one order.

    Only `success` is always present. `reason` is the exchange's text for a failure. `odds` are
    American, a `float` if the exchange sends a decimal. `filled` (risk matched before the cancel),
    `offered` (0 after a cancel) and `remaining` (risk that was still open and is released now) are
    in account currency. Only the Orders WebSocket sends `side` and `number`.
    """

    success: bool
    reason: str | None = None
    order_id: str | None = field(default=None, metadata=wire(rest="sessionID", strict=True))
    description: str | None = None
    odds: int | float | None = None
    filled: float | None = None
    offered: float | None = None
    remaining: float | None = None
    game_id: str | None = field(default=None, metadata=wire(strict=True))
    user_reference: str | None = field(default=None, metadata=wire(number_as_text=True))
    side: str | None = None
    number: float | None = None


class CancelResults(list[CancelResult]):
    """The results of a cancel, one per order, and whether they are complete.

    `complete` is `False` if an attempt before the answer ended unknown: orders that it cancelled
    may be missing from the list, or may be reported as "already cancelled". Then an empty list
    does not mean that there was nothing to cancel. `attempts` is the number of attempts.
    """

    __slots__ = ("attempts", "complete")

    def __init__(
        self, results: Iterable[CancelResult] = (), *, complete: bool = True, attempts: int = 1
    ) -> None:
        super().__init__(results)
        self.complete: bool = complete
        self.attempts: int = attempts

    def to_dict(self) -> dict[str, object]:
        """Return the `results`, `complete` and `attempts` as plain JSON values."""
        return {
            "results": plain(list(self)),
            "complete": self.complete,
            "attempts": self.attempts,
        }

    def __repr__(self) -> str:
        failed = sum(not result.success for result in self)
        counts = f"{len(self) - failed:,} cancelled, {failed:,} not cancelled"
        return f"<CancelResults: {counts}, complete={self.complete}, attempts={self.attempts}>"


@frozen(repr=False)
class LeagueCancelAccepted(Record):
    """The exchange accepted a cancel for a league. Nothing is known to be cancelled yet.

    `orders_received` is its acknowledgement. The cancels run afterwards: read
    `session.account.get_unmatched()` until no order in the league is left.
    """

    orders_received: bool
