"""OrdersSocket: the order verbs over the Orders WebSocket."""

from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager
from functools import partial

from attrs import evolve

from fourcasters_async._core.request import Kind, Request
from fourcasters_async._core.validation import check_id, check_seconds, optional
from fourcasters_async._websocket.client import WebSocketClient
from fourcasters_async.dead_man import Beat, DeadManState, DeadManSwitch
from fourcasters_async.models import (
    CancelReport,
    CancelResult,
    CancelResults,
    GameMarket,
    GameOutcome,
    MarketType,
    NewOrder,
    PlaceResult,
)
from fourcasters_async.orders.answers import another_game
from fourcasters_async.orders.arguments import check_market_type, check_markets, order_document
from fourcasters_async.orders.fanout import CancelGame
from fourcasters_async.orders.gate import Gate
from fourcasters_async.orders.heartbeat import acknowledged_seconds, heartbeat_message
from fourcasters_async.orders.hedge import hedged
from fourcasters_async.orders.verbs import Orders
from fourcasters_async.orders.verify import SharedReads

# They wait side by side on one connection. Past about a thousand the garbage collector would take
# most of the time.
_MAX_IN_FLIGHT = 1000
_RESULTS = list[CancelResult]


class OrdersSocket(Orders):
    """The order verbs over the Orders WebSocket: `async with session.orders_socket() as orders`.

    They take the same arguments, return the same records and raise the same errors as those of
    `AsyncSession`, and all share one connection, on which answers come in any order. It is pinged
    after ten seconds of silence, given up when a request has its time and nothing is heard, and
    made anew when it is lost: what had left and was not answered is unknown then, and is repeated
    or reported just as over REST. Messages do not count in the rate limit, handshakes do. An
    error text that says what was wrong with the request is a refusal; any other leaves the
    outcome unknown.
    """

    def __init__(
        self, socket: WebSocketClient, gate: Gate, reads: SharedReads, over_rest: CancelGame
    ) -> None:
        super().__init__(socket, gate, reads, max_in_flight=_MAX_IN_FLIGHT)
        self._socket = socket
        self._over_rest = over_rest

    @property
    def connected(self) -> bool:
        """Whether there is a connection now. A verb waits for one inside its time limit."""
        return self._socket.connected

    async def cancel_all_orders_for_game(
        self,
        game_id: str,
        type: MarketType | str | None = None,  # noqa: A002  # the name on the wire
        *,
        side: str | None = None,
        market: str | None = None,
        deadline: float | None = None,
    ) -> CancelResults:
        """Cancel every open order on a game: `cancelAllByGame`.

        With a `type`, only the orders of that market type; with a `side`, only those on that side
        (a participant, `"over"`, `"under"`, `"yes"` or `"no"`); with a `market`, only those on
        that outcome of a `moneyline1x2`. Returns one result an order; an order that could not be
        cancelled is a result whose `success` is false, not an exception. An empty list that is
        `complete` is the exchange's word that there was nothing to cancel.
        """
        request = self._cancel_game(
            GameMarket(check_id(game_id, "game_id"), check_market_type(type))
        )
        filters = {
            "side": optional(check_id, side, "side"),
            "market": optional(check_id, market, "market"),
        }
        only = {name: value for name, value in filters.items() if value is not None}
        request = evolve(request, body={**(request.body or {}), **only})
        return await self._cancel_list(request, deadline)

    async def cancel_all_orders_for_games(
        self,
        games: Iterable[str | GameMarket],
        *,
        type: MarketType | str | None = None,  # noqa: A002  # the name on the wire
        deadline: float | None = None,
        verify: bool = False,
        periods: bool = False,
        on_outcome: Callable[[GameOutcome], object] | None = None,
        hedge: float | None = None,
    ) -> CancelReport:
        """Cancel every open order on many games at once, and say what is known of each.

        As `AsyncSession.cancel_all_orders_for_games`, in `cancelAllByGame` messages. With a
        `hedge`, what has neither been answered nor refused after so many seconds is asked over
        REST too, with `POST /session/cancelAllOrdersForGame`; what has failed, or was refused for
        its token or for too many requests, at once. The first answer ends it, and the results of
        both are united. Whoever has not answered then is given up, may still take effect, and
        leaves the outcome with `complete=False`.
        """
        markets = check_markets(games, type)
        cancel: CancelGame = self._send_cancel
        if hedge is not None:
            cancel = hedged(cancel, self._over_rest, after=check_seconds(hedge, "hedge"))
        return await self._cancel_games(
            markets, cancel, deadline, on_outcome, verify=verify, periods=periods
        )

    async def heartbeat(self, timeout: float) -> float | None:  # noqa: ASYNC109  # the exchange's own
        """Have the exchange cancel everything unless another beat comes in time: `heartbeat`.

        `timeout` is in seconds. There is no way to disarm it. Returns the time-out that the
        exchange acknowledged, which counts where it is shorter; 0 or less says that nothing is
        armed, `None` that it named none. `dead_man_switch` goes on beating.
        """
        request = heartbeat_message(check_seconds(timeout, "timeout"))
        return acknowledged_seconds(await self._sender.call(request))

    def dead_man_switch(
        self, timeout: int, *, on_change: Callable[[DeadManState], object] | None = None
    ) -> DeadManSwitch:
        """Have the exchange cancel everything unless this process goes on beating.

        As `AsyncSession.dead_man_switch`, in `heartbeat` messages on this connection, for
        `timeout` whole seconds from 1 on. A beat that finds the connection lost goes out on the
        next one.
        """
        return DeadManSwitch(lambda: self._beats(timeout), timeout=timeout, on_change=on_change)

    @asynccontextmanager
    async def _beats(self, after: int) -> AsyncIterator[Beat]:
        request = heartbeat_message(after)

        async def beat(within: float) -> float | None:
            return acknowledged_seconds(await self._sender.call(request, deadline=within))

        yield beat

    def _cancel(self, order_id: str) -> Request[CancelResult]:
        return Request(
            "cancelById",
            CancelResult,
            Kind.CANCEL,
            data_path=("data", 0),
            body={"orderId": order_id},
        )

    def _cancel_multiple(self, order_ids: list[str]) -> Request[list[CancelResult]]:
        return Request("cancelMultiple", _RESULTS, Kind.CANCEL, body={"orderIDs": order_ids})

    def _cancel_game(self, market: GameMarket) -> Request[list[CancelResult]]:
        body = {"gameId": market.game_id}
        if market.type is not None:
            body["type"] = market.type
        return Request(
            "cancelAllByGame",
            _RESULTS,
            Kind.CANCEL,
            body=body,
            check=partial(another_game, market.game_id),
        )

    def _cancel_everything(self) -> Request[list[CancelResult]]:
        return Request("cancelAll", _RESULTS, Kind.CANCEL)

    def _place(self, orders: list[NewOrder]) -> Request[list[PlaceResult]]:
        return Request(
            "placeV3",
            list[PlaceResult],
            Kind.PLACE,
            body={"orders": [order_document(order, "gameId") for order in orders]},
        )
