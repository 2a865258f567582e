"""The names of requests: what a test of a bot may name, and the table that lists them."""

import re
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from fourcasters_async import Account, AsyncSession, FourcastersError, Markets, NewOrder
from fourcasters_async.testing import FakeExchange, faults
from fourcasters_async.testing.endpoints import NAMES, OVER_HTTP, OVER_WEBSOCKET
from fourcasters_async.testing.price_feed import COMMANDS

PAGE = Path(__file__).parents[1] / "docs" / "testing.md"
THE_LIST = "docs/testing.md has all names, under 'Names of requests'"
GAME = "688c0516fbc14da0c202d426"


async def inject(exchange: FakeExchange, **names: Any) -> None:
    exchange.inject(faults.Stall(), **names)


async def count(exchange: FakeExchange, **names: Any) -> None:
    exchange.received(**names)


async def select(exchange: FakeExchange, **names: Any) -> None:
    exchange.requests.to(**names)


async def wait(exchange: FakeExchange, **names: Any) -> None:
    await exchange.wait_for(**{"endpoint": "place", **names})


async def drop(exchange: FakeExchange, **names: Any) -> None:
    await exchange.drop_sockets(**names)


TAKE_ENDPOINTS = [inject, count, select, wait, drop]
TAKE_GAMES = [inject, count, select, wait]


@pytest.mark.parametrize("ask", TAKE_ENDPOINTS)
async def test_an_endpoint_that_is_not_served_is_refused_and_the_list_is_named(
    fake_exchange: FakeExchange, ask: Callable[..., Any]
) -> None:
    with pytest.raises(ValueError, match=re.escape(THE_LIST)) as refused:
        await ask(fake_exchange, endpoint="nothing-like-it")
    assert str(refused.value).startswith("endpoint: 'nothing-like-it' is not served; ")


@pytest.mark.parametrize(
    ("named", "meant"),
    [
        ("cancelAllOrderForGame", "cancelAllOrdersForGame"),
        ("cancel_all_orders_for_game", "cancelAllOrdersForGame"),
        ("POST /session/cancelAllOrdersForGame", "cancelAllOrdersForGame"),
        ("get_unmatched", "getUnmatched"),
        ("pricestream", "price-stream"),
        ("Place", "place"),
        ("placev3", "placeV3"),
    ],
)
def test_the_nearest_name_is_offered(fake_exchange: FakeExchange, named: str, meant: str) -> None:
    with pytest.raises(ValueError, match=f"did you mean '{meant}'\\?"):
        fake_exchange.inject(faults.Stall(), endpoint=named)


def test_a_fault_that_is_refused_strikes_nothing(fake_exchange: FakeExchange) -> None:
    with pytest.raises(ValueError, match="endpoint"):
        fake_exchange.inject(faults.Stall(), endpoint="typo")
    fake_exchange.assert_all_faults_struck()


async def test_only_a_websocket_can_be_dropped(fake_exchange: FakeExchange) -> None:
    with pytest.raises(ValueError, match=r"did you mean 'user'\?"):
        await fake_exchange.drop_sockets(endpoint="users")
    with pytest.raises(ValueError, match="endpoint: 'place' is not served"):
        await fake_exchange.drop_sockets(endpoint="place")


@pytest.mark.parametrize("name", sorted(NAMES))
async def test_every_name_may_be_named(fake_exchange: FakeExchange, name: str) -> None:
    for ask in (inject, count, select):
        await ask(fake_exchange, endpoint=name)


@pytest.mark.parametrize("ask", TAKE_GAMES)
async def test_a_game_is_named_by_its_id(
    fake_exchange: FakeExchange, ask: Callable[..., Any]
) -> None:
    game = fake_exchange.add_game()
    with pytest.raises(ValueError, match=r"^game_id: must be the id of a game"):
        await ask(fake_exchange, game_id=game)


async def test_a_fault_of_a_feed_names_its_game_by_the_id(fake_exchange: FakeExchange) -> None:
    game: Any = fake_exchange.add_game()
    fault: Any = faults.Stall()
    with pytest.raises(ValueError, match=r"^game_id: must be the id of a game"):
        fake_exchange.feeds.user.inject(fault, game_id=game)


async def test_a_fault_strikes_a_game_that_is_added_after_it(
    fake_exchange: FakeExchange, session: AsyncSession
) -> None:
    fake_exchange.inject(faults.Unavailable(), endpoint="cancelAllOrdersForGame", game_id=GAME)
    fake_exchange.book.add_game(GAME)
    await session.cancel_all_orders_for_game(GAME)
    fake_exchange.assert_all_faults_struck()


async def test_each_command_of_the_price_feed_changes_what_is_sent(
    fake_exchange: FakeExchange,
) -> None:
    heard, command = fake_exchange.add_game().game_id, {"gameIDs": [GAME]}
    headers = {"Authorization": fake_exchange.token}
    wants: dict[str, bool] = {}
    async with (
        aiohttp.ClientSession(headers=headers) as client,
        client.ws_connect(f"{fake_exchange.streaming_url}/price-stream") as socket,
    ):
        game = fake_exchange.book.games[heard]
        (connection,) = fake_exchange.feeds.price._open
        for type_ in ("subscribe", "subscribeAll", "unsubscribe"):
            await socket.send_json({"type": type_, **command})
            await fake_exchange.wait_for(type_)
            wants[type_] = connection.subscription.wants(game)
    assert set(wants) == set(COMMANDS)
    assert wants == {"subscribe": False, "subscribeAll": True, "unsubscribe": True}


def rows(*heads: str) -> list[list[str]]:
    """Return the cells of the table on the page that has these heads."""
    head = "\\| " + " \\| ".join(map(re.escape, heads)) + " \\|\n\\|[-| ]+\\|\n"
    (body,) = re.findall(f"{head}((?:\\|.*\\|\n)+)", PAGE.read_text())
    return [[*map(str.strip, line[1:-1].split("|"))] for line in body.splitlines()]


def names_in(cell: str) -> set[str]:
    return set(re.findall(r"`([\w-]+)`", cell))


VERBS = rows("what the bot does", "over REST", "over the Orders WebSocket")
OTHERS = rows("what it is", "names")


def test_the_page_lists_every_name_and_no_other() -> None:
    listed = [names_in(cell) for _, *cells in (*VERBS, *OTHERS) for cell in cells]
    assert set().union(*listed) == NAMES


def test_the_page_puts_each_name_of_a_verb_under_its_transport() -> None:
    for _, http, websocket in VERBS:
        assert names_in(http) <= OVER_HTTP
        assert names_in(websocket) <= OVER_WEBSOCKET


ID = "65b036df0000000000000001"
ORDER = NewOrder(GAME, "total", "over", odds=-110, bet=50.0, number=220.5)
CALLS: dict[str, Callable[[Any], Any]] = {
    "place": lambda orders: orders.place([ORDER]),
    "edit_order": lambda orders: orders.edit_order(ID, order_odds=-115, order_volume=50.0),
    "lookup_order": lambda orders: orders.lookup_order(ID),
    "cancel": lambda orders: orders.cancel(ID),
    "cancel_multiple": lambda orders: orders.cancel_multiple([ID]),
    "cancel_by_reference": lambda orders: orders.cancel_by_reference(GAME, ["a"]),
    "cancel_all_orders_for_game": lambda orders: orders.cancel_all_orders_for_game(GAME),
    "cancel_all_orders_for_games": lambda orders: orders.cancel_all_orders_for_games([GAME]),
    "cancel_all_orders": lambda orders: orders.cancel_all_orders(),
    "cancel_all_for_league": lambda orders: orders.cancel_all_for_league("NBA"),
}
NAMED = [
    pytest.param(verb, http, websocket, id=verb)
    for verbs, http, websocket in VERBS
    for verb in sorted(names_in(verbs))
    if verb in CALLS
]


async def sent(call: Callable[[Any], Any], exchange: FakeExchange, orders: object) -> set[str]:
    """Return what a call sends, whatever comes of it."""
    exchange.requests.clear()
    with suppress(FourcastersError):
        await call(orders)
    return {each.endpoint for each in exchange.requests}


def test_every_verb_of_the_page_but_the_beats_is_called_here() -> None:
    named = {verb for verbs, *_ in VERBS for verb in names_in(verbs)}
    assert named - {"dead_man_switch"} == CALLS.keys()


@pytest.mark.parametrize(("verb", "http", "websocket"), NAMED)
async def test_a_verb_sends_what_the_page_says(
    fake_exchange: FakeExchange, session: AsyncSession, verb: str, http: str, websocket: str
) -> None:
    fake_exchange.book.add_game(GAME)
    async with session.orders_socket() as orders:
        assert await sent(CALLS[verb], fake_exchange, session) == names_in(http)
        if names_in(websocket):
            assert await sent(CALLS[verb], fake_exchange, orders) == names_in(websocket)
        else:
            assert not hasattr(orders, verb)


async def test_a_switch_sends_the_beats_that_the_page_says(
    fake_exchange: FakeExchange, session: AsyncSession
) -> None:
    ((_, http, websocket),) = [row for row in VERBS if "dead_man_switch" in row[0]]
    async with session.dead_man_switch(30):
        assert {each.endpoint for each in fake_exchange.requests} == names_in(http)
    async with session.orders_socket() as orders:
        fake_exchange.requests.clear()
        async with orders.dead_man_switch(30):
            assert {each.endpoint for each in fake_exchange.requests} == names_in(websocket)


async def test_a_halt_and_its_proof_send_what_the_page_says(
    fake_exchange: FakeExchange, session: AsyncSession
) -> None:
    fake_exchange.book.add_game(GAME)
    text = " ".join(PAGE.read_text().split())
    (said,) = re.findall(r"A `halt` of games sends .*? is cancelled with `\w+`\.", text)
    of_games = await sent(lambda session: session.halt([GAME]), fake_exchange, session)
    of_all = await sent(lambda session: session.halt(), fake_exchange, session)
    flat = await sent(lambda session: session.flatten(), fake_exchange, session)
    assert of_games == {"cancelAllOrdersForGame", "getUnmatched"}
    assert of_all == flat == {"cancelAllOrders", "getUnmatched"}
    assert of_games | of_all <= names_in(said)


@pytest.mark.parametrize("reads", [Account, Markets])
def test_a_read_has_the_name_of_its_method(reads: type) -> None:
    kind = "account" if reads is Account else "markets"
    ((_, names),) = [row for row in OTHERS if row[0] == f"reads of the {kind}"]
    in_snake_case = {re.sub("([A-Z]+)", r"_\1", name).lower() for name in names_in(names)}
    assert in_snake_case == {name for name in dir(reads) if name.startswith("get_")}
