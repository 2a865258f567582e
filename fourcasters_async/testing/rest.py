"""The exchange's REST service: a request and the book in, an answer out. No I/O.

To add an endpoint, write its handler and add a line to `ENDPOINTS`.
"""

from collections.abc import Callable, Mapping

from fourcasters_async.testing import (
    graded,
    pausing,
    rest_account,
    rest_markets,
    rest_orders,
    wire,
)
from fourcasters_async.testing.answers import (
    Answer,
    Asked,
    Body,
    RefusedError,
    body_of,
    object_in,
    unauthorized,
)
from fourcasters_async.testing.book import Book
from fourcasters_async.testing.records import ReadLag

__all__ = ["TOKEN_LIFE", "Answer", "RestService"]

Handler = Callable[[Book, Asked], object]

# Seconds after which a token is replaced when it is used.
TOKEN_LIFE = 30 * 24 * 3600.0

_LOGIN = "POST /user/login"

# A handler returns the `data` of a 200, or an `Answer` that is sent as it is.
ENDPOINTS: Mapping[str, Handler] = {
    _LOGIN: rest_account.login,
    "GET /affiliate/getAffiliateCommission": rest_account.get_affiliate_commission,
    "GET /exchange/getLeagues": rest_markets.get_leagues,
    "GET /exchange/getMatchedVolume": rest_markets.get_matched_volume,
    "GET /exchange/getOddsForAveragePrice": rest_markets.get_odds_for_average_price,
    "GET /exchange/getParticipants": rest_markets.get_participants,
    "GET /exchange/getSingleOrderbook": rest_markets.get_single_orderbook,
    "POST /exchange/getOrderbook": rest_markets.get_orderbook_v1,
    "GET /exchange/v2/getGames": rest_markets.get_games,
    "GET /exchange/v2/getOrderbook": rest_markets.get_orderbook,
    "POST /session/cancel": rest_orders.cancel,
    "POST /session/cancelAllForLeague": rest_orders.cancel_all_for_league,
    "POST /session/cancelAllOrders": rest_orders.cancel_all_orders,
    "POST /session/cancelAllOrdersForGame": rest_orders.cancel_all_orders_for_game,
    "POST /session/cancelByReference": rest_orders.cancel_by_reference,
    "POST /session/cancelMultiple": rest_orders.cancel_multiple,
    "POST /session/editOrder": rest_orders.edit_order,
    "GET /session/lookupOrder": rest_orders.lookup_order,
    "POST /session/pauseOrders": pausing.pause_orders,
    "POST /session/resumeOrders": pausing.resume_orders,
    "POST /session/v3/place": rest_orders.place,
    "POST /session/v4/editOrder": rest_orders.edit_order_v4,
    "GET /user/getBetByID": rest_account.get_bet_by_id,
    "GET /user/getBetByUserReference": rest_account.get_bet_by_user_reference,
    "GET /user/getBetByWagerRequestID": rest_account.get_bet_by_wager_request_id,
    "GET /user/getGameLiability": rest_account.get_game_liability,
    "GET /user/getGradedWagers": graded.get_graded,
    "POST /user/getGradedWagers": graded.get_graded,
    "GET /user/getMatchedBets": rest_account.get_matched_bets,
    "GET /user/getMe": rest_account.get_me,
    "POST /user/getme": rest_account.get_me,
    "GET /user/getOrdersForGame": rest_account.get_orders_for_game,
    "GET /user/getUnmatched": rest_account.get_unmatched,
    "GET /user/v2/getGraded": graded.get_graded,
    "POST /user/v2/getGraded": graded.get_graded,
    "GET /user/v2/getGradedSince": graded.get_graded_since,
    "POST /user/v2/getGradedSince": graded.get_graded_since,
    "POST /user/logout": rest_account.logout,
    "POST /user/ordersHeartbeat": rest_account.orders_heartbeat,
}


class RestService:
    """The endpoints over one book."""

    def __init__(self, book: Book) -> None:
        self._book = book

    def account(self, authorization: str, content: bytes = b"") -> str | None:
        """Return the account of a request: its `Authorization` header, or a token in its body."""
        body = {} if authorization else body_of(content)
        return self._book.tokens.get(_token_in(authorization, body))

    def answer(
        self,
        route: str,
        *,
        authorization: str,
        content: bytes,
        query: Mapping[str, str],
        lag: ReadLag,
    ) -> Answer:
        """Do what a request to a route (`POST /user/login`) asks, and answer it."""
        handler = ENDPOINTS.get(route)
        if handler is None:
            return Answer(404, wire.error("Not found"))
        body = object_in(content or b"{}")
        token = _token_in(authorization, body or {})
        account = self._book.tokens.get(token)
        if account is None and route != _LOGIN:
            return unauthorized()
        if body is None:
            return Answer(400, wire.error("Invalid JSON"))
        asked = Asked(account or "", token, {**query, **body}, lag)
        try:
            result = handler(self._book, asked)
        except RefusedError as refused:
            result = refused.answer
        answer = result if isinstance(result, Answer) else Answer(200, {"data": result})
        return answer if route == _LOGIN else self._with_fresh_token(answer, token)

    def shake_hands(self, authorization: str) -> Answer:
        """Answer the handshake of a WebSocket. It does not replace a token that is past its life.

        The documents have the token bare here. A client was seen to send `Bearer` as over REST.
        """
        return unauthorized() if self.account(authorization) is None else Answer(101, None)

    def _with_fresh_token(self, answer: Answer, token: str) -> Answer:
        """Replace the token that was used if it is past its life: the old one ends at once."""
        account, issued = self._book.tokens.get(token), self._book.issued.get(token)
        if account is None or issued is None or self._book.now - issued < TOKEN_LIFE:
            return answer
        fresh = self._book.issue_token(account)
        del self._book.tokens[token]
        return Answer(answer.status, answer.document, {**answer.headers, "X-Auth-Token": fresh})


def _token_in(authorization: str, body: Body) -> str:
    """Return the token of a request: that of its header if it has one. `Bearer` is optional."""
    if authorization:
        return authorization.removeprefix("Bearer ")
    token = body.get("token")
    return token if isinstance(token, str) else ""
