"""A sandbox exchange on this machine, for the tests of bots and of this library.

`FakeExchange` serves it; `faults` are the ways in which it can fail; the module `fixtures` has a
pytest fixture. It shares no path and no converter with the client, so that neither can hide a
mistake of the other.
"""

from fourcasters_async.testing import faults
from fourcasters_async.testing.book import Book
from fourcasters_async.testing.exchange import FakeExchange
from fourcasters_async.testing.received import Received
from fourcasters_async.testing.records import BookAccount, BookGame, BookOrder

__all__ = ["Book", "BookAccount", "BookGame", "BookOrder", "FakeExchange", "Received", "faults"]
