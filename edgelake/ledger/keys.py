"""Single keys of a JSON object that is kept as text: read one, set one."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Sequence
from typing import Any

from edgelake.errors import BadJson, KeyMissing, PolicyInvalid, WrongValue
from edgelake.ledger import jsontext

__all__ = ["assign_key", "assign_keys", "key_of"]

_INDEX = re.compile("[0-9]{1,9}")
_SHOWN_CHARS = 80


def assign_key(text: str | None, path: Sequence[str], value: Any) -> str:
    """Return a JSON object with the value of one key set.

    Parameters
    ----------
    text : str or None
        The object; nothing makes a new one, which takes a key of one level.
    path : sequence of str
        Keys from the object inwards, at least one; all but the last must be there. A
        number counts in a list.
    value : Any
        JSON data.

    Raises
    ------
    BadJson
        The text is no JSON object.
    KeyMissing
        A key on the way is not there.
    WrongValue
        A value on the way has no keys.
    PolicyInvalid
        The object grows beyond `limits.MAX_POLICY_BYTES` or `limits.MAX_NESTING`.
    """
    return assign_keys(text, [(path, value)])


def assign_keys(text: str | None, assignments: Iterable[tuple[Sequence[str], Any]]) -> str:
    """Return a JSON object with several keys set, one after the other.

    Parameters and errors are those of `assign_key`.
    """
    root = _object(text)
    for path, value in assignments:
        _assign(root, tuple(path), value)
    try:
        made = json.dumps(root, ensure_ascii=False, allow_nan=False)
        jsontext.parse(made)
    except (ValueError, RecursionError) as exc:
        if isinstance(exc, PolicyInvalid | BadJson):
            raise
        raise PolicyInvalid(f"the object cannot be written as JSON: {exc}") from exc
    return made


def key_of(data: Any, path: Sequence[str]) -> Any:
    """Return the value under keys.

    Raises
    ------
    KeyMissing
        A key is not there.
    """
    for n, key in enumerate(path):
        if isinstance(data, dict) and key in data:
            data = data[key]
        elif isinstance(data, list) and _INDEX.fullmatch(key) and int(key) < len(data):
            data = data[int(key)]
        else:
            raise _missing(path[: n + 1], data)
    return data


# ------------------------------------------------------------------- parts


def _object(text: str | None) -> dict[str, Any]:
    if not text:
        return {}
    try:
        found = jsontext.parse(text)
    except BadJson:
        found = None
    if not isinstance(found, dict):
        raise BadJson(
            f"'{_shortened(text)}' is no JSON object and takes no keys",
            hint="write name = {} first",
        )
    return found


def _assign(root: dict[str, Any], path: tuple[str, ...], value: Any) -> None:
    parent = key_of(root, path[:-1])
    last = path[-1]
    if isinstance(parent, dict):
        parent[last] = value
    elif not isinstance(parent, list):
        raise WrongValue(
            f"{_shown(path[:-1])} holds no object and takes no key",
            hint=f"write {_shown(path[:-1])} = {{}} first",
        )
    elif _INDEX.fullmatch(last) and int(last) < len(parent):
        parent[int(last)] = value
    else:
        raise _missing(path, parent)


def _missing(path: Sequence[str], inside: Any) -> KeyMissing:
    """Return the error for a key that is not there."""
    if isinstance(inside, list):
        hint = f"the list has the numbers 0 to {len(inside) - 1}" if inside else "the list is empty"
    elif isinstance(inside, dict) and inside:
        hint = "keys there: " + ", ".join(map(_shortened, list(inside)[:8]))
    else:
        hint = f"write {_shown(path)} = {{}} first"
    return KeyMissing(f"no key {_shown(path)}", hint=hint)


def _shown(path: Sequence[str]) -> str:
    return _shortened("".join(f"[{key}]" for key in path))


def _shortened(text: str) -> str:
    return text if len(text) <= _SHOWN_CHARS else f"{text[:_SHOWN_CHARS]}…"
