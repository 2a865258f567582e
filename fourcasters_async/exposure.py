"""What the account wins or loses by how its games end: arithmetic over records. No I/O.

A bet depends on the margin (moneyline, spread, `moneyline1x2`) or on the total, and its result
changes only where the margin or the total passes the bet's line. So the margins fall into a few
ranges in which nothing changes, and so do the totals; an outcome is one range of each.
"""

import math
from collections.abc import Callable, Iterable, Mapping
from enum import Enum, auto
from itertools import product, starmap

from attrs import frozen

from fourcasters_async.models import (
    Game,
    GameExposure,
    MarketType,
    MatchedBet,
    OpenOrder,
    OutcomeExposure,
)

Held = OpenOrder | MatchedBet

# A line such as 2.25 is half a bet at 2 and half a bet at 2.5.
_QUARTER = 0.25


def exposure_of(
    orders: Iterable[OpenOrder],
    bets: Iterable[MatchedBet],
    *,
    games: Iterable[str] | None = None,
    liabilities: Mapping[str, float] | None = None,
) -> list[GameExposure]:
    """Return the exposure by game, from open orders and matched bets; no request is made.

    With `games` it is that of those games, in their order, each with its children; without them
    that of all that orders and bets are on. A game whose parent is in the list is among the
    parent's `children` and not in the list. `liabilities` are figures of the exchange by game id,
    as `Account.get_game_liability` returns them.
    """
    held: list[Held] = [*orders, *bets]
    by_game: dict[str, list[Held]] = {game_id: [] for game_id in games or ()}
    wanted = None if games is None else set(by_game)
    for each in held:
        if wanted is None or wanted & {_game_id(each), _parent_id(each)}:
            by_game.setdefault(_game_id(each), []).append(each)
    known = liabilities or {}
    made = {
        game_id: _exposure(game_id, on_game, known.get(game_id))
        for game_id, on_game in by_game.items()
    }
    roots: list[GameExposure] = []
    for exposure in made.values():
        parent = _parent_of(exposure, made)
        if parent is None or _is_above(exposure, parent, made):
            roots.append(exposure)
        else:
            parent.children.append(exposure)
    return roots


def _parent_of(exposure: GameExposure, made: Mapping[str, GameExposure]) -> GameExposure | None:
    return made.get(exposure.game.parent_game_id or "") if exposure.game else None


def _is_above(
    exposure: GameExposure, below: GameExposure, made: Mapping[str, GameExposure]
) -> bool:
    """Whether games are in a circle of parents, in which none would be in the list."""
    above: GameExposure | None = below
    for _ in made:
        if above is None or above is exposure:
            break
        above = _parent_of(above, made)
    return above is exposure


@frozen
class _Position:
    """What one bet comes to below its line, on it and above it, in account currency."""

    line: float
    below: float
    on_line: float
    above: float
    on_total: bool
    resting: bool

    def result(self, value: int) -> float:
        if value == self.line:
            return self.on_line
        return self.above if value > self.line else self.below


def _exposure(game_id: str, held: list[Held], liability: float | None) -> GameExposure:
    positions: list[_Position] = []
    unclear: list[Held] = []
    for each in held:
        found = _positions(each)
        positions += found or ()
        if found is None:
            unclear.append(each)
    games = [each.game for each in held if each.game is not None]
    margins = _ranges(p.line for p in positions if not p.on_total)
    totals = _ranges((p.line for p in positions if p.on_total), least=0)
    return GameExposure(
        game_id=game_id,
        game=games[0] if games else None,
        outcomes=[]
        if not positions
        else [
            _outcome(positions, margin, total)
            for margin, total in product(margins, totals)
            if _possible(margin, total)
        ],
        unclear=unclear,
        liability=liability,
    )


@frozen
class _Range:
    low: int | None
    high: int | None

    @property
    def any_of_it(self) -> int:
        """A value of the range: in all of it the results are the same."""
        return next((end for end in (self.low, self.high) if end is not None), 0)

    def __contains__(self, value: int) -> bool:
        return not (
            (self.low is not None and value < self.low)
            or (self.high is not None and value > self.high)
        )


def _outcome(positions: list[_Position], margin: _Range, total: _Range) -> OutcomeExposure:
    def sum_of(counted: Callable[[_Position], bool]) -> float:
        return math.fsum(
            p.result((total if p.on_total else margin).any_of_it) for p in positions if counted(p)
        )

    return OutcomeExposure(
        margin_from=margin.low,
        margin_to=margin.high,
        total_from=total.low,
        total_to=total.high,
        now=round(sum_of(lambda p: not p.resting), 2),
        if_filled=round(sum_of(lambda _: True), 2),
    )


def _ranges(lines: Iterable[float], least: int | None = None) -> list[_Range]:
    """Return the ranges of whole numbers that some lines make, from the `least`."""
    # The first whole number after each cut.
    starts = sorted({start for line in lines for start in (math.ceil(line), math.floor(line) + 1)})
    if least is not None:
        starts = [start for start in starts if start > least]
    lows = [least if starts else None, *starts]
    highs = [*(start - 1 for start in starts), None]
    return list(starmap(_Range, zip(lows, highs, strict=True)))


def _possible(margin: _Range, total: _Range) -> bool:
    """Whether two scores have such a margin and such a total."""
    if total.high is None:
        return True
    # The margin nearest to 0 and the highest total fit best; one further each, for the parity.
    ends = (0, margin.low, margin.high)
    nearest = min((end for end in ends if end is not None and end in margin), key=abs)
    margins = [m for m in (nearest, nearest - 1, nearest + 1) if m in margin]
    totals = [t for t in (total.high, total.high - 1) if t in total]
    return any(abs(m) <= t and (t - m) % 2 == 0 for m in margins for t in totals)


def _positions(held: Held) -> list[_Position] | None:
    """Return what an order or a bet comes to, `None` if it says too little."""
    amounts, terms = _amounts(held), _terms(held)
    if amounts is None or terms is None:
        return None
    lines = [terms.line]
    if not (2 * terms.line).is_integer():
        lines = [terms.line - _QUARTER, terms.line + _QUARTER]
    win, risk = (amount / len(lines) for amount in amounts)
    comes_to = {_Result.WIN: win, _Result.PUSH: 0.0, _Result.LOSS: -risk}
    below, on_line, above = (comes_to[result] for result in terms.results)
    on_total, resting = held.type == MarketType.TOTAL, isinstance(held, OpenOrder)
    return [_Position(line, below, on_line, above, on_total, resting) for line in lines]


def _amounts(held: Held) -> tuple[float, float] | None:
    """Return what it wins and what it risks; of an open order, what can still be matched."""
    if isinstance(held, MatchedBet):
        return None if held.win is None or held.risk is None else (held.win, held.risk)
    if held.remaining is None or not held.odds:
        return None
    payout = held.odds / 100 if held.odds > 0 else 100 / -held.odds
    return held.remaining * payout, held.remaining


class _Result(Enum):
    WIN = auto()
    PUSH = auto()
    LOSS = auto()


_Results = tuple[_Result, _Result, _Result]

_ABOVE: _Results = (_Result.LOSS, _Result.PUSH, _Result.WIN)
_BELOW: _Results = (_Result.WIN, _Result.PUSH, _Result.LOSS)
# A draw is no push in a market of three results: it loses for whoever backs a team.
_THREE_WAY: Mapping[str, _Results] = {
    "away": (_Result.WIN, _Result.LOSS, _Result.LOSS),
    "draw": (_Result.LOSS, _Result.WIN, _Result.LOSS),
    "home": (_Result.LOSS, _Result.LOSS, _Result.WIN),
}
_AGAINST = {_Result.WIN: _Result.LOSS, _Result.LOSS: _Result.WIN}


@frozen
class _Terms:
    """The line of a bet, and how the bet ends below it, on it and above it."""

    line: float
    results: _Results


def _terms(held: Held) -> _Terms | None:
    if held.type == MarketType.TOTAL:
        side = (held.over_under if isinstance(held, MatchedBet) else None) or held.side
        if held.total is None or side not in ("over", "under"):
            return None
        return _Terms(float(held.total), _ABOVE if side == "over" else _BELOW)
    if held.type == MarketType.MONEYLINE_1X2:
        return _three_way(held)
    team = _team(held.game, held.participant_id or held.side)
    spread = 0.0 if held.type == MarketType.MONEYLINE else held.spread
    of_a_team = held.type in (MarketType.MONEYLINE, MarketType.SPREAD)
    if team is None or spread is None or not of_a_team:
        return None
    # The home side covers -3.5 with a margin above 3.5, the away side with one below -3.5.
    line = float(spread)
    return _Terms(-line, _ABOVE) if team == "home" else _Terms(line, _BELOW)


def _three_way(held: Held) -> _Terms | None:
    """Return the terms of a bet for or against one of three results."""
    backed = "draw" if held.market == "draw" else _team(held.game, held.market)
    if backed is None or held.side not in ("yes", "no"):
        return None
    below, on_line, above = _THREE_WAY[backed]
    if held.side == "yes":
        return _Terms(0.0, (below, on_line, above))
    return _Terms(0.0, (_AGAINST[below], _AGAINST[on_line], _AGAINST[above]))


def _team(game: Game | None, participant_id: str | None) -> str | None:
    sides = {} if game is None else {"away": game.away, "home": game.home}
    for name, side in sides.items():
        if side is not None and participant_id and side.participant_id == participant_id:
            return name
    return None


def _game_id(held: Held) -> str:
    return (held.game.game_id if held.game else None) or ""


def _parent_id(held: Held) -> str:
    return (held.game.parent_game_id if held.game else None) or ""
