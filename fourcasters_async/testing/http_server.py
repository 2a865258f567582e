"""The HTTP server on loopback that everything of the exchange is behind."""

import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager

from aiohttp import web


class HttpServer:
    """Serves every path with one handler, on a free port if `port` is 0.

    `tls` serves `https` with a certificate made for it. A connection that is idle for
    `keep_alive` seconds is closed.
    """

    def __init__(
        self,
        handler: Callable[[web.Request], Awaitable[web.StreamResponse]],
        *,
        tls: bool,
        keep_alive: float,
        port: int,
    ) -> None:
        self._port = port
        self._server_tls: ssl.SSLContext | None = None
        self._client_tls: ssl.SSLContext | None = None
        if tls:
            self._server_tls, self._client_tls = _tls_contexts()
        app = web.Application()
        app.router.add_route("*", "/{path:.*}", handler)
        self.runner: web.AppRunner = web.AppRunner(
            app, access_log=None, shutdown_timeout=1.0, keepalive_timeout=keep_alive
        )
        self._sites = AsyncExitStack()

    @property
    def url(self) -> str:
        """The address, with the port once it listens."""
        scheme = "http" if self._server_tls is None else "https"
        return f"{scheme}://127.0.0.1:{self._port}"

    @property
    def ssl_context(self) -> ssl.SSLContext:
        """A context for clients that trusts the certificate."""
        if self._client_tls is None:
            raise RuntimeError("this exchange does not serve TLS: FakeExchange(tls=True)")
        return self._client_tls

    async def start(self) -> None:
        """Set up, and listen."""
        await self.runner.setup()
        await self._listen()

    async def stop_listening(self) -> None:
        """Refuse new connections."""
        await self._sites.aclose()

    async def stop(self) -> None:
        """Close every connection and stop."""
        await self.stop_listening()
        self._close_connections()
        await self.runner.cleanup()

    @asynccontextmanager
    async def refusing(self) -> AsyncIterator[None]:
        """Refuse new connections inside the block, and close those that are open."""
        try:
            await self.stop_listening()
            self._close_connections()
            yield
        finally:
            await self._listen()

    async def _listen(self) -> None:
        site = web.TCPSite(
            self.runner, "127.0.0.1", self._port, ssl_context=self._server_tls, backlog=2048
        )
        await site.start()
        self._sites.push_async_callback(site.stop)
        self._port = self.runner.addresses[0][1]

    def _close_connections(self) -> None:
        if self.runner.server is not None:
            for connection in self.runner.server.connections:
                connection.force_close()


def _tls_contexts() -> tuple[ssl.SSLContext, ssl.SSLContext]:
    """Make an authority, and return contexts for a server on loopback and for its clients."""
    try:
        import trustme  # noqa: PLC0415  # only those who serve TLS need it
    except ImportError as missing:
        raise ImportError(
            "FakeExchange needs trustme to serve TLS: pip install 'fourcasters-async[tls]'"
        ) from missing

    authority = trustme.CA()
    server = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    authority.issue_cert("127.0.0.1", "localhost").configure_cert(server)
    client = ssl.create_default_context()
    authority.configure_trust(client)
    return server, client
