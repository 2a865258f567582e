"""The account's own orders at every moment, against the sandbox and its feed's faults."""

import asyncio
import json
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from aiohttp import web
from attrs import field, frozen
from support import QUICK, SECOND, Transport, until

from fourcasters_async import (
    AsyncSession,
    AuthenticationError,
    ChangeSource,
    ConflictError,
    InvalidRequestError,
    LiveOrders,
    MarketType,
    NewOrder,
    NotFoundError,
    OrderChange,
    OrderFilled,
    OutcomeUnknownError,
    ProofSource,
    RetryPolicy,
    SessionClosedError,
)
from fourcasters_async.feeds.stream import Stream
from fourcasters_async.feeds.upkeep import ECHO
from fourcasters_async.orders.verbs import Orders
from fourcasters_async.testing import BookGame, BookOrder, FakeExchange, faults, feed_faults
from fourcasters_async.testing.placing import place as place_in

# The clock of most loops here jumps: seconds of waiting cost nothing.
LONG = 60 * SECOND


@pytest.fixture
def game(fake_exchange: FakeExchange) -> BookGame:
    return fake_exchange.add_game()


@frozen
class NotCancelled(faults.Fault):
    """Nothing is done, and the answer is that the order was not cancelled."""

    order: BookOrder
    more: dict[str, object] = field(factory=dict)

    async def __call__(self, call: faults.Call) -> web.StreamResponse:  # noqa: ARG002  # as every fault
        row = {
            "sessionID": self.order.order_id,
            "success": False,
            "reason": "System error",
            "userReference": self.order.user_reference,
            **self.more,
        }
        return web.json_response({"data": [row]})


def session_of(
    exchange: FakeExchange, *, read_lag: float = 0.05, retry: RetryPolicy = QUICK
) -> AsyncSession:
    return AsyncSession(
        exchange.token,
        base_url=exchange.url,
        orders_url=exchange.orders_url,
        streaming_url=exchange.streaming_url,
        retry=retry,
        read_lag=read_lag,
    )


@asynccontextmanager
async def following(
    exchange: FakeExchange, *, audit: float = LONG
) -> AsyncIterator[tuple[AsyncSession, LiveOrders]]:
    """Give a session and its live orders once they are current."""
    async with session_of(exchange) as session, session.live_orders(audit=audit) as orders:
        assert await orders.wait_until_current()
        yield session, orders


def new(game: BookGame, **terms: object) -> NewOrder:
    options = {"odds": -110, "bet": 50.0, "user_reference": "mine", **terms}
    return NewOrder(game.game_id, MarketType.MONEYLINE, game.home_id, **options)  # type: ignore[arg-type]  # as written above


def take(exchange: FakeExchange, game: BookGame, bet: float) -> None:
    """Let somebody else take what rests on the home side."""
    fields = {"type": "moneyline", "side": game.away_id, "odds": 110, "bet": bet}
    place_in(exchange.book, "another", game.game_id, fields)


def held(orders: LiveOrders) -> set[str | None]:
    return {order.order_id for order in orders.orders}


def resting(exchange: FakeExchange) -> set[str | None]:
    return {order.order_id for order in exchange.open_orders()}


async def test_what_rests_at_the_start_is_held_when_it_is_entered(
    fake_exchange: FakeExchange, game: BookGame
) -> None:
    fake_exchange.add_game(orders=3)
    async with session_of(fake_exchange) as session, session.live_orders() as orders:
        assert held(orders) == resting(fake_exchange)
        assert (len(orders), orders.current) == (3, False)
        assert orders.doubt is not None
        assert orders.not_current_since is not None


async def test_it_is_current_once_a_read_cannot_have_missed_what_the_feed_did_not_tell(
    fake_exchange: FakeExchange,
) -> None:
    async with following(fake_exchange) as (_, orders):
        assert (orders.doubt, orders.not_current_since) == (None, None)


async def test_what_the_first_read_still_shows_and_the_next_one_does_not_is_decided_by_another(
    fake_exchange: FakeExchange,
) -> None:
    fake_exchange.add_game(orders=1)
    fake_exchange.move_clock(LONG)
    # Each read is answered so late that the second one begins a moment too early.
    fake_exchange.latency = 0.1 * SECOND
    fake_exchange.vanish_lag = 0.49 * SECOND
    fake_exchange.book.cancel(*fake_exchange.open_orders())
    async with (
        session_of(fake_exchange, read_lag=0.5 * SECOND) as session,
        session.live_orders() as orders,
    ):
        assert len(orders) == 1
        assert await orders.wait_until_current()
        assert held(orders) == set()


async def test_an_order_of_another_session_comes_by_the_feed(
    fake_exchange: FakeExchange, game: BookGame
) -> None:
    async with following(fake_exchange) as (_, orders), session_of(fake_exchange) as another:
        changes = aiter(orders)
        await another.place([new(game)])
        change = await anext(changes)
        assert isinstance(change, OrderChange)
        assert (change.opened, change.source) == (True, ChangeSource.FEED)
        assert orders.on_game(game.game_id) == orders.by_reference("mine") == [change.order]
        assert (change.order.participant_id, change.order.odds) == (game.home_id, -110)


async def test_an_order_without_a_reference_is_the_same_whoever_tells_of_it(
    fake_exchange: FakeExchange, game: BookGame
) -> None:
    fake_exchange.book.place(fake_exchange.account, game.game_id)
    async with following(fake_exchange) as (session, orders):
        changes = aiter(orders)
        fake_exchange.book.place(fake_exchange.account, game.game_id)
        await anext(changes)
        assert [each.user_reference for each in orders.orders] == [None, None]
        read = await session.account.get_unmatched()
        assert [each.user_reference for each in read] == [None, None]


async def test_an_own_order_is_held_as_soon_as_its_place_is_answered(
    fake_exchange: FakeExchange, game: BookGame
) -> None:
    fake_exchange.feeds.user.inject(feed_faults.Drop(), times=None)
    async with following(fake_exchange) as (session, orders):
        (placed,) = await session.place([new(game)])
        assert placed.order_id is not None
        order = orders.get(placed.order_id)
        assert order is not None
        assert (order.remaining, order.game_id, order.odds) == (50.0, game.game_id, -110)


async def test_a_fill_comes_once_and_leaves_what_is_left(
    fake_exchange: FakeExchange, game: BookGame
) -> None:
    async with following(fake_exchange) as (session, orders):
        fills = orders.fills()
        await session.place([new(game, bet=110.0)])
        take(fake_exchange, game, 40.0)
        fill = await anext(fills)
        assert isinstance(fill, OrderFilled)
        assert (fill.maker, fill.fill.risk) == (True, 44.0)
        (order,) = orders.orders
        assert order.remaining == pytest.approx(66.0)
        take(fake_exchange, game, 60.0)
        await anext(fills)
        assert len(orders) == 0


async def test_an_order_that_was_filled_as_it_came_is_not_held_when_a_cancel_names_it(
    fake_exchange: FakeExchange, game: BookGame
) -> None:
    fake_exchange.book.place("another", game.game_id, side=game.away_id, offered=200.0)
    fake_exchange.inject(faults.Close(committed=True), endpoint="place")
    async with following(fake_exchange) as (session, orders):
        with pytest.raises(OutcomeUnknownError):
            await session.place([new(game, odds=110, user_reference=None)])
        (filled,) = fake_exchange.book.orders_of(fake_exchange.account)
        (result,) = await session.cancel_multiple([filled.order_id])
        assert (result.success, result.remaining) == (False, 0.0)
        assert held(orders) == set()


@pytest.mark.parametrize("more", [{}, {"remaining": 0}, {"reason": "order not found"}], ids=str)
async def test_an_order_that_a_failed_cancel_shows_is_held_though_its_place_ended_unknown(
    fake_exchange: FakeExchange, game: BookGame, more: dict[str, object]
) -> None:
    fake_exchange.inject(faults.Close(committed=True), endpoint="place")
    async with following(fake_exchange) as (session, orders):
        fake_exchange.feeds.user.inject(feed_faults.Drop())
        with pytest.raises(OutcomeUnknownError):
            await session.place([new(game, user_reference=None)])
        (order,) = fake_exchange.open_orders()
        fake_exchange.inject(NotCancelled(order, more), endpoint="cancelMultiple")
        await session.cancel_multiple([order.order_id])
        assert held(orders) == {order.order_id}


@frozen
class FailedRow(faults.Fault):
    """Nothing is done, and the answer is one row that failed, as both transports write it."""

    text: str
    order_id: str | None
    more: dict[str, object] = field(factory=dict)

    async def __call__(self, call: faults.Call) -> web.StreamResponse:
        ids = (
            {} if self.order_id is None else {"sessionID": self.order_id, "orderID": self.order_id}
        )
        row = {"success": False, "reason": self.text, "description": self.text, **ids, **self.more}
        return web.Response(body=call.addressed(json.dumps({"data": [row]}).encode()))


async def failing(
    orders: Orders, exchange: FakeExchange, transport: Transport, row: FailedRow
) -> None:
    """Have a cancel of a whole game end in one row that failed."""
    game = exchange.add_game()
    exchange.inject(row, endpoint=transport.game)
    (result,) = await orders.cancel_all_orders_for_game(game.game_id)
    assert not result.success


UNKNOWN = "f" * 24


@pytest.mark.parametrize("order_id", [UNKNOWN, None], ids=["an id", "no id"])
@pytest.mark.parametrize("text", ["System error", "in play delay", "Order is partially filled"])
async def test_a_failed_cancel_of_an_order_that_is_not_known_is_a_doubt_until_it_was_read(
    fake_exchange: FakeExchange, transport: Transport, text: str, order_id: str | None
) -> None:
    async with (
        following(fake_exchange) as (session, orders),
        transport.open(session) as verbs,
    ):
        reads = fake_exchange.received("getUnmatched")
        await failing(verbs, fake_exchange, transport, FailedRow(text, order_id))
        assert orders.doubt == "a cancel has failed of an order that is not known here"
        assert await orders.wait_until_current()
        assert fake_exchange.received("getUnmatched") > reads
        assert len(orders) == 0


NOT_RESTING = [
    "Order already cancelled",
    "Order already filled",
    "order already graded",
    "order is expired",
    "Not your order",
    "unauthorized: order does not belong to user",
]


@pytest.mark.parametrize("text", NOT_RESTING)
async def test_a_failed_cancel_that_says_that_the_order_does_not_rest_is_no_doubt(
    fake_exchange: FakeExchange, transport: Transport, text: str
) -> None:
    async with (
        following(fake_exchange) as (session, orders),
        transport.open(session) as verbs,
    ):
        await failing(verbs, fake_exchange, transport, FailedRow(text, UNKNOWN))
        assert orders.current


UNPROVED = [("order not found", {}), ("System error", {"remaining": 0})]


@pytest.mark.parametrize(("text", "more"), UNPROVED)
async def test_a_failed_cancel_that_only_says_that_an_order_does_not_rest_is_a_doubt_until_read(
    fake_exchange: FakeExchange,
    transport: Transport,
    game: BookGame,
    text: str,
    more: dict[str, object],
) -> None:
    async with (
        following(fake_exchange) as (session, orders),
        transport.open(session) as verbs,
    ):
        fake_exchange.feeds.user.inject(feed_faults.Drop())
        order = fake_exchange.book.place(fake_exchange.account, game.game_id)
        await failing(verbs, fake_exchange, transport, FailedRow(text, order.order_id, more))
        assert not orders.current
        assert await orders.wait_until_current()
        assert held(orders) == {order.order_id}


@pytest.mark.parametrize(("text", "more"), UNPROVED)
async def test_a_failed_cancel_that_names_no_order_and_says_that_none_rests_is_no_doubt(
    fake_exchange: FakeExchange, transport: Transport, text: str, more: dict[str, object]
) -> None:
    async with (
        following(fake_exchange) as (session, orders),
        transport.open(session) as verbs,
    ):
        await failing(verbs, fake_exchange, transport, FailedRow(text, None, more))
        assert orders.current


class NotInItsCache(faults.Fault):
    """The Orders WebSocket's service does not know the order."""

    async def __call__(self, call: faults.Call) -> web.StreamResponse:
        return web.Response(body=call.addressed(b'{"error": "order not found"}'))


async def test_an_order_that_the_socket_calls_not_found_is_read_though_the_feed_has_not_told(
    fake_exchange: FakeExchange, game: BookGame
) -> None:
    async with (
        following(fake_exchange) as (session, orders),
        session.orders_socket() as verbs,
    ):
        fake_exchange.feeds.user.inject(feed_faults.Drop())
        order = fake_exchange.book.place(fake_exchange.account, game.game_id)
        fake_exchange.inject(NotInItsCache(), endpoint="cancelById")
        with pytest.raises(NotFoundError):
            await verbs.cancel(order.order_id)
        assert not orders.current
        assert await orders.wait_until_current()
        assert held(orders) == {order.order_id}


async def test_a_cancel_of_an_order_that_has_left_costs_no_read(
    fake_exchange: FakeExchange, transport: Transport, game: BookGame
) -> None:
    async with (
        following(fake_exchange) as (session, orders),
        transport.open(session) as verbs,
    ):
        order = fake_exchange.book.place(fake_exchange.account, game.game_id)
        await until(lambda: len(orders) == 1)
        fake_exchange.book.fill(order.order_id, order.offered)
        await until(lambda: len(orders) == 0)
        reads = fake_exchange.received("getUnmatched")
        row = FailedRow("order not found", order.order_id, {"remaining": 0})
        await failing(verbs, fake_exchange, transport, row)
        assert orders.current
        assert fake_exchange.received("getUnmatched") == reads


async def test_a_failed_cancel_of_an_order_that_is_held_is_no_doubt(
    fake_exchange: FakeExchange, transport: Transport, game: BookGame
) -> None:
    order = fake_exchange.book.place(fake_exchange.account, game.game_id)
    async with (
        following(fake_exchange) as (session, orders),
        transport.open(session) as verbs,
    ):
        await failing(verbs, fake_exchange, transport, FailedRow("System error", order.order_id))
        assert orders.current
        assert held(orders) == {order.order_id}


async def test_a_held_order_that_a_failed_cancel_calls_filled_is_a_doubt_until_the_feed_tells(
    fake_exchange: FakeExchange, transport: Transport, game: BookGame
) -> None:
    order = fake_exchange.book.place(fake_exchange.account, game.game_id)
    async with (
        following(fake_exchange) as (session, orders),
        transport.open(session) as verbs,
    ):
        fake_exchange.feeds.user.inject(feed_faults.Drop())
        fake_exchange.book.fill(order.order_id, order.offered)
        row = FailedRow("Order already filled", order.order_id)
        await failing(verbs, fake_exchange, transport, row)
        doubts = orders.doubts()
        assert await next_doubt(doubts) is None
        assert await next_doubt(doubts) is not None
        assert await orders.wait_until_current()
        assert len(orders) == 0


async def test_an_order_that_no_feed_and_no_read_has_shown_is_found_by_its_failed_cancel(
    fake_exchange: FakeExchange, transport: Transport, game: BookGame
) -> None:
    async with (
        following(fake_exchange) as (session, orders),
        transport.open(session) as verbs,
    ):
        fake_exchange.feeds.user.inject(feed_faults.Drop())
        order = fake_exchange.book.place(fake_exchange.account, game.game_id)
        assert orders.current
        await failing(verbs, fake_exchange, transport, FailedRow("System error", order.order_id))
        assert not orders.current
        assert await orders.wait_until_current()
        assert held(orders) == {order.order_id}


@frozen
class CancelsOneOfTwo(faults.Fault):
    """One order is cancelled, and the other one is said to rest."""

    cancelled: BookOrder
    other: BookOrder

    async def __call__(self, call: faults.Call) -> web.StreamResponse:  # noqa: ARG002  # as every fault
        rows = [
            {"success": True, "sessionID": self.cancelled.order_id},
            {"success": False, "sessionID": self.other.order_id, "reason": "System error"},
        ]
        return web.json_response({"data": rows})


async def test_a_failed_row_of_an_order_that_is_not_known_leaves_the_proof_to_a_read(
    fake_exchange: FakeExchange, game: BookGame
) -> None:
    async with following(fake_exchange) as (session, _):
        known = fake_exchange.book.place(fake_exchange.account, game.game_id)
        await asyncio.sleep(0.01)
        fake_exchange.feeds.user.inject(feed_faults.Drop())
        unknown = fake_exchange.book.place(fake_exchange.account, game.game_id)
        fake_exchange.book.cancel(known)
        fault = CancelsOneOfTwo(known, unknown)
        fake_exchange.inject(fault, endpoint="cancelAllOrdersForGame")
        report = await session.halt([game.game_id])
        assert report.verified_clear
        assert report.outcomes[0].seen_by is ProofSource.READ
    assert not fake_exchange.open_orders()


@pytest.mark.parametrize(
    ("status", "text", "doubtful"),
    [
        (409, "Order is in play delay", True),
        (409, "Order already filled", False),
        (404, "no", True),
    ],
)
async def test_the_refusal_of_a_single_cancel_is_as_a_row_that_failed(
    fake_exchange: FakeExchange, status: int, text: str, doubtful: bool
) -> None:
    async with following(fake_exchange) as (session, orders):
        body = json.dumps({"error": {"message": text, "code": status}}).encode()
        fake_exchange.inject(faults.Respond(body, status), endpoint="cancel")
        with pytest.raises(ConflictError if status == 409 else NotFoundError):
            await session.cancel(UNKNOWN)
        assert orders.current is not doubtful
        assert await orders.wait_until_current()


async def test_an_order_that_expires_leaves(fake_exchange: FakeExchange, game: BookGame) -> None:
    async with following(fake_exchange) as (session, orders):
        await session.place([new(game, expiration_minutes=5)])
        assert len(orders) == 1
        fake_exchange.move_clock(301.0)
        assert await orders.wait_until_clear()


async def test_waiting_for_clear_waits_for_the_named_games_alone(
    fake_exchange: FakeExchange, game: BookGame
) -> None:
    other = fake_exchange.add_game(orders=1)
    async with following(fake_exchange) as (session, orders):
        await session.place([new(game)])
        assert not await orders.wait_until_clear([game.game_id], deadline=0.2)
        await session.cancel_all_orders_for_game(game.game_id)
        assert await orders.wait_until_clear([game.game_id])
        assert not await orders.wait_until_clear([game.game_id, other.game_id], deadline=0.2)


@pytest.mark.virtual_time
async def test_a_halt_takes_its_proof_from_the_feed_and_reads_nothing(
    fake_exchange: FakeExchange,
) -> None:
    games = [fake_exchange.add_game(orders=3).game_id for _ in range(5)]
    async with following(fake_exchange) as (session, _):
        before = fake_exchange.received("getUnmatched")
        report = await session.halt(games)
        assert report.verified_clear
        assert {outcome.seen_by for outcome in report.outcomes} == {ProofSource.FEED}
        assert fake_exchange.received("getUnmatched") == before
    assert not fake_exchange.open_orders()


@pytest.mark.virtual_time
async def test_a_flatten_takes_its_proof_from_the_feed(fake_exchange: FakeExchange) -> None:
    fake_exchange.add_game(orders=5)
    async with following(fake_exchange) as (session, _):
        before = fake_exchange.received("getUnmatched")
        report = await session.flatten()
        assert (report.clear, report.seen_by) == (True, ProofSource.FEED)
        assert fake_exchange.received("getUnmatched") == before


@pytest.mark.virtual_time
async def test_over_the_orders_socket_too_the_proof_comes_from_the_feed(
    fake_exchange: FakeExchange,
) -> None:
    games = [fake_exchange.add_game(orders=3).game_id for _ in range(5)]
    async with following(fake_exchange) as (session, _), session.orders_socket() as socket:
        report = await socket.cancel_all_orders_for_games(games, verify=True)
        assert report.verified_clear
        assert {outcome.seen_by for outcome in report.outcomes} == {ProofSource.FEED}


async def test_a_cancel_that_ended_unknown_is_proved_by_a_read(
    fake_exchange: FakeExchange,
) -> None:
    game = fake_exchange.add_game(orders=3)
    fake_exchange.inject(
        faults.Close(committed=True), endpoint="cancelAllOrdersForGame", times=None
    )
    async with following(fake_exchange) as (session, _):
        report = await session.cancel_all_orders_for_games(
            [game.game_id], deadline=SECOND, verify=True
        )
        assert (report.verified_clear, len(report.unknown)) == (True, 1)
        assert report.outcomes[0].seen_by is ProofSource.READ


async def test_a_game_on_which_nothing_rested_is_read(fake_exchange: FakeExchange) -> None:
    games = [fake_exchange.add_game(orders=n).game_id for n in (2, 0)]
    async with following(fake_exchange) as (session, _):
        report = await session.halt(games)
        assert report.verified_clear
        assert {outcome.seen_by for outcome in report.outcomes} == {ProofSource.READ}


@pytest.mark.parametrize(
    "fault",
    [feed_faults.Mute(), feed_faults.HalfOpen(), feed_faults.Drop()],
    ids=["mute", "half open", "drop"],
)
async def test_a_feed_that_does_not_tell_of_the_cancels_proves_nothing_and_a_read_does(
    fake_exchange: FakeExchange, fault: feed_faults.FeedFault
) -> None:
    game = fake_exchange.add_game(orders=3)
    async with following(fake_exchange) as (session, _):
        fake_exchange.feeds.user.inject(fault, times=None)
        report = await session.halt([game.game_id])
        assert report.verified_clear
        assert report.outcomes[0].seen_by is ProofSource.READ


async def test_one_cancel_that_the_feed_did_not_tell_of_is_enough_to_read(
    fake_exchange: FakeExchange,
) -> None:
    game = fake_exchange.add_game(orders=3)
    async with following(fake_exchange) as (session, _):
        fake_exchange.feeds.user.inject(feed_faults.Drop(), after=1)
        report = await session.halt([game.game_id])
        assert report.verified_clear
        assert report.outcomes[0].seen_by is ProofSource.READ


async def test_a_feed_that_owes_word_of_an_own_order_is_asked_again_and_is_current_after(
    fake_exchange: FakeExchange, game: BookGame, caplog: pytest.LogCaptureFixture
) -> None:
    async with following(fake_exchange) as (session, orders):
        await session.place([new(game, user_reference="first")])
        fake_exchange.feeds.user.inject(feed_faults.Drop())
        with caplog.at_level(logging.WARNING, "fourcasters_async"):
            await session.place([new(game)])
            await until(lambda: not orders.current)
            await until(lambda: "has not told of 1 own orders" in caplog.text)
        assert await orders.wait_until_current()
        assert fake_exchange.received("messages")


async def test_the_fill_of_an_order_that_the_feed_lost_is_told_by_an_audit_and_wins(
    fake_exchange: FakeExchange, game: BookGame, caplog: pytest.LogCaptureFixture
) -> None:
    async with following(fake_exchange, audit=SECOND) as (session, orders):
        await session.place([new(game, bet=110.0)])
        changes = aiter(orders)
        fake_exchange.feeds.user.inject(feed_faults.Drop())
        take(fake_exchange, game, 40.0)
        with caplog.at_level(logging.WARNING, "fourcasters_async"):
            change = await anext(changes)
        assert isinstance(change, OrderChange)
        assert (change.disagreement, change.source) == (True, ChangeSource.READ)
        assert change.order.remaining == pytest.approx(66.0)
        assert "disagrees about order" in caplog.text


async def test_a_gap_is_read_over_and_it_is_not_current_before(
    fake_exchange: FakeExchange, game: BookGame
) -> None:
    async with following(fake_exchange) as (_, orders):
        await until(lambda: len(fake_exchange.feeds.user) == 1)
        order = fake_exchange.book.place(fake_exchange.account, game.game_id)
        await until(lambda: len(orders) == 1)
        fake_exchange.inject(feed_faults.CacheExpired(keep=0), endpoint="messages")
        with_gap: list[str | None] = []
        fake_exchange.feeds.drop(None, endpoint="user")
        fake_exchange.book.cancel(order)
        await until(lambda: orders.doubt is not None and "gap" in orders.doubt)
        with_gap.append(orders.doubt)
        assert await orders.wait_until_current()
        assert len(orders) == 0


async def test_while_the_feed_is_down_it_is_not_current_and_says_since_when(
    fake_exchange: FakeExchange, game: BookGame
) -> None:
    fake_exchange.add_game(orders=2)
    async with following(fake_exchange) as (session, orders):
        fake_exchange.inject(faults.Unavailable(), endpoint="user", times=None)
        fake_exchange.feeds.drop(None, endpoint="user")
        await until(lambda: not orders.current)
        assert orders.not_current_since is not None
        assert len(orders) == 2
        report = await session.halt([game.game_id])
        assert report.outcomes[0].seen_by is ProofSource.READ
        fake_exchange.clear_faults()
        assert await orders.wait_until_current(deadline=LONG)


@pytest.mark.virtual_time
async def test_what_a_feed_that_stays_down_owes_is_given_up_with_each_audit(
    fake_exchange: FakeExchange, game: BookGame
) -> None:
    pauses = RetryPolicy(backoff_base=100.0, backoff_cap=100.0)
    async with session_of(fake_exchange, retry=pauses) as session, session.live_orders() as orders:
        fake_exchange.inject(faults.Unavailable(), endpoint="user", times=None)
        fake_exchange.feeds.drop(None, endpoint="user")
        await until(lambda: not orders.current)
        for _ in range(10):
            await session.place([new(game)])
            await asyncio.sleep(60.0)
            owed_since = orders._ledger.owed.since()
            assert owed_since is None or owed_since > asyncio.get_running_loop().time() - 70.0
        assert not orders.current
        assert len(orders) == 10


async def test_what_happened_while_the_feed_was_down_is_told_without_another_read(
    fake_exchange: FakeExchange, game: BookGame
) -> None:
    async with following(fake_exchange) as (_, orders):
        fake_exchange.book.place(fake_exchange.account, game.game_id)
        await until(lambda: len(orders) == 1)
        before = fake_exchange.received("getUnmatched")
        fake_exchange.feeds.drop(None, endpoint="user")
        fake_exchange.book.place(fake_exchange.account, game.game_id)
        await until(lambda: len(orders) == 2)
        assert await orders.wait_until_current()
        assert fake_exchange.received("getUnmatched") == before


async def test_a_message_that_cannot_be_read_is_a_gap(
    fake_exchange: FakeExchange, game: BookGame
) -> None:
    async with following(fake_exchange) as (_, orders):
        broken = feed_faults.Altered({"unmatched": {"orderID": 5}})
        fake_exchange.feeds.user.inject(broken)
        fake_exchange.book.place(fake_exchange.account, game.game_id)
        await until(lambda: not orders.current)
        assert await orders.wait_until_current()
        assert held(orders) == resting(fake_exchange)


async def test_a_session_has_one_of_them_at_a_time(fake_exchange: FakeExchange) -> None:
    async with following(fake_exchange) as (session, _):
        with pytest.raises(InvalidRequestError, match="has live orders already"):
            async with session.live_orders():
                pass
    async with session_of(fake_exchange) as session:
        for _ in range(2):
            async with session.live_orders() as orders:
                assert len(orders) == 0


async def test_a_feed_that_refuses_the_token_is_told_when_it_is_entered(
    fake_exchange: FakeExchange,
) -> None:
    fake_exchange.revoke(fake_exchange.token)
    async with session_of(fake_exchange) as session:
        with pytest.raises(AuthenticationError):
            async with session.live_orders():
                pass
        # It follows nothing, so another one can be made.
        with pytest.raises(AuthenticationError):
            async with session.live_orders():
                pass


async def test_a_read_that_fails_at_the_start_is_told_and_nothing_stays_open(
    fake_exchange: FakeExchange,
) -> None:
    fake_exchange.inject(faults.Unavailable(), endpoint="getUnmatched", times=None)
    async with session_of(fake_exchange) as session:
        with pytest.raises(Exception, match="503"):
            async with session.live_orders():
                pass
        await until(lambda: len(fake_exchange.feeds) == 0)


async def test_reads_that_fail_are_made_again_until_it_is_current(
    fake_exchange: FakeExchange,
) -> None:
    async with session_of(fake_exchange) as session, session.live_orders() as orders:
        fake_exchange.inject(faults.Garbage(), endpoint="getUnmatched", times=9)
        assert await orders.wait_until_current(deadline=LONG)


async def test_afterwards_the_changes_end_with_the_reason(
    fake_exchange: FakeExchange,
) -> None:
    async with following(fake_exchange) as (_, orders):
        changes, fills = aiter(orders), orders.fills()
    for stream in (changes, fills, aiter(orders)):
        with pytest.raises(SessionClosedError):
            await anext(stream)
    assert not orders.current


async def test_a_program_that_cancels_all_of_its_tasks_still_follows_its_orders(
    fake_exchange: FakeExchange, game: BookGame
) -> None:
    async with following(fake_exchange, audit=SECOND) as (_, orders):
        for task in asyncio.all_tasks():
            if task is not asyncio.current_task() and "live_orders" in repr(task):
                task.cancel()
        await asyncio.sleep(0)
        fake_exchange.feeds.user.inject(feed_faults.Drop())
        fake_exchange.book.place(fake_exchange.account, game.game_id)
        await until(lambda: len(orders) == 1)


async def test_a_slow_consumer_is_told_how_much_it_missed(
    fake_exchange: FakeExchange, game: BookGame, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("fourcasters_async.feeds.stream._KEEP", 2)
    async with following(fake_exchange) as (_, orders):
        changes = aiter(orders)
        for _ in range(5):
            fake_exchange.book.place(fake_exchange.account, game.game_id)
        await until(lambda: len(orders) == 5)
        assert getattr(await anext(changes), "dropped", None) == 3
        assert isinstance(await anext(changes), OrderChange)


async def next_doubt(doubts: Stream[str | None]) -> object:
    async with asyncio.timeout(LONG):
        return await anext(doubts)


async def test_each_doubt_is_told_as_it_comes_and_when_it_is_gone(
    fake_exchange: FakeExchange,
) -> None:
    async with session_of(fake_exchange) as session, session.live_orders() as orders:
        doubts = orders.doubts()
        assert await next_doubt(doubts) == "the open orders were not read yet"
        assert await next_doubt(doubts) is None
        assert orders.current
        async with fake_exchange.refusing():
            assert await next_doubt(doubts) == "the feed is down"
            assert not orders.current
        assert str(await next_doubt(doubts)).startswith("the feed has a gap")
        assert await next_doubt(doubts) is None
        another = orders.doubts()
        assert await next_doubt(another) is None
    for ended in (doubts, another):
        assert "is closed" in str(await next_doubt(ended))
        with pytest.raises(SessionClosedError):
            await next_doubt(ended)
    with pytest.raises(SessionClosedError):
        await next_doubt(orders.doubts())


@pytest.mark.parametrize(
    "fault",
    [faults.Unauthorized(), faults.Unavailable(), faults.Close(), faults.Html(), faults.Stall()],
    ids=repr,
)
async def test_what_cannot_be_read_for_two_audits_is_not_current_until_it_can_be(
    fake_exchange: FakeExchange, fault: faults.Fault
) -> None:
    clock = asyncio.get_running_loop().time
    async with following(fake_exchange, audit=20 * SECOND) as (_, orders):
        doubts, began = orders.doubts(), clock()
        assert await next_doubt(doubts) is None
        fake_exchange.inject(fault, endpoint="getUnmatched", times=None)
        assert "could not be read for" in str(await next_doubt(doubts))
        # The last read began a moment before.
        assert 38 * SECOND < clock() - began <= 40 * SECOND
        assert not orders.current
        assert not await orders.wait_until_clear(deadline=SECOND)
        fake_exchange.clear_faults()
        assert await next_doubt(doubts) is None
        assert orders.current


async def test_what_cannot_be_read_for_two_audits_is_no_proof(fake_exchange: FakeExchange) -> None:
    game = fake_exchange.add_game(orders=2)
    async with following(fake_exchange, audit=20 * SECOND) as (session, orders):
        doubts = orders.doubts()
        assert await next_doubt(doubts) is None
        fake_exchange.inject(faults.Unavailable(), endpoint="getUnmatched", times=None)
        assert await next_doubt(doubts) is not None
        report = await session.halt([game.game_id], deadline=2 * SECOND)
        assert not report.verified_clear
        fake_exchange.clear_faults()
        report = await session.halt([game.game_id])
        assert report.verified_clear


async def test_one_read_that_fails_leaves_it_current(fake_exchange: FakeExchange) -> None:
    async with following(fake_exchange, audit=20 * SECOND) as (_, orders):
        doubts, before = orders.doubts(), fake_exchange.received("getUnmatched")
        assert await next_doubt(doubts) is None
        fake_exchange.inject(faults.Unavailable(), endpoint="getUnmatched", times=3)
        await fake_exchange.wait_for("getUnmatched", before + 5, timeout=100 * SECOND)
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(SECOND):
                await anext(doubts)


async def test_word_that_the_feed_owes_is_a_doubt_at_its_time(
    fake_exchange: FakeExchange, game: BookGame
) -> None:
    clock = asyncio.get_running_loop().time
    async with following(fake_exchange) as (session, orders):
        doubts = orders.doubts()
        assert await next_doubt(doubts) is None
        fake_exchange.feeds.user.inject(feed_faults.Drop())
        placed = clock()
        await session.place([new(game)])
        assert await next_doubt(doubts) is not None
        assert clock() - placed == pytest.approx(ECHO, abs=0.1)
