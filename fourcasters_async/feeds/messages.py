"""The messages of the user feed, read into events. No I/O.

A message that is about an order, or could be, is never passed over: what cannot be read for certain
is a `Gap`.
"""

import re
from collections.abc import Mapping

import orjson
from attrs import fields, frozen

from fourcasters_async._core.text import is_too_dense
from fourcasters_async._json.converter import SOCKET
from fourcasters_async.errors import DecodeError, InvalidRequestError
from fourcasters_async.models import Gap, OrderCancelled, OrderFilled, OrderPlaced

MessageKey = tuple[int, int]
"""A `messageID` as its two numbers, in which it grows."""
OrderEvent = OrderPlaced | OrderCancelled | OrderFilled

_MESSAGE_ID = re.compile(r"([0-9]{1,20})-([0-9]{1,20})", re.ASCII)
# An order that was placed and one that was cancelled are written alike.
_FIELDS = [each.name for each in fields(OrderPlaced)]
# What was matched and what rests: each is null or an empty object where there is nothing.
_NOTHING: tuple[object, ...] = (None, {}, [])


@frozen
class Message:
    """What one message says. Without a readable `messageID` it has no `key`."""

    key: MessageKey | None
    events: tuple[OrderEvent | Gap, ...]


def key_of(message_id: object) -> MessageKey | None:
    """Return the two numbers of a `messageID`, `None` if it is none."""
    found = _MESSAGE_ID.fullmatch(message_id) if type(message_id) is str else None
    return None if found is None else (int(found[1]), int(found[2]))


def id_of(key: MessageKey) -> str:
    """Return the `messageID` that has these two numbers."""
    return f"{key[0]}-{key[1]}"


def check_cursor(cursor: object, name: str = "cursor") -> str:
    """Return a cursor of the user feed, or refuse what is none."""
    if isinstance(cursor, str) and key_of(str.__str__(cursor)) is not None:
        return str.__str__(cursor)
    raise InvalidRequestError(f"{name}: must be the cursor of a user feed: '<number>-<number>'")


def is_newer(message_id: str, than: str) -> bool:
    """Whether one `messageID` is after another."""
    return (key_of(message_id) or ()) > (key_of(than) or ())


def read_frame(frame: bytes) -> Message | None:
    """Return what a frame of the feed says, `None` if it is not about orders."""
    if is_too_dense(frame):
        return _unread("a message has far too many parts")
    try:
        document = orjson.loads(frame)
    except orjson.JSONDecodeError:
        document = None
    if isinstance(document, dict):
        return read_document(document)
    # Such as a list of messages, which nobody knows. A word that keeps the line alive is none.
    if b"matched" in frame or (document is None and frame.lstrip()[:1] in (b"{", b"[")):
        return _unread("a message is of an unknown form")
    return None


def read_document(document: object) -> Message | None:
    """Return what a message says, `None` if it is not about orders."""
    if not isinstance(document, dict):
        return _unread("a message is of an unknown form")
    key = key_of(document.get("messageID"))
    if not document.keys() & {"matched", "unmatched"}:
        if "messageID" not in document:
            return None
        # It is a part of what happened to the account, in a form that nobody knows.
        return Message(key, (Gap(reason="a message has neither matched nor unmatched"),))
    if key is None:
        return _unread("$.messageID: missing or malformed")
    return Message(key, tuple(_events_in(document)))


def _unread(reason: str) -> Message:
    return Message(None, (Gap(reason=reason),))


def _events_in(document: Mapping[str, object]) -> list[OrderEvent | Gap]:
    matched, unmatched = document.get("matched"), document.get("unmatched")
    if unmatched in _NOTHING:
        unmatched = None
    if matched in _NOTHING:
        return [_resting(document, unmatched)]
    # One fill, or a list of several.
    fills = matched if isinstance(matched, list) else [matched]
    events: list[OrderEvent | Gap] = [_filled(document, fill, unmatched) for fill in fills]
    orders = [each.order for each in events if isinstance(each, OrderFilled)]
    if any(order is not None and order.offered == 0 for order in orders):
        events.append(Gap(reason="an order was matched and cancelled in one message"))
    return events


def _resting(document: Mapping[str, object], unmatched: object) -> OrderEvent | Gap:
    """Return what happened to an order that was not matched."""
    if unmatched is None:
        return Gap(reason="a message has neither matched nor unmatched")
    looks_cancelled = isinstance(unmatched, Mapping) and unmatched.get("offered") == 0
    kind: type[OrderPlaced | OrderCancelled] = OrderCancelled if looks_cancelled else OrderPlaced
    try:
        event = SOCKET.structure(document, kind)
    except DecodeError as error:
        return Gap(reason=str(error))
    order = event.order
    if order.offered == 0 and isinstance(event, OrderCancelled):
        return event
    if order.offered == 0:
        return OrderCancelled(**{name: getattr(event, name) for name in _FIELDS})
    if order.filled == 0 and order.offered is not None and order.offered > 0:
        return event
    return Gap(reason="$.unmatched: neither placed nor cancelled")


def _filled(document: Mapping[str, object], fill: object, unmatched: object) -> OrderFilled | Gap:
    try:
        said = {**document, "matched": fill, "unmatched": unmatched}
        filled = SOCKET.structure(said, OrderFilled)
    except DecodeError as error:
        return Gap(reason=str(error))
    if filled.fill.tx_id is None:
        return Gap(reason="$.matched.txID: missing")
    if filled.order is not None and filled.order.remaining is None:
        return Gap(reason="$.unmatched.remaining: missing")
    return filled
