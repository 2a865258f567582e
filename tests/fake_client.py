"""A client of the sandbox for its own tests: plain aiohttp, and nothing of the library."""

from typing import Any

import aiohttp
from attrs import frozen

from fourcasters_async.testing import FakeExchange

# The exchange's clock jumps by hours.
_NO_TIMEOUT = aiohttp.ClientTimeout(total=None)


@frozen
class Response:
    """What the sandbox answered."""

    status: int
    headers: dict[str, str]
    document: Any

    @property
    def data(self) -> Any:
        assert self.status == 200, self.document
        return self.document["data"]


async def ask(
    exchange: FakeExchange, route: str, *, token: str | None = None, **fields: Any
) -> Response:
    """Send one request on a connection of its own: `ask(exchange, "GET /user/getMe")`."""
    method, path = route.split()
    how: dict[str, Any] = {"params" if method == "GET" else "json": fields}
    headers = {"Authorization": f"Bearer {exchange.token if token is None else token}"}
    async with (
        aiohttp.ClientSession(exchange.url, headers=headers, timeout=_NO_TIMEOUT) as client,
        client.request(method, path, **how) as response,
    ):
        return Response(response.status, dict(response.headers), await response.json())


def moneyline(exchange: FakeExchange, game_id: str, **others: object) -> dict[str, object]:
    """Return an order on a game as REST takes it."""
    side = exchange.book.games[game_id].home_id
    return {
        "gameID": game_id,
        "type": "moneyline",
        "side": side,
        "odds": -110,
        "bet": 25.5,
        **others,
    }


async def place(exchange: FakeExchange, game_id: str, **others: object) -> Any:
    """Place one order over REST and return its result."""
    order = moneyline(exchange, game_id, **others)
    (result,) = (await ask(exchange, "POST /session/v3/place", orders=[order])).data[
        "createdSessions"
    ]
    return result
