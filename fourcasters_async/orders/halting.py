"""The verbs that stop the bot, and that say what happened to its orders."""

import asyncio
from collections.abc import Callable, Coroutine, Iterable

from attrs import evolve

from fourcasters_async import models
from fourcasters_async._core.callbacks import tell
from fourcasters_async._core.request import Kind
from fourcasters_async._core.sender import Sender
from fourcasters_async._core.tasks import Jobs
from fourcasters_async._core.validation import check_callback, check_flag, check_seconds
from fourcasters_async.account import UNMATCHED, Account
from fourcasters_async.errors import ReferencedOrder
from fourcasters_async.models import (
    CancelReport,
    CancelResults,
    FlatReport,
    GameMarket,
    Halted,
    OpenOrder,
    Proof,
)
from fourcasters_async.orders.arguments import check_whole_games
from fourcasters_async.orders.fanout import OnOutcome
from fourcasters_async.orders.gate import Gate
from fourcasters_async.orders.halt import by_game, cancel_until_clear
from fourcasters_async.orders.outcome_stream import OutcomeStream
from fourcasters_async.orders.rest import RestOrders
from fourcasters_async.orders.shared_reads import SharedReads
from fourcasters_async.orders.verify import AccountInDoubt, read_until_clear

_LEAST_SECONDS = 0.001


class HaltingOrders(RestOrders):
    """The order verbs over REST, and those that stop the bot; `AsyncSession` has them all."""

    account: Account
    """What the exchange knows of the account."""

    def __init__(self, sender: Sender, gate: Gate, *, max_in_flight: int) -> None:
        reads = SharedReads(self._read_open_orders, gate)
        super().__init__(sender, gate, reads, Jobs(), max_in_flight=max_in_flight)
        self.account = Account(sender)

    def halt(
        self,
        games: Iterable[str | GameMarket] | None = None,
        *,
        deadline: float = 10.0,
        periods: bool = False,
        on_outcome: OnOutcome | None = None,
    ) -> Coroutine[object, object, CancelReport]:
        """Place nothing more on games, cancel what rests there, and prove that nothing does.

        From the call on, this session sends no `place` and no `edit_order` on the games, over REST
        or an orders socket. One that waits in the rate limit or for a connection ends at once in
        `HaltedError`, and was provably not sent. Then the orders are cancelled. Places in flight
        are waited for, and the orders that they put into the book are cancelled too. It ends when
        a read that began after all of this shows nothing, or after `deadline` seconds. Without
        `games` all games are halted. They stay halted until `resume`, also if you cancel this call.

        A halt is of whole games: of a `GameMarket` only the game counts, and all of its markets are
        halted, cancelled and proved. To cancel one market and go on with the others, use
        `cancel_all_orders_for_games`.

        Returns a report as `cancel_all_orders_for_games` does. Without `games` it has the games
        that the answers name, and `verified_clear` is about the whole account. With `periods`, the
        periods of the games are halted too, once open orders have named them, and are resumed with
        them. `on_outcome` is called with each outcome as in `cancel_all_orders_for_games`, and
        without `games` at the end. A halt does not stop other sessions and processes of the
        account. Sends
        `POST /session/cancelAllOrdersForGame` or `POST /session/cancelAllOrders`, and
        `GET /user/getUnmatched`. Raises only `InvalidRequestError` and `SessionClosedError`.
        """
        markets = None if games is None else check_whole_games(games)
        check_seconds(deadline, "deadline")
        check_flag(periods, "periods")
        if on_outcome is not None:
            check_callback(on_outcome, "on_outcome")
        self._sender.ensure_usable()
        halted = None if markets is None else [market.game_id for market in markets]
        self._gate.halt(halted, periods=periods)
        if markets is None:
            return self._halt_everything(deadline, on_outcome)
        return self._cancel_games(markets, deadline, on_outcome, verify=True, periods=periods)

    def halting(
        self,
        games: Iterable[str | GameMarket] | None = None,
        *,
        deadline: float = 10.0,
        periods: bool = False,
    ) -> OutcomeStream:
        """Halt games as `halt` does, and return their outcomes as they come.

        All begins with this call, and the gate is closed when it returns. It is a stream as that of
        `cancelling`: whoever leaves its loop early stops nothing, and its `report` is that of
        `halt`. `deadline` is in seconds. Sends `POST /session/cancelAllOrdersForGame` or
        `POST /session/cancelAllOrders`, and `GET /user/getUnmatched`. Raises `InvalidRequestError`
        and `SessionClosedError`, at the call.
        """
        return OutcomeStream(
            self._jobs,
            lambda tell: self.halt(games, deadline=deadline, periods=periods, on_outcome=tell),
        )

    def resume(self, games: Iterable[str | GameMarket] | None = None) -> None:
        """Let orders be placed again on games that were halted; without `games`, on all games.

        Whole games are resumed, as they were halted.
        """
        markets = None if games is None else check_whole_games(games)
        self._gate.resume(None if markets is None else [market.game_id for market in markets])

    @property
    def halted(self) -> Halted:
        """The games on which nothing is placed: `game_id in session.halted`."""
        return self._gate.halted

    async def reconcile(
        self, orders: Iterable[ReferencedOrder], *, deadline: float = 10.0
    ) -> "list[models.ReconciledOrder]":
        """Find out what happened to orders whose place or edit ended unknown.

        `orders` have a `game_id` and a `user_reference`: those of `OutcomeUnknownError.orders`, of
        `CancelReport.undecided`, or `NewOrder`s with references that are unique. Each is looked up
        with `GET /user/getBetByUserReference` until it is found, until it cannot come into the book
        any more (`late_effect`), or for `deadline` seconds. Returns one `ReconciledOrder` for each
        distinct game and reference. An order that is `ABSENT` is not in the book and cannot come
        into it: you may place it again with the same reference. One that is `UNDECIDED` may still
        come into the book.

        Raises `InvalidRequestError`, `SessionClosedError`, `AuthenticationError` and
        `ForbiddenError`.
        """
        from fourcasters_async.orders.reconcile import (  # noqa: PLC0415  # a kill needs none of it
            check_references,
            reconcile,
        )

        references = check_references(orders)
        until = self._sender.until(check_seconds(deadline, "deadline"))
        self._sender.ensure_usable()

        async def look_up(game_id: str, reference: str, until: float) -> "models.BetsByReference":
            left = max(until - asyncio.get_running_loop().time(), _LEAST_SECONDS)
            return await self.account.get_bet_by_user_reference(game_id, reference, deadline=left)

        return await reconcile(references, look_up, self._gate, until=until)

    async def flatten(self, *, deadline: float = 10.0) -> FlatReport:
        """Cancel every order of the account until a read shows none, for `deadline` seconds.

        While it runs, this session places nothing: places and edits end in `HaltedError`. Those in
        flight are waited for, and the orders that they put into the book are cancelled. Sends
        `POST /session/cancelAllOrders` and `GET /user/getUnmatched` in turn. What goes wrong is in
        the report. It does not stop other sessions and processes of the account. Raises only
        `InvalidRequestError` and `SessionClosedError`.
        """
        until = self._sender.until(deadline)
        self._sender.ensure_usable()
        with self._gate.closed():
            return await self._cancel_until_clear(until)

    async def prove_clear(
        self, wanted: Callable[[OpenOrder], bool | None], *, deadline: float = 10.0
    ) -> Proof:
        """Read until none of the `wanted` orders is open, for `deadline` seconds.

        It cancels nothing: call it after a cancel. `wanted` returns `None` for an order that does
        not say enough. The proof's `resting` are the orders seen last; an empty list is proof.
        Sends `GET /user/getUnmatched`. Raises only `InvalidRequestError` and `SessionClosedError`.
        """
        check_callback(wanted, "wanted")
        until = self._sender.until(deadline)
        self._sender.ensure_usable()

        async def wait(_: list[OpenOrder]) -> None:
            """Change nothing: the cancels were sent before."""

        doubt = AccountInDoubt(self._gate, wait, wanted)
        since = asyncio.get_running_loop().time()
        return await read_until_clear(doubt, self._reads, self._gate, since=since, until=until)

    async def _halt_everything(self, deadline: float, on_outcome: OnOutcome | None) -> CancelReport:
        report = by_game(await self._cancel_until_clear(self._sender.until(deadline)))
        if on_outcome is not None:
            for outcome in report.outcomes:
                tell(on_outcome, outcome, "on_outcome failed for game %s", outcome.game_id)
        return report

    async def _cancel_until_clear(self, until: float) -> FlatReport:
        clock = asyncio.get_running_loop().time

        async def cancel_all() -> CancelResults:
            # A cancel that hangs must leave time for a read and for another cancel.
            left = until - clock()
            return await self._cancel_until(self._cancel_everything(), clock() + left / 2)

        return await cancel_until_clear(cancel_all, self._reads, self._gate, until=until)

    async def _read_open_orders(self, until: float) -> list[OpenOrder]:
        request = evolve(UNMATCHED, kind=Kind.VERIFY)
        return (await self._sender.call_until(request, until)).unmatched
