"""Which orders match, and how much of them. No I/O, and nothing is changed.

An order at odds of -110 risks 110 to win 100. Whoever takes it risks 100 to win 110: its odds with
the other sign. What one side risks is what the other can win, to the cent.
"""

from collections.abc import Iterable

from attrs import frozen

from fourcasters_async.testing.records import NOTHING, BookGame, BookOrder, payout

# In account currency: a `fillOrKill` of which no more is left counts as filled.
_RESIDUAL = 10.0
# How far the odds of a match may be from those of a `postArb`.
_ARB = 0.01


class NoMatchError(Exception):
    """The order's type does not allow what there is to match with."""


@frozen
class Match:
    """A part of a resting order that is taken, with what each side risks in account currency."""

    maker: BookOrder
    maker_risk: float
    taker_risk: float


def meets(order: BookOrder, resting: Iterable[BookOrder], game: BookGame) -> list[BookOrder]:
    """Return the orders that an order can take, the best price first, then the oldest.

    They are on the other side of the same line, of other accounts, and pay as much as it wants.
    """
    opposite = opposite_of(order, game)
    wanted = payout(order.odds)
    met = [
        each
        for each in resting
        if each.line == opposite and each.account != order.account and payout(-each.odds) >= wanted
    ]
    # `sorted` keeps the order of equals, which is that of time.
    return sorted(met, key=lambda each: -payout(-each.odds))


def matches(order: BookOrder, met: Iterable[BookOrder], order_type: str) -> list[Match]:
    """Return what an order takes of the orders that it meets, by the rules of its type."""
    found = list(met)
    if order_type == "post" and found:
        raise NoMatchError("post order cannot have matches")
    if order_type == "postArb" and any(_far(each, order) for each in found):
        raise NoMatchError("post arb order cannot have matches that are more than 1% away")
    taken = _taken(order, found)
    if order_type == "fillAndKill" and not taken:
        raise NoMatchError("fill and kill has no matches")
    if order_type == "fillOrKill":
        if not taken:
            raise NoMatchError("fill or kill has no matches")
        if order.offered - sum(match.taker_risk for match in taken) > _RESIDUAL:
            raise NoMatchError("fill or kill matched but not fully")
    return taken


def _taken(order: BookOrder, met: list[BookOrder]) -> list[Match]:
    taken: list[Match] = []
    left = order.offered
    for maker in met:
        if left < NOTHING:
            break
        pays, there = payout(-maker.odds), round(maker.remaining, 2)
        whole = round(there / pays, 2)
        match = (
            Match(maker, there, whole)
            if whole <= left
            else Match(maker, min(round(left * pays, 2), there), left)
        )
        taken.append(match)
        left = round(left - match.taker_risk, 2)
    return taken


def _far(maker: BookOrder, order: BookOrder) -> bool:
    return abs(_beyond_even(-maker.odds) - _beyond_even(order.odds)) > _ARB * abs(order.odds)


def _beyond_even(odds: int) -> int:
    """Return how far odds are from even money, which is both +100 and -100."""
    return odds - 100 if odds > 0 else odds + 100


def opposite_of(order: BookOrder, game: BookGame) -> tuple[object, ...]:
    """Return the other side of the line that an order is on."""
    others = {"over": "under", "under": "over", "yes": "no", "no": "yes"}
    teams = {game.home_id: game.away_id, game.away_id: game.home_id}
    number = order.number
    if order.type == "spread" and number is not None:
        number = -number
    return order.type, order.market, {**others, **teams}.get(str(order.side)), number
