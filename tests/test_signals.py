"""Signals: they end a block flat, a host goes on to handle its own, and handlers are given back."""

import asyncio
import logging
import os
import signal
import sys
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from pathlib import Path

import pytest
from attrs import frozen
from support import SECOND, loop_factory, until

from fourcasters_async import (
    AsyncSession,
    FlatOnExit,
    FlatReport,
    FourcastersError,
    HaltedError,
    InvalidRequestError,
    NewOrder,
)
from fourcasters_async._signals import watch
from fourcasters_async.testing import FakeExchange, faults

if sys.platform == "win32":
    pytest.skip("Windows sends a process no signals", allow_module_level=True)

ENDING = [signal.SIGTERM, signal.SIGINT, signal.SIGHUP]
LOOPS = ["asyncio", "uvloop"]
Handler = Callable[..., object] | int | signal.Handlers


def send(number: signal.Signals = signal.SIGTERM) -> None:
    os.kill(os.getpid(), number)


@contextmanager
def handled_by(handler: Handler, number: signal.Signals = signal.SIGTERM) -> Iterator[None]:
    earlier = signal.signal(number, handler)
    try:
        yield
    finally:
        signal.signal(number, earlier)


@pytest.fixture(autouse=True)
def _handlers_are_given_back() -> Iterator[None]:
    before = [signal.getsignal(number) for number in ENDING]
    yield
    assert [signal.getsignal(number) for number in ENDING] == before


def cancelling() -> int:
    task = asyncio.current_task()
    return 0 if task is None else task.cancelling()


# One block, and nobody else who wants the signal.


@pytest.mark.parametrize("number", ENDING)
async def test_a_signal_ends_the_block_flat_and_without_an_error(
    fake_exchange: FakeExchange, session: AsyncSession, number: signal.Signals
) -> None:
    fake_exchange.add_game(orders=2)
    before = signal.getsignal(number)
    async with session.flat_on_exit() as end:
        send(number)
        await asyncio.Event().wait()
    assert (end.signal, end.exit_status) == (number, 0)
    assert not fake_exchange.open_orders()
    assert signal.getsignal(number) is before
    assert cancelling() == 0


async def test_further_signals_change_nothing(
    fake_exchange: FakeExchange, session: AsyncSession
) -> None:
    fake_exchange.add_game(orders=2)
    fake_exchange.latency = 0.2 * SECOND

    async def insist() -> None:
        await until(lambda: fake_exchange.received("cancelAllOrders") == 1)
        send(signal.SIGTERM)
        send(signal.SIGINT)

    insisting = asyncio.create_task(insist())
    async with session.flat_on_exit() as end:
        send(signal.SIGINT)
        send(signal.SIGINT)
        await asyncio.Event().wait()
    await insisting
    assert (end.signal, end.exit_status) == (signal.SIGINT, 0)
    assert fake_exchange.received("cancelAllOrders") == 1
    assert cancelling() == 0


async def test_a_signal_while_the_block_ends_is_told_and_changes_nothing(
    fake_exchange: FakeExchange, session: AsyncSession
) -> None:
    fake_exchange.latency = 0.2 * SECOND

    async def insist() -> None:
        await until(lambda: fake_exchange.received("cancelAllOrders") == 1)
        send()

    insisting = asyncio.create_task(insist())
    async with session.flat_on_exit() as end:
        pass
    await insisting
    assert (end.signal, end.exit_status) == (signal.SIGTERM, 0)
    assert fake_exchange.received("cancelAllOrders") == 1
    assert cancelling() == 0


async def test_a_signal_at_the_last_moment_does_not_cancel_what_follows_the_block(
    session: AsyncSession,
) -> None:
    async with session.flat_on_exit() as end:
        pass
    # The handler was called before it was given back, and the loop hears of it only now.
    end._hear(signal.SIGTERM, hosted=False)
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    assert end.exit_status == 0
    assert cancelling() == 0


async def test_a_cancellation_that_a_task_group_passes_on_does_not_outlive_the_block() -> None:
    task = asyncio.current_task()
    assert task is not None
    async with FlatOnExit(lambda: asyncio.sleep(0, FlatReport(resting=[]))) as end:
        send()
        with suppress(asyncio.CancelledError):
            await asyncio.Event().wait()
        await asyncio.sleep(SECOND)
        # So does a task group that fails, from Python 3.13 on.
        task.uncancel()
        task.cancel()
    await asyncio.sleep(0)
    assert end.exit_status == 0
    assert task.cancelling() == 0


async def test_a_strategy_that_swallows_one_cancellation_ends_at_the_next_signal(
    fake_exchange: FakeExchange, session: AsyncSession
) -> None:
    swallowed = 0
    async with session.flat_on_exit() as end:
        for _ in range(2):
            with suppress(asyncio.CancelledError):
                send()
                await asyncio.Event().wait()
            swallowed += 1
        send()
        await asyncio.Event().wait()
    assert swallowed == 2
    assert end.exit_status == 0
    assert cancelling() == 0


async def test_what_rests_goes_while_the_strategy_still_cleans_up(
    fake_exchange: FakeExchange, session: AsyncSession
) -> None:
    fake_exchange.add_game(orders=2)
    async with session.flat_on_exit() as end:
        send()
        try:
            await asyncio.Event().wait()
        finally:
            await until(lambda: not fake_exchange.open_orders())
    assert end.exit_status == 0
    assert fake_exchange.received("cancelAllOrders") == 1


async def test_nothing_is_placed_from_the_signal_on(
    fake_exchange: FakeExchange, session: AsyncSession
) -> None:
    game = fake_exchange.add_game()
    order = NewOrder(game.game_id, "moneyline", game.home_id, odds=-110, bet=10)
    async with session.flat_on_exit():
        send()
        with suppress(asyncio.CancelledError):
            await asyncio.Event().wait()
        # Also after everything was cancelled.
        await asyncio.sleep(3 * SECOND)
        assert fake_exchange.received("getUnmatched") == 1
        with pytest.raises(HaltedError):
            await session.place([order])
    assert fake_exchange.received("place") == 0


async def test_a_place_that_waits_for_its_turn_does_not_hide_that_a_signal_came(
    fake_exchange: FakeExchange, session: AsyncSession
) -> None:
    game = fake_exchange.add_game()
    order = NewOrder(game.game_id, "moneyline", game.home_id, odds=-110, bet=10)
    async with session.flat_on_exit() as end:
        asyncio.get_running_loop().call_soon(send)
        # It is still in the gate when the signal comes: an exception would leave the block.
        await session.place([order])
    assert end.exit_status == 0
    assert not fake_exchange.open_orders()


async def test_a_flattening_that_failed_is_begun_again_when_the_block_ends() -> None:
    reports = [FlatReport(), FlatReport(resting=[])]
    begun = 0

    async def flatten() -> FlatReport:
        nonlocal begun
        begun += 1
        return reports[begun - 1]

    async with FlatOnExit(flatten) as end:
        send()
        with suppress(asyncio.CancelledError):
            await asyncio.Event().wait()
        await until(lambda: begun == 1)
        await asyncio.sleep(SECOND)
    assert begun == 2
    assert end.exit_status == 0


async def test_a_task_group_that_fails_at_the_signal_leaves_no_cancellation_behind(
    fake_exchange: FakeExchange, session: AsyncSession
) -> None:
    game = fake_exchange.add_game(orders=2)
    order = NewOrder(game.game_id, "moneyline", game.home_id, odds=-110, bet=10)
    end = session.flat_on_exit()

    async def quote() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            await session.place([order])

    async def trade() -> None:
        async with end, asyncio.TaskGroup() as quotes:
            quotes.create_task(quote())
            await asyncio.sleep(0)
            send()
            await asyncio.Event().wait()

    with pytest.raises(ExceptionGroup) as raised:
        await trade()
    assert raised.group_contains(HaltedError, depth=1)
    assert end.exit_status == 0
    assert not fake_exchange.open_orders()
    assert cancelling() == 0


async def test_a_task_group_that_swallowed_the_first_signal_ends_at_the_second(
    session: AsyncSession,
) -> None:
    async def fail() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            raise InvalidRequestError("a place that failed")

    async with session.flat_on_exit() as end:
        try:
            async with asyncio.TaskGroup() as quotes:
                quotes.create_task(fail())
                await asyncio.sleep(0)
                send()
                await asyncio.Event().wait()
        except* FourcastersError:
            pass
        send()
        await asyncio.Event().wait()
    assert end.exit_status == 0
    assert cancelling() == 0


async def test_a_time_out_around_the_block_is_a_time_out(
    fake_exchange: FakeExchange, session: AsyncSession
) -> None:
    fake_exchange.latency = 0.2 * SECOND
    end = session.flat_on_exit()

    async def be_slow() -> None:
        async with asyncio.timeout(0.1 * SECOND), end:
            send()
            await asyncio.Event().wait()

    with pytest.raises(TimeoutError):
        await be_slow()
    assert end.exit_status == 0
    assert cancelling() == 0


async def test_a_time_out_inside_the_block_is_a_time_out(session: AsyncSession) -> None:
    async with session.flat_on_exit() as end:
        with suppress(asyncio.CancelledError):
            send()
            await asyncio.Event().wait()
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0):
                await asyncio.Event().wait()
    assert end.exit_status == 0
    assert cancelling() == 0


async def test_a_task_that_others_cancel_too_ends_cancelled(session: AsyncSession) -> None:
    end = session.flat_on_exit()

    async def trade() -> None:
        async with end:
            send()
            await asyncio.Event().wait()

    task = asyncio.create_task(trade())
    await until(lambda: end.signal is not None)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert end.exit_status == 0


async def test_a_task_that_was_cancelled_right_before_the_block_ends_cancelled(
    session: AsyncSession,
) -> None:
    end = session.flat_on_exit()

    async def trade() -> None:
        task = asyncio.current_task()
        assert task is not None
        # It is told of this by the next `await`, which is inside the block.
        task.cancel()
        async with end:
            try:
                await asyncio.Event().wait()
            finally:
                send()
                await until(lambda: task.cancelling() == 2)

    with pytest.raises(asyncio.CancelledError):
        await asyncio.create_task(trade())
    assert end.exit_status == 0


# Which signals.


async def test_without_signals_the_block_leaves_them_alone(session: AsyncSession) -> None:
    before = [signal.getsignal(number) for number in ENDING]
    async with session.flat_on_exit(signals=()):
        inside = [signal.getsignal(number) for number in ENDING]
    assert inside == before


async def test_a_block_watches_the_signals_that_it_is_given(session: AsyncSession) -> None:
    before = signal.getsignal(signal.SIGTERM)
    async with session.flat_on_exit(signals=iter([signal.SIGUSR1, signal.SIGUSR1])) as end:
        assert signal.getsignal(signal.SIGTERM) is before
        send(signal.SIGUSR1)
        await asyncio.Event().wait()
    assert end.signal == signal.SIGUSR1
    assert signal.getsignal(signal.SIGUSR1) is signal.SIG_DFL


@pytest.mark.parametrize(
    "signals", ["SIGTERM", signal.SIGTERM, [15], ["SIGTERM"], [None], [signal.SIGKILL]], ids=repr
)
async def test_what_is_no_list_of_signals_is_refused_by_name(
    session: AsyncSession, signals: object
) -> None:
    with pytest.raises(InvalidRequestError, match=r"^signals: "):
        session.flat_on_exit(signals=signals)  # type: ignore[arg-type]  # on purpose


async def test_a_signal_that_the_process_ignores_stays_ignored(session: AsyncSession) -> None:
    with handled_by(signal.SIG_IGN, signal.SIGHUP):
        async with session.flat_on_exit() as end:
            send(signal.SIGHUP)
            await asyncio.sleep(0)
    assert end.signal is None


async def test_a_signal_that_is_named_is_watched_though_the_process_ignores_it(
    session: AsyncSession,
) -> None:
    with handled_by(signal.SIG_IGN, signal.SIGHUP):
        async with session.flat_on_exit(signals=[signal.SIGHUP]) as end:
            send(signal.SIGHUP)
            await asyncio.Event().wait()
        assert signal.getsignal(signal.SIGHUP) is signal.SIG_IGN
    assert end.signal == signal.SIGHUP


# Several blocks.


async def test_several_blocks_end_flat_by_one_signal(
    fake_exchange: FakeExchange, session: AsyncSession
) -> None:
    fake_exchange.add_game(orders=2)

    async def strategy(own: AsyncSession) -> int:
        async with own.flat_on_exit() as end:
            await asyncio.Event().wait()
        return end.exit_status

    async with AsyncSession(fake_exchange.token, base_url=fake_exchange.url) as other:
        tasks = [asyncio.create_task(strategy(own)) for own in (session, session, other)]
        await asyncio.sleep(0)
        send()
        assert await asyncio.gather(*tasks) == [0, 0, 0]


async def test_blocks_that_end_in_the_order_they_began_give_the_signal_back_once(
    fake_exchange: FakeExchange, session: AsyncSession
) -> None:
    before = signal.getsignal(signal.SIGTERM)
    first, second = session.flat_on_exit(), session.flat_on_exit()
    await first.__aenter__()
    await second.__aenter__()
    await first.__aexit__(None, None, None)
    assert signal.getsignal(signal.SIGTERM) is not before
    send()
    await until(lambda: second.signal is not None)
    with suppress(asyncio.CancelledError):
        await asyncio.Event().wait()
    await second.__aexit__(None, None, None)
    assert signal.getsignal(signal.SIGTERM) is before
    assert first.signal is None


async def test_a_block_inside_a_block_is_interrupted_with_it(
    fake_exchange: FakeExchange, session: AsyncSession
) -> None:
    fake_exchange.add_game(orders=2)
    async with session.flat_on_exit() as outer:
        async with session.flat_on_exit() as inner:
            send()
            await asyncio.Event().wait()
        await asyncio.Event().wait()
    assert outer.signal == inner.signal == signal.SIGTERM
    assert outer.exit_status == inner.exit_status == 0
    assert cancelling() == 0


async def test_a_signal_while_the_inner_block_ends_ends_the_outer_one(
    fake_exchange: FakeExchange, session: AsyncSession
) -> None:
    fake_exchange.latency = 0.2 * SECOND

    async def insist() -> None:
        await until(lambda: fake_exchange.received("cancelAllOrders") == 1)
        send()

    insisting = asyncio.create_task(insist())
    async with session.flat_on_exit() as outer:
        async with session.flat_on_exit():
            pass
        await asyncio.Event().wait()
    await insisting
    assert outer.exit_status == 0
    assert cancelling() == 0


async def test_a_block_in_another_thread_is_not_watched_and_disturbs_no_other(
    fake_exchange: FakeExchange, session: AsyncSession, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG, "fourcasters_async")
    standing, leave = threading.Event(), threading.Event()

    async def stand() -> FlatOnExit:
        async with (
            AsyncSession(fake_exchange.token, base_url=fake_exchange.url) as own,
            own.flat_on_exit() as end,
        ):
            standing.set()
            await asyncio.to_thread(leave.wait)
        return end

    async with session.flat_on_exit() as end:
        elsewhere = asyncio.create_task(asyncio.to_thread(asyncio.run, stand()))
        await asyncio.to_thread(standing.wait)
        send()
        await asyncio.Event().wait()
    assert end.signal == signal.SIGTERM
    leave.set()
    other = await elsewhere
    assert (other.signal, other.exit_status) == (None, 0)
    told = [r for r in caplog.records if "no signal is watched" in r.getMessage()]
    assert [r.levelno for r in told] == [logging.DEBUG]


@pytest.mark.parametrize("kind", LOOPS)
def test_a_block_in_each_of_two_loops_ends_flat(kind: str) -> None:
    async def main() -> int:
        async with (
            FakeExchange() as exchange,
            AsyncSession(exchange.token, base_url=exchange.url) as session,
        ):
            exchange.add_game(orders=2)
            async with session.flat_on_exit() as end:
                send()
                await asyncio.Event().wait()
            assert not exchange.open_orders()
        return end.exit_status

    for _ in range(2):
        with asyncio.Runner(loop_factory=loop_factory(kind, eager=False)) as runner:
            assert runner.run(main()) == 0


def test_ctrl_c_ends_a_block_in_a_loop_without_a_runner() -> None:
    async def main() -> int:
        async with FlatOnExit(lambda: asyncio.sleep(0, FlatReport(resting=[]))) as end:
            send(signal.SIGINT)
            await asyncio.Event().wait()
        return end.exit_status

    loop = asyncio.new_event_loop()
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    assert loop.run_until_complete(main()) == 0
    loop.close()


# A host that handles the signal itself.


async def test_a_host_is_called_and_its_task_is_not_cancelled(
    fake_exchange: FakeExchange, session: AsyncSession
) -> None:
    fake_exchange.add_game(orders=2)
    called: list[int] = []
    with handled_by(lambda number, _: called.append(number)):
        async with session.flat_on_exit() as end:
            send()
            await until(lambda: not fake_exchange.open_orders())
            await asyncio.sleep(SECOND)
    assert called == [signal.SIGTERM]
    assert (end.signal, end.exit_status) == (signal.SIGTERM, 0)
    assert fake_exchange.received("cancelAllOrders") == 1
    assert cancelling() == 0


async def test_under_a_host_too_nothing_is_placed_from_the_signal_on(
    fake_exchange: FakeExchange, session: AsyncSession
) -> None:
    game = fake_exchange.add_game(orders=1)
    order = NewOrder(game.game_id, "moneyline", game.home_id, odds=-110, bet=10)
    with handled_by(lambda *_: None):
        async with session.flat_on_exit():
            send()
            await asyncio.sleep(3 * SECOND)
            assert fake_exchange.received("getUnmatched") == 1
            with pytest.raises(HaltedError):
                await session.place([order])


async def test_a_host_that_raises_ends_the_block_flat(
    fake_exchange: FakeExchange, session: AsyncSession
) -> None:
    fake_exchange.add_game(orders=2)

    def leave(*_: object) -> None:
        raise SystemExit(5)

    with handled_by(leave):
        end = session.flat_on_exit()
        with pytest.raises(SystemExit):
            async with end:
                send()
    assert (end.signal, end.exit_status) == (signal.SIGTERM, 0)


async def test_a_second_signal_under_a_host_repeats_a_flattening_that_failed(
    fake_exchange: FakeExchange, session: AsyncSession
) -> None:
    fake_exchange.add_game(orders=2)
    fake_exchange.inject(faults.Html(), times=None)
    with handled_by(lambda *_: None):
        async with session.flat_on_exit(deadline=SECOND) as end:
            send()
            await asyncio.sleep(3 * SECOND)
            fake_exchange.clear_faults()
            send()
            await until(lambda: not fake_exchange.open_orders())
    assert end.exit_status == 0


@pytest.mark.parametrize("kind", LOOPS)
def test_a_handler_on_the_loop_fires_during_the_block_and_afterwards(kind: str) -> None:
    async def main() -> list[str]:
        fired: list[str] = []
        loop = asyncio.get_running_loop()
        loop.add_signal_handler(signal.SIGTERM, fired.append, "mine")
        handler = signal.getsignal(signal.SIGTERM)
        async with (
            FakeExchange() as exchange,
            AsyncSession(exchange.token, base_url=exchange.url) as session,
        ):
            async with session.flat_on_exit() as end:
                send()
                await until(lambda: len(fired) == 1 and end.signal is not None)
            assert signal.getsignal(signal.SIGTERM) == handler
        send()
        await until(lambda: len(fired) == 2)
        loop.remove_signal_handler(signal.SIGTERM)
        return fired

    with asyncio.Runner(loop_factory=loop_factory(kind, eager=False)) as runner:
        assert runner.run(main()) == ["mine", "mine"]


# What is given back.


async def test_the_handler_is_given_back_after_an_exception(session: AsyncSession) -> None:
    with handled_by(lambda *_: None):
        before = signal.getsignal(signal.SIGTERM)
        with pytest.raises(ZeroDivisionError):
            async with session.flat_on_exit():
                raise ZeroDivisionError
        assert signal.getsignal(signal.SIGTERM) is before


async def test_the_handler_is_given_back_after_a_cancellation(session: AsyncSession) -> None:
    before = signal.getsignal(signal.SIGTERM)

    async def stand() -> None:
        async with session.flat_on_exit():
            await asyncio.Event().wait()

    task = asyncio.create_task(stand())
    await asyncio.sleep(0)
    task.cancel()
    await asyncio.wait([task])
    assert signal.getsignal(signal.SIGTERM) is before


async def test_a_handler_that_somebody_set_meanwhile_stays(session: AsyncSession) -> None:
    def theirs(*_: object) -> None:
        """Do nothing."""

    before = signal.getsignal(signal.SIGTERM)
    async with session.flat_on_exit():
        signal.signal(signal.SIGTERM, theirs)
    after = signal.signal(signal.SIGTERM, before)
    assert after is theirs


async def test_a_handler_that_is_put_back_after_the_block_acts_as_the_one_before_it(
    session: AsyncSession,
) -> None:
    called: list[int] = []
    with handled_by(lambda number, _: called.append(number)):
        async with session.flat_on_exit() as end:
            ours = signal.signal(signal.SIGTERM, signal.SIG_IGN)
        signal.signal(signal.SIGTERM, ours)
        send()
        await until(lambda: bool(called))
    assert end.signal is None


def test_a_block_whose_loop_was_closed_does_not_keep_the_signal() -> None:
    called: list[int] = []
    with handled_by(lambda number, _: called.append(number)):
        with asyncio.Runner() as runner:
            end = FlatOnExit(
                lambda: asyncio.sleep(0, FlatReport(resting=[])), signals=[signal.SIGTERM]
            )
            runner.run(end.__aenter__())
        send()
        assert called == [signal.SIGTERM]
        assert end.signal is None
        with asyncio.Runner() as runner:
            runner.run(end.__aexit__(None, None, None))


def test_a_handler_that_python_does_not_know_is_left_alone(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(signal, "getsignal", lambda _: None)
    give_back = watch([signal.SIGTERM], lambda *_: True)
    monkeypatch.undo()
    assert signal.getsignal(signal.SIGTERM) is signal.SIG_DFL
    give_back()


# Real processes.


BOT = """
import asyncio, sys
from fourcasters_async import AsyncSession

async def main():
    async with AsyncSession.from_env() as session:
        async with session.flat_on_exit() as end:
            print("ready", flush=True)
            await asyncio.Event().wait()
    return end.exit_status

if __name__ == "__main__":
"""
UNDER = {
    "asyncio": BOT + "    sys.exit(asyncio.run(main()))",
    "uvloop": BOT + "    import uvloop; sys.exit(uvloop.run(main()))",
}

LIFESPAN = """
import contextlib, sys
from fourcasters_async import AsyncSession
import uvicorn
from starlette.applications import Starlette

@contextlib.asynccontextmanager
async def lifespan(app):
    async with AsyncSession.from_env() as session:
        async with session.flat_on_exit() as end:
            print("ready", flush=True)
            yield
    print("status", end.exit_status, flush=True)

uvicorn.run(Starlette(lifespan=lifespan), host="127.0.0.1", port=0, log_level="warning", loop=LOOP)
"""

CLEANUP_CONTEXT = """
from aiohttp import web
from fourcasters_async import AsyncSession

async def exchange(app):
    async with AsyncSession.from_env() as session:
        async with session.flat_on_exit() as end:
            print("ready", flush=True)
            yield
    print("status", end.exit_status, flush=True)

app = web.Application()
app.cleanup_ctx.append(exchange)
LOOP
web.run_app(app, host="127.0.0.1", port=0, print=None, loop=loop)
"""

WORKER = """
import asyncio, multiprocessing, os, signal, sys, time
from fourcasters_async import AsyncSession

HANDLER

async def main():
    async with AsyncSession.from_env() as session:
        async with session.flat_on_exit() as end:
            here, there = os.pipe()
            def work():
                os.write(there, b"x")
                time.sleep(60)
            worker = multiprocessing.get_context("fork").Process(target=work)
            worker.start()
            await asyncio.to_thread(os.read, here, 1)
            worker.terminate()
            await asyncio.to_thread(worker.join)
            print("ready", worker.exitcode, end.signal, flush=True)
            await asyncio.Event().wait()
    return end.exit_status

sys.exit(RUN(main()))
"""


@frozen
class Bot:
    process: asyncio.subprocess.Process
    ready: list[str]

    async def end(self) -> tuple[int, str, str]:
        """Return its exit status, and what it wrote to standard output and error."""
        out, err = await self.process.communicate()
        assert self.process.returncode is not None
        return self.process.returncode, out.decode(), err.decode()


@asynccontextmanager
async def bot(exchange: FakeExchange, path: Path, program: str) -> AsyncIterator[Bot]:
    """Run a program until it says that it is ready, and end it with the block."""
    path /= "bot.py"
    path.write_text(program)
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        str(path),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        env={
            **os.environ,
            "FOURCASTERS_TOKEN": exchange.token,
            "FOURCASTERS_BASE_URL": exchange.url,
        },
    )
    try:
        assert process.stdout is not None
        words = (await process.stdout.readline()).decode().split()
        if words[:1] != ["ready"]:
            _, err = await process.communicate()
            raise AssertionError(err.decode())
        yield Bot(process, words[1:])
    finally:
        if process.returncode is None:
            process.kill()
            await process.communicate()


@pytest.mark.real_time
@pytest.mark.parametrize("number", ENDING)
@pytest.mark.parametrize("kind", LOOPS)
async def test_a_program_that_gets_signals_exits_flat(
    fake_exchange: FakeExchange, tmp_path: Path, kind: str, number: signal.Signals
) -> None:
    fake_exchange.add_game(orders=5)
    fake_exchange.latency = 0.05
    async with bot(fake_exchange, tmp_path, UNDER[kind]) as program:
        program.process.send_signal(number)
        await until(lambda: fake_exchange.received("cancelAllOrders") == 1)
        program.process.send_signal(signal.SIGTERM)
        program.process.send_signal(signal.SIGINT)
        assert await program.end() == (0, "", "")
    assert not fake_exchange.open_orders()
    assert fake_exchange.received("cancelAllOrders") == 1


@pytest.mark.real_time
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
@pytest.mark.parametrize("kind", LOOPS)
async def test_a_signal_flattens_and_uvicorn_ends_by_itself(
    fake_exchange: FakeExchange, tmp_path: Path, kind: str, number: signal.Signals
) -> None:
    fake_exchange.add_game(orders=5)
    async with bot(fake_exchange, tmp_path, LIFESPAN.replace("LOOP", repr(kind))) as program:
        program.process.send_signal(number)
        status, out, err = await program.end()
    # It gives itself the signal again, once it has shut down.
    assert (status, out) == (-number if number == signal.SIGTERM else 0, "status 0\n")
    assert "Traceback" not in err
    assert not fake_exchange.open_orders()
    assert fake_exchange.received("cancelAllOrders") == 1


@pytest.mark.real_time
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
@pytest.mark.parametrize(
    "loop", ["loop = None", "import uvloop; loop = uvloop.new_event_loop()"], ids=LOOPS
)
async def test_a_signal_flattens_and_aiohttp_ends_by_itself(
    fake_exchange: FakeExchange, tmp_path: Path, loop: str, number: signal.Signals
) -> None:
    fake_exchange.add_game(orders=5)
    async with bot(fake_exchange, tmp_path, CLEANUP_CONTEXT.replace("LOOP", loop)) as program:
        program.process.send_signal(number)
        assert await program.end() == (0, "status 0\n", "")
    assert not fake_exchange.open_orders()
    assert fake_exchange.received("cancelAllOrders") == 1


@pytest.mark.real_time
@pytest.mark.parametrize("run", ["asyncio.run", "__import__('uvloop').run"], ids=LOOPS)
@pytest.mark.parametrize(
    ("handler", "status"),
    [("", -signal.SIGTERM), ("signal.signal(signal.SIGTERM, lambda *_: os._exit(7))", 7)],
    ids=["default", "own handler"],
)
async def test_a_forked_worker_ends_by_its_own_signal_and_the_bot_goes_on(
    fake_exchange: FakeExchange, tmp_path: Path, run: str, handler: str, status: int
) -> None:
    fake_exchange.add_game(orders=5)
    program = WORKER.replace("HANDLER", handler).replace("RUN", run)
    async with bot(fake_exchange, tmp_path, program) as parent:
        assert parent.ready == [str(int(status)), "None"]
        assert fake_exchange.received("cancelAllOrders") == 0
        parent.process.send_signal(signal.SIGINT)
        assert await parent.end() == (0, "", "")
    assert not fake_exchange.open_orders()
