"""Words of others on a terminal, in a pipe and in JSON: they are shown, and do nothing."""

import asyncio
import errno
import io
import json
import sys
import unicodedata

import click
import pytest
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from fourcasters_async import (
    CancelResult,
    Game,
    GameOutcome,
    OpenOrder,
    OutcomeStatus,
    ServerError,
)
from fourcasters_async.cli.commands import main
from fourcasters_async.cli.display import (
    show_orders,
    show_outcomes,
    show_results,
    to_json,
    verdict,
)
from fourcasters_async.cli.exits import run
from fourcasters_async.cli.terminal import console_of, harmless, headline, say, say_json
from fourcasters_async.cli.waiting import waiting
from fourcasters_async.cli.words import ask
from fourcasters_async.testing import FakeExchange, faults

EVIL = [
    "\nforged\trow",
    "\r\nforged",
    "\x1b[2J\x1b[31m",
    "\x1b]0;title\x07",
    "\x9b31m",
    "\x85next",
    "\u2028line",
    "\u202egnp.exe",
    "\u2066isolated",
    "\u200bzero width",
    "\ufefftext",
    "\U000e0041tag",
    "\x7f",
]
DANGEROUS = {"Cc", "Cf", "Cs", "Zl", "Zp"}


def has_danger(text: str) -> bool:
    return any(unicodedata.category(each) in DANGEROUS for each in text)


def piped(show: object, *arguments: object) -> list[str]:
    @click.command()
    def command() -> None:
        show(Console(), *arguments)  # type: ignore[operator]  # any of the functions below

    return CliRunner().invoke(command).stdout.removesuffix("\n").split("\n")


def on_terminal(show: object, *arguments: object) -> str:
    console = Console(file=io.StringIO(), force_terminal=True, no_color=True, width=300)
    show(console, *arguments)  # type: ignore[operator]  # any of the functions below
    written = console.file.getvalue()  # type: ignore[attr-defined]  # it is a StringIO
    return str(written)


SHOWN = [
    lambda evil: (show_results, [CancelResult(success=False, order_id=evil, reason=evil)]),
    lambda evil: (show_results, [CancelResult(success=True, description=evil)]),
    lambda evil: (
        show_outcomes,
        [
            GameOutcome(
                "g",
                None,
                OutcomeStatus.REFUSED,
                error=ServerError(evil, status=500, endpoint="GET /x"),
            )
        ],
    ),
]


@pytest.mark.parametrize("evil", EVIL, ids=ascii)
@pytest.mark.parametrize("made", SHOWN)
def test_a_word_of_others_forges_no_row_and_reaches_no_pipe_as_it_is(
    made: object, evil: str
) -> None:
    show, records = made(evil)  # type: ignore[operator]  # one of the functions above
    lines = piped(show, records)
    assert len(lines) == 1
    columns = piped(show, [*made("fine")[1]])[0].count("\t")  # type: ignore[operator]  # as above
    assert lines[0].count("\t") == columns
    assert not has_danger(lines[0].replace("\t", ""))


@pytest.mark.parametrize("evil", EVIL, ids=ascii)
@pytest.mark.parametrize("made", SHOWN)
def test_a_word_of_others_does_nothing_on_a_terminal(made: object, evil: str) -> None:
    show, records = made(evil)  # type: ignore[operator]  # one of the functions above
    fine = on_terminal(show, made("fine")[1])  # type: ignore[operator]  # as above
    written = on_terminal(show, records)
    assert written.count("\n") == fine.count("\n")
    assert harmless(evil) in written
    own = {"\x1b[1m", "\x1b[0m"}
    for sequence in own:
        written = written.replace(sequence, "")
    assert not has_danger(written.replace("\n", ""))


def test_markup_of_others_is_shown_as_it_is() -> None:
    reason = "[red]no[/] [/bold] [link=https://x]y"
    result = CancelResult(success=False, reason=reason)
    assert reason in on_terminal(show_results, [result])
    assert reason in on_terminal(headline, reason)


def test_the_ids_of_games_are_words_of_others_too() -> None:
    order = OpenOrder(order_id="x", game=Game(game_id="a\nb"))
    assert len(piped(show_orders, [order])) == 2


@given(st.text())
def test_no_text_is_more_than_a_line(text: str) -> None:
    shown = harmless(text)
    assert shown.isprintable()
    assert harmless(shown) == shown
    if text.isprintable():
        assert shown == text


@given(st.text(st.characters(exclude_categories=["Cs"])))
def test_json_stays_json_and_says_the_same(text: str) -> None:
    @click.command()
    def command() -> None:
        say_json(to_json({"reason": text}))

    written = CliRunner().invoke(command).stdout
    assert json.loads(written) == {"reason": text}
    assert not has_danger(written.replace("\n", ""))


@pytest.mark.parametrize("evil", EVIL, ids=ascii)
def test_the_text_of_an_error_is_one_harmless_line_on_standard_error(evil: str) -> None:
    async def fails() -> None:
        raise ServerError(evil, status=500, endpoint="GET /x")

    @click.command()
    def command() -> None:
        run(fails())

    result = CliRunner().invoke(command)
    assert result.stderr == f"ServerError: GET /x: 500 {harmless(evil)}\n"


def test_a_line_for_standard_error_is_harmless() -> None:
    @click.command()
    def command() -> None:
        say("a\x1bb", err=True)

    assert CliRunner().invoke(command).stderr == "a\\x1bb\n"


async def test_a_command_prints_what_the_exchange_says_without_its_line_breaks(
    fake_exchange: FakeExchange,
) -> None:
    body = b'{"data": [{"success": false, "reason": "no\\n\\u001b[2Jforged\\tyes"}]}'
    fake_exchange.inject(faults.Respond(body), times=None)
    result = await asyncio.to_thread(
        CliRunner().invoke,
        main,
        ["cancel-games", "688c0516fbc14da0c202d426"],
        env={"FOURCASTERS_TOKEN": fake_exchange.token, "FOURCASTERS_BASE_URL": fake_exchange.url},
    )
    assert len(result.stdout.splitlines()) == 1
    assert not has_danger(result.output.replace("\n", "").replace("\t", ""))


# What nobody can read.


class _Broken(io.StringIO):
    """A standard error that is a terminal which has gone, or a file on a disk that is full."""

    def __init__(self, error: OSError, *, terminal: bool) -> None:
        super().__init__()
        self._error = error
        self._terminal = terminal
        self.works = False

    def isatty(self) -> bool:
        return self._terminal

    def write(self, text: str) -> int:
        if self.works:
            return super().write(text)
        raise self._error


BROKEN = [
    (BrokenPipeError(errno.EPIPE, "Broken pipe"), False),
    (OSError(errno.ENOSPC, "No space left on device"), False),
    (OSError(errno.EIO, "Input/output error"), True),
    (BrokenPipeError(errno.EPIPE, "Broken pipe"), True),
]


@pytest.fixture(params=BROKEN, ids=["closed pipe", "full disk", "terminal gone", "broken terminal"])
def broken(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> _Broken:
    """Give a standard error, which the test has to set: pytest sets its own before each test."""
    error, terminal = request.param
    monkeypatch.setenv("TERM", "xterm")
    return _Broken(error, terminal=terminal)


def test_prose_that_cannot_be_written_raises_nothing(
    broken: _Broken, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "stderr", broken)
    say("on the sandbox", err=True)
    monkeypatch.setattr(sys, "stderr", broken)
    verdict("1 order cancelled", good=True)
    monkeypatch.setattr(sys, "stderr", broken)
    show_orders(console_of(sys.stderr), [OpenOrder(order_id="f" * 24)], err=True)


@pytest.mark.virtual_time
async def test_a_wait_that_cannot_be_taken_back_is_no_error(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    stream = _Broken(OSError(errno.EIO, "Input/output error"), terminal=True)
    stream.works = True
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setattr(sys, "stderr", stream)
    with waiting():
        await asyncio.sleep(0.7)
        assert "waiting for the exchange" in stream.getvalue()
        stream.works = False


def test_a_question_that_cannot_be_written_is_not_answered(
    broken: _Broken, monkeypatch: pytest.MonkeyPatch
) -> None:
    terminal = io.StringIO("y\n")
    monkeypatch.setattr(terminal, "isatty", lambda: True)
    monkeypatch.setattr(sys, "stdin", terminal)
    monkeypatch.setattr(sys, "stderr", broken)
    with pytest.raises(click.Abort):
        ask(lambda: "Cancel all?")
