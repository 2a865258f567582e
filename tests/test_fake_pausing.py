"""How the sandbox takes an account's orders out of the book for a while, and puts them back."""

from typing import Any

import pytest
from fake_client import ask, moneyline, place

from fourcasters_async.testing import BookOrder, FakeExchange

PAUSE = "POST /session/pauseOrders"
RESUME = "POST /session/resumeOrders"


@pytest.fixture
def order(fake_exchange: FakeExchange) -> BookOrder:
    game = fake_exchange.add_game()
    return fake_exchange.book.place(
        fake_exchange.account,
        game.game_id,
        type="spread",
        number=-1.5,
        odds=130,
        side=game.away_id,
        user_reference="mine",
    )


async def pause(exchange: FakeExchange) -> Any:
    return (await ask(exchange, PAUSE)).data


async def resume(exchange: FakeExchange) -> Any:
    return (await ask(exchange, RESUME)).data


async def test_a_pause_cancels_everything_of_the_account_alone(
    fake_exchange: FakeExchange, order: BookOrder
) -> None:
    foreign = fake_exchange.book.place("another", order.game_id)
    fake_exchange.add_game(orders=2)
    results = await pause(fake_exchange)
    assert [result["success"] for result in results] == [True] * 3
    assert results[0]["sessionID"] == order.order_id
    assert fake_exchange.book.resting() == [foreign]


async def test_what_was_paused_comes_back_as_it_was_with_a_new_id(
    fake_exchange: FakeExchange, order: BookOrder
) -> None:
    await pause(fake_exchange)
    fake_exchange.move_clock(60)
    (result,) = await resume(fake_exchange)
    (back,) = fake_exchange.open_orders()
    assert back.placed_at >= 60
    assert result["unmatched"]["orderID"] == back.order_id != order.order_id
    assert back.line == order.line
    assert (back.odds, back.offered, back.user_reference) == (130, 100.0, "mine")
    assert back.wager_request_id != order.wager_request_id


async def test_only_what_was_left_of_an_order_comes_back(
    fake_exchange: FakeExchange, order: BookOrder
) -> None:
    fake_exchange.book.fill(order.order_id, 99.9)
    await pause(fake_exchange)
    await resume(fake_exchange)
    assert [back.offered for back in fake_exchange.open_orders()] == [0.1]


async def test_orders_come_back_once(fake_exchange: FakeExchange, order: BookOrder) -> None:
    await pause(fake_exchange)
    await resume(fake_exchange)
    assert await resume(fake_exchange) == []
    assert len(fake_exchange.open_orders()) == 1


async def test_a_second_pause_does_not_forget_the_first(
    fake_exchange: FakeExchange, order: BookOrder
) -> None:
    await pause(fake_exchange)
    fake_exchange.add_game(orders=1)
    await pause(fake_exchange)
    assert len(await resume(fake_exchange)) == 2


async def test_orders_can_be_placed_while_others_are_paused(
    fake_exchange: FakeExchange, order: BookOrder
) -> None:
    await pause(fake_exchange)
    await place(fake_exchange, order.game_id)
    await resume(fake_exchange)
    assert len(fake_exchange.open_orders()) == 2


async def test_nothing_comes_back_without_a_pause(
    fake_exchange: FakeExchange, order: BookOrder
) -> None:
    fake_exchange.book.cancel(order)
    assert await pause(fake_exchange) == []
    assert await resume(fake_exchange) == []


@pytest.mark.parametrize("change", ["begun", "ended", "expired"])
async def test_an_order_stays_away_if_its_time_is_over(
    fake_exchange: FakeExchange, order: BookOrder, change: str
) -> None:
    book = fake_exchange.book
    await place(fake_exchange, order.game_id, expirationMinutes=10)
    book.cancel(order)
    await pause(fake_exchange)
    if change == "begun":
        book.start(order.game_id)
    elif change == "ended":
        book.settle(order.game_id, away=1, home=2)
    else:
        fake_exchange.move_clock(601)
    assert await resume(fake_exchange) == []
    assert fake_exchange.open_orders() == []


async def test_an_order_keeps_the_time_at_which_it_expires(fake_exchange: FakeExchange) -> None:
    await place(fake_exchange, fake_exchange.add_game().game_id, expirationMinutes=10)
    await pause(fake_exchange)
    fake_exchange.move_clock(590)
    await resume(fake_exchange)
    assert len(fake_exchange.open_orders()) == 1
    fake_exchange.move_clock(20)
    assert fake_exchange.open_orders() == []


async def test_an_order_of_a_live_game_comes_back(fake_exchange: FakeExchange) -> None:
    game = fake_exchange.add_game()
    fake_exchange.book.start(game.game_id)
    await place(fake_exchange, game.game_id)
    await pause(fake_exchange)
    assert len(await resume(fake_exchange)) == 1


async def test_an_order_without_the_money_for_it_is_an_error_in_its_place(
    fake_exchange: FakeExchange, order: BookOrder
) -> None:
    await pause(fake_exchange)
    fake_exchange.book.account(fake_exchange.account).balance = 99.0
    (result,) = await resume(fake_exchange)
    assert result == {"error": "insufficient balance", "errorType": "rejected_liability"}
    fake_exchange.book.account(fake_exchange.account).balance = 100.0
    assert await resume(fake_exchange) == []


async def test_an_order_that_comes_back_matches_what_rests_by_now(
    fake_exchange: FakeExchange, order: BookOrder
) -> None:
    fake_exchange.book.cancel(order)
    mine = moneyline(fake_exchange, order.game_id, odds=110, bet=50.0)
    await ask(fake_exchange, "POST /session/v3/place", orders=[mine])
    await pause(fake_exchange)
    away = fake_exchange.book.games[order.game_id].away_id
    fake_exchange.book.place("another", order.game_id, side=away, odds=-110, offered=110.0)
    (result,) = await resume(fake_exchange)
    assert [fill["amount"] for fill in result["matched"]] == [50.0]
    assert fake_exchange.open_orders() == []
