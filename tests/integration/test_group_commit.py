"""Many clients insert at once: one commit for all that wait, and a true word to each."""

from __future__ import annotations

import json
import sqlite3
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

from bench.insert_load import insert_rate
from edgelake import Client, Node, limits
from edgelake.errors import DatabaseError, EdgeLakeError, Overloaded, PolicyNotUnique
from edgelake.ledger import parse_policy
from edgelake.services.master import MasterLedger, fault_of
from edgelake.storage import Database, PostgresDatabase, SequencedLedger, SqliteDatabase
from edgelake.wire import Endpoint
from tests.asking import Asker, device
from tests.waiting import eventually

from .test_ledger_log import listen, make_master

HOST = "192.0.2.7"


@pytest.fixture
def master(tmp_path: Path) -> Iterator[tuple[Node, str]]:
    node, address = make_master(tmp_path / "master")
    with node:
        yield node, address


@pytest.fixture
def asker(master, tmp_path: Path) -> Iterator[Asker]:
    with Node(tmp_path / "asker") as node:
        listen(node)
        asker = Asker(node, master[1])
        yield asker
        asker.close()


@contextmanager
def locked(node: Node) -> Iterator[sqlite3.Connection]:
    """Hold the lock of a master's file, as another program does."""
    path = node._parts.databases.get("blockchain").path
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("BEGIN EXCLUSIVE")
        yield other


def written(node: Node) -> list[tuple[int, str, str]]:
    """Return number, kind and id of each entry of the log, as another program sees them."""
    path = node._parts.databases.get("blockchain").path
    with closing(sqlite3.connect(path)) as other:
        if not other.execute("SELECT 1 FROM sqlite_master WHERE name = 'ledger_log'").fetchall():
            return []
        return other.execute("SELECT seq, op, policy_id FROM ledger_log ORDER BY seq").fetchall()


class Commits:
    """Counts the transactions of a database that stored something."""

    def __init__(self, database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
        self.sizes: list[int] = []
        begin, execute = database.transaction, database.execute
        inserted = 0

        def counting(sql, values=()):
            nonlocal inserted
            inserted += sql.startswith("INSERT INTO ledger_log")
            return execute(sql, values)

        @contextmanager
        def transaction(wait_s=None):
            nonlocal inserted
            with begin(wait_s):
                inserted = 0
                yield
            if inserted:
                self.sizes.append(inserted)

        monkeypatch.setattr(database, "transaction", transaction)
        monkeypatch.setattr(database, "execute", counting)


class TestMessages:
    def test_ten_clients_share_commits_and_each_is_told_its_own_number(
        self, master, tmp_path, monkeypatch
    ):
        node, address = master
        commits = Commits(node._parts.databases.get("blockchain"), monkeypatch)
        clients = [Node(tmp_path / f"client{n}") for n in range(10)]
        try:
            for client in clients:
                listen(client)
            askers = [Asker(client, address) for client in clients]
            with locked(node):
                jobs = [
                    asker.send(f"blockchain push confirm {device(f'c{n}-{i}')}")
                    for i in range(20)
                    for n, asker in enumerate(askers)
                ]
                eventually(lambda: _waiting(node) == 200, "all of them in the queue")
            answers = [askers[0].answer(job).text.split() for job in jobs]
        finally:
            for client in clients:
                client.close()
        assert all(answer[0] == "stored" for answer in answers)
        log = {policy_id: number for number, _, policy_id in written(node)}
        assert sorted(log.values()) == list(range(1, 201))
        assert {answer[4]: int(answer[1]) for answer in answers} == log
        # One that came first, and the others together.
        assert len(commits.sizes) <= 3
        assert max(commits.sizes) >= 150

    def test_who_inserts_is_answered_before_others_are_told(self, master):
        node, address = master
        answered = threading.Event()
        fences: list[bool] = []
        told: list[bool] = []
        ledger = node._parts.master_ledger()
        # Nobody may be told any more that nothing changed, once it is acknowledged.
        ledger.fence(lambda: fences.append(answered.is_set()))
        ledger.watch(lambda: told.append(answered.wait(10)))
        with Client(address) as client:
            answer = client.request(f"blockchain push confirm {device('a')}")
            assert answer.startswith("stored 1 ")
            answered.set()
        eventually(lambda: len(told) == 1, "the others are told")
        assert (fences, told) == ([False], [True])

    def test_clients_that_only_wait_for_acknowledgements(self, master):
        node, address = master
        host, _, port = address.rpartition(":")
        found = insert_rate(Endpoint(host, int(port)), clients=10, policies=25, window=5)
        assert (found.acknowledged, found.refused) == (250, 0)
        assert [number for number, _, _ in written(node)] == list(range(1, 251))

    def test_a_refused_change_does_not_harm_its_neighbours(self, master, asker):
        node, _ = master
        node.run(f"blockchain push {device('known', kind='first')}")
        cluster = {"cluster": {"name": "c", "company": "x", "id": "the cluster", "date": "2026"}}
        operator = {"company": "x", "name": "o", "ip": "10.0.0.1", "port": 7, "cluster": "x"}

        def member(name: str, port: int, cluster: str) -> str:
            body = {**operator, "name": name, "id": name, "port": port, "cluster": cluster}
            return json.dumps({"operator": body})

        wanted = [
            (f"push confirm {device('a')}", 0),
            (f"push confirm {device('known', kind='other')}", 30),
            (f"push confirm {json.dumps(cluster)}", 0),
            (f"push confirm {member('o1', 7, 'the cluster')}", 0),
            (f"push confirm {member('o2', 7, 'the cluster')}", 180),
            (f"push confirm {member('o3', 8, 'another cluster')}", 113),
            ("drop policy where id = nobody", 101),
            ('drop confirm {"id": "a"}', 0),
            (f"push confirm {device('a', kind='again')}", 0),
            (f"replace policy known with {device('known', kind='new')}", None),
            (f"push confirm {device('b')}", 0),
        ]
        with locked(node):
            jobs = []
            for number, (command, _) in enumerate(wanted):
                jobs.append(asker.send(f"blockchain {command}"))
                eventually(lambda n=number: _waiting(node) == n + 1, "its turn")
        for job, (command, code) in zip(jobs, wanted, strict=True):
            if code is not None:
                assert asker.answer(job).error == code, command
        assert [entry[1:] for entry in written(node)] == [
            ("put", "known"),
            ("put", "a"),
            ("put", "the cluster"),
            ("put", "o1"),
            ("del", "a"),
            ("put", "a"),
            ("put", "known"),
            ("put", "b"),
        ]
        assert [entry[0] for entry in written(node)] == list(range(1, 9))

    def test_changes_that_wait_hold_no_thread(self, master, asker):
        node, _ = master
        node.run(f"blockchain push {device('before')}")
        with locked(node):
            pushes = [asker.send(f"blockchain push confirm {device(f'p{n}')}") for n in range(50)]
            eventually(lambda: _waiting(node) == 50, "all of them in the queue")
            for _ in range(10):
                answer = asker.ask("get status")
                assert "running" in answer.text
            # Followers are answered too: with what is stored.
            assert '"kind":"ledger"' in asker.ask("event get_ledger_after 0 0 0 0 any").text
            assert not any(push.answers for push in pushes)
        assert all(asker.answer(push).text.startswith("stored ") for push in pushes)

    def test_who_sends_more_than_may_wait_is_told_to_come_again(self, master, asker, monkeypatch):
        node, _ = master
        monkeypatch.setattr(limits, "MAX_WAITING_LEDGER_CHANGES", 4)
        with locked(node):
            first = asker.send(f"blockchain push confirm {device('first')}")
            kept = [asker.send(f"blockchain push confirm {device(f'p{n}')}") for n in range(3)]
            eventually(lambda: _waiting(node) == 4, "a full queue")
            answer = asker.ask(f"blockchain push confirm {device('late')}")
            assert answer.error == Overloaded.code
            assert "4 changes" in answer.text
        assert all(asker.answer(job).error == 0 for job in [first, *kept])
        assert asker.ask(f"blockchain push confirm {device('late')}").error == 0
        assert len(written(node)) == 5

    def test_a_busy_database_refuses_all_and_stores_nothing(self, master, asker, monkeypatch):
        node, _ = master
        monkeypatch.setattr(limits, "SQLITE_BUSY_TIMEOUT_S", 0.3)
        with locked(node):
            jobs = [asker.send(f"blockchain push confirm {device(f'p{n}')}") for n in range(5)]
            answers = [asker.answer(job) for job in jobs]
            assert {answer.error for answer in answers} == {DatabaseError.code}
            assert "locked by another process" in answers[0].text
        assert written(node) == []
        assert asker.ask(f"blockchain push confirm {device('p0')}").text.startswith("stored 1 ")


def _waiting(node: Node) -> int:
    return node._parts.master_ledger().waiting


# ------------------------------------------------------------- each database


@pytest.fixture(params=["sqlite", "postgres"])
def ledger(request, tmp_path: Path) -> Iterator[MasterLedger]:
    database: Database
    if request.param == "postgres":
        server = request.getfixturevalue("postgres")
        database = PostgresDatabase("grouped", server.server())
    else:
        database = SqliteDatabase("blockchain", tmp_path / "blockchain.dbms")
    rows = SequencedLedger(database, fault_of)
    rows.create()
    yield MasterLedger(rows)
    database.close()
    if request.param == "postgres":
        server.drop("grouped")


@contextmanager
def gathered(ledger: MasterLedger) -> Iterator[None]:
    """Let changes gather, as while a commit takes long, and store them as one group."""
    ready, go = threading.Event(), threading.Event()

    def hold() -> None:
        with ledger.rows._turn:
            ready.set()
            go.wait(15)

    holder = threading.Thread(target=hold)
    holder.start()
    ready.wait(15)
    first = ledger.push_later(parse_policy(device("first")), HOST)
    eventually(lambda: not ledger._writer._queue._waiting, "somebody who stores")
    try:
        yield
    finally:
        go.set()
        holder.join()
    outcome(first)


def outcome(done) -> object:
    try:
        return done.result(15)
    except EdgeLakeError as exc:
        return exc


class TestDatabases:
    def test_numbers_have_no_gaps_and_are_in_order(self, ledger):
        with gathered(ledger):
            pushed = [ledger.push_later(parse_policy(device(f"p{n}")), HOST) for n in range(20)]
            pushed.insert(10, ledger.push_later(parse_policy(device("p3", kind="other")), HOST))
        found = [outcome(done) for done in pushed]
        assert isinstance(found.pop(10), EdgeLakeError)
        assert [stored.place.seq for stored in found] == list(range(2, 22))
        entries = ledger.rows.changes(found[0].place)
        assert entries is not None
        assert [entry.policy_id for entry in entries] == [f"p{n}" for n in range(1, 20)]
        assert ledger.snapshot().count == 21
        assert ledger.position() == found[-1].place

    def test_groups_are_bounded(self, ledger, monkeypatch):
        commits = Commits(ledger.rows._database, monkeypatch)
        monkeypatch.setattr(limits, "MAX_LEDGER_GROUP", 4)
        with gathered(ledger):
            done = [ledger.push_later(parse_policy(device(f"p{n}")), HOST) for n in range(9)]
        for change in done:
            change.result(15)
        assert commits.sizes == [1, 4, 4, 1]
        monkeypatch.setattr(limits, "MAX_LEDGER_GROUP", 100)
        line = len(device("q1"))
        monkeypatch.setattr(limits, "MAX_LEDGER_GROUP_CHARS", 2 * line)
        commits.sizes.clear()
        ledger.drop(["first"])
        with gathered(ledger):
            done = [ledger.push_later(parse_policy(device(f"q{n}")), HOST) for n in range(4)]
            done.append(ledger.push_later(parse_policy(device("q", note="x" * line)), HOST))
        for change in done:
            change.result(15)
        assert commits.sizes == [1, 1, 2, 2, 1]

    def test_what_the_database_refuses_is_refused_alone(self, ledger, monkeypatch):
        execute = ledger.rows._database.execute

        def failing(sql, values=()):
            if sql.startswith("INSERT INTO ledger_log") and values[2] == "p1":
                execute("INSERT INTO ledger (policy_type) VALUES ('half')")
            return execute(sql, values)

        monkeypatch.setattr(ledger.rows._database, "execute", failing)
        with gathered(ledger):
            done = [ledger.push_later(parse_policy(device(f"p{n}")), HOST) for n in range(3)]
        found = [outcome(change) for change in done]
        assert [isinstance(one, DatabaseError) for one in found] == [False, True, False]
        assert [found[0].place.seq, found[2].place.seq] == [2, 3]
        assert ledger.stored("p1") is None
        monkeypatch.undo()
        assert ledger.push(parse_policy(device("p1")), HOST)
        assert ledger.position().seq == 4

    def test_a_commit_that_fails_leaves_nothing(self, ledger, monkeypatch):
        database = ledger.rows._database
        ledger.push(parse_policy(device("before")), HOST)
        begin = database.transaction

        @contextmanager
        def broken(wait_s=None):
            with begin(wait_s):
                yield
                raise DatabaseError("the disk is full")

        with gathered(ledger):
            done = [ledger.push_later(parse_policy(device(f"p{n}")), HOST) for n in range(3)]
            done.append(ledger.drop_later(["before"]))
            eventually(lambda: ledger.waiting == 5, "all in the queue")
            monkeypatch.setattr(database, "transaction", broken)
        # The one that was being stored may have met the fault too.
        found = [outcome(change) for change in done]
        assert all(isinstance(one, DatabaseError) for one in found)
        monkeypatch.undo()
        assert ledger.stored("before") is not None
        assert [ledger.stored(f"p{n}") for n in range(3)] == [None] * 3
        head = ledger.position().seq
        stored = ledger.push_later(parse_policy(device("p0")), HOST).result(15)
        assert (stored.added, stored.place.seq) == (True, head + 1)

    def test_rules_see_what_others_changed_in_between(self, ledger):
        """The index follows the log: also what another program puts into the table."""

        def operator(name: str, port: int):
            body = {"company": "x", "name": name, "ip": "10.0.0.1", "port": port}
            cluster = {"cluster": "c1", "id": name, "date": "2026"}
            return parse_policy(json.dumps({"operator": {**body, **cluster}}))

        cluster = '{"cluster": {"name": "c", "company": "x", "id": "c1", "date": "2026"}}'
        ledger.push(parse_policy(cluster), HOST)
        ledger.push(operator("o1", 1), HOST)
        other = SequencedLedger(ledger.rows._database, fault_of)
        other.insert(operator("o2", 2).row(), HOST)
        with pytest.raises(PolicyNotUnique):
            ledger.push(operator("o3", 2), HOST)
        other.delete(["o2"])
        ledger.push(operator("o3", 2), HOST)
        ledger.replace(operator("o3", 3), HOST)
        ledger.push(operator("o4", 2), HOST)
        with pytest.raises(PolicyNotUnique):
            ledger.replace(operator("o4", 3), HOST)
        ledger.drop(["o3"])
        ledger.replace(operator("o4", 3), HOST)

    def test_a_row_that_is_no_policy_is_no_acknowledgement(self, ledger):
        ledger.push(parse_policy(device("a")), HOST)
        ledger.rows._database.execute(
            "INSERT INTO ledger (policy_type, policy_id, date, host, policy)"
            " VALUES ('device', 'x', ?, 'h', 'no JSON')",
            (ledger.rows._database.timestamp("2026-01-01"),),
        )
        with pytest.raises(EdgeLakeError, match="'x' has a row in the table ledger that is no"):
            ledger.push(parse_policy(device("x")), HOST, ignore=True)
        assert ledger.snapshot().count == 1
        assert len(ledger.quarantine) == 1
        ledger.drop(["x"])
        assert ledger.snapshot().count == 1
        assert ledger.quarantine == ()
        assert ledger.push(parse_policy(device("x")), HOST, ignore=True)
        assert ledger.snapshot().count == 2

    def test_the_bytes_follow_the_log(self, ledger):
        """Brought forward entry by entry they are those of the whole table."""
        assert ledger.snapshot().count == 0
        for n, date in enumerate(("2026-c", "2026-a", "2026-b", "2026-a")):
            ledger.push(parse_policy(device(f"p{n}", date=date)), HOST)
            self._same(ledger)
        ledger.replace(parse_policy(device("p1", date="2027")), HOST)
        self._same(ledger)
        ledger.drop(["p0", "p2"])
        self._same(ledger)
        ledger.drop(["p3", "p1"])
        assert ledger.snapshot().data == b"\n"

    @staticmethod
    def _same(ledger: MasterLedger) -> None:
        assert ledger.snapshot() == MasterLedger(ledger.rows).snapshot()
        reads = ledger.rows.read_at().lines
        assert ledger.snapshot().data.decode().splitlines() == list(reads)
