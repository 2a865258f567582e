"""How the sandbox places and edits orders over REST, with plain aiohttp."""

from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import datetime, timedelta
from typing import Any

import aiohttp
import pytest

from fourcasters_async.testing import BookGame, BookOrder, FakeExchange

Ask = Callable[..., Awaitable[tuple[int, Any]]]

NOWHERE = "f" * 24


@pytest.fixture
async def ask(fake_exchange: FakeExchange) -> AsyncIterator[Ask]:
    async with aiohttp.ClientSession(
        fake_exchange.url, headers={"Authorization": f"Bearer {fake_exchange.token}"}
    ) as client:

        async def ask(path: str, **body: object) -> tuple[int, Any]:
            method = "GET" if path == "/user/getUnmatched" else "POST"
            async with client.request(method, path, json=body) as response:
                return response.status, await response.json()

        yield ask


@pytest.fixture
def game(fake_exchange: FakeExchange) -> BookGame:
    return fake_exchange.add_game()


def moneyline(game: BookGame, **others: object) -> dict[str, object]:
    order = {"gameID": game.game_id, "type": "moneyline", "side": game.home_id}
    return {**order, "odds": -110, "bet": 25.5, **others}


async def place_one(ask: Ask, order: object) -> Any:
    status, document = await ask("/session/v3/place", orders=[order])
    assert status == 200
    (result,) = document["data"]["createdSessions"]
    return result


async def test_a_placed_order_rests_whole_as_it_was_given(
    fake_exchange: FakeExchange, ask: Ask, game: BookGame
) -> None:
    result = await place_one(ask, moneyline(game, userReference="mine"))
    (order,) = fake_exchange.open_orders(game.game_id)
    assert result == {
        "matched": [],
        "unmatched": {
            "orderID": order.order_id,
            "wagerRequestID": order.order_id[::-1],
            "offered": 25.5,
            "odds": -110,
            "type": "moneyline",
            "side": game.home_id,
            "number": None,
            "userReference": "mine",
        },
    }
    assert (order.offered, order.odds, order.user_reference) == (25.5, -110, "mine")


@pytest.mark.parametrize("order_type", ["limit", "post", "postArb"])
async def test_an_order_of_a_maker_rests(
    fake_exchange: FakeExchange, ask: Ask, game: BookGame, order_type: str
) -> None:
    assert "unmatched" in await place_one(ask, moneyline(game, orderType=order_type))
    assert len(fake_exchange.open_orders()) == 1


@pytest.mark.parametrize("order_type", ["fillAndKill", "fillOrKill"])
async def test_an_order_of_a_taker_finds_nothing_to_match_with(
    fake_exchange: FakeExchange, ask: Ask, game: BookGame, order_type: str
) -> None:
    result = await place_one(ask, moneyline(game, orderType=order_type))
    assert result["errorType"] == "rejected_order_type_rules"
    assert not fake_exchange.open_orders()


async def test_the_market_of_a_three_way_moneyline_is_kept(
    fake_exchange: FakeExchange, ask: Ask, game: BookGame
) -> None:
    order = moneyline(game, type="moneyline1x2", side="no", market="draw")
    assert (await place_one(ask, order))["unmatched"]["market"] == "draw"
    assert fake_exchange.open_orders()[0].market == "draw"
    _, document = await ask("/user/getUnmatched")
    assert document["data"]["unmatched"][0]["market"] == "draw"


@pytest.mark.parametrize(
    ("wrong", "error"),
    [
        ({"gameID": NOWHERE}, "game not found"),
        ({"gameID": None}, "game not found"),
        ({"type": "prop"}, "invalid type"),
        ({"type": ["moneyline"]}, "invalid type"),
        ({"side": "over"}, "invalid side"),
        ({"side": NOWHERE}, "invalid side"),
        ({"type": "total", "number": 8.5}, "invalid side"),
        ({"type": "moneyline1x2", "side": "draw", "market": "draw"}, "invalid side"),
        ({"type": "moneyline1x2", "side": "yes"}, "invalid market"),
        ({"type": "moneyline1x2", "side": "yes", "market": "tie"}, "invalid market"),
        ({"odds": 99}, "invalid odds"),
        ({"odds": -110.0}, "invalid odds"),
        ({"odds": "-110"}, "invalid odds"),
        ({"odds": None}, "invalid odds"),
        ({"bet": 0}, "invalid bet"),
        ({"bet": -1.5}, "invalid bet"),
        ({"bet": "25"}, "invalid bet"),
        ({"bet": True}, "invalid bet"),
        ({"type": "spread"}, "invalid number"),
        ({"type": "total", "side": "over"}, "invalid number"),
        ({"type": "spread", "number": "-3.5"}, "invalid number"),
        ({"orderType": "market"}, "invalid orderType"),
        ({"orderType": None}, "invalid orderType"),
        ({"expirationMinutes": 0}, "invalid expirationMinutes"),
        ({"expirationMinutes": 1.5}, "invalid expirationMinutes"),
        ({"expirationMinutes": 10**9}, "invalid expirationMinutes"),
        ({"userReference": 7}, "invalid userReference"),
    ],
    ids=str,
)
async def test_an_order_that_is_not_valid_is_an_error_in_its_place(
    fake_exchange: FakeExchange, ask: Ask, game: BookGame, wrong: dict[str, object], error: str
) -> None:
    result = await place_one(ask, moneyline(game, **wrong))
    assert result == {"error": error, "errorType": "validation_error"}
    assert not fake_exchange.open_orders()


async def test_an_order_that_is_no_object_is_an_error_in_its_place(ask: Ask) -> None:
    assert (await place_one(ask, "order"))["errorType"] == "validation_error"


async def test_results_come_in_the_order_of_the_orders(ask: Ask, game: BookGame) -> None:
    orders = [moneyline(game, odds=odds) for odds in (101, 0, 103)]
    _, document = await ask("/session/v3/place", orders=orders)
    results = document["data"]["createdSessions"]
    assert [result.get("unmatched", {}).get("odds") for result in results] == [101, None, 103]


async def test_a_bet_above_the_maximum_liability_is_rejected(
    fake_exchange: FakeExchange, ask: Ask, game: BookGame
) -> None:
    fake_exchange.book.accounts[fake_exchange.account].max_liability = 25.0
    assert (await place_one(ask, moneyline(game)))["errorType"] == "rejected_liability"
    assert "unmatched" in await place_one(ask, moneyline(game, bet=25))


@pytest.mark.parametrize("body", [{}, {"orders": {}}, {"orders": None}], ids=str)
async def test_orders_that_are_no_list_are_refused(ask: Ask, body: dict[str, object]) -> None:
    assert await ask("/session/v3/place", **body) == (400, {"error": "orders must be an array"})


async def test_an_order_is_cancelled_when_it_expires_and_not_before(
    fake_exchange: FakeExchange, ask: Ask, game: BookGame
) -> None:
    await place_one(ask, moneyline(game, expirationMinutes=5))
    await place_one(ask, moneyline(game, expirationMinutes=10))
    await place_one(ask, moneyline(game))
    fake_exchange.move_clock(4.5 * 60)
    assert len(fake_exchange.open_orders()) == 3
    fake_exchange.move_clock(60)
    assert len(fake_exchange.open_orders()) == 2


async def test_what_was_filled_stays_filled_when_it_expires(
    fake_exchange: FakeExchange, ask: Ask, game: BookGame
) -> None:
    await place_one(ask, moneyline(game, expirationMinutes=1))
    (order,) = fake_exchange.open_orders()
    fake_exchange.book.fill(order.order_id, 25.5)
    fake_exchange.move_clock(120)
    assert not order.cancelled


async def test_an_open_order_shows_when_it_expires(ask: Ask, game: BookGame) -> None:
    await place_one(ask, moneyline(game, expirationMinutes=5))
    await place_one(ask, moneyline(game))
    _, document = await ask("/user/getUnmatched")
    limited, unlimited = document["data"]["unmatched"]
    created, expiry = (datetime.fromisoformat(limited[key]) for key in ("createdAt", "expiry"))
    assert expiry - created == timedelta(minutes=5)
    assert expiry.tzinfo is not None
    assert unlimited["expiry"] is None


@pytest.fixture
def order(fake_exchange: FakeExchange, game: BookGame) -> BookOrder:
    return fake_exchange.book.place(
        fake_exchange.account, game.game_id, type="spread", user_reference="mine"
    )


async def edit(ask: Ask, order: BookOrder, **changes: object) -> tuple[int, Any]:
    return await ask("/session/editOrder", sessionID=order.order_id, **changes)


async def test_an_edit_cancels_the_order_and_places_another(
    fake_exchange: FakeExchange, ask: Ask, order: BookOrder
) -> None:
    status, document = await edit(ask, order, orderOdds=120, orderVolume=40)
    (new,) = fake_exchange.open_orders()
    assert status == 200
    assert document["data"]["cancelled"]["sessionID"] == order.order_id
    assert document["data"]["cancelled"]["remaining"] == 100.0
    assert document["data"]["matched"] == []
    assert document["data"]["unmatched"]["orderID"] == new.order_id != order.order_id
    assert (new.odds, new.offered, new.number) == (120, 40, order.number)
    assert (new.side, new.user_reference) == (order.side, None)


@pytest.mark.parametrize("missing", [{"orderOdds": None}, {"orderOdds": 0}, {"orderVolume": None}])
async def test_odds_and_volume_of_an_edit_are_required(
    fake_exchange: FakeExchange, ask: Ask, order: BookOrder, missing: dict[str, object]
) -> None:
    status, _ = await edit(ask, order, **{"orderOdds": 120, "orderVolume": 40, **missing})
    assert status == 400
    assert fake_exchange.open_orders() == [order]


async def test_an_edit_can_rename_an_order_and_let_it_expire(
    fake_exchange: FakeExchange, ask: Ask, order: BookOrder
) -> None:
    await edit(
        ask,
        order,
        orderOdds=120,
        orderVolume=10,
        userReference="yours",
        expiryChange="5",
        intendedOrderVolume=10,
        orderType="post",
    )
    assert fake_exchange.open_orders()[0].user_reference == "yours"
    fake_exchange.move_clock(301)
    assert not fake_exchange.open_orders()


@pytest.mark.parametrize(("live", "rests"), [(False, True), (True, False)])
async def test_a_replacement_does_not_inherit_the_expiry(
    fake_exchange: FakeExchange, ask: Ask, game: BookGame, *, live: bool, rests: bool
) -> None:
    await place_one(ask, moneyline(game, expirationMinutes=30))
    (order,) = fake_exchange.open_orders()
    game.live = live
    await edit(ask, order, orderOdds=130, orderVolume=40)
    (new,) = fake_exchange.open_orders()
    assert (new.expiry is None) is rests
    fake_exchange.move_clock(301)
    assert bool(fake_exchange.open_orders()) is rests


@pytest.mark.parametrize(("side", "status"), [("over", 400), ("under", 200)])
async def test_a_guarded_edit_may_want_an_order_on_the_other_side(
    fake_exchange: FakeExchange, ask: Ask, game: BookGame, side: str, status: int
) -> None:
    place = fake_exchange.book.place
    mine = place(fake_exchange.account, game.game_id, type="total", side="over")
    place("other", game.game_id, type="total", side=side)
    answered, _ = await edit_v4(
        ask, mine, orderOdds=120, orderVolume=30, blockIfNoOtherSideOrders=True
    )
    assert (answered, mine.cancelled) == (status, status == 200)


async def test_an_edit_without_the_volume_cancels_the_order_and_then_fails(
    fake_exchange: FakeExchange, ask: Ask, order: BookOrder
) -> None:
    status, _ = await edit(ask, order, orderOdds=120, bet=40)
    assert status == 400
    assert order.cancelled
    assert not fake_exchange.open_orders()


@pytest.mark.parametrize(
    "change",
    [
        {"orderOdds": 5},
        {"orderVolume": -1},
        {"orderVolume": "40"},
        {"orderType": "fillOrKill"},
        {"userReference": 7},
        {"expiryChange": 5},
        {"expiryChange": "soon"},
        {"intendedOrderVolume": "40"},
    ],
    ids=str,
)
async def test_an_edit_that_is_not_valid_changes_nothing(
    fake_exchange: FakeExchange, ask: Ask, order: BookOrder, change: dict[str, object]
) -> None:
    status, _ = await edit(ask, order, **{"orderOdds": 120, "orderVolume": 40, **change})
    assert status == 400
    assert fake_exchange.open_orders() == [order]


@pytest.mark.parametrize("which", ["unknown", "foreign", "cancelled", "filled", "malformed"])
async def test_an_order_that_cannot_be_edited_is_refused(
    fake_exchange: FakeExchange, ask: Ask, order: BookOrder, which: str
) -> None:
    if which == "foreign":
        order = fake_exchange.book.place("other", order.game_id)
    elif which == "cancelled":
        order.cancelled = True
    elif which == "filled":
        fake_exchange.book.fill(order.order_id, 100.0)
    named = {"unknown": NOWHERE, "malformed": "short"}.get(which, order.order_id)
    status, _ = await ask("/session/editOrder", sessionID=named, orderVolume=None)
    assert status == 400
    assert len(fake_exchange.book.orders) == 1 + (which == "foreign")


async def edit_v4(ask: Ask, order: BookOrder, **changes: object) -> tuple[int, Any]:
    return await ask("/session/v4/editOrder", sessionID=order.order_id, **changes)


@pytest.mark.parametrize("intended", [59.0, 60.0, 61.0, None])
async def test_a_guarded_edit_replaces_an_order_whose_open_volume_is_as_intended(
    fake_exchange: FakeExchange, ask: Ask, order: BookOrder, intended: float | None
) -> None:
    fake_exchange.book.fill(order.order_id, 40.0)
    guard = {} if intended is None else {"intendedOrderVolume": intended}
    status, document = await edit_v4(ask, order, orderOdds=120, orderVolume=30, **guard)
    (new,) = fake_exchange.open_orders()
    assert status == 200
    assert document["data"]["cancelled"]["sessionID"] == order.order_id
    assert document["data"]["unmatched"]["orderID"] == new.order_id
    assert (new.odds, new.offered) == (120, 30)


@pytest.mark.parametrize("intended", [58.9, 61.1, 100.0])
async def test_a_guarded_edit_only_cancels_an_order_whose_open_volume_is_not_as_intended(
    fake_exchange: FakeExchange, ask: Ask, order: BookOrder, intended: float
) -> None:
    fake_exchange.book.fill(order.order_id, 40.0)
    status, document = await edit_v4(
        ask, order, orderOdds=120, orderVolume=30, intendedOrderVolume=intended
    )
    assert status == 200
    assert document["data"].keys() == {"cancelled"}
    assert document["data"]["cancelled"]["success"] is True
    assert order.cancelled
    assert fake_exchange.open_orders() == []


@pytest.mark.parametrize(
    ("change", "kind"),
    [
        ({"orderVolume": -1}, "validation_error"),
        ({"orderVolume": 40, "intendedOrderVolume": "40"}, "validation_error"),
        (
            {"orderOdds": 120, "orderVolume": 40, "orderType": "fillOrKill"},
            "rejected_order_type_rules",
        ),
        ({"orderOdds": 120}, "validation_error"),
    ],
    ids=str,
)
async def test_a_guarded_edit_that_is_not_valid_changes_nothing_and_has_a_kind(
    fake_exchange: FakeExchange,
    ask: Ask,
    order: BookOrder,
    change: dict[str, object],
    kind: str,
) -> None:
    status, document = await edit_v4(ask, order, **change)
    assert (status, document["errorType"]) == (400, kind)
    assert fake_exchange.open_orders() == [order]
