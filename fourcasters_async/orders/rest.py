"""The order verbs over REST."""

from collections.abc import Iterable
from functools import partial

from fourcasters_async._core.request import MANY_ORDERS, Kind, Request
from fourcasters_async._core.validation import (
    check_amount,
    check_count,
    check_id,
    check_list,
    check_text,
    optional,
)
from fourcasters_async.errors import InvalidRequestError
from fourcasters_async.models import (
    CancelResult,
    CancelResults,
    EditResult,
    GameMarket,
    LeagueCancelAccepted,
    NewOrder,
    OrderDetail,
    OrderType,
    PlaceResult,
)
from fourcasters_async.orders.answers import another_game
from fourcasters_async.orders.arguments import check_american_odds, check_order_type, order_document
from fourcasters_async.orders.own import send_own
from fourcasters_async.orders.rows import all_rows, rows_of_game
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

    def _cancel_game(self, market: GameMarket) -> Request[list[CancelResult]]:
        body = {"gameID": market.game_id}
        if market.type is not None:
            body["type"] = market.type
        return Request(
            "POST /session/cancelAllOrdersForGame",
            _RESULTS,
            Kind.CANCEL,
            body=body,
            check=partial(another_game, market.game_id),
            unite=partial(rows_of_game, market.game_id),
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
        the same reference. Without references, nothing is sent.
        """
        game_id = check_id(game_id, "game_id")
        references = [
            check_text(reference, f"user_references[{index}]")
            for index, reference in enumerate(check_list(user_references, "user_references"))
        ]
        if not references:
            return CancelResults(attempts=0)
        request = Request(
            "POST /session/cancelByReference",
            _RESULTS,
            Kind.CANCEL,
            body={"gameID": game_id, "userReferences": references},
            check=partial(another_game, game_id),
            unite=partial(rows_of_game, game_id),
            answer_limit=MANY_ORDERS,
        )
        return await self._cancel_list(request, deadline)

    async def cancel_all_for_league(
        self, league: str, *, deadline: float | None = None
    ) -> LeagueCancelAccepted:
        """Request the cancel of every open order in a league: `POST /session/cancelAllForLeague`.

        `league` is a code such as `"NBA"`, in upper or lower case. The exchange only acknowledges
        the request and cancels afterwards: nothing is known to be cancelled when this returns. To
        know, read `account.get_unmatched` until no order has this `game.league`.
        """
        request = Request(
            "POST /session/cancelAllForLeague",
            LeagueCancelAccepted,
            Kind.CANCEL,
            body={"league": check_id(league, "league")},
        )
        return await self._sender.call(request, deadline=deadline)

    async def edit_order(
        self,
        order_id: str,
        *,
        order_odds: int | None = None,
        order_volume: float | None = None,
        order_type: OrderType | str | None = None,
        user_reference: str | None = None,
        intended_order_volume: float | None = None,
        expiry_change: int | None = None,
        game_id: str | None = None,
        deadline: float | None = None,
    ) -> EditResult:
        """Cancel an order and place it again with other terms: `POST /session/editOrder`.

        `order_odds` are American. `order_volume` is the new risk in account currency; what was
        filled before does not count towards it. Give both: for a missing one null is sent, which
        the exchange may refuse. `intended_order_volume` is the risk that you first intended,
        `expiry_change` the new minutes to live. The new order has a new id: `EditResult.order_id`.

        Not idempotent: repeated only if provably unsent. One attempt may take the whole `deadline`
        (seconds). After an `OutcomeUnknownError` the old order, the new one or neither may rest. A
        refusal, such as `BadRequestError`, does not prove that the old order rests: the exchange
        has been seen to cancel it and then to fail. `lookup_order` shows the old order,
        `account.get_bet_by_user_reference` the new one.

        Raises `HaltedError` for an order on a halted game. The session knows the game of orders
        that it placed. For others pass `game_id`: without it, nothing is edited while any game is
        halted.
        """
        body: dict[str, object] = {
            "sessionID": check_id(order_id, "order_id"),
            # Null asks to keep it. Without the field the exchange cancels and does not replace.
            "orderOdds": optional(check_american_odds, order_odds, "order_odds"),
            "orderVolume": optional(check_amount, order_volume, "order_volume"),
        }
        more = {
            "orderType": optional(check_order_type, order_type, "order_type"),
            "userReference": optional(check_text, user_reference, "user_reference"),
            "intendedOrderVolume": optional(
                check_amount, intended_order_volume, "intended_order_volume"
            ),
            "expiryChange": optional(_minutes, expiry_change, "expiry_change"),
        }
        body |= {name: value for name, value in more.items() if value is not None}
        if all(value is None for name, value in body.items() if name != "sessionID"):
            raise InvalidRequestError(
                "order_odds, order_volume: nothing would change; pass at least one of the terms"
            )
        order_id = str(body["sessionID"])
        game = optional(check_id, game_id, "game_id") or self._gate.game_of(order_id)
        game = None if game is None else game.casefold()

        def acknowledge(result: EditResult) -> None:
            if result.success:
                self._gate.forget([order_id])
            if result.order_id is not None:
                self._gate.acknowledge(result.order_id, game)

        return await send_own(
            self._gate,
            self._sender,
            Request("POST /session/editOrder", EditResult, Kind.PLACE, body=body),
            [OwnOrder(game, user_reference, order_id)],
            until=self._sender.until(deadline),
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
        )
        return await self._sender.call(request, deadline=deadline)


def _minutes(value: object, name: str) -> str:
    # The exchange wants a string.
    return str(check_count(value, name))
