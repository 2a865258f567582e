"""The commands that read: games, own orders, positions, bets, graded bets, the account."""

import sys
from datetime import UTC, datetime, timedelta
from functools import partial

import click
from attrs import frozen

from fourcasters_async.cli import read_tables
from fourcasters_async.cli.display import show_orders
from fourcasters_async.cli.reading import (
    check_one,
    print_json,
    read,
    show,
    together,
)
from fourcasters_async.cli.terminal import console_of, harmless, say
from fourcasters_async.cli.wording import in_utc, total
from fourcasters_async.cli.words import json_option, say_ids
from fourcasters_async.errors import InvalidRequestError
from fourcasters_async.models import Game, GradedBet
from fourcasters_async.search import find_games
from fourcasters_async.session import AsyncSession

_INDENT = "  "
_RECENT = timedelta(days=1)


def _when(_: click.Context, __: click.Parameter, value: str | None) -> datetime | None:
    """Read a day, which is its midnight, or a time. Without a zone it is in UTC."""
    if value is None:
        return None
    try:
        when = datetime.fromisoformat(value)
        return (when if when.tzinfo else when.replace(tzinfo=UTC)).astimezone(UTC)
    except (ValueError, OverflowError):
        raise click.BadParameter(harmless(f"{value} is no day or time")) from None


@click.command()
@click.argument("league", required=False)
@click.option("--search", metavar="TEXT", help="Only what it can mean: a team, a rotation number.")
@click.option("--ids", is_flag=True, help="Print their ids alone, one a line.")
@json_option
def games(league: str | None, search: str | None, *, ids: bool, as_json: bool) -> None:
    """Show the active games, of one LEAGUE or of all.

    With --search the likeliest game comes first, otherwise the one that starts first. Times are in
    UTC, teams are away @ home.
    """
    check_one(ids=ids, json=as_json)
    exchange, found = read(partial(_games, league=league))
    if search is None:
        found = sorted(found, key=lambda game: in_utc(game.start) or "~")
    else:
        found = [hit.game for hit in find_games(search, found)]
    if as_json:
        print_json(exchange, games=found)
    elif ids:
        say_ids([game.game_id for game in found], "game")
    else:
        show(read_tables.GAMES, read_tables.game_rows(found), "no games")


async def _games(session: AsyncSession, league: str | None) -> list[Game]:
    if league is not None:
        return await session.markets.get_games(league)
    leagues = await session.markets.get_leagues()
    answers = await together(_games_of(session, each) for each in leagues)
    # Some leagues stand for several: `LIVE` for all games in play.
    by_id = {game.game_id or object(): game for answer in answers for game in answer}
    return list(by_id.values())


async def _games_of(session: AsyncSession, league: str) -> list[Game]:
    try:
        return await session.markets.get_games(league)
    except InvalidRequestError:
        # The name is the exchange's, so this is no wrong usage.
        say(f"left out, because it cannot be asked for: the league {league}", err=True)
        return []


@click.command()
@click.option("--ids", is_flag=True, help="Print the ids of the orders alone, one a line.")
@click.option("--game-ids", is_flag=True, help="Print the ids of their games alone, one a line.")
@json_option
def orders(*, ids: bool, game_ids: bool, as_json: bool) -> None:
    """Show the open orders by game, with totals."""
    check_one(ids=ids, game_ids=game_ids, json=as_json)
    exchange, found = read(lambda session: session.account.get_unmatched())
    if as_json:
        print_json(exchange, orders=found)
    elif ids:
        say_ids([order.order_id for order in found], "order")
    elif game_ids:
        say_ids([order.game_id for order in found], "order")
    else:
        show_orders(console_of(sys.stdout), found)


@click.command()
@json_option
def positions(*, as_json: bool) -> None:
    """Show the worst and the best that games can come to.

    The periods of a game are below it. `worst` and `best` are what the matched bets can come to,
    `worst if filled` the worst if every open order is filled too; all in account currency, less
    than 0 for a loss. Orders and bets that say too little are `unclear`, and no sum of such a game
    is shown.
    """
    exchange, found = read(lambda session: session.account.exposure())
    if as_json:
        print_json(exchange, positions=found)
        return
    indent = "" if console_of(sys.stdout) is None else _INDENT
    rows = read_tables.position_rows(found, indent)
    show(read_tables.POSITIONS, rows, "no open orders or bets")
    for line in read_tables.unclear_lines(found):
        say(line, err=True)


@click.command()
@json_option
def bets(*, as_json: bool) -> None:
    """Show the matched bets that are not graded, with totals.

    Risk includes the commission on a loss, win is without the commission on a win; both are in
    account currency.
    """
    exchange, found = read(lambda session: session.account.get_matched_bets())
    if as_json:
        print_json(exchange, bets=found)
    else:
        show(read_tables.BETS, read_tables.bet_rows(found), "no bets")


@frozen
class _Graded:
    bets: list[GradedBet]
    cursor: str | None


@click.command()
@click.option(
    "--since", metavar="WHEN", callback=_when, help="A day, from midnight UTC, or an ISO 8601 time."
)
@click.option("--cursor", help="Go on where an earlier answer ended.")
@json_option
def graded(since: datetime | None, cursor: str | None, *, as_json: bool) -> None:
    """Show the bets that were graded since a time.

    By default since 24 hours ago. A bet that was graded again is shown once, with its last outcome.
    The result is what was won or lost, in account currency. The cursor is where a later call goes
    on.
    """
    if since is not None and cursor is not None:
        raise click.UsageError("--since, --cursor: give one of the two")
    if cursor is None and since is None:
        since = datetime.now(UTC) - _RECENT
    exchange, found = read(partial(_graded, since=since, cursor=cursor))
    if as_json:
        result = total(bet.result for bet in found.bets)
        print_json(
            exchange,
            since=since,
            graded=found.bets,
            result=result if result is None else round(result, 2),
            cursor=found.cursor,
        )
        return
    show(read_tables.GRADED, read_tables.graded_rows(found.bets), "nothing was graded")
    say(f"to go on from here: --cursor {found.cursor}", err=True)


async def _graded(session: AsyncSession, since: datetime | None, cursor: str | None) -> _Graded:
    pages = session.account.graded_since(since, cursor=cursor)
    by_fill: dict[object, GradedBet] = {}
    async for bet in pages:
        key = bet.tx_id or object()
        # The later one is valid, and comes where it was graded last.
        by_fill.pop(key, None)
        by_fill[key] = bet
    return _Graded(list(by_fill.values()), pages.cursor)


@click.command()
@json_option
def me(*, as_json: bool) -> None:
    """Show the account: its balance, limits and commission.

    Amounts are in account currency.
    """
    exchange, found = read(lambda session: session.account.get_me())
    if as_json:
        print_json(exchange, user=found)
    else:
        show(read_tables.ME, read_tables.user_rows(found), "nothing is known of the account")
