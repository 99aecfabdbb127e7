"""JSON objects in the bodies of calls."""

from __future__ import annotations

import json
from typing import Any

from edgelake.errors import BadJson
from edgelake.nesting import too_deep

__all__ = ["read_object"]


def read_object(text: str, *, hint: str) -> dict[str, Any]:
    """Return the JSON object that a body is.

    Parameters
    ----------
    text : str
        The whole body.
    hint : str
        How to write it.

    Raises
    ------
    BadJson
        It is not JSON, no object, or nested deeper than `limits.MAX_NESTING`.
    """
    if too_deep(text) is not None:
        raise BadJson("the JSON of the body is nested too deep")
    try:
        data = json.loads(text)
    except (ValueError, RecursionError) as exc:
        raise BadJson(f"the body is no JSON: {exc}", hint=hint) from exc
    if not isinstance(data, dict):
        raise BadJson("the JSON of the body is no object", hint=hint)
    return data
