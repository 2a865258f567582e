"""The exchange's limit of requests: so many in any window of so many seconds."""

from collections import deque

from fourcasters_async.testing import wire
from fourcasters_async.testing.answers import Answer


class RequestLimit:
    """Serves `requests` in any `window` seconds, and refuses the rest. No clock of its own."""

    def __init__(self, requests: int, window: float) -> None:
        self.refused = 0
        """How many requests were refused."""
        self._requests = requests
        self._window = window
        self._served: deque[float] = deque()

    def refusal(self, now: float) -> Answer | None:
        """Return the 429 for a request that comes now, or `None` if it is served."""
        while self._served and self._served[0] <= now - self._window:
            self._served.popleft()
        if len(self._served) < self._requests:
            self._served.append(now)
            return None
        self.refused += 1
        # At a limit of none there is nothing to wait for.
        oldest = self._served[0] if self._served else now
        headers = {"Retry-After": str(int(oldest + self._window - now) + 1)}
        return Answer(429, wire.error("Too many requests. Please try again later."), headers)
