"""Made-up policies of the size that policies have: about 310 bytes a line."""

from __future__ import annotations

import json

__all__ = ["POLICY_BYTES", "policy_id", "policy_line"]

POLICY_BYTES = 310
"""Bytes of each line, without the line feed."""

_DATE = "2026-01-01T00:00:00.000000Z"


def policy_id(number: int) -> str:
    """Return the id of a policy."""
    return f"{number:032x}"


def policy_line(number: int) -> str:
    """Return a complete policy of the type ``device``, as it is stored and sent."""
    body: dict[str, object] = {
        "name": f"pump {number}",
        "kind": "gauge",
        "note": "",
        "id": policy_id(number),
        "date": _DATE,
        "ledger": "global",
    }
    line = json.dumps({"device": body})
    body["note"] = "x" * (POLICY_BYTES - len(line))
    return json.dumps({"device": body})
