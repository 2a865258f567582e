"""The order of the messages of the user feed, across connections and replays. No I/O."""

from collections import deque
from collections.abc import Iterable, Sequence
from itertools import chain
from typing import Generic, TypeVar

from attrs import field, frozen

from fourcasters_async._core.request import Kind, Request
from fourcasters_async.feeds.messages import (
    Message,
    MessageKey,
    id_of,
    key_of,
    read_document,
)
from fourcasters_async.models import FeedEvent, Gap, OrderFilled
from fourcasters_async.models.wire import wire

T = TypeVar("T")

SUCCESS, EXPIRED = "success", "cache_expired"
# What every id is after.
_FIRST: MessageKey = (-1, 0)
# Messages and fills that are remembered, so that each is told once.
_REMEMBERED = 20_000


@frozen(kw_only=True)
class Replay:
    """The answer to a request for what came after a message.

    `success` has all of it in `messages`. `cache_expired` has in `availableMessages` what is left.
    """

    status: str
    messages: list[object] | None = field(default=None, metadata=wire(strict=True))
    available_messages: list[object] | None = field(default=None, metadata=wire(strict=True))

    @property
    def complete(self) -> bool:
        """Whether nothing is missing."""
        return self.status == SUCCESS

    @property
    def found(self) -> list[Message]:
        """The messages, as they stand in the answer."""
        documents = self.messages if self.complete else self.available_messages
        read = (read_document(each) for each in documents or ())
        return [each for each in read if each is not None]


def mistake_in(replay: Replay) -> str | None:
    """Return why a replay is not to be believed, `None` if it is."""
    if replay.status not in (SUCCESS, EXPIRED):
        return f"status: {replay.status!r} is not known"
    return "messages: missing" if replay.complete and replay.messages is None else None


def replay_after(message_id: str) -> Request[Replay]:
    """Return the request for what came after a message."""
    return Request(
        "GET /v2/user/messages",
        Replay,
        Kind.READ,
        data_path=(),
        params={"afterID": message_id},
        check=mistake_in,
        reads_status=True,
    )


class _Newest(Generic[T]):
    """The keys that were added last. Each is added once."""

    def __init__(self) -> None:
        self._keys: set[T] = set()
        # A dict alone takes longer to find its oldest key the more were deleted before it.
        self._in_order: deque[T] = deque()

    def __len__(self) -> int:
        return len(self._in_order)

    def __contains__(self, key: T) -> bool:
        return key in self._keys

    def add(self, key: T) -> T | None:
        """Remember a key, and return the oldest one if that is forgotten for it."""
        self._keys.add(key)
        self._in_order.append(key)
        if len(self._in_order) <= _REMEMBERED:
            return None
        oldest = self._in_order.popleft()
        self._keys.discard(oldest)
        return oldest


class Timeline:
    """Which messages were told, so that each is told once, and the newest of them.

    `cursor` is the newest message before the first one, `None` if that is not known.
    """

    def __init__(self, cursor: str | None) -> None:
        self._cursor = self._newest = None if cursor is None else key_of(cursor)
        # Whatever is not after it was told, or nobody can say.
        self._floor = _FIRST if self._newest is None else self._newest
        self._told: _Newest[MessageKey] = _Newest()
        self._fills: _Newest[str] = _Newest()

    @property
    def cursor(self) -> str | None:
        """The id of the newest message that was told. It moves forward, but for `expire`."""
        return None if self._cursor is None else id_of(self._cursor)

    def was_told(self, message: Message) -> bool:
        """Whether a message was told, or cannot be told apart from others."""
        key = message.key
        return key is None or key <= self._floor or key in self._told

    def take(self, message: Message) -> list[FeedEvent]:
        """Return what is to be told of a message: nothing if it was told before.

        One that comes after a newer one is told with a gap before it.
        """
        key = message.key
        if key is None:
            return list(message.events)
        if self.was_told(message):
            return []
        late = self._newest is not None and key < self._newest
        if not late:
            self._cursor = self._newest = key
        if (forgotten := self._told.add(key)) is not None:
            self._floor = max(self._floor, forgotten)
        events: list[FeedEvent] = [each for each in message.events if self._is_first(each)]
        if late and events:
            return [Gap(reason="a message came after a newer one"), *events]
        return events

    def expire(self, left: Iterable[Message]) -> None:
        """Take note that the cursor leads to nothing, and that these messages are left.

        If all of them are older, or there are none, it may have come from elsewhere, such as
        another account: then the next message is the newest, whatever its id.
        """
        self._floor = _FIRST
        last = max((each.key for each in left if each.key is not None), default=None)
        if last is None or self._newest is None or last < self._newest:
            self._newest = None

    def _is_first(self, event: FeedEvent) -> bool:
        """Whether an event is not a fill that another message told of."""
        if not isinstance(event, OrderFilled) or event.fill.tx_id is None:
            return True
        if event.fill.tx_id in self._fills:
            return False
        self._fills.add(event.fill.tx_id)
        return True


def in_order(*parts: Iterable[Message]) -> list[Message]:
    """Return messages in the order of their ids. One without an id stays after its predecessor."""
    after = _FIRST
    placed: list[tuple[MessageKey, Message]] = []
    for each in chain(*parts):
        after = each.key or after
        placed.append((after, each))
    return [each for _, each in sorted(placed, key=lambda pair: pair[0])]


def newest(messages: Iterable[Message]) -> str | None:
    """Return the greatest id of messages, `None` without any."""
    last = max((each.key for each in messages if each.key is not None), default=None)
    return None if last is None else id_of(last)


def reaches(replayed: Sequence[Message], buffered: Sequence[Message]) -> bool:
    """Whether a replay goes on to what was pushed meanwhile, so that nothing is between them."""
    pushed = [each.key for each in buffered if each.key is not None]
    last = max((each.key for each in replayed if each.key is not None), default=None)
    return last is not None and bool(pushed) and last >= min(pushed)
