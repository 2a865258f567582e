"""The warning of what was used and is dropped without having been closed."""

import warnings
from collections.abc import Callable
from typing import Any


def warn_unclosed(owner: object, remedy: str, *, warn: Callable[..., Any] = warnings.warn) -> None:
    """Warn that an object was never closed, and of what to do instead; for its `__del__`.

    `tracemalloc` shows where the `owner` was made, because it is the source. `warn` is bound early:
    when the interpreter ends, `warnings` may be gone before the object is.
    """
    name = type(owner).__name__
    warn(f"{name} was used and never closed: {remedy}", ResourceWarning, source=owner)
