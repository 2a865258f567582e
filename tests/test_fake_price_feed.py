"""The sandbox's price feed, with plain aiohttp: what it says to whom, and how it can fail."""

import itertools
from collections.abc import AsyncIterator
from typing import Any

import pytest
from fake_client import ask, place
from feed_client import PRICES, Listener, listening, turn
from hypothesis import given
from hypothesis import strategies as st
from support import until

from fourcasters_async.testing import Book, BookGame, FakeExchange, feed_faults
from fourcasters_async.testing.order_books import flat
from fourcasters_async.testing.placing import RejectedError
from fourcasters_async.testing.placing import place as place_in
from fourcasters_async.testing.price_feed import PriceUpdates

NOBODY = "nobody"


@pytest.fixture
async def feed(fake_exchange: FakeExchange) -> AsyncIterator[Listener]:
    async with listening(fake_exchange, PRICES) as listener:
        yield listener


@pytest.fixture
def game(fake_exchange: FakeExchange) -> BookGame:
    return fake_exchange.add_game()


async def asked_for(exchange: FakeExchange, game: BookGame) -> Any:
    answer = await ask(exchange, "GET /exchange/v2/getOrderbook", gameID=game.game_id)
    (document,) = answer.data["games"]
    return document


async def test_an_order_that_is_placed_changes_its_side(
    fake_exchange: FakeExchange, game: BookGame, feed: Listener
) -> None:
    order = fake_exchange.book.place("maker", game.game_id, type="total", number=8.5, side="under")
    type_, payload = await feed.next()
    entries = payload.pop("sideOrders")
    assert type_ == "orderUpdate"
    assert payload.pop("epoch") > 0
    assert payload == {
        "gameID": game.game_id,
        "parentGameID": None,
        "sport": "basketball",
        "league": "NBA",
        "live": False,
        "type": "total",
        "participantID": None,
        "market": "main",
        "side": "under",
        "OU": "under",
        "total": 8.5,
        "spread": None,
        "mainHomeSpread": None,
        "mainAwaySpread": None,
        "mainTotal": 8.5,
    }
    assert [entry["id"] for entry in entries] == [order.order_id]


@pytest.mark.parametrize("type_", ["moneyline", "spread", "total", "moneyline1x2"])
async def test_the_entries_of_a_side_are_those_of_the_order_book(
    fake_exchange: FakeExchange, game: BookGame, feed: Listener, type_: str
) -> None:
    for odds in (-110, -120):
        fake_exchange.book.place("maker", game.game_id, type=type_, odds=odds)
    _, payload = await feed.next()
    document = await asked_for(fake_exchange, game)
    ladder = [each for side in document.values() if isinstance(side, list) for each in side]
    shown = {entry["id"]: entry for entry in ladder if "sumUntaken" in entry}
    told = {entry["id"]: entry for entry in payload["sideOrders"]}
    assert told == {key: told[key] | entry for key, entry in shown.items()}
    assert [entry["odds"] for entry in payload["sideOrders"]] == [-120, -110]


async def test_a_spread_is_told_by_its_participant_and_its_line(
    fake_exchange: FakeExchange, game: BookGame, feed: Listener
) -> None:
    fake_exchange.book.place("maker", game.game_id, type="spread", number=-6.5)
    _, payload = await feed.next()
    assert (payload["participantID"], payload["spread"]) == (game.home_id, -6.5)
    assert payload["mainHomeSpread"] == -6.5


async def test_a_three_way_market_is_told_by_market_and_side_alone(
    fake_exchange: FakeExchange, game: BookGame, feed: Listener
) -> None:
    fake_exchange.book.place("maker", game.game_id, type="moneyline1x2", market="draw", side="no")
    _, payload = await feed.next()
    assert (payload["market"], payload["side"], payload["participantID"]) == ("draw", "no", "")
    assert not {"OU", "total", "spread"} & payload.keys()


async def test_each_line_is_a_side_of_its_own(
    fake_exchange: FakeExchange, game: BookGame, feed: Listener
) -> None:
    for number in (8.5, 9.0, 8.5):
        fake_exchange.book.place("maker", game.game_id, type="total", number=number)
    told = {p["total"]: len(p["sideOrders"]) for _, p in await feed.several(2)}
    assert told == {8.5: 2, 9.0: 1}


async def test_a_side_that_is_empty_is_told_as_empty(
    fake_exchange: FakeExchange, game: BookGame, feed: Listener
) -> None:
    order = fake_exchange.book.place("maker", game.game_id)
    await feed.next()
    fake_exchange.book.cancel(order)
    _, payload = await feed.next()
    assert (payload["sideOrders"], payload["participantID"]) == ([], game.home_id)


async def test_what_changes_in_one_turn_is_told_once(
    fake_exchange: FakeExchange, game: BookGame, feed: Listener
) -> None:
    for _ in range(3):
        fake_exchange.book.place("maker", game.game_id)
    _, payload = await feed.next()
    assert len(payload["sideOrders"]) == 3
    assert await feed.silent()


async def test_a_match_changes_the_makers_side_and_the_volume(
    fake_exchange: FakeExchange, game: BookGame, feed: Listener
) -> None:
    fake_exchange.book.place("maker", game.game_id, odds=-110, offered=110.0)
    await feed.next()
    await place(fake_exchange, game.game_id, side=game.away_id, odds=110, bet=50.0)
    (_, side), (type_, volume) = await feed.several(2)
    assert [entry["sumUntaken"] for entry in side["sideOrders"]] == [55.0]
    assert type_ == "matchedVolumeUpdate"
    assert volume == {
        "gameID": game.game_id,
        "parentGameID": None,
        "sport": "basketball",
        "league": "NBA",
        "matchedVolume": 105.0,
    }
    assert await feed.silent()


async def test_the_volume_of_a_game_counts_what_was_matched_while_nobody_listened(
    fake_exchange: FakeExchange, game: BookGame
) -> None:
    order = fake_exchange.book.place("maker", game.game_id, odds=100, offered=100.0)
    fake_exchange.book.fill(order.order_id, 20.0)
    async with listening(fake_exchange, PRICES) as feed:
        fake_exchange.book.fill(order.order_id, 30.0)
        _, (_, volume) = await feed.several(2)
    assert volume["matchedVolume"] == 100.0


async def test_own_orders_alone_are_known_by_who_created_them(
    fake_exchange: FakeExchange, game: BookGame, feed: Listener
) -> None:
    token = fake_exchange.add_account("other")
    async with listening(fake_exchange, PRICES, token=token) as other:
        mine = fake_exchange.book.place(fake_exchange.account, game.game_id)
        theirs = fake_exchange.book.place("other", game.game_id)
        for listener, own in ((feed, mine), (other, theirs)):
            _, payload = await listener.next()
            created = [entry["id"] for entry in payload["sideOrders"] if "createdBy" in entry]
            assert created == [own.order_id]


async def test_a_post_arb_is_marked_and_others_are_not(
    fake_exchange: FakeExchange, game: BookGame, feed: Listener
) -> None:
    await place(fake_exchange, game.game_id, orderType="postArb")
    await place(fake_exchange, game.game_id)
    _, (_, payload) = await feed.several(2)
    marks = [entry.get("isPostArb", "absent") for entry in payload["sideOrders"]]
    assert sorted(map(str, marks)) == ["True", "absent"]


async def test_epochs_grow(fake_exchange: FakeExchange, game: BookGame, feed: Listener) -> None:
    epochs = []
    for _ in range(3):
        fake_exchange.book.place("maker", game.game_id)
        epochs.append((await feed.next())[1]["epoch"])
    assert all(before < after for before, after in itertools.pairwise(epochs))


async def test_a_side_that_changes_again_is_told_after_what_changed_in_between(
    fake_exchange: FakeExchange, game: BookGame, feed: Listener
) -> None:
    for side in (game.home_id, game.away_id, game.home_id):
        fake_exchange.book.place("maker", game.game_id, side=side)
    (_, first), (_, second) = await feed.several(2)
    assert [first["participantID"], second["participantID"]] == [game.away_id, game.home_id]
    assert first["epoch"] < second["epoch"]


async def test_a_new_game_is_told_as_an_open_market_with_its_ladders(
    fake_exchange: FakeExchange, feed: Listener
) -> None:
    game = fake_exchange.add_game(orders=3)
    type_, payload = await feed.next()
    assert (type_, payload.pop("messageType")) == ("gameUpdate", "marketOpen")
    document = await asked_for(fake_exchange, game)
    assert payload == payload | document
    assert [len(payload[each]) for each in ("homeMoneylines", "homeSpreads", "over")] == [1, 1, 1]


async def test_a_game_that_starts_is_told_as_a_closed_market_without_orders(
    fake_exchange: FakeExchange, feed: Listener
) -> None:
    game = fake_exchange.add_game(orders=1)
    await feed.several(2)
    fake_exchange.book.start(game.game_id)
    (_, side), (type_, payload) = await feed.several(2)
    assert side["sideOrders"] == []
    assert (type_, payload["messageType"]) == ("gameUpdate", "marketClosed")
    assert (payload["live"], payload["ended"], payload["homeMoneylines"]) == (True, False, [])


async def test_a_game_that_ends_is_told_as_a_closed_market(
    fake_exchange: FakeExchange, game: BookGame, feed: Listener
) -> None:
    fake_exchange.book.settle(game.game_id, away=1, home=2)
    type_, payload = await feed.next()
    assert (type_, payload["messageType"], payload["ended"]) == ("gameUpdate", "marketClosed", True)


async def test_the_ladders_of_a_game_can_be_keyed_by_number(
    fake_exchange: FakeExchange, feed: Listener
) -> None:
    fake_exchange.feeds.price.updates.nested = True
    fake_exchange.add_game(orders=3)
    _, payload = await feed.next()
    assert [list(payload[each]) for each in ("homeSpreads", "over")] == [["-3.5"], ["220.5"]]


# Who is sent what.


@pytest.fixture
def other(fake_exchange: FakeExchange) -> BookGame:
    return fake_exchange.book.add_game(league="EPL", sport="soccer")


@pytest.fixture
def child(fake_exchange: FakeExchange, other: BookGame) -> BookGame:
    return fake_exchange.add_game(parent=other)


async def told_of(exchange: FakeExchange, feed: Listener) -> set[str]:
    """Place an order on each game, and return the games of which the feed tells."""
    for game_id in exchange.book.games:
        exchange.book.place("maker", game_id)
    await turn()
    exchange.feeds.price.push("mark", {})
    told: set[str] = set()
    while True:
        type_, payload = await feed.next()
        if type_ == "mark":
            return told
        told.add(payload["gameID"])


async def told_from_now(exchange: FakeExchange, feed: Listener) -> set[str]:
    """Return the games of which the feed tells from the next order on, whatever it told before."""
    exchange.feeds.price.flush()
    exchange.feeds.price.push("mark", {})
    while (await feed.next())[0] != "mark":
        pass
    return await told_of(exchange, feed)


async def test_without_a_command_everything_is_sent(
    fake_exchange: FakeExchange, feed: Listener, game: BookGame, other: BookGame, child: BookGame
) -> None:
    assert await told_from_now(fake_exchange, feed) == {
        each.game_id for each in (game, other, child)
    }


SUBSCRIPTIONS: list[tuple[dict[str, Any], set[str]]] = [
    ({"gameIDs": ["game"]}, {"game"}),
    ({"gameIDs": ["other"]}, {"other", "child"}),
    ({"gameIDs": ["child"]}, {"child"}),
    ({"leagueIDs": ["epl"]}, {"other", "child"}),
    ({"leagueIDs": ["NBA", ""]}, {"game"}),
    ({"sportIDs": ["Soccer"]}, {"other", "child"}),
    ({"sportIDs": ["soccer"], "leagueIDs": ["NBA"]}, {"game", "other", "child"}),
    ({"gameIDs": [""], "leagueIDs": [], "sportIDs": []}, set()),
    ({}, set()),
]


@pytest.mark.parametrize(("lists", "wanted"), SUBSCRIPTIONS)
async def test_a_subscription_is_by_game_or_parent_or_league_or_sport(
    fake_exchange: FakeExchange,
    feed: Listener,
    game: BookGame,
    other: BookGame,
    child: BookGame,
    lists: dict[str, Any],
    wanted: set[str],
) -> None:
    games = {"game": game.game_id, "other": other.game_id, "child": child.game_id}
    lists = {name: [games.get(value, value) for value in values] for name, values in lists.items()}
    await feed.command(fake_exchange, "subscribe", **lists, replace=True)
    told = await told_from_now(fake_exchange, feed)
    assert told == {games[each] for each in wanted}


async def test_a_subscription_without_replace_is_added(
    fake_exchange: FakeExchange, feed: Listener, game: BookGame, other: BookGame
) -> None:
    await feed.command(fake_exchange, "subscribe", gameIDs=[game.game_id], replace=True)
    await feed.command(fake_exchange, "subscribe", leagueIDs=["EPL"], replace=False)
    assert await told_from_now(fake_exchange, feed) == {game.game_id, other.game_id}


async def test_a_subscription_with_replace_takes_the_place_of_the_others(
    fake_exchange: FakeExchange, feed: Listener, game: BookGame, other: BookGame
) -> None:
    await feed.command(fake_exchange, "subscribe", gameIDs=[game.game_id], replace=True)
    await feed.command(fake_exchange, "subscribe", leagueIDs=["EPL"], replace=True)
    assert await told_from_now(fake_exchange, feed) == {other.game_id}


@pytest.mark.parametrize("lists", [{}, {"gameIDs": [], "leagueIDs": [""], "replace": False}])
async def test_an_empty_subscription_that_is_added_changes_nothing(
    fake_exchange: FakeExchange,
    feed: Listener,
    game: BookGame,
    other: BookGame,
    lists: dict[str, Any],
) -> None:
    await feed.command(fake_exchange, "subscribe", **lists)
    assert await told_from_now(fake_exchange, feed) == {game.game_id, other.game_id}


async def test_what_is_no_longer_subscribed_to_is_not_sent(
    fake_exchange: FakeExchange, feed: Listener, game: BookGame, other: BookGame
) -> None:
    both = [game.game_id, other.game_id]
    await feed.command(fake_exchange, "subscribe", gameIDs=both, replace=True)
    await feed.command(fake_exchange, "unsubscribe", gameIDs=[game.game_id])
    assert await told_from_now(fake_exchange, feed) == {other.game_id}


async def test_everything_can_be_subscribed_to_again(
    fake_exchange: FakeExchange, feed: Listener, game: BookGame, other: BookGame
) -> None:
    await feed.command(fake_exchange, "subscribe", replace=True)
    await feed.command(fake_exchange, "subscribeAll")
    assert await told_from_now(fake_exchange, feed) == {game.game_id, other.game_id}


async def test_a_subscription_ends_with_its_connection(
    fake_exchange: FakeExchange, game: BookGame
) -> None:
    async with listening(fake_exchange, PRICES) as first:
        await first.command(fake_exchange, "subscribe", replace=True)
    async with listening(fake_exchange, PRICES) as second:
        assert await told_of(fake_exchange, second) == {game.game_id}


@pytest.mark.parametrize("text", ["", "[]", "null", '{"type": "sing"}', '{"type": ["subscribe"]}'])
async def test_what_is_no_command_changes_nothing(
    fake_exchange: FakeExchange, game: BookGame, feed: Listener, text: str
) -> None:
    await feed.socket.send_str(text)
    await feed.command(fake_exchange, "unsubscribe")
    assert await told_of(fake_exchange, feed) == {game.game_id}


async def test_commands_are_counted_as_what_was_received(
    fake_exchange: FakeExchange, game: BookGame, feed: Listener
) -> None:
    await feed.command(fake_exchange, "subscribe", gameIDs=[game.game_id])
    assert fake_exchange.received("subscribe", game_id=game.game_id) == 1
    assert fake_exchange.requests[-1].account == fake_exchange.account


# Faults.


async def test_a_message_of_a_type_can_be_dropped(
    fake_exchange: FakeExchange, game: BookGame, feed: Listener
) -> None:
    order = fake_exchange.book.place("maker", game.game_id)
    await feed.next()
    fake_exchange.feeds.price.inject(feed_faults.Drop(), type="orderUpdate", game_id=game.game_id)
    fake_exchange.book.fill(order.order_id, 10.0)
    assert (await feed.next())[0] == "matchedVolumeUpdate"


async def test_an_older_epoch_can_come_later(
    fake_exchange: FakeExchange, game: BookGame, feed: Listener
) -> None:
    fake_exchange.feeds.price.inject(feed_faults.Held())
    for _ in range(2):
        fake_exchange.book.place("maker", game.game_id)
        await turn()
    (_, first), (_, second) = await feed.several(2)
    assert first["epoch"] > second["epoch"]


async def test_an_unknown_type_and_unknown_members_can_come(
    fake_exchange: FakeExchange, game: BookGame, feed: Listener
) -> None:
    fake_exchange.feeds.price.inject(feed_faults.UnknownType())
    fake_exchange.feeds.price.inject(feed_faults.UnknownMembers())
    fake_exchange.book.place("maker", game.game_id)
    (unknown, _), (known, _) = await feed.several(2)
    assert (unknown, known) == ("noveltyUpdate", "orderUpdate")
    fake_exchange.book.place("maker", game.game_id)
    _, payload = await feed.next()
    assert "novelty" in payload
    assert all("novelty" in entry for entry in payload["sideOrders"])


async def test_the_payload_of_a_message_can_be_altered(
    fake_exchange: FakeExchange, feed: Listener
) -> None:
    fake_exchange.feeds.price.inject(feed_faults.Altered({"messageType": "marketMoved"}))
    fake_exchange.add_game()
    type_, payload = await feed.next()
    assert (type_, payload["messageType"], payload["league"]) == (
        "gameUpdate",
        "marketMoved",
        "NBA",
    )


async def test_anything_can_be_pushed_to_those_who_want_it(
    fake_exchange: FakeExchange, game: BookGame, feed: Listener
) -> None:
    await feed.command(fake_exchange, "subscribe", leagueIDs=["NFL"], replace=True)
    fake_exchange.feeds.price.push("news", {"gameID": game.game_id})
    fake_exchange.feeds.price.push("news", {"gameID": "unknown"})
    assert await feed.next() == ["news", {"gameID": "unknown"}]


async def test_a_client_that_does_not_read_is_dropped(
    fake_exchange: FakeExchange, feed: Listener
) -> None:
    fake_exchange.feeds.price.buffer = 2**16
    async with listening(fake_exchange, PRICES) as slow:
        assert slow.socket._conn is not None
        assert slow.socket._conn.transport is not None
        slow.socket._conn.transport.pause_reading()
        while len(fake_exchange.feeds) == 2:
            fake_exchange.feeds.price.push("padding", {"padding": "x" * 10_000})
            await feed.next()
        await until(lambda: len(fake_exchange.feeds) == 1)


# The law: who folds the messages as they are documented has the order book of every game.

STEPS = st.lists(
    st.tuples(
        st.sampled_from(["place", "place", "cancel", "fill", "start", "tell"]),
        st.sampled_from(["ann", "bob"]),
        st.sampled_from(["moneyline", "spread", "total", "moneyline1x2"]),
        st.integers(0, 7),
        st.sampled_from([20.0, 33.0, 107.0]),
    ),
    max_size=50,
)
LADDERS = (
    "homeMoneylines",
    "awayMoneylines",
    "homeSpreads",
    "awaySpreads",
    "over",
    "under",
    "homeMoneylines1x2",
    "awayMoneylines1x2",
    "draw1x2",
)


def trade(
    book: Book, games: list[BookGame], what: str, account: str, type_: str, number: int, bet: float
) -> None:
    game = games[number % len(games)]
    sides = {"total": ("over", "under"), "moneyline1x2": ("yes", "no")}
    first, second = sides.get(type_, (game.home_id, game.away_id))
    resting = book.resting()
    if what == "place":
        line = 3.5 + number // 4
        fields = {
            "type": type_,
            "side": second if number % 2 else first,
            "odds": 105 if number % 2 else -110 + number,
            "bet": bet,
            "number": -line if type_ == "spread" and number % 2 else line,
            "market": game.home_id if number < 4 else "draw",
        }
        try:
            place_in(book, account, game.game_id, fields)
        except RejectedError:
            return
    elif what == "start" and number == 0:
        book.start(game.game_id)
    elif what in {"cancel", "fill"} and resting:
        order = resting[number % len(resting)]
        if what == "cancel":
            book.cancel(order)
        else:
            book.fill(order.order_id, bet / 3)


def folded(updates: PriceUpdates, sides: dict[object, Any], epochs: dict[object, int]) -> None:
    for update in updates.drain():
        payload: Any = update.payload("ann")
        if update.type != "orderUpdate":
            continue
        names = ("gameID", "type", "participantID", "market", "side", "OU", "total", "spread")
        side = tuple(payload.get(name) for name in names)
        assert payload["epoch"] > epochs.get(side, 0)
        epochs[side] = payload["epoch"]
        sides[side] = payload["sideOrders"]


@given(STEPS)
def test_the_sides_fold_to_the_order_book_as_the_account_sees_it(
    steps: list[tuple[str, str, str, int, float]],
) -> None:
    book = Book()
    updates = PriceUpdates(book)
    book.events.listeners.append(updates.take)
    games = [book.add_game(league="EPL", sport="soccer") for _ in range(2)]
    sides: dict[object, Any] = {}
    epochs: dict[object, int] = {}
    for what, *step in steps:
        if what == "tell":
            folded(updates, sides, epochs)
        else:
            trade(book, games, what, *step)  # type: ignore[arg-type]  # the rest of the tuple
    folded(updates, sides, epochs)
    told = {entry["id"]: entry for side in sides.values() for entry in side}
    assert len(told) == sum(map(len, sides.values()))
    shown: dict[str, Any] = {}
    for game in games:
        document: Any = flat(game, book.resting([game.game_id]), "ann")
        shown |= {entry["id"]: entry for name in LADDERS for entry in document[name]}
    assert told == {key: told.get(key, {}) | entry for key, entry in shown.items()}
