"""The sandbox that is served from a terminal: `fourcasters sandbox`, and the module."""

import asyncio
import json
import os
import signal
import socket
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from attrs import frozen
from click.testing import CliRunner
from pages import ROOT, blocks
from support import free_port, until

from fourcasters_async.cli.commands import main
from fourcasters_async.testing import FakeExchange, process
from fourcasters_async.testing.process import serve

COMMAND = ("fourcasters_async", "sandbox")
MODULE = ("fourcasters_async.testing",)
LINES = {COMMAND: 4, MODULE: 1}
SHELL = [block.code for block in blocks(ROOT / "docs" / "testing.md", "sh")]


@asynccontextmanager
async def started(
    *words: str, stdin: int = asyncio.subprocess.PIPE, **options: Any
) -> AsyncIterator[asyncio.subprocess.Process]:
    process = await asyncio.create_subprocess_exec(
        *words,
        stdin=stdin,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        **options,
    )
    try:
        yield process
    finally:
        if process.returncode is None:
            process.kill()
        await process.communicate()


def serving(*words: str, **options: Any) -> Any:
    return started(sys.executable, "-m", *words, **options)


async def read_lines(process: asyncio.subprocess.Process, count: int) -> list[str]:
    assert process.stdout is not None
    lines = [(await process.stdout.readline()).decode() for _ in range(count)]
    if not lines[-1]:
        raise AssertionError((await process.communicate())[1].decode())
    return lines


async def run_in_shell(script: str, directory: Path) -> str:
    async with started("sh", "-c", script, cwd=directory, env=with_the_command(directory)) as shell:
        out, err = await shell.communicate()
        assert shell.returncode == 0, err.decode()
        return out.decode()


def with_the_command(directory: Path) -> dict[str, str]:
    """Return an environment in which `fourcasters` is this command line."""
    command = directory / "fourcasters"
    command.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m fourcasters_async "$@"\n')
    command.chmod(0o755)
    return {**os.environ, "PATH": f"{directory}{os.pathsep}{os.environ['PATH']}"}


@pytest.mark.real_time
async def test_what_it_prints_makes_another_terminal_use_it(tmp_path: Path) -> None:
    async with serving(*COMMAND) as sandbox:
        lines = await read_lines(sandbox, 4)
        (tmp_path / "env").write_text("".join(lines))
        document = json.loads(await run_in_shell(". ./env; fourcasters orders --json", tmp_path))
        sandbox.send_signal(signal.SIGINT)
        rest, prose = await sandbox.communicate()
    assert [line.split("=")[0] for line in lines] == [
        "export FOURCASTERS_BASE_URL",
        "export FOURCASTERS_ORDERS_URL",
        "export FOURCASTERS_STREAMING_URL",
        "export FOURCASTERS_TOKEN",
    ]
    assert lines[0] == f"export FOURCASTERS_BASE_URL={document['exchange']}\n"
    assert len(document["orders"]) > 10
    assert (sandbox.returncode, rest) == (0, b"")
    assert prose.decode().splitlines() == [
        "SANDBOX with 12 games: an exchange on this machine, not the real one",
        "run these lines in another terminal; Ctrl-C ends the sandbox",
    ]


@pytest.mark.real_time
async def test_every_command_has_something_to_show(tmp_path: Path) -> None:
    commands = ("me", "games", "games NBA", "positions", "bets", "graded", "orders")
    script = "; echo END; ".join(f"fourcasters {command}" for command in commands)
    async with serving(*COMMAND, "--still") as sandbox:
        (tmp_path / "env").write_text("".join(await read_lines(sandbox, 4)))
        out = await run_in_shell(f". ./env; set -e; {script}", tmp_path)
        shown = dict(zip(commands, out.split("END\n"), strict=True))
        game = shown["games NBA"].split()[0]
        shown["book"] = await run_in_shell(f". ./env; fourcasters book {game}", tmp_path)
    assert [command for command, text in shown.items() if len(text.splitlines()) < 4] == []


@pytest.mark.real_time
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("words", [COMMAND, MODULE], ids=["command", "module"])
async def test_one_signal_ends_it_quietly(words: tuple[str, ...], number: signal.Signals) -> None:
    async with serving(*words) as sandbox:
        await read_lines(sandbox, LINES[words])
        sandbox.send_signal(number)
        _, err = await sandbox.communicate()
    assert sandbox.returncode == 0
    assert b"Traceback" not in err


@pytest.mark.real_time
async def test_open_connections_do_not_keep_it_from_ending() -> None:
    async with serving(*MODULE) as sandbox:
        ready = json.loads((await read_lines(sandbox, 1))[0])
        port = int(ready["url"].rpartition(":")[2])
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")
        await reader.readuntil(b"\r\n\r\n")
        sandbox.send_signal(signal.SIGINT)
        await sandbox.communicate()
        writer.close()
    assert sandbox.returncode == 0


@pytest.mark.real_time
async def test_the_module_ends_with_its_standard_input() -> None:
    async with serving(*MODULE, stdin=asyncio.subprocess.DEVNULL) as sandbox:
        _, err = await sandbox.communicate()
    assert (sandbox.returncode, err) == (0, b"")


@pytest.mark.real_time
async def test_the_command_does_not_end_with_its_standard_input() -> None:
    async with serving(*COMMAND, stdin=asyncio.subprocess.DEVNULL) as sandbox:
        lines = await read_lines(sandbox, 4)
        port = int(lines[0].strip().rpartition(":")[2])
        _, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.close()


@pytest.mark.real_time
async def test_the_port_and_the_token_can_be_given(tmp_path: Path) -> None:
    port = free_port()
    token = "it's-$mine"
    async with serving(*COMMAND, "--port", str(port), "--token", token) as sandbox:
        (tmp_path / "env").write_text("".join(await read_lines(sandbox, 4)))
        out = await run_in_shell(
            '. ./env; fourcasters orders --json; echo "$FOURCASTERS_TOKEN"', tmp_path
        )
    *document, last = out.splitlines()
    assert json.loads("\n".join(document))["exchange"] == f"http://127.0.0.1:{port}"
    assert last == token


@pytest.mark.real_time
async def test_a_port_that_is_in_use_is_one_line_and_status_1() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        async with serving(*COMMAND, "--port", str(port)) as sandbox:
            out, err = await sandbox.communicate()
    assert (sandbox.returncode, out) == (1, b"")
    (line,) = err.decode().splitlines()
    assert line.startswith(f"Error: port {port} cannot be used: ")


@pytest.mark.real_time
async def test_the_terminals_of_the_page_on_testing_work_together(tmp_path: Path) -> None:
    (first,) = (block for block in SHELL if "fourcasters sandbox" in block)
    (second,) = (block for block in SHELL if "sandbox.env" in block and block != first)
    variables = tmp_path / "sandbox.env"
    env = with_the_command(tmp_path)
    async with started(
        "sh", "-c", first, cwd=tmp_path, env=env, start_new_session=True
    ) as terminal:
        try:
            await until(lambda: variables.exists() and "TOKEN" in variables.read_text())
            out = await run_in_shell(second, tmp_path)
        finally:
            # What Ctrl-C does: the whole terminal gets it.
            os.killpg(terminal.pid, signal.SIGINT)
        _, err = await terminal.communicate()
    assert "NBA" in out
    assert b"Traceback" not in err


@pytest.mark.parametrize("token", ["", "two words", "line\nbreak", "é"])
def test_a_token_that_no_session_takes_is_wrong_usage(token: str) -> None:
    result = CliRunner().invoke(main, ["sandbox", "--token", token])
    assert result.exit_code == 2
    assert "token: must be ASCII without spaces" in result.stderr


@frozen
class Served:
    exchange: FakeExchange
    step: Callable[[], object] | None


@pytest.fixture
def served(monkeypatch: pytest.MonkeyPatch) -> Callable[..., Served]:
    """Give what runs the command, and returns what it would have served."""
    seen: list[Served] = []

    async def note(
        exchange: FakeExchange, announce: object, *, step: Callable[[], object] | None
    ) -> None:
        seen.append(Served(exchange, step))

    monkeypatch.setattr("fourcasters_async.testing.process.serve", note)

    def run(*words: str) -> Served:
        result = CliRunner().invoke(main, ["sandbox", *words])
        assert result.exit_code == 0, result.output
        return seen.pop()

    return run


def quotes(exchange: FakeExchange) -> list[int]:
    return [order.odds for order in exchange.book.resting()]


def test_prices_move_with_each_step(served: Callable[..., Served]) -> None:
    sandbox = served()
    before = quotes(sandbox.exchange)
    assert sandbox.step is not None
    sandbox.step()
    assert quotes(sandbox.exchange) != before


def test_prices_do_not_move_if_they_are_to_be_still(served: Callable[..., Served]) -> None:
    assert served("--still").step is None


def test_the_seed_and_the_number_of_games_decide_about_the_day(
    served: Callable[..., Served],
) -> None:
    first, again, other = (
        quotes(served("--games", "20", "--seed", seed).exchange) for seed in ("1", "1", "2")
    )
    assert first == again != other
    assert len(quotes(served("--games", "2").exchange)) < len(first)


def test_its_games_start_in_the_hours_to_come(served: Callable[..., Served]) -> None:
    now = datetime.now(UTC)
    games = [game for game in served().exchange.book.games.values() if not game.ended]
    assert all(game.live or now < game.start < now + timedelta(hours=13) for game in games)
    assert sum(game.live for game in games) == 1


@pytest.mark.parametrize("words", [(), ("--token", "mine")])
def test_its_token_is_not_about_to_be_replaced(
    served: Callable[..., Served], words: tuple[str, ...]
) -> None:
    exchange = served(*words).exchange
    assert list(exchange.book.tokens) == [exchange.token]
    issued = exchange.book.issued.get(exchange.token, exchange.now())
    assert exchange.now() - issued < 3600


@pytest.mark.virtual_time
async def test_a_step_is_made_every_second() -> None:
    clock = asyncio.get_running_loop().time
    began, steps = clock(), list[float]()

    def step() -> None:
        steps.append(clock() - began)
        if len(steps) == 3:
            signal.raise_signal(signal.SIGTERM)

    await serve(FakeExchange(), lambda: None, step=step)
    assert steps == pytest.approx([1.0, 2.0, 3.0])


async def test_a_step_that_fails_ends_it() -> None:
    def step() -> None:
        raise ZeroDivisionError

    with pytest.raises(ExceptionGroup) as ended:
        await serve(FakeExchange(), lambda: None, step=step)
    assert ended.group_contains(ZeroDivisionError)


async def test_it_gives_the_signals_back() -> None:
    before = signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)
    await serve(FakeExchange(), lambda: signal.raise_signal(signal.SIGINT))
    assert (signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)) == before


async def test_a_signal_that_is_ignored_stays_so() -> None:
    before = signal.signal(signal.SIGTERM, signal.SIG_IGN)
    try:

        def announce() -> None:
            assert signal.getsignal(signal.SIGTERM) is signal.SIG_IGN
            signal.raise_signal(signal.SIGINT)

        await serve(FakeExchange(), announce)
        assert signal.getsignal(signal.SIGTERM) is signal.SIG_IGN
    finally:
        signal.signal(signal.SIGTERM, before)


def test_the_module_ends_quietly_also_before_it_serves(monkeypatch: pytest.MonkeyPatch) -> None:
    async def interrupted(**_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(process, "_serve", interrupted)
    monkeypatch.setattr(sys, "argv", ["testing"])
    process.main()
