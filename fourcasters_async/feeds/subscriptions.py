"""What of the price feed is asked for, and the commands that say so. No I/O."""

from collections.abc import Iterable, Mapping

import orjson
from attrs import field, frozen

from fourcasters_async._core.validation import check_id, check_list
from fourcasters_async.feeds.arguments import Given

Names = Iterable[str]


@frozen
class Topics:
    """Games, leagues and sports, each as it was written last by what it is compared by."""

    games: dict[str, str] = field(factory=dict)
    leagues: dict[str, str] = field(factory=dict)
    sports: dict[str, str] = field(factory=dict)

    @classmethod
    def of(cls, games: Names = (), leagues: Names = (), sports: Names = ()) -> "Topics":
        """Return the topics with these names. Leagues and sports are the same in any case."""
        return cls(
            {each: each for each in games},
            {each.casefold(): each for each in leagues},
            {each.casefold(): each for each in sports},
        )

    @classmethod
    def of_arguments(cls, games: Given, leagues: Given, sports: Given) -> "Topics":
        """Return the topics that arguments name, or refuse what can only be a mistake."""
        return cls.of(
            _checked(games, "games"), _checked(leagues, "leagues"), _checked(sports, "sports")
        )

    def __bool__(self) -> bool:
        return bool(self.games or self.leagues or self.sports)

    def __or__(self, more: "Topics") -> "Topics":
        return Topics(
            self.games | more.games, self.leagues | more.leagues, self.sports | more.sports
        )

    def __sub__(self, less: "Topics") -> "Topics":
        return Topics(
            _without(self.games, less.games),
            _without(self.leagues, less.leagues),
            _without(self.sports, less.sports),
        )


class Subscriptions:
    """What one feed asks for: everything, or some topics and the games whose books are kept.

    Each method changes it, and returns the command that says so on an open connection, `None` if
    there is nothing to say.
    """

    def __init__(self) -> None:
        self.everything: bool = True
        self._commanded = False
        self._topics = Topics()
        self._books = Topics()

    def add(self, topics: Topics, *, replace: bool) -> bytes | None:
        """Ask for topics, and with `replace` for nothing else. The kept books stay asked for."""
        if not topics and not replace:
            return None
        if self.everything or replace:
            self.everything, self._topics = False, topics
            return _command("subscribe", topics | self._books, replace=True)
        self._topics |= topics
        return _command("subscribe", topics, replace=False)

    def remove(self, topics: Topics) -> bytes | None:
        """Ask no longer for topics. Of everything, none can be taken away."""
        if self.everything or not topics:
            return None
        self._topics -= topics
        return _command("unsubscribe", topics)

    def add_all(self) -> bytes:
        """Ask for everything."""
        self.everything = self._commanded = True
        self._topics = Topics()
        return _SUBSCRIBE_ALL

    def keep(self, game_id: str) -> bytes | None:
        """Ask for the game of a book."""
        game = Topics.of([game_id])
        self._books |= game
        if self.everything or game_id in self._topics.games:
            return None
        return _command("subscribe", game, replace=False)

    def give_up(self, game_id: str) -> None:
        """Ask no longer for the game of a book for the sake of the book."""
        self._books -= Topics.of([game_id])

    def restore(self) -> bytes | None:
        """Return the one command that says all of it on a new connection."""
        if self.everything:
            return _SUBSCRIBE_ALL if self._commanded else None
        return _command("subscribe", self._topics | self._books, replace=True)


_SUBSCRIBE_ALL = orjson.dumps({"type": "subscribeAll"})


def _command(kind: str, topics: Topics, **more: bool) -> bytes:
    return orjson.dumps(
        {
            "type": kind,
            "gameIDs": list(topics.games.values()),
            "leagueIDs": list(topics.leagues.values()),
            "sportIDs": list(topics.sports.values()),
            **more,
        }
    )


def _without(names: Mapping[str, str], less: Mapping[str, str]) -> dict[str, str]:
    return {key: name for key, name in names.items() if key not in less}


def _checked(values: Given, name: str) -> list[str]:
    given = [] if values is None else check_list(values, name)
    return [check_id(each, f"{name}[{at}]") for at, each in enumerate(given)]
