"""LiveOrders: the account's own orders, at every moment."""

import asyncio
from collections.abc import Awaitable, Callable, Collection, Iterable
from datetime import datetime
from functools import partial
from typing import Self

from fourcasters_async._core.log import log
from fourcasters_async._core.unclosed import Entered
from fourcasters_async._core.validation import check_id, check_list, check_seconds, check_text
from fourcasters_async.errors import FourcastersError, InvalidRequestError
from fourcasters_async.feeds.doubts import Doubts
from fourcasters_async.feeds.ledger import Ledger
from fourcasters_async.feeds.lines import Lines
from fourcasters_async.feeds.order_follower import OrderFollower
from fourcasters_async.feeds.stream import Stream, Streams
from fourcasters_async.feeds.upkeep import ECHO, Due, Upkeep
from fourcasters_async.feeds.user_core import UserFeedCore
from fourcasters_async.models import (
    FeedEvent,
    Gap,
    Lagged,
    OpenOrder,
    OrderChange,
    OrderFilled,
    UndecidedOrder,
)

# Seconds between two looks at whether an own place is decided.
_DECIDED_PAUSE = 0.05


class LiveOrders(Entered):
    """The account's own open orders: `async with session.live_orders() as orders`.

    They are united from the user feed, from the answers to this session's own requests, and from
    reads of the open orders: when it is entered, after every gap of the feed, and every `audit`
    seconds. Where a read disagrees with what the feed has told, the read wins, and the change says
    so (`OrderChange.disagreement`).

    `current` is whether this is the account's book now. While it is, `halt`, `flatten` and `verify`
    take their proof from here where the feed has told of each order that an answer has cancelled
    before a read shows it. `async for change in orders` yields each `OrderChange` from then on,
    `fills()` each fill, and `doubts()` each time that it is not `current` any more, or is again.
    """

    def __init__(
        self,
        lines: Lines,
        read: Callable[[], Awaitable[list[OpenOrder]]],
        follow: Callable[[OrderFollower | None], None],
        note: Callable[[OrderChange], None],
        undecided: Callable[[frozenset[str] | None], Collection[UndecidedOrder]],
        *,
        read_lag: float,
        audit: float,
    ) -> None:
        self._core = UserFeedCore(lines, self._take, on_state=self._note_state)
        self._read = read
        self._follow = follow
        self._note = note
        self._undecided = undecided
        self._ledger = Ledger(read_lag=read_lag)
        self._changes: Streams[OrderChange] = Streams()
        self._fills: Streams[OrderFilled] = Streams()
        self._keeping: asyncio.Task[None] | None = None
        self._entered = False
        self._upkeep = Upkeep(read_lag=read_lag, audit=check_seconds(audit, "audit"))
        self._doubts = Doubts(
            lambda: self.doubt, lambda: self._upkeep.lapses_at(self._ledger.owed.since())
        )
        self._follower = OrderFollower(
            self._ledger, self._doubts.news, self._tell, self._note_gap, lambda: self.current
        )
        self._closed = False

    async def __aenter__(self) -> Self:
        """Connect to the feed, and read the open orders once; they are `current` `read_lag` later.

        Raises what `orders_socket` and `account.get_unmatched` raise.
        """
        if self._entered:
            raise InvalidRequestError("these live orders were entered before; make others")
        self._follow(self._follower)
        self._entered = True
        self._doubts.look()
        try:
            await self._core.__aenter__()
            try:
                await self._look()
            except BaseException:
                await self._core.__aexit__()
                raise
        except BaseException:
            self._follow(None)
            raise
        self._begin_keeping()
        self._still_open = True
        return self

    async def __aexit__(self, *_: object) -> None:
        """Close the connection. What is held stays, and is not current any more."""
        self._closed, self._still_open = True, False
        self._follow(None)
        try:
            if self._keeping is not None:
                self._keeping.cancel()
                await asyncio.wait([self._keeping])
        finally:
            await self._core.__aexit__()

    @property
    def current(self) -> bool:
        """Whether this is the account's book at this moment, as far as the feed brought it here.

        It is not while the feed is down (a dead line is noticed within 15 seconds), after a gap
        until it was read again, once the feed has owed word of an own order for 5 seconds, while a
        read shows an order that has no id, and once no read was answered for twice the `audit`
        seconds.
        """
        return self.doubt is None

    @property
    def not_current_since(self) -> datetime | None:
        """Since when it is not `current`, in UTC; `None` while it is."""
        return self._doubts.since if self._entered else None

    @property
    def doubt(self) -> str | None:
        """Why it is not `current`, `None` while it is."""
        if self._core.error is not None:
            return str(self._core.error)
        if self._closed:
            # Nothing tells of answers any more.
            return "the live orders are closed"
        if not self._upkeep.complete:
            return self._upkeep.doubt
        if not self._core.live:
            return "the feed is down"
        if self._ledger.nameless:
            return "a read shows an order without an id"
        return self._upkeep.lapsed(_now(), self._ledger.owed.since())

    def __len__(self) -> int:
        """Count the open orders."""
        return len(self._ledger)

    @property
    def orders(self) -> list[OpenOrder]:
        """The open orders of the account."""
        return self._ledger.orders()

    def get(self, order_id: str) -> OpenOrder | None:
        """Return an open order, `None` if it does not rest or is not known."""
        return self._ledger.get(check_id(order_id, "order_id"))

    def on_game(self, game_id: str) -> list[OpenOrder]:
        """Return the open orders on a game, and those whose game is not known."""
        return self._ledger.orders(check_id(game_id, "game_id"))

    def by_reference(self, user_reference: str) -> list[OpenOrder]:
        """Return the open orders with a user reference."""
        wanted = check_text(user_reference, "user_reference")
        return [order for order in self._ledger.orders() if order.user_reference == wanted]

    def __aiter__(self) -> Stream[OrderChange]:
        """Return the changes from now on."""
        return self._changes.open()

    def fills(self) -> Stream[OrderFilled]:
        """Return the fills from now on, as maker and as taker, each once.

        A `Lagged` among them says how many were forgotten: the consumer was too slow. Earlier ones
        are not among them: `user_feed` with a cursor has those too.
        """
        return self._fills.open()

    def doubts(self) -> Stream[str | None]:
        """Return the `doubt` now, and whenever it changes: `None` once it is `current`."""
        return self._doubts.stream()

    async def wait_until_current(self, *, deadline: float = 10.0) -> bool:
        """Wait until it is `current`; return `False` if it is not after `deadline` seconds."""
        until = _now() + check_seconds(deadline, "deadline")
        while not self.current:
            if not await self._doubts.news.wait(until):
                return self.current
        return True

    async def wait_until_clear(
        self, games: Iterable[str] | None = None, *, deadline: float = 10.0
    ) -> bool:
        """Wait until it is `current` and no order rests on games; without `games`, on any.

        While a place or an edit of this session on the games is undecided, it is not clear either.
        Returns `False` if that is not so after `deadline` seconds. It cancels nothing.
        """
        named = None
        if games is not None:
            ids = enumerate(check_list(games, "games"))
            named = frozenset(check_id(id_, f"games[{index}]").casefold() for index, id_ in ids)
        until = _now() + check_seconds(deadline, "deadline")
        while not (self.current and self._is_clear(named)):
            # Nothing tells of a place that was refused, or that can land no more.
            undecided = self._undecided(named)
            await self._doubts.news.wait(
                min(until, _now() + _DECIDED_PAUSE) if undecided else until
            )
            if _now() >= until:
                return self.current and self._is_clear(named)
        return True

    # What the feed tells.

    def _take(self, event: FeedEvent) -> None:
        if isinstance(event, Gap):
            self._note_gap(f"the feed has a gap: {event.reason}")
        elif not isinstance(event, Lagged):
            change = self._ledger.apply(event, _now())
            if isinstance(event, OrderFilled):
                self._fills.put(event)
            self._tell(change)

    def _note_gap(self, reason: str) -> None:
        self._upkeep.note_gap(_now(), reason)
        self._doubts.news.tell()

    def _note_state(self) -> None:
        self._upkeep.note_live(_now(), live=self._core.live)
        if self._core.error is not None:
            self._changes.end(self._core.error)
            self._fills.end(self._core.error)
            self._doubts.end(self._core.error)
        self._doubts.news.tell()

    def _tell(self, change: OrderChange | None) -> None:
        if change is not None:
            self._note(change)
            self._changes.put(change)
        self._doubts.news.tell()

    # What is read.

    def _begin_keeping(self) -> None:
        def ended(task: "asyncio.Task[None]") -> None:
            # A program may cancel all of its tasks, and still want to know its orders.
            if self._closed:
                return
            if task.cancelled():
                self._begin_keeping()
            elif (error := task.exception()) is not None:
                self._core.fail(error)

        self._keeping = asyncio.create_task(self._keep())
        self._keeping.add_done_callback(ended)

    async def _keep(self) -> None:
        """Read when that is due, until cancelled."""
        while self._core.error is None:
            owed = self._ledger.owed.since()
            due = self._upkeep.due_at(owed)
            if due > _now():
                await self._doubts.news.wait(due, partial(self._is_due_sooner, due))
                continue
            if self._upkeep.is_overdue(_now(), owed):
                self._warn()
            if self._upkeep.due(_now(), owed) is Due.RECONNECT:
                self._core.reconnect(self._upkeep.doubt)
            try:
                await self._look()
            except FourcastersError as error:
                log.debug("live orders: could not read the open orders: %s", error)
                self._upkeep.fail_read(_now())
                self._doubts.news.tell()

    def _is_due_sooner(self, than: float) -> bool:
        """Whether a read is due before a time, or never again."""
        due = self._upkeep.due_at(self._ledger.owed.since())
        return due < than or self._core.error is not None

    async def _look(self) -> None:
        """Read the open orders, and unite them with what is held."""
        began, upkeep = _now(), self._upkeep
        gapless = upkeep.begin_read(began)
        orders = await self._read()
        changes = self._ledger.read(
            orders, began=began, now=_now(), complete=upkeep.complete, gapless_since=gapless
        )
        upkeep.end_read(began, gapless, conclusive=self._ledger.conclusive)
        for change in changes:
            if change.disagreement:
                log.warning(
                    "live orders: a read disagrees about order %s on game %s, and wins",
                    change.order.order_id,
                    change.order.game_id,
                )
            self._tell(change)
        self._doubts.news.tell()

    def _warn(self) -> None:
        late = self._ledger.owed.forgive(before=_now() - ECHO / 2)
        log.warning(
            "live orders: the user feed has not told of %d own orders for %.0f s: %s",
            len(late),
            ECHO,
            ", ".join(late[:5]),
        )

    def _is_clear(self, games: frozenset[str] | None) -> bool:
        return not self._undecided(games) and not self._ledger.on_games(games)


def _now() -> float:
    return asyncio.get_running_loop().time()
