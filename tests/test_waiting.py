"""A command that waits says so on a terminal, after a moment, and takes it back."""

import asyncio
import io
import os
import re
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, redirect_stderr
from pathlib import Path

import pytest
from support import environment

from fourcasters_async.cli.terminal import say
from fourcasters_async.cli.waiting import for_the_exchange, waiting
from fourcasters_async.testing import FakeExchange

# Windows has no such terminals.
pty = pytest.importorskip("pty")


class Screen(io.StringIO):
    """A terminal that knows carriage returns and line breaks."""

    def isatty(self) -> bool:
        return True

    @property
    def lines(self) -> list[str]:
        """What is to be seen, without blanks at the ends of lines."""
        shown = []
        for line in self.getvalue().split("\n"):
            cells: list[str] = []
            for part in line.split("\r"):
                cells[: len(part)] = part
            shown.append("".join(cells).rstrip())
        return shown


@pytest.fixture
def screen(monkeypatch: pytest.MonkeyPatch) -> Screen:
    monkeypatch.setenv("TERM", "xterm")
    return Screen()


@contextmanager
def waiting_on(
    stream: io.StringIO | None, text: Callable[[], str] = for_the_exchange
) -> Iterator[None]:
    # Only now: between a fixture and its test, pytest puts its own in place of it.
    with redirect_stderr(stream), waiting(text):
        yield


@pytest.mark.virtual_time
async def test_a_short_wait_shows_nothing(screen: Screen) -> None:
    with waiting_on(screen):
        await asyncio.sleep(0.4)
    assert screen.getvalue() == ""


@pytest.mark.virtual_time
async def test_a_wait_is_told_after_half_a_second_with_its_seconds(screen: Screen) -> None:
    with waiting_on(screen):
        await asyncio.sleep(0.6)
        assert screen.lines == ["waiting for the exchange, 0 s"]
        await asyncio.sleep(3.0)
        assert screen.lines == ["waiting for the exchange, 4 s"]


@pytest.mark.parametrize("error", [None, ValueError, asyncio.CancelledError])
@pytest.mark.virtual_time
async def test_it_is_gone_at_the_end_however_the_wait_ends(
    screen: Screen, error: type[BaseException] | None
) -> None:
    try:
        with waiting_on(screen):
            await asyncio.sleep(1.0)
            if error is not None:
                raise error
    except (ValueError, asyncio.CancelledError):
        pass
    assert screen.getvalue() != ""
    assert screen.lines[-1] == ""
    written = screen.getvalue()
    await asyncio.sleep(2.0)
    assert screen.getvalue() == written


@pytest.mark.virtual_time
async def test_what_is_said_meanwhile_has_a_line_of_its_own(screen: Screen) -> None:
    with waiting_on(screen):
        await asyncio.sleep(1.0)
        say("a warning", err=True)
        assert screen.lines == ["a warning", ""]
        await asyncio.sleep(1.0)
        assert screen.lines == ["a warning", "waiting for the exchange, 2 s"]


@pytest.mark.virtual_time
async def test_a_shorter_text_leaves_nothing_of_a_longer_one(screen: Screen) -> None:
    texts = iter(["a long text that is said first", "short"])
    with waiting_on(screen, lambda: next(texts)):
        await asyncio.sleep(1.2)
        assert screen.lines == ["short, 1 s"]


@pytest.mark.virtual_time
async def test_it_takes_less_than_a_line(screen: Screen, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(screen, "fileno", lambda: 2)
    monkeypatch.setattr(os, "get_terminal_size", lambda _: os.terminal_size((20, 10)))
    with waiting_on(screen):
        await asyncio.sleep(0.6)
    assert max(map(len, re.split(r"[\r\n]", screen.getvalue()))) == 19


@pytest.mark.virtual_time
async def test_nothing_is_left_of_a_control_c_that_the_terminal_has_echoed(screen: Screen) -> None:
    with waiting_on(screen):
        await asyncio.sleep(0.6)
        screen.write("^C")
    assert screen.lines == [""]


@pytest.mark.virtual_time
async def test_a_pipe_gets_nothing() -> None:
    pipe = io.StringIO()
    with waiting_on(pipe):
        await asyncio.sleep(2.0)
    assert pipe.getvalue() == ""


@pytest.mark.virtual_time
async def test_a_dumb_terminal_gets_nothing(
    screen: Screen, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TERM", "dumb")
    with waiting_on(screen):
        await asyncio.sleep(2.0)
    assert screen.getvalue() == ""


@pytest.mark.virtual_time
async def test_a_program_without_standard_error_waits_as_well() -> None:
    with waiting_on(None):
        await asyncio.sleep(2.0)


@pytest.mark.real_time
async def test_a_kill_on_a_terminal_imports_no_table_before_it_is_sent(
    fake_exchange: FakeExchange, tmp_path: Path
) -> None:
    game = fake_exchange.add_game(orders=1).game_id
    program = tmp_path / "program.py"
    program.write_text(
        "import sys\n"
        "from fourcasters_async import AsyncSession\n"
        "from fourcasters_async.__main__ import main\n"
        "cancel = AsyncSession.cancel_all_orders_for_games\n"
        "def noted(*args, **options):\n"
        "    print('rich' in sys.modules)\n"
        "    return cancel(*args, **options)\n"
        "AsyncSession.cancel_all_orders_for_games = noted\n"
        "main()\n"
    )
    ours, theirs = pty.openpty()
    drained = threading.Thread(target=drain, args=(ours,))
    drained.start()
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, str(program), "cancel-games", game),
        stdout=asyncio.subprocess.PIPE,
        stderr=theirs,
        env={**os.environ, **environment(fake_exchange), "TERM": "xterm"},
    )
    os.close(theirs)
    out, _ = await process.communicate()
    await asyncio.to_thread(drained.join)
    os.close(ours)
    before, row = out.decode().splitlines()
    assert before == "False"
    assert row.startswith(f"{game}\tconfirmed")


def drain(terminal: int) -> None:
    """Read a terminal to its end."""
    try:
        while os.read(terminal, 2**12):
            pass
    except OSError:
        # So the end of a terminal is told on Linux.
        return
