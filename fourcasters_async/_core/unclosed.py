"""The warning of what was used and is dropped without having been closed."""

import warnings
from collections.abc import Callable
from typing import Any


def warn_unclosed(owner: object, remedy: str, *, warn: Callable[..., Any] = warnings.warn) -> None:
    """Warn that an object was never closed, and of what to do instead; for its `__del__`.

    `tracemalloc` can show where the `owner` was made, because it is the source. `warn` is bound
    early: when the interpreter ends, `warnings` may be gone before the object is.
    """
    name = type(owner).__name__
    warn(f"{name} was used and never closed: {remedy}", ResourceWarning, source=owner)


class Entered:
    """What is used inside `async with`, and warns if it is dropped without having been left."""

    _still_open = False

    def __del__(self) -> None:
        if self._still_open:
            warn_unclosed(self, "enter it with `async with`")
