"""The reads of the account."""

from typing import Final

from fourcasters_async._core.request import Kind, Request
from fourcasters_async._core.sender import Sender
from fourcasters_async._core.validation import check_id
from fourcasters_async.models import GameOrders, OpenOrder, User

# Constants, because a verified cancel and `warm_up` send them too.
ME: Final = Request("GET /user/getMe", User, Kind.READ, data_path=("data", "user"))
UNMATCHED: Final = Request(
    "GET /user/getUnmatched", list[OpenOrder], Kind.READ, data_path=("data", "unmatched")
)


class Account:
    """The reads of the account: `session.account`."""

    def __init__(self, sender: Sender) -> None:
        self._sender = sender

    async def get_unmatched(self) -> list[OpenOrder]:
        """Return every open order of the account, on all games: `GET /user/getUnmatched`.

        Raises an `ApiError` (`AuthenticationError`, `RateLimitedError`, `ServerError`),
        `DecodeError` if the answer is malformed, `NotSentError`, or `OutcomeUnknownError` if no
        answer came.
        """
        return await self._sender.call(UNMATCHED)

    async def get_orders_for_game(self, game_id: str) -> GameOrders:
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
        return await self._sender.call(request)

    async def get_me(self) -> User:
        """Return the account: `GET /user/getMe`. Raises what `get_unmatched` raises."""
        return await self._sender.call(ME)
