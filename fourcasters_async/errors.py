"""The errors of the library. Each is a `FourcastersError`."""

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

_Parts = tuple[type["FourcastersError"], tuple[Any, ...], dict[str, Any]]


class FourcastersError(Exception):
    """The base class of the library's errors. None of them contains a token or a password."""

    def __reduce__(self) -> tuple[object, _Parts]:
        """Pickle the message and the attributes, whatever the constructor requires."""
        return _restore, (type(self), self.args, self.__dict__)


def _restore(
    kind: type[FourcastersError], args: tuple[Any, ...], state: dict[str, Any]
) -> FourcastersError:
    error = kind.__new__(kind, *args)
    error.args = args
    error.__dict__.update(state)
    return error


class InvalidRequestError(FourcastersError, ValueError):
    """An argument can only be a mistake. The message names it. Nothing was sent."""


class SessionClosedError(FourcastersError):
    """The session or the orders socket is closed, for good. The request has no effect."""


class HaltedError(FourcastersError):
    """A place or an edit on a game that is halted. It has no effect.

    It was not sent, or its token was refused and it was not sent again; the message says which.
    `AsyncSession.resume` opens the game again.
    """


class NotSentError(FourcastersError):
    """The request provably did not reach the exchange: it had no effect."""


class OutcomeUnknownError(FourcastersError):
    """The request was sent, and no usable answer came: it may have taken effect.

    `attempts` is the number of attempts. `__cause__` is how the last one failed. For a place
    or an edit, `orders` are the orders in doubt, each with the `user_reference` that was sent:
    `AsyncSession.reconcile(error.orders)` returns what happened to them. For a cancel of several
    orders, `results` are the results that could be read, the `CancelResult` of each, though
    others could not.

    For a place or an edit, `answer` is what the exchange said of each order, its `PlaceResult` or
    `EditResult`, if an answer came that does not fit the request in every detail; `None` stands for
    a row that could not be read, and without such an answer `answer` is `None`. An `order_id` in it
    can be cancelled. It may be an answer to another request: it decides nothing.
    """

    attempts: int
    orders: "tuple[ReferencedOrder, ...]"
    results: "tuple[OrderResult, ...]"
    answer: "list[PlacedOrder | None] | None"

    def __init__(self, message: str, *, attempts: int = 1) -> None:
        super().__init__(message)
        self.attempts = attempts
        self.orders = ()
        self.results = ()
        self.answer = None


class OrderResult(Protocol):
    """What the exchange said of one order in an answer that could not be read as a whole."""

    @property
    def success(self) -> bool:
        """Whether the order was cancelled."""
        ...

    @property
    def order_id(self) -> str | None:
        """The id of the order."""
        ...

    @property
    def reason(self) -> str | None:
        """Why it was not cancelled."""
        ...


class PlacedOrder(Protocol):
    """What the exchange said of one order in an answer to a place that does not fit the request."""

    @property
    def success(self) -> bool:
        """Whether the exchange accepted the order."""
        ...

    @property
    def order_id(self) -> str | None:
        """The id of the order that rests."""
        ...

    @property
    def error(self) -> str | None:
        """Why it was not placed."""
        ...


class ReferencedOrder(Protocol):
    """An order that can be found by its game and its reference."""

    @property
    def game_id(self) -> str | None:
        """The id of its game."""
        ...

    @property
    def user_reference(self) -> str | None:
        """The reference that it was placed with."""
        ...


class DecodeError(FourcastersError):
    """An answer does not have the documented form. `path` says where: `"$.data[3].odds"`."""

    path: str

    def __init__(self, message: str, *, path: str = "$") -> None:
        super().__init__(message)
        self.path = path


class OrdersNotCancelledError(FourcastersError):
    """Some orders of a game are known not to be cancelled."""


class ApiError(FourcastersError):
    """The exchange answered with an error.

    `status` is the HTTP status, or over the Orders WebSocket the status that the text stands for.
    Only the subclasses below 500 are a refusal by the exchange. Other statuses below 500, and these
    without the exchange's own error document, are a plain `ApiError`: a proxy, a challenge or a
    firewall may have answered, and nothing is known of the request.
    `message` is the exchange's text, `code` the number in the object form of its errors (`None` in
    the string form). `endpoint` is the method and the path, or the type of the message.
    `retry_after` is the seconds that a 429 or a 503 asks to wait, `None` if it does not say.
    """

    status: int
    message: str
    code: int | None
    endpoint: str
    retry_after: float | None

    def __init__(
        self,
        message: str,
        *,
        status: int,
        endpoint: str,
        code: int | None = None,
        retry_after: float | None = None,
    ) -> None:
        super().__init__(f"{endpoint}: {status} {message}")
        self.status = status
        self.message = message
        self.code = code
        self.endpoint = endpoint
        self.retry_after = retry_after


class BadRequestError(ApiError):
    """400 or 422: the exchange does not accept the request as it is."""


class AuthenticationError(ApiError):
    """401: no token, or one that is unknown or expired."""


class ForbiddenError(ApiError):
    """403: the account may not do this, or the order belongs to somebody else.

    428 too: while the exchange fends off an attack, it wants a challenge that only a person can
    answer. Tokens stay valid.
    """


class NotFoundError(ApiError):
    """404: no such game, or no such open order."""


class ConflictError(ApiError):
    """409: the order cannot be cancelled, for example because it is filled."""


class RateLimitedError(ApiError):
    """429: too many requests."""


class ServerError(ApiError):
    """5xx in answer to a read. For a request with effects a 5xx is an `OutcomeUnknownError`."""


REFUSALS: Mapping[int, type[ApiError]] = {
    400: BadRequestError,
    401: AuthenticationError,
    403: ForbiddenError,
    404: NotFoundError,
    409: ConflictError,
    422: BadRequestError,
    428: ForbiddenError,
    429: RateLimitedError,
}
"""The errors by status. Each proves that nothing was done, if the exchange itself says it."""


class UnsettledCancelsError(FourcastersError, ExceptionGroup[FourcastersError]):
    """The games of a fan-out that are not known to be clear, one exception per game."""

    def __repr__(self) -> str:
        count = len(self.exceptions)
        errors = f"{count:,} errors" if count > 1 else "1 error"
        return f"UnsettledCancelsError({self.message!r}, <{errors}>)"

    def derive(self, errors: Sequence[FourcastersError]) -> "UnsettledCancelsError":  # type: ignore[override]  # the group holds no others
        """Return the group for `split` and `subgroup`."""
        return UnsettledCancelsError(self.message, errors)
