"""Cancel for minutes or hours against an exchange that fails, and count what goes wrong.

    python benchmarks/soak.py                    # five minutes
    python benchmarks/soak.py --hours 8
    python benchmarks/soak.py --seconds 20 --limit 300 --window 6

The exchange is a `FakeExchange` that keeps the real limit (3,000 requests in any 60 seconds) and
closes idle connections. A bot polls its open orders as often as the limit allows. At the same time,
round after round, orders are placed on games and cancelled again, over REST or over the Orders
WebSocket. Faults strike some requests, the token changes, and pauses let connections go stale.
After each round, every claim of the report is compared with the book. Exits with 1 if a claim was
false, if the limit was exceeded, or if no round was completed.
"""

import argparse
import asyncio
import os
import random
import sys
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from attrs import Factory, define

from fourcasters_async import (
    AsyncSession,
    CancelReport,
    FourcastersError,
    OrdersSocket,
    OutcomeStatus,
    RateLimit,
    RetryPolicy,
)
from fourcasters_async.testing import FakeExchange, faults

_GAMES = 40
_ORDERS = 5
_KEEP_ALIVE = 0.5
_IDLE_GAP = 0.8
_HALF = 0.5
_DEADLINES = (None, 1.0, 5.0)
_POLICY = RetryPolicy(attempt_timeout=0.3, backoff_base=0.01, backoff_cap=0.1)
_ROUNDS_A_TOKEN = 5
_ON_BOTH: tuple[faults.Fault, ...] = (
    faults.Close(),
    faults.Close(committed=True),
    faults.Reset(),
    faults.Reset(committed=True),
    faults.Stall(committed=True),
    faults.Truncate(),
    faults.Garbage(),
    faults.Oversized(size=2**20),
    faults.Unavailable(),
    faults.Unavailable(committed=True, object_form=False),
    faults.TooManyRequests("0"),
    faults.TooManyRequests(None),
    faults.Unauthorized(),
    faults.Slow(0.1),
    faults.Duplicate(),
)
_ON_REST: tuple[faults.Fault, ...] = (
    *_ON_BOTH,
    faults.StallBody(),
    faults.DripBody(),
    faults.WrongLength(),
    faults.GzipBomb(size=2**20),
    faults.Html(),
    faults.Html(status=502),
    faults.Redirect("https://elsewhere.example/"),
)
_ON_THE_SOCKET: tuple[faults.Fault, ...] = (
    *_ON_BOTH,
    faults.HalfOpen(),
    faults.HalfOpen(committed=True),
    faults.CloseCode(),
    faults.CloseCode(1000, committed=True),
    faults.UnknownID(),
    faults.Wrapped(),
    faults.Held(3),
)
_ON_HANDSHAKES: tuple[faults.Fault, ...] = (
    faults.Close(),
    faults.Stall(),
    faults.Html(status=502),
    faults.TooManyRequests("0"),
    faults.Redirect("https://elsewhere.example/"),
)


@define
class Tally:
    """The counts of a soak."""

    rounds: int = 0
    socket_rounds: int = 0
    games: int = 0
    orders: int = 0
    polls: int = 0
    polls_failed: int = 0
    token_changes: int = 0
    idle_gaps: int = 0
    verified: int = 0
    statuses: Counter[str] = Factory(Counter)
    struck: Counter[str] = Factory(Counter)
    false_claims: list[str] = Factory(list)


class Soak:
    """One exchange, one account and one rate limit."""

    def __init__(self, exchange: FakeExchange, limit: RateLimit) -> None:
        self.tally = Tally()
        self._exchange = exchange
        self._limit = limit
        self._games = [exchange.add_game().game_id for _ in range(_GAMES)]
        self._session = self._new_session()

    def _new_session(self) -> AsyncSession:
        return AsyncSession(
            self._exchange.token,
            base_url=self._exchange.url,
            orders_url=self._exchange.orders_url,
            retry=_POLICY,
            rate_limit=self._limit,
            # A fault may last as long as a game is asked about, and a short soak is to see more.
            timeout=4.0,
            max_connections=20,
        )

    async def run(self, seconds: float) -> None:
        """Poll, and run rounds, for so many seconds."""
        poller = asyncio.create_task(self._poll())
        try:
            async with asyncio.timeout(seconds):
                while True:
                    async with self._session.orders_socket() as orders:
                        for _ in range(_ROUNDS_A_TOKEN):
                            await self._round(orders)
                    await self._change_token()
        except TimeoutError:
            pass
        finally:
            poller.cancel()
            await asyncio.wait([poller])
            await self._session.close()

    async def _poll(self) -> None:
        while True:
            try:
                await self._session.account.get_unmatched()
            except FourcastersError:
                self.tally.polls_failed += 1
            self.tally.polls += 1
            await asyncio.sleep(0)

    async def _round(self, socket: OrdersSocket) -> None:
        for game_id in self._games:
            for _ in range(random.randrange(_ORDERS)):
                self._exchange.book.place(self._exchange.account, game_id)
                self.tally.orders += 1
        report = await (
            self._over_the_socket(socket) if random.random() < _HALF else self._over_rest()
        )
        self._check(report)
        self._exchange.clear_faults()
        self._exchange.requests.clear()
        self._exchange.book.forget_closed()
        self.tally.rounds += 1
        if self.tally.rounds % 7 == 0:
            self.tally.idle_gaps += 1
            await asyncio.sleep(_IDLE_GAP)

    async def _over_rest(self) -> CancelReport:
        self._inject(_ON_REST, "cancelAllOrdersForGame")
        return await self._session.cancel_all_orders_for_games(
            self._games, verify=random.random() < _HALF, deadline=random.choice(_DEADLINES)
        )

    async def _over_the_socket(self, socket: OrdersSocket) -> CancelReport:
        self.tally.socket_rounds += 1
        self._inject(_ON_THE_SOCKET, "cancelAllByGame")
        self._exchange.inject(random.choice(_ON_HANDSHAKES), endpoint="ws")
        return await socket.cancel_all_orders_for_games(
            self._games,
            verify=random.random() < _HALF,
            deadline=random.choice(_DEADLINES),
            hedge=random.choice((None, 0.05)),
        )

    def _inject(self, choices: Sequence[faults.Fault], endpoint: str) -> None:
        for game_id in random.sample(self._games, k=4):
            self._exchange.inject(
                random.choice(choices),
                endpoint=endpoint,
                game_id=game_id,
                times=random.choice((1, 2, None)),
            )

    async def _change_token(self) -> None:
        self._exchange.book.tokens.clear()
        self._exchange.token = self._exchange.add_account(self._exchange.account)
        stale, self._session = self._session, self._new_session()
        await stale.close()
        self.tally.token_changes += 1

    def _check(self, report: CancelReport) -> None:
        for received in self._exchange.requests:
            if received.fault is not None:
                self.tally.struck[type(received.fault).__name__] += 1
        orders = self._exchange.book.orders
        for outcome in report.outcomes:
            self.tally.games += 1
            self.tally.statuses[outcome.status] += 1
            open_orders = self._exchange.open_orders(outcome.game_id)
            claims = {
                "confirmed": outcome.status is OutcomeStatus.CONFIRMED,
                "proved clear": outcome.resting == [],
            }
            for claim, made in claims.items():
                if made and open_orders:
                    self.tally.false_claims.append(f"{claim}, and {len(open_orders)} rest")
            for result in outcome.results:
                if result.success and not orders[result.order_id or ""].cancelled:
                    self.tally.false_claims.append("an order was reported cancelled and rests")
        self.tally.verified += report.verified_clear


def memory() -> float:
    """Return the resident memory of this process in MiB."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 2**20


def descriptors() -> int:
    """Return the number of open files and sockets."""
    return len(list(Path("/proc/self/fd").iterdir()))


async def soak(options: argparse.Namespace) -> int:
    """Run the soak, print the counts, and return the exit status."""
    seconds = options.seconds + options.hours * 3600
    async with FakeExchange(
        latency=0.005, rate_limit=(options.limit, options.window), keep_alive=_KEEP_ALIVE
    ) as exchange:
        job = Soak(exchange, RateLimit(options.limit, options.window))
        before = memory(), descriptors()
        await job.run(seconds)
        # A fault that stops the server from reading also hides that the client has closed.
        await exchange.drop_sockets()
        await asyncio.sleep(_IDLE_GAP)
        after = memory(), descriptors()
        limited = exchange.refused_by_limit
    tally = job.tally
    print(f"{seconds:.0f} s, at most {options.limit} requests in {options.window:g} s")
    print(f"rounds {tally.rounds}, of which {tally.socket_rounds} over the socket")
    print(f"games {tally.games}, orders {tally.orders}")
    print(f"polls {tally.polls}, of which {tally.polls_failed} failed")
    print(f"token changes {tally.token_changes}, idle gaps {tally.idle_gaps}")
    print("outcomes:", ", ".join(f"{n} {status}" for status, n in tally.statuses.most_common()))
    print(f"reports verified clear: {tally.verified}")
    print("faults met:", ", ".join(f"{name} {n}" for name, n in sorted(tally.struck.items())))
    print(f"false claims: {len(tally.false_claims)} {' | '.join(tally.false_claims[:5])}")
    print(f"429s of the limit: {limited}")
    print(f"memory: {before[0]:.0f} MiB at start, {after[0]:.0f} MiB at end")
    print(f"file descriptors: {before[1]} at start, {after[1]} at end")
    return 1 if tally.false_claims or limited or not tally.rounds else 0


def main() -> None:
    """Read the options and run the soak."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--seconds", type=float, default=None)
    parser.add_argument("--hours", type=float, default=0.0)
    parser.add_argument("--limit", type=int, default=3000, help="requests in any window")
    parser.add_argument("--window", type=float, default=60.0, help="seconds of a window")
    options = parser.parse_args()
    if options.seconds is None:
        options.seconds = 0.0 if options.hours else 300.0
    sys.exit(asyncio.run(soak(options)))


if __name__ == "__main__":
    main()
