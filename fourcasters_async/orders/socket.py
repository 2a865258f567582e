"""OrdersSocket: the order verbs over the Orders WebSocket."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Sequence
from contextlib import asynccontextmanager
from functools import partial

from attrs import evolve

from fourcasters_async._core.request import MANY_ORDERS, Kind, Request
from fourcasters_async._core.tasks import Jobs
from fourcasters_async._core.validation import check_id, check_seconds, optional
from fourcasters_async._websocket.burst import FirstAttempt
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
from fourcasters_async.models.unread import RESULTS
from fourcasters_async.orders.arguments import (
    check_market_type,
    check_markets,
    message_body,
    order_document,
)
from fourcasters_async.orders.burst import burst
from fourcasters_async.orders.fanout import OnOutcome, fan_out
from fourcasters_async.orders.gate import Gate
from fourcasters_async.orders.heartbeat import acknowledged_seconds, heartbeat_message
from fourcasters_async.orders.hedge import Cancelled, OverRest, Watch, elsewhere, hedged
from fourcasters_async.orders.many_games import Reporting
from fourcasters_async.orders.outcome_stream import OutcomeStream
from fourcasters_async.orders.rows import all_rows
from fourcasters_async.orders.shared_reads import SharedReads
from fourcasters_async.orders.verbs import Orders

# Of a fan-out that cannot leave at once: then each game has a task. Above about a thousand, the
# garbage collector would take most of the time.
_MAX_IN_FLIGHT = 1000
_RESULTS = list[CancelResult]


class OrdersSocket(Orders):
    """The order verbs over the Orders WebSocket: `async with session.orders_socket() as orders`.

    They take the same arguments, return the same records and raise the same errors as those of
    `AsyncSession`. All share one connection, on which answers may come in any order. It is pinged
    after ten seconds of silence, dropped when a request times out in silence, and replaced when it
    is lost. A request that was sent and not answered is then unknown; it is repeated or reported
    as over REST. Handshakes count in the rate limit, messages do not. An error text is a refusal
    if it is a documented one; any other text leaves the outcome unknown. A game that this service
    does not know is cancelled over REST.
    """

    # The id of the request proves whose answer it is.
    _answers_are_proven = True

    def __init__(
        self,
        socket: WebSocketClient,
        gate: Gate,
        reads: SharedReads,
        jobs: Jobs,
        rest: OverRest,
        *,
        connected: bool,
    ) -> None:
        super().__init__(socket, gate, reads, jobs, max_in_flight=_MAX_IN_FLIGHT)
        self._socket = socket
        self._rest = rest
        self._was_connected = connected

    @property
    def connected(self) -> bool:
        """Whether there is a connection now. Without one, a verb waits within its time limit."""
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
        that outcome of a `moneyline1x2`. Returns one result per order. An order that could not be
        cancelled is a result whose `success` is false, not an exception. An empty list that is
        `complete` means that the exchange found nothing to cancel.

        A game that this service does not know is cancelled over REST, which may know it. With a
        `side` or a `market`, which REST does not take, that is a `NotFoundError`; it does not mean
        that no order rests on the game. Raises as every order verb.
        """
        market_of_game = GameMarket(check_id(game_id, "game_id"), check_market_type(type))
        filters = {
            "side": optional(check_id, side, "side"),
            "market": optional(check_id, market, "market"),
        }
        only = {name: value for name, value in filters.items() if value is not None}
        until = self._sender.until(deadline)
        if only:
            request = self._cancel_game(market_of_game)
            request = evolve(request, body={**(request.body or {}), **only})
            return await self._cancel_until(request, until)
        self._sender.ensure_usable()
        began = asyncio.get_running_loop().time()
        await self._sender.catch_up()
        outcome = await self._send_cancel(market_of_game, until)
        if outcome.error is not None:
            raise outcome.error
        return self._heard(outcome.value or [], outcome, began=began)

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
        """Cancel every open order on many games at once, and report what is known of each.

        Like `AsyncSession.cancel_all_orders_for_games`, with `cancelAllByGame` messages. With a
        `hedge`, a game that is neither answered nor refused after so many seconds is also cancelled
        over REST: `POST /session/cancelAllOrdersForGame`. A message that failed, or was refused for
        its token or for too many requests, goes to REST at once, and so does, also without a
        `hedge`, one about a game that this service does not know. The first answer ends the game,
        and the results of both are united. A request that has no answer by then is given up. It may
        still take effect, so the outcome has `complete=False`. What a read shows is then cancelled
        over REST, as it was read. While there was no connection yet (`wait=False`), a `hedge` is
        also the seconds that one is waited for, at most half of a `deadline`; without one in that
        time, or once it cannot be made, everything goes over REST alone. Raises as there.
        """
        markets = check_markets(games, type)
        cancel_games = self._hedging(hedge)
        return await cancel_games(markets, deadline, on_outcome, verify=verify, periods=periods)

    def cancelling(
        self,
        games: Iterable[str | GameMarket],
        *,
        type: MarketType | str | None = None,  # noqa: A002  # the name on the wire
        deadline: float | None = None,
        verify: bool = False,
        periods: bool = False,
        hedge: float | None = None,
    ) -> OutcomeStream:
        """Begin to cancel on many games, and return their outcomes as they come.

        Like `AsyncSession.cancelling`, with the `cancelAllByGame` messages and the `hedge`
        (seconds) of `cancel_all_orders_for_games`. The cancels belong to the session. If the block
        of this socket is left, what is in flight over it ends unknown. Raises at the call.
        """
        markets, cancel_games = check_markets(games, type), self._hedging(hedge)
        return self._stream(partial(cancel_games, markets, deadline), verify, periods)

    def _hedging(self, hedge: float | None) -> Callable[..., Reporting]:
        """Return what cancels on many games, with REST as the hedge."""
        after = None if hedge is None else check_seconds(hedge, "hedge")
        return partial(
            self._cancel_games,
            fan_out=partial(self._fan_out, hedge=after),
            cancel_resting=None if after is None else self._rest.cancel_resting,
        )

    async def heartbeat(
        self,
        timeout: float,  # noqa: ASYNC109  # the exchange's own
        *,
        deadline: float | None = None,
    ) -> float | None:
        """Have the exchange cancel everything after `timeout` seconds without a beat: `heartbeat`.

        It cannot be disarmed, only renewed by the next beat. Returns the time-out that the
        exchange acknowledged, which counts where it is shorter; 0 or less says that nothing is
        armed, `None` that it named none. `dead_man_switch` keeps sending beats. Raises as every
        order verb.
        """
        request = heartbeat_message(check_seconds(timeout, "timeout"))
        return acknowledged_seconds(await self._sender.call(request, deadline=deadline))

    def dead_man_switch(
        self, timeout: int, *, on_change: Callable[[DeadManState], object] | None = None
    ) -> DeadManSwitch:
        """Have the exchange cancel everything unless this process keeps sending heartbeats.

        Like `AsyncSession.dead_man_switch`, with `heartbeat` messages on this connection. `timeout`
        is in whole seconds, at least 1. If the connection is lost, a beat is sent on the next one.
        Raises `InvalidRequestError` for the arguments, and as every order verb once it is entered.
        """
        return DeadManSwitch(
            lambda: self._beats(timeout),
            timeout=timeout,
            on_change=on_change,
            observer=self._sender.telemetry.observer,
        )

    @asynccontextmanager
    async def _beats(self, after: int) -> AsyncIterator[Beat]:
        request = heartbeat_message(after)

        async def beat(within: float) -> float | None:
            return acknowledged_seconds(await self._sender.call(request, deadline=within))

        yield beat

    async def _fan_out(
        self,
        markets: Sequence[GameMarket],
        until: float | None,
        on_outcome: OnOutcome | None,
        *,
        hedge: float | None = None,
    ) -> list[GameOutcome]:
        # With more under way than REST can serve, tasks would only wait for its connections.
        most = self._max_in_flight if hedge is None else self._rest.connections
        if hedge is not None and not await self._reached(hedge, until):
            return await fan_out(
                markets,
                lambda market: self._rest.cancel(market, until),
                max_in_flight=most,
                on_outcome=on_outcome,
            )
        if not markets:
            return []
        outcomes = await burst(
            self._socket,
            markets,
            self._cancel_game(markets[0]),
            message_body,
            self._cancel_hedged,
            until=until,
            hedge=hedge,
            max_in_flight=most,
            on_outcome=on_outcome,
        )
        if outcomes is not None:
            return outcomes
        return await fan_out(
            markets,
            partial(self._cancel_hedged, until=until, hedge=hedge),
            max_in_flight=most,
            on_outcome=on_outcome,
        )

    async def _reached(self, within: float, until: float | None) -> bool:
        """Wait for the first connection for some seconds, and leave half of the time to REST."""
        if not self._was_connected:
            now = asyncio.get_running_loop().time()
            seconds = within if until is None else min(within, (until - now) / 2)
            self._was_connected = await self._socket.reach(now + seconds)
        return self._was_connected

    async def _cancel_hedged(
        self,
        market: GameMarket,
        first: FirstAttempt[Sequence[CancelResult]] | None = None,
        *,
        until: float | None,
        hedge: float | None,
    ) -> Cancelled:
        """Cancel on a game, from its first attempt on if that was made before.

        `hedge` is the seconds from now after which REST is asked too.
        """

        def send(
            market: GameMarket, deadline: float | None, watch: Watch | None = None, /
        ) -> Awaitable[Cancelled]:
            request = self._cancel_game(market)
            return self._socket.send(request, deadline=deadline, begun=first, watch=watch)

        if hedge is not None:
            both = hedged(send, self._rest.cancel, after=hedge, keep=self._jobs.adopt)
            return await both(market, until)
        return await elsewhere(await send(market, until), self._rest.cancel, market, until)

    async def _send_cancel(
        self, market: GameMarket, deadline: float | None, *_: object
    ) -> Cancelled:
        return await self._cancel_hedged(market, until=deadline, hedge=None)

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

    def _cancel_game(self, market: GameMarket) -> Request[Sequence[CancelResult]]:
        return Request(
            "cancelAllByGame", RESULTS, Kind.CANCEL, body=message_body(market), unite=all_rows
        )

    def _cancel_everything(self) -> Request[list[CancelResult]]:
        return Request("cancelAll", _RESULTS, Kind.CANCEL, unite=all_rows, answer_limit=MANY_ORDERS)

    def _place(self, orders: list[NewOrder]) -> Request[list[PlaceResult]]:
        return Request(
            "placeV3",
            list[PlaceResult],
            Kind.PLACE,
            body={"orders": [order_document(order, "gameId") for order in orders]},
        )
