"""What stands between aiohttp and the network: nothing is sent twice, and no cookie strays."""

import aiohttp


class GoneError(Exception):
    """The connection ended without an answer, as `error` says. aiohttp sends nothing again."""

    def __init__(self, error: aiohttp.ClientError) -> None:
        super().__init__()
        self.error = error


async def once(
    request: aiohttp.ClientRequest, handler: aiohttp.ClientHandlerType
) -> aiohttp.ClientResponse:
    """Keep aiohttp from sending a GET again by itself, which nobody would have counted."""
    try:
        return await handler(request)
    except (aiohttp.ClientOSError, aiohttp.ServerDisconnectedError) as error:
        raise GoneError(error) from None


async def without_cookies(
    request: aiohttp.ClientRequest, handler: aiohttp.ClientHandlerType
) -> aiohttp.ClientResponse:
    """Keep a caller's jar from sending one account's cookie with another account's request."""
    request.headers.pop("Cookie", None)
    response = await handler(request)
    # What aiohttp would put into the caller's jar after a login is a token. There is no public
    # name for it, so a release that has another leaves the jar as it was before.
    if hasattr(response, "_raw_cookie_headers"):
        response._raw_cookie_headers = ()  # noqa: SLF001  # as above
    return response


def middlewares_of(
    client: aiohttp.ClientSession | None,
) -> tuple[aiohttp.ClientMiddlewareType, ...]:
    """Return a client's own middlewares, which it does not show: naming others displaces them."""
    return () if client is None else tuple(getattr(client, "_middlewares", ()))
