"""Makes the events of a session, and gives them to the hook of the caller."""

import asyncio
import functools
import inspect
from collections.abc import Awaitable, Callable, Coroutine, Generator, Mapping, Sequence
from contextvars import ContextVar
from datetime import UTC, datetime
from itertools import count
from typing import Any, TypeVar

from fourcasters_async import events
from fourcasters_async._core.callbacks import tell
from fourcasters_async._core.outcome import AttemptResult, AttemptStatus
from fourcasters_async._core.request import Kind, Request
from fourcasters_async._core.telemetry import Moments, Transport
from fourcasters_async._core.validation import check_callback
from fourcasters_async.dead_man import DeadManState
from fourcasters_async.errors import ApiError, FourcastersError
from fourcasters_async.models import Halted, UndecidedOrder

T = TypeVar("T")
OnEvent = Callable[[events.SessionEvent], object]

VERBS = (
    "cancel",
    "cancel_all_for_league",
    "cancel_all_orders",
    "cancel_all_orders_for_game",
    "cancel_all_orders_for_games",
    "cancel_by_reference",
    "cancel_multiple",
    "edit_order",
    "flatten",
    "halt",
    "place",
    "prove_clear",
    "reconcile",
)
"""The verbs whose calls are told of: all that change orders, or prove what became of them."""

_OUTCOMES = {
    AttemptStatus.ANSWERED: events.AttemptOutcome.ANSWERED,
    AttemptStatus.REFUSED: events.AttemptOutcome.REFUSED,
    AttemptStatus.UNKNOWN: events.AttemptOutcome.UNKNOWN,
    AttemptStatus.NOT_SENT: events.AttemptOutcome.NOT_SENT,
}
_UNKNOWN, _NOT_SENT = events.AttemptOutcome.UNKNOWN, events.AttemptOutcome.NOT_SENT
# The calls of verbs, numbered over all sessions of the process: one hook may serve them all.
_CALLS = count(1)
# Whose verb the running task is inside of, and the number of the call.
_CURRENT: ContextVar[tuple[object, int] | None] = ContextVar("fourcasters_call", default=None)


class Events:
    """Tells a hook what happens in one session."""

    def __init__(self, hook: OnEvent) -> None:
        check_callback(hook, "on_event")
        self._hook = hook

    def follow(self, verbs: object, transport: Transport) -> None:
        """Tell of each call of the order verbs that an object has, from now on."""
        for name in VERBS:
            verb = getattr(verbs, name, None)
            if verb is not None:
                setattr(verbs, name, self._followed(name, transport, verb))

    def attempted(
        self,
        request: Request[Any],
        transport: Transport,
        number: int,
        moments: Moments,
        ended: AttemptResult[Any] | BaseException,
    ) -> None:
        """Tell of an attempt that has ended, or that was given up with an exception."""
        now, status, cancelled = moments.clock(), moments.status, False
        error: BaseException | None
        if isinstance(ended, BaseException):
            outcome, error = _UNKNOWN if moments.left is not False else _NOT_SENT, ended
            cancelled = isinstance(ended, asyncio.CancelledError)
        else:
            outcome, error = _OUTCOMES[ended.status], ended.error
            if status is None and error is not None and isinstance(error, ApiError):
                status = error.status
        # Written out: to call a function for each part would take twice as long.
        current = _CURRENT.get()
        began, admitted, written = moments.began, moments.admitted, moments.written
        answered, read = moments.answered, moments.read
        event = events.RequestFinished(
            request.endpoint,
            transport,
            outcome,
            number,
            now - began,
            status,
            game_of(request),
            cancelled,
            error,
            # The call of the verb that it belongs to.
            None if current is None or current[0] is not self else current[1],
            # What it waited, what it took to be sent, to be answered, to be read and decoded.
            None if admitted is None else admitted - began,
            None if admitted is None or written is None else written - admitted,
            None if written is None or answered is None else answered - written,
            None if answered is None or read is None else read - answered,
            None if read is None else now - read,
        )
        tell(self._hook, event, "on_event failed for %s", "RequestFinished")

    def retrying(
        self,
        request: Request[Any],
        transport: Transport,
        number: int,
        after: float,
        error: Exception | None,
    ) -> None:
        """Tell that another attempt follows the attempt with a number."""
        self._emit(
            events.RetryPlanned(
                endpoint=request.endpoint,
                transport=transport,
                attempt=number,
                after=after,
                game_id=game_of(request),
                error=error,
                call=self._call(),
            )
        )

    def held(
        self, request: Request[Any], transport: Transport, kinds: Sequence[Kind], seconds: float
    ) -> None:
        """Tell that a 429 to a request holds back kinds of requests."""
        self._emit(
            events.HoldBegun(
                endpoint=request.endpoint,
                transport=transport,
                kinds=tuple(kind.name.lower() for kind in kinds),
                seconds=seconds,
            )
        )

    def renewed(self, *, rotated: bool) -> None:
        """Tell of a new token."""
        self._emit(events.TokenRenewed(rotated=rotated))

    def connected(self, endpoint: str) -> None:
        """Tell of a new connection to a WebSocket."""
        self._emit(events.ConnectionMade(endpoint=endpoint))

    def disconnected(self, endpoint: str, reason: str) -> None:
        """Tell of a connection to a WebSocket that was lost."""
        self._emit(events.ConnectionLost(endpoint=endpoint, reason=reason))

    def switch_changed(self, state: str, timeout: float, error: FourcastersError | None) -> None:
        """Tell of the new state of a dead-man switch."""
        self._emit(events.DeadManChanged(state=DeadManState(state), timeout=timeout, error=error))

    def gate_changed(self, change: str, games: frozenset[str] | None, halted: Halted) -> None:
        """Tell that games were halted or resumed, or that all was shut or opened."""
        changed = events.GateChange(change)
        self._emit(events.GateChanged(change=changed, games=games, halted=halted))

    def undecided(self, orders: tuple[UndecidedOrder, ...]) -> None:
        """Tell of own orders whose place or edit ended unknown."""
        self._emit(events.OrdersUndecided(orders=orders))

    def decided(self, orders: tuple[UndecidedOrder, ...], *, expired: bool) -> None:
        """Tell of those that are decided since."""
        self._emit(events.OrdersDecided(orders=orders, expired=expired))

    def _call(self) -> int | None:
        current = _CURRENT.get()
        # Inside a verb of another session nothing of this one belongs to that.
        return None if current is None or current[0] is not self else current[1]

    def _emit(self, event: events.SessionEvent) -> None:
        tell(self._hook, event, "on_event failed for %s", type(event).__name__)

    def _followed(
        self, name: str, transport: Transport, verb: Callable[..., Awaitable[T]]
    ) -> Callable[..., Awaitable[T]]:
        if inspect.iscoroutinefunction(verb):

            @functools.wraps(verb)
            async def called(*args: Any, **named: Any) -> T:
                return await self.until_finished(name, transport, verb(*args, **named))

            return called

        # What closes the gate does so when it is called, and not when it is awaited.
        @functools.wraps(verb)
        def begun(*args: Any, **named: Any) -> Awaitable[T]:
            return self.until_finished(name, transport, verb(*args, **named))

        return begun

    def until_finished(
        self, name: str, transport: Transport, running: Awaitable[T]
    ) -> Coroutine[object, object, T]:
        """Await a call of a verb, and tell of its start and of its end."""
        return _Followed(name, self._until_finished(name, transport, running), running)

    async def _until_finished(self, name: str, transport: Transport, running: Awaitable[T]) -> T:
        clock, began, before = asyncio.get_running_loop().time, datetime.now(UTC), _CURRENT.get()
        started, call = clock(), next(_CALLS)
        of_the_call: Any = {"verb": name, "transport": transport, "call": call, "began": began}
        _CURRENT.set((self, call))
        try:
            self._emit(events.VerbStarted(**of_the_call))
            try:
                result = await running
            except (Exception, asyncio.CancelledError) as error:
                took = clock() - started
                self._emit(events.VerbFinished(**of_the_call, elapsed=took, error=error))
                raise
            took = clock() - started
            self._emit(events.VerbFinished(**of_the_call, elapsed=took, result=result))
            return result
        finally:
            _CURRENT.set(before)


class _Followed(Coroutine[Any, Any, T]):
    """A coroutine that tells of a verb, and the coroutine of the verb.

    If a task is cancelled before it began, neither runs. Python would warn that nobody awaited the
    verb, so it is closed.
    """

    def __init__(self, name: str, telling: Coroutine[Any, Any, T], verb: Awaitable[T]) -> None:
        # The `repr` of a task shows it.
        self.__name__ = name
        self._telling = telling
        self._verb = verb
        self._begun = False

    def send(self, value: Any) -> Any:
        self._begun = True
        return self._telling.send(value)

    def throw(self, *error: Any) -> Any:
        if not self._begun:
            self._close_verb()
        return self._telling.throw(*error)

    def close(self) -> None:
        self._telling.close()
        self._close_verb()

    def __await__(self) -> Generator[Any, Any, T]:
        return self._telling.__await__()

    def _close_verb(self) -> None:
        if isinstance(self._verb, Coroutine):
            self._verb.close()


def game_of(request: Request[Any]) -> str | None:
    """Return the only game that a request is about, as it is written there."""
    named: Mapping[str, Any] | None = request.body or request.params
    if not named:
        return None
    game = named.get("gameID") or named.get("gameId")
    if game is None and (orders := named.get("orders")):
        games = {order.get("gameID") or order.get("gameId") for order in orders}
        game = games.pop() if len(games) == 1 else None
    return game
