"""What the sandbox keeps shows itself in one short line: a test that fails may print it."""

from typing import Any

import attrs
import pytest
from support import CANARY

from fourcasters_async.testing import (
    Book,
    BookAccount,
    BookGame,
    BookOrder,
    FakeExchange,
    Received,
    Requests,
    faults,
    feed_faults,
)
from fourcasters_async.testing.answers import Answer, Asked
from fourcasters_async.testing.book_events import BookEvent
from fourcasters_async.testing.orders_channel import Message
from fourcasters_async.testing.placing import Placed
from fourcasters_async.testing.records import BookFill, Paused

NORMAL = 500
KINDS: list[Any] = [
    Answer,
    Asked,
    Book,
    BookAccount,
    BookEvent,
    BookFill,
    BookGame,
    BookOrder,
    Message,
    Paused,
    Placed,
    Received,
    faults.Respond,
    feed_faults.Instead,
]


@pytest.mark.parametrize("value", ["\n" * 9000, b"\0" * 9000, ["x"] * 9000, {"x" * 9000: 1}])
@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: str(kind.__name__))
def test_whatever_is_in_it_its_repr_is_one_short_line(kind: Any, value: object) -> None:
    made = kind.__new__(kind)
    for field in attrs.fields(kind):
        object.__setattr__(made, field.name, value)
    assert len(repr(made)) <= NORMAL
    assert repr(made).isprintable()
    assert repr(made).startswith(f"{kind.__name__}({attrs.fields(kind)[0].name}=")


def test_a_book_and_what_was_received_are_counted(fake_exchange: FakeExchange) -> None:
    fake_exchange.add_game(orders=12)
    assert repr(fake_exchange.book).startswith("Book(games=<1>, orders=<12>, accounts=<")
    received = Received("GET", "/user/getMe", {"Authorization": CANARY}, b"", "me")
    assert repr(Requests([received] * 2000)) == "<Requests: 2,000>"


def test_what_is_secret_is_not_shown(fake_exchange: FakeExchange) -> None:
    account = BookAccount("me", CANARY)
    received = Received("GET", "/user/getMe", {"Authorization": CANARY}, b"", "me")
    shown = repr([account, received, fake_exchange.book])
    assert CANARY not in shown
    assert fake_exchange.token not in shown


def test_an_order_of_the_book_shows_what_is_known_of_it() -> None:
    order = BookOrder("65b0", "me", "688c", "total", -110, 50.0, number=220.5, side="over")
    assert repr(order).startswith(
        "BookOrder(order_id='65b0', account='me', game_id='688c', type='total', odds=-110, "
        "offered=50.0, filled=0.0, number=220.5, side='over', placed_at=0.0, cancelled=False"
    )
