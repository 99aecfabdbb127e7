"""The lines of the network's command reference: what they are, and what is expected of them."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from edgelake import errors
from tests.sessions import free_port

PATH = Path(__file__).parent / "data" / "commands.txt"

_PORT = re.compile(r"\b34\d{3}\b")
_KEY = re.compile(r"(?:key )?([\w-]+)")
_KEY_NAMED = ("unknown-key", "missing-key", "duplicate")
# Where the reference describes a key rather than to name it.
_NO_KEYS = frozenset({"key", "destination", "topic name", "task"})


@dataclass(frozen=True, slots=True)
class Line:
    """One line.

    Attributes
    ----------
    number : int
    text : str
        The command, its ports moved to free ones.
    kind : str
        ``ok``, or the class of its fault: ``lex``, ``syntax``, ``unknown-key``, ….
    detail : str
        What the reference says about the fault.
    live : bool
        A running node was seen to do this.
    note : str
    """

    number: int
    text: str
    kind: str
    detail: str
    live: bool
    note: str

    @property
    def key(self) -> str:
        """The option that a diagnostic has to name, if the reference names one."""
        if self.kind not in _KEY_NAMED or self.detail.startswith("key/"):
            return ""
        found = _KEY.match(self.detail)
        key = found[1] if found else ""
        # Only a word that is an option: its name and nothing else, or a note in parentheses.
        rest = self.detail[found.end() :].strip() if found else ""
        return "" if key in _NO_KEYS or (rest and not rest.startswith("(")) else key


def lines() -> Iterator[Line]:
    """Yield all lines in the order of the file; the same port is the same in all of them."""
    ports: dict[str, str] = {}

    def moved(match: re.Match[str]) -> str:
        if match[0] not in ports:
            ports[match[0]] = str(_below_32768(set(ports.values())))
        return ports[match[0]]

    for number, line in enumerate(PATH.read_text(encoding="utf-8").splitlines(), 1):
        text, expected, live, note, *_ = [*line.split("\t"), "", "", ""]
        kind, _, detail = expected.removeprefix("error:").partition(" ")
        yield Line(number, _PORT.sub(moved, text), kind, detail, live == "live", note)


def _below_32768(taken: set[str]) -> int:
    """Return a port that programs are not given by chance."""
    import socket

    for port in range(21_000 + free_port() % 5_000, 32_768):
        if str(port) in taken:
            continue
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
        return port
    raise AssertionError("no free port")


_SYNTAX = (errors.CommandSyntaxError, errors.UnknownCommand)
_VALUE = (errors.BadArgument, errors.PolicyInvalid)

FAULTS: dict[str, tuple[type[errors.EdgeLakeError], ...]] = {
    "lex": (errors.UnbalancedInput,),
    "syntax": (*_SYNTAX, errors.MissingOption),
    "unknown-command": _SYNTAX,
    "reserved": (errors.CommandError,),
    "unknown-key": (errors.UnknownOption,),
    "missing-key": (errors.MissingOption, errors.CommandSyntaxError),
    "duplicate": (errors.DuplicateOption,),
    "conflict": (errors.BadArgument,),
    "bad-value": _VALUE,
    "undefined-variable": (errors.UndefinedVariable,),
    "state": (errors.ServiceError, errors.StorageError, errors.LedgerError, errors.ScriptError),
    "not-found": (
        errors.StorageError,
        errors.LedgerError,
        errors.ScriptMissing,
        errors.NotRunning,
        errors.BadArgument,
        errors.BadDestination,
    ),
    "failed": (errors.EdgeLakeError,),
    "timeout": (errors.EdgeLakeError,),
}
"""Which of our errors name the fault of a class."""
