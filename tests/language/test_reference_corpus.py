"""Every line of the network's command reference, in order, on one node in an empty home.

Each line is of one group: a correct line that runs (or, where it needs what a test has not,
is understood); a wrong line that is refused for its true fault; a line of a command that this
version has not, which is refused by name. A command that is declared moves its lines from the
last group to the others by itself.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable
from pathlib import Path

from edgelake import Node, errors
from edgelake.errors import CommandNotAvailable, EdgeLakeError, OptionNotAvailable, RemoteError
from edgelake.language import (
    Assignment,
    CommandStatement,
    LogicalLines,
    Variables,
    bind,
    format_error,
    parse,
)
from tests.language.reference_corpus import Line, lines

_SYNTAX = (errors.CommandSyntaxError, errors.UnknownCommand)

FAULTS: dict[str, tuple[type[EdgeLakeError], ...]] = {
    "lex": (errors.UnbalancedInput,),
    "syntax": (*_SYNTAX, errors.MissingOption),
    "unknown-command": _SYNTAX,
    "reserved": (errors.CommandError,),
    "unknown-key": (errors.UnknownOption,),
    "missing-key": (errors.MissingOption, errors.CommandSyntaxError),
    "duplicate": (errors.DuplicateOption,),
    "conflict": (errors.BadArgument,),
    "bad-value": (errors.BadArgument, errors.PolicyInvalid),
    "undefined-variable": (errors.UndefinedVariable,),
    "state": (errors.ServiceError, errors.StorageError, errors.LedgerError, errors.NotInScript),
    "not-found": (
        errors.StorageError,
        errors.LedgerError,
        errors.ScriptError,
        errors.NotRunning,
        errors.BadArgument,
        errors.KeyMissing,
    ),
    "failed": (
        errors.PeerError,
        errors.StorageError,
        errors.ServiceError,
        errors.SystemCallFailed,
    ),
    "timeout": (
        errors.PeerTimeout,
        errors.ServiceError,
        errors.CommandError,
        errors.SystemCallTimeout,
    ),
}
"""Which of our errors name the fault of a class."""

ACCEPTED = {
    "print [hook, sling] tail": "brackets are text like any other",
    "set buffer threshold where time = 1 week": "weeks are a unit of time",
    "set buffer threshold where volume = 10 MB": "a blank before the unit of a size is clear",
    "set rest timeout 2 weeks": "weeks are a unit of time",
    "blockchain update file": "the file that 'pull to json' wrote before is there",
}
"""Wrong lines of the reference that we take, and why."""

OTHERWISE: dict[str, tuple[type[EdgeLakeError], str]] = {
    "get connections where kind = tcp": (
        errors.UnknownOption,
        "every table takes options, and this one has no such option",
    ),
    "get databases where type = sqlite": (errors.UnknownOption, "the same"),
    "connect dbms vault where user = u1": (
        errors.UnknownOption,
        "the first fault is told: a key that the declared databases do not have",
    ),
    "run blockchain sync": (
        errors.NotRunning,
        "without options it is a command to synchronise now; the hint names the options",
    ),
    "trace level = 1 run unicycle": (
        errors.UnknownCommand,
        "what is traced is a command, so it is one that is unknown",
    ),
    "blockchain pull to printer": (
        errors.UnknownCommand,
        "what it is pulled to is a word of the name; the message lists those that there are",
    ),
    "run client get status": (errors.BadDestination, "the word that is no destination is named"),
}
"""Wrong lines for which we name another fault, and why."""

REFUSED: dict[str, tuple[type[EdgeLakeError], str]] = {
    "blockchain switch network where master = 127.0.0.1:34911": (
        errors.BadArgument,
        "the node of the test is the master: its ledger has no other source",
    ),
    "run client (127.0.0.1:34911) set remote_flag = on": (
        RemoteError,
        "a peer changes a node's variables only at the level admin",
    ),
    "run client (127.0.0.1:34911) file copy !tmp_dir/a1.txt !!tmp_dir/a7.txt": (
        RemoteError,
        "a peer writes files only at the level admin",
    ),
    "run client (127.0.0.1:34911) file get !!tmp_dir/a1.txt !tmp_dir/a6.txt": (
        RemoteError,
        "a peer reads files only at the level admin",
    ),
}
"""Correct lines of the reference that we refuse, and why."""

_SERVICES = {
    "msg client": "run msg client",
    "kafka": "run kafka consumer",
    "grpc": "run grpc client",
    "smtp": "run smtp client",
    "scheduler": "run scheduler",
    "operator": "run operator",
    "streamer": "run streamer",
    "archiver": "run blobs archiver",
    "broker": "run message broker",
    "workers": "set query pool",
    "all": "run operator",
}

PARTS: list[tuple[str, str]] = [
    (r"no table 'tsd_info' is predefined", "get tsd"),
    (r"no destination: ", "destinations by table"),
]
"""Parts of declared commands that are not there yet, by the error they give."""


class Run:
    """Runs the lines and sorts them.

    Attributes
    ----------
    groups : counter
    absent : dict of str to list of int
        What is not available, and the lines that need it.
    wrong : list of str
        What is not as expected.
    """

    def __init__(self, node: Node) -> None:
        self._node = node
        self._lost: set[str] = set()
        self.groups: Counter[str] = Counter()
        self.absent: dict[str, list[int]] = {}
        self.wrong: list[str] = []

    def line(self, line: Line) -> None:
        """Run one line."""
        error = self._outcome(line)
        missing = self._missing(line, error) if error is not None else None
        if missing is not None:
            self.groups["not available"] += 1
            self.absent.setdefault(missing, []).append(line.number)
            self._lose(line)
        elif line.kind == "ok":
            self._correct(line, error)
        else:
            self._faulty(line, error)

    def _outcome(self, line: Line) -> EdgeLakeError | None:
        try:
            if line.live or line.kind != "ok":
                self._node.run(line.text)
            else:
                self._understand(line.text)
        except EdgeLakeError as exc:
            return exc
        return None

    def _understand(self, text: str) -> None:
        """Parse and bind a line that needs what a test has not."""
        reader = LogicalLines()
        for _, command in [*reader.feed(text), *reader.finish()]:
            for statement in parse(command, self._node.registry):
                inner = statement.command if isinstance(statement, Assignment) else statement
                if isinstance(inner, CommandStatement):
                    bind(inner, self._node.registry, _Anything())

    def _missing(self, line: Line, error: EdgeLakeError) -> str | None:
        """Return what the line needs that is not there, if that is why it failed."""
        text = format_error(error)
        if isinstance(error, CommandNotAvailable):
            return text.split("'")[1]
        if isinstance(error, OptionNotAvailable):
            return f"{line.text.partition(' where ')[0]} … {text.split(chr(39))[1]}"
        if isinstance(error, RemoteError):
            behind = line.text.partition(") ")[2]
            try:
                self._understand(behind)
            except CommandNotAvailable as exc:
                return format_error(exc).split("'")[1]
            except EdgeLakeError:
                return None
        service = re.match(r"(?:\w+ = )?exit (msg client|\w+)", line.text)
        if service is not None and "is not allowed" in text and service[1] in _SERVICES:
            needed = _SERVICES[service[1]]
            return needed if self._node.registry.get(needed) is None else None
        if line.kind != "ok" and self._fits(line, error):
            return None
        for pattern, name in PARTS:
            if re.search(pattern, text):
                return name
        spoken = f"{line.text} {text}"
        lost = next((name for name in sorted(self._lost) if name in spoken), None)
        return f"what gives {lost}" if lost is not None and not _is_syntax(error) else None

    def _lose(self, line: Line) -> None:
        """Remember what the lines after this one have to do without."""
        assigned = re.match(r"(\w+)(?:\[[^]]*\]|\{\})* = ", line.text)
        if assigned is not None:
            self._lost.add(f"!{assigned[1]}")
        if line.text.startswith("system "):
            self._lost.update(re.findall(r"/(\w+)\.\w+", line.text))
        self._lost.update(re.findall(r"!tmp_dir/\w+\.\w+", line.text))

    def _correct(self, line: Line, error: EdgeLakeError | None) -> None:
        self.groups["correct"] += 1
        refused = REFUSED.get(line.written)
        if refused is not None:
            self._expect(line, error, lambda found: isinstance(found, refused[0]))
        elif error is not None:
            self._fail(line, error)

    def _faulty(self, line: Line, error: EdgeLakeError | None) -> None:
        self.groups["wrong"] += 1
        if line.written in ACCEPTED:
            if error is not None:
                self._fail(line, error)
            return
        self._expect(line, error, lambda found: self._fits(line, found))

    def _fits(self, line: Line, error: EdgeLakeError) -> bool:
        """Return whether an error names the fault of a line."""
        if line.written in OTHERWISE and isinstance(error, OTHERWISE[line.written][0]):
            return True
        return isinstance(error, FAULTS[line.kind]) and line.key in format_error(error)

    def _expect(
        self, line: Line, error: EdgeLakeError | None, fits: Callable[[EdgeLakeError], bool]
    ) -> None:
        if error is None or not fits(error):
            self._fail(line, error)

    def _fail(self, line: Line, error: EdgeLakeError | None) -> None:
        told = f"{type(error).__name__} {format_error(error)}" if error else "no error"
        self.wrong.append(f"{line.number}: {line.text} [{line.kind} {line.detail}]: {told}")


class _Anything(Variables):
    """Variables of which each has a value."""

    def get(self, name: str) -> str | None:
        return super().get(name) or "value"


def _is_syntax(error: EdgeLakeError) -> bool:
    return isinstance(error, errors.CommandSyntaxError | errors.UnknownCommand)


def test_every_line_of_the_reference(tmp_path: Path) -> None:
    found = list(lines())
    with Node(tmp_path / "home") as node:
        run = Run(node)
        for line in found:
            run.line(line)
    print("\n".join(f"not available: {name}: lines {at}" for name, at in run.absent.items()))
    print(dict(run.groups))
    assert run.wrong == []
    assert run.groups.total() == len(found) == 825
    expected = Counter("correct" if line.kind == "ok" else "wrong" for line in found)
    assert run.groups["correct"] <= expected["correct"]
    assert run.groups["wrong"] <= expected["wrong"]
    missing = sum(len(at) for at in run.absent.values())
    assert run.groups["correct"] + run.groups["wrong"] + missing == len(found)
    # What can be counted on: no group empties unseen.
    assert run.groups["correct"] >= 100
    assert run.groups["wrong"] >= 100


def test_the_tables_name_lines_of_the_reference() -> None:
    correct = {line.written for line in lines() if line.kind == "ok"}
    wrong = {line.written for line in lines() if line.kind != "ok"}
    assert ACCEPTED.keys() | OTHERWISE.keys() <= wrong
    assert REFUSED.keys() <= correct
