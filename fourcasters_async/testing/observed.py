"""What a test asks of an exchange: what it received, and when something is true of it."""

import asyncio
from collections.abc import Callable
from typing import TypeVar

from fourcasters_async.testing.endpoints import check_endpoint, check_game
from fourcasters_async.testing.received import ReceivedLog, Requests

T = TypeVar("T")

# Seconds from one look at a condition to the next. The exchange tells of its requests and of its
# book. Of the state of a bot, and of time that passes, nothing tells.
_LOOK_AGAIN = 0.02


class Observed:
    """An exchange as a test looks at it."""

    _log: ReceivedLog

    @property
    def requests(self) -> Requests:
        """What was received, oldest first: the last hundred thousand requests and messages.

        `exchange.requests.to("place")` are those to an endpoint, the last segment of its path. The
        endpoint of a message on a WebSocket is its type.
        """
        return self._log.requests

    def received(self, endpoint: str | None = None, *, game_id: str | None = None) -> int:
        """Count the `requests` to an endpoint and about a game.

        Raises `ValueError` for an endpoint that is not served.
        """
        return len(self.requests.to(endpoint, game_id=game_id))

    async def wait_for(
        self,
        endpoint: str,
        count: int = 1,
        *,
        game_id: str | None = None,
        timeout: float | None = 30.0,  # noqa: ASYNC109  # its error says what came
    ) -> None:
        """Wait until `count` requests to an endpoint and about a game were received.

        Counts what was received since the exchange was made, also what `requests` has forgotten.
        Raises `TimeoutError`, which says what came, after `timeout` seconds of the event loop.
        With `None` it waits for ever. Raises `ValueError` for an endpoint that is not served.
        """
        check_endpoint(endpoint)
        check_game(game_id)
        limit = asyncio.timeout(timeout)
        try:
            async with limit:
                while self._log.count(endpoint, game_id) < count:
                    await self._log.news()
        except TimeoutError:
            if not limit.expired():
                raise
            came, about = self._log.count(endpoint, game_id), f" about {game_id}" * bool(game_id)
            raise TimeoutError(
                f"{came} of {count} requests to {endpoint}{about} in {timeout} s; {self.requests}"
            ) from None

    async def wait_until(
        self,
        condition: Callable[[], T],
        timeout: float | None = 30.0,  # noqa: ASYNC109  # as above
    ) -> T:
        """Wait until what `condition` returns is true, and return it.

        It is called after each request and each change in the book, and every 20 ms for all else,
        such as the state of a bot. Raises `TimeoutError`, which says what came, after `timeout`
        seconds of the event loop. With `None` it waits for ever.
        """
        limit = asyncio.timeout(timeout)
        try:
            async with limit:
                while not (result := condition()):
                    await self._log.news(_LOOK_AGAIN)
        except TimeoutError:
            if not limit.expired():
                raise
            raise TimeoutError(f"not true within {timeout} s; {self.requests}") from None
        return result
