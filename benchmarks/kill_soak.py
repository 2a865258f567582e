"""Play random rounds of the kill, and count what was said to be clear and was not.

    python benchmarks/kill_soak.py --rounds 5000
    python benchmarks/kill_soak.py --rounds 1 --seed 4711    # repeat a round

Each round is one account that places, edits, cancels, halts and resumes at random against a
`FakeExchange` that fails at random, as `tests/kill_model.py` says. All of it follows from the
seed, and the clock jumps over every wait. Exits with 1 if the law was broken, and names the seeds.
"""

from rounds import main

# `rounds` makes the models of the tests importable.
from kill_model import run_round  # isort: skip

if __name__ == "__main__":
    main(__doc__, run_round)
