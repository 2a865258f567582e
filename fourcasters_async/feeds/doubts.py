"""Says whenever something comes into doubt, when it is in doubt no more, and when to look."""

import asyncio
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

from fourcasters_async.errors import FourcastersError
from fourcasters_async.feeds.news import News
from fourcasters_async.feeds.stream import Stream, Streams


class Doubts:
    """Tells each change of a doubt, and since when there has been one.

    `why` returns the doubt, `None` without one. `lapses_at` returns the loop time at which there
    will be one though nothing more happens.
    """

    def __init__(self, why: Callable[[], str | None], lapses_at: Callable[[], float]) -> None:
        self._why = why
        self._lapses_at = lapses_at
        self._streams: Streams[str | None] = Streams()
        self.news: News = News(self.look)
        """What may change the doubt: to tell it is to have it looked at, once in a turn."""
        self._ended = False
        self._told: str | None = None
        self._since: float | None = None
        self._timer: asyncio.TimerHandle | None = None

    @property
    def since(self) -> datetime | None:
        """Since when there has been a doubt, in UTC; `None` if there is none."""
        if self._why() is None:
            return None
        if self._since is None:
            # The news of it comes in a later turn of the loop.
            self._since = _now()
        return datetime.now(UTC) - timedelta(seconds=_now() - self._since)

    def stream(self) -> Stream[str | None]:
        """Return the doubt now, and each change of it from now on."""
        stream = self._streams.open()
        if not self._ended:
            stream.put(self._why())
        return stream

    def look(self) -> None:
        """Take note of the doubt now that there is news."""
        doubt = self._why()
        if doubt is None:
            self._since = None
        elif self._since is None:
            self._since = _now()
        if doubt != self._told:
            self._told = doubt
            self._streams.put(doubt)
        if doubt is None and not self._ended:
            self._look_again_at(self._lapses_at())

    def end(self, error: FourcastersError) -> None:
        """Let nothing more come but the last doubt, for a reason."""
        self._ended = True
        if self._timer is not None:
            self._timer.cancel()
        self.look()
        self._streams.end(error)

    def _look_again_at(self, time: float) -> None:
        # A timer that rings too early sets the next one: most of them need not be moved.
        if self._timer is not None and self._timer.when() <= time:
            return
        if self._timer is not None:
            self._timer.cancel()
        self._timer = asyncio.get_running_loop().call_at(time, self._ring)

    def _ring(self) -> None:
        self._timer = None
        self.news.tell()


def _now() -> float:
    return asyncio.get_running_loop().time()
