"""What starts fast: names that are imported once they are asked for."""

import ast
import asyncio
import io
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from types import ModuleType

import click
import pytest
from click.testing import CliRunner
from support import environment

import fourcasters_async
from fourcasters_async import models
from fourcasters_async._json import forms
from fourcasters_async.cli.commands import main
from fourcasters_async.cli.exits import NOT_KNOWN
from fourcasters_async.cli.terminal import console_of
from fourcasters_async.models.order import OpenOrdersPage
from fourcasters_async.testing import FakeExchange

NOT_FOR_A_KILL = {
    "fourcasters_async._events",
    "fourcasters_async.events",
    "fourcasters_async.exposure",
    "fourcasters_async.feeds.live_orders",
    "fourcasters_async.feeds.prices",
    "fourcasters_async.feeds.user",
    "fourcasters_async.markets",
    "fourcasters_async.models.order_book",
    "fourcasters_async.models.price_event",
    "fourcasters_async.models.stats",
    "fourcasters_async.models.user_event",
    "fourcasters_async.search",
    "fourcasters_async.testing",
}
OTHER_COMMANDS = {
    "fourcasters_async.cli.book",
    "fourcasters_async.cli.checks",
    "fourcasters_async.cli.demo",
    "fourcasters_async.cli.doctor",
    "fourcasters_async.cli.follow",
    "fourcasters_async.cli.login",
    "fourcasters_async.cli.reading",
    "fourcasters_async.cli.reads",
    "fourcasters_async.cli.sandbox",
    "fourcasters_async.cli.watch",
}
OF_EXTRAS = {"click", "platformdirs", "rich", "trustme"}


def modules_after(code: str) -> set[str]:
    """Return the modules that a new interpreter has imported once it ran some code."""
    ended = subprocess.run(  # noqa: S603  # code of this file
        [sys.executable, "-c", f"{code}\nimport sys; print(*sys.modules, sep=chr(10))"],
        check=True,
        capture_output=True,
        text=True,
    )
    return set(ended.stdout.split())


def imports_for_checkers(package: ModuleType) -> dict[str, str]:
    """Return the module of each name that a package imports for type checkers alone."""
    (block,) = [
        node
        for node in ast.parse(Path(str(package.__file__)).read_text()).body
        if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING"
    ]
    found: dict[str, str] = {}
    for node in block.body:
        assert isinstance(node, ast.ImportFrom)
        home = str(node.module).removeprefix(f"{package.__name__}.")
        for name in node.names:
            found |= dict.fromkeys(models.__all__ if name.name == "*" else [name.name], home)
    return found


@pytest.mark.parametrize(
    ("code", "unwanted"),
    [
        ("import fourcasters_async", {"aiohttp", "cattrs", *NOT_FOR_A_KILL, *OF_EXTRAS}),
        (
            "from fourcasters_async import AsyncSession; AsyncSession('a' * 32)",
            NOT_FOR_A_KILL | OF_EXTRAS,
        ),
        ("from fourcasters_async import *", {"fourcasters_async.testing", *OF_EXTRAS}),
    ],
    ids=["the package", "a session", "every name"],
)
def test_an_import_brings_only_what_is_asked_for(code: str, unwanted: set[str]) -> None:
    assert not modules_after(code) & unwanted


@pytest.mark.parametrize("package", [fourcasters_async, models], ids=["top", "models"])
def test_every_name_that_is_exported_is_there(package: object) -> None:
    exported: Sequence[str] = package.__all__  # type: ignore[attr-defined]  # both packages have it
    assert [name for name in exported if not hasattr(package, name)] == []


@pytest.mark.parametrize("package", [fourcasters_async, models], ids=["top", "models"])
def test_each_public_name_is_exported_and_has_one_home_for_checkers_and_for_imports(
    package: ModuleType,
) -> None:
    for_checkers = imports_for_checkers(package)
    homes: dict[str, str] = package._HOMES
    assert {name: home for name, home in homes.items() if name != home} == for_checkers
    exported = [name for name in package.__all__ if name != "__version__"]
    assert sorted(exported) == sorted(for_checkers)


@pytest.mark.parametrize("package", ["fourcasters_async", "fourcasters_async.models"])
def test_names_are_listed_before_they_are_imported(package: str) -> None:
    code = f"import {package} as p; assert set(p.__all__) <= set(dir(p)); print(p.__all__)"
    assert "fourcasters_async.models.order" not in modules_after(code)


@pytest.mark.parametrize("module", ["errors", "exposure", "markets", "models", "search", "session"])
def test_a_public_module_is_an_attribute_of_the_package(module: str) -> None:
    code = f"import fourcasters_async as p; assert p.{module}.__name__ == 'p.{module}'"
    modules_after(code.replace("'p.", "'fourcasters_async."))


@pytest.mark.parametrize("package", [fourcasters_async, models], ids=["top", "models"])
def test_a_name_that_is_not_there_is_an_attribute_error(package: object) -> None:
    with pytest.raises(AttributeError, match="has no attribute 'Kill'"):
        package.Kill  # type: ignore[attr-defined]  # noqa: B018  # the point of the test


def test_what_is_known_of_a_record_by_its_name_is_of_a_record_that_there_is() -> None:
    assert forms.FORMS.keys() <= set(models.__all__)


def test_a_record_of_the_library_alone_has_no_form_of_another() -> None:
    assert forms.normalised(OpenOrdersPage) is None


@pytest.mark.parametrize("missing", ["click", "platformdirs", "rich"])
def test_the_command_says_at_once_which_extra_it_needs(missing: str) -> None:
    code = (
        f"import sys; sys.modules[{missing!r}] = None\n"
        "from fourcasters_async.__main__ import main; main()"
    )
    ended = subprocess.run(  # noqa: S603  # code of this file
        [sys.executable, "-c", code], check=False, capture_output=True, text=True
    )
    assert ended.stderr == (
        "The command line needs an extra: pip install 'fourcasters-async[cli]'\n"
    )


def test_ctrl_c_while_the_command_line_is_imported_is_one_line() -> None:
    code = (
        "import sys\n"
        "class Interrupting:\n"
        "    def find_spec(self, name, *_):\n"
        "        if name == 'fourcasters_async.cli.exits':\n"
        "            raise KeyboardInterrupt\n"
        "from fourcasters_async.__main__ import main\n"
        "sys.meta_path.insert(0, Interrupting())\n"
        "main()\n"
    )
    ended = subprocess.run(  # noqa: S603  # code of this file
        [sys.executable, "-c", code], check=False, capture_output=True, text=True
    )
    assert (ended.returncode, ended.stderr) == (NOT_KNOWN, "interrupted\n")


@pytest.mark.real_time
async def test_a_kill_from_the_command_line_imports_no_table_and_no_other_command(
    fake_exchange: FakeExchange,
) -> None:
    game = fake_exchange.add_game(orders=1).game_id
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-X", "importtime", "-m", "fourcasters_async", "cancel-games", game),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        env={**os.environ, **environment(fake_exchange)},
    )
    _, err = await process.communicate()
    imported = {line.rpartition("|")[2].strip() for line in err.decode().splitlines()}
    assert b"1 confirmed" in err
    assert "fourcasters_async.session" in imported
    assert not imported & {*NOT_FOR_A_KILL, *OTHER_COMMANDS, "rich"}


@pytest.mark.parametrize(
    ("words", "variables"),
    [
        (["--help"], {}),
        (
            [],
            {
                "_FOURCASTERS_COMPLETE": "bash_complete",
                "COMP_WORDS": "fourcasters ",
                "COMP_CWORD": "1",
            },
        ),
    ],
    ids=["help", "completion"],
)
def test_every_command_is_listed(words: list[str], variables: dict[str, str]) -> None:
    ended = CliRunner().invoke(main, words, prog_name="fourcasters", env=variables)
    listed = {word.removeprefix("plain,") for word in ended.output.split()}
    assert set(main.list_commands(click.Context(main))) <= listed


def test_every_command_that_is_listed_is_there() -> None:
    context = click.Context(main)
    commands = [main.get_command(context, name) for name in main.list_commands(context)]
    assert [each.name for each in commands if each] == main.list_commands(context)


def test_a_stream_that_is_no_terminal_is_not_drawn_on(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("FORCE_COLOR", "TTY_COMPATIBLE"):
        monkeypatch.delenv(name, raising=False)
    assert console_of(io.StringIO()) is None


@pytest.mark.parametrize(("said", "drawn"), [("0", False), ("1", True)])
def test_a_stream_is_a_terminal_if_the_environment_says_so(
    said: str, drawn: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("FORCE_COLOR", raising=False)
    monkeypatch.setenv("TTY_COMPATIBLE", said)
    assert (console_of(io.StringIO()) is not None) is drawn
