"""Commands for the shell, as they are written."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from edgelake import limits
from edgelake.errors import WrongValue
from edgelake.language.diagnostics import shortened
from edgelake.language.expansion import expand_item
from edgelake.language.source import DOUBLE_QUOTED, NAME_CHARS, Source, SourceValue, parts
from edgelake.language.times import Seconds
from edgelake.language.values import Integer
from edgelake.language.variables import Variables
from edgelake.language.words import split_word

__all__ = ["ShellCommand", "ShellText"]

_COMMENT = r"(?<![^\s;|&<>()])#[^\n]*+"
_IN_SHELL = re.compile(
    rf"\\.|'[^']*+'|{DOUBLE_QUOTED}|{_COMMENT}"
    rf"|(?<![^\s=+<>(),{{}}|;:&\"'`])(?P<reference>!!?{NAME_CHARS})",
    re.DOTALL,
)
_TIMEOUT = re.compile(r"timeout\s*+=\s*+(\S++)\s*+")
# Where shells calculate with a value, which may run what stands in it.
_ARITHMETIC = re.compile(
    r"\(\(|\$\[|\[\[|\$\{[^}]*!\w|(?:^|[;&|({\n]|\b(?:then|do|else)\b)\s*+let\s"
)
_NUMBER = re.compile(r"-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?")


@dataclass(frozen=True, slots=True)
class ShellCommand:
    """A command for the shell.

    Attributes
    ----------
    text : str
        What the shell gets; each reference is a variable of its environment in quotes.
    values : mapping of str to str
        Names and values of those variables.
    timeout_s : Seconds or None
        Longest time it may take, if that was given.
    """

    text: str
    values: Mapping[str, str]
    timeout_s: Seconds | None = None


class ShellText(Source):
    """A command for the shell.

    Parameters
    ----------
    timeout : bool
        Whether ``timeout = N``, in seconds, may stand in front.
    """

    metavar = "<command>"

    def __init__(self, *, timeout: bool = False) -> None:
        self._timeout = timeout

    def read(self, text: str, variables: Variables) -> ShellCommand:
        """Return the command.

        Raises
        ------
        WrongValue
            There is none, or a value cannot be handed to a shell.
        UndefinedVariable
        """
        timeout = None
        prefix = _TIMEOUT.match(text) if self._timeout else None
        begin = 0
        if prefix is not None:
            timeout = _timeout(prefix[1], variables)
            begin = prefix.end()
        if begin == len(text):
            raise WrongValue("the command is missing", hint="write a command of the shell")
        values: dict[str, str] = {}

        def stand_in(value: str) -> str:
            name = f"EDGELAKE_VALUE_{len(values) + 1}"
            values[name] = value
            return name

        texts: list[str] = []
        calculates = _ARITHMETIC.search(text[begin:]) is not None
        for part in parts(text, _IN_SHELL, variables, begin):
            if isinstance(part, str):
                texts.append(part)
                continue
            _check_shell_value(part, calculates=calculates)
            if calculates and not part.rest:
                texts.append(part.value)  # a number; quotes are no part of a sum
            else:
                texts.append(f'"${{{stand_in(part.value)}}}{part.rest}"')
        script = "".join(texts)
        if len(script.encode(errors="replace")) > limits.MAX_SHELL_TEXT_BYTES:
            raise WrongValue(
                f"a command exceeds {limits.MAX_SHELL_TEXT_BYTES} bytes",
                hint="write it into a file and run that",
            )
        if "\0" in script:
            raise WrongValue("a command cannot hold a NUL character", hint="leave it out")
        return ShellCommand(script, values, timeout)

    def describe(self) -> str:
        """Return what is accepted."""
        return "a command of the shell"


def _timeout(text: str, variables: Variables) -> Seconds:
    given = expand_item(split_word(text, 0), variables, strict=True)
    try:
        return Seconds(float(Integer(1, limits.MAX_SYSTEM_TIMEOUT_S).parse(given)))
    except WrongValue as exc:
        raise WrongValue(
            f"timeout '{shortened(given)}' is not in 1..{limits.MAX_SYSTEM_TIMEOUT_S} seconds",
            hint="write for example timeout = 10",
        ) from exc


def _check_shell_value(part: SourceValue, *, calculates: bool) -> None:
    """Refuse a value that cannot be handed to a shell as it is."""
    hint = "give it another value"
    fault = ""
    if "\0" in part.value:
        fault = f"the value of '{part.shown}' holds a NUL character"
    elif len(part.value.encode(errors="replace")) > limits.MAX_SHELL_TEXT_BYTES:
        fault = f"the value of '{part.shown}' exceeds {limits.MAX_SHELL_TEXT_BYTES} bytes"
        hint = "write it into a file and name the file"
    elif calculates and not _NUMBER.fullmatch(part.value):
        fault = f"'{part.shown}' is no number, and the shell calculates here"
        hint = "use a number inside (( and [["
    if fault:
        error = WrongValue(fault, hint=hint)
        error.offset = part.start
        raise error
