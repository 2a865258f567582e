"""The reads of the account."""

from typing import Final

from fourcasters_async._http import Http
from fourcasters_async._request import Effect, Request
from fourcasters_async.models import OpenOrder

# A value of its own because a verified cancel sends it too.
UNMATCHED: Final = Request(
    "GET", "/user/getUnmatched", list[OpenOrder], Effect.READ, at=("data", "unmatched")
)


class Account:
    """What the exchange knows of the account: `session.account`."""

    def __init__(self, http: Http) -> None:
        self._http = http

    async def get_unmatched(self) -> list[OpenOrder]:
        """Return every open order of the account, on all games: `GET /user/getUnmatched`.

        Raises an `ApiError` (`AuthenticationError`, `RateLimitedError`, `ServerError`),
        `DecodeError` if the answer is malformed, `NotSentError`, or `OutcomeUnknownError` if no
        answer came.
        """
        return await self._http.call(UNMATCHED)
