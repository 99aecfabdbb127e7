"""The sequenced log: gap-free numbers, the same transaction, and what others did to the table."""

from __future__ import annotations

import contextlib
import json
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from edgelake import limits
from edgelake.errors import DatabaseError, PolicyConflict, PolicyRowMissing
from edgelake.interfaces import LogEntry, PolicyRow
from edgelake.services.master import MasterLedger, fault_of
from edgelake.storage import SequencedLedger, SqliteDatabase

HOST = "192.0.2.2"


def row(policy_id: str, date: str = "2026-01-01", note: object = 1) -> PolicyRow:
    text = json.dumps({"device": {"id": policy_id, "date": date, "note": note}})
    return PolicyRow("device", policy_id, date, text)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "blockchain.dbms"


@pytest.fixture
def log(path: Path) -> Iterator[SequencedLedger]:
    with opened(path) as found:
        found.create()
        yield found


@contextlib.contextmanager
def opened(path: Path) -> Iterator[SequencedLedger]:
    database = SqliteDatabase("blockchain", path)
    try:
        yield SequencedLedger(database, fault_of)
    finally:
        database.close()


def whole(log: SequencedLedger) -> list[LogEntry]:
    """Return all entries, by asking from the first one on."""
    rows = log._database.query(
        "SELECT seq, op, policy_id, after_id, policy, chain FROM ledger_log ORDER BY seq"
    )
    return [LogEntry(*found) for found in rows]


def replayed(entries: list[LogEntry]) -> list[str]:
    """Play entries in the plainest way there is; check numbers, chain and places."""
    order: list[str] = []
    texts: dict[str, str] = {}
    chain = "0" * 32
    for number, entry in enumerate(entries, 1):
        assert entry.seq == number
        chain = entry.chained(chain)
        assert chain == entry.chain
        if entry.policy_id in order:
            order.remove(entry.policy_id)
        else:
            assert entry.op == "put"
        if entry.op == "put":
            order.insert(order.index(entry.after_id) + 1 if entry.after_id else 0, entry.policy_id)
            texts[entry.policy_id] = entry.policy
    return [texts[policy_id] for policy_id in order]


def test_each_change_has_the_next_number(log: SequencedLedger):
    assert log.position().seq == 0
    log.insert(row("b", "2026-02"), HOST)
    log.insert(row("a", "2026-01"), HOST)
    log.replace(row("a", "2026-03"), HOST)
    log.delete(["b"])
    assert [(e.op, e.policy_id, e.after_id) for e in whole(log)] == [
        ("put", "b", ""),
        ("put", "a", ""),
        ("put", "a", "b"),
        ("del", "b", ""),
    ]
    assert replayed(whole(log)) == log.read() == list(log.read_at().lines)
    assert log.read_at().position == log.position()


def test_a_delete_removes_nothing_that_was_stored_after_what_it_knows(log: SequencedLedger):
    log.insert(row("a"), HOST)
    known = log.position()
    log.delete(["a"], (known.epoch, known.seq))
    log.insert(row("a"), HOST)
    log.insert(row("b"), HOST)
    for epoch, seq in ((known.epoch, known.seq), ("another", 4), (known.epoch, 99)):
        with pytest.raises(PolicyConflict, match="'a' was stored after"):
            log.delete(["a"], (epoch, seq))
    with pytest.raises(PolicyConflict, match="'b' was stored after"):
        log.delete(["a", "b"], (known.epoch, 3))
    assert [entry.op for entry in whole(log)] == ["put", "del", "put", "put"]
    log.delete(["a", "b"], (known.epoch, 4))
    assert log.read() == []


def test_a_delete_of_what_the_log_forgot_is_decided_by_what_it_knows(log, monkeypatch):
    monkeypatch.setattr(limits, "MAX_LEDGER_LOG_ENTRIES", 2)
    for name in "abcd":
        log.insert(row(name), HOST)
    epoch = log.position().epoch
    with pytest.raises(PolicyConflict):
        log.delete(["a"], (epoch, 1))
    log.delete(["a"], (epoch, 2))


def test_the_log_knows_what_was_stored_once(log: SequencedLedger):
    stored = row("a")
    log.insert(stored, HOST)
    assert log.held("a", stored.policy)
    assert not log.held("a", stored.policy + " ")
    assert not log.held("b", stored.policy)
    log.delete(["a"])
    assert log.held("a", stored.policy)


def test_what_is_refused_gets_no_number(log: SequencedLedger):
    log.insert(row("a"), HOST)
    before = log.position()
    with pytest.raises(PolicyConflict):
        log.insert(row("a", note=2), HOST)
    assert not log.insert(row("a", note=2), HOST, ignore=True)
    with pytest.raises(PolicyRowMissing):
        log.delete(["a", "nosuch"])
    with pytest.raises(PolicyRowMissing):
        log.delete(["x'or(1)or'"])
    with pytest.raises(PolicyRowMissing):
        log.replace(row("b"), HOST)
    assert log.position() == before
    assert log.read() == [row("a").policy]


def test_an_answer_goes_on_from_the_place_that_is_named(log: SequencedLedger, monkeypatch):
    places = [log.position()]
    for number in range(5):
        log.insert(row(f"p{number}"), HOST)
        places.append(log.position())

    def after(place, count=9, size=9999):
        found = log.entries(place.epoch, place.seq, place.chain, count=count, size_chars=size)
        return None if found is None else [entry.seq for entry in found]

    assert after(places[2]) == [3, 4, 5]
    assert after(places[2], count=2) == [3, 4]
    assert after(places[2], size=1) == [3]
    assert after(places[5]) == []
    assert after(places[0]) is None
    other = type(places[2])
    assert after(other("f" * 16, 2, places[2].chain)) is None
    assert after(other(places[2].epoch, 2, places[3].chain)) is None
    assert after(other(places[2].epoch, 6, places[5].chain)) is None
    monkeypatch.setattr(limits, "MAX_LEDGER_LOG_ENTRIES", 3)
    log.insert(row("p5"), HOST)
    assert after(places[2]) is None
    assert after(places[4]) == [5, 6]


def test_a_table_that_another_program_filled_and_changed_comes_into_the_log(path: Path):
    with opened(path) as log:
        log.create()
    other = sqlite3.connect(path)
    insert = (
        "INSERT INTO ledger (policy_type, policy_id, date, host, policy)"
        " VALUES ('device', ?, ?, 'h', ?)"
    )

    def put(found: PolicyRow) -> None:
        with other:
            other.execute(insert, (found.policy_id, found.date, found.policy))

    for found in (row("c", "2026-03"), row("a", "2026-01"), row("b", "2026-02")):
        put(found)
    with opened(path) as log:
        assert [(e.policy_id, e.after_id) for e in _looked(log)] == [
            ("a", ""),
            ("b", "a"),
            ("c", "b"),
        ]
        first = log.position()
        with other:
            other.execute("DELETE FROM ledger WHERE policy_id = 'b'")
            changed = row("a", "2026-04")
            other.execute(
                "UPDATE ledger SET date = ?, policy = ? WHERE policy_id = 'a'",
                (changed.date, changed.policy),
            )
        put(row("d", "2026-02"))
        put(PolicyRow("device", "bad", "2026-01", "no policy"))
        put(PolicyRow("device", "other", "2026-01", row("another").policy))
        # A change of ours comes behind theirs.
        log.insert(row("e", "2026-00"), HOST)
        assert log.position().seq == first.seq + 4
        assert whole(log)[-1].policy_id == "e"
        found = log.read_at()
        assert replayed(whole(log)) == list(found.lines)
        assert len(found.faults) == 2
        before = whole(log)
    other.close()
    with opened(path) as log:
        assert _looked(log) == before


def _looked(log: SequencedLedger) -> list[LogEntry]:
    log.position()
    return whole(log)


def test_a_database_made_anew_has_another_epoch(tmp_path: Path):
    epochs = set()
    for name in ("one", "two"):
        with opened(tmp_path / name) as log:
            log.create()
            epochs.add(log.position().epoch)
    assert len(epochs) == 2


def test_a_busy_database_can_be_read_without_a_place(path: Path, log, monkeypatch):
    log.insert(row("a"), HOST)
    other = sqlite3.connect(path, isolation_level=None)
    other.execute("UPDATE ledger SET host = 'x'")
    other.execute("BEGIN IMMEDIATE")
    monkeypatch.setattr(limits, "SQLITE_BUSY_TIMEOUT_S", 0.2)
    master = MasterLedger(log)
    position, snapshot = master.sequenced()
    assert position is None
    assert snapshot.count == 1
    with pytest.raises(DatabaseError):
        log.insert(row("b"), HOST)
    other.execute("ROLLBACK")
    other.close()
    deadline = time.monotonic() + 15
    while master.sequenced()[0] is None:
        assert time.monotonic() < deadline
    assert master.sequenced()[0] == log.position()


CHANGES = st.lists(
    st.tuples(
        st.sampled_from(["insert", "delete", "replace", "others put", "others drop", "all"]),
        st.sampled_from("abcd"),
        st.sampled_from(["2025", "2026", "", "x"]),
        st.integers(0, 3),
    ),
    max_size=25,
)


@given(changes=CHANGES)
@settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
def test_the_log_replayed_is_the_table(tmp_path_factory, changes):
    path = tmp_path_factory.mktemp("log") / "blockchain.dbms"
    with opened(path) as log, contextlib.closing(sqlite3.connect(path)) as other:
        log.create()
        for kind, policy_id, date, note in changes:
            made = row(policy_id, date, note)
            with contextlib.suppress(PolicyRowMissing):
                if kind == "insert":
                    log.insert(made, HOST, ignore=True)
                elif kind == "delete":
                    log.delete([policy_id])
                elif kind == "replace":
                    log.replace(made, HOST)
                elif kind == "all":
                    log.replace_all([made], HOST)
                else:
                    with other:
                        other.execute("DELETE FROM ledger WHERE policy_id = ?", (policy_id,))
                        if kind == "others put":
                            other.execute(
                                "INSERT INTO ledger (policy_type, policy_id, date, host, policy)"
                                " VALUES ('device', ?, ?, 'h', ?)",
                                (policy_id, date, made.policy),
                            )
        log.position()
        assert replayed(whole(log)) == log.read()


WRITER = """
import sys
from edgelake.services.master import fault_of
from edgelake.storage import SqliteDatabase, SequencedLedger
from tests.unit.test_storage_ledger_log import row
from pathlib import Path
log = SequencedLedger(SqliteDatabase("blockchain", Path(sys.argv[1])), fault_of)
log.create()
at = int(sys.argv[2])
while True:
    at += 1
    log.insert(row(f"p{at}"), "h")
    if at % 3 == 0:
        log.delete([f"p{at - 1}"])
    print(at, flush=True)
"""


def test_a_killed_master_keeps_every_change_with_its_number(path: Path):
    acknowledged: set[int] = set()
    for round_ in range(6):
        start = 3000 * round_
        process = subprocess.Popen(
            [sys.executable, "-c", WRITER, str(path), str(start)],
            stdout=subprocess.PIPE,
            text=True,
            cwd=Path(__file__).parents[2],
        )
        assert process.stdout is not None
        for _ in range(5 + 7 * round_):
            acknowledged.add(int(process.stdout.readline()))
        process.send_signal(signal.SIGKILL)
        acknowledged.update(int(line) for line in process.stdout.read().split())
        process.wait()
        process.stdout.close()
        with opened(path) as log:
            entries = _looked(log)
            assert replayed(entries) == log.read()
            ids = {entry.policy_id for entry in entries if entry.op == "put"}
            assert {f"p{number}" for number in acknowledged} <= ids
