"""What a policy of type ``mapping`` has to hold: how readings become columns of a table."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from edgelake.errors import PolicyInvalid, PolicyMissing

if TYPE_CHECKING:
    from edgelake.ledger.policy import Policy
    from edgelake.ledger.rules import PolicyLookup

__all__ = ["check_mapping"]

_TEXTS = ("type", "extension", "hash")
_FLAGS = ("root", "blob")


def check_mapping(policy: Policy, state: PolicyLookup) -> None:
    """Check the columns of a mapping, and the mappings that it imports.

    Raises
    ------
    PolicyInvalid, PolicyMissing
    """
    for name, entry in policy.body["schema"].items():
        if name.startswith("__") and name.endswith("__"):
            continue
        for column in entry if isinstance(entry, list) else [entry]:
            _check_column(f"column '{name}' of policy 'mapping'", column)
    for name, wanted in policy.body.get("import", {}).items():
        found = state.get(wanted) if isinstance(wanted, str) else None
        if found is None or found.type != "mapping":
            raise PolicyMissing(
                f"'import' of policy 'mapping' names no mapping as '{name}': '{wanted}'",
                hint="insert that mapping first",
            )


def _check_column(what: str, column: Any) -> None:
    if not isinstance(column, dict):
        raise PolicyInvalid(f"{what} is not an object", hint='write {"type": "float", …}')
    if "type" not in column:
        raise PolicyInvalid(f"{what} without 'type'", hint='add "type": "float"')
    for name in _TEXTS:
        if name in column and not isinstance(column[name], str):
            raise PolicyInvalid(f"'{name}' of {what} is not a text")
    for name in _FLAGS:
        if name in column and not isinstance(column[name], bool):
            raise PolicyInvalid(f"'{name}' of {what} is not true or false")
    script = column.get("script", [])
    if not isinstance(script, list) or not all(isinstance(line, str) for line in script):
        raise PolicyInvalid(f"'script' of {what} is not a list of commands")
    if not isinstance(column.get("bring", ""), str | list):
        raise PolicyInvalid(f"'bring' of {what} is neither a text nor a list")
    _check_default(what, column)


def _check_default(what: str, column: dict[str, Any]) -> None:
    """Check that the default is of the column's type, where that says which values it has."""
    if "default" not in column:
        return
    kind, value = column["type"].lower(), column["default"]
    number = isinstance(value, int) and not isinstance(value, bool)
    if (
        (kind == "string" and not isinstance(value, str))
        or (kind in ("int", "integer") and not number)
        or (kind in ("bool", "boolean") and not isinstance(value, bool))
    ):
        raise PolicyInvalid(f"'default' of {what} is not of type '{column['type']}'")
