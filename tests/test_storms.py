"""A peer that ends every new connection is tried no more often than the policy says."""

import asyncio
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager

import aiohttp
import pytest
import trustme
from support import QUICK, quote

from fourcasters_async import AsyncSession, NotSentError, OutcomeStatus
from fourcasters_async.errors import FourcastersError

GAMES = [f"688c0516fbc14da0c202d4{n:02}" for n in range(20)]
TOO_LATE = b"HTTP/1.1 408 Request Timeout\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"


class Rude:
    """Ends every connection in one of several ways, and counts them."""

    def __init__(self, *, reads: bool = False, says: bytes = b"") -> None:
        self.connections = 0
        self._reads, self._says = reads, says

    async def __call__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        writer.write(self._says)
        if self._reads:
            await reader.readline()
        writer.close()


@asynccontextmanager
async def proxied(rude: Rude) -> AsyncIterator[AsyncSession]:
    server = await asyncio.start_server(rude, "127.0.0.1", 0)
    proxy = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    async with (
        server,
        AsyncSession(
            "token",
            base_url="https://exchange.invalid",
            orders_url="wss://exchange.invalid",
            proxy=proxy,
            retry=QUICK,
        ) as session,
    ):
        yield session


@asynccontextmanager
async def secure(rude: Rude) -> AsyncIterator[AsyncSession]:
    authority = trustme.CA()
    server_side = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    # With 1.2 the server's last message of the handshake and what it says arrive together.
    server_side.maximum_version = ssl.TLSVersion.TLSv1_2
    authority.issue_cert("127.0.0.1").configure_cert(server_side)
    client_side = ssl.create_default_context()
    authority.configure_trust(client_side)
    server = await asyncio.start_server(rude, "127.0.0.1", 0, ssl=server_side)
    port = server.sockets[0].getsockname()[1]
    async with (
        server,
        aiohttp.ClientSession(connector=aiohttp.TCPConnector(ssl=client_side)) as client,
        AsyncSession(
            "token",
            base_url=f"https://127.0.0.1:{port}",
            orders_url=f"wss://127.0.0.1:{port}",
            client_session=client,
            retry=QUICK,
        ) as session,
    ):
        yield session


@asynccontextmanager
async def plain(rude: Rude) -> AsyncIterator[AsyncSession]:
    server = await asyncio.start_server(rude, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    async with (
        server,
        AsyncSession(
            "token",
            base_url=f"http://127.0.0.1:{port}",
            orders_url=f"ws://127.0.0.1:{port}",
            retry=QUICK,
        ) as session,
    ):
        yield session


async def cancel(session: AsyncSession) -> object:
    return await session.cancel_all_orders_for_game(GAMES[0])


async def read(session: AsyncSession) -> object:
    return await session.account.get_unmatched()


At = Callable[[Rude], AbstractAsyncContextManager[AsyncSession]]

WAYS: dict[str, tuple[At, Callable[[], Rude]]] = {
    "a proxy that hangs up at CONNECT": (proxied, lambda: Rude(reads=True)),
    "a proxy that hangs up at once": (proxied, Rude),
    "an early 408 over TLS": (secure, lambda: Rude(says=TOO_LATE)),
    "an early 408": (plain, lambda: Rude(says=TOO_LATE)),
    "hanging up over TLS": (secure, Rude),
}
every_way = pytest.mark.parametrize(("at", "make"), WAYS.values(), ids=WAYS)


@every_way
@pytest.mark.parametrize("verb", [cancel, read])
async def test_every_new_connection_that_fails_is_an_attempt(
    at: At,
    make: Callable[[], Rude],
    verb: Callable[[AsyncSession], Awaitable[object]],
) -> None:
    rude = make()
    async with at(rude) as session:
        with pytest.raises(FourcastersError):
            await verb(session)
    assert rude.connections == QUICK.max_attempts


@every_way
async def test_every_new_connection_of_a_fan_out_that_fails_is_an_attempt(
    at: At, make: Callable[[], Rude]
) -> None:
    rude = make()
    async with at(rude) as session:
        report = await session.cancel_all_orders_for_games(GAMES)
    assert [outcome.attempts for outcome in report.outcomes] == [QUICK.max_attempts] * len(GAMES)
    assert rude.connections == sum(outcome.attempts for outcome in report.outcomes)


@pytest.mark.parametrize("reads", [True, False], ids=["at CONNECT", "at once"])
async def test_a_place_that_no_proxy_lets_through_is_not_sent(*, reads: bool) -> None:
    async with proxied(Rude(reads=reads)) as session:
        with pytest.raises(NotSentError):
            await session.place([quote(GAMES[0])])


async def test_a_fan_out_that_no_proxy_lets_through_is_not_sent() -> None:
    async with proxied(Rude(reads=True)) as session:
        report = await session.cancel_all_orders_for_games(GAMES)
    assert {outcome.status for outcome in report.outcomes} == {OutcomeStatus.NOT_SENT}
