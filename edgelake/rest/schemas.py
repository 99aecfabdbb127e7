"""JSON Schemas of what is sent and answered, in as few words as they need."""

from __future__ import annotations

from typing import Any, TypeAlias

__all__ = [
    "BOOLEAN",
    "COUNT",
    "INTEGER",
    "JSON",
    "NUMBER",
    "PROBLEM",
    "PROBLEM_SCHEMA",
    "Schema",
    "TEXT",
    "TEXT_PLAIN",
    "choice",
    "listed",
    "mapped",
    "nullable",
    "record",
]

Schema: TypeAlias = dict[str, Any]

TEXT: Schema = {"type": "string"}
INTEGER: Schema = {"type": "integer"}
COUNT: Schema = {"type": "integer", "minimum": 0}
NUMBER: Schema = {"type": "number"}
BOOLEAN: Schema = {"type": "boolean"}

JSON = "application/json"
TEXT_PLAIN = "text/plain"


def record(*optional: str, **properties: Schema) -> Schema:
    """Return the schema of an object with these keys and no others."""
    return {
        "type": "object",
        "properties": properties,
        "required": [name for name in properties if name not in optional],
        "additionalProperties": False,
    }


def listed(items: Schema) -> Schema:
    """Return the schema of a list."""
    return {"type": "array", "items": items}


def mapped(values: Schema) -> Schema:
    """Return the schema of an object whose keys are names."""
    return {"type": "object", "additionalProperties": values}


def nullable(schema: Schema) -> Schema:
    """Return the schema of a value that may be lacking."""
    return {"anyOf": [schema, {"type": "null"}]}


def choice(*values: str) -> Schema:
    """Return the schema of one of some words."""
    return {"type": "string", "enum": list(values)}


PROBLEM: Schema = {"$ref": "#/components/schemas/Problem"}
"""What every failure is told with."""

PROBLEM_SCHEMA: Schema = {
    "type": "object",
    "description": "What failed. The number is the one that the console shows.",
    "properties": {
        "code": {**INTEGER, "description": "number of the error, see docs/errors.md"},
        "error": {**TEXT, "description": "what was wrong"},
        "hint": {**nullable(TEXT), "description": "what to do instead"},
    },
    "required": ["code", "error", "hint"],
}
