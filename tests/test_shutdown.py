"""Ending flat: once, whatever happens meanwhile, and it is known what rests."""

import asyncio
import os
import signal
import sys
import threading
from pathlib import Path

import pytest
from support import SECOND, until

from fourcasters_async import (
    AsyncSession,
    InvalidRequestError,
    RetryPolicy,
    SessionClosedError,
)
from fourcasters_async.testing import FakeExchange, faults


async def test_flatten_cancels_everything_and_proves_it(
    fake_exchange: FakeExchange, session: AsyncSession
) -> None:
    for _ in range(3):
        fake_exchange.add_game(orders=2)
    report = await session.flatten()
    assert report.clear
    assert len(report.results) == 6
    assert str(report).startswith("6 orders cancelled; nothing rests; ")
    assert not fake_exchange.open_orders()


async def test_flatten_goes_on_until_a_read_shows_nothing(
    fake_exchange: FakeExchange, session: AsyncSession
) -> None:
    fake_exchange.add_game(orders=1)
    fake_exchange.inject(faults.Unavailable(), endpoint="cancelAllOrders", times=4)
    report = await session.flatten()
    assert report.clear
    assert report.error is not None


@pytest.mark.parametrize("endpoint", ["cancelAllOrders", "getUnmatched"])
async def test_flatten_claims_nothing_that_no_read_showed(
    fake_exchange: FakeExchange, session: AsyncSession, endpoint: str
) -> None:
    fake_exchange.add_game(orders=1)
    fake_exchange.inject(faults.Html(), endpoint=endpoint, times=None)
    report = await session.flatten(deadline=10 * SECOND)
    assert not report.clear
    assert (report.resting is None) == (endpoint == "getUnmatched")
    assert report.error is not None


async def test_flatten_does_not_go_on_without_the_right_to(
    fake_exchange: FakeExchange, session: AsyncSession
) -> None:
    fake_exchange.revoke(fake_exchange.token)
    report = await session.flatten(deadline=3600)
    assert not report.clear
    assert [r.endpoint for r in fake_exchange.requests] == ["cancelAllOrders", "getUnmatched"]


async def test_flatten_on_a_closed_session_says_so(session: AsyncSession) -> None:
    await session.close()
    with pytest.raises(SessionClosedError):
        await session.flatten()


async def test_a_block_that_ends_ends_flat(
    fake_exchange: FakeExchange, session: AsyncSession
) -> None:
    fake_exchange.add_game(orders=2)
    async with session.flat_on_exit() as end:
        assert fake_exchange.open_orders()
    assert not fake_exchange.open_orders()
    assert end.report is not None
    assert (end.report.clear, end.exit_status, end.signal) == (True, 0, None)


async def test_a_block_that_fails_ends_flat_and_fails(
    fake_exchange: FakeExchange, session: AsyncSession
) -> None:
    fake_exchange.add_game(orders=2)
    with pytest.raises(ZeroDivisionError):
        async with session.flat_on_exit() as end:
            raise ZeroDivisionError
    assert end.exit_status == 0
    assert not fake_exchange.open_orders()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_a_signal_ends_the_block_flat_and_without_an_error(
    fake_exchange: FakeExchange, session: AsyncSession, number: signal.Signals
) -> None:
    fake_exchange.add_game(orders=2)
    before = signal.getsignal(number)
    async with session.flat_on_exit() as end:
        os.kill(os.getpid(), number)
        await asyncio.Event().wait()
    assert (end.signal, end.exit_status) == (number, 0)
    assert not fake_exchange.open_orders()
    assert signal.getsignal(number) == before
    task = asyncio.current_task()
    assert task is not None
    assert task.cancelling() == 0


async def test_further_signals_change_nothing(
    fake_exchange: FakeExchange, session: AsyncSession
) -> None:
    fake_exchange.add_game(orders=2)
    fake_exchange.latency = 0.2 * SECOND

    async def insist() -> None:
        await until(lambda: fake_exchange.received("cancelAllOrders") == 1)
        os.kill(os.getpid(), signal.SIGTERM)
        os.kill(os.getpid(), signal.SIGINT)

    insisting = asyncio.create_task(insist())
    async with session.flat_on_exit() as end:
        os.kill(os.getpid(), signal.SIGINT)
        os.kill(os.getpid(), signal.SIGINT)
        await asyncio.Event().wait()
    await insisting
    assert (end.signal, end.exit_status) == (signal.SIGINT, 0)
    assert fake_exchange.received("cancelAllOrders") == 1


async def test_a_task_that_is_cancelled_is_flat_before_it_ends(
    fake_exchange: FakeExchange, session: AsyncSession
) -> None:
    fake_exchange.add_game(orders=2)
    fake_exchange.latency = 0.2 * SECOND

    async def strategy() -> None:
        async with session.flat_on_exit():
            await asyncio.Event().wait()

    task = asyncio.create_task(strategy())
    await asyncio.sleep(0)
    task.cancel()
    await until(lambda: fake_exchange.received("cancelAllOrders") == 1)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert not fake_exchange.open_orders()
    assert fake_exchange.received("cancelAllOrders") == 1


async def test_an_end_that_is_not_known_to_be_flat_has_another_exit_status(
    fake_exchange: FakeExchange, session: AsyncSession
) -> None:
    fake_exchange.inject(faults.Close(), times=None)
    async with session.flat_on_exit(deadline=2 * SECOND) as end:
        pass
    assert end.exit_status == 3


PROGRAM = """
import asyncio, sys
from fourcasters_async import AsyncSession

async def main():
    async with AsyncSession.from_env() as session:
        async with session.flat_on_exit() as end:
            print("ready", flush=True)
            await asyncio.Event().wait()
    sys.exit(end.exit_status)

asyncio.run(main())
"""


@pytest.mark.real_time
async def test_a_program_that_gets_signals_exits_flat(
    fake_exchange: FakeExchange, tmp_path: Path
) -> None:
    fake_exchange.add_game(orders=5)
    fake_exchange.latency = 0.2 * SECOND
    program = tmp_path / "bot.py"
    program.write_text(PROGRAM)
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        str(program),
        stdout=asyncio.subprocess.PIPE,
        env={
            **os.environ,
            "FOURCASTERS_TOKEN": fake_exchange.token,
            "FOURCASTERS_BASE_URL": fake_exchange.url,
        },
    )
    assert process.stdout is not None
    assert await process.stdout.readline() == b"ready\n"
    process.send_signal(signal.SIGTERM)
    await until(lambda: fake_exchange.received("cancelAllOrders") == 1)
    process.send_signal(signal.SIGTERM)
    process.send_signal(signal.SIGINT)
    await process.communicate()
    assert process.returncode == 0
    assert not fake_exchange.open_orders()
    assert fake_exchange.received("cancelAllOrders") == 1


@pytest.mark.parametrize("endpoint", ["cancelAllOrders", "getUnmatched"])
async def test_one_request_that_stalls_leaves_time_for_another(
    fake_exchange: FakeExchange, endpoint: str
) -> None:
    fake_exchange.add_game(orders=2)
    fake_exchange.inject(faults.Stall(), endpoint=endpoint)
    async with AsyncSession(fake_exchange.token, base_url=fake_exchange.url) as session:
        report = await session.flatten(deadline=4)
    assert report.clear


async def test_several_blocks_end_flat_by_one_signal(
    fake_exchange: FakeExchange, session: AsyncSession
) -> None:
    fake_exchange.add_game(orders=2)

    async def strategy() -> int:
        async with session.flat_on_exit() as end:
            await asyncio.Event().wait()
        return end.exit_status

    before = signal.getsignal(signal.SIGTERM)
    tasks = [asyncio.create_task(strategy()) for _ in range(2)]
    await asyncio.sleep(0)
    os.kill(os.getpid(), signal.SIGTERM)
    assert await asyncio.gather(*tasks) == [0, 0]
    assert signal.getsignal(signal.SIGTERM) is before


async def test_a_handler_that_the_application_gave_to_its_loop_works_during_and_after_the_block(
    fake_exchange: FakeExchange, session: AsyncSession
) -> None:
    fake_exchange.add_game(orders=2)
    loop = asyncio.get_running_loop()
    mine: list[int] = []
    loop.add_signal_handler(signal.SIGTERM, mine.append, 1)
    async with session.flat_on_exit() as end:
        os.kill(os.getpid(), signal.SIGTERM)
        await until(lambda: mine == [1])
    assert end.signal is signal.SIGTERM
    assert end.exit_status == 0
    os.kill(os.getpid(), signal.SIGTERM)
    await until(lambda: mine == [1, 1])
    loop.remove_signal_handler(signal.SIGTERM)


async def test_a_block_inside_a_block_is_interrupted_with_it(
    fake_exchange: FakeExchange, session: AsyncSession
) -> None:
    fake_exchange.add_game(orders=2)
    async with session.flat_on_exit() as outer:
        async with session.flat_on_exit() as inner:
            os.kill(os.getpid(), signal.SIGTERM)
            await asyncio.Event().wait()
        await asyncio.Event().wait()
    assert outer.signal == inner.signal == signal.SIGTERM
    assert outer.exit_status == inner.exit_status == 0


async def test_a_block_is_entered_once(session: AsyncSession) -> None:
    block = session.flat_on_exit()
    async with block:
        pass
    with pytest.raises(InvalidRequestError):
        async with block:
            pass


async def test_a_session_that_is_closed_inside_the_block_does_not_hide_its_error(
    session: AsyncSession,
) -> None:
    end = session.flat_on_exit()

    async def fail() -> None:
        async with end:
            await session.close()
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await fail()
    assert end.exit_status == 3
    assert end.report is not None
    assert isinstance(end.report.error, SessionClosedError)


def test_a_loop_that_ends_lets_a_block_end_flat(tmp_path: Path) -> None:
    resting: list[int] = []

    async def main() -> None:
        async with FakeExchange(latency=0.01) as exchange:
            exchange.add_game(orders=3)
            session = AsyncSession(exchange.token, base_url=exchange.url)

            async def strategy() -> None:
                async with session.flat_on_exit():
                    await asyncio.Event().wait()

            task = asyncio.create_task(strategy())
            await asyncio.sleep(0)
            task.cancel()
            await until(lambda: exchange.received() == 1)
            for each in asyncio.all_tasks():
                if "flatten" in repr(each.get_coro()):
                    each.cancel()
            await asyncio.wait([task])
            resting.append(len(exchange.open_orders()))
            await session.close()

    asyncio.run(main())
    assert resting == [0]


async def test_a_time_out_around_the_block_is_a_time_out(
    fake_exchange: FakeExchange, session: AsyncSession
) -> None:
    fake_exchange.latency = 0.2 * SECOND
    end = session.flat_on_exit()

    async def be_slow() -> None:
        async with asyncio.timeout(0.1 * SECOND), end:
            os.kill(os.getpid(), signal.SIGTERM)
            await asyncio.Event().wait()

    with pytest.raises(TimeoutError):
        await be_slow()
    assert end.exit_status == 0
    task = asyncio.current_task()
    assert task is not None
    assert task.cancelling() == 0


async def test_a_429_on_the_look_does_not_hold_back_the_cancel(
    fake_exchange: FakeExchange,
) -> None:
    fake_exchange.add_game(orders=3)
    fake_exchange.inject(faults.Unavailable(), endpoint="cancelAllOrders")
    fake_exchange.inject(faults.TooManyRequests("3600"), endpoint="getUnmatched")
    once = RetryPolicy(max_attempts=1)
    async with AsyncSession(fake_exchange.token, base_url=fake_exchange.url, retry=once) as session:
        await session.flatten(deadline=5 * SECOND)
    assert not fake_exchange.open_orders()


async def test_a_block_in_another_thread_is_not_watched_and_disturbs_no_other(
    fake_exchange: FakeExchange, session: AsyncSession
) -> None:
    standing, leave = threading.Event(), threading.Event()

    async def stand() -> int:
        async with (
            AsyncSession(fake_exchange.token, base_url=fake_exchange.url) as own,
            own.flat_on_exit() as end,
        ):
            standing.set()
            await asyncio.to_thread(leave.wait)
        return end.exit_status

    async with session.flat_on_exit() as end:
        elsewhere = asyncio.create_task(asyncio.to_thread(asyncio.run, stand()))
        await asyncio.to_thread(standing.wait)
        os.kill(os.getpid(), signal.SIGTERM)
        await asyncio.Event().wait()
    assert end.signal == signal.SIGTERM
    leave.set()
    assert await elsewhere == 0
