"""Scripts in canonical form: the same commands, comments and blank lines, evenly written.

Every command that is rewritten is read back; one that would not mean the same keeps
the lines it had.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from edgelake.errors import CommandError, CommandNotAvailable
from edgelake.language.lines import LogicalLines
from edgelake.language.meaning import meaning
from edgelake.language.parser import parse
from edgelake.language.printing import INDENT, LINE_CHARS, Part, statement_parts
from edgelake.language.registry import CommandRegistry
from edgelake.language.script import label_of, parameters_of
from edgelake.language.syntax import Assignment, CommandStatement, Shape, Statement
from edgelake.language.walk import leaves, nested

__all__ = ["format_script"]

_COMMENT = re.compile(r"(?<!\S)#[^\n]*+")
_DO = re.compile(r"\s*+do\s")
_MOST_BLANK_LINES = 2


def format_script(text: str, registry: CommandRegistry) -> tuple[str, list[CommandError]]:
    """Return a script in canonical form, and what is wrong with it.

    Parameters
    ----------
    text : str
    registry : CommandRegistry
        Tells which first words begin commands.

    Returns
    -------
    str
        Commands that are not of the language keep their lines.
    list of CommandError
        Why; each with its ``line`` in the script. Commands of other nodes of the network
        are no reason.
    """
    script = _Script(registry)
    for command in _commands(text.splitlines(), script.errors):
        script.add(command)
    return script.text(), script.errors


# ------------------------------------------------------------------- parts


@dataclass(frozen=True, slots=True)
class _Comment:
    """A comment inside or behind a command: where in its text, and whether it has its own line."""

    start: int
    text: str
    whole: bool


@dataclass(slots=True)
class _Source:
    """One command of a script, or a line without one (``text`` is empty then)."""

    first: int
    lines: list[str]
    text: str = ""
    label: bool = False

    @property
    def block(self) -> bool:
        """Whether it is written as a block."""
        return self.lines[0].lstrip().startswith("<")


def _commands(lines: Sequence[str], errors: list[CommandError]) -> Iterator[_Source]:
    """Yield what the lines hold, in order."""
    reader = LogicalLines(script=True)
    held: list[str] = []
    first = 1
    for number, line in enumerate(lines, 1):
        if not reader.open and line.lstrip().startswith(":"):
            reader.skip()
            yield _Source(number, [line], label=True)
            first = number + 1
            continue
        held.append(line)
        try:
            ready = reader.feed(line)
        except CommandError as exc:
            errors.append(exc)
            ready = []
        if reader.open:
            continue
        yield _Source(first, held, ready[0][1] if ready else "")
        held, first = [], number + 1
    try:
        reader.finish()
    except CommandError as exc:
        errors.append(exc)
    if held:
        yield _Source(first, held)


class _Script:
    """Collects the canonical lines of a script."""

    def __init__(self, registry: CommandRegistry) -> None:
        self._registry = registry
        self._lines: list[str] = []
        self._branch = False
        self._held: list[int] = []  # comments whose place the next command decides
        self.errors: list[CommandError] = []

    def text(self) -> str:
        """Return the script, with one line end behind its last line."""
        while self._lines and not self._lines[-1]:
            self._lines.pop()
        return "\n".join(self._lines) + "\n" if self._lines else ""

    def add(self, source: _Source) -> None:
        """Write one command, or a line without one."""
        if source.label:
            self._branch = False
            self._held = []
            self._label(source.lines[0].strip())
            return
        if not source.text.strip():
            for line in source.lines:
                self._line_without_command(line.strip("\ufeff \t\r"), alone=len(source.lines) == 1)
            return
        try:
            parameters = parameters_of(source.text)
        except CommandError:
            parameters = ()
        if parameters is not None:
            self._parameters(source, parameters)
            return
        try:
            statements = parse(source.text, self._registry)
        except CommandNotAvailable:
            self._keep(source)
            return
        except CommandError as exc:
            exc.line = source.first + (exc.line or 1) - 1
            self.errors.append(exc)
            self._keep(source)
            return
        if any(map(_unknown, statements)):
            self._keep(source)  # who knows it may count its blanks
        else:
            self._statements(source, statements)

    def _label(self, line: str) -> None:
        """Write a label, closed."""
        label = label_of(line)
        if label is not None and not label.closed:
            line = f":{label.name}:{line[len(label.name) + 1 :].removeprefix(';')}"
        self._lines.append(line)

    def _parameters(self, source: _Source, names: tuple[str, ...]) -> None:
        """Write the names of a script's arguments."""
        if names and "#" not in source.text and len(source.lines) == 1:
            self._lines.append(f"variables ({', '.join(names)})")
        else:
            self._keep(source)

    def _line_without_command(self, line: str, *, alone: bool) -> None:
        if line.startswith("#"):
            self._held.append(len(self._lines))
            self._lines.append(line)
        elif line and not alone:
            self._lines.append(line)
        elif not line and any(self._lines[-_MOST_BLANK_LINES:]):
            self._lines.append("")
        elif line:
            self._lines.append(line)

    def _keep(self, source: _Source) -> None:
        """Leave a command as it is written, but for the blanks around a single line."""
        indent = self._indent(source)
        alone = len(source.lines) == 1
        self._lines += [indent + source.lines[0].strip()] if alone else source.lines
        self._branch = bool(indent)

    def _indent(self, source: _Source) -> str:
        """Return what stands before a command: the ``do`` lines of an ``if`` are inside it.

        So are the comments before them.
        """
        indent = INDENT if self._branch and _DO.match(source.text) else ""
        for number in self._held:
            self._lines[number] = indent + self._lines[number]
        self._held = []
        return indent

    def _statements(self, source: _Source, statements: tuple[Statement, ...]) -> None:
        indent = self._indent(source)
        comments = _comments(source, statements)
        if not statements:
            self._lines += [indent + comment.text for comment in comments]
            return
        written = _written(source, statements, comments, indent, self._registry)
        if not self._same(written, statements, comments):
            self._keep(source)
            return
        self._lines += written
        last = statements[-1]
        opens = isinstance(last, CommandStatement) and _opens_branch(last)
        self._branch = opens or bool(indent)

    def _same(
        self, lines: list[str], statements: tuple[Statement, ...], comments: list[_Comment]
    ) -> bool:
        """Return whether lines hold these statements and comments, and nothing else."""
        errors: list[CommandError] = []
        found = list(_commands(lines, errors))
        whole = [line for source in found if not source.text for line in source.lines]
        commands = [source for source in found if source.text.strip()]
        if errors or len(commands) != 1 or any(source.label for source in found):
            return False
        try:
            again = parse(commands[0].text, self._registry)
        except CommandError:
            return False
        kept = [comment.text for comment in _comments(commands[0], again)]
        return meaning(again) == meaning(statements) and sorted(
            [*kept, *(line.strip() for line in whole)]
        ) == sorted(comment.text for comment in comments)


def _unknown(statement: Statement) -> bool:
    return any(
        isinstance(inner, CommandStatement) and inner.shape is Shape.UNKNOWN
        for inner in nested(statement)
    )


def _opens_branch(statement: CommandStatement) -> bool:
    """Return whether ``do`` lines may follow: ``if …``, ``else if …`` without a command."""
    inner: Statement = statement
    while isinstance(inner, CommandStatement) and inner.shape is Shape.BRANCH and inner.body:
        inner = inner.body
    return isinstance(inner, CommandStatement) and inner.shape is Shape.IF and inner.body is None


# ---------------------------------------------------------------- writing


def _written(
    source: _Source,
    statements: Sequence[Statement],
    comments: list[_Comment],
    indent: str,
    registry: CommandRegistry,
) -> list[str]:
    """Return the lines of a command."""
    parts = _parts(statements, registry, indent, tall=False)
    last = [
        comment for comment in comments if comment.start > parts[-1].start and not comment.whole
    ]
    behind = f" {last[-1].text}" if last else ""
    inner = [comment for comment in comments if comment not in last[-1:]]
    line = indent + " ".join(part.text for part in parts)
    longest = max(map(len, line.split("\n")))
    over_lines = "\n" in line and source.block
    if not inner and not over_lines and (longest <= LINE_CHARS or len(parts) == 1):
        return (line + behind).split("\n")
    if len(parts) == 1 and not over_lines:
        return [*(indent + comment.text for comment in inner), *(line + behind).split("\n")]
    return _block(_parts(statements, registry, indent, tall=True), inner, indent, behind)


def _parts(
    statements: Sequence[Statement], registry: CommandRegistry, indent: str, *, tall: bool
) -> list[Part]:
    parts: list[Part] = []
    for number, statement in enumerate(statements):
        found = statement_parts(statement, registry, indent, tall=tall)
        if number:
            found[0] = Part(found[0].start, f"& {found[0].text}", 0)
        parts += found
    return parts


def _block(
    parts: Sequence[Part], comments: Sequence[_Comment], indent: str, behind: str
) -> list[str]:
    """Return the lines of a block: a line for each part, comments where they were."""
    lines: list[str] = []
    waiting = list(comments)

    def add_comments(until: int) -> None:
        while waiting and waiting[0].start < until:
            comment = waiting.pop(0)
            own = comment.whole or not lines or "#" in lines[-1]
            if own:
                lines.append((indent + INDENT if begun else indent) + comment.text)
            else:
                lines[-1] += f" {comment.text}"

    begun = False
    for number, part in enumerate(parts, 1):
        add_comments(part.start if number < len(parts) else sys.maxsize)
        mark = "" if begun else "<"
        lines.append(indent + INDENT * part.depth + mark + part.text)
        begun = True
    lines[-1] += f">{behind}"
    return "\n".join(lines).split("\n")


# --------------------------------------------------------------- comments


def _comments(source: _Source, statements: Sequence[Statement]) -> list[_Comment]:
    """Return the comments of a command in order."""
    text = source.text
    found: list[_Comment] = []
    at = 0
    for start, end in [*sorted(_spans(statements)), (len(text), len(text))]:
        for match in _COMMENT.finditer(text, at, max(at, start)):
            found.append(_Comment(match.start(), match[0].rstrip(), whole=False))
        at = max(at, end)
    offset = 0
    for number, line in enumerate(text.split("\n")):
        written = source.lines[number].strip() if number < len(source.lines) else ""
        if number and written.startswith("#"):
            found.append(_Comment(offset, written, whole=True))
        offset += len(line) + 1
    return sorted(found, key=lambda comment: comment.start)


def _spans(statements: Sequence[Statement]) -> Iterator[tuple[int, int]]:
    """Yield where words, quoted texts and JSON begin and end; no comment is inside them."""
    for statement in statements:
        for inner in nested(statement):
            if isinstance(inner, Assignment):
                yield inner.start, inner.target_end
    for item in leaves(statements):
        yield item.start, item.end
