"""Scripts: their commands, labels and parameters, found without running anything.

Source: command reference, "Scripts".
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import NamedTuple

from edgelake.errors import CommandSyntaxError, ScriptError
from edgelake.language.diagnostics import shortened
from edgelake.language.lines import LogicalLines
from edgelake.language.syntax import Statement

__all__ = ["LabelLine", "Script", "ScriptLine", "label_of", "parameters_of", "read_script"]

_LABEL = re.compile(r"\s*:([^\s:\"'`{}\[\](),=+&<>!$#]+):(?:\s.*)?", re.DOTALL)
_OPEN_LABEL = re.compile(r"\s*:([^\s:;\"'`{}\[\](),=+&<>!$#]+);?(?:\s+#.*)?\s*", re.DOTALL)

_PARAMETERS = re.compile(r"\s*variables\s*\((.*)\)\s*(?:#.*)?", re.DOTALL)
_PARAMETERS_WORD = re.compile(r"\s*variables(?=[\s(]|$)(?!\s*=)")
_NAME = re.compile(r"[^\s\"'`{}\[\](),=+&<>!$:/;#]+")


class LabelLine(NamedTuple):
    """A line that declares a label; what stands behind it is ignored.

    Attributes
    ----------
    name : str
    closed : bool
        ``:name:`` is, ``:name`` and ``:name;`` are not; other nodes skip those.
    """

    name: str
    closed: bool


@dataclass(slots=True)
class ScriptLine:
    """A command of a script.

    Attributes
    ----------
    number : int
        Of its first line, from 1.
    text : str
    statements : tuple of Statement or None
        What it parses to, once somebody has parsed it.
    """

    number: int
    text: str
    statements: tuple[Statement, ...] | None = None


@dataclass(slots=True)
class Script:
    """A script as it is written.

    Attributes
    ----------
    lines : list of ScriptLine
    labels : dict of str to int
        For each label the index of the line behind it in ``lines``.
    parameters : tuple of str or None
        Names that the arguments get; ``None`` if the script declares none.
    parameters_line : int
        Where it declares them, from 1.
    """

    lines: list[ScriptLine] = field(default_factory=list)
    labels: dict[str, int] = field(default_factory=dict)
    parameters: tuple[str, ...] | None = None
    parameters_line: int = 0


def read_script(text: str) -> Script:
    """Return the commands of a script.

    Raises
    ------
    CommandSyntaxError, UnbalancedInput
        A block, a bracket or a list of parameters is not closed, or a command is too long.
    ScriptError
        A label stands twice.

    Notes
    -----
    Errors have ``line``, from 1, in the script.
    """
    script = Script()
    lines = LogicalLines(script=True)
    for number, line in enumerate(text.splitlines(keepends=True), 1):
        if not lines.open and line.lstrip().startswith(":"):
            _label(script, number, line.rstrip("\r\n"))
            lines.skip()
            continue
        for ready in lines.feed(line):
            _command(script, *ready)
    for ready in lines.finish():
        _command(script, *ready)
    return script


def label_of(line: str) -> LabelLine | None:
    """Return the label that a line declares, ``None`` if it declares none."""
    closed = _LABEL.fullmatch(line)
    match = closed or _OPEN_LABEL.fullmatch(line)
    return LabelLine(match[1], closed is not None) if match else None


def parameters_of(text: str) -> tuple[str, ...] | None:
    """Return the names that ``variables (…)`` declares, ``None`` if a text is no such line.

    Raises
    ------
    CommandSyntaxError
    """
    if _PARAMETERS_WORD.match(text) is None:
        return None
    match = _PARAMETERS.fullmatch(text)
    names = [name.strip() for name in match[1].split(",")] if match else []
    if not names or not all(_NAME.fullmatch(name) for name in names):
        raise CommandSyntaxError(
            "the parameters of a script are not a list of names",
            hint="write variables (first, second)",
            column=1,
        )
    if len(set(names)) != len(names):
        raise CommandSyntaxError(
            "a parameter of a script stands twice", hint="leave one out", column=1
        )
    return tuple(names)


# ------------------------------------------------------------------- parts


def _label(script: Script, number: int, line: str) -> None:
    label = label_of(line)
    if label is None:
        error: ScriptError | CommandSyntaxError = CommandSyntaxError(
            f"'{shortened(line.strip())}' is no label", hint="write :name:", column=1
        )
    elif label.name in script.labels:
        error = ScriptError(
            f"label '{label.name}' stands twice", hint="give one of them another name", column=1
        )
        error.code = CommandSyntaxError.code
    else:
        script.labels[label.name] = len(script.lines)
        return
    error.line = number
    raise error


def _command(script: Script, number: int, text: str) -> None:
    try:
        parameters = parameters_of(text)
    except CommandSyntaxError as exc:
        exc.line = number
        raise
    if parameters is None:
        script.lines.append(ScriptLine(number, text))
        return
    if script.lines or script.parameters is not None:
        error = CommandSyntaxError(
            "'variables' stands behind other commands", hint="make it the first line", column=1
        )
        error.line = number
        raise error
    script.parameters, script.parameters_line = parameters, number
