"""The order verbs that REST and the Orders WebSocket have in common."""

import asyncio
from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable, Iterable

from attrs import evolve

from fourcasters_async._core.outcome import RequestOutcome
from fourcasters_async._core.request import Kind, Request
from fourcasters_async._core.sender import Sender
from fourcasters_async._core.validation import (
    check_callback,
    check_id,
    check_list,
    check_seconds,
)
from fourcasters_async.account import UNMATCHED
from fourcasters_async.dead_man import DeadManState, DeadManSwitch
from fourcasters_async.models import (
    CancelReport,
    CancelResult,
    GameMarket,
    GameOutcome,
    MarketType,
    NewOrder,
    PlaceResult,
)
from fourcasters_async.orders.answers import another_order, other_orders
from fourcasters_async.orders.arguments import (
    check_market_type,
    check_markets,
    check_new_order,
    check_order_id,
    is_order_id,
)
from fourcasters_async.orders.fanout import CancelGame, fan_out
from fourcasters_async.orders.verify import prove_clear

# Keeps a body well below what a server takes, and one answer below what it may take.
_IDS_PER_REQUEST = 1000


class Orders(ABC):
    """The order verbs over one transport: what `AsyncSession` and `OrdersSocket` have in common.

    Each raises `InvalidRequestError` before anything is sent, `NotSentError` if nothing reached
    the exchange, `OutcomeUnknownError` if it may or may not have taken effect, an `ApiError` if
    the exchange refused, and `SessionClosedError`. A cancel that ends unknown is repeated, since
    whoever asked still wants the orders gone; what places orders is not.
    """

    def __init__(self, sender: Sender, reads: Sender, *, max_in_flight: int) -> None:
        self._sender = sender
        self._reads = reads
        self._max_in_flight = max_in_flight

    async def cancel(self, order_id: str) -> CancelResult:
        """Cancel one order: `POST /session/cancel`, or `cancelById` over the Orders WebSocket.

        Raises `NotFoundError` for an order that is not open, `ConflictError` for one that cannot
        be cancelled any more, for example because it is filled, and `ForbiddenError` for somebody
        else's. After a lost answer these can also mean that the lost request cancelled it, and
        are the cause of an `OutcomeUnknownError`: `AsyncSession.lookup_order` tells.
        """
        asked = check_id(order_id, "order_id")
        request = evolve(self._cancel(asked), check=lambda result: another_order([asked], [result]))
        result = await self._sender.call(request)
        result.order_id = asked
        return result

    async def cancel_multiple(self, order_ids: Iterable[str]) -> list[CancelResult]:
        """Cancel orders by id: `POST /session/cancelMultiple`, or `cancelMultiple`.

        Returns one result an id, in the order of `order_ids`, each with the `order_id` that was
        asked for. An order that could not be cancelled is a result whose `success` is false. No
        ids, no request. A single id that cannot be one is an `InvalidRequestError`: the exchange
        would refuse the whole request for it.
        """
        ids = [
            check_order_id(order_id, f"order_ids[{index}]")
            for index, order_id in enumerate(check_list(order_ids, "order_ids"))
        ]
        return await self._cancel_by_id(ids) if ids else []

    async def cancel_all_orders_for_game(
        self,
        game_id: str,
        type: MarketType | str | None = None,  # noqa: A002  # the name on the wire
    ) -> list[CancelResult]:
        """Cancel every open order on a game.

        `POST /session/cancelAllOrdersForGame`, or `cancelAllByGame` over the Orders WebSocket.
        With a `type`, only the orders of that market type. Returns one result an order; an order
        that could not be cancelled is a result whose `success` is false, not an exception. An
        empty list is the exchange's word that there was nothing to cancel.
        """
        market = GameMarket(check_id(game_id, "game_id"), check_market_type(type))
        return await self._sender.call(self._cancel_game(market))

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
        distinct one is sent once, to `POST /session/cancelAllOrdersForGame` or as
        `cancelAllByGame` over the Orders WebSocket, and has one outcome in the report, in input
        order, whatever happened to it or to the others. No games, no request: an empty input
        never means all games.

        `deadline` is the seconds after which the report is wanted: games in flight are then
        `UNKNOWN`, games not begun `NOT_SENT`. Without it each game has the session's `timeout`.

        With `verify`, the account's open orders are read after the last answer, with
        `GET /user/getUnmatched`; what still rests on the games, orders placed in between
        included, is cancelled by id, until a read shows none or the time is up.
        `GameOutcome.resting` and `CancelReport.verified_clear` say what was seen. After an
        `UNKNOWN` attempt a late execution is still possible: it can take orders that you place
        after the proof.

        `on_outcome` is called in the event loop with each outcome once it is known, before any
        verification; what it raises is logged. If you cancel the call, requests in flight are
        ended, which does not undo them at the exchange.

        Raises `InvalidRequestError` for the arguments, before anything is sent, and
        `SessionClosedError`; nothing else.
        """
        markets = check_markets(games, type)
        return await self._cancel_games(markets, self._send_cancel, deadline, verify, on_outcome)

    async def _cancel_games(
        self,
        markets: list[GameMarket],
        cancel: CancelGame,
        deadline: float | None,
        verify: bool,  # noqa: FBT001  # handed on as it came
        on_outcome: Callable[[GameOutcome], object] | None,
    ) -> CancelReport:
        if deadline is not None:
            deadline = check_seconds(deadline, "deadline")
        if on_outcome is not None:
            check_callback(on_outcome, "on_outcome")
        self._sender.ensure_usable()
        clock = asyncio.get_running_loop().time
        started = clock()
        await self._sender.catch_up()
        until = None if deadline is None else started + deadline
        outcomes = await fan_out(
            markets,
            lambda market: cancel(market, until),
            max_in_flight=self._max_in_flight,
            on_outcome=on_outcome,
        )
        if verify and outcomes:
            end = clock() + self._sender.timeout if until is None else until
            outcomes = await prove_clear(
                outcomes,
                lambda: self._reads.call(evolve(UNMATCHED, kind=Kind.VERIFY), deadline=end),
                lambda order_ids: self._cancel_resting(order_ids, end),
                until=end,
            )
        return CancelReport(tuple(outcomes), elapsed=clock() - started)

    async def cancel_all_orders(self) -> list[CancelResult]:
        """Cancel every open order on every game and league.

        `POST /session/cancelAllOrders`, or `cancelAll` over the Orders WebSocket. Returns one
        result an order. `AsyncSession.flatten` also proves that nothing is left.
        """
        return await self._sender.call(self._cancel_everything())

    async def place(self, orders: Iterable[NewOrder]) -> list[PlaceResult]:
        """Place orders: `POST /session/v3/place`, or `placeV3` over the Orders WebSocket.

        Returns one result an order, in the order of `orders`; an order that the exchange did not
        take is a result with an `error`, not an exception. No orders, no request. It is repeated
        only if it provably was not sent: after an `OutcomeUnknownError` the orders may be in the
        book, and `account.get_unmatched` tells by their `user_reference`.
        """
        new = [
            check_new_order(order, f"orders[{index}]")
            for index, order in enumerate(check_list(orders, "orders"))
        ]
        if not new:
            return []
        request = evolve(self._place(new), check=lambda results: other_orders(new, results))
        return await self._sender.call(request)

    @abstractmethod
    def dead_man_switch(
        self, timeout: int, *, on_change: Callable[[DeadManState], object] | None = None
    ) -> DeadManSwitch:
        """Have the exchange cancel everything unless this process goes on beating.

        `timeout` is in whole seconds. There is no way to disarm it.
        """

    def _send_cancel(
        self, market: GameMarket, deadline: float | None
    ) -> Awaitable[RequestOutcome[list[CancelResult]]]:
        return self._sender.send(self._cancel_game(market), deadline=deadline)

    async def _cancel_resting(self, order_ids: list[str], deadline: float) -> list[CancelResult]:
        # One id that the exchange calls malformed would fail the whole request.
        ids = [order_id for order_id in order_ids if is_order_id(order_id)]
        results: list[CancelResult] = []
        for start in range(0, len(ids), _IDS_PER_REQUEST):
            results += await self._cancel_by_id(ids[start : start + _IDS_PER_REQUEST], deadline)
        return results

    async def _cancel_by_id(
        self, order_ids: list[str], deadline: float | None = None
    ) -> list[CancelResult]:
        request = evolve(
            self._cancel_multiple(order_ids),
            check=lambda results: another_order(order_ids, results),
        )
        results = await self._sender.call(request, deadline=deadline)
        for order_id, result in zip(order_ids, results, strict=True):
            result.order_id = order_id
        return results

    # How the transport says it. What an answer must fit is the same for both.

    @abstractmethod
    def _cancel(self, order_id: str) -> Request[CancelResult]: ...

    @abstractmethod
    def _cancel_multiple(self, order_ids: list[str]) -> Request[list[CancelResult]]: ...

    @abstractmethod
    def _cancel_game(self, market: GameMarket) -> Request[list[CancelResult]]: ...

    @abstractmethod
    def _cancel_everything(self) -> Request[list[CancelResult]]: ...

    @abstractmethod
    def _place(self, orders: list[NewOrder]) -> Request[list[PlaceResult]]: ...
