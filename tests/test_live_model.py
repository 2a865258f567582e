"""Live orders are the book while they are current, and every fill comes once: at random."""

import pytest
from live_model import run_round

_ROUNDS_A_TEST = 50


@pytest.mark.virtual_time
@pytest.mark.parametrize("first", range(0, 4 * _ROUNDS_A_TEST, _ROUNDS_A_TEST))
async def test_live_orders_are_the_book_while_they_are_current(first: int) -> None:
    for seed in range(first, first + _ROUNDS_A_TEST):
        await run_round(seed)
