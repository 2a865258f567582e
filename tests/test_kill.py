"""The kill at random: what a report calls clear is clear, and stays so."""

import pytest
from kill_model import run_round

_ROUNDS_A_TEST = 40


@pytest.mark.virtual_time
@pytest.mark.parametrize("first", range(0, 5 * _ROUNDS_A_TEST, _ROUNDS_A_TEST))
async def test_what_is_said_to_be_clear_is_clear_and_stays_clear(first: int) -> None:
    for seed in range(first, first + _ROUNDS_A_TEST):
        await run_round(seed)
