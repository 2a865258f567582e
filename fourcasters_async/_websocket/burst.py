"""The first attempts of many requests, made at once on one connection."""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Generic, TypeVar

from attrs import define, field

from fourcasters_async._core.failures import no_response
from fourcasters_async._core.outcome import (
    AttemptResult,
    AttemptStatus,
    NoResponse,
    RequestOutcome,
    unanswered,
)
from fourcasters_async._core.request import Request
from fourcasters_async._core.retry import Attempts, RetryPolicy
from fourcasters_async._websocket.connection import Connection
from fourcasters_async._websocket.frames import Document, classify, encode
from fourcasters_async._websocket.pending import HELD_BACK, Pending

T = TypeVar("T")

# So many are written before the others are thought of: that takes longer than a packet next door.
_FIRST = 25


@define(eq=False)
class _One(Pending):
    """One request of a burst. Its frame is made right before it is written."""

    burst: "Burst[Any]"
    index: int
    # Whether its first attempt is decided or withdrawn. The writer and the reader ask each time.
    done: bool = field(default=False, init=False)

    def frame(self, now: float) -> bytes | NoResponse:
        """Make the frame, unless the time is up: to make those before it takes time."""
        if now >= self.ends:
            return NoResponse("TimeoutError: the time was up", not_sent=True)
        burst = self.burst
        if not burst.may_leave(now):
            return HELD_BACK
        try:
            return encode(burst.request, self.request_id, burst.body_of(self.index))
        except Exception as error:  # noqa: BLE001  # no request's failure may touch another's
            return no_response(error, left=False)

    def end(self, how: Document | NoResponse) -> None:
        if not self.done:
            self.done = True  # pyright: ignore[reportIncompatibleMethodOverride]  # a field is read faster
            self.burst.take(self.index, how)


class Burst(Generic[T]):
    """The first attempts of `count` requests, which take no task and no future each.

    `request` is the first. They differ in nothing but their bodies, which `body_of` returns by the
    index, and have no `leave`. As soon as the answer to one comes, `answered` is called with its
    index and the answer, in the task that reads. A request that its first attempt does not decide
    is handed over: `undecided` is called with the index and that attempt, which `Sender.send` goes
    on from. So is one that may not leave any more when its turn comes, which `may_leave` says of a
    loop time; it was not attempted. All have the loop time `deadline`, and the attempts end by
    `ends`. An attempt that was handed over before it was decided may still be answered.
    """

    def __init__(
        self,
        connection: Connection,
        count: int,
        request: Request[T],
        body_of: Callable[[int], Mapping[str, object]],
        *,
        deadline: float,
        ends: float,
        redact: Callable[[str], str],
        may_leave: Callable[[float], bool],
        answered: Callable[[int, T], None],
        undecided: Callable[[int, "FirstAttempt[T]"], None],
    ) -> None:
        self.connection = connection
        self.deadline = deadline
        self.request = request
        self.body_of = body_of
        self.may_leave = may_leave
        self._ends = ends
        self._redact = redact
        self._answered = answered
        self._undecided = undecided
        self._count = self._left = count
        self.given_up: int = 0
        """How many were withdrawn without an answer, and not gone on with."""
        self.began: float = asyncio.get_running_loop().time()
        """When they began to leave, as a loop time."""
        # Of those that have ended, how many did not tell an answer.
        self._unanswered = 0
        self._pending: list[_One] = []
        self._handed_over = False
        # Of requests that were handed over before their first attempt was decided.
        self._waiting: dict[int, FirstAttempt[T]] = {}
        self._over: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    async def run(self) -> None:
        """Send all, and return once each first attempt is decided or withdrawn."""
        try:
            self._ask(range(min(_FIRST, self._count)))
            if self._count > _FIRST:
                await asyncio.sleep(0)
                self._ask(range(_FIRST, self._count))
            await self._over
        finally:
            if self._left:
                for one in self._pending:
                    self._withdraw(one)
            # They hold the burst, and it them: the collector would have to find them.
            self._pending = []

    @property
    def told(self) -> int:
        """How many first attempts have told their answer."""
        return self._count - self._left - self._unanswered

    def hand_over(self) -> None:
        """Hand over every request that is not decided yet. Its attempt goes on."""
        self._handed_over = True
        self._hand_over(self._pending)

    def take(self, index: int, how: Document | NoResponse) -> None:
        """Take the answer to a request, or why there is none."""
        first = self._waiting.pop(index, None) if self._waiting else None
        try:
            if first is not None:
                first.end(how)
                self._unanswered += not first.answered
            elif not self.answer(index, how):
                self._unanswered += 1
                self._undecided(index, FirstAttempt(self, index, how))
        except BaseException as error:
            if not self._over.done():
                self._over.set_exception(error)
            if not isinstance(error, Exception):
                raise
        self._left -= 1
        if not self._left:
            self._finish()

    def answer(self, index: int, how: Document | NoResponse) -> bool:
        """Tell the answer to a request; return `False` if it is none."""
        try:
            result = self.judge(how)
        except Exception:  # noqa: BLE001  # it is raised again where a crash of one request belongs
            return False
        if result.status is not AttemptStatus.ANSWERED:
            return False
        self._answered(index, result.value)  # type: ignore[arg-type]  # an answer has a value
        return True

    def withdraw(self, index: int) -> NoResponse:
        """Wait no more for the answer to a request that was handed over; return what it proves."""
        not_sent = False
        if index in self._waiting:
            one = self._pending[index]
            self._withdraw(one)
            not_sent = one.left is None
        return NoResponse("its task was cancelled", not_sent=not_sent)

    def judge(self, how: Document | NoResponse) -> AttemptResult[T]:
        """Return what an answer proves, or that none came."""
        if type(how) is NoResponse:
            return unanswered(self.request, how)
        return classify(self.request, how, redact=self._redact)

    def _ask(self, indices: range) -> None:
        ids = self.connection.new_ids(len(indices))
        asked = [
            _One(request_id, self._ends, self, index)
            for index, request_id in zip(indices, ids, strict=True)
        ]
        self.connection.ask_all(asked)
        self._pending += asked
        if self._handed_over:
            self._hand_over(asked)

    def _hand_over(self, ones: Sequence[_One]) -> None:
        for one in ones:
            if not one.done:
                first = self._waiting[one.index] = FirstAttempt(self, one.index)
                self._undecided(one.index, first)

    def _withdraw(self, one: _One) -> None:
        """Wait no more for an answer, and send nothing that is not sent yet."""
        if not one.done:
            one.done = True
            self.connection.forget(one)
            first = self._waiting.pop(one.index, None)
            self.given_up += first is None or not first.is_awaited
            self._unanswered += 1
            self._left -= 1
            if not self._left:
                self._finish()

    def _finish(self) -> None:
        if not self._over.done():
            self._over.set_result(None)


@define(eq=False)
class FirstAttempt(Generic[T]):
    """The first attempt of one request of a burst, which did not decide it, or not yet.

    `how` is its end, `None` while it has none.
    """

    _burst: Burst[T]
    _index: int
    _how: Document | NoResponse | None = None
    answered: bool = field(default=False, init=False)
    """Whether its answer was told after it was handed over, before anybody waited for it."""
    _ended: "asyncio.Future[None] | None" = field(default=None, init=False)

    async def __call__(self, attempts: Attempts[T]) -> AttemptResult[T] | None:
        """Return what it proves, and say in `attempts` what it was made with.

        Returns `None` if it was not made.
        """
        attempts.deadline = self._burst.deadline
        if attempts.moments is not None:
            # What was written when is not kept: there are thousands.
            attempts.moments.began, attempts.moments.left = self._burst.began, None
        if self._how is None:
            self._ended = asyncio.get_running_loop().create_future()
            try:
                await self._ended
            finally:
                how = self.withdraw()
        else:
            how = self._how
        if how is HELD_BACK:
            if attempts.moments is not None:
                attempts.moments.left = False
            return None
        attempts.token = self._burst.connection.token
        return self._burst.judge(how)

    @property
    def is_awaited(self) -> bool:
        """Whether somebody goes on from it."""
        return self._ended is not None

    def end(self, how: Document | NoResponse) -> None:
        """Take its end. An answer for which nobody waits is told at once."""
        self._how = how
        if self._ended is None:
            self.answered = self._burst.answer(self._index, how)
        elif not self._ended.done():
            self._ended.set_result(None)

    def withdraw(self) -> Document | NoResponse:
        """Wait no more for its answer; return its end."""
        if self._how is None:
            self._how = self._burst.withdraw(self._index)
        return self._how

    def outcome(self) -> RequestOutcome[T]:
        """Wait no more for its answer; return what it proves alone."""
        result = self._burst.judge(how := self.withdraw())
        attempts = Attempts(self._burst.request, RetryPolicy(max_attempts=1))
        if how is HELD_BACK:
            return attempts.outcome(result)
        attempts.note(result)
        return attempts.outcome()
