"""What test modules share: an event loop whose waits cost nothing, a policy, the transports."""

import asyncio
import os
import pickle
import re
import secrets
import selectors
import socket
import sys
import time
import traceback
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from concurrent.futures import Executor
from contextlib import AbstractAsyncContextManager, asynccontextmanager, contextmanager, suppress
from pathlib import Path
from types import SimpleNamespace
from typing import Any, TypeVar, TypeVarTuple
from unittest.mock import patch

from attrs import evolve, frozen
from rich.traceback import Traceback

from fourcasters_async import AsyncSession, MarketType, NewOrder, RetryPolicy
from fourcasters_async.orders.verbs import Orders
from fourcasters_async.testing import BookOrder, FakeExchange

T = TypeVar("T")
Ts = TypeVarTuple("Ts")

SECOND = 1.0
"""How long tests wait. On a loop that cannot jump, `conftest` makes it a fifth."""
QUICK = RetryPolicy(
    max_attempts=3, attempt_timeout=5 * SECOND, backoff_base=0.001, backoff_cap=0.002
)
"""Three attempts without a pause worth mentioning, each long enough on any machine."""

PATIENT = evolve(QUICK, attempt_timeout=10.0)
"""As `QUICK`, for attempts that nothing should end."""

LoopFactory = Callable[[], asyncio.AbstractEventLoop]

# Real seconds in which what is on its way to a socket arrives.
_GRACE = 0.0005
# Seconds after which a test is stuck.
_STUCK = 30.0


class _Selector(selectors.DefaultSelector):
    """Waits for events, and moves the clock of its loop on instead where none can come."""

    def __init__(self) -> None:
        super().__init__()
        self.now = 1000.0
        self.threads = 0
        self.watched: dict[asyncio.Future[None], Callable[[], bool]] = {}
        self.at_rest: list[Callable[[], None]] = []

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        woken = [waiter for waiter, true in self.watched.items() if not waiter.done() and true()]
        for waiter in woken:
            waiter.set_result(None)
        events = super().select(0)
        if events or woken or timeout == 0:
            return events
        if timeout is None or self.threads:
            started = time.monotonic()
            events = super().select(_STUCK if timeout is None else timeout)
            waited = time.monotonic() - started
            self.now += waited
            if timeout is None and not self.threads and waited >= _STUCK:
                raise RuntimeError("the loop waits for something that nothing will do")
            return events
        time.sleep(_GRACE)
        events = super().select(0)
        if not events:
            for look in self.at_rest:
                look()
            self.now += timeout
        return events


class JumpingLoop(asyncio.SelectorEventLoop):
    """A loop whose clock stands still while anything is done, and jumps while nothing is.

    Every timer fires at its exact time, however fast the machine is, and no wait takes long. That
    holds as long as all that the loop waits for is inside the process. While a thread of an
    executor is at work, the clock runs as usual. Another process is for `pytest.mark.real_time`.
    """

    def __init__(self) -> None:
        self._clock = _Selector()
        super().__init__(self._clock)

    def time(self) -> float:
        return self._clock.now

    def pass_time(self, seconds: float) -> None:
        """Let time pass in which the loop does nothing."""
        self._clock.now += seconds

    def look_at_rest(self, look: Callable[[], None]) -> None:
        """Call `look` whenever nothing more happens at a time. It must do nothing to the loop."""
        self._clock.at_rest.append(look)

    def look_no_more(self, look: Callable[[], None]) -> None:
        self._clock.at_rest.remove(look)

    async def until(self, true: Callable[[], bool]) -> None:
        waiter = self.create_future()
        self._clock.watched[waiter] = true
        try:
            await waiter
        finally:
            del self._clock.watched[waiter]

    def run_in_executor(
        self, executor: Executor | None, func: Callable[[*Ts], T], *args: *Ts
    ) -> "asyncio.Future[T]":
        future = super().run_in_executor(executor, func, *args)
        self._clock.threads += 1
        future.add_done_callback(self._leave_thread)
        return future

    def _leave_thread(self, _: object) -> None:
        self._clock.threads -= 1

    async def shutdown_default_executor(self, *args: Any) -> None:
        self._clock.threads += 1
        await super().shutdown_default_executor(*args)

    async def subprocess_exec(self, *_: Any, **__: Any) -> Any:
        raise RuntimeError("mark the test with real_time: the clock would not wait for a process")


def loop_factory(kind: str, *, eager: bool) -> LoopFactory:
    """Return what makes event loops of a kind: `jumping`, `asyncio` or `uvloop`."""

    def make() -> asyncio.AbstractEventLoop:
        loop: asyncio.AbstractEventLoop
        if kind == "uvloop":
            # Windows has no uvloop.
            import uvloop  # noqa: PLC0415  # as above

            loop = uvloop.new_event_loop()
        else:
            loop = JumpingLoop() if kind == "jumping" else asyncio.new_event_loop()
        if eager and sys.version_info >= (3, 12):
            loop.set_task_factory(asyncio.eager_task_factory)
        return loop

    return make


@contextmanager
def one_clock(loop: JumpingLoop) -> Iterator[None]:
    """Let everything in the process go by the clock of a jumping loop."""

    def now() -> float:
        with suppress(RuntimeError):
            return asyncio.get_running_loop().time()
        return loop.time()

    with (
        patch("aiohttp.connector.monotonic", now),
        patch("fourcasters_async.dead_man.time", SimpleNamespace(monotonic=now)),
        # How often a fault looks whether the client has left. Each look is a jump.
        patch("fourcasters_async.testing.calls._POLL", 1.0),
    ):
        yield


def quote(game_id: str, user_reference: str | None = None) -> NewOrder:
    """Return an order that the exchange puts into the book."""
    return NewOrder(
        game_id,
        MarketType.TOTAL,
        "over",
        odds=-110,
        bet=50.0,
        number=220.5,
        user_reference=user_reference,
    )


async def until(true: Callable[[], bool]) -> None:
    """Let the loop run until something is true of which nothing tells."""
    async with asyncio.timeout(_STUCK):
        loop = asyncio.get_running_loop()
        while not true():
            # A turn without rest would keep the clock of a jumping loop where it is.
            await (loop.until(true) if isinstance(loop, JumpingLoop) else asyncio.sleep(0))


def block(seconds: float) -> None:
    """Keep the loop from doing anything for so long."""
    if isinstance(loop := asyncio.get_running_loop(), JumpingLoop):
        loop.pass_time(seconds)
    else:
        time.sleep(seconds)


def own_tasks(before: set["asyncio.Task[object]"]) -> set["asyncio.Task[object]"]:
    """Return the tasks that are new, but for those of the exchange."""
    server = ("RequestHandler", "_serve", "_accept_connection2", "OrdersSockets")
    new = asyncio.all_tasks() - before
    return {task for task in new if not any(name in repr(task.get_coro()) for name in server)}


@frozen
class Transport:
    """A way to the exchange: where cancels and places go, and what it calls an order's id."""

    game: str
    place: str
    order_id: str
    open: Callable[[AsyncSession], AbstractAsyncContextManager[Orders]]

    def __str__(self) -> str:
        return "rest" if self is REST else "socket"


@asynccontextmanager
async def _over_rest(session: AsyncSession) -> AsyncIterator[Orders]:
    yield session


REST = Transport("cancelAllOrdersForGame", "place", "sessionID", _over_rest)
SOCKET = Transport("cancelAllByGame", "placeV3", "orderID", lambda session: session.orders_socket())


REFERENCE = "mine/1"


@frozen
class Verb:
    """A verb, called for an order, and the endpoint or the type of message that it is sent to."""

    endpoint: str
    call: Callable[[Any, BookOrder], Awaitable[object]]
    over_socket: bool = False

    async def __call__(self, session: AsyncSession, order: BookOrder) -> object:
        """Call it, over the transport that its endpoint is on."""
        if not self.over_socket:
            return await self.call(session, order)
        async with session.orders_socket() as orders:
            return await self.call(orders, order)

    def __str__(self) -> str:
        return f"socket-{self.endpoint}" if self.over_socket else self.endpoint


OVER_REST = [
    Verb("cancel", lambda s, o: s.cancel(o.order_id)),
    Verb("cancelMultiple", lambda s, o: s.cancel_multiple([o.order_id])),
    Verb("cancelByReference", lambda s, o: s.cancel_by_reference(o.game_id, [REFERENCE])),
    Verb("cancelAllForLeague", lambda s, _: s.cancel_all_for_league("nba")),
    Verb("cancelAllOrders", lambda s, _: s.cancel_all_orders()),
    Verb("cancelAllOrdersForGame", lambda s, o: s.cancel_all_orders_for_game(o.game_id)),
]
OVER_THE_SOCKET = [
    Verb("cancelById", lambda s, o: s.cancel(o.order_id), over_socket=True),
    Verb("cancelMultiple", lambda s, o: s.cancel_multiple([o.order_id]), over_socket=True),
    Verb("cancelAll", lambda s, _: s.cancel_all_orders(), over_socket=True),
    Verb("cancelAllByGame", lambda s, o: s.cancel_all_orders_for_game(o.game_id), over_socket=True),
]
VERBS = [*OVER_REST, *OVER_THE_SOCKET]


# Joined here so that no line of source in a traceback has it.
CANARY = "canary" + "-token-0123456789abcdef"


def everything_shown_of(error: BaseException) -> Iterator[str]:
    """Show the error, its chain, its pickle, and the locals of every frame but those of tests."""
    seen: set[int] = set()
    todo: list[BaseException | None] = [error]
    while todo:
        each = todo.pop()
        if each is None or id(each) in seen:
            continue
        seen.add(id(each))
        yield from (str(each), repr(each), repr(vars(each)), repr(pickle.dumps(each)))
        shown = traceback.TracebackException.from_exception(each, capture_locals=True)
        tests = Path(__file__).parent
        yield from (str(f.locals) for f in shown.stack if Path(f.filename).parent != tests)
        # It cuts long strings before it shows them.
        rich = Traceback.extract(type(each), each, each.__traceback__, show_locals=True)
        frames = [frame for stack in rich.stacks for frame in stack.frames]
        for frame in frames:
            if Path(frame.filename).parent != tests:
                yield from (str(value) for value in (frame.locals or {}).values())
        todo += [each.__cause__, each.__context__]
        if isinstance(each, BaseExceptionGroup):
            todo += each.exceptions


def echo(text: str) -> bytes:
    return b'{"error": "' + text.encode() + b'"}'


ECHOES = [
    echo(f"the token {CANARY} is no good"),
    echo("the token " + CANARY.replace("-", r"\u002d") + " is no good"),
    echo("x" * (300 - len(CANARY) // 2) + CANARY),
]


@frozen
class Ran:
    """What a command printed, and how it ended."""

    status: int
    out: str
    err: str


Run = Callable[..., Awaitable[Ran]]


# What says where the machine has its things, and what the tools that run the tests pass on.
_OF_THE_MACHINE = re.compile(
    r"PATH|HOME|USERPROFILE|TMPDIR|TEMP|TMP|SYSTEMROOT|COMSPEC|PATHEXT|APPDATA|LOCALAPPDATA"
    r"|PYTHONPATH|PYTHONDONTWRITEBYTECODE|LD_LIBRARY_PATH|DYLD_.*|(PYTEST|COV|COVERAGE|DESK|PLAYWRIGHT)_.*",
    re.IGNORECASE,
)


def leave_the_shell(kept_by_tests: Path) -> None:
    """Drop the variables of whoever runs the tests, such as a token, NO_COLOR, TZ or a proxy.

    The programs that tests start inherit what is left, and what the user keeps is not theirs.
    """
    for name in list(os.environ):
        if not _OF_THE_MACHINE.fullmatch(name):
            del os.environ[name]
    os.environ["XDG_STATE_HOME"] = str(kept_by_tests)
    if hasattr(time, "tzset"):
        time.tzset()


def free_port() -> int:
    """Return a port that nobody listens on.

    It is not one of those that the system gives away: another test would soon get it too.
    """
    while True:
        port = 20_000 + secrets.randbelow(12_000)
        with suppress(OSError), socket.create_server(("127.0.0.1", port)):
            return port


def environment(exchange: FakeExchange) -> dict[str, str]:
    """Return the variables with which a command uses a sandbox."""
    return {"FOURCASTERS_TOKEN": exchange.token, "FOURCASTERS_BASE_URL": exchange.url}
