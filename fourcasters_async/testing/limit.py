"""The exchange's limits of requests: so many in any window of so many seconds."""

from collections import deque
from collections.abc import Mapping

from fourcasters_async.testing import wire
from fourcasters_async.testing.answers import Answer

# Requests and seconds: what an account may ask of some endpoints.
_OF_AN_ACCOUNT: Mapping[str, tuple[int, float]] = {
    "/user/getGradedWagers": (60, 60.0),
    "/user/v2/getGraded": (60, 60.0),
    "/user/v2/getGradedSince": (10, 5.0),
}


class RequestLimits:
    """The limit of the address, if there is one, and those of an account at some endpoints."""

    def __init__(self, address: tuple[int, float] | None) -> None:
        self._address = None if address is None else RequestLimit(*address)
        self._of_accounts: dict[tuple[str, str], RequestLimit] = {}

    @property
    def refused(self) -> int:
        """How many requests were refused by the limit of the address."""
        return 0 if self._address is None else self._address.refused

    def refusal(self, path: str, account: str | None, now: float) -> Answer | None:
        """Return the 429 for a request that comes now, or `None` if it is served."""
        refusal = None if self._address is None else self._address.refusal(now)
        if refusal is not None or account is None or path not in _OF_AN_ACCOUNT:
            return refusal
        own = self._of_accounts.setdefault((path, account), RequestLimit(*_OF_AN_ACCOUNT[path]))
        return own.refusal(now)


class RequestLimit:
    """Serves `requests` in any `window` seconds, and refuses the rest. No clock of its own."""

    def __init__(self, requests: int, window: float) -> None:
        self.refused: int = 0
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
