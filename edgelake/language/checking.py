"""What is wrong with a script, all of it, found without running anything.

Names, arguments, options, values, conditions and labels are checked as when the
script runs. A value with a reference in it has no text yet, so its type is not.
"""

from __future__ import annotations

import difflib
import itertools
import re
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, TypeVar

from edgelake import limits
from edgelake.errors import (
    CommandError,
    CommandSyntaxError,
    EdgeLakeError,
    StorageError,
    UndefinedVariable,
    UnknownCommand,
)
from edgelake.interfaces import Bring
from edgelake.language.binding import Binder
from edgelake.language.command import Command
from edgelake.language.diagnostics import shortened
from edgelake.language.expansion import lookup
from edgelake.language.forms import Label, VariableName
from edgelake.language.lines import LogicalLines
from edgelake.language.names import find_command
from edgelake.language.options import Given, OptionReader
from edgelake.language.parser import parse
from edgelake.language.places import place
from edgelake.language.registry import CommandRegistry
from edgelake.language.script import label_of, parameters_of
from edgelake.language.syntax import (
    Assignment,
    CommandStatement,
    Condition,
    Item,
    RefKind,
    Shape,
    Statement,
    Word,
)
from edgelake.language.variables import Variables
from edgelake.language.walk import leaves, nested, references, tests

__all__ = ["Diagnostic", "ScriptCheck"]

_T = TypeVar("_T")

_TARGET = re.compile(
    r"[\s<]*+\.?\s*+(?:set\s++)?!?([^\s=!<>\[\]{}]++)(?:\[[^\]\n]*+\]|(?!))*+(?:[\[{]\s*+[\]}])?\s*+="
)
_WORD = re.compile(r"[^\s,()=]++|.")


@dataclass(frozen=True, slots=True, order=True)
class Diagnostic:
    """Something wrong, or doubtful, in a script.

    Attributes
    ----------
    line, column, end_column : int
        From 1; the column where it ends is one past its last character.
    severity : str
        ``error`` or ``warning``.
    code : int
        Number of the error.
    """

    line: int
    column: int
    end_column: int
    severity: str
    code: int
    message: str
    hint: str | None = None

    def __str__(self) -> str:
        """Return ``line:column: error 141: message: hint``."""
        text = f"{self.line}:{self.column}: {self.severity} {self.code}: {self.message}"
        return f"{text}: {self.hint}" if self.hint else text


class ScriptCheck:
    """One script, checked when this is made.

    Parameters
    ----------
    text : str
    registry : CommandRegistry
    known : mapping of str to str or None
        Values that variables have before the script runs.

    Attributes
    ----------
    assigned : set of str
        Names of variables that the script gives values.
    asked : set of str
        Names of variables of which it asks whether they have a value.
    scripts : set of str
        Names of the files, without folders, of the scripts that it runs.
    complete : bool
        Whether it was read to its end; `limits.MAX_CHECK_FAULTS` ends it early.
    """

    def __init__(
        self, text: str, registry: CommandRegistry, known: Mapping[str, str] | None = None
    ) -> None:
        self._registry = registry
        self._variables = Variables(known, {})
        self._source = text.splitlines()
        self._found: set[Diagnostic] = set()
        self._used: dict[str, Diagnostic] = {}
        self._labels: dict[str, tuple[int, int]] = {}
        self._targets: dict[str, list[tuple[int, int]]] = {}
        self._any_label = False
        self._mentioned: set[str] = set()  # words of commands that are wrong
        self._unknown: list[tuple[Diagnostic, str, str]] = []
        self._compared: set[str] = set()
        self._left = False  # the command before leads elsewhere
        self._unreached: set[str] = set()  # labels behind such a command
        self._begun = False
        self.assigned: set[str] = set()
        self.asked: set[str] = set()
        self.scripts: set[str] = set()
        self.complete = True
        self._read()

    def diagnostics(self, known: Iterable[str] = ()) -> list[Diagnostic]:
        """Return what was found, in the order of the script.

        Parameters
        ----------
        known : iterable of str
            Names of variables that have values before the script runs.
        """
        defined = self.assigned | {*known} | {name for name, _ in self._variables.items()}
        return sorted(
            [
                *self._found,
                *self._unknown_commands(),
                *self._without_value(defined),
                *self._label_faults(),
            ]
        )

    # --------------------------------------------------------------- lines

    def _read(self) -> None:
        begin = 0
        for _ in range(limits.MAX_CHECK_RESTARTS + 1):
            resume = self._read_from(begin)
            if resume is None:
                return
            begin = resume
        self.complete = False

    def _read_from(self, begin: int) -> int | None:
        """Check the lines from one on; return where to go on after a block without an end."""
        reader = LogicalLines(script=True)
        for number, line in enumerate(self._source[begin:], begin + 1):
            if not reader.open and line.lstrip().startswith(":"):
                reader.skip()
                self._label(line, number)
                continue
            try:
                ready = reader.feed(line if number > 1 else line.removeprefix("\ufeff"))
            except CommandError as exc:
                self._add(exc, (exc.line or 1) + begin, exc.column)
                ready = []
            for first, text in ready:
                self._command(first + begin, text)
            if len(self._found) + len(self._unknown) >= limits.MAX_CHECK_FAULTS:
                self.complete = False
                return None
        try:
            reader.finish()
        except CommandError as exc:
            opened = (exc.line or 1) + begin
            self._add(exc, opened, exc.column)
            return self._behind(opened)
        return None

    def _behind(self, opened: int) -> int:
        """Return where to go on after a block that nothing closes: behind the first gap."""
        for number in range(opened, len(self._source)):
            line = self._source[number].strip()
            if not line or line.startswith((":", "<")):
                return number
        return opened

    def _command(self, first: int, text: str) -> None:
        begun, self._begun = self._begun, True
        self._left = False
        try:
            parameters = parameters_of(text)
            if parameters is not None and begun:
                raise CommandSyntaxError(
                    "'variables' stands behind other commands", hint="make it the first line"
                )
        except CommandError as exc:
            self._add(exc, first, exc.column)
            return
        if parameters is not None:
            self.assigned.update(parameters)
            return
        try:
            statements = parse(text, self._registry)
        except CommandError as exc:
            target = _TARGET.match(text)
            if target is not None:
                self.assigned.add(target[1])
            self._add(exc, first + (exc.line or 1) - 1, exc.column)
            return
        for statement in statements:
            self._statement(first, statement)

    def _label(self, line: str, number: int) -> None:
        column = len(line) - len(line.lstrip()) + 1
        label = label_of(line)
        if label is None:
            shown = shortened(line.strip())
            wrong = CommandSyntaxError(f"'{shown}' is no label", hint="write :name:")
            self._add(wrong, number, column)
        elif label.name in self._labels:
            twice = CommandSyntaxError(
                f"label '{label.name}' stands at line {self._labels[label.name][0]} already",
                hint="give one of them another name",
            )
            self._add(twice, number, column)
        else:
            self._labels[label.name] = (number, column)
            if self._left:
                self._unreached.add(label.name)
            if not label.closed:
                skipped = CommandSyntaxError(
                    f"label '{label.name}' is not closed, other nodes skip it",
                    hint=f"write :{label.name}:",
                )
                self._found.add(self._diagnostic("warning", skipped, number, column))
        self._left = False

    # ---------------------------------------------------------- statements

    def _statement(self, first: int, statement: Statement) -> None:
        for inner in nested(statement):
            if isinstance(inner, Assignment):
                self._assign(inner.name)
            elif isinstance(inner, CommandStatement):
                self._check_command(first, inner, alone=inner is statement)
                if inner.condition is not None and inner.shape in (Shape.IF, Shape.WAIT):
                    self._look_at(inner.condition)
        for reference in sorted(references([statement]), key=lambda found: found.start):
            if reference.kind is RefKind.LOCAL:
                self._use(reference.name, reference.shown, first, statement.text, reference.start)

    def _check_command(self, first: int, statement: CommandStatement, *, alone: bool) -> None:
        try:
            command = find_command(statement, self._registry)
        except CommandError as exc:
            self._not_found(exc, first, statement)
            return
        binder = _Collecting(statement, command, self._variables)
        try:
            binder.call()
        except EdgeLakeError as exc:
            binder.faults.append(exc)
        for fault in binder.faults:
            self._add_placed(fault, first)
        if command.name in _RUNNING and len(statement.words) > 1:
            path = statement.words[1]
            shown = statement.text[path.start : path.end].strip('"')
            self.scripts.add(_FOLDERS.sub("", shown))
        if command.name in _LEAVING:
            self._left = alone
        for name in binder.variables:
            self._assign(name)
        if binder.faults:
            self._mention(statement)
        for label, offset in binder.labels:
            if label is None:
                self._any_label = True
            elif not binder.faults:
                line, column = _position(statement.text, offset)
                self._targets.setdefault(label, []).append((first + line - 1, column))

    def _not_found(self, error: CommandError, first: int, statement: CommandStatement) -> None:
        """Add the error of a command that is not declared; it may be a label without ``goto``."""
        self._mention(statement)
        line, column = first + (error.line or 1) - 1, error.column or 1
        found = self._diagnostic("error", error, line, column)
        if type(error) is not UnknownCommand:
            self._found.add(found)
            return
        offset = _offset(statement.text, error)
        word = _WORD.match(statement.text, offset)
        before = " ".join(statement.text[statement.start : offset].split())
        self._unknown.append((found, before, word[0] if word else ""))

    def _mention(self, statement: CommandStatement) -> None:
        for item in leaves([replace(statement, body=None)]):
            if isinstance(item, Word) and item.literal is not None:
                self._mentioned.add(item.literal)

    def _look_at(self, condition: Condition) -> None:
        """Note the variables of which a condition asks whether, or what, their value is."""
        for test in tests(condition):
            names = {
                reference.name
                for reference in references([*test.left, *test.right])
                if reference.kind is RefKind.LOCAL
            }
            (self._compared if test.operator else self.asked).update(names)

    def _assign(self, name: str) -> None:
        if name and not name.startswith("$"):
            self.assigned.add(name)

    def _use(self, name: str, shown: str, first: int, text: str, offset: int) -> None:
        if name in self._used:
            return
        line, column = _position(text, offset)
        self._used[name] = self._diagnostic(
            "warning",
            UndefinedVariable(
                f"'{shown}' gets no value in the script",
                hint="give it one, or say that it has one: --define",
            ),
            first + line - 1,
            column,
        )

    def _unknown_commands(self) -> Iterator[Diagnostic]:
        for found, before, word in self._unknown:
            suggested = not before and (found.hint or "").startswith("did you mean")
            if word in self._labels and not suggested:
                yield replace(found, hint=f"did you mean '{f'{before} goto {word}'.strip()}'?")
            else:
                yield found

    def _without_value(self, defined: Collection[str]) -> Iterator[Diagnostic]:
        """Yield the variables that get no value, but may need one.

        An undefined variable is empty to a condition. A script that compares one is written
        for both, unless its name is almost that of another.
        """
        for name, found in self._used.items():
            if _has_value(name, defined) or _has_value(name, self.asked):
                continue
            near = _lookalike(name, defined)
            if near is not None:
                yield replace(found, hint=f"did you mean '!{near}'?")
            elif not _has_value(name, self._compared):
                yield found

    def _label_faults(self) -> Iterator[Diagnostic]:
        for name, places in self._targets.items():
            if name in self._labels:
                continue
            near = difflib.get_close_matches(name, itertools.islice(self._labels, _MOST_NEAR), n=1)
            hint = f"did you mean '{near[0]}'?" if near else f"write :{name}: where it goes on"
            error = CommandSyntaxError(f"no label '{name}' in the script", hint=hint)
            for line, column in places:
                yield self._diagnostic("error", error, line, column)
        if self._any_label:
            return
        mentioned = {*self._targets, *self._mentioned}
        for name, (line, column) in self._labels.items():
            if name in self._unreached and name not in mentioned:
                unused = CommandSyntaxError(f"nothing leads to label '{name}'")
                yield self._diagnostic("warning", unused, line, column)

    # -------------------------------------------------------------- faults

    def _add_placed(self, error: EdgeLakeError, first: int) -> None:
        self._add(error, first + (error.line or 1) - 1, error.column)

    def _add(self, error: EdgeLakeError, line: int, column: int | None) -> None:
        self._found.add(self._diagnostic("error", error, line, column or 1))

    def _diagnostic(
        self, severity: str, error: EdgeLakeError, line: int, column: int
    ) -> Diagnostic:
        text = self._source[line - 1] if line <= len(self._source) else ""
        word = _WORD.match(text, column - 1)
        end = word.end() + 1 if word else column + 1
        hint = " ".join(error.hint.split()) if error.hint else None
        return Diagnostic(
            line, column, end, severity, error.code, " ".join(str(error).split()), hint
        )


_MOST_DOTS = 10
_ALIKE = 0.9
_DIGITS = re.compile(r"[0-9]+")
_MOST_NEAR = 1000
_RUNNING = ("process", "thread")
_FOLDERS = re.compile(r".*[/\\]", re.DOTALL)
_LEAVING = ("goto", "return", "end script", "exit scripts")


def _has_value(name: str, defined: Collection[str]) -> bool:
    """Return whether a name, or what stands before one of its dots, is defined."""
    dots = itertools.islice(re.finditer(r"\.", name), _MOST_DOTS)
    return name in defined or any(name[: dot.start()] in defined for dot in dots)


def _position(text: str, offset: int) -> tuple[int, int]:
    """Return line and column, from 1, of a character counted from 0."""
    found = place(EdgeLakeError(""), text, offset)
    return found.line or 1, found.column or 1


def _offset(text: str, error: CommandError) -> int:
    """Return where an error is in a text, from 0."""
    before = text.split("\n")[: (error.line or 1) - 1]
    return sum(len(line) + 1 for line in before) + (error.column or 1) - 1


def _lookalike(name: str, defined: Collection[str]) -> str | None:
    """Return the defined name that one may be meant to be; names that count are different."""
    some = list(itertools.islice(sorted(defined), _MOST_NEAR))
    same = next((one for one in some if one.lower() == name.lower()), None)
    if same is not None:
        return same
    near = difflib.get_close_matches(name, some, n=1, cutoff=_ALIKE)
    return near[0] if near and _DIGITS.sub("", near[0]) != _DIGITS.sub("", name) else None


class _Unknown:
    """The value of words that hold references, or are wrong; equal to no other."""

    def __getattr__(self, name: str) -> Any:
        """Look as a value does whose text is not known."""
        raise AttributeError(name)


class _Collecting(Binder):
    """Reads a statement as its command declares it, and goes on after a fault.

    Attributes
    ----------
    faults : list of EdgeLakeError
    variables : list of str
        Names that arguments give values.
    labels : list of (str or None, int)
        Labels that arguments name, ``None`` if a reference does, and where.
    """

    def __init__(self, statement: CommandStatement, command: Command, variables: Variables) -> None:
        super().__init__(statement, command, variables)
        self.faults: list[EdgeLakeError] = []
        self.variables: list[str] = []
        self.labels: list[tuple[str | None, int]] = []

    def _typed(
        self, name: str, take: Callable[[Sequence[Item], Variables], _T], items: tuple[Item, ...]
    ) -> _T:
        declared = getattr(take, "__self__", None)
        unknown: Any = _Unknown()
        open_ones = any(
            lookup(reference, self._variables) is None for reference in references(items)
        )
        if open_ones and not isinstance(declared, VariableName):
            if isinstance(declared, Label):
                self.labels.append((None, items[0].start))
            return unknown  # type: ignore[no-any-return]
        try:
            value = super()._typed(name, take, items)
        except (UndefinedVariable, StorageError):
            # Files and folders are those of the node that will run the script.
            return unknown  # type: ignore[no-any-return]
        except EdgeLakeError as exc:
            self.faults.append(exc)
            return unknown  # type: ignore[no-any-return]
        if isinstance(declared, VariableName):
            self.variables.append(str(value).partition("[")[0])
        elif isinstance(declared, Label):
            self.labels.append((str(value), items[0].start))
        return value

    def _options(self) -> Given:
        try:
            return super()._options()
        except EdgeLakeError as exc:
            self.faults.append(exc)
            return Given({}, {})

    def _bring(self) -> Bring | None:
        try:
            return super()._bring()
        except UndefinedVariable:
            return None
        except EdgeLakeError as exc:
            self.faults.append(exc)
            return None

    def _reader(self) -> OptionReader:
        return _CollectingOptions(self._command, self._statement, self._typed, self.faults.append)


class _CollectingOptions(OptionReader):
    """Reads an option list, and goes on after a fault."""

    def __init__(
        self,
        command: Command,
        statement: CommandStatement,
        typed: Callable[..., Any],
        failed: Callable[[EdgeLakeError], None],
    ) -> None:
        super().__init__(command, statement.end, typed, text=statement.text)
        self._failed = failed

    def _pair(self, part: Condition) -> None:
        try:
            super()._pair(part)
        except EdgeLakeError as exc:
            self._failed(exc)
