"""The ways in which the feeds can fail, as values.

`exchange.feeds.user.inject(feed_faults.Drop())` strikes a message as it is sent; the account's
history, and so a replay, has it as it should be. Of a whole feed, `exchange.feeds.user.mute`
silences it, `half_open()` leaves its connections half-open, and `exchange.drop_sockets` ends them.

The faults of a replay strike the endpoint `messages`, beside those of `faults`:
`exchange.inject(feed_faults.Overlap(), endpoint="messages")`. Handshakes have the endpoints `user`
and `price-stream`.
"""

from collections.abc import Mapping

import orjson
from aiohttp import web
from attrs import field, frozen

from fourcasters_async.testing.answers import Answer, Body, document_in
from fourcasters_async.testing.calls import Call, Fault, respond
from fourcasters_async.testing.feed_sockets import FeedFault, FeedSocket, FeedSockets, Push
from fourcasters_async.testing.feeds import ReplayCall
from fourcasters_async.testing.short import ShortRepr
from fourcasters_async.testing.user_feed import message_id_in

__all__ = [
    "Altered",
    "CacheExpired",
    "Cut",
    "Drop",
    "Duplicate",
    "FeedFault",
    "FeedSocket",
    "FeedSockets",
    "Garbage",
    "HalfOpen",
    "Held",
    "Instead",
    "Late",
    "Mute",
    "Overlap",
    "Push",
    "ReplayCall",
    "Truncate",
    "UnknownMembers",
    "UnknownStatus",
    "UnknownType",
]

_UNKNOWN: Mapping[str, object] = {"novelty": {"of": ["a later version", 1, None]}}


@frozen
class Drop(FeedFault):
    """The message is not sent."""

    def __call__(self, push: Push) -> None:
        pass


@frozen
class Duplicate(FeedFault):
    """The message is sent `times` times."""

    times: int = 2

    def __call__(self, push: Push) -> None:
        for _ in range(self.times):
            push.send()


@frozen
class Held(FeedFault):
    """The message is sent after `until` later ones on its connection: out of order."""

    until: int = 1

    def __call__(self, push: Push) -> None:
        push.socket.hold(push.content, self.until)


@frozen
class Late(FeedFault):
    """The message is sent `seconds` later, by the exchange's clock. Others may overtake it.

    Without it the user feed tells of an order before its request is answered.
    """

    seconds: float

    def __call__(self, push: Push) -> None:
        push.clock.after(self.seconds, push.send)


@frozen
class Altered(FeedFault):
    """The message has other `members` than it should, at its top or at that of its payload.

    The new value of a member is written in its place, or added.
    """

    members: Mapping[str, object]

    def __call__(self, push: Push) -> None:
        push.send(_with(push.content, self.members))


@frozen
class UnknownMembers(FeedFault):
    """The message has a member that nobody knows, and so has each object in it."""

    def __call__(self, push: Push) -> None:
        push.send(orjson.dumps(_everywhere(document_in(push.content))))


@frozen
class UnknownType(FeedFault):
    """A message of a type that nobody knows is sent before it."""

    def __call__(self, push: Push) -> None:
        document = document_in(push.content)
        unknown = ["noveltyUpdate", _UNKNOWN] if isinstance(document, list) else _UNKNOWN
        push.send(orjson.dumps(unknown))
        push.send()


@frozen(repr=False)
class Instead(ShortRepr, FeedFault):
    """A text of your choice is sent in place of the message."""

    content: bytes

    def __call__(self, push: Push) -> None:
        push.send(self.content)


@frozen
class Garbage(FeedFault):
    """What is sent in place of the message is not JSON."""

    def __call__(self, push: Push) -> None:
        push.send(b"SSH-2.0-nonsense")


@frozen
class Truncate(FeedFault):
    """The connection closes after half of the frame."""

    def __call__(self, push: Push) -> None:
        push.socket.break_off(push.content)


@frozen
class Cut(FeedFault):
    """A close frame is sent in place of the message, or with `None` the connection is aborted."""

    code: int | None = None

    def __call__(self, push: Push) -> None:
        push.socket.close(self.code)


@frozen
class Mute(FeedFault):
    """The connection says nothing from this message on. Pings are answered."""

    def __call__(self, push: Push) -> None:
        push.socket.quiet = True


@frozen
class HalfOpen(FeedFault):
    """The connection stays open, but nothing is read or sent on it from this message on."""

    def __call__(self, push: Push) -> None:
        push.socket.turn_deaf()


@frozen
class CacheExpired(Fault):
    """The replay cannot be complete: it has the newest `keep` messages, by default all."""

    keep: int | None = None

    async def __call__(self, call: Call) -> web.StreamResponse:
        call.commit()
        kept = _replay(call).kept()
        available = kept if self.keep is None else kept[len(kept) - self.keep :]
        document = {"status": "cache_expired", "availableMessages": available}
        return respond(Answer(200, document))


@frozen
class Overlap(Fault):
    """The replay has `early` messages up to `afterID` too, and `late` ones from `beforeID` on."""

    early: int = 1
    late: int = 1

    async def __call__(self, call: Call) -> web.StreamResponse:
        replay = _replay(call)
        replay.commit()
        after, before = replay.bound("afterID"), replay.bound("beforeID")
        kept = [(message_id_in(each["messageID"]), each) for each in replay.kept()]
        ids = [message_id for message_id, _ in kept if message_id is not None]
        start = sum(after is not None and each <= after for each in ids)
        stop = sum(before is None or each < before for each in ids)
        messages = [each for _, each in kept[max(start - self.early, 0) : stop + self.late]]
        return respond(Answer(200, {"status": "success", "messages": messages}))


@frozen
class UnknownStatus(Fault):
    """The replay has a `status` that nobody knows, beside the right messages."""

    status: object = field(default="partial")

    async def __call__(self, call: Call) -> web.StreamResponse:
        answer = _replay(call).commit()
        document = answer.document if isinstance(answer.document, dict) else {}
        return respond(Answer(answer.status, {**document, "status": self.status}))


def _replay(call: Call) -> ReplayCall:
    if not isinstance(call, ReplayCall):
        raise TypeError(f"this fault strikes the endpoint messages only, not {call.endpoint}")
    return call


def _with(content: bytes, members: Mapping[str, object]) -> bytes:
    match document_in(content):
        case [type_, dict(payload)]:
            return orjson.dumps([type_, {**payload, **members}])
        case dict(document):
            return orjson.dumps({**document, **members})
    return content


def _everywhere(value: object) -> object:
    if isinstance(value, list):
        return [_everywhere(each) for each in value]
    if not isinstance(value, dict):
        return value
    inner: Body = {name: _everywhere(each) for name, each in value.items()}
    return {**inner, **_UNKNOWN}
