"""What the commands print where: data, prose, ids for other commands, JSON; and what they ask."""

import asyncio
import json
import os
import re
import signal
import sys
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Any

import click
import pytest
from pages import ROOT
from shapes import SHAPES, mistakes
from support import QUICK, Ran, Run, environment
from test_sandbox_command import COMMAND, read_lines, serving
from test_watch_command import on_terminal

from fourcasters_async import AsyncSession, Game, OpenOrder
from fourcasters_async.account import Account
from fourcasters_async.cli import cancels, exits
from fourcasters_async.cli.columns import Columns
from fourcasters_async.cli.display import ORDERS, OUTCOMES, RESULTS
from fourcasters_async.cli.exits import STATUSES
from fourcasters_async.cli.read_tables import BETS, BOOK, GAMES, GRADED, ME, POSITIONS
from fourcasters_async.testing import FakeExchange, faults

NOBODY = "f" * 24
NEEDS_PTY = pytest.mark.skipif(sys.platform == "win32", reason="it has no pseudo terminals")
NEEDS_SH = pytest.mark.skipif(sys.platform == "win32", reason="it has no sh")
# Every command that prints data and ends of itself, and the columns of its lines.
READS: list[tuple[list[str], Columns]] = [
    (["games"], GAMES),
    (["book", "GAME"], BOOK),
    (["orders"], ORDERS),
    (["positions"], POSITIONS),
    (["bets"], BETS),
    (["graded", "--since", "2025-12-31"], GRADED),
    (["me"], ME),
]
CANCELS: list[tuple[list[str], Columns]] = [
    (["cancel-games", "GAME", NOBODY], OUTCOMES),
    (["cancel-games", "GAME", "--verify"], OUTCOMES),
    (["cancel", "ORDER", NOBODY], RESULTS),
    (["cancel", "ORDER", "--verify"], RESULTS),
    (["cancel-all", "--yes"], RESULTS),
    (["cancel-all", "--yes", "--verify"], RESULTS),
    (["cancel-league", "NBA"], RESULTS),
    (["cancel-league", "NBA", "--verify"], RESULTS),
]
DRY_RUNS: list[tuple[list[str], Columns]] = [
    (["cancel-games", "GAME", "--dry-run"], ORDERS),
    (["cancel", "ORDER", "--dry-run"], ORDERS),
    (["cancel-all", "--dry-run"], ORDERS),
    (["cancel-league", "NBA", "--dry-run"], ORDERS),
]
COMMANDS = [*READS, *CANCELS, *DRY_RUNS]
WORDS = [words for words, _ in COMMANDS]


@pytest.fixture(autouse=True)
def _few_attempts(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let what fails fail at once."""
    monkeypatch.setattr(AsyncSession, "from_env", partial(AsyncSession.from_env, retry=QUICK))


def furnish(exchange: FakeExchange) -> dict[str, str]:
    """Add games with bets and orders of more than 1,000; return the names for words."""
    book = exchange.book
    game, done = book.add_game(), book.add_game()
    for each in (game, done):
        order = book.place(exchange.account, each.game_id, offered=5000.0)
        book.fill(order.order_id, 2000.0)
    book.settle(done.game_id, away=1, home=2)
    return {"GAME": game.game_id, "ORDER": exchange.open_orders(game.game_id)[0].order_id}


def named(words: list[str], names: dict[str, str]) -> list[str]:
    return [names.get(word, word) for word in words]


def by_words(values: list[list[str]]) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("words", values, ids=" ".join)


# Data and prose.


# The order of a set, and so its text, is another in each process.
@pytest.mark.parametrize(
    ("words", "columns"),
    COMMANDS,
    ids=lambda each: " ".join(each) if isinstance(each, list) else "",
)
async def test_standard_output_has_nothing_but_rows_of_the_same_cells(
    fake_exchange: FakeExchange, run: Run, words: list[str], columns: Columns
) -> None:
    ran = await run(*named(words, furnish(fake_exchange)))
    lines = ran.out.splitlines()
    assert lines or words[0] == "cancel-league"
    assert {line.count("\t") + 1 for line in lines} <= {len(columns.heads)}
    assert ran.err.startswith("on the sandbox on this machine at ")


@by_words(WORDS)
async def test_numbers_have_no_thousands_separators_in_a_pipe(
    fake_exchange: FakeExchange, run: Run, words: list[str]
) -> None:
    ran = await run(*named(words, furnish(fake_exchange)))
    assert not re.search(r"\d,\d", ran.out)


@by_words(WORDS)
async def test_json_on_standard_output_is_the_only_thing_there(
    fake_exchange: FakeExchange, run: Run, words: list[str]
) -> None:
    ran = await run(*named(words, furnish(fake_exchange)), "--json")
    shape = "dry-run" if "--dry-run" in words else words[0]
    document = json.loads(ran.out)
    assert not mistakes(document, "cancel" if shape in ("cancel-all", "cancel-league") else shape)
    assert document["exchange"] == fake_exchange.url


@by_words([words for words, _ in CANCELS])
async def test_what_a_cancel_came_to_is_the_last_line_of_standard_error_with_json_too(
    fake_exchange: FakeExchange, run: Run, words: list[str]
) -> None:
    names = furnish(fake_exchange)
    last = [line.split("; ")[0] for line in (await run(*named(words, names))).err.splitlines()]
    again = furnish(fake_exchange)
    ran = await run(*named(words, again), "--json")
    assert ran.err.splitlines()[-1].split("; ")[0] == last[-1]


async def test_what_still_rests_is_in_the_json_and_otherwise_on_standard_error(
    fake_exchange: FakeExchange, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cancels, "_VERIFY", 0.3)
    names = furnish(fake_exchange)
    # Reads go on to show it.
    fake_exchange.vanish_lag = 1e6
    ran = await run("cancel", names["ORDER"], "--verify", "--json")
    (resting,) = json.loads(ran.out)["resting"]
    assert (ran.status, resting["order_id"]) == (1, names["ORDER"])
    ran = await run("cancel", names["ORDER"], "--verify")
    assert len(ran.out.splitlines()) == 1
    assert names["GAME"] in ran.err.partition("1 still open when last seen:\n")[2]


@by_words([*WORDS, ["watch"], ["book", "GAME", "--follow"]])
@pytest.mark.parametrize("as_json", [[], ["--json"]], ids=["lines", "json"])
@pytest.mark.parametrize(
    ("fault", "status", "said"),
    [(faults.Unauthorized(), 1, "AuthenticationError: "), (faults.Html(502), 3, "Error: ")],
    ids=["refused", "no answer"],
)
async def test_an_error_is_prose_on_standard_error_and_a_status_with_json_too(
    fake_exchange: FakeExchange,
    run: Run,
    words: list[str],
    as_json: list[str],
    fault: faults.Fault,
    status: int,
    said: str,
) -> None:
    names = furnish(fake_exchange)
    fake_exchange.inject(fault, times=None)
    streams = {"FOURCASTERS_STREAMING_URL": fake_exchange.streaming_url}
    ran = await run(*named(words, names), *as_json, **streams)
    assert ran.status == status
    if words[0] == "cancel-games" and "--dry-run" not in words:
        # It has a document for whatever became of the requests.
        assert names["GAME"] in ran.out
        return
    if "--verify" in words:
        # So have the others with a read after it.
        assert bool(ran.out) is bool(as_json)
        assert said in ran.err.splitlines()[-2]
        return
    assert ran.out == ""
    assert said in ran.err.splitlines()[-1]


def test_each_shape_of_the_page_can_be_broken() -> None:
    for name in SHAPES:
        assert mistakes({"no_such_field": 1}, name), name


@pytest.mark.real_time
async def test_the_sandbox_prints_its_variables_as_json() -> None:
    async with serving(*COMMAND, "--json") as sandbox:
        document = json.loads((await read_lines(sandbox, 1))[0])
        sandbox.send_signal(signal.SIGINT)
        rest, prose = await sandbox.communicate()
    assert not mistakes(document, "sandbox")
    assert (sandbox.returncode, rest) == (0, b"")
    assert b"SANDBOX with 12 games" in prose


async def test_results_from_which_some_may_be_missing_are_said_to_be_incomplete(
    fake_exchange: FakeExchange, run: Run
) -> None:
    def lose() -> None:
        fake_exchange.add_game(orders=1)
        fake_exchange.inject(faults.Close(committed=True), endpoint="cancelAllOrders")

    lose()
    assert (await run("cancel-all", "--yes")).err.splitlines()[-1] == (
        "0 orders cancelled; more may be"
    )
    lose()
    assert json.loads((await run("cancel-all", "--yes", "--json")).out)["complete"] is False


# Ids from one command to another.


async def test_ids_of_orders_go_from_one_command_to_the_other(
    fake_exchange: FakeExchange, run: Run
) -> None:
    for _ in range(400):
        fake_exchange.add_game(orders=3)
    listed = await run("orders", "--ids")
    assert listed.out.splitlines() == [each.order_id for each in fake_exchange.open_orders()]
    ran = await run("cancel", "-", "--verify", stdin=listed.out)
    assert (ran.status, len(ran.out.splitlines())) == (0, 1200)
    assert not fake_exchange.open_orders()


@by_words([["games", "--ids"], ["orders", "--game-ids"]])
async def test_ids_of_games_go_from_one_command_to_the_other(
    fake_exchange: FakeExchange, run: Run, words: list[str]
) -> None:
    games = [fake_exchange.add_game(orders=2).game_id for _ in range(3)]
    listed = await run(*words)
    assert listed.out.splitlines() == games
    assert (await run("cancel-games", "-", "--verify", stdin=listed.out)).status == 0
    assert not fake_exchange.open_orders()


@pytest.mark.parametrize("text", ["\ufeff{}\r\n{}\r\n", " {}\n\n{}\n{}", "{} {}"])
async def test_ids_stand_between_any_blanks_and_count_once(
    fake_exchange: FakeExchange, run: Run, text: str
) -> None:
    fake_exchange.add_game(orders=2)
    ids = [each.order_id for each in fake_exchange.open_orders()]
    ran = await run("cancel", ids[0], "-", stdin=text.format(*ids, ids[1]))
    assert (ran.status, len(ran.out.splitlines())) == (0, 2)


@pytest.mark.parametrize("text", ["", " \n\n"], ids=["empty", "blank"])
@pytest.mark.parametrize("more", [[], ["--dry-run"], ["--json"]], ids=["", "dry run", "json"])
@pytest.mark.parametrize(("command", "what"), [("cancel", "order"), ("cancel-games", "game")])
async def test_no_id_on_standard_input_never_means_all(
    fake_exchange: FakeExchange, run: Run, command: str, what: str, more: list[str], text: str
) -> None:
    fake_exchange.add_game(orders=1)
    ran = await run(command, "-", *more, stdin=text)
    assert (ran.status, ran.out) == (exits.WRONG_USAGE, "")
    assert ran.err.splitlines()[-1] == f"Error: no {what} id on standard input: nothing was sent"
    assert not fake_exchange.requests


async def test_what_is_no_id_on_standard_input_is_wrong_usage(
    fake_exchange: FakeExchange, run: Run
) -> None:
    ran = await run("cancel", "-", stdin="a/b\n")
    assert (ran.status, ran.out) == (2, "")
    assert not fake_exchange.received("cancelMultiple")


async def test_no_ids_are_nothing_on_standard_output(fake_exchange: FakeExchange, run: Run) -> None:
    for words in (["orders", "--ids"], ["games", "--ids"]):
        ran = await run(*words)
        assert (ran.status, ran.out) == (0, "")


async def test_an_order_without_an_id_is_said_to_be_left_out(
    fake_exchange: FakeExchange, run: Run
) -> None:
    body = b'{"data": {"unmatched": [{}, {"id": "x"}, {"id": "x"}]}}'
    fake_exchange.inject(faults.Respond(body), endpoint="getUnmatched", times=None)
    ran = await run("orders", "--ids")
    assert ran.out == "x\n"
    assert ran.err.splitlines()[-1] == "left out for want of an id: 1 of 3 orders"


@by_words([["orders", "--ids", "--json"], ["orders", "--ids", "--game-ids"]])
async def test_only_one_thing_can_be_printed(
    fake_exchange: FakeExchange, run: Run, words: list[str]
) -> None:
    ran = await run(*words)
    assert (ran.status, ran.out) == (2, "")
    assert not fake_exchange.requests


# The question.


@asynccontextmanager
async def asked(exchange: FakeExchange, *words: str) -> AsyncIterator[Any]:
    async with on_terminal(exchange, "cancel-all", *words) as (terminal, process):
        await terminal.until("[y/N] ")
        yield terminal, process


@pytest.mark.real_time
@NEEDS_PTY
@pytest.mark.parametrize("keys", [b"n\n", b"\n", b"yess\n", b"\x03", b"\x04"], ids=repr)
async def test_nothing_is_cancelled_unless_the_answer_is_yes(
    fake_exchange: FakeExchange, keys: bytes
) -> None:
    for _ in range(4):
        fake_exchange.add_game(orders=3)
    async with asked(fake_exchange) as (terminal, process):
        question = terminal.text.splitlines()[-1]
        terminal.press(keys)
        await terminal.until("aborted: nothing was sent\r\n")
        assert await process.wait() == exits.ABORTED
    assert question == (
        f"Cancel 12 orders on 4 games of the sandbox on this machine at {fake_exchange.url}? [y/N] "
    )
    assert "Traceback" not in terminal.text
    assert len(terminal.text.splitlines()) == 3
    assert len(fake_exchange.open_orders()) == 12


@pytest.mark.real_time
@NEEDS_PTY
@pytest.mark.parametrize("keys", [b"y\n", b"YES\n"], ids=repr)
async def test_everything_is_cancelled_once_the_answer_is_yes(
    fake_exchange: FakeExchange, keys: bytes
) -> None:
    fake_exchange.add_game(orders=3)
    async with asked(fake_exchange) as (terminal, process):
        terminal.press(keys)
        await terminal.until("3 orders cancelled")
        assert await process.wait() == 0
    # Once is enough, and it is before the question.
    assert terminal.text.count("on the sandbox") == 1
    assert not fake_exchange.open_orders()


@pytest.mark.real_time
@NEEDS_PTY
async def test_it_asks_also_if_the_open_orders_cannot_be_read(fake_exchange: FakeExchange) -> None:
    fake_exchange.add_game(orders=3)
    fake_exchange.inject(
        faults.Respond(b'{"error": "no"}', 403), endpoint="getUnmatched", times=None
    )
    async with asked(fake_exchange) as (terminal, process):
        assert "the open orders cannot be read: ForbiddenError: " in terminal.text
        assert "Cancel every open order of the account on the sandbox " in terminal.text
        terminal.press(b"y\n")
        assert await process.wait() == 0
    assert not fake_exchange.open_orders()


@pytest.mark.parametrize(
    ("count", "asked"), [(1, "1 order on 1 game"), (1200, "1,200 orders on 2 games")]
)
def test_the_question_names_the_real_exchange(
    monkeypatch: pytest.MonkeyPatch, count: int, asked: str
) -> None:
    monkeypatch.setenv("FOURCASTERS_TOKEN", "t" * 32)
    monkeypatch.setenv("FOURCASTERS_BASE_URL", "https://api.4casters.io")
    orders = [OpenOrder(game=Game(str(number % 2))) for number in range(count)]

    def read(job: Coroutine[Any, Any, object], *_: object, **__: object) -> list[OpenOrder]:
        job.close()
        return orders

    monkeypatch.setattr(cancels, "run", read)
    question = cancels._everything()
    assert question == f"Cancel {asked} of the REAL exchange at https://api.4casters.io?"


async def test_who_says_yes_is_not_asked_and_told_where_it_is(
    fake_exchange: FakeExchange, run: Run
) -> None:
    ran = await run("cancel-all", "--yes")
    assert ran.err.splitlines()[0] == f"on the sandbox on this machine at {fake_exchange.url}"
    assert not fake_exchange.received("getUnmatched")


def test_ctrl_c_while_the_open_orders_are_read_is_an_abort(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setenv("FOURCASTERS_TOKEN", "t" * 32)
    monkeypatch.setattr(cancels, "in_session", interrupted)
    with pytest.raises(click.Abort):
        cancels._everything()


async def test_the_read_for_the_question_has_few_seconds(
    fake_exchange: FakeExchange, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    given: list[float | None] = []

    async def read(_: object, *, deadline: float | None = None) -> list[OpenOrder]:
        given.append(deadline)
        return []

    for name, value in environment(fake_exchange).items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(Account, "get_unmatched", read)
    await asyncio.to_thread(cancels._everything)
    assert given == [5.0]


async def test_where_nobody_can_answer_nothing_is_sent(
    fake_exchange: FakeExchange, run: Run
) -> None:
    fake_exchange.add_game(orders=1)
    ran = await run("cancel-all", stdin="y\n")
    assert (ran.status, ran.out) == (exits.ABORTED, "")
    assert "pass --yes" in ran.err
    assert not fake_exchange.requests


async def test_a_dry_run_of_everything_does_not_ask(fake_exchange: FakeExchange, run: Run) -> None:
    fake_exchange.add_game(orders=1)
    assert (await run("cancel-all", "--dry-run")).status == 0


async def test_a_password_that_is_not_given_is_an_abort(run: Run) -> None:
    ran = await run("login", FOURCASTERS_USERNAME="me")
    assert (ran.status, ran.out) == (exits.ABORTED, "")
    assert ran.err.splitlines()[-1] == "aborted: nothing was sent"


# Exit statuses.


def test_the_page_has_the_table_of_exit_statuses_that_the_code_has() -> None:
    page = (ROOT / "docs" / "cli.md").read_text().partition("## Exit statuses\n\n")[2]
    table = page.partition("\n\n")[0].splitlines()[2:]
    assert table == [f"| {status} | {' | '.join(said)} |" for status, said in STATUSES.items()]


# Outputs and inputs that fail.


async def in_shell(exchange: FakeExchange, script: str, **variables: str) -> Ran:
    """Run a script in which `$fourcasters` is the command line."""
    process = await asyncio.create_subprocess_exec(
        *("sh", "-c", script),
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        env={
            **os.environ,
            **environment(exchange),
            "fourcasters": f"{sys.executable} -m fourcasters_async",
            **variables,
        },
    )
    out, err = await process.communicate()
    return Ran(process.returncode or 0, out.decode(), err.decode())


async def without_a_reader(exchange: FakeExchange, *words: str, **variables: str) -> Ran:
    """Run a command whose output nobody reads any more."""
    reads, writes = os.pipe()
    os.close(reads)
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "fourcasters_async", *words),
        stdin=asyncio.subprocess.DEVNULL,
        stdout=writes,
        stderr=asyncio.subprocess.PIPE,
        env={**os.environ, **environment(exchange), **variables},
    )
    os.close(writes)
    _, err = await process.communicate()
    return Ran(process.returncode or 0, "", err.decode())


@pytest.mark.real_time
@pytest.mark.parametrize("forced", [{}, {"FORCE_COLOR": "1"}], ids=["lines", "table"])
@by_words([["cancel-games", "GAME"], ["cancel-games", "GAME", "--json"], ["cancel", "ORDER"]])
async def test_a_reader_that_has_gone_does_not_change_what_a_cancel_came_to(
    fake_exchange: FakeExchange, words: list[str], forced: dict[str, str]
) -> None:
    names = furnish(fake_exchange)
    ran = await without_a_reader(fake_exchange, *named(words, names), **forced)
    assert ran.status == 0
    assert "Traceback" not in ran.err
    assert "ipe" not in ran.err
    assert "1 order cancelled" in ran.err


@pytest.mark.real_time
@by_words([["games"], ["games", "--ids"], ["games", "--json"], ["orders"]])
async def test_a_reader_that_has_gone_ends_a_read_without_a_word(
    fake_exchange: FakeExchange, words: list[str]
) -> None:
    fake_exchange.add_game(orders=1)
    ran = await without_a_reader(fake_exchange, *words)
    assert (ran.status, len(ran.err.splitlines())) == (1, 1)


@pytest.mark.real_time
@NEEDS_SH
@pytest.mark.skipif(not Path("/dev/full").exists(), reason="it has no full device")
@pytest.mark.parametrize(("command", "status"), [("orders", 3), ("cancel-games GAME", 0)])
async def test_an_output_that_cannot_be_written_is_one_line(
    fake_exchange: FakeExchange, command: str, status: int
) -> None:
    game = fake_exchange.add_game(orders=1).game_id
    ran = await in_shell(fake_exchange, f"$fourcasters {command.replace('GAME', game)} > /dev/full")
    assert ran.status == status
    assert "Traceback" not in ran.err
    assert len([line for line in ran.err.splitlines() if "No space left" in line]) == 1


@pytest.mark.real_time
@NEEDS_SH
@pytest.mark.skipif(not Path("/dev/full").exists(), reason="it has no full device")
@by_words([["cancel-games", "GAME"], ["cancel", "ORDER"], ["cancel-all", "--yes"]])
async def test_a_standard_error_that_cannot_be_written_keeps_nothing_from_being_cancelled(
    fake_exchange: FakeExchange, words: list[str]
) -> None:
    game = fake_exchange.add_game(orders=1).game_id
    names = {"GAME": game, "ORDER": fake_exchange.open_orders()[0].order_id}
    ran = await in_shell(fake_exchange, f"$fourcasters {' '.join(named(words, names))} 2>/dev/full")
    assert (ran.status, fake_exchange.open_orders()) == (0, [])
    assert ran.out


@pytest.mark.real_time
@NEEDS_SH
@pytest.mark.parametrize(("command", "status"), [("orders", 1), ("cancel-all --yes", 0)])
async def test_where_a_reader_of_both_outputs_has_gone_the_status_is_one_of_the_table(
    fake_exchange: FakeExchange, command: str, status: int
) -> None:
    fake_exchange.add_game(orders=1)
    reads, writes = os.pipe()
    os.close(reads)
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "fourcasters_async", *command.split()),
        stdin=asyncio.subprocess.DEVNULL,
        stdout=writes,
        stderr=writes,
        env={**os.environ, **environment(fake_exchange)},
    )
    os.close(writes)
    assert await process.wait() == status


@pytest.mark.real_time
@NEEDS_SH
@by_words([["cancel", "-"], ["cancel-games", "-"], ["cancel-all"]])
async def test_a_standard_input_that_is_closed_sends_nothing(
    fake_exchange: FakeExchange, words: list[str]
) -> None:
    fake_exchange.add_game(orders=1)
    ran = await in_shell(fake_exchange, f"$fourcasters {' '.join(words)} <&-")
    assert ran.status == (exits.ABORTED if words == ["cancel-all"] else exits.WRONG_USAGE)
    assert "Traceback" not in ran.err
    assert not fake_exchange.requests


@pytest.mark.real_time
@NEEDS_SH
@by_words([["orders"], ["cancel-games", "GAME"], ["cancel-games", "GAME", "--json"]])
async def test_a_standard_output_that_is_closed_changes_nothing(
    fake_exchange: FakeExchange, words: list[str]
) -> None:
    names = furnish(fake_exchange)
    ran = await in_shell(fake_exchange, f"$fourcasters {' '.join(named(words, names))} >&-")
    assert ran.status == 0
    assert "Traceback" not in ran.err
    assert bool(fake_exchange.open_orders()) is (words == ["orders"])


@pytest.mark.real_time
@NEEDS_SH
async def test_an_output_without_the_letters_of_a_table_gets_plain_ones(
    fake_exchange: FakeExchange,
) -> None:
    fake_exchange.add_game(orders=1)
    plain = {"LC_ALL": "C", "PYTHONIOENCODING": "ascii", "FORCE_COLOR": "1", "COLUMNS": "120"}
    ran = await in_shell(fake_exchange, "$fourcasters orders", **plain)
    assert (ran.status, ran.out.isascii()) == (0, True)
    assert "+--" in ran.out
    assert "\\u" not in ran.out


async def test_without_colours_the_words_say_it(fake_exchange: FakeExchange, run: Run) -> None:
    ran = await run("cancel-games", NOBODY, FORCE_COLOR="1", NO_COLOR="1", COLUMNS="80")
    assert "refused" in ran.out
    assert not re.search(r"\x1b\[[0-9;]*3\dm", ran.out + ran.err.rpartition("\r")[2])


@pytest.mark.real_time
@NEEDS_PTY
async def test_a_dumb_terminal_gets_a_table_without_colours(fake_exchange: FakeExchange) -> None:
    words = ("cancel-games", NOBODY)
    async with on_terminal(fake_exchange, *words, TERM="dumb") as (terminal, process):
        await terminal.until("1 game: 1 refused")
        assert await process.wait() == 1
    assert "\x1b" not in terminal.text
    assert "[1] " in terminal.text


@pytest.mark.real_time
async def test_ctrl_c_while_ids_are_awaited_is_an_abort(fake_exchange: FakeExchange) -> None:
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", _TELLS_WHEN_IT_READS),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        env={**os.environ, **environment(fake_exchange)},
    )
    assert process.stdout is not None
    await process.stdout.readline()
    process.send_signal(signal.SIGINT)
    assert process.stderr is not None
    assert (await process.stderr.read()).decode() == "aborted: nothing was sent\n"
    assert await process.wait() == exits.ABORTED
    assert not fake_exchange.requests


_TELLS_WHEN_IT_READS = """
import sys
from types import SimpleNamespace

from fourcasters_async.cli import words
from fourcasters_async.cli.commands import main

buffer = sys.stdin.buffer


def read():
    print("reads", flush=True)
    return buffer.read()


words.sys = SimpleNamespace(stdin=SimpleNamespace(buffer=SimpleNamespace(read=read)))
main(["cancel", "-"])
"""
