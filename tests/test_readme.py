"""What the README shows is true."""

import asyncio
import re
import runpy
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from aiohttp import ClientSession, web

from fourcasters_async import AsyncSession
from fourcasters_async.testing import FakeExchange, faults

README = (Path(__file__).parents[1] / "README.md").read_text()
PYTHON = re.findall(r"```python\n(.*?)```", README, re.DOTALL)
SHELL = re.findall(r"```sh\n(.*?)```", README, re.DOTALL)
GAME = "688c0516fbc14da0c202d426"


def block_with(text: str) -> str:
    (block,) = (block for block in PYTHON if text in block)
    return str(block)


@pytest.fixture
def example(fake_exchange: FakeExchange, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Any:
    """Run an example in a thread, with an event loop of its own, on the sandbox."""
    monkeypatch.setenv("FOURCASTERS_TOKEN", fake_exchange.token)
    monkeypatch.setenv("FOURCASTERS_BASE_URL", fake_exchange.url)
    monkeypatch.setenv("FOURCASTERS_ORDERS_URL", fake_exchange.orders_url)
    for game in (GAME, GAME[:-1] + "7"):
        fake_exchange.book.add_game(game)
        for type_ in ("moneyline", "spread", "total"):
            fake_exchange.book.place(fake_exchange.account, game, type=type_)

    async def run(block: str, name: str = "__main__") -> dict[str, Any]:
        path = tmp_path / "example.py"
        path.write_text(block)
        return await asyncio.to_thread(runpy.run_path, str(path), run_name=name)

    return run


def test_the_first_two_commands_are_one_command_each() -> None:
    assert [len(block.strip().splitlines()) for block in SHELL[:2]] == [1, 1]


def test_every_python_example_is_executed_here() -> None:
    assert len(PYTHON) == 8


async def test_the_strategy_cancels_the_spreads_of_a_game(
    fake_exchange: FakeExchange, example: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    await example(block_with("pull_spreads"))
    assert capsys.readouterr().out.endswith("-3.5 -110 cancelled\n")
    assert {order.type for order in fake_exchange.open_orders(GAME)} == {"moneyline", "total"}


async def test_the_strategy_says_when_it_does_not_know(
    fake_exchange: FakeExchange,
    example: Any,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    # An example has an event loop of its own, whose clock does not jump.
    in_two_seconds = partial(AsyncSession.from_env, timeout=2.0)
    monkeypatch.setattr(AsyncSession, "from_env", in_two_seconds)
    fake_exchange.inject(faults.Html(502), times=None)
    await example(block_with("pull_spreads"))
    assert capsys.readouterr().out.startswith("the orders may be gone or may rest: ")


async def test_the_fan_out_proves_its_games_clear(
    fake_exchange: FakeExchange, example: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    await example(block_with("flatten"))
    out = capsys.readouterr().out
    assert "2 games: 2 confirmed; 4 orders cancelled; verified clear" in out
    assert not fake_exchange.open_orders(GAME)


async def test_the_bot_moves_with_the_others_and_leaves_nothing_at_stale_prices(
    example: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    await example(block_with("requote"), name="__main__")
    *quotes, report = capsys.readouterr().out.splitlines()
    assert quotes
    assert all(line.startswith("resting at ") for line in quotes)
    assert report.startswith("1 game: 1 confirmed; ")
    assert "verified clear" in report


async def test_the_quotes_are_placed_and_pulled_over_the_socket(
    fake_exchange: FakeExchange, example: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    await example(block_with("orders_socket()"))
    first, second, report = capsys.readouterr().out.splitlines()
    assert first.startswith("placed 65b0")
    assert second.startswith("placed 65b0")
    assert report.startswith("1 game: 1 confirmed; 5 orders cancelled; verified clear; ")
    assert not fake_exchange.received("cancelAllOrdersForGame")


async def test_the_web_backend_is_a_kill_switch(fake_exchange: FakeExchange, example: Any) -> None:
    module = await example(block_with("make_app"), name="backend")
    runner = web.AppRunner(module["make_app"]())
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    host, port = runner.addresses[0][:2]
    async with (
        ClientSession() as user,
        user.post(f"http://{host}:{port}/kill", json={"games": [GAME]}) as response,
    ):
        assert (await response.json())["clear"] is True
    await runner.cleanup()
    assert not fake_exchange.open_orders(GAME)


async def test_the_bot_is_armed_and_ends_flat(
    fake_exchange: FakeExchange, example: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        await example(block_with("flat_on_exit"))
    assert ended.value.code == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[:2] == ["switch: armed", "6 orders are open"]
    assert lines[2].startswith("6 orders cancelled; nothing rests")


async def test_a_first_order_is_found_placed_filled_and_cancelled(
    example: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    await example(block_with("markets.find"))
    first, fill, away_wins, push, home_wins, cancelled = capsys.readouterr().out.splitlines()
    assert first.startswith("Boston Celtics @ Los Angeles Lakers (NBA 2027-01-01 00:00)")
    assert first.endswith("+110 to win 55.00")
    assert fill == "matched 50.00 at +110, to win 54.50"
    assert away_wins == "home by -1 or less: -50.50 (-80.50 if filled)"
    assert push == "home by 0: +0.00 (+0.00 if filled)"
    assert home_wins == "home by 1 or more: +54.50 (+87.50 if filled)"
    assert "remaining=30.0" in cancelled


async def test_a_first_order_meets_the_other_side_whichever_team_is_at_home(
    fake_exchange: FakeExchange,
    session: AsyncSession,
    example: Any,
    capsys: pytest.CaptureFixture[str],
) -> None:
    book = fake_exchange.book
    game = book.add_game(away="Los Angeles Lakers", home="New York Knicks")
    for side, odds in ((game.away_id, -200), (game.home_id, 105), (game.home_id, -110)):
        book.place("somebody", game.game_id, side=side, odds=odds)
    for other in (GAME, GAME[:-1] + "7"):
        book.settle(other, away=0, home=1)
    module = await example(block_with("markets.find"))
    capsys.readouterr()
    await module["trade"](session)
    first, fill, *_ = capsys.readouterr().out.splitlines()
    assert first.endswith("[Los Angeles Lakers]: +110 to win 100.00")
    assert fill == "matched 80.00 at +110, to win 87.20"


async def test_the_sandbox_example_holds(example: Any) -> None:
    await example(block_with("FakeExchange(latency"))


def test_every_fault_is_in_the_table() -> None:
    known = {
        name
        for name, value in vars(faults).items()
        if isinstance(value, type) and issubclass(value, faults.Fault) and value is not faults.Fault
    }
    assert {name for name in known if f"`{name}(" not in README} == set()
