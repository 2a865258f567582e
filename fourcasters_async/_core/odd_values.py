"""Which informational values of answers were not of their type: logged once each."""

from fourcasters_async._core.log import log

# A bot runs for weeks: what is remembered must not grow with the odd values.
_REMEMBERED = 1000


class OddValues:
    """Logs where an answer has a value of another type than expected, once for each kind of it."""

    def __init__(self) -> None:
        self._noted: set[tuple[str, str]] = set()

    def note(self, path: str, kind: str) -> None:
        """Log a value of a JSON type at a path. The value is not shown: it may be a secret."""
        if (path, kind) in self._noted or len(self._noted) >= _REMEMBERED:
            return
        self._noted.add((path, kind))
        log.debug("%s: %s is not of its type, and is taken as missing", path, kind)
