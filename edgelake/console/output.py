"""What a person sees of answers and errors: drawn to the terminal's width, or plain."""

from __future__ import annotations

import io
import sys
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from edgelake import limits
from edgelake.commands.rendering import cell_text, console_text, is_number
from edgelake.console.terminal import colours_wanted, dumb, terminal_width
from edgelake.interfaces import Page, Result, Section, Table
from edgelake.language import format_error, format_error_block

if TYPE_CHECKING:
    from rich.console import Console, RenderableType
    from rich.text import Text

__all__ = ["Screen"]

_LEAST_COLUMN = 12
_GAP = 2


class Screen:
    """Writes answers and errors as a terminal shows them best.

    Tables are drawn to the width of the terminal; one that is too wide for it is
    shown row by row. JSON is coloured and stays valid. A dumb terminal, and what is
    no terminal, gets the plain text that existing tools read.

    Parameters
    ----------
    write : callable
        Takes a text without its last line end.
    terminal : bool
        Whether ``write`` leads to a terminal.
    width : callable or None
        Returns its columns.
    encoding : str or None
        Of the terminal; by default of standard output.
    """

    def __init__(
        self,
        write: Callable[[str], None],
        *,
        terminal: bool,
        width: Callable[[], int] | None = None,
        encoding: str | None = None,
    ) -> None:
        self._write = write
        self._terminal = terminal
        self._drawn = terminal and not dumb()
        self._coloured = self._drawn and colours_wanted()
        self._width = width or terminal_width
        self._encoding = encoding or getattr(sys.stdout, "encoding", None) or "utf-8"

    def show(self, result: Result) -> None:
        """Show an answer; nothing if it is silent."""
        if not result.text:
            return
        shown = result.shown
        if self._drawn and isinstance(shown, Table) and _drawable(shown):
            self._draw(_table(shown, self._width()))
        elif self._drawn and isinstance(shown, Page) and all(map(_fits, shown.sections)):
            self._page(shown)
        elif self._coloured and result.json and len(result.text) <= limits.MAX_DRAWN_CHARS:
            self._draw(_json(console_text(result.text)), soft=True)
        elif text := console_text(result.text):
            self._write(text)

    def fail(self, error: BaseException, text: str | None = None) -> None:
        """Show an error; on a terminal also the line of its command, a caret under the fault."""
        block = self._terminal and text is not None
        shown = console_text(
            format_error_block(error, text or "") if block else format_error(error)
        )
        if not self._coloured:
            self._write(shown)
            return
        lines = shown.split("\n")
        from rich.text import Text

        head, _, rest = lines[0].partition(": ")
        message = Text.assemble((f"{head}:", "bold red"), f" {rest}")
        for line in lines[1:-1]:
            message.append(f"\n{line}")
        if len(lines) > 1:
            message.append(f"\n{lines[-1]}", "bold red")
        self._draw(message, soft=True)

    # --------------------------------------------------------------- drawing

    def _draw(self, *parts: RenderableType, soft: bool = False) -> None:
        """Write what the parts look like."""
        out = _Encoded(self._encoding)
        console = _console(out, self._width(), coloured=self._coloured)
        for part in parts:
            console.print(part, soft_wrap=soft)
        lines = (line.rstrip() for line in out.getvalue().split("\n"))
        self._write("\n".join(lines).strip("\n"))

    def _page(self, page: Page) -> None:
        from rich.padding import Padding
        from rich.text import Text

        width = self._width()
        parts: list[RenderableType] = []
        for number, section in enumerate(page.sections):
            if number:
                parts.append("")
            if section.heading:
                parts.append(Text(console_text(section.heading), "bold"))
            indent = 2 if section.heading else 0
            if isinstance(section.body, Table):
                table = section.body
                drawn = _columns(table) if not table.columns or indent else _table(table, width)
            else:
                drawn = Text(console_text(section.body))
            parts.append(Padding(drawn, (0, 0, 0, indent)))
        self._draw(*parts)


class _Encoded(io.StringIO):
    """Text for a stream of an encoding: without UTF-8 lines are drawn with ASCII signs."""

    def __init__(self, encoding: str) -> None:
        super().__init__()
        self._encoding = encoding

    @property
    def encoding(self) -> str:  # type: ignore[override]
        return self._encoding


# ------------------------------------------------------------------- parts


def _console(out: io.StringIO, width: int, *, coloured: bool) -> Console:
    from rich.console import Console
    from rich.theme import Theme

    theme = Theme(
        {
            "json.key": "cyan",
            "json.str": "green",
            "json.number": "yellow",
            "json.bool_true": "magenta",
            "json.bool_false": "magenta",
            "json.null": "magenta",
            "json.brace": "none",
        }
    )
    return Console(
        file=out,
        width=width,
        force_terminal=True,
        color_system="standard" if coloured else None,
        legacy_windows=False,
        markup=False,
        emoji=False,
        highlight=False,
        theme=theme,
    )


def _json(text: str) -> Text:
    from rich.highlighter import JSONHighlighter
    from rich.text import Text

    coloured = Text(text)
    JSONHighlighter().highlight(coloured)
    return coloured


def _drawable(table: Table) -> bool:
    return len(table.rows) * max(1, len(table.columns)) <= limits.MAX_DRAWN_CELLS


def _fits(section: Section) -> bool:
    return not isinstance(section.body, Table) or _drawable(section.body)


def _cells(table: Table) -> list[list[str]]:
    return [[console_text(cell_text(value)) for value in row] for row in table.rows]


def _table(table: Table, width: int) -> RenderableType:
    """Return a table that fits; its rows one below the other if its columns do not."""
    from rich.box import SIMPLE_HEAD
    from rich.cells import cell_len
    from rich.table import Table as Drawn

    cells = _cells(table)
    heads = [[console_text(part) for part in column.split("\n")] for column in table.columns]
    natural = [
        max([cell_len(part) for part in head] + [cell_len(row[n]) for row in cells])
        for n, head in enumerate(heads)
    ]
    needed = [
        max([cell_len(part) for part in head] + [min(have, _LEAST_COLUMN)])
        for head, have in zip(heads, natural, strict=True)
    ]
    if cells and sum(needed) + _GAP * len(needed) > width:
        return _records(heads, cells)
    drawn = Drawn(box=SIMPLE_HEAD, pad_edge=False, show_edge=False, header_style="bold")
    for n, head in enumerate(heads):
        numbers = bool(table.rows) and all(
            row[n] is None or is_number(row[n]) for row in table.rows
        )
        drawn.add_column(
            _text("\n".join(head)),
            justify="right" if numbers else "left",
            overflow="fold",
            min_width=min(needed[n], natural[n]),
        )
    for row in cells:
        drawn.add_row(*map(_text, row))
    return drawn


def _records(heads: list[list[str]], cells: list[list[str]]) -> RenderableType:
    """Return rows as lists of ``heading  value``."""
    from rich.console import Group
    from rich.table import Table as Drawn

    parts: list[Any] = []
    for number, row in enumerate(cells):
        if number:
            parts.append("")
        record = Drawn.grid(padding=(0, _GAP))
        record.add_column(style="bold")
        record.add_column(overflow="fold")
        for head, value in zip(heads, row, strict=True):
            record.add_row(_text(" ".join(head)), _text(value))
        parts.append(record)
    return Group(*parts)


def _columns(table: Table) -> RenderableType:
    """Return rows in columns without lines between them, as help has them."""
    from rich.table import Table as Drawn

    drawn = Drawn.grid(padding=(0, _GAP))
    count = len(table.columns) or max((len(row) for row in table.rows), default=0)
    for n in range(count):
        drawn.add_column(no_wrap=n == 0, style="cyan" if n == 0 else "", overflow="fold")
    if table.columns:
        drawn.add_row(*map(_text, table.columns), style="bold")
    for row in _cells(table):
        drawn.add_row(*map(_text, row))
    return drawn


def _text(text: str) -> Text:
    from rich.text import Text

    return Text(text)
