"""Random trading in the sandbox's book, by a few accounts that have some money."""

from collections.abc import Iterable, Mapping

from hypothesis import strategies as st

from fourcasters_async.testing import Book, BookGame
from fourcasters_async.testing.placing import Placed, RejectedError, place

ACCOUNTS = ["one", "two", "three"]
STARTED_WITH = 1000.0
CENTS = st.integers(100, 50_000).map(lambda cents: cents / 100)
ODDS = st.integers(100, 140) | st.integers(-140, -100) | st.sampled_from([-1000, 1000, 333])

Order = tuple[str, dict[str, object]]


def put(book: Book, account: str, game: BookGame, fields: Mapping[str, object]) -> Placed:
    return place(book, account, game.game_id, fields)


@st.composite
def orders(draw: st.DrawFn) -> Order:
    """Draw an account and an order of any type. `away` and `home` stand for the teams."""
    type_ = draw(st.sampled_from(["moneyline", "spread", "total", "moneyline1x2"]))
    fields: dict[str, object] = {
        "type": type_,
        "side": draw(st.sampled_from(["away", "home"])),
        "odds": draw(ODDS),
        "bet": draw(CENTS),
        "orderType": draw(
            st.sampled_from(["limit", "limit", "post", "postArb", "fillAndKill", "fillOrKill"])
        ),
    }
    if type_ == "spread":
        fields["number"] = draw(st.sampled_from([-0.5, 0, 0.5, 0.25, -0.25, 1.75, -1.75]))
    if type_ == "total":
        fields |= {
            "number": draw(st.sampled_from([2, 2.25, 3.5])),
            "side": draw(st.sampled_from(["over", "under"])),
        }
    if type_ == "moneyline1x2":
        market = draw(st.sampled_from(["draw", "home"]))
        fields |= {"market": market, "side": draw(st.sampled_from(["yes", "no"]))}
    return draw(st.sampled_from(ACCOUNTS)), fields


def for_game(game: BookGame, fields: Mapping[str, object]) -> dict[str, object]:
    """Put the ids of a game's teams in the place of `away` and `home`."""
    teams = {"away": game.away_id, "home": game.home_id}
    named = {key: fields[key] for key in ("side", "market") if key in fields}
    return {**fields, **{key: teams.get(str(each), each) for key, each in named.items()}}


def opened() -> Book:
    """Return a book in which every account has some money."""
    book = Book()
    for name in ACCOUNTS:
        book.account(name).balance = STARTED_WITH
    return book


def trade(many: Iterable[Order]) -> tuple[Book, BookGame]:
    """Place orders on one game, but for those that are refused."""
    book = opened()
    game = book.add_game()
    for account, fields in many:
        try:
            put(book, account, game, for_game(game, fields))
        except RejectedError:
            continue
    return book, game


def order_on(side: str, bet: float = 100.0) -> dict[str, object]:
    """Return a moneyline at even odds."""
    return {"type": "moneyline", "side": side, "odds": 100, "bet": bet}
