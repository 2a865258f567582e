"""The cancel of one order, whose failure is no row but an error."""

import asyncio

from attrs import evolve

from fourcasters_async._core.request import Request
from fourcasters_async._core.sender import Sender
from fourcasters_async.errors import ConflictError, NotFoundError
from fourcasters_async.models import CancelResult
from fourcasters_async.orders.answers import without_result
from fourcasters_async.orders.gate import Gate


async def cancel_one(
    sender: Sender,
    gate: Gate,
    request: Request[CancelResult],
    order_id: str,
    *,
    deadline: float | None,
) -> CancelResult:
    """Send the request that cancels an order, and tell the gate what became of the order."""
    until = sender.until(deadline)
    began = asyncio.get_running_loop().time()
    request = evolve(request, check=lambda told: without_result([order_id], [told]))
    try:
        result = await sender.call_until(request, until)
    except (NotFoundError, ConflictError) as error:
        # One that is not found is said not to rest. One that cannot be cancelled may.
        left = 0.0 if isinstance(error, NotFoundError) else None
        failed = CancelResult(False, error.message, order_id, remaining=left)
        gate.hear([[failed]], began=began)
        raise
    result.order_id = order_id
    gate.hear([[result]], began=began)
    return result
