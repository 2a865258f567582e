"""A cancel over two transports: the second is used if the first does not decide in time."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from typing import Any, Protocol

from attrs import frozen

from fourcasters_async._core.outcome import AttemptStatus, RequestOutcome
from fourcasters_async._core.retry import Attempts
from fourcasters_async.errors import (
    AuthenticationError,
    NotFoundError,
    OutcomeUnknownError,
    RateLimitedError,
)
from fourcasters_async.models import CancelResult, GameMarket
from fourcasters_async.orders.fanout import crashed
from fourcasters_async.orders.verify import CancelById

# Seconds that an attempt which is given up has for its answer, where it goes on. It takes a place
# in the pool meanwhile.
_GRACE = 1.0

Cancelled = RequestOutcome[Sequence[CancelResult]]
Watch = Callable[[Attempts[Any]], object]


class CancelGame(Protocol):
    """Cancels on one game by a loop time, and says what came of it.

    `watch` is that of `Sender.send`.
    """

    def __call__(
        self, market: GameMarket, deadline: float | None, watch: Watch | None = None, /
    ) -> Awaitable[Cancelled]:
        """Return the outcome of all attempts."""
        ...


@frozen
class OverRest:
    """How orders are cancelled over REST, on so many `connections`."""

    cancel: CancelGame
    cancel_resting: CancelById
    connections: int


def hedged(
    first: CancelGame,
    second: CancelGame,
    *,
    after: float,
    keep: Callable[["asyncio.Task[Cancelled]"], object] | None = None,
) -> CancelGame:
    """Return a cancel that uses `second` too if `first` has decided nothing in `after` seconds.

    It uses `second` at once if an attempt of `first` fails, is refused for its token or its rate,
    or may not leave for that, or if `first` does not know the game. `first` goes on meanwhile. The
    first answer ends it, and so does any other refusal before `second` is used. A request that has
    no answer by then is given up, and may still take effect.

    With `keep`, an attempt of `second` that is given up goes on for a moment, in a task that is
    handed over: its answer may bring the token that replaces an aged one, which nothing else has,
    and its connection is used again.
    """

    async def cancel(
        market: GameMarket,
        deadline: float | None,
        watch: Watch | None = None,  # noqa: ARG001  # nobody gives up both
        /,
    ) -> Cancelled:
        attempts: list[list[Attempts[Any]]] = [[], []]
        delayed = asyncio.Event()
        kept: asyncio.Task[Cancelled] | None = None

        def begin(cancel: CancelGame, watch: Watch) -> "asyncio.Task[Cancelled]":
            return asyncio.ensure_future(_guarded(cancel, market, deadline, watch))

        def watch_first(made: Attempts[Any]) -> None:
            attempts[0].append(made)
            made.delayed = delayed.set

        tasks = [begin(first, watch_first)]
        tasks[0].add_done_callback(lambda _: delayed.set())
        try:
            with suppress(TimeoutError):
                async with asyncio.timeout(after):
                    await delayed.wait()
            if not (tasks[0].done() and _is_final(_end_of(tasks[0], market))):
                tasks.append(begin(second, attempts[1].append))
            while not any(_answered(task, market) for task in tasks) and (
                waiting := [t for t in tasks if not t.done()]
            ):
                await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
            if keep is not None and not tasks[-1].done() and _stop_after_this(attempts[1]):
                keep(kept := tasks[-1])
                _end_within(_GRACE, kept)
        finally:
            ended = [task for task in tasks if not task.done() and task is not kept]
            for task in ended:
                task.cancel()
            if ended:
                await asyncio.wait(ended)
        parts: list[Cancelled | int] = []
        for task, made in zip(tasks, attempts, strict=False):
            gone = task in ended or not task.done()
            parts += _given_up(made) if gone else [_end_of(task, market)]
        return united(parts)

    return cancel


def _stop_after_this(made: Sequence[Attempts[Any]]) -> bool:
    """Let no other attempt follow the one that is under way; `False` if none is."""
    under_way = [attempts for attempts in made if attempts.under_way]
    for attempts in under_way:
        attempts.stop_after_this()
    return bool(under_way)


def _end_within(seconds: float, task: "asyncio.Task[Cancelled]") -> None:
    timer = asyncio.get_running_loop().call_later(seconds, task.cancel)
    task.add_done_callback(lambda _: timer.cancel())


async def elsewhere(
    outcome: Cancelled, second: CancelGame, market: GameMarket, deadline: float | None
) -> Cancelled:
    """Return the outcome of a cancel, with that of `second` if the first did not know the game."""
    if outcome.error is None or not _is_unknown_game(outcome):
        return outcome
    return united([outcome, await _guarded(second, market, deadline)])


async def _guarded(
    cancel: CancelGame, market: GameMarket, deadline: float | None, watch: Watch | None = None
) -> Cancelled:
    """Keep a crash of one transport from affecting the other."""
    try:
        return await cancel(market, deadline, watch)
    except Exception as error:  # noqa: BLE001  # any crash leaves the outcome unknown
        return crashed(market, error)


def _given_up(made: Sequence[Attempts[Any]]) -> list[Cancelled | int]:
    """Return what the attempts of a transport prove that was given up, and how many are in doubt.

    If nothing tells, that is one.
    """
    if not made:
        return [1]
    proved: list[Cancelled | int] = [each.outcome() for each in made if each.made]
    return [*proved, sum(each.tried - each.made for each in made)]


def _end_of(task: "asyncio.Task[Cancelled]", market: GameMarket) -> Cancelled:
    """Return how one of the two ended. Somebody may have cancelled every task there is."""
    return crashed(market, asyncio.CancelledError()) if task.cancelled() else task.result()


def _answered(task: "asyncio.Task[Cancelled]", market: GameMarket) -> bool:
    return task.done() and _end_of(task, market).status is AttemptStatus.ANSWERED


def _is_final(outcome: Cancelled) -> bool:
    """Whether the other transport would not be told otherwise."""
    of_transport = isinstance(outcome.error, AuthenticationError | RateLimitedError)
    of_transport = of_transport or _is_unknown_game(outcome)
    return outcome.status is AttemptStatus.ANSWERED or (
        outcome.status is AttemptStatus.REFUSED and not of_transport
    )


def _is_unknown_game(outcome: Cancelled) -> bool:
    """Whether the last attempt said that it did not find what is to be cancelled.

    Over the Orders WebSocket `game not found` means that the game is not in its service's cache.
    Orders may rest on it all the same, and the other transport may know it.
    """
    error = outcome.error
    return isinstance(
        error.__cause__ if isinstance(error, OutcomeUnknownError) else error, NotFoundError
    )


def united(parts: Sequence[Cancelled | int]) -> Cancelled:
    """Unite the outcomes of one cancel over several transports.

    A number stands for one that was given up after so many attempts, which may take effect.
    An order that one of them cancelled is cancelled, whatever the others answered for it.
    """
    finished = [part for part in parts if not isinstance(part, int)]
    given_up = sum(part for part in parts if isinstance(part, int))
    attempts = sum(part.attempts for part in finished) + given_up
    answered = [part for part in finished if part.status is AttemptStatus.ANSWERED]
    results = _union([result for part in finished for result in part.value or []])
    doubtful = given_up > 0 or any(part.status is AttemptStatus.UNKNOWN for part in finished)
    if answered:
        complete = not doubtful and all(part.complete for part in answered)
        return RequestOutcome(AttemptStatus.ANSWERED, attempts, value=results, complete=complete)
    worst_first = (AttemptStatus.UNKNOWN, AttemptStatus.REFUSED, AttemptStatus.NOT_SENT)
    worst = min(finished, key=lambda part: worst_first.index(part.status), default=None)
    error = None if worst is None else worst.error
    if worst is None or (doubtful and worst.status is not AttemptStatus.UNKNOWN):
        unknown = OutcomeUnknownError("given up before it was answered", attempts=attempts)
        unknown.__cause__ = error
        return RequestOutcome(
            AttemptStatus.UNKNOWN, attempts, results, error=unknown, complete=False
        )
    return RequestOutcome(worst.status, attempts, results, error=error, complete=worst.complete)


def _union(results: list[CancelResult]) -> list[CancelResult]:
    united: dict[str | int, CancelResult] = {}
    for index, result in enumerate(results):
        key = result.order_id.casefold() if result.order_id else index
        if key not in united or result.success:
            united[key] = result
    return list(united.values())
