"""What listens to the log can fail, and costs nothing but what it listens to."""

import asyncio
import io
import logging
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from support import SECOND

from fourcasters_async import AsyncSession, DeadManState, DeadManSwitch, GameOutcome
from fourcasters_async._core.log import log
from fourcasters_async.orders.verbs import Orders
from fourcasters_async.testing import FakeExchange, faults


class Unreachable(logging.Handler):
    """Tells somebody over a network that is down, and does not catch what that raises."""

    def __init__(self) -> None:
        super().__init__()
        self.asked = 0

    def emit(self, record: logging.LogRecord) -> None:  # noqa: ARG002  # as `logging` calls it
        self.asked += 1
        raise ConnectionError("the network is down")


@contextmanager
def listening(handler: logging.Handler, level: int = logging.WARNING) -> Iterator[None]:
    logger = logging.getLogger("fourcasters_async")
    before = logger.level
    logger.addHandler(handler)
    logger.setLevel(level)
    try:
        yield
    finally:
        logger.removeHandler(handler)
        logger.setLevel(before)


@pytest.fixture
def unreachable() -> Iterator[Unreachable]:
    handler = Unreachable()
    with listening(handler, logging.DEBUG):
        yield handler


async def test_a_handler_that_raises_costs_no_cancel(
    fake_exchange: FakeExchange, orders: Orders, unreachable: Unreachable
) -> None:
    games = [fake_exchange.add_game(orders=1).game_id for _ in range(30)]
    fake_exchange.inject(faults.Unavailable(), game_id=games[0])

    def fail(_: GameOutcome) -> None:
        raise ZeroDivisionError

    report = await orders.cancel_all_orders_for_games(games, verify=True, on_outcome=fail)
    assert report.verified_clear
    assert not fake_exchange.open_orders()
    assert unreachable.asked > len(games)


@pytest.mark.virtual_time
async def test_a_handler_that_raises_stops_no_beat(unreachable: Unreachable) -> None:
    beats: list[float] = []
    enough = asyncio.Event()

    async def beat(_: float) -> None:
        beats.append(asyncio.get_running_loop().time())
        if len(beats) > 1:
            enough.set()
            raise ConnectionError

    class Connection:
        async def __aenter__(self) -> object:
            return beat

        async def __aexit__(self, *_: object) -> None: ...

    clock = asyncio.get_running_loop().time
    switch = DeadManSwitch(Connection, timeout=1, clock=clock)  # type: ignore[arg-type]  # as a context
    async with switch:
        await enough.wait()
        count = len(beats)
        await asyncio.sleep(2 * SECOND)
        assert len(beats) > count
        assert switch.state is DeadManState.LAPSED
    assert unreachable.asked


class FullDisk(io.StringIO):
    """A file on a disk that has no space left."""

    def write(self, _: str) -> int:
        raise OSError("no space left")


@pytest.mark.parametrize("handler", [Unreachable(), logging.StreamHandler(FullDisk())], ids=type)
async def test_a_handler_that_fails_shows_no_token_that_a_callback_was_given(
    fake_exchange: FakeExchange, capsys: pytest.CaptureFixture[str], handler: logging.Handler
) -> None:
    def keep(token: str) -> None:
        raise ValueError(f"could not keep {token}")

    async def keep_later(token: str) -> None:
        keep(token)

    fake_exchange.add_account("trader", "correct horse")
    with listening(handler):
        for callback in (keep, keep_later):
            async with AsyncSession(
                username="trader",
                password="correct horse",
                base_url=fake_exchange.url,
                on_token=callback,
            ) as session:
                await session.account.get_me()
    shown = capsys.readouterr().err
    assert shown.count("Error: ") == 2
    assert "could not keep" not in shown


def test_a_record_names_the_line_that_logs(caplog: pytest.LogCaptureFixture) -> None:
    log.warning("by its level")
    log.log(logging.ERROR, "by a number")
    assert {record.filename for record in caplog.records} == {"test_log.py"}
    assert {record.funcName for record in caplog.records} == {
        "test_a_record_names_the_line_that_logs"
    }
    assert {record.name for record in caplog.records} == {"fourcasters_async"}
