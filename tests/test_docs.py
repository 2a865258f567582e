"""What the README and the pages of docs/ show is true: their code runs here, on the sandbox."""

import ast
import asyncio
import codeop
import gc
import inspect
import os
import re
import sys
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import uvicorn
from aiohttp import ClientSession, web
from pages import GAME, OTHER, PAGES, README, ROOT, Block, block_with, blocks, compiled, prints
from support import Run, until
from test_house import FILES
from test_sandbox_command import COMMAND, read_lines, serving, started, with_the_command

from fourcasters_async import AsyncSession
from fourcasters_async.testing import FakeExchange, faults

DOCS = ROOT / "docs"
# They serve until they are told to end, and have tests of their own.
SERVERS = ("run_app(", "FastAPI(")
# The tutorial is one story. The plan quotes the library, and code to be written.
OTHERWISE = {"tutorial.md", "architecture.md"}
SHOWING = [
    page for page in (README, *PAGES) if blocks(page, "python") and page.name not in OTHERWISE
]
# What a command line on a page needs besides a sandbox: a terminal, a password, or Ctrl-C.
NOT_RUN = {"login", "sandbox", "demo", "watch"}
COMMANDS = [
    (page.name, line)
    for page in (README, *PAGES)
    if page.name != "tutorial.md"
    for block in blocks(page, "sh")
    for line in block.code.splitlines()
    if line.startswith("fourcasters ") and line.split()[1] not in NOT_RUN
]

TESTS = [block for block in blocks(DOCS / "testing.md", "python") if "def test_" in block.code]
SNIPPETS = [
    block
    for page in SHOWING
    for block in blocks(page, "python")
    if block.is_snippet and block not in TESTS and not any(word in block.code for word in SERVERS)
]
LINES_OF_FILES = [set(map(str.strip, path.read_text().splitlines())) for path in FILES]


@pytest.fixture
def thawed() -> Iterator[None]:
    """Let no page keep what other tests leave from the garbage collector."""
    yield
    gc.unfreeze()


@pytest.mark.usefixtures("thawed")
@pytest.mark.parametrize("page", SHOWING, ids=lambda page: str(page.name))
async def test_each_block_of_a_page_runs_and_prints_what_the_page_says(
    page: Path,
    fake_exchange: FakeExchange,
    example: Any,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    monkeypatch.chdir(tmp_path)
    async with AsyncSession(
        fake_exchange.token,
        base_url=fake_exchange.url,
        orders_url=fake_exchange.orders_url,
        streaming_url=fake_exchange.streaming_url,
    ) as session:
        names = {"session": session, "exchange": fake_exchange, "game_id": GAME, "other_id": OTHER}
        for block in blocks(page, "python"):
            if any(word in block.code for word in SERVERS):
                continue
            await run_block(block, example, names)
            printed = capsys.readouterr().out
            if block.output is not None:
                assert prints(block.output, printed), f"{block} printed:\n{printed}"


async def run_block(block: Block, example: Any, names: dict[str, Any]) -> None:
    if not block.is_snippet:
        try:
            await example(block.code)
        except SystemExit as ended:
            if ended.code:
                raise AssertionError(block) from ended
        return
    running = eval(compiled(block), names)  # noqa: S307  # it is the page's own code
    if inspect.iscoroutine(running):
        await running


@pytest.mark.parametrize("block", SNIPPETS, ids=str)
def test_a_snippet_can_be_pasted_into_a_repl(block: Block) -> None:
    # As `python -m asyncio` does it before Python 3.13: an indented block ends with an empty line.
    compiler = codeop.CommandCompiler()
    compiler.compiler.flags |= ast.PyCF_ALLOW_TOP_LEVEL_AWAIT
    pasted: list[str] = []
    for line in [*block.code.splitlines(), ""]:
        pasted.append(line)
        if compiler("\n".join(pasted), str(block), "single") is not None:
            pasted = []
    assert not any(pasted)


def test_both_servers_of_the_pages_have_tests_of_their_own() -> None:
    serving_blocks = {
        block.code
        for page in (README, *PAGES)
        for block in blocks(page, "python")
        if any(word in block.code for word in SERVERS)
    }
    assert len(serving_blocks) == len(SERVERS)


@pytest.mark.parametrize(("page", "line"), COMMANDS)
async def test_a_command_of_a_page_ends_well(
    page: str, line: str, run: Run, example: Any, fake_exchange: FakeExchange
) -> None:
    out = ""
    for command in line.split(" | "):
        ran = await run(*command.split()[1:], stdin=out)
        assert ran.status == 0, ran.err
        out = ran.out


@pytest.mark.real_time
async def test_the_tutorial_goes_as_it_says(tmp_path: Path) -> None:
    tutorial = DOCS / "tutorial.md"
    _, serve, source, *steps = [each for each in blocks(tutorial) if each.language != "text"]
    assert (serve.code, source.code) == (
        "fourcasters sandbox --still > sandbox.env\n",
        ". ./sandbox.env\n",
    )
    environment = with_the_command(tmp_path) | {"COLUMNS": "80"}
    for name, words in (("python", ""), ("pytest", "-m pytest -p no:cacheprovider")):
        (tmp_path / name).write_text(f'#!/bin/sh\nexec "{sys.executable}" {words} "$@"\n')
        (tmp_path / name).chmod(0o755)
    async with serving(*COMMAND, "--still") as sandbox:
        (tmp_path / "sandbox.env").write_text("".join(await read_lines(sandbox, 4)))
        for step in steps:
            if step.language == "python":
                (name,) = re.findall(r"[Ss]ave\s+this\s+as\s+`(\w+\.py)`", step.before)
                (tmp_path / name).write_text(step.code)
                continue
            script = f"{source.code}{step.code}"
            async with started("sh", "-c", script, cwd=tmp_path, env=environment) as shell:
                out, err = (each.decode() for each in await shell.communicate())
            assert step.output is not None, step
            assert prints(step.output, out), f"{step} printed:\n{out}{err}"


@pytest.mark.real_time
@pytest.mark.parametrize("block", TESTS, ids=str)
async def test_the_tests_of_the_page_on_testing_pass(block: Block, tmp_path: Path) -> None:
    (tmp_path / "test_bot.py").write_text(block.code)
    words = ["pytest", "-q", "-p", "no:cacheprovider", "-p", "no:randomly"]
    if "unittest" in block.code:
        words = ["unittest", "test_bot.py"]
    async with started(sys.executable, "-m", *words, cwd=tmp_path, env=dict(os.environ)) as tests:
        out, err = (each.decode() for each in await tests.communicate())
    assert tests.returncode == 0, out + err
    assert re.search(r"[1-9]\d* passed|Ran [1-9]", out + err)
    assert "skipped" not in out


def test_the_first_test_of_the_page_on_testing_takes_ten_lines() -> None:
    assert len([line for line in TESTS[0].code.splitlines() if line]) <= 10


async def test_the_strategy_cancels_the_spreads_of_a_game(
    fake_exchange: FakeExchange, example: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    await example(block_with("pull_spreads"))
    assert capsys.readouterr().out.endswith("-3.5 -110 cancelled\n")
    assert {order.type for order in fake_exchange.open_orders(GAME)} == {"moneyline", "total"}


async def test_the_strategy_says_when_it_does_not_know(
    fake_exchange: FakeExchange,
    example: Any,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    # An example has an event loop of its own, whose clock does not jump.
    in_two_seconds = partial(AsyncSession.from_env, timeout=2.0)
    monkeypatch.setattr(AsyncSession, "from_env", in_two_seconds)
    fake_exchange.inject(faults.Html(502), times=None)
    await example(block_with("pull_spreads"))
    assert capsys.readouterr().out.startswith("the orders may be gone or may rest: ")


async def test_the_fan_out_proves_its_games_clear(
    fake_exchange: FakeExchange, example: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    await example(block_with("flatten"))
    out = capsys.readouterr().out
    assert "2 games: 2 confirmed; 4 orders cancelled; verified clear" in out
    assert not fake_exchange.open_orders(GAME)


async def test_the_bot_moves_with_the_others_and_leaves_nothing_at_stale_prices(
    example: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    await example(block_with("requote"), name="__main__")
    *quotes, report = capsys.readouterr().out.splitlines()
    assert quotes
    assert all(line.startswith("resting at ") for line in quotes)
    assert report.startswith("1 game: 1 confirmed; ")
    assert "verified clear" in report


async def test_the_quotes_are_placed_and_pulled_over_the_socket(
    fake_exchange: FakeExchange, example: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    await example(block_with("orders_socket()"))
    first, second, report = capsys.readouterr().out.splitlines()
    assert first.startswith("placed 65b0")
    assert second.startswith("placed 65b0")
    assert report.startswith("1 game: 1 confirmed; 5 orders cancelled; verified clear; ")
    assert not fake_exchange.received("cancelAllOrdersForGame")


async def test_the_web_backend_is_a_kill_switch(fake_exchange: FakeExchange, example: Any) -> None:
    module = await example(block_with("make_app"), name="backend")
    runner = web.AppRunner(module["make_app"]())
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    host, port = runner.addresses[0][:2]
    async with (
        ClientSession() as user,
        user.post(f"http://{host}:{port}/halt", json={"games": [GAME]}) as response,
    ):
        assert (await response.json())["clear"] is True
    await runner.cleanup()
    assert not fake_exchange.open_orders(GAME)


async def test_the_bot_is_armed_and_ends_flat(
    fake_exchange: FakeExchange, example: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        await example(block_with("orders are open"))
    assert ended.value.code == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[:2] == ["switch: armed", "6 orders are open"]
    assert lines[2].startswith("6 orders cancelled; nothing rests")


async def test_a_first_order_is_found_placed_filled_and_cancelled(
    example: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    await example(block_with("async def trade("))
    first, fill, away_wins, push, home_wins, cancelled = capsys.readouterr().out.splitlines()
    assert first.startswith("Boston Celtics @ Los Angeles Lakers (NBA 2027-01-01 00:00)")
    assert first.endswith("+110 to win 55.00")
    assert fill == "matched 50.00 at +110, to win 54.50"
    assert away_wins == "home by -1 or less: -50.50 (-80.50 if filled)"
    assert push == "home by 0: +0.00 (+0.00 if filled)"
    assert home_wins == "home by 1 or more: +54.50 (+87.50 if filled)"
    assert "remaining=30.0" in cancelled


async def test_a_first_order_meets_the_other_side_whichever_team_is_at_home(
    fake_exchange: FakeExchange,
    session: AsyncSession,
    example: Any,
    capsys: pytest.CaptureFixture[str],
) -> None:
    book = fake_exchange.book
    game = book.add_game(away="Los Angeles Lakers", home="New York Knicks")
    for side, odds in ((game.away_id, -200), (game.home_id, 105), (game.home_id, -110)):
        book.place("somebody", game.game_id, side=side, odds=odds)
    for other in (GAME, OTHER):
        book.settle(other, away=0, home=1)
    module = await example(block_with("async def trade("))
    capsys.readouterr()
    await module["trade"](session)
    first, fill, *_ = capsys.readouterr().out.splitlines()
    assert first.endswith("[Los Angeles Lakers]: +110 to win 100.00")
    assert fill == "matched 80.00 at +110, to win 87.20"


@pytest.mark.real_time
async def test_the_backend_in_fastapi_halts_resumes_and_ends_flat(
    fake_exchange: FakeExchange, example: Any
) -> None:
    pytest.importorskip("fastapi", reason="FastAPI is not installed")
    module = await example(block_with("FastAPI("), name="backend")
    server = uvicorn.Server(uvicorn.Config(module["app"], port=0, log_level="warning"))
    serve = asyncio.create_task(server.serve())
    await until(lambda: server.started)
    host, port = server.servers[0].sockets[0].getsockname()[:2]
    async with ClientSession(f"http://{host}:{port}") as user:
        async with user.post("/halt", json=[GAME]) as response:
            halted = await response.json()
        async with user.post("/resume", json=[GAME]) as response:
            assert response.ok
    assert (halted["clear"], halted["unknown"]) == (True, [])
    assert {order.game_id for order in fake_exchange.open_orders()} == {OTHER}
    server.should_exit = True
    await serve
    assert not fake_exchange.open_orders()


def test_every_fault_is_in_the_table() -> None:
    table = (DOCS / "testing.md").read_text()
    known = {
        name
        for name, value in vars(faults).items()
        if isinstance(value, type) and issubclass(value, faults.Fault) and value is not faults.Fault
    }
    assert {name for name in known if f"`{name}(" not in table} == set()


@pytest.mark.parametrize("block", blocks(DOCS / "architecture.md", "python"), ids=str)
def test_the_plan_quotes_lines_of_the_library(block: Block) -> None:
    quoted = {line.strip() for line in block.code.splitlines() if "..." not in line} - {""}
    assert any(quoted <= lines for lines in LINES_OF_FILES)
