"""What `--help` says, and what a shell completes."""

import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import click
import pytest
from click.testing import CliRunner
from pages import ROOT, blocks
from support import Run
from test_house import FILES
from test_sandbox_command import with_the_command

from fourcasters_async.cli.commands import main
from fourcasters_async.cli.exits import STATUSES
from fourcasters_async.cli.lazy_group import EXAMPLES, VARIABLES
from fourcasters_async.testing import FakeExchange

COMMANDS = main.list_commands(click.Context(main))
# What they need: a password, a kept token, another terminal, Ctrl-C, or minutes.
NOT_RUN = {"login", "logout", "sandbox", "watch", "demo"}


def help_of(*words: str) -> str:
    ended = CliRunner().invoke(main, [*words, "--help"], prog_name="fourcasters")
    assert ended.exit_code == 0
    return ended.output


def in_one_line(text: str) -> str:
    return " ".join(text.split())


def test_the_help_of_the_group_says_every_variable_that_is_read() -> None:
    read = {
        name
        for path in FILES
        if "testing" not in path.parts
        for name in re.findall(r"\bFOURCASTERS_[A-Z_]+", path.read_text())
    }
    documented = set(re.findall(r"`(FOURCASTERS_\w+)`", (ROOT / "docs/operations.md").read_text()))
    assert read == documented == {name for name in VARIABLES if name.startswith("FOURCASTERS_")}
    said = in_one_line(help_of())
    assert [name for name in VARIABLES if f"{name} {VARIABLES[name]}" not in said] == []


def test_the_help_of_the_group_says_every_exit_status() -> None:
    said = in_one_line(help_of())
    assert [
        (status, text)
        for status, texts in STATUSES.items()
        for text in texts
        if f"{status} {text}" not in said
    ] == []


@pytest.mark.parametrize("command", COMMANDS)
def test_the_help_of_a_command_ends_with_an_example_in_one_line(command: str) -> None:
    *_, title, example = help_of(command).splitlines()
    assert (title.strip(), example.strip()) == ("Example:", EXAMPLES[command])
    assert example.split()[:2] == ["fourcasters", command]


@pytest.mark.parametrize("command", [each for each in COMMANDS if each not in NOT_RUN])
async def test_an_example_does_what_it_says(
    command: str, run: Run, example: Any, fake_exchange: FakeExchange
) -> None:
    ran = await run(*EXAMPLES[command].split()[1:])
    assert ran.status == 0, ran.err


@pytest.mark.parametrize("command", ["", *COMMANDS])
def test_no_help_is_wider_than_eighty_columns(command: str) -> None:
    assert max(map(len, help_of(*command.split()).splitlines())) <= 80


def completion_line(shell: str) -> str:
    (block,) = blocks(ROOT / "docs" / "cli.md", shell)
    return block.code.strip()


@pytest.mark.parametrize(
    ("words", "completed"),
    [
        (["can"], ["cancel", "cancel-all", "cancel-games", "cancel-league"]),
        (["doctor", "--"], ["--deadline", "--json", "--help"]),
        (["cancel-games", "--type", "mon"], ["moneyline", "moneyline1x2"]),
    ],
    ids=" ".join,
)
def test_the_line_for_bash_completes(
    words: list[str], completed: list[str], tmp_path: Path
) -> None:
    bash = shutil.which("bash")
    if bash is None:
        pytest.skip("there is no bash")
    version = subprocess.run(  # noqa: S603  # of this machine
        [bash, "-c", "echo ${BASH_VERSINFO[0]}.${BASH_VERSINFO[1]}"],
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    if tuple(map(int, version.split("."))) < (4, 4):
        pytest.skip(f"click completes in bash 4.4 or later, and this is {version.strip()}")
    script = "\n".join(
        [
            completion_line("bash"),
            f"COMP_WORDS=(fourcasters {' '.join(words)})",
            f"COMP_CWORD={len(words)}",
            "_fourcasters_completion fourcasters",
            'printf "%s\\n" "${COMPREPLY[@]}"',
        ]
    )
    ended = subprocess.run(  # noqa: S603  # the page's own line
        [bash, "--norc", "-c", script],
        capture_output=True,
        text=True,
        env=with_the_command(tmp_path),
        check=False,
    )
    assert (ended.stdout.split(), ended.stderr) == (completed, "")


@pytest.mark.parametrize(
    ("shell", "registers"),
    [("bash", "complete -o"), ("zsh", "compdef"), ("fish", "complete --no-files")],
)
def test_the_line_for_a_shell_asks_for_what_click_writes_for_it(shell: str, registers: str) -> None:
    (variable,) = re.findall(r"_FOURCASTERS_COMPLETE=\w+", completion_line(shell))
    name, _, value = variable.partition("=")
    ended = CliRunner().invoke(main, [], prog_name="fourcasters", env={name: value})
    assert (ended.exit_code, registers in ended.output) == (0, True)
