"""The network's cases of ledger commands: what they set up, run and expect.

The cases were recorded on nodes of the network; `Case` runs one here, and says how what
came out differs from what is expected. Expected errors are compared by kind, as errors have
texts of their own here; results by their data, whatever their layout; all else by its text.
"""

from __future__ import annotations

import ast
import json
import re
import sqlite3
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from edgelake import Node, errors
from edgelake.errors import EdgeLakeError, RemoteError
from edgelake.language import format_error

PATH = Path(__file__).parents[1] / "data" / "ledger_cases.json"

_SYNTAX = (errors.CommandError, errors.PolicyInvalid)
ERRORS: dict[str, tuple[type[EdgeLakeError], ...]] = {
    "Error Command Structure": (errors.CommandError, errors.NotRunning),
    "Failed to parse if condition": (errors.CommandError,),
    "Duplicate blockchain object id": (errors.PolicyConflict,),
    "Wrong policy structure": _SYNTAX,
    "Wrong blockchain structure": (errors.LedgerInvalid,),
    "Non unique policy values": (errors.PolicyNotUnique,),
    "None unique IP:Port in policy": (errors.PolicyNotUnique,),
    "Missing cluster policy": (errors.PolicyInvalid, errors.PolicyMissing),
    "Missing parent policy": (errors.PolicyInvalid, errors.PolicyMissing),
    "Missing required policy attribute": (errors.PolicyInvalid,),
    "Needed Policy is not available": (errors.PolicyMissing,),
    "Policy not in local file": (errors.PolicyMissing, errors.NoReply),
    "Empty local blockchain file": (errors.LedgerError, errors.StorageError),
    "Blockchain operation failed": (errors.StorageError, errors.LedgerError),
    "DBMS error: delete row failed - wrong key": (errors.PolicyRowMissing,),
    "DBMS is not open or Table not declared": (errors.DatabaseError,),
    "DBMS not open": (errors.DatabaseError,),
    "Connection Error": (errors.PeerError, errors.ServiceError, errors.BadArgument),
    "Blockchain not recognized": (errors.ServiceError, errors.LedgerError, errors.BadArgument),
    "Error Process Failure": (errors.ServiceError,),
}
"""Texts of errors on nodes of the network, and our errors for the same faults."""

_PATIENCE_S = 5.0
_DATE = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z")
_FROM_NODE = re.compile(r"\[From Node ([^]]*)\]\s*")
_BLANK_LINES = re.compile(r"\n{3,}")
_PYTHON_WORDS = re.compile(r"(?<=[:,\[ ])(True|False|None)(?=[,}\]\s]|$)")
_JSON_WORDS = {"True": "true", "False": "false", "None": "null"}


_OURS = (".damaged", ".log")


@dataclass(frozen=True, slots=True)
class Case:
    """One case of the network.

    Attributes
    ----------
    setup : tuple
        Commands, or objects ``{on, cmd, wait_s}`` where there are several nodes.
    expect : dict
        ``output``, ``ledger_file``, ``ledger_rows``, ``files``, ``file_text``, ``then``.
    """

    name: str
    setup: tuple[Any, ...]
    command: str
    expect: dict[str, Any]
    on: str = ""
    note: str = ""

    @property
    def alone(self) -> bool:
        """Whether one node is enough."""
        return all(isinstance(step, str) for step in self.setup) and not self.on


def cases() -> Iterator[Case]:
    """Yield all cases; named lists of commands are put in their places."""
    lists: dict[str, list[str]] = {}
    for entry in json.loads(PATH.read_text(encoding="utf-8")):
        if "define" in entry:
            lists[entry["define"]] = entry["commands"]
            continue
        setup: list[Any] = []
        for step in entry["setup"]:
            setup += lists.get(step, [step]) if isinstance(step, str) else [step]
        yield Case(
            entry["name"],
            tuple(setup),
            entry["command"],
            entry["expect"],
            entry.get("on", ""),
            entry.get("note", ""),
        )


@dataclass(slots=True)
class Outcome:
    """What became of a case: each difference, and the first command that is not there."""

    differences: list[str] = field(default_factory=list)
    absent: str = ""
    failed: list[str] = field(default_factory=list)

    def differ(self, what: str, expected: Any, found: Any) -> None:
        """Remember a difference."""
        self.differences.append(f"{what}: expected {expected!r}, found {found!r}")

    def note(self, error: EdgeLakeError) -> None:
        """Remember that a command is not there."""
        if isinstance(error, errors.CommandNotAvailable) and not self.absent:
            self.absent = format_error(error).split("'")[1]


def run_alone(case: Case, home: Path) -> Outcome:
    """Run a case of one node in a folder of its own."""
    outcome = Outcome()
    with Node(home) as node:
        prepare(case, node, outcome)
        compare_alone(case, node, outcome)
    return outcome


def prepare(case: Case, node: Node, outcome: Outcome) -> None:
    """Run what a case sets up."""
    node.run("create work directories")
    for command in case.setup:
        answer = run(node, filled(command))
        if isinstance(answer, EdgeLakeError):
            outcome.note(answer)
            outcome.failed.append(f"{command}: {format_error(answer)}")


def compare_alone(case: Case, node: Node, outcome: Outcome) -> None:
    """Run the command of a case, and compare all that is expected."""
    answer = run(node, filled(case.command))
    if isinstance(answer, EdgeLakeError):
        outcome.note(answer)
    compare_output(outcome, "output", filled(case.expect["output"]), answer)
    compare_files(outcome, case.expect, node)
    if "ledger_rows" in case.expect:
        compare_rows(outcome, filled_in(case.expect["ledger_rows"]), rows_of(node))
    for command, expected in case.expect.get("then", {}).items():
        compare_output(outcome, command, filled(expected), run(node, filled(command)))


class Trio:
    """A master and two nodes that follow it, with real sockets."""

    def __init__(self, home: Path) -> None:
        self.nodes = {name: Node(home / name, name=name) for name in ("master", "n1", "n2")}
        self.addresses: dict[str, str] = {}

    def __enter__(self) -> Trio:
        """Start the nodes."""
        for name, node in self.nodes.items():
            node.run("create work directories")
            node.run("run tcp server where external_ip = 127.0.0.1 and external_port = 0")
            self.addresses[name] = node.run("get connections where format = json").data["TCP"][
                "external"
            ]
        master = self.nodes["master"]
        master.run("connect dbms blockchain where type = sqlite")
        master.run("create table ledger where dbms = blockchain")
        self._start("master", "source = dbms")
        for name in ("n1", "n2"):
            self._start(name, f"source = master and connection = {self.addresses['master']}")
        return self

    def __exit__(self, *error: object) -> None:
        """Stop the nodes."""
        for node in reversed(self.nodes.values()):
            node.close()

    def _start(self, name: str, source: str) -> None:
        self.nodes[name].run(
            f"run blockchain sync where {source} and time = 1 second and dest = file"
        )

    def run(self, name: str, command: str) -> str | EdgeLakeError:
        """Run a command on a node; the addresses of others are put in their places."""
        return run(self.nodes[name], self.filled(command))

    def filled(self, text: str) -> str:
        """Return a text with addresses in the places of names."""
        for name, address in self.addresses.items():
            text = text.replace(f"<{name.upper()}>", address)
        return filled(text)

    def cycle(self) -> None:
        """Let all nodes synchronise now."""
        for node in self.nodes.values():
            run(node, "run blockchain sync")

    def wait(self, condition: Any) -> bool:
        """Synchronise until a condition holds, or for as long as is reasonable."""
        end = time.monotonic() + _PATIENCE_S
        while not condition():
            if time.monotonic() > end:
                return False
            self.cycle()
            time.sleep(0.02)
        return True


def run_together(case: Case, trio: Trio) -> Outcome:
    """Run a case of three nodes."""
    outcome = Outcome()
    for step in case.setup:
        answer = trio.run(step["on"], step["cmd"])
        if isinstance(answer, EdgeLakeError):
            outcome.note(answer)
            outcome.failed.append(f"{step['cmd']}: {format_error(answer)}")
        trio.wait(lambda: settled(trio))
    last: list[Outcome] = []

    def fits() -> bool:
        last[:] = [Outcome([], outcome.absent, outcome.failed)]
        compare_together(case, trio, last[0])
        return not last[0].differences

    trio.wait(fits)
    return last[0]


def settled(trio: Trio) -> bool:
    """Tell whether all nodes show the same."""
    shown = [node.run("blockchain get * bring.json").data for node in trio.nodes.values()]
    pending = [
        node.run("get synchronizer where format = json").data for node in trio.nodes.values()
    ]
    waiting = any(p.get("pending_policies") or p.get("pending_deletes") for p in pending)
    return shown[0] == shown[1] == shown[2] and not waiting


def compare_together(case: Case, trio: Trio, outcome: Outcome) -> None:
    """Run the command of a case, and compare what all three nodes have."""
    answer = trio.run(case.on or "n2", case.command)
    if isinstance(answer, EdgeLakeError):
        outcome.note(answer)
    compare_output(outcome, "output", trio.filled(case.expect["output"]), answer)
    for name, lines in case.expect.get("ledger_file", {}).items():
        trio.nodes[name]._parts.ledger.write_file()
        compare_lines(outcome, lines, trio.nodes[name].home.ledger_file)
    if "master_rows" in case.expect:
        compare_rows(outcome, filled_in(case.expect["master_rows"]), rows_of(trio.nodes["master"]))


def run(node: Node, command: str) -> str | EdgeLakeError:
    """Return what a command prints, or its error."""
    try:
        return node.run(command).text
    except EdgeLakeError as exc:
        return exc


def filled(text: str) -> str:
    """Return a text with the node's address, as a node that listens nowhere knows it."""
    return text.replace("<NODE_IP>", "127.0.0.1")


def filled_in(data: Any) -> Any:
    """Return data with the node's address."""
    return json.loads(filled(json.dumps(data)))


def compare_output(outcome: Outcome, what: str, expected: str, answer: str | EdgeLakeError) -> None:
    """Compare what was printed."""
    last = expected.strip().rpartition("\n")[2]
    kinds = ERRORS.get(last)
    if isinstance(answer, RemoteError) and "failed" in expected:
        return
    if isinstance(answer, EdgeLakeError):
        if kinds is None or not isinstance(answer, kinds):
            outcome.differ(what, expected, f"{type(answer).__name__}: {format_error(answer)}")
    elif kinds is not None:
        outcome.differ(what, expected, answer)
    elif data_of(expected) != data_of(answer):
        outcome.differ(what, data_of(expected), data_of(answer))


def compare_files(outcome: Outcome, expect: dict[str, Any], node: Node) -> None:
    """Compare the ledger's file and the files beside it."""
    folder = node.home.ledger_file.parent
    node._parts.ledger.write_file()
    if "ledger_file" in expect:
        compare_lines(outcome, expect["ledger_file"], node.home.ledger_file)
    if "files" in expect:
        found = sorted(path.name for path in folder.iterdir() if path.suffix not in _OURS)
        if found != sorted(expect["files"]):
            outcome.differ("files", sorted(expect["files"]), found)
    for name, text in expect.get("file_text", {}).items():
        path = folder / name
        found_text = path.read_text(encoding="utf-8") if path.exists() else None
        expected_lines = [data_of(line) for line in filled(text).split("\n")]
        lines = None if found_text is None else [data_of(x) for x in found_text.strip().split("\n")]
        if lines != expected_lines:
            outcome.differ(name, expected_lines, lines)


def compare_lines(outcome: Outcome, expected: list[Any] | None, path: Path) -> None:
    """Compare the ledger's file with policies."""
    found = ledger_lines(path)
    if not same(expected or [], found or []):
        outcome.differ("ledger file", expected, found)


def ledger_lines(path: Path) -> list[Any] | None:
    """Return the lines of a ledger file as data."""
    if not path.exists():
        return None
    return [json.loads(line) for line in path.read_text().split("\n") if line.strip()]


def same(expected: Any, found: Any) -> bool:
    """Compare data, in the order of its attributes; the places of dates and numbers are free."""
    expected_text, found_text = json.dumps(expected), json.dumps(found)
    pattern = re.escape(expected_text)
    pattern = pattern.replace(re.escape("<DATE>"), _DATE.pattern)
    pattern = pattern.replace(re.escape('"<RANDOM 1..255>"'), r"\d{1,3}")
    return re.fullmatch(pattern, found_text) is not None


def compare_rows(outcome: Outcome, expected: list[Any], found: list[Any]) -> None:
    """Compare rows of the table ``ledger``."""
    if not same(expected, found):
        outcome.differ("rows", expected, found)


def rows_of(node: Node) -> list[Any]:
    """Return the rows of a node's table, in the order they were put in."""
    path = node.home.databases_dir / "blockchain.dbms"
    if not path.exists():
        return []
    connection = sqlite3.connect(path)
    try:
        found = connection.execute(
            "SELECT policy_type, policy_id, company_name, date, host, status, policy"
            " FROM ledger ORDER BY sequence_id"
        ).fetchall()
    except sqlite3.OperationalError:
        found = []
    finally:
        connection.close()
    return [list(row) for row in found]


def data_of(text: str) -> Any:
    """Return what a text says: the data in it, if it is some; else its lines, trimmed."""
    text = _DATE.sub("<DATE>", text.strip())
    heading = _FROM_NODE.match(text)
    if heading is not None:
        return [heading[1], data_of(text[heading.end() :])]
    lines = "\n".join(line.rstrip() for line in text.split("\n"))
    plain = _BLANK_LINES.sub("\n\n", lines)
    if plain[:1] in ("[", "{", '"') and plain[-1:] in ("]", "}", '"'):
        for candidate in (plain, _PYTHON_WORDS.sub(lambda m: _JSON_WORDS[m[1]], plain)):
            try:
                return json.loads(candidate)
            except ValueError:
                continue
        try:
            return ast.literal_eval(plain)
        except (ValueError, SyntaxError):
            pass
    return plain
