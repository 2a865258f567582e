"""`cancel`, `cancel-all` and `cancel-league` with `--verify`: what is proved, whatever failed."""

import json
from functools import partial

import pytest
from shapes import mistakes
from support import QUICK, Run
from test_cli import Interrupts, interrupts

from fourcasters_async import AsyncSession
from fourcasters_async.cli import cancels
from fourcasters_async.testing import FakeExchange, faults
from fourcasters_async.testing.calls import Fault

__all__ = ["interrupts"]

COMMANDS = [["cancel", "ORDER"], ["cancel-all", "--yes"], ["cancel-league", "NBA"]]
LOST, REFUSED = (
    faults.Close(committed=True),
    faults.Respond(b'{"error": "no"}', 403, committed=False),
)
NOTHING_DONE = faults.Close()
BY_ID = "cancelMultiple"
ENDPOINTS = [BY_ID, "cancelAllOrders", "cancelAllForLeague"]

by_command = pytest.mark.parametrize("words", COMMANDS, ids=" ".join)


@pytest.fixture(autouse=True)
def _few_attempts(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let what fails fail at once, and what rests be read for a moment."""
    monkeypatch.setattr(AsyncSession, "from_env", partial(AsyncSession.from_env, retry=QUICK))
    monkeypatch.setattr(cancels, "_VERIFY", 0.3)


@pytest.fixture
def order(fake_exchange: FakeExchange) -> str:
    """Give the id of the only order that is open."""
    fake_exchange.add_game(orders=1)
    return fake_exchange.open_orders()[0].order_id


def break_cancels(exchange: FakeExchange, fault: Fault) -> None:
    for endpoint in ENDPOINTS:
        exchange.inject(fault, endpoint=endpoint, times=None)


def named(words: list[str], order: str) -> list[str]:
    return [order if word == "ORDER" else word for word in words]


@by_command
async def test_a_read_that_proves_it_exits_with_0_though_the_answer_was_lost(
    fake_exchange: FakeExchange, run: Run, words: list[str], order: str
) -> None:
    break_cancels(fake_exchange, LOST)
    ran = await run(*named(words, order), "--verify")
    assert (ran.status, fake_exchange.open_orders()) == (0, [])
    assert "OutcomeUnknownError: " in ran.err
    assert ran.err.splitlines()[-1] == "the outcome is unknown; verified: none of them is open"


@by_command
@pytest.mark.parametrize(
    ("fault", "status", "said"),
    [(NOTHING_DONE, 3, "the outcome is unknown"), (REFUSED, 1, "refused")],
    ids=["unknown", "refused"],
)
async def test_what_rests_after_a_request_that_failed_is_shown(
    fake_exchange: FakeExchange,
    run: Run,
    words: list[str],
    order: str,
    fault: Fault,
    status: int,
    said: str,
) -> None:
    break_cancels(fake_exchange, fault)
    ran = await run(*named(words, order), "--verify", "--json")
    document = json.loads(ran.out)
    assert not mistakes(document, "cancel")
    assert (ran.status, document["results"], document["complete"]) == (status, None, None)
    assert [each["order_id"] for each in document["resting"]] == [order]
    assert document["error"]["type"] in ("OutcomeUnknownError", "ForbiddenError")
    assert ran.err.splitlines()[-1] == f"{said}; 1 still open when last seen:"


@by_command
@pytest.mark.parametrize(("fault", "status"), [(NOTHING_DONE, 3), (REFUSED, 1)], ids=["3", "1"])
async def test_where_nothing_can_be_read_the_request_alone_says_the_status(
    fake_exchange: FakeExchange, run: Run, words: list[str], order: str, fault: Fault, status: int
) -> None:
    fake_exchange.inject(fault, times=None)
    ran = await run(*named(words, order), "--verify", "--json")
    assert (ran.status, json.loads(ran.out)["resting"]) == (status, None)
    assert ran.err.splitlines()[-1].endswith("; not verified")


@by_command
async def test_what_was_not_sent_is_read_all_the_same(
    fake_exchange: FakeExchange, run: Run, words: list[str], order: str
) -> None:
    async with fake_exchange.refusing():
        ran = await run(*named(words, order), "--verify")
    assert ran.status == 3
    assert ran.err.splitlines()[-1] == "nothing was sent; not verified"


async def test_an_order_that_is_proved_not_to_rest_is_settled_though_it_was_refused(
    fake_exchange: FakeExchange, run: Run, order: str
) -> None:
    fake_exchange.add_game(orders=1)
    (filled,) = (o.order_id for o in fake_exchange.open_orders() if o.order_id != order)
    fake_exchange.book.fill(filled, 1e9)
    ran = await run("cancel", order, filled, "--verify")
    assert ran.status == 0
    assert ran.err.splitlines()[-1] == (
        "1 order cancelled; 1 not cancelled; verified: none of them is open"
    )


async def test_a_league_that_the_exchange_does_not_know_is_not_settled_by_a_read(
    fake_exchange: FakeExchange, run: Run, order: str
) -> None:
    # No order can be in a league of a mistyped name, and those that were meant rest.
    ran = await run("cancel-league", "NBAA", "--verify")
    assert (ran.status, len(fake_exchange.open_orders())) == (1, 1)
    assert "400 Invalid league" in ran.err


async def test_results_that_came_with_a_lost_one_are_shown(
    fake_exchange: FakeExchange, run: Run, order: str
) -> None:
    answer = {"data": [{"orderID": order, "success": True}, 7]}
    fake_exchange.inject(faults.Respond(json.dumps(answer).encode()), endpoint=BY_ID, times=None)
    ran = await run("cancel", order, "f" * 24, "--verify", "--json")
    document = json.loads(ran.out)
    assert [each["order_id"] for each in document["results"]] == [order]
    assert (document["complete"], document["resting"], ran.status) == (False, [], 0)


@by_command
async def test_a_read_that_is_interrupted_prints_what_the_request_came_to(
    fake_exchange: FakeExchange, run: Run, words: list[str], order: str, interrupts: Interrupts
) -> None:
    fake_exchange.inject(faults.Stall(), endpoint="getUnmatched", times=None)
    ran = await interrupts(run(*named(words, order), "--verify", "--json"), after=2)
    document = json.loads(ran.out)
    assert not mistakes(document, "cancel")
    assert (ran.status, document["interrupted"], document["resting"]) == (3, True, None)
    if words[0] != "cancel-league":
        assert [each["order_id"] for each in document["results"]] == [order]
    assert ran.err.splitlines()[-1].startswith("interrupted: ")
    assert ran.err.splitlines()[-1].endswith("; not verified")


@by_command
async def test_a_request_that_is_interrupted_has_a_document_with_verify(
    fake_exchange: FakeExchange, run: Run, words: list[str], order: str, interrupts: Interrupts
) -> None:
    break_cancels(fake_exchange, faults.Stall())
    ran = await interrupts(run(*named(words, order), "--verify", "--json"), after=1)
    document = json.loads(ran.out)
    assert (ran.status, document["interrupted"], document["results"]) == (3, True, None)
    assert ran.err.splitlines()[-1] == "interrupted: the outcome is unknown; not verified"


async def test_the_id_of_no_own_order_is_not_settled_by_a_read(
    run: Run, order: str, fake_exchange: FakeExchange
) -> None:
    ran = await run("cancel", f"{int(order, 16) + 1:024x}", "--verify")
    assert (ran.status, len(fake_exchange.open_orders())) == (1, 1)


@pytest.mark.parametrize("options", [("--periods",), ("--periods", "--dry-run")])
async def test_the_periods_of_a_game_are_taken_too_if_asked_for(
    run: Run, fake_exchange: FakeExchange, options: tuple[str, ...]
) -> None:
    game = fake_exchange.add_game(orders=1)
    fake_exchange.add_game(orders=2, parent=game)
    fake_exchange.add_game(orders=4)
    ran = await run("cancel-games", game.game_id, *options, "--json")
    document = json.loads(ran.out)
    assert ran.status == 0
    if "--dry-run" in options:
        assert len(document["orders"]) == 3
        assert len(fake_exchange.open_orders()) == 7
    else:
        assert document["verified_clear"]
        assert len(fake_exchange.open_orders()) == 4
