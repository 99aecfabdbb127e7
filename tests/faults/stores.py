"""Ledgers in processes that die: a parent that has everything loaded forks a child a history.

Run as a program it takes requests, a JSON object a line on standard input, and answers each
with one on standard output; `Stores` is the other side. The history of a seed is the same each
time: its change ``n`` depends on the seed, on ``n`` and on the ledger before it alone.
"""

from __future__ import annotations

import hashlib
import json
import os
import random
import select
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, Protocol

from edgelake.errors import EdgeLakeError
from edgelake.interfaces import LogEntry, PolicyRow
from edgelake.ledger import LocalLedger, parse_policy
from edgelake.services.master import fault_of
from edgelake.storage import LedgerFile, SequencedLedger, SqliteDatabase
from edgelake.storage.atomic import is_temporary, remove_stale_temporaries

MASTER = "10.0.0.7:32048"
MANY = 12
"""Policies of a ledger, from which on a history deletes more than it inserts."""


class History(Protocol):
    """A ledger that is opened, and the changes that are made to it."""

    def change(self, number: int) -> None:
        """Make one change."""

    def state(self) -> dict[str, Any]:
        """Return all that can be seen of the ledger."""


class LocalHistory:
    """A follower's ledger: changes made here, and those of a master."""

    def __init__(self, folder: Path, seed: int) -> None:
        self._seed = seed
        self._ledger = LocalLedger(LedgerFile(folder / "blockchain" / "blockchain.json"))
        with suppress(FileNotFoundError):
            remove_stale_temporaries(folder / "blockchain")

    def change(self, number: int) -> None:
        """Insert, delete, or take over what a master has."""
        chance = random.Random(f"{self._seed} {number}")
        ledger = self._ledger
        seen = [policy.id for policy in ledger]
        _, deletes = ledger.pending()
        weights = (6, 2, 6 if len(seen) > MANY else 1, 6, 1, 2)
        for kind in _shuffled(chance, ("in", "here", "out", "apply", "adopt", "end"), weights):
            if kind == "in":
                ledger.insert_local(parse_policy(_line(f"n{number}", "local", number)))
            elif kind in ("here", "out") and seen:
                ledger.delete_local(chance.choice(seen), MASTER if kind == "out" else None)
            elif kind == "apply" and ledger.master_hash() != "0":
                entries = self._entries(chance, number)
                dropped = [m.id for m in deletes if chance.random() < 0.5]
                ledger.apply(ledger.master_hash(), entries, dropped=dropped, stored=())
            elif kind == "adopt":
                lines = [policy.text for policy in self._master() if chance.random() < 0.8]
                lines.append(_line(f"a{number}", "global", number))
                ledger.adopt("".join(line + "\n" for line in lines).encode())
            elif kind == "end" and deletes:
                ledger.finish_delete(chance.choice(deletes).id)
            else:
                continue
            return

    def state(self) -> dict[str, Any]:
        """Return what commands see, what waits, and what a master would be asked with."""
        policies, deletes = self._ledger.pending()
        return {
            "policies": [policy.text for policy in self._ledger],
            "pending": [policy.text for policy in policies],
            "deletes": [[marker.id, marker.master] for marker in deletes],
            "hash": self._ledger.master_hash(),
        }

    def _master(self) -> list[Any]:
        local = {policy.id for policy in self._ledger.pending()[0]}
        return [policy for policy in self._ledger if policy.id not in local]

    def _entries(self, chance: random.Random, number: int) -> list[LogEntry]:
        """Return what a master may have done next."""
        shown = self._master()
        hidden = {marker.id for marker in self._ledger.pending()[1]}
        local = [policy.id for policy in self._ledger.pending()[0]]
        new = chance.choice([*local, f"m{number}"])
        last = shown[-1].id if shown else ""
        if hidden:
            # Where the hidden ones stand is not seen from here.
            last = ""
        entries = [LogEntry(1, "put", new, last, _line(new, "global", number))]
        if shown and chance.random() < 0.6:
            entries.append(LogEntry(2, "del", chance.choice(shown).id, "", ""))
        return entries


class LogHistory:
    """A master's table and log: inserts, replacements and deletes."""

    def __init__(self, folder: Path, seed: int) -> None:
        self._seed = seed
        self._database = SqliteDatabase("blockchain", folder / "dbms" / "blockchain.dbms")
        self._log = SequencedLedger(self._database, fault_of)
        self._log.create()

    def change(self, number: int) -> None:
        """Make one transaction."""
        chance = random.Random(f"{self._seed} {number}")
        ids = [json.loads(line)["device"]["id"] for line in self._log.read_at().lines]
        weights = (6, 3, 8 if len(ids) > MANY else 1)
        for kind in _shuffled(chance, ("insert", "replace", "delete"), weights):
            if kind == "insert":
                self._log.insert(_row(f"n{number}", number), "192.0.2.1")
            elif ids and kind == "replace":
                self._log.replace(_row(chance.choice(ids), number), "192.0.2.1")
            elif ids and kind == "delete":
                self._log.delete(chance.sample(ids, min(len(ids), chance.randrange(1, 4))))
            else:
                continue
            return

    def state(self) -> dict[str, Any]:
        """Return the rows and the whole log."""
        read = self._log.read_at()
        assert read.position is not None
        entries = self._database.query(
            "SELECT seq, op, policy_id, after_id, policy, chain FROM ledger_log ORDER BY seq"
        )
        assert self._database.query("PRAGMA integrity_check") == [("ok",)]
        return {
            "policies": list(read.lines),
            "faults": list(read.faults),
            "place": [read.position.seq, read.position.chain],
            "log": [list(entry) for entry in entries],
        }


_HISTORIES = {"local": LocalHistory, "log": LogHistory}


def _shuffled(chance: random.Random, kinds: tuple[str, ...], weights: tuple[int, ...]) -> list[str]:
    """Return all kinds, the more likely ones mostly first."""
    order = [
        (chance.random() ** (1 / weight), kind) for kind, weight in zip(kinds, weights, strict=True)
    ]
    return [kind for _, kind in sorted(order, reverse=True)]


def _line(policy_id: str, ledger: str, number: int) -> str:
    body = {"id": policy_id, "date": f"2026-01-01T00:00:{number % 60:02d}", "ledger": ledger}
    return json.dumps({"device": {**body, "note": f"{number} " * (number % 40)}})


def _row(policy_id: str, number: int) -> PolicyRow:
    date = f"2026-01-01T00:{number // 60 % 60:02d}:{number % 60:02d}"
    body = {"id": policy_id, "date": date, "note": f"{number} " * (number % 40)}
    return PolicyRow("device", policy_id, date, json.dumps({"device": body}))


# ------------------------------------------------------------------ this side


class Stores:
    """The program, and what it is asked for.

    Parameters
    ----------
    env : mapping
        Of `Faults.env`.
    """

    def __init__(self, env: Mapping[str, str]) -> None:
        self._child = subprocess.Popen(
            [sys.executable, "-m", "tests.faults.stores"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env={**os.environ, **env},
            text=True,
        )

    def run(self, kind: str, folder: Path, seed: int, first: int, last: int, **more: Any) -> Any:
        """Open a ledger, make the changes of a history from ``first`` to ``last``, and die.

        Returns
        -------
        dict
            ``done``: how many changes were acknowledged. ``signal``: what ended the
            process, 0 if nothing did. ``error``: the message of the change that failed.
            ``states``: hashes of the states from before the first change on, if ``states``
            is given as true.

        Other Parameters
        ----------------
        kill_s : float
            Kill the process so long after it was forked.
        """
        return self._ask(kind=kind, folder=str(folder), seed=seed, first=first, last=last, **more)

    def state(self, kind: str, folder: Path) -> Any:
        """Open a ledger, and return its `History.state`."""
        return self._ask(kind=kind, folder=str(folder), seed=0, first=0, last=0, look=True)["look"]

    def close(self) -> None:
        """End the program."""
        self._child.communicate(timeout=20)

    def _ask(self, **request: Any) -> Any:
        assert self._child.stdin is not None
        assert self._child.stdout is not None
        self._child.stdin.write(json.dumps(request) + "\n")
        self._child.stdin.flush()
        return json.loads(self._child.stdout.readline())


def digest(state: Any) -> str:
    """Return a short text that differs for another state."""
    return hashlib.sha256(json.dumps(state).encode()).hexdigest()[:16]


# ---------------------------------------------------------------- that side


def _serve() -> None:
    for line in sys.stdin:
        request = json.loads(line)
        reading, writing = os.pipe()
        child = os.fork()
        if not child:
            os.close(reading)
            status = 1
            try:
                _live(request, writing)
                status = 0
            finally:
                os._exit(status)
        os.close(writing)
        print(json.dumps(_watched(child, reading, request.get("kill_s"))), flush=True)


def _live(request: Mapping[str, Any], told: int) -> None:
    """Make changes; tell of each when it is made."""

    def tell(key: str, value: Any) -> None:
        os.write(told, (json.dumps([key, value]) + "\n").encode())

    try:
        history: History = _HISTORIES[request["kind"]](Path(request["folder"]), request["seed"])
        if request.get("states"):
            tell("state", digest(history.state()))
        for number in range(request["first"], request["last"]):
            history.change(number)
            tell("done", number)
            if request.get("states"):
                tell("state", digest(history.state()))
        if request.get("look"):
            tell("look", history.state())
    except EdgeLakeError as exc:
        tell("error", str(exc))


def _watched(child: int, reading: int, kill_s: float | None) -> dict[str, Any]:
    """Read what a child tells until it ends; maybe end it."""
    end = None if kill_s is None else time.monotonic() + kill_s
    told = b""
    while True:
        left = None if end is None else max(0.0, end - time.monotonic())
        if not select.select([reading], [], [], left)[0]:
            os.kill(child, signal.SIGKILL)
            end = None
            continue
        part = os.read(reading, 65_536)
        if not part:
            break
        told += part
    os.close(reading)
    status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    found: dict[str, Any] = {"done": 0, "states": [], "error": "", "look": None}
    for line in told.splitlines():
        key, value = json.loads(line)
        if key == "done":
            found["done"] += 1
        elif key == "state":
            found["states"].append(value)
        else:
            found[key] = value
    assert status <= 0, "a child failed, see standard error"
    return {**found, "signal": -status}


def left_over(folder: Path) -> list[str]:
    """Return the temporary files below a folder."""
    return [path.name for path in folder.rglob("*") if is_temporary(path.name)]


if __name__ == "__main__":
    _serve()
