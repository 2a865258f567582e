"""The reads of the markets."""

from fourcasters_async._core.request import Kind, Request
from fourcasters_async._core.sender import Sender
from fourcasters_async._core.validation import check_id, optional


class Markets:
    """The reads of the markets: `session.markets`."""

    def __init__(self, sender: Sender) -> None:
        self._sender = sender

    async def get_leagues(
        self, sport: str | None = None, *, deadline: float | None = None
    ) -> list[str]:
        """Return the codes of the leagues with open markets: `GET /exchange/getLeagues`.

        With a `sport`, such as `"basketball"`, only the leagues of that sport. The exchange adds
        `"LIVE"`, an alias for all games in play, and for soccer and golf `"all"`. `deadline` is in
        seconds, by default the session's `timeout`. Raises an `ApiError` (`AuthenticationError`,
        `RateLimitedError`, `ServerError`), `DecodeError` if the answer is malformed,
        `NotSentError`, or `OutcomeUnknownError` if no answer came.
        """
        sport = optional(check_id, sport, "sport")
        request = Request(
            "GET /exchange/getLeagues",
            list[str],
            Kind.READ,
            data_path=("data", "availableLeagues"),
            params=None if sport is None else {"sport": sport},
        )
        return await self._sender.call(request, deadline=deadline)
