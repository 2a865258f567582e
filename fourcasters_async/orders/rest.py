"""The order verbs over REST."""

import asyncio
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from functools import partial

from fourcasters_async._core.request import MANY_ORDERS, Kind, Request
from fourcasters_async._core.validation import (
    check_amount,
    check_count,
    check_flag,
    check_id,
    check_list,
    check_text,
    optional,
)
from fourcasters_async.models import (
    CancelResult,
    CancelResults,
    EditResult,
    EditStatus,
    GameMarket,
    LeagueCancelAccepted,
    NewOrder,
    OrderDetail,
    OrderType,
    PlaceResult,
    UndecidedOrder,
)
from fourcasters_async.models.unread import RESULTS
from fourcasters_async.orders.answers import another_game, another_order, other_edit
from fourcasters_async.orders.arguments import (
    check_american_odds,
    check_order_type,
    order_document,
    own_reference,
)
from fourcasters_async.orders.own import send_own
from fourcasters_async.orders.rows import all_rows, last_rows
from fourcasters_async.orders.tickets import OwnOrder
from fourcasters_async.orders.verbs import Orders

_RESULTS = list[CancelResult]


class RestOrders(Orders):
    """The order verbs over REST; `AsyncSession` has them all."""

    def _cancel(self, order_id: str) -> Request[CancelResult]:
        return Request(
            "POST /session/cancel", CancelResult, Kind.CANCEL, body={"sessionID": order_id}
        )

    def _cancel_multiple(self, order_ids: list[str]) -> Request[list[CancelResult]]:
        return Request(
            "POST /session/cancelMultiple",
            _RESULTS,
            Kind.CANCEL,
            body={"sessionIDs": order_ids},
        )

    def _cancel_game(self, market: GameMarket) -> Request[Sequence[CancelResult]]:
        body = {"gameID": market.game_id}
        if market.type is not None:
            body["type"] = market.type
        return Request(
            "POST /session/cancelAllOrdersForGame",
            RESULTS,
            Kind.CANCEL,
            body=body,
            stray=partial(another_game, market.game_id),
            unite=all_rows,
        )

    def _cancel_everything(self) -> Request[list[CancelResult]]:
        return Request(
            "POST /session/cancelAllOrders",
            _RESULTS,
            Kind.CANCEL,
            body={},
            unite=all_rows,
            answer_limit=MANY_ORDERS,
        )

    def _place(self, orders: list[NewOrder]) -> Request[list[PlaceResult]]:
        return Request(
            "POST /session/v3/place",
            list[PlaceResult],
            Kind.PLACE,
            data_path=("data", "createdSessions"),
            body={"orders": [order_document(order, "gameID") for order in orders]},
        )

    async def cancel_by_reference(
        self, game_id: str, user_references: Iterable[str], *, deadline: float | None = None
    ) -> CancelResults:
        """Cancel the open orders on a game that carry one of your references.

        `POST /session/cancelByReference`. Returns one result per order; several orders can carry
        the same reference. A reference that is given twice is sent once. Without references,
        nothing is sent. Raises as every order verb.
        """
        game_id = check_id(game_id, "game_id")
        given = check_list(user_references, "user_references")
        references = list(
            dict.fromkeys(check_text(r, f"user_references[{i}]") for i, r in enumerate(given))
        )
        if not references:
            return CancelResults(attempts=0)
        request = Request(
            "POST /session/cancelByReference",
            _RESULTS,
            Kind.CANCEL,
            body={"gameID": game_id, "userReferences": references},
            stray=partial(another_game, game_id),
            unite=all_rows,
            answer_limit=MANY_ORDERS,
        )
        return await self._cancel_list(request, deadline)

    async def cancel_all_for_league(
        self, league: str, *, deadline: float | None = None
    ) -> LeagueCancelAccepted:
        """Request the cancel of every open order in a league: `POST /session/cancelAllForLeague`.

        `league` is a code such as `"NBA"`, in upper or lower case. The exchange only acknowledges
        the request and cancels afterwards: nothing is known to be cancelled when this returns. To
        know, read `account.get_unmatched` until no order has this `game.league`. Raises as every
        order verb.
        """
        request = Request(
            "POST /session/cancelAllForLeague",
            LeagueCancelAccepted,
            Kind.CANCEL,
            body={"league": check_id(league, "league")},
            check=_not_received,
        )
        return await self._sender.call(request, deadline=deadline)

    async def edit_order(
        self,
        order_id: str,
        *,
        order_odds: int,
        order_volume: float,
        order_type: OrderType | str | None = None,
        user_reference: str | None = None,
        intended_order_volume: float | None = None,
        block_if_no_other_side_orders: bool = False,
        expiry_change: int | None = None,
        game_id: str | None = None,
        deadline: float | None = None,
    ) -> EditResult:
        """Cancel an order and place it again with other terms: `POST /session/editOrder`.

        The exchange requires `order_odds` (American) and `order_volume`, the new risk in account
        currency; what was filled before does not count towards it. The new order inherits the
        game, the market, the side and the line, and has a new id: `EditResult.order_id`.
        `expiry_change` is the new order's minutes to live, where 0 means until the game starts. It
        is not inherited: without it the new order does not have the expiry of the old one, and on a
        live game the exchange takes 5 minutes. Without a `user_reference` the new order
        gets one of its own, so that it can be found. With the reference of the old order
        `AsyncSession.reconcile` cannot tell the two apart.

        With `intended_order_volume` or `block_if_no_other_side_orders` the edit goes to
        `POST /session/v4/editOrder`. `intended_order_volume` is the risk, in account currency, that
        you believe is still open: if it differs by more than 1 from what is, the order is cancelled
        and nothing is put in its place. With `block_if_no_other_side_orders` the exchange refuses
        the edit if no order rests on the other side.

        `EditResult.status` says how it ended: replaced, matched at once, cancelled and not
        replaced, or not cancelled, with the old order as it was.

        Not idempotent: repeated only if provably unsent. One attempt may take the whole `deadline`
        (seconds). After an `OutcomeUnknownError` the old order, the new one or neither may rest:
        `AsyncSession.reconcile(error.orders)` tells what became of the new one. `orders` is empty
        if its game is not known. A refusal, such as `BadRequestError`, does not prove that the old
        order rests: the exchange has been seen to cancel it and then to fail. `lookup_order` shows
        the old order.

        Raises `HaltedError` for an order on a halted game, and as every order verb. The session
        knows the game of orders that it placed. For others pass `game_id`: without it, nothing is
        edited while any game is halted.
        """
        order_id = check_id(order_id, "order_id")
        given = optional(check_text, user_reference, "user_reference")
        reference = given or own_reference()
        terms = {
            "sessionID": order_id,
            "orderOdds": check_american_odds(order_odds, "order_odds"),
            "orderVolume": check_amount(order_volume, "order_volume"),
            "userReference": reference,
            "orderType": optional(check_order_type, order_type, "order_type"),
            "intendedOrderVolume": optional(
                check_amount, intended_order_volume, "intended_order_volume"
            ),
            "blockIfNoOtherSideOrders": check_flag(
                block_if_no_other_side_orders, "block_if_no_other_side_orders"
            )
            or None,
            "expiryChange": optional(_minutes, expiry_change, "expiry_change"),
        }
        body = {name: value for name, value in terms.items() if value is not None}
        guarded = body.keys() & {"intendedOrderVolume", "blockIfNoOtherSideOrders"}
        named = optional(check_id, game_id, "game_id") or self._gate.game_of(order_id)
        game = None if named is None else named.casefold()
        until = self._sender.until(deadline)
        began = asyncio.get_running_loop().time()

        def acknowledge(result: EditResult) -> None:
            if result.status not in (EditStatus.NOT_CANCELLED, EditStatus.FAILED):
                told = CancelResult(success=True, order_id=order_id, game_id=named)
                self._gate.hear([[told]], began=began)
            if result.order_id is not None:
                self._gate.acknowledge(result.order_id, game, result.unmatched)

        new = UndecidedOrder(named, reference, datetime.now(UTC), order_id)
        return await send_own(
            self._gate,
            self._sender,
            Request(
                "POST /session/v4/editOrder" if guarded else "POST /session/editOrder",
                EditResult,
                Kind.PLACE,
                body=body,
                check=partial(other_edit, order_id, reference, self._gate.knows),
                unite=last_rows,
            ),
            [OwnOrder(game, reference, order_id, unique=given is None)],
            until=until,
            in_doubt=() if named is None else (new,),
            on_answer=acknowledge,
        )

    async def lookup_order(self, order_id: str, *, deadline: float | None = None) -> OrderDetail:
        """Return the state of one of the account's orders: `GET /session/lookupOrder`.

        Raises `NotFoundError` for an order that the exchange does not know, `ForbiddenError` for
        somebody else's, another `ApiError`, `DecodeError` if the answer is malformed,
        `NotSentError`, or `OutcomeUnknownError` if no answer came.
        """
        request = Request(
            "GET /session/lookupOrder",
            OrderDetail,
            Kind.READ,
            data_path=("data", "order"),
            params={"orderID": check_id(order_id, "order_id")},
            stray=partial(another_order, order_id),
        )
        return await self._sender.call(request, deadline=deadline)


def _not_received(answer: LeagueCancelAccepted) -> str | None:
    return None if answer.orders_received else "not acknowledged"


def _minutes(value: object, name: str) -> str:
    # The exchange wants a string. 0 stands for the start of the game.
    return str(check_count(value, name, least=0))
