"""The reads of the account."""

from typing import Final

from fourcasters_async._core.request import Kind, Request
from fourcasters_async._core.sender import Sender
from fourcasters_async._core.validation import check_id
from fourcasters_async.models import GameOrders, OpenOrder, User

# Values of their own because others send them too: a verified cancel, and a pool that is warmed up.
ME: Final = Request("GET /user/getMe", User, Kind.READ, data_path=("data", "user"))
UNMATCHED: Final = Request(
    "GET /user/getUnmatched", list[OpenOrder], Kind.READ, data_path=("data", "unmatched")
)


class Account:
    """What the exchange knows of the account: `session.account`."""

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
        """Return what the account has on a game: `GET /user/getOrdersForGame`.

        Open orders, and bets that are matched and not graded. Raises `NotFoundError` for a game
        that the exchange does not know, and otherwise as `get_unmatched`.
        """
        request = Request(
            "GET /user/getOrdersForGame",
            GameOrders,
            Kind.READ,
            params={"gameID": check_id(game_id, "game_id")},
        )
        return await self._sender.call(request)

    async def get_me(self) -> User:
        """Return the account's own record: `GET /user/getMe`. Raises as `get_unmatched`."""
        return await self._sender.call(ME)
