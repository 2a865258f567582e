"""The end of a fan-out: its answers are heard, and what they did is proved."""

import asyncio
from collections.abc import Iterable, Sequence
from contextlib import ExitStack

from fourcasters_async.models import GameOutcome, UndecidedOrder
from fourcasters_async.models.report import results_so_far
from fourcasters_async.orders.gate import Gate
from fourcasters_async.orders.shared_reads import MANY, SharedReads
from fourcasters_async.orders.verify import GamesInDoubt, read_until_clear, time_to_read

# Results that are heard without a turn of the loop.
_WITHOUT_A_TURN = 100


async def hear(gate: Gate, outcomes: Sequence[GameOutcome], *, since: float) -> None:
    """Record the results of a fan-out that began at a loop time, with turns of the loop."""
    # Where nobody wants to know, there is nothing to record.
    if gate.follower is None and not gate.acknowledged and not gate.tickets:
        return
    answers = [results_so_far(outcome) for outcome in outcomes]
    heard = 0
    try:
        while heard < len(answers):
            if heard:
                await asyncio.sleep(0)
            first, results = heard, 0
            while heard < len(answers) and results < _WITHOUT_A_TURN:
                results += len(answers[heard])
                heard += 1
            gate.hear(answers[first:heard], began=since)
    finally:
        # They are true also if the caller is cancelled meanwhile.
        gate.hear(answers[heard:], began=since)


async def hear_and_prove(
    doubt: GamesInDoubt, reads: SharedReads, gate: Gate, *, since: float, until: float
) -> list[GameOutcome]:
    """Record the results of a fan-out that began at a loop time, and read until it is clear.

    With many results the first read is under way while they are recorded. It began after the last
    answer, and with nothing of the session's own undecided there is nothing else to wait for.
    """
    many = sum(len(results_so_far(outcome)) for outcome in doubt.outcomes) > MANY
    with ExitStack() as stack:
        ahead = None
        if many and not gate.tickets:
            ahead = stack.enter_context(reads.joined(time_to_read(until)))
        await hear(gate, doubt.outcomes, since=since)
        await read_until_clear(doubt, reads, gate, since=since, until=until, ahead=ahead)
    return doubt.settle()


def undecided_on(gate: Gate, games: Iterable[str], *, periods: bool) -> tuple[UndecidedOrder, ...]:
    """Return the own orders that are undecided on games, or on their periods too."""
    if not gate.tickets:
        return ()
    named = frozenset(map(str.casefold, games))
    return gate.undecided(gate.with_periods(named) if periods else named)
