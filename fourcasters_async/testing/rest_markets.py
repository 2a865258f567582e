"""The handlers of the REST endpoints under `/exchange`: leagues."""

from fourcasters_async.testing.answers import Asked
from fourcasters_async.testing.book import Book

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
