"""`fourcasters book`: the order book of a game and of its periods."""

import sys
from functools import partial
from typing import TYPE_CHECKING

import attrs
import click

from fourcasters_async.cli import read_tables
from fourcasters_async.cli.columns import Row
from fourcasters_async.cli.display import show_rows
from fourcasters_async.cli.follow import STALE_AFTER, follow_book, no_book
from fourcasters_async.cli.reading import print_json, read, together
from fourcasters_async.cli.terminal import console_of, headline, say
from fourcasters_async.cli.words import Seconds, json_option
from fourcasters_async.errors import BadRequestError, InvalidRequestError, NotFoundError
from fourcasters_async.models import OrderBook, SingleOrderBook
from fourcasters_async.session import AsyncSession

if TYPE_CHECKING:
    from rich.console import Console

_SOCCER = "soccer"


@click.command()
@click.argument("game_id")
@click.option("--follow", is_flag=True, help="Go on, and show the prices as they change.")
@click.option(
    "--stale-after",
    type=Seconds(),
    metavar="SECONDS",
    help=f"With --follow: how long the feed may say nothing; {STALE_AFTER:g} by default.",
)
@json_option
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
    exchange, found = read(partial(_book, game_id=game_id))
    if as_json:
        print_json(exchange, **found.to_dict())
        return
    console = console_of(sys.stdout)
    books = [found.game, *found.child_games, *found.prop_games]
    rows = {index: read_tables.book_rows(each) for index, each in enumerate(books)}
    for index, on_game in rows.items():
        if console is not None and (on_game or not index):
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
        await together(_whole(session, each) for each in books) for books in lists
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


def _show_book(console: "Console | None", rows: list[Row]) -> None:
    if console is None:
        show_rows(console, read_tables.BOOK, rows)
    elif rows:
        # The game is in the headline.
        show_rows(console, read_tables.PRICES, [row[1:] for row in rows])
