"""A middleware that keeps aiohttp from repeating a request."""

import aiohttp


class ConnectionGoneError(Exception):
    """The connection ended without an answer, as `error` says. aiohttp does not retry it."""

    def __init__(self, error: aiohttp.ClientError) -> None:
        super().__init__()
        self.error = error


async def send_once(
    request: aiohttp.ClientRequest, handler: aiohttp.ClientHandlerType
) -> aiohttp.ClientResponse:
    """Keep aiohttp from repeating a GET by itself: the rate limit would not count it."""
    try:
        return await handler(request)
    except (aiohttp.ClientOSError, aiohttp.ServerDisconnectedError) as error:
        raise ConnectionGoneError(error) from None
