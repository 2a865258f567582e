"""PriceFeed: what the exchange pushes of the books of games."""

import asyncio
import copy
from collections.abc import Callable, Iterable
from contextlib import AbstractAsyncContextManager, AsyncExitStack
from typing import Self

from fourcasters_async._core.log import log
from fourcasters_async._core.unclosed import Entered
from fourcasters_async._core.validation import (
    check_callback,
    check_count,
    check_flag,
    check_id,
    check_seconds,
)
from fourcasters_async._websocket.feed_connection import FeedConnection
from fourcasters_async._websocket.reconnecting import Reconnecting
from fourcasters_async.errors import (
    AuthenticationError,
    DecodeError,
    ForbiddenError,
    FourcastersError,
    InvalidRequestError,
    SessionClosedError,
)
from fourcasters_async.feeds.books import Books, ReadBook
from fourcasters_async.feeds.lagging import LaggingQueue
from fourcasters_async.feeds.live_book import BookState, LiveBook, OnStale
from fourcasters_async.feeds.price_frames import event_of, kind_of
from fourcasters_async.feeds.subscriptions import Subscriptions, Topics
from fourcasters_async.models import Gap, PriceEvent

_ENDPOINT = "GET /price-stream"
# Seconds: uvloop takes no infinite time.
_HOUR = 3600.0
_CLOSED = "the price feed is closed; open another"
_NOT_OPEN = "this feed is not open: use it as `async with … as feed`"
_NO_LOGIN_MENDS = (AuthenticationError, ForbiddenError, SessionClosedError)

Take = Callable[[FeedConnection, bytes], None]
Connect = Callable[[str, Take], AbstractAsyncContextManager[Reconnecting[FeedConnection]]]


class PriceFeed(Entered):
    """The changes of the books of games, as they happen: `session.price_feed(…)`.

    `async with session.price_feed() as feed` connects, and raises why it cannot. Inside, the
    connection is kept up, and what was subscribed to is subscribed to again on each new one.
    `async for event in feed` yields an `OrderUpdate`, a `GameUpdate` or a `MatchedVolumeUpdate` for
    each message from the first `async for` on. Types that are not known are passed over.

    A `Gap` says that messages may be missing: after a reconnection, and in the place of one that
    could not be read. A consumer that is too slow does not stop the reading: beyond `keep` events
    the oldest are forgotten, and a `Lagged` stands in their place. The iteration raises
    `AuthenticationError` or `ForbiddenError` if the exchange takes the token no longer and no login
    mends that, and `SessionClosedError` once the feed is closed.

    `order_book` keeps the book of a game, whether or not somebody iterates.
    """

    def __init__(
        self,
        connect: Connect,
        read_book: ReadBook,
        games: Iterable[str] | None,
        leagues: Iterable[str] | None,
        sports: Iterable[str] | None,
        *,
        keep: int,
        read_lag: float,
    ) -> None:
        self._connect = connect
        self._read_lag = read_lag
        self._read_book = read_book
        self._keep = check_count(keep, "keep")
        self._subscriptions = Subscriptions()
        topics = Topics.of_arguments(games, leagues, sports)
        if not (games is leagues is sports is None):
            self._subscriptions.add(topics, replace=True)
        self._books: Books | None = None
        self._queue: LaggingQueue[bytes | PriceEvent] | None = None
        self._connection: FeedConnection | None = None
        # The connection that was told the subscriptions.
        self._laid: FeedConnection | None = None
        self._unsent: dict[str, bytes] = {}
        self._error: FourcastersError | None = None
        self._keeping: asyncio.Task[None] | None = None
        self._resources = AsyncExitStack()

    @property
    def connected(self) -> bool:
        """Whether there is a connection now."""
        return self._books is not None and self._books.connected

    async def __aenter__(self) -> Self:
        """Connect, and subscribe. Raises what the handshake ended in."""
        if self._books is not None:
            raise InvalidRequestError("this feed was entered before; make another")
        self._books = Books(self._read_book, self._send_for, self._read_lag)
        async with AsyncExitStack() as stack:
            stack.push_async_callback(self._end_books)
            connect = self._connect(_ENDPOINT.partition("/")[2], self._take)
            connections = await stack.enter_async_context(connect)
            if (first := connections.current) is not None:
                await self._lay(first)
            self._keep_on(connections)
            stack.push_async_callback(self._end_keeping)
            self._resources = stack.pop_all()
        self._still_open = True
        return self

    async def __aexit__(self, *_: object) -> None:
        """Close the connection. Books are stale from then on."""
        self._still_open = False
        self._end(SessionClosedError(_CLOSED))
        await self._resources.aclose()

    def __aiter__(self) -> Self:
        """Return the feed itself: events are kept for it from now on."""
        if self._queue is None:
            if self._books is None:
                raise InvalidRequestError(_NOT_OPEN)
            self._queue = LaggingQueue(self._keep)
            if self._error is not None:
                self._queue.end(self._error)
        return self

    async def __anext__(self) -> PriceEvent:
        """Return the next event. Raises as the class says."""
        if self._queue is None:
            raise InvalidRequestError("this feed is not iterated over: use `async for`")
        item = await self._queue.get()
        return event_of(item) if isinstance(item, bytes) else item

    async def subscribe(
        self,
        games: Iterable[str] = (),
        leagues: Iterable[str] = (),
        sports: Iterable[str] = (),
        *,
        replace: bool = False,
    ) -> None:
        """Ask for what happens in these games, leagues and sports, for the life of the feed.

        Whoever asks for a game is sent its periods and derivatives too. Leagues and sports are
        taken in any case. While everything is sent, this narrows it to what is named. With
        `replace`, nothing but what is named is sent from then on: with nothing named, nothing is.
        Without `replace`, to name nothing does nothing. The games of books that are kept stay
        subscribed to.

        Without a connection the next one is told. Raises `InvalidRequestError`, and what the
        iteration would raise once the feed has ended.
        """
        check_flag(replace, "replace")
        topics = Topics.of_arguments(games, leagues, sports)
        self._ensure_open()
        await self._send(self._subscriptions.add(topics, replace=replace))

    async def unsubscribe(
        self, games: Iterable[str] = (), leagues: Iterable[str] = (), sports: Iterable[str] = ()
    ) -> None:
        """Ask no longer for these games, leagues and sports.

        The books of these games are kept no longer, and are never current again. While everything
        is sent, that is all it does: of everything, nothing can be taken away. Raises as
        `subscribe`.
        """
        topics = Topics.of_arguments(games, leagues, sports)
        books = self._ensure_open()
        for game_id in topics.games:
            self._subscriptions.give_up(game_id)
            self._unsent.pop(game_id, None)
            books.give_up(
                game_id, SessionClosedError(f"the book of game {game_id} was unsubscribed")
            )
        await self._send(self._subscriptions.remove(topics))

    async def subscribe_all(self) -> None:
        """Ask for everything. Raises as `subscribe`."""
        self._ensure_open()
        await self._send(self._subscriptions.add_all())

    def order_book(
        self,
        game_id: str,
        *,
        stale_after: float | None = None,
        on_stale: OnStale | None = None,
    ) -> LiveBook:
        """Return the book of a game, kept from now on: read over REST, then from the feed.

        The game is subscribed to, unless everything is. The book is current once it was read, at
        least the session's `read_lag` after that, since a read may trail what the feed said before:
        `await book.wait_until_current()`. Called again for a game, it returns the same book, and
        changes only the settings that are given. Books are kept until `unsubscribe(games=…)`.

        `stale_after` is the seconds of silence on the whole feed after which the book is stale, by
        default 5. `on_stale` is called in the event loop with the book, once for each change of
        `book.current`: current for the first time, stale, current again. What it raises is logged.
        Raises as `subscribe`.
        """
        check_id(game_id, "game_id")
        if stale_after is not None:
            check_seconds(stale_after, "stale_after")
        if on_stale is not None:
            check_callback(on_stale, "on_stale")
        books = self._ensure_open()
        if game_id not in books:
            command = self._subscriptions.keep(game_id)
            if command is not None:
                self._unsent[game_id] = command
        return books.keep(game_id, stale_after=stale_after, on_stale=on_stale)

    def _ensure_open(self) -> Books:
        if self._books is None:
            raise InvalidRequestError(_NOT_OPEN)
        if self._error is not None:
            raise copy.copy(self._error)
        return self._books

    def _take(self, connection: FeedConnection, frame: bytes) -> None:
        """Take a frame, in the reader of the connection. It must not wait."""
        books = self._books
        if books is None or self._error is not None:
            return
        if connection is not self._connection:
            # Its first frames may come before anybody knows of it.
            self._connection = connection
            books.connect(connection.lost)
        books.hear()
        event: PriceEvent | bytes
        try:
            kind = kind_of(frame)
        except DecodeError as error:
            books.miss(None)
            event = Gap(reason=str(error))
        else:
            if kind is None:
                return
            event = books.take(kind, frame) if books else frame
        if self._queue is not None and connection is self._laid:
            self._queue.put(event)

    async def _lay(self, connection: FeedConnection) -> None:
        """Tell a new connection the subscriptions, and read the books."""
        books = self._ensure_open()
        again = self._laid is not None
        if connection is not self._connection:
            self._connection = connection
            books.connect(connection.lost)
        self._laid = connection
        self._unsent.clear()
        if again and self._queue is not None:
            self._queue.put(Gap(reason="the connection was lost, and made again"))
        try:
            await self._send(self._subscriptions.restore())
        except BaseException:
            connection.lose("the subscriptions were not sent")
            raise
        books.read_all()

    async def _send(self, command: bytes | None) -> None:
        """Send a command over the connection. If it is lost, the next one is told all of it."""
        connection = self._laid
        if command is None or connection is None:
            return
        try:
            await connection.send(command)
        except ConnectionResetError as error:
            connection.lose(str(error))

    async def _send_for(self, book: BookState) -> None:
        await self._send(self._unsent.pop(book.game_id, None))

    async def _keep_subscribed(self, connections: Reconnecting[FeedConnection]) -> None:
        """Tell each new connection the subscriptions, for as long as connections can be made."""
        books, clock = self._ensure_open(), asyncio.get_running_loop().time
        while True:
            found = await connections.wait(clock() + _HOUR)
            if isinstance(found, _NO_LOGIN_MENDS):
                self._end(found)
                return
            if isinstance(found, FeedConnection):
                if found is not self._laid:
                    await self._lay(found)
                await asyncio.wait([found.lost])
                books.disconnect(found.lost.result())
            elif found is not None:
                books.disconnect(str(found))
                await asyncio.sleep(connections.asked(found))

    def _keep_on(self, connections: Reconnecting[FeedConnection]) -> None:
        def ended(task: "asyncio.Task[None]") -> None:
            if self._error is not None:
                return
            if task.cancelled():
                # A program may cancel all of its tasks, and still want to know the prices.
                self._keep_on(connections)
            elif (failed := task.exception()) is not None:
                log.error("the price feed failed: %s", type(failed).__name__)
                error = SessionClosedError(f"the price feed failed: {type(failed).__name__}")
                error.__cause__ = failed
                self._end(error)

        self._keeping = asyncio.create_task(self._keep_subscribed(connections))
        self._keeping.add_done_callback(ended)

    async def _end_keeping(self) -> None:
        if self._keeping is not None:
            self._keeping.cancel()
            await asyncio.wait([self._keeping])

    def _end(self, error: FourcastersError) -> None:
        """Let nothing more come, as `error` says."""
        if self._error is None:
            self._error = error
            if self._queue is not None:
                self._queue.end(error)
            if self._books is not None:
                self._books.end(error)

    async def _end_books(self) -> None:
        self._end(SessionClosedError(_CLOSED))
        if self._books is not None:
            await self._books.wait_closed()
