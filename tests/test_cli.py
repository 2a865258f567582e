"""The command line: what it prints, its exit status, and what it does to the orders."""

import asyncio
import json
import os
import signal
import sys
from collections.abc import Awaitable, Callable, Coroutine
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import pytest
from support import Ran, Run, environment, until

from fourcasters_async import (
    CancelReport,
    GameOutcome,
    OpenOrder,
    OutcomeStatus,
    OutcomeUnknownError,
)
from fourcasters_async.cli import fanout
from fourcasters_async.cli.exits import exit_status
from fourcasters_async.testing import FakeExchange, faults

CONFIRMED, PARTIAL, REFUSED, UNKNOWN, NOT_SENT = OutcomeStatus
ORDER = OpenOrder(order_id="f" * 24)


async def start(exchange: FakeExchange, *words: str) -> asyncio.subprocess.Process:
    """Run a command in a process of its own, as a user does."""
    return await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "fourcasters_async",
        *words,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        env={**os.environ, **environment(exchange)},
    )


Interrupts = Callable[..., Awaitable[Ran]]


@pytest.fixture
def interrupts(fake_exchange: FakeExchange, monkeypatch: pytest.MonkeyPatch) -> Interrupts:
    """Give what ends a command as Ctrl-C does, once the exchange has got some requests."""
    running: list[tuple[asyncio.AbstractEventLoop, asyncio.Task[Any]]] = []

    async def noted(job: Coroutine[Any, Any, Any]) -> Any:
        task = asyncio.current_task()
        assert task is not None
        running.append((asyncio.get_running_loop(), task))
        return await job

    def run_until_cancelled(job: Coroutine[Any, Any, Any]) -> Any:
        # Only the main thread gets a signal.
        with asyncio.Runner() as runner:
            try:
                return runner.run(noted(job))
            except asyncio.CancelledError:
                raise KeyboardInterrupt from None

    monkeypatch.setattr("fourcasters_async.cli.exits.asyncio.run", run_until_cancelled)

    async def interrupts(command: Awaitable[Ran], *, after: int) -> Ran:
        ending = asyncio.ensure_future(command)
        await until(lambda: fake_exchange.received() >= after)
        loop, task = running[0]
        loop.call_soon_threadsafe(task.cancel)
        return await ending

    return interrupts


@pytest.mark.real_time
async def test_the_module_is_the_command_line(fake_exchange: FakeExchange) -> None:
    game = fake_exchange.add_game(orders=1).game_id
    process = await start(fake_exchange, "cancel-games", game)
    _, err = await process.communicate()
    assert process.returncode == 0
    assert b"1 game: 1 confirmed" in err
    assert not fake_exchange.open_orders()


@pytest.mark.real_time
async def test_an_interrupted_command_says_that_the_outcome_is_not_known(
    fake_exchange: FakeExchange,
) -> None:
    fake_exchange.inject(faults.Stall(), times=None)
    process = await start(fake_exchange, "cancel", "f" * 24)
    await until(lambda: fake_exchange.received() == 1)
    process.send_signal(signal.SIGINT)
    _, err = await process.communicate()
    assert process.returncode == 3
    assert err.decode().splitlines()[-1].startswith("interrupted: ")
    assert b"Traceback" not in err


@pytest.mark.real_time
async def test_an_interrupted_fan_out_prints_what_is_known(fake_exchange: FakeExchange) -> None:
    # One more than are under way at a time: when the last has arrived, the answer is known.
    answered, *others = [fake_exchange.add_game(orders=1).game_id for _ in range(101)]
    for game in others:
        fake_exchange.inject(faults.Stall(), game_id=game)
    process = await start(fake_exchange, "cancel-games", answered, *others)
    await until(lambda: fake_exchange.received("cancelAllOrdersForGame") == 101)
    process.send_signal(signal.SIGINT)
    out, err = await process.communicate()
    assert process.returncode == 3
    rows = [line.split("\t") for line in out.decode().splitlines()]
    assert [row[:2] for row in rows] == [
        *([game, "unknown"] for game in others),
        [answered, "confirmed"],
    ]
    assert [row[-1] for row in rows] == ["no"] * 100 + ["yes"]
    summary = err.decode().splitlines()[-1]
    assert "interrupted: 101 games: 1 confirmed, 100 unknown; 1 order cancelled" in summary
    assert b"Traceback" not in err


@pytest.mark.real_time
async def test_a_verification_that_is_interrupted_prints_the_same_document(
    fake_exchange: FakeExchange,
) -> None:
    game = fake_exchange.add_game(orders=2).game_id
    fake_exchange.inject(faults.Stall(), endpoint="getUnmatched", times=None)
    process = await start(fake_exchange, "cancel-games", game, "--verify", "--json")
    await until(lambda: fake_exchange.received("getUnmatched") == 1)
    process.send_signal(signal.SIGINT)
    out, _ = await process.communicate()
    assert process.returncode == 3
    document = json.loads(out)
    assert (document["interrupted"], document["verified_clear"]) == (True, False)
    (outcome,) = document["outcomes"]
    assert (outcome["game_id"], outcome["status"], len(outcome["results"])) == (
        game,
        "confirmed",
        2,
    )


async def test_an_interrupted_fan_out_has_one_outcome_for_each_distinct_game(
    fake_exchange: FakeExchange, run: Run, interrupts: Interrupts
) -> None:
    fake_exchange.inject(faults.Stall(), times=None)
    games = [fake_exchange.add_game().game_id for _ in range(2)]
    ran = await interrupts(
        run("cancel-games", *games, games[0], "--type", "total", "--json"), after=2
    )
    document = json.loads(ran.out)
    assert ran.status == 3
    assert (document["interrupted"], document["ok"]) == (True, False)
    assert (document["exchange"], document["sandbox"]) == (fake_exchange.url, True)
    assert [(o["game_id"], o["type"], o["status"]) for o in document["outcomes"]] == [
        (game, "total", "unknown") for game in games
    ]
    assert "interrupted" in document["outcomes"][0]["error"]["message"]


async def test_an_interrupted_verification_says_that_nothing_is_verified(
    fake_exchange: FakeExchange, run: Run, interrupts: Interrupts
) -> None:
    fake_exchange.inject(faults.Stall(), endpoint="getUnmatched", times=None)
    games = [fake_exchange.add_game(orders=1).game_id, "f" * 24]
    ran = await interrupts(run("cancel-games", *games, "--verify"), after=3)
    assert ran.status == 3
    assert ran.err.splitlines()[-1] == (
        "interrupted: 2 games: 1 confirmed, 1 refused; 1 order cancelled; not verified"
    )


async def test_an_interrupted_read_casts_no_doubt_on_any_order(
    fake_exchange: FakeExchange, run: Run, interrupts: Interrupts
) -> None:
    fake_exchange.inject(faults.Stall(), times=None)
    ran = await interrupts(run("orders"), after=1)
    assert ran.status == 3
    assert ran.err.splitlines()[-1] == "interrupted"


async def test_games_are_cancelled_and_the_exit_says_so(
    fake_exchange: FakeExchange, run: Run
) -> None:
    games = [fake_exchange.add_game(orders=2).game_id for _ in range(3)]
    ran = await run("cancel-games", *games)
    assert ran.status == 0
    assert not fake_exchange.open_orders()
    rows = [line.split("\t")[:3] for line in ran.out.splitlines()]
    assert rows == [[game, "confirmed", "2"] for game in games]
    assert "3 games: 3 confirmed; 6 orders cancelled" in ran.err.splitlines()[-1]


async def test_a_wait_for_one_game_does_not_call_it_games(
    fake_exchange: FakeExchange, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    told: list[str] = []

    def noted(text: Callable[[], str]) -> AbstractContextManager[None]:
        told.append(text())
        return nullcontext()

    monkeypatch.setattr(fanout, "waiting", noted)
    await run("cancel-games", fake_exchange.add_game().game_id)
    assert told == ["0 of 1 game answered"]


async def test_ids_come_from_standard_input_too(fake_exchange: FakeExchange, run: Run) -> None:
    a, b, c = (fake_exchange.add_game(orders=1).game_id for _ in range(3))
    ran = await run("cancel-games", a, "-", stdin=f"{b}\n{c}\n")
    assert ran.status == 0
    assert not fake_exchange.open_orders()


async def test_a_type_cancels_only_that_market(fake_exchange: FakeExchange, run: Run) -> None:
    game = fake_exchange.add_game(orders=3).game_id
    assert (await run("cancel-games", game, "--type", "total")).status == 0
    assert {order.type for order in fake_exchange.open_orders()} == {"moneyline", "spread"}


async def test_json_has_every_outcome_and_the_exchange(
    fake_exchange: FakeExchange, run: Run
) -> None:
    game = fake_exchange.add_game(orders=2).game_id
    ran = await run("cancel-games", game, "--json", "--verify")
    document = json.loads(ran.out)
    assert (document["exchange"], document["sandbox"]) == (fake_exchange.url, True)
    assert (document["ok"], document["verified_clear"]) == (True, True)
    (outcome,) = document["outcomes"]
    assert (outcome["game_id"], outcome["status"], outcome["error"]) == (game, "confirmed", None)
    assert len(outcome["results"]) == 2
    assert (outcome["complete"], document["interrupted"]) == (True, False)


async def test_a_refused_game_exits_with_1(fake_exchange: FakeExchange, run: Run) -> None:
    ran = await run("cancel-games", "f" * 24)
    assert ran.status == 1
    assert "400 Invalid gameID" in ran.out


async def test_an_order_that_was_not_cancelled_exits_with_1(
    fake_exchange: FakeExchange, run: Run
) -> None:
    fake_exchange.inject(faults.Respond(b'{"data": [{"success": false}]}'))
    assert (await run("cancel-games", fake_exchange.add_game().game_id)).status == 1


async def test_an_unknown_outcome_exits_with_3(fake_exchange: FakeExchange, run: Run) -> None:
    fake_exchange.inject(faults.Stall(), times=None)
    game = fake_exchange.add_game(orders=1).game_id
    ran = await run("cancel-games", game, "f" * 24, "--deadline", "2")
    assert ran.status == 3
    assert "unknown" in ran.out


@pytest.mark.parametrize(
    ("fault", "status"),
    [
        (faults.Close(committed=True), "unknown"),
        (faults.Respond(b'{"error": "no"}', 403), "refused"),
        (faults.Respond(b'{"data": [{"success": false}]}'), "partial"),
    ],
    ids=["lost", "refused", "partial"],
)
async def test_games_that_a_read_proves_clear_exit_with_0_whatever_was_lost(
    fake_exchange: FakeExchange, run: Run, fault: faults.Fault, status: str
) -> None:
    game = fake_exchange.add_game(orders=2).game_id
    other = fake_exchange.add_game(orders=1).game_id
    fake_exchange.inject(fault, endpoint="cancelAllOrdersForGame", game_id=game, times=None)
    ran = await run("cancel-games", game, other, "--verify", "--deadline", "2")
    assert ran.status == 0
    assert not fake_exchange.open_orders()
    assert ran.out.splitlines()[0].split("\t")[:2] == [game, status]
    assert "verified clear" in ran.err.splitlines()[-1]


FAILED = OutcomeUnknownError("lost")


@pytest.mark.parametrize(
    ("outcomes", "without_verify", "with_verify"),
    [
        ([(CONFIRMED, None)], 0, 3),
        ([(CONFIRMED, [])], 0, 0),
        ([(UNKNOWN, None)], 3, 3),
        ([(UNKNOWN, [])], 0, 0),
        ([(UNKNOWN, [ORDER])], 3, 3),
        ([(NOT_SENT, []), (REFUSED, []), (PARTIAL, [])], 0, 0),
        ([(PARTIAL, [ORDER])], 1, 1),
        ([(CONFIRMED, [ORDER])], 1, 1),
        ([(REFUSED, None)], 1, 1),
        ([(UNKNOWN, []), (PARTIAL, [ORDER])], 1, 1),
        ([(UNKNOWN, None), (PARTIAL, None)], 3, 3),
    ],
)
def test_the_exit_says_the_worst_of_what_was_not_proved_clear(
    outcomes: list[tuple[OutcomeStatus, list[OpenOrder] | None]],
    without_verify: int,
    with_verify: int,
) -> None:
    report = CancelReport(
        tuple(
            GameOutcome(
                str(n), None, status, error=None if status is CONFIRMED else FAILED, resting=resting
            )
            for n, (status, resting) in enumerate(outcomes)
        )
    )
    assert exit_status(report) == without_verify
    assert exit_status(report, verify=True) == with_verify


async def test_a_game_whose_results_may_lack_orders_is_shown_as_incomplete(
    fake_exchange: FakeExchange, run: Run
) -> None:
    lost, whole = (fake_exchange.add_game(orders=1).game_id for _ in range(2))

    def lose() -> None:
        fake_exchange.inject(
            faults.Close(committed=True), endpoint="cancelAllOrdersForGame", game_id=lost
        )

    lose()
    ran = await run("cancel-games", lost, whole)
    rows = [line.split("\t") for line in ran.out.splitlines()]
    assert [(row[0], row[-1]) for row in rows] == [(lost, "no"), (whole, "yes")]
    assert "2 confirmed (1 incomplete)" in ran.err.splitlines()[-1]
    lose()
    document = json.loads((await run("cancel-games", lost, whole, "--json")).out)
    assert [outcome["complete"] for outcome in document["outcomes"]] == [False, True]


async def test_nothing_sent_exits_with_3(fake_exchange: FakeExchange, run: Run) -> None:
    async with fake_exchange.refusing():
        ran = await run("cancel-games", "f" * 24, "--deadline", "2")
    assert ran.status == 3
    assert "not_sent" in ran.out


@pytest.mark.parametrize(
    "words",
    [
        ["cancel-games"],
        ["cancel-games", "-"],
        ["cancel-games", "a/b"],
        ["cancel-games", "a", "--type", "parlay"],
        ["cancel-games", "a", "--deadline", "-1"],
        ["cancel-games", "a", "--deadline", "soon"],
        ["demo", "--games", "0"],
        ["no-such-command"],
    ],
    ids=" ".join,
)
async def test_wrong_usage_exits_with_2_and_sends_nothing(
    fake_exchange: FakeExchange, run: Run, words: list[str]
) -> None:
    ran = await run(*words)
    assert ran.status == 2
    assert "Usage:" in ran.err
    assert not fake_exchange.requests


async def test_without_a_token_it_says_which_variable_to_set(run: Run) -> None:
    ran = await run("cancel-games", "f" * 24, FOURCASTERS_TOKEN="")
    assert ran.status == 2
    assert "FOURCASTERS_TOKEN" in ran.err


async def test_the_sandbox_and_the_real_exchange_are_named_for_what_they_are(
    fake_exchange: FakeExchange, run: Run
) -> None:
    ran = await run("cancel-games", fake_exchange.add_game().game_id)
    assert f"sandbox on this machine at {fake_exchange.url}" in ran.err
    ran = await run("cancel-games", "a/b", FOURCASTERS_BASE_URL="https://api.4casters.io")
    assert "REAL exchange at https://api.4casters.io" in ran.err


async def test_the_demo_runs_the_main_job_on_a_sandbox_of_its_own(
    fake_exchange: FakeExchange, run: Run
) -> None:
    ran = await run("demo", "--games", "5", "--orders", "3", "--latency", "1")
    assert ran.status == 0
    assert ran.err.startswith("starting a sandbox exchange in another process\n")
    assert "5 games: 5 confirmed; 15 orders cancelled" in ran.out
    assert "30 placed, 0 open at the end" in ran.out
    assert "one after another" in ran.out
    assert "ms  5 other games" in ran.out
    assert not fake_exchange.requests


async def test_open_orders_are_shown_by_game_with_totals(
    fake_exchange: FakeExchange, run: Run
) -> None:
    game = fake_exchange.add_game(orders=2)
    other = fake_exchange.add_game(orders=1, parent=game)
    fake_exchange.book.fill(fake_exchange.open_orders(other.game_id)[0].order_id, 40.0)
    ran = await run("orders")
    assert [line.split("\t") for line in ran.out.splitlines()] == [
        [game.game_id, "NBA", "Celtics @ Lakers", "2", "200.00", "0.00", "200.00"],
        [other.game_id, "NBA", "Celtics @ Lakers 1H", "1", "100.00", "40.00", "60.00"],
        ["total", "", "", "3", "300.00", "40.00", "260.00"],
    ]
    document = json.loads((await run("orders", "--json")).out)
    assert len(document["orders"]) == 3


async def test_orders_are_cancelled_by_id(fake_exchange: FakeExchange, run: Run) -> None:
    fake_exchange.add_game(orders=3)
    first, second, third = fake_exchange.open_orders()
    ran = await run("cancel", first.order_id, second.order_id, "--verify")
    assert ran.status == 0
    assert ran.err.splitlines()[-1] == "2 orders cancelled; verified: none of them is open"
    assert fake_exchange.open_orders() == [third]


async def test_an_order_that_is_not_open_exits_with_1(
    fake_exchange: FakeExchange, run: Run
) -> None:
    ran = await run("cancel", "f" * 24)
    assert ran.status == 1
    assert "Not your order" in ran.out


async def test_everything_goes_only_when_it_is_said_twice(
    fake_exchange: FakeExchange, run: Run
) -> None:
    fake_exchange.add_game(orders=3)
    ran = await run("cancel-all")
    assert (ran.status, len(fake_exchange.open_orders())) == (4, 3)
    ran = await run("cancel-all", "--yes", "--verify")
    assert (ran.status, len(fake_exchange.open_orders())) == (0, 0)


async def test_a_league_is_known_to_be_clear_only_when_it_was_verified(
    fake_exchange: FakeExchange, run: Run
) -> None:
    fake_exchange.add_game(orders=1)
    ran = await run("cancel-league", "nba")
    assert ran.status == 3
    assert "nothing is known to be gone" in ran.err
    assert (await run("cancel-league", "nba", "--verify")).status == 0
    assert not fake_exchange.open_orders()


@pytest.mark.parametrize(
    ("words", "taken"),
    [
        (["cancel-games", "GAME", "--type", "total"], 1),
        (["cancel", "ORDER"], 1),
        (["cancel-all"], 4),
        (["cancel-league", "NBA"], 4),
        (["cancel-league", "NFL"], 0),
    ],
)
async def test_a_dry_run_shows_what_would_go_and_changes_nothing(
    fake_exchange: FakeExchange, run: Run, words: list[str], taken: int
) -> None:
    game = fake_exchange.add_game(orders=3).game_id
    fake_exchange.add_game(orders=1)
    order = fake_exchange.open_orders()[0].order_id
    named = {"GAME": game, "ORDER": order}
    ran = await run(*[named.get(word, word) for word in words], "--dry-run")
    assert ran.status == 0
    assert ran.out.splitlines()[-1].split("\t")[3] == str(taken)
    assert len(fake_exchange.open_orders()) == 4
    assert {received.method for received in fake_exchange.requests} == {"GET"}


@pytest.mark.parametrize(
    ("fault", "status"),
    [(faults.Close(), 3), (faults.Unauthorized(), 1), (faults.Html(403), 3), (faults.Html(502), 3)],
    ids=str,
)
async def test_a_cancel_that_fails_exits_with_what_is_known(
    fake_exchange: FakeExchange, run: Run, fault: faults.Fault, status: int
) -> None:
    fake_exchange.inject(fault, times=None)
    ran = await run("cancel", "f" * 24)
    assert ran.status == status
    assert ran.err.splitlines()[-1]


@pytest.mark.parametrize("fault", [faults.Html(403), faults.Html(502)], ids=str)
async def test_a_page_in_place_of_a_read_is_no_refusal(
    fake_exchange: FakeExchange, run: Run, fault: faults.Fault
) -> None:
    fake_exchange.inject(fault, endpoint="getUnmatched", times=None)
    assert (await run("orders")).status == 3


@pytest.mark.parametrize(
    "words", [["cancel-games", "GAME"], ["cancel", "ORDER"], ["cancel-league", "NBA"]]
)
async def test_a_verification_that_proves_nothing_exits_with_3(
    fake_exchange: FakeExchange, run: Run, words: list[str]
) -> None:
    game = fake_exchange.add_game(orders=1).game_id
    named = {"GAME": game, "ORDER": fake_exchange.open_orders()[0].order_id}
    fake_exchange.inject(
        faults.Respond(b'{"error": "no"}', 403), endpoint="getUnmatched", times=None
    )
    ran = await run(*[named.get(word, word) for word in words], "--verify")
    assert ran.status == 3
