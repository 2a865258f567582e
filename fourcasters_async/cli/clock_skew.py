"""How far this machine's clock is from the exchange's, from the times in its answers. No I/O."""

from email.utils import parsedate_to_datetime

# A `Date` has no fractions: it was sent within the second that it names.
_SECOND = 1.0


class ClockSkew:
    """Between which bounds the clock of this machine is ahead of the exchange's, in seconds.

    Each answer narrows them: it was made after the request was sent, and before it arrived.
    """

    def __init__(self) -> None:
        self._low, self._high = float("-inf"), float("inf")
        self._known = False

    def learn(self, sent: float, received: float, date: str | None) -> None:
        """Take the times of a request, by this machine's clock, and the `Date` of its answer."""
        try:
            told = parsedate_to_datetime(date or "").timestamp()
        except (ValueError, TypeError, OverflowError):
            return
        low, high = sent - told - _SECOND, received - told
        if not self._known or low > self._high or high < self._low:
            # One of several machines, or a clock that was set meanwhile: the latest counts.
            self._low, self._high, self._known = low, high, True
            return
        self._low, self._high = max(low, self._low), min(high, self._high)

    @property
    def seconds(self) -> float | None:
        """How far it surely is ahead, less than 0 for behind; `None` if no answer had a time."""
        if not self._known:
            return None
        return max(self._low, min(0.0, self._high))
