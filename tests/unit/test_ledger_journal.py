"""The journal of the local ledger: replayed, damaged, cut at any step, compacted, and its cost."""

from __future__ import annotations

import errno
import hashlib
import json
import os
import shutil
import threading
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from edgelake import limits
from edgelake.errors import FileWriteFailed, LedgerInvalid, StorageError
from edgelake.interfaces import JournalGap, JournalRecord, LogEntry, LogPosition
from edgelake.ledger import DeleteMarker, LocalLedger, Policy, complete, parse_policy
from edgelake.storage import Journal, LedgerFile
from edgelake.storage.frames import HEADER, frame_head, read_frames
from tests.waiting import eventually

NOW = datetime(2026, 1, 1, tzinfo=UTC)
MASTER = "10.0.0.7:32048"
START = LogPosition("e1", 0, "0")


def policy(name: str, ledger: str | None = None) -> Policy:
    return complete(parse_policy(f'{{"device": {{"name": "{name}"}}}}'), NOW, ledger=ledger)


def master_file(*names: str) -> bytes:
    return "".join(policy(name, "global").text + "\n" for name in names).encode() or b"\n"


def names(ledger: LocalLedger) -> list[str]:
    return [found.body["name"] for found in ledger.find()]


class Master:
    """A log of a master, and the place of each state in it."""

    def __init__(self) -> None:
        self.place = START
        self.order: list[str] = []

    def put(self, name: str, after: str | None = None) -> tuple[LogEntry, LogPosition]:
        """Return the change that puts a policy behind another, the last by default."""
        if name in self.order:
            self.order.remove(name)
        if after is None:
            after = self.order[-1] if self.order else ""
        self.order.insert(self.order.index(after) + 1 if after else 0, name)
        found = policy(name, "global")
        behind = policy(after).id if after else ""
        return self._next(LogEntry(self.place.seq + 1, "put", found.id, behind, found.text))

    def drop(self, name: str) -> tuple[LogEntry, LogPosition]:
        self.order.remove(name)
        return self._next(LogEntry(self.place.seq + 1, "del", policy(name).id, "", ""))

    def _next(self, entry: LogEntry) -> tuple[LogEntry, LogPosition]:
        chain = entry.chained(self.place.chain)
        self.place = LogPosition(self.place.epoch, entry.seq, chain)
        return entry, self.place


def take(ledger: LocalLedger, change: tuple[LogEntry, LogPosition]) -> None:
    """Let a ledger take one change of the master."""
    before = ledger.position()
    assert before is not None
    ledger.apply(before, (change[0],), dropped=(), stored=(), place=change[1])


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "chain" / "blockchain.json"


@pytest.fixture(autouse=True)
def made(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Let files be written when a test says so: it may have several ledgers of one file.

    What is asked of the disk is looked at, and not waited for.
    """
    monkeypatch.setattr(limits, "LEDGER_FILE_DELAY_S", 3600.0)
    for name in ("fsync", "fdatasync"):
        monkeypatch.setattr(os, name, lambda descriptor: None)
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


def restarted(ledger: LocalLedger) -> LocalLedger:
    return ledger_at(ledger.path)


def journal_of(ledger: LocalLedger) -> Path:
    return ledger.path.with_suffix(".log")


# --------------------------------------------------------------- the frames


def frames(*payloads: bytes) -> bytes:
    return HEADER + b"".join(frame_head(7, payload) + payload for payload in payloads)


def payloads(data: bytes) -> list[bytes | None]:
    """Return the payloads that are read; ``None`` stands for damage."""
    return [
        bytes(item.payload) if isinstance(item, JournalRecord) else None
        for item in read_frames(data)
    ]


def test_records_are_read_as_they_were_written() -> None:
    assert payloads(frames(b"one", b"", b"three" * 1000)) == [b"one", b"", b"three" * 1000]
    assert payloads(HEADER) == []


def test_any_damaged_byte_costs_its_own_record_alone() -> None:
    data = frames(b"first", b"second", b"third")
    ends = [len(frames(b"first")), len(frames(b"first", b"second")), len(data)]
    for at in range(len(HEADER), len(data)):
        damaged = data[:at] + bytes((data[at] ^ 0x20,)) + data[at + 1 :]
        hit = next(number for number, end in enumerate(ends) if at < end)
        wanted: list[bytes | None] = [b"first", b"second", b"third"]
        wanted[hit] = None
        assert payloads(damaged) == wanted
        (gap,) = (item for item in read_frames(damaged) if isinstance(item, JournalGap))
        assert gap.tail == (hit == 2)


def test_a_journal_without_its_header_is_read_all_the_same() -> None:
    assert payloads(b"x" * len(HEADER) + frames(b"one")[len(HEADER) :]) == [None, b"one"]
    assert payloads(b"") == []
    assert payloads(b"\xabLJ\xba" * 50) == [None]


def test_a_journal_of_a_later_version_is_left_alone(ledger, path) -> None:
    path.parent.mkdir()
    later = HEADER.replace(b"1\n", b"2\n") + b"what nobody knows"
    journal_of(ledger).write_bytes(later)
    for act in (ledger.find, lambda: ledger.insert_local(policy("a")), ledger.load):
        with pytest.raises(StorageError, match="has version 2"):
            act()
    assert journal_of(ledger).read_bytes() == later


# --------------------------------------------------------------- one ledger


def test_the_journal_alone_is_the_ledger(ledger, path) -> None:
    master = Master()
    ledger.adopt(b"\n", allow_empty=True, place=START)
    for name in "abc":
        take(ledger, master.put(name))
    take(ledger, master.put("first", ""))
    take(ledger, master.put("b2", "b"))
    take(ledger, master.drop("a"))
    ledger.insert_local(policy("mine"))
    ledger.delete_local(policy("c").id, MASTER)
    wanted = ["first", "b", "b2", "mine"]
    assert names(ledger) == wanted
    assert not path.exists()
    again = restarted(ledger)
    assert names(again) == wanted
    assert again.pending() == ledger.pending()
    assert again.position() == master.place
    assert again.content() == ledger.content()
    assert again.master_part() == (
        master.place,
        master_file("first", "b", "b2", "c"),
    )
    assert again.master_hash() == ledger.master_hash()
    assert again.file_hash() == ledger.file_hash()


def test_places_between_two_policies_never_end(ledger) -> None:
    master = Master()
    ledger.adopt(b"\n", allow_empty=True, place=START)
    take(ledger, master.put("first"))
    take(ledger, master.put("last"))
    assert names(ledger) == ["first", "last"]
    for number in range(40):
        take(ledger, master.put(f"n{number}", "first"))
        if number % 3 == 0:
            assert names(ledger) == master.order
    take(ledger, master.put("n3", "last"))
    take(ledger, master.put("n39", "first"))
    assert names(ledger) == names(restarted(ledger)) == master.order


def test_what_is_seen_is_the_same_whether_indices_were_there_or_not(ledger) -> None:
    master = Master()
    ledger.adopt(b"\n", allow_empty=True, place=START)
    assert names(ledger) == []
    for number in range(6):
        take(ledger, master.put(f"m{number}"))
        ledger.insert_local(policy(f"l{number}"))
        if number % 2:
            ledger.delete_local(policy(f"m{number - 1}").id)
            ledger.delete_local(policy(f"l{number - 1}").id)
        assert names(ledger) == names(restarted(ledger))
    take(ledger, master.put("m0", "m5"))
    take(ledger, master.drop("m3"))
    ledger.insert_local(policy("m0"))
    assert names(ledger) == names(restarted(ledger))
    assert len(ledger) == len(ledger.find())


def test_anmp_is_applied_to_what_changes_later(ledger) -> None:
    target = ledger.insert_local(policy("a"))
    text = {"anmp": {target.id: {"name": "changed"}, "id": "x", "date": "2026"}}
    ledger.insert_local(parse_policy(json.dumps(text)))
    assert [p.body["name"] for p in ledger.find(("device",))] == ["changed"]
    assert [p.body["name"] for p in ledger.read(("device",))] == ["a"]
    ledger.adopt(master_file("a", "b"), place=START)
    assert [p.body["name"] for p in ledger.find(("device",))] == ["changed", "b"]
    assert [p.body["name"] for p in restarted(ledger).find(("device",))] == ["changed", "b"]
    ledger.delete_local("x")
    assert [p.body["name"] for p in ledger.find()] == ["a", "b"]
    assert ledger.read() == ledger.find()


def test_changes_that_do_not_fit_change_nothing(ledger) -> None:
    master = Master()
    ledger.adopt(b"\n", allow_empty=True, place=START)
    take(ledger, master.put("a"))
    place, before = master.place, journal_of(ledger).read_bytes()
    other = LogEntry(place.seq + 1, "del", "nosuch", "", "")
    behind = LogEntry(place.seq + 1, "put", policy("b").id, "nosuch", policy("b").text)
    for entry in (other, behind):
        end = LogPosition(place.epoch, entry.seq, entry.chained(place.chain))
        with pytest.raises(LedgerInvalid):
            ledger.apply(place, (entry,), dropped=(), stored=(), place=end)
    entry, end = master.put("b")
    for base, last in ((START, end), (place, LogPosition("e1", 2, "forged"))):
        with pytest.raises(LedgerInvalid):
            ledger.apply(base, (entry,), dropped=(), stored=(), place=last)
    assert journal_of(ledger).read_bytes() == before
    assert (names(ledger), ledger.position()) == (["a"], place)
    take(ledger, (entry, end))
    assert names(ledger) == ["a", "b"]


# ------------------------------------------------------- the master's history


def test_the_history_is_kept_across_restarts_and_compaction(ledger, monkeypatch) -> None:
    monkeypatch.setattr(limits, "JOURNAL_COMPACT_MIN_BYTES", 0)
    master = Master()
    ledger.adopt(b"\n", allow_empty=True, place=START)
    places = [START]
    for name in "abcde":
        take(ledger, master.put(name))
        places.append(master.place)
    ledger._keeper.compact()
    for seen in (ledger, restarted(ledger)):
        for number, place in enumerate(places):
            found = seen.entries_after(place, 100, 10_000)
            assert found is not None
            assert [entry.seq for entry in found] == list(range(number + 1, 6))
            assert all(entry.chain for entry in found)
        found = seen.entries_after(START, 2, 10_000)
        assert found is not None
        assert [entry.seq for entry in found] == [1, 2]
        found = seen.entries_after(START, 100, 1)
        assert found is not None
        assert [entry.seq for entry in found] == [1]
        for unknown in (
            LogPosition("e2", 2, places[2].chain),
            LogPosition("e1", 2, "other"),
            LogPosition("e1", 6, "other"),
            LogPosition("e1", -1, "0"),
        ):
            assert seen.entries_after(unknown, 100, 10_000) is None


def test_the_history_is_bounded_at_its_edge(ledger, monkeypatch) -> None:
    monkeypatch.setattr(limits, "MAX_LEDGER_HISTORY_ENTRIES", 3)
    master = Master()
    ledger.adopt(b"\n", allow_empty=True, place=START)
    places = [START]
    for name in "abcde":
        take(ledger, master.put(name))
        places.append(master.place)
    assert ledger.entries_after(places[1], 100, 10_000) is None
    found = ledger.entries_after(places[2], 100, 10_000)
    assert found is not None
    assert [entry.seq for entry in found] == [3, 4, 5]
    monkeypatch.setattr(limits, "MAX_LEDGER_HISTORY_CHARS", len(policy("x", "global").text) * 2)
    take(ledger, master.put("f"))
    assert ledger.entries_after(places[3], 100, 10_000) is None
    assert ledger.entries_after(places[4], 100, 10_000) is not None


def test_a_whole_ledger_begins_the_history_anew(ledger) -> None:
    master = Master()
    ledger.adopt(b"\n", allow_empty=True, place=START)
    take(ledger, master.put("a"))
    there = LogPosition("e9", 40, "c40")
    ledger.adopt(master_file("x", "y"), place=there)
    assert ledger.entries_after(START, 10, 1000) is None
    assert ledger.entries_after(there, 10, 1000) == ()
    assert restarted(ledger).position() == there
    # One that nobody gave a place has none, and the same one again keeps its place.
    assert not ledger.adopt(master_file("x", "y")).changed
    assert ledger.position() == there
    ledger.adopt(master_file("x"))
    assert ledger.position() is None
    assert restarted(ledger).position() is None
    assert ledger.entries_after(there, 10, 1000) is None


# -------------------------------------------------------------------- damage


def filled(ledger: LocalLedger) -> Master:
    """Fill a ledger: a base with local lines and a history, and changes behind it."""
    master = Master()
    ledger.adopt(b"\n", allow_empty=True, place=START)
    take(ledger, master.put("a"))
    ledger.insert_local(policy("mine1"))
    with ledger._keeper.lock:
        ledger._keeper._save(ledger._keeper.fresh())
    take(ledger, master.put("b"))
    ledger.insert_local(policy("mine2"))
    take(ledger, master.put("c"))
    return master


def test_a_torn_tail_is_cut_reported_and_set_aside(ledger, path) -> None:
    filled(ledger)
    whole = journal_of(ledger).read_bytes()
    ledger.insert_local(policy("last"))
    data = journal_of(ledger).read_bytes()
    for size in range(len(whole) + 1, len(data), 7):
        journal_of(ledger).write_bytes(data[:size])
        again = restarted(ledger)
        assert names(again) == ["a", "b", "c", "mine1", "mine2"]
        (damage,) = again.damage
        assert str(damage).startswith(f"journal at byte {len(whole)}: a change was not written")
        assert damage.text == data[len(whole) : size]
        assert again.position() == ledger.position()
        assert journal_of(ledger).read_bytes() == data[:size]
        path.with_suffix(".damaged").unlink(missing_ok=True)
        again.insert_local(policy("next"))
        assert path.with_suffix(".damaged").read_bytes().startswith(damage.text)
        assert again.damage == ()
        assert again.damage_report()[0] == 1
        third = restarted(again)
        assert names(third) == ["a", "b", "c", "mine1", "mine2", "next"]
        assert third.damage == ()


@pytest.mark.parametrize("with_file", [True, False])
def test_damage_anywhere_loses_no_local_policy_of_another_record(ledger, path, with_file) -> None:
    filled(ledger)
    if with_file:
        ledger.write_file()
    data = journal_of(ledger).read_bytes()
    before = ledger.content()
    items = list(read_frames(data))
    at = len(HEADER)
    for item in items:
        assert isinstance(item, JournalRecord)
        size = 17 + len(item.payload)
        for place in (at, at + 5, at + size - 1):
            damaged = data[:place] + bytes((data[place] ^ 0x04,)) + data[place + 1 :]
            journal_of(ledger).write_bytes(damaged)
            path.unlink(missing_ok=True)
            if with_file:
                path.write_bytes(before)
            again = restarted(ledger)
            mine = {found.body["name"] for found in again.pending()[0]}
            if with_file:
                assert mine == {"mine1", "mine2"}
            else:
                lost = {
                    n for n in ("mine1", "mine2") if policy(n).id.encode() in bytes(item.payload)
                }
                assert mine >= {"mine1", "mine2"} - lost
            shown = [name for name in names(again) if not name.startswith("mine")]
            assert shown in ([], ["a"], ["a", "b"], ["a", "b", "c"])
            assert again.damage
            assert again.load()
            assert again.adopt(master_file("a", "b", "c", "d"), place=None).changed
            assert restarted(again).find() == again.find()
            assert restarted(again).damage == ()
            again.close()
        at += size
    assert at == len(data)


def test_the_place_is_never_that_of_another_ledger(ledger) -> None:
    master = filled(ledger)
    places = {tuple(master.order[:n]): n for n in range(4)}
    data = journal_of(ledger).read_bytes()
    for at in range(len(HEADER), len(data), 5):
        journal_of(ledger).write_bytes(data[:at] + bytes((data[at] ^ 1,)) + data[at + 1 :])
        again = restarted(ledger)
        place = again.position()
        if place is not None:
            shown = tuple(n for n in names(again) if not n.startswith("mine"))
            assert place.seq == places[shown]


# ------------------------------------------------- the file beside the journal


def test_many_changes_are_written_once(ledger, path, monkeypatch) -> None:
    monkeypatch.setattr(limits, "LEDGER_FILE_DELAY_S", 0.05)
    drafts: list[int] = []
    files = ledger._keeper.file
    draft = files.draft
    files.draft = lambda pieces: (drafts.append(1), draft(pieces))[1]
    for number in range(60):
        ledger.insert_local(policy(f"p{number}"))
    eventually(lambda: path.exists() and path.read_bytes() == ledger.content(), "the file")
    assert len(drafts) < 30
    ledger.close()
    assert path.read_bytes() == ledger.content()
    assert restarted(ledger).file_hash() == ledger.file_hash()


def test_a_file_that_another_program_wrote_is_taken_over_and_nothing_unsent_is_lost(
    ledger, path
) -> None:
    ledger.adopt(master_file("m"), place=START)
    ledger.insert_local(policy("written"))
    ledger.write_file()
    ledger.insert_local(policy("unwritten"))
    other = master_file("m", "n") + policy("theirs", "local").text.encode() + b"\n"
    path.write_bytes(other)
    ledger.insert_local(policy("next"))
    wanted = ["m", "n", "theirs", "written", "unwritten", "next"]
    assert names(ledger) == names(restarted(ledger)) == wanted
    # Nobody knows where in the master's log that is.
    assert ledger.position() is None
    ledger.write_file()
    assert path.read_bytes() == ledger.content()


def test_a_file_written_while_the_node_was_down_counts_once(ledger, path) -> None:
    ledger.adopt(master_file("m"), place=START)
    ledger.close()
    path.write_bytes(master_file("m", "n"))
    again = restarted(ledger)
    assert names(again) == ["m", "n"]
    again.adopt(master_file("m", "n", "o"), place=START)
    # A crash now leaves the other program's file, which was taken over already.
    third = restarted(again)
    assert (names(third), third.position()) == (["m", "n", "o"], START)
    again.close()


def test_a_copy_of_the_folder_is_the_same_ledger(ledger, path, tmp_path) -> None:
    ledger.adopt(master_file("m"), place=START)
    ledger.insert_local(policy("a"))
    ledger.close()
    shutil.copytree(path.parent, tmp_path / "copy")
    copy = ledger_at(tmp_path / "copy" / path.name)
    assert (names(copy), copy.position(), copy.damage) == (["m", "a"], START, ())


def test_a_ledger_of_an_earlier_version_is_taken_with_its_place(ledger, path) -> None:
    path.parent.mkdir()
    path.write_bytes(master_file("m") + policy("a", "local").text.encode() + b"\n")
    old = path.with_suffix(".position")
    md5 = hashlib.md5(master_file("m")).hexdigest()
    old.write_text(json.dumps({"epoch": "e1", "seq": 7, "chain": "c", "ledger": md5}))
    place = LogPosition("e1", 7, "c")
    assert (names(ledger), ledger.position()) == (["m", "a"], place)
    assert not journal_of(ledger).exists()
    ledger.insert_local(policy("b"))
    assert not old.exists()
    again = restarted(ledger)
    assert (names(again), again.position()) == (["m", "a", "b"], place)


def test_a_place_of_another_ledger_is_not_taken(ledger, path) -> None:
    path.parent.mkdir()
    path.write_bytes(master_file("m"))
    path.with_suffix(".position").write_text(
        json.dumps({"epoch": "e1", "seq": 7, "chain": "c", "ledger": "0" * 32})
    )
    assert ledger.position() is None


def test_a_journal_removed_by_hand_is_written_again(ledger) -> None:
    ledger.adopt(master_file("m"), place=START)
    ledger.find()
    journal_of(ledger).unlink()
    ledger.insert_local(policy("a"))
    assert names(restarted(ledger)) == ["m", "a"]


def test_reading_writes_nothing(ledger, path) -> None:
    ledger.adopt(master_file("m"), place=START)
    before = {p.name: p.read_bytes() for p in path.parent.iterdir()}
    again = restarted(ledger)
    assert names(again) == ["m"]
    again.close()
    assert {p.name: p.read_bytes() for p in path.parent.iterdir()} == before
    again = restarted(ledger)
    again.write_soon()
    again.close()
    assert path.read_bytes() == master_file("m")


# ------------------------------------------------------------ cost, and steps


class Watched:
    """The calls of this thread that change files, each told before it is made."""

    CALLS = ("write", "fsync", "fdatasync", "replace", "ftruncate", "unlink")

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.seen: list[tuple[str, int]] = []
        self._owner = threading.get_ident()
        self.before: Callable[[str], None] = lambda name: None
        for name in self.CALLS:
            monkeypatch.setattr(os, name, self._told(name, getattr(os, name)))

    def _told(self, name: str, call: Callable[..., object]) -> Callable[..., object]:
        def act(*args: object, **more: object) -> object:
            if threading.get_ident() == self._owner:
                size = len(args[1]) if name == "write" else 0  # type: ignore[arg-type]
                self.seen.append((name, size))
                self.before(name)
            return call(*args, **more)

        return act

    def taken(self) -> list[tuple[str, int]]:
        """Return the calls since the last time."""
        seen, self.seen = self.seen, []
        return seen


@pytest.fixture
def calls(monkeypatch: pytest.MonkeyPatch) -> Watched:
    return Watched(monkeypatch)


def test_a_change_is_one_write_and_one_sync_at_any_size(ledger, calls) -> None:
    master = Master()
    ledger.adopt(b"\n", allow_empty=True, place=START)
    costs: list[int] = []
    for number in range(120):
        calls.taken()
        take(ledger, master.put(f"m{number:04}"))
        ((write, size), (sync, _)) = calls.taken()
        assert (write, sync) == ("write", "fdatasync")
        costs.append(size)
        ledger.insert_local(policy(f"l{number:04}"))
        ((write, size), (sync, _)) = calls.taken()
        assert (write, sync) == ("write", "fdatasync")
        assert size < 400
    assert max(costs) < 700
    assert costs[-1] - costs[2] < 20


def test_11_a_whole_ledger_is_on_the_disk_before_it_is_seen(ledger, calls) -> None:
    ledger.adopt(master_file("m"), place=START)
    ledger.insert_local(policy("a"))
    calls.taken()
    ledger.adopt(master_file("m", "n"), place=LogPosition("e1", 9, "c"))
    done = [name for name, _ in calls.taken() if name != "write"]
    assert done == ["fsync", "replace", "fsync"]
    ledger.write_file()
    done = [name for name, _ in calls.taken() if name != "write"]
    # The file, the note of it in the journal, the file again, and the folder.
    assert done == ["fsync", "fdatasync", "fsync", "replace", "fsync"]


def same_files(folder: Path, to: Path) -> None:
    """Put a folder's files into another one; the file of policies is the same, not a copy."""
    to.mkdir()
    for path in folder.iterdir():
        if path.name == "blockchain.json":
            os.link(path, to / path.name)
        else:
            shutil.copy2(path, to)


def test_10_every_step_of_a_crash_leaves_the_last_acknowledged_state(
    ledger, path, calls, tmp_path, monkeypatch
) -> None:
    monkeypatch.setattr(limits, "JOURNAL_COMPACT_MIN_BYTES", 0)
    states: list[tuple[Path, list[str], list[str]]] = []
    acknowledged: list[str] = []

    def keep(name: str) -> None:
        """Keep the files as a process that is killed here leaves them."""
        if path.parent.exists():
            copy = tmp_path / f"state{len(states)}"
            same_files(path.parent, copy)
            states.append((copy, list(acknowledged), wanted))

    master = Master()
    wanted: list[str] = []
    calls.before = keep

    def step(act: Callable[[], object], after: list[str]) -> None:
        nonlocal wanted, acknowledged
        wanted = after
        act()
        acknowledged = after

    step(lambda: ledger.insert_local(policy("l1")), ["l1"])
    step(lambda: ledger.adopt(master_file("m1"), place=START), ["m1", "l1"])
    master.order = ["m1"]
    step(lambda: take(ledger, master.put("m2")), ["m1", "m2", "l1"])
    step(ledger.write_file, ["m1", "m2", "l1"])
    step(lambda: ledger.delete_local(policy("m1").id, MASTER), ["m2", "l1"])
    step(ledger._keeper.compact, ["m2", "l1"])
    step(lambda: take(ledger, master.put("l1")), ["m2", "l1"])
    step(ledger.write_file, ["m2", "l1"])
    step(lambda: ledger.adopt(master_file("x"), place=LogPosition("e2", 1, "c")), ["x"])
    step(ledger.write_file, ["x"])
    step(ledger.clear, [])
    step(ledger.write_file, [])
    calls.before = lambda name: None
    assert len(states) > 40
    for copy, _, _ in states:
        same_files(copy, copy.with_suffix(".torn"))
    for copy, before, after in states:
        for torn in (False, True):
            if torn:
                copy = copy.with_suffix(".torn")
                tail = copy / "blockchain.log"
                if not tail.exists():
                    continue
                # A write that was under way, of which a part came to the disk.
                tail.write_bytes(tail.read_bytes() + frame_head(5, b"half of it") + b"half")
            again = ledger_at(copy / path.name)
            assert names(again) in (before, after), (copy, torn)
            again.load()
            assert again.damage == ()
            if (copy / "blockchain.log").exists():
                assert (copy / path.name).read_bytes() == again.content()
            again.insert_local(policy("next"))
            assert names(ledger_at(copy / path.name)) == [*names(again)[:-1], "next"]
            again.close()
            assert (copy / path.name).read_bytes() == again.content()


def test_a_journal_that_outgrows_its_base_is_begun_anew(ledger, monkeypatch) -> None:
    monkeypatch.setattr(limits, "JOURNAL_COMPACT_MIN_BYTES", 4000)
    for _ in range(30):
        ledger.insert_local(policy("a"))
        ledger.delete_local(policy("a").id)
        ledger.insert_local(policy("b"))
        ledger.delete_local(policy("b").id)
    ledger.insert_local(policy("kept"))
    ledger.close()
    assert journal_of(ledger).stat().st_size < 1500
    assert names(ledger) == names(restarted(ledger)) == ["kept"]


# ------------------------------------------------------------------- failures


def failing(monkeypatch: pytest.MonkeyPatch, name: str, error: int, times: int = 1) -> None:
    """Let a system call fail some times."""
    call, left = getattr(os, name), [times]

    def act(*args: object, **more: object) -> object:
        if left[0]:
            left[0] -= 1
            raise OSError(error, os.strerror(error))
        return call(*args, **more)

    monkeypatch.setattr(os, name, act)


@pytest.mark.parametrize(
    ("name", "error"),
    [("write", errno.ENOSPC), ("fdatasync", errno.EIO), ("open", errno.EMFILE)],
)
def test_a_failed_write_changes_nothing_and_the_next_one_counts(
    ledger, monkeypatch, name, error
) -> None:
    ledger.adopt(master_file("m"), place=START)
    ledger.insert_local(policy("a"))
    failing(monkeypatch, name, error)
    with pytest.raises(FileWriteFailed):
        ledger.insert_local(policy("lost"))
    assert names(ledger) == names(restarted(ledger)) == ["m", "a"]
    ledger.insert_local(policy("b"))
    assert names(ledger) == names(restarted(ledger)) == ["m", "a", "b"]
    assert restarted(ledger).damage == ()


def test_what_a_failed_write_left_is_never_seen(ledger, monkeypatch) -> None:
    ledger.insert_local(policy("a"))
    failing(monkeypatch, "fdatasync", errno.EIO)
    failing(monkeypatch, "ftruncate", errno.EIO)
    with pytest.raises(FileWriteFailed):
        ledger.insert_local(policy("lost"))
    assert names(ledger) == ["a"]
    ledger.insert_local(policy("b"))
    assert names(ledger) == names(restarted(ledger)) == ["a", "b"]


def test_a_file_of_policies_that_cannot_be_written_stops_no_change(ledger, path) -> None:
    ledger.insert_local(policy("a"))
    ledger.write_file()
    files = ledger._keeper.file
    draft, files.draft = files.draft, lambda pieces: (_ for _ in ()).throw(FileWriteFailed("full"))
    ledger.insert_local(policy("b"))
    with pytest.raises(FileWriteFailed):
        ledger.write_file()
    files.draft = draft
    assert names(restarted(ledger)) == ["a", "b"]
    ledger.close()
    assert path.read_bytes() == ledger.content()


def test_a_ledger_that_is_too_long_is_refused(ledger, monkeypatch) -> None:
    ledger.adopt(master_file("m"), place=START)
    size = len(ledger.content())
    monkeypatch.setattr(limits, "MAX_LEDGER_BYTES", size + 250)
    ledger.insert_local(policy("fits"))
    with pytest.raises(StorageError, match=f"exceeds {size + 250}"):
        ledger.insert_local(policy("more"))
    with pytest.raises(StorageError, match=f"exceeds {size + 250}"):
        ledger.adopt(master_file("m", "n", "o", "p"), place=START)
    assert names(ledger) == names(restarted(ledger)) == ["m", "fits"]
    assert ledger.pending()[1] == ()
    ledger.delete_local(policy("m").id, MASTER)
    assert ledger.pending()[1] == (DeleteMarker(policy("m").id, MASTER),)


def test_one_journal_is_not_written_over_what_another_process_added(path) -> None:
    path.parent.mkdir()
    one, two = Journal(path), Journal(path)
    one.rewrite([(1, b"base")])
    two.read()
    two.append(5, b"two")
    with pytest.raises(FileWriteFailed, match="changed by another program"):
        one.append(5, b"one")
    assert payloads(path.read_bytes()) == [b"base", b"two"]
