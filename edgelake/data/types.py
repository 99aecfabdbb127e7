"""Types of columns, and values of them."""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from edgelake.data.rows import Written
from edgelake.errors import WrongValue

__all__ = ["COLUMN_TYPES", "ColumnType", "column_type"]

_INTEGER = re.compile(r"[+-]?[0-9]{1,40}")
_NUMBER = re.compile(r"-?(?:0|[1-9][0-9]{0,300})(?:\.[0-9]{1,300})?(?:[eE][+-]?[0-9]{1,3})?")
_DATE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
_TIME = re.compile(r"(?:[01][0-9]|2[0-3]):[0-5][0-9](?::[0-5][0-9](?:\.[0-9]{1,9})?)?")
_FRACTION = re.compile(r"\.([0-9]+)")
_SHOWN = 40
# Up to here a number counts seconds since 1970; above it, thousands of parts of them.
_MOST_SECONDS = 10**11
_PARTS = (1, 10**3, 10**6, 10**9)


@dataclass(frozen=True, slots=True)
class ColumnType:
    """A type of columns.

    Attributes
    ----------
    name : str
        As it was asked for.
    convert : callable
        Returns a value of the type, or raises `WrongValue`.
    """

    name: str
    convert: Callable[[Any], Any]


def column_type(name: str) -> ColumnType:
    """Return the type of that name; the size in ``varchar(20)`` does not count.

    Raises
    ------
    WrongValue
        There is none.
    """
    plain = name.strip().lower().partition("(")[0].strip()
    convert = _TYPES.get(plain)
    if convert is None:
        raise WrongValue(
            f"'{name[:_SHOWN]}' is no type of a column", hint=f"write one of: {', '.join(_TYPES)}"
        )
    return ColumnType(plain, convert)


def _wrong(value: Any, wanted: str) -> WrongValue:
    shown = value.text if isinstance(value, Written) else repr(value)
    cut = shown if len(shown) <= _SHOWN else f"{shown[:_SHOWN]}…"
    return WrongValue(f"{cut} is no {wanted}")


def _int(value: Any) -> int:
    if isinstance(value, bool):
        return int(value)
    if isinstance(value, int):
        return value
    if isinstance(value, float) and value.is_integer() and abs(value) < 2**53:
        return int(value)
    if isinstance(value, str) and _INTEGER.fullmatch(text := value.strip()):
        return int(text)
    raise _wrong(value, "whole number")


def _float(value: Any) -> int | float:
    """Return a number as it was written."""
    if isinstance(value, bool):
        raise _wrong(value, "number")
    if isinstance(value, int | float):
        return value
    if isinstance(value, str) and _NUMBER.fullmatch(text := value.strip()):
        number = Written(text)
        if math.isfinite(number):
            return number
    raise _wrong(value, "number")


def _bool(value: Any) -> bool:
    if isinstance(value, bool):
        return value
    text = str(value).strip().lower() if isinstance(value, str | int) else ""
    if text in ("true", "1"):
        return True
    if text in ("false", "0"):
        return False
    raise _wrong(value, "true or false")


def _text(value: Any) -> str:
    if isinstance(value, str):
        return value
    if isinstance(value, Written):
        return value.text
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int | float):
        return repr(value)
    raise _wrong(value, "text")


def _timestamp(value: Any) -> str:
    """Return ``2026-11-23T23:05:09.123456Z``; a time without a zone is one of UTC."""
    moment: datetime | None = None
    if isinstance(value, str) and _NUMBER.fullmatch(value.strip()):
        value = float(value)
    try:
        if isinstance(value, int | float) and not isinstance(value, bool):
            part = next((n for n in _PARTS if abs(value) < _MOST_SECONDS * n), None)
            if part is not None and isinstance(value, int):
                whole, rest = divmod(value, part)
                moment = datetime.fromtimestamp(whole, UTC).replace(
                    microsecond=rest * 10**6 // part
                )
            elif part is not None:
                moment = datetime.fromtimestamp(value / part, UTC)
        elif isinstance(value, str):
            # Parts of a second beyond millionths are more than a timestamp holds.
            text = _FRACTION.sub(lambda found: f".{found[1][:6]:0<6}", value.strip(), count=1)
            moment = datetime.fromisoformat(text)
    except (ValueError, OverflowError, OSError):
        moment = None
    if moment is None:
        raise _wrong(value, "timestamp")
    try:
        moment = moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
    except OverflowError:
        raise _wrong(value, "timestamp") from None
    return moment.strftime("%Y-%m-%dT%H:%M:%S.%fZ").rjust(27, "0")


def _date(value: Any) -> str:
    if isinstance(value, str) and _DATE.fullmatch(text := value.strip()):
        try:
            datetime.fromisoformat(text)
        except ValueError:
            raise _wrong(value, "date") from None
        return text
    try:
        return _timestamp(value)[:10]
    except WrongValue:
        raise _wrong(value, "date") from None


def _time(value: Any) -> str:
    if isinstance(value, str) and _TIME.fullmatch(text := value.strip()):
        return text
    raise _wrong(value, "time of day")


def _any(value: Any) -> Any:
    return value


_TYPES: dict[str, Callable[[Any], Any]] = {
    **dict.fromkeys(("int", "integer", "bigint", "smallint"), _int),
    **dict.fromkeys(("float", "double", "decimal", "numeric", "real"), _float),
    **dict.fromkeys(("bool", "boolean"), _bool),
    **dict.fromkeys(("str", "string", "varchar", "char", "text", "uuid"), _text),
    **dict.fromkeys(("timestamp", "datetime"), _timestamp),
    "date": _date,
    "time": _time,
    "json": _any,
}
COLUMN_TYPES = tuple(_TYPES)
"""Names of the types."""
