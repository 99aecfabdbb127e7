"""A master and two followers, as processes that die and start again from their files."""

from __future__ import annotations

import json
import random
import shutil
import socket
import sqlite3
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path

from edgelake import Node
from edgelake.interfaces import LogEntry
from edgelake.ledger import EMPTY_LEDGER, md5_of
from tests.faults.injection import Faults
from tests.faults.stores import left_over
from tests.system.conftest import NodeProcess
from tests.system.test_two_nodes import bring_up
from tests.waiting import eventually

START = "0" * 32
"""The chain before the first entry of a log."""
REPORT = "edgelake: "
"""How a line begins that a service of a node tells the console by itself."""
DIED = (EOFError, BrokenPipeError)
"""What asking a process ends with, if the process does."""


@dataclass(slots=True)
class Log:
    """What a master's log says: every state that its ledger ever had."""

    entries: list[LogEntry]
    states: list[list[str]]

    @property
    def hashes(self) -> set[str]:
        """The MD5 of each state as a follower has it, ``0`` for none."""
        texts = ("".join(line + "\n" for line in state).encode() for state in self.states)
        return {"0", *(md5_of(text or EMPTY_LEDGER) for text in texts)}

    @property
    def put(self) -> set[str]:
        """The ids of all policies that were ever stored."""
        return {entry.policy_id for entry in self.entries if entry.op == "put"}


def read_log(database: Path) -> Log:
    """Return the whole log of a master; its numbers have no gaps, its chain is right."""
    with closing(sqlite3.connect(f"file:{database}?mode=ro", uri=True)) as opened:
        # One moment of a log that may go on.
        opened.execute("BEGIN")
        rows = opened.execute(
            "SELECT seq, op, policy_id, after_id, policy, chain FROM ledger_log ORDER BY seq"
        ).fetchall()
        table = opened.execute("SELECT policy FROM ledger ORDER BY date, sequence_id").fetchall()
        assert opened.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
    entries = [LogEntry(*row) for row in rows]
    order: list[str] = []
    texts: dict[str, str] = {}
    states: list[list[str]] = [[]]
    chain = START
    for number, entry in enumerate(entries, 1):
        assert entry.seq == number
        chain = entry.chained(chain)
        assert entry.chain == chain
        if entry.policy_id in order:
            order.remove(entry.policy_id)
        if entry.op == "put":
            order.insert(order.index(entry.after_id) + 1 if entry.after_id else 0, entry.policy_id)
            texts[entry.policy_id] = entry.policy
        states.append([texts[policy_id] for policy_id in order])
    # What is stored, and what is numbered, is one transaction.
    assert states[-1] == [policy for (policy,) in table]
    return Log(entries, states)


class Member:
    """One node: its process, what was asked of it, and what it acknowledged."""

    def __init__(self, name: str, start: Callable[..., NodeProcess], faults: Faults) -> None:
        self.name = name
        self.faults = faults
        self.start = start
        self.process: NodeProcess | None = None
        self.inserted: set[str] = set()
        self.acknowledged: set[str] = set()
        self.deleted: set[str] = set()
        self.deletes_acknowledged: set[str] = set()

    @property
    def alive(self) -> bool:
        """Whether the process runs."""
        return self.process is not None and self.process.child.poll() is None

    def ask(self, command: str) -> list[str]:
        """Ask the process; what its threads report meanwhile is no answer."""
        assert self.process is not None
        return [line for line in self.process.ask(command) if not line.startswith(REPORT)]


@dataclass(slots=True)
class Known:
    """The notes that a policy may have: the last acknowledged one, or one of those behind it.

    ``loose`` ones are sent to the master without an acknowledgement, and may come later.
    """

    notes: set[str]
    loose: set[str] = field(default_factory=set)


class Network:
    """The three nodes, and the changes that were made on them.

    Parameters
    ----------
    start : callable
        Starts a process in the home of a name, see `tests.system.conftest.start`.
    library : Path
        Of `tests.faults.injection.build`.
    work : Path
        Where the processes' homes are.
    chance : Random
        Draws the changes.
    """

    def __init__(
        self,
        start: Callable[..., NodeProcess],
        library: Path,
        work: Path,
        chance: random.Random,
    ) -> None:
        self._work = work
        self._chance = chance
        self._number = 0
        self._policies: dict[str, Known] = {}
        self._looks = 0
        self.port = free_port()
        self.address = f"127.0.0.1:{self.port}"
        self.members = {
            name: Member(
                name, start, Faults(library, work / name / "EdgeLake", work / f"faults-{name}")
            )
            for name in ("master", "one", "two")
        }
        self.master = self.members["master"]
        self.followers = [self.members["one"], self.members["two"]]

    # ------------------------------------------------------------ processes

    def up(self, member: Member) -> bool:
        """Start a node in its home; return whether it got as far as to synchronize."""
        member.process = member.start(member.name, env=member.faults.env)
        try:
            if member is self.master:
                bring_up(member.process, self.port)
                source = "source = dbms"
            else:
                bring_up(member.process)
                source = f"source = master and connection = {self.address}"
            # One follower has a table, too.
            table = " and dest = dbms" if member.name == "two" else ""
            said = member.ask(
                f"run blockchain sync where {source} and time = 1 second and dest = file{table}"
            )
            # The tail that the last write left unfinished is told of.
            assert [line for line in said if "was damaged" not in line] == [], said
        except DIED:
            member.process.child.wait()
            return False
        return True

    def restart(self, member: Member) -> None:
        """Look at what a dead node left, mend its system, and start it again from that."""
        self.check_dead(member)
        member.faults.mend()
        home = self._work / member.name
        half_written = left_over(home)
        assert self.up(member)
        # What was left half written is gone, and nothing of it adds up.
        assert not set(half_written) & set(left_over(home))

    # -------------------------------------------------------------- changes

    def change(self) -> None:
        """Make one change somewhere; what was answered counts as acknowledged."""
        self._number += 1
        known = [key for key in self._policies if not self._gone(key)]
        kinds = ["insert"] * 10 + ["push"] * 2
        if len(known) > 2:
            # The last one waits for an answer that may be none, which takes its time.
            kinds += ["delete"] * 4 + ["drop"] * 2 + ["replace"] * 3 + ["replace from afar"]
        kind = self._chance.choice(kinds)
        one = self._chance.choice(self.followers)
        if kind == "insert":
            self._insert(one, f"p{self._number}")
        elif kind == "push":
            self._insert(self.master, f"p{self._number}")
        elif kind == "delete":
            self._delete(one, self._chance.choice(known))
        elif kind == "drop":
            self._delete(self.master, self._chance.choice(known))
        else:
            self._replace(self.master if kind == "replace" else one, self._chance.choice(known))

    def _gone(self, policy_id: str) -> bool:
        return any(policy_id in member.deleted for member in self.members.values())

    def _tell(self, member: Member, command: str) -> bool:
        """Return whether a command was acknowledged; a process that died acknowledges nothing."""
        if not member.alive:
            return False
        try:
            answer = member.ask(command)
        except DIED:
            return False
        return not any("error " in line for line in answer)

    def _insert(self, member: Member, policy_id: str) -> None:
        note = f"first {self._number}"
        policy = json.dumps({"device": {"id": policy_id, "note": note}})
        self._policies[policy_id] = Known({note})
        member.inserted.add(policy_id)
        if member is self.master:
            command = f"blockchain push {policy}"
        else:
            command = (
                f"blockchain insert where policy = {policy} and local = true"
                f" and master = {self.address}"
            )
        if self._tell(member, command):
            member.acknowledged.add(policy_id)

    def _delete(self, member: Member, policy_id: str) -> None:
        if member is self.master:
            command = f"blockchain drop policy where id = {policy_id}"
        else:
            command = f"blockchain delete policy where id = {policy_id} and master = {self.address}"
        if not member.alive:
            return
        try:
            refused = any("error " in line for line in member.ask(command))
        except DIED:
            member.deleted.add(policy_id)
            return
        # A policy may not have come to this node yet: then nothing is changed.
        if not refused:
            member.deleted.add(policy_id)
            member.deletes_acknowledged.add(policy_id)

    def _replace(self, member: Member, policy_id: str) -> None:
        note = f"then {self._number}"
        command = f'blockchain replace policy {policy_id} with {{"device": {{"note": "{note}"}}}}'
        known = self._policies[policy_id]
        if not self.master.alive:
            return
        if member is not self.master:
            # Silence says that the master has taken the message, and not what became of it.
            known.loose.add(note)
            self._tell(member, f"run client ({self.address}) {command}")
            return
        known.notes.add(note)
        if self._tell(member, command):
            known.notes = {note}

    # --------------------------------------------------------------- checks

    def log(self) -> Log:
        """Return the master's log, also of a dead master and without touching its files."""
        folder = self._work / "master" / "EdgeLake" / "data" / "dbms"
        if not self.master.alive:
            folder = self._copied(folder, "*.dbms*")
        return read_log(folder / "blockchain.dbms")

    def check_dead(self, member: Member) -> None:
        """Check what a dead node left, and what a node would make of it."""
        assert member.process is not None
        member.process.child.wait()
        log = self.log()
        current = {json.loads(line)["device"]["id"] for line in log.states[-1]}
        home = self._copied(self._work / member.name, "*")
        with Node(home) as node:
            ledger = node._parts.ledger
            policies, deletes = ledger.pending()
            shown = [policy.text for policy in ledger]
            # At most the tail that its last write left unfinished.
            assert len(ledger.damage) <= 1
            # A state of the master's history, and what is this node's own.
            assert ledger.master_hash() in log.hashes
        own = {policy.id for policy in policies}
        gone = {delete.id for delete in deletes}
        assert own <= member.inserted
        assert gone <= member.deleted
        for policy in policies:
            assert policy.body["note"].startswith("first ")
        for line in shown:
            body = json.loads(line)["device"]
            assert body["id"] not in gone
        # Nothing that was acknowledged is lost: it waits here, or the master has got it.
        lost = member.acknowledged - member.deleted - own - log.put
        assert not lost, f"{member.name} lost {lost}"
        assert not (member.deletes_acknowledged - gone) & current

    def converge(self) -> None:
        """Wait until all nodes have the same bytes, and check that they are the right ones."""
        files = [m.process.ledger for m in self.members.values() if m.process is not None]
        assert len(files) == 3

        lines: list[str] = []

        def settled() -> bool:
            lines[:] = self.log().states[-1]
            wanted = "".join(f"{line}\n" for line in lines).encode() or EMPTY_LEDGER
            return self._waiting() == 0 and {_bytes(path) for path in files} == {wanted}

        eventually(settled, "empty outboxes and equal ledgers", 60.0)
        found = {json.loads(line)["device"]["id"]: json.loads(line)["device"] for line in lines}
        for member in self.members.values():
            gone = {key for key in self._policies if self._gone(key)}
            lost = member.acknowledged - gone - found.keys()
            assert not lost, f"{member.name} lost {lost}"
            assert not member.deletes_acknowledged & found.keys()
        for policy_id, body in found.items():
            known = self._policies[policy_id]
            assert body["note"] in known.notes | known.loose
        two = self._work / "two" / "EdgeLake" / "data" / "dbms" / "blockchain.dbms"
        eventually(lambda: _table(two) == lines, "the follower's table")

    def _waiting(self) -> int:
        waiting = 0
        for member in self.followers:
            data = json.loads("\n".join(member.ask("get synchronizer where format = json")))
            waiting += data["pending_policies"] + data["pending_deletes"]
        return waiting

    def _copied(self, folder: Path, pattern: str) -> Path:
        """Return a copy of a dead node's files: looking at the files themselves may mend them."""
        self._looks += 1
        to = self._work / f"look-{self._looks}"
        if pattern == "*":
            shutil.copytree(folder, to)
        else:
            to.mkdir()
            for path in folder.glob(pattern):
                # The others' memory of the file is made anew.
                if not path.name.endswith("-shm"):
                    shutil.copy(path, to)
        return to


def _bytes(path: Path) -> bytes:
    return path.read_bytes() if path.exists() else EMPTY_LEDGER


def _table(path: Path) -> list[str]:
    with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as database:
        rows = database.execute("SELECT policy FROM ledger ORDER BY date, sequence_id").fetchall()
    return [policy for (policy,) in rows]


def free_port() -> int:
    """Return a port that nobody listens on, and that the system gives to nobody by itself."""
    chance = random.SystemRandom()
    while True:
        port = chance.randrange(20_000, 32_000)
        with socket.socket() as tried:
            try:
                tried.bind(("127.0.0.1", port))
            except OSError:
                continue
        return port
