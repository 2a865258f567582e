"""The handlers that take an account's orders out of the book for a while, and put them back.

The exchange names them and describes neither bodies nor answers: those here are the sandbox's own.
"""

from functools import partial

from attrs import evolve

from fourcasters_async.testing import placing, wire
from fourcasters_async.testing.answers import Asked
from fourcasters_async.testing.book import Book
from fourcasters_async.testing.records import Paused, seconds_at


def pause_orders(book: Book, asked: Asked) -> object:
    """Cancel everything of the account, with a result for each, and remember it."""
    resting = book.resting(account=asked.account)
    kept = book.paused.setdefault(asked.account, [])
    kept += [Paused(evolve(order), book.games[order.game_id].live) for order in resting]
    return [
        wire.cancelled(order, book.games[order.game_id], book.cancel(order)) for order in resting
    ]


def resume_orders(book: Book, asked: Asked) -> object:
    """Put back what was paused, with a result for each order as a place has it.

    An order comes back with a new id and with what was left of it, behind the orders that rest by
    now, and may match. It stays away if it has expired, or if its game has begun or ended since. If
    the money for it is not there, its result is an error. Either way it is forgotten.
    """
    results: list[wire.Document] = []
    for paused in book.paused.pop(asked.account, ()):
        game, expiry = book.games[paused.order.game_id], paused.order.expiry
        expired = expiry is not None and seconds_at(expiry) <= book.now
        if expired or game.ended or game.live is not paused.live:
            continue
        order = evolve(
            paused.order,
            order_id=book.new_id(),
            offered=paused.order.remaining,
            filled=0.0,
            fills=[],
            placed_at=book.now,
            wager_request_id="",
        )
        put = partial(placing.put, book, order, "limit")
        results.append(placing.written(put, error="errorType"))
    return results
