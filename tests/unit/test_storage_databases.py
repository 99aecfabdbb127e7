"""The registry of databases, and SQLite underneath."""

from __future__ import annotations

import sqlite3
import subprocess
import sys
import threading
from contextlib import closing

import pytest

from edgelake import limits
from edgelake.errors import (
    DatabaseError,
    DatabaseTypeWrong,
    DatabaseUnknown,
    PolicyConflict,
    PolicyRowMissing,
    TableMissing,
    WrongValue,
)
from edgelake.interfaces import PolicyRow
from edgelake.storage import Databases, LedgerTable, SqliteDatabase

HOST = "192.0.2.2"


@pytest.fixture
def databases(tmp_path):
    found = Databases(tmp_path / "dbms")
    yield found
    found.close()


@pytest.fixture
def table(databases):
    found = LedgerTable(databases.connect("blockchain", "sqlite"))
    found.create()
    return found


def row(policy_id, text="{}"):
    return PolicyRow("device", policy_id, "2026-01-01", text, "acme", "active")


# ------------------------------------------------------------------ registry


def test_databases_are_files_of_their_name(databases, tmp_path):
    first = databases.connect("plant-1_a", "sqlite")
    assert (tmp_path / "dbms" / "plant-1_a.dbms").is_file()
    assert databases.get("plant-1_a") is first
    assert databases.connect("plant-1_a", "sqlite") is first
    databases.connect("almgm", "sqlite", memory=True)
    assert [(e.name, e.kind, e.storage) for e in databases.describe()] == [
        ("almgm", "sqlite", "MEMORY"),
        ("plant-1_a", "sqlite", str(tmp_path / "dbms" / "plant-1_a.dbms")),
    ]


@pytest.mark.parametrize(
    "name", ["", "../x", "a/b", "a b", ".x", "-x", "x" * 64, "a\n", "é", "a\0"]
)
def test_names_cannot_leave_the_folder(databases, tmp_path, name):
    with pytest.raises(WrongValue, match="is not a name of a database"):
        databases.connect(name, "sqlite")
    assert not (tmp_path / "dbms").exists()


def test_a_name_has_one_kind_of_connection(databases):
    with pytest.raises(DatabaseTypeWrong, match="of type 'mongo'"):
        databases.connect("x", "mongo")
    databases.connect("x", "sqlite", memory=True)
    with pytest.raises(DatabaseTypeWrong, match="connected already, as MEMORY"):
        databases.connect("x", "sqlite")


def test_unknown_names_are_refused_with_what_to_write(databases):
    for attempt in (databases.get, databases.disconnect):
        with pytest.raises(DatabaseUnknown, match="no database 'x'") as caught:
            attempt("x")
        assert caught.value.hint == "connect dbms x where type = sqlite"


def test_disconnecting_closes(databases, tmp_path):
    database = databases.connect("x", "sqlite")
    databases.disconnect("x")
    with pytest.raises(DatabaseError, match="'x' is closed"):
        database.query("SELECT 1")
    assert databases.describe() == []
    assert [p.name for p in (tmp_path / "dbms").iterdir()] == ["x.dbms"]
    database.close()


def test_a_file_that_is_no_database_is_an_error(databases, tmp_path):
    (tmp_path / "dbms").mkdir()
    (tmp_path / "dbms" / "x.dbms").write_bytes(b"no database at all " * 100)
    with pytest.raises(DatabaseError, match="cannot open database 'x'"):
        databases.connect("x", "sqlite")
    assert databases.describe() == []


def test_changes_are_on_the_disk_before_they_are_reported(databases):
    database = databases.connect("x", "sqlite")
    assert database.query("PRAGMA journal_mode") == [("wal",)]
    assert database.query("PRAGMA synchronous") == [(2,)]
    assert database.query("PRAGMA foreign_keys") == [(1,)]


# --------------------------------------------------------------- transactions


def test_a_transaction_is_whole_or_nothing(databases):
    database = databases.connect("x", "sqlite")
    database.execute("CREATE TABLE t (n integer)")

    def change_and_fail():
        with database.transaction():
            database.execute("INSERT INTO t VALUES (?)", (1,))
            raise KeyError

    with pytest.raises(KeyError):
        change_and_fail()
    assert database.query("SELECT * FROM t") == []
    with database.transaction():
        database.execute_many("INSERT INTO t VALUES (?)", [(1,), (2,)])
    assert database.query("SELECT * FROM t") == [(1,), (2,)]
    with (
        pytest.raises(DatabaseError, match="cannot be nested"),
        database.transaction(),
        database.transaction(),
    ):
        pass
    with database.transaction():
        database.execute("DELETE FROM t")


def test_other_threads_wait_for_a_transaction(databases):
    database = databases.connect("x", "sqlite", memory=True)
    database.execute("CREATE TABLE t (n integer)")
    seen: list[int] = []
    reader = threading.Thread(
        target=lambda: seen.append(database.query("SELECT count(*) FROM t")[0][0])
    )
    with database.transaction():
        database.execute("INSERT INTO t VALUES (1)")
        reader.start()
        database.execute("INSERT INTO t VALUES (2)")
    reader.join()
    assert seen == [2]


def test_errors_are_clear_and_show_no_statement(databases):
    database = databases.connect("x", "sqlite")
    with pytest.raises(DatabaseError) as caught:
        database.query("SELECT secret FROM nowhere")
    assert str(caught.value) == "database 'x': no such table: nowhere"
    with pytest.raises(DatabaseError, match="surrogate"):
        database.query("SELECT ?", ("\ud800",))


def test_a_lock_of_another_process_ends_in_an_error(table, databases, monkeypatch):
    path = databases.get("blockchain").path
    assert path is not None
    monkeypatch.setattr(limits, "SQLITE_BUSY_TIMEOUT_S", 0.05)
    with closing(SqliteDatabase("hasty", path)) as hasty, closing(sqlite3.connect(path)) as other:
        other.execute("BEGIN IMMEDIATE")
        impatient = LedgerTable(hasty)
        for change in (
            lambda: impatient.insert(row("a"), HOST),
            lambda: impatient.replace_all([row("a")], HOST),
        ):
            with pytest.raises(DatabaseError, match="locked by another process"):
                change()
        assert impatient.read() == []
        other.rollback()
        assert impatient.insert(row("a"), HOST)


# -------------------------------------------------------------- table ledger


def test_the_table_is_that_of_the_network(table, databases):
    database = databases.get("blockchain")
    columns = [(c[1], c[2], c[3], c[5]) for c in database.query("PRAGMA table_info(ledger)")]
    assert columns == [
        ("sequence_id", "INTEGER", 0, 1),
        ("policy_type", "varchar", 1, 0),
        ("policy_id", "varchar", 1, 0),
        ("company_name", "varchar", 0, 0),
        ("date", "timestamp", 1, 0),
        ("host", "varchar", 1, 0),
        ("status", "varchar", 0, 0),
        ("policy", "varchar", 0, 0),
    ]
    indexes = {name: unique for _, name, unique, *_ in database.query("PRAGMA index_list(ledger)")}
    assert indexes == {"hash_index": 1, "time_index": 0}
    assert database.query("PRAGMA index_info(hash_index)")[0][2] == "policy_id"
    assert database.query("PRAGMA index_info(time_index)")[0][2] == "date"


def test_a_row_fills_its_columns(table, databases):
    table.create()
    table.insert(row("a", '{"device": {}}'), HOST)
    assert databases.get("blockchain").query("SELECT * FROM ledger") == [
        (1, "device", "a", "acme", "2026-01-01", HOST, "active", '{"device": {}}')
    ]


def test_an_update_keeps_the_place_of_a_row(table, databases):
    for policy_id in ("a", "b"):
        table.insert(row(policy_id, policy_id), HOST)
    table.replace_all([row("b", "b"), row("a", "changed")], "198.51.100.9")
    assert table.read() == ["changed", "b"]
    hosts = databases.get("blockchain").query("SELECT policy_id, host FROM ledger")
    assert sorted(hosts) == [("a", "198.51.100.9"), ("b", HOST)]


def test_a_missing_table_is_named_with_what_to_write(databases):
    table = LedgerTable(databases.connect("blockchain", "sqlite"))
    assert not table.exists()
    for attempt in (
        table.require,
        table.read,
        lambda: table.insert(row("a"), HOST),
        lambda: table.delete(["a"]),
        lambda: table.replace_all([], HOST),
    ):
        with pytest.raises(TableMissing, match="'blockchain' has no table 'ledger'") as caught:
            attempt()
        assert caught.value.hint == "create table ledger where dbms = blockchain"
    table.create()
    assert table.exists()
    table.require()


def test_rows_of_other_nodes_without_a_policy_are_left_out(table, databases):
    table.insert(row("a", "kept"), HOST)
    databases.get("blockchain").execute(
        "INSERT INTO ledger (policy_type, policy_id, host) VALUES ('t', 'b', 'h')"
    )
    assert table.read() == ["kept"]


OTHER_PROCESS = """
import sys
from pathlib import Path
from edgelake.interfaces import PolicyRow
from edgelake.storage import LedgerTable, SqliteDatabase
database = SqliteDatabase("blockchain", Path(sys.argv[1]))
table = LedgerTable(database)
for line in sys.stdin:
    if line == "insert\\n":
        table.insert(PolicyRow("device", "other", "2026", "{}"), "127.0.0.1")
    elif line == "delete\\n":
        table.delete(["other"])
    elif line == "read\\n":
        table.read()
    elif line == "schema\\n":
        database.execute("CREATE INDEX more ON ledger (host)")
    print("done", flush=True)
database.close()
"""


def test_changes_of_another_process_are_noticed(table, databases):
    path = databases.get("blockchain").path
    with subprocess.Popen(
        [sys.executable, "-c", OTHER_PROCESS, path],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as other:
        assert other.stdin is not None
        assert other.stdout is not None
        versions = [table.version()]
        for command, changes in (
            ("insert", True),
            ("read", False),
            ("delete", True),
            ("schema", True),
            ("insert", True),
        ):
            other.stdin.write(f"{command}\n")
            other.stdin.flush()
            assert other.stdout.readline() == "done\n"
            version = table.version()
            assert (version not in versions) is changes
            versions.append(version)
        assert table.read() == ["{}"]


def test_a_version_is_never_that_of_an_earlier_connection(databases, table):
    seen = [table.version()]
    path = databases.get("blockchain").path
    for number in range(3):
        databases.disconnect("blockchain")
        with closing(sqlite3.connect(path)) as other, other:
            other.execute("UPDATE sqlite_sequence SET seq = ?", (number,))
        version = LedgerTable(databases.connect("blockchain", "sqlite")).version()
        assert version not in seen
        seen.append(version)


def test_a_table_that_is_dropped_and_made_again_is_another_version(databases, table):
    seen = [table.version()]
    databases.get("blockchain").execute("DROP TABLE ledger")
    seen.append(table.version())
    table.create()
    seen.append(table.version())
    assert len(set(seen)) == 3


def test_a_killed_writer_leaves_whole_changes(table, databases):
    path = databases.get("blockchain").path
    script = OTHER_PROCESS.split("for line")[0] + (
        "number = 0\n"
        "while True:\n"
        "    number += 1\n"
        "    rows = [PolicyRow('d', f'{n}', '2026', f'{number}') for n in range(50)]\n"
        "    table.replace_all(rows, 'h')\n"
        "    print(number, flush=True)\n"
    )
    for count in (1, 7, 13):
        with subprocess.Popen(
            [sys.executable, "-c", script, path], stdout=subprocess.PIPE, text=True
        ) as writer:
            assert writer.stdout is not None
            reported = [int(writer.stdout.readline()) for _ in range(count)][-1]
            writer.kill()
        found = table.read()
        assert len(found) == 50
        assert len(set(found)) == 1
        assert int(found[0]) >= reported
        assert databases.get("blockchain").query("PRAGMA integrity_check") == [("ok",)]


def test_errors_of_policies_change_nothing(table):
    table.insert(row("a"), HOST)
    version = table.version()
    with pytest.raises(PolicyConflict):
        table.insert(row("a"), HOST)
    with pytest.raises(PolicyRowMissing):
        table.delete(["nosuch"])
    assert table.version() == version
