"""Finding games by what people type: arithmetic over records. No I/O."""

import re
import unicodedata
from collections.abc import Iterable

from fourcasters_async.models import FoundGame, Game, Participant

_WORD = re.compile(r"\w+")
# People write them between two teams.
_BETWEEN = {"at", "v", "vs"}
_EXACT, _PREFIX = 0, 1


def find_games(text: str, games: Iterable[Game]) -> list[FoundGame]:
    """Return the games that a text can mean, the likeliest first; no request is made.

    Every word of the text has to begin a word of the game: of a team's name or its short name, of
    the event, the tournament, the period, the league or the sport; or to be a rotation number. Case
    and accents do not matter, and the first letters of a name's words stand for the name. If the
    words name one team alone, the hit names it too. A game comes before the periods that fit as
    well.
    """
    words = [word for word in _words(text) if word not in _BETWEEN]
    found: list[tuple[int, bool, int, FoundGame]] = []
    for index, game in enumerate(games):
        hit = _hit(words, game)
        if hit is not None:
            found.append((hit[0], game.parent_game_id is not None, index, hit[1]))
    return [hit for *_, hit in sorted(found, key=lambda each: each[:3])]


def _hit(words: list[str], game: Game) -> tuple[int, FoundGame] | None:
    if not words:
        return None
    about = [game.event_name, game.tournament_name, game.period_name, game.league, game.sport]
    shared = _terms(about)
    teams = [(team, _team_terms(team)) for team in game.participants]
    fits = [(_rank(words, terms, shared), team) for team, terms in teams]
    named = [(rank, team) for rank, team in fits if rank is not None]
    if named:
        rank, team = named[0]
        return rank, FoundGame(game=game, participant=team if len(named) == 1 else None)
    everything = shared.union(*(terms for _, terms in teams))
    general = _rank(words, everything, set())
    return None if general is None else (general + 1, FoundGame(game=game))


def _rank(words: list[str], own: set[str], shared: set[str]) -> int | None:
    """Return how well words fit, less is better; `None` if one does not, or none is of its own."""
    if all(_fit(word, own) is None for word in words):
        return None
    ranks = [_fit(word, own | shared) for word in words]
    return None if None in ranks else max(rank or 0 for rank in ranks)


def _fit(word: str, terms: set[str]) -> int | None:
    if word in terms:
        return _EXACT
    return _PREFIX if any(term.startswith(word) for term in terms) else None


def _team_terms(team: Participant) -> set[str]:
    terms = _terms([team.long_name, team.short_name])
    initials = "".join(word[0] for word in _words(team.long_name or ""))
    return terms | {initials, team.rotation_number or ""} - {""}


def _terms(texts: Iterable[str | None]) -> set[str]:
    return {word for text in texts for word in _words(text or "")}


def _words(text: str) -> list[str]:
    plain = unicodedata.normalize("NFKD", text)
    bare = "".join(letter for letter in plain if not unicodedata.combining(letter))
    # An apostrophe does not end a word: O'Neill.
    return _WORD.findall(re.sub("['\N{RIGHT SINGLE QUOTATION MARK}]", "", bare).casefold())
