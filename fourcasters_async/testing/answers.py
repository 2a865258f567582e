"""What the exchange's services take and give, whatever the transport."""

import json
import re
from collections.abc import Mapping

import orjson
from attrs import field, frozen

from fourcasters_async.testing import wire
from fourcasters_async.testing.records import ReadLag
from fourcasters_async.testing.short import ShortRepr

# How deep a document may be nested. Requests are three deep.
_DEPTH = 64

_ID = re.compile(r"[0-9a-fA-F]{24}")

Body = dict[str, object]


@frozen(repr=False)
class Answer(ShortRepr):
    """A status, a JSON document and the headers of a response."""

    status: int
    document: object
    headers: Mapping[str, str] = field(factory=dict)

    def content(self) -> bytes:
        """Return the document as JSON."""
        return json.dumps(self.document).encode()


@frozen(repr=False)
class Asked(ShortRepr):
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
        self.answer: Answer = Answer(status, document)


def unauthorized() -> Answer:
    """Return the answer to a request whose token or password is not accepted."""
    return Answer(401, wire.error("InvalidCredentials", code=401))


def is_id(value: object) -> bool:
    """Whether a value has the form of an id."""
    return isinstance(value, str) and _ID.fullmatch(value) is not None


def document_in(content: bytes | str) -> object:
    """Return the value that a JSON text holds, and `None` for what is no JSON or too deep.

    NaN, lone surrogates and bytes that are not UTF-8 are no JSON.
    """
    try:
        document: object = orjson.loads(content)
    except orjson.JSONDecodeError:
        return None
    return None if _is_deep(document) else document


def _is_deep(document: object) -> bool:
    """Whether a document is nested deeper than what is written here can be."""
    level = [document]
    for _ in range(_DEPTH):
        level = [
            each
            for value in level
            if isinstance(value, dict | list)
            for each in (value.values() if isinstance(value, dict) else value)
        ]
        if not level:
            return False
    return True


def object_in(content: bytes) -> Body | None:
    """Return the JSON object that a body is, and `None` for anything else."""
    body = document_in(content)
    return body if isinstance(body, dict) else None


def body_of(content: bytes) -> Body:
    """Return the JSON object that a body is, and an empty one for anything else."""
    return object_in(content) or {}
