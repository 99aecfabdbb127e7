"""Answers as text: tables in the network's style, and JSON."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from typing import Any

from edgelake.interfaces import Page, Result, Table
from edgelake.language import OneOf, Option

__all__ = [
    "FORMAT",
    "answer",
    "cell_text",
    "console_text",
    "is_number",
    "json_text",
    "render_page",
    "render_table",
]

FORMAT = Option("format", OneOf("table", "json"), default="table", help="form of the answer")
"""The option ``where format = …`` of information commands."""

_TURNING = (0x061C, 0x200E, 0x200F, *range(0x2028, 0x202F), *range(0x2066, 0x206A))
_UNSAID = {code: f"\\u{code:04x}" for code in (*_TURNING, *range(0xD800, 0xE000), 0xFEFF)}
_VISIBLE = {
    code: f"\\x{code:02x}" for code in (*range(32), *range(127, 160)) if chr(code) not in "\t\n"
} | _UNSAID
_IN_JSON = {code: f"\\u{code:04x}" for code in range(127, 160)} | _UNSAID


def render_table(table: Table) -> str:
    """Return a table as lines: headings, a rule, the rows; each but the first led by CR LF.

    Columns are as wide as their widest cell; numbers stand on the right.
    Existing nodes and their tools read this form.
    """
    cells = [[cell_text(value) for value in row] for row in table.rows]
    heads = [column.split("\n") for column in table.columns]
    depth = max((len(head) for head in heads), default=0)
    widths = [
        max([len(part) for part in head] + [len(row[n]) for row in cells])
        for n, head in enumerate(heads)
    ]
    lines = [
        " ".join(
            (head[level] if level < len(head) else "").ljust(width)
            for head, width in zip(heads, widths, strict=True)
        ).rstrip()
        for level in range(depth)
    ]
    lines.append("".join("-" * width + "|" for width in widths))
    for row, values in zip(cells, table.rows, strict=True):
        lines.append(
            "".join(
                (text.rjust(width) if is_number(value) else text.ljust(width)) + "|"
                for text, value, width in zip(row, values, widths, strict=True)
            )
        )
    return "".join("\r\n" + " " * table.indent + line for line in lines) + "\r\n"


def render_page(page: Page) -> str:
    """Return a page as lines with CR LF, its tables in the form of `render_table`."""
    parts: list[str] = []
    for section in page.sections:
        if section.heading:
            parts.append(f"\r\n{section.heading}\r\n")
        if isinstance(section.body, Table):
            parts.append(render_table(section.body))
        else:
            lines = section.body.split("\n")
            parts.append("".join(f"{line}\r\n" for line in ([""] * (not parts)) + lines))
    return "".join(parts)


def json_text(data: Any) -> str:
    """Return data as indented JSON for people; always valid JSON.

    Signs that a terminal does not show are escaped; numbers that JSON does not have,
    such as infinity, become ``null``.
    """
    try:
        text = json.dumps(data, indent=2, ensure_ascii=False, allow_nan=False)
    except ValueError:
        text = json.dumps(_finite(data), indent=2, ensure_ascii=False, allow_nan=False)
    return text.translate(_IN_JSON)


def console_text(text: str) -> str:
    r"""Return a text as a terminal shows it, without outer empty lines.

    Texts of peers and policies may hold control characters that drive a
    terminal; all but tab and line feed are shown as ``\xNN``. Marks that turn the
    direction of writing, and halves of characters, are shown as ``\uNNNN``.
    """
    return text.replace("\r\n", "\n").strip("\n").translate(_VISIBLE)


def answer(data: Any, shown: Table | Page | str, options: Mapping[str, Any]) -> Result:
    """Return the result of an information command in the form its ``format`` option asks for.

    Parameters
    ----------
    data : Any
        The answer as JSON data.
    shown : Table, Page or str
        The same for people.
    options : mapping
        The command's options; ``format`` is ``json``, ``table`` or absent.
    """
    if options.get("format") == "json":
        return Result(data, json_text(data), json=True)
    if isinstance(shown, Table):
        return Result(data, render_table(shown), shown=shown)
    if isinstance(shown, Page):
        return Result(data, render_page(shown), shown=shown)
    return Result(data, shown)


def cell_text(value: Any) -> str:
    """Return a value as a table shows it, in one line."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return str(value)
    if isinstance(value, int):
        return f"{value:,}" if abs(value) >= 10_000 else str(value)
    if isinstance(value, float):
        return f"{value:.1f}"
    return str(value).replace("\r", " ").replace("\n", " ")


def is_number(value: Any) -> bool:
    """Return whether a cell is shown at the right."""
    return isinstance(value, int | float) and not isinstance(value, bool)


# ------------------------------------------------------------------- parts


def _finite(data: Any) -> Any:
    """Return data without numbers that JSON does not have."""
    if isinstance(data, float) and not math.isfinite(data):
        return None
    if isinstance(data, Mapping):
        return {key: _finite(value) for key, value in data.items()}
    if isinstance(data, list | tuple):
        return [_finite(value) for value in data]
    return data
