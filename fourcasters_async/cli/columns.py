"""The columns of a table, and its rows."""

from collections.abc import Sequence

from attrs import frozen

Row = Sequence[str]


@frozen
class Columns:
    """The heads of a table, and what its columns are.

    `numbers` are the places of the columns that are aligned right, and that have no thousands
    separators in lines with tabs. The others are named by their heads, and matter on a terminal
    alone: `spare` are left out first where there is no room, the words of `status` are coloured,
    and the texts of `note` stand below the table.
    """

    heads: tuple[str, ...]
    numbers: range = range(0)
    spare: frozenset[str] = frozenset()
    status: str = ""
    note: str = ""
