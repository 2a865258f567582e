"""`cancel-games` over the Orders WebSocket, with REST where the socket fails: the same answers."""

import asyncio
import json
import os
import signal
import sys

import pytest
from shapes import mistakes
from support import Run, environment, until

from fourcasters_async.cli.sessions import has_socket
from fourcasters_async.testing import FakeExchange, faults

REST, WS, HANDSHAKE = "cancelAllOrdersForGame", "cancelAllByGame", "ws"


def both(exchange: FakeExchange) -> dict[str, str]:
    """Return the variable that adds the Orders WebSocket to those of a command."""
    return {"FOURCASTERS_ORDERS_URL": exchange.orders_url}


async def test_games_are_cancelled_over_the_socket(fake_exchange: FakeExchange, run: Run) -> None:
    games = [fake_exchange.add_game(orders=2).game_id for _ in range(3)]
    ran = await run("cancel-games", *games, "--verify", **both(fake_exchange))
    assert ran.status == 0
    assert "3 games: 3 confirmed; 6 orders cancelled; verified clear" in ran.err
    assert (fake_exchange.received(WS), fake_exchange.received(REST)) == (3, 0)


@pytest.mark.parametrize(
    "variable", ["FOURCASTERS_BASE_URL", "FOURCASTERS_ORDERS_URL"], ids=["rest", "socket"]
)
def test_the_socket_of_another_exchange_is_not_used(
    variable: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("FOURCASTERS_BASE_URL", "FOURCASTERS_ORDERS_URL"):
        monkeypatch.delenv(name, raising=False)
    assert has_socket()
    monkeypatch.setenv(variable, "http://127.0.0.1:1")
    assert not has_socket()


async def test_with_the_address_of_rest_alone_everything_goes_over_rest(
    fake_exchange: FakeExchange, run: Run
) -> None:
    game = fake_exchange.add_game(orders=1).game_id
    assert (await run("cancel-games", game, FOURCASTERS_ORDERS_URL="")).status == 0
    assert (fake_exchange.received(HANDSHAKE), fake_exchange.received(REST)) == (0, 1)


@pytest.mark.parametrize(
    ("fault", "endpoint"),
    [
        (faults.Reset(), HANDSHAKE),
        (faults.Unauthorized(), HANDSHAKE),
        (faults.TooManyRequests(), HANDSHAKE),
        (faults.Unavailable(), HANDSHAKE),
        (faults.Stall(), HANDSHAKE),
        (faults.Stall(), WS),
        (faults.HalfOpen(), WS),
        (faults.Reset(), WS),
        (faults.Reset(committed=True), WS),
        (faults.CloseCode(), WS),
        (faults.Unauthorized(), WS),
        (faults.Garbage(), WS),
    ],
    ids=lambda value: value if isinstance(value, str) else repr(value),
)
async def test_whatever_the_socket_does_rest_cancels_and_the_exit_is_0(
    fake_exchange: FakeExchange, run: Run, fault: faults.Fault, endpoint: str
) -> None:
    games = [fake_exchange.add_game(orders=2).game_id for _ in range(3)]
    fake_exchange.inject(fault, endpoint=endpoint, times=None)
    ran = await run("cancel-games", *games, "--json", "--verify", **both(fake_exchange))
    document = json.loads(ran.out)
    assert ran.status == 0
    assert (document["ok"], document["verified_clear"]) == (True, True)
    assert [outcome["game_id"] for outcome in document["outcomes"]] == games
    assert not fake_exchange.open_orders()


async def test_a_socket_where_nobody_listens_costs_nothing(
    fake_exchange: FakeExchange, run: Run, unused_tcp_port: int
) -> None:
    games = [fake_exchange.add_game(orders=2).game_id for _ in range(3)]
    nowhere = f"ws://127.0.0.1:{unused_tcp_port}/orders/ws"
    ran = await run("cancel-games", *games, FOURCASTERS_ORDERS_URL=nowhere)
    assert ran.status == 0
    assert [row.split("\t")[-1] for row in ran.out.splitlines()] == ["yes"] * 3
    assert fake_exchange.received(REST) == 3


@pytest.mark.parametrize("socket", [True, False], ids=["socket", "rest"])
async def test_the_document_has_the_same_shape_over_both(
    fake_exchange: FakeExchange, run: Run, *, socket: bool
) -> None:
    game = fake_exchange.add_game(orders=1).game_id
    variables = both(fake_exchange) if socket else {"FOURCASTERS_ORDERS_URL": ""}
    document = json.loads((await run("cancel-games", game, "--json", **variables)).out)
    assert not mistakes(document, "cancel-games")
    assert document["outcomes"][0]["results"]


@pytest.mark.parametrize("socket", [True, False], ids=["socket", "rest"])
@pytest.mark.parametrize(
    ("fault", "status", "said"),
    [
        (faults.Respond(b'{"data": [{"success": false}]}'), 1, "partial"),
        (faults.Stall(), 3, "unknown"),
    ],
    ids=["partial", "unknown"],
)
async def test_the_exit_is_the_same_over_both(
    fake_exchange: FakeExchange,
    run: Run,
    fault: faults.Fault,
    status: int,
    said: str,
    *,
    socket: bool,
) -> None:
    game = fake_exchange.add_game(orders=1).game_id
    for endpoint in (WS, REST):
        fake_exchange.inject(fault, endpoint=endpoint, times=None)
    variables = both(fake_exchange) if socket else {"FOURCASTERS_ORDERS_URL": ""}
    ran = await run("cancel-games", game, "--deadline", "2", **variables)
    assert (ran.status, ran.out.split("\t")[1]) == (status, said)


async def test_a_game_that_neither_way_knows_exits_with_1(
    fake_exchange: FakeExchange, run: Run
) -> None:
    ran = await run("cancel-games", "f" * 24, **both(fake_exchange))
    assert (ran.status, ran.out.split("\t")[1]) == (1, "refused")
    assert (fake_exchange.received(WS), fake_exchange.received(REST)) == (1, 1)


async def test_a_dead_token_exits_with_1_and_names_its_source(
    fake_exchange: FakeExchange, run: Run
) -> None:
    game = fake_exchange.add_game(orders=1).game_id
    fake_exchange.revoke(fake_exchange.token)
    ran = await run("cancel-games", game, **both(fake_exchange))
    assert ran.status == 1
    assert "the token is from FOURCASTERS_TOKEN" in ran.err


async def test_nothing_sent_over_either_exits_with_3(fake_exchange: FakeExchange, run: Run) -> None:
    async with fake_exchange.refusing():
        ran = await run("cancel-games", "f" * 24, "--deadline", "2", **both(fake_exchange))
    assert (ran.status, ran.out.split("\t")[1]) == (3, "not_sent")


@pytest.mark.parametrize("endpoint", [HANDSHAKE, WS])
async def test_what_both_leave_unanswered_is_unknown_at_the_deadline(
    fake_exchange: FakeExchange, run: Run, endpoint: str
) -> None:
    game = fake_exchange.add_game(orders=1).game_id
    for each in (endpoint, REST):
        fake_exchange.inject(faults.Stall(), endpoint=each, times=None)
    ran = await run("cancel-games", game, "--deadline", "1.5", **both(fake_exchange))
    assert (ran.status, ran.out.split("\t")[1]) == (3, "unknown")


@pytest.mark.real_time
async def test_an_interrupted_command_over_the_socket_prints_what_is_known(
    fake_exchange: FakeExchange,
) -> None:
    answered, hangs = (fake_exchange.add_game(orders=1).game_id for _ in range(2))
    for endpoint in (WS, REST):
        fake_exchange.inject(faults.Stall(), endpoint=endpoint, game_id=hangs, times=None)
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "fourcasters_async", "cancel-games", answered, hangs),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        env={**os.environ, **environment(fake_exchange), **both(fake_exchange)},
    )
    # REST is asked once the socket has had its time: by then the other game is answered.
    await until(lambda: fake_exchange.received(REST) == 1)
    process.send_signal(signal.SIGINT)
    out, err = await process.communicate()
    assert process.returncode == 3
    rows = [line.split("\t")[:2] for line in out.decode().splitlines()[:2]]
    assert rows == [[hangs, "unknown"], [answered, "confirmed"]]
    assert b"Traceback" not in err
