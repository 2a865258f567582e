"""The frames of the price feed: `[type, payload]`. No I/O."""

import re
from collections.abc import Mapping

import orjson

from fourcasters_async._core.text import is_too_dense
from fourcasters_async._json.converter import REST
from fourcasters_async.errors import DecodeError
from fourcasters_async.models import (
    GameUpdate,
    Gap,
    MatchedVolumeUpdate,
    OrderUpdate,
    PriceEvent,
)

Update = OrderUpdate | GameUpdate | MatchedVolumeUpdate

_KINDS: Mapping[bytes, type[Update]] = {
    b"orderUpdate": OrderUpdate,
    b"gameUpdate": GameUpdate,
    b"matchedVolumeUpdate": MatchedVolumeUpdate,
}
_START = re.compile(rb'\s*\[\s*"([^"\\]{1,64})"\s*,')


def kind_of(frame: bytes) -> type[Update] | None:
    """Return what a frame holds, mostly from its first bytes; `None` if its type is not known.

    Raises `DecodeError` for what is no JSON: nobody knows what it stands for.
    """
    start = _START.match(frame)
    if start is not None:
        return _KINDS.get(start[1])
    document = _document(frame)
    name = document[0] if type(document) is list and document else None
    return _KINDS.get(name.encode()) if type(name) is str else None


def payload_of(frame: bytes) -> dict[str, object]:
    """Return the payload of a frame of a known type, or raise `DecodeError`."""
    document = _document(frame)
    payload = document[1] if type(document) is list and len(document) > 1 else None
    if type(payload) is not dict:
        raise DecodeError("$[1]: not an object", path="$[1]")
    return payload


def game_of(payload: Mapping[str, object]) -> str | None:
    """Return the id of the game that a payload is about, wherever it stands."""
    for document in (payload, payload.get("game")):
        if isinstance(document, dict):
            for key in ("gameID", "id", "_id"):
                game_id = document.get(key)
                if type(game_id) is str:
                    return game_id
    return None


def update_of(kind: type[Update], payload: dict[str, object]) -> Update:
    """Return the record of a payload, or raise `DecodeError`."""
    return REST.structure(payload, kind, "$[1]", "price feed: ")


def _document(frame: bytes) -> object:
    if is_too_dense(frame):
        raise DecodeError("far more records than a message of this size has", path="$")
    try:
        return orjson.loads(frame)
    except orjson.JSONDecodeError:
        raise DecodeError("a message is no JSON", path="$") from None


def event_of(frame: bytes) -> PriceEvent:
    """Return the event of a frame of a known type: a `Gap` in the place of what cannot be read."""
    try:
        kind = kind_of(frame)
        if kind is not None:
            return update_of(kind, payload_of(frame))
    except DecodeError as error:
        return Gap(reason=str(error))
    return Gap(reason="a message of an unknown type was kept")
