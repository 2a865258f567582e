"""The sandbox does the same for the same calls, and its tokens alone are random."""

from attrs import asdict
from fake_client import ask
from hypothesis import given
from hypothesis import strategies as st
from trading import ACCOUNTS, Order, orders, trade

from fourcasters_async.testing import Book, FakeExchange


def state(book: Book) -> object:
    """Return all that there is in a book but for the tokens."""
    return (
        [asdict(order) for order in book.orders.values()],
        [asdict(game) for game in book.games.values()],
        [asdict(account) for account in book.accounts.values()],
        list(book.ledger.settled.values()),
        [book.at_risk(name) for name in ACCOUNTS],
    )


@given(st.lists(orders(), max_size=20))
def test_the_same_trades_give_the_same_book(many: list[Order]) -> None:
    states = []
    for _ in range(2):
        book, game = trade(many)
        book.settle(game.game_id, away=1, home=2)
        states.append(state(book))
    assert states[0] == states[1]


async def answers() -> list[object]:
    async with FakeExchange() as exchange:
        game = exchange.add_game(orders=5)
        seen = [
            await ask(exchange, "POST /session/cancelAllOrdersForGame", gameID=game.game_id),
            await ask(exchange, "GET /exchange/getSingleOrderbook", gameID=game.game_id),
            await ask(exchange, "GET /user/getMe"),
        ]
        return [response.document for response in seen]


async def test_the_same_requests_get_the_same_answers() -> None:
    assert await answers() == await answers()


def test_every_token_is_another() -> None:
    assert FakeExchange().token != FakeExchange().token
