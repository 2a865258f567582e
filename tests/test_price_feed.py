"""The price feed: its events, its subscriptions, a slow consumer, and its end."""

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from typing import Any

import pytest
from price_server import (
    AWAY,
    GAME,
    HOME,
    OTHER,
    Json,
    PriceServer,
    book,
    order,
    price_server,
    session_at,
    update,
)
from support import own_tasks, until

from fourcasters_async import (
    AuthenticationError,
    ForbiddenError,
    FourcastersError,
    GameUpdate,
    Gap,
    InvalidRequestError,
    Lagged,
    MarketType,
    MatchedVolumeUpdate,
    OrderUpdate,
    PriceFeed,
    SessionClosedError,
)
from fourcasters_async._websocket.feed_connection import FeedConnection
from fourcasters_async.models import PriceEvent


@pytest.fixture
async def server() -> AsyncIterator[PriceServer]:
    async with price_server() as server:
        yield server


@pytest.fixture
async def feed(server: PriceServer) -> AsyncIterator[PriceFeed]:
    async with session_at(server) as session, session.price_feed() as feed:
        await server.connected()
        yield aiter(feed)


def matched(volume: float, game_id: str = GAME) -> Json:
    return {"gameID": game_id, "matchedVolume": volume}


async def next_of(feed: PriceFeed) -> PriceEvent:
    async with asyncio.timeout(30):
        return await anext(feed)


async def test_an_order_update_is_a_side_with_all_that_is_said_of_it(
    server: PriceServer, feed: PriceFeed
) -> None:
    await server.push(
        "orderUpdate",
        update(
            7,
            order("a", createdBy="me"),
            order("b", -105),
            type="spread",
            spread="-3.5",
            parentGameID=OTHER,
        ),
    )
    event = await next_of(feed)
    assert isinstance(event, OrderUpdate)
    assert (event.epoch, event.game_id, event.parent_game_id) == (7, GAME, OTHER)
    assert (event.type, event.participant_id, event.spread) == (MarketType.SPREAD, HOME, -3.5)
    assert (event.main_home_spread, event.main_away_spread, event.main_total) == (-3.5, 3.5, 220.5)
    assert [(each.order_id, each.own) for each in event.side_orders] == [("a", True), ("b", False)]


@pytest.mark.parametrize(
    ("said", "has"),
    [
        ({"type": "moneyline"}, {"participant_id": HOME}),
        ({"type": "spread", "spread": -3.5}, {"participant_id": HOME, "spread": -3.5}),
        ({"type": "total", "OU": "over", "total": 220.5}, {"over_under": "over", "total": 220.5}),
        (
            {"type": "moneyline1x2", "participantID": "", "market": AWAY, "side": "yes"},
            {"market": AWAY, "side": "yes"},
        ),
    ],
    ids=lambda value: str(value.get("type", "")) if isinstance(value, dict) else None,
)
async def test_an_order_has_what_only_its_update_says_of_its_side(
    server: PriceServer, feed: PriceFeed, said: Json, has: Json
) -> None:
    bare = order("a")
    del bare["type"]
    await server.push("orderUpdate", update(1, bare, **said))
    event = await next_of(feed)
    assert isinstance(event, OrderUpdate)
    (one,) = event.side_orders
    assert {name: getattr(one, name) for name in has} == has
    assert (one.type, one.game_id) == (said["type"], GAME)


@pytest.mark.parametrize("nested", [False, True])
@pytest.mark.parametrize("by_number", [False, True])
async def test_a_game_update_has_the_whole_book_in_any_form(
    server: PriceServer, feed: PriceFeed, nested: bool, by_number: bool
) -> None:
    spread = order("b", type="spread", participantID=HOME)
    spreads: Any = {"-3.5": [spread]} if by_number else [{**spread, "spread": -3.5}]
    game = book(order("a"), homeSpreads=spreads)
    payload = {"messageType": "marketOpen", **({"game": game} if nested else game)}
    await server.push("gameUpdate", payload)
    event = await next_of(feed)
    assert isinstance(event, GameUpdate)
    assert (event.message_type, event.game_id) == ("marketOpen", GAME)
    assert [each.order_id for each in event.game.home_moneylines] == ["a"]
    assert [each.spread for each in event.game.home_spreads] == [-3.5]


async def test_a_message_of_an_unknown_type_is_passed_over(
    server: PriceServer, feed: PriceFeed
) -> None:
    for text in ("[]", "{}", "7", '["news", {}]', '["order\\n", {}]', '[7, {"gameID": "x"}]'):
        await server.push_text(text)
    await server.push("matchedVolumeUpdate", matched(5))
    assert await next_of(feed) == MatchedVolumeUpdate(game_id=GAME, matched_volume=5.0)


async def test_a_type_is_known_in_any_spelling_of_json(
    server: PriceServer, feed: PriceFeed
) -> None:
    await server.push_text(' [ "matched\\u0056olumeUpdate" , {"gameID": "x"} ] ')
    assert await next_of(feed) == MatchedVolumeUpdate(game_id="x")


async def test_a_message_type_of_a_game_update_may_be_any_text(
    server: PriceServer, feed: PriceFeed
) -> None:
    await server.push("gameUpdate", {"messageType": "marketPaused", **book()})
    event = await next_of(feed)
    assert isinstance(event, GameUpdate)
    assert event.message_type == "marketPaused"


@pytest.mark.parametrize(
    "odd",
    [
        {"league": 5},
        {"live": "yes"},
        {"mainTotal": {}},
        {"epoch": "soon"},
        {"sport": []},
        {"parentGameID": 5},
    ],
    ids=str,
)
async def test_an_odd_field_that_only_informs_costs_itself_alone(
    server: PriceServer, feed: PriceFeed, odd: Json
) -> None:
    names = {"mainTotal": "main_total", "parentGameID": "parent_game_id"}
    await server.push("orderUpdate", {**update(1, order("a")), **odd})
    event = await next_of(feed)
    assert isinstance(event, OrderUpdate)
    (name,) = odd
    assert getattr(event, names.get(name, name)) is None
    assert [each.order_id for each in event.side_orders] == ["a"]


@pytest.mark.parametrize(
    "odd",
    [{"odds": "even"}, {"createdAt": "today"}, {"sumUntaken": []}, {"takenRatio": True}],
    ids=str,
)
async def test_an_odd_field_of_an_order_costs_itself_alone(
    server: PriceServer, feed: PriceFeed, odd: Json
) -> None:
    await server.push("orderUpdate", update(1, order("a", **odd), order("b")))
    event = await next_of(feed)
    assert isinstance(event, OrderUpdate)
    assert [each.order_id for each in event.side_orders] == ["a", "b"]
    assert event.side_orders[0].bet == 100.0


@pytest.mark.parametrize(
    "text",
    [
        "SSH-2.0-nonsense",
        '["ord',
        '["orderUpdate", {"epoch": 1',
        '["orderUpdate", 5]',
        '["orderUpdate", {}]',
        '["orderUpdate", {"gameID": "x"}]',
        '["orderUpdate", {"gameID": "x", "sideOrders": [5]}]',
        '["orderUpdate", {"gameID": 5, "sideOrders": []}]',
        '["gameUpdate", {"messageType": "marketOpen"}]',
        '["matchedVolumeUpdate", {"matchedVolume": 5}]',
    ],
)
async def test_a_gap_stands_in_the_place_of_what_cannot_be_read(
    server: PriceServer, feed: PriceFeed, text: str
) -> None:
    await server.push_text(text)
    await server.push("matchedVolumeUpdate", matched(5))
    assert isinstance(await next_of(feed), Gap)
    assert isinstance(await next_of(feed), MatchedVolumeUpdate)


NOTHING: Json = {"gameIDs": [], "leagueIDs": [], "sportIDs": []}


def subscribe(*, replace: bool, **topics: Any) -> Json:
    return {"type": "subscribe", **NOTHING, **topics, "replace": replace}


@pytest.mark.parametrize(
    ("named", "commands"),
    [
        ({}, []),
        ({"games": [GAME]}, [subscribe(gameIDs=[GAME], replace=True)]),
        ({"leagues": ["nba"]}, [subscribe(leagueIDs=["nba"], replace=True)]),
        ({"sports": ["Soccer"]}, [subscribe(sportIDs=["Soccer"], replace=True)]),
        ({"games": []}, [subscribe(replace=True)]),
    ],
    ids=str,
)
async def test_what_a_feed_is_opened_for_is_asked_for(
    server: PriceServer, named: dict[str, Any], commands: list[Json]
) -> None:
    async with session_at(server) as session, session.price_feed(**named) as feed:
        await feed.subscribe_all()
        await until(lambda: len(server.commands) > len(commands))
    assert server.commands == [*commands, {"type": "subscribeAll"}]


Command = Callable[[PriceFeed], Awaitable[None]]


@pytest.mark.parametrize(
    ("say", "said", "restored"),
    [
        (
            lambda feed: feed.subscribe(leagues=["NFL"]),
            subscribe(leagueIDs=["NFL"], replace=False),
            subscribe(gameIDs=[GAME], leagueIDs=["nba", "NFL"], replace=True),
        ),
        (
            lambda feed: feed.subscribe(sports=["golf"], replace=True),
            subscribe(sportIDs=["golf"], replace=True),
            subscribe(sportIDs=["golf"], replace=True),
        ),
        (
            lambda feed: feed.subscribe(replace=True),
            subscribe(replace=True),
            subscribe(replace=True),
        ),
        (
            lambda feed: feed.subscribe(),
            None,
            subscribe(gameIDs=[GAME], leagueIDs=["nba"], replace=True),
        ),
        (
            lambda feed: feed.unsubscribe(leagues=["NBA"]),
            {"type": "unsubscribe", **NOTHING, "leagueIDs": ["NBA"]},
            subscribe(gameIDs=[GAME], replace=True),
        ),
        (
            lambda feed: feed.unsubscribe(),
            None,
            subscribe(gameIDs=[GAME], leagueIDs=["nba"], replace=True),
        ),
        (lambda feed: feed.subscribe_all(), {"type": "subscribeAll"}, {"type": "subscribeAll"}),
    ],
    ids=[
        "add",
        "replace",
        "replace by nothing",
        "add nothing",
        "take away in another case",
        "take nothing away",
        "all",
    ],
)
async def test_a_command_is_sent_and_what_it_comes_to_is_said_again_on_the_next_connection(
    server: PriceServer, say: Command, said: Json | None, restored: Json
) -> None:
    async with (
        session_at(server) as session,
        session.price_feed(games=[GAME], leagues=["nba"]) as feed,
    ):
        await until(lambda: len(server.commands) == 1)
        await say(feed)
        expected = [] if said is None else [said]
        await until(lambda: len(server.commands) == 1 + len(expected))
        await server.drop()
        await until(lambda: len(server.commands) == 2 + len(expected))
    assert server.commands[1:] == [*expected, restored]


@pytest.mark.parametrize("commanded", [False, True])
async def test_to_subscribe_while_everything_is_sent_narrows_it_to_what_is_named(
    server: PriceServer, commanded: bool
) -> None:
    async with session_at(server) as session, session.price_feed() as feed:
        if commanded:
            await feed.subscribe_all()
        await feed.unsubscribe(games=[GAME])
        await feed.subscribe(games=[GAME])
        await until(lambda: len(server.commands) == 1 + commanded)
    assert server.commands[-1] == subscribe(gameIDs=[GAME], replace=True)


async def test_a_reconnection_is_a_gap_before_anything_of_the_new_connection(
    server: PriceServer,
) -> None:
    async with session_at(server) as session, session.price_feed(games=[GAME]) as feed:
        await server.connected()
        events = aiter(feed)
        # What is sent before the subscription may be of any game.
        server.greeting = [update(2, order("b"))]
        await server.push("orderUpdate", update(1, order("a")))
        assert isinstance(await next_of(events), OrderUpdate)
        await server.drop()
        await until(lambda: len(server.commands) == 2)
        await server.push("matchedVolumeUpdate", matched(5))
        assert isinstance(await next_of(events), Gap)
        event = await next_of(events)
        if isinstance(event, OrderUpdate):
            event = await next_of(events)
        assert isinstance(event, MatchedVolumeUpdate)


async def test_subscriptions_that_are_changed_without_a_connection_are_said_on_the_next(
    server: PriceServer, feed: PriceFeed
) -> None:
    server.refusal = 503
    await server.drop()
    await until(lambda: not feed.connected)
    await feed.subscribe(games=[GAME])
    await feed.subscribe(games=[OTHER])
    server.refusal = None
    await until(lambda: bool(server.commands))
    assert server.commands == [subscribe(gameIDs=[GAME, OTHER], replace=True)]


async def test_a_slow_consumer_is_told_how_much_was_forgotten(server: PriceServer) -> None:
    async with session_at(server) as session, session.price_feed(keep=10) as feed:
        await server.connected()
        events = aiter(feed)
        live = feed.order_book(GAME)
        server.books[GAME] = book()
        for number in range(100):
            await server.push("orderUpdate", update(number, order(str(number))))
        await until(lambda: [each.order_id for each in live.orders("moneyline", HOME)] == ["99"])
        assert await next_of(events) == Lagged(dropped=90)
        kept = [await next_of(events) for _ in range(10)]
    assert [each.epoch for each in kept if isinstance(each, OrderUpdate)] == list(range(90, 100))


async def test_what_came_before_anybody_iterated_is_not_kept(server: PriceServer) -> None:
    async with session_at(server) as session, session.price_feed() as feed:
        await server.connected()
        server.books[GAME] = book()
        live = feed.order_book(GAME)
        await live.wait_until_current()
        await server.push("orderUpdate", update(1, order("a")))
        await until(lambda: bool(live.orders("moneyline", HOME)))
        events = aiter(feed)
        await server.push("matchedVolumeUpdate", matched(5))
        assert isinstance(await next_of(events), MatchedVolumeUpdate)


@pytest.mark.parametrize(("status", "error"), [(401, AuthenticationError), (403, FourcastersError)])
async def test_a_first_connection_that_is_refused_raises_on_entering(
    server: PriceServer, status: int, error: type[Exception]
) -> None:
    server.refusal = status
    before = asyncio.all_tasks()
    async with session_at(server) as session:
        with pytest.raises(error):
            async with session.price_feed():
                pass
        await until(lambda: not own_tasks(before))


@pytest.mark.parametrize(("status", "error"), [(401, AuthenticationError), (403, ForbiddenError)])
async def test_a_token_that_is_refused_later_ends_the_iteration_and_the_books(
    server: PriceServer, feed: PriceFeed, status: int, error: type[Exception]
) -> None:
    server.books[GAME] = book()
    live = feed.order_book(GAME)
    await live.wait_until_current()
    server.refusal = status
    await server.drop()
    with pytest.raises(error):
        await next_of(feed)
    assert not live.current
    for call in (live.wait_until_current, feed.subscribe_all):
        with pytest.raises(error):
            await call()


@pytest.mark.parametrize("status", [404, 429, 500, 503])
async def test_a_connection_is_tried_again_after_every_other_failure(
    server: PriceServer, feed: PriceFeed, status: int
) -> None:
    server.refusal = status
    await server.drop()
    await until(lambda: server.refused == (1 if status == 429 else 3))
    server.refusal = None
    assert isinstance(await next_of(feed), Gap)


@pytest.mark.virtual_time
@pytest.mark.parametrize(("down", "warned"), [(4, 0), (60, 1)])
async def test_a_connection_that_is_not_back_is_warned_of_once(
    server: PriceServer, feed: PriceFeed, caplog: pytest.LogCaptureFixture, down: int, warned: int
) -> None:
    server.refusal = 503
    # The exchange asks for a pause: its address is not asked thousands of times.
    server.retry_after = 1
    await server.drop()
    await asyncio.sleep(down)
    server.refusal = None
    await server.connected()
    await asyncio.sleep(10)
    warnings = [each.message for each in caplog.records if each.levelno == logging.WARNING]
    assert len(warnings) == warned
    assert all("the price feed is not live for 5 s" in each for each in warnings)


async def closed_by_leaving(stack: AsyncExitStack, inner: AsyncExitStack) -> None:
    await inner.aclose()


async def closed_with_its_session(stack: AsyncExitStack, inner: AsyncExitStack) -> None:
    session: Any = stack.session  # type: ignore[attr-defined]  # set below
    await session.close()


@pytest.mark.parametrize("close", [closed_by_leaving, closed_with_its_session])
async def test_what_waits_for_a_feed_that_is_closed_is_told(
    server: PriceServer, close: Callable[[AsyncExitStack, AsyncExitStack], Awaitable[None]]
) -> None:
    before = asyncio.all_tasks()
    async with AsyncExitStack() as stack, AsyncExitStack() as inner:
        session = await stack.enter_async_context(session_at(server))
        stack.session = session  # type: ignore[attr-defined]  # read above
        feed = await inner.enter_async_context(session.price_feed())
        server.may_read.clear()
        waiting = [
            asyncio.create_task(next_of(aiter(feed))),
            asyncio.create_task(feed.order_book(GAME).wait_until_current()),
        ]
        await until(lambda: bool(server.reads))
        await close(stack, inner)
        for each in waiting:
            with pytest.raises(SessionClosedError):
                await each
        with pytest.raises(SessionClosedError):
            await feed.subscribe_all()
        server.may_read.set()
    await until(lambda: not own_tasks(before))


async def test_a_program_that_cancels_all_of_its_tasks_still_gets_its_events_and_books(
    server: PriceServer, caplog: pytest.LogCaptureFixture
) -> None:
    before = asyncio.all_tasks()
    async with session_at(server) as session, session.price_feed([GAME]) as feed:
        await server.connected()
        server.books[GAME] = book()
        live, events = feed.order_book(GAME), aiter(feed)
        await live.wait_until_current()
        for times in range(2, 4):
            for task in own_tasks(before):
                task.cancel()
            assert isinstance(await next_of(events), Gap)
            await server.connected(times)
            await server.commanded(times)
            await live.wait_until_current()
            await server.push("orderUpdate", update(times, order(f"order {times}")))
            await next_of(events)
            assert live.orders("moneyline", HOME)[0].order_id == f"order {times}"
    assert not [each for each in caplog.records if each.levelno >= logging.WARNING]
    await until(lambda: not own_tasks(before))


@pytest.mark.parametrize("name", ["_keep_subscribed", "_read_until_complete"])
async def test_a_single_task_that_somebody_cancels_is_begun_again(
    server: PriceServer, name: str
) -> None:
    before = asyncio.all_tasks()
    async with session_at(server) as session, session.price_feed() as feed:
        await server.connected()
        server.books[GAME] = book()
        server.may_read.clear()
        live = feed.order_book(GAME)
        await until(lambda: bool(server.reads))
        cancelled = [task for task in own_tasks(before) if name in repr(task.get_coro())]
        assert len(cancelled) == 1
        cancelled[0].cancel()
        server.may_read.set()
        async with asyncio.timeout(30):
            await live.wait_until_current()
        await server.drop()
        await server.connected()
        await live.wait_until_current()
        assert feed.connected


async def test_a_connection_whose_subscriptions_were_not_sent_is_made_anew(
    server: PriceServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = asyncio.all_tasks()
    send, sending = FeedConnection.send, asyncio.Event()

    async def stuck(connection: FeedConnection, frame: bytes) -> None:
        sending.set()
        await asyncio.Event().wait()

    async with session_at(server) as session, session.price_feed([GAME]) as feed:
        await server.commanded(1)
        monkeypatch.setattr(FeedConnection, "send", stuck)
        await server.drop()
        await sending.wait()
        monkeypatch.setattr(FeedConnection, "send", send)
        for task in own_tasks(before):
            if "_keep_subscribed" in repr(task.get_coro()):
                task.cancel()
        await server.commanded(2)
        assert feed.connected


async def test_a_feed_whose_own_task_fails_ends_and_says_so(
    server: PriceServer, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    async with session_at(server) as session, session.price_feed() as feed:
        server.books[GAME] = book()
        live = feed.order_book(GAME)
        await live.wait_until_current()
        monkeypatch.setattr(PriceFeed, "_lay", None)
        await server.drop()
        with pytest.raises(SessionClosedError, match="failed: TypeError"):
            await next_of(aiter(feed))
        assert not live.current
    assert [each.levelno for each in caplog.records if each.levelno >= logging.ERROR] == [40]


async def test_a_feed_is_entered_once(server: PriceServer, feed: PriceFeed) -> None:
    with pytest.raises(InvalidRequestError, match="entered before"):
        await feed.__aenter__()


async def test_a_feed_that_is_not_open_says_how_it_is_opened(server: PriceServer) -> None:
    async with session_at(server) as session:
        feed = session.price_feed()
        calls: list[Callable[[], object]] = [lambda: aiter(feed), lambda: feed.order_book(GAME)]
        for call in calls:
            with pytest.raises(InvalidRequestError, match="async with"):
                call()
        with pytest.raises(InvalidRequestError, match="async with"):
            await feed.subscribe_all()


BAD_ARGUMENTS: dict[str, list[dict[str, Any]]] = {
    "games": [{"games": GAME}, {"games": [5]}, {"games": [""]}],
    "leagues": [{"leagues": "NBA"}, {"leagues": [None]}],
    "sports": [{"sports": "golf"}, {"sports": ["a/b"]}],
    "replace": [{"replace": 1}, {"replace": "no"}],
}


@pytest.mark.parametrize("name", BAD_ARGUMENTS)
async def test_a_bad_argument_of_a_command_is_refused_by_its_name(
    server: PriceServer, feed: PriceFeed, name: str
) -> None:
    for arguments in BAD_ARGUMENTS[name]:
        with pytest.raises(InvalidRequestError, match=name):
            await feed.subscribe(**arguments)
    assert not server.commands


@pytest.mark.parametrize(
    ("name", "value"),
    [("stale_after", 0), ("stale_after", "5"), ("on_stale", 5), ("game_id", "a/b")],
)
async def test_a_bad_argument_of_a_book_is_refused_by_its_name(
    feed: PriceFeed, name: str, value: Any
) -> None:
    arguments = {"game_id": GAME, name: value}
    with pytest.raises(InvalidRequestError, match=name):
        feed.order_book(**arguments)
