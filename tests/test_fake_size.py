"""The sandbox with as many games and orders as the exchange has on a busy day."""

import pytest
from fake_client import ask
from trading import order_on, put

from fourcasters_async import AsyncSession
from fourcasters_async.testing import Book, BookOrder, FakeExchange

MAKER, TAKER = "maker", "taker"


async def test_three_thousand_games_of_ten_orders_are_served(
    session: AsyncSession, fake_exchange: FakeExchange
) -> None:
    games = [fake_exchange.add_game(orders=10, account=MAKER) for _ in range(2_999)]
    games.append(fake_exchange.add_game(orders=10))
    assert len(await session.markets.get_games("NBA")) == 3_000
    assert len(await session.account.get_unmatched()) == 10
    results = await session.cancel_all_orders_for_game(games[-1].game_id)
    assert len(results) == 10
    assert len(fake_exchange.book.resting()) == 29_990


async def test_ten_thousand_orders_come_in_one_read(
    session: AsyncSession, fake_exchange: FakeExchange
) -> None:
    for _ in range(1_000):
        fake_exchange.add_game(orders=10)
    read = await session.account.get_unmatched()
    placed = [order.order_id for order in fake_exchange.open_orders()]
    assert [order.order_id for order in read] == placed
    assert len(placed) == 10_000
    assert len((await ask(fake_exchange, "POST /session/cancelAllOrders")).data) == 10_000


def test_what_has_closed_is_not_looked_at_again(monkeypatch: pytest.MonkeyPatch) -> None:
    book = Book()
    game = book.add_game()
    for name in (MAKER, TAKER):
        book.account(name).balance = 1e6
    for _ in range(300):
        put(book, MAKER, game, order_on(game.home_id))
        put(book, TAKER, game, order_on(game.away_id))
    looked_at: list[str] = []
    is_open = BookOrder.open

    def noted(order: BookOrder) -> bool:
        looked_at.append(order.order_id)
        return bool(is_open.__get__(order))

    monkeypatch.setattr(BookOrder, "open", property(noted))
    put(book, MAKER, game, order_on(game.home_id))
    put(book, TAKER, game, order_on(game.away_id))
    assert len(looked_at) < 30


def test_an_order_looks_at_the_other_side_of_its_line_alone() -> None:
    book = Book()
    game = book.add_game()
    same_side = book.place(MAKER, game.game_id, side=game.away_id)
    book.place(MAKER, game.game_id, type="total")
    book.place(MAKER, book.add_game().game_id, side=game.home_id)
    facing = book.place(MAKER, game.game_id, side=game.home_id)
    assert book.facing(same_side) == [facing]
