"""Commands in other surroundings than a developer's: little environment, odd variables, outputs."""

import asyncio
import json
import os
import re
import signal
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from zipfile import ZipFile

import pytest
from support import Ran, environment

from fourcasters_async.cli import exits
from fourcasters_async.testing import FakeExchange

if sys.platform == "win32":
    pytest.skip("it has other variables and no descriptors", allow_module_level=True)

pytestmark = pytest.mark.real_time
ROOT = Path(__file__).parents[1]
FULL = pytest.mark.skipif(not Path("/dev/full").exists(), reason="it has no full device")
# What any program needs, and an interpreter that has its library elsewhere.
LEAST = {"PATH": os.defpath} | {
    name: value for name, value in os.environ.items() if name == "LD_LIBRARY_PATH"
}
NOBODY_ANSWERS = "http://127.0.0.1:9"
OF_PROXIES = ("http_proxy", "https_proxy", "all_proxy", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY")


async def bare(
    exchange: FakeExchange,
    words: str,
    variables: Mapping[str, str] | None = None,
    *,
    options: str = "",
    script: str = "$fourcasters",
    prepare: Callable[[], object] | None = None,
) -> Ran:
    """Run a command with hardly a variable; `script` has `$fourcasters`, and what is around it."""
    command = f"{sys.executable} {options} -m fourcasters_async {words}"
    process = await asyncio.create_subprocess_exec(
        *("sh", "-c", script.replace("$fourcasters", command)),
        cwd=ROOT,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        env={**LEAST, **environment(exchange), **(variables or {})},
        preexec_fn=prepare,
    )
    out, err = await process.communicate()
    assert process.returncode is not None
    return Ran(process.returncode, out.decode(), err.decode())


def ignore_signals() -> None:
    """Do as `nohup` and `trap ''` do."""
    for number in (signal.SIGHUP, signal.SIGINT, signal.SIGPIPE):
        signal.signal(number, signal.SIG_IGN)


def plain(text: str) -> str:
    return re.sub(r"\x1b\[[0-9;]*m", "", text)


SURROUNDINGS: dict[str, dict[str, str]] = {
    "no home": {},
    "a home that is not there": {"HOME": "/nonexistent"},
    "C": {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"},
    "ASCII": {"PYTHONIOENCODING": "ascii"},
    "no columns": {"FORCE_COLOR": "1", "COLUMNS": "0", "LINES": "0"},
    "20 columns": {"FORCE_COLOR": "1", "COLUMNS": "20"},
    "nonsense of a terminal": {"FORCE_COLOR": "1", "COLUMNS": "x", "LINES": "-1", "TERM": "?"},
    "proxies": dict.fromkeys(OF_PROXIES, NOBODY_ANSWERS),
    "certificates that are not there": {"SSL_CERT_FILE": "/nonexistent", "SSL_CERT_DIR": "/no"},
    "a zone of half hours": {"TZ": "Australia/Lord_Howe"},
    "a zone that is none": {"TZ": "Nowhere/At_All"},
    "a folder for files that is none": {"TMPDIR": "/nonexistent", "XDG_STATE_HOME": "/dev/null"},
    "a loop in debug mode": {"PYTHONASYNCIODEBUG": "1"},
}


@pytest.mark.parametrize("variables", SURROUNDINGS.values(), ids=SURROUNDINGS)
async def test_a_cancel_does_and_says_the_same_in_all_surroundings(
    fake_exchange: FakeExchange, variables: dict[str, str]
) -> None:
    game = fake_exchange.add_game(orders=2).game_id
    ran = await bare(fake_exchange, f"cancel-games {game} --verify", variables)
    assert (ran.status, fake_exchange.open_orders()) == (0, [])
    assert game in "".join(plain(ran.out).split())
    assert "2 orders cancelled; verified clear" in " ".join(plain(ran.err).split())
    assert "Traceback" not in ran.err


@pytest.mark.parametrize("options", ["-O", "-OO", "-E", "-X dev -W error", "-bb"])
async def test_a_cancel_does_the_same_with_each_option_of_python(
    fake_exchange: FakeExchange, options: str
) -> None:
    game = fake_exchange.add_game(orders=2).game_id
    ran = await bare(fake_exchange, f"cancel-games {game}", options=options)
    assert (ran.status, fake_exchange.open_orders()) == (0, [])
    # At which exchange it is, and what became of the orders.
    assert len(ran.err.splitlines()) == 2


async def test_a_cancel_does_the_same_where_signals_are_ignored(
    fake_exchange: FakeExchange,
) -> None:
    game = fake_exchange.add_game(orders=2).game_id
    ran = await bare(fake_exchange, f"cancel-games {game}", prepare=ignore_signals)
    assert (ran.status, fake_exchange.open_orders()) == (0, [])


@pytest.mark.parametrize("files", [64, 20, 12])
async def test_a_burst_that_may_open_few_files_cancels_all_the_same(
    fake_exchange: FakeExchange, files: int
) -> None:
    games = [fake_exchange.add_game(orders=1).game_id for _ in range(100)]
    words = f"cancel-games {' '.join(games)} --verify --deadline 60"
    ran = await bare(fake_exchange, words, script=f"ulimit -n {files}; exec $fourcasters")
    assert (ran.status, fake_exchange.open_orders()) == (0, [])
    assert "100 confirmed; 100 orders cancelled; verified clear" in ran.err


# Outputs.


@FULL
@pytest.mark.parametrize("both", ["", "2>&1"], ids=["output", "both"])
@pytest.mark.parametrize("words", ["--help", "--version", "cancel --help"])
async def test_help_that_cannot_be_written_ends_as_any_command(
    fake_exchange: FakeExchange, words: str, both: str
) -> None:
    ran = await bare(fake_exchange, words, script=f"$fourcasters >/dev/full {both}")
    assert ran.status == exits.NOT_KNOWN
    assert ran.err == ("" if both else "OSError: [Errno 28] No space left on device\n")


@FULL
@pytest.mark.parametrize("output", ["2>/dev/full", "2>&-"], ids=["full", "closed"])
@pytest.mark.parametrize("words", ["nonsense", "cancel-games", "cancel-games x/y", "logout"])
async def test_wrong_usage_has_its_status_where_that_cannot_be_said(
    fake_exchange: FakeExchange, words: str, output: str
) -> None:
    ran = await bare(fake_exchange, words, script=f"$fourcasters {output}")
    assert (ran.status, ran.out, ran.err) == (exits.WRONG_USAGE, "", "")


@pytest.mark.parametrize("closed", ["<&-", "2>&-", ">&-", "<&- >&- 2>&-"])
async def test_a_login_that_can_ask_nobody_is_an_abort(
    fake_exchange: FakeExchange, closed: str
) -> None:
    ran = await bare(fake_exchange, "login", script=f"$fourcasters {closed}")
    assert (ran.status, "Traceback" in ran.err) == (exits.ABORTED, False)
    assert not fake_exchange.requests


async def test_no_file_gets_the_number_of_a_stream_that_is_closed(
    fake_exchange: FakeExchange,
) -> None:
    opens = (
        "import os, sys; from fourcasters_async import __main__; __main__._open_what_is_closed(); "
        "sys.exit(os.open(os.devnull, os.O_RDONLY))"
    )
    script = f'{sys.executable} -c "{opens}" <&- >&- 2>&-'
    ran = await bare(fake_exchange, "", script=script)
    assert ran.status > 2


async def test_a_full_pipe_that_does_not_block_is_waited_for(fake_exchange: FakeExchange) -> None:
    for _ in range(400):
        fake_exchange.add_game(orders=1)
    reads, writes = os.pipe()
    os.set_blocking(writes, False)
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "fourcasters_async", "orders", "--json"),
        cwd=ROOT,
        stdout=writes,
        stderr=asyncio.subprocess.DEVNULL,
        env={**LEAST, **environment(fake_exchange)},
    )
    os.close(writes)
    with os.fdopen(reads, "rb") as file:
        content = await asyncio.to_thread(file.read)
    assert await process.wait() == 0
    # More than a pipe holds.
    assert len(content) > 2**17
    assert len(json.loads(content)["orders"]) == 400


# What is kept.


async def by_a_user_without_a_home(
    exchange: FakeExchange, folder: Path, *words: str, **variables: str
) -> Ran:
    """Run a command for a user whom the machine does not know, such as in a container."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", _WITHOUT_A_HOME, *words),
        cwd=folder,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        env={**LEAST, "PYTHONPATH": str(ROOT), **environment(exchange), **variables},
    )
    out, err = await process.communicate()
    assert process.returncode is not None
    return Ran(process.returncode, out.decode(), err.decode())


async def test_a_token_is_kept_in_no_folder_that_depends_on_where_a_command_is_run(
    fake_exchange: FakeExchange, tmp_path: Path
) -> None:
    fake_exchange.add_account("trader", "secret")
    account = {"FOURCASTERS_USERNAME": "trader", "FOURCASTERS_PASSWORD": "secret"}
    ran = await by_a_user_without_a_home(fake_exchange, tmp_path, "login", **account)
    assert ran.status == 1
    assert "cannot be kept: no home directory is known" in ran.err
    assert list(tmp_path.iterdir()) == []  # noqa: ASYNC240  # nobody else waits


async def test_a_cancel_needs_no_home(fake_exchange: FakeExchange, tmp_path: Path) -> None:
    game = fake_exchange.add_game(orders=1).game_id
    ran = await by_a_user_without_a_home(fake_exchange, tmp_path, "cancel-games", game)
    assert (ran.status, fake_exchange.open_orders()) == (0, [])


_WITHOUT_A_HOME = """
import pwd

def unknown(uid):
    raise KeyError(uid)

pwd.getpwuid = unknown

from fourcasters_async.__main__ import main

main()
"""


# Where the package is, and what is beside a command.


async def demo_in(folder: Path, package: Path) -> int:
    """Run the demo in a folder, with a package that no variable names; return its exit status."""
    process = await asyncio.create_subprocess_exec(
        *(
            sys.executable,
            "-P",
            "-c",
            _FINDS_THE_PACKAGE.format(str(package)),
            "demo",
            "--games",
            "1",
        ),
        cwd=folder,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.DEVNULL,
        env=LEAST,
    )
    return await process.wait()


async def test_the_sandbox_of_the_demo_is_of_the_same_package_as_the_command(
    tmp_path: Path,
) -> None:
    with ZipFile(tmp_path / "package.zip", "w") as package:
        for path in (ROOT / "fourcasters_async").rglob("*.py"):
            source = path.read_text()
            if path.parts[-2:] == ("testing", "__main__.py"):
                source = f"open('from the zip file', 'w').close()\n{source}"
            package.writestr(str(path.relative_to(ROOT)), source)
    assert await demo_in(tmp_path, tmp_path / "package.zip") == 0
    assert (tmp_path / "from the zip file").exists()


async def test_a_file_beside_a_demo_is_not_taken_for_a_module_of_python(tmp_path: Path) -> None:
    (tmp_path / "random.py").write_text("raise SystemExit(9)")
    assert await demo_in(tmp_path, ROOT) == 0


async def test_a_sandbox_that_serves_tls_names_the_extra_that_it_needs(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(sys.modules, "trustme", None)
    with pytest.raises(ImportError, match=r"needs trustme .*fourcasters-async\[tls\]"):
        async with FakeExchange(tls=True):
            pass


_FINDS_THE_PACKAGE = """
import sys

sys.path.insert(0, {!r})
from fourcasters_async.__main__ import main

main()
"""


# The tests.


def test_the_tests_know_nothing_of_the_shell_that_they_are_run_in() -> None:
    assert not {"NO_COLOR", "TZ", "PYTHONUNBUFFERED", "http_proxy", "LANG"} & os.environ.keys()
    assert not any(name.startswith("FOURCASTERS_") for name in os.environ)
