"""Cancels on many games at once, over one transport: one report, or its outcomes as they come."""

import asyncio
from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable, Coroutine, Iterable, Sequence
from functools import partial

from fourcasters_async._core.request import Request
from fourcasters_async._core.sender import Sender
from fourcasters_async._core.tasks import Jobs
from fourcasters_async._core.validation import check_callback, check_flag, check_seconds
from fourcasters_async.models import (
    CancelReport,
    CancelResult,
    CancelResults,
    GameMarket,
    GameOutcome,
    MarketType,
)
from fourcasters_async.orders.arguments import check_markets
from fourcasters_async.orders.fanout import FanOut, OnOutcome, fan_out
from fourcasters_async.orders.gate import Gate
from fourcasters_async.orders.hedge import Cancelled
from fourcasters_async.orders.outcome_stream import OutcomeStream
from fourcasters_async.orders.prove_games import hear, hear_and_prove, undecided_on
from fourcasters_async.orders.shared_reads import SharedReads
from fourcasters_async.orders.verify import CancelById, GamesInDoubt

Reporting = Coroutine[object, object, CancelReport]
"""What cancels on many games once it is awaited."""

# The part of a deadline that is kept for the proof.
_FOR_THE_PROOF = 0.25


class ManyGames(ABC):
    """The cancels on many games. `Orders` has them, and the verbs that are about less."""

    def __init__(
        self, sender: Sender, gate: Gate, reads: SharedReads, jobs: Jobs, *, max_in_flight: int
    ) -> None:
        self._sender = sender
        self._gate = gate
        self._reads = reads
        self._jobs = jobs
        self._max_in_flight = max_in_flight
        if (observer := sender.telemetry.observer) is not None:
            observer.follow(self, sender.transport)

    async def cancel_all_orders_for_games(
        self,
        games: Iterable[str | GameMarket],
        *,
        type: MarketType | str | None = None,  # noqa: A002  # the name on the wire
        deadline: float | None = None,
        verify: bool = False,
        periods: bool = False,
        on_outcome: Callable[[GameOutcome], object] | None = None,
    ) -> CancelReport:
        """Cancel every open order on many games at once, and say what is known of each.

        `games` are game ids and `GameMarket`s; `type` is the market type of the plain ids. Each
        distinct one is sent once, to `POST /session/cancelAllOrdersForGame` or as
        `cancelAllByGame` over the Orders WebSocket, and has one outcome in the report, in input
        order, whatever happened to it or to the others. No games, no request: an empty input
        never means all games.

        `deadline` is the seconds after which the report is wanted: games in flight are then
        `UNKNOWN`, games not begun `NOT_SENT`. Without it each game has the session's `timeout`.

        With `verify`, the account's open orders are read after the last answer, with
        `GET /user/getUnmatched`, or taken from `AsyncSession.live_orders` if those show them
        (`GameOutcome.seen_by`). What still rests on the games is cancelled by id, until a read
        shows none or the time is up. A quarter of a `deadline` is kept for that, so it happens
        though a game hangs. Own places and edits on the games are waited for, and while one is
        undecided nothing is called clear: `CancelReport.undecided` names it. So a bot that goes on
        quoting is never clear; `AsyncSession.halt` stops it first. Places of other sessions and
        processes of the account are not known: a read shows their orders only once they rest.

        `GameOutcome.resting` and `CancelReport.verified_clear` say what was proved. After an
        `UNKNOWN` attempt a late execution is still possible: it can take orders that you place
        after the proof.

        With `periods`, orders on games whose `parent_game_id` is one of the games are cancelled
        too, as far as the open orders name them: they are read and cancelled by id, as with
        `verify`, which this includes.

        `on_outcome` is called in the event loop with each outcome once it is known, before any
        verification; what it raises is logged. If you cancel the call, requests in flight are
        ended, which does not undo them at the exchange.

        Raises `InvalidRequestError` for the arguments, before anything is sent, and
        `SessionClosedError`; nothing else.
        """
        markets = check_markets(games, type)
        return await self._cancel_games(
            markets, deadline, on_outcome, verify=verify, periods=periods
        )

    def cancelling(
        self,
        games: Iterable[str | GameMarket],
        *,
        type: MarketType | str | None = None,  # noqa: A002  # the name on the wire
        deadline: float | None = None,
        verify: bool = False,
        periods: bool = False,
    ) -> OutcomeStream:
        """Begin to cancel on many games, and return their outcomes as they come.

        `async for outcome in session.cancelling(games)` is for whoever streams them on, for example
        to a browser. It cancels as `cancel_all_orders_for_games` does, with its arguments and with
        `POST /session/cancelAllOrdersForGame` or `cancelAllByGame`, and begins with this call: in
        the next turn of the event loop the first requests leave, whether or not somebody iterates.
        Whoever leaves the loop early stops nothing, since a kill should
        not depend on who watches it; `aclose` of the stream does. Once the loop has ended, `report`
        of the stream is what `cancel_all_orders_for_games` returns. `deadline` is in seconds.

        Raises `InvalidRequestError` for the arguments, and `SessionClosedError`, both at the call.
        """
        markets = check_markets(games, type)
        return self._stream(partial(self._cancel_games, markets, deadline), verify, periods)

    def _stream(
        self,
        cancel_games: Callable[..., Reporting],
        verify: bool,  # noqa: FBT001  # as `cancelling` got it
        periods: bool,  # noqa: FBT001  # as above
    ) -> OutcomeStream:
        """Return the stream of a call of `cancelling`, which is told of as that of every verb."""
        observer, transport = self._sender.telemetry.observer, self._sender.transport

        def begin(tell: OnOutcome) -> Reporting:
            running = cancel_games(tell, verify=verify, periods=periods)
            if observer is None:
                return running
            return observer.until_finished("cancelling", transport, running)

        return OutcomeStream(self._jobs, begin)

    def _cancel_games(
        self,
        markets: list[GameMarket],
        deadline: float | None,
        on_outcome: OnOutcome | None = None,
        *,
        verify: bool,
        periods: bool,
        fan_out: FanOut | None = None,
        cancel_resting: CancelById | None = None,
    ) -> Reporting:
        """Check the arguments at the call, and return what cancels."""
        if on_outcome is not None:
            check_callback(on_outcome, "on_outcome")
        check_flag(periods, "periods")
        check_flag(verify, "verify")
        if deadline is not None:
            check_seconds(deadline, "deadline")
        self._sender.ensure_usable()
        return self._cancel_and_prove(
            markets,
            deadline,
            on_outcome,
            verify=verify or periods,
            periods=periods,
            fan_out=fan_out or self._fan_out,
            cancel_resting=cancel_resting or self._cancel_resting,
        )

    async def _cancel_and_prove(
        self,
        markets: list[GameMarket],
        deadline: float | None,
        on_outcome: OnOutcome | None,
        *,
        verify: bool,
        periods: bool,
        fan_out: FanOut,
        cancel_resting: CancelById,
    ) -> CancelReport:
        until = None if deadline is None else self._sender.until(deadline)
        clock = asyncio.get_running_loop().time
        started = clock()
        await self._sender.catch_up()
        # Without a deadline each game has its own time, and so has the proof.
        kept = _FOR_THE_PROOF * (deadline or 0.0) if verify else 0.0
        answers_until = None if until is None else until - kept
        outcomes = await fan_out(markets, answers_until, on_outcome)
        gate, reads = self._gate, self._reads
        if verify and outcomes:
            end = self._sender.until(None) if until is None else until
            doubt = GamesInDoubt(gate, outcomes, cancel_resting, until=end, periods=periods)
            outcomes = await hear_and_prove(doubt, reads, gate, since=started, until=end)
        else:
            await hear(gate, outcomes, since=started)
        undecided = undecided_on(gate, [m.game_id for m in markets], periods=periods)
        return CancelReport(tuple(outcomes), elapsed=clock() - started, undecided=undecided)

    async def _fan_out(
        self, markets: Sequence[GameMarket], until: float | None, on_outcome: OnOutcome | None
    ) -> list[GameOutcome]:
        cancel, most = partial(self._send_cancel, deadline=until), self._max_in_flight
        return await fan_out(markets, cancel, max_in_flight=most, on_outcome=on_outcome)

    def _send_cancel(self, market: GameMarket, deadline: float | None) -> Awaitable[Cancelled]:
        return self._sender.send(self._cancel_game(market), deadline=deadline)

    # How the transport says it.

    @abstractmethod
    def _cancel_game(self, market: GameMarket) -> Request[Sequence[CancelResult]]: ...

    @abstractmethod
    async def _cancel_resting(
        self, order_ids: list[str], until: float, tell: Callable[[CancelResults], None]
    ) -> None: ...
