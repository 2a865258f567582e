"""Play random rounds of live orders, and count what was held and was not the book.

    python benchmarks/live_soak.py --rounds 5000
    python benchmarks/live_soak.py --rounds 1 --seed 4711    # repeat a round

Each round is one account whose session, another process and rivals trade at random on a
`FakeExchange`, while its user feed, replays, handshakes and requests fail at random, as
`tests/live_model.py` says. All of it follows from the seed, and the clock jumps over every wait.
Exits with 1 if the law was broken, and names the seeds.
"""

from rounds import main

# `rounds` makes the models of the tests importable.
from live_model import run_round  # isort: skip

if __name__ == "__main__":
    main(__doc__, run_round)
