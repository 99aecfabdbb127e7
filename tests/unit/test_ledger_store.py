"""The local ledger on a real file: changes, adoption, restarts, failures."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from edgelake import limits
from edgelake.errors import (
    FileWriteFailed,
    LedgerInvalid,
    PolicyConflict,
    PolicyInvalid,
    PolicyMissing,
    StorageError,
)
from edgelake.ledger import (
    Compare,
    DeleteMarker,
    LocalLedger,
    complete,
    parse_ledger,
    parse_policy,
)
from edgelake.storage import Journal, LedgerFile

NOW = datetime(2026, 1, 1, tzinfo=UTC)
MASTER = "10.0.0.7:32048"


def policy(name, kind="device", ledger=None):
    return complete(parse_policy(f'{{"{kind}": {{"name": "{name}"}}}}'), NOW, ledger=ledger)


def master_file(*names):
    lines = [policy(name, ledger="global").text + "\n" for name in names]
    return "".join(lines).encode() or b"\n"


def names(ledger):
    return [found.body["name"] for found in ledger.find()]


@pytest.fixture
def path(tmp_path) -> Path:
    return tmp_path / "chain" / "blockchain.json"


@pytest.fixture(autouse=True)
def made(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Let files be written when a test says so: it may have several ledgers of one file."""
    monkeypatch.setattr(limits, "LEDGER_FILE_DELAY_S", 3600.0)
    yield
    for ledger in MADE:
        ledger.close()
    MADE.clear()


MADE: list[LocalLedger] = []


def ledger_at(path: Path) -> LocalLedger:
    """Return a ledger that ends with the test."""
    MADE.append(LocalLedger(LedgerFile(path)))
    return MADE[-1]


@pytest.fixture
def ledger(path: Path) -> LocalLedger:
    return ledger_at(path)


def restarted(ledger) -> LocalLedger:
    return ledger_at(ledger.path)


def test_a_node_without_a_file_has_an_empty_ledger(ledger, path):
    assert ledger.find() == []
    assert (ledger.count, ledger.master_count) == (0, 0)
    assert (ledger.master_hash(), ledger.file_hash()) == ("0", "0")
    assert ledger.pending() == ((), ())
    assert not path.exists()


def test_an_insert_is_on_disk_when_it_returns(ledger, path):
    stored = ledger.insert_local(policy("a"))
    assert stored.ledger == "local"
    assert not path.exists()
    ledger.write_file()
    assert path.read_text() == stored.text + "\n"
    assert restarted(ledger).find() == ledger.find() == [stored]
    assert ledger.pending() == ((stored,), ())
    assert ledger.file_hash() == hashlib.md5(path.read_bytes()).hexdigest()
    assert ledger.master_hash() == "0"


def test_an_id_is_there_once(ledger, path):
    ledger.adopt(master_file("m"))
    ledger.insert_local(policy("a"))
    before = ledger.content()
    for name in ("a", "m"):
        with pytest.raises(PolicyConflict, match=policy(name).id):
            ledger.insert_local(policy(name))
    assert ledger.content() == before


def test_what_cannot_be_stored_is_refused(ledger, path):
    with pytest.raises(PolicyInvalid, match="no id"):
        ledger.insert_local(parse_policy('{"device": {"name": "a"}}'))
    with pytest.raises(PolicyInvalid, match="'deleted' is reserved"):
        ledger.insert_local(parse_policy('{"deleted": {"id": "a"}}'))
    assert not path.exists()


@pytest.mark.parametrize("ledger_value", [None, "local", "global"])
def test_a_line_longer_than_the_limit_is_refused_before_it_is_stored(ledger, path, ledger_value):
    wide = "é" * 250_000
    with pytest.raises(
        PolicyInvalid, match=rf"15\d{{5}} bytes.* exceeds {limits.MAX_POLICY_BYTES}"
    ):
        complete(parse_policy(f'{{"device": {{"name": "{wide}"}}}}'), NOW, ledger=ledger_value)
    with pytest.raises(PolicyInvalid, match="exceeds"):
        ledger.insert_local(
            parse_policy(f'{{"device": {{"id": "i", "ledger": "local", "name": "{wide}"}}}}')
        )
    assert not path.exists()


def test_the_longest_policy_survives_a_restart_and_fits_as_global(ledger):
    ledger.insert_local(policy("first"))
    spare = limits.MAX_POLICY_BYTES - len(policy("", ledger="global").text)
    with pytest.raises(PolicyInvalid, match=f" {limits.MAX_POLICY_BYTES + 1} bytes"):
        policy("x" * (spare + 1))
    longest = ledger.insert_local(policy("x" * spare))
    ledger.insert_local(policy("last"))
    assert len(longest.with_ledger("global").text) == limits.MAX_POLICY_BYTES
    assert restarted(ledger).pending() == ledger.pending()
    assert len(ledger.pending()[0]) == 3


def test_find_selects_types_and_conditions_in_ledger_order(ledger):
    ledger.adopt(master_file("m1", "m2"))
    query = ledger.insert_local(policy("q", "query"))
    device = ledger.insert_local(policy("d"))
    assert names(ledger) == ["m1", "m2", "q", "d"]
    assert ledger.find(("query",)) == [query]
    assert [p.body["name"] for p in ledger.find(("query", "device"))] == names(ledger)
    assert [p.body["name"] for p in ledger.find(("*",))] == names(ledger)
    assert ledger.find(("nosuch",)) == []
    assert ledger.find(("device",), Compare(("name",), "=", "D")) == [device]
    assert ledger.find((), Compare(("name",), "startswith", "m")) == ledger.find()[:2]
    assert ledger.get(query.id) == query
    assert ledger.get("nosuch") is None
    assert query.id in ledger


class TestAdopt:
    def test_the_masters_bytes_are_kept_and_hashed(self, ledger, path):
        content = master_file("m1", "m2").replace(b": ", b":")
        adoption = ledger.adopt(content)
        assert adoption.changed
        ledger.write_file()
        assert path.read_bytes() == content
        assert ledger.master_hash() == hashlib.md5(content).hexdigest() == ledger.file_hash()
        assert ledger.master_count == 2
        assert restarted(ledger).master_hash() == ledger.master_hash()

    def test_local_policies_stay_until_the_master_has_them(self, ledger):
        a, b = ledger.insert_local(policy("a")), ledger.insert_local(policy("b"))
        adoption = ledger.adopt(master_file("m"))
        assert (adoption.policies, adoption.confirmed) == ((a, b), ())
        assert names(ledger) == ["m", "a", "b"]
        adoption = ledger.adopt(master_file("m", "b"))
        assert (adoption.policies, adoption.confirmed) == ((a,), (b.id,))
        assert names(ledger) == ["m", "b", "a"]
        assert ledger.get(b.id).ledger == "global"
        assert ledger.pending() == ((a,), ())
        assert restarted(ledger).pending() == ledger.pending()

    def test_the_hash_of_the_master_outlives_local_changes_and_restarts(self, ledger, path):
        content = master_file("m1", "m2")
        ledger.adopt(content)
        ledger.insert_local(policy("a"))
        ledger.delete_local(policy("m1").id, MASTER)
        ledger.write_file()
        for seen in (ledger, restarted(ledger)):
            assert seen.master_hash() == hashlib.md5(content).hexdigest()
            assert seen.file_hash() == hashlib.md5(path.read_bytes()).hexdigest()
            assert names(seen) == ["m2", "a"]

    def test_the_same_ledger_again_changes_nothing(self, ledger, path):
        ledger.insert_local(policy("a"))
        ledger.adopt(master_file("m"))
        ledger.write_file()
        before = path.stat()
        adoption = ledger.adopt(master_file("m"))
        assert not adoption.changed
        assert len(adoption.policies) == 1
        ledger.write_file()
        assert path.stat().st_ino == before.st_ino

    @pytest.mark.parametrize("content", [b"", b"\n", b"\n\n", b"[]\n"])
    def test_an_empty_ledger_never_replaces_a_good_one(self, ledger, content):
        ledger.adopt(master_file("m"))
        with pytest.raises(LedgerInvalid, match=f"without policies from {MASTER}"):
            ledger.adopt(content, MASTER)
        assert names(ledger) == ["m"]

    def test_an_empty_ledger_is_taken_when_it_may_be(self, ledger, path):
        ledger.adopt(master_file("m"))
        ledger.insert_local(policy("a"))
        assert ledger.adopt(b"\n", allow_empty=True).changed
        assert names(ledger) == names(restarted(ledger)) == ["a"]
        assert ledger.master_hash() == "68b329da9893e34099c7d8ad5cb9c940"
        assert restarted(ledger).master_hash() == ledger.master_hash()

    def test_no_part_of_a_transfer_is_taken_for_the_whole(self, ledger, path):
        content = master_file("m1", "m2", "m3")
        ledger.adopt(master_file("good"))
        before = ledger.content()
        ends = {at + 1 for at, byte in enumerate(content) if byte == 0x0A}
        for size in range(1, len(content)):
            if size not in ends:
                with pytest.raises(LedgerInvalid):
                    ledger.adopt(content[:size])
        assert ledger.content() == restarted(ledger).content() == before

    def test_bad_entries_are_quarantined_and_stop_nothing(self, ledger):
        content = master_file("m1") * 2 + b'{"table": {"name": "t"}}\n' + master_file("m2")
        adoption = ledger.adopt(content)
        assert names(ledger) == ["m1", "m2"]
        assert [entry.line for entry in adoption.quarantine] == [2, 3]
        assert ledger.quarantine == adoption.quarantine == restarted(ledger).quarantine
        assert ledger.master_hash() == hashlib.md5(content).hexdigest()

    def test_a_failed_write_leaves_everything_as_it_was(self, path):
        class FullDisk(Journal):
            full = False

            def append(self, kind, payload):
                if self.full:
                    raise FileWriteFailed("no space left on device")
                super().append(kind, payload)

            def rewrite(self, records):
                if self.full:
                    raise FileWriteFailed("no space left on device")
                super().rewrite(records)

        files = LedgerFile(path)
        files.journal = file = FullDisk(files.journal.path)
        ledger = LocalLedger(files)
        MADE.append(ledger)
        ledger.adopt(master_file("m"))
        ledger.insert_local(policy("a"))
        before = file.path.read_bytes()
        file.full = True
        for change in (
            lambda: ledger.adopt(master_file("x")),
            lambda: ledger.insert_local(policy("b")),
            lambda: ledger.delete_local(policy("m").id),
        ):
            with pytest.raises(FileWriteFailed):
                change()
        assert file.path.read_bytes() == before
        assert names(ledger) == ["m", "a"]
        file.full = False
        ledger.insert_local(policy("b"))
        assert names(restarted(ledger)) == ["m", "a", "b"]


class TestContested:
    """The master has other content under the id of a local policy."""

    OTHER = b'{"device": {"id": "x", "name": "theirs", "date": "2026"}}\n'

    @pytest.fixture
    def contested(self, ledger: LocalLedger) -> LocalLedger:
        for mine in ("before", "x", "behind"):
            ledger.insert_local(
                parse_policy(f'{{"device": {{"id": "{mine}", "name": "{mine}", "date": "2026"}}}}')
            )
        ledger.adopt(self.OTHER, keep_other=True)
        return ledger

    def test_the_masters_is_shown_and_the_local_one_waits(self, contested, path):
        contested.write_file()
        for ledger in (contested, ledger_at(path)):
            assert names(ledger) == ["theirs", "before", "behind"]
            assert (ledger.count, len(ledger.find())) == (3, 3)
            assert [p.id for p in ledger.pending()[0]] == ["before", "x", "behind"]
            assert [ledger.contested(p) for p in ledger.pending()[0]] == [False, True, False]

    def test_it_is_shown_when_the_masters_is_gone(self, contested):
        contested.find()
        contested.adopt(master_file("m"), keep_other=True)
        assert names(contested) == ["m", "before", "x", "behind"]
        contested.adopt(self.OTHER, keep_other=True)
        assert names(contested) == ["theirs", "before", "behind"]

    def test_it_ends_when_the_master_has_what_it_says(self, contested):
        same = self.OTHER.replace(b"theirs", b"x")
        adoption = contested.adopt(same, keep_other=True)
        assert adoption.confirmed == ("x",)
        assert [p.id for p in contested.pending()[0]] == ["before", "behind"]

    def test_it_ends_by_a_delete_here(self, contested):
        contested.delete_local("x")
        assert names(contested) == ["theirs", "before", "behind"]
        assert [p.id for p in contested.pending()[0]] == ["before", "behind"]
        contested.delete_local("x", MASTER)
        assert (names(contested), contested.count) == (["before", "behind"], 2)

    def test_without_being_asked_to_keep_it_the_id_counts(self, contested):
        assert contested.adopt(self.OTHER + master_file("m")).confirmed == ("x",)


def test_what_came_after_a_delete_that_was_carried_out_stays(ledger):
    ledger.adopt(master_file("m", "n"))
    first = ledger.find()[0]
    ledger.delete_local(first.id, MASTER)
    ledger.adopt(master_file("m", "n"), dropped=(first.id,))
    assert names(ledger) == ["n"]
    ledger.adopt(master_file("m", "n"), dropped=(first.id,), carried=(first.id,))
    assert names(ledger) == ["m", "n"]
    assert ledger.pending() == ((), ())


class TestDelete:
    def test_a_policy_that_is_only_local_is_removed(self, ledger, path):
        a = ledger.insert_local(policy("a"))
        ledger.write_file()
        ledger.delete_local(a.id)
        ledger.write_file()
        assert path.read_bytes() == b""
        assert ledger.pending() == ((), ())
        ledger.insert_local(policy("a"))
        assert names(restarted(ledger)) == ["a"]

    def test_a_local_policy_under_way_to_its_master_stays_deleted(self, ledger):
        a = ledger.insert_local(policy("a"))
        ledger.delete_local(a.id, MASTER)
        assert ledger.pending() == ((), (DeleteMarker(a.id, MASTER),))
        adoption = ledger.adopt(master_file("m", "a"))
        assert names(ledger) == ["m"]
        assert adoption.deletes == (DeleteMarker(a.id, MASTER),)
        assert ledger.adopt(master_file("m")).deletes == ()

    @pytest.mark.parametrize("master", [None, MASTER])
    def test_a_policy_of_the_master_is_hidden_at_once_and_for_good(self, ledger, master):
        ledger.adopt(master_file("m1", "m2"))
        m1 = policy("m1").id
        ledger.delete_local(m1, master)
        assert names(ledger) == names(restarted(ledger)) == ["m2"]
        assert ledger.get(m1) is None
        adoption = restarted(ledger).adopt(master_file("m1", "m2", "m3"))
        assert adoption.deletes == (DeleteMarker(m1, master),)
        again = restarted(ledger)
        assert names(again) == ["m2", "m3"]
        again.adopt(master_file("m2"))
        assert again.pending() == ((), ())
        again.adopt(master_file("m1", "m2"))
        assert names(again) == ["m1", "m2"]

    def test_the_last_policy_can_be_deleted(self, ledger):
        ledger.adopt(master_file("m"))
        ledger.delete_local(policy("m").id)
        assert ledger.count == restarted(ledger).count == 0

    def test_a_delete_can_be_given_a_master_later(self, ledger):
        ledger.adopt(master_file("m"))
        m = policy("m").id
        ledger.delete_local(m)
        with pytest.raises(PolicyMissing, match=m):
            ledger.delete_local(m)
        ledger.delete_local(m, MASTER)
        assert restarted(ledger).pending() == ((), (DeleteMarker(m, MASTER),))

    def test_what_is_not_there_cannot_be_deleted(self, ledger, path):
        with pytest.raises(PolicyMissing, match="'nosuch'"):
            ledger.delete_local("nosuch", MASTER)
        assert not path.exists()

    def test_an_insert_shows_a_policy_again_that_was_hidden_here_alone(self, ledger):
        ledger.adopt(master_file("m"))
        ledger.delete_local(policy("m").id)
        assert ledger.insert_local(policy("m")).ledger == "global"
        assert names(restarted(ledger)) == ["m"]
        assert ledger.pending() == ((), ())

    def test_an_insert_does_not_overtake_a_delete_at_the_master(self, ledger):
        ledger.adopt(master_file("m"))
        ledger.delete_local(policy("m").id, MASTER)
        with pytest.raises(PolicyConflict, match="still in the master's ledger"):
            ledger.insert_local(policy("m"))
        ledger.delete_local(policy("m").id, MASTER)
        ledger.adopt(master_file("x"))
        ledger.insert_local(policy("m"))
        assert names(ledger) == ["x", "m"]


class TestDamage:
    def test_a_torn_tail_is_cut_kept_aside_and_reported(self, ledger, path):
        ledger.adopt(master_file("m"))
        a = ledger.insert_local(policy("a"))
        ledger.write_file()
        torn = b'{"device": {"name": "t", "id'
        path.write_bytes(path.read_bytes() + torn)
        again = restarted(ledger)
        (damage,) = again.load()
        assert (damage.line, damage.text) == (3, torn)
        assert again.pending() == ((a,), ())
        assert path.read_bytes() == master_file("m") + a.text.encode() + b"\n"
        assert path.with_suffix(".damaged").read_bytes() == torn + b"\n"
        assert again.load() == ()
        assert again.adopt(master_file("m", "n")).changed

    def test_reading_repairs_nothing_until_something_is_written(self, ledger, path):
        content = b"first\n" + master_file("m") + b"second\n"
        path.parent.mkdir()
        path.write_bytes(content)
        assert names(ledger) == ["m"]
        assert [entry.line for entry in ledger.damage] == [1, 3]
        ledger.close()
        assert path.read_bytes() == content
        ledger = restarted(ledger)
        ledger.insert_local(policy("a"))
        assert path.read_bytes() == content
        assert path.with_suffix(".damaged").read_bytes() == b"first\nsecond\n"
        assert names(restarted(ledger)) == ["m", "a"]
        assert ledger.damage == ()

    def test_damage_inside_the_masters_part_changes_its_hash(self, ledger, path):
        content = master_file("m1", "m2", "m3")
        ledger.adopt(content)
        ledger.write_file()
        path.write_bytes(content.replace(b'"m2"', b'"m2'))
        again = restarted(ledger)
        assert again.load()
        assert names(again) == ["m1", "m3"]
        assert again.master_hash() != hashlib.md5(content).hexdigest()
        assert again.adopt(content).changed
        again.write_file()
        assert path.read_bytes() == content

    @pytest.mark.parametrize("bad", ["[]", '{"device": {"id": 5}}', "too long"])
    @pytest.mark.parametrize("place", [0, 1, 2])
    def test_a_local_line_nobody_can_read_confirms_no_other_one(self, ledger, path, bad, place):
        if bad == "too long":
            bad = f'{{"device": {{"id": "x", "t": "{"x" * limits.MAX_POLICY_BYTES}"}}}}'
        ledger.adopt(master_file("m"))
        stored = [ledger.insert_local(policy(name)) for name in ("a", "b")]
        ledger.write_file()
        lines = [entry.text for entry in stored]
        lines.insert(place, bad)
        path.write_bytes(master_file("m") + "".join(line + "\n" for line in lines).encode())
        again = restarted(ledger)
        assert again.pending() == (tuple(stored), ())
        assert again.master_hash() == hashlib.md5(master_file("m")).hexdigest()
        assert [entry.line for entry in again.load()] == [place + 2]
        assert path.with_suffix(".damaged").read_text() == bad + "\n"
        again.adopt(master_file("m", "n"))
        assert names(again) == ["m", "n", "a", "b"]

    def test_damage_grows_in_its_own_file(self, ledger, path):
        path.parent.mkdir()
        for text in (b"one", b"two\n"):
            path.write_bytes(text)
            ledger.load()
        assert path.with_suffix(".damaged").read_bytes() == b"one\ntwo\n"

    def test_a_ledger_that_cannot_be_read_is_an_error_and_stays(self, ledger, path):
        path.mkdir(parents=True)
        with pytest.raises(StorageError, match="is a directory"):
            ledger.find()
        with pytest.raises(StorageError):
            ledger.insert_local(policy("a"))


def test_a_change_of_another_process_is_not_undone(ledger):
    ledger.insert_local(policy("a"))
    other = restarted(ledger)
    other.insert_local(policy("b"))
    ledger.insert_local(policy("c"))
    assert names(ledger) == names(restarted(ledger)) == ["a", "b", "c"]
    with pytest.raises(PolicyConflict):
        other.insert_local(policy("c"))


def test_a_file_that_vanished_is_written_again(ledger, path):
    ledger.adopt(master_file("m"))
    ledger.write_file()
    path.unlink()
    assert names(ledger) == names(restarted(ledger)) == ["m"]
    assert not ledger.adopt(master_file("m")).changed
    ledger.write_file()
    assert path.read_bytes() == master_file("m")


@pytest.mark.stress
def test_threads_insert_delete_and_adopt_without_losing_a_policy(ledger):
    workers, each = 8, 12
    start = threading.Barrier(workers + 2)
    done = threading.Event()
    failures: list[BaseException] = []

    def work(number):
        try:
            start.wait()
            for step in range(each):
                stored = ledger.insert_local(policy(f"w{number}-{step}"))
                assert ledger.get(stored.id) == stored
                if step % 3 == 0:
                    ledger.delete_local(stored.id)
        except BaseException as exc:
            failures.append(exc)

    def follow():
        start.wait()
        version = 0
        while not done.is_set():
            version += 1
            ledger.adopt(master_file("m", f"v{version}"))

    threads = [threading.Thread(target=work, args=(n,)) for n in range(workers)]
    follower = threading.Thread(target=follow)
    for thread in (*threads, follower):
        thread.start()
    start.wait()
    for thread in threads:
        thread.join()
    done.set()
    follower.join()
    assert failures == []
    expected = {f"w{n}-{s}" for n in range(workers) for s in range(each) if s % 3}
    assert {p.body["name"] for p in ledger.pending()[0]} == expected
    assert restarted(ledger).find() == ledger.find()
    ledger.close()
    assert parse_ledger(ledger.path.read_bytes()).damage == ()
