"""UserFeed: what happens to the orders of the account, as it happens."""

import asyncio
from collections.abc import AsyncIterator
from typing import Self

from fourcasters_async._core.unclosed import Entered
from fourcasters_async._core.validation import check_count, check_seconds
from fourcasters_async.errors import InvalidRequestError, SessionClosedError
from fourcasters_async.feeds.arguments import AUDIT, KEEP
from fourcasters_async.feeds.cursor_file import CursorFile
from fourcasters_async.feeds.lagging import LaggingQueue
from fourcasters_async.feeds.lines import Lines
from fourcasters_async.feeds.messages import check_cursor
from fourcasters_async.feeds.user_core import UserFeedCore
from fourcasters_async.models import FeedEvent, Lagged

# Seconds between two writes of the cursor while there is always another event.
_WRITE_PAUSE = 1.0


class UserFeed(Entered, AsyncIterator[FeedEvent]):
    """What happens to the orders of the account: `async with session.user_feed() as feed`.

    `async for event in feed` yields `OrderPlaced`, `OrderCancelled` and `OrderFilled`, each once
    and in the order of the exchange, across any number of reconnections. `Gap` says that events may
    be missing, or that the next one comes too late, and `Lagged` that the consumer was too slow:
    then read the state over REST. One task iterates at a time.
    """

    def __init__(
        self,
        lines: Lines,
        cursor: str | CursorFile | None = None,
        *,
        keep: int = KEEP,
        audit: float = AUDIT,
    ) -> None:
        self._file = cursor if isinstance(cursor, CursorFile) else None
        self._cursor = None if cursor is None or self._file is cursor else check_cursor(cursor)
        self._lines = lines
        self._audit = check_seconds(audit, "audit")
        self._queue: LaggingQueue[tuple[FeedEvent, str | None]] = LaggingQueue(
            check_count(keep, "keep")
        )
        self._core: UserFeedCore | None = None
        self._closed = False
        self._handed: str | None = None
        self._iterating = False
        self._saved: str | None = None
        self._next_write = float("-inf")

    @property
    def cursor(self) -> str | None:
        """The newest event that was handled: the iteration came back after it.

        Keep it, and pass it as `cursor` later, also from another process. A program that is ended
        while it handles an event gets that event again. `None` before the first event of a feed
        that began without a cursor.
        """
        return self._cursor

    @property
    def connected(self) -> bool:
        """Whether there is a connection now."""
        return self._core is not None and self._core.connected

    @property
    def live(self) -> bool:
        """Whether the feed is up to date: connected, with all that was missed in the queue."""
        return self._core is not None and self._core.live

    async def __aenter__(self) -> Self:
        """Connect. Raises as `AsyncSession.orders_socket` does."""
        if self._core is not None:
            raise InvalidRequestError("this feed was entered before; make another")
        if self._file is not None:
            self._cursor = self._saved = await asyncio.to_thread(self._file.read)
        self._core = UserFeedCore(
            self._lines,
            self._put,
            cursor=self._cursor,
            on_state=self._note_end,
            audit=self._audit,
        )
        try:
            await self._core.__aenter__()
        except BaseException:
            self._closed = True
            raise
        self._still_open = True
        return self

    async def __aexit__(self, *_: object) -> None:
        """Close the connection, and keep the cursor in its file."""
        self._closed, self._still_open = True, False
        if self._core is not None:
            await self._core.__aexit__()
        await self._write()

    def __aiter__(self) -> Self:
        """Return the feed itself: a later iteration goes on where the last one ended."""
        return self

    async def __anext__(self) -> FeedEvent:
        """Return the next event, and take the one before as handled.

        Raises `AuthenticationError` or `ForbiddenError` if the exchange refuses the account for
        good, and `SessionClosedError` outside the block.
        """
        if self._core is None or self._closed:
            raise SessionClosedError("the user feed is not open: iterate inside its async with")
        if self._iterating:
            raise InvalidRequestError("another task iterates over this feed: one can, at a time")
        self._iterating = True
        try:
            return await self._next()
        finally:
            self._iterating = False

    async def _next(self) -> FeedEvent:
        if self._handed is not None:
            self._cursor, self._handed = self._handed, None
        loop = asyncio.get_running_loop()
        if not self._queue or loop.time() >= self._next_write:
            await self._write()
            self._next_write = loop.time() + _WRITE_PAUSE
        got = await self._queue.get()
        if isinstance(got, Lagged):
            return got
        event, self._handed = got
        return event

    async def _write(self) -> None:
        cursor = self._cursor
        if self._file is not None and cursor is not None and cursor != self._saved:
            await asyncio.to_thread(self._file.write, cursor)
            self._saved = cursor

    def _put(self, event: FeedEvent) -> None:
        self._queue.put((event, None if self._core is None else self._core.cursor))

    def _note_end(self) -> None:
        if self._core is not None and self._core.error is not None:
            self._queue.end(self._core.error)
