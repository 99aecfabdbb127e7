"""Any history of inserts, deletes, adoptions, crashes and restarts keeps the ledger's promises."""

from __future__ import annotations

import contextlib
import hashlib
import json
from pathlib import Path

import hypothesis.strategies as st
from hypothesis import given, settings
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
)

from edgelake.errors import (
    BadJson,
    EdgeLakeError,
    LedgerInvalid,
    PolicyConflict,
    PolicyInvalid,
    PolicyMissing,
)
from edgelake.interfaces import FileStamp
from edgelake.ledger import (
    LocalLedger,
    Policy,
    join,
    literal,
    parse_ledger,
    parse_policy,
    pretty,
)
from edgelake.storage.frames import HEADER, frame_head, read_frames

IDS = [f"p{number}" for number in range(6)]
MASTERS = st.sampled_from([None, "10.0.0.7:32048"])
ADDRESS = "10.0.0.7:32048"


class MemoryJournal:
    """A journal on a disk that can refuse to write."""

    spoiled = False

    def __init__(self):
        self.data = None
        self.broken = False

    def stamp(self):
        return None if self.data is None else len(self.data)

    def read(self):
        return None if self.data is None else list(read_frames(self.data))

    def append(self, kind, payload):
        if self.broken:
            raise OSError("disk full")
        self.data += frame_head(kind, payload) + payload

    def rewrite(self, records):
        if self.broken:
            raise OSError("disk full")
        self.data = HEADER + b"".join(frame_head(k, data) + data for k, data in records)

    def end_bytes(self):
        return len(self.data)


class MemoryFile:
    """A disk of two files."""

    path = Path("blockchain.json")

    def __init__(self):
        self.journal = MemoryJournal()
        self.data = None
        self.writes = 0

    def read(self):
        return self.data

    @contextlib.contextmanager
    def draft(self, pieces):
        data = b"".join(pieces)
        yield FileStamp(self.writes + 1, len(data), 0)
        self.data = data
        self.writes += 1

    def set_aside(self, damaged):
        raise AssertionError(f"damage in a file of our own: {damaged!r}")

    def stamp(self):
        return None if self.data is None else FileStamp(self.writes, len(self.data), 0)

    def old_position(self):
        return None

    def forget_old_position(self):
        pass


def line(policy_id, ledger, extra=""):
    return f'{{"device": {{"id": "{policy_id}", "ledger": "{ledger}"{extra}}}}}\n'


# A master may hold anything: policies marked local, blank lines, bad entries, its own spelling.
MASTER_LINES = st.lists(
    st.one_of(
        st.sampled_from(IDS).map(lambda i: line(i, "global")),
        st.sampled_from(IDS).map(lambda i: line(i, "local")),
        st.sampled_from(IDS).map(lambda i: line(i, "global", ', "x": "it\'s | \\\\ \\u00e9"')),
        st.sampled_from(["\n", " \n", "[]\n", '{"device": {}}\n', '{"a":{"id":"z"}}\r\n']),
        st.sampled_from(IDS).map(lambda i: f'{{"deleted": {{"id": "{i}", "ledger": "local"}}}}\n'),
    ),
    max_size=8,
).map("".join)


class History(RuleBasedStateMachine):
    """The ledger beside a model: what the master sent, what is local, what is deleted."""

    @initialize()
    def start(self):
        self.file = MemoryFile()
        self.ledger = LocalLedger(self.file)
        self.master = ""
        self.local: list[str] = []
        self.deleted: dict[str, str | None] = {}
        self.copied = 0
        self.copy: dict[str, Policy] = {}

    def ids_of_master(self):
        return [policy.id for policy in parse_ledger(self.master.encode(), strict=True).policies]

    def visible(self):
        return [i for i in self.ids_of_master() if i not in self.deleted] + self.local

    @rule(policy_id=st.sampled_from(IDS))
    def insert(self, policy_id):
        policy = parse_policy(line(policy_id, "local"))
        hidden_here = policy_id in self.deleted and self.deleted[policy_id] is None
        try:
            stored = self.ledger.insert_local(policy)
        except PolicyConflict:
            assert policy_id in self.visible() or policy_id in self.deleted
            return
        assert policy_id not in self.visible()
        if hidden_here:
            assert stored == self.ledger.get(policy_id)
            del self.deleted[policy_id]
        else:
            self.local.append(policy_id)

    @rule(policy_id=st.sampled_from(IDS), master=MASTERS)
    def delete(self, policy_id, master):
        known = policy_id in self.visible() or (master is not None and policy_id in self.deleted)
        try:
            self.ledger.delete_local(policy_id, master)
        except PolicyMissing:
            assert not known
            return
        assert known
        was_local = policy_id in self.local
        if was_local:
            self.local.remove(policy_id)
        if master is not None or not was_local:
            self.deleted[policy_id] = master

    @rule(content=MASTER_LINES)
    def adopt(self, content):
        before = self.ledger.content()
        try:
            adoption = self.ledger.adopt(content.encode())
        except LedgerInvalid:
            assert not parse_ledger(content.encode(), strict=True).policies
            assert self.ledger.content() == before
            return
        self.master = content
        ids = self.ids_of_master()
        assert sorted(adoption.confirmed) == sorted(i for i in self.local if i in ids)
        self.local = [i for i in self.local if i not in ids]
        self.deleted = {i: m for i, m in self.deleted.items() if i in ids}
        assert [p.id for p in adoption.policies] == self.local

    @rule(content=MASTER_LINES, cut=st.integers(min_value=1, max_value=40))
    def receive_torn(self, content, cut):
        torn = content[: max(len(content) - cut, 0)]
        if torn and not torn.endswith("\n"):
            before = self.ledger.content()
            try:
                self.ledger.adopt(torn.encode(), allow_empty=True)
            except LedgerInvalid:
                assert self.ledger.content() == before
            else:
                raise AssertionError("a torn ledger was adopted")

    @rule(policy_id=st.sampled_from(IDS), content=MASTER_LINES)
    def fail_to_write(self, policy_id, content):
        self.file.journal.broken = True
        before = self.ledger.find()
        for change in (
            lambda: self.ledger.insert_local(parse_policy(line(policy_id, "local"))),
            lambda: self.ledger.delete_local(policy_id),
            lambda: self.ledger.adopt(content.encode()),
        ):
            with contextlib.suppress(OSError, EdgeLakeError):
                change()
            assert self.ledger.find() == before
        self.file.journal.broken = False

    @precondition(lambda self: self.file.journal.data is not None)
    @rule(load=st.booleans(), without_file=st.booleans())
    def restart(self, load, without_file):
        if without_file:
            self.file.data = None
        self.ledger = LocalLedger(self.file)
        if load:
            assert self.ledger.load() == ()

    @rule()
    def write_the_file(self):
        self.ledger.write_file()
        if self.file.data is not None:
            assert self.file.data == self.ledger.content()

    @rule()
    def a_copy_is_brought_on_by_what_changed(self):
        found = self.ledger.changed_since(self.copied)
        if found is None:
            self.copied, self.copy = self.ledger.version, {p.id: p for p in self.ledger}
            return
        self.copied, changed = found
        for key, policy in changed.items():
            if policy is None:
                self.copy.pop(key, None)
            else:
                self.copy[key] = policy
        assert self.copied == self.ledger.version
        assert self.copy == {policy.id: policy for policy in self.ledger}

    @invariant()
    def promises_hold(self):
        if not hasattr(self, "file"):
            return
        for ledger in (self.ledger, LocalLedger(self.file)):
            assert [policy.id for policy in ledger.find()] == self.visible()
            policies, deletes = ledger.pending()
            assert [policy.id for policy in policies] == self.local
            assert {d.id: d.master for d in deletes} == self.deleted
            master = self.master.encode()
            assert ledger.master_hash() == (hashlib.md5(master).hexdigest() if master else "0")
            data = ledger.content()
            assert ledger.file_hash() == (hashlib.md5(data).hexdigest() if data else "0")
            assert data.startswith(master)
            assert ledger.damage == ()


TestHistory = History.TestCase
TestHistory.settings = settings(max_examples=120, stateful_step_count=25, deadline=None)

JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**64 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)
BODIES = st.dictionaries(st.text().filter(lambda k: k not in ("id", "date")), JSON, max_size=5)
TYPES = st.text(min_size=1)


def whole(data):
    """Integers that JSON writes like floats compare equal; their types tell them apart."""
    return literal(data)


@given(TYPES, BODIES)
def test_any_policy_survives_its_line_and_its_display(kind, body):
    policy = parse_policy(json.dumps({kind: body}))
    assert whole(policy.content()) == whole({kind: body})
    assert policy.text == json.dumps({kind: body})
    assert parse_policy(json.dumps({kind: body}, ensure_ascii=False, indent=1)) == policy
    assert whole(json.loads(pretty([policy]))) == whole([{kind: body}])
    assert "\n" not in policy.text


@given(st.binary(max_size=300) | st.text(max_size=300).map(str.encode))
def test_any_bytes_are_read_without_harm(data):
    image = parse_ledger(data)
    again = parse_ledger(join(image.master, [policy.text for policy in image.local]))
    assert again.master == image.master
    assert again.policies == image.policies
    assert again.damage == ()
    try:
        strict = parse_ledger(data, strict=True)
    except LedgerInvalid:
        return
    assert strict.master == data


@given(st.text(max_size=200))
def test_any_text_is_a_policy_or_an_error(text):
    with contextlib.suppress(BadJson, PolicyInvalid):
        assert isinstance(parse_policy(text), Policy)
