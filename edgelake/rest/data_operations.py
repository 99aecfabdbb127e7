"""What can be called at ``/`` with data: rows by PUT."""

from __future__ import annotations

from edgelake import limits
from edgelake.rest.operations import Answer, Operation, Parameter
from edgelake.rest.schemas import JSON, Schema

__all__ = ["ROWS"]

_LINES = "application/x-ndjson"
_FAULTS = (400, 401, 403, 408, 409, 413, 421, 429, 431, 500, 503, 507)


def _part(most: int) -> Schema:
    return {"type": "string", "pattern": "^[A-Za-z0-9_][A-Za-z0-9_-]*$", "maxLength": most}


_NAME, _TAG = _part(limits.MAX_DATA_NAME_CHARS), _part(limits.MAX_DATA_TAG_CHARS)
_ROW: Schema = {
    "type": "object",
    "propertyNames": {"minLength": 1, "maxLength": limits.MAX_COLUMN_NAME_CHARS},
    "minProperties": 1,
    "maxProperties": limits.MAX_ROW_COLUMNS,
    "example": {"ts": "2026-11-23 23:05:09", "value": 7.1},
}
_ROWS: Schema = {
    "oneOf": [
        {"type": "array", "items": _ROW, "minItems": 1, "maxItems": limits.MAX_ROWS},
        _ROW,
    ]
}

ROWS = Operation(
    "PUT",
    "put",
    "Store rows",
    "Data",
    {
        200: Answer(
            "The rows are on the disk. The hash is that of their file; `0` while they gather.",
            {
                JSON: {
                    "type": "object",
                    "properties": {
                        "AnyLog.status": {"const": "Success"},
                        "AnyLog.hash": {"type": "string", "pattern": "^(0|[0-9a-f]{32})$"},
                    },
                    "required": ["AnyLog.status", "AnyLog.hash"],
                }
            },
        )
    },
    faults=_FAULTS,
    details=(
        "All rows are checked before anything is written; a malformed one is told by its number"
        " and character. Messages by POST that are made rows of, and all bounds: docs/data.md."
    ),
    parameters=(
        Parameter("dbms", "database of the rows", _NAME, "header", True, "plant1"),
        Parameter("table", "their table", _NAME, "header", True, "motors"),
        Parameter(
            "mode",
            "`file`: the rows are one file; `streaming`: they gather",
            {"type": "string", "enum": ["file", "streaming"]},
            "header",
        ),
        Parameter("type", "form of the rows", {"type": "string", "enum": ["json"]}, "header"),
        Parameter("source", "who they come from", _TAG, "header"),
        Parameter("instructions", "id of a mapping policy for whoever loads them", _TAG, "header"),
    ),
    body={JSON: _ROWS, _LINES: {"type": "string", "example": '{"value": 7.1}\n{"value": 7.2}\n'}},
)
