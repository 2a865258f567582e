"""How values are written for people. No I/O."""

from collections.abc import Iterable
from datetime import UTC, datetime

from fourcasters_async import models
from fourcasters_async.models import (
    CancelReport,
    Game,
    MarketType,
    MatchedBet,
    OpenOrder,
    Participant,
)

UNKNOWN = "?"
# The widest line that a terminal of 80 columns does not break.
_LINE = 80


def number(value: int) -> str:
    """Write a count."""
    return f"{value:,}"


def amount(value: float | None, missing: str = "") -> str:
    """Write an amount in account currency."""
    return missing if value is None else f"{value:,.2f}"


def total(values: Iterable[float | None]) -> float | None:
    """Return the sum of some amounts, `None` if one of them is not known."""
    known = list(values)
    return None if None in known else sum(value or 0.0 for value in known)


def counted(count: int, noun: str) -> str:
    """Write how many there are of something."""
    return f"{number(count)} {noun}{'' if count == 1 else 's'}"


def summary(report: CancelReport, *, verify: bool = False, interrupted: bool = False) -> str:
    """Sum up a fan-out in one line.

    It is the text of the report, without its time or with fewer words where that is too long.
    """
    seen = sum(len(outcome.resting or ()) for outcome in report.outcomes)
    proved = all(outcome.resting is not None for outcome in report.outcomes)
    begin = "interrupted: " if interrupted else ""
    end = "" if proved or not verify else "; not verified"
    for report_told in (str(report), str(report).rpartition("; ")[0]):
        told = f"{begin}{report_told}{end}"
        if len(told) <= _LINE:
            return told
    unsettled = sum(outcome.unsettled is not None for outcome in report.outcomes)
    cancelled = sum(result.success for result in report.results)
    clear = "; verified clear" if report.verified_clear else end
    return (
        f"{begin}{counted(len(report.outcomes), 'game')}, {number(unsettled)} unsettled; "
        f"{number(cancelled)} cancelled{f'; {number(seen)} still open' if seen else clear}"
    )


def american(odds: float | None) -> str:
    """Write odds with their sign."""
    return UNKNOWN if odds is None else f"{odds:+.10g}"


def in_utc(moment: datetime | None) -> str:
    """Write a time in UTC, to the minute."""
    if moment is None:
        return ""
    try:
        return f"{moment.astimezone(UTC):%Y-%m-%d %H:%M}"
    except OverflowError:
        return moment.isoformat()


def teams(game: Game | None, *, short: bool = False) -> str:
    """Name a game by its teams, away @ home, and its period if it is one of another game."""
    if game is None:
        return ""
    if game.away or game.home:
        names = f"{team(game.away, short=short)} @ {team(game.home, short=short)}"
    else:
        names = ", ".join(team(each, short=short) for each in game.participants)
    names = names or game.event_name or ""
    return f"{names} {game.period_name or ''}".rstrip() if game.parent_game_id else names


def team(participant: Participant | None, *, short: bool = False) -> str:
    """Name a side of a game."""
    if participant is None:
        return UNKNOWN
    names = [participant.long_name, participant.short_name]
    return next((name for name in (reversed(names) if short else names) if name), UNKNOWN)


def line(value: float | None, sign: str = "") -> str:
    """Write the number of a spread (with the sign `+`) or of a total."""
    return UNKNOWN if value is None else f"{value:{sign}.10g}"


def side_of(bet: MatchedBet) -> str:
    """Say what a bet is on, with its line: `LAL -3.5`, `over 220.5`."""
    if bet.type == MarketType.TOTAL:
        return _side(bet.type, bet.over_under or bet.side, bet.total)
    if bet.type == MarketType.MONEYLINE_1X2:
        return _side(bet.type, bet.side, None, bet.game, market=bet.market)
    return _side(bet.type, bet.participant_id or bet.side, bet.spread, bet.game)


def side_of_order(order: OpenOrder) -> str:
    """Say what an open order is on, as of a bet."""
    if order.type == MarketType.MONEYLINE_1X2:
        return _side(order.type, order.side, None, order.game, market=order.market)
    number_of_line = order.spread if order.type == MarketType.SPREAD else order.total
    return _side(order.type, order.participant_id or order.side, number_of_line, order.game)


def side_of_told(told: "models.FeedOrder | models.MatchedFill") -> str:
    """Say what an order or a fill is on of which the user feed tells. It names no teams."""
    return _side(told.type, told.side, told.number, market=told.market)


def _side(
    type_: str | None,
    side: str | None,
    number_of_line: float | None,
    game: Game | None = None,
    *,
    market: str | None = None,
) -> str:
    if type_ == MarketType.TOTAL:
        return f"{side or UNKNOWN} {line(number_of_line)}"
    if type_ == MarketType.MONEYLINE_1X2:
        return f"{'draw' if market == 'draw' else _backed(game, market)} {side or UNKNOWN}"
    backed = _backed(game, side)
    return f"{backed} {line(number_of_line, '+')}" if type_ == MarketType.SPREAD else backed


def _backed(game: Game | None, participant_id: str | None) -> str:
    for each in [] if game is None else game.participants:
        if participant_id and each.participant_id == participant_id:
            return team(each, short=True)
    return participant_id or UNKNOWN
