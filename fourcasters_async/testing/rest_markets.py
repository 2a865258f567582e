"""The handlers of the REST endpoints under `/exchange`: leagues, games, books and prices."""

from datetime import date

from fourcasters_async.testing import order_books, wire
from fourcasters_async.testing.answers import Answer, Asked, RefusedError
from fourcasters_async.testing.book import Book
from fourcasters_async.testing.records import BookGame, moment

_LIVE_LEAGUES = {"NFL-LIVE", "NBA-LIVE", "NCAAF-LIVE", "NCAAB-LIVE"}
_SPORTS_WITH_ALL = ("soccer", "golf")


def get_leagues(book: Book, asked: Asked) -> object:
    """Show the leagues that have games, of one `sport` or of all.

    `LIVE` and `all` stand for several leagues, and are added as the exchange's document says.
    """
    sport = asked.fields.get("sport")
    games = [game for game in book.games.values() if not game.ended]
    leagues = dict.fromkeys(game.league for game in games if sport in (None, game.sport))
    if any("LIVE" in league for league in leagues.keys() - _LIVE_LEAGUES):
        leagues["LIVE"] = None
    if sport in _SPORTS_WITH_ALL:
        leagues["all"] = None
    return {"availableLeagues": list(leagues)}


def get_games(book: Book, asked: Asked) -> object:
    """Show the active games of a league, or with `upcoming` those of all leagues."""
    if not asked.fields.get("league"):
        raise RefusedError(400, "Invalid league")
    return {"games": [wire.game_document(game) for game in _games(book, asked, "league")]}


def get_participants(book: Book, asked: Asked) -> object:
    """Show the teams, each once, of all games or of those that are still to start."""
    now = moment(book.now)
    upcoming = asked.fields.get("active") == "true"
    teams = {
        team_id: {
            "participantID": team_id,
            "longName": name,
            "shortName": name[:3].upper(),
            "league": game.league,
            "sport": game.sport,
        }
        for game in book.games.values()
        if not upcoming or game.start > now
        for team_id, name in ((game.away_id, game.away), (game.home_id, game.home))
    }
    return {"participants": list(teams.values())}


def get_orderbook(book: Book, asked: Asked) -> object:
    """Show the books of a league or of one game, side by side."""
    game_id = asked.fields.get("gameID")
    if game_id is None:
        games = _games(book, asked, "league")
    else:
        games = [game for game in book.games.values() if game.game_id == game_id]
    return {
        "games": [
            order_books.flat(game, book.resting([game.game_id]), asked.account) for game in games
        ]
    }


def get_orderbook_v1(book: Book, asked: Asked) -> object:
    """Show the books of a league, with spreads and totals by their number."""
    return {"market": None, "games": [_nested(book, g, asked) for g in _requested(book, asked)]}


def get_single_orderbook(book: Book, asked: Asked) -> object:
    """Show the book of a game and those of its periods."""
    game = book.games.get(str(asked.fields.get("gameID")))
    if game is None:
        raise RefusedError(400, "Invalid gameID")
    children = [each for each in book.games.values() if each.parent_id == game.game_id]
    return {
        "game": _nested(book, game, asked),
        "orderSummary": [],
        "childGames": [_nested(book, child, asked) for child in children],
        "propGames": [],
    }


def get_odds_for_average_price(book: Book, asked: Asked) -> object:
    """Show the best and the average prices of the games of a league."""
    games = _requested(book, asked)
    rate = book.account(asked.account).commission
    shown = [order_books.prices(game, book.resting([game.game_id]), rate) for game in games]
    return Answer(200, {"games": shown})


def get_matched_volume(book: Book, asked: Asked) -> object:
    """Show what was matched on some days, both sides together."""
    start, end = _day_in(asked, "startDate"), _day_in(asked, "endDate")
    if end < start:
        raise RefusedError(400, "endDate is before startDate")
    matched = sum(
        fill.risk + fill.win
        for order in book.orders.values()
        for fill in order.fills
        if not fill.taker and start <= moment(fill.at).date() <= end
    )
    return {
        "startDate": start.isoformat(),
        "endDate": end.isoformat(),
        "matchedVolume": round(matched, 2),
    }


def _requested(book: Book, asked: Asked) -> list[BookGame]:
    return _games(book, asked, "leagueRequested")


def _games(book: Book, asked: Asked, key: str) -> list[BookGame]:
    """Return the games of the league that is asked for, in any case.

    `upcoming`, `live` and `all` stand for games of several leagues.
    """
    league, sport = str(asked.fields.get(key, "")).casefold(), asked.fields.get("sport")
    now = moment(book.now)
    games = [game for game in book.games.values() if not game.ended]
    if league == "upcoming":
        games = [game for game in games if game.start > now and not game.live]
    elif league != "all":
        games = [
            game
            for game in games
            if game.league.casefold() == league or (game.live and league == "live")
        ]
    return [game for game in games if sport in (None, game.sport)]


def _nested(book: Book, game: BookGame, asked: Asked) -> wire.Document:
    return order_books.nested(game, book.resting([game.game_id]), asked.account)


def _day_in(asked: Asked, name: str) -> date:
    try:
        return date.fromisoformat(str(asked.fields.get(name)))
    except ValueError:
        raise RefusedError(400, f"Invalid {name}") from None
