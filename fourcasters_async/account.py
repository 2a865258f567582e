"""The reads of the account."""

from collections.abc import Iterable
from datetime import date
from functools import partial
from typing import Final

from fourcasters_async import models
from fourcasters_async._core.request import Kind, Request
from fourcasters_async._core.text import folded
from fourcasters_async._core.validation import (
    check_day,
    check_id,
    check_list,
    check_text,
)
from fourcasters_async.errors import InvalidRequestError
from fourcasters_async.graded import GradedReads
from fourcasters_async.models import GameOrders, MatchedBet, OpenOrder
from fourcasters_async.models.order import OpenOrdersPage

# A constant, because a verified cancel sends it too.
UNMATCHED: Final = Request(
    "GET /user/getUnmatched",
    OpenOrdersPage,
    Kind.READ,
    check=lambda page: "the list of open orders is cut short" if page.cut_short else None,
    stray=lambda page: "the orders of one game or reference" if page.is_selection else None,
)


def me_request(kind: Kind = Kind.READ) -> "Request[models.User]":
    """Return the request that reads the account, which `warm_up` sends too."""
    return Request("GET /user/getMe", models.User, kind, data_path=("data", "user"))


class Account(GradedReads):
    """The reads of the account: `session.account`.

    `deadline` is the seconds that a read may take, by default the session's `timeout`.
    """

    async def get_unmatched(self, *, deadline: float | None = None) -> list[OpenOrder]:
        """Return every open order of the account, on all games: `GET /user/getUnmatched`.

        It does not show what happened to a place that ended unknown, which may be filled:
        `AsyncSession.reconcile` does. Raises an `ApiError` (`AuthenticationError`,
        `RateLimitedError`, `ServerError`), `DecodeError` if the answer is malformed or cut short,
        `NotSentError`, or `OutcomeUnknownError` if no answer came.
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

    async def get_me(self, *, deadline: float | None = None) -> "models.User":
        """Return the account: `GET /user/getMe`. Raises what `get_unmatched` raises."""
        return await self._sender.call(me_request(), deadline=deadline)

    async def get_bet_by_user_reference(
        self, game_id: str, user_reference: str, *, deadline: float | None = None
    ) -> "models.BetsByReference":
        """Return the orders and bets with a reference: `GET /user/getBetByUserReference`.

        `game_id` is their game. Raises what `get_unmatched` raises.
        """
        request = Request(
            "GET /user/getBetByUserReference",
            models.BetsByReference,
            Kind.READ,
            params={
                "userReference": check_text(user_reference, "user_reference"),
                "gameID": check_id(game_id, "game_id"),
            },
            stray=partial(_another_reference, user_reference),
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
    ) -> "models.AnyBet":
        """Return one open order, matched bet or graded bet: `GET /user/getBetByID`.

        Give its `bet_id`, as lists of bets have it, or the `tx_id` of a fill. The type of what
        is returned says in which state the bet is. Raises what `get_unmatched` raises, and
        `InvalidRequestError` unless exactly one of the two is given.
        """
        if (bet_id is None) is (tx_id is None):
            raise InvalidRequestError("bet_id, tx_id: give one of the two")
        name, value = ("id", bet_id) if tx_id is None else ("txID", tx_id)
        request: Request[models.AnyBet] = Request(
            "GET /user/getBetByID",
            models.AnyBet,  # type: ignore[arg-type]  # a union is not a type to mypy
            Kind.READ,
            data_path=("bet",),
            params={name: check_id(value, "bet_id" if tx_id is None else "tx_id")},
        )
        return await self._sender.call(request, deadline=deadline)

    async def get_bet_by_wager_request_id(
        self, wager_request_id: str, *, deadline: float | None = None
    ) -> "models.BetsByReference":
        """Return the bets that came of one placed order: `GET /user/getBetByWagerRequestID`.

        `unmatched` is always empty here: `get_bet_by_user_reference` shows what rests. Raises what
        `get_unmatched` raises.
        """
        request = Request(
            "GET /user/getBetByWagerRequestID",
            models.BetsByReference,
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

    async def exposure(
        self, games: Iterable[str] | None = None, *, deadline: float | None = None
    ) -> "list[models.GameExposure]":
        """Return what is won or lost by how games end: on some games, or on all with a bet.

        Made of `GET /user/getUnmatched` and `GET /user/getMatchedBets`, one after the other: an
        order that is filled between the two counts as both. For named `games`, and their children
        with a bet or an order, also of `GET /user/getGameLiability`.
        `fourcasters_async.exposure_of` does the arithmetic, also over records of your own.
        `deadline` is in seconds for each read. Raises what `get_unmatched` raises.
        """
        from fourcasters_async.exposure import exposure_of  # noqa: PLC0415  # a kill needs no arithmetic

        named = None
        if games is not None:
            ids = enumerate(check_list(games, "games"))
            named = list(dict.fromkeys(check_id(each, f"games[{i}]") for i, each in ids))
        open_orders = await self.get_unmatched(deadline=deadline)
        matched = await self.get_matched_bets(deadline=deadline)
        composed = exposure_of(open_orders, matched, games=named)
        if named is None:
            return composed
        children = [child.game_id for each in composed for child in each.children]
        liabilities = {
            game_id: await self.get_game_liability(game_id, deadline=deadline)
            for game_id in dict.fromkeys([*named, *filter(None, children)])
        }
        return exposure_of(open_orders, matched, games=named, liabilities=liabilities)

    async def get_affiliate_commission(
        self,
        from_date: date | None = None,
        to_date: date | None = None,
        *,
        deadline: float | None = None,
    ) -> "list[models.AffiliateCommission]":
        """Return what invited players brought in: `GET /affiliate/getAffiliateCommission`.

        One record a player, for the days from `from_date` to `to_date`; without them over all
        time. Raises what `get_unmatched` raises.
        """
        days = {"fromDate": (from_date, "from_date"), "toDate": (to_date, "to_date")}
        request = Request(
            "GET /affiliate/getAffiliateCommission",
            list[models.AffiliateCommission],
            Kind.READ,
            data_path=("commissionPaid",),
            params={
                key: f"{check_day(day, name):%m-%d-%Y}"
                for key, (day, name) in days.items()
                if day is not None
            },
        )
        return await self._sender.call(request, deadline=deadline)


def _another_reference(user_reference: str, found: "models.BetsByReference") -> str | None:
    """Return the mismatch if only other references are named, else `None`.

    A reference may be cut short in the answer.
    """
    named = [
        reference
        for bets in (found.unmatched, found.matched, found.graded)
        for bet in bets
        if (reference := folded(bet.user_reference))
    ]
    if named and not any(map(folded(user_reference).startswith, named)):
        return f"about {named[0]!r} where {user_reference!r} was asked for"
    return None
