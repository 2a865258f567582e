"""Telling the caller: what a callback raises is logged, and has no other effect."""

import asyncio
import logging
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")

_log = logging.getLogger("fourcasters_async")


def tell(callback: Callable[[T], object], news: T, failed: str, about: object) -> None:
    """Call a function of the caller's. If it raises, log what `failed` says `about` something."""
    try:
        callback(news)
    except (Exception, asyncio.CancelledError):  # noqa: BLE001  # it is the caller's code
        # What the library has still to do matters more than the caller's callback.
        _log.exception(failed, about)
