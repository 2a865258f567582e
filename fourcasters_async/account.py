"""The reads of the account."""

from collections.abc import AsyncIterator
from datetime import date, datetime
from functools import partial
from typing import Final, Protocol

from fourcasters_async._core.request import Kind, Request
from fourcasters_async._core.sender import Sender
from fourcasters_async._core.validation import (
    check_day,
    check_id,
    check_moment,
    check_text,
    optional,
)
from fourcasters_async.errors import DecodeError, InvalidRequestError
from fourcasters_async.models import (
    AffiliateCommission,
    AnyBet,
    BetsByReference,
    GameOrders,
    GradedBet,
    GradedBets,
    GradedPage,
    MatchedBet,
    OpenOrder,
    User,
)
from fourcasters_async.models.order import OpenOrdersPage

# Constants, because a verified cancel and `warm_up` send them too.
ME: Final = Request("GET /user/getMe", User, Kind.READ, data_path=("data", "user"))
UNMATCHED: Final = Request(
    "GET /user/getUnmatched",
    OpenOrdersPage,
    Kind.READ,
    check=lambda page: "the list of open orders is cut short" if page.cut_short else None,
)


class _ReadPage(Protocol):
    async def __call__(
        self, since: datetime | None = None, *, cursor: str | None = None
    ) -> GradedPage: ...


class GradedSince:
    """Graded bets in the order in which they were settled: `Account.graded_since`."""

    def __init__(self, read: _ReadPage, since: datetime | None, cursor: str | None) -> None:
        self._read = read
        self._since = since
        self._cursor = cursor

    @property
    def cursor(self) -> str | None:
        """Where the next page begins: after the last page of which every bet was handed out.

        `None` before the first page, if iteration began with `since`. It can be kept, and is valid
        for this account alone.
        """
        return self._cursor

    async def __aiter__(self) -> AsyncIterator[GradedBet]:
        """Yield each bet until the last that is graded by now."""
        has_more = True
        while has_more:
            before = self._cursor
            page = (
                await self._read(self._since) if before is None else await self._read(cursor=before)
            )
            for bet in page.graded:
                yield bet
            # Only now, so that a program that is ended half-way through a page loses none of it.
            self._cursor, has_more = page.cursor, page.has_more
            if has_more and page.cursor == before:
                raise DecodeError(
                    "GET /user/v2/getGradedSince: $.data.cursor: there is more, and no way to it",
                    path="$.data.cursor",
                )


class Account:
    """The reads of the account: `session.account`."""

    def __init__(self, sender: Sender) -> None:
        self._sender = sender

    async def get_unmatched(self, *, deadline: float | None = None) -> list[OpenOrder]:
        """Return every open order of the account, on all games: `GET /user/getUnmatched`.

        It does not show what happened to a place that ended unknown, which may be filled:
        `AsyncSession.reconcile` does. `deadline` is in seconds, by default the session's `timeout`.
        Raises an `ApiError` (`AuthenticationError`, `RateLimitedError`, `ServerError`),
        `DecodeError` if the answer is malformed or cut short, `NotSentError`, or
        `OutcomeUnknownError` if no answer came.
        """
        return (await self._sender.call(UNMATCHED, deadline=deadline)).unmatched

    async def get_orders_for_game(
        self, game_id: str, *, deadline: float | None = None
    ) -> GameOrders:
        """Return the account's orders on a game: `GET /user/getOrdersForGame`.

        These are open orders, and matched bets that are not graded. Raises `NotFoundError` for a
        game that the exchange does not know, and otherwise what `get_unmatched` raises.
        """
        request = Request(
            "GET /user/getOrdersForGame",
            GameOrders,
            Kind.READ,
            params={"gameID": check_id(game_id, "game_id")},
        )
        return await self._sender.call(request, deadline=deadline)

    async def get_me(self, *, deadline: float | None = None) -> User:
        """Return the account: `GET /user/getMe`. Raises what `get_unmatched` raises."""
        return await self._sender.call(ME, deadline=deadline)

    async def get_bet_by_user_reference(
        self, game_id: str, user_reference: str, *, deadline: float | None = None
    ) -> BetsByReference:
        """Return the orders and bets with a reference: `GET /user/getBetByUserReference`.

        `game_id` is their game. Raises what `get_unmatched` raises.
        """
        request = Request(
            "GET /user/getBetByUserReference",
            BetsByReference,
            Kind.READ,
            params={
                "userReference": check_text(user_reference, "user_reference"),
                "gameID": check_id(game_id, "game_id"),
            },
        )
        return await self._sender.call(request, deadline=deadline)

    async def get_matched_bets(self, *, deadline: float | None = None) -> list[MatchedBet]:
        """Return every bet that was matched and is not graded: `GET /user/getMatchedBets`.

        Raises what `get_unmatched` raises.
        """
        request = Request(
            "GET /user/getMatchedBets",
            list[MatchedBet],
            Kind.READ,
            data_path=("data", "matchedBets"),
        )
        return await self._sender.call(request, deadline=deadline)

    async def get_bet_by_id(
        self,
        bet_id: str | None = None,
        *,
        tx_id: str | None = None,
        deadline: float | None = None,
    ) -> AnyBet:
        """Return one open order, matched bet or graded bet: `GET /user/getBetByID`.

        Give its `bet_id`, as lists of bets have it, or the `tx_id` of a fill. The type of what
        is returned says in which state the bet is. Raises what `get_unmatched` raises, and
        `InvalidRequestError` unless exactly one of the two is given.
        """
        if (bet_id is None) is (tx_id is None):
            raise InvalidRequestError("bet_id, tx_id: give one of the two")
        name, value = ("id", bet_id) if tx_id is None else ("txID", tx_id)
        request: Request[AnyBet] = Request(
            "GET /user/getBetByID",
            AnyBet,  # type: ignore[arg-type]  # a union is not a type to mypy
            Kind.READ,
            data_path=("bet",),
            params={name: check_id(value, "bet_id" if tx_id is None else "tx_id")},
        )
        return await self._sender.call(request, deadline=deadline)

    async def get_bet_by_wager_request_id(
        self, wager_request_id: str, *, deadline: float | None = None
    ) -> BetsByReference:
        """Return the bets that came of one placed order: `GET /user/getBetByWagerRequestID`.

        `unmatched` is always empty here: `get_bet_by_user_reference` shows what rests. Raises what
        `get_unmatched` raises.
        """
        request = Request(
            "GET /user/getBetByWagerRequestID",
            BetsByReference,
            Kind.READ,
            params={"wagerRequestID": check_id(wager_request_id, "wager_request_id")},
        )
        return await self._sender.call(request, deadline=deadline)

    async def get_game_liability(self, game_id: str, *, deadline: float | None = None) -> float:
        """Return the most that the account can lose on a game: `GET /user/getGameLiability`.

        In account currency, 0 or less, over all bets on all markets of the game. The exchange
        counts in what a game that is not played to its end can cost, so that a book that is
        hedged in full can have a liability too. Raises what `get_unmatched` raises.
        """
        request = Request(
            "GET /user/getGameLiability",
            float,
            Kind.READ,
            data_path=("data", "liability"),
            params={"gameID": check_id(game_id, "game_id")},
        )
        return await self._sender.call(request, deadline=deadline)

    async def get_graded(
        self,
        start: datetime | None = None,
        end: datetime | None = None,
        *,
        deadline: float | None = None,
    ) -> GradedBets:
        """Return the graded bets on games that started in a window: `GET /user/v2/getGraded`.

        The window goes from `start` to just before `end`, both timezone-aware; without an `end`
        until now, without a `start` over the whole history. The exchange refuses a window of more
        than 35 days (`BadRequestError`) and more than 60 requests a minute. To follow what is
        graded, use `graded_since`. Raises what `get_unmatched` raises.
        """
        return await self._sender.call(
            _graded_in("GET /user/v2/getGraded", start, end), deadline=deadline
        )

    async def get_graded_wagers(
        self,
        start: datetime | None = None,
        end: datetime | None = None,
        *,
        deadline: float | None = None,
    ) -> GradedBets:
        """Return graded bets from the old address: `GET /user/getGradedWagers`.

        As `get_graded`, which is to be preferred.
        """
        return await self._sender.call(
            _graded_in("GET /user/getGradedWagers", start, end), deadline=deadline
        )

    async def get_graded_since(
        self,
        since: datetime | None = None,
        *,
        cursor: str | None = None,
        deadline: float | None = None,
    ) -> GradedPage:
        """Return one page of what was graded, in that order: `GET /user/v2/getGradedSince`.

        Begin with `since`, which is timezone-aware, and go on with the `cursor` of the page before.
        A page has up to 100 bets. `graded_since` reads page after page. Raises what `get_unmatched`
        raises, `BadRequestError` for a cursor that is not the account's, and `InvalidRequestError`
        unless exactly one of the two is given.
        """
        if (since is None) is (cursor is None):
            raise InvalidRequestError("since, cursor: give one of the two")
        params = (
            {"since": check_moment(since, "since")}
            if cursor is None
            else {"cursor": check_text(cursor, "cursor")}
        )
        request = Request("GET /user/v2/getGradedSince", GradedPage, Kind.READ, params=params)
        return await self._sender.call(request, deadline=deadline)

    def graded_since(
        self,
        since: datetime | None = None,
        *,
        cursor: str | None = None,
        deadline: float | None = None,
    ) -> GradedSince:
        """Iterate over what was graded, page by page: `async for bet in …graded_since(since)`.

        It ends with the last bet that is graded by now. `GradedSince.cursor` is where to go on:
        keep it, and pass it as `cursor` later, also from another process. A bet comes again when
        its outcome changes: the later one is valid, and `tx_id` identifies it. `deadline` is in
        seconds for each page. Iterating raises what `get_graded_since` raises, and can begin
        again where it stopped.
        """
        if (since is None) is (cursor is None):
            raise InvalidRequestError("since, cursor: give one of the two")
        optional(check_moment, since, "since")
        optional(check_text, cursor, "cursor")
        return GradedSince(partial(self.get_graded_since, deadline=deadline), since, cursor)

    async def get_affiliate_commission(
        self,
        from_date: date | None = None,
        to_date: date | None = None,
        *,
        deadline: float | None = None,
    ) -> list[AffiliateCommission]:
        """Return what invited players brought in: `GET /affiliate/getAffiliateCommission`.

        One record a player, for the days from `from_date` to `to_date`; without them over all
        time. Raises what `get_unmatched` raises.
        """
        days = {"fromDate": (from_date, "from_date"), "toDate": (to_date, "to_date")}
        request = Request(
            "GET /affiliate/getAffiliateCommission",
            list[AffiliateCommission],
            Kind.READ,
            data_path=("commissionPaid",),
            params={
                key: f"{check_day(day, name):%m-%d-%Y}"
                for key, (day, name) in days.items()
                if day is not None
            },
        )
        return await self._sender.call(request, deadline=deadline)


def _graded_in(endpoint: str, start: datetime | None, end: datetime | None) -> Request[GradedBets]:
    window = {"startDate": (start, "start"), "endDate": (end, "end")}
    params = {
        key: check_moment(moment, name)
        for key, (moment, name) in window.items()
        if moment is not None
    }
    return Request(endpoint, GradedBets, Kind.READ, params=params)
