"""What the exchange received, and which fault strikes it."""

from collections.abc import Mapping

from attrs import define

from fourcasters_async.testing.calls import Fault
from fourcasters_async.testing.rest import body_of


@define
class Received:
    """A request that was received, or a message on a WebSocket.

    A message has the method `WS`, its type for a path, its payload for a content and the headers
    of the handshake. `account` is `None` for a token that is not known, `fault` what struck it, if
    any did.
    """

    method: str
    path: str
    headers: Mapping[str, str]
    content: bytes
    account: str | None
    fault: Fault | None = None

    @property
    def endpoint(self) -> str:
        """The last segment of the path."""
        return self.path.rpartition("/")[2]

    @property
    def game_id(self) -> object:
        """The `gameID` or `gameId` in the body."""
        body = body_of(self.content)
        return body.get("gameID", body.get("gameId"))


@define
class Injected:
    """A fault, and which requests it strikes."""

    fault: Fault
    endpoint: str | None
    game_id: str | None
    after: int
    times: int | None

    def takes(self, received: Received) -> bool:
        """Whether the fault strikes this request; counts it if it could."""
        if self.endpoint not in (None, received.endpoint):
            return False
        if self.game_id not in (None, received.game_id) or self.times == 0:
            return False
        if self.after > 0:
            self.after -= 1
            return False
        if self.times is not None:
            self.times -= 1
        return True
