"""The ways to the address of the feeds, as the feeds need them."""

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from typing import Protocol

from fourcasters_async._core.sender import Sender
from fourcasters_async._websocket.feed_connection import FeedConnection
from fourcasters_async._websocket.reconnecting import Reconnecting


class Lines(Protocol):
    """The ways to the address of the feeds."""

    def feed(
        self, path: str, take: Callable[[FeedConnection, bytes], None]
    ) -> AbstractAsyncContextManager[Reconnecting[FeedConnection]]:
        """Give the connections to a feed, the first of them made."""
        ...

    def replays(self) -> AbstractAsyncContextManager[Sender]:
        """Give what asks over HTTP, once for each request."""
        ...
