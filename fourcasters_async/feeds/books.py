"""The books that a price feed keeps: their reads, and when they are stale."""

import asyncio
import math
from collections.abc import Awaitable, Callable, Iterable
from typing import Protocol

from fourcasters_async._core.log import log
from fourcasters_async._core.retry import RetryPolicy
from fourcasters_async.errors import DecodeError, FourcastersError
from fourcasters_async.feeds.alarm import Alarm
from fourcasters_async.feeds.live_book import BookState, LiveBook, OnStale
from fourcasters_async.feeds.price_frames import Update, game_of, payload_of, update_of
from fourcasters_async.models import GameUpdate, Gap, OrderBook, OrderUpdate


class ReadBook(Protocol):
    """Reads the book of a game: `session.markets.get_orderbook`."""

    async def __call__(self, *, game_id: str) -> list[OrderBook]:
        """Return the book of the game, or nothing if there is none."""
        ...


# Reads under way at a time: after a reconnection, hundreds of books are read at once.
_READS = 16
# The pauses between reads of a book that fail, or that are overtaken.
_PAUSES = RetryPolicy(backoff_base=1.0, backoff_cap=30.0)
# After the loop was blocked, the first turn finds what came meanwhile, the second reads it, and in
# the third it is taken.
_CATCH_UP_TURNS = 3


class Books:
    """The books of one feed. It is their pulse: connected or not, and silent since when."""

    def __init__(
        self, read: ReadBook, prepare: Callable[[BookState], Awaitable[None]], read_lag: float
    ) -> None:
        self._read = read
        self._prepare = prepare
        self._read_lag = read_lag
        self._books: dict[str, BookState] = {}
        self._loop = asyncio.get_running_loop()
        self.time: Callable[[], float] = self._loop.time
        self._places = asyncio.Semaphore(_READS)
        self._reads: dict[str, asyncio.Task[None]] = {}
        self._ending: set[asyncio.Task[None]] = set()
        self._lost: asyncio.Future[str] | None = None
        self._heard = self.time()
        self._quiet = False
        self._timer: asyncio.TimerHandle | None = None
        self._due = math.inf
        self._alarm = Alarm("the price feed", "prices are not told of")

    def __bool__(self) -> bool:
        return bool(self._books)

    def __contains__(self, game_id: object) -> bool:
        return game_id in self._books

    @property
    def connected(self) -> bool:
        """Whether the feed has a connection."""
        return self._lost is not None and not self._lost.done()

    def is_silent(self, seconds: float) -> bool:
        """Whether the feed has said nothing at all for so long."""
        # The same sum as for the timer: the difference may be a trifle less.
        return self.time() >= self._heard + seconds

    def keep(
        self, game_id: str, *, stale_after: float | None, on_stale: OnStale | None
    ) -> LiveBook:
        """Return the book of a game, which is kept from now on."""
        book = self._books.get(game_id)
        if book is None:
            book = self._books[game_id] = BookState(game_id, self, stale_after=5.0)
            self.read(book)
        if on_stale is not None:
            book.on_stale = on_stale
        if stale_after is not None and stale_after != book.stale_after:
            book.stale_after = stale_after
            self._check([book])
        return book.book

    def give_up(self, game_id: str, error: FourcastersError) -> None:
        """Keep a book no longer."""
        book = self._books.pop(game_id, None)
        if book is not None:
            self._end_read(game_id)
            book.give_up(error)

    def hear(self) -> None:
        """Note that the feed said something."""
        self._heard = self.time()
        if self._quiet:
            self._quiet = False
            self._check(self._books.values())

    def take(self, kind: type[Update], frame: bytes) -> Update | Gap | bytes:
        """Apply a frame if it is about a kept book, and return what it says, if it was read."""
        game_id: str | None = None
        try:
            payload = payload_of(frame)
            game_id = game_of(payload)
            if game_id is not None and game_id not in self._books:
                return frame
            update = update_of(kind, payload)
        except DecodeError as error:
            self.miss(game_id)
            return Gap(reason=str(error))
        self._apply(update)
        return update

    def _apply(self, update: Update) -> None:
        book = self._books.get(update.game_id or "")
        if book is None:
            return
        now = self.time()
        if isinstance(update, OrderUpdate):
            book.kept.update(update, now)
        elif isinstance(update, GameUpdate):
            book.kept.replace(update.game, now)
            self._check([book])
        else:
            book.kept.volume(update.matched_volume)
        if book.kept.full:
            self.miss(book.game_id, epochs=True)

    def miss(self, game_id: str | None, *, epochs: bool = False) -> None:
        """Note that something that was said of a game, or of an unknown one, was not understood.

        The books are read again. With `epochs`, those are forgotten.
        """
        missed = [
            book for book in self._books.values() if game_id is None or book.game_id == game_id
        ]
        for book in missed:
            self._restart(book, epochs=epochs)
            # One that is under way does not count any more, and is repeated.
            reading = self._reads.get(book.game_id)
            if reading is None or reading.done():
                self.read(book, after=1)
        self._check(missed)

    def connect(self, lost: "asyncio.Future[str]") -> None:
        """Note a new connection: nothing that was known before is complete."""
        self._lost = lost
        self._heard = self.time()
        self._alarm.clear()
        for book in self._books.values():
            self._restart(book, epochs=True)
        self._check(self._books.values())

    def read_all(self) -> None:
        """Read all books that are not complete, at once."""
        for game_id, book in self._books.items():
            self._end_read(game_id)
            self.read(book)

    def disconnect(self, reason: str) -> None:
        """Note that there is no connection, and why."""
        self._alarm.reason = reason
        self._alarm.set()
        self._check(self._books.values())

    async def wait_closed(self) -> None:
        """Wait for the reads that were ended."""
        if self._ending:
            await asyncio.wait(self._ending)

    def end(self, error: FourcastersError) -> None:
        """Let no book be current again, as `error` says."""
        self._alarm.clear()
        for game_id in list(self._books):
            self.give_up(game_id, error)
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def read(self, book: BookState, *, after: int = 0) -> None:
        """Read a book until it is complete, `after` as many failures."""
        if self.connected and not book.kept.complete:

            def ended(task: "asyncio.Task[None]") -> None:
                self._ending.discard(task)
                if task.cancelled() and self._reads.get(book.game_id) is task:
                    # A program may cancel all of its tasks, and still want to know the prices.
                    self.read(book, after=after)

            reading = asyncio.create_task(self._read_until_complete(book, after))
            self._reads[book.game_id] = reading
            self._ending.add(reading)
            reading.add_done_callback(ended)

    def _restart(self, book: BookState, *, epochs: bool) -> None:
        book.kept.restart(epochs=epochs)
        book.since = self.time()

    def _end_read(self, game_id: str) -> None:
        reading = self._reads.pop(game_id, None)
        if reading is not None:
            reading.cancel()

    async def _read_until_complete(self, book: BookState, failures: int) -> None:
        while True:
            if failures:
                await asyncio.sleep(_PAUSES.longest_backoff(failures))
            if book.kept.complete or not self.connected:
                return
            await self._prepare(book)
            async with self._places:
                read = await self._read_once(book)
            if book.kept.complete:
                return
            if read:
                # The prices are there. Whether they are all is known only by a later read.
                await asyncio.sleep(book.since + self._read_lag - self.time())
            else:
                failures += 1

    async def _read_once(self, book: BookState) -> bool:
        """Read a book. Returns whether that counts."""
        generation, trails = book.kept.generation, self.time() < book.since + self._read_lag
        try:
            found = await self._read(game_id=book.game_id)
        except FourcastersError as error:
            book.error = error
            log.debug("the book of game %s was not read: %s", book.game_id, error)
            return False
        one = next((each for each in found if each.game_id == book.game_id), None)
        if one is None:
            book.error = DecodeError(
                f"the exchange has no book of game {book.game_id}", path="$.data.games"
            )
            return False
        counts = book.kept.read(one, generation, self.time(), trails=trails)
        if counts:
            book.error = None
            self._check([book])
        return counts

    def _check(self, books: Iterable[BookState]) -> None:
        """Tell of what became stale, or current again."""
        for book in list(books):
            book.tell()
            if book.told:
                self._wake_at(self._heard + book.stale_after)

    def _wake_at(self, when: float) -> None:
        if self._timer is not None:
            if self._due <= when:
                return
            self._timer.cancel()
        self._due = when
        self._timer = self._loop.call_at(when, self._find_silence)

    def _find_silence(self, turns: int = _CATCH_UP_TURNS) -> None:
        """Find what is stale for silence. One timer serves all, and no message moves it."""
        silent = [
            book for book in self._books.values() if book.told and self.is_silent(book.stale_after)
        ]
        if silent and turns:
            self._timer = self._loop.call_later(0.0, self._find_silence, turns - 1)
            return
        self._timer, self._due = None, math.inf
        if silent:
            self._quiet = True
            log.warning(
                "the price feed has said nothing for %.1f s: %d books are stale, among them that "
                "of game %s",
                self.time() - self._heard,
                len(silent),
                silent[0].game_id,
            )
        self._check(self._books.values())
