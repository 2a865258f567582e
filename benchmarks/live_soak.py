"""Play random rounds of live orders, and count what was held and was not the book.

    python benchmarks/live_soak.py --rounds 5000
    python benchmarks/live_soak.py --rounds 1 --seed 4711    # repeat a round

Each round is one account whose session, another process and rivals trade at random on a
`FakeExchange`, while its user feed, replays, handshakes and requests fail at random, as
`tests/live_model.py` says. All of it follows from the seed, and the clock jumps over every wait.
Exits with 1 if the law was broken, and names the seeds.
"""

import argparse
import asyncio
import logging
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))

from live_model import Tally, run_round
from support import JumpingLoop, one_clock

_SHOWN = 10


def play(rounds: int, seed: int, tally: Tally) -> dict[int, str]:
    """Play rounds from a seed on, each in a loop of its own; return what failed."""
    failed: dict[int, str] = {}
    for each in range(seed, seed + rounds):
        with asyncio.Runner(loop_factory=JumpingLoop) as runner:
            loop = runner.get_loop()
            if not isinstance(loop, JumpingLoop):
                raise TypeError("the rounds need a loop whose clock jumps")
            try:
                with one_clock(loop):
                    runner.run(run_round(each, tally))
            except AssertionError as broken:
                failed[each] = str(broken)
                print(broken, flush=True)
    return failed


def main() -> None:
    """Read the options, play, and print what was counted."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rounds", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=0, help="the first of consecutive seeds")
    parser.add_argument("--log", action="store_true", help="print the log of the library")
    options = parser.parse_args()
    level = logging.DEBUG if options.log else logging.CRITICAL
    logging.basicConfig(level=level, stream=sys.stdout)
    tally = Tally()
    failed = play(options.rounds, options.seed, tally)
    print(f"rounds {tally.rounds}, from seed {options.seed}")
    for name, counts in (
        ("calls", tally.calls),
        ("claims", tally.claims),
        ("faults", tally.struck),
    ):
        print(f"{name} {counts.total()}:", ", ".join(f"{k} {n}" for k, n in sorted(counts.items())))
    print(f"violations in {len(failed)} rounds; seeds: {list(failed)[:_SHOWN]}")
    sys.exit(1 if failed or not tally.rounds else 0)


if __name__ == "__main__":
    main()
