"""What REST and the Orders WebSocket are to the verbs: a way to send a request."""

import asyncio
from abc import ABC, abstractmethod
from typing import TypeVar, cast

from fourcasters_async._core.outcome import RequestOutcome
from fourcasters_async._core.request import Request

T = TypeVar("T")


class Sender(ABC):
    """Sends requests until they are decided. `timeout` is the seconds that one may take."""

    def __init__(self, timeout: float) -> None:
        self.timeout = timeout

    async def call(self, request: Request[T], *, deadline: float | None = None) -> T:
        """Send `request` and return its answer, or raise what came instead.

        `deadline` is a loop time; without one there are `timeout` seconds from now.
        """
        self.ensure_usable(authorised=request.authorised)
        await self.catch_up()
        if deadline is None:
            deadline = asyncio.get_running_loop().time() + self.timeout
        settled = await self.send(request, deadline=deadline)
        if settled.error is not None:
            raise settled.error
        return cast(T, settled.value)

    @abstractmethod
    def ensure_usable(self, *, authorised: bool = True) -> None:
        """Raise if no request, or no authorised one, can be sent any more."""

    @abstractmethod
    async def catch_up(self) -> None:
        """Take note of what happened to connections while they were idle."""

    @abstractmethod
    async def send(
        self, request: Request[T], *, deadline: float | None = None
    ) -> RequestOutcome[T]:
        """Send `request` until an attempt decides it, and say what came of it.

        `deadline` is a loop time. Without one there are `timeout` seconds from the first attempt.
        """
