"""The ledger file's format: lines, damage, and the division into two parts."""

from __future__ import annotations

import hashlib

import pytest

from edgelake.errors import LedgerInvalid
from edgelake.ledger import EMPTY_LEDGER, DeleteMarker, Snapshot, join, parse_ledger

A = b'{"device": {"name": "a", "id": "a", "date": "2026", "ledger": "global"}}\n'
B = b'{"device":{"id":"b","note":"it\'s | \\\\ \\u4e2d"}}\n'
LOCAL = '{"device": {"id": "l", "ledger": "local"}}'
MARKER = '{"deleted": {"id": "a", "ledger": "local"}}'


def ids(policies):
    return [policy.id for policy in policies]


def test_a_masters_file_is_kept_byte_for_byte():
    image = parse_ledger(A + b"\n" + B)
    assert image.master == A + b"\n" + B
    assert ids(image.policies) == ["a", "b"]
    assert image.policies[1].text == B.decode().strip()
    assert (image.local, image.deletes, image.damage, image.quarantine) == ((), (), (), ())


def test_local_lines_follow_the_masters():
    image = parse_ledger(A + B + f"{LOCAL}\n{MARKER}\n".encode())
    assert image.master == A + B
    assert ids(image.local) == ["l"]
    assert image.deletes == (DeleteMarker("a"),)


def test_markers_of_other_nodes_are_understood():
    spelled = b'{"deleted": { "id" : "a", "ledger" : "local" }}\n'
    assert parse_ledger(A + spelled).deletes == (DeleteMarker("a"),)
    named = DeleteMarker("a", "10.0.0.7:32048")
    assert parse_ledger(A + named.to_line().encode() + b"\n").deletes == (named,)
    finished = b'{"deleted": {"id": "a", "ledger": "global"}}\n'
    assert parse_ledger(B + finished).deletes == ()


def test_a_local_policy_deleted_later_is_gone():
    content = (
        b'{"d": {"id": "x", "ledger": "local"}}\n{"deleted": {"id": "x", "ledger": "local"}}\n'
    )
    image = parse_ledger(content)
    assert image.local == ()
    assert image.deletes == (DeleteMarker("x"),)


def test_a_local_line_the_master_has_is_the_masters():
    content = A + A.replace(b"global", b"local")
    assert parse_ledger(content).local == ()


def test_a_local_line_that_says_something_else_than_the_masters_stays_local():
    content = A + b'{"device": {"id": "a", "ledger": "local"}}\n'
    (found,) = parse_ledger(content).local
    assert found.text == '{"device": {"id": "a", "ledger": "local"}}'


@pytest.mark.parametrize(
    "master",
    [
        b"",
        EMPTY_LEDGER,
        b"\n\n",
        A,
        A + B,
        A + b"\n",
        A + b"\n\n",
        A + b'{"d": {"id": "m", "ledger": "local"}}\n',
        b'{"d": {"id": "m", "ledger": "local"}}\n',
        A + b'\n{"d": {"id": "m", "ledger": "local"}}\n',
        b'\n{"d": {"id": "m", "ledger": "local"}}\n',
        A + MARKER.encode() + b"\n",
        A + b'{"d": {"name": "no id"}}\n',
        A + b"5\n",
        A + b"  \n" + B,
    ],
)
@pytest.mark.parametrize("local", [[], [LOCAL], [LOCAL, MARKER], [MARKER]])
def test_the_parts_are_found_again(master, local):
    data = join(master, local)
    image = parse_ledger(data)
    assert image.master == master
    assert ids(image.local) == (["l"] if LOCAL in local else [])
    assert [m.id for m in image.deletes] == (["a"] if MARKER in local else [])
    assert data.startswith(master)


def test_ordinary_parts_stand_one_after_the_other():
    assert join(A + B, [LOCAL]) == A + B + LOCAL.encode() + b"\n"
    assert join(A + B, []) == A + B
    assert join(EMPTY_LEDGER, []) == EMPTY_LEDGER
    assert join(b"", [LOCAL]) == LOCAL.encode() + b"\n"


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        (b'{"device": {"id": "x"\n', "not JSON at its end"),
        (b"garbage\n", "not JSON at character 1"),
        (b"\xff\xfe\n", "not UTF-8"),
        (b'{"device": {"id": "a"', "not JSON at its end"),
    ],
)
def test_damage_is_reported_and_stops_nothing(line, reason):
    rest = B if line.endswith(b"\n") else b""
    image = parse_ledger(A + line + rest)
    assert image.master == A + rest
    (damage,) = image.damage
    assert damage.line == 2
    assert reason in damage.reason
    assert damage.text == line
    with pytest.raises(LedgerInvalid, match=f"line 2: .*{reason}"):
        parse_ledger(A + line + rest, strict=True)


def test_a_torn_tail_does_not_hide_local_policies_before_it():
    image = parse_ledger(A + LOCAL.encode() + b'\n{"device": {"id": "t", "led')
    assert ids(image.local) == ["l"]
    assert image.master == A


def test_a_file_cut_before_its_last_line_feed_is_refused():
    with pytest.raises(LedgerInvalid, match="cut: line 2 has no line feed"):
        parse_ledger(A + B[:-1], strict=True)


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        (b'{"device": {"name": "x"}}\n', "has no id"),
        (b'{"device": {"id": "a", "name": "other"}}\n', "id 'a' of type 'device' was used before"),
        (b"[]\n", "not a list"),
        (b'{"a": {}, "b": {}}\n', "one root key"),
        (b'{"device": {"id": 7}}\n', "id of 'device' is a number"),
        (b'{"device": {"id": "\\ud800"}}\n', "surrogate"),
        (b'{"device": {"x": NaN}}\n', "finite"),
        (b'{"device": ' + b"[" * 5000 + b"\n", "nested deeper"),
    ],
)
@pytest.mark.parametrize("strict", [True, False])
def test_one_bad_entry_never_stops_the_others(line, reason, strict):
    image = parse_ledger(A + line + B, strict=strict)
    assert image.master == A + line + B
    assert ids(image.policies) == ["a", "b"]
    assert image.policies[0].body["name"] == "a"
    (entry,) = image.quarantine
    assert str(entry).startswith("line 2: ")
    assert reason in entry.reason


def test_numbers_of_quarantined_lines_are_those_of_the_file():
    image = parse_ledger(A + b"broken\n\n" + b"[]\n" + B)
    assert [entry.line for entry in image.damage] == [2]
    assert [entry.line for entry in image.quarantine] == [4]


def test_a_masters_local_policies_are_the_masters_when_received():
    received = A + b'{"d": {"id": "m", "ledger": "local"}}\n'
    image = parse_ledger(received, strict=True)
    assert ids(image.policies) == ["a", "m"]
    assert image.local == ()


def test_snapshots_hash_all_bytes_and_count_policies():
    assert Snapshot.of(EMPTY_LEDGER).md5 == "68b329da9893e34099c7d8ad5cb9c940"
    assert Snapshot.of(EMPTY_LEDGER).count == 0
    lines = [A.decode().strip(), B.decode().strip()]
    snapshot = Snapshot.of_lines(lines)
    assert snapshot == Snapshot.of(A + B)
    assert (snapshot.data, snapshot.count) == (A + B, 2)
    assert snapshot.md5 == hashlib.md5(A + B).hexdigest()
    assert Snapshot.of_lines([]) == Snapshot.of(b"\n")
