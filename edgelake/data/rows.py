"""Rows in JSON: a list of objects, one object, or objects one below the other.

A row stays the text that its sender wrote, so that no number is rounded and no key moves;
only line ends between its parts become blanks.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import Any, NoReturn

from edgelake import limits
from edgelake.errors import BadJson, MessageTooLarge
from edgelake.nesting import too_deep

__all__ = ["Row", "Written", "parse_rows", "row_text"]

_BLANK = re.compile(r"[ \t\r\n]*+")
_LINE_ENDS = re.compile(r"[ \t]*[\r\n][ \t\r\n]*")
_TOKEN = re.compile(r'"(?:[^"\\]++|\\.|(?!))*+"|[^\s"\[\]{},:]++', re.DOTALL)
_HALF = re.compile(r"\\u[dD][89a-fA-F]")
_MOST_DIGITS = 400
_HINT = 'write a JSON list of objects, or one object a line: {"name": value, …}'


class Written(float):
    """A number with a fraction or an exponent, and how it was written."""

    text: str

    def __new__(cls, text: str) -> Written:
        """Return the number that a text is."""
        made = super().__new__(cls, text)
        made.text = text
        return made


@dataclass(frozen=True, slots=True)
class Row:
    """One row.

    Attributes
    ----------
    text : str
        A JSON object in one line.
    value : dict
        The same as data; numbers with a fraction are `Written`.
    """

    text: str
    value: dict[str, Any]


class _Fault(ValueError):
    """What is wrong with a row; names the part of the text that is, a number or a key."""

    def __init__(self, why: str, part: str, *, key: bool = False) -> None:
        super().__init__(why)
        self.part = part
        self.key = key


def parse_rows(body: bytes, *, what: str = "row") -> list[Row]:
    """Return the rows of a body, at least one.

    Parameters
    ----------
    body : bytes
        UTF-8.
    what : str
        What messages call a row.

    Raises
    ------
    BadJson
        One is malformed: its number, from 1, and the character in it are told.
    MessageTooLarge
        There are more than `limits.MAX_ROWS`, or one exceeds `limits.MAX_ROW_BYTES`.
    """
    return _Reader(_decoded(body), what).rows()


def row_text(values: dict[str, Any]) -> str:
    """Return a row as JSON in one line; numbers that are `Written` as they were."""
    pairs = (f"{json.dumps(key)}: {_value_text(value)}" for key, value in values.items())
    return "{" + ", ".join(pairs) + "}"


def _value_text(value: Any) -> str:
    if isinstance(value, Written):
        return value.text
    if isinstance(value, dict):
        return row_text(value)
    if isinstance(value, list):
        return "[" + ", ".join(map(_value_text, value)) + "]"
    return json.dumps(value, allow_nan=False)


# ------------------------------------------------------------------- parts


def _decoded(body: bytes) -> str:
    try:
        return body.decode("utf-8-sig")
    except UnicodeDecodeError as exc:
        raise BadJson(f"the body is not UTF-8 from byte {exc.start + 1}", hint=_HINT) from exc


class _Reader:
    def __init__(self, text: str, what: str) -> None:
        self._text = text
        self._what = what
        self._rows: list[Row] = []

    def rows(self) -> list[Row]:
        at = self._skip(0)
        if at == len(self._text):
            raise BadJson(f"the body holds no {self._what}", hint=_HINT)
        if self._text[at] == "[":
            self._list(at + 1)
        else:
            self._lines(at)
        return self._rows

    def _list(self, at: int) -> None:
        text = self._text
        at = self._skip(at)
        if text[at : at + 1] == "]":
            raise BadJson(f"the body holds no {self._what}: the list is empty", hint=_HINT)
        while True:
            at = self._skip(self._row(at))
            sign = text[at : at + 1]
            if sign == "]":
                break
            if sign != ",":
                raise self._between(at, "',' or ']'")
            at = self._skip(at + 1)
        at = self._skip(at + 1)
        if at != len(text):
            raise self._between(at, "nothing more")

    def _lines(self, at: int) -> None:
        text = self._text
        while at < len(text):
            end = self._row(at)
            at = self._skip(end)
            if at < len(text) and "\n" not in text[end:at]:
                raise self._between(at, "a new line")

    def _row(self, start: int) -> int:
        """Take the row that begins here; return where it ends."""
        if len(self._rows) >= limits.MAX_ROWS:
            raise MessageTooLarge(
                f"the body holds more than {limits.MAX_ROWS} rows", hint="send it in parts"
            )
        deep = too_deep(self._text, start)
        if deep is not None:
            raise self._bad(start, deep - start, _TOO_DEEP)
        try:
            value, end = _DECODER.raw_decode(self._text, start)
        except json.JSONDecodeError as exc:
            what = exc.msg[:1].lower() + exc.msg[1:]
            raise self._bad(start, exc.pos - start, what) from None
        except _Fault as exc:
            raise self._bad(start, self._place(start, exc), str(exc)) from None
        except RecursionError:
            raise self._bad(start, 0, _TOO_DEEP) from None
        if not isinstance(value, dict):
            raise self._bad(start, 0, "a row is an object")
        text = self._text[start:end]
        self._check(start, text, value)
        if "\n" in text or "\r" in text:
            text = _LINE_ENDS.sub(" ", text)
        self._rows.append(Row(text, value))
        return int(end)

    def _check(self, start: int, text: str, value: dict[str, Any]) -> None:
        if len(text) > limits.MAX_ROW_BYTES // 4:
            size = len(text.encode(errors="replace"))
            if size > limits.MAX_ROW_BYTES:
                raise MessageTooLarge(
                    f"{self._what} {len(self._rows) + 1} of {size} bytes exceeds"
                    f" {limits.MAX_ROW_BYTES}",
                    hint="send less in one row",
                )
        if not value:
            raise self._bad(start, 0, "a row has at least one column")
        if len(value) > limits.MAX_ROW_COLUMNS:
            raise self._bad(start, 0, f"a row has at most {limits.MAX_ROW_COLUMNS} columns")
        for key in value:
            if not key or len(key) > limits.MAX_COLUMN_NAME_CHARS:
                at = max(0, text.find(json.dumps(key, ensure_ascii=False)))
                most = limits.MAX_COLUMN_NAME_CHARS
                raise self._bad(start, at, f"a column has a name of 1 to {most} characters")
        half = _HALF.search(text)
        if half is not None:
            try:
                json.dumps(value, ensure_ascii=False).encode()
            except UnicodeEncodeError:
                raise self._bad(start, half.start(), "half of a surrogate pair") from None

    def _place(self, start: int, fault: _Fault) -> int:
        """Return where in a row the part is that a fault names: a number, or a key once more."""
        left = 1 if fault.key else 0
        for match in _TOKEN.finditer(self._text, start):
            token = match[0]
            if fault.key:
                same = token[0] == '"' and json.loads(token, strict=False) == fault.part
            else:
                same = token.lstrip("-") == fault.part.lstrip("-")
            if same and not left:
                return match.start() - start
            left -= same
        return 0

    def _skip(self, at: int) -> int:
        found = _BLANK.match(self._text, at)
        assert found is not None
        return found.end()

    def _bad(self, start: int, at: int, why: str) -> BadJson:
        place = f"{self._what} {len(self._rows) + 1}, character {at + 1}"
        if start + at >= len(self._text):
            place += " (the end of the body)"
        return BadJson(f"{place}: {why}", hint=_HINT)

    def _between(self, at: int, expected: str) -> BadJson:
        behind = f"behind {self._what} {len(self._rows)}"
        if at < len(self._text):
            message = (
                f"{behind}, character {at + 1} of the body: {expected} is expected, not"
                f" '{self._text[at]}'"
            )
        else:
            message = f"{behind}: {expected} is expected, and the body ends"
        return BadJson(message, hint=_HINT)


_TOO_DEEP = f"nested deeper than {limits.MAX_NESTING}"


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        seen: set[str] = set()
        for key, _ in pairs:
            if key in seen:
                raise _Fault(f"'{key[:40]}' stands twice in an object", key, key=True)
            seen.add(key)
    return found


def _integer(digits: str) -> int:
    if len(digits) > _MOST_DIGITS:
        raise _Fault(f"a number of more than {_MOST_DIGITS} digits", digits)
    return int(digits)


def _fraction(digits: str) -> float:
    if len(digits) > _MOST_DIGITS:
        raise _Fault(f"a number of more than {_MOST_DIGITS} digits", digits)
    value = Written(digits)
    if value in (float("inf"), float("-inf")):
        raise _Fault(f"number {digits[:40]} is too large", digits)
    return value


def _constant(name: str) -> NoReturn:
    raise _Fault(f"{name} is no JSON; write null or a number", name)


_DECODER = json.JSONDecoder(
    object_pairs_hook=_object,
    parse_int=_integer,
    parse_float=_fraction,
    parse_constant=_constant,
)
