"""The reads of the markets."""

from datetime import date
from typing import Literal

from fourcasters_async._core.request import Kind, Request
from fourcasters_async._core.sender import Sender
from fourcasters_async._core.validation import (
    check_count,
    check_day,
    check_flag,
    check_id,
    check_text,
    optional,
)
from fourcasters_async.errors import InvalidRequestError
from fourcasters_async.models import (
    FoundGame,
    Game,
    GamePrices,
    MatchedVolume,
    OrderBook,
    ParticipantSummary,
    SingleOrderBook,
)
from fourcasters_async.search import find_games


class Markets:
    """The reads of the markets: `session.markets`.

    `deadline` is the seconds that a read may take, by default the session's `timeout`.
    """

    def __init__(self, sender: Sender) -> None:
        self._sender = sender

    async def get_leagues(
        self, sport: str | None = None, *, deadline: float | None = None
    ) -> list[str]:
        """Return the codes of the leagues with open markets: `GET /exchange/getLeagues`.

        With a `sport`, such as `"basketball"`, only the leagues of that sport. The exchange adds
        `"LIVE"`, an alias for all games in play, and for soccer and golf `"all"`. Raises an
        `ApiError` (`AuthenticationError`, `RateLimitedError`, `ServerError`), `DecodeError` if the
        answer is malformed, `NotSentError`, or `OutcomeUnknownError` if no answer came.
        """
        sport = optional(check_id, sport, "sport")
        request = Request(
            "GET /exchange/getLeagues",
            list[str],
            Kind.READ,
            data_path=("data", "availableLeagues"),
            params=None if sport is None else {"sport": sport},
        )
        return await self._sender.call(request, deadline=deadline)

    async def get_games(
        self, league: str = "upcoming", sport: str | None = None, *, deadline: float | None = None
    ) -> list[Game]:
        """Return the active games of a league, without prices: `GET /exchange/v2/getGames`.

        A game whose id cannot be read comes as a record without values, here and in the books.

        `league` is a code of `get_leagues`, or `"upcoming"` for the upcoming games of all. Raises
        what `get_leagues` raises.
        """
        request = Request(
            "GET /exchange/v2/getGames",
            list[Game],
            Kind.READ,
            data_path=("data", "games"),
            params=_given(league=(check_id(league, "league"), "league"), sport=(sport, "sport")),
        )
        return await self._sender.call(request, deadline=deadline)

    async def find(
        self, text: str, *, league: str = "upcoming", deadline: float | None = None
    ) -> list[FoundGame]:
        """Return the games of a `league` that a text can mean, the likeliest first.

        It reads `GET /exchange/v2/getGames` and looks for the text, such as `"lakers"`, `"LAL BOS"`
        or a rotation number: `fourcasters_async.search.find_games` says how, and finds in games of
        your own. Each hit has the ids that `place` wants. `"upcoming"` has no game in play:
        `"LIVE"` has those. Raises what `get_leagues` raises.
        """
        check_text(text, "text")
        return find_games(text, await self.get_games(league, deadline=deadline))

    async def get_participants(
        self, *, active: bool = False, deadline: float | None = None
    ) -> list[ParticipantSummary]:
        """Return the teams, players and sides of futures: `GET /exchange/getParticipants`.

        With `active`, only those of games that are still to start. Raises what `get_leagues`
        raises.
        """
        request = Request(
            "GET /exchange/getParticipants",
            list[ParticipantSummary],
            Kind.READ,
            data_path=("data", "participants"),
            params={"active": "true"} if check_flag(active, "active") else None,
        )
        return await self._sender.call(request, deadline=deadline)

    async def get_orderbook(
        self,
        league: str | None = None,
        *,
        game_id: str | None = None,
        sport: str | None = None,
        version: Literal[1, 2] = 2,
        deadline: float | None = None,
    ) -> list[OrderBook]:
        """Return the books of a league, or of one game: `GET /exchange/v2/getOrderbook`.

        With `version=1` the old address is asked, `POST /exchange/getOrderbook`, which knows only
        leagues. The records are the same. Raises what `get_leagues` raises, and
        `InvalidRequestError` unless exactly one of `league` and `game_id` is given.
        """
        if (league is None) is (game_id is None):
            raise InvalidRequestError("league, game_id: give one of the two")
        check_count(version, "version", most=2)
        params = _given(
            league=(league, "league"), sport=(sport, "sport"), gameID=(game_id, "game_id")
        )
        books = ("data", "games")
        if version == 2:  # noqa: PLR2004  # it is the number in the path
            request = Request(
                "GET /exchange/v2/getOrderbook",
                list[OrderBook],
                Kind.READ,
                data_path=books,
                params=params,
            )
        else:
            if set(params) != {"league"}:
                raise InvalidRequestError("version: 1 takes a league alone")
            request = Request(
                "POST /exchange/getOrderbook",
                list[OrderBook],
                Kind.READ,
                data_path=books,
                body={"leagueRequested": params["league"]},
            )
        return await self._sender.call(request, deadline=deadline)

    async def get_single_orderbook(
        self, game_id: str, *, deadline: float | None = None
    ) -> SingleOrderBook:
        """Return the book of a game and of its children: `GET /exchange/getSingleOrderbook`.

        Raises what `get_leagues` raises, and `BadRequestError` for an id that is none.
        """
        request = Request(
            "GET /exchange/getSingleOrderbook",
            SingleOrderBook,
            Kind.READ,
            params={"gameID": check_id(game_id, "game_id")},
        )
        return await self._sender.call(request, deadline=deadline)

    async def get_odds_for_average_price(
        self, league: str, *, deadline: float | None = None
    ) -> list[GamePrices]:
        """Return best and average prices by game: `GET /exchange/getOddsForAveragePrice`.

        Raises what `get_leagues` raises.
        """
        request = Request(
            "GET /exchange/getOddsForAveragePrice",
            list[GamePrices],
            Kind.READ,
            data_path=("games",),
            params={"leagueRequested": check_id(league, "league")},
        )
        return await self._sender.call(request, deadline=deadline)

    async def get_matched_volume(
        self, start: date, end: date, *, deadline: float | None = None
    ) -> MatchedVolume:
        """Return what was matched on some days, by everybody: `GET /exchange/getMatchedVolume`.

        `start` and `end` are days in US Eastern time, both included. Raises what `get_leagues`
        raises, and `BadRequestError` for an `end` before the `start`.
        """
        request = Request(
            "GET /exchange/getMatchedVolume",
            MatchedVolume,
            Kind.READ,
            params={
                "startDate": check_day(start, "start").isoformat(),
                "endDate": check_day(end, "end").isoformat(),
            },
        )
        return await self._sender.call(request, deadline=deadline)


def _given(**named: tuple[str | None, str]) -> dict[str, str]:
    """Return the parameters that are given, each checked under the name of its argument."""
    return {key: check_id(value, name) for key, (value, name) in named.items() if value is not None}
