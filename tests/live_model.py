"""Live orders and the user feed at random: what is held is the book, and every fill comes once.

One account is followed. Its session trades, and so do another process of the account and two
rivals, while the feed, its replays, its handshakes and the requests fail. The law:

- While `current` is true, what is held of each order is what was left of it at some moment since
  the last message about it that was delivered. So once all is delivered, what is held is the book.
- A message that the feed loses without a trace may make that one order wrong, and no other, until
  a read begins `read_lag` seconds later and is answered, or another connection is made.
- What is said to be clear by the feed is clear, but for orders that another process placed since,
  or of which such a message was lost.
- Every fill comes once from `user_feed`, across connections and restarts with its cursor. A `Gap`
  or a `Lagged` excuses what happened before it, and a feed that ends before its audit excuses what
  was lost on it without a trace.
- Once nothing fails any more, the live orders get current, and are the book.
"""

import asyncio
import math
import random
from collections import Counter, deque
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Iterator, Sequence
from contextlib import AsyncExitStack, contextmanager, suppress

import orjson
from attrs import Factory, define, field, frozen
from kill_model import Tally
from support import JumpingLoop, own_tasks, until

from fourcasters_async import (
    AsyncSession,
    FourcastersError,
    Gap,
    Lagged,
    LiveOrders,
    NewOrder,
    OrderChange,
    OrderFilled,
    OrdersSocket,
    OrderType,
    ProofSource,
    RetryPolicy,
    SessionClosedError,
    UserFeed,
)
from fourcasters_async.models import FeedEvent
from fourcasters_async.testing import BookGame, BookOrder, FakeExchange, faults, feed_faults
from fourcasters_async.testing.book_events import BookEvent
from fourcasters_async.testing.injected import Injected, InjectedFaults
from fourcasters_async.testing.matching import opposite_of
from fourcasters_async.testing.placing import RejectedError
from fourcasters_async.testing.placing import place as place_in
from fourcasters_async.testing.records import moment

Orders = AsyncSession | OrdersSocket
Work = Callable[[], Awaitable[None]]

_CENT = 0.01
_GAMES = 2
_RIVALS = ("rival", "other rival")
_TYPES = ("moneyline", "spread", "total")
_LINE = 3.5
_ODDS = (-120, -110, 105, 110, 120)
# Seconds after which nothing that was sent can have an effect in the sandbox, and some more.
_AFTERWARDS = 4.0
# Seconds between two audits, and in which live orders are current again.
_AUDIT, _RECOVERED = 5.0, 300.0
# Seconds: a rounding error of the clock is no time.
_MARGIN = 1e-6
_NO_CALLS = ("break_connections",)
_OUT_OF_ORDER = "a message came after a newer one"
_EXPIRED = "the exchange no longer has all that happened"

_HARMLESS: tuple[feed_faults.FeedFault, ...] = (
    feed_faults.Duplicate(),
    feed_faults.Duplicate(3),
    feed_faults.UnknownMembers(),
    feed_faults.UnknownType(),
)
# The client knows at once that something is missing.
_TOLD: tuple[feed_faults.FeedFault, ...] = (
    feed_faults.Truncate(),
    feed_faults.Cut(),
    feed_faults.Cut(1001),
    feed_faults.Altered({"unmatched": {"novelty": 1}, "matched": None}),
    feed_faults.Instead(b'[{"matched": null}]'),
)
# Nothing tells the client that something is missing.
_SILENT: tuple[feed_faults.FeedFault, ...] = (
    feed_faults.Drop(),
    feed_faults.Held(),
    feed_faults.Held(3),
    feed_faults.Garbage(),
    feed_faults.Instead(b'{"type": "hello"}'),
    feed_faults.Mute(),
    feed_faults.HalfOpen(),
)
_REQUESTS: tuple[faults.Fault, ...] = (
    faults.Close(),
    faults.Close(committed=True),
    faults.Reset(committed=True),
    faults.Stall(),
    faults.Stall(committed=True),
    faults.Unavailable(),
    faults.Unavailable(committed=True),
    faults.TooManyRequests("0"),
    faults.TooManyRequests(None),
    faults.Slow(0.3),
    faults.Slow(2.0),
    faults.Slow(1.0, committed_first=True),
    faults.Late(0.2),
    faults.Late(1.5, answered=False),
    faults.Garbage(),
    faults.Truncate(),
)
_HANDSHAKES: tuple[faults.Fault, ...] = (
    faults.Close(),
    faults.Stall(),
    faults.Html(status=502),
    faults.TooManyRequests("0"),
    faults.TooManyRequests("1"),
)
_REPLAYS: tuple[faults.Fault, ...] = (
    feed_faults.CacheExpired(),
    feed_faults.CacheExpired(keep=0),
    feed_faults.CacheExpired(keep=1),
    feed_faults.Overlap(),
    feed_faults.Overlap(early=50, late=50),
    feed_faults.UnknownStatus(),
    faults.Unavailable(),
    faults.Stall(),
    faults.Slow(0.5),
    faults.Truncate(),
    faults.Garbage(),
    faults.TooManyRequests("1"),
)
_Target = tuple[str, Sequence[faults.Fault]]
_TARGETS: tuple[_Target, ...] = (
    ("getUnmatched", (*_REQUESTS, faults.Html(), faults.StallBody())),
    ("getUnmatched", (*_REQUESTS, faults.Html(), faults.StallBody())),
    ("messages", _REPLAYS),
    ("messages", _REPLAYS),
    ("user", _HANDSHAKES),
    ("user", _HANDSHAKES),
    ("place", _REQUESTS),
    ("placeV3", _REQUESTS),
    ("editOrder", _REQUESTS),
    ("cancelMultiple", _REQUESTS),
    ("cancelAllOrdersForGame", _REQUESTS),
    ("cancelAllByGame", _REQUESTS),
    ("cancelAllOrders", _REQUESTS),
)


@frozen
class Settings:
    """What a round draws before it begins. All times are in seconds."""

    read_lag: float
    latency: float
    delivery: float
    """How long a message of the feed is on its way."""
    attempt_timeout: float
    with_login: bool
    with_socket: bool
    feed_keep: int
    feed_pause: float
    """How long a consumer of the user feed thinks about an event."""
    faulty_feed: bool
    actors: int
    steps: int
    weights: tuple[int, ...] = field(repr=False)
    """How often each of `_ACTS` is done."""
    targets: tuple[_Target, ...] = field(repr=False)
    """What fails."""

    @classmethod
    def draw(cls, rng: random.Random) -> "Settings":
        return cls(
            read_lag=rng.choice((0.1, 0.5, 1.0)),
            latency=rng.choice((0.0, 0.02, 0.1)),
            delivery=rng.choice((0.0, 0.0, 0.05, 0.3)),
            attempt_timeout=rng.choice((0.4, 2.0, 10.0)),
            with_login=rng.random() < 0.5,
            with_socket=rng.random() < 0.7,
            feed_keep=rng.choice((10_000, 10_000, 3)),
            feed_pause=rng.choice((0.0, 0.0, 0.5)),
            faulty_feed=rng.random() < 0.7,
            actors=rng.randint(1, 3),
            steps=rng.randint(4, 15),
            weights=tuple(
                rng.choice(
                    (5, 10)
                    if act in _ALWAYS
                    else (0, 0, 0, 1, 2)
                    if act in _CLOSING_ALL
                    else (0, 1, 1, 3, 8)
                )
                for act in _ACTS
            ),
            targets=tuple(rng.sample(_TARGETS, rng.choice((1, 2, 4, len(_TARGETS))))),
        )


class Line(feed_faults.FeedFault):
    """Takes every message of the user feed, and has it delivered after a while, or strikes it."""

    def __init__(self, told: "Told", delivery: float) -> None:
        self._told = told
        self._delivery = delivery
        self._waiting: deque[tuple[feed_faults.Push, str]] = deque()
        self.faults: InjectedFaults[feed_faults.FeedFault] = InjectedFaults()
        self.struck: Counter[str] = Counter()

    def __call__(self, push: feed_faults.Push) -> None:
        message_id = orjson.loads(push.content)["messageID"]
        self._told.send(push.socket, message_id)
        self._waiting.append((push, message_id))
        if self._delivery:
            loop = asyncio.get_running_loop()
            loop.call_later(self._delivery, self._deliver)
        else:
            self._deliver()

    def _deliver(self) -> None:
        push, message_id = self._waiting.popleft()
        fault = self.faults.choose(push)
        if fault is not None:
            self.struck[type(fault).__name__] += 1
        silent = fault in _SILENT or push.socket.quiet or push.socket.deaf
        self._told.deliver(push.socket, message_id, lost=silent)
        if fault is None:
            push.send()
        else:
            fault(push)


_Key = tuple[int, int]


def _key(message_id: str) -> _Key:
    one, other = message_id.split("-")
    return int(one), int(other)


@define
class Told:
    """What happened to each order of the account, and what the followed connection has of it.

    `lost` has when each message was lost without a trace there, and `lost_elsewhere` those on the
    connections of the other feed.
    """

    exchange: FakeExchange
    is_elsewhere: Callable[[feed_faults.FeedSocket], bool]
    history: dict[str, list[tuple[_Key, float]]] = Factory(dict)
    fills: dict[str, float] = Factory(dict)
    """When each fill of the account happened."""
    ids_of_fills: dict[str, _Key] = Factory(dict)
    lost: dict[_Key, float] = Factory(dict)
    lost_elsewhere: dict[_Key, float] = Factory(dict)
    _on_its_way: set[_Key] = Factory(set)
    _pushed: set[str] = Factory(set)

    def note(self, event: BookEvent) -> None:
        """Take note of an event of the book, which the feeds were told of before."""
        order = event.order
        if order is None or order.account != self.exchange.account:
            return
        key = self.exchange.feeds.user.log._newest
        if event.fill is not None:
            self.fills[event.fill.fill_id] = _now()
            self.ids_of_fills[event.fill.fill_id] = key
        if event.fill is None or not event.fill.taker:
            left = order.remaining if order.open else 0.0
            self.history.setdefault(order.order_id, []).append((key, left))
        for elsewhere, lost in ((False, self.lost), (True, self.lost_elsewhere)):
            if f"{key} {elsewhere}" not in self._pushed and self._is_silent(elsewhere=elsewhere):
                lost[key] = _now()

    def send(self, socket: feed_faults.FeedSocket, message_id: str) -> None:
        """Take note that a message begins its way to a connection."""
        elsewhere = self.is_elsewhere(socket)
        self._pushed.add(f"{_key(message_id)} {elsewhere}")
        if not elsewhere:
            self._on_its_way.add(_key(message_id))

    def deliver(self, socket: feed_faults.FeedSocket, message_id: str, *, lost: bool) -> None:
        """Take note that a message has come, or was lost without a trace."""
        elsewhere, key = self.is_elsewhere(socket), _key(message_id)
        if not elsewhere:
            self._on_its_way.discard(key)
        if lost:
            (self.lost_elsewhere if elsewhere else self.lost)[key] = _now()

    def left(self, order_id: str, upto: _Key | None) -> list[float]:
        """Return what was left of an order at each moment since the last message that has come.

        Of the messages that have come, none after `upto` was read yet.
        """
        states = [0.0]
        for key, left in self.history[order_id]:
            missing = key in self._on_its_way or key in self.lost
            if missing or (upto is not None and key > upto):
                states.append(left)
            else:
                states = [left]
        return states

    def _is_silent(self, *, elsewhere: bool) -> bool:
        sockets = self.exchange.feeds.user._open
        return any(s.quiet or s.deaf for s in sockets if self.is_elsewhere(s) is elsewhere)


@define(eq=False)
class Round:
    """One round, over an exchange that it has for itself."""

    exchange: FakeExchange
    session: AsyncSession
    settings: Settings
    tally: Tally
    games: list[BookGame]
    told: Told
    line: Line
    live: LiveOrders
    socket: OrdersSocket | None = None
    trail: list[str] = field(factory=list)
    refused: bool = False
    _foreign: set[str] = field(factory=set)
    _calls: "dict[asyncio.Task[None], str]" = field(factory=dict)
    _connection: object = None
    _may_refuse: bool = field(
        default=Factory(lambda self: self.settings.with_login, takes_self=True)
    )

    # What is drawn.

    async def act(self, rng: random.Random) -> None:
        """Do one thing after another. A call may be left alone while the next one begins."""
        for _ in range(self.settings.steps):
            act = rng.choices(_ACTS, self.settings.weights)[0]
            self.tally.calls[act.__name__] += 1
            if (work := act(self, rng)) is not None:
                task = asyncio.create_task(self._watch(act.__name__, work))
                self._calls[task] = act.__name__
                task.add_done_callback(self._calls.pop)
                if rng.random() < 0.5:
                    await asyncio.wait([task])
            await asyncio.sleep(rng.choice((0.0, 0.0, 0.0, 0.01, 0.1, 0.4, 1.0, 3.0)))

    async def finish(self) -> None:
        """Wait until all calls have ended."""
        while self._calls:
            await asyncio.wait(list(self._calls))

    async def _watch(self, name: str, work: Work) -> None:
        try:
            await work()
        except SessionClosedError as error:
            self.demand(False, f"{name}: {error}")
        except FourcastersError:
            pass
        except Exception as error:  # noqa: BLE001  # whatever it is, it breaks the law
            self.demand(False, f"{name}: raised {error!r}")

    def demand(self, true: object, otherwise: str) -> None:
        """Note a violation of the law."""
        if not true:
            self.trail.append(f"{otherwise} (at {_now() - 1000:.3f} s)")

    # What is demanded of live orders.

    def follow(self) -> None:
        """Look at the live orders at every event, and learn what the reads have mended."""
        core, live = self.live._core, self.live
        take, look = live._take, live._look

        def take_and_check(event: FeedEvent) -> None:
            take(event)
            message_id = getattr(event, "message_id", None)
            if message_id is not None:
                self.check(_key(message_id))

        async def look_and_learn() -> None:
            began = _now()
            await look()
            heard = {**live._ledger._heard}
            late = began - self.settings.read_lag - _MARGIN
            for order_id, states in self.told.history.items():
                if heard.get(order_id, 0.0) < late:
                    for key, _ in states:
                        if self.told.lost.get(key, math.inf) < late:
                            del self.told.lost[key]

        core._take = take_and_check
        live._look = look_and_learn  # type: ignore[method-assign]  # a model looks inside

    @contextmanager
    def looking(self) -> Iterator[None]:
        """Look inside the block whenever nothing more happens at a time."""
        loop = asyncio.get_running_loop()
        if not isinstance(loop, JumpingLoop):
            raise TypeError("the rounds need a loop whose clock jumps")
        loop.look_at_rest(self.check_at_rest)
        try:
            yield
        finally:
            loop.look_no_more(self.check_at_rest)

    def check_at_rest(self) -> None:
        """Hold the live orders against the book: all that was sent has come."""
        connection = self.live._core._connection
        if connection is not self._connection:
            # Its replay has what was lost before.
            self._connection = connection
            for key in [key for key, at in self.told.lost.items() if at < _now()]:
                del self.told.lost[key]
        self.check(None)

    def check(self, upto: _Key | None) -> None:
        """Hold the live orders against what they can know, if they are current."""
        if not self.live.current:
            self.tally.claims["looked: not current"] += 1
            return
        self.tally.claims["looked: current"] += 1
        held = {order.order_id or "": order.remaining or 0.0 for order in self.live.orders}
        for order_id in self.told.history:
            left, have = self.told.left(order_id, upto), held.pop(order_id, 0.0)
            if not any(abs(have - each) < _CENT for each in left):
                self.demand(
                    False, f"current, and order {order_id[-4:]} is held with {have}, not {left}"
                )
        self.demand(not held, f"current, and holds what never was: {held}")

    async def compare(self) -> None:
        """Hold the live orders against the book once nothing fails any more."""
        current = await self.live.wait_until_current(deadline=_RECOVERED)
        self.demand(current, f"not current {_RECOVERED} s later: {self.live.doubt}")
        await asyncio.sleep(2 * _AUDIT + self.settings.read_lag)
        current = await self.live.wait_until_current(deadline=_RECOVERED)
        self.demand(current, f"not current {_RECOVERED} s later: {self.live.doubt}")
        held = {order.order_id or "": order for order in self.live.orders}
        book = {order.order_id: order for order in self.exchange.open_orders()}
        self.demand(held.keys() == book.keys(), f"held {[*held]}, and rest {[*book]}")
        for order_id in held.keys() & book.keys():
            has, is_ = held[order_id], book[order_id]
            self.demand(
                abs((has.remaining or 0.0) - is_.remaining) < _CENT
                and (has.game_id, has.odds, has.user_reference or None)
                == (is_.game_id, is_.odds, is_.user_reference),
                f"held {has}, and rests {is_}",
            )
        self.tally.claims["the live orders are the book"] += 1

    def _clear(self, said: str, source: ProofSource | None, games: list[str], known: int) -> None:
        """Hold the word that games are clear against the book.

        `known` is how many orders there were when it was asked for.
        """
        self.tally.claims[f"clear, {said}, by {source}"] += 1
        if source is not ProofSource.FEED:
            return
        later = set(list(self.exchange._book.orders)[known:])
        for order in self.exchange._book.resting(games, account=self.exchange.account):
            first = self.told.history[order.order_id][0][0]
            foreign = order.order_id in self._foreign
            if foreign and first in self.told.lost:
                self.tally.claims["clear by feed, but for one that it never told of"] += 1
            elif not (foreign and order.order_id in later):
                self.demand(False, f"{said}: clear by the feed, and {order.order_id[-4:]} rests")

    # What can be done.

    def _orders(self, rng: random.Random) -> Orders:
        return self.socket if self.socket is not None and rng.random() < 0.5 else self.session

    def _terms(self, rng: random.Random) -> tuple[BookGame, str, str, float | None]:
        game, type_ = rng.choice(self.games), rng.choice(_TYPES)
        sides = ("over", "under") if type_ == "total" else (game.home_id, game.away_id)
        side = rng.choice(sides)
        number = None if type_ == "moneyline" else _LINE
        if type_ == "spread" and side == game.away_id:
            number = -_LINE
        return game, type_, side, number

    def place(self, rng: random.Random) -> Work:
        new = []
        for _ in range(rng.choice((1, 1, 1, 2, 4))):
            game, type_, side, number = self._terms(rng)
            new.append(
                NewOrder(
                    game.game_id,
                    type_,
                    side,
                    odds=rng.choice(_ODDS),
                    bet=round(rng.uniform(1, 100), 2),
                    number=number,
                    order_type=rng.choice((None, None, None, *OrderType)),
                    expiration_minutes=rng.choice((None, None, None, 1)),
                )
            )
        orders, deadline = self._orders(rng), _deadline(rng)
        self.session.resume()

        async def work() -> None:
            await orders.place(new, deadline=deadline)

        return work

    def trade_elsewhere(self, rng: random.Random) -> None:
        """Let another process of the account place or cancel an order, or let one expire soon."""
        mine = self.exchange.open_orders()
        if mine and rng.random() < 0.4:
            self.exchange.book.cancel(rng.choice(mine))
            return
        if rng.random() < 0.5:
            self._place_as(self.exchange.account, rng)
            return
        game, type_, side, number = self._terms(rng)
        if not game.ended:
            soon = moment(self.exchange.now() + rng.choice((0.3, 1.5, 4.0)))
            order = self.exchange.book.place(
                self.exchange.account,
                game.game_id,
                type=type_,
                side=side,
                number=number,
                odds=rng.choice(_ODDS),
                expiry=soon,
            )
            self._foreign.add(order.order_id)

    def rival(self, rng: random.Random) -> None:
        """Let somebody else place orders, which may take those of the account."""
        for _ in range(rng.choice((1, 2, 5))):
            self._place_as(rng.choice(_RIVALS), rng, self.exchange.open_orders())

    def _place_as(
        self, account: str, rng: random.Random, against: Sequence[BookOrder] = ()
    ) -> None:
        game, type_, side, number = self._terms(rng)
        odds = rng.choice(_ODDS)
        if against and rng.random() < 0.7:
            taken = rng.choice(against)
            game = self.exchange.book.games[taken.game_id]
            _, _, other, line = opposite_of(taken, game)
            type_, side, odds = taken.type, str(other), -taken.odds
            number = line if isinstance(line, float) else None
        fields = {
            "type": type_,
            "side": side,
            "odds": odds,
            "bet": round(rng.uniform(1, 150), 2),
            "orderType": rng.choice(("limit", "limit", "post", "fillAndKill", "fillOrKill")),
            **({} if number is None else {"number": number}),
        }
        with suppress(RejectedError):
            placed = place_in(self.exchange.book, account, game.game_id, fields)
            if account == self.exchange.account and placed.resting is not None:
                self._foreign.add(placed.resting.order_id)

    def fill(self, rng: random.Random) -> None:
        """Let a part of an order be filled."""
        if mine := self.exchange.open_orders():
            order = rng.choice(mine)
            part = rng.choice((0.1, 0.5, 1.0))
            self.exchange.book.fill(order.order_id, round(part * order.remaining, 2))

    def edit(self, rng: random.Random) -> Work | None:
        mine, deadline = self.exchange.open_orders(), _deadline(rng)
        if not mine:
            return None
        order = rng.choice(mine)
        odds, volume = rng.choice(_ODDS), round(rng.uniform(1, 100), 2)
        intended = rng.choice((None, None, order.remaining, 5.0))

        async def work() -> None:
            await self.session.edit_order(
                order.order_id,
                order_odds=odds,
                order_volume=volume,
                game_id=order.game_id,
                intended_order_volume=intended,
                deadline=deadline,
            )

        return work

    def cancel(self, rng: random.Random) -> Work | None:
        some = list(self.exchange.book.orders.values())[-20:]
        mine = [order.order_id for order in some if order.account == self.exchange.account]
        ids = rng.sample(mine, min(len(mine), rng.choice((1, 1, 3))))
        orders, deadline = self._orders(rng), _deadline(rng)
        if not ids:
            return None

        async def work() -> None:
            if len(ids) == 1:
                await orders.cancel(ids[0], deadline=deadline)
            else:
                await orders.cancel_multiple(ids, deadline=deadline)

        return work

    def cancel_many(self, rng: random.Random) -> Work:
        orders, deadline, game = self._orders(rng), _deadline(rng), rng.choice(self.games)
        everything = rng.random() < 0.3

        async def work() -> None:
            if everything:
                await orders.cancel_all_orders(deadline=deadline)
            else:
                await orders.cancel_all_orders_for_game(game.game_id, deadline=deadline)

        return work

    def prove(self, rng: random.Random) -> Work:
        """Cancel on games, and have it proved."""
        games = [each.game_id for each in rng.sample(self.games, rng.randint(1, _GAMES))]
        orders, deadline, halts = self._orders(rng), _deadline(rng), rng.random() < 0.5

        async def work() -> None:
            known = len(self.exchange._book.orders)
            report = await (
                self.session.halt(games, deadline=deadline)
                if halts
                else orders.cancel_all_orders_for_games(games, deadline=deadline, verify=True)
            )
            for outcome in report.outcomes:
                if outcome.resting == []:
                    self._clear("games", outcome.seen_by, [outcome.game_id], known)

        return work

    def flatten(self, rng: random.Random) -> Work:
        deadline = _deadline(rng)

        async def work() -> None:
            known = len(self.exchange._book.orders)
            report = await self.session.flatten(deadline=deadline)
            if report.clear:
                games = [*self.exchange._book.games]
                self._clear("everything", report.seen_by, games, known)

        return work

    def begin_game(self, rng: random.Random) -> None:
        """Let a game start, or end and make place for another."""
        game = rng.choice(self.games)
        if not game.live and rng.random() < 0.6:
            self.exchange.book.start(game.game_id)
            return
        self.exchange.book.settle(game.game_id, away=rng.randrange(9), home=rng.randrange(9))
        start = moment(self.exchange.now() + rng.choice((3.0, 10.0, 10_000.0)))
        self.games[self.games.index(game)] = self.exchange.book.add_game(start=start)

    def beat(self, rng: random.Random) -> Work | None:
        """Send one heartbeat, and no other."""
        socket, timeout = self.socket, rng.choice((1, 3, 8))
        if socket is None:
            return None

        async def work() -> None:
            await socket.heartbeat(timeout, deadline=1.0)

        return work

    def give_up(self, rng: random.Random) -> None:
        """Cancel the task of a caller."""
        if callers := [task for task, name in self._calls.items() if name not in _NO_CALLS]:
            rng.choice(callers).cancel()

    def lag(self, rng: random.Random) -> None:
        """Let reads trail the book, within what the session reckons with."""
        most = 0.99 * self.settings.read_lag
        self.exchange.appear_lag = most * rng.choice((0, 0.5, 1))
        self.exchange.vanish_lag = most * rng.choice((0, 0.5, 1))

    # What can fail.

    def fail(self, rng: random.Random) -> None:
        """Let the next requests of some kind fail."""
        endpoint, known = rng.choice(self.settings.targets)
        fault = rng.choice(known)
        times = rng.choice((1, 1, 2))
        # A token that is refused right after a login is refused for good.
        if self._may_refuse and endpoint == "user" and rng.random() < 0.3:
            fault, times, self._may_refuse = faults.Unauthorized(), 1, False
        self.exchange.inject(fault, endpoint=endpoint, times=times)

    def fail_feed(self, rng: random.Random) -> None:
        """Let messages of the user feed fail."""
        if not self.settings.faulty_feed:
            return
        fault = rng.choice(rng.choice((_HARMLESS, _TOLD, _SILENT)))
        after, times = rng.choice((0, 0, 1, 3)), rng.choice((1, 1, 2, 5))
        self.line.faults.add(Injected(fault, None, None, after, times))

    def break_connections(self, rng: random.Random) -> Work | None:
        """Close connections, or let the address refuse for a while."""
        if rng.random() < 0.7:
            code, endpoint = rng.choice((None, 1000, 1001)), rng.choice(("user", "user", None))

            async def drop() -> None:
                await self.exchange.drop_sockets(code, endpoint=endpoint)

            return drop
        if self.refused:
            return None
        self.refused, seconds = True, rng.choice((0.1, 1.0, 4.0))

        async def refuse() -> None:
            async with self.exchange.refusing():
                await asyncio.sleep(seconds)
            self.refused = False

        return refuse


_Act = Callable[[Round, random.Random], Work | None]
_ALWAYS: tuple[_Act, ...] = (Round.place, Round.rival, Round.fail_feed)
# Where these are done often, nothing rests for long.
_CLOSING_ALL: tuple[_Act, ...] = (Round.flatten, Round.begin_game, Round.beat)
_ACTS: tuple[_Act, ...] = (
    *_ALWAYS,
    Round.trade_elsewhere,
    Round.fill,
    Round.edit,
    Round.cancel,
    Round.cancel_many,
    Round.prove,
    *_CLOSING_ALL,
    Round.give_up,
    Round.lag,
    Round.fail,
    Round.break_connections,
)


@define(eq=False)
class Reader:
    """Reads the fills of the account from one feed after the other, each with the last cursor."""

    session: AsyncSession
    told: Told
    settings: Settings
    rng: random.Random
    cursor: str | None = None
    got: Counter[str] = field(factory=Counter)
    first_got: dict[str, float] = field(factory=dict)
    gaps: list[tuple[float, str]] = field(factory=list)
    """When each gap was told, and why."""
    lagged: list[float] = field(factory=list)
    trail: list[str] = field(factory=list)
    ready: asyncio.Event = field(factory=asyncio.Event)
    calm: bool = False
    """Whether the feed that is open stays open."""
    _forgotten: set[_Key] = field(factory=set)
    _seen: set[_Key] = field(factory=set)
    _newest: _Key = (-1, 0)
    _excused: bool = True

    async def run(self) -> None:
        """Read until cancelled."""
        while True:
            try:
                async with self.session.user_feed(
                    self.cursor, keep=self.settings.feed_keep, audit=_AUDIT
                ) as feed:
                    try:
                        await self._read_a_while(feed)
                    finally:
                        self._note_end(feed)
            except SessionClosedError:
                raise
            except FourcastersError:
                await asyncio.sleep(0.5)

    async def _read_a_while(self, feed: UserFeed) -> None:
        reading = asyncio.create_task(self._read(feed))
        try:
            await asyncio.wait([reading], timeout=self.rng.choice((1.0, 5.0, 20.0)))
            while not reading.done() and (self.calm or self.cursor is feed.cursor is None):
                await asyncio.wait([reading], timeout=1.0)
            if reading.done():
                reading.result()
        finally:
            reading.cancel()
            await asyncio.wait([reading])

    def _note_end(self, feed: UserFeed) -> None:
        self.cursor = feed.cursor
        # Nobody will ask for what was lost before the cursor.
        lost = {key for key in self.told.lost_elsewhere if key not in self._seen}
        self._forgotten |= {key for key in lost if self.cursor and key < _key(self.cursor)}

    async def _read(self, feed: UserFeed) -> None:
        self._newest = _key(self.cursor) if self.cursor else (-1, 0)
        self._excused = False
        async for event in feed:
            if self.settings.feed_pause and not self.calm:
                await asyncio.sleep(self.settings.feed_pause)
            self._take(event)

    def _take(self, event: FeedEvent) -> None:
        if isinstance(event, Gap):
            self.gaps.append((_now(), event.reason))
            self._excused = True
            if event.reason == _EXPIRED:
                # What is left is told again from its beginning.
                self._newest = (-1, 0)
        elif isinstance(event, Lagged):
            # It stands for gaps too.
            self.lagged.append(_now())
            self._newest = (-1, 0)
        else:
            key = _key(event.message_id)
            if key <= self._newest and not self._excused:
                self.trail.append(f"user feed: {event.message_id} comes late, without a gap")
            self._newest, self._excused = max(self._newest, key), False
            self._seen.add(key)
            if isinstance(event, OrderFilled):
                tx_id = event.fill.tx_id or ""
                self.got[tx_id] += 1
                self.first_got.setdefault(tx_id, _now())
            self.ready.set()

    def check(self, tally: Tally) -> None:
        """Hold the fills against those of the book."""
        for tx_id, at in self.told.fills.items():
            times = self.got[tx_id]
            told = [t for t, reason in self.gaps if t >= at and reason != _OUT_OF_ORDER]
            told += [t for t in self.lagged if t >= at]
            if times == 0 and not told and self.told.ids_of_fills[tx_id] not in self._forgotten:
                self.trail.append(f"user feed: fill {tx_id[-4:]} of {at - 1000:.3f} s is missing")
            first = self.first_got.get(tx_id, at)
            again = any(t >= first for t, why in self.gaps if why == _EXPIRED)
            again = again or any(t >= first for t in self.lagged)
            if times > 1 and not again:
                self.trail.append(f"user feed: fill {tx_id[-4:]} came {times} times")
            tally.claims[f"fills that came {'once' if times == 1 else times}"] += 1
        strange = self.got.keys() - self.told.fills.keys()
        if strange:
            self.trail.append(f"user feed: fills that never were: {strange}")


@define(eq=False)
class Streams:
    """What the live orders tell of changes and fills, put together again."""

    live: LiveOrders
    held: dict[str, float] = field(factory=dict)
    fills: Counter[str] = field(factory=Counter)

    def read(self) -> tuple[Coroutine[None, None, None], ...]:
        """Return what reads both, from now on."""
        return self._read_changes(aiter(self.live)), self._read_fills(self.live.fills())

    async def _read_changes(self, changes: AsyncIterator[OrderChange | Lagged]) -> None:
        async for change in changes:
            if isinstance(change, OrderChange):
                order_id = change.order.order_id or ""
                if change.closed:
                    self.held.pop(order_id, None)
                else:
                    self.held[order_id] = change.order.remaining or 0.0

    async def _read_fills(self, fills: AsyncIterator[OrderFilled | Lagged]) -> None:
        async for fill in fills:
            if isinstance(fill, OrderFilled):
                self.fills[fill.fill.tx_id or ""] += 1

    def check(self) -> list[str]:
        """Return what is wrong with it."""
        wrong = [f"fills(): {tx_id} came {n} times" for tx_id, n in self.fills.items() if n > 1]
        held = {order.order_id or "": order.remaining or 0.0 for order in self.live.orders}
        same = held.keys() == self.held.keys() and all(
            abs(held[order_id] - left) < _CENT for order_id, left in self.held.items()
        )
        return wrong if same else [*wrong, f"the changes make {self.held}, and held are {held}"]


def _deadline(rng: random.Random) -> float:
    return rng.choice((0.5, 1.0, 2.0, 5.0))


def _now() -> float:
    return asyncio.get_running_loop().time()


async def run_round(seed: int, tally: Tally | None = None) -> None:
    """Play the round of a seed, and raise AssertionError for what broke the law in it."""
    rng = random.Random(seed)  # noqa: S311  # what is drawn is no secret
    # The pauses between attempts are drawn from the one that all share.
    random.seed(seed)
    tally = Tally() if tally is None else tally
    settings = Settings.draw(rng)
    before = asyncio.all_tasks()
    async with FakeExchange(latency=settings.latency) as exchange:
        broken = await _play(exchange, settings, rng, tally)
    for _ in range(10):
        await asyncio.sleep(0)
    left = asyncio.all_tasks() - before
    if left:
        broken.append(f"left running: {left}")
    tally.rounds += 1
    if broken:
        raise AssertionError(f"seed {seed}: {'; '.join(broken[:5])}; {settings}")


async def _play(
    exchange: FakeExchange, settings: Settings, rng: random.Random, tally: Tally
) -> list[str]:
    before = asyncio.all_tasks()
    async with AsyncExitStack() as stack:
        turn, reader = await _begin(stack, exchange, settings, rng, tally)
        streams = Streams(turn.live)
        reading = [asyncio.create_task(each) for each in (reader.run(), *streams.read())]
        await until(lambda: len(exchange.feeds.user) == 1)
        exchange.book.place(exchange.account, turn.games[0].game_id)
        await reader.ready.wait()
        await stack.enter_async_context(turn.live)
        stack.enter_context(turn.looking())
        seeds = [rng.random() for _ in range(settings.actors)]
        await asyncio.gather(*[turn.act(random.Random(each)) for each in seeds])  # noqa: S311  # as above
        exchange._injected.clear()
        turn.line.faults.clear()
        reader.calm = True
        await turn.finish()
        await asyncio.sleep(_AFTERWARDS)
        await turn.compare()
        reader.check(tally)
        trail = [*turn.trail, *reader.trail, *streams.check()]
        trail += [f"it ended: {task}" for task in reading if task.done()]
        for task in reading:
            task.cancel()
        await asyncio.wait(reading)
    struck = [type(each.fault).__name__ for each in exchange.requests if each.fault is not None]
    tally.struck.update([*struck, *turn.line.struck.elements()])
    if left := own_tasks(before):
        trail.append(f"left running: {left}")
    return trail


async def _begin(
    stack: AsyncExitStack,
    exchange: FakeExchange,
    settings: Settings,
    rng: random.Random,
    tally: Tally,
) -> tuple[Round, Reader]:
    """Give a round whose live orders are not entered yet, and what reads the user feed."""
    token = exchange.add_account(exchange.account, "secret")
    reading_token = exchange.book.issue_token(exchange.account)

    def is_elsewhere(socket: feed_faults.FeedSocket) -> bool:
        return reading_token in socket.request.headers["Authorization"]

    def session_with(token: str, *, login: bool) -> AsyncSession:
        return AsyncSession(
            token,
            base_url=exchange.url,
            orders_url=exchange.orders_url,
            streaming_url=exchange.streaming_url,
            retry=RetryPolicy(attempt_timeout=settings.attempt_timeout, connect_timeout=0.5),
            timeout=5.0,
            read_lag=settings.read_lag,
            username=exchange.account if login else None,
            password="secret" if login else None,
        )

    told = Told(exchange, is_elsewhere)
    line = Line(told, settings.delivery)
    exchange.feeds.user.inject(line, times=None)
    exchange.book.events.listeners.append(told.note)
    games = [exchange.add_game() for _ in range(_GAMES)]
    session = session_with(token, login=settings.with_login)
    await stack.enter_async_context(session)
    elsewhere = await stack.enter_async_context(session_with(reading_token, login=False))
    reader = Reader(elsewhere, told, settings, random.Random(rng.random()))  # noqa: S311  # no secret is drawn
    socket = None
    if settings.with_socket:
        socket = await stack.enter_async_context(session.orders_socket())
    live = session.live_orders(audit=_AUDIT)
    turn = Round(exchange, session, settings, tally, games, told, line, live, socket)
    turn.lag(rng)
    turn.follow()
    return turn, reader
