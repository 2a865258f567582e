"""What `watch` tells of the account's own orders: records in, rows and JSON out. No I/O."""

from collections.abc import Sequence
from datetime import datetime

from fourcasters_async.cli.columns import Columns, Row
from fourcasters_async.cli.shown import Told, clock
from fourcasters_async.cli.wording import (
    UNKNOWN,
    american,
    amount,
    side_of_order,
    side_of_told,
)
from fourcasters_async.models import Lagged, OpenOrder, OrderChange, OrderFilled

_HEADS = ("event", "game", "order", "what", "side", "odds", "amount", "remaining", "note")
CHANGES = Columns(("time (UTC)", *_HEADS), range(6, 9))
# On a terminal, where three ids would leave no room.
NEWEST = Columns(("time (UTC)", "event", "what happened"))
_NO_ORDER = ("",) * (len(_HEADS) - 2)


def tell_orders(orders: Sequence[OpenOrder], exchange: str, at: datetime) -> Told:
    """Tell of all open orders."""
    rows = [_order_row("open", order) for order in orders]
    return Told(at, "orders", {"exchange": exchange, "orders": orders}, rows)


def tell_change(change: OrderChange, at: datetime) -> Told:
    """Tell what changed of an order."""
    what = "closed" if change.closed else "opened" if change.opened else "changed"
    note = "DISAGREEMENT: a read shows it, the feed has not told of it"
    fields = {"change": what, **change.to_dict()}
    row = _order_row(what, change.order, note if change.disagreement else "")
    return Told(at, "order", fields, [row])


def tell_fill(event: OrderFilled, at: datetime) -> Told:
    """Tell of a fill."""
    fill, order = event.fill, event.order
    role = "taker" if order is None else "maker"
    note = f"as {role}, fill {fill.tx_id or UNKNOWN}"
    row = (
        "fill",
        event.game_id or UNKNOWN,
        "" if order is None else order.order_id,
        fill.type or UNKNOWN,
        side_of_told(fill),
        american(fill.odds),
        amount(fill.amount if fill.risk is None else fill.risk, UNKNOWN),
        "" if order is None else amount(order.remaining, UNKNOWN),
        _notes(note, fill.user_reference if order is None else order.user_reference),
    )
    return Told(at, "fill", {"role": role, "fill": event}, [row])


def tell_state(doubt: str | None, since: datetime | None, at: datetime) -> Told:
    """Tell whether the orders are the account's book; if not, why not, and since when."""
    fields = {"current": doubt is None, "not_current_since": since, "doubt": doubt}
    word = "current" if doubt is None else "not current"
    return Told(at, "state", fields, [(word, *_NO_ORDER, doubt_since(doubt, since))])


def tell_lagged(lagged: Lagged, of: str, at: datetime) -> Told:
    """Tell that this program was too slow, and how much it has lost."""
    note = f"too slow: {lagged.dropped} {of} were not told of"
    fields = {"of": of, **lagged.to_dict()}
    return Told(at, "lagged", fields, [("lagged", *_NO_ORDER, note)])


def doubt_since(doubt: str | None, since: datetime | None) -> str:
    """Say since when something is not current, and why."""
    if doubt is None:
        return ""
    return doubt if since is None else f"since {clock(since)}: {doubt}"


def newest_rows(newest: Sequence[Told]) -> list[Row]:
    """Return the rows for a terminal of what was told. The open orders have a table there."""
    return [
        (clock(told.at), row[0], _in_words(row))
        for told in newest
        if told.event != "orders"
        for row in told.rows
    ]


def _in_words(row: Row) -> str:
    """Write the cells after the first with their heads. The last one is a text."""
    named = zip(_HEADS[1:-1], row[1:-1], strict=False)
    return "; ".join([*(f"{head} {cell}" for head, cell in named if cell), *filter(None, row[-1:])])


def _order_row(what: str, order: OpenOrder, note: str = "") -> Row:
    return (
        what,
        order.game_id or UNKNOWN,
        order.order_id or UNKNOWN,
        order.type or UNKNOWN,
        side_of_order(order),
        american(order.odds),
        amount(order.offered, UNKNOWN),
        amount(order.remaining, UNKNOWN),
        _notes(note, order.user_reference),
    )


def _notes(note: str, user_reference: str | None) -> str:
    reference = f"reference {user_reference}" if user_reference else ""
    return "; ".join(part for part in (note, reference) if part)
