"""Existing nodes that share a ledger: a follower and a master, played from the specification.

They keep to what existing nodes do, faults included: the follower marks its own policies
as global before the master has them, and takes an empty ledger; the master acknowledges nothing,
lets a worker sleep on a repeated poll, and now and then sends half a ledger, or an empty one.
"""

from __future__ import annotations

import hashlib
import json
import threading
from collections.abc import Callable
from typing import Any

from tests.old_node import BLOCK, PATIENCE_S, OldNode

LEDGER = 2


def md5(data: bytes) -> str:
    """Return the hash by which nodes compare ledgers."""
    return hashlib.md5(data).hexdigest()


def body_of(line: str) -> dict[str, Any]:
    """Return what the policy of a line says."""
    (body,) = json.loads(line).values()
    assert isinstance(body, dict)
    return body


def with_ledger(line: str, kept: str) -> str:
    """Return a line with another mark of where it is kept."""
    policy = json.loads(line)
    next(iter(policy.values()))["ledger"] = kept
    return json.dumps(policy)


class OldFollower(OldNode):
    """Polls a master and merges what comes.

    Parameters
    ----------
    master : str
    pause_s : float
        Between two polls.
    knows_hash : bool
        Sends the hash of its ledger; else always ``0``, as with ``dest = file``.
    """

    def __init__(self, master: str, pause_s: float = 0.05, *, knows_hash: bool = False) -> None:
        super().__init__()
        self.master = master
        self.lines: list[str] = []
        self.deleted: set[str] = set()
        self.received: list[bytes] = []
        self.refused = 0
        self._hash = "0"
        self._knows_hash = knows_hash
        self._merging = threading.Lock()
        self._pause_s = pause_s
        self._ended = threading.Event()
        self._poller = threading.Thread(target=self._poll, name="old-sync", daemon=True)

    def start(self) -> None:
        """Begin to poll."""
        self._poller.start()

    def close(self) -> None:
        """Stop polling, and everything else."""
        self._ended.set()
        if self._poller.is_alive():
            self._poller.join(PATIENCE_S)
        super().close()

    def poll(self) -> None:
        """Ask the master once."""
        known = self._hash if self._knows_hash else "0"
        command = f"event get_blockchain /old/{self.port}/blockchain.new {known} 0"
        self.say(bytearray(BLOCK), self.master, command)

    def insert(self, policy: dict[str, Any]) -> None:
        """Insert with ``local = true`` and a master: one push, and the merge after it."""
        line = json.dumps(policy)
        with self._merging:
            self.lines.append(with_ledger(line, "local"))
        self._push("push", line)

    def delete(self, policy_id: str) -> None:
        """Delete here, and tell the master once."""
        with self._merging:
            self.lines = [line for line in self.lines if body_of(line)["id"] != policy_id]
            self.deleted.add(policy_id)
        drop = f"blockchain drop policy where id = {policy_id}"
        self.say(bytearray(BLOCK), self.master, drop)

    def content(self) -> bytes:
        """Return its ledger file."""
        with self._merging:
            return "".join(f"{line}\n" for line in self.lines).encode() or b"\n"

    def _poll(self) -> None:
        while not self._ended.wait(self._pause_s):
            self.poll()

    def _push(self, verb: str, line: str) -> None:
        command = f"blockchain {verb} {with_ledger(line, 'global')}"
        self.say(bytearray(BLOCK), self.master, command)

    def _store(self, name: str, flag: int, data: bytes) -> None:
        if flag != LEDGER:
            super()._store(name, flag, data)
            return
        with self._merging:
            self.received.append(data)
            try:
                lines = [line for line in data.decode().split("\n") if line]
                ids = {body_of(line)["id"] for line in lines}
            except ValueError:
                self.refused += 1
                return
            own = [x for x in self.lines if body_of(x).get("ledger") == "local"]
            own = [x for x in own if body_of(x)["id"] not in ids]
            drops = self.deleted & ids
            self.deleted &= ids
            kept = [line for line in lines if body_of(line)["id"] not in drops]
            self.lines = kept + [with_ledger(line, "global") for line in own]
            self._hash = "0" if own or drops else md5(data)
        for line in own:
            self._push("push\tignore", line)
        for policy_id in sorted(drops):
            drop = f"blockchain drop policy where id = {policy_id}"
            self.say(bytearray(BLOCK), self.master, drop)


class OldMaster(OldNode):
    """Keeps the ledger of a network.

    Parameters
    ----------
    sleep_s : float
        How long a worker sleeps when the same asker polls for the same ledger again;
        5 s on existing nodes.
    spoil : callable or None
        Returns what is sent in the place of a ledger, by the number of the transfer.
    """

    def __init__(
        self, sleep_s: float = 0.05, spoil: Callable[[bytes, int], bytes] | None = None
    ) -> None:
        super().__init__()
        self.rows: dict[str, str] = {}
        self.polls = 0
        self._sleep_s = sleep_s
        self._spoil = spoil
        self._served: set[tuple[str, str]] = set()
        self._table = threading.Lock()
        self._woken = threading.Event()

    def close(self) -> None:
        """Stop; nobody sleeps any longer."""
        self._woken.set()
        super().close()

    def content(self) -> bytes:
        """Return the ledger file."""
        with self._table:
            rows = sorted(self.rows.values(), key=lambda line: str(body_of(line).get("date")))
        return "".join(f"{line}\n" for line in rows).encode() or b"\n"

    def _change(self, buffer: bytearray, asker: str, command: str) -> None:
        super()._change(buffer, asker, command)
        words = command.replace("\t", " ").split(" ")
        if words[1] == "push":
            try:
                line = command[command.index("{") :].replace("|", '"')
                policy_id = body_of(line)["id"]
            except (ValueError, KeyError):
                self._send(buffer, asker, "echo Blockchain message 'push' failed", error=6)
                return
            with self._table:
                known = policy_id in self.rows
                self.rows.setdefault(policy_id, line)
            if known and words[2] != "ignore":
                self._send(buffer, asker, "echo Blockchain message 'push' failed", error=30)
        elif words[1:3] == ["drop", "policy"]:
            with self._table:
                found = self.rows.pop(words[6], None)
            if found is None:
                self._send(buffer, asker, "echo Blockchain message 'drop' failed", error=101)

    def _serve_ledger(self, buffer: bytearray, asker: str, words: list[str]) -> None:
        self.polls += 1
        content = self.content()
        if (asker, md5(content)) in self._served:
            self._woken.wait(self._sleep_s)
        self._served.add((asker, md5(content)))
        spoil = self._spoil
        self.ledger = content if spoil is None else spoil(content, self.polls)
        super()._serve_ledger(buffer, asker, words)
