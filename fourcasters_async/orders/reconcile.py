"""What happened to the orders of a place: each is looked up by its reference."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence

from fourcasters_async._core.log import log
from fourcasters_async._core.validation import check_id, check_list, check_text
from fourcasters_async.errors import (
    AuthenticationError,
    ForbiddenError,
    FourcastersError,
    SessionClosedError,
)
from fourcasters_async.models import BetsByReference, OrderFate, ReconciledOrder
from fourcasters_async.orders.gate import Gate

# Seconds before an order that was not found is looked up again.
_FIRST_PAUSE, _LONGEST_PAUSE = 0.1, 2.0
_LOOKUPS_AT_ONCE = 10

Lookup = Callable[[str, str, float], Awaitable[BetsByReference]]
"""Looks an order up by its game and its reference, by a loop time."""


def check_references(orders: object) -> list[tuple[str, str]]:
    """Return the distinct games and references of orders."""
    wanted: dict[tuple[str, str], None] = {}
    for index, order in enumerate(check_list(orders, "orders")):
        name = f"orders[{index}]"
        game_id = check_id(getattr(order, "game_id", None), f"{name}.game_id")
        reference = check_text(getattr(order, "user_reference", None), f"{name}.user_reference")
        wanted[game_id, reference] = None
    return list(wanted)


async def reconcile(
    references: Sequence[tuple[str, str]], lookup: Lookup, gate: Gate, *, until: float
) -> list[ReconciledOrder]:
    """Look each order up until it is found or cannot come any more.

    Ends at the loop time `until`.
    """
    places = asyncio.Semaphore(_LOOKUPS_AT_ONCE)
    clock = asyncio.get_running_loop().time
    started = clock()

    async def follow(game_id: str, reference: str) -> ReconciledOrder:
        pause = _FIRST_PAUSE
        while True:
            # Asked before the lookup: a later answer would miss what lands in between.
            game = game_id.casefold()
            final = not gate.can_still_land(reference, game, asked_at=started)
            found: BetsByReference | None = None
            try:
                async with places:
                    found = await lookup(game_id, reference, until)
            except (AuthenticationError, ForbiddenError, SessionClosedError):
                raise
            except FourcastersError as error:
                log.debug("could not look up the order %s: %s", reference, error)
            fate = fate_of(found, final=final)
            if fate is not OrderFate.UNDECIDED or clock() + pause >= until:
                found = found or BetsByReference()
                if fate is not OrderFate.UNDECIDED:
                    resting = [order.order_id for order in found.unmatched if order.order_id]
                    for order_id in resting:
                        gate.acknowledge(order_id, game)
                    gate.reconciled(reference, game, resting=resting)
                return ReconciledOrder(
                    game_id, reference, fate, found.unmatched, found.matched, found.graded
                )
            await asyncio.sleep(pause)
            pause = min(_LONGEST_PAUSE, 2 * pause)

    try:
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(follow(*each)) for each in references]
    except* FourcastersError as errors:
        # The account may not look orders up, or the session is closed: all errors are alike.
        refused = errors.exceptions[0]
    else:
        return [task.result() for task in tasks]
    raise refused


def fate_of(found: BetsByReference | None, *, final: bool) -> OrderFate:
    """Say what happened to an order. `final` says that it could not come any more when asked."""
    if found is None:
        return OrderFate.UNDECIDED
    if found.unmatched:
        return OrderFate.RESTING
    if found.matched:
        return OrderFate.FILLED
    if found.graded:
        return OrderFate.GRADED
    return OrderFate.ABSENT if final else OrderFate.UNDECIDED
