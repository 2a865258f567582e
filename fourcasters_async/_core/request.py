"""One endpoint call as a value, and what follows from the kind of call that it is."""

from collections.abc import Callable, Mapping, Sequence
from enum import Enum, auto
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from attrs import define, field, frozen

from fourcasters_async._core.text import BYTES_PER_RECORD

T = TypeVar("T")


class Kind(Enum):
    """What a request is for. `RULES` says what follows from it."""

    CANCEL = auto()
    VERIFY = auto()
    """A read that proves a cancel."""
    READ = auto()
    GRADED = auto()
    """`GET /user/v2/getGraded`."""
    GRADED_SINCE = auto()
    """`GET /user/v2/getGradedSince`."""
    PLACE = auto()
    LOGIN = auto()
    LOGOUT = auto()
    HEARTBEAT = auto()
    HANDSHAKE = auto()
    """The handshake of a WebSocket."""
    WARM_UP = auto()
    """A read that opens a connection."""

    if TYPE_CHECKING:

        def __hash__(self) -> int: ...

    else:
        # `Enum` hashes the name, in Python, at each look into `RULES`.
        __hash__ = object.__hash__


MANY_ORDERS = 16 * 2**20
"""The bytes of the results of cancelling or placing as many orders as one call may name."""
_READS = (Kind.READ, Kind.GRADED, Kind.GRADED_SINCE, Kind.WARM_UP)
# Bytes of the open orders of an account.
_ALL_ORDERS = 96 * 2**20


@frozen(kw_only=True)
class Rules:
    """What follows from the kind of a request."""

    holds_back: tuple[Kind, ...]
    """The kinds that wait after a 429 to a request of this kind."""
    has_effect: bool = False
    """Whether it changes something at the exchange, so that a lost answer leaves doubt."""
    repeatable: bool = True
    """Whether it may be sent again after an attempt that may have taken effect."""
    uses_reserve: bool = False
    """Whether it may use the part of the rate limit that is kept for cancels."""
    fills_pool: bool = False
    """Whether it may take every connection of the pool. Others leave half of them to these."""
    authorised: bool = True
    """Whether it carries the token."""
    renews: bool = True
    """Whether a 401 is worth a login."""
    quotable: bool = True
    """Whether an error's text may be shown: that to a login can hold the password in any form."""
    answer_limit: int = 2**20
    """The bytes that an answer may have, decompressed. A larger one is given up, for good."""
    limit: tuple[int, float] | None = None
    """The limit that requests of this kind have of their own: so many in so many seconds."""
    bytes_per_record: int = BYTES_PER_RECORD
    """The bytes that a record of an answer takes at least, on average, if there are many."""


# The exchange has limits of their own for single reads, for logins and for placing. So a 429 holds
# back what it can be about, and what is in doubt is not held back: a cancel least of all. Only the
# limits of the graded reads are documented.
#
# An open order is about 1 KB and the result of a cancel 300 bytes. The limits leave room for an
# account of 60,000 open orders, and for 10,000 on one game.
RULES: Mapping[Kind, Rules] = {
    Kind.CANCEL: Rules(
        has_effect=True,
        uses_reserve=True,
        fills_pool=True,
        holds_back=(Kind.CANCEL, Kind.VERIFY, *_READS, Kind.PLACE),
        answer_limit=4 * 2**20,
    ),
    Kind.VERIFY: Rules(
        uses_reserve=True,
        fills_pool=True,
        holds_back=(Kind.VERIFY, *_READS),
        answer_limit=_ALL_ORDERS,
    ),
    Kind.READ: Rules(
        holds_back=_READS,
        answer_limit=_ALL_ORDERS,
        # Order books have small ones.
        bytes_per_record=16,
    ),
    Kind.GRADED: Rules(holds_back=(Kind.GRADED,), answer_limit=_ALL_ORDERS, limit=(60, 60.0)),
    Kind.GRADED_SINCE: Rules(holds_back=(Kind.GRADED_SINCE,), limit=(10, 5.0)),
    # Not idempotent: repeated only if provably unsent.
    Kind.PLACE: Rules(
        has_effect=True, repeatable=False, holds_back=(Kind.PLACE,), answer_limit=MANY_ORDERS
    ),
    Kind.LOGIN: Rules(
        uses_reserve=True,
        fills_pool=True,
        authorised=False,
        renews=False,
        quotable=False,
        holds_back=(Kind.LOGIN, Kind.LOGOUT),
    ),
    Kind.LOGOUT: Rules(
        has_effect=True,
        uses_reserve=True,
        fills_pool=True,
        renews=False,
        holds_back=(Kind.LOGIN, Kind.LOGOUT),
    ),
    Kind.HEARTBEAT: Rules(
        has_effect=True, uses_reserve=True, fills_pool=True, holds_back=(Kind.HEARTBEAT,)
    ),
    Kind.HANDSHAKE: Rules(uses_reserve=True, holds_back=(Kind.HANDSHAKE,)),
    Kind.WARM_UP: Rules(fills_pool=True, holds_back=_READS),
}


# Not frozen: a burst makes thousands, and a frozen one takes three times as long to make.
@define
class Request(Generic[T]):
    """One endpoint call: what goes out, and what is to come back.

    `endpoint` is the method and the path, or the type of a message on the Orders WebSocket.
    `answer` is the type that the answer decodes to, and `data_path` the keys that lead to it in
    the JSON document; a 0 stands for the only item of a list. `check` says why a well-formed
    answer cannot be the answer to this request, `None` if it can. `stray` says why an answer may be
    a late copy of the answer to another request. It is not asked where that cannot be: on a
    connection made for the request, and over a WebSocket, where the id of the request proves whose
    answer it is. `leave` is asked at the last moment before the request is written: it returns why
    the request may not leave, or `None`. `come_back` is called after an attempt that was not sent,
    with `None`, or whose token was refused and is replaced, with the refusal. `unite` makes one
    answer of the rows of several answers, oldest first, that could not be used as a whole: `None`
    stands in the place of a row that could not be read. With an `empty` an empty body stands for
    that JSON value. With `reads_status` the answer has the `status` of its envelope as a field, and
    `check` decides about it. `answer_limit` is the bytes that the answer may have, by default those
    of the kind.
    """

    endpoint: str
    answer: type[T]
    kind: Kind
    data_path: tuple[str | int, ...] = ("data",)
    params: Mapping[str, str] | None = None
    # A body can hold a password.
    body: Mapping[str, object] | None = field(default=None, repr=False)
    check: Callable[[T], str | None] | None = None
    stray: Callable[[T], str | None] | None = field(default=None, kw_only=True)
    empty: object = field(default=None, kw_only=True)
    leave: Callable[[], Exception | None] | None = field(default=None, kw_only=True, repr=False)
    come_back: Callable[[Exception | None], None] | None = field(
        default=None, kw_only=True, repr=False
    )
    # For a request whose answer can be larger than that of others of its kind.
    answer_limit: int | None = field(default=None, kw_only=True, repr=False)
    unite: Callable[[Sequence[Any]], Any] | None = field(default=None, kw_only=True, repr=False)
    reads_status: bool = field(default=False, kw_only=True, repr=False)


def limit_of(request: Request[Any]) -> int:
    """Return the bytes that the answer to a request may have."""
    return request.answer_limit or RULES[request.kind].answer_limit
