"""The shapes of JSON that docs/cli.md tells, as one JSON schema."""

import json
import re
from typing import Any

from openapi_schema_validator import OAS31Validator
from pages import ROOT

_BLOCKS = re.findall(
    r"^### `(\S+)`\n\n```json\n(.*?)```",
    (ROOT / "docs" / "cli.md").read_text(),
    re.DOTALL | re.MULTILINE,
)
SHAPES: dict[str, dict[str, str]] = {name: json.loads(shape) for name, shape in _BLOCKS}
_TYPES: dict[str, dict[str, Any]] = {
    "string": {"type": "string"},
    "number": {"type": "number"},
    "boolean": {"type": "boolean"},
    "object": {"type": "object"},
    "time": {
        "type": "string",
        "pattern": r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?[+-]\d\d:\d\d$",
    },
}


def fields_of(name: str) -> dict[str, str]:
    """Return the fields of a shape, with those of the one that it goes on from."""
    shape = dict(SHAPES[name])
    base = shape.pop("...", None)
    return shape if base is None else fields_of(base) | shape


def schema_of(name: str) -> dict[str, Any]:
    """Return the JSON schema of a shape: exactly these fields, all of them."""
    definitions = {each: _object(each) for each in SHAPES}
    return {"$ref": f"#/$defs/{name}", "$defs": definitions}


def mistakes(document: object, name: str) -> list[str]:
    """Return where a document has not the shape that the page tells."""
    errors = OAS31Validator(schema_of(name)).iter_errors(document)
    return [f"{error.json_path}: {error.message}" for error in errors]


def _object(name: str) -> dict[str, Any]:
    fields = {field: _schema(kind) for field, kind in fields_of(name).items()}
    return {
        "type": "object",
        "properties": fields,
        "required": list(fields),
        "additionalProperties": False,
    }


def _schema(kind: str) -> dict[str, Any]:
    if kind.endswith("?"):
        return {"anyOf": [{"type": "null"}, _schema(kind[:-1])]}
    if kind.endswith("[]"):
        return {"type": "array", "items": _schema(kind[:-2].strip("()"))}
    if " | " in kind:
        return {"anyOf": [_schema(each) for each in kind.split(" | ")]}
    return _TYPES.get(kind) or {"$ref": f"#/$defs/{kind}"}
