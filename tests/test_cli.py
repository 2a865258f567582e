"""The command line, run as a user runs it."""

import asyncio
import json
import os
import sys
from collections.abc import Awaitable, Callable

import pytest
from attrs import frozen

from fourcasters_async.testing import FakeExchange, faults


@frozen
class Ran:
    """What a command printed, and how it ended."""

    status: int
    out: str
    err: str


Run = Callable[..., Awaitable[Ran]]


@pytest.fixture
def run(fake_exchange: FakeExchange) -> Run:
    async def run(
        *words: str, stdin: str = "", token: str | None = None, url: str | None = None
    ) -> Ran:
        environment = {
            **os.environ,
            "FOURCASTERS_TOKEN": fake_exchange.token if token is None else token,
            "FOURCASTERS_BASE_URL": fake_exchange.url if url is None else url,
        }
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "fourcasters_async",
            *words,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            env=environment,
        )
        out, err = await process.communicate(stdin.encode())
        assert process.returncode is not None
        return Ran(process.returncode, out.decode(), err.decode())

    return run


async def test_games_are_cancelled_and_the_exit_says_so(
    fake_exchange: FakeExchange, run: Run
) -> None:
    games = [fake_exchange.add_game(orders=2).game_id for _ in range(3)]
    ran = await run("cancel-games", *games)
    assert ran.status == 0
    assert not fake_exchange.open_orders()
    *lines, summary = ran.out.splitlines()
    assert [line.split("\t")[:3] for line in lines] == [[game, "confirmed", "2"] for game in games]
    assert "3 games: 3 confirmed; 6 orders cancelled" in summary


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
    ran = await run("cancel-games", game, "f" * 24, "--deadline", "0.3")
    assert ran.status == 3
    assert "unknown" in ran.out


async def test_nothing_sent_exits_with_3(fake_exchange: FakeExchange, run: Run) -> None:
    async with fake_exchange.refusing():
        ran = await run("cancel-games", "f" * 24, "--deadline", "0.3")
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
    ran = await run("cancel-games", "f" * 24, token="")
    assert ran.status == 2
    assert "FOURCASTERS_TOKEN" in ran.err


async def test_the_sandbox_and_the_real_exchange_are_named_for_what_they_are(
    fake_exchange: FakeExchange, run: Run
) -> None:
    ran = await run("cancel-games", fake_exchange.add_game().game_id)
    assert f"sandbox on this machine at {fake_exchange.url}" in ran.out
    assert f"sandbox on this machine at {fake_exchange.url}" in ran.err
    ran = await run("cancel-games", "a/b", url="https://api.4casters.io")
    assert "REAL exchange at https://api.4casters.io" in ran.err


async def test_the_demo_runs_the_main_job_on_a_sandbox_of_its_own(
    fake_exchange: FakeExchange, run: Run
) -> None:
    ran = await run("demo", "--games", "5", "--orders", "3", "--latency", "1")
    assert ran.status == 0
    assert ran.out.startswith("SANDBOX at http://127.0.0.1:")
    assert "5 games: 5 confirmed; 15 orders cancelled" in ran.out
    assert "15 before, 0 after" in ran.out
    assert "one after another" in ran.out
    assert not fake_exchange.requests
