"""The order verbs over REST."""

import asyncio
from collections.abc import Awaitable, Callable, Iterable

from attrs import evolve

from fourcasters_async._checks import (
    check_callback,
    check_id,
    check_list,
    check_market_type,
    check_markets,
    check_order_id,
    check_seconds,
    check_text,
    is_order_id,
)
from fourcasters_async._http import Http
from fourcasters_async._request import Effect, Request
from fourcasters_async._verdict import Settled
from fourcasters_async.account import UNMATCHED
from fourcasters_async.fanout import fan_out, prove_clear
from fourcasters_async.models import (
    CancelReport,
    CancelResult,
    GameMarket,
    GameOutcome,
    LeagueCancelAccepted,
    MarketType,
    OrderDetail,
)

# Keeps a body well below what a server takes, and one answer below what it may take.
_IDS_AT_ONCE = 1000
_RESULTS = list[CancelResult]


class Orders:
    """The order verbs over REST; `AsyncSession` has them all.

    Each raises `InvalidRequestError` before anything is sent, `NotSentError` if nothing reached
    the exchange, `OutcomeUnknownError` if it may or may not have taken effect, an `ApiError` if
    the exchange refused, and `SessionClosedError`. A cancel that ends unknown is repeated, since
    whoever asked still wants the orders gone.
    """

    def __init__(self, http: Http, *, max_connections: int) -> None:
        self._http = http
        self._max_connections = max_connections

    async def cancel(self, order_id: str) -> CancelResult:
        """Cancel one order: `POST /session/cancel`.

        Raises `NotFoundError` for an order that is not open, `ConflictError` for one that cannot
        be cancelled any more, for example because it is filled, and `ForbiddenError` for somebody
        else's. After a lost answer these can also mean that the lost request cancelled it, and
        are the cause of an `OutcomeUnknownError`: `lookup_order` tells.
        """
        asked = check_id(order_id, "order_id")
        request = Request(
            "POST /session/cancel",
            CancelResult,
            Effect.CANCEL,
            body={"sessionID": asked},
            check=lambda result: _mismatch([asked], [result]),
        )
        result = await self._http.call(request)
        result.order_id = asked
        return result

    async def cancel_all_orders_for_game(
        self,
        game_id: str,
        type: MarketType | str | None = None,  # noqa: A002  # the name on the wire
    ) -> list[CancelResult]:
        """Cancel every open order on a game: `POST /session/cancelAllOrdersForGame`.

        With a `type`, only the orders of that market type. Returns one result an order; an order
        that could not be cancelled is a result whose `success` is false, not an exception. An
        empty list is the exchange's word that there was nothing to cancel.
        """
        market = GameMarket(check_id(game_id, "game_id"), check_market_type(type))
        return await self._http.call(_cancel_all_orders_for_game(market))

    async def cancel_all_orders_for_games(
        self,
        games: Iterable[str | GameMarket],
        *,
        type: MarketType | str | None = None,  # noqa: A002  # the name on the wire
        deadline: float | None = None,
        verify: bool = False,
        on_outcome: Callable[[GameOutcome], object] | None = None,
    ) -> CancelReport:
        """Cancel every open order on many games at once, and say what is known of each.

        `games` are game ids and `GameMarket`s; `type` is the market type of the plain ids. Each
        distinct one is sent once, to `POST /session/cancelAllOrdersForGame`, and has one outcome
        in the report, in input order, whatever happened to it or to the others. No games, no
        request: an empty input never means all games.

        `deadline` is the seconds after which the report is wanted: games in flight are then
        `UNKNOWN`, games not begun `NOT_SENT`. Without it each game has the session's `timeout`.

        With `verify`, the account's open orders are read after the last answer, with
        `GET /user/getUnmatched`; what still rests on the games, orders placed in between
        included, is cancelled by id with `POST /session/cancelMultiple`, until a read shows none
        or the time is up. `GameOutcome.resting` and `CancelReport.verified_clear` say what was
        seen. After an `UNKNOWN` attempt a late execution is still possible: it can take orders
        that you place after the proof.

        `on_outcome` is called in the event loop with each outcome once it is known, before any
        verification; what it raises is logged. If you cancel the call, requests in flight are
        ended, which does not undo them at the exchange.

        Raises `InvalidRequestError` for the arguments, before anything is sent, and
        `SessionClosedError`; nothing else.
        """
        markets = check_markets(games, type)
        if deadline is not None:
            deadline = check_seconds(deadline, "deadline")
        if on_outcome is not None:
            check_callback(on_outcome, "on_outcome")
        self._http.ensure_usable()
        clock = asyncio.get_running_loop().time
        started = clock()
        await self._http.catch_up()
        until = None if deadline is None else started + deadline

        def cancel(market: GameMarket) -> Awaitable[Settled[list[CancelResult]]]:
            return self._http.send(_cancel_all_orders_for_game(market), deadline=until)

        outcomes = await fan_out(
            markets, cancel, at_once=self._max_connections, on_outcome=on_outcome
        )
        if verify and outcomes:
            end = clock() + self._http.timeout if until is None else until
            outcomes = await prove_clear(
                outcomes,
                lambda: self._http.call(evolve(UNMATCHED, urgent=True), deadline=end),
                lambda order_ids: self._cancel_by_id(order_ids, end),
                until=end,
            )
        return CancelReport(tuple(outcomes), elapsed=clock() - started)

    async def cancel_multiple(self, order_ids: Iterable[str]) -> list[CancelResult]:
        """Cancel orders by id: `POST /session/cancelMultiple`.

        Returns one result an id, in the order of `order_ids`, each with the `order_id` that was
        asked for. An order that could not be cancelled is a result whose `success` is false. No
        ids, no request. A single id that cannot be one is an `InvalidRequestError`: the exchange
        would refuse the whole request for it.
        """
        ids = [
            check_order_id(order_id, f"order_ids[{index}]")
            for index, order_id in enumerate(check_list(order_ids, "order_ids"))
        ]
        return await self._cancel_multiple(ids) if ids else []

    async def _cancel_by_id(self, order_ids: list[str], deadline: float) -> list[CancelResult]:
        # One id that the exchange calls malformed would fail the whole request.
        ids = [order_id for order_id in order_ids if is_order_id(order_id)]
        results: list[CancelResult] = []
        for start in range(0, len(ids), _IDS_AT_ONCE):
            results += await self._cancel_multiple(ids[start : start + _IDS_AT_ONCE], deadline)
        return results

    async def _cancel_multiple(
        self, order_ids: list[str], deadline: float | None = None
    ) -> list[CancelResult]:
        request = Request(
            "POST /session/cancelMultiple",
            _RESULTS,
            Effect.CANCEL,
            body={"sessionIDs": order_ids},
            check=lambda results: _mismatch(order_ids, results),
        )
        results = await self._http.call(request, deadline=deadline)
        for order_id, result in zip(order_ids, results, strict=True):
            result.order_id = order_id
        return results

    async def cancel_by_reference(
        self, game_id: str, user_references: Iterable[str]
    ) -> list[CancelResult]:
        """Cancel the open orders on a game that carry one of your references.

        `POST /session/cancelByReference`. Returns one result an order; several orders can carry
        one reference. No references, no request.
        """
        game_id = check_id(game_id, "game_id")
        references = [
            check_text(reference, f"user_references[{index}]")
            for index, reference in enumerate(check_list(user_references, "user_references"))
        ]
        if not references:
            return []
        request = Request(
            "POST /session/cancelByReference",
            _RESULTS,
            Effect.CANCEL,
            body={"gameID": game_id, "userReferences": references},
            check=lambda results: _another_game(game_id, results),
        )
        return await self._http.call(request)

    async def cancel_all_for_league(self, league: str) -> LeagueCancelAccepted:
        """Ask for the cancel of every open order in a league: `POST /session/cancelAllForLeague`.

        `league` is a code such as `"NBA"`, in any case. The exchange only acknowledges the
        request and cancels afterwards: nothing is known to be cancelled when this returns. To
        know, read `account.get_unmatched` until no order's `game.league` is the league's.
        """
        request = Request(
            "POST /session/cancelAllForLeague",
            LeagueCancelAccepted,
            Effect.CANCEL,
            body={"league": check_id(league, "league")},
        )
        return await self._http.call(request)

    async def cancel_all_orders(self) -> list[CancelResult]:
        """Cancel every open order on every game and league: `POST /session/cancelAllOrders`.

        Returns one result an order. `flatten` also proves that nothing is left.
        """
        return await self._cancel_all_orders()

    async def _cancel_all_orders(self, deadline: float | None = None) -> list[CancelResult]:
        request = Request("POST /session/cancelAllOrders", _RESULTS, Effect.CANCEL, body={})
        return await self._http.call(request, deadline=deadline)

    async def lookup_order(self, order_id: str) -> OrderDetail:
        """Return the state of one of the account's orders: `GET /session/lookupOrder`.

        Raises `NotFoundError` for an order that the exchange does not know, `ForbiddenError` for
        somebody else's, and otherwise as every read: an `ApiError`, `DecodeError`,
        `NotSentError`, or `OutcomeUnknownError` if no answer came.
        """
        request = Request(
            "GET /session/lookupOrder",
            OrderDetail,
            Effect.READ,
            at=("data", "order"),
            params={"orderID": check_id(order_id, "order_id")},
        )
        return await self._http.call(request)


def _cancel_all_orders_for_game(market: GameMarket) -> Request[list[CancelResult]]:
    body = {"gameID": market.game_id}
    if market.type is not None:
        body["type"] = market.type

    return Request(
        "POST /session/cancelAllOrdersForGame",
        _RESULTS,
        Effect.CANCEL,
        body=body,
        check=lambda results: _another_game(market.game_id, results),
    )


# An answer to another request, strayed onto this one's connection, names another game or order.


def _another_game(game_id: str, results: list[CancelResult]) -> str | None:
    named = {result.game_id.casefold() for result in results if result.game_id}
    if named and game_id.casefold() not in named:
        return f"about game {min(named)} where {game_id} was asked for"
    return None


def _mismatch(order_ids: list[str], results: list[CancelResult]) -> str | None:
    if len(results) != len(order_ids):
        return f"{len(results)} results for {len(order_ids)} ids"
    for asked, result in zip(order_ids, results, strict=True):
        if result.order_id and result.order_id.casefold() != asked.casefold():
            return f"about order {result.order_id} where {asked} was asked for"
    return None
