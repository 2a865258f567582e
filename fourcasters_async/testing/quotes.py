"""What market makers think of a market, and the orders that they quote for it. No I/O."""

from random import Random

from attrs import define, field

from fourcasters_async.testing.records import BookOrder

# How far the chance moves when a maker quotes anew, and what part of the way back it goes.
_DRIFT, _RETURN = 0.003, 0.2
_EVEN = 0.5
# No price is for less of a chance.
_LEAST = 0.01
# American odds above are in fives.
_FINE = 200


@define
class Market:
    """The two sides of a market, and the `fair` chance that the first one wins.

    `chance` is what the makers think it is.
    """

    type: str
    sides: tuple[str, str]
    numbers: tuple[float | None, float | None]
    fair: float
    market: str | None = None
    chance: float = field(init=False)

    def __attrs_post_init__(self) -> None:
        """Begin with makers who know."""
        self.chance = self.fair

    def has(self, order: BookOrder, side: int) -> bool:
        """Whether an order is a bet on a side of this market, on its line."""
        bet_on = order.type, order.market, order.side, order.number
        return bet_on == (self.type, self.market, self.sides[side], self.numbers[side])

    def quote(self, side: int, edge: float, bet: float, reference: str = "") -> dict[str, object]:
        """Return the fields of an order on a side whose price is `edge` worse than the fair one."""
        chance = self.chance if side == 0 else 1 - self.chance
        odds = american(max(chance - edge, _LEAST))
        return self.order(side, odds, bet) | {"userReference": reference}

    def order(self, side: int, odds: int, bet: float) -> dict[str, object]:
        """Return the fields of an order on a side."""
        return {
            "type": self.type,
            "side": self.sides[side],
            "number": self.numbers[side],
            "market": self.market,
            "odds": odds,
            "bet": bet,
        }

    def drift(self, random: Random) -> None:
        """Let the chance move a bit, around the fair one."""
        self.chance += random.gauss(_RETURN * (self.fair - self.chance), _DRIFT)


def american(chance: float) -> int:
    """Return the American odds of a chance, as they are quoted: far ones in fives."""
    likely = max(chance, 1 - chance)
    odds = 100 * likely / (1 - likely)
    whole = round(odds) if odds <= _FINE else 5 * round(odds / 5)
    return -whole if chance >= _EVEN else whole
