"""What was graded, as the exchange shows it: by the start of the game, or since a cursor."""

import base64
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta

from fourcasters_async.testing import wire
from fourcasters_async.testing.answers import Asked, RefusedError
from fourcasters_async.testing.book import Book
from fourcasters_async.testing.money import Settled
from fourcasters_async.testing.records import BookGame, moment, seconds_at

_PAGE = 100
# In seconds: times are written in milliseconds.
_INSTANT = 0.001
_WIDEST = timedelta(days=35)
# The newer document has one word for them.
_OUTCOMES = {"push": "refunded", "refund": "refunded"}


def get_graded(book: Book, asked: Asked) -> object:
    """Show what was graded on games that started in a window."""
    now = moment(book.now)
    start, end = _time_in(asked, "startDate"), _time_in(asked, "endDate") or now
    if start is not None and end - start > _WIDEST:
        raise RefusedError(400, "The window is wider than 35 days")
    begins = start or datetime.min.replace(tzinfo=UTC)
    settled = [each for each in _settled(book, asked) if begins <= _game_of(book, each).start < end]
    rows = [_row(book, each) for each in settled]
    return {"graded": rows, "summary": _summary(rows)}


def get_graded_since(book: Book, asked: Asked) -> object:
    """Show a page of what was graded after a time, or after the page that gave the cursor."""
    since, cursor = _time_in(asked, "since"), asked.fields.get("cursor")
    if (since is None) is (cursor is None):
        raise RefusedError(400, "Give either since or cursor")
    settled = _settled(book, asked)
    if since is None:
        position = _position_in(asked.account, str(cursor))
    else:
        before = [each.position for each in settled if each.at <= seconds_at(since)]
        position = max(before, default=0)
    found = [each for each in settled if each.position > position]
    page = found[:_PAGE]
    reached = page[-1].position if page else position
    return {
        "graded": [_row(book, each) for each in page],
        "cursor": _cursor(asked.account, reached),
        "hasMore": len(found) > len(page),
        "settledThrough": wire.time(moment(_through(page, found[_PAGE:], book.now))),
    }


def _through(page: list[Settled], left: list[Settled], now: float) -> float:
    """Return the last instant of which every bet has been sent with a page, and none is left."""
    if not left:
        return page[-1].at if page else now
    sent = [each.at for each in page if each.at < left[0].at]
    # The page is a part of one instant. Nothing says what was sent before it.
    return sent[-1] if sent else left[0].at - _INSTANT


def _settled(book: Book, asked: Asked) -> list[Settled]:
    """Return what was graded of the account, in that order."""
    settled = book.ledger.settled.values()
    return [each for each in settled if book.orders[each.order_id].account == asked.account]


def _game_of(book: Book, each: Settled) -> BookGame:
    return book.games[book.orders[each.order_id].game_id]


def _summary(rows: Iterable[wire.Document]) -> wire.Document:
    amounts = [{key: float(str(row[key])) for key in ("result", "risk", "win")} for row in rows]
    return {
        "pnl": round(sum(row["result"] for row in amounts)),
        "volume": round(sum(min(row["risk"], row["win"]) for row in amounts)),
    }


def _row(book: Book, each: Settled) -> wire.Document:
    """Write a fill that is graded. Its own document names fewer fields, and leaves out nulls."""
    order, game = book.orders[each.order_id], _game_of(book, each)
    fill = order.fills[each.fill]
    row = wire.graded(order, game, moment(each.at))[each.fill] | {
        "id": order.order_id,
        "closed": False,
        "outcome": _OUTCOMES.get(str(order.outcome), order.outcome),
        "wagerRequestID": order.wager_request_id,
        "game": _game(game),
    }
    if order.type != "moneyline1x2":
        del row["side"]
    if fill.taker:
        return {key: value for key, value in row.items() if value is not None}
    return row | {"takenRatio": order.filled / order.offered}


def _game(game: BookGame) -> wire.Document:
    document = wire.game_document(game)
    document["participants"] = [
        {**{key: value for key, value in each.items() if value is not None}, "futuresSide": ""}
        for each in wire.participants(game)
    ]
    del document["isFutures"], document["eventName"]
    return document


def _time_in(asked: Asked, name: str) -> datetime | None:
    value = asked.fields.get(name)
    if value is None:
        return None
    try:
        when: datetime | None = datetime.fromisoformat(str(value))
    except ValueError:
        when = _day(str(value))
    if when is None or when.tzinfo is None:
        raise RefusedError(400, f"Invalid {name}")
    return when


def _day(value: str) -> datetime | None:
    """Read a day as the older document writes it."""
    try:
        return datetime.strptime(value, "%m-%d-%Y").replace(tzinfo=UTC)
    except ValueError:
        return None


def _cursor(account: str, position: int) -> str:
    return base64.urlsafe_b64encode(f"{account}\n{position}".encode()).decode()


def _position_in(account: str, cursor: str) -> int:
    try:
        owner, _, position = base64.urlsafe_b64decode(cursor).decode().rpartition("\n")
    except ValueError:
        owner, position = "", ""
    if owner != account or not position.isdecimal():
        raise RefusedError(400, "Invalid cursor")
    return int(position)
