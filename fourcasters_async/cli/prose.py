"""Keeps prose that cannot be written from ending a command."""

import io
import sys
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def unheard() -> Iterator[None]:
    """Print prose in this block, and go on without it if standard error cannot be written.

    A disk that is full or a terminal that has gone must not keep an order from being cancelled, nor
    change the exit status.
    """
    try:
        yield
    except (OSError, SystemExit):  # the latter is how rich says it
        # What is left in its buffer would fail again at the end, with another exit status.
        sys.stderr = io.StringIO()
