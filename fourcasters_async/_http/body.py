"""The body of a request, which knows whether it was sent."""

import asyncio
from typing import Any

import aiohttp
import orjson
from aiohttp.abc import AbstractStreamWriter

from fourcasters_async._core.request import RULES, Request
from fourcasters_async._core.secret import SecretBytes
from fourcasters_async._core.telemetry import Moments
from fourcasters_async._http.aiohttp_clients import Connections, connection_of, holds_unread_bytes

UNREAD_BYTES = "the connection holds bytes that nobody asked for"
"""Why a connection was refused."""


class Body(aiohttp.Payload):
    """A request body that knows whether it was sent, and refuses connections with unread bytes.

    aiohttp holds the headers back until the body is written: before that, nothing has reached the
    exchange. Bytes that a server sent after its last answer would be taken for the answer to this
    request, so a connection that holds some is refused. Bytes that arrive after this request was
    written cannot be distinguished from its answer. After the loop time `ends` it does not leave:
    the loop may have been blocked. `moments` are told when it leaves.
    """

    def __init__(
        self,
        request: Request[Any],
        used: Connections,
        moments: Moments | None = None,
        *,
        ends: float,
    ) -> None:
        content = b"" if request.body is None else orjson.dumps(request.body)
        rules = RULES[request.kind]
        if not rules.quotable:
            content = SecretBytes(content)
        super().__init__(content, content_type="application/json")
        self._content = content
        self._leave = request.leave
        self._repeatable = rules.repeatable
        self._used = used
        self._moments = moments
        self._ends = ends
        self.left: bool | None = None
        """Whether the body was written; `None` until aiohttp has made a request with it."""
        self.guarded = False
        """Whether the caller's middlewares have handed the request on."""
        self.reused = False
        """Whether the connection was used before."""
        self.discarded = False
        """Whether it was refused because it had unread bytes from before."""

    def begin(self) -> None:
        """Note that nothing was written yet. aiohttp may be about to make the request."""
        if self.left is None:
            self.left = False

    @property
    def size(self) -> int:
        """The length in bytes. aiohttp asks for it when it makes the request."""
        self.begin()
        return len(self._content)

    @property
    def autoclose(self) -> bool:
        """Whether the body needs no closing when a middleware replaces it."""
        return True

    def decode(self, encoding: str = "utf-8", errors: str = "strict") -> str:
        """Return the body as text."""
        return self._content.decode(encoding, errors)

    async def guard(
        self, request: aiohttp.ClientRequest, handler: aiohttp.ClientHandlerType
    ) -> aiohttp.ClientResponse:
        """Be the body of the request, with other bytes if a middleware has put another there."""
        self.guarded = True
        if request.body is not self:
            body = request.body
            self._content = await body.as_bytes() if isinstance(body, aiohttp.Payload) else body
            await request.update_body(self)
        return await handler(request)

    async def write(self, writer: AbstractStreamWriter) -> None:
        """Write the body, unless the connection has unread bytes."""
        await self.write_with_length(writer, None)

    async def write_with_length(
        self,
        writer: AbstractStreamWriter,
        content_length: int | None,  # noqa: ARG002  # it is the length of the body
    ) -> None:
        """Write the body, unless it may not leave, or not on this connection."""
        connection = connection_of(writer)
        self.reused = connection in self._used
        if holds_unread_bytes(connection):
            self.discarded = self.reused
            raise ConnectionResetError(UNREAD_BYTES)
        if self.left and not self._repeatable:
            raise RuntimeError("a middleware repeats what must not take effect twice")
        now = asyncio.get_running_loop().time()
        if now >= self._ends:
            raise TimeoutError
        if self._leave is not None and (refusal := self._leave()) is not None:
            raise refusal
        self.left = True
        if not self.reused:
            self._used.add(connection)
        await writer.write(self._content)
        if self._moments is not None:
            self._moments.written = now
