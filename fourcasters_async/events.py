"""What a session tells of itself: the small events that `AsyncSession(on_event=…)` gets.

The hook is a plain function. It is called in the event loop, at once, and must not block: whoever
has more to do puts the event into a queue. What it raises is logged, and has no other effect. Times
are in seconds. No event holds a token or a password.

A message of a fan-out over the Orders WebSocket has no event of its own while all goes well: the
report in the fan-out's `VerbFinished` has the outcome of each game. A game that its first attempt
does not decide in time has a `RequestFinished` for each of its attempts, the first included.
"""

from datetime import datetime
from enum import StrEnum

from attrs import define, frozen

from fourcasters_async._core.telemetry import Transport
from fourcasters_async.dead_man import DeadManState
from fourcasters_async.errors import FourcastersError
from fourcasters_async.models import CancelReport, CancelResults, Halted, Record, UndecidedOrder


class AttemptOutcome(StrEnum):
    """How an attempt ended."""

    ANSWERED = "answered"
    """The exchange answered, and the answer could be used."""
    REFUSED = "refused"
    """The exchange read it and said no."""
    UNKNOWN = "unknown"
    """It left, or may have left, and no usable answer came."""
    NOT_SENT = "not_sent"
    """It did not reach the exchange."""


class GateChange(StrEnum):
    """What became of the gate."""

    HALTED = "halted"
    RESUMED = "resumed"
    SHUT = "shut"
    """`flatten` or `flat_on_exit` has begun: nothing is placed on any game."""
    OPENED = "opened"
    """`flatten` has ended: what is not halted may be placed again."""


# Not frozen and not by keyword, unlike the others: that would take three times as long, and a
# fan-out over REST makes thousands.
@define(repr=False)
class RequestFinished(Record):
    """One attempt of a request has ended: it was decided, failed, or was given up.

    `endpoint` is the method and the path, or the type of the message; `transport` is `rest`,
    `socket`, or `handshake` for that of a WebSocket. `attempt` counts from 1. `status` is that of
    HTTP, if one was read. `game_id` is set if the request is about one game. With `cancelled`
    the caller gave it up, or the session was closed. `error` says why it was not answered. `call`
    is that of the verb that it belongs to, `None` for none, such as a read.

    The seconds are by the clock of the event loop, and `None` where it did not get so far:
    `waited` for what the exchange asked to wait and for the rate limit; `sending` from then until
    it left, which includes the wait for a connection; `first_byte` from then until the
    header of the answer was there; `reading` its body; `decoding` it, and all until it was judged.
    Over the Orders WebSocket an answer comes as a whole, and `reading` is 0. `elapsed` is the sum.
    """

    endpoint: str
    transport: Transport
    outcome: AttemptOutcome
    attempt: int
    elapsed: float
    status: int | None = None
    game_id: str | None = None
    cancelled: bool = False
    error: BaseException | None = None
    call: int | None = None
    waited: float | None = None
    sending: float | None = None
    first_byte: float | None = None
    reading: float | None = None
    decoding: float | None = None


@frozen(kw_only=True, repr=False)
class RetryPlanned(Record):
    """A request is sent again in `after` seconds, because its attempt ended with `error`.

    The deadline can still keep it from leaving.
    """

    endpoint: str
    transport: Transport
    attempt: int
    after: float
    game_id: str | None = None
    error: Exception | None = None
    call: int | None = None


@frozen(kw_only=True, repr=False)
class HoldBegun(Record):
    """A 429 to a request at `endpoint` holds back `kinds` of requests for `seconds`.

    The kinds are words such as `cancel`, `read` and `place`.
    """

    endpoint: str
    transport: Transport
    kinds: tuple[str, ...]
    seconds: float


@frozen(kw_only=True, repr=False)
class TokenRenewed(Record):
    """The session uses a new token: after a login, or `rotated` by the exchange."""

    rotated: bool


@frozen(kw_only=True, repr=False)
class ConnectionMade(Record):
    """There is a connection to a WebSocket: the first one, or one again after it was lost.

    `endpoint` is that of its handshake, such as `GET /v2/user`.
    """

    endpoint: str


@frozen(kw_only=True, repr=False)
class ConnectionLost(Record):
    """The connection to a WebSocket is lost, for this reason. The next one is being made."""

    endpoint: str
    reason: str


@frozen(kw_only=True, repr=False)
class DeadManChanged(Record):
    """A dead-man switch has a new state. `error` is that of its last beat."""

    state: DeadManState
    timeout: float
    error: FourcastersError | None = None


@frozen(kw_only=True, repr=False)
class GateChanged(Record):
    """Other games than before are halted, or all of them. `games` are those named, `None` for all.

    `halted` is what is halted now.
    """

    change: GateChange
    games: frozenset[str] | None
    halted: Halted


@frozen(kw_only=True, repr=False)
class OrdersUndecided(Record):
    """A place or an edit ended unknown: its orders may be in the book, or may still come."""

    orders: tuple[UndecidedOrder, ...]


@frozen(kw_only=True, repr=False)
class OrdersDecided(Record):
    """Orders that were undecided are decided.

    If `expired`, so much time has passed that the request can no longer take effect. That is told
    once the session next looks at what is undecided.
    """

    orders: tuple[UndecidedOrder, ...]
    expired: bool


@frozen(kw_only=True, repr=False)
class VerbStarted(Record):
    """An order verb was called. `call` is its number in the process, and `began` is in UTC."""

    verb: str
    transport: Transport
    call: int
    began: datetime


@frozen(kw_only=True, repr=False)
class VerbFinished(Record):
    """An order verb has returned `result`, or raised `error`. `elapsed` is the seconds it took.

    `result` is what the caller got: of a fan-out its `CancelReport`, with the outcome of each game.
    """

    verb: str
    transport: Transport
    call: int
    began: datetime
    elapsed: float
    result: object = None
    error: BaseException | None = None

    @property
    def succeeded(self) -> bool:
        """Whether it returned, and nothing that it returned says that something is left to do."""
        result = self.result
        if self.error is not None:
            return False
        if isinstance(result, CancelReport):
            return result.ok or not (result.outcomes or result.whole_account)
        if isinstance(result, CancelResults):
            return result.complete and all(each.success for each in result)
        # Of a `FlatReport` or a proof: what was seen open last.
        return getattr(result, "resting", []) == []


SessionEvent = (
    RequestFinished
    | RetryPlanned
    | HoldBegun
    | TokenRenewed
    | ConnectionMade
    | ConnectionLost
    | DeadManChanged
    | GateChanged
    | OrdersUndecided
    | OrdersDecided
    | VerbStarted
    | VerbFinished
)
"""What `on_event` gets."""
