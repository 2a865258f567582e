"""The sandbox's user feed, with plain aiohttp: what it says, its replay, and how it can fail."""

import asyncio
import itertools
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from datetime import timedelta
from typing import Any

import aiohttp
import pytest
from fake_client import ask, place
from feed_client import USER, Listener, get, listening, replay
from hypothesis import given
from hypothesis import strategies as st
from support import until

from fourcasters_async.testing import Book, BookOrder, FakeExchange, faults, feed_faults, user_feed
from fourcasters_async.testing.placing import RejectedError
from fourcasters_async.testing.placing import place as place_in
from fourcasters_async.testing.records import moment
from fourcasters_async.testing.user_feed import UserLog, message_id_in

REFUSED = {"error": {"message": "InvalidCredentials", "code": 401}}
REPLAY = f"{USER}/messages"


@pytest.fixture
async def feed(fake_exchange: FakeExchange) -> AsyncIterator[Listener]:
    async with listening(fake_exchange, USER) as listener:
        yield listener


def rest(exchange: FakeExchange, **options: Any) -> BookOrder:
    (game_id, *_) = exchange.book.games or [exchange.add_game().game_id]
    return exchange.book.place(exchange.account, game_id, **options)


def ids(messages: list[Any]) -> list[Any]:
    return [message["messageID"] for message in messages]


async def test_the_streaming_url_is_what_the_paths_of_the_feeds_begin_with(
    fake_exchange: FakeExchange,
) -> None:
    port = fake_exchange.url.rpartition(":")[2]
    assert fake_exchange.streaming_url == f"ws://127.0.0.1:{port}"


@pytest.mark.parametrize(
    "headers",
    [{"Authorization": "{}"}, {"Authorization": "Bearer {}"}, {"Auth": "{}"}],
    ids=["bare", "bearer", "auth"],
)
async def test_a_handshake_takes_the_token_in_each_form(
    fake_exchange: FakeExchange, headers: dict[str, str]
) -> None:
    given = {name: value.format(fake_exchange.token) for name, value in headers.items()}
    async with listening(fake_exchange, USER, headers=given):
        assert len(fake_exchange.feeds.user) == 1


async def test_a_handshake_takes_the_token_in_the_query(fake_exchange: FakeExchange) -> None:
    async with listening(fake_exchange, f"{USER}?token={fake_exchange.token}", headers={}):
        assert len(fake_exchange.feeds.user) == 1


@pytest.mark.parametrize("path", [USER, "/price-stream", REPLAY])
@pytest.mark.parametrize("headers", [{}, {"Authorization": "unknown"}], ids=["none", "unknown"])
async def test_no_token_or_an_unknown_one_is_refused(
    fake_exchange: FakeExchange, path: str, headers: dict[str, str]
) -> None:
    assert await get(fake_exchange, path, headers=headers) == (401, REFUSED)


async def test_feeds_are_counted_apart_from_the_orders_sockets(
    fake_exchange: FakeExchange, feed: Listener
) -> None:
    async with listening(fake_exchange, "/price-stream"):
        assert (fake_exchange.sockets, len(fake_exchange.feeds)) == (0, 2)
        assert (len(fake_exchange.feeds.user), len(fake_exchange.feeds.price)) == (1, 1)


async def test_a_placed_order_is_told_with_all_that_it_is(
    fake_exchange: FakeExchange, feed: Listener
) -> None:
    game = fake_exchange.book.add_game(away="Philadelphia 76ers", home="Miami Heat")
    order = rest(fake_exchange, type="spread", number=6.5, odds=-105, user_reference="mine/1")
    message = await feed.next()
    message_id = message.pop("messageID")
    created, start = message.pop("createdAt"), message.pop("start")
    assert message_id_in(message_id)
    assert (created[:10], start[:10]) == ("2026-01-01", "2027-01-01")
    assert message == {
        "matched": None,
        "unmatched": {
            "orderID": order.order_id,
            "filled": 0,
            "offered": 100,
            "remaining": 100,
            "wagerRequestID": order.wager_request_id,
            "type": "spread",
            "side": game.home_id,
            "odds": -105,
            "number": 6.5,
            "userReference": "mine/1",
        },
        "origin": "offer",
        "gameID": game.game_id,
        "parentGameID": None,
        "eventName": "PHILADELPHIA-76ERS-VS-MIAMI-HEAT",
        "league": "NBA",
        "sport": "basketball",
        "live": False,
        "awayRotationNumber": "501",
        "platform": "api",
    }


ABSENT = {
    "moneyline": {"number", "market"},
    "spread": {"market"},
    "total": {"market"},
    "moneyline1x2": {"number"},
}


@pytest.mark.parametrize("type_", ABSENT)
async def test_what_does_not_apply_to_a_market_is_absent_and_not_null(
    fake_exchange: FakeExchange, feed: Listener, type_: str
) -> None:
    rest(fake_exchange, type=type_)
    unmatched = (await feed.next())["unmatched"]
    assert {"number", "market"} - unmatched.keys() == ABSENT[type_]
    assert "userReference" not in unmatched


async def test_a_cancel_is_told_with_nothing_offered_and_all_that_was_filled(
    fake_exchange: FakeExchange, feed: Listener
) -> None:
    order = rest(fake_exchange)
    for amount in (10.0, 20.0):
        fake_exchange.book.fill(order.order_id, amount)
    await ask(fake_exchange, "POST /session/cancel", sessionID=order.order_id)
    unmatched = (await feed.several(4))[-1]["unmatched"]
    assert [unmatched[each] for each in ("filled", "offered", "remaining")] == [30, 0, 0]


async def test_a_fill_of_a_maker_tells_itself_alone_and_what_is_left(
    fake_exchange: FakeExchange, feed: Listener
) -> None:
    order = rest(fake_exchange)
    for amount in (10.0, 20.0, 70.0):
        fake_exchange.book.fill(order.order_id, amount)
    _, *fills = await feed.several(4)
    told = [
        [message["unmatched"][each] for each in ("filled", "offered", "remaining")]
        for message in fills
    ]
    assert told == [[10, 100, 90], [20, 100, 70], [70, 100, 0]]
    assert {message["origin"] for message in fills} == {"offer"}
    assert [message["matched"]["orderID"] for message in fills] == [order.order_id] * 3
    assert [message["matched"]["txID"] for message in fills] == [f.fill_id for f in order.fills]


async def test_a_taker_is_told_what_it_took_and_no_order_of_its_own(
    fake_exchange: FakeExchange, feed: Listener
) -> None:
    game = fake_exchange.add_game()
    fake_exchange.add_account("maker")
    maker = fake_exchange.book.place("maker", game.game_id, odds=-110, offered=110.0)
    taken = await place(
        fake_exchange, game.game_id, side=game.away_id, odds=110, bet=100.0, userReference="mine"
    )
    message = await feed.next()
    assert (message["unmatched"], message["origin"]) == (None, "wager")
    matched = message["matched"]
    assert matched["orderID"] == maker.order_id
    assert matched["txID"] == taken["matched"][0]["txID"]
    assert matched["userReference"] == "mine"
    assert (matched["odds"], matched["side"], matched["amount"]) == (110, game.away_id, 100)
    assert matched["risk"] == taken["matched"][0]["risk"] > matched["amount"]
    assert matched["win"] == taken["matched"][0]["win"]
    assert await feed.silent()


async def test_what_is_left_of_a_taker_is_told_as_placed(
    fake_exchange: FakeExchange, feed: Listener
) -> None:
    game = fake_exchange.add_game()
    fake_exchange.book.place("maker", game.game_id, odds=-110, offered=110.0)
    placed = await place(fake_exchange, game.game_id, side=game.away_id, odds=110, bet=130.0)
    took, rests = await feed.several(2)
    assert took["unmatched"] is None
    assert rests["unmatched"]["orderID"] == placed["unmatched"]["orderID"]
    assert [rests["unmatched"][each] for each in ("filled", "offered")] == [0, 30]
    assert rests["unmatched"]["wagerRequestID"] == took["matched"]["wagerRequestID"]


async def test_a_maker_without_a_reference_is_told_null_in_its_fill(
    fake_exchange: FakeExchange, feed: Listener
) -> None:
    fake_exchange.book.fill(rest(fake_exchange).order_id, 1.0)
    _, fill = await feed.several(2)
    assert fill["matched"]["userReference"] is None


async def test_a_post_arb_is_marked_in_all_that_is_told_of_it(
    fake_exchange: FakeExchange, feed: Listener
) -> None:
    game = fake_exchange.add_game()
    placed = await place(fake_exchange, game.game_id, orderType="postArb")
    order_id = placed["unmatched"]["orderID"]
    fake_exchange.book.fill(order_id, 1.0)
    fake_exchange.book.cancel(fake_exchange.book.orders[order_id])
    messages = await feed.several(3)
    blocks = [m[each] for m in messages for each in ("matched", "unmatched") if m[each]]
    assert [block.get("isPostArb") for block in blocks] == [True] * 4


async def test_each_account_is_told_of_its_own_orders_alone(fake_exchange: FakeExchange) -> None:
    token = fake_exchange.add_account("other")
    async with (
        listening(fake_exchange, USER) as mine,
        listening(fake_exchange, USER, token=token) as other,
    ):
        order = rest(fake_exchange)
        assert (await mine.next())["unmatched"]["orderID"] == order.order_id
        assert await other.silent()


async def expire(exchange: FakeExchange) -> None:
    game = exchange.add_game()
    await place(exchange, game.game_id, expirationMinutes=1)


async def lapse(exchange: FakeExchange) -> None:
    rest(exchange)
    await ask(exchange, "POST /user/ordersHeartbeat", timeout=6)


async def begin(exchange: FakeExchange) -> None:
    exchange.move_clock((exchange.add_game().start - moment(60.0)).total_seconds())
    rest(exchange)


@pytest.mark.virtual_time
@pytest.mark.parametrize("happen", [expire, lapse, begin], ids=lambda each: each.__name__)
async def test_what_the_exchange_cancels_by_itself_is_told_when_it_happens(
    fake_exchange: FakeExchange, feed: Listener, happen: Any
) -> None:
    await happen(fake_exchange)
    _, cancelled = await feed.several(2)
    assert cancelled["unmatched"]["offered"] == 0


async def test_an_edit_is_told_as_a_cancel_and_a_new_order(
    fake_exchange: FakeExchange, feed: Listener
) -> None:
    order = rest(fake_exchange)
    await ask(
        fake_exchange,
        "POST /session/editOrder",
        sessionID=order.order_id,
        orderOdds=-120,
        orderVolume=50.0,
    )
    _, *edited = await feed.several(3)
    offered = {m["unmatched"]["orderID"]: m["unmatched"]["offered"] for m in edited}
    assert offered.pop(order.order_id) == 0
    assert list(offered.values()) == [50]


async def test_message_ids_grow_also_within_a_millisecond(
    fake_exchange: FakeExchange, feed: Listener
) -> None:
    for _ in range(3):
        rest(fake_exchange)
    fake_exchange.move_clock(1.0)
    rest(fake_exchange)
    given = [message_id_in(each) for each in ids(await feed.several(4))]
    assert all(a is not None and b is not None and a < b for a, b in itertools.pairwise(given))
    assert len({each[0] for each in given if each}) == 2


async def test_a_replay_has_what_came_strictly_between_two_ids(
    fake_exchange: FakeExchange, feed: Listener
) -> None:
    for _ in range(5):
        rest(fake_exchange)
    messages = await feed.several(5)
    after, *between, before = messages[:4]
    document = await replay(fake_exchange, afterID=after["messageID"], beforeID=before["messageID"])
    assert document == {"status": "success", "messages": between}


@pytest.mark.parametrize("query", [{}, {"beforeID": ""}], ids=["absent", "empty"])
async def test_a_replay_without_an_end_has_all_that_came_later(
    fake_exchange: FakeExchange, feed: Listener, query: dict[str, str]
) -> None:
    for _ in range(3):
        rest(fake_exchange)
    after, *later = await feed.several(3)
    document = await replay(fake_exchange, afterID=after["messageID"], **query)
    assert document == {"status": "success", "messages": later}


async def test_a_replay_has_what_was_told_while_nobody_listened(
    fake_exchange: FakeExchange,
) -> None:
    order = rest(fake_exchange)
    (message,) = (await replay(fake_exchange, afterID="0-0"))["messages"]
    assert message["unmatched"]["orderID"] == order.order_id


async def test_a_replay_has_the_messages_of_its_account_alone(fake_exchange: FakeExchange) -> None:
    rest(fake_exchange)
    headers = {"Authorization": f"Bearer {fake_exchange.add_account('other')}"}
    answer = await get(fake_exchange, REPLAY, headers=headers, afterID="0-0")
    assert answer == (200, {"status": "success", "messages": []})


async def test_a_replay_takes_the_token_in_the_query(fake_exchange: FakeExchange) -> None:
    token = fake_exchange.token
    status, _ = await get(fake_exchange, REPLAY, headers={}, afterID="0-0", token=token)
    assert status == 200


@pytest.mark.parametrize("query", [{}, {"afterID": "x"}, {"afterID": "0-0", "beforeID": "1"}])
async def test_a_replay_between_what_are_no_ids_is_refused(
    fake_exchange: FakeExchange, query: dict[str, Any]
) -> None:
    status, document = await get(fake_exchange, REPLAY, **query)
    assert (status, set(document)) == (400, {"error"})


async def test_a_cursor_older_than_what_is_kept_gets_what_is_left(
    fake_exchange: FakeExchange, feed: Listener
) -> None:
    fake_exchange.feeds.user.log.keep = 2
    for _ in range(4):
        rest(fake_exchange)
    first, second, *kept = await feed.several(4)
    expired = {"status": "cache_expired", "availableMessages": kept}
    assert await replay(fake_exchange, afterID=first["messageID"]) == expired
    assert await replay(fake_exchange, afterID=second["messageID"]) == expired
    complete = {"status": "success", "messages": kept[1:]}
    assert await replay(fake_exchange, afterID=kept[0]["messageID"]) == complete


async def test_messages_are_kept_for_so_many_seconds(
    fake_exchange: FakeExchange, feed: Listener
) -> None:
    fake_exchange.feeds.user.log.keep_seconds = 60.0
    rest(fake_exchange)
    fake_exchange.move_clock(100.0)
    rest(fake_exchange)
    old, new = await feed.several(2)
    document = await replay(fake_exchange, afterID=old["messageID"])
    assert document == {"status": "cache_expired", "availableMessages": [new]}


async def test_what_was_forgotten_leaves_nothing(
    fake_exchange: FakeExchange, feed: Listener
) -> None:
    rest(fake_exchange)
    message = await feed.next()
    fake_exchange.feeds.user.log.forget()
    document = await replay(fake_exchange, afterID=message["messageID"])
    assert document == {"status": "cache_expired", "availableMessages": []}


async def test_a_cursor_that_was_never_given_proves_nothing(fake_exchange: FakeExchange) -> None:
    rest(fake_exchange)
    document = await replay(fake_exchange, afterID="9999999999999-0")
    assert document["status"] == "cache_expired"


# Faults of the replay, which is a request over HTTP like others.


@pytest.mark.parametrize(
    ("fault", "status"),
    [
        (faults.Unauthorized(), 401),
        (faults.TooManyRequests(), 429),
        (faults.Unavailable(), 503),
        (faults.Respond(b'{"status": "success"}'), 200),
    ],
    ids=repr,
)
async def test_a_replay_can_be_struck_by_any_fault_over_http(
    fake_exchange: FakeExchange, fault: faults.Fault, status: int
) -> None:
    fake_exchange.inject(fault, endpoint="messages")
    assert (await get(fake_exchange, REPLAY, afterID="0-0"))[0] == status


@pytest.mark.parametrize("endpoint", ["user", "price-stream"])
@pytest.mark.parametrize(
    ("fault", "status"), [(faults.Unauthorized(), 401), (faults.TooManyRequests(), 429)], ids=repr
)
async def test_the_handshake_of_a_feed_can_be_refused_by_a_fault(
    fake_exchange: FakeExchange, endpoint: str, fault: faults.Fault, status: int
) -> None:
    fake_exchange.inject(fault, endpoint=endpoint)
    path = {"user": USER, "price-stream": "/price-stream"}[endpoint]
    with pytest.raises(aiohttp.WSServerHandshakeError) as caught:
        async with listening(fake_exchange, path):
            pass
    assert caught.value.status == status


async def test_a_replay_can_be_expired_though_all_is_kept(
    fake_exchange: FakeExchange, feed: Listener
) -> None:
    fake_exchange.inject(feed_faults.CacheExpired(keep=1), endpoint="messages")
    for _ in range(3):
        rest(fake_exchange)
    first, _, last = await feed.several(3)
    document = await replay(fake_exchange, afterID=first["messageID"])
    assert document == {"status": "cache_expired", "availableMessages": [last]}


async def test_a_replay_can_overlap_on_both_ends(
    fake_exchange: FakeExchange, feed: Listener
) -> None:
    fake_exchange.inject(feed_faults.Overlap(early=2, late=1), endpoint="messages")
    for _ in range(7):
        rest(fake_exchange)
    given = ids(await feed.several(7))
    document = await replay(fake_exchange, afterID=given[2], beforeID=given[4])
    assert document["status"] == "success"
    assert ids(document["messages"]) == given[1:5]


async def test_a_replay_can_have_a_status_that_nobody_knows(fake_exchange: FakeExchange) -> None:
    fake_exchange.inject(feed_faults.UnknownStatus("later"), endpoint="messages")
    assert (await replay(fake_exchange, afterID="0-0"))["status"] == "later"


async def test_a_live_message_can_come_before_the_replay_that_has_it(
    fake_exchange: FakeExchange, feed: Listener
) -> None:
    rest(fake_exchange)
    first = await feed.next()
    fake_exchange.inject(faults.Slow(1.0), endpoint="messages")
    asked = asyncio.create_task(replay(fake_exchange, afterID=first["messageID"]))
    await fake_exchange.wait_for("messages")
    rest(fake_exchange)
    live = await feed.next()
    assert not asked.done()
    assert (await asked)["messages"] == [live]


# Faults of what is pushed. The history, and so a replay, has everything as it should be.


async def test_a_dropped_message_can_be_replayed(
    fake_exchange: FakeExchange, feed: Listener
) -> None:
    rest(fake_exchange)
    first = await feed.next()
    fake_exchange.feeds.user.inject(feed_faults.Drop())
    dropped, sent = rest(fake_exchange), rest(fake_exchange)
    assert (await feed.next())["unmatched"]["orderID"] == sent.order_id
    document = await replay(fake_exchange, afterID=first["messageID"])
    assert document["messages"][0]["unmatched"]["orderID"] == dropped.order_id


async def test_a_message_can_come_twice(fake_exchange: FakeExchange, feed: Listener) -> None:
    fake_exchange.feeds.user.inject(feed_faults.Duplicate())
    rest(fake_exchange)
    first, second = await feed.several(2)
    assert first == second


async def test_a_message_can_come_out_of_order(fake_exchange: FakeExchange, feed: Listener) -> None:
    fake_exchange.feeds.user.inject(feed_faults.Held(until=2))
    orders = [rest(fake_exchange) for _ in range(3)]
    told = [message["unmatched"]["orderID"] for message in await feed.several(3)]
    assert told == [orders[each].order_id for each in (1, 2, 0)]


async def test_a_message_can_come_long_after_the_answer_to_its_request(
    fake_exchange: FakeExchange, feed: Listener
) -> None:
    fake_exchange.feeds.user.inject(feed_faults.Late(3600.0))
    placed = await place(fake_exchange, fake_exchange.add_game().game_id)
    assert await feed.silent()
    fake_exchange.move_clock(3600.0)
    assert (await feed.next())["unmatched"]["orderID"] == placed["unmatched"]["orderID"]


async def test_a_fault_strikes_the_type_and_the_game_that_it_is_for(
    fake_exchange: FakeExchange, feed: Listener
) -> None:
    game, other = fake_exchange.add_game(), fake_exchange.add_game()
    feeds = fake_exchange.feeds.user
    feeds.inject(feed_faults.Drop(), type="cancelled", game_id=game.game_id, after=1)
    orders = [rest(fake_exchange) for _ in range(2)]
    elsewhere = fake_exchange.book.place(fake_exchange.account, other.game_id)
    for order in (elsewhere, *orders):
        fake_exchange.book.cancel(order)
    *_, first, second = await feed.several(5)
    cancelled = [message["unmatched"]["orderID"] for message in (first, second)]
    assert cancelled == [elsewhere.order_id, orders[0].order_id]
    assert await feed.silent()


async def test_a_fault_of_a_feed_that_has_not_struck_is_told(fake_exchange: FakeExchange) -> None:
    fake_exchange.feeds.user.inject(feed_faults.Drop())
    with pytest.raises(AssertionError, match="struck 0 of 1"):
        fake_exchange.assert_all_faults_struck()
    fake_exchange.clear_faults()
    fake_exchange.assert_all_faults_struck()


async def test_unknown_members_stand_everywhere_in_a_message(
    fake_exchange: FakeExchange, feed: Listener
) -> None:
    fake_exchange.feeds.user.inject(feed_faults.UnknownMembers())
    rest(fake_exchange)
    message = await feed.next()
    assert "novelty" in message
    assert "novelty" in message["unmatched"]


async def test_a_message_of_an_unknown_type_comes_before_the_right_one(
    fake_exchange: FakeExchange, feed: Listener
) -> None:
    fake_exchange.feeds.user.inject(feed_faults.UnknownType())
    order = rest(fake_exchange)
    unknown, message = await feed.several(2)
    assert set(unknown) == {"novelty"}
    assert message["unmatched"]["orderID"] == order.order_id


async def test_a_message_can_be_altered(fake_exchange: FakeExchange, feed: Listener) -> None:
    fake_exchange.feeds.user.inject(feed_faults.Altered({"unmatched": None, "live": "maybe"}))
    rest(fake_exchange)
    message = await feed.next()
    assert (message["unmatched"], message["live"], message["league"]) == (None, "maybe", "NBA")


@pytest.mark.parametrize(
    ("fault", "text"),
    [
        (feed_faults.Instead(b"[]"), "[]"),
        (feed_faults.Garbage(), "SSH-2.0-nonsense"),
    ],
    ids=repr,
)
async def test_another_text_can_come_in_place_of_a_message(
    fake_exchange: FakeExchange, feed: Listener, fault: feed_faults.FeedFault, text: str
) -> None:
    fake_exchange.feeds.user.inject(fault)
    rest(fake_exchange)
    assert (await feed.socket.receive()).data == text


async def test_a_muted_connection_answers_pings_and_says_nothing(
    fake_exchange: FakeExchange, feed: Listener
) -> None:
    fake_exchange.feeds.user.inject(feed_faults.Mute())
    rest(fake_exchange)
    rest(fake_exchange)
    assert await feed.pong() == b"are you there"
    assert await feed.silent()
    async with listening(fake_exchange, USER) as other:
        rest(fake_exchange)
        assert await other.next()


async def test_a_mute_feed_is_mute_for_all_until_it_no_longer_is(
    fake_exchange: FakeExchange, feed: Listener
) -> None:
    fake_exchange.feeds.user.mute = True
    rest(fake_exchange)
    assert await feed.pong() == b"are you there"
    assert await feed.silent()
    fake_exchange.feeds.user.mute = False
    order = rest(fake_exchange)
    assert (await feed.next())["unmatched"]["orderID"] == order.order_id


@pytest.mark.parametrize("by", ["fault", "method"])
async def test_a_half_open_connection_answers_nothing(
    fake_exchange: FakeExchange, feed: Listener, by: str
) -> None:
    if by == "fault":
        fake_exchange.feeds.user.inject(feed_faults.HalfOpen())
    else:
        fake_exchange.feeds.user.half_open()
    rest(fake_exchange)
    await feed.ping()
    assert await feed.silent()


@pytest.mark.parametrize(
    ("fault", "code"),
    [
        (feed_faults.Cut(), 1006),
        (feed_faults.Cut(1011), 1011),
        (feed_faults.Truncate(), 1006),
    ],
    ids=repr,
)
async def test_a_connection_can_end_in_place_of_a_message(
    fake_exchange: FakeExchange, feed: Listener, fault: feed_faults.FeedFault, code: int
) -> None:
    fake_exchange.feeds.user.inject(fault)
    rest(fake_exchange)
    assert await feed.ended() == code
    await until(lambda: len(fake_exchange.feeds) == 0)


@pytest.mark.parametrize(("endpoint", "left"), [("user", 1), ("price-stream", 1), (None, 0)])
async def test_the_connections_of_one_feed_can_be_dropped_alone(
    fake_exchange: FakeExchange, feed: Listener, endpoint: str | None, left: int
) -> None:
    async with listening(fake_exchange, "/price-stream"):
        await fake_exchange.drop_sockets(1001, endpoint=endpoint)
        assert len(fake_exchange.feeds) == left


async def test_the_feeds_end_with_the_exchange() -> None:
    async with FakeExchange() as exchange, listening(exchange, USER) as feed:
        closing = asyncio.create_task(feed.ended())
        await exchange.__aexit__()
        assert await closing == 1001


async def test_a_client_that_does_not_read_is_dropped_and_delays_nobody(
    fake_exchange: FakeExchange,
) -> None:
    fake_exchange.feeds.user.buffer = 2**16
    async with listening(fake_exchange, USER) as feed:
        assert feed.socket._conn is not None
        assert feed.socket._conn.transport is not None
        feed.socket._conn.transport.pause_reading()
        while len(fake_exchange.feeds):
            for _ in range(100):
                fake_exchange.feeds.user.push({"padding": "x" * 1000}, fake_exchange.account)
            assert (await ask(fake_exchange, "GET /user/getMe")).status == 200
        assert fake_exchange.received("getMe") > 0


async def test_anything_can_be_pushed_and_replayed(
    fake_exchange: FakeExchange, feed: Listener
) -> None:
    fake_exchange.feeds.user.push({"gameID": "x", "messageID": "5-7"}, fake_exchange.account)
    message = await feed.next()
    assert message == {"gameID": "x", "messageID": "5-7"}
    assert (await replay(fake_exchange, afterID="0-0"))["messages"] == [message]


# The law: who folds the messages as they are documented has the account's book and its fills.

ACCOUNTS = ("ann", "bob", "cid")
Step = tuple[str, str, str, int, int]
STEPS = st.tuples(
    st.sampled_from(
        ["place", "place", "place", "take", "cancel", "fill", "start", "end", "beat", "pass"]
    ),
    st.sampled_from(ACCOUNTS),
    st.sampled_from(["moneyline", "total", "moneyline1x2"]),
    st.integers(0, 7),
    st.sampled_from([33, 100, 107]),
)


def trade(book: Book, games: list[str], step: Step) -> None:
    what, account, type_, number, amount = step
    game = book.games[games[number % len(games)]]
    first, second = {
        "moneyline": (game.home_id, game.away_id),
        "total": ("over", "under"),
        "moneyline1x2": ("yes", "no"),
    }[type_]
    resting = book.resting()
    if what in {"place", "take"}:
        fields: dict[str, object] = {
            "type": type_,
            "side": second if number % 2 else first,
            "odds": 105 if number % 2 else -110 + number,
            "bet": float(amount),
            "number": 200.5,
            "market": "draw",
            "orderType": "fillAndKill" if what == "take" else ("limit", "postArb")[number % 3 == 0],
            "expirationMinutes": 1 + number,
        }
        try:
            place_in(book, account, game.game_id, fields)
        except RejectedError:
            return
    elif what == "start" and number == 0:
        book.start(game.game_id)
    elif what == "end" and number == 1:
        book.settle(game.game_id, away=1, home=2)
    elif what == "beat":
        book.account(account).heartbeat_until = book.now + number
    elif what == "pass":
        book.pass_time(book.now + 10.0 * number)
    elif what in {"cancel", "fill"} and resting:
        order = resting[number % len(resting)]
        if what == "cancel":
            book.cancel(order)
        else:
            book.fill(order.order_id, amount / 3)


@given(st.lists(STEPS, max_size=60))
def test_the_messages_fold_to_the_open_orders_and_to_each_fill_once(steps: list[Step]) -> None:
    book, log = Book(), UserLog()
    book.events.listeners.append(log.take)
    games = [book.add_game().game_id for _ in range(2)]
    for step in steps:
        trade(book, games, step)
    for account in ACCOUNTS:
        resting: dict[object, object] = {}
        filled: list[object] = []
        for message in log.messages(account):
            unmatched: Any = message["unmatched"]
            matched: Any = message["matched"]
            if matched is not None:
                filled.append(matched["txID"])
            if unmatched is None:
                continue
            if unmatched["offered"] == 0 or unmatched["remaining"] == 0:
                del resting[unmatched["orderID"]]
            else:
                resting[unmatched["orderID"]] = unmatched["remaining"]
        orders = [order for order in book.orders.values() if order.account == account]
        assert resting == {o.order_id: o.remaining for o in orders if o.open}
        assert sorted(map(str, filled)) == sorted(f.fill_id for o in orders for f in o.fills)


@given(st.lists(STEPS, min_size=1, max_size=30), st.data())
def test_a_replay_from_any_message_has_the_rest_and_no_other(
    steps: list[Step], data: st.DataObject
) -> None:
    book, log = Book(), UserLog()
    book.events.listeners.append(log.take)
    games = [book.add_game().game_id]
    for step in steps:
        trade(book, games, step)
    account = data.draw(st.sampled_from(ACCOUNTS))
    messages = log.messages(account)
    index = data.draw(st.integers(0, len(messages)))
    after = (0, 0) if index == 0 else message_id_in(messages[index - 1]["messageID"])
    assert after is not None
    document = log.replay(account, after, None, book.now)
    assert document == {"status": "success", "messages": messages[index:]}


async def test_a_replay_tells_what_an_order_was_at_the_time_though_nobody_listened(
    fake_exchange: FakeExchange,
) -> None:
    book, account = fake_exchange.book, fake_exchange.account
    game = fake_exchange.add_game()
    order = book.place(account, game.game_id, offered=100.0)
    book.fill(order.order_id, 40.0)
    book.cancel(order)
    book.start(game.game_id)
    game.start += timedelta(days=1)
    late = book.place(account, game.game_id)
    told = fake_exchange.feeds.user.kept(account)
    shown: list[Any] = [each["unmatched"] for each in told]
    assert [(each["orderID"], each["offered"], each["remaining"]) for each in shown] == [
        (order.order_id, 100.0, 100.0),
        (order.order_id, 100.0, 60.0),
        (order.order_id, 0.0, 0.0),
        (late.order_id, 100.0, 100.0),
    ]
    assert [each["live"] for each in told] == [False, False, False, True]
    assert len({each["start"] for each in told[:3]}) == 1
    assert told[0]["start"] != told[3]["start"]


@pytest.mark.parametrize("account", [None, "another"], ids=["nobody", "another account"])
async def test_no_message_is_written_before_somebody_can_hear_it(
    fake_exchange: FakeExchange, monkeypatch: pytest.MonkeyPatch, account: str | None
) -> None:
    written: list[object] = []
    write = user_feed._document

    def noted(told: Any) -> Any:
        written.append(told)
        return write(told)

    monkeypatch.setattr(user_feed, "_document", noted)
    async with AsyncExitStack() as stack:
        if account is not None:
            token = fake_exchange.add_account(account)
            await stack.enter_async_context(listening(fake_exchange, USER, token=token))
        fake_exchange.add_game(orders=10)
        assert not written
        for _ in range(2):
            assert len(fake_exchange.feeds.user.kept(fake_exchange.account)) == 10
        assert len(written) == 10
