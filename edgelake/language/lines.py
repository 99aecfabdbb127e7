"""Physical lines to logical lines: blocks, continued JSON, comments."""

from __future__ import annotations

import re

from edgelake import limits
from edgelake.errors import CommandSyntaxError, UnbalancedInput
from edgelake.language.scan import parts

__all__ = ["LogicalLines"]

# What can hide a comment sign or a bracket: JSON strings, double quotes, quoted words.
_STRING = r'"[^"\\\n]*+(?:\\.[^"\\\n]*+|(?!))*+"|'
_OTHER = (
    r"(?<!\S)'[^'\n]*+'"
    r"|(?<!\S)`[^`\n]*+`"
    r"|(?P<comment>(?<!\S)#.*+)"
    r"|(?P<open>[{\[])"
    r"|(?P<close>[}\]])"
)
_PART = re.compile(rf'{_STRING}{_OTHER}|(?P<lone>")')
_PART_WITHOUT_STRINGS = re.compile(_OTHER)


class LogicalLines:
    """Collects physical lines until a command is complete.

    ``<`` at the start of a line opens a block that ends with a line whose last
    character is ``>``; the marks become blanks and the line ends stay, so that
    places in the text are places in the source. Blank lines and comment lines
    between commands are skipped.

    Parameters
    ----------
    script : bool
        Also continue a line that opens more braces and brackets than it closes.

    Notes
    -----
    For one reader; not thread-safe.
    """

    def __init__(self, *, script: bool = False) -> None:
        self._script = script
        self._number = 0
        self._first = 0
        self._lines: list[str] = []
        self._size = 0
        self._block = False
        self._depth = 0

    @property
    def open(self) -> bool:
        """Whether a command has begun and is not complete."""
        return bool(self._lines)

    def feed(self, line: str) -> list[tuple[int, str]]:
        """Take one physical line; return the commands it completes.

        Parameters
        ----------
        line : str
            With or without its line end.

        Returns
        -------
        list of (int, str)
            Number of the command's first line, from 1, and its text.

        Raises
        ------
        CommandSyntaxError
            The command is longer than `limits.MAX_COMMAND_CHARS`; it is dropped.
        """
        self._number += 1
        line = line.rstrip("\r\n")
        if self._number == 1:
            line = line.removeprefix("\ufeff")
        bare = line.strip()
        comment = bare.startswith("#")
        if not self._lines:
            if not bare or comment:
                return []
            self._first = self._number
            if bare.startswith("<"):
                self._block = True
                line = line.replace("<", " ", 1)
        elif comment:
            line = " " * len(line)
        self._keep(line)
        return self._completed(line)

    def skip(self) -> None:
        """Leave out one physical line that is no part of a command."""
        self._number += 1

    def finish(self) -> list[tuple[int, str]]:
        """Return what is left at the end of the input.

        Raises
        ------
        UnbalancedInput
            A block or continued JSON is not closed; ``line`` is where it began.
        """
        if not self._lines:
            return []
        block, first = self._block, self._first
        self._reset()
        if block:
            error = UnbalancedInput(
                "the block is not closed", hint="end its last line with '>'", column=1
            )
        else:
            error = UnbalancedInput(
                "a brace or bracket is not closed",
                hint="close it, at the end of a later line at the latest",
                column=1,
            )
        error.line = first
        raise error

    # --------------------------------------------------------------- parts

    def _keep(self, line: str) -> None:
        self._size += len(line) + 1
        if self._size > limits.MAX_COMMAND_CHARS:
            first = self._first
            self._reset()
            error = CommandSyntaxError(f"a command exceeds {limits.MAX_COMMAND_CHARS} characters")
            error.line = first
            raise error
        self._lines.append(line)

    def _completed(self, line: str) -> list[tuple[int, str]]:
        """Return the command if its last line is there."""
        code = line
        for match in parts(line, _PART, _PART_WITHOUT_STRINGS):
            if match["comment"] is not None:
                code = line[: match.start()]
            elif match["open"] is not None:
                self._depth += 1
            elif match["close"] is not None:
                self._depth -= 1
        if self._block:
            stripped = code.rstrip()
            if not stripped.endswith(">"):
                return []
            end = len(stripped) - 1
            self._lines[-1] = line[:end] + " " + line[end + 1 :]
        elif self._script and self._depth > 0:
            return []
        text, first = "\n".join(self._lines), self._first
        self._reset()
        return [(first, text)] if text.strip() else []

    def _reset(self) -> None:
        self._lines = []
        self._size = 0
        self._block = False
        self._depth = 0
