"""One endpoint call as a value."""

from collections.abc import Callable, Mapping
from enum import Enum
from typing import Generic, TypeVar

import orjson
from attrs import Factory, define, field

T = TypeVar("T")


class Effect(Enum):
    """What a request does at the exchange, from which follows when it may be repeated."""

    READ = "read"
    CANCEL = "cancel"
    PLACE = "place"
    """To do it twice is not to do it once: it is repeated only if it provably did not leave."""


# Not frozen: like the records of what comes of it, it is made by the thousand in a burst, and
# frozen ones take three times as long to make.
@define
class Request(Generic[T]):
    """One endpoint call: what goes out, and what is to come back.

    `endpoint` is the method and the path, or the type of a message on the Orders WebSocket.
    `answer` is the type that the answer decodes to and `at` the keys that lead to it, where 0 is
    the only item of a list. `urgent` requests may use the share of the rate limit that is kept
    for cancels. `check` says why a well-formed answer cannot be the answer to this request,
    `None` if it can. A request that is not `authorised` goes without a token, one that is not
    `renewable` is not worth a login.
    `secrets` are never to be shown, not even if the exchange quotes them.
    """

    endpoint: str
    answer: type[T]
    effect: Effect
    at: tuple[str | int, ...] = ("data",)
    params: Mapping[str, str] | None = None
    # A body can hold a password.
    body: Mapping[str, object] | None = field(default=None, repr=False)
    check: Callable[[T], str | None] | None = None
    urgent: bool = field(
        default=Factory(lambda self: self.effect is Effect.CANCEL, takes_self=True), kw_only=True
    )
    authorised: bool = field(default=True, kw_only=True)
    renewable: bool = field(default=True, kw_only=True)
    secrets: tuple[str, ...] = field(default=(), kw_only=True, repr=False)

    @property
    def method(self) -> str:
        """The HTTP method."""
        return self.endpoint.partition(" ")[0]

    @property
    def path(self) -> str:
        """The path of the address."""
        return self.endpoint.partition(" ")[2]

    def content(self) -> bytes:
        """Return the body as it goes out."""
        return b"" if self.body is None else orjson.dumps(self.body)
