"""When live orders are the account's book, and when they are to be read again. No I/O, no clock."""

from enum import Enum, auto

from attrs import define

# Seconds that the feed has to tell what an answer or a read has said.
ECHO = 5.0
_FIRST_PAUSE, _LONGEST_PAUSE = 0.25, 30.0


class Due(Enum):
    """What is to be done."""

    READ = auto()
    RECONNECT = auto()
    """The feed has to say again what it owes, and then the open orders are to be read."""


@define
class Upkeep:
    """What is known to be complete. Times are those of one clock, in seconds.

    Reads may trail the book by `read_lag` seconds, so only a read that began that long after the
    feed told of everything shows all that came before. A read is due every `audit` seconds too.
    """

    read_lag: float
    audit: float
    live: bool = False
    """Whether the feed tells at once of what happens."""
    complete: bool = False
    """Whether the feed and the reads together have shown everything, up to where the feed is."""
    doubt: str = "the open orders were not read yet"
    """Why it is not complete."""
    _audited: float = float("-inf")
    _gapless_since: float | None = None
    _last_read: float = float("-inf")
    _not_before: float = float("-inf")
    _failures: int = 0
    _reconnected: float = float("-inf")

    def note_live(self, now: float, *, live: bool) -> None:
        """Take note of whether the feed is live. What it missed was told before that."""
        self.live = live
        if live and self._gapless_since is None:
            self._gapless_since = now

    def note_gap(self, now: float, reason: str) -> None:
        """Take note that the feed has not told of everything."""
        self.complete, self.doubt = False, reason
        self._gapless_since = now if self.live else None

    def begin_read(self, now: float) -> float | None:
        """Take note that a read begins; return what `end_read` is to be told."""
        self._last_read = now
        return self._gapless_since

    def end_read(self, began: float, gapless_since: float | None, *, conclusive: bool) -> None:
        """Take note of a read that was answered, and whether it decides about all orders."""
        self._failures, self._not_before = 0, float("-inf")
        self._audited = began
        unbroken = gapless_since is not None and gapless_since == self._gapless_since
        if unbroken and gapless_since is not None and began >= gapless_since + self.read_lag:
            self.complete = self.complete or conclusive

    def fail_read(self, now: float) -> None:
        """Take note of a read that failed."""
        self._failures += 1
        self._not_before = now + min(_LONGEST_PAUSE, _FIRST_PAUSE * 2**self._failures)

    def due_at(self, owed_since: float | None) -> float:
        """Return when something is due, if the feed owes word since a time or `None`."""
        due = self._not_before if self._failures else self._last_read + self.audit
        if owed_since is not None and self.live:
            due = min(due, owed_since + ECHO)
        if not self.complete and self._gapless_since is not None:
            was_read = self._last_read >= self._gapless_since
            due = min(due, self._gapless_since + self.read_lag if was_read else float("-inf"))
        return max(due, self._not_before, self._last_read + _FIRST_PAUSE)

    def due(self, now: float, owed_since: float | None) -> Due:
        """Return what is to be done now that something is due.

        To reconnect helps at most once in the seconds of an audit: what the exchange never tells
        can only be read.
        """
        if not self.is_overdue(now, owed_since) or not self.live:
            return Due.READ
        self.note_gap(now, "the feed has not told of an order that an answer or a read has shown")
        if now < self._reconnected + self.audit:
            return Due.READ
        self._reconnected, self._gapless_since = now, None
        return Due.RECONNECT

    def lapsed(self, now: float, owed_since: float | None) -> str | None:
        """Return why it is in doubt though it was complete, `None` if it is not."""
        if self.is_overdue(now, owed_since):
            return "the feed owes word of an own order"
        if self._audited + 2 * self.audit <= now:
            return f"the open orders could not be read for {2 * self.audit:g} s"
        return None

    def lapses_at(self, owed_since: float | None) -> float:
        """Return when `lapsed` has something to say, if nothing more happens until then."""
        unaudited = self._audited + 2 * self.audit
        return unaudited if owed_since is None else min(unaudited, owed_since + ECHO)

    @staticmethod
    def is_overdue(now: float, owed_since: float | None) -> bool:
        """Whether the feed has owed word for too long."""
        return owed_since is not None and owed_since + ECHO <= now
