"""Both feeds of the exchange, around one book: who is connected, and what is sent to whom."""

import asyncio
from collections.abc import Callable, Mapping

import orjson
from aiohttp import web
from attrs import define

from fourcasters_async.testing import user_feed
from fourcasters_async.testing.answers import Answer, Body, RefusedError, object_in, unauthorized
from fourcasters_async.testing.book import Book
from fourcasters_async.testing.book_events import BookEvent
from fourcasters_async.testing.calls import HttpCall
from fourcasters_async.testing.clock import Clock
from fourcasters_async.testing.endpoints import PRICE_PATH, REPLAY_PATH, USER_PATH, name_of
from fourcasters_async.testing.feed_sockets import FeedSocket, FeedSockets
from fourcasters_async.testing.price_feed import PriceUpdates
from fourcasters_async.testing.received import Received, ReceivedLog
from fourcasters_async.testing.records import BookGame
from fourcasters_async.testing.user_feed import MessageID, UserLog

# Seconds. What is due later is looked at again whenever anything is received, a ping included:
# clocks of tests jump to whatever is waited for.
_HORIZON = 24 * 3600.0
# Seconds. A rounding error must not wake anybody before what is due is due.
_MARGIN = 1e-6
_PATHS = (USER_PATH, PRICE_PATH, REPLAY_PATH)


@define
class ReplayCall(HttpCall):
    """A request for a replay that a fault decides about. `kept` can be replayed."""

    kept: Callable[[], list[Body]]

    def bound(self, name: str) -> MessageID | None:
        """Return the id in a parameter, `afterID` or `beforeID`, and `None` for anything else."""
        return user_feed.message_id_in(self.request.query.get(name))


class UserFeed(FeedSockets):
    """The user feed. `log` has what every account was told, and how much of it is kept.

    `log.keep` and `log.keep_seconds` bound what a replay can give, and `log.forget()` forgets it.
    """

    def __init__(self, clock: Clock, watch_clock: Callable[[], None]) -> None:
        super().__init__(clock, watch_clock)
        self.log: UserLog = UserLog()

    def take(self, event: BookEvent) -> None:
        """Tell an account what happened to its order."""
        told = self.log.take(event)
        if told is not None:
            account, kept = told
            for socket in self._of(account):
                games = frozenset({event.game.game_id})
                self.send(event.kind, kept.content, socket, games)

    def push(self, document: Body, account: str, *, type: str = "") -> None:  # noqa: A002  # as in `inject`
        """Tell an account anything, as the feed does: with the next `messageID` unless it has one.

        It can be replayed like any other message.
        """
        content = self.log.add(account, document, self._clock.now())
        games = frozenset({str(document.get("gameID"))})
        for socket in self._of(account):
            self.send(type, content, socket, games)

    def replay(self, account: str, request: web.Request) -> Answer:
        """Answer a request for the messages between two ids."""
        query = request.query
        try:
            after = user_feed.bounds_in(query.get("afterID"), "afterID")
            before = user_feed.bounds_in(query.get("beforeID"), "beforeID")
            if after is None:
                raise RefusedError(400, "Missing afterID")  # noqa: TRY301  # as the others
        except RefusedError as refused:
            return refused.answer
        return Answer(200, self.log.replay(account, after, before, self._clock.now()))

    def kept(self, account: str) -> list[Body]:
        """Return what can be replayed to an account now, oldest first."""
        return self.log.messages(account, self._clock.now())

    def _of(self, account: str) -> list[FeedSocket]:
        return [socket for socket in self._open if socket.account == account]


class PriceFeed(FeedSockets):
    """The price feed. `updates.nested` chooses the other form of ladders in a `gameUpdate`.

    What changes in one turn of the event loop is told after it, each side once.
    """

    def __init__(
        self, book: Book, clock: Clock, log: ReceivedLog, watch_clock: Callable[[], None]
    ) -> None:
        super().__init__(clock, watch_clock)
        self.updates: PriceUpdates = PriceUpdates(book)
        self._book = book
        self._log = log

    def take(self, event: BookEvent) -> None:
        """Note what an event changes, if anybody listens."""
        if self._open:
            self.updates.take(event)
        else:
            self.updates.pass_over(event)

    def flush(self) -> None:
        """Tell now what has changed, and not after this turn of the loop."""
        for update in self.updates.drain():
            contents: dict[str, bytes] = {}
            for socket in tuple(self._open):
                if not socket.subscription.wants(update.game):
                    continue
                if socket.account not in contents:
                    document = [update.type, update.payload(socket.account)]
                    contents[socket.account] = orjson.dumps(document)
                content = contents[socket.account]
                self.send(update.type, content, socket, _games(update.game))

    def push(self, type: str, payload: Body) -> None:  # noqa: A002  # the name on the wire
        """Send anything to those who want what is about the game in it, or to all if none is."""
        content = orjson.dumps([type, payload])
        game = self._book.games.get(str(payload.get("gameID", payload.get("id"))))
        games = frozenset[str]() if game is None else _games(game)
        for socket in tuple(self._open):
            if socket.subscription.wants(game):
                self.send(type, content, socket, games)

    def _obey(self, socket: FeedSocket, text: str) -> None:
        content = text.encode()
        command = object_in(content) or {}
        games = command.get("gameIDs")
        named = frozenset(str(each) for each in games) if isinstance(games, list) else frozenset()
        type_ = str(command.get("type", ""))
        headers = socket.request.headers
        self._log.add(Received("WS", type_, headers, content, socket.account, named))
        socket.subscription.obey(command)


class Feeds:
    """The user feed and the price feed. `len()` counts the open connections of both."""

    def __init__(
        self, book: Book, clock: Clock, log: ReceivedLog, pass_time: Callable[[], None]
    ) -> None:
        self.user: UserFeed = UserFeed(clock, self.watch_clock)
        self.price: PriceFeed = PriceFeed(book, clock, log, self.watch_clock)
        self._book = book
        self._clock = clock
        self._pass_time = pass_time
        self._by_path: dict[str, UserFeed | PriceFeed] = {
            USER_PATH: self.user,
            PRICE_PATH: self.price,
        }
        self._loop: asyncio.AbstractEventLoop | None = None
        self._rings_at: float | None = None
        self._noted = False
        book.events.listeners.append(self._take)

    def __len__(self) -> int:
        """Count the open connections."""
        return len(self.user) + len(self.price)

    def drop(self, code: int | None, *, endpoint: str | None = None) -> None:
        """Close the connections of a feed, or of both, with a close frame, or abort them."""
        for path, feed in self._by_path.items():
            if endpoint in (None, name_of(path)):
                feed.drop(code)

    def clear_faults(self) -> None:
        """Take back every fault of both feeds."""
        self.user.clear_faults()
        self.price.clear_faults()

    def missing_faults(self) -> list[str]:
        """Return a text for each fault of both that has not struck as often as it should."""
        return [*self.user.missing_faults(), *self.price.missing_faults()]

    async def end(self) -> None:
        """Close every connection."""
        await self.user.end()
        await self.price.end()

    def serves(self, request: web.Request) -> bool:
        """Whether a request is for a feed."""
        return request.path in _PATHS

    def authorization(self, request: web.Request) -> str:
        """Return what a request proves its account with.

        A feed also takes a token in the header `Auth`, and in the query parameter `token`.
        """
        given = [request.headers.get("Authorization")]
        if self.serves(request):
            given += [request.headers.get("Auth"), request.query.get("token")]
        return next((each for each in given if each is not None), "")

    def call(
        self, request: web.Request, commit: Callable[[], Answer], account: str | None
    ) -> HttpCall:
        """Return a request as a fault sees it."""
        if request.path != REPLAY_PATH:
            return HttpCall(request, commit, self._clock)
        return ReplayCall(request, commit, self._clock, lambda: self.user.kept(account or ""))

    def answer(self, request: web.Request, account: str | None) -> Answer:
        """Answer a handshake or a request for a replay."""
        if account is None:
            return unauthorized()
        if request.path == REPLAY_PATH:
            return self.user.replay(account, request)
        return Answer(101, None)

    async def serve(
        self, request: web.Request, headers: Mapping[str, str], account: str
    ) -> web.WebSocketResponse:
        """Serve a connection after its handshake was answered, with some `headers`."""
        self._loop = asyncio.get_running_loop()
        return await self._by_path[request.path].serve(request, headers, account)

    def watch_clock(self) -> None:
        """Have time pass in the book when something is next due there, if anybody listens."""
        due = self._book.due
        left = due - self._clock.now()
        waits = self._rings_at is not None and self._rings_at <= due
        if waits or left > _HORIZON or not len(self):
            return
        self._rings_at = due
        self._clock.after(max(left, 0.0) + _MARGIN, self._ring)

    def _ring(self) -> None:
        self._rings_at = None
        self._pass_time()
        self.watch_clock()

    def _take(self, event: BookEvent) -> None:
        self.user.take(event)
        self.price.take(event)
        # A test may change the book while its loop does not run.
        if self._loop is not None and len(self) and not self._noted:
            self._noted = True
            self._loop.call_soon(self._end_turn)

    def _end_turn(self) -> None:
        """Tell what has changed in the book, and look when something is due there."""
        self._noted = False
        self.price.flush()
        self.watch_clock()


def _games(game: BookGame) -> frozenset[str]:
    return frozenset({game.game_id, game.parent_id or game.game_id})
