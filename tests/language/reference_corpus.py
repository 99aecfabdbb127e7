"""The lines of the network's command reference: what they are, and what is expected of them."""

from __future__ import annotations

import re
import socket
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

PATH = Path(__file__).parent / "data" / "commands.txt"

_PORT = re.compile(r"\b34\d{3}\b")
_KEY = re.compile(r"(?:key )?([\w-]+)(?: \(.*\))?")
_KEY_NAMED = ("unknown-key", "missing-key", "duplicate")
# Where the reference describes a key rather than to name it.
_NO_KEYS = frozenset({"key", "destination", "task"})


@dataclass(frozen=True, slots=True)
class Line:
    """One line.

    Attributes
    ----------
    written : str
        The command as the reference has it.
    text : str
        The command, its ports moved to free ones.
    kind : str
        ``ok``, or the class of its fault: ``lex``, ``syntax``, ``unknown-key``, ….
    detail : str
        What the reference says about the fault.
    live : bool
        A running node was seen to do this; others need what a test has not.
    """

    number: int
    written: str
    text: str
    kind: str
    detail: str
    live: bool

    @property
    def key(self) -> str:
        """The option that a diagnostic has to name, if the reference names one."""
        found = _KEY.fullmatch(self.detail) if self.kind in _KEY_NAMED else None
        return found[1] if found is not None and found[1] not in _NO_KEYS else ""


def lines() -> Iterator[Line]:
    """Yield all lines in the order of the file; the same port is the same in all of them."""
    ports: dict[str, str] = {}

    def moved(match: re.Match[str]) -> str:
        if match[0] not in ports:
            ports[match[0]] = str(_free_port({int(port) for port in ports.values()}))
        return ports[match[0]]

    for number, line in enumerate(PATH.read_text(encoding="utf-8").splitlines(), 1):
        written, expected, live, *_ = [*line.split("\t"), ""]
        kind, _, detail = expected.removeprefix("error:").partition(" ")
        text = _PORT.sub(moved, written)
        yield Line(number, written, text, kind, detail.strip(), live == "live")


def _free_port(taken: set[int]) -> int:
    """Return a port that no program is given by chance: one below 32768."""
    for port in range(21_000, 32_768):
        if port in taken:
            continue
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
        return port
    raise AssertionError("no free port")
