"""The columns of a table, and its rows."""

from collections.abc import Sequence

from attrs import frozen

Row = Sequence[str]


@frozen
class Columns:
    """The heads of a table, and which of its columns are numbers."""

    heads: tuple[str, ...]
    numbers: range
