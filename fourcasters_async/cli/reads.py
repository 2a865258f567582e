"""The commands that read: games, a book, positions, bets, graded bets, the account."""

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import TypeVar

import attrs
import click
from attrs import frozen
from rich.console import Console

from fourcasters_async.cli import read_tables
from fourcasters_async.cli.columns import Columns, Row
from fourcasters_async.cli.display import show_rows, to_json
from fourcasters_async.cli.exits import run
from fourcasters_async.cli.follow import STALE_AFTER, follow_book, no_book
from fourcasters_async.cli.sessions import in_session, make_session
from fourcasters_async.cli.terminal import harmless, headline, say, say_json
from fourcasters_async.cli.wording import in_utc, total
from fourcasters_async.errors import BadRequestError, InvalidRequestError, NotFoundError
from fourcasters_async.models import Game, GradedBet, OrderBook, SingleOrderBook
from fourcasters_async.search import find_games
from fourcasters_async.session import AsyncSession

T = TypeVar("T")

_INDENT = "  "
_SOCCER = "soccer"
_RECENT = timedelta(days=1)

_json = click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")


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
@_json
def games(league: str | None, search: str | None, *, as_json: bool) -> None:
    """Show the active games, of one LEAGUE or of all.

    With --search the likeliest game comes first, otherwise the one that starts first. Times are in
    UTC, teams are away @ home.
    """
    exchange, found = _read(partial(_games, league=league))
    if search is None:
        found = sorted(found, key=lambda game: in_utc(game.start) or "~")
    else:
        found = [hit.game for hit in find_games(search, found)]
    if as_json:
        _print_json(exchange, games=found)
    else:
        _show(read_tables.GAMES, read_tables.game_rows(found), "no games")


async def _games(session: AsyncSession, league: str | None) -> list[Game]:
    if league is not None:
        return await session.markets.get_games(league)
    leagues = await session.markets.get_leagues()
    answers = await _together(_games_of(session, each) for each in leagues)
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
@click.argument("game_id")
@click.option("--follow", is_flag=True, help="Go on, and show the prices as they change.")
@click.option(
    "--stale-after",
    type=click.FloatRange(0, min_open=True),
    metavar="SECONDS",
    help=f"With --follow: how long the feed may say nothing; {STALE_AFTER:g} by default.",
)
@_json
def book(game_id: str, *, follow: bool, stale_after: float | None, as_json: bool) -> None:
    """Show the order book of a game and of its periods.

    One row a price, the best for a taker first. The side is what the orders back: a taker gets the
    other one, at the opposite odds. The amount is what the orders still risk, which is what a taker
    can win from them; `own` is how much of it is yours. All in account currency.

    With --follow it is the book of this game alone, kept from the price feed until Ctrl-C, with the
    exit status 0. A terminal shows it anew up to ten times a second; otherwise each price that
    changes is a line, and with --json each book is one. It is said when the book is stale, and why:
    the feed is down, or has said nothing for a while, not even of the periods of the game.
    """
    if follow:
        follow_book(game_id, STALE_AFTER if stale_after is None else stale_after, as_json=as_json)
        return
    if stale_after is not None:
        raise click.UsageError("--stale-after: only with --follow")
    exchange, found = _read(partial(_book, game_id=game_id))
    if as_json:
        _print_json(exchange, **attrs.asdict(found, recurse=False))
        return
    console = Console(highlight=False)
    books = [found.game, *found.child_games, *found.prop_games]
    rows = {index: read_tables.book_rows(each) for index, each in enumerate(books)}
    for index, on_game in rows.items():
        if console.is_terminal and (on_game or not index):
            headline(console, read_tables.book_headline(books[index]))
        _show_book(console, on_game)
    if not any(rows.values()):
        say("no orders", err=True)


async def _book(session: AsyncSession, game_id: str) -> SingleOrderBook:
    try:
        found = await session.markets.get_single_orderbook(game_id)
    except (BadRequestError, NotFoundError) as error:
        raise no_book(game_id, f"{error.status} {error.message}") from None
    lists = [[found.game], found.child_games, found.prop_games]
    (game,), children, props = [
        await _together(_whole(session, each) for each in books) for books in lists
    ]
    return SingleOrderBook(
        game=game, order_summary=found.order_summary, child_games=children, prop_games=props
    )


async def _whole(session: AsyncSession, book: OrderBook) -> OrderBook:
    """Return a book with its three-way market, which soccer alone has.

    The form that this market has in the answer about a single game is not documented.
    """
    if book.game_id is None or (book.sport or _SOCCER).casefold() != _SOCCER:
        return book
    try:
        books = await session.markets.get_orderbook(game_id=book.game_id)
    except InvalidRequestError:
        # The id is the exchange's, so this is no wrong usage.
        return book
    for each in books:
        if each.game_id == book.game_id:
            return attrs.evolve(
                book,
                home_moneylines_1x2=each.home_moneylines_1x2,
                away_moneylines_1x2=each.away_moneylines_1x2,
                draw_1x2=each.draw_1x2,
            )
    return book


def _show_book(console: Console, rows: list[Row]) -> None:
    columns = read_tables.BOOK
    if not console.is_terminal:
        show_rows(console, columns.heads, rows, numbers=columns.numbers)
    elif rows:
        # The game is in the headline.
        columns = read_tables.PRICES
        show_rows(console, columns.heads, [row[1:] for row in rows], numbers=columns.numbers)


@click.command()
@_json
def positions(*, as_json: bool) -> None:
    """Show the worst and the best that games can come to.

    The periods of a game are below it. `worst` and `best` are what the matched bets can come to,
    `worst if filled` the worst if every open order is filled too; all in account currency, less
    than 0 for a loss. Orders and bets that say too little are `unclear`, and no sum of such a game
    is shown.
    """
    exchange, found = _read(lambda session: session.account.exposure())
    if as_json:
        _print_json(exchange, positions=list(map(read_tables.position_document, found)))
        return
    console = Console(highlight=False)
    rows = read_tables.position_rows(found, _INDENT if console.is_terminal else "")
    _show(read_tables.POSITIONS, rows, "no open orders or bets")
    for line in read_tables.unclear_lines(found):
        say(line, err=True)


@click.command()
@_json
def bets(*, as_json: bool) -> None:
    """Show the matched bets that are not graded, with totals.

    Risk includes the commission on a loss, win is without the commission on a win; both are in
    account currency.
    """
    exchange, found = _read(lambda session: session.account.get_matched_bets())
    if as_json:
        _print_json(exchange, bets=found)
    else:
        _show(read_tables.BETS, read_tables.bet_rows(found), "no bets")


@frozen
class _Graded:
    bets: list[GradedBet]
    cursor: str | None


@click.command()
@click.option(
    "--since", metavar="WHEN", callback=_when, help="A day, from midnight UTC, or an ISO 8601 time."
)
@click.option("--cursor", help="Go on where an earlier answer ended.")
@_json
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
    exchange, found = _read(partial(_graded, since=since, cursor=cursor))
    if as_json:
        result = total(bet.result for bet in found.bets)
        _print_json(
            exchange,
            since=since,
            graded=found.bets,
            result=result if result is None else round(result, 2),
            cursor=found.cursor,
        )
        return
    _show(read_tables.GRADED, read_tables.graded_rows(found.bets), "nothing was graded")
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
@_json
def me(*, as_json: bool) -> None:
    """Show the account: its balance, limits and commission.

    Amounts are in account currency.
    """
    exchange, found = _read(lambda session: session.account.get_me())
    if as_json:
        _print_json(exchange, user=found)
    else:
        _show(read_tables.ME, read_tables.user_rows(found), "nothing is known of the account")


def _read(verb: Callable[[AsyncSession], Awaitable[T]]) -> tuple[str, T]:
    """Return the address of the exchange, and what a verb returns on the session of a command."""
    session = make_session()
    return session.base_url, run(in_session(session, partial(verb, session)), cancels=False)


async def _together(reads: Iterable[Awaitable[T]]) -> list[T]:
    """Return what reads return that are made at once, or raise what the first of them raised."""
    answers: list[T] = []
    for answer in await asyncio.gather(*reads, return_exceptions=True):
        if isinstance(answer, BaseException):
            raise answer
        answers.append(answer)
    return answers


def _print_json(exchange: str, **content: object) -> None:
    say_json(to_json({"exchange": exchange} | content))


def _show(columns: Columns, rows: list[Row], nothing: str) -> None:
    if not rows:
        say(nothing, err=True)
        return
    show_rows(Console(highlight=False), columns.heads, rows, numbers=columns.numbers)
