"""UserFeedCore: the user feed without a queue. Each event is given to a function, in order."""

import asyncio
from collections.abc import Callable, Iterable
from contextlib import AsyncExitStack
from typing import Self

from fourcasters_async._core.log import log
from fourcasters_async._core.sender import Sender
from fourcasters_async._websocket.feed_connection import FeedConnection
from fourcasters_async._websocket.reconnecting import Reconnecting
from fourcasters_async.errors import (
    AuthenticationError,
    ForbiddenError,
    FourcastersError,
    SessionClosedError,
)
from fourcasters_async.feeds.alarm import Alarm
from fourcasters_async.feeds.arguments import AUDIT
from fourcasters_async.feeds.lines import Lines
from fourcasters_async.feeds.messages import Message, check_cursor, is_newer, read_frame
from fourcasters_async.feeds.replay import (
    Replay,
    Timeline,
    in_order,
    newest,
    reaches,
    replay_after,
)
from fourcasters_async.models import FeedEvent, Gap

_FEED = "GET /v2/user"
_FINAL = (AuthenticationError, ForbiddenError, SessionClosedError)
# Seconds that one wait for a connection takes at most: uvloop takes no endless ones.
_LONG = 3600.0
# Seconds in which a message that is on its way comes.
_ON_ITS_WAY = 2.0
# Messages and bytes that are kept during a replay. With more, the connection is made anew.
_BUFFERED, _BUFFERED_BYTES = 20_000, 32 * 2**20
# Messages that are told without a turn of the loop.
_WITHOUT_A_TURN = 200
_ENDED = "the feed has ended"
_EXPIRED = "the exchange no longer has all that happened"


class UserFeedCore:
    """The events of the user feed, each given to `take` once and in order, in the event loop.

    `take` must not wait, and must not raise: the feed ends if it does. `on_state` is called after
    `connected`, `live` or `error` has changed. On each connection, what is pushed is kept until
    what came before it is asked for, from `cursor` on: `GET /v2/user/messages`. Then both are told,
    and the feed is live. Every `audit` seconds it asks whether all was pushed.
    """

    def __init__(
        self,
        lines: Lines,
        take: Callable[[FeedEvent], None],
        *,
        cursor: str | None = None,
        on_state: Callable[[], None] | None = None,
        audit: float = AUDIT,
    ) -> None:
        self.cursor = None if cursor is None else check_cursor(cursor)
        """The newest message of which all was told, the event at hand included."""
        self.error: FourcastersError | None = None
        """Why the feed has ended, once it has."""
        self._lines = lines
        self._take = take
        self._on_state = on_state
        self._timeline = Timeline(cursor)
        self._audit = audit
        # The newest message before which a replay has shown all, or nothing is asked for.
        self._verified = self.cursor
        self._resources = AsyncExitStack()
        self._keeping: asyncio.Task[None] | None = None
        self._closed = False
        self._connection: FeedConnection | None = None
        self._live = False
        # Whoever enters knows that it is connected.
        self._told = (True, False)
        self._buffer: list[Message] = []
        self._buffered_bytes = 0
        # Whether events may be missing that no cursor leads to.
        self._blind = False
        # The loop time before which no replay is asked for.
        self._ask_from = 0.0
        self._alarm = Alarm("the user feed", "orders and fills are not told of")

    @property
    def connected(self) -> bool:
        """Whether there is a connection now."""
        return self._connection is not None and not self._connection.lost.done()

    @property
    def live(self) -> bool:
        """Whether all that happened was told, and what happens now is told at once."""
        return self._live and self.connected

    async def __aenter__(self) -> Self:
        """Connect. Raises `AuthenticationError`, `RateLimitedError` or `NotSentError`."""
        async with AsyncExitStack() as resources:
            replays = await resources.enter_async_context(self._lines.replays())
            connections = await resources.enter_async_context(
                self._lines.feed(_FEED.removeprefix("GET /"), self._receive)
            )
            resources.push_async_callback(self._end_keeping)
            if (current := connections.current) is not None:
                self._begin(current)
            self._keep(connections, replays)
            self._resources = resources.pop_all()
        return self

    async def __aexit__(self, *_: object) -> None:
        """Close the connection. Nothing more is told."""
        await self._resources.aclose()

    def reconnect(self, reason: str) -> None:
        """Make the connection anew, so that what came since the cursor is replayed."""
        if self._connection is not None:
            self._connection.lose(reason)

    def _keep(self, connections: Reconnecting[FeedConnection], replays: Sender) -> None:
        def ended(task: "asyncio.Task[None]") -> None:
            if self._closed:
                return
            if task.cancelled():
                # A program may cancel all of its tasks, and still want to know its orders.
                self._keep(connections, replays)
            elif (error := task.exception()) is not None:
                self.fail(error)

        self._alarm.set()
        self._keeping = asyncio.create_task(self._keep_live(connections, replays))
        self._keeping.add_done_callback(ended)

    async def _end_keeping(self) -> None:
        self._closed = True
        try:
            if self._keeping is not None:
                self._keeping.cancel()
                await asyncio.wait([self._keeping])
        finally:
            self.fail(SessionClosedError("the user feed is closed; open another"))

    async def _keep_live(self, connections: Reconnecting[FeedConnection], replays: Sender) -> None:
        """Bring each connection up to date, until the feed has ended."""
        while self.error is None:
            made = await connections.wait(asyncio.get_running_loop().time() + _LONG)
            if isinstance(made, _FINAL):
                self.fail(made)
            elif isinstance(made, FourcastersError):
                self._alarm.reason = str(made)
                await asyncio.sleep(connections.asked(made))
            elif made is not None:
                self._begin(made)
                await self._use(made, replays)
        connections.end()

    async def _use(self, connection: FeedConnection, replays: Sender) -> None:
        """Tell what a connection missed, and wait until it is lost."""
        following = asyncio.create_task(self._follow(connection, replays))
        try:
            await asyncio.wait((following, connection.lost), return_when=asyncio.FIRST_COMPLETED)
            if following.done() and not following.cancelled():
                following.result()
            if connection.lost.done():
                self._alarm.reason = connection.lost.result()
        finally:
            following.cancel()
            await asyncio.wait([following])

    def _receive(self, connection: FeedConnection, frame: bytes) -> None:
        """Take a frame: it is told at once, or kept until what came before it is known."""
        if self.error is not None:
            connection.lose(_ENDED)
            return
        self._begin(connection)
        message = read_frame(frame)
        if message is None:
            log.debug("user feed: a message of %d bytes is not about orders", len(frame))
        elif self._live:
            self._tell(message)
        else:
            self._buffer.append(message)
            self._buffered_bytes += len(frame)
            if len(self._buffer) > _BUFFERED or self._buffered_bytes > _BUFFERED_BYTES:
                connection.lose("more was pushed during a replay than is kept")

    def _begin(self, connection: FeedConnection) -> None:
        """Begin with a connection, whose first message may come before anybody waits for it."""
        if connection is self._connection:
            return
        first = self._connection is None
        self._connection, self._live = connection, False
        self._buffer, self._buffered_bytes = [], 0
        self._blind = not first and self._verified is None
        connection.lost.add_done_callback(lambda _: self._changed())
        self._changed()

    async def _follow(self, connection: FeedConnection, replays: Sender) -> None:
        """Tell what a connection missed, go live, and look for what it does not say."""
        if self._blind:
            self._hand(Gap(reason="the connection was lost before any message came"))
            self._blind = False
        missed = await self._missed(replays)
        if missed is None:
            connection.lose("there was no replay")
            return
        replayed, verified = missed
        while replayed or self._buffer:
            pushed, self._buffer = self._buffer, []
            await self._tell_all(in_order(replayed, pushed))
            replayed = []
        # Only now: a connection that is lost meanwhile leaves some of it untold.
        self._verified = verified or self._verified
        # Nothing came since the last look at the buffer: there was no turn of the loop.
        if not connection.lost.done() and self.error is None:
            self._buffered_bytes, self._live = 0, True
            self._changed()
        while not connection.lost.done():
            await asyncio.wait([connection.lost], timeout=self._audit)
            if self._verified is not None and not connection.lost.done():
                await self._look(connection, replays, self._verified)

    async def _missed(self, replays: Sender) -> tuple[list[Message], str | None] | None:
        """Return what was missed up to what is pushed, and its newest; `None` if unknown."""
        while (after := self._verified) is not None:
            replay = await self._ask(replays, after)
            if replay is None:
                return None
            replayed = replay.found
            last = newest(replayed) or after
            if not replay.complete:
                self._timeline.expire(replayed)
                self._hand(Gap(reason=_EXPIRED))
                return replayed, last
            # The answer may be a part of what there is: the next one then has more.
            if reaches(replayed, self._buffer) or not is_newer(last, after):
                return replayed, last
            await self._tell_all(in_order(replayed))
            self._verified = last
        return [], None

    async def _look(self, connection: FeedConnection, replays: Sender, after: str) -> None:
        """Tell what was not pushed though pings are answered, and lose such a line."""
        replay = await self._ask(replays, after)
        found = [] if replay is None else replay.found
        if not all(map(self._timeline.was_told, found)):
            await asyncio.wait([connection.lost], timeout=_ON_ITS_WAY)
            if connection.lost.done():
                return
        missed = [each for each in found if not self._timeline.was_told(each)]
        if replay is not None and not replay.complete and found:
            # Without any, nothing has happened since, and the last message is too old to be kept.
            self._hand(Gap(reason=_EXPIRED))
        if missed:
            log.warning("user feed: %d messages were not pushed, and are told late", len(missed))
            await self._tell_all(in_order(missed))
            connection.lose("messages were not pushed")
        self._verified = newest(found) or after

    async def _ask(self, replays: Sender, after: str) -> Replay | None:
        """Ask for what came after a message. Ends the feed if the account is refused for good."""
        clock = asyncio.get_running_loop().time
        # The exchange may have asked for a pause over an earlier connection.
        await asyncio.sleep(self._ask_from - clock())
        outcome = await replays.send(replay_after(after))
        if outcome.error is not None:
            log.debug("user feed: no replay: %s", outcome.error)
            self._alarm.reason = str(outcome.error)
            self._ask_from = clock() + replays.asked(outcome.error)
        if isinstance(outcome.error, _FINAL):
            self.fail(outcome.error)
        return outcome.value

    async def _tell_all(self, messages: Iterable[Message]) -> None:
        for number, message in enumerate(messages, 1):
            self._tell(message)
            if number % _WITHOUT_A_TURN == 0:
                await asyncio.sleep(0)

    def _tell(self, message: Message) -> None:
        """Tell what a message says. The cursor moves with the last of it."""
        events = self._timeline.take(message)
        for event in events[:-1]:
            self._hand(event)
        self.cursor = self._timeline.cursor
        if self._verified is None:
            # What came before the first message is not asked for.
            self._verified = self.cursor
        for event in events[-1:]:
            self._hand(event)

    def _hand(self, event: FeedEvent) -> None:
        if self.error is None:
            if isinstance(event, Gap):
                log.debug("user feed: a gap: %s", event.reason)
            try:
                self._take(event)
            except Exception as error:  # noqa: BLE001  # without this event, no later one is right
                self.fail(error)

    def fail(self, error: BaseException) -> None:
        """End the feed. Whoever waits for events is told why."""
        if self.error is not None:
            return
        if not isinstance(error, FourcastersError):
            log.error("the user feed failed: %s", type(error).__name__)
            error = SessionClosedError(f"the user feed failed: {type(error).__name__}")
        self.error = error
        if self._connection is not None:
            self._connection.lose(_ENDED)
        self._changed()

    def _changed(self) -> None:
        state = (self.connected, self.live)
        if self.error is not None or self.live:
            self._alarm.clear()
        else:
            self._alarm.set()
        if state != self._told or self.error is not None:
            self._told = state
            if self._on_state is not None:
                self._on_state()
