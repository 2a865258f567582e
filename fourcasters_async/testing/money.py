"""What the accounts hold and what they were paid: bets, liabilities, grades and fees. No I/O."""

from collections.abc import Iterator
from itertools import count

from attrs import define, field, frozen

from fourcasters_async.testing.liability import Position
from fourcasters_async.testing.matching import Match
from fourcasters_async.testing.records import BookAccount, BookFill, BookGame, BookOrder
from fourcasters_async.testing.settling import fee_of, result_of


@frozen
class Settled:
    """A fill that is graded: which it is of its order, when it was graded, and where it comes."""

    order_id: str
    fill: int
    at: float
    position: int


def fee_for(account: BookAccount, match: Match) -> float:
    """Return what an account pays as the taker of a match, in account currency."""
    return round(account.commission * min(match.taker_risk, match.maker_risk), 2)


@define
class Ledger:
    """The bets of every account that are not graded, and those that are."""

    settled: dict[tuple[str, int], Settled] = field(factory=dict, init=False)
    """The fills that are graded, in the order in which they were."""
    fees: float = field(default=0.0, init=False)
    """What the exchange has taken, in account currency: the fees of what was graded."""
    _positions: dict[str, dict[str, Position]] = field(factory=dict, init=False)
    _numbers: Iterator[int] = field(factory=lambda: count(1), init=False)

    def hold(self, order: BookOrder, game: BookGame, fill: BookFill) -> None:
        """Note a bet, which is not graded yet."""
        held = self._positions.setdefault(order.account, {})
        held.setdefault(order.game_id, Position(game)).add(order, fill)

    def grade(self, order: BookOrder, outcome: str, now: float) -> float:
        """Grade the bets of an order, or grade them again, and return what its account gets."""
        before, order.outcome = order.outcome, outcome
        change = 0.0
        for index, fill in enumerate(order.fills):
            change += result_of(fill, outcome) - result_of(fill, before)
            self.fees = round(self.fees + fee_of(fill, outcome) - fee_of(fill, before), 2)
            # A new outcome comes after what was graded meanwhile.
            self.settled.pop((order.order_id, index), None)
            graded = Settled(order.order_id, index, now, next(self._numbers))
            self.settled[order.order_id, index] = graded
        if before is None:
            self._drop(order)
        return round(change, 2)

    def forget(self, order: BookOrder) -> None:
        """Drop the bets of an order, graded or not."""
        if order.outcome is None:
            self._drop(order)
        for index in range(len(order.fills)):
            self.settled.pop((order.order_id, index), None)

    def liability(self, account: str, game_id: str | None = None) -> float:
        """Return the worst that an account's bets can come to, on one game or on all: 0 or less.

        Bets on one game make up for each other. Games do not, as each ends in its own way.
        """
        held = self._positions.get(account, {})
        positions = held.values() if game_id is None else filter(None, [held.get(game_id)])
        return round(sum((min(0.0, each.worst) for each in positions), 0.0), 2)

    def _drop(self, order: BookOrder) -> None:
        held = self._positions.get(order.account, {})
        for fill in order.fills:
            held[order.game_id].remove(order, fill)
        if order.game_id in held and held[order.game_id].empty:
            del held[order.game_id]
