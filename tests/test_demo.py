"""`fourcasters demo`: its phases, its bar, its end at Ctrl-C in each phase, and what it says."""

import asyncio
import io
import os
import re
import signal
import sys
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import Any

import pytest
from click.testing import CliRunner
from support import Ran

from fourcasters_async.cli import demo
from fourcasters_async.cli.commands import main
from fourcasters_async.cli.demo import Wanted
from fourcasters_async.cli.display import OUTCOMES
from fourcasters_async.cli.phases import Begin, phases_on

# They all start a process.
pytestmark = pytest.mark.real_time

PHASES = [
    "starting a sandbox exchange in another process",
    "placing orders on its games",
    "cancelling one game after another",
    "opening connections",
    "cancelling all games at once over REST",
    "opening the Orders WebSocket",
    "cancelling as many others over the Orders WebSocket",
    "verifying that nothing is open on these games",
]
SMALL = ("demo", "--games", "3", "--orders", "2", "--latency", "0")
# With it the first answer takes ten seconds.
SLOW = ("demo", "--games", "1", "--orders", "1", "--latency", "10000")


def invoke(*words: str, **variables: str) -> Ran:
    result = CliRunner().invoke(main, words, env=variables)
    if result.exc_info is not None and result.exc_info[0] is not SystemExit:
        raise result.exc_info[1]
    return Ran(result.exit_code, result.stdout, result.stderr)


async def run(*words: str, **variables: str) -> Ran:
    return await asyncio.to_thread(invoke, *words, **variables)


async def test_without_a_terminal_each_phase_is_a_line_and_there_is_no_bar() -> None:
    ran = await run(*SMALL)
    assert ran.status == 0
    assert ran.err.splitlines() == PHASES
    assert not set(ran.out + ran.err) & set("\r\x1b━")


async def test_without_a_terminal_the_columns_have_heads() -> None:
    heads, *rows = (await run(*SMALL)).out.splitlines()[:4]
    assert heads.split("\t") == list(OUTCOMES.heads)
    assert {len(row.split("\t")) for row in rows} == {len(OUTCOMES.heads)}


async def test_it_says_what_limits_the_sandbox_and_what_the_library_took() -> None:
    *_, limit, more, part, connections = (await run(*SMALL)).out.splitlines()
    assert limit.startswith("The sandbox's limit: it is a Python server on this machine")
    assert more == "  answer at a time, and sends none before 0 ms."
    assert re.match(r"The library's part: it computed for [\d.,]+ ms over REST, with$", part)
    assert re.match(r"  3 connections, and [\d.,]+ ms over the WebSocket\.$", connections)


async def test_no_line_is_wider_than_eighty_columns() -> None:
    ran = await run(*SMALL)
    assert max(len(line) for line in ran.out.splitlines() if "\t" not in line) <= 80


@pytest.fixture
def stops(monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    """Give what has a demo interrupted as Ctrl-C does when it begins a phase."""

    def run_until_cancelled(job: Any) -> Any:
        # Only the main thread gets a signal.
        with asyncio.Runner() as runner:
            try:
                return runner.run(job)
            except asyncio.CancelledError:
                raise KeyboardInterrupt from None

    monkeypatch.setattr("fourcasters_async.cli.exits.asyncio.run", run_until_cancelled)

    def stop_at(phase: str) -> None:
        @contextmanager
        def stopping(stream: Any) -> Iterator[Begin]:
            with phases_on(stream) as begin:

                def begin_or_stop(name: str, steps: int | None) -> Callable[[int], None]:
                    if name == phase:
                        task = asyncio.current_task()
                        assert task is not None
                        task.cancel()
                    return begin(name, steps)

                yield begin_or_stop

        monkeypatch.setattr(demo, "phases_on", stopping)

    return stop_at


@pytest.mark.parametrize("phase", PHASES)
async def test_an_interrupt_in_any_phase_is_one_line_and_leaves_no_process(
    phase: str, stops: Callable[[str], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    started: list[asyncio.subprocess.Process] = []
    create = asyncio.create_subprocess_exec

    async def noted(*words: Any, **options: Any) -> asyncio.subprocess.Process:
        started.append(await create(*words, **options))
        return started[-1]

    monkeypatch.setattr(asyncio, "create_subprocess_exec", noted)
    stops(phase)
    ran = await run(*SMALL)
    assert ran.status == 3
    assert ran.err.splitlines() == [*PHASES[: PHASES.index(phase) + 1], "interrupted"]
    assert ran.out == ""
    assert None not in [each.returncode for each in started]


@asynccontextmanager
async def on_a_terminal(*words: str) -> AsyncIterator[tuple[asyncio.subprocess.Process, int]]:
    """Run a command with its standard error on a terminal, and give what reads that."""
    pty = pytest.importorskip("pty")
    ours, theirs = pty.openpty()
    running = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "fourcasters_async", *words),
        stdout=asyncio.subprocess.PIPE,
        stderr=theirs,
        start_new_session=True,
        env={**os.environ, "TERM": "xterm", "COLUMNS": "80"},
    )
    os.close(theirs)
    try:
        yield running, ours
    finally:
        if running.returncode is None:
            running.kill()
        await running.communicate()
        os.close(ours)


async def read_on(terminal: int) -> str:
    """Return what comes next on a terminal, nothing at its end."""
    try:
        return (await asyncio.to_thread(os.read, terminal, 2**12)).decode()
    except OSError:
        # So the end of a terminal is told on Linux.
        return ""


async def test_the_bar_moves_also_while_nothing_is_answered_and_ctrl_c_leaves_one_line() -> None:
    async with on_a_terminal(*SLOW) as (running, terminal):
        text, frames = "", set[str]()
        while len(frames) < 3:
            text += await read_on(terminal)
            assert running.returncode is None, text
            frames = {frame for frame in re.split(r"[\r\n]", text) if PHASES[2] in frame}
        os.killpg(running.pid, signal.SIGINT)
        while more := await read_on(terminal):
            text += more
        out, _ = await running.communicate()
    assert (running.returncode, out) == (3, b"")
    assert "Traceback" not in text
    # What is drawn of the bar is gone: the last line is erased before the word.
    assert re.search(r"\x1b\[2K[^\n]*interrupted\r\n$", text)


@pytest.mark.parametrize("columns", [40, 80])
def test_the_bar_has_room_for_the_name_of_its_phase(
    columns: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    monkeypatch.setenv("COLUMNS", str(columns))
    monkeypatch.setenv("TERM", "xterm")
    stream = Terminal()
    with phases_on(stream) as begin:
        for name in PHASES:
            begin(name, 10_000)(5_000)
    text = re.sub(r"\x1b\[[\d;?]*[A-Za-z]", "", stream.getvalue())
    assert max(map(len, re.split(r"[\r\n]", text))) <= columns
    words = ["verifying", "that", "nothing", "is", "open", "on", "these", "games"]
    assert all(word in text for word in words)
    assert "5000/10000" in text


async def test_a_dumb_terminal_gets_lines(monkeypatch: pytest.MonkeyPatch) -> None:
    ran = await run(*SMALL, TERM="dumb", TTY_COMPATIBLE="1", NO_COLOR="1")
    assert ran.err.splitlines() == PHASES


async def test_a_sandbox_that_does_not_start_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "executable", "/bin/true")
    ran = await run(*SMALL)
    assert ran.status == 1
    assert ran.err.splitlines()[-1] == "Error: the sandbox has ended before it served"


async def test_more_orders_than_there_is_room_for_are_wrong_usage() -> None:
    ran = await run("demo", "--games", "10000", "--orders", "21")
    assert ran.status == 2
    assert "200,000 orders" in ran.err


@pytest.mark.parametrize(
    ("games", "latency", "sample", "singles"),
    [(1, 0.0, 1, 1), (10_000, 0.0, 50, 9), (100, 0.02, 50, 9), (100, 0.5, 4, 4), (100, 10.0, 1, 1)],
)
def test_single_cancels_are_measured_for_a_limited_time(
    games: int, latency: float, sample: int, singles: int
) -> None:
    wanted = Wanted(games, 10, latency)
    assert (wanted.sample, wanted.singles) == (sample, singles)
    assert wanted.games_needed == 2 * games + 1 + sample
