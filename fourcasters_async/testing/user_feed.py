"""The messages of the user feed: an event of the book in, a document out. No I/O.

Documents have an id of their own, `<milliseconds>-<number>`, and are kept for replays.
"""

import math
import re
from collections import deque
from collections.abc import Callable
from datetime import datetime, timedelta

import orjson
from attrs import define, field

from fourcasters_async.testing import wire
from fourcasters_async.testing.answers import RefusedError
from fourcasters_async.testing.book_events import BookEvent, BookEventKind
from fourcasters_async.testing.records import BookFill, BookGame, BookOrder, moment

MessageID = tuple[int, int]

_MESSAGE_ID = re.compile(r"([0-9]{1,16})-([0-9]{1,16})")
_MILLISECOND = timedelta(milliseconds=1)
# The milliseconds of the time at which the exchange's clock began.
_OPENED = int(moment(0.0).timestamp()) * 1000
_FIRST: MessageID = (0, 0)
_NONE: MessageID = (-1, 0)


@define(eq=False)
class Kept:
    """A message that can be replayed: its id, and the exchange's time of it.

    `content`, its JSON, is written when it is first asked for: most messages nobody hears.
    """

    message_id: MessageID
    at: float
    _write: Callable[[MessageID], bytes]
    _content: bytes | None = None

    @property
    def content(self) -> bytes:
        """Its JSON."""
        if self._content is None:
            self._content = self._write(self.message_id)
        return self._content


@define(eq=False)
class _Told:
    """What is told of an event, with what may change later of its order and its game."""

    event: BookEvent
    order: BookOrder
    filled: float
    remaining: float
    offered: float
    live: bool
    start: datetime

    def write(self, message_id: MessageID) -> bytes:
        """Return the message as JSON."""
        document = _document(self)
        document["messageID"] = _text(message_id)
        return orjson.dumps(document)


@define
class _History:
    """What an account was told. `lost` is the newest id that is no longer kept."""

    kept: deque[Kept] = field(factory=deque)
    lost: MessageID = _NONE


@define
class UserLog:
    """What every account was told, and for how long it can be told again.

    The newest `keep` messages of an account are kept, for `keep_seconds` of the exchange's clock.
    """

    keep: int = 10_000
    keep_seconds: float = math.inf
    _histories: dict[str, _History] = field(factory=dict, init=False, repr=False)
    _newest: MessageID = field(default=_FIRST, init=False)

    def take(self, event: BookEvent) -> tuple[str, Kept] | None:
        """Keep an event as a message to an account, or return `None` if it is told to nobody."""
        order, game = event.order, event.game
        if order is None:
            return None
        told = _Told(
            event, order, order.filled, order.remaining, order.offered, game.live, game.start
        )
        self._newest = message_id = self._next_id(_milliseconds(event.at))
        return order.account, self._keep(order.account, Kept(message_id, event.at, told.write))

    def add(self, account: str, document: wire.Document, at: float) -> bytes:
        """Keep a message to an account, and return its JSON.

        It gets the next `messageID`, unless it has one.
        """
        given = message_id_in(document.get("messageID"))
        message_id = given or self._next_id(_milliseconds(at))
        content = orjson.dumps({"messageID": _text(message_id), **document})
        self._newest = max(self._newest, message_id)
        return self._keep(account, Kept(message_id, at, lambda _: content)).content

    def messages(self, account: str, now: float = -math.inf) -> list[wire.Document]:
        """Return what can be replayed to an account, oldest first."""
        return [orjson.loads(each.content) for each in self._history(account, now).kept]

    def forget(self, account: str | None = None, *, keep: int = 0) -> None:
        """Forget all but the newest `keep` messages of an account, or of each."""
        for name, history in self._histories.items():
            while account in (None, name) and len(history.kept) > keep:
                history.lost = history.kept.popleft().message_id

    def replay(
        self, account: str, after: MessageID, before: MessageID | None, now: float
    ) -> wire.Document:
        """Answer with the messages between two ids, or with what is left if some may be missing.

        They may be if `after` is older than what is kept, or is an id that was never given.
        """
        history = self._history(account, now)
        kept = [each for each in history.kept if before is None or each.message_id < before]
        if not history.lost < after <= self._newest:
            available = [orjson.loads(each.content) for each in kept]
            return {"status": "cache_expired", "availableMessages": available}
        messages = [orjson.loads(each.content) for each in kept if each.message_id > after]
        return {"status": "success", "messages": messages}

    def _keep(self, account: str, message: Kept) -> Kept:
        self._history(account, message.at).kept.append(message)
        return message

    def _history(self, account: str, now: float) -> _History:
        """Return the history of an account without what is too old to be kept."""
        history = self._histories.get(account)
        if history is None:
            history = self._histories[account] = _History()
        kept = history.kept
        while kept and (len(kept) > self.keep or kept[0].at < now - self.keep_seconds):
            history.lost = kept.popleft().message_id
        return history

    def _next_id(self, milliseconds: int) -> MessageID:
        newest, number = self._newest
        return (milliseconds, 0) if milliseconds > newest else (newest, number + 1)


def message_id_in(value: object) -> MessageID | None:
    """Return the two numbers of a `messageID`, and `None` for anything else."""
    match = _MESSAGE_ID.fullmatch(value) if isinstance(value, str) else None
    return None if match is None else (int(match[1]), int(match[2]))


def bounds_in(query: object, name: str) -> MessageID | None:
    """Return the id that a parameter of a replay holds, and `None` for an empty one."""
    if query in (None, ""):
        return None
    message_id = message_id_in(query)
    if message_id is None:
        raise RefusedError(400, f"Invalid {name}")
    return message_id


def _milliseconds(at: float) -> int:
    return _OPENED + timedelta(seconds=at) // _MILLISECOND


def _text(message_id: MessageID) -> str:
    return f"{message_id[0]}-{message_id[1]}"


def _document(told: _Told) -> wire.Document:
    """Write what happened to an order, without a `messageID`."""
    event, order, fill, game = told.event, told.order, told.event.fill, told.event.game
    took = fill is not None and fill.taker
    return {
        "matched": None if fill is None else _matched(order, fill),
        "unmatched": None if took else _unmatched(told),
        "origin": "wager" if took else "offer",
        "gameID": game.game_id,
        "parentGameID": game.parent_id,
        "eventName": _event_name(game),
        "league": game.league,
        "sport": game.sport,
        "live": told.live,
        "start": wire.time(told.start),
        "awayRotationNumber": str(game.rotation),
        "platform": "api",
        "createdAt": wire.time(moment(event.at)),
    }


def _matched(order: BookOrder, fill: BookFill) -> wire.Document:
    """Write a fill. Its `orderID` is the order that rested, also if the account took it."""
    rested = fill.other if fill.taker else order.order_id
    return {
        "txID": fill.fill_id,
        "orderID": rested,
        **wire.amounts(fill),
        **_terms(order, fill.odds),
        "userReference": order.user_reference,
    }


def _unmatched(told: _Told) -> wire.Document:
    """Write an order that rests, or rested.

    `filled` is what this event alone filled, but on a cancel all that was filled before it.
    """
    event, order = told.event, told.order
    cancelled = event.kind is BookEventKind.CANCELLED
    filled = 0.0 if event.fill is None else event.fill.risk
    reference = order.user_reference
    return {
        "orderID": order.order_id,
        "filled": told.filled if cancelled else filled,
        "offered": 0.0 if cancelled else told.offered,
        "remaining": told.remaining,
        **_terms(order, order.odds),
        **({} if reference is None else {"userReference": reference}),
    }


def _terms(order: BookOrder, odds: float) -> wire.Document:
    """Write what an order is about. What does not apply to it is left out."""
    some: wire.Document = {"number": order.number, "market": order.market}
    return {
        "wagerRequestID": order.wager_request_id,
        "type": order.type,
        "side": order.side,
        "odds": odds,
        **{name: value for name, value in some.items() if value is not None},
        **({"isPostArb": True} if order.post_arb else {}),
    }


def _event_name(game: BookGame) -> str:
    return f"{game.away}-VS-{game.home}".upper().replace(" ", "-")
