"""Ending flat: once, whatever happens meanwhile, and it is known what rests."""

import asyncio
import logging

import pytest
from support import SECOND, quote, until

from fourcasters_async import (
    AsyncSession,
    FlatOnExit,
    FlatReport,
    HaltedError,
    InvalidRequestError,
    NewOrder,
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


@pytest.mark.virtual_time
async def test_the_one_read_without_the_right_to_cancel_waits_for_a_place_in_flight(
    fake_exchange: FakeExchange, session: AsyncSession
) -> None:
    game = fake_exchange.add_game().game_id
    fake_exchange.inject(faults.Slow(2.0), endpoint="place")
    denied = faults.Respond(b'{"error": "Your account may not do this"}', status=403)
    fake_exchange.inject(denied, endpoint="cancelAllOrders")
    placing = asyncio.create_task(session.place([quote(game)]))
    await fake_exchange.wait_for("place")
    report = await session.flatten()
    assert [order.game_id for order in report.resting or ()] == [game]
    await placing


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


async def test_an_end_that_is_not_known_to_be_flat_is_an_error_in_the_log(
    fake_exchange: FakeExchange, session: AsyncSession, caplog: pytest.LogCaptureFixture
) -> None:
    game = fake_exchange.add_game(orders=2).game_id
    fake_exchange.inject(faults.Html(), endpoint="cancelAllOrders", times=None)
    fake_exchange.inject(faults.Html(), endpoint="cancelMultiple", times=None)
    async with session.flat_on_exit(deadline=2 * SECOND):
        pass
    errors = [r.getMessage() for r in caplog.records if r.levelno == logging.ERROR]
    assert len(errors) == 1
    assert errors[0].startswith("the book is not known to be flat: 0 orders cancelled")
    assert "2 orders still open when last seen" in errors[0]
    assert game in errors[0]


async def test_an_end_that_is_flat_says_nothing(
    fake_exchange: FakeExchange, session: AsyncSession, caplog: pytest.LogCaptureFixture
) -> None:
    fake_exchange.add_game(orders=2)
    async with session.flat_on_exit():
        pass
    assert not [r for r in caplog.records if r.levelno > logging.DEBUG]


@pytest.mark.parametrize("error", [ZeroDivisionError, asyncio.CancelledError, SystemExit])
async def test_what_leaves_the_block_says_that_the_book_is_not_known_to_be_flat(
    fake_exchange: FakeExchange, session: AsyncSession, error: type[BaseException]
) -> None:
    fake_exchange.inject(faults.Close(), times=None)
    with pytest.raises(error) as raised:
        async with session.flat_on_exit(deadline=2 * SECOND):
            raise error
    note = raised.value.__notes__[-1]
    assert note.startswith("fourcasters_async: the book is not known to be flat: ")
    assert "not known what rests" in note


async def test_what_leaves_a_block_that_ended_flat_is_as_it_was(session: AsyncSession) -> None:
    error = ZeroDivisionError()
    with pytest.raises(ZeroDivisionError) as raised:
        async with session.flat_on_exit():
            raise error
    assert raised.value is error
    assert not hasattr(error, "__notes__")


async def test_nothing_is_placed_once_the_block_has_begun_to_end(
    fake_exchange: FakeExchange, session: AsyncSession
) -> None:
    game = fake_exchange.add_game(orders=1)
    order = NewOrder(game.game_id, "moneyline", game.home_id, odds=-110, bet=10)
    async with session.flat_on_exit():
        pass
    with pytest.raises(HaltedError):
        await session.place([order])


async def test_a_flattening_that_fails_for_a_mistake_gives_everything_back(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async def flatten() -> FlatReport:
        raise ZeroDivisionError

    end = FlatOnExit(flatten)
    with pytest.raises(ZeroDivisionError) as raised:
        async with end:
            pass
    assert end.exit_status == 3
    assert raised.value.__notes__ == [
        "fourcasters_async: the book is not known to be flat: not known what rests"
    ]
    assert "not known what rests" in caplog.text


@pytest.mark.parametrize("endpoint", ["cancelAllOrders", "getUnmatched"])
async def test_one_request_that_stalls_leaves_time_for_another(
    fake_exchange: FakeExchange, endpoint: str
) -> None:
    fake_exchange.add_game(orders=2)
    fake_exchange.inject(faults.Stall(), endpoint=endpoint)
    async with AsyncSession(fake_exchange.token, base_url=fake_exchange.url) as session:
        report = await session.flatten(deadline=4)
    assert report.clear


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


def test_a_loop_that_ends_lets_a_block_end_flat() -> None:
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
