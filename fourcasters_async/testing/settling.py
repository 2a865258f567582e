"""What a bet comes to when its game ends. No I/O, and nothing is changed."""

from fourcasters_async.testing.records import BookFill, BookGame, BookOrder

# A line such as 2.25 is half a bet at 2 and half a bet at 2.5.
_QUARTER = 0.25
# What part of the win and of the loss each outcome comes to.
_SHARES = {
    "winner": (1.0, 0.0),
    "half-win": (0.5, 0.0),
    "push": (0.0, 0.0),
    "half-loss": (0.0, 0.5),
    "loser": (0.0, 1.0),
}
OUTCOMES = tuple(_SHARES)
"""How a bet can end at a score."""


def outcome_of(order: BookOrder, game: BookGame, away: int, home: int) -> str:
    """Return how the bets of an order end at a score."""
    if order.type == "moneyline1x2":
        happened = {game.home_id: home > away, game.away_id: away > home, "draw": home == away}
        return "winner" if happened[str(order.market)] is (order.side == "yes") else "loser"
    lead = _lead(order, game, away, home)
    leads = [lead] if (2 * lead).is_integer() else [lead - _QUARTER, lead + _QUARTER]
    won = sum(each > 0 for each in leads) - sum(each < 0 for each in leads)
    if won == 0:
        return "push"
    if abs(won) == len(leads):
        return "winner" if won > 0 else "loser"
    return "half-win" if won > 0 else "half-loss"


def result_of(fill: BookFill, outcome: str | None) -> float:
    """Return what a fill comes to with an outcome, after its fee, in account currency.

    The fee is rounded by itself: so what one side loses is what the other wins, to the cent.
    """
    won, lost = _SHARES.get(str(outcome), (0.0, 0.0))
    gross = round(fill.win * won, 2) - round(fill.risk * lost, 2)
    return round(gross - fee_of(fill, outcome), 2)


def fee_of(fill: BookFill, outcome: str | None) -> float:
    """Return what the exchange takes of a fill with an outcome: half of the fee of half a bet."""
    return round(fill.fee * sum(_SHARES.get(str(outcome), ())), 2)


def _lead(order: BookOrder, game: BookGame, away: int, home: int) -> float:
    """Return by how much a bet is on the winning side of its line."""
    number = order.number or 0.0
    if order.type == "total":
        over = float(away + home - number)
        return over if order.side == "over" else -over
    margin = home - away if order.side == game.home_id else away - home
    return float(margin + number)
