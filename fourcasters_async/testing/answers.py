"""What the exchange's services take and give, whatever the transport."""

import json
import re
from collections.abc import Mapping

from attrs import field, frozen

from fourcasters_async.testing import wire
from fourcasters_async.testing.book import ReadLag

_ID = re.compile(r"[0-9a-fA-F]{24}")

Body = dict[str, object]


@frozen
class Answer:
    """A status, a JSON document and the headers of a response."""

    status: int
    document: object
    headers: Mapping[str, str] = field(factory=dict)

    def content(self) -> bytes:
        """Return the document as JSON."""
        return json.dumps(self.document).encode()


@frozen
class Asked:
    """What an account asks for. `fields` are those of the query and of the body."""

    account: str
    token: str
    fields: Body
    lag: ReadLag


class RefusedError(Exception):
    """The request as a whole is answered with an error."""

    def __init__(
        self,
        status: int,
        message: str,
        *,
        object_form: bool = False,
        error_type: str | None = None,
    ) -> None:
        super().__init__(message)
        document = wire.error(message, code=status if object_form else None)
        if error_type is not None:
            document["errorType"] = error_type
        self.answer = Answer(status, document)


def unauthorized() -> Answer:
    """Return the answer to a request whose token or password is not accepted."""
    return Answer(401, wire.error("InvalidCredentials", code=401))


def is_id(value: object) -> bool:
    """Whether a value has the form of an id."""
    return isinstance(value, str) and _ID.fullmatch(value) is not None


def object_in(content: bytes) -> Body | None:
    """Return the JSON object that a body is, and `None` for anything else."""
    try:
        body = json.loads(content)
    except ValueError:
        return None
    return body if isinstance(body, dict) else None


def body_of(content: bytes) -> Body:
    """Return the JSON object that a body is, and an empty one for anything else."""
    return object_in(content) or {}
