"""A proof from the feed and one from a read, side by side: what comes first, and what is true."""

import asyncio
import json
from collections.abc import Sequence

import pytest
from aiohttp import web
from attrs import evolve, frozen
from support import SECOND
from support import until as wait_until
from test_live_orders import following, new, resting

from fourcasters_async import ProofSource
from fourcasters_async.models import CancelReport, CancelResult, OpenOrder, UnmatchedOffer
from fourcasters_async.orders.gate import Gate
from fourcasters_async.orders.prove_games import hear
from fourcasters_async.orders.shared_reads import SharedReads
from fourcasters_async.testing import BookGame, FakeExchange, faults, feed_faults
from fourcasters_async.testing.calls import respond

# What comes first must not depend on the speed of the machine.
pytestmark = pytest.mark.virtual_time

LONG = 60 * SECOND
# More orders than those whose proof waits for the feed before it reads.
MANY = 201
FORBIDDEN = faults.Respond(b'{"data": null, "error": {"message": "no", "status": 403}}', status=403)


@pytest.fixture
def game(fake_exchange: FakeExchange) -> BookGame:
    return fake_exchange.add_game(orders=1)


@frozen
class ThenAnother(faults.Fault):
    """What was asked is done, and right after it another program places an order."""

    exchange: FakeExchange
    game: BookGame

    async def __call__(self, call: faults.Call) -> web.StreamResponse:
        answer = call.commit()
        self.exchange.book.place(self.exchange.account, self.game.game_id)
        return respond(answer)


@frozen
class SlowAndNothing(faults.Fault):
    """Nothing is done, and the answer, after some seconds, is that nothing rested."""

    seconds: float

    async def __call__(self, call: faults.Call) -> web.StreamResponse:
        del call
        await asyncio.sleep(self.seconds)
        return web.json_response({"data": []})


def seen_by(report: CancelReport) -> ProofSource | None:
    assert report.verified_clear
    return report.outcomes[0].seen_by


async def test_a_feed_that_tells_at_once_saves_the_read(
    fake_exchange: FakeExchange, game: BookGame
) -> None:
    async with following(fake_exchange) as (session, _):
        before = fake_exchange.received("getUnmatched")
        fake_exchange.feeds.user.inject(feed_faults.Late(0.005))
        assert seen_by(await session.halt([game.game_id])) is ProofSource.FEED
        assert fake_exchange.received("getUnmatched") == before


async def test_a_read_proves_it_while_the_feed_is_late(
    fake_exchange: FakeExchange, game: BookGame
) -> None:
    async with following(fake_exchange) as (session, _):
        fake_exchange.feeds.user.inject(feed_faults.Late(0.05))
        assert seen_by(await session.halt([game.game_id])) is ProofSource.READ


async def test_a_feed_that_tells_while_the_read_is_under_way_proves_it(
    fake_exchange: FakeExchange, game: BookGame
) -> None:
    async with following(fake_exchange) as (session, _):
        fake_exchange.feeds.user.inject(feed_faults.Late(SECOND / 2))
        fake_exchange.inject(faults.Slow(SECOND), endpoint="getUnmatched")
        report = await session.halt([game.game_id])
        assert seen_by(report) is ProofSource.FEED
        assert report.elapsed < SECOND


async def test_a_flatten_takes_what_comes_first_too(
    fake_exchange: FakeExchange, game: BookGame
) -> None:
    assert resting(fake_exchange), game
    async with following(fake_exchange) as (session, _):
        fake_exchange.feeds.user.inject(feed_faults.Late(SECOND / 2))
        fake_exchange.inject(faults.Slow(SECOND), endpoint="getUnmatched")
        report = await session.flatten()
        assert (report.clear, report.seen_by) == (True, ProofSource.FEED)


async def test_a_read_that_fails_leaves_the_feed_its_time(
    fake_exchange: FakeExchange, game: BookGame
) -> None:
    async with following(fake_exchange) as (session, _):
        fake_exchange.feeds.user.inject(feed_faults.Late(0.09))
        fake_exchange.inject(FORBIDDEN, endpoint="getUnmatched", times=None)
        assert seen_by(await session.halt([game.game_id])) is ProofSource.FEED


async def test_a_read_that_fails_beside_a_feed_that_tells_nothing_proves_nothing(
    fake_exchange: FakeExchange, game: BookGame
) -> None:
    async with following(fake_exchange) as (session, _):
        fake_exchange.feeds.user.inject(feed_faults.Drop())
        fake_exchange.inject(FORBIDDEN, endpoint="getUnmatched", times=None)
        report = await session.halt([game.game_id], deadline=SECOND)
        assert not report.verified_clear


async def test_a_read_that_trails_the_answers_does_not_spoil_the_proof_of_the_feed(
    fake_exchange: FakeExchange, game: BookGame
) -> None:
    async with following(fake_exchange) as (session, _):
        fake_exchange.vanish_lag = SECOND
        fake_exchange.feeds.user.inject(feed_faults.Late(0.05))
        assert seen_by(await session.halt([game.game_id])) is ProofSource.FEED
        assert not fake_exchange.received("cancelMultiple")


async def test_an_order_that_a_read_shows_and_the_feed_has_not_told_of_is_cancelled(
    fake_exchange: FakeExchange, game: BookGame
) -> None:
    async with following(fake_exchange) as (session, _):
        fake_exchange.feeds.user.inject(feed_faults.Late(0.05))
        fake_exchange.feeds.user.inject(feed_faults.Late(LONG))
        fake_exchange.inject(ThenAnother(fake_exchange, game), endpoint="cancelAllOrdersForGame")
        report = await session.halt([game.game_id])
        assert (report.verified_clear, resting(fake_exchange)) == (True, set())
        assert fake_exchange.received("cancelMultiple") == 1


async def test_a_feed_that_has_not_told_of_an_order_that_a_read_has_shown_is_no_proof_that_it_left(
    fake_exchange: FakeExchange, game: BookGame
) -> None:
    async with following(fake_exchange) as (session, _):
        fake_exchange.feeds.user.inject(feed_faults.Late(0.05))
        fake_exchange.feeds.user.inject(feed_faults.Late(LONG))
        fake_exchange.inject(ThenAnother(fake_exchange, game), endpoint="cancelAllOrdersForGame")
        fake_exchange.inject(faults.Unavailable(), endpoint="cancelMultiple", times=None)
        report = await session.halt([game.game_id], deadline=SECOND)
        shown = {order.order_id for order in report.outcomes[0].resting or ()}
        assert shown == resting(fake_exchange) != set()


async def test_a_feed_is_no_proof_either_that_such_an_order_left_on_any_game(
    fake_exchange: FakeExchange, game: BookGame
) -> None:
    async with following(fake_exchange) as (session, _):
        fake_exchange.feeds.user.inject(feed_faults.Late(0.05))
        fake_exchange.feeds.user.inject(feed_faults.Late(LONG))
        fake_exchange.inject(ThenAnother(fake_exchange, game), endpoint="cancelAllOrders")
        fake_exchange.inject(faults.Unavailable(), endpoint="cancelAllOrders", times=None)
        report = await session.flatten(deadline=SECOND)
        assert (len(report.resting or ()), len(fake_exchange.open_orders())) == (1, 1)


async def test_a_feed_is_no_proof_that_an_order_without_an_id_left(
    fake_exchange: FakeExchange, game: BookGame
) -> None:
    async with following(fake_exchange) as (session, _):
        fake_exchange.feeds.user.inject(feed_faults.Late(0.05))
        rows = {"unmatched": [{"game": {"id": game.game_id}, "type": "moneyline"}]}
        shown = faults.Respond(json.dumps({"data": rows}).encode())
        fake_exchange.inject(shown, endpoint="getUnmatched", times=None)
        report = await session.halt([game.game_id], deadline=SECOND)
        assert not report.verified_clear


async def test_a_read_proves_nothing_while_it_need_not_show_an_order_that_the_feed_has_told_of(
    fake_exchange: FakeExchange,
) -> None:
    game = fake_exchange.add_game()
    async with following(fake_exchange) as (session, _):
        fake_exchange.appear_lag = 0.04
        fake_exchange.inject(ThenAnother(fake_exchange, game), endpoint="cancelAllOrdersForGame")
        report = await session.halt([game.game_id])
        assert (report.verified_clear, resting(fake_exchange)) == (True, set())


async def test_a_cancel_that_began_before_and_is_answered_later_is_no_proof(
    fake_exchange: FakeExchange, game: BookGame
) -> None:
    (first,) = fake_exchange.open_orders()
    async with following(fake_exchange) as (session, _):
        fake_exchange.inject(faults.Slow(0.3, committed_first=True), endpoint="cancel")
        fake_exchange.inject(SlowAndNothing(0.4), endpoint="cancelAllOrdersForGame")
        fake_exchange.feeds.user.inject(feed_faults.Late(0.1))
        fake_exchange.feeds.user.inject(feed_faults.Late(LONG))
        cancelling = asyncio.create_task(session.cancel(first.order_id))
        await fake_exchange.wait_for("cancel")
        fake_exchange.book.place(fake_exchange.account, game.game_id)
        await asyncio.sleep(0.02)
        report = await session.halt([game.game_id])
        await cancelling
        assert (report.verified_clear, resting(fake_exchange)) == (True, set())


async def test_a_place_while_the_read_is_under_way_leaves_the_game_without_proof_of_it(
    fake_exchange: FakeExchange, game: BookGame
) -> None:
    async with following(fake_exchange) as (session, _):
        fake_exchange.feeds.user.inject(feed_faults.Drop(), times=None)
        fake_exchange.inject(faults.Slow(SECOND), endpoint="getUnmatched", times=None)
        proving = asyncio.create_task(
            session.cancel_all_orders_for_games([game.game_id], verify=True, deadline=4 * SECOND)
        )
        await fake_exchange.wait_for("getUnmatched", fake_exchange.received("getUnmatched") + 1)
        await session.place([new(game)])
        report = await proving
        assert report.verified_clear is not bool(resting(fake_exchange))


async def test_after_many_cancels_the_read_begins_at_once(fake_exchange: FakeExchange) -> None:
    game = fake_exchange.add_game(orders=MANY)
    async with following(fake_exchange) as (session, _):
        before = fake_exchange.received("getUnmatched")
        fake_exchange.feeds.user.inject(feed_faults.Late(0.005), times=None)
        fake_exchange.inject(faults.Slow(SECOND), endpoint="getUnmatched")
        assert seen_by(await session.halt([game.game_id])) is ProofSource.FEED
        assert fake_exchange.received("getUnmatched") == before + 1


async def test_after_many_cancels_the_read_is_proof_too(fake_exchange: FakeExchange) -> None:
    game = fake_exchange.add_game(orders=MANY)
    async with following(fake_exchange) as (session, _):
        fake_exchange.feeds.user.inject(feed_faults.Drop(), times=None)
        assert seen_by(await session.halt([game.game_id])) is ProofSource.READ


async def test_after_many_cancels_a_read_waits_for_own_places_that_are_undecided(
    fake_exchange: FakeExchange,
) -> None:
    game = fake_exchange.add_game(orders=MANY)
    fake_exchange.inject(faults.Late(SECOND), endpoint="place")
    async with following(fake_exchange) as (session, _):
        placing = asyncio.create_task(session.place([new(game)], deadline=LONG))
        await fake_exchange.wait_for("place")
        report = await session.halt([game.game_id])
        await asyncio.wait([placing])
        assert (report.verified_clear, resting(fake_exchange)) == (True, set())


async def test_there_is_never_more_than_one_read_that_nobody_wants_any_more(
    fake_exchange: FakeExchange,
) -> None:
    async with following(fake_exchange) as (session, _):
        fake_exchange.inject(faults.Stall(), endpoint="getUnmatched", times=None)
        for _ in range(3):
            game = fake_exchange.add_game(orders=1)
            fake_exchange.feeds.user.inject(feed_faults.Late(0.05))
            assert seen_by(await session.halt([game.game_id])) is ProofSource.FEED
        assert len(session._reads._running) == 1


async def test_a_caller_that_is_cancelled_during_both_leaves_neither(
    fake_exchange: FakeExchange, game: BookGame
) -> None:
    async with following(fake_exchange) as (session, _):
        fake_exchange.feeds.user.inject(feed_faults.Drop())
        before = fake_exchange.received("getUnmatched")
        fake_exchange.inject(faults.Stall(), endpoint="getUnmatched")
        halting = asyncio.create_task(session.halt([game.game_id]))
        await fake_exchange.wait_for("getUnmatched", before + 1)
        halting.cancel()
        await asyncio.wait([halting])
        assert not session._reads._waiting


class Heard:
    """A follower that keeps what it is told."""

    def __init__(self) -> None:
        self.gone_ids: list[str] = []

    def rests(self, order_id: str, game: str | None, offer: UnmatchedOffer | None) -> None:
        raise NotImplementedError

    def gone(self, order_id: str, game: str | None, *, began: float | None) -> None:
        del game, began
        self.gone_ids.append(order_id)

    def failed(self, order_id: str | None, *, may_rest: bool | None) -> None:
        raise NotImplementedError

    def owed(self, games: frozenset[str] | None, *, periods: bool) -> int:
        raise NotImplementedError

    async def shown(
        self, games: frozenset[str] | None, *, since: float, until: float, periods: bool
    ) -> list[OpenOrder] | None:
        raise NotImplementedError

    def knows(self, orders: Sequence[OpenOrder]) -> bool:
        raise NotImplementedError

    def disputes(self, orders: object, games: frozenset[str] | None, *, periods: bool) -> bool:
        raise NotImplementedError


@pytest.mark.parametrize("turns", range(5))
async def test_many_answers_are_recorded_to_the_last_also_if_the_caller_is_cancelled(
    turns: int, fake_exchange: FakeExchange, game: BookGame
) -> None:
    async with following(fake_exchange) as (session, _):
        report = await session.halt([game.game_id])
    ids = [f"X{number}" for number in range(350)]
    results = [[CancelResult(success=True, order_id=order_id)] for order_id in ids]
    gate = Gate(late_effect=SECOND, read_lag=SECOND)
    gate.follower = follower = Heard()
    hearing = asyncio.create_task(
        hear(gate, [evolve(report.outcomes[0], results=each) for each in results], since=0.0)
    )
    for _ in range(turns):
        await asyncio.sleep(0)
    hearing.cancel()
    await asyncio.wait([hearing])
    assert follower.gone_ids in ([], ids)
    assert turns == 0 or follower.gone_ids


class ShowsNothing(Heard):
    """A follower whose feed shows that nothing rests, once that is `asked`."""

    def __init__(self, asked: "asyncio.Future[None]") -> None:
        super().__init__()
        self._asked = asked

    def owed(self, games: frozenset[str] | None, *, periods: bool) -> int:
        del games, periods
        return MANY

    async def shown(
        self, games: frozenset[str] | None, *, since: float, until: float, periods: bool
    ) -> list[OpenOrder] | None:
        del games, since, until, periods
        await self._asked
        return []

    def knows(self, orders: Sequence[OpenOrder]) -> bool:
        return not orders

    def disputes(self, orders: object, games: frozenset[str] | None, *, periods: bool) -> bool:
        del orders, games, periods
        return False


async def test_of_a_read_and_a_feed_that_come_together_the_read_is_taken_that_shows_an_order() -> (
    None
):
    loop = asyncio.get_running_loop()
    order = OpenOrder(order_id="X1")
    asked: asyncio.Future[None] = loop.create_future()

    async def read(until: float) -> list[OpenOrder]:
        del until
        await asked
        return [order]

    reads = SharedReads(read, Gate(late_effect=SECOND, read_lag=SECOND))
    reads.follow(ShowsNothing(asked))
    now = loop.time()
    proving = asyncio.create_task(reads.first(None, since=now, until=now + SECOND, periods=False))
    await asyncio.sleep(SECOND / 2)
    asked.set_result(None)
    assert (await proving).orders == [order]


@pytest.mark.virtual_time
async def test_a_read_that_hangs_does_not_hold_up_those_that_come_after_it() -> None:
    loop = asyncio.get_running_loop()
    begun: list[float] = []

    async def read(until: float) -> list[OpenOrder]:
        begun.append(loop.time())
        if len(begun) == 1:
            await asyncio.sleep(until - loop.time())
        return []

    reads = SharedReads(read, Gate(late_effect=SECOND, read_lag=SECOND))
    until = loop.time() + LONG
    hangs = asyncio.create_task(reads.read(until))
    await wait_until(lambda: bool(begun))
    # They share the one that follows it, which gives it a little time.
    await asyncio.gather(*[reads.read(until) for _ in range(5)])
    assert begun[1:] == [begun[0] + 0.25]
    await asyncio.sleep(SECOND)
    asked = loop.time()
    await reads.read(until)
    assert begun[2:] == [asked]
    await hangs
    await reads.close()
