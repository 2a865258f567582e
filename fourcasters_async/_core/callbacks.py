"""Telling the caller: what a callback raises is logged, and has no other effect."""

from collections.abc import Callable
from typing import TypeVar

from fourcasters_async._core.log import log

T = TypeVar("T")

ENDS_THE_PROGRAM = (KeyboardInterrupt, SystemExit)
"""What a callback may raise to be heard."""


def tell(callback: Callable[[T], object], news: T, failed: str, about: object) -> None:
    """Call a function of the caller's. If it raises, log what `failed` says `about` something.

    A test fails by raising what is no `Exception`, and so do other frameworks. Only what is to end
    the program goes on up.
    """
    try:
        callback(news)
    except ENDS_THE_PROGRAM:
        raise
    except BaseException:  # noqa: BLE001  # it is the caller's code
        # What the library has still to do matters more than the caller's callback.
        log.exception(failed, about)
