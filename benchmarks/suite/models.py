"""The answers over both transports as a user of pydantic would write them."""

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


class SocketResultModel(BaseModel):
    """The answer over the Orders WebSocket to a cancel for one order."""

    success: bool
    order_id: str | None = Field(default=None, alias="orderID")
    description: str | None = None
    odds: int | float | None = None
    filled: float | None = None
    offered: float | None = None
    remaining: float | None = None
    game_id: str | None = Field(default=None, alias="gameID")
    user_reference: str | None = Field(default=None, alias="userReference")
    side: str | None = None
    number: float | None = None


class SocketAnswer(BaseModel):
    """The answer over the Orders WebSocket to a cancel on one game."""

    request_id: str = Field(alias="requestID")
    data: list[SocketResultModel]
