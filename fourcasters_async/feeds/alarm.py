"""Says that a feed is down: not at once, and once for each outage."""

import asyncio

from fourcasters_async._core.log import log

# Seconds: a connection that is made anew by then is not worth waking anybody.
_NOT_BACK = 5.0


class Alarm:
    """Logs a warning after a feed was down for some seconds. `reason` is why it is."""

    def __init__(self, feed: str, consequence: str) -> None:
        self.reason = "there was no connection yet"
        self._text = f"{feed} is not live for {_NOT_BACK:.0f} s: {consequence}: %s"
        self._timer: asyncio.TimerHandle | None = None

    def set(self) -> None:
        """Take note that the feed is down. Nothing happens if it was before."""
        if self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(_NOT_BACK, self._warn)

    def clear(self) -> None:
        """Take note that the feed is up, or has ended."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _warn(self) -> None:
        log.warning(self._text, self.reason)
