"""JSON as policies use it: strict, bounded, and with the network's rule for numbers.

Python's own parser takes ``NaN``, integers of any length and any nesting;
other nodes do not, and a hostile text must not cost more than its length.
"""

from __future__ import annotations

import json
import re
import sys
from typing import Any, NoReturn

import orjson

from edgelake import limits
from edgelake.errors import BadJson, PolicyInvalid
from edgelake.nesting import too_deep

__all__ = ["dump", "glance", "parse", "parse_shared"]

_INT_MIN = -(2**63)
_INT_MAX = 2**64 - 1
_INT_DIGITS = len(str(_INT_MAX))

_SURROGATE_ESCAPE = re.compile(r"\\u[dD][89a-fA-F]")


def parse(text: str, *, column: int | None = None) -> Any:
    """Return the value of a JSON text.

    Integers outside -2^63 … 2^64-1 become floating point numbers.

    Parameters
    ----------
    text : str
        At most `limits.MAX_POLICY_BYTES` bytes of UTF-8.
    column : int or None
        1-based column of the text in a command, for errors.

    Raises
    ------
    BadJson
        The text is not JSON.
    PolicyInvalid
        It is JSON, but too long, nested deeper than `limits.MAX_NESTING`, or
        holds a number or a character that other nodes cannot read.

    Notes
    -----
    Source: ledger reference, "The policy id".
    """
    _check_size(text, column)
    _check_nesting(text, column)
    try:
        value = _DECODER.decode(text)
    except json.JSONDecodeError as exc:
        raise _bad_json(text, exc, column) from None
    except _BadNumber as exc:
        raise PolicyInvalid(
            f"number {exc} is not a finite number",
            hint="write a number between -1.7e308 and 1.7e308, or a string",
            column=column,
        ) from None
    if _SURROGATE_ESCAPE.search(text):
        _check_surrogates(value, column)
    return value


def glance(text: str) -> Any:
    """Return the value of a JSON text that `parse` takes, or ``None`` for one to be parsed.

    Several times as fast, for texts that come by the hundred thousand. What is returned
    is for looking at shape and strings only: numbers may differ in type from `parse`.
    ``None`` says nothing about the text.
    """
    if (
        len(text) > limits.MAX_POLICY_BYTES // 4
        or text.count("{") + text.count("[") > limits.MAX_NESTING
    ):
        return None
    try:
        return orjson.loads(text)
    except (ValueError, RecursionError):
        return None


def parse_shared(text: str) -> Any:
    """Return the value of a text that was checked, names of attributes being shared objects.

    A ledger has many policies and few names: shared, they take a third less memory.
    """
    return _SHARING.decode(text)


def dump(value: Any) -> str:
    r"""Return JSON as ledger files hold it: ``", "`` and ``": "``, ASCII with ``\uXXXX``."""
    return json.dumps(value, allow_nan=False)


# ------------------------------------------------------------------ checks


def _check_size(text: str, column: int | None) -> None:
    try:
        size_bytes = len(text) if text.isascii() else len(text.encode())
    except UnicodeEncodeError as exc:
        raise BadJson(
            f"character {exc.start + 1} is not a Unicode character",
            column=None if column is None else column + exc.start,
        ) from None
    if size_bytes > limits.MAX_POLICY_BYTES:
        raise PolicyInvalid(
            f"policy of {size_bytes} bytes exceeds {limits.MAX_POLICY_BYTES}", column=column
        )


def _check_nesting(text: str, column: int | None) -> None:
    if text.count("{") + text.count("[") <= limits.MAX_NESTING:
        return
    place = too_deep(text)
    if place is not None:
        raise PolicyInvalid(
            f"policy is nested deeper than {limits.MAX_NESTING}",
            column=None if column is None else column + place,
        )


def _check_surrogates(value: Any, column: int | None) -> None:
    try:
        json.dumps(value, ensure_ascii=False).encode()
    except UnicodeEncodeError as exc:
        code = f"\\u{ord(exc.object[exc.start]):04x}"
        raise PolicyInvalid(
            f"{code} is half of a surrogate pair and no character",
            hint="write both halves, or the character itself",
            column=column,
        ) from None


def _bad_json(text: str, exc: json.JSONDecodeError, column: int | None) -> BadJson:
    rest = text[exc.pos : exc.pos + 1]
    hint = "write a JSON object such as " + '{"device": {"name": "d1"}}'
    if not text.strip():
        return BadJson("the policy is empty", hint=hint, column=column)
    if rest in {"'", "\N{LEFT DOUBLE QUOTATION MARK}"}:
        hint = 'JSON has double quotes around names and texts: "name"'
    where = None if column is None else column + exc.pos
    place = f"at character {exc.pos + 1}" if rest else "at its end"
    what = exc.msg[:1].lower() + exc.msg[1:]
    return BadJson(f"the policy is not JSON {place}: {what}", hint=hint, column=where)


# ----------------------------------------------------------------- numbers


class _BadNumber(Exception):
    """A number no node can hold; its text is the argument."""


def _integer(digits: str) -> int | float:
    if len(digits) <= _INT_DIGITS:
        value = int(digits)
        if _INT_MIN <= value <= _INT_MAX:
            return value
    return _double(digits)


def _double(digits: str) -> float:
    value = float(digits)
    if value in (float("inf"), float("-inf")):
        raise _BadNumber(digits if len(digits) <= 24 else digits[:20] + "…")
    return value


def _constant(name: str) -> NoReturn:
    raise _BadNumber(name)


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    return {sys.intern(name): value for name, value in pairs}


_SHARING = json.JSONDecoder(
    parse_float=_double, parse_int=_integer, parse_constant=_constant, object_pairs_hook=_object
)
_DECODER = json.JSONDecoder(parse_float=_double, parse_int=_integer, parse_constant=_constant)
