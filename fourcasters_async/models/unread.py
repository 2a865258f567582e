"""Results of a cancel of which no record is made before somebody asks for it."""

from collections.abc import Callable, Iterable, Sequence
from typing import Any, cast, overload

from fourcasters_async.models.cancel import CancelResult

RESULTS: type[Sequence[CancelResult]] = cast(Any, Sequence[CancelResult])
"""The type of the results of a cancel of which the records may be made later."""


class UnreadResults(Sequence[CancelResult]):
    """The results in an answer that says of every order that it was cancelled.

    What decides was read: each row has a true `success`, no error, and ids that are texts. So
    nothing can fail when `read` makes the records of `rows`. `ids_of` returns the id and the game
    of the order in each row.
    """

    __slots__ = ("_ids_of", "_made", "_read", "_rows", "_source")

    def __init__(
        self,
        rows: Sequence[Any],
        read: Callable[[Any, str], list[CancelResult]],
        ids_of: Callable[[Any], Iterable[tuple[str | None, str | None]]],
        source: str = "",
    ) -> None:
        self._rows: Sequence[Any] | None = rows
        self._read = read
        self._ids_of = ids_of
        self._source = source
        self._made: dict[str, list[CancelResult]] = {}

    @property
    def ids(self) -> Iterable[tuple[str | None, str | None]]:
        """The id and the game of each order, of which no record is made."""
        rows = self._rows
        if rows is None:
            return [(result.order_id, result.game_id) for result in self.read()]
        return self._ids_of(rows)

    def read(self) -> list[CancelResult]:
        """Return the records, the same each time, and drop what they are made of."""
        rows = self._rows
        if rows is not None:
            # Any thread may ask first, and all get the same records: `setdefault` is atomic.
            self._made.setdefault("records", self._read(rows, self._source))
            self._rows = None
        return self._made["records"]

    def __len__(self) -> int:
        rows = self._rows
        return len(self.read() if rows is None else rows)

    @overload
    def __getitem__(self, index: int) -> CancelResult: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[CancelResult]: ...
    def __getitem__(self, index: int | slice) -> CancelResult | Sequence[CancelResult]:
        return self.read()[index]
