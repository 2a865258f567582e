"""The answer over REST as a user of pydantic would write it."""

from pydantic import BaseModel, Field


class CancelResultModel(BaseModel):
    """The answer to a cancel for one order."""

    success: bool
    reason: str | None = None
    order_id: str | None = Field(default=None, alias="sessionID")
    description: str | None = None
    odds: int | float | None = None
    filled: float | None = None
    offered: float | None = None
    remaining: float | None = None
    game_id: str | None = Field(default=None, alias="gameID")
    user_reference: str | None = Field(default=None, alias="userReference")


class RestAnswer(BaseModel):
    """The answer to a cancel on one game."""

    data: list[CancelResultModel]
