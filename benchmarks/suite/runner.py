"""Run one case: every contestant in a process of its own, by turns, against one mock."""

import json
import os
import random
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from statistics import median
from typing import Any

from attrs import frozen

from .cases import BY_HAND, CONTESTANTS, ONE_ANSWER, Case
from .clients import missing
from .contestant import CONNECTIONS
from .mock import Counted, Mock

_ROOT = Path(__file__).parents[2]
_WARM_UPS = 2
# Rounds in which the time of each game is taken. They count for nothing else.
_EACH = 2
# A contestant whose first burst takes more seconds than this has one round.
_SLOW, _ROUNDS_OF_SLOW = 2.0, 1
_IDLE, _ROUNDS_OF_IDLE = 60.0, 3
# Seconds after which some contestants close connections that nothing uses: fetch after 4, httpx
# after 5, aiohttp after 15.
_STALE = 3.0
# Seconds for both ends to close connections, before the next burst.
_PAUSE = 0.03


@frozen
class Taken:
    """What one burst took, in seconds; `last` is when the last request was at the mock."""

    wall: float
    cpu: float
    last: float
    busy: float
    p50: float | None
    p99: float | None
    peak: float


class Child:
    """The process of one contestant."""

    def __init__(self, name: str, process: "subprocess.Popen[str]") -> None:
        self.name = name
        self._process = process
        self._used = 0.0
        self.before: float = self._read()["peak"]
        """The MiB that it had before its first burst."""

    def burst(self, mock: Mock, case: Case, *, each: bool = False) -> Taken:
        """Let it cancel once. A warm one has connections open."""
        if case.state == "warm" and time.monotonic() - self._used > _STALE:
            # fetch has no pool of a fixed size.
            games = case.games if self.name == "fetch" else min(case.games, CONNECTIONS)
            self._cancel(case, games=games, each=False)
        mock.mark()
        figures = self._cancel(case, games=case.games, each=each)
        counted: Counted = mock.report()
        games = 1 if self.name == ONE_ANSWER else case.games
        if counted.requests != games:
            raise RuntimeError(f"{self.name}: the mock had {counted.requests} requests")
        return Taken(
            figures["wall"],
            figures["cpu"] / games,
            (counted.last - figures["began"]) / 1e9,
            counted.busy,
            figures["p50"],
            figures["p99"],
            figures["peak"],
        )

    def _cancel(self, case: Case, *, games: int, each: bool) -> dict[str, Any]:
        yardstick = self.name == ONE_ANSWER
        command = {
            "games": 1 if yardstick else games,
            "orders": case.orders,
            # One answer is the yardstick: always over a warm socket.
            "cold": case.state == "cold" and not yardstick,
            "each": each,
        }
        if self._process.stdin is None:
            raise RuntimeError("a contestant has no pipe")
        self._process.stdin.write(json.dumps(command) + "\n")
        self._process.stdin.flush()
        figures = self._read()
        self._used = time.monotonic()
        return figures

    def _read(self) -> dict[str, Any]:
        line = self._process.stdout.readline() if self._process.stdout else ""
        if not line:
            raise RuntimeError(f"{self.name} has ended")
        answer: dict[str, Any] = json.loads(line)
        return answer


@contextmanager
def child(name: str, mock: Mock, cpu: int | None) -> Iterator[Child]:
    """Run a contestant, as long as the block runs."""
    client, loop = CONTESTANTS[name]
    if client == "fetch":
        script = Path(__file__).with_name("fetch.mjs")
        command = ["node", "--expose-gc", str(script), mock.url]
    else:
        command = [sys.executable, "-m", "benchmarks.suite.child", f"--client={client}"]
        command += [f"--loop={loop}", f"--url={mock.url}", f"--orders-url={mock.orders_url}"]
    ca = str(mock.ca)
    trust = {"SSL_CERT_FILE": ca, "NODE_EXTRA_CA_CERTS": ca, "REQUESTS_CA_BUNDLE": ca}
    process = subprocess.Popen(  # noqa: S603  # programs of ours
        command,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        cwd=_ROOT,
        env={**os.environ, **trust, "PYTHONHASHSEED": "0"},
    )
    try:
        if cpu is not None:
            os.sched_setaffinity(process.pid, {cpu})
        yield Child(name, process)
    finally:
        process.communicate()


def absent(name: str) -> str | None:
    """Return why a contestant cannot take part here, `None` if it can."""
    client, loop = CONTESTANTS[name]
    if client == "fetch":
        return None if shutil.which("node") else "there is no node"
    lacks = missing(client)
    if loop == "uvloop" and missing_uvloop():
        lacks = [*lacks, "uvloop"]
    return f"not installed: {', '.join(lacks)}" if lacks else None


def missing_uvloop() -> bool:
    """Return whether uvloop is not installed."""
    from importlib.util import find_spec  # noqa: PLC0415  # here alone

    return find_spec("uvloop") is None


def run_case(
    case: Case, names: Sequence[str], rounds: int, mock: Mock, cpu: int | None
) -> dict[str, object]:
    """Measure one case, and return its figures."""
    mock.set(orders=case.orders, delay=case.delay)
    taken: dict[str, list[Taken | None]] = {name: [] for name in names}
    with ExitStack() as stack:
        children = [stack.enter_context(child(name, mock, cpu)) for name in names]
        slow = set()
        for _ in range(_WARM_UPS):
            for each in children:
                if each.name not in slow and each.burst(mock, case).wall > _SLOW:
                    slow.add(each.name)
        times: dict[str, Taken] = {}
        for each in children:
            bursts = 1 if each.name in slow or case.state == "idle" else _EACH
            probed = [each.burst(mock, case, each=True) for _ in range(bursts)]
            times[each.name] = min(probed, key=lambda one: one.wall)
        for turn in range(min(rounds, _ROUNDS_OF_IDLE) if case.state == "idle" else rounds):
            if case.state == "idle":
                time.sleep(_IDLE)
            # random.shuffle would change the order of the figures.
            for each in random.sample(children, len(children)):
                if each.name in slow and turn >= _ROUNDS_OF_SLOW:
                    taken[each.name].append(None)
                    continue
                taken[each.name].append(each.burst(mock, case))
                if case.state == "cold":
                    time.sleep(_PAUSE)
        before = {each.name: each.before for each in children}
    figures = {name: summary(name, taken, times[name], before[name]) for name in names}
    return {
        "state": case.state,
        "games": case.games,
        "orders": case.orders,
        "delay_ms": case.delay,
        "contestants": figures,
    }


def summary(
    name: str, taken: Mapping[str, Sequence[Taken | None]], each: Taken, before: float
) -> dict[str, object]:
    """Return the figures of one contestant: medians, and medians of the ratios in each round."""
    mine = [one for one in taken[name] if one is not None]

    def times(other: str) -> float | None:
        if other not in taken:
            return None
        pairs = zip(taken[name], taken[other], strict=True)
        return round(median(one.wall / its.wall for one, its in pairs if one and its), 3)

    return {
        "rounds": len(mine),
        "wall_ms": milli(median(one.wall for one in mine)),
        "fastest_ms": milli(min(one.wall for one in mine)),
        "slowest_ms": milli(max(one.wall for one in mine)),
        "times_one_answer": times(ONE_ANSWER),
        "times_by_hand": times(BY_HAND),
        "times_bare": times("bare"),
        "cpu_us_a_game": round(median(one.cpu for one in mine) * 1e6, 1),
        "last_request_ms": milli(median(one.last for one in mine)),
        "p50_ms": milli(each.p50),
        "p99_ms": milli(each.p99),
        "before_mib": round(before, 1),
        "peak_mib": round(max(one.peak for one in mine), 1),
        "mock_busy": round(median(one.busy for one in mine), 3),
    }


def milli(seconds: float | None) -> float | None:
    """Return milliseconds, to the microsecond."""
    return None if seconds is None else round(seconds * 1e3, 3)
