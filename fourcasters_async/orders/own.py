"""The session's own places and edits: sent through the gate, and tracked until decided."""

import asyncio
from collections.abc import Callable, Iterable
from functools import partial
from typing import Any, TypeVar

from attrs import evolve

from fourcasters_async._core.log import log
from fourcasters_async._core.request import Request
from fourcasters_async._core.sender import Sender
from fourcasters_async.errors import (
    FourcastersError,
    NotSentError,
    OutcomeUnknownError,
    ReferencedOrder,
)
from fourcasters_async.orders.gate import Gate
from fourcasters_async.orders.tickets import OwnOrder, Ticket

T = TypeVar("T")


_GIVEN_UP = "the session was closed before the answer came: it may have taken effect"


async def send_own(
    gate: Gate,
    sender: Sender,
    request: Request[T],
    orders: Iterable[OwnOrder],
    *,
    until: float,
    in_doubt: tuple[ReferencedOrder, ...] = (),
    on_answer: Callable[[T], None],
) -> T:
    """Send a place or an edit by the loop time `until`, and return its answer.

    It is sent in a task of its own. If the caller is cancelled before the request has left, it is
    not sent. If it has left, the task goes on, because a halt needs to know the answer. Raises what
    the request raises, and `HaltedError` if the gate was shut before it left.
    """
    ticket = gate.admit(orders)
    accounted = evolve(request, leave=ticket.leave, come_back=ticket.come_back)
    sending: asyncio.Task[T] = asyncio.create_task(sender.call_until(accounted, until))
    gate.send(ticket, sending)
    sending.add_done_callback(partial(_decide, gate, ticket, request.endpoint, on_answer))
    try:
        await asyncio.wait([sending])
    except asyncio.CancelledError as cancelled:
        if ticket.left is None:
            ticket.withdraw(NotSentError("the caller was cancelled"))
            before = "it left" if ticket.refused is None else "it left again"
            cancelled.add_note(
                f"{request.endpoint}: cancelled before {before}: it was {ticket.unsent}"
            )
        else:
            reason = f"{request.endpoint}: cancelled after it left: it may have taken effect"
            unknown = OutcomeUnknownError(reason)
            unknown.orders = in_doubt
            cancelled.add_note(reason)
            cancelled.__cause__ = unknown
        raise
    if sending.cancelled() and ticket.left is None:
        # A program may cancel all of its tasks. The request must not leave after that, either.
        ticket.withdrawn = ticket.withdrawn or NotSentError("its task was cancelled")
    if ticket.withdrawn is not None:
        # It waited for its turn, for a connection or for a token, or was about to be written.
        if isinstance(ticket.withdrawn, NotSentError) and ticket.refused is not None:
            raise ticket.refused
        raise type(ticket.withdrawn)(f"{request.endpoint}: {ticket.unsent}: {ticket.withdrawn}")
    if sending.cancelled():
        unknown = OutcomeUnknownError(f"{request.endpoint}: {_GIVEN_UP}")
        unknown.orders = in_doubt
        raise unknown
    error = sending.exception()
    if error is None:
        return sending.result()
    doubt = _in_doubt(request.endpoint, ticket, error)
    if doubt is None:
        raise error
    doubt.orders = in_doubt
    raise doubt


def _in_doubt(endpoint: str, ticket: Ticket, error: BaseException) -> OutcomeUnknownError | None:
    """Return the error of a request that may have taken effect, `None` if it provably did not.

    An exception that is not the library's proves nothing of what has left.
    """
    if isinstance(error, OutcomeUnknownError):
        return error
    if ticket.left is None or isinstance(error, FourcastersError):
        return None
    unknown = OutcomeUnknownError(f"{endpoint}: failed after it left: {type(error).__name__}")
    unknown.__cause__ = error
    return unknown


def _decide(
    gate: Gate,
    ticket: Ticket,
    endpoint: str,
    on_answer: Callable[[T], None],
    sending: "asyncio.Task[Any]",
) -> None:
    error = OutcomeUnknownError(_GIVEN_UP) if sending.cancelled() else sending.exception()
    if error is not None:
        error = _in_doubt(endpoint, ticket, error) or error
    if isinstance(error, OutcomeUnknownError):
        _remember(gate, ticket, error)
    # With no orders left, all of them are known to have come into the book.
    if isinstance(error, OutcomeUnknownError) and ticket.left is not None and ticket.orders:
        games = ", ".join(sorted({order.game or "unknown" for order in ticket.orders}))
        log.warning("a place or an edit on game %s ended unknown: %s", games, error)
    if error is None:
        on_answer(sending.result())
    gate.decide(ticket, error)


def _remember(gate: Gate, ticket: Ticket, error: OutcomeUnknownError) -> None:
    """Take note of the orders that an answer names though it does not fit the request."""
    games = {order.game for order in ticket.orders}
    game = games.pop() if len(games) == 1 else None
    for result in error.answer or ():
        if result is not None and result.order_id and gate.game_of(result.order_id) is None:
            gate.acknowledge(result.order_id, game)
