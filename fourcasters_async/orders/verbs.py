"""The order verbs that REST and the Orders WebSocket have in common."""

import asyncio
from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable, Iterable, Sequence
from functools import partial
from typing import Any

from attrs import evolve

from fourcasters_async._core.outcome import RequestOutcome
from fourcasters_async._core.request import MANY_ORDERS, Request
from fourcasters_async._core.sender import Sender
from fourcasters_async._core.validation import check_callback, check_flag, check_id, check_list
from fourcasters_async.dead_man import DeadManState, DeadManSwitch
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
from fourcasters_async.orders.answers import other_orders, without_result
from fourcasters_async.orders.arguments import (
    check_market_type,
    check_markets,
    check_new_order,
    check_order_id,
    is_order_id,
    own_order,
    with_reference,
)
from fourcasters_async.orders.fanout import FanOut, OnOutcome, fan_out
from fourcasters_async.orders.gate import Gate
from fourcasters_async.orders.hedge import Cancelled
from fourcasters_async.orders.own import send_own
from fourcasters_async.orders.prove_games import hear, hear_and_prove, undecided_on
from fourcasters_async.orders.rows import distinct_ids, last_rows, result_for_each, rows_by_id
from fourcasters_async.orders.shared_reads import SharedReads
from fourcasters_async.orders.single import cancel_one
from fourcasters_async.orders.verify import CancelById, GamesInDoubt

# Keeps a body well below what a server takes, and one answer below what it may take.
_IDS_PER_REQUEST = 1000
# The part of a deadline that is kept for the proof.
_FOR_THE_PROOF = 0.25


class Orders(ABC):
    """The order verbs over one transport: what `AsyncSession` and `OrdersSocket` have in common.

    Each raises `InvalidRequestError` before anything is sent, `NotSentError` if nothing reached
    the exchange, `OutcomeUnknownError` if it may or may not have taken effect, an `ApiError` if
    the exchange refused, and `SessionClosedError`. A cancel that ends unknown is repeated, since
    whoever asked still wants the orders gone; what places orders is not.
    """

    # Whether an answer is that to its request, whatever it names.
    _answers_are_proven = False

    def __init__(
        self, sender: Sender, gate: Gate, reads: SharedReads, *, max_in_flight: int
    ) -> None:
        self._sender = sender
        self._gate = gate
        self._reads = reads
        self._max_in_flight = max_in_flight
        if (observer := sender.telemetry.observer) is not None:
            observer.follow(self, sender.transport)

    async def cancel(self, order_id: str, *, deadline: float | None = None) -> CancelResult:
        """Cancel one order: `POST /session/cancel`, or `cancelById` over the Orders WebSocket.

        Raises `NotFoundError` for an order that is not open, `ConflictError` for one that cannot
        be cancelled any more, for example because it is filled, and `ForbiddenError` for somebody
        else's. After a lost answer these can also mean that the lost request cancelled it, and
        are the cause of an `OutcomeUnknownError`: `AsyncSession.lookup_order` tells.
        """
        asked = check_id(order_id, "order_id")
        request = self._cancel(asked)
        return await cancel_one(self._sender, self._gate, request, asked, deadline=deadline)

    async def cancel_multiple(
        self, order_ids: Iterable[str], *, deadline: float | None = None
    ) -> CancelResults:
        """Cancel orders by id: `POST /session/cancelMultiple`, or `cancelMultiple`.

        Returns one result per id, in the order of `order_ids`, each with the `order_id` that was
        asked for. An order that could not be cancelled is a result whose `success` is false. An
        id that is given twice is sent once. If the answer has no result for some id, the outcome is
        unknown, and `OutcomeUnknownError.results` has the others. No ids, no request. A single id
        that cannot be one is an `InvalidRequestError`: the exchange would refuse the whole request.
        """
        ids = [
            check_order_id(order_id, f"order_ids[{index}]")
            for index, order_id in enumerate(check_list(order_ids, "order_ids"))
        ]
        until = self._sender.until(deadline)
        return await self._cancel_by_id(ids, until) if ids else CancelResults(attempts=0)

    async def cancel_all_orders_for_game(
        self,
        game_id: str,
        type: MarketType | str | None = None,  # noqa: A002  # the name on the wire
        *,
        deadline: float | None = None,
    ) -> CancelResults:
        """Cancel every open order on a game.

        `POST /session/cancelAllOrdersForGame`, or `cancelAllByGame` over the Orders WebSocket.
        With a `type`, only the orders of that market type. Returns one result an order; an order
        that could not be cancelled is a result whose `success` is false, not an exception. An
        empty list that is `complete` is the exchange's word that there was nothing to cancel.
        """
        market = GameMarket(check_id(game_id, "game_id"), check_market_type(type))
        return await self._cancel_list(self._cancel_game(market), deadline)

    async def cancel_all_orders_for_games(
        self,
        games: Iterable[str | GameMarket],
        *,
        type: MarketType | str | None = None,  # noqa: A002  # the name on the wire
        deadline: float | None = None,
        verify: bool = False,
        periods: bool = False,
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
        `GET /user/getUnmatched`, or taken from `AsyncSession.live_orders` if those show them
        (`GameOutcome.seen_by`). What still rests on the games is cancelled by id, until a read
        shows none or the time is up. A quarter of a `deadline` is kept for that, so it happens
        though a game hangs. Own places and edits on the games are waited for, and while one is
        undecided nothing is called clear: `CancelReport.undecided` names it. So a bot that goes on
        quoting is never clear; `AsyncSession.halt` stops it first. Places of other sessions and
        processes of the account are not known: a read shows their orders only once they rest.

        `GameOutcome.resting` and `CancelReport.verified_clear` say what was proved. After an
        `UNKNOWN` attempt a late execution is still possible: it can take orders that you place
        after the proof.

        With `periods`, orders on games whose `parent_game_id` is one of the games are cancelled
        too, as far as the open orders name them: they are read and cancelled by id, as with
        `verify`, which this includes.

        `on_outcome` is called in the event loop with each outcome once it is known, before any
        verification; what it raises is logged. If you cancel the call, requests in flight are
        ended, which does not undo them at the exchange.

        Raises `InvalidRequestError` for the arguments, before anything is sent, and
        `SessionClosedError`; nothing else.
        """
        markets = check_markets(games, type)
        return await self._cancel_games(
            markets, deadline, on_outcome, verify=verify, periods=periods
        )

    async def _cancel_games(
        self,
        markets: list[GameMarket],
        deadline: float | None,
        on_outcome: OnOutcome | None = None,
        *,
        verify: bool,
        periods: bool,
        fan_out: FanOut | None = None,
        cancel_resting: CancelById | None = None,
    ) -> CancelReport:
        if on_outcome is not None:
            check_callback(on_outcome, "on_outcome")
        periods = check_flag(periods, "periods")
        verify = check_flag(verify, "verify") or periods
        until = None if deadline is None else self._sender.until(deadline)
        self._sender.ensure_usable()
        clock = asyncio.get_running_loop().time
        started = clock()
        await self._sender.catch_up()
        # Without a deadline each game has its own time, and so has the proof.
        kept = _FOR_THE_PROOF * (deadline or 0.0) if verify else 0.0
        answers_until = None if until is None else until - kept
        outcomes = await (fan_out or self._fan_out)(markets, answers_until, on_outcome)
        gate, reads = self._gate, self._reads
        if verify and outcomes:
            end = self._sender.until(None) if until is None else until
            by_id = cancel_resting or self._cancel_resting
            doubt = GamesInDoubt(gate, outcomes, by_id, until=end, periods=periods)
            outcomes = await hear_and_prove(doubt, reads, gate, since=started, until=end)
        else:
            await hear(gate, outcomes, since=started)
        undecided = undecided_on(gate, [m.game_id for m in markets], periods=periods)
        return CancelReport(tuple(outcomes), elapsed=clock() - started, undecided=undecided)

    async def _fan_out(
        self, markets: Sequence[GameMarket], until: float | None, on_outcome: OnOutcome | None
    ) -> list[GameOutcome]:
        cancel, most = partial(self._send_cancel, deadline=until), self._max_in_flight
        return await fan_out(markets, cancel, max_in_flight=most, on_outcome=on_outcome)

    async def cancel_all_orders(self, *, deadline: float | None = None) -> CancelResults:
        """Cancel every open order on every game and league.

        `POST /session/cancelAllOrders`, or `cancelAll`. Returns one result an order.
        `AsyncSession.flatten` also proves that nothing is left.
        """
        return await self._cancel_list(self._cancel_everything(), deadline)

    async def place(
        self, orders: Iterable[NewOrder], *, deadline: float | None = None
    ) -> list[PlaceResult]:
        """Place orders: `POST /session/v3/place`, or `placeV3` over the Orders WebSocket.

        Returns one result an order, in the order of `orders`; an order that the exchange did not
        take is a result with an `error`, not an exception. No orders, no request. An order without
        a `user_reference` gets one of its own, so that it can be found.

        It is repeated only if it provably was not sent, and may take the whole `deadline`
        (seconds): a taker's order on a live game is answered after up to 10 s. After an
        `OutcomeUnknownError` its `orders` may be in the book, or may come into it for two minutes:
        `AsyncSession.reconcile(error.orders)` tells. `account.get_unmatched` does not: a fill does
        not show there. If an answer came that does not fit the request in every detail, the error's
        `answer` has it. Raises `HaltedError` for a game that is halted, and if the game is halted
        before the orders have left; they have no effect then. If you cancel the call after the
        orders have left, they stay in the session's account until they are decided.
        """
        new = [
            with_reference(check_new_order(order, f"orders[{index}]"))
            for index, order in enumerate(check_list(orders, "orders"))
        ]
        if not new:
            return []

        def acknowledge(results: list[PlaceResult]) -> None:
            for order, result in zip(new, results, strict=True):
                if (offer := result.unmatched) is not None:
                    self._gate.acknowledge(offer.order_id, order.game_id.casefold(), offer)

        return await send_own(
            self._gate,
            self._sender,
            evolve(
                self._place(new),
                check=partial(other_orders, new, self._gate.knows, proven=self._answers_are_proven),
                unite=last_rows,
            ),
            [own_order(order) for order in new],
            until=self._sender.until(deadline),
            in_doubt=tuple(new),
            on_answer=acknowledge,
        )

    @abstractmethod
    def dead_man_switch(
        self, timeout: int, *, on_change: Callable[[DeadManState], object] | None = None
    ) -> DeadManSwitch:
        """Have the exchange cancel everything unless this process goes on beating.

        `timeout` is in whole seconds. There is no way to disarm it.
        """

    def _send_cancel(self, market: GameMarket, deadline: float | None) -> Awaitable[Cancelled]:
        return self._sender.send(self._cancel_game(market), deadline=deadline)

    async def _cancel_list(self, request: Request[Any], deadline: float | None) -> CancelResults:
        return await self._cancel_until(request, self._sender.until(deadline))

    async def _cancel_until(self, request: Request[Any], until: float) -> CancelResults:
        began = asyncio.get_running_loop().time()
        results, outcome = await self._sender.outcome_until(request, until)
        return self._heard(results, outcome, began=began)

    def _heard(
        self, results: Sequence[CancelResult], outcome: RequestOutcome[Any], *, began: float
    ) -> CancelResults:
        self._gate.hear([results], began=began)
        return CancelResults(results, complete=outcome.complete, attempts=outcome.attempts)

    async def _cancel_resting(
        self, order_ids: list[str], until: float, tell: Callable[[CancelResults], None]
    ) -> None:
        # One id that the exchange calls malformed would fail the whole request.
        ids = [order_id for order_id in order_ids if is_order_id(order_id)]
        for start in range(0, len(ids), _IDS_PER_REQUEST):
            tell(await self._cancel_by_id(ids[start : start + _IDS_PER_REQUEST], until))

    async def _cancel_by_id(self, order_ids: list[str], until: float) -> CancelResults:
        began = asyncio.get_running_loop().time()
        asked = distinct_ids(order_ids)
        request = evolve(
            self._cancel_multiple(asked),
            check=partial(without_result, asked),
            unite=partial(rows_by_id, asked),
            answer_limit=MANY_ORDERS,
        )
        results, outcome = await self._sender.outcome_until(request, until)
        # What a row without an id is about is known by its place.
        return self._heard(result_for_each(order_ids, results), outcome, began=began)

    # How the transport says it. What an answer must fit is the same for both.

    @abstractmethod
    def _cancel(self, order_id: str) -> Request[CancelResult]: ...

    @abstractmethod
    def _cancel_multiple(self, order_ids: list[str]) -> Request[list[CancelResult]]: ...

    @abstractmethod
    def _cancel_game(self, market: GameMarket) -> Request[Sequence[CancelResult]]: ...

    @abstractmethod
    def _cancel_everything(self) -> Request[list[CancelResult]]: ...

    @abstractmethod
    def _place(self, orders: list[NewOrder]) -> Request[list[PlaceResult]]: ...
