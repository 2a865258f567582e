"""The user feed on the wire: connections, replays, and what becomes of the events between them."""

import asyncio
import logging
from collections.abc import AsyncIterator

import pytest
from aiohttp import web
from attrs import evolve
from feed_server import (
    TOKEN,
    FeedServer,
    answering,
    cancelled,
    feed_server,
    ids,
    maker,
    message,
    message_id,
    placed,
    refusal,
    replaying,
    take,
    taker,
)
from support import QUICK, until

from fourcasters_async import (
    AsyncSession,
    AuthenticationError,
    CursorFile,
    ForbiddenError,
    Gap,
    InvalidRequestError,
    Lagged,
    NotSentError,
    OrderCancelled,
    OrderFilled,
    OrderPlaced,
    RateLimitedError,
    SessionClosedError,
)


@pytest.fixture
async def server() -> AsyncIterator[FeedServer]:
    async with feed_server() as server:
        yield server


@pytest.fixture
async def session(server: FeedServer) -> AsyncIterator[AsyncSession]:
    async with AsyncSession(TOKEN, streaming_url=server.url, retry=QUICK) as session:
        yield session


async def test_events_come_typed_and_in_order(server: FeedServer, session: AsyncSession) -> None:
    async with session.user_feed() as feed:
        await server.push(placed(1), maker(2), taker(3), cancelled(4))
        events = await take(feed, 4)
    assert [type(each) for each in events] == [
        OrderPlaced,
        OrderFilled,
        OrderFilled,
        OrderCancelled,
    ]
    assert ids(events) == [message_id(each) for each in range(1, 5)]


async def test_a_feed_without_a_cursor_begins_now(
    server: FeedServer, session: AsyncSession
) -> None:
    server.kept = [message(1)]
    async with session.user_feed() as feed:
        await server.push(message(2))
        assert ids(await take(feed, 1)) == [message_id(2)]
    assert server.asked == []


async def test_a_feed_with_a_cursor_begins_after_it(
    server: FeedServer, session: AsyncSession
) -> None:
    server.kept = [message(each) for each in range(1, 5)]
    async with session.user_feed(cursor=message_id(2)) as feed:
        assert ids(await take(feed, 2)) == [message_id(3), message_id(4)]
        await until(lambda: feed.live)
    assert server.asked == [message_id(2), message_id(4)]


async def test_the_handshake_has_the_bare_token_and_the_replay_a_bearer(
    server: FeedServer, session: AsyncSession
) -> None:
    async with session.user_feed(cursor=message_id(1)) as feed:
        await until(lambda: feed.live)
    assert server.tokens == [TOKEN, f"Bearer {TOKEN}"]


async def test_what_was_missed_between_two_connections_is_replayed(
    server: FeedServer, session: AsyncSession
) -> None:
    async with session.user_feed() as feed:
        await server.tell(message(1))
        assert ids(await take(feed, 1)) == [message_id(1)]
        await server.drop()
        server.kept += [message(2), message(3)]
        await server.connected(2)
        await server.tell(message(4))
        assert ids(await take(feed, 3)) == [message_id(each) for each in (2, 3, 4)]
        assert feed.connected


async def test_what_is_pushed_during_a_replay_comes_after_it_and_once(
    server: FeedServer, session: AsyncSession
) -> None:
    async def late() -> web.StreamResponse:
        await server.released.wait()
        return await replaying(*[message(each) for each in (3, 2, 4, 5)])()

    server.answers.append(late)
    async with session.user_feed(cursor=message_id(1)) as feed:
        await server.push(message(6), message(4), message(5), message(4), message(7))
        await until(lambda: len(server.asked) == 1)
        assert feed.connected
        assert not feed.live
        server.released.set()
        assert ids(await take(feed, 6)) == [message_id(each) for each in range(2, 8)]
        await server.push(message(8))
        assert ids(await take(feed, 1)) == [message_id(8)]


async def test_a_replay_that_is_cut_is_asked_for_again_until_nothing_is_missing(
    server: FeedServer, session: AsyncSession
) -> None:
    server.kept = [message(each) for each in range(1, 7)]
    server.answers.append(replaying(message(2), message(3)))
    async with session.user_feed(cursor=message_id(1)) as feed:
        await until(lambda: feed.live)
        assert ids(await take(feed, 5)) == [message_id(each) for each in range(2, 7)]
    assert server.asked == [message_id(1), message_id(3), message_id(6)]


async def test_a_feed_on_which_much_happens_goes_live_all_the_same(
    server: FeedServer, session: AsyncSession
) -> None:
    async def busy() -> web.StreamResponse:
        number = len(server.asked) + 2
        await server.tell(message(number))
        return await replaying(*server.kept)()

    server.kept = [message(2)]
    server.answers = [busy] * 50
    async with session.user_feed(cursor=message_id(1)) as feed:
        await until(lambda: feed.live)
        assert ids(await take(feed, 2)) == [message_id(2), message_id(3)]
    assert len(server.asked) == 1


FAILED_REPLAYS = {
    "500": answering({"error": "no"}, 500),
    "503": answering(b"", 503),
    "404": answering({"error": "no"}, 404),
    "429": answering({"error": "no"}, 429),
    "empty": answering(b""),
    "no JSON": answering(b"{"),
    "a list": answering([]),
    "no status": answering({"messages": []}),
    "another status": answering({"status": "partial", "messages": []}),
    "a status in another case": answering({"status": "Success", "messages": []}),
    "a status of another type": answering({"status": 200, "messages": []}),
    "no messages": answering({"status": "success"}),
    "other messages": answering({"status": "success", "availableMessages": []}),
    "messages of another type": answering({"status": "success", "messages": {}}),
    "an error beside": answering({"status": "success", "messages": [], "error": "no"}),
}


@pytest.mark.parametrize("answer", FAILED_REPLAYS.values(), ids=FAILED_REPLAYS)
async def test_after_a_replay_that_failed_the_connection_is_made_anew(
    server: FeedServer, session: AsyncSession, answer: object
) -> None:
    server.kept = [message(2)]
    server.answers += [answer] * 2  # type: ignore[list-item]  # of the table above
    async with session.user_feed(cursor=message_id(1)) as feed:
        assert ids(await take(feed, 1)) == [message_id(2)]
        assert server.connections == 3
        await until(lambda: feed.live)


async def test_nothing_is_told_past_a_gap_that_a_replay_has_yet_to_fill(
    server: FeedServer, session: AsyncSession
) -> None:
    server.kept = [message(2), message(3)]
    server.answers += [answering({}, 500)]
    server.greeting = [message(3)]
    async with session.user_feed(cursor=message_id(1)) as feed:
        assert ids(await take(feed, 2)) == [message_id(2), message_id(3)]


async def test_a_connection_that_is_lost_during_a_replay_is_not_waited_for(
    server: FeedServer, session: AsyncSession
) -> None:
    server.kept = [message(2)]
    server.answers.append(server.stuck)
    async with session.user_feed(cursor=message_id(1)) as feed:
        await until(lambda: len(server.asked) == 1)
        await server.drop()
        assert ids(await take(feed, 1)) == [message_id(2)]


async def test_what_the_exchange_no_longer_has_is_a_gap_before_what_it_has(
    server: FeedServer, session: AsyncSession
) -> None:
    server.expired, server.kept = True, [message(5), message(6)]
    async with session.user_feed(cursor=message_id(1)) as feed:
        await server.push(message(6), message(7))
        events = await take(feed, 4)
        assert isinstance(events[0], Gap)
        assert ids(events[1:]) == [message_id(each) for each in (5, 6, 7)]
        server.expired = False
        await server.drop()
        server.kept.append(message(8))
        assert ids(await take(feed, 1)) == [message_id(8)]


async def test_a_gap_with_nothing_left_leaves_the_cursor_so_that_the_next_replay_is_a_gap_too(
    server: FeedServer, session: AsyncSession
) -> None:
    server.expired = True
    async with session.user_feed(cursor=message_id(1)) as feed:
        assert ids(await take(feed, 1)) == ["Gap"]
        await until(lambda: feed.live)
        await server.drop()
        assert ids(await take(feed, 1)) == ["Gap"]
        assert feed.cursor == message_id(1)
    assert server.asked == [message_id(1)] * 2


async def test_a_cursor_from_elsewhere_is_a_gap_and_costs_no_later_event(
    server: FeedServer, session: AsyncSession
) -> None:
    server.expired, server.kept = True, [message(1)]
    async with session.user_feed(cursor="9999999999999-0") as feed:
        await server.push(message(2))
        assert ids(await take(feed, 3)) == ["Gap", message_id(1), message_id(2)]
        await server.push(message(3))
        await take(feed, 1)
        assert feed.cursor == message_id(2)


async def test_a_connection_lost_before_any_message_is_a_gap(
    server: FeedServer, session: AsyncSession
) -> None:
    async with session.user_feed() as feed:
        await until(lambda: feed.live)
        await server.drop()
        await server.connected(2)
        await server.push(message(1))
        assert ids(await take(feed, 2)) == ["Gap", message_id(1)]


async def test_a_message_that_cannot_be_read_is_a_gap_and_the_feed_goes_on(
    server: FeedServer, session: AsyncSession
) -> None:
    async with session.user_feed() as feed:
        await server.push(b'{"matched": ', {"matched": None, "unmatched": 5, "messageID": "1-1"})
        await server.push({"type": "hello"}, b"ping", b"", message(1))
        assert ids(await take(feed, 3)) == ["Gap", "Gap", message_id(1)]


async def test_a_message_that_comes_after_a_newer_one_is_told_with_a_gap(
    server: FeedServer, session: AsyncSession
) -> None:
    async with session.user_feed() as feed:
        await until(lambda: feed.live)
        await server.push(message(1), message(3), message(2), message(3), message(4))
        got = await take(feed, 5)
        assert ids(got) == [message_id(1), message_id(3), "Gap", message_id(2), message_id(4)]
        assert feed.cursor == message_id(3)


async def test_the_cursor_moves_when_the_iteration_comes_back(
    server: FeedServer, session: AsyncSession
) -> None:
    two = {**maker(2), "matched": [maker(2)["matched"], maker(3)["matched"]]}
    async with session.user_feed() as feed:
        await server.push(message(1), two, message(4))
        assert feed.cursor is None
        seen: list[str | None] = []
        for _ in range(4):
            await anext(feed)
            seen.append(feed.cursor)
        assert seen == [None, message_id(1), message_id(1), message_id(2)]


async def test_a_slow_consumer_is_told_how_many_events_were_dropped(
    server: FeedServer, session: AsyncSession
) -> None:
    async with session.user_feed(keep=3) as feed:
        await server.push(message(0))
        assert ids(await take(feed, 1)) == [message_id(0)]
        await server.push(*[message(each) for each in range(1, 11)])
        await until(lambda: len(feed._queue) == 3 and feed._queue._dropped == 7)
        events = await take(feed, 4)
        assert events[0] == Lagged(dropped=7)
        assert ids(events[1:]) == [message_id(each) for each in (8, 9, 10)]


@pytest.mark.parametrize(("limit", "most"), [("_BUFFERED", 3), ("_BUFFERED_BYTES", 1000)])
async def test_more_than_is_kept_during_a_replay_costs_the_connection_and_no_event(
    server: FeedServer,
    session: AsyncSession,
    monkeypatch: pytest.MonkeyPatch,
    limit: str,
    most: int,
) -> None:
    monkeypatch.setattr(f"fourcasters_async.feeds.user_core.{limit}", most)
    server.answers.append(server.stuck)
    async with session.user_feed(cursor=message_id(1)) as feed:
        await until(lambda: len(server.asked) == 1)
        await server.tell(*[message(each) for each in range(2, 6)])
        assert ids(await take(feed, 4)) == [message_id(each) for each in range(2, 6)]
        assert server.connections == 2


async def test_what_was_not_pushed_is_told_late_after_a_gap(
    server: FeedServer, session: AsyncSession, caplog: pytest.LogCaptureFixture
) -> None:
    async with session.user_feed(audit=0.05) as feed:
        await server.tell(message(1))
        server.kept.append(message(2))
        await server.tell(message(3))
        events = await take(feed, 4)
        assert ids(events) == [message_id(1), message_id(3), "Gap", message_id(2)]
        await server.connected(2)
        await until(lambda: feed.live)
    assert "1 messages were not pushed" in caplog.text


async def test_a_line_that_is_open_and_says_nothing_is_found_out(
    server: FeedServer, session: AsyncSession
) -> None:
    async with session.user_feed(audit=0.05) as feed:
        await server.tell(message(1))
        await take(feed, 1)
        server.kept += [message(2), message(3)]
        assert ids(await take(feed, 2)) == [message_id(2), message_id(3)]
        await server.connected(2)


async def test_what_was_not_pushed_before_a_reconnection_is_told_after_it(
    server: FeedServer, session: AsyncSession
) -> None:
    async with session.user_feed() as feed:
        await server.tell(message(1))
        server.kept.append(message(2))
        await server.tell(message(3))
        await take(feed, 2)
        await server.drop()
        assert ids(await take(feed, 2)) == ["Gap", message_id(2)]
        assert feed.cursor == message_id(3)


async def test_a_quiet_feed_stays_connected_though_its_cursor_has_expired(
    server: FeedServer, session: AsyncSession
) -> None:
    async with session.user_feed(audit=0.02) as feed:
        await server.tell(message(1))
        await take(feed, 1)
        server.kept, server.expired = [], True
        await until(lambda: len(server.asked) > 3)
        assert feed.live
        server.expired = False
        await server.tell(message(2))
        assert ids(await take(feed, 1)) == [message_id(2)]
    assert server.connections == 1


async def test_a_look_that_fails_costs_nothing(server: FeedServer, session: AsyncSession) -> None:
    server.answers = [answering({}, 500)] * 3
    async with session.user_feed(audit=0.02) as feed:
        await server.tell(message(1))
        await take(feed, 1)
        await until(lambda: len(server.asked) > 3)
        assert feed.live
    assert server.connections == 1


REFUSALS = [(401, AuthenticationError), (403, NotSentError), (429, RateLimitedError)]


@pytest.mark.parametrize(("status", "error"), REFUSALS)
async def test_entering_raises_why_there_is_no_connection(
    server: FeedServer, session: AsyncSession, status: int, error: type[Exception]
) -> None:
    server.refusals = [status] * 3
    with pytest.raises(error):
        async with session.user_feed():
            pass


async def test_entering_raises_if_nobody_answers(session: AsyncSession) -> None:
    async with AsyncSession(TOKEN, streaming_url="ws://127.0.0.1:1", retry=QUICK) as nowhere:
        with pytest.raises(NotSentError):
            async with nowhere.user_feed():
                pass


@pytest.mark.parametrize(("status", "error"), [(401, AuthenticationError), (403, ForbiddenError)])
@pytest.mark.parametrize("of", ["the handshake", "the replay"])
async def test_a_refusal_for_good_ends_the_iteration_after_what_was_told(
    server: FeedServer, session: AsyncSession, status: int, error: type[Exception], of: str
) -> None:
    async with session.user_feed() as feed:
        await server.tell(message(1))
        await until(lambda: len(feed._queue) == 1)
        if of == "the handshake":
            server.refusals = [status]
        else:

            async def refuse() -> web.StreamResponse:
                return refusal(status)

            server.answers = [refuse]
        await server.drop()
        await until(lambda: not feed.connected)
        assert ids(await take(feed, 1)) == [message_id(1)]
        for _ in range(2):
            with pytest.raises(error):
                await anext(feed)
        assert not feed.live


async def test_a_refusal_that_may_pass_is_not_the_end(
    server: FeedServer, session: AsyncSession
) -> None:
    async with session.user_feed() as feed:
        await server.tell(message(1))
        assert ids(await take(feed, 1)) == [message_id(1)]
        server.refusals = [500, 429, 404, 503, 500, 500]
        await server.drop()
        server.kept.append(message(2))
        assert ids(await take(feed, 1)) == [message_id(2)]


async def test_outside_its_block_a_feed_says_that_it_is_closed(
    server: FeedServer, session: AsyncSession
) -> None:
    feed = session.user_feed()
    for _ in range(2):
        with pytest.raises(SessionClosedError):
            await anext(feed)
        if not feed._closed:
            async with feed:
                assert feed.connected
    assert not feed.connected


async def test_a_feed_is_entered_once(server: FeedServer, session: AsyncSession) -> None:
    async with session.user_feed() as feed:
        with pytest.raises(InvalidRequestError):
            await feed.__aenter__()


async def test_closing_the_session_ends_the_iteration(
    server: FeedServer, session: AsyncSession
) -> None:
    async with session.user_feed() as feed:
        waiting = asyncio.ensure_future(take(feed, 1))
        await until(lambda: feed.live)
        await session.close()
        with pytest.raises(SessionClosedError):
            await waiting


async def test_two_tasks_cannot_iterate_at_once(server: FeedServer, session: AsyncSession) -> None:
    async with session.user_feed() as feed:
        waiting = asyncio.ensure_future(take(feed, 1))
        await until(lambda: feed.live)
        with pytest.raises(InvalidRequestError, match="another task"):
            await anext(feed)
        await server.push(message(1))
        assert ids(await waiting) == [message_id(1)]


async def test_a_wait_that_is_given_up_loses_no_event(
    server: FeedServer, session: AsyncSession
) -> None:
    async with session.user_feed() as feed:
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(anext(feed), 0.05)
        await server.push(message(1))
        assert ids([await asyncio.wait_for(anext(feed), 30)]) == [message_id(1)]


async def test_a_feed_goes_on_after_somebody_cancelled_every_task(
    server: FeedServer, session: AsyncSession
) -> None:
    async with session.user_feed() as feed:
        await server.tell(message(1))
        assert ids(await take(feed, 1)) == [message_id(1)]
        for task in asyncio.all_tasks():
            if "_keep" in repr(task.get_coro()) or "FeedConnection" in repr(task.get_coro()):
                task.cancel()
        await server.connected(2)
        await server.tell(message(2))
        assert ids(await take(feed, 1)) == [message_id(2)]


async def test_the_feed_is_live_only_while_it_is_connected(
    server: FeedServer, session: AsyncSession
) -> None:
    async with session.user_feed() as feed:
        assert feed.connected
        await until(lambda: feed.live)
        server.refusals = [503] * 3
        await server.drop()
        await until(lambda: not feed.connected)
        assert not feed.live
        await until(lambda: feed.live)
    assert not feed.live


@pytest.mark.virtual_time
@pytest.mark.parametrize(("seconds", "warnings"), [(4, 0), (60, 1)])
async def test_a_connection_that_does_not_come_back_is_a_warning_once(
    server: FeedServer, caplog: pytest.LogCaptureFixture, seconds: float, warnings: int
) -> None:
    slow = evolve(QUICK, backoff_base=0.5, backoff_cap=0.5)
    with caplog.at_level(logging.DEBUG, "fourcasters_async"):
        async with (
            AsyncSession(TOKEN, streaming_url=server.url, retry=slow) as session,
            session.user_feed() as feed,
        ):
            await until(lambda: feed.live)
            server.refusals = [503] * 10_000
            await server.drop()
            await asyncio.sleep(seconds)
            server.refusals = []
            await until(lambda: feed.live)
    warned = [each for each in caplog.records if each.levelno > logging.DEBUG]
    assert [each.levelname for each in warned] == ["WARNING"] * warnings
    assert all("503" in each.getMessage() for each in warned)


async def test_a_cursor_file_lets_another_process_go_on(
    server: FeedServer, session: AsyncSession, tmp_path_factory: pytest.TempPathFactory
) -> None:
    file = tmp_path_factory.mktemp("feed") / "cursor"
    async with session.user_feed(cursor=CursorFile(file)) as feed:
        await server.tell(message(1), message(2))
        await take(feed, 2)
        waiting = asyncio.ensure_future(anext(feed))
        await until(lambda: file.exists() and file.read_text() == message_id(2))
        await server.tell(message(3))
        await waiting
    # The last one was not come back from.
    assert file.read_text() == message_id(2)
    server.kept.append(message(4))
    async with session.user_feed(cursor=CursorFile(file)) as feed:
        assert feed.cursor == message_id(2)
        assert ids(await take(feed, 2)) == [message_id(3), message_id(4)]
