"""Measure this library and others side by side, against a mock exchange written in C.

    python -m benchmarks.suite                      the cases that show the most
    python -m benchmarks.suite --full               all cases; takes an hour or two
    python -m benchmarks.suite --only "bare;socket" --games 1000 --rounds 30

The mock runs on one core and every client on another, each client in a process of its own. They
take turns, in a new random order for each round. The clock of a client runs from the call until
it has every answer as it hands them to its user. The figures go to `benchmarks/results/` if
`--write` is given; `python -m benchmarks.charts` makes the charts of them.

- `socket`, `rest`: this library, until `report.ok`; `records` makes every record too;
- `by hand`: aiohttp as most write it; `tuned` with orjson and no cookie jar;
- `httpx` with pydantic, `niquests`, `threads` (100 of them, with requests), `fetch` of Node;
- `bare`: a protocol that does nothing but write frames and read answers: the practical limit.
"""

import argparse
import json
import os
import platform
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from attrs import evolve

from .cases import CONTESTANTS, ONE_ANSWER, Case, full, quick
from .flood import flood
from .goals import rows as goal_rows
from .machine import cores, described
from .mock import Mock
from .runner import absent, run_case

RESULTS = Path(__file__).parents[1] / "results"
# Above this share of its core the mock may be what is measured.
BUSY = 0.6
_COLUMNS = {
    "wall_ms": "median ms",
    "times_one_answer": "x one answer",
    "times_by_hand": "x by hand",
    "times_bare": "x bare",
    "cpu_us_a_game": "CPU us/game",
    "last_request_ms": "last request ms",
    "p50_ms": "p50 ms",
    "p99_ms": "p99 ms",
    "peak_mib": "peak MiB",
    "mock_busy": "mock busy",
}


def chosen(options: argparse.Namespace) -> list[Case]:
    """Return the cases that the options leave."""
    cases = full() if options.full else quick()
    for name in ("state", "games", "orders", "delay"):
        wanted = getattr(options, name)
        if wanted is None:
            continue
        left = [case for case in cases if getattr(case, name) == wanted]
        # What no case has is measured all the same.
        cases = left or list(dict.fromkeys(evolve(case, **{name: wanted}) for case in cases))
    return cases


def names_of(options: argparse.Namespace) -> list[str]:
    """Return the contestants that the options leave, and say who is absent."""
    wanted = options.only.split(";") if options.only else list(CONTESTANTS)
    unknown = [name for name in wanted if name not in CONTESTANTS]
    if unknown:
        sys.exit(f"no such contestant: {unknown}; there are {list(CONTESTANTS)}")
    names = [ONE_ANSWER, *(name for name in wanted if name != ONE_ANSWER)]
    for name in names:
        if (reason := absent(name)) is not None:
            print(f"without {name}: {reason}")
    return [name for name in names if absent(name) is None]


def rows(contestants: Mapping[str, Mapping[str, object]]) -> Iterator[Sequence[str]]:
    """Give the rows of a table."""
    yield "", *_COLUMNS.values()
    for name, figures in contestants.items():
        cells = ("-" if figures[each] is None else f"{figures[each]:.4g}" for each in _COLUMNS)
        yield name, *cells


def show(lines: Iterator[Sequence[str]]) -> None:
    """Print a table."""
    table = list(lines)
    widths = [max(map(len, column)) for column in zip(*table, strict=True)]
    for first, *others in table:
        padded = [cell.rjust(width) for cell, width in zip(others, widths[1:], strict=True)]
        print("  ".join((first.ljust(widths[0]), *padded)))
    print(flush=True)


def measure(options: argparse.Namespace) -> dict[str, Any]:
    """Run every case, print it as soon as it is ready, and return all figures."""
    for_mock, for_clients = cores()
    if for_mock is not None:
        os.sched_setaffinity(0, {for_mock})
    names, results = names_of(options), []
    machine = described()
    print(
        f"Python {machine['python']}, commit {machine['commit']}, load {machine['load_before']}\n"
    )
    with Mock(for_mock) as mock:
        if for_clients is not None and for_mock is not None:
            os.sched_setaffinity(0, {for_clients})
        floods = [flood(mock, games=5000, orders=orders) for orders in (1, 10, 100)]
        if for_mock is not None:
            os.sched_setaffinity(0, {for_mock})
        for each in floods:
            print(", ".join(f"{name} {figure}" for name, figure in each.items()))
        print(flush=True)
        for case in chosen(options):
            began = time.monotonic()
            taking = [name for name in names if case.takes(name)]
            figures = run_case(case, taking, options.rounds, mock, for_clients)
            results.append(figures)
            print(f"{case} ({time.monotonic() - began:.0f} s)")
            contestants: Any = figures["contestants"]
            show(rows(contestants))
            for name, each in contestants.items():
                if each["mock_busy"] > BUSY:
                    print(f"{name}: the mock was too busy, so this is not the client's time\n")
    return {
        "machine": {**machine, "load_after": [round(load, 1) for load in os.getloadavg()]},
        "pinned": for_mock is not None,
        "mock": floods,
        "cases": results,
    }


def main() -> None:
    """Read the options and measure."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.suite",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    size = parser.add_mutually_exclusive_group()
    size.add_argument("--quick", action="store_true", help="the default")
    size.add_argument("--full", action="store_true")
    parser.add_argument("--only", help="contestants, with ; between them")
    parser.add_argument("--state", choices=("warm", "cold", "idle"))
    parser.add_argument("--games", type=int)
    parser.add_argument("--orders", type=int, help="orders a game")
    parser.add_argument("--delay", type=float, help="milliseconds an answer takes")
    parser.add_argument("--rounds", type=int, default=11, help="rounds that count")
    parser.add_argument("--write", action="store_true", help="keep the figures")
    options = parser.parse_args()
    figures = measure(options)
    show(goal_rows(figures))
    if options.write:
        version = ".".join(platform.python_version_tuple()[:2])
        RESULTS.mkdir(exist_ok=True)
        path = RESULTS / f"suite-{version}.json"
        path.write_text(json.dumps(figures, indent=1) + "\n")
        print(f"written: {path.relative_to(Path.cwd())}")


if __name__ == "__main__":
    main()
