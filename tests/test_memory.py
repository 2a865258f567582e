"""A bot runs for weeks: what is remembered of what has happened has a limit."""

import asyncio
import gc
import weakref
from collections.abc import Callable, Iterable
from types import BuiltinFunctionType, FunctionType, ModuleType
from typing import Any

import pytest
from price_server import GAME, HOME, book, order, price_server, session_at, update
from support import until

from fourcasters_async import (
    FeedOrder,
    Game,
    MatchedFill,
    OpenOrder,
    OrderCancelled,
    OrderFilled,
    OrderPlaced,
    OutcomeUnknownError,
)
from fourcasters_async.feeds.ledger import Ledger
from fourcasters_async.feeds.messages import Message
from fourcasters_async.feeds.news import News
from fourcasters_async.feeds.order_book import KeptBook
from fourcasters_async.feeds.replay import Timeline
from fourcasters_async.feeds.stream import Streams
from fourcasters_async.feeds.subscriptions import Subscriptions, Topics
from fourcasters_async.models import OrderBook, OrderUpdate
from fourcasters_async.orders.acknowledged import Acknowledged
from fourcasters_async.orders.changes import Changes
from fourcasters_async.orders.gate import Gate
from fourcasters_async.orders.periods import Periods
from fourcasters_async.orders.tickets import OwnOrder

_LIMIT = 10
# More than enough to reach the limit, and as many once more.
_FIRST, _THEN = range(5 * _LIMIT), range(5 * _LIMIT, 20 * _LIMIT)
_SHARED = (type, ModuleType, FunctionType, BuiltinFunctionType)


def held_by(thing: object) -> int:
    """Return how many objects a thing keeps alive, by itself or with others."""
    seen: dict[int, object] = {}
    left = [thing]
    while left:
        for each in gc.get_referents(left.pop()):
            if id(each) not in seen and not isinstance(each, _SHARED):
                seen[id(each)] = each
                left.append(each)
    return len(seen)


def assert_bounded(thing: object, use: Callable[[int], object]) -> None:
    """Use a thing until its limit is reached, and three times as often: it holds no more then."""
    for number in _FIRST:
        use(number)
    before = held_by(thing)
    for number in _THEN:
        use(number)
    # A few numbers are objects that are there anyway.
    assert held_by(thing) <= before * 1.1


def test_what_holds_more_with_each_use_is_seen_to() -> None:
    kept: list[float] = []
    with pytest.raises(AssertionError):
        assert_bounded(kept, lambda number: kept.append(number + 0.5))


# The user feed.


def test_messages_and_fills_that_were_told_are_forgotten_in_the_end(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("fourcasters_async.feeds.replay._REMEMBERED", _LIMIT)
    timeline = Timeline(None)

    def tell(number: int) -> None:
        fill = MatchedFill(tx_id=f"t{number}")
        told = OrderFilled(message_id=f"1-{number}", game_id="g", fill=fill)
        assert timeline.take(Message((1, number), (told,)))

    assert_bounded(timeline, tell)


# Live orders.


@pytest.fixture
def ledger(monkeypatch: pytest.MonkeyPatch) -> Ledger:
    monkeypatch.setattr("fourcasters_async.feeds.ledger._REMEMBERED", _LIMIT)
    monkeypatch.setattr("fourcasters_async.feeds.owed._REMEMBERED", _LIMIT)
    return Ledger(read_lag=1.0)


def placed(number: int) -> OrderPlaced:
    told = FeedOrder(order_id=f"o{number}", offered=100.0, filled=0.0, remaining=100.0)
    return OrderPlaced(message_id=f"1-{number}", game_id=f"g{number}", order=told)


def cancelled(number: int) -> OrderCancelled:
    told = FeedOrder(order_id=f"o{number}", offered=0.0, filled=0.0, remaining=0.0)
    return OrderCancelled(message_id=f"2-{number}", game_id=f"g{number}", order=told)


def resting(number: int, parent: int | None = None) -> OpenOrder:
    game = Game(game_id=f"g{number}", parent_game_id=None if parent is None else f"p{parent}")
    return OpenOrder(order_id=f"o{number}", offered=100.0, remaining=100.0, game=game)


def told_and_cancelled(ledger: Ledger, number: int) -> None:
    ledger.apply(placed(number), number)
    ledger.apply(cancelled(number), number)


def answered_and_told(ledger: Ledger, number: int) -> None:
    ledger.rests(resting(number), number)
    ledger.apply(placed(number), number)
    ledger.gone(f"o{number}", f"g{number}", number, began=number)
    ledger.apply(cancelled(number), number)


def cancelled_unseen(ledger: Ledger, number: int) -> None:
    ledger.gone(f"o{number}", f"g{number}", number, began=None)


def answered_and_never_told(ledger: Ledger, number: int) -> None:
    ledger.rests(resting(number), number)
    ledger.gone(f"o{number}", f"g{number}", number, began=number)
    ledger.owed.forgive(before=number)


def seen_by_reads_alone(ledger: Ledger, number: int) -> None:
    now = 10.0 * number
    ledger.read([resting(number)], began=now, now=now, complete=True)
    ledger.owed.forgive(before=now)


@pytest.mark.parametrize(
    "live",
    [
        told_and_cancelled,
        answered_and_told,
        cancelled_unseen,
        answered_and_never_told,
        seen_by_reads_alone,
    ],
)
def test_orders_that_are_gone_are_forgotten_in_the_end(
    ledger: Ledger, live: Callable[[Ledger, int], None]
) -> None:
    assert_bounded(ledger, lambda number: live(ledger, number))


def test_the_orders_that_closed_last_are_not_opened_by_a_late_answer(ledger: Ledger) -> None:
    for number in _FIRST:
        told_and_cancelled(ledger, number)
    for number in _FIRST[-_LIMIT:]:
        assert ledger.rests(resting(number), 1000.0) is None
    assert len(ledger) == 0


async def test_a_consumer_that_is_dropped_costs_nothing() -> None:
    streams: Streams[int] = Streams()

    def open_one_and_drop_it(number: int) -> None:
        streams.open()
        streams.put(number)

    assert_bounded(streams, open_one_and_drop_it)


async def test_waits_that_were_given_up_leave_nothing() -> None:
    news = News()
    for _ in _FIRST:
        await news.wait(0.0)
    assert held_by(news) <= held_by(News())


# Prices.


def line(number: float, *, epoch: int = 1) -> OrderUpdate:
    """Return an update that says that nothing rests on a line."""
    return OrderUpdate(
        game_id="g", epoch=epoch, type="spread", participant_id="p", spread=number, side_orders=[]
    )


def test_a_book_has_few_lines_on_which_nothing_rests(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("fourcasters_async.feeds.order_book._REMEMBERED", _LIMIT)
    kept = KeptBook("g")
    kept.read(OrderBook(game_id="g"), 0, 0.0)

    def name(number: int) -> None:
        kept.update(line(number + 0.5), 0.0)
        if kept.full:
            kept.restart(epochs=True)

    assert_bounded(kept, name)


async def test_a_book_that_was_told_of_too_many_lines_is_read_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("fourcasters_async.feeds.order_book._REMEMBERED", _LIMIT)
    async with price_server() as server:
        server.books[GAME] = book(order("read"))
        async with session_at(server) as session, session.price_feed() as feed:
            live = feed.order_book(GAME, stale_after=1000)
            await live.wait_until_current()
            server.books[GAME] = book(order("again"))
            for epoch in range(_LIMIT + 1):
                await server.push("orderUpdate", update(epoch, type="spread", spread=epoch + 0.5))
            await until(lambda: not live.current)
            await live.wait_until_current()
            assert [each.order_id for each in live.orders("moneyline", HOME)] == ["again"]


async def test_nothing_is_left_of_books_whose_games_are_unsubscribed() -> None:
    given_up: list[weakref.ref[Any]] = []
    async with (
        price_server() as server,
        session_at(server) as session,
        session.price_feed(games=[]) as feed,
    ):
        for number in range(5):
            game_id = f"{number:024x}"
            server.books[game_id] = book(order("read"), game_id=game_id)
            live = feed.order_book(game_id, stale_after=1000)
            reading = asyncio.all_tasks()
            await live.wait_until_current()
            await feed.unsubscribe(games=[game_id])
            given_up += [weakref.ref(live), *map(weakref.ref, reading)]
        del live, reading
        await until(lambda: not alive(given_up) - asyncio.all_tasks())


def alive(things: Iterable["weakref.ref[Any]"]) -> set[object]:
    gc.collect()
    return {each() for each in things} - {None}


def test_games_that_are_unsubscribed_are_not_asked_for_any_more() -> None:
    subscriptions = Subscriptions()
    subscriptions.add(Topics(), replace=True)

    def come_and_go(number: int) -> None:
        topics = Topics.of([f"g{number}"])
        subscriptions.add(topics, replace=False)
        subscriptions.keep(f"g{number}")
        subscriptions.give_up(f"g{number}")
        subscriptions.remove(topics)

    assert_bounded(subscriptions, come_and_go)


# Own orders.


@pytest.fixture
def gate(monkeypatch: pytest.MonkeyPatch) -> Gate:
    monkeypatch.setattr("fourcasters_async.orders.tickets._REMEMBERED", _LIMIT)
    return Gate(late_effect=120.0, read_lag=1.0)


def place(gate: Gate, number: int, error: Exception | None = None) -> None:
    ticket = gate.admit([OwnOrder(f"g{number}", f"r{number}")])
    ticket.leave()
    gate.decide(ticket, error)


async def test_orders_that_were_answered_are_forgotten_in_the_end(gate: Gate) -> None:
    def place_and_cancel(number: int) -> None:
        place(gate, number)
        gate.acknowledge(f"o{number}", f"g{number}")
        gate.forget([f"o{number}"])

    assert_bounded(gate, place_and_cancel)


@pytest.mark.virtual_time
async def test_what_nobody_asks_about_is_undecided_only_while_it_can_take_effect(
    gate: Gate,
) -> None:
    for number in range(100):
        place(gate, number, OutcomeUnknownError("the answer was lost"))
        await asyncio.sleep(10.0)
    assert len(gate.tickets) == 13


async def test_a_change_that_is_forgotten_may_have_been_on_any_game(gate: Gate) -> None:
    before = gate.mark()
    for number in _FIRST:
        place(gate, number)
    assert gate.changed_since(before) > {None, f"g{_FIRST[-1]}"}


async def test_what_is_forgotten_of_before_a_mark_makes_no_game_doubtful(gate: Gate) -> None:
    for number in _FIRST:
        place(gate, number)
    mark = gate.mark()
    place(gate, 0)
    assert gate.changed_since(mark) == {"g0"}


def test_a_game_with_many_changes_is_forgotten_last(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("fourcasters_async.orders.tickets._REMEMBERED", _LIMIT)
    changes = Changes()
    for number in _FIRST:
        changes.note(["busy", f"g{number}"])
    assert "busy" in changes.since(changes.count - 1)


async def test_a_halt_that_is_resumed_leaves_nothing(gate: Gate) -> None:
    def halt_and_resume(number: int) -> None:
        gate.halt([f"g{number}"], periods=True)
        gate.resume([f"g{number}"])

    assert_bounded(gate, halt_and_resume)


def test_what_a_read_shows_by_now_is_not_remembered_as_just_acknowledged() -> None:
    acknowledged = Acknowledged(read_lag=1.0)
    assert_bounded(acknowledged, lambda now: acknowledged.add(f"o{now}", f"g{now}", float(now)))


def test_the_periods_of_games_that_are_over_are_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("fourcasters_async.orders.tickets._REMEMBERED", _LIMIT)
    periods = Periods()
    assert_bounded(periods, lambda number: list(periods.learn([resting(number, parent=number)])))
    assert periods.and_their_games(["p0"]) == {"p0"}


def test_a_period_that_every_read_shows_is_not_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("fourcasters_async.orders.tickets._REMEMBERED", _LIMIT)
    periods = Periods()
    new = [
        named
        for number in range(1, 5 * _LIMIT)
        for named in periods.learn([resting(0, parent=0), resting(number, parent=number)])
    ]
    assert new.count(("p0", "g0")) == 1
    assert periods.and_their_games(["p0"]) == {"p0", "g0"}
