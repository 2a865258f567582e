"""The answer over the Orders WebSocket as a user of msgspec would write it."""

import msgspec
from attrs import define

Row = msgspec.defstruct("Row", [("success", bool), ("orderID", str), ("gameID", str)])
Answer = msgspec.defstruct("Answer", [("requestID", str), ("data", list[Row])])  # type: ignore[valid-type]  # made just above
"""What decides, and nothing else."""


@define
class Record:
    """The record of a cancelled order, with the names of the wire."""

    success: bool
    orderID: str | None = None  # noqa: N815  # the name on the wire
    description: str | None = None
    odds: int | float | None = None
    filled: float | None = None
    offered: float | None = None
    remaining: float | None = None
    gameID: str | None = None  # noqa: N815  # as above
    userReference: str | None = None  # noqa: N815  # as above
    side: str | None = None
    number: float | None = None


FullAnswer = msgspec.defstruct("FullAnswer", [("requestID", str), ("data", list[Record])])
"""Every field, in attrs records."""

Struct = msgspec.defstruct(
    "Struct", [(name, kind, None) for name, kind in Record.__annotations__.items()]
)
FullStructs = msgspec.defstruct("FullStructs", [("requestID", str), ("data", list[Struct])])  # type: ignore[valid-type]  # made just above
"""Every field, in structs of msgspec."""
