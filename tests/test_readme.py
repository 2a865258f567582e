"""What the README promises to whoever has nothing else."""

from pages import README, blocks


def test_the_first_two_commands_are_one_command_each() -> None:
    first_two = blocks(README, "sh")[:2]
    assert [len(block.code.strip().splitlines()) for block in first_two] == [1, 1]


def test_it_is_short_enough_to_be_read() -> None:
    assert len(README.read_text().split()) <= 800
