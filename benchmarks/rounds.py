"""Plays random rounds of a model from consecutive seeds, and says which broke its law."""

import argparse
import asyncio
import logging
import sys
from collections.abc import Callable, Coroutine
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))

from kill_model import Tally
from support import JumpingLoop, one_clock

Play = Callable[[int, Tally], Coroutine[object, object, None]]

_SHOWN = 10


def main(description: str | None, run_round: Play) -> None:
    """Read the options, play, print what was counted, and exit with 1 if the law was broken."""
    parser = argparse.ArgumentParser(
        description=description, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rounds", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=0, help="the first of consecutive seeds")
    parser.add_argument("--log", action="store_true", help="print the log of the library")
    options = parser.parse_args()
    level = logging.DEBUG if options.log else logging.CRITICAL
    logging.basicConfig(level=level, stream=sys.stdout)
    tally = Tally()
    failed = _play(run_round, options.rounds, options.seed, tally)
    print(f"rounds {tally.rounds}, from seed {options.seed}")
    for name, counts in (
        ("calls", tally.calls),
        ("claims", tally.claims),
        ("faults", tally.struck),
    ):
        print(f"{name} {counts.total()}:", ", ".join(f"{k} {n}" for k, n in sorted(counts.items())))
    print(f"violations in {len(failed)} rounds; seeds: {failed[:_SHOWN]}")
    sys.exit(1 if failed or not tally.rounds else 0)


def _play(run_round: Play, rounds: int, seed: int, tally: Tally) -> list[int]:
    """Play rounds from a seed on, each in a loop of its own; return the seeds that failed."""
    failed: list[int] = []
    for each in range(seed, seed + rounds):
        with asyncio.Runner(loop_factory=JumpingLoop) as runner:
            loop = runner.get_loop()
            if not isinstance(loop, JumpingLoop):
                raise TypeError("the rounds need a loop whose clock jumps")
            try:
                with one_clock(loop):
                    runner.run(run_round(each, tally))
            except AssertionError as broken:
                failed.append(each)
                print(broken, flush=True)
    return failed
