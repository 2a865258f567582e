"""A sandbox exchange on this machine, for the tests of bots and of this library.

`FakeExchange` is the exchange, `faults` are the ways in which it can fail and `feed_faults` those
in which its feeds can. `strategies` draws values for property tests, and `process` runs an exchange
in a process of its own. The fixtures are those of the pytest plugin. The sandbox shares no path and
no converter with the client: a mistake that both made would pass its own tests.

Inside, from the bottom up:

- `short`: the `repr` of what follows.
- `records`, `book`: accounts, games and orders, and what can happen to them. No I/O, no clock.
- `matching`, `settling`, `liability`, `money`, `open_orders`: the rules of the book. No I/O.
  `book_events`: what the book tells of as it happens.
- `placing`, `wire`: how requests become orders, and how orders are written.
- `answers`, `rest` (with `rest_orders`, `rest_account`, `rest_markets`, `graded`, `pausing`),
  `orders_channel`: the services, a request and the book in, an answer out. No I/O.
- `endpoints`: the names of all that is served.
- `clock`, `limit`, `received`, `observed`: the time, the rate limit, what was received, and waiting
  for it.
- `calls`, `injected`, `faults` (with `http_faults`, `socket_faults`): the faults, and which
  requests they strike.
- `leagues`, `quotes`, `day`: games, prices and bets to look at, and how the prices move. No I/O.
- `user_feed`, `price_feed`: what the feeds say, from the book's events. No I/O.
- `feed_sockets`, `feeds`, `feed_faults`: their connections, and how they can fail.
- `http_server`, `sockets`, `exchange`: the servers around it all.
"""

from fourcasters_async.testing import faults, feed_faults
from fourcasters_async.testing.book import Book
from fourcasters_async.testing.exchange import FakeExchange
from fourcasters_async.testing.received import Received, Requests
from fourcasters_async.testing.records import BookAccount, BookGame, BookOrder

__all__ = [
    "Book",
    "BookAccount",
    "BookGame",
    "BookOrder",
    "FakeExchange",
    "Received",
    "Requests",
    "faults",
    "feed_faults",
]
