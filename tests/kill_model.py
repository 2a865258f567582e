"""One account at random: a round of places, edits, cancels, halts and faults, all from a seed.

The law: at the moment a report says that games are clear, nothing of the account rests there, and
nothing that the session was asked for before can come into the book there any more. Beside it, what
was refused by the gate or provably not sent was never received, an order that was reported
cancelled does not rest, every call ends by its deadline, and nothing is left running.
"""

import asyncio
import random
from collections import Counter
from collections.abc import Awaitable, Callable, Iterable, Sequence
from contextlib import AsyncExitStack, suppress

from aiohttp import web
from attrs import Factory, define, field, frozen
from support import own_tasks

from fourcasters_async import (
    AsyncSession,
    CancelReport,
    CancelResult,
    FlatReport,
    FourcastersError,
    GameMarket,
    GameOutcome,
    HaltedError,
    InvalidRequestError,
    LiveOrders,
    NewOrder,
    NotSentError,
    OutcomeUnknownError,
    ProofSource,
    RateLimit,
    RetryPolicy,
    SessionClosedError,
)
from fourcasters_async.orders.verbs import Orders
from fourcasters_async.testing import BookOrder, FakeExchange, faults, feed_faults
from fourcasters_async.testing.answers import body_of

_NOT_SENT = (HaltedError, NotSentError, InvalidRequestError, SessionClosedError)
# An order is known by its risk, which no other has: what it is above this is its number.
_FIRST_RISK = 100
# Seconds after which nothing that was sent can have an effect in the sandbox, and some more.
_LATEST, _AFTERWARDS = 3.0, 10.0
# Seconds that a call may end after its deadline.
_SLACK = 0.1
_GAMES = 4
_TYPES = ("moneyline", "spread", "total")
# An order that was looked at this long ago is in every read.
_SETTLED = 5.0
# Seconds between two audits of the live orders, and in which they are current again. A message that
# the feed loses without a trace is found by an audit at the latest.
_AUDIT, _RECOVERED = 0.5 * _AFTERWARDS, 300.0


@frozen
class RowsFail(faults.Fault):
    """Nothing is cancelled, and the answer says so of each order that was asked for."""

    async def __call__(self, call: faults.Call) -> web.StreamResponse:
        fields = body_of(await call.request.read())
        if isinstance(call, faults.SocketCall):
            fields = call.message.payload
        ids = fields.get("sessionIDs", fields.get("orderIDs"))
        if not isinstance(ids, list):
            return faults.respond(call.commit())
        key = "orderID" if isinstance(call, faults.SocketCall) else "sessionID"
        rows = [{key: each, "success": False, "reason": "System error"} for each in ids]
        if isinstance(call, faults.SocketCall):
            return web.Response(body=call.message.reply("data", rows).content())
        return web.json_response({"data": rows})


_ON_BOTH: tuple[faults.Fault, ...] = (
    faults.Close(),
    faults.Close(committed=True),
    faults.Reset(),
    faults.Reset(committed=True),
    faults.Stall(),
    faults.Stall(committed=True),
    faults.Unavailable(),
    faults.Unavailable(committed=True),
    faults.TooManyRequests("0"),
    faults.TooManyRequests("1"),
    faults.TooManyRequests(None),
    faults.Unauthorized(),
    faults.Slow(0.3),
    faults.Slow(2.0),
    faults.Slow(1.0, committed_first=True),
    faults.Late(0.2),
    faults.Duplicate(),
    faults.Duplicate(pause=0.1),
    faults.Duplicate(pause=0.5),
    faults.Late(1.5, answered=False),
    faults.Late(2.9),
    faults.Late(3.0, answered=False),
)
_OVER_REST: tuple[faults.Fault, ...] = (*_ON_BOTH, faults.StallBody(), faults.Html())
_OVER_THE_SOCKET: tuple[faults.Fault, ...] = (
    *_ON_BOTH,
    faults.HalfOpen(),
    faults.HalfOpen(committed=True),
    faults.CloseCode(),
)
_AT_HANDSHAKES: tuple[faults.Fault, ...] = (
    faults.Close(),
    faults.Stall(),
    faults.Html(status=502),
    faults.TooManyRequests("0"),
)
_Target = tuple[str, Sequence[faults.Fault]]
_TARGETS: tuple[_Target, ...] = (
    ("place", _OVER_REST),
    ("place", _OVER_REST),
    ("placeV3", _OVER_THE_SOCKET),
    ("placeV3", _OVER_THE_SOCKET),
    ("editOrder", _OVER_REST),
    ("cancel", _OVER_REST),
    ("cancelById", _OVER_THE_SOCKET),
    ("cancelMultiple", (*_ON_BOTH, RowsFail(), RowsFail())),
    ("cancelAllOrdersForGame", _OVER_REST),
    ("cancelAllByGame", _OVER_THE_SOCKET),
    ("cancelAllOrders", _OVER_REST),
    ("cancelAll", _OVER_THE_SOCKET),
    ("getUnmatched", _OVER_REST),
    ("getUnmatched", _OVER_REST),
    ("getBetByUserReference", _OVER_REST),
    ("login", _OVER_REST),
    ("ws", _AT_HANDSHAKES),
    ("user", _AT_HANDSHAKES),
    (
        "messages",
        (
            *_AT_HANDSHAKES,
            feed_faults.CacheExpired(),
            feed_faults.CacheExpired(keep=0),
            feed_faults.Overlap(),
            feed_faults.UnknownStatus(),
        ),
    ),
)
_OF_THE_FEED: tuple[feed_faults.FeedFault, ...] = (
    feed_faults.Drop(),
    feed_faults.Duplicate(),
    feed_faults.Held(),
    feed_faults.UnknownMembers(),
    feed_faults.Garbage(),
    feed_faults.Truncate(),
    feed_faults.Cut(),
    feed_faults.Mute(),
    feed_faults.HalfOpen(),
)


@define
class Tally:
    """What was counted over many rounds."""

    rounds: int = 0
    calls: Counter[str] = Factory(Counter)
    claims: Counter[str] = Factory(Counter)
    struck: Counter[str] = Factory(Counter)


@frozen
class Settings:
    """What a round draws before it begins. All times are in seconds."""

    read_lag: float
    late_effect: float
    latency: float
    keep_alive: float
    attempt_timeout: float
    max_connections: int
    places_per_window: int
    with_login: bool
    with_socket: bool
    leave_early: bool
    """Whether the session is closed while calls are under way."""
    actors: int
    steps: int
    weights: tuple[int, ...] = field(repr=False)
    """How often each of `_ACTS` is done. A round that leaves most of them out goes deeper."""
    targets: "tuple[_Target, ...]" = field(repr=False)
    """What fails."""
    with_feed: bool
    """Whether live orders are kept, which can stand for a read."""

    @classmethod
    def draw(cls, rng: random.Random) -> "Settings":
        return cls(
            read_lag=rng.choice((0.1, 0.5, 1.0)),
            late_effect=rng.choice((3.1, 4.0, 6.0, 120.0)),
            latency=rng.choice((0.0, 0.02, 0.1)),
            keep_alive=rng.choice((0.2, 75.0)),
            attempt_timeout=rng.choice((0.4, 2.0, 10.0)),
            max_connections=rng.choice((1, 2, 10)),
            places_per_window=rng.choice((12, 1000)),
            with_login=rng.random() < 0.5,
            with_socket=rng.random() < 0.7,
            leave_early=rng.random() < 0.1,
            actors=rng.randint(1, 4),
            steps=rng.randint(3, 15),
            weights=tuple(
                rng.choice((5, 10) if act in (Round.place, Round.fail) else (0, 1, 1, 3, 8))
                for act in _ACTS
            ),
            targets=tuple(rng.sample(_TARGETS, rng.choice((1, 2, 4, len(_TARGETS))))),
            with_feed=rng.random() < 0.6,
        )


@frozen
class _Claim:
    """That games are clear, said when `known` orders had come into the book.

    `asked` is the number of the first order that had not been asked for.
    """

    said: str
    games: frozenset[str]
    asked: int
    known: int
    types: frozenset[tuple[str, str]] | None = None


@define(eq=False)
class Round:
    """One round, over an exchange that it has for itself."""

    exchange: FakeExchange
    session: AsyncSession
    settings: Settings
    tally: Tally
    games: list[str]
    teams: dict[str, str]
    socket: Orders | None = None
    live: LiveOrders | None = None
    asked: int = 0
    trail: list[str] = field(factory=list)
    _claims: list[_Claim] = field(factory=list)
    _never: dict[int, str] = field(factory=dict)
    _calls: "dict[asyncio.Task[None], str]" = field(factory=dict)
    _doubtful: list[NewOrder] = field(factory=list)
    _resumes: int = 0

    # What is drawn.

    async def act(self, rng: random.Random) -> None:
        """Do one thing after another. A call may be left alone while the next one begins."""
        for _ in range(self.settings.steps):
            call = rng.choices(_ACTS, self.settings.weights)[0](self, rng)
            if call is not None:
                name, work = call
                self.tally.calls[name] += 1
                task = asyncio.create_task(self._watch(name, work))
                self._calls[task] = name
                task.add_done_callback(self._calls.pop)
                if rng.random() < 0.5:
                    await asyncio.wait([task])
            await asyncio.sleep(rng.choice((0.0, 0.0, 0.0, 0.0, 0.01, 0.1, 0.4, 1.0)))

    async def finish(self) -> None:
        """Wait until all calls have ended, and then until nothing can have an effect any more."""
        while self._calls:
            await asyncio.wait(list(self._calls))
        await asyncio.sleep(_AFTERWARDS)

    async def _watch(self, name: str, work: Callable[[], Awaitable[float | None]]) -> None:
        clock = asyncio.get_running_loop().time
        started = clock()
        task = asyncio.current_task()
        try:
            deadline = await work()
        except asyncio.CancelledError:
            self.demand(task is not None and task.cancelling() > 0, f"{name}: cancelled by nobody")
            raise
        except SessionClosedError:
            self.demand(self.settings.leave_early, f"{name}: the session is closed")
            return
        except Exception as error:  # noqa: BLE001  # whatever it is, it breaks the law
            self.demand(False, f"{name}: raised {error!r}")
            return
        if deadline is not None:
            late = clock() - started - deadline
            self.demand(late <= _SLACK, f"{name}: ended {late:.3f} s after its deadline")

    def _orders(self, rng: random.Random) -> Orders:
        if self.socket is not None and rng.random() < 0.5:
            return self.socket
        return self.session

    def _some_games(self, rng: random.Random) -> list[str]:
        return rng.sample(self.games, rng.randint(1, _GAMES))

    def _some_ids(self, rng: random.Random, count: int) -> list[str]:
        orders = list(self.exchange.book.orders.values())[-30:]
        return [order.order_id for order in rng.sample(orders, min(count, len(orders)))]

    def _number_order(self) -> int:
        self.asked += 1
        return self.asked - 1

    # What is demanded.

    def demand(self, true: object, otherwise: str) -> None:
        """Note a violation of the law."""
        if not true:
            at = asyncio.get_running_loop().time() - 1000
            self.trail.append(f"{otherwise} (at {at:.2f} s)")

    def claim(
        self,
        said: str,
        games: Iterable[str],
        types: frozenset[tuple[str, str]] | None = None,
    ) -> None:
        """Hold the word that games are clear against the book, now and at the end."""
        self.tally.claims[said] += 1
        orders = self.exchange.book.orders
        claim = _Claim(said, frozenset(games), self.asked, len(orders), types)
        resting = self.exchange.book.resting(claim.games, account=self.exchange.account)
        open_ = [o for o in resting if types is None or (o.game_id, o.type) in types]
        self.demand(not open_, f"{said}: clear, and {len(open_)} rest: {self._shown(open_)}")
        self._claims.append(claim)

    def _shown(self, orders: Sequence[BookOrder]) -> str:
        return ", ".join(
            f"order {_number(o.offered)} on game {self.games.index(o.game_id)} since "
            f"{o.placed_at - _SETTLED:.2f} s"
            for o in orders[:3]
        )

    def cancelled(self, said: str, results: Iterable[CancelResult]) -> None:
        """Hold results against the book: what is called cancelled does not rest."""
        for result in results:
            if result.success and result.order_id is not None:
                order = self.exchange.book.orders[result.order_id]
                self.demand(not order.open, f"{said}: called cancelled, and rests: {result}")

    def never(self, numbers: Iterable[int], why: BaseException) -> None:
        """Take note that orders were not sent."""
        self._never.update((number, f"{type(why).__name__}: {why}") for number in numbers)

    def check_all(self) -> None:
        """Hold all that was said against all that came."""
        received: set[int] = set()
        for each in self.exchange.requests:
            if each.fault is not None:
                self.tally.struck[type(each.fault).__name__] += 1
            if isinstance(each.fault, faults.Unauthorized):
                # It was refused, and sent again only if it still might be.
                continue
            body = body_of(each.content)
            placed = body.get("orders")
            rows = placed if isinstance(placed, list) else []
            risks = [row.get("bet") for row in rows] + [body.get("orderVolume")]
            received |= {_number(risk) for risk in risks if isinstance(risk, int | float)}
        for number, why in self._never.items():
            self.demand(number not in received, f"order {number} was received after {why}")
        orders = list(self.exchange.book.orders.values())
        for claim in self._claims:
            landed = [
                order
                for order in orders[claim.known :]
                if order.game_id in claim.games
                and _number(order.offered) < claim.asked
                and (claim.types is None or (order.game_id, order.type) in claim.types)
            ]
            self.demand(
                not landed, f"{claim.said}: clear, and later came in: {self._shown(landed)}"
            )

    # What can be done.

    def place(self, rng: random.Random) -> "_Call":
        orders, deadline = self._orders(rng), _deadline(rng)
        count = rng.choice((1, 1, 1, 2, 5))
        plan = [(rng.choice(self.games), rng.choice(_TYPES)) for _ in range(count)]
        named = [rng.random() < 0.3 for _ in range(count)]
        if rng.random() < 0.5:
            self._resume(None)

        async def work() -> float:
            numbers = [self._number_order() for _ in plan]
            new = [
                NewOrder(
                    game,
                    type_,
                    "over" if type_ == "total" else self.teams[game],
                    odds=-110,
                    bet=float(_FIRST_RISK + number),
                    number=None if type_ == "moneyline" else 3.5,
                    user_reference=f"ref-{number}" if by_name else None,
                )
                for number, (game, type_), by_name in zip(numbers, plan, named, strict=True)
            ]
            halted = any(game in self.session.halted for game, _ in plan)
            try:
                results = await orders.place(new, deadline=deadline)
            except _NOT_SENT as error:
                self.never(numbers, error)
                expected = isinstance(error, HaltedError | SessionClosedError) or not halted
                self.demand(expected, f"place on a halted game: {error!r}")
            except OutcomeUnknownError as error:
                self.demand(not halted, f"place on a halted game left: {error}")
                self._doubtful += [o for o in error.orders if isinstance(o, NewOrder)]
            except FourcastersError as error:
                self.demand(not halted, f"place on a halted game left: {error}")
            except asyncio.CancelledError as error:
                if any("was not sent" in note for note in getattr(error, "__notes__", ())):
                    self.never(numbers, error)
                raise
            else:
                self.demand(not halted, "place on a halted game was answered")
                self.demand(len(results) == len(new), "place: results are missing")
            return deadline

        return "place", work

    def edit(self, rng: random.Random) -> "_Call | None":
        ids, deadline = self._some_ids(rng, 1), _deadline(rng)
        if not ids:
            return None
        order = self.exchange.book.orders[ids[0]]
        with_game = rng.random() < 0.7
        reference = rng.choice((None, "edited"))

        async def work() -> float:
            number = self._number_order()
            halted = order.game_id in self.session.halted
            try:
                await self.session.edit_order(
                    order.order_id,
                    order_odds=-120,
                    order_volume=float(_FIRST_RISK + number),
                    user_reference=None if reference is None else f"{reference}-{number}",
                    game_id=order.game_id if with_game else None,
                    deadline=deadline,
                )
            except _NOT_SENT as error:
                self.never([number], error)
            except FourcastersError as error:
                self.demand(not halted, f"edit on a halted game left: {error}")
            except asyncio.CancelledError as error:
                if any("was not sent" in note for note in getattr(error, "__notes__", ())):
                    self.never([number], error)
                raise
            else:
                self.demand(not halted, "edit on a halted game was answered")
            return deadline

        return "edit_order", work

    def cancel(self, rng: random.Random) -> "_Call | None":
        orders, deadline = self._orders(rng), _deadline(rng)
        ids = self._some_ids(rng, rng.choice((1, 1, 3)))
        if not ids:
            return None

        async def work() -> float:
            with suppress(FourcastersError):
                if len(ids) == 1:
                    results = [await orders.cancel(ids[0], deadline=deadline)]
                else:
                    results = await orders.cancel_multiple(ids, deadline=deadline)
                self.cancelled("cancel", results)
            return deadline

        return "cancel", work

    def cancel_game(self, rng: random.Random) -> "_Call":
        orders, deadline, game = self._orders(rng), _deadline(rng), rng.choice(self.games)
        everything = rng.random() < 0.2

        async def work() -> float:
            with suppress(FourcastersError):
                results = await (
                    orders.cancel_all_orders(deadline=deadline)
                    if everything
                    else orders.cancel_all_orders_for_game(game, deadline=deadline)
                )
                self.cancelled("cancel_all", results)
            return deadline

        return "cancel_all", work

    def fan_out(self, rng: random.Random) -> "_Call":
        orders, deadline = self._orders(rng), _deadline(rng)
        verify = rng.random() < 0.8
        markets = [
            GameMarket(game, rng.choice((None, None, *_TYPES))) for game in self._some_games(rng)
        ]

        async def work() -> float:
            report = await orders.cancel_all_orders_for_games(
                markets, deadline=deadline, verify=verify
            )
            self._report("fan-out", report, [o for o in report.outcomes if report.verified_clear])
            return deadline

        return "fan_out", work

    def halt(self, rng: random.Random) -> "_Call":
        games = None if rng.random() < 0.3 else self._some_games(rng)
        deadline, at_once = _deadline(rng), rng.random() < 0.1

        async def work() -> float:
            halting = self.session.halt(games, deadline=deadline)
            for game in games or self.games:
                self.demand(game in self.session.halted, "halt: the gate is not shut at once")
            if at_once:
                self.session.resume(games)
            resumes = self._resumes
            report = await halting
            shut = [o for o in report.outcomes if o.game_id in self.session.halted]
            self._report("halt", report, report.outcomes if report.verified_clear else ())
            # Nothing is placed there meanwhile, so what one read proved stays true.
            if not at_once and self._resumes == resumes:
                self._clear("halted game", [o for o in shut if o.resting == []])
            return deadline

        return "halt", work

    def _report(self, said: str, report: CancelReport, clear: Iterable[GameOutcome]) -> None:
        self.cancelled(said, report.results)
        by_feed = [outcome.seen_by is ProofSource.FEED for outcome in report.outcomes]
        if report.seen_by is ProofSource.FEED or any(by_feed):
            said = f"{said} (feed)"
        if report.verified_clear and report.whole_account:
            self.claim(f"{said} of everything", self.games)
        else:
            self._clear(said, clear)

    def _clear(self, said: str, outcomes: Iterable[GameOutcome]) -> None:
        types = frozenset(
            (o.game_id, type_) for o in outcomes for type_ in _TYPES if o.type in (None, type_)
        )
        if types:
            self.claim(said, {game for game, _ in types}, types)

    def resume(self, rng: random.Random) -> None:
        self._resume(None if rng.random() < 0.5 else self._some_games(rng))

    def _resume(self, games: list[str] | None) -> None:
        self._resumes += 1
        self.session.resume(games)

    def flatten(self, rng: random.Random) -> "_Call":
        deadline = _deadline(rng)

        async def work() -> float:
            report: FlatReport = await self.session.flatten(deadline=deadline)
            self.cancelled("flatten", report.results)
            if report.clear:
                by_feed = " (feed)" if report.seen_by is ProofSource.FEED else ""
                self.claim(f"flatten{by_feed}", self.games)
            return deadline

        return "flatten", work

    def reconcile(self, rng: random.Random) -> "_Call | None":
        deadline, wanted = _deadline(rng), list(self._doubtful)
        if not wanted:
            return None

        async def work() -> float:
            with suppress(FourcastersError):
                for each in await self.session.reconcile(wanted, deadline=deadline):
                    self.tally.claims[f"reconciled: {each.fate}"] += 1
            return deadline

        return "reconcile", work

    def give_up(self, rng: random.Random) -> None:
        """Cancel the task of a caller."""
        if self._calls:
            rng.choice(list(self._calls)).cancel()

    def break_connections(self, rng: random.Random) -> "_Call":
        async def work() -> None:
            await self.exchange.drop_sockets(rng.choice((None, 1000, 1001)))

        return "drop", work

    def fail(self, rng: random.Random) -> None:
        """Let the next requests of some kind fail."""
        endpoint, known = rng.choice(self.settings.targets)
        game = rng.choice((None, None, None, rng.choice(self.games)))
        self.exchange.inject(
            rng.choice(known),
            endpoint=endpoint,
            game_id=None if endpoint in ("ws", "login", "getUnmatched") else game,
            times=rng.choice((1, 1, 2)),
        )

    def fail_feed(self, rng: random.Random) -> None:
        """Let the next messages of the user feed fail, or its connection."""
        if rng.random() < 0.3:
            self.exchange.feeds.drop(rng.choice((None, 1001)), endpoint="user")
            return
        self.exchange.feeds.user.inject(
            rng.choice(_OF_THE_FEED), after=rng.choice((0, 0, 1, 3)), times=rng.choice((1, 1, 2, 5))
        )

    async def compare(self) -> None:
        """Hold the live orders against the book once nothing fails any more."""
        live = self.live
        if live is None or self.settings.leave_early:
            return
        current = await live.wait_until_current(deadline=_RECOVERED)
        self.demand(current, f"live orders: not current {_RECOVERED} s later: {live.doubt}")
        held = {order.order_id: order.remaining for order in live.orders}
        book = {o.order_id: o.remaining for o in self.exchange.open_orders()}
        self.demand(held.keys() == book.keys(), f"live orders: held {held}, and rest {book}")
        self.tally.claims["live orders are the book"] += 1

    def lag(self, rng: random.Random) -> None:
        """Let reads trail the book, within what the session reckons with."""
        most = 0.99 * self.settings.read_lag
        self.exchange.appear_lag = most * rng.choice((0, 0.5, 1))
        self.exchange.vanish_lag = most * rng.choice((0, 0.5, 1))


_Work = Callable[[], Awaitable[float | None]]
_Call = tuple[str, _Work]
_Act = Callable[[Round, random.Random], _Call | None]
_ACTS: tuple[_Act, ...] = (
    Round.place,
    Round.edit,
    Round.cancel,
    Round.cancel_game,
    Round.fan_out,
    Round.halt,
    Round.resume,
    Round.flatten,
    Round.reconcile,
    Round.give_up,
    Round.break_connections,
    Round.fail,
    Round.lag,
    Round.fail_feed,
)


def _deadline(rng: random.Random) -> float:
    return rng.choice((0.5, 1.0, 2.0, 5.0))


def _number(risk: float) -> int:
    return int(risk) - _FIRST_RISK


async def run_round(seed: int, tally: Tally | None = None) -> None:
    """Play the round of a seed, and raise AssertionError for what broke the law in it."""
    rng = random.Random(seed)  # noqa: S311  # what is drawn is no secret
    # The pauses between attempts are drawn from the one that all share.
    random.seed(seed)
    tally = Tally() if tally is None else tally
    settings = Settings.draw(rng)
    before = asyncio.all_tasks()
    async with FakeExchange(latency=settings.latency, keep_alive=settings.keep_alive) as exchange:
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
    token = exchange.add_account(exchange.account, "secret")
    games = [exchange.add_game() for _ in range(_GAMES)]
    for game in games:
        for type_ in _TYPES:
            exchange.book.place(exchange.account, game.game_id, type=type_, offered=1.0)
    exchange.move_clock(_SETTLED)
    before = asyncio.all_tasks()
    async with AsyncExitStack() as stack:
        session = await stack.enter_async_context(
            AsyncSession(
                token,
                base_url=exchange.url,
                orders_url=exchange.orders_url,
                streaming_url=exchange.streaming_url,
                retry=RetryPolicy(attempt_timeout=settings.attempt_timeout, connect_timeout=0.5),
                max_connections=settings.max_connections,
                rate_limit=RateLimit(settings.places_per_window, 1.0, reserve=6),
                timeout=5.0,
                late_effect=settings.late_effect,
                read_lag=settings.read_lag,
                username=exchange.account if settings.with_login else None,
                password="secret" if settings.with_login else None,
            )
        )
        teams = {game.game_id: game.home_id for game in games}
        turn = Round(exchange, session, settings, tally, list(teams), teams)
        turn.lag(rng)
        if settings.with_socket:
            turn.socket = await stack.enter_async_context(session.orders_socket())
        if settings.with_feed:
            turn.live = await stack.enter_async_context(session.live_orders(audit=_AUDIT))
        seeds = [rng.random() for _ in range(settings.actors)]
        await asyncio.gather(*[turn.act(random.Random(each)) for each in seeds])  # noqa: S311  # as above
        exchange.clear_faults()
        exchange.feeds.clear_faults()
        if not settings.leave_early:
            await turn.finish()
            await turn.compare()
    await turn.finish()
    turn.check_all()
    if left := own_tasks(before):
        turn.trail.append(f"the session left running: {left}")
    return turn.trail
