"""Every screen of the command line, as it was when somebody last looked at it.

After a change that is meant, look at what `pytest tests/test_screens.py --snapshot-update` changes.
"""

import io
import re
import sys
from collections.abc import Awaitable, Callable, Iterable
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from attrs import evolve
from rich.console import Console, RenderableType
from support import QUICK, Run
from syrupy.assertion import SnapshotAssertion

from fourcasters_async import AsyncSession, CancelReport, GameOutcome, OutcomeStatus
from fourcasters_async.cli import checks, commands, demo, findings
from fourcasters_async.cli.demo import DemoResult, Took, Wanted
from fourcasters_async.cli.fanout import FanoutResult, fan_out
from fourcasters_async.cli.findings import Grade
from fourcasters_async.cli.follow import Seen, drawn_book
from fourcasters_async.cli.terminal import console_of
from fourcasters_async.cli.watch import drawn_watch
from fourcasters_async.testing import FakeExchange, faults

AT = datetime(2026, 1, 1, 18, 30, tzinfo=UTC)
NOBODY = "f" * 24
BEFORE = "2025-12-31"
SIZES = [80, 120]
# Seconds that everything takes, whatever it takes.
TOOK = 0.0123

SCREENS: dict[str, list[str]] = {
    "help": ["--help"],
    "help of a command": ["cancel-games", "--help"],
    "wrong usage": ["cancel-games"],
    "games": ["games"],
    "games found": ["games", "NBA", "--search", "lakers"],
    "book": ["book", "GAME"],
    "no such book": ["book", NOBODY],
    "orders": ["orders"],
    "positions": ["positions"],
    "bets": ["bets"],
    "graded": ["graded", "--since", BEFORE],
    "me": ["me"],
    "cancel-games": ["cancel-games", "GAME", NOBODY],
    "cancel-games verified": ["cancel-games", "GAME", "--verify"],
    "cancel-games dry run": ["cancel-games", "GAME", "--dry-run"],
    "cancel": ["cancel", "ORDER", NOBODY],
    "cancel-all": ["cancel-all", "--yes", "--verify"],
    "cancel-all unasked": ["cancel-all"],
    "cancel-league": ["cancel-league", "NBA"],
    "doctor": ["doctor"],
    "logout without a login": ["logout"],
}
REFUSED = {
    "orders refused": ["orders"],
    "cancel-games refused": ["cancel-games", "GAME"],
    "doctor refused": ["doctor"],
}
DOWN = {
    "orders down": ["orders"],
    "cancel-games down": ["cancel-games", "GAME"],
    "doctor down": ["doctor"],
}


def masked(text: str) -> str:
    """Return a screen without what differs from run to run: a port, and the folder of a token.

    Times are set where they are taken, so that they do not change the width of anything. What
    begins an escape sequence is made visible, and blanks at the end of a line are left out.
    """
    text = re.sub(r"(127\.0\.0\.1[:_', ]+)\d{5}\b", r"\g<1>PPPPP", text)
    text = re.sub(r"/\S+/fourcasters/", "/state/fourcasters/", text)
    text = text.replace("\x1b", "␛")
    return "\n".join(line.rstrip() for line in text.splitlines())


@pytest.fixture(params=SIZES, ids=lambda columns: f"{columns} columns")
def columns(request: pytest.FixtureRequest) -> int:
    chosen: int = request.param
    return chosen


@pytest.fixture(params=[True, False], ids=["in colour", "without colour"])
def in_colour(request: pytest.FixtureRequest) -> bool:
    chosen: bool = request.param
    return chosen


@pytest.fixture
def terminal(columns: int, in_colour: bool) -> dict[str, str]:
    """Give the variables of a terminal."""
    return {
        "TTY_COMPATIBLE": "1",
        "TERM": "xterm-256color",
        "COLORTERM": "",
        "FORCE_COLOR": "",
        "NO_COLOR": "" if in_colour else "1",
        "COLUMNS": str(columns),
    }


def timed(outcomes: Iterable[GameOutcome]) -> CancelReport:
    return CancelReport(tuple(evolve(each, elapsed=TOOK) for each in outcomes), elapsed=TOOK)


@pytest.fixture(autouse=True)
def _fixed(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Let everything take the same time, on the same machine."""

    def fanned_out(*arguments: Any, **options: Any) -> FanoutResult:
        result = fan_out(*arguments, **options)
        return evolve(result, report=timed(result.report.outcomes))

    monkeypatch.setattr(commands, "fan_out", fanned_out)
    for module in (checks, findings):
        monkeypatch.setattr(module, "ms", lambda _: "12 ms")
        monkeypatch.setattr(module, "speed", lambda _: (Grade.OK, ""))
    monkeypatch.setattr(checks, "versions", lambda: "fourcasters_async 1.2.3, Python 3.12.1")
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    # An attempt that fails is the only one.
    once = evolve(QUICK, max_attempts=1)
    monkeypatch.setattr(AsyncSession, "from_env", partial(AsyncSession.from_env, retry=once))


Show = Callable[..., Awaitable[str]]


@pytest.fixture
def show(run: Run, fake_exchange: FakeExchange, terminal: dict[str, str]) -> Show:
    """Give what runs a command on a day of the sandbox, and returns its screen."""
    fake_exchange.fill_day(games=4, seed=1)
    order = fake_exchange.open_orders()[0]
    named = {"GAME": order.game_id, "ORDER": order.order_id}

    async def show(words: list[str], **variables: str) -> str:
        ran = await run(
            *[named.get(word, word) for word in words],
            FOURCASTERS_ORDERS_URL=fake_exchange.orders_url,
            FOURCASTERS_STREAMING_URL=fake_exchange.streaming_url,
            **terminal,
            **variables,
        )
        return masked(f"{ran.out}\n-- standard error\n{ran.err}\n-- exit status {ran.status}\n")

    return show


@pytest.mark.parametrize("screen", SCREENS)
async def test_the_screen_of_a_command(
    show: Show, screen: str, snapshot: SnapshotAssertion
) -> None:
    assert await show(SCREENS[screen]) == snapshot


@pytest.mark.parametrize("screen", REFUSED)
async def test_the_screen_of_a_command_whose_token_is_refused(
    show: Show, fake_exchange: FakeExchange, screen: str, snapshot: SnapshotAssertion
) -> None:
    fake_exchange.revoke(fake_exchange.token)
    assert await show(REFUSED[screen]) == snapshot


@pytest.mark.parametrize("screen", DOWN)
async def test_the_screen_of_a_command_while_the_exchange_is_down(
    show: Show, fake_exchange: FakeExchange, screen: str, snapshot: SnapshotAssertion
) -> None:
    fake_exchange.inject(faults.Unavailable(), times=None)
    assert await show(DOWN[screen]) == snapshot


async def test_the_screens_of_login_and_logout(
    show: Show, fake_exchange: FakeExchange, snapshot: SnapshotAssertion
) -> None:
    fake_exchange.add_account("trader", "secret")
    login = {"FOURCASTERS_TOKEN": "", "FOURCASTERS_USERNAME": "trader"}
    for password in ("wrong", "secret"):
        assert await show(["login"], FOURCASTERS_PASSWORD=password, **login) == snapshot
    assert await show(["logout"], **login) == snapshot


def drawn(columns: int, in_colour: bool, draw: Callable[[Console], RenderableType | None]) -> str:
    """Return what is drawn on a terminal of 24 lines."""
    file = io.StringIO()
    console = Console(
        file=file,
        force_terminal=True,
        color_system="256",
        no_color=not in_colour,
        width=columns,
        height=24,
        highlight=False,
    )
    if (made := draw(console)) is not None:
        console.print(made)
    return masked(file.getvalue())


async def test_the_screen_of_watch(
    fake_exchange: FakeExchange,
    session: AsyncSession,
    columns: int,
    in_colour: bool,
    snapshot: SnapshotAssertion,
) -> None:
    fake_exchange.fill_day(games=4, seed=1)
    orders = await session.account.get_unmatched()
    for state in ((None, None), ("there is no connection", AT)):
        text = drawn(
            columns,
            in_colour,
            lambda console, state=state: drawn_watch(  # type: ignore[misc]  # of this turn
                console, "sandbox", [], orders=orders, state=state
            ),
        )
        assert text == snapshot


async def test_the_screen_of_a_book_that_is_followed(
    fake_exchange: FakeExchange,
    session: AsyncSession,
    columns: int,
    in_colour: bool,
    snapshot: SnapshotAssertion,
) -> None:
    fake_exchange.fill_day(games=4, seed=1)
    (book, *_) = await session.markets.get_orderbook("NBA")
    for seen in (
        Seen(book=book, updated=AT),
        Seen(book=book, doubt="the feed is down", stale_since=AT, updated=AT),
    ):
        text = drawn(
            columns,
            in_colour,
            lambda console, seen=seen: drawn_book(console, "sandbox", seen),  # type: ignore[misc]  # of this turn
        )
        assert text == snapshot


def test_the_screen_of_the_demo(
    columns: int,
    terminal: dict[str, str],
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    snapshot: SnapshotAssertion,
) -> None:
    for name, value in terminal.items():
        monkeypatch.setenv(name, value)
    games = [GameOutcome(f"65b036df{n:016x}", None, OutcomeStatus.CONFIRMED) for n in range(14)]
    took = Took(timed(games), TOOK / 2)
    demo.show(
        console_of(sys.stdout),
        DemoResult(Wanted(14, 10, 0.02), took, took, one_answer=0.021, one_by_one=0.3, resting=0),
    )
    assert masked(capsys.readouterr().out) == snapshot
