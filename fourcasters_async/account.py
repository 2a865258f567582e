"""The reads of the account."""

from typing import Final

from fourcasters_async._core.request import Kind, Request
from fourcasters_async._core.sender import Sender
from fourcasters_async._core.validation import check_id, check_text
from fourcasters_async.models import BetsByReference, GameOrders, OpenOrder, User
from fourcasters_async.models.order import OpenOrdersPage

# Constants, because a verified cancel and `warm_up` send them too.
ME: Final = Request("GET /user/getMe", User, Kind.READ, data_path=("data", "user"))
UNMATCHED: Final = Request(
    "GET /user/getUnmatched",
    OpenOrdersPage,
    Kind.READ,
    check=lambda page: "the list of open orders is cut short" if page.cut_short else None,
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
